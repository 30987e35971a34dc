// SPDX-License-Identifier: GPL-2.0
/* CETH core: steering by rules (ethtool -N).
 *
 * A field is looked at as a whole or not at all: that is what devices can do
 * that match exactly. The user's own words are kept, to show them.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/in.h>
#include <linux/slab.h>

#include "core.h"

/**
 * struct ceth_rule_slot - a location
 * @used: there is a rule
 * @fs: as the user said it
 * @rule: as the device is told
 */
struct ceth_rule_slot {
	bool used;
	struct ethtool_rx_flow_spec fs;
	struct ceth_rule rule;
};

/* Is a mask all ones (the field counts) or all zeroes? Else -EOPNOTSUPP. */
static int ceth_rule_mask(struct ceth_rule *rule, u32 field, const void *mask,
			  u32 len)
{
	if (!memchr_inv(mask, 0, len))
		return 0;
	if (memchr_inv(mask, 0xff, len))
		return -EOPNOTSUPP;
	rule->fields |= field;
	return 0;
}

static int ceth_rule_v4(struct ceth_rule *rule,
			const struct ethtool_rx_flow_spec *fs, u8 proto)
{
	const struct ethtool_tcpip4_spec *m = &fs->m_u.tcp_ip4_spec;
	const struct ethtool_tcpip4_spec *h = &fs->h_u.tcp_ip4_spec;

	rule->proto = proto;
	rule->fields |= CETH_RULE_PROTO;
	memcpy(rule->saddr, &h->ip4src, sizeof(h->ip4src));
	memcpy(rule->daddr, &h->ip4dst, sizeof(h->ip4dst));
	rule->sport = h->psrc;
	rule->dport = h->pdst;
	if (m->tos)
		return -EOPNOTSUPP;
	return ceth_rule_mask(rule, CETH_RULE_SADDR, &m->ip4src, 4) ?:
	       ceth_rule_mask(rule, CETH_RULE_DADDR, &m->ip4dst, 4) ?:
	       ceth_rule_mask(rule, CETH_RULE_SPORT, &m->psrc, 2) ?:
	       ceth_rule_mask(rule, CETH_RULE_DPORT, &m->pdst, 2);
}

static int ceth_rule_v6(struct ceth_rule *rule,
			const struct ethtool_rx_flow_spec *fs, u8 proto)
{
	const struct ethtool_tcpip6_spec *m = &fs->m_u.tcp_ip6_spec;
	const struct ethtool_tcpip6_spec *h = &fs->h_u.tcp_ip6_spec;

	rule->v6 = true;
	rule->proto = proto;
	rule->fields |= CETH_RULE_PROTO;
	memcpy(rule->saddr, h->ip6src, sizeof(h->ip6src));
	memcpy(rule->daddr, h->ip6dst, sizeof(h->ip6dst));
	rule->sport = h->psrc;
	rule->dport = h->pdst;
	if (m->tclass)
		return -EOPNOTSUPP;
	return ceth_rule_mask(rule, CETH_RULE_SADDR, m->ip6src, 16) ?:
	       ceth_rule_mask(rule, CETH_RULE_DADDR, m->ip6dst, 16) ?:
	       ceth_rule_mask(rule, CETH_RULE_SPORT, &m->psrc, 2) ?:
	       ceth_rule_mask(rule, CETH_RULE_DPORT, &m->pdst, 2);
}

