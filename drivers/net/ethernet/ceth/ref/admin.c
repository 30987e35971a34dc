// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: the admin queue and its commands.
 *
 * One command at a time: the core's configuration lock sees to that.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/log2.h>

#include "ref.h"

int cref_admin_alloc(struct cref *v)
{
	struct device *dev = &v->rdev->dev;

	v->aq = dmam_alloc_coherent(dev, sizeof(*v->aq) << CREF_AQ_ORDER,
				    &v->aq_dma, GFP_KERNEL);
	v->data = dmam_alloc_coherent(dev, CREF_DATA_LEN, &v->data_dma,
				      GFP_KERNEL);
	return v->aq && v->data ? 0 : -ENOMEM;
}

static int cref_command_error(struct cref *v, const struct refnic_cmd *cmd,
			      u32 status)
{
	static const int errs[] = {
		[REFNIC_OK]		= 0,
		[REFNIC_ERR_OP]		= -EOPNOTSUPP,
		[REFNIC_ERR_ARG]	= -EINVAL,
		[REFNIC_ERR_STATE]	= -EBUSY,
		[REFNIC_ERR_MEMORY]	= -ENOSPC,
		[REFNIC_ERR_DMA]	= -EIO,
	};
	u32 code = FIELD_GET(REFNIC_CMD_CODE, status);
	int err = code < ARRAY_SIZE(errs) ? errs[code] : -EIO;

	if (err)
		dev_dbg(&v->rdev->dev, "command %u: code %u\n",
			le16_to_cpu(cmd->op), code);
	return err;
}

/**
 * cref_command() - have the device do something
 * @v: the device
 * @cmd: command; filled in by the answer
 *
 * Return: 0, or what the device says, as an errno.
 */
int cref_command(struct cref *v, struct refnic_cmd *cmd)
{
	unsigned long deadline = jiffies +
				 msecs_to_jiffies(REFNIC_AQ_TIMEOUT_MS);
	struct refnic_cmd *slot;
	bool late = false;
	u32 status, us = 5;

	if (!v->up || v->broken)
		return -EIO;
	slot = &v->aq[v->aq_tail++ & (BIT(CREF_AQ_ORDER) - 1)];
	cmd->status = 0;
	*slot = *cmd;
	dma_wmb();
	refnic_write(v->rdev, REFNIC_REG_AQ_TAIL, v->aq_tail);
	for (;;) {
		status = le32_to_cpu(READ_ONCE(slot->status));
		if (status & REFNIC_CMD_DONE)
			break;
		if (late || cref_gone(v)) {
			/* It may answer yet, after the next command. */
			v->broken = true;
			if (cref_gone(v))
				return -ENODEV;
			dev_err(&v->rdev->dev, "no answer to command %u\n",
				le16_to_cpu(cmd->op));
			ceth_fault(v->cdev, CETH_FAULT_DEVICE, 0);
			return -ETIMEDOUT;
		}
		usleep_range(us, us * 2);
		us = min(us * 2, 1000);
		late = time_after(jiffies, deadline);
	}
	/* The sign before the answer. */
	dma_rmb();
	*cmd = *slot;
	return cref_command_error(v, cmd, status);
}

int cref_queue_create(struct cref *v, struct cref_queue *q, u16 index, u16 op,
		      u32 buf_len)
{
	struct refnic_cmd cmd = {
		.op		= cpu_to_le16(op),
		.queue.ring	= cpu_to_le64(q->dma),
		.queue.cmpl	= cpu_to_le64(q->dma + q->cmpl_off),
		.queue.index	= cpu_to_le16(index),
		.queue.vector	= cpu_to_le16(index + 1),
		.queue.size	= ilog2(q->mask + 1),
		.queue.buf_len	= cpu_to_le32(buf_len),
	};
	int err;

	err = cref_command(v, &cmd);
	if (err)
		return err;
	q->qid = le16_to_cpu(cmd.queue.qid);
	WRITE_ONCE(q->doorbell, le32_to_cpu(cmd.queue.doorbell));
	/* What was posted before there was a doorbell */
	if (q->tail)
		refnic_write(v->rdev, q->doorbell, q->tail);
	return 0;
}

