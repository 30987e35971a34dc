/* SPDX-License-Identifier: GPL-2.0 */
/* CETH's tests: a driver of the reference NIC with mistakes.
 *
 * The files of the real driver are compiled once more, into a module of their
 * own, with functions of this one before theirs.
 */
#ifndef _CETH_TEST_REFBUG_H
#define _CETH_TEST_REFBUG_H

#include "../ref/ref.h"

/* What the driver does wrong, by name in the parameter "bug" */
enum refbug {
	REFBUG_NONE,
	REFBUG_CAPS,		/* a capability without its callback */
	REFBUG_CALLBACK,	/* no ring_stop */
	REFBUG_POSITIVE,	/* a callback returns 1 */
	REFBUG_LOCKED,		/* a callback leaves bottom halves off */
	REFBUG_LOCKED_FLUSH,	/* the same of tx_flush */
	REFBUG_LATE_IRQ,	/* interrupts after dev_reset */
	REFBUG_LATE_RING,	/* writes to a ring after ring_stop */
	REFBUG_LATE_BUFFER,	/* writes to a buffer after ring_stop */
	REFBUG_DIRTY,		/* ring_init forgets where completions come */
	REFBUG_BEHIND,		/* a descriptor behind the ring */
	REFBUG_STUBBORN,	/* set_features does nothing */
	REFBUG_STATS,		/* get_stats has one counter too many */
	REFBUG_PAIR,		/* ceth_fault() about a pair that there is not */
	REFBUG_HASTY,		/* rx_next takes off what it reads */
	REFBUG_GREEDY,		/* rx_open knows no maximum */
	REFBUG_ENDLESS,		/* rx_close always promises more */
	REFBUG_OVERWRITE,	/* now and then a descriptor over the one before */
	REFBUG_OVERWRITE_TX,	/* the same, transmit */
	REFBUG_MUTE,		/* tx_flush rings no doorbell */
	REFBUG_MUTE_RX,		/* rx_flush rings no doorbell */
	REFBUG_NOISY,		/* rx_flush always rings it */
	REFBUG_BLIND,		/* irq_arm never looks at the ring */
	REFBUG_STORM,		/* interrupts are armed during the poll */
	REFBUG_META,		/* a flag of what is not declared */
	REFBUG_HASH,		/* a hash of a type that there is not */
	REFBUG_NUM,
};

extern enum refbug refbug;

/* The buffer that the device got last, by queue, for REFBUG_LATE_BUFFER */
#define REFBUG_QUEUES	16
extern dma_addr_t refbug_buffer[REFBUG_QUEUES];

extern const struct ceth_ops refbug_real_ops;

#endif /* _CETH_TEST_REFBUG_H */
