// SPDX-License-Identifier: GPL-2.0
/* CETH core: AF_XDP zero-copy: binding and unbinding, wake-up, and what the
 * templates call out of line.
 *
 * A pool belongs to a pair, whatever queues the pair has. Queues take it when
 * they are allocated, so that binding is an exchange of the pair's queues for
 * others, as a change of ring sizes is; the other pairs do not notice.
 *
 * The kernel gives no way to say why a pool is refused. It is said in the log,
 * as often as the log's limit of rate allows.
 */
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/net.h>
#include <linux/unaligned.h>
#include <net/xdp_sock_drv.h>

#include "core.h"

/* Devices need not cope with buffers of any size. */
#define CETH_XSK_MIN_ROOM	256

#define ceth_xsk_refuse(cdev, fmt, ...)					\
do {									\
	if (net_ratelimit())						\
		netdev_warn((cdev)->netdev, "AF_XDP: " fmt, ##__VA_ARGS__); \
} while (0)

/**
 * ceth_xsk_sg() - do sockets of a pool take frames of several chunks?
 * @pool: the pool
 *
 * Return: they do.
 */
bool ceth_xsk_sg(const struct xsk_buff_pool *pool)
{
	return pool->umem->flags & XDP_UMEM_SG_FLAG;
}

/**
 * ceth_xsk_chunk_room() - bytes of a frame that a chunk has room for
 * @cdev: the device
 * @pool: the pool
 *
 * The kernel's own answer is rounded for the sake of some devices, and the
 * room for the description of further chunks was not always part of it.
 *
 * Return: bytes; as the device counts them where a frame may go on in the next
 * chunk. Elsewhere the device is told of too many, and that no frame has them.
 */
u32 ceth_xsk_chunk_room(const struct ceth_dev *cdev, struct xsk_buff_pool *pool)
{
	u32 used = xsk_pool_get_headroom(pool) +
		   (ceth_xsk_sg(pool) ? CETH_RX_TAILROOM : 0);
	u32 size = xsk_pool_get_chunk_size(pool);

	if (size <= used)
		return 0;
	return ceth_xsk_sg(pool) ? rounddown(size - used,
					     cdev->caps.rx_buf_unit ?: 1) :
				   size - used;
}

/**
 * ceth_xsk_attach() - the pool's chunks are a queue's from now on
 * @rxq: the queue; not yet running, its predecessor has given back all it had
 */
void ceth_xsk_attach(struct ceth_rxq *rxq)
{
	struct xsk_cb_desc desc = {
		.src	= &rxq,
		.off	= offsetof(struct ceth_xdp_buff, rxq) -
			  offsetof(struct ceth_xdp_buff, info),
		.bytes	= sizeof(rxq),
	};

	xsk_pool_set_rxq_info(rxq->xsk, &rxq->xdp_rxq);
	xsk_pool_fill_cb(rxq->xsk, &desc);
}

/**
 * ceth_zc_sync_cpu() - let the CPU see what the device wrote
 * @p: the poll, with a batch in AF_XDP memory
 */
void ceth_zc_sync_cpu(const struct ceth_rx_poll *p)
{
	const struct ceth_rxq *rxq = p->rxq;
	u32 i;

	for (i = 0; i < p->n_good; i++) {
		struct xdp_buff *xdp = p->batch[i].va;

		if (rxq->prefix)
			dma_sync_single_for_cpu(rxq->dev,
						xsk_buff_xdp_get_dma(xdp) -
						rxq->prefix, rxq->prefix,
						DMA_BIDIRECTIONAL);
		xsk_buff_dma_sync_for_cpu(xdp);
	}
}
EXPORT_SYMBOL_GPL(ceth_zc_sync_cpu);

/**
 * ceth_zc_starved() - a poll leaves the device without chunks
 * @rxq: the queue
 */
void ceth_zc_starved(struct ceth_rxq *rxq)
{
	ceth_count(&rxq->stats->syncp, &rxq->stats->xsk_starved, 1);
}
EXPORT_SYMBOL_GPL(ceth_zc_starved);

static bool ceth_zc_skb_frags(struct sk_buff *skb, const struct xdp_buff *xdp)
{
	const struct skb_shared_info *sinfo;
	u32 i;

	sinfo = xdp_get_shared_info_from_buff((struct xdp_buff *)xdp);
	for (i = 0; i < sinfo->nr_frags; i++) {
		const skb_frag_t *frag = &sinfo->frags[i];
		u32 len = skb_frag_size(frag);
		struct page *page = dev_alloc_page();

		if (!page)
			return false;
		memcpy(page_address(page), skb_frag_address(frag), len);
		skb_add_rx_frag(skb, i, page, 0, len, PAGE_SIZE);
	}
	return true;
}

/**
 * ceth_zc_skb() - a packet for the stack, with a copy of the frame
 * @rxq: the queue
 * @xdp: the frame; stays the caller's
 *
 * Return: packet; NULL: no memory, which is counted.
 */
struct sk_buff *ceth_zc_skb(struct ceth_rxq *rxq, struct xdp_buff *xdp)
{
	u32 len = xdp->data_end - xdp->data;
	u32 meta = xdp->data - xdp->data_meta;
	struct sk_buff *skb;

	skb = napi_alloc_skb(&rxq->pair->napi, meta + len);
	if (!skb)
		goto err;
	memcpy(__skb_put(skb, meta + len), xdp->data_meta, meta + len);
	if (meta) {
		__skb_pull(skb, meta);
		skb_metadata_set(skb, meta);
	}
	if (!xdp_buff_has_frags(xdp) || ceth_zc_skb_frags(skb, xdp)) {
		ceth_count(&rxq->stats->syncp, &rxq->stats->xsk_copied, 1);
		return skb;
	}
	napi_consume_skb(skb, 1);
err:
	ceth_count(&rxq->stats->syncp, &rxq->stats->drop_nomem, 1);
	return NULL;
}
EXPORT_SYMBOL_GPL(ceth_zc_skb);

/* The frame of several chunks is not for anybody; its rest is still to come. */
static void ceth_zc_multi_drop(struct ceth_rxq *rxq)
{
	if (rxq->frame.zc)
		xsk_buff_free(rxq->frame.zc);
	rxq->frame.zc = NULL;
	rxq->frame.drop = true;
}

static void ceth_zc_multi_start(struct ceth_rxq *rxq,
				const struct ceth_rx_cmpl *c,
				const struct ceth_rx_info *info, u32 n_bufs)
{
	struct xdp_buff *xdp = c->va;

	if (!n_bufs || n_bufs > CETH_RX_MAX_BUFS || c->len < rxq->min_len) {
		xsk_buff_free(xdp);
		ceth_rx_bad_frame(rxq);
		return;
	}
	xsk_buff_set_size(xdp, c->len - rxq->prefix);
	rxq->frame.info = *info;
	rxq->frame.len = c->len - rxq->prefix;
	rxq->frame.left = n_bufs - 1;
	rxq->frame.drop = false;
	rxq->frame.gone = false;
	rxq->frame.zc = xdp;
	/* Where its description would go, frames of the sockets have data. */
	if (rxq->xsk_segs == 1)
		ceth_zc_multi_drop(rxq);
}

/**
 * ceth_zc_multi() - a chunk of a frame of several
 * @p: the poll
 * @c: the completion
 * @info: the backend's reading of the frame, when it starts here
 * @n_bufs: buffers of the frame, when it starts here; 0: that made no sense
 *
 * Return: the frame is complete, and is &ceth_rxq.frame.zc.
 */
bool ceth_zc_multi(struct ceth_rx_poll *p, const struct ceth_rx_cmpl *c,
		   const struct ceth_rx_info *info, u32 n_bufs)
{
	struct ceth_rxq *rxq = p->rxq;
	struct xdp_buff *xdp = c->va;

	if (!rxq->frame.left) {
		ceth_zc_multi_start(rxq, c, info, n_bufs);
		return false;
	}

	rxq->frame.left--;
	if (rxq->frame.drop || !c->len) {
		xsk_buff_free(xdp);
		ceth_zc_multi_drop(rxq);
	} else {
		/* The device writes to the place of the prefix here, too. */
		xsk_buff_set_size(xdp, c->len);
		xdp->data -= rxq->prefix;
		xdp->data_meta = xdp->data;
		xdp->data_end -= rxq->prefix;
		rxq->frame.len += c->len;
		if (!ceth_xsk_add_frag(rxq->frame.zc, xdp)) {
			xsk_buff_free(xdp);
			ceth_zc_multi_drop(rxq);
		}
	}
	if (rxq->frame.left)
		return false;
	if (!rxq->frame.drop) {
		p->n.packets++;
		p->n.bytes += rxq->frame.len + rxq->prefix;
		return true;
	}
	ceth_count(&rxq->stats->syncp, &rxq->stats->drop_len, 1);
	return false;
}
EXPORT_SYMBOL_GPL(ceth_zc_multi);

/**
 * ceth_zc_torn() - a frame begins before the last one has ended
 * @rxq: the queue
 * @c: the completion
 *
 * The device has lost some; neither frame can be told any more.
 */
void ceth_zc_torn(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c)
{
	ceth_rx_frame_abort(rxq);
	xsk_buff_free(c->va);
	ceth_rx_bad_frame(rxq);
}
EXPORT_SYMBOL_GPL(ceth_zc_torn);

/**
 * ceth_zc_unfit() - drop a frame of several chunks that the program cannot have
 * @p: the poll
 * @xdp: the frame
 * @csum_partial: the sender left the checksum to compute
 *
 * Return: it is gone.
 */
bool ceth_zc_unfit(struct ceth_rx_poll *p, struct xdp_buff *xdp,
		   bool csum_partial)
{
	struct ceth_rxq *rxq = p->rxq;

	if (p->prog->aux->xdp_has_frags && !csum_partial)
		return false;
	trace_xdp_exception(rxq->xdp_rxq.dev, p->prog, XDP_DROP);
	ceth_count(&rxq->stats->syncp, &rxq->stats->drop_xdp_frags, 1);
	xsk_buff_free(xdp);
	return true;
}
EXPORT_SYMBOL_GPL(ceth_zc_unfit);

/**
 * ceth_zc_redirect_err() - XDP_REDIRECT that the kernel refused
 * @p: the poll
 * @err: why
 */
void ceth_zc_redirect_err(struct ceth_rx_poll *p, int err)
{
	struct ceth_rxq *rxq = p->rxq;

	if (err != -ENOBUFS) {
		ceth_rx_redirect_err(rxq, p->prog);
		return;
	}
	trace_xdp_exception(rxq->xdp_rxq.dev, p->prog, XDP_REDIRECT);
	ceth_count(&rxq->stats->syncp, &rxq->stats->xsk_full, 1);
}
EXPORT_SYMBOL_GPL(ceth_zc_redirect_err);

/**
 * ceth_zc_tx_add() - note a frame to send back
 * @p: the poll
 * @xdp: the frame
 *
 * It is sent from the chunks that it came in.
 */
void ceth_zc_tx_add(struct ceth_rx_poll *p, struct xdp_buff *xdp)
{
	u32 first = p->tx.n;
	struct xdp_buff *frag;

	p->tx.buf[p->tx.n++] = xdp;
	if (xdp_buff_has_frags(xdp)) {
		while ((frag = xsk_buff_get_frag(xdp)))
			p->tx.buf[p->tx.n++] = frag;
		xdp_buff_clear_frags_flag(xdp);
	}
	p->tx.more[first] = p->tx.n - first - 1;
}
EXPORT_SYMBOL_GPL(ceth_zc_tx_add);

/**
 * ceth_zc_tx_drop() - no room for a frame to send back
 * @p: the poll
 * @i: its first entry
 */
void ceth_zc_tx_drop(struct ceth_rx_poll *p, u32 i)
{
	struct ceth_rxq *rxq = p->rxq;
	u32 k;

	for (k = 0; k <= p->tx.more[i]; k++)
		xsk_buff_free(p->tx.buf[i + k]);
	trace_xdp_exception(rxq->xdp_rxq.dev, p->prog, XDP_TX);
	ceth_count(&rxq->stats->syncp, &rxq->stats->xdp_tx_err, 1);
}
EXPORT_SYMBOL_GPL(ceth_zc_tx_drop);

/* Chunks taken from sockets that make no packet go back unsent, in order. */
static void ceth_xsk_unsent(struct ceth_txq *txq, u32 n)
{
	ceth_count(&txq->stats->syncp, &txq->stats->xsk_invalid, n);
	while (n--)
		txq->xsk_done[txq->xsk_posted++ & txq->mask] = 1;
}

/**
 * ceth_xsk_eop() - a socket's packet of several descriptors
 * @txq: the queue; under its transmit lock, in NAPI context of its pair
 * @desc: its first descriptor, or one in its middle; set to the first
 * @used: descriptors looked at so far, this one included; moved on
 * @n: descriptors that there are
 *
 * Kernels give whole packets, but for sockets that share a queue: then the
 * beginning is kept until the rest comes.
 *
 * Return: descriptors of the packet; 0: there is none yet.
 */
u32 ceth_xsk_eop(struct ceth_txq *txq, const struct xdp_desc **desc, u32 *used,
		 u32 n)
{
	const struct xdp_desc *d = *desc;
	u32 k;

	for (k = 1; (d[k - 1].options & XDP_PKT_CONTD) && *used < n; k++)
		(*used)++;
	if (!txq->xsk_n_part && !(d[k - 1].options & XDP_PKT_CONTD) &&
	    k <= CETH_XSK_MAX_SEGS)
		return k;

	if (txq->xsk_n_part + k > CETH_XSK_MAX_SEGS) {
		ceth_xsk_unsent(txq, txq->xsk_n_part + k);
		txq->xsk_n_part = 0;
		ceth_xsk_release(txq, txq->xsk_head);
		return 0;
	}
	memcpy(txq->xsk_part + txq->xsk_n_part, d, k * sizeof(*d));
	txq->xsk_n_part += k;
	if (d[k - 1].options & XDP_PKT_CONTD)
		return 0;
	*desc = txq->xsk_part;
	k = txq->xsk_n_part;
	txq->xsk_n_part = 0;
	return k;
}
EXPORT_SYMBOL_GPL(ceth_xsk_eop);

static void ceth_xsk_request_timestamp(void *priv)
{
	struct ceth_tx_meta *meta = priv;

	meta->flags |= CETH_TX_TIME;
}

static void ceth_xsk_request_checksum(u16 csum_start, u16 csum_offset,
				      void *priv)
{
	struct ceth_tx_meta *meta = priv;

	meta->flags |= CETH_TX_CSUM;
	meta->csum_start = csum_start;
	meta->csum_offset = csum_offset;
}

static u64 ceth_xsk_fill_timestamp(void *priv)
{
	return *(u64 *)priv;
}

#ifdef CETH_HAVE_XSK_LAUNCH_TIME
static void ceth_xsk_request_launch_time(u64 launch_time, void *priv)
{
	struct ceth_tx_meta *meta = priv;

	meta->flags |= CETH_TX_LAUNCH;
	meta->launch = launch_time;
}
#endif

/* All that there is, so that no call is indirect; what the device has no part
 * in is masked out.
 */
static const struct xsk_tx_metadata_ops ceth_xsk_requests = {
	.tmo_request_timestamp	= ceth_xsk_request_timestamp,
	.tmo_request_checksum	= ceth_xsk_request_checksum,
#ifdef CETH_HAVE_XSK_LAUNCH_TIME
	.tmo_request_launch_time = ceth_xsk_request_launch_time,
#endif
};

/* Where the IP header is, for a device that has to know: behind the Ethernet
 * header and at most two tags.
 */
static bool ceth_xsk_find_ip(const u8 *frame, struct ceth_tx_meta *meta)
{
	u32 off = ETH_HLEN;
	__be16 proto;

	do {
		if (off > meta->csum_start || off > ETH_HLEN + 2 * VLAN_HLEN)
			return false;
		proto = get_unaligned((__be16 *)(frame + off - sizeof(proto)));
		off += VLAN_HLEN;
	} while (eth_type_vlan(proto));
	meta->net_off = off - VLAN_HLEN;
	meta->v4 = proto == htons(ETH_P_IP);
	return meta->v4 || proto == htons(ETH_P_IPV6);
}

static bool ceth_xsk_csum_ok(const struct ceth_dev *cdev,
			     struct xsk_buff_pool *pool,
			     const struct xdp_desc *desc,
			     struct ceth_tx_meta *meta)
{
	if (meta->csum_start + meta->csum_offset + sizeof(__sum16) > desc->len)
		return false;
	if (!ceth_has(cdev, CETH_CAP_TX_L4))
		return true;
	return ceth_tx_l4_offset(meta->csum_offset) &&
	       ceth_xsk_find_ip(xsk_buff_raw_get_data(pool, desc->addr), meta) &&
	       meta->csum_start - meta->net_off <= cdev->caps.tx_max_l3;
}

/**
 * ceth_xsk_meta() - what a socket asks the device to do for a packet
 * @txq: the queue
 * @desc: first descriptor of the packet
 * @meta: filled in
 * @rec: record of the packet; told where the time of sending goes
 *
 * Return: there is something to do.
 */
bool ceth_xsk_meta(struct ceth_txq *txq, const struct xdp_desc *desc,
		   struct ceth_tx_meta *meta, struct ceth_tx_rec *rec)
{
	struct xsk_tx_metadata_compl compl = {};
	struct xsk_tx_metadata *m;

	m = ceth_xsk_metadata(txq->xsk, desc);
	if (!m)
		return false;
	/* A device may be given all of it. */
	memset(meta, 0, sizeof(*meta));
	ceth_xsk_metadata_request(txq->xsk, &m, &ceth_xsk_requests, meta);
	meta->flags &= txq->pair->cdev->xsk_requests;
	if (m && (meta->flags & CETH_TX_TIME))
		xsk_tx_metadata_to_compl(m, &compl);
	rec->ptr = compl.tx_timestamp;
	/* Where the checksum lies is for the sender to say, and to get right:
	 * the device must not write elsewhere.
	 */
	if ((meta->flags & CETH_TX_CSUM) &&
	    !ceth_xsk_csum_ok(txq->pair->cdev, txq->xsk, desc, meta))
		meta->flags &= ~CETH_TX_CSUM;
	if (meta->flags & CETH_TX_CSUM)
		ceth_count(&txq->stats->syncp, &txq->stats->xsk_csum, 1);
	if (meta->flags & CETH_TX_LAUNCH)
		WRITE_ONCE(txq->held, true);
	return meta->flags;
}
EXPORT_SYMBOL_GPL(ceth_xsk_meta);

/**
 * ceth_xsk_stamp() - the time at which a socket's packet was sent
 * @rec: record of the packet
 * @time: by the device's clock; 0: not known
 */
void ceth_xsk_stamp(const struct ceth_tx_rec *rec, u64 time)
{
	if (time)
		WRITE_ONCE(*(u64 *)rec->ptr, time);
}
EXPORT_SYMBOL_GPL(ceth_xsk_stamp);

/**
 * ceth_xsk_release() - give chunks back to their sockets, in order
 * @txq: the queue; NAPI context of its pair, or stopped
 * @head: place of the first one that is not known to have been sent, but for
 *	the marks in &ceth_txq.xsk_done
 */
void ceth_xsk_release(struct ceth_txq *txq, u32 head)
{
	u32 n;

	while (txq->xsk_done[head & txq->mask])
		txq->xsk_done[head++ & txq->mask] = 0;
	n = head - txq->xsk_head;
	if (!n)
		return;
	txq->xsk_head = head;
	xsk_tx_completed(txq->xsk, n);
}
EXPORT_SYMBOL_GPL(ceth_xsk_release);

/**
 * ceth_xsk_purge() - give all chunks back to their sockets
 * @txq: the queue; stopped, all that was in flight is marked as done
 */
void ceth_xsk_purge(struct ceth_txq *txq)
{
	ceth_xsk_unsent(txq, txq->xsk_n_part);
	txq->xsk_n_part = 0;
	ceth_xsk_release(txq, txq->xsk_head);
	txq->held = false;
}

/* Largest MTU whose frames fit a chunk, or as many as they may take. */
static u32 ceth_xsk_max_mtu(const struct ceth_dev *cdev,
			    struct xsk_buff_pool *pool)
{
	u32 room = ceth_xsk_chunk_room(cdev, pool);

	if (room < CETH_XSK_MIN_ROOM)
		return 0;
	if (ceth_xsk_sg(pool))
		room *= CETH_XSK_MAX_SEGS;
	else if (cdev->caps.rx_buf_unit)
		/* All that ceth_rx_max_apply() lets in must fit. */
		room -= VLAN_HLEN;
	return room - ETH_HLEN - VLAN_HLEN;
}

/* A pair whose sockets the MTU does not suit; 0: that has any. Or -1. A socket
 * that has been closed counts until its end has come, a grace period later; that
 * the kernel has still to say so does not matter.
 */
static int ceth_xsk_unsuited(const struct ceth_dev *cdev, u32 mtu)
{
	struct xsk_buff_pool *pool;
	int i, try;

	for (try = 0; try < 2; try++) {
		for (i = 0; i < cdev->cfg.n_pairs; i++) {
			pool = cdev->pairs[i].xsk;
			if (pool && refcount_read(&pool->users) &&
			    (!mtu || mtu > ceth_xsk_max_mtu(cdev, pool)))
				break;
		}
		if (i == cdev->cfg.n_pairs)
			return -1;
		if (!try)
			rcu_barrier();
	}
	return i;
}

/**
 * ceth_xsk_mtu() - may the MTU change?
 * @cdev: the device; under the configuration lock
 * @mtu: to be
 *
 * Return: 0, or -EBUSY: said in the log why not.
 */
int ceth_xsk_mtu(struct ceth_dev *cdev, u32 mtu)
{
	int i = ceth_xsk_unsuited(cdev, mtu);
	struct xsk_buff_pool *pool;

	if (i < 0)
		return 0;
	pool = cdev->pairs[i].xsk;
	ceth_xsk_refuse(cdev, "MTU <= %u with the socket of queue %u%s\n",
			ceth_xsk_max_mtu(cdev, pool), i, ceth_xsk_sg(pool) ?
			"" : ", or bind it with XDP_USE_SG");
	return -EBUSY;
}

/**
 * ceth_xsk_any() - is there a socket?
 * @cdev: the device; under the configuration lock
 *
 * Return: there is.
 */
bool ceth_xsk_any(const struct ceth_dev *cdev)
{
	return ceth_xsk_unsuited(cdev, 0) >= 0;
}

static int ceth_xsk_check(struct ceth_dev *cdev, struct xsk_buff_pool *pool)
{
	bool multi = ceth_has(cdev, CETH_CAP_MULTI_BUF);

	if (ceth_xsk_sg(pool) && !multi) {
		ceth_xsk_refuse(cdev,
				"the device cannot do XDP_USE_SG, bind without\n");
		return -EOPNOTSUPP;
	}
	if (cdev->netdev->mtu > ceth_xsk_max_mtu(cdev, pool)) {
		ceth_xsk_refuse(cdev,
				"chunks have room for MTU %u: lower it, or %s\n",
				ceth_xsk_max_mtu(cdev, pool),
				multi && !ceth_xsk_sg(pool) ?
				"bind with XDP_USE_SG" :
				"use larger chunks with less headroom");
		return -EINVAL;
	}
	if (cdev->cfg.hdr_len) {
		ceth_xsk_refuse(cdev,
				"tcp-data-split is on: turn it off first\n");
		return -EINVAL;
	}
	return 0;
}

/* Coalesced frames are for the stack: they come and go with the first and the
 * last pool. Shown as off, and as on again.
 */
static int ceth_xsk_features(struct ceth_dev *cdev, int change)
{
	int err;

	cdev->n_xsk += change;
	err = ceth_features_apply(cdev, cdev->netdev->features);
	if (err && change > 0) {
		cdev->n_xsk -= change;
		ceth_xsk_refuse(cdev, "the device cannot turn rx-gro-hw off\n");
		return err;
	}
	return 0;
}

static void ceth_xsk_show_features(struct ceth_dev *cdev, u32 first)
{
	if (cdev->n_xsk == first &&
	    cdev->netdev->reg_state == NETREG_REGISTERED)
		netdev_update_features(cdev->netdev);
}

static int ceth_xsk_enable(struct ceth_pair *pair, struct xsk_buff_pool *pool)
{
	struct ceth_dev *cdev = pair->cdev;
	int err;

	if (pair->xsk) {
		ceth_xsk_refuse(cdev, "queue %u has sockets with other memory\n",
				pair->idx);
		return -EBUSY;
	}
	err = ceth_xsk_check(cdev, pool);
	if (err)
		return err;
	err = xsk_pool_dma_map(pool, cdev->dev, 0);
	if (err) {
		ceth_xsk_refuse(cdev, "cannot map the memory of a socket: %pe\n",
				ERR_PTR(err));
		return err;
	}
	err = ceth_xsk_features(cdev, 1);
	if (err)
		goto err_unmap;
	pair->xsk = pool;
	err = ceth_renew_pair(cdev, pair->idx);
	if (err) {
		pair->xsk = NULL;
		ceth_xsk_features(cdev, -1);
		ceth_xsk_refuse(cdev, "queue %u cannot have a socket: %pe%s\n",
				pair->idx, ERR_PTR(err), err == -ENETDOWN ?
				": the device is being recovered, try again" :
				"");
		goto err_unmap;
	}
	ceth_xsk_show_features(cdev, 1);
	return 0;

err_unmap:
	xsk_pool_dma_unmap(pool, 0);
	return err;
}

static int ceth_xsk_disable(struct ceth_pair *pair)
{
	struct xsk_buff_pool *pool = pair->xsk;
	struct ceth_dev *cdev = pair->cdev;

	if (!pool)
		return 0;
	pair->xsk = NULL;
	/* The memory goes in any case. */
	if (ceth_renew_pair(cdev, pair->idx))
		ceth_drop_pair(cdev, pair->idx);
	xsk_pool_dma_unmap(pool, 0);
	ceth_xsk_features(cdev, -1);
	ceth_xsk_show_features(cdev, 0);
	return 0;
}

/**
 * ceth_xsk_setup() - a pair gets a pool of memory of AF_XDP sockets, or loses it
 * @cdev: the device; under the configuration lock
 * @pool: the pool; NULL: none any more
 * @qid: index of the pair
 *
 * Return: 0, or a negative errno: nothing has changed.
 */
int ceth_xsk_setup(struct ceth_dev *cdev, struct xsk_buff_pool *pool, u16 qid)
{
	if (pool && qid >= cdev->cfg.n_pairs) {
		ceth_xsk_refuse(cdev, "there are %u queues, and none with number %u\n",
				cdev->cfg.n_pairs, qid);
		return -EINVAL;
	}
	if (qid >= cdev->caps.max_pairs)
		return -EINVAL;
	return pool ? ceth_xsk_enable(&cdev->pairs[qid], pool) :
		      ceth_xsk_disable(&cdev->pairs[qid]);
}

/* A socket has something to send, or has filled its fill ring. Any CPU. */
static int ceth_xsk_wakeup(struct net_device *dev, u32 qid, u32 flags)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_pair *pair;

	if (unlikely(!READ_ONCE(cdev->running)))
		return -ENETDOWN;
	if (unlikely(qid >= cdev->caps.max_pairs))
		return -EINVAL;
	pair = &cdev->pairs[qid];
	if (unlikely(!READ_ONCE(pair->xsk)))
		return -EINVAL;
	atomic64_inc(&pair->xsk_wakeups);
	if (!napi_if_scheduled_mark_missed(&pair->napi))
		ceth_pair_poll(pair);
	return 0;
}

