// SPDX-License-Identifier: GPL-2.0
/* CETH core: making and unmaking a device, and what happens to it: link
 * changes, faults, sleep, sudden absence.
 */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "core.h"

/* How often, and how many times, a queue is polled that the device calls empty */
#define CETH_STARVE_MS		50
#define CETH_STARVE_LOOKS	20
/* Longest pause between two restarts that fail, seconds */
#define CETH_RETRY_MAX_S	64U

static void ceth_link_work(struct work_struct *work)
{
	struct ceth_dev *cdev = container_of(work, struct ceth_dev, link_work);
	struct net_device *dev = cdev->netdev;
	struct ceth_link link = {};

	ceth_lock(cdev);
	if (cdev->gone || !cdev->running)
		goto out;
	if (ceth_has(cdev, CETH_CAP_LINK))
		cdev->ops->get_link(cdev->priv, &link);
	else
		link.up = true;
	if (link.up != netif_carrier_ok(dev)) {
		if (link.up)
			netif_carrier_on(dev);
		else
			netif_carrier_off(dev);
		netdev_info(dev, "link %s\n", link.up ? "up" : "down");
	}
	if (cdev->announce) {
		cdev->announce = false;
		call_netdevice_notifiers(NETDEV_NOTIFY_PEERS, dev);
		if (cdev->ops->announce_done)
			cdev->ops->announce_done(cdev->priv);
	}
out:
	ceth_unlock(cdev);
}

static void ceth_fault_work(struct work_struct *work)
{
	struct ceth_dev *cdev = container_of(work, struct ceth_dev, fault_work);
	unsigned long todo = READ_ONCE(cdev->fault_pending);
	u64 before = READ_ONCE(cdev->recoveries);
	int i;

	for_each_set_bit(i, &todo, CETH_FAULT_NUM)
		if (!cdev->gone)
			ceth_health_report(cdev, i);
	/* What a device says between the fault and its restart is the same
	 * fault; what it says afterwards is not, so that the restart itself
	 * has cleared them all.
	 */
	for_each_set_bit(i, &todo, CETH_FAULT_NUM)
		if (i == CETH_FAULT_IRQ_LOST ||
		    READ_ONCE(cdev->recoveries) == before)
			clear_bit(i, &cdev->fault_pending);
}

/**
 * ceth_retry() - see to it that a restart that failed is tried again
 * @cdev: the device; under the configuration lock
 * @err: of the restart
 *
 * What was in its way may pass. Less and less often.
 */
void ceth_retry(struct ceth_dev *cdev, int err)
{
	u32 wait;

	if (!err || err == -ENODEV) {
		cdev->retries = 0;
		return;
	}
	wait = min(1U << min(cdev->retries, 31U), CETH_RETRY_MAX_S);
	cdev->retries++;
	queue_delayed_work(cdev->wq, &cdev->retry_work, wait * HZ);
}

static void ceth_retry_work(struct work_struct *work)
{
	struct ceth_dev *cdev = container_of(to_delayed_work(work),
					     struct ceth_dev, retry_work);

	ceth_lock(cdev);
	/* Or somebody else has taken it up or down meanwhile. */
	if (!cdev->gone && !cdev->running)
		ceth_retry(cdev, ceth_recover(cdev));
	else if (!cdev->gone && cdev->unsettled)
		ceth_settle(cdev);
	ceth_unlock(cdev);
}

/* Return: the device has all buffers, and for a second no poll has found any of
 * them used. Less proves nothing on a machine that is busy: nobody may have
 * sent. The first poll gives it what it lacks.
 */
