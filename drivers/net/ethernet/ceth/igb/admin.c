// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the Intel 82576: what the core asks of the device. */
#include <linux/bitfield.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/iopoll.h>
#include <linux/mii.h>
#include <linux/seq_file.h>
#include <linux/unaligned.h>

#include "igb.h"

#define CIGB_MASTER_MS	100
#define CIGB_RESET_MS	10
#define CIGB_MDIC_MS	10
#define CIGB_MAX_FRAME	9728	/* reset value of RLPML */

/* No more requests on the bus, then reset; what the EEPROM has is read anew, the
 * PHY goes on (4.2.1.6.1, 5.2.3.3). On return the device owns nothing, even with an error.
 */
static int cigb_dev_reset(void *priv)
{
	struct cigb *v = priv;
	u32 val;

	v->up = false;
	cigb_clock_stop(v);
	cigb_write(v, CIGB_EIMC, ~0U);
	cigb_write(v, CIGB_IMC, ~0U);
	cigb_write(v, CIGB_RCTL, 0);
	cigb_write(v, CIGB_TCTL, CIGB_TCTL_PAD);
	val = cigb_read(v, CIGB_CTRL);
	if (val == CIGB_GONE)
		return -ENODEV;
	cigb_write(v, CIGB_CTRL, val | CIGB_CTRL_NO_MASTER);
	read_poll_timeout(cigb_read, val, !(val & CIGB_STATUS_MASTER), 100,
			  CIGB_MASTER_MS * USEC_PER_MSEC, false, v,
			  CIGB_STATUS);
	cigb_write(v, CIGB_CTRL, cigb_read(v, CIGB_CTRL) | CIGB_CTRL_RESET);
	fsleep(1000);
	/* There need not be an EEPROM, and not all that is one says so. */
	read_poll_timeout(cigb_read, val, val & CIGB_EECD_LOADED, 1000,
			  CIGB_RESET_MS * USEC_PER_MSEC, false, v, CIGB_EECD);
	cigb_write(v, CIGB_EIMC, ~0U);
	cigb_write(v, CIGB_IMC, ~0U);
	val = cigb_read(v, CIGB_CTRL);
	if (val == CIGB_GONE)
		return -ENODEV;
	return val & CIGB_CTRL_RESET ? -ETIMEDOUT : 0;
}

/* A register of the PHY (8.2.4). Returns what it has, or a negative errno. */
static int cigb_phy(struct cigb *v, u32 reg, u32 command)
{
	u32 val;

	cigb_write(v, CIGB_MDIC, command | FIELD_PREP(CIGB_MDIC_REG, reg) |
		   FIELD_PREP(CIGB_MDIC_PHY, CIGB_PHY));
	if (read_poll_timeout(cigb_read, val, val & CIGB_MDIC_READY, 50,
			      CIGB_MDIC_MS * USEC_PER_MSEC, false, v,
			      CIGB_MDIC) || val & CIGB_MDIC_ERROR)
		return -EIO;
	return FIELD_GET(CIGB_MDIC_DATA, val);
}

/* The reset may have cost the PHY its partner: have it look again. */
static int cigb_link_start(struct cigb *v)
{
	u32 ctrl = cigb_read(v, CIGB_CTRL);
	int bmsr, bmcr;

	ctrl &= ~(CIGB_CTRL_FORCE_SPEED | CIGB_CTRL_FORCE_DUPLEX);
	cigb_write(v, CIGB_CTRL, ctrl | CIGB_CTRL_LINK_UP);
	bmsr = cigb_phy(v, MII_BMSR, CIGB_MDIC_READ);
	if (bmsr < 0 || bmsr & BMSR_ANEGCOMPLETE)
		return min(bmsr, 0);
	bmcr = cigb_phy(v, MII_BMCR, CIGB_MDIC_READ);
	if (bmcr >= 0)
		bmcr = cigb_phy(v, MII_BMCR, CIGB_MDIC_WRITE | bmcr |
				BMCR_ANENABLE | BMCR_ANRESTART);
	return min(bmcr, 0);
}

/* A vector clears and masks itself when it is raised (7.3.4). */
static void cigb_irq_init(struct cigb *v)
{
	u32 all = BIT(cigb_vector(v->caps.max_pairs)) - 1;

	cigb_write(v, CIGB_GPIE, CIGB_GPIE_MSIX | CIGB_GPIE_PBA |
		   CIGB_GPIE_AUTO_MASK | CIGB_GPIE_NSICR);
	cigb_write(v, CIGB_EIAC, all);
	cigb_write(v, CIGB_EIAM, all);
	cigb_write(v, CIGB_IVAR_MISC, CIGB_IVAR_VALID << CIGB_IVAR_OTHER);
}

