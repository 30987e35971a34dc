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
 * cvio_packed_flush); flags before the data they vouch for (dma_rmb in the
 * peek functions); descriptors before reading whether the device wants a
 * doorbell, and the event before looking at the next slot again (mb).
 */
#include "ring.h"

#define CVIO_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define CVIO_USED	BIT(VRING_PACKED_DESC_F_USED)

/* The word behind the address: len, id << 32, flags << 48. */
static __always_inline __le64 *cvio_packed_word(struct cvio_vq *vq, u16 slot)
{
	return (__force __le64 *)&vq->ring[slot].len;
}

/* A slot is used when both bits equal the wrap counter (2.8.1). */
static __always_inline bool cvio_packed_is_used(const struct cvio_vq *vq,
						u16 flags)
{
	u16 want = vq->used_wrap ? CVIO_AVAIL | CVIO_USED : 0;

	return (flags & (CVIO_AVAIL | CVIO_USED)) == want;
}

static __always_inline void cvio_packed_used_advance(struct cvio_vq *vq, u16 n)
{
	u32 slot = vq->used_idx + n;

	if (slot >= vq->size) {
		slot -= vq->size;
		vq->used_wrap = !vq->used_wrap;
	}
	vq->used_idx = slot;
}

static __always_inline void cvio_packed_desc(struct cvio_vq *vq, dma_addr_t dma,
					     u32 len, u16 id, u16 flags)
{
	struct vring_packed_desc *d = &vq->ring[vq->avail_idx];

	flags |= vq->avail_flags;
	d->addr = cpu_to_le64(dma);
	if (vq->pending++) {
		*cvio_packed_word(vq, vq->avail_idx) =
			cpu_to_le64(len | (u64)id << 32 | (u64)flags << 48);
	} else {
		d->len = cpu_to_le32(len);
		d->id = cpu_to_le16(id);
		vq->flushed = vq->avail_idx;
		vq->flushed_flags = flags;
	}
	if (++vq->avail_idx == vq->size) {
		vq->avail_idx = 0;
		vq->avail_flags ^= CVIO_AVAIL | CVIO_USED;
	}
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

static __always_inline u32 cvio_packed_rx_peek(struct ceth_rxq *rxq,
					       struct ceth_rx_cmpl *c, u32 max)
{
	struct cvio_vq *vq = ceth_rxq_priv(rxq);
	u32 n;

	for (n = 0; n < max; n++) {
		u64 word = le64_to_cpu(READ_ONCE(*cvio_packed_word(vq, vq->used_idx)));

		if (!cvio_packed_is_used(vq, word >> 48))
			break;
		c[n].len = word;
		c[n].id = (u16)(word >> 32);
		cvio_packed_used_advance(vq, 1);
	}
	dma_rmb();
	return n;
}

static __always_inline void cvio_packed_rx_post(struct ceth_rxq *rxq, u16 id,
						dma_addr_t dma)
{
	cvio_packed_desc(ceth_rxq_priv(rxq), dma, rxq->buf_len, id,
			 VRING_DESC_F_WRITE);
}

static __always_inline void cvio_packed_rx_flush(struct ceth_rxq *rxq)
{
	cvio_packed_flush(ceth_rxq_priv(rxq));
}

static __always_inline void
cvio_packed_tx_post(struct ceth_txq *txq, const struct ceth_tx_seg *segs, u32 n,
		    const struct ceth_tx_meta *meta, void *prefix)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);
	u32 i;

	cvio_tx_header(txq, meta, prefix);
	for (i = 0; i < n - 1; i++)
		cvio_packed_desc(vq, segs[i].dma, segs[i].len, segs[0].id,
				 VRING_DESC_F_NEXT);
	cvio_packed_desc(vq, segs[i].dma, segs[i].len, segs[0].id, 0);
}

static __always_inline bool cvio_packed_tx_flush(struct ceth_txq *txq)
{
	return cvio_packed_flush(ceth_txq_priv(txq));
}

/* The device writes one used descriptor for a chain, and leaves the slots of
 * the rest as they are (2.8.6): how many there are only we know.
 */
static __always_inline u32 cvio_packed_tx_peek(struct ceth_txq *txq, u32 *ids,
					       u32 max)
{
	struct cvio_vq *vq = ceth_txq_priv(txq);
	u32 n;

	for (n = 0; n < max; n++) {
		u64 word = le64_to_cpu(READ_ONCE(*cvio_packed_word(vq, vq->used_idx)));

		if (!cvio_packed_is_used(vq, word >> 48))
			break;
		ids[n] = (u16)(word >> 32);
		cvio_packed_used_advance(vq, ceth_tx_segs(txq, ids[n]) ?: 1);
	}
	dma_rmb();
	return n;
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
	return cvio_packed_is_used(vq, le16_to_cpu(READ_ONCE(vq->ring[vq->used_idx].flags)));
}

static __always_inline bool cvio_packed_irq_arm(struct ceth_pair *pair)
{
	struct cvio_vq *rx = ceth_rxq_priv(pair->rxq);
	struct cvio_vq *tx = ceth_txq_priv(pair->txq_done);

	cvio_packed_ask(rx, 0);
	/* Most of what is being sent may complete before anybody has to look. */
	cvio_packed_ask(tx, ceth_tx_in_flight(pair->txq_done) * 3 / 4);
	mb();
	return cvio_packed_more(rx) || cvio_packed_more(tx);
}

static __always_inline void cvio_packed_rx_repost(struct ceth_rxq *rxq, u16 id,
						  dma_addr_t dma)
{
	cvio_packed_rx_post(rxq, id, dma);
}

static const struct ceth_dp_ops cvio_packed_ops = {
	.rx_peek		= cvio_packed_rx_peek,
	.rx_begin		= cvio_rx_begin,
	.rx_csum_partial	= cvio_rx_csum_partial,
	.rx_meta		= cvio_rx_meta,
	.rx_post		= cvio_packed_rx_post,
	.rx_repost		= cvio_packed_rx_repost,
	.rx_flush		= cvio_packed_rx_flush,
	.tx_post		= cvio_packed_tx_post,
	.tx_flush		= cvio_packed_tx_flush,
	.tx_peek		= cvio_packed_tx_peek,
	.irq_disarm		= cvio_packed_irq_disarm,
	.irq_arm		= cvio_packed_irq_arm,
};

CETH_DATAPATH(cvio_packed, cvio_packed_ops, struct cvio_vq, struct cvio_vq);
