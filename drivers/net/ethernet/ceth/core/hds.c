// SPDX-License-Identifier: GPL-2.0
/* CETH core: receive queues with header buffers (tcp-data-split), and memory that
 * others provide for the data.
 *
 * A page pool of such a queue has pages, or what a memory provider has bound to
 * the queue has for it: net_iov, by DMA address alone. The provider's memory is
 * limited, and comes back when its owner is through with it: a queue starts with
 * what there is, and a timer has it polled while there is next to nothing.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>

#include "core.h"

static netmem_ref ceth_hds_netmem(const struct ceth_rx_cmpl *c)
{
	return (__force netmem_ref)c->va;
}

/**
 * ceth_hds_alloc() - header buffers for a queue
 * @rxq: the queue, which becomes one with such
 * @cfg: what it is like
 *
 * Return: 0 or -ENOMEM.
 */
int ceth_hds_alloc(struct ceth_rxq *rxq, const struct ceth_cfg *cfg)
{
	u32 len = ceth_rx_page_size(rxq->pair->cdev->netdev, rxq->idx);

	rxq->hdrs = dma_alloc_coherent(rxq->dev, rxq->size * cfg->hdr_len,
				       &rxq->ring.hdr_dma, GFP_KERNEL);
	if (!rxq->hdrs)
		return -ENOMEM;
	rxq->kind = CETH_RXQ_HDS;
	rxq->off = 0;
	rxq->frame_sz = len;
	rxq->buf_len = len;
	rxq->ring.buf_len = len;
	rxq->ring.hdr_len = cfg->hdr_len;
	rxq->ring.hdr_whole = cfg->hdr_whole;
	return 0;
}

/**
 * ceth_hds_free() - undo ceth_hds_alloc(), if that has been
 * @rxq: the queue
 */
void ceth_hds_free(struct ceth_rxq *rxq)
{
	if (rxq->hdrs)
		dma_free_coherent(rxq->dev, rxq->size * rxq->ring.hdr_len,
				  rxq->hdrs, rxq->ring.hdr_dma);
}

/**
 * ceth_hds_fill() - as ceth_rx_alloc(), whatever the pool has
 * @rxq: the queue
 * @n: how many; there is room for them
 *
 * Return: how many there were; if fewer, it is counted.
 */
u32 ceth_hds_fill(struct ceth_rxq *rxq, u32 n)
{
	struct ceth_rx_buf *buf = &rxq->spare[rxq->n_spare];
	u32 i;

	for (i = 0; i < n; i++, buf++) {
		netmem_ref netmem;

		netmem = page_pool_alloc_netmems(rxq->pool,
						 GFP_ATOMIC | __GFP_NOWARN);
		if (unlikely(!netmem)) {
			ceth_count(&rxq->stats->syncp, &rxq->stats->alloc_fail,
				   1);
			break;
		}
		buf->va = (__force void *)netmem;
		buf->dma = page_pool_get_dma_addr_netmem(netmem);
	}
	rxq->n_spare += i;
	return i;
}

/* The buffer is not for the packet. */
static void ceth_hds_keep(struct ceth_rxq *rxq, const struct ceth_rx_cmpl *c)
{
	ceth_rx_spare(rxq, c->va, rxq->dmas[c->id]);
}

/* The buffer is the packet's next fragment. */
static void ceth_hds_frag(struct ceth_rxq *rxq, struct sk_buff *skb,
			  const struct ceth_rx_cmpl *c)
{
	netmem_ref netmem = ceth_hds_netmem(c);

	page_pool_dma_sync_netmem_for_cpu(rxq->pool, netmem, 0, c->len);
	skb_add_rx_frag_netmem(skb, skb_shinfo(skb)->nr_frags, netmem, 0,
			       c->len, rxq->frame_sz);
}

/* Packet of the headers alone; NULL: no memory, which is counted. */
static struct sk_buff *ceth_hds_skb(struct ceth_rxq *rxq, u32 id, u32 len)
{
	struct sk_buff *skb = napi_alloc_skb(&rxq->pair->napi, len);

