/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of a commit with changes made to it. */
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "common/format/chunker.h"
#include "common/format/git-name.h"
#include "syncd/git-tree-internal.h"

typedef struct TreeWriter {
        GitStore *store;
        const SyncTree *changes;
        GitStoreXattrs xattrs;
        void *userdata;
} TreeWriter;

/* All changes at one name of a directory. */
typedef struct Change {
        char *stored;
        const SyncEntry *own; /* at the name itself; NULL if there are only changes beneath */
        size_t first, end;    /* those beneath */
        bool was_there, is_there;
        TreeItem old;
        RawEntry new;
        git_oid new_id;
        char *new_name; /* with a mark */
} Change;

typedef struct Changes {
        Change *items; /* sorted by stored */
        size_t n;
        char *old_data; /* the directory's tree as it was */
        size_t old_size;
        RawEntry old_meta; /* name is NULL if there is none */
        size_t n_others;   /* entries that do not change */
} Changes;

static void changes_done(Changes *c) {
        for (size_t i = 0; i < c->n; i++) {
                free(c->items[i].stored);
                free(c->items[i].new_name);
        }
        free(c->items);
        free(c->old_data);
}

/* --- what changes --- */

static int compare_changes(const void *a, const void *b) {
        return strcmp(((const Change *) a)->stored, ((const Change *) b)->stored);
}

static int compare_stored(const void *key, const void *change) {
        return strcmp(key, ((const Change *) change)->stored);
}

/* Groups the changes from first on, all of them beneath the directory whose path with its slash has prefix
 * bytes. */
static int collect(TreeWriter *w, size_t prefix, size_t first, size_t end, Changes *ret) {
        ret->items = calloc(end - first + 1, sizeof(*ret->items));
        if (!ret->items)
                return -ENOMEM;
        for (size_t i = first; i < end;) {
                const char *name = sync_tree_at(w->changes, i)->path + prefix;
                size_t length = (size_t) (strchrnul(name, '/') - name);
                Change *c = ret->items + ret->n;
                char copy[SYNC_NAME_MAX + 1];
                int r;

                memcpy(copy, name, length);
                copy[length] = 0;
                r = git_name_escape(copy, &c->stored);
                if (r < 0)
                        return r;
                ret->n++;
                if (!name[length])
                        c->own = sync_tree_at(w->changes, i++);
                for (c->first = i; i < end; i++) {
                        const char *other = sync_tree_at(w->changes, i)->path + prefix;

                        if (strncmp(other, name, length) != 0 || other[length] != '/')
                                break;
                }
                c->end = i;
        }
        qsort(ret->items, ret->n, sizeof(*ret->items), compare_changes);
        return 0;
}

/* Finds the old entries of what changes. */
static int look_up(TreeWriter *w, const git_oid *old, bool root, Changes *c) {
        RawTree tree = {};
        RawEntry raw;
        int r;

        if (git_oid_is_zero(old))
                return 0;
        r = git_store_read_typed(w->store, old, GIT_OBJECT_TREE, &c->old_data, &c->old_size);
        if (r < 0)
                return r;
        tree.data = c->old_data;
        tree.size = c->old_size;
        while ((r = raw_tree_next(&tree, &raw)) > 0) {
                Change *change = NULL;
                TreeItem item;

                r = tree_item_parse(&raw, root, &item);
                if (r < 0)
                        return r;
                if (item.role == TREE_META)
                        c->old_meta = raw;
                if (item.role != TREE_ENTRY)
                        continue;
                if (c->n > 0)
                        change = bsearch(item.stored, c->items, c->n, sizeof(*c->items), compare_stored);
                if (!change) {
                        c->n_others++;
                        continue;
                }
                if (change->was_there)
                        return -EBADMSG;
                change->was_there = true;
                change->old = item;
        }
        return r;
}

/* --- what the entries become --- */

static bool all_absent(TreeWriter *w, const Change *c) {
        for (size_t i = c->first; i < c->end; i++)
                if (sync_tree_at(w->changes, i)->kind != SYNC_ABSENT)
                        return false;
        return true;
}

static int write_directory(
                TreeWriter *w, const git_oid *old, size_t prefix, size_t first, size_t end, git_oid *ret);

/* A directory, by its own change or by one beneath it. */
static int write_subdirectory(TreeWriter *w, Change *c, size_t prefix) {
        bool was_directory = c->was_there && c->old.kind == SYNC_DIRECTORY;
        const char *path = c->own ? c->own->path : sync_tree_at(w->changes, c->first)->path;
        size_t length = (size_t) (strchrnul(path + prefix, '/') - path);

        c->is_there = true;
        c->new.mode = GIT_FILEMODE_TREE;
        return write_directory(
                        w,
                        was_directory ? c->old.raw.id : &(git_oid) {},
                        length + 1,
                        c->first,
                        c->end,
                        &c->new_id);
}

