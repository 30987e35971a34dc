/* SPDX-License-Identifier: GPL-2.0 */
/* Between the two halves of the instruction counter: see insn.c. */
#ifndef CETH_BENCH_COUNT_H
#define CETH_BENCH_COUNT_H

#include <stdio.h>

#include "qemu_api.h"

#define KERNEL_SPACE	(1ULL << 63)
#define MAX_BLOCKS	(1U << 20)
#define MAX_VCPUS	64
#define MAX_SCOPES	32
#define MAX_RANGES	16

enum count_class {
	NAPI_FULL, NAPI_PART, NAPI_IDLE, NAPI_OTHER,
	SOFTIRQ, IRQ, TASK, XMIT,
	N_CLASSES,
	/* the rest is never output */
	NAPI = N_CLASSES,	/* a poll under way, not yet classified */
	SWITCH,			/* in the scheduler and whatever it switches to */
	MODEL,			/* hardware that is made of code */
	NONE,
};

/* a translated block; never freed, so that the generated code may point to it */
struct block {
	struct block *next;
	uint64_t va;
	uint64_t rep_va;	/* of a repeated string store that ends it, or 0 */
	uint32_t insns;
	uint32_t index;
	uint32_t gen;		/* configuration that the rest is of */
	bool fills;		/* the string store is stos, not movs */
	bool dut;
	bool module;
	bool model;
	enum count_class scope;	/* scope that begins here, or NONE */
};

struct scope {
	uint64_t va;
	enum count_class class;
};

struct range {
	uint64_t lo, hi;
};

/* what the guest has told; whoever changes it counts gen up */
struct config {
	struct scope scopes[MAX_SCOPES];
	struct range duts[MAX_RANGES];
	struct range model;
	unsigned int n_scopes, n_duts;
	uint64_t modules_lo;
	uint32_t gen;
};

extern struct config config;
extern struct block *blocks[MAX_BLOCKS];
extern uint32_t n_blocks;
extern struct qemu_plugin_u64 armed, string_steps;
extern uint64_t dropped;	/* events that did not fit: must be 0 */

void count_init(void);
void count_init_vcpu(unsigned int cpu);
void count_begin(unsigned int cpu);
void count_end(FILE *out);
/* What the guest passed with a marker instruction, or false */
bool count_marker_text(unsigned int cpu, char *text, size_t size);
/* Callbacks of QEMU */
void count_exec(unsigned int cpu, void *data);
void count_interrupt(unsigned int cpu, enum qemu_plugin_discon_type type,
		     uint64_t from_pc, uint64_t to_pc, void *data);

#endif /* CETH_BENCH_COUNT_H */
