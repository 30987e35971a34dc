/* SPDX-License-Identifier: GPL-2.0 */
/* Reference NIC, the device model: what its files share.
 *
 * A port is a place: a name, a wire, settings. While it has power there is a
 * device in it, struct refhw, which a driver finds on the bus.
 *
 * Locks
 *	refhw_lock		ports, wires, power: everything that configfs does;
 *				functions' devices
 *	refhw_port.fn_lock	what functions there should be
 *	admin thread		state of a device; nobody else changes it, so that
 *				it needs no lock
 *	refhw_srcu		who sends a frame holds it: ports, devices and
 *				queues go away after it
 *	refhw_queue.lock	putting frames into a receive queue; who sends many
 *				holds it from one to the next (batch.c), and never
 *				that of two queues
 *	refhw.turn		a queue's turn on a slow wire
 *	refhw_vec.lock		moderation
 *
 * Time
 *	When a frame is sent and arrives is computed, from when the driver rang
 *	for it, what the queue is held to, and what the wire is like; it is not
 *	when a thread of ours got round to it, which is never before. So times
 *	and rates are exact however busy the machine is.
 */
#ifndef _REFHW_H
#define _REFHW_H

#include <linux/atomic.h>
#include <linux/configfs.h>
#include <linux/hrtimer.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "batch.h"
#include "refnic_bus.h"
#include "refnic_hw.h"

#define REFHW_MAX_PAIRS		64
#define REFHW_RING_MIN		64
#define REFHW_RING_MAX		4096
#define REFHW_TX_SEGS		24
#define REFHW_MTU		9600
#define REFHW_KEY_LEN		40
#define REFHW_INDIR_LEN		128
#define REFHW_FILTERS		64
#define REFHW_RULES		64
#define REFHW_RSS_CTXS		32
#define REFHW_NODES		16
/* How far ahead of the clock a launch time may be, ns */
#define REFHW_LAUNCH_AHEAD	((s64)NSEC_PER_SEC)
#define REFHW_SPEED		100000
#define REFHW_FUNCTIONS		16
/* Queue pairs for functions: at first, and at most */
#define REFHW_FUNC_PAIRS	64
#define REFHW_FUNC_PAIRS_MAX	(REFHW_FUNCTIONS * REFHW_MAX_PAIRS)
/* Most segments of a coalesced frame */
#define REFHW_GRO_SEGS		128
/* Flows of a queue that are coalesced at a time */
#define REFHW_GRO_SLOTS		32
/* How long a segment waits for the next one: at first, and at most */
#define REFHW_GRO_USECS		200
#define REFHW_GRO_USECS_MAX	10000000
/* Most buffers of a received frame */
#define REFHW_RX_BUFS		64
/* A doorbell for each; numbers are not used again soon. */
#define REFHW_QIDS		1024
/* Longest input of the hash: two IPv6 addresses, two ports */
#define REFHW_HASH_INPUT	36
/* What is known of a received frame: &refnic_cmpl.flags, and what its hash is of */
#define REFHW_INFO_HASH		GENMASK(13, 8)
/* How long a receive queue without buffers may hold up the sender */
#define REFHW_PAUSE		HZ

#define REFHW_CAPS	(REFNIC_F_RX_CSUM | REFNIC_F_TX_CSUM | REFNIC_F_TSO | \
			 REFNIC_F_USO | REFNIC_F_RSS | REFNIC_F_VLAN_FILTER | \
			 REFNIC_F_COALESCE | REFNIC_F_SCATTER | \
			 REFNIC_F_HDR_SPLIT | REFNIC_F_VLAN_OFFLOAD | \
			 REFNIC_F_TX_RATE | REFNIC_F_CLOCK | REFNIC_F_RULES | \
			 REFNIC_F_RSS_CTX | REFNIC_F_RSS_SYM | REFNIC_F_GRO | \
			 REFNIC_F_LAUNCH | REFNIC_F_SHAPER | \
			 REFNIC_F_FUNCTIONS)

/**
 * struct refhw_iov - a piece of a frame
 * @p: where
 * @len: bytes
 */
struct refhw_iov {
	const u8 *p;
	u32 len;
};