/* Nothing of the following is touched by a reset (4.2.2). */
static void cigb_filter_init(struct cigb *v)
{
	u32 i;

	for (i = 0; i < CIGB_MTA_LEN; i++)
		cigb_write(v, CIGB_MTA(i), 0);
	for (i = 0; i < CIGB_VFTA_LEN; i++)
		cigb_write(v, CIGB_VFTA(i), 0);
	for (i = 1; i < CIGB_RA_LEN; i++)
		cigb_write(v, CIGB_RAH(i), 0);
}

static int cigb_dev_init(void *priv)
{
	struct cigb *v = priv;

	memset(v->stats, 0, sizeof(v->stats));
	v->rctl = CIGB_RCTL_LONG | CIGB_RCTL_BROADCAST |
		  CIGB_RCTL_VLAN_FILTER | CIGB_RCTL_STRIP_FCS;
	cigb_irq_init(v);
	cigb_filter_init(v);
	cigb_clock_start(v);
	cigb_write(v, CIGB_RLPML, CIGB_MAX_FRAME);
	cigb_write(v, CIGB_TCTL, CIGB_TCTL_ENABLE | CIGB_TCTL_PAD |
		   CIGB_TCTL_CT | CIGB_TCTL_COLD);
	v->up = true;
	return cigb_link_start(v);
}

static int cigb_dev_run(void *priv, u16 n_pairs)
{
	struct cigb *v = priv;

	v->rctl |= CIGB_RCTL_ENABLE;
	cigb_write(v, CIGB_RCTL, v->rctl);
	cigb_write(v, CIGB_IMS, CIGB_INT_LINK);
	cigb_write(v, CIGB_EIMS, BIT(0));
	return 0;
}

/* Vector 0: not about a queue. Reading the causes clears them. */
static void cigb_event(void *priv)
{
	struct cigb *v = priv;
	u32 causes;

	if (!READ_ONCE(v->up))
		return;
	causes = cigb_read(v, CIGB_ICR);
	if (causes == CIGB_GONE)
		return;
	if (causes & CIGB_INT_LINK)
		ceth_link_changed(cigb_cdev(v));
	cigb_write(v, CIGB_EIMS, BIT(0));
}

static int cigb_set_features(void *priv, u32 on, u32 changed)
{
	u32 csum = CIGB_RXCSUM_HASH;
	struct cigb *v = priv;
	u32 ctrl;

	if (on & CETH_F_RX_CSUM)
		csum |= CIGB_RXCSUM_IP | CIGB_RXCSUM_L4;
	cigb_write(v, CIGB_RXCSUM, csum);
	ctrl = cigb_read(v, CIGB_CTRL) & ~CIGB_CTRL_VLAN;
	if (on & CETH_F_RX_VLAN)
		ctrl |= CIGB_CTRL_VLAN;
	cigb_write(v, CIGB_CTRL, ctrl);
	return 0;
}

/* Not valid between its halves */
static void cigb_set_ra(struct cigb *v, u32 i, const u8 *mac)
{
	cigb_write(v, CIGB_RAH(i), 0);
	if (!mac)
		return;
	cigb_write(v, CIGB_RAL(i), get_unaligned_le32(mac));
	cigb_write(v, CIGB_RAH(i), get_unaligned_le16(mac + 4) |
		   CIGB_RAH_VALID);
}

static int cigb_set_mac(void *priv, const u8 *mac)
{
	cigb_set_ra(priv, 0, mac);
	return 0;
}

/* Multicast addresses share bits of a table: bits 47:36 of an address (7.1.1.2).
 * Unicast ones that there is no register for open the filter.
 */
static int cigb_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	u32 mta[CIGB_MTA_LEN] = {}, rctl, bit, i;
	struct cigb *v = priv;

	for (i = 0; i < mode->n_mc; i++) {
		bit = get_unaligned_le16(mode->mc[i] + 4) >> 4;
		mta[bit / 32] |= BIT(bit % 32);
	}
	for (i = 0; i < CIGB_MTA_LEN; i++)
		cigb_write(v, CIGB_MTA(i), mta[i]);
	for (i = 1; i < CIGB_RA_LEN; i++)
		cigb_set_ra(v, i, i <= mode->n_uc ? mode->uc[i - 1] : NULL);

	rctl = v->rctl;
	if (mode->promisc)
		rctl &= ~CIGB_RCTL_VLAN_FILTER;
	if (mode->promisc || mode->n_uc >= CIGB_RA_LEN)
		rctl |= CIGB_RCTL_ALL_UC;
	if (mode->promisc || mode->allmulti)
		rctl |= CIGB_RCTL_ALL_MC;
	cigb_write(v, CIGB_RCTL, rctl);
	return 0;
}

