/* SPDX-License-Identifier: GPL-2.0 */
/* CETH: the one place that knows that kernels differ.
 *
 * The code is written to the newest kernel's API. What an older one has in
 * another form gets that form here, chosen by compile probes (scripts/probes)
 * and never by version number: stable series change signatures, too. Inside a
 * kernel tree nothing is probed and nothing of this is needed.
 */
#ifndef _NET_CETH_COMPAT_H
#define _NET_CETH_COMPAT_H

#include <linux/dim.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/devlink.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>
#include <net/xdp_sock_drv.h>

#ifdef CETH_OUT_OF_TREE
#include <net/ceth/generated/config.h>
#else
#define CETH_HAVE_NETDEV_INSTANCE_LOCK		1
#define CETH_HAVE_NAPI_CONFIG			1
#define CETH_HAVE_HEALTH_GRACEFUL_IN_OPS	1
#define CETH_HAVE_XDP_SKB_FRAGS_INFO		1
#define CETH_HAVE_XDP_FRAGS_TRUESIZE		1
#define CETH_HAVE_PP_ENABLE_DIRECT_RECYCLING	1
#define CETH_HAVE_SET_RX_MODE_ASYNC		1
#define CETH_HAVE_ETHTOOL_OP_NEEDS_RTNL		1
#define CETH_HAVE_GET_RX_RING_COUNT		1
#define CETH_HAVE_NET_DIM_BY_REF		1
#define CETH_HAVE_RXFH_FIELDS			1
#define CETH_HAVE_RXFH_PER_CTX_FIELDS		1
#define CETH_HAVE_SUPPORTED_INPUT_XFRM		1
#define CETH_HAVE_HRTIMER_SETUP			1
#define CETH_HAVE_IRQCHIP_MOVE_DEFERRED		1
#define CETH_HAVE_XSK_ADD_FRAG_HEAD		1
#define CETH_HAVE_XSK_GET_METADATA_OPTIONS	1
#define CETH_HAVE_XSK_LAUNCH_TIME		1
#define CETH_HAVE_XSK_METADATA_REQUEST_POOL	1
#define CETH_HAVE_PARAM_BY_REF			1
#define CETH_HAVE_QUEUE_CONFIG			1
#define CETH_HAVE_QUEUE_LEASE			1
#define CETH_HAVE_HDS_THRESH			1
#define CETH_HAVE_PP_ALLOC_NETMEMS		1
#define CETH_HAVE_PP_SYNC_NETMEM		1
#define CETH_HAVE_NETMEM_TX			1
#ifdef CONFIG_NET_SHAPER
#define CETH_HAVE_NET_SHAPER			1
#endif
#endif

/* Shapers (6.13) */
#ifdef CETH_HAVE_NET_SHAPER
#include <net/net_shaper.h>
#endif

#ifdef CETH_HAVE_NETDEV_INSTANCE_LOCK
#include <net/netdev_lock.h>
#else
static inline void netdev_lock_ops(struct net_device *dev) { }
static inline void netdev_unlock_ops(struct net_device *dev) { }

#define napi_enable_locked(napi)		napi_enable(napi)
#define napi_disable_locked(napi)		napi_disable(napi)
#define netif_napi_del_locked(napi)		netif_napi_del(napi)
#define netif_napi_set_irq_locked(napi, irq)	netif_napi_set_irq(napi, irq)
#define xdp_set_features_flag_locked(dev, val)	xdp_set_features_flag(dev, val)
#endif

/* Ask the kernel to hold the instance lock around our operations. */
static inline void ceth_request_lock(struct net_device *dev)
{
#ifdef CETH_HAVE_NETDEV_INSTANCE_LOCK
	dev->request_ops_lock = true;
#endif
}

/* The configuration lock alone, for work that must not wait for it. */
static inline bool ceth_cfg_trylock(struct net_device *dev)
{
#ifdef CETH_HAVE_NETDEV_INSTANCE_LOCK
	return netdev_trylock(dev);
#else
	return rtnl_trylock();
#endif
}

static inline void ceth_cfg_lock(struct net_device *dev)
{
#ifdef CETH_HAVE_NETDEV_INSTANCE_LOCK
	netdev_lock(dev);
#else
	rtnl_lock();
#endif
}

