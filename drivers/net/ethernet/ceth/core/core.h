/* SPDX-License-Identifier: GPL-2.0 */
/* CETH core: what its files share.
 *
 * Locks, in the order in which they are taken:
 *	rtnl				where the kernel has it taken for us
 *	configuration lock		ceth_lock(): everything below unless said
 *	transmit lock of a queue	pair->txq or pair->xdp, posting
 * NAPI context touches only the pair and its queues.
 */
#ifndef _CETH_CORE_H
#define _CETH_CORE_H

#include <linux/ethtool.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/tcp.h>
#include <linux/u64_stats_sync.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/devlink.h>
#include <net/netdev_queues.h>

#include <net/ceth/compat.h>
#include <net/ceth/ceth.h>
#include <net/ceth/queue.h>
#include <net/ceth/datapath.h>

/* Bytes of a header buffer */
#define CETH_HDS_LEN	256

/**
 * struct ceth_cfg - what a change of queues changes
 * @n_pairs: queue pairs in use
 * @rx_size: descriptors of a receive ring
 * @tx_size: descriptors of a transmit ring
 * @hdr_len: bytes of a header buffer; 0: there are none
 * @frame_sz: bytes of a receive buffer, 2048 or 4096
 * @hdr_whole: with @hdr_len: longest frame that is not split
 */
struct ceth_cfg {
	u16 n_pairs;
	u16 rx_size;
	u16 tx_size;
	u16 hdr_len;
	u32 frame_sz;
	u32 hdr_whole;
};

/**
 * struct ceth_node - a limit that queues share
 * @shaper: the limit
 * @id: what net_shaper calls it
 * @used: there is such a node
 */
struct ceth_node {
	struct ceth_shaper shaper;
	u32 id;
	bool used;
};

/**
 * enum ceth_reporter - devlink health reporters
 * @CETH_REPORTER_RX: receive queues
 * @CETH_REPORTER_TX: transmit queues
 * @CETH_REPORTER_DEV: the device
 * @CETH_REPORTER_NUM: number of reporters
 */
enum ceth_reporter {
	CETH_REPORTER_RX,
	CETH_REPORTER_TX,
	CETH_REPORTER_DEV,
	CETH_REPORTER_NUM,
};

/**
 * struct ceth_health - what went wrong
 * @stuck: the last recovery failed or was not allowed, by reporter
 * @count: faults seen, by kind
 * @pair: pair of the latest fault
 * @last: kind of the latest fault
 */
struct ceth_health {
	bool stuck[CETH_REPORTER_NUM];
	atomic_long_t count[CETH_FAULT_NUM];
	u16 pair;
	enum ceth_fault last;
};

/**
 * struct ceth_devlink - private part of the devlink instance
 * @cdev: the device; another one after each reload
 * @caps: as stated by the backend
 * @port: names the network device
 * @reporter: by &enum ceth_reporter; NULL where registration failed
 * @funcs: functions, under the devlink lock; changed, and what addresses they
 *	have, under the configuration lock, too
 * @last_func: number of the latest one
 * @lock: held while a fault is reported, and to change @published
 * @published: between register and unregister: reports are allowed
 */
struct ceth_devlink {
	struct ceth_dev *cdev;
	struct ceth_caps caps;
	struct devlink_port port;
	struct devlink_health_reporter *reporter[CETH_REPORTER_NUM];
	struct list_head funcs;
	u16 last_func;
	struct mutex lock; /* see above */
	bool published;
};

/**
 * struct ceth_dstats - what the device counts by itself
 * @syncp: of @sum
 * @n: counters: those of &ceth_caps.stats, each class of length for itself
 * @sum: since the device was created
 * @last: latest answer of the device, which it counts from
 * @now: room for the next one
 * @at: time of @last
 * @strikes: answers since that made no sense
 * @bad: such answers, ever
 * @work: asks the device
 */
