/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/str.h"

#define BACKLOG 16

typedef struct Connection {
        Listener *listener;
        int fd;
        sd_event_source *io, *deadline;
        char buffer[HTTP_GET_REQUEST_MAX + 1];
        size_t size;
        char *response;
        size_t response_size, sent;
        bool keep; /* for another request, after this response */
} Connection;

struct Listener {
        sd_event *event;
        int fd;
        sd_event_source *io;
        Connection *connections[LISTENER_CONNECTIONS_MAX];
        size_t n_connections;
        ListenerRequestHandler request;
        void *userdata;
};

static void connection_close(Connection *c) {
        Listener *l = c->listener;

        sd_event_source_disable_unref(c->io);
        sd_event_source_disable_unref(c->deadline);
        (void) close(c->fd);
        free(c->response);

        for (size_t i = 0; i < l->n_connections; i++)
                if (l->connections[i] == c) {
                        l->connections[i] = l->connections[--l->n_connections];
                        break;
                }
        free(c);
        /* There is room again for who waits. */
        if (l->io)
                (void) sd_event_source_set_enabled(l->io, SD_EVENT_ON);
}

static int respond_static(Connection *c, const char *status) {
        c->response = strfmt("HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
        if (!c->response)
                return -ENOMEM;
        c->response_size = strlen(c->response);
        return 0;
}

/* 0: keep the connection; negative: close it. */
static int connection_read(Connection *c) {
        HttpGet get;

        ssize_t n = recv(c->fd, c->buffer + c->size, HTTP_GET_REQUEST_MAX - c->size, 0);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                return -EPIPE;
        c->size += (size_t) n;

        int r;
        switch (http_get_parse(c->buffer, c->size, &get)) {
        case HTTP_GET_INCOMPLETE:
                return 0;
        case HTTP_GET_COMPLETE:
                r = c->listener->request(&get, &c->response, &c->response_size, c->listener->userdata);
                break;
        case HTTP_GET_BAD_METHOD:
                r = respond_static(c, "405 Method Not Allowed");
                break;
        case HTTP_GET_BAD_REQUEST:
        default:
                r = respond_static(c, "400 Bad Request");
        }
        if (r < 0)
                return r;
        c->keep = r > 0;
        return sd_event_source_set_io_events(c->io, EPOLLOUT);
}

static int connection_next_request(Connection *c) {
        c->response = mfree(c->response);
        c->response_size = c->sent = c->size = 0;
        return sd_event_source_set_io_events(c->io, EPOLLIN);
}

/* The last response and the end of the connection share a segment. */
static int connection_write(Connection *c) {
        const int flags = MSG_NOSIGNAL | (c->keep ? 0 : MSG_MORE);

        ssize_t n = send(c->fd, c->response + c->sent, c->response_size - c->sent, flags);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;

        c->sent += (size_t) n;
        if (c->sent < c->response_size)
                return 0;
        return c->keep ? connection_next_request(c) : -EPIPE;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;

        int r = c->response ? connection_write(c) : connection_read(c);
        if (r < 0) {
                /* What came with the request but was not read would turn the close into a reset. */
                (void) shutdown(c->fd, SHUT_WR);
                connection_close(c);
        }
        return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        connection_close(userdata);
        return 0;
}

static int connection_new(Listener *l, int fd) {
        Connection *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->listener = l;
        c->fd = fd;
        int r = sd_event_add_io(l->event, &c->io, fd, EPOLLIN, on_connection, c);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                l->event,
                                &c->deadline,
                                CLOCK_MONOTONIC,
                                LISTENER_TIMEOUT_USEC,
                                0,
                                on_deadline,
                                c);
        if (r < 0) {
                sd_event_source_disable_unref(c->io);
                free(c);
                return r;
        }
        l->connections[l->n_connections++] = c;
        return 0;
}

static int on_accept(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Listener *l = userdata;

        if (l->n_connections >= LISTENER_CONNECTIONS_MAX)
                return sd_event_source_set_enabled(s, SD_EVENT_OFF);

        _cleanup_close_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection < 0)
                return 0;
        /* The request is acknowledged by the response. */
        (void) setsockopt(connection, IPPROTO_TCP, TCP_QUICKACK, &(int) { 0 }, sizeof(int));
        if (connection_new(l, connection) >= 0)
                TAKE_FD(connection);
        return 0;
}

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_size) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT };

        if (address && inet_pton(AF_INET, address, &in.sin_addr) == 1) {
                memcpy(ret, &in, sizeof(in));
                *ret_size = sizeof(in);
                return 0;
        }
        if (address && inet_pton(AF_INET6, address, &in6.sin6_addr) != 1)
                return -EINVAL;
        memcpy(ret, &in6, sizeof(in6));
        *ret_size = sizeof(in6);
        return 0;
}

static int open_socket(const char *address, const char *interface, uint16_t port) {
        struct sockaddr_storage sa;
        socklen_t size;

        int r = parse_address(address, port, &sa, &size);
        if (r < 0)
                return r;

        _cleanup_close_ int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 && errno == EAFNOSUPPORT && !address)
                return open_socket("0.0.0.0", interface, port);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) < 0 ||
            (sa.ss_family == AF_INET6 && !address &&
             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int) { 0 }, sizeof(int)) < 0) ||
            (interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t) strlen(interface)) < 0))
                return -errno;
        /* The management address may come later than the agent. */
        if (address && setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &(int) { 1 }, sizeof(int)) < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &sa, size) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int listener_new(Listener **ret, sd_event *event, const char *address, const char *interface, uint16_t port,
                 ListenerRequestHandler request, void *userdata) {
        _cleanup_(listener_freep) Listener *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        l->event = event;
        l->request = request;
        l->userdata = userdata;
        l->fd = open_socket(address, interface, port);
        if (l->fd < 0)
                return l->fd;
        int r = sd_event_add_io(event, &l->io, l->fd, EPOLLIN, on_accept, l);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Listener *listener_free(Listener *l) {
        if (!l)
                return NULL;

        l->io = sd_event_source_disable_unref(l->io);
        while (l->n_connections > 0)
                connection_close(l->connections[0]);
        l->fd = safe_close(l->fd);
        return mfree(l);
}
