// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: split virtqueues (VIRTIO 1.3, 2.7).
 *
 * An id of the core is an index into the descriptor table: a receive buffer
 * has one descriptor, and a segment to send has one. A buffer that goes back
 * to the device under the id it had needs no descriptor written, only its
 * entry in the available ring.
 *
 * Barriers: descriptor and ring entry before avail->idx (dma_wmb in
 * cvio_split_flush); used->idx before the used entries (dma_rmb in
 * cvio_split_used); avail->idx before reading whether the device wants a
 * doorbell, and the event index before reading used->idx again (mb).
 */
#include "ring.h"

static __always_inline u16 cvio_split_idx(const struct cvio_vq *vq)
{
	return __virtio16_to_cpu(true, READ_ONCE(vq->used->idx));
}

/* Completions that may be read, at most @max. */
static __always_inline u32 cvio_split_used(struct cvio_vq *vq, u32 max)
{
	u32 n = (u16)(cvio_split_idx(vq) - vq->used_idx);

	if (!n)
		return 0;
	dma_rmb();
	return min(n, max);
}

/* Id in the low, length in the high half: read at once. */
static __always_inline u64 cvio_split_elem(const struct cvio_vq *vq, u16 idx)
{
	return le64_to_cpu(READ_ONCE(*(__force const __le64 *)
				     &vq->used->ring[idx & vq->mask]));
}

static __always_inline void cvio_split_avail(struct cvio_vq *vq, u16 id)
{
	vq->avail->ring[vq->avail_idx++ & vq->mask] =
		__cpu_to_virtio16(true, id);
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

	d->addr = __cpu_to_virtio64(true, dma);
	d->len = __cpu_to_virtio32(true, len);
	d->flags = __cpu_to_virtio16(true, flags);
	d->next = __cpu_to_virtio16(true, next);
}

static __always_inline u32 cvio_split_rx_peek(struct ceth_rxq *rxq,
					      struct ceth_rx_cmpl *c, u32 max)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);
	u32 i, n = cvio_split_used(vq, max);
	u16 idx = vq->used_idx;

	for (i = 0; i < n; i++) {
		u64 elem = cvio_split_elem(vq, idx++);

		c[i].id = elem;
		c[i].len = elem >> 32;
	}
	vq->used_idx = idx;
	return n;
}

static __always_inline void cvio_split_rx_post(struct ceth_rxq *rxq, u16 id,
					       dma_addr_t dma)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);

	cvio_split_desc(vq, id, dma, rxq->buf_len, VRING_DESC_F_WRITE, 0);
	cvio_split_avail(vq, id);
}

static __always_inline void cvio_split_rx_repost(struct ceth_rxq *rxq, u16 id,
						 dma_addr_t dma)
{
	cvio_split_avail(ceth_rxq_priv(rxq), id);
}

static __always_inline void cvio_split_rx_flush(struct ceth_rxq *rxq)
{
	cvio_split_flush(ceth_rxq_priv(rxq));
}

static __always_inline void
cvio_split_tx_post(struct ceth_txq *txq, const struct ceth_tx_seg *segs, u32 n,
		   const struct ceth_tx_meta *meta, void *prefix)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);
	u32 i;

	cvio_tx_header(txq, meta, prefix);
	for (i = 0; i < n - 1; i++)
		cvio_split_desc(vq, segs[i].id, segs[i].dma, segs[i].len,
				VRING_DESC_F_NEXT, segs[i + 1].id);
	cvio_split_desc(vq, segs[i].id, segs[i].dma, segs[i].len, 0, 0);
	cvio_split_avail(vq, segs[0].id);
}

static __always_inline bool cvio_split_tx_flush(struct ceth_txq *txq)
{
	return cvio_split_flush(ceth_txq_priv(txq));
}

static __always_inline u32 cvio_split_tx_peek(struct ceth_txq *txq, u32 *ids,
					      u32 max)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);
	u32 i, n = cvio_split_used(vq, max);
	u16 idx = vq->used_idx;

	for (i = 0; i < n; i++)
		ids[i] = cvio_split_elem(vq, idx++);
	vq->used_idx = idx;
	return n;
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
	mb();
	return cvio_split_idx(rx) != rx->used_idx ||
	       (u16)(cvio_split_idx(tx) - tx->used_idx) > wait;
}

static const struct ceth_dp_ops cvio_split_ops = {
	.rx_peek		= cvio_split_rx_peek,
	.rx_begin		= cvio_rx_begin,
	.rx_csum_partial	= cvio_rx_csum_partial,
	.rx_meta		= cvio_rx_meta,
	.rx_post		= cvio_split_rx_post,
	.rx_repost		= cvio_split_rx_repost,
	.rx_flush		= cvio_split_rx_flush,
	.tx_post		= cvio_split_tx_post,
	.tx_flush		= cvio_split_tx_flush,
	.tx_peek		= cvio_split_tx_peek,
	.irq_disarm		= cvio_split_irq_disarm,
	.irq_arm		= cvio_split_irq_arm,
};

CETH_DATAPATH(cvio_split, cvio_split_ops, struct cvio_vq, struct cvio_vq);
