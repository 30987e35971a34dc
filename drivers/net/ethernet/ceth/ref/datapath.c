// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: descriptors and completions.
 *
 * Indexes run free; the bit above the mask tells which round it is, and with
 * that the phase of what is new. Barriers: descriptors before the doorbell
 * (dma_wmb); the word with the phase before all it vouches for (dma_rmb in
 * cref_close); the arming of the vector before a last look at the rings
 * (mb).
 */
#include <linux/bitfield.h>

#include "ref.h"

/* The only ways to registers, once a poll each, and indirect calls in it. */
static noinline void cref_ring(struct cref_queue *q, u32 doorbell, u32 tail)
{
	refnic_write(q->rdev, doorbell, tail);
}

static noinline void cref_arm(struct cref_queue *q)
{
	refnic_write(q->rdev, REFNIC_REG_VECTOR(q->vector), 1);
}

/* A stopped queue has no doorbell. */
static __always_inline bool cref_kick(struct cref_queue *q, u32 tail)
{
	u32 doorbell = READ_ONCE(q->doorbell);

	if (unlikely(!doorbell))
		return false;
	dma_wmb();
	cref_ring(q, doorbell, tail);
	return true;
}

/* In the first round, and every other one, what is new has the phase set. */
static __always_inline bool cref_new(u64 word, u32 idx, u32 mask)
{
	return (word >> 63) != !!(idx & (mask + 1));
}

static __always_inline void cref_open(void *ring, struct ceth_cursor *cur,
				      u32 max)
{
	const struct cref_queue *q = ring;

	cur->pos = q->cmpl;
	cur->idx = q->next;
	cur->mask = q->mask;
	cur->bits = (u64)q->next + max;
}

static __always_inline bool cref_close(void *ring, struct ceth_cursor *cur)
{
	struct cref_queue *q = ring;

	q->next = cur->idx;
	dma_rmb();
	return cur->idx == (u32)cur->bits;
}

/* The word is kept, with the slot in the place of the id. */
static __always_inline bool cref_rx_next(void *ring, struct ceth_cursor *cur,
					 struct ceth_rx_cmpl *c)
{
	const struct refnic_rx_cmpl *cmpl = cur->pos;
	u32 slot = cur->idx & cur->mask;
	u64 word;

	if (cur->idx == (u32)cur->bits)
		return false;
	word = le64_to_cpu(READ_ONCE(cmpl[slot].info));
	if (!cref_new(word, cur->idx, cur->mask))
		return false;
	cur->idx++;
	c->id = (u16)word;
	c->len = (u16)(word >> 16);
	c->word = (word & ~REFNIC_RXC_ID) | slot;
	return true;
}

static __always_inline const struct refnic_rx_cmpl *
cref_rx_cmpl(const struct cref_queue *q, u64 word)
{
	const struct refnic_rx_cmpl *cmpl = q->cmpl;

	return &cmpl[(u16)word];
}

/* The device writes to this slot again when it has got the buffers back, which
 * is not before the end of the poll. Only a frame of many buffers may live
 * longer.
 */
static __always_inline u32 cref_rx_begin(const void *ring,
					 const struct ceth_rx_cmpl *c,
					 const void *prefix,
					 struct ceth_rx_info *info)
{
	u32 bufs = (u8)(c->word >> 32);

	info->w[0] = c->word;
	if (unlikely(bufs != 1)) {
		const struct refnic_rx_cmpl *rc = cref_rx_cmpl(ring, c->word);

		info->w[1] = le64_to_cpu(READ_ONCE(rc->hash));
		info->w[2] = le64_to_cpu(READ_ONCE(rc->time));
		info->w[3] = le64_to_cpu(READ_ONCE(rc->gro));
	}
	return bufs;
}

static __always_inline void cref_rx_meta(const void *ring,
					 const struct ceth_rx_info *info,
					 struct ceth_rx_meta *meta)
{
	u64 word = info->w[0], hash, time = 0, gro = 0;
	const struct refnic_rx_cmpl *c;

