/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main's history: commits, their order, the versions of a path. */
#include <git2.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/git-tree-internal.h"

/* Domain and user that a commit needs, for people who clone main; nobody reads mail there. */
#define AUTHOR_ADDRESS "gateway@ispstorage.invalid"

static void commit_freep(git_commit **c) {
        git_commit_free(*c);
}

static void sanitize_author(const char *name, char buf[static GIT_STORE_AUTHOR_MAX + 1]) {
        size_t n = 0;

        for (; *name && n < GIT_STORE_AUTHOR_MAX; name++)
                buf[n++] = (unsigned char) *name < ' ' || strchr("<>\x7f", *name) ? '-' : *name;
        /* git strips these, and refuses a name of nothing else. */
        while (n > 0 && strchr(" .,:;\"\\'", buf[n - 1]))
                n--;
        buf[n] = 0;
        if (n == 0)
                strcpy(buf, "gateway");
}

int git_store_write_commit(GitStore *store, const GitStoreCommit *c, git_oid *ret) {
        char tree[GIT_OID_HEXSZ + 1], parent[GIT_OID_HEXSZ + 1], author[GIT_STORE_AUTHOR_MAX + 1];
        _cleanup_free_ char *text = NULL;
        bool first = git_oid_is_zero(&c->parent);

        sanitize_author(c->author, author);
        text = strfmt("tree %s\n%s%s%sauthor %s <" AUTHOR_ADDRESS "> %lld +0000\n"
                      "committer %s <" AUTHOR_ADDRESS "> %lld +0000\n\n%s\n",
                      git_oid_tostr(tree, sizeof(tree), &c->tree),
                      first ? "" : "parent ",
                      first ? "" : git_oid_tostr(parent, sizeof(parent), &c->parent),
                      first ? "" : "\n",
                      author,
                      (long long) c->time,
                      author,
                      (long long) c->time,
                      c->message);
        if (!text)
                return -ENOMEM;
        return git_store_write(store, GIT_OBJECT_COMMIT, text, strlen(text), ret);
}

static int lookup_commit(GitStore *store, const git_oid *id, git_commit **ret) {
        int r = git_commit_lookup(ret, git_store_repository(store), id);

        return r == GIT_ENOTFOUND ? -ENOENT : r < 0 ? -EBADMSG : 0;
}

/* What a commit begins with (git-commit-tree(1)), without the cost of all of it. *ret_parent is zero for the
 * first one. -EXDEV for a merge. */
static int read_links(GitStore *store, const git_oid *id, git_oid *ret_tree, git_oid *ret_parent) {
        _cleanup_free_ char *text = NULL;
        git_oid tree, parent = {};
        const char *p, *rest;
        size_t size;
        int r;

        r = git_store_read_typed(store, id, GIT_OBJECT_COMMIT, &text, &size);
        if (r < 0)
                return r;
        p = startswith(text, "tree ");
        if (!p || git_oid_fromstrn(&tree, p, GIT_OID_HEXSZ) < 0 || p[GIT_OID_HEXSZ] != '\n')
                return -EBADMSG;
        p += GIT_OID_HEXSZ + 1;
        rest = startswith(p, "parent ");
        if (rest) {
                if (git_oid_fromstrn(&parent, rest, GIT_OID_HEXSZ) < 0 || rest[GIT_OID_HEXSZ] != '\n')
                        return -EBADMSG;
                if (startswith(rest + GIT_OID_HEXSZ + 1, "parent "))
                        return -EXDEV;
        }
        *ret_tree = tree;
        *ret_parent = parent;
        return 0;
}

int git_store_commit_tree(GitStore *store, const git_oid *commit, git_oid *ret) {
        git_oid parent;
        int r = read_links(store, commit, ret, &parent);

        return r == -EXDEV ? -EBADMSG : r;
}

int git_store_commit_parent(GitStore *store, const git_oid *commit, git_oid *ret) {
        git_oid tree;

        return read_links(store, commit, &tree, ret);
}

int git_store_check_descent(GitStore *store, const git_oid *from, const git_oid *tip) {
        git_oid id = *tip;

        while (!git_oid_equal(&id, from)) {
                int r;

                if (git_oid_is_zero(&id))
                        return -EXDEV;
                r = git_store_commit_parent(store, &id, &id);
                if (r < 0)
                        return r;
        }
        return 0;
}

int git_store_commit_original(GitStore *store, const git_oid *commit, git_oid *ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = git_store_read_typed(store, commit, GIT_OBJECT_COMMIT, &text, &size);
        if (r < 0)
                return r;
        if (!git_commit_read_original(text, size, ret))
                *ret = *commit;
        return 0;
}

