// SPDX-License-Identifier: GPL-2.0
/* CETH core: limits of what is sent: tx_maxrate, and net_shaper where the
 * kernel has it.
 *
 * What is wanted is in the pairs and in ceth_dev.nodes, whoever has said it,
 * and goes to the device from there whenever a queue starts. A queue is
 * limited in one of the two ways, not in both.
 */
#include <linux/slab.h>

#include "core.h"

/* The device's limit becomes @s. What the device cannot do is not asked for. */
static int ceth_shaper_tell(struct ceth_dev *cdev, struct ceth_txq *txq,
			    const struct ceth_shaper *s)
{
	return cdev->ops->set_shaper(cdev->priv, txq ? txq->priv : NULL, s);
}

static int ceth_shaper_queue(struct ceth_pair *pair,
			     const struct ceth_shaper *s)
{
	int err = 0;

	if (pair->cdev->running && pair->txq_done)
		err = ceth_shaper_tell(pair->cdev, pair->txq_done, s);
	if (!err)
		pair->shaper = *s;
	return err;
}

static int ceth_set_tx_maxrate(struct net_device *dev, int queue, u32 mbps)
{
	struct ceth_shaper s = { .bps = mbps * 1000000ULL };
	struct ceth_dev *cdev = netdev_priv(dev);
	struct ceth_pair *pair = &cdev->pairs[queue];

	if (pair->shaped) {
		netdev_warn(dev, "queue %d: tx_maxrate: there is a shaper\n",
			    queue);
		return -EBUSY;
	}
	return ceth_shaper_queue(pair, &s);
}

/**
 * ceth_shaper_apply_queue() - limit a queue that has just started
 * @pair: the pair
 * @txq: the queue
 *
 * Return: 0 or the device's errno.
 */
int ceth_shaper_apply_queue(struct ceth_pair *pair, struct ceth_txq *txq)
{
	const struct ceth_shaper *s = &pair->shaper;

	return s->bps || s->node ? ceth_shaper_tell(pair->cdev, txq, s) : 0;
}

/**
 * ceth_shaper_apply() - limits of what queues share, after a reset
 * @cdev: the device; under the configuration lock
 *
 * Return: 0 or the device's errno.
 */
int ceth_shaper_apply(struct ceth_dev *cdev)
{
	int err = 0;
	u32 i;

	for (i = 0; cdev->nodes && i <= cdev->caps.max_nodes && !err; i++)
		if (cdev->nodes[i].shaper.bps)
			err = ceth_shaper_tell(cdev, NULL,
					       &cdev->nodes[i].shaper);
	return err;
}

/**
 * ceth_shaper_shrink() - queues go away, and what the kernel knew of them
 * @cdev: the device; under the configuration lock
 * @n_pairs: those that are left
 *
 * What tx_maxrate says stays.
 */
void ceth_shaper_shrink(struct ceth_dev *cdev, u16 n_pairs)
{
	u32 i;

	for (i = n_pairs; i < cdev->caps.max_pairs; i++) {
		struct ceth_pair *pair = &cdev->pairs[i];

		if (!pair->shaped)
			continue;
		pair->shaped = false;
		memset(&pair->shaper, 0, sizeof(pair->shaper));
	}
}

/**
 * ceth_shaper_slow() - may a queue without fault send nothing for long?
 * @pair: the pair
 *
 * Return: its limit makes what a full ring waits for take longer than the
 * watchdog's patience.
 */
bool ceth_shaper_slow(const struct ceth_pair *pair)
{
	const struct ceth_dev *cdev = pair->cdev;
	const struct net_device *dev = cdev->netdev;
	u64 bits, bps = U64_MAX, limit;

	bits = max(cdev->caps.tx_max_size,
		   cdev->cfg.tx_size / 4 * (dev->mtu + ETH_HLEN)) * 8ULL;
	limit = READ_ONCE(pair->shaper.bps);
	if (limit)
		bps = limit;
	if (cdev->nodes) {
		limit = READ_ONCE(cdev->nodes[pair->shaper.node].shaper.bps);
		if (limit)
			bps = min(bps, limit);
		limit = READ_ONCE(cdev->nodes[0].shaper.bps);
		if (limit)
			bps = min(bps, limit);
	}
	return bps < div_u64(bits, dev->watchdog_timeo / HZ);
}

/**
 * ceth_shaper_alloc() - once, when the device is made
 * @cdev: the device
 *
 * Return: 0 or a negative errno.
 */
