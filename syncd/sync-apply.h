/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doing a plan's operations to the folder so that no byte a user wrote is lost at any crash, race or
 * error.
 *
 * New content is built without a name in the staging directory's file system, synced, and swapped in;
 * what it displaces is looked at afterwards, through a descriptor, and unlinked only if it is what the
 * plan expected and its content is kept elsewhere. A journal in the staging directory says what may be
 * displaced content.
 *
 * A file that is to be created with what another one has that is to be deleted is not made anew: that one is renamed,
 * with all writers kept out (a lease) from the last look until it is known under its new name. It has one name at any
 * time, is never in the staging directory, and a crash leaves it at one of the two.
 *
 * What a later record relies on is synced itself: a file's content and mode by a sync of the file, its name, and
 * that a name is gone, by one of the directory. ext4 and XFS write all that was done before along with any sync;
 * btrfs logs the one inode. */
#pragma once

#include <sys/types.h>

#include "common/base/macro.h"
#include "syncd/content.h"
#include "syncd/sync-conflict.h"
#include "syncd/sync-plan.h"
#include "syncd/sync-tree.h"

/* Files staged before their intents are made durable together: few syncs for many small files, which cost the disk
 * most, and two descriptors for each. */
#define SYNC_BATCH_FILES 256U
#define SYNC_BATCH_BYTES (UINT64_C(16) << 20)
/* A file displaced this recently may still be reached by an open() that was under way; settle it later. */
#define SYNC_GRACE_NS (INT64_C(2) * 1000000000)

typedef struct SyncApply {
        int root_fd;                    /* the folder, opened for reading */
        int staging_fd;                 /* from sync_staging_open() */
        uid_t uid;                      /* owner of what is created: the data user; (uid_t) -1 leaves it */
        gid_t gid;
        uint64_t disk_floor;            /* bytes that must stay free on the file system */
        int64_t now;                    /* seconds since 1970 UTC, for conflict names */
        const char *gateway_name;
        SyncHasher hasher;              /* called with store = false, to verify */
        bool may_move;                  /* else what only has another name on main is made anew, too */
        ContentArea *content;           /* files that are complete there are put in place as they are; or NULL */
        /* Writes the content into the file, which is empty and open for reading and writing, where no file of the
         * content area can be taken. -ENOENT: the content is not at hand (not fetched, or damaged). For a symlink's
         * target too. 0 or a negative errno. */
        int (*write_content)(const SyncOid *oid, uint64_t size, int fd, void *userdata);
        /* Whether the file holds what the oid of the entry names: 1, 0 or a negative errno. NULL: the hasher tells. */
        int (*is_content)(const SyncEntry *wanted, int fd, void *userdata);
        /* Restores what else is recorded of the entry that comes to the path: its extended attributes. What a file
         * system cannot hold is left out. May be NULL. 0 or -ENOMEM. */
        int (*restore_metadata)(const SyncEntry *wanted, int fd, void *userdata);
        /* True if the content is on main, so that the copy in the folder may be unlinked. */
        bool (*is_kept)(const SyncOid *oid, void *userdata);
        /* Tests only: called before every step that a crash could follow, with its number. May be NULL. */
        void (*step)(unsigned number, void *userdata);
        void *userdata;
} SyncApply;

typedef enum SyncApplyResult {
        SYNC_APPLY_DONE,
        SYNC_APPLY_STALE,       /* something else is there than was planned for: scan the path and plan again */
        SYNC_APPLY_BUSY,        /* to be deleted, but open for writing or locked: again when it is closed */
        SYNC_APPLY_NOT_EMPTY,   /* a directory to be removed holds something new or ignored */
        SYNC_APPLY_NO_SPACE,    /* the disk floor, ENOSPC or EDQUOT */
        SYNC_APPLY_NO_CONTENT,  /* write_content said -ENOENT, or wrote something else than the oid names */
        SYNC_APPLY_UNSUPPORTED, /* the file system cannot exchange, or cannot hold the name */
        SYNC_APPLY_FAILED,      /* another error, see there */
        _SYNC_APPLY_RESULT_MAX,
} SyncApplyResult;

