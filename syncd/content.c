/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/content.h"
#include "syncd/sync-open.h"

#define CONTENT_NAME "content"
#define PENDING_NAME "pending"
#define PART_SUFFIX ".part"
#define MALFORMED_SUFFIX ".bad"
#define SEEN_SUFFIX ".seen"

typedef char OidHex[2 * SYNC_OID_SIZE + 1];
typedef char PartName[2 * SYNC_OID_SIZE + sizeof(PART_SUFFIX)];

static const char *file_name(const SyncOid *file, OidHex buf) {
        return format_hex(file->bytes, SYNC_OID_SIZE, buf);
}

static_assert(sizeof(MALFORMED_SUFFIX) <= sizeof(PART_SUFFIX) && sizeof(SEEN_SUFFIX) <= sizeof(PART_SUFFIX),
              "PartName has room for each");

static const char *suffixed_name(const SyncOid *file, const char *suffix, PartName buf) {
        (void) strcpy(buf + strlen(format_hex(file->bytes, SYNC_OID_SIZE, buf)), suffix);
        return buf;
}

static const char *part_name(const SyncOid *file, PartName buf) {
        return suffixed_name(file, PART_SUFFIX, buf);
}

static int open_directory(int staging_fd, const char *name) {
        if (mkdirat(staging_fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        return sync_open_beneath(staging_fd, name, O_RDONLY | O_DIRECTORY);
}

int content_area_open(ContentArea *ret, int staging_fd, uint64_t disk_floor) {
        int content_fd, pending_fd;

        content_fd = open_directory(staging_fd, CONTENT_NAME);
        if (content_fd < 0)
                return content_fd;
        pending_fd = open_directory(staging_fd, PENDING_NAME);
        if (pending_fd < 0) {
                safe_close(content_fd);
                return pending_fd;
        }
        *ret = (ContentArea) { .content_fd = content_fd, .pending_fd = pending_fd, .disk_floor = disk_floor };
        return 0;
}

static void forget_unsynced(ContentArea *a) {
        while (a->n_unsynced > 0)
                safe_close(a->unsynced[--a->n_unsynced]);
        a->many_unsynced = false;
}

void content_area_close(ContentArea *a) {
        forget_unsynced(a);
        a->content_fd = safe_close(a->content_fd);
        a->pending_fd = safe_close(a->pending_fd);
}

void content_area_remove(ContentArea *a, int staging_fd) {
        content_area_close(a);
        (void) unlinkat(staging_fd, CONTENT_NAME, AT_REMOVEDIR);
        (void) unlinkat(staging_fd, PENDING_NAME, AT_REMOVEDIR);
}

void content_note_unsynced(ContentArea *a, int fd) {
        int copy = fd >= 0 && a->n_unsynced < CONTENT_SINGLE_SYNCS_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;

        if (copy >= 0)
                a->unsynced[a->n_unsynced++] = copy;
        else
                a->many_unsynced = true;
}

int content_sync(ContentArea *a) {
        if (a->many_unsynced && syncfs(a->pending_fd) < 0)
                return -errno;
        for (unsigned i = 0; i < a->n_unsynced && !a->many_unsynced; i++)
                if (fsync(a->unsynced[i]) < 0)
                        return -errno;
        if (a->n_unsynced > 0 && !a->many_unsynced && fsync(a->pending_fd) < 0)
                return -errno;
        forget_unsynced(a);
        return 0;
}

uint64_t content_space(const ContentArea *a) {
        struct statvfs st;
        uint64_t available;

        /* Then writing tells. */
        if (fstatvfs(a->content_fd, &st) < 0)
                return UINT64_MAX / 2;
        available = (uint64_t) st.f_bavail * st.f_frsize;
        return available > a->disk_floor ? available - a->disk_floor : 0;
}

bool content_has_space(const ContentArea *a, uint64_t size) {
        /* An empty file fits everywhere above the floor. */
        return content_space(a) >= MAX(size, 1U);
}

static int preallocate(int fd, uint64_t size) {
        if (size == 0 || size == SYNC_SIZE_UNKNOWN)
                return 0;
        if (ftruncate(fd, (off_t) size) < 0)
                return -errno;
        return fallocate(fd, 0, 0, (off_t) size) < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

int content_part_open(ContentArea *a, const SyncOid *file, uint64_t size, bool *ret_new, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        PartName name;
        int r;

        fd = openat(a->content_fd, part_name(file, name), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 || errno != ENOENT) {
                if (fd < 0)
                        return -errno;
                *ret_new = false;
                *ret_fd = TAKE_FD(fd);
                return 0;
        }
        if (!content_has_space(a, size == SYNC_SIZE_UNKNOWN ? 0 : size))
                return -ENOSPC;
        fd = openat(a->content_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = preallocate(fd, size);
        if (r < 0) {
                (void) unlinkat(a->content_fd, name, 0);
                return r;
        }
        *ret_new = true;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static bool is_hole(int fd, uint64_t offset) {
        off_t data = lseek(fd, (off_t) offset, SEEK_DATA);

        return data < 0 ? errno == ENXIO : (uint64_t) data > offset;
}

bool content_part_is_written(int fd, uint64_t offset, uint64_t length) {
        return length == 0 || (!is_hole(fd, offset) && !is_hole(fd, offset + length - 1));
}

bool content_part_is(ContentArea *a, const SyncOid *file, int fd) {
        struct stat st, named;
        PartName name;

        return fstat(fd, &st) >= 0 && fstatat(a->content_fd, part_name(file, name), &named, AT_SYMLINK_NOFOLLOW) >= 0 &&
               st.st_dev == named.st_dev && st.st_ino == named.st_ino;
}

static int lock_part(ContentArea *a, const SyncOid *file, int *ret_fd) {
        for (;;) {
                _cleanup_close_ int fd = -EBADF;
                PartName name;

                fd = openat(a->content_fd, part_name(file, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
                if (fd < 0)
                        return -errno;
                while (flock(fd, LOCK_EX) < 0)
                        if (errno != EINTR)
                                return -errno;
                /* Somebody else may have completed it meanwhile. */
                if (content_part_is(a, file, fd)) {
                        *ret_fd = TAKE_FD(fd);
                        return 0;
                }
        }
}

void content_begin_writeback(int fd, uint64_t offset, uint64_t size) {
        (void) sync_file_range(fd, (off_t) offset, (off_t) size, SYNC_FILE_RANGE_WRITE);
}

int content_part_complete(ContentArea *a, const SyncOid *file) {
        _cleanup_close_ int fd = -EBADF;
        PartName part;
        struct stat st;
        OidHex name;
        int r;

        r = lock_part(a, file, &fd);
        if (r < 0)
                return r == -ENOENT && content_has(a, file) > 0 ? 0 : r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t) st.st_size < CONTENT_DURABLE_MIN)
                content_begin_writeback(fd, 0, 0);
        else if (fdatasync(fd) < 0)
                return -errno;
        return renameat(a->content_fd, part_name(file, part), a->content_fd, file_name(file, name)) < 0 ? -errno : 0;
}

void content_part_remove(ContentArea *a, const SyncOid *file) {
        PartName name;

        (void) unlinkat(a->content_fd, part_name(file, name), 0);
}

static void mark(ContentArea *a, const SyncOid *file, const char *suffix) {
        PartName name;

        safe_close(openat(a->content_fd,
                          suffixed_name(file, suffix, name),
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                          0600));
}

void content_mark_malformed(ContentArea *a, const SyncOid *file) {
        content_part_remove(a, file);
        mark(a, file, MALFORMED_SUFFIX);
}

bool content_is_malformed(ContentArea *a, const SyncOid *file) {
        PartName name;

        return faccessat(a->content_fd, suffixed_name(file, MALFORMED_SUFFIX, name), F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static int open_file(int dir_fd, const SyncOid *file, int *ret_fd) {
        OidHex name;
        int fd;

        fd = openat(dir_fd, file_name(file, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

int content_open(ContentArea *a, const SyncOid *file, int *ret_fd) {
        return open_file(a->content_fd, file, ret_fd);
}

int content_pending_open(ContentArea *a, const SyncOid *file, int *ret_fd) {
        return open_file(a->pending_fd, file, ret_fd);
}

static int has_file(int dir_fd, const SyncOid *file) {
        OidHex name;

        if (faccessat(dir_fd, file_name(file, name), F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return 1;
        return errno == ENOENT ? 0 : -errno;
}

int content_has(ContentArea *a, const SyncOid *file) {
        return has_file(a->content_fd, file);
}

int content_pending_has(ContentArea *a, const SyncOid *file) {
        return has_file(a->pending_fd, file);
}

void content_pending_remove(ContentArea *a, const SyncOid *file) {
        OidHex name;

        (void) unlinkat(a->pending_fd, file_name(file, name), 0);
}

int content_link(ContentArea *a, const SyncOid *file, int dir_fd, const char *name) {
        OidHex from;

        return linkat(a->content_fd, file_name(file, from), dir_fd, name, 0) < 0 ? -errno : 0;
}

void content_release(ContentArea *a, const SyncOid *file) {
        struct stat st;
        OidHex name;

        if (fstatat(a->content_fd, file_name(file, name), &st, AT_SYMLINK_NOFOLLOW) >= 0 && st.st_nlink > 1)
                (void) unlinkat(a->content_fd, name, 0);
}

void content_remove(ContentArea *a, const SyncOid *file) {
        OidHex name;

        (void) unlinkat(a->content_fd, file_name(file, name), 0);
}

void content_drop_damaged(ContentArea *a, const SyncOid *file) {
        int r = content_has(a, file);

        if (r > 0)
                content_remove(a, file);
        else if (r == 0)
                content_pending_remove(a, file);
}

/* --- snapshots --- */

/* What copies leave to the users: many versions of one file must not fill the volume. */
static uint64_t copies_floor(const ContentArea *a) {
        struct statvfs st;

        if (fstatvfs(a->content_fd, &st) < 0)
                return 0;
        return MIN((uint64_t) st.f_blocks * st.f_frsize / 10, CONTENT_COPIES_FLOOR_MAX);
}

int content_snapshot_begin(ContentArea *a, int source_fd, uint64_t size, ContentSnapshot *ret) {
        _cleanup_close_ int fd = -EBADF;

        fd = openat(a->pending_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (ioctl(fd, FICLONE, source_fd) >= 0) {
                *ret = (ContentSnapshot) { .fd = TAKE_FD(fd), .cloned = true };
                return 0;
        }
        if (!content_has_space(a, size + copies_floor(a)))
                return -ENOSPC;
        *ret = (ContentSnapshot) { .fd = TAKE_FD(fd) };
        return 0;
}

int content_snapshot_finish(ContentArea *a, ContentSnapshot *s, const SyncOid *file) {
        char path[sizeof("/proc/self/fd/") + 11];
        OidHex name;
        int r = 0;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
        if (linkat(AT_FDCWD, path, a->pending_fd, file_name(file, name), AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
                r = -errno;
        else
                content_note_unsynced(a, s->fd);
        content_snapshot_abandon(s);
        return r;
}

void content_snapshot_abandon(ContentSnapshot *s) {
        s->fd = safe_close(s->fd);
}

/* --- what is left over --- */

/* What follows the oid, or NULL if it is no name of ours. */
static const char *parse_name(const char *name, SyncOid *ret) {
        const char *suffix;
        OidHex hex;

        if (strlen(name) < sizeof(hex) - 1)
                return NULL;
        suffix = name + sizeof(hex) - 1;
        if (*suffix && !streq(suffix, PART_SUFFIX) && !streq(suffix, MALFORMED_SUFFIX) && !streq(suffix, SEEN_SUFFIX))
                return NULL;
        memcpy(hex, name, sizeof(hex) - 1);
        hex[sizeof(hex) - 1] = 0;
        return parse_hex(hex, ret->bytes, SYNC_OID_SIZE) >= 0 ? suffix : NULL;
}

static DIR *open_entries(int dir_fd) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

        if (!d)
                safe_close(fd);
        return d;
}

void content_mark_seen(ContentArea *a, const SyncOid *tree) {
        mark(a, tree, SEEN_SUFFIX);
}

/* The next tree that is marked, by its name in the directory; or NULL. */
static const char *next_seen(DIR *d, SyncOid *ret) {
        struct dirent *e;

        while (d && (e = readdir(d))) {
                const char *suffix = parse_name(e->d_name, ret);

                if (suffix && streq(suffix, SEEN_SUFFIX))
                        return e->d_name;
        }
        return NULL;
}

size_t content_list_seen(ContentArea *a, SyncOid *ret, size_t max) {
        _cleanup_closedir_ DIR *d = open_entries(a->content_fd);
        size_t n = 0;

        while (n < max && next_seen(d, ret + n))
                n++;
        return n;
}

void content_forget_seen(ContentArea *a) {
        _cleanup_closedir_ DIR *d = open_entries(a->content_fd);
        const char *name;
        SyncOid tree;

        while ((name = next_seen(d, &tree)))
                (void) unlinkat(a->content_fd, name, 0);
}

/* age_sec: what is younger stays. A file may seem to be of the future: the kernel stamps it by a finer clock than
 * time() reads. */
static void sweep(int dir_fd, unsigned age_sec, ContentKeep keep, void *userdata) {
        _cleanup_closedir_ DIR *d = open_entries(dir_fd);
        struct dirent *e;
        time_t now = time(NULL);

        while (d && (e = readdir(d))) {
                const char *suffix;
                struct stat st;
                SyncOid oid;
                bool kept;

                if (streq(e->d_name, ".") || streq(e->d_name, "..") ||
                    fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                suffix = parse_name(e->d_name, &oid);
                /* Content and parts of it may be wanted, marks are not. */
                kept = suffix && ((age_sec > 0 && now - st.st_mtime < (time_t) age_sec) ||
                                  (keep && (!*suffix || streq(suffix, PART_SUFFIX)) && keep(&oid, userdata)));
                /* What has a second name is in the folder already. */
                if (kept && st.st_nlink < 2)
                        continue;
                (void) unlinkat(dir_fd, e->d_name, 0);
        }
}

void content_sweep(ContentArea *a, unsigned age_sec, ContentKeep keep, void *userdata) {
        sweep(a->content_fd, age_sec, keep, userdata);
}

void content_sweep_pending(ContentArea *a, ContentKeep keep, void *userdata) {
        sweep(a->pending_fd, 0, keep, userdata);
}
