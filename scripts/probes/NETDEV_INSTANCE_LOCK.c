// SPDX-License-Identifier: GPL-2.0
/* The per-device instance lock, taken by the stack around driver callbacks */
#include <net/netdev_lock.h>

void probe(struct net_device *dev)
{
	netdev_lock_ops(dev);
	netdev_unlock_ops(dev);
}
