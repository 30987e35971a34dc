// SPDX-License-Identifier: GPL-2.0
/* CETH core: the stack restarts single receive queues.
 *
 * netdev_queue_mgmt_ops are the steps of a queue's life (queue.c) in the hands of
 * the stack: it has a new queue made, the old one stopped, the new one started and
 * the old one freed; or the old one started again, when the device would not have
 * the new one. It does so for memory providers; and a queue of a device that can
 * do it may be leased to another net device. All operations run under the
 * configuration lock: newer kernels hold no rtnl here. A receive queue goes with
 * the transmit queue of its pair.
 *
 * What it says of a queue is where its memory comes from, and in which pieces: see
 * hds.c.
 */
#include <linux/log2.h>
#include <net/netdev_queues.h>

#include "core.h"

/**
 * struct ceth_queue_mem - what the stack keeps for us between the steps
 * @rxq: receive queue, in no pair
 * @txq: transmit queue that goes with it
 * @was: they were the pair's until now
 */
struct ceth_queue_mem {
	struct ceth_rxq *rxq;
	struct ceth_txq *txq;
	bool was;
};

static int ceth_mgmt_alloc(struct net_device *dev,
			   CETH_QCFG_ARG void *per_queue_mem, int idx)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_queue_mem *mem = per_queue_mem;
	const char *why = ceth_hds_refuses(cdev);

	/* Older kernels do not ask before. */
	if (why && ceth_hds_provided(cdev, idx)) {
		netdev_err(dev, "queue %d: %s\n", idx, why);
		return -EOPNOTSUPP;
	}
	return ceth_make_pair(cdev, &cdev->cfg, idx, &mem->rxq, &mem->txq);
}

static void ceth_mgmt_free(struct net_device *dev, void *per_queue_mem)
{
	struct ceth_queue_mem *mem = per_queue_mem;

	ceth_rxq_free(mem->rxq);
	ceth_txq_free(mem->txq);
}

static int ceth_mgmt_stop(struct net_device *dev, void *per_queue_mem, int idx)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_queue_mem *mem = per_queue_mem;

	/* It is being recovered; or down, which older kernels do not look at. */
	if (!cdev->running || !cdev->pairs[idx].rxq)
		return -ENETDOWN;
	ceth_take_pair(cdev, idx, &mem->rxq, &mem->txq);
	mem->was = true;
	return 0;
}

static int ceth_mgmt_start(struct net_device *dev,
			   CETH_QCFG_ARG void *per_queue_mem, int idx)
{
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_queue_mem *mem = per_queue_mem;
	int err;

	err = ceth_give_pair(cdev, idx, mem->rxq, mem->txq);
	if (!err || !mem->was)
		return err;
	/* The device would not even have the old ones. The stack has nothing left
	 * to do, but a restart of the device brings others.
	 */
	ceth_fault(cdev, CETH_FAULT_DEVICE, idx);
	ceth_mgmt_free(dev, mem);
	return 0;
}

#ifdef CETH_HAVE_QUEUE_CONFIG
static int ceth_mgmt_validate(struct net_device *dev,
			      struct netdev_queue_config *qcfg,
			      struct netlink_ext_ack *extack)
{
	const struct ceth_dev *cdev = netdev_priv(dev);
	const char *why = ceth_hds_refuses(cdev);

	if (!ceth_hds_provided_any(cdev))
		return 0;
	if (why) {
		NL_SET_ERR_MSG_FMT(extack, "%s", why);
		return -EOPNOTSUPP;
	}
	if (qcfg->rx_page_size && (!is_power_of_2(qcfg->rx_page_size) ||
				   qcfg->rx_page_size < PAGE_SIZE ||
				   qcfg->rx_page_size > CETH_HDS_BUF_MAX)) {
		NL_SET_ERR_MSG_FMT(extack, "rx_page_size: a power of two from %lu to %u",
				   PAGE_SIZE, CETH_HDS_BUF_MAX);
		return -ERANGE;
	}
	return 0;
}

static struct device *ceth_mgmt_dma_dev(struct net_device *dev, int idx)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	return cdev->dev;
}
#endif

static const struct netdev_queue_mgmt_ops ceth_queue_mgmt_ops = {
	.ndo_queue_mem_size	= sizeof(struct ceth_queue_mem),
	.ndo_queue_mem_alloc	= ceth_mgmt_alloc,
	.ndo_queue_mem_free	= ceth_mgmt_free,
	.ndo_queue_start	= ceth_mgmt_start,
	.ndo_queue_stop		= ceth_mgmt_stop,
#ifdef CETH_HAVE_QUEUE_CONFIG
	.supported_params	= QCFG_RX_PAGE_SIZE,
	.ndo_validate_qcfg	= ceth_mgmt_validate,
	.ndo_queue_get_dma_dev	= ceth_mgmt_dma_dev,
#endif
};

/**
 * ceth_qmgmt_init() - offer the stack to restart single queues
 * @cdev: the device; its net device is not registered
 *
 * Where the others would have to stop for it, it is not offered.
 */
void ceth_qmgmt_init(struct ceth_dev *cdev)
{
	if (ceth_has(cdev, CETH_CAP_QUEUE_RESTART))
		cdev->netdev->queue_mgmt_ops = &ceth_queue_mgmt_ops;
}
