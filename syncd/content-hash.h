/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names files by their content, as a repository does, and keeps a snapshot of what it named. Blocks: for the tree
 * worker. */
#pragma once

#include "syncd/content.h"
#include "syncd/git-store.h"

typedef struct ContentReading ContentReading;

/* The userdata of the functions below, which are those of a SyncHasher. */
typedef struct ContentHash {
        GitStore *store;
        ContentArea *area;
        SyncOid expected; /* content_hash_expect(); zero: nothing is known */
        /* Of content_hash_in_parts(); belongs to the functions below. */
        bool (*interrupted)(void *userdata);
        void *userdata;
        bool take_moving;
        ContentReading *reading; /* what was interrupted, or NULL */
        bool reading_met;        /* it was asked for since content_hash_begin() */
        bool restless;           /* what was interrupted had to be begun anew, as it had changed, and no other came to
                                    its end since */
} ContentHash;

/* Names the content of the file from its first byte to its size of now. With store set the chunk trees of a large
 * file are written to the store, and a snapshot is made in the area, unless there is no space for one: then the
 * content is only in the folder. A SyncHashed; -EAGAIN: the file became shorter meanwhile; -ENOMEM; an error of
 * read(2); an error of git_store_write(). */
int content_hash_file(int fd, bool store, SyncOid *ret, void *userdata);
/* The next file that is named with store set is believed to hold this, which was stored when it was named for the first
 * time; NULL: nothing is known. It is read without a snapshot. If it holds something else it is read once more. */
void content_hash_expect(const SyncOid *oid, void *userdata);
/* The same as content_hash_file(), with store set, of a large file in as many calls as it is interrupted: -EINPROGRESS
 * says that the same is to be asked again, and that it goes on where it was if the file is the same and did not
 * change; at its beginning if it does not hold what was expected. Meanwhile no other large file is begun. */
int content_hash_in_parts(int fd, bool store, SyncOid *ret, void *userdata);
/* Around calls of that for files that are still to be read. interrupted is asked behind each chunk of a large file.
 * take_moving: a file that changes from part to part is read to its end. */
void content_hash_begin(ContentHash *h, bool (*interrupted)(void *userdata), void *userdata, bool take_moving);
void content_hash_end(ContentHash *h);
/* The inode of what was interrupted, if it was not asked for since content_hash_begin(); else 0. */
uint64_t content_hash_passed_over(const ContentHash *h);
/* Forgets what was interrupted. */
void content_hash_forget(ContentHash *h);

/* The same for a symlink's target. */
int content_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata);
