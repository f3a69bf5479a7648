/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/pkt-line.h"

int pkt_line_parse_length(const void *digits) {
        const char *s = digits;
        int n = 0;

        for (size_t i = 0; i < 4; i++) {
                static const char hex[] = "0123456789abcdef";
                char c = s[i] >= 'A' && s[i] <= 'F' ? (char) (s[i] - 'A' + 'a') : s[i];
                const char *p = memchr(hex, c, 16);

                if (!p)
                        return -EBADMSG;
                n = n * 16 + (int) (p - hex);
        }
        return n == 3 || n > (int) PKT_LINE_MAX ? -EBADMSG : n;
}

void pkt_stream_init(PktStream *s, int in_fd, int out_fd) {
        *s = (PktStream){ .in_fd = in_fd, .out_fd = out_fd, .silence_msec = PKT_SILENCE_MAX_MSEC };
}

/* Waits until the descriptor is ready, or at its end. */
static int wait_for(const PktStream *s, int fd, short events) {
        struct pollfd p = { .fd = fd, .events = events };
        int n;

        do
                n = poll(&p, 1, s->silence_msec);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

/* Pieces of what may pass at once keep the flow steady. */
static size_t piece_of(const RateLimit *limit, size_t size) {
        return limit ? MIN(size, rate_limit_quantum(limit)) : size;
}

static ssize_t read_some(PktStream *s) {
        ssize_t n;
        int r;

        r = wait_for(s, s->in_fd, POLLIN);
        if (r < 0)
                return r;
        n = read(s->in_fd, s->buf + s->end, piece_of(s->limit_in, sizeof(s->buf) - s->end));
        if (n < 0)
                return -errno;
        if (s->limit_in && n > 0)
                rate_limit_take(s->limit_in, (size_t) n);
        return n == 0 ? -EPIPE : n;
}

static int send_all(PktStream *s, const uint8_t *p, size_t size) {
        while (size > 0) {
                size_t piece = piece_of(s->limit_out, size);
                ssize_t n;
                int r;

                r = wait_for(s, s->out_fd, POLLOUT);
                if (r < 0)
                        return r;
                n = write(s->out_fd, p, piece);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        continue;
                if (n < 0)
                        return -errno;
                if (s->limit_out)
                        rate_limit_take(s->limit_out, (size_t) n);
                s->sent += (uint64_t) n;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

int pkt_flush(PktStream *s) {
        size_t n = s->n_out;

        s->n_out = 0;
        return send_all(s, s->out, n);
}

/* Has at least size bytes in the buffer afterwards. */
static int fill(PktStream *s, size_t size) {
        while (s->end - s->begin < size) {
                ssize_t n;
                int r = pkt_flush(s);

                if (r < 0)
                        return r;

                if (s->begin > 0) {
                        memmove(s->buf, s->buf + s->begin, s->end - s->begin);
                        s->end -= s->begin;
                        s->begin = 0;
                }
                n = read_some(s);
                if (n == -EINTR || n == -EAGAIN)
                        continue;
                if (n < 0)
                        return (int) n;
                s->end += (size_t) n;
                s->received += (uint64_t) n;
        }
        return 0;
}

int pkt_read(PktStream *s, PktType *ret_type, const uint8_t **ret_data, size_t *ret_size) {
        int r, length;

        r = fill(s, 4);
        if (r < 0)
                return r;
        length = pkt_line_parse_length(s->buf + s->begin);
        if (length < 0)
                return length;
        if (length < 4) {
                s->begin += 4;
                *ret_type = length == 0 ? PKT_FLUSH : length == 1 ? PKT_DELIM : PKT_RESPONSE_END;
                *ret_data = NULL;
                *ret_size = 0;
                return 0;
        }
        r = fill(s, (size_t) length);
        if (r < 0)
                return r;
        *ret_type = PKT_DATA;
        *ret_data = s->buf + s->begin + 4;
        *ret_size = (size_t) length - 4;
        s->begin += (size_t) length;
        return 0;
}

int pkt_read_line(PktStream *s, const char **ret) {
        const uint8_t *data;
        PktType type;
        size_t size;
        int r;

        r = pkt_read(s, &type, &data, &size);
        if (r < 0)
                return r;
        if (type != PKT_DATA) {
                *ret = NULL;
                return 0;
        }
        if (size > 0 && data[size - 1] == '\n')
                size--;
        if (memchr(data, 0, size))
                return -EBADMSG;
        memcpy(s->line, data, size);
        s->line[size] = 0;
        *ret = s->line;
        return 0;
}

int pkt_write_raw(PktStream *s, const void *data, size_t size) {
        for (const uint8_t *p = data; size > 0;) {
                size_t n = MIN(size, sizeof(s->out) - s->n_out);
                int r;

                memcpy(s->out + s->n_out, p, n);
                s->n_out += n;
                p += n;
                size -= n;
                if (s->n_out == sizeof(s->out) && (r = pkt_flush(s)) < 0)
                        return r;
        }
        return 0;
}

int pkt_write(PktStream *s, const void *data, size_t size) {
        uint8_t packet[PKT_LINE_MAX];

        if (size > PKT_DATA_MAX)
                return -E2BIG;
        (void) snprintf((char *) packet, 5, "%04zx", size + 4);
        memcpy(packet + 4, data, size);
        return pkt_write_raw(s, packet, size + 4);
}

int pkt_write_line(PktStream *s, const char *format, ...) {
        _cleanup_free_ char *line = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&line, format, ap);
        va_end(ap);
        if (n < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return pkt_write(s, line, (size_t) n);
}

int pkt_write_special(PktStream *s, PktType type) {
        static const char *const packets[] = {
                [PKT_FLUSH] = "0000",
                [PKT_DELIM] = "0001",
                [PKT_RESPONSE_END] = "0002",
        };

        assert(type != PKT_DATA);
        return pkt_write_raw(s, packets[type], 4);
}
