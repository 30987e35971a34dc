// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: commands.
 *
 * Runs on the admin thread alone, as does every change of what it writes: a
 * command that is answered is in force.
 */
#include <linux/bitfield.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include <net/ceth/compat.h>

#include "refhw.h"

static void refhw_queue_free(struct refhw_queue *q)
{
	if (q->task)
		put_task_struct(q->task);
	/* A late doorbell may still write to both. */
	kvfree_rcu_mightsleep(q->came);
	kvfree_rcu(q, rcu);
}

/* On return the device does not touch the queue's memory any more. With
 * @flush, what has arrived is delivered first.
 */
static void refhw_queue_stop(struct refhw_queue *q, bool flush)
{
	struct refhw *hw = q->hw;

	WRITE_ONCE(q->alive, false);
	rcu_assign_pointer(hw->queues[q->qid], NULL);
	if (q->tx) {
		hw->txqs[q->index] = NULL;
		refhw_tx_stop(q);
	} else {
		rcu_assign_pointer(hw->rxqs[q->index], NULL);
		wake_up_all(&q->wait);
		/* Who was putting a frame into it has finished. */
		mutex_lock(&q->lock);
		if (flush)
			refhw_gro_flush(q);
		mutex_unlock(&q->lock);
		synchronize_srcu(&refhw_srcu);
		refhw_gro_exit(q);
	}
	refhw_queue_free(q);
}

/* By the name that the driver knows, its doorbell */
static struct refhw_queue *refhw_queue_at(struct refhw *hw, u64 doorbell)
{
	u64 qid = (doorbell - REFNIC_REG_DOORBELL) / sizeof(u32);

	if (qid >= REFHW_QIDS)
		return NULL;
	return rcu_dereference_protected(hw->queues[qid], true);
}

void refhw_queues_stop(struct refhw *hw)
{
	struct refhw_queue *q;
	u32 i;

	for (i = 0; i < REFHW_QIDS; i++) {
		q = rcu_dereference_protected(hw->queues[i], true);
		if (q)
			refhw_queue_stop(q, false);
	}
}

/* A number that has not been used for a long time: a driver must not count on
 * any.
 */
static int refhw_qid(struct refhw *hw)
{
	u32 i, qid;

	for (i = 0; i < REFHW_QIDS; i++) {
		qid = hw->next_qid++ % REFHW_QIDS;
		if (!rcu_access_pointer(hw->queues[qid]))
			return qid;
	}
	return -ENOSPC;
}

/* What the driver has created a queue with, in the order of the arguments */
enum {
	REFHW_Q_RING,
	REFHW_Q_SIZE,
	REFHW_Q_TX,
	REFHW_Q_INDEX,
	REFHW_Q_VECTOR,
	REFHW_Q_BUF_LEN,
	REFHW_Q_TAIL,
	REFHW_Q_HDRS,
	REFHW_Q_HDR_LEN,
	REFHW_Q_HDR_WHOLE,
};

static bool refhw_queue_hdrs(const struct refhw *hw, const u64 *a)
{
	u64 len = a[REFHW_Q_HDR_LEN];

	if (a[REFHW_Q_TX] || !len)
		return true;
	return (hw->feat & REFNIC_F_HDR_SPLIT) && len >= REFNIC_HDR_BUF_MIN &&
	       len <= REFNIC_HDR_BUF_MAX && a[REFHW_Q_HDR_WHOLE] <= len;
}

static bool refhw_queue_args(const struct refhw *hw, const u64 *a)
{
	u32 pairs = hw->rdev.n_irqs - 1;

	return a[REFHW_Q_INDEX] < pairs && a[REFHW_Q_VECTOR] <= pairs &&
	       a[REFHW_Q_SIZE] >= REFHW_RING_MIN &&
	       a[REFHW_Q_SIZE] <= REFHW_RING_MAX &&
	       is_power_of_2(a[REFHW_Q_SIZE]) && refhw_queue_hdrs(hw, a) &&
	       (a[REFHW_Q_TX] || (a[REFHW_Q_BUF_LEN] >= 256 &&
				  a[REFHW_Q_BUF_LEN] <= REFNIC_BUF_MAX));
}

