// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: packed virtqueues (VIRTIO 1.3, 2.8).
 *
 * One ring holds descriptors made available by the driver and, in the same
 * slots, those that the device has used. An id of the core is a buffer id. The
 * length, id and flags of a descriptor are one aligned word, written and read
 * at once; the flags make it available. The head of a chain is written last:
 * the device takes descriptors in order, so that it sees no part before
 * (2.8.21.1).
 *
 * Barriers: address before the word with the flags, and further descriptors of
 * a chain before its head (dma_wmb in cvio_packed_put); flags before the data
 * they vouch for (dma_rmb in cvio_packed_close); descriptors before reading
 * whether the device wants a doorbell, and the event before looking at the
 * next slot again (mb).
 */
#include "ring.h"

/* The word behind the address: len, id << 32, flags << 48. */
#define CVIO_FLAGS(f)	((u64)(f) << 48)
#define CVIO_AVAIL	CVIO_FLAGS(BIT(VRING_PACKED_DESC_F_AVAIL))
#define CVIO_USED	CVIO_FLAGS(BIT(VRING_PACKED_DESC_F_USED))

/* A slot is used when both bits equal the wrap counter (2.8.1). */
static __always_inline void cvio_packed_open(void *ring,
					     struct ceth_cursor *cur, u32 max)
{
	struct cvio_vq *vq = ring;
	u32 slot = vq->used_idx & vq->mask;

	cur->pos = &vq->ring[slot];
	cur->end = &vq->ring[slot + min_t(u32, max, vq->size - slot)];
	cur->bits = cvio_packed_wrap(vq, vq->used_idx) ?
		    CVIO_AVAIL | CVIO_USED : 0;
}

static __always_inline bool cvio_packed_next(struct ceth_cursor *cur, u64 mask,
					     u64 *word)
{
	const struct vring_packed_desc *d = cur->pos;

	if (cur->pos >= cur->end)
		return false;
	*word = le64_to_cpu(READ_ONCE(*(const __force __le64 *)&d->len));
	return !((*word ^ cur->bits) & mask);
}

/* Without chains the device writes each slot in each round, so that one bit
 * tells.
 */
static __always_inline bool cvio_packed_rx_next(void *ring,
						struct ceth_cursor *cur,
						struct ceth_rx_cmpl *c)
{
	u64 word;

	if (!cvio_packed_next(cur, CVIO_USED, &word))
		return false;
	cur->pos += sizeof(struct vring_packed_desc);
	c->len = word;
	c->id = (u16)(word >> 32);
	return true;
}

static __always_inline bool cvio_packed_tx_next(void *ring,
						struct ceth_cursor *cur,
						u32 *id)
{
	u64 word;

	if (!cvio_packed_next(cur, CVIO_AVAIL | CVIO_USED, &word))
		return false;
	*id = (u16)(word >> 32);
	return true;
}

/* The device writes one used descriptor for a chain, and leaves the slots of
 * the rest as they are (2.8.6).
 */
static __always_inline void cvio_packed_tx_skip(struct ceth_cursor *cur, u32 n)
{
	cur->pos += n * sizeof(struct vring_packed_desc);
}

static __always_inline bool cvio_packed_close(void *ring,
					      struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ring;
	struct vring_packed_desc *pos = cur->pos;

	vq->used_idx += pos - &vq->ring[vq->used_idx & vq->mask];
	dma_rmb();
	return cur->pos >= cur->end;
}

static __always_inline void cvio_packed_post_open(void *ring,
						  struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ring;

	cur->idx = vq->avail_idx & ~vq->mask;
	cur->pos = &vq->ring[vq->avail_idx & vq->mask];
	cur->end = &vq->ring[vq->size];
	cur->bits = vq->post | (cvio_packed_wrap(vq, vq->avail_idx) ?
				CVIO_AVAIL : CVIO_USED);
}

static __always_inline void cvio_packed_post_close(void *ring,
						   struct ceth_cursor *cur)
{
	struct cvio_vq *vq = ring;
	struct vring_packed_desc *pos = cur->pos;

	vq->avail_idx = cur->idx + (pos - vq->ring);
}

static __always_inline void cvio_packed_put(struct vring_packed_desc *d,
					    dma_addr_t dma, u64 word)
{
	d->addr = cpu_to_le64(dma);
	dma_wmb();
	WRITE_ONCE(*(__force __le64 *)&d->len, cpu_to_le64(word));
}

static __always_inline void cvio_packed_advance(struct cvio_vq *vq,
						struct ceth_cursor *cur)
{
	cur->pos += sizeof(struct vring_packed_desc);
	if (unlikely(cur->pos == cur->end)) {
		cur->pos = vq->ring;
		cur->idx += vq->size;
		cur->bits ^= CVIO_AVAIL | CVIO_USED;
	}
}

