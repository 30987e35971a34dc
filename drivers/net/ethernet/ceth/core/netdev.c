// SPDX-License-Identifier: GPL-2.0
/* CETH core: operations of the network device that have no file of their own,
 * and its features.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/udp_tunnel.h>

#include "core.h"

static const struct {
	u32 ceth;
	netdev_features_t net;
} ceth_feature_map[] = {
	{ CETH_F_RX_CSUM,	NETIF_F_RXCSUM },
	{ CETH_F_TX_CSUM,	NETIF_F_HW_CSUM },
	{ CETH_F_TSO4,		NETIF_F_TSO },
	{ CETH_F_TSO6,		NETIF_F_TSO6 },
	{ CETH_F_TSO_ECN,	NETIF_F_TSO_ECN },
	{ CETH_F_USO,		NETIF_F_GSO_UDP_L4 },
	{ CETH_F_HW_GRO,	NETIF_F_GRO_HW },
	{ CETH_F_RX_HASH,	NETIF_F_RXHASH },
	{ CETH_F_VLAN_FILTER,	NETIF_F_HW_VLAN_CTAG_FILTER },
	{ CETH_F_RX_VLAN,	NETIF_F_HW_VLAN_CTAG_RX },
	{ CETH_F_TX_VLAN,	NETIF_F_HW_VLAN_CTAG_TX },
};

/* Offloads of the device that the user may switch. */
#define CETH_F_SWITCHED	(CETH_F_RX_CSUM | CETH_F_HW_GRO | CETH_F_RX_HASH | \
			 CETH_F_RX_VLAN | CETH_F_RX_TIME)

/* What VLAN devices have no part in */
#define CETH_NETIF_F_VLAN	(NETIF_F_HW_VLAN_CTAG_FILTER |		\
				 NETIF_F_HW_VLAN_CTAG_RX |		\
				 NETIF_F_HW_VLAN_CTAG_TX)

static netdev_features_t ceth_features_to_net(u32 features)
{
	netdev_features_t net = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(ceth_feature_map); i++)
		if (features & ceth_feature_map[i].ceth)
			net |= ceth_feature_map[i].net;
	return net;
}

/**
 * ceth_features_from_net() - features that the device should have in force
 * @cdev: the device
 * @f: features of the network device
 *
 * A program must see each frame as it was on the wire: no coalescing, no tag
 * taken off, no checksum that is left to compute. A program that is bound to the
 * device can ask for the tag.
 *
 * Return: bits of &enum ceth_feature.
 */
u32 ceth_features_from_net(const struct ceth_dev *cdev, netdev_features_t f)
{
	const struct bpf_prog *prog = cdev->xdp_prog;
	u32 features = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(ceth_feature_map); i++)
		if (f & ceth_feature_map[i].net)
			features |= ceth_feature_map[i].ceth;
	if (cdev->rx_time)
		features |= CETH_F_RX_TIME;
	features &= cdev->caps.features & CETH_F_SWITCHED;
	if (cdev->n_xsk)
		features &= ~CETH_F_HW_GRO;
	if (!prog)
		return features;
	features &= ~(CETH_F_HW_GRO | CETH_F_RX_CSUM);
	if (!bpf_prog_is_dev_bound(prog->aux))
		features &= ~CETH_F_RX_VLAN;
	return features;
}

static netdev_features_t ceth_fix_features(struct net_device *dev,
					   netdev_features_t f)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	/* Nobody else could verify them. */
	if (!(f & NETIF_F_RXCSUM) && ceth_hds_provided_any(cdev)) {
		netdev_warn_once(dev, "rx-checksumming stays on while a queue has memory that nobody can read\n");
		f |= NETIF_F_RXCSUM;
	}
	/* Coalesced packets have a checksum that only the device vouches for. */
	if (!(f & NETIF_F_RXCSUM))
		f &= ~NETIF_F_GRO_HW;
	/* A program must see each frame as it was on the wire. What the user
	 * wants comes back when the last one is detached.
	 */
	if ((f & NETIF_F_GRO_HW) && (cdev->xdp_prog || cdev->n_xsk)) {
		netdev_warn_once(dev, "rx-gro-hw is off while there is an XDP program or a zero-copy AF_XDP socket\n");
		f &= ~NETIF_F_GRO_HW;
	}
	return f;
}

/**
 * ceth_features_apply() - have the device do what the settings say
 * @cdev: the device; under the configuration lock
 * @f: features of the network device
 *
 * Return: 0 or the device's errno: nothing has changed.
 */
int ceth_features_apply(struct ceth_dev *cdev, netdev_features_t f)
{
	u32 features = ceth_features_from_net(cdev, f);
	u32 changed = features ^ cdev->features;
	int err;

	if (!changed)
		return 0;
	if (cdev->running && cdev->ops->set_features) {
		err = cdev->ops->set_features(cdev->priv, features, changed);
		if (err)
			return err;
	}
	cdev->features = features;
	return 0;
}

static int ceth_set_net_features(struct net_device *dev, netdev_features_t f)
{
	return ceth_features_apply(netdev_priv(dev), f);
}

/* See CETH_CAP_TX_L4. */
static bool ceth_tx_l4(const struct ceth_dev *cdev, const struct sk_buff *skb)
{
	u32 l2 = skb_network_offset(skb);

	return !skb->encapsulation && ceth_tx_l4_offset(skb->csum_offset) &&
	       l2 <= cdev->caps.tx_max_l2 &&
	       skb_checksum_start_offset(skb) - l2 <= cdev->caps.tx_max_l3;
}

