// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the reference NIC: functions. */
#include "ref.h"

int cref_func_add(void *priv, u16 *id)
{
	struct refnic_cmd cmd = {};
	int err = cref_command(priv, REFNIC_OP_FUNC_ADD, &cmd);

	*id = le16_to_cpu(cmd.func.id);
	return err;
}

int cref_func_set(void *priv, u16 id, const struct ceth_func *func)
{
	struct refnic_cmd cmd = {
		.func.id	= cpu_to_le16(id),
		.func.pairs	= cpu_to_le16(func->n_pairs),
	};

	if (func->active)
		cmd.func.flags = cpu_to_le16(REFNIC_FUNC_ACTIVE);
	memcpy(cmd.func.mac, func->mac, ETH_ALEN);
	return cref_command(priv, REFNIC_OP_FUNC_SET, &cmd);
}

int cref_func_del(void *priv, u16 id)
{
	struct refnic_cmd cmd = {
		.func.id	= cpu_to_le16(id),
	};

	return cref_command(priv, REFNIC_OP_FUNC_DEL, &cmd);
}

bool cref_func_attached(void *priv, u16 id)
{
	struct cref *v = priv;

	return refnic_read(v->rdev, REFNIC_REG_FUNC_UP) >> (id - 1) & 1;
}
