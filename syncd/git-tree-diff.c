/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the folders in two commits. */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-tree-internal.h"

typedef struct Diff {
        GitStore *store;
        GitStoreDiffHandler handler;
        void *userdata;
        SyncTree **trees; /* the two sides, if they are collected, with the directories that both have; or NULL */
        TreePath path;
} Diff;

typedef struct Subtree {
        const Diff *diff;
        unsigned side;
} Subtree;

static int tell(const Diff *diff, const SyncEntry *const entries[2]) {
        return diff->handler(entries[0], entries[1], diff->userdata);
}

static int tell_entry(const SyncEntry *e, void *userdata) {
        const Subtree *s = userdata;

        return tell(s->diff, (const SyncEntry *const[2]) { s->side == 0 ? e : NULL, s->side == 1 ? e : NULL });
}

/* Tells of the entries, which diff->path names, and of what is beneath. */
static int take(Diff *diff, Directory *d, const TreeItem *const items[2]) {
        const SyncEntry *found[2] = {};
        SyncEntry entries[2];
        int r = 0;

        for (unsigned side = 0; side < 2 && r >= 0; side++)
                if (items[side]) {
                        found[side] = entries + side;
                        r = directory_entry(
                                        diff->store,
                                        &d[side].meta,
                                        items[side],
                                        diff->path.text,
                                        false,
                                        entries + side);
                }
        if (r >= 0)
                r = tell(diff, found);
        for (unsigned side = 0; side < 2 && r >= 0; side++)
                if (items[side] && items[side]->kind == SYNC_DIRECTORY)
                        r = tree_walk(diff->store,
                                      items[side]->raw.id,
                                      &diff->path,
                                      tell_entry,
                                      &(Subtree) { .diff = diff, .side = side });
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
        SyncTree **trees = diff->trees;
        size_t at[2];
        bool any;
        int r = 0;

        if (!trees)
                return diff_directories(diff, items[0]->raw.id, items[1]->raw.id);
        for (unsigned side = 0; side < 2 && r >= 0; side++) {
                at[side] = sync_tree_size(trees[side]);
                r = sync_tree_add(trees[side], &unknown);
        }
        if (r >= 0)
                r = diff_directories(diff, items[0]->raw.id, items[1]->raw.id);
        if (r < 0)
                return r;
        any = sync_tree_size(trees[0]) > at[0] + 1 || sync_tree_size(trees[1]) > at[1] + 1;
        for (unsigned side = 0; side < 2 && r >= 0; side++) {
                SyncEntry e;

                if (!any) {
                        sync_tree_drop_last(trees[side]);
                        continue;
                }
                r = directory_entry(diff->store, &d[side].meta, items[side], diff->path.text, false, &e);
                if (r >= 0)
                        sync_tree_set(trees[side], at[side], &e);
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
                r = take(diff, d, items);
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

static int diff_commits(GitStore *store, const git_oid *from, const git_oid *to, const Diff *how) {
        _cleanup_free_ Diff *diff = malloc(sizeof(*diff));
        git_oid roots[2];
        int r;

        if (!diff)
                return -ENOMEM;
        *diff = *how;
        diff->store = store;
        r = git_store_root(store, from, &roots[0]);
        if (r >= 0)
                r = git_store_root(store, to, &roots[1]);
        return r < 0 ? r : diff_directories(diff, &roots[0], &roots[1]);
}

int git_store_foreach_difference(
                GitStore *store, const git_oid *from, const git_oid *to, GitStoreDiffHandler handler, void *userdata) {

        return diff_commits(store, from, to, &(Diff) { .handler = handler, .userdata = userdata });
}

static int collect(const SyncEntry *from, const SyncEntry *to, void *userdata) {
        SyncTree **trees = userdata;
        int r = from ? sync_tree_add(trees[0], from) : 0;

        return r >= 0 && to ? sync_tree_add(trees[1], to) : r;
}

int git_store_diff(
                GitStore *store,
                const git_oid *from,
                const git_oid *to,
                SyncTree **ret_from,
                SyncTree **ret_to) {

        _cleanup_sync_tree_free_ SyncTree *old = NULL, *new = NULL;
        SyncTree *trees[2];
        int r;

        if (sync_tree_new_compact(&old) < 0 || sync_tree_new_compact(&new) < 0)
                return -ENOMEM;
        trees[0] = old;
        trees[1] = new;
        r = diff_commits(store, from, to, &(Diff) { .handler = collect, .userdata = trees, .trees = trees });
        /* A name may be there as two kinds. */
        for (unsigned side = 0; side < 2 && r >= 0; side++)
                r = sync_tree_sort(trees[side]);
        if (r < 0)
                return r == -EINVAL || r == -EEXIST ? -EBADMSG : r;
        *ret_from = TAKE_PTR(old);
        *ret_to = TAKE_PTR(new);
        return 0;
}
