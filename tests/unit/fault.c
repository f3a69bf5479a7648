/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/fault.h"

/* What a call does; one call may do several. */
typedef enum Effect {
        READS = 1 << 0,
        WRITES = 1 << 1,    /* bytes */
        TAKES_SPACE = 1 << 2,
        CHANGES = 1 << 3,   /* the disk */
        SYNCS = 1 << 4,
        OPENS = 1 << 5,
        WAITS = 1 << 6,     /* a signal may interrupt it */
} Effect;

/* The wrapped calls have no place for an argument. */
static struct {
        FaultKind kind;
        unsigned left; /* calls before the one that fails */
        bool armed, lasting, inside, fired;
        void (*callback)(void *userdata);
        void *userdata;
} fault;

static const unsigned concerned[_FAULT_KIND_MAX] = {
        [FAULT_NO_SPACE] = TAKES_SPACE | SYNCS,
        [FAULT_QUOTA] = TAKES_SPACE | SYNCS,
        [FAULT_IO] = READS | WRITES | TAKES_SPACE | CHANGES | SYNCS | OPENS,
        [FAULT_DESCRIPTORS] = OPENS,
        [FAULT_INTERRUPTED] = WAITS,
        [FAULT_SHORT] = READS | WRITES,
        [FAULT_CALLBACK] = CHANGES | SYNCS,
};

static const int errors[_FAULT_KIND_MAX] = {
        [FAULT_NO_SPACE] = ENOSPC,
        [FAULT_QUOTA] = EDQUOT,
        [FAULT_IO] = EIO,
        [FAULT_DESCRIPTORS] = EMFILE,
        [FAULT_INTERRUPTED] = EINTR,
};

const char *fault_kind_to_string(FaultKind kind) {
        static const char *const names[_FAULT_KIND_MAX] = {
                [FAULT_NO_SPACE] = "no-space",       [FAULT_QUOTA] = "quota", [FAULT_IO] = "io",
                [FAULT_DESCRIPTORS] = "descriptors", [FAULT_INTERRUPTED] = "interrupted",
                [FAULT_SHORT] = "short",             [FAULT_CALLBACK] = "callback",
        };

        return names[kind];
}

void fault_arm(FaultKind kind, unsigned number, bool lasting) {
        fault.kind = kind;
        fault.left = number;
        fault.lasting = lasting;
        fault.fired = fault.inside = false;
        fault.armed = true;
}

void fault_arm_callback(unsigned number, void (*callback)(void *userdata), void *userdata) {
        fault.callback = callback;
        fault.userdata = userdata;
        fault_arm(FAULT_CALLBACK, number, false);
}

void fault_enter(void) {
        fault.inside = true;
}

void fault_leave(void) {
        fault.inside = false;
}

bool fault_disarm(void) {
        fault.armed = fault.inside = false;
        return fault.fired;
}

static bool is_due(unsigned effects) {
        if (!fault.armed || !fault.inside || !(effects & concerned[fault.kind]))
                return false;
        if (fault.left > 0) {
                fault.left--;
                return false;
        }
        if (fault.fired && !fault.lasting)
                return false;
        fault.fired = true;
        return true;
}

/* True if the call fails, with errno set. */
static bool fails(unsigned effects) {
        if (!is_due(effects))
                return false;
        if (fault.kind == FAULT_CALLBACK) {
                fault.inside = false;
                fault.callback(fault.userdata);
                fault.inside = true;
                return false;
        }
        if (fault.kind == FAULT_SHORT)
                return false;
        errno = errors[fault.kind];
        return true;
}

/* The same for calls that may do less than they were told. */
static bool fails_or_shortens(unsigned effects, size_t *size) {
        if (fault.kind != FAULT_SHORT)
                return fails(effects);
        if (*size > 1 && is_due(effects))
                *size /= 2;
        return false;
}

ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size) {
        return fails_or_shortens(READS | WAITS, &size) ? -1 : __real_read(fd, data, size);
}

ssize_t __real_pread64(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t offset) {
        return fails_or_shortens(READS | WAITS, &size) ? -1 : __real_pread64(fd, data, size, offset);
}

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size) {
        return fails_or_shortens(WRITES | TAKES_SPACE | CHANGES | WAITS, &size) ? -1 : __real_write(fd, data, size);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset) {
        if (fails_or_shortens(WRITES | TAKES_SPACE | CHANGES | WAITS, &size))
                return -1;
        return __real_pwrite64(fd, data, size, offset);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
        return fails(SYNCS) ? -1 : __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
        return fails(SYNCS) ? -1 : __real_fdatasync(fd);
}

int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd) {
        return fails(SYNCS) ? -1 : __real_syncfs(fd);
}

int __real_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size);
int __wrap_ftruncate64(int fd, off_t size) {
        return fails(CHANGES) ? -1 : __real_ftruncate64(fd, size);
}

