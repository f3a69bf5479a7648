/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local store of one synchronized folder: a bare git repository. Blocks: for workers.
 *
 * The tree worker and the transfer worker of an instance use it at the same time. Objects are only ever
 * added; each reference is written by one of the two. No working tree, index or checkout exists. */
#pragma once

#include <git2/types.h>
#include <git2/oid.h>

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* The one branch of a repository, on the server. */
#define GIT_STORE_MAIN "refs/heads/main"
/* Its tip as last seen. Written by the transfer worker. */
#define GIT_STORE_REMOTE "refs/remotes/origin/main"
/* Written by the tree worker: the commit of main that the folder was last brought to; the tip that is
 * being applied; the own commit that is being pushed (sync-plan.h). */
#define GIT_STORE_BASE "refs/ispstorage/base"
#define GIT_STORE_TARGET "refs/ispstorage/target"
#define GIT_STORE_CANDIDATE "refs/ispstorage/candidate"

/* A gateway's name in a commit. */
#define GIT_STORE_AUTHOR_MAX 128U

typedef struct GitStore GitStore;

/* Opens the bare repository in the directory, and makes it if nothing is there. Objects and references
 * are synced to disk before a function here returns. 0, -EPERM if it belongs to another user, -EBADMSG if
 * it is damaged, or another negative errno. */
int git_store_open(GitStore **ret, const char *directory);
GitStore *git_store_free(GitStore *store);
DEFINE_TRIVIAL_CLEANUP_FUNC(GitStore *, git_store_free);

/* Belong to the store. */
git_repository *git_store_repository(GitStore *store);
git_odb *git_store_odb(GitStore *store);

static inline void git_store_oid_from_sync(git_oid *to, const SyncOid *from) {
        static_assert(sizeof(to->id) == sizeof(from->bytes), "both are SHA-1");
        *to = *(const git_oid *) from->bytes;
}

/* 0, -ENOENT or -EBADMSG. */
int git_store_get_reference(GitStore *store, const char *name, git_oid *ret);
/* Makes or moves the reference, durably; the zero id removes it. A lock that a killed process left is
 * removed: the caller is the only writer of this reference. 0 or a negative errno. */
int git_store_set_reference(GitStore *store, const char *name, const git_oid *id);

/* Removes what a killed transfer left of packs. The caller is the only one who fetches into this store. */
void git_store_sweep(GitStore *store);

/* Names content as SyncHasher demands it, in bounded memory. userdata is the GitStore. -EAGAIN if the
 * file shrank. */
int git_store_hash_file(int fd, bool store, SyncOid *ret, void *userdata);
int git_store_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata);

/* Writes the blob's content to fd. 0, -ENOENT, -EBADMSG (damaged, or no blob) or an errno of write(2). */
int git_store_read_blob(GitStore *store, const SyncOid *oid, int fd);
bool git_store_has(GitStore *store, const SyncOid *oid);

/* Writes the git trees of the sorted tree (docs/repository-format.md). The blobs need not be there. *ret
 * names the root. 0, -EINVAL for an entry that is not settled or cannot stand in a commit, -ENOMEM, -EIO. */
int git_store_write_tree(GitStore *store, const SyncTree *tree, git_oid *ret);

/* Reads the tree of a commit; the zero id gives an empty one. *ret is sorted and the caller's. 0;
 * -ENOENT: an object is missing; -EBADMSG: not a tree that this version may interpret (a newer format, a
 * submodule, a name that cannot be); -E2BIG; -ENOMEM. */
int git_store_read_tree(GitStore *store, const git_oid *commit, SyncTree **ret);

typedef struct GitStoreCommit {
        git_oid tree;
        git_oid parent;     /* zero for the first */
        const char *author; /* cut to GIT_STORE_AUTHOR_MAX; what git refuses in a name becomes '-' */
        int64_t time;       /* seconds since 1970 UTC */
        const char *message;
} GitStoreCommit;

/* 0, -ENOMEM or -EIO. */
int git_store_write_commit(GitStore *store, const GitStoreCommit *commit, git_oid *ret);

/* 0 if from (may be zero) is an ancestor of, or equal to, tip, and all between have exactly one parent,
 * or none for the very first; -EXDEV if not; -ENOENT if a commit is missing. */
int git_store_check_descent(GitStore *store, const git_oid *from, const git_oid *tip);

/* Counts the linear history that ends with the commit; 0 for the zero id. *counted and *n are a commit
 * and its number as counted before, or the zero id and 0, and are replaced by the commit and its number:
 * only what is new is walked. 0, -EXDEV, -ENOENT. */
int git_store_history_length(GitStore *store, const git_oid *commit, git_oid *counted, uint64_t *n);

typedef struct GitStoreVersion {
        git_oid commit;
        int64_t time; /* seconds since 1970 UTC */
        SyncEntry entry; /* kind SYNC_ABSENT: deleted by this commit; the path is the one asked for */
        const char *author;
} GitStoreVersion;

/* Called for each commit that changed the path, newest first. Non-zero ends the walk and is returned. */
typedef int (*GitStoreVersionHandler)(const GitStoreVersion *version, void *userdata);

/* Walks the history of a path, "" for all of the folder, from the commit back. 0, what the handler
 * returned, or a negative errno. */
int git_store_foreach_version(
                GitStore *store,
                const git_oid *commit,
                const char *path,
                GitStoreVersionHandler handler,
                void *userdata);

/* The entry at a path in the commit's tree; its path is the caller's own string. "" is the folder itself,
 * here with the id of its git tree. 0, -ENOENT, -EBADMSG, -ENOMEM. */
int git_store_find_entry(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret);
