// SPDX-License-Identifier: GPL-2.0
/* CETH core: interrupt moderation.
 *
 * Fixed, for the device or for a pair; or adaptive on receive, where net_dim
 * watches a pair and a work item applies what it decides.
 *
 * That work needs the configuration lock, and whoever stops a pair holds it
 * and has to wait for the work. So the work never waits for the lock: it tries,
 * and between two tries looks whether &ceth_pair.dim_on is still set.
 * ceth_dim_stop() clears dim_on and then waits, which ends after at most one
 * nap of the work: no cycle. The pair's NAPI does not run by then, so that
 * nothing queues the work again.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "core.h"

#define CETH_DIM_MODE	DIM_CQ_PERIOD_MODE_START_FROM_EQE

/* What a pair is set to, to go back to when a change fails. */
struct ceth_coal_set {
	struct ceth_coalesce coal;
	bool dim;
};

/* Adaptive moderation decides on each pair by itself. */
static bool ceth_can_dim(const struct ceth_dev *cdev)
{
	return cdev->caps.coalesce & CETH_COAL_RX &&
	       (ceth_has(cdev, CETH_CAP_COALESCE_QUEUE) ||
		cdev->caps.max_pairs == 1);
}

static int ceth_coal_program(struct ceth_pair *pair)
{
	struct ceth_dev *cdev = pair->cdev;
	const struct ceth_caps *caps = &cdev->caps;
	struct ceth_coalesce coal = pair->coal;

	/* Without queues it is not in use. */
	if (!caps->coalesce || !cdev->running || !pair->rxq)
		return 0;
	if (pair->idx && !ceth_has(cdev, CETH_CAP_COALESCE_QUEUE))
		return 0;
	if (pair->dim_on) {
		struct dim_cq_moder m;

		m = net_dim_get_rx_moderation(CETH_DIM_MODE,
					      READ_ONCE(pair->dim.profile_ix));
		coal.rx_usecs = min_t(u32, m.usec, caps->coal_max_usecs);
		coal.rx_frames = min_t(u32, m.pkts, caps->coal_max_frames);
	}
	return cdev->ops->set_coalesce(cdev->priv, pair->idx, &coal);
}

/**
 * ceth_coalesce_apply_pair() - put the moderation of a pair in force
 * @pair: the pair
 *
 * Needed whenever its queues have started: the device may have forgotten.
 * Adaptive moderation that was working goes on where it is.
 *
 * Return: 0, also while the pair does not run; or the device's errno.
 */
int ceth_coalesce_apply_pair(struct ceth_pair *pair)
{
	struct ceth_dev *cdev = pair->cdev;
	struct dim *dim = &pair->dim;

	if (!pair->dim_want) {
		WRITE_ONCE(pair->dim_on, false);
	} else if (!pair->dim_on && cdev->running && pair->rxq) {
		dim->mode = CETH_DIM_MODE;
		dim->profile_ix = NET_DIM_DEF_PROFILE_EQE;
		dim->tune_state = DIM_GOING_RIGHT;
		dim->steps_right = 0;
		dim->steps_left = 0;
		dim->tired = 0;
		dim->state = DIM_START_MEASURE;
		/* NAPI may look at any time. */
		smp_store_release(&pair->dim_on, true);
	}
	return ceth_coal_program(pair);
}

/**
 * ceth_coalesce_apply_new() - put the moderation of some pairs in force
 * @cdev: the device
 * @from: the first of them
 * @to: the first after them
 *
 * To be called when their queues have started, and the others' have not. Where
 * moderation is the device's, the first pair says what it is.
 *
 * Return: 0, or the errno of the last pair that the device refused.
 */
int ceth_coalesce_apply_new(struct ceth_dev *cdev, u16 from, u16 to)
{
	int err, ret = 0;

	if (from < to && !ceth_has(cdev, CETH_CAP_COALESCE_QUEUE)) {
		from = 0;
		to = 1;
	}
	for (; from < to; from++) {
		err = ceth_coalesce_apply_pair(&cdev->pairs[from]);
		if (err)
			ret = err;
	}
	return ret;
}

/**
 * ceth_coalesce_apply() - put the moderation of all pairs in force
 * @cdev: the device
 *
 * Return: 0, or the errno of the last pair that the device refused.
 */
