/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the folder's changes can be committed. */
#include <fcntl.h>
#include <git2.h>
#include <time.h>

#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/folder-internal.h"
#include "syncd/sync-open.h"

static bool is_refused(const FolderRequest *request, const char *path) {
        STRV_FOREACH(refused, request->refused)
                if (streq(*refused, path) || sync_path_is_below(path, *refused))
                        return true;
        return false;
}

/* The chunk trees of a large file must be in the store when it is committed. They are not if the store was lost, or
 * pruned while nothing could be committed: then the file is read again. 1, 0 if it is another one now, or a negative
 * errno. */
static int ensure_chunks(Folder *f, const SyncEntry *e) {
        _cleanup_close_ int fd = -EBADF;
        git_oid id;
        SyncOid oid;
        int r;

        git_store_oid_from_sync(&id, &e->oid);
        if (e->kind != SYNC_FILE || e->size <= FORMAT_PLAIN_MAX || git_store_has(f->store, &id))
                return 1;
        fd = sync_open_beneath(f->root_fd, e->path, O_RDONLY);
        if (fd < 0)
                return 0;
        r = content_hash_file(fd, true, &oid, &f->hash);
        if (r < 0)
                return r == -ENOMEM || r == -ENOSPC ? r : 0;
        return sync_oid_equal(&oid, &e->oid);
}

/* The changes without those that main would refuse: one such entry must not block the others. */
static int choose_changes(
                Folder *f, const FolderRequest *request, const SyncTree *changes, SyncTree **ret, bool *ret_again) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        int r;

        r = sync_tree_new(&t);
        if (r < 0)
                return r;
        SYNC_TREE_FOREACH(e, changes) {
                if (is_refused(request, e->path))
                        continue;
                r = ensure_chunks(f, e);
                *ret_again |= r == 0;
                if (r > 0)
                        r = sync_tree_add(t, e);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

int folder_commit(Folder *f, const FolderRequest *request, FolderResult *result) {
        SyncPlanContext context = { .now = time(NULL), .gateway_name = request->gateway_name, .as_is = true };
        _cleanup_sync_tree_free_ SyncTree *changes = NULL;
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        FolderRows rows;
        int r;

        r = folder_compare_main(f);
        if (r < 0)
                return r;
        folder_rows_init(&rows, f);
        r = sync_plan_rows(&rows.rows, &context, &plan);
        if (r < 0)
                return r;
        r = choose_changes(f, request, plan->commits, &changes, &result->outcome.again);
        if (r < 0)
                return r;
        result->pending = sync_tree_size(changes);
        return folder_update_chain(f, changes, request->gateway_name, request->changed, result);
}
