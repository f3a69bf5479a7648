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
#include <sys/random.h>
#include <time.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/folder-chain.h"

/* Beyond this the newest version takes the place of the one before. */
#define CHAIN_MAX 1024U
/* So many of them in one run; the rest shares a commit. */
#define LARGE_COMMITS_MAX 32U

/* --- making commits --- */

/* What people read of a commit. That of the first one makes it unique: two repositories that begin with the same
 * files in the same second must not be taken for one. */
static char *make_message(size_t n, bool first) {
        char hex[2 * 16 + 1];
        uint8_t id[16];

        if (!first || getrandom(id, sizeof(id), 0) != sizeof(id))
                return strfmt("%zu change%s", n, n == 1 ? "" : "s");
        return strfmt("%zu change%s\n\nRepository %s", n, n == 1 ? "" : "s", format_hex(id, sizeof(id), hex));
}

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

        SYNC_TREE_FOREACH(e, changes) {
                if (e->kind == SYNC_ABSENT)
                        content_note_unsynced(&u->folder->content, -EBADF);
                if (e->fuzzy)
                        log_notice("%s is written to all the time: its version is fuzzy.", e->path);
        }
        r = git_store_write_changes(
                        u->folder->store, &c.parent, changes, folder_read_xattrs, u->folder, &c.tree);
        if (r < 0)
                return r;
        message = make_message(n, git_oid_is_zero(&c.parent));
        if (!message)
                return -ENOMEM;
        c.message = message;
        r = git_store_write_commit(u->folder->store, &c, &id);
        return r < 0 ? r : folder_chain_append(&u->chain, &id);
}

/* True if nothing can be said of the path now: what the chain has there is no less true than what main has. The same of
 * what is gone, and may have moved to what is still to be read (folder_deletion_waits()). */
static bool is_undecided(const Folder *f, const char *path, const SyncEntry *have) {
        const SyncEntry *local = sync_tree_find_local(f->index, path);

        return local ? local->certainty >= SYNC_BUSY : !have && f->n_unread > 0;
}

/* Of a change that is wanted. */
typedef enum ChainState {
        CHAIN_AS_MAIN,
        CHAIN_AS_WANTED,
        CHAIN_ELSE,
} ChainState;

typedef struct ToWanted {
        ChainUpdate *update;
        unsigned char *states; /* a ChainState for each entry of update->wanted */
        size_t next;
        SyncTree *returns;
        SyncTree *replaced; /* large files */
} ToWanted;

/* Only of what may be large it matters whether it is content that was there (new_bytes()). */
static int add_replaced(ToWanted *w, const SyncEntry *have) {
        return have && have->kind == SYNC_FILE && have->size > FORMAT_PLAIN_MAX ? sync_tree_add(w->replaced, have) : 0;
}

/* Main and the chain's tip differ. What is wanted there is compared; where nothing is, the chain is made as main. */
static int take_difference(const SyncEntry *main, const SyncEntry *have, void *userdata) {
        ToWanted *w = userdata;
        const SyncTree *wanted = w->update->wanted;
        const char *path = (main ?: have)->path;
        SyncEntry absent = { .path = path, .kind = SYNC_ABSENT };
        size_t i = sync_tree_lower_bound(wanted, path);
        int r;

        if (i < sync_tree_size(wanted) && streq(sync_tree_at(wanted, i)->path, path)) {
                bool equal = sync_entry_equal(have, folder_null_if_absent(sync_tree_at(wanted, i)));

                w->states[i] = equal ? CHAIN_AS_WANTED : CHAIN_ELSE;
                return equal ? 0 : add_replaced(w, have);
        }
        if (folder_change_at(wanted, path))
                return add_replaced(w, have);
        if (is_undecided(w->update->folder, path, have))
                return 0;
        r = sync_tree_add(w->returns, main ?: &absent);
        return r < 0 ? r : add_replaced(w, have);
}

/* A directory goes with all that is in it. */
static int add_removed(ToWanted *w, const char *path) {
        const Folder *f = w->update->folder;
        int r = 0;

        for (size_t i = sync_tree_lower_bound(f->differing, path); i < sync_tree_size(f->differing) && r >= 0; i++) {
                const SyncEntry *e = sync_tree_at(f->differing, i);

                if (!streq(e->path, path) && !sync_path_is_below(e->path, path))
                        break;
                if (e->size > FORMAT_PLAIN_MAX)
                        r = add_replaced(w, folder_main_entry(f, e->path));
        }
        return r;
}

