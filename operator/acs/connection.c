/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/str.h"
#include "operator/acs/connection-internal.h"

/* For the peer to read why it was refused. */
#define LINGER_USEC (1 * 1000000ULL)
/* What is read at once. */
#define READ_SIZE (16U * 1024U)
#define TOO_MANY "HTTP/1.1 503 Service Unavailable\r\n" RETRY_AFTER "Content-Length: 0\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

uint64_t connection_now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

/* What a stranger may not send, one may who goes on with a session. */
static int look_at_head(Connection *c) {
        _cleanup_free_ char *value = NULL;
        char cookie[SESSION_COOKIE_SIZE];

        c->head_is_read = true;
        if (c->trusted || (!c->input.chunked && c->input.content_length <= HTTP_UNAUTHENTICATED_MAX))
                return 0;
        value = http_input_header(&c->input, "Cookie");
        if (!value)
                return -ENOMEM;
        c->trusted = http_get_cookie(value, cookie, sizeof(cookie)) &&
                session_table_knows(c->context->sessions, cookie);
        return 0;
}

/* 1 if a request is whole, 0 if more must be read, or a negative errno. */
static int find_request(Connection *c, size_t *ret_size) {
        for (;;) {
                size_t limit = c->trusted ? CWMP_ENVELOPE_MAX : HTTP_UNAUTHENTICATED_MAX;
                int r = c->input.size > 0 ? http_input_frame(&c->input, limit, ret_size) : 0;

                if (r < 0 || c->input.head_size == 0)
                        return r;
                if (c->head_is_read) {
                        if (r > 0 || !c->input.expects_continue)
                                return r;
                        c->input.expects_continue = false;
                        return transport_send(&c->transport, CONTINUE, strlen(CONTINUE));
                }
                r = look_at_head(c);
                if (r < 0)
                        return r;
        }
}

static void set_large(Connection *c, bool large) {
        if (large != c->is_large)
                (void) atomic_fetch_add(c->context->n_large, large ? 1U : -1U);
        c->is_large = large;
}

/* Reads what is there. */
static int read_some(Connection *c) {
        ssize_t n;
        int r;

        if (c->input.size > HTTP_UNAUTHENTICATED_MAX + HTTP_HEAD_MAX) {
                set_large(c, true);
                if (atomic_load(c->context->n_large) > LARGE_MAX) {
                        c->ending = c->lingers = true;
                        r = transport_send(&c->transport, TOO_MANY, strlen(TOO_MANY));
                        return r < 0 ? r : transport_flush(&c->transport);
                }
        }
        r = http_input_reserve(&c->input, READ_SIZE);
        if (r < 0)
                return r;
        n = transport_read(&c->transport, c->input.data + c->input.size, READ_SIZE);
        if (n < 0)
                return (int) n;
        if (c->input.size == 0)
                c->began_usec = c->active_usec;
        c->input.size += (size_t) n;
        return 0;
}

/* Between requests nothing is kept for what may never come. */
static void consume(Connection *c, size_t size) {
        http_input_consume(&c->input, size);
        c->head_is_read = false;
        /* The session may have lingered for commands. */
        c->began_usec = c->active_usec = connection_now();
        set_large(c, false);
}

/* Until nothing more is there: -EAGAIN, or that the connection is at its end, or a negative errno. */
static int serve_requests(Connection *c) {
        while (!c->ending) {
                size_t size;
                int r = find_request(c, &size);

                if (r == 0)
                        r = read_some(c);
                else if (r > 0) {
                        c->ending = !connection_answer(c, size);
                        consume(c, size);
                        r = transport_flush(&c->transport);
                }
                if (r < 0) {
                        if (c->input.size == 0)
                                http_input_done(&c->input);
                        return r;
                }
        }
        return 0;
}

/* Closing at once would reset the connection, and the peer would not see the response: what still comes is thrown away,
 * for a short time. */
static int finish(Connection *c) {
        char buf[4096];
        ssize_t n = 0;

        if (!c->finished) {
                transport_finish(&c->transport);
                c->finished = true;
                c->began_usec = c->active_usec;
        }
        while (c->lingers && c->n_discarded < HTTP_UNAUTHENTICATED_MAX && n >= 0) {
                n = recv(c->transport.fd, buf, sizeof(buf), 0);
                if (n < 0 && errno == EAGAIN)
                        return -EAGAIN;
                c->n_discarded += (size_t) MAX(n, 0);
                if (n == 0)
                        break;
        }
        return -ECONNRESET;
}

int connection_new(Connection **ret, const ConnectionContext *context, int fd, bool tls, bool refused) {
        Connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        r = transport_init(&c->transport, fd, tls ? context->tls : NULL);
        if (r < 0) {
                free(c);
                return r;
        }
        c->context = context;
        c->refused = refused;
        c->began_usec = c->active_usec = connection_now();
        *ret = c;
        return 0;
}

Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        set_large(c, false);
        transport_done(&c->transport);
        http_input_done(&c->input);
        free(c->device);
        free(c);
        return NULL;
}

int connection_fd(const Connection *c) {
        return c->transport.fd;
}

uint64_t connection_deadline(const Connection *c) {
        uint64_t receive = c->trusted ? HTTP_RECEIVE_TIMEOUT_SEC : HTTP_UNAUTHENTICATED_RECEIVE_SEC;
        uint64_t transfer = c->trusted ? HTTP_TRANSFER_TIMEOUT_SEC : HTTP_UNAUTHENTICATED_TRANSFER_SEC;

        if (c->finished)
                return c->began_usec + LINGER_USEC;
        return MIN(c->active_usec + receive * 1000000, c->began_usec + transfer * 1000000);
}

ConnectionNext connection_serve(Connection *c, Store *store, struct soap *soap) {
        int r;

        c->store = store;
        c->soap = soap;
        if (!c->finished)
                c->active_usec = connection_now();
        r = transport_handshake(&c->transport);
        if (r >= 0)
                r = transport_flush(&c->transport);
        if (r >= 0)
                r = serve_requests(c);
        if (r >= 0)
                r = finish(c);
        if (r == -EAGAIN)
                return c->transport.wants_write ? CONNECTION_WRITES : CONNECTION_READS;
        return CONNECTION_ENDS;
}
