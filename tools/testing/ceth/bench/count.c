// SPDX-License-Identifier: GPL-2.0
/* The half of the instruction counter that follows the code: see insn.c. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "count.h"

#define MAX_FRAMES	32
#define MAX_POLLS	(1U << 16)
#define NAPI_WEIGHT	64

static const char *const class_name[N_CLASSES] = {
	[NAPI_FULL] = "napi_full", [NAPI_PART] = "napi_part",
	[NAPI_IDLE] = "napi_idle", [NAPI_OTHER] = "napi_other",
	[SOFTIRQ] = "softirq", [IRQ] = "irq", [TASK] = "task", [XMIT] = "xmit",
};

struct tally {
	uint64_t insns;
	uint64_t steps;
};

struct frame {
	enum count_class class;
	uint64_t ret;		/* address and stack pointer at its end */
	uint64_t sp;
	uint64_t rep_va;	/* interrupted string instruction */
};

struct vcpu {
	struct qemu_plugin_register *rsp, *rax, *rdi, *rsi;
	struct g_byte_array *buf;
	int depth;
	bool interrupted;	/* the next block begins an interrupt handler */
	uint64_t interrupted_pc;
	struct block *last;
	enum count_class last_class;
	uint64_t rep_va;	/* string instruction that the last block ended with */
	uint64_t steps;		/* string steps when the last block began */
	/* the poll under way */
	bool poll_decided;
	bool poll_dut;
	uint32_t n_touched;
	struct frame frames[MAX_FRAMES];
};

struct poll {
	uint32_t work;
	uint32_t insns;
};

struct config config = { .modules_lo = ~0ULL, .gen = 1 };
struct block *blocks[MAX_BLOCKS];
uint32_t n_blocks;
struct qemu_plugin_u64 armed, string_steps;
uint64_t dropped;

static struct vcpu vcpus[MAX_VCPUS];

/* One vCPU is counted at a time, so its tables need no lock. */
static int target = -1;
static struct tally *counts[N_CLASSES], *poll_counts;
static uint32_t touched[MAX_BLOCKS];
static struct poll polls[MAX_POLLS];
static uint32_t n_polls;

static uint64_t read_reg(struct vcpu *v, struct qemu_plugin_register *reg)
{
	uint64_t val = 0;

	g_byte_array_set_size(v->buf, 0);
	if (qemu_plugin_read_register(reg, v->buf) && v->buf->len >= sizeof(val))
		memcpy(&val, v->buf->data, sizeof(val));
	return val;
}

static uint64_t read_mem(struct vcpu *v, uint64_t addr)
{
	uint64_t val = 0;

	if (qemu_plugin_read_memory_vaddr(addr, v->buf, sizeof(val)))
		memcpy(&val, v->buf->data, sizeof(val));
	return val;
}

static void classify(struct block *b)
{
	unsigned int i;

	b->dut = false;
	b->scope = NONE;
	for (i = 0; i < config.n_duts; i++)
		b->dut |= b->va >= config.duts[i].lo && b->va < config.duts[i].hi;
	for (i = 0; i < config.n_scopes; i++)
		if (b->va == config.scopes[i].va)
			b->scope = config.scopes[i].class;
	b->module = b->va >= config.modules_lo;
	b->model = b->va >= config.model.lo && b->va < config.model.hi;
	b->gen = config.gen;
}

static enum count_class current_class(const struct vcpu *v)
{
	return v->depth ? v->frames[v->depth - 1].class : NONE;
}

static void push(struct vcpu *v, enum count_class class, bool interrupt,
		 uint64_t ret, uint64_t sp)
{
	struct frame *f;

	if (v->depth == MAX_FRAMES) {
		dropped++;
		return;
	}
	f = &v->frames[v->depth++];
	f->class = class;
	f->ret = ret;
	f->sp = sp;
	f->rep_va = interrupt ? v->rep_va : 0;
}

static void add(struct vcpu *v, enum count_class class, const struct block *b,
		uint64_t insns, uint64_t steps)
{
	struct tally *t;

	if (class == SWITCH || class == MODEL || class == NONE)
		return;
	if (class == NAPI) {
		t = &poll_counts[b->index];
		if (!t->insns && !t->steps)
			touched[v->n_touched++] = b->index;
	} else {
		t = &counts[class][b->index];
	}
	t->insns += insns;
	t->steps += steps;
}

