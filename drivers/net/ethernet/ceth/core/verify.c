// SPDX-License-Identifier: GPL-2.0
/* CETH core: the verifying mode: what is wrong with a backend.
 *
 * A device that is made while the parameter "verify" is set has the second
 * instance of its backend's fast path (<net/ceth/verify.h>), and its callbacks
 * are called through those of verify_ops.c. Both check what
 * Documentation/networking/ceth/contract.rst says. A violation is said once for
 * each sentence, counted (fault_contract), and has the device restarted; the
 * rest of the core goes on as if the backend had done right.
 */
#include <linux/delay.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "verify.h"

/* Behind a ring's memory: nobody writes there. */
#define CETH_V_GUARD		64
/* What is there, and in memory that the device has let go of */
#define CETH_V_POISON		0xce
/* Of each buffer of the device's that much is looked at. */
#define CETH_V_HEAD		64
/* How long a device may be watched that should do nothing any more */
#define CETH_V_QUIET_MS		10

static bool ceth_verify;
module_param_named(verify, ceth_verify, bool, 0644);
MODULE_PARM_DESC(verify, "check backends against the contract: devices made from now on");

/**
 * ceth_broken() - a sentence of the contract does not hold
 * @cdev: the device
 * @pair: index of the pair; 0: none in particular
 * @rule: the sentence: letter and number
 * @fmt: what was seen
 *
 * Context: any.
 */
void ceth_broken(struct ceth_dev *cdev, u16 pair, const char *rule,
		 const char *fmt, ...)
{
	unsigned long *said = &cdev->verify->said[*rule == 'C'];
	struct va_format vaf = { .fmt = fmt };
	unsigned int bit = 0;
	const char *digit;
	va_list args;

	for (digit = rule + 1; *digit; digit++)
		bit = bit * 10 + *digit - '0';
	/* One restart for each: what a backend does every time would have the
	 * device do nothing else.
	 */
	if (test_and_set_bit(bit % BITS_PER_LONG, said)) {
		atomic_long_inc(&cdev->health.count[CETH_FAULT_CONTRACT]);
		return;
	}
	va_start(args, fmt);
	vaf.va = &args;
	dev_err(cdev->dev, "ceth: contract %s: pair %u: %pV\n", rule, pair,
		&vaf);
	va_end(args);
	ceth_fault(cdev, CETH_FAULT_CONTRACT, pair);
}

/**
 * ceth_verify_begin() - have a new device checked, if that is wanted
 * @cdev: the device; the backend's operations are set
 *
 * Return: 0 or a negative errno.
 */
int ceth_verify_begin(struct ceth_dev *cdev)
{
	struct ceth_verify *vf;

	if (!READ_ONCE(ceth_verify))
		return 0;
	vf = kvzalloc(struct_size(vf, pairs, cdev->caps.max_pairs), GFP_KERNEL);
	if (!vf)
		return -ENOMEM;
	INIT_LIST_HEAD(&vf->rings);
	vf->state = CETH_VS_NEW;
	cdev->verify = vf;
	ceth_verify_ops_init(cdev);
	cdev->ops = &vf->ops;
	cdev->priv = cdev;
	cdev->dp = &cdev->backend.dp->verify->dp;
	dev_info(cdev->dev, "ceth: verifying mode\n");
	return 0;
}

/**
 * ceth_verify_end() - undo ceth_verify_begin()
 * @cdev: the device
 */
void ceth_verify_end(struct ceth_dev *cdev)
{
	kvfree(cdev->verify);
}

/**
 * ceth_vq_alloc() - have a new queue checked
 * @cdev: the device
 * @rxq: the queue, or NULL
 * @txq: the queue, or NULL
 *
 * Return: for the queue's @verify; NULL without the verifying mode; or an
 * ERR_PTR.
 */
struct ceth_vq *ceth_vq_alloc(struct ceth_dev *cdev, struct ceth_rxq *rxq,
			      struct ceth_txq *txq)
{
	struct ceth_vq *v;

	if (!cdev->verify)
		return NULL;
	v = kvcalloc(1, sizeof(*v), GFP_KERNEL);
	if (!v)
		return ERR_PTR(-ENOMEM);
	v->cdev = cdev;
	v->rxq = rxq;
	v->txq = txq;
	v->ring = rxq ? rxq->priv : txq->priv;
	v->pair = rxq ? rxq->idx : txq->idx;
	v->size = rxq ? rxq->size : txq->size;
	v->desc = kvcalloc(v->size, sizeof(*v->desc), GFP_KERNEL);
	if (!v->desc) {
		kvfree(v);
		return ERR_PTR(-ENOMEM);
	}
	list_add(&v->list, &cdev->verify->rings);
	return v;
}

/**
 * ceth_vq_free() - undo ceth_vq_alloc()
 * @v: what it returned, or NULL
 */
void ceth_vq_free(struct ceth_vq *v)
{
	if (IS_ERR_OR_NULL(v))
		return;
	list_del(&v->list);
	kvfree(v->desc);
	kvfree(v);
}

/**
 * ceth_verify_room() - bytes to allocate for a ring
 * @cdev: the device
 * @len: bytes that it needs
 *
 * Return: @len, and a guard.
 */
size_t ceth_verify_room(const struct ceth_dev *cdev, size_t len)
{
	return cdev->verify ? len + CETH_V_GUARD : len;
}

/* Has anybody written behind the ring? */
void ceth_v_guard(struct ceth_vq *v)
{
	if (!v->mem || !memchr_inv(v->mem + v->len, CETH_V_POISON,
				   CETH_V_GUARD))
		return;
	memset(v->mem + v->len, CETH_V_POISON, CETH_V_GUARD);
	ceth_broken(v->cdev, v->pair, "B8",
		    "%s ring: somebody wrote behind its %u bytes",
		    v->rxq ? "receive" : "transmit", v->len);
}

