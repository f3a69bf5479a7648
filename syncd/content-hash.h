/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names files by their content, as a repository does, and keeps a snapshot of what it named. Blocks: for the tree
 * worker. */
#pragma once

#include "syncd/content.h"
#include "syncd/git-store.h"

/* The userdata of the functions below, which are those of a SyncHasher. */
typedef struct ContentHash {
        GitStore *store;
        ContentArea *area;
} ContentHash;

/* Names the content of the file from its first byte to its size of now. With store set the chunk trees of a large
 * file are written to the store, and a snapshot is made in the area, unless there is no space for one: then the
 * content is only in the folder. 0; -EAGAIN: the file became shorter meanwhile; -ENOMEM; an error of read(2); an
 * error of git_store_write(). / */
int content_hash_file(int fd, bool store, SyncOid *ret, void *userdata);
/* The same for a symlink's target. */
int content_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata);
