// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: frames: what is in them, checksums, copying. */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>

#include "refhw.h"

static void refhw_parse_v4(struct refhw_frame *f)
{
	const struct iphdr *ip = (const void *)f->hdr + f->l3;
	u32 hlen = ip->ihl * 4, len = ntohs(ip->tot_len);

	if (ip->version != 4 || hlen < sizeof(*ip) || len < hlen ||
	    f->l3 + len > f->len || f->l3 + hlen > f->hdr_len) {
		f->l3 = 0;
		return;
	}
	f->v6 = false;
	f->proto = ip->protocol;
	f->l4_end = f->l3 + len;
	/* Ports of a fragment cannot be told. */
	if (!ip_is_fragment(ip))
		f->l4 = f->l3 + hlen;
}

/* Extension headers end the parsing: as most controllers do it. */
static void refhw_parse_v6(struct refhw_frame *f)
{
	const struct ipv6hdr *ip = (const void *)f->hdr + f->l3;
	u32 len = ntohs(ip->payload_len) + sizeof(*ip);

	if (ip->version != 6 || f->l3 + sizeof(*ip) > f->hdr_len ||
	    f->l3 + len > f->len) {
		f->l3 = 0;
		return;
	}
	f->v6 = true;
	f->proto = ip->nexthdr;
	f->l4_end = f->l3 + len;
	f->l4 = f->l3 + sizeof(*ip);
}

/**
 * refhw_frame_parse() - find the headers
 * @f: frame; its first bytes are in place
 */
void refhw_frame_parse(struct refhw_frame *f)
{
	const struct ethhdr *eth = (const void *)f->hdr;
	__be16 proto = eth->h_proto;
	u32 off = ETH_HLEN;

	f->l3 = 0;
	f->l4 = 0;
	f->vlan = false;
	f->stripped = false;
	if (proto == htons(ETH_P_8021Q) && f->hdr_len >= VLAN_ETH_HLEN) {
		const struct vlan_ethhdr *veth = (const void *)f->hdr;

		f->vlan = true;
		f->vid = ntohs(veth->h_vlan_TCI) & VLAN_VID_MASK;
		proto = veth->h_vlan_encapsulated_proto;
		off = VLAN_ETH_HLEN;
	}
	f->l3 = off;
	if (proto == htons(ETH_P_IP) &&
	    f->hdr_len >= off + sizeof(struct iphdr))
		refhw_parse_v4(f);
	else if (proto == htons(ETH_P_IPV6) &&
		 f->hdr_len >= off + sizeof(struct ipv6hdr))
		refhw_parse_v6(f);
	else
		f->l3 = 0;
	if (!f->l4)
		return;
	if (f->proto == IPPROTO_TCP)
		off = f->l4 + sizeof(struct tcphdr);
	else if (f->proto == IPPROTO_UDP)
		off = f->l4 + sizeof(struct udphdr);
	else
		off = U32_MAX;
	if (off > f->l4_end || off > f->hdr_len)
		f->l4 = 0;
}

/* A frame that lies in one piece */
void refhw_frame_flat(struct refhw_frame *f, const u8 *data, u32 len)
{
	f->len = len;
	f->hdr_len = min_t(u32, len, REFNIC_HDR_MAX);
	refhw_copy(f->hdr, data, f->hdr_len);
	f->iov[0].p = data + f->hdr_len;
	f->iov[0].len = len - f->hdr_len;
	f->n = f->iov[0].len ? 1 : 0;
	f->csum_done = false;
}

/**
 * refhw_frame_copy() - copy a part
 * @f: frame
 * @off: first byte
 * @to: where to
 * @len: bytes, all of them in the frame
 */
void refhw_frame_copy(const struct refhw_frame *f, u32 off, u8 *to, u32 len)
{
	const struct refhw_iov *iov = f->iov;
	u32 n;

	if (off < f->hdr_len) {
		n = min(len, f->hdr_len - off);
		refhw_copy(to, f->hdr + off, n);
		to += n;
		len -= n;
		off = 0;
	} else {
		off -= f->hdr_len;
	}
	for (; len; iov++) {
		if (off >= iov->len) {
			off -= iov->len;
			continue;
		}
		n = min(len, iov->len - off);
		memcpy(to, iov->p + off, n);
		to += n;
		len -= n;
		off = 0;
	}
}

/* Sum of @len bytes from @off. */
static __wsum refhw_frame_sum(const struct refhw_frame *f, u32 off, u32 len)
{
	const struct refhw_iov *iov = f->iov;
	__wsum sum = 0;
	u32 n, at = 0;

	if (off < f->hdr_len) {
		n = min(len, f->hdr_len - off);
		sum = csum_partial(f->hdr + off, n, 0);
		at = n;
		off = 0;
	} else {
		off -= f->hdr_len;
	}
	for (; at < len; iov++) {
		if (off >= iov->len) {
			off -= iov->len;
			continue;
		}
		n = min(len - at, iov->len - off);
		sum = csum_block_add(sum, csum_partial(iov->p + off, n, 0), at);
		at += n;
		off = 0;
	}
	return sum;
}

/**
 * refhw_frame_pseudo() - sum of the pseudo header
 * @f: frame
 * @len: bytes from the transport header on
 *
 * Return: sum, as it is put where the checksum goes.
 */
