/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: receive templates of queues with header buffers, inlined into the backend
 * by CETH_DATAPATH().
 *
 * The device writes the headers of a frame to memory of the driver's, and the data
 * to memory that may be anybody's, and that perhaps no processor can read: of
 * devices, or of programs (memory providers of the page pool). So nothing here
 * looks at a buffer, and there is neither a program nor a frame that goes back
 * to the wire. Each id has its header buffer for life; what is there is copied, so
 * that the device cannot change it any more.
 *
 * rxq->vas[id] is the netmem_ref of the id's buffer.
 */
#ifndef _NET_CETH_HDS_H
#define _NET_CETH_HDS_H

#ifndef _NET_CETH_DATAPATH_H
#error "include <net/ceth/datapath.h>"
#endif

struct sk_buff *ceth_hds_begin(struct ceth_rx_poll *p,
			       const struct ceth_rx_cmpl *c,
			       const struct ceth_rx_info *info, u32 n_bufs,
			       u32 hdr_len);
struct sk_buff *ceth_hds_add(struct ceth_rx_poll *p,
			     const struct ceth_rx_cmpl *c);
void ceth_hds_torn(struct ceth_rx_poll *p, const struct ceth_rx_cmpl *c);
void ceth_hds_deliver(struct ceth_rxq *rxq, struct sk_buff *skb,
		      const struct ceth_rx_meta *meta);
void ceth_hds_low(struct ceth_rxq *rxq);

/**
 * ceth_hds_batch() - frames of a batch
 * @p: the poll
 * @ops: the backend's
 */
static __always_inline void ceth_hds_batch(struct ceth_rx_poll *p,
					   const struct ceth_dp_ops *ops)
{
	const struct ceth_rx_cmpl *c = p->batch, *end = c + p->n_good;
	struct ceth_rx_meta meta __uninitialized;
	struct ceth_rx_info info __uninitialized;
	struct ceth_rxq *rxq = p->rxq;

	if (!ops->rx_hdr)
		return;
	for (; c < end; c++) {
		const struct ceth_rx_info *of = &info;
		struct sk_buff *skb;
		u32 n_bufs;

		if (likely(!rxq->frame.left)) {
			n_bufs = ops->rx_begin(rxq->priv, c, NULL, &info);
			skb = ceth_hds_begin(p, c, &info, n_bufs,
					     ops->rx_hdr(rxq->priv, c));
		} else if (ops->rx_marks &&
			   ops->rx_begin(rxq->priv, c, NULL, &info)) {
			ceth_hds_torn(p, c);
			continue;
		} else {
			of = &rxq->frame.info;
			skb = ceth_hds_add(p, c);
		}
		/* More of it is to come, or it is gone. */
		if (!skb)
			continue;
		ops->rx_meta(rxq->priv, of, &meta);
		ceth_hds_deliver(rxq, skb, &meta);
	}
}

/**
 * ceth_hds_poll_tmpl() - receive into header buffers and those for data
 * @pair: the pair
 * @budget: most buffers to take
 * @fn: instances of the other templates
 * @ops: the backend's
 *
 * Return: buffers taken; @budget when there is more.
 */
static __always_inline int
ceth_hds_poll_tmpl(struct ceth_pair *pair, int budget,
		   const struct ceth_dp_fn *fn, const struct ceth_dp_ops *ops)
{
	struct ceth_rxq *rxq = pair->rxq;
	struct ceth_rx_poll p __uninitialized;
	int done = 0;

	if (!ops->rx_hdr)
		return 0;
	p.rxq = rxq;
	memset(&p.n, 0, sizeof(p.n));
	ops->rx_post_open(rxq->priv, &p.post);

	do {
		done += ceth_rx_take(&p, min(budget - done, CETH_RX_BATCH),
				     CETH_RXQ_HDS, ops);
		if (p.n_good)
			fn->hds_batch(&p);
	} while (p.more && done < budget);

	if (rxq->n_free) {
		fn->rx_refill(&p);
		/* Few enough for the device to wait: nothing might complete. */
		if (unlikely(rxq->size - rxq->n_free < MAX_SKB_FRAGS))
			ceth_hds_low(rxq);
	}
	ops->rx_post_close(rxq->priv, &p.post);
	ops->rx_flush(rxq->priv);

	ceth_rx_account(&p, 0);
	return done;
}

#endif /* _NET_CETH_HDS_H */
