/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has arrived of a request, until it is whole: so much of HTTP as says where it ends. gSOAP parses it then. */
#pragma once

#include "common/base/macro.h"

/* Request line and headers: a digest and some cookies are below 4 KiB. */
#define HTTP_HEAD_MAX (16U * 1024U)
/* The size line of a chunk, with extensions that nobody uses. */
#define HTTP_CHUNK_LINE_MAX 256U

typedef struct HttpInput {
        char *data;
        size_t size, allocated;
        /* how far it was looked at */
        size_t scanned, head_size, next_chunk;
        uint64_t content_length;
        bool chunked, expects_continue, malformed;
} HttpInput;

void http_input_done(HttpInput *i);

/* Makes room for at least size more bytes at data + size; who reads adds to size. 0 or -ENOMEM. */
int http_input_reserve(HttpInput *i, size_t size);

/* 1 if data starts with a request that is whole, of *ret_size bytes; or with one that will never be good, being
 * malformed or larger than limit: then *ret_size is what is there. 0 if more is needed. */
int http_input_frame(HttpInput *i, size_t limit, size_t *ret_size);

/* The request was served; what follows it stays. */
void http_input_consume(HttpInput *i, size_t size);

/* Once head_size is above 0: a copy of a header's value, "" if there is none; NULL without memory. */
char *http_input_header(const HttpInput *i, const char *name);
