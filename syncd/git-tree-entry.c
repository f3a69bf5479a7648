/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of git trees, and which of them are entries of a directory. */
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "common/format/git-name.h"
#include "syncd/git-tree-internal.h"

/* The id of the empty blob. */
static const git_oid empty_blob = { { 0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b,
                                      0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91 } };

/* --- any tree --- */

int raw_entry_compare(const RawEntry *a, const RawEntry *b) {
        size_t n = a->length, m = b->length;
        int r = memcmp(a->name, b->name, MIN(n, m));
        unsigned char c, d;

        if (r != 0)
                return r;
        c = n > m ? (unsigned char) a->name[m] : git_mode_is_tree(a->mode) ? '/' : 0;
        d = m > n ? (unsigned char) b->name[n] : git_mode_is_tree(b->mode) ? '/' : 0;
        return (int) c - (int) d;
}

int raw_tree_next(RawTree *t, RawEntry *ret) {
        const char *p, *end, *name_end;
        RawEntry e = {};

        if (t->at == t->size)
                return 0;
        p = t->data + t->at;
        end = t->data + t->size;
        if (*p == '0')
                return -EBADMSG;
        for (; p < end && *p >= '0' && *p <= '7' && e.mode <= 0177777; p++)
                e.mode = e.mode << 3 | (unsigned) (*p - '0');
        if (p == end || *p++ != ' ')
                return -EBADMSG;
        name_end = memchr(p, '\0', (size_t) (end - p));
        if (!name_end || name_end == p || (size_t) (end - name_end) < 1 + GIT_OID_RAWSZ)
                return -EBADMSG;
        e.name = p;
        e.length = (size_t) (name_end - p);
        e.id = (const git_oid *) (name_end + 1);
        if (memchr(e.name, '/', e.length) || (t->previous.name && raw_entry_compare(&t->previous, &e) >= 0))
                return -EBADMSG;
        t->at = (size_t) (name_end + 1 + GIT_OID_RAWSZ - t->data);
        t->previous = e;
        *ret = e;
        return 1;
}

void raw_entry_write(SyncWriter *w, const RawEntry *e) {
        char mode[16];

        sync_write_bytes(w, mode, (size_t) sprintf(mode, "%o ", e->mode));
        sync_write_bytes(w, e->name, e->length + 1);
        sync_write_bytes(w, e->id->id, GIT_OID_RAWSZ);
}

/* --- a directory's tree --- */

/* Whether the name can be that of an entry: as it is, or as an escape. */
static bool is_stored_name(const char *name, size_t length) {
        if (*name == GIT_NAME_MARK)
                return length <= GIT_NAME_STORED_MAX;
        return length > 0 && length <= GIT_NAME_FILE_MAX && !git_name_needs_escape(name) &&
               !streq(name, ".") && !streq(name, "..");
}

static int parse_kind(TreeItem *i) {
        switch (i->raw.mode) {
        case GIT_FILEMODE_TREE:
                i->kind = i->chunked ? SYNC_FILE : SYNC_DIRECTORY;
                return 0;
        case GIT_FILEMODE_BLOB_EXECUTABLE:
                i->executable = true;
                i->kind = SYNC_FILE;
                break;
        case GIT_FILEMODE_BLOB:
        case 0100664: /* as old versions of git wrote it */
                i->kind = SYNC_FILE;
                break;
        case GIT_FILEMODE_LINK:
                i->kind = SYNC_SYMLINK;
                break;
        default:
                return -EBADMSG;
        }
        return i->chunked ? -EBADMSG : 0;
}

/* Names that begin with the mark twice and are no escape of a name that begins with it, or with a backslash.
 */
static bool is_marked(const char *name) {
        return name[0] == GIT_NAME_MARK && name[1] == GIT_NAME_MARK && name[2] != '2' && name[2] != '5';
}

