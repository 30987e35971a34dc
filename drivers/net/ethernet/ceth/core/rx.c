// SPDX-License-Identifier: GPL-2.0
/* CETH core: what the receive templates call out of line: allocation, frames
 * of several buffers, delivery to the stack, and what goes wrong.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/checksum.h>
#include <net/xdp_sock_drv.h>

#include "core.h"

static dma_addr_t ceth_rx_dma(const struct ceth_rxq *rxq, const void *va)
{
	const struct page *page = virt_to_head_page(va);

	return page_pool_get_dma_addr(page) + (va - page_address(page)) +
	       rxq->off;
}

static void ceth_rx_count(struct ceth_rxq *rxq, u64 *counter)
{
	ceth_count(&rxq->stats->syncp, counter, 1);
}

/**
 * ceth_rx_alloc() - fresh buffers, on the stack of spare ones
 * @rxq: the queue
 * @n: how many
 *
 * Context: NAPI of the pair, or the queue is not running.
 * Return: how many there were memory for; if fewer, it is counted.
 */
u32 ceth_rx_alloc(struct ceth_rxq *rxq, u32 n)
{
	struct ceth_rx_buf *buf = &rxq->spare[rxq->n_spare];
	u32 i, room = rxq->size - rxq->n_spare;
	struct page_pool *pool = rxq->pool;

	n = min(n, room);
	if (unlikely(rxq->kind == CETH_RXQ_HDS))
		return ceth_hds_fill(rxq, n);
	for (i = 0; i < n; i++, buf++) {
		unsigned int off = 0;
		struct page *page;

		if (likely(rxq->frame_sz == PAGE_SIZE))
			page = page_pool_dev_alloc_pages(pool);
		else
			page = page_pool_dev_alloc_frag(pool, &off,
							rxq->frame_sz);
		if (unlikely(!page)) {
			ceth_rx_count(rxq, &rxq->stats->alloc_fail);
			break;
		}
		buf->va = page_address(page) + off;
		buf->dma = page_pool_get_dma_addr(page) + off + rxq->off;
	}
	rxq->n_spare += i;
	return i;
}
EXPORT_SYMBOL_GPL(ceth_rx_alloc);

/**
 * ceth_rx_put() - let go of a buffer
 * @rxq: the queue that it came from
 * @va: start of the buffer
 */
void ceth_rx_put(struct ceth_rxq *rxq, void *va)
{
	if (rxq->kind == CETH_RXQ_HDS)
		page_pool_put_full_netmem(rxq->pool, (__force netmem_ref)va,
					  false);
	else
		page_pool_put_full_page(rxq->pool, virt_to_head_page(va),
					false);
}
EXPORT_SYMBOL_GPL(ceth_rx_put);

/**
 * ceth_rx_bad() - a completion that names no buffer of the device's, or with a
 *	length that no buffer has
 * @rxq: the queue
 * @id: as the device says
 *
 * A known buffer is posted again. Anything else costs an id, which the restart
 * that follows brings back.
 */
void ceth_rx_bad(struct ceth_rxq *rxq, u32 id)
{
	if (id < rxq->size && rxq->vas[id]) {
		if (rxq->xsk)
			xsk_buff_free(rxq->vas[id]);
		else
			ceth_rx_spare(rxq, rxq->vas[id], rxq->dmas[id]);
		rxq->vas[id] = NULL;
		rxq->free_ids[rxq->n_free++] = id;
	}
	ceth_rx_count(rxq, &rxq->stats->drop_desc);
	/* The rest of a frame of several buffers can not be told any more. */
	if (rxq->frame.left)
		rxq->frame.drop = true;
	ceth_fault(rxq->pair->cdev, CETH_FAULT_RX_DESC, rxq->idx);
}
EXPORT_SYMBOL_GPL(ceth_rx_bad);

/**
 * ceth_rx_bad_frame() - a frame that makes no sense, in a good buffer
 * @rxq: the queue
 */
void ceth_rx_bad_frame(struct ceth_rxq *rxq)
{
	ceth_rx_count(rxq, &rxq->stats->drop_desc);
	ceth_fault(rxq->pair->cdev, CETH_FAULT_RX_DESC, rxq->idx);
}
EXPORT_SYMBOL_GPL(ceth_rx_bad_frame);