/* Any protocol: the addresses are in the same place, the ports do not count. */
static int ceth_rule_ip(struct ceth_rule *rule,
			const struct ethtool_rx_flow_spec *fs)
{
	const struct ethtool_usrip4_spec *m4 = &fs->m_u.usr_ip4_spec;
	const struct ethtool_usrip6_spec *m6 = &fs->m_u.usr_ip6_spec;
	int err;

	if ((fs->flow_type & ~(FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS)) ==
	    IPV6_USER_FLOW) {
		if (m6->l4_4_bytes || m6->tclass)
			return -EOPNOTSUPP;
		err = ceth_rule_v6(rule, fs, fs->h_u.usr_ip6_spec.l4_proto);
		if (m6->l4_proto != 0xff)
			rule->proto = 0;
	} else {
		if (m4->l4_4_bytes || m4->tos)
			return -EOPNOTSUPP;
		err = ceth_rule_v4(rule, fs, fs->h_u.usr_ip4_spec.proto);
		if (m4->proto != 0xff)
			rule->proto = 0;
	}
	return err;
}

static int ceth_rule_ether(struct ceth_rule *rule,
			   const struct ethtool_rx_flow_spec *fs)
{
	const struct ethhdr *m = &fs->m_u.ether_spec;

	if (m->h_proto || !is_zero_ether_addr(m->h_source))
		return -EOPNOTSUPP;
	ether_addr_copy(rule->dmac, fs->h_u.ether_spec.h_dest);
	return ceth_rule_mask(rule, CETH_RULE_DMAC, m->h_dest, ETH_ALEN);
}

static int ceth_rule_ext(struct ceth_rule *rule,
			 const struct ethtool_rx_flow_spec *fs)
{
	__be16 mask = fs->m_ext.vlan_tci;
	int err;

	if (fs->flow_type & FLOW_MAC_EXT) {
		ether_addr_copy(rule->dmac, fs->h_ext.h_dest);
		err = ceth_rule_mask(rule, CETH_RULE_DMAC, fs->m_ext.h_dest,
				     ETH_ALEN);
		if (err)
			return err;
	}
	if (!(fs->flow_type & FLOW_EXT))
		return 0;
	if (fs->m_ext.vlan_etype || fs->m_ext.data[0] || fs->m_ext.data[1])
		return -EOPNOTSUPP;
	if (!mask)
		return 0;
	/* The VLAN, with or without the rest of the tag, which must be 0. */
	if ((ntohs(mask) & VLAN_VID_MASK) != VLAN_VID_MASK ||
	    (ntohs(fs->h_ext.vlan_tci & mask) & ~VLAN_VID_MASK))
		return -EOPNOTSUPP;
	rule->vid = ntohs(fs->h_ext.vlan_tci) & VLAN_VID_MASK;
	rule->fields |= CETH_RULE_VLAN;
	return 0;
}

/* A queue, or what is added to the queues of a context's table */
static int ceth_rule_target(struct ceth_dev *cdev, struct ceth_rule *rule,
			    const struct ethtool_rx_flow_spec *fs, u32 ctx)
{
	u64 queue = ethtool_get_flow_spec_ring(fs->ring_cookie);
	const struct ceth_rss *rss;
	u64 last = queue;

	rule->rss = fs->flow_type & FLOW_RSS;
	if (rule->rss) {
		if (!ceth_has(cdev, CETH_CAP_RSS_CTX))
			return -EOPNOTSUPP;
		rss = ceth_rss_find(cdev, ctx);
		if (!rss || fs->ring_cookie == RX_CLS_FLOW_DISC)
			return -EINVAL;
		rule->ctx = ctx;
		last += ceth_rss_last(cdev, rss);
	}
	if (fs->ring_cookie == RX_CLS_FLOW_DISC) {
		rule->queue = CETH_RULE_DROP;
		return 0;
	}
	if (ethtool_get_flow_spec_ring_vf(fs->ring_cookie) ||
	    last >= cdev->cfg.n_pairs)
		return -EINVAL;
	rule->queue = queue;
	return 0;
}

