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

#include <linux/netdevice.h>
#include <net/devlink.h>
#include <net/xdp.h>

#ifdef CETH_OUT_OF_TREE
#include <net/ceth/generated/config.h>
#else
#define CETH_HAVE_NETDEV_INSTANCE_LOCK		1
#define CETH_HAVE_NAPI_CONFIG			1
#define CETH_HAVE_HEALTH_GRACEFUL_IN_OPS	1
#define CETH_HAVE_XDP_SKB_FRAGS_INFO		1
#define CETH_HAVE_XDP_FRAGS_TRUESIZE		1
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

/* Settings of NAPI that survive it (6.13). */
#ifndef CETH_HAVE_NAPI_CONFIG
#define netif_napi_add_config_locked(dev, napi, poll, index)	\
	netif_napi_add(dev, napi, poll)
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

#endif /* _NET_CETH_COMPAT_H */
