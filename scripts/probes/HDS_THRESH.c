// SPDX-License-Identifier: GPL-2.0
/* the split of headers and data has a threshold (6.14) */
#include <linux/ethtool.h>

int probe(const struct kernel_ethtool_ringparam *ring)
{
	return ring->hds_thresh & ETHTOOL_RING_USE_HDS_THRS;
}
