// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: configuration.
 *
 * /sys/kernel/config/refnic/<port>/, made by mkdir or, those that the module
 * makes by itself, there from the start. Settings of the device take effect
 * when it gets power.
 */
#include <linux/etherdevice.h>
#include <linux/hex.h>
#include <linux/module.h>
#include <linux/slab.h>

#include <net/ceth/compat.h>

#include "refhw.h"

static unsigned int ports = 2;
module_param(ports, uint, 0444);
MODULE_PARM_DESC(ports, "ports to begin with, each two of them wired to each other (2)");

static unsigned int queues = 4;
module_param(queues, uint, 0444);
MODULE_PARM_DESC(queues, "queue pairs of these (4)");

static LIST_HEAD(refhw_ports);
static unsigned int refhw_next;

static struct refhw_port *to_port(struct config_item *item)
{
	return container_of(to_config_group(item), struct refhw_port, group);
}

static struct refhw_port *refhw_find(const char *name)
{
	struct refhw_port *port;

	list_for_each_entry(port, &refhw_ports, list)
		if (sysfs_streq(port->name, name))
			return port;
	return NULL;
}

static struct refhw *refhw_powered(const struct refhw_port *port)
{
	return rcu_dereference_protected(port->hw,
					 lockdep_is_held(&refhw_lock));
}

static int refhw_power(struct refhw_port *port, bool on)
{
	struct refhw *hw = refhw_powered(port);

	if (on == !!hw)
		return 0;
	if (on) {
		hw = refhw_create(port, NULL, 0);
		if (IS_ERR(hw))
			return PTR_ERR(hw);
	} else {
		refhw_destroy(hw);
	}
	refhw_link_changed(port);
	return 0;
}

/* A number that can be changed at any time */
#define REFHW_NUMBER(_name, _field, _max)				\
static ssize_t refhw_##_name##_show(struct config_item *item, char *page) \
{									\
	const void *port = to_port(item);				\
	const u32 *val = port + offsetof(struct refhw_port, _field);	\
									\
	return sysfs_emit(page, "%u\n", READ_ONCE(*val));		\
}									\
static int refhw_##_name##_set(struct refhw_port *port, u32 val);	\
static ssize_t refhw_##_name##_store(struct config_item *item,		\
				     const char *page, size_t len)	\
{									\
	struct refhw_port *port = to_port(item);			\
	u32 val;							\
	int err;							\
									\
	err = kstrtou32(page, 0, &val);					\
	if (err)							\
		return err;						\
	if (val > (_max))						\
		return -ERANGE;						\
	mutex_lock(&refhw_lock);					\
	err = refhw_##_name##_set(port, val);				\
	mutex_unlock(&refhw_lock);					\
	return err ?: len;						\
}									\
CONFIGFS_ATTR(refhw_, _name);						\
static int refhw_##_name##_set(struct refhw_port *port, u32 val)

static int refhw_set_late(struct refhw_port *port, u32 *field, u32 val)
{
	int err = val ? refhw_wire_start(port) : 0;

	if (!err)
		WRITE_ONCE(*field, val);
	return err;
}

REFHW_NUMBER(latency_ns, wire.latency, 1000000000)
{
	return refhw_set_late(port, &port->wire.latency, val);
}

REFHW_NUMBER(rate_mbps, wire.rate, 400000)
{
	return refhw_set_late(port, &port->wire.rate, val);
}

REFHW_NUMBER(reorder_ppm, wire.reorder, 1000000)
{
	return refhw_set_late(port, &port->wire.reorder, val);
}

REFHW_NUMBER(loss_ppm, wire.loss, 1000000)
{
	WRITE_ONCE(port->wire.loss, val);
	return 0;
}

REFHW_NUMBER(mtu, mtu, REFHW_MTU)
{
	WRITE_ONCE(port->mtu, val);
	return 0;
}

REFHW_NUMBER(gro_usecs, gro_usecs, REFHW_GRO_USECS_MAX)
{
	WRITE_ONCE(port->gro_usecs, val);
	return 0;
}

REFHW_NUMBER(queues, pairs, REFHW_MAX_PAIRS)
{
	if (refhw_powered(port))
		return -EBUSY;
	if (!val)
		return -ERANGE;
	port->pairs = val;
	return 0;
}

REFHW_NUMBER(func_queues, fn_pairs, REFHW_FUNC_PAIRS_MAX)
{
	if (refhw_powered(port))
		return -EBUSY;
	port->fn_pairs = val;
	return 0;
}

