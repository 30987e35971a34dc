// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: misbehaviour on demand.
 *
 * /sys/kernel/debug/refnic/<port>/<fault> holds how many times the device will
 * do that at the next occasions. chaos_ppm makes it do anything of chaos_mask
 * at random, at so many out of a million occasions.
 */
#include <linux/debugfs.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "refhw.h"

static struct dentry *refhw_debugfs;

static const char * const refhw_fault_names[REFHW_FAULTS] = {
	[REFHW_FAULT_RX_ID]		= "rx_id",
	[REFHW_FAULT_RX_DUP]		= "rx_dup",
	[REFHW_FAULT_RX_LEN]		= "rx_len",
	[REFHW_FAULT_RX_EMPTY]		= "rx_empty",
	[REFHW_FAULT_RX_CHAIN]		= "rx_chain",
	[REFHW_FAULT_RX_LOST]		= "rx_lost",
	[REFHW_FAULT_RX_STUCK]		= "rx_stuck",
	[REFHW_FAULT_TX_ID]		= "tx_id",
	[REFHW_FAULT_TX_DUP]		= "tx_dup",
	[REFHW_FAULT_TX_LOST]		= "tx_lost",
	[REFHW_FAULT_TX_STUCK]		= "tx_stuck",
	[REFHW_FAULT_IRQ_LOST]		= "irq_lost",
	[REFHW_FAULT_IRQ_SPURIOUS]	= "irq_spurious",
	[REFHW_FAULT_ADMIN_STUCK]	= "admin_stuck",
	[REFHW_FAULT_ADMIN_ERROR]	= "admin_error",
	[REFHW_FAULT_LINK_FLAP]		= "link_flap",
	[REFHW_FAULT_RESET]		= "reset",
	[REFHW_FAULT_FAIL]		= "fail",
	[REFHW_FAULT_STATS]		= "stats",
	[REFHW_FAULT_RX_GRO]		= "rx_gro",
};

/* Count down, but not below 0. */
static bool refhw_fault_take(u32 *count)
{
	u32 old = READ_ONCE(*count), seen;

	while (old) {
		seen = cmpxchg(count, old, old - 1);
		if (seen == old)
			return true;
		old = seen;
	}
	return false;
}

/**
 * refhw_fault_hit() - is it time to do something wrong?
 * @port: port; some fault is set
 * @fault: what could be done wrong here
 *
 * Return: do it.
 */
bool refhw_fault_hit(struct refhw_port *port, enum refhw_fault fault)
{
	struct refhw_faults *f = &port->faults;
	u32 ppm = READ_ONCE(f->chaos_ppm);

	if (refhw_fault_take(&f->count[fault]) ||
	    (ppm && (READ_ONCE(f->chaos_mask) & BIT(fault)) &&
	     get_random_u32_below(1000000) < ppm)) {
		atomic_inc(&f->done);
		return true;
	}
	return false;
}

/* Those that wait for no occasion of the device's own. */
static void refhw_fault_now(struct refhw_port *port)
{
	struct refhw *hw;
	int idx;
	u32 i;

	idx = srcu_read_lock(&refhw_srcu);
	hw = srcu_dereference(port->hw, &refhw_srcu);
	for (i = 0; hw && i < hw->rdev.n_irqs; i++)
		if (refhw_fault(port, REFHW_FAULT_IRQ_SPURIOUS))
			refhw_vec_spurious(&hw->vecs[i]);
	if (hw && refhw_fault(port, REFHW_FAULT_LINK_FLAP))
		refhw_event(hw, REFNIC_EV_LINK);
	if (hw && refhw_fault(port, REFHW_FAULT_FAIL))
		refhw_fail(hw, REFNIC_HEALTH_INTERNAL, 0);
	if (hw)
		refhw_wake(hw);
	srcu_read_unlock(&refhw_srcu, idx);
}

struct refhw_fault_file {
	struct refhw_port *port;
	u32 *val;
};

static int refhw_fault_get(void *data, u64 *val)
{
	const struct refhw_fault_file *file = data;

	*val = READ_ONCE(*file->val);
	return 0;
}

