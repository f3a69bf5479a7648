/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bringing back what a commit of main had, part by part. Each part is planned from the commit and the index as they
 * are, so that nothing has to be remembered between parts but the last path. */
#include <git2.h>
#include <string.h>
#include <time.h>

#include "common/base/str.h"
#include "syncd/folder-internal.h"

/* A part: between two of them the worker does what else it is asked for. */
#define PART_ENTRIES_MAX 1024U
#define PART_BYTES_MAX (UINT64_C(256) << 20)

void folder_restore_result_clear(FolderRestoreResult *result) {
        object_wants_done(&result->wants);
        sync_conflict_list_clear(&result->conflicts);
        free(result->after);
        free(result->failed_path);
        *result = (FolderRestoreResult) {};
}

/* The path with its beginning from replaced by to; both may be "", the folder. */
static char *move_path(const char *path, const char *from, const char *to) {
        const char *rest = *from ? path + strlen(from) : path;

        if (*from && *rest == '/')
                rest++;
        return strfmt("%s%s%s", to, *to && *rest ? "/" : "", rest);
}

char *folder_origin_path(const FolderOrigin *origin, const char *path) {
        return move_path(path, origin->to, origin->path);
}

typedef struct Part {
        Folder *folder;
        const FolderRestore *q;
        FolderRestoreResult *result;
        SyncEntry *entries; /* wanted; they and their paths do not move */
        SyncOperation *operations;
        size_t n;
        char **paths;
        uint64_t bytes;
        char *last; /* the last path of the commit that was looked at */
        bool full;
} Part;

static void part_done(Part *p) {
        free(p->entries);
        free(p->operations);
        free(p->last);
        strv_free(p->paths);
}

static int part_init(Part *p, Folder *f, const FolderRestore *q, FolderRestoreResult *result) {
        size_t n = PART_ENTRIES_MAX + SYNC_DEPTH_MAX + 1;

        p->folder = f;
        p->q = q;
        p->result = result;
        p->entries = calloc(n, sizeof(*p->entries));
        p->operations = calloc(n, sizeof(*p->operations));
        return p->entries && p->operations ? 0 : -ENOMEM;
}

/* Takes the path. */
static int add_operation(Part *p, const SyncEntry *present, const SyncEntry *wanted, char *path) {
        SyncEntry *e = p->entries + p->n;
        int r;

        r = strv_consume(&p->paths, path);
        if (r < 0)
                return r;
        *e = *wanted;
        e->path = path;
        p->operations[p->n++] = (SyncOperation) {
                .kind = present ? SYNC_REPLACE : SYNC_CREATE,
                .path = path,
                .local = present,
                .wanted = e,
        };
        return 0;
}

