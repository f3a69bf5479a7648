/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees in words, and a folder in memory that does a plan's operations, for the tests of the
 * synchronization core. */
#pragma once

#include "syncd/sync-plan.h"

/* "p=d p/a=f1 p/b=busy" as a sorted tree; "p!" is the conflict name of p at time and gateway of the
 * model. States are those of docs/sync-decisions.md. The caller frees it; fails the test on nonsense. */
SyncTree *model_tree(const char *text);
#define MODEL_NOW INT64_C(1793491200)
#define MODEL_GATEWAY "gw1"

/* The reverse; conflict names are written out. The caller frees it. */
char *model_text(const SyncTree *t);

/* Fills e with the state ("f2x") at path. */
void model_entry(SyncEntry *e, const char *path, const char *state);

/* Does the plan's operations on a copy of the tree, one by one; fails the test when an operation's
 * precondition does not hold: another local entry than planned, a missing parent, a directory that is not
 * empty. fails may be NULL: operations for which it returns true fail without effect, and so do those
 * that depend on them. */
SyncTree *model_apply(const SyncTree *local, const SyncPlan *plan, bool (*fails)(size_t i, void *userdata),
                      void *userdata);

/* Plans from whole trees, which are sorted and outlive the plan. The caller's. */
SyncPlan *model_plan(
                const SyncTree *base, const SyncTree *local, const SyncTree *remote, const SyncPlanContext *context);

/* After (part of) the plan towards target was applied and local is what is in the folder now: the changes to target
 * that give the new base, as sync_base_holds() tells of each path. placed is what apply or recovery says it has put in
 * place, or NULL. The caller's. */
SyncTree *model_advance_base(
                const SyncTree *base, const SyncTree *local, const SyncTree *target, const SyncTree *placed);