/**
 * ceth_xsk_ops_init() - what AF_XDP sockets may do
 * @cdev: the device; not yet registered
 *
 * What the device has no part in is not offered, so that the list that users
 * see (xsk-features of netdev-genl) is exact.
 */
void ceth_xsk_ops_init(struct ceth_dev *cdev)
{
	struct xsk_tx_metadata_ops *ops = &cdev->xsk_ops;
	struct net_device *dev = cdev->netdev;

	cdev->ndo.ndo_xsk_wakeup = ceth_xsk_wakeup;
	dev->xdp_zc_max_segs = ceth_has(cdev, CETH_CAP_MULTI_BUF) ?
			       CETH_XSK_MAX_SEGS : 1;
	if (cdev->caps.features & CETH_F_TX_CSUM) {
		cdev->xsk_requests |= CETH_TX_CSUM;
		ops->tmo_request_checksum = ceth_xsk_request_checksum;
	}
	if (ceth_has(cdev, CETH_CAP_CLOCK)) {
		cdev->xsk_requests |= CETH_TX_TIME;
		ops->tmo_request_timestamp = ceth_xsk_request_timestamp;
		ops->tmo_fill_timestamp = ceth_xsk_fill_timestamp;
	}
#ifdef CETH_HAVE_XSK_LAUNCH_TIME
	if (ceth_has(cdev, CETH_CAP_LAUNCH)) {
		cdev->xsk_requests |= CETH_TX_LAUNCH;
		ops->tmo_request_launch_time = ceth_xsk_request_launch_time;
	}
#endif
	dev->xsk_tx_metadata_ops = ops;
}
