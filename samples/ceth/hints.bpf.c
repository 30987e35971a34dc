// SPDX-License-Identifier: GPL-2.0
/* Asks the NIC what it knows about a frame, writes that before the frame, and
 * hands both to an AF_XDP socket. See hints.c.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "hints.h"

enum xdp_rss_hash_type { UNUSED };

/* The kernel puts the driver's own functions here when the program is loaded,
 * which is why it has to be loaded for one NIC.
 */
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx,
					 __u64 *timestamp) __ksym;
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash,
				    enum xdp_rss_hash_type *type) __ksym;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx,
					__be16 *proto, __u16 *tci) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

SEC("xdp")
int hints(struct xdp_md *ctx)
{
	enum xdp_rss_hash_type type = 0;
	struct hints *h;
	__be16 proto;

	/* Room between the headroom and the frame; it goes with the frame. */
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*h)))
		return XDP_PASS;
	h = (void *)(long)ctx->data_meta;
	if ((void *)(h + 1) > (void *)(long)ctx->data)
		return XDP_PASS;

	h->time_err = bpf_xdp_metadata_rx_timestamp(ctx, &h->time);
	h->hash_err = bpf_xdp_metadata_rx_hash(ctx, &h->hash, &type);
	h->type = type;
	h->vlan_err = bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &h->tci);
	/* A queue without a socket: the frame is the kernel's. */
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
