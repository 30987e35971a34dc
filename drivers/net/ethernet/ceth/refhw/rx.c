// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: a frame comes in from the wire.
 *
 * Runs on the thread of who sent it, and may wait there for buffers, as long
 * as flow control lets it. The frame is copied into the driver's buffers here:
 * this is the DMA engine.
 */
#include <linux/bitfield.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>

#include "refhw.h"

void refhw_rx_doorbell(struct refhw_queue *q)
{
	if (wq_has_sleeper(&q->wait))
		wake_up_all(&q->wait);
}

static u32 refhw_rx_avail(const struct refhw_queue *q)
{
	/* Pairs with the release of the doorbell. */
	return smp_load_acquire(&q->tail) - q->head;
}

/* Frames are lost for want of buffers; said at once, and then each second. */
static void refhw_rx_starved(struct refhw_queue *q)
{
	if ((q->told && time_before(jiffies, q->told + HZ)) ||
	    !READ_ONCE(q->alive))
		return;
	q->told = jiffies ?: 1;
	WRITE_ONCE(q->hw->starved, q->index);
	refhw_event(q->hw, REFNIC_EV_STARVED);
}

/* The driver has to hear of what is there before anybody waits for it, and
 * others of who has waited.
 */
static void refhw_rx_tell(struct refhw_queue *q)
{
	if (!q->batch)
		return;
	refhw_batch_raise(q->batch);
	q->batch->left = 1;
}

/* Wait for buffers: the sender has been told to pause. Not for ever: a queue
 * that nobody cares for must not stop the others.
 */
static bool refhw_rx_wait(struct refhw_queue *q, u32 n)
{
	long left;

	if (q->nowait)
		return false;
	/* Not at the cost of other devices of the port */
	if (READ_ONCE(q->hw->port->n_fns)) {
		refhw_rx_starved(q);
		return false;
	}
	if (!q->starved)
		q->starved = jiffies ?: 1;
	left = q->starved + REFHW_PAUSE - jiffies;
	if (left > 0) {
		refhw_rx_tell(q);
		wait_event_idle_timeout(q->wait, refhw_rx_avail(q) >= n ||
					!READ_ONCE(q->alive) ||
					kthread_should_stop(), left);
	}
	if (!READ_ONCE(q->alive))
		return false;
	if (refhw_rx_avail(q) < n) {
		refhw_rx_starved(q);
		return false;
	}
	return true;
}

/* A completion as it should be, made worse. False: none at all. */
static bool refhw_rx_wrong(struct refhw_queue *q, struct refnic_cmpl *c,
			   u32 *head)
{
	struct refhw_port *port = q->hw->port;

	if (refhw_fault(port, REFHW_FAULT_RX_LOST))
		return false;
	if (refhw_fault(port, REFHW_FAULT_RX_ID))
		*head |= REFNIC_C_ID;
	if (refhw_fault(port, REFHW_FAULT_RX_LEN)) {
		*head |= REFNIC_C_LEN;
	} else if (refhw_fault(port, REFHW_FAULT_RX_EMPTY)) {
		*head &= ~REFNIC_C_LEN;
		if (q->hdr_len)
			q->more[q->done & q->mask].hdr = 0;
	}
	if (c->bufs && refhw_fault(port, REFHW_FAULT_RX_CHAIN))
		c->bufs = U8_MAX;
	return true;
}

static struct refnic_cmpl *refhw_cmpl(const struct refhw_queue *q)
{
	return &q->cmpl[q->done & q->mask];
}

/**
 * refhw_complete() - write a completion, which is there but for its head
 * @q: the queue
 * @head: of it, without phase
 *
 * The head is the last to be written: its phase says that all is there, also
 * the frame itself, and that the driver may reuse what was read.
 */
void refhw_complete(struct refhw_queue *q, u32 head)
{
	if (!((q->done >> q->order) & 1))
		head |= REFNIC_C_PHASE;
	/* As said */
	smp_store_release(&refhw_cmpl(q)->head, cpu_to_le32(head));
	q->done++;
}

/* The same completion again */
void refhw_complete_twice(struct refhw_queue *q, u32 head)
{
	const struct refnic_cmpl *last = &q->cmpl[(q->done - 1) & q->mask];
	struct refnic_cmpl *c = refhw_cmpl(q);

	c->bufs = last->bufs;
	c->flags = last->flags;
	c->sent = last->sent;
	refhw_complete(q, head);
}

