// SPDX-License-Identifier: GPL-2.0
/* CETH core: statistics.
 *
 * Counters live in the pairs, for as long as the device: no change of queues
 * loses one. What each means is said at &struct ceth_rx_stats and &struct
 * ceth_tx_stats; where each is shown, beside its queue's own name in
 * ``ethtool -S`` (S) and netdev-genl's queue statistics (Q), is this:
 *
 *	ip -s link		is the sum over all pairs of
 *	rx_packets, rx_bytes	packets, bytes: all frames taken from the
 *				device, whatever became of them; what it has
 *				coalesced counts as its segments
 *	rx_errors		drop_desc + drop_len
 *	rx_length_errors	drop_len
 *	rx_dropped		drop_nomem + drop_xdp_frags + drop_unread +
 *				xdp_aborted + xdp_redirect_err + xsk_full:
 *				taken, then lost against the will of whom it
 *				concerned. Not xdp_drop, which is a verdict.
 *	tx_packets, tx_bytes	packets + xdp_packets + xsk_packets, and their
 *				bytes: all that was given to the device
 *	tx_dropped		drop_map + drop_down + xdp_full + xdp_tx_err:
 *				never given to the device
 *	tx_errors		lost: given to the device, thrown away by a
 *				stop or reset before it was completed
 *	and what the device says of itself: see devstats.c
 *
 *	Q rx	packets, bytes, alloc_fail (with xsk_starved: no chunk is no
 *		buffer), csum_unnecessary, csum_none,
 *		hw_gro_packets, hw_gro_bytes, hw_gro_wire_packets,
 *		hw_gro_wire_bytes (where the device coalesces by itself)
 *	Q tx	packets, bytes (as tx_packets, tx_bytes), csum_none,
 *		needs_csum (a packet left to segment counts as its segments),
 *		hw_gso_packets, hw_gso_bytes, hw_gso_wire_packets, stop, wake
 *	S	the tables below; and page_pool's own counters, which begin anew
 *		with each receive queue
 *
 * A device without an offload has no counter for it.
 */
#include <net/page_pool/helpers.h>

#include "core.h"

struct ceth_stat {
	char name[ETH_GSTRING_LEN - 8];
	u16 off;
};

#define CETH_RX_STAT(f)	{ #f, offsetof(struct ceth_rx_stats, f) }
#define CETH_TX_STAT(f)	{ #f, offsetof(struct ceth_tx_stats, f) }

static const struct ceth_stat ceth_rx_strings[] = {
	CETH_RX_STAT(xdp_pass),
	CETH_RX_STAT(xdp_drop),
	CETH_RX_STAT(xdp_tx),
	CETH_RX_STAT(xdp_redirect),
	CETH_RX_STAT(xdp_aborted),
	CETH_RX_STAT(xdp_tx_err),
	CETH_RX_STAT(xdp_redirect_err),
	CETH_RX_STAT(drop_desc),
	CETH_RX_STAT(drop_len),
	CETH_RX_STAT(drop_nomem),
	CETH_RX_STAT(drop_xdp_frags),
	CETH_RX_STAT(drop_unread),
	CETH_RX_STAT(xsk_full),
	CETH_RX_STAT(xsk_copied),
	CETH_RX_STAT(xsk_starved),
	CETH_RX_STAT(xsk_wakeups),
	CETH_RX_STAT(polls),
};

static const struct ceth_stat ceth_tx_strings[] = {
	CETH_TX_STAT(xdp_packets),
	CETH_TX_STAT(xdp_full),
	CETH_TX_STAT(xsk_packets),
	CETH_TX_STAT(xsk_invalid),
	CETH_TX_STAT(drop_map),
	CETH_TX_STAT(drop_down),
	CETH_TX_STAT(kicks),
	CETH_TX_STAT(bad_cmpl),
	CETH_TX_STAT(lost),
	CETH_TX_STAT(timeouts),
};

