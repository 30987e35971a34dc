// SPDX-License-Identifier: GPL-2.0
/* Hands all frames of a queue to its AF_XDP socket. libxdp has such a program
 * built in; this one knows frames of several buffers, too. See forward.c.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

SEC("xdp.frags")
int to_socket(struct xdp_md *ctx)
{
	/* A queue without a socket: the frame is the kernel's. */
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "GPL";
