// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU TCG plugin that counts the kernel instructions a guest executes for
 * its packets, on the vCPU of the network card under test only.
 *
 * What is counted is decided by call frames, not by time. The guest names some
 * kernel functions ("scopes"); from the entry of such a function to its return
 * every instruction, callees included, is added to the class of the scope, by
 * basic block. So nothing that the CPU does besides (idle loop, user space,
 * other tasks) is ever seen, and the counts are exact:
 *
 * - a function's return is recognised by its return address and stack pointer;
 * - a hardware interrupt that hits inside a scope is taken out until it
 *   returns, whatever runs meanwhile (a timer tick, another task). Scopes
 *   entered from there, such as the driver's own NAPI poll, count as theirs;
 * - a NAPI poll is held back until it returns, then added to the class of full,
 *   partial or empty polls by its return value, if the first module it entered
 *   is the driver under test; else to "napi_other";
 * - code of the driver under test that is called from an uncounted place or
 *   from a system call's scope is class "xmit": ndo_start_xmit with all that it
 *   calls, whatever its name;
 * - a repeated string instruction is one instruction, however many steps it
 *   makes; the steps are reported beside it, those that fill and those that
 *   copy apart.
 *
 * A window of the output file:
 *	window LABEL
 *	class NAME
 *	ADDRESS LENGTH EXECUTED [STEPS fill|copy]	by block, in instructions
 *	poll RETURNED EXECUTED				every poll of the driver's
 *	dropped COUNT					events that did not fit: 0
 *	end TEXT
 *
 * The guest commands the plugin by executing
 *	nopl 0x5a5a0000(%rax,%rax,1)
 * with the address of a text in RDI and its length in RSI:
 *	clear			forget all scopes and driver ranges
 *	scope CLASS ADDR	a scope function
 *	dut LO HI		a range of addresses that the driver occupies
 *	model LO HI		addresses of hardware that is emulated by the guest:
 *				not counted, nor is what it calls
 *	modules LO		the least address of a module
 *	begin CPU LABEL		reset the counts, count on this vCPU
 *	end TEXT		stop; append the counts to the output file
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"

#define HASH_SIZE	(1U << 17)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *hash[HASH_SIZE];
static FILE *out;

static void add_scope(const char *args)
{
	static const struct {
		const char *name;
		enum count_class class;
	} kinds[] = {
		{ "napi", NAPI }, { "softirq", SOFTIRQ }, { "irq", IRQ },
		{ "task", TASK }, { "switch", SWITCH },
	};
	char name[16];
	uint64_t va;
	size_t i;

	if (sscanf(args, "%15s %lx", name, &va) != 2)
		return;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(name, kinds[i].name))
			continue;
		if (config.n_scopes == MAX_SCOPES)
			dropped++;
		else
			config.scopes[config.n_scopes++] =
				(struct scope){ va, kinds[i].class };
	}
	config.gen++;
}

static void command(char *text)
{
	unsigned int cpu;
	struct range r;
	int used = 0;

	if (!strcmp(text, "clear")) {
		config.n_scopes = 0;
		config.n_duts = 0;
		config.model = (struct range){ 0 };
		config.gen++;
	} else if (!strncmp(text, "scope ", 6)) {
		add_scope(text + 6);
	} else if (sscanf(text, "dut %lx %lx", &r.lo, &r.hi) == 2) {
		if (config.n_duts < MAX_RANGES)
			config.duts[config.n_duts++] = r;
		config.gen++;
	} else if (sscanf(text, "model %lx %lx", &r.lo, &r.hi) == 2) {
		config.model = r;
		config.gen++;
	} else if (sscanf(text, "modules %lx", &r.lo) == 1) {
		config.modules_lo = r.lo;
		config.gen++;
	} else if (sscanf(text, "begin %u %n", &cpu, &used) == 1 && used) {
		if (cpu >= MAX_VCPUS)
			return;
		fprintf(out, "window %s\n", text + used);
		count_begin(cpu);
	} else if (!strncmp(text, "end ", 4)) {
		count_end(out);
		fprintf(out, "end %s\n", text + 4);
		fflush(out);
	}
}

