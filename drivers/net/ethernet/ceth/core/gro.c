// SPDX-License-Identifier: GPL-2.0
/* CETH core: received packets that stand for several.
 *
 * What the device has coalesced (CETH_RX_GRO) must look to the stack as if the
 * stack had done it: with everything that is needed to cut it into the same
 * segments again, when it is forwarded. The device's word is not enough: a
 * packet whose headers say otherwise goes up as what it is, one packet, whose
 * checksum nobody has verified.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "core.h"

/* Offset of the TCP header, if the IP header belongs to just this packet; the
 * packet begins there. 0: no such packet.
 */
static u32 ceth_gro_ip(struct sk_buff *skb)
{
	const struct ipv6hdr *ip6 = (const void *)skb->data;
	const struct iphdr *ip = (const void *)skb->data;
	u32 len;

	switch (skb->protocol) {
	case htons(ETH_P_IP):
		len = sizeof(*ip);
		if (skb_headlen(skb) < len || ip->version != 4 ||
		    ip->ihl != len / 4 || ip->protocol != IPPROTO_TCP ||
		    ip_is_fragment(ip) || ntohs(ip->tot_len) != skb->len)
			return 0;
		return len;
	case htons(ETH_P_IPV6):
		len = sizeof(*ip6);
		if (skb_headlen(skb) < len || ip6->version != 6 ||
		    ip6->nexthdr != IPPROTO_TCP ||
		    ntohs(ip6->payload_len) + len != skb->len)
			return 0;
		return len;
	default:
		return 0;
	}
}

static struct tcphdr *ceth_gro_tcp(struct sk_buff *skb, u32 off,
				   const struct ceth_rx_meta *meta)
{
	struct tcphdr *th = (void *)skb->data + off;
	u32 hdr;

	if (!off || skb_headlen(skb) < off + sizeof(*th))
		return NULL;
	hdr = off + th->doff * 4;
	if (th->doff * 4 < sizeof(*th) || skb_headlen(skb) < hdr ||
	    th->syn || th->fin || th->rst || th->urg || th->cwr)
		return NULL;
	if (!meta->gso_size || meta->gso_segs < 2 ||
	    DIV_ROUND_UP(skb->len - hdr, meta->gso_size) != meta->gso_segs)
		return NULL;
	return th;
}

static bool ceth_gro(struct ceth_rxq *rxq, struct sk_buff *skb,
		     const struct ceth_rx_meta *meta)
{
	struct skb_shared_info *sinfo = skb_shinfo(skb);
	struct ceth_rx_stats *st = rxq->stats;
	u32 off = ceth_gro_ip(skb), more;
	struct tcphdr *th;

	th = ceth_gro_tcp(skb, off, meta);
	if (unlikely(!th)) {
		skb->ip_summed = CHECKSUM_NONE;
		ceth_fault(rxq->pair->cdev, CETH_FAULT_RX_DESC, rxq->idx);
		return false;
	}
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, off);
	if (skb->protocol == htons(ETH_P_IP)) {
		const struct iphdr *ip = ip_hdr(skb);

		th->check = ~tcp_v4_check(skb->len - off, ip->saddr, ip->daddr,
					  0);
		sinfo->gso_type = SKB_GSO_TCPV4;
		if (meta->same_id)
			sinfo->gso_type |= SKB_GSO_TCP_FIXEDID;
	} else {
		const struct ipv6hdr *ip6 = ipv6_hdr(skb);

		th->check = ~tcp_v6_check(skb->len - off, &ip6->saddr,
					  &ip6->daddr, 0);
		sinfo->gso_type = SKB_GSO_TCPV6;
	}
	skb->csum_start = (unsigned char *)th - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	skb->ip_summed = CHECKSUM_PARTIAL;
	sinfo->gso_size = meta->gso_size;
	sinfo->gso_segs = meta->gso_segs;

	/* The other segments, and what they had on the wire */
	more = meta->gso_segs - 1;
	off += th->doff * 4 + ETH_HLEN;
	u64_stats_update_begin(&st->syncp);
	st->packets += more;
	st->bytes += more * off;
	st->csum_unnecessary += more;
	st->hw_gro_wire_packets += meta->gso_segs;
	st->hw_gro_wire_bytes += skb->len + ETH_HLEN + more * off;
	u64_stats_update_end(&st->syncp);
	return true;
}

/**
 * ceth_rx_gso() - a packet for the stack that stands for several
 * @rxq: the queue
 * @skb: packet, from behind the Ethernet header on
 * @meta: what the device says about it
 */
void ceth_rx_gso(struct ceth_rxq *rxq, struct sk_buff *skb,
		 const struct ceth_rx_meta *meta)
{
	struct skb_shared_info *sinfo = skb_shinfo(skb);
	struct ceth_rx_stats *st = rxq->stats;

	if (meta->flags & CETH_RX_GRO) {
		if (!ceth_gro(rxq, skb, meta))
			return;
	} else {
		sinfo->gso_size = meta->gso_size;
		sinfo->gso_type = meta->gso_type | SKB_GSO_DODGY;
		if (meta->gso_ecn)
			sinfo->gso_type |= SKB_GSO_TCP_ECN;
		sinfo->gso_segs = 0;
	}
	u64_stats_update_begin(&st->syncp);
	st->hw_gro_packets++;
	st->hw_gro_bytes += skb->len + ETH_HLEN;
	u64_stats_update_end(&st->syncp);
}
