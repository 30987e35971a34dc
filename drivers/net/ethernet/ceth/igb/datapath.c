// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the Intel 82576: descriptors and completions.
 *
 * The device writes received frames' descriptors back in their places, and where
 * it is in a transmit ring to memory; neither says which id that was, which is
 * remembered in the ring's slots. A slot of receive that was not posted again
 * still looks done, so that the place of the next post limits what is read.
 *
 * Barriers: descriptors before the doorbell (dma_wmb); the last word of a
 * receive descriptor, which has the mark, before the first one and the frame
 * (dma_rmb in cigb_rx_close).
 */
#include <linux/bitfield.h>

#include "igb.h"

/* Buffers that may wait for more of them, see cigb_rx_flush() */
#define CIGB_RX_FEW	16

/* How far behind @to is @from, on a ring */
static __always_inline u32 cigb_span(const struct cigb_queue *q, u32 from,
				     u32 to)
{
	return to >= from ? to - from : to + q->n - from;
}

static __always_inline bool cigb_ring(struct cigb_queue *q)
{
	void __iomem *doorbell = READ_ONCE(q->doorbell);

	q->rung = q->tail;
	if (unlikely(!doorbell))
		return false;
	dma_wmb();
	writel(q->tail, doorbell);
	return true;
}

/* Receive. A cursor has the descriptor in pos, and its slot in bits. */

static __always_inline struct cigb_slot *cigb_slot(const struct ceth_cursor *cur)
{
	return (void *)(unsigned long)cur->bits;
}

static __always_inline u32 cigb_rx_at(const struct cigb_queue *q,
				      const struct cigb_rx_desc *d)
{
	return d - q->rx;
}

static __always_inline void cigb_rx_open(void *ring, struct ceth_cursor *cur,
					 u32 max)
{
	const struct cigb_queue *q = ring;
	u32 at = q->next;

	max = min(max, cigb_span(q, at, q->tail));
	cur->bits = (unsigned long)&q->slots[at];
	cur->pos = &q->rx[at];
	cur->end = &q->rx[min(q->n, at + max)];
}

static __always_inline bool cigb_rx_close(void *ring, struct ceth_cursor *cur)
{
	struct cigb_queue *q = ring;
	u32 at = cigb_rx_at(q, cur->pos);
	/* A ring without buffers is at its end, too. */
	bool any = at != q->next;

	q->next = at == q->n ? 0 : at;
	dma_rmb();
	return any && cur->pos == cur->end;
}

/* Descriptors of the frame that begins at @at; 0: its last one is not there yet
 * (or there is none: more than any frame has). That one is read into @last.
 */
static noinline u32 cigb_rx_bufs(const struct cigb_queue *q, u32 at, u64 *last)
{
	u32 n;

	for (n = 1; n <= CETH_RX_MAX_BUFS; n++) {
		const struct cigb_rx_desc *d = &q->rx[at];
		u64 hi = le64_to_cpu(READ_ONCE(d->hi));

		if (at == q->tail || !(hi & CIGB_RXD_DONE))
			return 0;
		if (hi & CIGB_RXD_EOP) {
			dma_rmb();
			last[0] = le64_to_cpu(READ_ONCE(d->lo));
			last[1] = hi;
			return n;
		}
		at = at + 1 == q->n ? 0 : at + 1;
	}
	return n;
}

/* What is known of a frame is known of all of its buffers at once. */
static __always_inline bool cigb_rx_next(void *ring, struct ceth_cursor *cur,
					 struct ceth_rx_cmpl *c)
{
	const struct cigb_rx_desc *d = cur->pos;
	u64 last[2] __uninitialized;
	struct cigb_slot *slot;
	u64 hi;

	if (cur->pos == cur->end)
		return false;
	hi = le64_to_cpu(READ_ONCE(d->hi));
	if (!(hi & CIGB_RXD_DONE))
		return false;
	if (unlikely(!(hi & CIGB_RXD_EOP)) &&
	    !cigb_rx_bufs(ring, cigb_rx_at(ring, d), last))
		return false;
	slot = cigb_slot(cur);
	cur->bits = (unsigned long)(slot + 1);
	c->id = slot->id;
	c->len = (u16)(hi >> CIGB_RXD_LEN);
	c->word = (unsigned long)d;
	cur->pos += sizeof(*d);
	return true;
}

