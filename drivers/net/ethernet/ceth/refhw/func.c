// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: functions, devices that a port's device puts beside itself.
 *
 * Commands only note what there should be. Plugging in and pulling out is done
 * by a work item: the driver that hears of it may hold up whoever does that,
 * and the admin thread must go on.
 */
#include <linux/etherdevice.h>

#include "refhw.h"

static struct refhw *refhw_func_hw(const struct refhw_fn *fn)
{
	return rcu_dereference_protected(fn->hw, lockdep_is_held(&refhw_lock));
}

static void refhw_func_update(struct refhw_port *port, u32 i)
{
	struct refhw_fn *fn = &port->fns[i], want;
	struct refhw *hw = refhw_func_hw(fn);

	mutex_lock(&port->fn_lock);
	want = *fn;
	mutex_unlock(&port->fn_lock);
	if (hw && (!want.active || hw->gen != want.gen)) {
		refhw_destroy(hw);
		hw = NULL;
	}
	if (hw)
		refhw_pace_limit(hw, want.bps);
	if (hw || !want.active || !rcu_access_pointer(port->hw))
		return;
	hw = refhw_create(port, &want, i + 1);
	if (IS_ERR(hw))
		pr_err("%s: function %u: %pe\n", port->name, i + 1, hw);
}

static void refhw_func_work(struct work_struct *work)
{
	struct refhw_port *port = container_of(work, struct refhw_port,
					       fn_work);
	u32 i;

	mutex_lock(&refhw_lock);
	for (i = 0; i < REFHW_FUNCTIONS; i++)
		refhw_func_update(port, i);
	mutex_unlock(&refhw_lock);
}

/* An address is one device's of the port; @but: who may have it. */
static bool refhw_func_mac_used(const struct refhw_port *port, const u8 *mac,
				const struct refhw_fn *but)
{
	const struct refhw_fn *fn;
	u32 i;

	for (i = 0; i < REFHW_FUNCTIONS; i++) {
		fn = &port->fns[i];
		if (fn != but && fn->active && ether_addr_equal(fn->mac, mac))
			return true;
	}
	return false;
}

/* Queue pairs that are left for a function */
static u32 refhw_func_room(const struct refhw_port *port)
{
	u32 i, n = port->fn_pairs;

	for (i = 0; i < REFHW_FUNCTIONS; i++)
		if (port->fns[i].active)
			n -= port->fns[i].pairs;
	return n;
}

static enum refnic_code refhw_func_set(struct refhw *hw, struct refhw_fn *fn,
				       const u64 *a)
{
	struct refhw_port *port = hw->port;
	bool active = a[1];
	u8 mac[ETH_ALEN];

	u64_to_ether_addr(a[3], mac);
	if (!is_valid_ether_addr(mac) || !a[2] || a[2] > port->pairs ||
	    (a[4] && a[4] < REFNIC_FUNC_BPS_MIN))
		return REFNIC_ERR_ARG;
	if (active && fn->active) {
		if (!ether_addr_equal(fn->mac, mac) || fn->pairs != a[2])
			return REFNIC_ERR_STATE;
		fn->bps = a[4];
		return REFNIC_OK;
	}
	/* The device has its permanent address again after a reset. */
	if (active && (refhw_func_mac_used(port, mac, fn) ||
		       ether_addr_equal(mac, hw->mac) ||
		       ether_addr_equal(mac, hw->perm)))
		return REFNIC_ERR_ADDR;
	if (active && a[2] > refhw_func_room(port))
		return REFNIC_ERR_MEMORY;
	ether_addr_copy(fn->mac, mac);
	fn->pairs = a[2];
	fn->bps = a[4];
	fn->active = active;
	fn->gen++;
	return REFNIC_OK;
}

/**
 * refhw_func_set_mac() - the address of a device
 * @hw: the device
 * @mac: address
 *
 * Return: code. Who could choose an address could take the frames that are for
 * it: that of a function is its device's to choose, and no function's.
 */
enum refnic_code refhw_func_set_mac(struct refhw *hw, const u8 *mac)
{
	enum refnic_code code = REFNIC_OK;

	if (hw->fn)
		return ether_addr_equal(hw->mac, mac) ? REFNIC_OK :
							REFNIC_ERR_PERM;
	mutex_lock(&hw->port->fn_lock);
	if (refhw_func_mac_used(hw->port, mac, NULL))
		code = REFNIC_ERR_ADDR;
	else
		ether_addr_copy(hw->mac, mac);
	mutex_unlock(&hw->port->fn_lock);
	return code;
}

/**
 * refhw_func_command() - the commands of functions
 * @hw: the device; no function
 * @a: arguments
 * @set: the function is to be something, and not to go
 *
 * Return: code.
 */
enum refnic_code refhw_func_command(struct refhw *hw, const u64 *a, bool set)
{
	struct refhw_port *port = hw->port;
	enum refnic_code code = REFNIC_OK;
	struct refhw_fn *fn;

	if (!(hw->feat & REFNIC_F_FUNCTIONS))
		return REFNIC_ERR_OP;
	if (!a[0] || a[0] > REFHW_FUNCTIONS)
		return REFNIC_ERR_ARG;
	fn = &port->fns[a[0] - 1];
	mutex_lock(&port->fn_lock);
	if (set)
		code = refhw_func_set(hw, fn, a);
	else
		fn->active = false;
	mutex_unlock(&port->fn_lock);
	schedule_work(&port->fn_work);
	return code;
}

/* Which functions are there, as the register says. */
u32 refhw_func_reg(const struct refhw_port *port)
{
	u32 i, up = 0;

	for (i = 0; i < REFHW_FUNCTIONS; i++)
		if (rcu_access_pointer(port->fns[i].hw))
			up |= BIT(i);
	return up;
}

/* The device goes, and its functions with it; under refhw_lock. */
void refhw_func_off(struct refhw_port *port)
{
	struct refhw *hw;
	u32 i;

	for (i = 0; i < REFHW_FUNCTIONS; i++) {
		mutex_lock(&port->fn_lock);
		port->fns[i].active = false;
		mutex_unlock(&port->fn_lock);
		hw = refhw_func_hw(&port->fns[i]);
		if (hw)
			refhw_destroy(hw);
	}
}

/* An event that is every function's, too; under refhw_lock. */
void refhw_func_event(struct refhw_port *port, u32 event)
{
	struct refhw *hw;
	u32 i;

	for (i = 0; i < REFHW_FUNCTIONS; i++) {
		hw = srcu_dereference_check(port->fns[i].hw, &refhw_srcu,
					    lockdep_is_held(&refhw_lock));
		if (hw)
			refhw_event(hw, event);
	}
}

void refhw_func_init(struct refhw_port *port)
{
	mutex_init(&port->fn_lock);
	INIT_WORK(&port->fn_work, refhw_func_work);
}

/* The port has no device any more; not under refhw_lock. */
void refhw_func_exit(struct refhw_port *port)
{
	cancel_work_sync(&port->fn_work);
}