struct ceth_dstats {
	struct u64_stats_sync syncp;
	u32 n;
	u64 *sum;
	u64 *last;
	u64 *now;
	u64 at;
	u32 strikes;
	u64 bad;
	struct delayed_work work;
};

/**
 * struct ceth_backend - what ceth_create() was given
 * @ops: slow path
 * @dp: fast path
 * @priv: for @ops
 */
struct ceth_backend {
	const struct ceth_ops *ops;
	const struct ceth_datapath *dp;
	void *priv;
};

struct ceth_verify;

/**
 * struct ceth_dev - a device; the private part of its net_device
 * @netdev: the network device
 * @dev: DMA device
 * @ops: slow path of the backend, or, in the verifying mode, what is before it
 * @dp: fast path of the backend, one of the two
 * @priv: for @ops
 * @caps: as stated by the backend, with limits resolved
 * @cfg: configuration in force (or wanted, while down)
 * @pairs: max_pairs entries, for life
 * @xdp_prog: program, or NULL; the queues hold a copy of the pointer
 * @n_xsk: pairs with memory of AF_XDP sockets
 * @xsk_requests: what AF_XDP sockets can ask for, bits of &enum ceth_tx_flags
 * @features: features in force, bits of &enum ceth_feature
 * @rss: receive steering in force
 * @rss_ctx: further contexts, by number less one; NULL where there is none
 * @rss_user: the user has set the indirection table: it is kept when the
 *	number of queues changes
 * @rules: steering rules, max_rules of them, or NULL
 * @n_rules: those in use
 * @coal: moderation wanted for all pairs
 * @dim: adaptive moderation of receive wanted
 * @rx_time: time of received frames wanted
 * @tx_time: time of packets that ask for it wanted
 * @clock: clock of the device, for the user; NULL: none
 * @clock_info: what @clock can do
 * @clock_lock: readers of the clock come one by one
 * @nodes: limits of the port (0) and of the nodes, max_nodes + 1 entries
 * @running: between dev_run and dev_reset
 * @gone: the device does not exist any more
 * @shown: the network device is registered
 * @shown_pairs: pairs that the stack knows of
 * @announce: tell the neighbours, once the device runs
 * @fault_pending: bits of &enum ceth_fault that wait for @fault_work
 * @fault_work: reports faults and has the device recovered
 * @retry_work: restarts a device whose last restart failed
 * @retries: how often that has been tried in vain
 * @unsettled: the device has refused some of its configuration
 * @link_work: link state, announcement
 * @starve_work: looks after receive queues that the device calls empty
 * @watch_work: looks for what was lost (watch.c), while there is traffic
 * @watch_idle: the same, but wakes up no processor for it
 * @mode_work: receive filter (the stack calls in atomic context)
 * @reap_work: frees the device when another one has taken its place
 * @wq: runs the work items of this device; one slow device holds up no other
 * @recoveries: times that the device was restarted after a fault
 * @vlans: VLAN ids wanted; changed under rtnl
 * @vlans_set: VLAN ids that the device lets through
 * @dstats: what the device counts by itself
 * @health: devlink health reporters
 * @devlink: devlink instance
 * @xsk_ops: what AF_XDP sockets can ask for, composed from @caps
 * @ndo: operations, composed from @caps; const after ceth_create()
 * @hints: what programs can ask, those functions that the device has
 * @eops: ethtool operations, composed from @caps; const after ceth_create()
 * @backend: what the backend has given
 * @verify: the verifying mode, or NULL
 */
