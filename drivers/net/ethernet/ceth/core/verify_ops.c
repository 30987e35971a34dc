// SPDX-License-Identifier: GPL-2.0
/* CETH core: what the verifying mode checks of a backend's callbacks, and of how
 * the core calls them.
 *
 * To the core these are the backend: cdev->ops are these, and cdev->priv is the
 * device itself. cdev->backend is what the backend has given.
 */
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "verify.h"

/* Interrupts that were under way when the device was reset have come by then. */
#define CETH_V_SETTLE_MS	10
/* Callbacks of &struct ceth_ops, which has one number besides */
#define CETH_V_CALLBACKS	29
/* What a backend must leave alone behind a buffer that it fills */
#define CETH_V_CANARY		0x5a
#define CETH_V_MARGIN		32

/* A ring that the device has not */
#define CETH_VQ_OFF	(BIT(CETH_VQ_NEW) | BIT(CETH_VQ_EMPTY) | \
			 BIT(CETH_VQ_STOPPED))
#define CETH_VS_UP	(CETH_VS_INIT | CETH_VS_RUN)
#define CETH_VS_ANY	(CETH_VS_NEW | CETH_VS_RESET | CETH_VS_UP)

/* A call of the backend */
struct ceth_vcall {
	struct ceth_dev *cdev;
	const char *name;
	int context;
	bool alone;
};

/* @states: when the core may call that; @alone: one at a time */
static void ceth_v_begin(struct ceth_vcall *c, void *priv, const char *name,
			 u32 states, bool alone)
{
	struct ceth_dev *cdev = priv;
	struct ceth_verify *vf = cdev->verify;

	c->cdev = cdev;
	c->name = name;
	c->alone = alone && !cmpxchg(&vf->task, NULL, current);
	if (alone && !c->alone)
		ceth_broken(cdev, 0, "C1", "%s is called during another callback",
			    name);
	if (!(vf->state & states) && !vf->lost)
		ceth_broken(cdev, 0, "C2", "%s is called in state %#x", name,
			    vf->state);
	c->context = preempt_count();
}

static void ceth_v_leave(struct ceth_vcall *c)
{
	ceth_v_context(c->cdev, 0, c->context, c->name);
	if (c->alone)
		WRITE_ONCE(c->cdev->verify->task, NULL);
}

static int ceth_v_end(struct ceth_vcall *c, int err)
{
	ceth_v_leave(c);
	if (err <= 0)
		return err;
	ceth_broken(c->cdev, 0, "B3", "%s returns %d", c->name, err);
	return -EIO;
}

static void ceth_v_args(struct ceth_vcall *c, bool good)
{
	if (!good)
		ceth_broken(c->cdev, 0, "C9",
			    "%s is asked for what the device has not", c->name);
}

#define CETH_V_OPS(c)	((c)->cdev->backend.ops)
#define CETH_V_PRIV(c)	((c)->cdev->backend.priv)

/* --- the device ----------------------------------------------------------- */

static int ceth_v_dev_reset(void *priv)
{
	struct ceth_dev *cdev = priv;
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "dev_reset", CETH_VS_ANY, true);
	err = CETH_V_OPS(&c)->dev_reset(CETH_V_PRIV(&c));
	err = ceth_v_end(&c, err);
	cdev->verify->state = CETH_VS_RESET;
	msleep(CETH_V_SETTLE_MS);
	WRITE_ONCE(cdev->verify->quiet, true);
	return err;
}

static int ceth_v_dev_init(void *priv)
{
	struct ceth_dev *cdev = priv;
	struct ceth_verify *vf = cdev->verify;
	struct ceth_vcall c;
	int err;

	WRITE_ONCE(vf->quiet, false);
	ceth_v_begin(&c, priv, "dev_init", CETH_VS_RESET, true);
	err = CETH_V_OPS(&c)->dev_init(CETH_V_PRIV(&c));
	err = ceth_v_end(&c, err);
	vf->on_at = 0;
	vf->lost = false;
	if (!err)
		vf->state = CETH_V_OPS(&c)->dev_run ? CETH_VS_INIT : CETH_VS_RUN;
	return err;
}

