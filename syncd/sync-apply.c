/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches: stage, journal, swap, sync, record the outcomes. */
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "syncd/sync-swap.h"

/* Up to so many files, a sync of each is cheaper than one of the whole file system with all that users write. */
#define SINGLE_SYNCS_MAX 4U

typedef struct Batch {
        ApplyItem items[SYNC_BATCH_FILES];
        size_t n;
        uint64_t bytes;
} Batch;

void apply_step(ApplyRun *run) {
        if (run->apply->step)
                run->apply->step(run->n_steps++, run->apply->userdata);
}

SyncApplyResult apply_result_of(int error) {
        switch (-error) {
        case ENOENT:
        case ENOTDIR:
        case EEXIST:
        case ELOOP:
        case EISDIR:
                return SYNC_APPLY_STALE;
        case ENOTEMPTY:
                return SYNC_APPLY_NOT_EMPTY;
        case ENOSPC:
        case EDQUOT:
                return SYNC_APPLY_NO_SPACE;
        case EINVAL:
        case EXDEV:
        case EOPNOTSUPP:
        case ENAMETOOLONG:
        case EILSEQ:
        case EFBIG:
                return SYNC_APPLY_UNSUPPORTED;
        case EBUSY:
        case EAGAIN:
                return SYNC_APPLY_BUSY;
        default:
                return SYNC_APPLY_FAILED;
        }
}

void apply_fail(ApplyItem *item, SyncApplyResult result, int error) {
        item->result = result;
        item->error = error;
}

int apply_report_failure(ApplyRun *run, const char *path, SyncApplyResult result, int error) {
        SyncApplyReport *report = run->report;
        _cleanup_free_ char *copy = strdup(path);
        SyncApplyFailure *failures = reallocarray(report->failures, report->n_failures + 1, sizeof(*failures));

        if (failures)
                report->failures = failures;
        if (!failures || !copy)
                return -ENOMEM;
        failures[report->n_failures++] = (SyncApplyFailure) {
                .path = TAKE_PTR(copy),
                .result = result,
                .error = error,
        };
        return 0;
}

static bool needs_intent(const SyncOperation *o) {
        return o->kind == SYNC_CREATE || o->kind == SYNC_REPLACE ||
               (o->kind == SYNC_DELETE && o->local->kind != SYNC_DIRECTORY);
}

/* Before Linux 6.16 btrfs syncs a nameless file's data only: with the sync of its directory it would be durable as an
 * empty file. */
static bool syncs_no_nameless(const SyncApply *a) {
        struct statfs st;

        return fstatfs(a->staging_fd, &st) < 0 || st.f_type == BTRFS_SUPER_MAGIC;
}

static int sync_new_files(ApplyRun *run, Batch *b) {
        size_t n_files = 0;

        for (size_t i = 0; i < b->n; i++)
                n_files += b->items[i].new_fd >= 0;
        run->sync_named = n_files <= SINGLE_SYNCS_MAX && syncs_no_nameless(run->apply);
        if (n_files > SINGLE_SYNCS_MAX)
                return syncfs(run->apply->staging_fd) < 0 ? -errno : 0;
        for (size_t i = 0; i < b->n; i++)
                if (b->items[i].new_fd >= 0 && fsync(b->items[i].new_fd) < 0)
                        return -errno;
        return 0;
}

static int sync_directories(ApplyRun *run, Batch *b) {
        if (b->n > SINGLE_SYNCS_MAX)
                return syncfs(run->apply->staging_fd) < 0 ? -errno : 0;
        for (size_t i = 0; i < b->n; i++) {
                /* A mode is the file's own: ext4 and XFS have it in the same journal, btrfs has not. */
                if (b->items[i].new_fd >= 0 && fsync(b->items[i].new_fd) < 0)
                        return -errno;
                if (b->items[i].parent_fd >= 0 && fsync(b->items[i].parent_fd) < 0)
                        return -errno;
                if (b->items[i].from_fd >= 0 && fsync(b->items[i].from_fd) < 0)
                        return -errno;
        }
        return fsync(run->apply->staging_fd) < 0 ? -errno : 0;
}

/* Asked before the swap, while main is at hand; what main has it never loses. */
static bool is_kept(ApplyRun *run, const SyncEntry *local) {
        return local && local->kind != SYNC_DIRECTORY && local->certainty < SYNC_BUSY &&
               run->apply->is_kept(&local->oid, run->apply->userdata);
}