int cref_queue_destroy(struct cref *v, struct cref_queue *q)
{
	struct refnic_cmd cmd = {
		.op	= cpu_to_le16(REFNIC_OP_QUEUE_DESTROY),
		.qid	= cpu_to_le16(q->qid),
	};
	int err;

	WRITE_ONCE(q->doorbell, 0);
	if (!v->up)	/* the reset of the device has taken all queues */
		return 0;
	err = cref_command(v, &cmd);
	/* Pulled out: it reaches no memory any more. */
	return err && cref_gone(v) ? 0 : err;
}

int cref_set_features(void *priv, u32 on, u32 changed)
{
	struct refnic_cmd cmd = { .op = cpu_to_le16(REFNIC_OP_OFFLOADS) };
	struct cref *v = priv;
	u32 off = 0;

	if (on & CETH_F_RX_CSUM)
		off |= REFNIC_OFF_RX_CSUM;
	if (on & CETH_F_RX_HASH)
		off |= REFNIC_OFF_RX_HASH;
	if (on & CETH_F_HDR_SPLIT)
		off |= REFNIC_OFF_HDR_SPLIT;
	if (on & CETH_F_RX_VLAN)
		off |= REFNIC_OFF_VLAN_STRIP;
	if (on & CETH_F_RX_TIME)
		off |= REFNIC_OFF_RX_TIME;
	if (v->feat & REFNIC_F_VLAN_FILTER)
		off |= REFNIC_OFF_VLAN_FILTER;
	cmd.offloads = cpu_to_le32(off);
	return cref_command(v, &cmd);
}

int cref_set_mac(void *priv, const u8 *mac)
{
	struct refnic_cmd cmd = { .op = cpu_to_le16(REFNIC_OP_SET_MAC) };

	memcpy(cmd.mac, mac, ETH_ALEN);
	return cref_command(priv, &cmd);
}

/* Addresses without room in the table widen the filter. */
int cref_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	struct refnic_cmd cmd = { .op = cpu_to_le16(REFNIC_OP_RX_MODE) };
	bool promisc = mode->promisc, allmulti = mode->allmulti;
	struct cref *v = priv;
	u8 *table = v->data;
	u32 i, n = 0, flags = 0;

	promisc |= mode->n_uc > v->filters;
	for (i = 0; !promisc && i < mode->n_uc; i++, n++)
		memcpy(table + n * 8, mode->uc[i], ETH_ALEN);
	allmulti |= mode->n_mc > v->filters - n;
	for (i = 0; !allmulti && i < mode->n_mc; i++, n++)
		memcpy(table + n * 8, mode->mc[i], ETH_ALEN);
	if (promisc)
		flags |= REFNIC_RX_PROMISC;
	if (allmulti)
		flags |= REFNIC_RX_ALLMULTI;
	cmd.rx_mode.flags = cpu_to_le32(flags);
	cmd.rx_mode.n = cpu_to_le32(n);
	cmd.rx_mode.table = cpu_to_le64(v->data_dma);
	return cref_command(v, &cmd);
}

static int cref_vlan(struct cref *v, u16 vid, bool on)
{
	struct refnic_cmd cmd = {
		.op		= cpu_to_le16(REFNIC_OP_VLAN),
		.vlan.vid	= cpu_to_le16(vid),
		.vlan.on	= cpu_to_le16(on),
	};

	return cref_command(v, &cmd);
}

int cref_vlan_add(void *priv, u16 vid)
{
	return cref_vlan(priv, vid, true);
}

int cref_vlan_del(void *priv, u16 vid)
{
	return cref_vlan(priv, vid, false);
}

