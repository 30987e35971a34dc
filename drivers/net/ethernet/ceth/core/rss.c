// SPDX-License-Identifier: GPL-2.0
/* CETH core: receive steering.
 *
 * One context: key, indirection table, inputs of the hash. &ceth_dev.rss is
 * what is in force, or what will be when the device comes up. A change that
 * the device refuses is undone in both.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "core.h"

#define CETH_RXH_L3	(RXH_IP_SRC | RXH_IP_DST)
#define CETH_RXH_L4	(CETH_RXH_L3 | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* A device hashes the ports of the packets of @l4 and else, of all packets of
 * an IP version alike, the addresses: @l3.
 */
struct ceth_flow {
	u32 type;
	u32 l3;
	u32 l4;
	const char *name;
};

static const struct ceth_flow ceth_flows[] = {
	{ IPV4_FLOW,		CETH_HASH_IPV4, 0, "ipv4" },
	{ TCP_V4_FLOW,		CETH_HASH_IPV4, CETH_HASH_TCPV4, "tcp4" },
	{ UDP_V4_FLOW,		CETH_HASH_IPV4, CETH_HASH_UDPV4, "udp4" },
	{ SCTP_V4_FLOW,		CETH_HASH_IPV4, 0, "sctp4" },
	{ AH_ESP_V4_FLOW,	CETH_HASH_IPV4, 0, "ah4/esp4" },
	{ AH_V4_FLOW,		CETH_HASH_IPV4, 0, "ah4" },
	{ ESP_V4_FLOW,		CETH_HASH_IPV4, 0, "esp4" },
	{ IPV6_FLOW,		CETH_HASH_IPV6, 0, "ipv6" },
	{ TCP_V6_FLOW,		CETH_HASH_IPV6, CETH_HASH_TCPV6, "tcp6" },
	{ UDP_V6_FLOW,		CETH_HASH_IPV6, CETH_HASH_UDPV6, "udp6" },
	{ SCTP_V6_FLOW,		CETH_HASH_IPV6, 0, "sctp6" },
	{ AH_ESP_V6_FLOW,	CETH_HASH_IPV6, 0, "ah6/esp6" },
	{ AH_V6_FLOW,		CETH_HASH_IPV6, 0, "ah6" },
	{ ESP_V6_FLOW,		CETH_HASH_IPV6, 0, "esp6" },
};

static const struct ceth_flow *ceth_flow_find(u32 type)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ceth_flows); i++)
		if (ceth_flows[i].type == type)
			return &ceth_flows[i];
	return NULL;
}

/**
 * ceth_rss_default() - steering of a new device
 * @cdev: the device; cfg.n_pairs is set
 */
void ceth_rss_default(struct ceth_dev *cdev)
{
	const struct ceth_caps *caps = &cdev->caps;
	struct ceth_rss *rss = &cdev->rss;
	u32 len = min_t(u32, caps->rss_key_len, NETDEV_RSS_KEY_LEN);

	/* The key of this boot, the same for all devices, as far as it goes. */
	netdev_rss_key_fill(rss->key, len);
	if (caps->rss_key_len > len)
		get_random_bytes(rss->key + len, caps->rss_key_len - len);
	rss->hash_types = caps->hash_types;
	ceth_rss_resize(rss, false, cdev->cfg.n_pairs, caps->rss_indir_len);
}

/**
 * ceth_rss_resize() - for another number of queues
 * @rss: steering
 * @user: the table is the user's: it is left as it is
 * @n_pairs: queue pairs
 * @indir_len: entries of the table
 *
 * A table of the user's that names a queue beyond @n_pairs is refused before
 * it gets here. Where nobody could be asked (fewer queues after a reset), it
 * is spread anew.
 */
void ceth_rss_resize(struct ceth_rss *rss, bool user, u16 n_pairs,
		     u16 indir_len)
{
	u32 i;

	rss->n_pairs = n_pairs;
	for (i = 0; user && i < indir_len; i++)
		if (rss->indir[i] >= n_pairs)
			user = false;
	for (i = 0; !user && i < indir_len; i++)
		rss->indir[i] = ethtool_rxfh_indir_default(i, n_pairs);
}