struct ceth_dev {
	struct net_device *netdev;
	struct device *dev;
	const struct ceth_ops *ops;
	const struct ceth_datapath *dp;
	void *priv;
	struct ceth_caps caps;
	struct ceth_cfg cfg;
	struct ceth_pair *pairs;
	struct bpf_prog *xdp_prog;
	u32 n_xsk;
	u32 xsk_requests;
	u32 features;
	struct ceth_rss rss;
	struct ceth_rss **rss_ctx;
	bool rss_user;
	struct ceth_rule_slot *rules;
	u32 n_rules;
	struct ceth_coalesce coal;
	bool dim;
	bool rx_time;
	bool tx_time;
	struct ptp_clock *clock;
	struct ptp_clock_info clock_info;
	struct mutex clock_lock; /* readers of the clock */
	struct ceth_node *nodes;
	bool running;
	bool gone;
	bool shown;
	u16 shown_pairs;
	bool announce;
	unsigned long fault_pending;
	struct work_struct fault_work;
	struct delayed_work retry_work;
	u32 retries;
	bool unsettled;
	struct work_struct link_work;
	struct work_struct starve_work;
	struct delayed_work watch_work;
	struct delayed_work watch_idle;
	struct work_struct mode_work;
	struct work_struct reap_work;
	struct workqueue_struct *wq;
	u64 recoveries;
	DECLARE_BITMAP(vlans, VLAN_N_VID);
	DECLARE_BITMAP(vlans_set, VLAN_N_VID);
	struct ceth_dstats dstats;
	struct ceth_health health;
	struct devlink *devlink;
	struct net_device_ops ndo;
	struct xdp_metadata_ops hints;
	struct ethtool_ops eops;
	struct xsk_tx_metadata_ops xsk_ops;
	struct ceth_backend backend;
	struct ceth_verify *verify;
};

/* Configuration lock, taken by the kernel around every operation; by us in
 * work items. rtnl comes with it: changing features, queue counts or the
 * carrier's users needs it.
 */
static inline void ceth_lock(struct ceth_dev *cdev)
{
	rtnl_lock();
	netdev_lock_ops(cdev->netdev);
}

static inline void ceth_unlock(struct ceth_dev *cdev)
{
	netdev_unlock_ops(cdev->netdev);
	rtnl_unlock();
}

/* Have a pair polled now; process context. */
static inline void ceth_pair_poll(struct ceth_pair *pair)
{
	local_bh_disable();
	napi_schedule(&pair->napi);
	/* That is where it is polled. */
	local_bh_enable();
}

/* Count something, in statistics that others may be reading. */
static inline void ceth_count(struct u64_stats_sync *syncp, u64 *counter,
			      u64 n)
{
	u64_stats_update_begin(syncp);
	*counter += n;
	u64_stats_update_end(syncp);
}

static inline bool ceth_has(const struct ceth_dev *cdev, u32 cap)
{
	return cdev->caps.caps & cap;
}

/* TCP's or UDP's place of the checksum, see CETH_CAP_TX_L4 */
static inline bool ceth_tx_l4_offset(u16 csum_offset)
{
	return csum_offset == offsetof(struct tcphdr, check) ||
	       csum_offset == offsetof(struct udphdr, check);
}

/* dev.c */
struct ceth_dev *ceth_make(struct device *dev, const struct ceth_caps *caps,
			   const struct ceth_backend *backend,
			   struct net *net);
void ceth_free(struct ceth_dev *cdev);
int ceth_show(struct ceth_dev *cdev);
void ceth_hide(struct ceth_dev *cdev);

/* caps.c */
bool ceth_caps_ok(struct device *dev, const struct ceth_caps *caps,
		  const struct ceth_ops *ops, const struct ceth_datapath *dp);
void ceth_caps_resolve(struct ceth_caps *caps);

/* verify.c, verify_dp.c: the verifying mode */
int ceth_verify_begin(struct ceth_dev *cdev);
void ceth_verify_end(struct ceth_dev *cdev);
struct ceth_vq *ceth_vq_alloc(struct ceth_dev *cdev, struct ceth_rxq *rxq,
			      struct ceth_txq *txq);
void ceth_vq_free(struct ceth_vq *v);
void ceth_vq_init(struct ceth_vq *v, const struct ceth_ring_conf *conf);
void ceth_vq_look(struct ceth_vq *v);
size_t ceth_verify_room(const struct ceth_dev *cdev, size_t len);
void ceth_verify_quiet(struct ceth_rxq *rxq, struct ceth_txq *txq);
bool ceth_verify_fault(struct ceth_dev *cdev, u32 fault, u16 pair);
irqreturn_t ceth_verify_irq(int irq, void *data);

