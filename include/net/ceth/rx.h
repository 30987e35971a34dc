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

/**
 * struct ceth_rx_local - a poll's counters, added to the queue's at its end
 * @packets: see &struct ceth_rx_stats, as for all fields
 * @bytes: .
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
void ceth_rx_bad_frame(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c);
void ceth_rx_frame_start(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
			 const struct ceth_rx_info *info, u32 n_bufs);
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
 * ceth_rx_reuse() - give the device a buffer back at once
 * @rxq: the queue
 * @c: the completion that it came with
 * @post: where buffers go
 * @sync: the device needs to be told what the CPU wrote
 * @ops: the backend's
 */
static __always_inline void ceth_rx_reuse(struct ceth_rxq *rxq,
					  const struct ceth_rx_cmpl *c,
					  struct ceth_cursor *post, bool sync,
					  const struct ceth_dp_ops *ops)
{
	struct ceth_rx_buf *buf = &rxq->bufs[c->id];
	u32 off = CETH_RX_HEADROOM - rxq->prefix;

	if (unlikely(sync))
		dma_sync_single_range_for_device(rxq->dev, buf->dma, off,
						 rxq->buf_len,
						 DMA_BIDIRECTIONAL);
	buf->va = c->va;
	ops->rx_repost(rxq, post, c->id, buf->dma + off);
}

/**
 * ceth_rx_refill() - give a buffer to every id that has none
 * @rxq: the queue
 * @post: where buffers go
 * @ops: the backend's
 *
 * Return: ids that still have none, for want of memory.
 */
static __always_inline u32 ceth_rx_refill(struct ceth_rxq *rxq,
					  struct ceth_cursor *post,
					  const struct ceth_dp_ops *ops)
{
	u32 off = CETH_RX_HEADROOM - rxq->prefix;
	struct ceth_rx_buf *bufs = rxq->bufs;
	const u16 *ids = rxq->free_ids;
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
			struct ceth_rx_buf *buf = &bufs[ids[--n]];

			*buf = *--from;
			ops->rx_post(rxq, post, ids[n], buf->dma + off);
		}
	}
	rxq->n_free = n;
	return n;
}

/**
 * ceth_rx_fill_tmpl() - fill a ring that has just been started
 * @rxq: the queue
 * @ops: the backend's
 */
static __always_inline void ceth_rx_fill_tmpl(struct ceth_rxq *rxq,
					      const struct ceth_dp_ops *ops)
{
	struct ceth_cursor post;

	ops->rx_post_open(rxq, &post);
	ceth_rx_refill(rxq, &post, ops);
	ops->rx_flush(rxq, &post);
}

/**
 * ceth_rx_take() - take a batch of completions off the ring and check them
 * @rxq: the queue
 * @batch: filled in; the buffers are the caller's
 * @max: entries of @batch
 * @got: completions, good or bad
 * @ops: the backend's
 *
 * Return: entries of @batch.
 */
