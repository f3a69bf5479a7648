/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree in a file. */
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/sync-scan.h"
#include "syncd/sync-stream.h"

#define MAGIC "ISPSIDX2"
/* SYNC_ENTRIES_MAX entries of 256 bytes; a gateway's memory would not hold more. */
#define INDEX_FILE_MAX (256U << 20)

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

int sync_index_save(int dir_fd, const char *name, const SyncTree *t) {
        _cleanup_free_ uint8_t *data = NULL;
        const char *previous = "";
        SyncWriter w = {};

        sync_write_bytes(&w, MAGIC, strlen(MAGIC));
        sync_write_number(&w, sync_tree_size(t));
        SYNC_TREE_FOREACH(e, t) {
                write_entry(&w, e, previous);
                previous = e->path;
        }
        sync_write_crc32(&w);
        data = w.data;
        if (w.failed)
                return -ENOMEM;
        return write_file_atomic(dir_fd, name, data, w.size, 0600);
}

static int parse(SyncReader *r, SyncTree *t) {
        char path[SYNC_PATH_MAX + 1] = "";
        uint64_t n = sync_read_number(r);

        for (uint64_t i = 0; i < n; i++) {
                SyncEntry e;
                int k;

                read_entry(r, &e, path);
                if (r->failed)
                        return -EBADMSG;
                k = sync_tree_add(t, &e);
                if (k < 0)
                        return k == -ENOMEM ? k : -EBADMSG;
        }
        if (r->failed || r->at != r->size)
                return -EBADMSG;
        return sync_tree_sort(t) == -EEXIST ? -EBADMSG : 0;
}

int sync_index_load(int dir_fd, const char *name, SyncTree **ret) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        SyncReader reader;
        int r;

        r = sync_read_file(dir_fd, name, MAGIC, INDEX_FILE_MAX, &data, &reader);
        if (r >= 0)
                r = sync_tree_new(&t);
        if (r >= 0)
                r = parse(&reader, t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}
