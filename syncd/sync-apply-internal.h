/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the pieces of apply: staging new content, swapping it in, settling what was displaced. Not for
 * others. */
#pragma once

#include "syncd/sync-apply.h"
#include "syncd/sync-journal.h"
#include "syncd/sync-open.h"

typedef enum ApplyMoveState {
        APPLY_MOVE_NONE,    /* not any more: the deletion is one as any other */
        APPLY_MOVE_PLANNED,
        APPLY_MOVE_DONE,    /* and with it the deletion */
        APPLY_MOVE_REFUSED, /* the file system cannot: the file must stay for a copy of it */
} ApplyMoveState;

/* A creation and a deletion that are done as one: the file gets another name. */
typedef struct ApplyMove {
        const SyncEntry *from;
        ApplyMoveState state;
} ApplyMove;

typedef struct ApplyRun {
        const SyncApply *apply;
        SyncApplyReport *report;
        SyncJournal *journal;
        unsigned n_steps;
        SyncOid taken[SYNC_BATCH_FILES]; /* content that items of this batch take as their new file */
        size_t n_taken;
        SyncOid *repeated;       /* sorted: content that several operations of the plan want */
        size_t n_repeated;
        bool sync_named;         /* a file that was synced without a name is synced again when it has one */
        ApplyMove *pairs;
        size_t n_pairs;
        ApplyMove **moves;       /* of each operation of the plan, for both halves; NULL: there are none */
} ApplyRun;

/* A point at which a crash must do no harm. */
void apply_step(ApplyRun *run);

/* One operation of a batch. */
typedef struct ApplyItem {
        const SyncOperation *operation;
        uint64_t number;         /* of the intent, and of the name in the staging directory */
        size_t intent;
        bool has_intent;
        int new_fd;              /* the new file, as yet without a name there, or the one whose mode was changed; else
                                  * -EBADF */
        bool takes_content;      /* it is the file in the content area itself, not a copy of it */
        SyncEntry placed;        /* what stat says of the new entry */
        int64_t swap_ns;         /* when it was put in place, at the earliest */
        bool swapped;            /* the folder has changed: what is in the staging directory now is a user's */
        SyncEntry displaced;     /* that, right after the swap; SYNC_ABSENT if there is nothing */
        int64_t displaced_ns;
        int parent_fd;           /* of the path; kept to be synced */
        ApplyMove *move;         /* the file comes by that, or NULL; then nothing is in the staging directory, ... */
        int from_fd;             /* ... and this is the directory where it was; kept to be synced */
        SyncApplyResult result;  /* SYNC_APPLY_DONE as long as nothing went wrong */
        int error;
} ApplyItem;

/* Makes the new entry: a file without a name, or a symlink or directory in the staging directory. Sets
 * item->result if that cannot be done. 0, or a negative errno that ends the run. */
int apply_stage(ApplyRun *run, ApplyItem *item);
/* Names the staged file in the staging directory. 0 or a negative errno. */
int apply_name_staged(ApplyRun *run, ApplyItem *item);
/* Sets what else is to be known of the file than its content. 0 or a negative errno. */
int apply_set_metadata(ApplyRun *run, const SyncEntry *wanted, int fd);
/* Removes what was staged and is not needed. */
void apply_discard(ApplyRun *run, ApplyItem *item);

/* What to tell of an error. */
SyncApplyResult apply_result_of(int error);
void apply_fail(ApplyItem *item, SyncApplyResult result, int error);
/* Registers a path that was not done. 0 or -ENOMEM. */
int apply_report_failure(ApplyRun *run, const char *path, SyncApplyResult result, int error);

/* Decides about the file of the intent in the staging directory, which was displaced from the folder:
 * unlinks it, gives it a conflict name or its old name. force_conflict: it is a collision whatever it
 * holds. 0 or a negative errno, then it is still there. */
int apply_dispose(ApplyRun *run, const SyncIntent *intent, bool force_conflict);

/* Settles all that was displaced before now minus grace_ns. 0 or a negative errno. */
int apply_settle(ApplyRun *run, int64_t grace_ns);

int64_t apply_now_ns(void);

/* --- sync-move.c --- */

/* Finds files that the plan creates under one name and deletes under another, if apply->may_move.
 * apply_forget_moves() in any case. 0 or -ENOMEM. */
int apply_find_moves(ApplyRun *run, const SyncPlan *plan);
void apply_forget_moves(ApplyRun *run);
/* Instead of staging: true if item->move can probably be done, else it is forgotten. */
bool apply_can_move(ApplyRun *run, ApplyItem *item);
/* Instead of apply_swap(), once the intent is durable; the same results. */
int apply_move(ApplyRun *run, ApplyItem *item);
