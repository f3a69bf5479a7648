/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/str.h"
#include "operator/storage/git-run.h"
#include "operator/storage/hook-rules.h"
#include "operator/storage/staging.h"

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

const char *ref_update_refusal(const RefUpdate *u, const char *name_space) {
        const char *staging = startswith(u->ref, STAGING_REFS);

        if (staging) {
                staging = name_space ? startswith(staging, name_space) : NULL;
                staging = staging ? startswith(staging, "/") : NULL;
                if (!staging)
                        return "refname: this staging ref belongs to another gateway";
                return staging_name_is_valid(staging) ? NULL : "refname: not a name of a staging ref";
        }
        if (!streq(u->ref, REF_MAIN))
                return "refname: only refs/heads/main and refs/staging/ exist here";
        if (object_id_is_null(u->new_id))
                return "history: main is never deleted";
        return NULL;
}

/* Reads "<commit> <parent>...", newest first, to the end or to what is refused; *ret_first is the parent of
 * the last one, "" if it has none; *ret_commits counts them. */
static int read_parents(
                FILE *f,
                char ret_first[static OBJECT_ID_MAX + 1],
                uint64_t *ret_commits,
                const char **ret_refusal) {
        char line[3 * (OBJECT_ID_MAX + 1) + 1];
        uint64_t n = 0;

        ret_first[0] = 0;
        while (fgets(line, sizeof(line), f)) {
                const char *parent = strchr(line, ' ');

                line[strcspn(line, "\n")] = 0;
                n++;
                parent = parent ? parent + 1 : "";
                if (strchr(parent, ' ')) {
                        *ret_refusal = "history: main is linear, it has no merges";
                        return 0;
                }
                if (strlen(parent) > OBJECT_ID_MAX)
                        return -EBADMSG;
                (void) stpcpy(ret_first, parent);
        }
        if (n == 0)
                *ret_refusal = "history: not a fast-forward of main";
        *ret_commits = n;
        return ferror(f) ? -EIO : 0;
}

int history_refusal(const RefUpdate *u, const char **ret_refusal, uint64_t *ret_commits) {
        bool first_push = object_id_is_null(u->old_id);
        _cleanup_free_ char *range = first_push ? strdup(u->new_id) : strfmt("%s..%s", u->old_id, u->new_id);
        const char *const arguments[] = { "rev-list", "--parents", range, "--", NULL }, *refusal = NULL;
        char first[OBJECT_ID_MAX + 1];
        FILE *f;
        pid_t pid;
        int fd, status, r;

        if (!range)
                return -ENOMEM;
        r = git_start(arguments, &fd, &pid);
        if (r < 0)
                return r;
        f = fdopen(fd, "r");
        if (f) {
                r = read_parents(f, first, ret_commits, &refusal);
                (void) fclose(f);
        } else {
                r = -ENOMEM;
                (void) safe_close(fd);
        }
        status = git_wait(pid);
        if (r < 0)
                return r;
        /* It has answered that there is nothing, or was cut short, where it failed but need not have. */
        if (status > 0)
                refusal = "history: main must be a commit";
        else if (!refusal && status < 0)
                return status;
        else if (!refusal && !streq(first, first_push ? "" : u->old_id))
                refusal = "history: not a fast-forward of main";
        *ret_refusal = refusal;
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
