// SPDX-License-Identifier: GPL-2.0
/* CETH core: receive steering.
 *
 * A context is key, indirection table, inputs of the hash. The first is for
 * every frame, &ceth_dev.rss; the others, &ceth_dev.rss_ctx, are for what rules
 * send there. What they hold is in force, or will be when the device comes up.
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
 * @rss: a context of it, zero
 */
void ceth_rss_default(const struct ceth_dev *cdev, struct ceth_rss *rss)
{
	const struct ceth_caps *caps = &cdev->caps;
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

	if (rss->n_pairs == n_pairs)
		return;
	rss->n_pairs = n_pairs;
	for (i = 0; user && i < indir_len; i++)
		if (rss->indir[i] >= n_pairs)
			user = false;
	for (i = 0; !user && i < indir_len; i++)
		rss->indir[i] = ethtool_rxfh_indir_default(i, n_pairs);
}

/**
 * ceth_rss_find() - a context by its number
 * @cdev: the device
 * @ctx: number
 *
 * Return: steering of it; NULL: there is none.
 */
struct ceth_rss *ceth_rss_find(struct ceth_dev *cdev, u32 ctx)
{
	if (!ctx)
		return &cdev->rss;
	if (!cdev->rss_ctx || ctx > cdev->caps.max_rss_ctx)
		return NULL;
	return cdev->rss_ctx[ctx - 1];
}

static int ceth_rss_put(struct ceth_dev *cdev, u32 ctx,
			const struct ceth_rss *rss)
{
	if (!ceth_has(cdev, CETH_CAP_RSS) || !cdev->running)
		return 0;
	return cdev->ops->set_rss(cdev->priv, ctx, rss);
}

/**
 * ceth_rss_apply() - put &ceth_dev.rss in force
 * @cdev: the device
 *
 * Return: 0, also while it does not run; or the device's errno.
 */
int ceth_rss_apply(struct ceth_dev *cdev)
{
	return ceth_rss_put(cdev, 0, &cdev->rss);
}

/**
 * ceth_rss_apply_ctx() - tell a device that has forgotten them the contexts
 * @cdev: the device
 *
 * Return: 0 or the last errno.
 */
int ceth_rss_apply_ctx(struct ceth_dev *cdev)
{
	int err, ret = 0;
	u32 i;

	for (i = 0; cdev->rss_ctx && i < cdev->caps.max_rss_ctx; i++) {
		if (!cdev->rss_ctx[i])
			continue;
		cdev->rss_ctx[i]->n_pairs = cdev->cfg.n_pairs;
		err = ceth_rss_put(cdev, i + 1, cdev->rss_ctx[i]);
		if (err)
			ret = err;
	}
	return ret;
}

/**
 * ceth_rss_last() - what a table needs
 * @cdev: the device
 * @rss: steering
 *
 * Return: the last of the queues that it names.
 */
u32 ceth_rss_last(const struct ceth_dev *cdev, const struct ceth_rss *rss)
{
	u32 i, last = 0;

	for (i = 0; i < cdev->caps.rss_indir_len; i++)
		last = max_t(u32, last, rss->indir[i]);
	return last;
}

/**
 * ceth_rss_needs() - what tables need that the user has made
 * @cdev: the device
 *
 * A context's table is the user's, even if the core has filled it in.
 *
 * Return: the last of the queues that they name.
 */
u32 ceth_rss_needs(struct ceth_dev *cdev)
{
	u32 i, last = 0;

	if (cdev->rss_user)
		last = ceth_rss_last(cdev, &cdev->rss);
	for (i = 0; cdev->rss_ctx && i < cdev->caps.max_rss_ctx; i++)
		if (cdev->rss_ctx[i])
			last = max(last, ceth_rss_last(cdev, cdev->rss_ctx[i]));
	return last;
}

static bool ceth_rss_symmetric(const struct ceth_rss *rss)
{
	u32 without = rss->hash_without, source;

	for (; without; without >>= CETH_HASH_FIELD_BITS) {
		source = without & (CETH_HASH_SADDR | CETH_HASH_SPORT);
		if ((without & (CETH_HASH_DADDR | CETH_HASH_DPORT)) !=
		    source << 1)
			return false;
	}
	return true;
}

/* Put the steering @new of a context in force, or leave the old one there. */
static int ceth_rss_commit(struct ceth_dev *cdev, u32 ctx,
			   const struct ceth_rss *new,
			   struct netlink_ext_ack *extack)
{
	struct ceth_rss *rss = ceth_rss_find(cdev, ctx);
	u32 add = 0;
	int err;

