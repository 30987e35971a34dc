// SPDX-License-Identifier: GPL-2.0
/* CETH core: which frames the device delivers: own address, receive filter,
 * VLANs.
 *
 * The device takes a filter in process context. Kernels that set it in atomic
 * context only have a work item of ours in between.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/slab.h>

#include "core.h"

/* Copy of one of the device's address lists; the list's lock is held. */
static u32 ceth_copy_list(u8 (*to)[ETH_ALEN],
			  const struct netdev_hw_addr_list *list, u32 max)
{
	struct netdev_hw_addr *ha;
	u32 n = 0;

	netdev_hw_addr_list_for_each(ha, list) {
		if (n == max)
			break;
		ether_addr_copy(to[n++], ha->addr);
	}
	return n;
}

/**
 * ceth_mode_apply() - give the device the filter that the stack wants
 * @cdev: the device; under the configuration lock
 *
 * Return: 0, also while the device does not run; or a negative errno.
 */
int ceth_mode_apply(struct ceth_dev *cdev)
{
	struct net_device *dev = cdev->netdev;
	u32 n_uc, n_mc, room = cdev->caps.max_filters;
	struct ceth_rx_mode mode = {};
	u8 (*buf)[ETH_ALEN];
	int err;

	if (!cdev->running || !ceth_has(cdev, CETH_CAP_RX_MODE))
		return 0;

	/* The lists may grow before the lock is taken: then another call of
	 * the stack is on its way.
	 */
	n_uc = netdev_uc_count(dev);
	n_mc = netdev_mc_count(dev);
	buf = kvcalloc(min(n_uc + n_mc, room) + 1, sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	netif_addr_lock_bh(dev);
	mode.n_uc = ceth_copy_list(buf, &dev->uc, min(n_uc, room));
	room -= mode.n_uc;
	mode.n_mc = ceth_copy_list(buf + mode.n_uc, &dev->mc, min(n_mc, room));
	/* Addresses without room widen the filter. */
	mode.promisc = dev->flags & IFF_PROMISC ||
		       mode.n_uc < netdev_uc_count(dev);
	mode.allmulti = dev->flags & IFF_ALLMULTI ||
			mode.n_mc < netdev_mc_count(dev);
	netif_addr_unlock_bh(dev);
	mode.uc = buf;
	mode.mc = buf + mode.n_uc;

	err = cdev->ops->set_rx_mode(cdev->priv, &mode);
	kvfree(buf);
	return err;
}

/**
 * ceth_rx_max_apply() - tell the device the longest frame
 * @cdev: the device; under the configuration lock
 * @mtu: that frames may have
 *
 * Return: 0, also while the device does not run; or a negative errno.
 */
int ceth_rx_max_apply(struct ceth_dev *cdev, u32 mtu)
{
	if (!cdev->running || !cdev->ops->set_rx_max)
		return 0;
	return cdev->ops->set_rx_max(cdev->priv,
				     mtu + ETH_HLEN + 2 * VLAN_HLEN);
}

void ceth_mode_work(struct work_struct *work)
{
	struct ceth_dev *cdev = container_of(work, struct ceth_dev, mode_work);
	int err;

	ceth_lock(cdev);
	err = ceth_mode_apply(cdev) ?: ceth_vlan_apply(cdev);
	if (err && cdev->running && !cdev->unsettled) {
		cdev->unsettled = true;
		ceth_retry(cdev, err);
	}
	ceth_unlock(cdev);
	if (err && !cdev->gone)
		netdev_warn(cdev->netdev, "cannot set the receive filter: %pe\n",
			    ERR_PTR(err));
}

static int ceth_set_mac(struct net_device *dev, void *addr)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	const struct sockaddr *sa = addr;
	int err;

	err = eth_prepare_mac_addr_change(dev, addr);
	if (err)
		return err;
	if (ceth_func_has_addr(cdev, (const u8 *)sa->sa_data)) {
		netdev_err(dev, "that address is a function's: see devlink port show\n");
		return -EADDRINUSE;
	}
	if (cdev->running) {
		err = cdev->ops->set_mac(cdev->priv, (const u8 *)sa->sa_data);
		if (err)
			return err;
	}
	eth_commit_mac_addr_change(dev, addr);
	return 0;
}

/**
 * ceth_vlan_apply() - bring the device's VLANs in line with those wanted
 * @cdev: the device; under the configuration lock
 *
 * Return: 0, or the last error: those VLANs are tried again with the next
 * change.
 */
int ceth_vlan_apply(struct ceth_dev *cdev)
{
	const struct ceth_ops *ops = cdev->ops;
	int err, ret = 0;
	u16 vid;

	if (!cdev->running || !(cdev->caps.features & CETH_F_VLAN_FILTER))
		return 0;
	for (vid = 0; vid < VLAN_N_VID; vid++) {
		bool want = test_bit(vid, cdev->vlans);

		if (want == test_bit(vid, cdev->vlans_set))
			continue;
		err = ops->set_vlan(cdev->priv, vid, want);
		if (err)
			ret = err;
		else
			__change_bit(vid, cdev->vlans_set);
	}
	return ret;
}

/* Where there is an instance lock, some callers hold it and some do not, and
 * nothing tells which: only the work item can talk to the device.
 */
static int ceth_vlan_change(struct ceth_dev *cdev)
{
#ifdef CETH_HAVE_NETDEV_INSTANCE_LOCK
	queue_work(cdev->wq, &cdev->mode_work);
	return 0;
#else
	return ceth_vlan_apply(cdev);
#endif
}

static int ceth_vlan_add(struct net_device *dev, __be16 proto, u16 vid)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	int err;

	set_bit(vid, cdev->vlans);
	err = ceth_vlan_change(cdev);
	if (err)
		clear_bit(vid, cdev->vlans);
	return err;
}

static int ceth_vlan_del(struct net_device *dev, __be16 proto, u16 vid)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	clear_bit(vid, cdev->vlans);
	return ceth_vlan_change(cdev);
}

#ifdef CETH_HAVE_SET_RX_MODE_ASYNC
static int ceth_set_rx_mode(struct net_device *dev,
			    struct netdev_hw_addr_list *uc,
			    struct netdev_hw_addr_list *mc)
{
	return ceth_mode_apply(netdev_priv(dev));
}
#else
static void ceth_set_rx_mode(struct net_device *dev)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	queue_work(cdev->wq, &cdev->mode_work);
}
#endif

/**
 * ceth_mode_ops_init() - operations of this file
 * @cdev: the device; not yet registered
 */
void ceth_mode_ops_init(struct ceth_dev *cdev)
{
	struct net_device_ops *ndo = &cdev->ndo;

	if (ceth_has(cdev, CETH_CAP_RX_MODE)) {
#ifdef CETH_HAVE_SET_RX_MODE_ASYNC
		ndo->ndo_set_rx_mode_async = ceth_set_rx_mode;
#else
		ndo->ndo_set_rx_mode = ceth_set_rx_mode;
#endif
	}
	if (ceth_has(cdev, CETH_CAP_SET_MAC))
		ndo->ndo_set_mac_address = ceth_set_mac;
	if (cdev->caps.features & CETH_F_VLAN_FILTER) {
		ndo->ndo_vlan_rx_add_vid = ceth_vlan_add;
		ndo->ndo_vlan_rx_kill_vid = ceth_vlan_del;
	}
}