static inline void ceth_cfg_unlock(struct net_device *dev)
{
#ifdef CETH_HAVE_NETDEV_INSTANCE_LOCK
	netdev_unlock(dev);
#else
	rtnl_unlock();
#endif
}

/* A threshold for the split of headers and data (6.14) */
#ifdef CETH_HAVE_HDS_THRESH
#define CETH_RING_USE_HDS_THRS	ETHTOOL_RING_USE_HDS_THRS
#else
#define CETH_RING_USE_HDS_THRS	0
#endif

static inline u32 ceth_hds_thresh(const struct kernel_ethtool_ringparam *ring)
{
#ifdef CETH_HAVE_HDS_THRESH
	return ring->hds_thresh;
#else
	return 0;
#endif
}

static inline void ceth_hds_thresh_show(struct kernel_ethtool_ringparam *ring,
					u32 thresh, u32 max)
{
#ifdef CETH_HAVE_HDS_THRESH
	ring->hds_thresh = thresh;
	ring->hds_thresh_max = max;
#endif
}

/* In the singular before 6.14 */
#ifndef CETH_HAVE_PP_ALLOC_NETMEMS
#define page_pool_alloc_netmems(pool, gfp)	page_pool_alloc_netmem(pool, gfp)
#endif

/* What is no page was the caller's to leave alone (before 6.14). */
#ifndef CETH_HAVE_PP_SYNC_NETMEM
static inline void
page_pool_dma_sync_netmem_for_cpu(const struct page_pool *pool,
				  const netmem_ref netmem, u32 offset, u32 len)
{
	if (!netmem_is_net_iov(netmem))
		page_pool_dma_sync_for_cpu(pool, netmem_to_page(netmem),
					   offset, len);
}
#endif

/* Memory that nobody can read is sent, too (6.16; 7.0 in this form). */
static inline void ceth_offer_netmem_tx(struct net_device *dev)
{
#ifdef CETH_HAVE_NETMEM_TX
	dev->netmem_tx = NETMEM_TX_DMA;
#endif
}

/* Has memory that is no page been mapped for a device? What somebody sends has, as
 * the stack sees to; what was received and is passed on, only for the device that it
 * came from, and older kernels send nothing of the kind.
 */
static inline bool ceth_netmem_mapped(netmem_ref netmem,
				      const struct device *dev)
{
#ifdef CETH_HAVE_NETMEM_TX
	const struct page_pool *pool;

	if (netmem_to_net_iov(netmem)->type == NET_IOV_DMABUF)
		return true;
	pool = netmem_get_pp(netmem);
	return pool && pool->p.dev == dev;
#else
	return false;
#endif
}

/* Configurations of single queues (7.0) */
#ifdef CETH_HAVE_QUEUE_CONFIG
#define CETH_QCFG_ARG	struct netdev_queue_config *qcfg,
#else
#define CETH_QCFG_ARG
#endif

/* Receive queues that another device leases (7.1); configuration lock */
static inline bool ceth_queue_leased(struct net_device *dev, u16 i)
{
#ifdef CETH_HAVE_QUEUE_LEASE
	return __netif_get_rx_queue(dev, i)->lease;
#else
	return false;
#endif
}

/* Bytes of the pieces that a queue's memory comes in, as its provider has chosen */
static inline u32 ceth_rx_page_size(struct net_device *dev, u16 idx)
{
#ifdef CETH_HAVE_QUEUE_CONFIG
	struct netdev_queue_config qcfg;

	netdev_queue_config(dev, idx, &qcfg);
	if (qcfg.rx_page_size)
		return qcfg.rx_page_size;
#endif
	return PAGE_SIZE;
}

/* Settings of NAPI that survive it (6.13). */
#ifndef CETH_HAVE_NAPI_CONFIG
static inline void
netif_napi_add_config_locked(struct net_device *dev, struct napi_struct *napi,
			     int (*poll)(struct napi_struct *, int), int index)
{
	netif_napi_add(dev, napi, poll);
}
#endif

