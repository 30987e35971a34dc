/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: AF_XDP zero-copy templates, inlined into the backend by
 * CETH_DATAPATH().
 *
 * A pair with a pool of user memory has it as the source of its receive
 * buffers, and sends what its sockets post beside the packets of the stack.
 *
 * Ownership of a chunk to receive into
 *	rxq->vas[id] is its &struct xdp_buff. It comes from the fill ring when
 *	it is posted, and goes to a socket, back to the pool when the frame was
 *	dropped or copied for the stack, or onto the transmit ring (XDP_TX) and
 *	from there back to the pool.
 *
 * Ownership of a chunk to send
 *	Taken from a socket's ring under the transmit lock, it has a place in
 *	the order in which they were taken. Sockets get back what has been sent
 *	from the oldest place on, since the kernel knows them by their order
 *	alone; devices may complete in another one: then txq->xsk_done has a
 *	mark for the place until its turn comes.
 *
 * A pool serves one pair, and all of this but the fill ring's producer runs in
 * the NAPI context of that pair, or while its queues are stopped.
 */
#ifndef _NET_CETH_XSK_H
#define _NET_CETH_XSK_H

#ifndef _NET_CETH_DATAPATH_H
#error "include <net/ceth/datapath.h>"
#endif

#include <net/xdp_sock_drv.h>

/** Descriptors of sockets that one poll sends at most. */
#define CETH_XSK_BATCH		128
/** Descriptors of a socket's packet at most. */
#define CETH_XSK_MAX_SEGS	(MAX_SKB_FRAGS + 1)

static_assert(offsetof(struct ceth_xdp_buff, info) ==
	      offsetof(struct xdp_buff_xsk, cb));
static_assert(sizeof(struct ceth_xdp_buff) <=
	      offsetofend(struct xdp_buff_xsk, cb));

struct sk_buff *ceth_zc_skb(struct ceth_rxq *rxq, struct xdp_buff *xdp);
bool ceth_zc_multi(struct ceth_rx_poll *p, const struct ceth_rx_cmpl *c,
		   const struct ceth_rx_info *info, u32 n_bufs);
void ceth_zc_torn(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c);
bool ceth_zc_unfit(struct ceth_rx_poll *p, struct xdp_buff *xdp,
		   bool csum_partial);
void ceth_zc_redirect_err(struct ceth_rx_poll *p, int err);
void ceth_zc_tx_add(struct ceth_rx_poll *p, struct xdp_buff *xdp);
void ceth_zc_tx_drop(struct ceth_rx_poll *p, u32 i);
void ceth_zc_starved(struct ceth_rxq *rxq);
void ceth_zc_sync_cpu(const struct ceth_rx_poll *p);
u32 ceth_xsk_eop(struct ceth_txq *txq, const struct xdp_desc **desc, u32 *used,
		 u32 n);
bool ceth_xsk_meta(struct ceth_txq *txq, const struct xdp_desc *desc,
		   struct ceth_tx_meta *meta, struct ceth_tx_rec *rec);

/**
 * ceth_zc_refill() - give a chunk to every id that has none
 * @rxq: the queue
 * @post: where buffers go
 * @bufs: room for %CETH_RX_BATCH
 * @ops: the backend's
 *
 * &ceth_rxq.n_free ids still have none afterwards: the fill ring is empty.
 */
static __always_inline void ceth_zc_refill(struct ceth_rxq *rxq,
					   struct ceth_cursor *post,
					   struct xdp_buff **bufs,
					   const struct ceth_dp_ops *ops)
{
	struct xsk_buff_pool *pool = rxq->xsk;
	struct ceth_cursor cur = *post;
	u32 i, want, n = rxq->n_free;
	bool asked = rxq->xsk_asked;

	while (n) {
		u32 got;

		want = min(n, CETH_RX_BATCH);
		got = xsk_buff_alloc_batch(pool, bufs, want);
		for (i = 0; i < got; i++) {
			u32 id = rxq->free_ids[--n];

			rxq->vas[id] = bufs[i];
			ops->rx_post(rxq->priv, &cur, id,
				     xsk_buff_xdp_get_dma(bufs[i]) -
				     rxq->prefix);
		}
		if (likely(got == want))
			continue;
		if (asked || !xsk_uses_need_wakeup(pool))
			break;
		xsk_set_rx_need_wakeup(pool);
		asked = true;
		/* Once more: what was filled in before the program could see
		 * that it has to call.
		 */
		smp_mb();
	}
	/* The pool may still have it from the queue before. */
	if (!n && xsk_uses_need_wakeup(pool)) {
		xsk_clear_rx_need_wakeup(pool);
		asked = false;
	}
	rxq->xsk_asked = asked;
	*post = cur;
	rxq->n_free = n;
}