/* A descriptor is written over when its place is posted again, which is not
 * before its frame has been worked on; that of a frame of many buffers may be:
 * of it there is a copy.
 */
static __always_inline u32 cigb_rx_begin(const void *ring,
					 const struct ceth_rx_cmpl *c,
					 const void *prefix,
					 struct ceth_rx_info *info)
{
	const struct cigb_rx_desc *d = (void *)(unsigned long)c->word;
	u32 n;

	info->w[0] = c->word;
	if (likely(le64_to_cpu(READ_ONCE(d->hi)) & CIGB_RXD_EOP))
		return 1;
	info->w[0] = 0;
	n = cigb_rx_bufs(ring, cigb_rx_at(ring, d), &info->w[1]);
	return n <= CETH_RX_MAX_BUFS ? n : 0;
}

/* By RSS type (7.1.5, table 7-19); those with extension headers, too */
static const u8 cigb_hash_types[16] = {
	[1] = CETH_HASH_TCPV4,
	[2] = CETH_HASH_IPV4,
	[3] = CETH_HASH_TCPV6,
	[4] = CETH_HASH_IPV6,
	[5] = CETH_HASH_IPV6,
	[6] = CETH_HASH_TCPV6,
	[7] = CETH_HASH_UDPV4,
	[8] = CETH_HASH_UDPV6,
	[9] = CETH_HASH_UDPV6,
};

static __always_inline void cigb_rx_meta(const void *ring,
					 const struct ceth_rx_info *info,
					 struct ceth_rx_meta *meta)
{
	const struct cigb_rx_desc *d = (void *)(unsigned long)info->w[0];
	u64 lo = info->w[1], hi = info->w[2];

	if (likely(d)) {
		lo = le64_to_cpu(READ_ONCE(d->lo));
		hi = le64_to_cpu(READ_ONCE(d->hi));
	}
	meta->flags = 0;
	meta->hash_type = cigb_hash_types[lo & CIGB_RXD_TYPE];
	if (meta->hash_type) {
		meta->hash = lo >> 32;
		meta->flags = CETH_RX_HASH;
	}
	if ((hi & (CIGB_RXD_L4 | CIGB_RXD_L4_BAD | CIGB_RXD_IP_BAD)) ==
	    CIGB_RXD_L4)
		meta->flags |= CETH_RX_CSUM_OK;
	if (unlikely(hi & CIGB_RXD_TAG)) {
		meta->vlan_tci = hi >> CIGB_RXD_VLAN;
		meta->flags |= CETH_RX_VLAN;
	}
}

static __always_inline void cigb_rx_post_open(void *ring,
					      struct ceth_cursor *cur)
{
	const struct cigb_queue *q = ring;

	cur->bits = (unsigned long)&q->slots[q->tail];
	cur->pos = &q->rx[q->tail];
	cur->end = &q->rx[q->n];
}

static __always_inline void cigb_rx_post(void *ring, struct ceth_cursor *cur,
					 u32 id, dma_addr_t dma)
{
	const struct cigb_queue *q = ring;
	struct cigb_rx_desc *d = cur->pos;
	struct cigb_slot *slot = cigb_slot(cur);

	d->lo = cpu_to_le64(dma);
	d->hi = 0;
	slot->id = id;
	cur->pos = d + 1;
	cur->bits = (unsigned long)(slot + 1);
	if (unlikely(cur->pos == cur->end)) {
		cur->pos = q->rx;
		cur->bits = (unsigned long)q->slots;
	}
}

static __always_inline void cigb_rx_post_close(void *ring,
					       struct ceth_cursor *cur)
{
	struct cigb_queue *q = ring;

	q->tail = cigb_rx_at(q, cur->pos);
}

/* A doorbell leaves the guest, where there is one: not for a few buffers while
 * the device has plenty.
 */
