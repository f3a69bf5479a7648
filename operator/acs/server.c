/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/pool.h"
#include "operator/acs/server.h"

#define LISTENERS_MAX 2U
#define BACKLOG 1024
/* A connection on which nothing is sent is the kernel's alone for this long; then it is one of a stranger (http.h). */
#define SILENCE_SEC 10
/* Connections taken from the kernel before other events get their turn. */
#define ACCEPT_BATCH 32
#define EVENTS_MAX 64
/* Those that wait to hear that they are refused. */
#define REFUSED_MAX 64U
/* For the database, the broker, connection requests. */
#define FILES_RESERVED 256U
/* How often deadlines are looked at. */
#define TICK_USEC (1 * 1000000ULL)

typedef struct Client {
        struct Client *next, *previous;
        Connection *connection;
        uint64_t deadline_usec;
        bool parked;     /* no thread serves it, or is about to */
        bool registered; /* with the epoll instance */
} Client;

struct Server {
        const ConnectionContext *context;
        Pool *pool;
        int epoll_fd, stop_fd;
        pthread_t gate;
        bool gate_runs;
        struct {
                int fd;
                bool tls;
        } listeners[LISTENERS_MAX];
        size_t n_listeners;
        /* all that are open */
        pthread_mutex_t lock;
        Client *clients;
        unsigned n_clients, n_clients_max;
};

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

static void client_free(Server *s, Client *c) {
        (void) pthread_mutex_lock(&s->lock);
        if (c->previous)
                c->previous->next = c->next;
        else
                s->clients = c->next;
        if (c->next)
                c->next->previous = c->previous;
        s->n_clients--;
        (void) pthread_mutex_unlock(&s->lock);
        (void) connection_free(c->connection);
        free(c);
}

