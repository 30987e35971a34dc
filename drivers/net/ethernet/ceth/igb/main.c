// SPDX-License-Identifier: GPL-2.0
/* CETH driver of the Intel 82576: PCI driver.
 *
 * Devices are bound by driver_override only, as with vfio-pci: the in-tree
 * driver keeps all others.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>

#include "igb.h"

static int cigb_setup(struct cigb *v)
{
	int err;

	err = cigb_ops.dev_reset(v);
	if (err)
		return err;
	cigb_caps(v);
	err = ceth_pci_irqs(v->pdev, &v->caps);
	if (err == 1) {
		dev_err(&v->pdev->dev, "needs two vectors at least\n");
		return -ENOSPC;
	}
	return min(err, 0);
}

static int cigb_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct ceth_dev *cdev;
	struct cigb *v;
	int err;

	/* An override matches any device. */
	if (!pci_match_id(pdev->driver->id_table, pdev))
		return -ENODEV;
	v = devm_kzalloc(dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->pdev = pdev;
	spin_lock_init(&v->time_lock);
	v->ns = ktime_get_real_ns();
	v->left = ktime_get();
	err = pcim_enable_device(pdev);
	if (!err)
		err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	v->regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(v->regs))
		return PTR_ERR(v->regs);
	pci_set_master(pdev);
	err = cigb_setup(v);
	if (err)
		return err;
	cdev = ceth_create(dev, &v->caps, &cigb_ops, &cigb_dp, v);
	return PTR_ERR_OR_ZERO(cdev) ?: ceth_register(cdev);
}

static void cigb_remove(struct pci_dev *pdev)
{
	struct ceth_dev *cdev = pci_get_drvdata(pdev);

	if (!pci_device_is_present(pdev))
		ceth_device_gone(cdev);
	ceth_unregister(cdev);
}

/* A kernel started by kexec must find the device quiet. */
static void cigb_shutdown(struct pci_dev *pdev)
{
	ceth_shutdown(pci_get_drvdata(pdev));
}

/* Those with a copper PHY inside. Not a device table: the module has no alias,
 * and nothing loads it by itself.
 */
static const struct pci_device_id cigb_ids[] = {
	{ PCI_VDEVICE(INTEL, 0x10c9), .override_only = 1 },
	{ PCI_VDEVICE(INTEL, 0x10e8), .override_only = 1 },
	{ PCI_VDEVICE(INTEL, 0x150a), .override_only = 1 },
	{ PCI_VDEVICE(INTEL, 0x1526), .override_only = 1 },
	{ }
};

static struct pci_driver cigb_driver = {
	.name		= "ceth_igb",
	.id_table	= cigb_ids,
	.probe		= cigb_probe,
	.remove		= cigb_remove,
	.shutdown	= cigb_shutdown,
	.driver.pm	= pm_sleep_ptr(&ceth_pm_ops),
};
module_pci_driver(cigb_driver);

MODULE_DESCRIPTION("CETH driver for the Intel 82576");
MODULE_LICENSE("GPL");
