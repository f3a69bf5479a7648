/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and strings in the core's own files (index, journal, list of what is wanted): little-endian base-128 numbers,
 * CRC-32. */
#pragma once

#include "common/base/macro.h"

typedef struct SyncWriter {
        uint8_t *data; /* the caller frees it */
        size_t size, allocated;
        bool failed; /* memory ran out; everything after was dropped */
} SyncWriter;

/* Each appends; what fails shows in the writer. */
void sync_write_bytes(SyncWriter *w, const void *data, size_t size);
void sync_write_number(SyncWriter *w, uint64_t n);
/* Small negative numbers stay short. */
void sync_write_signed(SyncWriter *w, int64_t n);
void sync_write_string(SyncWriter *w, const char *s);
/* The CRC-32 of all before it, as sync_read_file() wants it at the end of a file. */
void sync_write_crc32(SyncWriter *w);
/* One that was worked out by sync_crc32_add(). */
void sync_write_crc(SyncWriter *w, uint32_t crc);

typedef struct SyncReader {
        const uint8_t *data;
        size_t size, at;
        bool failed; /* the data ended too early or is not what it should be; all results are 0 from then on */
} SyncReader;

/* size bytes within the data, or NULL after a failure. */
const void *sync_read_bytes(SyncReader *r, size_t size);
uint64_t sync_read_number(SyncReader *r);
int64_t sync_read_signed(SyncReader *r);
/* Copies a string of less than size bytes, with a NUL behind; "" after a failure. A NUL within is one. */
void sync_read_string(SyncReader *r, char *ret, size_t size);

/* Reads a file that begins with the magic and ends with sync_write_crc32(); *ret gives what is between. *ret_data is
 * the caller's, who frees it after the reader. 0, -ENOENT, -EBADMSG (damaged, another kind, or of more than max bytes),
 * -ENOMEM, or another negative errno. */
int sync_read_file(
                int dir_fd, const char *name, const char *magic, size_t max, uint8_t **ret_data, SyncReader *ret);

/* CRC-32 as in IEEE 802.3, zlib and gzip. */
uint32_t sync_crc32(const void *data, size_t size) _pure_;
/* That of what crc is of and the data behind it; 0 is of nothing. */
uint32_t sync_crc32_add(uint32_t crc, const void *data, size_t size) _pure_;