static int ceth_rule_parse(struct ceth_dev *cdev, struct ceth_rule *rule,
			   const struct ethtool_rx_flow_spec *fs, u32 ctx)
{
	int err;

	memset(rule, 0, sizeof(*rule));
	err = ceth_rule_target(cdev, rule, fs, ctx);
	if (err)
		return err;
	switch (fs->flow_type & ~(FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS)) {
	case TCP_V4_FLOW:
		err = ceth_rule_v4(rule, fs, IPPROTO_TCP);
		break;
	case UDP_V4_FLOW:
		err = ceth_rule_v4(rule, fs, IPPROTO_UDP);
		break;
	case TCP_V6_FLOW:
		err = ceth_rule_v6(rule, fs, IPPROTO_TCP);
		break;
	case UDP_V6_FLOW:
		err = ceth_rule_v6(rule, fs, IPPROTO_UDP);
		break;
	case IP_USER_FLOW:
	case IPV6_USER_FLOW:
		err = ceth_rule_ip(rule, fs);
		break;
	case ETHER_FLOW:
		err = ceth_rule_ether(rule, fs);
		break;
	default:
		err = -EOPNOTSUPP;
		break;
	}
	return err ?: ceth_rule_ext(rule, fs);
}

static int ceth_rule_put(struct ceth_dev *cdev, u32 loc,
			 const struct ceth_rule *rule)
{
	if (!cdev->running)
		return 0;
	return cdev->ops->set_rule(cdev->priv, loc, rule);
}

/* Where a rule goes if the user does not mind: to the place of the one that it
 * replaces, since one of two alike would never count; or behind all that have
 * been placed on purpose.
 */
static int ceth_rule_place(const struct ceth_dev *cdev,
			   const struct ceth_rule *rule)
{
	const struct ceth_rule_slot *slot;
	struct ceth_rule old;
	int i, found = -ENOSPC;

	for (i = 0; i < cdev->caps.max_rules; i++) {
		slot = &cdev->rules[i];
		if (!slot->used) {
			found = i;
			continue;
		}
		old = slot->rule;
		old.rss = rule->rss;
		old.ctx = rule->ctx;
		old.queue = rule->queue;
		if (!memcmp(&old, rule, sizeof(old)))
			return i;
	}
	return found;
}

static int ceth_rule_insert(struct ceth_dev *cdev,
			    struct ethtool_rx_flow_spec *fs, u32 ctx)
{
	struct ceth_rule_slot *slot;
	struct ceth_rule rule;
	int err, loc;

	err = ceth_rule_parse(cdev, &rule, fs, ctx);
	if (err)
		return err;
	if (fs->location & RX_CLS_LOC_SPECIAL) {
		if (fs->location != RX_CLS_LOC_ANY)
			return -EOPNOTSUPP;
		loc = ceth_rule_place(cdev, &rule);
		if (loc < 0)
			return loc;
		fs->location = loc;
	}
	if (fs->location >= cdev->caps.max_rules)
		return -EINVAL;
	err = ceth_rule_put(cdev, fs->location, &rule);
	if (err)
		return err;
	slot = &cdev->rules[fs->location];
	cdev->n_rules += !slot->used;
	slot->used = true;
	slot->fs = *fs;
	slot->rule = rule;
	return 0;
}

static int ceth_rule_delete(struct ceth_dev *cdev, u32 loc)
{
	int err;

	if (loc >= cdev->caps.max_rules || !cdev->rules[loc].used)
		return -ENOENT;
	err = ceth_rule_put(cdev, loc, NULL);
	if (err)
		return err;
	cdev->rules[loc].used = false;
	cdev->n_rules--;
	return 0;
}

/**
 * ceth_set_rules() - changes by ethtool
 * @dev: network device
 * @nfc: what to change
 *
 * Return: 0 or a negative errno.
 */
