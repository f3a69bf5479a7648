/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the pieces of the state machine. Not for others. */
#pragma once

#include "syncd/sync-fsm.h"

/* --- sync-fsm-orders.c --- */

/* To be told to the ACS. Unless it says that something was started, it answers op.opseq and all below. */
void sync_fsm_report(SyncFsm *m, SyncOp op, SyncOutcome outcome, SyncWord word);
/* An answer to a prefetch waits until no order of the folder is left: one below would count as answered with it, one
 * above answers it. */
void sync_fsm_answer_prefetch(SyncFsm *m);
/* Something else does, or prevents, what the prefetch is for. */
void sync_fsm_end_prefetch(SyncFsm *m, SyncWord word);
/* Answers the order that is being done, and the waiting one, as nothing can be done for now. */
void sync_fsm_fail_orders(SyncFsm *m, SyncWord word);
/* Answers the order that is being done: there is one. */
void sync_fsm_answer(SyncFsm *m, SyncOutcome outcome);
/* The folder and main are equal, as far as this gateway knows. */
void sync_fsm_finish(SyncFsm *m);
/* A run came to its end on what was fetched, or (moved: and placed something) on what is known. */
void sync_fsm_answer_run(SyncFsm *m, const SyncTreeResult *result, bool moved);
