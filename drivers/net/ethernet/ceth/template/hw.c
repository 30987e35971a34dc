// SPDX-License-Identifier: GPL-2.0
/* CETH backend template: registers.
 *
 * Every function is the vendor's. Until it is written it fails, and says what
 * belongs there: none of them pretends. In the order in which the core calls them;
 * one at a time, in process context, except for event. A device that is gone reads
 * as all ones: wait for no bit for ever.
 */
#include <linux/dma-mapping.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "template.h"

static int ctmpl_missing(struct pci_dev *pdev, const char *func,
			 const char *what)
{
	dev_err(&pdev->dev, "%s() is not filled in: %s\n", func, what);
	return -EOPNOTSUPP;
}

/* Is it one of ours? PCI IDs, and the revision where the driver is not for all of
 * them. Return 0, or -ENODEV for others. Nothing is mapped yet.
 */
int ctmpl_identify(struct pci_dev *pdev)
{
	return ctmpl_missing(pdev, __func__,
			     "PCI vendor and device ID, revision");
}

/* Registers of capabilities, and the memory that holds the address. The numbers
 * here are what the core asks of any device, or what datapath.c can do;
 * capabilities and features that are not stated are missing for the user, too.
 * Beside those below there are: RSS, rules, VLANs, checksums and segmentation,
 * moderation, clock, rates, header split, statistics, functions. For each, state it,
 * write its callback (the table in backend.rst), and what a packet needs of
 * it in datapath.c.
 */
int ctmpl_read_caps(struct ctmpl *v)
{
	struct ceth_caps *caps = &v->caps;

	caps->tx_max_segs = MAX_SKB_FRAGS + 1;	/* no fewer */
	caps->rx_ring.min = 64;
	caps->rx_ring.max = 1024;	/* the device's, by two */
	caps->tx_ring = caps->rx_ring;
	caps->max_mtu = ETH_DATA_LEN;
	/* Without these the whole device restarts where a queue would do,
	 * every frame is taken, and there is always a link.
	 */
	caps->caps = CETH_CAP_QUEUE_RESTART | CETH_CAP_RX_MODE |
		     CETH_CAP_SET_MAC | CETH_CAP_LINK;
	return ctmpl_missing(v->pdev, __func__,
			     "number of queue pairs, ring sizes, longest packet and MTU, filters, address (max_pairs, rx_ring, tx_ring, tx_max_size, max_mtu, max_filters, mac)");
}

/* The reset register of the function, then its status, until it is through; it also
 * masks every interrupt. Whatever happens, the device reaches no memory when
 * this returns: if nothing else helps, pci_clear_master(). Also for a
 * device that does not answer, or is gone (-ENODEV).
 */
static int ctmpl_dev_reset(void *priv)
{
	struct ctmpl *v = priv;

	pci_clear_master(v->pdev);
	return ctmpl_missing(v->pdev, __func__,
			     "reset register, its status, interrupt mask");
}

/* After the reset: which cause raises which vector (vector 0 for events, 1 + n for
 * pair n; all are 0 if there is one only), PHY and link on, event interrupts let
 * through. No queue yet.
 */
static int ctmpl_dev_init(void *priv)
{
	struct ctmpl *v = priv;

	pci_set_master(v->pdev);
	return ctmpl_missing(v->pdev, __func__,
			     "vectors of causes, PHY, mask of event interrupts");
}

/* The switches that let frames in and out, over @n_pairs pairs, all of which are
 * started. Not needed where a queue works as soon as it is enabled.
 */
static int ctmpl_dev_run(void *priv, u16 n_pairs)
{
	struct ctmpl *v = priv;

	return ctmpl_missing(v->pdev, __func__,
			     "global receive and transmit enable");
}

/* How many pairs the device spreads frames over: its table of queues, or the
 * register with their number. Without RSS all frames go to the first.
 */
static int ctmpl_set_pairs(void *priv, u16 n_pairs)
{
	struct ctmpl *v = priv;

	return ctmpl_missing(v->pdev, __func__,
			     "number of queues that frames are spread over");
}

/* Vector 0, hard interrupt: read (and clear) the cause, then ceth_link_changed() of
 * ctmpl_cdev(), or ceth_fault(..., CETH_FAULT_DEVICE, 0) for errors that
 * only a reset cures; let the vector through again. Whatever state the device is
 * in, and the interrupt may be another's. As it is, none comes.
 */
static void ctmpl_event(void *priv)
{
}

