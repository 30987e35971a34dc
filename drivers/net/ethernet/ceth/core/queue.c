// SPDX-License-Identifier: GPL-2.0
/* CETH core: life of one queue and of one pair of them.
 *
 * alloc -> start -> stop -> free is the only way that a queue goes, and the
 * sequences of config.c the only places that send it there:
 *
 *	alloc	memory, buffers; nothing that the device or a packet can see
 *	start	the device has the ring, NAPI polls it, senders find it
 *	stop	no new packet; what is in flight completes; the device lets go
 *	free	what did not complete is thrown away and counted
 *
 * A pair starts and stops its two queues together, since XDP_TX sends buffers
 * of the one on the other.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <net/page_pool/helpers.h>
#include <net/xdp_sock_drv.h>

#include "core.h"

/* How long packets in flight may take to complete when a queue stops. */
#define CETH_DRAIN_US	100000

static size_t ceth_ring_len(const struct ceth_dev *cdev,
			    const struct ceth_ring_conf *conf)
{
	return ceth_verify_room(cdev, conf->size * cdev->ops->ring_entry);
}

/* Memory of a ring: ours, unless the backend allocates it. */
static int ceth_ring_alloc(struct ceth_dev *cdev, void *ring,
			   struct ceth_ring_conf *conf)
{
	const struct ceth_ops *ops = cdev->ops;

	if (!ops->ring_entry)
		return ops->ring_alloc(cdev->priv, ring, conf);
	conf->mem = dma_alloc_coherent(cdev->dev, ceth_ring_len(cdev, conf),
				       &conf->dma, GFP_KERNEL);
	return conf->mem ? 0 : -ENOMEM;
}

static void ceth_ring_free(struct ceth_dev *cdev, void *ring,
			   const struct ceth_ring_conf *conf)
{
	const struct ceth_ops *ops = cdev->ops;

	if (conf->mem)
		dma_free_coherent(cdev->dev, ceth_ring_len(cdev, conf),
				  conf->mem, conf->dma);
	else
		ops->ring_free(cdev->priv, ring);
}

static void ceth_ring_init(struct ceth_dev *cdev, void *ring,
			   const struct ceth_ring_conf *conf)
{
	if (conf->mem)
		memset(conf->mem, 0, conf->size * cdev->ops->ring_entry);
	cdev->ops->ring_init(cdev->priv, ring, conf);
}

static int ceth_rxq_pool(struct ceth_rxq *rxq)
{
	struct ceth_pair *pair = rxq->pair;
	struct ceth_dev *cdev = pair->cdev;
	struct page_pool_params pp = {
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.pool_size	= rxq->size,
		.nid		= dev_to_node(cdev->dev),
		.dev		= cdev->dev,
		.dma_dir	= DMA_BIDIRECTIONAL,
		.max_len	= PAGE_SIZE,
		.netdev		= cdev->netdev,
	};
	int err;

	if (rxq->xsk) {
		err = __xdp_rxq_info_reg(&rxq->xdp_rxq, cdev->netdev, rxq->idx,
					 pair->napi.napi_id,
					 ceth_xsk_sg(rxq->xsk) ?
					 xsk_pool_get_rx_frag_step(rxq->xsk) :
					 0);
		if (err)
			return err;
		return xdp_rxq_info_reg_mem_model(&rxq->xdp_rxq,
						  MEM_TYPE_XSK_BUFF_POOL, NULL);
	}
	if (rxq->kind == CETH_RXQ_HDS) {
		pp.flags |= PP_FLAG_ALLOW_UNREADABLE_NETMEM;
		pp.dma_dir = DMA_FROM_DEVICE;
		pp.order = get_order(rxq->frame_sz);
		pp.max_len = rxq->frame_sz;
		pp.queue_idx = rxq->idx;
	}
	rxq->pool = page_pool_create(&pp);
	if (IS_ERR(rxq->pool)) {
		err = PTR_ERR(rxq->pool);
		rxq->pool = NULL;
		return err;
	}

	/* A program may grow a fragment up to the end of its page; where two
	 * buffers share the page it may not.
	 */
	err = __xdp_rxq_info_reg(&rxq->xdp_rxq, cdev->netdev, rxq->idx,
				 pair->napi.napi_id,
				 rxq->frame_sz == PAGE_SIZE ? PAGE_SIZE : 0);
	if (err)
		return err;
	return xdp_rxq_info_reg_mem_model(&rxq->xdp_rxq, MEM_TYPE_PAGE_POOL,
					  rxq->pool);
}