/* The counters of a group are neighbours, and all u64. */
static void ceth_copy_group(u64 *dst, const u64 *first, const u64 *last)
{
	while (first <= last)
		*dst++ = READ_ONCE(*first++);
}

static void ceth_rx_stats_read(const struct ceth_pair *pair,
			       struct ceth_rx_stats *s)
{
	const struct ceth_rx_stats *stats = &pair->rx_stats;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		ceth_copy_group(&s->packets, &stats->packets,
				&stats->polls);
	} while (u64_stats_fetch_retry(&stats->syncp, start));
	s->xsk_wakeups = atomic64_read(&pair->xsk_wakeups);
}

static void ceth_tx_stats_copy(const struct ceth_tx_stats *stats,
			       struct ceth_tx_stats *s)
{
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		ceth_copy_group(&s->packets, &stats->packets,
				&stats->kicks);
	} while (u64_stats_fetch_retry(&stats->syncp, start));
	do {
		start = u64_stats_fetch_begin(&stats->csyncp);
		ceth_copy_group(&s->wake, &stats->wake, &stats->timeouts);
	} while (u64_stats_fetch_retry(&stats->csyncp, start));
}

/* Of the pair's queue, and of the one for XDP that may come and go. */
static void ceth_tx_stats_read(const struct ceth_pair *pair,
			       struct ceth_tx_stats *s)
{
	struct ceth_tx_stats xdp;

	ceth_tx_stats_copy(&pair->tx_stats, s);
	ceth_tx_stats_copy(&pair->xdp_stats, &xdp);
	s->xdp_packets += xdp.xdp_packets;
	s->xdp_bytes += xdp.xdp_bytes;
	s->xdp_full += xdp.xdp_full;
	s->kicks += xdp.kicks;
	s->bad_cmpl += xdp.bad_cmpl;
	s->lost += xdp.lost;
}

/**
 * ceth_get_stats64() - ndo_get_stats64
 * @dev: network device
 * @s: zeroed
 *
 * Without any lock: procfs calls under RCU only.
 */
void ceth_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_rx_stats rx;
	struct ceth_tx_stats tx;
	u32 i;

	for (i = 0; i < cdev->caps.max_pairs; i++) {
		ceth_rx_stats_read(&cdev->pairs[i], &rx);
		ceth_tx_stats_read(&cdev->pairs[i], &tx);

		s->rx_packets += rx.packets;
		s->rx_bytes += rx.bytes;
		s->rx_errors += rx.drop_desc + rx.drop_len;
		s->rx_length_errors += rx.drop_len;
		s->rx_dropped += rx.drop_nomem + rx.drop_xdp_frags +
				 rx.drop_unread + rx.xdp_aborted +
				 rx.xdp_redirect_err + rx.xsk_full;
		s->tx_packets += tx.packets + tx.xdp_packets +
				 tx.xsk_packets;
		s->tx_bytes += tx.bytes + tx.xdp_bytes + tx.xsk_bytes;
		s->tx_dropped += tx.drop_map + tx.drop_down + tx.xdp_full +
				 rx.xdp_tx_err;
		s->tx_errors += tx.lost;
	}
	ceth_dstats_link(cdev, s);
}

/* Statistics which are not assigned are not reported. */
static void ceth_qstats_rx_zero(const struct ceth_dev *cdev,
				struct netdev_queue_stats_rx *q)
{
	q->packets = 0;
	q->bytes = 0;
	q->alloc_fail = 0;
	if (cdev->caps.features & CETH_F_RX_CSUM) {
		q->csum_unnecessary = 0;
		q->csum_none = 0;
	}
	if (cdev->caps.features & CETH_F_HW_GRO) {
		q->hw_gro_packets = 0;
		q->hw_gro_bytes = 0;
	}
	if (cdev->caps.gro_max_segs) {
		q->hw_gro_wire_packets = 0;
		q->hw_gro_wire_bytes = 0;
	}
}

