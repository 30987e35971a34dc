/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: queues, as the fast path and the backends see them.
 *
 * Ownership of a receive buffer
 *	rxq->vas[id] != NULL		the device owns the buffer under that id
 *	on rxq->free_ids		the id has no buffer
 *	otherwise			the poll loop owns buffer and id
 * Only the poll loop (or the control path while the queue is stopped) moves
 * them. DMA addresses are kept in rxq->dmas, never read back from memory that
 * the device can write.
 *
 * Ownership of a transmit id
 *	rec->type != CETH_TX_FREE	the device owns the segment
 *	on txq->free_ids		free
 * free_ids is a ring of one producer (completion, NAPI context) and one
 * consumer (posting, under the transmit lock of the queue), so that neither
 * takes a lock for the other: free_tail is published with release after the
 * record was cleared and read with acquire before an id is taken.
 */
#ifndef _NET_CETH_QUEUE_H
#define _NET_CETH_QUEUE_H

#include <linux/bpf.h>
#include <linux/cache.h>
#include <linux/dim.h>
#include <linux/netdevice.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <net/page_pool/types.h>
#include <net/xdp.h>

#include <net/ceth/ceth.h>

/** Completions handled together: read, prefetched, then worked on. */
#define CETH_RX_BATCH		32
/** Buffers of a frame: one of 64 KiB takes 45 of the smallest. */
#define CETH_RX_MAX_BUFS	48
/** Bytes before the frame in every receive buffer. */
#define CETH_RX_HEADROOM	XDP_PACKET_HEADROOM
/** Bytes after the frame in every receive buffer. */
#define CETH_RX_TAILROOM	SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
/** Most ids that one packet can take: head, fragments, prefix. */
#define CETH_TX_MAX_SEGS	(MAX_SKB_FRAGS + 2)

/**
 * struct ceth_rx_buf - a receive buffer without an id
 * @va: start of the buffer
 * @dma: where the device may write, see &ceth_rxq.dmas
 */
struct ceth_rx_buf {
	void *va;
	dma_addr_t dma;
};

/**
 * struct ceth_rx_info - the backend's private copy of what the device said
 *	about a frame
 * @w: free for the backend. Filled by rx_begin before a program can overwrite
 *	the prefix, read by rx_meta.
 */
struct ceth_rx_info {
	u64 w[4];
};

/**
 * struct ceth_xdp_buff - a frame as a program gets it, and what it can ask
 * @xdp: the frame; the first member, as the kernel's functions for hints get
 *	nothing else
 * @info: the backend's reading of the frame
 * @rxq: where it has come from
 *
 * In memory of AF_XDP sockets the latter two lie in &struct xdp_buff_xsk.cb.
 */
struct ceth_xdp_buff {
	struct xdp_buff xdp;
	const struct ceth_rx_info *info;
	struct ceth_rxq *rxq;
};

/**
 * struct ceth_rx_stats - receive counters of one queue index
 *
 * Written by the poll loop only. A received frame adds one to @packets, or to
 * @drop_desc or @drop_len when it is none. One that the device has coalesced
 * from segments (CETH_RX_GRO) counts as these in @packets, @bytes and
 * @csum_unnecessary, once it goes to the stack. One that is counted in @packets goes
 * to the stack, or adds one to exactly one of the xdp counters, @drop_nomem,
 * @drop_xdp_frags, @drop_unread and @xsk_full. They belong to the index, not to the
 * queue: they survive every change of queues.
 */
