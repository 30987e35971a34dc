// SPDX-License-Identifier: GPL-2.0
/* what is sent may lie in memory that nobody can read (7.0) */
#include <linux/netdevice.h>

void probe(struct net_device *dev)
{
	dev->netmem_tx = NETMEM_TX_DMA;
}
