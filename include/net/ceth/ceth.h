/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: what a backend promises and what it may call.
 *
 * A backend describes one kind of hardware: registers, descriptor formats,
 * doorbells, interrupt causes. It never sees a packet of the network stack, a
 * netlink message or a user request; it sees queues, buffers by DMA address
 * and the neutral records of this header. The core (ceth.ko) owns the rest.
 *
 * There are two halves:
 *  - this header: the slow path, a &struct ceth_ops of callbacks which the
 *    core calls indirectly, all of them in process context and serialised by
 *    the configuration lock (see below);
 *  - <net/ceth/datapath.h>: the fast path, inlined into the backend.
 *
 * Configuration lock
 *	The instance lock of the network device where the kernel has one, the
 *	rtnl lock elsewhere. Every callback of &struct ceth_ops runs under it
 *	unless its description says otherwise, so a backend needs no lock of
 *	its own against the core.
 *
 * Life of a device
 *	probe:	ceth_create(), ceth_register()
 *	up:	dev_reset, dev_init, ring_init and ring_start for every queue,
 *		dev_run, then each set_* callback once with the configuration in
 *		force
 *	one queue changes: ring_stop, ring_start on that queue while the others
 *		run (only with CETH_CAP_QUEUE_RESTART)
 *	down:	dev_reset, ring_stop for every queue
 *	remove:	ceth_unregister(), which takes the device down
 * set_* callbacks are only called between dev_run and dev_reset.
 */
#ifndef _NET_CETH_H
#define _NET_CETH_H

#include <linux/bits.h>
#include <linux/if_ether.h>
#include <linux/types.h>

struct ceth_datapath;
struct ceth_dev;
struct ceth_pair;
struct ceth_rxq;
struct ceth_txq;
struct dev_pm_ops;
struct device;
struct pci_dev;
struct seq_file;

/**
 * enum ceth_cap - what hardware can do, bits of &ceth_caps.caps
 * @CETH_CAP_QUEUE_RESTART: one queue can be stopped and started while the
 *	device runs. Without it every queue change restarts the whole device.
 * @CETH_CAP_MULTI_BUF: a received frame may fill several buffers. Without it
 *	the MTU is limited to one buffer.
 * @CETH_CAP_RSS: indirection table and key can be set (set_rss).
 * @CETH_CAP_RX_MODE: promiscuous, all-multicast and address filters can be
 *	set (set_rx_mode). Without it the device is taken to deliver every
 *	frame of the wire.
 * @CETH_CAP_SET_MAC: the device's own address can be changed (set_mac).
 * @CETH_CAP_LINK: link state is reported (get_link, ceth_link_changed()).
 *	Without it the link is always up while the device is.
 * @CETH_CAP_COALESCE_QUEUE: set_coalesce distinguishes queues.
 * @CETH_CAP_TX_RATE: the rate of a transmit queue can be limited, to the Mbit/s
 *	(set_shaper; neither bursts nor nodes).
 * @CETH_CAP_CLOCK: there is a clock (clock_read, clock_set), and packets get
 *	its time: those to send that ask for it (&ceth_dp_ops.tx_time), received
 *	ones where there is CETH_F_RX_TIME.
 * @CETH_CAP_NTUPLE: frames can be steered by rules (set_rule).
 * @CETH_CAP_LAUNCH: a packet is held until the clock reaches a time
 *	(&ceth_tx_meta.launch), and what follows in its queue with it; needs
 *	CETH_CAP_CLOCK and &ceth_dp_ops.tx_extra.
 * @CETH_CAP_SHAPER: rates of queues, of nodes that queues share, and of the
 *	port can be limited, to the bit per second (set_shaper).
 * @CETH_CAP_PHYS_ADDR: the device reads and writes physical memory by its
 *	address, whatever stands between bus and memory for others: what is
 *	sent needs no DMA mapping.
 * @CETH_CAP_RSS_CTX: there are further contexts of receive steering, which
 *	rules name (set_rss); needs CETH_CAP_RSS and CETH_CAP_NTUPLE.
 * @CETH_CAP_RSS_SYM: the input of the hash can be made symmetric
 *	(&ceth_caps.rss_xfrm), and parts of it left out
 *	(&ceth_caps.hash_fields); needs CETH_CAP_RSS.
 * @CETH_CAP_FUNCTIONS: the device can put devices of the same kind beside
 *	itself on its bus (set_func, func_attached).
 * @CETH_CAP_STATS: the device counts by itself (&ceth_caps.stats, get_stats).
 * @CETH_CAP_TX_TIMELY: what is given to a transmit queue begins to complete
 *	within seconds, whatever the far end does, and the last completion
 *	raises the interrupt: where it does not, something was lost. Without
 *	it the core does not look into queues that are not full.
 * @CETH_CAP_TX_ALONE: a transmit queue works without the receive queue of its
 *	index, with any pair's interrupt (&ceth_ring_conf.irq), whatever
 *	set_pairs says: XDP can have queues of its own.
 * @CETH_CAP_FUNC_RATE: what a function sends can be limited
 *	(&ceth_func.tx_bps); needs CETH_CAP_FUNCTIONS.
 * @CETH_CAP_HDR_SPLIT: a receive queue can have header buffers beside those
 *	for data (&ceth_ring_conf.hdr_len, &ceth_dp_ops.rx_hdr); needs
 *	CETH_CAP_MULTI_BUF, and no &ceth_caps.rx_prefix. The memory for data
 *	need not be any that a processor can read; its buffers have a page, or
 *	more, up to %CETH_HDS_BUF_MAX bytes.
 * @CETH_CAP_TX_L4: the device knows protocols: CETH_F_TX_CSUM and segmentation
 *	are for TCP and UDP over IPv4 or IPv6, not in tunnels, with headers
 *	that &ceth_caps.tx_max_l2 and &ceth_caps.tx_max_l3 allow.
 * @CETH_CAP_GSO_NO_LEN: of a packet that is to be segmented the device wants no
 *	lengths: the core takes that of the data out of the pseudo header's sum,
 *	which is in the place of the checksum, and sets the IP header's to 0,
 *	its checksum as well.
 */
