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
	{ CETH_STAT_RX_SIZE + 1 },
	{ CETH_STAT_RX_SIZE + 2 },
	{ CETH_STAT_RX_SIZE + 3 },
	{ CETH_STAT_RX_SIZE + 4 },
	{ CETH_STAT_RX_SIZE + 5 },
	{ CETH_STAT_RX_SIZE + 6 },
	{ CETH_STAT_TX_SIZE },
	{ CETH_STAT_TX_SIZE + 1 },
	{ CETH_STAT_TX_SIZE + 2 },
	{ CETH_STAT_TX_SIZE + 3 },
	{ CETH_STAT_TX_SIZE + 4 },
	{ CETH_STAT_TX_SIZE + 5 },
	{ CETH_STAT_TX_SIZE + 6 },
	{ CETH_STAT_OWN, "tx_late" },
	{ CETH_STAT_TX_ERROR, "tx_far" },
};

static_assert(ARRAY_SIZE(cref_stats) * sizeof(__le64) ==
	      sizeof(struct refnic_stats));

void cref_stats_caps(struct cref *v)
{
	u32 n = refnic_read(v->rdev, REFNIC_REG_STATS);

	v->caps.caps |= CETH_CAP_STATS;
	v->caps.stats = cref_stats;
	v->caps.n_stats = min(n ?: REFNIC_STATS_MIN, ARRAY_SIZE(cref_stats));
}

int cref_get_stats(void *priv, u64 *val)
{
	struct refnic_cmd cmd = {};
	struct cref *v = priv;
	__le64 *from = v->data;
	u32 i;
	int err;

	cmd.stats.addr = cpu_to_le64(v->data_dma);
	cmd.stats.len = cpu_to_le32(v->caps.n_stats * sizeof(*from));
	err = cref_command(v, REFNIC_OP_STATS, &cmd);
	for (i = 0; !err && i < v->caps.n_stats; i++)
		val[i] = le64_to_cpu(from[i]);
	return err;
}