/* All buffers are allocated before the queue can be started: a change of
 * configuration that memory does not allow fails while nothing has changed.
 */
static int ceth_rxq_prealloc(struct ceth_rxq *rxq)
{
	u32 n = rxq->size - rxq->n_spare;

	/* Memory of programs is there when they give some; the queue before may
	 * have all of it.
	 */
	if (rxq->xsk || ceth_hds_provided(rxq->pair->cdev, rxq->idx))
		return 0;
	return ceth_rx_alloc(rxq, n) == n ? 0 : -ENOMEM;
}

struct ceth_rxq *ceth_rxq_alloc(struct ceth_pair *pair,
				const struct ceth_cfg *cfg)
{
	struct ceth_dev *cdev = pair->cdev;
	struct ceth_rxq *rxq;
	int err;

	rxq = kvzalloc(sizeof(*rxq) + cdev->dp->rxq_priv, GFP_KERNEL);
	if (!rxq)
		return ERR_PTR(-ENOMEM);
	rxq->pair = pair;
	rxq->idx = pair->idx;
	rxq->dev = cdev->dev;
	rxq->size = cfg->rx_size;
	rxq->frame_sz = cfg->frame_sz;
	rxq->prefix = cdev->caps.rx_prefix;
	rxq->min_len = rxq->prefix + ETH_HLEN;
	rxq->off = CETH_RX_HEADROOM - rxq->prefix;
	rxq->buf_len = ceth_rx_room(cdev, cfg->frame_sz) + rxq->prefix;
	rxq->xsk = pair->xsk;
	if (rxq->xsk) {
		rxq->buf_len = ceth_xsk_chunk_room(cdev, rxq->xsk) + rxq->prefix;
		rxq->xsk_segs = ceth_xsk_sg(rxq->xsk) ? CETH_XSK_MAX_SEGS : 1;
		rxq->kind = CETH_RXQ_XSK;
	}
	rxq->ring = (struct ceth_ring_conf){
		.size		= cfg->rx_size,
		.idx		= pair->idx,
		.irq		= pair->idx,
		.buf_len	= rxq->buf_len,
	};
	rxq->stats = &pair->rx_stats;
	if (cfg->hdr_len && !rxq->xsk) {
		err = ceth_hds_alloc(rxq, cfg);
		if (err)
			goto err_rxq;
	}

	err = -ENOMEM;
	rxq->vas = kvcalloc(rxq->size, sizeof(*rxq->vas), GFP_KERNEL);
	rxq->dmas = kvcalloc(rxq->size, sizeof(*rxq->dmas), GFP_KERNEL);
	rxq->spare = kvcalloc(rxq->size, sizeof(*rxq->spare), GFP_KERNEL);
	rxq->free_ids = kvcalloc(rxq->size, sizeof(*rxq->free_ids), GFP_KERNEL);
	if (!rxq->vas || !rxq->dmas || !rxq->spare || !rxq->free_ids)
		goto err_mem;

	err = ceth_rxq_pool(rxq);
	if (err)
		goto err_pool;
	err = ceth_rxq_prealloc(rxq);
	if (err)
		goto err_bufs;
	rxq->verify = ceth_vq_alloc(cdev, rxq, NULL);
	err = PTR_ERR_OR_ZERO(rxq->verify);
	if (err)
		goto err_bufs;
	err = ceth_ring_alloc(cdev, rxq->priv, &rxq->ring);
	if (err)
		goto err_verify;
	return rxq;

err_verify:
	ceth_vq_free(rxq->verify);
err_bufs:
	while (rxq->n_spare)
		ceth_rx_put(rxq, rxq->spare[--rxq->n_spare].va);
err_pool:
	if (xdp_rxq_info_is_reg(&rxq->xdp_rxq))
		xdp_rxq_info_unreg(&rxq->xdp_rxq);
	if (rxq->pool)
		page_pool_destroy(rxq->pool);
err_mem:
	kvfree(rxq->free_ids);
	kvfree(rxq->spare);
	kvfree(rxq->dmas);
	kvfree(rxq->vas);
	ceth_hds_free(rxq);
err_rxq:
	kvfree(rxq);
	return ERR_PTR(err);
}

