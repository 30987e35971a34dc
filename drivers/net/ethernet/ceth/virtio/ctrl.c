// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: control virtqueue (5.1.6.5).
 *
 * One command at a time, all of them under the core's configuration lock: no
 * lock of our own. The answer is waited for asleep, and not for ever.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>

#include "virtio.h"

/* Before ctrl_data: the answer, then the header, which takes one descriptor
 * with the data this way, and leaves it aligned.
 */
#define CVIO_CTRL_HDR	(sizeof(u64) - sizeof(struct virtio_net_ctrl_hdr))

/* A command takes two entries, and there is never more than one. */
#define CVIO_CTRL_RING	16

/* Memory of the control virtqueue, features negotiated. */
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

/* Send a command with @data, which may have been built in ctrl_data, and wait
 * for the answer. -EINVAL: the device refuses, -EIO: it is out of order.
 */
int cvio_ctrl(struct cvio *v, u8 class, u8 cmd, const void *data, u32 len)
{
	struct virtio_net_ctrl_hdr *hdr = v->ctrl_data - sizeof(*hdr);
	unsigned long deadline = jiffies + CVIO_TIMEOUT;
	u8 *ack = v->ctrl_data - sizeof(u64);
	struct ceth_tx_seg segs[] = {
		{ .dma = v->ctrl_dma + CVIO_CTRL_HDR, .len = sizeof(*hdr) + len },
		{ .dma = v->ctrl_dma, .len = sizeof(*ack) },
	};
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
		cvio_packed_command(&v->ctrl, segs);
	else
		cvio_split_command(&v->ctrl, segs);
	while (!(v->packed ? cvio_packed_answered(&v->ctrl) :
			     cvio_split_answered(&v->ctrl))) {
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