/**
 * struct refhw_frame - a frame on its way
 * @hdr: its first bytes
 * @hdr_len: how many of them
 * @iov: the rest
 * @n: pieces of the rest
 * @len: bytes in all
 * @at: when it is sent, then when it arrives, by the machine's raw clock, ns
 * @csum_done: the sender's device has just computed the checksum
 * @l3: offset of the IP header; 0: none
 * @l4: offset of the TCP or UDP header; 0: none
 * @l4_end: where the IP packet ends
 * @vid: VLAN, with @vlan
 * @proto: of the IP packet
 * @vlan: has a tag
 * @tci: tag that the receiver has taken off, with @stripped
 * @stripped: see @tci
 * @v6: version of IP
 * @wire: received: bytes on the wire, of all segments
 * @segs: received: segments that it was made of, or 1
 * @mss: received: bytes of data of each, with @segs
 */
struct refhw_frame {
	u8 hdr[REFNIC_HDR_MAX + VLAN_HLEN];
	u32 hdr_len;
	struct refhw_iov iov[REFHW_TX_SEGS];
	u32 n;
	u32 len;
	u64 at;
	bool csum_done;
	u16 l3;
	u16 l4;
	u16 l4_end;
	u16 vid;
	u8 proto;
	bool vlan;
	bool v6;
	bool stripped;
	u16 tci;
	u32 wire;
	u16 segs;
	u16 mss;
};

/**
 * struct refhw_vec - an interrupt vector
 * @hw: the device
 * @virq: Linux interrupt number
 * @cpu: where it goes
 * @armed: by the driver; raising it takes it away
 * @masked: by the interrupt controller
 * @pending: raised while masked
 * @ipi: on the way to another CPU
 * @work: the interrupt itself
 * @csd: to get to another CPU
 * @lock: of what follows
 * @timer: delay
 * @waiting: receive and transmit events that are delayed
 * @usecs: longest delay of each
 * @frames: events that end it
 */
struct refhw_vec {
	struct refhw *hw;
	int virq;
	int cpu;
	bool armed;
	bool masked;
	bool pending;
	atomic_t ipi;
	struct irq_work work;
	call_single_data_t csd;
	spinlock_t lock; /* of the counters below */
	struct hrtimer timer;
	u32 waiting[2];
	u32 usecs[2];
	u32 frames[2];
};

/**
 * struct refhw_gro - segments that a receive queue holds back
 * @held: by the time of the first segment, oldest first
 * @free: slots not in use
 * @slots: slots that there are
 * @timer: for the oldest
 * @work: of @timer, where it can wait
 */
struct refhw_gro {
	struct list_head held;
	struct list_head free;
	u32 slots;
	struct hrtimer timer;
	struct work_struct work;
};

/**
 * struct refhw_shaper - a limit of what is sent
 * @bps: bit/s; 0: none
 * @burst: bytes that may go at once
 * @free: when what has gone is paid for, raw ns
 */
struct refhw_shaper {
	u64 bps;
	u32 burst;
	u64 free;
};

/**
 * struct refhw_queue - a queue that a driver has made
 * @hw: the device
 * @qid: its number
 * @index: for steering
 * @tx: transmits
 * @alive: the device may use its memory
 * @idle: its thread sleeps
 * @vec: interrupt
 * @ring: descriptors
 * @cmpl: completions
 * @more: what goes with them
 * @order: size as a power of two
 * @mask: size - 1
 * @buf_len: bytes of a receive buffer
 * @hdrs: address of header buffers, one for each id
 * @hdr_len: bytes of each; 0: there are none
 * @hdr_whole: longest frame that goes there as a whole, if it fits
 * @stuck: makes as if it worked, and does not
 * @tail: doorbell
 * @head: next descriptor
 * @done: next completion
 * @lock: receive: one frame after the other
 * @batch: receive: who has locked it for more than a frame
 * @wait: receive: for buffers
 * @starved: receive: without buffers since then; 0: not
 * @told: receive: when the driver was told of that last; 0: not yet
 * @nowait: receive: frames do not wait for buffers
 * @gro: receive: segments held back; under @lock
 * @what: transmit: what to do for the packet, REFNIC_TODO_*
 * @todo: transmit: parameters of that
 * @shaper: transmit: its own limit
 * @node: transmit: the node whose limit it shares; 0: none
 * @again: transmit: what it waits for has changed
 * @at: transmit: when the last frame went, raw ns
 * @came: transmit: when the doorbell told of each descriptor, raw ns
 * @task: transmit: thread; NULL: nothing was ever sent
 * @frame: transmit: being sent
 * @seg: transmit: segment of @frame
 * @out: transmit: batch of what is being sent
 * @rcu: to free it
 */
