/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: receive templates, inlined into the backend by CETH_DATAPATH().
 *
 * A poll takes completions in batches: read and checked first, so that the
 * frames are on their way into the cache, then worked on. Frames that fill
 * one buffer, which is nearly all of them, are handled here; frames of many
 * buffers are put together by ceth_rx_frame_add() on the queue.
 */
#ifndef _NET_CETH_RX_H
#define _NET_CETH_RX_H

#ifndef _NET_CETH_DATAPATH_H
#error "include <net/ceth/datapath.h>"
#endif

#include <linux/bpf_trace.h>
#include <linux/dma-mapping.h>
#include <linux/filter.h>
#include <linux/prefetch.h>
#include <net/page_pool/helpers.h>

/* What is no longer true once a program may have changed the frame */
#define CETH_RX_NO_XDP	(CETH_RX_CSUM_PARTIAL | CETH_RX_GSO | CETH_RX_GRO)

/**
 * struct ceth_rx_local - a poll's counters, added to the queue's at its end
 * @packets: see &struct ceth_rx_stats, as for all fields
 * @bytes: ., with the prefix of each frame
 * @xdp_pass: .
 * @xdp_drop: .
 * @xdp_redirect: .
 */
struct ceth_rx_local {
	u32 packets;
	u32 bytes;
	u32 xdp_pass;
	u32 xdp_drop;
	u32 xdp_redirect;
};

void ceth_rx_deliver(struct ceth_rxq *rxq, struct sk_buff *skb,
		     const struct ceth_rx_meta *meta);
struct sk_buff *ceth_rx_skb_slow(struct ceth_rxq *rxq, void *va);
u32 ceth_rx_alloc(struct ceth_rxq *rxq, u32 n);
void ceth_rx_bad(struct ceth_rxq *rxq, u32 id);
void ceth_rx_bad_frame(struct ceth_rxq *rxq);
void ceth_rx_frame_start(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
			 const struct ceth_rx_info *info, u32 n_bufs);
void ceth_rx_frame_torn(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c);
bool ceth_rx_frame_add(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
		       const struct bpf_prog *prog);
struct sk_buff *ceth_rx_frame_xdp(struct ceth_rxq *rxq, struct bpf_prog *prog,
				  bool csum_partial, struct ceth_xdp_bulk *bulk,
				  struct ceth_rx_local *n);
struct sk_buff *ceth_rx_frame_skb(struct ceth_rxq *rxq);
bool ceth_rx_csum_complete(struct xdp_buff *xdp,
			   const struct ceth_rx_meta *meta);
void ceth_rx_aborted(struct ceth_rxq *rxq, struct bpf_prog *prog,
		     struct xdp_buff *xdp, u32 act);
void ceth_rx_redirect_err(struct ceth_rxq *rxq, struct bpf_prog *prog);
void ceth_dim(struct ceth_pair *pair);
void ceth_rx_sync_cpu(const struct ceth_rx_poll *p);
void ceth_rx_sync_device(const struct ceth_rx_poll *p);

/**
 * ceth_hds_hdr() - header buffer
 * @rxq: the queue, which has such
 * @id: whose
 *
 * Return: its start.
 */
static __always_inline void *ceth_hds_hdr(const struct ceth_rxq *rxq, u32 id)
{
	return rxq->hdrs + id * rxq->ring.hdr_len;
}

/**
 * ceth_rx_base() - start of the buffer that an address lies in
 * @rxq: the queue
 * @p: any address in the buffer
 *
 * Return: the start.
 */
static __always_inline void *ceth_rx_base(const struct ceth_rxq *rxq,
					  const void *p)
{
	return (void *)((unsigned long)p & ~((unsigned long)rxq->frame_sz - 1));
}

/**
 * struct ceth_zc_tx - XDP_TX frames of a batch, in AF_XDP memory
 * @n: entries of @buf
 * @sent: frames of this poll on the ring
 * @posted: something awaits the doorbell
 * @more: of each entry: further ones that belong to the same frame
 * @buf: chunks; a frame may have begun in an earlier batch
 */
struct ceth_zc_tx {
	u32 n;
	u32 sent;
	bool posted;
	u8 more[CETH_RX_BATCH + MAX_SKB_FRAGS];
	struct xdp_buff *buf[CETH_RX_BATCH + MAX_SKB_FRAGS];
};

