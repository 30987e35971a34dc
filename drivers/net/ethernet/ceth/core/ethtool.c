// SPDX-License-Identifier: GPL-2.0
/* CETH core: ethtool.
 *
 * The operations are composed for each device from what it can do: what is
 * missing here is missing for the user too, instead of failing when used.
 */
#include <linux/bpf.h>
#include <linux/ethtool_netlink.h>
#include <linux/log2.h>

#include "core.h"

static void ceth_get_drvinfo(struct net_device *dev,
			     struct ethtool_drvinfo *info)
{
	const struct ceth_caps *caps = &((struct ceth_dev *)netdev_priv(dev))->caps;

	/* ethtool fills in the rest. */
	if (caps->fw_version)
		strscpy(info->fw_version, caps->fw_version,
			sizeof(info->fw_version));
}

static int ceth_get_link_ksettings(struct net_device *dev,
				   struct ethtool_link_ksettings *ks)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_link link = {};

	if (cdev->ops->get_link && !cdev->gone)
		cdev->ops->get_link(cdev->priv, &link);

	ethtool_link_ksettings_zero_link_mode(ks, supported);
	ethtool_link_ksettings_zero_link_mode(ks, advertising);
	ks->base.autoneg = AUTONEG_DISABLE;
	ks->base.port = PORT_OTHER;
	ks->base.speed = SPEED_UNKNOWN;
	ks->base.duplex = DUPLEX_UNKNOWN;
	if (link.up && link.speed) {
		ks->base.speed = link.speed;
		ks->base.duplex = link.full_duplex ? DUPLEX_FULL : DUPLEX_HALF;
	}
	return 0;
}

static void ceth_get_ringparam(struct net_device *dev,
			       struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kring,
			       struct netlink_ext_ack *extack)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	ring->rx_max_pending = cdev->caps.rx_ring.max;
	ring->tx_max_pending = cdev->caps.tx_ring.max;
	ring->rx_pending = cdev->cfg.rx_size;
	ring->tx_pending = cdev->cfg.tx_size;
	kring->rx_buf_len = cdev->cfg.frame_sz;
	if (!ceth_has(cdev, CETH_CAP_HDR_SPLIT))
		return;
	kring->tcp_data_split = cdev->cfg.hdr_len ?
				ETHTOOL_TCP_DATA_SPLIT_ENABLED :
				ETHTOOL_TCP_DATA_SPLIT_DISABLED;
	ceth_hds_thresh_show(kring, cdev->cfg.hdr_whole, CETH_HDS_LEN);
}

static int ceth_ring_size(const struct ceth_ring_limits *limits, u32 want,
			  u16 *size, const char *which,
			  struct netlink_ext_ack *extack)
{
	if (want < limits->min || want > limits->max) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "%s: %u to %u descriptors, not %u",
				       which, limits->min, limits->max, want);
		return -ERANGE;
	}
	/* The limits are powers of two, so this stays between them. */
	*size = roundup_pow_of_two(want);
	return 0;
}

static int ceth_buf_len_check(struct ceth_dev *cdev, u32 len,
			      struct netlink_ext_ack *extack)
{
	const struct bpf_prog *prog = cdev->xdp_prog;
	u32 mtu = cdev->netdev->mtu, max;

	if (len != 2048 && len != PAGE_SIZE) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "rx-buf-len is 2048 or %lu, not %u",
				       PAGE_SIZE, len);
		return -EINVAL;
	}
	if (ceth_frame_sz(cdev, mtu, len) != len) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "MTU %u does not fit rx-buf-len %u",
				       mtu, len);
		return -EINVAL;
	}
	max = ceth_rx_room(cdev, len) - ETH_HLEN - VLAN_HLEN;
	if (prog && !prog->aux->xdp_has_frags && mtu > max) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "needs MTU <= %u, or an XDP program with frags",
				       max);
		return -EINVAL;
	}
	return 0;
}

static int ceth_set_ringparam(struct net_device *dev,
			      struct ethtool_ringparam *ring,
			      struct kernel_ethtool_ringparam *kring,
			      struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	const struct ceth_caps *caps = &cdev->caps;
	struct ceth_cfg cfg = cdev->cfg;
	u32 len = kring->rx_buf_len;
	int err;

	if (ring->rx_mini_pending || ring->rx_jumbo_pending) {
		NL_SET_ERR_MSG_MOD(extack,
				   "no mini or jumbo ring: see rx and rx-buf-len");
		return -EINVAL;
	}
	err = ceth_ring_size(&caps->rx_ring, ring->rx_pending, &cfg.rx_size,
			     "rx", extack);
	if (err)
		return err;
	err = ceth_ring_size(&caps->tx_ring, ring->tx_pending, &cfg.tx_size,
			     "tx", extack);
	if (err)
		return err;

	if (len != cfg.frame_sz) {
		err = ceth_buf_len_check(cdev, len, extack);
		if (err)
			return err;
		cfg.frame_sz = len;
	}
	if (ceth_has(cdev, CETH_CAP_HDR_SPLIT)) {
		cfg.hdr_whole = ceth_hds_thresh(kring);
		err = ceth_hds_config(cdev, &cfg, kring->tcp_data_split ==
				      ETHTOOL_TCP_DATA_SPLIT_ENABLED, extack);
		if (err)
			return err;
	}
	if (!memcmp(&cfg, &cdev->cfg, sizeof(cfg)))
		return 0;
	return ceth_change(cdev, &cfg, extack);
}

