/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/sync-stream.h"

#define CRC_SIZE 4U

void sync_write_bytes(SyncWriter *w, const void *data, size_t size) {
        if (w->failed)
                return;
        if (w->allocated - w->size < size) {
                size_t wanted = MAX(w->allocated * 2, w->size + size + 256);
                uint8_t *p = realloc(w->data, wanted);

                if (!p) {
                        w->failed = true;
                        return;
                }
                w->data = p;
                w->allocated = wanted;
        }
        if (size > 0)
                memcpy(w->data + w->size, data, size);
        w->size += size;
}

void sync_write_number(SyncWriter *w, uint64_t n) {
        uint8_t bytes[10];
        size_t size = 0;

        for (; n >= 0x80; n >>= 7)
                bytes[size++] = (uint8_t) n | 0x80;
        bytes[size++] = (uint8_t) n;
        sync_write_bytes(w, bytes, size);
}

void sync_write_signed(SyncWriter *w, int64_t n) {
        sync_write_number(w, n < 0 ? ~((uint64_t) n << 1) : (uint64_t) n << 1);
}

void sync_write_string(SyncWriter *w, const char *s) {
        size_t size = strlen(s);

        sync_write_number(w, size);
        sync_write_bytes(w, s, size);
}

void sync_write_crc(SyncWriter *w, uint32_t crc) {
        for (unsigned i = 0; i < CRC_SIZE; i++, crc >>= 8)
                sync_write_bytes(w, &(uint8_t) { crc & 0xFF }, 1);
}

void sync_write_crc32(SyncWriter *w) {
        sync_write_crc(w, w->failed ? 0 : sync_crc32(w->data, w->size));
}

const void *sync_read_bytes(SyncReader *r, size_t size) {
        if (r->failed || r->size - r->at < size) {
                r->failed = true;
                return NULL;
        }
        r->at += size;
        return r->data + r->at - size;
}

uint64_t sync_read_number(SyncReader *r) {
        uint64_t n = 0;

        for (unsigned shift = 0; shift < 64; shift += 7) {
                const uint8_t *byte = sync_read_bytes(r, 1);

                if (!byte)
                        return 0;
                n |= (uint64_t) (*byte & 0x7F) << shift;
                if (!(*byte & 0x80))
                        return n;
        }
        r->failed = true;
        return 0;
}

int64_t sync_read_signed(SyncReader *r) {
        uint64_t n = sync_read_number(r);

        return (int64_t) (n & 1 ? ~(n >> 1) : n >> 1);
}

void sync_read_string(SyncReader *r, char *ret, size_t size) {
        uint64_t length = sync_read_number(r);
        const void *bytes = length < size ? sync_read_bytes(r, length) : NULL;

        if (!bytes || memchr(bytes, '\0', length)) {
                r->failed = true;
                length = 0;
        } else
                memcpy(ret, bytes, length);
        ret[length] = '\0';
}

int sync_read_file(
                int dir_fd, const char *name, const char *magic, size_t max, uint8_t **ret_data, SyncReader *ret) {

        _cleanup_free_ char *data = NULL;
        size_t size, begin = strlen(magic);
        uint32_t crc = 0;
        int r;

        r = read_file(dir_fd, name, max, &data, &size);
        if (r < 0)
                return r == -EFBIG ? -EBADMSG : r;
        if (size < begin + CRC_SIZE || memcmp(data, magic, begin) != 0)
                return -EBADMSG;
        size -= CRC_SIZE;
        for (unsigned i = 0; i < CRC_SIZE; i++)
                crc |= (uint32_t) (uint8_t) data[size + i] << (8 * i);
        if (crc != sync_crc32(data, size))
                return -EBADMSG;
        *ret_data = (uint8_t *) TAKE_PTR(data);
        *ret = (SyncReader) { .data = *ret_data, .size = size, .at = begin };
        return 0;
}

uint32_t sync_crc32(const void *data, size_t size) {
        return sync_crc32_add(0, data, size);
}

uint32_t sync_crc32_add(uint32_t crc, const void *data, size_t size) {
        /* Four bits at a time: the table is small, and the files are, too. */
        static const uint32_t table[16] = {
                0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
        };
        const uint8_t *bytes = data;

        crc = ~crc;
        for (size_t i = 0; i < size; i++) {
                crc ^= bytes[i];
                crc = crc >> 4 ^ table[crc & 15];
                crc = crc >> 4 ^ table[crc & 15];
        }
        return ~crc;
}