/* The last commit of the history that has this original. 0, -EXDEV if there is none, or another errno. */
static int find_original(GitStore *store, const git_oid *original, const git_oid *tip, git_oid *ret) {
        for (git_oid id = *tip; !git_oid_is_zero(&id);) {
                git_oid found;
                int r = git_store_commit_original(store, &id, &found);

                if (r < 0)
                        return r;
                if (git_oid_equal(&found, original)) {
                        *ret = id;
                        return 0;
                }
                r = git_store_commit_parent(store, &id, &id);
                if (r < 0)
                        return r;
        }
        return -EXDEV;
}

/* 0 if both commits are the same one, as far as they were rewritten only; -EXDEV if not, or another errno. */
static int check_same_original(GitStore *store, const git_oid *a, const git_oid *b) {
        git_oid x, y;
        int r;

        r = git_store_commit_original(store, a, &x);
        if (r >= 0)
                r = git_store_commit_original(store, b, &y);
        return r < 0 ? r : git_oid_equal(&x, &y) ? 0 : -EXDEV;
}

int git_store_check_succession(GitStore *store, const git_oid *from, const git_oid *tip) {
        git_oid a = *from, b, first_a = a, first_b = {}, original;
        int r;

        r = git_store_check_descent(store, from, tip);
        if (r != -EXDEV)
                return r;
        r = git_store_commit_original(store, from, &original);
        if (r >= 0)
                r = find_original(store, &original, tip, &b);
        /* Both have the same number if they come to the first commit, or to one that they share, at the same time. */
        while (r >= 0 && !git_oid_is_zero(&a) && !git_oid_is_zero(&b) && !git_oid_equal(&a, &b)) {
                first_a = a;
                first_b = b;
                r = git_store_commit_parent(store, &a, &a);
                if (r >= 0)
                        r = git_store_commit_parent(store, &b, &b);
        }
        if (r < 0)
                return r;
        if (!git_oid_equal(&a, &b))
                return -EXDEV;
        return git_oid_is_zero(&a) ? check_same_original(store, &first_a, &first_b) : 0;
}

int git_store_history_length(GitStore *store, const git_oid *commit, git_oid *counted, uint64_t *n) {
        git_oid id = *commit;
        uint64_t steps = 0;

        while (!git_oid_is_zero(&id) && !git_oid_equal(&id, counted)) {
                int r = git_store_commit_parent(store, &id, &id);

                if (r < 0)
                        return r;
                steps++;
        }
        *n = git_oid_is_zero(&id) ? steps : *n + steps;
        *counted = *commit;
        return 0;
}

/* The entry, with SYNC_ABSENT where there is none or no commit. */
static int entry_or_absent(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret) {
        int r;

        *ret = (SyncEntry){ .path = path, .kind = SYNC_ABSENT };
        r = git_oid_is_zero(commit) ? 0 : git_store_find_path(store, commit, path, ret);
        return MIN(r, 0);
}

static bool is_same_version(const SyncEntry *a, const SyncEntry *b) {
        return a->kind == b->kind && a->executable == b->executable && sync_oid_equal(&a->oid, &b->oid);
}

/* Compares the commit's entry with its parent's, *before, and calls the handler if they differ. *ret_parent
 * is zero at the end of the history. */
static int visit_commit(
                GitStore *store,
                const git_oid *id,
                const SyncEntry *entry,
                SyncEntry *before,
                GitStoreVersionHandler handler,
                void *userdata,
                git_oid *ret_parent,
                git_oid *ret_missing) {

        _cleanup_(commit_freep) git_commit *c = NULL;
        git_oid parent = {};
        int r;

        r = lookup_commit(store, id, &c);
        if (r < 0)
                return r;
        if (git_commit_parentcount(c) > 0)
                parent = *git_commit_parent_id(c, 0);
        r = entry_or_absent(store, &parent, entry->path, before);
        if (r < 0) {
                *ret_missing = parent;
                return r;
        }
        *ret_parent = parent;
        if (is_same_version(entry, before))
                return 0;
        return handler(
                        &(GitStoreVersion) {
                                        .commit = *id,
                                        .time = git_commit_time(c),
                                        .entry = *entry,
                                        .author = git_commit_author(c)->name,
                        },
                        userdata);
}

int git_store_foreach_version(
                GitStore *store,
                const git_oid *commit,
                const char *path,
                GitStoreVersionHandler handler,
                void *userdata,
                git_oid *ret_missing) {

        git_oid id = *commit, missing = id, parent = {};
        SyncEntry entry, before;
        int r;

        r = entry_or_absent(store, &id, path, &entry);
        for (; r == 0 && !git_oid_is_zero(&id); id = parent, entry = before)
                r = visit_commit(store, &id, &entry, &before, handler, userdata, &parent, &missing);
        if (r == -ENOENT && ret_missing)
                *ret_missing = missing;
        return r;
}
