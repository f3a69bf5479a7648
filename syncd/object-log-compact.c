/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "common/base/cleanup.h"
#include "syncd/object-log-internal.h"

#define BUFFER_SIZE (256U << 10)

int object_log_compact_begin(ObjectLog *l) {
        int r;

        assert(l->pending.size == 0 && l->pending_references.n == 0);
        if (flock(l->directory_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
        l->held = true;
        r = object_log_lock(l, LOCK_EX);
        if (r < 0) {
                object_log_release(l);
                return r;
        }
        l->marked_size = 0;
        l->marks = calloc(l->index.n_slots / 8 + 1, 1);
        if (!l->marks) {
                object_log_compact_abort(l);
                return -ENOMEM;
        }
        return 1;
}

void object_log_compact_abort(ObjectLog *l) {
        l->marks = mfree(l->marks);
        object_log_unlock(l);
        object_log_release(l);
}

static bool is_marked(const ObjectLog *l, size_t slot) {
        return l->marks[slot / 8] & 1 << slot % 8;
}

int object_log_mark(ObjectLog *l, const SyncOid *oid) {
        LogPlace place;
        int r;

        r = object_log_find_in_file(l, oid, &place);
        if (r < 0)
                return r;
        if (is_marked(l, place.slot))
                return 0;
        l->marks[place.slot / 8] |= (uint8_t) (1 << place.slot % 8);
        l->marked_size += RECORD_HEADER_SIZE + place.record.payload_size;
        return 1;
}

uint64_t object_log_marked_size(const ObjectLog *l) {
        return l->marked_size;
}

/* Whether the object of the record stays. */
static bool is_kept(ObjectLog *l, const SyncOid *oid, LogPlace *ret) {
        return object_log_find_in_file(l, oid, ret) >= 0 &&
               (is_marked(l, ret->slot) || ret->offset >= l->references_end);
}

/* As it is, or whole if what it is the difference to does not stay. */
static int append_kept(ObjectLog *l, const LogPlace *place, SyncWriter *to) {
        _cleanup_free_ uint8_t *payload = NULL, *data = NULL;
        LogPlace base;
        SyncOid oid;
        int r;

        r = object_log_read_payload(l, place, &payload);
        if (r < 0)
                return r;
        if (record_is_delta(&place->record)) {
                record_delta_base(payload, &oid);
                if (!is_kept(l, &oid, &base)) {
                        const Record *record = &place->record;

                        r = object_log_read_at(l, place, OBJECT_LOG_DELTA_DEPTH_MAX, &data);
                        if (r < 0)
                                return r;
                        return record_append_object(
                                        &l->codec,
                                        to,
                                        &record->oid,
                                        record->type,
                                        data,
                                        record->content_size,
                                        NULL);
                }
        }
        return record_append(to, &place->record, payload);
}

static int write_out(int fd, SyncWriter *w, uint64_t *offset, size_t limit) {
        int r;

        if (w->size < limit)
                return 0;
        r = object_log_write(fd, w->data, w->size, *offset);
        *offset += w->size;
        w->size = 0;
        return r;
}

/* Appends what stays to the new file, in its order, and the references. *offset is its end. */
static int copy_kept(ObjectLog *l, int fd, SyncWriter *w, uint64_t *offset) {
        uint8_t header[RECORD_HEADER_SIZE];
        LogPlace place;
        Record record;
        int r;

        for (uint64_t at = LOG_HEADER_SIZE; at < l->end; at += RECORD_HEADER_SIZE + record.payload_size) {
                ssize_t n = object_log_pread(l->fd, header, sizeof(header), at);

                if (n < 0)
                        return (int) n;
                if (n < (ssize_t) sizeof(header) || record_parse(header, &record) < 0)
                        return -EBADMSG;
                if (!record_is_object(&record) || !is_kept(l, &record.oid, &place) ||
                    place.offset != at)
                        continue;
                r = append_kept(l, &place, w);
                if (r < 0 && r != -EBADMSG)
                        return r;
                r = write_out(fd, w, offset, BUFFER_SIZE);
                if (r < 0)
                        return r;
        }
        r = log_references_write(w, &l->references, NULL);
        return r < 0 ? r : write_out(fd, w, offset, 1);
}

static int make_new(ObjectLog *l) {
        _cleanup_close_ int fd =
                        openat(l->directory_fd,
                               LOG_FILE_NAME_NEW,
                               O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                               0600);
        uint64_t offset = LOG_HEADER_SIZE;
        SyncWriter w = {};
        int r;

        if (fd < 0)
                return -errno;
        r = copy_kept(l, fd, &w, &offset);
        free(w.data);
        if (r < 0)
                return r;
        r = object_log_write_header(fd, offset);
        if (r < 0)
                return r;
        return fdatasync(fd) < 0 ? -errno : 0;
}

int object_log_compact_finish(ObjectLog *l) {
        int r;

        r = make_new(l);
        if (r >= 0 && renameat(l->directory_fd, LOG_FILE_NAME_NEW, l->directory_fd, LOG_FILE_NAME) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlinkat(l->directory_fd, LOG_FILE_NAME_NEW, 0);
                object_log_compact_abort(l);
                return r;
        }
        if (fsync(l->directory_fd) < 0)
                r = -errno;
        l->marks = mfree(l->marks);
        /* Others wait for the old file and find that the name is another's; so do we, at the next use. */
        object_log_unlock(l);
        object_log_release(l);
        return r < 0 ? r : object_log_refresh(l) < 0 ? -EIO : 0;
}
