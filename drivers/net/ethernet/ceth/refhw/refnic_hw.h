/* SPDX-License-Identifier: GPL-2.0 */
/* The reference NIC: what software and hardware have agreed on.
 *
 * Documentation/networking/ceth/refnic.rst in C, section for section. The
 * device model and the driver share this header and nothing else. Everything
 * in memory is little endian.
 */
#ifndef _REFNIC_HW_H
#define _REFNIC_HW_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

/* Identity and capabilities */
#define REFNIC_REG_ID		0x000
#define  REFNIC_ID		0x4e464552	/* "REFN" */
#define  REFNIC_GONE		0xffffffff	/* any register of no device */
#define REFNIC_REG_VERSION	0x004
#define  REFNIC_VERSION_MAJOR	GENMASK(31, 16)
#define  REFNIC_MAJOR		1
#define REFNIC_REG_CAPS_LO	0x008
#define REFNIC_REG_CAPS_HI	0x00c
#define REFNIC_REG_FEAT_LO	0x010
#define REFNIC_REG_FEAT_HI	0x014

#define REFNIC_F_RX_CSUM	BIT_ULL(0)
#define REFNIC_F_TX_CSUM	BIT_ULL(1)
#define REFNIC_F_TSO		BIT_ULL(2)
#define REFNIC_F_USO		BIT_ULL(3)
#define REFNIC_F_RSS		BIT_ULL(4)
#define REFNIC_F_VLAN_FILTER	BIT_ULL(5)
#define REFNIC_F_COALESCE	BIT_ULL(6)
#define REFNIC_F_SCATTER	BIT_ULL(7)
#define REFNIC_F_HDR_SPLIT	BIT_ULL(8)
#define REFNIC_F_VLAN_OFFLOAD	BIT_ULL(9)
#define REFNIC_F_TX_RATE	BIT_ULL(10)
#define REFNIC_F_CLOCK		BIT_ULL(11)
#define REFNIC_F_RULES		BIT_ULL(12)
#define REFNIC_F_RSS_CTX	BIT_ULL(13)
#define REFNIC_F_RSS_SYM	BIT_ULL(14)
#define REFNIC_F_GRO		BIT_ULL(15)
#define REFNIC_F_LAUNCH		BIT_ULL(16)
#define REFNIC_F_SHAPER		BIT_ULL(17)
#define REFNIC_F_FUNCTIONS	BIT_ULL(18)

/* Operation */
#define REFNIC_REG_CONTROL	0x018
#define  REFNIC_CTRL_RESET	BIT(0)
#define  REFNIC_CTRL_ENABLE	BIT(1)
#define  REFNIC_CTRL_RUN	BIT(2)
#define REFNIC_REG_STATUS	0x01c
#define  REFNIC_STAT_READY	BIT(0)
#define  REFNIC_STAT_ENABLED	BIT(1)
#define  REFNIC_STAT_RUNNING	BIT(2)
#define  REFNIC_STAT_FAILED	BIT(3)
#define REFNIC_REG_HEALTH	0x020
#define  REFNIC_HEALTH_CODE	GENMASK(7, 0)
#define  REFNIC_HEALTH_ARG	GENMASK(31, 16)
#define REFNIC_REG_EVENT	0x024
#define  REFNIC_EV_LINK		BIT(0)
#define  REFNIC_EV_HEALTH	BIT(1)
#define  REFNIC_EV_STARVED	BIT(2)
#define REFNIC_REG_LINK		0x028
#define  REFNIC_LINK_UP		BIT(31)
#define  REFNIC_LINK_SPEED	GENMASK(30, 0)

/* What &REFNIC_REG_HEALTH holds */
enum refnic_health {
	REFNIC_HEALTH_OK,
	REFNIC_HEALTH_DMA,		/* an address that is no memory */
	REFNIC_HEALTH_TAIL,		/* more descriptors than the ring has */
	REFNIC_HEALTH_DESC,		/* a descriptor that makes no sense */
	REFNIC_HEALTH_ADMIN,		/* the admin queue makes no sense */
	REFNIC_HEALTH_INTERNAL,		/* the device has failed by itself */
};