/**
 * ceth_rss_apply() - put &ceth_dev.rss in force
 * @cdev: the device
 *
 * Return: 0, also while it does not run; or the device's errno.
 */
int ceth_rss_apply(struct ceth_dev *cdev)
{
	if (!ceth_has(cdev, CETH_CAP_RSS) || !cdev->running)
		return 0;
	return cdev->ops->set_rss(cdev->priv, &cdev->rss);
}

/* Put the steering that was changed in force, or @old back. */
static int ceth_rss_commit(struct ceth_dev *cdev, const struct ceth_rss *old,
			   struct netlink_ext_ack *extack)
{
	int err = ceth_rss_apply(cdev);

	if (!err)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack, "the device refused it (error %d)", err);
	cdev->rss = *old;
	if (ceth_rss_apply(cdev))
		netdev_err(cdev->netdev,
			   "receive steering refused, and the old one too\n");
	return err;
}

static u32 ceth_get_rx_ring_count(struct net_device *dev)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	return cdev->cfg.n_pairs;
}

static u32 ceth_get_rxfh_indir_size(struct net_device *dev)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	return cdev->caps.rss_indir_len;
}

static u32 ceth_get_rxfh_key_size(struct net_device *dev)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	return cdev->caps.rss_key_len;
}

static int ceth_get_rxfh(struct net_device *dev,
			 struct ethtool_rxfh_param *rxfh)
{
	const struct ceth_dev *cdev = netdev_priv(dev);
	u32 i;

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	for (i = 0; rxfh->indir && i < cdev->caps.rss_indir_len; i++)
		rxfh->indir[i] = cdev->rss.indir[i];
	if (rxfh->key)
		memcpy(rxfh->key, cdev->rss.key, cdev->caps.rss_key_len);
	return 0;
}

static int ceth_set_rxfh_check(const struct ceth_dev *cdev,
			       const struct ethtool_rxfh_param *rxfh,
			       struct netlink_ext_ack *extack)
{
	u32 i;

	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG_MOD(extack, "the only hash function is toeplitz");
		return -EOPNOTSUPP;
	}
	if (rxfh->input_xfrm && rxfh->input_xfrm != RXH_XFRM_NO_CHANGE) {
		NL_SET_ERR_MSG_MOD(extack, "no symmetric hash: leave input-xfrm off");
		return -EOPNOTSUPP;
	}
	if (rxfh->rss_context) {
		NL_SET_ERR_MSG_MOD(extack, "there is only context 0");
		return -EOPNOTSUPP;
	}
	for (i = 0; rxfh->indir && i < cdev->caps.rss_indir_len; i++) {
		if (rxfh->indir[i] < cdev->cfg.n_pairs)
			continue;
		NL_SET_ERR_MSG_FMT_MOD(extack, "entry %u: queue %u of %u (ethtool -L)",
				       i, rxfh->indir[i], cdev->cfg.n_pairs);
		return -EINVAL;
	}
	return 0;
}

static int ceth_set_rxfh(struct net_device *dev,
			 struct ethtool_rxfh_param *rxfh,
			 struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_rss *old;
	u32 i;
	int err;

	err = ceth_set_rxfh_check(cdev, rxfh, extack);
	if (err)
		return err;
	old = kmemdup(&cdev->rss, sizeof(*old), GFP_KERNEL);
	if (!old)
		return -ENOMEM;
	for (i = 0; rxfh->indir && i < cdev->caps.rss_indir_len; i++)
		cdev->rss.indir[i] = rxfh->indir[i];
	if (rxfh->key)
		memcpy(cdev->rss.key, rxfh->key, cdev->caps.rss_key_len);
	err = ceth_rss_commit(cdev, old, extack);
	kfree(old);
	return err;
}

static u32 ceth_flow_fields(const struct ceth_flow *flow, u32 types)
{
	if (types & flow->l4)
		return CETH_RXH_L4;
	return types & flow->l3 ? CETH_RXH_L3 : 0;
}

static int ceth_get_rxfh_fields(struct net_device *dev,
				struct ethtool_rxfh_fields *fields)
{
	const struct ceth_flow *flow = ceth_flow_find(fields->flow_type);
	const struct ceth_dev *cdev = netdev_priv(dev);