static bool ceth_starved(struct ceth_dev *cdev, struct ceth_pair *pair)
{
	u64 packets = READ_ONCE(pair->rx_stats.packets);
	u64 polls = READ_ONCE(pair->rx_stats.polls);
	bool stuck = true;
	int i;

	for (i = 0; stuck && i < CETH_STARVE_LOOKS; i++) {
		ceth_lock(cdev);
		stuck = pair->running && !cdev->gone &&
			(!i || !READ_ONCE(pair->rxq->n_free)) &&
			READ_ONCE(pair->rx_stats.packets) == packets;
		if (stuck)
			ceth_pair_poll(pair);
		ceth_unlock(cdev);
		if (stuck)
			msleep(CETH_STARVE_MS);
	}
	return stuck && READ_ONCE(pair->rx_stats.packets) == packets &&
	       READ_ONCE(pair->rx_stats.polls) - polls >= CETH_STARVE_LOOKS / 2;
}

/* The device has run out of buffers. Where nobody polled, an interrupt was lost:
 * a poll makes up for it. Where a poll finds nothing, and all buffers are with
 * the device, completions were lost.
 */
static void ceth_starve_work(struct work_struct *work)
{
	struct ceth_dev *cdev = container_of(work, struct ceth_dev,
					     starve_work);
	u16 i;

	for (i = 0; i < cdev->caps.max_pairs && !cdev->gone; i++) {
		struct ceth_pair *pair = &cdev->pairs[i];

		if (!READ_ONCE(pair->starved))
			continue;
		WRITE_ONCE(pair->starved, false);
		if (ceth_starved(cdev, pair))
			ceth_fault(cdev, CETH_FAULT_RX_STALL, i);
	}
}

/**
 * ceth_make() - network device and all that belongs to it
 * @dev: DMA device
 * @caps: what the hardware can do
 * @backend: what the backend has given
 * @net: namespace
 *
 * Return: the device, without work queue and devlink; or an ERR_PTR.
 */
struct ceth_dev *ceth_make(struct device *dev, const struct ceth_caps *caps,
			   const struct ceth_backend *backend,
			   struct net *net)
{
	struct net_device *netdev;
	struct ceth_dev *cdev;
	int err;
	u16 i;

	netdev = alloc_etherdev_mqs(sizeof(*cdev), caps->max_pairs,
				    caps->max_pairs);
	if (!netdev)
		return ERR_PTR(-ENOMEM);
	SET_NETDEV_DEV(netdev, dev);
	dev_net_set(netdev, net);
	ceth_request_lock(netdev);
	cdev = netdev_priv(netdev);
	cdev->netdev = netdev;
	cdev->dev = dev;
	cdev->backend = *backend;
	cdev->ops = backend->ops;
	cdev->priv = backend->priv;
	cdev->dp = backend->dp;
	cdev->caps = *caps;
	ceth_caps_resolve(&cdev->caps);
	INIT_WORK(&cdev->fault_work, ceth_fault_work);
	INIT_WORK(&cdev->link_work, ceth_link_work);
	INIT_DELAYED_WORK(&cdev->retry_work, ceth_retry_work);
	INIT_WORK(&cdev->starve_work, ceth_starve_work);
	INIT_WORK(&cdev->mode_work, ceth_mode_work);
	ceth_watch_init(cdev);

	err = -ENOMEM;
	cdev->pairs = kvcalloc(caps->max_pairs, sizeof(*cdev->pairs),
			       GFP_KERNEL);
	if (!cdev->pairs)
		goto err_free;
	for (i = 0; i < caps->max_pairs; i++)
		ceth_pair_init(cdev, &cdev->pairs[i], i);

	cdev->cfg.n_pairs = min_t(u32, caps->max_pairs, num_online_cpus());
	cdev->cfg.rx_size = cdev->caps.rx_ring.def;
	cdev->cfg.tx_size = cdev->caps.tx_ring.def;
	netdev->min_mtu = cdev->caps.min_mtu;
	netdev->max_mtu = cdev->caps.max_mtu;
	netdev->mtu = cdev->caps.mtu;
	cdev->cfg.frame_sz = ceth_frame_sz(cdev, netdev->mtu, 0);
	if (is_valid_ether_addr(caps->mac))
		eth_hw_addr_set(netdev, caps->mac);
	else
		eth_hw_addr_random(netdev);

