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

/* A ring of either direction. Indexes run free. */
struct cref_queue {
	struct refnic_desc *desc;
	struct refnic_cmpl *cmpl;
	union refnic_more *more;
	u32 mask;		/* size - 1 */
	u32 tail;		/* next descriptor to write */
	u32 rung;		/* what the device has been told of */
	u32 doorbell;		/* register, and name; 0: stopped */
	struct refnic_device *rdev;
	struct ceth_ring_conf conf;
	u32 next ____cacheline_aligned_in_smp;	/* next completion */
};

struct cref {
	struct refnic_device *rdev;
	struct ceth_caps caps;
	u64 feat;		/* features in use */
	bool up;		/* it takes commands */
	bool broken;		/* only a reset helps */
	struct refnic_mbox *mbox;
	dma_addr_t mbox_dma;
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

/* admin.c */
extern const struct ceth_ops cref_ops;

/* datapath.c */
extern const struct ceth_datapath cref_dp;

#endif /* _CETH_REF_H */
