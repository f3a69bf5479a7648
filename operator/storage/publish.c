/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <gcrypt.h>
#include <stdio.h>
#include <time.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/storage/fast-import.h"
#include "operator/storage/folder-tree.h"
#include "operator/storage/git-run.h"
#include "operator/storage/publish.h"
#include "operator/storage/published.h"

#define MAIN "refs/heads/main"
#define NAME_META "%%meta"
/* A push that came between makes another try. */
#define TRIES_MAX 10U

/* What one file means for the tree. */
typedef struct Change {
        PublishedFile content;
        char *directory;                    /* of stored names, "" for the root */
        char *plain, *chunked, *executable; /* the stored names that the file could have, with directory */
        char *stored;                       /* the name without a mark or directory */
        TreeEntry meta_entry;               /* of the directory's metadata; name is NULL if there is none */
        char *meta_path;                    /* what is to be replaced of it, or NULL */
        char *meta;
        size_t meta_size;
        bool needed; /* the folder does not have it yet */
} Change;

static void change_done(Change *c) {
        free(c->directory);
        free(c->plain);
        free(c->chunked);
        free(c->executable);
        free(c->stored);
        free(c->meta_path);
        free(c->meta);
        *c = (Change){};
}

/* True for a relative path of names: not empty, no "." or "..", no slash at the ends. */
static bool path_is_valid(const char *path) {
        size_t n = strlen(path);

        if (n == 0 || n > PUBLISH_PATH_MAX)
                return false;
        for (const char *p = path;; p++) {
                size_t k = strcspn(p, "/");

                if (k == 0 || k > 255 || (k == 1 && p[0] == '.') || (k == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += k;
                if (*p == 0)
                        return true;
        }
}

static char *join(const char *directory, const char *name) {
        return isempty(directory) ? strdup(name) : strfmt("%s/%s", directory, name);
}

/* The names that the file may have in its directory. */
static int set_names(Change *c, const char *name) {
        _cleanup_free_ char *chunked = NULL, *executable = NULL;
        int r;

        r = folder_entry_name(name, false, false, &c->stored);
        if (r >= 0)
                r = folder_entry_name(name, true, false, &chunked);
        if (r >= 0)
                r = folder_entry_name(name, true, true, &executable);
        if (r < 0)
                return r;
        c->plain = join(c->directory, c->stored);
        c->chunked = join(c->directory, chunked);
        c->executable = join(c->directory, executable);
        return c->plain && c->chunked && c->executable ? 0 : -ENOMEM;
}

/* Is this a record of a file that is replaced, in the same directory? */
static bool is_replaced(const Change *changes, size_t n, const char *directory, const char *stored) {
        for (size_t i = 0; i < n; i++)
                if (changes[i].needed && streq(changes[i].directory, directory) &&
                    streq(changes[i].stored, stored))
                        return true;
        return false;
}

/* Makes the metadata without these records. */
static int drop_records(const FolderMeta *meta, const Change *changes, size_t n, Change *c) {
        c->meta = malloc(meta->size + 1);
        if (!c->meta)
                return -ENOMEM;
        for (const char *p = meta->text, *end = p + meta->size, *next; p < end; p = next) {
                const char *nul = memchr(p, 0, (size_t) (end - p)),
                           *newline = nul ? memchr(nul, '\n', (size_t) (end - nul)) : NULL;

                if (!newline)
                        return -EBADMSG;
                next = newline + 1;
                if (is_replaced(changes, n, c->directory, p))
                        continue;
                memcpy(c->meta + c->meta_size, p, (size_t) (next - p));
                c->meta_size += (size_t) (next - p);
        }
        return 0;
}

/* The bucket in which a name's record is, of a directory with many entries. 1, or 0 if there is none. */
static int find_bucket(
                ObjectReader *r,
                const Change *c,
                char ret_name[static 3],
                char ret_id[static OBJECT_ID_MAX + 1]) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        uint8_t hash[20];
        TreeEntry e;
        int k;

        gcry_md_hash_buffer(GCRY_MD_SHA1, hash, c->stored, strlen(c->stored));
        (void) format_hex(hash, 1, ret_name);
        k = object_read(r, c->meta_entry.id, "tree", &tree, &size);
        while (k >= 0 && (k = tree_next(tree, size, &at, &e)) > 0)
                if (streq(e.name, ret_name)) {
                        memcpy(ret_id, e.id, sizeof(e.id));
                        return 1;
                }
        return k;
}

/* Time and mode that are recorded for the name are those of the file before. */
static int forget_meta(ObjectReader *r, const Change *changes, size_t n, Change *c) {
        TreeEntry blob = { .mode = 0100644 };
        _cleanup_free_ char *name = NULL;
        FolderMeta meta = {};
        char bucket[3] = "";
        int k = 1;

        if (!c->needed || !c->meta_entry.name)
                return 0;
        memcpy(blob.id, c->meta_entry.id, sizeof(blob.id));
        if (c->meta_entry.mode == 040000)
                k = find_bucket(r, c, bucket, blob.id);
        if (k <= 0)
                return k;
        name = strfmt("%s%s%s", NAME_META, bucket[0] ? "/" : "", bucket);
        c->meta_path = name ? join(c->directory, name) : NULL;
        k = c->meta_path ? folder_meta_read(r, &blob, &meta) : -ENOMEM;
        if (k >= 0)
                k = drop_records(&meta, changes, n, c);
        free(meta.text);
        return k;
}

/* Looks at the directory in which the file will be. */
static int look_at_directory(Change *c, ObjectReader *r, const char *id, const char *name) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        TreeEntry e;
        int k;

        k = object_read(r, id, "tree", &tree, &size);
        while (k >= 0 && (k = tree_next(tree, size, &at, &e)) > 0) {
                _cleanup_free_ char *found = NULL;
                FolderEntry f;

                k = folder_entry_parse(&e, &f);
                if (k < 0)
                        return k;
                found = f.name;
                if (f.kind == FOLDER_META) {
                        c->meta_entry = e;
                        c->meta_entry.name = NAME_META;
                }
                if (!found || !streq(found, name))
                        continue;
                if (f.kind == FOLDER_DIRECTORY)
                        return -EISDIR;
                if (streq(e.id, c->content.id) && (f.kind == FOLDER_CHUNKED) == c->content.chunked)
                        c->needed = false;
        }
        return k;
}

