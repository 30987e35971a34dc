// SPDX-License-Identifier: GPL-2.0
/* CETH core: what the transmit templates call out of line: packets of several
 * segments, a ring without room, and what goes wrong.
 */
#include <linux/if_vlan.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/page_pool/helpers.h>

#include "core.h"

/**
 * ceth_netdev_pair() - pair of an index
 * @dev: network device
 * @idx: index
 *
 * Return: the pair.
 */
struct ceth_pair *ceth_netdev_pair(const struct net_device *dev, u32 idx)
{
	const struct ceth_dev *cdev = netdev_priv(dev);

	return &cdev->pairs[idx];
}
EXPORT_SYMBOL_GPL(ceth_netdev_pair);

/**
 * ceth_pair_priv() - the backend's device
 * @pair: the pair
 *
 * Return: what ceth_create() was given as @priv.
 */
void *ceth_pair_priv(const struct ceth_pair *pair)
{
	return pair->cdev->backend.priv;
}
EXPORT_SYMBOL_GPL(ceth_pair_priv);

/* See CETH_CAP_GSO_NO_LEN. */
static bool ceth_tx_no_len(struct sk_buff *skb, const struct ceth_tx_meta *meta)
{
	__sum16 *sum;

	if (skb_cow_head(skb, 0))
		return false;
	sum = (__sum16 *)(skb->data + meta->csum_start + meta->csum_offset);
	csum_replace_by_diff(sum, (__force __wsum)
			     htonl(skb->len - meta->csum_start));
	if (meta->v4) {
		ip_hdr(skb)->tot_len = 0;
		ip_hdr(skb)->check = 0;
	} else {
		ipv6_hdr(skb)->payload_len = 0;
	}
	return true;
}

/**
 * ceth_tx_meta_slow() - what the device has to do for a packet
 * @skb: packet with something to do
 * @meta: filled in
 *
 * Return: done; false: no memory.
 */
bool ceth_tx_meta_slow(struct sk_buff *skb, struct ceth_tx_meta *meta)
{
	const struct ceth_dev *cdev = netdev_priv(skb->dev);
	struct skb_shared_info *sinfo = skb_shinfo(skb);

	/* A device may be given all of it: nothing of the stack's memory. */
	memset(meta, 0, sizeof(*meta));
	if (skb_vlan_tag_present(skb)) {
		meta->flags |= CETH_TX_VLAN;
		meta->vlan_tci = skb_vlan_tag_get(skb);
	}
	if ((sinfo->tx_flags & SKBTX_HW_TSTAMP) && READ_ONCE(cdev->tx_time)) {
		sinfo->tx_flags |= SKBTX_IN_PROGRESS;
		meta->flags |= CETH_TX_TIME;
	}
	if (cdev->pairs[skb_get_queue_mapping(skb)].launch &&
	    skb->tstamp_type == SKB_CLOCK_TAI && skb->tstamp > 0) {
		meta->flags |= CETH_TX_LAUNCH;
		meta->launch = ktime_to_ns(skb->tstamp);
		/* Else the time of sending is taken for one of software. */
		skb->tstamp = 0;
	}
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return true;

	meta->flags |= CETH_TX_CSUM;
	meta->csum_start = skb_checksum_start_offset(skb);
	meta->csum_offset = skb->csum_offset;
	meta->net_off = skb_network_offset(skb);
	meta->v4 = vlan_get_protocol(skb) == htons(ETH_P_IP);
	if (!skb_is_gso(skb))
		return true;

	meta->gso_size = sinfo->gso_size;
	meta->gso_segs = sinfo->gso_segs;
	if (sinfo->gso_type & SKB_GSO_TCPV4)
		meta->flags |= CETH_TX_TSO4;
	else if (sinfo->gso_type & SKB_GSO_TCPV6)
		meta->flags |= CETH_TX_TSO6;
	else
		meta->flags |= CETH_TX_USO;
	if (sinfo->gso_type & SKB_GSO_TCP_ECN)
		meta->flags |= CETH_TX_ECN;
	meta->hdr_len = meta->flags & CETH_TX_USO ?
			skb_transport_offset(skb) + sizeof(struct udphdr) :
			skb_tcp_all_headers(skb);
	return !ceth_has(cdev, CETH_CAP_GSO_NO_LEN) || ceth_tx_no_len(skb, meta);
}
EXPORT_SYMBOL_GPL(ceth_tx_meta_slow);

