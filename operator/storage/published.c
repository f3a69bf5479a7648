/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <gcrypt.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/format/chunker.h"
#include "operator/storage/fast-import.h"
#include "operator/storage/git-run.h"
#include "operator/storage/publish.h"
#include "operator/storage/published.h"

#define PUBLISHED_REFS "refs/published/"
/* Relative to objects/, so that the repositories can be moved together. */
#define ALTERNATE "../../" PUBLISHED_REPOSITORY "/objects\n"
#define ALTERNATES_MAX 4096U
#define SHA1_SIZE 20U

/* A chunk, or the blob of a small file, that was written. */
typedef struct Part {
        char id[2 * SHA1_SIZE + 1];
        size_t size;
        bool ends_group;
} Part;

typedef struct Parts {
        Part *parts;
        size_t n;
} Parts;

static int git(const char *const arguments[]) {
        int r = git_run(arguments, NULL);

        return r > 0 ? -EIO : r;
}

static int make_repository(const char *directory) {
        const char *const init[] = {
                "init", "--quiet", "--bare", "--shared=group", "--template=", directory, NULL,
        };
        const char *const settings[][2] = {
                { "core.bigFileThreshold", "64k" },
                { "core.fsync", "all" },
                { "core.fsyncMethod", "fsync" },
                { "gc.auto", "0" },
        };
        int r = git(init);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(settings); i++) {
                const char *const set[] = { "--git-dir",    directory,      "config",
                                            settings[i][0], settings[i][1], NULL };

                r = git(set);
        }
        return r;
}

static int add_part(Parts *p, const void *data, size_t size) {
        uint8_t hash[SHA1_SIZE];
        gcry_buffer_t pieces[2] = {};
        char head[32];
        Part *part;

        if (ARRAY_GROW(p->parts, p->n) < 0)
                return -ENOMEM;
        part = p->parts + p->n++;
        pieces[0].size = pieces[0].len = (size_t) snprintf(head, sizeof(head), "blob %zu", size) + 1;
        pieces[0].data = head;
        pieces[1].size = pieces[1].len = size;
        pieces[1].data = (void *) data;
        if (gcry_md_hash_buffers(GCRY_MD_SHA1, 0, hash, pieces, 2) != 0)
                return -EOPNOTSUPP;
        *part = (Part){ .size = size, .ends_group = (hash[SHA1_SIZE - 1] & GROUP_MASK) == 0 };
        (void) format_hex(hash, sizeof(hash), part->id);
        return 0;
}

static int write_part(FastImport *f, Parts *p, const void *data, size_t size) {
        int r = add_part(p, data, size);

        if (r >= 0)
                fast_import_blob(f, data, size);
        return r;
}

/* The chunks of the file, as they come. */
static int write_chunks(FastImport *f, Parts *p, int fd) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK_MAX);
        Chunker chunker = {};
        size_t filled = 0;
        ssize_t n;
        int r = 0;

        if (!buffer)
                return -ENOMEM;
        while ((n = loop_read(fd, buffer + filled, CHUNK_MAX - filled)) > 0 || filled > 0) {
                size_t size = 0;
                bool end = false;

                if (n < 0)
                        return (int) n;
                filled += (size_t) n;
                while (size < filled && !end)
                        size += chunker_next(&chunker, buffer + size, filled - size, &end);
                r = write_part(f, p, buffer, size);
                if (r < 0)
                        return r;
                filled -= size;
                memmove(buffer, buffer + size, filled);
        }
        return n < 0 ? (int) n : r;
}

static int write_plain(FastImport *f, Parts *p, int fd) {
        _cleanup_free_ char *data = malloc(FORMAT_PLAIN_MAX + 1);
        ssize_t n;

        if (!data)
                return -ENOMEM;
        n = loop_read(fd, data, FORMAT_PLAIN_MAX + 1);
        if (n < 0)
                return (int) n;
        /* It grew while it was read. */
        return n > (ssize_t) FORMAT_PLAIN_MAX ? -ESTALE : write_part(f, p, data, (size_t) n);
}

/* The tree of groups of chunks. */
static void write_groups(FastImport *f, const Parts *p) {
        for (size_t first = 0, group = 0, end; first < p->n; first = end, group++) {
                unsigned long long length = 0;

                for (end = first; end < p->n && end - first < GROUP_MAX;) {
                        length += p->parts[end].size;
                        if (p->parts[end++].ends_group)
                                break;
                }
                for (size_t i = first; i < end; i++) {
                        char path[64];

                        (void) snprintf(path,
                                        sizeof(path),
                                        "%08zx-%llx/%08zx-%zx",
                                        group,
                                        length,
                                        i - first,
                                        p->parts[i].size);
                        fast_import_set(f, "100644", p->parts[i].id, path);
                }
        }
}

