/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One synchronized folder and what is known of it: brings folder, base and main's tip together, as
 * sync-plan.h says. Blocks: for the tree worker. It reads main from the local store and leaves what is to
 * be pushed there; it has no network. */
#pragma once

#include "common/base/macro.h"
#include "syncd/git-store.h"
#include "syncd/sync-apply.h"
#include "syncd/sync-fsm.h"
#include "syncd/sync-scan.h"

/* What must stay free on the user's disk: a full disk breaks more than synchronization. */
#define FOLDER_DISK_FLOOR (UINT64_C(32) << 20)
/* A file that is never closed (a virtual machine's disk, a long download) gets a version after this time
 * nevertheless. */
#define FOLDER_BUSY_SEC 600
#define FOLDER_TEXT_MAX 200U

typedef struct Folder {
        GitStore *store;
        int state_fd;
        int root_fd;
        int volume_fd;
        int staging_fd;
        uid_t uid; /* the data user: the owner of the folder */
        gid_t gid;
        char *file_system;

        SyncTree *index;      /* as last scanned, NULL: never */
        git_oid base_commit;
        SyncTree *base_held;  /* changes to the base commit's tree */
        SyncTree *base;       /* both together; NULL: not read yet */
        git_oid main_commit;
        SyncTree *main;       /* its tree; NULL: not read yet */
        SyncTree *candidate;  /* the tree of the commit that is to be pushed, or NULL */
        bool unfinished;      /* a run was killed in between: its target is recorded */
        SyncTree *recovered;  /* what it had put in place, or NULL */
        int64_t busy_since;   /* seconds since boot that some files are never closed; 0: none is */
        git_oid counted;      /* the commit ... */
        uint64_t count;       /* ... and the length of the history that ends with it */
} Folder;

typedef struct FolderRequest {
        const char *gateway_name;
        bool full;                   /* scan everything */
        char *const *paths;          /* else these; all relative to the folder */
        uint32_t max_delete_count;   /* the mass-delete guard; 0: no such limit */
        uint32_t max_delete_percent;
        const char *confirmed;       /* id of what may happen though the guard would hold it; or NULL */
} FolderRequest;

typedef struct FolderResult {
        SyncTreeResult outcome;
        char text[FOLDER_TEXT_MAX + 1]; /* to go with outcome.word */
        char held[41];                  /* id of what the guard holds, or "" */
        size_t pending;                 /* changes in the candidate */
        SyncConflictList conflicts;
} FolderResult;

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

/* Scans, plans, applies, and makes the commit to be pushed. 0 with *ret filled in, which must be cleared;
 * a negative errno if nothing more can be done (then the worker should end and begin anew). */
int folder_run(Folder *f, const FolderRequest *request, FolderResult *ret);

/* The candidate is main's tip now. *ret is its revision. 0 or a negative errno. */
int folder_landed(Folder *f, SyncRevision *ret);

/* Puts the entry that a commit has at path into the folder, at the path "to"; missing directories are
 * made. What is there is replaced, unless it changed meanwhile. The next run makes a new version of it.
 * 0; -ENOENT: no such version; -EISDIR: a directory; -EINVAL: not a path that can be synchronized;
 * -EBUSY: it is being changed; -ENOSPC; another negative errno. */
int folder_restore(
                Folder *f,
                const git_oid *commit,
                const char *path,
                const char *to,
                SyncConflictList *conflicts);

/* For the files of this module. */
void folder_apply_init(Folder *f, const char *gateway_name, SyncApply *ret);
int folder_scan(Folder *f, bool full, char *const *paths, bool accept_empty, SyncScanReport *report);
int folder_set_base(Folder *f, const git_oid *commit, SyncTree *commit_tree, SyncTree *held);
int folder_read_base(Folder *f);
int folder_revision(Folder *f, const git_oid *commit, SyncRevision *ret);