/**
 * ceth_tx_time() - tell who asked when a packet was sent
 * @skb: packet
 * @time: by the device's clock; 0: not known
 */
void ceth_tx_time(struct sk_buff *skb, u64 time)
{
	struct skb_shared_hwtstamps hwtstamps = {
		.hwtstamp	= ns_to_ktime(time),
	};

	if (time)
		skb_tstamp_tx(skb, &hwtstamps);
}
EXPORT_SYMBOL_GPL(ceth_tx_time);

static struct ceth_tx_rec *ceth_tx_seg(struct ceth_txq *txq,
				       struct ceth_tx_seg *seg,
				       struct ceth_tx_rec *prev, dma_addr_t dma,
				       u32 len, u32 unmap)
{
	struct ceth_tx_rec *rec;

	seg->id = ceth_tx_id(txq);
	seg->dma = dma;
	seg->len = len;
	rec = &txq->recs[seg->id];
	rec->dma = dma;
	rec->len = unmap;
	rec->type = CETH_TX_MORE;
	if (prev)
		prev->next = seg->id;
	return rec;
}

/* Unmap and give back the ids of the @n segments mapped so far. Taken ids lie
 * between free_head and what completion may write, so that moving free_head
 * back restores them.
 */
static void ceth_tx_unmap(struct ceth_txq *txq, const struct ceth_tx_seg *segs,
			  int n)
{
	while (n--) {
		struct ceth_tx_rec *rec = &txq->recs[segs[n].id];

		if (rec->len)
			dma_unmap_page(txq->dev, rec->dma, rec->len,
				       DMA_TO_DEVICE);
		rec->type = CETH_TX_FREE;
		WRITE_ONCE(txq->free_head, txq->free_head - 1);
	}
}

/* The prefix as a segment of its own, for a packet that has no room for it. */
static struct ceth_tx_rec *ceth_tx_prefix(struct ceth_txq *txq,
					  struct ceth_tx_seg *seg)
{
	struct ceth_tx_rec *rec = ceth_tx_seg(txq, seg, NULL, 0, txq->prefix, 0);

	seg->dma = txq->prefixes_dma + seg->id * txq->prefix;
	return rec;
}

/* Let the device read @len bytes of a fragment. What is no page has been mapped by
 * who provides it.
 */
static bool ceth_tx_dma_frag(const struct ceth_txq *txq,
			     const skb_frag_t *frag, u32 len, dma_addr_t *dma,
			     u32 *unmap)
{
	netmem_ref netmem = skb_frag_netmem(frag);
	u32 off = skb_frag_off(frag);
	struct page *page;

	if (unlikely(netmem_is_net_iov(netmem))) {
		if (!ceth_netmem_mapped(netmem, txq->dev))
			return false;
		*dma = page_pool_get_dma_addr_netmem(netmem) + off;
		*unmap = 0;
		return true;
	}
	page = netmem_to_page(netmem);
	if (txq->phys) {
		*dma = page_to_phys(page) + off;
		*unmap = 0;
		return true;
	}
	*dma = dma_map_page(txq->dev, page, off, len, DMA_TO_DEVICE);
	*unmap = len;
	return likely(!dma_mapping_error(txq->dev, *dma));
}

static int ceth_tx_map_frags(struct ceth_txq *txq,
			     const struct skb_shared_info *sinfo,
			     struct ceth_tx_seg *segs, int n,
			     struct ceth_tx_rec *rec)
{
	dma_addr_t dma;
	u32 unmap;
	int i;

	for (i = 0; i < sinfo->nr_frags; i++) {
		const skb_frag_t *frag = &sinfo->frags[i];
		u32 len = skb_frag_size(frag);

		if (!ceth_tx_dma_frag(txq, frag, len, &dma, &unmap)) {
			ceth_tx_unmap(txq, segs, n);
			return -ENOMEM;
		}
		rec = ceth_tx_seg(txq, &segs[n++], rec, dma, len, unmap);
	}
	return n;
}