/**
 * struct ceth_rx_poll - one poll of a receive queue
 * @rxq: the queue
 * @prog: program, or NULL
 * @n_good: entries of @batch
 * @more: there may be more completions
 * @post: where buffers go
 * @n: counters
 * @bulk: frames to send back
 * @tx: the same, of a queue with AF_XDP memory
 * @bufs: such memory, on its way to the ring
 * @batch: completions, checked
 */
struct ceth_rx_poll {
	struct ceth_rxq *rxq;
	struct bpf_prog *prog;
	u32 n_good;
	bool more;
	struct ceth_cursor post;
	struct ceth_rx_local n;
	union {
		struct ceth_xdp_bulk bulk;
		struct {
			struct ceth_zc_tx tx;
			struct xdp_buff *bufs[CETH_RX_BATCH];
		};
	};
	struct ceth_rx_cmpl batch[CETH_RX_BATCH];
};

/**
 * ceth_rx_refill() - give a buffer to every id that has none
 * @rxq: the queue
 * @post: where buffers go
 * @ops: the backend's
 *
 * &ceth_rxq.n_free ids still have none afterwards, for want of memory.
 */
static __always_inline void ceth_rx_refill(struct ceth_rxq *rxq,
					   struct ceth_cursor *post,
					   const struct ceth_dp_ops *ops)
{
	dma_addr_t *dmas = rxq->dmas;
	void **vas = rxq->vas;
	const u16 *ids = rxq->free_ids;
	struct ceth_cursor cur = *post;
	u32 n = rxq->n_free;

	while (n) {
		const struct ceth_rx_buf *from;
		u32 k;

		/* At best from the buffers that XDP_TX has brought back. */
		if (!rxq->n_spare && unlikely(!ceth_rx_alloc(rxq, n)))
			break;
		k = min(rxq->n_spare, n);
		from = &rxq->spare[rxq->n_spare];
		rxq->n_spare -= k;
		while (k--) {
			u32 id = ids[--n];

			from--;
			vas[id] = from->va;
			dmas[id] = from->dma;
			ops->rx_post(rxq->priv, &cur, id, from->dma);
		}
	}
	*post = cur;
	rxq->n_free = n;
}

/**
 * ceth_rx_low() - must somebody poll, for want of memory?
 * @rxq: the queue, after ceth_rx_refill()
 *
 * Return: the ring is so empty that there may be no further completion to have
 * it filled. The device waits, too, with fewer buffers than its next frame takes.
 */
static inline bool ceth_rx_low(const struct ceth_rxq *rxq)
{
	u32 posted = rxq->size - rxq->n_free;

	return posted < max_t(u32, rxq->size / 2, CETH_RX_MAX_BUFS);
}

/**
 * ceth_rx_fill_tmpl() - fill a ring that is about to start
 * @rxq: the queue
 * @ops: the backend's
 */
static __always_inline void ceth_rx_fill_tmpl(struct ceth_rxq *rxq,
					      const struct ceth_dp_ops *ops)
{
	struct ceth_cursor post;

	ops->rx_post_open(rxq->priv, &post);
	ceth_rx_refill(rxq, &post, ops);
	ops->rx_post_close(rxq->priv, &post);
	ops->rx_flush(rxq->priv);
}

/**
 * ceth_rx_take() - take a batch of completions off the ring and check them
 * @p: the poll; its batch is filled in, the buffers are the caller's
 * @max: entries of the batch
 * @kind: where the buffers come from
 * @ops: the backend's
 *
 * Return: completions, good or bad.
 */
static __always_inline u32 ceth_rx_take(struct ceth_rx_poll *p, u32 max,
					enum ceth_rxq_kind kind,
					const struct ceth_dp_ops *ops)
{
	struct ceth_rx_cmpl *c = p->batch;
	struct ceth_rxq *rxq = p->rxq;
	u32 size = rxq->size, buf_len = rxq->buf_len;
	void **vas = rxq->vas;
	u32 bad = 0, bytes = 0;
	struct ceth_cursor cur;

	ops->rx_open(rxq->priv, &cur, max);
	while (ops->rx_next(rxq->priv, &cur, c)) {
		void *va;

		if (unlikely(c->id >= size))
			goto bad;
		va = vas[c->id];
		if (unlikely(!va || c->len > buf_len))
			goto bad;
		vas[c->id] = NULL;
		c->va = va;
		if (kind == CETH_RXQ_XSK)
			prefetch(((struct xdp_buff *)va)->data);
		else if (kind == CETH_RXQ_HDS)
			prefetch(ceth_hds_hdr(rxq, c->id));
		else
			prefetch(va + CETH_RX_HEADROOM);
		bytes += c->len;
		c++;
		continue;
bad:
		ceth_rx_bad(rxq, c->id);
		bad++;
	}
	p->more = ops->rx_close(rxq->priv, &cur);
	p->n_good = c - p->batch;
	p->n.packets += p->n_good;
	p->n.bytes += bytes;
	return p->n_good + bad;
}