/* The directories that lead to what is restored, from the top. */
static int add_parents(Part *p) {
        static const SyncEntry directory = { .kind = SYNC_DIRECTORY };
        const char *to = p->q->to;
        size_t length = strlen(to);

        for (size_t i = 0; i <= length; i++) {
                /* The folder itself comes without an entry of its own. */
                bool ends = to[i] == '/' || (i == length && i > 0 && !*p->q->path);
                _cleanup_free_ char *path = NULL;
                const SyncEntry *present;
                int r;

                if (!ends)
                        continue;
                path = strndup(to, i);
                if (!path)
                        return -ENOMEM;
                present = sync_tree_find(p->folder->index, path);
                if (present && present->kind != SYNC_DIRECTORY)
                        return -ENOTDIR;
                if (present)
                        continue;
                r = add_operation(p, NULL, &directory, TAKE_PTR(path));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int fail(FolderRestoreResult *result, const char *path, int error) {
        if (result->n_failed++ > 0)
                return 0;
        result->failed_error = error;
        return free_and_strdup(&result->failed_path, path) < 0 ? -ENOMEM : 0;
}

/* Why what is there cannot be replaced, or 0. */
static int check_present(const FolderRestore *q, const SyncEntry *present, const SyncEntry *wanted) {
        if (!present)
                return 0;
        if (present->certainty == SYNC_BUSY || present->certainty == SYNC_UNKNOWN)
                return -EBUSY;
        if (present->kind == SYNC_DIRECTORY)
                return -EISDIR;
        return present->kind == SYNC_SPECIAL || !streq(q->path, q->to) ? -EEXIST : 0;
}

static uint64_t size_of(const SyncEntry *e) {
        return e->size == SYNC_SIZE_UNKNOWN ? 0 : e->size;
}

/* Plans an entry of the commit, if it differs from what is there; with the part full, only counts it. */
static int take_entry(const SyncEntry *e, void *userdata) {
        _cleanup_free_ char *path = NULL;
        const SyncEntry *present;
        Part *p = userdata;
        int r;

        if (p->q->after && sync_path_compare(e->path, p->q->after) <= 0)
                return 0;
        path = move_path(e->path, p->q->path, p->q->to);
        if (!path)
                return -ENOMEM;
        present = sync_tree_find(p->folder->index, path);
        if (!sync_entry_equal(present, e) && !p->q->after)
                p->result->bytes_total += size_of(e);
        if (!p->full && (p->n >= PART_ENTRIES_MAX || p->bytes >= PART_BYTES_MAX))
                p->full = true;
        if (p->full)
                return p->q->after ? 1 : 0;
        r = free_and_strdup(&p->last, e->path);
        if (r < 0 || sync_entry_equal(present, e))
                return MIN(r, 0);
        r = sync_path_is_valid(path) && !sync_path_is_ignored(path) ? check_present(p->q, present, e) : -EINVAL;
        if (r < 0)
                return fail(p->result, path, r);
        p->bytes += size_of(e);
        return add_operation(p, present, e, TAKE_PTR(path));
}

static int error_of(const SyncApplyFailure *failure) {
        switch (failure->result) {
        case SYNC_APPLY_STALE:
        case SYNC_APPLY_BUSY:
                return -EBUSY;
        case SYNC_APPLY_NO_SPACE:
                return -ENOSPC;
        case SYNC_APPLY_UNSUPPORTED:
                return -EOPNOTSUPP;
        case SYNC_APPLY_DONE:
        case SYNC_APPLY_NO_CONTENT:
        case SYNC_APPLY_NOT_EMPTY:
        case SYNC_APPLY_FAILED:
        case _SYNC_APPLY_RESULT_MAX:
        default:
                return failure->error < 0 ? failure->error : -EIO;
        }
}

static int take_report(const SyncApplyReport *report, FolderRestoreResult *result) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < report->n_failures; i++)
                r = fail(result, report->failures[i].path, error_of(report->failures + i));
        for (size_t i = 0; r >= 0 && i < report->conflicts.n; i++)
                r = sync_conflict_list_add(
                                &result->conflicts,
                                report->conflicts.items[i].path,
                                report->conflicts.items[i].renamed_to,
                                report->conflicts.items[i].time);
        result->n_restored += report->n_done;
        result->bytes += report->bytes_written;
        return r;
}

/* A name for what is in the place of the operation and not on main. */
static int make_conflict_name(Part *p, const char *path, const char **ret) {
        for (unsigned counter = 0; counter <= SYNC_CONFLICT_COUNTER_MAX; counter++) {
                char *name;
                int r = sync_conflict_path(path, time(NULL), p->q->gateway_name, counter, &name);

                if (r >= 0)
                        r = strv_consume(&p->paths, name);
                if (r < 0)
                        return r;
                if (sync_tree_find(p->folder->index, name))
                        continue;
                *ret = name;
                return 0;
        }
        return -EEXIST;
}

