// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: which frames are taken, and by which queue. */
#include <linux/bitfield.h>
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
	if (filter && filter->promisc)
		return false;
	if ((hw->feat & REFNIC_F_VLAN_FILTER) && f->vlan &&
	    !test_bit(f->vid, hw->vlans))
		return true;
	if (ether_addr_equal_unaligned(dst, hw->mac) ||
	    is_broadcast_ether_addr(dst))
		return false;
	if (!filter)
		return true;
	if (is_multicast_ether_addr(dst) && filter->allmulti)
		return false;
	return !refhw_filter_has(filter, dst);
}

/**
 * refhw_owns() - is a frame for an address of this device?
 * @hw: the device
 * @f: frame
 *
 * Return: it is unicast, and the address is the device's own or in its table.
 */
bool refhw_owns(struct refhw *hw, const struct refhw_frame *f)
{
	const struct refhw_filter *filter;
	const u8 *dst = f->hdr;

	if (is_multicast_ether_addr(dst))
		return false;
	filter = srcu_dereference(hw->filter, &refhw_srcu);
	return ether_addr_equal_unaligned(dst, hw->mac) ||
	       (filter && refhw_filter_has(filter, dst));
}

/**
 * refhw_rss_prepare() - compute what refhw_hash() looks up
 * @rss: key is set, the rest of it zero
 *
 * Toeplitz: for each bit of the input that is set, the 32 bits of the key that
 * begin there. By bytes of the input, it is a look-up; the hash of a byte is that
 * of one with a bit less, and that bit's.
 */
void refhw_rss_prepare(struct refhw_rss *rss)
{
	u32 i, byte;

	for (i = 0; i < REFHW_HASH_INPUT; i++) {
		u64 key = get_unaligned_be32(rss->key + i);
		u32 *hash = rss->hash[i];

		key = key << 8 | rss->key[i + 4];
		for (byte = 1; byte < 256; byte++)
			hash[byte] = hash[byte & (byte - 1)] ^
				     (u32)(key >> (1 + __ffs(byte)));
	}
}

static bool refhw_rule_ip(const struct refhw_rule *r,
			  const struct refhw_frame *f, u16 fields)
{
	u32 addr = f->v6 ? offsetof(struct ipv6hdr, saddr) :
			   offsetof(struct iphdr, saddr);
	u32 len = f->v6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	const u8 *ip = f->hdr + f->l3 + addr;

	if (!f->l3 || f->v6 != r->v6)
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
	    get_unaligned_be16(f->hdr + f->l4) != r->sport)
		return false;
	return !(fields & REFNIC_RULE_DPORT) ||
	       get_unaligned_be16(f->hdr + f->l4 + 2) == r->dport;
}

static bool refhw_rule_match(const struct refhw_rule *r,
			     const struct refhw_frame *f)
{
	u16 fields = r->fields;

	if ((fields & REFNIC_RULE_DMAC) && memcmp(f->hdr, r->dmac, ETH_ALEN))
		return false;
	if ((fields & REFNIC_RULE_VLAN) &&
	    (!f->vlan || f->vid != r->vid))
		return false;
	return !(fields & ~(REFNIC_RULE_DMAC | REFNIC_RULE_VLAN)) ||
	       refhw_rule_ip(r, f, fields);
}

/* The rule for a frame: the first one that matches */
static const struct refhw_rule *refhw_rule(struct refhw *hw,
					   const struct refhw_frame *f)
{
	const struct refhw_rule *r;
	u32 i, end = READ_ONCE(hw->rules_end);

	for (i = 0; i < end; i++) {
		r = srcu_dereference(hw->rules[i], &refhw_srcu);
		if (r && refhw_rule_match(r, f))
			return r;
	}
	return NULL;
}

/* Of @len bytes of the input, which are at @off there */
static u32 refhw_toeplitz(const struct refhw_rss *rss, const u8 *in, u32 off,
			  u32 len)
{
	const u32 (*table)[256] = &rss->hash[off];
	u32 hash = 0, i;

	for (i = 0; i < len; i++)
		hash ^= table[i][in[i]];
	return hash;
}

static void refhw_hash_pair(u8 *src, u8 *dst, u32 len, u8 xfrm)
{
	u32 i;

	for (i = 0; i < len; i++) {
		u8 both = src[i] ^ dst[i];

		src[i] = xfrm == REFNIC_XFRM_XOR ? both : src[i] | dst[i];
		dst[i] = both;
	}
}

