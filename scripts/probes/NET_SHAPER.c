// SPDX-License-Identifier: GPL-2.0
/* Shapers: limits of queues, groups of queues, and the device */
#include <linux/netdevice.h>
#include <net/net_shaper.h>

void probe(struct net_device_ops *ndo, const struct net_shaper_ops *ops)
{
	ndo->net_shaper_ops = ops;
}