struct ceth_rx_stats {
	/** @syncp: readers' protection on 32-bit machines */
	struct u64_stats_sync syncp;
	/** @packets: frames taken from the device */
	u64 packets;
	/** @bytes: of @packets, without prefix */
	u64 bytes;
	/** @csum_unnecessary: checksum verified by the device */
	u64 csum_unnecessary;
	/** @csum_none: checksum not verified by the device */
	u64 csum_none;
	/** @hw_gro_packets: coalesced frames */
	u64 hw_gro_packets;
	/** @hw_gro_bytes: of @hw_gro_packets */
	u64 hw_gro_bytes;
	/** @hw_gro_wire_packets: segments of CETH_RX_GRO */
	u64 hw_gro_wire_packets;
	/** @hw_gro_wire_bytes: of @hw_gro_wire_packets */
	u64 hw_gro_wire_bytes;
	/** @xdp_pass: to the stack */
	u64 xdp_pass;
	/** @xdp_drop: XDP_DROP */
	u64 xdp_drop;
	/** @xdp_tx: XDP_TX, on the ring */
	u64 xdp_tx;
	/** @xdp_redirect: XDP_REDIRECT, taken by the target */
	u64 xdp_redirect;
	/** @xdp_aborted: XDP_ABORTED, or no verdict the kernel knows */
	u64 xdp_aborted;
	/** @xdp_tx_err: XDP_TX without room on the ring; dropped */
	u64 xdp_tx_err;
	/** @xdp_redirect_err: XDP_REDIRECT refused; dropped */
	u64 xdp_redirect_err;
	/** @drop_desc: completion that made no sense */
	u64 drop_desc;
	/** @drop_len: frame of several buffers that was too long or cut off */
	u64 drop_len;
	/** @drop_nomem: no memory for the packet's descriptor */
	u64 drop_nomem;
	/** @drop_xdp_frags: many-buffer frame, program for one buffer */
	u64 drop_xdp_frags;
	/**
	 * @drop_unread: in memory that nobody can read, and not verified by
	 *	the device
	 */
	u64 drop_unread;
	/** @xsk_full: for an AF_XDP socket whose ring had no room; dropped */
	u64 xsk_full;
	/** @xsk_copied: of @packets, from a socket's memory to the stack */
	u64 xsk_copied;
	/**
	 * @xsk_starved: polls that left the device without any chunk, because
	 *	the fill ring had none
	 */
	u64 xsk_starved;
	/** @alloc_fail: no page for a buffer; the ring was left shorter */
	u64 alloc_fail;
	/** @polls: NAPI polls */
	u64 polls;
	/**
	 * @xsk_wakeups: calls of the sockets' programs; kept in
	 *	&ceth_pair.xsk_wakeups
	 */
	u64 xsk_wakeups;
} ____cacheline_aligned_in_smp;

/**
 * struct ceth_tx_stats - transmit counters of one queue index
 *
 * The first group is written under the transmit lock, the second by
 * completion.
 */
struct ceth_tx_stats {
	/** @syncp: readers' protection on 32-bit machines */
	struct u64_stats_sync syncp;
	/**
	 * @packets: given to the device, from the stack; one that it segments
	 *	counts as its segments
	 */
	u64 packets;
	/** @bytes: of @packets */
	u64 bytes;
	/** @needs_csum: of @packets, with the checksum left to the device */
	u64 needs_csum;
	/** @csum_none: of @packets, without checksum to compute */
	u64 csum_none;
	/** @gso_packets: packets left to the device to segment */
	u64 gso_packets;
	/** @gso_bytes: of @gso_packets */
	u64 gso_bytes;
	/** @gso_segs: segments of @gso_packets */
	u64 gso_segs;
	/** @xdp_packets: XDP_TX and redirected frames given to the device */
	u64 xdp_packets;
	/** @xdp_bytes: of @xdp_packets */
	u64 xdp_bytes;
	/** @xdp_full: frames turned away for want of room */
	u64 xdp_full;
	/** @xsk_packets: packets of AF_XDP sockets given to the device */
	u64 xsk_packets;
	/** @xsk_bytes: of @xsk_packets */
	u64 xsk_bytes;
	/** @xsk_csum: of @xsk_packets, with the checksum left to the device */
	u64 xsk_csum;
	/** @xsk_invalid: descriptors of sockets that make no packet */
	u64 xsk_invalid;
	/** @drop_map: packets dropped: DMA mapping failed */
	u64 drop_map;
	/** @drop_down: packets dropped: queue not running */
	u64 drop_down;
	/** @stop: queue stopped for want of room */
	u64 stop;
	/** @kicks: doorbells */
	u64 kicks;
	/** @csyncp: readers' protection on 32-bit machines */
	struct u64_stats_sync csyncp ____cacheline_aligned_in_smp;
	/** @wake: queue woken */
	u64 wake;
	/** @bad_cmpl: completions that made no sense */
	u64 bad_cmpl;
	/** @lost: packets thrown away by stop or reset */
	u64 lost;
	/** @timeouts: watchdog */
	u64 timeouts;
} ____cacheline_aligned_in_smp;

