// SPDX-License-Identifier: GPL-2.0
/* page_pool_dma_sync_netmem_for_cpu() (6.14) */
#include <net/page_pool/helpers.h>

void probe(const struct page_pool *pool, netmem_ref netmem)
{
	page_pool_dma_sync_netmem_for_cpu(pool, netmem, 0, 1);
}
