// SPDX-License-Identifier: GPL-2.0
/* the fields of a flow's hash by an operation of its own: added inside the 6.12.y series too */
#include <linux/ethtool.h>

void probe(struct ethtool_ops *ops,
	   int (*get)(struct net_device *, struct ethtool_rxfh_fields *))
{
	ops->get_rxfh_fields = get;
}