/* What there is to say about a frame, with its first buffer */
static void refhw_rx_describe(struct refhw_queue *q,
			      const struct refhw_frame *f, u32 hdr, u32 info,
			      u32 hash)
{
	union refnic_more *more = &q->more[q->done & q->mask];
	struct refnic_cmpl *c = refhw_cmpl(q);
	u32 segs = f->segs;

	c->tci = cpu_to_le16(f->tci);
	c->hash = cpu_to_le32(hash);
	c->hash_type = FIELD_GET(REFHW_INFO_HASH, info);
	if (q->hdr_len)
		more->hdr = cpu_to_le16(hdr);
	if (info & REFNIC_CF_TIME)
		more->came = cpu_to_le64(refhw_time_at(q->hw, f->at));
	if (info & REFNIC_CF_GRO) {
		if (refhw_fault(q->hw->port, REFHW_FAULT_RX_GRO))
			segs++;
		c->gro_size = cpu_to_le16(f->mss);
		c->gro_segs = segs;
	}
}

/* Completions of a frame in the buffers @ids */
static void refhw_rx_complete(struct refhw_queue *q, const struct refhw_frame *f,
			      const u16 *ids, u32 n, u32 hdr, u32 info,
			      u32 hash)
{
	u32 i, left = f->len - hdr, len, head;
	struct refnic_cmpl *c;

	for (i = 0; i < n; i++) {
		len = min(left, q->buf_len);
		left -= len;
		head = FIELD_PREP(REFNIC_C_ID, ids[i]) |
		       FIELD_PREP(REFNIC_C_LEN, len);
		c = refhw_cmpl(q);
		c->bufs = i ? 0 : n;
		c->flags = i ? 0 : info;
		if (!i)
			refhw_rx_describe(q, f, hdr, info, hash);
		if (unlikely(READ_ONCE(q->hw->port->faults.on)) &&
		    !refhw_rx_wrong(q, c, &head))
			continue;
		refhw_complete(q, head);
		if (refhw_fault(q->hw->port, REFHW_FAULT_RX_DUP))
			refhw_complete_twice(q, head);
	}
}

/* How much of a frame goes to a header buffer */
static u32 refhw_rx_hdr(const struct refhw_queue *q,
			const struct refhw_frame *f)
{
	u32 len;

	if (!q->hdr_len || f->len <= q->hdr_whole)
		return min(f->len, q->hdr_len);
	len = refhw_frame_headers(f) ?: f->len;
	return min(len, q->hdr_len);
}

/* Put it there. False: the device cannot. */
static bool refhw_rx_put_hdr(struct refhw_queue *q, const struct refhw_frame *f,
			     u16 id, u32 len)
{
	u8 *to;

	if (id > q->mask) {
		refhw_fail(q->hw, REFNIC_HEALTH_DESC, q->qid);
		return false;
	}
	to = refhw_dma(q->hw, q->hdrs + id * q->hdr_len, len);
	if (!to)
		return false;
	refhw_frame_copy(f, 0, to, len);
	return true;
}

/* Return: REFHW_RX_FRAMES, or why not. */
static enum refhw_stat refhw_rx_put(struct refhw_queue *q,
				    const struct refhw_frame *f, u32 info,
				    u32 hash)
{
	const struct refnic_desc *d;
	u32 i, off, len, n = 1, avail, hdr = refhw_rx_hdr(q, f);
	struct refhw *hw = q->hw;
	u16 ids[REFHW_RX_BUFS] __uninitialized;

	if (unlikely(f->len - hdr > q->buf_len))
		n = DIV_ROUND_UP(f->len - hdr, q->buf_len);
	if (n > REFHW_RX_BUFS || (n > 1 && !(hw->feat & REFNIC_F_SCATTER)))
		return REFHW_RX_LENGTH;
	avail = refhw_rx_avail(q);
	if (unlikely(avail > q->mask + 1)) {
		refhw_fail(hw, REFNIC_HEALTH_TAIL, q->qid);
		return REFHW_RX_ERROR;
	}
	if (refhw_fault(hw->port, REFHW_FAULT_RX_STUCK))
		q->stuck = true;
	if (q->stuck)
		refhw_rx_starved(q);
	if (q->stuck || (avail < n && !refhw_rx_wait(q, n)))
		return REFHW_RX_NO_BUFFER;
	for (i = 0, off = hdr; i < n; i++, off += len) {
		u8 *to;

		len = min(f->len - off, q->buf_len);
		d = &q->ring[(q->head + i) & q->mask];
		ids[i] = FIELD_GET(REFNIC_D_ID,
				   le64_to_cpu(READ_ONCE(d->ctrl)));
		if (hdr && !i && !refhw_rx_put_hdr(q, f, ids[0], hdr))
			return REFHW_RX_ERROR;
		if (unlikely(!len))
			continue;
		to = refhw_dma(hw, le64_to_cpu(READ_ONCE(d->addr)), len);
		if (unlikely(!to))
			return REFHW_RX_ERROR;
		refhw_frame_copy(f, off, to, len);
	}
	q->head += n;
	q->starved = 0;
	q->told = 0;
	refhw_rx_complete(q, f, ids, n, hdr, info, hash);
	return REFHW_RX_FRAMES;
}

