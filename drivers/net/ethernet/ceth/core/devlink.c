// SPDX-License-Identifier: GPL-2.0
/* CETH core: devlink instance, port and health reporters.
 *
 * Locks: report lock -> devlink lock -> rtnl -> configuration lock. devlink
 * calls us under its lock, so nothing here is called under ours.
 */
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "core.h"

/* Text of a dump: at first, and at most. */
#define CETH_DUMP_MIN	SZ_16K
#define CETH_DUMP_MAX	SZ_1M
/* A line must fit a netlink message with room to spare. */
#define CETH_DUMP_LINE	512

const char * const ceth_fault_names[CETH_FAULT_NUM] = {
	[CETH_FAULT_RX_DESC]	= "rx_desc",
	[CETH_FAULT_TX_DESC]	= "tx_desc",
	[CETH_FAULT_RX_STALL]	= "rx_stall",
	[CETH_FAULT_TX_STALL]	= "tx_stall",
	[CETH_FAULT_DEVICE]	= "device",
	[CETH_FAULT_IRQ_LOST]	= "irq_lost",
	[CETH_FAULT_CONTRACT]	= "contract",
};

static const struct {
	enum ceth_reporter reporter;
	const char *text;
} ceth_fault_info[CETH_FAULT_NUM] = {
	[CETH_FAULT_RX_DESC] = {
		CETH_REPORTER_RX, "receive completion that makes no sense" },
	[CETH_FAULT_TX_DESC] = {
		CETH_REPORTER_TX, "transmit completion that makes no sense" },
	[CETH_FAULT_RX_STALL] = {
		CETH_REPORTER_RX, "reception has stopped" },
	[CETH_FAULT_TX_STALL] = {
		CETH_REPORTER_TX, "transmission does not complete" },
	[CETH_FAULT_DEVICE] = {
		CETH_REPORTER_DEV, "the device failed" },
	[CETH_FAULT_IRQ_LOST] = {
		CETH_REPORTER_RX, "an interrupt was lost" },
	[CETH_FAULT_CONTRACT] = {
		CETH_REPORTER_DEV, "the contract was broken" },
};

static enum ceth_reporter
ceth_reporter_of(struct devlink_health_reporter *reporter)
{
	const struct ceth_devlink *cdl = devlink_health_reporter_priv(reporter);
	enum ceth_reporter r;

	for (r = 0; r < CETH_REPORTER_DEV; r++)
		if (cdl->reporter[r] == reporter)
			break;
	return r;
}

static struct ceth_dev *
ceth_reporter_cdev(struct devlink_health_reporter *reporter)
{
	const struct ceth_devlink *cdl = devlink_health_reporter_priv(reporter);

	return cdl->cdev;
}

static int ceth_health_restart(struct ceth_dev *cdev)
{
	int err = 0;

	ceth_lock(cdev);
	if (cdev->gone)
		err = -ENODEV;
	else if (netif_running(cdev->netdev))
		err = ceth_recover(cdev);
	ceth_retry(cdev, err);
	ceth_unlock(cdev);
	return err;
}

/* What a reporter is asked to recover from */
struct ceth_recovery {
	const struct ceth_dev *cdev;
	enum ceth_fault fault;
};

static int ceth_health_recover(struct devlink_health_reporter *reporter,
			       void *ctx, struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = ceth_reporter_cdev(reporter);
	const struct ceth_recovery *what = ctx;
	int err;

	/* Of a device that has been reloaded meanwhile; or the queue has been
	 * polled, and that was the recovery.
	 */
	if (what && (what->cdev != cdev || what->fault == CETH_FAULT_IRQ_LOST))
		return 0;
	err = ceth_health_restart(cdev);
	cdev->health.stuck[ceth_reporter_of(reporter)] = err;
	if (err == -ENODEV)
		NL_SET_ERR_MSG_MOD(extack, "the device is gone");
	else if (err)
		NL_SET_ERR_MSG_FMT_MOD(extack, "restart failed (error %d), see the log",
				       err);
	return err;
}

/* The kinds of this reporter, and what is common to all. */
static void ceth_diagnose_counts(struct ceth_dev *cdev, enum ceth_reporter r,
				 struct devlink_fmsg *fmsg)
{
	struct ceth_health *health = &cdev->health;
	enum ceth_fault last = READ_ONCE(health->last);
	u64 count = 0;
	u32 i;

