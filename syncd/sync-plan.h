/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The planner: what to do to the folder and what to commit, from three trees. Pure;
 * docs/sync-decisions.md is its table.
 *
 * A run of synchronization, which may be killed at any point and begun again:
 *
 *      base = sync_tree_patch(tree of the base commit, held); local = scan; remote = tree of main's tip
 *      record the tip as target; plan; apply the operations; local = what apply placed, and a scan of what it names
 *      held = base's entries at the paths where sync_base_holds()
 *      record, at once, base commit = tip, held, no target; settle what was displaced
 *      plan as_is, with sync_tree_patch(remote, held) as base: its commits, if any, make the tree
 *      sync_tree_patch(remote, commits), committed with the tip as parent; record it as candidate; push
 *      accepted: record base commit = candidate (held stays). Not a fast-forward: from the top
 *
 * After a crash: if main's history contains the recorded candidate, it is the base commit (else the
 * user's next edit would collide with their own last one). If a target is recorded, the apply was cut:
 * recover (sync-apply.h), scan, and find held again, for the target. A base that is lost is the empty tree: the
 * result is then the union of both sides, nothing is deleted, and what differs is kept under both names. */
#pragma once

#include "common/base/macro.h"
#include "syncd/sync-conflict.h"
#include "syncd/sync-tree.h"

typedef enum SyncOperationKind {
        SYNC_CREATE,  /* a file, symlink or directory where nothing is */
        SYNC_REPLACE, /* one by another, of any kind; with renamed_to the old one goes there: a collision */
        SYNC_DELETE,  /* a file, a symlink, or a directory that the operations before have emptied */
        SYNC_CHMOD,   /* the executable bit alone */
        _SYNC_OPERATION_KIND_MAX,
} SyncOperationKind;

typedef struct SyncOperation {
        SyncOperationKind kind;
        const char *path;
        const SyncEntry *local;  /* what is there when it is done, NULL for nothing; of the local tree */
        const SyncEntry *wanted; /* what is there afterwards, NULL for nothing; of the remote tree or the plan */
        const char *renamed_to;  /* SYNC_REPLACE only: the path that the local entry gets, or NULL */
} SyncOperation;

typedef struct SyncPlanStatistics {
        size_t base_files;        /* files and symlinks in base: what the deletions are a part of */
        size_t deleted_here;      /* files and symlinks deleted in the folder, now or later; without those that only
                                   * move */
        size_t deleted_on_main;   /* files and symlinks that the commit deletes; without those that only move */
        size_t to_commit;         /* paths that the commit changes, all that it does not name among them */
        size_t put_off;           /* files and symlinks to be created here that are left to later plans ... */
        size_t deletions_put_off; /* ... and what is to be deleted here and is left to them */
        size_t behind;            /* of both, what is behind this plan's windows: not what is before them */
        size_t postponed;         /* paths left alone because their local state is unknown or busy, which time may
                                   * change: not what is of a kind that does not travel */
        size_t collisions;        /* operations with renamed_to */
        size_t moves_put_off;     /* files to be deleted here that are left to later plans, though this one creates
                                   * their content elsewhere */
        uint64_t bytes_wanted;    /* size of the content to be created or replaced here */
} SyncPlanStatistics;

typedef struct SyncPlan {
        SyncOperation *operations; /* in the order in which they must be done */
        size_t n_operations;
        SyncTree *commits;         /* the set of changes to the remote tree that local changes make; what is as in the
                                    * local tree shares its memory, and has its inode and ctime, too */
        SyncPlanStatistics statistics;
        const char **deleted_here; /* the paths that the statistics count, in the tree's order; or NULL */
        const char **deleted_on_main;
        const char *last_created;  /* where the windows end: the path of the last creation there, or NULL ... */
        const char *last_deleted;  /* ... and of the last deletion */
        const char **moves_put_off;
        SyncTree *merged;          /* private: entries of neither side */
        void *names;               /* private: conflict names */
} SyncPlan;

typedef struct SyncPlanContext {
        int64_t now; /* seconds since 1970 UTC: the stamp in conflict names */
        const char *gateway_name;
        /* The operations will not be done: commit what is in the folder now, not what they would leave there. Nothing
         * that is deleted is listed or counted. */
        bool as_is;
        /* A directory that is deleted on main stands in the commit for all that is in it. */
        bool whole_directories;
        /* Of the files and symlinks that are to be created where nothing was, about so many, in the tree's order, are
         * planned now, and the others are put off with the deletions of what has their content. Of what else is to be
         * deleted it is as many, counted from the tree's end, and what is to be renamed to what is created now. Memory
         * does not grow with how many there are. 0: all are planned. */
        size_t window;
        /* Paths that the windows begin behind, in their order: last_created and last_deleted of an older plan; or
         * NULL. */
        const char *created_to, *deleted_to;
} SyncPlanContext;

/* What the three sides have at one path; NULL for nothing. */
typedef struct SyncRow {
        const char *path;
        const SyncEntry *base, *local, *remote;
} SyncRow;

/* The rows to plan from. Those where all three sides are equal may be left out: they have no say in anything.
 * Where one side has a directory and another has not, all that is beneath it is there. */
typedef struct SyncRows {
        /* The next row in the tree's order. 1, 0 at the end, or a negative errno. Entries and paths outlive the
         * plan; with keep, those of rows that it was not called for only hold until the next call. */
        int (*next)(SyncRow *ret, void *userdata);
        void (*keep)(const SyncRow *row, void *userdata); /* of the last row; or NULL */
        /* True if something has that path, in the folder or on main, and a collision cannot get it. */
        bool (*is_taken)(const char *path, void *userdata);
        size_t base_files; /* files and symlinks in all of base */
        const SyncTree *local; /* all local entries are of this tree ... */
        const SyncTree *base;  /* ... and of this one are base's, as far as there is no local entry */
        void *userdata;
} SyncRows;

/* Plans one run. base must not have anything that was not in this folder once (see above). *ret is the caller's, and
 * points into the rows. 0, -ENOMEM, or an error of rows->next(). */
int sync_plan_rows(const SyncRows *rows, const SyncPlanContext *context, SyncPlan **ret);

SyncPlan *sync_plan_free(SyncPlan *p);
DEFINE_TRIVIAL_CLEANUP_FUNC(SyncPlan *, sync_plan_free);
#define _cleanup_sync_plan_free_ _cleanup_(sync_plan_freep)

/* After (part of) the plan towards a target was applied: true if the old base's entry (or its absence) stays base at
 * this path although the target has another, because an operation was needed and has not been done (a full disk, a busy
 * file, a crash); else what is there would be taken for a user's change. row->local is what is in the folder now,
 * row->remote the target's entry. placed is what apply or recovery says it has put in place, which a user may have
 * changed again since; NULL for nothing. Seldom true. */
bool sync_base_holds(const SyncRow *row, const SyncEntry *placed);

/* The mass-delete guard: true if deletions of n_deleted of n_files are to be held for confirmation,
 * because they exceed max_count or max_percent (0: that limit is off). Fewer than SYNC_GUARD_MIN never
 * are by percentage: a folder of few files is no mass. */
#define SYNC_GUARD_MIN 10U
bool sync_guard_exceeded(size_t n_deleted, size_t n_files, uint32_t max_count, uint32_t max_percent) _pure_;
