/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folder in a commit: reading. */
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"
#include "syncd/git-tree-internal.h"

int tree_path_push(TreePath *p, const char *name, size_t *ret_length) {
        size_t length = p->length, n = strlen(name);

        if (p->depth >= SYNC_DEPTH_MAX || length + (length > 0) + n > SYNC_PATH_MAX)
                return -EBADMSG;
        /* Two trees that share no name have twice as many. */
        if (p->n_visited++ >= 2 * SYNC_ENTRIES_MAX)
                return -E2BIG;
        if (length > 0)
                p->text[length++] = '/';
        memcpy(p->text + length, name, n + 1);
        *ret_length = p->length;
        p->length = length + n;
        p->depth++;
        return 0;
}

void tree_path_pop(TreePath *p, size_t length) {
        p->length = length;
        p->text[length] = 0;
        p->depth--;
}

int tree_walk(GitStore *store,
              const git_oid *id,
              TreePath *p,
              GitStoreEntryHandler handler,
              void *userdata) {
        _cleanup_directory_done_ Directory d = {};
        size_t length;
        int r;

        r = git_store_note_directory(store, p->text, directory_load(store, id, p->length == 0, &d));
        for (size_t i = 0; r >= 0 && i < d.n; i++) {
                const TreeItem *item = d.items + i;
                SyncEntry e;

                r = git_store_note_directory(store, p->text, tree_path_push(p, tree_item_name(item), &length));
                if (r < 0)
                        return r;
                r = directory_entry(store, &d.meta, item, p->text, false, &e);
                if (r >= 0)
                        r = handler(&e, userdata);
                if (r == 0 && item->kind == SYNC_DIRECTORY)
                        r = tree_walk(store, item->raw.id, p, handler, userdata);
                tree_path_pop(p, length);
                if (r != 0)
                        return r;
        }
        return r;
}

int git_store_root(GitStore *store, const git_oid *commit, git_oid *ret) {
        *ret = (git_oid) {};
        return git_oid_is_zero(commit) ? 0 : git_store_commit_tree(store, commit, ret);
}

/* --- one path --- */

/* A place in the commit: the directory's tree and metadata, and the item. */
typedef struct Place {
        char *data;
        Meta meta;
        TreeItem item;
} Place;

static void place_done(Place *p) {
        free(p->data);
        meta_done(&p->meta);
        *p = (Place) {};
}

/* Finds the entry with the stored name in the tree. With the metadata, if asked for. 1, 0 if there is none,
 * or an error. */
static int find_item(
                GitStore *store,
                const git_oid *tree_id,
                bool root,
                const char *stored,
                bool meta,
                Place *ret) {
        _cleanup_(place_done) Place p = {};
        RawTree tree = {};
        bool found = false;
        RawEntry raw;
        int r;

        if (git_oid_is_zero(tree_id))
                return 0;
        r = git_store_read_typed(store, tree_id, GIT_OBJECT_TREE, &p.data, &tree.size);
        if (r < 0)
                return r;
        tree.data = p.data;
        while ((r = raw_tree_next(&tree, &raw)) > 0) {
                const char *name = raw.name;
                TreeItem item;

                if (name[0] == GIT_NAME_MARK && name[1] == GIT_NAME_MARK) {
                        r = tree_item_parse(&raw, root, &item);
                        if (r < 0)
                                return r;
                        if (item.role == TREE_META && meta)
                                r = meta_open(store, &item, &p.meta);
                        if (r < 0)
                                return r;
                        if (item.role != TREE_ENTRY || !streq(item.stored, stored))
                                continue;
                } else if (!streq(name, stored))
                        continue;
                r = tree_item_parse(&raw, root, &p.item);
                if (r < 0)
                        return r;
                if (found)
                        return -EBADMSG;
                found = true;
        }
        if (r < 0 || !found)
                return r;
        *ret = p;
        p = (Place) {};
        return 1;
}

/* Where the path is; not for "". 1, 0 if there is no such path, or an error. */
static int find_place(GitStore *store, const git_oid *commit, const char *path, Place *ret) {
        _cleanup_strv_free_ char **names = NULL;
        git_oid id;
        int r;

        if (!sync_path_is_valid(path))
                return 0;
        r = strv_split(path, "/", &names);
        if (r < 0)
                return r;
        r = git_store_root(store, commit, &id);
        if (r < 0)
                return r;
        STRV_FOREACH (name, names) {
                _cleanup_free_ char *stored = NULL;
                Place p;

                r = git_name_escape(*name, &stored);
                if (r >= 0)
                        r = find_item(store, &id, name == names, stored, !name[1], &p);
                if (r <= 0)
                        return r;
                if (!name[1]) {
                        *ret = p;
                        return 1;
                }
                id = *p.item.raw.id;
                r = p.item.kind == SYNC_DIRECTORY;
                place_done(&p);
                if (r == 0)
                        return 0;
        }
        return 0;
}

int git_store_find_path(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret) {
        _cleanup_(place_done) Place p = {};
        git_oid root;
        int r;

        if (!*path) {
                r = git_store_root(store, commit, &root);
                if (r < 0)
                        return r;
                *ret = (SyncEntry){ .path = path, .kind = SYNC_DIRECTORY };
                git_store_oid_to_sync(&ret->oid, &root);
                return 1;
        }
        r = find_place(store, commit, path, &p);
        if (r <= 0)
                return r;
        r = directory_entry(store, &p.meta, &p.item, path, true, ret);
        return r < 0 ? r : 1;
}

