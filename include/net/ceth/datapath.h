/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: the fast path of a backend.
 *
 * A backend writes the dozen small functions of &struct ceth_dp_ops, each
 * ``static __always_inline``, puts them into a ``static const`` structure, and
 * says CETH_DATAPATH(name, ops). That line becomes the NAPI poll, the
 * interrupt handler, the transmit and the XDP transmit function of the
 * backend, with the descriptor code folded in: no packet costs an indirect
 * call but that of the BPF program.
 *
 * None of the functions validates what the device says beyond what it needs
 * for itself: the core checks ids, ownership and lengths.
 *
 * Context: rx_*, tx_open, tx_next and tx_close run in NAPI context of the pair. tx_post and
 * tx_flush run under the transmit lock of the queue, with bottom halves off.
 * The two may run at the same time on different CPUs.
 */
#ifndef _NET_CETH_DATAPATH_H
#define _NET_CETH_DATAPATH_H

#include <linux/interrupt.h>
#include <net/ceth/queue.h>

/**
 * struct ceth_rx_cmpl - one completed receive buffer
 * @va: for the core: start of the buffer
 * @id: id that rx_post was called with, as the device reports it
 * @len: bytes the device says it wrote, prefix included
 * @word: the backend's, from rx_next to rx_begin
 */
struct ceth_rx_cmpl {
	void *va;
	u32 id;
	u32 len;
	u64 word;
};

/**
 * struct ceth_cursor - a place on a ring, for the time of a batch
 * @pos: next entry, or the first entry of all where @idx says which
 * @end: entry to stop at, or where the ring ends
 * @bits: what marks an entry as ready, or as given to the device
 * @idx: next entry
 * @mask: of @idx
 *
 * The backend's to use as it likes. It exists so that the compiler keeps it in
 * registers: what is in the queue's structure has to be read again after each
 * store to a ring.
 */
struct ceth_cursor {
	void *pos;
	void *end;
	u64 bits;
	u32 idx;
	u32 mask;
};

/**
 * enum ceth_rx_flags - what &struct ceth_rx_meta holds
 * @CETH_RX_CSUM_OK: the device has verified the innermost checksum
 * @CETH_RX_CSUM_PARTIAL: the sender left the checksum to compute, from
 *	csum_start to csum_offset; the data never crossed a wire
 * @CETH_RX_HASH: hash and hash_type are valid
 * @CETH_RX_GSO: the frame was never cut into segments of gso_size; comes with
 *	CETH_RX_CSUM_PARTIAL
 * @CETH_RX_VLAN: vlan_tci is valid, and not in the frame
 * @CETH_RX_TIME: time is valid
 * @CETH_RX_GRO: the device has coalesced gso_segs TCP segments, all but the
 *	last with gso_size bytes of data. Cut at these places, the frame gives
 *	the segments that have come, with equal headers but for lengths,
 *	checksums, sequence numbers and IPv4 identification; PSH is the last
 *	one's. Comes with CETH_RX_CSUM_OK.
 */
enum ceth_rx_flags {
	CETH_RX_CSUM_OK		= BIT(0),
	CETH_RX_CSUM_PARTIAL	= BIT(1),
	CETH_RX_HASH		= BIT(2),
	CETH_RX_GSO		= BIT(3),
	CETH_RX_VLAN		= BIT(4),
	CETH_RX_TIME		= BIT(5),
	CETH_RX_GRO		= BIT(6),
};

/**
 * struct ceth_rx_meta - neutral record of a received frame
 * @flags: bits of &enum ceth_rx_flags; the other fields hold rubbish unless
 *	their flag is set
 * @hash: flow hash
 * @hash_type: what @hash is of: one bit of &enum ceth_hash_type
 * @gso_ecn: with CETH_RX_GSO: the first segment has CWR set
 * @csum_start: bytes from the start of the frame
 * @csum_offset: bytes from @csum_start
 * @gso_size: payload bytes of a segment
 * @gso_segs: with CETH_RX_GRO: segments, two at least
 * @same_id: with CETH_RX_GRO: all have the same IPv4 identification, and the
 *	mark not to be fragmented; else it counts up
 * @gso_type: with CETH_RX_GSO: SKB_GSO_TCPV4, SKB_GSO_TCPV6 or SKB_GSO_UDP_L4
 * @vlan_tci: tag
 * @time: of arrival, by the device's clock, ns; with CETH_RX_GRO that of the
 *	first segment, or later
 */
