// SPDX-License-Identifier: GPL-2.0
/* the truesize of the fragments of a frame, beside their size */
#include <linux/skbuff.h>

void probe(struct skb_shared_info *sinfo)
{
	sinfo->xdp_frags_truesize = 1;
}
