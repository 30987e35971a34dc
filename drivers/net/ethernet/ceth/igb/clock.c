// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the Intel 82576: time (7.9).
 *
 * The clock counts 2^-19 ns, and is added to every 16 ns. What it counts from is
 * kept here, and moved on often enough for its 64 bits, which are nine hours.
 */
#include <linux/math64.h>

#include "igb.h"

#define CIGB_CYCLES	19	/* of a ns, as a shift */
#define CIGB_INCREMENT	(16U << CIGB_CYCLES)

static u64 cigb_cycles(const struct cigb *v, u32 low)
{
	/* The upper half is kept for the read that follows (8.16.5). */
	u32 lo = cigb_read(v, low);

	return (u64)cigb_read(v, low + 4) << 32 | lo;
}

/* Under time_lock */
static u64 cigb_now(struct cigb *v)
{
	u64 ns = (cigb_cycles(v, CIGB_SYSTIML) - v->cycles) >> CIGB_CYCLES;

	v->cycles += ns << CIGB_CYCLES;
	v->ns += ns;
	return v->ns;
}

u64 cigb_clock_read(void *priv)
{
	struct cigb *v = priv;
	unsigned long flags;
	u64 ns;

	spin_lock_irqsave(&v->time_lock, flags);
	/* While the device is down it goes on by ours. */
	ns = v->left ? v->ns + ktime_to_ns(ktime_sub(ktime_get(), v->left)) :
		       cigb_now(v);
	spin_unlock_irqrestore(&v->time_lock, flags);
	return ns;
}

/* The reset that follows takes the clock. */
void cigb_clock_stop(struct cigb *v)
{
	unsigned long flags;

	spin_lock_irqsave(&v->time_lock, flags);
	if (!v->left) {
		if (!cigb_gone(v))
			cigb_now(v);
		v->left = ktime_get();
	}
	spin_unlock_irqrestore(&v->time_lock, flags);
}

static void cigb_clock_rate(const struct cigb *v)
{
	cigb_write(v, CIGB_TIMINCA,
		   CIGB_TIMINCA_16NS | (CIGB_INCREMENT + v->slew));
}

void cigb_clock_start(struct cigb *v)
{
	unsigned long flags;

	cigb_clock_rate(v);
	cigb_write(v, CIGB_TSYNCTXCTL, CIGB_TSYNC_ENABLE);
	spin_lock_irqsave(&v->time_lock, flags);
	v->ns += ktime_to_ns(ktime_sub(ktime_get(), v->left));
	v->left = 0;
	v->cycles = cigb_cycles(v, CIGB_SYSTIML);
	spin_unlock_irqrestore(&v->time_lock, flags);
}

int cigb_clock_set(void *priv, const struct ceth_clock *change)
{
	struct cigb *v = priv;
	unsigned long flags;

	if (change->adjust) {
		v->slew = div64_s64((s64)CIGB_INCREMENT * change->scaled_ppm,
				    1000000LL << 16);
		cigb_clock_rate(v);
	}
	spin_lock_irqsave(&v->time_lock, flags);
	cigb_now(v);
	if (change->set)
		v->ns = change->time;
	if (change->step)
		v->ns += change->delta;
	spin_unlock_irqrestore(&v->time_lock, flags);
	return 0;
}

/**
 * cigb_tx_stamp() - when the packet was sent that asked for it
 * @v: the device
 *
 * The device notes one at a time: that of a packet which asked before the last
 * one was read is not known.
 *
 * Return: ns; 0: not known.
 */
u64 cigb_tx_stamp(struct cigb *v)
{
	unsigned long flags;
	u64 ns;

	if (!(cigb_read(v, CIGB_TSYNCTXCTL) & CIGB_TSYNC_VALID))
		return 0;
	spin_lock_irqsave(&v->time_lock, flags);
	ns = v->ns + ((s64)(cigb_cycles(v, CIGB_TXSTMPL) - v->cycles) >>
		      CIGB_CYCLES);
	spin_unlock_irqrestore(&v->time_lock, flags);
	return ns;
}