	devlink_fmsg_bool_pair_put(fmsg, "running", cdev->running);
	devlink_fmsg_u64_pair_put(fmsg, "recoveries", cdev->recoveries);
	for (i = 0; i < CETH_FAULT_NUM; i++) {
		u64 n = atomic_long_read(&health->count[i]);

		if (ceth_fault_info[i].reporter != r)
			continue;
		devlink_fmsg_u64_pair_put(fmsg, ceth_fault_names[i], n);
		count += n;
	}
	if (!count || ceth_fault_info[last].reporter != r)
		return;
	devlink_fmsg_string_pair_put(fmsg, "last", ceth_fault_info[last].text);
	if (r != CETH_REPORTER_DEV)
		devlink_fmsg_u32_pair_put(fmsg, "last_queue",
					  READ_ONCE(health->pair));
}

/* Read beside a running NAPI: each number is right, not their sum. */
static void ceth_diagnose_rxq(const struct ceth_rxq *rxq,
			      struct devlink_fmsg *fmsg)
{
	devlink_fmsg_u32_pair_put(fmsg, "size", rxq->size);
	devlink_fmsg_u32_pair_put(fmsg, "without_buffer",
				  READ_ONCE(rxq->n_free));
	devlink_fmsg_u32_pair_put(fmsg, "spare_buffers",
				  READ_ONCE(rxq->n_spare));
}

static void ceth_diagnose_txq(const struct ceth_txq *txq,
			      struct devlink_fmsg *fmsg)
{
	devlink_fmsg_u32_pair_put(fmsg, "size", txq->size);
	devlink_fmsg_u32_pair_put(fmsg, "in_flight", ceth_tx_in_flight(txq));
	if (txq != txq->pair->xdp_own)
		devlink_fmsg_bool_pair_put(fmsg, "stopped",
					   netif_tx_queue_stopped(txq->netq));
}

/* What a pair's queue is used for. */
static const char *ceth_queue_type(const struct ceth_pair *pair,
				   enum ceth_reporter r)
{
	struct net_device *dev = pair->cdev->netdev;

	if (r == CETH_REPORTER_RX && ceth_queue_leased(dev, pair->idx))
		return "leased";
	return pair->xsk ? "af_xdp" : "stack";
}

static void ceth_diagnose_pair(const struct ceth_pair *pair,
			       enum ceth_reporter r, struct devlink_fmsg *fmsg)
{
	devlink_fmsg_obj_nest_start(fmsg);
	devlink_fmsg_u32_pair_put(fmsg, "queue", pair->idx);
	devlink_fmsg_string_pair_put(fmsg, "type", ceth_queue_type(pair, r));
	devlink_fmsg_bool_pair_put(fmsg, "running", pair->running);
	devlink_fmsg_u32_pair_put(fmsg, "irq", pair->irq);
	if (r == CETH_REPORTER_RX && pair->rxq)
		ceth_diagnose_rxq(pair->rxq, fmsg);
	if (r == CETH_REPORTER_TX && pair->txq_done)
		ceth_diagnose_txq(pair->txq_done, fmsg);
	devlink_fmsg_obj_nest_end(fmsg);
	if (r != CETH_REPORTER_TX || !pair->xdp_own)
		return;
	devlink_fmsg_obj_nest_start(fmsg);
	devlink_fmsg_u32_pair_put(fmsg, "queue", pair->xdp_own->ring.idx);
	devlink_fmsg_string_pair_put(fmsg, "type", "xdp");
	devlink_fmsg_u32_pair_put(fmsg, "with_queue", pair->idx);
	ceth_diagnose_txq(pair->xdp_own, fmsg);
	devlink_fmsg_obj_nest_end(fmsg);
}

static int ceth_health_diagnose(struct devlink_health_reporter *reporter,
				struct devlink_fmsg *fmsg,
				struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = ceth_reporter_cdev(reporter);
	enum ceth_reporter r = ceth_reporter_of(reporter);
	u32 i;

	ceth_lock(cdev);
	ceth_diagnose_counts(cdev, r, fmsg);
	if (r == CETH_REPORTER_DEV)
		goto out;

	devlink_fmsg_arr_pair_nest_start(fmsg, "queues");
	for (i = 0; i < cdev->cfg.n_pairs; i++)
		ceth_diagnose_pair(&cdev->pairs[i], r, fmsg);
	devlink_fmsg_arr_pair_nest_end(fmsg);
out:
	ceth_unlock(cdev);
	return 0;
}

