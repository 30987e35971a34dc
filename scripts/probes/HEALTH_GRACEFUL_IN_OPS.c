// SPDX-License-Identifier: GPL-2.0
/* devl_health_reporter_create() without the graceful period */
#include <net/devlink.h>

void *probe(struct devlink *dl, const struct devlink_health_reporter_ops *ops)
{
	return devl_health_reporter_create(dl, ops, NULL);
}
