// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: which frames are taken, and by which queue. */
#include <linux/etherdevice.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/unaligned.h>

#include "refhw.h"

static bool refhw_filter_has(const struct refhw_filter *filter, const u8 *addr)
{
	u32 i;

	for (i = 0; i < filter->n; i++)
		if (ether_addr_equal_unaligned(filter->addr[i], addr))
			return true;
	return false;
}

/**
 * refhw_filtered() - is a frame for others?
 * @hw: the device
 * @f: frame, parsed
 *
 * Return: it is.
 */
bool refhw_filtered(struct refhw *hw, const struct refhw_frame *f)
{
	const struct refhw_filter *filter;
	const u8 *dst = f->hdr;

	filter = srcu_dereference(hw->filter, &refhw_srcu);
	if (filter && (filter->flags & REFNIC_RX_PROMISC))
		return false;
	if ((READ_ONCE(hw->offloads) & REFNIC_OFF_VLAN_FILTER) && f->vlan &&
	    !test_bit(f->vid, hw->vlans))
		return true;
	if (ether_addr_equal_unaligned(dst, hw->mac) ||
	    is_broadcast_ether_addr(dst))
		return false;
	if (!filter)
		return true;
	if (is_multicast_ether_addr(dst) &&
	    (filter->flags & REFNIC_RX_ALLMULTI))
		return false;
	return !refhw_filter_has(filter, dst);
}

/**
 * refhw_rss_prepare() - compute what refhw_hash() looks up
 * @rss: key is set
 *
 * Toeplitz: for each bit of the input that is set, the 32 bits of the key that
 * begin there. By bytes of the input, it is a look-up.
 */
void refhw_rss_prepare(struct refhw_rss *rss)
{
	u32 i, byte, bit;

	for (i = 0; i < REFHW_HASH_INPUT; i++) {
		u64 key = get_unaligned_be32(rss->key + i);

		key = key << 8 | rss->key[i + 4];
		for (byte = 0; byte < 256; byte++) {
			u32 hash = 0;

			for (bit = 0; bit < 8; bit++)
				if (byte & BIT(7 - bit))
					hash ^= key >> (8 - bit);
			rss->hash[i][byte] = hash;
		}
	}
}

static bool refhw_rule_ip(const struct refnic_cmd_rule *r,
			  const struct refhw_frame *f, u16 fields)
{
	u32 addr = f->v6 ? offsetof(struct ipv6hdr, saddr) :
			   offsetof(struct iphdr, saddr);
	u32 len = f->v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	const u8 *ip = f->hdr + f->l3 + addr;

	if (!f->l3 || f->v6 != !!(r->flags & REFNIC_RULE_V6))
		return false;
	if ((fields & REFNIC_RULE_PROTO) && r->proto && r->proto != f->proto)
		return false;
	if ((fields & REFNIC_RULE_SADDR) && memcmp(ip, r->saddr, len))
		return false;
	if ((fields & REFNIC_RULE_DADDR) && memcmp(ip + len, r->daddr, len))
		return false;
	if (!(fields & (REFNIC_RULE_SPORT | REFNIC_RULE_DPORT)))
		return true;
	if (!f->l4)
		return false;
	if ((fields & REFNIC_RULE_SPORT) &&
	    memcmp(f->hdr + f->l4, &r->sport, sizeof(r->sport)))
		return false;
	return !(fields & REFNIC_RULE_DPORT) ||
	       !memcmp(f->hdr + f->l4 + 2, &r->dport, sizeof(r->dport));
}

static bool refhw_rule_match(const struct refnic_cmd_rule *r,
			     const struct refhw_frame *f)
{
	u16 fields = le16_to_cpu(r->fields);

	if ((fields & REFNIC_RULE_DMAC) && memcmp(f->hdr, r->dmac, ETH_ALEN))
		return false;
	if ((fields & REFNIC_RULE_VLAN) &&
	    (!f->vlan || f->vid != le16_to_cpu(r->vid)))
		return false;
	return !(fields & ~(REFNIC_RULE_DMAC | REFNIC_RULE_VLAN)) ||
	       refhw_rule_ip(r, f, fields);
}

/* The rule for a frame: the first one that matches */
const struct refnic_cmd_rule *refhw_rule(struct refhw *hw,
					 const struct refhw_frame *f)
{
	const struct refnic_cmd_rule *r;
	u32 i;

	for (i = 0; i < REFHW_RULES; i++) {
		r = srcu_dereference(hw->rules[i], &refhw_srcu);
		if (r && refhw_rule_match(r, f))
			return r;
	}
	return NULL;
}

static u32 refhw_toeplitz(const struct refhw_rss *rss, const u8 *in, u32 len,
			  u32 at)
{
	u32 hash = 0, i;

	for (i = 0; i < len; i++)
		hash ^= rss->hash[at + i][in[i]];
	return hash;
}

/**
 * refhw_hash() - hash of a frame
 * @rss: key and types
 * @f: frame, parsed
 * @info: what there is of it, for the completion
 *
 * Return: hash; 0 when there is none.
 */
u32 refhw_hash(const struct refhw_rss *rss, const struct refhw_frame *f,
	       u64 *info)
{
	u32 l3 = f->v6 ? REFNIC_HASH_IPV6 : REFNIC_HASH_IPV4, l4 = 0, len, hash;
	const u8 *addr;

	if (!f->l3)
		return 0;
	if (f->l4 && f->proto == IPPROTO_TCP)
		l4 = f->v6 ? REFNIC_HASH_TCPV6 : REFNIC_HASH_TCPV4;
	else if (f->l4 && f->proto == IPPROTO_UDP)
		l4 = f->v6 ? REFNIC_HASH_UDPV6 : REFNIC_HASH_UDPV4;
	l4 &= rss->types;
	if (!l4 && !(rss->types & l3))
		return 0;

	if (f->v6) {
		addr = f->hdr + f->l3 + offsetof(struct ipv6hdr, saddr);
		len = 2 * sizeof(struct in6_addr);
	} else {
		addr = f->hdr + f->l3 + offsetof(struct iphdr, saddr);
		len = 2 * sizeof(struct in_addr);
	}
	hash = refhw_toeplitz(rss, addr, len, 0);
	*info |= REFNIC_RXC_HASH;
	if (l4) {
		hash ^= refhw_toeplitz(rss, f->hdr + f->l4, 4, len);
		*info |= REFNIC_RXC_HASH_L4;
	}
	return hash;
}