/* queue.c: one queue, one pair */
struct ceth_rxq *ceth_rxq_alloc(struct ceth_pair *pair,
				const struct ceth_cfg *cfg);
void ceth_rxq_free(struct ceth_rxq *rxq);
struct ceth_txq *ceth_txq_alloc(struct ceth_pair *pair,
				const struct ceth_cfg *cfg, u16 idx);
int ceth_txq_start(struct ceth_txq *txq);
void ceth_txq_drain(struct ceth_txq *txq);
void ceth_txq_stop(struct ceth_txq *txq);
void ceth_txq_free(struct ceth_txq *txq);
void ceth_pair_init(struct ceth_dev *cdev, struct ceth_pair *pair, u16 idx);
int ceth_pair_enable(struct ceth_pair *pair);
void ceth_pair_disable(struct ceth_pair *pair);
int ceth_pair_attach(struct ceth_pair *pair, struct ceth_rxq *rxq,
		     struct ceth_txq *txq);
void ceth_pair_go(struct ceth_pair *pair);
void ceth_pair_close_tx(struct ceth_pair *pair);
void ceth_pair_drain_tx(struct ceth_pair *pair);
void ceth_pair_quiet(struct ceth_pair *pair);
void ceth_pair_detach(struct ceth_pair *pair, struct ceth_rxq **rxq,
		      struct ceth_txq **txq);

/* rx.c, tx.c: beside what the templates use */
void ceth_rx_frame_abort(struct ceth_rxq *rxq);
void ceth_tx_abort(struct ceth_pair *pair, struct ceth_txq *txq, u32 id);

/* gro.c */
void ceth_rx_gso(struct ceth_rxq *rxq, struct sk_buff *skb,
		 const struct ceth_rx_meta *meta);

/* config.c: sequences of the above */
int ceth_make_pair(struct ceth_dev *cdev, const struct ceth_cfg *cfg, u16 i,
		   struct ceth_rxq **rxq, struct ceth_txq **txq);
void ceth_take_pair(struct ceth_dev *cdev, u16 i, struct ceth_rxq **rxq,
		    struct ceth_txq **txq);
int ceth_give_pair(struct ceth_dev *cdev, u16 i, struct ceth_rxq *rxq,
		   struct ceth_txq *txq);
int ceth_show_queues(struct ceth_dev *cdev, u16 n);
int ceth_open(struct net_device *dev);
int ceth_close(struct net_device *dev);
int ceth_start(struct ceth_dev *cdev);
void ceth_stop(struct ceth_dev *cdev);
int ceth_change(struct ceth_dev *cdev, const struct ceth_cfg *cfg,
		struct netlink_ext_ack *extack);
int ceth_recover(struct ceth_dev *cdev);
int ceth_renew_pair(struct ceth_dev *cdev, u16 i);
void ceth_drop_pair(struct ceth_dev *cdev, u16 i);
void ceth_retry(struct ceth_dev *cdev, int err);
int ceth_dev_reset(struct ceth_dev *cdev);
void ceth_settle(struct ceth_dev *cdev);
u32 ceth_rx_room(const struct ceth_dev *cdev, u32 frame_sz);
int ceth_rx_max_apply(struct ceth_dev *cdev, u32 mtu);
u32 ceth_frame_sz(const struct ceth_dev *cdev, u32 mtu, u32 wanted);

/* watch.c */
void ceth_watch_init(struct ceth_dev *cdev);
void ceth_watch_start(struct ceth_dev *cdev);
void ceth_watch_stop(struct ceth_dev *cdev);

/* netdev.c */
void ceth_netdev_ops_init(struct ceth_dev *cdev);
int ceth_features_apply(struct ceth_dev *cdev, netdev_features_t f);
u32 ceth_features_from_net(const struct ceth_dev *cdev, netdev_features_t f);

