// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: when a frame goes: launch times and limits of rates.
 *
 * All of it is computed in the machine's raw time; see refhw.h. The threads of
 * the queues wait here.
 */
#include <linux/bitfield.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>

#include "refhw.h"

/* Wait until the machine's raw time is @at, or until what that was computed
 * from has changed. False: the queue goes away.
 */
static bool refhw_pace_sleep(struct refhw_queue *q, u64 at)
{
	ktime_t wait;
	s64 left = at - ktime_get_raw_ns();

	if (left <= 0)
		return !kthread_should_stop();
	refhw_batch_end(&q->out);
	for (;;) {
		set_current_state(TASK_IDLE);
		left = at - ktime_get_raw_ns();
		if (left <= 0 || READ_ONCE(q->again) || kthread_should_stop())
			break;
		wait = ns_to_ktime(left);
		schedule_hrtimeout(&wait, HRTIMER_MODE_REL);
	}
	__set_current_state(TASK_RUNNING);
	return !kthread_should_stop();
}

/**
 * refhw_pace_until() - the queue does nothing before a time
 * @q: the queue
 * @at: by the machine's raw clock, ns
 *
 * Return: false: the queue goes away.
 */
bool refhw_pace_until(struct refhw_queue *q, u64 at)
{
	WRITE_ONCE(q->again, false);
	return refhw_pace_sleep(q, at);
}

/* Clock or rates have changed; the admin thread. */
void refhw_pace_again(struct refhw *hw)
{
	struct refhw_queue *q;
	u32 i;

	for (i = 0; i < REFHW_MAX_PAIRS; i++) {
		q = hw->txqs[i];
		if (!q || !q->task)
			continue;
		/* Before it looks at what was changed, or it is woken. */
		smp_store_mb(q->again, true);
		wake_up_process(q->task);
	}
}

/**
 * refhw_pace_launch() - hold a packet until its launch time
 * @q: the queue; its time is when the device comes to the packet
 * @good: the time is not too far ahead
 *
 * Return: false: the queue goes away.
 */
bool refhw_pace_launch(struct refhw_queue *q, bool *good)
{
	s64 ahead;
	u64 now, at;

	for (;;) {
		/* Before the clock is looked at */
		smp_store_mb(q->again, false);
		now = refhw_time_at(q->hw, q->at);
		/* The descriptor has the lower bits; the nearest is meant. */
		ahead = sign_extend64(FIELD_GET(REFNIC_TODO_AT,
						le64_to_cpu(q->todo.extra)) -
				      now,
				      REFNIC_LAUNCH_BITS - 1);
		*good = ahead <= REFHW_LAUNCH_AHEAD;
		if (!*good)
			refhw_count(q->hw, REFHW_TX_FAR, 1);
		else if (ahead < 0)
			refhw_count(q->hw, REFHW_TX_LATE, 1);
		if (!*good || ahead <= 0)
			return true;
		at = refhw_time_when(q->hw, now + ahead);
		if (!refhw_pace_sleep(q, at))
			return false;
		if (!READ_ONCE(q->again)) {
			q->at = max(q->at, at);
			return true;
		}
		/* The clock is another one now. */
		q->at = max(q->at, min(at, ktime_get_raw_ns()));
	}
}

/* When a frame may go that could go at @at; it is taken to go then. */
static u64 refhw_pace_book(struct refhw *hw, struct refhw_shaper *s, u32 len,
			   u64 at)
{
	u64 cost, ahead;

	spin_lock(&hw->pace_lock);
	if (s->bps) {
		cost = div64_u64((u64)len * 8 * NSEC_PER_SEC, s->bps);
		ahead = mul_u64_u64_div_u64((u64)s->burst * 8, NSEC_PER_SEC,
					    s->bps);
		if (s->free > ahead)
			at = max(at, s->free - ahead);
		s->free = max(s->free, at) + cost;
	}
	spin_unlock(&hw->pace_lock);
	return at;
}

