/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree in a file:
 *
 *      file    = "ISPSIDX3" segment* crc32:u32
 *      segment = number of entries, size, entries of that size
 *
 * An entry's path is what it shares with the one before it in the segment, and the rest. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/sync-scan.h"
#include "syncd/sync-stream.h"
#include "syncd/sync-tree-internal.h"

#define MAGIC "ISPSIDX3"
/* SYNC_ENTRIES_MAX entries of 256 bytes; a gateway's memory would not hold more. */
#define INDEX_FILE_MAX (256U << 20)
/* It is written in pieces of this size: a whole one would be in memory beside the tree. */
#define WRITE_SIZE (64U << 10)
#define READ_SIZE WRITE_SIZE
/* So much of the file is in memory while it is read. */
#define LEAVE_SIZE (256U << 10)

static void write_entry(SyncWriter *w, const SyncEntry *e, const char *previous) {
        size_t shared = 0, length = strlen(e->path);

        while (previous[shared] && previous[shared] == e->path[shared])
                shared++;
        sync_write_number(w, shared);
        sync_write_number(w, length - shared);
        sync_write_bytes(w, e->path + shared, length - shared);

        sync_write_number(w, e->kind);
        sync_write_number(
                        w,
                        (unsigned) e->fuzzy << 13 | (unsigned) e->mode << 4 | (unsigned) e->certainty << 1 |
                                        e->executable);
        sync_write_bytes(w, e->oid.bytes, e->kind == SYNC_FILE || e->kind == SYNC_SYMLINK ? SYNC_OID_SIZE : 0);
        sync_write_number(w, e->size);
        sync_write_signed(w, e->mtime_ns);
        sync_write_signed(w, e->ctime_ns - e->mtime_ns);
        sync_write_number(w, e->inode);
}

/* path holds the previous entry's and gets this one's. */
static void read_entry(SyncReader *r, SyncEntry *e, char *path) {
        uint64_t shared = sync_read_number(r), length, kind, flags;
        const void *bytes;

        if (shared > strlen(path))
                r->failed = true;
        else
                sync_read_string(r, path + shared, SYNC_PATH_MAX + 1 - shared);
        length = strlen(path);
        kind = sync_read_number(r);
        *e = (SyncEntry) { .path = path, .kind = kind & 0xF };

        flags = sync_read_number(r);
        e->fuzzy = flags >> 13 & 1;
        e->mode = flags >> 4 & 0777;
        e->certainty = flags >> 1 & 7;
        e->executable = flags & 1;
        if (e->kind == SYNC_FILE || e->kind == SYNC_SYMLINK) {
                bytes = sync_read_bytes(r, SYNC_OID_SIZE);
                if (bytes)
                        memcpy(e->oid.bytes, bytes, SYNC_OID_SIZE);
        }
        e->size = sync_read_number(r);
        e->mtime_ns = sync_read_signed(r);
        e->ctime_ns = (int64_t) ((uint64_t) e->mtime_ns + (uint64_t) sync_read_signed(r));
        e->inode = sync_read_number(r);
        if (length == 0 || kind >= _SYNC_KIND_MAX || e->certainty > SYNC_UNKNOWN)
                r->failed = true;
}

/* --- writing --- */

typedef struct IndexWriter {
        const SyncTree *tree;
        int fd;
        int error; /* of writing */
        uint32_t crc; /* of what was written */
        SyncWriter out; /* what is still to be */
} IndexWriter;

static void flush_writer(IndexWriter *w) {
        if (w->out.failed && w->error == 0)
                w->error = -ENOMEM;
        if (w->error == 0)
                w->error = loop_write(w->fd, w->out.data, w->out.size);
        w->crc = sync_crc32_add(w->crc, w->out.data, w->out.size);
        w->out.size = 0;
}

static void put_segment(IndexWriter *w, size_t n, const void *data, size_t size) {
        sync_write_number(&w->out, n);
        sync_write_number(&w->out, size);
        sync_write_bytes(&w->out, data, size);
        if (w->out.size >= WRITE_SIZE)
                flush_writer(w);
}

static void write_segment(IndexWriter *w, size_t first, size_t end) {
        _cleanup_free_ uint8_t *data = NULL;
        const char *previous = "";
        SyncWriter entries = {};

        for (size_t i = first; i < end; i++) {
                const SyncEntry *e = sync_tree_at(w->tree, i);

                write_entry(&entries, e, previous);
                previous = e->path;
        }
        data = entries.data;
        w->out.failed |= entries.failed;
        put_segment(w, end - first, data, entries.size);
}