int tree_item_parse(const RawEntry *raw, bool root, TreeItem *ret) {
        TreeItem i = { .raw = *raw, .role = TREE_ENTRY, .stored = raw->name };
        int r;

        if (is_marked(raw->name)) {
                if (streq(raw->name, TREE_NAME_META)) {
                        i.role = TREE_META;
                        if (raw->mode != GIT_FILEMODE_BLOB && !git_mode_is_tree(raw->mode))
                                return -EBADMSG;
                        *ret = i;
                        return 0;
                }
                if (streq(raw->name, TREE_NAME_FORMAT)) {
                        i.role = TREE_FORMAT;
                        if (!root || raw->mode != GIT_FILEMODE_BLOB || !git_oid_equal(raw->id, &empty_blob))
                                return -EBADMSG;
                        *ret = i;
                        return 0;
                }
                i.chunked = true;
                i.executable = startswith(raw->name, TREE_MARK_CHUNKED_EXECUTABLE);
                if (!i.executable && !startswith(raw->name, TREE_MARK_CHUNKED))
                        return -EBADMSG;
                i.stored += TREE_MARK_SIZE;
                if (is_marked(i.stored))
                        return -EBADMSG;
        }
        r = parse_kind(&i);
        if (r < 0)
                return r;
        if (!is_stored_name(i.stored, raw->length - (size_t) (i.stored - raw->name)))
                return -EBADMSG;
        *ret = i;
        return 0;
}

static int compare_items(const void *a, const void *b) {
        const TreeItem *x = a, *y = b;

        return strcmp(tree_item_name(x), tree_item_name(y));
}

void directory_done(Directory *d) {
        for (size_t i = 0; i < d->n; i++)
                free(d->items[i].unescaped);
        free(d->items);
        free(d->data);
        meta_done(&d->meta);
        *d = (Directory) {};
}

static int directory_add(Directory *d, const TreeItem *item) {
        if (ARRAY_GROW(d->items, d->n) < 0)
                return -ENOMEM;
        d->items[d->n++] = *item;
        if (*item->stored != GIT_NAME_MARK)
                return 0;
        return git_name_unescape(item->stored, &d->items[d->n - 1].unescaped);
}

static int directory_take(GitStore *store, Directory *d, const RawEntry *raw, bool root) {
        TreeItem item;
        int r;

        r = tree_item_parse(raw, root, &item);
        if (r < 0 || item.role == TREE_FORMAT)
                return r;
        return item.role == TREE_META ? meta_open(store, &item, &d->meta) : directory_add(d, &item);
}

/* -EBADMSG: one name as two kinds, or with two marks. */
static int directory_sort(Directory *d) {
        if (d->n > 1)
                qsort(d->items, d->n, sizeof(*d->items), compare_items);
        for (size_t i = 1; i < d->n; i++)
                if (compare_items(d->items + i - 1, d->items + i) == 0)
                        return -EBADMSG;
        return 0;
}

/* The zero id is an empty tree. */
static int read_raw_tree(GitStore *store, const git_oid *id, Directory *d, RawTree *ret) {
        size_t size = 0;
        int r = 0;

        if (!git_oid_is_zero(id))
                r = git_store_read_typed(store, id, GIT_OBJECT_TREE, &d->data, &size);
        *ret = (RawTree) { .data = d->data, .size = size };
        return r;
}

int directory_load(GitStore *store, const git_oid *id, bool root, Directory *ret) {
        _cleanup_directory_done_ Directory d = {};
        RawTree tree;
        RawEntry raw;
        int r;

        r = read_raw_tree(store, id, &d, &tree);
        while (r >= 0 && (r = raw_tree_next(&tree, &raw)) > 0)
                r = directory_take(store, &d, &raw, root);
        if (r >= 0)
                r = directory_sort(&d);
        if (r < 0)
                return r;
        *ret = d;
        d = (Directory) {};
        return 0;
}

static bool is_in_both(const RawEntry *a, const RawEntry *b) {
        return a->mode == b->mode && git_oid_equal(a->id, b->id) && !streq(a->name, TREE_NAME_META);
}