static bool refhw_queue_memory(struct refhw_queue *q, u64 addr)
{
	u32 n = q->mask + 1;

	q->ring = refhw_dma(q->hw, addr, REFNIC_RING_ENTRY * n);
	if (!q->ring)
		return false;
	q->cmpl = (void *)(q->ring + n);
	q->more = (void *)(q->cmpl + n);
	return true;
}

static enum refnic_code refhw_queue_create(struct refhw *hw, const u64 *a,
					   u64 *doorbell)
{
	bool tx = a[REFHW_Q_TX];
	enum refnic_code code;
	struct refhw_queue *q;
	u16 index;
	int qid;

	if (!refhw_queue_args(hw, a))
		return REFNIC_ERR_ARG;
	index = a[REFHW_Q_INDEX];
	if (tx ? !!hw->txqs[index] : !!rcu_access_pointer(hw->rxqs[index]))
		return REFNIC_ERR_STATE;
	qid = refhw_qid(hw);
	q = kvzalloc_obj(*q);
	if (qid < 0 || !q) {
		kvfree(q);
		return REFNIC_ERR_MEMORY;
	}
	q->hw = hw;
	q->qid = qid;
	q->index = index;
	q->tx = tx;
	q->vec = &hw->vecs[a[REFHW_Q_VECTOR]];
	q->out.tx_vec = q->vec;
	q->order = ilog2(a[REFHW_Q_SIZE]);
	q->mask = a[REFHW_Q_SIZE] - 1;
	q->buf_len = a[REFHW_Q_BUF_LEN];
	q->tail = tx ? 0 : a[REFHW_Q_TAIL];
	q->hdrs = a[REFHW_Q_HDRS];
	q->hdr_len = tx ? 0 : a[REFHW_Q_HDR_LEN];
	q->hdr_whole = a[REFHW_Q_HDR_WHOLE];
	q->alive = true;
	mutex_init(&q->lock);
	init_waitqueue_head(&q->wait);
	refhw_gro_init(q);
	code = REFNIC_ERR_DMA;
	if (!refhw_queue_memory(q, a[REFHW_Q_RING]) ||
	    (q->hdr_len && !refhw_dma(hw, q->hdrs, q->hdr_len * (q->mask + 1))))
		goto err;
	code = REFNIC_ERR_MEMORY;
	if (tx)
		q->came = kvcalloc(q->mask + 1, sizeof(*q->came), GFP_KERNEL);
	if (tx && !q->came)
		goto err;
	rcu_assign_pointer(hw->queues[qid], q);
	if (tx)
		hw->txqs[index] = q;
	else
		rcu_assign_pointer(hw->rxqs[index], q);
	*doorbell = REFNIC_REG_DOORBELL + qid * sizeof(u32);
	return REFNIC_OK;
err:
	refhw_queue_free(q);
	return code;
}

static enum refnic_code refhw_queue_destroy(struct refhw *hw, u64 doorbell)
{
	struct refhw_queue *q = refhw_queue_at(hw, doorbell);

	if (!q)
		return REFNIC_ERR_ARG;
	refhw_queue_stop(q, true);
	return REFNIC_OK;
}

static void refhw_filter_set(struct refhw *hw, struct refhw_filter *filter)
{
	struct refhw_filter *old;

	old = rcu_dereference_protected(hw->filter, true);
	rcu_assign_pointer(hw->filter, filter);
	synchronize_srcu(&refhw_srcu);
	kvfree(old);
}

static enum refnic_code refhw_rx_mode(struct refhw *hw, const u64 *a)
{
	struct refhw_filter *filter;

	if (a[2] > REFHW_FILTERS)
		return REFNIC_ERR_ARG;
	filter = kvzalloc_obj(*filter);
	if (!filter)
		return REFNIC_ERR_MEMORY;
	filter->promisc = a[0];
	filter->allmulti = a[1];
	filter->n = a[2];
	memcpy(filter->addr, hw->mbox->data, filter->n * ETH_ALEN);
	refhw_filter_set(hw, filter);
	return REFNIC_OK;
}