/* Goes one name down. 1 with *id, 0 if there is nothing of that name, -ENOTDIR if it is a file. */
static int enter(ObjectReader *r, char id[static OBJECT_ID_MAX + 1], const char *name) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        TreeEntry e;
        int k;

        k = object_read(r, id, "tree", &tree, &size);
        while (k >= 0 && (k = tree_next(tree, size, &at, &e)) > 0) {
                _cleanup_free_ char *found = NULL;
                FolderEntry f;

                k = folder_entry_parse(&e, &f);
                if (k < 0)
                        return k;
                found = f.name;
                if (!found || !streq(found, name))
                        continue;
                if (f.kind != FOLDER_DIRECTORY)
                        return -ENOTDIR;
                memcpy(id, e.id, sizeof(e.id));
                return 1;
        }
        return k;
}

/* tree: main's, NULL if it is empty. */
static int plan(Change *c, ObjectReader *r, const char *tree, const char *path) {
        _cleanup_strv_free_ char **names = NULL;
        char id[OBJECT_ID_MAX + 1] = "";
        int n, k = tree ? 1 : 0;

        n = strv_split(path, "/", &names);
        if (n < 0)
                return n;
        if (tree)
                (void) strcpy(id, tree);
        c->needed = true;
        c->directory = strdup("");
        for (int i = 0; i + 1 < n && c->directory; i++) {
                _cleanup_free_ char *stored = NULL, *above = TAKE_PTR(c->directory);
                int q = folder_entry_name(names[i], false, false, &stored);

                if (q >= 0 && k > 0)
                        q = k = enter(r, id, names[i]);
                if (q < 0)
                        return q;
                c->directory = join(above, stored);
        }
        if (!c->directory)
                return -ENOMEM;
        k = set_names(c, names[n - 1]) < 0 ? -EINVAL : k;
        return k <= 0 ? k : look_at_directory(c, r, id, names[n - 1]);
}

