// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: device life cycle and settings. */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/overflow.h>
#include <linux/random.h>
#include <linux/unaligned.h>

#include "virtio.h"

/**
 * cvio_reset() - reset the device, whatever state it is in (2.4)
 * @v: the device
 *
 * Return: 0, -ENODEV when it has gone, -ETIMEDOUT. In each case it does not
 * access memory any more.
 */
int cvio_reset(struct cvio *v)
{
	unsigned long deadline = jiffies + CVIO_TIMEOUT;
	u8 status;

	v->up = false;
	v->broken = true;
	vp_modern_set_status(&v->mdev, 0);
	/* Reading 0 back means that the reset is complete (4.1.4.3.2). */
	while ((status = vp_modern_get_status(&v->mdev)) != 0) {
		if (status == U8_MAX && !pci_device_is_present(v->pdev))
			return -ENODEV;
		if (time_after(jiffies, deadline)) {
			pci_clear_master(v->pdev);
			dev_err(&v->pdev->dev, "reset does not complete\n");
			return -ETIMEDOUT;
		}
		usleep_range(500, 1000);
	}
	v->broken = false;
	return 0;
}

static void cvio_dev_reset(void *priv)
{
	struct cvio *v = priv;

	cvio_reset(v);
	/* The handler that is running now is the last one. */
	synchronize_irq(pci_irq_vector(v->pdev, 0));
}

/* Vectors of the queues before any of them starts: QEMU sets up the delivery
 * of vhost's interrupts when the device does, for the vectors that it knows
 * then, and a pair may be added later.
 */
static int cvio_set_vectors(struct cvio *v)
{
	u16 i, vector;

	if (vp_modern_config_vector(&v->mdev, 0) != 0)
		return -ENOSPC;
	for (i = 0; i < v->n_pairs * 2; i++) {
		vector = cvio_vector(v, i / 2);
		if (vp_modern_queue_vector(&v->mdev, i, vector) != vector)
			return -ENOSPC;
	}
	return 0;
}

/* 3.1.1, up to what comes with the queues */
static int cvio_dev_init(void *priv)
{
	struct cvio *v = priv;
	int err;

	pci_set_master(v->pdev);
	err = cvio_reset(v);
	if (err)
		return err;
	err = cvio_negotiate(v);
	if (!err) {
		v->status = cvio_status(v);
		err = cvio_set_vectors(v);
	}
	if (!err)
		err = cvio_ctrl_start(v);
	if (err)
		cvio_reset(v);
	return err;
}

/* 5.1.6.5.6.1. QEMU turns receive side scaling off at this command: the core
 * sets it again afterwards, which sets the number of pairs, too.
 */
static int cvio_set_pairs(void *priv, u16 n_pairs)
{
	__le16 n = cpu_to_le16(n_pairs);

	if (!cvio_has(priv, VIRTIO_NET_F_MQ))
		return 0;
	return cvio_ctrl(priv, VIRTIO_NET_CTRL_MQ,
			 VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &n, sizeof(n));
}

static int cvio_dev_run(void *priv, u16 n_pairs)
{
	struct cvio *v = priv;
	u8 status = vp_modern_get_status(&v->mdev);

	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return -EIO;
	vp_modern_set_status(&v->mdev, status | VIRTIO_CONFIG_S_DRIVER_OK);
	v->up = true;
	return cvio_set_pairs(v, n_pairs);
}

static const struct ceth_datapath *cvio_datapath(void *priv)
{
	struct cvio *v = priv;

	return v->packed ? &cvio_packed : &cvio_split;
}

static int cvio_rxq_alloc(struct ceth_rxq *rxq)
{
	return cvio_vq_alloc(ceth_pair_priv(rxq->pair), ceth_rxq_priv(rxq),
			     CVIO_RXQ(rxq->idx), rxq->size);
}

static void cvio_rxq_free(struct ceth_rxq *rxq)
{
	cvio_vq_free(ceth_pair_priv(rxq->pair), ceth_rxq_priv(rxq));
}

static int cvio_rxq_start(struct ceth_rxq *rxq)
{
	struct cvio *v = ceth_pair_priv(rxq->pair);

	return cvio_vq_start(v, ceth_rxq_priv(rxq), cvio_vector(v, rxq->idx));
}

static int cvio_rxq_stop(struct ceth_rxq *rxq)
{
	return cvio_vq_stop(ceth_pair_priv(rxq->pair), ceth_rxq_priv(rxq));
}

static int cvio_txq_alloc(struct ceth_txq *txq)
{
	return cvio_vq_alloc(ceth_pair_priv(txq->pair), ceth_txq_priv(txq),
			     CVIO_TXQ(txq->idx), txq->size);
}

static void cvio_txq_free(struct ceth_txq *txq)
{
	cvio_vq_free(ceth_pair_priv(txq->pair), ceth_txq_priv(txq));
}

static int cvio_txq_start(struct ceth_txq *txq)
{
	struct cvio *v = ceth_pair_priv(txq->pair);

	return cvio_vq_start(v, ceth_txq_priv(txq), cvio_vector(v, txq->idx));
}

static int cvio_txq_stop(struct ceth_txq *txq)
{
	return cvio_vq_stop(ceth_pair_priv(txq->pair), ceth_txq_priv(txq));
}

/* 5.1.6.5.6.4. Nobody else computes this hash, so any key will do. */
static int cvio_set_hash(struct cvio *v, bool on)
{
	struct virtio_net_hash_config *cfg = v->ctrl_data;

	memset(cfg, 0, sizeof(*cfg));
	cfg->hash_types = cpu_to_le32(on ? v->hash_types : 0);
	cfg->hash_key_length = v->rss_key_len;
	get_random_bytes(cfg->hash_key_data, v->rss_key_len);
	return cvio_ctrl(v, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
			 cfg, struct_size(cfg, hash_key_data, v->rss_key_len));
}

