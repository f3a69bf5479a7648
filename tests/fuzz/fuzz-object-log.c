/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/object-log-internal.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS_MAX 64U

/* In memory: each input is synced to the disk several times. */
static char directory[] = "/dev/shm/fuzz-object-log.XXXXXX";

static void remove_directory(void) {
        _cleanup_free_ char *file = strfmt("%s/log", directory);

        (void) unlink(file);
        (void) rmdir(directory);
}

/* Gives each record the checksum it must have, as far as sizes go: it cannot be guessed. Returns how many
 * there are. */
static size_t mend(uint8_t *data, size_t size, SyncOid *oids) {
        size_t n = 0;

        for (size_t at = LOG_HEADER_SIZE; size - at >= RECORD_HEADER_SIZE && n < RECORDS_MAX;) {
                uint8_t *header = data + at;
                uint32_t crc, payload;

                memcpy(&payload, header + 4, sizeof(payload));
                payload = le32toh(payload);
                if (payload > size - at - RECORD_HEADER_SIZE)
                        break;
                crc = htole32((uint32_t) crc32(0, header + 4, RECORD_HEADER_SIZE - 4 + payload));
                memcpy(header, &crc, sizeof(crc));
                memcpy(oids[n++].bytes, header + 16, SYNC_OID_SIZE);
                at += RECORD_HEADER_SIZE + payload;
        }
        return n;
}

static void read_all(ObjectLog *l, const SyncOid *oids, size_t n) {
        for (size_t i = 0; i < n; i++) {
                ObjectType type;
                size_t size;
                void *data;

                if (object_log_read(l, oids + i, &type, &data, &size) < 0)
                        continue;
                if (((char *) data)[size] != 0 || type < OBJECT_COMMIT || type > OBJECT_BLOB)
                        abort();
                free(data);
        }
}

static void expect(ObjectLog *l, const SyncOid *oid, const char *content) {
        ObjectType type;
        size_t size;
        void *data;

        if (object_log_read(l, oid, &type, &data, &size) < 0 || size != strlen(content) ||
            memcmp(data, content, size) != 0)
                abort();
        free(data);
}

/* Whatever stands in the file, what is added is there afterwards. */
static void use(const SyncOid *oids, size_t n) {
        static const char content[] = "what is added to a log of which the end may be anything";
        SyncOid oid = { .bytes = { 1, 2, 3, [19] = 0xFD } }, back;
        ObjectLog *l;

        if (object_log_open(&l, directory) < 0)
                abort();
        read_all(l, oids, n);
        if (object_log_add(l, &oid, OBJECT_BLOB, content, strlen(content), n > 0 ? oids : NULL) < 0 ||
            object_log_set_reference(l, "refs/fuzz", &oid) < 0 || object_log_sync(l) < 0)
                abort();
        object_log_free(l);

        if (object_log_open(&l, directory) < 0 || object_log_get_reference(l, "refs/fuzz", &back) < 0 ||
            !sync_oid_equal(&oid, &back))
                abort();
        read_all(l, oids, n);
        /* It may have been there, damaged. */
        if (object_log_compact_begin(l) != 1)
                abort();
        (void) object_log_mark(l, &oid);
        for (size_t i = 0; i < n; i += 2)
                (void) object_log_mark(l, oids + i);
        if (object_log_compact_finish(l) < 0)
                abort();
        read_all(l, oids, n);
        for (size_t i = 0; i < n; i++)
                if (sync_oid_equal(oids + i, &oid))
                        n = 0;
        if (n > 0)
                expect(l, &oid, content);
        object_log_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static bool made;
        _cleanup_free_ uint8_t *copy = malloc(size + LOG_HEADER_SIZE);
        _cleanup_free_ char *file = NULL;
        _cleanup_close_ int fd = -EBADF;
        SyncOid oids[RECORDS_MAX];
        size_t n;

        if (!made) {
                if (!mkdtemp(directory))
                        abort();
                (void) atexit(remove_directory);
                made = true;
        }
        file = strfmt("%s/log", directory);
        if (!copy || !file)
                abort();
        memset(copy, 0, LOG_HEADER_SIZE);
        memcpy(copy, "ISPSLOG1", 8);
        memcpy(copy + LOG_HEADER_SIZE, data, size);
        size += LOG_HEADER_SIZE;
        n = mend(copy, size, oids);
        fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || loop_write(fd, copy, size) < 0)
                abort();
        use(oids, n);
        return 0;
}
