/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Main, and the rows of a plan: what base, the folder and main have where they are not all equal. */
#include <git2.h>

#include "syncd/folder-internal.h"

/* With more held entries all of main is read, instead of each one's directory. */
#define HELD_FEW 64U

typedef struct HeldSearch {
        SyncWalk walk;
        const char *held; /* the path that the walk is at, or NULL */
        SyncTree *found;
} HeldSearch;

static void next_held(HeldSearch *s) {
        const SyncEntry *entries[SYNC_WALK_MAX];

        s->held = sync_walk_next(&s->walk, entries);
}

/* Both are in the same order. */
static int take_if_held(const SyncEntry *e, void *userdata) {
        HeldSearch *s = userdata;

        for (; s->held; next_held(s)) {
                int c = sync_path_compare(s->held, e->path);

                if (c >= 0)
                        return c == 0 ? sync_tree_add(s->found, e) : 0;
        }
        return 1;
}

static int find_each_held(Folder *f, SyncTree *found) {
        SYNC_TREE_FOREACH(e, f->held) {
                const SyncEntry *entry;
                SyncEntry buf;
                int r;

                r = folder_find_in_commit(f, &f->main_commit, e->path, &buf, &entry);
                if (r >= 0 && entry)
                        r = sync_tree_add(found, entry);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int find_held(Folder *f, SyncTree *found) {
        HeldSearch search = { .walk = { .trees = { f->held }, .leaves = { true } }, .found = found };
        int r;

        if (sync_tree_size(f->held) <= HELD_FEW)
                return find_each_held(f, found);
        next_held(&search);
        r = git_store_foreach_entry(f->store, &f->main_commit, "", take_if_held, &search);
        return MIN(r, 0);
}

int folder_diff_from_base(Folder *f, const git_oid *commit, SyncTree **ret_from, SyncTree **ret_to) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL;
        int r;

        if (!f->main_from || !git_oid_equal(commit, &f->main_commit))
                return git_store_diff(f->store, &f->base_commit, commit, ret_from, ret_to);
        r = sync_tree_patch(f->main_from, NULL, &from);
        if (r >= 0)
                r = sync_tree_patch(f->main_to, NULL, ret_to);
        if (r < 0)
                return r;
        *ret_from = TAKE_PTR(from);
        return 0;
}

typedef struct FewDifferences {
        SyncTree *from, *to;
        size_t max;
} FewDifferences;

static int take_few(const SyncEntry *from, const SyncEntry *to, void *userdata) {
        FewDifferences *d = userdata;
        int r;

        if (sync_tree_size(d->from) + sync_tree_size(d->to) >= d->max)
                return -EOVERFLOW;
        r = from ? sync_tree_add(d->from, from) : 0;
        return r >= 0 && to ? sync_tree_add(d->to, to) : r;
}

int folder_diff_if_few(Folder *f, const git_oid *commit, size_t max, SyncTree **ret_from, SyncTree **ret_to) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        FewDifferences few = { .max = max };
        int r;

        if (f->main_from && git_oid_equal(commit, &f->main_commit)) {
                if (sync_tree_size(f->main_from) + sync_tree_size(f->main_to) >= max)
                        return 0;
                r = folder_diff_from_base(f, commit, ret_from, ret_to);
                return r < 0 ? r : 1;
        }
        if (sync_tree_new_compact(&from) < 0 || sync_tree_new_compact(&to) < 0)
                return -ENOMEM;
        few.from = from;
        few.to = to;
        r = git_store_foreach_difference(f->store, &f->base_commit, commit, take_few, &few);
        if (r >= 0)
                r = sync_tree_sort(from);
        if (r >= 0)
                r = sync_tree_sort(to);
        if (r < 0)
                return r == -EOVERFLOW ? 0 : r == -EEXIST ? -EBADMSG : r;
        *ret_from = TAKE_PTR(from);
        *ret_to = TAKE_PTR(to);
        return 1;
}

int folder_compare_main(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *held_main = NULL;
        int r;

        if (!f->main_from) {
                r = git_store_diff(f->store, &f->base_commit, &f->main_commit, &f->main_from, &f->main_to);
                if (r < 0)
                        return r;
                sync_tree_rest(f->main_from);
                sync_tree_rest(f->main_to);
        }
        if (f->held_main)
                return 0;
        r = sync_tree_new_compact(&held_main);
        if (r >= 0)
                r = find_held(f, held_main);
        if (r < 0)
                return r;
        sync_tree_rest(held_main);
        f->held_main = TAKE_PTR(held_main);
        return 0;
}

const SyncEntry *folder_main_entry(const Folder *f, const char *path) {
        if (sync_tree_find(f->held, path))
                return sync_tree_find(f->held_main, path);
        return folder_base_of(sync_tree_find(f->differing, path), sync_tree_find(f->index, path));
}

enum {
        ROW_DIFFERING,
        ROW_MAIN_FROM,
        ROW_MAIN_TO,
        ROW_HELD,
        ROW_HELD_MAIN,
};

static int next_row(SyncRow *ret, void *userdata) {
        FolderRows *rows = userdata;
        const SyncEntry **entries = rows->entries, *local, *stays;
        Folder *f = rows->folder;
        const char *path;

        path = sync_walk_next(&rows->walk, entries);
        if (!path)
                return 0;
        local = sync_tree_find(f->index, path);
        ret->base = folder_base_of(entries[ROW_DIFFERING], local);
        ret->local = local ?: sync_tree_find_local(f->index, path);
        if (entries[ROW_MAIN_FROM] || entries[ROW_MAIN_TO])
                ret->remote = entries[ROW_MAIN_TO];
        else
                ret->remote = entries[ROW_HELD] ? entries[ROW_HELD_MAIN] : ret->base;
        /* Of the entries that have it, the one that costs the least to be kept. */
        stays = local ?: entries[ROW_DIFFERING] ?: ret->remote;
        ret->path = stays ? stays->path : path;
        return 1;
}

static void keep_row(const SyncRow *row, void *userdata) {
        FolderRows *rows = userdata;

        for (size_t i = 0; i < SYNC_WALK_MAX; i++) {
                const SyncEntry *e = rows->entries[i];

                if (e && (e == row->remote || e->path == row->path))
                        sync_walk_keep(&rows->walk, i);
        }
}

static bool is_taken(const char *path, void *userdata) {
        FolderRows *rows = userdata;
        SyncEntry e;

        return sync_tree_find(rows->folder->index, path) ||
               git_store_find_entry(rows->folder->store, &rows->folder->main_commit, path, &e) >= 0;
}

void folder_rows_init(FolderRows *rows, Folder *f) {
        *rows = (FolderRows) {
                .folder = f,
                .walk = {
                        .trees = {
                                [ROW_DIFFERING] = f->differing,
                                [ROW_MAIN_FROM] = f->main_from,
                                [ROW_MAIN_TO] = f->main_to,
                                [ROW_HELD] = f->held,
                                [ROW_HELD_MAIN] = f->held_main,
                        },
                        .leaves = {
                                [ROW_MAIN_FROM] = true,
                                [ROW_MAIN_TO] = true,
                                [ROW_HELD] = true,
                                [ROW_HELD_MAIN] = true,
                        },
                },
                .rows = {
                        .next = next_row,
                        .keep = keep_row,
                        .is_taken = is_taken,
                        .base_files = f->base_files,
                        .local = f->index,
                        .base = f->differing,
                        .userdata = rows,
                },
        };
}
