/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: transmit templates, inlined into the backend by CETH_DATAPATH().
 *
 * Packets of the stack, redirected frames and XDP_TX share the ring of the
 * pair, under the transmit lock of its queue. Segments are named by ids, which
 * go round: free_ids -> record -> device -> completion -> free_ids (ownership:
 * see <net/ceth/queue.h>).
 */
#ifndef _NET_CETH_TX_H
#define _NET_CETH_TX_H

#ifndef _NET_CETH_DATAPATH_H
#error "include <net/ceth/datapath.h>"
#endif

#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/xdp.h>

/**
 * struct ceth_xdp_tx - a frame to send back
 * @va: start of its first buffer
 * @dma: DMA address of @va
 * @off: start of the frame, from @va
 * @len: bytes in the first buffer
 * @frags: further buffers, described at the end of the first one
 */
struct ceth_xdp_tx {
	void *va;
	dma_addr_t dma;
	u16 off;
	u16 len;
	u32 frags;
};

/**
 * struct ceth_xdp_bulk - XDP_TX frames of a receive batch
 * @n: frames in @f
 * @sent: frames of this poll on the ring
 * @posted: something awaits the doorbell
 * @f: frames
 */
struct ceth_xdp_bulk {
	u32 n;
	u32 sent;
	bool posted;
	struct ceth_xdp_tx f[CETH_RX_BATCH];
};

struct ceth_pair *ceth_netdev_pair(const struct net_device *dev, u32 idx);
int ceth_tx_map(struct ceth_txq *txq, struct sk_buff *skb,
		struct ceth_tx_seg *segs, bool push);
void ceth_tx_meta_slow(struct sk_buff *skb, struct ceth_tx_meta *meta);
void ceth_tx_time(struct sk_buff *skb, u64 time);
netdev_tx_t ceth_tx_drop(struct ceth_pair *pair, struct sk_buff *skb);
netdev_tx_t ceth_tx_busy(struct ceth_txq *txq);
int ceth_tx_map_frame(struct ceth_txq *txq, struct xdp_frame *frame,
		      struct ceth_tx_seg *segs);
void ceth_tx_bad(struct ceth_txq *txq);
void ceth_tx_done_frame(struct ceth_txq *txq, u32 id,
			struct xdp_frame_bulk *bq);
u32 ceth_xdp_tx_frags(struct ceth_txq *txq, const struct ceth_xdp_tx *f,
		      struct ceth_tx_seg *segs);
void ceth_xdp_tx_drop(struct ceth_pair *pair, const struct ceth_xdp_tx *f);
u32 ceth_tx_done_more(struct ceth_txq *txq, u32 id, u32 tail);
void ceth_tx_stop(struct ceth_txq *txq);
void ceth_tx_wake(struct ceth_txq *txq);
void ceth_rx_put(struct ceth_rxq *rxq, void *va);

/**
 * ceth_rx_spare() - keep a buffer that came back, for the next refill
 * @rxq: the queue; NAPI context of its pair
 * @va: start of the buffer
 * @dma: DMA address of @va
 */
static __always_inline void ceth_rx_spare(struct ceth_rxq *rxq, void *va,
					  dma_addr_t dma)
{
	struct ceth_rx_buf *buf;

	if (unlikely(rxq->n_spare >= rxq->size)) {
		ceth_rx_put(rxq, va);
		return;
	}
	buf = &rxq->spare[rxq->n_spare++];
	buf->va = va;
	buf->dma = dma;
}

/**
 * ceth_tx_avail() - free ids
 * @txq: the queue; under its transmit lock
 *
 * Return: ids.
 */
static __always_inline u32 ceth_tx_avail(const struct ceth_txq *txq)
{
	/* Pairs with the release in ceth_tx_clean_tmpl(): the records of the
	 * ids counted here are clear.
	 */
	return smp_load_acquire(&txq->free_tail) - txq->free_head;
}

/**
 * ceth_tx_id() - take a free id; the caller knows that there is one
 * @txq: the queue; under its transmit lock
 *
 * Return: the id.
 */