/* Take every buffer back from a queue that the device has let go of. */
static void ceth_rxq_reclaim(struct ceth_rxq *rxq)
{
	u32 id;

	ceth_rx_frame_abort(rxq);
	for (id = 0; id < rxq->size; id++) {
		if (rxq->vas[id] && rxq->xsk)
			xsk_buff_free(rxq->vas[id]);
		else if (rxq->vas[id])
			ceth_rx_spare(rxq, rxq->vas[id], rxq->dmas[id]);
		rxq->vas[id] = NULL;
		/* Descending, so that the first refill goes up. */
		rxq->free_ids[rxq->size - 1 - id] = id;
	}
	rxq->n_free = rxq->size;
}

void ceth_rxq_free(struct ceth_rxq *rxq)
{
	struct ceth_dev *cdev;

	if (!rxq)
		return;
	cdev = rxq->pair->cdev;
	ceth_ring_free(cdev, rxq->priv, &rxq->ring);
	ceth_vq_free(rxq->verify);
	ceth_rxq_reclaim(rxq);
	while (rxq->n_spare)
		ceth_rx_put(rxq, rxq->spare[--rxq->n_spare].va);
	xdp_rxq_info_unreg(&rxq->xdp_rxq);
	if (rxq->pool)
		page_pool_destroy(rxq->pool);
	kvfree(rxq->free_ids);
	kvfree(rxq->spare);
	kvfree(rxq->dmas);
	kvfree(rxq->vas);
	ceth_hds_free(rxq);
	kvfree(rxq);
}

static size_t ceth_txq_prefixes(const struct ceth_txq *txq)
{
	return (txq->size + 1) * txq->prefix;
}

/**
 * ceth_txq_alloc() - make a transmit queue
 * @pair: the pair that it will belong to
 * @cfg: what it is like
 * @idx: its index; another one than the pair's: for XDP alone
 *
 * Return: the queue, or an error pointer.
 */
struct ceth_txq *ceth_txq_alloc(struct ceth_pair *pair,
				const struct ceth_cfg *cfg, u16 idx)
{
	bool own = idx != pair->idx;
	struct ceth_dev *cdev = pair->cdev;
	struct ceth_txq *txq;
	int err = -ENOMEM;

	txq = kvzalloc(sizeof(*txq) + cdev->dp->txq_priv, GFP_KERNEL);
	if (!txq)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&txq->own_lock);
	txq->pair = pair;
	txq->idx = pair->idx;
	txq->dev = cdev->dev;
	txq->netq = pair->netq;
	txq->lock = own ? &txq->own_lock : &pair->netq->_xmit_lock;
	txq->size = cfg->tx_size;
	txq->mask = txq->size - 1;
	txq->prefix = cdev->caps.tx_prefix;
	txq->phys = cdev->caps.caps & CETH_CAP_PHYS_ADDR;
	txq->stats = own ? &pair->xdp_stats : &pair->tx_stats;
	txq->ring = (struct ceth_ring_conf){
		.size	= cfg->tx_size,
		.idx	= idx,
		.irq	= pair->idx,
		.tx	= true,
	};
	txq->xsk = own ? NULL : pair->xsk;

	txq->recs = kvcalloc(txq->size, sizeof(*txq->recs), GFP_KERNEL);
	txq->free_ids = kvcalloc(txq->size, sizeof(*txq->free_ids), GFP_KERNEL);
	if (!txq->recs || !txq->free_ids)
		goto err_mem;
	if (txq->xsk) {
		txq->xsk_done = kvzalloc(txq->size, GFP_KERNEL);
		txq->xsk_part = kcalloc(CETH_XSK_MAX_SEGS,
					sizeof(*txq->xsk_part), GFP_KERNEL);
		if (!txq->xsk_done || !txq->xsk_part)
			goto err_mem;
	}
	if (txq->prefix) {
		txq->prefixes = dma_alloc_coherent(txq->dev,
						   ceth_txq_prefixes(txq),
						   &txq->prefixes_dma,
						   GFP_KERNEL);
		if (!txq->prefixes)
			goto err_mem;
	}
	txq->verify = ceth_vq_alloc(cdev, NULL, txq);
	err = PTR_ERR_OR_ZERO(txq->verify);
	if (err)
		goto err_prefix;
	err = ceth_ring_alloc(cdev, txq->priv, &txq->ring);
	if (err)
		goto err_verify;
	return txq;