static int cigb_set_rx_max(void *priv, u32 len)
{
	cigb_write(priv, CIGB_RLPML, len + ETH_FCS_LEN);
	return 0;
}

static int cigb_set_vlan(void *priv, u16 vid, bool on)
{
	struct cigb *v = priv;
	u32 val = cigb_read(v, CIGB_VFTA(vid / 32)) & ~BIT(vid % 32);

	if (on)
		val |= BIT(vid % 32);
	cigb_write(v, CIGB_VFTA(vid / 32), val);
	return 0;
}

/* 7.1.1.7. TCP over IPv6 has a type without extension headers and one with. */
static int cigb_set_rss(void *priv, u16 ctx, const struct ceth_rss *rss)
{
	static const struct {
		u32 type;
		u32 bits;
	} types[] = {
		{ CETH_HASH_IPV4, CIGB_MRQC_IPV4 },
		{ CETH_HASH_TCPV4, CIGB_MRQC_TCPV4 },
		{ CETH_HASH_UDPV4, CIGB_MRQC_UDPV4 },
		{ CETH_HASH_IPV6, CIGB_MRQC_IPV6 },
		{ CETH_HASH_TCPV6, CIGB_MRQC_TCPV6 | CIGB_MRQC_TCPV6EX },
		{ CETH_HASH_UDPV6, CIGB_MRQC_UDPV6 },
	};
	u32 mrqc = CIGB_MRQC_RSS, i, four;
	struct cigb *v = priv;

	for (i = 0; i < CIGB_RSS_KEY; i += 4)
		cigb_write(v, CIGB_RSSRK(i / 4),
			   get_unaligned_le32(rss->key + i));
	for (i = 0; i < CIGB_RETA_LEN; i += 4) {
		four = rss->indir[i] | rss->indir[i + 1] << 8 |
		       rss->indir[i + 2] << 16 | rss->indir[i + 3] << 24;
		cigb_write(v, CIGB_RETA(i / 4), four);
	}
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (rss->hash_types & types[i].type)
			mrqc |= types[i].bits;
	cigb_write(v, CIGB_MRQC, mrqc);
	return 0;
}

/* 7.3.4.2; whatever the vector is for */
static int cigb_set_coalesce(void *priv, u16 pair,
			     const struct ceth_coalesce *coal)
{
	cigb_write(priv, CIGB_EITR(cigb_vector(pair)), CIGB_EITR_KEEP |
		   FIELD_PREP(CIGB_EITR_USECS, coal->rx_usecs));
	return 0;
}

static void cigb_get_link(void *priv, struct ceth_link *link)
{
	static const u16 speeds[] = { 10, 100, 1000, 1000 };
	u32 val = cigb_read(priv, CIGB_STATUS);

	if (val == CIGB_GONE || !(val & CIGB_STATUS_LINK))
		return;
	link->up = true;
	link->speed = speeds[FIELD_GET(CIGB_STATUS_SPEED, val)];
	link->full_duplex = val & CIGB_STATUS_DUPLEX;
}

/* Counters (8.18): they are cleared when they are read. Those of bytes have two
 * halves, and include the FCS of each frame of the entry before.
 */
