/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local store of one synchronized folder: commits, trees, metadata and references, never the content of
 * files (docs/repository-format.md). Blocks: for workers.
 *
 * Several processes use it at the same time. It is one append-only log (object-log.h): objects are only ever
 * added, each reference is written by one of the processes. What one wrote is seen by the others after
 * git_store_sync(), without opening the store again. Nothing here is thread-safe.
 *
 * Errors that any function that reads may return: -ENOENT, an object is not in the store; -EBADMSG, it is
 * damaged, or it is not what this version may interpret: a mark of a newer format, a submodule, a name that
 * cannot be, a malformed chunk tree; -ENOMEM; -EIO and other errors of read(2). Functions that write also
 * return -E2BIG (GIT_STORE_OBJECT_MAX) and, when what is pending has to go to the file, errors of write(2)
 * such as -ENOSPC, or -ESTALE: somebody removed the directory; a store that is opened there anew is empty.
 * After an error the store is as before the call. */
#pragma once

#include <git2/types.h>
#include <git2/oid.h>

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* The one branch of a repository, on the server. */
#define GIT_STORE_MAIN "refs/heads/main"
/* Its tip as last seen. Written by the transfer worker. */
#define GIT_STORE_REMOTE "refs/remotes/origin/main"
/* Written by the tree worker: the commit of main that the folder was last brought to; the same, as long as there is a
 * list of what is held; the tip that is being applied; the own commit that is being pushed (sync-plan.h). */
#define GIT_STORE_BASE "refs/ispstorage/base"
#define GIT_STORE_HELD "refs/ispstorage/held"
#define GIT_STORE_TARGET "refs/ispstorage/target"
#define GIT_STORE_CANDIDATE "refs/ispstorage/candidate"
/* The commit of main that the own commits begin after. */
#define GIT_STORE_CHAIN_BASE "refs/ispstorage/chain-base"

/* A gateway's name in a commit. */
#define GIT_STORE_AUTHOR_MAX 128U

/* The largest object, in bytes: a directory of 1,000,000 entries with names of 40 bytes, and the chunks of a
 * file of 8 TB. Larger ones from a server would fill the memory of a gateway. */
#define GIT_STORE_OBJECT_MAX (64U << 20)

typedef struct GitStore GitStore;

/* --- the store --- */

/* Opens the store in the directory (<state>/objects), and makes it, empty, if nothing is there. A torn or
 * damaged tail of the log is left out, and cut by the next write. 0, -EPERM if it belongs to another user,
 * -EBADMSG if it is no store or of a newer version, or another negative errno. What was written and not
 * synced is lost with git_store_free(). */
int git_store_open(GitStore **ret, const char *directory);
GitStore *git_store_free(GitStore *store);
DEFINE_TRIVIAL_CLEANUP_FUNC(GitStore *, git_store_free);

static inline void git_store_oid_from_sync(git_oid *to, const SyncOid *from) {
        static_assert(sizeof(to->id) == sizeof(from->bytes), "both are SHA-1");
        *to = *(const git_oid *) from->bytes;
}

static inline void git_store_oid_to_sync(SyncOid *to, const git_oid *from) {
        *to = *(const SyncOid *) from->id;
}

/* Reads an object. *ret_data is the caller's, with a NUL behind it; each ret may be NULL. 0 or an error as
 * above. */
int git_store_read(
                GitStore *store,
                const git_oid *id,
                git_object_t *ret_type,
                void **ret_data,
                size_t *ret_size);

/* Adds an object, unless it is there, and names it. ret may be NULL. 0 or an error as above. */
int git_store_write(GitStore *store, git_object_t type, const void *data, size_t size, git_oid *ret);

/* The same with the name that the caller has computed from the data itself (git_hash_bytes()). */
int git_store_write_named(
                GitStore *store, git_object_t type, const void *data, size_t size, const git_oid *id);

/* git_store_write() with an older version of the object, from which the new one differs little: if the store has it,
 * only the difference takes space. similar may be NULL or the zero id. */
int git_store_write_similar(
                GitStore *store,
                git_object_t type,
                const void *data,
                size_t size,
                const git_oid *similar,
                git_oid *ret);

/* True if the object is there. From this call or a write on, git_store_prune() of another process removes
 * nothing, until a git_store_sync() that makes a change of references durable, or one with nothing written
 * since the last of these: so end each command with git_store_sync(). */
