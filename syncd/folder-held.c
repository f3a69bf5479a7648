/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base follows to a commit that the folder was brought to, as far as it could be: the rest is held where it was. */
#include <git2.h>

#include "syncd/folder-internal.h"

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

        const SyncTree *held_main = folder_held_main(f, commit);
        SyncWalk walk = {
                .trees = { from, to, f->held, placed, held_main },
                .leaves = { true, true, true, false, true },
        };
        const SyncEntry *entries[SYNC_WALK_MAX];
        size_t sharing = sync_tree_size(from) > 0 ? 0 : 2;
        Run shared = { .tree = walk.trees[sharing] };
        SyncRow row;
        int r = 0;

        while (r >= 0 && (row.path = sync_walk_next(&walk, entries))) {
                SyncEntry buf, absent = { .path = row.path, .kind = SYNC_ABSENT };
                const SyncEntry *e = entries[2] ?: entries[0] ?: &absent;

                if (!entries[0] && !entries[1] && !entries[2])
                        continue;
                row.base = folder_null_if_absent(e);
                row.local = sync_tree_find_local(f->index, row.path);
                row.remote = entries[1];
                if (!entries[0] && !entries[1]) {
                        if (held_main)
                                row.remote = entries[4];
                        else
                                r = folder_find_in_commit(f, commit, row.path, &buf, &row.remote);
                }
                if (r < 0 || !sync_base_holds(&row, entries[3]))
                        continue;
                r = add_shared(held, &shared, e, e == entries[sharing] ? walk.next[sharing] : 0);
        }
        return r < 0 ? r : add_run(held, &shared);
}

int folder_advance_base(Folder *f, const git_oid *commit, const SyncTree *placed) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL, *held = NULL;
        int r;

        r = folder_diff_from_base(f, commit, &from, &to);
        if (r >= 0)
                r = sync_tree_new_compact(&held);
        if (r >= 0)
                r = list_held(f, commit, placed, from, to, held);
        if (r < 0)
                return r;
        /* Their memory is needed. */
        from = sync_tree_free(from);
        to = sync_tree_free(to);
        sync_tree_rest(held);
        r = folder_set_base(f, commit, held);
        if (r >= 0)
                TAKE_PTR(held);
        return r;
}
