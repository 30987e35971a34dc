// SPDX-License-Identifier: GPL-2.0
/* CETH core: what the verifying mode checks on the fast path, see
 * <net/ceth/verify.h>.
 *
 * A violation names its sentence of Documentation/networking/ceth/contract.rst.
 * Nothing is reported here that a device can do to a backend that is right:
 * ids, lengths and chains are looked at in either mode, where they are used.
 */
#include <linux/bitops.h>
#include <linux/jiffies.h>

#include "verify.h"

/* Batches in a row that promise more, and have nothing */
#define CETH_V_ENDLESS		3
/* Interrupts while a pair is polled: some were under way when it began */
#define CETH_V_STRAYS		16
/* How long frames may be on a ring from before a feature was switched */
#define CETH_V_SWITCHED		(5 * HZ)

/**
 * ceth_v_context() - did a function of the backend leave locks behind?
 * @cdev: the device
 * @pair: index of the pair
 * @before: preempt_count() before the call
 * @what: the function
 *
 * The count is put right.
 */
void ceth_v_context(struct ceth_dev *cdev, u16 pair, int before,
		    const char *what)
{
	int now = preempt_count();

	if (likely(now == before))
		return;
	preempt_count_set(before);
	ceth_broken(cdev, pair, "B4", "%s left its context (preempt_count %x, now %x)",
		    what, before, now);
}

void ceth_v_open(struct ceth_vq *v, u32 max)
{
	if (unlikely(!in_softirq() && !irqs_disabled()))
		ceth_broken(v->cdev, v->pair, "C5",
			    "completions are read with bottom halves on");
	v->max = max;
	v->n = 0;
}
EXPORT_SYMBOL_GPL(ceth_v_open);

void ceth_v_greedy(struct ceth_vq *v)
{
	ceth_broken(v->cdev, v->pair, "B13",
		    "rx_next has more than the %u completions that rx_open was asked for",
		    v->max);
}
EXPORT_SYMBOL_GPL(ceth_v_greedy);

/* The first completion of a batch, which must be the one that was there
 * before, if that was not taken off.
 */
static void ceth_v_first(struct ceth_vq *v, u32 id, u32 len)
{
	if (v->peeked && (id != v->peek_id || len != v->peek_len))
		ceth_broken(v->cdev, v->pair, "B12",
			    "%s: id %u (%u bytes) was not taken off the ring, now id %u (%u bytes) comes first",
			    v->rxq ? "rx_next" : "tx_next", v->peek_id,
			    v->peek_len, id, len);
	v->peeked = true;
	v->peek_id = id;
	v->peek_len = len;
}

void ceth_v_rx_next(struct ceth_vq *v, const struct ceth_rx_cmpl *c)
{
	if (!v->n)
		ceth_v_first(v, c->id, c->len);
	v->batch[v->n++] = c->id;
}
EXPORT_SYMBOL_GPL(ceth_v_rx_next);

void ceth_v_tx_next(struct ceth_vq *v, u32 id)
{
	if (!v->n++)
		ceth_v_first(v, id, 0);
}
EXPORT_SYMBOL_GPL(ceth_v_tx_next);

bool ceth_v_close(struct ceth_vq *v, bool more)
{
	u32 i;

	for (i = 0; v->rxq && i < v->n; i++)
		if (v->batch[i] < v->size)
			v->desc[v->batch[i]].owned = false;
	if (v->n)
		v->peeked = false;
	if (v->n || !more) {
		v->endless = 0;
		return more;
	}
	if (++v->endless < CETH_V_ENDLESS)
		return true;
	ceth_broken(v->cdev, v->pair, "B14",
		    "%s says that there may be more after batches of nothing",
		    v->rxq ? "rx_close" : "tx_close");
	return false;
}
EXPORT_SYMBOL_GPL(ceth_v_close);

/* Has the device still the descriptor of @id, by all that is known? What was
 * lost, or completed out of order, was posted a round ago.
 */
