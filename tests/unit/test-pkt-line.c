/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/pkt-line.h"

/* A stream that reads these bytes, and then the end. */
static PktStream *stream_of(const char *bytes, size_t size) {
        PktStream *s = malloc(sizeof(*s));
        int p[2];

        assert_int_equal(pipe(p), 0);
        assert_int_equal(write(p[1], bytes, size), size);
        close(p[1]);
        pkt_stream_init(s, p[0], -1);
        return s;
}

static void stream_done(PktStream *s) {
        close(s->in_fd);
        free(s);
}

static void lengths(void **state) {
        assert_int_equal(pkt_line_parse_length("0000"), 0);
        assert_int_equal(pkt_line_parse_length("0002"), 2);
        assert_int_equal(pkt_line_parse_length("0004"), 4);
        assert_int_equal(pkt_line_parse_length("fff0"), PKT_LINE_MAX);
        assert_int_equal(pkt_line_parse_length("FFF0"), PKT_LINE_MAX);
        assert_int_equal(pkt_line_parse_length("0003"), -EBADMSG);
        assert_int_equal(pkt_line_parse_length("fff1"), -EBADMSG);
        assert_int_equal(pkt_line_parse_length(" 004"), -EBADMSG);
        assert_int_equal(pkt_line_parse_length("-001"), -EBADMSG);
}

static void packets(void **state) {
        static const char bytes[] = "000ahello\n" "0005x" "0000" "0004" "0001" "0006\0\1";
        PktStream *s = stream_of(bytes, sizeof(bytes) - 1);
        const uint8_t *data;
        const char *line;
        PktType type;
        size_t size;

        assert_int_equal(pkt_read_line(s, &line), 0);
        assert_string_equal(line, "hello");
        assert_int_equal(pkt_read_line(s, &line), 0);
        assert_string_equal(line, "x");
        assert_int_equal(pkt_read_line(s, &line), 0);
        assert_null(line);
        assert_int_equal(pkt_read_line(s, &line), 0);
        assert_string_equal(line, "");
        assert_int_equal(pkt_read(s, &type, &data, &size), 0);
        assert_int_equal(type, PKT_DELIM);
        assert_int_equal(pkt_read(s, &type, &data, &size), 0);
        assert_int_equal(size, 2);
        assert_memory_equal(data, "\0\1", 2);
        assert_int_equal(pkt_read(s, &type, &data, &size), -EPIPE);
        assert_int_equal(s->received, sizeof(bytes) - 1);
        stream_done(s);
}

static void broken_streams(void **state) {
        static const struct {
                const char *bytes;
                int error;
        } cases[] = { { "", -EPIPE },
                      { "00", -EPIPE },
                      { "0009abc", -EPIPE },
                      { "zzzz", -EBADMSG },
                      { "HTTP/1.1", -EBADMSG } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                PktStream *s = stream_of(cases[i].bytes, strlen(cases[i].bytes));
                const char *line;

                assert_int_equal(pkt_read_line(s, &line), cases[i].error);
                stream_done(s);
        }
}

static void what_is_written_is_read(void **state) {
        PktStream *out = malloc(sizeof(*out)), *in = malloc(sizeof(*in));
        const char *line;
        int p[2];

        assert_int_equal(pipe(p), 0);
        pkt_stream_init(out, -1, p[1]);
        pkt_stream_init(in, p[0], -1);
        assert_int_equal(pkt_write_line(out, "want %d\n", 7), 0);
        assert_int_equal(pkt_write_special(out, PKT_FLUSH), 0);
        assert_int_equal(pkt_write(out, "", PKT_DATA_MAX + 1), -E2BIG);
        assert_int_equal(out->sent, 0);
        assert_int_equal(pkt_flush(out), 0);
        assert_int_equal(pkt_read_line(in, &line), 0);
        assert_string_equal(line, "want 7");
        assert_int_equal(pkt_read_line(in, &line), 0);
        assert_null(line);
        assert_int_equal(out->sent, in->received);
        close(p[0]);
        close(p[1]);
        free(in);
        free(out);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lengths),
                cmocka_unit_test(packets),
                cmocka_unit_test(broken_streams),
                cmocka_unit_test(what_is_written_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