	if (new->xfrm && !ceth_rss_symmetric(new)) {
		NL_SET_ERR_MSG_MOD(extack, "symmetric: both addresses or none, both ports or none");
		return -EINVAL;
	}
	if (ceth_rules_name(cdev, ctx, &add) &&
	    ceth_rss_last(cdev, new) + add >= cdev->cfg.n_pairs) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "a rule adds %u to the table's queues: there are %u",
				       add, cdev->cfg.n_pairs);
		return -EINVAL;
	}
	err = ceth_rss_put(cdev, ctx, new);
	if (!err) {
		if (rss)
			*rss = *new;
		return 0;
	}
	NL_SET_ERR_MSG_FMT_MOD(extack, "the device refused it (error %d)", err);
	if (rss && ceth_rss_put(cdev, ctx, rss))
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
	rxfh->input_xfrm = cdev->rss.xfrm;
	for (i = 0; rxfh->indir && i < cdev->caps.rss_indir_len; i++)
		rxfh->indir[i] = cdev->rss.indir[i];
	if (rxfh->key)
		memcpy(rxfh->key, cdev->rss.key, cdev->caps.rss_key_len);
	return 0;
}

/* What the user wants changed of @rss, which is not in force. */
static int ceth_rss_take(const struct ceth_dev *cdev, struct ceth_rss *rss,
			 const struct ethtool_rxfh_param *rxfh,
			 struct netlink_ext_ack *extack)
{
	u8 xfrm = rxfh->input_xfrm;
	u32 i;

	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG_MOD(extack, "the only hash function is toeplitz");
		return -EOPNOTSUPP;
	}
	if (xfrm != RXH_XFRM_NO_CHANGE) {
		if ((xfrm & ~cdev->caps.rss_xfrm) || (xfrm & (xfrm - 1))) {
			NL_SET_ERR_MSG_MOD(extack, "no such symmetric hash: see input-xfrm");
			return -EOPNOTSUPP;
		}
		rss->xfrm = xfrm;
	}
	for (i = 0; rxfh->indir && i < cdev->caps.rss_indir_len; i++) {
		if (rxfh->indir[i] >= cdev->cfg.n_pairs) {
			NL_SET_ERR_MSG_FMT_MOD(extack, "entry %u: queue %u of %u (ethtool -L)",
					       i, rxfh->indir[i],
					       cdev->cfg.n_pairs);
			return -EINVAL;
		}
		rss->indir[i] = rxfh->indir[i];
	}
	if (rxfh->key)
		memcpy(rss->key, rxfh->key, cdev->caps.rss_key_len);
	return 0;
}

static int ceth_rss_change(struct ceth_dev *cdev, u32 ctx,
			   const struct ethtool_rxfh_param *rxfh,
			   struct netlink_ext_ack *extack)
{
	struct ceth_rss *rss = ceth_rss_find(cdev, ctx), *new;
	int err;

	if (!rss) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "there is no context %u", ctx);
		return -ENOENT;
	}
	new = kmemdup(rss, sizeof(*rss), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	err = ceth_rss_take(cdev, new, rxfh, extack);
	if (!err)
		err = ceth_rss_commit(cdev, ctx, new, extack);
	kfree(new);
	return err;
}

static int ceth_set_rxfh(struct net_device *dev,
			 struct ethtool_rxfh_param *rxfh,
			 struct netlink_ext_ack *extack)
{
	return ceth_rss_change(netdev_priv(dev), rxfh->rss_context, rxfh,
			       extack);
}

static int ceth_modify_rxfh_context(struct net_device *dev,
				    struct ethtool_rxfh_context *ctx,
				    const struct ethtool_rxfh_param *rxfh,
				    struct netlink_ext_ack *extack)
{
	return ceth_rss_change(netdev_priv(dev), rxfh->rss_context, rxfh,
			       extack);
}

/* Contexts begin as the first one did, whatever has become of that. */
static int ceth_create_rxfh_context(struct net_device *dev,
				    struct ethtool_rxfh_context *ctx,
				    const struct ethtool_rxfh_param *rxfh,
				    struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	u32 i, id = rxfh->rss_context;
	struct ceth_rss *rss;
	int err;

	rss = kzalloc_obj(*rss);
	if (!rss)
		return -ENOMEM;
	ceth_rss_default(cdev, rss);
	err = ceth_rss_take(cdev, rss, rxfh, extack);
	if (!err)
		err = ceth_rss_commit(cdev, id, rss, extack);
	if (err) {
		kfree(rss);
		return err;
	}
	cdev->rss_ctx[id - 1] = rss;
	for (i = 0; i < cdev->caps.rss_indir_len; i++)
		ethtool_rxfh_context_indir(ctx)[i] = rss->indir[i];
	memcpy(ethtool_rxfh_context_key(ctx), rss->key, cdev->caps.rss_key_len);
	ctx->hfunc = ETH_RSS_HASH_TOP;
	ctx->input_xfrm = rss->xfrm;
	return 0;
}