/**
 * ceth_vq_init() - a ring is about to be emptied
 * @v: the queue
 * @conf: its ring; the memory is all zero
 */
void ceth_vq_init(struct ceth_vq *v, const struct ceth_ring_conf *conf)
{
	const struct ceth_ops *ops = v->cdev->backend.ops;

	v->mem = conf->mem;
	v->len = conf->size * ops->ring_entry;
	if (v->mem)
		memset(v->mem + v->len, CETH_V_POISON, CETH_V_GUARD);
	memset(v->desc, 0, v->size * sizeof(*v->desc));
	v->n = 0;
	v->endless = 0;
	v->peeked = false;
	v->posted = 0;
	v->flushed = 0;
	v->rung = 0;
	v->owed = false;
	v->seq = 0;
	v->blind = false;
}

/**
 * ceth_vq_look() - a ring has been emptied
 * @v: the queue
 */
void ceth_vq_look(struct ceth_vq *v)
{
	int context;
	u32 seen;

	local_bh_disable();
	context = preempt_count();
	seen = v->cdev->backend.dp->verify->look(v->ring, v->txq);
	ceth_v_context(v->cdev, v->pair, context,
		       v->rxq ? "rx_flush" : "tx_flush");
	local_bh_enable();
	if (seen)
		ceth_broken(v->cdev, v->pair, "B7", "after ring_init the %s ring has %s",
			    v->rxq ? "receive" : "transmit",
			    seen & CETH_V_READY ? "a completion" :
			    "something to ring the doorbell for");
}

static bool ceth_v_plain(const struct ceth_rxq *rxq)
{
	return rxq && rxq->kind == CETH_RXQ_PLAIN &&
	       !dma_dev_need_sync(rxq->dev);
}

/* Buffers that the device had, which are ours now */
static void ceth_v_poison(const struct ceth_rxq *rxq)
{
	u32 id;

	for (id = 0; ceth_v_plain(rxq) && id < rxq->size; id++)
		if (rxq->vas[id])
			memset(rxq->vas[id] + rxq->off, CETH_V_POISON,
			       CETH_V_HEAD);
}

static bool ceth_v_buffers(const struct ceth_rxq *rxq)
{
	u32 id;

	for (id = 0; ceth_v_plain(rxq) && id < rxq->size; id++)
		if (rxq->vas[id] && memchr_inv(rxq->vas[id] + rxq->off,
					       CETH_V_POISON, CETH_V_HEAD))
			return true;
	return false;
}

static void ceth_v_poison_ring(struct ceth_vq *v)
{
	if (!v || !v->mem)
		return;
	ceth_v_guard(v);
	memset(v->mem, CETH_V_POISON, v->len);
}

static bool ceth_v_ring(const struct ceth_vq *v)
{
	return v && v->mem && memchr_inv(v->mem, CETH_V_POISON, v->len);
}

/* A stall that was reported: was there something that the device was never told
 * of?
 */
static void ceth_v_stall(struct ceth_vq *v, u32 bit)
{
	struct ceth_verify *vf;

	if (!v)
		return;
	vf = v->cdev->verify;
	if (test_and_clear_bit(bit, &vf->pairs[v->pair].stalled) && v->owed)
		ceth_broken(v->cdev, v->pair, "B16",
			    "%s rang no doorbell for the last %u segments, and the queue stands still",
			    v->rxq ? "rx_flush" : "tx_flush",
			    v->flushed - v->rung);
}

/**
 * ceth_verify_quiet() - see that a device has let go of queues
 * @rxq: stopped, and not polled any more; or NULL
 * @txq: the same
 *
 * Context: process, may sleep.
 */
void ceth_verify_quiet(struct ceth_rxq *rxq, struct ceth_txq *txq)
{
	struct ceth_vq *rx = rxq ? rxq->verify : NULL, *tx = txq->verify;
	const char *what = NULL;

	if (!tx)
		return;
	ceth_v_stall(rx, 0);
	ceth_v_stall(tx, 1);
	ceth_v_poison(rxq);
	ceth_v_poison_ring(rx);
	ceth_v_poison_ring(tx);
	msleep(CETH_V_QUIET_MS);
	if (ceth_v_buffers(rxq))
		what = "a receive buffer";
	else if (ceth_v_ring(rx))
		what = "the receive ring";
	else if (ceth_v_ring(tx))
		what = "the transmit ring";
	if (!what)
		return;
	ceth_broken(tx->cdev, tx->pair, "B6",
		    "somebody writes to %s after ring_stop has returned", what);
	/* What a device that does not let go of a queue gets. */
	tx->cdev->verify->lost = true;
	ceth_dev_reset(tx->cdev);
}

/**
 * ceth_verify_fault() - look at what a backend reports
 * @cdev: the device
 * @fault: kind, as the backend says
 * @pair: index, as the backend says
 *
 * Return: it makes sense.
 */
bool ceth_verify_fault(struct ceth_dev *cdev, u32 fault, u16 pair)
{
	struct ceth_vpair *vp;

	if (fault >= CETH_FAULT_NUM || pair >= cdev->caps.max_pairs) {
		ceth_broken(cdev, 0, "B11",
			    "a report of fault %u of pair %u, of %u pairs",
			    fault, pair, cdev->caps.max_pairs);
		return false;
	}
	vp = &cdev->verify->pairs[pair];
	if (fault == CETH_FAULT_RX_STALL)
		set_bit(0, &vp->stalled);
	if (fault == CETH_FAULT_TX_STALL)
		set_bit(1, &vp->stalled);
	return true;
}