static int refhw_fault_set(void *data, u64 val)
{
	const struct refhw_fault_file *file = data;
	struct refhw_port *port = file->port;
	struct refhw_faults *f = &port->faults;
	bool any = false;
	u32 i;

	if (val > U32_MAX)
		return -ERANGE;
	WRITE_ONCE(*file->val, val);
	for (i = 0; i < REFHW_FAULTS; i++)
		any |= READ_ONCE(f->count[i]);
	/* Stays set when the counts are down: it costs a look then. */
	WRITE_ONCE(f->on, any || READ_ONCE(f->chaos_ppm));
	if (READ_ONCE(f->on))
		refhw_fault_now(port);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(refhw_fault_fops, refhw_fault_get, refhw_fault_set,
			 "%llu\n");

static void refhw_state_queue(struct seq_file *s, const struct refhw_queue *q)
{
	seq_printf(s, "%s %u: qid %u %s%s%s tail %u head %u done %u of %u, vector %s\n",
		   q->tx ? "tx" : "rx", q->index, q->qid,
		   READ_ONCE(q->alive) ? "alive" : "dead",
		   READ_ONCE(q->starved) ? " starved" : "",
		   READ_ONCE(q->stuck) ? " stuck" : "", READ_ONCE(q->tail),
		   READ_ONCE(q->head), READ_ONCE(q->done), q->mask + 1,
		   READ_ONCE(q->vec->armed) ? "armed" : "not armed");
}

/* What a logic analyser would show */
static int refhw_state_show(struct seq_file *s, void *unused)
{
	struct refhw_port *port = s->private;
	struct refhw_queue *q;
	struct refhw *hw;
	int idx;
	u32 i;

	idx = srcu_read_lock(&refhw_srcu);
	hw = srcu_dereference(port->hw, &refhw_srcu);
	if (!hw)
		goto out;
	seq_printf(s, "status %#x health %#x events %#x command %u\n",
		   READ_ONCE(hw->status), READ_ONCE(hw->health),
		   atomic_read(&hw->events), READ_ONCE(hw->command));
	for (i = 0; i < REFHW_STATS; i++)
		seq_printf(s, "%s %lld\n", refhw_stat_names[i],
			   (s64)atomic64_read(&hw->stats[i]));
	rcu_read_lock();
	for (i = 0; i < REFHW_QIDS; i++) {
		q = rcu_dereference(hw->queues[i]);
		if (q)
			refhw_state_queue(s, q);
	}
	rcu_read_unlock();
out:
	srcu_read_unlock(&refhw_srcu, idx);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(refhw_state);

static void refhw_fault_file(struct refhw_port *port, const char *name,
			     u32 *val, u32 i)
{
	struct refhw_fault_file *file = &port->faults.files[i];

	file->port = port;
	file->val = val;
	debugfs_create_file(name, 0600, port->faults.dir, file,
			    &refhw_fault_fops);
}

void refhw_fault_add(struct refhw_port *port)
{
	struct refhw_faults *f = &port->faults;
	u32 i;

	f->files = kcalloc(REFHW_FAULTS + 2, sizeof(*f->files), GFP_KERNEL);
	if (!f->files)
		return;
	f->chaos_mask = BIT(REFHW_FAULTS) - 1;
	f->dir = debugfs_create_dir(port->name, refhw_debugfs);
	for (i = 0; i < REFHW_FAULTS; i++)
		refhw_fault_file(port, refhw_fault_names[i], &f->count[i], i);
	refhw_fault_file(port, "chaos_ppm", &f->chaos_ppm, i++);
	refhw_fault_file(port, "chaos_mask", &f->chaos_mask, i);
	debugfs_create_file("state", 0400, f->dir, port, &refhw_state_fops);
	debugfs_create_atomic_t("done", 0400, f->dir, &f->done);
}

void refhw_fault_del(struct refhw_port *port)
{
	debugfs_remove(port->faults.dir);
	kfree(port->faults.files);
}

void refhw_fault_init(void)
{
	refhw_debugfs = debugfs_create_dir("refnic", NULL);
}

void refhw_fault_exit(void)
{
	debugfs_remove(refhw_debugfs);
}
