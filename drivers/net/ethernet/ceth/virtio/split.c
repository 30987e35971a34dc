// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: split virtqueues (VIRTIO 1.3, 2.7).
 *
 * An id of the core is an index into the descriptor table: a receive buffer
 * has one descriptor, and a segment to send has one. A buffer that goes back
 * to the device under the id it had needs no descriptor written, only its
 * entry in the available ring.
 *
 * Barriers: descriptor and ring entry before avail->idx (dma_wmb in
 * cvio_split_flush); used->idx before the used entries and what they vouch for
 * (dma_rmb in cvio_split_open); avail->idx before reading whether the device
 * wants a doorbell, and the event index before reading used->idx again (mb).
 */
#include "ring.h"

static __always_inline u16 cvio_split_idx(const struct cvio_vq *vq)
{
	return __virtio16_to_cpu(true, READ_ONCE(vq->used->idx));
}

static __always_inline void cvio_split_open(struct cvio_vq *vq,
					    struct ceth_cursor *cur, u32 max)
{
	u16 n = cvio_split_idx(vq) - vq->used_idx;

	dma_rmb();
	cur->ring = vq->used->ring;
	cur->mask = vq->mask;
	cur->idx = vq->used_idx;
	cur->end = cur->idx + min_t(u32, n, max);
}

/* Id in the low, length in the high half: read at once. */
static __always_inline u64 cvio_split_next(struct ceth_cursor *cur)
{
	const __le64 *elem = cur->ring;

	return le64_to_cpu(READ_ONCE(elem[cur->idx++ & cur->mask]));
}

static __always_inline void cvio_split_post_open(struct cvio_vq *vq,
						 struct ceth_cursor *cur)
{
	cur->ring = vq->avail->ring;
	cur->idx = vq->avail_idx;
	cur->mask = vq->mask;
}

static __always_inline void cvio_split_avail(struct ceth_cursor *cur, u16 id)
{
	__virtio16 *ring = cur->ring;

	ring[cur->idx++ & cur->mask] = __cpu_to_virtio16(true, id);
}

static __always_inline bool cvio_split_flush(struct cvio_vq *vq)
{
	u16 old = vq->flushed, new = vq->avail_idx;
	bool ring;

	if (old == new)
		return false;
	dma_wmb();
	WRITE_ONCE(vq->avail->idx, __cpu_to_virtio16(true, new));
	vq->flushed = new;
	/* The device writes its wish, then reads avail->idx: one of the two is
	 * seen.
	 */
	mb();
	if (likely(vq->event_idx)) {
		const __virtio16 *event = (const __virtio16 *)
					  &vq->used->ring[vq->size];

		ring = vring_need_event(__virtio16_to_cpu(true,
							  READ_ONCE(*event)),
					new, old);
	} else {
		ring = !(READ_ONCE(vq->used->flags) &
			 __cpu_to_virtio16(true, VRING_USED_F_NO_NOTIFY));
	}
	if (ring)
		cvio_notify(vq, new);
	return ring;
}

static __always_inline void cvio_split_desc(struct cvio_vq *vq, u16 id,
					    dma_addr_t dma, u32 len, u16 flags,
					    u16 next)
{
	struct vring_desc *d = &vq->desc[id];
	__le64 *rest = (__force __le64 *)&d->len;

	d->addr = __cpu_to_virtio64(true, dma);
	*rest = cpu_to_le64(len | (u64)flags << 32 | (u64)next << 48);
}

static __always_inline void cvio_split_rx_open(struct ceth_rxq *rxq,
					       struct ceth_cursor *cur, u32 max)
{
	cvio_split_open(ceth_rxq_priv(rxq), cur, max);
}

static __always_inline bool cvio_split_rx_next(struct ceth_rxq *rxq,
					       struct ceth_cursor *cur,
					       struct ceth_rx_cmpl *c)
{
	u64 elem;

	if (cur->idx == cur->end)
		return false;
	elem = cvio_split_next(cur);
	c->id = elem;
	c->len = elem >> 32;
	return true;
}

static __always_inline void cvio_split_rx_close(struct ceth_rxq *rxq,
						struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);

	vq->used_idx = cur->idx;
}

static __always_inline void cvio_split_rx_post_open(struct ceth_rxq *rxq,
						    struct ceth_cursor *cur)
{
	cvio_split_post_open(ceth_rxq_priv(rxq), cur);
}

static __always_inline void cvio_split_rx_post(struct ceth_rxq *rxq,
					       struct ceth_cursor *cur, u16 id,
					       dma_addr_t dma)
{
	cvio_split_desc(ceth_rxq_priv(rxq), id, dma, rxq->buf_len,
			VRING_DESC_F_WRITE, 0);
	cvio_split_avail(cur, id);
}

static __always_inline void cvio_split_rx_repost(struct ceth_rxq *rxq,
						 struct ceth_cursor *cur,
						 u16 id, dma_addr_t dma)
{
	cvio_split_avail(cur, id);
}

static __always_inline void cvio_split_rx_flush(struct ceth_rxq *rxq,
						struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);

	vq->avail_idx = cur->idx;
	/* The device has run out of buffers: nothing else makes it ask. */
	if (unlikely(cvio_split_flush(vq)))
		cvio_kick_all(ceth_pair_priv(rxq->pair));
}

