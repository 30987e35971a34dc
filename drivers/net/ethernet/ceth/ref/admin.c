// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: what the core asks of the device, most of it
 * by commands.
 *
 * One command at a time: the core's configuration lock sees to that. Where the
 * device takes bits (features, hash types, fields of rules), the core's are the
 * device's.
 */
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/iopoll.h>
#include <linux/seq_file.h>

#include "ref.h"

#define CREF_RESET_MS	5000

static int cref_dev_reset(void *priv)
{
	struct cref *v = priv;
	u32 status;
	int err;

	v->up = false;
	refnic_write(v->rdev, REFNIC_REG_RESET, 1);
	err = read_poll_timeout(refnic_read, status, status & REFNIC_STAT_READY,
				100, CREF_RESET_MS * USEC_PER_MSEC, false,
				v->rdev, REFNIC_REG_STATUS);
	if (status == REFNIC_GONE)
		err = -ENODEV;
	v->broken = err;
	return err;
}

/* Have the device execute a command. Returns 0, or what it says, as an errno;
 * its answer is in the mailbox.
 */
static int cref_command(struct cref *v, u64 op, const u64 *args, u32 n)
{
	struct refnic_mbox *m = v->mbox;
	u64 status;
	u32 i;

	if (!v->up || v->broken)
		return -EIO;
	for (i = 0; i < n; i++)
		m->args[i] = cpu_to_le64(args[i]);
	m->status = 0;
	dma_wmb();
	refnic_write(v->rdev, REFNIC_REG_COMMAND, op);
	read_poll_timeout(le64_to_cpu, status,
			  status & REFNIC_DONE || cref_gone(v), 100,
			  REFNIC_COMMAND_MS * USEC_PER_MSEC, false,
			  READ_ONCE(m->status));
	if (status & REFNIC_DONE) {
		/* The sign before the answer. */
		dma_rmb();
		return -(int)FIELD_GET(REFNIC_ERRNO, status);
	}
	/* It may answer yet, to the next command. */
	v->broken = true;
	if (cref_gone(v))
		return -ENODEV;
	dev_err(&v->rdev->dev, "no answer to command %llu\n", op);
	ceth_fault(cref_cdev(v), CETH_FAULT_DEVICE, 0);
	return -ETIMEDOUT;
}

#define CREF_COMMAND(v, ...) ({						\
	const u64 __c[] = { __VA_ARGS__ };				\
	cref_command(v, __c[0], __c + 1, ARRAY_SIZE(__c) - 1);		\
})

static int cref_dev_init(void *priv)
{
	struct cref *v = priv;

	refnic_write64(v->rdev, REFNIC_REG_MBOX, v->mbox_dma);
	v->up = true;
	return CREF_COMMAND(v, REFNIC_OP_INIT, v->feat);
}

/* Vector 0: not about a queue */
static void cref_event(void *priv)
{
	struct cref *v = priv;
	u32 events = refnic_read(v->rdev, REFNIC_REG_EVENT);

	if (events == REFNIC_GONE || !READ_ONCE(v->up))
		return;
	if (events & REFNIC_EV_LINK)
		ceth_link_changed(cref_cdev(v));
	if (events & REFNIC_EV_STARVED)
		ceth_rx_starved(cref_cdev(v),
				refnic_read(v->rdev, REFNIC_REG_STARVED));
	if (events & REFNIC_EV_HEALTH)
		ceth_fault(cref_cdev(v), CETH_FAULT_DEVICE, 0);
	refnic_write(v->rdev, REFNIC_REG_VECTOR(0), 1);
}

static void cref_ring_init(void *priv, void *ring,
			   const struct ceth_ring_conf *conf)
{
	struct cref_queue *q = ring;
	struct cref *v = priv;

	q->rdev = v->rdev;
	q->conf = *conf;
	q->mask = conf->size - 1;
	q->desc = conf->mem;
	q->cmpl = (void *)(q->desc + conf->size);
	q->more = (void *)(q->cmpl + conf->size);
	q->tail = 0;
	q->rung = 0;
	q->next = 0;
}

/* Steering indexes are those of the pairs. */
static int cref_ring_start(void *priv, void *ring)
{
	struct cref_queue *q = ring;
	struct cref *v = priv;
	int err;

	err = CREF_COMMAND(v, REFNIC_OP_QUEUE_CREATE, q->conf.dma,
			   q->conf.size, q->conf.tx, q->conf.idx,
			   q->conf.irq + 1, q->conf.buf_len, q->tail,
			   q->conf.hdr_dma, q->conf.hdr_len, q->conf.hdr_whole);
	if (!err)
		WRITE_ONCE(q->doorbell, le64_to_cpu(v->mbox->args[0]));
	return err;
}

static int cref_ring_stop(void *priv, void *ring)
{
	struct cref_queue *q = ring;
	u32 doorbell = q->doorbell;
	struct cref *v = priv;
	int err;

	WRITE_ONCE(q->doorbell, 0);
	if (!v->up)	/* the reset of the device has taken all queues */
		return 0;
	err = CREF_COMMAND(v, REFNIC_OP_QUEUE_DESTROY, doorbell);
	/* Pulled out: it reaches no memory any more. */
	return err && cref_gone(v) ? 0 : err;
}

static int cref_set_features(void *priv, u32 on, u32 changed)
{
	return CREF_COMMAND(priv, REFNIC_OP_OFFLOADS, on);
}

static int cref_set_mac(void *priv, const u8 *mac)
{
	return CREF_COMMAND(priv, REFNIC_OP_SET_MAC, ether_addr_to_u64(mac));
}