static __always_inline u16 ceth_tx_id(struct ceth_txq *txq)
{
	u32 head = txq->free_head;

	WRITE_ONCE(txq->free_head, head + 1);
	return txq->free_ids[head & txq->mask];
}

/**
 * ceth_fill_prefix() - have the prefix of a packet filled in, if there is one
 * @ops: the backend's
 * @txq: the queue; under its transmit lock
 * @meta: see &ceth_dp_ops.tx_prefix
 * @prefix: see &ceth_dp_ops.tx_prefix
 */
static __always_inline void ceth_fill_prefix(const struct ceth_dp_ops *ops,
					     struct ceth_txq *txq,
					     const struct ceth_tx_meta *meta,
					     void *prefix)
{
	if (ops->tx_prefix)
		ops->tx_prefix(txq, meta, prefix);
}

/**
 * ceth_xdp_bulk_init() - for a new poll
 * @bulk: frames to send back
 */
static __always_inline void ceth_xdp_bulk_init(struct ceth_xdp_bulk *bulk)
{
	bulk->n = 0;
	bulk->sent = 0;
	bulk->posted = false;
}

/**
 * ceth_xdp_bulk_add() - note a frame to send back
 * @bulk: frames to send back
 * @va: start of its first buffer
 * @dma: DMA address of @va
 * @xdp: the frame
 * @frags: further buffers
 */
static __always_inline void
ceth_xdp_bulk_add(struct ceth_xdp_bulk *bulk, void *va, dma_addr_t dma,
		  const struct xdp_buff *xdp, u32 frags)
{
	struct ceth_xdp_tx *f = &bulk->f[bulk->n++];

	f->va = va;
	f->dma = dma;
	f->off = xdp->data - va;
	f->len = xdp->data_end - xdp->data;
	f->frags = frags;
}

/**
 * ceth_xdp_bulk_send() - put the frames on the ring, without doorbell
 * @pair: the pair
 * @bulk: frames to send back; empty on return
 * @ops: the backend's
 */
static __always_inline void ceth_xdp_bulk_send(struct ceth_pair *pair,
					       struct ceth_xdp_bulk *bulk,
					       const struct ceth_dp_ops *ops)
{
	struct netdev_queue *netq = ceth_pair_netq(pair);
	struct ceth_tx_seg segs[CETH_TX_MAX_SEGS] __uninitialized;
	u32 avail = 0, prefix = 0, sent = 0, bytes = 0, head = 0;
	struct ceth_xdp_tx *f, *end = &bulk->f[bulk->n];
	struct ceth_cursor cur __uninitialized;
	struct ceth_txq *txq;
	bool sync = false;

	__netif_tx_lock(netq, smp_processor_id());
	txq = pair->txq;
	if (likely(txq)) {
		avail = ceth_tx_avail(txq);
		prefix = txq->prefix;
		head = txq->free_head;
		sync = dma_dev_need_sync(txq->dev);
		ops->tx_post_open(txq, &cur);
	}

	for (f = bulk->f; f < end; f++) {
		struct ceth_tx_seg seg;
		struct ceth_tx_rec *rec;
		u32 n = 1 + f->frags;

		if (unlikely(avail < n || f->off < prefix)) {
			ceth_xdp_tx_drop(pair, f);
			continue;
		}
		avail -= n;
		seg.id = txq->free_ids[head++ & txq->mask];
		seg.dma = f->dma + f->off - prefix;
		seg.len = f->len + prefix;
		rec = &txq->recs[seg.id];
		rec->ptr = f->va;
		rec->dma = f->dma;
		rec->kind = CETH_TX_KIND(CETH_TX_XDP_TX, n);
		ceth_fill_prefix(ops, txq, NULL, f->va + f->off - prefix);
		if (unlikely(sync))
			dma_sync_single_for_device(txq->dev, seg.dma, seg.len,
						   DMA_BIDIRECTIONAL);
		bytes += f->len;
		sent++;
		if (likely(n == 1)) {
			ops->tx_post(txq, &cur, &seg, 1, NULL);
			continue;
		}
		segs[0] = seg;
		WRITE_ONCE(txq->free_head, head);
		bytes += ceth_xdp_tx_frags(txq, f, segs);
		head = txq->free_head;
		ops->tx_post(txq, &cur, segs, n, NULL);
	}
	if (likely(sent)) {
		ops->tx_post_close(txq, &cur);
		WRITE_ONCE(txq->free_head, head);
		u64_stats_update_begin(&txq->stats->syncp);
		txq->stats->xdp_packets += sent;
		txq->stats->xdp_bytes += bytes;
		u64_stats_update_end(&txq->stats->syncp);
		bulk->posted = true;
	}
	__netif_tx_unlock(netq);
	bulk->sent += sent;
	bulk->n = 0;
}

