/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a crash: what the journal says was under way, and what is in the staging directory. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/sync-apply-internal.h"

#define KEPT_PREFIX SYNC_KEPT_PREFIX
#define KEPT_MAX 10000U

/* The entry is base from now on. Its identity is not vouched for: a user may have changed it since. */
static int report_placed(ApplyRun *run, const char *path, const SyncEntry *entry) {
        SyncEntry e = *entry;
        int r;

        e.path = path;
        e.certainty = SYNC_RACY;
        if (e.kind == SYNC_DIRECTORY || e.kind == SYNC_ABSENT)
                e.certainty = SYNC_SETTLED;
        if (!run->report->placed) {
                r = sync_tree_new(&run->report->placed);
                if (r < 0)
                        return r;
        }
        return sync_tree_add(run->report->placed, &e);
}

/* What the intent has left in the staging directory: its own new entry, as nothing was swapped, or a displaced one. */
static int recover_staged(ApplyRun *run, SyncIntent *intent, const char *staged, const struct stat *st) {
        if (intent->wanted.inode == 0 || st->st_ino != intent->wanted.inode)
                return apply_dispose(run, intent, false);
        return unlinkat(run->apply->staging_fd, staged, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

/* A planned collision whose local entry has its new name already may not have been reported yet. */
static int report_conflict(ApplyRun *run, const SyncIntent *intent) {
        _cleanup_close_ int fd = -EBADF;
        const char *name;
        struct stat st;

        fd = sync_open_parent(run->apply->root_fd, intent->renamed_to, &name);
        if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != intent->local.inode)
                return 0;
        return sync_conflict_list_add(&run->report->conflicts, intent->path, intent->renamed_to, run->apply->now);
}

static int recover_intent(ApplyRun *run, SyncIntent *intent) {
        char staged[SYNC_STAGED_NAME_SIZE];
        bool placed = intent->succeeded;
        struct stat st;
        int r = 0;

        sync_staged_name(intent->number, staged);
        if (fstatat(run->apply->staging_fd, staged, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                placed = intent->wanted.inode == 0 || st.st_ino != intent->wanted.inode;
                r = recover_staged(run, intent, staged, &st);
        } else if (intent->renamed_to && !intent->recorded)
                r = report_conflict(run, intent);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                run->report->n_unsettled++;
                r = apply_report_failure(run, intent->path, apply_result_of(r), r);
                if (r < 0)
                        return r;
        }
        return placed && !intent->recorded ? report_placed(run, intent->path, &intent->wanted) : 0;
}

static bool is_at(ApplyRun *run, const char *path, uint64_t inode) {
        _cleanup_close_ int fd = -EBADF;
        const char *name;
        struct stat st;

        fd = sync_open_parent(run->apply->root_fd, path, &name);
        return fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
               st.st_ino == inode;
}

/* The file has one of its two names, and is whole: nothing is to be done. */
static int recover_move(ApplyRun *run, SyncIntent *intent) {
        const SyncEntry absent = { .kind = SYNC_ABSENT };
        int r;

        if (!intent->finished) {
                bool moved = is_at(run, intent->path, intent->wanted.inode);

                r = sync_journal_finish(run->journal, intent - run->journal->intents, moved, NULL, 0);
                if (r < 0)
                        return r;
        }
        if (!intent->succeeded || intent->recorded)
                return 0;
        r = report_placed(run, intent->path, &intent->wanted);
        return r < 0 ? r : report_placed(run, intent->moved_from, &absent);
}

/* An entry that no journal tells of. It can be content of ours whose intent was not durable yet, or, if the journal was
 * damaged, a user's. */
static int keep_aside(ApplyRun *run, const char *name) {
        int fd = run->apply->staging_fd;

        if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
                return 0;
        for (unsigned i = 0; i < KEPT_MAX; i++) {
                char kept[sizeof(KEPT_PREFIX) + 10];

                (void) snprintf(kept, sizeof(kept), KEPT_PREFIX "%u", i);
                if (renameat2(fd, name, fd, kept, RENAME_NOREPLACE) == 0)
                        return 0;
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

static bool can_be_swept(ApplyRun *run, const char *name) {
        const SyncHasher *hasher = &run->apply->hasher;
        char target[SYNC_TARGET_MAX + 1];
        _cleanup_close_ int fd = -EBADF;
        SyncOid oid;
        ssize_t n;

        n = readlinkat(run->apply->staging_fd, name, target, sizeof(target));
        if (n >= 0 && (size_t) n < sizeof(target))
                return hasher->bytes(target, n, false, &oid, hasher->userdata) >= 0 &&
                       run->apply->is_kept(&oid, run->apply->userdata);
        fd = sync_open_beneath(run->apply->staging_fd, name, O_RDONLY);
        return fd >= 0 && sync_file_use(fd) == SYNC_USE_NONE &&
               hasher->file(fd, false, &oid, hasher->userdata) >= 0 &&
               run->apply->is_kept(&oid, run->apply->userdata);
}

static bool is_journaled(const ApplyRun *run, const char *name) {
        for (size_t i = 0; i < run->journal->n_intents; i++) {
                char staged[SYNC_STAGED_NAME_SIZE];

                if (streq(sync_staged_name(run->journal->intents[i].number, staged), name))
                        return true;
        }
        return false;
}

static int sweep(ApplyRun *run) {
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *e;
        int fd;

        fd = openat(run->apply->staging_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return -errno;
        }
        while ((e = readdir(d))) {
                if (startswith(e->d_name, KEPT_PREFIX))
                        run->report->n_kept++;
                if (e->d_name[0] != 's' || strspn(e->d_name + 1, "0123456789") != strlen(e->d_name + 1) ||
                    !e->d_name[1] || is_journaled(run, e->d_name))
                        continue;
                if (can_be_swept(run, e->d_name))
                        (void) unlinkat(run->apply->staging_fd, e->d_name, 0);
                else if (keep_aside(run, e->d_name) < 0)
                        return -EUCLEAN;
        }
        return 0;
}

int sync_apply_recover(const SyncApply *apply, SyncApplyReport *report) {
        _cleanup_sync_journal_free_ SyncJournal *journal = NULL;
        ApplyRun run = { .apply = apply, .report = report };
        int r;

        r = sync_journal_open(&journal, apply->staging_fd);
        if (r < 0)
                return r;
        run.journal = journal;
        for (size_t i = 0; i < journal->n_intents; i++) {
                r = journal->intents[i].moved_from ? recover_move(&run, journal->intents + i)
                                                   : recover_intent(&run, journal->intents + i);
                if (r < 0)
                        return r;
                apply_step(&run);
                if (journal->intents[i].finished)
                        continue;
                r = sync_journal_finish(journal, i, false, NULL, 0);
                if (r < 0)
                        return r;
        }
        r = sweep(&run);
        if (r < 0)
                return r;
        return report->placed ? sync_tree_sort_last(report->placed) : 0;
}
