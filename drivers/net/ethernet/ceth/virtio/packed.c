// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: packed virtqueues (VIRTIO 1.3, 2.8).
 *
 * One ring holds descriptors made available by the driver and, in the same
 * slots, those that the device has used. An id of the core is a buffer id. The
 * length, id and flags of a descriptor are one aligned word, written and read
 * at once; the flags make it available. The first descriptor written since the
 * last doorbell keeps its old flags until all of them are complete: the device
 * takes them in order, so that it sees none before (2.8.21.1).
 *
 * Barriers: descriptors before the flags of the first one (dma_wmb in
 * cvio_packed_flush); flags before the data they vouch for (dma_rmb in
 * cvio_packed_close); descriptors before reading whether the device wants a
 * doorbell, and the event before looking at the next slot again (mb).
 */
#include "ring.h"

#define CVIO_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define CVIO_USED	BIT(VRING_PACKED_DESC_F_USED)

/* The word behind the address: len, id << 32, flags << 48. */
static __always_inline __le64 *cvio_packed_word(struct vring_packed_desc *d)
{
	return (__force __le64 *)&d->len;
}

/* Flags of a slot that is used: both bits equal the wrap counter (2.8.1). */
static __always_inline u16 cvio_packed_used_flags(const struct cvio_vq *vq)
{
	return vq->used_wrap ? CVIO_AVAIL | CVIO_USED : 0;
}

static __always_inline void cvio_packed_open(struct cvio_vq *vq,
					     struct ceth_cursor *cur, u32 max)
{
	cur->ring = vq->ring;
	cur->idx = vq->used_idx;
	cur->end = max;
	cur->mask = vq->size;
	cur->flags = cvio_packed_used_flags(vq);
}

/* Is the next slot used? */
static __always_inline bool cvio_packed_next(struct ceth_cursor *cur, u64 *word)
{
	struct vring_packed_desc *d = cur->ring;

	*word = le64_to_cpu(READ_ONCE(*cvio_packed_word(&d[cur->idx])));
	return ((*word >> 48) & (CVIO_AVAIL | CVIO_USED)) == cur->flags;
}

static __always_inline void cvio_packed_advance(struct ceth_cursor *cur, u32 n)
{
	cur->idx += n;
	if (unlikely(cur->idx >= cur->mask)) {
		cur->idx -= cur->mask;
		cur->flags ^= CVIO_AVAIL | CVIO_USED;
	}
}

static __always_inline void cvio_packed_close(struct cvio_vq *vq,
					      struct ceth_cursor *cur)
{
	vq->used_idx = cur->idx;
	vq->used_wrap = cur->flags;
	dma_rmb();
}

static __always_inline void cvio_packed_post_open(struct cvio_vq *vq,
						  struct ceth_cursor *cur)
{
	cur->ring = vq->ring;
	cur->idx = vq->avail_idx;
	cur->mask = vq->size;
	cur->flags = vq->avail_flags;
	cur->end = vq->pending;
}

static __always_inline void cvio_packed_post(struct cvio_vq *vq,
					     struct ceth_cursor *cur,
					     dma_addr_t dma, u32 len, u16 id,
					     u16 flags)
{
	struct vring_packed_desc *d = cur->ring;

	d += cur->idx;
	flags |= cur->flags;
	d->addr = cpu_to_le64(dma);
	if (likely(cur->end++)) {
		*cvio_packed_word(d) =
			cpu_to_le64(len | (u64)id << 32 | (u64)flags << 48);
	} else {
		d->len = cpu_to_le32(len);
		d->id = cpu_to_le16(id);
		vq->flushed = cur->idx;
		vq->flushed_flags = flags;
	}
	cvio_packed_advance(cur, 1);
}

static __always_inline void cvio_packed_post_close(struct cvio_vq *vq,
						   struct ceth_cursor *cur)
{
	vq->avail_idx = cur->idx;
	vq->avail_flags = cur->flags;
	vq->pending = cur->end;
}

