// SPDX-License-Identifier: GPL-2.0
/* values of devlink parameters are passed by reference */
#include <net/devlink.h>

void probe(struct devlink *devlink, union devlink_param_value *val)
{
	devl_param_driverinit_value_set(devlink, 0, val);
}
