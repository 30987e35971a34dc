/* SPDX-License-Identifier: GPL-2.0 */
/* CETH virtio-net backend: what its files share.
 *
 * Sections named in comments are those of the Virtual I/O Device (VIRTIO)
 * specification, version 1.3: 2.7 split virtqueues, 2.8 packed virtqueues,
 * 4.1 virtio over PCI, 5.1 network device.
 */
#ifndef _CETH_VIRTIO_H
#define _CETH_VIRTIO_H

#include <linux/pci.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci_modern.h>
#include <linux/virtio_ring.h>

#include <net/ceth/compat.h>
#include <net/ceth/ceth.h>
#include <net/ceth/queue.h>
#include <net/ceth/datapath.h>

/* Virtqueue numbers (5.1.2): receive 2n, transmit 2n+1, then control. */
#define CVIO_RXQ(n)	((n) * 2)
#define CVIO_TXQ(n)	((n) * 2 + 1)

/* Most pairs that we take interrupts and memory for. */
#define CVIO_MAX_PAIRS	256

/**
 * struct cvio_vq - one virtqueue, split or packed
 * @desc: split: descriptor table (2.7.5), private ids are indexes into it
 * @avail: split: available ring (2.7.6), written by the driver
 * @used: split: used ring (2.7.8), written by the device
 * @ring: packed: descriptor ring (2.8)
 * @driver_event: packed: driver event suppression (2.8.10)
 * @device_event: packed: device event suppression
 * @post: bits that each buffer posted has: length of a receive buffer, and in a
 *	packed ring its flags; 0: not a receive queue
 * @mask: size - 1
 * @size: entries, a power of two
 * @avail_idx: where the next available entry goes, free running: packed rings
 *	find the slot in the low bits, and the wrap counter, inverted, in the
 *	bit above
 * @flushed: @avail_idx at the last doorbell, or when there was no need of one
 * @used_idx: where the next used entry will be, free running
 * @event_idx: VIRTIO_F_EVENT_IDX is negotiated
 * @notify_data: VIRTIO_F_NOTIFICATION_DATA is negotiated
 * @hash: receive: VIRTIO_NET_F_HASH_REPORT is negotiated
 * @mergeable: receive: VIRTIO_NET_F_MRG_RXBUF is negotiated
 * @rx_odd: @hash or not @mergeable
 * @index: virtqueue number
 * @v: the device
 * @notify: doorbell; NULL: stopped
 * @vector: MSI-X vector
 * @buf_len: bytes of a receive buffer; 0: not a receive queue
 * @doorbell: where it is mapped
 * @mem: ring memory, coherent
 * @mem_dma: DMA address of @mem
 * @mem_len: bytes of @mem
 * @driver_dma: DMA address of the driver area (avail, driver_event)
 * @device_dma: DMA address of the device area (used, device_event)
 */
struct cvio_vq {
	union {
		struct {
			struct vring_desc *desc;
			struct vring_avail *avail;
			struct vring_used *used;
		};
		struct {
			struct vring_packed_desc *ring;
			struct vring_packed_desc_event *driver_event;
			struct vring_packed_desc_event *device_event;
		};
	};
	u64 post;
	u16 mask;
	u16 size;
	u16 avail_idx;
	u16 flushed;
	u16 used_idx;
	bool event_idx;
	bool notify_data;
	bool hash;
	bool mergeable;
	bool rx_odd;
	u16 index;
	struct cvio *v;
	void __iomem *notify;

	u16 vector;
	u32 buf_len;
	void __iomem *doorbell;
	void *mem;
	dma_addr_t mem_dma;
	size_t mem_len;
	dma_addr_t driver_dma;
	dma_addr_t device_dma;
};

