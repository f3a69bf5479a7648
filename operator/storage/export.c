/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/export.h"
#include "operator/storage/folder-tree.h"
#include "operator/storage/git-run.h"

#define MAIN "refs/heads/main"
#define MODE_DEFAULT_DIRECTORY 0755U

static int rev_list(const char *const arguments[], char **ret) {
        _cleanup_free_ char *text = NULL;
        int r = git_run(arguments, &text);

        if (r != 0 || isempty(text))
                return r < 0 ? r : -ENOENT;
        *ret = TAKE_PTR(text);
        return 0;
}

static int resolve_number(uint64_t n, char **ret) {
        const char *const count[] = { "rev-list", "--count", MAIN, "--", NULL };
        _cleanup_free_ char *total_text = NULL, *skip = NULL;
        uint64_t total;
        int r;

        r = rev_list(count, &total_text);
        if (r < 0)
                return r;
        if (parse_uint64(total_text, &total) < 0 || n == 0 || n > total)
                return -ENOENT;
        skip = strfmt("--skip=%llu", (unsigned long long) (total - n));
        const char *const nth[] = { "rev-list", "-n1", skip, MAIN, "--", NULL };

        return skip ? rev_list(nth, ret) : -ENOMEM;
}

int export_resolve(const char *version, char **ret_commit) {
        const char *const tip[] = { "rev-list", "-n1", MAIN, "--", NULL };
        const char *const ancestor[] = { "merge-base", "--is-ancestor", version, MAIN, NULL };
        _cleanup_free_ char *before = strfmt("--before=%s", version);
        const char *const then[] = { "rev-list", "-n1", before, MAIN, "--", NULL };
        uint64_t n;
        int64_t t;

        if (!before)
                return -ENOMEM;
        if (isempty(version))
                return rev_list(tip, ret_commit);
        if (strlen(version) == 40 && strspn(version, "0123456789abcdef") == 40) {
                if (git_run(ancestor, NULL) != 0)
                        return -ENOENT;
                *ret_commit = strdup(version);
                return *ret_commit ? 0 : -ENOMEM;
        }
        if (parse_uint64(version, &n) >= 0)
                return resolve_number(n, ret_commit);
        return parse_datetime(version, &t) >= 0 ? rev_list(then, ret_commit) : -EINVAL;
}

typedef struct Exporter {
        ObjectReader *reader;
        TarWriter *tar;
        int64_t commit_time_ns;
        TarEntry entry; /* of the file whose content is read */
} Exporter;

static int on_size(uint64_t size, void *userdata) {
        Exporter *x = userdata;

        x->entry.size = size;
        return tar_begin(x->tar, &x->entry);
}

static int on_content(const void *data, size_t size, void *userdata) {
        return tar_content(((Exporter *) userdata)->tar, data, size);
}

static int no_size(uint64_t size, void *userdata) {
        return 0;
}

static int export_plain(Exporter *x, const char *id) {
        int r = object_stream(x->reader, id, on_size, on_content, x);

        return r < 0 ? r : tar_end(x->tar);
}

/* Calls back for each group or chunk, whose order is that of their names. */
static int each_part(
                Exporter *x, const char *id, int (*part)(Exporter *x, const TreeEntry *e, uint64_t length)) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        uint64_t n = 0;
        TreeEntry e;
        int r;

        r = object_read(x->reader, id, "tree", &tree, &size);
        while (r >= 0 && (r = tree_next(tree, size, &at, &e)) > 0) {
                uint64_t index, length;

                r = folder_chunk_parse(e.name, &index, &length);
                if (r >= 0)
                        r = index == n++ ? part(x, &e, length) : -EBADMSG;
        }
        return r;
}

static int add_length(Exporter *x, const TreeEntry *e, uint64_t length) {
        if (length > UINT64_MAX / 2 - x->entry.size)
                return -EBADMSG;
        x->entry.size += length;
        return 0;
}

static int export_chunk(Exporter *x, const TreeEntry *e, uint64_t length) {
        uint64_t left = x->tar->left;
        int r = object_stream(x->reader, e->id, no_size, on_content, x);

        return r < 0 ? r : left - x->tar->left == length ? 0 : -EBADMSG;
}

static int export_group(Exporter *x, const TreeEntry *e, uint64_t length) {
        return each_part(x, e->id, export_chunk);
}

static int export_chunked(Exporter *x, const char *id) {
        int r;

        x->entry.size = 0;
        r = each_part(x, id, add_length);
        if (r >= 0)
                r = tar_begin(x->tar, &x->entry);
        if (r >= 0)
                r = each_part(x, id, export_group);
        return r < 0 ? r : tar_end(x->tar);
}

static int export_symlink(Exporter *x, const char *id) {
        _cleanup_free_ char *target = NULL;
        size_t size;
        int r = object_read(x->reader, id, "blob", &target, &size);

        if (r < 0)
                return r;
        if (strlen(target) != size)
                return -EBADMSG;
        x->entry.target = target;
        r = tar_begin(x->tar, &x->entry);
        x->entry.target = NULL;
        return r < 0 ? r : tar_end(x->tar);
}

static int export_directory(Exporter *x, const char *id, const char *prefix, unsigned depth);

