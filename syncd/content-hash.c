/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/format/chunker.h"
#include "syncd/content-hash.h"
#include "syncd/git-object.h"
#include "syncd/sync-scan.h"

/* Holds a plain file, and the longest chunk with what was read beyond it. */
#define BUFFER_SIZE ((size_t) FORMAT_PLAIN_MAX)
static_assert(BUFFER_SIZE >= 2 * CHUNK_MAX, "a chunk is cut from a full buffer");
static_assert(FORMAT_PLAIN_MAX >= SYNC_LARGE_BYTES, "what is read in parts is never racy");

typedef struct Import {
        int source_fd;
        uint64_t size, at;
        ContentSnapshot snapshot;
        bool ends_in_hole; /* what was copied to the snapshot so far */
        uint8_t *buffer;   /* of BUFFER_SIZE, or of the size of a smaller file */
        size_t begin, end; /* of what is in the buffer */
        GitChunkWriter *writer; /* of a large file */
} Import;

struct ContentReading {
        Import import;
        SyncOid expected;  /* then it has no snapshot; else zero */
        struct stat begun; /* the file then */
        bool moved;        /* it is not the same any more */
};

static void import_done(Import *i) {
        content_snapshot_abandon(&i->snapshot);
        git_chunk_writer_free(i->writer);
        free(i->buffer);
        *i = (Import) { .snapshot.fd = -EBADF };
}

/* A hole stays one: a file of little else may be larger than the disk has space. */
static int write_snapshot(Import *i, const uint8_t *data, size_t size) {
        i->ends_in_hole = data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
        if (i->ends_in_hole)
                return lseek(i->snapshot.fd, (off_t) size, SEEK_CUR) < 0 ? -errno : 0;
        return loop_write(i->snapshot.fd, data, size);
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
                    write_snapshot(i, i->buffer + i->end, (size_t) n) < 0)
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

static int name_blob(const void *data, size_t size, SyncOid *ret) {
        git_oid id;
        int r = git_blob_name_fast(data, size, &id);

        if (r >= 0)
                git_store_oid_to_sync(ret, &id);
        return r;
}

/* h is asked whether to go on; NULL: goes on. -EINPROGRESS: it is to be called again. */
static int name_chunks(Import *i, const ContentHash *h, SyncOid *ret) {
        for (;;) {
                size_t length;
                SyncOid oid;
                int r;

                if (i->end - i->begin < CHUNK_MAX) {
                        r = fill(i);
                        if (r < 0)
                                return r;
                }
                if (i->begin == i->end)
                        return git_chunk_writer_finish(i->writer, ret);
                length = next_chunk(i);
                r = name_blob(i->buffer + i->begin, length, &oid);
                if (r >= 0)
                        r = git_chunk_writer_add(i->writer, &oid, (uint32_t) length);
                if (r < 0)
                        return r;
                i->begin += length;
                if (h && h->interrupted(h->userdata))
                        return -EINPROGRESS;
        }
}

static int name_file(Import *i, const ContentHash *h, SyncOid *ret) {
        int r;

        if (i->writer)
                return name_chunks(i, h, ret);
        r = fill(i);
        return r < 0 ? r : name_blob(i->buffer, i->end, ret);
}

/* The import must be done with in any case. */
static int import_begin(Import *i, int fd, bool store, const ContentHash *h) {
        struct stat st;

        *i = (Import) { .source_fd = fd, .snapshot.fd = -EBADF };
        if (fstat(fd, &st) < 0)
                return -errno;
        i->size = (uint64_t) st.st_size;
        /* A snapshot that fails for whatever reason is none. */
        if (store && content_snapshot_begin(h->area, fd, i->size, &i->snapshot) >= 0 && i->snapshot.cloned) {
                /* What it holds no longer changes, whatever happens to the file. */
                if (fstat(i->snapshot.fd, &st) >= 0)
                        i->size = (uint64_t) st.st_size;
                i->source_fd = i->snapshot.fd;
        }
        i->buffer = malloc(MIN(BUFFER_SIZE, MAX(i->size, 1U)));
        if (!i->buffer)
                return -ENOMEM;
        return i->size > FORMAT_PLAIN_MAX ? git_chunk_writer_new(&i->writer, store ? h->store : NULL) : 0;
}

/* The file was named to its end; its snapshot gets that name. Returns a SyncHashed. */
static int import_keep(Import *i, int fd, const ContentHash *h, const SyncOid *oid) {
        bool cloned = i->snapshot.cloned;

        content_note_unsynced(h->area, fd);
        if (i->snapshot.fd >= 0 && (cloned || !i->ends_in_hole || ftruncate(i->snapshot.fd, (off_t) i->size) >= 0))
                (void) content_snapshot_finish(h->area, &i->snapshot, oid);
        return cloned ? SYNC_HASHED_SNAPSHOT : SYNC_HASHED;
}

