/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/str.h"

int loop_write(int fd, const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

ssize_t loop_read(int fd, void *buf, size_t size) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = read(fd, (uint8_t *) buf + done, size - done);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        return (ssize_t) done;
}

/* Makes a rename in the directory that holds path durable. */
static int fsync_parent(int dir_fd, const char *path) {
        _cleanup_free_ char *parent = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *slash = strrchr(path, '/');

        parent = slash ? strndup(path, slash == path ? 1 : (size_t) (slash - path)) : strdup(".");
        if (!parent)
                return -ENOMEM;
        fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int write_new_file(
                int dir_fd, const char *path, mode_t mode, int (*write)(int fd, void *userdata), void *userdata) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        /* The mode of an older left-over file, and a umask, do not count. */
        if (fchmod(fd, mode) < 0)
                return -errno;
        r = write(fd, userdata);
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

int write_file_atomic_by(
                int dir_fd, const char *path, mode_t mode, int (*write)(int fd, void *userdata), void *userdata) {
        _cleanup_free_ char *temporary = NULL;
        int r;

        temporary = strfmt("%s.new", path);
        if (!temporary)
                return -ENOMEM;
        r = write_new_file(dir_fd, temporary, mode, write, userdata);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, path) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return fsync_parent(dir_fd, path);
}

static int write_whole(int fd, void *userdata) {
        const struct iovec *data = userdata;

        return loop_write(fd, data->iov_base, data->iov_len);
}

int write_file_atomic(int dir_fd, const char *path, const void *data, size_t size, mode_t mode) {
        struct iovec whole = { .iov_base = (void *) data, .iov_len = size };

        return write_file_atomic_by(dir_fd, path, mode, write_whole, &whole);
}

int read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *buf = NULL;
        struct stat st;
        ssize_t n;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((uint64_t) st.st_size > max)
                return -EFBIG;

        /* One byte more than the size tells that the file grew meanwhile; the files of /proc say 0. */
        size_t room = st.st_size > 0 ? (size_t) st.st_size : max;
        buf = malloc(room + 2);
        if (!buf)
                return -ENOMEM;
        n = loop_read(fd, buf, room + 1);
        if (n < 0)
                return (int) n;
        if ((size_t) n > room)
                return -EFBIG;
        buf[n] = 0;
        if (!ret_size && strlen(buf) != (size_t) n)
                return -EBADMSG;

        *ret = TAKE_PTR(buf);
        if (ret_size)
                *ret_size = (size_t) n;
        return 0;
}

int mkdir_parents(const char *path, mode_t mode) {
        _cleanup_free_ char *p = strdup(path);

        if (!p)
                return -ENOMEM;
        for (char *slash = strchr(p + 1, '/');; slash = strchr(slash + 1, '/')) {
                if (slash)
                        *slash = 0;
                if (mkdir(p, mode) < 0 && errno != EEXIST)
                        return -errno;
                if (!slash)
                        return 0;
                *slash = '/';
        }
}
