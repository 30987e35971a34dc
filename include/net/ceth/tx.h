/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: transmit templates, inlined into the backend by CETH_DATAPATH().
 *
 * Redirected frames and XDP_TX have a ring of their own, where the device has
 * room, or share that of the pair with packets of the stack. A ring is written
 * under the transmit lock of its queue. Segments are named by ids, which
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
 * @data: start of the frame
 * @dma: &ceth_rx_buf.dma of @va
 * @len: bytes in the first buffer
 * @frags: further buffers, described at the end of the first one
 */
struct ceth_xdp_tx {
	void *va;
	void *data;
	dma_addr_t dma;
	u32 len;
	u32 frags;
};

/**
 * struct ceth_xdp_bulk - XDP_TX frames of a receive batch
 * @end: after the last one in @f
 * @frags: further buffers of those in @f
 * @sent: frames of this poll on the ring
 * @posted: something awaits the doorbell
 * @f: frames
 */
struct ceth_xdp_bulk {
	struct ceth_xdp_tx *end;
	u32 frags;
	u32 sent;
	bool posted;
	struct ceth_xdp_tx f[CETH_RX_BATCH];
};

struct ceth_pair *ceth_netdev_pair(const struct net_device *dev, u32 idx);
int ceth_tx_map(struct ceth_txq *txq, struct sk_buff *skb,
		struct ceth_tx_seg *segs, bool push);
bool ceth_tx_meta_slow(struct sk_buff *skb, struct ceth_tx_meta *meta);
void ceth_tx_time(struct sk_buff *skb, u64 time);
netdev_tx_t ceth_tx_drop(struct ceth_pair *pair, struct sk_buff *skb);
netdev_tx_t ceth_tx_busy(struct ceth_txq *txq);
int ceth_xdp_closed(struct ceth_pair *pair, u32 n);
int ceth_tx_map_frame(struct ceth_txq *txq, struct xdp_frame *frame,
		      struct ceth_tx_seg *segs);
void ceth_tx_bad(struct ceth_txq *txq);
void ceth_tx_done_frame(struct ceth_txq *txq, u32 id,
			struct xdp_frame_bulk *bq);
u32 ceth_xdp_tx_frags(struct ceth_txq *txq, const struct ceth_xdp_tx *f,
		      struct ceth_tx_seg *segs);
void ceth_xdp_tx_drop(struct ceth_pair *pair, const struct ceth_xdp_tx *f);
u32 ceth_tx_done_more(struct ceth_txq *txq, u32 id, u32 tail);
void ceth_xsk_stamp(const struct ceth_tx_rec *rec, u64 time);
void ceth_xsk_release(struct ceth_txq *txq, u32 head);
void ceth_tx_stop(struct ceth_txq *txq);
void ceth_tx_wake(struct ceth_txq *txq);
void ceth_rx_put(struct ceth_rxq *rxq, void *va);

/**
 * ceth_rx_spare() - keep a buffer that came back, for the next refill
 * @rxq: the queue; NAPI context of its pair
 * @va: start of the buffer
 * @dma: see &ceth_rx_buf
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
 * ceth_tx_dma() - let the device read what is to be sent
 * @txq: the queue
 * @p: start; in the kernel's linear mapping
 * @len: bytes
 * @seg: address and length are filled in
 * @unmap: bytes to unmap afterwards
 *
 * Return: done.
 */
static __always_inline bool ceth_tx_dma(const struct ceth_txq *txq, void *p,
					u32 len, struct ceth_tx_seg *seg,
					u32 *unmap)
{
	seg->len = len;
	if (txq->phys) {
		seg->dma = virt_to_phys(p);
		*unmap = 0;
		return true;
	}
	seg->dma = dma_map_single(txq->dev, p, len, DMA_TO_DEVICE);
	*unmap = len;
	return likely(!dma_mapping_error(txq->dev, seg->dma));
}

/**
 * ceth_fill_prefix() - have the prefix of a packet filled in, if there is one
 * @ops: the backend's
 * @meta: see &ceth_dp_ops.tx_prefix
 * @prefix: see &ceth_dp_ops.tx_prefix
 * @len: see &ceth_dp_ops.tx_prefix
 */
