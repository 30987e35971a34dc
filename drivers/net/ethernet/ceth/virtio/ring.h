/* SPDX-License-Identifier: GPL-2.0 */
/* CETH virtio-net backend: what split and packed rings have in common: the
 * packet header (VIRTIO 1.3, 5.1.6).
 */
#ifndef _CETH_VIRTIO_RING_H
#define _CETH_VIRTIO_RING_H

#include <linux/unaligned.h>

#include "virtio.h"

/* Words of &struct ceth_rx_info. */
enum {
	CVIO_W_HDR,	/* flags, gso_type, hdr_len, gso_size, csum_start */
	CVIO_W_CSUM,	/* csum_offset */
	CVIO_W_HASH,	/* hash_value, hash_report << 32 */
};

static __always_inline u32 cvio_rx_begin(const void *ring,
					 const struct ceth_rx_cmpl *c,
					 const void *prefix,
					 struct ceth_rx_info *info)
{
	const struct cvio_vq *vq = ring;
	u32 n_bufs;

	/* Each part by one load: it may change under our eyes. */
	info->w[CVIO_W_HDR] = get_unaligned_le64(prefix);
	info->w[CVIO_W_CSUM] = get_unaligned_le16(prefix + 8);
	n_bufs = get_unaligned_le16(prefix + 10);
	barrier();
	if (unlikely(vq->rx_odd)) {
		if (vq->hash)
			info->w[CVIO_W_HASH] = get_unaligned_le64(prefix + 12);
		/* Without mergeable buffers the field may hold anything. */
		if (!vq->mergeable)
			return 1;
	}
	return n_bufs;
}

static __always_inline bool cvio_rx_csum_partial(const struct ceth_rx_info *info)
{
	return info->w[CVIO_W_HDR] & VIRTIO_NET_HDR_F_NEEDS_CSUM;
}

static __always_inline void cvio_rx_meta(const void *ring,
					 const struct ceth_rx_info *info,
					 struct ceth_rx_meta *meta)
{
	const struct cvio_vq *vq = ring;
	u64 flags = info->w[CVIO_W_HDR];
	u32 report;
	u8 gso;

	/* Nothing of this is worth keeping from before the program ran. */
	OPTIMIZER_HIDE_VAR(flags);
	gso = flags >> 8;
	meta->flags = 0;
	if (flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		meta->flags |= CETH_RX_CSUM_PARTIAL;
		meta->csum_start = flags >> 48;
		meta->csum_offset = info->w[CVIO_W_CSUM];
	} else if (flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		meta->flags |= CETH_RX_CSUM_OK;
	}

	if (unlikely(gso != VIRTIO_NET_HDR_GSO_NONE)) {
		u8 type = gso & ~VIRTIO_NET_HDR_GSO_ECN;

		meta->gso_ecn = gso & VIRTIO_NET_HDR_GSO_ECN;
		meta->gso_size = flags >> 32;
		meta->gso_type = type == VIRTIO_NET_HDR_GSO_TCPV4 ? SKB_GSO_TCPV4 :
				 type == VIRTIO_NET_HDR_GSO_TCPV6 ? SKB_GSO_TCPV6 :
				 type == VIRTIO_NET_HDR_GSO_UDP_L4 ?
				 SKB_GSO_UDP_L4 : 0;
		if (meta->gso_size && meta->gso_type)
			meta->flags |= CETH_RX_GSO;
	}

	if (!vq->hash)
		return;
	/* 5.1.6.4.4: in the order of the types; those of extension headers,
	 * which nobody asks for, come after.
	 */
	report = (u16)(info->w[CVIO_W_HASH] >> 32) - 1;
	if (report >= VIRTIO_NET_HASH_REPORT_UDPv6)
		return;
	meta->flags |= CETH_RX_HASH;
	meta->hash = info->w[CVIO_W_HASH];
	meta->hash_type = BIT(report);
}

/* Header of a packet to send (5.1.6.2). */
static __always_inline void cvio_tx_prefix(const struct ceth_tx_meta *meta,
					   void *prefix, u32 len)
{
	struct virtio_net_hdr_v1 *hdr = prefix;

	memset(hdr, 0, sizeof(*hdr));
	/* The rest of the longer header means nothing here (5.1.6.4). */
	if (len > sizeof(*hdr))
		memset(hdr + 1, 0, sizeof(struct virtio_net_hdr_v1_hash) -
		       sizeof(*hdr));
	if (likely(!meta))
		return;

	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = __cpu_to_virtio16(true, meta->csum_start);
	hdr->csum_offset = __cpu_to_virtio16(true, meta->csum_offset);
	if (!(meta->flags & CETH_TX_GSO))
		return;
	if (meta->flags & CETH_TX_TSO4)
		hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	else if (meta->flags & CETH_TX_TSO6)
		hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	else
		hdr->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	if (meta->flags & CETH_TX_ECN)
		hdr->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	hdr->gso_size = __cpu_to_virtio16(true, meta->gso_size);
	hdr->hdr_len = __cpu_to_virtio16(true, meta->hdr_len);
}

/* Wrap counter of a free running index: 1 in the first round (2.8.1). */
static __always_inline bool cvio_packed_wrap(const struct cvio_vq *vq, u16 idx)
{
	return !(idx & vq->size);
}

/* Slot and wrap counter, as events and doorbells have them (2.8.10). */
static __always_inline u16 cvio_packed_off_wrap(const struct cvio_vq *vq,
						u16 idx)
{
	return (idx & vq->mask) | cvio_packed_wrap(vq, idx) <<
				  VRING_PACKED_EVENT_F_WRAP_CTR;
}

/* Doorbell (4.1.5.2), with where the next buffer goes if the device wants to
 * know. A stopped queue has none. A receive queue is asked for only when the
 * device has run out of buffers: nothing else makes it look.
 */
static __always_inline void cvio_notify(void *ring)
{
	const struct cvio_vq *vq = ring;
	void __iomem *notify = READ_ONCE(vq->notify);
	u32 next;

	if (unlikely(!notify))
		return;
	if (vq->notify_data) {
		next = vq->v->packed ? cvio_packed_off_wrap(vq, vq->avail_idx) :
				       vq->avail_idx;
		iowrite32(vq->index | next << 16, notify);
	} else {
		iowrite16(vq->index, notify);
		if (vq->post)
			cvio_kick_others(vq);
	}
}

#endif /* _CETH_VIRTIO_RING_H */
