// SPDX-License-Identifier: GPL-2.0
/* CETH core: statistics of the device itself.
 *
 * What the device loses before a queue, no queue counts. Its counters begin at 0
 * with each reset; the sums here go on. They are brought up to date whenever
 * somebody asks under the configuration lock, before the device is stopped, and
 * once a second for those who ask without it (ip -s link).
 *
 * Counters do not go backwards, and no wire is fast enough for what garbage
 * claims: such a sample is counted as bad and otherwise ignored. A device that
 * keeps saying so has begun anew, and is counted from there.
 *
 * What is shown where, beside CETH_STAT_OWN, which is in ethtool -S:
 *
 *	RX_MULTICAST		ip: multicast; eth-mac
 *	RX_CRC			ip: rx_crc_errors, rx_errors; eth-mac
 *	RX_SHORT, RX_LONG	ip: rx_length_errors, rx_errors; eth-mac; rmon
 *	RX_LENGTH		ip: rx_length_errors, rx_errors
 *	RX_ERROR		ip: rx_errors; eth-mac
 *	RX_NO_BUFFER		ip: rx_missed_errors; qstats: rx-hw-drop-overruns
 *	RX_CSUM			qstats: rx-csum-bad
 *	TX_ERROR		ip: tx_errors; eth-mac; qstats: tx-hw-drop-errors
 *	TX_CARRIER		ip: tx_carrier_errors, tx_errors; eth-mac
 *	all that is lost	qstats: rx-hw-drops, tx-hw-drops
 *	the others		eth-mac, eth-phy, rmon
 */
#include <linux/slab.h>

#include "core.h"

#define CETH_DSTATS_PERIOD	HZ
/* Bytes of a wire of 1 Tbit/s in a nanosecond */
#define CETH_DSTATS_RATE	125ULL
/* What may come on top, for clocks that are not exact */
#define CETH_DSTATS_SLACK	BIT_ULL(30)
/* Bad samples in a row that mean a new beginning */
#define CETH_DSTATS_STRIKES	3

static bool ceth_dstats_sane(const struct ceth_dstats *d, u32 n, u64 most)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (d->now[i] < d->last[i] || d->now[i] - d->last[i] > most)
			return false;
	return true;
}

static void ceth_dstats_take(struct ceth_dstats *d, u32 n, bool add)
{
	u32 i;

	u64_stats_update_begin(&d->syncp);
	for (i = 0; i < n; i++) {
		if (add)
			WRITE_ONCE(d->sum[i],
				   d->sum[i] + d->now[i] - d->last[i]);
		d->last[i] = d->now[i];
	}
	u64_stats_update_end(&d->syncp);
}

/**
 * ceth_dstats_refresh() - ask the device
 * @cdev: the device; under the configuration lock
 *
 * What it counted since is in the sums; they stay as they are when there is no
 * answer, or one that cannot be. A device that has failed is not asked: that
 * may take long.
 */
void ceth_dstats_refresh(struct ceth_dev *cdev)
{
	struct ceth_dstats *d = &cdev->dstats;
	u64 at = ktime_get_ns(), most;
	u32 n = d->n;

	if (!ceth_has(cdev, CETH_CAP_STATS) || !cdev->running || cdev->gone ||
	    test_bit(CETH_FAULT_DEVICE, &cdev->fault_pending))
		return;
	memset(d->now, 0, n * sizeof(*d->now));
	if (cdev->ops->get_stats(cdev->priv, d->now))
		return;
	most = (at - d->at) * CETH_DSTATS_RATE + CETH_DSTATS_SLACK;
	if (ceth_dstats_sane(d, n, most)) {
		d->strikes = 0;
		d->at = at;
		ceth_dstats_take(d, n, true);
		return;
	}
	d->bad++;
	if (!d->strikes++)
		netdev_warn(cdev->netdev, "the device's statistics make no sense, they are ignored\n");
	if (d->strikes < CETH_DSTATS_STRIKES)
		return;
	d->strikes = 0;
	d->at = at;
	ceth_dstats_take(d, n, false);
}

/**
 * ceth_dstats_begin() - the device has been reset and runs again
 * @cdev: the device; under the configuration lock
 */
void ceth_dstats_begin(struct ceth_dev *cdev)
{
	struct ceth_dstats *d = &cdev->dstats;

	if (!ceth_has(cdev, CETH_CAP_STATS))
		return;
	memset(d->last, 0, d->n * sizeof(*d->last));
	d->at = ktime_get_ns();
	d->strikes = 0;
	queue_delayed_work(cdev->wq, &d->work, CETH_DSTATS_PERIOD);
}

