/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base follows to a commit that the folder was brought to, as far as it could be: the rest is held where it was. */
#include <git2.h>

#include "syncd/folder-internal.h"

typedef struct StillHeld {
        Folder *folder;
        const git_oid *commit;
        const SyncTree *placed;
} StillHeld;

static int is_still_held(const SyncEntry *e, void *userdata) {
        SyncRow row = { .path = e->path, .base = folder_null_if_absent(e) };
        StillHeld *s = userdata;
        SyncEntry buf;
        int r;

        row.local = sync_tree_find_local(s->folder->index, e->path);
        r = folder_find_held_in_commit(s->folder, s->commit, e->path, &buf, &row.remote);
        return r < 0 ? r : sync_base_holds(&row, sync_tree_find(s->placed, e->path));
}

/* Entries of a tree, which are added to another one with the memory that they have. */
typedef struct Run {
        const SyncTree *tree;
        size_t first, end;
} Run;

static int add_run(SyncTree *t, Run *run) {
        int r = sync_tree_add_range(t, run->tree, run->first, run->end);

        run->first = run->end = 0;
        return r;
}

/* Adds the entry, if it is of the run's tree (next is what follows it there, else 0) with those around it. */
static int add_shared(SyncTree *t, Run *run, const SyncEntry *e, size_t next) {
        int r;

        if (next > 0 && run->end == next - 1) {
                run->end = next;
                return 0;
        }
        r = add_run(t, run);
        if (r < 0 || next == 0)
                return r < 0 ? r : sync_tree_add(t, e);
        run->first = next - 1;
        run->end = next;
        return 0;
}

/* What of the commit is not in the folder yet; from and to are what differs between the base commit and it. */
static int list_held(
                Folder *f,
                const git_oid *commit,
                const SyncTree *placed,
                const SyncTree *from,
                const SyncTree *to,
                SyncTree *held) {

        SyncWalk walk = { .trees = { from, to, f->held, placed } };
        const SyncEntry *entries[SYNC_WALK_MAX];
        Run shared = { .tree = from };
        SyncRow row;
        int r = 0;

        while (r >= 0 && (row.path = sync_walk_next(&walk, entries))) {
                SyncEntry buf, absent = { .path = row.path, .kind = SYNC_ABSENT };

                if (!entries[0] && !entries[1] && !entries[2])
                        continue;
                row.base = entries[2] ? folder_null_if_absent(entries[2]) : entries[0];
                row.local = sync_tree_find_local(f->index, row.path);
                row.remote = entries[1];
                if (!entries[0] && !entries[1])
                        r = folder_find_held_in_commit(f, commit, row.path, &buf, &row.remote);
                if (r < 0 || !sync_base_holds(&row, entries[3]))
                        continue;
                r = add_shared(
                                held,
                                &shared,
                                row.base ?: &absent,
                                row.base && row.base == entries[0] ? walk.next[0] : 0);
        }
        return r < 0 ? r : add_run(held, &shared);
}

int folder_advance_base(Folder *f, const git_oid *commit, const SyncTree *placed) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL, *held = NULL;
        StillHeld still = { .folder = f, .commit = commit, .placed = placed };
        int r;

        r = folder_diff_from_base(f, commit, &from, &to);
        if (r < 0)
                return r;
        /* If base's commit stays, what stays held needs no memory of its own. */
        if (sync_tree_size(from) == 0 && sync_tree_size(to) == 0)
                r = sync_tree_filter(f->held, is_still_held, &still, &held);
        else if ((r = sync_tree_new(&held)) >= 0)
                r = list_held(f, commit, placed, from, to, held);
        if (r < 0)
                return r;
        /* Their memory is needed. */
        from = sync_tree_free(from);
        to = sync_tree_free(to);
        r = folder_set_base(f, commit, held);
        if (r >= 0)
                TAKE_PTR(held);
        return r;
}