int ceth_shaper_alloc(struct ceth_dev *cdev)
{
	u32 i;

	if (!ceth_has(cdev, CETH_CAP_SHAPER))
		return 0;
	cdev->nodes = kvcalloc(cdev->caps.max_nodes + 1, sizeof(*cdev->nodes),
			       GFP_KERNEL);
	if (!cdev->nodes)
		return -ENOMEM;
	for (i = 0; i <= cdev->caps.max_nodes; i++)
		cdev->nodes[i].shaper.node = i;
	return 0;
}

#ifdef CETH_HAVE_NET_SHAPER
/* What the kernel knows of a shaper, and of its parent, as the device's limit */
static int ceth_shaper_from(const struct ceth_dev *cdev,
			    const struct net_shaper *shaper, u16 node,
			    struct ceth_shaper *s,
			    struct netlink_ext_ack *extack)
{
	*s = (struct ceth_shaper){
		.bps = shaper->bw_max, .burst = shaper->burst, .node = node,
	};
	if (shaper->burst > U32_MAX) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "burst: at most %u bytes",
				       U32_MAX);
		return -ERANGE;
	}
	if (s->bps && s->bps < 1000) {
		NL_SET_ERR_MSG_MOD(extack, "bw-max: at least 1000 bit/s");
		return -ERANGE;
	}
	if (!ceth_has(cdev, CETH_CAP_SHAPER) && s->bps % 1000000) {
		NL_SET_ERR_MSG_MOD(extack, "bw-max: whole Mbit/s only");
		return -ERANGE;
	}
	return 0;
}

/* The device's node that the kernel has given an id to; 0: the port */
static int ceth_shaper_node(const struct ceth_dev *cdev,
			    const struct net_shaper_handle *handle)
{
	u32 i;

	if (handle->scope != NET_SHAPER_SCOPE_NODE)
		return 0;
	for (i = 1; i <= cdev->caps.max_nodes; i++)
		if (cdev->nodes[i].used && cdev->nodes[i].id == handle->id)
			return i;
	return -ENOENT;
}

static int ceth_shaper_node_new(struct ceth_dev *cdev,
				const struct net_shaper_handle *handle,
				struct netlink_ext_ack *extack)
{
	int i = ceth_shaper_node(cdev, handle);

	if (i != -ENOENT)
		return i;
	for (i = 1; i <= cdev->caps.max_nodes; i++)
		if (!cdev->nodes[i].used)
			return i;
	NL_SET_ERR_MSG_FMT_MOD(extack, "the device has %u nodes, all in use",
			       cdev->caps.max_nodes);
	return -ENOSPC;
}

static int ceth_shaper_shared(struct ceth_dev *cdev,
			      const struct ceth_shaper *s)
{
	int err = 0;

	if (cdev->running)
		err = ceth_shaper_tell(cdev, NULL, s);
	if (!err)
		cdev->nodes[s->node].shaper = *s;
	return err;
}

static int ceth_shaper_leaf(struct ceth_dev *cdev,
			    const struct net_shaper *shaper, u16 node,
			    struct netlink_ext_ack *extack)
{
	struct ceth_pair *pair = &cdev->pairs[shaper->handle.id];
	struct ceth_shaper s;
	int err;

	if (!pair->shaped && pair->shaper.bps) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "queue %u has a tx_maxrate: set that to 0 first",
				       shaper->handle.id);
		return -EBUSY;
	}
	err = ceth_shaper_from(cdev, shaper, node, &s, extack);
	if (err)
		return err;
	err = ceth_shaper_queue(pair, &s);
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "the device refused it");
	else
		pair->shaped = true;
	return err;
}

static int ceth_shaper_set(struct net_shaper_binding *binding,
			   const struct net_shaper *shaper,
			   struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(binding->netdev);
	struct ceth_shaper s;
	int node, err;

	if (shaper->handle.scope == NET_SHAPER_SCOPE_QUEUE) {
		node = ceth_shaper_node(cdev, &shaper->parent);
		return node < 0 ? node :
		       ceth_shaper_leaf(cdev, shaper, node, extack);
	}
	node = ceth_shaper_node(cdev, &shaper->handle);
	if (node < 0)
		return node;
	err = ceth_shaper_from(cdev, shaper, node, &s, extack);
	if (err)
		return err;
	err = ceth_shaper_shared(cdev, &s);
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "the device refused it");
	return err;
}