static __always_inline void ceth_fill_prefix(const struct ceth_dp_ops *ops,
					     const struct ceth_tx_meta *meta,
					     void *prefix, u32 len)
{
	if (ops->tx_prefix)
		ops->tx_prefix(meta, prefix, len);
}

/**
 * ceth_xsk_mark() - a socket's packet has been sent, or never will be
 * @txq: the queue; NAPI context of its pair, or stopped
 * @rec: of the packet's head, still set
 */
static inline void ceth_xsk_mark(struct ceth_txq *txq,
				 const struct ceth_tx_rec *rec)
{
	u32 at = rec->dma, n = rec->n_segs - !!txq->prefix;

	while (n--)
		txq->xsk_done[at++ & txq->mask] = 1;
}

/**
 * ceth_xdp_bulk_init() - for a new poll
 * @bulk: frames to send back
 */
static __always_inline void ceth_xdp_bulk_init(struct ceth_xdp_bulk *bulk)
{
	bulk->end = bulk->f;
	bulk->frags = 0;
	bulk->sent = 0;
	bulk->posted = false;
}

/**
 * ceth_xdp_bulk_add() - note a frame to send back
 * @bulk: frames to send back
 * @va: start of its first buffer
 * @dma: &ceth_rx_buf.dma of that
 * @xdp: the frame
 * @frags: further buffers
 */
static __always_inline void
ceth_xdp_bulk_add(struct ceth_xdp_bulk *bulk, void *va, dma_addr_t dma,
		  const struct xdp_buff *xdp, u32 frags)
{
	struct ceth_xdp_tx *f = bulk->end++;

	f->va = va;
	f->data = xdp->data;
	f->dma = dma;
	f->len = xdp->data_end - xdp->data;
	f->frags = frags;
	bulk->frags += frags;
}

/**
 * ceth_xdp_tx_seg() - first segment of a frame to send back, but for its id
 * @f: the frame
 * @prefix: bytes before the frame that the device reads
 * @skew: from where the device wrote to where it reads, less the headroom
 * @seg: filled in
 * @ops: the backend's
 *
 * A program leaves room for struct xdp_frame, and so for the prefix.
 */
static __always_inline void ceth_xdp_tx_seg(const struct ceth_xdp_tx *f,
					    u32 prefix, u32 skew,
					    struct ceth_tx_seg *seg,
					    const struct ceth_dp_ops *ops)
{
	ceth_fill_prefix(ops, NULL, f->data - prefix, prefix);
	seg->dma = f->dma + (f->data - f->va) - skew;
	seg->len = f->len + prefix;
}

/**
 * ceth_xdp_send_any() - put frames on the ring, with whatever can happen
 * @pair: the pair
 * @txq: the queue, under its transmit lock; NULL: nothing can be sent
 * @bulk: frames to send back
 * @cur: where they go
 * @bytes: of the frames on the ring
 * @ops: the backend's
 *
 * Return: frames on the ring; the others are dropped and counted.
 */
static __always_inline u32 ceth_xdp_send_any(struct ceth_pair *pair,
					     struct ceth_txq *txq,
					     struct ceth_xdp_bulk *bulk,
					     struct ceth_cursor *cur,
					     u32 *bytes,
					     const struct ceth_dp_ops *ops)
{
	struct ceth_tx_seg segs[CETH_TX_MAX_SEGS] __uninitialized;
	const struct ceth_xdp_tx *f;
	u32 sent = 0;

	for (f = bulk->f; f < bulk->end; f++) {
		struct ceth_tx_rec *rec;

		if (!txq || ceth_tx_avail(txq) <= f->frags) {
			ceth_xdp_tx_drop(pair, f);
			continue;
		}
		ceth_xdp_tx_seg(f, txq->prefix, pair->rxq->off + txq->prefix,
				&segs[0], ops);
		dma_sync_single_for_device(txq->dev, segs[0].dma, segs[0].len,
					   DMA_BIDIRECTIONAL);
		segs[0].id = ceth_tx_id(txq);
		rec = &txq->recs[segs[0].id];
		rec->ptr = f->va;
		rec->dma = f->dma;
		rec->kind = CETH_TX_KIND(CETH_TX_XDP_TX, 1 + f->frags);
		*bytes += f->len;
		if (f->frags)
			*bytes += ceth_xdp_tx_frags(txq, f, segs);
		ops->tx_post(txq->priv, cur, segs, 1 + f->frags, NULL);
		sent++;
	}
	return sent;
}