static int ceth_v_dev_run(void *priv, u16 n_pairs)
{
	struct ceth_dev *cdev = priv;
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "dev_run", CETH_VS_INIT, true);
	ceth_v_args(&c, n_pairs && n_pairs <= cdev->caps.max_pairs);
	err = CETH_V_OPS(&c)->dev_run(CETH_V_PRIV(&c), n_pairs);
	err = ceth_v_end(&c, err);
	if (!err && !cdev->verify->lost)
		cdev->verify->state = CETH_VS_RUN;
	return err;
}

static void ceth_v_event(void *priv)
{
	struct ceth_vcall c;

	ceth_v_begin(&c, priv, "event", CETH_VS_ANY, false);
	CETH_V_OPS(&c)->event(CETH_V_PRIV(&c));
	ceth_v_leave(&c);
}

/* --- rings ---------------------------------------------------------------- */

static struct ceth_vq *ceth_v_find_ring(struct ceth_vcall *c, void *ring)
{
	struct ceth_vq *v;

	list_for_each_entry(v, &c->cdev->verify->rings, list)
		if (v->ring == ring)
			return v;
	ceth_broken(c->cdev, 0, "C3", "%s of a queue that there is not",
		    c->name);
	return NULL;
}

/* The queue, which should be in one of @states and is in @next from now on */
static struct ceth_vq *ceth_v_ring_step(struct ceth_vcall *c, void *ring,
					u32 states, enum ceth_vq_state next)
{
	struct ceth_vq *v = ceth_v_find_ring(c, ring);

	if (!v)
		return NULL;
	if (!(BIT(v->state) & states))
		ceth_broken(c->cdev, v->pair, "C3",
			    "%s of a %s ring in state %u", c->name,
			    v->rxq ? "receive" : "transmit", v->state);
	v->state = next;
	return v;
}

static int ceth_v_ring_alloc(void *priv, void *ring,
			     const struct ceth_ring_conf *conf)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "ring_alloc", CETH_VS_ANY, true);
	ceth_v_ring_step(&c, ring, BIT(CETH_VQ_NEW), CETH_VQ_NEW);
	err = CETH_V_OPS(&c)->ring_alloc(CETH_V_PRIV(&c), ring, conf);
	return ceth_v_end(&c, err);
}

static void ceth_v_ring_free(void *priv, void *ring)
{
	struct ceth_vcall c;

	ceth_v_begin(&c, priv, "ring_free", CETH_VS_ANY, true);
	ceth_v_ring_step(&c, ring, CETH_VQ_OFF, CETH_VQ_NEW);
	CETH_V_OPS(&c)->ring_free(CETH_V_PRIV(&c), ring);
	ceth_v_leave(&c);
}

static void ceth_v_ring_init(void *priv, void *ring,
			     const struct ceth_ring_conf *conf)
{
	struct ceth_vcall c;
	struct ceth_vq *v;

	ceth_v_begin(&c, priv, "ring_init", CETH_VS_UP, true);
	v = ceth_v_ring_step(&c, ring, CETH_VQ_OFF, CETH_VQ_EMPTY);
	if (v)
		ceth_vq_init(v, conf);
	CETH_V_OPS(&c)->ring_init(CETH_V_PRIV(&c), ring, conf);
	ceth_v_leave(&c);
	if (v)
		ceth_vq_look(v);
}

static int ceth_v_ring_start(void *priv, void *ring)
{
	struct ceth_vcall c;
	struct ceth_vq *v;
	int err;

	ceth_v_begin(&c, priv, "ring_start", CETH_VS_UP, true);
	v = ceth_v_ring_step(&c, ring, BIT(CETH_VQ_EMPTY), CETH_VQ_EMPTY);
	if (v && v->rxq && v->rxq->kind == CETH_RXQ_PLAIN && v->rxq->n_free)
		ceth_broken(c.cdev, v->pair, "C4",
			    "ring_start of a receive ring with %u of %u buffers",
			    v->size - v->rxq->n_free, v->size);
	err = CETH_V_OPS(&c)->ring_start(CETH_V_PRIV(&c), ring);
	err = ceth_v_end(&c, err);
	if (v && !err)
		v->state = CETH_VQ_STARTED;
	return err;
}

