/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <git2.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder.h"
#include "syncd/instance.h"

static void halt(FolderResult *result, SyncWord word, const char *format, ...) _printf_(3, 4);

static void complain(FolderResult *result, SyncWord word, const char *text) {
        if (result->outcome.word != SYNC_WORD_NONE)
                return;
        result->outcome.word = word;
        (void) snprintf(result->text, sizeof(result->text), "%s", text);
}

static void halt(FolderResult *result, SyncWord word, const char *format, ...) {
        va_list ap;

        result->outcome.halted = true;
        result->outcome.word = word;
        va_start(ap, format);
        (void) vsnprintf(result->text, sizeof(result->text), format, ap);
        va_end(ap);
}

/* Names what is held, so that a confirmation holds for exactly that: the deletions on a certain base. */
static void name_held(Folder *f, const char *what, size_t n, char ret[static 41]) {
        char text[128], hex[GIT_OID_HEXSZ + 1];
        uint8_t digest[EVP_MAX_MD_SIZE];
        int size;

        size = snprintf(
                        text,
                        sizeof(text),
                        "%s %zu %s",
                        what,
                        n,
                        git_oid_tostr(hex, sizeof(hex), &f->base_commit));
        if (EVP_Digest(text, (size_t) size, digest, NULL, EVP_sha256(), NULL) != 1)
                memset(digest, 0, sizeof(digest));
        (void) format_hex(digest, 8, ret);
}

/* Returns true if it may go on. */
static bool check_guard(
                Folder *f, const FolderRequest *request, const SyncPlan *plan, FolderResult *result) {
        const SyncPlanStatistics *s = &plan->statistics;
        size_t n = MAX(s->deleted_here, s->deleted_on_main);
        const char *where = n == s->deleted_here ? "in the folder" : "on main";

        if (!sync_guard_exceeded(n, s->base_files, request->max_delete_count, request->max_delete_percent))
                return true;
        name_held(f, where, n, result->held);
        if (streq_ptr(request->confirmed, result->held)) {
                result->held[0] = 0;
                return true;
        }
        halt(result, SYNC_WORD_MASS_DELETE, "%zu of %zu files would be deleted %s", n, s->base_files, where);
        return false;
}

