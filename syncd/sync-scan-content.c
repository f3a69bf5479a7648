/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "syncd/sync-scan-internal.h"

int sync_scanner_new(Scanner **ret, const SyncScan *scan, const SyncTree *index, SyncScanReport *report,
                     SyncTree **ret_tree) {
        _cleanup_free_ Scanner *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = sync_tree_new(ret_tree);
        if (r < 0)
                return r;
        s->scan = scan;
        s->index = index;
        s->report = report;
        s->tree = *ret_tree;
        *ret = TAKE_PTR(s);
        return 0;
}

static int64_t now_ns(void) {
        struct timespec t;

        /* The clock that file systems stamp with lags behind this one, never before. */
        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* True if the same entry can be read again without a difference only because it was written too quickly. Whatever
 * writes sets ctime; mtime is what somebody set it to, and may be in the future for years. */
static bool is_racy(const SyncEntry *e, int64_t now) {
        return e->ctime_ns > now - SYNC_RACY_NS;
}

static bool take_from_index(Scanner *s, SyncEntry *e) {
        const SyncEntry *known = s->scan->rehash ? NULL : sync_tree_find(s->index, e->path);

        if (!known || known->certainty != SYNC_SETTLED || !sync_entry_same_identity(known, e))
                return false;
        e->oid = known->oid;
        return true;
}

/* One reading; *ret_moved tells that the file changed meanwhile. e becomes what stat said afterwards. */
static int read_once(Scanner *s, int fd, SyncEntry *e, bool *ret_moved) {
        SyncEntry before = *e;
        struct stat st;
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        r = s->scan->hasher.file(fd, true, &e->oid, s->scan->hasher.userdata);
        if (r < 0)
                return r;
        s->report->n_hashed++;
        s->report->bytes_hashed += e->size;
        if (fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(e, &st);
        *ret_moved = !sync_entry_same_identity(&before, e);
        return 0;
}

static int set_busy(SyncEntry *e) {
        e->kind = SYNC_FILE;
        e->oid = (SyncOid) {};
        e->certainty = SYNC_BUSY;
        return 0;
}

static int scan_file(Scanner *s, int parent_fd, const char *name, SyncEntry *e) {
        _cleanup_close_ int fd = -EBADF;
        bool moved = true;
        struct stat st;
        SyncUse use;
        int r;

        fd = sync_open_beneath(parent_fd, name, O_RDONLY);
        if (fd == -EWOULDBLOCK || fd == -ELOOP)
                return set_busy(e);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(e, &st);
        if (e->kind != SYNC_FILE)
                return set_busy(e);

        use = sync_file_use(fd);
        if (use == SYNC_USE_WRITER && !s->scan->take_open_files && e->mtime_ns > now_ns() - SYNC_QUIET_NS)
                return set_busy(e);
        for (unsigned i = 0; moved && i < SYNC_READ_TRIES; i++) {
                r = read_once(s, fd, e, &moved);
                /* Whoever writes it has begun anew. */
                if (r == -EAGAIN)
                        return set_busy(e);
                if (r < 0)
                        return r;
        }
        /* A file that never rests gets a version all the same: what was read is stored as it was read. */
        if (moved && !s->scan->take_open_files)
                return set_busy(e);

        /* Stores into a mapping need not move any time stamp: while somebody can write, equal stamps prove nothing. */
        e->certainty = moved || use == SYNC_USE_WRITER || is_racy(e, now_ns()) ? SYNC_RACY : SYNC_SETTLED;
        return 0;
}

static int scan_symlink(Scanner *s, int parent_fd, const char *name, SyncEntry *e) {
        char target[SYNC_TARGET_MAX + 1];
        ssize_t n;

        n = readlinkat(parent_fd, name, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n >= sizeof(target))
                return -ENAMETOOLONG;
        e->size = n;
        return s->scan->hasher.bytes(target, n, true, &e->oid, s->scan->hasher.userdata);
}

int sync_scan_content(Scanner *s, int parent_fd, const char *name, SyncEntry *e) {
        if (take_from_index(s, e))
                return 0;
        return e->kind == SYNC_SYMLINK ? scan_symlink(s, parent_fd, name, e) : scan_file(s, parent_fd, name, e);
}