	if (unlikely(!skb)) {
		ceth_count(&rxq->stats->syncp, &rxq->stats->drop_nomem, 1);
		return NULL;
	}
	skb_put_data(skb, ceth_hds_hdr(rxq, id), len);
	/* Its fragments are the pool's. */
	skb_mark_for_recycle(skb);
	return skb;
}

/**
 * ceth_hds_begin() - a buffer that a frame begins in
 * @p: the poll
 * @c: the completion
 * @info: the backend's reading of the frame
 * @n_bufs: buffers of the frame; 0: that made no sense
 * @hdr_len: bytes in the header buffer
 *
 * Return: packet, if that is all of the frame; NULL: there is more, or it is gone
 * and counted.
 */
struct sk_buff *ceth_hds_begin(struct ceth_rx_poll *p,
			       const struct ceth_rx_cmpl *c,
			       const struct ceth_rx_info *info, u32 n_bufs,
			       u32 hdr_len)
{
	struct ceth_rxq *rxq = p->rxq;
	struct sk_buff *skb;

	rxq->free_ids[rxq->n_free++] = c->id;
	if (unlikely(!n_bufs || n_bufs > MAX_SKB_FRAGS ||
		     hdr_len < ETH_HLEN || hdr_len > rxq->ring.hdr_len ||
		     (n_bufs > 1 && !c->len))) {
		ceth_rx_uncount(p, c);
		ceth_hds_keep(rxq, c);
		ceth_rx_bad_frame(rxq);
		return NULL;
	}
	skb = ceth_hds_skb(rxq, c->id, hdr_len);
	if (likely(skb && c->len))
		ceth_hds_frag(rxq, skb, c);
	else
		ceth_hds_keep(rxq, c);
	if (likely(n_bufs == 1)) {
		p->n.bytes += hdr_len;
		return skb;
	}

	ceth_rx_uncount(p, c);
	rxq->frame.info = *info;
	rxq->frame.skb = skb;
	rxq->frame.gone = !skb;
	rxq->frame.drop = false;
	rxq->frame.left = n_bufs - 1;
	rxq->frame.len = hdr_len + c->len;
	return NULL;
}
EXPORT_SYMBOL_GPL(ceth_hds_begin);

/**
 * ceth_hds_add() - a further buffer of a frame
 * @p: the poll
 * @c: the completion
 *
 * Return: packet, if the frame is complete; NULL: it is not, or is gone and
 * counted.
 */
struct sk_buff *ceth_hds_add(struct ceth_rx_poll *p,
			     const struct ceth_rx_cmpl *c)
{
	struct ceth_rxq *rxq = p->rxq;
	struct sk_buff *skb = rxq->frame.skb;

	ceth_rx_uncount(p, c);
	rxq->free_ids[rxq->n_free++] = c->id;
	rxq->frame.left--;
	rxq->frame.len += c->len;
	if (!c->len)
		rxq->frame.drop = true;
	if (!skb || rxq->frame.drop)
		ceth_hds_keep(rxq, c);
	else
		ceth_hds_frag(rxq, skb, c);
	if (rxq->frame.left)
		return NULL;

	rxq->frame.skb = NULL;
	if (skb && rxq->frame.drop) {
		dev_kfree_skb_any(skb);
		ceth_count(&rxq->stats->syncp, &rxq->stats->drop_len, 1);
		return NULL;
	}
	p->n.packets++;
	p->n.bytes += rxq->frame.len;
	return skb;
}
EXPORT_SYMBOL_GPL(ceth_hds_add);

/**
 * ceth_hds_torn() - a frame begins before the last one has ended
 * @p: the poll
 * @c: the completion
 *
 * The device has lost some; neither frame can be told any more.
 */
void ceth_hds_torn(struct ceth_rx_poll *p, const struct ceth_rx_cmpl *c)
{
	ceth_rx_uncount(p, c);
	p->rxq->free_ids[p->rxq->n_free++] = c->id;
	ceth_rx_frame_torn(p->rxq, c);
}
EXPORT_SYMBOL_GPL(ceth_hds_torn);

/**
 * ceth_hds_deliver() - give a packet to the stack
 * @rxq: the queue
 * @skb: packet, from the Ethernet header on
 * @meta: what the device says about it
 *
 * The stack cannot verify what it cannot read, and warns when it comes to it: what
 * the device has not vouched for is of no use to anybody.
 */
