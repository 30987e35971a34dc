// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: the clock.
 *
 * It runs with the machine's, at a rate that the driver can change, from the
 * time that the driver has set. Not even a reset stops it.
 */
#include <linux/ktime.h>
#include <linux/math64.h>

#include "refhw.h"

/* Of the rate: a million times 2^-16 ppm */
#define REFHW_CLOCK_UNIT	(1000000ULL << 16)

/* Under the lock. A time before the last change is by what is in force now. */
static u64 refhw_clock_now(const struct refhw_clock *clock, u64 at)
{
	s64 past = at - clock->at, more;

	more = mul_u64_u64_div_u64(abs(past), abs((s64)clock->rate),
				   REFHW_CLOCK_UNIT);
	return clock->base + past +
	       ((past < 0) == (clock->rate < 0) ? more : -more);
}

/* What the clock shows when the machine's raw time is @at */
u64 refhw_time_at(struct refhw *hw, u64 at)
{
	struct refhw_clock *clock = &hw->clock;
	unsigned long flags;
	u64 time;

	spin_lock_irqsave(&clock->lock, flags);
	time = refhw_clock_now(clock, at);
	spin_unlock_irqrestore(&clock->lock, flags);
	return time;
}

/* The machine's raw time when the clock shows @time, as it runs now */
u64 refhw_time_when(struct refhw *hw, u64 time)
{
	struct refhw_clock *clock = &hw->clock;
	unsigned long flags;
	s64 past, more;
	u64 at;

	spin_lock_irqsave(&clock->lock, flags);
	past = time - clock->base;
	more = mul_u64_u64_div_u64(abs(past), REFHW_CLOCK_UNIT,
				   REFHW_CLOCK_UNIT + clock->rate);
	at = clock->at + (past < 0 ? -more : more);
	/* What was rounded off */
	while ((s64)(refhw_clock_now(clock, at) - time) < 0)
		at++;
	spin_unlock_irqrestore(&clock->lock, flags);
	return at;
}

u64 refhw_time(struct refhw *hw)
{
	return refhw_time_at(hw, ktime_get_raw_ns());
}

u32 refhw_time_reg(struct refhw *hw, bool high)
{
	u64 now;

	if (high)
		return READ_ONCE(hw->clock.held);
	now = refhw_time(hw);
	WRITE_ONCE(hw->clock.held, upper_32_bits(now));
	return lower_32_bits(now);
}

/* Command CLOCK, with its arguments */
void refhw_clock_set(struct refhw *hw, const u64 *a)
{
	struct refhw_clock *clock = &hw->clock;
	u64 at = ktime_get_raw_ns();
	unsigned long flags;

	spin_lock_irqsave(&clock->lock, flags);
	clock->base = refhw_clock_now(clock, at);
	clock->at = at;
	if (a[0])
		clock->base = a[1];
	if (a[2])
		clock->base += a[3];
	if (a[4])
		clock->rate = (s32)a[5];
	spin_unlock_irqrestore(&clock->lock, flags);
	/* What waits for a time waits for another one now. */
	refhw_pace_again(hw);
}

void refhw_clock_init(struct refhw *hw)
{
	spin_lock_init(&hw->clock.lock);
	hw->clock.at = ktime_get_raw_ns();
	hw->clock.base = ktime_get_real_ns();
}