err_verify:
	ceth_vq_free(txq->verify);
err_prefix:
	if (txq->prefixes)
		dma_free_coherent(txq->dev, ceth_txq_prefixes(txq),
				  txq->prefixes, txq->prefixes_dma);
err_mem:
	kfree(txq->xsk_part);
	kvfree(txq->xsk_done);
	kvfree(txq->free_ids);
	kvfree(txq->recs);
	kvfree(txq);
	return ERR_PTR(err);
}

void ceth_txq_free(struct ceth_txq *txq)
{
	struct ceth_dev *cdev;

	if (!txq)
		return;
	cdev = txq->pair->cdev;
	ceth_ring_free(cdev, txq->priv, &txq->ring);
	ceth_vq_free(txq->verify);
	if (txq->prefixes)
		dma_free_coherent(txq->dev, ceth_txq_prefixes(txq),
				  txq->prefixes, txq->prefixes_dma);
	kfree(txq->xsk_part);
	kvfree(txq->xsk_done);
	kvfree(txq->free_ids);
	kvfree(txq->recs);
	kvfree(txq);
}

/**
 * ceth_pair_init() - once, when the device is made
 * @cdev: the device
 * @pair: the pair
 * @idx: its index
 */
void ceth_pair_init(struct ceth_dev *cdev, struct ceth_pair *pair, u16 idx)
{
	pair->cdev = cdev;
	pair->idx = idx;
	pair->irq = cdev->caps.irqs[idx];
	pair->netq = netdev_get_tx_queue(cdev->netdev, idx);
	u64_stats_init(&pair->rx_stats.syncp);
	u64_stats_init(&pair->tx_stats.syncp);
	u64_stats_init(&pair->tx_stats.csyncp);
	u64_stats_init(&pair->xdp_stats.syncp);
	u64_stats_init(&pair->xdp_stats.csyncp);
	cpumask_set_cpu(cpumask_local_spread(idx, dev_to_node(cdev->dev)),
			&pair->affinity);
	ceth_coalesce_init(pair);
	timer_setup(&pair->hds_timer, ceth_hds_timer, 0);
}

/**
 * ceth_pair_enable() - NAPI instance and interrupt of a pair
 * @pair: the pair; its queues are not running
 *
 * Both stay while queues of the pair are exchanged.
 *
 * Return: 0 or a negative errno.
 */
int ceth_pair_enable(struct ceth_pair *pair)
{
	struct ceth_dev *cdev = pair->cdev;
	struct net_device *dev = cdev->netdev;
	int err;

	netif_napi_add_config_locked(dev, &pair->napi, cdev->dp->poll,
				     pair->idx);
	netif_napi_set_irq_locked(&pair->napi, pair->irq);
	snprintf(pair->irq_name, sizeof(pair->irq_name), "%s-%u", dev->name,
		 pair->idx);
	/* Shared: a device short of vectors has its configuration interrupt
	 * on the vector of pair 0.
	 */
	err = request_irq(pair->irq, cdev->verify ? ceth_verify_irq :
			  cdev->dp->irq, IRQF_SHARED, pair->irq_name, pair);
	if (err) {
		netif_napi_del_locked(&pair->napi);
		return err;
	}
	/* Suggested once; afterwards the interrupt stays where the user or a
	 * balancer puts it.
	 */
	if (!pair->affinity_set)
		irq_set_affinity_and_hint(pair->irq, &pair->affinity);
	else
		irq_update_affinity_hint(pair->irq, &pair->affinity);
	pair->affinity_set = true;

	netif_queue_set_napi(dev, pair->idx, NETDEV_QUEUE_TYPE_RX, &pair->napi);
	netif_queue_set_napi(dev, pair->idx, NETDEV_QUEUE_TYPE_TX, &pair->napi);
	pair->enabled = true;
	return 0;
}

/**
 * ceth_pair_disable() - undo ceth_pair_enable()
 * @pair: the pair; its queues are not running
 */
void ceth_pair_disable(struct ceth_pair *pair)
{
	struct net_device *dev = pair->cdev->netdev;

	if (!pair->enabled)
		return;
	pair->enabled = false;
	ceth_dim_stop(pair);
	netif_queue_set_napi(dev, pair->idx, NETDEV_QUEUE_TYPE_RX, NULL);
	netif_queue_set_napi(dev, pair->idx, NETDEV_QUEUE_TYPE_TX, NULL);
	irq_update_affinity_hint(pair->irq, NULL);
	free_irq(pair->irq, pair);
	netif_napi_del_locked(&pair->napi);
}

