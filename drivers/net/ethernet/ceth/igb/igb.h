/* SPDX-License-Identifier: GPL-2.0 */
/* CETH driver of the Intel 82576: what its files share. */
#ifndef _CETH_IGB_H
#define _CETH_IGB_H

#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/spinlock.h>

#include <net/ceth/compat.h>
#include <net/ceth/ceth.h>
#include <net/ceth/queue.h>
#include <net/ceth/datapath.h>

#include "igb_hw.h"

#define CIGB_MAX_STATS	40

struct cigb {
	void __iomem *regs;
	struct pci_dev *pdev;
	struct ceth_caps caps;
	bool up;		/* interrupts are wanted */
	u32 rctl;		/* RCTL, but for the filter's modes */
	u64 stats[CIGB_MAX_STATS];	/* counted since dev_init */
	s32 slew;		/* what the clock's increment is off by */
	spinlock_t time_lock;	/* protects the following */
	u64 cycles;		/* of the device's clock */
	u64 ns;			/* what time it was then */
	ktime_t left;		/* when the clock was reset */
};

/* What the driver has to remember of a descriptor, which says nothing about it
 * when the device is done
 */
struct cigb_slot {
	u16 id;
	u16 n;			/* transmit: descriptors of the packet */
};

/* A ring of either direction. It has more descriptors than the queue has ids:
 * a full one would look empty (7.1.8), and contexts take some of transmit.
 */
struct cigb_queue {
	union {
		struct cigb_rx_desc *rx;
		struct cigb_tx_desc *tx;
	};
	struct cigb_slot *slots;
	u32 n;			/* descriptors */
	u32 tail;		/* next one to write */
	u32 rung;		/* what the device has been told of */
	u32 plenty;		/* receive: with more than this there is no hurry */
	void __iomem *doorbell;	/* NULL: stopped */
	struct cigb *v;
	u64 ctx[2];		/* transmit: context that is in force */
	u32 next ____cacheline_aligned_in_smp;	/* next completion */
	__le32 *head;		/* transmit: where the device writes its own */
	struct ceth_ring_conf conf;
	dma_addr_t dma;
};

static inline u32 cigb_read(const struct cigb *v, u32 reg)
{
	return readl(v->regs + reg);
}

static inline void cigb_write(const struct cigb *v, u32 reg, u32 val)
{
	writel(val, v->regs + reg);
}

/* Not the same for ever: see ceth_create(). */
static inline struct ceth_dev *cigb_cdev(const struct cigb *v)
{
	return pci_get_drvdata(v->pdev);
}

static inline bool cigb_gone(const struct cigb *v)
{
	return cigb_read(v, CIGB_STATUS) == CIGB_GONE;
}

/* Vector 0 is not about a queue. */
static inline u32 cigb_vector(u16 pair)
{
	return pair + 1;
}

/* admin.c */
extern const struct ceth_ops cigb_ops;
void cigb_caps(struct cigb *v);

/* ring.c */
int cigb_ring_alloc(void *priv, void *ring, const struct ceth_ring_conf *conf);
void cigb_ring_free(void *priv, void *ring);
void cigb_ring_init(void *priv, void *ring, const struct ceth_ring_conf *conf);
int cigb_ring_start(void *priv, void *ring);
int cigb_ring_stop(void *priv, void *ring);

/* datapath.c */
extern const struct ceth_datapath cigb_dp;

/* clock.c */
void cigb_clock_stop(struct cigb *v);
void cigb_clock_start(struct cigb *v);
u64 cigb_clock_read(void *priv);
int cigb_clock_set(void *priv, const struct ceth_clock *change);
u64 cigb_tx_stamp(struct cigb *v);

#endif /* _CETH_IGB_H */
