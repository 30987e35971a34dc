// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: bus driver, capabilities. */
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>

#include "ref.h"

/* What a feature of the device means to the core */
static const struct {
	u64 feat;
	u32 cap;
	u32 feature;
} cref_features[] = {
	{ REFNIC_F_RX_CSUM, 0, CETH_F_RX_CSUM },
	{ REFNIC_F_TX_CSUM, 0, CETH_F_TX_CSUM },
	{ REFNIC_F_TSO, 0, CETH_F_TSO4 | CETH_F_TSO6 | CETH_F_TSO_ECN },
	{ REFNIC_F_USO, 0, CETH_F_USO },
	{ REFNIC_F_RSS, CETH_CAP_RSS, CETH_F_RX_HASH },
	{ REFNIC_F_VLAN_FILTER, 0, CETH_F_VLAN_FILTER },
	{ REFNIC_F_COALESCE, CETH_CAP_COALESCE_QUEUE },
	{ REFNIC_F_SCATTER, CETH_CAP_MULTI_BUF },
	{ REFNIC_F_HDR_SPLIT, CETH_CAP_HDR_SPLIT },
	{ REFNIC_F_VLAN_OFFLOAD, 0, CETH_F_TX_VLAN | CETH_F_RX_VLAN },
	{ REFNIC_F_GRO, 0, CETH_F_HW_GRO },
	{ REFNIC_F_RULES, CETH_CAP_NTUPLE },
	{ REFNIC_F_RSS_CTX, CETH_CAP_RSS_CTX },
	{ REFNIC_F_RSS_SYM, CETH_CAP_RSS_SYM },
	{ REFNIC_F_TX_RATE, CETH_CAP_TX_RATE },
	{ REFNIC_F_LAUNCH, CETH_CAP_LAUNCH },
	{ REFNIC_F_SHAPER, CETH_CAP_SHAPER },
	{ REFNIC_F_CLOCK, CETH_CAP_CLOCK, CETH_F_RX_TIME },
	{ REFNIC_F_FUNCTIONS, CETH_CAP_FUNCTIONS | CETH_CAP_FUNC_RATE },
};

/* In the order of struct refnic_stats */
static const struct ceth_dev_stats cref_stats[] = {
	{ CETH_STAT_RX_FRAMES }, { CETH_STAT_RX_BYTES },
	{ CETH_STAT_RX_MULTICAST }, { CETH_STAT_RX_BROADCAST },
	{ CETH_STAT_RX_SIZE },
	{ CETH_STAT_RX_FILTERED, "rx_filtered" },
	{ CETH_STAT_RX_ERROR, "rx_no_queue" },
	{ CETH_STAT_RX_NO_BUFFER, "rx_no_buffer" },
	{ CETH_STAT_RX_LENGTH, "rx_length" },
	{ CETH_STAT_RX_CSUM, "rx_csum_bad" },
	{ CETH_STAT_RX_ERROR, "rx_error" },
	{ CETH_STAT_TX_FRAMES }, { CETH_STAT_TX_BYTES },
	{ CETH_STAT_TX_MULTICAST }, { CETH_STAT_TX_BROADCAST },
	{ CETH_STAT_TX_SIZE },
	{ CETH_STAT_TX_ERROR, "tx_error" },
	{ CETH_STAT_TX_CARRIER, "tx_no_link" },
	{ CETH_STAT_OWN, "tx_late" },
	{ CETH_STAT_TX_ERROR, "tx_far" },
	{ CETH_STAT_TX_ERROR, "tx_spoofed" },
};

