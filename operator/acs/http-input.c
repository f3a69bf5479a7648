/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <strings.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/acs/http-input.h"

/* Most requests are smaller. */
#define STEP 4096U

void http_input_done(HttpInput *i) {
        free(i->data);
        *i = (HttpInput) {};
}

int http_input_reserve(HttpInput *i, size_t size) {
        size_t wanted = i->size + size;
        char *data;

        if (wanted <= i->allocated)
                return 0;
        wanted = MAX(wanted, i->allocated * 2);
        wanted = (wanted + STEP - 1) / STEP * STEP;
        data = realloc(i->data, wanted);
        if (!data)
                return -ENOMEM;
        i->data = data;
        i->allocated = wanted;
        return 0;
}

/* The offset behind the line that starts at from, 0 if its end is not there yet. */
static size_t line_end(const HttpInput *i, size_t from) {
        const char *end = from < i->size ? memchr(i->data + from, '\n', i->size - from) : NULL;

        return end ? (size_t) (end + 1 - i->data) : 0;
}

/* Whether the line from start to end, with its end, is empty. */
static bool is_empty_line(const HttpInput *i, size_t start, size_t end) {
        return end - start == 1 || (end - start == 2 && i->data[start] == '\r');
}

char *http_input_header(const HttpInput *i, const char *name) {
        size_t n = strlen(name), end;

        /* The first line is the request's. */
        for (size_t line = line_end(i, 0); line > 0 && line < i->head_size; line = end) {
                const char *p = i->data + line;

                end = line_end(i, line);
                if (end - line <= n || strncasecmp(p, name, n) != 0 || p[n] != ':')
                        continue;
                p += n + 1;
                size_t length = (size_t) (i->data + end - p);
                while (length > 0 && (*p == ' ' || *p == '\t')) {
                        p++;
                        length--;
                }
                while (length > 0 && strchr(" \t\r\n", p[length - 1]))
                        length--;
                return strndup(p, length);
        }
        return strdup("");
}

/* 0 or -ENOMEM. */
static int read_head(HttpInput *i) {
        _cleanup_free_ char *length = http_input_header(i, "Content-Length");
        _cleanup_free_ char *encoding = http_input_header(i, "Transfer-Encoding");
        _cleanup_free_ char *expect = http_input_header(i, "Expect");

        if (!length || !encoding || !expect)
                return -ENOMEM;
        i->chunked = strcasecmp(encoding, "chunked") == 0;
        i->expects_continue = strcasecmp(expect, "100-continue") == 0;
        i->next_chunk = i->head_size;
        if (!i->chunked && length[0] && parse_uint64(length, &i->content_length) < 0)
                i->malformed = true;
        return 0;
}

/* Looks for the empty line. */
static int find_head(HttpInput *i) {
        for (size_t end; (end = line_end(i, i->scanned)) > 0; i->scanned = end)
                if (i->scanned > 0 && is_empty_line(i, i->scanned, end)) {
                        i->head_size = end;
                        return read_head(i);
                }
        i->malformed = i->size >= HTTP_HEAD_MAX;
        return 0;
}

/* The lines behind the last chunk, until an empty one. */
static size_t trailer_end(const HttpInput *i, size_t from) {
        for (size_t end; (end = line_end(i, from)) > 0; from = end)
                if (is_empty_line(i, from, end))
                        return end;
        return 0;
}

/* The number at the start of the line from start to end. False if there is none, or one that no limit allows. */
static bool read_chunk_size(const HttpInput *i, size_t start, size_t end, size_t *ret) {
        size_t at = start;

        *ret = 0;
        for (; at < end && isxdigit((unsigned char) i->data[at]); at++) {
                int c = tolower((unsigned char) i->data[at]);
                *ret = *ret * 16 + (size_t) (isdigit(c) ? c - '0' : c - 'a' + 10);
                if (*ret > UINT32_MAX)
                        return false;
        }
        return at > start;
}

/* The request's size, 0 if its last chunk is not there yet. */
static size_t find_last_chunk(HttpInput *i) {
        for (;;) {
                size_t end = line_end(i, i->next_chunk), n;

                if (end == 0)
                        i->malformed = i->size > i->next_chunk + HTTP_CHUNK_LINE_MAX;
                else if (!read_chunk_size(i, i->next_chunk, end, &n))
                        i->malformed = true;
                else if (n == 0)
                        return trailer_end(i, end);
                else if (i->size >= end + n + 2) {
                        i->next_chunk = end + n + 2;
                        continue;
                }
                return 0;
        }
}

int http_input_frame(HttpInput *i, size_t limit, size_t *ret_size) {
        size_t size = 0;
        int r;

        if (i->head_size == 0 && !i->malformed) {
                r = find_head(i);
                if (r < 0)
                        return r;
        }
        if (i->head_size > 0 && !i->malformed && i->chunked)
                size = find_last_chunk(i);
        else if (i->head_size > 0 && i->content_length <= limit)
                size = i->head_size + (size_t) i->content_length;
        else if (i->head_size > 0)
                size = i->size;
        if (i->malformed || i->size > limit + HTTP_HEAD_MAX)
                size = i->size;
        if (size == 0 || size > i->size)
                return 0;
        *ret_size = size;
        return 1;
}

void http_input_consume(HttpInput *i, size_t size) {
        HttpInput next = { .size = i->size - size };

        if (next.size > 0) {
                memmove(i->data, i->data + size, next.size);
                next.data = TAKE_PTR(i->data);
                next.allocated = i->allocated;
        }
        free(i->data);
        *i = next;
}
