// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: wires between ports.
 *
 * A wire without properties takes a frame from the sender's buffers straight
 * into the receiver's. With latency, a rate or reordering it keeps a copy, and
 * a thread delivers it when it is due.
 */
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/ip.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "refhw.h"

/* What is on the way at most, of each device of the port, before it has to wait */
#define REFHW_WIRE_BYTES	SZ_512K

struct refhw_parcel {
	struct list_head list;
	u64 due;
	u32 len;
	u32 fn;
	u8 data[];
};

/* Ports, wires, power: see refhw.h */
DEFINE_MUTEX(refhw_lock);
DEFINE_SRCU(refhw_srcu);

/* Under refhw_srcu */
static bool refhw_wire_up(const struct refhw_port *port)
{
	struct refhw_netwire *nw;
	struct refhw_port *peer;

	if (!READ_ONCE(port->plugged))
		return false;
	if (READ_ONCE(port->generator))
		return true;
	peer = srcu_dereference(port->peer, &refhw_srcu);
	if (peer)
		return READ_ONCE(peer->plugged) && rcu_access_pointer(peer->hw);
	nw = srcu_dereference(port->netwire, &refhw_srcu);
	return nw && refhw_netwire_up(nw);
}

/* Both ends have power, and the cable is in. */
bool refhw_link_up(const struct refhw_port *port)
{
	bool up;
	int idx;

	idx = srcu_read_lock(&refhw_srcu);
	up = refhw_wire_up(port);
	srcu_read_unlock(&refhw_srcu, idx);
	return up;
}

/* Tell one end of a wire; under refhw_lock or refhw_srcu. */
void refhw_link_tell(struct refhw_port *port)
{
	struct refhw *hw;

	hw = srcu_dereference_check(port->hw, &refhw_srcu,
				    lockdep_is_held(&refhw_lock));
	if (hw)
		refhw_event(hw, REFNIC_EV_LINK);
	refhw_func_event(port, REFNIC_EV_LINK);
}

/* Tell both ends of a wire; under refhw_lock. */
void refhw_link_changed(struct refhw_port *port)
{
	struct refhw_port *peer;

	peer = rcu_dereference_protected(port->peer,
					 lockdep_is_held(&refhw_lock));
	refhw_link_tell(port);
	if (peer)
		refhw_link_tell(peer);
}

/* Under refhw_lock; both are free. */
void refhw_wire_join(struct refhw_port *a, struct refhw_port *b)
{
	rcu_assign_pointer(a->peer, b);
	rcu_assign_pointer(b->peer, a);
	refhw_link_changed(a);
}

/* Under refhw_lock. On return no frame of the port is on its way to the peer,
 * and none of the peer's to it.
 */
void refhw_wire_cut(struct refhw_port *port)
{
	struct refhw_port *peer;

	peer = rcu_dereference_protected(port->peer,
					 lockdep_is_held(&refhw_lock));
	if (!peer)
		return;
	rcu_assign_pointer(port->peer, NULL);
	rcu_assign_pointer(peer->peer, NULL);
	synchronize_srcu(&refhw_srcu);
	refhw_link_tell(port);
	refhw_link_tell(peer);
}

/* Out of the wire, into the device at its end */
static void refhw_wire_out(struct refhw_port *port, struct refhw_frame *f,
			   struct refhw_batch *b)
{
	struct refhw_port *peer = srcu_dereference(port->peer, &refhw_srcu);
	struct refhw_netwire *nw = srcu_dereference(port->netwire, &refhw_srcu);

	if (peer && srcu_dereference(peer->hw, &refhw_srcu))
		refhw_switch_in(peer, f, b);
	else if (!nw || !refhw_netwire_out(nw, f))
		atomic64_inc(&port->wire.lost);
}

static bool refhw_dice(u32 per_million)
{
	return per_million && get_random_u32_below(1000000) < per_million;
}

/* A copy that is due when the wire's latency and the frames before allow. */
static void refhw_wire_delay(struct refhw *hw, struct refhw_frame *f,
			     struct refhw_batch *b)
{
	struct refhw_wire *w = &hw->port->wire;
	u32 *bytes = &w->bytes[hw->fn];
	u32 rate = READ_ONCE(w->rate);
	struct refhw_parcel *p, *last;

