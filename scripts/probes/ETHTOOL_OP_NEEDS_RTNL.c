// SPDX-License-Identifier: GPL-2.0
/* ethtool without rtnl for devices with an instance lock */
#include <linux/ethtool.h>

void probe(struct ethtool_ops *ops)
{
	ops->op_needs_rtnl = ETHTOOL_OP_NEEDS_RTNL_SCHANNELS;
}
