/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>

#include "common/base/log.h"
#include "operator/acs/pool.h"

struct Pool {
        const char *database;
        PoolHandler handler;
        void *userdata;
        pthread_mutex_t lock;
        pthread_cond_t filled;
        pthread_t *threads;
        unsigned n_threads, n_threads_max, n_idle;
        void **ring;
        unsigned n_ring, ring_size, ring_first;
        bool closed;
};

/* NULL when the pool is closed. */
static void *pool_take(Pool *p) {
        void *item = NULL;

        (void) pthread_mutex_lock(&p->lock);
        p->n_idle++;
        while (p->n_ring == 0 && !p->closed)
                (void) pthread_cond_wait(&p->filled, &p->lock);
        p->n_idle--;
        if (!p->closed) {
                item = p->ring[p->ring_first];
                p->ring_first = (p->ring_first + 1) % p->ring_size;
                p->n_ring--;
        }
        (void) pthread_mutex_unlock(&p->lock);
        return item;
}

static void *pool_thread(void *userdata) {
        Pool *p = userdata;
        _cleanup_(store_freep) Store *store = NULL;
        struct soap *soap = malloc(sizeof(*soap));
        void *item;

        if (!soap)
                return NULL;
        cwmp_soap_init(soap);
        while ((item = pool_take(p))) {
                int r = store ? 0 : store_open(&store, p->database);

                if (r < 0)
                        (void) log_error_errno(r, "Failed to open %s: %m", p->database);
                p->handler(item, store, soap, p->userdata);
        }
        soap_done(soap);
        free(soap);
        return NULL;
}

void pool_give(Pool *p, void *item) {
        (void) pthread_mutex_lock(&p->lock);
        assert(p->n_ring < p->ring_size);
        p->ring[(p->ring_first + p->n_ring++) % p->ring_size] = item;
        if (p->n_ring > p->n_idle && p->n_threads < p->n_threads_max &&
            pthread_create(&p->threads[p->n_threads], NULL, pool_thread, p) == 0)
                p->n_threads++;
        (void) pthread_cond_signal(&p->filled);
        (void) pthread_mutex_unlock(&p->lock);
}

int pool_new(
                Pool **ret,
                const char *database,
                unsigned n_threads,
                unsigned n_items,
                PoolHandler handler,
                void *userdata) {
        Pool *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        *p = (Pool) {
                .database = database,
                .handler = handler,
                .userdata = userdata,
                .threads = calloc(n_threads, sizeof(pthread_t)),
                .n_threads_max = n_threads,
                .ring = calloc(n_items, sizeof(void *)),
                .ring_size = n_items,
        };
        (void) pthread_mutex_init(&p->lock, NULL);
        (void) pthread_cond_init(&p->filled, NULL);
        if (!p->threads || !p->ring) {
                (void) pool_free(p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

Pool *pool_free(Pool *p) {
        if (!p)
                return NULL;
        (void) pthread_mutex_lock(&p->lock);
        p->closed = true;
        (void) pthread_cond_broadcast(&p->filled);
        (void) pthread_mutex_unlock(&p->lock);
        for (unsigned i = 0; i < p->n_threads; i++)
                (void) pthread_join(p->threads[i], NULL);
        free(p->threads);
        free(p->ring);
        (void) pthread_cond_destroy(&p->filled);
        (void) pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
}