/* One commit whose tree is that of the groups, or has the blob as its only entry. */
static int import(const char *repository, const char *ref, int fd, bool chunked) {
        FastImport f;
        Parts p = {};
        int r, q;

        (void) gcry_check_version(NULL);
        r = fast_import_start(repository, &f);
        if (r < 0)
                return r;
        r = chunked ? write_chunks(&f, &p, fd) : write_plain(&f, &p, fd);
        if (r >= 0) {
                fast_import_commit(&f, ref, NULL, "publisher", 0, "published");
                if (chunked)
                        write_groups(&f, &p);
                else
                        fast_import_set(&f, "100644", p.parts[0].id, "content");
                q = fast_import_finish(&f);
        } else {
                /* Without its end it forgets all. */
                (void) fclose(f.to);
                q = git_wait(f.pid) < 0 ? -EIO : 0;
        }
        free(p.parts);
        return r < 0 ? r : q;
}

/* What the commit of an import holds. 1, or 0 if it was not imported. */
static int look_up(const char *repository, const char *ref, PublishedFile *ret) {
        _cleanup_free_ char *tree = strfmt("%s^{tree}", ref), *content = strfmt("%s:content", ref),
                            *id = NULL;
        const char *const plain[] = { "--git-dir", repository, "rev-parse", "--verify",
                                      "--quiet",   content,    NULL };
        const char *const chunked[] = { "--git-dir", repository, "rev-parse", "--verify",
                                        "--quiet",   tree,       NULL };
        int r;

        if (!tree || !content)
                return -ENOMEM;
        ret->chunked = false;
        r = git_run(plain, &id);
        if (r > 0) {
                ret->chunked = true;
                id = mfree(id);
                r = git_run(chunked, &id);
        }
        if (r != 0 || strlen(id) > OBJECT_ID_MAX)
                return r < 0 ? r : 0;
        (void) strcpy(ret->id, id);
        return 1;
}

static int import_locked(const char *repository, const char *spooled, const char *ref, PublishedFile *ret) {
        const char *const pack[] = { "--git-dir", repository,      "repack",       "-d",
                                     "-q",        "--geometric=2", "--write-midx", NULL };
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        r = look_up(repository, ref, ret);
        if (r != 0)
                return r < 0 ? r : 0;
        fd = open(spooled, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ENOENT;
        r = import(repository, ref, fd, (uint64_t) st.st_size > FORMAT_PLAIN_MAX);
        if (r >= 0)
                r = look_up(repository, ref, ret);
        /* Each publication is a pack. */
        if (r > 0)
                (void) git(pack);
        return r > 0 ? 0 : r < 0 ? r : -EIO;
}

int published_import(const char *repositories, const char *file, PublishedFile *ret) {
        _cleanup_free_ char *repository = strfmt("%s/" PUBLISHED_REPOSITORY, repositories);
        _cleanup_free_ char *spooled = strfmt("%s/" PUBLISH_SPOOL "/%s", repositories, file);
        _cleanup_free_ char *lock = strfmt("%s/" PUBLISH_SPOOL "/.lock", repositories);
        _cleanup_free_ char *ref = strfmt(PUBLISHED_REFS "%s", file);
        _cleanup_close_ int lock_fd = -EBADF;
        struct stat st;
        int r = 0;

        if (!repository || !spooled || !lock || !ref)
                return -ENOMEM;
        lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
        if (lock_fd < 0 || flock(lock_fd, LOCK_EX) < 0)
                return -errno;
        if (stat(repository, &st) < 0)
                r = make_repository(repository);
        return r < 0 ? r : import_locked(repository, spooled, ref, ret);
}

int published_borrow(const char *directory) {
        _cleanup_free_ char *path = strfmt("%s/objects/info/alternates", directory), *present = NULL;
        _cleanup_free_ char *info = strfmt("%s/objects/info", directory), *text = NULL;
        int r;

        if (!path || !info)
                return -ENOMEM;
        r = read_file(AT_FDCWD, path, ALTERNATES_MAX, &present, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        if (present && strstr(present, ALTERNATE))
                return 0;
        text = strfmt("%s" ALTERNATE, strempty(present));
        if (!text)
                return -ENOMEM;
        if (mkdir(info, 0770) < 0 && errno != EEXIST)
                return -errno;
        return write_file_atomic(AT_FDCWD, path, text, strlen(text), 0640);
}
