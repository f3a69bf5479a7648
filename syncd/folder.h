/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One synchronized folder and what is known of it: brings folder, base and main's tip together, as
 * sync-plan.h says. Blocks: for the tree worker. It reads main from the local store and leaves what is to
 * be fetched and pushed there and in the content area; it has no network. */
#pragma once

#include "common/base/macro.h"
#include "syncd/content.h"
#include "syncd/git-store.h"
#include "syncd/object-wants.h"
#include "syncd/sync-apply.h"
#include "syncd/sync-fsm.h"
#include "syncd/sync-poison.h"
#include "syncd/sync-scan.h"

/* What must stay free on the user's disk: a full disk breaks more than synchronization. */
#define FOLDER_DISK_FLOOR (UINT64_C(32) << 20)
/* A file that is never closed (a virtual machine's disk, a long download) gets a version after this time
 * nevertheless. */
#define FOLDER_BUSY_SEC 600
#define FOLDER_TEXT_MAX 200U
/* A scan that takes longer notes so often how far it is. */
#define FOLDER_CHECKPOINT_SEC 30
/* Large files are read for so long in one run, in milliseconds; and so long in each run that finds somebody waiting for
 * its end (folder_set_waits()), or has small changes to commit, which the request names. */
#define FOLDER_SLICE_MSEC 5000
#define FOLDER_READ_MIN_MSEC 100
/* Files that a run creates here, about, at most, and as many that it deletes; the others follow in the next ones, so
 * that memory does not grow with their number. Of so many the small ones are fetched first. */
#define FOLDER_WINDOW 8192U
/* Content that was fetched and is wanted no more, or whose fetch was never ended, is kept for so long; it is looked for
 * at the start and as often. */
#define FOLDER_CONTENT_AGE_SEC (24U * 3600U)

typedef struct Folder Folder;

/* Of the id of deletions that the guard holds: it is the same as long as they are, whatever else happens. */
#define FOLDER_HELD_SIZE 17U

typedef struct FolderRequest {
        const char *gateway_name;
        bool full;                   /* scan everything */
        bool changed;                /* what was committed is not what was read when it was to be pushed: look again */
        char *const *paths;          /* else these; all relative to the folder */
        const SyncRefusal *refused;  /* what main refuses, or cannot be read to be sent: not to be committed */
        size_t n_refused;
        uint32_t max_delete_count;   /* the mass-delete guard; 0: no such limit */
        uint32_t max_delete_percent;
        const char *confirmed;       /* id of what may happen though the guard would hold it; or NULL */
} FolderRequest;

typedef struct FolderResult {
        SyncTreeResult outcome;
        char text[FOLDER_TEXT_MAX + 1]; /* to go with outcome.word; without one: what is waited for, or "" */
        bool minor;                       /* outcome.word gives way to the next one */
        char held[FOLDER_HELD_SIZE];      /* id of what the guard holds, or "" */
        char confirmed[FOLDER_HELD_SIZE]; /* id of what it did not hold as that was confirmed, or "": to be requested
                                             again until it is on main, since this run may have to be repeated */
        size_t pending;                 /* changes that main does not have yet */
        size_t unplaced;                /* changes of outcome.base that the folder does not have yet */
        git_oid push;                   /* with outcome.candidate: the commit that main is to be moved to next */
        SyncConflictList conflicts;
} FolderResult;

/* Frees the content, and leaves it zeroed. */
void folder_result_clear(FolderResult *result);

/* Opens the folder at the absolute path, with its state in the directory, and finishes what an
 * interrupted run left. What is known of another file system is forgotten: then the next run is a union
 * of both sides. Collisions found are added to conflicts. 0, -ENOENT and the like (the folder is not
 * there), -EOPNOTSUPP (the file system cannot do what is needed), -EBADMSG (the store is damaged), or
 * another negative errno. */
int folder_open(
                Folder **ret,
                const char *state_directory,
                const char *path,
                const char *file_system_uuid,
                const char *gateway_name,
                SyncConflictList *conflicts);