static __always_inline u32 ceth_rx_take(struct ceth_rxq *rxq,
					struct ceth_rx_cmpl *batch, u32 max,
					u32 *got, const struct ceth_dp_ops *ops)
{
	u32 size = rxq->size, buf_len = rxq->buf_len, bad = 0;
	struct ceth_rx_buf *bufs = rxq->bufs;
	struct ceth_rx_cmpl *c = batch;
	struct ceth_cursor cur;

	ops->rx_open(rxq, &cur, max);
	while (ops->rx_next(rxq, &cur, c)) {
		struct ceth_rx_buf *buf = &bufs[c->id];
		void *va;

		if (unlikely(c->id >= size || !(va = buf->va) ||
			     c->len > buf_len)) {
			ceth_rx_bad(rxq, c->id);
			bad++;
			continue;
		}
		buf->va = NULL;
		c->va = va;
		prefetch(va + CETH_RX_HEADROOM);
		c++;
	}
	ops->rx_close(rxq, &cur);
	*got = c - batch + bad;
	return c - batch;
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
 * ceth_rx_xdp() - run the program on a frame of one buffer and act on it
 * @rxq: the queue
 * @c: the completion
 * @xdp: set up for the queue
 * @prog: program
 * @info: the backend's reading of the frame
 * @bulk: frames to send back
 * @post: where buffers go
 * @sync: see ceth_rx_reuse()
 * @n: counters
 * @ops: the backend's
 */
static __always_inline void
ceth_rx_xdp(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
	    struct xdp_buff *xdp, struct bpf_prog *prog,
	    const struct ceth_rx_info *info, struct ceth_xdp_bulk *bulk,
	    struct ceth_cursor *post, bool sync, struct ceth_rx_local *n,
	    const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta __uninitialized;
	struct sk_buff *skb;
	u32 act, metalen;

	xdp->data_hard_start = c->va;
	xdp->data = c->va + CETH_RX_HEADROOM;
	xdp->data_meta = xdp->data;
	xdp->data_end = xdp->data + (c->len - rxq->prefix);

	if (unlikely(ops->rx_csum_partial(info))) {
		ops->rx_meta(rxq, info, &meta);
		if (!ceth_rx_csum_complete(xdp, &meta)) {
			ceth_rx_bad_frame(rxq, c);
			goto reuse;
		}
	}

	act = bpf_prog_run_xdp(prog, xdp);
	if (likely(act == XDP_DROP)) {
		n->xdp_drop++;
		goto reuse;
	}
	switch (act) {
	case XDP_TX:
		ceth_xdp_bulk_add(bulk, c->va, rxq->bufs[c->id].dma, xdp, 0);
		break;
	case XDP_REDIRECT:
		if (unlikely(xdp_do_redirect(rxq->xdp_rxq.dev, xdp, prog))) {
			ceth_rx_redirect_err(rxq, prog);
			goto reuse;
		}
		n->xdp_redirect++;
		break;
	case XDP_PASS:
		skb = ceth_rx_skb(rxq, c->va, xdp->data,
				  xdp->data_end - xdp->data);
		if (unlikely(!skb))
			break;
		n->xdp_pass++;
		metalen = xdp->data - xdp->data_meta;
		if (metalen)
			skb_metadata_set(skb, metalen);
		ops->rx_meta(rxq, info, &meta);
		meta.flags &= ~(CETH_RX_CSUM_PARTIAL | CETH_RX_GSO);
		ceth_rx_deliver(rxq, skb, &meta);
		break;
	default:
		ceth_rx_aborted(rxq, prog, xdp, act);
		goto reuse;
	}
	rxq->free_ids[rxq->n_free++] = c->id;
	return;
reuse:
	ceth_rx_reuse(rxq, c, post, sync, ops);
}

/**
 * ceth_rx_multi() - a buffer of a frame of several
 * @rxq: the queue
 * @c: the completion
 * @prog: program, or NULL
 * @first: the backend's reading of the frame, when it starts here
 * @n_bufs: buffers of the frame, when it starts here; 0: that made no sense
 * @bulk: frames to send back
 * @n: counters
 * @ops: the backend's
 */
static __always_inline void
ceth_rx_multi(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
	      struct bpf_prog *prog, const struct ceth_rx_info *first,
	      u32 n_bufs, struct ceth_xdp_bulk *bulk, struct ceth_rx_local *n,
	      const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta __uninitialized;
	struct ceth_rx_info info __uninitialized;
	struct sk_buff *skb;

	rxq->free_ids[rxq->n_free++] = c->id;
	if (!rxq->frame.left) {
		/* A copy, so that the caller's need not be in memory. */
		info = *first;
		ceth_rx_frame_start(rxq, c, &info, n_bufs);
		return;
	}
	if (!ceth_rx_frame_add(rxq, c, prog))
		return;

	memcpy(info.w, rxq->frame.info, sizeof(info.w));
	n->packets++;
	n->bytes += rxq->frame.len;
	if (prog)
		skb = ceth_rx_frame_xdp(rxq, prog, ops->rx_csum_partial(&info),
					bulk, n);
	else
		skb = ceth_rx_frame_skb(rxq);
	if (!skb)
		return;
	ops->rx_meta(rxq, &info, &meta);
	if (prog)
		meta.flags &= ~(CETH_RX_CSUM_PARTIAL | CETH_RX_GSO);
	ceth_rx_deliver(rxq, skb, &meta);
}

/**
 * ceth_rx_poll_tmpl() - receive
 * @pair: the pair
 * @budget: most buffers to take
 * @ops: the backend's
 *
 * Return: buffers taken; @budget when there is more, or hardly a buffer left.
 */
static __always_inline int ceth_rx_poll_tmpl(struct ceth_pair *pair, int budget,
					     const struct ceth_dp_ops *ops)
{
	struct ceth_rx_cmpl batch[CETH_RX_BATCH] __uninitialized;
	struct ceth_xdp_bulk bulk __uninitialized;
	struct ceth_rx_info info __uninitialized;
	struct ceth_rx_meta meta __uninitialized;
	struct xdp_buff xdp __uninitialized;
	struct ceth_rxq *rxq = pair->rxq;
	bool sync = dma_dev_need_sync(rxq->dev);
	bool multi = rxq->frame.left;
	struct ceth_rx_local n = {};
	u32 prefix = rxq->prefix;
	struct ceth_rx_cmpl *c;
	struct ceth_cursor post;
	struct bpf_prog *prog;
	struct sk_buff *skb;
	u32 got, n_good;
	int done = 0;

	prog = rcu_dereference_bh(rxq->xdp_prog);
	xdp_init_buff(&xdp, rxq->frame_sz, &rxq->xdp_rxq);
	ceth_xdp_bulk_init(&bulk);
	ops->rx_post_open(rxq, &post);

	do {
		n_good = ceth_rx_take(rxq, batch,
				      min(budget - done, CETH_RX_BATCH), &got,
				      ops);
		for (c = batch; c < batch + n_good; c++) {
			u32 n_bufs = 0;

			if (unlikely(sync))
				dma_sync_single_range_for_cpu(rxq->dev,
							      rxq->bufs[c->id].dma,
							      CETH_RX_HEADROOM - prefix,
							      c->len,
							      DMA_BIDIRECTIONAL);
			if (likely(!multi)) {
				n_bufs = ops->rx_begin(rxq, c, c->va +
						       CETH_RX_HEADROOM - prefix,
						       &info);
				multi = n_bufs != 1 || c->len < rxq->min_len;
			}
			if (unlikely(multi)) {
				ceth_rx_multi(rxq, c, prog, &info, n_bufs,
					      &bulk, &n, ops);
				multi = rxq->frame.left;
				continue;
			}
			n.packets++;
			n.bytes += c->len - prefix;
			if (prog) {
				ceth_rx_xdp(rxq, c, &xdp, prog, &info, &bulk,
					    &post, sync, &n, ops);
				continue;
			}
			rxq->free_ids[rxq->n_free++] = c->id;
			skb = ceth_rx_skb(rxq, c->va, c->va + CETH_RX_HEADROOM,
					  c->len - prefix);
			if (unlikely(!skb))
				continue;
			ops->rx_meta(rxq, &info, &meta);
			ceth_rx_deliver(rxq, skb, &meta);
		}
		if (bulk.n)
			ceth_xdp_bulk_send(pair, &bulk, ops);
		done += got;
	} while (got == CETH_RX_BATCH && done < budget);

	if (bulk.posted)
		ceth_xdp_bulk_flush(pair, ops);
	if (n.xdp_redirect)
		xdp_do_flush();

	/* Short of memory: poll again, as long as the ring is so empty that
	 * there may be no further completion to do it.
	 */
	if (rxq->n_free &&
	    unlikely(ceth_rx_refill(rxq, &post, ops) > rxq->size / 2))
		done = budget;
	ops->rx_flush(rxq, &post);

	u64_stats_update_begin(&rxq->stats->syncp);
	rxq->stats->polls++;
	rxq->stats->packets += n.packets;
	rxq->stats->bytes += n.bytes;
	rxq->stats->xdp_pass += n.xdp_pass;
	rxq->stats->xdp_drop += n.xdp_drop;
	rxq->stats->xdp_redirect += n.xdp_redirect;
	rxq->stats->xdp_tx += bulk.sent;
	u64_stats_update_end(&rxq->stats->syncp);
	return done;
}

#endif /* _NET_CETH_RX_H */