/**
 * struct cvio - one virtio-net device
 * @mdev: PCI transport
 * @pdev: PCI function
 * @caps: what the core was told
 * @features: negotiated
 * @packed: VIRTIO_F_RING_PACKED is negotiated
 * @max_pairs: queue pairs of the device; the control virtqueue comes after
 *	them
 * @n_vectors: MSI-X vectors: one for configuration changes, then one per pair
 *	(with only one vector in all, it serves both)
 * @up: DRIVER_OK is set
 * @broken: the device stopped answering; nothing but a reset helps
 * @status: configuration field, as the interrupt handler saw it last
 * @rx_doorbells: of the receive queues that run; NULL where doorbells are not
 *	in one mapping
 * @ctrl: control virtqueue
 * @ctrl_data: data of a command, CVIO_CTRL_DATA_MAX bytes, coherent
 * @ctrl_dma: DMA address of the answer, which comes before @ctrl_data
 * @guest_offloads: VIRTIO_NET_F_GUEST_* that can be switched
 * @offloads: those of @guest_offloads that are in force
 */
struct cvio {
	struct virtio_pci_modern_device mdev;
	struct pci_dev *pdev;
	struct ceth_caps caps;
	u64 features;
	bool packed;
	u16 max_pairs;
	int n_vectors;
	bool up;
	bool broken;
	u16 status;
	void __iomem *rx_doorbells[CVIO_MAX_PAIRS];
	struct cvio_vq ctrl;
	void *ctrl_data;
	dma_addr_t ctrl_dma;
	u64 guest_offloads;
	u64 offloads;
};

/* Longest wait for the device, for a command as for a reset. */
#define CVIO_TIMEOUT		(5 * HZ)

/* Room in ctrl_buf, for the data of a command from its start. */
#define CVIO_CTRL_DATA_MAX	(8192 - sizeof(u64))

static inline bool cvio_has(const struct cvio *v, unsigned int bit)
{
	return v->features & BIT_ULL(bit);
}

/* Not the same for ever: see ceth_create(). */
static inline struct ceth_dev *cvio_cdev(const struct cvio *v)
{
	return pci_get_drvdata(v->pdev);
}

/* A vanished device reads as all ones, which includes this bit (2.1). */
static inline bool cvio_needs_reset(struct cvio *v)
{
	return vp_modern_get_status(&v->mdev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* MSI-X vector of a pair (see &cvio.n_vectors) */
static inline u16 cvio_vector(const struct cvio *v, u16 pair)
{
	return v->n_vectors == 1 ? 0 : pair + 1;
}

/* vq.c: memory and transport of virtqueues, control virtqueue */
int cvio_ring_alloc(void *priv, void *ring, const struct ceth_ring_conf *conf);
void cvio_ring_free(void *priv, void *ring);
void cvio_ring_init(void *priv, void *ring, const struct ceth_ring_conf *conf);
int cvio_ring_start(void *priv, void *ring);
int cvio_ring_stop(void *priv, void *ring);
void cvio_kick_others(const struct cvio_vq *vq);
int cvio_ctrl_alloc(struct cvio *v);
int cvio_ctrl(struct cvio *v, u8 class, u8 cmd, const void *data, u32 len);

/* caps.c: features and configuration space */
int cvio_negotiate(struct cvio *v);
int cvio_read_caps(struct cvio *v);
void cvio_get_link(void *priv, struct ceth_link *link);
u16 cvio_status(struct cvio *v);
void cvio_dump(void *priv, struct seq_file *s);

/* split.c, packed.c: the rings. A command is one segment for the device to
 * read and one for it to write; there is one at a time.
 */
extern const struct ceth_datapath cvio_split;
extern const struct ceth_datapath cvio_packed;
void cvio_split_init(struct cvio_vq *vq);
void cvio_split_command(struct cvio_vq *vq, const struct ceth_tx_seg *segs);
void cvio_packed_command(struct cvio_vq *vq, const struct ceth_tx_seg *segs);
bool cvio_split_answered(struct cvio_vq *vq);
bool cvio_packed_answered(struct cvio_vq *vq);

#endif /* _CETH_VIRTIO_H */