/**
 * ceth_rx_skb() - packet for the stack, around the buffer
 * @rxq: the queue
 * @va: start of the buffer
 * @data: start of the frame
 * @len: of the frame
 *
 * Return: packet; NULL: no memory, which is counted and the buffer kept.
 */
static __always_inline struct sk_buff *
ceth_rx_skb(struct ceth_rxq *rxq, void *va, void *data, u32 len)
{
	struct sk_buff *skb = napi_build_skb(va, rxq->frame_sz);

	if (unlikely(!skb))
		return ceth_rx_skb_slow(rxq, va);
	skb_mark_for_recycle(skb);
	skb_reserve(skb, data - va);
	__skb_put(skb, len);
	return skb;
}

/**
 * ceth_rx_uncount() - a completion is no frame of its own
 * @p: the poll
 * @c: the completion
 */
static __always_inline void ceth_rx_uncount(struct ceth_rx_poll *p,
					    const struct ceth_rx_cmpl *c)
{
	p->n.packets--;
	p->n.bytes -= c->len;
}

/**
 * ceth_rx_reuse() - give the device a buffer back at once
 * @rxq: the queue
 * @c: the completion that it came with
 * @post: where buffers go
 * @ops: the backend's
 *
 * Where the device must be told what the CPU wrote, ceth_rx_sync_device() does
 * so before it can see the buffer.
 */
static __always_inline void ceth_rx_reuse(struct ceth_rxq *rxq,
					  const struct ceth_rx_cmpl *c,
					  struct ceth_cursor *post,
					  const struct ceth_dp_ops *ops)
{
	u32 id = c->id;

	rxq->vas[id] = c->va;
	if (ops->rx_repost)
		ops->rx_repost(rxq->priv, post, id, rxq->dmas[id]);
	else
		ops->rx_post(rxq->priv, post, id, rxq->dmas[id]);
}

/**
 * ceth_rx_xdp_frame() - run the program on a frame of one buffer and act on it
 * @p: the poll
 * @rxq: the queue
 * @c: the completion
 * @xdp: the frame
 * @prog: program
 * @info: the backend's reading of the frame
 * @ops: the backend's
 *
 * Return: the buffer goes back to the device.
 */
static __always_inline bool
ceth_rx_xdp_frame(struct ceth_rx_poll *p, struct ceth_rxq *rxq,
		  const struct ceth_rx_cmpl *c, struct xdp_buff *xdp,
		  struct bpf_prog *prog, const struct ceth_rx_info *info,
		  const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta __uninitialized;
	struct sk_buff *skb;
	u32 act, metalen;

	if (ops->rx_csum_partial && unlikely(ops->rx_csum_partial(info))) {
		ops->rx_meta(rxq->priv, info, &meta);
		if (!ceth_rx_csum_complete(xdp, &meta)) {
			ceth_rx_bad_frame(rxq);
			ceth_rx_uncount(p, c);
			return true;
		}
	}

	act = bpf_prog_run_xdp(prog, xdp);
	if (likely(act == XDP_DROP)) {
		p->n.xdp_drop++;
		return true;
	}
	switch (act) {
	case XDP_TX:
		ceth_xdp_bulk_add(&p->bulk, c->va, rxq->dmas[c->id], xdp, 0);
		return false;
	case XDP_REDIRECT:
		if (unlikely(xdp_do_redirect(rxq->xdp_rxq.dev, xdp, prog))) {
			ceth_rx_redirect_err(rxq, prog);
			return true;
		}
		p->n.xdp_redirect++;
		return false;
	case XDP_PASS:
		skb = ceth_rx_skb(rxq, c->va, xdp->data,
				  xdp->data_end - xdp->data);
		if (unlikely(!skb))
			return false;
		p->n.xdp_pass++;
		metalen = xdp->data - xdp->data_meta;
		if (metalen)
			skb_metadata_set(skb, metalen);
		ops->rx_meta(rxq->priv, info, &meta);
		meta.flags &= ~CETH_RX_NO_XDP;
		ceth_rx_deliver(rxq, skb, &meta);
		return false;
	default:
		ceth_rx_aborted(rxq, prog, xdp, act);
		return true;
	}
}

