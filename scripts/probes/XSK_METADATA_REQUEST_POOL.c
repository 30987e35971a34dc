// SPDX-License-Identifier: GPL-2.0
/* xsk_tx_metadata_request() checks the metadata, by the pool */
#include <net/xdp_sock_drv.h>

void probe(struct xsk_buff_pool *pool, struct xsk_tx_metadata **meta,
	   const struct xsk_tx_metadata_ops *ops)
{
	xsk_tx_metadata_request(pool, meta, ops, NULL);
}
