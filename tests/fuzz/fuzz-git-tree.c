/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-tree-internal.h"
#include "tests/fuzz/fuzz-store.h"
#include "tests/fuzz/fuzz.h"

/* The input is metadata, their size in two bytes before them, and a tree. The ids in the tree cannot be
 * guessed: entries get those of objects that are there. */
static void make_tree(GitStore *store, const uint8_t *data, size_t size, const git_oid *meta, git_oid *ret) {
        static const char chunk[] = "100644 00000000-80000\0"
                                    "11111111111111111111"
                                    "100644 00000001-80000\0"
                                    "11111111111111111111";
        static const char group[] = "40000 00000000-100000\0";
        char top[2 * (sizeof(group) - 1 + GIT_OID_RAWSZ)];
        _cleanup_free_ uint8_t *copy = malloc(size + 1);
        git_oid group_id, top_id, empty;
        RawTree tree = { .data = (char *) copy, .size = size };
        RawEntry e;

        if (!copy)
                abort();
        memcpy(copy, data, size);
        fuzz_store_write(store, GIT_OBJECT_TREE, "", 0, &empty);
        fuzz_store_write(store, GIT_OBJECT_TREE, chunk, sizeof(chunk) - 1, &group_id);
        for (unsigned i = 0; i < 2; i++) {
                char *p = mempcpy(top + i * sizeof(top) / 2, group, sizeof(group) - 1);

                top[i * sizeof(top) / 2 + strlen("40000 0000000")] = (char) ('0' + i);
                memcpy(p, group_id.id, GIT_OID_RAWSZ);
        }
        fuzz_store_write(store, GIT_OBJECT_TREE, top, sizeof(top), &top_id);
        while (raw_tree_next(&tree, &e) > 0) {
                git_oid *id = (git_oid *) (copy + ((const uint8_t *) e.id - copy));

                if (strcmp(e.name, TREE_NAME_META) == 0)
                        *id = *meta;
                else if (strcmp(e.name, TREE_NAME_FORMAT) == 0)
                        fuzz_store_write(store, GIT_OBJECT_BLOB, "", 0, id);
                else if (git_mode_is_tree(e.mode))
                        *id = e.name[0] == '%' ? top_id : empty;
        }
        fuzz_store_write(store, GIT_OBJECT_TREE, copy, size, ret);
}

/* A tree that can be read can be written again, and gives itself. */
static void check_tree(GitStore *store, const git_oid *commit, const SyncTree *t) {
        _cleanup_sync_tree_free_ SyncTree *from = NULL, *to = NULL, *back = NULL;
        git_oid tree, second;

        if (git_store_diff(store, &(git_oid) {}, commit, &from, &to) < 0 || sync_tree_size(from) != 0 ||
            sync_tree_size(to) != sync_tree_size(t))
                abort();
        SYNC_TREE_FOREACH (e, t)
                if (e->size == SYNC_SIZE_UNKNOWN)
                        return;
        if (git_store_write_changes(store, &(git_oid) {}, t, NULL, NULL, &tree) < 0)
                abort();
        GitStoreCommit c = { .tree = tree, .author = "a", .message = "" };
        if (git_store_write_commit(store, &c, &second) < 0 ||
            git_store_read_tree(store, &second, &back) < 0 || sync_tree_size(back) != sync_tree_size(t))
                abort();
        for (size_t i = 0; i < sync_tree_size(t); i++)
                if (!sync_entry_equal(sync_tree_at(t, i), sync_tree_at(back, i)) ||
                    strcmp(sync_tree_at(t, i)->path, sync_tree_at(back, i)->path) != 0)
                        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        GitStore *store = fuzz_store();
        GitStoreCommit c = { .author = "a", .message = "" };
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        size_t meta_size;
        git_oid meta, commit;

        if (size < 2 || size > 65536)
                return 0;
        meta_size = MIN((size_t) data[0] << 8 | data[1], size - 2);
        fuzz_store_write(store, GIT_OBJECT_BLOB, data + 2, meta_size, &meta);
        make_tree(store, data + 2 + meta_size, size - 2 - meta_size, &meta, &c.tree);
        if (git_store_write_commit(store, &c, &commit) < 0)
                abort();
        if (git_store_read_tree(store, &commit, &t) >= 0)
                check_tree(store, &commit, t);
        return 0;
}