int directory_load_differing(GitStore *store, const git_oid *const ids[2], bool root, Directory ret[2]) {
        bool have[2] = { true, true };
        RawEntry e[2] = {};
        RawTree trees[2];
        int r = 0, order = 0;

        for (unsigned i = 0; i < 2 && r >= 0; i++)
                r = read_raw_tree(store, ids[i], &ret[i], &trees[i]);
        while (r >= 0) {
                /* On with the one that is behind, or with both. */
                for (unsigned i = 0; i < 2; i++) {
                        if (!have[i] || order == (i == 0 ? 1 : -1))
                                continue;
                        r = raw_tree_next(&trees[i], &e[i]);
                        if (r < 0)
                                return r;
                        have[i] = r > 0;
                }
                if (!have[0] && !have[1])
                        break;
                order = !have[0] ? 1 : !have[1] ? -1 : raw_entry_compare(&e[0], &e[1]);
                order = (order > 0) - (order < 0);
                if (order == 0 && is_in_both(&e[0], &e[1]))
                        continue;
                for (unsigned i = 0; i < 2 && r >= 0; i++)
                        if (order != (i == 0 ? 1 : -1))
                                r = directory_take(store, &ret[i], &e[i], root);
        }
        for (unsigned i = 0; i < 2 && r >= 0; i++)
                r = directory_sort(&ret[i]);
        return r;
}

/* A size above FORMAT_PLAIN_MAX says that a file is one of chunks, whatever the metadata say. */
static int entry_size(GitStore *store, const TreeItem *item, uint64_t *size) {
        bool says_plain = *size == SYNC_SIZE_UNKNOWN || *size <= FORMAT_PLAIN_MAX;
        int r;

        if (says_plain != item->chunked)
                return 0;
        *size = SYNC_SIZE_UNKNOWN;
        if (!item->chunked)
                return 0;
        r = git_store_chunked_size(store, (const SyncOid *) item->raw.id->id, size);
        /* It is a file of chunks all the same: who wants its content sees that it has none. */
        if (r == -EBADMSG)
                *size = FORMAT_PLAIN_MAX + 1;
        return r == -EBADMSG ? 0 : r;
}

/* Metadata make no change, so the entries are as good as they can be without. */
static void note_malformed_metadata(GitStore *store, const char *path) {
        const char *name = sync_path_name(path);

        if (!store->malformed)
                store->malformed = strndup(path, name > path ? (size_t) (name - path - 1) : 0);
}

int git_store_note_directory(GitStore *store, const char *path, int error) {
        if (error == -EBADMSG)
                (void) free_and_strdup(&store->malformed, path);
        return error;
}

char *git_store_take_malformed(GitStore *store) {
        return TAKE_PTR(store->malformed);
}

int directory_entry(
                GitStore *store,
                Meta *meta,
                const TreeItem *item,
                const char *path,
                bool tolerant,
                SyncEntry *ret) {
        SyncEntry e = { .path = path, .kind = (uint8_t) item->kind, .executable = item->executable };
        const MetaRecord *record = NULL;
        int r;

        r = meta_find(store, meta, item->stored, &record);
        if (r < 0 && !(r == -ENOENT && tolerant))
                return r;
        if (meta->malformed)
                note_malformed_metadata(store, path);
        if (record)
                e.mode = record->mode;
        if (e.kind != SYNC_DIRECTORY) {
                git_store_oid_to_sync(&e.oid, item->raw.id);
                e.size = record ? record->size : SYNC_SIZE_UNKNOWN;
                e.mtime_ns = record ? record->mtime_ns : 0;
                e.fuzzy = record && record->fuzzy;
                r = entry_size(store, item, &e.size);
                if (r == -ENOENT && tolerant)
                        e.size = SYNC_SIZE_UNKNOWN;
                else if (r < 0)
                        return r;
        }
        *ret = e;
        return 0;
}