/* Limits */
#define REFNIC_REG_PAIRS	0x02c
#define REFNIC_REG_VECTORS	0x030
#define REFNIC_REG_RX_RING	0x034
#define REFNIC_REG_TX_RING	0x038
#define  REFNIC_RING_MIN	GENMASK(7, 0)	/* both as powers of two */
#define  REFNIC_RING_MAX	GENMASK(15, 8)
#define REFNIC_REG_TX_SEGS	0x03c
#define REFNIC_REG_TX_SIZE	0x040
#define REFNIC_REG_MTU		0x044
#define REFNIC_REG_RSS		0x048
#define  REFNIC_RSS_KEY_LEN	GENMASK(15, 0)
#define  REFNIC_RSS_INDIR_LEN	GENMASK(31, 16)
#define REFNIC_REG_HASH		0x04c
#define  REFNIC_HASH_IPV4	BIT(0)
#define  REFNIC_HASH_TCPV4	BIT(1)
#define  REFNIC_HASH_UDPV4	BIT(2)
#define  REFNIC_HASH_IPV6	BIT(3)
#define  REFNIC_HASH_TCPV6	BIT(4)
#define  REFNIC_HASH_UDPV6	BIT(5)
#define REFNIC_REG_COAL_USECS	0x050
#define REFNIC_REG_COAL_FRAMES	0x054
#define REFNIC_REG_MAC_LO	0x058		/* bytes 0 to 3 */
#define REFNIC_REG_MAC_HI	0x05c		/* bytes 4 and 5 */
#define REFNIC_REG_FILTERS	0x060
#define REFNIC_REG_RULES	0x070
#define REFNIC_REG_RSS_CTXS	0x074
#define REFNIC_REG_STARVED	0x064		/* steering index */
#define REFNIC_REG_STATS	0x07c		/* counters; 0: the first 11 */

/* Clock: reading the low word holds the high word for the next reading */
#define REFNIC_REG_TIME_LO	0x068
#define REFNIC_REG_TIME_HI	0x06c

/* Functions: how many there can be; which of them are there, id 1 in bit 0 */
#define REFNIC_REG_FUNCS	0x0a0
#define REFNIC_REG_FUNC_UP	0x0a4

/* Launch times, limits of rates */
#define REFNIC_REG_LAUNCH	0x0a8		/* how far ahead, ns */
#define REFNIC_REG_NODES	0x0ac

/* Admin queue */
#define REFNIC_REG_AQ_LO	0x080
#define REFNIC_REG_AQ_HI	0x084
#define REFNIC_REG_AQ_SIZE	0x088
#define  REFNIC_AQ_SIZE_MAX	6		/* a power of two */
#define REFNIC_REG_AQ_TAIL	0x08c
#define REFNIC_AQ_TIMEOUT_MS	2000

/* Coalescing: most segments of a frame */
#define REFNIC_REG_GRO_SEGS	0x0c0

/* Interrupt vectors: 1 arms a vector, 0 disarms it */
#define REFNIC_REG_VECTOR(n)	(0x4000 + (n) * 4)
#define REFNIC_REG_DOORBELL	0x1000		/* up to REFNIC_REG_VECTOR(0) */

/* Of a frame to send, what its headers and checksum field must lie in */
#define REFNIC_HDR_MAX		256

enum refnic_op {
	REFNIC_OP_RXQ_CREATE	= 1,
	REFNIC_OP_TXQ_CREATE	= 2,
	REFNIC_OP_QUEUE_DESTROY	= 3,
	REFNIC_OP_SET_MAC	= 4,
	REFNIC_OP_RX_MODE	= 5,
	REFNIC_OP_VLAN		= 6,
	REFNIC_OP_RSS		= 7,
	REFNIC_OP_OFFLOADS	= 8,
	REFNIC_OP_COALESCE	= 9,
	REFNIC_OP_STATS		= 10,
	REFNIC_OP_TX_RATE	= 11,
	REFNIC_OP_CLOCK		= 12,
	REFNIC_OP_RULE		= 13,
	REFNIC_OP_RSS_REMOVE	= 14,
	REFNIC_OP_SHAPER	= 16,
	REFNIC_OP_FUNC_ADD	= 18,
	REFNIC_OP_FUNC_SET	= 19,
	REFNIC_OP_FUNC_DEL	= 20,
};

/* &refnic_cmd.status */
#define REFNIC_CMD_DONE		BIT(31)
#define REFNIC_CMD_CODE		GENMASK(7, 0)

enum refnic_code {
	REFNIC_OK,
	REFNIC_ERR_OP,			/* no such command here */
	REFNIC_ERR_ARG,			/* an argument out of range */
	REFNIC_ERR_STATE,		/* not now */
	REFNIC_ERR_MEMORY,		/* the device lacks something */
	REFNIC_ERR_DMA,			/* an address that is no memory */
};

struct refnic_cmd_queue {
	__le64 ring;
	__le16 index;
	__le16 vector;
	u8 size;			/* a power of two */
	u8 pad[3];
	__le32 buf_len;			/* receive only */
	/* Answer */
	__le16 qid;
	__le16 pad2;
	__le32 doorbell;
};