static void refhw_rss_set(struct refhw *hw, u32 ctx, struct refhw_rss *rss)
{
	struct refhw_rss *old = rcu_dereference_protected(hw->rss[ctx], true);

	if (!old && !rss)
		return;
	rcu_assign_pointer(hw->rss[ctx], rss);
	synchronize_srcu(&refhw_srcu);
	kvfree(old);
}

/* Does a rule name a context? */
static bool refhw_rss_used(struct refhw *hw, u32 ctx)
{
	const struct refhw_rule *r;
	u32 i;

	for (i = 0; i < REFHW_RULES; i++) {
		r = rcu_dereference_protected(hw->rules[i], true);
		if (r && r->rss && r->ctx == ctx)
			return true;
	}
	return false;
}

static bool refhw_rss_ctx(const struct refhw *hw, u64 ctx)
{
	return !ctx || ((hw->feat & REFNIC_F_RSS_CTX) && ctx <= REFHW_RSS_CTXS);
}

static enum refnic_code refhw_rss_remove(struct refhw *hw, u64 ctx)
{
	if (!(hw->feat & REFNIC_F_RSS_CTX))
		return REFNIC_ERR_OP;
	if (!ctx || ctx > REFHW_RSS_CTXS)
		return REFNIC_ERR_ARG;
	if (refhw_rss_used(hw, ctx))
		return REFNIC_ERR_STATE;
	refhw_rss_set(hw, ctx, NULL);
	return REFNIC_OK;
}

static enum refnic_code refhw_rss(struct refhw *hw, const u64 *a)
{
	const __le16 *indir = (const void *)hw->mbox->data;
	u64 ctx = a[0], without = a[2], xfrm = a[3];
	u32 i, pairs = hw->rdev.n_irqs - 1;
	struct refhw_rss *rss;

	if (!(hw->feat & REFNIC_F_RSS))
		return REFNIC_ERR_OP;
	if (!refhw_rss_ctx(hw, ctx) || xfrm > REFNIC_XFRM_OR_XOR ||
	    (!(hw->feat & REFNIC_F_RSS_SYM) && (xfrm || without)))
		return REFNIC_ERR_ARG;
	rss = kvzalloc_obj(*rss);
	if (!rss)
		return REFNIC_ERR_MEMORY;
	rss->types = a[1];
	rss->without = without;
	rss->xfrm = xfrm;
	memcpy(rss->key, indir + REFHW_INDIR_LEN, REFHW_KEY_LEN);
	for (i = 0; i < REFHW_INDIR_LEN; i++) {
		rss->indir[i] = le16_to_cpu(indir[i]);
		if (rss->indir[i] >= pairs) {
			kvfree(rss);
			return REFNIC_ERR_ARG;
		}
	}
	refhw_rss_prepare(rss);
	refhw_rss_set(hw, ctx, rss);
	return REFNIC_OK;
}

static enum refnic_code refhw_coalesce(struct refhw *hw, const u64 *a)
{
	struct refhw_vec *vec;
	unsigned long flags;

	if (!(hw->feat & REFNIC_F_COALESCE))
		return REFNIC_ERR_OP;
	if (a[0] >= hw->rdev.n_irqs)
		return REFNIC_ERR_ARG;
	vec = &hw->vecs[a[0]];
	spin_lock_irqsave(&vec->lock, flags);
	vec->usecs[0] = a[1];
	vec->frames[0] = a[2];
	vec->usecs[1] = a[3];
	vec->frames[1] = a[4];
	spin_unlock_irqrestore(&vec->lock, flags);
	return REFNIC_OK;
}

static enum refnic_code refhw_vlan(struct refhw *hw, u64 vid, bool on)
{
	if (!(hw->feat & REFNIC_F_VLAN_FILTER))
		return REFNIC_ERR_OP;
	if (vid >= VLAN_N_VID)
		return REFNIC_ERR_ARG;
	if (on)
		set_bit(vid, hw->vlans);
	else
		clear_bit(vid, hw->vlans);
	return REFNIC_OK;
}

static void refhw_rule_set(struct refhw *hw, u32 loc, struct refhw_rule *rule)
{
	struct refhw_rule *old;
	u32 end = hw->rules_end;

	old = rcu_dereference_protected(hw->rules[loc], true);
	rcu_assign_pointer(hw->rules[loc], rule);
	if (rule)
		end = max(end, loc + 1);
	while (end && !rcu_access_pointer(hw->rules[end - 1]))
		end--;
	WRITE_ONCE(hw->rules_end, end);
	if (!old)
		return;
	synchronize_srcu(&refhw_srcu);
	kfree(old);
}

