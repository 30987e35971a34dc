// SPDX-License-Identifier: GPL-2.0
/* kinds of symmetric hash as a set, not one bit: added inside the 6.12.y series too */
#include <linux/ethtool.h>

void probe(struct ethtool_ops *ops)
{
	ops->supported_input_xfrm = RXH_XFRM_SYM_XOR;
}
