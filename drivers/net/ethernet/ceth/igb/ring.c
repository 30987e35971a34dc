// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the Intel 82576: rings, from memory to the registers of a
 * queue.
 */
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>

#include "igb.h"

/* Rings are multiples of 128 bytes (8.10.7). */
#define CIGB_SPARE		8
#define CIGB_DESC		sizeof(struct cigb_rx_desc)
#define CIGB_QUEUE_MS		100

/* A packet has a context at most. */
static u32 cigb_ring_len(const struct ceth_ring_conf *conf)
{
	return conf->size * (conf->tx ? 2 : 1) + CIGB_SPARE;
}

/* With room behind for the head that the device writes. */
static size_t cigb_ring_bytes(u32 n)
{
	return n * CIGB_DESC + SMP_CACHE_BYTES;
}

int cigb_ring_alloc(void *priv, void *ring, const struct ceth_ring_conf *conf)
{
	u32 n = cigb_ring_len(conf);
	struct cigb_queue *q = ring;
	struct cigb *v = priv;

	q->slots = kvcalloc(n, sizeof(*q->slots), GFP_KERNEL);
	if (!q->slots)
		return -ENOMEM;
	q->rx = dma_alloc_coherent(&v->pdev->dev, cigb_ring_bytes(n), &q->dma,
				   GFP_KERNEL);
	if (!q->rx) {
		kvfree(q->slots);
		return -ENOMEM;
	}
	q->v = v;
	q->n = n;
	q->conf = *conf;
	q->head = (void *)(q->rx + n);
	return 0;
}

void cigb_ring_free(void *priv, void *ring)
{
	struct cigb_queue *q = ring;
	struct cigb *v = priv;

	dma_free_coherent(&v->pdev->dev, cigb_ring_bytes(q->n), q->rx, q->dma);
	kvfree(q->slots);
}

void cigb_ring_init(void *priv, void *ring, const struct ceth_ring_conf *conf)
{
	struct cigb_queue *q = ring;
	u32 i;

	memset(q->rx, 0, cigb_ring_bytes(q->n));
	/* Whatever the device says: a packet has a descriptor. */
	for (i = 0; i < q->n; i++)
		q->slots[i] = (struct cigb_slot){ .n = 1 };
	memset(q->ctx, 0xff, sizeof(q->ctx));
	q->plenty = conf->size / 2;
	q->tail = 0;
	q->rung = 0;
	q->next = 0;
}

static u32 cigb_reg(const struct cigb_queue *q, u32 reg)
{
	return q->conf.tx ? CIGB_TXQ(q->conf.idx, reg) :
			    CIGB_RXQ(q->conf.idx, reg);
}

/* Queue by queue the vector of each direction has a byte. */
static void cigb_ring_vector(const struct cigb_queue *q)
{
	u32 shift = CIGB_IVAR_SHIFT(q->conf.idx, q->conf.tx);
	const struct cigb *v = q->v;
	u32 val = cigb_read(v, CIGB_IVAR(q->conf.idx));

	val &= ~(0xff << shift);
	val |= (cigb_vector(q->conf.irq) | CIGB_IVAR_VALID) << shift;
	cigb_write(v, CIGB_IVAR(q->conf.idx), val);
}

/* A queue says so itself when it is on, or off (4.5.9, 4.5.10). */
static int cigb_ring_enable(const struct cigb_queue *q, u32 ctl)
{
	u32 val;
	int err;

	cigb_write(q->v, cigb_reg(q, CIGB_Q_CTL), ctl);
	err = read_poll_timeout(cigb_read, val, !((val ^ ctl) & CIGB_Q_ENABLE),
				10, CIGB_QUEUE_MS * USEC_PER_MSEC, false,
				q->v, cigb_reg(q, CIGB_Q_CTL));
	return val == CIGB_GONE ? -ENODEV : err;
}

/* The write-back of the head has no use for thresholds (7.2.3). Without buffers
 * the device throws away what is for this queue, so that the others go on.
 */
int cigb_ring_start(void *priv, void *ring)
{
	u32 ctl = CIGB_Q_ENABLE | FIELD_PREP(CIGB_Q_PREFETCH, 8) |
		  FIELD_PREP(CIGB_Q_HOST, 8);
	struct cigb_queue *q = ring;
	const struct cigb *v = priv;
	dma_addr_t head;
	int err;

	cigb_ring_vector(q);
	cigb_write(v, cigb_reg(q, CIGB_Q_BASE), lower_32_bits(q->dma));
	cigb_write(v, cigb_reg(q, CIGB_Q_BASE + 4), upper_32_bits(q->dma));
	cigb_write(v, cigb_reg(q, CIGB_Q_LEN), q->n * CIGB_DESC);
	cigb_write(v, cigb_reg(q, CIGB_Q_HEAD), 0);
	cigb_write(v, cigb_reg(q, CIGB_Q_TAIL), 0);
	if (q->conf.tx) {
		head = q->dma + q->n * CIGB_DESC;
		cigb_write(v, cigb_reg(q, CIGB_Q_HEAD_WB),
			   lower_32_bits(head) | CIGB_HEAD_WB_ENABLE);
		cigb_write(v, cigb_reg(q, CIGB_Q_HEAD_WB + 4),
			   upper_32_bits(head));
	} else {
		cigb_write(v, cigb_reg(q, CIGB_Q_SRRCTL),
			   DIV_ROUND_UP(q->conf.buf_len, SZ_1K) |
			   CIGB_SRRCTL_ADVANCED | CIGB_SRRCTL_DROP);
		ctl |= FIELD_PREP(CIGB_Q_WRITE_BACK, 1);
	}
	err = cigb_ring_enable(q, ctl);
	if (err)
		return err;
	/* What was posted before is visible now. */
	q->rung = q->tail;
	dma_wmb();
	cigb_write(v, cigb_reg(q, CIGB_Q_TAIL), q->tail);
	WRITE_ONCE(q->doorbell, v->regs + cigb_reg(q, CIGB_Q_TAIL));
	return 0;
}

int cigb_ring_stop(void *priv, void *ring)
{
	struct cigb_queue *q = ring;
	const struct cigb *v = priv;
	int err;

	WRITE_ONCE(q->doorbell, NULL);
	if (!v->up)	/* the reset of the device has stopped all queues */
		return 0;
	err = cigb_ring_enable(q, 0);
	/* Pulled out: it reaches no memory any more. */
	return err == -ENODEV ? 0 : err;
}