__sum16 refhw_frame_pseudo(const struct refhw_frame *f, u32 len)
{
	const void *l3 = f->hdr + f->l3;
	const struct ipv6hdr *ip6 = l3;
	const struct iphdr *ip = l3;

	if (f->v6)
		return ~csum_ipv6_magic(&ip6->saddr, &ip6->daddr, len, f->proto,
					0);
	return ~csum_tcpudp_magic(ip->saddr, ip->daddr, len, f->proto, 0);
}

/**
 * refhw_frame_csum() - complete a checksum
 * @f: frame
 * @start: first byte to sum; to the end of the frame
 * @offset: of the checksum, from @start; what it holds is summed too
 *
 * Return: done; false when it is not in the headers.
 */
bool refhw_frame_csum(struct refhw_frame *f, u32 start, u32 offset)
{
	__sum16 sum;

	if (start + offset + sizeof(sum) > f->hdr_len)
		return false;
	sum = csum_fold(refhw_frame_sum(f, start, f->len - start));
	if (!sum)
		sum = CSUM_MANGLED_0;
	memcpy(f->hdr + start + offset, &sum, sizeof(sum));
	return true;
}

/* A frame's addresses without the tag that follows them */
void refhw_frame_untag(struct refhw_frame *f)
{
	const struct vlan_ethhdr *veth = (const void *)f->hdr;

	f->tci = ntohs(veth->h_vlan_TCI);
	memmove(f->hdr + 2 * ETH_ALEN, f->hdr + 2 * ETH_ALEN + VLAN_HLEN,
		f->hdr_len - 2 * ETH_ALEN - VLAN_HLEN);
	f->hdr_len -= VLAN_HLEN;
	f->len -= VLAN_HLEN;
	f->stripped = true;
	if (f->l3)
		f->l3 -= VLAN_HLEN;
	if (f->l4)
		f->l4 -= VLAN_HLEN;
	f->l4_end -= VLAN_HLEN;
}

/* And with one. False: it does not fit. */
bool refhw_frame_tag(struct refhw_frame *f, u16 tci)
{
	struct vlan_ethhdr *veth = (void *)f->hdr;

	if (f->hdr_len < ETH_HLEN || f->hdr_len + VLAN_HLEN > sizeof(f->hdr))
		return false;
	memmove(f->hdr + 2 * ETH_ALEN + VLAN_HLEN, f->hdr + 2 * ETH_ALEN,
		f->hdr_len - 2 * ETH_ALEN);
	veth->h_vlan_proto = htons(ETH_P_8021Q);
	veth->h_vlan_TCI = htons(tci);
	f->hdr_len += VLAN_HLEN;
	f->len += VLAN_HLEN;
	return true;
}

/* Bytes of all headers of a TCP or UDP packet; 0: it is none, or has no data. */
u32 refhw_frame_headers(const struct refhw_frame *f)
{
	u32 len;

	if (!f->l4)
		return 0;
	len = f->l4 + sizeof(struct udphdr);
	if (f->proto == IPPROTO_TCP)
		len = f->l4 + ((const struct tcphdr *)(f->hdr + f->l4))->doff *
		      4;
	return len < f->l4_end && len <= f->hdr_len ? len : 0;
}

/**
 * refhw_frame_verify() - verify the checksums of a frame that is parsed
 * @f: frame
 *
 * Return: 1 when they are right, 0 when there is none, -1 when one is wrong.
 */
int refhw_frame_verify(const struct refhw_frame *f)
{
	u32 len = f->l4_end - f->l4;
	__wsum sum;

	if (!f->l3)
		return 0;
	if (!f->v6) {
		const struct iphdr *ip = (const void *)f->hdr + f->l3;

		if (ip_fast_csum(ip, ip->ihl))
			return -1;
	}
	if (!f->l4)
		return 0;
	if (f->csum_done)
		return 1;
	if (f->proto == IPPROTO_UDP) {
		const struct udphdr *uh = (const void *)f->hdr + f->l4;

		if (!uh->check)
			return 0;
		if (ntohs(uh->len) < sizeof(*uh) || ntohs(uh->len) > len)
			return 0;
		len = ntohs(uh->len);
	}
	sum = refhw_frame_sum(f, f->l4, len);
	if (f->v6) {
		const struct ipv6hdr *ip = (const void *)f->hdr + f->l3;

		return csum_ipv6_magic(&ip->saddr, &ip->daddr, len, f->proto,
				       sum) ? -1 : 1;
	}
	return csum_tcpudp_magic(((struct iphdr *)(f->hdr + f->l3))->saddr,
				 ((struct iphdr *)(f->hdr + f->l3))->daddr,
				 len, f->proto, sum) ? -1 : 1;
}

/**
 * refhw_frame_slice() - the header of a frame and a part of the rest
 * @to: frame that is made
 * @f: frame
 * @off: first byte of the part, counted from the end of the header
 * @len: bytes of the part
 */
void refhw_frame_slice(struct refhw_frame *to, const struct refhw_frame *f,
		       u32 off, u32 len)
{
	const struct refhw_iov *iov = f->iov;
	struct refhw_iov *out = to->iov;

	memcpy(to->hdr, f->hdr, f->hdr_len);
	to->hdr_len = f->hdr_len;
	to->len = f->hdr_len + len;
	to->l3 = f->l3;
	to->l4 = f->l4;
	to->v6 = f->v6;
	to->proto = f->proto;
	for (; len; iov++) {
		if (off >= iov->len) {
			off -= iov->len;
			continue;
		}
		out->p = iov->p + off;
		out->len = min(len, iov->len - off);
		len -= out->len;
		off = 0;
		out++;
	}
	to->n = out - to->iov;
}
