// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: the admin queue.
 *
 * Runs on the admin thread alone, as does every change of what it writes: a
 * command that is answered is in force.
 */
#include <linux/bitfield.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
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

static struct refhw_queue *refhw_queue_at(struct refhw *hw, u32 qid)
{
	if (qid >= REFHW_QIDS)
		return NULL;
	return rcu_dereference_protected(hw->queues[qid], true);
}

void refhw_queues_stop(struct refhw *hw)
{
	struct refhw_queue *q;
	u32 i;

	for (i = 0; i < REFHW_QIDS; i++) {
		q = refhw_queue_at(hw, i);
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

static bool refhw_queue_args(const struct refhw *hw,
			     const struct refnic_cmd_queue *c, bool tx)
{
	u32 pairs = hw->rdev.n_irqs - 1, index = le16_to_cpu(c->index);
	u32 len = le32_to_cpu(c->buf_len);

	return index < pairs && le16_to_cpu(c->vector) <= pairs &&
	       c->size >= REFHW_RING_MIN && c->size <= REFHW_RING_MAX &&
	       (tx || (len >= 256 && len <= REFNIC_BUF_MAX));
}

static bool refhw_queue_memory(struct refhw_queue *q,
			       const struct refnic_cmd_queue *c)
{
	u32 n = q->mask + 1;

	q->ring = refhw_dma(q->hw, le64_to_cpu(c->ring), REFNIC_RING_ENTRY * n);
	if (!q->ring)
		return false;
	q->cmpl = (void *)(q->ring + n);
	q->more = (void *)(q->cmpl + n);
	return true;
}

static enum refnic_code refhw_queue_create(struct refhw *hw,
					   struct refnic_cmd_queue *c, bool tx)
{
	u16 index = le16_to_cpu(c->index);
	enum refnic_code code;
	struct refhw_queue *q;
	int qid;

	if (!refhw_queue_args(hw, c, tx))
		return REFNIC_ERR_ARG;
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
	q->vec = &hw->vecs[le16_to_cpu(c->vector)];
	q->out.tx_vec = q->vec;
	q->order = c->size;
	q->mask = BIT(c->size) - 1;
	q->buf_len = le32_to_cpu(c->buf_len);
	q->alive = true;
	mutex_init(&q->lock);
	init_waitqueue_head(&q->wait);
	refhw_gro_init(q);
	code = REFNIC_ERR_DMA;
	if (!refhw_queue_memory(q, c))
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
	c->qid = cpu_to_le16(qid);
	c->doorbell = cpu_to_le32(REFNIC_REG_DOORBELL + qid * sizeof(u32));
	return REFNIC_OK;
err:
	refhw_queue_free(q);
	return code;
}

static enum refnic_code refhw_queue_destroy(struct refhw *hw, u16 qid)
{
	struct refhw_queue *q = refhw_queue_at(hw, qid);

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

static enum refnic_code refhw_rx_mode(struct refhw *hw,
				      const struct refnic_cmd_rx_mode *c)
{
	u32 n = le32_to_cpu(c->n), i;
	struct refhw_filter *filter;
	const u8 *table = NULL;

	if (n > REFHW_FILTERS)
		return REFNIC_ERR_ARG;
	if (n)
		table = refhw_dma(hw, le64_to_cpu(c->table), n * 8);
	if (n && !table)
		return REFNIC_ERR_DMA;
	filter = kvzalloc_obj(*filter);
	if (!filter)
		return REFNIC_ERR_MEMORY;
	filter->flags = le32_to_cpu(c->flags);
	filter->n = n;
	for (i = 0; i < n; i++)
		ether_addr_copy(filter->addr[i], table + i * 8);
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
	const struct refnic_cmd_rule *r;
	u32 i;

	for (i = 0; i < REFHW_RULES; i++) {
		r = rcu_dereference_protected(hw->rules[i], true);
		if (r && (r->flags & REFNIC_RULE_RSS) &&
		    le16_to_cpu(r->ctx) == ctx)
			return true;
	}
	return false;
}

static bool refhw_rss_ctx(const struct refhw *hw, u32 ctx)
{
	return !ctx || ((hw->feat & REFNIC_F_RSS_CTX) && ctx <= REFHW_RSS_CTXS);
}

static enum refnic_code refhw_rss_remove(struct refhw *hw, u32 ctx)
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

static bool refhw_rss_args(const struct refhw *hw,
			   const struct refnic_cmd_rss *c)
{
	bool sym = hw->feat & REFNIC_F_RSS_SYM;

	if (le16_to_cpu(c->key_len) != REFHW_KEY_LEN ||
	    le16_to_cpu(c->indir_len) != REFHW_INDIR_LEN)
		return false;
	if (!refhw_rss_ctx(hw, le16_to_cpu(c->ctx)))
		return false;
	if (c->xfrm > REFNIC_XFRM_OR_XOR ||
	    c->xfrm == (REFNIC_XFRM_XOR | REFNIC_XFRM_OR_XOR))
		return false;
	return sym || (!c->xfrm && !c->without);
}

static enum refnic_code refhw_rss(struct refhw *hw,
				  const struct refnic_cmd_rss *c)
{
	u32 i, pairs = hw->rdev.n_irqs - 1;
	struct refhw_rss *rss;
	const __le16 *indir;
	const u8 *key;

	if (!(hw->feat & REFNIC_F_RSS))
		return REFNIC_ERR_OP;
	if (!refhw_rss_args(hw, c))
		return REFNIC_ERR_ARG;
	key = refhw_dma(hw, le64_to_cpu(c->key), REFHW_KEY_LEN);
	indir = refhw_dma(hw, le64_to_cpu(c->indir),
			  REFHW_INDIR_LEN * sizeof(*indir));
	if (!key || !indir)
		return REFNIC_ERR_DMA;
	rss = kvzalloc_obj(*rss);
	if (!rss)
		return REFNIC_ERR_MEMORY;
	rss->types = le32_to_cpu(c->hash_types);
	rss->without = le32_to_cpu(c->without);
	rss->xfrm = c->xfrm;
	rss->other = le16_to_cpu(c->other);
	memcpy(rss->key, key, REFHW_KEY_LEN);
	for (i = 0; i < REFHW_INDIR_LEN; i++) {
		rss->indir[i] = le16_to_cpu(indir[i]);
		if (rss->indir[i] >= pairs || rss->other >= pairs) {
			kvfree(rss);
			return REFNIC_ERR_ARG;
		}
	}
	refhw_rss_prepare(rss);
	refhw_rss_set(hw, le16_to_cpu(c->ctx), rss);
	return REFNIC_OK;
}

static enum refnic_code refhw_coalesce(struct refhw *hw,
				       const struct refnic_cmd_coalesce *c)
{
	u32 n = le16_to_cpu(c->vector);
	struct refhw_vec *vec;
	unsigned long flags;

	if (!(hw->feat & REFNIC_F_COALESCE))
		return REFNIC_ERR_OP;
	if (n >= hw->rdev.n_irqs)
		return REFNIC_ERR_ARG;
	vec = &hw->vecs[n];
	spin_lock_irqsave(&vec->lock, flags);
	vec->usecs[0] = le32_to_cpu(c->rx_usecs);
	vec->frames[0] = le32_to_cpu(c->rx_frames);
	vec->usecs[1] = le32_to_cpu(c->tx_usecs);
	vec->frames[1] = le32_to_cpu(c->tx_frames);
	spin_unlock_irqrestore(&vec->lock, flags);
	return REFNIC_OK;
}

static enum refnic_code refhw_vlan(struct refhw *hw, u16 vid, bool on)
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

static void refhw_rule_set(struct refhw *hw, u32 loc,
			   struct refnic_cmd_rule *rule)
{
	struct refnic_cmd_rule *old;
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

static enum refnic_code refhw_rule_cmd(struct refhw *hw,
				       const struct refnic_cmd_rule *c)
{
	u32 loc = le16_to_cpu(c->loc), index = le16_to_cpu(c->index);
	struct refnic_cmd_rule *rule = NULL;

	if (!(hw->feat & REFNIC_F_RULES))
		return REFNIC_ERR_OP;
	if (loc >= REFHW_RULES ||
	    (index >= hw->rdev.n_irqs - 1 && index != REFNIC_RULE_DROP))
		return REFNIC_ERR_ARG;
	if (c->flags & REFNIC_RULE_RSS) {
		u32 ctx = le16_to_cpu(c->ctx);

		if (!(hw->feat & REFNIC_F_RSS_CTX) || !refhw_rss_ctx(hw, ctx) ||
		    !rcu_access_pointer(hw->rss[ctx]) ||
		    index == REFNIC_RULE_DROP)
			return REFNIC_ERR_ARG;
	}
	if (c->flags & REFNIC_RULE_ON) {
		rule = kmemdup(c, sizeof(*c), GFP_KERNEL);
		if (!rule)
			return REFNIC_ERR_MEMORY;
	}
	refhw_rule_set(hw, loc, rule);
	return REFNIC_OK;
}

static enum refnic_code refhw_tx_rate(struct refhw *hw,
				      const struct refnic_cmd_rate *c)
{
	struct refhw_queue *q = refhw_queue_at(hw, le16_to_cpu(c->qid));

	if (!(hw->feat & REFNIC_F_TX_RATE))
		return REFNIC_ERR_OP;
	if (!q || !q->tx)
		return REFNIC_ERR_ARG;
	refhw_pace_rate(q, le32_to_cpu(c->mbps));
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

static enum refnic_code refhw_shaper(struct refhw *hw,
				     const struct refnic_cmd_shaper *c)
{
	struct refhw_queue *q = NULL;

	if (!(hw->feat & REFNIC_F_SHAPER))
		return REFNIC_ERR_OP;
	if (le16_to_cpu(c->flags) & REFNIC_SHAPER_QUEUE) {
		q = refhw_queue_at(hw, le16_to_cpu(c->qid));
		if (!q || !q->tx)
			return REFNIC_ERR_ARG;
	}
	return refhw_pace_cmd(hw, q, c);
}

static enum refnic_code refhw_command(struct refhw *hw, struct refnic_cmd *c)
{
	switch (le16_to_cpu(c->op)) {
	case REFNIC_OP_RXQ_CREATE:
		return refhw_queue_create(hw, &c->queue, false);
	case REFNIC_OP_TXQ_CREATE:
		return refhw_queue_create(hw, &c->queue, true);
	case REFNIC_OP_QUEUE_DESTROY:
		return refhw_queue_destroy(hw, le16_to_cpu(c->qid));
	case REFNIC_OP_SET_MAC:
		if (!is_valid_ether_addr(c->mac))
			return REFNIC_ERR_ARG;
		ether_addr_copy(hw->mac, c->mac);
		return REFNIC_OK;
	case REFNIC_OP_RX_MODE:
		return refhw_rx_mode(hw, &c->rx_mode);
	case REFNIC_OP_VLAN:
		return refhw_vlan(hw, le16_to_cpu(c->vlan.vid),
				  c->vlan.on);
	case REFNIC_OP_RSS:
		return refhw_rss(hw, &c->rss);
	case REFNIC_OP_OFFLOADS:
		return refhw_offloads(hw, le32_to_cpu(c->offloads));
	case REFNIC_OP_COALESCE:
		return refhw_coalesce(hw, &c->coalesce);
	case REFNIC_OP_STATS:
		return refhw_stats(hw, &c->stats);
	case REFNIC_OP_RULE:
		return refhw_rule_cmd(hw, &c->rule);
	case REFNIC_OP_RSS_REMOVE:
		return refhw_rss_remove(hw, le16_to_cpu(c->rss.ctx));
	case REFNIC_OP_TX_RATE:
		return refhw_tx_rate(hw, &c->rate);
	case REFNIC_OP_FUNC_ADD:
	case REFNIC_OP_FUNC_SET:
	case REFNIC_OP_FUNC_DEL:
		return refhw_func_command(hw, le16_to_cpu(c->op), &c->func);
	case REFNIC_OP_SHAPER:
		return refhw_shaper(hw, &c->shaper);
	case REFNIC_OP_CLOCK:
		if (!(hw->feat & REFNIC_F_CLOCK))
			return REFNIC_ERR_OP;
		refhw_clock_set(hw, &c->clock);
		return REFNIC_OK;
	default:
		return REFNIC_ERR_OP;
	}
}

/* Commands up to the doorbell, one after the other. */
void refhw_admin(struct refhw *hw)
{
	enum refnic_code code;
	struct refnic_cmd cmd;
	struct refnic_cmd *c;
	u32 tail;

	if (!hw->aq || READ_ONCE(hw->control_new))
		return;
	/* Pairs with the release of the doorbell. */
	tail = smp_load_acquire(&hw->aq_tail);
	if (tail - hw->aq_head > BIT(hw->aq_order)) {
		refhw_fail(hw, REFNIC_HEALTH_ADMIN, 0);
		hw->aq_head = tail;
		return;
	}
	while (hw->aq_head != tail && !kthread_should_stop()) {
		c = &hw->aq[hw->aq_head++ & (BIT(hw->aq_order) - 1)];
		/* The driver may write on: what is checked is a copy. */
		cmd = *c;
		if (refhw_fault(hw->port, REFHW_FAULT_ADMIN_STUCK))
			continue;
		if (refhw_fault(hw->port, REFHW_FAULT_ADMIN_ERROR))
			code = REFNIC_ERR_MEMORY;
		else
			code = refhw_command(hw, &cmd);
		memcpy(c->args, cmd.args, sizeof(c->args));
		/* The answer before the sign that it is there. */
		smp_wmb();
		WRITE_ONCE(c->status, cpu_to_le32(REFNIC_CMD_DONE | code));
		/* A reset comes before what is left. */
		if (READ_ONCE(hw->control_new))
			return;
	}
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