static int make_file(Change *c) {
        const SyncEntry *e = c->own;
        bool chunked;

        if (e->size == SYNC_SIZE_UNKNOWN)
                return -EINVAL;
        chunked = e->size > FORMAT_PLAIN_MAX;
        c->is_there = true;
        c->new.mode = chunked         ? GIT_FILEMODE_TREE
                      : e->executable ? GIT_FILEMODE_BLOB_EXECUTABLE
                                      : GIT_FILEMODE_BLOB;
        git_store_oid_from_sync(&c->new_id, &e->oid);
        if (!chunked)
                return 0;
        c->new_name = strfmt(
                        "%s%s", e->executable ? TREE_MARK_CHUNKED_EXECUTABLE : TREE_MARK_CHUNKED, c->stored);
        return c->new_name ? 0 : -ENOMEM;
}

/* Sets is_there and new. */
static int make_entry(TreeWriter *w, Change *c, size_t prefix) {
        if (!c->own) {
                if (c->was_there && c->old.kind == SYNC_DIRECTORY)
                        return write_subdirectory(w, c, prefix);
                /* Nothing can be removed beneath what is no directory, and nothing else be there. */
                if (!all_absent(w, c))
                        return -EINVAL;
                c->is_there = c->was_there;
                if (c->was_there) {
                        c->new = c->old.raw;
                        c->new_id = *c->old.raw.id;
                }
                return 0;
        }
        if (c->own->certainty == SYNC_BUSY || c->own->certainty == SYNC_UNKNOWN)
                return -EINVAL;
        if (c->own->kind == SYNC_DIRECTORY)
                return write_subdirectory(w, c, prefix);
        if (!all_absent(w, c) || (c->own->kind != SYNC_ABSENT && sync_oid_equal(&c->own->oid, &(SyncOid) {})))
                return -EINVAL;
        switch ((SyncKind) c->own->kind) {
        case SYNC_ABSENT:
                return 0;
        case SYNC_FILE:
                return make_file(c);
        case SYNC_SYMLINK:
                c->is_there = true;
                c->new.mode = GIT_FILEMODE_LINK;
                git_store_oid_from_sync(&c->new_id, &c->own->oid);
                return 0;
        case SYNC_DIRECTORY:
        case SYNC_SPECIAL:
        case _SYNC_KIND_MAX:
        default:
                return -EINVAL;
        }
}

static int make_entries(TreeWriter *w, Changes *c, size_t prefix) {
        for (size_t i = 0; i < c->n; i++) {
                Change *change = c->items + i;
                int r;

                r = make_entry(w, change, prefix);
                if (r < 0)
                        return r;
                if (!change->new.name) {
                        change->new.name = change->new_name ?: change->stored;
                        change->new.length = strlen(change->new.name);
                }
                change->new.id = &change->new_id;
        }
        return 0;
}

/* --- metadata --- */

static int make_edit(TreeWriter *w, const Change *c, MetaEdit *ret) {
        _cleanup_free_ char *xattrs = NULL;
        int r;

        *ret = (MetaEdit) { .stored = c->stored };
        /* A symbolic link of a repository that records no sizes. */
        if (!c->is_there || c->own->size == SYNC_SIZE_UNKNOWN)
                return 0;
        if (w->xattrs && c->own->kind != SYNC_SYMLINK) {
                r = w->xattrs(c->own->path, &xattrs, w->userdata);
                if (r < 0)
                        return r;
        }
        ret->record = meta_record_new(c->stored, c->own, xattrs, &ret->length);
        return ret->record ? 0 : -ENOMEM;
}

static int write_meta_edits(
                TreeWriter *w,
                const Changes *c,
                MetaEdit *edits,
                size_t n_edits,
                size_t n,
                RawEntry *ret,
                git_oid *id) {
        TreeItem item = { .raw = c->old_meta };
        Meta old = {};
        int r = 0;

        if (c->old_meta.name)
                r = meta_open(w->store, &item, &old);
        if (r >= 0)
                r = meta_write(w->store, &old, edits, n_edits, n, ret, id);
        meta_done(&old);
        return r;
}

/* *id is zero if there is none. */
static int write_meta(TreeWriter *w, const Changes *c, RawEntry *ret, git_oid *id) {
        _cleanup_free_ MetaEdit *edits = calloc(c->n + 1, sizeof(*edits));
        size_t n_edits = 0, n = c->n_others;
        int r = 0;

        if (!edits)
                return -ENOMEM;
        for (size_t i = 0; i < c->n && r >= 0; i++) {
                const Change *change = c->items + i;

                n += change->is_there;
                if (change->own && (change->is_there || change->was_there))
                        r = make_edit(w, change, edits + n_edits++);
        }
        if (r >= 0)
                r = write_meta_edits(w, c, edits, n_edits, n, ret, id);
        for (size_t i = 0; i < n_edits; i++)
                free(edits[i].record);
        return r;
}

