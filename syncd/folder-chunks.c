/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Large files chunk by chunk: what a part lacks, what the folder has of it, what is new in a file. */
#include <fcntl.h>
#include <git2.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/format/chunker.h"
#include "syncd/folder-internal.h"
#include "syncd/git-object.h"
#include "syncd/sync-open.h"

/* Large files of the folder whose chunk lists are searched for what is missing, the likely ones first. */
#define SOURCES_MAX 4096U

bool folder_is_chunked(const SyncEntry *e) {
        return e->kind == SYNC_FILE && e->size > FORMAT_PLAIN_MAX && e->size != SYNC_SIZE_UNKNOWN;
}

/* True if the file holds the chunk at the offset. */
static bool has_chunk(int fd, const SyncOid *oid, uint64_t offset, uint32_t length, uint8_t *buffer) {
        git_oid id;

        git_store_oid_from_sync(&id, oid);
        return pread(fd, buffer, length, (off_t) offset) == (ssize_t) length &&
               git_blob_has_name(buffer, length, &id) > 0;
}

static int add_chunk(FolderChunks *chunks, const FolderChunk *chunk) {
        if (ARRAY_GROW(chunks->items, chunks->n) < 0)
                return -ENOMEM;
        chunks->items[chunks->n++] = *chunk;
        return 0;
}

typedef struct Listing {
        FolderChunks *chunks;
        uint32_t number;
        int part_fd;
        bool new;
        size_t left;
        uint8_t *buffer;
} Listing;

static int list_chunk(const SyncOid *oid, uint64_t offset, uint32_t length, void *userdata) {
        Listing *l = userdata;
        FolderChunk chunk = { .oid = *oid, .file = l->number, .length = length, .offset = offset };

        if (!l->new && content_part_is_written(l->part_fd, offset, length) &&
            has_chunk(l->part_fd, oid, offset, length, l->buffer))
                return 0;
        if (l->left == 0)
                return 1;
        l->left--;
        return add_chunk(l->chunks, &chunk);
}

int folder_list_chunks(
                Folder *f, const SyncOid *oid, uint32_t number, int part_fd, bool new, size_t max, FolderChunks *ret) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK_MAX);
        Listing l = {
                .chunks = ret,
                .number = number,
                .part_fd = part_fd,
                .new = new,
                .left = max,
                .buffer = buffer,
        };
        int r;

        if (!buffer)
                return -ENOMEM;
        r = git_store_foreach_chunk(f->store, oid, list_chunk, &l);
        return r < 0 ? r : r == 0;
}

static int compare_chunks(const void *a, const void *b) {
        return memcmp(((const FolderChunk *) a)->oid.bytes, ((const FolderChunk *) b)->oid.bytes, SYNC_OID_SIZE);
}

typedef struct Copying {
        Folder *folder;
        const SyncEntry *wanted;
        FolderChunks *chunks; /* sorted by oid */
        size_t n_left;
        const SyncEntry *source;
        int source_fd;
        int part_fd;
        uint32_t part;
        uint8_t *buffer;
} Copying;

/* The first of the wanted chunks with the oid. */
static FolderChunk *find_chunk(const FolderChunks *chunks, const SyncOid *oid) {
        FolderChunk key = { .oid = *oid }, *c;

        c = chunks->n > 0 ? bsearch(&key, chunks->items, chunks->n, sizeof(key), compare_chunks) : NULL;
        while (c && c > chunks->items && sync_oid_equal(&c[-1].oid, oid))
                c--;
        return c;
}

static int open_part(Copying *c, uint32_t number) {
        bool new;

        if (c->part_fd >= 0 && c->part == number)
                return 0;
        c->part_fd = safe_close(c->part_fd);
        c->part = number;
        return content_part_open(
                        &c->folder->content,
                        &c->wanted[number].oid,
                        c->wanted[number].size,
                        &new,
                        &c->part_fd);
}

/* The source's chunk goes to all places where it is missing. A failure leaves it to be fetched. */
static int copy_chunk(const SyncOid *oid, uint64_t offset, uint32_t length, void *userdata) {
        Copying *c = userdata;
        FolderChunk *chunk = find_chunk(c->chunks, oid), *end = c->chunks->items + c->chunks->n;

        if (!chunk || chunk->found)
                return c->n_left == 0;
        if (c->source_fd < 0) {
                c->source_fd = sync_open_beneath(c->folder->root_fd, c->source->path, O_RDONLY);
                if (c->source_fd < 0)
                        return 1;
        }
        if (chunk->length != length || !has_chunk(c->source_fd, oid, offset, length, c->buffer))
                return 0;
        for (; chunk < end && sync_oid_equal(&chunk->oid, oid); chunk++)
                if (open_part(c, chunk->file) >= 0 &&
                    pwrite(c->part_fd, c->buffer, length, (off_t) chunk->offset) == (ssize_t) length) {
                        content_begin_writeback(c->part_fd, chunk->offset, length);
                        chunk->found = true;
                        c->n_left--;
                }
        return 0;
}