struct ceth_rx_meta {
	u32 flags;
	u32 hash;
	u32 hash_type;
	bool gso_ecn;
	u16 csum_start;
	u16 csum_offset;
	u16 gso_size;
	u16 gso_segs;
	bool same_id;
	u32 gso_type;
	u16 vlan_tci;
	u64 time;
};

/**
 * enum ceth_tx_flags - what &struct ceth_tx_meta asks for
 * @CETH_TX_CSUM: complete the checksum
 * @CETH_TX_TSO4: segment TCP over IPv4
 * @CETH_TX_TSO6: segment TCP over IPv6
 * @CETH_TX_USO: segment UDP
 * @CETH_TX_ECN: with TSO: CWR on the first segment only
 * @CETH_TX_VLAN: put in a tag
 * @CETH_TX_TIME: note the time of sending
 * @CETH_TX_LAUNCH: do not send before a time
 */
enum ceth_tx_flags {
	CETH_TX_CSUM		= BIT(0),
	CETH_TX_TSO4		= BIT(1),
	CETH_TX_TSO6		= BIT(2),
	CETH_TX_USO		= BIT(3),
	CETH_TX_ECN		= BIT(4),
	CETH_TX_VLAN		= BIT(5),
	CETH_TX_TIME		= BIT(6),
	CETH_TX_LAUNCH		= BIT(7),
};

#define CETH_TX_GSO	(CETH_TX_TSO4 | CETH_TX_TSO6 | CETH_TX_USO)

/**
 * struct ceth_tx_meta - neutral record of a packet to send
 * @flags: bits of &enum ceth_tx_flags; what they do not ask for is 0
 * @csum_start: bytes from the start of the frame
 * @csum_offset: bytes from @csum_start
 * @gso_size: payload bytes of a segment
 * @gso_segs: segments, where the sender has counted them
 * @hdr_len: bytes of all headers
 * @vlan_tci: tag
 * @net_off: with CETH_TX_CSUM: bytes before the IP header
 * @v4: with CETH_TX_CSUM: it is IPv4
 * @launch: when to send, by the device's clock, ns
 */
struct ceth_tx_meta {
	u32 flags;
	u16 csum_start;
	u16 csum_offset;
	u16 gso_size;
	u16 gso_segs;
	u16 hdr_len;
	u16 vlan_tci;
	u16 net_off;
	bool v4;
	u64 launch;
};

/**
 * struct ceth_tx_seg - one DMA segment of a packet
 * @dma: address, prefix included in the first one
 * @len: bytes
 * @id: id of the segment; that of the first one names the packet
 */
struct ceth_tx_seg {
	dma_addr_t dma;
	u32 len;
	u16 id;
};

/**
 * struct ceth_dp_ops - descriptor code of a backend
 *
 * @ring is the backend's part of a queue (ceth_rxq_priv(), ceth_txq_priv()). A
 * backend whose receive and transmit rings are alike has one function for both.
 */
