/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flat byte encoding of numbers, strings and lists: what the agent keeps in its state files and exchanges
 * with its session workers. Both ends are the same build on the same machine, but the reader trusts
 * nothing. */
#pragma once

#include <stdio.h>

#include "common/base/macro.h"

/* A growing buffer; after a failed allocation every further write is dropped and wire_finish() says so. */
typedef struct WireWriter {
        char *data;
        size_t size;
        size_t allocated;
        bool failed;
} WireWriter;

void wire_writer_done(WireWriter *w);
#define _cleanup_wire_writer_ _cleanup_(wire_writer_done)

/* Four and eight bytes in the machine's own order: nothing of this leaves the device. */
void wire_put_u32(WireWriter *w, uint32_t v);
void wire_put_u64(WireWriter *w, uint64_t v);
/* s may be NULL, which is read back as NULL. */
void wire_put_string(WireWriter *w, const char *s);
/* Any bytes; none are read back as NULL. */
void wire_put_bytes(WireWriter *w, const void *data, size_t size);
/* A count and the strings; NULL is an empty list. */
void wire_put_strv(WireWriter *w, char *const *l);

/* 0 or -ENOMEM. */
int wire_finish(const WireWriter *w);

/* Reads what a writer wrote. After the first defect every read gives 0 or NULL, and wire_reader_end() -EBADMSG. */
typedef struct WireReader {
        const char *data;
        size_t size;
        size_t position;
        int error;
} WireReader;

/* What wire_put_u32() and wire_put_u64() wrote. */
uint32_t wire_get_u32(WireReader *r);
uint64_t wire_get_u64(WireReader *r);
/* A count of elements that take at least element_size bytes each: never more than the rest of the data can hold. */
size_t wire_get_count(WireReader *r, size_t element_size);
/* A new string of the caller's, or NULL. */
char *wire_get_string(WireReader *r);
/* New bytes of the caller's, *ret_size of them; NULL if there are none. More than max are a defect. */
void *wire_get_bytes(WireReader *r, size_t max, size_t *ret_size);
/* A new list of the caller's, NULL for an empty one. */
char **wire_get_strv(WireReader *r);

/* 0 if everything was read without a defect to the last byte, else -EBADMSG or -ENOMEM. */
int wire_reader_end(const WireReader *r);