/**
 * ceth_txq_start() - give a transmit queue to the device
 * @txq: the queue; stopped
 *
 * Return: 0 or a negative errno.
 */
int ceth_txq_start(struct ceth_txq *txq)
{
	struct ceth_dev *cdev = txq->pair->cdev;
	u32 i;

	for (i = 0; i < txq->size; i++)
		txq->free_ids[i] = i;
	txq->free_head = 0;
	txq->free_tail = txq->size;
	txq->watch.since = 0;
	ceth_ring_init(cdev, txq->priv, &txq->ring);
	return cdev->ops->ring_start(cdev->priv, txq->priv);
}

/**
 * ceth_pair_attach() - give a pair's queues to the device
 * @pair: the pair; has none
 * @rxq: receive queue
 * @txq: transmit queue
 *
 * On failure the pair has no queues, and the device none of the pair's.
 *
 * Return: 0 or a negative errno.
 */
int ceth_pair_attach(struct ceth_pair *pair, struct ceth_rxq *rxq,
		     struct ceth_txq *txq)
{
	struct ceth_dev *cdev = pair->cdev;
	const struct ceth_ops *ops = cdev->ops;
	int err;

	ceth_rxq_reclaim(rxq);
	/* Full before it starts: a device that finds no buffer for a frame may
	 * hold up those of other queues behind it.
	 */
	if (rxq->xsk)
		ceth_xsk_attach(rxq);
	ceth_ring_init(cdev, rxq->priv, &rxq->ring);
	cdev->dp->rx_fill(rxq);
	err = ops->ring_start(cdev->priv, rxq->priv);
	if (err)
		goto err_rx;
	err = ceth_txq_start(txq);
	if (err)
		goto err_tx;
	txq->launch = pair->launch;
	if (ceth_shaper_apply_queue(pair, txq))
		netdev_warn(cdev->netdev, "queue %u: no rate limit any more\n",
			    pair->idx);
	rcu_assign_pointer(rxq->xdp_prog, cdev->xdp_prog);
	pair->tx_prompt = txq->xsk;
	pair->rxq = rxq;
	pair->txq_done = txq;
	return 0;

err_tx:
	ops->ring_stop(cdev->priv, rxq->priv);
err_rx:
	if (rxq->xsk)
		ceth_rxq_reclaim(rxq);
	return err;
}

/**
 * ceth_pair_go() - let a pair's queues work
 * @pair: the pair; enabled and attached, the device runs
 */
void ceth_pair_go(struct ceth_pair *pair)
{
	if (pair->rxq->pool)
		ceth_pool_link_napi(pair->rxq->pool, &pair->napi);
	/* It has had none before it was first enabled. */
	ceth_rxq_set_napi(&pair->rxq->xdp_rxq, &pair->napi);
	napi_enable_locked(&pair->napi);
	/* Said of a ring that the device did not know yet. */
	WRITE_ONCE(pair->starved, false);
	pair->running = true;
	pair->cdev->dp->rx_kick(pair->rxq);

	__netif_tx_lock_bh(pair->netq);
	WRITE_ONCE(pair->txq, pair->txq_done);
	WRITE_ONCE(pair->xdp, pair->txq_done);
	txq_trans_cond_update(pair->netq);
	/* Not woken: it may have been started when a restart failed, and what
	 * waits in the queueing discipline must be sent all the same.
	 */
	netif_tx_start_queue(pair->netq);
	netif_schedule_queue(pair->netq);
	__netif_tx_unlock_bh(pair->netq);

	/* The first poll arms the interrupt. */
	ceth_pair_poll(pair);
}

/**
 * ceth_pair_close_tx() - turn senders away
 * @pair: the pair
 *
 * Packets of the stack wait in the queueing discipline; XDP is refused. What
 * is in flight goes on.
 */
void ceth_pair_close_tx(struct ceth_pair *pair)
{
	struct ceth_txq *xdp = pair->xdp;

	if (xdp) {
		spin_lock_bh(xdp->lock);
		WRITE_ONCE(pair->xdp, NULL);
		spin_unlock_bh(xdp->lock);
	}
	__netif_tx_lock_bh(pair->netq);
	netif_tx_stop_queue(pair->netq);
	WRITE_ONCE(pair->txq, NULL);
	txq_trans_cond_update(pair->netq);
	__netif_tx_unlock_bh(pair->netq);
}

