/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Versions that were overwritten here before main had them, when main has moved meanwhile. */
#include <git2.h>
#include <search.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/folder-chain.h"
#include "syncd/instance.h"

/* The time in the line "committer NAME <ADDRESS> TIME ZONE" of a commit, or the fallback. */
static int64_t commit_time(Folder *f, const git_oid *id, int64_t fallback) {
        _cleanup_free_ void *data = NULL;
        const char *line, *end;

        if (git_store_read(f->store, id, NULL, &data, NULL) < 0)
                return fallback;
        line = strstr(data, "\ncommitter ");
        end = line ? strchr(line + 1, '\n') : NULL;
        line = end ? memrchr(line, '>', (size_t) (end - line)) : NULL;
        return line ? strtoll(line + 1, NULL, 10) : fallback;
}

/* Snapshots outlive a store that was lost; the chunk trees that name a large one do not. */
static bool lacks_chunk_trees(Folder *f, const SyncEntry *e) {
        git_oid id;

        git_store_oid_from_sync(&id, &e->oid);
        return folder_is_chunked(e) && !git_store_has(f->store, &id);
}

/* 1 if there is a snapshot of the entry, a good one if that is to be verified, and its chunk trees are in the store,
 * where they are made again; else 0; or a negative errno. A damaged one is removed: what is still in the folder is then
 * pushed from there. */
static int check_snapshot(Folder *f, const SyncEntry *e, bool verify) {
        _cleanup_close_ int fd = -EBADF;
        bool store;
        SyncOid oid;
        int r;

        if (e->kind != SYNC_FILE && e->kind != SYNC_SYMLINK)
                return 0;
        store = lacks_chunk_trees(f, e);
        if (!verify && !store)
                return content_pending_has(&f->content, &e->oid);
        r = content_pending_open(&f->content, &e->oid, &fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = content_hash_file(fd, store, &oid, &f->hash);
        if (r < 0)
                return r;
        if (sync_oid_equal(&oid, &e->oid))
                return 1;
        content_pending_remove(&f->content, &e->oid);
        return 0;
}

/* True if what an old commit has at the path is neither in the folder now nor on main. */
static bool is_superseded(const ChainUpdate *u, const SyncEntry *e) {
        const SyncEntry *now = folder_change_at(u->wanted, e->path) ?: folder_main_entry(u->folder, e->path);

        return !(now && sync_oid_equal(&now->oid, &e->oid));
}

/* True if the path can be written to main's tip without touching what others have put there. */
static bool is_untouched(const SyncTree *from, const SyncTree *to, const char *path) {
        char parent[SYNC_PATH_MAX + 1];

        if (sync_tree_find(to, path) || sync_tree_find(from, path))
                return false;
        strcpy(parent, path);
        for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
                const SyncEntry *e;

                *slash = 0;
                e = sync_tree_find(to, parent);
                if (!e && sync_tree_find(from, parent))
                        return false;
                if (e && e->kind != SYNC_DIRECTORY)
                        return false;
        }
        return true;
}

/* The changes that a commit is to make, and their paths, so that none gets another's. */
typedef struct ChangeSet {
        SyncTree *tree;
        void *paths;
} ChangeSet;

static void change_set_done(ChangeSet *s) {
        sync_tree_free(s->tree);
        tdestroy(s->paths, free);
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(a, b);
}

static bool change_set_has(const ChangeSet *s, const char *path) {
        return tfind(path, &s->paths, compare_paths);
}

static int change_set_add(ChangeSet *s, const SyncEntry *e) {
        if (!change_set_has(s, e->path)) {
                char *path = strdup(e->path);

                if (!path || !tsearch(path, &s->paths, compare_paths)) {
                        free(path);
                        return -ENOMEM;
                }
        }
        return sync_tree_add(s->tree, e);
}

