/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of the commits that main does not have yet. */
#include <git2.h>
#include <string.h>

#include "common/base/array.h"
#include "syncd/folder-chain.h"
#include "syncd/push-size.h"

void folder_known_chain_done(FolderKnownChain *k) {
        free(k->commits);
        free(k->bytes);
        *k = (FolderKnownChain) {};
}

/* How many commits of the known chain go up to this one, 0 for its base; or -1. */
static ssize_t find_known(const FolderKnownChain *k, const git_oid *id) {
        for (size_t i = k->n; i > 0; i--)
                if (git_oid_equal(k->commits + i - 1, id))
                        return (ssize_t) i;
        return k->n > 0 && git_oid_equal(&k->base, id) ? 0 : -1;
}

/* Those from behind the base up to the commit, if they are known: where they begin there, and how many they are, else
 * none. */
static size_t known_between(const FolderKnownChain *k, const git_oid *base, const git_oid *id, size_t *ret_begin) {
        ssize_t begin = find_known(k, base), end = begin < 0 ? -1 : find_known(k, id);

        if (begin < 0 || end <= begin)
                return 0;
        *ret_begin = (size_t) begin;
        return (size_t) (end - begin);
}

/* The chain was read: its first n_known commits are those that were known, from begin on. */
static int remember(FolderKnownChain *k, const FolderChain *c, size_t begin, size_t n_known) {
        FolderKnownChain new = { .base = c->base, .n = c->n };

        if (n_known == c->n && n_known == k->n)
                return 0;
        if (c->n > 0) {
                new.commits = reallocarray(NULL, c->n, sizeof(*new.commits));
                new.bytes = reallocarray(NULL, c->n, sizeof(*new.bytes));
                if (!new.commits || !new.bytes) {
                        folder_known_chain_done(&new);
                        return -ENOMEM;
                }
                memcpy(new.commits, c->commits, c->n * sizeof(*new.commits));
        }
        for (size_t i = 0; i < c->n; i++)
                new.bytes[i] = i < n_known ? k->bytes[begin + i] : UINT64_MAX;
        folder_known_chain_done(k);
        *k = new;
        return 0;
}

static void reverse(FolderChain *c) {
        for (size_t i = 0; i < c->n / 2; i++) {
                git_oid swap = c->commits[i];

                c->commits[i] = c->commits[c->n - 1 - i];
                c->commits[c->n - 1 - i] = swap;
        }
}

/* From the commit back to the base, or to what is known: c has the last one first. */
static int read_back(Folder *f, git_oid id, FolderChain *c, size_t *ret_begin, size_t *ret_n_known) {
        size_t begin = 0, n = 0;
        int r = 0;

        while (r >= 0 && !git_oid_is_zero(&id) && !git_oid_equal(&id, &c->base)) {
                n = known_between(&f->chain, &c->base, &id, &begin);
                if (n > 0)
                        break;
                r = folder_chain_append(c, &id);
                if (r >= 0)
                        r = git_store_commit_parent(f->store, &id, &id);
        }
        /* What does not lead back to its base is of another life of this store. */
        if (r == -ENOENT || (r >= 0 && n == 0 && !git_oid_equal(&id, &c->base))) {
                c->n = 0;
                r = 0;
        }
        for (size_t i = n; i > 0 && r >= 0; i--)
                r = folder_chain_append(c, f->chain.commits + begin + i - 1);
        *ret_begin = begin;
        *ret_n_known = n;
        return r;
}

int folder_chain_read(Folder *f, FolderChain *ret) {
        size_t begin = 0, n_known = 0;
        FolderChain c = {};
        git_oid tip;
        int r;

        r = folder_get_reference(f, GIT_STORE_CHAIN_BASE, &c.base);
        if (r >= 0)
                r = folder_get_reference(f, GIT_STORE_CANDIDATE, &tip);
        if (r >= 0)
                r = read_back(f, tip, &c, &begin, &n_known);
        reverse(&c);
        if (r >= 0)
                r = remember(&f->chain, &c, begin, n_known);
        if (r < 0) {
                folder_chain_done(&c);
                return r;
        }
        *ret = c;
        return 0;
}

void folder_chain_done(FolderChain *c) {
        free(c->commits);
        *c = (FolderChain) {};
}

