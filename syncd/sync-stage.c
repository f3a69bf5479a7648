/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The new entry of an operation, complete and verified before anybody can see it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/sync-apply-internal.h"

#define SECOND_NS INT64_C(1000000000)
#define FILE_MODE 0644
#define EXECUTABLE_MODE 0755
#define DIRECTORY_MODE 0755

static bool has_space(const ApplyRun *run, uint64_t size) {
        struct statvfs st;
        uint64_t available;

        if (fstatvfs(run->apply->staging_fd, &st) < 0)
                return true;
        available = (uint64_t) st.f_bavail * st.f_frsize;
        return available >= size && available - size >= run->apply->disk_floor;
}

static int check_space(ApplyRun *run, uint64_t size) {
        int r;

        if (has_space(run, size))
                return 0;
        /* What was displaced waits only for a rare latecomer; space for new content is worth more. */
        r = apply_settle(run, 0);
        if (r < 0)
                return r;
        return has_space(run, size) ? 0 : -ENOSPC;
}

static void set_times(struct timespec times[static 2], int64_t mtime_ns) {
        times[0] = (struct timespec) { .tv_nsec = UTIME_OMIT };
        times[1] = (struct timespec) { .tv_sec = mtime_ns / SECOND_NS, .tv_nsec = mtime_ns % SECOND_NS };
        if (times[1].tv_nsec < 0) {
                times[1].tv_nsec += SECOND_NS;
                times[1].tv_sec--;
        }
        if (mtime_ns == 0)
                times[1].tv_nsec = UTIME_OMIT;
}

static int verify(ApplyRun *run, const SyncEntry *wanted, int fd) {
        const SyncHasher *hasher = &run->apply->hasher;
        SyncOid oid;
        int r;

        if (run->apply->is_content) {
                r = run->apply->is_content(wanted, fd, run->apply->userdata);
                return r == 0 ? -ENODATA : MIN(r, 0);
        }
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        r = hasher->file(fd, false, &oid, hasher->userdata);
        if (r < 0)
                return r;
        return sync_oid_equal(&oid, &wanted->oid) ? 0 : -ENODATA;
}

/* Fills an empty file and proves that it holds what the oid names. */
static int fill(ApplyRun *run, const SyncEntry *wanted, int fd) {
        const SyncApply *a = run->apply;
        int r;

        if (wanted->size > 0 && wanted->size != SYNC_SIZE_UNKNOWN &&
            fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t) wanted->size) < 0 && errno != EOPNOTSUPP)
                return -errno;
        r = a->write_content(&wanted->oid, wanted->size, fd, a->userdata);
        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        return verify(run, wanted, fd);
}

static bool is_taken(const ApplyRun *run, const SyncOid *oid) {
        for (size_t i = 0; i < run->n_taken; i++)
                if (sync_oid_equal(run->taken + i, oid))
                        return true;
        return false;
}

/* It is to be a file of the folder's, so nobody else may be able to write to it any more: neither by a name, nor by a
 * descriptor that a transfer worker still has. -EBUSY if one has. */
static int take_over(const ApplyRun *run, int fd) {
        if (run->apply->uid != (uid_t) -1 && fchown(fd, run->apply->uid, run->apply->gid) < 0)
                return -errno;
        if (fchmod(fd, 0600) < 0)
                return -errno;
        return sync_file_use(fd) == SYNC_USE_WRITER ? -EBUSY : 0;
}