/**
 * ceth_rx_sync_cpu() - let the CPU see what the device wrote
 * @p: the poll; a batch has been taken
 */
void ceth_rx_sync_cpu(const struct ceth_rx_poll *p)
{
	const struct ceth_rxq *rxq = p->rxq;
	const struct ceth_rx_cmpl *c;

	for (c = p->batch; c < p->batch + p->n_good; c++)
		dma_sync_single_for_cpu(rxq->dev, rxq->dmas[c->id], c->len,
					DMA_BIDIRECTIONAL);
}
EXPORT_SYMBOL_GPL(ceth_rx_sync_cpu);

/**
 * ceth_rx_sync_device() - let the device have the buffers that go back to it
 * @p: the poll; the batch has been worked on, what it posted is not visible yet
 */
void ceth_rx_sync_device(const struct ceth_rx_poll *p)
{
	const struct ceth_rxq *rxq = p->rxq;
	const struct ceth_rx_cmpl *c;

	for (c = p->batch; c < p->batch + p->n_good; c++)
		if (rxq->vas[c->id] == c->va)
			dma_sync_single_for_device(rxq->dev, rxq->dmas[c->id],
						   rxq->buf_len,
						   DMA_BIDIRECTIONAL);
}
EXPORT_SYMBOL_GPL(ceth_rx_sync_device);

/**
 * ceth_rx_skb_slow() - no memory for a packet's descriptor
 * @rxq: the queue
 * @va: start of the buffer, which goes back to the ring
 *
 * Return: NULL.
 */
struct sk_buff *ceth_rx_skb_slow(struct ceth_rxq *rxq, void *va)
{
	ceth_rx_spare(rxq, va, ceth_rx_dma(rxq, va));
	ceth_rx_count(rxq, &rxq->stats->drop_nomem);
	return NULL;
}
EXPORT_SYMBOL_GPL(ceth_rx_skb_slow);

/**
 * ceth_rx_deliver() - give a packet to the stack
 * @rxq: the queue
 * @skb: packet, from the Ethernet header on
 * @meta: what the device says about it
 */
void ceth_rx_deliver(struct ceth_rxq *rxq, struct sk_buff *skb,
		     const struct ceth_rx_meta *meta)
{
	struct net_device *dev = rxq->xdp_rxq.dev;
	struct ceth_rx_stats *st = rxq->stats;
	u32 flags = meta->flags;

	if ((flags & CETH_RX_HASH) && (dev->features & NETIF_F_RXHASH))
		skb_set_hash(skb, meta->hash, meta->hash_type & CETH_HASH_L4 ?
			     PKT_HASH_TYPE_L4 : PKT_HASH_TYPE_L3);

	u64_stats_update_begin(&st->syncp);
	if (flags & CETH_RX_CSUM_PARTIAL) {
		/* Refused where it lies outside the headers: the packet goes
		 * up unverified, and the stack finds it wrong.
		 */
		if (skb_partial_csum_set(skb, meta->csum_start,
					 meta->csum_offset))
			st->csum_unnecessary++;
		else
			st->csum_none++;
	} else if ((flags & CETH_RX_CSUM_OK) &&
		   (dev->features & NETIF_F_RXCSUM)) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		st->csum_unnecessary++;
	} else {
		st->csum_none++;
	}
	u64_stats_update_end(&st->syncp);

	if (unlikely(flags & CETH_RX_TIME))
		skb_hwtstamps(skb)->hwtstamp = ns_to_ktime(meta->time);
	if (unlikely(flags & CETH_RX_VLAN))
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), meta->vlan_tci);

	skb_record_rx_queue(skb, rxq->idx);
	skb->protocol = eth_type_trans(skb, dev);
	if (unlikely(flags & (CETH_RX_GSO | CETH_RX_GRO)))
		ceth_rx_gso(rxq, skb, meta);
	napi_gro_receive(&rxq->pair->napi, skb);
}
EXPORT_SYMBOL_GPL(ceth_rx_deliver);

/**
 * ceth_rx_csum_complete() - compute the checksum that the sender left out
 * @xdp: frame of one buffer
 * @meta: says where
 *
 * A program may send the frame on, to where nobody completes it.
 *
 * Return: done; false when the place is not in the frame.
 */
