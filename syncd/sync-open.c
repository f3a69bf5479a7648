/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/base/cleanup.h"
#include "syncd/sync-open.h"

/* openat2() says EAGAIN if a rename anywhere on the system made it unsure; a few tries are enough. */
#define OPEN_TRIES 16U

int sync_open_beneath(int dir_fd, const char *path, int flags) {
        const struct open_how how = {
                .flags = (uint64_t) (flags | O_CLOEXEC | O_NOFOLLOW | (flags & O_PATH ? 0 : O_NONBLOCK)),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
        };
        long fd;

        for (unsigned i = 0; i < OPEN_TRIES; i++) {
                fd = syscall(SYS_openat2, dir_fd, path[0] ? path : ".", &how, sizeof(how));
                if (fd >= 0)
                        return (int) fd;
                if (errno != EAGAIN && errno != EINTR)
                        break;
        }
        return -errno;
}

int sync_open_parent(int root_fd, const char *path, const char **ret_name) {
        char parent[SYNC_PATH_MAX + 1];
        const char *name = sync_path_name(path);
        size_t length = name == path ? 0 : name - path - 1;
        int fd;

        if (length > SYNC_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(parent, path, length);
        parent[length] = '\0';
        fd = sync_open_beneath(root_fd, parent, O_RDONLY | O_DIRECTORY);
        if (fd >= 0)
                *ret_name = name;
        return fd;
}

/* The years 1677 to 2262 have a number; file systems know more of them, and users' files come from all. */
static int64_t nanoseconds(const struct timespec *t) {
        int64_t n;

        if (__builtin_mul_overflow(t->tv_sec, INT64_C(1000000000), &n) || __builtin_add_overflow(n, t->tv_nsec, &n))
                return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
        return n;
}

void sync_entry_set_stat(SyncEntry *e, const struct stat *st) {
        switch (st->st_mode & S_IFMT) {
        case S_IFREG:
                e->kind = SYNC_FILE;
                break;
        case S_IFLNK:
                e->kind = SYNC_SYMLINK;
                break;
        case S_IFDIR:
                e->kind = SYNC_DIRECTORY;
                break;
        default:
                e->kind = SYNC_SPECIAL;
        }
        e->inode = st->st_ino;
        e->mode = st->st_mode & 0777;
        e->executable = e->kind == SYNC_FILE && (st->st_mode & S_IXUSR);
        /* Size and times of a directory follow from what is in it. */
        if (e->kind == SYNC_DIRECTORY) {
                e->size = 0;
                e->mtime_ns = e->ctime_ns = 0;
                return;
        }
        e->size = st->st_size;
        e->mtime_ns = nanoseconds(&st->st_mtim);
        e->ctime_ns = nanoseconds(&st->st_ctim);
}

SyncUse sync_file_hold(int fd) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

        /* A read lease is refused exactly if someone can write: by a descriptor or by a mapping that outlived it. */
        if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN)
                return SYNC_USE_WRITER;
        if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
                sync_file_release(fd);
                return SYNC_USE_LOCKED;
        }
        return SYNC_USE_NONE;
}

void sync_file_release(int fd) {
        (void) fcntl(fd, F_SETLEASE, F_UNLCK);
}

SyncUse sync_file_use(int fd) {
        SyncUse use = sync_file_hold(fd);

        if (use == SYNC_USE_NONE)
                sync_file_release(fd);
        return use;
}