/* With VIRTIO_NET_F_RSS the hash steers, and cannot be had without being
 * reported: CETH_F_RX_HASH changes nothing in the device then.
 */
static int cvio_set_features(void *priv, u32 on, u32 changed)
{
	struct cvio *v = priv;
	u64 want = 0;
	__le64 data;
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
	if (cvio_has(v, VIRTIO_NET_F_HASH_REPORT) &&
	    !cvio_has(v, VIRTIO_NET_F_RSS) &&
	    ((on | changed) & CETH_F_RX_HASH))
		return cvio_set_hash(v, on & CETH_F_RX_HASH);
	return 0;
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

/* 5.1.6.5.1. Addresses without room in the table widen the filter. The table
 * goes first: where it takes over from a mode, no frame is lost.
 */
static int cvio_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	u32 room = (CVIO_CTRL_DATA_MAX - 2 * sizeof(__le32)) / ETH_ALEN;
	u32 n_uc = min(mode->n_uc, room);
	u32 n_mc = min(mode->n_mc, room - n_uc);
	u8 promisc = mode->promisc || n_uc < mode->n_uc;
	u8 allmulti = mode->allmulti || n_mc < mode->n_mc;
	struct cvio *v = priv;
	void *end;
	int err;

	end = cvio_put_macs(v->ctrl_data, mode->uc, n_uc);
	end = cvio_put_macs(end, mode->mc, n_mc);
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

static int cvio_vlan_add(void *priv, u16 vid)
{
	__le16 data = cpu_to_le16(vid);

	return cvio_ctrl(priv, VIRTIO_NET_CTRL_VLAN,
			 VIRTIO_NET_CTRL_VLAN_ADD, &data, sizeof(data));
}

static int cvio_vlan_del(void *priv, u16 vid)
{
	__le16 data = cpu_to_le16(vid);

	return cvio_ctrl(priv, VIRTIO_NET_CTRL_VLAN,
			 VIRTIO_NET_CTRL_VLAN_DEL, &data, sizeof(data));
}

/* 5.1.6.5.7.1. What the device cannot classify goes to the first queue. */
static int cvio_set_rss(void *priv, const struct ceth_rss *rss)
{
	struct cvio *v = priv;
	struct virtio_net_rss_config_hdr *cfg = v->ctrl_data;
	u32 i, n = v->rss_indir_len, key_len = v->rss_key_len;
	struct virtio_net_rss_config_trailer *tail =
		v->ctrl_data + struct_size(cfg, indirection_table, n);

	cfg->hash_types = cpu_to_le32(rss->hash_types & v->hash_types);
	cfg->indirection_table_mask = cpu_to_le16(n - 1);
	cfg->unclassified_queue = 0;
	for (i = 0; i < n; i++)
		cfg->indirection_table[i] = cpu_to_le16(rss->indir[i]);
	tail->max_tx_vq = cpu_to_le16(rss->n_pairs);
	tail->hash_key_length = key_len;
	memcpy(tail->hash_key_data, rss->key, key_len);
	return cvio_ctrl(v, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
			 cfg, struct_size(cfg, indirection_table, n) +
			      struct_size(tail, hash_key_data, key_len));
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

/* The part of the common configuration that is not about a queue (4.1.4.3). */
#define CVIO_REGS	8

static u32 cvio_regs_len(void *priv)
{
	return CVIO_REGS * sizeof(u32);
}

static void cvio_get_regs(void *priv, void *buf)
{
	struct cvio *v = priv;
	struct virtio_pci_common_cfg __iomem *cfg = v->mdev.common;
	u64 offered = vp_modern_get_features(&v->mdev);
	u32 *reg = buf;

	reg[0] = lower_32_bits(offered);
	reg[1] = upper_32_bits(offered);
	reg[2] = lower_32_bits(v->features);
	reg[3] = upper_32_bits(v->features);
	reg[4] = vp_ioread16(&cfg->msix_config);
	reg[5] = vp_ioread16(&cfg->num_queues);
	reg[6] = vp_ioread8(&cfg->device_status);
	reg[7] = vp_ioread8(&cfg->config_generation);
}

const struct ceth_ops cvio_ops = {
	.datapath	= cvio_datapath,
	.dev_init	= cvio_dev_init,
	.dev_run	= cvio_dev_run,
	.dev_reset	= cvio_dev_reset,
	.set_pairs	= cvio_set_pairs,
	.rxq_alloc	= cvio_rxq_alloc,
	.rxq_free	= cvio_rxq_free,
	.rxq_start	= cvio_rxq_start,
	.rxq_stop	= cvio_rxq_stop,
	.txq_alloc	= cvio_txq_alloc,
	.txq_free	= cvio_txq_free,
	.txq_start	= cvio_txq_start,
	.txq_stop	= cvio_txq_stop,
	.set_features	= cvio_set_features,
	.set_mac	= cvio_set_mac,
	.set_rx_mode	= cvio_set_rx_mode,
	.vlan_add	= cvio_vlan_add,
	.vlan_del	= cvio_vlan_del,
	.set_rss	= cvio_set_rss,
	.set_coalesce	= cvio_set_coalesce,
	.get_link	= cvio_get_link,
	.announce_done	= cvio_announce_done,
	.regs_len	= cvio_regs_len,
	.get_regs	= cvio_get_regs,
	.dump		= cvio_dump,
};