/* The paths, and those whose last look was not conclusive. */
static int paths_with_doubtful(Folder *f, char *const *paths, char ***ret) {
        int r;

        r = strv_copy(paths, ret);
        if (r < 0 || !f->index)
                return r;
        SYNC_TREE_FOREACH(e, f->index) {
                if (e->certainty == SYNC_SETTLED)
                        continue;
                r = strv_extend(ret, e->path);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Returns 1 to go on, 0 if the run is halted. */
static int scan(Folder *f, const FolderRequest *request, FolderResult *result) {
        _cleanup_strv_free_ char **paths = NULL;
        SyncScanReport report = {};
        char held[41];
        bool confirmed;
        int r;

        r = paths_with_doubtful(f, request->paths, &paths);
        if (r < 0)
                return r;
        name_held(f, "emptied", 0, held);
        confirmed = streq_ptr(request->confirmed, held);
        r = folder_scan(f, request->full || f->unfinished, paths, confirmed, &report);
        if (report.n_busy + report.n_racy > 0)
                result->outcome.again = true;
        if (report.problem_path) {
                complain(result, SYNC_WORD_BAD_ENTRY, report.problem_path);
                result->outcome.again = true;
        }
        sync_scan_report_clear(&report);

        switch (r) {
        case SYNC_SCAN_OK:
                return 1;
        case SYNC_SCAN_ROOT_MISSING:
                halt(result, SYNC_WORD_FOLDER_OFFLINE, "the disk is not the one that was synchronized");
                return 0;
        case SYNC_SCAN_ROOT_EMPTIED:
                strcpy(result->held, held);
                halt(result, SYNC_WORD_FOLDER_EMPTIED, "the folder is empty all of a sudden");
                return 0;
        case -ENOSPC:
        case -EDQUOT:
                halt(result, SYNC_WORD_DISK_FULL, "no space in the local store");
                return 0;
        case -E2BIG:
                halt(result, SYNC_WORD_INTERNAL_ERROR, "more than %u entries", SYNC_ENTRIES_MAX);
                return 0;
        default:
                if (r == -ENOMEM)
                        return r;
                halt(result, SYNC_WORD_FOLDER_OFFLINE, "%s", strerror(-r));
                return 0;
        }
}

/* Main's tip as the transfer worker left it, and what became of our last commit. Returns 1 to go on, 0 if
 * the run is halted. */
static int read_main(Folder *f, FolderResult *result) {
        _cleanup_sync_tree_free_ SyncTree *tree = NULL;
        git_oid tip, candidate;
        int r;

        r = git_store_get_reference(f->store, GIT_STORE_REMOTE, &tip);
        if (r == -ENOENT)
                tip = (git_oid) {};
        else if (r < 0)
                return r;
        if (!f->main || !git_oid_equal(&tip, &f->main_commit)) {
                r = git_store_read_tree(f->store, &tip, &tree);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        halt(result,
                             SYNC_WORD_REPOSITORY_CORRUPT,
                             "main cannot be interpreted: %s",
                             strerror(-r));
                        return 0;
                }
                sync_tree_free(f->main);
                f->main = TAKE_PTR(tree);
                f->main_commit = tip;
        }

        r = git_store_get_reference(f->store, GIT_STORE_CANDIDATE, &candidate);
        if (r == -ENOENT)
                return 1;
        if (r < 0)
                return r;
        if (git_store_check_descent(f->store, &candidate, &tip) >= 0 &&
            git_store_check_descent(f->store, &f->base_commit, &candidate) >= 0) {
                /* It was accepted though we never heard of it. */
                r = git_store_read_tree(f->store, &candidate, &tree);
                if (r < 0)
                        return r;
                r = folder_set_base(f, &candidate, tree, f->base_held);
                if (r < 0)
                        return r;
        }
        r = git_store_set_reference(f->store, GIT_STORE_CANDIDATE, &(git_oid) {});
        return r < 0 ? r : 1;
}

static void take_failures(const SyncApplyReport *report, FolderResult *result) {
        for (size_t i = 0; i < report->n_failures; i++) {
                const SyncApplyFailure *failure = &report->failures[i];
                char text[FOLDER_TEXT_MAX];

                result->outcome.again = true;
                (void) snprintf(text,
                                sizeof(text),
                                "%s: %.150s",
                                sync_apply_result_to_string(failure->result),
                                failure->path);
                switch (failure->result) {
                case SYNC_APPLY_NO_SPACE:
                        complain(result, SYNC_WORD_DISK_FULL, text);
                        break;
                case SYNC_APPLY_NO_CONTENT:
                        complain(result, SYNC_WORD_REPOSITORY_CORRUPT, text);
                        break;
                case SYNC_APPLY_UNSUPPORTED:
                case SYNC_APPLY_FAILED:
                        complain(result, SYNC_WORD_BAD_ENTRY, text);
                        break;
                case SYNC_APPLY_DONE:
                case SYNC_APPLY_STALE:
                case SYNC_APPLY_BUSY:
                case SYNC_APPLY_NOT_EMPTY:
                case _SYNC_APPLY_RESULT_MAX:
                default:
                        break;
                }
        }
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
        SyncTree *patched;
        SyncApply a;
        int r;

        r = git_store_set_reference(f->store, GIT_STORE_TARGET, &f->main_commit);
        if (r < 0)
                return r;
        folder_apply_init(f, request->gateway_name, &a);
        r = sync_apply(&a, plan, report);
        if (r < 0)
                return r;
        take_failures(report, result);
        r = take_conflicts(report, result);
        if (r < 0)
                return r;
        if (report->placed) {
                r = sync_tree_patch(f->index, report->placed, &patched);
                if (r < 0)
                        return r;
                sync_tree_free(f->index);
                f->index = patched;
        }
        r = paths_to_scan(report, &paths);
        if (r < 0 || !paths)
                return r;
        r = folder_scan(f, false, paths, true, &scanned);
        sync_scan_report_clear(&scanned);
        return r > 0 ? -ESTALE : r;
}

/* The folder was brought to main's tip, as far as it could be. */
static int advance(Folder *f, const SyncTree *placed) {
        SyncTree *held;
        int r;

        r = sync_base_advance(f->base, f->index, f->main, placed, &held);
        if (r < 0)
                return r;
        r = folder_set_base(f, &f->main_commit, f->main, held);
        if (r < 0) {
                sync_tree_free(held);
                return r;
        }
        return git_store_set_reference(f->store, GIT_STORE_TARGET, &(git_oid) {});
}

/* A run was killed while it brought the folder to a commit of main. What it had put in place is main's
 * and no change of a user's. */
static int finish_interrupted(Folder *f) {
        _cleanup_sync_tree_free_ SyncTree *tree = NULL;
        SyncTree *held;
        git_oid target;
        int r;

        r = git_store_get_reference(f->store, GIT_STORE_TARGET, &target);
        if (r < 0)
                return r;
        r = git_store_read_tree(f->store, &target, &tree);
        if (r < 0)
                return r;
        r = sync_base_advance(f->base, f->index, tree, f->recovered, &held);
        if (r < 0)
                return r;
        r = folder_set_base(f, &target, tree, held);
        if (r < 0) {
                sync_tree_free(held);
                return r;
        }
        f->recovered = sync_tree_free(f->recovered);
        f->unfinished = false;
        return git_store_set_reference(f->store, GIT_STORE_TARGET, &(git_oid) {});
}

/* A base that main does not descend from is of another repository. It proves no deletion: the two sides
 * are united. */
static int check_base(Folder *f) {
        SyncTree *nothing = NULL, *held = NULL;
        int r;

        if (git_oid_is_zero(&f->base_commit))
                return 0;
        r = git_store_check_descent(f->store, &f->base_commit, &f->main_commit);
        if (r != -EXDEV)
                return r;
        log_notice("Main is another repository's: begins with the union of both sides.");
        r = sync_tree_new(&nothing);
        if (r >= 0)
                r = sync_tree_new(&held);
        if (r >= 0)
                r = folder_set_base(f, &(git_oid) {}, nothing, held);
        if (r < 0)
                sync_tree_free(held);
        sync_tree_free(nothing);
        return r;
}

/* Makes the commit of what is left: the local changes. */
static int commit(Folder *f, const FolderRequest *request, FolderResult *result) {
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        _cleanup_free_ char *message = NULL;
        SyncPlanContext context = { .now = time(NULL), .gateway_name = request->gateway_name, .as_is = true };
        GitStoreCommit c = {
                .parent = f->main_commit,
                .author = request->gateway_name,
                .time = context.now,
        };
        git_oid id = {};
        int r;

        f->candidate = sync_tree_free(f->candidate);
        r = sync_plan(f->base, f->index, f->main, &context, &plan);
        if (r < 0)
                return r;
        result->pending = sync_tree_size(plan->commits);
        if (result->pending == 0)
                return 0;
        r = sync_tree_patch(f->main, plan->commits, &f->candidate);
        if (r < 0)
                return r;
        r = git_store_write_tree(f->store, f->candidate, &c.tree);
        if (r < 0)
                return r;
        message = strfmt("%zu change%s", result->pending, result->pending == 1 ? "" : "s");
        if (!message)
                return -ENOMEM;
        c.message = message;
        r = git_store_write_commit(f->store, &c, &id);
        if (r < 0)
                return r;
        r = git_store_set_reference(f->store, GIT_STORE_CANDIDATE, &id);
        if (r < 0)
                return r;
        result->outcome.candidate = true;
        return 0;
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

static int plan_and_apply(
                Folder *f, const FolderRequest *request, SyncApplyReport *report, FolderResult *result) {
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        SyncPlanContext context = { .now = time(NULL), .gateway_name = request->gateway_name };
        int r;

        r = sync_plan(f->base, f->index, f->main, &context, &plan);
        if (r < 0)
                return r;
        if (!check_guard(f, request, plan, result))
                return 0;
        if (plan->statistics.postponed > 0)
                result->outcome.again = true;
        if (plan->n_operations > 0) {
                r = apply(f, request, plan, report, result);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* Returns 0 also if the run is halted. */
static int run(Folder *f, const FolderRequest *request, FolderResult *result) {
        SyncApplyReport report = {};
        int r;

        r = read_main(f, result);
        if (r <= 0)
                return r;
        r = scan(f, request, result);
        if (r <= 0)
                return r;
        if (f->unfinished) {
                r = finish_interrupted(f);
                if (r < 0)
                        return r;
        }
        r = check_base(f);
        if (r < 0)
                return r;
        r = plan_and_apply(f, request, &report, result);
        if (r > 0)
                r = advance(f, report.placed);
        else {
                sync_apply_report_clear(&report);
                return r;
        }
        sync_apply_report_clear(&report);
        if (r < 0)
                return r;
        r = commit(f, request, result);
        if (r < 0)
                return r;
        r = settle(f, request, result);
        if (r < 0)
                return r;
        return sync_index_save(f->state_fd, INSTANCE_INDEX, f->index);
}

int folder_run(Folder *f, const FolderRequest *request, FolderResult *ret) {
        FolderResult result = {};
        int r;

        r = run(f, request, &result);
        if (r >= 0)
                r = folder_revision(f, &f->base_commit, &result.outcome.base);
        if (r < 0) {
                folder_result_clear(&result);
                return r;
        }
        *ret = result;
        return 0;
}

int folder_landed(Folder *f, SyncRevision *ret) {
        git_oid candidate;
        int r;

        r = git_store_get_reference(f->store, GIT_STORE_CANDIDATE, &candidate);
        if (r < 0)
                return r;
        if (!f->candidate) {
                r = git_store_read_tree(f->store, &candidate, &f->candidate);
                if (r < 0)
                        return r;
        }
        r = folder_set_base(f, &candidate, f->candidate, f->base_held);
        if (r < 0)
                return r;
        sync_tree_free(f->main);
        f->main = TAKE_PTR(f->candidate);
        f->main_commit = candidate;
        r = git_store_set_reference(f->store, GIT_STORE_CANDIDATE, &(git_oid) {});
        if (r < 0)
                return r;
        return folder_revision(f, &candidate, ret);
}
