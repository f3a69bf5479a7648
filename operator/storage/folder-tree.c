/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/format/git-name.h"
#include "operator/storage/folder-tree.h"

#define MARK_CHUNKED "%%+"
#define MARK_CHUNKED_EXECUTABLE "%%x"
#define MARK_LENGTH 3U
#define NAME_META "%%meta"

#define MODE_TREE 040000U
#define MODE_FILE 0100644U
#define MODE_FILE_OLD 0100664U /* as old versions of git wrote it */
#define MODE_EXECUTABLE 0100755U
#define MODE_SYMLINK 0120000U

const char *folder_stored_name(const TreeEntry *e, const FolderEntry *f) {
        return e->name + (f->kind == FOLDER_CHUNKED ? MARK_LENGTH : 0);
}

static int parse_kind(const TreeEntry *e, FolderEntry *f) {
        switch (e->mode) {
        case MODE_TREE:
                f->kind = FOLDER_DIRECTORY;
                return 0;
        case MODE_EXECUTABLE:
                f->executable = true;
                f->kind = FOLDER_FILE;
                return 0;
        case MODE_FILE:
        case MODE_FILE_OLD:
                f->kind = FOLDER_FILE;
                return 0;
        case MODE_SYMLINK:
                f->kind = FOLDER_SYMLINK;
                return 0;
        default:
                return -EBADMSG;
        }
}

int folder_entry_parse(const TreeEntry *e, FolderEntry *ret) {
        FolderEntry f = {};
        int r;

        if (streq(e->name, NAME_META) || streq(e->name, NAME_FORMAT)) {
                f.kind = streq(e->name, NAME_META) ? FOLDER_META : FOLDER_FORMAT;
                *ret = f;
                return 0;
        }
        r = parse_kind(e, &f);
        if (r < 0)
                return r;
        if (startswith(e->name, MARK_CHUNKED) || startswith(e->name, MARK_CHUNKED_EXECUTABLE)) {
                if (f.kind != FOLDER_DIRECTORY)
                        return -EBADMSG;
                f.kind = FOLDER_CHUNKED;
                f.executable = startswith(e->name, MARK_CHUNKED_EXECUTABLE) != NULL;
        }
        /* It also refuses the marks that are not known, "." and "..". */
        r = git_name_unescape(folder_stored_name(e, &f), &f.name);
        if (r < 0)
                return r;
        *ret = f;
        return 0;
}

int folder_entry_name(const char *name, bool chunked, bool executable, char **ret) {
        _cleanup_free_ char *stored = NULL;
        char *whole;
        int r;

        r = git_name_escape(name, &stored);
        if (r < 0 || !chunked) {
                if (r >= 0)
                        *ret = TAKE_PTR(stored);
                return r;
        }
        whole = strfmt("%s%s", executable ? MARK_CHUNKED_EXECUTABLE : MARK_CHUNKED, stored);
        if (!whole)
                return -ENOMEM;
        *ret = whole;
        return 0;
}

int folder_chunk_parse(const char *name, uint64_t *ret_index, uint64_t *ret_length) {
        static const char hex[] = "0123456789abcdef";
        size_t digits = strspn(name, hex), n;

        if (digits != 8 || name[8] != '-')
                return -EBADMSG;
        n = strspn(name + 9, hex);
        if (n == 0 || n > 15 || name[9 + n] != 0 || name[9] == '0')
                return -EBADMSG;
        *ret_index = strtoull(name, NULL, 16);
        *ret_length = strtoull(name + 9, NULL, 16);
        return 0;
}

static int append(FolderMeta *meta, const char *data, size_t size) {
        char *grown = realloc(meta->text, meta->size + size + 1);

        if (!grown)
                return -ENOMEM;
        memcpy(grown + meta->size, data, size);
        meta->text = grown;
        meta->size += size;
        meta->text[meta->size] = 0;
        return 0;
}

static int append_blob(ObjectReader *r, const char *id, FolderMeta *meta) {
        _cleanup_free_ char *data = NULL;
        size_t size;
        int k = object_read(r, id, "blob", &data, &size);

        return k < 0 ? k : append(meta, data, size);
}

int folder_meta_read(ObjectReader *r, const TreeEntry *e, FolderMeta *meta) {
        _cleanup_free_ char *tree = NULL;
        TreeEntry bucket;
        size_t size, at = 0;
        int k;

        meta->text = mfree(meta->text);
        meta->size = 0;
        if (e->mode != MODE_TREE)
                return append_blob(r, e->id, meta);
        k = object_read(r, e->id, "tree", &tree, &size);
        while (k >= 0 && (k = tree_next(tree, size, &at, &bucket)) > 0)
                k = append_blob(r, bucket.id, meta);
        return k;
}

/* A record is "<stored name>\0<mtime in ns> <mode, octal> <size>[ <more>]\n". */
bool folder_meta_find(
                const FolderMeta *meta, const char *stored, int64_t *ret_mtime_ns, unsigned *ret_mode) {
        const char *p = meta->text, *end = p ? p + meta->size : NULL;

        while (p && p < end) {
                const char *nul = memchr(p, 0, (size_t) (end - p)), *newline;
                char *rest;

                newline = nul ? memchr(nul, '\n', (size_t) (end - nul)) : NULL;
                if (!newline)
                        return false;
                if (streq(p, stored)) {
                        *ret_mtime_ns = strtoll(nul + 1, &rest, 10);
                        *ret_mode = (unsigned) strtoul(rest, NULL, 8) & 0777U;
                        return true;
                }
                p = newline + 1;
        }
        return false;
}