enum ceth_cap {
	CETH_CAP_QUEUE_RESTART		= BIT(0),
	CETH_CAP_MULTI_BUF		= BIT(1),
	CETH_CAP_RSS			= BIT(2),
	CETH_CAP_RX_MODE		= BIT(3),
	CETH_CAP_SET_MAC		= BIT(4),
	CETH_CAP_LINK			= BIT(5),
	CETH_CAP_COALESCE_QUEUE		= BIT(6),
	CETH_CAP_TX_RATE		= BIT(7),
	CETH_CAP_CLOCK			= BIT(8),
	CETH_CAP_NTUPLE			= BIT(9),
	CETH_CAP_PHYS_ADDR		= BIT(10),
	CETH_CAP_RSS_CTX		= BIT(11),
	CETH_CAP_RSS_SYM		= BIT(12),
	CETH_CAP_LAUNCH			= BIT(13),
	CETH_CAP_SHAPER			= BIT(14),
	CETH_CAP_FUNCTIONS		= BIT(15),
	CETH_CAP_STATS			= BIT(16),
	CETH_CAP_TX_TIMELY		= BIT(17),
	CETH_CAP_TX_ALONE		= BIT(18),
	CETH_CAP_FUNC_RATE		= BIT(19),
	CETH_CAP_HDR_SPLIT		= BIT(20),
	CETH_CAP_TX_L4			= BIT(21),
	CETH_CAP_GSO_NO_LEN		= BIT(22),
};

/**
 * enum ceth_feature - per-packet work of the hardware, bits of
 *	&ceth_caps.features and of the set_features callback
 * @CETH_F_RX_CSUM: received checksums are verified (&ceth_rx_meta.flags).
 * @CETH_F_TX_CSUM: a 16-bit one's complement sum from any start to any
 *	offset of a packet (&ceth_tx_meta.csum_start).
 * @CETH_F_TSO4: TCP segmentation over IPv4.
 * @CETH_F_TSO6: TCP segmentation over IPv6.
 * @CETH_F_TSO_ECN: TCP segmentation handles CWR (first segment only).
 * @CETH_F_USO: UDP segmentation, both IP versions.
 * @CETH_F_HW_GRO: received TCP segments may be coalesced; needs
 *	CETH_F_RX_CSUM and CETH_CAP_MULTI_BUF.
 * @CETH_F_RX_HASH: a flow hash comes with each packet.
 * @CETH_F_VLAN_FILTER: VLANs are let through one by one (set_vlan).
 * @CETH_F_RX_VLAN: the tag of received frames is taken off
 *	(&ceth_rx_meta.vlan_tci).
 * @CETH_F_TX_VLAN: a tag is put into a packet (&ceth_tx_meta.vlan_tci).
 * @CETH_F_RX_TIME: the time of arrival comes with each frame; needs
 *	CETH_CAP_CLOCK.
 */
enum ceth_feature {
	CETH_F_RX_CSUM			= BIT(0),
	CETH_F_TX_CSUM			= BIT(1),
	CETH_F_TSO4			= BIT(2),
	CETH_F_TSO6			= BIT(3),
	CETH_F_TSO_ECN			= BIT(4),
	CETH_F_USO			= BIT(5),
	CETH_F_HW_GRO			= BIT(6),
	CETH_F_RX_HASH			= BIT(7),
	CETH_F_VLAN_FILTER		= BIT(8),
	CETH_F_RX_VLAN			= BIT(9),
	CETH_F_TX_VLAN			= BIT(10),
	CETH_F_RX_TIME			= BIT(12),
};

