// SPDX-License-Identifier: GPL-2.0
/* operations on queues are told the queue's configuration */
#include <net/netdev_queues.h>

static int probe_validate(struct net_device *dev,
			  struct netdev_queue_config *qcfg,
			  struct netlink_ext_ack *extack)
{
	return netif_rxq_has_unreadable_mp(dev, 0) ? -EOPNOTSUPP : 0;
}

void probe(struct netdev_queue_mgmt_ops *ops)
{
	ops->ndo_validate_qcfg = probe_validate;
}
