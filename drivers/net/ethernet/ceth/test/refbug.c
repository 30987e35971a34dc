// SPDX-License-Identifier: GPL-2.0
/* CETH's tests: a driver of the reference NIC with mistakes.
 *
 * It takes devices like the real one, and makes the mistake that the parameter
 * "bug" names when a device is bound to it; none by default. What it does after
 * something was stopped, as a device would that did not stop, is done by a timer
 * for a short while.
 */
#include <linux/bottom_half.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/string.h>
#include <linux/timer.h>

#include "refbug.h"

/* The driver asks for what the bug leaves. */
static struct ceth_ops refbug_ops;
#define cref_ops	refbug_ops

/* There is more to do than that. */
#pragma push_macro("module_refnic_driver")
#undef module_refnic_driver
#define module_refnic_driver(...)	static_assert(true)
#include "../ref/main.c"
#pragma pop_macro("module_refnic_driver")

#define REFBUG_LATE_TICKS	200

enum refbug refbug;

static const char * const refbug_names[REFBUG_NUM] = {
	[REFBUG_NONE]		= "none",
	[REFBUG_CAPS]		= "caps",
	[REFBUG_CALLBACK]	= "callback",
	[REFBUG_POSITIVE]	= "positive",
	[REFBUG_LOCKED]		= "locked",
	[REFBUG_LOCKED_FLUSH]	= "locked_flush",
	[REFBUG_LATE_IRQ]	= "late_irq",
	[REFBUG_LATE_RING]	= "late_ring",
	[REFBUG_LATE_BUFFER]	= "late_buffer",
	[REFBUG_DIRTY]		= "dirty",
	[REFBUG_BEHIND]		= "behind",
	[REFBUG_STUBBORN]	= "stubborn",
	[REFBUG_STATS]		= "stats",
	[REFBUG_PAIR]		= "pair",
	[REFBUG_HASTY]		= "hasty",
	[REFBUG_GREEDY]		= "greedy",
	[REFBUG_ENDLESS]	= "endless",
	[REFBUG_OVERWRITE]	= "overwrite",
	[REFBUG_OVERWRITE_TX]	= "overwrite_tx",
	[REFBUG_MUTE]		= "mute",
	[REFBUG_MUTE_RX]	= "mute_rx",
	[REFBUG_NOISY]		= "noisy",
	[REFBUG_BLIND]		= "blind",
	[REFBUG_STORM]		= "storm",
	[REFBUG_META]		= "meta",
	[REFBUG_HASH]		= "hash",
};

/* One device at a time has it. */
static struct {
	struct timer_list timer;
	u32 ticks;
	int irq;
	void *where;
} refbug_late;

static void refbug_late_tick(struct timer_list *timer)
{
	if (refbug_late.irq)
		generic_handle_irq_safe(refbug_late.irq);
	if (refbug_late.where)
		WRITE_ONCE(*(u8 *)refbug_late.where, refbug_late.ticks);
	/* Memory is not the device's for long. */
	if (refbug_late.irq && --refbug_late.ticks)
		mod_timer(timer, jiffies + 1);
}

static void refbug_late_start(int irq, void *where)
{
	refbug_late.irq = irq;
	refbug_late.where = where;
	refbug_late.ticks = REFBUG_LATE_TICKS;
	mod_timer(&refbug_late.timer, jiffies + 1);
}

static int refbug_dev_reset(void *priv)
{
	struct cref *v = priv;
	int err = refbug_real_ops.dev_reset(priv);

	if (refbug == REFBUG_LATE_IRQ)
		refbug_late_start(v->caps.irqs[0], NULL);
	return err;
}

static int refbug_dev_init(void *priv)
{
	timer_delete_sync(&refbug_late.timer);
	return refbug_real_ops.dev_init(priv);
}

static void refbug_ring_init(void *priv, void *ring,
			     const struct ceth_ring_conf *conf)
{
	struct cref_queue *q = ring;

	refbug_real_ops.ring_init(priv, ring, conf);
	if (refbug == REFBUG_DIRTY)
		q->next = conf->size;
}

static int refbug_ring_stop(void *priv, void *ring)
{
	struct cref_queue *q = ring;
	int err = refbug_real_ops.ring_stop(priv, ring);

	/* The transmit ring is the last of its pair to be stopped. */
	if (refbug == REFBUG_LATE_RING && q->conf.tx)
		refbug_late_start(0, q->desc);
	if (refbug == REFBUG_LATE_BUFFER && q->conf.tx &&
	    q->conf.idx < REFBUG_QUEUES && refbug_buffer[q->conf.idx])
		refbug_late_start(0, phys_to_virt(refbug_buffer[q->conf.idx]));
	return err;
}

static int refbug_set_features(void *priv, u32 on, u32 changed)
{
	struct cref *v = priv;

	if (refbug == REFBUG_STUBBORN)
		on = v->caps.features;
	return refbug_real_ops.set_features(priv, on, changed);
}

static int refbug_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	int err = refbug_real_ops.set_rx_mode(priv, mode);

	if (refbug == REFBUG_LOCKED)
		local_bh_disable();
	if (refbug == REFBUG_PAIR)
		ceth_fault(cref_cdev(priv), CETH_FAULT_RX_STALL, 9999);
	return refbug == REFBUG_POSITIVE ? 1 : err;
}

static int refbug_get_stats(void *priv, u64 *val)
{
	int err = refbug_real_ops.get_stats(priv, val);

	if (refbug == REFBUG_STATS)
		val[REFNIC_STATS] = 1;
	return err;
}

static void refbug_ops_init(void)
{
	refbug_ops = refbug_real_ops;
	refbug_ops.dev_reset = refbug_dev_reset;
	refbug_ops.dev_init = refbug_dev_init;
	refbug_ops.ring_init = refbug_ring_init;
	refbug_ops.ring_stop = refbug_ring_stop;
	refbug_ops.set_features = refbug_set_features;
	refbug_ops.set_rx_mode = refbug_set_rx_mode;
	refbug_ops.get_stats = refbug_get_stats;
	if (refbug == REFBUG_CAPS)
		refbug_ops.get_link = NULL;
	if (refbug == REFBUG_CALLBACK)
		refbug_ops.ring_stop = NULL;
}

static int refbug_set(const char *val, const struct kernel_param *kp)
{
	int i = sysfs_match_string(refbug_names, val);

	if (i < 0)
		return i;
	refbug = i;
	refbug_ops_init();
	return 0;
}

static int refbug_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", refbug_names[refbug]);
}

static const struct kernel_param_ops refbug_param_ops = {
	.set = refbug_set,
	.get = refbug_get,
};
module_param_cb(bug, &refbug_param_ops, NULL, 0600);
MODULE_PARM_DESC(bug, "what the driver does wrong, while no device is bound to it");

static int __init refbug_init(void)
{
	timer_setup(&refbug_late.timer, refbug_late_tick, 0);
	refbug_ops_init();
	return refnic_driver_register(&cref_driver);
}
module_init(refbug_init);

static void __exit refbug_exit(void)
{
	refnic_driver_unregister(&cref_driver);
	timer_delete_sync(&refbug_late.timer);
}
module_exit(refbug_exit);