/* Small segments become full ones; those that are packed are copied. */
static void write_segments(IndexWriter *w) {
        const SyncTree *t = w->tree;
        size_t first = 0;

        for (size_t i = 0; t && i < t->n_places; i++) {
                const SyncPlace *p = t->places + i;
                const SyncSegment *s = p->segment;

                if (s->packed && s->n > SYNC_SEGMENT_MAX / 2) {
                        if (first < p->begin)
                                write_segment(w, first, p->begin);
                        put_segment(w, s->n, s->packed, s->packed_size);
                        first = p->begin + s->n;
                }
                for (; p->begin + s->n - first >= SYNC_SEGMENT_MAX; first += SYNC_SEGMENT_MAX)
                        write_segment(w, first, first + SYNC_SEGMENT_MAX);
        }
        if (first < sync_tree_size(t))
                write_segment(w, first, sync_tree_size(t));
}

static int write_index(int fd, void *userdata) {
        _cleanup_free_ uint8_t *data = NULL;
        IndexWriter w = { .tree = userdata, .fd = fd };

        sync_write_bytes(&w.out, MAGIC, strlen(MAGIC));
        write_segments(&w);
        flush_writer(&w);
        sync_write_crc(&w.out, w.crc);
        flush_writer(&w);
        data = w.out.data;
        return w.error;
}

int sync_index_save(int dir_fd, const char *name, const SyncTree *t) {
        return write_file_atomic_by(dir_fd, name, 0600, write_index, (void *) t);
}

/* --- in memory --- */

/* A copy of just its size, which fits where another one was; what grew would leave holes that nothing fits. */
static const uint8_t *copy_exactly(const SyncWriter *w) {
        uint8_t *copy = w->failed ? NULL : malloc(w->size);

        return copy ? memcpy(copy, w->data, w->size) : NULL;
}

void sync_segment_pack(SyncSegment *s) {
        _cleanup_free_ uint8_t *data = NULL;
        const char *previous = "";
        SyncWriter w = {};

        if (!s->first_path)
                s->first_path = strdup(s->entries->path);
        s->paths_size = 0;
        s->settled = true;
        for (unsigned i = 0; i < s->n; i++) {
                s->paths_size += strlen(s->entries[i].path) + 1;
                s->settled &= s->entries[i].certainty == SYNC_SETTLED;
        }
        w.allocated = s->n * sizeof(*s->entries) + s->paths_size;
        w.data = malloc(w.allocated);
        w.failed = !w.data || !s->first_path;
        for (unsigned i = 0; i < s->n; i++) {
                write_entry(&w, s->entries + i, previous);
                previous = s->entries[i].path;
        }
        data = w.data;
        s->packed = copy_exactly(&w);
        s->packed_size = w.size;
        s->complete |= !!s->packed;
}

/* What was unpacked need not be in memory twice. */
static void leave_to_file(SyncMapping *m, size_t size) {
        if (!m || (m->n_read += size) < LEAVE_SIZE)
                return;
        (void) madvise(m->data, m->size, MADV_DONTNEED);
        m->n_read = 0;
}

int sync_segment_unpack(SyncSegment *s) {
        SyncReader r = { .data = s->packed, .size = s->packed_size };
        SyncEntry *entries = malloc(s->n * sizeof(*entries) + s->paths_size);
        char *to = (char *) (entries + s->n), path[SYNC_PATH_MAX + 1] = "";

        if (!entries)
                return -ENOMEM;
        leave_to_file(s->mapping, s->packed_size);
        for (unsigned i = 0; i < s->n; i++) {
                size_t size;

                read_entry(&r, entries + i, path);
                size = strlen(path) + 1;
                entries[i].path = memcpy(to, path, size);
                to += size;
        }
        s->entries = entries;
        sync_segment_free_packed(s);
        return 0;
}

/* --- reading --- */

/* Looks at all entries of the segment. previous is the path of the one before it and becomes the last one's. 0,
 * -EBADMSG or -ENOMEM. */