struct ceth_dp_ops {
	/**
	 * @rx_open: set @cur to the next completion, for a batch of @max at
	 *	most. It may have to end before, where the ring does.
	 */
	void (*rx_open)(void *ring, struct ceth_cursor *cur, u32 max);
	/**
	 * @rx_next: read a completion, in the device's order, into @c (id and
	 *	len), and move @cur on. Without an rx_close the same one
	 *	is read again.
	 *	Return: there was one.
	 */
	bool (*rx_next)(void *ring, struct ceth_cursor *cur,
			struct ceth_rx_cmpl *c);
	/**
	 * @rx_close: the completions before @cur are taken off the ring. What
	 *	the device wrote before it completed them must be visible on
	 *	return (dma_rmb()).
	 *	Return: the batch went as far as it could, there may be more;
	 *	not of one with nothing in it.
	 */
	bool (*rx_close)(void *ring, struct ceth_cursor *cur);
	/**
	 * @rx_begin: read what the device says about the frame that starts in
	 *	this buffer. @prefix is &ceth_caps.rx_prefix bytes before the
	 *	frame; each byte of it may be read once only, into @info.
	 *	Return: buffers of the frame, 0 when it makes no sense.
	 */
	u32 (*rx_begin)(const void *ring, const struct ceth_rx_cmpl *c,
			const void *prefix, struct ceth_rx_info *info);
	/**
	 * @rx_hdr: bytes of the frame that starts in this buffer, and lie in the
	 *	header buffer of its id; the buffer has what follows, or
	 *	nothing. Of a queue with &ceth_ring_conf.hdr_len, once for each
	 *	frame. NULL: there are no such queues.
	 */
	u32 (*rx_hdr)(const void *ring, const struct ceth_rx_cmpl *c);
	/**
	 * @rx_marks: rx_begin returns 0 for a buffer that a frame does not
	 *	begin in. So a frame that lacks buffers in the middle is not
	 *	filled up with those of the next one.
	 */
	bool rx_marks;
	/**
	 * @rx_csum_partial: the frame's checksum is left to compute, so that
	 *	it must be done before a program may send it on. NULL: never.
	 */
	bool (*rx_csum_partial)(const struct ceth_rx_info *info);
	/**
	 * @rx_meta: decode @info. Before the poll of the frame has ended, or,
	 *	for a frame of several buffers, any time; none, one or several
	 *	times.
	 */
	void (*rx_meta)(const void *ring, const struct ceth_rx_info *info,
			struct ceth_rx_meta *meta);
	/** @rx_post_open: set @cur to where the next buffer goes */
	void (*rx_post_open)(void *ring, struct ceth_cursor *cur);
	/**
	 * @rx_post: give the device a buffer under @id. @dma is where it may
	 *	write &ceth_rxq.buf_len bytes. Need not be visible to the
	 *	device before rx_flush.
	 */
	void (*rx_post)(void *ring, struct ceth_cursor *cur, u32 id,
			dma_addr_t dma);
	/**
	 * @rx_repost: as rx_post, with the buffer that @id had last. NULL:
	 *	no shorter way.
	 */
	void (*rx_repost)(void *ring, struct ceth_cursor *cur, u32 id,
			  dma_addr_t dma);
	/** @rx_post_close: the buffers before @cur are posted */
	void (*rx_post_close)(void *ring, struct ceth_cursor *cur);
	/**
	 * @rx_flush: make what was posted visible; doorbell if needed.
	 *	Return: a doorbell was rung.
	 */
	bool (*rx_flush)(void *ring);
	/** @rx_doorbell: tell the device that there are buffers, in any case */
	void (*rx_doorbell)(void *ring);

	/**
	 * @tx_extra: there can be more for the device to do than checksums
	 *	and segmentation: CETH_TX_VLAN, CETH_TX_TIME
	 */
	bool tx_extra;
	/** @tx_post_open: set @cur to where the next packet goes */
	void (*tx_post_open)(void *ring, struct ceth_cursor *cur);
	/**
	 * @tx_prefix: fill in the @len bytes (&ceth_caps.tx_prefix) before a
	 *	packet from @meta (NULL: send as it is). Called before they
	 *	are mapped, or with coherent memory; with NULL, packets may
	 *	have what it wrote in common. NULL when there are none.
	 */
	void (*tx_prefix)(const struct ceth_tx_meta *meta, void *prefix,
			  u32 len);
	/**
	 * @tx_post: write the descriptors of a packet of @n segments, the
	 *	first of which starts with the prefix. The device may see the
	 *	packet at once, but no part of it; it need not before tx_flush.
	 */
	void (*tx_post)(void *ring, struct ceth_cursor *cur,
			const struct ceth_tx_seg *segs, u32 n,
			const struct ceth_tx_meta *meta);
	/** @tx_post_close: the packets before @cur are written */
	void (*tx_post_close)(void *ring, struct ceth_cursor *cur);
	/**
	 * @tx_flush: make what was posted visible; doorbell if needed.
	 *	Return: a doorbell was rung.
	 */
	bool (*tx_flush)(void *ring);
	/** @tx_open: as rx_open */
	void (*tx_open)(void *ring, struct ceth_cursor *cur, u32 max);
	/**
	 * @tx_next: read the id of the next packet completed, unchecked.
	 *	Return: there was one.
	 */
	bool (*tx_next)(void *ring, struct ceth_cursor *cur, u32 *id);
	/**
	 * @tx_skip: move @cur past the completion of a packet of @n segments;
	 *	1 when the id was not a packet's
	 */
	void (*tx_skip)(struct ceth_cursor *cur, u32 n);
	/**
	 * @tx_time: time of the packet whose completion tx_skip has just
	 *	passed. NULL: the device has no clock.
	 *	Return: ns, 0 when it was not noted.
	 */
	u64 (*tx_time)(const void *ring, const struct ceth_cursor *cur);
	/** @tx_close: as rx_close */
	bool (*tx_close)(void *ring, struct ceth_cursor *cur);

