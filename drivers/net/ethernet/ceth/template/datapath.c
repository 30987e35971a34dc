// SPDX-License-Identifier: GPL-2.0
/* CETH backend template: descriptors.
 *
 * Compiled into the poll loop, so that no packet costs a call. Each word that the
 * device can write is read once; the core checks ids and lengths. Other kinds of
 * rings: a ring of completions apart from that of descriptors is in ../ref/, one
 * with ids that the device returns in ../virtio/.
 *
 * Barriers: descriptors before the doorbell (writel), slots before the tail that
 * vouches for them (release and acquire); DONE before all that it
 * vouches for (dma_rmb); the interrupt let through before a last look at the
 * rings (mb).
 */
#include "template.h"

/* The vendor's: what the doorbell wants; here the slot behind the last. A stopped
 * queue has none.
 */
static __always_inline void ctmpl_ring(void *ring)
{
	struct ctmpl_queue *q = ring;
	void __iomem *reg = READ_ONCE(q->tail_reg);

	if (reg)
		writel(q->tail & q->mask, reg);
}

static __always_inline bool ctmpl_flush(void *ring)
{
	struct ctmpl_queue *q = ring;

	if (q->rung == q->tail)
		return false;
	q->rung = q->tail;
	ctmpl_ring(q);
	return true;
}

static __always_inline void ctmpl_post_open(void *ring, struct ceth_cursor *cur)
{
	const struct ctmpl_queue *q = ring;

	cur->pos = q->desc;
	cur->mask = q->mask;
	cur->idx = q->tail;
}

static __always_inline void ctmpl_post_close(void *ring,
					     struct ceth_cursor *cur)
{
	struct ctmpl_queue *q = ring;

	/* Completion looks at slots up to here. */
	smp_store_release(&q->tail, cur->idx);
}

/* The vendor's: a receive descriptor */
static __always_inline void ctmpl_rx_post(void *ring, struct ceth_cursor *cur,
					  u32 id, dma_addr_t dma)
{
	u32 slot = cur->idx++ & cur->mask;
	struct ctmpl_desc *d = cur->pos;
	struct ctmpl_queue *q = ring;

	q->slots[slot].id = id;
	d += slot;
	d->addr = cpu_to_le64(dma);
	d->flags = 0;
}

/* The vendor's: transmit descriptors. @meta says what is left to the device, and
 * is NULL for most packets; nothing that the capabilities do not state is asked for.
 */
static __always_inline void ctmpl_tx_post(void *ring, struct ceth_cursor *cur,
					  const struct ceth_tx_seg *segs, u32 n,
					  const struct ceth_tx_meta *meta)
{
	struct ctmpl_queue *q = ring;
	struct ctmpl_desc *d;
	u32 i, slot;

	slot = cur->idx & cur->mask;
	q->slots[slot].id = segs[0].id;
	q->slots[slot].last = (cur->idx + n - 1) & cur->mask;
	for (i = 0; i < n; i++) {
		d = cur->pos;
		d += cur->idx++ & cur->mask;
		d->addr = cpu_to_le64(segs[i].dma);
		d->len = cpu_to_le32(segs[i].len);
		d->flags = cpu_to_le32(i == n - 1 ? CTMPL_D_EOP : 0);
	}
}

/* Beyond what was posted a slot may say DONE from its last use. */
static __always_inline void ctmpl_open(void *ring, struct ceth_cursor *cur,
				       u32 max)
{
	const struct ctmpl_queue *q = ring;

	/* Pairs with the release in ctmpl_post_close(). */
	u32 posted = smp_load_acquire(&q->tail) - q->next;

	cur->idx = q->next;
	cur->mask = q->mask;
	cur->bits = q->next + min(max, posted);
}

static __always_inline bool ctmpl_close(void *ring, struct ceth_cursor *cur)
{
	struct ctmpl_queue *q = ring;

	q->next = cur->idx;
	return cur->idx == (u32)cur->bits;
}