/* The poll function returned: add what it did to the class that it earned. */
static void poll_end(struct vcpu *v, uint32_t work)
{
	enum count_class class = NAPI_OTHER;
	uint64_t insns = 0;
	uint32_t i;

	if (v->poll_dut)
		class = work >= NAPI_WEIGHT ? NAPI_FULL :
			work ? NAPI_PART : NAPI_IDLE;
	for (i = 0; i < v->n_touched; i++) {
		struct tally *from = &poll_counts[touched[i]];
		struct tally *to = &counts[class][touched[i]];

		insns += from->insns;
		to->insns += from->insns;
		to->steps += from->steps;
		memset(from, 0, sizeof(*from));
	}
	v->n_touched = 0;
	if (!v->poll_dut)
		return;
	if (n_polls == MAX_POLLS) {
		dropped++;
		return;
	}
	polls[n_polls].work = work;
	polls[n_polls++].insns = insns;
}

/*
 * Leave the outermost frame that ends here, if one does. Outermost: interrupts
 * that come one after the other at the same place leave as many frames, and all
 * of them end when the code goes on.
 */
static void pop(struct vcpu *v, const struct block *b)
{
	uint64_t sp = 0;
	int i;

	for (i = 0; i < v->depth; i++) {
		struct frame *f = &v->frames[i];

		if (f->ret != b->va)
			continue;
		if (!sp)
			sp = read_reg(v, v->rsp);
		if (f->sp != sp)
			continue;
		if (f->class == NAPI)
			poll_end(v, read_reg(v, v->rax));
		v->depth = i;
		v->rep_va = f->rep_va;
		return;
	}
}

static void enter(struct vcpu *v, const struct block *b)
{
	enum count_class class = b->scope, now = current_class(v);
	uint64_t sp, ret;

	if (v->interrupted) {
		v->interrupted = false;
		/*
		 * The CPU pushed RIP, CS, RFLAGS, RSP, SS. QEMU reports page
		 * faults here too, which have an error code below: they belong
		 * to the code that faults.
		 */
		sp = read_reg(v, v->rsp);
		if (read_mem(v, sp) == v->interrupted_pc)
			push(v, NONE, true, v->interrupted_pc,
			     read_mem(v, sp + 24));
		else if (read_mem(v, sp + 8) != v->interrupted_pc)
			dropped++;
		return;
	}
	/* what hardware does is nobody's, and what it calls neither */
	if (now == MODEL)
		return;
	if (b->model)
		class = v->depth && now != NONE ? MODEL : NONE;
	if (class == NONE && b->dut &&
	    (!v->depth || now == TASK || now == SWITCH))
		class = XMIT;
	/* a task switch matters only where it happens inside a scope */
	if (class == NONE || (class == NAPI && now == NAPI) ||
	    (class == SWITCH && now >= N_CLASSES))
		return;
	sp = read_reg(v, v->rsp);
	ret = read_mem(v, sp);
	/* in the middle of the driver when counting began: not a call */
	if (ret < KERNEL_SPACE)
		return;
	if (class == NAPI) {
		v->poll_decided = false;
		v->poll_dut = false;
	}
	push(v, class, false, ret, sp + 8);
}

void count_exec(unsigned int cpu, void *data)
{
	struct vcpu *v = &vcpus[cpu];
	struct block *b = data;
	bool again;

	if (b->gen != config.gen)
		classify(b);

	if (v->last && v->last->rep_va) {
		uint64_t steps = qemu_plugin_u64_get(string_steps, cpu);

		add(v, v->last_class, v->last, 0, steps - v->steps);
	}
	if (v->depth)
		pop(v, b);
	if (v->interrupted || b->scope != NONE || b->dut || b->model)
		enter(v, b);

	if (b->module && !v->poll_decided && current_class(v) == NAPI) {
		v->poll_decided = true;
		v->poll_dut = b->dut;
	}
	/* a string instruction that continues, maybe after an interrupt */
	again = v->rep_va == b->va;
	v->last = b;
	v->last_class = current_class(v);
	v->rep_va = b->rep_va;
	if (b->rep_va)
		v->steps = qemu_plugin_u64_get(string_steps, cpu);
	add(v, v->last_class, b, again ? b->insns - 1 : b->insns, 0);
}