REFHW_NUMBER(gen_size, gen.size, REFHW_MTU)
{
	WRITE_ONCE(port->gen.size, val);
	return 0;
}

REFHW_NUMBER(gen_flows, gen.flows, 60000)
{
	WRITE_ONCE(port->gen.flows, val);
	return 0;
}

static ssize_t refhw_gen_frames_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%llu\n", READ_ONCE(to_port(item)->gen.frames));
}

static ssize_t refhw_gen_frames_store(struct config_item *item,
				      const char *page, size_t len)
{
	struct refhw_port *port = to_port(item);
	u64 val;
	int err;

	err = kstrtou64(page, 0, &val);
	if (err)
		return err;
	mutex_lock(&refhw_lock);
	err = port->generator ? refhw_gen_start(port, val) : -ENOLINK;
	mutex_unlock(&refhw_lock);
	return err ?: len;
}
CONFIGFS_ATTR(refhw_, gen_frames);

static ssize_t refhw_sunk_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%lld\n",
			  atomic64_read(&to_port(item)->gen.sunk));
}
CONFIGFS_ATTR_RO(refhw_, sunk);

static ssize_t refhw_power_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n",
			  !!rcu_access_pointer(to_port(item)->hw));
}

static ssize_t refhw_power_store(struct config_item *item, const char *page,
				 size_t len)
{
	bool on;
	int err;

	err = kstrtobool(page, &on);
	if (err)
		return err;
	mutex_lock(&refhw_lock);
	err = refhw_power(to_port(item), on);
	mutex_unlock(&refhw_lock);
	return err ?: len;
}
CONFIGFS_ATTR(refhw_, power);

static ssize_t refhw_cable_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_port(item)->plugged));
}

static ssize_t refhw_cable_store(struct config_item *item, const char *page,
				 size_t len)
{
	struct refhw_port *port = to_port(item);
	bool on;
	int err;

	err = kstrtobool(page, &on);
	if (err)
		return err;
	mutex_lock(&refhw_lock);
	WRITE_ONCE(port->plugged, on);
	refhw_link_changed(port);
	mutex_unlock(&refhw_lock);
	return len;
}
CONFIGFS_ATTR(refhw_, cable);

static ssize_t refhw_caps_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%#llx\n", to_port(item)->caps);
}

/* Hardware of another revision */
static ssize_t refhw_caps_store(struct config_item *item, const char *page,
				size_t len)
{
	struct refhw_port *port = to_port(item);
	u64 val;
	int err;

	err = kstrtou64(page, 0, &val);
	if (err)
		return err;
	mutex_lock(&refhw_lock);
	if (refhw_powered(port))
		err = -EBUSY;
	else
		port->caps = val;
	mutex_unlock(&refhw_lock);
	return err ?: len;
}
CONFIGFS_ATTR(refhw_, caps);

static ssize_t refhw_mac_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%pM\n", to_port(item)->mac);
}

static ssize_t refhw_mac_store(struct config_item *item, const char *page,
			       size_t len)
{
	struct refhw_port *port = to_port(item);
	u8 mac[ETH_ALEN];
	int err = 0;

	if (!mac_pton(page, mac) || !is_valid_ether_addr(mac))
		return -EINVAL;
	mutex_lock(&refhw_lock);
	if (refhw_powered(port))
		err = -EBUSY;
	else
		ether_addr_copy(port->mac, mac);
	mutex_unlock(&refhw_lock);
	return err ?: len;
}
CONFIGFS_ATTR(refhw_, mac);

#define REFHW_GENERATOR	"generator"

static ssize_t refhw_peer_show(struct config_item *item, char *page)
{
	struct refhw_port *port = to_port(item), *peer;
	ssize_t len;

	mutex_lock(&refhw_lock);
	peer = rcu_dereference_protected(port->peer,
					 lockdep_is_held(&refhw_lock));
	len = sysfs_emit(page, "%s\n", port->generator ? REFHW_GENERATOR :
			 peer ? peer->name : "");
	mutex_unlock(&refhw_lock);
	return len;
}