/**
 * ceth_txq_drain() - wait until what is in flight has completed
 * @txq: the queue; nobody sends to it, the device runs, and NAPI polls
 */
void ceth_txq_drain(struct ceth_txq *txq)
{
	int us;

	for (us = 0; us < CETH_DRAIN_US && ceth_tx_in_flight(txq); us += 200) {
		/* The interrupt may wait for more packets than there are. */
		ceth_pair_poll(txq->pair);
		usleep_range(100, 300);
	}
}

/**
 * ceth_pair_drain_tx() - wait until what is in flight has completed
 * @pair: the pair; closed to senders, the device still runs
 */
void ceth_pair_drain_tx(struct ceth_pair *pair)
{
	if (!pair->txq_done || !pair->running)
		return;
	ceth_txq_drain(pair->txq_done);
	if (pair->xdp_own)
		ceth_txq_drain(pair->xdp_own);
}

/**
 * ceth_txq_stop() - take a transmit queue back from the device
 * @txq: the queue; nobody sends to it, and nobody polls it
 *
 * What the device never completed is thrown away.
 */
void ceth_txq_stop(struct ceth_txq *txq)
{
	struct ceth_pair *pair = txq->pair;
	struct ceth_dev *cdev = pair->cdev;
	u32 id, segs, lost = 0;

	/* A device that does not let go of the queue loses all of them. */
	if (cdev->ops->ring_stop(cdev->priv, txq->priv))
		ceth_dev_reset(cdev);
	ceth_verify_quiet(txq == pair->txq_done ? pair->rxq : NULL, txq);
	for (id = 0; id < txq->size; id++) {
		segs = ceth_tx_segs(txq, id);
		if (!segs)
			continue;
		ceth_tx_abort(pair, txq, id);
		lost++;
	}
	if (txq->xsk)
		ceth_xsk_purge(txq);
	ceth_count(&txq->stats->csyncp, &txq->stats->lost, lost);
}

/**
 * ceth_pair_quiet() - have nobody poll a pair any more
 * @pair: the pair; closed to senders
 *
 * What the device has received is not lost. A poll arms the interrupt, and looks
 * at its rings once more, after it has let go of NAPI: between this and
 * ceth_pair_detach() there must be a grace period.
 */
void ceth_pair_quiet(struct ceth_pair *pair)
{
	struct ceth_dev *cdev = pair->cdev;
	int i;

	if (!pair->rxq)
		return;
	/* A device that does not let go of the queue loses all of them; its
	 * restart is on the way.
	 */
	if (cdev->ops->ring_stop(cdev->priv, pair->rxq->priv))
		ceth_dev_reset(cdev);
	if (!pair->running)
		return;
	for (i = 0; i < 64; i++) {
		local_bh_disable();
		if (!napi_schedule_prep(&pair->napi)) {
			local_bh_enable();
			usleep_range(50, 100);
			continue;
		}
		__napi_schedule(&pair->napi);
		local_bh_enable();
		napi_synchronize(&pair->napi);
		break;
	}
	napi_disable_locked(&pair->napi);
	timer_delete_sync(&pair->hds_timer);
	pair->running = false;
}

/**
 * ceth_pair_detach() - take a pair's queues back from the device
 * @pair: the pair; quiet, and no poll is under way
 * @rxq: where the receive queue goes
 * @txq: where the transmit queue goes
 */
void ceth_pair_detach(struct ceth_pair *pair, struct ceth_rxq **rxq,
		      struct ceth_txq **txq)
{
	*rxq = pair->rxq;
	*txq = pair->txq_done;
	if (!pair->rxq)
		return;

	ceth_txq_stop(pair->txq_done);
	ceth_xdpq_detach(pair);
	/* What was lost keeps nobody waiting, even if no queue comes after it. */
	netdev_tx_reset_queue(pair->netq);
	if (pair->rxq->pool)
		ceth_pool_unlink_napi(pair->rxq->pool);
	/* The next queue takes them, or the pool ceases to be. */
	if (pair->rxq->xsk)
		ceth_rxq_reclaim(pair->rxq);
	pair->rxq = NULL;
	pair->txq_done = NULL;
}
