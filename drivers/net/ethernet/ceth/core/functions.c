// SPDX-License-Identifier: GPL-2.0
/* CETH core: functions, devices that a device puts beside itself on its bus.
 *
 * To the user they are devlink ports of flavour pcisf, from which they are
 * configured. What is activated is found by the backend's bus driver like any
 * other device, and is one: nothing here knows of its network device.
 *
 * Ports belong to the devlink instance and are under its lock. The device is
 * asked under the configuration lock; one that is down is brought up for that
 * as far as commands need it. Both locks are held to change what addresses there
 * are.
 */
#include <linux/etherdevice.h>
#include <linux/slab.h>

#include "core.h"

/**
 * struct ceth_func_port - a function
 * @list: of all of the device's
 * @port: devlink port
 * @cdl: the device's devlink instance
 * @func: what it should be
 * @id: the device's number for it
 * @index: of @port
 * @sfnum: number that the user has given it
 */
struct ceth_func_port {
	struct list_head list;
	struct devlink_port port;
	struct ceth_devlink *cdl;
	struct ceth_func func;
	u16 id;
	u32 index;
	u32 sfnum;
};

#define to_func_port(p)	container_of(p, struct ceth_func_port, port)

/* Takes the configuration lock, unless it fails; *@up: was down. */
static int ceth_func_begin(struct ceth_dev *cdev, bool *up,
			   struct netlink_ext_ack *extack)
{
	int err = 0;

	*up = false;
	ceth_lock(cdev);
	if (cdev->gone) {
		NL_SET_ERR_MSG_MOD(extack, "the device is gone");
		err = -ENODEV;
	} else if (!cdev->running && netif_running(cdev->netdev)) {
		NL_SET_ERR_MSG_MOD(extack, "the device is being recovered, try again");
		err = -EBUSY;
	} else if (!cdev->running) {
		err = ceth_dev_reset(cdev) ?: cdev->ops->dev_init(cdev->priv);
		*up = !err;
		if (err) {
			NL_SET_ERR_MSG_MOD(extack, "the device does not start");
			ceth_dev_reset(cdev);
		}
	}
	if (err)
		ceth_unlock(cdev);
	return err;
}

static void ceth_func_end(struct ceth_dev *cdev, bool up, int err,
			  struct netlink_ext_ack *extack)
{
	if (up)
		ceth_dev_reset(cdev);
	ceth_unlock(cdev);
	if (err)
		NL_SET_ERR_MSG_FMT_MOD(extack, "the device refused (error %d)",
				       err);
}

/* Have the device make it what @func says; NULL: give it up. */
static int ceth_func_apply(struct ceth_func_port *p,
			   const struct ceth_func *func,
			   struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = p->cdl->cdev;
	bool up;
	int err;

	err = ceth_func_begin(cdev, &up, extack);
	if (err)
		return err;
	err = cdev->ops->set_func(cdev->priv, p->id, func);
	ceth_func_end(cdev, up, err, extack);
	return err;
}

static int ceth_func_addr_get(struct devlink_port *port, u8 *addr, int *len,
			      struct netlink_ext_ack *extack)
{
	ether_addr_copy(addr, to_func_port(port)->func.mac);
	*len = ETH_ALEN;
	return 0;
}

static int ceth_func_idle(const struct ceth_func_port *p,
			  struct netlink_ext_ack *extack)
{
	if (!p->func.active)
		return 0;
	NL_SET_ERR_MSG_MOD(extack, "the function is active: set state inactive first");
	return -EBUSY;
}

/* Whose address is that? No two have the same. */
static struct ceth_func_port *ceth_func_by_addr(const struct ceth_devlink *cdl,
						const u8 *addr)
{
	struct ceth_func_port *p;

	list_for_each_entry(p, &cdl->funcs, list)
		if (ether_addr_equal(p->func.mac, addr))
			return p;
	return NULL;
}

/* Is it free, for a function? The device falls back to its permanent address. */
static int ceth_func_addr_check(const struct ceth_func_port *p, const u8 *addr,
				struct netlink_ext_ack *extack)
{
	const struct ceth_func_port *other = ceth_func_by_addr(p->cdl, addr);
	const struct ceth_devlink *cdl = p->cdl;

	if (other && other != p) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "hw_addr: sfnum %u has that address",
				       other->sfnum);
		return -EADDRINUSE;
	}
	if (!ether_addr_equal(cdl->cdev->netdev->dev_addr, addr) &&
	    !ether_addr_equal(cdl->caps.mac, addr))
		return 0;
	NL_SET_ERR_MSG_MOD(extack, "hw_addr: the device has that address");
	return -EADDRINUSE;
}