static void ceth_dump_pair(const struct ceth_pair *pair, struct seq_file *s)
{
	const struct ceth_txq *txq = pair->txq_done, *own = pair->xdp_own;
	const struct ceth_rxq *rxq = pair->rxq;

	seq_printf(s, "pair %u: running %d irq %d interrupts %u napi %lx\n",
		   pair->idx, pair->running, pair->irq,
		   READ_ONCE(pair->events), READ_ONCE(pair->napi.state));
	if (rxq)
		seq_printf(s, "pair %u rx: size %u frame_sz %u n_free %u n_spare %u left %u\n",
			   pair->idx, rxq->size, rxq->frame_sz,
			   READ_ONCE(rxq->n_free), READ_ONCE(rxq->n_spare),
			   READ_ONCE(rxq->frame.left));
	if (txq)
		seq_printf(s, "pair %u tx: size %u free_head %u free_tail %u in flight %u stack %lx%s\n",
			   pair->idx, txq->size, READ_ONCE(txq->free_head),
			   READ_ONCE(txq->free_tail), ceth_tx_in_flight(txq),
			   READ_ONCE(txq->netq->state),
			   READ_ONCE(pair->txq) ? "" : " (closed)");
	if (own)
		seq_printf(s, "pair %u xdp: index %u size %u free_head %u free_tail %u in flight %u%s\n",
			   pair->idx, own->ring.idx, own->size,
			   READ_ONCE(own->free_head), READ_ONCE(own->free_tail),
			   ceth_tx_in_flight(own),
			   READ_ONCE(pair->xdp) ? "" : " (closed)");
}

static void ceth_dump_text(struct ceth_dev *cdev, struct seq_file *s)
{
	u32 i;

	seq_printf(s, "device: running %d gone %d pairs %u of %u features %x recoveries %llu\n",
		   cdev->running, cdev->gone, cdev->cfg.n_pairs,
		   cdev->caps.max_pairs, cdev->features, cdev->recoveries);
	for (i = 0; i < cdev->cfg.n_pairs; i++)
		ceth_dump_pair(&cdev->pairs[i], s);
	/* The backend's queues exist while the device runs. */
	if (cdev->ops->dump && cdev->running && !cdev->gone)
		cdev->ops->dump(cdev->priv, s);
}

/* An array of lines, "name: text" or text only, each an object of its own:
 * that is what the devlink tool prints on a line.
 */
static void ceth_dump_lines(struct devlink_fmsg *fmsg, char *text)
{
	char *line, *value;

	devlink_fmsg_arr_pair_nest_start(fmsg, "state");
	while ((line = strsep(&text, "\n"))) {
		if (!*line)
			continue;
		if (strlen(line) > CETH_DUMP_LINE)
			line[CETH_DUMP_LINE] = '\0';
		devlink_fmsg_obj_nest_start(fmsg);
		value = strstr(line, ": ");
		if (value) {
			*value = '\0';
			devlink_fmsg_string_pair_put(fmsg, line, value + 2);
		} else {
			devlink_fmsg_string_pair_put(fmsg, "-", line);
		}
		devlink_fmsg_obj_nest_end(fmsg);
	}
	devlink_fmsg_arr_pair_nest_end(fmsg);
}

static int ceth_health_dump(struct devlink_health_reporter *reporter,
			    struct devlink_fmsg *fmsg, void *ctx,
			    struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = ceth_reporter_cdev(reporter);
	struct seq_file s = {};
	size_t size;

	/* The backend writes into a seq_file, of which it needs no more than
	 * the buffer. One that was too small is tried again, larger; the
	 * largest is cut off.
	 */
	for (size = CETH_DUMP_MIN; ; size *= 4) {
		s.buf = kvzalloc(size, GFP_KERNEL);
		if (!s.buf)
			return -ENOMEM;
		s.size = size - 1;
		s.count = 0;
		ceth_lock(cdev);
		ceth_dump_text(cdev, &s);
		ceth_unlock(cdev);
		if (!seq_has_overflowed(&s) || size >= CETH_DUMP_MAX)
			break;
		kvfree(s.buf);
	}
	ceth_dump_lines(fmsg, s.buf);
	kvfree(s.buf);
	return 0;
}

/* As if the hardware had failed: the way to try what follows. */
static int ceth_health_test(struct devlink_health_reporter *reporter,
			    struct netlink_ext_ack *extack)
{
	static const enum ceth_fault faults[CETH_REPORTER_NUM] = {
		[CETH_REPORTER_RX]	= CETH_FAULT_RX_STALL,
		[CETH_REPORTER_TX]	= CETH_FAULT_TX_STALL,
		[CETH_REPORTER_DEV]	= CETH_FAULT_DEVICE,
	};
	struct ceth_dev *cdev = ceth_reporter_cdev(reporter);

