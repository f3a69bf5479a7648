/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/format/chunker.h"
#include "syncd/git-object.h"
#include "syncd/push-source.h"
#include "syncd/sync-open.h"

int push_source_init(PushSource *s, ContentArea *area, int folder_fd) {
        *s = (PushSource){
                .area = area, .folder_fd = folder_fd, .fd = -EBADF, .buf = malloc(FORMAT_PLAIN_MAX)
        };
        return s->buf ? 0 : -ENOMEM;
}

void push_source_done(PushSource *s) {
        s->fd = safe_close(s->fd);
        s->buf = mfree(s->buf);
}

/* What a user can do to a path while it is read. */
static int stale(int error) {
        switch (error) {
        case -ENOENT:
        case -ENOTDIR:
        case -EISDIR:
        case -ELOOP:
        case -EXDEV:
        case -EBADF:
        case -EINVAL:
        case -ENXIO:
                return -ESTALE;
        default:
                return error;
        }
}

/* path NULL: the snapshot only. */
static int open_file(PushSource *s, const SyncOid *file, const char *path) {
        struct stat st;
        int r;

        if (s->fd >= 0 && sync_oid_equal(&s->file, file))
                return 0;
        s->fd = safe_close(s->fd);
        r = content_pending_open(s->area, file, &s->fd);
        if (r == -ENOENT && path) {
                if (s->folder_fd < 0)
                        return -ESTALE;
                r = sync_open_beneath(s->folder_fd, path, O_RDONLY);
                if (r >= 0)
                        s->fd = r;
        }
        if (r < 0)
                return stale(r);
        if (fstat(s->fd, &st) < 0)
                r = -errno;
        else if (!S_ISREG(st.st_mode))
                r = -ESTALE;
        else
                r = 0;
        if (r < 0)
                s->fd = safe_close(s->fd);
        else
                s->file = *file;
        return r;
}

/* The target of the symlink, in the buffer. */
static int read_target(PushSource *s, const SyncOid *target, const char *path, size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;
        const char *name;
        ssize_t n;

        if (open_file(s, target, NULL) >= 0)
                n = pread(s->fd, s->buf, SYNC_TARGET_MAX + 1, 0);
        else {
                if (s->folder_fd < 0)
                        return -ESTALE;
                fd = sync_open_parent(s->folder_fd, path, &name);
                if (fd < 0)
                        return stale(fd);
                n = readlinkat(fd, name, (char *) s->buf, SYNC_TARGET_MAX + 1);
        }
        if (n < 0)
                return stale(-errno);
        *ret_size = (size_t) n;
        return 0;
}

int push_source_size(PushSource *s, const SyncOid *file, const char *path, bool symlink, uint64_t *ret) {
        struct stat st;
        size_t size;
        int r;

        if (symlink) {
                r = read_target(s, file, path, &size);
                if (r >= 0)
                        *ret = size;
                return r;
        }
        r = open_file(s, file, path);
        if (r < 0)
                return r;
        if (fstat(s->fd, &st) < 0)
                return -errno;
        if ((uint64_t) st.st_size > FORMAT_PLAIN_MAX)
                return -ESTALE;
        *ret = (uint64_t) st.st_size;
        return 0;
}

/* The tree worker named it by a SHA-1 that notices no attack: this one does. What is part of one, but not what was
 * named, was changed meanwhile like anything else. */
static int check(const PushSource *s, size_t size, const git_oid *id) {
        git_oid name;
        int k, r = git_object_name(GIT_OBJECT_BLOB, s->buf, size, &name);

        if (r == -EKEYREJECTED) {
                k = git_blob_has_name(s->buf, size, id);
                return k < 0 ? k : k > 0 ? r : -ESTALE;
        }
        return r < 0 ? r : git_oid_equal(&name, id) ? 0 : -ESTALE;
}

int push_source_read(
                PushSource *s,
                const SyncOid *file,
                const char *path,
                uint64_t offset,
                uint64_t length,
                const git_oid *id,
                const void **ret) {

        size_t done = 0;
        int r;

        if (length > FORMAT_PLAIN_MAX)
                return -ESTALE;
        r = open_file(s, file, path);
        while (r >= 0 && done < length) {
                ssize_t n = pread(s->fd, s->buf + done, length - done, (off_t) (offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        r = n < 0 ? -errno : -ESTALE;
                else
                        done += (size_t) n;
        }
        if (r >= 0)
                r = check(s, done, id);
        if (r >= 0)
                *ret = s->buf;
        return r;
}

int push_source_read_symlink(
                PushSource *s,
                const SyncOid *target,
                const char *path,
                const git_oid *id,
                const void **ret,
                size_t *ret_size) {
        size_t size;
        int r;

        r = read_target(s, target, path, &size);
        if (r >= 0)
                r = check(s, size, id);
        if (r < 0)
                return r;
        *ret = s->buf;
        *ret_size = size;
        return 0;
}
