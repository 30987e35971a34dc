// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: PCI driver, device life cycle, settings.
 *
 * The transport is driven through the kernel's vp_modern_* library, the
 * virtqueues by ourselves. Devices are bound by driver_override only, as with
 * vfio-pci: the in-tree driver keeps all others.
 */
#include <linux/etherdevice.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/random.h>
#include <linux/unaligned.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

/* Reset the device, whatever state it is in (2.4). On return it accesses no
 * memory any more, even when there is an error.
 */
static int cvio_dev_reset(void *priv)
{
	struct cvio *v = priv;
	u8 status;

	v->up = false;
	v->broken = true;
	vp_modern_set_status(&v->mdev, 0);
	/* Reading 0 back means that the reset is complete (4.1.4.3.2). */
	read_poll_timeout(vp_modern_get_status, status,
			  !status || status == U8_MAX, 1000,
			  jiffies_to_usecs(CVIO_TIMEOUT), false, &v->mdev);
	if (!status) {
		v->broken = false;
		return 0;
	}
	if (!pci_device_is_present(v->pdev))
		return -ENODEV;
	pci_clear_master(v->pdev);
	return -ETIMEDOUT;
}

/* 3.1.1, up to what comes with the queues */
static int cvio_dev_init(void *priv)
{
	struct cvio *v = priv;
	int i, err;

	pci_set_master(v->pdev);
	err = cvio_negotiate(v);
	v->status = cvio_status(v);
	if (!err && vp_modern_config_vector(&v->mdev, 0) != 0)
		err = -ENOSPC;
	/* Those of the queues before any of them starts: QEMU sets up the
	 * delivery of vhost's interrupts when the device does, for the vectors
	 * that it knows then, and a pair may be added later.
	 */
	for (i = 0; !err && i < v->caps.max_pairs * 2; i++)
		vp_modern_queue_vector(&v->mdev, i, cvio_vector(v, i / 2));
	if (!err && cvio_has(v, VIRTIO_NET_F_CTRL_VQ)) {
		cvio_ring_init(v, &v->ctrl, NULL);
		err = cvio_ring_start(v, &v->ctrl);
	}
	if (err)
		cvio_dev_reset(v);
	return err;
}

/* A command with a number of 16 bits. */
static int cvio_ctrl16(struct cvio *v, u8 class, u8 cmd, u16 n)
{
	__le16 data = cpu_to_le16(n);

	return cvio_ctrl(v, class, cmd, &data, sizeof(data));
}

/* 5.1.6.5.6.1. QEMU turns receive side scaling off at this command: the core
 * sets it again afterwards, which sets the number of pairs, too.
 */
static int cvio_set_pairs(void *priv, u16 n_pairs)
{
	if (!cvio_has(priv, VIRTIO_NET_F_MQ))
		return 0;
	return cvio_ctrl16(priv, VIRTIO_NET_CTRL_MQ,
			   VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, n_pairs);
}

static int cvio_dev_run(void *priv, u16 n_pairs)
{
	struct cvio *v = priv;
	u8 status = vp_modern_get_status(&v->mdev);

	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return -EIO;
	v->up = true;
	vp_modern_set_status(&v->mdev, status | VIRTIO_CONFIG_S_DRIVER_OK);
	return cvio_set_pairs(v, n_pairs);
}

/* 5.1.6.5.6.4, 5.1.6.5.7.1: the two commands differ in the table, which has one
 * meaningless entry without steering. What the device cannot classify goes where
 * a hash of 0 would, and not to a queue that the table leaves out.
 */
static int cvio_hash_config(struct cvio *v, u8 cmd, u32 types, const u8 *key,
			    const u16 *indir, u32 n, u16 n_pairs)
{
	struct virtio_net_rss_config_hdr *cfg = v->ctrl_data;
	u32 i, len = struct_size(cfg, indirection_table, n);
	struct virtio_net_rss_config_trailer *tail = v->ctrl_data + len;

	cfg->hash_types = cpu_to_le32(types & v->caps.hash_types);
	cfg->indirection_table_mask = cpu_to_le16(n - 1);
	for (i = 0; i < n; i++)
		cfg->indirection_table[i] = cpu_to_le16(indir[i]);
	cfg->unclassified_queue = cfg->indirection_table[0];
	tail->max_tx_vq = cpu_to_le16(n_pairs);
	tail->hash_key_length = v->caps.rss_key_len;
	memcpy(tail->hash_key_data, key, v->caps.rss_key_len);
	len += struct_size(tail, hash_key_data, v->caps.rss_key_len);
	return cvio_ctrl(v, VIRTIO_NET_CTRL_MQ, cmd, cfg, len);
}

static int cvio_set_rss(void *priv, u16 ctx, const struct ceth_rss *rss)
{
	struct cvio *v = priv;

	return cvio_hash_config(v, VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
				rss->hash_types, rss->key, rss->indir,
				v->caps.rss_indir_len, rss->n_pairs);
}