static void ceth_get_channels(struct net_device *dev,
			      struct ethtool_channels *ch)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	ch->max_combined = cdev->caps.max_pairs;
	ch->combined_count = cdev->cfg.n_pairs;
}

static int ceth_channels_check(struct ceth_dev *cdev,
			       const struct ethtool_channels *ch,
			       struct netlink_ext_ack *extack)
{
	u32 n = ch->combined_count, last;

	if (ch->rx_count || ch->tx_count || ch->other_count) {
		NL_SET_ERR_MSG_MOD(extack,
				   "queues come in pairs: combined only");
		return -EINVAL;
	}
	if (!n || n > cdev->caps.max_pairs) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "combined: 1 to %u, not %u",
				       cdev->caps.max_pairs, n);
		return -EINVAL;
	}
	if (ceth_rules_use(cdev, n)) {
		NL_SET_ERR_MSG_MOD(extack, "a rule steers to a queue that goes: ethtool -N");
		return -EBUSY;
	}
	last = ceth_rss_needs(cdev);
	if (last >= n) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "queue %u is in a table: ethtool -X",
				       last);
		return -EBUSY;
	}
	return 0;
}

static int ceth_set_channels(struct net_device *dev,
			     struct ethtool_channels *ch)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct netlink_ext_ack extack = {};
	struct ceth_cfg cfg = cdev->cfg;
	int err;

	/* Known only now: ethtool notes it after set_rxfh. */
	cdev->rss_user = ceth_has(cdev, CETH_CAP_RSS) &&
			 netif_is_rxfh_configured(dev);
	err = ceth_channels_check(cdev, ch, &extack);
	if (!err && ch->combined_count != cfg.n_pairs) {
		cfg.n_pairs = ch->combined_count;
		err = ceth_change(cdev, &cfg, &extack);
	}
	/* This operation has no way to tell the user why. */
	if (err && extack._msg)
		netdev_err(dev, "set channels: %s\n", extack._msg);
	return err;
}

static int ceth_get_regs_len(struct net_device *dev)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	return cdev->gone ? 0 : cdev->ops->regs_len(cdev->priv);
}

static void ceth_get_regs(struct net_device *dev, struct ethtool_regs *regs,
			  void *buf)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	regs->version = 0;
	if (!cdev->gone)
		cdev->ops->get_regs(cdev->priv, buf);
}

/**
 * ceth_ethtool_init() - compose the operations
 * @cdev: the device; caps are final
 */
void ceth_ethtool_init(struct ceth_dev *cdev)
{
	cdev->eops.get_drvinfo = ceth_get_drvinfo;
	cdev->eops.get_link = ethtool_op_get_link;
	cdev->eops.get_link_ksettings = ceth_get_link_ksettings;
	cdev->eops.get_ts_info = ceth_get_ts_info;
	cdev->eops.get_sset_count = ceth_stats_sset_count;
	cdev->eops.get_strings = ceth_stats_strings;
	cdev->eops.get_ethtool_stats = ceth_stats_get;

	cdev->eops.supported_ring_params = ETHTOOL_RING_USE_RX_BUF_LEN;
	if (ceth_has(cdev, CETH_CAP_HDR_SPLIT))
		cdev->eops.supported_ring_params |=
			ETHTOOL_RING_USE_TCP_DATA_SPLIT |
			CETH_RING_USE_HDS_THRS;
	cdev->eops.get_ringparam = ceth_get_ringparam;
	cdev->eops.set_ringparam = ceth_set_ringparam;
	cdev->eops.get_channels = ceth_get_channels;
	cdev->eops.set_channels = ceth_set_channels;

	if (cdev->ops->regs_len && cdev->ops->get_regs) {
		cdev->eops.get_regs_len = ceth_get_regs_len;
		cdev->eops.get_regs = ceth_get_regs;
	}
	ceth_ethtool_need_rtnl(&cdev->eops);
	ceth_coalesce_ethtool_init(cdev);
	ceth_rss_ethtool_init(cdev);
	ceth_dstats_ethtool_init(cdev);
	cdev->netdev->ethtool_ops = &cdev->eops;
}
