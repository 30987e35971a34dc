// SPDX-License-Identifier: GPL-2.0
/* page_pool_alloc_netmems(), in the plural (6.14) */
#include <net/page_pool/helpers.h>

netmem_ref probe(struct page_pool *pool)
{
	return page_pool_alloc_netmems(pool, GFP_ATOMIC);
}