/**
 * refhw_rx_deliver() - put a frame into the driver's buffers, and say so
 * @q: receive queue; locked
 * @f: frame
 * @info: flags of its completion
 * @hash: of the completion, too
 */
void refhw_rx_deliver(struct refhw_queue *q, const struct refhw_frame *f,
		      u32 info, u32 hash)
{
	enum refhw_stat what = refhw_rx_put(q, f, info, hash);

	refhw_count(q->hw, what, f->segs);
	if (what != REFHW_RX_FRAMES)
		return;
	refhw_count(q->hw, REFHW_RX_BYTES, f->wire);
	if (q->batch && !refhw_vec_counts(q->vec, false))
		q->batch->rx_done++;
	else
		refhw_vec_event(q->vec, false, 1);
}

/**
 * refhw_rx() - a frame for a device
 * @hw: the device
 * @f: frame
 * @b: batch under way
 *
 * Context: process.
 */
void refhw_rx(struct refhw *hw, struct refhw_frame *f, struct refhw_batch *b)
{
	u32 hash = 0, index = 0;
	struct refhw_queue *q = NULL;
	u32 info = 0;
	int sum;

	/* Pairs with the release of refhw_init_cmd(). */
	if (!(smp_load_acquire(&hw->status) & REFNIC_STAT_RUNNING)) {
		refhw_count(hw, REFHW_RX_NO_QUEUE, 1);
		return;
	}
	refhw_frame_parse(f);
	f->wire = f->len;
	f->segs = 1;
	if (f->len < ETH_HLEN ||
	    f->len > READ_ONCE(hw->port->mtu) + ETH_HLEN + 2 * VLAN_HLEN) {
		refhw_count(hw, REFHW_RX_LENGTH, 1);
		return;
	}
	if (refhw_filtered(hw, f)) {
		refhw_count(hw, REFHW_RX_FILTERED, 1);
		return;
	}
	index = refhw_steer(hw, f, &info, &hash);
	if (index == REFNIC_RULE_DROP) {
		refhw_count(hw, REFHW_RX_FILTERED, 1);
		return;
	}
	if (READ_ONCE(hw->offloads) & REFNIC_OFF_RX_CSUM) {
		sum = refhw_frame_verify(f);
		if (sum > 0)
			info |= REFNIC_CF_CSUM_OK;
		else if (sum < 0)
			refhw_count(hw, REFHW_RX_CSUM_BAD, 1);
	}

	if (f->vlan && (READ_ONCE(hw->offloads) & REFNIC_OFF_VLAN_STRIP)) {
		refhw_frame_untag(f);
		info |= REFNIC_CF_VLAN;
	}
	if (READ_ONCE(hw->offloads) & REFNIC_OFF_RX_TIME)
		info |= REFNIC_CF_TIME;

	if (index < ARRAY_SIZE(hw->rxqs))
		q = srcu_dereference(hw->rxqs[index], &refhw_srcu);
	if (!q) {
		refhw_count(hw, REFHW_RX_NO_QUEUE, 1);
		return;
	}
	refhw_count_rx(hw, f->hdr, f->wire);
	refhw_batch_lock(b, q);
	if (!READ_ONCE(q->alive) || kthread_should_stop())
		refhw_count(hw, REFHW_RX_ERROR, 1);
	else if (!refhw_gro_take(q, f, info, hash))
		refhw_rx_deliver(q, f, info, hash);
}
