/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: what XDP programs can ask about a frame, inlined into the backend by
 * CETH_DATAPATH().
 *
 * The kernel patches a program's call of a kfunc into one of these functions,
 * so that nothing is decoded which nobody asks for: the compiler leaves of
 * rx_meta what the function wants.
 *
 * Context: NAPI of the pair, within the program.
 */
#ifndef _NET_CETH_HINTS_H
#define _NET_CETH_HINTS_H

#ifndef _NET_CETH_DATAPATH_H
#error "include <net/ceth/datapath.h>"
#endif

/**
 * ceth_hint_meta() - decode what the device said about a program's frame
 * @md: the frame
 * @meta: filled in
 * @ops: the backend's
 *
 * Return: the queue that it has come from.
 */
static __always_inline const struct ceth_rxq *
ceth_hint_meta(const struct xdp_md *md, struct ceth_rx_meta *meta,
	       const struct ceth_dp_ops *ops)
{
	const struct ceth_xdp_buff *buff = (const struct ceth_xdp_buff *)md;

	ops->rx_meta(buff->rxq->priv, buff->info, meta);
	return buff->rxq;
}

/**
 * ceth_hint_time_tmpl() - when the frame arrived
 * @md: the frame
 * @time: by the device's clock, ns
 * @ops: the backend's
 *
 * Return: 0; -ENODATA: not noted, see SIOCSHWTSTAMP.
 */
static __always_inline int ceth_hint_time_tmpl(const struct xdp_md *md,
					       u64 *time,
					       const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta __uninitialized;

	ceth_hint_meta(md, &meta, ops);
	if (!(meta.flags & CETH_RX_TIME))
		return -ENODATA;
	*time = meta.time;
	return 0;
}

/**
 * ceth_hint_hash_tmpl() - the receive hash
 * @md: the frame
 * @hash: the hash
 * @type: what it is of
 * @ops: the backend's
 *
 * Return: 0; -ENODATA: there is none of such a frame, or rx-hashing is off.
 */
static __always_inline int ceth_hint_hash_tmpl(const struct xdp_md *md,
					       u32 *hash,
					       enum xdp_rss_hash_type *type,
					       const struct ceth_dp_ops *ops)
{
	const u32 v4 = CETH_HASH_IPV4 | CETH_HASH_L4V4;
	const u32 tcp = CETH_HASH_TCPV4 | CETH_HASH_TCPV6;
	struct ceth_rx_meta meta __uninitialized;
	const struct ceth_rxq *rxq;
	u32 val;

	rxq = ceth_hint_meta(md, &meta, ops);
	if (!(meta.flags & CETH_RX_HASH) ||
	    !(READ_ONCE(rxq->xdp_rxq.dev->features) & NETIF_F_RXHASH))
		return -ENODATA;

	val = meta.hash_type & v4 ? XDP_RSS_L3_IPV4 : XDP_RSS_L3_IPV6;
	if (meta.hash_type & CETH_HASH_L4)
		val |= XDP_RSS_L4 | (meta.hash_type & tcp ? XDP_RSS_L4_TCP :
				     XDP_RSS_L4_UDP);
	*hash = meta.hash;
	*type = val;
	return 0;
}

/**
 * ceth_hint_vlan_tmpl() - the tag that the device took out of the frame
 * @md: the frame
 * @proto: its EtherType
 * @tci: the tag
 * @ops: the backend's
 *
 * Return: 0; -ENODATA: the frame had none, or it is still in the frame since
 * rx-vlan-offload is off.
 */
static __always_inline int ceth_hint_vlan_tmpl(const struct xdp_md *md,
					       __be16 *proto, u16 *tci,
					       const struct ceth_dp_ops *ops)
{
	struct ceth_rx_meta meta __uninitialized;

	ceth_hint_meta(md, &meta, ops);
	if (!(meta.flags & CETH_RX_VLAN))
		return -ENODATA;
	*proto = htons(ETH_P_8021Q);
	*tci = meta.vlan_tci;
	return 0;
}

#endif /* _NET_CETH_HINTS_H */