	err = ceth_verify_begin(cdev);
	if (!err)
		err = ceth_rules_alloc(cdev);
	if (!err)
		err = ceth_rss_alloc(cdev);
	if (!err)
		err = ceth_shaper_alloc(cdev);
	if (!err)
		err = ceth_dstats_alloc(cdev);
	if (err)
		goto err_free;
	ceth_netdev_ops_init(cdev);
	ceth_ethtool_init(cdev);
	ceth_rss_default(cdev, &cdev->rss);
	ceth_xdp_features(cdev);
	return cdev;

err_free:
	ceth_free(cdev);
	return ERR_PTR(err);
}

/**
 * ceth_free() - undo ceth_make()
 * @cdev: the device; its network device is not registered
 */
void ceth_free(struct ceth_dev *cdev)
{
	ceth_dstats_free(cdev);
	ceth_rss_free(cdev);
	kvfree(cdev->rules);
	kvfree(cdev->nodes);
	kvfree(cdev->pairs);
	ceth_verify_end(cdev);
	free_netdev(cdev->netdev);
}

/**
 * ceth_create() - make a device, not yet visible
 * @dev: DMA device; its driver is the backend, its driver data become the
 *	result
 * @caps: what the hardware can do; copied
 * @ops: slow path of the backend
 * @dp: fast path for this device
 * @priv: passed to @ops
 *
 * When the device is reloaded, another one takes the place of the result, and
 * becomes the driver data. The backend is not told: it takes the device from
 * there whenever it needs it, instead of keeping the pointer.
 *
 * Context: process, in the backend's probe.
 * Return: the device, or an ERR_PTR: -EINVAL when @caps contradict themselves, or
 * lack a function that they need; which, the log says.
 */
