// SPDX-License-Identifier: GPL-2.0
/* CETH core: changes of queues, as sequences of the steps of queue.c.
 *
 * Whatever changes queues makes the new ones first, so that want of memory
 * leaves everything as it was. Then
 *  - where single queues can be restarted, pair after pair is exchanged while
 *    the others forward;
 *  - elsewhere the device is stopped, all pairs are exchanged, and it is
 *    started again.
 * Neither touches the carrier.
 */
#include <linux/slab.h>

#include "core.h"

/* How often a setting is offered to a device that refuses it */
#define CETH_SETTLE_TRIES	8U

/* Queues that are not in a pair. */
struct ceth_set {
	u16 n;
	struct ceth_rxq **rxq;
	struct ceth_txq **txq;
};

static void ceth_set_free(struct ceth_set *set)
{
	u16 i;

	for (i = 0; i < set->n; i++) {
		ceth_rxq_free(set->rxq[i]);
		ceth_txq_free(set->txq[i]);
	}
	kvfree(set->rxq);
	kvfree(set->txq);
	memset(set, 0, sizeof(*set));
}

/* For paths that have nothing to fall back on: the arrays are tiny. */
static void ceth_set_empty(struct ceth_dev *cdev, struct ceth_set *set)
{
	set->n = cdev->caps.max_pairs;
	set->rxq = kvcalloc(set->n, sizeof(*set->rxq),
			    GFP_KERNEL | __GFP_NOFAIL);
	set->txq = kvcalloc(set->n, sizeof(*set->txq),
			    GFP_KERNEL | __GFP_NOFAIL);
}

/**
 * ceth_make_pair() - make queues for a pair
 * @cdev: the device; under the configuration lock
 * @cfg: what they are like
 * @i: which pair
 * @rxq: where the receive queue goes
 * @txq: where the transmit queue goes
 *
 * Return: 0 or a negative errno.
 */
int ceth_make_pair(struct ceth_dev *cdev, const struct ceth_cfg *cfg, u16 i,
		   struct ceth_rxq **rxq, struct ceth_txq **txq)
{
	struct ceth_pair *pair = &cdev->pairs[i];
	struct ceth_rxq *rx;
	struct ceth_txq *tx;

	rx = ceth_rxq_alloc(pair, cfg);
	if (IS_ERR(rx))
		return PTR_ERR(rx);
	tx = ceth_txq_alloc(pair, cfg, i);
	if (IS_ERR(tx)) {
		ceth_rxq_free(rx);
		return PTR_ERR(tx);
	}
	*rxq = rx;
	*txq = tx;
	return 0;
}

/* Queues of pair @i, unless there are some. */
static int ceth_set_add(struct ceth_dev *cdev, struct ceth_set *set,
			const struct ceth_cfg *cfg, u16 i)
{
	if (set->rxq[i])
		return 0;
	return ceth_make_pair(cdev, cfg, i, &set->rxq[i], &set->txq[i]);
}

/* Queues @from to @to - 1 by @cfg; those before @from stay empty. */
static int ceth_set_alloc(struct ceth_dev *cdev, struct ceth_set *set,
			  const struct ceth_cfg *cfg, u16 from, u16 to)
{
	int err = -ENOMEM;
	u16 i;

	set->n = cdev->caps.max_pairs;
	set->rxq = kvcalloc(set->n, sizeof(*set->rxq), GFP_KERNEL);
	set->txq = kvcalloc(set->n, sizeof(*set->txq), GFP_KERNEL);
	if (!set->rxq || !set->txq) {
		set->n = 0;
		goto err;
	}
	for (i = from; i < to; i++) {
		err = ceth_set_add(cdev, set, cfg, i);
		if (err)
			goto err;
	}
	return 0;
err:
	ceth_set_free(set);
	return err;
}

/* Have pairs @from to @to - 1, which are closed to senders, work no more. Their
 * queues go to @rxq and @txq, that of pair @from first.
 */
static void ceth_pairs_detach(struct ceth_dev *cdev, u16 from, u16 to,
			      struct ceth_rxq **rxq, struct ceth_txq **txq)
{
	u16 i;

	for (i = from; i < to; i++)
		ceth_pair_quiet(&cdev->pairs[i]);
	synchronize_net();
	for (i = from; i < to; i++)
		ceth_pair_detach(&cdev->pairs[i], rxq++, txq++);
}