/* A name in the folder itself that nothing has, on main or in the chain or among the changes. */
static int choose_name(ChainUpdate *u, const char *path, int64_t time, const ChangeSet *changes, char **ret) {
        for (unsigned counter = 0;; counter++) {
                _cleanup_free_ char *name = NULL;
                SyncEntry buf;
                int r;

                /* A second has so many names, and none of its versions may be left out. */
                if (counter > SYNC_CONFLICT_COUNTER_MAX) {
                        counter = 0;
                        time++;
                }
                r = sync_conflict_path(sync_path_name(path), time, u->request->gateway_name, counter, &name);
                if (r < 0)
                        return r;
                if (change_set_has(changes, name) || sync_tree_find(u->wanted, name))
                        continue;
                r = git_store_find_entry(u->folder->store, folder_chain_tip(&u->chain), name, &buf);
                if (r == -ENOENT) {
                        *ret = TAKE_PTR(name);
                        return 0;
                }
                if (r < 0)
                        return r;
        }
}

/* Adds the version at its path, or beside what is there now, and the directories that it needs. */
static int add_version(
                ChainUpdate *u,
                const SyncEntry *e,
                const SyncTree *from,
                const SyncTree *to,
                int64_t time,
                ChangeSet *changes) {

        _cleanup_free_ char *beside = NULL;
        SyncEntry copy = *e;
        int r;

        if (!is_untouched(from, to, e->path) || change_set_has(changes, e->path)) {
                r = choose_name(u, e->path, time, changes, &beside);
                if (r < 0)
                        return r;
                copy.path = beside;
                return change_set_add(changes, &copy);
        }
        for (const char *slash = strchr(e->path, '/'); slash; slash = strchr(slash + 1, '/')) {
                _cleanup_free_ char *path = strndup(e->path, (size_t) (slash - e->path));
                SyncEntry directory = { .path = path, .kind = SYNC_DIRECTORY };

                if (!path)
                        return -ENOMEM;
                r = change_set_add(changes, &directory);
                if (r < 0)
                        return r;
        }
        return change_set_add(changes, &copy);
}

int folder_chain_replay(ChainUpdate *u, const FolderChain *old) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        int r;

        if (old->n == 0)
                return 0;
        /* What others did since. */
        r = git_store_diff(u->folder->store, &old->base, &u->folder->main_commit, &from, &to);
        if (r == -ENOENT)
                return 0;
        for (size_t i = 0; i < old->n && r >= 0; i++) {
                _cleanup_(change_set_done) ChangeSet changes = {};
                _cleanup_sync_tree_free_ SyncTree *made = NULL;
                int64_t time = commit_time(u->folder, old->commits + i, u->time);

                r = folder_chain_changes(u->folder, old, i, &made);
                if (r >= 0)
                        r = sync_tree_new(&changes.tree);
                if (r < 0)
                        return r;
                SYNC_TREE_FOREACH(e, made) {
                        if (folder_is_refused(u->request, e))
                                continue;
                        r = check_snapshot(u->folder, e, u->request->changed);
                        if (r < 0)
                                return r;
                        if (r == 0 || !is_superseded(u, e))
                                continue;
                        r = add_version(u, e, from, to, time, &changes);
                        if (r < 0)
                                return r;
                }
                if (sync_tree_size(changes.tree) == 0)
                        continue;
                r = sync_tree_sort_last(changes.tree);
                if (r >= 0)
                        r = folder_chain_commit(u, changes.tree, time);
        }
        return r;
}

/* --- collisions that wait --- */

static int add_waiting(const SyncEntry *e, SyncTree *waiting) {
        SyncEntry copy = *e;

        if ((e->kind != SYNC_FILE && e->kind != SYNC_SYMLINK) || e->certainty >= SYNC_BUSY)
                return 0;
        copy.inode = 0;
        copy.ctime_ns = 0;
        copy.certainty = SYNC_SETTLED;
        return sync_tree_add(waiting, &copy);
}

static int add_waiting_beneath(Folder *f, const char *path, SyncTree *waiting) {
        int r = 0;

        for (size_t i = sync_tree_lower_bound(f->differing, path); i < sync_tree_size(f->differing) && r >= 0; i++) {
                const SyncEntry *d = sync_tree_at(f->differing, i), *e;

                if (streq(d->path, path))
                        continue;
                if (!sync_path_is_below(d->path, path))
                        break;
                e = sync_tree_find(f->index, d->path);
                if (e)
                        r = add_waiting(e, waiting);
        }
        return r;
}