static int copy_from(Copying *c, const SyncEntry *source) {
        int r;

        if (!source || !folder_is_chunked(source))
                return 0;
        c->source = source;
        c->source_fd = -EBADF;
        r = git_store_foreach_chunk(c->folder->store, &source->oid, copy_chunk, c);
        safe_close(c->source_fd);
        return r == -ENOMEM ? r : 0;
}

int folder_copy_chunks(Folder *f, const SyncEntry wanted[], size_t n_wanted, FolderChunks *chunks) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK_MAX);
        Copying c = {
                .folder = f,
                .wanted = wanted,
                .chunks = chunks,
                .n_left = chunks->n,
                .part_fd = -EBADF,
                .buffer = buffer,
        };
        unsigned n_sources = 0;
        int r = 0;

        if (!buffer)
                return -ENOMEM;
        if (chunks->n == 0)
                return 0;
        qsort(chunks->items, chunks->n, sizeof(*chunks->items), compare_chunks);
        /* What the path held until now is the likeliest source. */
        for (size_t i = 0; i < n_wanted && r >= 0 && c.n_left > 0; i++)
                r = copy_from(&c, sync_tree_find(f->index, wanted[i].path));
        SYNC_TREE_FOREACH(e, f->index) {
                if (r < 0 || c.n_left == 0 || n_sources == SOURCES_MAX)
                        break;
                if (e->kind != SYNC_FILE || e->size <= FORMAT_PLAIN_MAX)
                        continue;
                n_sources++;
                r = copy_from(&c, e);
        }
        safe_close(c.part_fd);
        return r;
}

/* --- what arrived --- */

typedef struct Proof {
        GitChunkWriter *writer; /* names the file by its chunks */
        int fd;
        uint64_t size;
        uint8_t *buffer;
} Proof;

static int prove_chunk(const SyncOid *oid, uint64_t offset, uint32_t length, void *userdata) {
        Proof *p = userdata;

        if (!has_chunk(p->fd, oid, offset, length, p->buffer))
                return -ENODATA;
        p->size = offset + length;
        return git_chunk_writer_add(p->writer, oid, length);
}

/* By chunks with the names that the store has. The names of the trees are worked out, not believed. */
static bool is_proven(Folder *f, const SyncEntry *wanted, int fd) {
        _cleanup_free_ uint8_t *buffer = malloc(CHUNK_MAX);
        Proof p = { .fd = fd, .buffer = buffer };
        struct stat st;
        SyncOid oid;
        int r;

        if (!buffer || git_chunk_writer_new(&p.writer, NULL) < 0)
                return false;
        r = git_store_foreach_chunk(f->store, &wanted->oid, prove_chunk, &p);
        if (r >= 0)
                r = git_chunk_writer_finish(p.writer, &oid);
        git_chunk_writer_free(p.writer);
        return r >= 0 && sync_oid_equal(&oid, &wanted->oid) && fstat(fd, &st) >= 0 && (uint64_t) st.st_size == p.size;
}

int folder_is_content(const SyncEntry *wanted, int fd, void *userdata) {
        Folder *f = userdata;
        SyncOid oid;
        int r;

        if (folder_is_chunked(wanted) && is_proven(f, wanted, fd))
                return 1;
        r = content_hash_file(fd, false, &oid, &f->hash);
        return r < 0 ? r : sync_oid_equal(&oid, &wanted->oid);
}

/* --- what is new --- */

typedef struct OidList {
        SyncOid *items;
        size_t n;
} OidList;

static int compare_oids(const void *a, const void *b) {
        return memcmp(a, b, SYNC_OID_SIZE);
}

static int add_oid(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        OidList *l = userdata;

        if (ARRAY_GROW(l->items, l->n) < 0)
                return -ENOMEM;
        l->items[l->n++] = *chunk;
        return 0;
}

typedef struct NewBytes {
        OidList old;
        uint64_t bytes;
} NewBytes;

static int count_new(const SyncOid *chunk, uint64_t offset, uint32_t length, void *userdata) {
        NewBytes *n = userdata;

        if (n->old.n == 0 || !bsearch(chunk, n->old.items, n->old.n, sizeof(*chunk), compare_oids))
                n->bytes += length;
        return 0;
}

int folder_new_bytes(Folder *f, const SyncEntry *file, const SyncEntry *old, uint64_t *ret) {
        NewBytes n = {};
        int r = 0;

        if (file->kind != SYNC_FILE && file->kind != SYNC_SYMLINK)
                *ret = 0;
        else if (old && sync_oid_equal(&file->oid, &old->oid))
                *ret = 0;
        else if (!folder_is_chunked(file) || !old || !folder_is_chunked(old))
                *ret = file->size;
        else {
                r = git_store_foreach_chunk(f->store, &old->oid, add_oid, &n.old);
                /* Without the old list everything counts. */
                if (r == -ENOENT || r == -EBADMSG)
                        r = 0;
                if (r >= 0 && n.old.n > 0)
                        qsort(n.old.items, n.old.n, sizeof(SyncOid), compare_oids);
                if (r >= 0)
                        r = git_store_foreach_chunk(f->store, &file->oid, count_new, &n);
                free(n.old.items);
                if (r >= 0)
                        *ret = n.bytes;
        }
        return r;
}
