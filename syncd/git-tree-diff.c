/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the folders in two commits. */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-tree-internal.h"

static int add_entry(const SyncEntry *e, void *userdata) {
        return sync_tree_add(userdata, e);
}

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