int ceth_coalesce_apply(struct ceth_dev *cdev)
{
	return ceth_coalesce_apply_new(cdev, 0, cdev->caps.max_pairs);
}

static int ceth_coal_change(struct ceth_pair *pair,
			    const struct ceth_coal_set *set)
{
	if (!memcmp(&pair->coal, &set->coal, sizeof(set->coal)) &&
	    pair->dim_want == set->dim)
		return 0;
	pair->coal = set->coal;
	pair->dim_want = set->dim;
	return ceth_coalesce_apply_pair(pair);
}

static void ceth_coal_get(const struct ceth_coalesce *coal, bool dim,
			  struct ethtool_coalesce *ec)
{
	ec->rx_coalesce_usecs = coal->rx_usecs;
	ec->rx_max_coalesced_frames = coal->rx_frames;
	ec->tx_coalesce_usecs = coal->tx_usecs;
	ec->tx_max_coalesced_frames = coal->tx_frames;
	ec->use_adaptive_rx_coalesce = dim;
}

/* What is not supported at all does not get here. */
static int ceth_coal_check(const struct ceth_dev *cdev,
			   const struct ethtool_coalesce *ec,
			   const struct ceth_coalesce *old,
			   struct ceth_coal_set *set,
			   struct netlink_ext_ack *extack)
{
	u32 usecs = cdev->caps.coal_max_usecs;
	u32 frames = cdev->caps.coal_max_frames;

	if (ec->rx_coalesce_usecs > usecs || ec->tx_coalesce_usecs > usecs) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "usecs: at most %u", usecs);
		return -ERANGE;
	}
	if (ec->rx_max_coalesced_frames > frames ||
	    ec->tx_max_coalesced_frames > frames) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "frames: at most %u", frames);
		return -ERANGE;
	}
	if (ec->use_adaptive_rx_coalesce &&
	    (ec->rx_coalesce_usecs != old->rx_usecs ||
	     ec->rx_max_coalesced_frames != old->rx_frames)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "adaptive-rx decides on rx-usecs and rx-frames: turn it off to set them");
		return -EINVAL;
	}
	set->coal.rx_usecs = ec->rx_coalesce_usecs;
	set->coal.rx_frames = ec->rx_max_coalesced_frames;
	set->coal.tx_usecs = ec->tx_coalesce_usecs;
	set->coal.tx_frames = ec->tx_max_coalesced_frames;
	set->dim = ec->use_adaptive_rx_coalesce;
	return 0;
}

static int ceth_get_coalesce(struct net_device *dev,
			     struct ethtool_coalesce *ec,
			     struct kernel_ethtool_coalesce *kec,
			     struct netlink_ext_ack *extack)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	ceth_coal_get(&cdev->coal, cdev->dim, ec);
	return 0;
}

static int ceth_set_coalesce(struct net_device *dev,
			     struct ethtool_coalesce *ec,
			     struct kernel_ethtool_coalesce *kec,
			     struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_coal_set set, *old;
	u32 i, n = cdev->caps.max_pairs;
	int err;

	err = ceth_coal_check(cdev, ec, &cdev->coal, &set, extack);
	if (err)
		return err;
	old = kcalloc(n, sizeof(*old), GFP_KERNEL);
	if (!old)
		return -ENOMEM;

	for (i = 0; i < n; i++) {
		old[i].coal = cdev->pairs[i].coal;
		old[i].dim = cdev->pairs[i].dim_want;
		err = ceth_coal_change(&cdev->pairs[i], &set);
		if (err)
			break;
	}
	if (err) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "the device refused it for queue %u (error %d)",
				       i, err);
		do
			ceth_coal_change(&cdev->pairs[i], &old[i]);
		while (i--);
	} else {
		cdev->coal = set.coal;
		cdev->dim = set.dim;
	}
	kfree(old);
	return err;
}

static int ceth_get_coalesce_queue(struct net_device *dev, u32 queue,
				   struct ethtool_coalesce *ec)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	if (queue >= cdev->cfg.n_pairs)
		return -EINVAL;
	ceth_coal_get(&cdev->pairs[queue].coal, cdev->pairs[queue].dim_want,
		      ec);
	return 0;
}

