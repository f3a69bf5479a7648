/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of git-store.h that its own files share. Functions return 0, or a negative errno as said there. */
#pragma once

#include <git2.h>

#include "syncd/git-object.h"
#include "syncd/git-store.h"
#include "syncd/object-log.h"

/* The metadata of a directory that were asked for last (git-tree.c). */
typedef struct KeptMeta KeptMeta;

struct GitStore {
        ObjectLog *log;
        git_odb *odb;
        git_repository *repository;
        uint64_t unprunable_size; /* of the log, when there was last nothing in it to prune */
        char *malformed;          /* git_store_take_malformed() */
        KeptMeta *kept_meta;      /* or NULL */
};

/* An object that must be of the type; with a NUL behind it. */
int git_store_read_typed(
                GitStore *store, const git_oid *id, git_object_t type, char **ret, size_t *ret_size);
/* Begins to read a single tree, whose bytes are the caller's; the zero id is the empty one. After an error the
 * reader is at its end. */
int git_store_open_tree(GitStore *store, const git_oid *id, char **ret_data, GitTreeReader *ret);

static inline int git_error_to_errno(int error) {
        return error == GIT_ENOTFOUND ? -ENOENT : error < 0 ? -EBADMSG : 0;
}