static int ceth_v_ring_stop(void *priv, void *ring)
{
	struct ceth_vcall c;
	struct ceth_vq *v;
	int err;

	ceth_v_begin(&c, priv, "ring_stop", CETH_VS_ANY, true);
	v = ceth_v_ring_step(&c, ring, BIT(CETH_VQ_STARTED), CETH_VQ_STOPPED);
	/* From now on there is no doorbell to ring. */
	if (v)
		v->owed = READ_ONCE(v->flushed) != READ_ONCE(v->rung);
	err = CETH_V_OPS(&c)->ring_stop(CETH_V_PRIV(&c), ring);
	err = ceth_v_end(&c, err);
	if (err)
		c.cdev->verify->lost = true;
	return err;
}

/* --- settings ------------------------------------------------------------- */

static int ceth_v_set_pairs(void *priv, u16 n_pairs)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_pairs", CETH_VS_RUN, true);
	ceth_v_args(&c, n_pairs && n_pairs <= c.cdev->caps.max_pairs);
	err = CETH_V_OPS(&c)->set_pairs(CETH_V_PRIV(&c), n_pairs);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_features(void *priv, u32 on, u32 changed)
{
	struct ceth_verify *vf;
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_features", CETH_VS_RUN, true);
	ceth_v_args(&c, !((on | changed) & ~c.cdev->caps.features));
	err = CETH_V_OPS(&c)->set_features(CETH_V_PRIV(&c), on, changed);
	err = ceth_v_end(&c, err);
	vf = c.cdev->verify;
	/* After an error it may be the one or the other. */
	vf->on_at = 0;
	if (err)
		return err;
	WRITE_ONCE(vf->on, on);
	vf->on_at = jiffies ?: 1;
	return 0;
}

static int ceth_v_set_mac(void *priv, const u8 *mac)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_mac", CETH_VS_RUN, true);
	err = CETH_V_OPS(&c)->set_mac(CETH_V_PRIV(&c), mac);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_rx_mode", CETH_VS_RUN, true);
	ceth_v_args(&c, mode->n_uc + mode->n_mc <= c.cdev->caps.max_filters);
	err = CETH_V_OPS(&c)->set_rx_mode(CETH_V_PRIV(&c), mode);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_rx_max(void *priv, u32 len)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_rx_max", CETH_VS_RUN, true);
	err = CETH_V_OPS(&c)->set_rx_max(CETH_V_PRIV(&c), len);
	return ceth_v_end(&c, err);
}

/* By rtnl alone, where the kernel has another lock besides */
static int ceth_v_set_vlan(void *priv, u16 vid, bool on)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_vlan", CETH_VS_RUN, false);
	err = CETH_V_OPS(&c)->set_vlan(CETH_V_PRIV(&c), vid, on);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_rss(void *priv, u16 ctx, const struct ceth_rss *rss)
{
	struct ceth_vcall c;
	bool good = true;
	u32 i;
	int err;

	ceth_v_begin(&c, priv, "set_rss", CETH_VS_RUN, true);
	for (i = 0; rss && i < c.cdev->caps.rss_indir_len; i++)
		good &= rss->indir[i] < rss->n_pairs;
	good &= ctx <= c.cdev->caps.max_rss_ctx && (rss || ctx);
	ceth_v_args(&c, good);
	err = CETH_V_OPS(&c)->set_rss(CETH_V_PRIV(&c), ctx, rss);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_rule(void *priv, u16 loc, const struct ceth_rule *rule)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_rule", CETH_VS_RUN, true);
	ceth_v_args(&c, loc < c.cdev->caps.max_rules);
	err = CETH_V_OPS(&c)->set_rule(CETH_V_PRIV(&c), loc, rule);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_coalesce(void *priv, u16 pair,
			       const struct ceth_coalesce *coal)
{
	const struct ceth_caps *caps;
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_coalesce", CETH_VS_RUN, true);
	caps = &c.cdev->caps;
	ceth_v_args(&c, pair < caps->max_pairs &&
		    max(coal->rx_usecs, coal->tx_usecs) <=
		    caps->coal_max_usecs &&
		    max(coal->rx_frames, coal->tx_frames) <=
		    caps->coal_max_frames);
	err = CETH_V_OPS(&c)->set_coalesce(CETH_V_PRIV(&c), pair, coal);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_shaper(void *priv, void *ring,
			     const struct ceth_shaper *s)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_shaper", CETH_VS_UP, true);
	err = CETH_V_OPS(&c)->set_shaper(CETH_V_PRIV(&c), ring, s);
	return ceth_v_end(&c, err);
}

static int ceth_v_clock_set(void *priv, const struct ceth_clock *change)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "clock_set", CETH_VS_RUN, true);
	err = CETH_V_OPS(&c)->clock_set(CETH_V_PRIV(&c), change);
	return ceth_v_end(&c, err);
}