static int put_aside(Part *p, const SyncPlan *plan) {
        for (size_t i = 0; i < plan->n_operations; i++) {
                SyncOperation *o = plan->operations + i;
                int r;

                if (o->kind != SYNC_REPLACE || folder_is_on_main(p->folder, &o->local->oid))
                        continue;
                r = make_conflict_name(p, o->path, &o->renamed_to);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Base must not be taken for what is in place now. */
static int look_again(Part *p) {
        SyncScanReport report = {};
        int r;

        r = folder_scan(p->folder, &(FolderScan) { .paths = p->paths, .accept_empty = true }, &report);
        sync_scan_report_clear(&report);
        if (r == SYNC_SCAN_OK)
                return folder_compare(p->folder, p->paths);
        return r < 0 ? r : -ENODEV;
}

static int apply(Part *p, const SyncPlan *plan) {
        FolderOrigin origin = { .commit = p->q->commit, .path = p->q->path, .to = p->q->to };
        SyncApplyReport report = {};
        Folder *f = p->folder;
        SyncApply a;
        int r;

        r = put_aside(p, plan);
        if (r < 0)
                return r;
        folder_apply_init(f, p->q->gateway_name, &a);
        f->origin = &origin;
        r = sync_apply(&a, plan, &report);
        f->origin = NULL;
        if (r >= 0)
                r = take_report(&report, p->result);
        if (r >= 0)
                r = folder_take_placed(f, &report);
        sync_apply_report_clear(&report);
        return r < 0 ? r : look_again(p);
}

/* Does the part if all content of it is at hand. */
static int execute(Part *p) {
        SyncPlan plan = { .operations = p->operations, .n_operations = p->n };
        _cleanup_(folder_lack_done) FolderLack lack = {};
        int r;

        r = folder_prepare_content(p->folder, &plan, WANTED_RESTORE, &lack);
        if (r >= 0 && lack.no_space)
                r = -ENOSPC;
        if (r >= 0 && lack.bytes > 0)
                p->result->bytes_missing = lack.bytes;
        else if (r >= 0) {
                STRV_FOREACH(path, lack.malformed)
                        if (r >= 0)
                                r = fail(p->result, *path, -EBADMSG);
                if (r >= 0)
                        r = apply(p, &plan);
        }
        folder_forget_sources(p->folder);
        return r;
}

/* What is where the restored entries go, and whether main has it. */
static int look(Folder *f, const FolderRestore *q) {
        char *const paths[] = { (char *) q->to, NULL };
        bool full = !f->index || !f->differing;
        SyncScanReport report = {};
        int r;

        r = folder_scan(f, &(FolderScan) { .full = full, .paths = paths, .accept_empty = true }, &report);
        sync_scan_report_clear(&report);
        if (r != SYNC_SCAN_OK)
                return r < 0 ? r : -ENODEV;
        /* What index and base differ in must not be older than the index: a change of a user's that is not known to be
         * one would be taken for main's. If it cannot be told now, the next run looks at everything. */
        r = folder_compare(f, full ? NULL : paths);
        if (r < 0) {
                f->differing = sync_tree_free(f->differing);
                return r;
        }
        return !streq(q->path, q->to) && sync_tree_find(f->index, q->to) ? -EEXIST : 0;
}

static int check_request(Folder *f, const FolderRestore *q) {
        if ((*q->path && !sync_path_is_valid(q->path)) || (*q->to && !sync_path_is_valid(q->to)) ||
            sync_path_is_ignored(q->to) || (*q->path && !*q->to))
                return -EINVAL;
        return f->unfinished ? -EBUSY : 0;
}

static int restore_part(Folder *f, const FolderRestore *q, FolderRestoreResult *ret) {
        _cleanup_(part_done) Part p = {};
        SyncEntry e;
        int r;

        r = part_init(&p, f, q, ret);
        if (r >= 0)
                r = git_store_find_entry(f->store, &q->commit, q->path, &e);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        if (!q->after) {
                r = look(f, q);
                if (r >= 0)
                        r = add_parents(&p);
                if (r < 0)
                        return r;
        }
        r = git_store_foreach_entry(f->store, &q->commit, q->path, take_entry, &p);
        if (r >= 0 && p.n > 0)
                r = execute(&p);
        if (r < 0)
                return r;
        if (ret->bytes_missing > 0)
                return q->after ? free_and_strdup(&ret->after, q->after) : 0;
        if (p.full)
                ret->after = TAKE_PTR(p.last);
        return 0;
}

int folder_restore(Folder *f, const FolderRestore *q, FolderRestoreResult *ret) {
        int r;

        r = check_request(f, q);
        if (r >= 0)
                r = folder_finish_run(f);
        if (r < 0)
                return r;
        if (!q->after) {
                r = git_store_find_missing(f->store, &q->commit, q->path, true, &ret->wants);
                if (r < 0 || ret->wants.n > 0)
                        return r;
        }
        r = restore_part(f, q, ret);
        if (r != -ENOENT)
                return MIN(r, 0);
        /* Pruned meanwhile. */
        r = git_store_find_missing(f->store, &q->commit, q->path, true, &ret->wants);
        return r < 0 ? r : ret->wants.n > 0 ? 0 : -ENOENT;
}
