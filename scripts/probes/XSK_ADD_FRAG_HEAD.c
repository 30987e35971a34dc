// SPDX-License-Identifier: GPL-2.0
/* xsk_buff_add_frag() takes the head of the frame, and can refuse */
#include <net/xdp_sock_drv.h>

bool probe(struct xdp_buff *head, struct xdp_buff *xdp)
{
	return xsk_buff_add_frag(head, xdp);
}
