/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commits that main does not have yet: a chain that begins after a commit of main and ends with what is in the
 * folder. Each version that a file had here is in one of them, also if it was overwritten before main was in
 * reach.
 *
 *      GIT_STORE_CHAIN_BASE  <-  commit  <-  commit  <-  GIT_STORE_CANDIDATE
 *
 * Large new files have commits of their own behind all others, so that they do not hold up what is small. */
#include <git2.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"
#include "syncd/folder-chain.h"

/* Beyond this the newest version takes the place of the one before. */
#define CHAIN_MAX 1024U
/* A file with so many new bytes gets a commit of its own, if there is more to commit. */
#define LARGE_BYTES (UINT64_C(4) << 20)
/* So many of them in one run; the rest shares a commit. */
#define LARGE_COMMITS_MAX 32U
/* Commits are pushed together up to this. */
#define PUSH_BYTES (UINT64_C(8) << 20)

int folder_chain_read(Folder *f, FolderChain *ret) {
        FolderChain c = {};
        git_oid id;
        int r;

        r = folder_get_reference(f, GIT_STORE_CHAIN_BASE, &c.base);
        if (r >= 0)
                r = folder_get_reference(f, GIT_STORE_CANDIDATE, &id);
        while (r >= 0 && !git_oid_is_zero(&id) && !git_oid_equal(&id, &c.base)) {
                r = folder_chain_append(&c, &id);
                if (r >= 0)
                        r = git_store_commit_parent(f->store, &id, &id);
        }
        /* What does not lead back to its base is of another life of this store. */
        if (r == -ENOENT || (r >= 0 && c.n > 0 && !git_oid_equal(&id, &c.base))) {
                c.n = 0;
                r = 0;
        }
        if (r < 0) {
                folder_chain_done(&c);
                return r;
        }
        for (size_t i = 0; i < c.n / 2; i++) {
                git_oid swap = c.commits[i];

                c.commits[i] = c.commits[c.n - 1 - i];
                c.commits[c.n - 1 - i] = swap;
        }
        *ret = c;
        return 0;
}

void folder_chain_done(FolderChain *c) {
        free(c->commits);
        *c = (FolderChain) {};
}

int folder_chain_append(FolderChain *c, const git_oid *commit) {
        if ((c->n & (c->n - 1)) == 0) {
                git_oid *commits = reallocarray(c->commits, c->n ? 2 * c->n : 1, sizeof(*commits));

                if (!commits)
                        return -ENOMEM;
                c->commits = commits;
        }
        c->commits[c->n++] = *commit;
        return 0;
}

const git_oid *folder_chain_tip(const FolderChain *c) {
        return c->n > 0 ? c->commits + c->n - 1 : &c->base;
}

const git_oid *folder_chain_parent(const FolderChain *c, size_t i) {
        return i > 0 ? c->commits + i - 1 : &c->base;
}

/* --- making commits --- */

int folder_chain_commit(ChainUpdate *u, const SyncTree *changes, int64_t time) {
        _cleanup_free_ char *message = NULL;
        size_t n = sync_tree_size(changes);
        GitStoreCommit c = {
                .parent = *folder_chain_tip(&u->chain),
                .author = u->request->gateway_name,
                .time = time,
        };
        git_oid id;
        int r;

        SYNC_TREE_FOREACH(e, changes)
                if (e->kind == SYNC_ABSENT)
                        content_note_unsynced(&u->folder->content, -EBADF);
        r = git_store_write_changes(
                        u->folder->store, &c.parent, changes, folder_read_xattrs, u->folder, &c.tree);
        if (r < 0)
                return r;
        message = strfmt("%zu change%s", n, n == 1 ? "" : "s");
        if (!message)
                return -ENOMEM;
        c.message = message;
        r = git_store_write_commit(u->folder->store, &c, &id);
        return r < 0 ? r : folder_chain_append(&u->chain, &id);
}

/* What the chain must end with, where main has something else or the same. */
static const SyncEntry *wanted_at(const SyncEntry *change, const SyncEntry *main) {
        if (!change)
                return main;
        return change->kind == SYNC_ABSENT ? NULL : change;
}

