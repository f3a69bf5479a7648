/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The staging directory: where it is, whose it is, and whether its file system can do what apply needs. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/sync-apply.h"
#include "syncd/sync-journal.h"
#include "syncd/sync-open.h"

#define STAGING_NAME ".ispstorage"
#define MARKER_NAME "marker"
/* A UUID, or what another file system has in its place. */
#define MARKER_MAX 128U
/* The prefix is one that scans ignore. */
#define PROBE_NAME ".ispstorage-probe"

static int open_own_directory(int dir_fd, const char *name, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(dir_fd, name, 0700) == 0) {
                if (fsync(dir_fd) < 0)
                        return -errno;
        } else if (errno != EEXIST)
                return -errno;

        fd = sync_open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        /* The disk may come from a gateway where the service had another user id. */
        if (fchown(fd, geteuid(), getegid()) < 0 || fchmod(fd, 0700) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int sync_staging_open(int volume_fd, const char *folder_id, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!sync_path_is_valid(folder_id) || strchr(folder_id, '/'))
                return -EINVAL;
        r = open_own_directory(volume_fd, STAGING_NAME, &fd);
        if (r < 0)
                return r;
        return open_own_directory(fd, folder_id, ret_fd);
}

int sync_staging_find(int volume_fd, const char *folder_id, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;

        if (!sync_path_is_valid(folder_id) || strchr(folder_id, '/'))
                return -EINVAL;
        fd = sync_open_beneath(volume_fd, STAGING_NAME, O_RDONLY | O_DIRECTORY);
        if (fd >= 0)
                *ret_fd = sync_open_beneath(fd, folder_id, O_RDONLY | O_DIRECTORY);
        return fd < 0 ? fd : MIN(*ret_fd, 0);
}

int sync_staging_remove(int volume_fd, const char *folder_id, int staging_fd) {
        _cleanup_closedir_ DIR *d = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct dirent *e;
        int copy;

        copy = openat(staging_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = copy >= 0 ? fdopendir(copy) : NULL;
        if (!d) {
                safe_close(copy);
                return -errno;
        }
        while ((e = readdir(d)))
                if (!streq(e->d_name, ".") && !streq(e->d_name, "..") && !streq(e->d_name, MARKER_NAME) &&
                    !streq(e->d_name, SYNC_JOURNAL_NAME) && !streq(e->d_name, SYNC_JOURNAL_NEW_NAME))
                        return 0;
        fd = sync_open_beneath(volume_fd, STAGING_NAME, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        (void) unlinkat(staging_fd, SYNC_JOURNAL_NAME, 0);
        (void) unlinkat(staging_fd, SYNC_JOURNAL_NEW_NAME, 0);
        (void) unlinkat(staging_fd, MARKER_NAME, 0);
        if (unlinkat(fd, folder_id, AT_REMOVEDIR) < 0)
                return -errno;
        /* That of the other folders, too. */
        (void) unlinkat(volume_fd, STAGING_NAME, AT_REMOVEDIR);
        return 0;
}

int sync_marker_write(int staging_fd, const char *file_system_uuid) {
        return write_file_atomic(staging_fd, MARKER_NAME, file_system_uuid, strlen(file_system_uuid), 0600);
}

int sync_marker_check(int staging_fd, const char *file_system_uuid) {
        _cleanup_free_ char *uuid = NULL;
        int r;

        r = read_file(staging_fd, MARKER_NAME, MARKER_MAX, &uuid, NULL);
        if (r == -EFBIG || r == -EBADMSG)
                return -ESTALE;
        if (r < 0)
                return r;
        return streq(uuid, file_system_uuid) ? 0 : -ESTALE;
}

static int make_probe(int staging_fd, const char *name) {
        const struct timespec times[2] = { { .tv_sec = 1, .tv_nsec = 1 }, { .tv_sec = 1, .tv_nsec = 1 } };
        _cleanup_close_ int fd = -EBADF;
        char path[sizeof("/proc/self/fd/") + 11];
        struct stat st;

        fd = openat(staging_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (futimens(fd, times) < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_mtim.tv_nsec != 1)
                return -EOPNOTSUPP;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        return linkat(AT_FDCWD, path, staging_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int try_probe(int staging_fd, int root_fd) {
        int r;

        r = make_probe(staging_fd, PROBE_NAME);
        if (r < 0)
                return r;
        r = make_probe(staging_fd, PROBE_NAME "2");
        if (r < 0)
                return r;
        if (renameat2(staging_fd, PROBE_NAME, staging_fd, PROBE_NAME "2", RENAME_EXCHANGE) < 0 ||
            renameat2(staging_fd, PROBE_NAME, root_fd, PROBE_NAME, RENAME_NOREPLACE) < 0)
                return -errno;
        return 0;
}

static void remove_probes(int staging_fd, int root_fd) {
        (void) unlinkat(staging_fd, PROBE_NAME, 0);
        (void) unlinkat(staging_fd, PROBE_NAME "2", 0);
        (void) unlinkat(root_fd, PROBE_NAME, 0);
}

int sync_staging_probe(int staging_fd, int root_fd) {
        struct stat staging, root;
        int r;

        if (fstat(staging_fd, &staging) < 0 || fstat(root_fd, &root) < 0)
                return -errno;
        if (staging.st_dev != root.st_dev)
                return -EXDEV;

        remove_probes(staging_fd, root_fd);
        r = try_probe(staging_fd, root_fd);
        remove_probes(staging_fd, root_fd);
        /* EINVAL: the file system does not know the flag; EISDIR: it knows no nameless files. */
        return r == -EINVAL || r == -EISDIR ? -EOPNOTSUPP : r;
}
