/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees made of others, with which they share segments. */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/sync-tree-internal.h"

/* Smaller ones are not shared but copied to what is before them, so that they do not become many. */
#define SHARED_MIN 32U

/* Appends the entries from first on, up to but without end. */
static int append_shared(SyncTree *t, const SyncTree *from, size_t first, size_t end) {
        while (first < end) {
                const SyncPlace *p = from->places + sync_tree_place_of(from, first);
                size_t next = MIN(p->begin + p->segment->n, end);
                int r = 0;

                if (next - first == p->segment->n && p->segment->n >= SHARED_MIN) {
                        p->segment->n_refs++;
                        r = sync_tree_append_segment(t, p->segment);
                        first = next;
                }
                for (; first < next && r >= 0; first++)
                        r = sync_tree_append(t, sync_segment_entries(p->segment) + (first - p->begin), false);
                if (r < 0)
                        return r;
        }
        return 0;
}

int sync_tree_add_range(SyncTree *t, const SyncTree *from, size_t first, size_t end) {
        if (first < end && t->n > 0 &&
            sync_path_compare(sync_tree_at(t, t->n - 1)->path, sync_tree_at(from, first)->path) >= 0)
                t->sorted = false;
        return append_shared(t, from, first, end);
}

/* The first entry from i on that the change leaves as it is; alone: and what is beneath it as well. */
static size_t skip_changed(const SyncTree *tree, size_t i, const SyncEntry *change, bool alone) {
        for (; i < sync_tree_size(tree); i++) {
                const char *path = sync_tree_at(tree, i)->path;

                if (strcmp(path, change->path) != 0 &&
                    (alone || change->kind == SYNC_DIRECTORY || !sync_path_is_below(path, change->path)))
                        break;
        }
        return i;
}

static int apply_changes(SyncTree *t, const SyncTree *tree, const SyncTree *changes, bool alone) {
        size_t next = 0, next_change = 0; /* what is there from here on was not appended yet */
        int r = 0;

        for (size_t i = 0; i < sync_tree_size(changes) && r >= 0; i++) {
                const SyncEntry *c = sync_tree_at(changes, i);
                size_t at = MAX(sync_tree_lower_bound(tree, c->path), next);

                if (at > next || c->kind == SYNC_ABSENT) {
                        r = append_shared(t, changes, next_change, i);
                        if (r >= 0)
                                r = append_shared(t, tree, next, at);
                        next_change = i + (c->kind == SYNC_ABSENT);
                }
                next = skip_changed(tree, at, c, alone);
        }
        if (r >= 0)
                r = append_shared(t, changes, next_change, sync_tree_size(changes));
        return r < 0 ? r : append_shared(t, tree, next, sync_tree_size(tree));
}

static int patch(const SyncTree *tree, const SyncTree *changes, bool alone, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        int r;

        r = sync_tree_new(&t);
        if (r < 0)
                return r;
        r = apply_changes(t, tree, changes, alone);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

int sync_tree_patch(const SyncTree *tree, const SyncTree *changes, SyncTree **ret) {
        return patch(tree, changes, false, ret);
}

int sync_tree_replace(const SyncTree *tree, const SyncTree *changes, SyncTree **ret) {
        return patch(tree, changes, true, ret);
}

int sync_tree_filter(
                const SyncTree *tree,
                int (*keep)(const SyncEntry *entry, void *userdata),
                void *userdata,
                SyncTree **ret) {

        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        size_t kept = 0; /* from here on, so far */
        int r;

        r = sync_tree_new(&t);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sync_tree_size(tree); i++) {
                r = keep(sync_tree_at(tree, i), userdata);
                if (r == 0) {
                        r = append_shared(t, tree, kept, i);
                        kept = i + 1;
                }
                if (r < 0)
                        return r;
        }
        r = append_shared(t, tree, kept, sync_tree_size(tree));
        if (r < 0)
                return r;
        t->sorted = tree->sorted;
        *ret = TAKE_PTR(t);
        return 0;
}

int sync_tree_diff(const SyncTree *from, const SyncTree *to, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        SyncWalk walk = { .trees = { from, to } };
        const SyncEntry *entries[SYNC_WALK_MAX];
        const char *path;
        int r;

        r = sync_tree_new(&t);
        if (r < 0)
                return r;

        while ((path = sync_walk_next(&walk, entries))) {
                SyncEntry absent = { .path = path, .kind = SYNC_ABSENT };

                if (sync_entry_equal(entries[0], entries[1]))
                        continue;
                r = sync_tree_add(t, entries[1] ?: &absent);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}