/* Memory, no registers: the queue of this index may be running. */
static int ctmpl_ring_alloc(void *priv, void *ring,
			    const struct ceth_ring_conf *conf)
{
	struct ctmpl_queue *q = ring;
	u32 n = conf->size * 2;
	struct ctmpl *v = priv;

	q->slots = kvcalloc(n, sizeof(*q->slots), GFP_KERNEL);
	if (!q->slots)
		return -ENOMEM;
	q->desc = dma_alloc_coherent(&v->pdev->dev, n * sizeof(*q->desc),
				     &q->dma, GFP_KERNEL);
	if (!q->desc) {
		kvfree(q->slots);
		return -ENOMEM;
	}
	q->mask = n - 1;
	q->conf = *conf;
	return 0;
}

static void ctmpl_ring_free(void *priv, void *ring)
{
	struct ctmpl_queue *q = ring;
	struct ctmpl *v = priv;

	dma_free_coherent(&v->pdev->dev, (q->mask + 1) * sizeof(*q->desc),
			  q->desc, q->dma);
	kvfree(q->slots);
}

static void ctmpl_ring_init(void *priv, void *ring,
			    const struct ceth_ring_conf *conf)
{
	struct ctmpl_queue *q = ring;

	memset(q->desc, 0, (q->mask + 1) * sizeof(*q->desc));
	q->tail = 0;
	q->rung = 0;
	q->next = 0;
}

/* Registers of queue conf.idx, direction conf.tx: base address (dma), length
 * (mask + 1 descriptors), head (0), for receive the bytes of a buffer
 * (conf.buf_len, and no more, whatever comes in), its vector (of pair
 * conf.irq); then enable, wait until it says that it is, and write the tail:
 * a receive ring is full already. Last of all, WRITE_ONCE(q->tail_reg, ...): from
 * then on datapath.c rings; irq_reg and irq_on of a receive queue come before it.
 */
static int ctmpl_ring_start(void *priv, void *ring)
{
	struct ctmpl *v = priv;

	return ctmpl_missing(v->pdev, __func__,
			     "base, length, head, tail, buffer length, vector and enable of a queue");
}

/* Enable off, and wait until the queue says that it is idle: then the device owns no
 * buffer of it. What has been completed stays in the ring. After dev_reset
 * there is nothing to say to the device.
 */
static int ctmpl_ring_stop(void *priv, void *ring)
{
	struct ctmpl_queue *q = ring;
	struct ctmpl *v = priv;

	WRITE_ONCE(q->tail_reg, NULL);
	return ctmpl_missing(v->pdev, __func__, "enable of a queue, its state");
}

/* Register of the address that frames are taken for */
static int ctmpl_set_mac(void *priv, const u8 *mac)
{
	struct ctmpl *v = priv;

	return ctmpl_missing(v->pdev, __func__, "station address");
}

/* Registers of the receive filter: promiscuous, all multicast, and the list of
 * addresses, or a hash of them. The core never passes more than max_filters.
 */
static int ctmpl_set_rx_mode(void *priv, const struct ceth_rx_mode *mode)
{
	struct ctmpl *v = priv;

	return ctmpl_missing(v->pdev, __func__,
			     "promiscuous, all-multicast, address filters");
}

/* Status of PHY or MAC, also while the device is down: link->up, link->speed in
 * Mbit/s, link->full_duplex. As it is, there is no link.
 */
static void ctmpl_get_link(void *priv, struct ceth_link *link)
{
}

/* For ``devlink health dump``: what one would ask a user for. Reading must have no
 * effect.
 */
static void ctmpl_dump(void *priv, struct seq_file *s)
{
	struct ctmpl *v = priv;

	seq_printf(s, "%s: no registers yet\n", pci_name(v->pdev));
}

const struct ceth_ops ctmpl_ops = {
	.dev_init	= ctmpl_dev_init,
	.dev_run	= ctmpl_dev_run,
	.event		= ctmpl_event,
	.dev_reset	= ctmpl_dev_reset,
	.set_pairs	= ctmpl_set_pairs,
	.ring_alloc	= ctmpl_ring_alloc,
	.ring_free	= ctmpl_ring_free,
	.ring_init	= ctmpl_ring_init,
	.ring_start	= ctmpl_ring_start,
	.ring_stop	= ctmpl_ring_stop,
	.set_mac	= ctmpl_set_mac,
	.set_rx_mode	= ctmpl_set_rx_mode,
	.get_link	= ctmpl_get_link,
	.dump		= ctmpl_dump,
};
