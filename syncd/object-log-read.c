/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/object-log-internal.h"

ssize_t object_log_pread(int fd, void *buf, size_t size, uint64_t offset) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, (char *) buf + done, size - done, (off_t) (offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        return (ssize_t) done;
}

static int read_header(ObjectLog *l, bool pending, uint64_t offset, Record *ret) {
        uint8_t header[RECORD_HEADER_SIZE];
        ssize_t n;

        if (pending)
                return record_parse(l->pending.data + offset, ret);
        n = object_log_pread(l->fd, header, sizeof(header), offset);
        if (n < 0)
                return (int) n;
        return n < (ssize_t) sizeof(header) ? -EBADMSG : record_parse(header, ret);
}

static int find_in(ObjectLog *l, bool pending, const SyncOid *oid, LogPlace *ret) {
        LogPlace place = { .pending = pending };

        for (size_t cursor = 0;
             log_index_next(pending ? &l->pending_index : &l->index,
                            oid,
                            &cursor,
                            &place.slot,
                            &place.offset);) {
                int r = read_header(l, pending, place.offset, &place.record);

                if (r < 0)
                        return r;
                if (!sync_oid_equal(&place.record.oid, oid))
                        continue;
                *ret = place;
                return 0;
        }
        return -ENOENT;
}

int object_log_find_in_file(ObjectLog *l, const SyncOid *oid, LogPlace *ret) {
        return find_in(l, false, oid, ret);
}

int object_log_find(ObjectLog *l, const SyncOid *oid, LogPlace *ret) {
        int r = find_in(l, true, oid, ret);

        return r == -ENOENT ? find_in(l, false, oid, ret) : r;
}

int object_log_read_payload(ObjectLog *l, const LogPlace *place, uint8_t **ret) {
        size_t size = RECORD_HEADER_SIZE + (size_t) place->record.payload_size;
        _cleanup_free_ uint8_t *buf = malloc(size);
        ssize_t n = (ssize_t) size;

        if (!buf)
                return -ENOMEM;
        if (place->pending)
                memcpy(buf, l->pending.data + place->offset, size);
        else
                n = object_log_pread(l->fd, buf, size, place->offset);
        if (n < 0)
                return (int) n;
        if ((size_t) n < size || !record_is_intact(&place->record, buf, buf + RECORD_HEADER_SIZE))
                return -EBADMSG;
        memmove(buf, buf + RECORD_HEADER_SIZE, size - RECORD_HEADER_SIZE);
        *ret = TAKE_PTR(buf);
        return 0;
}

int object_log_find_base(ObjectLog *l, const uint8_t *payload, LogPlace *ret) {
        SyncOid oid;
        int r;

        record_delta_base(payload, &oid);
        r = object_log_find(l, &oid, ret);
        return r == -ENOENT ? -EBADMSG : r;
}

int object_log_read_at(ObjectLog *l, const LogPlace *place, unsigned depth, uint8_t **ret) {
        _cleanup_free_ uint8_t *payload = NULL, *base = NULL;
        LogPlace base_place = {};
        int r;

        r = object_log_read_payload(l, place, &payload);
        if (r < 0)
                return r;
        if (record_is_delta(&place->record)) {
                if (depth == 0)
                        return -EBADMSG;
                r = object_log_find_base(l, payload, &base_place);
                if (r >= 0)
                        r = object_log_read_at(l, &base_place, depth - 1, &base);
                if (r < 0)
                        return r;
        }
        return record_decode(&l->codec, &place->record, payload, base, base_place.record.content_size, ret);
}

/* What this process knows, else what the file has by now. */
static int find_or_refresh(ObjectLog *l, const SyncOid *oid, LogPlace *ret) {
        int r = object_log_find(l, oid, ret);

        if (r != -ENOENT)
                return r;
        r = object_log_refresh(l);
        return r < 0 ? r : r > 0 ? object_log_find(l, oid, ret) : -ENOENT;
}

int object_log_read(
                ObjectLog *l, const SyncOid *oid, ObjectType *ret_type, void **ret_data, size_t *ret_size) {
        uint8_t *data;
        LogPlace place;
        int r;

        r = find_or_refresh(l, oid, &place);
        if (r < 0)
                return r;
        r = object_log_read_at(l, &place, OBJECT_LOG_DELTA_DEPTH_MAX, &data);
        if (r < 0)
                return r;
        *ret_type = place.record.type;
        *ret_data = data;
        *ret_size = place.record.content_size;
        return 0;
}

int object_log_stat(ObjectLog *l, const SyncOid *oid, ObjectType *ret_type, size_t *ret_size) {
        LogPlace place;
        int r;

        r = object_log_find(l, oid, &place);
        if (r < 0)
                return r;
        *ret_type = place.record.type;
        *ret_size = place.record.content_size;
        return 0;
}

bool object_log_has(ObjectLog *l, const SyncOid *oid) {
        LogPlace place;

        (void) object_log_hold(l);
        return find_or_refresh(l, oid, &place) >= 0;
}
