// SPDX-License-Identifier: GPL-2.0
/* CETH core: what backends of PCI devices have in common. */
#include <linux/pci.h>

#include "core.h"

/**
 * ceth_pci_irqs() - MSI-X vectors: one for the device, then one for each pair
 * @pdev: PCI function, enabled by pcim_enable_device(), which frees them
 * @caps: max_pairs is lowered when there are not enough; irqs and event_irq
 *	are filled in
 *
 * Context: process, in the backend's probe, before ceth_create().
 * Return: vectors, or a negative errno. With 1 the device and its only pair
 * share it.
 */
int ceth_pci_irqs(struct pci_dev *pdev, struct ceth_caps *caps)
{
	int i, n, *irqs;

	n = pci_alloc_irq_vectors(pdev, 1, caps->max_pairs + 1, PCI_IRQ_MSIX);
	if (n < 0) {
		dev_err(&pdev->dev, "no MSI-X vectors: the device needs two or more\n");
		return n;
	}
	if (n <= caps->max_pairs) {
		dev_info(&pdev->dev, "only %d MSI-X vectors for %u queue pairs\n",
			 n, caps->max_pairs);
		caps->max_pairs = max(n - 1, 1);
	}
	irqs = devm_kcalloc(&pdev->dev, caps->max_pairs, sizeof(*irqs),
			    GFP_KERNEL);
	if (!irqs)
		return -ENOMEM;
	for (i = 0; i < caps->max_pairs; i++)
		irqs[i] = pci_irq_vector(pdev, n == 1 ? 0 : i + 1);
	caps->irqs = irqs;
	caps->event_irq = pci_irq_vector(pdev, 0);
	return n;
}
EXPORT_SYMBOL_GPL(ceth_pci_irqs);
