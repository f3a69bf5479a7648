/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the folders in two commits, and what of it the store does not have. */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-tree-internal.h"

static int add_entry(const SyncEntry *e, void *userdata) {
        return sync_tree_add(userdata, e);
}

/* --- differences --- */

typedef struct Diff {
        GitStore *store;
        SyncTree *trees[2];
        TreePath path;
} Diff;

/* Adds the entry, which diff->path names, to its side, and what is beneath. */
static int take(Diff *diff, unsigned side, Meta *meta, const TreeItem *item) {
        SyncEntry e;
        int r;

        r = directory_entry(diff->store, meta, item, diff->path.text, false, &e);
        if (r >= 0)
                r = sync_tree_add(diff->trees[side], &e);
        if (r >= 0 && item->kind == SYNC_DIRECTORY)
                r = tree_walk(diff->store, item->raw.id, &diff->path, add_entry, diff->trees[side]);
        return r;
}

static bool items_are_equal(const TreeItem *a, const TreeItem *b) {
        return a->kind == b->kind && a->executable == b->executable && a->chunked == b->chunked &&
               git_oid_equal(a->raw.id, b->raw.id);
}

static int diff_directories(Diff *diff, const git_oid *from, const git_oid *to);

/* A directory on both sides. It is before what differs in it, and left out if nothing does: trees may differ in nothing
 * but metadata. */
static int diff_directory(Diff *diff, Directory *d, const TreeItem *const items[2]) {
        const SyncEntry unknown = { .path = diff->path.text, .kind = SYNC_DIRECTORY };
        size_t at[2] = { sync_tree_size(diff->trees[0]), sync_tree_size(diff->trees[1]) };
        bool any;
        int r = 0;

        for (unsigned side = 0; side < 2 && r >= 0; side++)
                r = sync_tree_add(diff->trees[side], &unknown);
        if (r >= 0)
                r = diff_directories(diff, items[0]->raw.id, items[1]->raw.id);
        if (r < 0)
                return r;
        any = sync_tree_size(diff->trees[0]) > at[0] + 1 || sync_tree_size(diff->trees[1]) > at[1] + 1;
        for (unsigned side = 0; side < 2 && r >= 0; side++) {
                SyncEntry e;

                if (!any) {
                        sync_tree_drop_last(diff->trees[side]);
                        continue;
                }
                r = directory_entry(diff->store, &d[side].meta, items[side], diff->path.text, false, &e);
                if (r >= 0)
                        sync_tree_set(diff->trees[side], at[side], &e);
        }
        return r;
}

/* One name. Either may be NULL. */
static int diff_items(Diff *diff, Directory *d, const TreeItem *const items[2]) {
        size_t length;
        int r;

        if (items[0] && items[1] && items_are_equal(items[0], items[1]))
                return 0;
        r = tree_path_push(&diff->path, tree_item_name(items[0] ?: items[1]), &length);
        if (r < 0)
                return git_store_note_directory(diff->store, diff->path.text, r);
        if (items[0] && items[1] && items[0]->kind == SYNC_DIRECTORY && items[1]->kind == SYNC_DIRECTORY)
                r = diff_directory(diff, d, items);
        else
                for (unsigned side = 0; side < 2 && r >= 0; side++)
                        if (items[side])
                                r = take(diff, side, &d[side].meta, items[side]);
        tree_path_pop(&diff->path, length);
        return r;
}