	if (READ_ONCE(*bytes) >= REFHW_WIRE_BYTES) {
		refhw_batch_end(b);
		wait_event_idle(w->room,
				READ_ONCE(*bytes) < REFHW_WIRE_BYTES ||
				kthread_should_stop());
	}
	p = kthread_should_stop() ? NULL :
	    kvmalloc(struct_size(p, data, f->len), GFP_KERNEL);
	if (!p) {
		atomic64_inc(&w->lost);
		return;
	}
	p->len = f->len;
	p->fn = hw->fn;
	refhw_frame_copy(f, 0, p->data, f->len);

	spin_lock(&w->lock);
	f->at = max(f->at, w->free);
	w->free = f->at;
	if (rate)
		w->free += div_u64((u64)f->len * 8 * 1000, rate);
	p->due = w->free + READ_ONCE(w->latency);
	*bytes += p->len;
	last = list_empty(&w->frames) ? NULL :
	       list_last_entry(&w->frames, struct refhw_parcel, list);
	if (last && refhw_dice(READ_ONCE(w->reorder))) {
		/* It overtakes the one before. */
		swap(p->due, last->due);
		list_add_tail(&p->list, &last->list);
	} else {
		list_add_tail(&p->list, &w->frames);
	}
	spin_unlock(&w->lock);
	wake_up_process(w->task);
}

/**
 * refhw_wire_send() - a frame leaves a device
 * @hw: the device
 * @f: frame; its time is when the sender would have it go, and on return when
 *	the wire was free for it
 * @b: batch under way; it may end
 *
 * Context: a thread of ours; waits where the wire or the receiver says so.
 */
void refhw_wire_send(struct refhw *hw, struct refhw_frame *f,
		     struct refhw_batch *b)
{
	struct refhw_port *port = hw->port;
	struct refhw_wire *w = &port->wire;

	if (!refhw_wire_up(port)) {
		refhw_count(hw, REFHW_TX_NO_LINK, 1);
		return;
	}
	if (refhw_dice(READ_ONCE(w->loss))) {
		atomic64_inc(&w->lost);
		return;
	}
	if (READ_ONCE(port->generator)) {
		atomic64_inc(&port->gen.sunk);
		return;
	}
	/* Once there is a thread it takes all, so that none overtakes. */
	if (READ_ONCE(w->task)) {
		refhw_wire_delay(hw, f, b);
		return;
	}
	spin_lock(&w->lock);
	f->at = max(f->at, w->free);
	w->free = f->at;
	spin_unlock(&w->lock);
	refhw_wire_out(port, f, b);
}

static struct refhw_parcel *refhw_wire_next(struct refhw_wire *w)
{
	struct refhw_parcel *p;

	spin_lock(&w->lock);
	p = list_first_entry_or_null(&w->frames, struct refhw_parcel, list);
	if (p && p->due <= ktime_get_raw_ns()) {
		list_del(&p->list);
		w->bytes[p->fn] -= p->len;
		/* A latency that became shorter changes no order. */
		w->out = max(w->out, p->due);
		p->due = w->out;
	} else {
		p = NULL;
	}
	spin_unlock(&w->lock);
	return p;
}

