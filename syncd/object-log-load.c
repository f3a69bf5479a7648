/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read of the file: the records behind what is known. And the references. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/object-log-internal.h"

#define BUFFER_SIZE (64U << 10)
#define REFERENCES_SIZE_MAX (BOOT_ID_SIZE + OBJECT_LOG_REFERENCES_MAX * (OBJECT_LOG_NAME_MAX + 1 + SYNC_OID_SIZE))
/* As text, with hyphens and a newline. */
#define BOOT_ID_TEXT_MAX 64U
static_assert(REFERENCES_SIZE_MAX <= BUFFER_SIZE, "a record of references is read at once");

/* --- references --- */

void log_references_done(LogReferences *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i].name);
        free(l->items);
        *l = (LogReferences) {};
}

static LogReference *find_reference(const LogReferences *l, const char *name) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i].name, name))
                        return l->items + i;
        return NULL;
}

int log_references_reserve(LogReferences *l, size_t n) {
        LogReference *items = reallocarray(l->items, l->n + n + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        l->items = items;
        return 0;
}

static void remove_reference(LogReferences *l, LogReference *item) {
        free(item->name);
        *item = l->items[--l->n];
}

void log_references_apply(LogReferences *l, LogReferences *changes) {
        for (size_t i = 0; i < changes->n; i++) {
                LogReference *item = find_reference(l, changes->items[i].name);

                if (sync_oid_equal(&changes->items[i].oid, &(SyncOid) {})) {
                        if (item)
                                remove_reference(l, item);
                } else if (item)
                        item->oid = changes->items[i].oid;
                else
                        l->items[l->n++] = (LogReference) { TAKE_PTR(changes->items[i].name),
                                                           changes->items[i].oid };
        }
        log_references_done(changes);
}

static int set(LogReferences *l, const char *name, const SyncOid *oid) {
        LogReference *item = find_reference(l, name);
        char *copy;
        int r;

        if (item) {
                item->oid = *oid;
                return 0;
        }
        if (l->n >= OBJECT_LOG_REFERENCES_MAX)
                return -E2BIG;
        r = log_references_reserve(l, 1);
        if (r < 0)
                return r;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        l->items[l->n++] = (LogReference) { copy, *oid };
        return 0;
}

int log_boot_id(uint8_t ret[static BOOT_ID_SIZE]) {
        _cleanup_free_ char *text = NULL;
        char hex[2 * BOOT_ID_SIZE + 1];
        size_t n = 0;
        int r;

        r = read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", BOOT_ID_TEXT_MAX, &text, NULL);
        if (r < 0)
                return r;
        for (const char *p = text; *p && n < sizeof(hex) - 1; p++)
                if (*p != '-')
                        hex[n++] = *p;
        hex[n] = '\0';
        return parse_hex(hex, ret, BOOT_ID_SIZE);
}

int log_references_write(
                SyncWriter *to, const LogReferences *references, const uint8_t boot_id[BOOT_ID_SIZE]) {

        _cleanup_free_ uint8_t *payload = NULL;
        Record record = { .type = boot_id ? RECORD_PUBLISHED : RECORD_REFERENCES, .encoding = ENCODING_STORED };
        SyncWriter w = {};

        if (boot_id)
                sync_write_bytes(&w, boot_id, BOOT_ID_SIZE);
        for (size_t i = 0; i < references->n; i++) {
                sync_write_bytes(&w, references->items[i].name, strlen(references->items[i].name) + 1);
                sync_write_bytes(&w, references->items[i].oid.bytes, SYNC_OID_SIZE);
        }
        payload = w.data;
        if (w.failed)
                return -ENOMEM;
        record.payload_size = record.content_size = (uint32_t) w.size;
        return record_append(to, &record, payload);
}

static int parse_references(const uint8_t *payload, size_t size, LogReferences *ret) {
        int r;

        for (size_t at = 0; at < size;) {
                const uint8_t *end = memchr(payload + at, '\0', size - at);
                size_t length = end ? (size_t) (end - (payload + at)) : 0;

                if (length == 0 || length > OBJECT_LOG_NAME_MAX || size - at - length - 1 < SYNC_OID_SIZE)
                        return -EBADMSG;
                r = set(ret, (const char *) payload + at, (const SyncOid *) (end + 1));
                if (r < 0)
                        return r == -E2BIG ? -EBADMSG : r;
                at += length + 1 + SYNC_OID_SIZE;
        }
        return 0;
}

int object_log_get_reference(ObjectLog *l, const char *name, SyncOid *ret) {
        const LogReference *item = find_reference(&l->pending_references, name);
        int r;

        if (!item) {
                r = object_log_refresh(l);
                if (r < 0)
                        return r;
                item = find_reference(&l->references, name);
        }
        if (!item || sync_oid_equal(&item->oid, &(SyncOid) {}))
                return -ENOENT;
        *ret = item->oid;
        return 0;
}

int object_log_set_reference(ObjectLog *l, const char *name, const SyncOid *oid) {
        if (isempty(name) || strlen(name) > OBJECT_LOG_NAME_MAX)
                return -EINVAL;
        /* So that all of them fit one record. */
        if (l->references.n + l->pending_references.n >= OBJECT_LOG_REFERENCES_MAX &&
            !find_reference(&l->references, name))
                return -E2BIG;
        return set(&l->pending_references, name, oid);
}

/* --- records --- */

typedef struct Reader {
        int fd;
        uint64_t offset; /* of the next byte that is not in the buffer */
        uint8_t *buffer;
        size_t at, n;
} Reader;

/* At least one and at most size bytes. Returns how many, 0 at the end of the file, or a negative errno. */
static ssize_t take_some(Reader *reader, size_t size, const uint8_t **ret) {
        if (reader->at == reader->n) {
                ssize_t n = object_log_pread(reader->fd, reader->buffer, BUFFER_SIZE, reader->offset);

                if (n <= 0)
                        return n;
                reader->offset += (uint64_t) n;
                reader->at = 0;
                reader->n = (size_t) n;
        }
        size = MIN(size, reader->n - reader->at);
        *ret = reader->buffer + reader->at;
        reader->at += size;
        return (ssize_t) size;
}

/* 1, 0 if the file ends before, or a negative errno. */
static int take(Reader *reader, void *to, size_t size) {
        const uint8_t *data;

        for (size_t done = 0; done < size;) {
                ssize_t n = take_some(reader, size - done, &data);

                if (n <= 0)
                        return (int) n;
                memcpy((uint8_t *) to + done, data, (size_t) n);
                done += (size_t) n;
        }
        return 1;
}

/* Goes over the payload. The same results, and 0 if it is not what the record says. */
static int check_payload(Reader *reader, const uint8_t *header, const Record *record) {
        uLong crc = crc32(0, header + 4, RECORD_HEADER_SIZE - 4);
        const uint8_t *data;

        for (size_t left = record->payload_size; left > 0;) {
                ssize_t n = take_some(reader, left, &data);

                if (n <= 0)
                        return (int) n;
                crc = crc32(crc, data, (uInt) n);
                left -= (size_t) n;
        }
        return crc == record->crc;
}

static int load_object(ObjectLog *l, const Record *record) {
        LogPlace place;
        int r;

        /* Two processes may have added it at the same time. */
        r = object_log_find_in_file(l, &record->oid, &place);
        if (r != -ENOENT)
                return r;
        r = log_index_reserve(&l->index, 1);
        if (r < 0)
                return r;
        log_index_insert(&l->index, &record->oid, l->end);
        return 0;
}

/* What was durable before is not what counts any more, or what was published is durable now. */
static int note_published(ObjectLog *l, const LogReferences *changes, bool published) {
        LogReferences now = {};

        if (!published) {
                for (size_t i = 0; i < changes->n; i++) {
                        LogReference *item = find_reference(&l->published, changes->items[i].name);

                        if (item)
                                remove_reference(&l->published, item);
                }
                return 0;
        }
        for (size_t i = 0; i < changes->n; i++) {
                int r = set(&now, changes->items[i].name, &changes->items[i].oid);

                if (r < 0) {
                        log_references_done(&now);
                        return r;
                }
        }
        log_references_done(&l->published);
        l->published = now;
        return 0;
}

static int load_references(ObjectLog *l, const Record *record, const uint8_t *payload) {
        bool published = record->type == RECORD_PUBLISHED;
        size_t size = record->payload_size;
        uint8_t boot_id[BOOT_ID_SIZE];
        LogReferences changes = {};
        int r;

        if (published) {
                if (size < BOOT_ID_SIZE)
                        return -EBADMSG;
                if (log_boot_id(boot_id) < 0 || memcmp(payload, boot_id, BOOT_ID_SIZE) != 0)
                        return 0;
                payload += BOOT_ID_SIZE;
                size -= BOOT_ID_SIZE;
        }
        r = parse_references(payload, size, &changes);
        if (r >= 0)
                r = note_published(l, &changes, published);
        if (r >= 0)
                r = log_references_reserve(&l->references, changes.n);
        if (r >= 0)
                log_references_apply(&l->references, &changes);
        log_references_done(&changes);
        return r;
}

/* 1 if there was a whole record, 0 if not, or a negative errno. */
static int load_record(ObjectLog *l, Reader *reader) {
        _cleanup_free_ uint8_t *payload = NULL;
        uint8_t header[RECORD_HEADER_SIZE];
        Record record;
        int r;

        r = take(reader, header, sizeof(header));
        if (r <= 0)
                return r;
        if (record_parse(header, &record) < 0)
                return 0;
        if (record_is_object(&record)) {
                r = check_payload(reader, header, &record);
                if (r > 0)
                        r = load_object(l, &record) ?: 1;
        } else {
                if (record.payload_size > REFERENCES_SIZE_MAX)
                        return 0;
                payload = malloc((size_t) record.payload_size + 1);
                if (!payload)
                        return -ENOMEM;
                r = take(reader, payload, record.payload_size);
                if (r > 0)
                        r = record_is_intact(&record, header, payload);
                if (r > 0)
                        r = load_references(l, &record, payload) ?: 1;
        }
        if (r <= 0)
                return r == -EBADMSG ? 0 : r;
        l->end += RECORD_HEADER_SIZE + record.payload_size;
        l->generation++;
        if (record.type == RECORD_REFERENCES)
                l->references_end = l->end;
        return 1;
}

int object_log_load(ObjectLog *l) {
        _cleanup_free_ uint8_t *buffer = NULL;
        struct stat st;
        Reader reader;
        int r;

        if (fstat(l->fd, &st) < 0)
                return -errno;
        if ((uint64_t) st.st_size <= l->end)
                return 0;
        buffer = malloc(BUFFER_SIZE);
        if (!buffer)
                return -ENOMEM;
        reader = (Reader) { .fd = l->fd, .offset = l->end, .buffer = buffer };
        do
                r = load_record(l, &reader);
        while (r > 0);
        return r;
}
