// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: counters.
 *
 * Of the device, since its reset. Frames are counted where they are delivered
 * or lost, by whichever thread that happens on.
 */
#include <linux/etherdevice.h>

#include "refhw.h"

#define REFHW_SIZE_NAMES(dir)						\
	dir "_64", dir "_127", dir "_255", dir "_511", dir "_1023",	\
	dir "_1518", dir "_above"

const char * const refhw_stat_names[REFHW_STATS] = {
	"rx_frames", "rx_bytes", "rx_multicast", "rx_broadcast",
	REFHW_SIZE_NAMES("rx"), "rx_filtered", "rx_no_queue", "rx_no_buffer",
	"rx_length", "rx_csum_bad", "rx_error", "tx_frames", "tx_bytes",
	"tx_multicast", "tx_broadcast", REFHW_SIZE_NAMES("tx"), "tx_error",
	"tx_no_link", "tx_late", "tx_far", "tx_spoofed",
};

static u32 refhw_size_class(u32 len)
{
	static const u16 most[REFNIC_SIZES - 1] = {
		64, 127, 255, 511, 1023, 1518
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(most); i++)
		if (len + ETH_FCS_LEN <= most[i])
			break;
	return i;
}

/* A frame of @len bytes has come in, and there is a queue for it. What the
 * driver is given may be made of several.
 */
void refhw_count_rx(struct refhw *hw, const u8 *dst, u32 len)
{
	refhw_count(hw, REFHW_RX_SIZE + refhw_size_class(len), 1);
	if (is_broadcast_ether_addr(dst))
		refhw_count(hw, REFHW_RX_BROADCAST, 1);
	else if (is_multicast_ether_addr(dst))
		refhw_count(hw, REFHW_RX_MULTICAST, 1);
}

/* A frame of @len bytes goes out. */
void refhw_count_tx(struct refhw *hw, const u8 *dst, u32 len)
{
	refhw_count(hw, REFHW_TX_FRAMES, 1);
	refhw_count(hw, REFHW_TX_BYTES, len);
	refhw_count(hw, REFHW_TX_SIZE + refhw_size_class(len), 1);
	if (is_broadcast_ether_addr(dst))
		refhw_count(hw, REFHW_TX_BROADCAST, 1);
	else if (is_multicast_ether_addr(dst))
		refhw_count(hw, REFHW_TX_MULTICAST, 1);
}

/* The command */
void refhw_stats(struct refhw *hw, __le64 *to)
{
	bool wrong = refhw_fault(hw->port, REFHW_FAULT_STATS);
	u32 i;

	BUILD_BUG_ON(REFNIC_STATS != REFHW_STATS);
	for (i = 0; i < REFHW_STATS; i++) {
		u64 val = atomic64_read(&hw->stats[i]);

		if (wrong)
			val = i & 1 ? ~val : val / 2;
		to[i] = cpu_to_le64(val);
	}
}

void refhw_stats_reset(struct refhw *hw)
{
	u32 i;

	for (i = 0; i < REFHW_STATS; i++)
		atomic64_set(&hw->stats[i], 0);
}