/**
 * enum ceth_hash_type - inputs of the receive hash (Microsoft's RSS
 *	definition; the layers a device can include)
 * @CETH_HASH_IPV4: IPv4 addresses
 * @CETH_HASH_TCPV4: IPv4 addresses, TCP ports
 * @CETH_HASH_UDPV4: IPv4 addresses, UDP ports
 * @CETH_HASH_IPV6: IPv6 addresses
 * @CETH_HASH_TCPV6: IPv6 addresses, TCP ports
 * @CETH_HASH_UDPV6: IPv6 addresses, UDP ports
 */
enum ceth_hash_type {
	CETH_HASH_IPV4			= BIT(0),
	CETH_HASH_TCPV4			= BIT(1),
	CETH_HASH_UDPV4			= BIT(2),
	CETH_HASH_IPV6			= BIT(3),
	CETH_HASH_TCPV6			= BIT(4),
	CETH_HASH_UDPV6			= BIT(5),
};

/**
 * enum ceth_hash_field - of what a hash type includes, what can be left out
 * @CETH_HASH_SADDR: source address
 * @CETH_HASH_DADDR: destination address
 * @CETH_HASH_SPORT: source port
 * @CETH_HASH_DPORT: destination port
 */
enum ceth_hash_field {
	CETH_HASH_SADDR			= BIT(0),
	CETH_HASH_DADDR			= BIT(1),
	CETH_HASH_SPORT			= BIT(2),
	CETH_HASH_DPORT			= BIT(3),
};

/** Bits of a type in &ceth_rss.hash_without; the lowest type comes first. */
#define CETH_HASH_FIELD_BITS	4

/**
 * enum ceth_rss_xfrm - what becomes of source and destination, both addresses
 *	and both ports, before they are hashed
 * @CETH_RSS_XOR: each is replaced by the exclusive or of the two
 * @CETH_RSS_OR_XOR: the source by the or, the destination by the exclusive or
 */
enum ceth_rss_xfrm {
	CETH_RSS_XOR			= BIT(0),
	CETH_RSS_OR_XOR			= BIT(1),
};

#define CETH_HASH_L4V4	(CETH_HASH_TCPV4 | CETH_HASH_UDPV4)
#define CETH_HASH_L4V6	(CETH_HASH_TCPV6 | CETH_HASH_UDPV6)
#define CETH_HASH_L4	(CETH_HASH_L4V4 | CETH_HASH_L4V6)

/**
 * enum ceth_coal_cap - interrupt moderation, bits of &ceth_caps.coalesce
 * @CETH_COAL_RX: receive interrupts can be delayed by time and by frames
 * @CETH_COAL_TX: the same for transmit completions
 */
enum ceth_coal_cap {
	CETH_COAL_RX			= BIT(0),
	CETH_COAL_TX			= BIT(1),
};

/** Classes of length: up to 64 bytes with FCS, 127, 255, 511, 1023, 1518, above */
#define CETH_STAT_SIZES		7

/**
 * enum ceth_stat_kind - what a counter of the device counts, where there is a usual
 *	place for it. Frames of the wire; a frame has one length, however many
 *	segments or buffers it had on the host's side. Several counters may be of
 *	one kind.
 * @CETH_STAT_OWN: something that has no usual place
 * @CETH_STAT_RX_FRAMES: frames given to a queue
 * @CETH_STAT_RX_BYTES: their bytes, without FCS
 * @CETH_STAT_RX_MULTICAST: multicast frames taken, without broadcast
 * @CETH_STAT_RX_BROADCAST: broadcast frames taken
 * @CETH_STAT_RX_CRC: lost for a wrong FCS
 * @CETH_STAT_RX_SHORT: lost: too short
 * @CETH_STAT_RX_LONG: lost: too long
 * @CETH_STAT_RX_LENGTH: lost: too short or too long
 * @CETH_STAT_RX_NO_BUFFER: lost: no buffer in the queue
 * @CETH_STAT_RX_FILTERED: not taken: for other stations, or by a rule
 * @CETH_STAT_RX_ERROR: lost for any other reason of the device's
 * @CETH_STAT_RX_CSUM: with a wrong checksum of layer 3 or 4; delivered
 * @CETH_STAT_RX_SYMBOL: symbol errors of the PHY
 * @CETH_STAT_TX_FRAMES: frames sent
 * @CETH_STAT_TX_BYTES: their bytes, without FCS
 * @CETH_STAT_TX_MULTICAST: multicast ones among them, without broadcast
 * @CETH_STAT_TX_BROADCAST: broadcast ones among them
 * @CETH_STAT_TX_ERROR: not sent: the device could make no sense of them
 * @CETH_STAT_TX_CARRIER: not sent: no link
 * @CETH_STAT_RX_SIZE: frames taken, by class of length: %CETH_STAT_SIZES
 *	counters, one after the other
 * @CETH_STAT_TX_SIZE: frames sent, in the same way
 * @CETH_STAT_NUM: number of kinds
 */