static int write_intents(ApplyRun *run, Batch *b) {
        int r;

        for (size_t i = 0; i < b->n; i++) {
                ApplyItem *item = b->items + i;

                if (item->result != SYNC_APPLY_DONE || !needs_intent(item->operation))
                        continue;
                r = sync_journal_intend(
                                run->journal,
                                item->operation,
                                item->move ? item->move->from->path : NULL,
                                is_kept(run, item->operation->local),
                                item->number,
                                item->placed.inode,
                                &item->intent);
                if (r < 0)
                        return r;
                item->has_intent = true;
        }
        return sync_journal_sync(run->journal);
}

/* True if something that was to be taken out of the directory before is still in it. */
static bool is_still_needed(const ApplyRun *run, const Batch *b, const ApplyItem *directory) {
        const char *path = directory->operation->path;

        for (const ApplyItem *item = b->items; item < directory; item++)
                if (item->result != SYNC_APPLY_DONE && sync_path_is_below(item->operation->path, path))
                        return true;
        for (size_t i = 0; i < run->report->n_failures; i++)
                if (sync_path_is_below(run->report->failures[i].path, path))
                        return true;
        return false;
}

static int put_in_place(ApplyRun *run, ApplyItem *item) {
        int r;

        if (item->move)
                return apply_move(run, item);
        r = apply_name_staged(run, item);
        return r < 0 ? r : apply_swap(run, item);
}

/* Does one operation; only what must end the run is an error. */
static int do_item(ApplyRun *run, const Batch *b, ApplyItem *item) {
        const SyncEntry *local = item->operation->local;
        int r;

        /* Exchanged, it would be taken for a collision with somebody who put something there. */
        if (item->result == SYNC_APPLY_DONE && item->operation->kind == SYNC_REPLACE &&
            local->kind == SYNC_DIRECTORY && !item->operation->renamed_to && is_still_needed(run, b, item)) {
                apply_fail(item, SYNC_APPLY_NOT_EMPTY, 0);
                apply_discard(run, item);
        }
        if (item->result != SYNC_APPLY_DONE)
                return 0;
        r = put_in_place(run, item);
        if (r < 0 && !item->swapped) {
                apply_fail(item, apply_result_of(r), r);
                r = 0;
        }
        if (item->result != SYNC_APPLY_DONE)
                apply_discard(run, item);
        return r;
}

static int finish_item(ApplyRun *run, ApplyItem *item) {
        if (item->has_intent && !run->journal->intents[item->intent].finished) {
                int r;

                r = sync_journal_finish(
                                run->journal,
                                item->intent,
                                item->result == SYNC_APPLY_DONE,
                                &item->displaced,
                                item->displaced_ns);
                if (r < 0)
                        return r;
        }
        if (item->result != SYNC_APPLY_DONE)
                return apply_report_failure(run, item->operation->path, item->result, item->error);
        run->report->n_done++;
        if (item->operation->kind != SYNC_CHMOD && !item->move)
                run->report->bytes_written += item->placed.size;
        return 0;
}

static int run_batch(ApplyRun *run, Batch *b) {
        int r;

        apply_step(run);
        r = sync_new_files(run, b);
        if (r < 0)
                return r;
        apply_step(run);
        r = write_intents(run, b);
        if (r < 0)
                return r;
        apply_step(run);
        for (size_t i = 0; i < b->n; i++) {
                r = do_item(run, b, b->items + i);
                if (r < 0)
                        return r;
        }
        apply_step(run);
        r = sync_directories(run, b);
        if (r < 0)
                return r;
        for (size_t i = 0; i < b->n; i++) {
                r = finish_item(run, b->items + i);
                if (r < 0)
                        return r;
        }
        apply_step(run);
        return 0;
}

static void close_batch(Batch *b) {
        for (size_t i = 0; i < b->n; i++) {
                safe_close(b->items[i].new_fd);
                safe_close(b->items[i].parent_fd);
                safe_close(b->items[i].from_fd);
        }
        b->n = 0;
        b->bytes = 0;
}