static int ceth_func_addr_set(struct devlink_port *port, const u8 *addr,
			      int len, struct netlink_ext_ack *extack)
{
	struct ceth_func_port *p = to_func_port(port);
	int err = ceth_func_idle(p, extack);

	if (err)
		return err;
	if (len != ETH_ALEN || !is_valid_ether_addr(addr)) {
		NL_SET_ERR_MSG_MOD(extack, "hw_addr: a unicast address that is not zero");
		return -EINVAL;
	}
	ceth_lock(p->cdl->cdev);
	err = ceth_func_addr_check(p, addr, extack);
	if (!err)
		ether_addr_copy(p->func.mac, addr);
	ceth_unlock(p->cdl->cdev);
	return err;
}

/**
 * ceth_func_has_addr() - is an address that of a function?
 * @cdev: the device; under the configuration lock
 * @addr: address
 *
 * Return: it is.
 */
bool ceth_func_has_addr(const struct ceth_dev *cdev, const u8 *addr)
{
	return ceth_func_by_addr(devlink_priv(cdev->devlink), addr);
}

/* Queue pairs that functions have: those that are active */
static u32 ceth_func_pairs(const struct ceth_devlink *cdl)
{
	const struct ceth_func_port *p;
	u32 n = 0;

	list_for_each_entry(p, &cdl->funcs, list)
		if (p->func.active)
			n += p->func.n_pairs;
	return n;
}

static int ceth_func_state_get(struct devlink_port *port,
			       enum devlink_port_fn_state *state,
			       enum devlink_port_fn_opstate *opstate,
			       struct netlink_ext_ack *extack)
{
	const struct ceth_func_port *p = to_func_port(port);
	struct ceth_dev *cdev = p->cdl->cdev;

	*state = p->func.active ? DEVLINK_PORT_FN_STATE_ACTIVE :
				  DEVLINK_PORT_FN_STATE_INACTIVE;
	*opstate = DEVLINK_PORT_FN_OPSTATE_DETACHED;
	if (!READ_ONCE(cdev->gone) &&
	    cdev->ops->func_attached(cdev->priv, p->id))
		*opstate = DEVLINK_PORT_FN_OPSTATE_ATTACHED;
	return 0;
}

static int ceth_func_state_set(struct devlink_port *port,
			       enum devlink_port_fn_state state,
			       struct netlink_ext_ack *extack)
{
	struct ceth_func_port *p = to_func_port(port);
	struct ceth_func func = p->func;
	u32 left;
	int err;

	func.active = state == DEVLINK_PORT_FN_STATE_ACTIVE;
	if (func.active == p->func.active)
		return 0;
	if (is_zero_ether_addr(func.mac)) {
		NL_SET_ERR_MSG_MOD(extack, "the function has no address: set hw_addr first");
		return -EINVAL;
	}
	left = p->cdl->caps.max_func_pairs - ceth_func_pairs(p->cdl);
	if (func.active && func.n_pairs > left) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "max_io_eqs %u: of %u for functions %u are left",
				       func.n_pairs,
				       p->cdl->caps.max_func_pairs, left);
		return -ENOSPC;
	}
	err = ceth_func_apply(p, &func, extack);
	if (!err)
		p->func = func;
	return err;
}

static int ceth_func_eqs_get(struct devlink_port *port, u32 *n,
			     struct netlink_ext_ack *extack)
{
	*n = to_func_port(port)->func.n_pairs;
	return 0;
}

static u32 ceth_func_most(const struct ceth_devlink *cdl)
{
	return min(cdl->caps.max_pairs, cdl->caps.max_func_pairs);
}

/* A queue pair has an interrupt, which is what devlink calls an event queue. */
static int ceth_func_eqs_set(struct devlink_port *port, u32 n,
			     struct netlink_ext_ack *extack)
{
	struct ceth_func_port *p = to_func_port(port);
	u32 most = ceth_func_most(p->cdl);
	int err = ceth_func_idle(p, extack);

	if (err)
		return err;
	if (!n || n > most) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "max_io_eqs: 1 to %u, not %u",
				       most, n);
		return -ERANGE;
	}
	p->func.n_pairs = n;
	return 0;
}

/**
 * ceth_func_tx_max_set() - devlink's rate_leaf_tx_max_set
 * @rate: of a function
 * @priv: the function
 * @tx_max: bytes per second; 0: no limit
 * @extack: why not
 *
 * Return: 0 or a negative errno.
 */