/* The period between recoveries became a member of the operations (6.18). */
static inline struct devlink_health_reporter *
ceth_health_reporter_create(struct devlink *devlink,
			    const struct devlink_health_reporter_ops *ops,
			    void *priv)
{
#ifdef CETH_HAVE_HEALTH_GRACEFUL_IN_OPS
	return devl_health_reporter_create(devlink, ops, priv);
#else
	return devl_health_reporter_create(devlink, ops, 0, priv);
#endif
}

/* Values of parameters are passed by reference since 7.0. CETH_PARAM_U32()
 * makes the function that validates one, which @check does.
 */
#ifdef CETH_HAVE_PARAM_BY_REF
#define CETH_PARAM_U32(name, check)					\
static int name(struct devlink *devlink, u32 id,			\
		union devlink_param_value *val,				\
		struct netlink_ext_ack *extack)				\
{									\
	return check(devlink, val->vu32, extack);			\
}
#else
#define CETH_PARAM_U32(name, check)					\
static int name(struct devlink *devlink, u32 id,			\
		union devlink_param_value val,				\
		struct netlink_ext_ack *extack)				\
{									\
	return check(devlink, val.vu32, extack);			\
}
#endif

static inline void ceth_param_init(struct devlink *devlink, u32 id,
				   union devlink_param_value *val)
{
#ifdef CETH_HAVE_PARAM_BY_REF
	devl_param_driverinit_value_set(devlink, id, val);
#else
	devl_param_driverinit_value_set(devlink, id, *val);
#endif
}

/* Fragments of a frame become fragments of a packet (renamed in 6.18). */
static inline void ceth_xdp_frags_to_skb(struct sk_buff *skb, u8 nr_frags,
					 u32 size, u32 truesize,
					 struct xdp_buff *xdp)
{
#ifdef CETH_HAVE_XDP_SKB_FRAGS_INFO
	xdp_update_skb_frags_info(skb, nr_frags, size, truesize,
				  xdp_buff_get_skb_flags(xdp));
#else
	xdp_update_skb_shared_info(skb, nr_frags, size, truesize,
				   xdp_buff_is_frag_pfmemalloc(xdp));
#endif
}

/* The truesize of fragments is kept beside their size since 6.14. */
static inline void ceth_xdp_frags_truesize(struct skb_shared_info *sinfo,
					   u32 truesize)
{
#ifdef CETH_HAVE_XDP_FRAGS_TRUESIZE
	sinfo->xdp_frags_truesize = truesize;
#endif
}

/* A chunk as a further fragment of a frame. The driver described fragments by
 * itself before 6.14.
 */
static inline bool ceth_xsk_add_frag(struct xdp_buff *head,
				     struct xdp_buff *xdp)
{
#ifdef CETH_HAVE_XSK_ADD_FRAG_HEAD
	return xsk_buff_add_frag(head, xdp);
#else
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(head);
	u32 len = xdp->data_end - xdp->data;

	if (!xdp_buff_has_frags(head)) {
		sinfo->nr_frags = 0;
		sinfo->xdp_frags_size = 0;
		xdp_buff_set_frags_flag(head);
	}
	if (sinfo->nr_frags == MAX_SKB_FRAGS)
		return false;
	__skb_fill_page_desc_noacc(sinfo, sinfo->nr_frags++,
				   virt_to_page(xdp->data),
				   offset_in_page(xdp->data), len);
	sinfo->xdp_frags_size += len;
	xsk_buff_add_frag(xdp);
	return true;
#endif
}

/* Without the options of the descriptor nobody knew which packets had metadata
 * (before 6.12.115).
 */
static inline struct xsk_tx_metadata *
ceth_xsk_metadata(struct xsk_buff_pool *pool, const struct xdp_desc *desc)
{
	if (!(desc->options & XDP_TX_METADATA))
		return NULL;
#ifdef CETH_HAVE_XSK_GET_METADATA_OPTIONS
	return xsk_buff_get_metadata(pool, desc->addr, desc->options);
#else
	return xsk_buff_get_metadata(pool, desc->addr);
#endif
}

