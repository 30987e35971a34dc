// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: bus driver, capabilities, life cycle. */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/interrupt.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "ref.h"

#define CREF_RESET_MS	5000
#define CREF_DEF_RING	1024

/* Advanced features that this driver knows */
#define CREF_FEATURES	(REFNIC_F_RX_CSUM | REFNIC_F_TX_CSUM | REFNIC_F_TSO | \
			 REFNIC_F_USO | REFNIC_F_RSS | REFNIC_F_VLAN_FILTER | \
			 REFNIC_F_COALESCE | REFNIC_F_SCATTER | \
			 REFNIC_F_HDR_SPLIT | REFNIC_F_VLAN_OFFLOAD | \
			 REFNIC_F_TX_RATE | REFNIC_F_CLOCK | REFNIC_F_RULES)

/* What a feature means to the core */
static const struct {
	u64 feat;
	u32 cap;
	u32 feature;
	u32 coal;
} cref_features[] = {
	{ REFNIC_F_RX_CSUM, 0, CETH_F_RX_CSUM, 0 },
	{ REFNIC_F_TX_CSUM, 0, CETH_F_TX_CSUM, 0 },
	{ REFNIC_F_TSO, 0, CETH_F_TSO4 | CETH_F_TSO6 | CETH_F_TSO_ECN, 0 },
	{ REFNIC_F_USO, 0, CETH_F_USO, 0 },
	{ REFNIC_F_RSS, CETH_CAP_RSS, CETH_F_RX_HASH, 0 },
	{ REFNIC_F_VLAN_FILTER, 0, CETH_F_VLAN_FILTER, 0 },
	{ REFNIC_F_COALESCE, CETH_CAP_COALESCE_QUEUE, 0,
	  CETH_COAL_RX | CETH_COAL_TX },
	{ REFNIC_F_SCATTER, CETH_CAP_MULTI_BUF, 0, 0 },
	{ REFNIC_F_HDR_SPLIT, 0, CETH_F_HDR_SPLIT, 0 },
	{ REFNIC_F_VLAN_OFFLOAD, 0, CETH_F_RX_VLAN | CETH_F_TX_VLAN, 0 },
	{ REFNIC_F_RULES, CETH_CAP_NTUPLE, 0, 0 },
	{ REFNIC_F_TX_RATE, CETH_CAP_TX_RATE, 0, 0 },
	{ REFNIC_F_CLOCK, CETH_CAP_CLOCK, CETH_F_RX_TIME, 0 },
};

/* Wait until the bits @mask of the status are @want. */
static int cref_wait(struct cref *v, u32 mask, u32 want)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(CREF_RESET_MS);
	u32 status, us = 10;

	for (;;) {
		status = refnic_read(v->rdev, REFNIC_REG_STATUS);
		if (status == REFNIC_GONE)
			return -ENODEV;
		if (status & REFNIC_STAT_FAILED & ~want)
			return -EIO;
		if ((status & mask) == want)
			return 0;
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		usleep_range(us, us * 2);
		us = min(us * 2, 1000);
	}
}

static int cref_reset(struct cref *v)
{
	int err;

	v->up = false;
	v->broken = true;
	v->aq_tail = 0;
	refnic_write(v->rdev, REFNIC_REG_CONTROL, REFNIC_CTRL_RESET);
	err = cref_wait(v, REFNIC_STAT_READY, REFNIC_STAT_READY);
	if (!err)
		v->broken = false;
	else if (err != -ENODEV)
		dev_err(&v->rdev->dev, "reset does not complete\n");
	return err;
}

static void cref_dev_reset(void *priv)
{
	struct cref *v = priv;

	cref_reset(v);
	/* The handler that is running now is the last one. */
	synchronize_irq(v->rdev->irqs[0]);
}

static int cref_dev_init(void *priv)
{
	struct cref *v = priv;
	int err;

	err = cref_reset(v);
	if (err)
		return err;
	refnic_write(v->rdev, REFNIC_REG_FEAT_LO, lower_32_bits(v->feat));
	refnic_write(v->rdev, REFNIC_REG_FEAT_HI, upper_32_bits(v->feat));
	refnic_write(v->rdev, REFNIC_REG_AQ_LO, lower_32_bits(v->aq_dma));
	refnic_write(v->rdev, REFNIC_REG_AQ_HI, upper_32_bits(v->aq_dma));
	refnic_write(v->rdev, REFNIC_REG_AQ_SIZE, CREF_AQ_ORDER);
	refnic_write(v->rdev, REFNIC_REG_CONTROL, REFNIC_CTRL_ENABLE);
	err = cref_wait(v, REFNIC_STAT_ENABLED, REFNIC_STAT_ENABLED);
	if (!err)
		v->up = true;
	return err;
}

