// SPDX-License-Identifier: GPL-2.0
/* CETH core: attaching XDP programs.
 *
 * Buffers always have the room that programs may use, so attaching, replacing
 * and detaching swaps a pointer: no queue stops and no frame is lost. What can
 * be in a program's way are receive offloads that change what a frame is: they
 * are turned off with the first program and come back with the last.
 */
#include <linux/bpf.h>
#include <linux/delay.h>
#include <linux/if_vlan.h>

#include "core.h"

/* How long frames received under the old offloads may wait to be polled. */
#define CETH_XDP_DRAIN_US	50000

/**
 * ceth_xdp_max_mtu() - largest MTU for a program that knows one buffer only
 * @cdev: the device
 *
 * Return: bytes.
 */
u32 ceth_xdp_max_mtu(const struct ceth_dev *cdev)
{
	return ceth_rx_room(cdev, cdev->cfg.frame_sz) - ETH_HLEN - VLAN_HLEN;
}

/**
 * ceth_xdp_features() - tell the kernel what programs may do
 * @cdev: the device; under the configuration lock, or not yet registered
 */
void ceth_xdp_features(struct ceth_dev *cdev)
{
	xdp_features_t val = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			     NETDEV_XDP_ACT_NDO_XMIT |
			     NETDEV_XDP_ACT_NDO_XMIT_SG |
			     NETDEV_XDP_ACT_XSK_ZEROCOPY;

	if (ceth_has(cdev, CETH_CAP_MULTI_BUF))
		val |= NETDEV_XDP_ACT_RX_SG;
	if (cdev->netdev->reg_state == NETREG_REGISTERED)
		xdp_set_features_flag_locked(cdev->netdev, val);
	else
		cdev->netdev->xdp_features = val;
}

/**
 * ceth_xdp_hints_init() - what programs can ask about a frame
 * @cdev: the device; not yet registered
 *
 * The kernel advertises those that there is a function for.
 */
void ceth_xdp_hints_init(struct ceth_dev *cdev)
{
	u32 features = cdev->caps.features;

	cdev->hints = *cdev->dp->hints;
	if (!(features & CETH_F_RX_TIME))
		cdev->hints.xmo_rx_timestamp = NULL;
	if (!(features & CETH_F_RX_HASH))
		cdev->hints.xmo_rx_hash = NULL;
	if (!(features & CETH_F_RX_VLAN))
		cdev->hints.xmo_rx_vlan_tag = NULL;
	cdev->netdev->xdp_metadata_ops = &cdev->hints;
}

/* Wait until every pair has polled what it had when we came: a ring's worth
 * of frames, or all there is.
 */
static void ceth_xdp_drain(struct ceth_dev *cdev)
{
	u16 i;

	for (i = 0; i < cdev->cfg.n_pairs; i++) {
		struct ceth_pair *pair = &cdev->pairs[i];
		u64 until = READ_ONCE(pair->rx_stats.packets) +
			    cdev->cfg.rx_size;
		int us;

		if (!pair->running)
			continue;
		ceth_pair_poll(pair);
		for (us = 0; us < CETH_XDP_DRAIN_US; us += 100) {
			if (!test_bit(NAPI_STATE_SCHED, &pair->napi.state) ||
			    READ_ONCE(pair->rx_stats.packets) >= until)
				break;
			usleep_range(50, 150);
		}
	}
}

static int ceth_xdp_check(struct ceth_dev *cdev, const struct bpf_prog *prog,
			  struct netlink_ext_ack *extack)
{
	struct net_device *dev = cdev->netdev;

	if (!prog)
		return 0;
	if (cdev->cfg.hdr_len) {
		NL_SET_ERR_MSG(extack, "frames are in pieces: ethtool -G ... tcp-data-split off");
		return -EOPNOTSUPP;
	}
	if (prog->aux->xdp_has_frags)
		return 0;
	if (dev->mtu > ceth_xdp_max_mtu(cdev)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "MTU %u needs a program with frags (xdp.frags), or set MTU <= %u",
				   dev->mtu, ceth_xdp_max_mtu(cdev));
		return -EOPNOTSUPP;
	}
	return 0;
}

static int ceth_xdp_setup(struct ceth_dev *cdev, struct bpf_prog *prog,
			  struct netlink_ext_ack *extack)
{
	struct bpf_prog *old = cdev->xdp_prog;
	u32 features, changed;
	int err;
	u16 i;

	err = ceth_xdp_check(cdev, prog, extack);
	if (err)
		return err;

	/* The features depend on there being a program. */
	cdev->xdp_prog = prog;
	features = ceth_features_from_net(cdev, cdev->netdev->features);
	changed = features ^ cdev->features;
	if (changed && cdev->running) {
		err = cdev->ops->set_features ?
		      cdev->ops->set_features(cdev->priv, features, changed) :
		      -EOPNOTSUPP;
		if (err) {
			NL_SET_ERR_MSG(extack,
				       "device cannot turn off the receive offloads that hide frames from XDP");
			cdev->xdp_prog = old;
			return err;
		}
	}
	cdev->features = features;
	if (cdev->running) {
		if (changed && prog)
			ceth_xdp_drain(cdev);
		for (i = 0; i < cdev->cfg.n_pairs; i++)
			if (cdev->pairs[i].rxq)
				rcu_assign_pointer(cdev->pairs[i].rxq->xdp_prog,
						   prog);
		ceth_xdpq_update(cdev, cdev->cfg.n_pairs);
	}
	/* The program is freed after a grace period. */
	if (old)
		bpf_prog_put(old);
	/* What it was in the way of is shown as off, and as on again. */
	if (!prog != !old && cdev->netdev->reg_state == NETREG_REGISTERED)
		netdev_update_features(cdev->netdev);
	return 0;
}

int ceth_bpf(struct net_device *dev, struct netdev_bpf *bpf)
{
	struct ceth_dev *cdev = netdev_priv(dev);

	switch (bpf->command) {
	case XDP_SETUP_PROG:
		return ceth_xdp_setup(cdev, bpf->prog, bpf->extack);
	case XDP_SETUP_XSK_POOL:
		return ceth_xsk_setup(cdev, bpf->xsk.pool, bpf->xsk.queue_id);
	default:
		return -EINVAL;
	}
}
