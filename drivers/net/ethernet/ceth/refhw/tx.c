// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: transmission.
 *
 * A thread for each transmit queue that was ever used, asleep until the doorbell
 * rings. It fetches descriptors, segments, computes checksums, sends, and completes.
 *
 * Who rings wakes a thread only if it sleeps, so that it need not be woken for
 * each packet of many it looks at its ring for a moment longer.
 */
#include <linux/bitfield.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/kthread.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "refhw.h"

/* Of a packet to segment, as its first descriptor says */
struct refhw_tso {
	u32 hdr_len;
	u32 mss;
	u32 segs;
	bool ecn;
};

/* Lengths and identification in the IP header of segment @i, whose IP packet
 * has @len bytes from the IP header on.
 */
static void refhw_tso_ip(struct refhw_frame *s, u32 i, u32 len)
{
	void *l3 = s->hdr + s->l3;
	struct ipv6hdr *ip6 = l3;
	struct iphdr *ip = l3;

	if (s->v6) {
		ip6->payload_len = htons(len - sizeof(*ip6));
		return;
	}
	ip->tot_len = htons(len);
	ip->id = htons(ntohs(ip->id) + i);
	ip->check = 0;
	ip->check = ip_fast_csum(ip, ip->ihl);
}

/* Headers of segment @i, which begins @off bytes into the payload. */
static void refhw_tso_headers(struct refhw_frame *s, const struct refhw_tso *t,
			      u32 i, u32 off)
{
	u32 len = s->len - s->l4;

	refhw_tso_ip(s, i, s->len - s->l3);
	if (s->proto == IPPROTO_UDP) {
		struct udphdr *uh = (void *)s->hdr + s->l4;

		uh->len = htons(len);
		uh->check = refhw_frame_pseudo(s, len);
		refhw_frame_csum(s, s->l4, offsetof(struct udphdr, check));
	} else {
		struct tcphdr *th = (void *)s->hdr + s->l4;

		th->seq = htonl(ntohl(th->seq) + off);
		if (i && t->ecn)
			th->cwr = 0;
		if (i + 1 < t->segs) {
			th->fin = 0;
			th->psh = 0;
		}
		th->check = refhw_frame_pseudo(s, len);
		refhw_frame_csum(s, s->l4, offsetof(struct tcphdr, check));
	}
	s->csum_done = true;
}

/* Where several devices share a wire that is too slow for them, each has one frame
 * that waits for it: they take turns, however many queues each sends from.
 */
static void refhw_tx_frame(struct refhw_queue *q, struct refhw_frame *f)
{
	u64 extra = le64_to_cpu(q->todo.extra);
	bool slow;

	if (q->what & REFNIC_TODO_VLAN &&
	    !refhw_frame_tag(f, FIELD_GET(REFNIC_TODO_TCI, extra))) {
		refhw_count(q->hw, REFHW_TX_ERROR, 1);
		return;
	}
	if (unlikely(READ_ONCE(q->hw->port->n_fns)) &&
	    refhw_switch_spoofed(q->hw, f)) {
		refhw_count(q->hw, REFHW_TX_SPOOFED, 1);
		return;
	}
	if (!refhw_pace(q, f->len))
		return;
	slow = READ_ONCE(q->hw->port->n_fns) &&
	       READ_ONCE(q->hw->port->wire.rate);
	if (unlikely(slow)) {
		refhw_batch_end(&q->out);
		mutex_lock(&q->hw->turn);
	}
	f->at = q->at;
	refhw_count_tx(q->hw, f->hdr, f->len);
	refhw_batch_begin(&q->out);
	if (!refhw_switch_out(q->hw, f, &q->out))
		refhw_wire_send(q->hw, f, &q->out);
	refhw_batch_next(&q->out);
	/* The wire was not free: what it lets wait has not been sent. */
	if (f->at != q->at) {
		q->at = f->at;
		refhw_pace_until(q, q->at);
	}
	if (unlikely(slow))
		mutex_unlock(&q->hw->turn);
}