/**
 * enum ceth_rxq_kind - where a receive queue has its buffers from
 * @CETH_RXQ_PLAIN: pages of a page pool
 * @CETH_RXQ_XSK: memory of AF_XDP sockets
 * @CETH_RXQ_HDS: header buffers of its own; a page pool's memory, which need not
 *	be pages, for data
 */
enum ceth_rxq_kind {
	CETH_RXQ_PLAIN,
	CETH_RXQ_XSK,
	CETH_RXQ_HDS,
};

/**
 * struct ceth_rxq - receive queue
 */
struct ceth_rxq {
	/* read by each poll */
	/**
	 * @vas: start of each id's buffer, @size entries; of a queue with
	 *	@hdrs the netmem_ref
	 */
	void **vas;
	/**
	 * @dmas: where the device may write in each id's buffer: the DMA
	 *	address of its start plus @off; @size entries
	 */
	dma_addr_t *dmas;
	/** @xdp_prog: program of the device; NAPI reads it once a poll */
	struct bpf_prog __rcu *xdp_prog;
	/** @stats: counters of this index */
	struct ceth_rx_stats *stats;
	/** @pool: where pages come from and go to; NULL with @xsk */
	struct page_pool *pool;
	/**
	 * @xsk: memory of AF_XDP sockets instead: @vas are the &struct
	 *	xdp_buff of its chunks then, and there is no @dmas
	 */
	struct xsk_buff_pool *xsk;
	/** @xsk_segs: with @xsk: chunks that a frame may take */
	u32 xsk_segs;
	/** @size: ids, and descriptors of the ring; a power of two */
	u32 size;
	/** @buf_len: bytes of a buffer that the device may write */
	u32 buf_len;
	/** @frame_sz: bytes of a buffer, room around the frame included */
	u32 frame_sz;
	/** @min_len: shortest first buffer of a frame, prefix included */
	u32 min_len;
	/** @off: where the device writes, from the start of a buffer */
	u32 off;
	/** @prefix: bytes before the frame that the device writes */
	u8 prefix;
	/** @kind: see &enum ceth_rxq_kind */
	u8 kind;
	/** @idx: index of the queue */
	u16 idx;

	/* written by each poll */
	/** @n_free: ids without a buffer, on @free_ids */
	u32 n_free ____cacheline_aligned_in_smp;
	/** @n_spare: buffers without an id, on @spare */
	u32 n_spare;
	/** @xsk_asked: with @xsk: the program has been asked to call */
	bool xsk_asked;
	/** @free_ids: stack of ids */
	u16 *free_ids;
	/**
	 * @spare: stack of buffers that came back mapped and ready, filled
	 *	by XDP_TX completion of the same pair; @size entries
	 */
	struct ceth_rx_buf *spare;
	/** @frame: many-buffer frame under assembly, across polls */
	struct {
		/** @frame.zc: with @xsk: the first chunk, which has the others */
		struct xdp_buff *zc;
		/** @frame.buff: first buffer and, at its end, the others */
		struct ceth_xdp_buff buff;
		/** @frame.skb: head, when there are more than fragments allow */
		struct sk_buff *skb;
		/** @frame.info: the backend's reading of the frame's start */
		struct ceth_rx_info info;
		/** @frame.left: buffers still to come; 0: no frame */
		u32 left;
		/** @frame.len: bytes so far */
		u32 len;
		/** @frame.drop: drop the frame when it is complete */
		bool drop;
		/** @frame.gone: what there was of it has been thrown away */
		bool gone;
	} frame;
	/** @xdp_rxq: what programs and frames know of this queue */
	struct xdp_rxq_info xdp_rxq;

	/* slow */
	/** @ring: the ring */
	struct ceth_ring_conf ring;
	/** @hdrs: header buffers, &ceth_ring_conf.hdr_len bytes for each id */
	void *hdrs;
	/** @pair: the pair it belongs to */
	struct ceth_pair *pair;
	/** @dev: DMA device */
	struct device *dev;
	/** @verify: for the verifying mode, or NULL */
	struct ceth_vq *verify;
	/** @priv: the backend's part, &ceth_datapath.rxq_priv bytes */
	u8 priv[] ____cacheline_aligned_in_smp;
};

