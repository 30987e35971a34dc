// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: the admin queue and its commands.
 *
 * One command at a time: the core's configuration lock sees to that.
 */
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
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

/* Have the device do @cmd, which its answer fills in. Returns 0, or what the
 * device says, as an errno.
 */
int cref_command(struct cref *v, u16 op, struct refnic_cmd *cmd)
{
	static const int errs[] = {
		[REFNIC_OK]		= 0,
		[REFNIC_ERR_OP]		= -EOPNOTSUPP,
		[REFNIC_ERR_ARG]	= -EINVAL,
		[REFNIC_ERR_STATE]	= -EBUSY,
		[REFNIC_ERR_MEMORY]	= -ENOSPC,
		[REFNIC_ERR_DMA]	= -EIO,
	};
	struct refnic_cmd *slot;
	u32 status, code;

	if (!v->up || v->broken)
		return -EIO;
	slot = &v->aq[v->aq_tail++ & (BIT(CREF_AQ_ORDER) - 1)];
	cmd->op = cpu_to_le16(op);
	*slot = *cmd;
	dma_wmb();
	refnic_write(v->rdev, REFNIC_REG_AQ_TAIL, v->aq_tail);
	read_poll_timeout(le32_to_cpu, status,
			  status & REFNIC_CMD_DONE || cref_gone(v), 100,
			  REFNIC_AQ_TIMEOUT_MS * USEC_PER_MSEC, false,
			  READ_ONCE(slot->status));
	if (!(status & REFNIC_CMD_DONE)) {
		/* It may answer yet, after the next command. */
		v->broken = true;
		if (cref_gone(v))
			return -ENODEV;
		dev_err(&v->rdev->dev, "no answer to command %u\n", op);
		ceth_fault(cref_cdev(v), CETH_FAULT_DEVICE, 0);
		return -ETIMEDOUT;
	}
	/* The sign before the answer. */
	dma_rmb();
	*cmd = *slot;
	code = FIELD_GET(REFNIC_CMD_CODE, status);
	return code < ARRAY_SIZE(errs) ? errs[code] : -EIO;
}

int cref_ring_start(void *priv, void *ring)
{
	struct cref_queue *q = ring;
	struct refnic_cmd cmd = {
		.queue.ring	= cpu_to_le64(q->conf.dma),
		.queue.index	= cpu_to_le16(q->conf.idx),
		.queue.vector	= cpu_to_le16(q->vector),
		.queue.size	= ilog2(q->conf.size),
		.queue.buf_len	= cpu_to_le32(q->conf.buf_len),
	};
	int err;

	err = cref_command(priv, q->conf.tx ? REFNIC_OP_TXQ_CREATE :
					      REFNIC_OP_RXQ_CREATE, &cmd);
	if (err)
		return err;
	q->qid = le16_to_cpu(cmd.queue.qid);
	WRITE_ONCE(q->doorbell, le32_to_cpu(cmd.queue.doorbell));
	/* What was posted before there was a doorbell */
	if (q->tail)
		refnic_write(q->rdev, q->doorbell, q->tail);
	return 0;
}

int cref_ring_stop(void *priv, void *ring)
{
	struct cref_queue *q = ring;
	struct refnic_cmd cmd = { .qid = cpu_to_le16(q->qid) };
	struct cref *v = priv;
	int err;

	WRITE_ONCE(q->doorbell, 0);
	if (!v->up)	/* the reset of the device has taken all queues */
		return 0;
	err = cref_command(v, REFNIC_OP_QUEUE_DESTROY, &cmd);
	/* Pulled out: it reaches no memory any more. */
	return err && cref_gone(v) ? 0 : err;
}

int cref_set_features(void *priv, u32 on, u32 changed)
{
	struct refnic_cmd cmd = {
		.offloads = cpu_to_le32(cref_offloads(priv, on)),
	};

	return cref_command(priv, REFNIC_OP_OFFLOADS, &cmd);
}

int cref_set_mac(void *priv, const u8 *mac)
{
	struct refnic_cmd cmd = {};

	memcpy(cmd.mac, mac, ETH_ALEN);
	return cref_command(priv, REFNIC_OP_SET_MAC, &cmd);
}

int cref_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	u32 i, n = mode->n_uc + mode->n_mc, flags = 0;
	struct refnic_cmd cmd = {};
	struct cref *v = priv;
	u8 *table = v->data;

	for (i = 0; i < n; i++)
		memcpy(table + i * 8, mode->uc[i], ETH_ALEN);
	if (mode->promisc)
		flags |= REFNIC_RX_PROMISC;
	if (mode->allmulti)
		flags |= REFNIC_RX_ALLMULTI;
	cmd.rx_mode.flags = cpu_to_le32(flags);
	cmd.rx_mode.n = cpu_to_le32(n);
	cmd.rx_mode.table = cpu_to_le64(v->data_dma);
	return cref_command(v, REFNIC_OP_RX_MODE, &cmd);
}