	/**
	 * @irq_disarm: the pair is being polled, interrupts are not needed.
	 *	Any context. NULL: an interrupt disarms itself.
	 */
	void (*irq_disarm)(struct ceth_pair *pair);
	/**
	 * @irq_arm: polling ends, ask for an interrupt at the next completion
	 *	of either queue, and of &ceth_pair.xdp_own (transmit may wait for several, unless
	 *	&ceth_pair.tx_prompt is set).
	 *	Return: there are completions already, poll again.
	 */
	bool (*irq_arm)(struct ceth_pair *pair);
};

/**
 * enum ceth_pending - what waits to be polled
 * @CETH_PENDING_NONE: nothing
 * @CETH_PENDING_TX: transmit completions only
 * @CETH_PENDING_RX: received frames
 */
enum ceth_pending {
	CETH_PENDING_NONE,
	CETH_PENDING_TX,
	CETH_PENDING_RX,
};

/**
 * struct ceth_datapath - what CETH_DATAPATH() makes
 * @rxq_priv: bytes of the backend's part of a receive queue
 * @txq_priv: bytes of the backend's part of a transmit queue
 * @poll: NAPI poll
 * @irq: interrupt handler, its cookie is the pair
 * @start_xmit: transmit for the stack
 * @xdp_xmit: transmit of XDP frames
 * @hints: what programs can ask about a frame; the core offers those that the
 *	device has
 * @rx_fill: post buffers on a ring before it starts
 * @rx_kick: see &ceth_dp_ops.rx_doorbell
 * @pending: completions that wait to be polled; the caller has the NAPI
 *	instance to itself
 * @verify: the same with checks, for the verifying mode
 */
struct ceth_datapath {
	u16 rxq_priv;
	u16 txq_priv;
	int (*poll)(struct napi_struct *napi, int budget);
	irqreturn_t (*irq)(int irq, void *pair);
	netdev_tx_t (*start_xmit)(struct sk_buff *skb, struct net_device *dev);
	int (*xdp_xmit)(struct net_device *dev, int n,
			struct xdp_frame **frames, u32 flags);
	const struct xdp_metadata_ops *hints;
	void (*rx_fill)(struct ceth_rxq *rxq);
	void (*rx_kick)(struct ceth_rxq *rxq);
	enum ceth_pending (*pending)(struct ceth_pair *pair);
	const struct ceth_dp_verify *verify;
};

struct ceth_dp_verify;
struct ceth_rx_poll;
struct ceth_xdp_bulk;

/**
 * struct ceth_dp_fn - templates that CETH_DATAPATH() instantiates as functions
 *	of their own: their loops want all the registers
 * @rx_xdp: ceth_rx_xdp_batch()
 * @rx_stack: ceth_rx_stack_batch()
 * @rx_refill: ceth_rx_refill()
 * @tx_clean: ceth_tx_clean_tmpl(), without AF_XDP memory
 * @xdp_send: ceth_xdp_bulk_send()
 * @zc_clean: ceth_tx_clean_tmpl(), with AF_XDP memory
 * @zc_batch: ceth_zc_batch()
 * @zc_send: ceth_zc_tx_send()
 * @zc_poll: ceth_zc_poll_tmpl()
 * @xsk_xmit: ceth_xsk_xmit_tmpl()
 * @hds_batch: ceth_hds_batch()
 * @hds_poll: ceth_hds_poll_tmpl()
 */
