// SPDX-License-Identifier: GPL-2.0
/* net_dim() takes the sample by reference */
#include <linux/dim.h>

void probe(struct dim *dim, const struct dim_sample *sample)
{
	net_dim(dim, sample);
}
