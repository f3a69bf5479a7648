/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/folder-internal.h"

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

void folder_oids_sort(FolderOids *set) {
        if (set->n > 0)
                qsort(set->items, set->n, sizeof(*set->items), compare_oids);
}

int folder_oids_of(const SyncTree *t, FolderOids *ret) {
        FolderOids set = {};

        set.items = calloc(sync_tree_size(t) + 1, sizeof(*set.items));
        if (!set.items)
                return -ENOMEM;
        SYNC_TREE_FOREACH(e, t)
                if (e->kind == SYNC_FILE || e->kind == SYNC_SYMLINK)
                        set.items[set.n++] = e->oid;
        folder_oids_sort(&set);
        *ret = set;
        return 0;
}

bool folder_oids_have(const FolderOids *set, const SyncOid *oid) {
        return set->n > 0 && bsearch(oid, set->items, set->n, sizeof(*oid), compare_oids);
}

void folder_oids_done(FolderOids *set) {
        free(set->items);
        *set = (FolderOids) {};
}
