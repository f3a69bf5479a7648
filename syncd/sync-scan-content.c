/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/sync-scan-internal.h"

int sync_scanner_new(Scanner **ret, const SyncScan *scan, const SyncTree *index, SyncScanReport *report,
                     SyncTree **ret_tree) {
        _cleanup_sync_scanner_free_ Scanner *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = sync_tree_new_compact(ret_tree);
        if (r < 0)
                return r;
        s->scan = scan;
        s->index = index;
        s->report = report;
        s->tree = *ret_tree;
        *ret = TAKE_PTR(s);
        return 0;
}

Scanner *sync_scanner_free(Scanner *s) {
        if (!s)
                return NULL;
        free(s->origins);
        return mfree(s);
}

/* --- files that have another name --- */

static int compare_origins(const void *a, const void *b) {
        const ScanOrigin *x = a, *y = b;

        return (x->inode > y->inode) - (x->inode < y->inode);
}

int sync_scan_list_origins(Scanner *s, const SyncTree *starts) {
        SYNC_TREE_FOREACH(start, starts)
                for (size_t i = sync_tree_lower_bound(s->index, start->path); i < sync_tree_size(s->index); i++) {
                        const SyncEntry *e = sync_tree_at(s->index, i);

                        if (!streq(e->path, start->path) && !sync_path_is_below(e->path, start->path))
                                break;
                        if (e->kind != SYNC_FILE || e->certainty > SYNC_RACY || e->size <= SYNC_LARGE_BYTES)
                                continue;
                        if (ARRAY_GROW(s->origins, s->n_origins) < 0)
                                return -ENOMEM;
                        s->origins[s->n_origins++] = (ScanOrigin) { .inode = e->inode, .entry = e };
                }
        if (s->n_origins > 0)
                qsort(s->origins, s->n_origins, sizeof(*s->origins), compare_origins);
        return 0;
}

/* The entry of the index that a file seems to be, under another name: the same inode, size and time of the last change.
 * Its ctime says nothing, as renaming moves it. Or NULL. */
static const SyncEntry *find_origin(const Scanner *s, const SyncEntry *e) {
        ScanOrigin key = { .inode = e->inode }, *o;

        if (s->n_origins == 0 || e->kind != SYNC_FILE)
                return NULL;
        o = bsearch(&key, s->origins, s->n_origins, sizeof(key), compare_origins);
        return o && o->entry->size == e->size && o->entry->mtime_ns == e->mtime_ns && !streq(o->entry->path, e->path)
                       ? o->entry
                       : NULL;
}

/* It was written to, and given its old time, if this is not true: so it is racy until it was read, which a rename need
 * not wait for. Nothing is removed or replaced for what a racy entry says without its being read. */
static int believe(Scanner *s, SyncEntry *e, const SyncEntry *origin) {
        e->oid = origin->oid;
        e->fuzzy = origin->fuzzy;
        e->certainty = SYNC_RACY;
        s->report->n_believed++;
        return 0;
}

/* --- reading --- */

