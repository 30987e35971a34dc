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
bool ceth_rx_alloc(struct ceth_rxq *rxq, struct ceth_rx_buf *buf);
void ceth_rx_bad(struct ceth_rxq *rxq, struct ceth_rx_cmpl *c);
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
 * ceth_rx_sync_cpu() - let the CPU see what the device wrote
 * @rxq: the queue
 * @id: of the buffer
 * @len: bytes written
 */
static __always_inline void ceth_rx_sync_cpu(const struct ceth_rxq *rxq,
					     u32 id, u32 len)
{
	dma_sync_single_range_for_cpu(rxq->dev, rxq->bufs[id].dma,
				      CETH_RX_HEADROOM - rxq->prefix, len,
				      DMA_BIDIRECTIONAL);
}

/**
 * ceth_rx_reuse() - give the device a buffer back at once
 * @rxq: the queue
 * @c: the completion that it came with
 * @ops: the backend's
 */
static __always_inline void ceth_rx_reuse(struct ceth_rxq *rxq,
					  const struct ceth_rx_cmpl *c,
					  const struct ceth_dp_ops *ops)
{
	struct ceth_rx_buf *buf = &rxq->bufs[c->id];
	u32 off = CETH_RX_HEADROOM - rxq->prefix;

	dma_sync_single_range_for_device(rxq->dev, buf->dma, off, rxq->buf_len,
					 DMA_BIDIRECTIONAL);
	buf->va = c->va;
	ops->rx_repost(rxq, c->id, buf->dma + off);
}

/**
 * ceth_rx_refill_tmpl() - give a buffer to every id that has none
 * @rxq: the queue
 * @ops: the backend's
 *
 * Return: ids that still have none, for want of memory.
 */
static __always_inline u32 ceth_rx_refill_tmpl(struct ceth_rxq *rxq,
					       const struct ceth_dp_ops *ops)
{
	u32 off = CETH_RX_HEADROOM - rxq->prefix;
	u32 n = rxq->n_free;

	while (n) {
		u32 id = rxq->free_ids[n - 1];
		struct ceth_rx_buf *buf = &rxq->bufs[id];

		if (rxq->n_spare)
			*buf = rxq->spare[--rxq->n_spare];
		else if (unlikely(!ceth_rx_alloc(rxq, buf)))
			break;
		n--;
		ops->rx_post(rxq, id, buf->dma + off);
	}
	rxq->n_free = n;
	return n;
}

/**
 * ceth_rx_take() - check a completion and take its buffer
 * @rxq: the queue
 * @c: the completion; its va is NULL on return when there is nothing to take
 */
static __always_inline void ceth_rx_take(struct ceth_rxq *rxq,
					 struct ceth_rx_cmpl *c)
{
	struct ceth_rx_buf *buf;

