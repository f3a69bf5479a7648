/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/format/chunker.h"
#include "syncd/git-tree-internal.h"
#include "tests/fuzz/fuzz-store.h"
#include "tests/fuzz/fuzz.h"

typedef struct Walk {
        GitChunkWriter *writer;
        uint64_t end;
} Walk;

static int see_chunk(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        Walk *w = userdata;

        if (offset != w->end || length == 0 || length > CHUNK_MAX)
                abort();
        w->end += length;
        return git_chunk_writer_add(w->writer, chunk, length) < 0 ? -EIO : 0;
}

static int see_group(const SyncOid *group, uint64_t offset, uint64_t length, void *userdata) {
        Walk *w = userdata;

        if (offset != w->end || length == 0)
                abort();
        w->end += length;
        return 0;
}

/* The input is a group, and a top tree whose groups are all this one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        GitStore *store = fuzz_store();
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *writer = NULL;
        _cleanup_free_ uint8_t *copy = NULL;
        RawTree tree = {};
        size_t group_size;
        git_oid group, top;
        SyncOid oid;
        Walk w = {};
        RawEntry e;

        if (size < 2 || size > 65536)
                return 0;
        group_size = MIN((size_t) data[0] << 8 | data[1], size - 2);
        fuzz_store_write(store, GIT_OBJECT_TREE, data + 2, group_size, &group);
        size -= 2 + group_size;
        copy = malloc(size + 1);
        if (!copy)
                abort();
        memcpy(copy, data + 2 + group_size, size);
        tree = (RawTree) { .data = (char *) copy, .size = size };
        while (raw_tree_next(&tree, &e) > 0)
                memcpy(copy + ((const uint8_t *) e.id - copy), group.id, GIT_OID_RAWSZ);
        fuzz_store_write(store, GIT_OBJECT_TREE, copy, size, &top);
        git_store_oid_to_sync(&oid, &top);

        if (git_chunk_writer_new(&writer, NULL) < 0)
                abort();
        w.writer = writer;
        if (git_store_foreach_chunk(store, &oid, see_chunk, &w) >= 0) {
                uint64_t length, end = w.end;

                if (git_store_chunked_size(store, &oid, &length) < 0 || length != end ||
                    end <= FORMAT_PLAIN_MAX)
                        abort();
                w.end = 0;
                if (git_store_foreach_group(store, &oid, see_group, &w) < 0 || w.end != end)
                        abort();
        }
        return 0;
}