struct refhw_queue {
	struct refhw *hw;
	u16 qid;
	u16 index;
	bool tx;
	bool alive;
	bool idle;
	struct refhw_vec *vec;
	struct refnic_desc *ring;
	struct refnic_cmpl *cmpl;
	union refnic_more *more;
	u8 order;
	u32 mask;
	u32 buf_len;
	u64 hdrs;
	u32 hdr_len;
	u32 hdr_whole;
	bool stuck;
	u32 tail;
	u32 head;
	u32 done;
	struct mutex lock; /* receive: one frame at a time */
	struct refhw_batch *batch;
	wait_queue_head_t wait;
	unsigned long starved;
	unsigned long told;
	bool nowait;
	struct refhw_gro gro;
	u8 what;
	struct refnic_todo todo;
	struct refhw_shaper shaper;
	u16 node;
	bool again;
	u64 at;
	u64 *came;
	struct task_struct *task;
	struct refhw_frame frame;
	struct refhw_frame seg;
	struct refhw_batch out;
	struct rcu_head rcu;
};

/* In the order of &struct refnic_stats */
enum refhw_stat {
	REFHW_RX_FRAMES,
	REFHW_RX_BYTES,
	REFHW_RX_MULTICAST,
	REFHW_RX_BROADCAST,
	REFHW_RX_SIZE,
	REFHW_RX_FILTERED = REFHW_RX_SIZE + REFNIC_SIZES,
	REFHW_RX_NO_QUEUE,
	REFHW_RX_NO_BUFFER,
	REFHW_RX_LENGTH,
	REFHW_RX_CSUM_BAD,
	REFHW_RX_ERROR,
	REFHW_TX_FRAMES,
	REFHW_TX_BYTES,
	REFHW_TX_MULTICAST,
	REFHW_TX_BROADCAST,
	REFHW_TX_SIZE,
	REFHW_TX_ERROR = REFHW_TX_SIZE + REFNIC_SIZES,
	REFHW_TX_NO_LINK,
	REFHW_TX_LATE,
	REFHW_TX_FAR,
	REFHW_TX_SPOOFED,
	REFHW_STATS,
};

/**
 * struct refhw_rss - receive steering, a context of it
 * @types: what is hashed
 * @without: and what of it is not
 * @xfrm: how source and destination are made one
 * @key: key
 * @indir: table
 * @hash: hash of each byte at each place of the input, computed from @key
 */
struct refhw_rss {
	u32 types;
	u32 without;
	u8 xfrm;
	u8 key[REFHW_KEY_LEN];
	u16 indir[REFHW_INDIR_LEN];
	u32 hash[REFHW_HASH_INPUT][256];
};

/**
 * struct refhw_filter - which frames the device takes
 * @promisc: all
 * @allmulti: all that are multicast
 * @n: addresses in @addr
 * @addr: addresses beside the device's own
 */
struct refhw_filter {
	bool promisc;
	bool allmulti;
	u32 n;
	u8 addr[REFHW_FILTERS][ETH_ALEN];
};

/**
 * struct refhw_rule - a rule of steering
 * @fields: REFNIC_RULE_*
 * @v6: version of IP
 * @proto: protocol; 0: any
 * @sport: source port
 * @dport: destination port
 * @vid: VLAN
 * @index: where frames go; with @rss it is added to what the table says
 * @rss: the table of @ctx says
 * @ctx: context of steering
 * @dmac: destination MAC address
 * @saddr: source address
 * @daddr: destination address
 */
struct refhw_rule {
	u16 fields;
	bool v6;
	u8 proto;
	u16 sport;
	u16 dport;
	u16 vid;
	u16 index;
	bool rss;
	u16 ctx;
	u8 dmac[ETH_ALEN];
	u8 saddr[16];
	u8 daddr[16];
};

/**
 * struct refhw_clock - the device's clock
 * @lock: of all of it
 * @base: time when it was last changed, ns
 * @at: raw time of the machine then, ns
 * @rate: how much faster it runs, 2^-16 ppm
 * @held: high word, for the reading in two steps
 */
struct refhw_clock {
	spinlock_t lock; /* of all of it */
	u64 base;
	u64 at;
	s32 rate;
	u32 held;
};

