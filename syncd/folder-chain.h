/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain of commits that are to be pushed, between the files that make it. Not for others. */
#pragma once

#include "syncd/folder-internal.h"

/* A file with so many new bytes gets a commit of its own, if there is more to commit. */
#define CHAIN_LARGE_BYTES (UINT64_C(4) << 20)

typedef struct FolderChain {
        git_oid base;     /* the commit of main that it begins after */
        git_oid *commits; /* the oldest first */
        size_t n;
} FolderChain;

typedef struct ChainUpdate {
        Folder *folder;
        const FolderRequest *request;
        const SyncTree *wanted; /* the changes from main to what the chain must end with */
        int64_t time;           /* of new commits, seconds since 1970 UTC */
        FolderChain chain;
} ChainUpdate;

/* As the references say; empty if what they name is not there. *ret must be done with. Of a long chain only what is new
 * since the last time is read; then Folder.chain is the same. 0 or a negative errno. */
int folder_chain_read(Folder *f, FolderChain *ret);
void folder_chain_done(FolderChain *c);
int folder_chain_append(FolderChain *c, const git_oid *commit);
/* The last commit, or the base. */
const git_oid *folder_chain_tip(const FolderChain *c);
const git_oid *folder_chain_parent(const FolderChain *c, size_t i);
/* Appends a commit with the changes to the chain's last one. 0 or a negative errno. */
int folder_chain_commit(ChainUpdate *u, const SyncTree *changes, int64_t time);
/* The set of changes that the i-th commit made. 0 or a negative errno. */
int folder_chain_changes(Folder *f, const FolderChain *c, size_t i, SyncTree **ret);

/* Makes again, on main's new tip, those commits of the old chain that hold versions of files which are no longer
 * in the folder: without it they would be in no history. What main refuses is left out. */
int folder_chain_replay(ChainUpdate *u, const FolderChain *old);

/* Remembers the local side of the plan's collisions, which cannot be put in place yet, as main's side is not here.
 * One that was remembered and overwritten since is committed under another name, and gone from the next commit; it is
 * forgotten when that commit is durable. 0 or a negative errno. */
int folder_chain_save_colliding(ChainUpdate *u, const SyncPlan *plan);

/* Sets the references to the chain as it is. They are durable with the next git_store_sync(). 0 or a negative errno. */
int folder_chain_record(const ChainUpdate *u);

/* GitStoreXattrs for the files of the folder. */
int folder_read_xattrs(const char *path, char **ret, void *userdata);