static int ceth_remove_rxfh_context(struct net_device *dev,
				    struct ethtool_rxfh_context *ctx, u32 id,
				    struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	u32 add;
	int err;

	if (ceth_rules_name(cdev, id, &add)) {
		NL_SET_ERR_MSG_MOD(extack, "a rule steers to this context: ethtool -N");
		return -EBUSY;
	}
	err = ceth_rss_put(cdev, id, NULL);
	if (err) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "the device refused it (error %d)",
				       err);
		return err;
	}
	kfree(cdev->rss_ctx[id - 1]);
	cdev->rss_ctx[id - 1] = NULL;
	return 0;
}

/* Fields that a hash type includes are bits of ethtool's, moved. */
#define CETH_RXH_SHIFT	4
static_assert(CETH_HASH_SADDR << CETH_RXH_SHIFT == RXH_IP_SRC);
static_assert(CETH_HASH_DADDR << CETH_RXH_SHIFT == RXH_IP_DST);
static_assert(CETH_HASH_SPORT << CETH_RXH_SHIFT == RXH_L4_B_0_1);
static_assert(CETH_HASH_DPORT << CETH_RXH_SHIFT == RXH_L4_B_2_3);

static u32 ceth_type_shift(u32 type)
{
	return __ffs(type) * CETH_HASH_FIELD_BITS;
}

static u32 ceth_flow_fields(const struct ceth_flow *flow,
			    const struct ceth_rss *rss)
{
	u32 data = CETH_RXH_L4, type = rss->hash_types & flow->l4;

	if (!type) {
		data = CETH_RXH_L3;
		type = rss->hash_types & flow->l3;
	}
	if (!type)
		return 0;
	return data & ~((rss->hash_without >> ceth_type_shift(type)) <<
			CETH_RXH_SHIFT);
}

static int ceth_get_rxfh_fields(struct net_device *dev,
				struct ethtool_rxfh_fields *fields)
{
	const struct ceth_flow *flow = ceth_flow_find(fields->flow_type);
	const struct ceth_rss *rss;

	rss = ceth_rss_find(netdev_priv(dev), fields->rss_context);
	if (!rss)
		return -ENOENT;
	if (!flow)
		return -EOPNOTSUPP;
	fields->data = ceth_flow_fields(flow, rss);
	return 0;
}

/* Have the fields @data of @flow hashed, by the flow's own type if it has one
 * in the device whose fields can be left out, or by which types there are.
 */
static void ceth_flow_set(const struct ceth_dev *cdev, struct ceth_rss *rss,
			  const struct ceth_flow *flow, u64 data)
{
	u32 own = flow->l4 & cdev->caps.hash_types ?: flow->l3;
	u32 all = own == flow->l3 ? CETH_RXH_L3 : CETH_RXH_L4;
	u32 types = rss->hash_types & ~(flow->l3 | flow->l4);

	if (own & cdev->caps.hash_fields) {
		u32 shift = ceth_type_shift(own);
		u32 mask = (BIT(CETH_HASH_FIELD_BITS) - 1) << shift;

		rss->hash_types |= own;
		rss->hash_without &= ~mask;
		rss->hash_without |= ((all & ~data) >> CETH_RXH_SHIFT) << shift;
		return;
	}
	if (data == CETH_RXH_L4)
		types |= flow->l4 | (rss->hash_types & flow->l3);
	else if (data == CETH_RXH_L3)
		types |= flow->l3;
	rss->hash_types = types;
}

/* One switch covers the addresses of all packets of an IP version: a change
 * of one flow that would change another one, which the user did not ask for,
 * is refused. Only the flow of the IP version itself takes with it those whose
 * ports the device cannot hash.
 */
