/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: the verifying mode of the fast path.
 *
 * CETH_DATAPATH() makes every fast path twice: from the backend's functions as
 * they are, and from those of this header, which call the same functions and
 * check what Documentation/networking/ceth/contract.rst says of them. Which of
 * the two a device has is decided when it is made (parameter "verify" of
 * ceth.ko), so that the first one has no trace of the second.
 *
 * What is remembered between two calls is in &struct ceth_vq, beside the queue.
 * The checks themselves are the core's (core/verify_dp.c).
 */
#ifndef _NET_CETH_VERIFY_H
#define _NET_CETH_VERIFY_H

#ifndef _NET_CETH_DATAPATH_H
#error "include <net/ceth/datapath.h>"
#endif

/** &ceth_dp_verify.look: a completion waits */
#define CETH_V_READY		BIT(0)
/** &ceth_dp_verify.look: there was something to ring the doorbell for */
#define CETH_V_RANG		BIT(1)

/** &ceth_dp_verify.has: there is an rx_hdr */
#define CETH_V_RX_HDR		BIT(0)
/** &ceth_dp_verify.has: tx_extra is set */
#define CETH_V_TX_EXTRA		BIT(1)
/** &ceth_dp_verify.has: there is a tx_time */
#define CETH_V_TX_TIME		BIT(2)
/** &ceth_dp_verify.has: there is a tx_prefix */
#define CETH_V_TX_PREFIX	BIT(3)

/**
 * struct ceth_dp_verify - the second instance of a fast path
 * @dp: what &ceth_datapath is in the verifying mode
 * @has: what the backend has of what it may leave out, in either mode
 * @look: look at a queue that has just been emptied: CETH_V_READY, CETH_V_RANG
 */
struct ceth_dp_verify {
	struct ceth_datapath dp;
	u32 (*has)(void);
	u32 (*look)(void *ring, bool tx);
};

/**
 * enum ceth_vq_state - how far a ring has come
 * @CETH_VQ_NEW: it has memory
 * @CETH_VQ_EMPTY: ring_init
 * @CETH_VQ_STARTED: ring_start
 * @CETH_VQ_STOPPED: ring_stop
 */
enum ceth_vq_state {
	CETH_VQ_NEW,
	CETH_VQ_EMPTY,
	CETH_VQ_STARTED,
	CETH_VQ_STOPPED,
};

/**
 * struct ceth_vdesc - a descriptor, by id
 * @dma: address posted
 * @at: where it was found in the ring's memory, bytes from its start
 * @seq: number of the posting, by &ceth_vq.seq
 * @there: it was found
 * @owned: receive: the device has the buffer
 */
struct ceth_vdesc {
	dma_addr_t dma;
	u32 at;
	u32 seq;
	bool there;
	bool owned;
};

/**
 * struct ceth_vq - what the verifying mode knows of a queue
 * @list: on &ceth_verify.rings
 * @cdev: the device
 * @ring: the backend's part of the queue
 * @rxq: the queue, or NULL
 * @txq: the queue, or NULL
 * @pair: index of the pair
 * @state: how far the ring has come
 * @max: completions that this batch may have
 * @n: completions that it has had
 * @endless: batches in a row that were empty, and not the last
 * @batch: receive: their ids
 * @peeked: a completion was read, and left on the ring
 * @peek_id: its id
 * @peek_len: its length
 * @posted: segments given to the backend, free running
 * @flushed: @posted at the last flush
 * @rung: @posted at the last flush that rang the doorbell
 * @owed: there was none for the last flush before the queue stopped
 * @mem: ring memory that the core has allocated, or NULL
 * @len: its bytes; a guard follows
 * @desc: @size entries
 * @size: ids
 * @seq: descriptors written, free running
 * @first: place of the first descriptor
 * @stride: from one descriptor to the next
 * @last: place of the latest
 * @blind: the backend's descriptors are not of the kind that can be followed
 */
