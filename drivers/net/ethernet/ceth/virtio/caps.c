// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: features and configuration space. */
#include <linux/cc_platform.h>
#include <linux/etherdevice.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/seq_file.h>

#include "virtio.h"

/* A transmit ring must hold some packets of most segments. */
#define CVIO_MIN_RING		64
/* What devices have to take (5.1.4). */
#define CVIO_MIN_KEY		40

/* The core's numbers are the device's (5.1.6.4.3.1). */
#define CVIO_HASH_TYPES	(CETH_HASH_L4V4 | CETH_HASH_L4V6 | \
			 CETH_HASH_IPV4 | CETH_HASH_IPV6)

#define CVIO_B(x)		BIT_ULL(VIRTIO_NET_F_##x)

/* A feature that we use when it is offered. */
struct cvio_feature {
	const char *name;
	u64 needs;	/* as 5.1.3.1 says, and where noted more */
	u32 cap;	/* what it means to the core */
	u32 feature;
	u32 coal;
	u8 bit;
	u8 cfg;		/* bytes of configuration space it takes (5.1.4) */
};

#define CVIO_T(prefix, x, ...)						\
	{ .name = #x, .bit = prefix##x, ##__VA_ARGS__ }
#define CVIO_F(x, n, ...)						\
	{ .name = #x, .bit = VIRTIO_NET_F_##x, .needs = (n), ##__VA_ARGS__ }
#define CVIO_C(x, n, field, ...)					\
	CVIO_F(x, n, .cfg = offsetofend(struct virtio_net_config, field), \
	       ##__VA_ARGS__)

/* Coalesced segments only where they can be switched off, so that a program
 * can be attached, and where they need not fit into one buffer.
 */
#define CVIO_GUEST_GSO	(CVIO_B(GUEST_CSUM) | CVIO_B(CTRL_GUEST_OFFLOADS) | \
			 CVIO_B(MRG_RXBUF))

#define CVIO_GUEST_OFFLOADS						\
	(CVIO_B(GUEST_CSUM) | CVIO_B(GUEST_TSO4) | CVIO_B(GUEST_TSO6) |	\
	 CVIO_B(GUEST_ECN) | CVIO_B(GUEST_USO4) | CVIO_B(GUEST_USO6))

/* What a feature needs comes before it. */
static const struct cvio_feature cvio_features[] = {
	CVIO_T(VIRTIO_F_, VERSION_1),
	CVIO_T(VIRTIO_F_, ACCESS_PLATFORM),
	CVIO_T(VIRTIO_F_, ORDER_PLATFORM),
	CVIO_T(VIRTIO_F_, RING_PACKED),
	CVIO_T(VIRTIO_F_, NOTIFICATION_DATA),
	CVIO_T(VIRTIO_F_, RING_RESET, .cap = CETH_CAP_QUEUE_RESTART),
	CVIO_T(VIRTIO_RING_F_, EVENT_IDX),
	CVIO_F(CTRL_VQ, 0),
	CVIO_F(MRG_RXBUF, 0, .cap = CETH_CAP_MULTI_BUF),
	CVIO_C(MAC, 0, mac),
	CVIO_C(STATUS, 0, status, .cap = CETH_CAP_LINK),
	CVIO_C(MTU, 0, mtu),
	CVIO_C(SPEED_DUPLEX, 0, duplex),
	CVIO_F(CSUM, 0, .feature = CETH_F_TX_CSUM),
	CVIO_F(HOST_TSO4, CVIO_B(CSUM), .feature = CETH_F_TSO4),
	CVIO_F(HOST_TSO6, CVIO_B(CSUM), .feature = CETH_F_TSO6),
	/* 5.1.3.1 is content with one of the two */
	CVIO_F(HOST_ECN, CVIO_B(HOST_TSO4) | CVIO_B(HOST_TSO6),
	       .feature = CETH_F_TSO_ECN),
	CVIO_F(HOST_USO, CVIO_B(CSUM), .feature = CETH_F_USO),
	CVIO_F(GUEST_CSUM, 0, .feature = CETH_F_RX_CSUM),
	CVIO_F(CTRL_GUEST_OFFLOADS, CVIO_B(CTRL_VQ) | CVIO_B(GUEST_CSUM)),
	CVIO_F(GUEST_TSO4, CVIO_GUEST_GSO, .feature = CETH_F_HW_GRO),
	CVIO_F(GUEST_TSO6, CVIO_GUEST_GSO, .feature = CETH_F_HW_GRO),
	CVIO_F(GUEST_ECN, CVIO_B(GUEST_TSO4) | CVIO_B(GUEST_TSO6)),
	CVIO_F(GUEST_USO4, CVIO_GUEST_GSO),
	CVIO_F(GUEST_USO6, CVIO_GUEST_GSO),
	CVIO_F(CTRL_RX, CVIO_B(CTRL_VQ), .cap = CETH_CAP_RX_MODE),
	CVIO_F(CTRL_MAC_ADDR, CVIO_B(CTRL_VQ), .cap = CETH_CAP_SET_MAC),
	CVIO_F(CTRL_VLAN, CVIO_B(CTRL_VQ), .feature = CETH_F_VLAN_FILTER),
	/* the request is a bit of the status */
	CVIO_F(GUEST_ANNOUNCE, CVIO_B(CTRL_VQ) | CVIO_B(STATUS)),
	CVIO_C(MQ, CVIO_B(CTRL_VQ), max_virtqueue_pairs),
	CVIO_C(RSS, CVIO_B(CTRL_VQ), supported_hash_types, .cap = CETH_CAP_RSS),
	CVIO_C(HASH_REPORT, CVIO_B(CTRL_VQ), supported_hash_types,
	       .feature = CETH_F_RX_HASH),
	CVIO_F(NOTF_COAL, CVIO_B(CTRL_VQ), .coal = CETH_COAL_RX | CETH_COAL_TX),
	CVIO_F(VQ_NOTF_COAL, CVIO_B(CTRL_VQ), .cap = CETH_CAP_COALESCE_QUEUE,
	       .coal = CETH_COAL_RX | CETH_COAL_TX),
	{ }
};

/* Fields of up to 32 bits are read in one access (4.1.3.1), which is atomic
 * (2.5.1). The features have seen to it that they exist.
 */
#define CVIO_CFG(v, bits, field)					\
	vp_ioread##bits((v)->mdev.device +				\
			offsetof(struct virtio_net_config, field))

/* Longer fields are as they were at one time when the generation before and
 * after is the same (2.5.1); a device that never rests has no address.
 */
static bool cvio_cfg_mac(struct cvio *v, u8 *mac)
{
	int try, i;
	u32 gen;

	for (try = 0; try < 10; try++) {
		gen = vp_modern_generation(&v->mdev);
		for (i = 0; i < ETH_ALEN; i++)
			mac[i] = vp_ioread8(v->mdev.device + i);
		if (vp_modern_generation(&v->mdev) == gen)
			return is_valid_ether_addr(mac);
	}
	return false;
}

/* Features whose part of the configuration space makes sense. */
static u64 cvio_check_cfg(struct cvio *v, u64 f)
{
	struct ceth_caps *caps = &v->caps;
	u8 mac[ETH_ALEN];
	u16 table;

	if ((f & CVIO_B(MAC)) && !cvio_cfg_mac(v, mac))
		f &= ~CVIO_B(MAC);
	if ((f & CVIO_B(MTU)) && CVIO_CFG(v, 16, mtu) < ETH_MIN_MTU)
		f &= ~CVIO_B(MTU);

	v->max_pairs = 1;
	if (f & (CVIO_B(MQ) | CVIO_B(RSS))) {
		v->max_pairs = CVIO_CFG(v, 16, max_virtqueue_pairs);
		if (!v->max_pairs ||
		    v->max_pairs > VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX)
			f &= ~(CVIO_B(MQ) | CVIO_B(RSS));
	}
	if (f & (CVIO_B(RSS) | CVIO_B(HASH_REPORT))) {
		caps->rss_key_len = min(CVIO_CFG(v, 8, rss_max_key_size),
					CETH_RSS_KEY_MAX);
		caps->hash_types = CVIO_CFG(v, 32, supported_hash_types) &
				   CVIO_HASH_TYPES;
		if (caps->rss_key_len < CVIO_MIN_KEY || !caps->hash_types)
			f &= ~(CVIO_B(RSS) | CVIO_B(HASH_REPORT));
	}
	if (f & CVIO_B(RSS)) {
		/* A shorter table than the device's longest is fine. */
		table = CVIO_CFG(v, 16, rss_max_indirection_table_length);
		table = min(table, CETH_RSS_INDIR_MAX);
		if (table)
			caps->rss_indir_len = rounddown_pow_of_two(table);
		else
			f &= ~CVIO_B(RSS);
	}
	return f;
}

/* Choose from what the device offers. */
static int cvio_choose(struct cvio *v, u64 offered)
{
	struct virtio_pci_modern_device *mdev = &v->mdev;
	const struct cvio_feature *feat;
	struct iommu_domain *domain;
	u64 f, sane;

	if (mdev->common_len < offsetofend(struct virtio_pci_modern_common_cfg,
					   queue_reset))
		offered &= ~BIT_ULL(VIRTIO_F_RING_RESET);
	/* Four bytes for each doorbell, or it is not usable (4.1.4.4.1). */
	if (mdev->notify_offset_multiplier < sizeof(u32))
		offered &= ~BIT_ULL(VIRTIO_F_NOTIFICATION_DATA);

	/* Again without those that the configuration space disproves: others
	 * depend on them.
	 */
	do {
		sane = offered;
		f = 0;
		for (feat = cvio_features; feat->name; feat++)
			if ((offered & BIT_ULL(feat->bit)) &&
			    (f & feat->needs) == feat->needs &&
			    feat->cfg <= (mdev->device ? mdev->device_len : 0))
				f |= BIT_ULL(feat->bit);
		offered &= ~(f ^ cvio_check_cfg(v, f));
	} while (offered != sane);

	if (!(f & BIT_ULL(VIRTIO_F_VERSION_1))) {
		dev_err(&v->pdev->dev, "not a VIRTIO 1 device\n");
		return -ENODEV;
	}
	/* Does DMA need addresses other than physical ones? */
	domain = iommu_get_domain_for_dev(&v->pdev->dev);
	if (!(f & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)) &&
	    ((domain && domain->type != IOMMU_DOMAIN_IDENTITY) ||
	     cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))) {
		dev_err(&v->pdev->dev, "the device takes physical addresses only, and an IOMMU or memory encryption is in the way: set iommu_platform=on,disable-legacy=on for it (VIRTIO_F_ACCESS_PLATFORM)\n");
		return -EOPNOTSUPP;
	}

	v->features = f;
	v->packed = cvio_has(v, VIRTIO_F_RING_PACKED);
	if (cvio_has(v, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		v->guest_offloads = f & CVIO_GUEST_OFFLOADS;
	v->caps.max_pairs = min(v->max_pairs, CVIO_MAX_PAIRS);
	return 0;
}

/* Agree on features (3.1.1, steps 2 to 6) with a device just reset. They are
 * chosen once, when it is found; after later resets it has to offer the same.
 */
int cvio_negotiate(struct cvio *v)
{
	u8 status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	u64 offered;
	int err;

	vp_modern_set_status(&v->mdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	vp_modern_set_status(&v->mdev, status);
	offered = vp_modern_get_features(&v->mdev);
	if (!v->features) {
		err = cvio_choose(v, offered);
		if (err)
			return err;
	}
	if (v->features & ~offered) {
		dev_err(&v->pdev->dev, "features %#llx are no longer offered\n",
			v->features & ~offered);
		return -ENODEV;
	}
	vp_modern_set_features(&v->mdev, v->features);
	vp_modern_set_status(&v->mdev, status | VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(vp_modern_get_status(&v->mdev) & VIRTIO_CONFIG_S_FEATURES_OK)) {
		dev_err(&v->pdev->dev, "the device rejects features %#llx\n",
			v->features);
		return -ENODEV;
	}
	/* All of them are on until told otherwise (5.1.6.5.9). */
	v->offloads = v->guest_offloads;
	return 0;
}

/* Describe the device to the core, features negotiated: the number of queues
 * depends on them.
 */
int cvio_read_caps(struct cvio *v)
{
	struct ceth_caps *caps = &v->caps;
	u16 rx = vp_modern_get_queue_size(&v->mdev, CVIO_RXQ(0));
	u16 tx = vp_modern_get_queue_size(&v->mdev, CVIO_TXQ(0));
	const struct cvio_feature *feat;

	if (!rx || tx < CVIO_MIN_RING) {
		dev_err(&v->pdev->dev, "rings of %u and %u entries are too small\n",
			rx, tx);
		return -ENODEV;
	}
	for (feat = cvio_features; feat->name; feat++) {
		if (!cvio_has(v, feat->bit))
			continue;
		caps->caps |= feat->cap;
		caps->features |= feat->feature;
		caps->coalesce |= feat->coal;
	}
	/* A split ring's is a power of two already (2.7). */
	rx = rounddown_pow_of_two(rx);
	tx = rounddown_pow_of_two(tx);
	caps->rx_ring = (struct ceth_ring_limits){
		.min = min(rx, CVIO_MIN_RING), .max = rx, .def = rx
	};
	caps->tx_ring = (struct ceth_ring_limits){
		.min = CVIO_MIN_RING, .max = tx, .def = tx
	};
	if (!cvio_has(v, VIRTIO_F_ACCESS_PLATFORM))
		caps->caps |= CETH_CAP_PHYS_ADDR;
	caps->tx_max_segs = CETH_TX_MAX_SEGS - 1;
	caps->tx_max_size = SZ_64K;
	/* 5.1.6: the same header whatever the buffers, longer with a hash. */
	caps->rx_prefix = cvio_has(v, VIRTIO_NET_F_HASH_REPORT) ?
			  sizeof(struct virtio_net_hdr_v1_hash) :
			  sizeof(struct virtio_net_hdr_v1);
	caps->tx_prefix = caps->rx_prefix;
	caps->min_mtu = ETH_MIN_MTU;
	caps->max_mtu = ETH_MAX_MTU;
	caps->mtu = ETH_DATA_LEN;
	if (cvio_has(v, VIRTIO_NET_F_MTU)) {
		/* Also the most that may be sent (5.1.4.2). */
		caps->max_mtu = CVIO_CFG(v, 16, mtu);
		caps->mtu = caps->max_mtu;
	}
	/* Each half of the table has its count before it (5.1.6.5.2). */
	caps->max_filters = (CVIO_CTRL_DATA_MAX - 2 * sizeof(__le32)) /
			    ETH_ALEN;
	caps->coal_max_usecs = U32_MAX;
	caps->coal_max_frames = U32_MAX;
	if (cvio_has(v, VIRTIO_NET_F_MAC) && !cvio_cfg_mac(v, caps->mac))
		memset(caps->mac, 0, ETH_ALEN);
	return 0;
}

/* VIRTIO_NET_S_* bits of the configuration space; any context */
u16 cvio_status(struct cvio *v)
{
	if (!cvio_has(v, VIRTIO_NET_F_STATUS))
		return VIRTIO_NET_S_LINK_UP;
	return CVIO_CFG(v, 16, status);
}

void cvio_get_link(void *priv, struct ceth_link *link)
{
	struct cvio *v = priv;
	u16 status = cvio_status(v);
	u32 speed;

	/* A vanished device reads as all ones. */
	link->up = status != U16_MAX && (status & VIRTIO_NET_S_LINK_UP);
	if (!cvio_has(v, VIRTIO_NET_F_SPEED_DUPLEX))
		return;
	/* Any other value stands for unknown (5.1.4). */
	speed = CVIO_CFG(v, 32, speed);
	link->speed = speed <= INT_MAX ? speed : 0;
	link->full_duplex = CVIO_CFG(v, 8, duplex) == 1;
}

void cvio_dump(void *priv, struct seq_file *s)
{
	const struct cvio_feature *feat;
	struct cvio *v = priv;

	seq_printf(s, "device status: %#x, config status: %#x%s%s\n",
		   vp_modern_get_status(&v->mdev), cvio_status(v),
		   v->up ? ", up" : "", v->broken ? ", broken" : "");
	seq_printf(s, "guest offloads: %#llx\nfeatures: %#llx", v->offloads,
		   v->features);
	for (feat = cvio_features; feat->name; feat++)
		if (cvio_has(v, feat->bit))
			seq_printf(s, " %s", feat->name);
	seq_putc(s, '\n');
}
