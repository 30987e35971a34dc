// SPDX-License-Identifier: GPL-2.0
/* NAPI settings that survive the deletion of the NAPI instance */
#include <linux/netdevice.h>

void probe(struct net_device *dev, struct napi_struct *napi,
	   int (*poll)(struct napi_struct *, int))
{
	netif_napi_add_config(dev, napi, poll, 0);
}