/* Until the next one is due, or there is another next one */
static void refhw_wire_sleep(struct refhw_wire *w)
{
	struct refhw_parcel *p;
	ktime_t wait;
	s64 left = 0;

	set_current_state(TASK_IDLE);
	spin_lock(&w->lock);
	p = list_first_entry_or_null(&w->frames, struct refhw_parcel, list);
	if (p)
		left = p->due - ktime_get_raw_ns();
	spin_unlock(&w->lock);
	wait = ns_to_ktime(left);
	if (kthread_should_stop())
		;
	else if (!p)
		schedule();
	else if (left > 0)
		schedule_hrtimeout(&wait, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
}

static int refhw_wire_thread(void *data)
{
	struct refhw_port *port = data;
	struct refhw_wire *w = &port->wire;
	struct refhw_batch *b = &w->batch;
	struct refhw_frame *f = &w->frame;
	struct refhw_parcel *p;

	while (!kthread_should_stop()) {
		p = refhw_wire_next(w);
		if (!p) {
			refhw_batch_end(b);
			refhw_wire_sleep(w);
			continue;
		}
		if (wq_has_sleeper(&w->room))
			wake_up_all(&w->room);
		refhw_frame_flat(f, p->data, p->len);
		f->at = p->due;
		refhw_batch_begin(b);
		refhw_wire_out(port, f, b);
		refhw_batch_next(b);
		kvfree(p);
		cond_resched();
	}
	refhw_batch_end(b);
	return 0;
}

/* From now on frames may be late; under refhw_lock. */
int refhw_wire_start(struct refhw_port *port)
{
	struct task_struct *task;

	if (port->wire.task)
		return 0;
	task = kthread_run(refhw_wire_thread, port, "%s-wire", port->name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	WRITE_ONCE(port->wire.task, task);
	return 0;
}

void refhw_wire_init(struct refhw_port *port)
{
	spin_lock_init(&port->wire.lock);
	INIT_LIST_HEAD(&port->wire.frames);
	init_waitqueue_head(&port->wire.room);
}

/* The port has no device any more. */
void refhw_wire_exit(struct refhw_port *port)
{
	struct refhw_parcel *p, *next;

	if (port->wire.task)
		kthread_stop(port->wire.task);
	list_for_each_entry_safe(p, next, &port->wire.frames, list)
		kvfree(p);
}

/* The built-in generator: UDP from 198.18.0.1 to 198.18.0.2 (RFC 2544), to
 * whatever address the device has.
 */
static void refhw_gen_frame(struct refhw_port *port, struct refhw *hw,
			    struct refhw_frame *f, u64 n)
{
	u32 len = clamp(READ_ONCE(port->gen.size), 60U, REFNIC_HDR_MAX + 9000U);
	struct ethhdr *eth = (void *)f->hdr;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *uh = (void *)(ip + 1);

	memset(f->hdr, 0, sizeof(f->hdr));
	ether_addr_copy(eth->h_dest, hw->mac);
	ether_addr_copy(eth->h_source, port->mac);
	eth->h_source[0] ^= 4;
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	ip->tot_len = htons(len - ETH_HLEN);
	ip->saddr = htonl(0xc6120001);
	ip->daddr = htonl(0xc6120002);
	ip->check = ip_fast_csum(ip, ip->ihl);
	uh->source = htons(1024 + n % max(READ_ONCE(port->gen.flows), 1U));
	uh->dest = htons(9);
	uh->len = htons(len - ETH_HLEN - sizeof(*ip));

	f->at = ktime_get_raw_ns();
	f->len = len;
	f->hdr_len = min_t(u32, len, REFNIC_HDR_MAX);
	f->n = 0;
	while (f->hdr_len + f->n * PAGE_SIZE < len) {
		f->iov[f->n].p = page_address(ZERO_PAGE(0));
		f->iov[f->n].len = min_t(u32, PAGE_SIZE, len - f->hdr_len -
					 f->n * PAGE_SIZE);
		f->n++;
	}
	f->csum_done = false;
}

static int refhw_gen_thread(void *data)
{
	struct refhw_port *port = data;
	struct refhw_batch *b = &port->gen.batch;
	struct refhw_frame *f = &port->gen.frame;
	u64 n = 0, left;
	struct refhw *hw;

	while (!kthread_should_stop()) {
		set_current_state(TASK_IDLE);
		if (!READ_ONCE(port->gen.frames) && !kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
		while ((left = READ_ONCE(port->gen.frames)) &&
		       !kthread_should_stop()) {
			refhw_batch_begin(b);
			hw = srcu_dereference(port->hw, &refhw_srcu);
			if (hw && refhw_wire_up(port)) {
				refhw_gen_frame(port, hw, f, n++);
				refhw_switch_in(port, f, b);
			}
			refhw_batch_next(b);
			/* Unless somebody has set another number */
			cmpxchg64(&port->gen.frames, left, left - 1);
			cond_resched();
		}
		refhw_batch_end(b);
	}
	return 0;
}

/* Under refhw_lock */
int refhw_gen_start(struct refhw_port *port, u64 frames)
{
	struct task_struct *task;

	if (!port->gen.task) {
		task = kthread_create(refhw_gen_thread, port, "%s-gen",
				      port->name);
		if (IS_ERR(task))
			return PTR_ERR(task);
		port->gen.task = task;
	}
	WRITE_ONCE(port->gen.frames, frames);
	wake_up_process(port->gen.task);
	return 0;
}

/* Under refhw_lock */
void refhw_gen_stop(struct refhw_port *port)
{
	if (port->gen.task)
		kthread_stop(port->gen.task);
	port->gen.task = NULL;
	port->gen.frames = 0;
}
