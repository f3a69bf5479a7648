/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/str.h"
#include "operator/storage/git-run.h"
#include "operator/storage/hook-rules.h"

#define STAGING "refs/staging/"
#define STAGING_WORDS_MAX 4U
#define STAGING_LENGTH_MAX 200U
/* objects/ has two levels, its quarantine one more. */
#define DEPTH_MAX 8U

static int take_id(const char **line, char ret[static OBJECT_ID_MAX + 1]) {
        size_t n = strspn(*line, "0123456789abcdef");

        if ((n != 40 && n != 64) || (*line)[n] != ' ')
                return -EINVAL;
        memcpy(ret, *line, n);
        ret[n] = 0;
        *line += n + 1;
        return 0;
}

int ref_update_parse(const char *line, RefUpdate *ret) {
        RefUpdate u;

        if (take_id(&line, u.old_id) < 0 || take_id(&line, u.new_id) < 0 || isempty(line))
                return -EINVAL;
        u.ref = line;
        *ret = u;
        return 0;
}

bool object_id_is_null(const char *id) {
        return strspn(id, "0") == strlen(id);
}

static bool staging_name_is_valid(const char *rest) {
        unsigned words = 0;

        if (strlen(rest) > STAGING_LENGTH_MAX)
                return false;
        for (;;) {
                size_t n = strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

                if (n == 0 || rest[0] == '.' || ++words > STAGING_WORDS_MAX)
                        return false;
                if (rest[n] == 0)
                        return words >= 2;
                if (rest[n] != '/')
                        return false;
                rest += n + 1;
        }
}

const char *ref_update_refusal(const RefUpdate *u) {
        const char *staging = startswith(u->ref, STAGING);

        if (staging)
                return staging_name_is_valid(staging) ? NULL : "refname: not a name of a staging ref";
        if (!streq(u->ref, REF_MAIN))
                return "refname: only refs/heads/main and refs/staging/ exist here";
        if (object_id_is_null(u->new_id))
                return "history: main is never deleted";
        return NULL;
}

int history_refusal(const RefUpdate *u, const char **ret_refusal) {
        _cleanup_free_ char *range = NULL, *merges = NULL;
        int r;

        if (object_id_is_null(u->old_id))
                range = strdup(u->new_id);
        else {
                const char *const ancestor[] = { "merge-base", "--is-ancestor", u->old_id, u->new_id, NULL };

                r = git_run(ancestor, NULL);
                if (r < 0)
                        return r;
                if (r > 0) {
                        *ret_refusal = "history: not a fast-forward of main";
                        return 0;
                }
                range = strfmt("%s..%s", u->old_id, u->new_id);
        }
        if (!range)
                return -ENOMEM;
        const char *const count[] = { "rev-list", "--count", "--min-parents=2", range, "--", NULL };

        r = git_run(count, &merges);
        if (r < 0)
                return r;
        *ret_refusal = r > 0                ? "history: main must be a commit"
                       : streq(merges, "0") ? NULL
                                            : "history: main is linear, it has no merges";
        return 0;
}

static int add_usage(int dir_fd, const char *name, unsigned depth, uint64_t *total) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int fd, r;

        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* git tidies up meanwhile */
        d = fdopendir(fd);
        if (!d) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        while ((e = readdir(d))) {
                struct stat st;

                if (streq(e->d_name, ".") || streq(e->d_name, "..") ||
                    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                *total += (uint64_t) st.st_blocks * 512;
                if (!S_ISDIR(st.st_mode) || depth == 0)
                        continue;
                r = add_usage(fd, e->d_name, depth - 1, total);
                if (r < 0)
                        return r;
        }
        return 0;
}

int directory_usage(const char *path, uint64_t *ret) {
        uint64_t total = 0;
        int r = add_usage(AT_FDCWD, path, DEPTH_MAX, &total);

        if (r >= 0)
                *ret = total;
        return r;
}