/**
 * ceth_xdp_bulk_flush() - doorbell for all that ceth_xdp_bulk_send() posted
 * @pair: the pair
 * @ops: the backend's
 */
static __always_inline void ceth_xdp_bulk_flush(struct ceth_pair *pair,
						const struct ceth_dp_ops *ops)
{
	struct netdev_queue *netq = ceth_pair_netq(pair);

	__netif_tx_lock(netq, smp_processor_id());
	if (likely(pair->txq) && ops->tx_flush(pair->txq))
		pair->tx_stats.kicks++;
	__netif_tx_unlock(netq);
}

/**
 * ceth_tx_clean_tmpl() - transmit completion
 * @pair: the pair
 * @budget: NAPI budget; 0: netpoll, which may be in hard interrupt context,
 *	so that nothing of XDP can be returned
 * @ops: the backend's
 *
 * Return: there may be more.
 */
static __always_inline bool ceth_tx_clean_tmpl(struct ceth_pair *pair,
					       int budget,
					       const struct ceth_dp_ops *ops)
{
	struct xdp_frame_bulk bq __uninitialized;
	struct ceth_txq *txq = pair->txq_done;
	u32 pkts = 0, bytes = 0, total = 0;
	struct ceth_cursor cur;
	bool frames = false;
	u16 *free_ids;
	u32 tail, id;

	if (unlikely(!budget))
		return false;

	tail = txq->free_tail;
	free_ids = txq->free_ids;
	ops->tx_open(txq, &cur);
	while (ops->tx_next(txq, &cur, &id)) {
		struct ceth_tx_rec *rec = &txq->recs[id];
		u32 segs;

		total++;
		if (likely(id < txq->size) &&
		    rec->kind == CETH_TX_KIND(CETH_TX_XDP_TX, 1)) {
			ceth_rx_spare(pair->rxq, rec->ptr, rec->dma);
			rec->kind = 0;
			free_ids[tail++ & txq->mask] = id;
			continue;
		}
		segs = ceth_tx_segs(txq, id);
		if (unlikely(!segs)) {
			ceth_tx_bad(txq);
			continue;
		}
		if (rec->type == CETH_TX_SKB) {
			struct sk_buff *skb = rec->ptr;

			pkts++;
			bytes += skb->len;
			if (likely(rec->len))
				dma_unmap_single(txq->dev, rec->dma, rec->len,
						 DMA_TO_DEVICE);
			if (segs > 1)
				tail = ceth_tx_done_more(txq, id, tail);
			if (ops->tx_time && unlikely(skb_shinfo(skb)->tx_flags &
						     SKBTX_IN_PROGRESS))
				ceth_tx_time(skb, ops->tx_time(txq, &cur));
			napi_consume_skb(skb, budget);
		} else {
			if (!frames) {
				xdp_frame_bulk_init(&bq);
				frames = true;
			}
			ceth_tx_done_frame(txq, id, &bq);
			if (segs > 1)
				tail = ceth_tx_done_more(txq, id, tail);
		}
		rec->type = CETH_TX_FREE;
		free_ids[tail++ & txq->mask] = id;
	}
	ops->tx_close(txq, &cur);
	/* Pairs with the acquire in ceth_tx_avail(). */
	smp_store_release(&txq->free_tail, tail);

	if (frames) {
		rcu_read_lock();
		xdp_flush_frame_bulk(&bq);
		rcu_read_unlock();
	}
	if (pkts)
		netdev_tx_completed_queue(txq->netq, pkts, bytes);
	if (total) {
		/* Pairs with the barrier in netif_txq_maybe_stop(): either the
		 * sender sees the ids freed above, or the stop is seen here.
		 */
		smp_mb();
		if (unlikely(netif_tx_queue_stopped(txq->netq)))
			ceth_tx_wake(txq);
	}
	return total >= txq->size;
}