	if (likely((u8)(word >> 32) == 1)) {
		c = cref_rx_cmpl(ring, word);
		hash = le64_to_cpu(READ_ONCE(c->hash));
		if (unlikely(word & REFNIC_RXC_TIME))
			time = le64_to_cpu(READ_ONCE(c->time));
		if (unlikely(word & REFNIC_RXC_GRO))
			gro = le64_to_cpu(READ_ONCE(c->gro));
	} else {
		hash = info->w[1];
		time = info->w[2];
		gro = info->w[3];
	}
	meta->flags = 0;
	if (word & REFNIC_RXC_CSUM_OK)
		meta->flags |= CETH_RX_CSUM_OK;
	meta->hash_type = FIELD_GET(REFNIC_RXC_HASH, word);
	if (meta->hash_type) {
		meta->flags |= CETH_RX_HASH;
		meta->hash = hash;
	}
	if (unlikely(word & REFNIC_RXC_VLAN)) {
		meta->flags |= CETH_RX_VLAN;
		meta->vlan_tci = hash >> 32;
	}
	if (unlikely(word & REFNIC_RXC_TIME)) {
		meta->flags |= CETH_RX_TIME;
		meta->time = time;
	}
	if (unlikely(word & REFNIC_RXC_GRO)) {
		meta->flags |= CETH_RX_GRO;
		meta->gso_size = gro;
		meta->gso_segs = gro >> 16;
		meta->same_id = word & REFNIC_RXC_GRO_SAME_ID;
	}
}

static __always_inline void cref_post_open(void *ring, struct ceth_cursor *cur)
{
	const struct cref_queue *q = ring;

	cur->pos = q->desc;
	cur->idx = q->tail;
	cur->mask = q->mask;
}

static __always_inline void cref_post_close(void *ring, struct ceth_cursor *cur)
{
	struct cref_queue *q = ring;

	q->tail = cur->idx;
}

static __always_inline bool cref_flush(void *ring)
{
	struct cref_queue *q = ring;

	if (q->rung == q->tail)
		return false;
	q->rung = q->tail;
	return cref_kick(q, q->tail);
}

static __always_inline void cref_doorbell(void *ring)
{
	struct cref_queue *q = ring;

	cref_kick(q, q->tail);
}

static __always_inline void cref_rx_post(void *ring, struct ceth_cursor *cur,
					 u32 id, dma_addr_t dma)
{
	struct refnic_rx_desc *d = cur->pos;

	d += cur->idx++ & cur->mask;
	d->addr = cpu_to_le64(dma);
	d->id = cpu_to_le64(id);
}

static __always_inline u64 cref_tx_offload(const struct ceth_tx_meta *meta)
{
	u64 o;

	if (!(meta->flags & CETH_TX_CSUM))
		return 0;
	o = REFNIC_TXO_CSUM | meta->csum_start |
	    (u64)meta->csum_offset << __bf_shf(REFNIC_TXO_OFFSET);
	if (!(meta->flags & CETH_TX_GSO))
		return o;
	o |= meta->flags & CETH_TX_USO ? REFNIC_TXO_USO : REFNIC_TXO_TSO;
	if (meta->flags & CETH_TX_ECN)
		o |= REFNIC_TXO_ECN;
	return o | (u64)meta->hdr_len << __bf_shf(REFNIC_TXO_HDR_LEN) |
	       (u64)meta->gso_size << __bf_shf(REFNIC_TXO_MSS);
}

static __always_inline u64 cref_tx_extra(const struct ceth_tx_meta *meta)
{
	u64 e = 0;

	if (unlikely(meta->flags & CETH_TX_VLAN))
		e = REFNIC_TXE_VLAN | meta->vlan_tci;
	if (unlikely(meta->flags & CETH_TX_TIME))
		e |= REFNIC_TXE_TIME;
	if (unlikely(meta->flags & CETH_TX_LAUNCH))
		e |= REFNIC_TXE_LAUNCH |
		     meta->launch << __bf_shf(REFNIC_TXE_LAUNCH_TIME);
	return e;
}

