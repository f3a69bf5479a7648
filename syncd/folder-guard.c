/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mass-delete guard, and the names of what it holds. */
#include <git2.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"

/* Bytes of the hash that an id has. */
#define ID_BYTES 8U

struct FolderGuardKey {
        uint8_t bytes[ID_BYTES];
        bool moves; /* it was half of a move, the other half of which is done */
};

static int hash_paths(const char *what, const char *const *paths, size_t n, FolderGuardKey *ret) {
        EVP_MD_CTX *hash = EVP_MD_CTX_new();
        uint8_t digest[EVP_MAX_MD_SIZE];
        bool good;

        good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(hash, what, strlen(what) + 1) == 1;
        for (size_t i = 0; i < n && good; i++)
                good = EVP_DigestUpdate(hash, paths[i], strlen(paths[i]) + 1) == 1;
        good = good && EVP_DigestFinal_ex(hash, digest, NULL) == 1;
        EVP_MD_CTX_free(hash);
        if (!good)
                return -ENOMEM;
        memcpy(ret->bytes, digest, sizeof(ret->bytes));
        return 0;
}

static void name_held(const char *what, const char *const *paths, size_t n, char ret[static FOLDER_HELD_SIZE]) {
        FolderGuardKey key = {};

        (void) hash_paths(what, paths, n, &key);
        static_assert(FOLDER_HELD_SIZE == 2 * ID_BYTES + 1, "it has room for the digits");
        (void) format_hex(key.bytes, ID_BYTES, ret);
}

void folder_guard_name_emptied(Folder *f, char ret[static FOLDER_HELD_SIZE]) {
        char hex[GIT_OID_HEXSZ + 1];
        const char *base = git_oid_tostr(hex, sizeof(hex), &f->base_commit);

        name_held("emptied", &base, 1, ret);
}

static bool emptied_is_confirmed(Folder *f, const FolderRequest *request) {
        char id[FOLDER_HELD_SIZE];

        folder_guard_name_emptied(f, id);
        return sync_tree_size(f->index) == 0 && streq_ptr(request->confirmed, id);
}

static bool is_exceeded(const FolderRequest *request, const SyncPlanStatistics *s, size_t n) {
        return sync_guard_exceeded(n, s->base_files, request->max_delete_count, request->max_delete_percent);
}

/* What waits to be known for a move or a deletion is counted when it is known. */
static void leave_out_waiting(const Folder *f, SyncPlan *plan) {
        size_t n = 0;

        for (size_t i = 0; i < plan->statistics.deleted_on_main; i++)
                if (!folder_deletion_waits(f, plan->commits, plan->deleted_on_main[i]))
                        plan->deleted_on_main[n++] = plan->deleted_on_main[i];
        plan->statistics.deleted_on_main = n;
}

/* --- what it has let pass before --- */

static int compare_keys(const void *a, const void *b) {
        const FolderGuardKey *x = a, *y = b;

        return memcmp(x->bytes, y->bytes, ID_BYTES);
}

