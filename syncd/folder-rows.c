/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Main, and the rows of a plan: what base, the folder and main have where they are not all equal. */
#include <git2.h>

#include "syncd/folder-internal.h"

int folder_compare_main(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *held_main = NULL;
        int r;

        if (!f->main_from) {
                r = git_store_diff(f->store, &f->base_commit, &f->main_commit, &f->main_from, &f->main_to);
                if (r < 0)
                        return r;
        }
        r = sync_tree_new(&held_main);
        if (r < 0)
                return r;
        SYNC_TREE_FOREACH(e, f->held) {
                const SyncEntry *found;
                SyncEntry buf;

                r = folder_find_in_commit(f, &f->main_commit, e->path, &buf, &found);
                if (r >= 0 && found)
                        r = sync_tree_add(held_main, found);
                if (r < 0)
                        return r;
        }
        sync_tree_free(f->held_main);
        f->held_main = TAKE_PTR(held_main);
        return 0;
}

/* Of the differing entry, if there is one: base is equal to the folder elsewhere. */
static const SyncEntry *base_of(const SyncEntry *differing, const SyncEntry *local) {
        if (!differing)
                return local;
        return differing->kind == FOLDER_NOT_IN_BASE ? NULL : differing;
}

const SyncEntry *folder_main_entry(const Folder *f, const char *path) {
        if (sync_tree_find(f->held, path))
                return sync_tree_find(f->held_main, path);
        return base_of(sync_tree_find(f->differing, path), sync_tree_find(f->index, path));
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
        ret->local = sync_tree_find(f->index, path);
        ret->base = base_of(entries[0], ret->local);
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
