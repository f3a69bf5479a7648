/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/storage/git-run.h"
#include "operator/storage/maintenance.h"
#include "operator/storage/retention.h"
#include "operator/storage/staging.h"

#define CRUFT_STAMP "ispstorage-cruft"

static int git(const char *const arguments[]) {
        int r = git_run(arguments, NULL);

        return r > 0 ? -EIO : r;
}

/* The time of the newest ref of a namespace, and how many there are. */
static int newest_ref(int fd, const char *name_space, int64_t *ret_time, unsigned *ret_n) {
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *e;
        int64_t newest = 0;
        unsigned n = 0;
        int dir;

        dir = openat(fd, name_space, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir < 0)
                return -errno;
        d = fdopendir(dir);
        if (!d) {
                (void) close(dir);
                return -ENOMEM;
        }
        while ((e = readdir(d))) {
                struct stat st;

                if (e->d_name[0] == '.' || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                newest = MAX(newest, (int64_t) st.st_mtime);
                n++;
        }
        *ret_time = newest;
        *ret_n = n;
        return 0;
}

static int delete_namespace(const char *name_space) {
        _cleanup_free_ char *pattern = strfmt(STAGING_REFS "%s/", name_space);
        /* With the old value, so that one which its gateway touches now stays. */
        const char *const list[] = {
                "for-each-ref",
                "--format=delete %(refname) %(objectname)",
                pattern,
                NULL,
        };
        const char *const update[] = { "update-ref", "--stdin", NULL };

        return pattern ? git_pipe(list, update) : -ENOMEM;
}

static int expire_staging(const char *directory, int64_t now, unsigned *n_expired) {
        _cleanup_free_ char *path = strfmt("%s/" STAGING_REFS, directory);
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *e;
        int r;

        if (!path)
                return -ENOMEM;
        d = opendir(path);
        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d))) {
                int64_t newest = 0;
                unsigned n = 0;

                if (e->d_name[0] == '.' || newest_ref(dirfd(d), e->d_name, &newest, &n) < 0)
                        continue;
                /* An empty one, or what a killed push left. */
                if (n == 0)
                        (void) unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
                if (n == 0 || newest > now - STAGING_KEEP_SEC)
                        continue;
                r = delete_namespace(e->d_name);
                if (r < 0)
                        return r;
                *n_expired += n;
        }
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* Removes what begins with one of the prefixes, or ends so, and is older. */
static int remove_old(
                const char *directory,
                const char *below,
                const char *prefix,
                const char *suffix,
                int64_t before,
                unsigned *n_removed) {
        _cleanup_free_ char *path = strfmt("%s/%s", directory, below);
        _cleanup_closedir_ DIR *d = NULL;
        const struct dirent *e;

        if (!path)
                return -ENOMEM;
        d = opendir(path);
        if (!d)
                return errno == ENOENT ? 0 : -errno;
        while ((e = readdir(d))) {
                _cleanup_free_ char *entry = strfmt("%s/%s", path, e->d_name);
                struct stat st;

                if (!entry)
                        return -ENOMEM;
                if (!startswith(e->d_name, prefix) || !endswith(e->d_name, suffix) ||
                    lstat(entry, &st) < 0 || (int64_t) st.st_mtime > before)
                        continue;
                if (nftw(entry, remove_entry, 32, FTW_DEPTH | FTW_PHYS) == 0)
                        (*n_removed)++;
        }
        return 0;
}

static int remove_temporary(const char *directory, int64_t now, unsigned *n_removed) {
        static const struct {
                const char *below, *prefix, *suffix;
        } kinds[] = {
                { "objects", "tmp_objdir-", "" }, { "objects", "incoming-", "" },
                { "objects/pack", "tmp_", "" },   { "objects/pack", ".tmp-", "" },
                { "objects/pack", "", ".keep" },  { "objects/info", "", ".lock" },
                { "objects/pack", "", ".lock" },  { ".", "", ".lock" },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kinds); i++)
                r = remove_old(directory,
                               kinds[i].below,
                               kinds[i].prefix,
                               kinds[i].suffix,
                               now - TEMPORARY_KEEP_SEC,
                               n_removed);
        return r;
}

