// SPDX-License-Identifier: GPL-2.0
/* CETH virtio-net backend: PCI driver.
 *
 * The transport is driven through the kernel's vp_modern_* library, the
 * virtqueues by ourselves. Devices are bound by driver_override only, as with
 * vfio-pci: the in-tree driver keeps all others.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

/* Configuration change (4.1.5.4), or anything of pair 0 on a shared vector.
 * With MSI-X no register names the cause (4.1.4.5): look at all of them.
 */
static irqreturn_t cvio_config_irq(int irq, void *data)
{
	struct cvio *v = data;
	u16 status, changed;

	if (!READ_ONCE(v->up) || READ_ONCE(v->broken))
		return IRQ_HANDLED;
	/* Or the device has vanished; then the bus removes it soon. */
	if (cvio_needs_reset(v)) {
		WRITE_ONCE(v->broken, true);
		ceth_fault(v->cdev, CETH_FAULT_DEVICE, 0);
		return IRQ_HANDLED;
	}
	status = cvio_status(v);
	changed = status ^ v->status;
	v->status = status;
	if (changed & VIRTIO_NET_S_LINK_UP)
		ceth_link_changed(v->cdev);
	if (cvio_has(v, VIRTIO_NET_F_GUEST_ANNOUNCE) &&
	    (status & VIRTIO_NET_S_ANNOUNCE))
		ceth_announce(v->cdev);
	return IRQ_HANDLED;
}

/* One for each pair and one for the configuration, as far as there are so
 * many.
 */
static int cvio_alloc_vectors(struct cvio *v)
{
	struct pci_dev *pdev = v->pdev;
	int i, n;

	n = pci_alloc_irq_vectors(pdev, 1, v->n_pairs + 1, PCI_IRQ_MSIX);
	if (n < 0) {
		dev_err(&pdev->dev, "no MSI-X vectors: give the device two or more (vectors=)\n");
		return n;
	}
	v->n_vectors = n;
	if (n <= v->n_pairs) {
		dev_info(&pdev->dev, "%d MSI-X vectors for %u queue pairs: using %d\n",
			 n, v->n_pairs, max(n - 1, 1));
		v->n_pairs = max(n - 1, 1);
	}
	v->irqs = devm_kcalloc(&pdev->dev, v->n_pairs, sizeof(*v->irqs),
			       GFP_KERNEL);
	if (!v->irqs)
		return -ENOMEM;
	for (i = 0; i < v->n_pairs; i++)
		v->irqs[i] = pci_irq_vector(pdev, cvio_vector(v, i));
	return 0;
}

/* Features, memory, interrupts; the device is left reset. */
static int cvio_setup(struct cvio *v, struct ceth_caps *caps)
{
	int err;

	if (v->mdev.id.device != VIRTIO_ID_NET)
		return -ENODEV;
	err = cvio_reset(v);
	if (err)
		return err;
	err = cvio_negotiate(v);
	if (!err)
		err = cvio_read_caps(v, caps);
	if (!err)
		err = cvio_ctrl_alloc(v);
	cvio_reset(v);
	if (!err)
		err = cvio_alloc_vectors(v);
	if (err)
		return err;

	caps->max_pairs = v->n_pairs;
	caps->irqs = v->irqs;
	caps->driver = KBUILD_MODNAME;
	caps->fw_version = "";
	caps->bus_info = pci_name(v->pdev);
	return 0;
}

static int cvio_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct ceth_caps caps = { };
	struct cvio *v;
	int err;

	/* An override matches any device. */
	if (pdev->vendor != PCI_VENDOR_ID_REDHAT_QUMRANET)
		return -ENODEV;
	v = devm_kzalloc(&pdev->dev, sizeof(*v), GFP_KERNEL);
	if (!v)
		return -ENOMEM;
	v->pdev = pdev;
	v->mdev.pci_dev = pdev;
	pci_set_drvdata(pdev, v);
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	pci_set_master(pdev);
	err = vp_modern_probe(&v->mdev);
	if (err)
		return err;
	err = cvio_setup(v, &caps);
	if (err)
		goto err_transport;

	v->cdev = ceth_create(&pdev->dev, &caps, &cvio_ops, v);
	if (IS_ERR(v->cdev)) {
		err = PTR_ERR(v->cdev);
		goto err_transport;
	}
	snprintf(v->irq_name, sizeof(v->irq_name), "%s-config", pci_name(pdev));
	err = request_irq(pci_irq_vector(pdev, 0), cvio_config_irq, IRQF_SHARED,
			  v->irq_name, v);
	if (err)
		goto err_destroy;
	err = ceth_register(v->cdev);
	if (!err)
		return 0;

	free_irq(pci_irq_vector(pdev, 0), v);
err_destroy:
	ceth_destroy(v->cdev);
err_transport:
	cvio_vq_free(v, &v->ctrl);
	vp_modern_remove(&v->mdev);
	return err;
}

static void cvio_remove(struct pci_dev *pdev)
{
	struct cvio *v = pci_get_drvdata(pdev);

	if (!pci_device_is_present(pdev))
		ceth_device_gone(v->cdev);
	ceth_unregister(v->cdev);
	free_irq(pci_irq_vector(pdev, 0), v);
	ceth_destroy(v->cdev);
	cvio_vq_free(v, &v->ctrl);
	vp_modern_remove(&v->mdev);
}

/* A kernel started by kexec must find the device quiet. */
static void cvio_shutdown(struct pci_dev *pdev)
{
	struct cvio *v = pci_get_drvdata(pdev);

	ceth_shutdown(v->cdev);
}

static int cvio_suspend(struct device *dev)
{
	struct cvio *v = dev_get_drvdata(dev);

	return ceth_suspend(v->cdev);
}

static int cvio_resume(struct device *dev)
{
	struct cvio *v = dev_get_drvdata(dev);

	return ceth_resume(v->cdev);
}

static DEFINE_SIMPLE_DEV_PM_OPS(cvio_pm_ops, cvio_suspend, cvio_resume);

/* The function is reset behind our back, by the user for one. */
static void cvio_reset_prepare(struct pci_dev *pdev)
{
	cvio_suspend(&pdev->dev);
}

static void cvio_reset_done(struct pci_dev *pdev)
{
	cvio_resume(&pdev->dev);
}

static const struct pci_error_handlers cvio_err_handler = {
	.reset_prepare	= cvio_reset_prepare,
	.reset_done	= cvio_reset_done,
};

/* Not a device table: the module has no alias, and nothing loads it by itself.
 * VIRTIO 1 device, transitional device (4.1.2).
 */
static const struct pci_device_id cvio_ids[] = {
	{ PCI_VDEVICE(REDHAT_QUMRANET, 0x1041), .override_only = 1 },
	{ PCI_VDEVICE(REDHAT_QUMRANET, 0x1000), .override_only = 1 },
	{ }
};

static struct pci_driver cvio_driver = {
	.name		= "ceth_virtio",
	.id_table	= cvio_ids,
	.probe		= cvio_probe,
	.remove		= cvio_remove,
	.shutdown	= cvio_shutdown,
	.driver.pm	= pm_sleep_ptr(&cvio_pm_ops),
	.err_handler	= &cvio_err_handler,
};
module_pci_driver(cvio_driver);

MODULE_DESCRIPTION("CETH driver for virtio-net");
MODULE_AUTHOR("CETH developers");
MODULE_LICENSE("GPL");