static __always_inline void cvio_split_rx_doorbell(struct ceth_rxq *rxq)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);

	cvio_notify(vq, vq->avail_idx);
	cvio_kick_all(ceth_pair_priv(rxq->pair));
}

static __always_inline void cvio_split_tx_post_open(struct ceth_txq *txq,
						    struct ceth_cursor *cur)
{
	cvio_split_post_open(ceth_txq_priv(txq), cur);
}

static __always_inline void
cvio_split_tx_post(struct ceth_txq *txq, struct ceth_cursor *cur,
		   const struct ceth_tx_seg *segs, u32 n,
		   const struct ceth_tx_meta *meta)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);
	u32 i;

	for (i = 0; i < n - 1; i++)
		cvio_split_desc(vq, segs[i].id, segs[i].dma, segs[i].len,
				VRING_DESC_F_NEXT, segs[i + 1].id);
	cvio_split_desc(vq, segs[i].id, segs[i].dma, segs[i].len, 0, 0);
	cvio_split_avail(cur, segs[0].id);
}

static __always_inline void cvio_split_tx_post_close(struct ceth_txq *txq,
						     struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);

	vq->avail_idx = cur->idx;
}

static __always_inline bool cvio_split_tx_flush(struct ceth_txq *txq)
{
	return cvio_split_flush(ceth_txq_priv(txq));
}

static __always_inline void cvio_split_tx_open(struct ceth_txq *txq,
					       struct ceth_cursor *cur)
{
	cvio_split_open(ceth_txq_priv(txq), cur, txq->size);
}

static __always_inline bool cvio_split_tx_next(struct ceth_txq *txq,
					       struct ceth_cursor *cur, u32 *id)
{
	if (cur->idx == cur->end)
		return false;
	*id = cvio_split_next(cur);
	return true;
}

static __always_inline void cvio_split_tx_close(struct ceth_txq *txq,
						struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);

	vq->used_idx = cur->idx;
}

/* With event indexes an interrupt comes only where one was asked for. */
static __always_inline void cvio_split_irq_disarm(struct ceth_pair *pair)
{
	__virtio16 off = __cpu_to_virtio16(true, VRING_AVAIL_F_NO_INTERRUPT);
	struct cvio_vq *rx = ceth_rxq_priv(pair->rxq);
	struct cvio_vq *tx = ceth_txq_priv(pair->txq_done);

	if (likely(rx->event_idx))
		return;
	WRITE_ONCE(rx->avail->flags, off);
	WRITE_ONCE(tx->avail->flags, off);
}

static __always_inline bool cvio_split_irq_arm(struct ceth_pair *pair)
{
	struct cvio_vq *rx = ceth_rxq_priv(pair->rxq);
	struct cvio_vq *tx = ceth_txq_priv(pair->txq_done);
	u16 wait = 0;

	if (likely(rx->event_idx)) {
		/* Most of what is being sent may complete before anybody has
		 * to look.
		 */
		wait = (u16)(READ_ONCE(tx->flushed) - tx->used_idx) * 3 / 4;
		WRITE_ONCE(rx->avail->ring[rx->size],
			   __cpu_to_virtio16(true, rx->used_idx));
		WRITE_ONCE(tx->avail->ring[tx->size],
			   __cpu_to_virtio16(true, tx->used_idx + wait));
	} else {
		WRITE_ONCE(rx->avail->flags, 0);
		WRITE_ONCE(tx->avail->flags, 0);
	}
	/* The device writes used->idx, then reads what was asked for. */
	mb();
	return cvio_split_idx(rx) != rx->used_idx ||
	       (u16)(cvio_split_idx(tx) - tx->used_idx) > wait;
}

static const struct ceth_dp_ops cvio_split_ops = {
	.rx_open		= cvio_split_rx_open,
	.rx_next		= cvio_split_rx_next,
	.rx_close		= cvio_split_rx_close,
	.rx_begin		= cvio_rx_begin,
	.rx_csum_partial	= cvio_rx_csum_partial,
	.rx_meta		= cvio_rx_meta,
	.rx_post_open		= cvio_split_rx_post_open,
	.rx_post		= cvio_split_rx_post,
	.rx_repost		= cvio_split_rx_repost,
	.rx_flush		= cvio_split_rx_flush,
	.tx_post_open		= cvio_split_tx_post_open,
	.rx_doorbell		= cvio_split_rx_doorbell,
	.tx_prefix		= cvio_tx_prefix,
	.tx_post		= cvio_split_tx_post,
	.tx_post_close		= cvio_split_tx_post_close,
	.tx_flush		= cvio_split_tx_flush,
	.tx_open		= cvio_split_tx_open,
	.tx_next		= cvio_split_tx_next,
	.tx_close		= cvio_split_tx_close,
	.irq_disarm		= cvio_split_irq_disarm,
	.irq_arm		= cvio_split_irq_arm,
};

CETH_DATAPATH(cvio_split, cvio_split_ops, struct cvio_vq, struct cvio_vq);