static __always_inline bool cvio_packed_flush(struct cvio_vq *vq)
{
	u16 n = vq->pending, wrap, event, flags, off;
	bool ring;

	if (!n)
		return false;
	vq->pending = 0;
	dma_wmb();
	WRITE_ONCE(vq->ring[vq->flushed].flags, cpu_to_le16(vq->flushed_flags));
	/* The device writes its wish, then looks for descriptors: one of the
	 * two is seen.
	 */
	mb();

	wrap = vq->avail_flags & CVIO_AVAIL ? 1 : 0;
	flags = le16_to_cpu(READ_ONCE(vq->device_event->flags));
	if (flags == VRING_PACKED_EVENT_FLAG_DESC) {
		dma_rmb();
		off = le16_to_cpu(READ_ONCE(vq->device_event->off_wrap));
		event = off & ~BIT(VRING_PACKED_EVENT_F_WRAP_CTR);
		if (off >> VRING_PACKED_EVENT_F_WRAP_CTR != wrap)
			event -= vq->size;
		ring = vring_need_event(event, vq->avail_idx,
					vq->avail_idx - n);
	} else {
		ring = flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	if (ring)
		cvio_notify(vq, vq->avail_idx | wrap << 15);
	return ring;
}

static __always_inline void cvio_packed_rx_open(struct ceth_rxq *rxq,
						struct ceth_cursor *cur,
						u32 max)
{
	cvio_packed_open(ceth_rxq_priv(rxq), cur, max);
}

static __always_inline bool cvio_packed_rx_next(struct ceth_rxq *rxq,
						struct ceth_cursor *cur,
						struct ceth_rx_cmpl *c)
{
	u64 word;

	if (!cur->end || !cvio_packed_next(cur, &word))
		return false;
	cur->end--;
	c->len = word;
	c->id = (u16)(word >> 32);
	cvio_packed_advance(cur, 1);
	return true;
}

static __always_inline void cvio_packed_rx_close(struct ceth_rxq *rxq,
						 struct ceth_cursor *cur)
{
	cvio_packed_close(ceth_rxq_priv(rxq), cur);
}

static __always_inline void cvio_packed_rx_post_open(struct ceth_rxq *rxq,
						     struct ceth_cursor *cur)
{
	cvio_packed_post_open(ceth_rxq_priv(rxq), cur);
}

static __always_inline void cvio_packed_rx_post(struct ceth_rxq *rxq,
						struct ceth_cursor *cur, u16 id,
						dma_addr_t dma)
{
	cvio_packed_post(ceth_rxq_priv(rxq), cur, dma, rxq->buf_len, id,
			 VRING_DESC_F_WRITE);
}

static __always_inline void cvio_packed_rx_flush(struct ceth_rxq *rxq,
						 struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);

	cvio_packed_post_close(vq, cur);
	/* The device has run out of buffers: nothing else makes it ask. */
	if (unlikely(cvio_packed_flush(vq)))
		cvio_kick_all(ceth_pair_priv(rxq->pair));
}

static __always_inline void cvio_packed_rx_doorbell(struct ceth_rxq *rxq)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);

	cvio_notify(vq, vq->avail_idx |
		    (vq->avail_flags & CVIO_AVAIL ? BIT(15) : 0));
	cvio_kick_all(ceth_pair_priv(rxq->pair));
}

static __always_inline void cvio_packed_tx_post_open(struct ceth_txq *txq,
						     struct ceth_cursor *cur)
{
	cvio_packed_post_open(ceth_txq_priv(txq), cur);
}

static __always_inline void cvio_packed_tx_post_close(struct ceth_txq *txq,
						      struct ceth_cursor *cur)
{
	cvio_packed_post_close(ceth_txq_priv(txq), cur);
}

static __always_inline void
cvio_packed_tx_post(struct ceth_txq *txq, struct ceth_cursor *cur,
		    const struct ceth_tx_seg *segs, u32 n,
		    const struct ceth_tx_meta *meta)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);
	u32 i;

	for (i = 0; i < n - 1; i++)
		cvio_packed_post(vq, cur, segs[i].dma, segs[i].len, segs[0].id,
				 VRING_DESC_F_NEXT);
	cvio_packed_post(vq, cur, segs[i].dma, segs[i].len, segs[0].id, 0);
}

static __always_inline bool cvio_packed_tx_flush(struct ceth_txq *txq)
{
	return cvio_packed_flush(ceth_txq_priv(txq));
}

static __always_inline void cvio_packed_tx_open(struct ceth_txq *txq,
						struct ceth_cursor *cur)
{
	cvio_packed_open(ceth_txq_priv(txq), cur, txq->size);
}