static int ceth_shaper_delete(struct net_shaper_binding *binding,
			      const struct net_shaper_handle *handle,
			      struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(binding->netdev);
	struct ceth_shaper s = {};
	int node, err;

	if (handle->scope == NET_SHAPER_SCOPE_QUEUE) {
		err = ceth_shaper_queue(&cdev->pairs[handle->id], &s);
		if (!err)
			cdev->pairs[handle->id].shaped = false;
	} else {
		node = ceth_shaper_node(cdev, handle);
		if (node < 0)
			return node;
		s.node = node;
		err = ceth_shaper_shared(cdev, &s);
		if (!err)
			cdev->nodes[node].used = false;
	}
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "the device refused it");
	return err;
}

/* All of it, or nothing: what was changed before the refusal is put back. */
static int ceth_shaper_group(struct net_shaper_binding *binding, int n,
			     const struct net_shaper *leaves,
			     const struct net_shaper *node,
			     struct netlink_ext_ack *extack)
{
	struct ceth_dev *cdev = netdev_priv(binding->netdev);
	struct ceth_shaper s, was;
	struct ceth_pair *old;
	int i, to, err;

	to = ceth_shaper_node_new(cdev, &node->handle, extack);
	if (to < 0)
		return to;
	err = ceth_shaper_from(cdev, node, to, &s, extack);
	if (err)
		return err;
	old = kvcalloc(n, sizeof(*old), GFP_KERNEL);
	if (!old)
		return -ENOMEM;
	was = cdev->nodes[to].shaper;
	err = ceth_shaper_shared(cdev, &s);
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "the device refused it");
	for (i = 0; i < n && !err; i++) {
		const struct ceth_pair *pair = &cdev->pairs[leaves[i].handle.id];

		old[i].shaper = pair->shaper;
		old[i].shaped = pair->shaped;
		err = ceth_shaper_leaf(cdev, &leaves[i], to, extack);
	}
	if (!err) {
		cdev->nodes[to].id = node->handle.id;
		cdev->nodes[to].used = true;
		goto out;
	}
	/* The last one has not been changed. */
	for (i--; i-- > 0;) {
		struct ceth_pair *pair = &cdev->pairs[leaves[i].handle.id];

		ceth_shaper_queue(pair, &old[i].shaper);
		pair->shaped = old[i].shaped;
	}
	ceth_shaper_shared(cdev, &was);
out:
	kvfree(old);
	return err;
}

static void ceth_shaper_caps(struct net_shaper_binding *binding,
			     enum net_shaper_scope scope, unsigned long *caps)
{
	const struct ceth_dev *cdev = netdev_priv(binding->netdev);

	if (!ceth_has(cdev, CETH_CAP_SHAPER)) {
		if (scope == NET_SHAPER_SCOPE_QUEUE)
			*caps = BIT(NET_SHAPER_A_CAPS_SUPPORT_METRIC_BPS) |
				BIT(NET_SHAPER_A_CAPS_SUPPORT_BW_MAX);
		return;
	}
	if (scope == NET_SHAPER_SCOPE_UNSPEC ||
	    (scope == NET_SHAPER_SCOPE_NODE && !cdev->caps.max_nodes))
		return;
	*caps = BIT(NET_SHAPER_A_CAPS_SUPPORT_METRIC_BPS) |
		BIT(NET_SHAPER_A_CAPS_SUPPORT_BW_MAX) |
		BIT(NET_SHAPER_A_CAPS_SUPPORT_BURST);
	if (scope == NET_SHAPER_SCOPE_QUEUE && cdev->caps.max_nodes)
		*caps |= BIT(NET_SHAPER_A_CAPS_SUPPORT_NESTING);
}

static const struct net_shaper_ops ceth_shaper_ops = {
	.group		= ceth_shaper_group,
	.set		= ceth_shaper_set,
	.delete		= ceth_shaper_delete,
	.capabilities	= ceth_shaper_caps,
};

static const struct net_shaper_ops ceth_shaper_flat_ops = {
	.set		= ceth_shaper_set,
	.delete		= ceth_shaper_delete,
	.capabilities	= ceth_shaper_caps,
};
#endif

/**
 * ceth_shaper_ops_init() - operations of this file
 * @cdev: the device; not yet registered
 */
void ceth_shaper_ops_init(struct ceth_dev *cdev)
{
	if (!ceth_has(cdev, CETH_CAP_TX_RATE | CETH_CAP_SHAPER))
		return;
	cdev->ndo.ndo_set_tx_maxrate = ceth_set_tx_maxrate;
#ifdef CETH_HAVE_NET_SHAPER
	cdev->ndo.net_shaper_ops = ceth_has(cdev, CETH_CAP_SHAPER) ?
				   &ceth_shaper_ops : &ceth_shaper_flat_ops;
#endif
}