static int merge_directories(Diff *diff, Directory d[static 2]) {
        size_t next[2] = {};

        while (next[0] < d[0].n || next[1] < d[1].n) {
                const TreeItem *items[2];
                int order, r;

                for (unsigned side = 0; side < 2; side++)
                        items[side] = next[side] < d[side].n ? d[side].items + next[side] : NULL;
                order = !items[0]   ? 1
                        : !items[1] ? -1
                                    : strcmp(tree_item_name(items[0]), tree_item_name(items[1]));
                if (order < 0)
                        items[1] = NULL;
                else if (order > 0)
                        items[0] = NULL;
                next[0] += !!items[0];
                next[1] += !!items[1];
                r = diff_items(diff, d, items);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int diff_directories(Diff *diff, const git_oid *from, const git_oid *to) {
        bool root = diff->path.length == 0;
        Directory d[2] = {};
        int r;

        if (git_oid_equal(from, to))
                return 0;
        r = directory_load_differing(diff->store, (const git_oid *const[2]) { from, to }, root, d);
        (void) git_store_note_directory(diff->store, diff->path.text, r);
        if (r >= 0)
                r = merge_directories(diff, d);
        directory_done(&d[0]);
        directory_done(&d[1]);
        return r;
}

static void diff_freep(Diff **d) {
        if (!*d)
                return;
        sync_tree_free((*d)->trees[0]);
        sync_tree_free((*d)->trees[1]);
        free(*d);
}

int git_store_diff(
                GitStore *store,
                const git_oid *from,
                const git_oid *to,
                SyncTree **ret_from,
                SyncTree **ret_to) {
        _cleanup_(diff_freep) Diff *diff = calloc(1, sizeof(*diff));
        git_oid roots[2];
        int r;

        if (!diff)
                return -ENOMEM;
        diff->store = store;
        r = git_store_root(store, from, &roots[0]);
        if (r >= 0)
                r = git_store_root(store, to, &roots[1]);
        for (unsigned side = 0; side < 2 && r >= 0; side++)
                r = sync_tree_new(&diff->trees[side]);
        if (r >= 0)
                r = diff_directories(diff, &roots[0], &roots[1]);
        /* A name may be there as two kinds. */
        for (unsigned side = 0; side < 2 && r >= 0; side++)
                r = sync_tree_sort(diff->trees[side]);
        if (r < 0)
                return r == -EINVAL || r == -EEXIST ? -EBADMSG : r;
        *ret_from = TAKE_PTR(diff->trees[0]);
        *ret_to = TAKE_PTR(diff->trees[1]);
        return 0;
}

/* --- missing metadata --- */

typedef struct MissingMeta {
        GitStore *store;
        int (*handler)(const git_oid *id, void *userdata);
        void *userdata;
        unsigned n_entries; /* so far, as in TreePath */
} MissingMeta;

static int check_blob(MissingMeta *m, const git_oid *id) {
        return git_store_has(m->store, id) ? 0 : m->handler(id, m->userdata);
}

static int check_meta(MissingMeta *m, const RawEntry *entry) {
        _cleanup_free_ char *data = NULL;
        RawTree tree = {};
        RawEntry e;
        int r;

        if (!git_mode_is_tree(entry->mode))
                return check_blob(m, entry->id);
        r = git_store_read_typed(m->store, entry->id, GIT_OBJECT_TREE, &data, &tree.size);
        if (r < 0)
                return r;
        tree.data = data;
        while ((r = raw_tree_next(&tree, &e)) > 0) {
                r = check_blob(m, e.id);
                if (r != 0)
                        return r;
        }
        return r;
}

/* The next directory of the tree that does not sort before the name. */
static int advance(RawTree *t, RawEntry *e, bool *have, const RawEntry *to) {
        int r;

        while (!*have || raw_entry_compare(e, to) < 0) {
                r = raw_tree_next(t, e);
                *have = r > 0;
                if (r <= 0)
                        return r;
        }
        return 1;
}

static int check_directory(MissingMeta *m, const git_oid *from, const git_oid *to, unsigned depth) {
        _cleanup_free_ char *from_data = NULL, *to_data = NULL;
        RawTree from_tree = {}, to_tree = {};
        bool have = false, end = git_oid_is_zero(from);
        RawEntry e, old;
        int r = 0;

        if (depth > SYNC_DEPTH_MAX + 1)
                return -EBADMSG;
        if (!end)
                r = git_store_read_typed(m->store, from, GIT_OBJECT_TREE, &from_data, &from_tree.size);
        if (r >= 0)
                r = git_store_read_typed(m->store, to, GIT_OBJECT_TREE, &to_data, &to_tree.size);
        if (r < 0)
                return r;
        from_tree.data = from_data;
        to_tree.data = to_data;
        while ((r = raw_tree_next(&to_tree, &e)) > 0) {
                TreeItem item;
                bool known;

                if (m->n_entries++ >= 2 * SYNC_ENTRIES_MAX)
                        return -E2BIG;
                r = tree_item_parse(&e, depth == 1, &item);
                if (r < 0)
                        return r;
                if (item.role == TREE_FORMAT || (item.role == TREE_ENTRY && item.kind != SYNC_DIRECTORY))
                        continue;
                if (!end) {
                        r = advance(&from_tree, &old, &have, &e);
                        if (r < 0)
                                return r;
                        end = r == 0;
                }
                known = !end && raw_entry_compare(&old, &e) == 0;
                if (known && git_oid_equal(old.id, e.id))
                        continue;
                r = item.role == TREE_META
                                    ? check_meta(m, &e)
                                    : check_directory(m, known ? old.id : &(git_oid) {}, e.id, depth + 1);
                if (r != 0)
                        return r;
        }
        return r;
}

int git_store_foreach_missing_meta(
                GitStore *store,
                const git_oid *from,
                const git_oid *to,
                int (*handler)(const git_oid *id, void *userdata),
                void *userdata) {

        MissingMeta m = { .store = store, .handler = handler, .userdata = userdata };
        git_oid from_root, to_root;
        int r;

        r = git_store_root(store, from, &from_root);
        if (r >= 0)
                r = git_store_root(store, to, &to_root);
        if (r < 0 || git_oid_is_zero(&to_root) || git_oid_equal(&from_root, &to_root))
                return r;
        return check_directory(&m, &from_root, &to_root, 1);
}