/* The same, of pairs that work; the others work on. */
static void ceth_pairs_take(struct ceth_dev *cdev, u16 from, u16 to,
			    struct ceth_rxq **rxq, struct ceth_txq **txq)
{
	u16 i;

	for (i = from; i < to; i++)
		ceth_pair_close_tx(&cdev->pairs[i]);
	/* A sender that was under way has left when this returns. */
	synchronize_net();
	for (i = from; i < to && !cdev->gone; i++)
		ceth_pair_drain_tx(&cdev->pairs[i]);
	ceth_pairs_detach(cdev, from, to, rxq, txq);
}

static void ceth_set_take(struct ceth_dev *cdev, struct ceth_set *set, u16 from,
			  u16 to)
{
	ceth_pairs_take(cdev, from, to, &set->rxq[from], &set->txq[from]);
}

/* Said once for each try; a setting that the device never takes is given up
 * after some of them.
 */
static bool ceth_applied(struct ceth_dev *cdev, const char *what, int err)
{
	if (err)
		netdev_err(cdev->netdev, "cannot restore %s: %pe\n", what,
			   ERR_PTR(err));
	return !err;
}

/**
 * ceth_take_pair() - take a pair's queues back; the others work on
 * @cdev: the device; under the configuration lock
 * @i: which pair
 * @rxq: where the receive queue goes
 * @txq: where the transmit queue goes
 */
void ceth_take_pair(struct ceth_dev *cdev, u16 i, struct ceth_rxq **rxq,
		    struct ceth_txq **txq)
{
	ceth_pairs_take(cdev, i, i + 1, rxq, txq);
}

/**
 * ceth_give_pair() - have a pair work that has no queues
 * @cdev: the device, which runs; under the configuration lock
 * @i: which pair
 * @rxq: its receive queue
 * @txq: its transmit queue
 *
 * Return: 0, or a negative errno: it still has none.
 */
int ceth_give_pair(struct ceth_dev *cdev, u16 i, struct ceth_rxq *rxq,
		   struct ceth_txq *txq)
{
	struct ceth_pair *pair = &cdev->pairs[i];
	int err;

	err = ceth_pair_attach(pair, rxq, txq);
	if (err)
		return err;
	ceth_pair_go(pair);
	ceth_xdpq_update(cdev, cdev->cfg.n_pairs);
	/* A queue that starts has none. */
	ceth_applied(cdev, "interrupt moderation",
		     ceth_coalesce_apply_new(cdev, i, i + 1));
	return 0;
}

/**
 * ceth_settle() - have the device do all that it forgets when it is reset
 * @cdev: the device, which runs; under the configuration lock
 *
 * Failures are reported, and leave the device usable without that setting. They
 * are tried again: without its address, or with steering to queues that it
 * has not, it would receive nothing.
 */
void ceth_settle(struct ceth_dev *cdev)
{
	const struct ceth_ops *ops = cdev->ops;
	struct net_device *dev = cdev->netdev;
	bool good = true;

	cdev->features = ceth_features_from_net(cdev, dev->features);
	if (ops->set_features)
		good &= ceth_applied(cdev, "offloads",
				     ops->set_features(cdev->priv,
						       cdev->features,
						       cdev->caps.features));
	if (ceth_has(cdev, CETH_CAP_SET_MAC))
		good &= ceth_applied(cdev, "the address",
				     ops->set_mac(cdev->priv, dev->dev_addr));
	good &= ceth_applied(cdev, "the longest frame",
			     ceth_rx_max_apply(cdev, dev->mtu));
	bitmap_zero(cdev->vlans_set, VLAN_N_VID);
	good &= ceth_applied(cdev, "VLANs", ceth_vlan_apply(cdev));
	good &= ceth_applied(cdev, "the receive filter", ceth_mode_apply(cdev));
	good &= ceth_applied(cdev, "receive steering", ceth_rss_apply(cdev));
	/* Rules name contexts. */
	good &= ceth_applied(cdev, "contexts of steering",
			     ceth_rss_apply_ctx(cdev));
	good &= ceth_applied(cdev, "steering rules", ceth_rules_apply(cdev));
	good &= ceth_applied(cdev, "interrupt moderation",
			     ceth_coalesce_apply(cdev));
	good &= ceth_applied(cdev, "rate limits", ceth_shaper_apply(cdev));
	if (good && cdev->unsettled)
		cdev->retries = 0;
	cdev->unsettled = !good;
	if (!good && cdev->retries < CETH_SETTLE_TRIES)
		ceth_retry(cdev, -EAGAIN);
}