bool ceth_rx_csum_complete(struct xdp_buff *xdp,
			   const struct ceth_rx_meta *meta)
{
	u32 len = xdp->data_end - xdp->data;
	__sum16 *place, sum;

	if (meta->csum_start >= len ||
	    meta->csum_offset + sizeof(sum) > len - meta->csum_start)
		return false;
	place = xdp->data + meta->csum_start + meta->csum_offset;
	sum = csum_fold(csum_partial(xdp->data + meta->csum_start,
				     len - meta->csum_start, 0));
	put_unaligned(sum ?: CSUM_MANGLED_0, place);
	return true;
}
EXPORT_SYMBOL_GPL(ceth_rx_csum_complete);

/**
 * ceth_rx_aborted() - XDP_ABORTED, or a verdict that nobody knows
 * @rxq: the queue
 * @prog: program
 * @xdp: frame; the caller drops it
 * @act: verdict
 */
void ceth_rx_aborted(struct ceth_rxq *rxq, struct bpf_prog *prog,
		     struct xdp_buff *xdp, u32 act)
{
	struct net_device *dev = rxq->xdp_rxq.dev;

	if (act != XDP_ABORTED)
		bpf_warn_invalid_xdp_action(dev, prog, act);
	trace_xdp_exception(dev, prog, act);
	ceth_rx_count(rxq, &rxq->stats->xdp_aborted);
}
EXPORT_SYMBOL_GPL(ceth_rx_aborted);

/**
 * ceth_rx_redirect_err() - XDP_REDIRECT that the kernel refused
 * @rxq: the queue
 * @prog: program
 */
void ceth_rx_redirect_err(struct ceth_rxq *rxq, struct bpf_prog *prog)
{
	trace_xdp_exception(rxq->xdp_rxq.dev, prog, XDP_REDIRECT);
	ceth_rx_count(rxq, &rxq->stats->xdp_redirect_err);
}
EXPORT_SYMBOL_GPL(ceth_rx_redirect_err);

/* Frames of several buffers. The first buffer's id is free as soon as the
 * frame has begun; its memory, and that of the others, belongs to the frame.
 */

static void ceth_rx_frame_put(struct ceth_rxq *rxq, struct xdp_buff *xdp)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);
	u32 i;

	if (xdp_buff_has_frags(xdp))
		for (i = 0; i < sinfo->nr_frags; i++)
			page_pool_put_full_page(rxq->pool,
						skb_frag_page(&sinfo->frags[i]),
						false);
	ceth_rx_spare(rxq, xdp->data_hard_start,
		      ceth_rx_dma(rxq, xdp->data_hard_start));
}

/**
 * ceth_rx_frame_abort() - throw away a frame that is not complete
 * @rxq: the queue
 */
void ceth_rx_frame_abort(struct ceth_rxq *rxq)
{
	if (!rxq->frame.left)
		return;
	rxq->frame.left = 0;
	if (rxq->frame.gone)
		return;
	if (rxq->xsk) {
		if (rxq->frame.zc)
			xsk_buff_free(rxq->frame.zc);
		rxq->frame.zc = NULL;
	} else if (rxq->frame.skb) {
		dev_kfree_skb_any(rxq->frame.skb);
	} else {
		ceth_rx_frame_put(rxq, &rxq->frame.buff.xdp);
	}
	rxq->frame.skb = NULL;
	ceth_rx_count(rxq, &rxq->stats->drop_len);
}

/**
 * ceth_rx_frame_start() - the first buffer of a frame of several
 * @rxq: the queue
 * @c: the completion
 * @info: the backend's reading of the frame
 * @n_bufs: buffers of the frame
 */
void ceth_rx_frame_start(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
			 const struct ceth_rx_info *info, u32 n_bufs)
{
	struct xdp_buff *xdp = &rxq->frame.buff.xdp;

	if (!n_bufs || n_bufs > CETH_RX_MAX_BUFS ||
	    c->len < rxq->min_len) {
		ceth_rx_spare(rxq, c->va, rxq->dmas[c->id]);
		ceth_rx_bad_frame(rxq);
		return;
	}
	xdp_init_buff(xdp, rxq->frame_sz, &rxq->xdp_rxq);
	xdp_prepare_buff(xdp, c->va, CETH_RX_HEADROOM, c->len - rxq->prefix,
			 true);
	rxq->frame.info = *info;
	rxq->frame.buff.info = &rxq->frame.info;
	rxq->frame.buff.rxq = rxq;
	rxq->frame.len = c->len - rxq->prefix;
	rxq->frame.left = n_bufs - 1;
	rxq->frame.drop = false;
	rxq->frame.gone = false;
	rxq->frame.skb = NULL;
}
EXPORT_SYMBOL_GPL(ceth_rx_frame_start);

