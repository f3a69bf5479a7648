/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The piece of apply that changes the folder. Not for others. */
#pragma once

#include "syncd/sync-apply-internal.h"
#include "syncd/sync-scan.h"

/* Does the operation whose new entry is staged and whose intent is durable. What is expected to go wrong
 * is in item->result. 0 or another negative errno; item->swapped says whether the folder was changed
 * before it. */
int apply_swap(ApplyRun *run, ApplyItem *item);