static bool ceth_v_owned(const struct ceth_vq *v, u32 id)
{
	if (!v->desc[id].there || v->seq - v->desc[id].seq >= v->size)
		return false;
	return v->rxq ? v->desc[id].owned :
			READ_ONCE(v->txq->recs[id].type) != CETH_TX_FREE;
}

static bool ceth_v_holds(const struct ceth_vq *v, u32 at, dma_addr_t dma)
{
	return at + sizeof(__le64) <= v->len &&
	       READ_ONCE(*(const __le64 *)(v->mem + at)) == cpu_to_le64(dma);
}

/* Where the descriptor is that has just been written with @dma. Most devices
 * have an address in 64 bits, and descriptors in a row: where the second one is
 * tells where the others are. Return: its place, or -1.
 */
static int ceth_v_find(struct ceth_vq *v, dma_addr_t dma)
{
	u32 at, i;

	if (v->seq > 1) {
		/* Or after one that has no address, or where the ring begins. */
		for (i = 1; i <= 2; i++)
			if (ceth_v_holds(v, v->last + i * v->stride, dma))
				return v->last + i * v->stride;
		return ceth_v_holds(v, v->first, dma) ? (int)v->first : -1;
	}
	/* The memory was all zero. */
	for (at = v->seq ? v->last + 8 : 0; at < v->len; at += 8) {
		if (!ceth_v_holds(v, at, dma))
			continue;
		if (v->seq)
			v->stride = at - v->last;
		else
			v->first = at;
		return at;
	}
	return -1;
}

/* A descriptor has been written for @id: was it one of the device's? */
static void ceth_v_wrote(struct ceth_vq *v, u32 id, dma_addr_t dma)
{
	struct ceth_vdesc *d = &v->desc[id];
	bool found = false;
	int at;
	u32 i;

	if (!v->mem || v->blind)
		return;
	at = ceth_v_find(v, dma);
	if (at >= 0) {
		d->at = at;
		d->dma = dma;
		d->seq = v->seq++;
		d->there = true;
		v->last = at;
		return;
	}
	for (i = 0; i < v->size && !found; i++) {
		found = i != id && ceth_v_owned(v, i) &&
			v->desc[i].dma != dma &&
			ceth_v_holds(v, v->desc[i].at, dma);
		if (found)
			ceth_broken(v->cdev, v->pair, "B15",
				    "%s wrote id %u over the descriptor of id %u, which the device has",
				    v->rxq ? "rx_post" : "tx_post", id, i);
	}
	v->blind = true;
}

void ceth_v_rx_post(struct ceth_vq *v, u32 id, dma_addr_t dma, bool again)
{
	if (unlikely(id >= v->size)) {
		ceth_broken(v->cdev, v->pair, "C6", "id %u is posted", id);
		return;
	}
	if (v->desc[id].owned)
		ceth_broken(v->cdev, v->pair, "C6",
			    "id %u is posted, and the device has it", id);
	v->desc[id].owned = true;
	v->posted++;
}
EXPORT_SYMBOL_GPL(ceth_v_rx_post);

void ceth_v_rx_posted(struct ceth_vq *v, u32 id, dma_addr_t dma)
{
	if (likely(id < v->size))
		ceth_v_wrote(v, id, dma);
}
EXPORT_SYMBOL_GPL(ceth_v_rx_posted);

/* What a packet may ask for, by what the device has */
static u32 ceth_v_tx_flags(const struct ceth_dev *cdev)
{
	u32 f = cdev->caps.features, flags = 0;

	if (f & CETH_F_TX_CSUM)
		flags |= CETH_TX_CSUM;
	if (f & CETH_F_TSO4)
		flags |= CETH_TX_TSO4;
	if (f & CETH_F_TSO6)
		flags |= CETH_TX_TSO6;
	if (f & CETH_F_TSO_ECN)
		flags |= CETH_TX_ECN;
	if (f & CETH_F_USO)
		flags |= CETH_TX_USO;
	if (f & CETH_F_TX_VLAN)
		flags |= CETH_TX_VLAN;
	if (ceth_has(cdev, CETH_CAP_CLOCK))
		flags |= CETH_TX_TIME;
	if (ceth_has(cdev, CETH_CAP_LAUNCH))
		flags |= CETH_TX_LAUNCH;
	return flags;
}