/* The packet's header is moved out of its first pieces. */
static void refhw_tx_pull(struct refhw_frame *f, u32 hdr_len)
{
	u32 left = min(f->len, hdr_len), at = 0, i = 0, n;

	if (likely(f->n == 1 && left == f->len)) {
		refhw_copy(f->hdr, f->iov[0].p, left);
		f->hdr_len = left;
		f->n = 0;
		return;
	}
	f->hdr_len = 0;
	refhw_frame_copy(f, 0, f->hdr, left);
	f->hdr_len = left;
	for (; left; left -= n) {
		n = min(left, f->iov[i].len);
		f->iov[i].p += n;
		f->iov[i].len -= n;
		if (!f->iov[i].len)
			i++;
	}
	for (; i < f->n; i++)
		f->iov[at++] = f->iov[i];
	f->n = at;
}

static bool refhw_tx_tso(struct refhw_queue *q)
{
	struct refhw_frame *f = &q->frame, *s = &q->seg;
	bool tcp = !(q->what & REFNIC_TODO_USO);
	struct refhw_tso t = {
		.hdr_len	= le16_to_cpu(q->todo.hdr_len),
		.mss		= le16_to_cpu(q->todo.mss),
		.ecn		= q->what & REFNIC_TODO_ECN,
	};
	u32 i, off, payload;

	if (t.hdr_len > REFNIC_HDR_MAX || t.hdr_len >= f->len || !t.mss)
		return false;
	refhw_tx_pull(f, REFNIC_HDR_MAX);
	refhw_frame_parse(f);
	/* Lengths of the whole mean nothing: 64 KiB do not fit the field. What
	 * carries the segments, the driver says.
	 */
	f->l4 = le16_to_cpu(q->todo.csum_start);
	if (!f->l3 || f->l4 < f->l3 ||
	    f->l4 + (tcp ? sizeof(struct tcphdr) :
			   sizeof(struct udphdr)) > t.hdr_len)
		return false;
	f->proto = tcp ? IPPROTO_TCP : IPPROTO_UDP;

	/* From here on the header is the header alone. */
	if (f->hdr_len > t.hdr_len) {
		u32 j;

		if (f->n == REFHW_TX_SEGS)
			return false;
		for (j = f->n; j; j--)
			f->iov[j] = f->iov[j - 1];
		f->iov[0].p = f->hdr + t.hdr_len;
		f->iov[0].len = f->hdr_len - t.hdr_len;
		f->hdr_len = t.hdr_len;
		f->n++;
	}
	payload = f->len - t.hdr_len;
	t.segs = DIV_ROUND_UP(payload, t.mss);
	for (i = 0, off = 0; i < t.segs; i++, off += t.mss) {
		refhw_frame_slice(s, f, off, min(t.mss, payload - off));
		refhw_tso_headers(s, &t, i, off);
		refhw_tx_frame(q, s);
	}
	return true;
}

/* One packet, whose pieces are in the queue's frame. */
static bool refhw_tx_packet(struct refhw_queue *q)
{
	u16 start = le16_to_cpu(q->todo.csum_start);
	struct refhw_frame *f = &q->frame;
	u64 feat = q->hw->feat;

	f->csum_done = false;
	if (q->what & REFNIC_TODO_USO)
		return (feat & REFNIC_F_USO) && refhw_tx_tso(q);
	if (q->what & (REFNIC_TODO_TSO4 | REFNIC_TODO_TSO6))
		return (feat & REFNIC_F_TSO) && refhw_tx_tso(q);
	refhw_tx_pull(f, REFNIC_HDR_MAX);
	if (q->what & REFNIC_TODO_CSUM) {
		if (!(feat & REFNIC_F_TX_CSUM) ||
		    !refhw_frame_csum(f, start,
				      le16_to_cpu(q->todo.csum_offset)))
			return false;
		/* The outermost transport checksum, if it was that one */
		refhw_frame_parse(f);
		f->csum_done = f->l4 && f->l4_end == f->len &&
			       f->l4 == start;
	}
	refhw_tx_frame(q, f);
	return true;
}