static int ceth_v_set_func(void *priv, u16 id, const struct ceth_func *func)
{
	struct ceth_vcall c;
	int err;

	ceth_v_begin(&c, priv, "set_func", CETH_VS_UP, true);
	ceth_v_args(&c, id && id <= c.cdev->caps.max_funcs);
	err = CETH_V_OPS(&c)->set_func(CETH_V_PRIV(&c), id, func);
	return ceth_v_end(&c, err);
}

/* --- questions ------------------------------------------------------------ */

static u64 ceth_v_clock_read(void *priv)
{
	struct ceth_vcall c;
	u64 time;

	ceth_v_begin(&c, priv, "clock_read", CETH_VS_ANY, false);
	time = CETH_V_OPS(&c)->clock_read(CETH_V_PRIV(&c));
	ceth_v_leave(&c);
	return time;
}

static void ceth_v_get_link(void *priv, struct ceth_link *link)
{
	struct ceth_vcall c;

	ceth_v_begin(&c, priv, "get_link", CETH_VS_ANY, false);
	CETH_V_OPS(&c)->get_link(CETH_V_PRIV(&c), link);
	ceth_v_leave(&c);
}

/* Is what comes behind a buffer as it was? */
static void ceth_v_margin(struct ceth_vcall *c, const u8 *end)
{
	if (memchr_inv(end, CETH_V_CANARY, CETH_V_MARGIN))
		ceth_broken(c->cdev, 0, "B10", "%s writes more than it may",
			    c->name);
}