/**
 * enum ceth_tx_type - what a transmit id carries
 * @CETH_TX_FREE: nothing
 * @CETH_TX_SKB: the head of a packet of the stack
 * @CETH_TX_XDP_FRAME: the head of a redirected frame
 * @CETH_TX_XDP_TX: a receive buffer of the same pair, sent back
 * @CETH_TX_XSK: chunks that an AF_XDP socket sends
 * @CETH_TX_XSK_ONE: the same, one chunk, and nothing to tell but that it is
 *	sent; if the prefix is a segment, the record of the other one says
 *	CETH_TX_FREE
 * @CETH_TX_ZC: a chunk of such memory, received by the same pair and sent back
 * @CETH_TX_MORE: a further segment of the packet
 */
enum ceth_tx_type {
	CETH_TX_FREE,
	CETH_TX_SKB,
	CETH_TX_XDP_FRAME,
	CETH_TX_XDP_TX,
	CETH_TX_XSK,
	CETH_TX_XSK_ONE,
	CETH_TX_ZC,
	CETH_TX_MORE,
};

/**
 * struct ceth_tx_rec - what the driver remembers of a segment in flight
 * @ptr: sk_buff, xdp_frame, buffer or xdp_buff, by @type; for CETH_TX_MORE of
 *	what was received the buffer or xdp_buff; for CETH_TX_XSK where the time
 *	of sending goes, or NULL
 * @dma: what to unmap, or the buffer's &ceth_rx_buf.dma for XDP_TX; for
 *	CETH_TX_XSK and CETH_TX_XSK_ONE the place of its first chunk, see
 *	&ceth_txq.xsk_done
 * @len: what to unmap, 0: nothing
 * @next: id of the next segment of the packet
 * @type: see &enum ceth_tx_type
 * @n_segs: segments of the packet, in the head only
 * @kind: @type and @n_segs, to set and compare at once
 */
struct ceth_tx_rec {
	void *ptr;
	dma_addr_t dma;
	u32 len;
	u16 next;
	union {
		struct {
			u8 type;
			u8 n_segs;
		};
		u16 kind;
	};
} __aligned(32);	/* a shift finds it, and it lies in one cache line */

/* &ceth_tx_rec.kind of a type and number of segments */
#ifdef __LITTLE_ENDIAN
#define CETH_TX_KIND(type, n_segs)	((type) | (n_segs) << 8)
#else
#define CETH_TX_KIND(type, n_segs)	((type) << 8 | (n_segs))
#endif

/**
 * struct ceth_txq - transmit queue
 */
struct ceth_txq {
	/* written under the transmit lock */
	/** @recs: segments by id, @size entries */
	struct ceth_tx_rec *recs;
	/** @free_ids: ring of free ids */
	u16 *free_ids;
	/** @free_head: next id to take from @free_ids, free running */
	u32 free_head;
	/** @mask: @size - 1 */
	u32 mask;
	/** @stats: counters of this index */
	struct ceth_tx_stats *stats;
	/**
	 * @prefixes: prefix area by id, for packets without headroom; behind
	 *	them one that all have in common that ask for nothing
	 */
	void *prefixes;
	/** @prefixes_dma: DMA address of @prefixes */
	dma_addr_t prefixes_dma;
	/** @dev: DMA device */
	struct device *dev;
	/** @lock: the transmit lock: that of @netq, or @own_lock */
	spinlock_t *lock;
	/** @netq: queue of the stack */
	struct netdev_queue *netq;
	/** @size: ids, and descriptors of the ring; a power of two */
	u32 size;
	/** @prefix: bytes before the frame that the device reads */
	u8 prefix;
	/** @phys: see %CETH_CAP_PHYS_ADDR */
	bool phys;
	/** @launch: see &ceth_pair.launch */
	bool launch;
	/** @idx: index of the queue */
	u16 idx;
	/** @xsk: memory of the AF_XDP sockets that send here, or NULL */
	struct xsk_buff_pool *xsk;
	/** @xsk_posted: chunks taken from sockets so far, free running */
	u32 xsk_posted;
	/** @xsk_part: beginning of a packet whose end has not been seen yet */
	struct xdp_desc *xsk_part;
	/** @xsk_n_part: entries of @xsk_part, which has room for a packet */
	u32 xsk_n_part;
	/** @held: a packet waits, or did, until a time that a socket chose */
	bool held;