/**
 * ceth_zc_replace() - give a chunk to every id of a batch
 * @p: the poll; its frames are on their way, ids that get none are free
 * @ops: the backend's
 */
static __always_inline void ceth_zc_replace(struct ceth_rx_poll *p,
					    const struct ceth_dp_ops *ops)
{
	const struct ceth_rx_cmpl *c = p->batch, *end = c + p->n_good;
	struct xdp_buff **from = p->bufs, **to = from;
	struct ceth_cursor cur = p->post;
	struct ceth_rxq *rxq = p->rxq;
	u32 prefix = rxq->prefix;
	void **vas = rxq->vas;

	if (likely(!rxq->n_free))
		to += xsk_buff_alloc_batch(rxq->xsk, from, p->n_good);
	for (; from < to; from++, c++) {
		struct xdp_buff *xdp = *from;
		u32 id = c->id;

		vas[id] = xdp;
		ops->rx_post(rxq->priv, &cur, id,
			     xsk_buff_xdp_get_dma(xdp) - prefix);
	}
	for (; c < end; c++)
		rxq->free_ids[rxq->n_free++] = c->id;
	p->post = cur;
}

/**
 * ceth_zc_fill_tmpl() - fill a ring that is about to start
 * @rxq: the queue
 * @ops: the backend's
 */
static __always_inline void ceth_zc_fill_tmpl(struct ceth_rxq *rxq,
					      const struct ceth_dp_ops *ops)
{
	struct xdp_buff *bufs[CETH_RX_BATCH] __uninitialized;
	struct ceth_cursor post;

	ops->rx_post_open(rxq->priv, &post);
	ceth_zc_refill(rxq, &post, bufs, ops);
	ops->rx_post_close(rxq->priv, &post);
	ops->rx_flush(rxq->priv);
}

/**
 * ceth_zc_frame() - run the program on a complete frame and act on it
 * @p: the poll
 * @rxq: the queue
 * @c: its completion, or the last one
 * @multi: it has several
 * @xdp: the frame
 * @info: the backend's reading of it
 * @ops: the backend's
 */
static __always_inline void
ceth_zc_frame(struct ceth_rx_poll *p, struct ceth_rxq *rxq,
	      const struct ceth_rx_cmpl *c, bool multi, struct xdp_buff *xdp,
	      const struct ceth_rx_info *info, const struct ceth_dp_ops *ops)
{
	bool partial = ops->rx_csum_partial && ops->rx_csum_partial(info);
	struct ceth_rx_meta meta __uninitialized;
	struct bpf_prog *prog = p->prog;
	struct sk_buff *skb;
	u32 act = XDP_PASS;
	int err;

	if (likely(prog)) {
		if (multi && ceth_zc_unfit(p, xdp, partial))
			return;
		if (!multi && unlikely(partial)) {
			ops->rx_meta(rxq->priv, info, &meta);
			if (!ceth_rx_csum_complete(xdp, &meta)) {
				ceth_rx_bad_frame(rxq);
				ceth_rx_uncount(p, c);
				goto free;
			}
		}
		((struct ceth_xdp_buff *)xdp)->info = info;
		act = bpf_prog_run_xdp(prog, xdp);
		if (likely(act == XDP_REDIRECT)) {
			err = xdp_do_redirect(rxq->xdp_rxq.dev, xdp, prog);
			if (likely(!err)) {
				p->n.xdp_redirect++;
				return;
			}
			/* A socket that does not take a frame has freed it:
			 * twice is allowed.
			 */
			ceth_zc_redirect_err(p, err);
			goto free;
		}
	}
	switch (act) {
	case XDP_DROP:
		p->n.xdp_drop++;
		break;
	case XDP_TX:
		ceth_zc_tx_add(p, xdp);
		return;
	case XDP_PASS:
		skb = ceth_zc_skb(rxq, xdp);
		if (unlikely(!skb))
			break;
		if (prog)
			p->n.xdp_pass++;
		ops->rx_meta(rxq->priv, info, &meta);
		if (prog)
			meta.flags &= ~CETH_RX_NO_XDP;
		ceth_rx_deliver(rxq, skb, &meta);
		break;
	default:
		ceth_rx_aborted(rxq, prog, xdp, act);
		break;
	}
free:
	xsk_buff_free(xdp);
}