/* Nobody waits for it, so it waits for nobody. */
static void ceth_dstats_work(struct work_struct *work)
{
	struct ceth_dstats *d = container_of(to_delayed_work(work),
					     struct ceth_dstats, work);
	struct ceth_dev *cdev = container_of(d, struct ceth_dev, dstats);
	unsigned long wait = HZ / 10;

	if (ceth_cfg_trylock(cdev->netdev)) {
		ceth_dstats_refresh(cdev);
		wait = cdev->running ? CETH_DSTATS_PERIOD : 0;
		ceth_cfg_unlock(cdev->netdev);
	}
	if (wait)
		queue_delayed_work(cdev->wq, &d->work, wait);
}

/* How many counters an entry of the backend's list stands for */
static u32 ceth_dstat_width(const struct ceth_dev_stats *stat)
{
	return stat->kind == CETH_STAT_RX_SIZE ||
	       stat->kind == CETH_STAT_TX_SIZE ? CETH_STAT_SIZES : 1;
}

/* Sum of a kind, and of a class of length of it; *@known if the device counts
 * it.
 */
static u64 ceth_dstat_class(const struct ceth_dev *cdev,
			    enum ceth_stat_kind kind, u32 class, bool *known)
{
	const struct ceth_dev_stats *stats = cdev->caps.stats;
	const struct ceth_dstats *d = &cdev->dstats;
	unsigned int start;
	u32 i, at;
	u64 sum;

	do {
		start = u64_stats_fetch_begin(&d->syncp);
		sum = 0;
		for (i = 0, at = 0; i < cdev->caps.n_stats; i++) {
			if (stats[i].kind == kind) {
				sum += READ_ONCE(d->sum[at + class]);
				if (known)
					*known = true;
			}
			at += ceth_dstat_width(&stats[i]);
		}
	} while (u64_stats_fetch_retry(&d->syncp, start));
	return sum;
}

static u64 ceth_dstat(const struct ceth_dev *cdev, enum ceth_stat_kind kind)
{
	return ceth_dstat_class(cdev, kind, 0, NULL);
}

/* For ethtool and netdev-genl: what is not known stays not set. */
static void ceth_dstat_set_class(const struct ceth_dev *cdev, u64 *to,
				 enum ceth_stat_kind kind, u32 class)
{
	bool known = false;
	u64 val = ceth_dstat_class(cdev, kind, class, &known);

	if (known)
		*to = val;
}

static void ceth_dstat_set(const struct ceth_dev *cdev, u64 *to,
			   enum ceth_stat_kind kind)
{
	ceth_dstat_set_class(cdev, to, kind, 0);
}

/* Received frames that were lost for their length */
static u64 ceth_dstat_length(const struct ceth_dev *cdev)
{
	return ceth_dstat(cdev, CETH_STAT_RX_LENGTH) +
	       ceth_dstat(cdev, CETH_STAT_RX_SHORT) +
	       ceth_dstat(cdev, CETH_STAT_RX_LONG);
}

/**
 * ceth_dstats_link() - the device's part of ip -s link
 * @cdev: the device
 * @s: added to
 *
 * Without any lock.
 */
void ceth_dstats_link(const struct ceth_dev *cdev, struct rtnl_link_stats64 *s)
{
	u64 crc, length, carrier;

	if (!ceth_has(cdev, CETH_CAP_STATS))
		return;
	crc = ceth_dstat(cdev, CETH_STAT_RX_CRC);
	length = ceth_dstat_length(cdev);
	carrier = ceth_dstat(cdev, CETH_STAT_TX_CARRIER);
	s->multicast = ceth_dstat(cdev, CETH_STAT_RX_MULTICAST);
	s->rx_crc_errors = crc;
	s->rx_length_errors += length;
	s->rx_errors += crc + length +
			ceth_dstat(cdev, CETH_STAT_RX_ERROR);
	s->rx_missed_errors = ceth_dstat(cdev, CETH_STAT_RX_NO_BUFFER);
	s->tx_carrier_errors = carrier;
	s->tx_errors += carrier + ceth_dstat(cdev, CETH_STAT_TX_ERROR);
}

/**
 * ceth_dstats_base() - the device's part of the queue statistics
 * @cdev: the device; under the configuration lock
 * @rx: set where the device counts
 * @tx: set where the device counts
 *
 * No queue is to blame for what did not reach one.
 */