static int refhw_peer_set(struct refhw_port *port, const char *name)
{
	bool generator = sysfs_streq(name, REFHW_GENERATOR);
	struct refhw_port *peer = refhw_find(name);

	if (!peer && !generator && !sysfs_streq(name, ""))
		return -ENODEV;
	if (peer == port)
		return -EINVAL;
	refhw_gen_stop(port);
	refhw_netwire_cut(port);
	port->generator = generator;
	refhw_wire_cut(port);
	if (peer) {
		refhw_gen_stop(peer);
		refhw_netwire_cut(peer);
		peer->generator = false;
		refhw_wire_cut(peer);
		refhw_wire_join(port, peer);
	}
	refhw_link_changed(port);
	return 0;
}

static ssize_t refhw_peer_store(struct config_item *item, const char *page,
				size_t len)
{
	int err;

	mutex_lock(&refhw_lock);
	err = refhw_peer_set(to_port(item), page);
	mutex_unlock(&refhw_lock);
	return err ?: len;
}
CONFIGFS_ATTR(refhw_, peer);

static ssize_t refhw_netdev_show(struct config_item *item, char *page)
{
	ssize_t len;

	mutex_lock(&refhw_lock);
	len = refhw_netwire_name(to_port(item), page);
	mutex_unlock(&refhw_lock);
	return len;
}

/* Only when it is known that there is such a device, the wire that there was is
 * cut: the name is looked up first, and the device taken.
 */
static int refhw_netdev_set(struct refhw_port *port, const char *name)
{
	int err;

	if (!*name) {
		refhw_netwire_cut(port);
		refhw_link_changed(port);
		return 0;
	}
	err = refhw_netwire_join(port, name);
	if (err)
		return err;
	refhw_gen_stop(port);
	port->generator = false;
	refhw_wire_cut(port);
	refhw_link_changed(port);
	return 0;
}

static ssize_t refhw_netdev_store(struct config_item *item, const char *page,
				  size_t len)
{
	char name[IFNAMSIZ + 1];
	int err;

	/* With the newline */
	if (len >= sizeof(name))
		return -EINVAL;
	strscpy(name, page, sizeof(name));
	mutex_lock(&refhw_lock);
	err = refhw_netdev_set(to_port(item), strim(name));
	mutex_unlock(&refhw_lock);
	return err ?: len;
}
CONFIGFS_ATTR(refhw_, netdev);

static ssize_t refhw_lost_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%lld\n",
			  atomic64_read(&to_port(item)->wire.lost));
}
CONFIGFS_ATTR_RO(refhw_, lost);

static struct configfs_attribute *refhw_attrs[] = {
	&refhw_attr_power,
	&refhw_attr_queues,
	&refhw_attr_func_queues,
	&refhw_attr_caps,
	&refhw_attr_mac,
	&refhw_attr_peer,
	&refhw_attr_netdev,
	&refhw_attr_cable,
	&refhw_attr_mtu,
	&refhw_attr_gro_usecs,
	&refhw_attr_latency_ns,
	&refhw_attr_rate_mbps,
	&refhw_attr_loss_ppm,
	&refhw_attr_reorder_ppm,
	&refhw_attr_lost,
	&refhw_attr_gen_size,
	&refhw_attr_gen_flows,
	&refhw_attr_gen_frames,
	&refhw_attr_sunk,
	NULL
};

static void refhw_port_remove(struct refhw_port *port)
{
	refhw_fault_del(port);
	mutex_lock(&refhw_lock);
	refhw_power(port, false);
	refhw_gen_stop(port);
	refhw_netwire_cut(port);
	refhw_wire_cut(port);
	list_del(&port->list);
	mutex_unlock(&refhw_lock);
	refhw_func_exit(port);
	refhw_wire_exit(port);
}

static void refhw_port_release(struct config_item *item)
{
	kfree(to_port(item));
}

static struct configfs_item_operations refhw_item_ops = {
	.release	= refhw_port_release,
};

static const struct config_item_type refhw_port_type = {
	.ct_item_ops	= &refhw_item_ops,
	.ct_attrs	= refhw_attrs,
	.ct_owner	= THIS_MODULE,
};

static struct refhw_port *refhw_port_make(const char *name, u32 pairs)
{
	struct refhw_port *port;

	port = kzalloc_obj(*port);
	if (!port)
		return ERR_PTR(-ENOMEM);
	strscpy(port->name, name, sizeof(port->name));
	port->pairs = clamp(pairs, 1U, (u32)REFHW_MAX_PAIRS);
	port->fn_pairs = REFHW_FUNC_PAIRS;
	port->caps = REFHW_CAPS;
	port->mtu = REFHW_MTU;
	port->gro_usecs = REFHW_GRO_USECS;
	port->plugged = true;
	port->gen.size = 60;
	port->gen.flows = 16;
	refhw_wire_init(port);
	refhw_func_init(port);
	config_group_init_type_name(&port->group, name, &refhw_port_type);