struct ceth_dp_fn {
	void (*rx_xdp)(struct ceth_rx_poll *p);
	void (*rx_stack)(struct ceth_rx_poll *p);
	void (*rx_refill)(struct ceth_rx_poll *p);
	bool (*tx_clean)(struct ceth_txq *txq, int budget);
	void (*xdp_send)(struct ceth_pair *pair, struct ceth_xdp_bulk *bulk);
	bool (*zc_clean)(struct ceth_txq *txq, int budget);
	void (*zc_batch)(struct ceth_rx_poll *p);
	void (*zc_send)(struct ceth_pair *pair, struct ceth_rx_poll *p);
	int (*zc_poll)(struct ceth_pair *pair, int budget);
	bool (*xsk_xmit)(struct ceth_pair *pair);
	void (*hds_batch)(struct ceth_rx_poll *p);
	int (*hds_poll)(struct ceth_pair *pair, int budget);
};

/* The templates need the above. */
#include <net/ceth/tx.h>
#include <net/ceth/rx.h>
#include <net/ceth/hints.h>
#include <net/ceth/xsk.h>
#include <net/ceth/hds.h>
#include <net/ceth/verify.h>

/**
 * ceth_poll_tmpl() - NAPI poll of a pair
 * @napi: of the pair
 * @budget: frames to receive at most; 0: only what netpoll may do
 * @fn: instances of the other templates
 * @ops: the backend's
 *
 * Return: work done; @budget when there is more to do.
 */
static __always_inline int
ceth_poll_tmpl(struct napi_struct *napi, int budget,
	       const struct ceth_dp_fn *fn, const struct ceth_dp_ops *ops)
{
	struct ceth_pair *pair = container_of(napi, struct ceth_pair, napi);
	struct ceth_txq *own = READ_ONCE(pair->xdp_own);
	bool again = false;
	int done;

	if (unlikely(!budget))
		return 0;

	if (own)
		again = fn->tx_clean(own, budget);
	if (likely(pair->rxq->kind == CETH_RXQ_PLAIN)) {
		again |= fn->tx_clean(pair->txq_done, budget);
		done = ceth_rx_poll_tmpl(pair, budget, fn, ops);
	} else if (ops->rx_hdr && pair->rxq->kind == CETH_RXQ_HDS) {
		again |= fn->tx_clean(pair->txq_done, budget);
		done = fn->hds_poll(pair, budget);
	} else {
		again |= fn->zc_clean(pair->txq_done, budget);
		again |= fn->xsk_xmit(pair);
		done = fn->zc_poll(pair, budget);
	}
	if (done >= budget || again)
		return budget;

	if (napi_complete_done(napi, done)) {
		if (pair->dim_on)
			ceth_dim(pair);
		if (unlikely(ops->irq_arm(pair)) && napi_schedule_prep(napi)) {
			if (ops->irq_disarm)
				ops->irq_disarm(pair);
			__napi_schedule(napi);
		}
	}
	return done;
}

/**
 * ceth_pending_tmpl() - look whether completions wait, and leave them there
 * @pair: the pair; its NAPI instance belongs to the caller
 * @ops: the backend's
 *
 * Return: what there is.
 */
static __always_inline enum ceth_pending
ceth_pending_tmpl(struct ceth_pair *pair, const struct ceth_dp_ops *ops)
{
	void *rx = ceth_rxq_priv(pair->rxq);
	const struct ceth_txq *own = READ_ONCE(pair->xdp_own);
	void *tx = ceth_txq_priv(pair->txq_done);
	struct ceth_rx_cmpl c;
	struct ceth_cursor cur;
	u32 id;

	ops->rx_open(rx, &cur, 1);
	if (ops->rx_next(rx, &cur, &c))
		return CETH_PENDING_RX;
	ops->tx_open(tx, &cur, 1);
	if (ops->tx_next(tx, &cur, &id))
		return CETH_PENDING_TX;
	if (!own)
		return CETH_PENDING_NONE;
	tx = ceth_txq_priv(own);
	ops->tx_open(tx, &cur, 1);
	return ops->tx_next(tx, &cur, &id) ? CETH_PENDING_TX :
					     CETH_PENDING_NONE;
}