/**
 * ceth_zc_batch() - frames of a batch
 * @p: the poll
 * @ops: the backend's
 */
static __always_inline void ceth_zc_batch(struct ceth_rx_poll *p,
					  const struct ceth_dp_ops *ops)
{
	const struct ceth_rx_cmpl *c = p->batch, *end = c + p->n_good;
	struct ceth_rx_info info __uninitialized;
	struct ceth_rxq *rxq = p->rxq;
	u32 n_bufs;

	for (; c < end; c++) {
		struct xdp_buff *xdp = c->va;
		void *prefix;

		/* The device wrote the prefix into the headroom. */
		xsk_buff_set_size(xdp, c->len - rxq->prefix);
		prefix = xdp->data - rxq->prefix;
		if (likely(!rxq->frame.left)) {
			n_bufs = ops->rx_begin(rxq->priv, c, prefix, &info);
			if (likely(n_bufs == 1 && c->len >= rxq->min_len)) {
				ceth_zc_frame(p, rxq, c, false, xdp, &info,
					      ops);
				continue;
			}
		} else if (ops->rx_marks &&
			   ops->rx_begin(rxq->priv, c, prefix, &info)) {
			ceth_rx_uncount(p, c);
			ceth_zc_torn(rxq, c);
			continue;
		} else {
			n_bufs = 0;
		}
		/* Complete, it starts elsewhere. */
		ceth_rx_uncount(p, c);
		if (ceth_zc_multi(p, c, &info, n_bufs))
			ceth_zc_frame(p, rxq, c, true, rxq->frame.zc,
				      &rxq->frame.info, ops);
	}
}

/**
 * ceth_zc_tx_send() - put the frames of a batch on the ring, without doorbell
 * @pair: the pair
 * @p: the poll; has no such frames on return
 * @ops: the backend's
 */
static __always_inline void ceth_zc_tx_send(struct ceth_pair *pair,
					    struct ceth_rx_poll *p,
					    const struct ceth_dp_ops *ops)
{
	struct ceth_tx_seg segs[CETH_TX_MAX_SEGS] __uninitialized;
	struct ceth_txq *txq = ceth_xdp_lock(pair);
	u32 i, k, n, sent = 0, bytes = 0;
	struct ceth_cursor cur;

	if (likely(txq))
		ops->tx_post_open(txq->priv, &cur);
	for (i = 0; i < p->tx.n; i += n) {
		struct ceth_tx_rec *rec = NULL;

		n = p->tx.more[i] + 1;
		if (unlikely(!txq || ceth_tx_avail(txq) < n)) {
			ceth_zc_tx_drop(p, i);
			continue;
		}
		for (k = 0; k < n; k++) {
			struct xdp_buff *xdp = p->tx.buf[i + k];
			struct ceth_tx_seg *seg = &segs[k];

			seg->id = ceth_tx_id(txq);
			seg->len = xdp->data_end - xdp->data;
			seg->dma = xsk_buff_xdp_get_dma(xdp) +
				   (xdp->data - xdp->data_hard_start) -
				   CETH_RX_HEADROOM;
			bytes += seg->len;
			if (!k && txq->prefix) {
				ceth_fill_prefix(ops, NULL,
						 xdp->data - txq->prefix,
						 txq->prefix);
				seg->dma -= txq->prefix;
				seg->len += txq->prefix;
			}
			dma_sync_single_for_device(txq->dev, seg->dma, seg->len,
						   DMA_BIDIRECTIONAL);
			if (rec)
				rec->next = seg->id;
			rec = &txq->recs[seg->id];
			rec->ptr = xdp;
			rec->type = CETH_TX_MORE;
		}
		txq->recs[segs[0].id].kind = CETH_TX_KIND(CETH_TX_ZC, n);
		ops->tx_post(txq->priv, &cur, segs, n, NULL);
		sent++;
	}
	if (likely(sent)) {
		ceth_xdp_posted(txq, &cur, sent, bytes, ops);
		p->tx.sent += sent;
		p->tx.posted = true;
	}
	if (likely(txq))
		ceth_xdp_unlock(txq);
	p->tx.n = 0;
}