static int flush_batch(ApplyRun *run, Batch *b) {
        int r;

        if (b->n == 0)
                return 0;
        r = run_batch(run, b);
        close_batch(b);
        run->n_taken = 0;
        if (r < 0)
                return log_debug_errno(r, "Applying ended early, recovery is due: %m");
        return apply_settle(run, SYNC_GRACE_NS);
}

/* A deletion that is one half of a move is decided once the other half was tried. 1 if nothing is left to be done. */
static int decide_moved(ApplyRun *run, const SyncOperation *o, const ApplyMove *move, Batch *b) {
        int r;

        if (!move || o->kind != SYNC_DELETE)
                return 0;
        if (move->state == APPLY_MOVE_PLANNED) {
                r = flush_batch(run, b);
                if (r < 0)
                        return r;
        }
        if (move->state == APPLY_MOVE_DONE)
                run->report->n_done++;
        else if (move->state != APPLY_MOVE_REFUSED)
                return 0;
        else {
                r = apply_report_failure(run, o->path, SYNC_APPLY_STALE, 0);
                if (r < 0)
                        return r;
        }
        return 1;
}

static int run_plan(ApplyRun *run, const SyncPlan *plan, Batch *b) {
        int r;

        for (size_t i = 0; i < plan->n_operations; i++) {
                ApplyMove *move = run->moves ? run->moves[i] : NULL;
                ApplyItem *item;

                r = decide_moved(run, plan->operations + i, move, b);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                item = b->items + b->n++;
                *item = (ApplyItem) {
                        .operation = plan->operations + i,
                        .number = run->journal->next_number + b->n,
                        .new_fd = -EBADF,
                        .parent_fd = -EBADF,
                        .from_fd = -EBADF,
                        .move = plan->operations[i].kind == SYNC_CREATE ? move : NULL,
                };
                r = apply_stage(run, item);
                if (r < 0)
                        return r;
                b->bytes += item->move ? 0 : item->placed.size;
                if (b->n < SYNC_BATCH_FILES && b->bytes < SYNC_BATCH_BYTES)
                        continue;
                r = flush_batch(run, b);
                if (r < 0)
                        return r;
        }
        return flush_batch(run, b);
}

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

static int find_repeated(const SyncPlan *plan, SyncOid **ret, size_t *ret_n) {
        SyncOid *oids = calloc(plan->n_operations + 1, sizeof(*oids));
        size_t n = 0, n_repeated = 0;

        if (!oids)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_operations; i++) {
                const SyncEntry *wanted = plan->operations[i].wanted;

                if (wanted && wanted->kind == SYNC_FILE)
                        oids[n++] = wanted->oid;
        }
        qsort(oids, n, sizeof(*oids), compare_oids);
        for (size_t i = 1; i < n; i++)
                if (sync_oid_equal(oids + i, oids + i - 1))
                        oids[n_repeated++] = oids[i];
        *ret = oids;
        *ret_n = n_repeated;
        return 0;
}

int sync_apply(const SyncApply *apply, const SyncPlan *plan, SyncApplyReport *report) {
        _cleanup_sync_journal_free_ SyncJournal *journal = NULL;
        ApplyRun run = { .apply = apply, .report = report };
        _cleanup_free_ SyncOid *repeated = NULL;
        _cleanup_free_ Batch *batch = NULL;
        int r, k;

        r = sync_journal_open(&journal, apply->staging_fd);
        if (r < 0)
                return r;
        if (journal->interrupted)
                return -EUCLEAN;
        batch = calloc(1, sizeof(*batch));
        if (!batch)
                return -ENOMEM;

        r = find_repeated(plan, &repeated, &run.n_repeated);
        if (r < 0)
                return r;
        run.repeated = repeated;
        run.journal = journal;
        r = apply_find_moves(&run, plan);
        if (r >= 0)
                r = run_plan(&run, plan, batch);
        close_batch(batch);
        apply_forget_moves(&run);
        for (size_t i = 0; i < run.n_repeated && apply->content; i++)
                content_release(apply->content, repeated + i);
        k = report->placed ? sync_tree_sort_last(report->placed) : 0;
        return r < 0 ? r : k;
}

void sync_apply_report_clear(SyncApplyReport *r) {
        for (size_t i = 0; i < r->n_failures; i++)
                free(r->failures[i].path);
        free(r->failures);
        sync_tree_free(r->placed);
        sync_conflict_list_clear(&r->conflicts);
        *r = (SyncApplyReport) {};
}