/* The device writes one used descriptor for a chain, and leaves the slots of
 * the rest as they are (2.8.6): how many there are only we know.
 */
static __always_inline bool cvio_packed_tx_next(struct ceth_txq *txq,
						struct ceth_cursor *cur,
						u32 *id)
{
	u64 word;

	if (!cur->end || !cvio_packed_next(cur, &word))
		return false;
	cur->end--;
	*id = (u16)(word >> 32);
	cvio_packed_advance(cur, ceth_tx_segs(txq, *id) ?: 1);
	return true;
}

static __always_inline void cvio_packed_tx_close(struct ceth_txq *txq,
						 struct ceth_cursor *cur)
{
	cvio_packed_close(ceth_txq_priv(txq), cur);
}

static __always_inline void cvio_packed_irq_disarm(struct ceth_pair *pair)
{
	__le16 off = cpu_to_le16(VRING_PACKED_EVENT_FLAG_DISABLE);
	struct cvio_vq *rx = ceth_rxq_priv(pair->rxq);
	struct cvio_vq *tx = ceth_txq_priv(pair->txq_done);

	WRITE_ONCE(rx->driver_event->flags, off);
	WRITE_ONCE(tx->driver_event->flags, off);
}

/* Ask for an interrupt when the slot @skip after the next one is used. */
static __always_inline void cvio_packed_ask(struct cvio_vq *vq, u16 skip)
{
	u16 flags = VRING_PACKED_EVENT_FLAG_ENABLE;

	if (likely(vq->event_idx)) {
		u16 slot = vq->used_idx + skip;
		bool wrap = vq->used_wrap;

		if (slot >= vq->size) {
			slot -= vq->size;
			wrap = !wrap;
		}
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		WRITE_ONCE(vq->driver_event->off_wrap,
			   cpu_to_le16(slot |
				       wrap << VRING_PACKED_EVENT_F_WRAP_CTR));
		dma_wmb();
	}
	WRITE_ONCE(vq->driver_event->flags, cpu_to_le16(flags));
}

static __always_inline bool cvio_packed_more(struct cvio_vq *vq)
{
	u16 flags = le16_to_cpu(READ_ONCE(vq->ring[vq->used_idx].flags));

	return (flags & (CVIO_AVAIL | CVIO_USED)) == cvio_packed_used_flags(vq);
}

static __always_inline bool cvio_packed_irq_arm(struct ceth_pair *pair)
{
	struct cvio_vq *rx = ceth_rxq_priv(pair->rxq);
	struct cvio_vq *tx = ceth_txq_priv(pair->txq_done);

	cvio_packed_ask(rx, 0);
	/* Most of what is being sent may complete before anybody has to look. */
	cvio_packed_ask(tx, ceth_tx_in_flight(pair->txq_done) * 3 / 4);
	/* The device uses a descriptor, then reads what was asked for. */
	mb();
	return cvio_packed_more(rx) || cvio_packed_more(tx);
}

static const struct ceth_dp_ops cvio_packed_ops = {
	.rx_open		= cvio_packed_rx_open,
	.rx_next		= cvio_packed_rx_next,
	.rx_close		= cvio_packed_rx_close,
	.rx_begin		= cvio_rx_begin,
	.rx_csum_partial	= cvio_rx_csum_partial,
	.rx_meta		= cvio_rx_meta,
	.rx_post_open		= cvio_packed_rx_post_open,
	.rx_post		= cvio_packed_rx_post,
	.rx_repost		= cvio_packed_rx_post,
	.rx_flush		= cvio_packed_rx_flush,
	.tx_post_open		= cvio_packed_tx_post_open,
	.rx_doorbell		= cvio_packed_rx_doorbell,
	.tx_prefix		= cvio_tx_prefix,
	.tx_post		= cvio_packed_tx_post,
	.tx_post_close		= cvio_packed_tx_post_close,
	.tx_flush		= cvio_packed_tx_flush,
	.tx_open		= cvio_packed_tx_open,
	.tx_next		= cvio_packed_tx_next,
	.tx_close		= cvio_packed_tx_close,
	.irq_disarm		= cvio_packed_irq_disarm,
	.irq_arm		= cvio_packed_irq_arm,
};

CETH_DATAPATH(cvio_packed, cvio_packed_ops, struct cvio_vq, struct cvio_vq);
