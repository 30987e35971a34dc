// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: which devices of a port a frame is for.
 *
 * A port whose device has functions is a bridge with as many ports of its own:
 * each device filters for itself, and is given what it takes. What one of them
 * sends to the address of another does not reach the wire.
 */
#include <linux/etherdevice.h>

#include "refhw.h"

static struct refhw *refhw_switch_at(const struct refhw_port *port, u32 i)
{
	if (!i)
		return srcu_dereference(port->hw, &refhw_srcu);
	return srcu_dereference(port->fns[i - 1].hw, &refhw_srcu);
}

/* To all that take it, but for who has sent it. Reception changes a frame, so
 * each gets its own.
 *
 * Return: one of them has the frame's address.
 */
static bool refhw_switch(struct refhw_port *port, const struct refhw *from,
			 struct refhw_frame *f, struct refhw_batch *b,
			 bool *taken)
{
	struct refhw_frame copy __uninitialized;
	bool local = false;
	struct refhw *hw;
	u32 i;

	refhw_frame_parse(f);
	for (i = 0; i <= REFHW_FUNCTIONS; i++) {
		hw = refhw_switch_at(port, i);
		if (!hw || hw == from)
			continue;
		/* Pairs with the release of refhw_init_cmd(). */
		if (!(smp_load_acquire(&hw->status) & REFNIC_STAT_RUNNING) ||
		    refhw_filtered(hw, f))
			continue;
		*taken = true;
		local |= refhw_owns(hw, f);
		copy = *f;
		refhw_rx(hw, &copy, b);
	}
	return local;
}

/**
 * refhw_switch_in() - a frame comes in from the wire
 * @port: port
 * @f: frame
 * @b: batch under way
 *
 * Context: process.
 */
void refhw_switch_in(struct refhw_port *port, struct refhw_frame *f,
		     struct refhw_batch *b)
{
	struct refhw *hw = refhw_switch_at(port, 0);
	bool taken = false;

	if (!READ_ONCE(port->n_fns) || f->len < ETH_HLEN) {
		if (hw)
			refhw_rx(hw, f, b);
		return;
	}
	refhw_switch(port, NULL, f, b, &taken);
	if (!taken && hw)
		refhw_count(hw, REFHW_RX_FILTERED, 1);
}

/**
 * refhw_switch_out() - a frame leaves a device
 * @hw: the device
 * @f: frame
 * @b: batch under way
 *
 * Return: it stays in the port.
 */
bool refhw_switch_out(struct refhw *hw, struct refhw_frame *f,
		      struct refhw_batch *b)
{
	bool taken = false;

	if (!READ_ONCE(hw->port->n_fns) || f->len < ETH_HLEN)
		return false;
	return refhw_switch(hw->port, hw, f, b, &taken);
}
