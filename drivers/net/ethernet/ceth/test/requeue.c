// SPDX-License-Identifier: GPL-2.0
/* CETH's tests: have the stack restart a receive queue.
 *
 * The stack does so on its own account only, for memory providers. "IFACE QUEUE
 * COUNT", written to the parameter "restart", has it restart that queue of a
 * device of the writer's namespace so often; written to "refuse", the new queue is
 * refused when it should start, so that the old one has to go on. Programs that
 * do nothing but tests may use it.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nsproxy.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <net/ceth/compat.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>

#ifdef CETH_HAVE_QUEUE_CONFIG
#define REQUEUE_QCFG	qcfg,

MODULE_IMPORT_NS("NETDEV_INTERNAL");

static int requeue_restart(struct net_device *dev, u32 queue)
{
	return netdev_rx_queue_restart(dev, queue);
}
#else
#define REQUEUE_QCFG

/* These kernels do not let modules ask for it: the same steps. */
static int requeue_restart(struct net_device *dev, u32 queue)
{
	const struct netdev_queue_mgmt_ops *ops = dev->queue_mgmt_ops;
	void *fresh, *used;
	int err = -ENOMEM;

	fresh = kvzalloc(ops->ndo_queue_mem_size, GFP_KERNEL);
	used = kvzalloc(ops->ndo_queue_mem_size, GFP_KERNEL);
	if (!fresh || !used)
		goto out;
	err = ops->ndo_queue_mem_alloc(dev, fresh, queue);
	if (err)
		goto out;
	err = ops->ndo_queue_stop(dev, used, queue);
	if (!err) {
		err = ops->ndo_queue_start(dev, fresh, queue);
		if (err)
			WARN_ON(ops->ndo_queue_start(dev, used, queue));
		else
			swap(fresh, used);
	}
	ops->ndo_queue_mem_free(dev, fresh);
out:
	kvfree(fresh);
	kvfree(used);
	return err;
}
#endif

/* The device's operations while one of them refuses. */
static const struct netdev_queue_mgmt_ops *requeue_real;
static struct netdev_queue_mgmt_ops requeue_refusing;
static bool requeue_refused;

static int requeue_start(struct net_device *dev, CETH_QCFG_ARG void *mem,
			 int queue)
{
	if (requeue_refused)
		return requeue_real->ndo_queue_start(dev, REQUEUE_QCFG mem,
						     queue);
	requeue_refused = true;
	return -EIO;
}

static int requeue_one(struct net_device *dev, u32 queue, bool refuse)
{
	int err;

	if (queue >= dev->real_num_rx_queues)
		return -ERANGE;
	requeue_real = dev->queue_mgmt_ops;
	if (!requeue_real)
		return -EOPNOTSUPP;
	if (refuse) {
		requeue_refusing = *requeue_real;
		requeue_refusing.ndo_queue_start = requeue_start;
		requeue_refused = false;
		dev->queue_mgmt_ops = &requeue_refusing;
	}
	err = requeue_restart(dev, queue);
	dev->queue_mgmt_ops = requeue_real;
	return err;
}

/* Only one at a time: the kernel has a lock for a module's parameters. */
static int requeue_set(const char *val, const struct kernel_param *kp)
{
	bool refuse = kp->arg;
	struct net_device *dev;
	char name[IFNAMSIZ];
	u32 queue, count;
	int err = 0;

	if (sscanf(val, "%15s %u %u", name, &queue, &count) != 3)
		return -EINVAL;
	dev = dev_get_by_name(current->nsproxy->net_ns, name);
	if (!dev)
		return -ENODEV;
	while (count-- && !err && !signal_pending(current)) {
		ceth_cfg_lock(dev);
		err = requeue_one(dev, queue, refuse);
		ceth_cfg_unlock(dev);
	}
	dev_put(dev);
	return err;
}

static const struct kernel_param_ops requeue_ops = {
	.set = requeue_set,
};
module_param_cb(restart, &requeue_ops, NULL, 0200);
MODULE_PARM_DESC(restart, "IFACE QUEUE COUNT: restart a receive queue");
module_param_cb(refuse, &requeue_ops, &requeue_refused, 0200);
MODULE_PARM_DESC(refuse, "IFACE QUEUE COUNT: the same, but the new one is refused");

MODULE_DESCRIPTION("CETH tests: restart receive queues");
MODULE_LICENSE("GPL");
