// SPDX-License-Identifier: GPL-2.0
/* struct xdp_rxq_info knows the NAPI instance (before 6.14) */
#include <net/xdp.h>

unsigned int probe(const struct xdp_rxq_info *rxq)
{
	return rxq->napi_id;
}