/* The input of the hash with what was asked to be different about it: @in,
 * with addresses of @len bytes. False: nothing of it is left.
 */
static bool refhw_hash_input(const struct refhw_rss *rss, u8 *in, u32 len,
			     u32 without, bool l4)
{
	u32 all = REFNIC_HASH_SADDR | REFNIC_HASH_DADDR;

	if (l4)
		all |= REFNIC_HASH_SPORT | REFNIC_HASH_DPORT;
	if (!(all & ~without))
		return false;
	if (without & REFNIC_HASH_SADDR)
		memset(in, 0, len);
	if (without & REFNIC_HASH_DADDR)
		memset(in + len, 0, len);
	if (without & REFNIC_HASH_SPORT)
		memset(in + 2 * len, 0, sizeof(__be16));
	if (without & REFNIC_HASH_DPORT)
		memset(in + 2 * len + sizeof(__be16), 0, sizeof(__be16));
	if (!rss->xfrm)
		return true;
	refhw_hash_pair(in, in + len, len, rss->xfrm);
	if (l4)
		refhw_hash_pair(in + 2 * len, in + 2 * len + sizeof(__be16),
				sizeof(__be16), rss->xfrm);
	return true;
}

/* Hash of a frame; what there is of it goes to @info, for the completion. */
static u32 refhw_hash(const struct refhw_rss *rss, const struct refhw_frame *f,
		      u32 *info)
{
	u32 type = f->v6 ? REFNIC_HASH_IPV6 : REFNIC_HASH_IPV4, l4 = 0, len;
	u32 ports = REFNIC_HASH_SPORT | REFNIC_HASH_DPORT, without;
	const u8 *addr, *port = f->hdr + f->l4;
	u8 in[REFHW_HASH_INPUT] __uninitialized;

	if (!f->l3)
		return 0;
	if (f->l4 && f->proto == IPPROTO_TCP)
		l4 = f->v6 ? REFNIC_HASH_TCPV6 : REFNIC_HASH_TCPV4;
	else if (f->l4 && f->proto == IPPROTO_UDP)
		l4 = f->v6 ? REFNIC_HASH_UDPV6 : REFNIC_HASH_UDPV4;
	l4 &= rss->types;
	if (l4)
		type = l4;
	else if (!(rss->types & type))
		return 0;

	addr = f->hdr + f->l3;
	if (f->v6) {
		len = sizeof(struct in6_addr);
		addr += offsetof(struct ipv6hdr, saddr);
	} else {
		len = sizeof(struct in_addr);
		addr += offsetof(struct iphdr, saddr);
	}
	without = rss->without >> (4 * __ffs(type));
	if (without || rss->xfrm) {
		memcpy(in, addr, 2 * len);
		addr = in;
		if (l4)
			memcpy(in + 2 * len, port, 2 * sizeof(__be16));
		port = in + 2 * len;
		if (!refhw_hash_input(rss, in, len, without, l4))
			return 0;
	}
	if (!(~without & ports))
		type = f->v6 ? REFNIC_HASH_IPV6 : REFNIC_HASH_IPV4;
	*info |= REFNIC_CF_HASH | FIELD_PREP(REFHW_INFO_HASH, type);
	return refhw_toeplitz(rss, addr, 0, 2 * len) ^
	       (l4 ? refhw_toeplitz(rss, port, 2 * len, 4) : 0);
}

/**
 * refhw_steer() - where a frame goes
 * @hw: the device
 * @f: frame, parsed
 * @info: what there is of the hash, for the completion
 * @hash: hash
 *
 * Return: steering index, which need not be that of a queue; or
 * REFNIC_RULE_DROP.
 */
u32 refhw_steer(struct refhw *hw, const struct refhw_frame *f, u32 *info,
		u32 *hash)
{
	const struct refhw_rule *rule = NULL;
	const struct refhw_rss *rss;
	u32 ctx = 0, index = 0;

	if (hw->feat & REFNIC_F_RULES)
		rule = refhw_rule(hw, f);
	if (rule && rule->rss)
		ctx = rule->ctx;
	rss = srcu_dereference(hw->rss[ctx], &refhw_srcu);
	if (rss) {
		*hash = refhw_hash(rss, f, info);
		index = *info & REFNIC_CF_HASH ?
			rss->indir[*hash % REFHW_INDIR_LEN] : rss->indir[0];
		if (!(READ_ONCE(hw->offloads) & REFNIC_OFF_RX_HASH))
			*info = 0;
	}
	if (!rule)
		return index;
	return rule->rss ? index + rule->index : rule->index;
}
