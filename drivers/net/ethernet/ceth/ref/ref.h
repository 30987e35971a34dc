/* SPDX-License-Identifier: GPL-2.0 */
/* CETH driver of the reference NIC: what its files share.
 *
 * The device is described in Documentation/networking/ceth/refnic.rst.
 */
#ifndef _CETH_REF_H
#define _CETH_REF_H

#include <net/ceth/compat.h>
#include <net/ceth/ceth.h>
#include <net/ceth/queue.h>
#include <net/ceth/datapath.h>

#include "../refhw/refnic_bus.h"
#include "../refhw/refnic_hw.h"

#define CREF_AQ_ORDER	4
/* Data of a command: a table of addresses, or a key and a table of queues */
#define CREF_DATA_LEN	4096

/* A ring of either direction. Indexes run free. */
struct cref_queue {
	struct refnic_desc *desc;
	struct refnic_cmpl *cmpl;
	union refnic_more *more;
	u32 mask;		/* size - 1 */
	u32 tail;		/* next descriptor to write */
	u32 rung;		/* what the device has been told of */
	u32 doorbell;		/* register; 0: stopped */
	struct refnic_device *rdev;
	u16 vector;
	u16 qid;		/* that the device has given to the queue */
	struct ceth_ring_conf conf;
	u32 next ____cacheline_aligned_in_smp;	/* next completion */
};

struct cref {
	struct refnic_device *rdev;
	struct ceth_caps caps;
	u64 feat;		/* features in use */
	bool up;		/* the admin queue works */
	bool broken;		/* only a reset helps */
	struct refnic_cmd *aq;
	dma_addr_t aq_dma;
	u32 aq_tail;
	void *data;		/* of a command */
	dma_addr_t data_dma;
};

/* Not the same for ever: see ceth_create(). */
static inline struct ceth_dev *cref_cdev(const struct cref *v)
{
	return dev_get_drvdata(&v->rdev->dev);
}

static inline bool cref_gone(const struct cref *v)
{
	return refnic_read(v->rdev, REFNIC_REG_ID) == REFNIC_GONE;
}

/* main.c */
u32 cref_offloads(const struct cref *v, u32 features);

/* admin.c */
int cref_admin_alloc(struct cref *v);
int cref_command(struct cref *v, u16 op, struct refnic_cmd *cmd);
int cref_ring_start(void *priv, void *ring);
int cref_ring_stop(void *priv, void *ring);
int cref_set_features(void *priv, u32 on, u32 changed);
int cref_set_mac(void *priv, const u8 *mac);
int cref_set_rx_mode(void *priv, const struct ceth_rx_mode *mode);
int cref_set_vlan(void *priv, u16 vid, bool on);
int cref_set_rss(void *priv, u16 ctx, const struct ceth_rss *rss);
int cref_set_rule(void *priv, u16 loc, const struct ceth_rule *rule);
int cref_set_tx_rate(void *priv, void *ring, u32 mbps);
int cref_set_shaper(void *priv, void *ring, const struct ceth_shaper *s);
int cref_clock_set(void *priv, const struct ceth_clock *change);
int cref_set_coalesce(void *priv, u16 pair, const struct ceth_coalesce *coal);

/* stats.c */
void cref_stats_caps(struct cref *v);
int cref_get_stats(void *priv, u64 *val);

/* func.c */
int cref_func_add(void *priv, u16 *id);
int cref_func_set(void *priv, u16 id, const struct ceth_func *func);
int cref_func_del(void *priv, u16 id);
bool cref_func_attached(void *priv, u16 id);

/* datapath.c */
extern const struct ceth_datapath cref_dp;

#endif /* _CETH_REF_H */
