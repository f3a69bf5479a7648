/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One operation on the folder: the last look, the swap, and what becomes of the local entry. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"
#include "syncd/sync-swap.h"

int64_t apply_now_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static bool stat_entry(int dir_fd, const char *name, SyncEntry *e) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return false;
        sync_entry_set_stat(e, &st);
        return true;
}

/* Is the path what the plan saw? A busy file need only be a file. *ret_use tells who else has it open. */
static int check_local(const ApplyItem *item, const char *name, SyncUse *ret_use) {
        const SyncEntry *local = item->operation->local;
        _cleanup_close_ int fd = -EBADF;
        SyncEntry now = {};
        struct stat st;

        *ret_use = SYNC_USE_NONE;
        if (local->kind == SYNC_FILE) {
                fd = sync_open_beneath(item->parent_fd, name, O_RDONLY);
                if (fd == -EWOULDBLOCK) {
                        *ret_use = SYNC_USE_WRITER;
                        fd = sync_open_beneath(item->parent_fd, name, O_PATH);
                }
                if (fd < 0)
                        return fd;
                if (fstat(fd, &st) < 0)
                        return -errno;
                sync_entry_set_stat(&now, &st);
                if (*ret_use == SYNC_USE_NONE && now.kind == SYNC_FILE)
                        *ret_use = sync_file_use(fd);
        } else if (!stat_entry(item->parent_fd, name, &now))
                return -errno;

        if (local->certainty == SYNC_BUSY)
                return now.kind == local->kind ? 0 : -ENOENT;
        return sync_entry_same_identity(&now, local) ? 0 : -ENOENT;
}

int apply_report_placed(ApplyRun *run, const char *path, const SyncEntry *e) {
        SyncEntry copy = *e;
        int r;

        copy.path = path;
        if (!run->report->placed) {
                r = sync_tree_new(&run->report->placed);
                if (r < 0)
                        return r;
        }
        return sync_tree_add(run->report->placed, &copy);
}

/* It was done, so it is base; but a user has changed it at once. */
static int report_changed(ApplyRun *run, const ApplyItem *item) {
        SyncEntry e = *item->operation->wanted;
        int r;

        e.certainty = SYNC_BUSY;
        r = apply_report_placed(run, item->operation->path, &e);
        return r < 0 ? r : apply_report_failure(run, item->operation->path, SYNC_APPLY_STALE, 0);
}

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

/* The file's name in the content area goes, unless it is to be copied from there: later that would move the file's
 * ctime, and it would be read again as if a user had changed it. */
static void release_content(ApplyRun *run, const ApplyItem *item) {
        const SyncOid *oid = &item->operation->wanted->oid;

        if (run->n_repeated == 0 || !bsearch(oid, run->repeated, run->n_repeated, sizeof(*oid), compare_oids))
                content_remove(run->apply->content, oid);
}

/* Looks at what was put in place. If somebody changed it since, its oid is not ours to tell. A stamp older
 * than the swap cannot hide a change: writing would have moved it. */
static int note_placed(ApplyRun *run, ApplyItem *item, const char *name) {
        SyncEntry now = item->placed;

        if (item->takes_content)
                release_content(run, item);
        if (!stat_entry(item->parent_fd, name, &now) || now.kind != item->placed.kind ||
            now.inode != item->placed.inode || now.size != item->placed.size || now.mtime_ns != item->placed.mtime_ns)
                return report_changed(run, item);
        if (now.kind == SYNC_FILE && now.mtime_ns > item->swap_ns - SYNC_RACY_NS)
                now.certainty = SYNC_RACY;
        return apply_report_placed(run, item->operation->path, &now);
}

int apply_rename(ApplyItem *item, int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
        item->swap_ns = apply_now_ns();
        if (renameat2(from_fd, from, to_fd, to, flags) < 0)
                return -errno;
        item->swapped = true;
        return 0;
}

static int swap_create(ApplyRun *run, ApplyItem *item, const char *name, const char *staged) {
        SyncEntry there = {};
        int r;

        apply_step(run);
        r = apply_rename(item, run->apply->staging_fd, staged, item->parent_fd, name, RENAME_NOREPLACE);
        if (r >= 0) {
                apply_step(run);
                return note_placed(run, item, name);
        }
        if (r != -EEXIST)
                return r;
        apply_discard(run, item);
        if (item->operation->wanted->kind != SYNC_DIRECTORY || !stat_entry(item->parent_fd, name, &there) ||
            there.kind != SYNC_DIRECTORY) {
                apply_fail(item, SYNC_APPLY_STALE, 0);
                return 0;
        }
        /* Somebody else made the same directory. */
        there.certainty = SYNC_SETTLED;
        return apply_report_placed(run, item->operation->path, &there);
}