static int cref_dev_run(void *priv, u16 n_pairs)
{
	struct cref *v = priv;
	int err;

	refnic_write(v->rdev, REFNIC_REG_CONTROL,
		     REFNIC_CTRL_ENABLE | REFNIC_CTRL_RUN);
	err = cref_wait(v, REFNIC_STAT_RUNNING, REFNIC_STAT_RUNNING);
	if (!err)
		refnic_write(v->rdev, REFNIC_REG_VECTOR(0), 1);
	return err;
}

/* The steering table says it all. */
static int cref_set_pairs(void *priv, u16 n_pairs)
{
	return 0;
}

static const struct ceth_datapath *cref_datapath(void *priv)
{
	return &cref_dp;
}

static int cref_queue_alloc(struct cref *v, struct cref_queue *q, u16 index,
			    u32 size, u32 desc, u32 cmpl)
{
	q->words = kvcalloc(size, sizeof(*q->words), GFP_KERNEL);
	if (!q->words)
		return -ENOMEM;
	q->rdev = v->rdev;
	q->vector = index + 1;
	q->mask = size - 1;
	q->cmpl_off = size * desc;
	q->len = size * (desc + cmpl);
	q->desc = dma_alloc_coherent(&v->rdev->dev, q->len, &q->dma,
				     GFP_KERNEL);
	if (!q->desc) {
		kvfree(q->words);
		return -ENOMEM;
	}
	q->cmpl = q->desc + q->cmpl_off;
	return 0;
}

static void cref_queue_free(struct cref *v, struct cref_queue *q)
{
	dma_free_coherent(&v->rdev->dev, q->len, q->desc, q->dma);
	kvfree(q->words);
}

static void cref_queue_init(struct cref_queue *q)
{
	memset(q->desc, 0, q->len);
	q->tail = 0;
	q->rung = 0;
	q->next = 0;
	WRITE_ONCE(q->doorbell, 0);
}

