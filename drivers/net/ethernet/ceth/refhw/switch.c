// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: which devices of a port a frame is for.
 *
 * A port whose device has functions is a bridge with as many ports of its own:
 * an address belongs to one of them, who alone gets what is for it, and who alone
 * sends under it. What one of them sends to the address of another does not reach
 * the wire. Broadcast and multicast are everybody's.
 */
#include <linux/etherdevice.h>

#include "refhw.h"

static struct refhw *refhw_switch_at(const struct refhw_port *port, u32 i)
{
	if (!i)
		return srcu_dereference(port->hw, &refhw_srcu);
	return srcu_dereference(port->fns[i - 1].hw, &refhw_srcu);
}

/* Whose own address is that? */
static struct refhw *refhw_switch_owner(const struct refhw_port *port,
					const u8 *addr)
{
	struct refhw *hw;
	u32 i;

	for (i = 0; i <= REFHW_FUNCTIONS; i++) {
		hw = refhw_switch_at(port, i);
		if (hw && ether_addr_equal_unaligned(hw->mac, addr))
			return hw;
	}
	return NULL;
}

/* To whom the address belongs, whether he takes it or not. What is nobody's is
 * the port's own device's: all of it if it comes from the wire, and of what its
 * functions send what is in its table.
 *
 * Return: it stays in the port.
 */
static bool refhw_switch_unicast(struct refhw_port *port,
				 const struct refhw *from,
				 struct refhw_frame *f, struct refhw_batch *b)
{
	struct refhw *hw = refhw_switch_owner(port, f->hdr);
	struct refhw *own = refhw_switch_at(port, 0);

	if (!hw && own && own != from && (!from || refhw_owns(own, f)))
		hw = own;
	if (hw && hw != from)
		refhw_rx(hw, f, b);
	return hw;
}

/* To all that take it, but for who has sent it. Reception changes a frame, so
 * each gets its own.
 *
 * Return: somebody takes it.
 */
static bool refhw_switch_multicast(struct refhw_port *port,
				   const struct refhw *from,
				   const struct refhw_frame *f,
				   struct refhw_batch *b)
{
	struct refhw_frame copy __uninitialized;
	bool taken = false;
	struct refhw *hw;
	u32 i;

	for (i = 0; i <= REFHW_FUNCTIONS; i++) {
		hw = refhw_switch_at(port, i);
		if (!hw || hw == from)
			continue;
		/* Pairs with the release of refhw_init_cmd(). */
		if (!(smp_load_acquire(&hw->status) & REFNIC_STAT_RUNNING) ||
		    refhw_filtered(hw, f))
			continue;
		taken = true;
		copy = *f;
		refhw_rx(hw, &copy, b);
	}
	return taken;
}

/**
 * refhw_switch_spoofed() - does a device send under a wrong address?
 * @hw: the device, of a port with functions
 * @f: frame
 *
 * A function has one address. The port's own device may send what it likes,
 * being a bridge for instance, but not under the address of a function.
 *
 * Return: it does.
 */
bool refhw_switch_spoofed(const struct refhw *hw, const struct refhw_frame *f)
{
	const u8 *src = f->hdr + ETH_ALEN;
	const struct refhw *owner;
	int idx;

	if (hw->fn)
		return !ether_addr_equal_unaligned(src, hw->mac);
	idx = srcu_read_lock(&refhw_srcu);
	owner = refhw_switch_owner(hw->port, src);
	srcu_read_unlock(&refhw_srcu, idx);
	return owner && owner != hw;
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

	if (!READ_ONCE(port->n_fns) || f->len < ETH_HLEN) {
		if (hw)
			refhw_rx(hw, f, b);
		return;
	}
	refhw_frame_parse(f);
	if (!is_multicast_ether_addr(f->hdr))
		refhw_switch_unicast(port, NULL, f, b);
	else if (!refhw_switch_multicast(port, NULL, f, b) && hw)
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
	if (!READ_ONCE(hw->port->n_fns))
		return false;
	refhw_frame_parse(f);
	if (!is_multicast_ether_addr(f->hdr))
		return refhw_switch_unicast(hw->port, hw, f, b);
	refhw_switch_multicast(hw->port, hw, f, b);
	return false;
}