enum ceth_stat_kind {
	CETH_STAT_OWN,
	CETH_STAT_RX_FRAMES,
	CETH_STAT_RX_BYTES,
	CETH_STAT_RX_MULTICAST,
	CETH_STAT_RX_BROADCAST,
	CETH_STAT_RX_CRC,
	CETH_STAT_RX_SHORT,
	CETH_STAT_RX_LONG,
	CETH_STAT_RX_LENGTH,
	CETH_STAT_RX_NO_BUFFER,
	CETH_STAT_RX_FILTERED,
	CETH_STAT_RX_ERROR,
	CETH_STAT_RX_CSUM,
	CETH_STAT_RX_SYMBOL,
	CETH_STAT_TX_FRAMES,
	CETH_STAT_TX_BYTES,
	CETH_STAT_TX_MULTICAST,
	CETH_STAT_TX_BROADCAST,
	CETH_STAT_TX_ERROR,
	CETH_STAT_TX_CARRIER,
	CETH_STAT_RX_SIZE,
	CETH_STAT_TX_SIZE,
	CETH_STAT_NUM,
};

/**
 * struct ceth_dev_stats - a counter of the device
 * @kind: &enum ceth_stat_kind: where it is shown
 * @name: in ``ethtool -S``, where "dev\_" comes before it; at most 27 bytes;
 *	NULL where @kind is enough
 */
struct ceth_dev_stats {
	u16 kind;
	const char *name;
};

/** Longest buffer for data of a queue with header buffers, bytes. */
#define CETH_HDS_BUF_MAX	16384

/** Longest RSS key the core keeps, bytes. */
#define CETH_RSS_KEY_MAX	64
/** Longest indirection table the core keeps, entries. */
#define CETH_RSS_INDIR_MAX	1024

/**
 * struct ceth_ring_limits - descriptors of a ring
 * @min: smallest, a power of two
 * @max: largest, a power of two
 * @def: at first; 0: 1024, or as near to that as can be
 */
struct ceth_ring_limits {
	u16 min;
	u16 max;
	u16 def;
};

/**
 * struct ceth_caps - one device's hardware, stated once at ceth_create()
 * @caps: bits of &enum ceth_cap
 * @features: bits of &enum ceth_feature; one that needs another which is
 *	missing is ignored
 * @max_pairs: most receive/transmit queue pairs, each with an interrupt
 * @rx_ring: limits of a receive ring
 * @tx_ring: limits of a transmit ring
 * @tx_max_segs: most DMA segments of one packet, without the prefix segment
 * @tx_max_size: largest packet before segmentation, bytes
 * @tx_max_l2: with CETH_CAP_TX_L4: most bytes before the IP header
 * @tx_max_l3: with CETH_CAP_TX_L4: most bytes of the IP header
 * @rx_prefix: bytes that the device writes into a buffer before the frame
 * @rx_buf_unit: the device counts the length of buffers in so many bytes; needs
 *	set_rx_max, and no @rx_prefix. 0: to the byte
 * @tx_prefix: bytes that the device reads before the frame
 * @min_mtu: smallest MTU; 0: 68 (RFC 791)
 * @max_mtu: largest MTU; the core may lower it (&CETH_CAP_MULTI_BUF)
 * @mtu: at first; 0: 1500
 * @rss_key_len: bytes of the RSS key
 * @rss_indir_len: entries of the indirection table, a power of two
 * @hash_types: bits of &enum ceth_hash_type the device can compute
 * @hash_fields: those of @hash_types of which fields can be left out; with
 *	CETH_CAP_RSS_SYM
 * @rss_xfrm: bits of &enum ceth_rss_xfrm; with CETH_CAP_RSS_SYM
 * @max_rss_ctx: contexts of steering beside the first; with CETH_CAP_RSS_CTX
 * @max_filters: addresses that the receive filter holds; with
 *	CETH_CAP_RX_MODE
 * @max_rules: steering rules; with CETH_CAP_NTUPLE
 * @gro_max_segs: most segments that the device coalesces (CETH_RX_GRO); 0: it
 *	passes on what others have coalesced, at most
 * @max_nodes: nodes that queues can share; with CETH_CAP_SHAPER
 * @coalesce: bits of &enum ceth_coal_cap
 * @coal_usecs: interrupt delay at first
 * @coal_max_usecs: longest interrupt delay
 * @coal_max_frames: most frames an interrupt can be delayed by
 * @mac: permanent address; zero when the device has none
 * @irqs: Linux interrupt numbers, one per pair; belongs to the backend and
 *	stays valid as long as the device is registered
 * @event_irq: Linux interrupt number for all that is not about a queue; may be
 *	that of pair 0
 * @stats: what the device counts, with CETH_CAP_STATS; belongs to the backend
 *	and stays valid as long as the device is registered
 * @n_stats: entries of @stats
 * @max_funcs: functions, with CETH_CAP_FUNCTIONS
 * @max_func_pairs: queue pairs that they can have, all together, beside the
 *	device's own @max_pairs
 * @fw_version: what runs in the device; may be NULL
 */