/* Start a quiet device with the queues of @set, which are the pairs' then. On
 * failure the device is quiet and @set has its queues back.
 */
static int ceth_up(struct ceth_dev *cdev, struct ceth_set *set,
		   const struct ceth_cfg *cfg)
{
	const struct ceth_ops *ops = cdev->ops;
	u16 i, n = cfg->n_pairs, attached = 0;
	int err;

	if (cdev->gone)
		return -ENODEV;
	err = ceth_dev_reset(cdev) ?: ops->dev_init(cdev->priv);
	if (err)
		goto err_reset;
	for (; attached < n; attached++) {
		struct ceth_pair *pair = &cdev->pairs[attached];

		/* A pair whose queues the device would not have has none. */
		err = ceth_set_add(cdev, set, cfg, attached);
		if (err)
			goto err_attach;
		err = ceth_pair_attach(pair, set->rxq[attached],
				       set->txq[attached]);
		if (err)
			goto err_attach;
	}
	if (ops->dev_run)
		err = ops->dev_run(cdev->priv, n);
	if (err)
		goto err_attach;
	for (i = 0; i < n; i++) {
		if (cdev->pairs[i].enabled)
			continue;
		err = ceth_pair_enable(&cdev->pairs[i]);
		if (err)
			goto err_enable;
	}
	cdev->running = true;
	ceth_dstats_begin(cdev);
	for (i = 0; i < n; i++) {
		set->rxq[i] = NULL;
		set->txq[i] = NULL;
	}
	ceth_settle(cdev);
	for (i = 0; i < n; i++)
		ceth_pair_go(&cdev->pairs[i]);
	ceth_xdpq_update(cdev, n);
	ceth_watch_start(cdev);
	queue_work(cdev->wq, &cdev->link_work);
	return 0;

err_enable:
	while (i--)
		ceth_pair_disable(&cdev->pairs[i]);
err_attach:
	ceth_dev_reset(cdev);
	/* Nobody has polled them yet. */
	while (attached--) {
		ceth_pair_quiet(&cdev->pairs[attached]);
		ceth_pair_detach(&cdev->pairs[attached], &set->rxq[attached],
				 &set->txq[attached]);
	}
	return err;
err_reset:
	ceth_dev_reset(cdev);
	return err;
}

/* Stop the device; the queues go to @set. */
static void ceth_down(struct ceth_dev *cdev, struct ceth_set *set)
{
	u16 i, n = cdev->cfg.n_pairs;

	for (i = 0; i < n; i++)
		ceth_pair_close_tx(&cdev->pairs[i]);
	synchronize_net();
	if (!cdev->gone && !cdev->fault_pending)
		for (i = 0; i < n; i++)
			ceth_pair_drain_tx(&cdev->pairs[i]);
	ceth_dstats_refresh(cdev);
	cdev->running = false;
	ceth_dev_reset(cdev);
	ceth_pairs_detach(cdev, 0, n, set->rxq, set->txq);
}

static void ceth_disable(struct ceth_dev *cdev, u16 from)
{
	u16 i;

	for (i = from; i < cdev->caps.max_pairs; i++) {
		ceth_pair_disable(&cdev->pairs[i]);
		/* The stack sends nothing to it now, but its watchdog looks. */
		netif_tx_start_queue(cdev->pairs[i].netq);
	}
}

/**
 * ceth_start() - from down to running
 * @cdev: the device; under the configuration lock
 *
 * Return: 0 or a negative errno: the device is down.
 */
int ceth_start(struct ceth_dev *cdev)
{
	struct ceth_set set;
	int err;

	if (cdev->gone)
		return -ENODEV;
	err = ceth_set_alloc(cdev, &set, &cdev->cfg, 0, cdev->cfg.n_pairs);
	if (err)
		return err;
	err = ceth_up(cdev, &set, &cdev->cfg);
	ceth_set_free(&set);
	return err;
}

/**
 * ceth_stop() - from running to down
 * @cdev: the device; under the configuration lock
 */
void ceth_stop(struct ceth_dev *cdev)
{
	struct ceth_set set;

	if (!cdev->running)
		return;
	ceth_set_empty(cdev, &set);
	ceth_down(cdev, &set);
	ceth_disable(cdev, 0);
	ceth_set_free(&set);
}