#define CREF_QUEUE_OPS(x, dir, OP, buf)					\
static int cref_##x##_alloc(struct ceth_##x *q)				\
{									\
	return cref_queue_alloc(ceth_pair_priv(q->pair),		\
				ceth_##x##_priv(q), q->idx, q->size,	\
				sizeof(struct refnic_##dir##_desc),	\
				sizeof(struct refnic_##dir##_cmpl));	\
}									\
static void cref_##x##_free(struct ceth_##x *q)				\
{									\
	cref_queue_free(ceth_pair_priv(q->pair), ceth_##x##_priv(q));	\
}									\
static void cref_##x##_init(struct ceth_##x *q)				\
{									\
	cref_queue_init(ceth_##x##_priv(q));				\
}									\
static int cref_##x##_start(struct ceth_##x *q)				\
{									\
	return cref_queue_create(ceth_pair_priv(q->pair),		\
				 ceth_##x##_priv(q), q->idx, OP, buf);	\
}									\
static int cref_##x##_stop(struct ceth_##x *q)				\
{									\
	return cref_queue_destroy(ceth_pair_priv(q->pair),		\
				  ceth_##x##_priv(q));			\
}

CREF_QUEUE_OPS(rxq, rx, REFNIC_OP_RXQ_CREATE, q->buf_len)
CREF_QUEUE_OPS(txq, tx, REFNIC_OP_TXQ_CREATE, 0)

static void cref_get_link(void *priv, struct ceth_link *link)
{
	struct cref *v = priv;
	u32 val = refnic_read(v->rdev, REFNIC_REG_LINK);

	if (val == REFNIC_GONE)
		return;
	link->up = val & REFNIC_LINK_UP;
	link->speed = FIELD_GET(REFNIC_LINK_SPEED, val);
	link->full_duplex = true;
}

static u64 cref_clock_read(void *priv)
{
	struct cref *v = priv;
	u32 low = refnic_read(v->rdev, REFNIC_REG_TIME_LO);

	return low | (u64)refnic_read(v->rdev, REFNIC_REG_TIME_HI) << 32;
}

static void cref_dump(void *priv, struct seq_file *s)
{
	struct cref *v = priv;

	seq_printf(s, "status: %#x, health: %#x, link: %#x%s\n",
		   refnic_read(v->rdev, REFNIC_REG_STATUS),
		   refnic_read(v->rdev, REFNIC_REG_HEALTH),
		   refnic_read(v->rdev, REFNIC_REG_LINK),
		   v->broken ? ", broken" : "");
	seq_printf(s, "features: %#llx, admin queue: %u of %u commands\n",
		   v->feat, refnic_read(v->rdev, REFNIC_REG_AQ_TAIL),
		   v->aq_tail);
}

static const struct ceth_ops cref_ops = {
	.datapath	= cref_datapath,
	.dev_init	= cref_dev_init,
	.dev_run	= cref_dev_run,
	.dev_reset	= cref_dev_reset,
	.set_pairs	= cref_set_pairs,
	.rxq_alloc	= cref_rxq_alloc,
	.rxq_free	= cref_rxq_free,
	.rxq_init	= cref_rxq_init,
	.rxq_start	= cref_rxq_start,
	.rxq_stop	= cref_rxq_stop,
	.txq_alloc	= cref_txq_alloc,
	.txq_free	= cref_txq_free,
	.txq_init	= cref_txq_init,
	.txq_start	= cref_txq_start,
	.txq_stop	= cref_txq_stop,
	.set_features	= cref_set_features,
	.set_mac	= cref_set_mac,
	.set_rx_mode	= cref_set_rx_mode,
	.vlan_add	= cref_vlan_add,
	.vlan_del	= cref_vlan_del,
	.set_rss	= cref_set_rss,
	.set_rule	= cref_set_rule,
	.set_coalesce	= cref_set_coalesce,
	.set_tx_rate	= cref_set_tx_rate,
	.clock_read	= cref_clock_read,
	.clock_set	= cref_clock_set,
	.get_link	= cref_get_link,
	.dump		= cref_dump,
};

/* Vector 0: not about a queue */
static irqreturn_t cref_event_irq(int irq, void *data)
{
	struct cref *v = data;
	u32 events = refnic_read(v->rdev, REFNIC_REG_EVENT);

	if (events == REFNIC_GONE || !READ_ONCE(v->up))
		return IRQ_HANDLED;
	if (events & REFNIC_EV_LINK)
		ceth_link_changed(v->cdev);
	if (events & REFNIC_EV_STARVED)
		ceth_rx_starved(v->cdev,
				refnic_read(v->rdev, REFNIC_REG_STARVED));
	if (events & REFNIC_EV_HEALTH)
		ceth_fault(v->cdev, CETH_FAULT_DEVICE, 0);
	refnic_write(v->rdev, REFNIC_REG_VECTOR(0), 1);
	return IRQ_HANDLED;
}

static struct ceth_ring_limits cref_ring_limits(u32 val)
{
	u16 max = BIT(min(FIELD_GET(REFNIC_RING_MAX, val), 15U));
	u16 min = BIT(min(FIELD_GET(REFNIC_RING_MIN, val), 15U));

	return (struct ceth_ring_limits){
		.min = min, .max = max,
		.def = clamp_t(u16, CREF_DEF_RING, min, max),
	};
}

static void cref_read_caps(struct cref *v)
{
	struct refnic_device *rdev = v->rdev;
	struct ceth_caps *caps = &v->caps;
	u32 val, i;

	caps->caps = CETH_CAP_QUEUE_RESTART | CETH_CAP_RX_MODE |
		     CETH_CAP_SET_MAC | CETH_CAP_LINK;
	for (i = 0; i < ARRAY_SIZE(cref_features); i++) {
		if (!(v->feat & cref_features[i].feat))
			continue;
		caps->caps |= cref_features[i].cap;
		caps->features |= cref_features[i].feature;
		caps->coalesce |= cref_features[i].coal;
	}
	caps->max_pairs = min(refnic_read(rdev, REFNIC_REG_PAIRS),
			      rdev->n_irqs - 1);
	val = refnic_read(rdev, REFNIC_REG_RX_RING);
	caps->rx_ring = cref_ring_limits(val);
	val = refnic_read(rdev, REFNIC_REG_TX_RING);
	caps->tx_ring = cref_ring_limits(val);
	caps->tx_max_segs = refnic_read(rdev, REFNIC_REG_TX_SEGS);
	caps->tx_max_size = refnic_read(rdev, REFNIC_REG_TX_SIZE);
	caps->min_mtu = ETH_MIN_MTU;
	caps->max_mtu = min(refnic_read(rdev, REFNIC_REG_MTU), ETH_MAX_MTU);
	caps->mtu = ETH_DATA_LEN;
	val = refnic_read(rdev, REFNIC_REG_RSS);
	caps->rss_key_len = FIELD_GET(REFNIC_RSS_KEY_LEN, val);
	caps->rss_indir_len = FIELD_GET(REFNIC_RSS_INDIR_LEN, val);
	caps->hash_types = refnic_read(rdev, REFNIC_REG_HASH) &
			   (CETH_HASH_L4V4 | CETH_HASH_L4V6 |
			    CETH_HASH_IPV4 | CETH_HASH_IPV6);
	caps->max_rules = refnic_read(rdev, REFNIC_REG_RULES);
	caps->coal_max_usecs = refnic_read(rdev, REFNIC_REG_COAL_USECS);
	caps->coal_max_frames = refnic_read(rdev, REFNIC_REG_COAL_FRAMES);
	v->filters = min(refnic_read(rdev, REFNIC_REG_FILTERS),
			 CREF_DATA_LEN / 8U);
	val = refnic_read(rdev, REFNIC_REG_MAC_LO);
	for (i = 0; i < ETH_ALEN; i++) {
		if (i == 4)
			val = refnic_read(rdev, REFNIC_REG_MAC_HI);
		caps->mac[i] = val >> (i % 4) * 8;
	}
	caps->irqs = rdev->irqs + 1;
}

/* Features that make no sense alone are left out. */
static int cref_setup(struct cref *v)
{
	struct refnic_device *rdev = v->rdev;
	u64 feat;
	u32 val;
	int err;

	if (refnic_read(rdev, REFNIC_REG_ID) != REFNIC_ID)
		return -ENODEV;
	val = refnic_read(rdev, REFNIC_REG_VERSION);
	if (FIELD_GET(REFNIC_VERSION_MAJOR, val) != REFNIC_MAJOR) {
		dev_err(&rdev->dev, "hardware of version %#x, not %#x\n",
			val >> 16, REFNIC_MAJOR);
		return -ENODEV;
	}
	if (rdev->n_irqs < 2)
		return -ENOSPC;
	feat = refnic_read(rdev, REFNIC_REG_CAPS_LO) |
	       (u64)refnic_read(rdev, REFNIC_REG_CAPS_HI) << 32;
	feat &= CREF_FEATURES;
	if (!(feat & REFNIC_F_TX_CSUM))
		feat &= ~(REFNIC_F_TSO | REFNIC_F_USO);
	if (!(feat & REFNIC_F_SCATTER))
		feat &= ~REFNIC_F_HDR_SPLIT;
	v->feat = feat;
	err = dma_set_mask_and_coherent(&rdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	err = cref_admin_alloc(v);
	if (err)
		return err;
	cref_read_caps(v);
	return cref_reset(v);
}

static int cref_probe(struct refnic_device *rdev)
{
	struct cref *v;
	int err;

	v = devm_kzalloc(&rdev->dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->rdev = rdev;
	err = cref_setup(v);
	if (err)
		return err;
	v->cdev = ceth_create(&rdev->dev, &v->caps, &cref_ops, v);
	if (IS_ERR(v->cdev))
		return PTR_ERR(v->cdev);
	err = request_irq(rdev->irqs[0], cref_event_irq, 0,
			  dev_name(&rdev->dev), v);
	if (err)
		goto err_destroy;
	err = ceth_register(v->cdev);
	if (!err)
		return 0;

	free_irq(rdev->irqs[0], v);
err_destroy:
	ceth_destroy(v->cdev);
	return err;
}

static void cref_remove(struct refnic_device *rdev)
{
	struct ceth_dev *cdev = dev_get_drvdata(&rdev->dev);
	struct cref *v = ceth_priv(cdev);

	if (cref_gone(v))
		ceth_device_gone(cdev);
	ceth_unregister(cdev);
	free_irq(rdev->irqs[0], v);
	ceth_destroy(cdev);
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

static int __init cref_init(void)
{
	return refnic_driver_register(&cref_driver, THIS_MODULE);
}
module_init(cref_init);

static void __exit cref_exit(void)
{
	refnic_driver_unregister(&cref_driver);
}
module_exit(cref_exit);

MODULE_DESCRIPTION("CETH driver for the reference NIC");
MODULE_LICENSE("GPL");