struct ceth_caps {
	u32 caps;
	u32 features;
	u16 max_pairs;
	struct ceth_ring_limits rx_ring;
	struct ceth_ring_limits tx_ring;
	u16 tx_max_segs;
	u32 tx_max_size;
	u16 tx_max_l2;
	u16 tx_max_l3;
	u8 rx_prefix;
	u16 rx_buf_unit;
	u8 tx_prefix;
	u16 min_mtu;
	u16 max_mtu;
	u16 mtu;
	u16 rss_key_len;
	u16 rss_indir_len;
	u32 hash_types;
	u32 hash_fields;
	u8 rss_xfrm;
	u16 max_rss_ctx;
	u16 max_filters;
	u16 max_rules;
	u16 gro_max_segs;
	u16 max_nodes;
	u32 coalesce;
	u32 coal_usecs;
	u32 coal_max_usecs;
	u32 coal_max_frames;
	u8 mac[ETH_ALEN];
	const int *irqs;
	int event_irq;
	const struct ceth_dev_stats *stats;
	u16 n_stats;
	u16 max_funcs;
	u16 max_func_pairs;
	const char *fw_version;
};

/**
 * struct ceth_rx_mode - which frames the device delivers
 * @promisc: every frame
 * @allmulti: every multicast frame
 * @n_uc: secondary unicast addresses in @uc
 * @n_mc: multicast addresses in @mc
 * @uc: addresses, ETH_ALEN bytes each
 * @mc: addresses, ETH_ALEN bytes each; they come after those of @uc
 *
 * What &ceth_caps.max_filters has no room for is in @promisc or @allmulti.
 */
struct ceth_rx_mode {
	bool promisc;
	bool allmulti;
	u32 n_uc;
	u32 n_mc;
	const u8 (*uc)[ETH_ALEN];
	const u8 (*mc)[ETH_ALEN];
};

/**
 * struct ceth_rss - receive steering: a context of it
 * @key: Toeplitz key, &ceth_caps.rss_key_len bytes
 * @indir: queue of each entry, &ceth_caps.rss_indir_len entries, all below
 *	@n_pairs
 * @hash_types: bits of &enum ceth_hash_type to include
 * @hash_without: of each type the bits of &enum ceth_hash_field that count as
 *	zero; a type without all of its fields has no hash
 * @xfrm: one of &enum ceth_rss_xfrm, or 0; @hash_without is symmetric then
 * @n_pairs: queue pairs in use
 */
struct ceth_rss {
	u8 key[CETH_RSS_KEY_MAX];
	u16 indir[CETH_RSS_INDIR_MAX];
	u32 hash_types;
	u32 hash_without;
	u8 xfrm;
	u16 n_pairs;
};

/**
 * enum ceth_rule_field - what a rule looks at, bits of &ceth_rule.fields
 * @CETH_RULE_PROTO: IP version and protocol
 * @CETH_RULE_SADDR: source address
 * @CETH_RULE_DADDR: destination address
 * @CETH_RULE_SPORT: source port
 * @CETH_RULE_DPORT: destination port
 * @CETH_RULE_DMAC: destination MAC address
 * @CETH_RULE_VLAN: VLAN
 */
enum ceth_rule_field {
	CETH_RULE_PROTO			= BIT(0),
	CETH_RULE_SADDR			= BIT(1),
	CETH_RULE_DADDR			= BIT(2),
	CETH_RULE_SPORT			= BIT(3),
	CETH_RULE_DPORT			= BIT(4),
	CETH_RULE_DMAC			= BIT(5),
	CETH_RULE_VLAN			= BIT(6),
};

/** &ceth_rule.queue of frames to throw away */
#define CETH_RULE_DROP		U16_MAX

