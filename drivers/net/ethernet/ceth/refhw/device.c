// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: registers, reset, power.
 *
 * What a driver writes into a register takes effect on the admin thread, as
 * the firmware of a controller would do it: the driver waits for the status.
 * Doorbells are the exception.
 */
#include <linux/bitfield.h>
#include <linux/dma-direct.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include <net/ceth/compat.h>

#include "refhw.h"

/**
 * refhw_dma() - memory of the machine by DMA address
 * @hw: the device
 * @addr: DMA address
 * @len: bytes
 *
 * The only way from the device to memory that is not its own. There is no
 * IOMMU before the device, so that an address is a physical one, if anything
 * is there; with swiotlb it is that of the bounce buffer. Memory which the
 * kernel has not mapped (highmem) is not reached. Elsewhere, outside of the
 * machine, this would be a look-up in the memory that is shared.
 *
 * Return: where it is, or NULL: the device has failed.
 */
void *refhw_dma(struct refhw *hw, u64 addr, u32 len)
{
	phys_addr_t from = dma_to_phys(&hw->rdev.dev, addr);
	phys_addr_t last = from + len - 1;

	if (unlikely(!len || last < from || !pfn_valid(PHYS_PFN(from)) ||
		     (PHYS_PFN(last) != PHYS_PFN(from) &&
		      !pfn_valid(PHYS_PFN(last))) ||
		     PageHighMem(pfn_to_page(PHYS_PFN(last))))) {
		refhw_fail(hw, REFNIC_HEALTH_DMA, 0);
		return NULL;
	}
	return phys_to_virt(from);
}

/* Something the driver should know of. */
void refhw_event(struct refhw *hw, u32 event)
{
	atomic_or(event, &hw->events);
	refhw_vec_fire(&hw->vecs[0]);
}

/* The first cause stays until the reset. */
void refhw_fail(struct refhw *hw, enum refnic_health code, u16 arg)
{
	u32 val = FIELD_PREP(REFNIC_HEALTH_CODE, code) |
		  FIELD_PREP(REFNIC_HEALTH_ARG, arg);

	if (!cmpxchg(&hw->health, 0, val))
		refhw_event(hw, REFNIC_EV_HEALTH);
}

static u32 refhw_mac_reg(const struct refhw *hw, u32 reg)
{
	const u8 *m = hw->perm;

	if (reg == REFNIC_REG_MAC + 4)
		return m[4] | m[5] << 8;
	return m[0] | m[1] << 8 | m[2] << 16 | (u32)m[3] << 24;
}