/**
 * ceth_start_xmit_tmpl() - transmit a packet of the stack
 * @skb: packet
 * @dev: device
 * @ops: the backend's
 *
 * Return: NETDEV_TX_OK, or NETDEV_TX_BUSY when the ring has no room.
 */
static __always_inline netdev_tx_t
ceth_start_xmit_tmpl(struct sk_buff *skb, struct net_device *dev,
		     const struct ceth_dp_ops *ops)
{
	struct ceth_pair *pair = ceth_netdev_pair(dev, skb_get_queue_mapping(skb));
	struct ceth_tx_seg segs[CETH_TX_MAX_SEGS] __uninitialized;
	struct ceth_tx_meta meta __uninitialized, *todo = NULL;
	struct ceth_txq *txq = pair->txq;
	u32 len = skb->len, gso;
	struct ceth_tx_rec *rec;
	struct ceth_cursor cur;
	void *prefix;
	bool push;
	int n;

	if (unlikely(!txq))
		return ceth_tx_drop(pair, skb);
	if (unlikely(ceth_tx_avail(txq) < CETH_TX_MAX_SEGS)) {
		ops->tx_flush(txq);
		return ceth_tx_busy(txq);
	}

	gso = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 0;
	if (skb->ip_summed == CHECKSUM_PARTIAL ||
	    (ops->tx_extra && (skb_vlan_tag_present(skb) ||
			       skb_shinfo(skb)->tx_flags & SKBTX_HW_TSTAMP))) {
		ceth_tx_meta_slow(skb, &meta);
		todo = &meta;
	}

	ops->tx_post_open(txq, &cur);
	push = skb_headroom(skb) >= txq->prefix && !skb_header_cloned(skb);
	prefix = skb->data - txq->prefix;
	if (likely(push))
		ceth_fill_prefix(ops, txq, todo, prefix);
	if (likely(push && !skb_is_nonlinear(skb))) {
		struct ceth_tx_seg seg;

		seg.len = len + txq->prefix;
		seg.dma = dma_map_single(txq->dev, prefix, seg.len,
					 DMA_TO_DEVICE);
		if (unlikely(dma_mapping_error(txq->dev, seg.dma)))
			goto drop;
		seg.id = ceth_tx_id(txq);
		rec = &txq->recs[seg.id];
		rec->dma = seg.dma;
		rec->len = seg.len;
		rec->ptr = skb;
		rec->kind = CETH_TX_KIND(CETH_TX_SKB, 1);
		skb_tx_timestamp(skb);
		ops->tx_post(txq, &cur, &seg, 1, todo);
	} else {
		n = ceth_tx_map(txq, skb, segs, push);
		if (unlikely(n < 0))
			goto drop;
		rec = &txq->recs[segs[0].id];
		if (!push)
			ceth_fill_prefix(ops, txq, todo, txq->prefixes +
					 segs[0].id * txq->prefix);
		rec->ptr = skb;
		rec->kind = CETH_TX_KIND(CETH_TX_SKB, n);
		skb_tx_timestamp(skb);
		ops->tx_post(txq, &cur, segs, n, todo);
	}
	ops->tx_post_close(txq, &cur);

	u64_stats_update_begin(&txq->stats->syncp);
	txq->stats->packets++;
	txq->stats->bytes += len;
	if (todo && (!ops->tx_extra || (meta.flags & CETH_TX_CSUM)))
		txq->stats->needs_csum++;
	else
		txq->stats->csum_none++;
	if (gso) {
		txq->stats->gso_packets++;
		txq->stats->gso_bytes += len;
		txq->stats->gso_segs += gso;
	}
	u64_stats_update_end(&txq->stats->syncp);

	if (unlikely(ceth_tx_avail(txq) < CETH_TX_MAX_SEGS))
		ceth_tx_stop(txq);
	if (__netdev_tx_sent_queue(txq->netq, len, netdev_xmit_more()))
		if (ops->tx_flush(txq))
			txq->stats->kicks++;
	return NETDEV_TX_OK;

drop:
	/* Those before it may count on its doorbell. */
	ops->tx_flush(txq);
	return ceth_tx_drop(pair, skb);
}

