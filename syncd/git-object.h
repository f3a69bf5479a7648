/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading raw git objects without copies: trees entry by entry, and what a commit begins with
 * (gitformat-pack(5) leaves these to Documentation of git-mktree(1) and git-cat-file(1)). Pure; nothing here
 * trusts its input. */
#pragma once

#include <git2/oid.h>
#include <git2/types.h>

#include "common/base/macro.h"

#define GIT_MODE_DIRECTORY 040000U
#define GIT_MODE_FILE 0100644U
#define GIT_MODE_SYMLINK 0120000U

typedef struct GitTreeEntry {
        const char *name; /* within the tree's data, NUL behind it */
        size_t name_size;
        unsigned mode;
        git_oid id;
} GitTreeEntry;

/* What is left of the data of a tree. */
typedef struct GitTreeReader {
        const uint8_t *data;
        size_t size;
} GitTreeReader;

/* Reads the data of a tree object, which is borrowed. */
void git_tree_reader_init(GitTreeReader *reader, const void *data, size_t size);
/* 1 with an entry, 0 at the end, -EBADMSG for what is no tree. */
int git_tree_next(GitTreeReader *reader, GitTreeEntry *ret);

/* git's order: a directory sorts as if a slash were behind its name. */
int git_tree_entry_compare(const GitTreeEntry *a, const GitTreeEntry *b) _pure_;

static inline bool git_tree_entry_is_directory(const GitTreeEntry *e) {
        return e->mode == GIT_MODE_DIRECTORY;
}

/* What a commit was first written as (docs/repository-format.md, "Retention"), from the trailer of one that was
 * rewritten. False if it has none: then it is the original itself. */
#define GIT_COMMIT_ORIGINAL "Original: "
bool git_commit_read_original(const char *data, size_t size, git_oid *ret);

/* The name of an object, from all of its bytes, with SHA-1 that notices collision attacks (libgit2's). 0;
 * -EKEYREJECTED: it is part of one, and has no name; or -ENOMEM. */
int git_object_name(git_object_t type, const void *data, size_t size, git_oid *ret);
/* The name of a blob by OpenSSL's SHA-1, which notices no attack and takes a third of the time: for what is in the
 * folder, which is named by the other one before it is sent, and for what was when it was received
 * (docs/repository-format.md, "Object ids"). 0 or -ENOMEM. */
int git_blob_name_fast(const void *data, size_t size, git_oid *ret);
/* Whether that is its name. 1, 0, or -ENOMEM. */
int git_blob_has_name(const void *data, size_t size, const git_oid *id);