static int hash_file(int fd, bool store, SyncOid *ret, ContentHash *h) {
        _cleanup_(import_done) Import i = { .snapshot.fd = -EBADF };
        SyncOid oid;
        int r;

        r = import_begin(&i, fd, store, h);
        if (r >= 0)
                r = name_file(&i, NULL, &oid);
        if (r < 0)
                return r;
        *ret = oid;
        return store ? import_keep(&i, fd, h, &oid) : SYNC_HASHED;
}

static bool is_known(const SyncOid *oid) {
        return !sync_oid_equal(oid, &(SyncOid) {});
}

void content_hash_expect(const SyncOid *oid, void *userdata) {
        ContentHash *h = userdata;

        h->expected = oid ? *oid : (SyncOid) {};
}

/* It is for one file. */
static SyncOid take_expected(ContentHash *h) {
        SyncOid expected = h->expected;

        content_hash_expect(NULL, h);
        return expected;
}

static int hash_expecting(int fd, bool store, const SyncOid *expected, SyncOid *ret, ContentHash *h) {
        if (store && is_known(expected)) {
                int r = hash_file(fd, false, ret, h);

                if (r < 0 || sync_oid_equal(ret, expected))
                        return r;
        }
        return hash_file(fd, store, ret, h);
}

int content_hash_file(int fd, bool store, SyncOid *ret, void *userdata) {
        ContentHash *h = userdata;
        SyncOid expected = take_expected(h);

        return hash_expecting(fd, store, &expected, ret, h);
}

/* --- in parts --- */

void content_hash_forget(ContentHash *h) {
        if (!h->reading)
                return;
        import_done(&h->reading->import);
        h->reading = mfree(h->reading);
}

void content_hash_begin(ContentHash *h, bool (*interrupted)(void *userdata), void *userdata, bool take_moving) {
        h->interrupted = interrupted;
        h->userdata = userdata;
        h->take_moving = take_moving;
        h->reading_met = false;
}

void content_hash_end(ContentHash *h) {
        h->interrupted = NULL;
}

uint64_t content_hash_passed_over(const ContentHash *h) {
        return h->reading && !h->reading_met ? h->reading->begun.st_ino : 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_same_state(const struct stat *a, const struct stat *b) {
        return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
               a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Finds the reading of the file, or begins one. */
static int find_reading(ContentHash *h, int fd, const SyncOid *expected) {
        ContentReading *g = h->reading;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (g && !is_same_file(&g->begun, &st))
                return -EINPROGRESS;
        h->reading_met = true;
        if (g && !is_same_state(&g->begun, &st)) {
                if (!h->take_moving) {
                        content_hash_forget(h);
                        h->restless = true;
                } else
                        g->moved = true;
        }
        if (h->reading) {
                if (!h->reading->import.snapshot.cloned)
                        h->reading->import.source_fd = fd;
                return 0;
        }
        g = h->reading = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        g->begun = st;
        g->expected = *expected;
        r = import_begin(&g->import, fd, !is_known(&g->expected), h);
        if (r < 0)
                content_hash_forget(h);
        return r;
}

/* The reading came to its end. A SyncHashed; -EINPROGRESS: it is to be read again, as it does not hold what was
 * expected. */
static int end_reading(ContentHash *h, int fd, const SyncOid *oid) {
        ContentReading *g = h->reading;
        int r = SYNC_HASHED;

        if (!is_known(&g->expected))
                r = import_keep(&g->import, fd, h, oid);
        else if (!sync_oid_equal(oid, &g->expected))
                return -EINPROGRESS;
        h->restless = false;
        return r == SYNC_HASHED && g->moved ? SYNC_HASHED_MOVING : r;
}

int content_hash_in_parts(int fd, bool store, SyncOid *ret, void *userdata) {
        ContentHash *h = userdata;
        SyncOid oid, expected = take_expected(h);
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!store || st.st_size <= (off_t) FORMAT_PLAIN_MAX)
                return hash_expecting(fd, store, &expected, ret, h);
        r = find_reading(h, fd, &expected);
        if (r < 0)
                return r;
        r = name_file(&h->reading->import, h, &oid);
        if (r == -EINPROGRESS)
                return r;
        if (r >= 0)
                r = end_reading(h, fd, &oid);
        if (r >= 0)
                *ret = oid;
        content_hash_forget(h);
        return r;
}

int content_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata) {
        ContentSnapshot snapshot = { .fd = -EBADF };
        ContentHash *h = userdata;
        int r;

        r = name_blob(data, size, ret);
        if (r < 0 || !store)
                return r;
        if (content_snapshot_begin(h->area, -EBADF, size, &snapshot) < 0)
                return 0;
        if (loop_write(snapshot.fd, data, size) >= 0)
                (void) content_snapshot_finish(h->area, &snapshot, ret);
        content_snapshot_abandon(&snapshot);
        return 0;
}
