/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpe-load ACS-PORT PASSWORD NUMBER TIPS [RETRY-MINIMUM]: plays NUMBER gateways against the ACS at
 * 127.0.0.1:ACS-PORT, whole CPEs: Informs with digest, commands, connection requests, and a synchronizer that finds
 * main's tip in TIPS/<subscription>. Reads orders from standard input, one a line:
 *
 *   boot SECONDS      every gateway restarts, each at a moment of its own within this time
 *   periodic SECONDS  every gateway has a periodic Inform, in the same way
 *   start GATEWAY     this one (from 0) restarts now
 *   push GATEWAY      the push of this one was accepted: it tells so
 *   status            prints what there is and what there was, as JSON on one line
 *
 * and ends with it. Gateway n authenticates itself as <OUI>-ISPStorage-L<n in five digits>. */
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "agent/session-worker/soap-codec.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/daemon/daemon-run.h"
#include "tests/load/client.h"

#define CLIENTS_MAX 100000U
#define ORDER_MAX 128U
#define USEC_PER_SEC 1000000ULL

typedef struct Load {
        ClientContext context;
        Client *clients;
        uint32_t n;
        uint16_t port; /* for connection requests */
        uint64_t n_asked;
        char order[ORDER_MAX];
        size_t order_size;
} Load;

static uint64_t random_below(uint64_t n) {
        uint64_t r = 0;

        (void) getrandom(&r, sizeof(r), GRND_NONBLOCK);
        return n > 0 ? r % n : 0;
}

static int print_status(Load *l) {
        unsigned subscribed = 0, idle = 0, pulls = 0, repeated = 0, rows = 0;
        _cleanup_free_ char *text = NULL;
        json_t *revisions = json_object(), *status;

        for (uint32_t i = 0; i < l->n; i++) {
                const Client *c = l->clients + i;
                const char *revision = gateway_get(&c->gateway, "Revision");

                subscribed += streq(gateway_get(&c->gateway, "Status"), "Subscribed");
                idle += client_is_idle(c);
                pulls += c->gateway.n_pulls;
                repeated += c->gateway.n_repeated;
                rows += c->gateway.n_rows;
                (void) json_object_set_new(
                                revisions,
                                revision,
                                json_integer(json_integer_value(json_object_get(revisions, revision)) + 1));
        }
        status = json_pack("{s:i, s:i, s:i, s:i, s:i, s:o, s:I, s:I, s:I, s:I, s:i}",
                           "subscribed", (int) subscribed,
                           "idle", (int) idle,
                           "pulls", (int) pulls,
                           "repeated", (int) repeated,
                           "rows", (int) rows,
                           "revisions", revisions,
                           "sessions", (json_int_t) l->context.n_sessions,
                           "refused", (json_int_t) l->context.n_refused,
                           "broken", (json_int_t) l->context.n_broken,
                           "asked", (json_int_t) l->n_asked,
                           "open_peak", (int) l->context.n_open_peak);
        text = status ? json_dumps(status, JSON_COMPACT) : NULL;
        json_decref(status);
        if (!text)
                return -ENOMEM;
        (void) puts(text);
        return fflush(stdout) == 0 ? 0 : -EIO;
}

static int boot(Load *l, uint32_t seconds) {
        int r = 0;

        for (uint32_t i = 0; i < l->n && r >= 0; i++)
                r = client_restart(l->clients + i, random_below(seconds * USEC_PER_SEC));
        return r;
}

static int inform_periodically(Load *l, uint32_t seconds) {
        int r = 0;

        for (uint32_t i = 0; i < l->n && r >= 0; i++) {
                l->clients[i].gateway.events |= GATEWAY_PERIODIC;
                r = client_schedule(l->clients + i, random_below(seconds * USEC_PER_SEC));
        }
        return r;
}

static int carry_out(Load *l, const char *order) {
        const char *argument = strchr(order, ' ');
        uint32_t n = 0;
        int r = 0;

        if (streq(order, "status"))
                return print_status(l);
        if (!argument || parse_uint32(argument + 1, &n) < 0)
                return -EINVAL;
        if (startswith(order, "push ") && n < l->n) {
                r = gateway_push(&l->clients[n].gateway);
                return r < 0 ? r : client_schedule(l->clients + n, 0);
        }
        if (startswith(order, "start ") && n < l->n)
                return client_restart(l->clients + n, 0);
        if (startswith(order, "boot "))
                return boot(l, n);
        return startswith(order, "periodic ") ? inform_periodically(l, n) : -EINVAL;
}

static int on_order(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Load *l = userdata;
        ssize_t n = read(fd, l->order + l->order_size, ORDER_MAX - 1 - l->order_size);
        char *end;

        if (n <= 0)
                return sd_event_exit(l->context.event, 0);
        l->order_size += (size_t) n;
        l->order[l->order_size] = 0;
        while ((end = strchr(l->order, '\n'))) {
                int r;

                *end = 0;
                r = carry_out(l, l->order);
                if (r < 0)
                        return log_error_errno(r, "The order \"%s\" cannot be carried out: %m", l->order);
                l->order_size -= (size_t) (end + 1 - l->order);
                memmove(l->order, end + 1, l->order_size + 1);
        }
        return l->order_size == ORDER_MAX - 1 ? -E2BIG : 0;
}

