// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: coalescing of received TCP segments.
 *
 * A receive queue holds segments back, in memory of the device, for as long as
 * what follows continues them: what comes out can be cut into the same segments
 * again, byte for byte. So all headers have to be equal, but for what follows
 * from the place in the stream.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include <net/ceth/compat.h>

#include "refhw.h"

/* Longest header that is looked at: Ethernet, IPv6, TCP with all options */
#define REFHW_GRO_HDR	(ETH_HLEN + 40 + 60)
/* What the length field of IP can say */
#define REFHW_GRO_MAX	65535

/**
 * struct refhw_slot - segments of one flow
 * @list: held or free
 * @f: what has become of them: headers, and @data
 * @key: headers without what may differ
 * @hdr: bytes of @key
 * @due: when it is delivered at the latest, ns
 * @info: of the first segment's completion
 * @hash: too
 * @seq: of the next segment
 * @id: of the first segment's IPv4 header
 * @same_id: all segments have that
 * @psh: one had PSH set, which was the last
 * @sum: of @data
 * @payload: bytes of @data
 * @data: what the segments carry
 */
struct refhw_slot {
	struct list_head list;
	struct refhw_frame f;
	u8 key[REFHW_GRO_HDR];
	u32 hdr;
	u64 due;
	u32 info;
	u32 hash;
	u32 seq;
	u16 id;
	bool same_id;
	bool psh;
	__wsum sum;
	u32 payload;
	u8 data[SZ_64K];
};

/* A segment, as far as it concerns coalescing */
struct refhw_seg {
	const struct refhw_frame *f;
	const struct tcphdr *th;
	const struct iphdr *ip;		/* NULL: version 6 */
	u32 hdr;
	u32 payload;
	u8 key[REFHW_GRO_HDR];
};

static struct workqueue_struct *refhw_gro_wq;

/* False: nothing that could ever be coalesced */
static bool refhw_seg_read(struct refhw_seg *s, const struct refhw_frame *f)
{
	struct tcphdr *th = (void *)f->hdr + f->l4;
	u32 l3_len = f->l4 - f->l3;

	s->f = f;
	s->th = th;
	s->ip = f->v6 ? NULL : (const void *)f->hdr + f->l3;
	s->hdr = f->l4 + th->doff * 4;
	/* A tag in the frame, options of IP, no data */
	if (f->l3 != ETH_HLEN || th->doff * 4 < sizeof(*th) ||
	    l3_len != (s->ip ? sizeof(struct iphdr) :
			       sizeof(struct ipv6hdr)) ||
	    s->hdr > f->hdr_len || s->hdr >= f->l4_end)
		return false;
	s->payload = f->l4_end - s->hdr;
	if (!th->ack || th->fin || th->syn || th->rst || th->urg || th->ece ||
	    th->cwr)
		return false;

	memcpy(s->key, f->hdr, s->hdr);
	if (s->ip) {
		struct iphdr *ip = (void *)s->key + f->l3;

		ip->tot_len = 0;
		ip->id = 0;
		ip->check = 0;
	} else {
		((struct ipv6hdr *)(s->key + f->l3))->payload_len = 0;
	}
	th = (void *)s->key + f->l4;
	th->seq = 0;
	th->check = 0;
	th->psh = 0;
	return true;
}

/* Sum of the data, from a checksum that is right */
static __wsum refhw_seg_sum(const struct refhw_seg *s)
{
	const struct refhw_frame *f = s->f;
	__wsum sum;

	sum = csum_unfold(refhw_frame_pseudo(f, f->l4_end - f->l4));
	return ~csum_partial(s->th, s->hdr - f->l4, sum);
}

static bool refhw_gro_same_flow(const struct refhw_slot *slot,
				const struct refhw_frame *f)
{
	u32 off = f->v6 ? offsetof(struct ipv6hdr, saddr) :
			  offsetof(struct iphdr, saddr);
	u32 len = f->v6 ? 2 * sizeof(struct in6_addr) :
			  2 * sizeof(struct in_addr);
	const struct refhw_frame *a = &slot->f;

	if (a->v6 != f->v6 ||
	    memcmp(a->hdr + a->l3 + off, f->hdr + f->l3 + off, len))
		return false;
	/* Without ports, it could be. */
	return !f->l4 || !memcmp(a->hdr + a->l4, f->hdr + f->l4, 4);
}