static u32 refhw_read32(struct refnic_device *rdev, u32 reg)
{
	struct refhw *hw = to_refhw(rdev);
	const struct refhw_port *port = hw->port;

	if (READ_ONCE(hw->gone))
		return REFNIC_GONE;
	switch (reg) {
	case REFNIC_REG_ID:
		return REFNIC_ID;
	case REFNIC_REG_CAPS:
		return lower_32_bits(hw->caps);
	case REFNIC_REG_CAPS + 4:
		return upper_32_bits(hw->caps);
	case REFNIC_REG_STATUS:
		/* Pairs with the release of what sets it. */
		return smp_load_acquire(&hw->status);
	case REFNIC_REG_HEALTH:
		return READ_ONCE(hw->health);
	case REFNIC_REG_EVENT:
		return atomic_xchg(&hw->events, 0);
	case REFNIC_REG_LINK:
		return (refhw_link_up(port) ? REFNIC_LINK_UP : 0) |
		       (READ_ONCE(port->wire.rate) ?: REFHW_SPEED);
	case REFNIC_REG_PAIRS:
		return rdev->n_irqs - 1;
	case REFNIC_REG_VECTORS:
		return rdev->n_irqs;
	case REFNIC_REG_RING:
		return FIELD_PREP(REFNIC_RING_MIN, REFHW_RING_MIN) |
		       FIELD_PREP(REFNIC_RING_MAX, REFHW_RING_MAX);
	case REFNIC_REG_TX_SEGS:
		return REFHW_TX_SEGS;
	case REFNIC_REG_TX_SIZE:
		return SZ_64K;
	case REFNIC_REG_MTU:
		return REFHW_MTU;
	case REFNIC_REG_RSS:
		return FIELD_PREP(REFNIC_RSS_KEY_LEN, REFHW_KEY_LEN) |
		       FIELD_PREP(REFNIC_RSS_INDIR_LEN, REFHW_INDIR_LEN);
	case REFNIC_REG_HASH:
		return REFNIC_HASH_IPV4 | REFNIC_HASH_TCPV4 |
		       REFNIC_HASH_UDPV4 | REFNIC_HASH_IPV6 |
		       REFNIC_HASH_TCPV6 | REFNIC_HASH_UDPV6;
	case REFNIC_REG_COAL_USECS:
		return 10000;
	case REFNIC_REG_COAL_FRAMES:
		return 4096;
	case REFNIC_REG_MAC:
	case REFNIC_REG_MAC + 4:
		return refhw_mac_reg(hw, reg);
	case REFNIC_REG_FILTERS:
		return REFHW_FILTERS;
	case REFNIC_REG_RULES:
		return REFHW_RULES;
	case REFNIC_REG_RSS_CTXS:
		return REFHW_RSS_CTXS;
	case REFNIC_REG_GRO_SEGS:
		return REFHW_GRO_SEGS;
	case REFNIC_REG_FUNCS:
		return hw->caps & REFNIC_F_FUNCTIONS ? REFHW_FUNCTIONS : 0;
	case REFNIC_REG_FUNC_UP:
		return hw->caps & REFNIC_F_FUNCTIONS ? refhw_func_reg(port) : 0;
	case REFNIC_REG_FUNC_PAIRS:
		return hw->caps & REFNIC_F_FUNCTIONS ? port->fn_pairs : 0;
	case REFNIC_REG_FUNC:
		return hw->fn;
	case REFNIC_REG_LAUNCH:
		return REFHW_LAUNCH_AHEAD;
	case REFNIC_REG_NODES:
		return REFHW_NODES;
	case REFNIC_REG_TIME:
	case REFNIC_REG_TIME + 4:
		return refhw_time_reg(hw, reg != REFNIC_REG_TIME);
	case REFNIC_REG_STARVED:
		return READ_ONCE(hw->starved);
	default:
		return 0;
	}
}

void refhw_wake(struct refhw *hw)
{
	smp_mb(); /* what it has to see, before looking whether it sleeps */
	if (READ_ONCE(hw->idle))
		wake_up_process(hw->task);
}

static void refhw_doorbell(struct refhw *hw, u32 reg, u32 val)
{
	u32 qid = (reg - REFNIC_REG_DOORBELL) / sizeof(u32);
	struct refhw_queue *q;

	if (qid >= REFHW_QIDS)
		return;
	rcu_read_lock();
	q = rcu_dereference(hw->queues[qid]);
	if (q) {
		if (q->tx)
			refhw_tx_tail(q, val);
		/* Pairs with the acquire of who takes descriptors. */
		smp_store_release(&q->tail, val);
		if (q->tx)
			refhw_tx_doorbell(q);
		else
			refhw_rx_doorbell(q);
	}
	rcu_read_unlock();
}

/* Event vectors are raised for as long as there are events. */
static void refhw_write_vector(struct refhw *hw, u32 n, u32 val)
{
	if (n >= hw->rdev.n_irqs)
		return;
	refhw_vec_arm(&hw->vecs[n], val & 1);
	if (!n && atomic_read(&hw->events))
		refhw_vec_fire(&hw->vecs[0]);
}

