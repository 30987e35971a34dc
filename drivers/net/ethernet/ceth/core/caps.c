// SPDX-License-Identifier: GPL-2.0
/* CETH core: what a backend declares: does it make sense, and what follows. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/log2.h>

#include "core.h"

/* Entries of a ring, for a backend that does not care */
#define CETH_RING_DEF		1024

static void ceth_ring_default(struct ceth_ring_limits *ring)
{
	if (!ring->def)
		ring->def = clamp_t(u16, CETH_RING_DEF, ring->min, ring->max);
}

/**
 * ceth_caps_resolve() - leave out what the device has no use for without something
 *	else that it lacks, and fill in what the backend does not care for
 * @caps: capabilities
 */
void ceth_caps_resolve(struct ceth_caps *caps)
{
	u32 room = PAGE_SIZE - CETH_RX_HEADROOM - CETH_RX_TAILROOM - ETH_HLEN -
		   VLAN_HLEN;

	if (!(caps->caps & CETH_CAP_MULTI_BUF)) {
		caps->max_mtu = min_t(u32, caps->max_mtu, room);
		caps->features &= ~CETH_F_HW_GRO;
		caps->caps &= ~CETH_CAP_HDR_SPLIT;
	}
	if (!(caps->features & CETH_F_TX_CSUM))
		caps->features &= ~(CETH_F_TSO4 | CETH_F_TSO6 |
				    CETH_F_TSO_ECN | CETH_F_USO);
	if (!(caps->features & CETH_F_RX_CSUM))
		caps->features &= ~CETH_F_HW_GRO;
	if (!(caps->features & CETH_F_HW_GRO))
		caps->gro_max_segs = 0;
	if (!(caps->caps & CETH_CAP_CLOCK)) {
		caps->features &= ~CETH_F_RX_TIME;
		caps->caps &= ~CETH_CAP_LAUNCH;
	}
	if (!(caps->caps & CETH_CAP_RSS))
		caps->caps &= ~(CETH_CAP_RSS_CTX | CETH_CAP_RSS_SYM);
	if (!(caps->caps & CETH_CAP_NTUPLE))
		caps->caps &= ~CETH_CAP_RSS_CTX;
	caps->hash_types &= CETH_HASH_L4V4 | CETH_HASH_L4V6 | CETH_HASH_IPV4 |
			    CETH_HASH_IPV6;
	caps->hash_fields &= caps->hash_types;
	if (!(caps->caps & CETH_CAP_RSS_SYM) || !caps->hash_types) {
		caps->hash_fields = 0;
		caps->rss_xfrm = 0;
	}
	ceth_ring_default(&caps->rx_ring);
	ceth_ring_default(&caps->tx_ring);
	if (!caps->min_mtu)
		caps->min_mtu = ETH_MIN_MTU;
	if (!caps->mtu)
		caps->mtu = ETH_DATA_LEN;
	caps->mtu = clamp(caps->mtu, caps->min_mtu, caps->max_mtu);
}

static bool ceth_ring_ok(const struct ceth_ring_limits *ring)
{
	if (!is_power_of_2(ring->min) || !is_power_of_2(ring->max) ||
	    ring->min > ring->max)
		return false;
	return !ring->def || (is_power_of_2(ring->def) &&
			      ring->min <= ring->def && ring->def <= ring->max);
}

/* What is wrong with the numbers? NULL: nothing. */
static const char *ceth_caps_numbers(const struct ceth_caps *caps)
{
	/* A packet of most segments must leave a ring that can be woken. */
	if (!ceth_ring_ok(&caps->rx_ring))
		return "rx_ring: not powers of two, min <= def <= max";
	if (!ceth_ring_ok(&caps->tx_ring))
		return "tx_ring: not powers of two, min <= def <= max";
	if (caps->tx_ring.min < 2 * CETH_TX_MAX_SEGS)
		return "tx_ring.min: no room for two packets of most segments";
	if (!caps->max_pairs || !caps->irqs || !caps->event_irq)
		return "no max_pairs, irqs or event_irq";
	if (caps->tx_max_segs < MAX_SKB_FRAGS + 1)
		return "tx_max_segs: less than MAX_SKB_FRAGS + 1";
	if (caps->tx_prefix > sizeof(struct xdp_frame))
		return "tx_prefix: more than a program leaves before a frame";
	if (caps->rx_prefix > CETH_RX_HEADROOM)
		return "rx_prefix: more than CETH_RX_HEADROOM";
	if (caps->max_mtu < max_t(u16, caps->min_mtu, ETH_MIN_MTU))
		return "max_mtu: less than min_mtu, or than any";
	return NULL;
}