struct ceth_vq {
	struct list_head list;
	struct ceth_dev *cdev;
	void *ring;
	struct ceth_rxq *rxq;
	struct ceth_txq *txq;
	u16 pair;
	enum ceth_vq_state state;

	u32 max;
	u32 n;
	u32 endless;
	u32 batch[CETH_RX_BATCH];
	bool peeked;
	u32 peek_id;
	u32 peek_len;

	u32 posted;
	u32 flushed;
	u32 rung;
	bool owed;

	u8 *mem;
	u32 len;
	struct ceth_vdesc *desc;
	u32 size;
	u32 seq;
	u32 first;
	u32 stride;
	u32 last;
	bool blind;
};

void ceth_v_open(struct ceth_vq *v, u32 max);
void ceth_v_greedy(struct ceth_vq *v);
void ceth_v_rx_next(struct ceth_vq *v, const struct ceth_rx_cmpl *c);
void ceth_v_tx_next(struct ceth_vq *v, u32 id);
bool ceth_v_close(struct ceth_vq *v, bool more);
void ceth_v_rx_post(struct ceth_vq *v, u32 id, dma_addr_t dma, bool again);
void ceth_v_rx_posted(struct ceth_vq *v, u32 id, dma_addr_t dma);
void ceth_v_tx_post(struct ceth_vq *v, const struct ceth_tx_seg *segs, u32 n,
		    const struct ceth_tx_meta *meta);
void ceth_v_tx_posted(struct ceth_vq *v, const struct ceth_tx_seg *segs, u32 n);
void ceth_v_post_close(struct ceth_vq *v);
bool ceth_v_flush(struct ceth_vq *v, bool rung, int context);
void ceth_v_doorbell(struct ceth_vq *v);
void ceth_v_rx_meta(struct ceth_vq *v, const struct ceth_rx_meta *meta);
u64 ceth_v_arm(struct ceth_pair *pair);
bool ceth_v_armed(struct ceth_pair *pair, u64 polls, u64 had, u64 has,
		  bool again, int context);

/* The queue that a backend's part belongs to */
static __always_inline struct ceth_vq *ceth_v_rx(const void *ring)
{
	return container_of(ring, struct ceth_rxq, priv)->verify;
}

static __always_inline struct ceth_vq *ceth_v_tx(const void *ring)
{
	return container_of(ring, struct ceth_txq, priv)->verify;
}

/* Would there be one more? It stays where it is. Return: its id and 1; 0: no. */
static __always_inline u64 ceth_v_rx_more(void *ring,
					  const struct ceth_cursor *cur,
					  const struct ceth_dp_ops *ops)
{
	struct ceth_cursor at = *cur;
	struct ceth_rx_cmpl c;

	return ops->rx_next(ring, &at, &c) ? c.id + 1ULL : 0;
}

static __always_inline u64 ceth_v_rx_ready(void *ring,
					   const struct ceth_dp_ops *ops)
{
	struct ceth_cursor cur;

	ops->rx_open(ring, &cur, 1);
	return ceth_v_rx_more(ring, &cur, ops);
}

static __always_inline bool ceth_v_tx_ready(void *ring,
					    const struct ceth_dp_ops *ops)
{
	struct ceth_cursor cur;
	u32 id;

	ops->tx_open(ring, &cur, 1);
	return ops->tx_next(ring, &cur, &id);
}

static __always_inline u32 ceth_v_look_tmpl(void *ring, bool tx,
					    const struct ceth_dp_ops *ops)
{
	bool ready = tx ? ceth_v_tx_ready(ring, ops) :
			  ceth_v_rx_ready(ring, ops);
	bool rang = tx ? ops->tx_flush(ring) : ops->rx_flush(ring);

	return (ready ? CETH_V_READY : 0) | (rang ? CETH_V_RANG : 0);
}

static __always_inline u32 ceth_v_has_tmpl(const struct ceth_dp_ops *ops)
{
	return (ops->rx_hdr ? CETH_V_RX_HDR : 0) |
	       (ops->tx_extra ? CETH_V_TX_EXTRA : 0) |
	       (ops->tx_time ? CETH_V_TX_TIME : 0) |
	       (ops->tx_prefix ? CETH_V_TX_PREFIX : 0);
}