static void refhw_tx_complete(struct refhw_queue *q, u16 id, bool good)
{
	struct refnic_cmpl *c = &q->cmpl[q->done & q->mask];
	struct refhw_port *port = q->hw->port;
	u32 head = id;

	c->flags = good ? 0 : REFNIC_CF_ERROR;
	if (!good)
		refhw_count(q->hw, REFHW_TX_ERROR, 1);
	if (q->what & REFNIC_TODO_TIME && q->hw->feat & REFNIC_F_CLOCK) {
		c->sent = cpu_to_le64(refhw_time_at(q->hw, q->at));
		c->flags |= REFNIC_CF_TIME;
	}
	if (refhw_fault(port, REFHW_FAULT_TX_LOST))
		return;
	if (refhw_fault(port, REFHW_FAULT_TX_ID))
		head |= REFNIC_C_ID;
	refhw_complete(q, head);
	if (refhw_fault(port, REFHW_FAULT_TX_DUP))
		refhw_complete_twice(q, head);
	if (refhw_vec_counts(q->vec, true))
		refhw_vec_event(q->vec, true, 1);
	else
		q->out.tx_done++;
}

/* Fetch the descriptors of one packet. False: they make no sense, and it
 * cannot be told where the next packet begins.
 */
static bool refhw_tx_fetch(struct refhw_queue *q, u32 tail, u16 *id)
{
	struct refhw_frame *f = &q->frame;
	const struct refnic_desc *d;
	u64 ctrl, addr;
	u32 len, slot;
	bool first;

	f->n = 0;
	f->len = 0;
	f->hdr_len = 0;
	do {
		if (q->head == tail || f->n == REFHW_TX_SEGS)
			return false;
		first = !f->n;
		slot = q->head++ & q->mask;
		d = &q->ring[slot];
		addr = le64_to_cpu(READ_ONCE(d->addr));
		ctrl = le64_to_cpu(READ_ONCE(d->ctrl));
		len = FIELD_GET(REFNIC_D_LEN, ctrl);
		if (first) {
			q->at = max(q->at, q->came[slot]);
			*id = FIELD_GET(REFNIC_D_ID, ctrl);
			q->what = FIELD_GET(REFNIC_D_TODO, ctrl);
			if (q->what)
				q->todo = q->more[slot].todo;
		}
		f->iov[f->n].len = len;
		f->iov[f->n].p = refhw_dma(q->hw, addr, len);
		if (!f->iov[f->n].p)
			return false;
		f->n++;
		f->len += len;
	} while (!(ctrl & REFNIC_D_EOP));
	return f->len >= ETH_HLEN && f->len <= SZ_64K;
}

static void refhw_tx_run(struct refhw_queue *q, u32 tail)
{
	bool good;
	u16 id;

	while (q->head != tail && READ_ONCE(q->alive)) {
		if (refhw_fault(q->hw->port, REFHW_FAULT_TX_STUCK)) {
			q->stuck = true;
			return;
		}
		if (!refhw_tx_fetch(q, tail, &id)) {
			refhw_fail(q->hw, REFNIC_HEALTH_DESC, q->qid);
			WRITE_ONCE(q->alive, false);
			return;
		}
		good = true;
		if (q->what & REFNIC_TODO_LAUNCH &&
		    q->hw->feat & REFNIC_F_LAUNCH &&
		    !refhw_pace_launch(q, &good))
			return;
		good = good && refhw_tx_packet(q);
		/* What was not sent is the driver's to find out. */
		if (kthread_should_stop())
			return;
		refhw_tx_complete(q, id, good);
		if (need_resched()) {
			refhw_batch_end(&q->out);
			cond_resched();
		}
	}
}

static bool refhw_tx_ready(const struct refhw_queue *q)
{
	return READ_ONCE(q->tail) != q->head && READ_ONCE(q->alive) &&
	       !q->stuck && (READ_ONCE(q->hw->status) & REFNIC_STAT_RUNNING);
}

