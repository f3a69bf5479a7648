/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests that come in pieces, and responses that are taken in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/acs/http-input.h"
#include "operator/acs/transport.h"

#define LIMIT 1000U
#define LARGE (4U * 1024U * 1024U)

static void add(HttpInput *i, const char *data, size_t size) {
        assert_int_equal(http_input_reserve(i, size), 0);
        memcpy(i->data + i->size, data, size);
        i->size += size;
}

/* Byte by byte, it is whole with its last one. */
static void assert_whole_at_its_end(const char *request) {
        HttpInput i = {};
        size_t size;

        for (size_t k = 0; request[k]; k++) {
                add(&i, request + k, 1);
                assert_int_equal(http_input_frame(&i, LIMIT, &size), request[k + 1] ? 0 : 1);
        }
        assert_int_equal(size, strlen(request));
        http_input_done(&i);
}

static void a_request_is_whole_with_its_last_byte(void **state) {
        assert_whole_at_its_end("POST / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_whole_at_its_end("POST / HTTP/1.1\nHost: x\n\n");
        assert_whole_at_its_end("POST / HTTP/1.1\r\ncontent-LENGTH:\t 5 \r\n\r\nhello");
        assert_whole_at_its_end("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n");
        assert_whole_at_its_end("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n");
}

static void assert_refused(const char *request, size_t length) {
        HttpInput i = {};
        size_t size;

        add(&i, request, length);
        assert_int_equal(http_input_frame(&i, LIMIT, &size), 1);
        assert_int_equal(size, length);
        http_input_done(&i);
}

static void nobody_waits_for_what_will_never_be_good(void **state) {
        _cleanup_free_ char *head = malloc(HTTP_HEAD_MAX);
        static const char *const requests[] = {
                "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n \n",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n100000000\r\n",
        };

        for (size_t k = 0; k < ELEMENTSOF(requests); k++)
                assert_refused(requests[k], strlen(requests[k]));
        assert_non_null(head);
        memset(head, 'x', HTTP_HEAD_MAX);
        assert_refused(head, HTTP_HEAD_MAX);
}

static void what_follows_a_request_stays(void **state) {
        static const char two[] = "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n1"
                                  "POST /2 HTTP/1.1\r\nCookie: s=x\r\n\r\n";
        _cleanup_free_ char *cookie = NULL, *none = NULL;
        HttpInput i = {};
        size_t size;

        add(&i, two, strlen(two));
        assert_int_equal(http_input_frame(&i, LIMIT, &size), 1);
        http_input_consume(&i, size);
        assert_int_equal(http_input_frame(&i, LIMIT, &size), 1);
        cookie = http_input_header(&i, "cookie");
        assert_string_equal(cookie, "s=x");
        none = http_input_header(&i, "Content-Length");
        assert_string_equal(none, "");
        http_input_consume(&i, size);
        assert_int_equal(i.size, 0);
        http_input_done(&i);
}

static void what_the_peer_does_not_take_is_kept(void **state) {
        _cleanup_free_ char *data = malloc(LARGE), *got = malloc(LARGE);
        int fds[2];
        Transport t;
        size_t n = 0;

        assert_non_null(data);
        assert_non_null(got);
        for (size_t k = 0; k < LARGE; k++)
                data[k] = (char) (k * 7 + k / 251);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(transport_init(&t, fds[0], NULL), 0);
        assert_int_equal(transport_send(&t, data, LARGE / 2), 0);
        assert_true(t.wants_write);
        assert_int_equal(transport_send(&t, data + LARGE / 2, LARGE / 2), 0);
        assert_int_equal(transport_flush(&t), -EAGAIN);
        while (n < LARGE) {
                ssize_t k = read(fds[1], got + n, LARGE - n);
                if (k > 0)
                        n += (size_t) k;
                else
                        assert_true(transport_flush(&t) == -EAGAIN || n + 1 < LARGE);
        }
        assert_int_equal(transport_flush(&t), 0);
        assert_memory_equal(data, got, LARGE);
        (void) close(fds[1]);
        assert_int_equal(transport_send(&t, data, 1), -ECONNRESET);
        transport_done(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_is_whole_with_its_last_byte),
                cmocka_unit_test(nobody_waits_for_what_will_never_be_good),
                cmocka_unit_test(what_follows_a_request_stays),
                cmocka_unit_test(what_the_peer_does_not_take_is_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