/**
 * ceth_xdp_posted() - frames to send back are on the ring
 * @txq: the queue
 * @cur: where the next one would go
 * @frames: frames
 * @bytes: of @frames
 * @ops: the backend's
 */
static __always_inline void ceth_xdp_posted(struct ceth_txq *txq,
					    struct ceth_cursor *cur, u32 frames,
					    u32 bytes,
					    const struct ceth_dp_ops *ops)
{
	ops->tx_post_close(txq->priv, cur);
	u64_stats_update_begin(&txq->stats->syncp);
	txq->stats->xdp_packets += frames;
	txq->stats->xdp_bytes += bytes;
	u64_stats_update_end(&txq->stats->syncp);
}

/**
 * ceth_xdp_bulk_send() - put the frames on the ring, without doorbell
 * @pair: the pair
 * @bulk: frames to send back; empty on return
 * @any: instance of ceth_xdp_send_any()
 * @ops: the backend's
 */
static __always_inline void
ceth_xdp_bulk_send(struct ceth_pair *pair, struct ceth_xdp_bulk *bulk,
		   u32 (*any)(struct ceth_pair *pair, struct ceth_txq *txq,
			      struct ceth_xdp_bulk *bulk,
			      struct ceth_cursor *cur, u32 *bytes),
		   const struct ceth_dp_ops *ops)
{
	struct ceth_txq *txq = ceth_xdp_lock(pair);
	struct ceth_xdp_tx *f, *end = bulk->end;
	u32 sent = end - bulk->f, bytes = 0;
	struct ceth_cursor cur;

	if (unlikely(!txq)) {
		any(pair, NULL, bulk, NULL, &bytes);
		goto out;
	}
	ops->tx_post_open(txq->priv, &cur);
	if (likely(!bulk->frags && sent <= ceth_tx_avail(txq) &&
		   !dma_dev_need_sync(txq->dev))) {
		u32 head = txq->free_head, mask = txq->mask;
		const u16 *free_ids = txq->free_ids;
		struct ceth_tx_rec *recs = txq->recs;
		u32 prefix = txq->prefix;
		u32 skew = pair->rxq->off + prefix;

		for (f = bulk->f; f < end; f++) {
			struct ceth_tx_seg seg;
			struct ceth_tx_rec *rec;

			ceth_xdp_tx_seg(f, prefix, skew, &seg, ops);
			seg.id = free_ids[head++ & mask];
			rec = &recs[seg.id];
			rec->ptr = f->va;
			rec->dma = f->dma;
			rec->kind = CETH_TX_KIND(CETH_TX_XDP_TX, 1);
			ops->tx_post(txq->priv, &cur, &seg, 1, NULL);
			bytes += f->len;
		}
		WRITE_ONCE(txq->free_head, head);
	} else {
		/* A copy, so that the other can be in registers. */
		struct ceth_cursor at = cur;

		sent = any(pair, txq, bulk, &at, &bytes);
		cur = at;
	}
	if (likely(sent)) {
		ceth_xdp_posted(txq, &cur, sent, bytes, ops);
		bulk->sent += sent;
		bulk->posted = true;
	}
	ceth_xdp_unlock(txq);
out:
	bulk->end = bulk->f;
	bulk->frags = 0;
}

/**
 * ceth_xdp_bulk_flush() - doorbell for all that ceth_xdp_bulk_send() posted
 * @pair: the pair
 * @ops: the backend's
 */
static __always_inline void ceth_xdp_bulk_flush(struct ceth_pair *pair,
						const struct ceth_dp_ops *ops)
{
	struct ceth_txq *txq = ceth_xdp_lock(pair);

	if (unlikely(!txq))
		return;
	if (ops->tx_flush(txq->priv))
		txq->stats->kicks++;
	ceth_xdp_unlock(txq);
}