/* With VIRTIO_NET_F_RSS the hash steers, and cannot be had without being
 * reported: CETH_F_RX_HASH changes nothing in the device then.
 */
static int cvio_set_features(void *priv, u32 on, u32 changed)
{
	struct cvio *v = priv;
	u8 key[CETH_RSS_KEY_MAX];
	u64 want = 0;
	__le64 data;
	u16 none = 0;
	int err;

	/* Coalesced segments need the checksum (5.1.3.1). */
	if (on & CETH_F_RX_CSUM)
		want = on & CETH_F_HW_GRO ? ~0ULL :
					    BIT_ULL(VIRTIO_NET_F_GUEST_CSUM);
	want &= v->guest_offloads;
	if (want != v->offloads) {
		data = cpu_to_le64(want);
		err = cvio_ctrl(v, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &data,
				sizeof(data));
		if (err)
			return err;
		v->offloads = want;
	}
	if (cvio_has(v, VIRTIO_NET_F_RSS) ||
	    !((on | changed) & CETH_F_RX_HASH))
		return 0;
	/* Nobody else computes this hash: any key will do. */
	get_random_bytes(key, sizeof(key));
	return cvio_hash_config(v, VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
				on & CETH_F_RX_HASH ? ~0 : 0, key, &none, 1, 0);
}

static int cvio_set_mac(void *priv, const u8 *mac)
{
	return cvio_ctrl(priv, VIRTIO_NET_CTRL_MAC,
			 VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, ETH_ALEN);
}

/* One half of the table: 32 bits of count, then the addresses (5.1.6.5.2). */
static void *cvio_put_macs(void *p, const u8 (*macs)[ETH_ALEN], u32 n)
{
	put_unaligned_le32(n, p);
	if (n)
		memcpy(p + sizeof(__le32), macs, n * ETH_ALEN);
	return p + sizeof(__le32) + n * ETH_ALEN;
}

/* 5.1.6.5.1. The table goes first: where it takes over from a mode, no frame is
 * lost.
 */
static int cvio_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	u8 promisc = mode->promisc, allmulti = mode->allmulti;
	struct cvio *v = priv;
	void *end;
	int err;

	end = cvio_put_macs(v->ctrl_data, mode->uc, mode->n_uc);
	end = cvio_put_macs(end, mode->mc, mode->n_mc);
	err = cvio_ctrl(v, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
			v->ctrl_data, end - v->ctrl_data);
	if (!err)
		err = cvio_ctrl(v, VIRTIO_NET_CTRL_RX,
				VIRTIO_NET_CTRL_RX_ALLMULTI, &allmulti, 1);
	if (!err)
		err = cvio_ctrl(v, VIRTIO_NET_CTRL_RX,
				VIRTIO_NET_CTRL_RX_PROMISC, &promisc, 1);
	return err;
}

static int cvio_set_vlan(void *priv, u16 vid, bool on)
{
	return cvio_ctrl16(priv, VIRTIO_NET_CTRL_VLAN,
			   on ? VIRTIO_NET_CTRL_VLAN_ADD :
				VIRTIO_NET_CTRL_VLAN_DEL, vid);
}

/* 5.1.6.5.10: of one virtqueue, or by @cmd of all in one direction */
static int cvio_coalesce(struct cvio *v, u16 index, u8 cmd, u32 usecs,
			 u32 frames)
{
	struct virtio_net_ctrl_coal_vq data = {
		.vqn = cpu_to_le16(index),
		.coal.max_packets = cpu_to_le32(frames),
		.coal.max_usecs = cpu_to_le32(usecs),
	};

	if (cvio_has(v, VIRTIO_NET_F_VQ_NOTF_COAL))
		return cvio_ctrl(v, VIRTIO_NET_CTRL_NOTF_COAL,
				 VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, &data,
				 sizeof(data));
	return cvio_ctrl(v, VIRTIO_NET_CTRL_NOTF_COAL, cmd, &data.coal,
			 sizeof(data.coal));
}

static int cvio_set_coalesce(void *priv, u16 pair,
			     const struct ceth_coalesce *coal)
{
	int err = cvio_coalesce(priv, CVIO_RXQ(pair),
				VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
				coal->rx_usecs, coal->rx_frames);

	return err ?: cvio_coalesce(priv, CVIO_TXQ(pair),
				    VIRTIO_NET_CTRL_NOTF_COAL_TX_SET,
				    coal->tx_usecs, coal->tx_frames);
}

static void cvio_announce_done(void *priv)
{
	cvio_ctrl(priv, VIRTIO_NET_CTRL_ANNOUNCE,
		  VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0);
}