/* After some work: is there more before long? Not if anybody else wants to run
 * here, such as who would ring.
 */
static void refhw_tx_linger(struct refhw_queue *q)
{
	struct refhw_batch *b = &q->out;
	u32 i;

	refhw_batch_unlock(b);
	for (i = 0; i < REFHW_LOOKS && !refhw_tx_ready(q); i++) {
		if (need_resched() || !single_task_running())
			break;
		if (b->held && !--b->looks)
			refhw_batch_end(b);
	}
}

static void refhw_tx_sleep(struct refhw_queue *q)
{
	WRITE_ONCE(q->idle, true);
	/* A barrier: says so, then looks. Pairs with that of the doorbell, which
	 * has something to see there, then looks whether anybody sleeps.
	 */
	set_current_state(TASK_IDLE);
	if (!refhw_tx_ready(q) && !kthread_should_stop())
		schedule();
	__set_current_state(TASK_RUNNING);
	WRITE_ONCE(q->idle, false);
}

static int refhw_tx_thread(void *data)
{
	struct refhw_queue *q = data;
	u32 tail;

	while (!kthread_should_stop()) {
		if (!refhw_tx_ready(q)) {
			refhw_batch_end(&q->out);
			refhw_tx_sleep(q);
			continue;
		}
		/* Pairs with the release of the doorbell. */
		tail = smp_load_acquire(&q->tail);
		if (tail - q->head > q->mask + 1) {
			refhw_fail(q->hw, REFNIC_HEALTH_TAIL, q->qid);
			WRITE_ONCE(q->alive, false);
			continue;
		}
		refhw_tx_run(q, tail);
		if (!refhw_tx_ready(q))
			refhw_tx_linger(q);
	}
	refhw_batch_end(&q->out);
	return 0;
}

/* Descriptors up to @tail come now; before they can be seen. */
void refhw_tx_tail(struct refhw_queue *q, u32 tail)
{
	u64 now = ktime_get_raw_ns();
	u32 i, n = min(tail - q->tail, q->mask + 1);

	for (i = 0; i < n; i++)
		q->came[(tail - 1 - i) & q->mask] = now;
}

void refhw_tx_doorbell(struct refhw_queue *q)
{
	smp_mb(); /* the tail, before looking whether anybody sleeps */
	if (READ_ONCE(q->idle)) {
		/* Those that follow need not; it says so again before it sleeps
		 * again, and looks then.
		 */
		WRITE_ONCE(q->idle, false);
		wake_up_process(q->task);
	} else if (unlikely(!READ_ONCE(q->task)) &&
		   READ_ONCE(q->tail) != READ_ONCE(q->head)) {
		/* The first packet: threads are made where one can wait. */
		WRITE_ONCE(q->hw->tx_new, true);
		refhw_wake(q->hw);
	}
}

static int refhw_tx_start(struct refhw_queue *q)
{
	struct task_struct *task;

	task = kthread_create(refhw_tx_thread, q, "%s-tx%u",
			      dev_name(&q->hw->rdev.dev), q->index);
	if (IS_ERR(task))
		return PTR_ERR(task);
	/* A late doorbell may still wake it. */
	WRITE_ONCE(q->task, get_task_struct(task));
	wake_up_process(task);
	return 0;
}

/* Threads for queues that have got their first packet; on the admin thread. */
void refhw_tx_start_new(struct refhw *hw)
{
	struct refhw_queue *q;
	u32 i;

	if (likely(!READ_ONCE(hw->tx_new)))
		return;
	WRITE_ONCE(hw->tx_new, false);
	smp_mb(); /* taken before the queues are looked at */
	for (i = 0; i < REFHW_MAX_PAIRS; i++) {
		q = hw->txqs[i];
		if (q && !q->task && READ_ONCE(q->tail) != q->head &&
		    refhw_tx_start(q))
			refhw_fail(hw, REFNIC_HEALTH_INTERNAL, q->qid);
	}
}

void refhw_tx_stop(struct refhw_queue *q)
{
	if (q->task)
		kthread_stop(q->task);
}