static int export_entry(
                Exporter *x,
                const TreeEntry *e,
                const FolderEntry *f,
                const FolderMeta *meta,
                const char *path,
                unsigned depth) {
        static const TarType types[] = {
                [FOLDER_FILE] = TAR_FILE,
                [FOLDER_CHUNKED] = TAR_FILE,
                [FOLDER_DIRECTORY] = TAR_DIRECTORY,
                [FOLDER_SYMLINK] = TAR_SYMLINK,
        };
        int r;

        x->entry = (TarEntry){
                .type = types[f->kind],
                .path = path,
                .mode = f->kind == FOLDER_DIRECTORY || f->executable ? MODE_DEFAULT_DIRECTORY : 0644U,
                .mtime_ns = x->commit_time_ns,
        };
        (void) folder_meta_find(meta, folder_stored_name(e, f), &x->entry.mtime_ns, &x->entry.mode);
        switch (f->kind) {
        case FOLDER_FILE:
                return export_plain(x, e->id);
        case FOLDER_CHUNKED:
                return export_chunked(x, e->id);
        case FOLDER_SYMLINK:
                return export_symlink(x, e->id);
        case FOLDER_DIRECTORY:
                r = tar_begin(x->tar, &x->entry);
                if (r >= 0)
                        r = tar_end(x->tar);
                return r < 0 ? r : export_directory(x, e->id, path, depth + 1);
        case FOLDER_META:
        case FOLDER_FORMAT:
                break;
        }
        return 0;
}

/* The entry that holds the metadata, if there is one. */
static int read_meta(Exporter *x, const char *tree, size_t size, FolderMeta *meta) {
        size_t at = 0;
        TreeEntry e;
        int r;

        while ((r = tree_next(tree, size, &at, &e)) > 0) {
                _cleanup_free_ char *name = NULL;
                FolderEntry f;

                r = folder_entry_parse(&e, &f);
                if (r < 0)
                        return r;
                name = f.name;
                if (f.kind == FOLDER_META)
                        return folder_meta_read(x->reader, &e, meta);
        }
        return r;
}

static int export_directory(Exporter *x, const char *id, const char *prefix, unsigned depth) {
        _cleanup_free_ char *tree = NULL;
        FolderMeta meta = {};
        size_t size, at = 0;
        TreeEntry e;
        int r;

        if (depth > FOLDER_DEPTH_MAX)
                return -EBADMSG;
        r = object_read(x->reader, id, "tree", &tree, &size);
        if (r >= 0)
                r = read_meta(x, tree, size, &meta);
        while (r >= 0 && (r = tree_next(tree, size, &at, &e)) > 0) {
                _cleanup_free_ char *name = NULL, *path = NULL;
                FolderEntry f;

                r = folder_entry_parse(&e, &f);
                if (r < 0)
                        break;
                name = f.name;
                if (!name)
                        continue;
                path = isempty(prefix) ? strdup(name) : strfmt("%s/%s", prefix, name);
                r = path ? export_entry(x, &e, &f, &meta, path, depth) : -ENOMEM;
        }
        free(meta.text);
        return r;
}

/* Finds the component in the tree. *ret is in *ret_tree. */
static int find_entry(
                Exporter *x,
                const char *id,
                const char *name,
                char **ret_tree,
                TreeEntry *ret,
                FolderEntry *ret_f) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        TreeEntry e;
        int r;

        r = object_read(x->reader, id, "tree", &tree, &size);
        while (r >= 0 && (r = tree_next(tree, size, &at, &e)) > 0) {
                FolderEntry f;

                r = folder_entry_parse(&e, &f);
                if (r < 0)
                        return r;
                if (f.name && streq(f.name, name)) {
                        *ret_tree = TAKE_PTR(tree);
                        *ret = e;
                        *ret_f = f;
                        return 0;
                }
                free(f.name);
        }
        return r < 0 ? r : -ENOENT;
}

/* Goes down to the path and exports it. */
static int export_path(Exporter *x, const char *root, const char *path) {
        _cleanup_strv_free_ char **names = NULL;
        char id[OBJECT_ID_MAX + 1];
        int n = strv_split(path, "/", &names);

        if (n <= 0)
                return n < 0 ? n : export_directory(x, root, "", 0);
        (void) snprintf(id, sizeof(id), "%s", root);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *tree = NULL, *name = NULL;
                FolderMeta meta = {};
                FolderEntry f;
                TreeEntry e;
                int r;

                r = find_entry(x, id, names[i], &tree, &e, &f);
                if (r < 0)
                        return r;
                name = f.name;
                if (i + 1 == n)
                        return export_entry(x, &e, &f, &meta, name, 0);
                if (f.kind != FOLDER_DIRECTORY)
                        return -ENOENT;
                memcpy(id, e.id, sizeof(id));
        }
        return -ENOENT;
}

/* When the commit was made: "committer <name> <time> <zone>" in its head. */
static int64_t commit_time(const char *text) {
        const char *line = strstr(text, "\ncommitter "), *end = line ? strchr(line + 1, '\n') : NULL;
        const char *p = end;

        for (unsigned blanks = 0; p && p > line && blanks < 2; p--)
                blanks += p[-1] == ' ';
        return p ? strtoll(p + 1, NULL, 10) : 0;
}

int export_tar(const char *commit, const char *path, TarWriter *t) {
        _cleanup_(object_reader_freep) ObjectReader *reader = NULL;
        _cleanup_free_ char *text = NULL;
        Exporter x = { .tar = t };
        const char *tree;
        char id[OBJECT_ID_MAX + 1];
        size_t size, n;
        int r;

        r = object_reader_new(&reader);
        if (r >= 0)
                r = object_read(reader, commit, "commit", &text, &size);
        if (r < 0)
                return r;
        tree = startswith(text, "tree ");
        n = tree ? strcspn(tree, "\n") : 0;
        if (n == 0 || n > OBJECT_ID_MAX)
                return -EBADMSG;
        memcpy(id, tree, n);
        id[n] = 0;
        x.reader = reader;
        x.commit_time_ns = commit_time(text) * INT64_C(1000000000);
        r = export_path(&x, id, path);
        return r < 0 ? r : tar_finish(t);
}