/* The changes from the chain's tip to what is wanted: ret_changes, and what they replace. */
static int changes_to_wanted(ChainUpdate *u, SyncTree **ret_changes, SyncTree **ret_replaced) {
        _cleanup_sync_tree_free_ SyncTree *changes = NULL, *replaced = NULL, *from = NULL, *to = NULL;
        const SyncEntry *entries[SYNC_WALK_MAX];
        SyncWalk walk;
        const char *path;
        int r;

        if ((r = sync_tree_new(&changes)) < 0 || (r = sync_tree_new(&replaced)) < 0 ||
            (r = git_store_diff(
                             u->folder->store, &u->folder->main_commit, folder_chain_tip(&u->chain), &from, &to)) < 0)
                return r;
        walk = (SyncWalk) { .trees = { u->wanted, from, to } };
        while ((path = sync_walk_next(&walk, entries))) {
                bool moved = entries[1] || entries[2];
                const SyncEntry *main = moved ? entries[1] : folder_main_entry(u->folder, path),
                                *have = moved ? entries[2] : main, *want = wanted_at(entries[0], main);
                SyncEntry absent = { .path = path, .kind = SYNC_ABSENT };

                if (sync_entry_equal(have, want))
                        continue;
                r = sync_tree_add(changes, want ?: &absent);
                if (r >= 0 && have)
                        r = sync_tree_add(replaced, have);
                if (r < 0)
                        return r;
        }
        *ret_changes = TAKE_PTR(changes);
        *ret_replaced = TAKE_PTR(replaced);
        return 0;
}

/* A file whose content an entry that goes away has, wherever, is no new content. */
static bool is_moved(const SyncEntry *e, const SyncTree *replaced) {
        SYNC_TREE_FOREACH(old, replaced)
                if (old->kind == SYNC_FILE && sync_oid_equal(&old->oid, &e->oid))
                        return true;
        return false;
}

static int new_bytes(Folder *f, const SyncEntry *e, const SyncTree *replaced, uint64_t *ret) {
        int r;

        r = folder_new_bytes(f, e, sync_tree_find(replaced, e->path), ret);
        if (r >= 0 && *ret >= LARGE_BYTES && is_moved(e, replaced))
                *ret = 0;
        return r;
}

typedef struct LargeFile {
        const SyncEntry *entry;
        uint64_t bytes;
} LargeFile;