static enum refnic_code refhw_rule_cmd(struct refhw *hw, const u64 *a)
{
	const u8 *data = hw->mbox->data;
	struct refhw_rule *rule, r = {
		.fields	= a[1],
		.v6	= a[2],
		.proto	= a[3],
		.sport	= a[4],
		.dport	= a[5],
		.vid	= a[7],
		.index	= a[8],
		.rss	= a[9],
		.ctx	= a[10],
	};

	if (!(hw->feat & REFNIC_F_RULES))
		return REFNIC_ERR_OP;
	if (a[0] >= REFHW_RULES ||
	    (r.index >= hw->rdev.n_irqs - 1 && r.index != REFNIC_RULE_DROP))
		return REFNIC_ERR_ARG;
	if (r.rss && (!(hw->feat & REFNIC_F_RSS_CTX) ||
		      !refhw_rss_ctx(hw, r.ctx) ||
		      !rcu_access_pointer(hw->rss[r.ctx]) ||
		      r.index == REFNIC_RULE_DROP))
		return REFNIC_ERR_ARG;
	u64_to_ether_addr(a[6], r.dmac);
	memcpy(r.saddr, data, sizeof(r.saddr));
	memcpy(r.daddr, data + sizeof(r.saddr), sizeof(r.daddr));
	rule = kmemdup(&r, sizeof(r), GFP_KERNEL);
	if (!rule)
		return REFNIC_ERR_MEMORY;
	refhw_rule_set(hw, a[0], rule);
	return REFNIC_OK;
}

static enum refnic_code refhw_rule_remove(struct refhw *hw, u64 loc)
{
	if (!(hw->feat & REFNIC_F_RULES))
		return REFNIC_ERR_OP;
	if (loc >= REFHW_RULES)
		return REFNIC_ERR_ARG;
	refhw_rule_set(hw, loc, NULL);
	return REFNIC_OK;
}

/* What has arrived under the old settings is delivered before the answer. */
static enum refnic_code refhw_offloads(struct refhw *hw, u32 on)
{
	u32 off = hw->offloads & ~on, i;
	struct refhw_queue *q;

	WRITE_ONCE(hw->offloads, on);
	for (i = 0; off && i < REFHW_MAX_PAIRS; i++) {
		q = rcu_dereference_protected(hw->rxqs[i], true);
		if (!q)
			continue;
		mutex_lock(&q->lock);
		refhw_gro_flush(q);
		mutex_unlock(&q->lock);
	}
	return REFNIC_OK;
}

static enum refnic_code refhw_shaper(struct refhw *hw, const u64 *a)
{
	struct refhw_queue *q = NULL;

	if (!(hw->feat & REFNIC_F_SHAPER) &&
	    (!(hw->feat & REFNIC_F_TX_RATE) || !a[0] || a[1] || a[3]))
		return REFNIC_ERR_OP;
	if (a[0]) {
		q = refhw_queue_at(hw, a[0]);
		if (!q || !q->tx)
			return REFNIC_ERR_ARG;
	}
	return refhw_pace_cmd(hw, q, a[1], a[2], a[3]);
}

static enum refnic_code refhw_set_mac(struct refhw *hw, u64 addr)
{
	u8 mac[ETH_ALEN];

	u64_to_ether_addr(addr, mac);
	if (!is_valid_ether_addr(mac))
		return REFNIC_ERR_ARG;
	return refhw_func_set_mac(hw, mac);
}

/* Frames flow from now on, and events raise interrupts. */
static enum refnic_code refhw_init_cmd(struct refhw *hw, u64 feat)
{
	if (feat & ~hw->caps)
		return REFNIC_ERR_ARG;
	if (hw->status & REFNIC_STAT_RUNNING)
		return REFNIC_ERR_STATE;
	hw->feat = feat;
	/* What the status vouches for is there. */
	smp_store_release(&hw->status, hw->status | REFNIC_STAT_RUNNING);
	refhw_vec_arm(&hw->vecs[0], true);
	if (atomic_read(&hw->events))
		refhw_vec_fire(&hw->vecs[0]);
	return REFNIC_OK;
}

