// SPDX-License-Identifier: GPL-2.0
/* xsk_buff_get_metadata() with the descriptor options: changed inside the 6.12.y series too */
#include <net/xdp_sock_drv.h>

struct xsk_tx_metadata *probe(struct xsk_buff_pool *pool, u64 addr, u32 options)
{
	return xsk_buff_get_metadata(pool, addr, options);
}
