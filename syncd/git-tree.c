/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees of a folder as git trees, and back (docs/repository-format.md). */
#include <git2.h>
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"
#include "syncd/git-store.h"

/* An entry of the git tree that is being made. */
typedef struct TreeItem {
        char *name; /* as stored */
        git_filemode_t mode;
        git_oid id;
} TreeItem;

typedef struct TreeItems {
        TreeItem *items;
        size_t n;
        size_t allocated;
} TreeItems;

static void tree_items_done(TreeItems *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i].name);
        free(l->items);
}

static void tree_freep(git_tree **t) {
        git_tree_free(*t);
}

static void commit_freep(git_commit **c) {
        git_commit_free(*c);
}

static int tree_items_add(TreeItems *l, const char *name, git_filemode_t mode, const git_oid *id) {
        _cleanup_free_ char *stored = NULL;
        int r;

        r = git_name_escape(name, &stored);
        if (r < 0)
                return r;
        if (l->n == l->allocated) {
                size_t allocated = MAX((size_t) 16, l->allocated * 2);
                TreeItem *items = reallocarray(l->items, allocated, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                l->items = items;
                l->allocated = allocated;
        }
        l->items[l->n++] = (TreeItem) { .name = TAKE_PTR(stored), .mode = mode, .id = *id };
        return 0;
}

/* git's order: bytewise, a directory as if its name ended with a slash. */
static int tree_item_compare(const void *a, const void *b) {
        const TreeItem *x = a, *y = b;
        size_t n = strlen(x->name), m = strlen(y->name);
        int r = memcmp(x->name, y->name, MIN(n, m));
        unsigned char c, d;

        if (r != 0)
                return r;
        c = n > m ? (unsigned char) x->name[m] : x->mode == GIT_FILEMODE_TREE ? '/' : 0;
        d = m > n ? (unsigned char) y->name[n] : y->mode == GIT_FILEMODE_TREE ? '/' : 0;
        return (int) c - (int) d;
}

static int tree_items_write(GitStore *store, TreeItems *l, git_oid *ret) {
        _cleanup_free_ char *buf = NULL;
        size_t size = 0;
        char *p;

        if (l->n > 0)
                qsort(l->items, l->n, sizeof(*l->items), tree_item_compare);
        for (size_t i = 0; i < l->n; i++)
                size += strlen("100644 ") + strlen(l->items[i].name) + 1 + GIT_OID_RAWSZ;
        buf = p = malloc(size + 1);
        if (!buf)
                return -ENOMEM;
        for (size_t i = 0; i < l->n; i++) {
                p += sprintf(p, "%o %s", (unsigned) l->items[i].mode, l->items[i].name) + 1;
                p = mempcpy(p, l->items[i].id.id, GIT_OID_RAWSZ);
        }
        if (git_odb_write(ret, git_store_odb(store), buf, (size_t) (p - buf), GIT_OBJECT_TREE) < 0)
                return -EIO;
        return 0;
}

static int entry_mode(const SyncEntry *e, git_filemode_t *ret) {
        if (e->certainty == SYNC_BUSY || e->certainty == SYNC_UNKNOWN)
                return -EINVAL;
        switch ((SyncKind) e->kind) {
        case SYNC_FILE:
                *ret = e->executable ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
                return 0;
        case SYNC_SYMLINK:
                *ret = GIT_FILEMODE_LINK;
                return 0;
        case SYNC_DIRECTORY:
                *ret = GIT_FILEMODE_TREE;
                return 0;
        case SYNC_ABSENT:
        case SYNC_SPECIAL:
        case _SYNC_KIND_MAX:
        default:
                return -EINVAL;
        }
}

/* Writes what is beneath directory, beginning with the i-th entry, which is moved behind it. The
 * recursion is bounded by SYNC_DEPTH_MAX, as every path is valid. */
static int write_directory(
                GitStore *store, const SyncTree *tree, const char *directory, size_t *i, git_oid *ret) {
        _cleanup_(tree_items_done) TreeItems items = {};
        int r;

        while (*i < sync_tree_size(tree)) {
                const SyncEntry *e = sync_tree_at(tree, *i);
                git_filemode_t mode;
                git_oid id;

                if (*directory && !sync_path_is_below(e->path, directory))
                        break;
                /* A parent that is not there would put the entry into the wrong directory. */
                if (strchr(e->path + (*directory ? strlen(directory) + 1 : 0), '/'))
                        return -EINVAL;
                r = entry_mode(e, &mode);
                if (r < 0)
                        return r;
                (*i)++;
                if (mode == GIT_FILEMODE_TREE)
                        r = write_directory(store, tree, e->path, i, &id);
                else
                        git_store_oid_from_sync(&id, &e->oid);
                if (r < 0)
                        return r;
                r = tree_items_add(&items, sync_path_name(e->path), mode, &id);
                if (r < 0)
                        return r;
        }
        return tree_items_write(store, &items, ret);
}

int git_store_write_tree(GitStore *store, const SyncTree *tree, git_oid *ret) {
        size_t i = 0;

        return write_directory(store, tree, "", &i, ret);
}

/* Fills all but the path. */
static int read_entry(GitStore *store, const git_tree_entry *item, SyncEntry *ret) {
        const git_oid *id = git_tree_entry_id(item);
        SyncEntry e = {};
        git_object_t type;
        size_t size;
        int r;

        switch (git_tree_entry_filemode(item)) {
        case GIT_FILEMODE_TREE:
                e.kind = SYNC_DIRECTORY;
                *ret = e;
                return 0;
        case GIT_FILEMODE_BLOB_EXECUTABLE:
                e.executable = true;
                e.kind = SYNC_FILE;
                break;
        case GIT_FILEMODE_BLOB:
                e.kind = SYNC_FILE;
                break;
        case GIT_FILEMODE_LINK:
                e.kind = SYNC_SYMLINK;
                break;
        case GIT_FILEMODE_UNREADABLE:
        case GIT_FILEMODE_COMMIT:
        default:
                return -EBADMSG;
        }
        r = git_odb_read_header(&size, &type, git_store_odb(store), id);
        if (r < 0)
                return r == GIT_ENOTFOUND ? -ENOENT : -EBADMSG;
        e.size = size;
        memcpy(e.oid.bytes, id->id, sizeof(e.oid.bytes));
        *ret = e;
        return 0;
}

static int lookup_tree(GitStore *store, const git_oid *id, git_tree **ret) {
        int r = git_tree_lookup(ret, git_store_repository(store), id);

        return r == GIT_ENOTFOUND ? -ENOENT : r < 0 ? -EBADMSG : 0;
}

static int read_directory(
                GitStore *store, const git_oid *id, const char *directory, unsigned depth, SyncTree *tree) {
        _cleanup_(tree_freep) git_tree *t = NULL;
        int r;

        if (depth > SYNC_DEPTH_MAX)
                return -EBADMSG;
        r = lookup_tree(store, id, &t);
        if (r < 0)
                return r;
        for (size_t i = 0; i < git_tree_entrycount(t); i++) {
                const git_tree_entry *item = git_tree_entry_byindex(t, i);
                _cleanup_free_ char *name = NULL, *path = NULL;
                SyncEntry e;

                r = git_name_unescape(git_tree_entry_name(item), &name);
                if (r < 0)
                        return r;
                path = strfmt("%s%s%s", directory, *directory ? "/" : "", name);
                if (!path)
                        return -ENOMEM;
                r = read_entry(store, item, &e);
                if (r < 0)
                        return r;
                e.path = path;
                r = sync_tree_add(tree, &e);
                if (r < 0)
                        return r == -EINVAL ? -EBADMSG : r;
                if (e.kind == SYNC_DIRECTORY) {
                        r = read_directory(store, git_tree_entry_id(item), path, depth + 1, tree);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int root_of(GitStore *store, const git_oid *id, git_oid *ret) {
        _cleanup_(commit_freep) git_commit *commit = NULL;
        int r;

        r = git_commit_lookup(&commit, git_store_repository(store), id);
        if (r < 0)
                return r == GIT_ENOTFOUND ? -ENOENT : -EBADMSG;
        *ret = *git_commit_tree_id(commit);
        return 0;
}

int git_store_read_tree(GitStore *store, const git_oid *commit, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *tree = NULL;
        int r;

        r = sync_tree_new(&tree);
        if (r < 0)
                return r;
        if (!git_oid_is_zero(commit)) {
                git_oid root;

                r = root_of(store, commit, &root);
                if (r < 0)
                        return r;
                r = read_directory(store, &root, "", 1, tree);
                if (r < 0)
                        return r;
        }
        if (sync_tree_sort(tree) < 0)
                return -EBADMSG;
        *ret = TAKE_PTR(tree);
        return 0;
}

int git_store_find_entry(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret) {
        _cleanup_strv_free_ char **names = NULL;
        git_oid id;
        int r;

        if (*path && !sync_path_is_valid(path))
                return -ENOENT;
        r = strv_split(path, "/", &names);
        if (r < 0)
                return r;
        r = root_of(store, commit, &id);
        if (r < 0)
                return r;
        if (!*path) {
                *ret = (SyncEntry) { .path = path, .kind = SYNC_DIRECTORY };
                memcpy(ret->oid.bytes, id.id, sizeof(ret->oid.bytes));
                return 0;
        }
        STRV_FOREACH(name, names) {
                _cleanup_(tree_freep) git_tree *t = NULL;
                _cleanup_free_ char *stored = NULL;
                const git_tree_entry *item;

                r = lookup_tree(store, &id, &t);
                if (r < 0)
                        return r;
                r = git_name_escape(*name, &stored);
                if (r < 0)
                        return r;
                item = git_tree_entry_byname(t, stored);
                if (!item)
                        return -ENOENT;
                if (name[1]) {
                        if (git_tree_entry_filemode(item) != GIT_FILEMODE_TREE)
                                return -ENOENT;
                        id = *git_tree_entry_id(item);
                        continue;
                }
                r = read_entry(store, item, ret);
                if (r < 0)
                        return r;
                ret->path = path;
        }
        return 0;
}
