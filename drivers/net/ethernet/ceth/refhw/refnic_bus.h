/* SPDX-License-Identifier: GPL-2.0 */
/* The bus that reference NICs sit on: to them what <linux/pci.h> is to others.
 *
 * A driver finds the device by matching its identity register, and reaches it
 * by register accesses, DMA and interrupts.
 */
#ifndef _REFNIC_BUS_H
#define _REFNIC_BUS_H

#include <linux/device.h>
#include <linux/types.h>

struct refnic_device;

/**
 * struct refnic_bus_ops - what the bus does for a driver
 * @read32: read a register; process context
 * @write32: write a register; any context
 */
struct refnic_bus_ops {
	u32 (*read32)(struct refnic_device *rdev, u32 reg);
	void (*write32)(struct refnic_device *rdev, u32 reg, u32 val);
};

/**
 * struct refnic_device - a device on the bus
 * @dev: for DMA and the driver model
 * @ops: access
 * @irqs: Linux interrupt numbers, one for each vector
 * @n_irqs: vectors
 * @dma_mask: addresses that the device can reach
 * @dma_parms: limits of a DMA segment
 */
struct refnic_device {
	struct device dev;
	const struct refnic_bus_ops *ops;
	int *irqs;
	u32 n_irqs;
	u64 dma_mask;
	struct device_dma_parameters dma_parms;
};

#define to_refnic_device(d)	container_of(d, struct refnic_device, dev)

/**
 * struct refnic_driver - a driver
 * @driver: its name
 * @probe: take a device
 * @remove: let go of it; it may have vanished
 * @shutdown: make it quiet
 */
struct refnic_driver {
	struct device_driver driver;
	int (*probe)(struct refnic_device *rdev);
	void (*remove)(struct refnic_device *rdev);
	void (*shutdown)(struct refnic_device *rdev);
};

#define to_refnic_driver(d)	container_of_const(d, struct refnic_driver, driver)

static inline u32 refnic_read(struct refnic_device *rdev, u32 reg)
{
	return rdev->ops->read32(rdev, reg);
}

static inline void refnic_write(struct refnic_device *rdev, u32 reg, u32 val)
{
	rdev->ops->write32(rdev, reg, val);
}

static inline u64 refnic_read64(struct refnic_device *rdev, u32 reg)
{
	u32 low = refnic_read(rdev, reg);

	return low | (u64)refnic_read(rdev, reg + 4) << 32;
}

static inline void refnic_write64(struct refnic_device *rdev, u32 reg, u64 val)
{
	refnic_write(rdev, reg, lower_32_bits(val));
	refnic_write(rdev, reg + 4, upper_32_bits(val));
}

int __refnic_driver_register(struct refnic_driver *drv, struct module *owner);
#define refnic_driver_register(drv)	\
	__refnic_driver_register(drv, THIS_MODULE)
void refnic_driver_unregister(struct refnic_driver *drv);

#define module_refnic_driver(drv)	\
	module_driver(drv, refnic_driver_register, refnic_driver_unregister)

#endif /* _REFNIC_BUS_H */
