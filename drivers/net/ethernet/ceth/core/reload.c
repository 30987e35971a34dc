// SPDX-License-Identifier: GPL-2.0
/* CETH core: devlink reload, and the parameters that it puts into force.
 *
 * devlink wants no port to be left when a device is reloaded. So the network
 * device goes, and another one takes its place, as after a new probe: with
 * defaults instead of what the user has configured, and with counters that
 * begin anew. The backend's device, its interrupts, the devlink instance with
 * its parameters and reporters, and the work queue stay. Functions go.
 *
 * All of this runs under the devlink lock, which the fault work may be waiting
 * for. So the old device is not waited for either: it is freed by a work item
 * of its own, on the same ordered queue, which comes after that.
 */
#include <linux/etherdevice.h>

#include "core.h"

enum {
	CETH_PARAM_BASE = DEVLINK_PARAM_GENERIC_ID_MAX,
	CETH_PARAM_MAX_QUEUES,
};

static int ceth_max_queues_check(struct devlink *devlink, u32 n,
				 struct netlink_ext_ack *extack)
{
	const struct ceth_devlink *cdl = devlink_priv(devlink);

	if (n && n <= cdl->caps.max_pairs)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack, "max_queues: 1 to %u, not %u",
			       cdl->caps.max_pairs, n);
	return -ERANGE;
}

CETH_PARAM_U32(ceth_param_max_queues, ceth_max_queues_check)

static const struct devlink_param ceth_params[] = {
	DEVLINK_PARAM_DRIVER(CETH_PARAM_MAX_QUEUES, "max_queues",
			     DEVLINK_PARAM_TYPE_U32,
			     BIT(DEVLINK_PARAM_CMODE_DRIVERINIT), NULL, NULL,
			     ceth_param_max_queues),
};

/**
 * ceth_params_register() - parameters, with the values that are in force
 * @cdl: the device's devlink instance; locked
 *
 * Return: 0 or a negative errno.
 */
int ceth_params_register(struct ceth_devlink *cdl)
{
	struct devlink *devlink = priv_to_devlink(cdl);
	union devlink_param_value val = { .vu32 = cdl->caps.max_pairs };
	int err;

	err = devl_params_register(devlink, ceth_params,
				   ARRAY_SIZE(ceth_params));
	if (!err)
		ceth_param_init(devlink, CETH_PARAM_MAX_QUEUES, &val);
	return err;
}

/**
 * ceth_params_unregister() - undo ceth_params_register()
 * @cdl: the device's devlink instance; locked
 */
void ceth_params_unregister(struct ceth_devlink *cdl)
{
	devl_params_unregister(priv_to_devlink(cdl), ceth_params,
			       ARRAY_SIZE(ceth_params));
}

/**
 * ceth_reload_down() - devlink's reload_down
 * @devlink: devlink instance; locked, and so is its device
 * @netns_change: to another namespace
 * @action: driver_reinit
 * @limit: none
 * @extack: why not
 *
 * Return: 0 or a negative errno: everything is as it was.
 */
int ceth_reload_down(struct devlink *devlink, bool netns_change,
		     enum devlink_reload_action action,
		     enum devlink_reload_limit limit,
		     struct netlink_ext_ack *extack)
{
	struct ceth_devlink *cdl = devlink_priv(devlink);
	struct ceth_dev *cdev = cdl->cdev;

	/* Left over by a reload that failed */
	if (!cdev->shown)
		return 0;
	if (READ_ONCE(cdev->gone)) {
		NL_SET_ERR_MSG_MOD(extack, "the device is gone");
		return -ENODEV;
	}
	ceth_funcs_remove(cdl);
	ceth_hide(cdev);
	/* What is still reported of it is old. */
	WRITE_ONCE(cdev->gone, true);
	devl_port_unregister(&cdl->port);
	return 0;
}

static void ceth_reload_reap(struct work_struct *work)
{
	ceth_free(container_of(work, struct ceth_dev, reap_work));
}

/**
 * ceth_reload_up() - devlink's reload_up
 * @devlink: devlink instance; locked, and so is its device
 * @action: driver_reinit
 * @limit: none
 * @performed: actions that were performed
 * @extack: why not
 *
 * Return: 0, or a negative errno: there is no network device; the next reload
 * may bring it back.
 */
int ceth_reload_up(struct devlink *devlink, enum devlink_reload_action action,
		   enum devlink_reload_limit limit, u32 *performed,
		   struct netlink_ext_ack *extack)
{
	struct ceth_devlink *cdl = devlink_priv(devlink);
	struct ceth_caps caps = cdl->caps;
	struct ceth_dev *old = cdl->cdev, *cdev;
	union devlink_param_value val;
	int err;

	err = devl_param_driverinit_value_get(devlink, CETH_PARAM_MAX_QUEUES,
					      &val);
	if (!err)
		caps.max_pairs = min_t(u32, caps.max_pairs, val.vu32);
	cdev = ceth_make(old->dev, &caps, &old->backend, devlink_net(devlink));
	if (IS_ERR(cdev)) {
		NL_SET_ERR_MSG_MOD(extack, "not enough memory for the network device");
		return PTR_ERR(cdev);
	}
	cdev->wq = old->wq;
	err = ceth_devlink_port(cdl, cdev);
	if (err)
		goto err_free;
	cdl->cdev = cdev;
	dev_set_drvdata(cdev->dev, cdev);
	err = ceth_show(cdev);
	if (err)
		goto err_port;
	INIT_WORK(&old->reap_work, ceth_reload_reap);
	queue_work(old->wq, &old->reap_work);
	*performed = BIT(DEVLINK_RELOAD_ACTION_DRIVER_REINIT);
	return 0;

err_port:
	dev_set_drvdata(old->dev, old);
	cdl->cdev = old;
	devl_port_unregister(&cdl->port);
err_free:
	NL_SET_ERR_MSG_MOD(extack, "cannot register the network device");
	ceth_free(cdev);
	return err;
}