/**
 * struct refhw - a device
 * @rdev: as the bus sees it
 * @port: where it sits
 * @slot: where the port has it
 * @fn: number of the function; 0: the port's own device
 * @gen: of the function's record, when it was made
 * @caps: what it can do
 * @perm: permanent address
 * @task: admin thread
 * @idle: it sleeps
 * @gone: pulled out
 * @control_new: a reset is wanted
 * @feat: features that the driver has taken
 * @status: REFNIC_STAT_*
 * @health: register
 * @events: register
 * @starved: register
 * @mbox: mailbox, while a command is executed
 * @mbox_addr: its address
 * @command: to be executed; 0: none
 * @mac: address in force
 * @offloads: REFNIC_OFF_*
 * @vlans: let through
 * @filter: receive filter; replaced as a whole
 * @rules: by location; each replaced as a whole
 * @rules_end: no rule is there, nor above
 * @rss: steering, by context; each replaced as a whole
 * @vecs: vectors
 * @domain: their interrupts
 * @fwnode: name of @domain
 * @next_qid: where the search for a queue number starts
 * @queues: by number
 * @rxqs: by steering index
 * @txqs: by index
 * @tx_new: some of these have got their first packet
 * @stats: counters
 * @clock: clock
 * @pace_lock: of all limits
 * @shapers: limits of the port, and of each node
 * @turn: held by the queue whose frame waits for the wire; see refhw_tx_frame()
 * @limit: of a function, which its device's driver has set
 * @limit_new: @limit is another one
 */
struct refhw {
	struct refnic_device rdev;
	struct refhw_port *port;
	struct refhw __rcu **slot;
	u32 fn;
	u32 gen;
	u64 caps;
	u8 perm[ETH_ALEN];
	struct task_struct *task;
	bool idle;
	bool gone;
	bool control_new;
	u64 feat;
	u32 status;
	u32 health;
	atomic_t events;
	u32 starved;
	struct refnic_mbox *mbox;
	u64 mbox_addr;
	u32 command;
	u8 mac[ETH_ALEN];
	u32 offloads;
	DECLARE_BITMAP(vlans, VLAN_N_VID);
	struct refhw_filter __rcu *filter;
	struct refhw_rule __rcu *rules[REFHW_RULES];
	u32 rules_end;
	struct refhw_rss __rcu *rss[1 + REFHW_RSS_CTXS];
	struct refhw_vec *vecs;
	struct irq_domain *domain;
	struct fwnode_handle *fwnode;
	u32 next_qid;
	struct refhw_queue __rcu *queues[REFHW_QIDS];
	struct refhw_queue __rcu *rxqs[REFHW_MAX_PAIRS];
	struct refhw_queue *txqs[REFHW_MAX_PAIRS];
	bool tx_new;
	atomic64_t stats[REFHW_STATS];
	struct refhw_clock clock;
	spinlock_t pace_lock; /* of all limits */
	struct refhw_shaper shapers[1 + REFHW_NODES];
	struct mutex turn; /* one queue at a time */
	struct refhw_shaper limit;
	bool limit_new;
};

#define to_refhw(r)	container_of(r, struct refhw, rdev)

/**
 * struct refhw_wire - what a port's frames meet on their way out
 * @latency: ns
 * @rate: Mbit/s; 0: no limit
 * @loss: frames in a million
 * @reorder: frames in a million
 * @lost: frames that did not get through, whatever the reason
 * @task: delivers what is delayed; NULL: nothing ever was
 * @lock: of what follows
 * @frames: on the way
 * @bytes: of @frames, by the function that they are of; 0: the device itself
 * @free: when the last bit of what was sent is on the wire, raw ns
 * @out: when the last frame has come out, raw ns
 * @room: for senders that wait
 * @frame: being delivered
 * @batch: what is delivered together
 */
struct refhw_wire {
	u32 latency;
	u32 rate;
	u32 loss;
	u32 reorder;
	atomic64_t lost;
	struct task_struct *task;
	spinlock_t lock; /* of what is on the way */
	struct list_head frames;
	u32 bytes[1 + REFHW_FUNCTIONS];
	u64 free;
	u64 out;
	wait_queue_head_t room;
	struct refhw_frame frame;
	struct refhw_batch batch;
};

/**
 * struct refhw_gen - built-in source of frames
 * @task: thread
 * @frames: still to send
 * @size: of each
 * @flows: different UDP ports
 * @sunk: frames that have come out of the port
 * @frame: being sent
 * @batch: what is sent together
 */