/* Of what the plan counts as deleted here, and of what it does not count as it moves, and leaves to later plans. */
static int list_keys(const SyncPlan *plan, FolderGuardKey **ret) {
        size_t n = plan->statistics.deleted_here, n_moves = plan->statistics.moves_put_off;
        _cleanup_free_ FolderGuardKey *keys = calloc(n + n_moves + 1, sizeof(*keys));
        int r = keys ? 0 : -ENOMEM;

        for (size_t i = 0; i < n + n_moves && r >= 0; i++) {
                const char *const *path = i < n ? plan->deleted_here + i : plan->moves_put_off + i - n;

                r = hash_paths("in the folder", path, 1, keys + i);
                keys[i].moves = i >= n;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(keys);
        return 0;
}

/* Notes which of them have been let pass, and what content those have that were to move. */
static int find_passed(const Folder *f, const SyncPlan *plan, FolderGuardKey *keys, bool *passed, FolderOids *moved) {
        for (size_t i = 0; i < plan->statistics.deleted_here; i++) {
                const FolderGuardKey *k = bsearch(keys + i, f->passed, f->n_passed, sizeof(*keys), compare_keys);

                passed[i] = k;
                keys[i].moves = k && k->moves;
                if (!keys[i].moves)
                        continue;
                if (ARRAY_GROW(moved->items, moved->n) < 0)
                        return -ENOMEM;
                moved->items[moved->n++] = sync_tree_find(f->index, plan->deleted_here[i])->oid;
        }
        folder_oids_sort(moved);
        return 0;
}

/* True if neither side changes what is there. */
static bool is_left_alone(const Folder *f, const char *path) {
        return !sync_tree_find(f->differing, path) && !sync_tree_find(f->held, path) &&
               !sync_tree_find(f->main_from, path);
}

/* What of the content stays in the folder under some name. */
static int list_staying(const Folder *f, const FolderOids *moved, FolderOids *staying) {
        if (moved->n == 0)
                return 0;
        SYNC_TREE_FOREACH(e, f->index) {
                if (e->kind == SYNC_DIRECTORY || !folder_oids_have(moved, &e->oid) || !is_left_alone(f, e->path))
                        continue;
                if (ARRAY_GROW(staying->items, staying->n) < 0)
                        return -ENOMEM;
                staying->items[staying->n++] = e->oid;
        }
        folder_oids_sort(staying);
        return 0;
}

/* Of many deletions the first plan counts all; what is left of them counts no more in those that follow. One half of a
 * move counts no more as long as the content is there that the other half has brought. */
static int leave_out_passed(const Folder *f, FolderGuardKey *keys, SyncPlan *plan) {
        size_t n = 0, n_deleted = plan->statistics.deleted_here;
        _cleanup_(folder_oids_done) FolderOids moved = {}, staying = {};
        _cleanup_free_ bool *passed = calloc(n_deleted + 1, sizeof(*passed));
        int r;

        if (!passed)
                return -ENOMEM;
        r = find_passed(f, plan, keys, passed, &moved);
        if (r >= 0)
                r = list_staying(f, &moved, &staying);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_deleted; i++) {
                const char *path = plan->deleted_here[i];

                if (keys[i].moves && !folder_oids_have(&staying, &sync_tree_find(f->index, path)->oid))
                        passed[i] = keys[i].moves = false;
                if (!passed[i])
                        plan->deleted_here[n++] = path;
        }
        /* They are in base still, and gone all the same. */
        plan->statistics.base_files -= MIN(plan->statistics.base_files, n_deleted - n);
        plan->statistics.deleted_here = n;
        return 0;
}

static void remember_passed(Folder *f, FolderGuardKey *keys, size_t n) {
        free(f->passed);
        f->passed = keys;
        f->n_passed = n;
        if (n > 0)
                qsort(keys, n, sizeof(*keys), compare_keys);
}

/* --- what it holds --- */

static bool holds(
                Folder *f,
                const FolderRequest *request,
                SyncPlan *plan,
                FolderResult *result,
                const char **ret_where,
                size_t *ret_n) {

        const SyncPlanStatistics *s = &plan->statistics;
        bool here, main, may;
        char id_here[FOLDER_HELD_SIZE], id_main[FOLDER_HELD_SIZE], id[FOLDER_HELD_SIZE];
        const char *const ids[] = { id_here, id_main };

        here = is_exceeded(request, s, s->deleted_here);
        main = is_exceeded(request, s, s->deleted_on_main);
        if (!here && !main)
                return false;
        name_held("in the folder", plan->deleted_here, s->deleted_here, id_here);
        name_held("on main", plan->deleted_on_main, s->deleted_on_main, id_main);
        /* A word for the ones is none for the others. */
        if (here && main)
                name_held("both", ids, ELEMENTSOF(ids), id);
        else
                strcpy(id, here ? id_here : id_main);
        may = streq_ptr(request->confirmed, id) || (!here && emptied_is_confirmed(f, request));
        strcpy(may ? result->confirmed : result->held, id);
        *ret_where = !main ? "in the folder" : !here ? "on main" : "in the folder and on main";
        *ret_n = (here ? s->deleted_here : 0) + (main ? s->deleted_on_main : 0);
        return !may;
}

int folder_guard_check(
                Folder *f,
                const FolderRequest *request,
                SyncPlan *plan,
                FolderResult *result,
                const char **ret_where,
                size_t *ret_n) {

        size_t n = plan->statistics.deleted_here, n_moves = plan->statistics.moves_put_off;
        _cleanup_free_ FolderGuardKey *keys = NULL;
        bool goes_on = plan->statistics.deletions_put_off > 0 || n_moves > 0;
        int r;

        leave_out_waiting(f, plan);
        if (goes_on || f->n_passed > 0) {
                r = list_keys(plan, &keys);
                if (r < 0)
                        return r;
        }
        if (f->n_passed > 0) {
                r = leave_out_passed(f, keys, plan);
                if (r < 0)
                        return r;
        }
        if (holds(f, request, plan, result, ret_where, ret_n))
                return 0;
        remember_passed(f, goes_on ? TAKE_PTR(keys) : NULL, goes_on ? n + n_moves : 0);
        return 1;
}
