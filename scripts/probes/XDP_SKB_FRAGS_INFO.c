// SPDX-License-Identifier: GPL-2.0
/* xdp_update_skb_frags_info(), with the flags of the frame */
#include <net/xdp.h>

void probe(struct sk_buff *skb, struct xdp_buff *xdp)
{
	xdp_update_skb_frags_info(skb, 1, 1, 1, xdp_buff_get_skb_flags(xdp));
}