/**
 * struct ceth_rule - steering by exact match, before the hash
 * @fields: what has to match; 0: every frame does
 * @v6: version of IP
 * @proto: protocol: IPPROTO_TCP, IPPROTO_UDP; 0: any
 * @saddr: source address, of as many bytes as the version has
 * @daddr: destination address
 * @sport: source port
 * @dport: destination port
 * @dmac: destination MAC address
 * @vid: VLAN
 * @rss: the table of context @ctx says where the frames go
 * @ctx: of steering, 0: the first; with @rss
 * @queue: where the frames go, or %CETH_RULE_DROP; with @rss it is added to
 *	what the table says, which the device has a queue for
 */
struct ceth_rule {
	u32 fields;
	bool v6;
	u8 proto;
	u8 saddr[16];
	u8 daddr[16];
	__be16 sport;
	__be16 dport;
	u8 dmac[ETH_ALEN];
	u16 vid;
	bool rss;
	u16 ctx;
	u16 queue;
};

/* Lowest limit of a function, bit/s. Below that it would look like one that
 * hangs: it is its device that knows of the limit, and not the function.
 */
#define CETH_FUNC_BPS_MIN	1000000

/**
 * struct ceth_func - a function: a device that a device puts beside itself
 * @active: it is there, on the bus
 * @n_pairs: queue pairs of its own
 * @mac: its address, the only one that it can have: frames for it go nowhere
 *	else, and the function sends under no other
 * @tx_bps: limit of what it sends, bit/s, %CETH_FUNC_BPS_MIN or more; 0: none
 */
struct ceth_func {
	bool active;
	u16 n_pairs;
	u8 mac[ETH_ALEN];
	u64 tx_bps;
};

/**
 * struct ceth_coalesce - interrupt moderation of one queue pair
 * @rx_usecs: longest delay of a receive interrupt, microseconds
 * @rx_frames: frames that end the delay
 * @tx_usecs: the same for transmit completions
 * @tx_frames: the same for transmit completions
 */
struct ceth_coalesce {
	u32 rx_usecs;
	u32 rx_frames;
	u32 tx_usecs;
	u32 tx_frames;
};

/**
 * struct ceth_shaper - a limit of what is sent
 * @bps: bit/s, 1000 or more; 0: no limit
 * @burst: bytes that may go at once after a pause
 * @node: of a queue: the node whose limit it shares, 0: none. Else which node
 *	it is, 0: the port
 */
struct ceth_shaper {
	u64 bps;
	u32 burst;
	u16 node;
};

/**
 * struct ceth_clock - a change of the device's clock
 * @set: to @time, at once
 * @step: by @delta
 * @adjust: to run at @scaled_ppm
 * @time: ns
 * @delta: ns
 * @scaled_ppm: faster than by itself, in 2^-16 ppm
 */
struct ceth_clock {
	bool set;
	bool step;
	bool adjust;
	u64 time;
	s64 delta;
	long scaled_ppm;
};

/**
 * struct ceth_link - the wire
 * @up: carrier
 * @full_duplex: duplex, where @speed is known
 * @speed: Mbit/s, 0 when not known
 */
struct ceth_link {
	bool up;
	bool full_duplex;
	u32 speed;
};

/**
 * struct ceth_ring_conf - a ring to allocate
 * @size: descriptors, and ids; a power of two
 * @buf_len: receive: bytes of a buffer that the device may write, prefix
 *	included; any number from 256 on. With &ceth_caps.rx_buf_unit either a
 *	multiple of that, or no frame is longer (set_rx_max): the device may
 *	be told the next multiple then
 * @idx: index: that of the pair; of a transmit ring for XDP alone
 *	(CETH_CAP_TX_ALONE) one that no pair uses
 * @irq: the pair whose interrupt it has, by the same count
 * @tx: a transmit ring
 * @mem: memory, with &ceth_ops.ring_entry
 * @dma: where the device finds it
 * @hdr_dma: header buffers, one for each id: that of id n lies n * @hdr_len
 *	bytes from here
 * @hdr_len: bytes of a header buffer; 0: the queue has none, and a frame lies
 *	in its buffers as a whole. Only with CETH_CAP_HDR_SPLIT
 * @hdr_whole: frames of up to so many bytes go to the header buffer as a whole;
 *	at most @hdr_len
 */
struct ceth_ring_conf {
	void *mem;
	dma_addr_t dma;
	dma_addr_t hdr_dma;
	u16 hdr_len;
	u16 hdr_whole;
	u32 size;
	u32 buf_len;
	u16 idx;
	u16 irq;
	bool tx;
};

/**
 * struct ceth_ops - slow path of a backend
 *
 * All callbacks run in process context under the configuration lock and may
 * sleep. An int is 0 or a negative errno; the core reports it to the user.
 */