static int check_segment(SyncSegment *s, char *previous) {
        SyncReader r = { .data = s->packed, .size = s->packed_size };
        char path[SYNC_PATH_MAX + 1] = "";

        s->settled = true;
        for (unsigned i = 0; i < s->n; i++) {
                SyncEntry e;

                read_entry(&r, &e, path);
                if (r.failed || !sync_path_is_valid(path) || sync_path_compare(previous, path) >= 0)
                        return -EBADMSG;
                strcpy(previous, path);
                s->settled &= e.certainty == SYNC_SETTLED;
                s->paths_size += strlen(path) + 1;
                if (i == 0 && !(s->first_path = strdup(path)))
                        return -ENOMEM;
        }
        return r.at == r.size ? 0 : -EBADMSG;
}

static int read_segment(SyncReader *r, SyncMapping *m, char *previous, SyncTree *t) {
        uint64_t n = sync_read_number(r), size = sync_read_number(r);
        const uint8_t *packed = size <= r->size ? sync_read_bytes(r, size) : NULL;
        SyncSegment *s;
        int k;

        if (r->failed || !packed || n == 0 || n > SYNC_SEGMENT_MAX)
                return -EBADMSG;
        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;
        m->n_refs++;
        *s = (SyncSegment) {
                .n_refs = 1,
                .n = (unsigned) n,
                .mapping = m,
                .packed = packed,
                .packed_size = size,
                .complete = true,
        };
        k = check_segment(s, previous);
        if (k < 0) {
                sync_segment_unref(s);
                return k;
        }
        k = sync_tree_append_segment(t, s);
        return k == -E2BIG ? -EBADMSG : k;
}

static int parse(SyncMapping *m, SyncTree *t) {
        SyncReader reader = { .data = m->data, .size = m->size - 4, .at = strlen(MAGIC) };
        char previous[SYNC_PATH_MAX + 1] = "";
        int r = 0;

        while (r >= 0 && reader.at < reader.size)
                r = read_segment(&reader, m, previous, t);
        return r;
}

static int read_at(int fd, uint8_t *data, size_t size, off_t at) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(fd, data + done, size - done, at + (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EBADMSG;
                done += (size_t) n;
        }
        return 0;
}

/* Reads the file before it is mapped: where the disk has an error, reading tells, and a page that is mapped kills. */
static int check(int fd, size_t size) {
        _cleanup_free_ uint8_t *data = malloc(READ_SIZE);
        uint8_t sum[4];
        uint32_t crc = 0;
        int r;

        if (!data)
                return -ENOMEM;
        for (size_t at = 0; at < size - sizeof(sum);) {
                size_t n = MIN(size - sizeof(sum) - at, (size_t) READ_SIZE);

                r = read_at(fd, data, n, (off_t) at);
                if (r < 0)
                        return r;
                if (at == 0 && memcmp(data, MAGIC, strlen(MAGIC)) != 0)
                        return -EBADMSG;
                crc = sync_crc32_add(crc, data, n);
                at += n;
        }
        r = read_at(fd, sum, sizeof(sum), (off_t) (size - sizeof(sum)));
        if (r < 0)
                return r;
        for (unsigned i = 0; i < sizeof(sum); i++)
                if (sum[i] != (uint8_t) (crc >> (8 * i)))
                        return -EBADMSG;
        return 0;
}

/* The file is replaced, never written to, so that what is in memory stays as it was checked. */
static int map(int dir_fd, const char *name, SyncMapping **ret) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_free_ SyncMapping *m = NULL;
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < (off_t) strlen(MAGIC) + 4)
                return -EBADMSG;
        if (st.st_size > INDEX_FILE_MAX)
                return -EFBIG;
        r = check(fd, (size_t) st.st_size);
        if (r < 0)
                return r;
        m = malloc(sizeof(*m));
        if (!m)
                return -ENOMEM;
        *m = (SyncMapping) { .n_refs = 1, .size = (size_t) st.st_size };
        m->data = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (m->data == MAP_FAILED)
                return -errno;
        *ret = TAKE_PTR(m);
        return 0;
}

int sync_index_load(int dir_fd, const char *name, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        SyncMapping *m = NULL;
        int r;

        r = map(dir_fd, name, &m);
        if (r < 0)
                return r;
        r = sync_tree_new(&t);
        if (r >= 0)
                r = parse(m, t);
        sync_mapping_unref(m);
        if (r < 0)
                return r;
        sync_tree_rest(t);
        *ret = TAKE_PTR(t);
        return 0;
}