static void cref_read_caps(struct cref *v)
{
	struct refnic_device *rdev = v->rdev;
	__le64 mac = cpu_to_le64(refnic_read64(rdev, REFNIC_REG_MAC));
	u64 feat = refnic_read64(rdev, REFNIC_REG_CAPS);
	struct ceth_caps *caps = &v->caps;
	u32 val, i;

	caps->caps = CETH_CAP_QUEUE_RESTART | CETH_CAP_RX_MODE |
		     CETH_CAP_LINK | CETH_CAP_TX_TIMELY | CETH_CAP_STATS |
		     CETH_CAP_TX_ALONE;
	/* The address of a function is not its own to choose. */
	if (!refnic_read(rdev, REFNIC_REG_FUNC))
		caps->caps |= CETH_CAP_SET_MAC;
	for (i = 0; i < ARRAY_SIZE(cref_features); i++) {
		if (!(feat & cref_features[i].feat))
			continue;
		v->feat |= cref_features[i].feat;
		caps->caps |= cref_features[i].cap;
		caps->features |= cref_features[i].feature;
	}
	memcpy(caps->mac, &mac, ETH_ALEN);
	caps->irqs = rdev->irqs + 1;
	caps->event_irq = rdev->irqs[0];
	caps->max_pairs = min(refnic_read(rdev, REFNIC_REG_PAIRS),
			      rdev->n_irqs - 1);
	val = refnic_read(rdev, REFNIC_REG_RING);
	caps->rx_ring.min = FIELD_GET(REFNIC_RING_MIN, val);
	caps->rx_ring.max = FIELD_GET(REFNIC_RING_MAX, val);
	caps->tx_ring = caps->rx_ring;
	caps->tx_max_segs = refnic_read(rdev, REFNIC_REG_TX_SEGS);
	caps->tx_max_size = refnic_read(rdev, REFNIC_REG_TX_SIZE);
	caps->max_mtu = refnic_read(rdev, REFNIC_REG_MTU);
	caps->max_filters = min(refnic_read(rdev, REFNIC_REG_FILTERS),
				sizeof(v->mbox->data) / ETH_ALEN);
	val = refnic_read(rdev, REFNIC_REG_RSS);
	caps->rss_key_len = FIELD_GET(REFNIC_RSS_KEY_LEN, val);
	caps->rss_indir_len = FIELD_GET(REFNIC_RSS_INDIR_LEN, val);
	/* The core's numbers are the device's. */
	caps->hash_types = refnic_read(rdev, REFNIC_REG_HASH);
	caps->hash_fields = caps->hash_types;
	caps->rss_xfrm = CETH_RSS_XOR | CETH_RSS_OR_XOR;
	caps->max_rss_ctx = refnic_read(rdev, REFNIC_REG_RSS_CTXS);
	caps->max_rules = refnic_read(rdev, REFNIC_REG_RULES);
	caps->gro_max_segs = refnic_read(rdev, REFNIC_REG_GRO_SEGS);
	caps->max_nodes = refnic_read(rdev, REFNIC_REG_NODES);
	if (v->feat & REFNIC_F_COALESCE)
		caps->coalesce = CETH_COAL_RX | CETH_COAL_TX;
	caps->coal_max_usecs = refnic_read(rdev, REFNIC_REG_COAL_USECS);
	caps->coal_max_frames = refnic_read(rdev, REFNIC_REG_COAL_FRAMES);
	caps->stats = cref_stats;
	caps->n_stats = ARRAY_SIZE(cref_stats);
	caps->max_funcs = min(refnic_read(rdev, REFNIC_REG_FUNCS), 32U);
	caps->max_func_pairs = refnic_read(rdev, REFNIC_REG_FUNC_PAIRS);
}

static int cref_probe(struct refnic_device *rdev)
{
	struct device *dev = &rdev->dev;
	struct ceth_dev *cdev;
	struct cref *v;

	if (refnic_read(rdev, REFNIC_REG_ID) != REFNIC_ID)
		return -ENODEV;
	if (rdev->n_irqs < 2)
		return -ENOSPC;
	if (dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		return -EIO;
	v = devm_kzalloc(dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->rdev = rdev;
	v->mbox = dmam_alloc_coherent(dev, sizeof(*v->mbox), &v->mbox_dma,
				      GFP_KERNEL);
	if (!v->mbox)
		return -ENOMEM;
	cref_read_caps(v);
	cdev = ceth_create(dev, &v->caps, &cref_ops, &cref_dp, v);
	return PTR_ERR_OR_ZERO(cdev) ?: ceth_register(cdev);
}

static void cref_remove(struct refnic_device *rdev)
{
	struct ceth_dev *cdev = dev_get_drvdata(&rdev->dev);

	if (cref_gone(ceth_priv(cdev)))
		ceth_device_gone(cdev);
	ceth_unregister(cdev);
}

static void cref_shutdown(struct refnic_device *rdev)
{
	ceth_shutdown(dev_get_drvdata(&rdev->dev));
}

static struct refnic_driver cref_driver = {
	.driver.name	= KBUILD_MODNAME,
	.driver.pm	= pm_sleep_ptr(&ceth_pm_ops),
	.probe		= cref_probe,
	.remove		= cref_remove,
	.shutdown	= cref_shutdown,
};

module_refnic_driver(cref_driver);

MODULE_DESCRIPTION("CETH driver for the reference NIC");
MODULE_LICENSE("GPL");