static int ceth_flow_conflict(const struct ceth_dev *cdev,
			      const struct ceth_flow *flow,
			      const struct ceth_rss *old,
			      const struct ceth_rss *new,
			      struct netlink_ext_ack *extack)
{
	bool l3 = flow->type == IPV4_FLOW || flow->type == IPV6_FLOW;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ceth_flows); i++) {
		const struct ceth_flow *other = &ceth_flows[i];

		if (other == flow ||
		    (l3 && !(other->l4 & cdev->caps.hash_types)) ||
		    ceth_flow_fields(other, new) ==
		    ceth_flow_fields(other, old))
			continue;
		NL_SET_ERR_MSG_FMT_MOD(extack, "would change %s too: set that first",
				       other->name);
		return -EINVAL;
	}
	return 0;
}

static int ceth_flow_check(const struct ceth_dev *cdev,
			   const struct ceth_flow *flow,
			   const struct ceth_rss *rss, u64 data,
			   struct netlink_ext_ack *extack)
{
	if (ceth_flow_fields(flow, rss) != data) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "%s: %s, or nothing", flow->name,
				       cdev->caps.hash_fields ? "some of sdfn" :
				       flow->l4 ? "sd, sdfn" : "sd");
		return -EOPNOTSUPP;
	}
	if (rss->hash_types & ~cdev->caps.hash_types) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "this device cannot hash %s of %s",
				       data == CETH_RXH_L4 ? "ports" : "addresses",
				       flow->name);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int ceth_set_rxfh_fields(struct net_device *dev,
				const struct ethtool_rxfh_fields *fields,
				struct netlink_ext_ack *extack)
{
	const struct ceth_flow *flow = ceth_flow_find(fields->flow_type);
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_rss *rss, *new;
	int err;

	rss = ceth_rss_find(cdev, fields->rss_context);
	if (!rss) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "there is no context %u",
				       fields->rss_context);
		return -ENOENT;
	}
	if (!flow) {
		NL_SET_ERR_MSG_MOD(extack, "no such flow: tcp4, udp4, ip4, tcp6, udp6, ip6");
		return -EOPNOTSUPP;
	}
	new = kmemdup(rss, sizeof(*rss), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	ceth_flow_set(cdev, new, flow, fields->data);
	err = ceth_flow_check(cdev, flow, new, fields->data, extack);
	if (!err)
		err = ceth_flow_conflict(cdev, flow, rss, new, extack);
	if (!err && memcmp(rss, new, sizeof(*rss)))
		err = ceth_rss_commit(cdev, fields->rss_context, new, extack);
	kfree(new);
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
	bool ctx = ceth_has(cdev, CETH_CAP_RSS_CTX);

	ceth_rxfh_ops_init(&cdev->eops, rss && cdev->caps.hash_types,
			   ceth_has(cdev, CETH_CAP_NTUPLE));
	if (!rss)
		return;
	cdev->eops.get_rxfh_indir_size = ceth_get_rxfh_indir_size;
	cdev->eops.get_rxfh_key_size = ceth_get_rxfh_key_size;
	cdev->eops.get_rxfh = ceth_get_rxfh;
	cdev->eops.set_rxfh = ceth_set_rxfh;
	ceth_rxfh_caps_init(&cdev->eops, cdev->caps.rss_xfrm, ctx);
	if (!ctx)
		return;
	cdev->eops.cap_rss_rxnfc_adds = true;
	cdev->eops.rxfh_max_num_contexts = cdev->caps.max_rss_ctx + 1;
	cdev->eops.create_rxfh_context = ceth_create_rxfh_context;
	cdev->eops.modify_rxfh_context = ceth_modify_rxfh_context;
	cdev->eops.remove_rxfh_context = ceth_remove_rxfh_context;
}

/**
 * ceth_rss_alloc() - room for the contexts
 * @cdev: the device; not yet registered
 *
 * Return: 0 or -ENOMEM.
 */
int ceth_rss_alloc(struct ceth_dev *cdev)
{
	if (!ceth_has(cdev, CETH_CAP_RSS_CTX))
		return 0;
	cdev->rss_ctx = kvcalloc(cdev->caps.max_rss_ctx,
				 sizeof(*cdev->rss_ctx), GFP_KERNEL);
	return cdev->rss_ctx ? 0 : -ENOMEM;
}

/**
 * ceth_rss_free() - undo ceth_rss_alloc()
 * @cdev: the device; not registered any more
 */
void ceth_rss_free(struct ceth_dev *cdev)
{
	u32 i;

	for (i = 0; cdev->rss_ctx && i < cdev->caps.max_rss_ctx; i++)
		kfree(cdev->rss_ctx[i]);
	kvfree(cdev->rss_ctx);
}
