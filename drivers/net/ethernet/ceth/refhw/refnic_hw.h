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
#define REFNIC_REG_CAPS		0x008		/* 64 bits */

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
#define REFNIC_REG_RESET	0x018
#define REFNIC_REG_STATUS	0x01c
#define  REFNIC_STAT_READY	BIT(0)
#define  REFNIC_STAT_RUNNING	BIT(1)
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
	REFNIC_HEALTH_INTERNAL,		/* the device has failed by itself */
};

/* Limits */
#define REFNIC_REG_PAIRS	0x02c
#define REFNIC_REG_VECTORS	0x030
#define REFNIC_REG_RING		0x034
#define  REFNIC_RING_MIN	GENMASK(15, 0)
#define  REFNIC_RING_MAX	GENMASK(31, 16)
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
#define REFNIC_REG_MAC		0x058		/* 64 bits */
#define REFNIC_REG_FILTERS	0x060
#define REFNIC_REG_STARVED	0x064		/* steering index */
#define REFNIC_REG_RULES	0x070
#define REFNIC_REG_RSS_CTXS	0x074
#define REFNIC_REG_FUNCS	0x0a0
#define REFNIC_REG_LAUNCH	0x0a8		/* how far ahead, ns */
#define REFNIC_REG_NODES	0x0ac
#define REFNIC_REG_GRO_SEGS	0x0c0
#define REFNIC_REG_FUNC_PAIRS	0x0d0		/* of all functions */
#define REFNIC_REG_FUNC		0x0d4		/* its own number, or 0 */

/* Clock: reading the low word holds the high word for the next reading */
#define REFNIC_REG_TIME		0x068		/* 64 bits */

/* Functions that are there, number 1 in bit 0 */
#define REFNIC_REG_FUNC_UP	0x0a4

/* Commands */
#define REFNIC_REG_MBOX		0x080		/* 64 bits */
#define REFNIC_REG_COMMAND	0x088
#define REFNIC_COMMAND_MS	2000

/* Doorbells, up to the vectors, and vectors: 1 arms one, 0 disarms it */
#define REFNIC_REG_DOORBELL	0x1000
#define REFNIC_REG_VECTOR(n)	(0x4000 + (n) * 4)

/* Of a frame to send, what its headers and checksum field must lie in */
#define REFNIC_HDR_MAX		256

/* Commands with their arguments, and -> answers, 64 bits each. Addresses of
 * stations have their first byte in bits 47:40. Data: see &refnic_mbox.
 */
enum refnic_op {
	REFNIC_OP_INIT		= 1,	/* features */
	REFNIC_OP_QUEUE_CREATE	= 2,	/* memory, entries, transmits, steering
					 * index, vector, bytes of a receive
					 * buffer, tail, header buffers, bytes of
					 * each, longest frame that is not split
					 * -> doorbell
					 */
	REFNIC_OP_QUEUE_DESTROY	= 3,	/* doorbell */
	REFNIC_OP_SET_MAC	= 4,	/* address */
	REFNIC_OP_RX_MODE	= 5,	/* all, all multicast, addresses; data:
					 * those, six bytes each
					 */
	REFNIC_OP_VLAN		= 6,	/* id, on */
	REFNIC_OP_RSS		= 7,	/* context, hash types, four bits of
					 * each: what is left out,
					 * transformation; data: table of __le16,
					 * key
					 */
	REFNIC_OP_RSS_REMOVE	= 8,	/* context */
	REFNIC_OP_OFFLOADS	= 9,	/* REFNIC_OFF_* */
	REFNIC_OP_COALESCE	= 10,	/* vector, receive: usecs, frames,
					 * transmit: usecs, frames
					 */
	REFNIC_OP_STATS		= 11,	/* data: -> &struct refnic_stats */
	REFNIC_OP_CLOCK		= 12,	/* set, time, step, by, adjust, rate
					 * (signed, 2^-16 ppm faster)
					 */
	REFNIC_OP_RULE		= 13,	/* location, fields, IPv6, protocol,
					 * source port, destination port,
					 * destination MAC address, VLAN, index,
					 * by table, of context; data: source
					 * and destination address, 16 bytes each
					 */
	REFNIC_OP_RULE_REMOVE	= 14,	/* location */
	REFNIC_OP_SHAPER	= 15,	/* doorbell or 0, node, bit/s, burst */
	REFNIC_OP_FUNC		= 16,	/* number, active, queue pairs, address,
					 * bit/s
					 */
	REFNIC_OP_FUNC_REMOVE	= 17,	/* number */
};

/* Shared with the driver: arguments and answers of the command under way */
struct refnic_mbox {
	__le64 status;
#define REFNIC_DONE		BIT_ULL(63)
#define REFNIC_ERRNO		GENMASK_ULL(7, 0)
	__le64 args[15];
	u8 data[3968];
};

static_assert(sizeof(struct refnic_mbox) == 4096);

