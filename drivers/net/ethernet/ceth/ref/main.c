// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: bus driver, capabilities, life cycle. */
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "ref.h"

#define CREF_RESET_MS	5000

/* What a feature of the device means: to the core, and to the device when the
 * core asks for it
 */
static const struct {
	u64 feat;
	u32 cap;
	u32 feature;
	u32 coal;
	u32 offload;
} cref_features[] = {
	{ REFNIC_F_RX_CSUM, 0, CETH_F_RX_CSUM, 0, REFNIC_OFF_RX_CSUM },
	{ REFNIC_F_TX_CSUM, 0, CETH_F_TX_CSUM },
	{ REFNIC_F_TSO, 0, CETH_F_TSO4 | CETH_F_TSO6 | CETH_F_TSO_ECN },
	{ REFNIC_F_USO, 0, CETH_F_USO },
	{ REFNIC_F_RSS, CETH_CAP_RSS, CETH_F_RX_HASH, 0, REFNIC_OFF_RX_HASH },
	{ REFNIC_F_VLAN_FILTER, 0, CETH_F_VLAN_FILTER },
	{ REFNIC_F_COALESCE, CETH_CAP_COALESCE_QUEUE, 0,
	  CETH_COAL_RX | CETH_COAL_TX },
	{ REFNIC_F_SCATTER, CETH_CAP_MULTI_BUF },
	{ REFNIC_F_HDR_SPLIT, 0, CETH_F_HDR_SPLIT, 0, REFNIC_OFF_HDR_SPLIT },
	{ REFNIC_F_VLAN_OFFLOAD, 0, CETH_F_TX_VLAN },
	{ REFNIC_F_VLAN_OFFLOAD, 0, CETH_F_RX_VLAN, 0, REFNIC_OFF_VLAN_STRIP },
	{ REFNIC_F_GRO, 0, CETH_F_HW_GRO, 0, REFNIC_OFF_GRO },
	{ REFNIC_F_RULES, CETH_CAP_NTUPLE },
	{ REFNIC_F_RSS_CTX, CETH_CAP_RSS_CTX },
	{ REFNIC_F_RSS_SYM, CETH_CAP_RSS_SYM },
	{ REFNIC_F_TX_RATE, CETH_CAP_TX_RATE },
	{ REFNIC_F_LAUNCH, CETH_CAP_LAUNCH },
	{ REFNIC_F_SHAPER, CETH_CAP_SHAPER },
	{ REFNIC_F_CLOCK, CETH_CAP_CLOCK, CETH_F_RX_TIME, 0,
	  REFNIC_OFF_RX_TIME },
	{ REFNIC_F_FUNCTIONS, CETH_CAP_FUNCTIONS },
};

u32 cref_offloads(const struct cref *v, u32 features)
{
	u32 i, off = 0;

	for (i = 0; i < ARRAY_SIZE(cref_features); i++)
		if (features & cref_features[i].feature)
			off |= cref_features[i].offload;
	/* The core says which VLANs, and always. */
	if (v->feat & REFNIC_F_VLAN_FILTER)
		off |= REFNIC_OFF_VLAN_FILTER;
	return off;
}

/* Wait until the device says @want in its status. */
static int cref_wait(struct cref *v, u32 want)
{
	u32 status;
	int err;

	err = read_poll_timeout(refnic_read, status,
				status & (want | REFNIC_STAT_FAILED), 100,
				CREF_RESET_MS * USEC_PER_MSEC, false, v->rdev,
				REFNIC_REG_STATUS);
	if (status == REFNIC_GONE)
		return -ENODEV;
	return status & REFNIC_STAT_FAILED ? -EIO : err;
}

static int cref_dev_reset(void *priv)
{
	struct cref *v = priv;
	int err;

	v->up = false;
	v->broken = true;
	v->aq_tail = 0;
	refnic_write(v->rdev, REFNIC_REG_CONTROL, REFNIC_CTRL_RESET);
	err = cref_wait(v, REFNIC_STAT_READY);
	if (!err)
		v->broken = false;
	return err;
}

static int cref_dev_init(void *priv)
{
	struct cref *v = priv;
	int err;

	refnic_write(v->rdev, REFNIC_REG_FEAT_LO, lower_32_bits(v->feat));
	refnic_write(v->rdev, REFNIC_REG_FEAT_HI, upper_32_bits(v->feat));
	refnic_write(v->rdev, REFNIC_REG_AQ_LO, lower_32_bits(v->aq_dma));
	refnic_write(v->rdev, REFNIC_REG_AQ_HI, upper_32_bits(v->aq_dma));
	refnic_write(v->rdev, REFNIC_REG_AQ_SIZE, CREF_AQ_ORDER);
	refnic_write(v->rdev, REFNIC_REG_CONTROL, REFNIC_CTRL_ENABLE);
	err = cref_wait(v, REFNIC_STAT_ENABLED);
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
	err = cref_wait(v, REFNIC_STAT_RUNNING);
	if (!err)
		refnic_write(v->rdev, REFNIC_REG_VECTOR(0), 1);
	return err;
}

static void cref_ring_init(void *priv, void *ring,
			   const struct ceth_ring_conf *conf)
{
	struct cref_queue *q = ring;
	struct cref *v = priv;

	q->rdev = v->rdev;
	q->conf = *conf;
	q->vector = conf->idx + 1;
	q->mask = conf->size - 1;
	q->desc = conf->mem;
	q->cmpl = (void *)(q->desc + conf->size);
	q->more = (void *)(q->cmpl + conf->size);
	q->tail = 0;
	q->rung = 0;
	q->next = 0;
}

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

