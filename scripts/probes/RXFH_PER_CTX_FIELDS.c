// SPDX-License-Identifier: GPL-2.0
/* fields of a flow's hash by context: added inside the 6.12.y series too */
#include <linux/ethtool.h>

void probe(struct ethtool_ops *ops)
{
	ops->rxfh_per_ctx_fields = true;
}
