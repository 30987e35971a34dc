// SPDX-License-Identifier: GPL-2.0
/* Programs that ask all there is to ask about a frame, and note the answers.
 * They are bound to a device: others cannot ask.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SEEN	1024
#define HEAD	128
/* Of the room before a frame, what a program can be sure to have */
#define ROOM	192

/* The kernel knows what is in it. */
enum xdp_rss_hash_type { UNUSED };

extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx,
					 __u64 *timestamp) __ksym;
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash,
				    enum xdp_rss_hash_type *type) __ksym;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx,
					__be16 *proto, __u16 *tci) __ksym;

struct seen {
	__u64 time;
	__u32 hash;
	__u32 type;
	__s32 time_err;
	__s32 hash_err;
	__s32 vlan_err;
	__be16 proto;
	__u16 tci;
	__u8 head[HEAD];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN);
	__type(key, __u32);
	__type(value, struct seen);
} frames SEC(".maps");

/* Frames noted, and the verdict on all */
struct state {
	__u32 count;
	__u32 verdict;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} state SEC(".maps");

static __always_inline int note(struct xdp_md *ctx)
{
	enum xdp_rss_hash_type type = 0;
	struct state *st;
	struct seen *s;
	__u32 n = 0;

	st = bpf_map_lookup_elem(&state, &n);
	if (!st)
		return XDP_ABORTED;
	n = __sync_fetch_and_add(&st->count, 1);
	s = bpf_map_lookup_elem(&frames, &n);
	if (!s)
		return st->verdict;

	s->time_err = bpf_xdp_metadata_rx_timestamp(ctx, &s->time);
	s->hash_err = bpf_xdp_metadata_rx_hash(ctx, &s->hash, &type);
	s->type = type;
	s->vlan_err = bpf_xdp_metadata_rx_vlan_tag(ctx, &s->proto, &s->tci);
	bpf_xdp_load_bytes(ctx, 0, s->head, HEAD);
	return st->verdict;
}

SEC("xdp")
int hints(struct xdp_md *ctx)
{
	return note(ctx);
}

SEC("xdp.frags")
int hints_frags(struct xdp_md *ctx)
{
	return note(ctx);
}

/* What the device wrote before the frame is gone when somebody asks. */
SEC("xdp.frags")
int hints_scribble(struct xdp_md *ctx)
{
	__u8 *data, *end;
	int i;

	if (bpf_xdp_adjust_head(ctx, -ROOM))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ROOM > end)
		return XDP_ABORTED;
	for (i = 0; i < ROOM; i++)
		data[i] = 0xa5;
	if (bpf_xdp_adjust_head(ctx, ROOM))
		return XDP_ABORTED;
	return note(ctx);
}

char _license[] SEC("license") = "GPL";
