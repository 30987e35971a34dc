// SPDX-License-Identifier: GPL-2.0
/* Reference NIC: the bus. */
#include <linux/dma-mapping.h>
#include <linux/module.h>

#include "refhw.h"

static int refnic_bus_match(struct device *dev, const struct device_driver *drv)
{
	/* There is one kind of device here, and its driver knows the kind. */
	return 1;
}

static int refnic_bus_probe(struct device *dev)
{
	const struct refnic_driver *drv = to_refnic_driver(dev->driver);

	return drv->probe(to_refnic_device(dev));
}

static void refnic_bus_remove(struct device *dev)
{
	const struct refnic_driver *drv = to_refnic_driver(dev->driver);

	drv->remove(to_refnic_device(dev));
}

static void refnic_bus_shutdown(struct device *dev)
{
	const struct refnic_driver *drv;

	if (!dev->driver)
		return;
	drv = to_refnic_driver(dev->driver);
	if (drv->shutdown)
		drv->shutdown(to_refnic_device(dev));
}

static const struct bus_type refnic_bus = {
	.name		= "refnic",
	.match		= refnic_bus_match,
	.probe		= refnic_bus_probe,
	.remove		= refnic_bus_remove,
	.shutdown	= refnic_bus_shutdown,
};

/* As msi_irqs of a PCI device: which interrupts are its own. */
static ssize_t irqs_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	const struct refnic_device *rdev = to_refnic_device(dev);
	int len = 0;
	u32 i;

	for (i = 0; i < rdev->n_irqs; i++)
		len += sysfs_emit_at(buf, len, "%d%c", rdev->irqs[i],
				     i + 1 < rdev->n_irqs ? ' ' : '\n');
	return len;
}
static DEVICE_ATTR_RO(irqs);

static struct attribute *refnic_attrs[] = {
	&dev_attr_irqs.attr,
	NULL
};
ATTRIBUTE_GROUPS(refnic);

/**
 * __refnic_driver_register() - add a driver to the bus
 * @drv: the driver
 * @owner: its module
 *
 * Return: 0 or a negative errno.
 */
int __refnic_driver_register(struct refnic_driver *drv, struct module *owner)
{
	drv->driver.bus = &refnic_bus;
	drv->driver.owner = owner;
	return driver_register(&drv->driver);
}
EXPORT_SYMBOL_GPL(__refnic_driver_register);

/**
 * refnic_driver_unregister() - undo refnic_driver_register()
 * @drv: the driver
 */
void refnic_driver_unregister(struct refnic_driver *drv)
{
	driver_unregister(&drv->driver);
}
EXPORT_SYMBOL_GPL(refnic_driver_unregister);

/* A device that is ready but for its being seen. */
void refhw_bus_init(struct refnic_device *rdev, const char *name,
		    void (*release)(struct device *dev))
{
	struct device *dev = &rdev->dev;

	device_initialize(dev);
	dev->bus = &refnic_bus;
	dev->release = release;
	dev->groups = refnic_groups;
	dev_set_name(dev, "%s", name);
	/* No IOMMU is in the way: a DMA address is a physical one. */
	rdev->dma_mask = DMA_BIT_MASK(64);
	dev->dma_mask = &rdev->dma_mask;
	dev->coherent_dma_mask = DMA_BIT_MASK(64);
	dev->dma_parms = &rdev->dma_parms;
	dma_set_max_seg_size(dev, UINT_MAX);
}

/* Is it a device of ours? */
bool refhw_bus_has(const struct device *dev)
{
	return dev->bus == &refnic_bus;
}

int refhw_bus_register(void)
{
	return bus_register(&refnic_bus);
}

void refhw_bus_unregister(void)
{
	bus_unregister(&refnic_bus);
}
