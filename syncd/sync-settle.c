/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of entries that were displaced from the folder: nothing is unlinked without proof that it is kept. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "syncd/sync-apply-internal.h"

/* Is it, in spite of all that could have happened meanwhile, the content that the plan expected? */
static int is_expected(ApplyRun *run, const SyncIntent *intent, int fd, const SyncEntry *now, bool *ret) {
        const SyncHasher *hasher = &run->apply->hasher;
        const SyncEntry *local = &intent->local;
        SyncOid oid;
        int r;

        *ret = false;
        if (now->kind != local->kind || local->certainty == SYNC_BUSY)
                return 0;
        if (local->certainty == SYNC_SETTLED && intent->displaced.kind != SYNC_ABSENT &&
            sync_entry_same_identity(&intent->displaced, now) && now->inode == local->inode &&
            now->size == local->size && now->mtime_ns == local->mtime_ns) {
                *ret = true;
                return 0;
        }
        r = hasher->file(fd, false, &oid, hasher->userdata);
        if (r < 0)
                return r;
        *ret = sync_oid_equal(&oid, &local->oid);
        return 0;
}

static int file_can_go(ApplyRun *run, const SyncIntent *intent, const char *staged, bool *ret) {
        _cleanup_close_ int fd = -EBADF;
        SyncEntry now = {};
        struct stat st;
        int r;

        *ret = false;
        fd = sync_open_beneath(run->apply->staging_fd, staged, O_RDONLY);
        if (fd == -EWOULDBLOCK)
                return 0;
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        sync_entry_set_stat(&now, &st);
        if (now.kind != SYNC_FILE || sync_file_use(fd) != SYNC_USE_NONE)
                return 0;
        r = is_expected(run, intent, fd, &now, ret);
        if (r < 0)
                return r;
        *ret = *ret && intent->kept;
        return 0;
}

static int symlink_can_go(ApplyRun *run, const SyncIntent *intent, const char *staged, bool *ret) {
        const SyncApply *a = run->apply;
        char target[SYNC_TARGET_MAX + 1];
        SyncOid oid;
        ssize_t n;
        int r;

        *ret = false;
        n = readlinkat(a->staging_fd, staged, target, sizeof(target));
        if (n < 0)
                return -errno;
        if ((size_t) n >= sizeof(target) || intent->local.kind != SYNC_SYMLINK)
                return 0;
        r = a->hasher.bytes(target, n, false, &oid, a->hasher.userdata);
        if (r < 0)
                return r;
        *ret = sync_oid_equal(&oid, &intent->local.oid) && intent->kept;
        return 0;
}

/* Moves the staged entry to name in the directory. 1, 0 if the name is taken, or a negative errno. */
static int move_to(ApplyRun *run, const char *staged, int dir_fd, const char *name) {
        apply_step(run);
        if (renameat2(run->apply->staging_fd, staged, dir_fd, name, RENAME_NOREPLACE) < 0)
                return errno == EEXIST ? 0 : -errno;
        apply_step(run);
        return fsync(dir_fd) < 0 ? -errno : 1;
}

/* Moves it beside path under a conflict name. -ENOENT and the like: path's directory is no more. */
static int move_to_conflict(ApplyRun *run, const SyncIntent *intent, const char *path, const char *staged) {
        const SyncApply *a = run->apply;
        int r = 0;

        for (unsigned counter = 0; r == 0 && counter <= SYNC_CONFLICT_COUNTER_MAX + 1; counter++) {
                _cleanup_free_ char *made = NULL;
                _cleanup_close_ int fd = -EBADF;
                const char *to = intent->renamed_to, *name;

                /* The name that the plan chose and committed comes first. */
                if (counter > 0 || !to || path != intent->path) {
                        r = sync_conflict_path(path, a->now, a->gateway_name, counter - (counter > 0), &made);
                        if (r < 0)
                                return r;
                        to = made;
                }
                fd = sync_open_parent(a->root_fd, to, &name);
                if (fd < 0)
                        return fd;
                r = move_to(run, staged, fd, name);
                if (r > 0)
                        return sync_conflict_list_add(&run->report->conflicts, intent->path, to, a->now);
        }
        return r < 0 ? r : -EEXIST;
}

static int keep_as_conflict(ApplyRun *run, const SyncIntent *intent, const char *staged) {
        int r;

        r = move_to_conflict(run, intent, intent->path, staged);
        /* A user removed the directory meanwhile: then it goes to the folder itself. */
        if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -ENAMETOOLONG)
                r = move_to_conflict(run, intent, sync_path_name(intent->path), staged);
        return r;
}