static __always_inline void cref_tx_post(void *ring, struct ceth_cursor *cur,
					 const struct ceth_tx_seg *segs, u32 n,
					 const struct ceth_tx_meta *meta)
{
	struct refnic_tx_desc *desc = cur->pos, *d;
	u64 ctrl;
	u32 i;

	for (i = 0; i < n; i++) {
		d = &desc[cur->idx++ & cur->mask];
		ctrl = segs[i].len |
		       (u64)segs[i].id << __bf_shf(REFNIC_TXD_ID);
		if (i == n - 1)
			ctrl |= REFNIC_TXD_EOP;
		if (!i && meta) {
			ctrl |= REFNIC_TXD_OFFLOAD;
			d->offload = cpu_to_le64(cref_tx_offload(meta));
			d->extra = cpu_to_le64(cref_tx_extra(meta));
		}
		d->addr = cpu_to_le64(segs[i].dma);
		d->ctrl = cpu_to_le64(ctrl);
	}
}

static __always_inline bool cref_tx_next(void *ring, struct ceth_cursor *cur,
					 u32 *id)
{
	const struct refnic_tx_cmpl *cmpl = cur->pos;
	u64 word;

	if (cur->idx == (u32)cur->bits)
		return false;
	word = le64_to_cpu(READ_ONCE(cmpl[cur->idx & cur->mask].info));
	*id = (u16)word;
	return cref_new(word, cur->idx, cur->mask);
}

/* One completion for each packet, whatever its segments */
static __always_inline void cref_tx_skip(struct ceth_cursor *cur, u32 n)
{
	cur->idx++;
}

static __always_inline u64 cref_tx_time(const void *ring,
					const struct ceth_cursor *cur)
{
	const struct refnic_tx_cmpl *c = cur->pos;

	c += (cur->idx - 1) & cur->mask;
	if (!(le64_to_cpu(READ_ONCE(c->info)) & REFNIC_TXC_TIME))
		return 0;
	dma_rmb();
	return le64_to_cpu(READ_ONCE(c->time));
}

/* A vector that was raised has disarmed itself. */
static __always_inline bool cref_irq_arm(struct ceth_pair *pair)
{
	const struct cref_queue *tx = ceth_txq_priv(pair->txq_done);
	struct cref_queue *rx = ceth_rxq_priv(pair->rxq);
	const struct refnic_rx_cmpl *rc = rx->cmpl;
	const struct refnic_tx_cmpl *tc = tx->cmpl;
	u64 r, t;

	cref_arm(rx);
	/* The device completes, then looks whether the vector is armed. */
	mb();
	r = le64_to_cpu(READ_ONCE(rc[rx->next & rx->mask].info));
	t = le64_to_cpu(READ_ONCE(tc[tx->next & tx->mask].info));
	return cref_new(r, rx->next, rx->mask) ||
	       cref_new(t, tx->next, tx->mask);
}

static const struct ceth_dp_ops cref_dp_ops = {
	.rx_open		= cref_open,
	.rx_next		= cref_rx_next,
	.rx_close		= cref_close,
	.rx_begin		= cref_rx_begin,
	.rx_marks		= true,
	.rx_meta		= cref_rx_meta,
	.rx_post_open		= cref_post_open,
	.rx_post		= cref_rx_post,
	.rx_post_close		= cref_post_close,
	.rx_flush		= cref_flush,
	.rx_doorbell		= cref_doorbell,
	.tx_extra		= true,
	.tx_post_open		= cref_post_open,
	.tx_post		= cref_tx_post,
	.tx_post_close		= cref_post_close,
	.tx_flush		= cref_flush,
	.tx_open		= cref_open,
	.tx_next		= cref_tx_next,
	.tx_skip		= cref_tx_skip,
	.tx_time		= cref_tx_time,
	.tx_close		= cref_close,
	.irq_arm		= cref_irq_arm,
};

CETH_DATAPATH(cref_dp, cref_dp_ops, struct cref_queue, struct cref_queue);