/* Sockets learned which NAPI instance to poll from the queue (before 6.14). */
static inline void ceth_rxq_set_napi(struct xdp_rxq_info *rxq,
				     const struct napi_struct *napi)
{
#ifdef CETH_HAVE_XDP_RXQ_NAPI_ID
	WRITE_ONCE(rxq->napi_id, napi->napi_id);
#endif
}

/* What a socket asks of the device is checked where it is used since 7.0. */
static inline void
ceth_xsk_metadata_request(const struct xsk_buff_pool *pool,
			  struct xsk_tx_metadata **meta,
			  const struct xsk_tx_metadata_ops *ops, void *priv)
{
#ifdef CETH_HAVE_XSK_METADATA_REQUEST_POOL
	xsk_tx_metadata_request(pool, meta, ops, priv);
#else
	xsk_tx_metadata_request(*meta, ops, priv);
#endif
}

/* Objects are allocated by type since 7.0. */
#ifndef kzalloc_obj
#define kzalloc_obj(obj)	kzalloc(sizeof(obj), GFP_KERNEL)
#define kvzalloc_obj(obj)	kvzalloc(sizeof(obj), GFP_KERNEL)
#define kvmalloc_obj(obj)	kvmalloc(sizeof(obj), GFP_KERNEL)
#endif

/* A page pool meets its NAPI instance when its queue starts, not when it is
 * made: page_pool_enable_direct_recycling() (6.19) or, before that, its body.
 */
static inline void ceth_pool_link_napi(struct page_pool *pool,
				       struct napi_struct *napi)
{
#ifdef CETH_HAVE_PP_ENABLE_DIRECT_RECYCLING
	page_pool_enable_direct_recycling(pool, napi);
#else
	WRITE_ONCE(pool->p.napi, napi);
#endif
}

static inline void ceth_pool_unlink_napi(struct page_pool *pool)
{
	page_pool_disable_direct_recycling(pool);
}

/* With the instance lock ethtool no longer takes rtnl by itself (7.2). Changing
 * the number of queues or the limits of the MTU still needs it, and so does
 * ethtool_op_get_link().
 */
static inline void ceth_ethtool_need_rtnl(struct ethtool_ops *ops)
{
#ifdef CETH_HAVE_ETHTOOL_OP_NEEDS_RTNL
	ops->op_needs_rtnl = ETHTOOL_OP_NEEDS_RTNL_SCHANNELS |
			     ETHTOOL_OP_NEEDS_RTNL_SRINGPARAM |
			     ETHTOOL_OP_NEEDS_RTNL_GLINK;
#endif
}

/* The sample is passed by reference since 6.13. */
static inline void ceth_net_dim(struct dim *dim,
				const struct dim_sample *sample)
{
#ifdef CETH_HAVE_NET_DIM_BY_REF
	net_dim(dim, sample);
#else
	net_dim(dim, *sample);
#endif
}