bool git_store_has(GitStore *store, const git_oid *id);

/* 0, -ENOENT or another error as above. Sees what other processes have synced. */
int git_store_get_reference(GitStore *store, const char *name, git_oid *ret);
/* Makes or moves the reference; the zero id removes it. Others see it after git_store_publish() or git_store_sync().
 * 0 or -ENOMEM. */
int git_store_set_reference(GitStore *store, const char *name, const git_oid *id);

/* Lets other processes see the objects and references that this process wrote, without waiting for the disk: the
 * references hold if the process is killed, and are as before after a power cut. 0 or a negative errno. */
int git_store_publish(GitStore *store);
/* True if the process in whose place this one is was killed before it synced what it had published: that is pending
 * now, and what it vouches for may not be on the disk. Right behind git_store_open(). */
bool git_store_adopt(GitStore *store);

/* Makes all objects and references that this process wrote durable, in one step: after a power cut either
 * all references set since the last sync are as they were set, with all objects written before, or all are
 * as they were. 0, or a negative errno of write(2) or fdatasync(2) such as -ENOSPC: then nothing of it is
 * durable, and all of it is still pending, so that a later sync can succeed. Objects that together are
 * larger than about 1 MiB are handed to the kernel before, without references. */
int git_store_sync(GitStore *store);

/* Makes the store smaller when that is worth it, else returns at once. Kept: all commits of the histories of
 * GIT_STORE_REMOTE, _BASE, _TARGET and _CANDIDATE; what the trees of these four commits and of those between
 * GIT_STORE_CHAIN_BASE and _CANDIDATE hold; the trees of older commits of main, newest first, as far as together
 * they take no more than half of these (or GIT_STORE_HISTORY_MIN bytes); objects younger than the last change of a
 * reference. What is pending is synced first. Only the tree worker calls it. 0 (also if another process is about
 * to write) or a negative errno, then the store is as it was. */
#define GIT_STORE_HISTORY_MIN (512U << 10)
int git_store_prune(GitStore *store);

/* The id of an object, by the SHA-1 that detects collisions. Needs no store. size is at most
 * GIT_STORE_OBJECT_MAX. 0 or -EIO: it is one of a collision. */
int git_hash_bytes(git_object_t type, const void *data, size_t size, SyncOid *ret);

/* --- the folder in a commit ---
 *
 * Entries have path, kind, oid, executable, and what the repository records of size, mtime_ns and mode. A
 * size that it does not record is SYNC_SIZE_UNKNOWN; a known size is above FORMAT_PLAIN_MAX exactly if the
 * file is one of chunks. The commit may be zero: an empty tree. Results are sorted and the caller's. */

/* All of it. 0, -E2BIG (SYNC_ENTRIES_MAX), or an error as above. */
int git_store_read_tree(GitStore *store, const git_oid *commit, SyncTree **ret);

/* The entries at path and beneath it, "" for all, without holding them: calls the handler for each in the order of a
 * SyncTree; not at all if there is no such path. The entry and its path last until it returns. Memory is bounded by the
 * directories on one path. Non-zero from the handler ends the walk and is returned. */
typedef int (*GitStoreEntryHandler)(const SyncEntry *entry, void *userdata);
int git_store_foreach_entry(
                GitStore *store,
                const git_oid *commit,
                const char *path,
                GitStoreEntryHandler handler,
                void *userdata);

/* The entry at a path; its path is the caller's own string. "" is the folder itself, here with the id of its
 * git tree. Metadata that is missing in the store counts as not recorded, so that history can be listed
 * without it. 0, -ENOENT (no such path, or no such tree in the store), or an error as above. */
int git_store_find_entry(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret);

/* What differs: all entries that are in one commit and not equal (sync_entry_equal()) in the other, with all
 * that is beneath where a directory is on one side only, and the ancestor directories of all these on both
 * sides. Equal subtrees are not read: cost follows the difference. Errors as for git_store_read_tree(). */
int git_store_diff(
                GitStore *store,
                const git_oid *from,
                const git_oid *to,
                SyncTree **ret_from,
                SyncTree **ret_to);