/* What has just come into the staging directory is dealt with at once if waiting would not tell more. */
static int handle_displaced(ApplyRun *run, ApplyItem *item, const char *staged, bool collide) {
        const SyncEntry *local = item->operation->local;
        int r;

        item->displaced = *local;
        item->displaced_ns = apply_now_ns();
        if (!stat_entry(run->apply->staging_fd, staged, &item->displaced)) {
                /* Something is there, whatever it is. */
                item->displaced.inode = 0;
                return -errno;
        }
        apply_step(run);
        r = sync_journal_finish(run->journal, item->intent, true, &item->displaced, item->displaced_ns);
        if (r < 0)
                return r;
        apply_step(run);
        if (collide || item->operation->renamed_to || item->displaced.kind != SYNC_FILE ||
            item->displaced.inode != local->inode)
                return apply_dispose(run, run->journal->intents + item->intent, collide);
        return 0;
}

static int swap_replace(ApplyRun *run, ApplyItem *item, const char *name, const char *staged) {
        SyncUse use;
        int r;

        r = check_local(item, name, &use);
        if (r < 0)
                return r;
        apply_step(run);
        r = apply_rename(item, run->apply->staging_fd, staged, item->parent_fd, name, RENAME_EXCHANGE);
        if (r < 0)
                return r;
        apply_step(run);
        r = note_placed(run, item, name);
        if (r < 0)
                return r;
        r = handle_displaced(run, item, staged, use != SYNC_USE_NONE);
        if (r < 0)
                return apply_report_failure(run, item->operation->path, apply_result_of(r), r);
        return 0;
}

static int swap_delete(ApplyRun *run, ApplyItem *item, const char *name, const char *staged) {
        const SyncEntry absent = { .kind = SYNC_ABSENT };
        SyncUse use;
        int r;

        if (item->operation->local->kind == SYNC_DIRECTORY) {
                if (unlinkat(item->parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        return -errno;
                return apply_report_placed(run, item->operation->path, &absent);
        }
        r = check_local(item, name, &use);
        if (r < 0)
                return r;
        if (use != SYNC_USE_NONE) {
                apply_fail(item, SYNC_APPLY_BUSY, 0);
                return 0;
        }
        apply_step(run);
        r = apply_rename(item, item->parent_fd, name, run->apply->staging_fd, staged, RENAME_NOREPLACE);
        if (r < 0)
                return r;
        apply_step(run);
        r = apply_report_placed(run, item->operation->path, &absent);
        if (r < 0)
                return r;
        r = handle_displaced(run, item, staged, false);
        if (r < 0)
                return apply_report_failure(run, item->operation->path, apply_result_of(r), r);
        return 0;
}

static int swap_mode(ApplyRun *run, ApplyItem *item, const char *name) {
        const SyncEntry *local = item->operation->local;
        _cleanup_close_ int fd = -EBADF;
        SyncEntry now = *local;
        struct stat st;
        mode_t mode;

        fd = sync_open_beneath(item->parent_fd, name, O_RDONLY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(&now, &st);
        if (!sync_entry_same_identity(&now, local)) {
                apply_fail(item, SYNC_APPLY_STALE, 0);
                return 0;
        }
        /* Who may read it may run it. */
        mode = item->operation->wanted->executable ? (st.st_mode | (st.st_mode & 0444) >> 2) : st.st_mode & ~0111U;
        apply_step(run);
        if (fchmod(fd, (mode & 0777) | (item->operation->wanted->executable ? S_IXUSR : 0)) < 0 || fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(&now, &st);
        item->new_fd = TAKE_FD(fd);
        if (now.size != local->size || now.mtime_ns != local->mtime_ns)
                return report_changed(run, item);
        return apply_report_placed(run, item->operation->path, &now);
}

int apply_swap(ApplyRun *run, ApplyItem *item) {
        char staged[SYNC_STAGED_NAME_SIZE];
        const char *name;

        item->parent_fd = sync_open_parent(run->apply->root_fd, item->operation->path, &name);
        if (item->parent_fd < 0)
                return item->parent_fd;
        sync_staged_name(item->number, staged);
        switch (item->operation->kind) {
        case SYNC_CREATE:
                return swap_create(run, item, name, staged);
        case SYNC_REPLACE:
                return swap_replace(run, item, name, staged);
        case SYNC_DELETE:
                return swap_delete(run, item, name, staged);
        case SYNC_CHMOD:
                return swap_mode(run, item, name);
        default:
                return -EINVAL;
        }
}
