// SPDX-License-Identifier: GPL-2.0
/* AF_XDP sockets can say when to send (6.15) */
#include <net/xdp_sock.h>

void probe(struct xsk_tx_metadata_ops *ops,
	   void (*request)(u64 launch_time, void *priv));
void probe(struct xsk_tx_metadata_ops *ops,
	   void (*request)(u64 launch_time, void *priv))
{
	ops->tmo_request_launch_time = request;
}