void ceth_dstats_base(struct ceth_dev *cdev, struct netdev_queue_stats_rx *rx,
		      struct netdev_queue_stats_tx *tx)
{
	if (!ceth_has(cdev, CETH_CAP_STATS))
		return;
	ceth_dstats_refresh(cdev);
	rx->hw_drops = ceth_dstat(cdev, CETH_STAT_RX_NO_BUFFER) +
		       ceth_dstat(cdev, CETH_STAT_RX_FILTERED) +
		       ceth_dstat(cdev, CETH_STAT_RX_CRC) +
		       ceth_dstat_length(cdev) +
		       ceth_dstat(cdev, CETH_STAT_RX_ERROR);
	ceth_dstat_set(cdev, &rx->hw_drop_overruns, CETH_STAT_RX_NO_BUFFER);
	ceth_dstat_set(cdev, &rx->csum_bad, CETH_STAT_RX_CSUM);
	tx->hw_drops = ceth_dstat(cdev, CETH_STAT_TX_ERROR) +
		       ceth_dstat(cdev, CETH_STAT_TX_CARRIER);
	ceth_dstat_set(cdev, &tx->hw_drop_errors, CETH_STAT_TX_ERROR);
}

static void ceth_get_eth_mac_stats(struct net_device *dev,
				   struct ethtool_eth_mac_stats *s)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	ceth_dstats_refresh(cdev);
	ceth_dstat_set(cdev, &s->FramesReceivedOK, CETH_STAT_RX_FRAMES);
	ceth_dstat_set(cdev, &s->OctetsReceivedOK, CETH_STAT_RX_BYTES);
	ceth_dstat_set(cdev, &s->MulticastFramesReceivedOK,
		       CETH_STAT_RX_MULTICAST);
	ceth_dstat_set(cdev, &s->BroadcastFramesReceivedOK,
		       CETH_STAT_RX_BROADCAST);
	ceth_dstat_set(cdev, &s->FrameCheckSequenceErrors, CETH_STAT_RX_CRC);
	ceth_dstat_set(cdev, &s->FrameTooLongErrors, CETH_STAT_RX_LONG);
	ceth_dstat_set(cdev, &s->FramesLostDueToIntMACRcvError,
		       CETH_STAT_RX_ERROR);
	ceth_dstat_set(cdev, &s->FramesTransmittedOK, CETH_STAT_TX_FRAMES);
	ceth_dstat_set(cdev, &s->OctetsTransmittedOK, CETH_STAT_TX_BYTES);
	ceth_dstat_set(cdev, &s->MulticastFramesXmittedOK,
		       CETH_STAT_TX_MULTICAST);
	ceth_dstat_set(cdev, &s->BroadcastFramesXmittedOK,
		       CETH_STAT_TX_BROADCAST);
	ceth_dstat_set(cdev, &s->FramesLostDueToIntMACXmitError,
		       CETH_STAT_TX_ERROR);
	ceth_dstat_set(cdev, &s->CarrierSenseErrors, CETH_STAT_TX_CARRIER);
	/* ethtool's octets are those of the wire. */
	if (s->OctetsReceivedOK != ETHTOOL_STAT_NOT_SET)
		s->OctetsReceivedOK +=
			ceth_dstat(cdev, CETH_STAT_RX_FRAMES) * ETH_FCS_LEN;
	if (s->OctetsTransmittedOK != ETHTOOL_STAT_NOT_SET)
		s->OctetsTransmittedOK +=
			ceth_dstat(cdev, CETH_STAT_TX_FRAMES) * ETH_FCS_LEN;
}

static void ceth_get_eth_phy_stats(struct net_device *dev,
				   struct ethtool_eth_phy_stats *s)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	ceth_dstats_refresh(cdev);
	ceth_dstat_set(cdev, &s->SymbolErrorDuringCarrier,
		       CETH_STAT_RX_SYMBOL);
}

/* RFC 2819's, and what is longer than it knows */
static const struct ethtool_rmon_hist_range ceth_rmon_ranges[] = {
	{ 64, 64 },
	{ 65, 127 },
	{ 128, 255 },
	{ 256, 511 },
	{ 512, 1023 },
	{ 1024, 1518 },
	{ 1519, U16_MAX },
	{ }
};

static void ceth_get_rmon_stats(struct net_device *dev,
				struct ethtool_rmon_stats *s,
				const struct ethtool_rmon_hist_range **ranges)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	u32 i;

	BUILD_BUG_ON(ARRAY_SIZE(ceth_rmon_ranges) != CETH_STAT_SIZES + 1);
	*ranges = ceth_rmon_ranges;
	ceth_dstats_refresh(cdev);
	ceth_dstat_set(cdev, &s->undersize_pkts, CETH_STAT_RX_SHORT);
	ceth_dstat_set(cdev, &s->oversize_pkts, CETH_STAT_RX_LONG);
	for (i = 0; i < CETH_STAT_SIZES; i++) {
		ceth_dstat_set_class(cdev, &s->hist[i], CETH_STAT_RX_SIZE, i);
		ceth_dstat_set_class(cdev, &s->hist_tx[i], CETH_STAT_TX_SIZE,
				     i);
	}
}

