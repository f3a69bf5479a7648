/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The piece of apply that changes the folder. Not for others. */
#pragma once

#include "syncd/sync-apply-internal.h"
#include "syncd/sync-scan.h"

/* Does the operation whose new entry is staged and whose intent is durable. What is expected to go wrong
 * is in item->result. 0 or another negative errno; item->swapped says whether the folder was changed
 * before it. */
int apply_swap(ApplyRun *run, ApplyItem *item);

/* renameat2(), by which the folder changes. 0 or a negative errno. */
int apply_rename(ApplyItem *item, int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
/* The path is from now on known as the entry says; SYNC_ABSENT: nothing is there. 0 or -ENOMEM. */
int apply_report_placed(ApplyRun *run, const char *path, const SyncEntry *e);