	if (!READ_ONCE(cdev->running)) {
		NL_SET_ERR_MSG_MOD(extack, "bring the network device up first");
		return -ENETDOWN;
	}
	/* Reported by the fault work: here devlink is locked. */
	ceth_fault(cdev, faults[ceth_reporter_of(reporter)], 0);
	return 0;
}

#define CETH_REPORTER_OPS(n)						\
{									\
	.name		= n,						\
	.recover	= ceth_health_recover,				\
	.diagnose	= ceth_health_diagnose,				\
	.dump		= ceth_health_dump,				\
	.test		= ceth_health_test,				\
}

static const struct devlink_health_reporter_ops
ceth_reporter_ops[CETH_REPORTER_NUM] = {
	[CETH_REPORTER_RX]	= CETH_REPORTER_OPS("rx"),
	[CETH_REPORTER_TX]	= CETH_REPORTER_OPS("tx"),
	[CETH_REPORTER_DEV]	= CETH_REPORTER_OPS("device"),
};

/**
 * ceth_health_report() - report a fault and have the device recovered
 * @cdev: the device
 * @fault: kind
 *
 * Context: process, without any lock of ours; from the fault work, which must
 * not be waited for under rtnl or the devlink lock.
 *
 * Whether and when to recover is devlink's to say (``devlink health set``),
 * the default is: always, at once. Where there is no devlink to ask, that is
 * what happens.
 */
void ceth_health_report(struct ceth_dev *cdev, enum ceth_fault fault)
{
	enum ceth_reporter r = ceth_fault_info[fault].reporter;
	struct ceth_devlink *cdl = devlink_priv(cdev->devlink);
	struct devlink_health_reporter *reporter = cdl->reporter[r];
	const struct ceth_recovery what = { .cdev = cdev, .fault = fault };
	int err = 0;

	if (r == CETH_REPORTER_DEV || READ_ONCE(cdev->health.last) != fault)
		netdev_err(cdev->netdev, "%s\n", ceth_fault_info[fault].text);
	else
		netdev_err(cdev->netdev, "queue %u: %s\n",
			   READ_ONCE(cdev->health.pair),
			   ceth_fault_info[fault].text);

	mutex_lock(&cdl->lock);
	if (reporter && cdl->published) {
		/* devlink recovers no device that it believes to be broken
		 * since the last time. One that has run again has been
		 * repaired meanwhile, by taking it down and up, say.
		 */
		if (cdev->health.stuck[r] && READ_ONCE(cdev->running))
			devlink_health_reporter_state_update(reporter,
							     DEVLINK_HEALTH_REPORTER_STATE_HEALTHY);
		err = devlink_health_report(reporter,
					    ceth_fault_info[fault].text,
					    (void *)&what);
		if (err == -ECANCELED)
			cdev->health.stuck[r] = true;
	} else if (fault != CETH_FAULT_IRQ_LOST) {
		err = ceth_health_restart(cdev);
	}
	mutex_unlock(&cdl->lock);

	if (err)
		netdev_err(cdev->netdev, "not recovered (error %d)\n", err);
}

static int ceth_devlink_info_get(struct devlink *devlink,
				 struct devlink_info_req *req,
				 struct netlink_ext_ack *extack)
{
	const struct ceth_devlink *cdl = devlink_priv(devlink);
	const char *fw = cdl->cdev->caps.fw_version;

	/* The driver's name is devlink's to add. */
	if (!fw || !*fw)
		return 0;
	return devlink_info_version_running_put(req,
						DEVLINK_INFO_VERSION_GENERIC_FW,
						fw);
}

static const struct devlink_ops ceth_devlink_ops = {
	.info_get	= ceth_devlink_info_get,
	.port_new	= ceth_func_port_new,
	.rate_leaf_tx_max_set = ceth_func_tx_max_set,
	.reload_actions	= BIT(DEVLINK_RELOAD_ACTION_DRIVER_REINIT),
	.reload_down	= ceth_reload_down,
	.reload_up	= ceth_reload_up,
};

/**
 * ceth_devlink_port() - the port that names a network device
 * @cdl: the devlink instance; locked
 * @cdev: whose network device; it is not registered yet
 *
 * Return: 0 or a negative errno.
 */
