// SPDX-License-Identifier: GPL-2.0
/* ndo_set_rx_mode_async(), in process context */
#include <linux/netdevice.h>

void probe(struct net_device_ops *ops,
	   int (*fn)(struct net_device *, struct netdev_hw_addr_list *,
		     struct netdev_hw_addr_list *));
void probe(struct net_device_ops *ops,
	   int (*fn)(struct net_device *, struct netdev_hw_addr_list *,
		     struct netdev_hw_addr_list *))
{
	ops->ndo_set_rx_mode_async = fn;
}