/* Opens the file of the content area, unless it is in the folder already. -ENOENT if there is none to take. */
static int take_content(ApplyRun *run, const SyncEntry *wanted, int *ret_fd) {
        ContentArea *content = run->apply->content;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (!content || is_taken(run, &wanted->oid))
                return -ENOENT;
        r = content_open(content, &wanted->oid, &fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_nlink > 1)
                return -ENOENT;
        r = take_over(run, fd);
        if (r >= 0)
                r = verify(run, wanted, fd);
        if (r == -ENODATA) {
                content_remove(content, &wanted->oid);
                return -ENOENT;
        }
        if (r < 0)
                return r;
        run->taken[run->n_taken++] = wanted->oid;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int make_content(ApplyRun *run, const SyncEntry *wanted, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = check_space(run, wanted->size == SYNC_SIZE_UNKNOWN ? 0 : wanted->size);
        if (r < 0)
                return r;
        fd = openat(run->apply->staging_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = fill(run, wanted, fd);
        /* It is looked for elsewhere the next time: what came from the content area is a file of the folder by now, or
         * damaged. */
        if (r == -ENODATA && run->apply->content)
                content_drop_damaged(run->apply->content, &wanted->oid);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Its owner can always read and write it: what others may is as it was where the file is from. */
static mode_t mode_of(const SyncEntry *wanted) {
        mode_t mode = wanted->mode ? (wanted->mode & 0666) | 0600 : FILE_MODE;

        return wanted->executable ? mode | S_IXUSR | (wanted->mode ? wanted->mode & 0111 : EXECUTABLE_MODE) : mode;
}

int apply_set_metadata(ApplyRun *run, const SyncEntry *wanted, int fd) {
        const SyncApply *a = run->apply;
        struct timespec times[2];
        int r;

        r = a->restore_metadata ? a->restore_metadata(wanted, fd, a->userdata) : 0;
        if (r < 0)
                return r;
        if (a->uid != (uid_t) -1 && fchown(fd, a->uid, a->gid) < 0)
                return -errno;
        set_times(times, wanted->mtime_ns);
        return fchmod(fd, mode_of(wanted)) < 0 || futimens(fd, times) < 0 ? -errno : 0;
}

static int stage_file(ApplyRun *run, ApplyItem *item) {
        const SyncEntry *wanted = item->operation->wanted;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = take_content(run, wanted, &fd);
        item->takes_content = r >= 0;
        if (r == -ENOENT)
                r = make_content(run, wanted, &fd);
        if (r >= 0)
                r = apply_set_metadata(run, wanted, fd);
        if (r < 0)
                return r;
        item->new_fd = TAKE_FD(fd);
        return 0;
}

static int read_target(ApplyRun *run, const SyncEntry *wanted, char target[static SYNC_TARGET_MAX + 1]) {
        const SyncApply *a = run->apply;
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;
        SyncOid oid;
        int r;

        fd = memfd_create("target", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = a->write_content(&wanted->oid, wanted->size, fd, a->userdata);
        if (r < 0)
                return r == -ENOENT ? -ENODATA : r;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        n = loop_read(fd, target, SYNC_TARGET_MAX + 1);
        if (n < 0)
                return n;
        if (n == 0 || n > (ssize_t) SYNC_TARGET_MAX || memchr(target, '\0', n))
                return -EINVAL;
        target[n] = '\0';
        r = a->hasher.bytes(target, n, false, &oid, a->hasher.userdata);
        if (r < 0)
                return r;
        return sync_oid_equal(&oid, &wanted->oid) ? 0 : -ENODATA;
}

/* The target is data, wherever it leads: nothing of ours follows a link, and the LAN's servers follow none out of a
 * folder, in which their users' gateways could make links as well. */
static int stage_symlink(ApplyRun *run, ApplyItem *item) {
        char target[SYNC_TARGET_MAX + 1], name[SYNC_STAGED_NAME_SIZE];
        const SyncApply *a = run->apply;
        struct timespec times[2];
        int r;

        r = read_target(run, item->operation->wanted, target);
        if (r < 0)
                return r;
        sync_staged_name(item->number, name);
        if (symlinkat(target, a->staging_fd, name) < 0)
                return -errno;
        if (a->uid != (uid_t) -1 && fchownat(a->staging_fd, name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        set_times(times, item->operation->wanted->mtime_ns);
        return utimensat(a->staging_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int stage_directory(ApplyRun *run, ApplyItem *item) {
        mode_t recorded = item->operation->wanted->mode, mode = recorded ? recorded | 0700 : DIRECTORY_MODE;
        char name[SYNC_STAGED_NAME_SIZE];
        const SyncApply *a = run->apply;

        sync_staged_name(item->number, name);
        /* Not subject to the umask: the data user's servers must be able to read it. */
        if (mkdirat(a->staging_fd, name, 0700) < 0 || fchmodat(a->staging_fd, name, mode, 0) < 0)
                return -errno;
        if (a->uid != (uid_t) -1 && fchownat(a->staging_fd, name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int stat_staged(ApplyRun *run, ApplyItem *item) {
        char name[SYNC_STAGED_NAME_SIZE];
        struct stat st;

        sync_staged_name(item->number, name);
        if ((item->new_fd >= 0 ? fstat(item->new_fd, &st)
                               : fstatat(run->apply->staging_fd, name, &st, AT_SYMLINK_NOFOLLOW)) < 0)
                return -errno;
        item->placed = *item->operation->wanted;
        item->placed.certainty = SYNC_SETTLED;
        sync_entry_set_stat(&item->placed, &st);
        return 0;
}

int apply_stage(ApplyRun *run, ApplyItem *item) {
        const SyncEntry *wanted = item->operation->wanted;
        int r;

        if (!wanted || item->operation->kind == SYNC_CHMOD || apply_can_move(run, item))
                return 0;
        switch (wanted->kind) {
        case SYNC_FILE:
                r = stage_file(run, item);
                break;
        case SYNC_SYMLINK:
                r = stage_symlink(run, item);
                break;
        case SYNC_DIRECTORY:
                r = stage_directory(run, item);
                break;
        default:
                r = -EINVAL;
        }
        if (r >= 0)
                r = stat_staged(run, item);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                apply_discard(run, item);
                apply_fail(item, r == -ENODATA ? SYNC_APPLY_NO_CONTENT : apply_result_of(r), r);
        }
        return 0;
}

int apply_name_staged(ApplyRun *run, ApplyItem *item) {
        char name[SYNC_STAGED_NAME_SIZE], path[sizeof("/proc/self/fd/") + 11];

        if (item->new_fd < 0)
                return 0;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", item->new_fd);
        sync_staged_name(item->number, name);
        if (item->takes_content) {
                int r = content_link(run->apply->content, &item->operation->wanted->oid, run->apply->staging_fd, name);

                if (r < 0)
                        return r;
        } else if (linkat(AT_FDCWD, path, run->apply->staging_fd, name, AT_SYMLINK_FOLLOW) < 0 ||
                   (run->sync_named && fsync(item->new_fd) < 0))
                return -errno;
        /* Closed before anybody sees the file: we are not the writer that a lease probe finds. */
        item->new_fd = safe_close(item->new_fd);
        return 0;
}

void apply_discard(ApplyRun *run, ApplyItem *item) {
        char name[SYNC_STAGED_NAME_SIZE];

        item->new_fd = safe_close(item->new_fd);
        if (item->swapped)
                return;
        sync_staged_name(item->number, name);
        if (unlinkat(run->apply->staging_fd, name, 0) < 0 && errno == EISDIR)
                (void) unlinkat(run->apply->staging_fd, name, AT_REMOVEDIR);
}
