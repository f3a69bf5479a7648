/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunk trees: a large file as groups of chunks (docs/repository-format.md). */
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/format/chunker.h"
#include "syncd/git-tree-internal.h"

/* What a name of a chunk or group can be at most: two numbers, of 32 and of 64 bits, and what stands
 * between. */
#define CHUNK_NAME_MAX (8U + 1U + 16U)
#define GROUP_LENGTH_MAX ((uint64_t) GROUP_MAX * CHUNK_MAX)

struct GitChunkWriter {
        GitStore *store;
        SyncWriter group;
        unsigned n_chunks;     /* of the group */
        uint64_t group_length; /* bytes of content */
        uint64_t size;         /* of the file, so far */
        GitChunkGroup *groups;
        size_t n_groups;
};

/* --- writing --- */

int git_chunk_writer_new(GitChunkWriter **ret, GitStore *store) {
        GitChunkWriter *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;
        w->store = store;
        *ret = w;
        return 0;
}

GitChunkWriter *git_chunk_writer_free(GitChunkWriter *w) {
        if (!w)
                return NULL;
        free(w->group.data);
        free(w->groups);
        free(w);
        return NULL;
}

static void write_entry(SyncWriter *w, unsigned mode, size_t index, uint64_t length, const SyncOid *oid) {
        char name[CHUNK_NAME_MAX + 1];
        RawEntry e = { .mode = mode, .name = name, .id = (const git_oid *) oid->bytes };

        e.length = (size_t) snprintf(
                        name, sizeof(name), "%08x-%llx", (unsigned) index, (unsigned long long) length);
        raw_entry_write(w, &e);
}

/* Names the tree, and writes it if there is a store. */
static int name_tree(GitStore *store, const SyncWriter *tree, SyncOid *ret) {
        git_oid id;
        int r;

        if (tree->failed)
                return -ENOMEM;
        if (!store)
                return git_hash_bytes(GIT_OBJECT_TREE, tree->data, tree->size, ret);
        r = git_store_write(store, GIT_OBJECT_TREE, tree->data, tree->size, &id);
        if (r >= 0)
                git_store_oid_to_sync(ret, &id);
        return r;
}

static int end_group(GitChunkWriter *w) {
        GitChunkGroup *g;
        int r;

        if (ARRAY_GROW(w->groups, w->n_groups) < 0)
                return -ENOMEM;
        g = w->groups + w->n_groups;
        r = name_tree(w->store, &w->group, &g->oid);
        if (r < 0)
                return r;
        g->offset = w->size - w->group_length;
        g->length = w->group_length;
        w->n_groups++;
        w->n_chunks = 0;
        w->group_length = 0;
        w->group.size = 0;
        return 0;
}

int git_chunk_writer_add(GitChunkWriter *w, const SyncOid *chunk, uint32_t length) {
        if (length == 0 || length > CHUNK_MAX || w->size > (uint64_t) INT64_MAX - length)
                return -EINVAL;
        write_entry(&w->group, GIT_FILEMODE_BLOB, w->n_chunks, length, chunk);
        if (w->group.failed)
                return -ENOMEM;
        w->n_chunks++;
        w->group_length += length;
        w->size += length;
        if (w->n_chunks < GROUP_MAX && (chunk->bytes[SYNC_OID_SIZE - 1] & GROUP_MASK) != 0)
                return 0;
        return end_group(w);
}

int git_chunk_writer_finish(GitChunkWriter *w, SyncOid *ret) {
        SyncWriter top = {};
        int r = 0;

        if (w->n_chunks > 0)
                r = end_group(w);
        if (r < 0)
                return r;
        if (w->n_groups == 0)
                return -EINVAL;
        for (size_t i = 0; i < w->n_groups; i++)
                write_entry(&top, GIT_FILEMODE_TREE, i, w->groups[i].length, &w->groups[i].oid);
        r = name_tree(w->store, &top, ret);
        free(top.data);
        return r;
}

int git_chunk_tree_make(const GitChunk *chunks, size_t n, uint8_t **ret, size_t *ret_size) {
        SyncWriter w = {};

        for (size_t i = 0; i < n; i++)
                write_entry(&w, GIT_FILEMODE_BLOB, i, chunks[i].length, &chunks[i].oid);
        if (w.failed) {
                free(w.data);
                return -ENOMEM;
        }
        *ret = (uint8_t *) w.data;
        *ret_size = w.size;
        return 0;
}

const GitChunkGroup *git_chunk_writer_groups(const GitChunkWriter *w, size_t *ret_n) {
        *ret_n = w->n_groups;
        return w->groups;
}

/* --- reading --- */