static __always_inline bool ceth_v_irq_arm_tmpl(struct ceth_pair *pair,
						const struct ceth_dp_ops *ops)
{
	void *rx = ceth_rxq_priv(pair->rxq);
	u64 had = ceth_v_rx_ready(rx, ops);
	u64 polls = ceth_v_arm(pair);
	int context = preempt_count();
	bool again = ops->irq_arm(pair);

	return ceth_v_armed(pair, polls, had, ceth_v_rx_ready(rx, ops), again,
			    context);
}

/**
 * CETH_VERIFY_FNS() - the checkers around a backend's functions
 * @name: prefix of the functions
 * @ops: a static const &struct ceth_dp_ops
 */
#define CETH_VERIFY_FNS(name, ops)					\
static __always_inline void						\
name##_rx_open(void *ring, struct ceth_cursor *cur, u32 max)		\
{									\
	ceth_v_open(ceth_v_rx(ring), max);				\
	(ops).rx_open(ring, cur, max);					\
}									\
static __always_inline bool						\
name##_rx_next(void *ring, struct ceth_cursor *cur,			\
	       struct ceth_rx_cmpl *c)					\
{									\
	struct ceth_vq *v = ceth_v_rx(ring);				\
									\
	if (v->n >= v->max) {						\
		if (ceth_v_rx_more(ring, cur, &(ops)))			\
			ceth_v_greedy(v);				\
		return false;						\
	}								\
	if (!(ops).rx_next(ring, cur, c))				\
		return false;						\
	ceth_v_rx_next(v, c);						\
	return true;							\
}									\
static __always_inline bool						\
name##_rx_close(void *ring, struct ceth_cursor *cur)			\
{									\
	return ceth_v_close(ceth_v_rx(ring), (ops).rx_close(ring, cur)); \
}									\
static __always_inline void						\
name##_rx_meta(const void *ring, const struct ceth_rx_info *info,	\
	       struct ceth_rx_meta *meta)				\
{									\
	(ops).rx_meta(ring, info, meta);				\
	ceth_v_rx_meta(ceth_v_rx(ring), meta);				\
}									\
static __always_inline void						\
name##_rx_post(void *ring, struct ceth_cursor *cur, u32 id,		\
	       dma_addr_t dma)						\
{									\
	struct ceth_vq *v = ceth_v_rx(ring);				\
									\
	ceth_v_rx_post(v, id, dma, false);				\
	(ops).rx_post(ring, cur, id, dma);				\
	ceth_v_rx_posted(v, id, dma);					\
}									\
static __always_inline void						\
name##_rx_repost(void *ring, struct ceth_cursor *cur, u32 id,		\
		 dma_addr_t dma)					\
{									\
	struct ceth_vq *v = ceth_v_rx(ring);				\
									\
	ceth_v_rx_post(v, id, dma, true);				\
	(ops).rx_repost(ring, cur, id, dma);				\
	ceth_v_rx_posted(v, id, dma);					\
}									\
static __always_inline void						\
name##_rx_post_close(void *ring, struct ceth_cursor *cur)		\
{									\
	(ops).rx_post_close(ring, cur);					\
	ceth_v_post_close(ceth_v_rx(ring));				\
}									\
static __always_inline bool name##_rx_flush(void *ring)			\
{									\
	int context = preempt_count();					\
									\
	return ceth_v_flush(ceth_v_rx(ring), (ops).rx_flush(ring),	\
			    context);					\
}									\
static __always_inline void name##_rx_doorbell(void *ring)		\
{									\
	ceth_v_doorbell(ceth_v_rx(ring));				\
	(ops).rx_doorbell(ring);					\
}									\
static __always_inline void						\
name##_tx_post(void *ring, struct ceth_cursor *cur,			\
	       const struct ceth_tx_seg *segs, u32 n,			\
	       const struct ceth_tx_meta *meta)				\
{									\
	struct ceth_vq *v = ceth_v_tx(ring);				\
									\
	ceth_v_tx_post(v, segs, n, meta);				\
	(ops).tx_post(ring, cur, segs, n, meta);			\
	ceth_v_tx_posted(v, segs, n);					\
}									\
static __always_inline void						\
name##_tx_post_close(void *ring, struct ceth_cursor *cur)		\
{									\
	(ops).tx_post_close(ring, cur);					\
	ceth_v_post_close(ceth_v_tx(ring));				\
}									\
static __always_inline bool name##_tx_flush(void *ring)			\
{									\
	int context = preempt_count();					\
									\
	return ceth_v_flush(ceth_v_tx(ring), (ops).tx_flush(ring),	\
			    context);					\
}									\
static __always_inline void						\
name##_tx_open(void *ring, struct ceth_cursor *cur, u32 max)		\
{									\
	ceth_v_open(ceth_v_tx(ring), max);				\
	(ops).tx_open(ring, cur, max);					\
}									\
static __always_inline bool						\
name##_tx_next(void *ring, struct ceth_cursor *cur, u32 *id)		\
{									\
	if (!(ops).tx_next(ring, cur, id))				\
		return false;						\
	ceth_v_tx_next(ceth_v_tx(ring), *id);				\
	return true;							\
}									\
static __always_inline bool						\
name##_tx_close(void *ring, struct ceth_cursor *cur)			\
{									\
	return ceth_v_close(ceth_v_tx(ring), (ops).tx_close(ring, cur)); \
}									\
static __always_inline bool name##_irq_arm(struct ceth_pair *pair)	\
{									\
	return ceth_v_irq_arm_tmpl(pair, &(ops));			\
}									\
static u32 name##_has(void)						\
{									\
	return ceth_v_has_tmpl(&(ops));					\
}									\
static u32 name##_look(void *ring, bool tx)				\
{									\
	return ceth_v_look_tmpl(ring, tx, &(ops));			\
}