static void refhw_write32(struct refnic_device *rdev, u32 reg, u32 val)
{
	struct refhw *hw = to_refhw(rdev);

	if (READ_ONCE(hw->gone))
		return;
	if (reg >= REFNIC_REG_VECTOR(0)) {
		refhw_write_vector(hw, (reg - REFNIC_REG_VECTOR(0)) / 4, val);
		return;
	}
	if (reg >= REFNIC_REG_DOORBELL) {
		refhw_doorbell(hw, reg, val);
		return;
	}
	switch (reg) {
	case REFNIC_REG_RESET:
		WRITE_ONCE(hw->status, 0);
		/* Pairs with the acquire in refhw_thread(). */
		smp_store_release(&hw->control_new, true);
		refhw_wake(hw);
		break;
	case REFNIC_REG_MBOX:
		hw->mbox_addr = (hw->mbox_addr & ~(u64)U32_MAX) | val;
		break;
	case REFNIC_REG_MBOX + 4:
		hw->mbox_addr = lower_32_bits(hw->mbox_addr) | (u64)val << 32;
		break;
	case REFNIC_REG_COMMAND:
		/* Pairs with the acquire in refhw_admin(). */
		smp_store_release(&hw->command, val);
		refhw_wake(hw);
		break;
	}
}

static const struct refnic_bus_ops refhw_bus_ops = {
	.read32		= refhw_read32,
	.write32	= refhw_write32,
};

/* As after power on. On return nothing of the driver's is touched. */
static void refhw_reset(struct refhw *hw)
{
	u32 i;

	WRITE_ONCE(hw->status, 0);
	refhw_queues_stop(hw);
	refhw_forget(hw);
	refhw_stats_reset(hw);
	for (i = 0; i < hw->rdev.n_irqs; i++)
		refhw_vec_reset(&hw->vecs[i]);
	atomic_set(&hw->events, 0);
	hw->feat = 0;
	hw->mbox = NULL;
	hw->mbox_addr = 0;
	WRITE_ONCE(hw->command, 0);
	WRITE_ONCE(hw->health, 0);
}

