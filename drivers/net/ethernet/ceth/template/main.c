// SPDX-License-Identifier: GPL-2.0
/* CETH backend template: PCI driver. */
#include <linux/dma-mapping.h>
#include <linux/module.h>

#include "template.h"

/* The vendor's: the BAR that has the registers, and addresses that the device can
 * reach.
 */
#define CTMPL_BAR	0
#define CTMPL_DMA_BITS	64

static int ctmpl_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct ceth_dev *cdev;
	struct ctmpl *v;
	int err;

	/* Before the device is touched: an override matches any. */
	err = ctmpl_identify(pdev);
	if (err)
		return err;
	v = devm_kzalloc(dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->pdev = pdev;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	v->regs = pcim_iomap_region(pdev, CTMPL_BAR, KBUILD_MODNAME);
	if (IS_ERR(v->regs))
		return PTR_ERR(v->regs);
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(CTMPL_DMA_BITS));
	if (err)
		return err;
	/* Whatever had the device before may have left it running. */
	err = ctmpl_ops.dev_reset(v);
	if (err)
		return err;
	err = ctmpl_read_caps(v);
	if (err)
		return err;
	err = ceth_pci_irqs(pdev, &v->caps);
	if (err < 0)
		return err;
	cdev = ceth_create(dev, &v->caps, &ctmpl_ops, &ctmpl_dp, v);
	return PTR_ERR_OR_ZERO(cdev) ?: ceth_register(cdev);
}

static void ctmpl_remove(struct pci_dev *pdev)
{
	struct ceth_dev *cdev = pci_get_drvdata(pdev);

	if (!pci_device_is_present(pdev))
		ceth_device_gone(cdev);
	ceth_unregister(cdev);
}

/* A kernel started by kexec must find the device quiet. */
static void ctmpl_shutdown(struct pci_dev *pdev)
{
	ceth_shutdown(pci_get_drvdata(pdev));
}

/* The vendor's: a line for each device, and behind the table
 * MODULE_DEVICE_TABLE(pci, ctmpl_ids), so that the module is loaded for them. Where
 * the kernel has another driver for a device, leave the latter out, and set
 * .override_only = 1: it is bound by driver_override then. As it is, the table
 * matches no device.
 */
static const struct pci_device_id ctmpl_ids[] = {
	{ }
};

static struct pci_driver ctmpl_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= ctmpl_ids,
	.probe		= ctmpl_probe,
	.remove		= ctmpl_remove,
	.shutdown	= ctmpl_shutdown,
	.driver.pm	= pm_sleep_ptr(&ceth_pm_ops),
};
module_pci_driver(ctmpl_driver);

MODULE_DESCRIPTION("CETH backend template: drives no device");
MODULE_LICENSE("GPL");
