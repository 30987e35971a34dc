// SPDX-License-Identifier: GPL-2.0
/* CETH's tests: a driver of the reference NIC with mistakes: the fast path. */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/irq.h>

#include "refbug.h"

#define REFBUG_STRAYS	32

/* The functions of the driver, without what is made of them */
#pragma push_macro("CETH_DATAPATH")
#undef CETH_DATAPATH
#define CETH_DATAPATH(...) static_assert(true)
#include "../ref/datapath.c"
#pragma pop_macro("CETH_DATAPATH")

dma_addr_t refbug_buffer[REFBUG_QUEUES];

/* Is this the time for something that is wrong now and then? */
static __always_inline bool refbug_now(enum refbug which)
{
	static u32 times;

	return refbug == which && !(++times % 61);
}

static __always_inline void refbug_open(void *ring, struct ceth_cursor *cur,
					u32 max)
{
	cref_open(ring, cur, refbug == REFBUG_GREEDY ? U32_MAX : max);
}

static __always_inline bool refbug_rx_next(void *ring, struct ceth_cursor *cur,
					   struct ceth_rx_cmpl *c)
{
	struct cref_queue *q = ring;

	if (!cref_rx_next(ring, cur, c))
		return false;
	if (refbug == REFBUG_HASTY)
		q->next++;
	return true;
}

static __always_inline bool refbug_rx_close(void *ring, struct ceth_cursor *cur)
{
	const struct cref_queue *q = ring;
	u32 i;

	/* As the device would, were they not disarmed */
	for (i = 0; refbug == REFBUG_STORM && i < REFBUG_STRAYS; i++)
		generic_handle_irq_safe(q->rdev->irqs[q->conf.irq + 1]);
	if (refbug == REFBUG_HASTY) {
		dma_rmb();
		return cur->pos == cur->end;
	}
	return cref_close(ring, cur) || refbug == REFBUG_ENDLESS;
}

static __always_inline void refbug_rx_meta(const void *ring,
					   const struct ceth_rx_info *info,
					   struct ceth_rx_meta *meta)
{
	cref_rx_meta(ring, info, meta);
	if (refbug == REFBUG_META)
		meta->flags |= BIT(31);
	if (refbug == REFBUG_HASH) {
		meta->flags |= CETH_RX_HASH;
		meta->hash_type = CETH_HASH_IPV4 | CETH_HASH_IPV6;
	}
}

static __always_inline void refbug_rx_post(void *ring, struct ceth_cursor *cur,
					   u32 id, dma_addr_t dma)
{
	struct ceth_cursor was = *cur;
	struct cref_queue *q = ring;

	cref_rx_post(ring, cur, id, dma);
	if (refbug_now(REFBUG_OVERWRITE))
		*cur = was;
	if (refbug == REFBUG_BEHIND)
		*((u8 *)q->conf.mem + q->conf.size * REFNIC_RING_ENTRY) = id;
	if (refbug == REFBUG_LATE_BUFFER && q->conf.idx < REFBUG_QUEUES)
		WRITE_ONCE(refbug_buffer[q->conf.idx], dma);
}

static __always_inline void refbug_tx_post(void *ring, struct ceth_cursor *cur,
					   const struct ceth_tx_seg *segs,
					   u32 n,
					   const struct ceth_tx_meta *meta)
{
	struct ceth_cursor was = *cur;

	cref_tx_post(ring, cur, segs, n, meta);
	if (refbug_now(REFBUG_OVERWRITE_TX))
		*cur = was;
}

static __always_inline bool refbug_rx_flush(void *ring)
{
	struct cref_queue *q = ring;

	if (refbug == REFBUG_NOISY && READ_ONCE(q->doorbell)) {
		cref_ring(ring);
		return true;
	}
	/* The mistake shows when frames come meanwhile. */
	if (refbug == REFBUG_BLIND || refbug == REFBUG_HASTY)
		mdelay(1);
	if (refbug == REFBUG_GREEDY)
		mdelay(20);
	return refbug != REFBUG_MUTE_RX && cref_flush(ring);
}

static __always_inline bool refbug_tx_flush(void *ring)
{
	if (refbug == REFBUG_LOCKED_FLUSH)
		local_bh_disable();
	return refbug != REFBUG_MUTE && cref_flush(ring);
}

static __always_inline bool refbug_irq_arm(struct ceth_pair *pair)
{
	bool again = cref_irq_arm(pair);

	return refbug != REFBUG_BLIND && again;
}

static const struct ceth_dp_ops refbug_dp_ops = {
	.rx_open		= refbug_open,
	.rx_next		= refbug_rx_next,
	.rx_close		= refbug_rx_close,
	.rx_begin		= cref_rx_begin,
	.rx_marks		= true,
	.rx_hdr			= cref_rx_hdr,
	.rx_meta		= refbug_rx_meta,
	.rx_post_open		= cref_post_open,
	.rx_post		= refbug_rx_post,
	.rx_post_close		= cref_post_close,
	.rx_flush		= refbug_rx_flush,
	.rx_doorbell		= cref_ring,
	.tx_extra		= true,
	.tx_post_open		= cref_post_open,
	.tx_post		= refbug_tx_post,
	.tx_post_close		= cref_post_close,
	.tx_flush		= refbug_tx_flush,
	.tx_open		= cref_open,
	.tx_next		= cref_tx_next,
	.tx_skip		= cref_tx_skip,
	.tx_time		= cref_tx_time,
	.tx_close		= cref_close,
	.irq_arm		= refbug_irq_arm,
};

CETH_DATAPATH(cref_dp, refbug_dp_ops, struct cref_queue, struct cref_queue);