/* The linear part of a packet as a segment; NULL: it cannot be mapped. */
static struct ceth_tx_rec *ceth_tx_linear(struct ceth_txq *txq,
					  struct ceth_tx_seg *seg,
					  struct ceth_tx_rec *prev, void *p,
					  u32 len)
{
	u32 unmap;

	if (!ceth_tx_dma(txq, p, len, seg, &unmap))
		return NULL;
	return ceth_tx_seg(txq, seg, prev, seg->dma, len, unmap);
}

/**
 * ceth_tx_map() - segments of a packet of the stack
 * @txq: the queue; has room
 * @skb: packet
 * @segs: filled in
 * @push: the prefix goes before the packet's data
 *
 * Return: segments, or a negative errno: nothing is left mapped.
 */
int ceth_tx_map(struct ceth_txq *txq, struct sk_buff *skb,
		struct ceth_tx_seg *segs, bool push)
{
	u32 len = skb_headlen(skb), pre = push ? txq->prefix : 0;
	struct ceth_tx_rec *rec = NULL;
	int n = 0;

	if (!push && txq->prefix)
		rec = ceth_tx_prefix(txq, &segs[n++]);
	if (len) {
		rec = ceth_tx_linear(txq, &segs[n], rec, skb->data - pre,
				     len + pre);
		if (unlikely(!rec)) {
			ceth_tx_unmap(txq, segs, n);
			return -ENOMEM;
		}
		n++;
	}
	return ceth_tx_map_frags(txq, skb_shinfo(skb), segs, n, rec);
}
EXPORT_SYMBOL_GPL(ceth_tx_map);

/**
 * ceth_tx_map_frame() - segments of a redirected frame
 * @txq: the queue; has room
 * @frame: frame
 * @segs: filled in
 *
 * Return: segments, or a negative errno: nothing is left mapped.
 */
int ceth_tx_map_frame(struct ceth_txq *txq, struct xdp_frame *frame,
		      struct ceth_tx_seg *segs)
{
	bool push = frame->headroom >= txq->prefix;
	u32 pre = push ? txq->prefix : 0;
	struct ceth_tx_rec *rec = NULL;
	int n = 0;

	if (!push)
		rec = ceth_tx_prefix(txq, &segs[n++]);
	rec = ceth_tx_linear(txq, &segs[n], rec, frame->data - pre,
			     frame->len + pre);
	if (unlikely(!rec)) {
		ceth_tx_unmap(txq, segs, n);
		return -ENOMEM;
	}
	n++;
	if (!xdp_frame_has_frags(frame))
		return n;
	return ceth_tx_map_frags(txq, xdp_get_shared_info_from_frame(frame),
				 segs, n, rec);
}
EXPORT_SYMBOL_GPL(ceth_tx_map_frame);

/**
 * ceth_xdp_tx_frags() - further segments of an XDP_TX frame
 * @txq: the queue; has room
 * @f: the frame
 * @segs: the first one is filled in
 *
 * Return: bytes in the further buffers.
 */
u32 ceth_xdp_tx_frags(struct ceth_txq *txq, const struct ceth_xdp_tx *f,
		      struct ceth_tx_seg *segs)
{
	const struct ceth_rxq *rxq = txq->pair->rxq;
	struct ceth_tx_rec *rec = &txq->recs[segs[0].id];
	const struct skb_shared_info *sinfo;
	u32 i, bytes = 0;

	sinfo = f->va + rxq->frame_sz - CETH_RX_TAILROOM;
	for (i = 0; i < f->frags; i++) {
		const skb_frag_t *frag = &sinfo->frags[i];
		void *data = skb_frag_address(frag);
		void *va = ceth_rx_base(rxq, data);
		dma_addr_t dma;

		dma = page_pool_get_dma_addr(skb_frag_page(frag)) +
		      skb_frag_off(frag);
		rec = ceth_tx_seg(txq, &segs[1 + i], rec, dma,
				  skb_frag_size(frag), 0);
		bytes += skb_frag_size(frag);
		rec->ptr = va;
		rec->dma = dma - (data - va) + rxq->off;
		dma_sync_single_for_device(txq->dev, dma, skb_frag_size(frag),
					   DMA_BIDIRECTIONAL);
	}
	return bytes;
}
EXPORT_SYMBOL_GPL(ceth_xdp_tx_frags);

