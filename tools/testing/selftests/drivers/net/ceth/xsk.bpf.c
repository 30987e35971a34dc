// SPDX-License-Identifier: GPL-2.0
/* To AF_XDP sockets, of which a queue may have several: each has flows of its
 * own. What no socket takes is the stack's.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TEST_ETHERTYPE	0x88b5
#define TEST_NET_2	0xc6336400	/* 198.51.100.0/24 */
#define FIRST_PORT	10000
#define PER_QUEUE	16

/* Sockets of a queue; frames that are not UDP are the first one's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} each SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 8 * PER_QUEUE);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

SEC("xdp")
int by_flow(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 zero = 0, *n, of = 0;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(TEST_ETHERTYPE)) {
		if (eth->h_proto != bpf_htons(ETH_P_IP) ||
		    (void *)(udp + 1) > end ||
		    (bpf_ntohl(ip->daddr) & 0xffffff00) != TEST_NET_2)
			return XDP_PASS;
		n = bpf_map_lookup_elem(&each, &zero);
		if (!n || !*n)
			return XDP_PASS;
		of = (bpf_ntohs(udp->source) - FIRST_PORT) % *n;
	}
	return bpf_redirect_map(&xsks, ctx->rx_queue_index * PER_QUEUE + of,
				XDP_PASS);
}

char _license[] SEC("license") = "GPL";