static int ceth_set_coalesce_queue(struct net_device *dev, u32 queue,
				   struct ethtool_coalesce *ec)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_coal_set set, old;
	struct ceth_pair *pair;
	int err;

	if (queue >= cdev->cfg.n_pairs)
		return -EINVAL;
	pair = &cdev->pairs[queue];
	err = ceth_coal_check(cdev, ec, &pair->coal, &set, NULL);
	if (err)
		return err;
	old.coal = pair->coal;
	old.dim = pair->dim_want;
	err = ceth_coal_change(pair, &set);
	if (err)
		ceth_coal_change(pair, &old);
	return err;
}

/**
 * ceth_dim() - watch the traffic of a pair
 * @pair: the pair; at the end of a poll, in its NAPI context
 */
void ceth_dim(struct ceth_pair *pair)
{
	struct dim_sample sample = {};

	/* The counters are this context's own. */
	dim_update_sample(READ_ONCE(pair->events), pair->rx_stats.packets,
			  pair->rx_stats.bytes, &sample);
	ceth_net_dim(&pair->dim, &sample);
}
EXPORT_SYMBOL_GPL(ceth_dim);

static void ceth_dim_work(struct work_struct *work)
{
	struct ceth_pair *pair = container_of(work, struct ceth_pair, dim.work);
	struct net_device *dev = pair->cdev->netdev;
	int err = 0;

	while (!ceth_cfg_trylock(dev)) {
		if (!READ_ONCE(pair->dim_on))
			return;
		usleep_range(500, 1500);
	}
	if (pair->dim_on) {
		err = ceth_coal_program(pair);
		pair->dim.state = DIM_START_MEASURE;
	}
	ceth_cfg_unlock(dev);

	if (err)
		netdev_warn_once(dev, "adaptive-rx: queue %u: error %d\n",
				 pair->idx, err);
}

/**
 * ceth_coalesce_init() - once, when the device is made
 * @pair: the pair
 */
void ceth_coalesce_init(struct ceth_pair *pair)
{
	const struct ceth_caps *caps = &pair->cdev->caps;

	if (caps->coalesce & CETH_COAL_RX)
		pair->coal.rx_usecs = caps->coal_usecs;
	if (caps->coalesce & CETH_COAL_TX)
		pair->coal.tx_usecs = caps->coal_usecs;
	INIT_WORK(&pair->dim.work, ceth_dim_work);
}

/**
 * ceth_dim_stop() - adaptive moderation ends until the moderation is applied
 *	again
 * @pair: the pair; its NAPI does not run. Under the configuration lock.
 */
void ceth_dim_stop(struct ceth_pair *pair)
{
	WRITE_ONCE(pair->dim_on, false);
	cancel_work_sync(&pair->dim.work);
}

/**
 * ceth_coalesce_ethtool_init() - offer what the device has
 * @cdev: the device
 */
void ceth_coalesce_ethtool_init(struct ceth_dev *cdev)
{
	u32 coal = cdev->caps.coalesce, params = 0;
	bool frames = cdev->caps.coal_max_frames;

	if (!coal)
		return;
	if (coal & CETH_COAL_RX) {
		params |= ETHTOOL_COALESCE_RX_USECS;
		if (frames)
			params |= ETHTOOL_COALESCE_RX_MAX_FRAMES;
		if (ceth_can_dim(cdev))
			params |= ETHTOOL_COALESCE_USE_ADAPTIVE_RX;
	}
	if (coal & CETH_COAL_TX) {
		params |= ETHTOOL_COALESCE_TX_USECS;
		if (frames)
			params |= ETHTOOL_COALESCE_TX_MAX_FRAMES;
	}
	cdev->eops.supported_coalesce_params = params;
	cdev->eops.get_coalesce = ceth_get_coalesce;
	cdev->eops.set_coalesce = ceth_set_coalesce;
	if (ceth_has(cdev, CETH_CAP_COALESCE_QUEUE)) {
		cdev->eops.get_per_queue_coalesce = ceth_get_coalesce_queue;
		cdev->eops.set_per_queue_coalesce = ceth_set_coalesce_queue;
	}
}
