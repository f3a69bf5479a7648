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

/* One path of any of the trees; or a run of them: files and symlinks of one directory that are all deleted here, all
 * new here, or all gone here, whose entries follow each other in one tree. The step is that of the first one. Many
 * files that are deleted or renamed at once are few steps. */
typedef struct SyncStep {
        const SyncEntry *base, *local, *remote; /* NULL: absent */
        const char *path;
        uint32_t n;  /* paths */
        uint32_t at; /* of a run: where its first entry is in SyncRows.local, if it is there, or in SyncRows.base */
        SyncDecision decision;
        bool done; /* operations for the local entry have been made, or are not needed as its directory goes */
} SyncStep;

/* Content, by the beginning of its name: two that differ have the same one with a chance of one in 2^64, and there may
 * be much of it. Who makes two such files (2^32 hashes) has the guard take the deletion of the one for a move, which a
 * copy of it does as well; when a file is deleted may hang on it, but not whether. */
typedef struct SyncContents {
        uint64_t *items;
        size_t n;
} SyncContents;

/* 0 or -ENOMEM. */
int sync_contents_add(SyncContents *c, const SyncOid *oid);

/* What a plan has of many paths, which come in the tree's order, or in the opposite one. */
typedef struct Window {
        const char *begin; /* behind this path, or NULL */
        const char *last;  /* of those that are in it */
        size_t n;
} Window;

typedef enum WindowPlace {
        WINDOW_BEFORE,
        WINDOW_WITHIN,
        WINDOW_BEHIND,
} WindowPlace;

typedef struct Planner {
        const SyncRows *rows;
        const SyncPlanContext *context;
        SyncStep *steps;
        size_t n_steps;
        SyncPlan *plan;
        Window created, deleted;
        SyncContents put_off; /* of creations that are; sorted if anything is deleted */
        /* The directory that is being renamed as a whole: what is beneath it is committed beneath its new name. */
        const char *moved_from, *moved_to;
        const char *gone; /* the last directory that the commit deletes, or NULL */
        size_t taken, taken_end; /* local entries that are to be appended to the commit */
} Planner;

/* The i-th path of a run. */
SyncStep sync_step_at(const Planner *p, const SyncStep *s, size_t i);

/* Where the next path is. order is -1 if the paths come in the opposite order. */
WindowPlace sync_plan_window_next(Window *w, size_t size, const char *path, int order);

/* 0 or -ENOMEM. */
int sync_plan_add_operation(
                Planner *p, SyncOperationKind kind, const SyncStep *s, const SyncEntry *wanted, const char *renamed_to);

/* What one path's three states ask for, without a look at what is beneath. With DECIDE_MERGE *ret_merged
 * is filled. */
SyncDecision sync_decide(const SyncEntry *base, const SyncEntry *local, const SyncEntry *remote, SyncEntry *ret_merged);

/* Makes the decisions agree with each other: a path with something beneath it must be a directory. */
void sync_steps_resolve(SyncStep *steps, size_t n);

/* --- sync-plan-delete.c --- */

/* Appends the operations that delete. 0 or -ENOMEM. */
int sync_plan_delete(Planner *p);
/* Lists what the guard is to know. 0 or -ENOMEM. */
int sync_plan_count_deletions(Planner *p);