/* What of the capabilities lacks something? NULL: nothing. */
static const char *ceth_caps_lack(const struct ceth_caps *caps,
				  const struct ceth_ops *ops, u32 has)
{
	u32 f = caps->features, c = caps->caps;

	if ((c & CETH_CAP_RSS) &&
	    (!ops->set_rss || !is_power_of_2(caps->rss_indir_len) ||
	     caps->rss_indir_len > CETH_RSS_INDIR_MAX ||
	     caps->rss_key_len > CETH_RSS_KEY_MAX))
		return "CETH_CAP_RSS without set_rss, or of impossible size";
	if ((c & CETH_CAP_RSS_CTX) && !caps->max_rss_ctx)
		return "CETH_CAP_RSS_CTX without max_rss_ctx";
	if ((c & CETH_CAP_RX_MODE) && !ops->set_rx_mode)
		return "CETH_CAP_RX_MODE without set_rx_mode";
	if ((c & CETH_CAP_SET_MAC) && !ops->set_mac)
		return "CETH_CAP_SET_MAC without set_mac";
	if ((c & CETH_CAP_LINK) && !ops->get_link)
		return "CETH_CAP_LINK without get_link";
	if ((f & CETH_F_VLAN_FILTER) && !ops->set_vlan)
		return "CETH_F_VLAN_FILTER without set_vlan";
	if ((f & CETH_F_HW_GRO) && !ops->set_features)
		return "CETH_F_HW_GRO without set_features";
	if (caps->coalesce && !ops->set_coalesce)
		return "interrupt moderation without set_coalesce";
	if ((c & CETH_CAP_NTUPLE) && (!ops->set_rule || !caps->max_rules))
		return "CETH_CAP_NTUPLE without set_rule or max_rules";
	if ((c & (CETH_CAP_TX_RATE | CETH_CAP_SHAPER)) && !ops->set_shaper)
		return "limits of rates without set_shaper";
	if ((c & CETH_CAP_FUNCTIONS) &&
	    (!ops->set_func || !ops->func_attached || !caps->max_funcs ||
	     !caps->max_func_pairs))
		return "CETH_CAP_FUNCTIONS without callbacks or numbers";
	if ((c & CETH_CAP_FUNC_RATE) && !(c & CETH_CAP_FUNCTIONS))
		return "CETH_CAP_FUNC_RATE without CETH_CAP_FUNCTIONS";
	if ((c & CETH_CAP_STATS) &&
	    (!ops->get_stats || !caps->stats || !caps->n_stats))
		return "CETH_CAP_STATS without get_stats, stats or n_stats";
	if ((c & CETH_CAP_CLOCK) && (!ops->clock_read || !ops->clock_set))
		return "CETH_CAP_CLOCK without clock_read or clock_set";
	if ((c & CETH_CAP_HDR_SPLIT) &&
	    (caps->rx_prefix || !(has & CETH_V_RX_HDR)))
		return "CETH_CAP_HDR_SPLIT with rx_prefix, or without rx_hdr";
	if ((c & CETH_CAP_LAUNCH) && !(has & CETH_V_TX_EXTRA))
		return "CETH_CAP_LAUNCH without tx_extra";
	if ((f & CETH_F_TX_VLAN) && !(has & CETH_V_TX_EXTRA))
		return "CETH_F_TX_VLAN without tx_extra";
	if (caps->rx_buf_unit && (caps->rx_prefix || !ops->set_rx_max))
		return "rx_buf_unit with rx_prefix, or without set_rx_max";
	if (caps->tx_prefix && !(has & CETH_V_TX_PREFIX))
		return "tx_prefix bytes without the function";
	return NULL;
}

/* What is always called? NULL: all of it is there. */
static const char *ceth_ops_lack(const struct ceth_ops *ops)
{
	if (!ops->dev_init || !ops->dev_reset || !ops->event)
		return "no dev_init, dev_reset or event";
	if (!ops->ring_init || !ops->ring_start || !ops->ring_stop)
		return "no ring_init, ring_start or ring_stop";
	if (!ops->ring_entry && (!ops->ring_alloc || !ops->ring_free))
		return "neither ring_entry nor ring_alloc and ring_free";
	return NULL;
}

/**
 * ceth_caps_ok() - look at what a backend declares
 * @dev: its device
 * @caps: capabilities
 * @ops: slow path
 * @dp: fast path
 *
 * What is wrong is said in the log.
 *
 * Return: nothing contradicts itself, and nothing is missing.
 */
bool ceth_caps_ok(struct device *dev, const struct ceth_caps *caps,
		  const struct ceth_ops *ops, const struct ceth_datapath *dp)
{
	const char *why = ceth_ops_lack(ops);

	if (why) {
		dev_err(dev, "ceth: contract %s: %s\n", "B2", why);
		return false;
	}
	why = ceth_caps_numbers(caps) ?:
	      ceth_caps_lack(caps, ops, dp->verify->has());
	if (why)
		dev_err(dev, "ceth: contract %s: %s\n", "B1", why);
	return !why;
}