struct ceth_dev *ceth_create(struct device *dev, const struct ceth_caps *caps,
			     const struct ceth_ops *ops,
			     const struct ceth_datapath *dp, void *priv)
{
	const struct ceth_backend backend = {
		.ops	= ops,
		.dp	= dp,
		.priv	= priv,
	};
	struct ceth_dev *cdev;
	int err;

	if (!ceth_caps_ok(dev, caps, ops, dp))
		return ERR_PTR(-EINVAL);
	cdev = ceth_make(dev, caps, &backend, &init_net);
	if (IS_ERR(cdev))
		return cdev;
	err = -ENOMEM;
	cdev->wq = alloc_ordered_workqueue("ceth-%s", WQ_MEM_RECLAIM,
					   dev_name(dev));
	if (!cdev->wq)
		goto err_free;
	err = ceth_devlink_create(cdev, caps);
	if (err)
		goto err_wq;
	dev_set_drvdata(dev, cdev);
	return cdev;

err_wq:
	destroy_workqueue(cdev->wq);
err_free:
	ceth_free(cdev);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(ceth_create);

static void ceth_destroy(struct ceth_dev *cdev)
{
	/* Nothing queues work any more; a fault of the last moment may have. */
	destroy_workqueue(cdev->wq);
	ceth_devlink_destroy(cdev);
	ceth_free(cdev);
}

/* Before a device is up and after it was taken down there is nothing to see,
 * but a line that others share.
 */
static irqreturn_t ceth_event_irq(int irq, void *data)
{
	struct ceth_dev *cdev = data;

	cdev->ops->event(cdev->priv);
	return IRQ_HANDLED;
}

/**
 * ceth_dev_reset() - have the device stop everything
 * @cdev: the device; under the configuration lock
 *
 * Return: 0, or a negative errno: it is quiet, but will not start again.
 */
int ceth_dev_reset(struct ceth_dev *cdev)
{
	int err = cdev->ops->dev_reset(cdev->priv);

	if (err && err != -ENODEV)
		dev_err(cdev->dev, "reset does not complete: %pe\n",
			ERR_PTR(err));
	/* The handler that is running now is the last one. */
	synchronize_irq(cdev->caps.event_irq);
	return err;
}

/**
 * ceth_show() - register the network device
 * @cdev: the device
 *
 * Return: 0 or a negative errno.
 */
int ceth_show(struct ceth_dev *cdev)
{
	struct net_device *dev = cdev->netdev;
	int err;

	err = cdev->ops->dev_reset(cdev->priv);
	if (err)
		return err;
	/* Shared: a device short of vectors has one for this and pair 0. */
	err = request_irq(cdev->caps.event_irq, ceth_event_irq, IRQF_SHARED,
			  dev_name(cdev->dev), cdev);
	if (err)
		return err;
	err = ceth_show_queues(cdev, cdev->cfg.n_pairs);
	if (err)
		goto err_irq;
	netif_carrier_off(dev);
	err = register_netdev(dev);
	if (err)
		goto err_queues;
	cdev->shown = true;
	ceth_clock_register(cdev);
	return 0;

err_queues:
	ceth_show_queues(cdev, 0);
err_irq:
	free_irq(cdev->caps.event_irq, cdev);
	return err;
}

/**
 * ceth_hide() - undo ceth_show(); no callback comes any more on return
 * @cdev: the device
 *
 * The fault work may be waiting for a lock that the caller holds, so it is left
 * alone.
 */
void ceth_hide(struct ceth_dev *cdev)
{
	cdev->shown = false;
	ceth_clock_unregister(cdev);
	unregister_netdev(cdev->netdev);
	cancel_delayed_work_sync(&cdev->retry_work);
	cancel_work_sync(&cdev->link_work);
	cancel_work_sync(&cdev->starve_work);
	cancel_work_sync(&cdev->mode_work);
	cancel_delayed_work_sync(&cdev->dstats.work);
	ceth_watch_stop(cdev);
	free_irq(cdev->caps.event_irq, cdev);
}

/**
 * ceth_register() - show the device to the user
 * @cdev: the device
 *
 * Context: process, in the backend's probe. Callbacks may come from now on.
 *
 * Return: 0, or a negative errno: @cdev is freed.
 */
int ceth_register(struct ceth_dev *cdev)
{
	int err = ceth_show(cdev);

	if (err)
		ceth_destroy(cdev);
	else
		ceth_devlink_register(cdev);
	return err;
}
EXPORT_SYMBOL_GPL(ceth_register);

/**
 * ceth_unregister() - take the device down and away from the user, and free it
 * @cdev: the device
 *
 * Context: process, in the backend's remove. No callback comes any more when
 * it returns.
 */
void ceth_unregister(struct ceth_dev *cdev)
{
	ceth_devlink_unregister(cdev);
	if (cdev->shown)
		ceth_hide(cdev);
	cancel_work_sync(&cdev->fault_work);
	/* Queued by the last fault: there is nothing to restart any more. */
	cancel_delayed_work_sync(&cdev->retry_work);
	ceth_destroy(cdev);
}
EXPORT_SYMBOL_GPL(ceth_unregister);

/**
 * ceth_priv() - the backend's device
 * @cdev: the device
 *
 * Return: what ceth_create() was given as @priv.
 */
void *ceth_priv(const struct ceth_dev *cdev)
{
	return cdev->backend.priv;
}
EXPORT_SYMBOL_GPL(ceth_priv);

/* The device is quiet and forgets everything; the configuration is kept. */
static int ceth_suspend(struct device *d)
{
	struct ceth_dev *cdev = dev_get_drvdata(d);

	if (!cdev->shown)
		return 0;
	ceth_lock(cdev);
	netif_device_detach(cdev->netdev);
	ceth_stop(cdev);
	ceth_unlock(cdev);
	return 0;
}

static int ceth_resume(struct device *d)
{
	struct ceth_dev *cdev = dev_get_drvdata(d);
	struct net_device *dev = cdev->netdev;
	int err = 0;

	if (!cdev->shown)
		return 0;
	ceth_lock(cdev);
	if (netif_running(dev))
		err = ceth_start(cdev);
	/* On failure, too: devlink health can try again then. */
	netif_device_attach(dev);
	ceth_unlock(cdev);
	return err;
}

/* For the backend's driver structure: the machine sleeps and wakes up. */
EXPORT_GPL_SIMPLE_DEV_PM_OPS(ceth_pm_ops, ceth_suspend, ceth_resume);

/**
 * ceth_shutdown() - the machine stops, or another kernel takes over
 * @cdev: the device
 *
 * The device does no DMA any more when it returns, and comes back with no
 * user's help but a new boot.
 */
void ceth_shutdown(struct ceth_dev *cdev)
{
	ceth_suspend(cdev->dev);
}
EXPORT_SYMBOL_GPL(ceth_shutdown);

/**
 * ceth_link_changed() - the state of the wire may have changed
 * @cdev: the device
 *
 * Context: any, from the backend's interrupt too.
 */
void ceth_link_changed(struct ceth_dev *cdev)
{
	queue_work(cdev->wq, &cdev->link_work);
}
EXPORT_SYMBOL_GPL(ceth_link_changed);

/**
 * ceth_announce() - the device has moved: tell the neighbours its addresses
 * @cdev: the device
 *
 * Context: any. The announce_done callback follows.
 */
void ceth_announce(struct ceth_dev *cdev)
{
	WRITE_ONCE(cdev->announce, true);
	queue_work(cdev->wq, &cdev->link_work);
}
EXPORT_SYMBOL_GPL(ceth_announce);

/**
 * ceth_fault() - something is wrong with the device
 * @cdev: the device
 * @fault: what
 * @pair: which pair, 0 when it is none in particular
 *
 * Counted, reported by devlink health, and cured by a restart unless the user
 * has switched that off. While one is dealt with, more of its kind are only
 * counted.
 *
 * Context: any.
 */
void ceth_fault(struct ceth_dev *cdev, enum ceth_fault fault, u16 pair)
{
	if (cdev->verify && !ceth_verify_fault(cdev, fault, pair))
		return;
	atomic_long_inc(&cdev->health.count[fault]);
	if (READ_ONCE(cdev->gone) ||
	    test_and_set_bit(fault, &cdev->fault_pending))
		return;
	cdev->health.last = fault;
	cdev->health.pair = pair;
	queue_work(cdev->wq, &cdev->fault_work);
}
EXPORT_SYMBOL_GPL(ceth_fault);

/**
 * ceth_rx_starved() - the device has no buffers for the frames that come in
 * @cdev: the device
 * @pair: which pair
 *
 * As a device says when it has lost frames for that reason. The driver may be
 * slow, or short of memory; but where all buffers are with the device, it has
 * lost them, and is restarted.
 *
 * Context: any.
 */
void ceth_rx_starved(struct ceth_dev *cdev, u16 pair)
{
	if (cdev->verify &&
	    !ceth_verify_fault(cdev, CETH_FAULT_DEVICE, pair))
		return;
	if (pair >= cdev->caps.max_pairs)
		return;
	WRITE_ONCE(cdev->pairs[pair].starved, true);
	queue_work(cdev->wq, &cdev->starve_work);
}
EXPORT_SYMBOL_GPL(ceth_rx_starved);

/**
 * ceth_device_gone() - the device does not exist any more
 * @cdev: the device
 *
 * Nothing is asked of it from now on. The backend calls ceth_unregister() as
 * soon as it can.
 *
 * Context: any.
 */
void ceth_device_gone(struct ceth_dev *cdev)
{
	WRITE_ONCE(cdev->gone, true);
	netif_carrier_off(cdev->netdev);
}
EXPORT_SYMBOL_GPL(ceth_device_gone);

MODULE_DESCRIPTION("Common Ethernet driver framework: core");
MODULE_LICENSE("GPL");
