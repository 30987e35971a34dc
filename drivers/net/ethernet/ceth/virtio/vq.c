// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: memory of virtqueues, what the transport is told of
 * them, and the control virtqueue.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>

#include "virtio.h"

/* More than 2.7 and 2.8.1 ask for, so that driver and device do not write into
 * the same cache line.
 */
#define CVIO_ALIGN(len)		ALIGN(len, SMP_CACHE_BYTES)

/* Memory of a virtqueue of @size entries, a power of two. The device is not
 * touched.
 */
static int cvio_vq_alloc(struct cvio *v, struct cvio_vq *vq, u16 index, u16 size)
{
	size_t driver, device;

	/* Descriptors have 16 bytes in both formats (2.7.5, 2.8.13). Both
	 * split rings end with an event index (2.7.6, 2.7.8).
	 */
	driver = CVIO_ALIGN(size * sizeof(struct vring_desc));
	if (v->packed) {
		device = driver + CVIO_ALIGN(sizeof(*vq->driver_event));
		vq->mem_len = device + sizeof(*vq->device_event);
	} else {
		/* So that the used entries, after two 16-bit words, are
		 * aligned to what they are read by.
		 */
		device = driver + sizeof(__le32) +
			 CVIO_ALIGN(struct_size(vq->avail, ring, size + 1));
		vq->mem_len = device + struct_size(vq->used, ring, size) +
			      sizeof(__virtio16);
	}
	vq->mem = dma_alloc_coherent(&v->pdev->dev, vq->mem_len, &vq->mem_dma,
				     GFP_KERNEL);
	if (!vq->mem)
		return -ENOMEM;
	vq->driver_dma = vq->mem_dma + driver;
	vq->device_dma = vq->mem_dma + device;
	if (v->packed) {
		vq->ring = vq->mem;
		vq->driver_event = vq->mem + driver;
		vq->device_event = vq->mem + device;
	} else {
		vq->desc = vq->mem;
		vq->avail = vq->mem + driver;
		vq->used = vq->mem + device;
	}

	vq->v = v;
	vq->index = index;
	vq->size = size;
	vq->mask = size - 1;
	vq->event_idx = cvio_has(v, VIRTIO_RING_F_EVENT_IDX);
	vq->notify_data = cvio_has(v, VIRTIO_F_NOTIFICATION_DATA);
	vq->hash = cvio_has(v, VIRTIO_NET_F_HASH_REPORT);
	vq->mergeable = cvio_has(v, VIRTIO_NET_F_MRG_RXBUF);
	vq->rx_odd = vq->hash || !vq->mergeable;
	return 0;
}

int cvio_ring_alloc(void *priv, void *ring, const struct ceth_ring_conf *conf)
{
	struct cvio_vq *vq = ring;

	vq->buf_len = conf->buf_len;
	vq->vector = cvio_vector(priv, conf->irq);
	return cvio_vq_alloc(priv, vq, conf->tx ? CVIO_TXQ(conf->idx) :
						  CVIO_RXQ(conf->idx),
			     conf->size);
}

/* The virtqueue is stopped, or was never allocated. */
void cvio_ring_free(void *priv, void *ring)
{
	struct cvio_vq *vq = ring;

	if (!vq->mem)
		return;
	/* Only doorbells outside of the common mapping have their own. */
	if (vq->doorbell && !vq->v->mdev.notify_base)
		pci_iounmap(vq->v->pdev, vq->doorbell);
	vq->doorbell = NULL;
	dma_free_coherent(&vq->v->pdev->dev, vq->mem_len, vq->mem, vq->mem_dma);
	vq->mem = NULL;
}