static __always_inline bool cvio_packed_flush(void *ring)
{
	struct cvio_vq *vq = ring;
	u16 n = vq->avail_idx - vq->flushed, event, flags, off;
	bool bell;

	if (!n)
		return false;
	vq->flushed = vq->avail_idx;
	/* The device writes its wish, then looks for descriptors: one of the
	 * two is seen.
	 */
	mb();

	flags = le16_to_cpu(READ_ONCE(vq->device_event->flags));
	if (flags == VRING_PACKED_EVENT_FLAG_DESC) {
		u16 slot = vq->avail_idx & vq->mask;

		dma_rmb();
		off = le16_to_cpu(READ_ONCE(vq->device_event->off_wrap));
		event = off & ~BIT(VRING_PACKED_EVENT_F_WRAP_CTR);
		if (off >> VRING_PACKED_EVENT_F_WRAP_CTR !=
		    cvio_packed_wrap(vq, vq->avail_idx))
			event -= vq->size;
		bell = vring_need_event(event, slot, slot - n);
	} else {
		bell = flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	if (bell)
		cvio_notify(vq);
	return bell;
}

static __always_inline void cvio_packed_rx_post(void *ring,
						struct ceth_cursor *cur, u32 id,
						dma_addr_t dma)
{
	cvio_packed_put(cur->pos, dma, cur->bits | (u64)id << 32);
	cvio_packed_advance(ring, cur);
}

static __always_inline void
cvio_packed_tx_post(void *ring, struct ceth_cursor *cur,
		    const struct ceth_tx_seg *segs, u32 n,
		    const struct ceth_tx_meta *meta)
{
	u64 id = (u64)segs[0].id << 32, more = CVIO_FLAGS(VRING_DESC_F_NEXT);
	u64 word = cur->bits | id | segs[0].len;
	struct vring_packed_desc *head = cur->pos;
	u32 i;

	cvio_packed_advance(ring, cur);
	if (unlikely(n > 1)) {
		word |= more;
		for (i = 1; i < n; i++) {
			if (i == n - 1)
				more = 0;
			cvio_packed_put(cur->pos, segs[i].dma, cur->bits |
					id | segs[i].len | more);
			cvio_packed_advance(ring, cur);
		}
	}
	cvio_packed_put(head, segs[0].dma, word);
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
		u16 off = cvio_packed_off_wrap(vq, vq->used_idx + skip);

		flags = VRING_PACKED_EVENT_FLAG_DESC;
		WRITE_ONCE(vq->driver_event->off_wrap, cpu_to_le16(off));
		dma_wmb();
	}
	WRITE_ONCE(vq->driver_event->flags, cpu_to_le16(flags));
}

static __always_inline bool cvio_packed_more(struct cvio_vq *vq)
{
	struct ceth_cursor cur;
	u64 word;

	cvio_packed_open(vq, &cur, 1);
	return cvio_packed_next(&cur, CVIO_AVAIL | CVIO_USED, &word);
}

static __always_inline bool cvio_packed_irq_arm(struct ceth_pair *pair)
{
	struct cvio_vq *rx = ceth_rxq_priv(pair->rxq);
	struct cvio_vq *tx = ceth_txq_priv(pair->txq_done);

	cvio_packed_ask(rx, 0);
	/* Most of what is being sent may complete before anybody has to look. */
	cvio_packed_ask(tx, pair->tx_prompt ? 0 :
			ceth_tx_in_flight(pair->txq_done) * 3 / 4);
	/* The device uses a descriptor, then reads what was asked for. */
	mb();
	return cvio_packed_more(rx) || cvio_packed_more(tx);
}

static const struct ceth_dp_ops cvio_packed_ops = {
	.rx_open		= cvio_packed_open,
	.rx_next		= cvio_packed_rx_next,
	.rx_close		= cvio_packed_close,
	.rx_begin		= cvio_rx_begin,
	.rx_csum_partial	= cvio_rx_csum_partial,
	.rx_meta		= cvio_rx_meta,
	.rx_post_open		= cvio_packed_post_open,
	.rx_post		= cvio_packed_rx_post,
	.rx_repost		= cvio_packed_rx_post,
	.rx_post_close		= cvio_packed_post_close,
	.rx_flush		= cvio_packed_flush,
	.rx_doorbell		= cvio_notify,
	.tx_post_open		= cvio_packed_post_open,
	.tx_prefix		= cvio_tx_prefix,
	.tx_post		= cvio_packed_tx_post,
	.tx_post_close		= cvio_packed_post_close,
	.tx_flush		= cvio_packed_flush,
	.tx_open		= cvio_packed_open,
	.tx_next		= cvio_packed_tx_next,
	.tx_skip		= cvio_packed_tx_skip,
	.tx_close		= cvio_packed_close,
	.irq_disarm		= cvio_packed_irq_disarm,
	.irq_arm		= cvio_packed_irq_arm,
};

CETH_DATAPATH(cvio_packed, cvio_packed_ops, struct cvio_vq, struct cvio_vq);

/* The control ring's size is even: both descriptors lie in the same round. */
void cvio_packed_command(struct cvio_vq *vq, const struct ceth_tx_seg *segs)
{
	struct ceth_cursor cur;
	struct vring_packed_desc *d;

	cvio_packed_post_open(vq, &cur);
	d = cur.pos;
	cvio_packed_put(d + 1, segs[1].dma, cur.bits | segs[1].len |
			CVIO_FLAGS(VRING_DESC_F_WRITE));
	cvio_packed_put(d, segs[0].dma, cur.bits | segs[0].len |
			CVIO_FLAGS(VRING_DESC_F_NEXT));
	cvio_packed_advance(vq, &cur);
	cvio_packed_advance(vq, &cur);
	cvio_packed_post_close(vq, &cur);
	cvio_packed_flush(vq);
}

bool cvio_packed_answered(struct cvio_vq *vq)
{
	struct ceth_cursor cur;
	bool done;
	u32 id;

	cvio_packed_open(vq, &cur, 1);
	done = cvio_packed_tx_next(vq, &cur, &id);
	if (done)
		cvio_packed_tx_skip(&cur, 2);
	cvio_packed_close(vq, &cur);
	return done;
}