int git_store_find_entry(GitStore *store, const git_oid *commit, const char *path, SyncEntry *ret) {
        int r = git_store_find_path(store, commit, path, ret);

        return r > 0 ? 0 : r == 0 ? -ENOENT : r;
}

/* --- extended attributes --- */

/* The metadata of a directory: who puts files in place asks for one after another. */
struct KeptMeta {
        git_oid commit;
        char *directory; /* "" is the folder */
        Meta meta;
};

void git_store_forget_metadata(GitStore *store) {
        KeptMeta *kept = TAKE_PTR(store->kept_meta);

        if (!kept)
                return;
        meta_done(&kept->meta);
        free(kept->directory);
        free(kept);
}

/* The tree of a directory. 1, 0 if there is no such directory, or an error. */
static int find_directory(GitStore *store, const git_oid *commit, const char *path, git_oid *ret) {
        _cleanup_(place_done) Place p = {};
        int r;

        if (!*path) {
                r = git_store_root(store, commit, ret);
                return r < 0 ? r : 1;
        }
        r = find_place(store, commit, path, &p);
        if (r <= 0 || p.item.kind != SYNC_DIRECTORY)
                return MIN(r, 0);
        *ret = *p.item.raw.id;
        return 1;
}

/* Opens the metadata of a directory, if it has some. */
static int open_meta(GitStore *store, const git_oid *tree_id, bool root, Meta *ret) {
        _cleanup_free_ char *data = NULL;
        RawTree tree = {};
        TreeItem item;
        RawEntry raw;
        int r;

        if (git_oid_is_zero(tree_id))
                return 0;
        r = git_store_read_typed(store, tree_id, GIT_OBJECT_TREE, &data, &tree.size);
        if (r < 0)
                return r;
        tree.data = data;
        while ((r = raw_tree_next(&tree, &raw)) > 0) {
                if (!streq(raw.name, TREE_NAME_META))
                        continue;
                r = tree_item_parse(&raw, root, &item);
                return r < 0 ? r : meta_open(store, &item, ret);
        }
        return r;
}

/* The metadata of the directory, which are kept until another one's are asked for. */
static int keep_meta(GitStore *store, const git_oid *commit, const char *directory, Meta **ret) {
        KeptMeta *kept = store->kept_meta;
        git_oid tree;
        int r;

        if (!kept || !git_oid_equal(&kept->commit, commit) || !streq(kept->directory, directory)) {
                git_store_forget_metadata(store);
                r = find_directory(store, commit, directory, &tree);
                if (r <= 0)
                        return r < 0 ? r : -ENOENT;
                kept = store->kept_meta = calloc(1, sizeof(*kept));
                if (!kept)
                        return -ENOMEM;
                kept->commit = *commit;
                kept->directory = strdup(directory);
                r = kept->directory ? open_meta(store, &tree, !*directory, &kept->meta) : -ENOMEM;
                if (r < 0) {
                        git_store_forget_metadata(store);
                        return r;
                }
        }
        meta_keep_few(&kept->meta);
        *ret = &kept->meta;
        return 0;
}

int git_store_read_xattrs(GitStore *store, const git_oid *commit, const char *path, char **ret) {
        _cleanup_free_ char *directory = NULL, *stored = NULL;
        const char *name = sync_path_name(path);
        const MetaRecord *record;
        Meta *meta;
        int r;

        directory = strndup(path, name > path ? (size_t) (name - path - 1) : 0);
        if (!directory)
                return -ENOMEM;
        r = git_name_escape(name, &stored);
        if (r >= 0)
                r = keep_meta(store, commit, directory, &meta);
        if (r >= 0)
                r = meta_find(store, meta, stored, &record);
        if (r < 0)
                return r;
        if (record)
                return meta_record_xattrs(record, ret);
        *ret = NULL;
        return 0;
}

/* --- all of it, or what is beneath a path --- */

static unsigned depth_of(const char *path) {
        unsigned n = 1;

        for (; *path; path++)
                n += *path == '/';
        return n;
}

int git_store_foreach_entry(
                GitStore *store,
                const git_oid *commit,
                const char *path,
                GitStoreEntryHandler handler,
                void *userdata) {

        _cleanup_(place_done) Place place = {};
        _cleanup_free_ TreePath *p = calloc(1, sizeof(*p));
        SyncEntry e;
        git_oid id;
        int r;

        if (!p)
                return -ENOMEM;
        if (!*path) {
                r = git_store_root(store, commit, &id);
                return r < 0 ? r : tree_walk(store, &id, p, handler, userdata);
        }
        r = find_place(store, commit, path, &place);
        if (r <= 0)
                return r;
        r = directory_entry(store, &place.meta, &place.item, path, false, &e);
        if (r >= 0)
                r = handler(&e, userdata);
        if (r != 0 || e.kind != SYNC_DIRECTORY)
                return r;
        p->length = strlen(path);
        memcpy(p->text, path, p->length + 1);
        p->depth = depth_of(path);
        return tree_walk(store, place.item.raw.id, p, handler, userdata);
}

static int add_entry(const SyncEntry *e, void *userdata) {
        return sync_tree_add(userdata, e);
}

int git_store_read_tree(GitStore *store, const git_oid *commit, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *tree = NULL;
        int r;

        r = sync_tree_new(&tree);
        if (r >= 0)
                r = git_store_foreach_entry(store, commit, "", add_entry, tree);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        r = sync_tree_sort(tree);
        if (r < 0)
                return r == -EEXIST ? -EBADMSG : r;
        *ret = TAKE_PTR(tree);
        return 0;
}