/**
 * ceth_rx_frame_torn() - a frame begins before the last one has ended
 * @rxq: the queue
 * @c: the completion
 *
 * The device has lost some; neither frame can be told any more.
 */
void ceth_rx_frame_torn(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c)
{
	ceth_rx_frame_abort(rxq);
	ceth_rx_spare(rxq, c->va, rxq->dmas[c->id]);
	ceth_rx_bad_frame(rxq);
}
EXPORT_SYMBOL_GPL(ceth_rx_frame_torn);

/* More buffers than a packet has fragments: the packet's list goes on. */
static bool ceth_rx_frame_chain(struct ceth_rxq *rxq, void *va, u32 off,
				u32 len)
{
	struct sk_buff **tail, *head, *skb;

	/* Without memory for the head the frame is gone, and counted. */
	head = rxq->frame.skb ?: ceth_rx_frame_skb(rxq);
	rxq->frame.skb = head;
	rxq->frame.gone = !head;
	skb = head ? napi_build_skb(va, rxq->frame_sz) : NULL;
	if (!skb) {
		ceth_rx_spare(rxq, va, ceth_rx_dma(rxq, va));
		return false;
	}
	skb_mark_for_recycle(skb);
	skb_reserve(skb, off);
	__skb_put(skb, len);
	for (tail = &skb_shinfo(head)->frag_list; *tail; tail = &(*tail)->next)
		;
	*tail = skb;
	head->len += len;
	head->data_len += len;
	head->truesize += skb->truesize;
	return true;
}

/**
 * ceth_rx_frame_add() - a further buffer
 * @rxq: the queue
 * @c: the completion
 * @prog: program, or NULL
 *
 * Return: the frame is complete. A frame that had to be dropped is gone, and
 * never complete.
 */
bool ceth_rx_frame_add(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c,
		       const struct bpf_prog *prog)
{
	struct xdp_buff *xdp = &rxq->frame.buff.xdp;
	struct skb_shared_info *sinfo;
	u32 n, off = rxq->off;
	struct page *page;

	rxq->frame.left--;
	if (rxq->frame.drop || !c->len) {
		ceth_rx_spare(rxq, c->va, ceth_rx_dma(rxq, c->va));
		rxq->frame.drop = true;
		goto out;
	}
	rxq->frame.len += c->len;

	sinfo = xdp_get_shared_info_from_buff(xdp);
	if (!xdp_buff_has_frags(xdp)) {
		sinfo->nr_frags = 0;
		sinfo->xdp_frags_size = 0;
		xdp_buff_set_frags_flag(xdp);
	}
	n = rxq->frame.skb ? MAX_SKB_FRAGS : sinfo->nr_frags;
	if (unlikely(n == MAX_SKB_FRAGS)) {
		if (prog) {
			ceth_rx_spare(rxq, c->va, ceth_rx_dma(rxq, c->va));
			rxq->frame.drop = true;
		} else if (!ceth_rx_frame_chain(rxq, c->va, off, c->len)) {
			rxq->frame.drop = true;
		}
		goto out;
	}
	page = virt_to_head_page(c->va);
	skb_frag_fill_page_desc(&sinfo->frags[n], page,
				c->va - page_address(page) + off, c->len);
	sinfo->nr_frags = n + 1;
	sinfo->xdp_frags_size += c->len;
	ceth_xdp_frags_truesize(sinfo, (n + 1) * rxq->frame_sz);
	if (unlikely(page_is_pfmemalloc(page)))
		xdp_buff_set_frag_pfmemalloc(xdp);
out:
	if (rxq->frame.left)
		return false;
	if (likely(!rxq->frame.drop))
		return true;

	if (rxq->frame.gone)
		return false;
	if (rxq->frame.skb)
		dev_kfree_skb_any(rxq->frame.skb);
	else
		ceth_rx_frame_put(rxq, xdp);
	rxq->frame.skb = NULL;
	ceth_rx_count(rxq, &rxq->stats->drop_len);
	return false;
}
EXPORT_SYMBOL_GPL(ceth_rx_frame_add);

