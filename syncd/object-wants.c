/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "syncd/git-store-internal.h"
#include "syncd/git-tree-internal.h"
#include "syncd/object-wants.h"

/* Directories, and in the deepest the trees of chunks. */
#define DEPTH_MAX (SYNC_DEPTH_MAX + 4U)

void object_wants_done(ObjectWants *w) {
        free(w->ids);
        object_map_done(&w->known);
        *w = (ObjectWants){};
}

int object_wants_add(ObjectWants *w, const git_oid *id) {
        int r = object_map_add(&w->known, id, 0);

        if (r <= 0)
                return r;
        if (ARRAY_GROW(w->ids, w->n) < 0)
                return -ENOMEM;
        w->ids[w->n++] = *id;
        return 0;
}

static bool is_meta(const GitTreeEntry *e) {
        return streq(e->name, TREE_NAME_META);
}

/* The entry of the same place in the older tree, zero if there is none. Both are read in their common order.
 */
static git_oid find_older(GitTreeReader *older, const GitTreeEntry *e) {
        GitTreeReader at = *older;
        GitTreeEntry o;

        while (git_tree_next(&at, &o) > 0) {
                int c = git_tree_entry_compare(&o, e);

                if (c == 0)
                        return o.id;
                if (c > 0)
                        break;
                *older = at;
        }
        return (git_oid){};
}

static int add_tree(
                ObjectWants *w,
                GitStore *store,
                const git_oid *id,
                const git_oid *older_id,
                bool meta,
                unsigned depth);

static int add_entry(
                ObjectWants *w,
                GitStore *store,
                const GitTreeEntry *e,
                GitTreeReader *older,
                bool meta,
                unsigned depth) {
        bool directory = git_tree_entry_is_directory(e);
        git_oid older_id;

        meta = meta || is_meta(e);
        if (!directory && !meta)
                return 0;
        older_id = find_older(older, e);
        if (git_oid_equal(&e->id, &older_id))
                return 0;
        if (directory)
                return add_tree(w, store, &e->id, &older_id, meta, depth + 1);
        return git_store_has(store, &e->id) ? 0 : object_wants_add(w, &e->id);
}

static int add_tree(
                ObjectWants *w,
                GitStore *store,
                const git_oid *id,
                const git_oid *older_id,
                bool meta,
                unsigned depth) {
        _cleanup_free_ char *data = NULL, *older_data = NULL;
        GitTreeReader reader, older;
        GitTreeEntry e;
        int r;

        /* That is no directory, and no tree of chunks: who reads it says so, and nothing else waits for it. */
        if (depth > DEPTH_MAX)
                return 0;
        if (git_oid_equal(id, older_id) || object_map_find(&w->known, id, NULL))
                return 0;
        r = git_store_open_tree(store, id, &data, &reader);
        if (r == -ENOENT)
                return object_wants_add(w, id);
        if (r >= 0)
                r = object_map_add(&w->known, id, 0);
        if (r < 0)
                return r;
        r = git_store_open_tree(store, older_id, &older_data, &older);
        /* Old trees are pruned. */
        if (r == -ENOENT || r == -EBADMSG)
                older = (GitTreeReader){};
        else if (r < 0)
                return r;
        while ((r = git_tree_next(&reader, &e)) > 0) {
                r = add_entry(w, store, &e, &older, meta, depth);
                if (r < 0)
                        return r;
        }
        return r;
}

int object_wants_add_missing(ObjectWants *w, GitStore *store, const git_oid *tree, const git_oid *older) {
        return add_tree(w, store, tree, older, false, 0);
}