	if (!flow)
		return -EOPNOTSUPP;
	fields->data = ceth_flow_fields(flow, cdev->rss.hash_types);
	return 0;
}

/* Types with which @flow hashes the fields asked for. */
static int ceth_flow_types(const struct ceth_dev *cdev,
			   const struct ceth_flow *flow, u64 data, u32 *types,
			   struct netlink_ext_ack *extack)
{
	u32 want = *types & ~(flow->l3 | flow->l4);

	if (data == CETH_RXH_L4)
		want |= flow->l4 | (*types & flow->l3);
	else if (data == CETH_RXH_L3)
		want |= flow->l3;
	if (ceth_flow_fields(flow, want) != data) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "%s: %s, or nothing", flow->name,
				       flow->l4 ? "sd, sdfn" : "sd");
		return -EOPNOTSUPP;
	}
	if (want & ~cdev->caps.hash_types) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "this device cannot hash %s of %s",
				       data == CETH_RXH_L4 ? "ports" : "addresses",
				       flow->name);
		return -EOPNOTSUPP;
	}
	*types = want;
	return 0;
}

/* One switch covers the addresses of all packets of an IP version: a change
 * of one flow that would change another one, which the user did not ask for,
 * is refused. Only the flow of the IP version itself takes with it those whose
 * ports the device cannot hash.
 */
static int ceth_flow_conflict(const struct ceth_dev *cdev,
			      const struct ceth_flow *flow, u32 types,
			      struct netlink_ext_ack *extack)
{
	bool l3 = flow->type == IPV4_FLOW || flow->type == IPV6_FLOW;
	u32 old = cdev->rss.hash_types, i;

	for (i = 0; i < ARRAY_SIZE(ceth_flows); i++) {
		const struct ceth_flow *other = &ceth_flows[i];

		if (other == flow ||
		    (l3 && !(other->l4 & cdev->caps.hash_types)) ||
		    ceth_flow_fields(other, types) ==
		    ceth_flow_fields(other, old))
			continue;
		NL_SET_ERR_MSG_FMT_MOD(extack, "would change %s too: set that first",
				       other->name);
		return -EINVAL;
	}
	return 0;
}

static int ceth_set_rxfh_fields(struct net_device *dev,
				const struct ethtool_rxfh_fields *fields,
				struct netlink_ext_ack *extack)
{
	const struct ceth_flow *flow = ceth_flow_find(fields->flow_type);
	struct ceth_dev *cdev = netdev_priv(dev);
	u32 types = cdev->rss.hash_types;
	struct ceth_rss *old;
	int err;

	if (!flow) {
		NL_SET_ERR_MSG_MOD(extack, "no such flow: tcp4, udp4, ip4, tcp6, udp6, ip6");
		return -EOPNOTSUPP;
	}
	err = ceth_flow_types(cdev, flow, fields->data, &types, extack);
	if (err)
		return err;
	err = ceth_flow_conflict(cdev, flow, types, extack);
	if (err || types == cdev->rss.hash_types)
		return err;

	old = kmemdup(&cdev->rss, sizeof(*old), GFP_KERNEL);
	if (!old)
		return -ENOMEM;
	cdev->rss.hash_types = types;
	err = ceth_rss_commit(cdev, old, extack);
	kfree(old);
	return err;
}

CETH_RXFH_OPS(ceth_get_rx_ring_count, ceth_get_rxfh_fields,
	      ceth_set_rxfh_fields, ceth_get_rules, ceth_set_rules)

/**
 * ceth_rss_ethtool_init() - offer what the device has
 * @cdev: the device
 */
void ceth_rss_ethtool_init(struct ceth_dev *cdev)
{
	bool rss = ceth_has(cdev, CETH_CAP_RSS);

	ceth_rxfh_ops_init(&cdev->eops, rss && cdev->caps.hash_types,
			   ceth_has(cdev, CETH_CAP_NTUPLE));
	if (!rss)
		return;
	cdev->eops.get_rxfh_indir_size = ceth_get_rxfh_indir_size;
	cdev->eops.get_rxfh_key_size = ceth_get_rxfh_key_size;
	cdev->eops.get_rxfh = ceth_get_rxfh;
	cdev->eops.set_rxfh = ceth_set_rxfh;
}
