/* SPDX-License-Identifier: GPL-2.0 */
/* CETH core: the verifying mode, what its files share. */
#ifndef _CETH_CORE_VERIFY_H
#define _CETH_CORE_VERIFY_H

#include "core.h"

/**
 * struct ceth_vpair - what the verifying mode knows of a pair
 * @polled: an interrupt has come, and the pair is not armed again
 * @strays: interrupts since
 * @stalled: a stall was reported: bit 0 receive, bit 1 transmit
 */
struct ceth_vpair {
	bool polled;
	u32 strays;
	unsigned long stalled;
};

/**
 * enum ceth_vstate - states of a device, bits
 * @CETH_VS_NEW: nothing has been asked of it
 * @CETH_VS_RESET: dev_reset
 * @CETH_VS_INIT: dev_init
 * @CETH_VS_RUN: dev_run
 */
enum ceth_vstate {
	CETH_VS_NEW	= BIT(0),
	CETH_VS_RESET	= BIT(1),
	CETH_VS_INIT	= BIT(2),
	CETH_VS_RUN	= BIT(3),
};

/**
 * struct ceth_verify - the verifying mode of a device
 * @ops: what the core calls instead of the backend's
 * @rings: &struct ceth_vq, under the configuration lock
 * @task: who is in a callback
 * @said: sentences that have been reported: B, then C
 * @state: of the device
 * @lost: it did not let go of a queue: no order any more until dev_init
 * @quiet: dev_reset was a while ago: no interrupt may come
 * @on: features switched on
 * @on_at: since when, jiffies
 * @pairs: of each pair
 */
struct ceth_verify {
	struct ceth_ops ops;
	struct list_head rings;
	struct task_struct *task;
	unsigned long said[2];
	enum ceth_vstate state;
	bool lost;
	bool quiet;
	u32 on;
	unsigned long on_at;
	struct ceth_vpair pairs[];
};

__printf(4, 5) void ceth_broken(struct ceth_dev *cdev, u16 pair,
				const char *rule, const char *fmt, ...);

/* verify_dp.c */
void ceth_v_context(struct ceth_dev *cdev, u16 pair, int before,
		    const char *what);

/* verify_ops.c */
void ceth_verify_ops_init(struct ceth_dev *cdev);
void ceth_v_guard(struct ceth_vq *v);

#endif /* _CETH_CORE_VERIFY_H */