/* Those that waited the last time at paths of which nothing can be said now: they may still be there. */
static int add_undecided(Folder *f, SyncTree *waiting) {
        int r = 0;

        SYNC_TREE_FOREACH(e, f->waiting) {
                const SyncEntry *local = sync_tree_find_local(f->index, e->path);

                if (local && local->certainty >= SYNC_BUSY)
                        r = sync_tree_add(waiting, e);
                if (r < 0)
                        break;
        }
        return r;
}

/* The local side of the plan's collisions: files, and those in directories that base does not have. */
static int list_waiting(Folder *f, const SyncPlan *plan, SyncTree *waiting) {
        int r = add_undecided(f, waiting);

        for (size_t i = 0; i < plan->n_operations && r >= 0; i++) {
                const SyncOperation *o = plan->operations + i;

                if (!o->renamed_to)
                        continue;
                r = add_waiting(o->local, waiting);
                if (r >= 0)
                        r = add_waiting_beneath(f, o->path, waiting);
        }
        return r < 0 ? r : sync_tree_sort(waiting);
}

/* Those that waited the last time and are neither waiting nor wanted now get other names. */
static int list_overwritten(ChainUpdate *u, const FolderOids *waiting, const FolderOids *wanted, ChangeSet *changes) {
        Folder *f = u->folder;
        int r;

        SYNC_TREE_FOREACH(e, f->waiting) {
                _cleanup_free_ char *beside = NULL;
                SyncEntry copy = *e;

                if (folder_oids_have(waiting, &e->oid) || folder_oids_have(wanted, &e->oid))
                        continue;
                r = check_snapshot(f, e, false);
                if (r == -ENOMEM || r == -ENOSPC || r == -EDQUOT)
                        return r;
                if (r <= 0)
                        continue;
                r = choose_name(u, e->path, u->time, changes, &beside);
                if (r < 0)
                        return r;
                copy.path = beside;
                r = change_set_add(changes, &copy);
                if (r < 0)
                        return r;
        }
        return sync_tree_sort(changes->tree);
}

/* Makes the chain, as far as it is made, durable: what is in it is written down nowhere else from now on. */
static int keep_commits(ChainUpdate *u) {
        int r;

        r = content_sync(&u->folder->content);
        if (r >= 0)
                r = folder_chain_record(u);
        return r < 0 ? r : git_store_sync(u->folder->store);
}

/* Those that waited the last time and were overwritten since. Durably. */
static int commit_overwritten(ChainUpdate *u, const SyncTree *waiting) {
        _cleanup_(folder_oids_done) FolderOids waiting_oids = {}, wanted_oids = {};
        _cleanup_(change_set_done) ChangeSet changes = {};
        int r;

        if (sync_tree_size(u->folder->waiting) == 0)
                return 0;
        r = sync_tree_new(&changes.tree);
        if (r >= 0)
                r = folder_oids_of(waiting, &waiting_oids);
        if (r >= 0)
                r = folder_oids_of(u->wanted, &wanted_oids);
        if (r >= 0)
                r = list_overwritten(u, &waiting_oids, &wanted_oids, &changes);
        if (r < 0 || sync_tree_size(changes.tree) == 0)
                return r;
        r = folder_chain_commit(u, changes.tree, u->time);
        return r < 0 ? r : keep_commits(u);
}

int folder_chain_save_colliding(ChainUpdate *u, const SyncPlan *plan) {
        _cleanup_sync_tree_free_ SyncTree *waiting = NULL;
        Folder *f = u->folder;
        int r;

        if (plan->statistics.collisions == 0 && sync_tree_size(f->waiting) == 0)
                return 0;
        r = sync_tree_new(&waiting);
        if (r >= 0)
                r = list_waiting(f, plan, waiting);
        if (r >= 0)
                r = commit_overwritten(u, waiting);
        if (r >= 0)
                r = sync_index_save(f->state_fd, INSTANCE_WAITING, waiting);
        if (r < 0)
                return r;
        sync_tree_free(f->waiting);
        f->waiting = TAKE_PTR(waiting);
        return 0;
}