void remove_stale_main_lock(const char *directory, int64_t now) {
        unsigned n = 0;

        (void) remove_old(directory, "refs/heads", "main.lock", "", now - REF_LOCK_KEEP_SEC, &n);
}

/* Packs of what refs reach, so that each is at least twice as large as the next smaller; or, with cruft, one
 * of all, and what no ref reaches in a pack of its own, or away if it has waited long enough. */
static int repack(const char *directory, bool cruft) {
        const char *arguments[12] = { "repack", "-d", "-l", "-q", "--write-midx" };
        _cleanup_free_ char *alternates = strfmt("%s/objects/info/alternates", directory);
        size_t n = 5;

        if (!alternates)
                return -ENOMEM;
        if (cruft) {
                arguments[n++] = "-a";
                arguments[n++] = "--cruft";
                arguments[n++] = "--cruft-expiration=2.weeks.ago";
        } else
                arguments[n++] = "--geometric=2";
        /* A bitmap covers all that its commits reach, which is partly elsewhere then. */
        arguments[n++] = access(alternates, F_OK) < 0 ? "--write-bitmap-index" : "--no-write-bitmap-index";
        return git(arguments);
}

static bool cruft_is_due(const char *stamp, int64_t now) {
        struct stat st;

        return stat(stamp, &st) < 0 || (int64_t) st.st_mtime < now - CRUFT_INTERVAL_SEC;
}

void maintenance_collect_soon(const char *directory) {
        _cleanup_free_ char *stamp = strfmt("%s/" CRUFT_STAMP, directory);

        if (stamp)
                (void) unlink(stamp);
}

int repository_maintain(const char *directory, int64_t now, MaintenanceResult *ret) {
        const char *graph[] = { "commit-graph", "write", "--reachable", "--split", "--no-progress", NULL };
        _cleanup_free_ char *stamp = strfmt("%s/" CRUFT_STAMP, directory);
        MaintenanceResult m = {};
        int r;

        if (!stamp)
                return -ENOMEM;
        remove_stale_main_lock(directory, now);
        r = remove_temporary(directory, now, &m.n_temporary);
        if (r >= 0)
                r = expire_staging(directory, now, &m.n_staging_expired);
        if (r >= 0)
                r = retention_expire(now, &m.n_histories_expired);
        if (r < 0)
                return r;
        m.cruft = m.n_staging_expired + m.n_histories_expired > 0 || cruft_is_due(stamp, now);
        r = repack(directory, m.cruft);
        /* Its older layers may name commits that went. */
        if (m.cruft)
                graph[3] = "--split=replace";
        if (r >= 0)
                r = git(graph);
        if (r >= 0 && m.cruft)
                r = write_file_atomic(AT_FDCWD, stamp, "", 0, 0640);
        if (r < 0)
                return r;
        *ret = m;
        return 0;
}

int repository_check(char **ret_findings) {
        static const char *const arguments[] = { "fsck",          "--full",        "--strict",
                                                 "--no-dangling", "--no-progress", NULL };
        _cleanup_close_ int output = -EBADF;
        _cleanup_free_ char *text = NULL;
        ssize_t n;
        pid_t pid;
        int r;

        text = malloc(GIT_ANSWER_MAX + 1);
        if (!text)
                return -ENOMEM;
        /* Its findings are on standard error as well; only that they exist, and the first, matter. */
        r = git_start(arguments, &output, &pid);
        if (r < 0)
                return r;
        n = loop_read(output, text, GIT_ANSWER_MAX);
        output = safe_close(output);
        r = git_wait(pid);
        if (n < 0)
                return (int) n;
        if (r == 0)
                return 0;
        text[n] = 0;
        text[strcspn(text, "\n")] = 0;
        *ret_findings = TAKE_PTR(text);
        return -EBADMSG;
}