/* One instance: the functions, of which CETH_DATAPATH_INIT() makes a record */
#define CETH_DATAPATH_FNS(name, ops)					\
static noinline void name##_rx_xdp(struct ceth_rx_poll *p)		\
{									\
	ceth_rx_xdp_batch(p, &(ops));					\
}									\
static noinline void name##_rx_stack(struct ceth_rx_poll *p)		\
{									\
	ceth_rx_stack_batch(p, &(ops));					\
}									\
static noinline void name##_rx_refill(struct ceth_rx_poll *p)		\
{									\
	ceth_rx_refill(p->rxq, &p->post, &(ops));			\
}									\
static noinline bool name##_tx_clean(struct ceth_txq *txq, int budget)	\
{									\
	return ceth_tx_clean_tmpl(txq, budget, false, &(ops));		\
}									\
static noinline bool name##_zc_clean(struct ceth_txq *txq, int budget)	\
{									\
	return ceth_tx_clean_tmpl(txq, budget, true, &(ops));		\
}									\
static noinline u32 name##_xdp_any(struct ceth_pair *pair,		\
				   struct ceth_txq *txq,		\
				   struct ceth_xdp_bulk *bulk,		\
				   struct ceth_cursor *cur, u32 *bytes)	\
{									\
	return ceth_xdp_send_any(pair, txq, bulk, cur, bytes, &(ops)); \
}									\
static noinline void name##_xdp_send(struct ceth_pair *pair,		\
				     struct ceth_xdp_bulk *bulk)	\
{									\
	ceth_xdp_bulk_send(pair, bulk, name##_xdp_any, &(ops));	\
}									\
static noinline void name##_zc_batch(struct ceth_rx_poll *p)		\
{									\
	ceth_zc_batch(p, &(ops));					\
}									\
static noinline void name##_zc_send(struct ceth_pair *pair,		\
				    struct ceth_rx_poll *p)		\
{									\
	ceth_zc_tx_send(pair, p, &(ops));				\
}									\
static const struct ceth_dp_fn name##_fn;				\
static noinline int name##_zc_poll(struct ceth_pair *pair, int budget)	\
{									\
	return ceth_zc_poll_tmpl(pair, budget, &name##_fn, &(ops));	\
}									\
static noinline bool name##_xsk_xmit(struct ceth_pair *pair)		\
{									\
	return ceth_xsk_xmit_tmpl(pair, &(ops));			\
}									\
static noinline void name##_hds_batch(struct ceth_rx_poll *p)		\
{									\
	ceth_hds_batch(p, &(ops));					\
}									\
static noinline int name##_hds_poll(struct ceth_pair *pair, int budget)	\
{									\
	return ceth_hds_poll_tmpl(pair, budget, &name##_fn, &(ops));	\
}									\
static const struct ceth_dp_fn name##_fn = {				\
	.rx_xdp		= name##_rx_xdp,				\
	.rx_stack	= name##_rx_stack,				\
	.rx_refill	= name##_rx_refill,				\
	.tx_clean	= name##_tx_clean,				\
	.xdp_send	= name##_xdp_send,				\
	.zc_clean	= name##_zc_clean,				\
	.zc_batch	= name##_zc_batch,				\
	.zc_send	= name##_zc_send,				\
	.zc_poll	= name##_zc_poll,				\
	.xsk_xmit	= name##_xsk_xmit,				\
	.hds_batch	= name##_hds_batch,				\
	.hds_poll	= name##_hds_poll,				\
};									\
static int name##_poll(struct napi_struct *napi, int budget)		\
{									\
	return ceth_poll_tmpl(napi, budget, &name##_fn, &(ops));	\
}									\
static irqreturn_t name##_irq(int irq, void *data)			\
{									\
	struct ceth_pair *pair = data;					\
									\
	pair->events++;							\
	if (napi_schedule_prep(&pair->napi)) {				\
		if ((ops).irq_disarm)					\
			(ops).irq_disarm(pair);				\
		__napi_schedule_irqoff(&pair->napi);			\
	}								\
	return IRQ_HANDLED;						\
}									\
static netdev_tx_t name##_start_xmit(struct sk_buff *skb,		\
				     struct net_device *dev)		\
{									\
	return ceth_start_xmit_tmpl(skb, dev, &(ops));			\
}									\
static int name##_xdp_xmit(struct net_device *dev, int n,		\
			   struct xdp_frame **frames, u32 flags)	\
{									\
	return ceth_xdp_xmit_tmpl(dev, n, frames, flags, &(ops));	\
}									\
static int name##_hint_time(const struct xdp_md *md, u64 *time)		\
{									\
	return ceth_hint_time_tmpl(md, time, &(ops));			\
}									\
static int name##_hint_hash(const struct xdp_md *md, u32 *hash,		\
			    enum xdp_rss_hash_type *type)		\
{									\
	return ceth_hint_hash_tmpl(md, hash, type, &(ops));		\
}									\
static int name##_hint_vlan(const struct xdp_md *md, __be16 *proto,	\
			    u16 *tci)					\
{									\
	return ceth_hint_vlan_tmpl(md, proto, tci, &(ops));		\
}									\
static const struct xdp_metadata_ops name##_hints = {			\
	.xmo_rx_timestamp	= name##_hint_time,			\
	.xmo_rx_hash		= name##_hint_hash,			\
	.xmo_rx_vlan_tag	= name##_hint_vlan,			\
};									\
static void name##_rx_fill(struct ceth_rxq *rxq)			\
{									\
	if (rxq->xsk)							\
		ceth_zc_fill_tmpl(rxq, &(ops));				\
	else								\
		ceth_rx_fill_tmpl(rxq, &(ops));				\
}									\
static void name##_rx_kick(struct ceth_rxq *rxq)			\
{									\
	(ops).rx_doorbell(ceth_rxq_priv(rxq));				\
}									\
static enum ceth_pending name##_pending(struct ceth_pair *pair)		\
{									\
	return ceth_pending_tmpl(pair, &(ops));				\
}