int ceth_devlink_port(struct ceth_devlink *cdl, struct ceth_dev *cdev)
{
	/* Virtual: a physical port would change the interface's name. */
	struct devlink_port_attrs attrs = {
		.flavour	= DEVLINK_PORT_FLAVOUR_VIRTUAL,
	};
	struct devlink *devlink = priv_to_devlink(cdl);
	int err;

	/* It may have been registered before. */
	memset(&cdl->port, 0, sizeof(cdl->port));
	devlink_port_attrs_set(&cdl->port, &attrs);
	err = devl_port_register(devlink, &cdl->port, 0);
	if (err)
		return err;
	SET_NETDEV_DEVLINK_PORT(cdev->netdev, &cdl->port);
	cdev->devlink = devlink;
	return 0;
}

/**
 * ceth_devlink_create() - devlink instance, port, parameters and reporters
 * @cdev: the device; its network device is not registered yet
 * @caps: as stated by the backend
 *
 * Reporters are a convenience: a device works without them.
 *
 * Return: 0 or a negative errno.
 */
int ceth_devlink_create(struct ceth_dev *cdev, const struct ceth_caps *caps)
{
	struct devlink_health_reporter *reporter;
	struct ceth_devlink *cdl;
	struct devlink *devlink;
	enum ceth_reporter r;
	int err;

	devlink = devlink_alloc_ns(&ceth_devlink_ops, sizeof(*cdl),
				   dev_net(cdev->netdev), cdev->dev);
	if (!devlink)
		return -ENOMEM;
	cdl = devlink_priv(devlink);
	cdl->cdev = cdev;
	cdl->caps = *caps;
	INIT_LIST_HEAD(&cdl->funcs);
	mutex_init(&cdl->lock);

	devl_lock(devlink);
	err = ceth_params_register(cdl);
	if (err)
		goto err_free;
	err = ceth_func_resources(cdl) ?: ceth_devlink_port(cdl, cdev);
	if (err)
		goto err_resources;
	for (r = 0; r < CETH_REPORTER_NUM; r++) {
		reporter = ceth_health_reporter_create(devlink,
						       &ceth_reporter_ops[r],
						       cdl);
		if (IS_ERR(reporter)) {
			netdev_warn(cdev->netdev, "no health reporter %s\n",
				    ceth_reporter_ops[r].name);
			reporter = NULL;
		}
		cdl->reporter[r] = reporter;
	}
	devl_unlock(devlink);
	return 0;

err_resources:
	devl_resources_unregister(devlink);
	ceth_params_unregister(cdl);
err_free:
	devl_unlock(devlink);
	devlink_free(devlink);
	return err;
}

/**
 * ceth_devlink_register() - show it
 * @cdev: the device; its network device is registered
 */
void ceth_devlink_register(struct ceth_dev *cdev)
{
	struct ceth_devlink *cdl = devlink_priv(cdev->devlink);

	devlink_register(cdev->devlink);
	mutex_lock(&cdl->lock);
	cdl->published = true;
	mutex_unlock(&cdl->lock);
}

/**
 * ceth_devlink_unregister() - hide it; no report is under way on return
 * @cdev: the device; its network device is still registered
 */
void ceth_devlink_unregister(struct ceth_dev *cdev)
{
	struct ceth_devlink *cdl = devlink_priv(cdev->devlink);

	mutex_lock(&cdl->lock);
	cdl->published = false;
	mutex_unlock(&cdl->lock);
	devlink_unregister(cdev->devlink);
	devl_lock(cdev->devlink);
	ceth_funcs_remove(cdl);
	devl_unlock(cdev->devlink);
}

/**
 * ceth_devlink_destroy() - undo ceth_devlink_create()
 * @cdev: the device; its network device is not registered any more, the fault
 *	work does not run
 */
void ceth_devlink_destroy(struct ceth_dev *cdev)
{
	struct devlink *devlink = cdev->devlink;
	struct ceth_devlink *cdl = devlink_priv(devlink);
	enum ceth_reporter r;

	devl_lock(devlink);
	for (r = 0; r < CETH_REPORTER_NUM; r++)
		if (cdl->reporter[r])
			devl_health_reporter_destroy(cdl->reporter[r]);
	/* There is none after a reload that failed. */
	if (!devlink_is_reload_failed(devlink))
		devl_port_unregister(&cdl->port);
	devl_resources_unregister(devlink);
	ceth_params_unregister(cdl);
	devl_unlock(devlink);
	cdev->netdev->devlink_port = NULL;
	cdev->devlink = NULL;
	mutex_destroy(&cdl->lock);
	devlink_free(devlink);
}
