// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: descriptors and completions.
 *
 * A cursor points to the next entry, and stops where the ring ends: there the
 * phase of completions changes. Barriers: descriptors before the doorbell
 * (dma_wmb); the head of a completion before all it vouches for (dma_rmb in
 * cref_close); the arming of the vector before a last look at the rings (mb).
 */
#include "ref.h"

/* The only ways to registers, once a poll each, and indirect calls in it. */
static noinline void cref_arm(struct cref_queue *q)
{
	refnic_write(q->rdev, REFNIC_REG_VECTOR(q->conf.irq + 1), 1);
}

/* A stopped queue has no doorbell. */
static noinline void cref_ring(void *ring)
{
	struct cref_queue *q = ring;
	u32 doorbell = READ_ONCE(q->doorbell);

	dma_wmb();
	if (doorbell)
		refnic_write(q->rdev, doorbell, q->tail);
}

static __always_inline bool cref_flush(void *ring)
{
	struct cref_queue *q = ring;

	if (q->rung == q->tail)
		return false;
	q->rung = q->tail;
	cref_ring(q);
	return READ_ONCE(q->doorbell);
}

static __always_inline void cref_post_open(void *ring, struct ceth_cursor *cur)
{
	const struct cref_queue *q = ring;

	cur->idx = q->tail & ~q->mask;
	cur->pos = &q->desc[q->tail & q->mask];
	cur->end = &q->desc[q->mask + 1];
}

static __always_inline void cref_post_close(void *ring, struct ceth_cursor *cur)
{
	struct refnic_desc *pos = cur->pos;
	struct cref_queue *q = ring;

	q->tail = cur->idx + (pos - q->desc);
}

static __always_inline struct refnic_desc *cref_post(const struct cref_queue *q,
						     struct ceth_cursor *cur,
						     dma_addr_t dma, u64 ctrl)
{
	struct refnic_desc *d = cur->pos;

	if (unlikely(d == cur->end)) {
		d = q->desc;
		cur->idx += q->mask + 1;
	}
	cur->pos = d + 1;
	d->addr = cpu_to_le64(dma);
	d->ctrl = cpu_to_le64(ctrl);
	return d;
}

static __always_inline void cref_rx_post(void *ring, struct ceth_cursor *cur,
					 u32 id, dma_addr_t dma)
{
	cref_post(ring, cur, dma, id);
}

/* The core's bits of what is to do are the device's. */
static __always_inline void cref_tx_post(void *ring, struct ceth_cursor *cur,
					 const struct ceth_tx_seg *segs, u32 n,
					 const struct ceth_tx_meta *meta)
{
	const struct cref_queue *q = ring;
	const struct refnic_desc *d;
	struct refnic_todo *todo;
	u64 ctrl;
	u32 i;

	for (i = 0; i < n; i++) {
		ctrl = segs[i].id |
		       (u64)segs[i].len << __bf_shf(REFNIC_D_LEN);
		if (i == n - 1)
			ctrl |= REFNIC_D_EOP;
		if (!i && meta)
			ctrl |= meta->flags << __bf_shf(REFNIC_D_TODO);
		d = cref_post(q, cur, segs[i].dma, ctrl);
		if (i || !meta)
			continue;
		todo = &q->more[d - q->desc].todo;
		todo->csum_start = cpu_to_le16(meta->csum_start);
		todo->csum_offset = cpu_to_le16(meta->csum_offset);
		todo->hdr_len = cpu_to_le16(meta->hdr_len);
		todo->mss = cpu_to_le16(meta->gso_size);
		todo->extra = cpu_to_le64(meta->vlan_tci | meta->launch <<
					  __bf_shf(REFNIC_TODO_AT));
	}
}

static __always_inline void cref_open(void *ring, struct ceth_cursor *cur,
				      u32 max)
{
	const struct cref_queue *q = ring;
	u32 slot = q->next & q->mask;

	cur->pos = &q->cmpl[slot];
	cur->end = &q->cmpl[slot + min(max, q->mask + 1 - slot)];
	/* In the first round, and every other one, what is new has it. */
	cur->bits = q->next & (q->mask + 1) ? 0 : REFNIC_C_PHASE;
}

static __always_inline bool cref_close(void *ring, struct ceth_cursor *cur)
{
	const struct refnic_cmpl *pos = cur->pos;
	struct cref_queue *q = ring;

	q->next += pos - &q->cmpl[q->next & q->mask];
	dma_rmb();
	return cur->pos == cur->end;
}

/* Head of the next completion, without phase; false: there is none. */
static __always_inline bool cref_next(const struct ceth_cursor *cur, u32 *head)
{
	const struct refnic_cmpl *c = cur->pos;

	if (cur->pos == cur->end)
		return false;
	*head = le32_to_cpu(READ_ONCE(c->head)) ^ (u32)cur->bits;
	return !(*head & REFNIC_C_PHASE);
}