struct refnic_cmd_rx_mode {
	__le32 flags;
#define REFNIC_RX_PROMISC	BIT(0)
#define REFNIC_RX_ALLMULTI	BIT(1)
	__le32 n;
	__le64 table;			/* n entries of eight bytes */
};

struct refnic_cmd_rss {
	__le64 key;
	__le64 indir;			/* a __le16 for each entry */
	__le32 hash_types;
	__le16 key_len;
	__le16 indir_len;
	__le16 other;			/* where frames without hash go */
	__le16 ctx;			/* all that counts of RSS_REMOVE */
	__le32 without;			/* four bits for each hash type */
#define REFNIC_HASH_SADDR	BIT(0)
#define REFNIC_HASH_DADDR	BIT(1)
#define REFNIC_HASH_SPORT	BIT(2)
#define REFNIC_HASH_DPORT	BIT(3)
	u8 xfrm;
#define REFNIC_XFRM_XOR		BIT(0)
#define REFNIC_XFRM_OR_XOR	BIT(1)
};

struct refnic_cmd_coalesce {
	__le16 vector;
	__le16 pad;
	__le32 rx_usecs;
	__le32 rx_frames;
	__le32 tx_usecs;
	__le32 tx_frames;
};

struct refnic_cmd_rate {
	__le16 qid;
	__le16 pad;
	__le32 mbps;			/* 0: no limit */
};

/* A limit of the port (node 0), of a node, or of a queue, which shares that of
 * its node.
 */
struct refnic_cmd_shaper {
	__le16 flags;
#define REFNIC_SHAPER_QUEUE	BIT(0)	/* it is that of queue qid */
	__le16 qid;
	__le16 node;
	__le16 pad;
	__le64 bps;			/* bit/s; 0: no limit */
#define REFNIC_SHAPER_MIN	1000
	__le32 burst;			/* bytes */
};

/* What is not asked for in flags stays as it is. */
struct refnic_cmd_clock {
	__le32 flags;
#define REFNIC_CLOCK_SET	BIT(0)	/* to time */
#define REFNIC_CLOCK_STEP	BIT(1)	/* by time, signed */
#define REFNIC_CLOCK_RATE	BIT(2)
	__le32 rate;			/* signed: 2^-16 ppm faster */
	__le64 time;			/* ns */
};

/* Addresses and ports are in network order. */
struct refnic_cmd_rule {
	__le16 loc;
	__le16 fields;			/* 0: every frame matches */
#define REFNIC_RULE_PROTO	BIT(0)	/* version, protocol */
#define REFNIC_RULE_SADDR	BIT(1)
#define REFNIC_RULE_DADDR	BIT(2)
#define REFNIC_RULE_SPORT	BIT(3)
#define REFNIC_RULE_DPORT	BIT(4)
#define REFNIC_RULE_DMAC	BIT(5)
#define REFNIC_RULE_VLAN	BIT(6)
	u8 flags;
#define REFNIC_RULE_ON		BIT(0)	/* there is a rule */
#define REFNIC_RULE_V6		BIT(1)
#define REFNIC_RULE_RSS		BIT(2)	/* by the table of ctx */
	u8 proto;			/* 0: any */
	__le16 index;			/* RULE_RSS: added to the table's */
#define REFNIC_RULE_DROP	0xffff
	u8 saddr[16];
	u8 daddr[16];
	__be16 sport;
	__be16 dport;
	u8 dmac[6];
	__le16 vid;
	__le16 ctx;
};

struct refnic_cmd_stats {
	__le64 addr;
	__le32 len;
};

struct refnic_cmd_func {
	__le16 id;			/* answer of FUNC_ADD */
	__le16 pairs;
	__le16 flags;
#define REFNIC_FUNC_ACTIVE	BIT(0)
	u8 mac[6];
};

struct refnic_cmd {
	__le16 op;
	__le16 pad;
	__le32 status;
	union {
		struct refnic_cmd_queue queue;
		__le16 qid;
		u8 mac[6];
		struct refnic_cmd_rx_mode rx_mode;
		struct {
			__le16 vid;
			__le16 on;
		} vlan;
		struct refnic_cmd_rss rss;
		__le32 offloads;
#define REFNIC_OFF_RX_CSUM	BIT(0)
#define REFNIC_OFF_RX_HASH	BIT(1)
#define REFNIC_OFF_VLAN_FILTER	BIT(2)
#define REFNIC_OFF_HDR_SPLIT	BIT(3)
#define REFNIC_OFF_VLAN_STRIP	BIT(4)
#define REFNIC_OFF_RX_TIME	BIT(5)
#define REFNIC_OFF_GRO		BIT(6)
		struct refnic_cmd_coalesce coalesce;
		struct refnic_cmd_rate rate;
		struct refnic_cmd_shaper shaper;
		struct refnic_cmd_clock clock;
		struct refnic_cmd_rule rule;
		struct refnic_cmd_stats stats;
		struct refnic_cmd_func func;
		u8 args[56];
	};
};