static int client_new(Client **ret, Server *s, int fd, bool tls) {
        Client *c = calloc(1, sizeof(*c));
        bool refused;
        int r;

        if (!c)
                return -ENOMEM;
        (void) pthread_mutex_lock(&s->lock);
        refused = s->n_clients >= s->n_clients_max;
        r = -EBUSY;
        if (s->n_clients < s->n_clients_max + REFUSED_MAX)
                r = connection_new(&c->connection, s->context, fd, tls, refused);
        if (r >= 0) {
                c->next = s->clients;
                if (c->next)
                        c->next->previous = c;
                s->clients = c;
                s->n_clients++;
        }
        (void) pthread_mutex_unlock(&s->lock);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

/* Until the peer moves. From then on the client is the gate's: it may be served and freed before this returns. */
static int client_park(Server *s, Client *c, ConnectionNext next) {
        struct epoll_event e = {
                .events = EPOLLONESHOT | (next == CONNECTION_WRITES ? EPOLLOUT : EPOLLIN | EPOLLRDHUP),
                .data.ptr = c,
        };
        int operation = c->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

        (void) pthread_mutex_lock(&s->lock);
        c->parked = c->registered = true;
        c->deadline_usec = connection_deadline(c->connection);
        (void) pthread_mutex_unlock(&s->lock);
        return epoll_ctl(s->epoll_fd, operation, connection_fd(c->connection), &e) < 0 ? -errno : 0;
}

/* Runs in the threads of the pool. */
static void serve(void *item, Store *store, struct soap *soap, void *userdata) {
        Server *s = userdata;
        Client *c = item;
        ConnectionNext next = connection_serve(c->connection, store, soap);

        if (next == CONNECTION_ENDS || client_park(s, c, next) < 0)
                client_free(s, c);
}

static void on_listener(Server *s, int listener, bool tls) {
        for (int i = 0; i < ACCEPT_BATCH; i++) {
                _cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                static const int one = 1;
                Client *c;

                /* EAGAIN: all taken. Anything else concerns one connection, or passes. */
                if (fd < 0)
                        return;
                /* a response is one write: nothing to wait for */
                (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                if (client_new(&c, s, fd, tls) < 0)
                        continue;
                (void) TAKE_FD(fd);
                /* The kernel has kept it until there was something to read. */
                pool_give(s->pool, c);
        }
}

/* Who was waited for too long is cut off: its next event is the end. */
static void expire(Server *s) {
        uint64_t now = now_usec();

        (void) pthread_mutex_lock(&s->lock);
        for (Client *c = s->clients; c; c = c->next)
                if (c->parked && c->deadline_usec <= now)
                        (void) shutdown(connection_fd(c->connection), SHUT_RDWR);
        (void) pthread_mutex_unlock(&s->lock);
}

/* False if it is the order to stop. */
static bool on_event(Server *s, void *source) {
        Client *c = source;

        if (source == s)
                return false;
        for (size_t i = 0; i < LISTENERS_MAX; i++)
                if (source == &s->listeners[i]) {
                        on_listener(s, s->listeners[i].fd, s->listeners[i].tls);
                        return true;
                }
        (void) pthread_mutex_lock(&s->lock);
        c->parked = false;
        (void) pthread_mutex_unlock(&s->lock);
        pool_give(s->pool, c);
        return true;
}

/* The thread that waits for all peers at once. */
static void *run_gate(void *userdata) {
        Server *s = userdata;
        struct epoll_event events[EVENTS_MAX];
        uint64_t tick = now_usec() + TICK_USEC;

        for (;;) {
                int n = epoll_wait(s->epoll_fd, events, EVENTS_MAX, TICK_USEC / 1000);

                for (int i = 0; i < n; i++)
                        if (!on_event(s, events[i].data.ptr))
                                return NULL;
                if (now_usec() >= tick) {
                        expire(s);
                        tick = now_usec() + TICK_USEC;
                }
        }
}

static int add_source(Server *s, int fd, void *source) {
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = source };

        return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

/* As many as the workers are for, and as may be open. */
static unsigned clients_max(unsigned n_workers) {
        const unsigned others = REFUSED_MAX + FILES_RESERVED;
        struct rlimit files;
        unsigned n = MIN(n_workers * CONNECTIONS_PER_WORKER, CONNECTIONS_MAX);

        if (getrlimit(RLIMIT_NOFILE, &files) >= 0 && files.rlim_cur < n + others)
                n = (unsigned) MAX(files.rlim_cur, others + n_workers) - others;
        return n;
}

int server_new(Server **ret, const ConnectionContext *context, unsigned n_workers) {
        _cleanup_(server_freep) Server *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->context = context;
        s->n_clients_max = clients_max(n_workers);
        (void) pthread_mutex_init(&s->lock, NULL);
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->epoll_fd < 0 || s->stop_fd < 0)
                return -errno;
        r = pool_new(&s->pool, context->database, n_workers, s->n_clients_max + REFUSED_MAX, serve, s);
        if (r >= 0)
                r = add_source(s, s->stop_fd, s);
        if (r >= 0)
                r = -pthread_create(&s->gate, NULL, run_gate, s);
        if (r < 0)
                return r;
        s->gate_runs = true;
        *ret = TAKE_PTR(s);
        return 0;
}

Server *server_free(Server *s) {
        if (!s)
                return NULL;
        if (s->gate_runs) {
                (void) eventfd_write(s->stop_fd, 1);
                (void) pthread_join(s->gate, NULL);
        }
        session_table_close(s->context->sessions);
        (void) pool_free(s->pool);
        while (s->clients)
                client_free(s, s->clients);
        for (size_t i = 0; i < s->n_listeners; i++)
                (void) safe_close(s->listeners[i].fd);
        (void) safe_close(s->epoll_fd);
        (void) safe_close(s->stop_fd);
        (void) pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_size) {
        struct sockaddr_in6 *a6 = (struct sockaddr_in6 *) ret;
        struct sockaddr_in *a4 = (struct sockaddr_in *) ret;

        *ret = (struct sockaddr_storage) {};
        if (!address[0] || inet_pton(AF_INET6, address, &a6->sin6_addr) == 1) {
                a6->sin6_family = AF_INET6;
                a6->sin6_port = htons(port);
                *ret_size = sizeof(*a6);
                return 0;
        }
        if (inet_pton(AF_INET, address, &a4->sin_addr) == 1) {
                a4->sin_family = AF_INET;
                a4->sin_port = htons(port);
                *ret_size = sizeof(*a4);
                return 0;
        }
        return -EINVAL;
}

static int open_listener(const struct sockaddr_storage *a, socklen_t size, int *ret) {
        _cleanup_close_ int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        static const int one = 1, zero = 0, silence = SILENCE_SEC;

        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silence, sizeof(silence));
        if (a->ss_family == AF_INET6)
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
        if (bind(fd, (const struct sockaddr *) a, size) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

int server_listen(Server *s, const char *address, uint16_t port, bool tls) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_storage a;
        socklen_t size;
        int r;

        assert(s->n_listeners < LISTENERS_MAX);

        r = parse_address(address, port, &a, &size);
        if (r < 0)
                return r;
        r = open_listener(&a, size, &fd);
        if (r == -EAFNOSUPPORT && !address[0]) {
                /* a host without IPv6 */
                r = parse_address("0.0.0.0", port, &a, &size);
                if (r >= 0)
                        r = open_listener(&a, size, &fd);
        }
        if (r < 0)
                return r;
        s->listeners[s->n_listeners].tls = tls;
        s->listeners[s->n_listeners].fd = TAKE_FD(fd);
        s->n_listeners++;
        return add_source(s, s->listeners[s->n_listeners - 1].fd, &s->listeners[s->n_listeners - 1]);
}
