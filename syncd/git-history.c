/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main's history: commits, their order, the versions of a path. */
#include <git2.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/git-store.h"

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
        if (git_odb_write(ret, git_store_odb(store), text, strlen(text), GIT_OBJECT_COMMIT) < 0)
                return -EIO;
        return 0;
}

static int lookup_commit(GitStore *store, const git_oid *id, git_commit **ret) {
        int r = git_commit_lookup(ret, git_store_repository(store), id);

        return r == GIT_ENOTFOUND ? -ENOENT : r < 0 ? -EBADMSG : 0;
}

/* *ret is the zero id for the first commit. -EXDEV for a merge. */
static int parent_of(GitStore *store, const git_oid *id, git_oid *ret) {
        _cleanup_(commit_freep) git_commit *commit = NULL;
        int r;

        r = lookup_commit(store, id, &commit);
        if (r < 0)
                return r;
        if (git_commit_parentcount(commit) > 1)
                return -EXDEV;
        if (git_commit_parentcount(commit) == 0)
                *ret = (git_oid) {};
        else
                *ret = *git_commit_parent_id(commit, 0);
        return 0;
}

int git_store_check_descent(GitStore *store, const git_oid *from, const git_oid *tip) {
        git_oid id = *tip;

        while (!git_oid_equal(&id, from)) {
                int r;

                if (git_oid_is_zero(&id))
                        return -EXDEV;
                r = parent_of(store, &id, &id);
                if (r < 0)
                        return r;
        }
        return 0;
}

int git_store_history_length(GitStore *store, const git_oid *commit, git_oid *counted, uint64_t *n) {
        git_oid id = *commit;
        uint64_t steps = 0;

        while (!git_oid_is_zero(&id) && !git_oid_equal(&id, counted)) {
                int r = parent_of(store, &id, &id);

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

        *ret = (SyncEntry) { .path = path, .kind = SYNC_ABSENT };
        if (git_oid_is_zero(commit))
                return 0;
        r = git_store_find_entry(store, commit, path, ret);
        return r == -ENOENT ? 0 : r;
}

int git_store_foreach_version(
                GitStore *store,
                const git_oid *commit,
                const char *path,
                GitStoreVersionHandler handler,
                void *userdata) {

        git_oid id = *commit;
        SyncEntry entry, before;
        int r;

        r = entry_or_absent(store, &id, path, &entry);
        if (r < 0)
                return r;
        for (; !git_oid_is_zero(&id); entry = before) {
                _cleanup_(commit_freep) git_commit *c = NULL;
                git_oid parent = {};

                r = lookup_commit(store, &id, &c);
                if (r < 0)
                        return r;
                if (git_commit_parentcount(c) > 0)
                        parent = *git_commit_parent_id(c, 0);
                r = entry_or_absent(store, &parent, path, &before);
                if (r < 0)
                        return r;
                if (entry.kind != before.kind || entry.executable != before.executable ||
                    !sync_oid_equal(&entry.oid, &before.oid)) {
                        GitStoreVersion version = {
                                .commit = id,
                                .time = git_commit_time(c),
                                .entry = entry,
                                .author = git_commit_author(c)->name,
                        };

                        r = handler(&version, userdata);
                        if (r != 0)
                                return r;
                }
                id = parent;
        }
        return 0;
}
