/* SPDX-License-Identifier: GPL-2.0 */
/* Intel 82576: registers and descriptors.
 *
 * Numbers in parentheses are sections of the 82576 Gigabit Ethernet Controller
 * Datasheet. Only what the driver uses is here.
 */
#ifndef _CETH_IGB_HW_H
#define _CETH_IGB_HW_H

#include <linux/bits.h>
#include <linux/types.h>

#define CIGB_QUEUES		8	/* that have a vector of their own */
#define CIGB_GONE		(~0U)	/* what a register of no device reads */

/* Device (8.2) */
#define CIGB_CTRL		0x00000
#define  CIGB_CTRL_NO_MASTER	BIT(2)
#define  CIGB_CTRL_LINK_UP	BIT(6)
#define  CIGB_CTRL_FORCE_SPEED	BIT(11)
#define  CIGB_CTRL_FORCE_DUPLEX	BIT(12)
#define  CIGB_CTRL_RESET	BIT(26)
#define  CIGB_CTRL_VLAN		BIT(30)
#define CIGB_STATUS		0x00008
#define  CIGB_STATUS_DUPLEX	BIT(0)
#define  CIGB_STATUS_LINK	BIT(1)
#define  CIGB_STATUS_SPEED	GENMASK(7, 6)
#define  CIGB_STATUS_MASTER	BIT(19)
#define CIGB_EECD		0x00010
#define  CIGB_EECD_PRESENT	BIT(8)
#define  CIGB_EECD_LOADED	BIT(9)
#define CIGB_MDIC		0x00020
#define  CIGB_MDIC_DATA		GENMASK(15, 0)
#define  CIGB_MDIC_REG		GENMASK(20, 16)
#define  CIGB_MDIC_PHY		GENMASK(25, 21)
#define  CIGB_MDIC_WRITE	BIT(26)
#define  CIGB_MDIC_READ		BIT(27)
#define  CIGB_MDIC_READY	BIT(28)
#define  CIGB_MDIC_ERROR	BIT(30)
#define CIGB_PHY		1	/* address of the internal PHY (3.5.2) */

/* Interrupts (7.3, 8.8) */
#define CIGB_ICR		0x000c0
#define CIGB_IMS		0x000d0
#define CIGB_IMC		0x000d8
#define  CIGB_INT_LINK		BIT(2)
#define CIGB_GPIE		0x01514
#define  CIGB_GPIE_NSICR	BIT(0)
#define  CIGB_GPIE_MSIX		BIT(4)
#define  CIGB_GPIE_AUTO_MASK	BIT(30)
#define  CIGB_GPIE_PBA		BIT(31)
#define CIGB_EIMS		0x01524
#define CIGB_EIMC		0x01528
#define CIGB_EIAC		0x0152c
#define CIGB_EIAM		0x01530
#define CIGB_EITR(v)		(0x01680 + (v) * 4)
#define  CIGB_EITR_USECS	GENMASK(14, 2)
#define  CIGB_EITR_KEEP		BIT(31)
/* One register for each of eight queues: receive, transmit, and the same of the
 * queue eight further on (8.8.15)
 */
#define CIGB_IVAR(q)		(0x01700 + ((q) & 7) * 4)
#define CIGB_IVAR_SHIFT(q, tx)	(((q) & 8) * 2 + (tx) * 8)
#define CIGB_IVAR_MISC		0x01740
#define  CIGB_IVAR_OTHER	8	/* shift */
#define  CIGB_IVAR_VALID	BIT(7)

/* Receive (8.10) */
#define CIGB_RCTL		0x00100
#define  CIGB_RCTL_ENABLE	BIT(1)
#define  CIGB_RCTL_ALL_UC	BIT(3)
#define  CIGB_RCTL_ALL_MC	BIT(4)
#define  CIGB_RCTL_LONG		BIT(5)
#define  CIGB_RCTL_BROADCAST	BIT(15)
#define  CIGB_RCTL_VLAN_FILTER	BIT(18)
#define  CIGB_RCTL_STRIP_FCS	BIT(26)
#define CIGB_RXCSUM		0x05000
#define  CIGB_RXCSUM_IP		BIT(8)
#define  CIGB_RXCSUM_L4		BIT(9)
#define  CIGB_RXCSUM_HASH	BIT(13)	/* in place of the packet's sum */
#define CIGB_RLPML		0x05004
#define CIGB_MTA(i)		(0x05200 + (i) * 4)
#define CIGB_MTA_LEN		128
#define CIGB_RA_LEN		24
#define CIGB_RAL(i)		((i) < 16 ? 0x05400 + (i) * 8 : \
					    0x054e0 + ((i) - 16) * 8)
