// SPDX-License-Identifier: GPL-2.0
/* CETH core: the device's clock, and the times of packets by it. */
#include <linux/net_tstamp.h>
#include <net/pkt_sched.h>

#include "core.h"

/* As far as 32 bits of 2^-16 ppm go */
#define CETH_CLOCK_MAX_PPB	32000000

static struct ceth_dev *ceth_clock_dev(struct ptp_clock_info *info)
{
	return container_of(info, struct ceth_dev, clock_info);
}

static int ceth_clock_gettimex(struct ptp_clock_info *info,
			       struct timespec64 *ts,
			       struct ptp_system_timestamp *sts)
{
	struct ceth_dev *cdev = ceth_clock_dev(info);

	if (cdev->gone)
		return -ENODEV;
	mutex_lock(&cdev->clock_lock);
	ptp_read_system_prets(sts);
	*ts = ns_to_timespec64(cdev->ops->clock_read(cdev->priv));
	ptp_read_system_postts(sts);
	mutex_unlock(&cdev->clock_lock);
	return 0;
}

static int ceth_clock_change(struct ptp_clock_info *info,
			     const struct ceth_clock *change)
{
	struct ceth_dev *cdev = ceth_clock_dev(info);
	int err = -ENETDOWN;

	ceth_lock(cdev);
	if (cdev->running && !cdev->gone)
		err = cdev->ops->clock_set(cdev->priv, change);
	ceth_unlock(cdev);
	return err;
}

static int ceth_clock_settime(struct ptp_clock_info *info,
			      const struct timespec64 *ts)
{
	const struct ceth_clock change = {
		.set	= true,
		.time	= timespec64_to_ns(ts),
	};

	return ceth_clock_change(info, &change);
}

static int ceth_clock_adjtime(struct ptp_clock_info *info, s64 delta)
{
	const struct ceth_clock change = { .step = true, .delta = delta };

	return ceth_clock_change(info, &change);
}

static int ceth_clock_adjfine(struct ptp_clock_info *info, long scaled_ppm)
{
	const struct ceth_clock change = {
		.adjust		= true,
		.scaled_ppm	= scaled_ppm,
	};

	return ceth_clock_change(info, &change);
}

static int ceth_hwtstamp_get(struct net_device *dev,
			     struct kernel_hwtstamp_config *cfg)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	cfg->flags = 0;
	cfg->tx_type = cdev->tx_time ? HWTSTAMP_TX_ON : HWTSTAMP_TX_OFF;
	cfg->rx_filter = cdev->rx_time ? HWTSTAMP_FILTER_ALL :
					 HWTSTAMP_FILTER_NONE;
	return 0;
}

/* Whichever packets the user wants the time of: all get it. */
static int ceth_hwtstamp_set(struct net_device *dev,
			     struct kernel_hwtstamp_config *cfg,
			     struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	bool old = cdev->rx_time;
	int err;

	if (cfg->tx_type != HWTSTAMP_TX_OFF && cfg->tx_type != HWTSTAMP_TX_ON) {
		NL_SET_ERR_MSG_MOD(extack, "tx: off or on");
		return -ERANGE;
	}
	if (cfg->rx_filter != HWTSTAMP_FILTER_NONE &&
	    !(cdev->caps.features & CETH_F_RX_TIME)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "rx: none; the device has times of what it sends only");
		return -ERANGE;
	}
	cdev->rx_time = cfg->rx_filter != HWTSTAMP_FILTER_NONE;
	err = ceth_features_apply(cdev, dev->features);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "the device refused it");
		cdev->rx_time = old;
		return err;
	}
	WRITE_ONCE(cdev->tx_time, cfg->tx_type == HWTSTAMP_TX_ON);
	if (cdev->rx_time)
		cfg->rx_filter = HWTSTAMP_FILTER_ALL;
	return 0;
}

/* Launch times of a queue, obeyed or not: for etf with offload. The kernel has
 * no clock but CLOCK_TAI there, and no way to say why not.
 */