/* Empty a stopped virtqueue, with interrupts off. */
void cvio_ring_init(void *priv, void *ring, const struct ceth_ring_conf *conf)
{
	struct cvio_vq *vq = ring;

	memset(vq->mem, 0, vq->mem_len);
	vq->avail_idx = 0;
	vq->flushed = 0;
	vq->used_idx = 0;
	vq->post = vq->buf_len;
	if (vq->post && vq->v->packed)
		vq->post |= (u64)VRING_DESC_F_WRITE << 48;
	else if (vq->post)
		cvio_split_init(vq);
	if (vq->v->packed)
		vq->driver_event->flags =
			cpu_to_le16(VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (vq->event_idx)	/* the flags stay 0 (2.7.7.1): just passed */
		vq->avail->ring[vq->size] = __cpu_to_virtio16(true, 0xffff);
	else
		vq->avail->flags =
			__cpu_to_virtio16(true, VRING_AVAIL_F_NO_INTERRUPT);
}

int cvio_ring_start(void *priv, void *ring)
{
	struct cvio_vq *vq = ring;
	struct virtio_pci_modern_device *mdev = &vq->v->mdev;

	/* 0: no such queue. After a reset the largest size is back (2.6.1). */
	if (vp_modern_get_queue_size(mdev, vq->index) < vq->size)
		return -EINVAL;
	if (vp_modern_get_queue_enable(mdev, vq->index))
		return -EBUSY;
	/* The address never changes (4.1.4.4), and the poll loop may be ringing
	 * while the queue stops: it stays mapped as long as there is the queue.
	 */
	if (!vq->doorbell)
		vq->doorbell = vp_modern_map_vq_notify(mdev, vq->index, NULL);
	if (!vq->doorbell)
		return -ENXIO;

	/* Everything again after a queue's reset (2.6.1.2). */
	vp_modern_set_queue_size(mdev, vq->index, vq->size);
	vp_modern_queue_address(mdev, vq->index, vq->mem_dma, vq->driver_dma,
				vq->device_dma);
	/* The device may have run out of vectors (4.1.5.1.2.1). */
	if (vp_modern_queue_vector(mdev, vq->index, vq->vector) != vq->vector)
		return -ENOSPC;
	vp_modern_set_queue_enable(mdev, vq->index, true);
	WRITE_ONCE(vq->notify, vq->doorbell);
	if (mdev->notify_base && vq->post)
		WRITE_ONCE(vq->v->rx_doorbells[vq->index / 2], vq->doorbell);
	return 0;
}

/* The exported vp_modern_set_queue_reset() waits for ever for a device that
 * has gone.
 */
static int cvio_vq_reset(struct cvio *v, struct cvio_vq *vq)
{
	struct virtio_pci_modern_common_cfg __iomem *cfg =
		(struct virtio_pci_modern_common_cfg __iomem *)v->mdev.common;
	unsigned long deadline = jiffies + CVIO_TIMEOUT;

	vp_iowrite16(vq->index, &cfg->cfg.queue_select);
	vp_iowrite16(1, &cfg->queue_reset);
	/* The device takes its time to let go of buffers: queue_reset is 1
	 * meanwhile, and queue_enable 0 when it is done (4.1.4.3.1).
	 */
	while (vp_modern_get_queue_reset(&v->mdev, vq->index) ||
	       vp_modern_get_queue_enable(&v->mdev, vq->index)) {
		if (time_after(jiffies, deadline) || cvio_needs_reset(v))
			return -ETIMEDOUT;
		usleep_range(50, 200);
	}
	return 0;
}

/* Take a virtqueue back; its memory keeps what the device wrote. After an error
 * the device may go on using it: then only a reset of the whole device makes
 * its memory safe to free.
 */
int cvio_ring_stop(void *priv, void *ring)
{
	struct cvio_vq *vq = ring;
	struct cvio *v = priv;
	int err;

	WRITE_ONCE(vq->notify, NULL);
	if (vq->post)
		WRITE_ONCE(v->rx_doorbells[vq->index / 2], NULL);
	if (!v->up)	/* the reset of the device has taken all queues */
		return 0;
	if (!cvio_has(v, VIRTIO_F_RING_RESET))
		return -EOPNOTSUPP;
	err = v->broken ? -EIO : cvio_vq_reset(v, vq);
	/* Removed by surprise: it reaches no memory any more. */
	if (!err || !pci_device_is_present(v->pdev))
		return 0;
	dev_err(&v->pdev->dev, "queue %u does not stop\n", vq->index);
	v->broken = true;
	ceth_fault(cvio_cdev(v), CETH_FAULT_DEVICE, vq->index / 2);
	return err;
}

/* Ring the doorbells of all other receive queues; any context. A device that
 * steers by itself (QEMU does) may hold a frame for a queue without buffers
 * where it came in: at the source that belongs to another queue, from which it
 * takes nothing more until that one's doorbell rings.
 */
void cvio_kick_others(const struct cvio_vq *vq)
{
	u16 i;

	for (i = 0; i < vq->v->caps.max_pairs; i++) {
		void __iomem *bell = READ_ONCE(vq->v->rx_doorbells[i]);

		if (bell && CVIO_RXQ(i) != vq->index)
			iowrite16(CVIO_RXQ(i), bell);
	}
}

/* Control virtqueue (5.1.6.5): one command at a time, under the core's
 * configuration lock; the answer is waited for asleep, and not for ever.
 *
 * Before ctrl_data: the answer, then the header, which takes one descriptor
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
	v->ctrl.vector = VIRTIO_MSI_NO_VECTOR;
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
			ceth_fault(cvio_cdev(v), CETH_FAULT_DEVICE, 0);
			return -ETIMEDOUT;
		}
		usleep_range(us, us * 2);
		us = min(us * 2, 1000);
		late = time_after(jiffies, deadline);
	}
	return READ_ONCE(*ack) == VIRTIO_NET_OK ? 0 : -EINVAL;
}