struct refhw_gen {
	struct task_struct *task;
	u64 frames;
	u32 size;
	u32 flows;
	atomic64_t sunk;
	struct refhw_frame frame;
	struct refhw_batch batch;
};

/* What a device can be made to do wrong */
enum refhw_fault {
	REFHW_FAULT_RX_ID,		/* completion of an id that is none */
	REFHW_FAULT_RX_DUP,		/* completion of the same id again */
	REFHW_FAULT_RX_LEN,		/* more bytes than the buffer has */
	REFHW_FAULT_RX_EMPTY,		/* no bytes */
	REFHW_FAULT_RX_CHAIN,		/* a frame of buffers without end */
	REFHW_FAULT_RX_LOST,		/* no completion */
	REFHW_FAULT_RX_STUCK,		/* the queue takes no frame any more */
	REFHW_FAULT_TX_ID,
	REFHW_FAULT_TX_DUP,
	REFHW_FAULT_TX_LOST,
	REFHW_FAULT_TX_STUCK,
	REFHW_FAULT_IRQ_LOST,		/* no interrupt */
	REFHW_FAULT_IRQ_SPURIOUS,	/* an interrupt without cause */
	REFHW_FAULT_ADMIN_STUCK,	/* no answer */
	REFHW_FAULT_ADMIN_ERROR,	/* refusal */
	REFHW_FAULT_LINK_FLAP,		/* the link was down for a moment */
	REFHW_FAULT_RESET,		/* the device resets itself */
	REFHW_FAULT_FAIL,		/* the device says that it has failed */
	REFHW_FAULT_STATS,		/* counters that cannot be */
	REFHW_FAULT_RX_GRO,		/* another number of segments */
	REFHW_FAULTS,
};

/**
 * struct refhw_faults - misbehaviour of a port's device
 * @on: some of it is wanted
 * @count: how many times, by &enum refhw_fault
 * @chaos_ppm: at random, out of a million occasions
 * @chaos_mask: what of it
 * @done: what was done wrong so far
 * @dir: in debugfs
 * @files: in @dir
 */
struct refhw_faults {
	bool on;
	u32 count[REFHW_FAULTS];
	u32 chaos_ppm;
	u32 chaos_mask;
	atomic_t done;
	struct dentry *dir;
	struct refhw_fault_file *files;
};

/**
 * struct refhw_fn - a function of a port's device: what it should be
 * @active: there should be a device
 * @pairs: its queue pairs
 * @gen: counts changes
 * @mac: its address
 * @bps: limit of what it sends, bit/s; 0: none
 * @hw: the device, under refhw_lock; NULL: there is none
 */
struct refhw_fn {
	bool active;
	u16 pairs;
	u32 gen;
	u8 mac[ETH_ALEN];
	u64 bps;
	struct refhw __rcu *hw;
};

/**
 * struct refhw_port - a place for a device
 * @group: in configfs
 * @list: of all ports
 * @name: also the device's
 * @pairs: queue pairs that the device has
 * @fn_pairs: queue pairs that functions can have, all together
 * @caps: what it can do
 * @mtu: longest frame on the wire, without header
 * @gro_usecs: how long a segment waits for the next one
 * @mac: permanent address
 * @plugged: the cable is
 * @boot: made by the module itself
 * @hw: the device; NULL: no power
 * @peer: other end of the wire
 * @generator: the wire ends in the built-in generator
 * @netwire: the wire ends in a network device
 * @wire: towards @peer
 * @gen: generator
 * @faults: misbehaviour
 * @fns: functions
 * @n_fns: devices among them
 * @fn_lock: of @fns but for the devices
 * @fn_work: brings devices in line with @fns
 */
struct refhw_port {
	struct config_group group;
	struct list_head list;
	char name[32];
	u32 pairs;
	u32 fn_pairs;
	u64 caps;
	u32 mtu;
	u32 gro_usecs;
	u8 mac[ETH_ALEN];
	bool plugged;
	bool boot;
	struct refhw __rcu *hw;
	struct refhw_port __rcu *peer;
	bool generator;
	struct refhw_netwire __rcu *netwire;
	struct refhw_wire wire;
	struct refhw_gen gen;
	struct refhw_faults faults;
	struct refhw_fn fns[REFHW_FUNCTIONS];
	u32 n_fns;
	struct mutex fn_lock; /* of what functions there should be */
	struct work_struct fn_work;
};