static const struct ceth_dev_stats cigb_stats[] = {
	{ CETH_STAT_RX_FRAMES }, { CETH_STAT_RX_BYTES },
	{ CETH_STAT_TX_FRAMES }, { CETH_STAT_TX_BYTES },
	{ CETH_STAT_RX_MULTICAST }, { CETH_STAT_RX_BROADCAST },
	{ CETH_STAT_TX_MULTICAST }, { CETH_STAT_TX_BROADCAST },
	{ CETH_STAT_RX_CRC, "rx_crc" },
	{ CETH_STAT_RX_SYMBOL, "rx_symbol" },
	{ CETH_STAT_RX_ERROR, "rx_error" },
	{ CETH_STAT_RX_LENGTH, "rx_length" },
	{ CETH_STAT_RX_SHORT, "rx_undersize" },
	{ CETH_STAT_RX_SHORT, "rx_fragment" },
	{ CETH_STAT_RX_LONG, "rx_oversize" },
	{ CETH_STAT_RX_LONG, "rx_jabber" },
	{ CETH_STAT_RX_NO_BUFFER, "rx_missed" },
	{ CETH_STAT_OWN, "rx_no_buffer" },
	{ CETH_STAT_OWN, "rx_64" },
	{ CETH_STAT_OWN, "rx_65_127" },
	{ CETH_STAT_OWN, "rx_128_255" },
	{ CETH_STAT_OWN, "rx_256_511" },
	{ CETH_STAT_OWN, "rx_512_1023" },
	{ CETH_STAT_OWN, "rx_1024_max" },
	{ CETH_STAT_OWN, "tx_64" },
	{ CETH_STAT_OWN, "tx_65_127" },
	{ CETH_STAT_OWN, "tx_128_255" },
	{ CETH_STAT_OWN, "tx_256_511" },
	{ CETH_STAT_OWN, "tx_512_1023" },
	{ CETH_STAT_OWN, "tx_1024_max" },
	{ CETH_STAT_OWN, "tx_late_collision" },
	{ CETH_STAT_OWN, "rx_xon" },
	{ CETH_STAT_OWN, "rx_xoff" },
	{ CETH_STAT_OWN, "tx_xon" },
	{ CETH_STAT_OWN, "tx_xoff" },
	{ CETH_STAT_OWN, "tx_tso" },
};

static const u16 cigb_stat_regs[ARRAY_SIZE(cigb_stats)] = {
	0x4074, 0x4088, 0x4080, 0x4090, 0x407c, 0x4078, 0x40f0, 0x40f4, 0x4000,
	0x4008, 0x400c, 0x4040, 0x40a4, 0x40a8, 0x40ac, 0x40b0, 0x4010, 0x40a0,
	0x405c, 0x4060, 0x4064, 0x4068, 0x406c, 0x4070, 0x40d8, 0x40dc, 0x40e0,
	0x40e4, 0x40e8, 0x40ec, 0x4020, 0x4048, 0x4050, 0x404c, 0x4054, 0x40f8,
};

static_assert(ARRAY_SIZE(cigb_stats) <= CIGB_MAX_STATS);

static int cigb_get_stats(void *priv, u64 *val)
{
	struct cigb *v = priv;
	u64 n = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(cigb_stats); i++) {
		u32 reg = cigb_stat_regs[i];
		bool bytes = cigb_stats[i].kind == CETH_STAT_RX_BYTES ||
			     cigb_stats[i].kind == CETH_STAT_TX_BYTES;
		u64 frames = n;

		n = cigb_read(v, reg);
		if (n == CIGB_GONE)
			return -ENODEV;
		if (bytes) {
			n |= (u64)cigb_read(v, reg + 4) << 32;
			n -= min(n, frames * ETH_FCS_LEN);
		}
		v->stats[i] += n;
		val[i] = v->stats[i];
	}
	/* Often enough for the clock's place to count from */
	cigb_clock_read(v);
	return 0;
}

/* Registers that may be read at any time: name and place */
static const struct {
	const char *name;
	u32 reg;
} cigb_regs[] = {
	{ "CTRL", CIGB_CTRL }, { "STATUS", CIGB_STATUS },
	{ "EECD", CIGB_EECD }, { "RCTL", CIGB_RCTL }, { "TCTL", CIGB_TCTL },
	{ "GPIE", CIGB_GPIE }, { "EIMS", CIGB_EIMS }, { "EIAC", CIGB_EIAC },
	{ "EIAM", CIGB_EIAM }, { "IMS", CIGB_IMS }, { "RXCSUM", CIGB_RXCSUM },
	{ "RLPML", CIGB_RLPML }, { "MRQC", CIGB_MRQC },
	{ "TIMINCA", CIGB_TIMINCA },
};

static const u8 cigb_queue_regs[] = {
	CIGB_Q_BASE, CIGB_Q_BASE + 4, CIGB_Q_LEN, CIGB_Q_SRRCTL, CIGB_Q_HEAD,
	CIGB_Q_TAIL, CIGB_Q_CTL,
};

static u32 cigb_regs_len(void *priv)
{
	return (ARRAY_SIZE(cigb_regs) + CIGB_QUEUES * 2 *
		ARRAY_SIZE(cigb_queue_regs)) * sizeof(u32);
}