static int cref_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	u32 n = mode->n_uc + mode->n_mc;
	struct cref *v = priv;

	memcpy(v->mbox->data, mode->uc, n * ETH_ALEN);
	return CREF_COMMAND(v, REFNIC_OP_RX_MODE, mode->promisc,
			    mode->allmulti, n);
}

static int cref_set_vlan(void *priv, u16 vid, bool on)
{
	return CREF_COMMAND(priv, REFNIC_OP_VLAN, vid, on);
}

static int cref_set_rss(void *priv, u16 ctx, const struct ceth_rss *rss)
{
	struct cref *v = priv;
	__le16 *indir = (void *)v->mbox->data;
	u32 i, n = v->caps.rss_indir_len;

	if (!rss)
		return CREF_COMMAND(v, REFNIC_OP_RSS_REMOVE, ctx);
	for (i = 0; i < n; i++)
		indir[i] = cpu_to_le16(rss->indir[i]);
	memcpy(indir + n, rss->key, v->caps.rss_key_len);
	return CREF_COMMAND(v, REFNIC_OP_RSS, ctx, rss->hash_types,
			    rss->hash_without, rss->xfrm);
}

static int cref_set_rule(void *priv, u16 loc, const struct ceth_rule *rule)
{
	struct cref *v = priv;

	if (!rule)
		return CREF_COMMAND(v, REFNIC_OP_RULE_REMOVE, loc);
	memcpy(v->mbox->data, rule->saddr, sizeof(rule->saddr));
	memcpy(v->mbox->data + sizeof(rule->saddr), rule->daddr,
	       sizeof(rule->daddr));
	return CREF_COMMAND(v, REFNIC_OP_RULE, loc, rule->fields, rule->v6,
			    rule->proto, be16_to_cpu(rule->sport),
			    be16_to_cpu(rule->dport),
			    ether_addr_to_u64(rule->dmac), rule->vid,
			    rule->queue, rule->rss, rule->ctx);
}

static int cref_set_coalesce(void *priv, u16 pair,
			     const struct ceth_coalesce *coal)
{
	return CREF_COMMAND(priv, REFNIC_OP_COALESCE, pair + 1, coal->rx_usecs,
			    coal->rx_frames, coal->tx_usecs, coal->tx_frames);
}

static int cref_set_shaper(void *priv, void *ring, const struct ceth_shaper *s)
{
	const struct cref_queue *q = ring;

	return CREF_COMMAND(priv, REFNIC_OP_SHAPER, q ? q->doorbell : 0,
			    s->node, s->bps, s->burst);
}

static u64 cref_clock_read(void *priv)
{
	struct cref *v = priv;

	return refnic_read64(v->rdev, REFNIC_REG_TIME);
}

static int cref_clock_set(void *priv, const struct ceth_clock *c)
{
	return CREF_COMMAND(priv, REFNIC_OP_CLOCK, c->set, c->time, c->step,
			    c->delta, c->adjust, c->scaled_ppm);
}

static void cref_get_link(void *priv, struct ceth_link *link)
{
	struct cref *v = priv;
	u32 val = refnic_read(v->rdev, REFNIC_REG_LINK);

	if (val == REFNIC_GONE)
		return;
	link->up = val & REFNIC_LINK_UP;
	link->speed = FIELD_GET(REFNIC_LINK_SPEED, val);
	link->full_duplex = true;
}

static int cref_get_stats(void *priv, u64 *val)
{
	struct cref *v = priv;
	const __le64 *from = (void *)v->mbox->data;
	int i, err = CREF_COMMAND(v, REFNIC_OP_STATS);

	for (i = 0; !err && i < REFNIC_STATS; i++)
		val[i] = le64_to_cpu(from[i]);
	return err;
}

static int cref_set_func(void *priv, u16 id, const struct ceth_func *func)
{
	if (!func)
		return CREF_COMMAND(priv, REFNIC_OP_FUNC_REMOVE, id);
	return CREF_COMMAND(priv, REFNIC_OP_FUNC, id, func->active,
			    func->n_pairs, ether_addr_to_u64(func->mac),
			    func->tx_bps);
}

static bool cref_func_attached(void *priv, u16 id)
{
	struct cref *v = priv;

	return refnic_read(v->rdev, REFNIC_REG_FUNC_UP) >> (id - 1) & 1;
}

static void cref_dump(void *priv, struct seq_file *s)
{
	struct cref *v = priv;

	seq_printf(s, "status: %#x, health: %#x, link: %#x, features: %#llx%s\n",
		   refnic_read(v->rdev, REFNIC_REG_STATUS),
		   refnic_read(v->rdev, REFNIC_REG_HEALTH),
		   refnic_read(v->rdev, REFNIC_REG_LINK), v->feat,
		   v->broken ? ", broken" : "");
}

const struct ceth_ops cref_ops = {
	.dev_init	= cref_dev_init,
	.dev_reset	= cref_dev_reset,
	.event		= cref_event,
	.ring_entry	= REFNIC_RING_ENTRY,
	.ring_init	= cref_ring_init,
	.ring_start	= cref_ring_start,
	.ring_stop	= cref_ring_stop,
	.set_features	= cref_set_features,
	.set_mac	= cref_set_mac,
	.set_rx_mode	= cref_set_rx_mode,
	.set_vlan	= cref_set_vlan,
	.set_rss	= cref_set_rss,
	.set_rule	= cref_set_rule,
	.set_coalesce	= cref_set_coalesce,
	.set_shaper	= cref_set_shaper,
	.clock_read	= cref_clock_read,
	.clock_set	= cref_clock_set,
	.get_link	= cref_get_link,
	.get_stats	= cref_get_stats,
	.set_func	= cref_set_func,
	.func_attached	= cref_func_attached,
	.dump		= cref_dump,
};
