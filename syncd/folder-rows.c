/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Main, and the rows of a plan: what base, the folder and main have where they are not all equal. */
#include <git2.h>

#include "syncd/folder-internal.h"

/* With more held entries all of main is read, instead of each one's directory. */
#define HELD_FEW 64U

typedef struct HeldSearch {
        const SyncTree *held;
        size_t next;
        SyncTree *found;
} HeldSearch;

/* Both are in the same order. */
static int take_if_held(const SyncEntry *e, void *userdata) {
        HeldSearch *s = userdata;

        for (; s->next < sync_tree_size(s->held); s->next++) {
                int c = sync_path_compare(sync_tree_at(s->held, s->next)->path, e->path);

                if (c == 0) {
                        SyncEntry found = *e;

                        found.path = sync_tree_at(s->held, s->next)->path;
                        return sync_tree_add_borrowed(s->found, &found);
                }
                if (c > 0)
                        return 0;
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
        HeldSearch search = { .held = f->held, .found = found };
        int r;

        if (sync_tree_size(f->held) <= HELD_FEW)
                return find_each_held(f, found);
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
        if (sync_tree_new(&from) < 0 || sync_tree_new(&to) < 0)
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
        }
        if (f->held_main)
                return 0;
        r = sync_tree_new(&held_main);
        if (r >= 0)
                r = find_held(f, held_main);
        if (r < 0)
                return r;
        f->held_main = TAKE_PTR(held_main);
        return 0;
}

const SyncEntry *folder_main_entry(const Folder *f, const char *path) {
        if (sync_tree_find(f->held, path))
                return sync_tree_find(f->held_main, path);
        return folder_base_of(sync_tree_find(f->differing, path), sync_tree_find(f->index, path));
}

static int next_row(SyncRow *ret, void *userdata) {
        const SyncEntry *entries[SYNC_WALK_MAX];
        FolderRows *rows = userdata;
        Folder *f = rows->folder;
        const char *path;

        path = sync_walk_next(&rows->walk, entries);
        if (!path)
                return 0;
        ret->path = path;
        ret->base = folder_base_of(entries[0], sync_tree_find(f->index, path));
        ret->local = sync_tree_find_local(f->index, path);
        if (entries[1] || entries[2])
                ret->remote = entries[2];
        else
                ret->remote = entries[3] ? sync_tree_find(f->held_main, path) : ret->base;
        return 1;
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
                .walk = { .trees = { f->differing, f->main_from, f->main_to, f->held } },
                .rows = {
                        .next = next_row,
                        .is_taken = is_taken,
                        .base_files = f->base_files,
                        .userdata = rows,
                },
        };
}