static void cigb_get_regs(void *priv, void *buf)
{
	u32 *to = buf, i, q;

	for (i = 0; i < ARRAY_SIZE(cigb_regs); i++)
		*to++ = cigb_read(priv, cigb_regs[i].reg);
	for (q = 0; q < CIGB_QUEUES; q++) {
		for (i = 0; i < ARRAY_SIZE(cigb_queue_regs); i++)
			*to++ = cigb_read(priv,
					  CIGB_RXQ(q, cigb_queue_regs[i]));
		for (i = 0; i < ARRAY_SIZE(cigb_queue_regs); i++)
			*to++ = cigb_read(priv,
					  CIGB_TXQ(q, cigb_queue_regs[i]));
	}
}

static void cigb_dump(void *priv, struct seq_file *s)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(cigb_regs); i++)
		seq_printf(s, "%s: %#x\n", cigb_regs[i].name,
			   cigb_read(priv, cigb_regs[i].reg));
}

const struct ceth_ops cigb_ops = {
	.dev_init	= cigb_dev_init,
	.dev_run	= cigb_dev_run,
	.dev_reset	= cigb_dev_reset,
	.event		= cigb_event,
	.ring_alloc	= cigb_ring_alloc,
	.ring_free	= cigb_ring_free,
	.ring_init	= cigb_ring_init,
	.ring_start	= cigb_ring_start,
	.ring_stop	= cigb_ring_stop,
	.set_features	= cigb_set_features,
	.set_mac	= cigb_set_mac,
	.set_rx_mode	= cigb_set_rx_mode,
	.set_rx_max	= cigb_set_rx_max,
	.set_vlan	= cigb_set_vlan,
	.set_rss	= cigb_set_rss,
	.set_coalesce	= cigb_set_coalesce,
	.clock_read	= cigb_clock_read,
	.clock_set	= cigb_clock_set,
	.get_link	= cigb_get_link,
	.get_stats	= cigb_get_stats,
	.regs_len	= cigb_regs_len,
	.get_regs	= cigb_get_regs,
	.dump		= cigb_dump,
};

/**
 * cigb_caps() - say what the device can
 * @v: the device, which was just reset: the EEPROM's address is in place
 */
void cigb_caps(struct cigb *v)
{
	struct ceth_caps *caps = &v->caps;

	caps->caps = CETH_CAP_QUEUE_RESTART | CETH_CAP_MULTI_BUF |
		     CETH_CAP_RSS | CETH_CAP_RX_MODE | CETH_CAP_SET_MAC |
		     CETH_CAP_LINK | CETH_CAP_COALESCE_QUEUE | CETH_CAP_CLOCK |
		     CETH_CAP_STATS | CETH_CAP_TX_TIMELY | CETH_CAP_TX_ALONE |
		     CETH_CAP_TX_L4 | CETH_CAP_GSO_NO_LEN;
	caps->features = CETH_F_RX_CSUM | CETH_F_TX_CSUM | CETH_F_TSO4 |
			 CETH_F_TSO6 | CETH_F_TSO_ECN | CETH_F_RX_HASH |
			 CETH_F_VLAN_FILTER | CETH_F_RX_VLAN | CETH_F_TX_VLAN;
	caps->max_pairs = CIGB_QUEUES;
	caps->rx_ring = (struct ceth_ring_limits){ 64, 4096 };
	caps->tx_ring = (struct ceth_ring_limits){ 64, 4096, 512 };
	caps->tx_max_segs = CETH_TX_MAX_SEGS;
	caps->tx_max_size = U16_MAX;
	caps->tx_max_l2 = 127;
	caps->tx_max_l3 = 511;
	caps->rx_buf_unit = SZ_1K;
	caps->max_mtu = CIGB_MAX_FRAME - ETH_HLEN - 2 * VLAN_HLEN - ETH_FCS_LEN;
	caps->rss_key_len = CIGB_RSS_KEY;
	caps->rss_indir_len = CIGB_RETA_LEN;
	caps->hash_types = CETH_HASH_IPV4 | CETH_HASH_IPV6 | CETH_HASH_L4;
	caps->max_filters = 4096;
	caps->coalesce = CETH_COAL_RX;
	caps->coal_usecs = 20;
	caps->coal_max_usecs = FIELD_MAX(CIGB_EITR_USECS);
	caps->stats = cigb_stats;
	caps->n_stats = ARRAY_SIZE(cigb_stats);
	put_unaligned_le32(cigb_read(v, CIGB_RAL(0)), caps->mac);
	put_unaligned_le16(cigb_read(v, CIGB_RAH(0)), caps->mac + 4);
}