static int ceth_v_get_stats(void *priv, u64 *val)
{
	struct ceth_dev *cdev = priv;
	size_t len = cdev->dstats.n * sizeof(*val);
	struct ceth_vcall c;
	u8 *buf;
	int err;

	buf = kzalloc(len + CETH_V_MARGIN, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	memset(buf + len, CETH_V_CANARY, CETH_V_MARGIN);
	ceth_v_begin(&c, priv, "get_stats", CETH_VS_RUN, true);
	err = CETH_V_OPS(&c)->get_stats(CETH_V_PRIV(&c), (u64 *)buf);
	err = ceth_v_end(&c, err);
	ceth_v_margin(&c, buf + len);
	memcpy(val, buf, len);
	kfree(buf);
	return err;
}

static bool ceth_v_func_attached(void *priv, u16 id)
{
	struct ceth_vcall c;
	bool there;

	ceth_v_begin(&c, priv, "func_attached", CETH_VS_ANY, false);
	there = CETH_V_OPS(&c)->func_attached(CETH_V_PRIV(&c), id);
	ceth_v_leave(&c);
	return there;
}

static void ceth_v_announce_done(void *priv)
{
	struct ceth_vcall c;

	ceth_v_begin(&c, priv, "announce_done", CETH_VS_RUN, true);
	CETH_V_OPS(&c)->announce_done(CETH_V_PRIV(&c));
	ceth_v_leave(&c);
}

static u32 ceth_v_regs_len(void *priv)
{
	struct ceth_dev *cdev = priv;

	return cdev->backend.ops->regs_len(cdev->backend.priv);
}

static void ceth_v_get_regs(void *priv, void *regs)
{
	u32 len = ceth_v_regs_len(priv);
	struct ceth_vcall c;
	u8 *buf;

	buf = kvzalloc(len + CETH_V_MARGIN, GFP_KERNEL);
	if (!buf)
		return;
	memset(buf + len, CETH_V_CANARY, CETH_V_MARGIN);
	ceth_v_begin(&c, priv, "get_regs", CETH_VS_ANY, true);
	CETH_V_OPS(&c)->get_regs(CETH_V_PRIV(&c), buf);
	ceth_v_leave(&c);
	ceth_v_margin(&c, buf + len);
	memcpy(regs, buf, len);
	kvfree(buf);
}

static void ceth_v_dump(void *priv, struct seq_file *s)
{
	struct ceth_vcall c;

	ceth_v_begin(&c, priv, "dump", CETH_VS_RUN, true);
	CETH_V_OPS(&c)->dump(CETH_V_PRIV(&c), s);
	ceth_v_leave(&c);
}

/**
 * ceth_verify_ops_init() - checkers for all that a backend has
 * @cdev: the device
 */
void ceth_verify_ops_init(struct ceth_dev *cdev)
{
	const struct ceth_ops *of = cdev->backend.ops;
	struct ceth_ops *ops = &cdev->verify->ops;

	/* A callback more must be here, too: the backend's own would get the
	 * wrong @priv.
	 */
	static_assert(sizeof(*ops) == (CETH_V_CALLBACKS + 1) * sizeof(void *));
	ops->ring_entry = of->ring_entry;
	ops->dev_init = ceth_v_dev_init;
	if (of->dev_run)
		ops->dev_run = ceth_v_dev_run;
	ops->event = ceth_v_event;
	ops->dev_reset = ceth_v_dev_reset;
	if (of->set_pairs)
		ops->set_pairs = ceth_v_set_pairs;
	if (of->ring_alloc)
		ops->ring_alloc = ceth_v_ring_alloc;
	if (of->ring_free)
		ops->ring_free = ceth_v_ring_free;
	ops->ring_init = ceth_v_ring_init;
	ops->ring_start = ceth_v_ring_start;
	ops->ring_stop = ceth_v_ring_stop;
	if (of->set_features)
		ops->set_features = ceth_v_set_features;
	if (of->set_mac)
		ops->set_mac = ceth_v_set_mac;
	if (of->set_rx_mode)
		ops->set_rx_mode = ceth_v_set_rx_mode;
	if (of->set_rx_max)
		ops->set_rx_max = ceth_v_set_rx_max;
	if (of->set_vlan)
		ops->set_vlan = ceth_v_set_vlan;
	if (of->set_rss)
		ops->set_rss = ceth_v_set_rss;
	if (of->set_rule)
		ops->set_rule = ceth_v_set_rule;
	if (of->set_coalesce)
		ops->set_coalesce = ceth_v_set_coalesce;
	if (of->set_shaper)
		ops->set_shaper = ceth_v_set_shaper;
	if (of->clock_read)
		ops->clock_read = ceth_v_clock_read;
	if (of->clock_set)
		ops->clock_set = ceth_v_clock_set;
	if (of->get_link)
		ops->get_link = ceth_v_get_link;
	if (of->get_stats)
		ops->get_stats = ceth_v_get_stats;
	if (of->set_func)
		ops->set_func = ceth_v_set_func;
	if (of->func_attached)
		ops->func_attached = ceth_v_func_attached;
	if (of->announce_done)
		ops->announce_done = ceth_v_announce_done;
	if (of->regs_len)
		ops->regs_len = ceth_v_regs_len;
	if (of->get_regs)
		ops->get_regs = ceth_v_get_regs;
	if (of->dump)
		ops->dump = ceth_v_dump;
}
