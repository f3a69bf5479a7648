/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the folder's changes can be committed. */
#include <fcntl.h>
#include <git2.h>
#include <time.h>
#include <unistd.h>

#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/folder-internal.h"
#include "syncd/sync-open.h"

bool folder_is_refused(const FolderRequest *request, const SyncEntry *e) {
        for (size_t i = 0; i < request->n_refused; i++)
                if (sync_refusal_holds(request->refused + i, e))
                        return true;
        return false;
}

static int read_symlink(Folder *f, const SyncEntry *e) {
        char target[SYNC_TARGET_MAX + 1];
        _cleanup_close_ int fd = -EBADF;
        const char *name;
        SyncOid oid;
        ssize_t n;
        int r;

        fd = sync_open_parent(f->root_fd, e->path, &name);
        n = fd < 0 ? -1 : readlinkat(fd, name, target, sizeof(target));
        if (n < 0)
                return 0;
        r = content_hash_bytes(target, (size_t) n, true, &oid, &f->hash);
        return r < 0 ? r : sync_oid_equal(&oid, &e->oid);
}

/* What is committed must be there to be pushed: the snapshot of a symlink, which is not read from the folder, and
 * the chunk trees of a large file. They are not if the store was lost, or pruned while nothing could be committed:
 * then the entry is read again. 1, 0 if it is another one now, or a negative errno. */
static int ensure_content(Folder *f, const SyncEntry *e) {
        _cleanup_close_ int fd = -EBADF;
        git_oid id;
        SyncOid oid;
        int r;

        if (e->kind == SYNC_SYMLINK && content_pending_has(&f->content, &e->oid) <= 0)
                return read_symlink(f, e);
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

const SyncEntry *folder_change_at(const SyncTree *changes, const char *path) {
        const SyncEntry *e = sync_tree_find(changes, path);
        char parent[SYNC_PATH_MAX + 1];

        strcpy(parent, path);
        for (char *slash = strrchr(parent, '/'); !e && slash; slash = strrchr(parent, '/')) {
                *slash = '\0';
                e = sync_tree_find(changes, parent);
                if (e && e->kind != SYNC_ABSENT)
                        return NULL;
        }
        return e;
}

/* True if the changes put something that is no directory above the path: then nothing can stay there. */
static bool is_beneath_file(const SyncTree *changes, const char *path) {
        char parent[SYNC_PATH_MAX + 1];

        strcpy(parent, path);
        for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
                const SyncEntry *e;

                *slash = '\0';
                e = sync_tree_find(changes, parent);
                if (e && e->kind != SYNC_ABSENT && e->kind != SYNC_DIRECTORY)
                        return true;
        }
        return false;
}

bool folder_deletion_waits(const Folder *f, const SyncTree *changes, const char *path) {
        const SyncEntry *base;

        if (f->n_unread == 0 || is_beneath_file(changes, path))
                return false;
        base = folder_base_of(sync_tree_find(f->differing, path), NULL);
        /* A directory, whatever was in it. */
        if (!base || base->kind != SYNC_FILE || base->size == SYNC_SIZE_UNKNOWN)
                return true;
        return bsearch(&base->size, f->unread, f->n_unread, sizeof(*f->unread), folder_compare_sizes);
}

typedef struct Choice {
        Folder *folder;
        const FolderRequest *request;
        const SyncTree *changes;
        FolderResult *result;
} Choice;

/* Not what main would refuse: one such entry must not block the others. */
static int can_be_chosen(const SyncEntry *e, void *userdata) {
        Choice *c = userdata;
        int r;

        if (folder_is_refused(c->request, e) ||
            (e->kind == SYNC_ABSENT && folder_deletion_waits(c->folder, c->changes, e->path)))
                return 0;
        r = ensure_content(c->folder, e);
        c->result->outcome.again |= r == 0;
        return r;
}

int folder_commit(Folder *f, const FolderRequest *request, FolderResult *result) {
        SyncPlanContext context = {
                .now = time(NULL),
                .gateway_name = request->gateway_name,
                .as_is = true,
                .whole_directories = f->n_unread == 0,
                .window = 1,
        };
        _cleanup_sync_tree_free_ SyncTree *changes = NULL;
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        FolderRows rows;
        Choice choice;
        int r;

        r = folder_compare_main(f);
        if (r < 0)
                return r;
        folder_rows_init(&rows, f);
        /* Where the folder has base as it is, there is nothing to be committed, whatever waits to come. */
        if (sync_tree_size(f->differing) == 0)
                rows.walk = (SyncWalk) {};
        r = sync_plan_rows(&rows.rows, &context, &plan);
        if (r < 0)
                return r;
        choice = (Choice) { .folder = f, .request = request, .changes = plan->commits, .result = result };
        r = sync_tree_filter(plan->commits, can_be_chosen, &choice, &changes);
        if (r < 0)
                return r;
        result->pending = plan->statistics.to_commit;
        r = folder_update_chain(f, plan, changes, request, result);
        if (r < 0)
                return r;
        /* Their memory is needed. */
        plan = sync_plan_free(plan);
        changes = sync_tree_free(changes);
        return folder_next_push(f, &result->push, &result->outcome.bytes_to_push);
}