void count_interrupt(unsigned int cpu, enum qemu_plugin_discon_type type,
		     uint64_t from_pc, uint64_t to_pc, void *data)
{
	struct vcpu *v = &vcpus[cpu];

	/* user code is not counted, so there is nothing to take out of it */
	if ((int)cpu != target || !v->depth || from_pc < KERNEL_SPACE)
		return;
	v->interrupted = true;
	v->interrupted_pc = from_pc;
}

void count_begin(unsigned int cpu)
{
	struct vcpu *v = &vcpus[cpu];
	int i;

	for (i = 0; i < N_CLASSES; i++)
		memset(counts[i], 0, n_blocks * sizeof(*counts[i]));
	memset(poll_counts, 0, n_blocks * sizeof(*poll_counts));
	v->depth = 0;
	v->n_touched = 0;
	v->interrupted = false;
	v->last = NULL;
	v->rep_va = 0;
	n_polls = 0;
	dropped = 0;
	target = cpu;
	qemu_plugin_u64_set(armed, cpu, 1);
}

void count_end(FILE *out)
{
	uint32_t i, c;

	if (target < 0)
		return;
	qemu_plugin_u64_set(armed, target, 0);
	/* the counted vCPU may be inside count_exec(): a block lasts microseconds */
	usleep(5000);
	for (c = 0; c < N_CLASSES; c++) {
		fprintf(out, "class %s\n", class_name[c]);
		for (i = 0; i < n_blocks; i++) {
			struct tally *t = &counts[c][i];

			if (!t->insns && !t->steps)
				continue;
			fprintf(out, "%lx %u %lu", blocks[i]->va,
				blocks[i]->insns, t->insns);
			if (t->steps)
				fprintf(out, " %lu %s", t->steps,
					blocks[i]->fills ? "fill" : "copy");
			fputc('\n', out);
		}
	}
	for (i = 0; i < n_polls; i++)
		fprintf(out, "poll %u %u\n", polls[i].work, polls[i].insns);
	fprintf(out, "dropped %lu\n", dropped);
	target = -1;
}

bool count_marker_text(unsigned int cpu, char *text, size_t size)
{
	struct vcpu *v = &vcpus[cpu];
	uint64_t addr = read_reg(v, v->rdi), len = read_reg(v, v->rsi);

	if (!len || len >= size ||
	    !qemu_plugin_read_memory_vaddr(addr, v->buf, len))
		return false;
	memcpy(text, v->buf->data, len);
	text[len] = 0;
	return true;
}

void count_init_vcpu(unsigned int cpu)
{
	struct vcpu *v = &vcpus[cpu];
	struct qemu_plugin_reg_descriptor *regs;
	unsigned int i;
	struct g_array *list;

	if (cpu >= MAX_VCPUS)
		abort();
	v->buf = g_byte_array_new();
	list = qemu_plugin_get_registers();
	regs = (struct qemu_plugin_reg_descriptor *)list->data;
	for (i = 0; i < list->len; i++) {
		if (!strcmp(regs[i].name, "rsp"))
			v->rsp = regs[i].handle;
		else if (!strcmp(regs[i].name, "rax"))
			v->rax = regs[i].handle;
		else if (!strcmp(regs[i].name, "rdi"))
			v->rdi = regs[i].handle;
		else if (!strcmp(regs[i].name, "rsi"))
			v->rsi = regs[i].handle;
	}
}

void count_init(void)
{
	int i;

	/* the pages of these tables are touched only where blocks execute */
	for (i = 0; i < N_CLASSES; i++)
		counts[i] = calloc(MAX_BLOCKS, sizeof(*counts[i]));
	poll_counts = calloc(MAX_BLOCKS, sizeof(*poll_counts));

	armed.score = qemu_plugin_scoreboard_new(2 * sizeof(uint64_t));
	string_steps = armed;
	string_steps.offset = sizeof(uint64_t);
}