void ceth_hds_deliver(struct ceth_rxq *rxq, struct sk_buff *skb,
		      const struct ceth_rx_meta *meta)
{
	if (unlikely(!skb_frags_readable(skb) &&
		     !(meta->flags & CETH_RX_CSUM_OK))) {
		ceth_count(&rxq->stats->syncp, &rxq->stats->drop_unread, 1);
		dev_kfree_skb_any(skb);
		return;
	}
	ceth_rx_deliver(rxq, skb, meta);
}
EXPORT_SYMBOL_GPL(ceth_hds_deliver);

/**
 * ceth_hds_low() - there is next to no memory for the device
 * @rxq: the queue; being polled
 *
 * Nobody says when there is some again.
 */
void ceth_hds_low(struct ceth_rxq *rxq)
{
	mod_timer(&rxq->pair->hds_timer, jiffies + 1);
}
EXPORT_SYMBOL_GPL(ceth_hds_low);

void ceth_hds_timer(struct timer_list *timer)
{
	struct ceth_pair *pair = container_of(timer, struct ceth_pair,
					      hds_timer);

	napi_schedule(&pair->napi);
}

/**
 * ceth_hds_provided() - does somebody provide the memory of a queue?
 * @cdev: the device; under the configuration lock
 * @i: which pair
 *
 * Return: so it is, or will be.
 */
bool ceth_hds_provided(const struct ceth_dev *cdev, u16 i)
{
	return __netif_get_rx_queue(cdev->netdev, i)->mp_params.mp_priv;
}

/**
 * ceth_hds_provided_any() - the same, of any queue
 * @cdev: the device; under the configuration lock
 *
 * Return: there is one.
 */
bool ceth_hds_provided_any(const struct ceth_dev *cdev)
{
	u16 i;

	for (i = 0; i < cdev->caps.max_pairs; i++)
		if (ceth_hds_provided(cdev, i))
			return true;
	return false;
}

/**
 * ceth_hds_refuses() - why queues cannot have memory that others provide
 * @cdev: the device; under the configuration lock
 *
 * Return: the reason; NULL: they can.
 */
const char *ceth_hds_refuses(const struct ceth_dev *cdev)
{
	if (!ceth_has(cdev, CETH_CAP_HDR_SPLIT))
		return "no memory of others: buffers hold headers, too";
	if (!cdev->cfg.hdr_len)
		return "no memory of others: tcp-data-split is off";
	if (cdev->cfg.hdr_whole)
		return "no memory of others: hds-thresh is not 0";
	if (!(cdev->netdev->features & NETIF_F_RXCSUM))
		return "no memory of others: rx-checksumming is off";
	return NULL;
}

/**
 * ceth_hds_config() - let queues have header buffers, or not
 * @cdev: the device; under the configuration lock
 * @cfg: to be; told
 * @on: they should have them
 * @extack: why not
 *
 * Return: 0 or a negative errno.
 */
int ceth_hds_config(struct ceth_dev *cdev, struct ceth_cfg *cfg, bool on,
		    struct netlink_ext_ack *extack)
{
	cfg->hdr_len = on ? CETH_HDS_LEN : 0;
	if (!on && cdev->cfg.hdr_len && ceth_hds_provided_any(cdev)) {
		NL_SET_ERR_MSG_MOD(extack, "tcp-data-split: a queue has memory of others");
		return -EBUSY;
	}
	if (!on)
		return 0;
	if (cdev->xdp_prog) {
		NL_SET_ERR_MSG_MOD(extack, "tcp-data-split: there is an XDP program");
		return -EINVAL;
	}
	if (cfg->frame_sz != PAGE_SIZE) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "tcp-data-split needs rx-buf-len %lu",
				       PAGE_SIZE);
		return -EINVAL;
	}
	if (!cdev->cfg.hdr_len && ceth_xsk_any(cdev)) {
		NL_SET_ERR_MSG_MOD(extack, "tcp-data-split: there is an AF_XDP socket");
		return -EBUSY;
	}
	return 0;
}
