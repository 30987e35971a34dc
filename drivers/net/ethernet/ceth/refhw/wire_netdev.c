// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: wires that end in a network device of the machine, such as a
 * tap or one end of a veth.
 *
 * Frames that leave the port are sent by that device. What the device receives
 * goes into the port, and nowhere else: it is taken off by an rx_handler, not
 * by a packet handler, which would leave a copy to the machine's own stack,
 * and have two stacks answer. So the device can have no other master, such as a
 * bridge.
 *
 * Locks: refhw_lock, then rtnl. The notifier runs under rtnl and must not take
 * the former: what it changes (@dev, the list) is rtnl's.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/dst.h>
#include <net/gso.h>
#include <net/net_namespace.h>

#include <net/ceth/compat.h>

#include "refhw.h"

/* Frames that wait for the port, at most; before they are segmented */
#define REFHW_NETWIRE_QUEUE	1024

/**
 * struct refhw_netwire - the far end of a port's wire
 * @list: of all
 * @port: the port
 * @dev: network device; NULL: it is gone. Written under rtnl.
 * @tracker: of the reference to @dev
 * @in: frames for the port
 * @task: takes them there; it may have to wait for buffers
 * @frame: being delivered
 * @batch: what is delivered together
 */
struct refhw_netwire {
	struct list_head list;
	struct refhw_port *port;
	struct net_device __rcu *dev;
	netdevice_tracker tracker;
	struct sk_buff_head in;
	struct task_struct *task;
	struct refhw_frame frame;
	struct refhw_batch batch;
};

static LIST_HEAD(refhw_netwires);

/* A frame of the machine as a cable carries it: one after the other, whole. */
static void refhw_netwire_deliver(struct refhw_netwire *nw, struct sk_buff *skb)
{
	struct refhw_port *port = nw->port;
	struct refhw *hw;

	if (skb_linearize(skb)) {
		atomic64_inc(&port->wire.lost);
		return;
	}
	refhw_frame_flat(&nw->frame, skb->data, skb->len);
	nw->frame.at = ktime_get_raw_ns();
	refhw_batch_begin(&nw->batch);
	hw = srcu_dereference(port->hw, &refhw_srcu);
	if (hw && READ_ONCE(port->plugged))
		refhw_switch_in(port, &nw->frame, &nw->batch);
	else
		atomic64_inc(&port->wire.lost);
	refhw_batch_next(&nw->batch);
}

/* Offloads that the sender has counted on are done here, and the tag goes back
 * into the frame. Return: a list of frames, or NULL.
 */
static struct sk_buff *refhw_netwire_plain(struct sk_buff *skb)
{
	struct sk_buff *segs;

	__skb_push(skb, skb->data - skb_mac_header(skb));
	if (skb_vlan_tag_present(skb)) {
		skb = __vlan_hwaccel_push_inside(skb);
		if (!skb)
			return NULL;
		skb_reset_mac_len(skb);
	}
	if (skb_is_gso(skb)) {
		segs = __skb_gso_segment(skb, 0, false);
		if (IS_ERR(segs))
			goto err;
		if (segs) {
			consume_skb(skb);
			return segs;
		}
	}
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_csum_hwoffload_help(skb, 0))
		goto err;
	return skb;
err:
	kfree_skb(skb);
	return NULL;
}

static int refhw_netwire_thread(void *data)
{
	struct refhw_netwire *nw = data;
	struct sk_buff *skb, *next;

	while (!kthread_should_stop()) {
		skb = skb_dequeue(&nw->in);
		if (!skb) {
			refhw_batch_end(&nw->batch);
			set_current_state(TASK_IDLE);
			if (skb_queue_empty_lockless(&nw->in) &&
			    !kthread_should_stop())
				schedule();
			__set_current_state(TASK_RUNNING);
			continue;
		}
		skb = refhw_netwire_plain(skb);
		if (!skb)
			atomic64_inc(&nw->port->wire.lost);
		for (; skb; skb = next) {
			next = skb->next;
			skb_mark_not_on_list(skb);
			refhw_netwire_deliver(nw, skb);
			consume_skb(skb);
		}
		cond_resched();
	}
	refhw_batch_end(&nw->batch);
	return 0;
}