Folder *folder_free(Folder *f);
DEFINE_TRIVIAL_CLEANUP_FUNC(Folder *, folder_free);

/* The instance is gone: removes what it left on the volume of the folder at the absolute path: all that main has, and
 * snapshots of what is in the folder as it was. A version that may be nowhere else stays, and what a crash left to be
 * settled. The state is read from the directory. 0 (also if there was nothing), -EWOULDBLOCK if another instance has
 * the folder, or another negative errno. */
int folder_leave(const char *state_directory, const char *path);

/* Belongs to the folder. */
GitStore *folder_store(Folder *f);

/* Asked now and then during a run: true, from then on, if somebody waits for the end of it. Then files that are still
 * to be read are put off to the next run, and outcome.rest is set; small ones are read that the request names, or that
 * lie beneath what it names. */
void folder_set_waits(Folder *f, bool (*waits)(void *userdata), void *userdata);

/* Scans, plans, applies what is at hand, makes the list of content that is missing, and the commits that are to be
 * pushed. 0 with *ret filled in, which must be cleared; a negative errno if nothing more can be done (then the
 * worker should end and begin anew). */
int folder_run(Folder *f, const FolderRequest *request, FolderResult *ret);

/* After each run, when its result was told: makes its commits and what they hold durable, while they are being
 * pushed. If it was not called, or failed, the next call below or of folder_run() does it first. 0 or a negative errno
 * as for folder_run(). */
int folder_finish_run(Folder *f);

/* The commit, one that a run named to be pushed, is main's tip now. *ret is its revision; *ret_push is the commit
 * to be pushed next, or the zero id, and *ret_bytes what it takes. 0 or a negative errno. */
int folder_landed(Folder *f, const git_oid *commit, SyncRevision *ret, git_oid *ret_push, uint64_t *ret_bytes);

/* --- bringing back what a commit of main had --- */

typedef struct FolderRestore {
        git_oid commit;
        const char *path;  /* in the commit; "": all of the folder */
        const char *to;    /* where it goes; path itself, or what is not there yet */
        const char *after; /* where the last call ended; NULL in the first */
        const char *gateway_name;
} FolderRestore;

typedef struct FolderRestoreResult {
        /* One of these is to be fetched, then the same is to be asked again. */
        ObjectWants wants;       /* trees and metadata */
        uint64_t bytes_missing;  /* content, in the list WANTED_RESTORE */

        char *after;             /* there is more: to be asked for with this; NULL: it is complete */
        uint64_t bytes_total;    /* in the first call: of all that differs from what is in the folder */
        uint64_t bytes;          /* that were put in place in this call */
        size_t n_restored;       /* entries, in this call */
        size_t n_failed;
        char *failed_path;       /* the first of these */
        int failed_error;
        SyncConflictList conflicts;
} FolderRestoreResult;

/* Frees the content, and leaves it zeroed. */
void folder_restore_result_clear(FolderRestoreResult *result);

/* Puts what a commit has at a path into the folder, a bounded part of it at a time; missing directories are made.
 * What is in the folder and not in the commit stays. What is replaced stays in main's history; what main does not
 * have yet gets a conflict name. The next run makes a new version of it. *ret is zeroed, and to be cleared in any
 * case. 0; -ESRCH: the commit has no such path; -EEXIST: something is at "to"; -EINVAL: not a path that can be
 * synchronized; -ENOTDIR: "to" lies beneath a file; -EBUSY: the folder was not looked at yet; -ENOSPC; another
 * negative errno. Entries that fail on their own are counted: -EBUSY (being changed), -EEXIST, -EISDIR (a
 * directory is in the place of a file), -ENOSPC, -EOPNOTSUPP, ... */
int folder_restore(Folder *f, const FolderRestore *q, FolderRestoreResult *ret);

/* Writes to disk what would otherwise have to be read again after a restart. Cheap if nothing changed. 0 or a
 * negative errno. */
int folder_save_index(Folder *f);
/* The same when nothing is asked for, and gives back the memory that is not needed until something is. */
int folder_rest(Folder *f);
