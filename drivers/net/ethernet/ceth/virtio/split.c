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

static __always_inline void cvio_split_open(void *ring, struct ceth_cursor *cur,
					    u32 max)
{
	struct cvio_vq *vq = ring;
	u16 n = cvio_split_idx(vq) - vq->used_idx;
	u32 slot = vq->used_idx & vq->mask;
	__le64 *elem = (__force __le64 *)&vq->used->ring[slot];

	dma_rmb();
	max = min_t(u32, max, vq->size - slot);
	cur->pos = elem;
	cur->end = elem + min_t(u32, n, max);
	cur->idx = n >= max;
}

/* Id in the low, length in the high half: read at once. */
static __always_inline u64 cvio_split_elem(const struct ceth_cursor *cur)
{
	return le64_to_cpu(READ_ONCE(*(const __le64 *)cur->pos));
}

static __always_inline bool cvio_split_rx_next(void *ring,
					       struct ceth_cursor *cur,
					       struct ceth_rx_cmpl *c)
{
	u64 elem;

	if (cur->pos == cur->end)
		return false;
	elem = cvio_split_elem(cur);
	cur->pos += sizeof(elem);
	c->id = elem;
	c->len = elem >> 32;
	return true;
}

static __always_inline bool cvio_split_tx_next(void *ring,
					       struct ceth_cursor *cur, u32 *id)
{
	if (cur->pos == cur->end)
		return false;
	*id = cvio_split_elem(cur);
	return true;
}

static __always_inline void cvio_split_tx_skip(struct ceth_cursor *cur, u32 n)
{
	cur->pos += sizeof(__le64);
}

static __always_inline bool cvio_split_close(void *ring,
					     struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ring;
	struct vring_used_elem *pos = cur->pos;

	vq->used_idx += pos - &vq->used->ring[vq->used_idx & vq->mask];
	return cur->idx;
}

static __always_inline void cvio_split_post_open(void *ring,
						 struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ring;

	cur->pos = vq->avail->ring;
	cur->idx = vq->avail_idx;
	cur->mask = vq->mask;
}

static __always_inline void cvio_split_post_close(void *ring,
						  struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ring;

	vq->avail_idx = cur->idx;
}

static __always_inline void cvio_split_avail(struct ceth_cursor *cur, u32 id)
{
	__virtio16 *ring = cur->pos;

	ring[cur->idx++ & cur->mask] = __cpu_to_virtio16(true, id);
}

static __always_inline bool cvio_split_flush(void *ring)
{
	struct cvio_vq *vq = ring;
	u16 old = vq->flushed, new = vq->avail_idx;
	bool bell;

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
		__virtio16 *event = (__virtio16 *)&vq->used->ring[vq->size];

		bell = vring_need_event(__virtio16_to_cpu(true,
							  READ_ONCE(*event)),
					new, old);
	} else {
		bell = !(READ_ONCE(vq->used->flags) &
			 __cpu_to_virtio16(true, VRING_USED_F_NO_NOTIFY));
	}
	if (bell)
		cvio_notify(vq);
	return bell;
}

static __always_inline void cvio_split_desc(struct cvio_vq *vq, u32 id,
					    dma_addr_t dma, u32 len, u16 flags,
					    u16 next)
{
	struct vring_desc *d = &vq->desc[id];
	__le64 *rest = (__force __le64 *)&d->len;

	d->addr = __cpu_to_virtio64(true, dma);
	*rest = cpu_to_le64(len | (u64)flags << 32 | (u64)next << 48);
}

static __always_inline void cvio_split_rx_post(void *ring,
					       struct ceth_cursor *cur, u32 id,
					       dma_addr_t dma)
{
	struct cvio_vq *vq = ring;

	/* The rest is there since cvio_split_init(). */
	vq->desc[id].addr = __cpu_to_virtio64(true, dma);
	cvio_split_avail(cur, id);
}

static __always_inline void cvio_split_rx_repost(void *ring,
						 struct ceth_cursor *cur,
						 u32 id, dma_addr_t dma)
{
	cvio_split_avail(cur, id);
}

static __always_inline void
cvio_split_tx_post(void *ring, struct ceth_cursor *cur,
		   const struct ceth_tx_seg *segs, u32 n,
		   const struct ceth_tx_meta *meta)
{
	struct cvio_vq *vq = ring;
	u32 i;

	for (i = 0; i < n - 1; i++)
		cvio_split_desc(vq, segs[i].id, segs[i].dma, segs[i].len,
				VRING_DESC_F_NEXT, segs[i + 1].id);
	cvio_split_desc(vq, segs[i].id, segs[i].dma, segs[i].len, 0, 0);
	cvio_split_avail(cur, segs[0].id);
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
		if (likely(!pair->tx_prompt))
			wait = (u16)(READ_ONCE(tx->flushed) - tx->used_idx) *
			       3 / 4;
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
	.rx_open		= cvio_split_open,
	.rx_next		= cvio_split_rx_next,
	.rx_close		= cvio_split_close,
	.rx_begin		= cvio_rx_begin,
	.rx_csum_partial	= cvio_rx_csum_partial,
	.rx_meta		= cvio_rx_meta,
	.rx_post_open		= cvio_split_post_open,
	.rx_post		= cvio_split_rx_post,
	.rx_repost		= cvio_split_rx_repost,
	.rx_post_close		= cvio_split_post_close,
	.rx_flush		= cvio_split_flush,
	.rx_doorbell		= cvio_notify,
	.tx_post_open		= cvio_split_post_open,
	.tx_prefix		= cvio_tx_prefix,
	.tx_post		= cvio_split_tx_post,
	.tx_post_close		= cvio_split_post_close,
	.tx_flush		= cvio_split_flush,
	.tx_open		= cvio_split_open,
	.tx_next		= cvio_split_tx_next,
	.tx_skip		= cvio_split_tx_skip,
	.tx_close		= cvio_split_close,
	.irq_disarm		= cvio_split_irq_disarm,
	.irq_arm		= cvio_split_irq_arm,
};

CETH_DATAPATH(cvio_split, cvio_split_ops, struct cvio_vq, struct cvio_vq);

/* Of a receive queue: room and direction are the same for all buffers. */
void cvio_split_init(struct cvio_vq *vq)
{
	u32 id;

	for (id = 0; id < vq->size; id++)
		cvio_split_desc(vq, id, 0, vq->post, VRING_DESC_F_WRITE, 0);
}

void cvio_split_command(struct cvio_vq *vq, const struct ceth_tx_seg *segs)
{
	cvio_split_desc(vq, 0, segs[0].dma, segs[0].len, VRING_DESC_F_NEXT, 1);
	cvio_split_desc(vq, 1, segs[1].dma, segs[1].len, VRING_DESC_F_WRITE, 0);
	vq->avail->ring[vq->avail_idx++ & vq->mask] = 0;
	cvio_split_flush(vq);
}

bool cvio_split_answered(struct cvio_vq *vq)
{
	struct ceth_cursor cur;
	bool done;
	u32 id;

	cvio_split_open(vq, &cur, 1);
	done = cvio_split_tx_next(vq, &cur, &id);
	if (done)
		cvio_split_tx_skip(&cur, 2);
	cvio_split_close(vq, &cur);
	return done;
}
