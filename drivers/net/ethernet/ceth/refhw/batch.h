/* SPDX-License-Identifier: GPL-2.0 */
/* Reference NIC: frames that a thread passes on one after the other. */
#ifndef _REFHW_BATCH_H
#define _REFHW_BATCH_H

#include <linux/types.h>

struct refhw_queue;
struct refhw_vec;

/* Frames of a batch, at most: as many as a driver polls for at a time */
#define REFHW_BATCH		64
/* Other receive queues that a batch has frames for, at most */
#define REFHW_BATCH_VECS	16
/* How often a thread looks at an empty ring before it sleeps; and in all, while
 * interrupts wait for the end of a batch
 */
#define REFHW_LOOKS		256
#define REFHW_LOOKS_BATCH	1024

/**
 * struct refhw_batch - frames that a thread passes on one after the other
 * @rxq: receive queue that is locked; NULL: none
 * @rx_done: frames that it has received, and nobody was told
 * @tx_vec: vector of the transmit queue that sends
 * @tx_done: packets that it has completed, and nobody was told
 * @idx: of refhw_srcu, with @held
 * @held: under way
 * @left: frames that there may still be
 * @looks: that there may still be at an empty ring
 * @n: entries of @done
 * @done: as @rx_done, of other receive queues
 */
struct refhw_batch {
	struct refhw_queue *rxq;
	u32 rx_done;
	struct refhw_vec *tx_vec;
	u32 tx_done;
	int idx;
	bool held;
	u32 left;
	u32 looks;
	u32 n;
	struct {
		struct refhw_vec *vec;
		u32 n;
	} done[REFHW_BATCH_VECS];
};

void refhw_batch_begin(struct refhw_batch *b);
void refhw_batch_lock(struct refhw_batch *b, struct refhw_queue *q);
void refhw_batch_unlock(struct refhw_batch *b);
void refhw_batch_raise(struct refhw_batch *b);
void refhw_batch_next(struct refhw_batch *b);
void refhw_batch_end(struct refhw_batch *b);

#endif /* _REFHW_BATCH_H */
