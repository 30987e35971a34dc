// SPDX-License-Identifier: GPL-2.0
/* Interrupts move at once, unless their chip says otherwise */
#include <linux/irq.h>

u32 probe(void);
u32 probe(void)
{
	return IRQCHIP_MOVE_DEFERRED;
}