static netdev_features_t ceth_features_check(struct sk_buff *skb,
					     struct net_device *dev,
					     netdev_features_t f)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	f = vlan_features_check(skb, f);
	if (ceth_has(cdev, CETH_CAP_TX_L4) &&
	    skb->ip_summed == CHECKSUM_PARTIAL && !ceth_tx_l4(cdev, skb))
		f &= ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	if (skb_is_gso(skb) && skb->len > cdev->caps.tx_max_size)
		f &= ~NETIF_F_GSO_MASK;
	return f;
}

static int ceth_change_mtu(struct net_device *dev, int mtu)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_cfg cfg = cdev->cfg;
	int err;

	if (cdev->xdp_prog && !cdev->xdp_prog->aux->xdp_has_frags &&
	    mtu > ceth_xdp_max_mtu(cdev)) {
		netdev_warn(dev, "the XDP program knows one buffer only: at most MTU %u, or load it with frags support\n",
			    ceth_xdp_max_mtu(cdev));
		return -EINVAL;
	}
	err = ceth_xsk_mtu(cdev, mtu);
	if (err)
		return err;
	cfg.frame_sz = ceth_frame_sz(cdev, mtu, cfg.frame_sz);
	err = ceth_change(cdev, &cfg, NULL) ?: ceth_rx_max_apply(cdev, mtu);
	if (err)
		return err;
	WRITE_ONCE(dev->mtu, mtu);
	return 0;
}

static void ceth_tx_timeout(struct net_device *dev, unsigned int txqueue)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_pair *pair = &cdev->pairs[txqueue];
	struct ceth_txq *txq = READ_ONCE(pair->txq);

	/* Closed for a change of queues, or made to wait: that is no fault of
	 * the device.
	 */
	if (!txq || ceth_shaper_slow(pair) || READ_ONCE(txq->held))
		return;
	ceth_count(&pair->tx_stats.csyncp, &pair->tx_stats.timeouts, 1);
	netdev_err(dev, "queue %u: nothing sent for %u ms, %u segments in flight\n",
		   txqueue,
		   jiffies_to_msecs(jiffies - READ_ONCE(pair->netq->trans_start)),
		   ceth_tx_in_flight(txq));
	ceth_fault(cdev, CETH_FAULT_TX_STALL, txqueue);
}

/**
 * ceth_netdev_ops_init() - operations and features from the capabilities
 * @cdev: the device; not yet registered
 *
 * What the hardware has no part in is not offered at all, so that the kernel
 * itself refuses it.
 */
void ceth_netdev_ops_init(struct ceth_dev *cdev)
{
	struct net_device *dev = cdev->netdev;
	struct net_device_ops *ndo = &cdev->ndo;
	netdev_features_t net;

	ndo->ndo_open = ceth_open;
	ndo->ndo_stop = ceth_close;
	ndo->ndo_start_xmit = cdev->dp->start_xmit;
	ndo->ndo_features_check = ceth_features_check;
	ndo->ndo_validate_addr = eth_validate_addr;
	ndo->ndo_change_mtu = ceth_change_mtu;
	ndo->ndo_get_stats64 = ceth_get_stats64;
	ndo->ndo_tx_timeout = ceth_tx_timeout;
	ndo->ndo_fix_features = ceth_fix_features;
	ndo->ndo_set_features = ceth_set_net_features;
	ndo->ndo_bpf = ceth_bpf;
	ndo->ndo_xdp_xmit = cdev->dp->xdp_xmit;
	ceth_mode_ops_init(cdev);
	ceth_clock_ops_init(cdev);
	ceth_shaper_ops_init(cdev);
	ceth_xdp_hints_init(cdev);
	ceth_xsk_ops_init(cdev);
	ceth_qmgmt_init(cdev);
	dev->netdev_ops = ndo;
	dev->stat_ops = &ceth_stat_ops;
	dev->watchdog_timeo = 5 * HZ;

	net = ceth_features_to_net(cdev->caps.features);
	dev->hw_features = net & ~NETIF_F_HW_VLAN_CTAG_FILTER;
	if (!cdev->ops->set_features)
		dev->hw_features &= ~(NETIF_F_GRO_HW | NETIF_F_RXHASH);
	if (cdev->caps.features & CETH_F_TX_CSUM) {
		dev->hw_features |= NETIF_F_SG;
		net |= NETIF_F_SG;
	}
	if (ceth_has(cdev, CETH_CAP_NTUPLE))
		net |= NETIF_F_NTUPLE;
	/* Tags stay in received frames unless the user wants otherwise. */
	dev->features = (net | NETIF_F_HIGHDMA) & ~NETIF_F_HW_VLAN_CTAG_RX;
	dev->vlan_features = dev->features & ~CETH_NETIF_F_VLAN;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	if (ceth_has(cdev, CETH_CAP_RX_MODE))
		dev->priv_flags |= IFF_UNICAST_FLT;
	dev->needed_headroom = cdev->caps.tx_prefix;
	/* Its DMA addresses are all that is known of it. */
	if (!ceth_has(cdev, CETH_CAP_PHYS_ADDR))
		ceth_offer_netmem_tx(dev);
	netif_set_tso_max_size(dev, cdev->caps.tx_max_size);
	cdev->features = ceth_features_from_net(cdev, dev->features);
}