/* The record of an instance */
#define CETH_DATAPATH_INIT(name, rxpriv, txpriv)			\
	.rxq_priv	= sizeof(rxpriv),				\
	.txq_priv	= sizeof(txpriv),				\
	.poll		= name##_poll,					\
	.irq		= name##_irq,					\
	.start_xmit	= name##_start_xmit,				\
	.xdp_xmit	= name##_xdp_xmit,				\
	.hints		= &name##_hints,				\
	.rx_fill	= name##_rx_fill,				\
	.rx_kick	= name##_rx_kick,				\
	.pending	= name##_pending

/**
 * CETH_DATAPATH() - instantiate the fast path of a backend
 * @name: prefix of the functions, and name of the &struct ceth_datapath
 * @ops: a static const &struct ceth_dp_ops
 * @rxpriv: type of the backend's part of a receive queue
 * @txpriv: type of the backend's part of a transmit queue
 *
 * Once as it is, and once with checks (<net/ceth/verify.h>), as name_v.
 */
#define CETH_DATAPATH(name, ops, rxpriv, txpriv)			\
CETH_DATAPATH_FNS(name, ops)						\
CETH_VERIFY_FNS(name##_v, ops)						\
CETH_DATAPATH_FNS(name##_v, CETH_VERIFY_OPS(name##_v, ops))		\
static const struct ceth_dp_verify name##_v = {				\
	.dp = { CETH_DATAPATH_INIT(name##_v, rxpriv, txpriv) },		\
	.has		= name##_v_has,					\
	.look		= name##_v_look,				\
};									\
const struct ceth_datapath name = {					\
	CETH_DATAPATH_INIT(name, rxpriv, txpriv),			\
	.verify		= &name##_v,					\
}

#endif /* _NET_CETH_DATAPATH_H */
