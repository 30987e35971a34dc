// SPDX-License-Identifier: GPL-2.0
/* the number of receive rings by an operation of its own */
#include <linux/ethtool.h>

void probe(struct ethtool_ops *ops, u32 (*rings)(struct net_device *))
{
	ops->get_rx_ring_count = rings;
}
