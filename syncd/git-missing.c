/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the store lacks of a path in an old commit, whose trees and metadata may be pruned. */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"
#include "syncd/git-store-internal.h"
#include "syncd/git-tree-internal.h"
#include "syncd/object-wants.h"

#define META_NAME "%%meta"
#define CHUNKED_PREFIX "%%+"
#define CHUNKED_EXECUTABLE_PREFIX "%%x"

/* Wants the blob of metadata that has the record of the stored name, or the tree of such blobs. */
static int want_meta(ObjectWants *w, GitStore *store, const GitTreeEntry *meta, const char *stored) {
        _cleanup_free_ char *data = NULL;
        GitTreeReader reader;
        GitTreeEntry e;
        char bucket[3];
        int r;

        if (!git_tree_entry_is_directory(meta))
                return git_store_has(store, &meta->id) ? 0 : object_wants_add(w, &meta->id);
        r = git_store_open_tree(store, &meta->id, &data, &reader);
        if (r == -ENOENT)
                return object_wants_add(w, &meta->id);
        if (r < 0)
                return r;
        (void) snprintf(bucket, sizeof(bucket), "%02x", (unsigned) meta_bucket_of(stored));
        while ((r = git_tree_next(&reader, &e)) > 0)
                if (streq(e.name, bucket))
                        return git_store_has(store, &e.id) ? 0 : object_wants_add(w, &e.id);
        return r;
}

static bool is_stored_as(const char *name, const char *stored) {
        const char *rest = startswith(name, CHUNKED_PREFIX) ?: startswith(name, CHUNKED_EXECUTABLE_PREFIX);

        return streq(rest ?: name, stored);
}

/* Finds the entry with the stored name in the tree. last: its metadata is wanted, too. 1, 0 if there is none, or
 * the tree is missing and wanted now. */
static int find_entry(
                ObjectWants *w,
                GitStore *store,
                const git_oid *tree,
                const char *stored,
                bool last,
                GitTreeEntry *ret) {

        _cleanup_free_ char *data = NULL;
        GitTreeReader reader;
        GitTreeEntry e;
        bool found = false;
        int r;

        r = git_store_open_tree(store, tree, &data, &reader);
        if (r == -ENOENT)
                return object_wants_add(w, tree);
        if (r < 0)
                return r;
        while ((r = git_tree_next(&reader, &e)) > 0) {
                if (last && streq(e.name, META_NAME)) {
                        r = want_meta(w, store, &e, stored);
                        if (r < 0)
                                return r;
                } else if (is_stored_as(e.name, stored)) {
                        found = true;
                        *ret = e;
                        ret->name = NULL;
                }
        }
        return r < 0 ? r : found;
}

int git_store_find_missing(GitStore *store, const git_oid *commit, const char *path, bool beneath, ObjectWants *ret) {
        _cleanup_strv_free_ char **names = NULL;
        git_oid id;
        int r;

        r = git_store_commit_tree(store, commit, &id);
        if (r >= 0)
                r = strv_split(path, "/", &names);
        if (r < 0)
                return r;
        STRV_FOREACH (name, names) {
                _cleanup_free_ char *stored = NULL;
                GitTreeEntry e = {};

                r = git_name_escape(*name, &stored);
                if (r >= 0)
                        r = find_entry(ret, store, &id, stored, !name[1], &e);
                if (r <= 0)
                        return MIN(r, 0);
                if (!git_tree_entry_is_directory(&e))
                        return 0;
                id = e.id;
        }
        return beneath ? object_wants_add_missing(ret, store, &id, &(git_oid) {}) : 0;
}
