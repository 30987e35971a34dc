// SPDX-License-Identifier: GPL-2.0
/* CETH core: the watch, against what a device loses.
 *
 * Once a second each pair is looked at. A pair that has been polled, or
 * interrupted, since then is well. On one that has not
 *
 *  - completions may wait that nobody was told of: an interrupt was lost. Seen
 *    twice, so that it is not merely on its way, they are polled, and it is
 *    counted and reported;
 *  - packets may be in flight of which none has completed for as long as the
 *    stack's watchdog would wait, had the queue been full: completions were
 *    lost, and the device is restarted.
 *
 * No packet costs anything for it. A device without traffic is looked at when
 * a processor is awake for some other reason.
 */
#include <linux/netdevice.h>

#include "core.h"

#define CETH_WATCH_PERIOD	HZ
/* From the first look at a suspect pair to the second: longer than interrupts
 * are delayed.
 */
#define CETH_WATCH_AGAIN	(HZ / 10)

/* Poll if there is need. Return: the pair is not simply idle. */
static bool ceth_watch_irq(struct ceth_pair *pair)
{
	u64 polls = READ_ONCE(pair->rx_stats.polls);
	u16 events = READ_ONCE(pair->events);
	struct ceth_watch *w = &pair->watch;
	struct ceth_dev *cdev = pair->cdev;
	enum ceth_pending pending;
	bool lost;

	if (polls != w->polls || events != w->events) {
		w->polls = polls;
		w->events = events;
		w->suspect = false;
		return true;
	}
	local_bh_disable();
	/* With that, the queues are ours and stay what they are. */
	if (!napi_schedule_prep(&pair->napi)) {
		local_bh_enable();
		return true;
	}
	pending = cdev->dp->pending(pair);
	lost = pending && w->suspect;
	/* An interrupt that came meanwhile makes this a poll, too. */
	if (lost)
		__napi_schedule(&pair->napi);
	else
		napi_complete_done(&pair->napi, 0);
	local_bh_enable();
	w->suspect = pending && !lost;
	/* Elsewhere completions may wait for more of them, unless somebody
	 * waits for each.
	 */
	if (lost && (pending == CETH_PENDING_RX || pair->tx_prompt ||
		     ceth_has(cdev, CETH_CAP_TX_TIMELY)))
		ceth_fault(cdev, CETH_FAULT_IRQ_LOST, pair->idx);
	return pending;
}

/* Return: segments in flight, under the queue's lock. */
static u32 ceth_watch_txq(struct ceth_txq *txq, u32 *stall)
{
	struct net_device *dev = txq->pair->cdev->netdev;
	u32 tail, in_flight = ceth_tx_in_flight(txq);

	if (!in_flight)
		txq->held = false;
	if (!in_flight || !netif_carrier_ok(dev)) {
		txq->watch.since = 0;
		return 0;
	}
	/* An AF_XDP socket may have had packets wait for long. */
	if (txq->held)
		return in_flight;
	tail = READ_ONCE(txq->free_tail);
	if (!txq->watch.since || tail != txq->watch.tail) {
		txq->watch.tail = tail;
		txq->watch.since = jiffies ?: 1;
		return in_flight;
	}
	/* Where somebody is to poll, that has to come first. */
	if (time_after(jiffies, txq->watch.since + dev->watchdog_timeo) &&
	    !test_bit(NAPI_STATE_SCHED, &txq->pair->napi.state)) {
		txq->watch.since = 0;
		*stall = in_flight;
	}
	return in_flight;
}

/* Return: packets are in flight. */
static bool ceth_watch_tx(struct ceth_pair *pair)
{
	u32 in_flight = 0, stall = 0;
	struct ceth_txq *txq;

	if (!ceth_has(pair->cdev, CETH_CAP_TX_TIMELY))
		return false;
	local_bh_disable();
	__netif_tx_lock(pair->netq, smp_processor_id());
	if (pair->txq)
		in_flight = ceth_watch_txq(pair->txq, &stall);
	__netif_tx_unlock(pair->netq);
	txq = ceth_xdp_lock(pair);
	if (txq) {
		if (txq->lock == &txq->own_lock)
			in_flight += ceth_watch_txq(txq, &stall);
		ceth_xdp_unlock(txq);
	}
	local_bh_enable();
	if (stall) {
		netdev_err(pair->cdev->netdev,
			   "queue %u: %u segments in flight, and none completes\n",
			   pair->idx, stall);
		ceth_fault(pair->cdev, CETH_FAULT_TX_STALL, pair->idx);
	}
	return in_flight;
}

static void ceth_watch(struct ceth_dev *cdev)
{
	unsigned long again = CETH_WATCH_AGAIN +
			      usecs_to_jiffies(cdev->caps.coal_max_usecs);
	bool busy = false, suspect = false;
	u16 i;

	if (!READ_ONCE(cdev->running) || READ_ONCE(cdev->gone))
		return;
	for (i = 0; i < cdev->caps.max_pairs; i++) {
		struct ceth_pair *pair = &cdev->pairs[i];

		if (!READ_ONCE(pair->running))
			continue;
		busy |= ceth_watch_irq(pair);
		busy |= ceth_watch_tx(pair);
		suspect |= pair->watch.suspect;
	}
	if (suspect)
		queue_delayed_work(cdev->wq, &cdev->watch_work, again);
	else if (busy)
		queue_delayed_work(cdev->wq, &cdev->watch_work,
				   round_jiffies_relative(CETH_WATCH_PERIOD));
	else
		queue_delayed_work(cdev->wq, &cdev->watch_idle,
				   CETH_WATCH_PERIOD);
}

static void ceth_watch_work(struct work_struct *work)
{
	ceth_watch(container_of(to_delayed_work(work), struct ceth_dev,
				watch_work));
}

static void ceth_watch_idle(struct work_struct *work)
{
	ceth_watch(container_of(to_delayed_work(work), struct ceth_dev,
				watch_idle));
}

void ceth_watch_init(struct ceth_dev *cdev)
{
	INIT_DELAYED_WORK(&cdev->watch_work, ceth_watch_work);
	INIT_DEFERRABLE_WORK(&cdev->watch_idle, ceth_watch_idle);
}

/**
 * ceth_watch_start() - the device runs; it ends by itself when it does not
 * @cdev: the device; under the configuration lock
 */
void ceth_watch_start(struct ceth_dev *cdev)
{
	cancel_delayed_work(&cdev->watch_idle);
	queue_delayed_work(cdev->wq, &cdev->watch_work, CETH_WATCH_PERIOD);
}

/**
 * ceth_watch_stop() - for good
 * @cdev: the device; down, and never up again
 */
void ceth_watch_stop(struct ceth_dev *cdev)
{
	cancel_delayed_work_sync(&cdev->watch_idle);
	cancel_delayed_work_sync(&cdev->watch_work);
}