/**
 * ceth_tx_clean_xdp() - completion of XDP_TX frames of one buffer, in a row
 * @txq: the queue
 * @rxq: where the buffers go
 * @pos: the next completion; moved on to the first that is something else
 * @tail: &ceth_txq.free_tail as it is to be
 * @ops: the backend's
 *
 * A loop without calls, so that all it needs is in registers.
 *
 * Return: @tail, with the ids of these.
 */
static __always_inline u32 ceth_tx_clean_xdp(struct ceth_txq *txq,
					     struct ceth_rxq *rxq,
					     struct ceth_cursor *pos, u32 tail,
					     const struct ceth_dp_ops *ops)
{
	struct ceth_rx_buf *spare = &rxq->spare[rxq->n_spare];
	struct ceth_rx_buf *end = &rxq->spare[rxq->size];
	struct ceth_tx_rec *recs = txq->recs, *rec;
	u16 *free_ids = txq->free_ids;
	struct ceth_cursor cur = *pos;
	u32 id, mask = txq->size - 1;

	while (spare != end && ops->tx_next(txq->priv, &cur, &id)) {
		if (unlikely(id > mask))
			break;
		rec = &recs[id];
		if (rec->kind != CETH_TX_KIND(CETH_TX_XDP_TX, 1))
			break;
		spare->va = rec->ptr;
		spare->dma = rec->dma;
		spare++;
		rec->kind = 0;
		free_ids[tail++ & mask] = id;
		ops->tx_skip(&cur, 1);
	}
	*pos = cur;
	rxq->n_spare = spare - rxq->spare;
	return tail;
}

/**
 * ceth_tx_clean_xsk() - completion of single chunks of sockets, in a row
 * @txq: the queue
 * @pos: the next completion; moved on to the first that is something else
 * @tail: &ceth_txq.free_tail as it is to be
 * @head: place of the first chunk that has not been sent; moved on
 * @ops: the backend's
 *
 * Devices may complete in any order, but seldom do: only then is something
 * written down for a chunk.
 *
 * Return: @tail, with the ids of these.
 */
static __always_inline u32 ceth_tx_clean_xsk(struct ceth_txq *txq,
					     struct ceth_cursor *pos, u32 tail,
					     u32 *head,
					     const struct ceth_dp_ops *ops)
{
	const u32 segs = ops->tx_prefix ? 2 : 1;
	struct ceth_tx_rec *recs = txq->recs, *rec;
	u32 id, at = *head, mask = txq->mask;
	u16 *free_ids = txq->free_ids;
	struct ceth_cursor cur = *pos;

	while (ops->tx_next(txq->priv, &cur, &id)) {
		if (unlikely(id > mask))
			break;
		rec = &recs[id];
		if (rec->kind != CETH_TX_KIND(CETH_TX_XSK_ONE, segs))
			break;
		if (likely((u32)rec->dma == at))
			at++;
		else
			txq->xsk_done[rec->dma & mask] = 1;
		rec->kind = 0;
		free_ids[tail++ & mask] = id;
		if (segs > 1)
			free_ids[tail++ & mask] = rec->next;
		ops->tx_skip(&cur, segs);
	}
	*pos = cur;
	*head = at;
	return tail;
}

/**
 * ceth_tx_clean_tmpl() - transmit completion
 * @txq: the queue
 * @budget: NAPI budget, not 0: that is netpoll, which may be in hard interrupt
 *	context, so that nothing of XDP can be returned
 * @zc: the queue has AF_XDP memory
 * @ops: the backend's
 *
 * Return: there may be more.
 */