int ceth_func_tx_max_set(struct devlink_rate *rate, void *priv, u64 tx_max,
			 struct netlink_ext_ack *extack)
{
	struct ceth_func_port *p = priv;
	struct ceth_func func = p->func;
	int err = 0;

	if (check_mul_overflow(tx_max, 8ULL, &func.tx_bps) ||
	    (tx_max && func.tx_bps < CETH_FUNC_BPS_MIN)) {
		NL_SET_ERR_MSG_MOD(extack, "tx_max: 0 (no limit), or 1mbit at least");
		return -ERANGE;
	}
	if (p->func.active)
		err = ceth_func_apply(p, &func, extack);
	if (!err)
		p->func = func;
	return err;
}

static void ceth_func_free(struct ceth_func_port *p)
{
	devl_rate_leaf_destroy(&p->port);
	devl_port_unregister(&p->port);
	ceth_lock(p->cdl->cdev);
	list_del(&p->list);
	ceth_unlock(p->cdl->cdev);
	kfree(p);
}

static int ceth_func_port_del(struct devlink *devlink,
			      struct devlink_port *port,
			      struct netlink_ext_ack *extack)
{
	struct ceth_func_port *p = to_func_port(port);
	int err = ceth_func_apply(p, NULL, extack);

	/* A device that is gone has taken them along. */
	if (!err || err == -ENODEV)
		ceth_func_free(p);
	return err == -ENODEV ? 0 : err;
}

static const struct devlink_port_ops ceth_func_ops = {
	.port_del		= ceth_func_port_del,
	.port_fn_hw_addr_get	= ceth_func_addr_get,
	.port_fn_hw_addr_set	= ceth_func_addr_set,
	.port_fn_state_get	= ceth_func_state_get,
	.port_fn_state_set	= ceth_func_state_set,
	.port_fn_max_io_eqs_get	= ceth_func_eqs_get,
	.port_fn_max_io_eqs_set	= ceth_func_eqs_set,
};

static int ceth_func_check(const struct ceth_devlink *cdl,
			   const struct devlink_port_new_attrs *attrs,
			   struct netlink_ext_ack *extack)
{
	const struct ceth_func_port *p;
	u32 n = 0;

	if (!(cdl->caps.caps & CETH_CAP_FUNCTIONS)) {
		NL_SET_ERR_MSG_MOD(extack, "the device has no functions");
		return -EOPNOTSUPP;
	}
	if (attrs->flavour != DEVLINK_PORT_FLAVOUR_PCI_SF ||
	    attrs->controller_valid || attrs->pfnum) {
		NL_SET_ERR_MSG_MOD(extack, "only flavour pcisf with pfnum 0, of no controller");
		return -EOPNOTSUPP;
	}
	if (!attrs->sfnum_valid) {
		NL_SET_ERR_MSG_MOD(extack, "sfnum is missing");
		return -EINVAL;
	}
	list_for_each_entry(p, &cdl->funcs, list) {
		if (p->sfnum == attrs->sfnum) {
			NL_SET_ERR_MSG_FMT_MOD(extack, "sfnum %u is in use",
					       attrs->sfnum);
			return -EEXIST;
		}
		n++;
	}
	if (n >= cdl->caps.max_funcs) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "the device has %u functions, and all are in use",
				       cdl->caps.max_funcs);
		return -ENOSPC;
	}
	return 0;
}

/* The lowest one that is free; 0 is the device's own. */
static u32 ceth_func_index(const struct ceth_devlink *cdl)
{
	const struct ceth_func_port *p;
	u32 index = 1;

again:
	list_for_each_entry(p, &cdl->funcs, list) {
		if (p->index == index) {
			index++;
			goto again;
		}
	}
	return index;
}

/* The device's number for it: one that was not in use for long. There is one. */
static u16 ceth_func_id(struct ceth_devlink *cdl)
{
	const struct ceth_func_port *p;

again:
	cdl->last_func = cdl->last_func % cdl->caps.max_funcs + 1;
	list_for_each_entry(p, &cdl->funcs, list)
		if (p->id == cdl->last_func)
			goto again;
	return cdl->last_func;
}

/**
 * ceth_func_port_new() - devlink's port_new
 * @devlink: devlink instance; locked
 * @attrs: what is wanted
 * @extack: why not
 * @port: result
 *
 * Return: 0 or a negative errno.
 */
int ceth_func_port_new(struct devlink *devlink,
		       const struct devlink_port_new_attrs *attrs,
		       struct netlink_ext_ack *extack,
		       struct devlink_port **port)
{
	struct ceth_devlink *cdl = devlink_priv(devlink);
	struct ceth_func_port *p;
	int err;