/* 1 if the change is not in the chain yet; then replaced gets what the chain has. Asked of one after the other. */
static int is_to_be_made(const SyncEntry *change, void *userdata) {
        ToWanted *w = userdata;
        ChainState state = w->states[w->next++];
        const SyncEntry *have;
        int r;

        if (state != CHAIN_AS_MAIN)
                return state == CHAIN_ELSE;
        have = folder_main_entry(w->update->folder, change->path);
        if (sync_entry_equal(have, folder_null_if_absent(change)))
                return 0;
        r = have && have->kind == SYNC_DIRECTORY ? add_removed(w, have->path) : add_replaced(w, have);
        return r < 0 ? r : 1;
}

/* The changes from the chain's tip to what is wanted: ret_changes, and the large files that they replace. */
static int changes_to_wanted(ChainUpdate *u, SyncTree **ret_changes, SyncTree **ret_replaced) {
        _cleanup_sync_tree_free_ SyncTree *changes = NULL, *returns = NULL, *replaced = NULL;
        _cleanup_free_ unsigned char *states = calloc(sync_tree_size(u->wanted) + 1, sizeof(*states));
        const git_oid *tip = folder_chain_tip(&u->chain);
        ToWanted w = { .update = u, .states = states };
        int r;

        if (!states || sync_tree_new(&returns) < 0 || sync_tree_new(&replaced) < 0)
                return -ENOMEM;
        w.returns = returns;
        w.replaced = replaced;
        if ((r = git_store_foreach_difference(
                             u->folder->store, &u->folder->main_commit, tip, take_difference, &w)) < 0 ||
            (r = sync_tree_filter(u->wanted, is_to_be_made, &w, &changes)) < 0 ||
            (r = sync_tree_sort(returns)) < 0 ||
            (r = sync_tree_add_range(changes, returns, 0, sync_tree_size(returns))) < 0 ||
            (r = sync_tree_sort(changes)) < 0 || (r = sync_tree_sort_last(replaced)) < 0)
                return r;
        *ret_changes = TAKE_PTR(changes);
        *ret_replaced = TAKE_PTR(replaced);
        return 0;
}

/* The large files that changes replace or remove. */
typedef struct Replaced {
        const SyncTree *tree;
        FolderOids oids; /* of the tree, once one of them was asked for */
} Replaced;

/* A large file whose content an entry that goes away has, wherever, is no new content. */
static int new_bytes(Folder *f, const SyncEntry *e, Replaced *replaced, uint64_t *ret) {
        int r;

        r = folder_new_bytes(f, e, sync_tree_find(replaced->tree, e->path), ret);
        if (r < 0 || *ret < CHAIN_LARGE_BYTES)
                return r;
        r = replaced->oids.items ? 0 : folder_oids_of(replaced->tree, &replaced->oids);
        if (r >= 0 && folder_oids_have(&replaced->oids, &e->oid))
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

typedef struct Division {
        Folder *folder;
        Replaced old;
        LargeFile *large;
        size_t n_large, n_allocated;
} Division;

/* 0 for a large file, which is put into the list. */
static int is_small(const SyncEntry *e, void *userdata) {
        Division *d = userdata;
        uint64_t bytes = 0;
        int r;

        r = e->kind == SYNC_FILE && e->size >= CHAIN_LARGE_BYTES ? new_bytes(d->folder, e, &d->old, &bytes) : 0;
        if (r < 0 || bytes < CHAIN_LARGE_BYTES)
                return r < 0 ? r : 1;
        if (d->n_large == d->n_allocated) {
                size_t wanted = MAX(2 * d->n_allocated, (size_t) 16);
                LargeFile *large = reallocarray(d->large, wanted, sizeof(*large));

                if (!large)
                        return -ENOMEM;
                d->large = large;
                d->n_allocated = wanted;
        }
        d->large[d->n_large++] = (LargeFile) { .entry = e, .bytes = bytes };
        return 0;
}

/* Commits the changes: all that is small together, then the large files. */
static int commit_changes(ChainUpdate *u, const SyncTree *changes, const SyncTree *replaced) {
        _cleanup_sync_tree_free_ SyncTree *small = NULL;
        Division d = { .folder = u->folder, .old = { .tree = replaced } };
        int r;

        r = sync_tree_filter(changes, is_small, &d, &small);
        if (r >= 0 && sync_tree_size(small) > 0)
                r = folder_chain_commit(u, small, u->time);
        if (r >= 0)
                r = commit_large(u, d.large, d.n_large);
        folder_oids_done(&d.old.oids);
        free(d.large);
        return r;
}

/* --- what is there already --- */

static bool has_large(const SyncTree *changes) {
        SYNC_TREE_FOREACH(e, changes)
                if (e->kind == SYNC_FILE && e->size >= CHAIN_LARGE_BYTES)
                        return true;
        return false;
}

/* True if the tree has something at the path, beneath it, or at one of its directories. */
static bool touches(const SyncTree *t, const char *path) {
        size_t i = sync_tree_lower_bound(t, path);
        char parent[SYNC_PATH_MAX + 1];

        if (i < sync_tree_size(t) &&
            (streq(sync_tree_at(t, i)->path, path) || sync_path_is_below(sync_tree_at(t, i)->path, path)))
                return true;
        strcpy(parent, path);
        for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
                *slash = 0;
                if (sync_tree_find(t, parent))
                        return true;
        }
        return false;
}