int __real_fallocate64(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t size) {
        return fails(TAKES_SPACE | CHANGES) ? -1 : __real_fallocate64(fd, mode, offset, size);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
        return fails(TAKES_SPACE | CHANGES) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
        return fails(TAKES_SPACE | CHANGES) ? -1 : __real_renameat2(from_fd, from, to_fd, to, flags);
}

int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
        return fails(TAKES_SPACE | CHANGES) ? -1 : __real_linkat(from_fd, from, to_fd, to, flags);
}

int __real_symlinkat(const char *target, int fd, const char *name);
int __wrap_symlinkat(const char *target, int fd, const char *name);
int __wrap_symlinkat(const char *target, int fd, const char *name) {
        return fails(TAKES_SPACE | CHANGES) ? -1 : __real_symlinkat(target, fd, name);
}

int __real_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode);
int __wrap_mkdirat(int fd, const char *name, mode_t mode) {
        return fails(TAKES_SPACE | CHANGES) ? -1 : __real_mkdirat(fd, name, mode);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags) {
        return fails(CHANGES) ? -1 : __real_unlinkat(fd, name, flags);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode) {
        return fails(CHANGES) ? -1 : __real_fchmod(fd, mode);
}

int __real_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid) {
        return fails(CHANGES) ? -1 : __real_fchown(fd, uid, gid);
}

int __real_fchownat(int fd, const char *name, uid_t uid, gid_t gid, int flags);
int __wrap_fchownat(int fd, const char *name, uid_t uid, gid_t gid, int flags);
int __wrap_fchownat(int fd, const char *name, uid_t uid, gid_t gid, int flags) {
        return fails(CHANGES) ? -1 : __real_fchownat(fd, name, uid, gid, flags);
}

int __real_fchmodat(int fd, const char *name, mode_t mode, int flags);
int __wrap_fchmodat(int fd, const char *name, mode_t mode, int flags);
int __wrap_fchmodat(int fd, const char *name, mode_t mode, int flags) {
        return fails(CHANGES) ? -1 : __real_fchmodat(fd, name, mode, flags);
}

int __real_futimens(int fd, const struct timespec times[2]);
int __wrap_futimens(int fd, const struct timespec times[2]);
int __wrap_futimens(int fd, const struct timespec times[2]) {
        return fails(CHANGES) ? -1 : __real_futimens(fd, times);
}

int __real_utimensat(int fd, const char *name, const struct timespec times[2], int flags);
int __wrap_utimensat(int fd, const char *name, const struct timespec times[2], int flags);
int __wrap_utimensat(int fd, const char *name, const struct timespec times[2], int flags) {
        return fails(CHANGES) ? -1 : __real_utimensat(fd, name, times, flags);
}

int __real_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st) {
        return fails(READS) ? -1 : __real_fstat64(fd, st);
}

int __real_fstatat64(int fd, const char *name, struct stat *st, int flags);
int __wrap_fstatat64(int fd, const char *name, struct stat *st, int flags);
int __wrap_fstatat64(int fd, const char *name, struct stat *st, int flags) {
        return fails(READS) ? -1 : __real_fstatat64(fd, name, st, flags);
}

ssize_t __real_readlinkat(int fd, const char *name, char *buf, size_t size);
ssize_t __wrap_readlinkat(int fd, const char *name, char *buf, size_t size);
ssize_t __wrap_readlinkat(int fd, const char *name, char *buf, size_t size) {
        return fails(READS) ? -1 : __real_readlinkat(fd, name, buf, size);
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags) {
        return fails(OPENS) ? -1 : __real_memfd_create(name, flags);
}

int __real_faccessat(int fd, const char *name, int mode, int flags);
int __wrap_faccessat(int fd, const char *name, int mode, int flags);
int __wrap_faccessat(int fd, const char *name, int mode, int flags) {
        return fails(READS) ? -1 : __real_faccessat(fd, name, mode, flags);
}

struct dirent *__real_readdir64(DIR *d);
struct dirent *__wrap_readdir64(DIR *d);
struct dirent *__wrap_readdir64(DIR *d) {
        return fails(READS) ? NULL : __real_readdir64(d);
}

static unsigned effects_of_open(int flags) {
        return flags & (O_CREAT | __O_TMPFILE) ? OPENS | TAKES_SPACE | CHANGES : OPENS;
}

int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode) {
        return fails(effects_of_open(flags)) ? -1 : __real_open64(path, flags, mode);
}

int __real_openat64(int fd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int fd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int fd, const char *path, int flags, mode_t mode) {
        return fails(effects_of_open(flags)) ? -1 : __real_openat64(fd, path, flags, mode);
}

/* openat2() is the only one. */
long __real_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d) {
        return number == SYS_openat2 && fails(OPENS) ? -1 : __real_syscall(number, a, b, c, d);
}