static __always_inline bool cigb_rx_flush(void *ring)
{
	struct cigb_queue *q = ring;
	u32 n = cigb_span(q, q->rung, q->tail);

	if (!n || (n < CIGB_RX_FEW &&
		   cigb_span(q, q->next, q->rung) > q->plenty))
		return false;
	return cigb_ring(q);
}

static void cigb_rx_doorbell(void *ring)
{
	cigb_ring(ring);
}

/* Transmit */

static __always_inline void cigb_tx_post_open(void *ring,
					      struct ceth_cursor *cur)
{
	const struct cigb_queue *q = ring;

	cur->idx = q->tail;
}

static __always_inline void cigb_tx_post_close(void *ring,
					       struct ceth_cursor *cur)
{
	struct cigb_queue *q = ring;

	q->tail = cur->idx;
}

static __always_inline void cigb_tx_put(const struct cigb_queue *q,
					struct ceth_cursor *cur, u64 lo, u64 hi)
{
	struct cigb_tx_desc *d = &q->tx[cur->idx];

	d->lo = cpu_to_le64(lo);
	d->hi = cpu_to_le64(hi);
	if (unlikely(++cur->idx == q->n))
		cur->idx = 0;
}

/* What there is to do besides sending: into the bits of the first descriptor,
 * and a context where the one in force is another.
 *
 * Return: descriptors.
 */
static noinline u32 cigb_tx_todo(struct cigb_queue *q, struct ceth_cursor *cur,
				 const struct ceth_tx_meta *meta, u64 *bits)
{
	u64 lo = (u64)meta->vlan_tci << CIGB_CTX_TAG, hi;

	hi = CIGB_TXD_CONTEXT | CIGB_TXD_ADVANCED;
	if (meta->flags & CETH_TX_CSUM) {
		lo |= (u64)meta->net_off << CIGB_CTX_L2_LEN;
		lo |= meta->csum_start - meta->net_off;
		if (meta->v4)
			hi |= CIGB_CTX_V4;
		if (meta->csum_offset == 16)
			hi |= CIGB_CTX_TCP;
		*bits |= CIGB_TXD_L4_SUM;
	} else {
		lo |= (u64)ETH_HLEN << CIGB_CTX_L2_LEN;
	}
	if (meta->flags & CETH_TX_GSO) {
		hi |= (u64)(meta->hdr_len - meta->csum_start) <<
		      CIGB_CTX_L4_LEN;
		hi |= (u64)meta->gso_size << CIGB_CTX_MSS;
		*bits |= CIGB_TXD_SEGMENT;
		if (meta->v4)
			*bits |= CIGB_TXD_IP_SUM;
	}
	if (meta->flags & CETH_TX_VLAN)
		*bits |= CIGB_TXD_TAG;
	if (meta->flags & CETH_TX_TIME)
		*bits |= CIGB_TXD_TIME;
	if (q->ctx[0] == lo && q->ctx[1] == hi)
		return 0;
	q->ctx[0] = lo;
	q->ctx[1] = hi;
	cigb_tx_put(q, cur, lo, hi);
	return 1;
}

static __always_inline void cigb_tx_post(void *ring, struct ceth_cursor *cur,
					 const struct ceth_tx_seg *segs, u32 n,
					 const struct ceth_tx_meta *meta)
{
	struct cigb_queue *q = ring;
	struct cigb_slot *slot = &q->slots[cur->idx];
	u64 bits = CIGB_TXD_DATA | CIGB_TXD_ADVANCED | CIGB_TXD_FCS;
	u32 i, len = segs[0].len, ctx = 0;

	for (i = 1; i < n; i++)
		len += segs[i].len;
	if (meta) {
		ctx = cigb_tx_todo(q, cur, meta, &bits);
		len -= meta->flags & CETH_TX_GSO ? meta->hdr_len : 0;
	}
	slot->id = segs[0].id;
	slot->n = n + ctx;
	bits |= (u64)len << CIGB_TXD_PAYLEN;
	for (i = 0; i < n - 1; i++)
		cigb_tx_put(q, cur, segs[i].dma, bits | segs[i].len);
	cigb_tx_put(q, cur, segs[i].dma, bits | segs[i].len | CIGB_TXD_EOP);
}