static void ceth_qstats_rx_add(const struct ceth_pair *pair,
			       struct netdev_queue_stats_rx *q)
{
	const struct ceth_caps *caps = &pair->cdev->caps;
	u32 features = caps->features;
	struct ceth_rx_stats s;

	ceth_rx_stats_read(pair, &s);
	q->packets += s.packets;
	q->bytes += s.bytes;
	q->alloc_fail += s.alloc_fail + s.xsk_starved;
	if (features & CETH_F_RX_CSUM) {
		q->csum_unnecessary += s.csum_unnecessary;
		q->csum_none += s.csum_none;
	}
	if (features & CETH_F_HW_GRO) {
		q->hw_gro_packets += s.hw_gro_packets;
		q->hw_gro_bytes += s.hw_gro_bytes;
	}
	if (caps->gro_max_segs) {
		q->hw_gro_wire_packets += s.hw_gro_wire_packets;
		q->hw_gro_wire_bytes += s.hw_gro_wire_bytes;
	}
}

#define CETH_F_GSO	(CETH_F_TSO4 | CETH_F_TSO6 | CETH_F_USO)

static void ceth_qstats_tx_zero(const struct ceth_dev *cdev,
				struct netdev_queue_stats_tx *q)
{
	q->packets = 0;
	q->bytes = 0;
	q->stop = 0;
	q->wake = 0;
	if (cdev->caps.features & CETH_F_TX_CSUM) {
		q->csum_none = 0;
		q->needs_csum = 0;
	}
	if (cdev->caps.features & CETH_F_GSO) {
		q->hw_gso_packets = 0;
		q->hw_gso_bytes = 0;
		q->hw_gso_wire_packets = 0;
	}
}

static void ceth_qstats_tx_add(const struct ceth_pair *pair,
			       struct netdev_queue_stats_tx *q)
{
	u32 features = pair->cdev->caps.features;
	struct ceth_tx_stats s;

	ceth_tx_stats_read(pair, &s);
	q->packets += s.packets + s.xdp_packets + s.xsk_packets;
	q->bytes += s.bytes + s.xdp_bytes + s.xsk_bytes;
	q->stop += s.stop;
	q->wake += s.wake;
	if (features & CETH_F_TX_CSUM) {
		q->csum_none += s.csum_none + s.xdp_packets +
				s.xsk_packets - s.xsk_csum;
		q->needs_csum += s.needs_csum + s.xsk_csum;
	}
	if (features & CETH_F_GSO) {
		q->hw_gso_packets += s.gso_packets;
		q->hw_gso_bytes += s.gso_bytes;
		q->hw_gso_wire_packets += s.gso_segs;
	}
}

static void ceth_get_queue_stats_rx(struct net_device *dev, int idx,
				    struct netdev_queue_stats_rx *q)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	ceth_qstats_rx_zero(cdev, q);
	ceth_qstats_rx_add(&cdev->pairs[idx], q);
}

static void ceth_get_queue_stats_tx(struct net_device *dev, int idx,
				    struct netdev_queue_stats_tx *q)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	ceth_qstats_tx_zero(cdev, q);
	ceth_qstats_tx_add(&cdev->pairs[idx], q);
}

/* What is not in a queue that the stack asks for: the stack adds those below
 * real_num_*_queues, so that the sum is over all pairs at any time.
 */
static void ceth_get_base_stats(struct net_device *dev,
				struct netdev_queue_stats_rx *rx,
				struct netdev_queue_stats_tx *tx)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	u32 i;

	ceth_qstats_rx_zero(cdev, rx);
	for (i = dev->real_num_rx_queues; i < cdev->caps.max_pairs; i++)
		ceth_qstats_rx_add(&cdev->pairs[i], rx);
	ceth_qstats_tx_zero(cdev, tx);
	for (i = dev->real_num_tx_queues; i < cdev->caps.max_pairs; i++)
		ceth_qstats_tx_add(&cdev->pairs[i], tx);
	ceth_dstats_base(cdev, rx, tx);
}