static void on_marker(unsigned int cpu, void *data)
{
	char text[1024];

	if (!count_marker_text(cpu, text, sizeof(text)))
		return;
	pthread_mutex_lock(&lock);
	command(text);
	pthread_mutex_unlock(&lock);
}

static bool is_marker(const struct qemu_plugin_insn *insn)
{
	static const uint8_t code[] = { 0x0f, 0x1f, 0x84, 0x00,
					0x00, 0x00, 0x5a, 0x5a };
	uint8_t bytes[sizeof(code)];

	return qemu_plugin_insn_size(insn) == sizeof(code) &&
	       qemu_plugin_insn_data(insn, bytes, sizeof(bytes)) == sizeof(code) &&
	       !memcmp(bytes, code, sizeof(code));
}

/*
 * The opcode of a repeated instruction that stores (rep movs or rep stos), or
 * 0. Its prefixes may come in any order.
 */
static uint8_t rep_store(const struct qemu_plugin_insn *insn)
{
	uint8_t bytes[15];
	size_t i, n = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
	bool rep = false;

	for (i = 0; i + 1 < n; i++) {
		if (bytes[i] == 0xf3)
			rep = true;
		else if (bytes[i] != 0x66 && bytes[i] != 0x67 &&
			 (bytes[i] & 0xf0) != 0x40)
			return 0;
	}
	return rep && (bytes[i] == 0xa4 || bytes[i] == 0xa5 ||
		       bytes[i] == 0xaa || bytes[i] == 0xab) ? bytes[i] : 0;
}

static struct block *get_block(uint64_t va, uint32_t insns)
{
	struct block **head = &hash[(va * 0x9e3779b97f4a7c15ULL) >> 47], *b;

	for (b = *head; b; b = b->next)
		if (b->va == va && b->insns == insns)
			return b;
	if (n_blocks == MAX_BLOCKS)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->va = va;
	b->insns = insns;
	b->index = n_blocks;
	b->next = *head;
	*head = b;
	blocks[n_blocks++] = b;
	return b;
}

static void on_translate(struct qemu_plugin_tb *tb, void *data)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	uint64_t va = qemu_plugin_tb_vaddr(tb);
	struct qemu_plugin_insn *insn;
	struct block *b;
	uint8_t rep;

	/* user code is not counted, but only user code commands the plugin */
	if (va < KERNEL_SPACE) {
		for (i = 0; i < n; i++) {
			insn = qemu_plugin_tb_get_insn(tb, i);
			if (is_marker(insn))
				qemu_plugin_register_vcpu_insn_exec_cb
					(insn, on_marker, QEMU_PLUGIN_CB_R_REGS,
					 NULL);
		}
		return;
	}

	pthread_mutex_lock(&lock);
	b = get_block(va, n);
	pthread_mutex_unlock(&lock);
	if (!b) {
		dropped++;
		return;
	}
	insn = qemu_plugin_tb_get_insn(tb, n - 1);
	rep = rep_store(insn);
	if (rep) {
		b->rep_va = qemu_plugin_insn_vaddr(insn);
		b->fills = rep >= 0xaa;
		qemu_plugin_register_vcpu_mem_inline_per_vcpu
			(insn, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_INLINE_ADD_U64,
			 string_steps, 1);
	} else {
		b->rep_va = 0;
	}
	qemu_plugin_register_vcpu_tb_exec_cond_cb(tb, count_exec,
						  QEMU_PLUGIN_CB_R_REGS,
						  QEMU_PLUGIN_COND_NE, armed,
						  0, b);
}

static void on_vcpu_init(unsigned int cpu, void *data)
{
	count_init_vcpu(cpu);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_API_VERSION;

QEMU_PLUGIN_EXPORT int qemu_plugin_install(uint64_t id,
					   const struct qemu_info *info, int argc,
					   char **argv)
{
	const char *path = NULL;
	int i;

	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			path = argv[i] + 4;
	if (!path || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "insn: needs out=FILE and an x86_64 guest\n");
		return -1;
	}
	out = fopen(path, "w");
	if (!out) {
		perror(path);
		return -1;
	}
	count_init();
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu_init, NULL);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate, NULL);
	qemu_plugin_register_vcpu_discon_cb(id, QEMU_PLUGIN_DISCON_INTERRUPT,
					    count_interrupt, NULL);
	return 0;
}