	if (unlikely(c->id >= rxq->size))
		goto bad;
	buf = &rxq->bufs[c->id];
	if (unlikely(!buf->va || c->len > rxq->buf_len))
		goto bad;
	c->va = buf->va;
	buf->va = NULL;
	prefetch(c->va + CETH_RX_HEADROOM);
	return;
bad:
	ceth_rx_bad(rxq, c);
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
 * @n: counters
 * @ops: the backend's
 */
static __always_inline void
ceth_rx_xdp(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
	    struct xdp_buff *xdp, struct bpf_prog *prog,
	    const struct ceth_rx_info *info, struct ceth_xdp_bulk *bulk,
	    struct ceth_rx_local *n, const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta;
	struct sk_buff *skb;
	u32 act, metalen;

	xdp->data_hard_start = c->va;
	xdp->data = c->va + CETH_RX_HEADROOM;
	xdp->data_meta = xdp->data;
	xdp->data_end = xdp->data + (c->len - rxq->prefix);
	xdp_buff_clear_frags_flag(xdp);

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
	ceth_rx_reuse(rxq, c, ops);
}

/**
 * ceth_rx_multi() - a buffer of a frame of several
 * @rxq: the queue
 * @c: the completion
 * @prog: program, or NULL
 * @info: the backend's reading of the frame, when it starts here
 * @n_bufs: buffers of the frame, when it starts here; 0: that made no sense
 * @bulk: frames to send back
 * @n: counters
 * @ops: the backend's
 */
static __always_inline void
ceth_rx_multi(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
	      struct bpf_prog *prog, struct ceth_rx_info *info, u32 n_bufs,
	      struct ceth_xdp_bulk *bulk, struct ceth_rx_local *n,
	      const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta;
	struct sk_buff *skb;

	rxq->free_ids[rxq->n_free++] = c->id;
	if (!rxq->frame.left) {
		ceth_rx_frame_start(rxq, c, info, n_bufs);
		return;
	}
	if (!ceth_rx_frame_add(rxq, c, prog))
		return;

	memcpy(info->w, rxq->frame.info, sizeof(info->w));
	n->packets++;
	n->bytes += rxq->frame.len;
	if (prog)
		skb = ceth_rx_frame_xdp(rxq, prog, ops->rx_csum_partial(info),
					bulk, n);
	else
		skb = ceth_rx_frame_skb(rxq);
	if (!skb)
		return;
	ops->rx_meta(rxq, info, &meta);
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
	struct ceth_rxq *rxq = pair->rxq;
	struct ceth_rx_info info __uninitialized;
	struct ceth_rx_meta meta __uninitialized;
	struct xdp_buff xdp __uninitialized;
	struct ceth_rx_local n = {};
	struct bpf_prog *prog;
	struct sk_buff *skb;
	int done = 0;
	u32 i, got;

	prog = rcu_dereference_bh(rxq->xdp_prog);
	xdp_init_buff(&xdp, rxq->frame_sz, &rxq->xdp_rxq);
	ceth_xdp_bulk_init(&bulk);

	do {
		got = ops->rx_peek(rxq, batch,
				   min(budget - done, CETH_RX_BATCH));
		for (i = 0; i < got; i++)
			ceth_rx_take(rxq, &batch[i]);

		for (i = 0; i < got; i++) {
			struct ceth_rx_cmpl *c = &batch[i];
			u32 n_bufs;

			if (unlikely(!c->va))
				continue;
			ceth_rx_sync_cpu(rxq, c->id, c->len);
			if (unlikely(rxq->frame.left)) {
				ceth_rx_multi(rxq, c, prog, &info, 0, &bulk,
					      &n, ops);
				continue;
			}
			n_bufs = ops->rx_begin(rxq, c, c->va + CETH_RX_HEADROOM -
					       rxq->prefix, &info);
			if (unlikely(n_bufs != 1)) {
				ceth_rx_multi(rxq, c, prog, &info, n_bufs,
					      &bulk, &n, ops);
				continue;
			}
			if (unlikely(c->len < rxq->prefix + ETH_HLEN)) {
				ceth_rx_bad_frame(rxq, c);
				ceth_rx_reuse(rxq, c, ops);
				continue;
			}
			n.packets++;
			n.bytes += c->len - rxq->prefix;
			if (prog) {
				ceth_rx_xdp(rxq, c, &xdp, prog, &info, &bulk,
					    &n, ops);
				continue;
			}
			rxq->free_ids[rxq->n_free++] = c->id;
			skb = ceth_rx_skb(rxq, c->va, c->va + CETH_RX_HEADROOM,
					  c->len - rxq->prefix);
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

	if (rxq->n_free) {
		/* Short of memory: poll again, as long as the ring is so empty
		 * that there may be no further completion to do it.
		 */
		if (unlikely(ceth_rx_refill_tmpl(rxq, ops) > rxq->size / 2))
			done = budget;
		ops->rx_flush(rxq);
	} else if (done) {
		ops->rx_flush(rxq);
	}

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
