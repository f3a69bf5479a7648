/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/format/chunker.h"
#include "syncd/content-hash.h"

/* Holds a plain file, and the longest chunk with what was read beyond it. */
#define BUFFER_SIZE ((size_t) FORMAT_PLAIN_MAX)
static_assert(BUFFER_SIZE >= 2 * CHUNK_MAX, "a chunk is cut from a full buffer");

typedef struct Import {
        int source_fd;
        uint64_t size, at;
        ContentSnapshot snapshot;
        uint8_t *buffer;
        size_t begin, end; /* of what is in the buffer */
} Import;

/* A hole stays one: a file of little else may be larger than the disk has space. */
static int write_snapshot(int fd, const uint8_t *data, size_t size) {
        if (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0)
                return lseek(fd, (off_t) size, SEEK_CUR) < 0 ? -errno : 0;
        return loop_write(fd, data, size);
}

/* Reads until the buffer is full or the file ends, and copies what it reads to the snapshot. */
static int fill(Import *i) {
        memmove(i->buffer, i->buffer + i->begin, i->end - i->begin);
        i->end -= i->begin;
        i->begin = 0;
        while (i->end < BUFFER_SIZE && i->at < i->size) {
                size_t wanted = MIN((uint64_t) (BUFFER_SIZE - i->end), i->size - i->at);
                ssize_t n = pread(i->source_fd, i->buffer + i->end, wanted, (off_t) i->at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EAGAIN;
                if (i->snapshot.fd >= 0 && !i->snapshot.cloned &&
                    write_snapshot(i->snapshot.fd, i->buffer + i->end, (size_t) n) < 0)
                        content_snapshot_abandon(&i->snapshot);
                i->end += (size_t) n;
                i->at += (uint64_t) n;
        }
        return 0;
}

/* The length of the next chunk in the buffer. */
static size_t next_chunk(const Import *i) {
        Chunker chunker = {};
        size_t at = i->begin;

        for (bool end = false; !end && at < i->end;)
                at += chunker_next(&chunker, i->buffer + at, i->end - at, &end);
        return at - i->begin;
}

static int name_chunks(Import *i, GitStore *store, SyncOid *ret) {
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *writer = NULL;
        int r;

        r = git_chunk_writer_new(&writer, store);
        if (r < 0)
                return r;
        for (;;) {
                size_t length;
                SyncOid oid;

                if (i->end - i->begin < CHUNK_MAX) {
                        r = fill(i);
                        if (r < 0)
                                return r;
                }
                if (i->begin == i->end)
                        return git_chunk_writer_finish(writer, ret);
                length = next_chunk(i);
                r = git_hash_bytes(GIT_OBJECT_BLOB, i->buffer + i->begin, length, &oid);
                if (r >= 0)
                        r = git_chunk_writer_add(writer, &oid, (uint32_t) length);
                if (r < 0)
                        return r;
                i->begin += length;
        }
}

static int name_file(Import *i, GitStore *store, SyncOid *ret) {
        int r;

        if (i->size > FORMAT_PLAIN_MAX)
                return name_chunks(i, store, ret);
        r = fill(i);
        return r < 0 ? r : git_hash_bytes(GIT_OBJECT_BLOB, i->buffer, i->end, ret);
}

int content_hash_file(int fd, bool store, SyncOid *ret, void *userdata) {
        _cleanup_free_ uint8_t *buffer = malloc(BUFFER_SIZE);
        Import i = { .source_fd = fd, .buffer = buffer, .snapshot.fd = -EBADF };
        ContentHash *h = userdata;
        struct stat st;
        SyncOid oid;
        int r;

        if (!buffer)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        i.size = (uint64_t) st.st_size;
        /* A snapshot that fails for whatever reason is none. */
        if (store && content_snapshot_begin(h->area, fd, i.size, &i.snapshot) >= 0 && i.snapshot.cloned) {
                /* What it holds no longer changes, whatever happens to the file. */
                if (fstat(i.snapshot.fd, &st) >= 0)
                        i.size = (uint64_t) st.st_size;
                i.source_fd = i.snapshot.fd;
        }
        r = name_file(&i, store ? h->store : NULL, &oid);
        if (r >= 0 && store)
                content_note_unsynced(h->area, fd);
        if (r >= 0 && i.snapshot.fd >= 0 && (i.snapshot.cloned || ftruncate(i.snapshot.fd, (off_t) i.size) >= 0))
                (void) content_snapshot_finish(h->area, &i.snapshot, &oid);
        content_snapshot_abandon(&i.snapshot);
        if (r < 0)
                return r;
        *ret = oid;
        return 0;
}

int content_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata) {
        ContentSnapshot snapshot = { .fd = -EBADF };
        ContentHash *h = userdata;
        int r;

        r = git_hash_bytes(GIT_OBJECT_BLOB, data, size, ret);
        if (r < 0 || !store)
                return r;
        if (content_snapshot_begin(h->area, -EBADF, size, &snapshot) < 0)
                return 0;
        if (loop_write(snapshot.fd, data, size) >= 0)
                (void) content_snapshot_finish(h->area, &snapshot, ret);
        content_snapshot_abandon(&snapshot);
        return 0;
}