static int refhw_thread(void *data)
{
	struct refhw *hw = data;

	while (!kthread_should_stop()) {
		WRITE_ONCE(hw->idle, true);
		set_current_state(TASK_IDLE);
		if (!READ_ONCE(hw->control_new) && !READ_ONCE(hw->tx_new) &&
		    !READ_ONCE(hw->command) && !READ_ONCE(hw->limit_new) &&
		    !kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
		WRITE_ONCE(hw->idle, false);

		/* Pairs with the release of refhw_write32(). */
		if (smp_load_acquire(&hw->control_new)) {
			WRITE_ONCE(hw->control_new, false);
			smp_mb(); /* taken before it is looked at */
			refhw_reset(hw);
			/* Nothing of before is touched any more. */
			smp_store_release(&hw->status, REFNIC_STAT_READY);
		}
		refhw_admin(hw);
		refhw_pace_look(hw);
		refhw_tx_start_new(hw);
		/* Says so first: afterwards nothing is armed. */
		if (hw->mbox && refhw_fault(hw->port, REFHW_FAULT_RESET)) {
			refhw_fail(hw, REFNIC_HEALTH_INTERNAL, 1);
			refhw_reset(hw);
			refhw_fail(hw, REFNIC_HEALTH_INTERNAL, 1);
			/* As after any reset */
			smp_store_release(&hw->status, REFNIC_STAT_READY);
		}
	}
	return 0;
}

static void refhw_release(struct device *dev)
{
	struct refhw *hw = to_refhw(to_refnic_device(dev));
	u32 i;

	kvfree(rcu_access_pointer(hw->filter));
	for (i = 0; i < ARRAY_SIZE(hw->rss); i++)
		kvfree(rcu_access_pointer(hw->rss[i]));
	if (hw->task)
		put_task_struct(hw->task);
	kvfree(hw);
}

/* No frame finds it any more, after a grace period. */
static void refhw_detach(struct refhw *hw)
{
	rcu_assign_pointer(*hw->slot, NULL);
	if (hw->fn)
		WRITE_ONCE(hw->port->n_fns, hw->port->n_fns - 1);
}

/* What the port's own device is, or a function of it. */
static void refhw_describe(struct refhw *hw, const struct refhw_fn *fn, u32 nr)
{
	struct refhw_port *port = hw->port;
	struct refhw *parent;
	char name[48];

	hw->fn = nr;
	if (!nr) {
		hw->slot = &port->hw;
		hw->caps = port->caps;
		if (!port->fn_pairs)
			hw->caps &= ~REFNIC_F_FUNCTIONS;
		ether_addr_copy(hw->perm, port->mac);
		refhw_bus_init(&hw->rdev, port->name, refhw_release);
		return;
	}
	parent = rcu_dereference_protected(port->hw,
					   lockdep_is_held(&refhw_lock));
	hw->slot = &port->fns[nr - 1].hw;
	hw->gen = fn->gen;
	hw->caps = port->caps & ~REFNIC_F_FUNCTIONS;
	ether_addr_copy(hw->perm, fn->mac);
	hw->limit.bps = fn->bps;
	snprintf(name, sizeof(name), "%s.%u", port->name, nr);
	refhw_bus_init(&hw->rdev, name, refhw_release);
	hw->rdev.dev.parent = &parent->rdev.dev;
}

/**
 * refhw_create() - a device for a port
 * @port: port
 * @fn: function of the port's device; NULL: the port's device itself
 * @nr: number of the function
 *
 * Under refhw_lock. A driver has found it when this returns.
 *
 * Return: the device or an ERR_PTR.
 */
struct refhw *refhw_create(struct refhw_port *port, const struct refhw_fn *fn,
			   u32 nr)
{
	struct task_struct *task;
	struct refhw *hw;
	int err;

	hw = kvzalloc_obj(*hw);
	if (!hw)
		return ERR_PTR(-ENOMEM);
	hw->port = port;
	refhw_describe(hw, fn, nr);
	hw->rdev.ops = &refhw_bus_ops;
	spin_lock_init(&hw->pace_lock);
	mutex_init(&hw->turn);
	refhw_clock_init(hw);
	err = refhw_irq_init(hw, (fn ? fn->pairs : port->pairs) + 1);
	if (err)
		goto err_irq;
	hw->status = REFNIC_STAT_READY;
	ether_addr_copy(hw->mac, hw->perm);
	task = kthread_create(refhw_thread, hw, "%s-adm",
			      dev_name(&hw->rdev.dev));
	if (IS_ERR(task)) {
		err = PTR_ERR(task);
		goto err_irq;
	}
	/* A late register access may still wake it. */
	hw->task = get_task_struct(task);
	wake_up_process(task);
	rcu_assign_pointer(*hw->slot, hw);
	if (nr)
		WRITE_ONCE(port->n_fns, port->n_fns + 1);
	err = device_add(&hw->rdev.dev);
	if (err)
		goto err_task;
	return hw;

err_task:
	refhw_detach(hw);
	synchronize_srcu(&refhw_srcu);
	kthread_stop(hw->task);
err_irq:
	refhw_irq_exit(hw);
	put_device(&hw->rdev.dev);
	return ERR_PTR(err);
}

/* Pull it out: first it touches nothing any more, then the driver hears. */
void refhw_destroy(struct refhw *hw)
{
	WRITE_ONCE(hw->gone, true);
	WRITE_ONCE(hw->status, 0);
	kthread_stop(hw->task);
	if (!hw->fn)
		refhw_func_off(hw->port);
	refhw_detach(hw);
	refhw_queues_stop(hw);
	synchronize_srcu(&refhw_srcu);
	refhw_forget(hw);
	device_del(&hw->rdev.dev);
	refhw_irq_exit(hw);
	put_device(&hw->rdev.dev);
}