static_assert(sizeof(struct refnic_cmd) == 64);

/* Classes of length, with FCS: up to 64, 127, 255, 511, 1023, 1518, above */
#define REFNIC_SIZES		7
/* Counters that every device has */
#define REFNIC_STATS_MIN	11U

/* Counters since the reset, in this order */
struct refnic_stats {
	__le64 rx_frames;
	__le64 rx_bytes;
	__le64 rx_filtered;		/* for other stations */
	__le64 rx_no_queue;		/* no queue where it was steered */
	__le64 rx_no_buffer;
	__le64 rx_length;		/* too long, too short */
	__le64 rx_csum_bad;
	__le64 tx_frames;
	__le64 tx_bytes;
	__le64 tx_error;		/* descriptors that make no sense */
	__le64 tx_no_link;
	/* As many of the rest as the register says */
	__le64 rx_error;		/* no memory, queue that stops */
	__le64 rx_multicast;
	__le64 rx_broadcast;
	__le64 tx_multicast;
	__le64 tx_broadcast;
	__le64 rx_size[REFNIC_SIZES];
	__le64 tx_size[REFNIC_SIZES];
	__le64 tx_late;			/* launch time was past: sent at once */
	__le64 tx_far;			/* too far ahead: not sent */
};

/* Memory of a ring: for each entry a descriptor, then for each a completion, then
 * for each what both have no room for.
 */
struct refnic_desc {
	__le64 addr;
	__le64 ctrl;
};

#define REFNIC_D_ID		GENMASK_ULL(15, 0)
/* Transmit only */
#define REFNIC_D_EOP		BIT_ULL(16)
#define REFNIC_D_TODO		GENMASK_ULL(31, 24)
#define REFNIC_D_LEN		GENMASK_ULL(51, 32)

/* &REFNIC_D_TODO; with any of it there is a &struct refnic_todo */
#define REFNIC_TODO_CSUM	BIT(0)
#define REFNIC_TODO_TSO4	BIT(1)
#define REFNIC_TODO_TSO6	BIT(2)
#define REFNIC_TODO_USO		BIT(3)
#define REFNIC_TODO_ECN		BIT(4)
#define REFNIC_TODO_VLAN	BIT(5)
#define REFNIC_TODO_TIME	BIT(6)
#define REFNIC_TODO_LAUNCH	BIT(7)

struct refnic_todo {
	__le16 csum_start;
	__le16 csum_offset;
	__le16 hdr_len;
	__le16 mss;
	__le64 extra;
};

#define REFNIC_TODO_TCI		GENMASK_ULL(15, 0)	/* of extra */
#define REFNIC_TODO_AT		GENMASK_ULL(63, 16)	/* its lower bits */
#define REFNIC_LAUNCH_BITS	48

struct refnic_cmpl {
	__le32 head;
	u8 bufs;			/* of the frame; 0: not its first */
	u8 flags;
	__le16 tci;
	union {
		struct {
			__le32 hash;
			__le16 gro_size;
			u8 gro_segs;
			u8 hash_type;	/* a bit of REFNIC_HASH_; 0: none */
		};
		__le64 sent;		/* transmit: when */
	};
};

#define REFNIC_C_ID		GENMASK(15, 0)
#define REFNIC_C_LEN		GENMASK(30, 16)
#define REFNIC_C_PHASE		BIT(31)
/* Most that a receive buffer can have */
#define REFNIC_BUF_MAX		16384

/* &refnic_cmpl.flags */
#define REFNIC_CF_CSUM_OK	BIT(0)
#define REFNIC_CF_VLAN		BIT(3)
#define REFNIC_CF_TIME		BIT(4)
#define REFNIC_CF_GRO		BIT(5)
#define REFNIC_CF_SAME_ID	BIT(6)
#define REFNIC_CF_ERROR		BIT(7)	/* transmit */

union refnic_more {
	struct refnic_todo todo;	/* transmit; of the descriptor */
	__le64 came;			/* receive; of the completion */
};

/* Bytes of a ring's memory for each entry */
#define REFNIC_RING_ENTRY	(sizeof(struct refnic_desc) + \
				 sizeof(struct refnic_cmpl) + \
				 sizeof(union refnic_more))
static_assert(REFNIC_RING_ENTRY == 48);

#endif /* _REFNIC_HW_H */