int cref_set_vlan(void *priv, u16 vid, bool on)
{
	struct refnic_cmd cmd = {
		.vlan.vid	= cpu_to_le16(vid),
		.vlan.on	= cpu_to_le16(on),
	};

	return cref_command(priv, REFNIC_OP_VLAN, &cmd);
}

/* Steering indexes are the numbers of the pairs. */
int cref_set_rss(void *priv, u16 ctx, const struct ceth_rss *rss)
{
	struct refnic_cmd cmd = { .rss.ctx = cpu_to_le16(ctx) };
	struct cref *v = priv;
	u32 i, key = v->caps.rss_key_len, n = v->caps.rss_indir_len;
	__le16 *indir = v->data;

	if (!rss)
		return cref_command(v, REFNIC_OP_RSS_REMOVE, &cmd);
	for (i = 0; i < n; i++)
		indir[i] = cpu_to_le16(rss->indir[i]);
	memcpy(indir + n, rss->key, key);
	cmd.rss.key = cpu_to_le64(v->data_dma + n * sizeof(__le16));
	cmd.rss.indir = cpu_to_le64(v->data_dma);
	/* The core's numbers are the device's. */
	cmd.rss.hash_types = cpu_to_le32(rss->hash_types);
	cmd.rss.without = cpu_to_le32(rss->hash_without);
	cmd.rss.xfrm = rss->xfrm;
	cmd.rss.other = indir[0];
	cmd.rss.key_len = cpu_to_le16(key);
	cmd.rss.indir_len = cpu_to_le16(n);
	return cref_command(v, REFNIC_OP_RSS, &cmd);
}

int cref_set_coalesce(void *priv, u16 pair, const struct ceth_coalesce *coal)
{
	struct refnic_cmd cmd = {
		.coalesce.vector	= cpu_to_le16(pair + 1),
		.coalesce.rx_usecs	= cpu_to_le32(coal->rx_usecs),
		.coalesce.rx_frames	= cpu_to_le32(coal->rx_frames),
		.coalesce.tx_usecs	= cpu_to_le32(coal->tx_usecs),
		.coalesce.tx_frames	= cpu_to_le32(coal->tx_frames),
	};

	return cref_command(priv, REFNIC_OP_COALESCE, &cmd);
}

int cref_set_tx_rate(void *priv, void *ring, u32 mbps)
{
	const struct cref_queue *q = ring;
	struct refnic_cmd cmd = {
		.rate.qid	= cpu_to_le16(q->qid),
		.rate.mbps	= cpu_to_le32(mbps),
	};

	return cref_command(priv, REFNIC_OP_TX_RATE, &cmd);
}

int cref_set_shaper(void *priv, void *ring, const struct ceth_shaper *s)
{
	const struct cref_queue *q = ring;
	struct refnic_cmd cmd = {
		.shaper.flags	= cpu_to_le16(q ? REFNIC_SHAPER_QUEUE : 0),
		.shaper.qid	= cpu_to_le16(q ? q->qid : 0),
		.shaper.node	= cpu_to_le16(s->node),
		.shaper.bps	= cpu_to_le64(s->bps),
		.shaper.burst	= cpu_to_le32(s->burst),
	};

	return cref_command(priv, REFNIC_OP_SHAPER, &cmd);
}

int cref_clock_set(void *priv, const struct ceth_clock *change)
{
	struct refnic_cmd cmd = {
		.clock.flags	= cpu_to_le32((change->set ? REFNIC_CLOCK_SET : 0) |
					      (change->step ? REFNIC_CLOCK_STEP : 0) |
					      (change->adjust ? REFNIC_CLOCK_RATE : 0)),
		.clock.rate	= cpu_to_le32((u32)change->scaled_ppm),
		.clock.time	= cpu_to_le64(change->set ? change->time :
							    (u64)change->delta),
	};

	return cref_command(priv, REFNIC_OP_CLOCK, &cmd);
}

int cref_set_rule(void *priv, u16 loc, const struct ceth_rule *rule)
{
	struct refnic_cmd cmd = { .rule.loc = cpu_to_le16(loc) };
	struct refnic_cmd_rule *c = &cmd.rule;

	if (rule) {
		/* The core's fields are the device's. */
		c->fields = cpu_to_le16(rule->fields);
		c->flags = REFNIC_RULE_ON | (rule->v6 ? REFNIC_RULE_V6 : 0) |
			   (rule->rss ? REFNIC_RULE_RSS : 0);
		c->ctx = cpu_to_le16(rule->ctx);
		c->proto = rule->proto;
		c->index = cpu_to_le16(rule->queue);
		memcpy(c->saddr, rule->saddr, sizeof(c->saddr));
		memcpy(c->daddr, rule->daddr, sizeof(c->daddr));
		c->sport = rule->sport;
		c->dport = rule->dport;
		memcpy(c->dmac, rule->dmac, sizeof(c->dmac));
		c->vid = cpu_to_le16(rule->vid);
	}
	return cref_command(priv, REFNIC_OP_RULE, &cmd);
}
