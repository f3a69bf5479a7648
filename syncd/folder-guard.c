/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mass-delete guard, and the names of what it holds. */
#include <git2.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"

/* Bytes of the hash that an id has. */
#define ID_BYTES 8U

static void name_held(const char *what, const char *const *paths, size_t n, char ret[static FOLDER_HELD_SIZE]) {
        EVP_MD_CTX *hash = EVP_MD_CTX_new();
        uint8_t digest[EVP_MAX_MD_SIZE];
        bool good;

        good = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(hash, what, strlen(what) + 1) == 1;
        for (size_t i = 0; i < n && good; i++)
                good = EVP_DigestUpdate(hash, paths[i], strlen(paths[i]) + 1) == 1;
        if (!good || EVP_DigestFinal_ex(hash, digest, NULL) != 1)
                memset(digest, 0, sizeof(digest));
        EVP_MD_CTX_free(hash);
        static_assert(FOLDER_HELD_SIZE == 2 * ID_BYTES + 1, "it has room for the digits");
        (void) format_hex(digest, ID_BYTES, ret);
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

bool folder_guard_holds(
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

        leave_out_waiting(f, plan);
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