/* Headers of what has been put together */
static void refhw_gro_finish(struct refhw_slot *slot)
{
	struct refhw_frame *f = &slot->f;
	struct tcphdr *th = (void *)f->hdr + f->l4;
	u32 len = f->len - f->l4;
	__wsum sum;

	if (f->v6) {
		struct ipv6hdr *ip6 = (void *)f->hdr + f->l3;

		ip6->payload_len = htons(len);
	} else {
		struct iphdr *ip = (void *)f->hdr + f->l3;

		ip->tot_len = htons(f->len - f->l3);
		ip->check = 0;
		ip->check = ip_fast_csum(ip, ip->ihl);
	}
	th->psh = slot->psh;
	th->check = 0;
	sum = csum_unfold(refhw_frame_pseudo(f, len));
	sum = csum_partial(th, f->hdr_len - f->l4, sum);
	/* The header's length is even. */
	th->check = csum_fold(csum_add(sum, slot->sum)) ?: CSUM_MANGLED_0;
	slot->info |= REFNIC_CF_GRO;
	if (slot->same_id)
		slot->info |= REFNIC_CF_SAME_ID;
}

static void refhw_gro_close(struct refhw_queue *q, struct refhw_slot *slot)
{
	struct refhw_frame *f = &slot->f;

	f->len = f->hdr_len + slot->payload;
	f->iov[0].p = slot->data;
	f->iov[0].len = slot->payload;
	f->n = 1;
	if (f->segs > 1)
		refhw_gro_finish(slot);
	if (READ_ONCE(q->hw->status) & REFNIC_STAT_RUNNING)
		refhw_rx_deliver(q, f, slot->info, slot->hash);
	list_move(&slot->list, &q->gro.free);
}

/* A place, if need be that of who has waited longest */
static struct refhw_slot *refhw_gro_slot(struct refhw_queue *q)
{
	struct refhw_gro *gro = &q->gro;
	struct refhw_slot *slot;

	if (list_empty(&gro->free) && gro->slots < REFHW_GRO_SLOTS) {
		slot = kvmalloc_obj(*slot);
		if (slot) {
			list_add(&slot->list, &gro->free);
			gro->slots++;
		}
	}
	if (list_empty(&gro->free) && !list_empty(&gro->held))
		refhw_gro_close(q, list_first_entry(&gro->held,
						    struct refhw_slot, list));
	return list_first_entry_or_null(&gro->free, struct refhw_slot, list);
}

static void refhw_gro_arm(struct refhw_gro *gro, const struct refhw_slot *slot)
{
	hrtimer_start(&gro->timer, ns_to_ktime(slot->due), HRTIMER_MODE_ABS);
}

/* A first segment. False: it does not wait for others. */
static bool refhw_gro_hold(struct refhw_queue *q, const struct refhw_seg *s,
			   u32 info, u32 hash)
{
	u32 usecs = READ_ONCE(q->hw->port->gro_usecs);
	const struct refhw_frame *f = s->f;
	struct refhw_gro *gro = &q->gro;
	struct refhw_slot *slot;
	bool first;

	/* What follows the packet would be lost. */
	if (s->th->psh || f->len != f->l4_end || !usecs)
		return false;
	slot = refhw_gro_slot(q);
	if (!slot)
		return false;
	slot->f = *f;
	slot->f.hdr_len = s->hdr;
	slot->f.mss = s->payload;
	memcpy(slot->key, s->key, s->hdr);
	slot->hdr = s->hdr;
	slot->due = ktime_get_ns() + (u64)usecs * NSEC_PER_USEC;
	slot->info = info;
	slot->hash = hash;
	slot->seq = ntohl(s->th->seq) + s->payload;
	slot->id = s->ip ? ntohs(s->ip->id) : 0;
	slot->same_id = false;
	slot->psh = false;
	slot->sum = refhw_seg_sum(s);
	slot->payload = s->payload;
	refhw_frame_copy(f, s->hdr, slot->data, s->payload);
	first = list_empty(&gro->held);
	list_move_tail(&slot->list, &gro->held);
	if (first)
		refhw_gro_arm(gro, slot);
	return true;
}

static bool refhw_gro_room(const struct refhw_queue *q,
			   const struct refhw_slot *slot, u32 len)
{
	u32 bufs = min(q->mask + 1, REFHW_RX_BUFS);

	len += slot->hdr + slot->payload;
	return len - slot->f.l3 <= REFHW_GRO_MAX && len <= bufs * q->buf_len;
}

/* All count up by one, or all are the same and say that it does not matter. */
static bool refhw_gro_id(struct refhw_slot *slot, const struct refhw_seg *s)
{
	u16 id;

	if (!s->ip)
		return true;
	id = ntohs(s->ip->id) - slot->id;
	if (slot->f.segs == 1)
		slot->same_id = !id && s->ip->frag_off & htons(IP_DF);
	return id == (slot->same_id ? 0 : slot->f.segs);
}