static __always_inline bool ceth_tx_clean_tmpl(struct ceth_txq *txq,
					       int budget, bool zc,
					       const struct ceth_dp_ops *ops)
{
	struct xdp_frame_bulk bq __uninitialized;
	struct ceth_tx_rec *recs = txq->recs;
	u32 tail, id, total, size = txq->size;
	struct ceth_rxq *rxq = txq->pair->rxq;
	u16 *free_ids = txq->free_ids;
	bool frames = false, second = false;
	u32 pkts = 0, bytes = 0, xsk = 0;
	struct ceth_cursor cur;

	tail = txq->free_tail;
	if (zc)
		xsk = txq->xsk_head;
	total = tail;
again:
	ops->tx_open(txq->priv, &cur, size);
	while (ops->tx_next(txq->priv, &cur, &id)) {
		struct ceth_tx_rec *rec = &recs[id];
		u32 segs;

		if (!zc && likely(id < size) &&
		    rec->kind == CETH_TX_KIND(CETH_TX_XDP_TX, 1) &&
		    rxq->n_spare != rxq->size) {
			tail = ceth_tx_clean_xdp(txq, rxq, &cur, tail, ops);
			continue;
		}
		if (zc && likely(id < size) && rec->type == CETH_TX_XSK_ONE) {
			tail = ceth_tx_clean_xsk(txq, &cur, tail, &xsk, ops);
			continue;
		}
		segs = ceth_tx_segs(txq, id);
		ops->tx_skip(&cur, segs ?: 1);
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
				ceth_tx_time(skb, ops->tx_time(txq->priv, &cur));
			napi_consume_skb(skb, budget);
		} else if (zc && rec->type == CETH_TX_XSK) {
			ceth_xsk_mark(txq, rec);
			if (ops->tx_time && unlikely(rec->ptr))
				ceth_xsk_stamp(rec,
					       ops->tx_time(txq->priv, &cur));
			if (segs > 1)
				tail = ceth_tx_done_more(txq, id, tail);
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
		free_ids[tail++ & (size - 1)] = id;
	}
	/* Twice is the whole ring, wherever it ends. */
	if (ops->tx_close(txq->priv, &cur) && !second) {
		second = true;
		goto again;
	}
	total = tail - total;
	/* Pairs with the acquire in ceth_tx_avail(). */
	smp_store_release(&txq->free_tail, tail);

	if (frames) {
		rcu_read_lock();
		xdp_flush_frame_bulk(&bq);
		rcu_read_unlock();
	}
	if (zc && total)
		ceth_xsk_release(txq, xsk);
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
	return total >= size;
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
	u32 len = skb->len, wire = 1, unmap;
	struct ceth_tx_rec *rec;
	bool more = netdev_xmit_more();
	struct ceth_cursor cur;
	bool push, kick;
	void *prefix;
	int n;

	if (unlikely(!txq))
		return ceth_tx_drop(pair, skb);
	if (unlikely(ceth_tx_avail(txq) < CETH_TX_MAX_SEGS)) {
		ops->tx_flush(txq->priv);
		return ceth_tx_busy(txq);
	}

	if (skb->ip_summed == CHECKSUM_PARTIAL ||
	    (ops->tx_extra && (skb_vlan_tag_present(skb) || txq->launch ||
			       skb_shinfo(skb)->tx_flags & SKBTX_HW_TSTAMP))) {
		if (unlikely(!ceth_tx_meta_slow(skb, &meta)))
			goto drop;
		todo = &meta;
	}

	ops->tx_post_open(txq->priv, &cur);
	push = skb_headroom(skb) >= txq->prefix && !skb_header_cloned(skb);
	prefix = skb->data - txq->prefix;
	if (likely(push))
		ceth_fill_prefix(ops, todo, prefix, txq->prefix);
	if (likely(push && !skb_is_nonlinear(skb))) {
		struct ceth_tx_seg seg;

		if (!ceth_tx_dma(txq, prefix, len + txq->prefix, &seg, &unmap))
			goto drop;
		seg.id = ceth_tx_id(txq);
		rec = &txq->recs[seg.id];
		rec->dma = seg.dma;
		rec->len = unmap;
		rec->ptr = skb;
		rec->kind = CETH_TX_KIND(CETH_TX_SKB, 1);
		skb_tx_timestamp(skb);
		kick = __netdev_tx_sent_queue(txq->netq, len, more);
		ops->tx_post(txq->priv, &cur, &seg, 1, todo);
	} else {
		n = ceth_tx_map(txq, skb, segs, push);
		if (unlikely(n < 0))
			goto drop;
		rec = &txq->recs[segs[0].id];
		if (!push)
			ceth_fill_prefix(ops, todo, txq->prefixes +
					 segs[0].id * txq->prefix, txq->prefix);
		rec->ptr = skb;
		rec->kind = CETH_TX_KIND(CETH_TX_SKB, n);
		skb_tx_timestamp(skb);
		kick = __netdev_tx_sent_queue(txq->netq, len, more);
		ops->tx_post(txq->priv, &cur, segs, n, todo);
	}
	ops->tx_post_close(txq->priv, &cur);

	u64_stats_update_begin(&txq->stats->syncp);
	if (!todo || (ops->tx_extra && !(meta.flags & CETH_TX_CSUM))) {
		txq->stats->csum_none++;
	} else {
		if (todo->flags & CETH_TX_GSO) {
			wire = max(todo->gso_segs, 1);
			txq->stats->gso_packets++;
			txq->stats->gso_bytes += len;
			txq->stats->gso_segs += wire;
		}
		txq->stats->needs_csum += wire;
	}
	txq->stats->packets += wire;
	txq->stats->bytes += len;
	u64_stats_update_end(&txq->stats->syncp);

	if (unlikely(ceth_tx_avail(txq) < CETH_TX_MAX_SEGS)) {
		ceth_tx_stop(txq);
		kick = true;
	}
	if (kick && ops->tx_flush(txq->priv))
		txq->stats->kicks++;
	return NETDEV_TX_OK;

drop:
	/* Those before it may count on its doorbell. */
	ops->tx_flush(txq->priv);
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
	struct ceth_cursor cur;
	struct ceth_pair *pair;
	struct ceth_txq *txq;
	u32 bytes = 0, unmap;
	int i;

	if (unlikely(flags & ~XDP_XMIT_FLAGS_MASK))
		return -EINVAL;

	pair = ceth_netdev_pair(dev, cpu < n_txq ? cpu : cpu % n_txq);
	txq = ceth_xdp_lock(pair);
	if (unlikely(!txq))
		return ceth_xdp_closed(pair, n);

	ops->tx_post_open(txq->priv, &cur);
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
			ceth_fill_prefix(ops, NULL, prefix, txq->prefix);
			if (!ceth_tx_dma(txq, prefix, frame->len + txq->prefix,
					 &seg, &unmap))
				break;
			seg.id = ceth_tx_id(txq);
			rec = &txq->recs[seg.id];
			rec->dma = seg.dma;
			rec->len = unmap;
			rec->ptr = frame;
			rec->kind = CETH_TX_KIND(CETH_TX_XDP_FRAME, 1);
			bytes += frame->len;
			ops->tx_post(txq->priv, &cur, &seg, 1, NULL);
		} else {
			bool push = frame->headroom >= txq->prefix;

			if (push)
				ceth_fill_prefix(ops, NULL,
						 frame->data - txq->prefix,
						 txq->prefix);
			n_segs = ceth_tx_map_frame(txq, frame, segs);
			if (unlikely(n_segs < 0))
				break;
			if (!push)
				ceth_fill_prefix(ops, NULL, txq->prefixes +
						 segs[0].id * txq->prefix,
						 txq->prefix);
			rec = &txq->recs[segs[0].id];
			bytes += xdp_get_frame_len(frame);
			rec->ptr = frame;
			rec->kind = CETH_TX_KIND(CETH_TX_XDP_FRAME, n_segs);
			ops->tx_post(txq->priv, &cur, segs, n_segs, NULL);
		}
	}
	ops->tx_post_close(txq->priv, &cur);

	u64_stats_update_begin(&txq->stats->syncp);
	txq->stats->xdp_packets += i;
	txq->stats->xdp_bytes += bytes;
	txq->stats->xdp_full += n - i;
	u64_stats_update_end(&txq->stats->syncp);
	if ((flags & XDP_XMIT_FLUSH) && ops->tx_flush(txq->priv))
		txq->stats->kicks++;
	ceth_xdp_unlock(txq);
	return i;
}

#endif /* _NET_CETH_TX_H */
