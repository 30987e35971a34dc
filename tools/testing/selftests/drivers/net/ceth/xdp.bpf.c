// SPDX-License-Identifier: GPL-2.0
/* Programs of the conformance tests: they do what the map "config" says to the
 * frames of the tests, count those, and let everything else through.
 *
 * Each comes twice, for frames of one buffer and for frames of many.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TEST_ETHERTYPE	0x88b5
#define TEST_NET_2	0xc6336400	/* 198.51.100.0/24 */
#define META_MARK	0xce7411a5
/* Frames that found no place in the verdict's own counter */
#define COUNT_ERROR	5
#define COUNT_META	6
#define COUNT_SECOND	7

struct config {
	__u32 verdict;
	__s32 head;
	__s32 tail;
	__u32 meta;
	__u32 cpu;
	__u32 port;
	__u32 sample;
	__u32 unused;
};

struct count {
	__u64 frames;
	__u64 bytes;
	__u64 sample;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

/* A map of targets belongs to programs of one kind, with frags or without. */
struct port_map {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps"), ports_frags SEC(".maps");

struct cpu_map {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} cpus SEC(".maps"), cpus_frags SEC(".maps");

struct xsk_map {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

static __always_inline void add(__u32 key, __u64 bytes, __u64 sample)
{
	struct count *c = bpf_map_lookup_elem(&counts, &key);

	if (!c)
		return;
	c->frames++;
	c->bytes += bytes;
	c->sample += sample;
}

/* Is this a frame of the tests? */
static __always_inline bool ours(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	/* With a tag: the tag, and what follows */
	__be16 *vlan = (void *)(eth + 1);

	if ((void *)(eth + 1) > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_8021Q))
		return (void *)(vlan + 2) <= end &&
		       vlan[1] == bpf_htons(TEST_ETHERTYPE);
	if (eth->h_proto == bpf_htons(TEST_ETHERTYPE))
		return true;
	if (eth->h_proto != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end)
		return false;
	return (bpf_ntohl(ip->daddr) & 0xffffff00) == TEST_NET_2;
}

/* The Ethernet header stays in front, whatever is added or taken away. */
static __always_inline int adjust_head(struct xdp_md *ctx, int bytes)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct ethhdr copy;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(&copy, eth, sizeof(copy));
	if (bpf_xdp_adjust_head(ctx, -bytes))
		return -1;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(eth, &copy, sizeof(copy));
	return 0;
}

static __always_inline int set_meta(struct xdp_md *ctx, __u32 bytes)
{
	__u32 *mark;

	if (bpf_xdp_adjust_meta(ctx, -(int)bytes))
		return -1;
	mark = (void *)(long)ctx->data_meta;
	if ((void *)(mark + 1) > (void *)(long)ctx->data)
		return -1;
	*mark = META_MARK;
	return 0;
}

static __always_inline int swap_macs(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return 0;
}

static __always_inline int handle(struct xdp_md *ctx, void *map)
{
	__u64 len = bpf_xdp_get_buff_len(ctx);
	struct config *cfg;
	__u32 zero = 0;
	__u8 sample = 0;

	if (!ours(ctx))
		return XDP_PASS;
	cfg = bpf_map_lookup_elem(&config, &zero);
	if (!cfg)
		return XDP_PASS;
	if (cfg->sample && bpf_xdp_load_bytes(ctx, cfg->sample, &sample, 1))
		goto error;
	if (cfg->head && adjust_head(ctx, cfg->head))
		goto error;
	if (cfg->tail && bpf_xdp_adjust_tail(ctx, cfg->tail))
		goto error;
	if (cfg->meta && set_meta(ctx, cfg->meta))
		goto error;
	if (cfg->verdict == XDP_TX && swap_macs(ctx))
		goto error;
	add(cfg->verdict < COUNT_ERROR ? cfg->verdict : XDP_ABORTED, len, sample);
	if (cfg->verdict == XDP_REDIRECT)
		return bpf_redirect_map(map, cfg->port, 0);
	return cfg->verdict;
error:
	add(COUNT_ERROR, len, 0);
	return XDP_DROP;
}

SEC("xdp")
int verdict(struct xdp_md *ctx)
{
	return handle(ctx, &ports);
}

SEC("xdp.frags")
int verdict_frags(struct xdp_md *ctx)
{
	return handle(ctx, &ports_frags);
}

/* A second one that does nothing, to replace others with */
SEC("xdp.frags")
int pass_frags(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

static __always_inline int send_to_cpu(struct xdp_md *ctx, void *map)
{
	struct config *cfg;
	__u32 zero = 0;

	cfg = bpf_map_lookup_elem(&config, &zero);
	if (!cfg || !ours(ctx))
		return XDP_PASS;
	add(XDP_REDIRECT, bpf_xdp_get_buff_len(ctx), 0);
	return bpf_redirect_map(map, cfg->cpu, 0);
}

SEC("xdp")
int to_cpu(struct xdp_md *ctx)
{
	return send_to_cpu(ctx, &cpus);
}

SEC("xdp.frags")
int to_cpu_frags(struct xdp_md *ctx)
{
	return send_to_cpu(ctx, &cpus_frags);
}

/* On the CPU that a frame was sent to: on to a port */
static __always_inline int from_cpu(struct xdp_md *ctx, void *map)
{
	struct config *cfg;
	__u32 zero = 0;

	cfg = bpf_map_lookup_elem(&config, &zero);
	if (!cfg)
		return XDP_PASS;
	add(COUNT_SECOND, bpf_xdp_get_buff_len(ctx), 0);
	return bpf_redirect_map(map, cfg->port, 0);
}

SEC("xdp/cpumap")
int cpu_to_port(struct xdp_md *ctx)
{
	return from_cpu(ctx, &ports);
}

SEC("xdp.frags/cpumap")
int cpu_to_port_frags(struct xdp_md *ctx)
{
	return from_cpu(ctx, &ports_frags);
}

/* To the AF_XDP socket of the queue; what is not of the tests, to the stack.
 * Every so manieth frame (config.port) has the verdict of the configuration;
 * when that is to redirect, to the first port.
 */
static __always_inline int to_xsk_map(struct xdp_md *ctx, void *targets)
{
	struct config *cfg;
	__u32 zero = 0;

	cfg = bpf_map_lookup_elem(&config, &zero);
	if (!cfg || !ours(ctx))
		return XDP_PASS;
	if (cfg->port && !(++cfg->unused % cfg->port)) {
		add(cfg->verdict & 7, bpf_xdp_get_buff_len(ctx), 0);
		if (cfg->verdict == XDP_REDIRECT)
			return bpf_redirect_map(targets, 0, XDP_ABORTED);
		return cfg->verdict;
	}
	add(XDP_REDIRECT, bpf_xdp_get_buff_len(ctx), 0);
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_DROP);
}

SEC("xdp")
int to_xsk(struct xdp_md *ctx)
{
	return to_xsk_map(ctx, &ports);
}

SEC("xdp.frags")
int to_xsk_frags(struct xdp_md *ctx)
{
	return to_xsk_map(ctx, &ports_frags);
}

/* On ingress: does the metadata that a program put there arrive? */
SEC("tc")
int see_meta(struct __sk_buff *skb)
{
	__u32 *mark = (void *)(long)skb->data_meta;

	if ((void *)(mark + 1) <= (void *)(long)skb->data && *mark == META_MARK)
		add(COUNT_META, (long)skb->data - (long)skb->data_meta, 0);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