static bool are_disjoint(const SyncTree *a, const SyncTree *b) {
        SYNC_TREE_FOREACH(e, a)
                if (touches(b, e->path))
                        return false;
        return true;
}

static int note_large(const SyncEntry *from, const SyncEntry *to, void *userdata) {
        bool *found = userdata;

        *found |= to && to->kind == SYNC_FILE && to->size >= CHAIN_LARGE_BYTES;
        return 0;
}

/* Takes commits of large files off the chain's end that the changes, small ones, need not wait for. They are
 * returned as sets of changes, the last first. */
static int take_large(
                ChainUpdate *u, const SyncTree *changes, SyncTree *taken[static LARGE_COMMITS_MAX], size_t *ret_n) {

        size_t n = 0;

        while (u->chain.n > 0 && n < LARGE_COMMITS_MAX) {
                _cleanup_sync_tree_free_ SyncTree *one = NULL;
                bool found = false;
                int r;

                /* What changes many files is mostly none, and not collected. */
                r = git_store_foreach_difference(
                                u->folder->store,
                                folder_chain_parent(&u->chain, u->chain.n - 1),
                                folder_chain_tip(&u->chain),
                                note_large,
                                &found);
                if (r < 0 || !found)
                        return r;
                r = folder_chain_changes(u->folder, &u->chain, u->chain.n - 1, &one);
                if (r < 0)
                        return r;
                if (!are_disjoint(one, changes))
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
        if (request->n_refused == 0)
                return 0;
        for (size_t i = 0; i < c->n; i++) {
                _cleanup_sync_tree_free_ SyncTree *changes = NULL;
                int r = folder_chain_changes(f, c, i, &changes);

                if (r < 0)
                        return r;
                SYNC_TREE_FOREACH(e, changes)
                        if (e->kind != SYNC_ABSENT && folder_is_refused(request, e))
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

int folder_chain_record(const ChainUpdate *u) {
        static const git_oid none = {};
        bool any = u->chain.n > 0;
        int r;

        r = folder_set_reference(u->folder, GIT_STORE_CANDIDATE, any ? folder_chain_tip(&u->chain) : &none);
        /* Without commits it means nothing. */
        return r < 0 || !any ? r : folder_set_reference(u->folder, GIT_STORE_CHAIN_BASE, &u->chain.base);
}

int folder_update_chain(
                Folder *f,
                const SyncPlan *plan,
                const SyncTree *changes,
                const FolderRequest *request,
                FolderResult *result) {

        ChainUpdate u = { .folder = f, .request = request, .wanted = changes, .time = time(NULL) };
        FolderChain old = {};
        bool candidate;
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
                r = folder_chain_record(&u);
        /* The push can begin. What a power cut takes now, unlike a killed process, is not known to be ours on main, and
         * comes back from there. */
        f->unsynced = true;
        if (r >= 0)
                r = git_store_publish(f->store);
        candidate = u.chain.n > 0;
        folder_chain_done(&old);
        folder_chain_done(&u.chain);
        if (r < 0)
                return r;
        result->outcome.candidate = candidate;
        return 0;
}