#define CIGB_RAH(i)		(CIGB_RAL(i) + 4)
#define  CIGB_RAH_VALID		BIT(31)
#define CIGB_VFTA(i)		(0x05600 + (i) * 4)
#define CIGB_VFTA_LEN		128
#define CIGB_MRQC		0x05818
#define  CIGB_MRQC_RSS		2
#define  CIGB_MRQC_TCPV4	BIT(16)
#define  CIGB_MRQC_IPV4		BIT(17)
#define  CIGB_MRQC_TCPV6EX	BIT(18)
#define  CIGB_MRQC_IPV6		BIT(20)
#define  CIGB_MRQC_TCPV6	BIT(21)
#define  CIGB_MRQC_UDPV4	BIT(22)
#define  CIGB_MRQC_UDPV6	BIT(23)
#define CIGB_RETA(i)		(0x05c00 + (i) * 4)
#define CIGB_RETA_LEN		128	/* entries, four a register */
#define CIGB_RSSRK(i)		(0x05c80 + (i) * 4)
#define CIGB_RSS_KEY		40
#define CIGB_RXQ(q, reg)	(0x0c000 + (q) * 0x40 + (reg))
#define CIGB_TXQ(q, reg)	(0x0e000 + (q) * 0x40 + (reg))
#define  CIGB_Q_BASE		0x00	/* and 0x04: the upper half */
#define  CIGB_Q_LEN		0x08	/* bytes */
#define  CIGB_Q_SRRCTL		0x0c
#define   CIGB_SRRCTL_KB	GENMASK(6, 0)
#define   CIGB_SRRCTL_ADVANCED	BIT(25)
#define   CIGB_SRRCTL_DROP	BIT(31)
#define  CIGB_Q_HEAD		0x10
#define  CIGB_Q_TAIL		0x18
#define  CIGB_Q_CTL		0x28	/* RXDCTL, TXDCTL */
#define   CIGB_Q_PREFETCH	GENMASK(4, 0)
#define   CIGB_Q_HOST		GENMASK(12, 8)
#define   CIGB_Q_WRITE_BACK	GENMASK(20, 16)
#define   CIGB_Q_ENABLE		BIT(25)
#define  CIGB_Q_HEAD_WB		0x38	/* and 0x3c; transmit: TDWBAL, TDWBAH */
#define   CIGB_HEAD_WB_ENABLE	BIT(0)

/* Transmit (8.12) */
#define CIGB_TCTL		0x00400
#define  CIGB_TCTL_ENABLE	BIT(1)
#define  CIGB_TCTL_PAD		BIT(3)
#define  CIGB_TCTL_CT		(0xf << 4)
#define  CIGB_TCTL_COLD		(0x3f << 12)

/* Time (7.9, 8.16) */
#define CIGB_SYSTIML		0x0b600
#define CIGB_SYSTIMH		0x0b604
#define CIGB_TIMINCA		0x0b608
#define  CIGB_TIMINCA_16NS	BIT(24)
#define CIGB_TSYNCTXCTL		0x0b614
#define CIGB_TXSTMPL		0x0b618
#define CIGB_TXSTMPH		0x0b61c
#define CIGB_TSYNCRXCTL		0x0b620
#define CIGB_RXSTMPL		0x0b624
#define CIGB_RXSTMPH		0x0b628
#define CIGB_RXSATRH		0x0b630
#define  CIGB_TSYNC_VALID	BIT(0)
#define  CIGB_TSYNC_EVENT_V2	(5 << 1)
#define  CIGB_TSYNC_ENABLE	BIT(4)
#define CIGB_ETQF(i)		(0x05cb0 + (i) * 4)
#define  CIGB_ETQF_ENABLE	BIT(26)
#define  CIGB_ETQF_1588		BIT(30)

/* Receive descriptor, advanced, one buffer (7.1.5): as the driver writes it, the
 * second word is 0, and as the device writes it back
 */
struct cigb_rx_desc {
	__le64 lo;		/* address, or CIGB_RXD_TYPE and the hash above */
	__le64 hi;		/* status, CIGB_RXD_LEN, tag */
};

#define CIGB_RXD_TYPE		GENMASK(3, 0)	/* RSS type */
#define CIGB_RXD_DONE		BIT_ULL(0)
#define CIGB_RXD_EOP		BIT_ULL(1)
#define CIGB_RXD_TAG		BIT_ULL(3)
#define CIGB_RXD_L4		BIT_ULL(5)
#define CIGB_RXD_TIME		BIT_ULL(16)
#define CIGB_RXD_L4_BAD		BIT_ULL(29)
#define CIGB_RXD_IP_BAD		BIT_ULL(30)
#define CIGB_RXD_LEN		32		/* shift, 16 bits */
#define CIGB_RXD_VLAN		48		/* shift */

/* Transmit descriptor, advanced (7.2.2) */
struct cigb_tx_desc {
	__le64 lo;		/* address; of a context: header lengths, tag */
	__le64 hi;
};

#define CIGB_TXD_CONTEXT	(2 << 20)
#define CIGB_TXD_DATA		(3 << 20)
#define CIGB_TXD_TIME		BIT_ULL(19)
#define CIGB_TXD_EOP		BIT_ULL(24)
#define CIGB_TXD_FCS		BIT_ULL(25)
#define CIGB_TXD_REPORT		BIT_ULL(27)
#define CIGB_TXD_ADVANCED	BIT_ULL(29)
#define CIGB_TXD_TAG		BIT_ULL(30)
#define CIGB_TXD_SEGMENT	BIT_ULL(31)
#define CIGB_TXD_IP_SUM		BIT_ULL(40)
#define CIGB_TXD_L4_SUM		BIT_ULL(41)
#define CIGB_TXD_PAYLEN		46		/* shift */
/* Context (7.2.2.2) */
#define CIGB_CTX_L2_LEN		9		/* shift, 7 bits; the IP header's 9 bits below */
#define CIGB_CTX_TAG		16		/* shift */
#define CIGB_CTX_V4		BIT_ULL(10)
#define CIGB_CTX_TCP		BIT_ULL(11)
#define CIGB_CTX_L4_LEN		40		/* shift */
#define CIGB_CTX_MSS		48		/* shift */

#endif /* _CETH_IGB_HW_H */