/**
 * ceth_rx_frame_skb() - packet of the complete frame
 * @rxq: the queue
 *
 * Return: packet; NULL: no memory, the frame is gone and counted.
 */
struct sk_buff *ceth_rx_frame_skb(struct ceth_rxq *rxq)
{
	struct xdp_buff *xdp = &rxq->frame.buff.xdp;
	struct skb_shared_info *sinfo;
	u32 nr_frags = 0, size = 0;
	struct sk_buff *skb;

	skb = rxq->frame.skb;
	if (skb) {
		rxq->frame.skb = NULL;
		return skb;
	}

	/* napi_build_skb() clears the numbers but leaves the fragments. */
	if (xdp_buff_has_frags(xdp)) {
		sinfo = xdp_get_shared_info_from_buff(xdp);
		nr_frags = sinfo->nr_frags;
		size = sinfo->xdp_frags_size;
	}
	skb = napi_build_skb(xdp->data_hard_start, rxq->frame_sz);
	if (unlikely(!skb)) {
		ceth_rx_frame_put(rxq, xdp);
		ceth_rx_count(rxq, &rxq->stats->drop_nomem);
		return NULL;
	}
	skb_mark_for_recycle(skb);
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	if (xdp->data > xdp->data_meta)
		skb_metadata_set(skb, xdp->data - xdp->data_meta);
	if (nr_frags)
		ceth_xdp_frags_to_skb(skb, nr_frags, size,
				      nr_frags * rxq->frame_sz, xdp);
	return skb;
}
EXPORT_SYMBOL_GPL(ceth_rx_frame_skb);

/**
 * ceth_rx_frame_xdp() - run the program on the complete frame and act on it
 * @rxq: the queue
 * @prog: program
 * @csum_partial: the sender left the checksum to compute
 * @bulk: frames to send back
 * @n: counters
 *
 * Return: packet for the stack, or NULL.
 */
struct sk_buff *ceth_rx_frame_xdp(struct ceth_rxq *rxq, struct bpf_prog *prog,
				  bool csum_partial, struct ceth_xdp_bulk *bulk,
				  struct ceth_rx_local *n)
{
	struct xdp_buff *xdp = &rxq->frame.buff.xdp;
	struct sk_buff *skb;
	u32 act;

	/* Received before the program was attached, under offloads that can
	 * not be undone here; the attach waits for most of them.
	 */
	if (!prog->aux->xdp_has_frags || csum_partial || rxq->frame.skb) {
		trace_xdp_exception(rxq->xdp_rxq.dev, prog, XDP_DROP);
		ceth_rx_count(rxq, &rxq->stats->drop_xdp_frags);
		goto drop;
	}

	act = bpf_prog_run_xdp(prog, xdp);
	switch (act) {
	case XDP_PASS:
		skb = ceth_rx_frame_skb(rxq);
		if (skb)
			n->xdp_pass++;
		return skb;
	case XDP_TX: {
		u32 frags = 0;

		if (xdp_buff_has_frags(xdp))
			frags = xdp_get_shared_info_from_buff(xdp)->nr_frags;
		ceth_xdp_bulk_add(bulk, xdp->data_hard_start,
				  ceth_rx_dma(rxq, xdp->data_hard_start), xdp,
				  frags);
		return NULL;
	}
	case XDP_REDIRECT:
		if (likely(!xdp_do_redirect(rxq->xdp_rxq.dev, xdp, prog))) {
			n->xdp_redirect++;
			return NULL;
		}
		ceth_rx_redirect_err(rxq, prog);
		break;
	case XDP_DROP:
		n->xdp_drop++;
		break;
	default:
		ceth_rx_aborted(rxq, prog, xdp, act);
		break;
	}
drop:
	if (rxq->frame.skb) {
		dev_kfree_skb_any(rxq->frame.skb);
		rxq->frame.skb = NULL;
		return NULL;
	}
	ceth_rx_frame_put(rxq, xdp);
	return NULL;
}
EXPORT_SYMBOL_GPL(ceth_rx_frame_xdp);
