/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probe on connections over the loopback interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "syncd/connection-probe.h"

typedef struct Pair {
        int listener, client, server;
        uint16_t port;
} Pair;

static Pair connect_pair(int family) {
        struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sockaddr_storage address = {};
        socklen_t size = family == AF_INET ? sizeof(a4) : sizeof(a6);
        Pair p = { .listener = socket(family, SOCK_STREAM, 0), .client = socket(family, SOCK_STREAM, 0) };

        memcpy(&address, family == AF_INET ? (void *) &a4 : (void *) &a6, size);
        if (bind(p.listener, (struct sockaddr *) &address, size) < 0) {
                p.client = -1;
                return p;
        }
        assert_int_equal(listen(p.listener, 1), 0);
        assert_int_equal(getsockname(p.listener, (struct sockaddr *) &address, &size), 0);
        p.port = ntohs(((struct sockaddr_in *) &address)->sin_port);
        assert_int_equal(connect(p.client, (struct sockaddr *) &address, size), 0);
        p.server = accept(p.listener, NULL, NULL);
        assert_true(p.server >= 0);
        return p;
}

static void disconnect(Pair *p) {
        close(p->client);
        close(p->server);
        close(p->listener);
}

/* The kernel may not show connections at all. */
static ConnectionProbe *probe_of(uint16_t port) {
        ConnectionProbe *probe = NULL;
        int r = connection_probe_new(&probe, port);

        if (r == -EOPNOTSUPP) {
                print_message("SKIP: this kernel has no sock_diag\n");
                skip();
        }
        assert_int_equal(r, 0);
        return probe;
}

static void send_bytes(int from, int to, size_t n) {
        char buf[4096] = "";

        for (; n > 0; n -= MIN(n, sizeof(buf))) {
                size_t piece = MIN(n, sizeof(buf));

                assert_int_equal(send(from, buf, piece, 0), piece);
                assert_int_equal(recv(to, buf, piece, MSG_WAITALL), piece);
        }
}

static void see(int family) {
        Pair p = connect_pair(family);
        ConnectionState state;
        ConnectionProbe *probe;

        if (p.client < 0) {
                print_message("SKIP: no such address family\n");
                skip();
        }
        probe = probe_of(p.port);
        send_bytes(p.client, p.server, 100000);
        send_bytes(p.server, p.client, 50000);
        assert_int_equal(connection_probe_read(probe, &state), 0);
        /* The end of the connection whose peer has that port: the client. */
        assert_in_range(state.bytes_received, 50000, 50001);
        assert_in_range(state.bytes_acked, 100000, 100002);
        assert_true(state.rtt_usec > 0);
        assert_true(state.rtt_min_usec > 0 && state.rtt_min_usec <= state.rtt_usec);
        disconnect(&p);
        assert_int_equal(connection_probe_read(probe, &state), -ENOENT);
        connection_probe_free(probe);
}

static void a_connection_over_ipv4_is_seen(void **state) {
        see(AF_INET);
}

static void a_connection_over_ipv6_is_seen(void **state) {
        see(AF_INET6);
}

static void other_ports_are_none_of_ours(void **state) {
        Pair p = connect_pair(AF_INET), other = connect_pair(AF_INET);
        ConnectionProbe *probe = probe_of(p.port);
        ConnectionState before, after;

        send_bytes(p.client, p.server, 1000);
        assert_int_equal(connection_probe_read(probe, &before), 0);
        send_bytes(other.client, other.server, 100000);
        assert_int_equal(connection_probe_read(probe, &after), 0);
        assert_int_equal(before.bytes_acked, after.bytes_acked);
        connection_probe_free(probe);
        disconnect(&p);
        disconnect(&other);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_connection_over_ipv4_is_seen),
                cmocka_unit_test(a_connection_over_ipv6_is_seen),
                cmocka_unit_test(other_ports_are_none_of_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
