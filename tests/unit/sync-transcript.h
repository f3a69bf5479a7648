/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the state machine that read as transcripts: an event, and what must follow. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "syncd/sync-fsm.h"

extern const SyncFacts good_facts;

/* A gateway that was never told anything. */
SyncFsm fresh(void);
/* A gateway that is subscribed, has pulled revision 5 and is idle. */
SyncFsm subscribed(void);
void assert_next(SyncFsm *m, SyncActionKind kind);
/* The reports since the last call, as "pull 7 ok, push - ok". */
void assert_reports(SyncFsm *m, const char *expected);
/* A run of the tree worker that completed. */
void tree_done(SyncFsm *m, uint64_t n, bool candidate);