/* Another segment. False: it does not continue those that are held. */
static bool refhw_gro_add(struct refhw_queue *q, struct refhw_slot *slot,
			  const struct refhw_seg *s)
{
	const struct refhw_frame *f = s->f;

	if (s->hdr != slot->hdr || memcmp(s->key, slot->key, s->hdr) ||
	    f->stripped != slot->f.stripped ||
	    (f->stripped && f->tci != slot->f.tci) ||
	    ntohl(s->th->seq) != slot->seq || s->payload > slot->f.mss ||
	    !refhw_gro_room(q, slot, s->payload) || !refhw_gro_id(slot, s))
		return false;
	refhw_frame_copy(f, s->hdr, slot->data + slot->payload, s->payload);
	slot->sum = csum_block_add(slot->sum, refhw_seg_sum(s), slot->payload);
	slot->payload += s->payload;
	slot->seq += s->payload;
	slot->f.wire += f->wire;
	slot->f.segs++;
	slot->psh = s->th->psh;
	if (slot->psh || s->payload < slot->f.mss ||
	    slot->f.segs == REFHW_GRO_SEGS)
		refhw_gro_close(q, slot);
	return true;
}

static noinline bool refhw_gro_try(struct refhw_queue *q,
				   const struct refhw_frame *f, u32 info,
				   u32 hash)
{
	struct refhw_seg s __uninitialized;
	struct refhw_slot *slot, *next;
	bool good;

	good = f->l4 && info & REFNIC_CF_CSUM_OK && refhw_seg_read(&s, f);
	list_for_each_entry_safe(slot, next, &q->gro.held, list) {
		if (!refhw_gro_same_flow(slot, f))
			continue;
		if (good && refhw_gro_add(q, slot, &s))
			return true;
		refhw_gro_close(q, slot);
	}
	return good && refhw_gro_hold(q, &s, info, hash);
}

/**
 * refhw_gro_take() - coalesce a frame, or let it pass
 * @q: receive queue; locked
 * @f: frame, parsed, as it would be delivered
 * @info: flags of its completion
 * @hash: of the completion, too
 *
 * Return: it has been taken; false: it is to be delivered. Nothing that it
 * continues or belongs to is held then.
 */
bool refhw_gro_take(struct refhw_queue *q, const struct refhw_frame *f,
		    u32 info, u32 hash)
{
	u32 off = READ_ONCE(q->hw->offloads);

	return (q->hw->feat & REFNIC_F_GRO) && (off & REFNIC_OFF_GRO) &&
	       (off & REFNIC_OFF_RX_CSUM) && f->l3 &&
	       (!f->l4 || f->proto == IPPROTO_TCP) &&
	       refhw_gro_try(q, f, info, hash);
}

/**
 * refhw_gro_flush() - deliver all that is held, if there are buffers
 * @q: receive queue; locked
 */
void refhw_gro_flush(struct refhw_queue *q)
{
	struct refhw_slot *slot, *next;

	q->nowait = true;
	list_for_each_entry_safe(slot, next, &q->gro.held, list)
		refhw_gro_close(q, slot);
	q->nowait = false;
}

static void refhw_gro_work(struct work_struct *work)
{
	struct refhw_queue *q = container_of(work, struct refhw_queue,
					     gro.work);
	struct refhw_gro *gro = &q->gro;
	struct refhw_slot *slot, *next;

	mutex_lock(&q->lock);
	list_for_each_entry_safe(slot, next, &gro->held, list) {
		if (!READ_ONCE(q->alive))
			break;
		if (slot->due > ktime_get_ns()) {
			refhw_gro_arm(gro, slot);
			break;
		}
		refhw_gro_close(q, slot);
	}
	mutex_unlock(&q->lock);
}

static enum hrtimer_restart refhw_gro_timer(struct hrtimer *timer)
{
	struct refhw_gro *gro = container_of(timer, struct refhw_gro, timer);

	queue_work(refhw_gro_wq, &gro->work);
	return HRTIMER_NORESTART;
}

void refhw_gro_init(struct refhw_queue *q)
{
	INIT_LIST_HEAD(&q->gro.held);
	INIT_LIST_HEAD(&q->gro.free);
	INIT_WORK(&q->gro.work, refhw_gro_work);
	ceth_hrtimer_setup(&q->gro.timer, refhw_gro_timer, CLOCK_MONOTONIC,
			   HRTIMER_MODE_ABS);
}

/* The queue is not alive, and nobody holds its lock any more: nothing arms the
 * timer.
 */
void refhw_gro_exit(struct refhw_queue *q)
{
	struct refhw_slot *slot, *next;

	hrtimer_cancel(&q->gro.timer);
	cancel_work_sync(&q->gro.work);
	list_splice_init(&q->gro.held, &q->gro.free);
	list_for_each_entry_safe(slot, next, &q->gro.free, list)
		kvfree(slot);
}

int refhw_gro_start(void)
{
	refhw_gro_wq = alloc_workqueue("refhw", WQ_UNBOUND, 0);
	return refhw_gro_wq ? 0 : -ENOMEM;
}

void refhw_gro_end(void)
{
	destroy_workqueue(refhw_gro_wq);
}
