// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: frames that a thread passes on one after the other.
 *
 * What costs more than a frame itself is done once for many: the lock of the
 * receive queue is held from one frame to the next, and interrupts are raised
 * at the end of the batch, or when one of its frames has to wait. Completions
 * are written at once, so that a driver which polls sees them. With moderation,
 * interrupts are as if there were no batches.
 *
 * Who has a batch under way does not sleep, but for buffers of the receive
 * queue that it has locked; see refhw_rx_wait().
 */
#include <linux/sched.h>

#include "refhw.h"

/* Ports, devices and queues stay until refhw_batch_end(). */
void refhw_batch_begin(struct refhw_batch *b)
{
	if (b->held)
		return;
	b->idx = srcu_read_lock(&refhw_srcu);
	/* To sparse: it is the batch that holds it. */
	__release(&refhw_srcu);
	b->held = true;
	b->left = REFHW_BATCH;
	b->looks = REFHW_LOOKS_BATCH;
}

/* What the receive queue has got is noted; see refhw_batch_raise(). */
static void refhw_batch_note(struct refhw_batch *b)
{
	struct refhw_vec *vec = b->rxq->vec;
	u32 i;

	for (i = 0; i < b->n; i++)
		if (b->done[i].vec == vec)
			break;
	if (i == ARRAY_SIZE(b->done)) {
		refhw_vec_event(vec, false, b->rx_done);
	} else if (i == b->n) {
		b->done[i].vec = vec;
		b->done[i].n = b->rx_done;
		b->n++;
	} else {
		b->done[i].n += b->rx_done;
	}
	b->rx_done = 0;
}

void refhw_batch_unlock(struct refhw_batch *b)
{
	struct refhw_queue *q = b->rxq;

	if (!q)
		return;
	if (b->rx_done)
		refhw_batch_note(b);
	b->rxq = NULL;
	q->batch = NULL;
	mutex_unlock(&q->lock);
}

/* The lock of a receive queue, for this frame and those that follow */
void refhw_batch_lock(struct refhw_batch *b, struct refhw_queue *q)
{
	if (b->rxq == q)
		return;
	refhw_batch_unlock(b);
	mutex_lock(&q->lock);
	q->batch = b;
	b->rxq = q;
}

/* Interrupts for what has completed so far */
void refhw_batch_raise(struct refhw_batch *b)
{
	u32 i;

	if (b->rx_done)
		refhw_batch_note(b);
	for (i = 0; i < b->n; i++)
		refhw_vec_event(b->done[i].vec, false, b->done[i].n);
	b->n = 0;
	if (b->tx_done)
		refhw_vec_event(b->tx_vec, true, b->tx_done);
	b->tx_done = 0;
}

/* Nothing follows, or not at once. */
void refhw_batch_end(struct refhw_batch *b)
{
	refhw_batch_unlock(b);
	refhw_batch_raise(b);
	if (!b->held)
		return;
	b->held = false;
	__acquire(&refhw_srcu);
	srcu_read_unlock(&refhw_srcu, b->idx);
}

/* A frame has been passed on. */
void refhw_batch_next(struct refhw_batch *b)
{
	if (b->left > 1 && !need_resched())
		b->left--;
	else
		refhw_batch_end(b);
}