/* A deletion that met a changed file is undone. */
static int put_back(ApplyRun *run, const SyncIntent *intent, const char *staged) {
        _cleanup_close_ int fd = -EBADF;
        const char *name;
        int r;

        fd = sync_open_parent(run->apply->root_fd, intent->path, &name);
        r = fd < 0 ? 0 : move_to(run, staged, fd, name);
        if (r == 0)
                return keep_as_conflict(run, intent, staged);
        return r < 0 ? r : apply_report_failure(run, intent->path, SYNC_APPLY_STALE, 0);
}

static int remove_staged(ApplyRun *run, const char *staged, int flags) {
        apply_step(run);
        if (unlinkat(run->apply->staging_fd, staged, flags) < 0)
                return -errno;
        apply_step(run);
        return 0;
}

int apply_dispose(ApplyRun *run, const SyncIntent *intent, bool force_conflict) {
        char staged[SYNC_STAGED_NAME_SIZE];
        bool can_go = false;
        struct stat st;
        int r = 0;

        sync_staged_name(intent->number, staged);
        if (fstatat(run->apply->staging_fd, staged, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!force_conflict && !intent->renamed_to) {
                if (S_ISDIR(st.st_mode)) {
                        r = remove_staged(run, staged, AT_REMOVEDIR);
                        if (r != -ENOTEMPTY)
                                return r;
                        r = 0;
                } else if (S_ISREG(st.st_mode))
                        r = file_can_go(run, intent, staged, &can_go);
                else if (S_ISLNK(st.st_mode))
                        r = symlink_can_go(run, intent, staged, &can_go);
        }
        if (r < 0)
                return r;
        if (can_go)
                return remove_staged(run, staged, 0);
        if (intent->kind == SYNC_DELETE)
                return put_back(run, intent, staged);
        return keep_as_conflict(run, intent, staged);
}

/* True if something of the intent is in the staging directory. */
static bool is_waiting(ApplyRun *run, const SyncIntent *intent, struct stat *ret) {
        char staged[SYNC_STAGED_NAME_SIZE];

        return fstatat(run->apply->staging_fd, sync_staged_name(intent->number, staged), ret, AT_SYMLINK_NOFOLLOW) == 0;
}

int apply_settle(ApplyRun *run, int64_t grace_ns) {
        int64_t now = apply_now_ns();
        int r;

        run->report->n_unsettled = 0;
        for (size_t k = 0; k < run->journal->n_intents; k++) {
                SyncIntent *i = run->journal->intents + k;
                int64_t age = now - i->displaced_ns;
                struct stat st;

                if (i->displaced.kind == SYNC_ABSENT)
                        continue;
                /* A clock that was set back ends the wait. */
                if (age >= 0 && age < grace_ns) {
                        run->report->n_unsettled++;
                        continue;
                }
                if (!is_waiting(run, i, &st)) {
                        i->displaced.kind = SYNC_ABSENT;
                        continue;
                }
                r = apply_dispose(run, i, false);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        run->report->n_unsettled++;
                        r = apply_report_failure(run, i->path, apply_result_of(r), r);
                        if (r < 0)
                                return r;
                } else
                        i->displaced.kind = SYNC_ABSENT;
        }
        return 0;
}

/* True if nothing but the journal itself is left to be dealt with. */
static bool is_done(const SyncJournal *j) {
        for (size_t i = 0; i < j->n_intents; i++)
                if (j->intents[i].displaced.kind != SYNC_ABSENT || j->intents[i].renamed_to)
                        return false;
        return true;
}

int sync_apply_settle(const SyncApply *apply, int64_t grace_ns, SyncApplyReport *report) {
        _cleanup_sync_journal_free_ SyncJournal *journal = NULL;
        ApplyRun run = { .apply = apply, .report = report };
        int r;

        r = sync_journal_open(&journal, apply->staging_fd);
        if (r < 0)
                return r;
        if (journal->interrupted)
                return -EUCLEAN;
        run.journal = journal;
        if (is_done(journal))
                return sync_journal_remove(journal);
        r = sync_journal_record(journal);
        if (r < 0)
                return r;
        apply_step(&run);
        r = apply_settle(&run, grace_ns);
        if (r < 0)
                return r;
        apply_step(&run);
        return report->n_unsettled == 0 ? sync_journal_remove(journal) : sync_journal_compact(journal);
}