/**
 * ceth_xdp_xmit_tmpl() - transmit redirected frames
 * @dev: device
 * @n: frames
 * @frames: frames
 * @flags: XDP_XMIT_FLUSH
 * @ops: the backend's
 *
 * Return: frames taken; the caller frees the others.
 */
static __always_inline int
ceth_xdp_xmit_tmpl(struct net_device *dev, int n, struct xdp_frame **frames,
		   u32 flags, const struct ceth_dp_ops *ops)
{
	struct ceth_tx_seg segs[CETH_TX_MAX_SEGS] __uninitialized;
	u32 cpu = smp_processor_id(), n_txq = dev->real_num_tx_queues;
	struct netdev_queue *netq;
	struct ceth_cursor cur;
	struct ceth_pair *pair;
	struct ceth_txq *txq;
	u32 bytes = 0;
	int i;

	if (unlikely(flags & ~XDP_XMIT_FLAGS_MASK))
		return -EINVAL;

	pair = ceth_netdev_pair(dev, cpu < n_txq ? cpu : cpu % n_txq);
	netq = ceth_pair_netq(pair);
	__netif_tx_lock(netq, cpu);
	txq = pair->txq;
	if (unlikely(!txq)) {
		pair->tx_stats.xdp_full += n;
		__netif_tx_unlock(netq);
		return -ENETDOWN;
	}

	ops->tx_post_open(txq, &cur);
	for (i = 0; i < n; i++) {
		struct xdp_frame *frame = frames[i];
		struct ceth_tx_rec *rec;
		void *prefix;
		int n_segs;

		if (unlikely(ceth_tx_avail(txq) < CETH_TX_MAX_SEGS))
			break;
		if (likely(frame->headroom >= txq->prefix &&
			   !xdp_frame_has_frags(frame))) {
			struct ceth_tx_seg seg;

			prefix = frame->data - txq->prefix;
			ceth_fill_prefix(ops, txq, NULL, prefix);
			seg.len = frame->len + txq->prefix;
			seg.dma = dma_map_single(txq->dev, prefix, seg.len,
						 DMA_TO_DEVICE);
			if (unlikely(dma_mapping_error(txq->dev, seg.dma)))
				break;
			seg.id = ceth_tx_id(txq);
			rec = &txq->recs[seg.id];
			rec->dma = seg.dma;
			rec->len = seg.len;
			rec->ptr = frame;
			rec->kind = CETH_TX_KIND(CETH_TX_XDP_FRAME, 1);
			bytes += frame->len;
			ops->tx_post(txq, &cur, &seg, 1, NULL);
		} else {
			bool push = frame->headroom >= txq->prefix;

			if (push)
				ceth_fill_prefix(ops, txq, NULL,
						 frame->data - txq->prefix);
			n_segs = ceth_tx_map_frame(txq, frame, segs);
			if (unlikely(n_segs < 0))
				break;
			if (!push)
				ceth_fill_prefix(ops, txq, NULL, txq->prefixes +
						 segs[0].id * txq->prefix);
			rec = &txq->recs[segs[0].id];
			bytes += xdp_get_frame_len(frame);
			rec->ptr = frame;
			rec->kind = CETH_TX_KIND(CETH_TX_XDP_FRAME, n_segs);
			ops->tx_post(txq, &cur, segs, n_segs, NULL);
		}
	}
	ops->tx_post_close(txq, &cur);

	u64_stats_update_begin(&txq->stats->syncp);
	txq->stats->xdp_packets += i;
	txq->stats->xdp_bytes += bytes;
	txq->stats->xdp_full += n - i;
	u64_stats_update_end(&txq->stats->syncp);
	if ((flags & XDP_XMIT_FLUSH) && ops->tx_flush(txq))
		txq->stats->kicks++;
	__netif_tx_unlock(netq);
	return i;
}

#endif /* _NET_CETH_TX_H */