const struct netdev_stat_ops ceth_stat_ops = {
	.get_queue_stats_rx	= ceth_get_queue_stats_rx,
	.get_queue_stats_tx	= ceth_get_queue_stats_tx,
	.get_base_stats		= ceth_get_base_stats,
};

/* ethtool -S shows the pairs that are configured, up or down. Count, strings
 * and values are asked for one by one; each is under the configuration lock,
 * and ethtool gives values only for the count that it was asked for.
 */

/**
 * ceth_stats_sset_count() - how many strings
 * @dev: network device
 * @sset: string set
 *
 * Return: how many, or -EOPNOTSUPP.
 */
int ceth_stats_sset_count(struct net_device *dev, int sset)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return 1 + CETH_FAULT_NUM + ceth_dstats_count(cdev) +
	       cdev->cfg.n_pairs * (ARRAY_SIZE(ceth_rx_strings) +
				    ARRAY_SIZE(ceth_tx_strings)) +
	       page_pool_ethtool_stats_get_count();
}

/**
 * ceth_stats_strings() - names of the values
 * @dev: network device
 * @sset: string set
 * @data: filled in
 */
void ceth_stats_strings(struct net_device *dev, u32 sset, u8 *data)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	u32 i, j;

	if (sset != ETH_SS_STATS)
		return;
	ethtool_puts(&data, "recoveries");
	for (i = 0; i < CETH_FAULT_NUM; i++)
		ethtool_sprintf(&data, "fault_%s", ceth_fault_names[i]);
	ceth_dstats_strings(cdev, &data);
	for (i = 0; i < cdev->cfg.n_pairs; i++) {
		for (j = 0; j < ARRAY_SIZE(ceth_rx_strings); j++)
			ethtool_sprintf(&data, "rx%u_%s", i,
					ceth_rx_strings[j].name);
		for (j = 0; j < ARRAY_SIZE(ceth_tx_strings); j++)
			ethtool_sprintf(&data, "tx%u_%s", i,
					ceth_tx_strings[j].name);
	}
	page_pool_ethtool_stats_get_strings(data);
}

static void ceth_stats_get_pools(const struct ceth_dev *cdev, u64 *data)
{
#ifdef CONFIG_PAGE_POOL_STATS
	struct page_pool_stats stats = {};
	u32 i;

	for (i = 0; i < cdev->cfg.n_pairs; i++) {
		const struct ceth_rxq *rxq = cdev->pairs[i].rxq;

		if (rxq && rxq->pool)
			page_pool_get_stats(rxq->pool, &stats);
	}
	page_pool_ethtool_stats_get(data, &stats);
#endif
}

static u64 ceth_stat_at(const void *stats, const struct ceth_stat *stat)
{
	return *(const u64 *)(stats + stat->off);
}

/**
 * ceth_stats_get() - values
 * @dev: network device
 * @stats: as asked for
 * @data: filled in
 */
void ceth_stats_get(struct net_device *dev, struct ethtool_stats *stats,
		    u64 *data)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_rx_stats rx;
	struct ceth_tx_stats tx;
	u32 i, j;

	*data++ = cdev->recoveries;
	for (i = 0; i < CETH_FAULT_NUM; i++)
		*data++ = atomic_long_read(&cdev->health.count[i]);
	data = ceth_dstats_get(cdev, data);
	for (i = 0; i < cdev->cfg.n_pairs; i++) {
		ceth_rx_stats_read(&cdev->pairs[i], &rx);
		for (j = 0; j < ARRAY_SIZE(ceth_rx_strings); j++)
			*data++ = ceth_stat_at(&rx, &ceth_rx_strings[j]);
		ceth_tx_stats_read(&cdev->pairs[i], &tx);
		for (j = 0; j < ARRAY_SIZE(ceth_tx_strings); j++)
			*data++ = ceth_stat_at(&tx, &ceth_tx_strings[j]);
	}
	ceth_stats_get_pools(cdev, data);
}