extern struct mutex refhw_lock;
extern struct srcu_struct refhw_srcu;

static inline void refhw_count(struct refhw *hw, enum refhw_stat stat, u64 n)
{
	atomic64_add(n, &hw->stats[stat]);
}

/* stats.c */
void refhw_stats(struct refhw *hw, __le64 *to);
void refhw_stats_reset(struct refhw *hw);
void refhw_count_rx(struct refhw *hw, const u8 *dst, u32 len);
void refhw_count_tx(struct refhw *hw, const u8 *dst, u32 len);
extern const char * const refhw_stat_names[REFHW_STATS];

/* bus.c */
int refhw_bus_register(void);
void refhw_bus_unregister(void);
bool refhw_bus_has(const struct device *dev);
void refhw_bus_init(struct refnic_device *rdev, const char *name,
		    void (*release)(struct device *dev));

/* device.c: registers, reset, power */
struct refhw *refhw_create(struct refhw_port *port, const struct refhw_fn *fn,
			   u32 nr);
void refhw_destroy(struct refhw *hw);
void refhw_fail(struct refhw *hw, enum refnic_health code, u16 arg);
void refhw_event(struct refhw *hw, u32 event);
void refhw_wake(struct refhw *hw);
void *refhw_dma(struct refhw *hw, u64 addr, u32 len);

/* func.c: functions */
enum refnic_code refhw_func_command(struct refhw *hw, const u64 *a, bool set);
enum refnic_code refhw_func_set_mac(struct refhw *hw, const u8 *mac);
u32 refhw_func_reg(const struct refhw_port *port);
void refhw_func_off(struct refhw_port *port);
void refhw_func_event(struct refhw_port *port, u32 event);
void refhw_func_init(struct refhw_port *port);
void refhw_func_exit(struct refhw_port *port);

/* switch.c */
void refhw_switch_in(struct refhw_port *port, struct refhw_frame *f,
		     struct refhw_batch *b);
bool refhw_switch_spoofed(const struct refhw *hw, const struct refhw_frame *f);
bool refhw_switch_out(struct refhw *hw, struct refhw_frame *f,
		      struct refhw_batch *b);

/* admin.c: commands */
void refhw_admin(struct refhw *hw);
void refhw_forget(struct refhw *hw);
void refhw_queues_stop(struct refhw *hw);

/* fault.c */
bool refhw_fault_hit(struct refhw_port *port, enum refhw_fault fault);
void refhw_fault_add(struct refhw_port *port);
void refhw_fault_del(struct refhw_port *port);
void refhw_fault_init(void);
void refhw_fault_exit(void);

static inline bool refhw_fault(struct refhw_port *port, enum refhw_fault fault)
{
	return unlikely(READ_ONCE(port->faults.on)) &&
	       refhw_fault_hit(port, fault);
}

/* irq.c */
int refhw_irq_init(struct refhw *hw, u32 n);
void refhw_irq_exit(struct refhw *hw);
void refhw_vec_arm(struct refhw_vec *vec, bool on);
void refhw_vec_fire(struct refhw_vec *vec);
void refhw_vec_spurious(struct refhw_vec *vec);
void refhw_vec_event(struct refhw_vec *vec, bool tx, u32 n);
void refhw_vec_reset(struct refhw_vec *vec);

/* Moderation is on: each completion counts when it happens. */
static inline bool refhw_vec_counts(const struct refhw_vec *vec, bool tx)
{
	return READ_ONCE(vec->usecs[tx]);
}

/* clock.c */
void refhw_clock_init(struct refhw *hw);
u64 refhw_time(struct refhw *hw);
u64 refhw_time_at(struct refhw *hw, u64 at);
u64 refhw_time_when(struct refhw *hw, u64 time);
u32 refhw_time_reg(struct refhw *hw, bool high);
void refhw_clock_set(struct refhw *hw, const u64 *a);

/* pace.c */
bool refhw_pace_until(struct refhw_queue *q, u64 at);
void refhw_pace_again(struct refhw *hw);
bool refhw_pace_launch(struct refhw_queue *q, bool *good);
bool refhw_pace(struct refhw_queue *q, u32 len);
enum refnic_code refhw_pace_cmd(struct refhw *hw, struct refhw_queue *q,
				u64 node, u64 bps, u32 burst);
