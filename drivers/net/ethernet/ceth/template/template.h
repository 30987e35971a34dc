/* SPDX-License-Identifier: GPL-2.0 */
/* CETH backend template: what its files share.
 *
 * For a NIC on PCI, with MSI-X and rings of descriptors that the device completes
 * in place and in order. It builds, and drives nothing yet.
 *
 *   main.c		bus driver: as it is, but for the table of PCI IDs
 *   hw.c		registers: all of it is the vendor's. What is not filled in
 *			fails, and says in the log which registers it is about
 *   datapath.c		rings: as it is, if descriptors are like those below
 *
 * Documentation/networking/ceth/backend.rst is the contract.
 */
#ifndef _CETH_TEMPLATE_H
#define _CETH_TEMPLATE_H

#include <linux/io.h>
#include <linux/pci.h>

#include <net/ceth/compat.h>
#include <net/ceth/ceth.h>
#include <net/ceth/queue.h>
#include <net/ceth/datapath.h>

/* The vendor's: a descriptor, of both directions here. @len is the driver's in
 * transmit descriptors, the device's in those of receive.
 */
struct ctmpl_desc {
	__le64 addr;
	__le32 len;
	__le32 flags;
};

/* The vendor's: bits of &ctmpl_desc.flags */
#define CTMPL_D_DONE	BIT(0)	/* the device is through with it; written last */
#define CTMPL_D_EOP	BIT(1)	/* last one of a packet */

/* What the driver knows about a descriptor. The device knows no ids, and could
 * change what it can reach.
 */
struct ctmpl_slot {
	u16 id;
	u16 last;		/* transmit: slot of the packet's last descriptor */
};

/* A ring of either direction. Indexes run free. There are two descriptors for each
 * id, as head and tail of most devices are slots: equal ones mean an empty ring,
 * so that it must never be full.
 */
struct ctmpl_queue {
	struct ctmpl_desc *desc;
	struct ctmpl_slot *slots;
	void __iomem *tail_reg;	/* doorbell; NULL: stopped */
	void __iomem *irq_reg;	/* lets the pair's vector through again */
	u32 irq_on;		/* what to write there */
	u32 mask;		/* descriptors - 1 */
	u32 tail;		/* next descriptor to write */
	u32 rung;		/* what the device has been told of */
	dma_addr_t dma;
	struct ceth_ring_conf conf;
	u32 next ____cacheline_aligned_in_smp;	/* next one to complete */
};

struct ctmpl {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct ceth_caps caps;
};

/* Not the same for ever: see ceth_create(). */
static inline struct ceth_dev *ctmpl_cdev(const struct ctmpl *v)
{
	return pci_get_drvdata(v->pdev);
}

/* hw.c */
extern const struct ceth_ops ctmpl_ops;
int ctmpl_identify(struct pci_dev *pdev);
int ctmpl_read_caps(struct ctmpl *v);

/* datapath.c */
extern const struct ceth_datapath ctmpl_dp;

#endif /* _CETH_TEMPLATE_H */
