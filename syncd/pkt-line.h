/* SPDX-License-Identifier: GPL-2.0-or-later */
/* git's pkt-line framing (gitprotocol-common(5), gitprotocol-v2(5)) over a pair of descriptors. Blocks:
 * for workers. */
#pragma once

#include "common/base/macro.h"
#include "syncd/rate-limit.h"

/* gitprotocol-common(5): a packet is at most 65520 bytes with its four digits of length. */
#define PKT_LINE_MAX 65520U
#define PKT_DATA_MAX (PKT_LINE_MAX - 4U)

typedef enum PktType {
        PKT_DATA,
        PKT_FLUSH,        /* 0000 */
        PKT_DELIM,        /* 0001 */
        PKT_RESPONSE_END, /* 0002 */
} PktType;

/* The other end is taken for dead when nothing comes, or nothing goes, for so long. git's ends send an empty
 * packet every five seconds while they work. */
#define PKT_SILENCE_MAX_MSEC 120000

/* What is written is gathered up to so many bytes. */
#define PKT_OUT_SIZE ((size_t) 32 << 10)

typedef struct PktStream {
        int in_fd;           /* not owned */
        int out_fd;          /* not owned; may be non-blocking */
        RateLimit *limit_in; /* not owned; NULL: none */
        RateLimit *limit_out;
        int silence_msec;    /* that is taken for death */
        uint64_t received;
        uint64_t sent;
        size_t begin; /* unread bytes of buf */
        size_t end;
        size_t n_out; /* unsent bytes of out */
        uint8_t buf[2 * PKT_LINE_MAX];
        uint8_t out[PKT_OUT_SIZE];
        char line[PKT_DATA_MAX + 1];
} PktStream;

/* Reads the four hexadecimal digits. Returns the length, 4 to PKT_LINE_MAX, or 0 to 2 for the special
 * packets; -EBADMSG for anything else. */
int pkt_line_parse_length(const void *digits);

/* Both descriptors are borrowed, and non-blocking or not. No limits, and PKT_SILENCE_MAX_MSEC. */
void pkt_stream_init(PktStream *s, int in_fd, int out_fd);

/* Reads one packet. *ret_data points into the stream's buffer until the next read. 0; -EPIPE at the end
 * of the stream, also within a packet; -ETIMEDOUT (silence_msec); -EBADMSG for broken framing;
 * another negative errno of read(2). */
int pkt_read(PktStream *s, PktType *ret_type, const uint8_t **ret_data, size_t *ret_size);

/* The same, for text: *ret is the line without its line feed, valid until the next read, or NULL for a
 * special packet. -EBADMSG also for a line with a NUL in it. */
int pkt_read_line(PktStream *s, const char **ret);

/* What is written goes on its way when enough is together, before anything is read from the other end, and
 * by pkt_flush().
 *
 * Writes one packet of data. 0, -E2BIG, -ETIMEDOUT or a negative errno of write(2). */
int pkt_write(PktStream *s, const void *data, size_t size);

/* Writes one line; the caller's format has the line feed. 0, -E2BIG, -ENOMEM or a negative errno of
 * write(2). */
int pkt_write_line(PktStream *s, const char *format, ...) _printf_(2, 3);

/* Writes a special packet. */
int pkt_write_special(PktStream *s, PktType type);

/* Writes bytes without framing (a pack). */
int pkt_write_raw(PktStream *s, const void *data, size_t size);

/* Sends what was written. 0, -ETIMEDOUT or a negative errno of write(2). */
int pkt_flush(PktStream *s);