/**
 * ceth_rx_multi() - a buffer of a frame of several
 * @p: the poll
 * @rxq: the queue
 * @c: the completion
 * @first: the backend's reading of the frame, when it starts here
 * @n_bufs: buffers of the frame, when it starts here; 0: that made no sense
 * @ops: the backend's
 *
 * Return: the frame lacks more buffers.
 */
static __always_inline bool
ceth_rx_multi(struct ceth_rx_poll *p, struct ceth_rxq *rxq,
	      const struct ceth_rx_cmpl *c, const struct ceth_rx_info *first,
	      u32 n_bufs, const struct ceth_dp_ops *ops)
{
	struct ceth_rx_info info __uninitialized;
	struct ceth_rx_meta meta __uninitialized;
	struct sk_buff *skb;

	ceth_rx_uncount(p, c);
	rxq->free_ids[rxq->n_free++] = c->id;
	if (ops->rx_marks && rxq->frame.left &&
	    ops->rx_begin(rxq->priv, c, c->va + rxq->off, &info)) {
		ceth_rx_frame_torn(rxq, c);
		return false;
	}
	if (!rxq->frame.left) {
		/* A copy, so that the caller's need not be in memory. */
		info = *first;
		ceth_rx_frame_start(rxq, c, &info, n_bufs);
		return rxq->frame.left;
	}
	if (!ceth_rx_frame_add(rxq, c, p->prog))
		return rxq->frame.left;

	info = rxq->frame.info;
	p->n.packets++;
	p->n.bytes += rxq->frame.len + rxq->prefix;
	if (p->prog)
		skb = ceth_rx_frame_xdp(rxq, p->prog, ops->rx_csum_partial &&
					ops->rx_csum_partial(&info), &p->bulk,
					&p->n);
	else
		skb = ceth_rx_frame_skb(rxq);
	if (!skb)
		return false;
	ops->rx_meta(rxq->priv, &info, &meta);
	if (p->prog)
		meta.flags &= ~CETH_RX_NO_XDP;
	ceth_rx_deliver(rxq, skb, &meta);
	return false;
}

/**
 * ceth_rx_xdp_batch() - frames for the program
 * @p: the poll
 * @ops: the backend's
 */
static __always_inline void ceth_rx_xdp_batch(struct ceth_rx_poll *p,
					      const struct ceth_dp_ops *ops)
{
	const struct ceth_rx_cmpl *c = p->batch, *end = c + p->n_good;
	struct ceth_xdp_buff buff __uninitialized;
	struct ceth_rx_info info __uninitialized;
	struct xdp_buff *xdp = &buff.xdp;
	struct ceth_rxq *rxq = p->rxq;
	struct ceth_cursor post = p->post;
	struct bpf_prog *prog = p->prog;
	bool multi = rxq->frame.left;
	u32 n_bufs = 0;

	xdp_init_buff(xdp, rxq->frame_sz, &rxq->xdp_rxq);
	buff.info = &info;
	buff.rxq = rxq;
	for (; c < end; c++) {
		void *prefix = c->va + rxq->off;

		if (likely(!multi)) {
			n_bufs = ops->rx_begin(rxq->priv, c, prefix, &info);
			multi = n_bufs != 1 || c->len < rxq->min_len;
		}
		if (unlikely(multi)) {
			multi = ceth_rx_multi(p, rxq, c, &info, n_bufs, ops);
			continue;
		}
		xdp->data_hard_start = c->va;
		xdp->data = c->va + CETH_RX_HEADROOM;
		xdp->data_meta = xdp->data;
		xdp->data_end = prefix + c->len;
		if (ceth_rx_xdp_frame(p, rxq, c, xdp, prog, &info, ops))
			ceth_rx_reuse(rxq, c, &post, ops);
		else
			rxq->free_ids[rxq->n_free++] = c->id;
	}
	p->post = post;
}

/**
 * ceth_rx_stack_batch() - frames for the stack
 * @p: the poll
 * @ops: the backend's
 */
