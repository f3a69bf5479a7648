/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>

#include "common/base/cleanup.h"
#include "common/format/chunker.h"
#include "syncd/push-staging.h"
#include "syncd/staging-ref.h"

void push_staging_done(PushStaging *s) {
        for (size_t i = 0; i < s->n_trees; i++)
                free(s->trees[i].data);
        free(s->trees);
        *s = (PushStaging){};
}

/* data is taken over. There is room for a tree of each item, and one more. */
static int take_tree(PushStaging *s, uint8_t *data, size_t size, git_oid *ret_id) {
        SyncOid oid;
        int r;

        s->trees[s->n_trees++] = (PushTree){ .data = data, .size = size };
        r = git_hash_bytes(GIT_OBJECT_TREE, data, size, &oid);
        if (r >= 0)
                git_store_oid_from_sync(ret_id, &oid);
        return r;
}

/* The number of chunks, beginning with this one, that follow each other in their file. */
static size_t run_of(const PushList *batch, size_t begin) {
        const PushItem *item = batch->items + begin;
        size_t n = 1;

        while (begin + n < batch->n && n < GROUP_MAX && item[n].alone && item[n].file == item->file &&
               item[n].offset == item[n - 1].offset + item[n - 1].length)
                n++;
        return n;
}

static int add_run(PushStaging *s, const PushItem *items, size_t n, git_oid *ret_id) {
        GitChunk chunks[GROUP_MAX];
        uint8_t *data;
        size_t size;
        int r;

        for (size_t i = 0; i < n; i++) {
                git_store_oid_to_sync(&chunks[i].oid, &items[i].id);
                chunks[i].length = items[i].length;
        }
        r = git_chunk_tree_make(chunks, n, &data, &size);
        return r < 0 ? r : take_tree(s, data, size, ret_id);
}

int push_staging_make(PushStaging *ret, const PushList *batch) {
        _cleanup_free_ StagingEntry *entries = calloc(batch->n + 1, sizeof(*entries));
        size_t n = 0, size;
        uint8_t *data;
        int r = 0;

        ret->trees = calloc(batch->n + 1, sizeof(*ret->trees));
        if (!entries || !ret->trees)
                return -ENOMEM;
        for (size_t i = 0, end; i < batch->n && r >= 0; i = end) {
                const PushItem *item = batch->items + i;
                bool group = item->kind == PUSH_GROUP || item->alone;

                end = i + (item->alone ? run_of(batch, i) : 1);
                if (!group && item->kind != PUSH_FILE && item->kind != PUSH_SYMLINK)
                        continue;
                entries[n] = (StagingEntry){
                        .file = batch->files[item->file].oid,
                        .size = group ? batch->files[item->file].size : item->length,
                        .offset = group ? item->offset : 0,
                        .group = group,
                        .id = item->id,
                };
                if (item->alone)
                        r = add_run(ret, item, end - i, &entries[n].id);
                n++;
        }
        if (r >= 0)
                r = staging_tree_write(entries, n, &data, &size);
        return r < 0 ? r : take_tree(ret, data, size, &ret->id);
}