	/* written by completion */
	/** @free_tail: where the next free id goes, free running */
	u32 free_tail ____cacheline_aligned_in_smp;
	/** @xsk_head: chunks given back to sockets so far, free running */
	u32 xsk_head;
	/**
	 * @xsk_done: chunks that have been sent before older ones, by their
	 *	place in the order in which sockets posted them; @size entries
	 */
	u8 *xsk_done;

	/* slow */
	/** @pair: the pair it belongs to */
	struct ceth_pair *pair ____cacheline_aligned_in_smp;
	/** @own_lock: @lock of a queue for XDP alone */
	spinlock_t own_lock;
	/** @watch: what the core's watch saw last time; under @lock */
	struct {
		/** @watch.tail: @free_tail */
		u32 tail;
		/**
		 * @watch.since: when it was first seen to be that, jiffies; 0:
		 *	nothing in flight
		 */
		unsigned long since;
	} watch;
	/** @ring: the ring */
	struct ceth_ring_conf ring;
	/** @verify: for the verifying mode, or NULL */
	struct ceth_vq *verify;
	/** @priv: the backend's part, &ceth_datapath.txq_priv bytes */
	u8 priv[] ____cacheline_aligned_in_smp;
};

/**
 * struct ceth_watch - what the core's watch saw of a pair last time
 * @polls: &ceth_rx_stats.polls
 * @events: &ceth_pair.events
 * @suspect: completions, and nobody came for them
 */
struct ceth_watch {
	u64 polls;
	u16 events;
	bool suspect;
};

/**
 * struct ceth_pair - receive and transmit queue of one index, with their
 *	interrupt and NAPI
 *
 * Lives as long as the device; the queues come and go. @rxq and @txq_done
 * change while NAPI is disabled. @txq changes under the transmit lock; NULL:
 * nothing may be sent, so that what is in flight can drain.
 *
 * XDP sends on @xdp: the stack's queue, or one for XDP alone (@xdp_own), or, NULL,
 * not at all. It changes under the transmit lock of the queue that it was; who
 * has taken that looks once more (ceth_xdp_lock()). @xdp_own appears before it is
 * in @xdp, and goes after it has been, with a grace period before it is freed.
 */
struct ceth_pair {
	/** @napi: serves both queues */
	struct napi_struct napi;
	/** @rxq: receive queue */
	struct ceth_rxq *rxq;
	/** @txq: transmit queue, for senders */
	struct ceth_txq *txq;
	/** @txq_done: transmit queue, for completion */
	struct ceth_txq *txq_done;
	/** @xdp: transmit queue for XDP frames */
	struct ceth_txq *xdp;
	/** @xdp_own: the same, for completion, if it is another one than @txq */
	struct ceth_txq *xdp_own;
	/** @netq: transmit queue of the stack */
	struct netdev_queue *netq;
	/** @cdev: the device */
	struct ceth_dev *cdev;
	/** @xsk: memory of AF_XDP sockets, for queues to come */
	struct xsk_buff_pool *xsk;
	/** @xsk_wakeups: see &ceth_rx_stats.xsk_wakeups */
	atomic64_t xsk_wakeups;
	/** @irq: Linux interrupt number */
	int irq;
	/** @idx: index */
	u16 idx;
	/** @enabled: NAPI instance and interrupt exist */
	bool enabled;
	/** @running: NAPI polls the queues */
	bool running;
	/** @shaper: limit of what is sent */
	struct ceth_shaper shaper;
	/** @shaped: @shaper is net_shaper's, not that of tx_maxrate */
	bool shaped;
	/** @launch: the user wants launch times obeyed */
	bool launch;
	/** @starved: the device has said that it lacks buffers */
	bool starved;
	/** @affinity_set: @affinity has been suggested */
	bool affinity_set;
	/**
	 * @tx_prompt: somebody waits for transmit completions: their interrupt
	 *	must not wait for more of them
	 */
	bool tx_prompt;
	/** @dim_on: adaptive moderation of receive interrupts works */
	bool dim_on;
	/** @dim_want: it is wanted, also while the pair does not run */
	bool dim_want;
	/** @events: interrupts seen, for @dim and @watch */
	u16 events;
	/** @watch: against lost interrupts and completions */
	struct ceth_watch watch;
	/** @hds_timer: polls again while the pool's memory is exhausted */
	struct timer_list hds_timer;
	/** @dim: adaptive moderation */
	struct dim dim;
	/** @coal: moderation as set; @dim_on: @dim decides on receive */
	struct ceth_coalesce coal;
	/** @affinity: CPUs suggested for the interrupt */
	cpumask_t affinity;
	/** @irq_name: as in /proc/interrupts */
	char irq_name[IFNAMSIZ + 16];
	/** @rx_stats: counters of the receive index */
	struct ceth_rx_stats rx_stats;
	/** @tx_stats: counters of the transmit index */
	struct ceth_tx_stats tx_stats;
	/** @xdp_stats: those of @xdp_own; to be added to @tx_stats */
	struct ceth_tx_stats xdp_stats;
};