/**
 * CETH_VERIFY_OPS() - the checkers, as the templates take them
 * @name: as given to CETH_VERIFY_FNS()
 * @ops: as given to CETH_VERIFY_FNS()
 *
 * Only inside of functions: which of them there are depends on @ops.
 */
#define CETH_VERIFY_OPS(name, ops)					\
((const struct ceth_dp_ops){						\
	.rx_open		= name##_rx_open,			\
	.rx_next		= name##_rx_next,			\
	.rx_close		= name##_rx_close,			\
	.rx_begin		= (ops).rx_begin,			\
	.rx_hdr			= (ops).rx_hdr,				\
	.rx_marks		= (ops).rx_marks,			\
	.rx_csum_partial	= (ops).rx_csum_partial,		\
	.rx_meta		= name##_rx_meta,			\
	.rx_post_open		= (ops).rx_post_open,			\
	.rx_post		= name##_rx_post,			\
	.rx_repost		= (ops).rx_repost ? name##_rx_repost :	\
							    NULL,	\
	.rx_post_close		= name##_rx_post_close,			\
	.rx_flush		= name##_rx_flush,			\
	.rx_doorbell		= name##_rx_doorbell,			\
	.tx_extra		= (ops).tx_extra,			\
	.tx_post_open		= (ops).tx_post_open,			\
	.tx_prefix		= (ops).tx_prefix,			\
	.tx_post		= name##_tx_post,			\
	.tx_post_close		= name##_tx_post_close,			\
	.tx_flush		= name##_tx_flush,			\
	.tx_open		= name##_tx_open,			\
	.tx_next		= name##_tx_next,			\
	.tx_skip		= (ops).tx_skip,			\
	.tx_time		= (ops).tx_time,			\
	.tx_close		= name##_tx_close,			\
	.irq_disarm		= (ops).irq_disarm,			\
	.irq_arm		= name##_irq_arm,			\
})

#endif /* _NET_CETH_VERIFY_H */
