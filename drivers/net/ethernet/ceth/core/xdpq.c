// SPDX-License-Identifier: GPL-2.0
/* CETH core: transmit queues for XDP alone.
 *
 * While there is a program, the frames that programs send have rings of their
 * own, one for each pair, as far as the device has indexes that no pair uses:
 * they neither wait for the stack's packets nor take their room. Elsewhere they
 * share the ring of the pair, which always works.
 *
 * Such a queue belongs to a pair, is polled with it, and goes with its queues,
 * since it sends buffers of its receive queue. It comes and goes while the pair
 * works: senders find the one queue or the other, and no frame is lost between
 * them. A want of memory is no error.
 */
#include "core.h"

/* From the top, where a change of the number of pairs disturbs fewest. */
static u16 ceth_xdpq_idx(const struct ceth_pair *pair)
{
	return pair->cdev->caps.max_pairs - 1 - pair->idx;
}

static void ceth_xdpq_add(struct ceth_pair *pair)
{
	struct ceth_txq *txq, *shared = pair->txq_done;
	struct ceth_dev *cdev = pair->cdev;

	txq = ceth_txq_alloc(pair, &cdev->cfg, ceth_xdpq_idx(pair));
	if (IS_ERR(txq))
		return;
	if (ceth_txq_start(txq)) {
		ceth_txq_free(txq);
		return;
	}
	WRITE_ONCE(pair->xdp_own, txq);
	spin_lock_bh(shared->lock);
	/* Pairs with the lock of @txq: who sends on it finds it made. */
	smp_store_release(&pair->xdp, txq);
	spin_unlock_bh(shared->lock);
}

/* Frames to come take the other queue, and those in flight complete. */
static void ceth_xdpq_remove(struct ceth_pair *pair)
{
	struct ceth_txq *txq = pair->xdp_own;
	bool stuck;

	spin_lock_bh(txq->lock);
	WRITE_ONCE(pair->xdp, pair->txq_done);
	spin_unlock_bh(txq->lock);
	ceth_txq_drain(txq);
	/* Their buffers go where a poll takes them from. */
	stuck = ceth_tx_in_flight(txq);
	if (stuck)
		napi_disable_locked(&pair->napi);
	WRITE_ONCE(pair->xdp_own, NULL);
	/* A sender that has looked before, and a poll's last look at the rings. */
	synchronize_net();
	ceth_txq_stop(txq);
	ceth_txq_free(txq);
	if (!stuck)
		return;
	napi_enable_locked(&pair->napi);
	ceth_pair_poll(pair);
}

/**
 * ceth_xdpq_detach() - take a pair's queue for XDP from the device
 * @pair: the pair; nobody sends to the queue, and no poll is under way
 */
void ceth_xdpq_detach(struct ceth_pair *pair)
{
	struct ceth_txq *txq = pair->xdp_own;

	if (!txq)
		return;
	ceth_txq_stop(txq);
	pair->xdp_own = NULL;
	ceth_txq_free(txq);
}

/**
 * ceth_xdpq_update() - which pairs have a queue for XDP
 * @cdev: the device; under the configuration lock
 * @n_pairs: pairs that have, or are going to have, their indexes
 *
 * To be called when there is a program, or is none any more, before pairs get
 * queues, and after they got some.
 */
void ceth_xdpq_update(struct ceth_dev *cdev, u16 n_pairs)
{
	bool want = cdev->xdp_prog && ceth_has(cdev, CETH_CAP_TX_ALONE);
	u16 i;

	if (!cdev->running)
		return;
	for (i = 0; i < n_pairs; i++) {
		struct ceth_pair *pair = &cdev->pairs[i];
		bool room = want && ceth_xdpq_idx(pair) >= n_pairs;

		if (!pair->running)
			continue;
		if (pair->xdp_own && !room)
			ceth_xdpq_remove(pair);
		else if (!pair->xdp_own && room)
			ceth_xdpq_add(pair);
	}
}