static int write_commit(const char *directory, const char *tip, const Change *changes, size_t n) {
        FastImport f;
        int r = fast_import_start(directory, &f);

        if (r < 0)
                return r;
        fast_import_commit(&f, MAIN, tip, "publisher", (int64_t) time(NULL), "Published by the operator\n");
        if (!tip)
                fast_import_set_content(&f, NAME_FORMAT, "", 0);
        for (size_t i = 0; i < n; i++) {
                const Change *c = changes + i;

                if (!c->needed)
                        continue;
                fast_import_remove(&f, c->plain);
                fast_import_remove(&f, c->chunked);
                fast_import_remove(&f, c->executable);
                if (c->content.chunked)
                        fast_import_set(&f, "040000", c->content.id, c->chunked);
                else
                        fast_import_set(&f, "100644", c->content.id, c->plain);
                if (c->meta_path && c->meta_size > 0)
                        fast_import_set_content(&f, c->meta_path, c->meta, c->meta_size);
                else if (c->meta_path)
                        fast_import_remove(&f, c->meta_path);
        }
        /* It moves main only forward: if a push came between, it fails. */
        return fast_import_finish(&f);
}

/* Main's tip and its tree; NULL if there is none. */
static int read_main(char **ret_tip, char **ret_tree) {
        const char *const tip[] = { "rev-parse", "--verify", "--quiet", MAIN, NULL };
        const char *const tree[] = { "rev-parse", "--verify", "--quiet", MAIN "^{tree}", NULL };
        int r;

        *ret_tip = *ret_tree = NULL;
        r = git_run(tip, ret_tip);
        if (r == 0)
                return git_run(tree, ret_tree) == 0 ? 0 : -EIO;
        *ret_tip = mfree(*ret_tip);
        return r < 0 ? r : 0;
}

/* Is it of the version that has files in chunks? */
static int has_chunks(ObjectReader *r, const char *id) {
        _cleanup_free_ char *tree = NULL;
        size_t size, at = 0;
        TreeEntry e;
        int k;

        k = object_read(r, id, "tree", &tree, &size);
        while (k >= 0 && (k = tree_next(tree, size, &at, &e)) > 0)
                if (streq(e.name, NAME_FORMAT))
                        return 1;
        return k;
}

static int publish_once(
                const char *directory,
                const PublishFile *files,
                Change *changes,
                size_t n,
                unsigned *ret_n,
                const char **ret_path) {
        _cleanup_(object_reader_freep) ObjectReader *reader = NULL;
        _cleanup_free_ char *tip = NULL, *tree = NULL;
        int r, chunks = 1;

        *ret_n = 0;
        r = read_main(&tip, &tree);
        if (r >= 0)
                r = object_reader_new(&reader);
        if (r >= 0 && tree)
                r = chunks = has_chunks(reader, tree);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                PublishedFile content = changes[i].content;

                change_done(changes + i);
                changes[i].content = content;
                *ret_path = files[i].path;
                if (content.chunked && chunks == 0)
                        return -EPROTO;
                r = plan(changes + i, reader, tree, files[i].path);
                *ret_n += changes[i].needed;
        }
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = forget_meta(reader, changes, n, changes + i);
        if (r < 0 || *ret_n == 0)
                return r;
        *ret_path = NULL;
        return write_commit(directory, tip, changes, n) < 0 ? -EAGAIN : 0;
}

int publish(const char *directory,
            const PublishFile *files,
            size_t n_files,
            unsigned *ret_n,
            const char **ret_path) {
        _cleanup_free_ char *repositories = strdup(directory);
        _cleanup_free_ Change *changes = calloc(n_files, sizeof(*changes));
        char *slash = repositories ? strrchr(repositories, '/') : NULL;
        int r = 0;

        if (!slash || !changes)
                return -ENOMEM;
        *slash = 0;
        for (size_t i = 0; r >= 0 && i < n_files; i++) {
                *ret_path = files[i].path;
                r = path_is_valid(files[i].path) && !strchr(files[i].file, '/')
                                    ? published_import(repositories, files[i].file, &changes[i].content)
                                    : -EINVAL;
        }
        if (r >= 0)
                r = published_borrow(directory);
        for (unsigned i = 0; r >= 0 && i < TRIES_MAX; i++) {
                r = publish_once(directory, files, changes, n_files, ret_n, ret_path);
                if (r != -EAGAIN || i + 1 == TRIES_MAX)
                        break;
                r = 0;
        }
        for (size_t i = 0; i < n_files; i++)
                change_done(changes + i);
        return r;
}