/* @a: arguments, and answers. Nothing but what is asked first works before it. */
static enum refnic_code refhw_command(struct refhw *hw, u32 op, u64 *a)
{
	if (op == REFNIC_OP_INIT)
		return refhw_init_cmd(hw, a[0]);
	if (!(hw->status & REFNIC_STAT_RUNNING))
		return REFNIC_ERR_STATE;
	switch (op) {
	case REFNIC_OP_QUEUE_CREATE:
		return refhw_queue_create(hw, a, &a[0]);
	case REFNIC_OP_QUEUE_DESTROY:
		return refhw_queue_destroy(hw, a[0]);
	case REFNIC_OP_SET_MAC:
		return refhw_set_mac(hw, a[0]);
	case REFNIC_OP_RX_MODE:
		return refhw_rx_mode(hw, a);
	case REFNIC_OP_VLAN:
		return refhw_vlan(hw, a[0], a[1]);
	case REFNIC_OP_RSS:
		return refhw_rss(hw, a);
	case REFNIC_OP_RSS_REMOVE:
		return refhw_rss_remove(hw, a[0]);
	case REFNIC_OP_OFFLOADS:
		return refhw_offloads(hw, a[0]);
	case REFNIC_OP_COALESCE:
		return refhw_coalesce(hw, a);
	case REFNIC_OP_STATS:
		refhw_stats(hw, (void *)hw->mbox->data);
		return REFNIC_OK;
	case REFNIC_OP_CLOCK:
		if (!(hw->feat & REFNIC_F_CLOCK))
			return REFNIC_ERR_OP;
		refhw_clock_set(hw, a);
		return REFNIC_OK;
	case REFNIC_OP_RULE:
		return refhw_rule_cmd(hw, a);
	case REFNIC_OP_RULE_REMOVE:
		return refhw_rule_remove(hw, a[0]);
	case REFNIC_OP_SHAPER:
		return refhw_shaper(hw, a);
	case REFNIC_OP_FUNC:
	case REFNIC_OP_FUNC_REMOVE:
		return refhw_func_command(hw, a, op == REFNIC_OP_FUNC);
	default:
		return REFNIC_ERR_OP;
	}
}

/* The command that the doorbell has told of */
void refhw_admin(struct refhw *hw)
{
	u64 args[ARRAY_SIZE(hw->mbox->args)];
	enum refnic_code code;
	struct refnic_mbox *m;
	u32 op, i;

	if (READ_ONCE(hw->control_new))
		return;
	/* Pairs with the release of the doorbell. */
	op = smp_load_acquire(&hw->command);
	if (!op)
		return;
	WRITE_ONCE(hw->command, 0);
	m = refhw_dma(hw, hw->mbox_addr, sizeof(*m));
	if (!m || refhw_fault(hw->port, REFHW_FAULT_ADMIN_STUCK))
		return;
	hw->mbox = m;
	/* The driver may write on: what is checked is a copy. */
	for (i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = le64_to_cpu(READ_ONCE(m->args[i]));
	if (refhw_fault(hw->port, REFHW_FAULT_ADMIN_ERROR))
		code = REFNIC_ERR_MEMORY;
	else
		code = refhw_command(hw, op, args);
	m->args[0] = cpu_to_le64(args[0]);
	/* The answer before the sign that it is there. */
	smp_wmb();
	WRITE_ONCE(m->status, cpu_to_le64(REFNIC_DONE | code));
}

/* Settings as after power on. No queue is left. */
void refhw_forget(struct refhw *hw)
{
	u32 i;

	refhw_filter_set(hw, NULL);
	for (i = 0; i < REFHW_RULES; i++)
		refhw_rule_set(hw, i, NULL);
	for (i = 0; i < ARRAY_SIZE(hw->rss); i++)
		refhw_rss_set(hw, i, NULL);
	ether_addr_copy(hw->mac, hw->perm);
	bitmap_zero(hw->vlans, VLAN_N_VID);
	refhw_pace_forget(hw);
	hw->offloads = 0;
}