/* --- the tree --- */

static int compare_raw(const void *a, const void *b) {
        return raw_entry_compare(a, b);
}

/* True if what stands in the old tree is not to be copied: it changes, or it is a mark. */
static bool is_replaced(const Changes *c, const RawEntry *e) {
        const char *stored = e->name;

        if (stored[0] == GIT_NAME_MARK && stored[1] == GIT_NAME_MARK) {
                TreeItem item;

                if (tree_item_parse(e, true, &item) < 0 || item.role != TREE_ENTRY)
                        return true;
                stored = item.stored;
        }
        return c->n > 0 && bsearch(stored, c->items, c->n, sizeof(*c->items), compare_stored);
}

/* Merges the new entries, in git's order, with the old ones. Runs of old entries are copied at once. */
static int merge(const Changes *c, const RawEntry *new, size_t n_new, SyncWriter *to) {
        RawTree tree = { .data = c->old_data, .size = c->old_size };
        size_t i = 0, from = 0, start = 0;
        RawEntry e;
        int r;

        while ((r = raw_tree_next(&tree, &e)) > 0) {
                bool replaced = is_replaced(c, &e),
                     insert = i < n_new && raw_entry_compare(new + i, &e) <= 0;

                if (replaced || insert) {
                        sync_write_bytes(to, c->old_data + from, start - from);
                        for (; i < n_new && raw_entry_compare(new + i, &e) <= 0; i++)
                                raw_entry_write(to, new + i);
                        from = replaced ? tree.at : start;
                }
                start = tree.at;
        }
        if (c->old_size > from)
                sync_write_bytes(to, c->old_data + from, c->old_size - from);
        for (; i < n_new; i++)
                raw_entry_write(to, new + i);
        return r < 0 ? r : to->failed ? -ENOMEM : 0;
}

static int write_entries(TreeWriter *w, const Changes *c, bool root, const RawEntry *meta, SyncWriter *to) {
        _cleanup_free_ RawEntry *new = calloc(c->n + 2, sizeof(*new));
        git_oid format;
        size_t n = 0;
        int r;

        if (!new)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++)
                if (c->items[i].is_there)
                        new[n++] = c->items[i].new;
        if (meta)
                new[n++] = *meta;
        if (root) {
                r = git_store_write(w->store, GIT_OBJECT_BLOB, "", 0, &format);
                if (r < 0)
                        return r;
                new[n++] = (RawEntry) {
                        .mode = GIT_FILEMODE_BLOB,
                        .name = TREE_NAME_FORMAT,
                        .length = strlen(TREE_NAME_FORMAT),
                        .id = &format,
                };
        }
        qsort(new, n, sizeof(*new), compare_raw);
        return merge(c, new, n, to);
}

/* Makes the changes from first on, all beneath the directory whose path with its slash has prefix bytes (0:
 * the root), to the old tree of it. The recursion is bounded by SYNC_DEPTH_MAX, as every path is valid. */
static int write_directory(
                TreeWriter *w, const git_oid *old, size_t prefix, size_t first, size_t end, git_oid *ret) {

        _cleanup_(changes_done) Changes c = {};
        git_oid meta_id = {};
        SyncWriter tree = {};
        RawEntry meta = {};
        int r;

        r = collect(w, prefix, first, end, &c);
        if (r >= 0)
                r = look_up(w, old, prefix == 0, &c);
        if (r >= 0)
                r = make_entries(w, &c, prefix);
        if (r >= 0)
                r = write_meta(w, &c, &meta, &meta_id);
        if (r >= 0)
                r = write_entries(w, &c, prefix == 0, git_oid_is_zero(&meta_id) ? NULL : &meta, &tree);
        if (r >= 0)
                r = git_store_write_similar(w->store, GIT_OBJECT_TREE, tree.data, tree.size, old, ret);
        free(tree.data);
        return r;
}

int git_store_write_changes(
                GitStore *store,
                const git_oid *parent_commit,
                const SyncTree *changes,
                GitStoreXattrs xattrs,
                void *userdata,
                git_oid *ret_tree) {

        TreeWriter w = { .store = store, .changes = changes, .xattrs = xattrs, .userdata = userdata };
        git_oid root;
        int r;

        r = git_store_root(store, parent_commit, &root);
        return r < 0 ? r : write_directory(&w, &root, 0, 0, sync_tree_size(changes), ret_tree);
}
