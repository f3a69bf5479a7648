/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/server.h"

#define LISTENERS_MAX 2U
#define BACKLOG 1024
/* A connection on which nothing is sent takes no thread for this long; then it is one of a stranger (http.h). */
#define SILENCE_SEC 10
/* Connections taken from the kernel before other sources of the loop get their turn. */
#define ACCEPT_BATCH 32
/* Those that wait to hear that they are refused. */
#define REFUSED_MAX 256U

typedef struct Pending {
        int fd;
        bool tls;
} Pending;

typedef struct Pool Pool;

typedef struct PoolThread {
        Pool *pool;
        pthread_t thread;
        int serving; /* -EBADF while it waits */
} PoolThread;

/* Threads that take connections out of a ring. */
struct Pool {
        Server *server;
        pthread_mutex_t lock;
        pthread_cond_t filled;
        PoolThread *threads;
        unsigned n_threads, n_threads_max, n_idle, n_serving;
        Pending *ring;
        unsigned n_ring, ring_size, ring_first; /* those that are served count as in the ring */
        bool refuses; /* its threads say no */
        bool closed;
};

typedef struct Listener {
        Server *server;
        sd_event_source *source;
        bool tls;
} Listener;

struct Server {
        sd_event *event;
        const ConnectionContext *context;
        Pool workers, refusers;
        Listener listeners[LISTENERS_MAX];
        size_t n_listeners;
};

/* The connection that the thread served before is closed, or about to be. */
static bool pool_take(Pool *p, PoolThread *t, Pending *ret) {
        bool taken;

        (void) pthread_mutex_lock(&p->lock);
        if (t->serving >= 0)
                p->n_serving--;
        t->serving = -EBADF;
        p->n_idle++;
        while (p->n_ring == 0 && !p->closed)
                (void) pthread_cond_wait(&p->filled, &p->lock);
        p->n_idle--;
        taken = p->n_ring > 0 && !p->closed;
        if (taken) {
                *ret = p->ring[p->ring_first];
                t->serving = ret->fd;
                p->n_serving++;
                p->ring_first = (p->ring_first + 1) % p->ring_size;
                p->n_ring--;
        }
        (void) pthread_mutex_unlock(&p->lock);
        return taken;
}

static void *pool_thread(void *userdata) {
        PoolThread *t = userdata;
        Pool *p = t->pool;
        const ConnectionContext *context = p->server->context;
        _cleanup_(store_freep) Store *store = NULL;
        struct soap *soap = malloc(sizeof(*soap));
        Pending pending;
        int r = 0;

        if (!soap)
                return NULL;
        cwmp_soap_init(soap);
        if (!p->refuses) {
                r = store_open(&store, context->database);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to open %s: %m", context->database);
        }
        while (pool_take(p, t, &pending))
                if (p->refuses || r < 0)
                        connection_refuse(context, soap, pending.fd, pending.tls);
                else
                        connection_serve(context, store, soap, pending.fd, pending.tls);
        soap_done(soap);
        free(soap);
        return NULL;
}

static void pool_grow(Pool *p) {
        PoolThread *t = &p->threads[p->n_threads];

        *t = (PoolThread) { .pool = p, .serving = -EBADF };
        if (pthread_create(&t->thread, NULL, pool_thread, t) == 0)
                p->n_threads++;
}

/* Hands a connection to the pool. False if there are too many. */
static bool pool_give(Pool *p, Pending pending) {
        bool taken;

        (void) pthread_mutex_lock(&p->lock);
        taken = p->n_ring + p->n_serving < p->ring_size;
        if (taken) {
                p->ring[(p->ring_first + p->n_ring++) % p->ring_size] = pending;
                if (p->n_ring > p->n_idle && p->n_threads < p->n_threads_max)
                        pool_grow(p);
                (void) pthread_cond_signal(&p->filled);
        }
        (void) pthread_mutex_unlock(&p->lock);
        return taken;
}

static int pool_init(Pool *p, Server *s, unsigned n_threads, unsigned ring_size, bool refuses) {
        *p = (Pool) { .server = s, .n_threads_max = n_threads, .ring_size = ring_size, .refuses = refuses };
        (void) pthread_mutex_init(&p->lock, NULL);
        (void) pthread_cond_init(&p->filled, NULL);
        p->threads = calloc(n_threads, sizeof(PoolThread));
        p->ring = calloc(ring_size, sizeof(Pending));
        return p->threads && p->ring ? 0 : -ENOMEM;
}

static void pool_close(Pool *p) {
        (void) pthread_mutex_lock(&p->lock);
        p->closed = true;
        for (unsigned i = 0; i < p->n_threads; i++)
                if (p->threads[i].serving >= 0)
                        (void) shutdown(p->threads[i].serving, SHUT_RDWR);
        (void) pthread_cond_broadcast(&p->filled);
        (void) pthread_mutex_unlock(&p->lock);
}

static void pool_done(Pool *p) {
        for (unsigned i = 0; i < p->n_threads; i++)
                (void) pthread_join(p->threads[i].thread, NULL);
        for (unsigned i = 0; i < p->n_ring; i++)
                (void) close(p->ring[(p->ring_first + i) % p->ring_size].fd);
        free(p->threads);
        free(p->ring);
        (void) pthread_cond_destroy(&p->filled);
        (void) pthread_mutex_destroy(&p->lock);
}

int server_new(Server **ret, sd_event *event, const ConnectionContext *context, unsigned n_workers) {
        _cleanup_(server_freep) Server *s = calloc(1, sizeof(*s));
        int r, q;

        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->context = context;
        r = pool_init(&s->workers, s, n_workers, 2 * n_workers, false);
        q = pool_init(&s->refusers, s, 1, REFUSED_MAX, true);
        if (r < 0 || q < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

Server *server_free(Server *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_listeners; i++)
                (void) sd_event_source_disable_unref(s->listeners[i].source);
        pool_close(&s->workers);
        pool_close(&s->refusers);
        session_table_close(s->context->sessions);
        pool_done(&s->workers);
        pool_done(&s->refusers);
        (void) sd_event_unref(s->event);
        free(s);
        return NULL;
}

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Listener *l = userdata;

        for (int i = 0; i < ACCEPT_BATCH; i++) {
                _cleanup_close_ int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                static const int one = 1;

                if (c < 0) {
                        /* EAGAIN: all taken. Anything else concerns one connection, or passes. */
                        return 0;
                }
                /* a response is one write: nothing to wait for */
                (void) setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                if (pool_give(&l->server->workers, (Pending) { c, l->tls }) ||
                    pool_give(&l->server->refusers, (Pending) { c, l->tls }))
                        (void) TAKE_FD(c);
        }
        return 0;
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
        Listener *l = &s->listeners[s->n_listeners];
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
        l->server = s;
        l->tls = tls;
        r = sd_event_add_io(s->event, &l->source, fd, EPOLLIN, on_listener, l);
        if (r < 0)
                return r;
        (void) sd_event_source_set_io_fd_own(l->source, true);
        (void) TAKE_FD(fd);
        s->n_listeners++;
        return 0;
}