struct ceth_ops {
	/**
	 * @dev_init: bring a device that was just reset to the state in which
	 *	queues can be started
	 */
	int (*dev_init)(void *priv);
	/**
	 * @dev_run: all queues of the configuration are started: let traffic
	 *	flow over the first @n_pairs pairs. NULL: it does by itself,
	 *	as soon as a queue is started.
	 */
	int (*dev_run)(void *priv, u16 n_pairs);
	/**
	 * @event: the interrupt &ceth_caps.event_irq: find out what it is
	 *	about and call ceth_link_changed(), ceth_fault() and the like.
	 *	Hard interrupt context, whatever state the device is in; the
	 *	interrupt may be shared.
	 */
	void (*event)(void *priv);
	/**
	 * @dev_reset: stop everything at once. When it returns the device
	 *	owns no buffer and raises no interrupt, whatever state it was
	 *	in, and even with an error. May be called on a device that does
	 *	not answer, or is gone. An @event that was running has ended
	 *	before the core goes on.
	 */
	int (*dev_reset)(void *priv);
	/**
	 * @set_pairs: use the first @n_pairs pairs from now on. All of them
	 *	are started; those beyond are stopped after it returns. NULL:
	 *	set_rss says it all.
	 */
	int (*set_pairs)(void *priv, u16 n_pairs);

	/**
	 * @ring_entry: bytes of coherent memory that a ring takes for each
	 *	entry: the core allocates them, and ring_alloc and ring_free are
	 *	not needed. 0: ring_alloc does so.
	 */
	u32 ring_entry;
	/**
	 * @ring_alloc: allocate descriptor memory for @conf. @ring is the
	 *	backend's part of the queue, all zero; it is what the other
	 *	ring callbacks and the fast path get. The device must not be
	 *	touched: the queue of the same index may be running on other
	 *	memory.
	 */
	int (*ring_alloc)(void *priv, void *ring,
			  const struct ceth_ring_conf *conf);
	/** @ring_free: undo ring_alloc. The queue is stopped. */
	void (*ring_free)(void *priv, void *ring);
	/**
	 * @ring_init: empty the ring of a stopped queue, so that buffers can
	 *	be posted. With ring_entry its memory is all zero already.
	 *	Doorbells must do nothing until ring_start.
	 */
	void (*ring_init)(void *priv, void *ring,
			  const struct ceth_ring_conf *conf);
	/**
	 * @ring_start: give the ring to the device; a receive ring is full of
	 *	buffers. A queue that was stopped can be started again.
	 */
	int (*ring_start)(void *priv, void *ring);
	/**
	 * @ring_stop: take the ring back; on return the device owns no buffer
	 *	of this queue. Completions that it has written stay readable.
	 *	NAPI may be polling the queue meanwhile, and does so once more
	 *	afterwards: a doorbell must do no harm then. Also called after
	 *	dev_reset, when there is nothing to tell the device.
	 */
	int (*ring_stop)(void *priv, void *ring);

