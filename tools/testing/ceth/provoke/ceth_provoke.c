// SPDX-License-Identifier: GPL-2.0
/* Mistakes on demand: writing the name of one to the parameter "make" makes it.
 * This shows that the debug kernel finds it, and that the tools see the report.
 */

#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/timer.h>

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static int __rcu *guarded;
static int sink;

static void make_rcu(void)
{
	sink = !!rcu_dereference(guarded);
}

static void make_lockdep(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void make_atomic(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
}

static void make_refcount(void)
{
	refcount_t count;

	refcount_set(&count, 0);
	refcount_inc(&count);
}

static void make_ubsan(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	sink = 1 << bits;
}

static void make_list(void)
{
	LIST_HEAD(head);
	LIST_HEAD(other);
	struct list_head entry;

	list_add(&entry, &head);
	head.next = &other;
	list_del(&entry);
}

static void nothing(struct timer_list *unused)
{
}

static void make_object(void)
{
	struct timer_list *timer = kzalloc_obj(*timer);

	if (!timer)
		return;
	timer_setup(timer, nothing, 0);
	mod_timer(timer, jiffies + HZ * 3600);
	/* The report's fixup takes the timer out again. */
	kfree(timer);
}

static void make_dma(void)
{
	struct pci_dev *pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, NULL);

	if (!pdev)
		return;
	dma_unmap_single(&pdev->dev, 0x1000, 64, DMA_TO_DEVICE);
	pci_dev_put(pdev);
}

/* As a device does that was not told to stop. */
static void make_stray_write(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	u64 *memory;

	if (!page)
		return;
	memory = page_address(page);
	__free_page(page);
	kasan_disable_current();
	WRITE_ONCE(memory[8], 42);
	kasan_enable_current();
	/* The poison is looked at when somebody gets the page. */
	page = alloc_page(GFP_KERNEL);
	if (page)
		__free_page(page);
}

static void make_kasan(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	if (!memory)
		return;
	kfree(memory);
	OPTIMIZER_HIDE_VAR(memory);
	sink = READ_ONCE(memory[8]);
}

static void make_leak(void)
{
	int i;

	/* Several: an address may be left on a stack for a while. */
	for (i = 0; i < 8; i++) {
		void *memory = kmalloc(192, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(memory);
		sink = !!memory;
	}
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "rcu",	make_rcu },
	{ "lockdep",	make_lockdep },
	{ "atomic",	make_atomic },
	{ "refcount",	make_refcount },
	{ "ubsan",	make_ubsan },
	{ "list",	make_list },
	{ "object",	make_object },
	{ "dma",	make_dma },
	{ "stray-write", make_stray_write },
	{ "kasan",	make_kasan },
	{ "leak",	make_leak },
};

static int make_set(const char *val, const struct kernel_param *kp)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (!sysfs_streq(val, mistakes[i].name))
			continue;
		mistakes[i].make();
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops make_ops = {
	.set = make_set,
};

module_param_cb(make, &make_ops, NULL, 0200);
MODULE_PARM_DESC(make, "mistake to make now");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("CETH: mistakes that a debug kernel must find");