static int ceth_setup_tc(struct net_device *dev, enum tc_setup_type type,
			 void *type_data)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	const struct tc_etf_qopt_offload *etf = type_data;
	struct ceth_pair *pair;

	if (type != TC_SETUP_QDISC_ETF)
		return -EOPNOTSUPP;
	if (etf->queue < 0 || etf->queue >= cdev->caps.max_pairs)
		return -EINVAL;
	pair = &cdev->pairs[etf->queue];
	WRITE_ONCE(pair->launch, etf->enable);
	if (pair->txq_done)
		WRITE_ONCE(pair->txq_done->launch, pair->launch);
	return 0;
}

/**
 * ceth_get_ts_info() - ethtool's question what times there are
 * @dev: network device
 * @info: answer
 *
 * Return: 0.
 */
int ceth_get_ts_info(struct net_device *dev,
		     struct kernel_ethtool_ts_info *info)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	if (!ceth_has(cdev, CETH_CAP_CLOCK))
		return ethtool_op_get_ts_info(dev, info);
	info->so_timestamping = SOF_TIMESTAMPING_TX_SOFTWARE |
				SOF_TIMESTAMPING_TX_HARDWARE |
				SOF_TIMESTAMPING_RAW_HARDWARE;
	info->phc_index = cdev->clock ? ptp_clock_index(cdev->clock) : -1;
	info->tx_types = BIT(HWTSTAMP_TX_OFF) | BIT(HWTSTAMP_TX_ON);
	info->rx_filters = BIT(HWTSTAMP_FILTER_NONE);
	if (cdev->caps.features & CETH_F_RX_TIME) {
		info->so_timestamping |= SOF_TIMESTAMPING_RX_HARDWARE;
		info->rx_filters |= BIT(HWTSTAMP_FILTER_ALL);
	}
	return 0;
}

/**
 * ceth_clock_ops_init() - operations of this file
 * @cdev: the device; not yet registered
 */
void ceth_clock_ops_init(struct ceth_dev *cdev)
{
	struct ptp_clock_info *info = &cdev->clock_info;

	mutex_init(&cdev->clock_lock);
	if (!ceth_has(cdev, CETH_CAP_CLOCK))
		return;
	cdev->ndo.ndo_hwtstamp_get = ceth_hwtstamp_get;
	cdev->ndo.ndo_hwtstamp_set = ceth_hwtstamp_set;
	if (ceth_has(cdev, CETH_CAP_LAUNCH))
		cdev->ndo.ndo_setup_tc = ceth_setup_tc;
	info->owner = THIS_MODULE;
	strscpy(info->name, dev_driver_string(cdev->dev), sizeof(info->name));
	info->max_adj = CETH_CLOCK_MAX_PPB;
	info->gettimex64 = ceth_clock_gettimex;
	info->settime64 = ceth_clock_settime;
	info->adjtime = ceth_clock_adjtime;
	info->adjfine = ceth_clock_adjfine;
}

/**
 * ceth_clock_register() - show the clock; a device works without
 * @cdev: the device
 */
void ceth_clock_register(struct ceth_dev *cdev)
{
	struct ptp_clock *clock;

	if (!ceth_has(cdev, CETH_CAP_CLOCK))
		return;
	clock = ptp_clock_register(&cdev->clock_info, cdev->dev);
	if (IS_ERR(clock))
		netdev_warn(cdev->netdev, "no clock: %pe\n", clock);
	else
		cdev->clock = clock;
}

/**
 * ceth_clock_unregister() - undo ceth_clock_register()
 * @cdev: the device; without any lock that an operation of the clock takes
 */
void ceth_clock_unregister(struct ceth_dev *cdev)
{
	struct ptp_clock *clock = cdev->clock;

	if (!clock)
		return;
	rtnl_lock();
	cdev->clock = NULL;
	rtnl_unlock();
	ptp_clock_unregister(clock);
}