void refhw_pace_forget(struct refhw *hw);
void refhw_pace_limit(struct refhw *hw, u64 bps);
void refhw_pace_look(struct refhw *hw);

/* memcpy() is a string instruction, which takes long to begin; most frames are
 * shorter than that.
 */
static inline void refhw_copy(u8 *to, const u8 *from, u32 len)
{
	u32 at, last = len - sizeof(u64);

	if (len > 128 || len < sizeof(u64)) {
		memcpy(to, from, len);
		return;
	}
	for (at = 0; at < last; at += sizeof(u64))
		put_unaligned(get_unaligned((const u64 *)(from + at)),
			      (u64 *)(to + at));
	put_unaligned(get_unaligned((const u64 *)(from + last)),
		      (u64 *)(to + last));
}

/* frame.c: parsing, checksums, copying */
void refhw_frame_parse(struct refhw_frame *f);
void refhw_frame_flat(struct refhw_frame *f, const u8 *data, u32 len);
void refhw_frame_copy(const struct refhw_frame *f, u32 off, u8 *to, u32 len);
__sum16 refhw_frame_pseudo(const struct refhw_frame *f, u32 len);
bool refhw_frame_csum(struct refhw_frame *f, u32 start, u32 offset);
void refhw_frame_untag(struct refhw_frame *f);
bool refhw_frame_tag(struct refhw_frame *f, u16 tci);
u32 refhw_frame_headers(const struct refhw_frame *f);
int refhw_frame_verify(const struct refhw_frame *f);
void refhw_frame_slice(struct refhw_frame *to, const struct refhw_frame *f,
		       u32 off, u32 len);

/* steer.c: filters and steering */
bool refhw_filtered(struct refhw *hw, const struct refhw_frame *f);
bool refhw_owns(struct refhw *hw, const struct refhw_frame *f);
u32 refhw_steer(struct refhw *hw, const struct refhw_frame *f, u32 *info,
		u32 *hash);
void refhw_rss_prepare(struct refhw_rss *rss);

/* rx.c */
void refhw_rx(struct refhw *hw, struct refhw_frame *f, struct refhw_batch *b);
void refhw_rx_deliver(struct refhw_queue *q, const struct refhw_frame *f,
		      u32 info, u32 hash);
void refhw_rx_doorbell(struct refhw_queue *q);
void refhw_complete(struct refhw_queue *q, u32 head);
void refhw_complete_twice(struct refhw_queue *q, u32 head);

/* gro.c: coalescing */
int refhw_gro_start(void);
void refhw_gro_end(void);
void refhw_gro_init(struct refhw_queue *q);
void refhw_gro_exit(struct refhw_queue *q);
void refhw_gro_flush(struct refhw_queue *q);
bool refhw_gro_take(struct refhw_queue *q, const struct refhw_frame *f,
		    u32 info, u32 hash);

/* tx.c */
void refhw_tx_start_new(struct refhw *hw);
void refhw_tx_stop(struct refhw_queue *q);
void refhw_tx_doorbell(struct refhw_queue *q);
void refhw_tx_tail(struct refhw_queue *q, u32 tail);

/* wire.c */
void refhw_wire_init(struct refhw_port *port);
void refhw_wire_exit(struct refhw_port *port);
int refhw_wire_start(struct refhw_port *port);
void refhw_wire_send(struct refhw *hw, struct refhw_frame *f,
		     struct refhw_batch *b);
void refhw_wire_join(struct refhw_port *a, struct refhw_port *b);
void refhw_wire_cut(struct refhw_port *port);
bool refhw_link_up(const struct refhw_port *port);
void refhw_link_tell(struct refhw_port *port);
void refhw_link_changed(struct refhw_port *port);
int refhw_gen_start(struct refhw_port *port, u64 frames);
void refhw_gen_stop(struct refhw_port *port);

/* wire_netdev.c */
int refhw_netwire_init(void);
void refhw_netwire_exit(void);
int refhw_netwire_join(struct refhw_port *port, const char *name);
void refhw_netwire_cut(struct refhw_port *port);
ssize_t refhw_netwire_name(struct refhw_port *port, char *page);
bool refhw_netwire_up(struct refhw_netwire *nw);
bool refhw_netwire_out(struct refhw_netwire *nw, struct refhw_frame *f);

#endif /* _REFHW_H */
