/* SPDX-License-Identifier: GPL-2.0 */
/* What hints.bpf.c writes before a frame, and hints.c reads there */
#ifndef _HINTS_H
#define _HINTS_H

#include <linux/types.h>

/**
 * struct hints - what the NIC said about a frame
 * @time: of arrival, by the NIC's clock, ns
 * @hash: receive hash
 * @type: what @hash is of, bits of the kernel's enum xdp_rss_hash_type
 * @time_err: 0; -EOPNOTSUPP: the NIC has no such thing; -ENODATA: there was none
 * @hash_err: .
 * @vlan_err: .
 * @tci: the VLAN tag that was taken off
 * @pad: the length is a multiple of four
 */
struct hints {
	__u64 time;
	__u32 hash;
	__u32 type;
	__s32 time_err;
	__s32 hash_err;
	__s32 vlan_err;
	__u16 tci;
	__u16 pad;
};

#endif /* _HINTS_H */
