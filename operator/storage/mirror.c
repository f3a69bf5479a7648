/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/common/repository-program.h"
#include "operator/storage/git-run.h"
#include "operator/storage/mirror.h"
#include "operator/storage/published.h"

#define RCLONE "/usr/bin/rclone"
#define ARGUMENTS_MAX 24U
/* The refs of a repository, staging refs left out: main. */
#define REFS_MAX 65536U
/* Names of all repositories of a host. */
#define LIST_MAX (64U * 1024U * 1024U)
/* In the refs of a repository that borrows what was published. */
#define BORROWS "borrows " PUBLISHED_REPOSITORY

/* Runs rclone; a bucket that does not answer is given up soon, the frontend tries again. */
static int rclone(const Mirror *m, const char *const words[], int input, int output) {
        const char *argv[ARGUMENTS_MAX] = {
                "--config",  m->config, "--contimeout",        "10s", "--timeout", "60s",
                "--retries", "1",       "--low-level-retries", "2",   "--quiet",
        };
        size_t n = 11;
        pid_t pid;
        int r;

        for (size_t i = 0; words[i]; i++) {
                assert(n + 1 < ARGUMENTS_MAX);
                argv[n++] = words[i];
        }
        r = program_spawn(RCLONE, argv, input, output, &pid);
        if (r >= 0)
                r = git_wait(pid);
        return r > 0 ? -EIO : r;
}