/**
 * ceth_show_queues() - tell the stack how many queue pairs it has
 * @cdev: the device
 * @n: pairs; 0 before a net device goes that nobody has seen
 *
 * A transmit queue that the stack did not have sends for the CPU that its
 * interrupt is suggested to, so that what a CPU sends stays in order and its
 * completions come back to it. The stack forgets this of a queue that goes; of
 * those that stay it is the user's.
 *
 * Return: 0 or a negative errno.
 */
int ceth_show_queues(struct ceth_dev *cdev, u16 n)
{
	struct net_device *dev = cdev->netdev;
	int err;
	u16 i;

	if (n) {
		err = netif_set_real_num_queues(dev, n, n);
		if (err)
			return err;
	}
	for (i = cdev->shown_pairs; i < n; i++)
		netif_set_xps_queue(dev, &cdev->pairs[i].affinity, i);
	for (i = n; !n && i < cdev->shown_pairs; i++)
		netif_set_xps_queue(dev, cpu_none_mask, i);
	cdev->shown_pairs = n;
	return 0;
}

int ceth_open(struct net_device *dev)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	int err;

	err = ceth_show_queues(cdev, cdev->cfg.n_pairs);
	if (err)
		return err;
	if (!ceth_has(cdev, CETH_CAP_LINK))
		netif_carrier_on(dev);
	return ceth_start(cdev);
}

int ceth_close(struct net_device *dev)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	ceth_stop(cdev);
	netif_carrier_off(dev);
	return 0;
}

static bool ceth_cfg_same_rings(const struct ceth_cfg *a,
				const struct ceth_cfg *b)
{
	return a->rx_size == b->rx_size && a->tx_size == b->tx_size &&
	       a->frame_sz == b->frame_sz && a->hdr_len == b->hdr_len &&
	       (!a->hdr_len || a->hdr_whole == b->hdr_whole);
}

/* Exchange the queues of pair @i for those in @set, which has the old ones
 * then. When the device refuses the new ones, the old ones run again.
 */
static int ceth_exchange(struct ceth_dev *cdev, struct ceth_set *set, u16 i)
{
	struct ceth_rxq *rxq = set->rxq[i];
	struct ceth_txq *txq = set->txq[i];
	int err;

	ceth_take_pair(cdev, i, &set->rxq[i], &set->txq[i]);
	err = ceth_give_pair(cdev, i, rxq, txq);
	if (!err)
		return 0;
	if (!set->rxq[i] ||
	    ceth_give_pair(cdev, i, set->rxq[i], set->txq[i])) {
		ceth_fault(cdev, CETH_FAULT_DEVICE, i);
		ceth_rxq_free(set->rxq[i]);
		ceth_txq_free(set->txq[i]);
	}
	set->rxq[i] = rxq;
	set->txq[i] = txq;
	return err;
}

static int ceth_set_used_pairs(struct ceth_dev *cdev, u16 n)
{
	int err;

	err = cdev->ops->set_pairs ? cdev->ops->set_pairs(cdev->priv, n) : 0;
	if (err)
		return err;
	return ceth_rss_apply(cdev);
}

/* Single queues can be restarted: exchange, add or remove pairs one by one. */
static int ceth_change_live(struct ceth_dev *cdev, struct ceth_set *set,
			    const struct ceth_cfg *cfg,
			    const struct ceth_rss *rss)
{
	u16 i, old = cdev->cfg.n_pairs, n = cfg->n_pairs;
	int err = 0;

	if (!ceth_cfg_same_rings(&cdev->cfg, cfg)) {
		for (i = 0; i < min(old, n); i++) {
			err = ceth_exchange(cdev, set, i);
			if (err)
				goto err_exchange;
		}
	}

	ceth_xdpq_update(cdev, max(old, n));
	for (i = old; i < n; i++) {
		err = ceth_pair_enable(&cdev->pairs[i]);
		if (err)
			goto err_grow;
		err = ceth_pair_attach(&cdev->pairs[i], set->rxq[i],
				       set->txq[i]);
		if (err) {
			ceth_pair_disable(&cdev->pairs[i]);
			goto err_grow;
		}
		set->rxq[i] = NULL;
		set->txq[i] = NULL;
		ceth_pair_go(&cdev->pairs[i]);
	}
	if (n != old) {
		ceth_rss_resize(&cdev->rss, cdev->rss_user, n,
				cdev->caps.rss_indir_len);
		err = ceth_set_used_pairs(cdev, n);
		if (!err)
			err = ceth_show_queues(cdev, n);
		if (err) {
			cdev->rss = *rss;
			if (ceth_set_used_pairs(cdev, old))
				ceth_fault(cdev, CETH_FAULT_DEVICE, 0);
			i = max(old, n);
			goto err_grow;
		}
	}
	if (n < old) {
		ceth_set_take(cdev, set, n, old);
		ceth_disable(cdev, n);
	}
	ceth_xdpq_update(cdev, n);
	/* Devices may want to know of a pair before they take it. */
	ceth_applied(cdev, "interrupt moderation",
		     ceth_coalesce_apply_new(cdev, old, n));
	return 0;

err_grow:
	if (i > old) {
		ceth_set_take(cdev, set, old, i);
		ceth_disable(cdev, old);
	}
	ceth_xdpq_update(cdev, old);
	i = min(old, n);
	if (ceth_cfg_same_rings(&cdev->cfg, cfg))
		return err;
err_exchange:
	while (i--)
		ceth_exchange(cdev, set, i);
	return err;
}