/* See refhw_pace(); there is a limit. */
static bool refhw_pace_limits(struct refhw_queue *q, u32 len)
{
	struct refhw *hw = q->hw;
	u32 node = READ_ONCE(q->node);
	struct refhw_shaper *limits[] = {
		&q->shaper,
		node ? &hw->shapers[node] : NULL,
		&hw->shapers[0],
		&hw->limit,
	};
	u64 at;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		if (!limits[i] || !READ_ONCE(limits[i]->bps))
			continue;
		/* Before the limit is looked at */
		smp_store_mb(q->again, false);
		at = refhw_pace_book(hw, limits[i], len, q->at);
		if (!refhw_pace_sleep(q, at))
			return false;
		/* The limit that held it is gone, or another one: now. */
		q->at = max(q->at, min(at, ktime_get_raw_ns()));
	}
	return true;
}

/**
 * refhw_pace() - hold a frame until the limits allow it
 * @q: the queue; its time is when the frame could go, and on return when it may
 * @len: of the frame
 *
 * From the queue's limit to that of the port, and of a function, one after the
 * other: a frame that one of them still holds takes nothing of the next one's
 * rate.
 *
 * Return: false: the queue goes away.
 */
bool refhw_pace(struct refhw_queue *q, u32 len)
{
	const struct refhw_shaper *node = &q->hw->shapers[READ_ONCE(q->node)];

	/* The port is node 0. */
	if (likely(!READ_ONCE(q->shaper.bps) && !READ_ONCE(node->bps) &&
		   !READ_ONCE(q->hw->shapers[0].bps) &&
		   !READ_ONCE(q->hw->limit.bps)))
		return true;
	return refhw_pace_limits(q, len);
}

static void refhw_pace_set(struct refhw *hw, struct refhw_shaper *s, u64 bps,
			   u32 burst)
{
	spin_lock(&hw->pace_lock);
	WRITE_ONCE(s->bps, bps);
	s->burst = burst;
	s->free = 0;
	spin_unlock(&hw->pace_lock);
	refhw_pace_again(hw);
}

/* Command SHAPER; @q is its queue, if it is about one. */
enum refnic_code refhw_pace_cmd(struct refhw *hw, struct refhw_queue *q,
				u64 node, u64 bps, u32 burst)
{
	if (node > REFHW_NODES || (bps && bps < REFNIC_SHAPER_MIN))
		return REFNIC_ERR_ARG;
	if (!q) {
		refhw_pace_set(hw, &hw->shapers[node], bps, burst);
		return REFNIC_OK;
	}
	WRITE_ONCE(q->node, node);
	refhw_pace_set(hw, &q->shaper, bps, burst);
	return REFNIC_OK;
}

/**
 * refhw_pace_limit() - a function's limit, as the device's driver has it
 * @hw: the function
 * @bps: bit/s; 0: none
 *
 * From any thread: the function's own looks after its queues.
 */
void refhw_pace_limit(struct refhw *hw, u64 bps)
{
	if (hw->limit.bps == bps)
		return;
	spin_lock(&hw->pace_lock);
	WRITE_ONCE(hw->limit.bps, bps);
	hw->limit.free = 0;
	spin_unlock(&hw->pace_lock);
	/* Pairs with the acquire of refhw_pace_look(). */
	smp_store_release(&hw->limit_new, true);
	refhw_wake(hw);
}

/* The limit may be another one; the admin thread. */
void refhw_pace_look(struct refhw *hw)
{
	/* Pairs with the release of refhw_pace_limit(). */
	if (!smp_load_acquire(&hw->limit_new))
		return;
	WRITE_ONCE(hw->limit_new, false);
	refhw_pace_again(hw);
}

/* After a reset; the limit of a function is not its own. */
void refhw_pace_forget(struct refhw *hw)
{
	memset(hw->shapers, 0, sizeof(hw->shapers));
}