/* The same without holding it, and without the directories that both have: calls the handler for each path, with its
 * entry in either commit, or NULL. In the order of a SyncTree, if neither commit has a name as two kinds, but that what
 * is beneath comes after all that the directory's path has. Entries last until it returns. A negative number from the
 * handler ends it and is returned. 0 or an error as above. */
typedef int (*GitStoreDiffHandler)(const SyncEntry *from, const SyncEntry *to, void *userdata);
int git_store_foreach_difference(
                GitStore *store, const git_oid *from, const git_oid *to, GitStoreDiffHandler handler, void *userdata);

/* Asked for the extended attributes of each file and directory in a set of changes: *ret is a new string
 * "name=hex name=hex", or NULL for none. What cannot be recorded (see docs/repository-format.md) is left out
 * of it. A negative errno ends the write. */
typedef int (*GitStoreXattrs)(const char *path, char **ret, void *userdata);

/* Makes the tree of the commit with the changes made to it, as sync_tree_patch() would: an entry replaces
 * what is at its path, one that is not a directory also all that was beneath. Only the directories on the
 * way to a change are read and written. Content, blobs and chunk trees, need not be in the store. *ret_tree
 * names the new root. xattrs may be NULL. 0; -EINVAL: an entry is not settled, special, without an oid or of
 * unknown size, or its parent is no directory; or an error as above. */
int git_store_write_changes(
                GitStore *store,
                const git_oid *parent_commit,
                const SyncTree *changes,
                GitStoreXattrs xattrs,
                void *userdata,
                git_oid *ret_tree);

/* The directory ("" is the folder) that was found malformed since the last call, or NULL; the caller's. If a function
 * has returned -EBADMSG, its tree is. Else its metadata are, which count as not recorded then: they say nothing of what
 * is in the directory, and what is written next into it puts good ones in their place. */
char *git_store_take_malformed(GitStore *store);

/* The extended attributes that are recorded of the entry, as "name=hex name=hex"; NULL if there are none, or no such
 * entry. *ret is the caller's. Entries of one directory are best asked for one after another: of the last one the store
 * keeps what it has read, up to a MiB, until git_store_forget_metadata(). 0, -ENOENT: the commit has no such
 * directory, or an error as above. */
int git_store_read_xattrs(GitStore *store, const git_oid *commit, const char *path, char **ret);
void git_store_forget_metadata(GitStore *store);

/* Adds what the store lacks to read the entry at a path of the commit, "" for all: trees, metadata, and with
 * beneath set all trees and metadata beneath it, those of chunks included. Where a tree is missing, it ends: fetch
 * it with all beneath, and ask again. Nothing is added if the commit has no such path. 0 or an error as above. */
typedef struct ObjectWants ObjectWants;
int git_store_find_missing(
                GitStore *store, const git_oid *commit, const char *path, bool beneath, ObjectWants *ret);

/* --- the chunk trees of a large file (docs/repository-format.md, "Large files") --- */

typedef struct GitChunkGroup {
        SyncOid oid;
        uint64_t offset; /* in the file */
        uint64_t length; /* bytes of content */
} GitChunkGroup;

/* Takes the chunks of a file in order and makes its chunk trees. store may be NULL: then it only names them.
 * It holds the tree of one group and the list of groups: about 100 bytes for each 8 MB of the file. */
typedef struct GitChunkWriter GitChunkWriter;