/* The vendor's: what the device writes back. For frames of several buffers
 * (CETH_CAP_MULTI_BUF) look ahead to the mark of the last, and report none
 * before that is there.
 */
static __always_inline bool ctmpl_rx_next(void *ring, struct ceth_cursor *cur,
					  struct ceth_rx_cmpl *c)
{
	const struct ctmpl_queue *q = ring;
	const struct ctmpl_desc *d;
	u32 slot, flags;

	if (cur->idx == (u32)cur->bits)
		return false;
	slot = cur->idx & cur->mask;
	d = &q->desc[slot];
	flags = le32_to_cpu(READ_ONCE(d->flags));
	if (!(flags & CTMPL_D_DONE))
		return false;
	dma_rmb();
	c->len = le32_to_cpu(READ_ONCE(d->len));
	c->id = q->slots[slot].id;
	c->word = flags;
	cur->idx++;
	return true;
}

/* The vendor's: keep what rx_meta needs, as the descriptor may be used again
 * before; return the number of buffers, or 0 for a frame that makes no sense.
 */
static __always_inline u32 ctmpl_rx_begin(const void *ring,
					  const struct ceth_rx_cmpl *c,
					  const void *prefix,
					  struct ceth_rx_info *info)
{
	info->w[0] = c->word;
	return 1;
}

/* The vendor's: checksum verified, hash, tag, time: see &enum ceth_rx_flags */
static __always_inline void ctmpl_rx_meta(const void *ring,
					  const struct ceth_rx_info *info,
					  struct ceth_rx_meta *meta)
{
	meta->flags = 0;
}

static __always_inline bool ctmpl_tx_next(void *ring, struct ceth_cursor *cur,
					  u32 *id)
{
	const struct ctmpl_queue *q = ring;
	const struct ctmpl_slot *s;

	if (cur->idx == (u32)cur->bits)
		return false;
	s = &q->slots[cur->idx & cur->mask];
	if (!(le32_to_cpu(READ_ONCE(q->desc[s->last].flags)) & CTMPL_D_DONE))
		return false;
	*id = s->id;
	return true;
}

/* How many segments the packet had, the core knows. */
static __always_inline void ctmpl_tx_skip(struct ceth_cursor *cur, u32 n)
{
	cur->idx += n;
}

static const struct ceth_dp_ops ctmpl_dp_ops;

/* The vendor's: let the pair's vector through. One that was raised has masked
 * itself here; where it does not, there is irq_disarm.
 */
static __always_inline bool ctmpl_irq_arm(struct ceth_pair *pair)
{
	const struct ctmpl_queue *q = ceth_rxq_priv(pair->rxq);
	void __iomem *reg = READ_ONCE(q->irq_reg);

	if (reg)
		writel(q->irq_on, reg);
	/* What completes from now on interrupts; and what has before? */
	mb();
	return ceth_pending_tmpl(pair, &ctmpl_dp_ops);
}

static const struct ceth_dp_ops ctmpl_dp_ops = {
	.rx_open		= ctmpl_open,
	.rx_next		= ctmpl_rx_next,
	.rx_close		= ctmpl_close,
	.rx_begin		= ctmpl_rx_begin,
	.rx_meta		= ctmpl_rx_meta,
	.rx_post_open		= ctmpl_post_open,
	.rx_post		= ctmpl_rx_post,
	.rx_post_close		= ctmpl_post_close,
	.rx_flush		= ctmpl_flush,
	.rx_doorbell		= ctmpl_ring,
	.tx_post_open		= ctmpl_post_open,
	.tx_post		= ctmpl_tx_post,
	.tx_post_close		= ctmpl_post_close,
	.tx_flush		= ctmpl_flush,
	.tx_open		= ctmpl_open,
	.tx_next		= ctmpl_tx_next,
	.tx_skip		= ctmpl_tx_skip,
	.tx_close		= ctmpl_close,
	.irq_arm		= ctmpl_irq_arm,
};

CETH_DATAPATH(ctmpl_dp, ctmpl_dp_ops, struct ctmpl_queue, struct ctmpl_queue);