/* The whole exchange at once: the ACS's request is there when its connection is, or comes at once. */
static int on_connection_request(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        static const struct timeval patience = { .tv_sec = 1 };
        _cleanup_close_ int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        char request[HTTP_GET_REQUEST_MAX + 1], response[CONNECTION_REQUEST_RESPONSE_MAX], nonce[33];
        Load *l = userdata;
        struct timespec now;
        uint32_t number;
        HttpGet get;
        bool again;

        if (c < 0)
                return 0;
        (void) setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        do {
                uint8_t random[16];
                ssize_t n = recv(c, request, HTTP_GET_REQUEST_MAX, 0);

                if (n <= 0 || http_get_parse(request, (size_t) n, &get) != HTTP_GET_COMPLETE ||
                    parse_uint32(get.path + 1, &number) < 0 || number >= l->n ||
                    getrandom(random, sizeof(random), 0) != sizeof(random))
                        return 0;
                (void) clock_gettime(CLOCK_MONOTONIC, &now);
                again = !connection_requests_decide(
                                l->clients[number].gateway.requests,
                                &get,
                                (uint64_t) now.tv_sec * USEC_PER_SEC,
                                format_hex(random, sizeof(random), nonce),
                                response);
                if (send(c, response, strlen(response), MSG_NOSIGNAL) < 0)
                        return 0;
        } while (again);
        l->n_asked++;
        l->clients[number].gateway.events |= GATEWAY_ASKED;
        return client_schedule(l->clients + number, 0);
}

static int listen_for_requests(Load *l) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sd_event_source *source = NULL;
        int r;

        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, SOMAXCONN) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                return -errno;
        l->port = ntohs(address.sin_port);
        r = sd_event_add_io(l->context.event, &source, fd, EPOLLIN, on_connection_request, l);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(source, true);
        (void) TAKE_FD(fd);
        r = sd_event_source_set_floating(source, true);
        (void) sd_event_source_unref(source);
        return r;
}

static int make_clients(Load *l, const char *tips) {
        int r = 0;

        l->clients = calloc(l->n, sizeof(Client));
        if (!l->clients)
                return -ENOMEM;
        for (uint32_t i = 0; i < l->n; i++)
                client_init(l->clients + i, &l->context);
        for (uint32_t i = 0; i < l->n && r >= 0; i++) {
                _cleanup_free_ char *path = strfmt("/%u", i), *url = strfmt("http://127.0.0.1:%u/%u", l->port, i);

                r = path && url ? gateway_init(&l->clients[i].gateway, i, tips, url, path) : -ENOMEM;
        }
        return r;
}

static void load_done(Load *l) {
        for (uint32_t i = 0; l->clients && i < l->n; i++)
                client_done(l->clients + i);
        free(l->clients);
        if (l->context.soap) {
                soap_done(l->context.soap);
                free(l->context.soap);
        }
        (void) sd_event_unref(l->context.event);
}

static int run(Load *l, char *argv[]) {
        const struct rlimit files = { CLIENTS_MAX, CLIENTS_MAX };
        uint32_t port;
        int r;

        l->context.retry_minimum = 5;
        if (parse_uint32(argv[1], &port) < 0 || port > UINT16_MAX || parse_uint32(argv[3], &l->n) < 0 ||
            l->n > CLIENTS_MAX || (argv[5] && parse_uint32(argv[5], &l->context.retry_minimum) < 0))
                return -EINVAL;
        (void) setrlimit(RLIMIT_NOFILE, &files);
        l->context.acs_port = (uint16_t) port;
        l->context.password = argv[2];
        l->context.soap = malloc(sizeof(struct soap));
        if (!l->context.soap)
                return -ENOMEM;
        cwmp_soap_init(l->context.soap);
        r = daemon_event_new(&l->context.event);
        if (r >= 0)
                r = listen_for_requests(l);
        if (r >= 0)
                r = make_clients(l, argv[4]);
        if (r >= 0)
                r = sd_event_add_io(l->context.event, NULL, STDIN_FILENO, EPOLLIN, on_order, l);
        return r < 0 ? r : daemon_loop(l->context.event);
}

int main(int argc, char *argv[]) {
        Load l = {};
        int r;

        log_open();
        if (argc != 5 && argc != 6) {
                (void) fprintf(stderr,
                               "Usage: %s ACS-PORT PASSWORD NUMBER TIPS [RETRY-MINIMUM]\n",
                               program_invocation_short_name);
                return EXIT_FAILURE;
        }
        r = run(&l, argv);
        if (r < 0)
                (void) log_error_errno(r, "It failed: %m");
        load_done(&l);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