/* The device has to stop for it. */
static int ceth_change_all(struct ceth_dev *cdev, struct ceth_set *set,
			   const struct ceth_cfg *cfg,
			   const struct ceth_rss *rss)
{
	struct ceth_cfg was = cdev->cfg;
	struct ceth_set old = {
		.n = cdev->caps.max_pairs,
	};
	int err;

	old.rxq = kvcalloc(old.n, sizeof(*old.rxq), GFP_KERNEL);
	old.txq = kvcalloc(old.n, sizeof(*old.txq), GFP_KERNEL);
	if (!old.rxq || !old.txq) {
		err = -ENOMEM;
		goto out;
	}

	ceth_down(cdev, &old);
	ceth_disable(cdev, cfg->n_pairs);
	ceth_rss_resize(&cdev->rss, cdev->rss_user, cfg->n_pairs,
			cdev->caps.rss_indir_len);
	cdev->cfg = *cfg;
	err = ceth_up(cdev, set, cfg);
	if (!err)
		err = ceth_show_queues(cdev, cfg->n_pairs);
	if (!err)
		goto out;

	if (cdev->running)
		ceth_down(cdev, set);
	cdev->cfg = was;
	if (rss)
		cdev->rss = *rss;
	if (ceth_up(cdev, &old, &was))
		ceth_fault(cdev, CETH_FAULT_DEVICE, 0);
out:
	ceth_set_free(&old);
	return err;
}

/**
 * ceth_change() - put a new configuration into force
 * @cdev: the device; under the configuration lock
 * @cfg: all of it, within the limits
 * @extack: why not
 *
 * Return: 0, or a negative errno: the old configuration is in force.
 */
int ceth_change(struct ceth_dev *cdev, const struct ceth_cfg *cfg,
		struct netlink_ext_ack *extack)
{
	struct net_device *dev = cdev->netdev;
	bool live = ceth_has(cdev, CETH_CAP_QUEUE_RESTART);
	struct ceth_rss *rss;
	struct ceth_set set;
	u16 from = 0;
	int err;

	if (!memcmp(cfg, &cdev->cfg, sizeof(*cfg)))
		return 0;
	if (!cdev->running) {
		if (netif_running(dev)) {
			NL_SET_ERR_MSG(extack, "the device is being recovered, try again");
			return -EBUSY;
		}
		err = ceth_show_queues(cdev, cfg->n_pairs);
		if (err)
			return err;
		ceth_rss_resize(&cdev->rss, cdev->rss_user, cfg->n_pairs,
				cdev->caps.rss_indir_len);
		ceth_shaper_shrink(cdev, cfg->n_pairs);
		cdev->cfg = *cfg;
		return 0;
	}

	if (live && ceth_cfg_same_rings(&cdev->cfg, cfg))
		from = min(cdev->cfg.n_pairs, cfg->n_pairs);
	/* Steering as it is, to go back to. */
	rss = kmemdup(&cdev->rss, sizeof(*rss), GFP_KERNEL);
	err = rss ? ceth_set_alloc(cdev, &set, cfg, from, cfg->n_pairs) :
		    -ENOMEM;
	if (err) {
		NL_SET_ERR_MSG(extack, "not enough memory for the new queues");
		goto out;
	}
	if (live)
		err = ceth_change_live(cdev, &set, cfg, rss);
	else
		err = ceth_change_all(cdev, &set, cfg, rss);
	if (!err) {
		ceth_shaper_shrink(cdev, cfg->n_pairs);
		cdev->cfg = *cfg;
	} else {
		NL_SET_ERR_MSG(extack, "the device refused the new queues");
	}
	ceth_set_free(&set);
out:
	kfree(rss);
	return err;
}