static int rclone_read(const Mirror *m, const char *const words[], size_t max, char **ret) {
        _cleanup_close_ int fd = memfd_create("answer", MFD_CLOEXEC);
        struct stat st;
        char *text;
        int r;

        if (fd < 0)
                return -errno;
        r = rclone(m, words, -EBADF, fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        if ((size_t) st.st_size > max)
                return -EFBIG;
        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        if (loop_read(fd, text, (size_t) st.st_size) != st.st_size) {
                free(text);
                return -EIO;
        }
        text[st.st_size] = 0;
        *ret = text;
        return 0;
}

/* What the refs are now. main alone: what is staged is not a version yet. */
static int read_refs(const char *directory, char **ret) {
        const char *const list[] = {
                "--git-dir",       directory,        "for-each-ref", "--format=%(objectname) %(refname)",
                "refs/heads/main", "refs/published", NULL,
        };
        _cleanup_free_ char *alternates = strfmt("%s/objects/info/alternates", directory);
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = calloc(1, REFS_MAX);
        ssize_t n;
        pid_t pid;
        int r;

        if (!alternates || !text)
                return -ENOMEM;
        r = git_start(list, &fd, &pid);
        if (r < 0)
                return r;
        n = loop_read(fd, text, REFS_MAX - sizeof(BORROWS) - 2);
        fd = safe_close(fd);
        r = git_wait(pid);
        if (r != 0 || n < 0)
                return r < 0 ? r : -EIO;
        if (access(alternates, F_OK) >= 0)
                (void) stpcpy(text + n, BORROWS "\n");
        *ret = TAKE_PTR(text);
        return 0;
}

static int update_one(const char *directory, const Mirror *m) {
        _cleanup_free_ char *refs = NULL, *packs = strfmt("%s/objects/pack", directory);
        _cleanup_free_ char *remote = strfmt("%s/%s/pack", m->remote, basename(directory));
        _cleanup_free_ char *remote_refs = strfmt("%s/%s/refs", m->remote, basename(directory));
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!packs || !remote || !remote_refs)
                return -ENOMEM;
        /* Refs first: all that they need is in the packs that are there afterwards. What repacking made
         * superfluous goes when what takes its place has come. */
        r = read_refs(directory, &refs);
        if (r < 0)
                return r;
        const char *const sync[] = {
                "sync", "--delete-after", "--size-only", "--immutable", "--include", "pack-*.{pack,idx,rev}",
                packs,  remote,           NULL,
        };
        const char *const put[] = { "rcat", remote_refs, NULL };

        r = rclone(m, sync, -EBADF, -EBADF);
        if (r < 0)
                return r;
        fd = memfd_create("refs", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = loop_write(fd, refs, strlen(refs));
        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? r : rclone(m, put, fd, -EBADF);
}

static int published_beside(const char *directory, char **ret) {
        _cleanup_free_ char *repositories =
                        strndup(directory, (size_t) (basename(directory) - directory));

        *ret = repositories ? strfmt("%s" PUBLISHED_REPOSITORY, repositories) : NULL;
        return *ret ? 0 : -ENOMEM;
}

int mirror_update(const char *directory, const Mirror *m) {
        _cleanup_free_ char *alternates = strfmt("%s/objects/info/alternates", directory), *published = NULL;
        int r;

        r = alternates ? published_beside(directory, &published) : -ENOMEM;
        if (r >= 0 && access(alternates, F_OK) >= 0)
                r = update_one(published, m);
        return r < 0 ? r : update_one(directory, m);
}

int mirror_remove(const char *directory, const Mirror *m) {
        _cleanup_free_ char *remote = strfmt("%s/%s", m->remote, basename(directory)), *list = NULL;
        const char *const purge[] = { "purge", remote, NULL }, *const names[] = { "lsf", m->remote, NULL };
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_free_ char *line = strfmt("%s/", basename(directory));
        int r;

        if (!remote || !line)
                return -ENOMEM;
        /* A bucket has no answer that tells "not there" from "not reached", a list has. */
        r = rclone_read(m, names, LIST_MAX, &list);
        if (r >= 0)
                r = strv_split(list, "\n", &lines);
        if (r < 0)
                return r;
        return strv_contains(lines, line) ? rclone(m, purge, -EBADF, -EBADF) : 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* Sets the refs; git refuses one whose object is not there. */
static int set_refs(const char *directory, const char *refs) {
        const char *const update[] = { "--git-dir", directory, "update-ref", "--stdin", NULL };
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_close_ int fd = memfd_create("refs", MFD_CLOEXEC);
        pid_t pid;
        int r;

        if (fd < 0)
                return -errno;
        r = strv_split(refs, "\n", &lines);
        STRV_FOREACH (line, lines) {
                const char *ref = strchr(*line, ' ');

                if (streq(*line, BORROWS)) {
                        r = published_borrow(directory);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (!ref || (!streq(ref + 1, "refs/heads/main") && !startswith(ref + 1, "refs/published/")))
                        return -EBADMSG;
                if (dprintf(fd, "create %s %.*s\n", ref + 1, (int) (ref - *line), *line) < 0)
                        return -errno;
        }
        if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return r < 0 ? r : -errno;
        r = git_spawn(update, fd, -EBADF, &pid);
        if (r >= 0)
                r = git_wait(pid);
        return r > 0 ? -EBADMSG : r;
}

static int restore_into(const char *directory, const char *name, const Mirror *m) {
        _cleanup_free_ char *refs = NULL, *packs = strfmt("%s/objects/pack", directory);
        _cleanup_free_ char *remote = strfmt("%s/%s/pack", m->remote, name);
        _cleanup_free_ char *remote_refs = strfmt("%s/%s/refs", m->remote, name);
        const char *const init[] = {
                "init",        "--quiet", "--bare", "--shared=group", "--initial-branch=main",
                "--template=", directory, NULL,
        };
        const char *const check[] = { "--git-dir",     directory,       "fsck", "--connectivity-only",
                                      "--no-dangling", "--no-progress", NULL };
        int r;

        if (!packs || !remote || !remote_refs)
                return -ENOMEM;
        const char *const get[] = { "cat", remote_refs, NULL }, *const copy[] = {
                "copy", remote, packs, NULL
        };

        r = git_run(init, NULL);
        if (r == 0)
                r = rclone_read(m, get, REFS_MAX, &refs);
        if (r >= 0)
                r = rclone(m, copy, -EBADF, -EBADF);
        if (r >= 0)
                r = set_refs(directory, refs);
        if (r >= 0)
                r = git_run(check, NULL);
        return r > 0 ? -EBADMSG : r;
}

int mirror_restore(const char *repositories, const Mirror *m, unsigned *ret_n) {
        const char *const names[] = { "lsf", "--dirs-only", m->remote, NULL };
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_free_ char *list = NULL;
        int r;

        *ret_n = 0;
        r = rclone_read(m, names, LIST_MAX, &list);
        if (r >= 0)
                r = strv_split(list, "/\n", &lines);
        if (r < 0)
                return r;
        /* In this order what was published is there before those who borrow from it. */
        STRV_FOREACH (name, strv_sort(lines)) {
                _cleanup_free_ char *target = strfmt("%s/%s", repositories, *name);
                _cleanup_free_ char *temporary = strfmt("%s/%s.new", repositories, *name);

                if (!target || !temporary)
                        return -ENOMEM;
                if (!endswith(*name, ".git") || access(target, F_OK) >= 0)
                        continue;
                (void) nftw(temporary, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
                r = restore_into(temporary, *name, m);
                if (r >= 0 && rename(temporary, target) < 0)
                        r = -errno;
                if (r < 0)
                        return r;
                (*ret_n)++;
        }
        return 0;
}