/**
 * ceth_zc_poll_tmpl() - receive into a pool
 * @pair: the pair
 * @budget: most buffers to take
 * @fn: instances of the other templates
 * @ops: the backend's
 *
 * Return: buffers taken; @budget when there is more, or when nobody else would
 * look whether there are chunks again.
 */
static __always_inline int
ceth_zc_poll_tmpl(struct ceth_pair *pair, int budget,
		  const struct ceth_dp_fn *fn, const struct ceth_dp_ops *ops)
{
	struct ceth_rxq *rxq = pair->rxq;
	bool sync = dma_dev_need_sync(rxq->dev);
	struct ceth_rx_poll p __uninitialized;
	int done = 0;

	p.rxq = rxq;
	p.prog = rcu_dereference_bh(rxq->xdp_prog);
	memset(&p.n, 0, sizeof(p.n));
	p.tx.n = 0;
	p.tx.sent = 0;
	p.tx.posted = false;
	ops->rx_post_open(rxq->priv, &p.post);

	do {
		done += ceth_rx_take(&p, min(budget - done, CETH_RX_BATCH),
				     CETH_RXQ_XSK, ops);
		/* There may have been nothing but completions of the other
		 * queue.
		 */
		if (!p.n_good)
			continue;
		if (unlikely(sync))
			ceth_zc_sync_cpu(&p);
		fn->zc_batch(&p);
		if (unlikely(p.tx.n))
			fn->zc_send(pair, &p);
		ceth_zc_replace(&p, ops);
	} while (p.more && done < budget);
	if (unlikely(p.tx.posted))
		ceth_xdp_bulk_flush(pair, ops);
	if (p.n.xdp_redirect)
		xdp_do_flush();
	if (done)
		ceth_rx_account(&p, p.tx.sent);
	else
		ceth_rx_account_idle(&p);

	if (unlikely(rxq->n_free))
		ceth_zc_refill(rxq, &p.post, p.bufs, ops);
	ops->rx_post_close(rxq->priv, &p.post);
	ops->rx_flush(rxq->priv);
	if (unlikely(rxq->size - rxq->n_free < rxq->xsk_segs)) {
		ceth_zc_starved(rxq);
		if (!xsk_uses_need_wakeup(rxq->xsk))
			done = budget;
	}
	return done;
}

/**
 * ceth_xsk_packet() - put a packet of a socket on the ring
 * @txq: the queue; has room
 * @cur: where it goes
 * @desc: its descriptors
 * @k: how many
 * @ops: the backend's
 *
 * Return: its length.
 */