static int compare_large(const void *a, const void *b) {
        const LargeFile *x = a, *y = b;

        return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Commits large files one by one, the smaller ones first. */
static int commit_large(ChainUpdate *u, LargeFile *large, size_t n) {
        if (n > 0)
                qsort(large, n, sizeof(*large), compare_large);
        for (size_t i = 0; i < n;) {
                _cleanup_sync_tree_free_ SyncTree *one = NULL;
                size_t end = i + 1 < LARGE_COMMITS_MAX ? i + 1 : n;
                int r;

                r = sync_tree_new(&one);
                for (; i < end && r >= 0; i++)
                        r = sync_tree_add(one, large[i].entry);
                if (r >= 0)
                        r = sync_tree_sort(one);
                if (r >= 0)
                        r = folder_chain_commit(u, one, u->time);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Commits the changes: all that is small together, then the large files. */
static int commit_changes(ChainUpdate *u, const SyncTree *changes, const SyncTree *replaced) {
        _cleanup_sync_tree_free_ SyncTree *small = NULL;
        _cleanup_free_ LargeFile *large = NULL;
        size_t n_large = 0;
        int r;

        large = calloc(sync_tree_size(changes) + 1, sizeof(*large));
        if (!large)
                return -ENOMEM;
        r = sync_tree_new(&small);
        if (r < 0)
                return r;
        SYNC_TREE_FOREACH(e, changes) {
                uint64_t bytes = 0;

                if (e->kind == SYNC_FILE && e->size >= LARGE_BYTES) {
                        r = new_bytes(u->folder, e, replaced, &bytes);
                        if (r < 0)
                                return r;
                }
                if (bytes >= LARGE_BYTES)
                        large[n_large++] = (LargeFile) { .entry = e, .bytes = bytes };
                else if ((r = sync_tree_add(small, e)) < 0)
                        return r;
        }
        if (sync_tree_size(small) > 0) {
                r = folder_chain_commit(u, small, u->time);
                if (r < 0)
                        return r;
        }
        return commit_large(u, large, n_large);
}

/* --- what is there already --- */

/* The changes that a commit made. */
int folder_chain_changes(Folder *f, const FolderChain *c, size_t i, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        int r;

        r = git_store_diff(f->store, folder_chain_parent(c, i), c->commits + i, &from, &to);
        return r < 0 ? r : sync_tree_diff(from, to, ret);
}

static bool has_large(const SyncTree *changes) {
        SYNC_TREE_FOREACH(e, changes)
                if (e->kind == SYNC_FILE && e->size >= LARGE_BYTES)
                        return true;
        return false;
}

static bool are_disjoint(const SyncTree *a, const SyncTree *b) {
        SYNC_TREE_FOREACH(x, a)
                SYNC_TREE_FOREACH(y, b)
                        if (streq(x->path, y->path) || sync_path_is_below(x->path, y->path) ||
                            sync_path_is_below(y->path, x->path))
                                return false;
        return true;
}

/* Takes commits of large files off the chain's end that the changes, small ones, need not wait for. They are
 * returned as sets of changes, the last first. */
static int take_large(
                ChainUpdate *u, const SyncTree *changes, SyncTree *taken[static LARGE_COMMITS_MAX], size_t *ret_n) {

        size_t n = 0;

        while (u->chain.n > 0 && n < LARGE_COMMITS_MAX) {
                _cleanup_sync_tree_free_ SyncTree *one = NULL;
                int r;

                r = folder_chain_changes(u->folder, &u->chain, u->chain.n - 1, &one);
                if (r < 0)
                        return r;
                if (!has_large(one) || !are_disjoint(one, changes))
                        break;
                taken[n++] = TAKE_PTR(one);
                u->chain.n--;
                *ret_n = n;
        }
        return 0;
}

/* Appends what is wanted and not in the chain yet. */
static int extend(ChainUpdate *u) {
        _cleanup_sync_tree_free_ SyncTree *changes = NULL, *replaced = NULL;
        SyncTree *taken[LARGE_COMMITS_MAX] = {};
        size_t n_taken = 0;
        int r;

        r = changes_to_wanted(u, &changes, &replaced);
        if (r < 0 || sync_tree_size(changes) == 0)
                return r;
        if (u->chain.n >= CHAIN_MAX) {
                u->chain.n--;
                changes = sync_tree_free(changes);
                replaced = sync_tree_free(replaced);
                r = changes_to_wanted(u, &changes, &replaced);
                if (r < 0)
                        return r;
        }
        if (!has_large(changes))
                r = take_large(u, changes, taken, &n_taken);
        if (r >= 0)
                r = commit_changes(u, changes, replaced);
        while (n_taken > 0) {
                n_taken--;
                if (r >= 0)
                        r = folder_chain_commit(u, taken[n_taken], u->time);
                sync_tree_free(taken[n_taken]);
        }
        return r;
}

/* 1 if a commit holds what main refuses: it would be refused again, whatever follows. 0 or a negative errno. */
static int holds_refused(Folder *f, const FolderChain *c, const FolderRequest *request) {
        if (strv_length(request->refused) == 0)
                return 0;
        for (size_t i = 0; i < c->n; i++) {
                _cleanup_sync_tree_free_ SyncTree *changes = NULL;
                int r = folder_chain_changes(f, c, i, &changes);

                if (r < 0)
                        return r;
                SYNC_TREE_FOREACH(e, changes)
                        if (e->kind != SYNC_ABSENT && folder_is_refused(request, e->path))
                                return 1;
        }
        return 0;
}

/* 1 if the commits can stay as they are and more be added to them. 0 or a negative errno. */
static int can_be_extended(Folder *f, const FolderChain *c, const FolderRequest *request) {
        int r;

        if (c->n == 0 || request->changed || !git_oid_equal(&c->base, &f->main_commit))
                return 0;
        r = holds_refused(f, c, request);
        return r < 0 ? r : r == 0;
}

int folder_update_chain(
                Folder *f,
                const SyncPlan *plan,
                const SyncTree *changes,
                const FolderRequest *request,
                FolderResult *result) {

        ChainUpdate u = { .folder = f, .request = request, .wanted = changes, .time = time(NULL) };
        FolderChain old = {};
        git_oid tip = {};
        int r;

        r = folder_chain_read(f, &old);
        if (r < 0)
                return r;
        u.chain.base = f->main_commit;
        r = can_be_extended(f, &old, request);
        if (r > 0) {
                u.chain = old;
                old = (FolderChain) {};
        } else if (r == 0)
                r = folder_chain_replay(&u, &old);
        if (r >= 0)
                r = folder_chain_save_colliding(&u, plan);
        if (r >= 0)
                r = extend(&u);
        if (r >= 0)
                r = content_sync(&f->content);
        if (r >= 0 && u.chain.n > 0)
                tip = *folder_chain_tip(&u.chain);
        if (r >= 0)
                r = folder_set_reference(f, GIT_STORE_CANDIDATE, &tip);
        /* Without commits it means nothing. */
        if (r >= 0 && u.chain.n > 0)
                r = folder_set_reference(f, GIT_STORE_CHAIN_BASE, &u.chain.base);
        if (r >= 0)
                r = git_store_sync(f->store);
        folder_chain_done(&old);
        folder_chain_done(&u.chain);
        if (r < 0)
                return r;
        result->outcome.candidate = !git_oid_is_zero(&tip);
        return folder_next_push(f, &result->push, &result->outcome.bytes_to_push);
}

/* Main's commits, from its tip back to where the chain begins, are new ones: few, and mostly none. */
static int find_accepted(Folder *f, const FolderChain *c, const git_oid *tip, size_t *ret_n) {
        git_oid id = *tip;
        int r = 0;

        *ret_n = 0;
        while (r >= 0 && c->n > 0 && !git_oid_is_zero(&id) && !git_oid_equal(&id, &c->base)) {
                for (size_t i = c->n; i > 0; i--)
                        if (git_oid_equal(c->commits + i - 1, &id)) {
                                *ret_n = i;
                                return 0;
                        }
                r = git_store_commit_parent(f->store, &id, &id);
        }
        /* Main is of another history: then it has none. */
        return r == -ENOENT || r == -EXDEV || r == -EBADMSG ? 0 : r;
}

int folder_accept_commits(Folder *f, const git_oid *tip, git_oid *ret) {
        FolderChain c;
        size_t n;
        int r;

        r = folder_chain_read(f, &c);
        if (r < 0)
                return r;
        *ret = (git_oid) {};
        r = find_accepted(f, &c, tip, &n);
        if (r >= 0 && n > 0) {
                *ret = c.commits[n - 1];
                r = n == c.n ? folder_set_reference(f, GIT_STORE_CANDIDATE, &(git_oid) {})
                             : folder_set_reference(f, GIT_STORE_CHAIN_BASE, ret);
        }
        folder_chain_done(&c);
        return r;
}

static int count_bytes(Folder *f, const FolderChain *c, size_t i, uint64_t *ret) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        uint64_t sum = 0;
        int r;

        r = git_store_diff(f->store, folder_chain_parent(c, i), c->commits + i, &from, &to);
        if (r < 0)
                return r;
        SYNC_TREE_FOREACH(e, to) {
                uint64_t bytes;

                r = new_bytes(f, e, from, &bytes);
                if (r < 0)
                        return r;
                sum += bytes;
        }
        *ret = sum;
        return 0;
}

int folder_next_push(Folder *f, git_oid *ret, uint64_t *ret_bytes) {
        FolderChain c = {};
        uint64_t sum = 0;
        int r;

        *ret = (git_oid) {};
        r = folder_chain_read(f, &c);
        for (size_t i = 0; r >= 0 && i < c.n; i++) {
                uint64_t bytes;

                r = count_bytes(f, &c, i, &bytes);
                if (r < 0 || (i > 0 && sum + bytes > PUSH_BYTES))
                        break;
                sum += bytes;
                *ret = c.commits[i];
        }
        *ret_bytes = sum;
        folder_chain_done(&c);
        return r;
}