static __always_inline void ceth_rx_stack_batch(struct ceth_rx_poll *p,
						const struct ceth_dp_ops *ops)
{
	const struct ceth_rx_cmpl *c = p->batch, *end = c + p->n_good;
	struct ceth_rx_meta meta __uninitialized;
	struct ceth_rx_info info __uninitialized;
	struct ceth_rxq *rxq = p->rxq;
	bool multi = rxq->frame.left;
	struct sk_buff *skb;
	u32 n_bufs = 0;

	for (; c < end; c++) {
		if (likely(!multi)) {
			n_bufs = ops->rx_begin(rxq->priv, c, c->va + rxq->off,
					       &info);
			multi = n_bufs != 1 || c->len < rxq->min_len;
		}
		if (unlikely(multi)) {
			multi = ceth_rx_multi(p, rxq, c, &info, n_bufs, ops);
			continue;
		}
		rxq->free_ids[rxq->n_free++] = c->id;
		skb = ceth_rx_skb(rxq, c->va, c->va + CETH_RX_HEADROOM,
				  c->len - rxq->prefix);
		if (unlikely(!skb))
			continue;
		ops->rx_meta(rxq->priv, &info, &meta);
		ceth_rx_deliver(rxq, skb, &meta);
	}
}

/**
 * ceth_rx_account() - add a poll's counters to the queue's
 * @p: the poll
 * @xdp_tx: frames sent back
 */
static __always_inline void ceth_rx_account(const struct ceth_rx_poll *p,
					    u32 xdp_tx)
{
	const struct ceth_rxq *rxq = p->rxq;
	struct ceth_rx_stats *stats = rxq->stats;

	u64_stats_update_begin(&stats->syncp);
	stats->polls++;
	stats->packets += p->n.packets;
	stats->bytes += p->n.bytes - p->n.packets * rxq->prefix;
	stats->xdp_pass += p->n.xdp_pass;
	stats->xdp_drop += p->n.xdp_drop;
	stats->xdp_redirect += p->n.xdp_redirect;
	stats->xdp_tx += xdp_tx;
	u64_stats_update_end(&stats->syncp);
}

/**
 * ceth_rx_account_idle() - the same, for a poll that found nothing
 * @p: the poll
 */
static __always_inline void ceth_rx_account_idle(const struct ceth_rx_poll *p)
{
	struct ceth_rx_stats *stats = p->rxq->stats;

	u64_stats_update_begin(&stats->syncp);
	stats->polls++;
	u64_stats_update_end(&stats->syncp);
}

/**
 * ceth_rx_poll_tmpl() - receive
 * @pair: the pair
 * @budget: most buffers to take
 * @fn: instances of the other templates
 * @ops: the backend's
 *
 * Return: buffers taken; @budget when there is more, or hardly a buffer left.
 */
static __always_inline int
ceth_rx_poll_tmpl(struct ceth_pair *pair, int budget,
		  const struct ceth_dp_fn *fn, const struct ceth_dp_ops *ops)
{
	struct ceth_rxq *rxq = pair->rxq;
	bool sync = dma_dev_need_sync(rxq->dev);
	struct ceth_rx_poll p __uninitialized;
	int done = 0;

	p.rxq = rxq;
	p.prog = rcu_dereference_bh(rxq->xdp_prog);
	memset(&p.n, 0, sizeof(p.n));
	ceth_xdp_bulk_init(&p.bulk);
	ops->rx_post_open(rxq->priv, &p.post);

	do {
		done += ceth_rx_take(&p, min(budget - done, CETH_RX_BATCH),
				     CETH_RXQ_PLAIN, ops);
		/* There may have been nothing but completions of the other
		 * queue.
		 */
		if (!p.n_good)
			continue;
		if (unlikely(sync))
			ceth_rx_sync_cpu(&p);
		if (p.prog)
			fn->rx_xdp(&p);
		else
			fn->rx_stack(&p);
		if (unlikely(sync))
			ceth_rx_sync_device(&p);
		if (p.bulk.end != p.bulk.f)
			fn->xdp_send(pair, &p.bulk);
	} while (p.more && done < budget);

	if (p.bulk.posted)
		ceth_xdp_bulk_flush(pair, ops);
	if (p.n.xdp_redirect)
		xdp_do_flush();

	if (rxq->n_free) {
		fn->rx_refill(&p);
		if (unlikely(rxq->n_free) && ceth_rx_low(rxq))
			done = budget;
	}
	ops->rx_post_close(rxq->priv, &p.post);
	ops->rx_flush(rxq->priv);

	ceth_rx_account(&p, p.bulk.sent);
	return done;
}

#endif /* _NET_CETH_RX_H */