/* Configuration change (4.1.5.4), or anything of pair 0 on a shared vector.
 * With MSI-X no register names the cause (4.1.4.5): look at all of them.
 */
static void cvio_event(void *priv)
{
	struct cvio *v = priv;
	u16 status;

	if (!READ_ONCE(v->up) || READ_ONCE(v->broken))
		return;
	/* Or the device has vanished; then the bus removes it soon. */
	if (cvio_needs_reset(v)) {
		WRITE_ONCE(v->broken, true);
		ceth_fault(cvio_cdev(v), CETH_FAULT_DEVICE, 0);
		return;
	}
	status = cvio_status(v);
	if ((status ^ v->status) & VIRTIO_NET_S_LINK_UP)
		ceth_link_changed(cvio_cdev(v));
	v->status = status;
	if (cvio_has(v, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
	    (status & VIRTIO_NET_S_ANNOUNCE))
		ceth_announce(cvio_cdev(v));
}

static const struct ceth_ops cvio_ops = {
	.dev_init	= cvio_dev_init,
	.dev_run	= cvio_dev_run,
	.dev_reset	= cvio_dev_reset,
	.event		= cvio_event,
	.set_pairs	= cvio_set_pairs,
	.ring_alloc	= cvio_ring_alloc,
	.ring_free	= cvio_ring_free,
	.ring_init	= cvio_ring_init,
	.ring_start	= cvio_ring_start,
	.ring_stop	= cvio_ring_stop,
	.set_features	= cvio_set_features,
	.set_mac	= cvio_set_mac,
	.set_rx_mode	= cvio_set_rx_mode,
	.set_vlan	= cvio_set_vlan,
	.set_rss	= cvio_set_rss,
	.set_coalesce	= cvio_set_coalesce,
	.get_link	= cvio_get_link,
	.announce_done	= cvio_announce_done,
	.dump		= cvio_dump,
};

/* Features, memory, interrupts; the device is left reset. */
static int cvio_setup(struct cvio *v)
{
	int err;

	if (v->mdev.id.device != VIRTIO_ID_NET)
		return -ENODEV;
	err = cvio_dev_reset(v);
	if (err)
		return err;
	err = cvio_negotiate(v);
	if (!err)
		err = cvio_read_caps(v);
	if (!err)
		err = cvio_ctrl_alloc(v);
	cvio_dev_reset(v);
	if (err)
		return err;
	v->n_vectors = ceth_pci_irqs(v->pdev, &v->caps);
	return min(v->n_vectors, 0);
}

static int cvio_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct ceth_dev *cdev;
	struct cvio *v;
	int err;

	/* An override matches any device. */
	if (pdev->vendor != PCI_VENDOR_ID_REDHAT_QUMRANET)
		return -ENODEV;
	v = devm_kzalloc(&pdev->dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->pdev = pdev;
	v->mdev.pci_dev = pdev;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	err = vp_modern_probe(&v->mdev);
	if (err)
		return err;
	err = cvio_setup(v);
	if (err)
		goto err_transport;

	cdev = ceth_create(&pdev->dev, &v->caps, &cvio_ops,
			   v->packed ? &cvio_packed : &cvio_split, v);
	err = PTR_ERR_OR_ZERO(cdev);
	if (!err)
		err = ceth_register(cdev);
	if (!err)
		return 0;
err_transport:
	cvio_ring_free(v, &v->ctrl);
	vp_modern_remove(&v->mdev);
	return err;
}

static void cvio_remove(struct pci_dev *pdev)
{
	struct ceth_dev *cdev = pci_get_drvdata(pdev);
	struct cvio *v = ceth_priv(cdev);

	if (!pci_device_is_present(pdev))
		ceth_device_gone(cdev);
	ceth_unregister(cdev);
	cvio_ring_free(v, &v->ctrl);
	vp_modern_remove(&v->mdev);
}

/* A kernel started by kexec must find the device quiet. */
static void cvio_shutdown(struct pci_dev *pdev)
{
	ceth_shutdown(pci_get_drvdata(pdev));
}

/* Not a device table: the module has no alias, and nothing loads it by itself. */
static const struct pci_device_id cvio_ids[] = {
	{ PCI_VDEVICE(REDHAT_QUMRANET, 0x1041), .override_only = 1 },
	/* transitional device (4.1.2) */
	{ PCI_VDEVICE(REDHAT_QUMRANET, 0x1000), .override_only = 1 },
	{ }
};

static struct pci_driver cvio_driver = {
	.name		= "ceth_virtio",
	.id_table	= cvio_ids,
	.probe		= cvio_probe,
	.remove		= cvio_remove,
	.shutdown	= cvio_shutdown,
	.driver.pm	= pm_sleep_ptr(&ceth_pm_ops),
};
module_pci_driver(cvio_driver);

MODULE_DESCRIPTION("CETH driver for virtio-net");
MODULE_LICENSE("GPL");