/* *ret is the caller's. 0 or -ENOMEM. */
int git_chunk_writer_new(GitChunkWriter **ret, GitStore *store);
GitChunkWriter *git_chunk_writer_free(GitChunkWriter *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(GitChunkWriter *, git_chunk_writer_free);
/* length: 1 to CHUNK_MAX. 0, -EINVAL or an error as above. */
int git_chunk_writer_add(GitChunkWriter *w, const SyncOid *chunk, uint32_t length);
/* Ends the file; *ret is its file oid. 0, -EINVAL for a file of no chunks, or an error as above. */
int git_chunk_writer_finish(GitChunkWriter *w, SyncOid *ret);
/* The tree of so many consecutive chunks, at most GROUP_MAX, in the form of a group. *ret is the caller's. 0 or
 * -ENOMEM. */
typedef struct GitChunk {
        SyncOid oid;
        uint64_t length;
} GitChunk;
int git_chunk_tree_make(const GitChunk *chunks, size_t n, uint8_t **ret, size_t *ret_size);
/* The groups so far, all of them after git_chunk_writer_finish(). Belong to the writer. */
const GitChunkGroup *git_chunk_writer_groups(const GitChunkWriter *w, size_t *ret_n);

/* Each calls the handler in the order of offsets; non-zero ends the walk and is returned. Chunk trees are
 * checked as they are read, sums of lengths included: the handler may have been called before -EBADMSG is
 * returned. */
typedef int (*GitChunkHandler)(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata);
typedef int (*GitGroupHandler)(const SyncOid *group, uint64_t offset, uint64_t length, void *userdata);
/* file: the file oid of a large file. */
int git_store_foreach_chunk(GitStore *store, const SyncOid *file, GitChunkHandler handler, void *userdata);
int git_store_foreach_group(GitStore *store, const SyncOid *file, GitGroupHandler handler, void *userdata);
/* The chunks of one group that begins at the offset of its file. */
int git_store_foreach_chunk_of_group(
                GitStore *store,
                const SyncOid *group,
                uint64_t offset,
                GitChunkHandler handler,
                void *userdata);
/* The bytes of a large file, from its top chunk tree alone. */
int git_store_chunked_size(GitStore *store, const SyncOid *file, uint64_t *ret);

/* --- history --- */

typedef struct GitStoreCommit {
        git_oid tree;
        git_oid parent;     /* zero for the first */
        const char *author; /* cut to GIT_STORE_AUTHOR_MAX; what git refuses in a name becomes '-' */
        int64_t time;       /* seconds since 1970 UTC */
        const char *message;
} GitStoreCommit;

/* 0 or an error as above. */
int git_store_write_commit(GitStore *store, const GitStoreCommit *commit, git_oid *ret);

/* The tree of a commit. 0 or an error as above. */
int git_store_commit_tree(GitStore *store, const git_oid *commit, git_oid *ret);
/* Its parent, zero for the first. 0, -EXDEV for a merge, or an error as above. */
int git_store_commit_parent(GitStore *store, const git_oid *commit, git_oid *ret);

/* 0 if from (may be zero) is an ancestor of, or equal to, tip, and all between have exactly one parent,
 * or none for the very first; -EXDEV if not; -ENOENT if a commit is missing. */
int git_store_check_descent(GitStore *store, const git_oid *from, const git_oid *tip);

/* What a commit was first written as: itself, unless it was rewritten when versions expired (docs/repository-format.md,
 * "Retention"). 0 or an error as above. */
int git_store_commit_original(GitStore *store, const git_oid *commit, git_oid *ret);

/* The same as git_store_check_descent() for a history that may have been rewritten since: 0 also if tip's history has
 * at from's own number a commit with the same original, and begins with the same original as from's does. */
int git_store_check_succession(GitStore *store, const git_oid *from, const git_oid *tip);

/* Counts the linear history that ends with the commit; 0 for the zero id. *counted and *n are a commit
 * and its number as counted before, or the zero id and 0, and are replaced by the commit and its number:
 * only what is new is walked. 0, -EXDEV, -ENOENT. */
int git_store_history_length(GitStore *store, const git_oid *commit, git_oid *counted, uint64_t *n);

typedef struct GitStoreVersion {
        git_oid commit;
        int64_t time;    /* seconds since 1970 UTC */
        SyncEntry entry; /* kind SYNC_ABSENT: deleted by this commit; the path is the one asked for */
        const char *author;
} GitStoreVersion;

/* Called for each commit that changed the path, newest first. Non-zero ends the walk and is returned. */
typedef int (*GitStoreVersionHandler)(const GitStoreVersion *version, void *userdata);

/* Walks the history of a path, "" for all of the folder, from the commit back. 0, what the handler returned,
 * or a negative errno. -ENOENT: the walk came to a commit whose trees are pruned; the versions before it
 * were given to the handler, and *ret_missing (may be NULL) is that commit, so that the caller can fetch its
 * trees and ask again. */
int git_store_foreach_version(
                GitStore *store,
                const git_oid *commit,
                const char *path,
                GitStoreVersionHandler handler,
                void *userdata,
                git_oid *ret_missing);

/* --- for libgit2 --- */

/* Belongs to the store. */
git_repository *git_store_repository(GitStore *store);
