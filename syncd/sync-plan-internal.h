/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the planner's two halves: decisions of the single paths, and what follows from them. Not for
 * others. */
#pragma once

#include "syncd/sync-plan.h"

typedef enum SyncDecision {
        DECIDE_NOTHING,     /* both sides are the same already */
        DECIDE_TAKE_LOCAL,  /* what is here (or nothing) goes to main */
        DECIDE_TAKE_REMOTE, /* what main has (or nothing) comes here */
        DECIDE_MERGE,       /* one side changed the content, the other the executable bit */
        DECIDE_COLLIDE,     /* main's comes here, the local one gets a conflict name */
        DECIDE_POSTPONE,    /* nothing can be said or done now */
} SyncDecision;

/* One path of any of the trees. */
typedef struct SyncStep {
        const SyncEntry *base, *local, *remote; /* NULL: absent */
        const char *path;
        SyncDecision decision;
        bool done; /* operations for the local entry have been made, or are not needed as its directory goes */
} SyncStep;

/* What one path's three states ask for, without a look at what is beneath. With DECIDE_MERGE *ret_merged
 * is filled. */
SyncDecision sync_decide(const SyncEntry *base, const SyncEntry *local, const SyncEntry *remote, SyncEntry *ret_merged);

/* Makes the decisions agree with each other: a path with something beneath it must be a directory. */
void sync_steps_resolve(SyncStep *steps, size_t n);