	mutex_lock(&refhw_lock);
	/* Local, in the company of no manufacturer: "R", "E", "F" */
	port->mac[0] = 0x52;
	port->mac[1] = 0x45;
	port->mac[2] = 0x46;
	port->mac[4] = refhw_next >> 8;
	port->mac[5] = refhw_next++;
	list_add_tail(&port->list, &refhw_ports);
	mutex_unlock(&refhw_lock);
	refhw_fault_add(port);
	return port;
}

static struct config_group *refhw_make_group(struct config_group *group,
					     const char *name)
{
	struct refhw_port *port;

	if (strlen(name) >= sizeof(port->name) - 8 || strchr(name, '/') ||
	    !strcmp(name, REFHW_GENERATOR))
		return ERR_PTR(-EINVAL);
	port = refhw_port_make(name, queues);
	return IS_ERR(port) ? ERR_CAST(port) : &port->group;
}

static void refhw_drop_item(struct config_group *group,
			    struct config_item *item)
{
	refhw_port_remove(to_port(item));
	config_item_put(item);
}

static struct configfs_group_operations refhw_group_ops = {
	.make_group	= refhw_make_group,
	.drop_item	= refhw_drop_item,
};

static const struct config_item_type refhw_subsys_type = {
	.ct_group_ops	= &refhw_group_ops,
	.ct_owner	= THIS_MODULE,
};

static struct configfs_subsystem refhw_subsys = {
	.su_group.cg_item = {
		.ci_namebuf	= "refnic",
		.ci_type	= &refhw_subsys_type,
	},
};

/* Two by two, with power: a driver finds them. */
static int refhw_boot_ports(void)
{
	struct refhw_port *port, *last = NULL;
	char name[20];
	unsigned int i;
	int err;

	for (i = 0; i < ports; i++) {
		snprintf(name, sizeof(name), "refnic%u", i);
		port = refhw_port_make(name, queues);
		if (IS_ERR(port))
			return PTR_ERR(port);
		port->boot = true;
		err = configfs_register_group(&refhw_subsys.su_group,
					      &port->group);
		if (err) {
			refhw_port_remove(port);
			config_group_put(&port->group);
			return err;
		}
		mutex_lock(&refhw_lock);
		if (i & 1)
			refhw_wire_join(last, port);
		err = refhw_power(port, true);
		mutex_unlock(&refhw_lock);
		if (err)
			return err;
		last = port;
	}
	return 0;
}

static void refhw_remove_boot_ports(void)
{
	struct refhw_port *port, *next;

	list_for_each_entry_safe(port, next, &refhw_ports, list) {
		if (!port->boot)
			continue;
		configfs_unregister_group(&port->group);
		refhw_port_remove(port);
		config_group_put(&port->group);
	}
}

static int __init refhw_init(void)
{
	int err;

	err = refhw_gro_start();
	if (err)
		return err;
	err = refhw_bus_register();
	if (err)
		goto err_gro;
	err = refhw_netwire_init();
	if (err)
		goto err_netwire;
	refhw_fault_init();
	config_group_init(&refhw_subsys.su_group);
	mutex_init(&refhw_subsys.su_mutex);
	err = configfs_register_subsystem(&refhw_subsys);
	if (err)
		goto err_bus;
	err = refhw_boot_ports();
	if (!err)
		return 0;
	refhw_remove_boot_ports();
	configfs_unregister_subsystem(&refhw_subsys);
err_bus:
	refhw_fault_exit();
	refhw_netwire_exit();
err_netwire:
	refhw_bus_unregister();
err_gro:
	refhw_gro_end();
	return err;
}
module_init(refhw_init);

/* Ports of the user's keep the module. */
static void __exit refhw_exit(void)
{
	refhw_remove_boot_ports();
	configfs_unregister_subsystem(&refhw_subsys);
	refhw_netwire_exit();
	refhw_fault_exit();
	refhw_bus_unregister();
	refhw_gro_end();
	rcu_barrier();
}
module_exit(refhw_exit);

MODULE_DESCRIPTION("CETH reference NIC: the device");
MODULE_LICENSE("GPL");
