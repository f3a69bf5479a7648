/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the store keeps of main's history. */
#include "common/base/cleanup.h"
#include "syncd/git-tree-internal.h"

/* Directories, chunk trees and buckets of metadata, in the root's tree and beneath a path of SYNC_DEPTH_MAX.
 */
#define DEPTH_MAX (SYNC_DEPTH_MAX + 4U)

/* Bytes. Less is not worth the writes. */
#define GROWTH_MIN (1U << 20)

/* Marks the tree and all that it holds and the store has. What is marked already is not read again: then all
 * that it holds is marked, too. */
static int mark_tree(GitStore *store, const git_oid *id, unsigned depth) {
        _cleanup_free_ char *data = NULL;
        RawTree tree = {};
        RawEntry e;
        int r;

        r = object_log_mark(store->log, (const SyncOid *) id->id);
        if (r <= 0 || depth > DEPTH_MAX)
                return r == -ENOENT ? 0 : MIN(r, 0);
        r = git_store_read_typed(store, id, GIT_OBJECT_TREE, &data, &tree.size);
        if (r < 0)
                return r == -EBADMSG || r == -ENOENT ? 0 : r;
        tree.data = data;
        while ((r = raw_tree_next(&tree, &e)) > 0) {
                r = git_mode_is_tree(e.mode) ? mark_tree(store, e.id, depth + 1)
                                             : object_log_mark(store->log, (const SyncOid *) e.id->id);
                if (r < 0 && r != -ENOENT && r != -EBADMSG)
                        return r;
        }
        return r == -EBADMSG ? 0 : r;
}

/* What is damaged or missing ends a history; it is for those to report who need it. */
static bool ends_history(int r) {
        return r == -ENOENT || r == -EBADMSG || r == -EXDEV;
}

/* Marks the commits of a history, up to one that is marked. */
static int mark_history(GitStore *store, const git_oid *tip) {
        for (git_oid id = *tip; !git_oid_is_zero(&id);) {
                int r = object_log_mark(store->log, (const SyncOid *) id.id);

                if (r == 0)
                        return 0;
                if (r > 0)
                        r = git_store_commit_parent(store, &id, &id);
                if (r < 0)
                        return ends_history(r) ? 0 : r;
        }
        return 0;
}

/* Marks the trees of a history, newest first, before end is reached, as long as all that is marked has less than limit
 * bytes. */
static int mark_trees(GitStore *store, const git_oid *tip, const git_oid *end, uint64_t limit) {
        git_oid tree;
        int r;

        for (git_oid id = *tip; !git_oid_is_zero(&id) && !git_oid_equal(&id, end) &&
                                object_log_marked_size(store->log) < limit;) {
                r = git_store_commit_tree(store, &id, &tree);
                if (r >= 0)
                        r = mark_tree(store, &tree, 0);
                if (r >= 0)
                        r = git_store_commit_parent(store, &id, &id);
                if (r < 0)
                        return ends_history(r) ? 0 : r;
        }
        return 0;
}

/* Marks the trees of the own commits that are to be pushed: main has none of them yet. */
static int mark_chain(GitStore *store) {
        git_oid id, base = {};
        int r;

        r = git_store_get_reference(store, GIT_STORE_CANDIDATE, &id);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = git_store_get_reference(store, GIT_STORE_CHAIN_BASE, &base);
        if (r < 0 && r != -ENOENT)
                return r;
        return mark_trees(store, &id, &base, UINT64_MAX);
}

static int mark(GitStore *store) {
        static const char *const references[] = {
                GIT_STORE_REMOTE,
                GIT_STORE_BASE,
                GIT_STORE_TARGET,
                GIT_STORE_CANDIDATE,
        };
        git_oid id, tree, tip = {};
        uint64_t size;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                r = git_store_get_reference(store, references[i], &id);
                if (r == -ENOENT)
                        continue;
                if (r >= 0)
                        r = mark_history(store, &id);
                if (r < 0)
                        return r;
                if (i == 0)
                        tip = id;
                r = git_store_commit_tree(store, &id, &tree);
                if (r >= 0)
                        r = mark_tree(store, &tree, 0);
                if (r < 0 && !ends_history(r))
                        return r;
        }
        r = mark_chain(store);
        if (r < 0)
                return r;
        size = object_log_marked_size(store->log);
        return mark_trees(store, &tip, &(git_oid) {}, size + MAX(size / 2, (uint64_t) GIT_STORE_HISTORY_MIN));
}

/* What was needed at the last time is read and written again only when there is about as much more. */
static bool is_worth_it(const GitStore *store) {
        uint64_t size = MAX(object_log_compacted_size(store->log), store->unprunable_size);

        return object_log_size(store->log) >= size + size / 2 + GROWTH_MIN;
}

int git_store_prune(GitStore *store) {
        int r;

        r = git_store_sync(store);
        if (r < 0 || !is_worth_it(store))
                return r;
        r = object_log_compact_begin(store->log);
        if (r <= 0)
                return r;
        r = mark(store);
        if (r >= 0 && object_log_marked_size(store->log) <= object_log_size(store->log) / 4 * 3)
                return object_log_compact_finish(store->log);
        /* Nearly all of it would stay. */
        if (r >= 0)
                store->unprunable_size = object_log_size(store->log);
        object_log_compact_abort(store->log);
        return MIN(r, 0);
}
