// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: what the device counts. */
#include "ref.h"

/* In the order of struct refnic_stats */
static const struct ceth_dev_stats cref_stats[] = {
	{ CETH_STAT_RX_FRAMES },
	{ CETH_STAT_RX_BYTES },
	{ CETH_STAT_RX_FILTERED, "rx_filtered" },
	{ CETH_STAT_RX_ERROR, "rx_no_queue" },
	{ CETH_STAT_RX_NO_BUFFER, "rx_no_buffer" },
	{ CETH_STAT_RX_LENGTH, "rx_length" },
	{ CETH_STAT_RX_CSUM, "rx_csum_bad" },
	{ CETH_STAT_TX_FRAMES },
	{ CETH_STAT_TX_BYTES },
	{ CETH_STAT_TX_ERROR, "tx_error" },
	{ CETH_STAT_TX_CARRIER, "tx_no_link" },
	{ CETH_STAT_RX_ERROR, "rx_error" },
	{ CETH_STAT_RX_MULTICAST },
	{ CETH_STAT_RX_BROADCAST },
	{ CETH_STAT_TX_MULTICAST },
	{ CETH_STAT_TX_BROADCAST },
	{ CETH_STAT_RX_SIZE },
	{ CETH_STAT_TX_SIZE },
	{ CETH_STAT_OWN, "tx_late" },
	{ CETH_STAT_TX_ERROR, "tx_far" },
};

void cref_stats_caps(struct cref *v)
{
	v->caps.caps |= CETH_CAP_STATS;
	v->caps.stats = cref_stats;
	v->caps.n_stats = ARRAY_SIZE(cref_stats);
}

int cref_get_stats(void *priv, u64 *val)
{
	struct refnic_cmd cmd = {};
	struct cref *v = priv;
	__le64 *from = v->data;
	u32 i;
	int err;

	cmd.stats.addr = cpu_to_le64(v->data_dma);
	cmd.stats.len = cpu_to_le32(sizeof(struct refnic_stats));
	err = cref_command(v, REFNIC_OP_STATS, &cmd);
	for (i = 0; !err && i < sizeof(struct refnic_stats) / 8; i++)
		val[i] = le64_to_cpu(from[i]);
	return err;
}
