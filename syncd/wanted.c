/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of what is to be fetched, in a file: a CRC-checked stream of numbers (sync-stream.h). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/content.h"
#include "syncd/sync-stream.h"

#define MAGIC "ISPSWNT1"
/* The most that WANTED_FILES_MAX files and WANTED_ITEMS_MAX items can take. */
#define WANTED_FILE_MAX ((size_t) 4 << 20)

void wanted_done(Wanted *w) {
        free(w->files);
        free(w->items);
        *w = (Wanted) {};
}

int wanted_add_file(Wanted *w, const SyncOid *file, uint64_t size) {
        int r;

        if (w->n_files >= WANTED_FILES_MAX)
                return -E2BIG;
        r = ARRAY_GROW(w->files, w->n_files);
        if (r < 0)
                return r;
        w->files[w->n_files++] = (WantedFile) { .file = *file, .size = size, .complete = true };
        return 0;
}

int wanted_add_item(Wanted *w, const SyncOid *blob, uint64_t offset, uint32_t length) {
        int r;

        assert(w->n_files > 0);
        if (w->n_items >= WANTED_ITEMS_MAX)
                return -E2BIG;
        r = ARRAY_GROW(w->items, w->n_items);
        if (r < 0)
                return r;
        w->items[w->n_items++] = (WantedItem) {
                .blob = *blob,
                .file = (uint32_t) w->n_files - 1,
                .offset = offset,
                .length = length,
        };
        w->files[w->n_files - 1].n_items++;
        return 0;
}

/* Not synced: a list that is torn is none, and the next run makes another one. */
static int write_file(int state_fd, const char *name, const uint8_t *data, size_t size) {
        _cleanup_free_ char *new = strfmt("%s.new", name);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!new)
                return -ENOMEM;
        fd = openat(state_fd, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = loop_write(fd, data, size);
        if (r < 0)
                return r;
        return renameat(state_fd, new, state_fd, name) < 0 ? -errno : 0;
}

int wanted_save(int state_fd, const char *name, const Wanted *w) {
        _cleanup_free_ uint8_t *data = NULL;
        SyncWriter out = {};
        size_t item = 0;

        sync_write_bytes(&out, MAGIC, strlen(MAGIC));
        sync_write_number(&out, w->n_files);
        for (size_t i = 0; i < w->n_files; i++) {
                const WantedFile *f = w->files + i;

                sync_write_bytes(&out, f->file.bytes, SYNC_OID_SIZE);
                sync_write_number(&out, f->size == SYNC_SIZE_UNKNOWN ? 0 : f->size + 1);
                sync_write_number(&out, f->complete);
                sync_write_number(&out, f->n_items);
                for (uint64_t k = 0; k < f->n_items; k++, item++) {
                        sync_write_bytes(&out, w->items[item].blob.bytes, SYNC_OID_SIZE);
                        sync_write_number(&out, w->items[item].offset);
                        sync_write_number(&out, w->items[item].length);
                }
        }
        sync_write_crc32(&out);
        data = out.data;
        if (out.failed)
                return -ENOMEM;
        return write_file(state_fd, name, data, out.size);
}

static void read_oid(SyncReader *r, SyncOid *ret) {
        const void *bytes = sync_read_bytes(r, SYNC_OID_SIZE);

        if (bytes)
                memcpy(ret->bytes, bytes, SYNC_OID_SIZE);
}

static int parse_file(SyncReader *r, Wanted *w) {
        uint64_t size, n_items;
        SyncOid oid = {};
        bool complete;
        int k;

        read_oid(r, &oid);
        size = sync_read_number(r);
        complete = sync_read_number(r) != 0;
        n_items = sync_read_number(r);
        if (r->failed)
                return -EBADMSG;
        k = wanted_add_file(w, &oid, size == 0 ? SYNC_SIZE_UNKNOWN : size - 1);
        if (k < 0)
                return k;
        w->files[w->n_files - 1].complete = complete;
        for (uint64_t i = 0; i < n_items; i++) {
                uint64_t offset, length;

                read_oid(r, &oid);
                offset = sync_read_number(r);
                length = sync_read_number(r);
                if (r->failed || length > UINT32_MAX)
                        return -EBADMSG;
                k = wanted_add_item(w, &oid, offset, (uint32_t) length);
                if (k < 0)
                        return k;
        }
        return 0;
}

static int parse(SyncReader *r, Wanted *w) {
        uint64_t n = sync_read_number(r);
        int k = 0;

        for (uint64_t i = 0; i < n && k >= 0 && !r->failed; i++)
                k = parse_file(r, w);
        if (k == -ENOMEM)
                return k;
        return k < 0 || r->failed || r->at != r->size ? -EBADMSG : 0;
}

int wanted_load(int state_fd, const char *name, Wanted *ret) {
        _cleanup_free_ uint8_t *data = NULL;
        SyncReader reader;
        Wanted w = {};
        int r;

        r = sync_read_file(state_fd, name, MAGIC, WANTED_FILE_MAX, &data, &reader);
        if (r >= 0)
                r = parse(&reader, &w);
        if (r < 0) {
                wanted_done(&w);
                return r;
        }
        *ret = w;
        return 0;
}