	/**
	 * @set_features: @on are the features wanted, @changed the difference
	 *	to what is in force. Both are subsets of &ceth_caps.features.
	 *	Only CETH_F_RX_CSUM, CETH_F_HW_GRO, CETH_F_RX_HASH,
	 *	CETH_F_RX_VLAN and CETH_F_RX_TIME come here: transmit features
	 *	are per packet.
	 */
	int (*set_features)(void *priv, u32 on, u32 changed);
	/** @set_mac: the address that the device takes frames for */
	int (*set_mac)(void *priv, const u8 *mac);
	/**
	 * @set_rx_mode: receive filter, whole; no more addresses than
	 *	&ceth_caps.max_filters
	 */
	int (*set_rx_mode)(void *priv, const struct ceth_rx_mode *mode);
	/**
	 * @set_rx_max: frames of more than @len bytes, from the destination
	 *	address on and without FCS, are not received. NULL: it does not
	 *	matter to the device
	 */
	int (*set_rx_max)(void *priv, u32 len);
	/** @set_vlan: let frames of VLAN @vid through, or no longer */
	int (*set_vlan)(void *priv, u16 vid, bool on);
	/**
	 * @set_rss: hash key, types and indirection table, whole, of context
	 *	@ctx; 0 is the first, which is always there. With
	 *	CETH_CAP_RSS_CTX also of 1 to &ceth_caps.max_rss_ctx; NULL:
	 *	there is none any more, and no rule names it.
	 */
	int (*set_rss)(void *priv, u16 ctx, const struct ceth_rss *rss);
	/**
	 * @set_rule: the rule of location @loc, below &ceth_caps.max_rules;
	 *	NULL: none. Of all that match, the one with the lowest location
	 *	counts.
	 */
	int (*set_rule)(void *priv, u16 loc, const struct ceth_rule *rule);
	/**
	 * @set_coalesce: interrupt moderation of pair @pair; all pairs have
	 *	the same without %CETH_CAP_COALESCE_QUEUE, and only pair 0 is
	 *	passed
	 */
	int (*set_coalesce)(void *priv, u16 pair,
			    const struct ceth_coalesce *coal);
	/**
	 * @set_shaper: limit transmit queue @ring, or the node or port that
	 *	@s names, where @ring is NULL. There are no limits after
	 *	dev_init, and none for a queue that starts. Also called between
	 *	ring_start and dev_run.
	 */
	int (*set_shaper)(void *priv, void *ring, const struct ceth_shaper *s);
	/**
	 * @clock_read: time of the device, ns. Process context; one at a time,
	 *	but not under the configuration lock; also called while down.
	 */
	u64 (*clock_read)(void *priv);
	/** @clock_set: change the clock; while the device is up */
	int (*clock_set)(void *priv, const struct ceth_clock *change);
	/**
	 * @get_link: current state of the wire; also called while down. @link
	 *	is all zero.
	 */
	void (*get_link)(void *priv, struct ceth_link *link);
	/**
	 * @get_stats: what each counter of &ceth_caps.stats has counted since
	 *	dev_init, into @val, which is all zero; %CETH_STAT_SIZES values
	 *	for those by class of length. About once a second
	 */
	int (*get_stats)(void *priv, u64 *val);
	/**
	 * @set_func: what function @id should be, 1 to &ceth_caps.max_funcs;
	 *	NULL: nothing any more. The device comes or goes after that,
	 *	as if somebody had plugged it in or pulled it out; it is not
	 *	waited for. While it is active nothing is said but another
	 *	limit, or that it no longer should be. Functions have queues,
	 *	interrupts and resets of their own: dev_reset of the device
	 *	leaves them alone. Called between dev_init and dev_reset, with
	 *	queues or without.
	 */
	int (*set_func)(void *priv, u16 id, const struct ceth_func *func);
	/**
	 * @func_attached: is function @id there? Not under the configuration
	 *	lock; also called while down.
	 */
	bool (*func_attached)(void *priv, u16 id);
	/**
	 * @announce_done: the core has announced the addresses, as asked for
	 *	by ceth_announce()
	 */
	void (*announce_done)(void *priv);
	/** @regs_len: bytes of the register dump; 0 or absent: none */
	u32 (*regs_len)(void *priv);
	/** @get_regs: fill the register dump */
	void (*get_regs)(void *priv, void *buf);
	/**
	 * @dump: state for a health report, as text lines. Called under the
	 *	configuration lock.
	 */
	void (*dump)(void *priv, struct seq_file *s);
};

/**
 * enum ceth_fault - what ceth_fault() reports
 * @CETH_FAULT_RX_DESC: a receive completion that makes no sense
 * @CETH_FAULT_TX_DESC: a transmit completion that makes no sense
 * @CETH_FAULT_RX_STALL: buffers are posted, frames are known to arrive, and
 *	nothing is completed
 * @CETH_FAULT_TX_STALL: transmission does not complete
 * @CETH_FAULT_DEVICE: the device asks for a reset or does not answer
 * @CETH_FAULT_IRQ_LOST: completions, and no interrupt; for the core itself.
 *	The queue is polled, nothing is restarted.
 * @CETH_FAULT_CONTRACT: the verifying mode has found the backend, or the core, to
 *	do what it must not; for the core itself
 * @CETH_FAULT_NUM: number of kinds
 */
enum ceth_fault {
	CETH_FAULT_RX_DESC,
	CETH_FAULT_TX_DESC,
	CETH_FAULT_RX_STALL,
	CETH_FAULT_TX_STALL,
	CETH_FAULT_DEVICE,
	CETH_FAULT_IRQ_LOST,
	CETH_FAULT_CONTRACT,
	CETH_FAULT_NUM,
};

struct ceth_dev *ceth_create(struct device *dev, const struct ceth_caps *caps,
			     const struct ceth_ops *ops,
			     const struct ceth_datapath *dp, void *priv);
int ceth_register(struct ceth_dev *cdev);
void ceth_unregister(struct ceth_dev *cdev);
void *ceth_priv(const struct ceth_dev *cdev);
void ceth_shutdown(struct ceth_dev *cdev);

void ceth_link_changed(struct ceth_dev *cdev);
void ceth_announce(struct ceth_dev *cdev);
void ceth_fault(struct ceth_dev *cdev, enum ceth_fault fault, u16 pair);
void ceth_rx_starved(struct ceth_dev *cdev, u16 pair);
void ceth_device_gone(struct ceth_dev *cdev);

int ceth_pci_irqs(struct pci_dev *pdev, struct ceth_caps *caps);

extern const struct dev_pm_ops ceth_pm_ops;

#endif /* _NET_CETH_H */
