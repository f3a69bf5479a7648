/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans of the folder: how much of it in one run, how far it is, and what gives way to what. */
#include <linux/ioprio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "syncd/instance.h"

/* A scan that nobody waits for has a tenth of the CPU time of what competes with it, and of the disk what the I/O
 * scheduler gives to the last of the ordinary ones. (bfq knows of such; mq-deadline of the idle class only, in which a
 * read that was begun may take until its aging, 10 s, when somebody has come to wait.) */
#define BACKGROUND_NICE 10
#define BACKGROUND_IOPRIO IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_NR_LEVELS - 1)

int64_t folder_seconds_since_boot(void) {
        struct timespec ts;

        return clock_gettime(CLOCK_BOOTTIME, &ts) < 0 ? 1 : ts.tv_sec + 1;
}

static int64_t now_msec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

typedef struct ScanRun {
        Folder *folder;
        int64_t checkpoint; /* seconds since boot */
        int64_t begun;      /* to read, milliseconds; 0: nothing was yet */
        bool urgent;        /* somebody waits from the beginning: for what is urgent */
        bool interrupted;   /* somebody waits */
        bool background;
        int nice, ioprio;   /* before */
} ScanRun;

/* --- in the background --- */

static void set_ioprio(int ioprio) {
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, ioprio);
}

/* Without the permission to come back (RLIMIT_NICE) the nice value stays. */
static void enter_background(ScanRun *s) {
        struct rlimit limit;

        s->background = true;
        s->ioprio = MAX((int) syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0), 0);
        set_ioprio(BACKGROUND_IOPRIO);
        errno = 0;
        s->nice = getpriority(PRIO_PROCESS, 0);
        if (errno == 0 && s->nice < BACKGROUND_NICE && getrlimit(RLIMIT_NICE, &limit) >= 0 &&
            (limit.rlim_cur == RLIM_INFINITY || (int64_t) limit.rlim_cur >= 20 - s->nice))
                (void) setpriority(PRIO_PROCESS, 0, BACKGROUND_NICE);
        else
                s->nice = BACKGROUND_NICE;
}

static void leave_background(ScanRun *s) {
        if (!s->background)
                return;
        s->background = false;
        set_ioprio(s->ioprio);
        if (s->nice < BACKGROUND_NICE)
                (void) setpriority(PRIO_PROCESS, 0, s->nice);
}

/* --- what gives way to what --- */

static bool somebody_waits(ScanRun *s) {
        const Folder *f = s->folder;

        if (!f->waits || !f->waits(f->waits_userdata))
                return false;
        leave_background(s);
        return true;
}

/* The first file, and so much, is read in any case: those who come again and again do not keep it from ever coming to
 * an end. */
static bool is_interrupted(void *userdata) {
        ScanRun *s = userdata;

        if (s->begun == 0)
                s->begun = now_msec();
        else if (!s->interrupted && now_msec() >= s->begun + s->folder->read_min_msec)
                s->interrupted = somebody_waits(s) || s->urgent;
        return s->interrupted;
}

static bool is_slice_over(void *userdata) {
        const ScanRun *s = userdata;

        return is_interrupted(userdata) || now_msec() > s->begun + s->folder->slice_msec;
}

/* --- progress --- */

/* A long scan is gone on with after a restart, not begun again. */
static void save_progress(Folder *f, const SyncTree *so_far) {
        SyncTree *together;

        if (content_sync(&f->content) < 0 || git_store_sync(f->store) < 0)
                return;
        if (!f->index)
                (void) sync_index_save(f->state_fd, INSTANCE_INDEX, so_far);
        else if (sync_tree_patch(f->index, so_far, &together) >= 0) {
                (void) sync_index_save(f->state_fd, INSTANCE_INDEX, together);
                sync_tree_free(together);
        }
}

static int on_progress(const SyncTree *so_far, void *userdata) {
        ScanRun *s = userdata;
        int64_t now = folder_seconds_since_boot();

        (void) somebody_waits(s);
        if (now - s->checkpoint >= s->folder->checkpoint_sec) {
                save_progress(s->folder, so_far);
                s->checkpoint = now;
        }
        return 0;
}

/* --- */

