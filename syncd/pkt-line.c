/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
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
        *s = (PktStream) { .in_fd = in_fd, .out_fd = out_fd };
}

/* Has at least size bytes in the buffer afterwards. */
static int fill(PktStream *s, size_t size) {
        while (s->end - s->begin < size) {
                ssize_t n;

                if (s->begin > 0) {
                        memmove(s->buf, s->buf + s->begin, s->end - s->begin);
                        s->end -= s->begin;
                        s->begin = 0;
                }
                n = read(s->in_fd, s->buf + s->end, sizeof(s->buf) - s->end);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EPIPE;
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
        int r = loop_write(s->out_fd, data, size);

        if (r >= 0)
                s->sent += size;
        return r;
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
