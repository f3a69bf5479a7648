/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"
#include "operator/genieacs/listener.h"

#define ACCURACY_USEC 100000ULL
#define READ_SIZE 4096U

typedef struct Connection {
        Listener *listener;
        struct Connection *previous, *next;
        sd_event_source *io, *timeout;
        char *line;
        size_t size, allocated;
        int fd;
} Connection;

struct Listener {
        sd_event *event;
        sd_event_source *io;
        ListenerHandler handler;
        void *userdata;
        Connection *connections;
        unsigned n_connections;
        int fd;
};

static Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        (void) sd_event_source_disable_unref(c->io);
        (void) sd_event_source_disable_unref(c->timeout);
        (void) safe_close(c->fd);
        free(c->line);
        free(c);
        return NULL;
}
DEFINE_TRIVIAL_CLEANUP_FUNC(Connection *, connection_free);

static void close_connection(Connection *c) {
        Listener *l = c->listener;

        *(c->previous ? &c->previous->next : &l->connections) = c->next;
        if (c->next)
                c->next->previous = c->previous;
        if (l->n_connections-- == LISTENER_CONNECTIONS_MAX)
                (void) sd_event_source_set_enabled(l->io, SD_EVENT_ON);
        (void) connection_free(c);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        log_debug("A report on an Inform was not complete in time.");
        close_connection(userdata);
        return 0;
}

/* A short text into an empty socket: it does not block, and who has gone does not read it. */
static void answer(Connection *c, size_t length) {
        char text[128];
        int r, n;

        r = c->listener->handler(c->line, length, c->listener->userdata);
        n = r < 0 ? snprintf(text, sizeof(text), "%s\n", strerror(-r))
                  : snprintf(text, sizeof(text), "ok\n");
        (void) send(c->fd, text, (size_t) MIN(n, (int) sizeof(text) - 1), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int make_room(Connection *c) {
        size_t allocated;
        char *p;

        if (c->size > LISTENER_LINE_MAX)
                return -EMSGSIZE;
        if (c->allocated - c->size >= READ_SIZE)
                return 0;
        allocated = MAX(c->allocated * 2, (size_t) READ_SIZE);
        p = realloc(c->line, allocated);
        if (!p)
                return -ENOMEM;
        c->line = p;
        c->allocated = allocated;
        return 0;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;
        const char *end;
        ssize_t n;

        if (make_room(c) < 0) {
                log_warning("A report on an Inform is too large.");
                close_connection(c);
                return 0;
        }
        n = recv(fd, c->line + c->size, READ_SIZE, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                close_connection(c);
                return 0;
        }
        end = memchr(c->line + c->size, '\n', (size_t) n);
        c->size += (size_t) n;
        if (end) {
                answer(c, (size_t) (end - c->line));
                close_connection(c);
        }
        return 0;
}

static int accept_connection(Listener *l, int fd) {
        _cleanup_(connection_freep) Connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        c->fd = fd;
        r = sd_event_add_io(l->event, &c->io, fd, EPOLLIN, on_readable, c);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                l->event,
                                &c->timeout,
                                CLOCK_MONOTONIC,
                                LISTENER_TIMEOUT_USEC,
                                ACCURACY_USEC,
                                on_timeout,
                                c);
        if (r < 0)
                return r;
        c->listener = l;
        c->next = l->connections;
        if (c->next)
                c->next->previous = c;
        l->connections = TAKE_PTR(c);
        if (++l->n_connections == LISTENER_CONNECTIONS_MAX)
                (void) sd_event_source_set_enabled(l->io, SD_EVENT_OFF);
        return 0;
}

static int on_connection(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        int r, client;

        client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
                return 0;
        r = accept_connection(userdata, client);
        if (r < 0)
                (void) log_error_errno(r, "Failed to take a report on an Inform: %m");
        return 0;
}

int listener_new(Listener **ret, sd_event *event, int fd, ListenerHandler handler, void *userdata) {
        _cleanup_(listener_freep) Listener *l = calloc(1, sizeof(*l));
        int r;

        if (!l) {
                (void) safe_close(fd);
                return -ENOMEM;
        }
        l->fd = fd;
        l->event = sd_event_ref(event);
        l->handler = handler;
        l->userdata = userdata;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(event, &l->io, fd, EPOLLIN, on_connection, l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

Listener *listener_free(Listener *l) {
        if (!l)
                return NULL;
        while (l->connections)
                close_connection(l->connections);
        (void) sd_event_source_disable_unref(l->io);
        (void) safe_close(l->fd);
        (void) sd_event_unref(l->event);
        free(l);
        return NULL;
}