/**
 * ceth_xdp_tx_drop() - no room for an XDP_TX frame
 * @pair: the pair
 * @f: the frame
 */
void ceth_xdp_tx_drop(struct ceth_pair *pair, const struct ceth_xdp_tx *f)
{
	struct ceth_rxq *rxq = pair->rxq;
	const struct skb_shared_info *sinfo;
	u32 i;

	sinfo = f->va + rxq->frame_sz - CETH_RX_TAILROOM;
	for (i = 0; i < f->frags; i++)
		page_pool_put_full_page(rxq->pool,
					skb_frag_page(&sinfo->frags[i]), false);
	ceth_rx_spare(rxq, f->va, f->dma);
	trace_xdp_exception(rxq->xdp_rxq.dev, rcu_access_pointer(rxq->xdp_prog),
			    XDP_TX);
	ceth_count(&rxq->stats->syncp, &rxq->stats->xdp_tx_err, 1);
}
EXPORT_SYMBOL_GPL(ceth_xdp_tx_drop);

/**
 * ceth_xdp_closed() - redirected frames, and no queue that takes them
 * @pair: the pair
 * @n: frames
 *
 * Return: a negative errno: the caller keeps them.
 */
int ceth_xdp_closed(struct ceth_pair *pair, u32 n)
{
	/* Whatever queue it was, the counters of this one can be written. */
	__netif_tx_lock(pair->netq, smp_processor_id());
	ceth_count(&pair->tx_stats.syncp, &pair->tx_stats.xdp_full, n);
	__netif_tx_unlock(pair->netq);
	return -ENETDOWN;
}
EXPORT_SYMBOL_GPL(ceth_xdp_closed);

/**
 * ceth_tx_drop() - a packet that can not be sent
 * @pair: the pair
 * @skb: packet
 *
 * Return: NETDEV_TX_OK: the packet is gone.
 */
netdev_tx_t ceth_tx_drop(struct ceth_pair *pair, struct sk_buff *skb)
{
	u64_stats_update_begin(&pair->tx_stats.syncp);
	if (pair->txq)
		pair->tx_stats.drop_map++;
	else
		pair->tx_stats.drop_down++;
	u64_stats_update_end(&pair->tx_stats.syncp);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}
EXPORT_SYMBOL_GPL(ceth_tx_drop);

/**
 * ceth_tx_stop() - the next packet might not fit
 * @txq: the queue; under its transmit lock
 */
void ceth_tx_stop(struct ceth_txq *txq)
{
	netif_tx_stop_queue(txq->netq);
	/* Pairs with the barrier in ceth_tx_clean_tmpl(). */
	smp_mb();
	if (ceth_tx_avail(txq) >= CETH_TX_MAX_SEGS) {
		netif_tx_start_queue(txq->netq);
		return;
	}
	ceth_count(&txq->stats->syncp, &txq->stats->stop, 1);
}
EXPORT_SYMBOL_GPL(ceth_tx_stop);

/**
 * ceth_tx_busy() - the packet does not fit: XDP has taken the room
 * @txq: the queue; under its transmit lock
 *
 * Return: NETDEV_TX_BUSY: the packet stays with the stack.
 */
netdev_tx_t ceth_tx_busy(struct ceth_txq *txq)
{
	ceth_tx_stop(txq);
	return NETDEV_TX_BUSY;
}
EXPORT_SYMBOL_GPL(ceth_tx_busy);

/**
 * ceth_tx_wake() - completion has made room
 * @txq: the queue; NAPI context
 *
 * Woken when a quarter of the ring is free, so that a full ring does not go
 * to and fro at each packet. A queue that is closed to senders stays stopped.
 */
void ceth_tx_wake(struct ceth_txq *txq)
{
	u32 free = txq->free_tail - READ_ONCE(txq->free_head);

	if (free < max_t(u32, txq->size / 4, CETH_TX_MAX_SEGS) ||
	    READ_ONCE(txq->pair->txq) != txq)
		return;
	netif_tx_wake_queue(txq->netq);
	ceth_count(&txq->stats->csyncp, &txq->stats->wake, 1);
}
EXPORT_SYMBOL_GPL(ceth_tx_wake);