/* Vector 0: not about a queue */
static void cref_event(void *priv)
{
	struct cref *v = priv;
	u32 events = refnic_read(v->rdev, REFNIC_REG_EVENT);

	if (events == REFNIC_GONE || !READ_ONCE(v->up))
		return;
	if (events & REFNIC_EV_LINK)
		ceth_link_changed(cref_cdev(v));
	if (events & REFNIC_EV_STARVED)
		ceth_rx_starved(cref_cdev(v),
				refnic_read(v->rdev, REFNIC_REG_STARVED));
	if (events & REFNIC_EV_HEALTH)
		ceth_fault(cref_cdev(v), CETH_FAULT_DEVICE, 0);
	refnic_write(v->rdev, REFNIC_REG_VECTOR(0), 1);
}

static const struct ceth_ops cref_ops = {
	.dev_init	= cref_dev_init,
	.dev_run	= cref_dev_run,
	.dev_reset	= cref_dev_reset,
	.event		= cref_event,
	.ring_entry	= REFNIC_RING_ENTRY,
	.ring_init	= cref_ring_init,
	.ring_start	= cref_ring_start,
	.ring_stop	= cref_ring_stop,
	.set_features	= cref_set_features,
	.set_mac	= cref_set_mac,
	.set_rx_mode	= cref_set_rx_mode,
	.set_vlan	= cref_set_vlan,
	.set_rss	= cref_set_rss,
	.set_rule	= cref_set_rule,
	.set_coalesce	= cref_set_coalesce,
	.set_tx_rate	= cref_set_tx_rate,
	.set_shaper	= cref_set_shaper,
	.clock_read	= cref_clock_read,
	.clock_set	= cref_clock_set,
	.get_link	= cref_get_link,
	.get_stats	= cref_get_stats,
	.func_add	= cref_func_add,
	.func_set	= cref_func_set,
	.func_del	= cref_func_del,
	.func_attached	= cref_func_attached,
	.dump		= cref_dump,
};

static struct ceth_ring_limits cref_ring_limits(struct cref *v, u32 reg)
{
	u32 val = refnic_read(v->rdev, reg);

	return (struct ceth_ring_limits){
		.min = BIT(min(FIELD_GET(REFNIC_RING_MIN, val), 15U)),
		.max = BIT(min(FIELD_GET(REFNIC_RING_MAX, val), 15U)),
	};
}

static void cref_read_caps(struct cref *v)
{
	struct refnic_device *rdev = v->rdev;
	struct ceth_caps *caps = &v->caps;
	u32 val, i;

	caps->caps = CETH_CAP_QUEUE_RESTART | CETH_CAP_RX_MODE |
		     CETH_CAP_SET_MAC | CETH_CAP_LINK | CETH_CAP_TX_TIMELY;
	for (i = 0; i < ARRAY_SIZE(cref_features); i++) {
		if (!(v->feat & cref_features[i].feat))
			continue;
		caps->caps |= cref_features[i].cap;
		caps->features |= cref_features[i].feature;
		caps->coalesce |= cref_features[i].coal;
	}
	caps->max_pairs = min(refnic_read(rdev, REFNIC_REG_PAIRS),
			      rdev->n_irqs - 1);
	caps->rx_ring = cref_ring_limits(v, REFNIC_REG_RX_RING);
	caps->tx_ring = cref_ring_limits(v, REFNIC_REG_TX_RING);
	caps->tx_max_segs = refnic_read(rdev, REFNIC_REG_TX_SEGS);
	caps->tx_max_size = refnic_read(rdev, REFNIC_REG_TX_SIZE);
	caps->max_mtu = min(refnic_read(rdev, REFNIC_REG_MTU), ETH_MAX_MTU);
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
	caps->coal_max_usecs = refnic_read(rdev, REFNIC_REG_COAL_USECS);
	caps->coal_max_frames = refnic_read(rdev, REFNIC_REG_COAL_FRAMES);
	caps->max_filters = min(refnic_read(rdev, REFNIC_REG_FILTERS),
				CREF_DATA_LEN / 8U);
	val = refnic_read(rdev, REFNIC_REG_MAC_LO);
	for (i = 0; i < ETH_ALEN; i++) {
		if (i == 4)
			val = refnic_read(rdev, REFNIC_REG_MAC_HI);
		caps->mac[i] = val >> (i % 4) * 8;
	}
	caps->irqs = rdev->irqs + 1;
	caps->event_irq = rdev->irqs[0];
	caps->max_funcs = refnic_read(rdev, REFNIC_REG_FUNCS);
	cref_stats_caps(v);
}

static int cref_setup(struct cref *v)
{
	struct refnic_device *rdev = v->rdev;
	u32 val, i;
	u64 caps;
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
	caps = refnic_read(rdev, REFNIC_REG_CAPS_LO) |
	       (u64)refnic_read(rdev, REFNIC_REG_CAPS_HI) << 32;
	for (i = 0; i < ARRAY_SIZE(cref_features); i++)
		v->feat |= caps & cref_features[i].feat;
	err = dma_set_mask_and_coherent(&rdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	cref_read_caps(v);
	return cref_admin_alloc(v);
}

static int cref_probe(struct refnic_device *rdev)
{
	struct ceth_dev *cdev;
	struct cref *v;
	int err;

	v = devm_kzalloc(&rdev->dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->rdev = rdev;
	err = cref_setup(v);
	if (err)
		return err;
	cdev = ceth_create(&rdev->dev, &v->caps, &cref_ops, &cref_dp, v);
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