/* One report, and so one interrupt, for all that a doorbell announces */
static __always_inline bool cigb_tx_flush(void *ring)
{
	struct cigb_queue *q = ring;
	struct cigb_tx_desc *d;

	if (q->rung == q->tail)
		return false;
	d = &q->tx[(q->tail ?: q->n) - 1];
	d->hi |= cpu_to_le64(CIGB_TXD_REPORT);
	return cigb_ring(q);
}

static __always_inline void cigb_tx_open(void *ring, struct ceth_cursor *cur,
					 u32 max)
{
	const struct cigb_queue *q = ring;
	u32 head = le32_to_cpu(READ_ONCE(*q->head));

	cur->idx = q->next;
	cur->end = (void *)(unsigned long)q->n;
	/* Nonsense is no progress, which somebody will notice. */
	cur->bits = likely(head < q->n) ? cigb_span(q, cur->idx, head) : 0;
}

static __always_inline bool cigb_tx_next(void *ring, struct ceth_cursor *cur,
					 u32 *id)
{
	const struct cigb_queue *q = ring;
	const struct cigb_slot *slot = &q->slots[cur->idx];

	if (slot->n > cur->bits)
		return false;
	*id = slot->id;
	cur->mask = slot->n;
	return true;
}

static __always_inline void cigb_tx_skip(struct ceth_cursor *cur, u32 n)
{
	u32 end = (unsigned long)cur->end;

	cur->bits -= cur->mask;
	cur->idx += cur->mask;
	if (unlikely(cur->idx >= end))
		cur->idx -= end;
}

static __always_inline bool cigb_tx_close(void *ring, struct ceth_cursor *cur)
{
	struct cigb_queue *q = ring;

	q->next = cur->idx;
	return false;
}

static u64 cigb_tx_time(const void *ring, const struct ceth_cursor *cur)
{
	const struct cigb_queue *q = ring;

	return cigb_tx_stamp(q->v);
}

/* A vector that was raised has masked itself (7.3.4.1), but for that of QEMU's
 * device.
 */
static __always_inline void cigb_irq_disarm(struct ceth_pair *pair)
{
	const struct cigb_queue *q = ceth_rxq_priv(pair->rxq);

	cigb_write(q->v, CIGB_EIMC, BIT(cigb_vector(q->conf.irq)));
}

static const struct ceth_dp_ops cigb_dp_ops;

/* What comes after the look raises the vector as soon as it is armed. */
static __always_inline bool cigb_irq_arm(struct ceth_pair *pair)
{
	const struct cigb_queue *q = ceth_rxq_priv(pair->rxq);

	if (ceth_pending_tmpl(pair, &cigb_dp_ops))
		return true;
	cigb_write(q->v, CIGB_EIMS, BIT(cigb_vector(q->conf.irq)));
	return false;
}

static const struct ceth_dp_ops cigb_dp_ops = {
	.rx_open		= cigb_rx_open,
	.rx_next		= cigb_rx_next,
	.rx_close		= cigb_rx_close,
	.rx_begin		= cigb_rx_begin,
	.rx_meta		= cigb_rx_meta,
	.rx_post_open		= cigb_rx_post_open,
	.rx_post		= cigb_rx_post,
	.rx_post_close		= cigb_rx_post_close,
	.rx_flush		= cigb_rx_flush,
	.rx_doorbell		= cigb_rx_doorbell,
	.tx_extra		= true,
	.tx_post_open		= cigb_tx_post_open,
	.tx_post		= cigb_tx_post,
	.tx_post_close		= cigb_tx_post_close,
	.tx_flush		= cigb_tx_flush,
	.tx_open		= cigb_tx_open,
	.tx_next		= cigb_tx_next,
	.tx_skip		= cigb_tx_skip,
	.tx_time		= cigb_tx_time,
	.tx_close		= cigb_tx_close,
	.irq_disarm		= cigb_irq_disarm,
	.irq_arm		= cigb_irq_arm,
};

CETH_DATAPATH(cigb_dp, cigb_dp_ops, struct cigb_queue, struct cigb_queue);
