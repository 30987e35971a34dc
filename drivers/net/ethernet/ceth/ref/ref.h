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
#define CREF_KEY_ROOM	CETH_RSS_KEY_MAX

/**
 * struct cref_queue - a queue, of either direction
 * @desc: descriptors
 * @cmpl: completions
 * @words: receive: what was said of each id's frame
 * @mask: size - 1
 * @tail: next descriptor to write, free running
 * @rung: transmit: descriptors that the device has been told of
 * @next: next completion, free running
 * @doorbell: register; 0: stopped
 * @rdev: the device
 * @vector: interrupt of the pair
 * @qid: number that the device has given to the queue
 * @dma: DMA address of @desc; completions follow
 * @len: bytes of both
 * @cmpl_off: where completions begin
 */
struct cref_queue {
	void *desc;
	void *cmpl;
	u64 *words;
	u32 mask;
	u32 tail;
	u32 rung;
	u32 doorbell;
	struct refnic_device *rdev;
	u16 vector;
	u16 qid;
	dma_addr_t dma;
	u32 len;
	u32 cmpl_off;
	u32 next ____cacheline_aligned_in_smp;
};

/**
 * struct cref - one device
 * @rdev: on its bus
 * @cdev: the core's side of it
 * @caps: what the core was told
 * @feat: features in use
 * @filters: addresses that the filter can hold
 * @up: the admin queue works
 * @broken: the device has stopped answering; only a reset helps
 * @aq: admin queue
 * @aq_dma: its DMA address
 * @aq_tail: next command
 * @data: data of a command
 * @data_dma: its DMA address
 */
struct cref {
	struct refnic_device *rdev;
	struct ceth_dev *cdev;
	struct ceth_caps caps;
	u64 feat;
	u32 filters;
	bool up;
	bool broken;
	struct refnic_cmd *aq;
	dma_addr_t aq_dma;
	u32 aq_tail;
	void *data;
	dma_addr_t data_dma;
};

static inline bool cref_gone(const struct cref *v)
{
	return refnic_read(v->rdev, REFNIC_REG_ID) == REFNIC_GONE;
}

/* admin.c */
int cref_admin_alloc(struct cref *v);
int cref_command(struct cref *v, struct refnic_cmd *cmd);
int cref_queue_create(struct cref *v, struct cref_queue *q, u16 index, u16 op,
		      u32 buf_len);
int cref_queue_destroy(struct cref *v, struct cref_queue *q);
int cref_set_features(void *priv, u32 on, u32 changed);
int cref_set_mac(void *priv, const u8 *mac);
int cref_set_rx_mode(void *priv, const struct ceth_rx_mode *mode);
int cref_vlan_add(void *priv, u16 vid);
int cref_vlan_del(void *priv, u16 vid);
int cref_set_rss(void *priv, const struct ceth_rss *rss);
int cref_set_rule(void *priv, u16 loc, const struct ceth_rule *rule);
int cref_set_tx_rate(struct ceth_txq *txq, u32 mbps);
int cref_clock_set(void *priv, const struct ceth_clock *change);
int cref_set_coalesce(void *priv, u16 pair, const struct ceth_coalesce *coal);

/* datapath.c */
extern const struct ceth_datapath cref_dp;

#endif /* _CETH_REF_H */