int folder_chain_append(FolderChain *c, const git_oid *commit) {
        if (ARRAY_GROW(c->commits, c->n) < 0)
                return -ENOMEM;
        c->commits[c->n++] = *commit;
        return 0;
}

const git_oid *folder_chain_tip(const FolderChain *c) {
        return c->n > 0 ? c->commits + c->n - 1 : &c->base;
}

const git_oid *folder_chain_parent(const FolderChain *c, size_t i) {
        return i > 0 ? c->commits + i - 1 : &c->base;
}

/* The changes that a commit made. */
int folder_chain_changes(Folder *f, const FolderChain *c, size_t i, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL;
        int r;

        r = git_store_diff(f->store, folder_chain_parent(c, i), c->commits + i, &from, &to);
        return r < 0 ? r : sync_tree_diff(from, to, ret);
}

/* Main's commits, from its tip back to where the chain begins, are new ones: few, and mostly none. They may have been
 * rewritten since they became main. */
static int find_accepted(Folder *f, const FolderChain *c, const git_oid *tip, size_t *ret_n) {
        git_oid id = *tip, original, base = {};
        int r = 0;

        *ret_n = 0;
        if (c->n > 0 && !git_oid_is_zero(&c->base))
                r = git_store_commit_original(f->store, &c->base, &base);
        while (r >= 0 && c->n > 0 && !git_oid_is_zero(&id)) {
                r = git_store_commit_original(f->store, &id, &original);
                if (r < 0 || git_oid_equal(&original, &base))
                        break;
                for (size_t i = c->n; i > 0; i--)
                        if (git_oid_equal(c->commits + i - 1, &original)) {
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

/* --- what is to be pushed next --- */

typedef struct LargeContent {
        SyncOid oid;
        uint64_t bytes;
} LargeContent;

typedef struct ByteCount {
        Folder *folder;
        uint64_t small;
        LargeContent *large;
        size_t n_large;
        FolderOids gone; /* large content that is replaced or removed */
} ByteCount;

static int count_difference(const SyncEntry *from, const SyncEntry *to, void *userdata) {
        ByteCount *c = userdata;
        uint64_t bytes = 0;
        int r;

        if (from && from->kind == SYNC_FILE && from->size >= CHAIN_LARGE_BYTES) {
                if (ARRAY_GROW(c->gone.items, c->gone.n) < 0)
                        return -ENOMEM;
                c->gone.items[c->gone.n++] = from->oid;
        }
        if (!to)
                return 0;
        r = folder_new_bytes(c->folder, to, from, &bytes);
        if (r < 0 || bytes < CHAIN_LARGE_BYTES) {
                c->small += bytes;
                return r;
        }
        if (ARRAY_GROW(c->large, c->n_large) < 0)
                return -ENOMEM;
        c->large[c->n_large++] = (LargeContent) { .oid = to->oid, .bytes = bytes };
        return 0;
}

/* What new_bytes() says of all that a commit has. */
static int count_bytes(Folder *f, const FolderChain *c, size_t i, uint64_t *ret) {
        ByteCount count = { .folder = f };
        uint64_t sum;
        int r;

        r = git_store_foreach_difference(
                        f->store, folder_chain_parent(c, i), c->commits + i, count_difference, &count);
        sum = count.small;
        folder_oids_sort(&count.gone);
        for (size_t k = 0; k < count.n_large; k++)
                if (!folder_oids_have(&count.gone, &count.large[k].oid))
                        sum += count.large[k].bytes;
        folder_oids_done(&count.gone);
        free(count.large);
        if (r >= 0)
                *ret = sum;
        return r;
}

int folder_next_push(Folder *f, git_oid *ret, uint64_t *ret_bytes) {
        _cleanup_(folder_chain_done) FolderChain c = {};
        uint64_t sum = 0;
        int r;

        *ret = (git_oid) {};
        r = folder_chain_read(f, &c);
        for (size_t i = 0; r >= 0 && i < c.n; i++) {
                uint64_t *bytes = f->chain.bytes + i;

                if (*bytes == UINT64_MAX)
                        r = count_bytes(f, &c, i, bytes);
                if (r < 0 || (i > 0 && sum + *bytes > PUSH_WHOLE_MAX))
                        break;
                sum += *bytes;
                *ret = c.commits[i];
        }
        *ret_bytes = sum;
        return r;
}