/* A lower-case hexadecimal number up to the end character. NULL if it is none. */
static const char *parse_hex(const char *p, char end, uint64_t *ret) {
        uint64_t n = 0;

        for (unsigned digits = 0; *p != end; p++, digits++) {
                if (digits == 16 || !((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')))
                        return NULL;
                n = n << 4 | (uint64_t) (*p <= '9' ? *p - '0' : *p - 'a' + 10);
        }
        *ret = n;
        return p;
}

static int parse_name(const RawEntry *e, size_t index, uint64_t *ret_length) {
        const char *dash = e->length > 9 && e->length <= CHUNK_NAME_MAX ? e->name + 8 : NULL;
        uint64_t n, length;

        if (!dash || parse_hex(e->name, '-', &n) != dash || n != index || dash[1] == '0' ||
            !parse_hex(dash + 1, '\0', &length) || length > INT64_MAX)
                return -EBADMSG;
        *ret_length = length;
        return 0;
}

/* An entry of a chunk tree: mode and n_max as its level has them. */
typedef int (*TreeHandler)(const SyncOid *oid, uint64_t offset, uint64_t length, void *userdata);

/* *ret_size is the sum of all lengths; the handler may be NULL. */
static int read_chunk_tree(
                GitStore *store,
                const SyncOid *oid,
                unsigned mode,
                size_t n_max,
                uint64_t length_max,
                uint64_t offset,
                TreeHandler handler,
                void *userdata,
                uint64_t *ret_size) {

        _cleanup_free_ char *data = NULL;
        RawTree tree = {};
        uint64_t size = 0, length;
        size_t index = 0;
        RawEntry e;
        int r;

        r = git_store_read_typed(store, (const git_oid *) oid->bytes, GIT_OBJECT_TREE, &data, &tree.size);
        if (r < 0)
                return r;
        tree.data = data;
        for (; (r = raw_tree_next(&tree, &e)) > 0; index++) {
                if (e.mode != mode || index >= n_max)
                        return -EBADMSG;
                r = parse_name(&e, index, &length);
                if (r < 0 || length > length_max || length > (uint64_t) INT64_MAX - offset - size)
                        return -EBADMSG;
                r = handler ? handler((const SyncOid *) e.id->id, offset + size, length, userdata) : 0;
                if (r != 0)
                        return r;
                size += length;
        }
        if (r < 0 || index == 0)
                return -EBADMSG;
        *ret_size = size;
        return 0;
}

static int read_top(
                GitStore *store,
                const SyncOid *file,
                TreeHandler handler,
                void *userdata,
                uint64_t *ret_size) {
        int r =
                        read_chunk_tree(store,
                                        file,
                                        GIT_FILEMODE_TREE,
                                        SIZE_MAX,
                                        GROUP_LENGTH_MAX,
                                        0,
                                        handler,
                                        userdata,
                                        ret_size);

        /* A smaller file is one blob, and only that. */
        return r == 0 && *ret_size <= FORMAT_PLAIN_MAX ? -EBADMSG : r;
}

typedef struct ChunkWalk {
        GitStore *store;
        GitChunkHandler handler;
        void *userdata;
} ChunkWalk;

static int pass_chunk(const SyncOid *oid, uint64_t offset, uint64_t length, void *userdata) {
        ChunkWalk *walk = userdata;

        return walk->handler(oid, offset, (uint32_t) length, walk->userdata);
}

static int read_group(ChunkWalk *walk, const SyncOid *group, uint64_t offset, uint64_t *ret_length) {
        if (offset > INT64_MAX)
                return -EBADMSG;
        return read_chunk_tree(
                        walk->store,
                        group,
                        GIT_FILEMODE_BLOB,
                        GROUP_MAX,
                        CHUNK_MAX,
                        offset,
                        pass_chunk,
                        walk,
                        ret_length);
}

static int walk_group(const SyncOid *group, uint64_t offset, uint64_t length, void *userdata) {
        uint64_t found;
        int r;

        r = read_group(userdata, group, offset, &found);
        return r == 0 && found != length ? -EBADMSG : r;
}

int git_store_foreach_chunk(GitStore *store, const SyncOid *file, GitChunkHandler handler, void *userdata) {
        ChunkWalk walk = { .store = store, .handler = handler, .userdata = userdata };
        uint64_t size;

        return read_top(store, file, walk_group, &walk, &size);
}

int git_store_foreach_group(GitStore *store, const SyncOid *file, GitGroupHandler handler, void *userdata) {
        uint64_t size;

        return read_top(store, file, handler, userdata, &size);
}

int git_store_foreach_chunk_of_group(
                GitStore *store,
                const SyncOid *group,
                uint64_t offset,
                GitChunkHandler handler,
                void *userdata) {
        ChunkWalk walk = { .store = store, .handler = handler, .userdata = userdata };
        uint64_t length;

        return read_group(&walk, group, offset, &length);
}

int git_store_chunked_size(GitStore *store, const SyncOid *file, uint64_t *ret) {
        uint64_t size;
        int r;

        r = read_top(store, file, NULL, NULL, &size);
        if (r < 0)
                return r;
        *ret = size;
        return 0;
}
