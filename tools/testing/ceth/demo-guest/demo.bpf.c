// SPDX-License-Identifier: GPL-2.0
/*
 * What `make demo` does to packets: one program per verdict. Datagrams to one
 * port are meant, so that ARP and ping work on all the while.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DEMO_PORT 4242

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} out_port SEC(".maps");

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static __always_inline struct headers *meant(struct xdp_md *ctx)
{
	struct headers *h = (void *)(long)ctx->data;
	__u32 zero = 0;
	__u64 *count;

	if ((void *)(h + 1) > (void *)(long)ctx->data_end ||
	    h->eth.h_proto != bpf_htons(ETH_P_IP) || h->ip.ihl != 5 ||
	    h->ip.protocol != IPPROTO_UDP || h->udp.dest != bpf_htons(DEMO_PORT))
		return NULL;
	count = bpf_map_lookup_elem(&seen, &zero);
	if (count)
		(*count)++;
	return h;
}

SEC("xdp")
int demo_pass(struct xdp_md *ctx)
{
	meant(ctx);
	return XDP_PASS;
}

SEC("xdp")
int demo_drop(struct xdp_md *ctx)
{
	return meant(ctx) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int demo_bounce(struct xdp_md *ctx)
{
	struct headers *h = meant(ctx);
	unsigned char mac[ETH_ALEN];
	__be32 addr;
	__be16 port;

	if (!h)
		return XDP_PASS;
	/* Swapping words leaves both checksums right. */
	__builtin_memcpy(mac, h->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(h->eth.h_dest, h->eth.h_source, ETH_ALEN);
	__builtin_memcpy(h->eth.h_source, mac, ETH_ALEN);
	addr = h->ip.daddr;
	h->ip.daddr = h->ip.saddr;
	h->ip.saddr = addr;
	port = h->udp.dest;
	h->udp.dest = h->udp.source;
	h->udp.source = port;
	return XDP_TX;
}

SEC("xdp")
int demo_redirect(struct xdp_md *ctx)
{
	return meant(ctx) ? bpf_redirect_map(&out_port, 0, XDP_DROP) : XDP_PASS;
}

/* Counts what a rule has steered there. */
SEC("xdp")
int demo_steered(struct xdp_md *ctx)
{
	if (ctx->rx_queue_index == 2)
		meant(ctx);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
