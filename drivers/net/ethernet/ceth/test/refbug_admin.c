// SPDX-License-Identifier: GPL-2.0
/* CETH's tests: a driver of the reference NIC with mistakes: the real callbacks. */
#include "refbug.h"

#define cref_ops	refbug_real_ops
#include "../ref/admin.c"