void ceth_v_tx_post(struct ceth_vq *v, const struct ceth_tx_seg *segs, u32 n,
		    const struct ceth_tx_meta *meta)
{
	const struct ceth_caps *caps = &v->cdev->caps;
	u32 i, len = 0;

	if (IS_ENABLED(CONFIG_SMP) && !spin_is_locked(v->txq->lock))
		ceth_broken(v->cdev, v->pair, "C5",
			    "a packet is posted without the transmit lock");
	for (i = 0; i < n; i++) {
		if (segs[i].id >= v->size || !segs[i].len)
			ceth_broken(v->cdev, v->pair, "C7",
				    "segment %u of a packet: id %u, %u bytes",
				    i, segs[i].id, segs[i].len);
		len += segs[i].len;
	}
	if (!n || n > caps->tx_max_segs + !!caps->tx_prefix ||
	    len > caps->tx_max_size + caps->tx_prefix)
		ceth_broken(v->cdev, v->pair, "C7",
			    "a packet has %u segments and %u bytes", n, len);
	if (meta && meta->flags & ~ceth_v_tx_flags(v->cdev))
		ceth_broken(v->cdev, v->pair, "C8",
			    "a packet asks for %#x, the device can %#x",
			    meta->flags, ceth_v_tx_flags(v->cdev));
	v->posted += n;
}
EXPORT_SYMBOL_GPL(ceth_v_tx_post);

void ceth_v_tx_posted(struct ceth_vq *v, const struct ceth_tx_seg *segs, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (likely(segs[i].id < v->size))
			ceth_v_wrote(v, segs[i].id, segs[i].dma);
}
EXPORT_SYMBOL_GPL(ceth_v_tx_posted);

void ceth_v_post_close(struct ceth_vq *v)
{
	ceth_v_guard(v);
}
EXPORT_SYMBOL_GPL(ceth_v_post_close);

bool ceth_v_flush(struct ceth_vq *v, bool rung, int context)
{
	ceth_v_context(v->cdev, v->pair, context,
		       v->rxq ? "rx_flush" : "tx_flush");
	if (rung && v->posted == v->flushed)
		ceth_broken(v->cdev, v->pair, "B17",
			    "%s rang the doorbell, and nothing was posted",
			    v->rxq ? "rx_flush" : "tx_flush");
	if (rung)
		WRITE_ONCE(v->rung, v->posted);
	WRITE_ONCE(v->flushed, v->posted);
	return rung;
}
EXPORT_SYMBOL_GPL(ceth_v_flush);

void ceth_v_doorbell(struct ceth_vq *v)
{
	WRITE_ONCE(v->rung, v->posted);
	WRITE_ONCE(v->flushed, v->posted);
}
EXPORT_SYMBOL_GPL(ceth_v_doorbell);

/* What the device may say of a frame, by what it has */
static u32 ceth_v_rx_flags(const struct ceth_dev *cdev)
{
	u32 f = cdev->caps.features, flags = 0;

	if (f & CETH_F_RX_CSUM)
		flags |= CETH_RX_CSUM_OK | CETH_RX_CSUM_PARTIAL | CETH_RX_GSO;
	if (f & CETH_F_RX_HASH)
		flags |= CETH_RX_HASH;
	if (f & CETH_F_RX_VLAN)
		flags |= CETH_RX_VLAN;
	if (f & CETH_F_RX_TIME)
		flags |= CETH_RX_TIME;
	if (f & CETH_F_HW_GRO)
		flags |= CETH_RX_GRO;
	return flags;
}