int ceth_set_rules(struct net_device *dev, struct ethtool_rxnfc *nfc)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	if (!cdev->rules)
		return -EOPNOTSUPP;
	switch (nfc->cmd) {
	case ETHTOOL_SRXCLSRLINS:
		return ceth_rule_insert(cdev, &nfc->fs, nfc->rss_context);
	case ETHTOOL_SRXCLSRLDEL:
		return ceth_rule_delete(cdev, nfc->fs.location);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * ceth_get_rules() - questions by ethtool
 * @dev: network device
 * @nfc: question and answer
 * @locs: locations in use
 *
 * Return: 0 or a negative errno.
 */
int ceth_get_rules(struct net_device *dev, struct ethtool_rxnfc *nfc,
		   u32 *locs)
{
	const struct ceth_dev *cdev = netdev_priv(dev);
	u32 i, n = 0;

	if (!cdev->rules)
		return -EOPNOTSUPP;
	switch (nfc->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		nfc->rule_cnt = cdev->n_rules;
		nfc->data = cdev->caps.max_rules | RX_CLS_LOC_SPECIAL;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		i = nfc->fs.location;
		if (i >= cdev->caps.max_rules || !cdev->rules[i].used)
			return -ENOENT;
		nfc->fs = cdev->rules[i].fs;
		nfc->rss_context = cdev->rules[i].rule.ctx;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		for (i = 0; i < cdev->caps.max_rules; i++) {
			if (!cdev->rules[i].used)
				continue;
			if (n == nfc->rule_cnt)
				return -EMSGSIZE;
			locs[n++] = i;
		}
		nfc->data = cdev->caps.max_rules;
		nfc->rule_cnt = n;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * ceth_rules_apply() - tell a device that has forgotten them
 * @cdev: the device; under the configuration lock
 *
 * Return: 0 or the last errno.
 */
int ceth_rules_apply(struct ceth_dev *cdev)
{
	int err, ret = 0;
	u32 i;

	for (i = 0; cdev->rules && i < cdev->caps.max_rules; i++) {
		if (!cdev->rules[i].used)
			continue;
		err = ceth_rule_put(cdev, i, &cdev->rules[i].rule);
		if (err)
			ret = err;
	}
	return ret;
}

/**
 * ceth_rules_use() - do rules need these queues?
 * @cdev: the device
 * @from: first queue
 *
 * Return: one steers to a queue from @from on.
 */
bool ceth_rules_use(struct ceth_dev *cdev, u16 from)
{
	const struct ceth_rule *rule;
	u32 i, last;

	for (i = 0; cdev->rules && i < cdev->caps.max_rules; i++) {
		rule = &cdev->rules[i].rule;
		if (!cdev->rules[i].used || rule->queue == CETH_RULE_DROP)
			continue;
		last = rule->queue;
		/* A table that is not the user's is made anew. */
		if (rule->rss && (rule->ctx || cdev->rss_user))
			last += ceth_rss_last(cdev,
					      ceth_rss_find(cdev, rule->ctx));
		if (last >= from)
			return true;
	}
	return false;
}

/**
 * ceth_rules_name() - is a context of steering in use?
 * @cdev: the device
 * @ctx: its number
 * @add: the most that a rule adds to the queues of its table
 *
 * Return: a rule steers by it.
 */
bool ceth_rules_name(const struct ceth_dev *cdev, u32 ctx, u32 *add)
{
	bool found = false;
	u32 i;

	*add = 0;
	for (i = 0; cdev->rules && i < cdev->caps.max_rules; i++) {
		const struct ceth_rule *rule = &cdev->rules[i].rule;

		if (!cdev->rules[i].used || !rule->rss || rule->ctx != ctx)
			continue;
		found = true;
		*add = max_t(u32, *add, rule->queue);
	}
	return found;
}

/**
 * ceth_rules_alloc() - room for the rules
 * @cdev: the device; not yet registered
 *
 * Return: 0 or -ENOMEM.
 */
int ceth_rules_alloc(struct ceth_dev *cdev)
{
	if (!ceth_has(cdev, CETH_CAP_NTUPLE))
		return 0;
	cdev->rules = kvcalloc(cdev->caps.max_rules, sizeof(*cdev->rules),
			       GFP_KERNEL);
	return cdev->rules ? 0 : -ENOMEM;
}