/**
 * ceth_renew_pair() - give a pair new queues
 * @cdev: the device; under the configuration lock
 * @i: which pair
 *
 * Return: 0, or a negative errno: the pair has its old queues.
 */
int ceth_renew_pair(struct ceth_dev *cdev, u16 i)
{
	bool live = ceth_has(cdev, CETH_CAP_QUEUE_RESTART);
	u16 from = live ? i : 0, to = live ? i + 1 : cdev->cfg.n_pairs;
	struct ceth_cfg cfg = cdev->cfg;
	struct ceth_set set;
	int err;

	if (i >= cdev->cfg.n_pairs || (!cdev->running && !cdev->gone &&
				       !netif_running(cdev->netdev)))
		return 0;
	if (!cdev->running)
		return -ENETDOWN;
	err = ceth_set_alloc(cdev, &set, &cfg, from, to);
	if (err)
		return err;
	if (live)
		err = ceth_exchange(cdev, &set, i);
	else
		err = ceth_change_all(cdev, &set, &cfg, NULL);
	ceth_set_free(&set);
	return err;
}

/**
 * ceth_drop_pair() - take a pair's queues away; a restart brings others
 * @cdev: the device; under the configuration lock
 * @i: which pair
 */
void ceth_drop_pair(struct ceth_dev *cdev, u16 i)
{
	struct ceth_rxq *rxq;
	struct ceth_txq *txq;

	if (!cdev->running || !cdev->pairs[i].rxq)
		return;
	ceth_take_pair(cdev, i, &rxq, &txq);
	ceth_rxq_free(rxq);
	ceth_txq_free(txq);
	ceth_fault(cdev, CETH_FAULT_DEVICE, i);
}

/**
 * ceth_recover() - restart a device that went wrong
 * @cdev: the device; under the configuration lock
 *
 * Return: 0; a negative errno: the device is down, the next try may succeed.
 */
int ceth_recover(struct ceth_dev *cdev)
{
	struct ceth_set set;
	int err;

	if (cdev->gone)
		return -ENODEV;
	if (!netif_running(cdev->netdev) || !netif_device_present(cdev->netdev))
		return 0;
	cdev->recoveries++;
	if (!cdev->running) {
		WRITE_ONCE(cdev->fault_pending, 0);
		err = ceth_start(cdev);
	} else {
		/* With the same queues, which needs no memory; the stack waits
		 * meanwhile.
		 */
		ceth_set_empty(cdev, &set);
		ceth_down(cdev, &set);
		/* What it says from now on is not about what was. */
		WRITE_ONCE(cdev->fault_pending, 0);
		err = ceth_up(cdev, &set, &cdev->cfg);
		if (err)
			ceth_disable(cdev, 0);
		ceth_set_free(&set);
	}
	if (err)
		netdev_err(cdev->netdev, "restart failed: %pe\n", ERR_PTR(err));
	return err;
}

/**
 * ceth_rx_room() - bytes of a frame that a receive buffer has room for
 * @cdev: the device
 * @frame_sz: size of the buffer
 *
 * Return: bytes; as the device counts them.
 */
u32 ceth_rx_room(const struct ceth_dev *cdev, u32 frame_sz)
{
	u32 room = frame_sz - CETH_RX_HEADROOM - CETH_RX_TAILROOM;

	return rounddown(room, cdev->caps.rx_buf_unit ?: 1);
}

/**
 * ceth_frame_sz() - size of a receive buffer
 * @cdev: the device
 * @mtu: that frames may have
 * @wanted: by the user, 0: none
 *
 * Return: the smaller size where a frame fits it (or several buffers are no
 * matter), else a page.
 */
u32 ceth_frame_sz(const struct ceth_dev *cdev, u32 mtu, u32 wanted)
{
	u32 room = CETH_RX_HEADROOM + CETH_RX_TAILROOM + ETH_HLEN + VLAN_HLEN;

	if (wanted == 2048 && (ceth_has(cdev, CETH_CAP_MULTI_BUF) ||
			       mtu + room <= 2048))
		return 2048;
	return PAGE_SIZE;
}
