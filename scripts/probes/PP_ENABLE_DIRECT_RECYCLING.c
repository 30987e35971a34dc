// SPDX-License-Identifier: GPL-2.0
/* page_pool_enable_direct_recycling() */
#include <net/page_pool/helpers.h>

void probe(struct page_pool *pool, struct napi_struct *napi)
{
	page_pool_enable_direct_recycling(pool, napi);
}
