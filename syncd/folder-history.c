/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions about main's history. */
#include <git2.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "syncd/folder-history.h"
#include "syncd/folder-internal.h"

void folder_history_clear(FolderHistory *h) {
        for (size_t i = 0; i < h->n; i++) {
                free(h->items[i].author);
                free(h->items[i].message);
        }
        free(h->items);
        object_wants_done(&h->wants);
        *h = (FolderHistory) {};
}

static int append(FolderHistory *h, const FolderVersion *v) {
        FolderVersion copy = *v;

        if (ARRAY_GROW(h->items, h->n) < 0)
                return -ENOMEM;
        copy.author = strdup(strempty(v->author));
        copy.message = strdup(strempty(v->message));
        if (!copy.author || !copy.message) {
                free(copy.author);
                free(copy.message);
                return -ENOMEM;
        }
        h->items[h->n++] = copy;
        return 0;
}

int folder_find_commit(Folder *f, const char *text, git_oid *ret) {
        char hex[GIT_OID_HEXSZ + 1];
        git_oid id;
        int r;

        if (strlen(text) < FOLDER_COMMIT_DIGITS_MIN || strlen(text) > GIT_OID_HEXSZ)
                return -EINVAL;
        r = folder_get_reference(f, GIT_STORE_REMOTE, &id);
        while (r >= 0 && !git_oid_is_zero(&id)) {
                if (startswith(git_oid_tostr(hex, sizeof(hex), &id), text)) {
                        *ret = id;
                        return 0;
                }
                r = git_store_commit_parent(f->store, &id, &id);
        }
        return r < 0 ? r : -ESRCH;
}

/* Where a list begins: after the commit before, or at main's tip. */
static int first_commit(Folder *f, const char *before, git_oid *ret) {
        git_oid id;
        int r;

        if (isempty(before))
                return folder_get_reference(f, GIT_STORE_REMOTE, ret);
        r = folder_find_commit(f, before, &id);
        return r < 0 ? r : git_store_commit_parent(f->store, &id, ret);
}

int folder_list_commits(Folder *f, const char *before, size_t limit, FolderHistory *ret) {
        git_oid id, parent;
        int r;

        r = first_commit(f, before, &id);
        for (; r >= 0 && !git_oid_is_zero(&id); id = parent) {
                FolderVersion v = { .commit = id };
                git_commit *c;

                if (ret->n == limit) {
                        ret->more = true;
                        break;
                }
                r = git_store_commit_parent(f->store, &id, &parent);
                if (r < 0)
                        break;
                if (git_commit_lookup(&c, git_store_repository(f->store), &id) < 0)
                        return -EBADMSG;
                v.time = git_commit_time(c);
                v.author = (char *) git_commit_author(c)->name;
                v.message = (char *) git_commit_summary(c);
                r = append(ret, &v);
                git_commit_free(c);
        }
        return MIN(r, 0);
}

int folder_commit_at(Folder *f, int64_t time, git_oid *ret, int64_t *ret_time) {
        git_oid id;
        int r;

        r = folder_get_reference(f, GIT_STORE_REMOTE, &id);
        while (r >= 0 && !git_oid_is_zero(&id)) {
                git_commit *c;
                int64_t t;

                if (git_commit_lookup(&c, git_store_repository(f->store), &id) < 0)
                        return -EBADMSG;
                t = git_commit_time(c);
                git_commit_free(c);
                if (t <= time) {
                        *ret = id;
                        *ret_time = t;
                        return 0;
                }
                r = git_store_commit_parent(f->store, &id, &id);
        }
        return r < 0 ? r : -ESRCH;
}

typedef struct Listing {
        Folder *folder;
        FolderHistory *history;
        size_t limit;
} Listing;

static int take_version(const GitStoreVersion *version, void *userdata) {
        Listing *l = userdata;
        FolderVersion v = {
                .commit = version->commit,
                .time = version->time,
                .entry = version->entry,
                .author = (char *) version->author,
        };
        bool unknown = v.entry.size == SYNC_SIZE_UNKNOWN || v.entry.mtime_ns == 0;
        int r;

        if (l->history->n == l->limit) {
                l->history->more = true;
                return 1;
        }
        if ((v.entry.kind == SYNC_FILE || v.entry.kind == SYNC_SYMLINK) && unknown) {
                r = git_store_find_missing(
                                l->folder->store, &version->commit, v.entry.path, false, &l->history->wants);
                if (r < 0)
                        return r;
        }
        v.entry.path = NULL;
        return append(l->history, &v);
}

int folder_list_versions(Folder *f, const char *path, const char *before, size_t limit, FolderHistory *ret) {
        Listing l = { .folder = f, .history = ret, .limit = limit };
        git_oid id, missing;
        int r;

        if (*path && !sync_path_is_valid(path))
                return -EINVAL;
        r = first_commit(f, before, &id);
        if (r < 0 || git_oid_is_zero(&id))
                return r;
        r = git_store_foreach_version(f->store, &id, path, take_version, &l, &missing);
        if (r == -ENOENT) {
                ret->more = ret->trees_missing = true;
                return 0;
        }
        return MIN(r, 0);
}
