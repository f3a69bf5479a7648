/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>

#include "common/base/str.h"
#include "syncd/folder-internal.h"

/* The operations that put one entry at a path whose parents may be missing. */
typedef struct RestorePlan {
        SyncOperation operations[SYNC_DEPTH_MAX + 1];
        SyncEntry directories[SYNC_DEPTH_MAX + 1];
        size_t n;
        char **paths;
} RestorePlan;

static void restore_plan_done(RestorePlan *p) {
        strv_free(p->paths);
}

static void add_operation(
                RestorePlan *p, SyncOperationKind kind, const SyncEntry *local, const SyncEntry *wanted) {
        assert(p->n < ELEMENTSOF(p->operations));
        p->operations[p->n++] = (SyncOperation) {
                .kind = kind,
                .path = wanted->path,
                .local = local,
                .wanted = wanted,
        };
}

/* Missing parents, from the top. */
static int add_parents(Folder *f, const char *to, RestorePlan *p) {
        for (const char *slash = strchr(to, '/'); slash; slash = strchr(slash + 1, '/')) {
                char *path = strndup(to, (size_t) (slash - to));
                const SyncEntry *present;
                int r;

                r = strv_consume(&p->paths, path);
                if (r < 0)
                        return r;
                present = sync_tree_find(f->index, path);
                if (present && present->kind != SYNC_DIRECTORY)
                        return -ENOTDIR;
                if (present)
                        continue;
                p->directories[p->n] = (SyncEntry) { .path = path, .kind = SYNC_DIRECTORY };
                add_operation(p, SYNC_CREATE, NULL, &p->directories[p->n]);
        }
        return 0;
}

static int failure_to_errno(const SyncApplyReport *report) {
        if (report->n_failures == 0)
                return 0;
        switch (report->failures[0].result) {
        case SYNC_APPLY_STALE:
        case SYNC_APPLY_BUSY:
                return -EBUSY;
        case SYNC_APPLY_NO_SPACE:
                return -ENOSPC;
        case SYNC_APPLY_NO_CONTENT:
                return -ENOENT;
        case SYNC_APPLY_DONE:
        case SYNC_APPLY_NOT_EMPTY:
        case SYNC_APPLY_UNSUPPORTED:
        case SYNC_APPLY_FAILED:
        case _SYNC_APPLY_RESULT_MAX:
        default:
                return report->failures[0].error < 0 ? report->failures[0].error : -EIO;
        }
}

static int execute(Folder *f, RestorePlan *p, SyncConflictList *conflicts) {
        SyncPlan plan = { .operations = p->operations, .n_operations = p->n };
        SyncApplyReport report = {};
        SyncApply apply;
        int r;

        folder_apply_init(f, "restore", &apply);
        r = sync_apply(&apply, &plan, &report);
        if (r >= 0)
                r = failure_to_errno(&report);
        for (size_t i = 0; r >= 0 && i < report.conflicts.n; i++)
                r = sync_conflict_list_add(
                                conflicts,
                                report.conflicts.items[i].path,
                                report.conflicts.items[i].renamed_to,
                                report.conflicts.items[i].time);
        sync_apply_report_clear(&report);
        return r;
}

int folder_restore(
                Folder *f,
                const git_oid *commit,
                const char *path,
                const char *to,
                SyncConflictList *conflicts) {
        char *const paths[] = { (char *) to, NULL };
        _cleanup_(restore_plan_done) RestorePlan plan = {};
        SyncScanReport report = {};
        const SyncEntry *present;
        SyncEntry wanted;
        int r;

        if (!sync_path_is_valid(path) || !sync_path_is_valid(to) || sync_path_is_ignored(to))
                return -EINVAL;
        r = git_store_find_entry(f->store, commit, path, &wanted);
        if (r < 0)
                return r;
        if (wanted.kind == SYNC_DIRECTORY)
                return -EISDIR;
        wanted.path = to;

        r = folder_scan(f, !f->index, paths, true, &report);
        sync_scan_report_clear(&report);
        if (r != SYNC_SCAN_OK)
                return r < 0 ? r : -ENODEV;
        /* What the index and base differ in must not be older than the index: a change of a user's that is not known to
         * be one would be taken for main's. If it cannot be told now, the next run looks at everything. */
        if (f->differing && folder_compare(f, paths) < 0)
                f->differing = sync_tree_free(f->differing);
        r = add_parents(f, to, &plan);
        if (r < 0)
                return r;
        present = sync_tree_find(f->index, to);
        if (present && present->kind != SYNC_FILE && present->kind != SYNC_SYMLINK)
                return -EISDIR;
        if (present && present->certainty != SYNC_SETTLED && present->certainty != SYNC_RACY)
                return -EBUSY;
        if (sync_entry_equal(present, &wanted))
                return 0;
        add_operation(&plan, present ? SYNC_REPLACE : SYNC_CREATE, present, &wanted);
        return execute(f, &plan, conflicts);
}