static __always_inline u32 ceth_xsk_packet(struct ceth_txq *txq,
					   struct ceth_cursor *cur,
					   const struct xdp_desc *desc, u32 k,
					   const struct ceth_dp_ops *ops)
{
	struct ceth_tx_seg segs[CETH_TX_MAX_SEGS] __uninitialized;
	struct ceth_tx_meta meta __uninitialized, *todo = NULL;
	struct ceth_tx_rec *rec, *prev = NULL;
	struct xsk_buff_pool *pool = txq->xsk;
	u32 n = 0, i, len = 0;

	/* Memory before the frame is the program's, and not to be written. */
	if (txq->prefix) {
		segs[0].id = ceth_tx_id(txq);
		segs[0].dma = txq->prefixes_dma + segs[0].id * txq->prefix;
		segs[0].len = txq->prefix;
		prev = &txq->recs[segs[0].id];
		prev->len = 0;
		n = 1;
	}
	for (i = 0; i < k; i++) {
		struct ceth_tx_seg *seg = &segs[n];

		seg->id = ceth_tx_id(txq);
		seg->dma = xsk_buff_raw_get_dma(pool, desc[i].addr);
		seg->len = desc[i].len;
		len += seg->len;
		xsk_buff_raw_dma_sync_for_device(pool, seg->dma, seg->len);
		rec = &txq->recs[seg->id];
		rec->len = 0;
		rec->type = CETH_TX_MORE;
		if (prev)
			prev->next = seg->id;
		prev = rec;
		n++;
	}

	rec = &txq->recs[segs[0].id];
	rec->ptr = NULL;
	rec->dma = txq->xsk_posted;
	if (unlikely(pool->tx_metadata_len) &&
	    ceth_xsk_meta(txq, desc, &meta, rec))
		todo = &meta;
	if (txq->prefix)
		ceth_fill_prefix(ops, todo, txq->prefixes +
				 segs[0].id * txq->prefix, txq->prefix);
	rec->kind = CETH_TX_KIND(CETH_TX_XSK, n);
	txq->xsk_posted += k;
	ops->tx_post(txq->priv, cur, segs, n, todo);
	return len;
}

/**
 * ceth_xsk_dma() - where the device reads a chunk
 * @pages: &xsk_buff_pool.dma_pages
 * @unaligned: &xsk_buff_pool.unaligned
 * @addr: from a descriptor that the kernel has checked
 *
 * As xsk_buff_raw_get_dma(), which is a call for each packet.
 *
 * Return: the address.
 */
static __always_inline dma_addr_t ceth_xsk_dma(const dma_addr_t *pages,
					       bool unaligned, u64 addr)
{
	if (unlikely(unaligned))
		addr = xp_unaligned_add_offset_to_addr(addr);
	return (pages[addr >> PAGE_SHIFT] & ~XSK_NEXT_PG_CONTIG_MASK) +
	       (addr & ~PAGE_MASK);
}

/**
 * ceth_xsk_plain() - put packets of one chunk each, that ask for nothing, on
 *	the ring
 * @txq: the queue; has room
 * @cur: where they go
 * @desc: their descriptors
 * @n: how many
 * @bytes: their length is added
 * @ops: the backend's
 *
 * They share one prefix.
 *
 * Return: packets; up to the first one that is not such, or less.
 */
static __always_inline u32 ceth_xsk_plain(struct ceth_txq *txq,
					  struct ceth_cursor *cur,
					  const struct xdp_desc *desc, u32 n,
					  u32 *bytes,
					  const struct ceth_dp_ops *ops)
{
	u32 slot = txq->free_head & txq->mask, at = txq->xsk_posted;
	u32 prefix = ops->tx_prefix ? txq->prefix : 0;
	const dma_addr_t *pages = txq->xsk->dma_pages;
	const u16 *ids = &txq->free_ids[slot];
	bool unaligned = txq->xsk->unaligned;
	const u32 segs = ops->tx_prefix ? 2 : 1;
	const struct xdp_desc *first = desc, *end;
	struct ceth_tx_rec *recs = txq->recs;
	struct ceth_cursor to = *cur;
	dma_addr_t common = 0;
	u32 len = 0;

	/* Up to where the ring of ids begins again. */
	end = desc + min(n, (txq->size - slot) / segs);

	if (segs > 1) {
		common = txq->prefixes_dma + txq->size * prefix;
		ceth_fill_prefix(ops, NULL, txq->prefixes + txq->size * prefix,
				 prefix);
	}
	for (; desc < end; desc++) {
		struct ceth_tx_seg seg[2], *data = &seg[segs - 1];
		struct ceth_tx_rec *rec;

		if (unlikely(desc->options & XDP_PKT_CONTD))
			break;
		seg[0].id = *ids++;
		rec = &recs[seg[0].id];
		if (segs > 1) {
			seg[0].dma = common;
			seg[0].len = prefix;
			seg[1].id = *ids++;
			rec->next = seg[1].id;
		}
		data->dma = ceth_xsk_dma(pages, unaligned, desc->addr);
		data->len = desc->len;
		len += data->len;
		rec->dma = at++;
		rec->kind = CETH_TX_KIND(CETH_TX_XSK_ONE, segs);
		ops->tx_post(txq->priv, &to, seg, segs, NULL);
	}
	n = desc - first;
	WRITE_ONCE(txq->free_head, txq->free_head + n * segs);
	txq->xsk_posted = at;
	*bytes += len;
	*cur = to;
	return n;
}