/**
 * ceth_rxq_priv() - the backend's part of a receive queue
 * @rxq: the queue
 *
 * Return: &ceth_datapath.rxq_priv bytes.
 */
static inline void *ceth_rxq_priv(const struct ceth_rxq *rxq)
{
	return (void *)rxq->priv;
}

/**
 * ceth_txq_priv() - the backend's part of a transmit queue
 * @txq: the queue
 *
 * Return: &ceth_datapath.txq_priv bytes.
 */
static inline void *ceth_txq_priv(const struct ceth_txq *txq)
{
	return (void *)txq->priv;
}

/**
 * ceth_tx_in_flight() - segments that the device owns
 * @txq: the queue; from completion or under the transmit lock
 *
 * Return: segments.
 */
static inline u32 ceth_tx_in_flight(const struct ceth_txq *txq)
{
	return txq->size - (READ_ONCE(txq->free_tail) -
			    READ_ONCE(txq->free_head));
}

/**
 * ceth_tx_segs() - segments that a packet in flight took
 * @txq: the queue
 * @id: as the device reported it, unchecked
 *
 * Return: segments, or 0 when no packet with that id is in flight.
 */
static __always_inline u32 ceth_tx_segs(const struct ceth_txq *txq, u32 id)
{
	const struct ceth_tx_rec *rec;

	if (unlikely(id >= txq->size))
		return 0;
	rec = &txq->recs[id];
	if (unlikely(rec->type == CETH_TX_FREE || rec->type == CETH_TX_MORE))
		return 0;
	return rec->n_segs;
}

/**
 * ceth_pair_netq() - transmit queue of the stack
 * @pair: the pair
 *
 * Return: the queue; its lock is the transmit lock of &ceth_pair.txq.
 */
static inline struct netdev_queue *ceth_pair_netq(const struct ceth_pair *pair)
{
	return pair->netq;
}

/**
 * ceth_xdp_unlock() - undo ceth_xdp_lock()
 * @txq: the queue
 */
static __always_inline void ceth_xdp_unlock(struct ceth_txq *txq)
{
	__acquire(txq->lock);
	spin_unlock(txq->lock);
}

/**
 * ceth_xdp_lock() - transmit queue for XDP frames
 * @pair: the pair; bottom halves are off
 *
 * Return: the queue, under its transmit lock; NULL: nothing can be sent, and
 * nothing is locked.
 */
static __always_inline struct ceth_txq *ceth_xdp_lock(struct ceth_pair *pair)
{
	struct ceth_txq *txq = READ_ONCE(pair->xdp);

	while (likely(txq)) {
		struct ceth_txq *now;

		spin_lock(txq->lock);
		/* To sparse nothing is locked: it depends on the result. */
		__release(txq->lock);
		now = READ_ONCE(pair->xdp);
		if (likely(now == txq))
			break;
		/* Closed, or exchanged, meanwhile. It is still there: it goes
		 * after a grace period.
		 */
		ceth_xdp_unlock(txq);
		txq = now;
	}
	return txq;
}

void *ceth_pair_priv(const struct ceth_pair *pair);

#endif /* _NET_CETH_QUEUE_H */