/* &REFNIC_ERRNO, with POSIX's usual numbers */
enum refnic_code {
	REFNIC_OK		= 0,
	REFNIC_ERR_PERM		= 1,	/* not this device's to say */
	REFNIC_ERR_DMA		= 14,	/* an address that is no memory */
	REFNIC_ERR_STATE	= 16,	/* not now */
	REFNIC_ERR_ARG		= 22,	/* an argument out of range */
	REFNIC_ERR_MEMORY	= 28,	/* the device lacks something */
	REFNIC_ERR_OP		= 95,	/* no such command here */
	REFNIC_ERR_ADDR		= 98,	/* the address of another one */
};

/* What is switched for received frames */
#define REFNIC_OFF_RX_CSUM	BIT(0)
#define REFNIC_OFF_GRO		BIT(6)
#define REFNIC_OFF_RX_HASH	BIT(7)
#define REFNIC_OFF_VLAN_STRIP	BIT(9)
#define REFNIC_OFF_RX_TIME	BIT(12)

/* Of what is hashed, what can be left out */
#define REFNIC_HASH_SADDR	BIT(0)
#define REFNIC_HASH_DADDR	BIT(1)
#define REFNIC_HASH_SPORT	BIT(2)
#define REFNIC_HASH_DPORT	BIT(3)

#define REFNIC_XFRM_XOR		BIT(0)
#define REFNIC_XFRM_OR_XOR	BIT(1)

/* What a rule looks at; 0: every frame matches */
#define REFNIC_RULE_PROTO	BIT(0)	/* version, protocol (0: any) */
#define REFNIC_RULE_SADDR	BIT(1)
#define REFNIC_RULE_DADDR	BIT(2)
#define REFNIC_RULE_SPORT	BIT(3)
#define REFNIC_RULE_DPORT	BIT(4)
#define REFNIC_RULE_DMAC	BIT(5)
#define REFNIC_RULE_VLAN	BIT(6)
/* Index of frames to throw away */
#define REFNIC_RULE_DROP	0xffff

/* Lowest limit of a rate, bit/s */
#define REFNIC_SHAPER_MIN	1000
/* And of a function's */
#define REFNIC_FUNC_BPS_MIN	1000000

/* Classes of length, with FCS: up to 64, 127, 255, 511, 1023, 1518, above */
#define REFNIC_SIZES		7

/* Counters since the reset, in this order */
struct refnic_stats {
	__le64 rx_frames;
	__le64 rx_bytes;
	__le64 rx_multicast;
	__le64 rx_broadcast;
	__le64 rx_size[REFNIC_SIZES];
	__le64 rx_filtered;		/* for other stations */
	__le64 rx_no_queue;		/* no queue where it was steered */
	__le64 rx_no_buffer;
	__le64 rx_length;		/* too long, too short */
	__le64 rx_csum_bad;
	__le64 rx_error;		/* no memory, queue that stops */
	__le64 tx_frames;
	__le64 tx_bytes;
	__le64 tx_multicast;
	__le64 tx_broadcast;
	__le64 tx_size[REFNIC_SIZES];
	__le64 tx_error;		/* descriptors that make no sense */
	__le64 tx_no_link;
	__le64 tx_late;			/* launch time was past: sent at once */
	__le64 tx_far;			/* too far ahead: not sent */
	__le64 tx_spoofed;		/* from somebody else's address */
};

#define REFNIC_STATS	(sizeof(struct refnic_stats) / sizeof(__le64))

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
			u8 hash_type;	/* a bit of REFNIC_HASH_ */
		};
		__le64 sent;		/* transmit: when */
	};
};

#define REFNIC_C_ID		GENMASK(15, 0)
#define REFNIC_C_LEN		GENMASK(30, 16)
#define REFNIC_C_PHASE		BIT(31)
/* Most that a receive buffer can have */
#define REFNIC_BUF_MAX		16384
/* Bytes of a header buffer */
#define REFNIC_HDR_BUF_MIN	128
#define REFNIC_HDR_BUF_MAX	1024

/* &refnic_cmpl.flags */
#define REFNIC_CF_CSUM_OK	BIT(0)
#define REFNIC_CF_HASH		BIT(2)
#define REFNIC_CF_SAME_ID	BIT(3)
#define REFNIC_CF_VLAN		BIT(4)
#define REFNIC_CF_TIME		BIT(5)
#define REFNIC_CF_GRO		BIT(6)
#define REFNIC_CF_ERROR		BIT(7)	/* transmit */

union refnic_more {
	struct refnic_todo todo;	/* transmit; of the descriptor */
	struct {			/* receive; of the completion */
		__le64 came;
		__le16 hdr;		/* bytes in the header buffer */
	};
};

/* Bytes of a ring's memory for each entry */
#define REFNIC_RING_ENTRY	(sizeof(struct refnic_desc) + \
				 sizeof(struct refnic_cmpl) + \
				 sizeof(union refnic_more))
static_assert(REFNIC_RING_ENTRY == 48);

#endif /* _REFNIC_HW_H */