static __always_inline bool cref_rx_next(void *ring, struct ceth_cursor *cur,
					 struct ceth_rx_cmpl *c)
{
	u32 head;

	if (!cref_next(cur, &head))
		return false;
	c->id = (u16)head;
	c->len = head >> 16;
	c->word = (unsigned long)cur->pos;
	cur->pos += sizeof(struct refnic_cmpl);
	return true;
}

/* The device writes there again when it has got the buffers back, which is not
 * before the end of the poll. Only a frame of many buffers may live longer: it
 * gets a copy.
 */
static __always_inline u32 cref_rx_begin(const void *ring,
					 const struct ceth_rx_cmpl *c,
					 const void *prefix,
					 struct ceth_rx_info *info)
{
	const struct refnic_cmpl *rc = (void *)(unsigned long)c->word;
	const struct cref_queue *q = ring;
	u32 bufs = READ_ONCE(rc->bufs);

	info->w[0] = c->word;
	if (unlikely(bufs != 1)) {
		info->w[0] = 0;
		memcpy(&info->w[1], rc, sizeof(*rc));
		info->w[3] = (__force u64)q->more[rc - q->cmpl].came;
	}
	return bufs;
}

static __always_inline u32 cref_rx_hdr(const void *ring,
				       const struct ceth_rx_cmpl *c)
{
	const struct refnic_cmpl *rc = (void *)(unsigned long)c->word;
	const struct cref_queue *q = ring;

	return le16_to_cpu(READ_ONCE(q->more[rc - q->cmpl].hdr));
}

/* The core's flags are the device's. */
#define CREF_RX_FLAGS	(CETH_RX_CSUM_OK | CETH_RX_HASH | CETH_RX_VLAN | \
			 CETH_RX_TIME | CETH_RX_GRO)
static __always_inline void cref_rx_meta(const void *ring,
					 const struct ceth_rx_info *info,
					 struct ceth_rx_meta *meta)
{
	const struct refnic_cmpl *c = (void *)(unsigned long)info->w[0];
	const struct cref_queue *q = ring;
	const __le64 *came;
	u8 flags;

	if (likely(c)) {
		came = &q->more[c - q->cmpl].came;
	} else {
		c = (void *)&info->w[1];
		came = (void *)&info->w[3];
	}
	flags = READ_ONCE(c->flags);
	meta->flags = flags & CREF_RX_FLAGS;
	meta->hash = le32_to_cpu(READ_ONCE(c->hash));
	meta->hash_type = READ_ONCE(c->hash_type);
	meta->vlan_tci = le16_to_cpu(READ_ONCE(c->tci));
	if (unlikely(flags & REFNIC_CF_TIME))
		meta->time = le64_to_cpu(READ_ONCE(*came));
	if (unlikely(flags & REFNIC_CF_GRO)) {
		meta->gso_size = le16_to_cpu(READ_ONCE(c->gro_size));
		meta->gso_segs = READ_ONCE(c->gro_segs);
		meta->same_id = flags & REFNIC_CF_SAME_ID;
	}
}

static_assert(CREF_RX_FLAGS == (REFNIC_CF_CSUM_OK | REFNIC_CF_HASH |
				REFNIC_CF_VLAN | REFNIC_CF_TIME |
				REFNIC_CF_GRO));

static __always_inline bool cref_tx_next(void *ring, struct ceth_cursor *cur,
					 u32 *id)
{
	u32 head;

	if (!cref_next(cur, &head))
		return false;
	*id = (u16)head;
	return true;
}

/* One completion for each packet, whatever its segments */
static __always_inline void cref_tx_skip(struct ceth_cursor *cur, u32 n)
{
	cur->pos += sizeof(struct refnic_cmpl);
}

static __always_inline u64 cref_tx_time(const void *ring,
					const struct ceth_cursor *cur)
{
	const struct refnic_cmpl *c = cur->pos;

	c--;
	dma_rmb();
	return READ_ONCE(c->flags) & REFNIC_CF_TIME ?
	       le64_to_cpu(READ_ONCE(c->sent)) : 0;
}

static const struct ceth_dp_ops cref_dp_ops;

/* A vector that was raised has disarmed itself. */
static __always_inline bool cref_irq_arm(struct ceth_pair *pair)
{
	cref_arm(ceth_rxq_priv(pair->rxq));
	/* The device completes, then looks whether the vector is armed. */
	mb();
	return ceth_pending_tmpl(pair, &cref_dp_ops);
}

static const struct ceth_dp_ops cref_dp_ops = {
	.rx_open		= cref_open,
	.rx_next		= cref_rx_next,
	.rx_close		= cref_close,
	.rx_begin		= cref_rx_begin,
	.rx_marks		= true,
	.rx_hdr			= cref_rx_hdr,
	.rx_meta		= cref_rx_meta,
	.rx_post_open		= cref_post_open,
	.rx_post		= cref_rx_post,
	.rx_post_close		= cref_post_close,
	.rx_flush		= cref_flush,
	.rx_doorbell		= cref_ring,
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