/* Steering indexes are the numbers of the pairs. */
int cref_set_rss(void *priv, const struct ceth_rss *rss)
{
	struct refnic_cmd cmd = { .op = cpu_to_le16(REFNIC_OP_RSS) };
	struct cref *v = priv;
	__le16 *indir = v->data + CREF_KEY_ROOM;
	u32 i;

	memcpy(v->data, rss->key, v->caps.rss_key_len);
	for (i = 0; i < v->caps.rss_indir_len; i++)
		indir[i] = cpu_to_le16(rss->indir[i]);
	cmd.rss.key = cpu_to_le64(v->data_dma);
	cmd.rss.indir = cpu_to_le64(v->data_dma + CREF_KEY_ROOM);
	/* The core's numbers are the device's. */
	cmd.rss.hash_types = cpu_to_le32(rss->hash_types);
	cmd.rss.key_len = cpu_to_le16(v->caps.rss_key_len);
	cmd.rss.indir_len = cpu_to_le16(v->caps.rss_indir_len);
	return cref_command(v, &cmd);
}

int cref_set_coalesce(void *priv, u16 pair, const struct ceth_coalesce *coal)
{
	struct refnic_cmd cmd = {
		.op			= cpu_to_le16(REFNIC_OP_COALESCE),
		.coalesce.vector	= cpu_to_le16(pair + 1),
		.coalesce.rx_usecs	= cpu_to_le32(coal->rx_usecs),
		.coalesce.rx_frames	= cpu_to_le32(coal->rx_frames),
		.coalesce.tx_usecs	= cpu_to_le32(coal->tx_usecs),
		.coalesce.tx_frames	= cpu_to_le32(coal->tx_frames),
	};

	return cref_command(priv, &cmd);
}

int cref_set_tx_rate(struct ceth_txq *txq, u32 mbps)
{
	const struct cref_queue *q = ceth_txq_priv(txq);
	struct refnic_cmd cmd = {
		.op		= cpu_to_le16(REFNIC_OP_TX_RATE),
		.rate.qid	= cpu_to_le16(q->qid),
		.rate.mbps	= cpu_to_le32(mbps),
	};

	return cref_command(ceth_pair_priv(txq->pair), &cmd);
}

int cref_clock_set(void *priv, const struct ceth_clock *change)
{
	struct refnic_cmd cmd = { .op = cpu_to_le16(REFNIC_OP_CLOCK) };
	u64 time = change->set ? change->time : (u64)change->delta;
	u32 flags = 0;

	if (change->set)
		flags |= REFNIC_CLOCK_SET;
	if (change->step)
		flags |= REFNIC_CLOCK_STEP;
	if (change->adjust)
		flags |= REFNIC_CLOCK_RATE;
	cmd.clock.flags = cpu_to_le32(flags);
	cmd.clock.rate = cpu_to_le32((u32)change->scaled_ppm);
	cmd.clock.time = cpu_to_le64(time);
	return cref_command(priv, &cmd);
}

int cref_set_rule(void *priv, u16 loc, const struct ceth_rule *rule)
{
	struct refnic_cmd cmd = {
		.op		= cpu_to_le16(REFNIC_OP_RULE),
		.rule.loc	= cpu_to_le16(loc),
	};
	struct refnic_cmd_rule *c = &cmd.rule;

	if (rule) {
		/* The core's fields are the device's. */
		c->fields = cpu_to_le16(rule->fields);
		c->flags = REFNIC_RULE_ON | (rule->v6 ? REFNIC_RULE_V6 : 0);
		c->proto = rule->proto;
		c->index = cpu_to_le16(rule->queue);
		memcpy(c->saddr, rule->saddr, sizeof(c->saddr));
		memcpy(c->daddr, rule->daddr, sizeof(c->daddr));
		c->sport = rule->sport;
		c->dport = rule->dport;
		memcpy(c->dmac, rule->dmac, sizeof(c->dmac));
		c->vid = cpu_to_le16(rule->vid);
	}
	return cref_command(priv, &cmd);
}