/**
 * ceth_tx_bad() - a completion that names no packet in flight
 * @txq: the queue
 */
void ceth_tx_bad(struct ceth_txq *txq)
{
	ceth_count(&txq->stats->csyncp, &txq->stats->bad_cmpl, 1);
	ceth_fault(txq->pair->cdev, CETH_FAULT_TX_DESC, txq->idx);
}
EXPORT_SYMBOL_GPL(ceth_tx_bad);

/**
 * ceth_tx_done_frame() - completion of a redirected frame, or of the first
 *	buffer of an XDP_TX frame of several, or in AF_XDP memory
 * @txq: the queue
 * @id: of the head
 * @bq: frames to return
 */
void ceth_tx_done_frame(struct ceth_txq *txq, u32 id,
			struct xdp_frame_bulk *bq)
{
	struct ceth_tx_rec *rec = &txq->recs[id];

	if (rec->type == CETH_TX_XDP_TX) {
		ceth_rx_spare(txq->pair->rxq, rec->ptr, rec->dma);
		return;
	}
	if (rec->type == CETH_TX_ZC) {
		xsk_buff_free(rec->ptr);
		return;
	}
	if (rec->len)
		dma_unmap_single(txq->dev, rec->dma, rec->len, DMA_TO_DEVICE);
	rcu_read_lock();
	xdp_return_frame_bulk(rec->ptr, bq);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ceth_tx_done_frame);

/**
 * ceth_tx_done_more() - completion of all segments but the first
 * @txq: the queue
 * @id: of the head, still set
 * @tail: where the next free id goes
 *
 * Return: the new @tail.
 */
u32 ceth_tx_done_more(struct ceth_txq *txq, u32 id, u32 tail)
{
	const struct ceth_tx_rec *head = &txq->recs[id];
	u16 next = head->next;
	u32 i;

	for (i = 1; i < head->n_segs; i++) {
		struct ceth_tx_rec *rec = &txq->recs[next];

		if (head->type == CETH_TX_XDP_TX)
			ceth_rx_spare(txq->pair->rxq, rec->ptr, rec->dma);
		else if (head->type == CETH_TX_ZC)
			xsk_buff_free(rec->ptr);
		else if (rec->len)
			dma_unmap_page(txq->dev, rec->dma, rec->len,
				       DMA_TO_DEVICE);
		rec->type = CETH_TX_FREE;
		txq->free_ids[tail++ & txq->mask] = next;
		next = rec->next;
	}
	return tail;
}
EXPORT_SYMBOL_GPL(ceth_tx_done_more);

/**
 * ceth_tx_abort() - throw away a packet that the device never completed
 * @pair: the pair; stopped
 * @txq: the queue
 * @id: of the head
 */
void ceth_tx_abort(struct ceth_pair *pair, struct ceth_txq *txq, u32 id)
{
	struct ceth_tx_rec *rec = &txq->recs[id];
	enum ceth_tx_type type = rec->type;
	u32 i, n = rec->n_segs;
	void *ptr = rec->ptr;

	if (type == CETH_TX_XSK || type == CETH_TX_XSK_ONE)
		ceth_xsk_mark(txq, rec);
	if (type == CETH_TX_XSK_ONE) {
		rec->type = CETH_TX_FREE;
		return;
	}
	for (i = 0; i < n; i++) {
		if (type == CETH_TX_XDP_TX)
			ceth_rx_spare(pair->rxq, rec->ptr, rec->dma);
		else if (type == CETH_TX_ZC)
			xsk_buff_free(rec->ptr);
		else if (rec->len)
			dma_unmap_page(txq->dev, rec->dma, rec->len,
				       DMA_TO_DEVICE);
		rec->type = CETH_TX_FREE;
		rec = &txq->recs[rec->next];
	}
	if (type == CETH_TX_SKB)
		dev_kfree_skb_any(ptr);
	else if (type == CETH_TX_XDP_FRAME)
		xdp_return_frame(ptr);
}