static int64_t now_ns(void) {
        struct timespec t;

        /* The clock that file systems stamp with lags behind this one, never before. */
        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* True if a write behind the time when reading began, which the reading may have missed, can have left the same stamp.
 * Whatever writes sets ctime; mtime is what somebody set it to, and may be in the future for years. */
static bool is_racy(const SyncEntry *e, int64_t begun) {
        return e->ctime_ns > begun - SYNC_RACY_NS;
}

/* Reading a large file twice would take longer than waiting until once is enough; and a later part of it would not know
 * how young it was. Returns the time then. */
static int64_t begin_reading(const SyncEntry *e) {
        int64_t now = now_ns(), wait = e->ctime_ns - (now - SYNC_RACY_NS);
        struct timespec t = { .tv_nsec = wait };

        if (e->size <= SYNC_LARGE_BYTES || wait < 0 || wait > SYNC_RACY_NS)
                return now;
        (void) nanosleep(&t, NULL);
        return now_ns();
}

static bool take_from_index(Scanner *s, SyncEntry *e) {
        const SyncEntry *known = sync_tree_find(s->index, e->path);

        if (!known || known->certainty != SYNC_SETTLED || !sync_entry_same_identity(known, e))
                return false;
        e->oid = known->oid;
        return true;
}

/* What is young, or believed, is as a rule what it was. */
static void expect(Scanner *s, const SyncEntry *e) {
        const SyncHasher *h = &s->scan->hasher;
        const SyncEntry *known = sync_tree_find(s->index, e->path);
        bool same = known && known->certainty == SYNC_RACY && sync_entry_same_identity(known, e);

        if (h->expect)
                h->expect(same ? &known->oid : NULL, h->userdata);
}

/* One reading; *ret_moved tells that the file changed meanwhile. e becomes what stat said afterwards. SyncHashed or a
 * negative errno. */
static int read_once(Scanner *s, int fd, SyncEntry *e, bool *ret_moved) {
        SyncEntry before = *e;
        struct stat st;
        int r;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        expect(s, e);
        r = s->scan->hasher.file(fd, true, &e->oid, s->scan->hasher.userdata);
        if (r < 0)
                return r;
        s->report->n_hashed++;
        s->report->bytes_hashed += e->size;
        if (fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(e, &st);
        *ret_moved = r == SYNC_HASHED_MOVING || !sync_entry_same_identity(&before, e);
        return r;
}

static int set_busy(SyncEntry *e) {
        e->kind = SYNC_FILE;
        e->oid = (SyncOid) {};
        e->certainty = SYNC_BUSY;
        return 0;
}

/* It may be what it was: nothing may be concluded from it, as from a busy one. */
static int put_off(Scanner *s, SyncEntry *e) {
        s->report->n_put_off++;
        e->kind = SYNC_FILE;
        e->oid = (SyncOid) {};
        e->certainty = SYNC_UNKNOWN;
        return 0;
}

static bool is_urgent(const Scanner *s, const char *path) {
        char parent[SYNC_PATH_MAX + 1];

        if (!s->scan->urgent)
                return false;
        strcpy(parent, path);
        for (;;) {
                char *slash = strrchr(parent, '/');

                if (sync_tree_find(s->scan->urgent, parent))
                        return true;
                if (!slash)
                        return false;
                *slash = '\0';
        }
}

/* True if something waits for the end of the scan, and nothing waits for this file. */
static bool can_wait(const Scanner *s, const SyncEntry *e) {
        return s->scan->interrupted && s->scan->interrupted(s->scan->userdata) && !is_urgent(s, e->path);
}

static int read_file(Scanner *s, int fd, SyncEntry *e, SyncUse use) {
        bool moved = true, last = false;
        int64_t begun = 0;
        int r = 0;

        for (unsigned i = 0; moved && !last && i < SYNC_READ_TRIES; i++) {
                begun = begin_reading(e);
                r = read_once(s, fd, e, &moved);
                /* Whoever writes it has begun anew. */
                if (r == -EAGAIN)
                        return set_busy(e);
                if (r == -EINPROGRESS)
                        return put_off(s, e);
                if (r < 0)
                        return r;
                /* One moment of it, or a reading that took too long to be made again. */
                last = s->scan->take_open_files && r != SYNC_HASHED;
        }
        if (moved && !s->scan->take_open_files)
                return set_busy(e);
        /* A file that never rests gets a version all the same, one that says so. */
        e->fuzzy = moved && r != SYNC_HASHED_SNAPSHOT;

        /* Stores into a mapping need not move any time stamp: while somebody can write, equal stamps prove nothing. */
        e->certainty = moved || use == SYNC_USE_WRITER || is_racy(e, begun) ? SYNC_RACY : SYNC_SETTLED;
        return 0;
}

static int scan_file(Scanner *s, int parent_fd, const char *name, SyncEntry *e) {
        _cleanup_close_ int fd = -EBADF;
        const SyncEntry *origin;
        struct stat st;
        SyncUse use;

        origin = find_origin(s, e);
        if (!origin && can_wait(s, e))
                return put_off(s, e);
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
        if (origin && use == SYNC_USE_NONE && st.st_nlink == 1 && find_origin(s, e) == origin)
                return believe(s, e, origin);
        return read_file(s, fd, e, use);
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