void ceth_v_rx_meta(struct ceth_vq *v, const struct ceth_rx_meta *meta)
{
	const struct ceth_verify *vf = v->cdev->verify;
	struct ceth_dev *cdev = v->cdev;
	u32 on = READ_ONCE(vf->on);

	if (meta->flags & ~ceth_v_rx_flags(cdev))
		ceth_broken(cdev, v->pair, "B20",
			    "rx_meta says %#x, the device can %#x",
			    meta->flags, ceth_v_rx_flags(cdev));
	if (meta->flags & CETH_RX_HASH &&
	    (hweight32(meta->hash_type) != 1 ||
	     meta->hash_type & ~cdev->caps.hash_types))
		ceth_broken(cdev, v->pair, "B20",
			    "rx_meta has a hash of type %#x, the device has %#x",
			    meta->hash_type, cdev->caps.hash_types);
	if (!vf->on_at || !time_after(jiffies, vf->on_at + CETH_V_SWITCHED))
		return;
	if ((meta->flags & CETH_RX_VLAN && !(on & CETH_F_RX_VLAN)) ||
	    (meta->flags & CETH_RX_GRO && !(on & CETH_F_HW_GRO)))
		ceth_broken(cdev, v->pair, "B9",
			    "rx_meta says %#x, with features %#x, long since",
			    meta->flags, on);
}
EXPORT_SYMBOL_GPL(ceth_v_rx_meta);

/* Nobody else polls the pair from here to ceth_v_armed(), or @polls tells. */
u64 ceth_v_arm(struct ceth_pair *pair)
{
	struct ceth_vpair *vp = &pair->cdev->verify->pairs[pair->idx];

	WRITE_ONCE(vp->polled, false);
	return READ_ONCE(pair->rx_stats.polls);
}
EXPORT_SYMBOL_GPL(ceth_v_arm);

bool ceth_v_armed(struct ceth_pair *pair, u64 polls, u64 had, u64 has,
		  bool again, int context)
{
	struct ceth_vpair *vp = &pair->cdev->verify->pairs[pair->idx];

	ceth_v_context(pair->cdev, pair->idx, context, "irq_arm");
	/* Then the next poll begins without an interrupt. */
	if (again) {
		vp->strays = 0;
		WRITE_ONCE(vp->polled, true);
	}
	if (likely(!had || !has) ||
	    test_bit(NAPI_STATE_SCHED, &pair->napi.state) ||
	    READ_ONCE(pair->rx_stats.polls) != polls)
		return again;
	if (had != has)
		ceth_broken(pair->cdev, pair->idx, "B12",
			    "rx_next: id %llu was not taken off the ring, now id %llu comes first",
			    had - 1, has - 1);
	if (again)
		return true;
	ceth_broken(pair->cdev, pair->idx, "B18",
		    "irq_arm says that nothing waits, with a frame on the ring");
	return true;
}
EXPORT_SYMBOL_GPL(ceth_v_armed);

/**
 * ceth_verify_irq() - interrupt of a pair, in the verifying mode
 * @irq: number
 * @data: the pair
 *
 * Return: as the fast path's handler.
 */
irqreturn_t ceth_verify_irq(int irq, void *data)
{
	struct ceth_pair *pair = data;
	struct ceth_dev *cdev = pair->cdev;
	struct ceth_verify *vf = cdev->verify;
	struct ceth_vpair *vp = &vf->pairs[pair->idx];

	/* Others may have the same line. */
	if (READ_ONCE(vf->quiet) && irq != cdev->caps.event_irq)
		ceth_broken(cdev, pair->idx, "B5",
			    "an interrupt after dev_reset has returned");
	if (!test_bit(NAPI_STATE_SCHED, &pair->napi.state)) {
		vp->strays = 0;
		WRITE_ONCE(vp->polled, true);
	} else if (READ_ONCE(vp->polled) && ++vp->strays == CETH_V_STRAYS) {
		ceth_broken(cdev, pair->idx, "B19",
			    "%u interrupts while the pair is polled, and nobody has armed it",
			    CETH_V_STRAYS);
	}
	return cdev->dp->irq(irq, data);
}