static bool ceth_dstats_named(const struct ceth_dev *cdev, u32 i)
{
	return cdev->caps.stats[i].name;
}

/**
 * ceth_dstats_count() - how many lines of ethtool -S
 * @cdev: the device
 *
 * Return: how many.
 */
u32 ceth_dstats_count(const struct ceth_dev *cdev)
{
	u32 i, n = 0;

	if (!ceth_has(cdev, CETH_CAP_STATS))
		return 0;
	for (i = 0; i < cdev->caps.n_stats; i++)
		n += ceth_dstats_named(cdev, i);
	return n + 1;
}

/**
 * ceth_dstats_strings() - their names
 * @cdev: the device
 * @data: filled in, moved on
 */
void ceth_dstats_strings(const struct ceth_dev *cdev, u8 **data)
{
	u32 i;

	if (!ceth_has(cdev, CETH_CAP_STATS))
		return;
	ethtool_puts(data, "dev_bad_stats");
	for (i = 0; i < cdev->caps.n_stats; i++)
		if (ceth_dstats_named(cdev, i))
			ethtool_sprintf(data, "dev_%s",
					cdev->caps.stats[i].name);
}

/**
 * ceth_dstats_get() - their values
 * @cdev: the device; under the configuration lock
 * @data: filled in
 *
 * Return: what comes after them.
 */
u64 *ceth_dstats_get(struct ceth_dev *cdev, u64 *data)
{
	u32 i, at;

	if (!ceth_has(cdev, CETH_CAP_STATS))
		return data;
	ceth_dstats_refresh(cdev);
	*data++ = cdev->dstats.bad;
	for (i = 0, at = 0; i < cdev->caps.n_stats; i++) {
		if (ceth_dstats_named(cdev, i))
			*data++ = cdev->dstats.sum[at];
		at += ceth_dstat_width(&cdev->caps.stats[i]);
	}
	return data;
}

static bool ceth_dstats_has(const struct ceth_dev *cdev, u32 from, u32 to)
{
	u32 i;

	for (i = 0; i < cdev->caps.n_stats; i++)
		if (cdev->caps.stats[i].kind >= from &&
		    cdev->caps.stats[i].kind <= to)
			return true;
	return false;
}

/**
 * ceth_dstats_ethtool_init() - operations of this file
 * @cdev: the device; caps are final
 */
void ceth_dstats_ethtool_init(struct ceth_dev *cdev)
{
	if (!ceth_has(cdev, CETH_CAP_STATS))
		return;
	cdev->eops.get_eth_mac_stats = ceth_get_eth_mac_stats;
	if (ceth_dstats_has(cdev, CETH_STAT_RX_SYMBOL, CETH_STAT_RX_SYMBOL))
		cdev->eops.get_eth_phy_stats = ceth_get_eth_phy_stats;
	if (ceth_dstats_has(cdev, CETH_STAT_RX_SIZE, CETH_STAT_TX_SIZE))
		cdev->eops.get_rmon_stats = ceth_get_rmon_stats;
}

/**
 * ceth_dstats_alloc() - room for what the device counts
 * @cdev: the device
 *
 * Return: 0 or -ENOMEM.
 */
int ceth_dstats_alloc(struct ceth_dev *cdev)
{
	struct ceth_dstats *d = &cdev->dstats;
	u32 i, n = 0;

	INIT_DELAYED_WORK(&d->work, ceth_dstats_work);
	u64_stats_init(&d->syncp);
	if (!ceth_has(cdev, CETH_CAP_STATS))
		return 0;
	for (i = 0; i < cdev->caps.n_stats; i++)
		n += ceth_dstat_width(&cdev->caps.stats[i]);
	d->n = n;
	d->sum = kvcalloc(3 * n, sizeof(*d->sum), GFP_KERNEL);
	if (!d->sum)
		return -ENOMEM;
	d->last = d->sum + n;
	d->now = d->last + n;
	return 0;
}

/**
 * ceth_dstats_free() - undo ceth_dstats_alloc()
 * @cdev: the device
 */
void ceth_dstats_free(struct ceth_dev *cdev)
{
	kvfree(cdev->dstats.sum);
}