/**
 * ceth_xsk_room() - descriptors of sockets that there is room for
 * @txq: the queue; under its transmit lock, in NAPI context of its pair
 *
 * A quarter of the ring is left to the stack, which in turn is held back by
 * its own limits. Each packet has its prefix beside it. What is sent does not
 * get further ahead of what has come back than @xsk_done knows places.
 *
 * Return: descriptors.
 */
static __always_inline u32 ceth_xsk_room(const struct ceth_txq *txq)
{
	u32 room = ceth_tx_avail(txq);

	room -= min(room, max_t(u32, txq->size / 4, CETH_TX_MAX_SEGS));
	if (txq->prefix)
		room /= 2;
	room = min(room, txq->size - (txq->xsk_posted - txq->xsk_head));
	return min(room, CETH_XSK_BATCH);
}

/**
 * ceth_xsk_xmit_tmpl() - send what sockets have posted
 * @pair: the pair
 * @ops: the backend's
 *
 * Return: there is more, and room for it.
 */
static __always_inline bool ceth_xsk_xmit_tmpl(struct ceth_pair *pair,
					       const struct ceth_dp_ops *ops)
{
	struct netdev_queue *netq = ceth_pair_netq(pair);
	u32 n = 0, done = 0, pkts = 0, bytes = 0, room;
	const struct xdp_desc *descs, *desc;
	struct ceth_cursor cur;
	struct ceth_txq *txq;
	bool plain;

	__netif_tx_lock(netq, smp_processor_id());
	txq = pair->txq;
	if (unlikely(!txq))
		goto out;
	plain = !txq->xsk->tx_metadata_len && !dma_dev_need_sync(txq->dev);
	room = ceth_xsk_room(txq);
	/* Those of a packet whose end was not there have been taken. */
	room -= min(room, txq->xsk_n_part);
	if (unlikely(!room))
		goto out;
	n = xsk_tx_peek_release_desc_batch(txq->xsk, room);
	if (!n)
		goto out;
	descs = txq->xsk->tx_descs;
	ops->tx_post_open(txq->priv, &cur);
	while (done < n) {
		u32 k = 1;

		if (likely(plain && !txq->xsk_n_part)) {
			k = ceth_xsk_plain(txq, &cur, &descs[done], n - done,
					   &bytes, ops);
			pkts += k;
			done += k;
			if (k)
				continue;
			k = 1;
		}
		desc = &descs[done++];
		if (unlikely((desc->options & XDP_PKT_CONTD) ||
			     txq->xsk_n_part)) {
			k = ceth_xsk_eop(txq, &desc, &done, n);
			if (!k)
				continue;
		}
		bytes += ceth_xsk_packet(txq, &cur, desc, k, ops);
		pkts++;
	}
	ops->tx_post_close(txq->priv, &cur);
	u64_stats_update_begin(&txq->stats->syncp);
	txq->stats->xsk_packets += pkts;
	txq->stats->xsk_bytes += bytes;
	if (ops->tx_flush(txq->priv))
		txq->stats->kicks++;
	u64_stats_update_end(&txq->stats->syncp);
	n = n == room;
out:
	__netif_tx_unlock(netq);
	return n;
}

#endif /* _NET_CETH_XSK_H */