/* The function of a timer became an argument in 6.13. */
static inline void
ceth_hrtimer_setup(struct hrtimer *timer,
		   enum hrtimer_restart (*function)(struct hrtimer *),
		   clockid_t clock, enum hrtimer_mode mode)
{
#ifdef CETH_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/* That an interrupt can move at any time had to be said (before 6.15). For users
 * of <linux/irq.h>.
 */
#ifdef CETH_HAVE_IRQCHIP_MOVE_DEFERRED
#define ceth_irq_moves(virq)	((void)(virq))
#else
#define ceth_irq_moves(virq)	irq_set_status_flags(virq, IRQ_MOVE_PCNTXT)
#endif

/* The number of receive rings (6.19) and the fields of a flow's hash (6.17,
 * 6.12.111) were commands of get_rxnfc and set_rxnfc before, which also have
 * those for rules. CETH_RXFH_OPS() makes ceth_rxfh_ops_init(), which offers
 * the five functions in either way.
 */
#ifndef CETH_HAVE_RXFH_FIELDS
struct ethtool_rxfh_fields {
	u32 data;
	u32 flow_type;
	u32 rss_context;
};

static inline u32 ceth_rxnfc_context(const struct ethtool_rxnfc *nfc)
{
	return nfc->flow_type & FLOW_RSS ? nfc->rss_context : 0;
}
#endif

/* A symmetric hash was of one kind (before 6.16), and its inputs were the same
 * for all contexts, as far as the kernel knew (before 6.17).
 */
static inline void ceth_rxfh_caps_init(struct ethtool_ops *ops, u8 xfrm,
				       bool contexts)
{
#ifdef CETH_HAVE_SUPPORTED_INPUT_XFRM
	ops->supported_input_xfrm = xfrm;
#else
	ops->cap_rss_sym_xor_supported = !!(xfrm & RXH_XFRM_SYM_XOR);
#endif
	ops->rxfh_per_ctx_key = contexts;
#ifdef CETH_HAVE_RXFH_PER_CTX_FIELDS
	ops->rxfh_per_ctx_fields = contexts;
#endif
}

#if defined(CETH_HAVE_GET_RX_RING_COUNT)
#define CETH_RXFH_OPS(rings, get, set, rget, rset)			\
static void ceth_rxfh_ops_init(struct ethtool_ops *ops, bool fields,	\
			       bool rules)				\
{									\
	ops->get_rx_ring_count = rings;					\
	if (rules) {							\
		ops->get_rxnfc = rget;					\
		ops->set_rxnfc = rset;					\
	}								\
	if (!fields)							\
		return;							\
	ops->get_rxfh_fields = get;					\
	ops->set_rxfh_fields = set;					\
}
#elif defined(CETH_HAVE_RXFH_FIELDS)
#define CETH_RXFH_OPS(rings, get, set, rget, rset)			\
static int ceth_get_rxnfc(struct net_device *dev,			\
			  struct ethtool_rxnfc *nfc, u32 *rules)	\
{									\
	if (nfc->cmd != ETHTOOL_GRXRINGS)				\
		return rget(dev, nfc, rules);				\
	nfc->data = rings(dev);						\
	return 0;							\
}									\
									\
static void ceth_rxfh_ops_init(struct ethtool_ops *ops, bool fields,	\
			       bool rules)				\
{									\
	ops->get_rxnfc = ceth_get_rxnfc;				\
	if (rules)							\
		ops->set_rxnfc = rset;					\
	if (!fields)							\
		return;							\
	ops->get_rxfh_fields = get;					\
	ops->set_rxfh_fields = set;					\
}
#else
#define CETH_RXFH_OPS(rings, get, set, rget, rset)			\
static int ceth_get_rxnfc(struct net_device *dev,			\
			  struct ethtool_rxnfc *nfc, u32 *rules)	\
{									\
	struct ethtool_rxfh_fields f = {				\
		.flow_type	= nfc->flow_type & ~FLOW_RSS,		\
		.rss_context	= ceth_rxnfc_context(nfc),		\
	};								\
	int err;							\
									\
	if (nfc->cmd == ETHTOOL_GRXRINGS) {				\
		nfc->data = rings(dev);					\
		return 0;						\
	}								\
	if (nfc->cmd != ETHTOOL_GRXFH)					\
		return rget(dev, nfc, rules);				\
	if (!dev->ethtool_ops->set_rxnfc)				\
		return -EOPNOTSUPP;					\
	err = get(dev, &f);						\
	if (!err)							\
		nfc->data = f.data;					\
	return err;							\
}									\
									\
static int ceth_set_rxnfc(struct net_device *dev,			\
			  struct ethtool_rxnfc *nfc)			\
{									\
	struct ethtool_rxfh_fields f = {				\
		.flow_type	= nfc->flow_type & ~FLOW_RSS,		\
		.rss_context	= ceth_rxnfc_context(nfc),		\
		.data		= nfc->data,				\
	};								\
									\
	if (nfc->cmd != ETHTOOL_SRXFH)					\
		return rset(dev, nfc);					\
	return set(dev, &f, NULL);					\
}									\
									\
static void ceth_rxfh_ops_init(struct ethtool_ops *ops, bool fields,	\
			       bool rules)				\
{									\
	ops->get_rxnfc = ceth_get_rxnfc;				\
	if (fields || rules)						\
		ops->set_rxnfc = ceth_set_rxnfc;			\
}
#endif

#endif /* _NET_CETH_COMPAT_H */
