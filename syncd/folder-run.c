/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <git2.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"

/* Doubtful entries that are looked at one by one. */
#define DOUBTFUL_MAX 1024U

static void halt(FolderResult *result, SyncWord word, const char *format, ...) _printf_(3, 4);

static void halt(FolderResult *result, SyncWord word, const char *format, ...) {
        va_list ap;

        result->outcome.halted = true;
        result->outcome.word = word;
        va_start(ap, format);
        (void) vsnprintf(result->text, sizeof(result->text), format, ap);
        va_end(ap);
}

/* Returns 1 to go on, 0 if the run is halted. */
static int check_guard(Folder *f, const FolderRequest *request, SyncPlan *plan, FolderResult *result) {
        const SyncPlanStatistics *s = &plan->statistics;
        const char *where;
        size_t n;
        int r;

        r = folder_guard_check(f, request, plan, result, &where, &n);
        if (r == 0)
                halt(result, SYNC_WORD_MASS_DELETE, "%zu of %zu files would be deleted %s", n, s->base_files, where);
        return r;
}

/* The paths, and those whose last look was not conclusive. Returns 1; 0 if these are so many that looking at everything
 * is no more work. */
static int paths_with_doubtful(Folder *f, char *const *paths, char ***ret) {
        const SyncEntry *e;
        size_t n = 0, i = 0;
        int r;

        r = strv_copy(paths, ret);
        if (r < 0)
                return r;
        /* None is not all of them. */
        if (!*ret && !(*ret = calloc(1, sizeof(**ret))))
                return -ENOMEM;
        if (!f->index)
                return 0;
        while ((e = sync_tree_next_unsettled(f->index, &i))) {
                if (++n > DOUBTFUL_MAX)
                        return 0;
                r = strv_extend(ret, e->path);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* Returns 1 to go on, 0 if the run is halted. *ret_paths is what was looked at, NULL for everything. */
static int scan(Folder *f, const FolderRequest *request, FolderResult *result, char ***ret_paths) {
        FolderScan q = {
                .full = request->full || f->unfinished || !f->index || !f->differing,
                .urgent = request->paths,
                .in_parts = true,
        };
        _cleanup_strv_free_ char **paths = NULL;
        SyncScanReport report = {};
        char emptied[FOLDER_HELD_SIZE];
        int r;

        r = paths_with_doubtful(f, request->paths, &paths);
        if (r < 0)
                return r;
        q.full |= r == 0;
        q.paths = paths;
        folder_guard_name_emptied(f, emptied);
        q.accept_empty = streq_ptr(request->confirmed, emptied);
        r = folder_scan(f, &q, &report);
        result->outcome.rest = report.n_put_off + report.n_believed > 0;
        folder_tell_scan(&report, result);
        sync_scan_report_clear(&report);

        switch (r) {
        case SYNC_SCAN_OK:
                *ret_paths = q.full ? NULL : TAKE_PTR(paths);
                return 1;
        case SYNC_SCAN_ROOT_MISSING:
                halt(result, SYNC_WORD_FOLDER_OFFLINE, "the disk is not the one that was synchronized");
                return 0;
        case SYNC_SCAN_ROOT_EMPTIED:
                strcpy(result->held, emptied);
                halt(result, SYNC_WORD_FOLDER_EMPTIED, "the folder is empty all of a sudden");
                return 0;
        case -ENOSPC:
        case -EDQUOT:
                halt(result, SYNC_WORD_DISK_FULL, "no space in the local store");
                result->outcome.again = true;
                return 0;
        case -E2BIG:
                halt(result, SYNC_WORD_INTERNAL_ERROR, "more than %u entries", SYNC_ENTRIES_MAX);
                return 0;
        default:
                if (r == -ENOMEM)
                        return r;
                halt(result, SYNC_WORD_FOLDER_OFFLINE, "%s", strerror(-r));
                result->outcome.again = true;
                return 0;
        }
}

/* What a part of main that this version cannot read would take for a deletion, it does not touch. */
static void halt_at_main(Folder *f, FolderResult *result, int error) {
        _cleanup_free_ char *path = git_store_take_malformed(f->store);
        const char *why = error == -ENOENT    ? "something of it is missing"
                          : error == -EBADMSG ? "malformed, or of a newer format"
                                              : strerror(-error);

        if (isempty(path) || error != -EBADMSG)
                halt(result, SYNC_WORD_REPOSITORY_CORRUPT, "main cannot be read: %s", why);
        else
                halt(result, SYNC_WORD_REPOSITORY_CORRUPT, "main cannot be read in %.120s: %s", path, why);
}

/* Main's tip as the transfer worker left it, and what became of our own commits. Returns 1 to go on, 0 if
 * the run is halted. */
static int read_main(Folder *f, FolderResult *result) {
        git_oid tip, accepted;
        SyncEntry root;
        int r;

        r = folder_get_reference(f, GIT_STORE_REMOTE, &tip);
        if (r < 0)
                return r;
        r = git_oid_is_zero(&tip) ? 0 : git_store_find_entry(f->store, &tip, "", &root);
        if (r < 0) {
                halt_at_main(f, result, r);
                return 0;
        }
        if (!git_oid_equal(&tip, &f->main_commit))
                folder_set_main(f, &tip);
        r = folder_accept_commits(f, &tip, &accepted);
        if (r < 0 || git_oid_is_zero(&accepted))
                return r < 0 ? r : 1;
        /* Main has it though we never heard of that. */
        if (!git_oid_equal(&accepted, &f->base_commit) &&
            git_store_check_descent(f->store, &f->base_commit, &accepted) >= 0) {
                r = folder_set_base(f, &accepted, f->held);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* What apply could not do, and what it moved aside, is to be looked at. */
static int paths_to_scan(const SyncApplyReport *report, char ***ret) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < report->n_failures; i++)
                r = strv_extend(ret, report->failures[i].path);
        for (size_t i = 0; r >= 0 && i < report->conflicts.n; i++) {
                r = strv_extend(ret, report->conflicts.items[i].path);
                if (r >= 0)
                        r = strv_extend(ret, report->conflicts.items[i].renamed_to);
        }
        return r;
}

static int take_conflicts(const SyncApplyReport *report, FolderResult *result) {
        for (size_t i = 0; i < report->conflicts.n; i++) {
                const SyncConflict *c = &report->conflicts.items[i];
                int r = sync_conflict_list_add(&result->conflicts, c->path, c->renamed_to, c->time);

                if (r < 0)
                        return r;
                result->outcome.conflict = true;
        }
        return 0;
}

static int apply(
                Folder *f,
                const FolderRequest *request,
                const SyncPlan *plan,
                SyncApplyReport *report,
                FolderResult *result) {
        _cleanup_strv_free_ char **paths = NULL;
        SyncScanReport scanned = {};
        SyncApply a;
        int r;

        r = git_store_set_reference(f->store, GIT_STORE_TARGET, &f->main_commit);
        if (r >= 0)
                r = git_store_sync(f->store);
        if (r < 0)
                return r;
        folder_apply_init(f, request->gateway_name, &a);
        r = sync_apply(&a, plan, report);
        if (r < 0)
                return r;
        f->n_moved += report->n_moved;
        f->may_not_move |= report->moves_refused;
        folder_tell_failures(f, report, result);
        r = take_conflicts(report, result);
        if (r < 0)
                return r;
        r = folder_take_placed(f, report);
        if (r >= 0)
                r = paths_to_scan(report, &paths);
        if (r < 0 || !paths)
                return r;
        r = folder_scan(f, &(FolderScan) { .paths = paths, .accept_empty = true }, &scanned);
        sync_scan_report_clear(&scanned);
        return r > 0 ? -ESTALE : r;
}

/* Base follows to the target of apply, which is forgotten in the same step. */
static int move_to_target(Folder *f, const git_oid *target, const SyncTree *placed) {
        int r;

        r = folder_set_reference(f, GIT_STORE_TARGET, &(git_oid) {});
        if (r >= 0)
                r = folder_advance_base(f, target, placed);
        return r < 0 ? r : git_store_sync(f->store);
}

/* A run was killed while it brought the folder to a commit of main. What it had put in place is main's
 * and no change of a user's. */
static int finish_interrupted(Folder *f) {
        git_oid target;
        int r;

        r = git_store_get_reference(f->store, GIT_STORE_TARGET, &target);
        if (r >= 0)
                r = move_to_target(f, &target, f->recovered);
        if (r == -ENOENT || r == -EBADMSG)
                r = folder_lose_base(f);
        if (r < 0)
                return r;
        f->recovered = sync_tree_free(f->recovered);
        f->unfinished = false;
        return 0;
}

/* A base that main does not lead on from is of another repository. It proves no deletion: the two sides
 * are united. One that was rewritten on main stays what the folder was brought to, with its tree as it is here. */
static int check_base(Folder *f) {
        SyncTree *held;
        int r;

        if (git_oid_is_zero(&f->base_commit))
                return 0;
        r = git_store_check_succession(f->store, &f->base_commit, &f->main_commit);
        if (r != -EXDEV)
                return r;
        log_notice("Main is another repository's: begins with the union of both sides.");
        r = sync_tree_new(&held);
        if (r < 0)
                return r;
        r = folder_set_base(f, &(git_oid) {}, held);
        if (r < 0)
                sync_tree_free(held);
        return r;
}

static int settle(Folder *f, const FolderRequest *request, FolderResult *result) {
        SyncApplyReport report = {};
        SyncApply a;
        int r;

        folder_apply_init(f, request->gateway_name, &a);
        r = sync_apply_settle(&a, SYNC_GRACE_NS, &report);
        if (r >= 0) {
                r = take_conflicts(&report, result);
                if (report.n_unsettled > 0 || report.conflicts.n > 0)
                        result->outcome.again = true;
        }
        sync_apply_report_clear(&report);
        return r;
}

/* Returns 1 if the folder was brought to main's tip as far as it could be, so that base can follow; 2 if that has
 * to wait for content and nothing else is to be done; 0 if the run is halted. */
static int plan_and_apply(
                Folder *f, const FolderRequest *request, SyncApplyReport *report, FolderResult *result) {
        SyncPlanContext context = {
                .now = time(NULL),
                .gateway_name = request->gateway_name,
                .window = f->window,
                .whole_directories = f->n_unread == 0,
                .created_to = f->round.created_to,
                .deleted_to = f->round.deleted_to,
        };
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        _cleanup_(folder_lack_done) FolderLack lack = {};
        FolderRows rows;
        bool waits;
        int r;

        folder_rows_init(&rows, f);
        r = sync_plan_rows(&rows.rows, &context, &plan);
        if (r < 0)
                return r;
        result->pending = plan->statistics.to_commit;
        r = check_guard(f, request, plan, result);
        if (r <= 0)
                return r;
        if (plan->statistics.postponed > 0)
                result->outcome.again = true;
        r = folder_round_note(f, plan);
        if (r >= 0)
                r = folder_prepare_content(f, plan, WANTED_MAIN, &lack);
        if (r < 0)
                return r;
        folder_tell_lack(&lack, result);
        waits = result->outcome.missing && plan->n_operations == 0 && sync_tree_size(plan->commits) == 0;
        if (plan->n_operations > 0)
                r = apply(f, request, plan, report, result);
        /* Behind what is put in place now: what waits for its turn can be fetched again. */
        if (lack.no_space)
                content_sweep(&f->content, FOLDER_CONTENT_AGE_SEC, NULL, NULL);
        if (r < 0 || waits)
                return r < 0 ? r : 2;
        result->outcome.placed = report->n_done > 0;
        folder_round_go_on(f, plan, result->outcome.placed, result);
        return 1;
}

/* Base follows what was put in place, and what was put aside is a difference now. */
static int advance(Folder *f, const SyncApplyReport *report) {
        _cleanup_strv_free_ char **paths = NULL;
        int r;

        if (git_oid_equal(&f->base_commit, &f->main_commit) && sync_tree_size(f->held) == 0 && !report->placed &&
            report->n_failures == 0)
                return 0;
        folder_step(f);
        r = move_to_target(f, &f->main_commit, report->placed);
        folder_step(f);
        if (report->placed)
                folder_trim(f);
        if (r >= 0)
                r = paths_to_scan(report, &paths);
        return r < 0 || !paths ? r : folder_compare(f, paths);
}

/* Without a trusted base nothing is taken for deleted: the two sides are united. */
static int compare(Folder *f, char *const *paths) {
        int r;

        r = folder_compare(f, paths);
        if (r != -ENOENT && r != -EBADMSG)
                return r;
        r = folder_lose_base(f);
        return r < 0 ? r : folder_compare(f, NULL);
}

/* Returns 0 also if the run is halted. */
static int synchronize(Folder *f, const FolderRequest *request, FolderResult *result) {
        SyncApplyReport report = {};
        int r;

        r = folder_compare_main(f);
        if (r == -ENOENT || r == -EBADMSG) {
                halt_at_main(f, result, r);
                return 0;
        }
        if (r >= 0)
                r = folder_sweep_content(f);
        if (r >= 0)
                r = plan_and_apply(f, request, &report, result);
        folder_forget_sources(f);
        if (r == 1)
                r = advance(f, &report);
        else if (r != 2) {
                sync_apply_report_clear(&report);
                return r;
        }
        sync_apply_report_clear(&report);
        if (r < 0 || r == 2)
                return MIN(r, 0);
        folder_tell_unplaced(f, result);
        r = folder_commit(f, request, result);
        folder_tell_malformed(f, result);
        folder_tell_refused(request, result);
        folder_step(f);
        if (r >= 0)
                r = settle(f, request, result);
        if (r >= 0 && !result->outcome.candidate)
                r = folder_sweep_pending(f);
        if (r >= 0 && !result->outcome.candidate && !result->outcome.missing)
                r = folder_release_kept(f);
        return r;
}

static int run(Folder *f, const FolderRequest *request, FolderResult *result) {
        _cleanup_strv_free_ char **paths = NULL;
        int r;

        r = read_main(f, result);
        if (r <= 0)
                return r;
        r = scan(f, request, result, &paths);
        if (r <= 0)
                return r;
        if (f->unfinished) {
                r = finish_interrupted(f);
                if (r < 0)
                        return r;
        }
        r = check_base(f);
        if (r == -ENOENT || r == -EBADMSG)
                r = folder_lose_base(f);
        if (r < 0)
                return r;
        r = compare(f, paths);
        if (r < 0)
                return r;
        if (f->lost && !f->lost_told) {
                /* Before it is done, which may take long, or a moment in which nobody would hear of it. */
                f->lost_told = true;
                result->outcome.replan = true;
                result->pending = sync_tree_size(f->differing);
                folder_tell_loss(result);
                return 0;
        }
        r = synchronize(f, request, result);
        if (r < 0 || !f->lost)
                return r;
        if (result->outcome.missing || result->outcome.halted)
                folder_tell_loss(result);
        else
                f->lost = false;
        return 0;
}

/* The content before the references that vouch for it. */
int folder_finish_run(Folder *f) {
        int r;

        folder_trim(f);
        if (!f->unsynced)
                return 0;
        r = content_sync(&f->content);
        if (r >= 0)
                r = git_store_sync(f->store);
        if (r < 0)
                return r;
        f->unsynced = false;
        /* Nothing refers to the chunk trees of a file that is still being read. */
        return f->hash.reading ? 0 : git_store_prune(f->store);
}

int folder_run(Folder *f, const FolderRequest *request, FolderResult *ret) {
        FolderResult result = {};
        int r;

        r = folder_finish_run(f);
        if (r >= 0)
                r = run(f, request, &result);
        if (r >= 0)
                r = folder_revision(f, &f->base_commit, &result.outcome.base);
        if (r < 0) {
                folder_result_clear(&result);
                return r;
        }
        result.unplaced = sync_tree_size(f->held);
        result.outcome.unplaced = result.unplaced > 0;
        *ret = result;
        return 0;
}
