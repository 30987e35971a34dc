// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: interrupts.
 *
 * Real ones, as far as Linux can tell: numbers from a domain of ours, an
 * affinity that is obeyed, masking with a pending bit as MSI-X has it. An
 * interrupt is raised by irq_work, which ends in hard interrupt context on
 * the CPU of its affinity; from another CPU a function call goes there first.
 *
 * A vector is armed by the driver and disarms itself when it is raised. What
 * happens while it is not armed raises nothing: the driver looks for itself
 * after it has armed.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/slab.h>

#include <net/ceth/compat.h>

#include "refhw.h"

/* On the right CPU, interrupts off */
static void refhw_irq_here(void *data)
{
	struct refhw_vec *vec = data;

	irq_work_queue(&vec->work);
	atomic_set(&vec->ipi, 0);
}

static void refhw_irq_work(struct irq_work *work)
{
	struct refhw_vec *vec = container_of(work, struct refhw_vec, work);

	generic_handle_irq(vec->virq);
}

static void refhw_irq_send(struct refhw_vec *vec)
{
	int cpu = READ_ONCE(vec->cpu), here = get_cpu();

	if (cpu == here || !cpu_online(cpu))
		irq_work_queue(&vec->work);
	else if (!atomic_xchg(&vec->ipi, 1) &&
		 smp_call_function_single_async(cpu, &vec->csd))
		refhw_irq_here(vec);
	put_cpu();
}

static void refhw_irq_raise(struct refhw_vec *vec)
{
	if (READ_ONCE(vec->masked)) {
		WRITE_ONCE(vec->pending, true);
		/* Either this is seen by who unmasks, or the unmasking here. */
		smp_mb();
		if (READ_ONCE(vec->masked))
			return;
		WRITE_ONCE(vec->pending, false);
	}
	refhw_irq_send(vec);
}

/* An interrupt that nobody has armed */
void refhw_vec_spurious(struct refhw_vec *vec)
{
	refhw_irq_raise(vec);
}

static void refhw_irq_ack(struct irq_data *data)
{
}

static void refhw_irq_mask(struct irq_data *data)
{
	struct refhw_vec *vec = irq_data_get_irq_chip_data(data);

	WRITE_ONCE(vec->masked, true);
}

static void refhw_irq_unmask(struct irq_data *data)
{
	struct refhw_vec *vec = irq_data_get_irq_chip_data(data);

	WRITE_ONCE(vec->masked, false);
	/* See refhw_irq_raise(). */
	smp_mb();
	if (READ_ONCE(vec->pending)) {
		WRITE_ONCE(vec->pending, false);
		refhw_irq_send(vec);
	}
}

static int refhw_irq_retrigger(struct irq_data *data)
{
	refhw_irq_send(irq_data_get_irq_chip_data(data));
	return 1;
}

static int refhw_irq_set_affinity(struct irq_data *data,
				  const struct cpumask *mask, bool force)
{
	struct refhw_vec *vec = irq_data_get_irq_chip_data(data);
	u32 cpu = cpumask_first_and(mask, cpu_online_mask);

	if (cpu >= nr_cpu_ids)
		return -EINVAL;
	WRITE_ONCE(vec->cpu, cpu);
	irq_data_update_effective_affinity(data, cpumask_of(cpu));
	return IRQ_SET_MASK_OK;
}

static struct irq_chip refhw_irq_chip = {
	.name			= "refnic",
	.irq_ack		= refhw_irq_ack,
	.irq_mask		= refhw_irq_mask,
	.irq_unmask		= refhw_irq_unmask,
	.irq_retrigger		= refhw_irq_retrigger,
	.irq_set_affinity	= refhw_irq_set_affinity,
};

static int refhw_irq_map(struct irq_domain *domain, unsigned int virq,
			 irq_hw_number_t hwirq)
{
	struct refhw *hw = domain->host_data;

	irq_set_chip_data(virq, &hw->vecs[hwirq]);
	irq_set_chip_and_handler(virq, &refhw_irq_chip, handle_edge_irq);
	ceth_irq_moves(virq);
	return 0;
}

static const struct irq_domain_ops refhw_irq_ops = {
	.map	= refhw_irq_map,
};

static void refhw_vec_raise(struct refhw_vec *vec)
{
	/* Armed once, raised once. */
	if (READ_ONCE(vec->armed) && xchg(&vec->armed, false) &&
	    (vec == vec->hw->vecs ||
	     !refhw_fault(vec->hw->port, REFHW_FAULT_IRQ_LOST)))
		refhw_irq_raise(vec);
}

