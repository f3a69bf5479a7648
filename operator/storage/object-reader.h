/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads objects of the current repository (GIT_DIR), by one git cat-file. Blocks; for short-lived programs.
 */
#pragma once

#include "common/base/macro.h"
#include "operator/storage/hook-rules.h"

/* A tree of some hundred thousand entries; blobs are read piece by piece. */
#define OBJECT_SIZE_MAX (256U * 1024U * 1024U)

typedef struct ObjectReader ObjectReader;

/* Takes a piece of an object. 0 to go on, or a negative errno. */
typedef int (*ObjectSink)(const void *data, size_t size, void *userdata);

/* Starts git cat-file for the repository in GIT_DIR. *ret is the caller's. 0, -ENOMEM or another negative errno. */
int object_reader_new(ObjectReader **ret);
ObjectReader *object_reader_free(ObjectReader *r);
DEFINE_TRIVIAL_CLEANUP_FUNC(ObjectReader *, object_reader_free);

/* Reads a whole object of this type ("commit", "tree", "blob"); it may be named as in gitrevisions(7). *ret,
 * with a NUL behind it, is the caller's. 0, -ENOENT, -EBADMSG if it is of another type, -EFBIG, or another
 * negative errno. */
int object_read(ObjectReader *r, const char *name, const char *type, char **ret, size_t *ret_size);

/* Passes a blob on, piece by piece: first size() its size, then sink() its content. 0, the first error of
 * sink() or size(), or as above. */
int object_stream(
                ObjectReader *r,
                const char *id,
                int (*size)(uint64_t size, void *userdata),
                ObjectSink sink,
                void *userdata);

/* One entry of a tree. */
typedef struct TreeEntry {
        unsigned mode; /* as in git: 040000, 0100644, 0100755, 0120000 */
        char id[OBJECT_ID_MAX + 1];
        const char *name; /* in the tree's data */
} TreeEntry;

/* Goes from one entry of a tree of SHA-1 ids to the next; *at is 0 first. 1, 0 at the end, -EBADMSG. */
int tree_next(const char *data, size_t size, size_t *at, TreeEntry *ret);