	err = ceth_func_check(cdl, attrs, extack);
	if (err)
		return err;
	p = kzalloc_obj(*p);
	if (!p)
		return -ENOMEM;
	p->cdl = cdl;
	p->id = ceth_func_id(cdl);
	p->sfnum = attrs->sfnum;
	p->index = attrs->port_index_valid ? attrs->port_index :
					     ceth_func_index(cdl);
	p->func.n_pairs = min(ceth_func_most(cdl), num_online_cpus());
	devlink_port_attrs_pci_sf_set(&p->port, 0, 0, p->sfnum, false);
	err = devl_port_register_with_ops(devlink, &p->port, p->index,
					  &ceth_func_ops);
	if (err) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "cannot register port %u",
				       p->index);
		kfree(p);
		return err;
	}
	if (cdl->caps.caps & CETH_CAP_FUNC_RATE)
		err = devl_rate_leaf_create(&p->port, p, NULL);
	if (err) {
		devl_port_unregister(&p->port);
		kfree(p);
		return err;
	}
	/* It will never have a network device: that is the function's own. */
	cancel_delayed_work(&p->port.type_warn_dw);
	ceth_lock(cdl->cdev);
	list_add_tail(&p->list, &cdl->funcs);
	ceth_unlock(cdl->cdev);
	*port = &p->port;
	return 0;
}

/**
 * ceth_funcs_remove() - all functions go
 * @cdl: devlink instance; locked
 */
void ceth_funcs_remove(struct ceth_devlink *cdl)
{
	struct ceth_func_port *p, *next;

	list_for_each_entry_safe(p, next, &cdl->funcs, list) {
		ceth_func_apply(p, NULL, NULL);
		ceth_func_free(p);
	}
}

/* What devlink shows of it */
enum {
	CETH_RES_PAIRS = 1,
	CETH_RES_PAIRS_OWN,
	CETH_RES_PAIRS_FUNCS,
	CETH_RES_FUNCS,
};

static u64 ceth_res_own(void *priv)
{
	const struct ceth_devlink *cdl = priv;

	return READ_ONCE(cdl->cdev->running) ?
	       READ_ONCE(cdl->cdev->cfg.n_pairs) : 0;
}

static u64 ceth_res_pairs_funcs(void *priv)
{
	return ceth_func_pairs(priv);
}

static u64 ceth_res_pairs(void *priv)
{
	return ceth_res_own(priv) + ceth_func_pairs(priv);
}

static u64 ceth_res_funcs(void *priv)
{
	const struct ceth_devlink *cdl = priv;

	return list_count_nodes((struct list_head *)&cdl->funcs);
}

static int ceth_res_add(struct ceth_devlink *cdl, const char *name, u64 size,
			u64 id, u64 parent, devlink_resource_occ_get_t *occ)
{
	struct devlink *devlink = priv_to_devlink(cdl);
	struct devlink_resource_size_params params;
	int err;

	/* How many there are the device says, and nobody can change. */
	devlink_resource_size_params_init(&params, size, size, 1,
					  DEVLINK_RESOURCE_UNIT_ENTRY);
	err = devl_resource_register(devlink, name, size, id, parent, &params);
	if (!err)
		devl_resource_occ_get_register(devlink, id, occ, cdl);
	return err;
}

/**
 * ceth_func_resources() - say what functions are made of
 * @cdl: devlink instance; locked, not yet registered
 *
 * Return: 0 or a negative errno.
 */
int ceth_func_resources(struct ceth_devlink *cdl)
{
	const u32 own = cdl->caps.max_pairs, funcs = cdl->caps.max_func_pairs;

	if (!(cdl->caps.caps & CETH_CAP_FUNCTIONS))
		return 0;
	return ceth_res_add(cdl, "queue_pairs", own + funcs, CETH_RES_PAIRS,
			    DEVLINK_RESOURCE_ID_PARENT_TOP, ceth_res_pairs) ?:
	       ceth_res_add(cdl, "device", own, CETH_RES_PAIRS_OWN,
			    CETH_RES_PAIRS, ceth_res_own) ?:
	       ceth_res_add(cdl, "functions", funcs, CETH_RES_PAIRS_FUNCS,
			    CETH_RES_PAIRS, ceth_res_pairs_funcs) ?:
	       ceth_res_add(cdl, "functions", cdl->caps.max_funcs,
			    CETH_RES_FUNCS, DEVLINK_RESOURCE_ID_PARENT_TOP,
			    ceth_res_funcs);
}
