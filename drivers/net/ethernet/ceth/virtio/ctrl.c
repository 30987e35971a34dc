// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: control virtqueue (5.1.6.5).
 *
 * One command at a time, all of them under the core's configuration lock: no
 * lock of our own. The answer is waited for asleep, and not for ever.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>

#include "ring.h"

/* Before ctrl_data: the answer, then the header, which takes one descriptor
 * with the data this way, and leaves it aligned.
 */
#define CVIO_CTRL_HDR	(sizeof(u64) - sizeof(struct virtio_net_ctrl_hdr))

/* A command takes two entries, and there is never more than one. */
#define CVIO_CTRL_RING	16

#define CVIO_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define CVIO_USED	BIT(VRING_PACKED_DESC_F_USED)

/**
 * cvio_ctrl_alloc() - memory of the control virtqueue
 * @v: the device, features negotiated
 *
 * Return: 0 or a negative errno.
 */
int cvio_ctrl_alloc(struct cvio *v)
{
	/* After those of all pairs the device has, used or not (5.1.2). */
	u16 index = v->max_pairs * 2, size;
	void *buf;

	if (!cvio_has(v, VIRTIO_NET_F_CTRL_VQ))
		return 0;
	size = min(vp_modern_get_queue_size(&v->mdev, index), CVIO_CTRL_RING);
	if (size < 2)
		return -ENODEV;
	buf = dmam_alloc_coherent(&v->pdev->dev,
				  CVIO_CTRL_DATA_MAX + sizeof(u64),
				  &v->ctrl_dma, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	v->ctrl_data = buf + sizeof(u64);
	return cvio_vq_alloc(v, &v->ctrl, index, rounddown_pow_of_two(size));
}

/* 2.7.13: out descriptor, in descriptor, head into the available ring */
static void cvio_ctrl_post_split(struct cvio *v, u32 len)
{
	struct cvio_vq *vq = &v->ctrl;

	vq->desc[0].addr = __cpu_to_virtio64(true, v->ctrl_dma + CVIO_CTRL_HDR);
	vq->desc[0].len = __cpu_to_virtio32(true, len);
	vq->desc[0].flags = __cpu_to_virtio16(true, VRING_DESC_F_NEXT);
	vq->desc[0].next = __cpu_to_virtio16(true, 1);
	vq->desc[1].addr = __cpu_to_virtio64(true, v->ctrl_dma);
	vq->desc[1].len = __cpu_to_virtio32(true, 1);
	vq->desc[1].flags = __cpu_to_virtio16(true, VRING_DESC_F_WRITE);
	vq->avail->ring[vq->avail_idx++ & vq->mask] = 0;
	dma_wmb();
	WRITE_ONCE(vq->avail->idx, __cpu_to_virtio16(true, vq->avail_idx));
	cvio_notify(vq, vq->avail_idx);
}

/* 2.8.21: both descriptors, the flags of the first one last. The ring's size
 * is even, so that they lie in the same round.
 */
static void cvio_ctrl_post_packed(struct cvio *v, u32 len)
{
	struct cvio_vq *vq = &v->ctrl;
	struct vring_packed_desc *desc = &vq->ring[vq->avail_idx];
	u16 flags = vq->avail_flags, wrap;

	desc[0].addr = cpu_to_le64(v->ctrl_dma + CVIO_CTRL_HDR);
	desc[0].len = cpu_to_le32(len);
	desc[0].id = 0;
	desc[1].addr = cpu_to_le64(v->ctrl_dma);
	desc[1].len = cpu_to_le32(1);
	desc[1].id = 0;
	desc[1].flags = cpu_to_le16(flags | VRING_DESC_F_WRITE);
	dma_wmb();
	WRITE_ONCE(desc[0].flags, cpu_to_le16(flags | VRING_DESC_F_NEXT));
	vq->avail_idx += 2;
	if (vq->avail_idx == vq->size) {
		vq->avail_idx = 0;
		vq->avail_flags ^= CVIO_AVAIL | CVIO_USED;
	}
	wrap = !!(vq->avail_flags & CVIO_AVAIL);
	cvio_notify(vq, vq->avail_idx | wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
}

static bool cvio_ctrl_done(struct cvio *v)
{
	struct cvio_vq *vq = &v->ctrl;
	u16 flags;

	if (!v->packed) {
		if (__virtio16_to_cpu(true, READ_ONCE(vq->used->idx)) ==
		    vq->used_idx)
			return false;
		vq->used_idx++;
	} else {
		/* Used: both bits equal our wrap counter (2.8.1). */
		flags = le16_to_cpu(READ_ONCE(vq->ring[vq->used_idx].flags));
		flags &= CVIO_AVAIL | CVIO_USED;
		if (flags != (vq->used_wrap ? CVIO_AVAIL | CVIO_USED : 0))
			return false;
		/* One answer, in the place of the first descriptor (2.8.6). */
		vq->used_idx += 2;
		if (vq->used_idx == vq->size) {
			vq->used_idx = 0;
			vq->used_wrap = !vq->used_wrap;
		}
	}
	/* The answer was written before the sign. */
	dma_rmb();
	return true;
}

/**
 * cvio_ctrl() - send a command and wait for the answer
 * @v: the device
 * @class: class of the command
 * @cmd: command
 * @data: what belongs to it; may have been built in ctrl_data
 * @len: bytes of @data
 *
 * Return: 0, -EINVAL when the device refuses, -EIO when it is out of order.
 */
int cvio_ctrl(struct cvio *v, u8 class, u8 cmd, const void *data, u32 len)
{
	struct virtio_net_ctrl_hdr *hdr = v->ctrl_data - sizeof(*hdr);
	unsigned long deadline = jiffies + CVIO_TIMEOUT;
	u8 *ack = v->ctrl_data - sizeof(u64);
	bool late = false;
	u32 us = 10;

	if (!v->up || v->broken)
		return -EIO;
	if (WARN_ON_ONCE(!v->ctrl_data || len > CVIO_CTRL_DATA_MAX))
		return -EINVAL;

	hdr->class = class;
	hdr->cmd = cmd;
	if (len && data != v->ctrl_data)
		memcpy(v->ctrl_data, data, len);
	*ack = VIRTIO_NET_ERR;
	if (v->packed)
		cvio_ctrl_post_packed(v, sizeof(*hdr) + len);
	else
		cvio_ctrl_post_split(v, sizeof(*hdr) + len);
	while (!cvio_ctrl_done(v)) {
		if (late || cvio_needs_reset(v)) {
			/* It may answer yet, into the next command's buffer. */
			v->broken = true;
			dev_err(&v->pdev->dev, "no answer to command %u.%u\n",
				class, cmd);
			ceth_fault(v->cdev, CETH_FAULT_DEVICE, 0);
			return -ETIMEDOUT;
		}
		usleep_range(us, us * 2);
		us = min(us * 2, 1000);
		late = time_after(jiffies, deadline);
	}
	return READ_ONCE(*ack) == VIRTIO_NET_OK ? 0 : -EINVAL;
}