/* clock.c */
void ceth_clock_ops_init(struct ceth_dev *cdev);
void ceth_clock_register(struct ceth_dev *cdev);
void ceth_clock_unregister(struct ceth_dev *cdev);
int ceth_get_ts_info(struct net_device *dev,
		     struct kernel_ethtool_ts_info *info);

/* shaper.c */
void ceth_shaper_ops_init(struct ceth_dev *cdev);
int ceth_shaper_alloc(struct ceth_dev *cdev);
int ceth_shaper_apply(struct ceth_dev *cdev);
int ceth_shaper_apply_queue(struct ceth_pair *pair, struct ceth_txq *txq);
void ceth_shaper_shrink(struct ceth_dev *cdev, u16 n_pairs);
bool ceth_shaper_slow(const struct ceth_pair *pair);

/* rxmode.c */
void ceth_mode_work(struct work_struct *work);
void ceth_mode_ops_init(struct ceth_dev *cdev);
int ceth_mode_apply(struct ceth_dev *cdev);
int ceth_vlan_apply(struct ceth_dev *cdev);

/* xdp.c */
int ceth_bpf(struct net_device *dev, struct netdev_bpf *bpf);
void ceth_xdp_features(struct ceth_dev *cdev);
void ceth_xdp_hints_init(struct ceth_dev *cdev);
u32 ceth_xdp_max_mtu(const struct ceth_dev *cdev);

/* xsk.c */
int ceth_xsk_setup(struct ceth_dev *cdev, struct xsk_buff_pool *pool, u16 qid);
void ceth_xsk_ops_init(struct ceth_dev *cdev);
bool ceth_xsk_sg(const struct xsk_buff_pool *pool);
u32 ceth_xsk_chunk_room(const struct ceth_dev *cdev, struct xsk_buff_pool *pool);
void ceth_xsk_attach(struct ceth_rxq *rxq);
void ceth_xsk_purge(struct ceth_txq *txq);
int ceth_xsk_mtu(struct ceth_dev *cdev, u32 mtu);
bool ceth_xsk_any(const struct ceth_dev *cdev);

/* hds.c */
int ceth_hds_alloc(struct ceth_rxq *rxq, const struct ceth_cfg *cfg);
void ceth_hds_free(struct ceth_rxq *rxq);
u32 ceth_hds_fill(struct ceth_rxq *rxq, u32 n);
void ceth_hds_timer(struct timer_list *timer);
bool ceth_hds_provided(const struct ceth_dev *cdev, u16 i);
bool ceth_hds_provided_any(const struct ceth_dev *cdev);
const char *ceth_hds_refuses(const struct ceth_dev *cdev);
int ceth_hds_config(struct ceth_dev *cdev, struct ceth_cfg *cfg, bool on,
		    struct netlink_ext_ack *extack);

/* xdpq.c */
void ceth_xdpq_detach(struct ceth_pair *pair);
void ceth_xdpq_update(struct ceth_dev *cdev, u16 n_pairs);

/* qmgmt.c */
void ceth_qmgmt_init(struct ceth_dev *cdev);

/* stats.c */
void ceth_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s);
extern const struct netdev_stat_ops ceth_stat_ops;
int ceth_stats_sset_count(struct net_device *dev, int sset);
void ceth_stats_strings(struct net_device *dev, u32 sset, u8 *data);
void ceth_stats_get(struct net_device *dev, struct ethtool_stats *stats,
		    u64 *data);

/* devstats.c */
int ceth_dstats_alloc(struct ceth_dev *cdev);
void ceth_dstats_free(struct ceth_dev *cdev);
void ceth_dstats_begin(struct ceth_dev *cdev);
void ceth_dstats_refresh(struct ceth_dev *cdev);
void ceth_dstats_link(const struct ceth_dev *cdev, struct rtnl_link_stats64 *s);
void ceth_dstats_base(struct ceth_dev *cdev, struct netdev_queue_stats_rx *rx,
		      struct netdev_queue_stats_tx *tx);