static rx_handler_result_t refhw_netwire_in(struct sk_buff **pskb)
{
	struct refhw_netwire *nw;
	struct sk_buff *skb = *pskb;

	nw = rcu_dereference(skb->dev->rx_handler_data);
	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb || skb_queue_len_lockless(&nw->in) >= REFHW_NETWIRE_QUEUE) {
		atomic64_inc(&nw->port->wire.lost);
		kfree_skb(skb);
		return RX_HANDLER_CONSUMED;
	}
	/* It may outlive the device. */
	skb->dev = NULL;
	skb_orphan(skb);
	skb_dst_drop(skb);
	skb_queue_tail(&nw->in, skb);
	wake_up_process(nw->task);
	return RX_HANDLER_CONSUMED;
}

/* Under refhw_srcu. Return: the frame is on its way. */
bool refhw_netwire_out(struct refhw_netwire *nw, struct refhw_frame *f)
{
	struct net_device *dev;
	struct sk_buff *skb;
	int err = -ENODEV;

	rcu_read_lock();
	dev = rcu_dereference(nw->dev);
	dev_hold(dev);
	rcu_read_unlock();
	if (!dev)
		return false;
	/* As long as the far end takes, with a tag */
	if (f->len > READ_ONCE(dev->mtu) + ETH_HLEN + VLAN_HLEN)
		goto out;
	skb = alloc_skb(LL_RESERVED_SPACE(dev) + f->len +
			dev->needed_tailroom, GFP_KERNEL);
	if (!skb)
		goto out;
	skb_reserve(skb, LL_RESERVED_SPACE(dev));
	refhw_frame_copy(f, 0, skb_put(skb, f->len), f->len);
	skb->dev = dev;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = eth_hdr(skb)->h_proto;
	err = dev_queue_xmit(skb);
out:
	dev_put(dev);
	return !err;
}

/* Both ends are up, and the cable is in; under refhw_srcu. */
bool refhw_netwire_up(struct refhw_netwire *nw)
{
	const struct net_device *dev;
	bool up;

	rcu_read_lock();
	dev = rcu_dereference(nw->dev);
	up = dev && netif_running(dev) && netif_carrier_ok(dev);
	rcu_read_unlock();
	return up;
}

/* Let go of the device; under rtnl. */
static void refhw_netwire_release(struct refhw_netwire *nw)
{
	struct net_device *dev = rtnl_dereference(nw->dev);

	if (!dev)
		return;
	list_del(&nw->list);
	RCU_INIT_POINTER(nw->dev, NULL);
	/* Waits for handlers that run. */
	netdev_rx_handler_unregister(dev);
	dev_set_promiscuity(dev, -1);
	netdev_put(dev, &nw->tracker);
}

/* What the port can not be wired to, and why */
static const char *refhw_netwire_refuse(const struct net_device *dev)
{
	if (dev->type != ARPHRD_ETHER || (dev->flags & IFF_LOOPBACK))
		return "is no Ethernet device";
	if (dev->dev.parent && refhw_bus_has(dev->dev.parent))
		return "is a reference NIC: wire the ports to each other";
	if (netdev_is_rx_handler_busy((struct net_device *)dev))
		return "belongs to a bridge, a bond, or the like";
	return NULL;
}

static int refhw_netwire_take(struct refhw_netwire *nw, const char *name)
{
	struct net *net = current->nsproxy->net_ns;
	struct net_device *dev;
	const char *why;
	int err;

	dev = __dev_get_by_name(net, name);
	if (!dev) {
		pr_err("%s: there is no network device %s in this namespace\n",
		       nw->port->name, name);
		return -ENODEV;
	}
	why = refhw_netwire_refuse(dev);
	if (why) {
		pr_err("%s: %s %s\n", nw->port->name, name, why);
		return netdev_is_rx_handler_busy(dev) ? -EBUSY : -EINVAL;
	}
	err = dev_set_promiscuity(dev, 1);
	if (err)
		return err;
	dev_disable_lro(dev);
	err = netdev_rx_handler_register(dev, refhw_netwire_in, nw);
	if (err) {
		dev_set_promiscuity(dev, -1);
		pr_err("%s: %s can not be taken over\n", nw->port->name, name);
		return err;
	}
	netdev_hold(dev, &nw->tracker, GFP_KERNEL);
	rcu_assign_pointer(nw->dev, dev);
	list_add(&nw->list, &refhw_netwires);
	return 0;
}