static int remember_linked(Folder *f, const SyncScanReport *report) {
        STRV_FOREACH(path, report->linked) {
                int r = strv_extend(&f->linked, *path);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int make_urgent(char *const *paths, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        int r;

        r = sync_tree_new(&t);
        STRV_FOREACH(path, paths) {
                SyncEntry e = { .path = *path, .kind = SYNC_ABSENT };

                if (r >= 0 && sync_path_is_valid(*path))
                        r = sync_tree_add(t, &e);
        }
        if (r >= 0)
                r = sync_tree_sort_last(t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

/* --- what is still to be read --- */

int folder_compare_sizes(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int list_unread(Folder *f, const SyncTree *tree) {
        size_t n = 0;

        SYNC_TREE_FOREACH(e, tree)
                n += sync_entry_is_unread(e);
        f->unread = calloc(n + 1, sizeof(*f->unread));
        if (!f->unread)
                return -ENOMEM;
        SYNC_TREE_FOREACH(e, tree)
                if (sync_entry_is_unread(e))
                        f->unread[f->n_unread++] = e->size;
        qsort(f->unread, f->n_unread, sizeof(*f->unread), folder_compare_sizes);
        return 0;
}

/* What the scan had no time to go on with is gone on with later. What is gone, or changes just now, is not. */
static void end_reading(Folder *f, const SyncTree *tree) {
        uint64_t inode = content_hash_passed_over(&f->hash);
        bool unread = false;

        content_hash_end(&f->hash);
        if (inode == 0)
                return;
        SYNC_TREE_FOREACH(e, tree)
                if (e->kind == SYNC_FILE && e->inode == inode) {
                        unread |= e->certainty == SYNC_UNKNOWN;
                        f->hash.restless |= e->certainty == SYNC_BUSY;
                }
        if (!unread)
                content_hash_forget(&f->hash);
}

/* Files that are busy for too long, or change faster than they are read, are taken as they are. Those that only wait
 * for their turn are not busy. */
static void count_busy(Folder *f, const SyncScanReport *report, bool taken, int64_t now) {
        bool busy = report->n_busy > 0 || (report->n_put_off > 0 && f->hash.restless);

        if (busy && !taken) {
                if (f->busy_since == 0)
                        f->busy_since = now;
        } else if (!taken || report->n_put_off == 0)
                f->busy_since = 0;
}

/* A series of runs that each read a part is gone on with after a restart, too. */
static void count_put_off(Folder *f, size_t n, int64_t now) {
        if (n > 0 && now - f->saved < f->checkpoint_sec)
                return;
        if (n > 0)
                (void) folder_save_index(f);
        f->saved = now;
}

static int scan(Folder *f, const FolderScan *q, SyncScan *scan, SyncTree **ret, SyncScanReport *report) {
        if (q->full || !f->index)
                return sync_scan_full(scan, f->index, ret, report);
        return sync_scan_dirty(scan, f->index, q->paths, ret, report);
}

int folder_scan(Folder *f, const FolderScan *q, SyncScanReport *report) {
        int64_t now = folder_seconds_since_boot();
        ScanRun run = { .folder = f, .checkpoint = now };
        _cleanup_sync_tree_free_ SyncTree *urgent = NULL;
        SyncScan s = {
                .root_fd = f->root_fd,
                .staging_fd = f->staging_fd,
                .file_system_uuid = f->file_system,
                .accept_empty = q->accept_empty,
                .take_open_files = f->busy_since > 0 && now - f->busy_since > f->busy_sec,
                .hasher = {
                        .file = content_hash_file,
                        .expect = content_hash_expect,
                        .bytes = content_hash_bytes,
                        .userdata = &f->hash,
                },
                .progress = q->full ? on_progress : NULL,
                .userdata = &run,
        };
        SyncTree *tree;
        int r;

        if (q->in_parts) {
                r = make_urgent(q->urgent, &urgent);
                if (r < 0)
                        return r;
                s.hasher.file = content_hash_in_parts;
                s.interrupted = is_interrupted;
                s.urgent = urgent;
                content_hash_begin(&f->hash, is_slice_over, &run, s.take_open_files);
                run.urgent = sync_tree_size(urgent) > 0;
                if (q->full && !run.urgent)
                        enter_background(&run);
        }
        if (q->in_parts) {
                f->unread = mfree(f->unread);
                f->n_unread = 0;
        }
        r = scan(f, q, &s, &tree, report);
        leave_background(&run);
        if (r != SYNC_SCAN_OK) {
                content_hash_end(&f->hash);
                return r;
        }
        r = remember_linked(f, report);
        if (q->in_parts) {
                end_reading(f, tree);
                if (r >= 0 && report->n_put_off > 0)
                        r = list_unread(f, tree);
        }
        if (r < 0) {
                sync_tree_free(tree);
                return r;
        }
        sync_tree_free(f->index);
        f->index = tree;
        f->index_dirty = true;
        if (q->in_parts) {
                count_busy(f, report, s.take_open_files, now);
                count_put_off(f, report->n_put_off, now);
        }
        return r;
}