u32 ceth_dstats_count(const struct ceth_dev *cdev);
void ceth_dstats_strings(const struct ceth_dev *cdev, u8 **data);
u64 *ceth_dstats_get(struct ceth_dev *cdev, u64 *data);
void ceth_dstats_ethtool_init(struct ceth_dev *cdev);

/* ethtool.c, rss.c, coalesce.c */
void ceth_ethtool_init(struct ceth_dev *cdev);
void ceth_rss_ethtool_init(struct ceth_dev *cdev);
void ceth_coalesce_ethtool_init(struct ceth_dev *cdev);
int ceth_rss_alloc(struct ceth_dev *cdev);
void ceth_rss_free(struct ceth_dev *cdev);
void ceth_rss_default(const struct ceth_dev *cdev, struct ceth_rss *rss);
int ceth_rss_apply(struct ceth_dev *cdev);
int ceth_rss_apply_ctx(struct ceth_dev *cdev);
struct ceth_rss *ceth_rss_find(struct ceth_dev *cdev, u32 ctx);
u32 ceth_rss_last(const struct ceth_dev *cdev, const struct ceth_rss *rss);
u32 ceth_rss_needs(struct ceth_dev *cdev);
void ceth_rss_resize(struct ceth_rss *rss, bool user, u16 n_pairs,
		     u16 indir_len);
int ceth_coalesce_apply_new(struct ceth_dev *cdev, u16 from, u16 to);
int ceth_coalesce_apply(struct ceth_dev *cdev);
int ceth_coalesce_apply_pair(struct ceth_pair *pair);
void ceth_coalesce_init(struct ceth_pair *pair);
void ceth_dim_stop(struct ceth_pair *pair);

/* ntuple.c */
int ceth_get_rules(struct net_device *dev, struct ethtool_rxnfc *nfc,
		   u32 *locs);
int ceth_set_rules(struct net_device *dev, struct ethtool_rxnfc *nfc);
int ceth_rules_apply(struct ceth_dev *cdev);
bool ceth_rules_use(struct ceth_dev *cdev, u16 from);
bool ceth_rules_name(const struct ceth_dev *cdev, u32 ctx, u32 *add);
int ceth_rules_alloc(struct ceth_dev *cdev);

/* devlink.c */
extern const char * const ceth_fault_names[CETH_FAULT_NUM];
int ceth_devlink_create(struct ceth_dev *cdev, const struct ceth_caps *caps);
void ceth_devlink_register(struct ceth_dev *cdev);
void ceth_devlink_unregister(struct ceth_dev *cdev);
void ceth_devlink_destroy(struct ceth_dev *cdev);
int ceth_devlink_port(struct ceth_devlink *cdl, struct ceth_dev *cdev);
void ceth_health_report(struct ceth_dev *cdev, enum ceth_fault fault);

/* functions.c */
int ceth_func_port_new(struct devlink *devlink,
		       const struct devlink_port_new_attrs *attrs,
		       struct netlink_ext_ack *extack,
		       struct devlink_port **port);
void ceth_funcs_remove(struct ceth_devlink *cdl);
bool ceth_func_has_addr(const struct ceth_dev *cdev, const u8 *addr);
int ceth_func_tx_max_set(struct devlink_rate *rate, void *priv, u64 tx_max,
			 struct netlink_ext_ack *extack);
int ceth_func_resources(struct ceth_devlink *cdl);

/* reload.c */
int ceth_params_register(struct ceth_devlink *cdl);
void ceth_params_unregister(struct ceth_devlink *cdl);
int ceth_reload_down(struct devlink *devlink, bool netns_change,
		     enum devlink_reload_action action,
		     enum devlink_reload_limit limit,
		     struct netlink_ext_ack *extack);
int ceth_reload_up(struct devlink *devlink, enum devlink_reload_action action,
		   enum devlink_reload_limit limit, u32 *performed,
		   struct netlink_ext_ack *extack);

#endif /* _CETH_CORE_H */