/**
 * refhw_netwire_cut() - no network device any more
 * @port: port; under refhw_lock
 */
void refhw_netwire_cut(struct refhw_port *port)
{
	struct refhw_netwire *nw;

	nw = rcu_dereference_protected(port->netwire,
				       lockdep_is_held(&refhw_lock));
	if (!nw)
		return;
	rtnl_lock();
	refhw_netwire_release(nw);
	rtnl_unlock();
	rcu_assign_pointer(port->netwire, NULL);
	synchronize_srcu(&refhw_srcu);
	kthread_stop(nw->task);
	put_task_struct(nw->task);
	skb_queue_purge(&nw->in);
	kfree(nw);
}

/* What the port is wired to, or NULL; under refhw_lock and rtnl. */
static const struct net_device *refhw_netwire_dev(struct refhw_port *port)
{
	const struct refhw_netwire *nw;

	nw = rcu_dereference_protected(port->netwire,
				       lockdep_is_held(&refhw_lock));
	return nw ? rtnl_dereference(nw->dev) : NULL;
}

/* Is the port wired to that device? Under refhw_lock. */
static bool refhw_netwire_is(struct refhw_port *port, const char *name)
{
	const struct net_device *dev;
	bool same;

	rtnl_lock();
	dev = refhw_netwire_dev(port);
	same = dev && dev == __dev_get_by_name(current->nsproxy->net_ns, name);
	rtnl_unlock();
	return same;
}

/**
 * refhw_netwire_join() - wire a port to a network device
 * @port: port; under refhw_lock
 * @name: of the device, in the namespace of the caller
 *
 * Return: 0 or a negative errno, with the reason in the log: the port is wired
 * as it was.
 */
int refhw_netwire_join(struct refhw_port *port, const char *name)
{
	struct refhw_netwire *nw;
	int err;

	if (refhw_netwire_is(port, name))
		return 0;
	nw = kzalloc_obj(*nw);
	if (!nw)
		return -ENOMEM;
	nw->port = port;
	skb_queue_head_init(&nw->in);
	nw->task = kthread_create(refhw_netwire_thread, nw, "%s-net",
				  port->name);
	if (IS_ERR(nw->task)) {
		err = PTR_ERR(nw->task);
		goto err_free;
	}
	/* A late frame may still wake it. */
	get_task_struct(nw->task);
	rtnl_lock();
	err = refhw_netwire_take(nw, name);
	rtnl_unlock();
	if (err)
		goto err_task;
	wake_up_process(nw->task);
	refhw_netwire_cut(port);
	rcu_assign_pointer(port->netwire, nw);
	return 0;

err_task:
	kthread_stop(nw->task);
	put_task_struct(nw->task);
err_free:
	kfree(nw);
	return err;
}

/* Under refhw_lock. Return: bytes. */
ssize_t refhw_netwire_name(struct refhw_port *port, char *page)
{
	const struct net_device *dev;
	ssize_t len;

	rtnl_lock();
	dev = refhw_netwire_dev(port);
	len = sysfs_emit(page, "%s\n", dev ? dev->name : "");
	rtnl_unlock();
	return len;
}

/* A device that is deleted, or moves to another namespace, is cut off. */
static int refhw_netwire_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct refhw_netwire *nw, *next;
	int idx;

	switch (event) {
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
	case NETDEV_UNREGISTER:
		break;
	default:
		return NOTIFY_DONE;
	}
	list_for_each_entry_safe(nw, next, &refhw_netwires, list) {
		if (rtnl_dereference(nw->dev) != dev)
			continue;
		if (event == NETDEV_UNREGISTER) {
			pr_info("%s: its wire's other end, %s, is gone\n",
				nw->port->name, dev->name);
			refhw_netwire_release(nw);
		}
		idx = srcu_read_lock(&refhw_srcu);
		refhw_link_tell(nw->port);
		srcu_read_unlock(&refhw_srcu, idx);
	}
	return NOTIFY_DONE;
}

static struct notifier_block refhw_netwire_nb = {
	.notifier_call = refhw_netwire_event,
};

int refhw_netwire_init(void)
{
	return register_netdevice_notifier(&refhw_netwire_nb);
}

void refhw_netwire_exit(void)
{
	unregister_netdevice_notifier(&refhw_netwire_nb);
}