static enum hrtimer_restart refhw_vec_timer(struct hrtimer *timer)
{
	struct refhw_vec *vec = container_of(timer, struct refhw_vec, timer);
	bool late;

	spin_lock(&vec->lock);
	late = vec->waiting[0] || vec->waiting[1];
	vec->waiting[0] = 0;
	vec->waiting[1] = 0;
	spin_unlock(&vec->lock);
	if (late)
		refhw_vec_raise(vec);
	return HRTIMER_NORESTART;
}

/* @n completions: now, or later together with what follows. */
void refhw_vec_event(struct refhw_vec *vec, bool tx, u32 n)
{
	unsigned long flags;
	bool now, first;

	/* The completion before the arming: the driver arms, then looks. */
	smp_mb();
	if (!READ_ONCE(vec->armed))
		return;
	if (READ_ONCE(vec->usecs[tx])) {
		spin_lock_irqsave(&vec->lock, flags);
		first = !vec->waiting[tx];
		vec->waiting[tx] += n;
		now = vec->frames[tx] && vec->waiting[tx] >= vec->frames[tx];
		if (now)
			vec->waiting[tx] = 0;
		else if (!hrtimer_active(&vec->timer) || first)
			hrtimer_start(&vec->timer,
				      ns_to_ktime((u64)vec->usecs[tx] * NSEC_PER_USEC),
				      HRTIMER_MODE_REL);
		spin_unlock_irqrestore(&vec->lock, flags);
		if (!now)
			return;
	}
	refhw_vec_raise(vec);
}

/* Without moderation, and for as long as the cause lasts. */
void refhw_vec_fire(struct refhw_vec *vec)
{
	smp_mb(); /* the cause before the arming, as above */
	refhw_vec_raise(vec);
}

void refhw_vec_arm(struct refhw_vec *vec, bool on)
{
	unsigned long flags;

	spin_lock_irqsave(&vec->lock, flags);
	vec->waiting[0] = 0;
	vec->waiting[1] = 0;
	spin_unlock_irqrestore(&vec->lock, flags);
	WRITE_ONCE(vec->armed, on);
	smp_mb(); /* before the driver looks at its rings */
}

void refhw_vec_reset(struct refhw_vec *vec)
{
	refhw_vec_arm(vec, false);
	hrtimer_cancel(&vec->timer);
	memset(vec->usecs, 0, sizeof(vec->usecs));
	memset(vec->frames, 0, sizeof(vec->frames));
}

static void refhw_vec_init(struct refhw *hw, struct refhw_vec *vec)
{
	vec->hw = hw;
	vec->masked = true;
	vec->work = IRQ_WORK_INIT_HARD(refhw_irq_work);
	INIT_CSD(&vec->csd, refhw_irq_here, vec);
	spin_lock_init(&vec->lock);
	ceth_hrtimer_setup(&vec->timer, refhw_vec_timer, CLOCK_MONOTONIC,
			   HRTIMER_MODE_REL);
}

int refhw_irq_init(struct refhw *hw, u32 n)
{
	u32 i;

	hw->vecs = kvcalloc(n, sizeof(*hw->vecs), GFP_KERNEL);
	hw->rdev.irqs = kcalloc(n, sizeof(int), GFP_KERNEL);
	if (!hw->vecs || !hw->rdev.irqs)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		refhw_vec_init(hw, &hw->vecs[i]);
	hw->fwnode = irq_domain_alloc_named_fwnode(dev_name(&hw->rdev.dev));
	if (!hw->fwnode)
		return -ENOMEM;
	hw->domain = irq_domain_create_linear(hw->fwnode, n, &refhw_irq_ops,
					      hw);
	if (!hw->domain)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		hw->vecs[i].virq = irq_create_mapping(hw->domain, i);
		if (!hw->vecs[i].virq)
			return -ENOSPC;
		hw->rdev.irqs[i] = hw->vecs[i].virq;
		hw->rdev.n_irqs = i + 1;
	}
	return 0;
}

/* Drivers have freed their interrupts. Also after refhw_irq_init() failed. */
void refhw_irq_exit(struct refhw *hw)
{
	u32 i;

	for (i = 0; i < hw->rdev.n_irqs; i++) {
		struct refhw_vec *vec = &hw->vecs[i];

		refhw_vec_reset(vec);
		while (atomic_read(&vec->ipi))
			usleep_range(50, 100);
		irq_work_sync(&vec->work);
		irq_dispose_mapping(vec->virq);
	}
	if (hw->domain)
		irq_domain_remove(hw->domain);
	if (hw->fwnode)
		irq_domain_free_fwnode(hw->fwnode);
	kfree(hw->rdev.irqs);
	kvfree(hw->vecs);
}