typedef struct SyncApplyFailure {
        char *path;
        SyncApplyResult result;
        int error;              /* negative errno or 0 */
} SyncApplyFailure;

typedef struct SyncApplyReport {
        size_t n_done;
        size_t n_moved;                 /* files that were renamed: two operations each */
        bool moves_refused;             /* the file system does not rename all that it could hold: from now on
                                         * may_move is to be false, or the same will be tried again */
        uint64_t bytes_written;         /* what was only renamed is not counted */
        /* The set of changes to the local tree that was made, with the new identities: sync_tree_patch()
         * the index with it. */
        SyncTree *placed;
        SyncConflictList conflicts;     /* collisions, planned and found while applying */
        /* What could not be done; the rest of the plan was. All these paths, and renamed_to of all
         * conflicts, are to be scanned. */
        SyncApplyFailure *failures;
        size_t n_failures;
        size_t n_unsettled;             /* displaced files still waiting in the staging directory */
        size_t n_kept;                  /* files of unknown origin found in the staging directory and left there */
} SyncApplyReport;

/* Frees the content, and leaves it zeroed. */
void sync_apply_report_clear(SyncApplyReport *r);

/* Opens (and makes, 0700) "<volume>/.ispstorage/<folder_id>"; folder_id is a single valid name. Never
 * follows a link. The file descriptor is the caller's. 0, -EINVAL, -ELOOP or -ENOTDIR if something else
 * is there, or another negative errno. */
int sync_staging_open(int volume_fd, const char *folder_id, int *ret_fd);
/* The same if it is there; makes nothing. -ENOENT if it is not. */
int sync_staging_find(int volume_fd, const char *folder_id, int *ret_fd);
/* Removes it, unless there is something in it besides the marker and the journal: then it stays with both. 0 or a
 * negative errno. */
int sync_staging_remove(int volume_fd, const char *folder_id, int staging_fd);
/* What no journal tells of has such names in it. */
#define SYNC_KEPT_PREFIX "kept-"

/* The marker that tells this disk from an empty mount point: a file in the staging directory. Written at
 * the first activation, durably. 0 or a negative errno. */
int sync_marker_write(int staging_fd, const char *file_system_uuid);
/* 0, -ENOENT (no marker), -ESTALE (another UUID), or another negative errno. */
int sync_marker_check(int staging_fd, const char *file_system_uuid);

/* Proves by trying, in the staging directory, that the file system can do what apply needs: exchange,
 * no-replace, nameless files, sub-second times, and that it is the folder's own. 0, -EOPNOTSUPP, -EXDEV,
 * or another negative errno. */
int sync_staging_probe(int staging_fd, int root_fd);

/* Does the plan, and goes on after entries that fail. Call sync_apply_recover() first, once after start.
 * 0 also if there are failures; a negative errno only if nothing more can be done: -ENOMEM, -EUCLEAN
 * (sync_apply_recover() is due), or an error of the journal. After a negative errno everything done so
 * far is safe, and sync_apply_recover() is due. report must be zeroed before the first use; it is added
 * to. */
int sync_apply(const SyncApply *apply, const SyncPlan *plan, SyncApplyReport *report);

/* After the new base is recorded: unlinks displaced content that is kept elsewhere, unchanged since and
 * without a writer, once it is older than grace_ns; what is not gets a conflict name and is reported.
 * Removes the journal when none is left (n_unsettled is 0). 0 or a negative errno. */
int sync_apply_settle(const SyncApply *apply, int64_t grace_ns, SyncApplyReport *report);

/* Once after start, before anything else: finishes what a crash interrupted. report->placed then names
 * what the interrupted run had put in place; it is empty if sync_apply_settle() had been called, as the
 * base was recorded. 0 or a negative errno. */
int sync_apply_recover(const SyncApply *apply, SyncApplyReport *report);
