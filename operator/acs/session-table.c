/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/str.h"
#include "operator/acs/session-table.h"

#define USEC_PER_SEC 1000000ULL

struct SessionTable {
        pthread_mutex_t lock;
        pthread_cond_t changed; /* any slot: woken, left, ended */
        SessionSlot *slots;
        unsigned n_released;
        bool closed;
};

static uint64_t now_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static struct timespec to_timespec(uint64_t usec) {
        return (struct timespec) {
                .tv_sec = (time_t) (usec / USEC_PER_SEC),
                .tv_nsec = (long) (usec % USEC_PER_SEC * 1000),
        };
}

int session_table_new(SessionTable **ret) {
        SessionTable *t = calloc(1, sizeof(*t));
        pthread_condattr_t attr;

        if (!t)
                return -ENOMEM;
        (void) pthread_mutex_init(&t->lock, NULL);
        (void) pthread_condattr_init(&attr);
        (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        (void) pthread_cond_init(&t->changed, &attr);
        (void) pthread_condattr_destroy(&attr);
        *ret = t;
        return 0;
}

/* Takes the slot out of the list and frees it. */
static void remove_slot(SessionTable *t, SessionSlot *slot) {
        SessionSlot **link = &t->slots;

        while (*link != slot)
                link = &(*link)->next;
        *link = slot->next;
        if (!slot->busy)
                t->n_released--;
        (void) session_free(slot->session);
        free(slot);
        (void) pthread_cond_broadcast(&t->changed);
}

SessionTable *session_table_free(SessionTable *t) {
        if (!t)
                return NULL;
        while (t->slots)
                remove_slot(t, t->slots);
        (void) pthread_cond_destroy(&t->changed);
        (void) pthread_mutex_destroy(&t->lock);
        free(t);
        return NULL;
}

static SessionSlot *find_device(SessionTable *t, const char *device) {
        for (SessionSlot *s = t->slots; s; s = s->next)
                if (streq(session_device(s->session), device))
                        return s;
        return NULL;
}

static SessionSlot *find_cookie(SessionTable *t, const char *cookie) {
        if (strlen(cookie) != SESSION_COOKIE_SIZE - 1)
                return NULL;
        for (SessionSlot *s = t->slots; s; s = s->next)
                if (!s->closing && CRYPTO_memcmp(s->cookie, cookie, SESSION_COOKIE_SIZE - 1) == 0)
                        return s;
        return NULL;
}

/* Waits until changed is signalled or the deadline has passed; false then. */
static bool wait_until(SessionTable *t, uint64_t deadline) {
        struct timespec ts = to_timespec(deadline);

        return pthread_cond_timedwait(&t->changed, &t->lock, &ts) == 0;
}

/* Ends the sessions of a device. */
static int evict_device(SessionTable *t, const char *device) {
        uint64_t deadline = now_usec() + SESSION_TAKEOVER_SEC * USEC_PER_SEC;
        SessionSlot *s;

        while ((s = find_device(t, device))) {
                if (!s->busy) {
                        remove_slot(t, s);
                        continue;
                }
                s->closing = true;
                (void) shutdown(s->fd, SHUT_RDWR);
                (void) pthread_cond_broadcast(&t->changed);
                if (!wait_until(t, deadline) && find_device(t, device))
                        return -EBUSY;
        }
        return 0;
}

static int make_cookie(char ret[static SESSION_COOKIE_SIZE]) {
        uint8_t random[(SESSION_COOKIE_SIZE - 1) / 4 * 3];

        if (RAND_bytes(random, sizeof(random)) != 1)
                return -EIO;
        (void) EVP_EncodeBlock((unsigned char *) ret, random, sizeof(random));
        for (char *p = ret; *p; p++)
                if (*p == '+')
                        *p = '-';
                else if (*p == '/')
                        *p = '_';
        return 0;
}

int session_table_begin(SessionTable *t, Session *session, int fd, SessionSlot **ret) {
        SessionSlot *slot = calloc(1, sizeof(*slot));
        int r;

        if (!slot) {
                (void) session_free(session);
                return -ENOMEM;
        }
        slot->session = session;
        slot->fd = fd;
        slot->busy = true;
        r = make_cookie(slot->cookie);
        if (r >= 0) {
                (void) pthread_mutex_lock(&t->lock);
                r = evict_device(t, session_device(session));
                if (r >= 0) {
                        slot->next = t->slots;
                        t->slots = slot;
                }
                (void) pthread_mutex_unlock(&t->lock);
        }
        if (r < 0) {
                (void) session_free(session);
                free(slot);
                return r;
        }
        *ret = slot;
        return 0;
}

static int resume_locked(SessionTable *t, const char *cookie, int fd, SessionSlot **ret) {
        uint64_t deadline = now_usec() + SESSION_TAKEOVER_SEC * USEC_PER_SEC;
        SessionSlot *s;

        while ((s = find_cookie(t, cookie)) && s->busy) {
                (void) shutdown(s->fd, SHUT_RDWR);
                if (!wait_until(t, deadline))
                        return -EBUSY;
        }
        if (!s)
                return -ENOENT;
        s->busy = true;
        s->fd = fd;
        t->n_released--;
        *ret = s;
        return 0;
}

int session_table_resume(SessionTable *t, const char *cookie, int fd, SessionSlot **ret) {
        int r;

        (void) pthread_mutex_lock(&t->lock);
        r = resume_locked(t, cookie, fd, ret);
        (void) pthread_mutex_unlock(&t->lock);
        return r;
}

bool session_table_knows(SessionTable *t, const char *cookie) {
        bool found;

        (void) pthread_mutex_lock(&t->lock);
        found = find_cookie(t, cookie) != NULL;
        (void) pthread_mutex_unlock(&t->lock);
        return found;
}

static SessionSlot *oldest_released(SessionTable *t) {
        SessionSlot *oldest = NULL;

        for (SessionSlot *s = t->slots; s; s = s->next)
                if (!s->busy && (!oldest || s->released_usec < oldest->released_usec))
                        oldest = s;
        return oldest;
}

void session_table_release(SessionTable *t, SessionSlot *slot) {
        (void) pthread_mutex_lock(&t->lock);
        if (slot->closing)
                remove_slot(t, slot);
        else {
                slot->busy = false;
                slot->fd = -EBADF;
                slot->released_usec = now_usec();
                if (++t->n_released > SESSIONS_RELEASED_MAX)
                        remove_slot(t, oldest_released(t));
                (void) pthread_cond_broadcast(&t->changed);
        }
        (void) pthread_mutex_unlock(&t->lock);
}

void session_table_end(SessionTable *t, SessionSlot *slot) {
        (void) pthread_mutex_lock(&t->lock);
        remove_slot(t, slot);
        (void) pthread_mutex_unlock(&t->lock);
}

unsigned session_table_wakes(SessionTable *t, SessionSlot *slot) {
        unsigned n;

        (void) pthread_mutex_lock(&t->lock);
        n = slot->n_wakes;
        (void) pthread_mutex_unlock(&t->lock);
        return n;
}

bool session_table_wait(SessionTable *t, SessionSlot *slot, unsigned seen, uint64_t timeout_usec) {
        uint64_t deadline = now_usec() + timeout_usec;
        bool woken;

        (void) pthread_mutex_lock(&t->lock);
        while (slot->n_wakes == seen && !slot->closing && !t->closed && timeout_usec > 0)
                if (!wait_until(t, deadline))
                        break;
        woken = slot->n_wakes != seen && !slot->closing && !t->closed;
        if (!woken)
                slot->closing = true;
        (void) pthread_mutex_unlock(&t->lock);
        return woken;
}

bool session_table_wake(SessionTable *t, const char *device) {
        SessionSlot *s;
        bool found;

        (void) pthread_mutex_lock(&t->lock);
        s = find_device(t, device);
        found = s && !s->closing;
        if (found) {
                s->n_wakes++;
                (void) pthread_cond_broadcast(&t->changed);
        }
        (void) pthread_mutex_unlock(&t->lock);
        return found;
}

int session_table_collect(SessionTable *t, char ***ret) {
        _cleanup_strv_free_ char **devices = NULL;
        uint64_t limit = now_usec() - SESSION_RESUME_SEC * USEC_PER_SEC;
        SessionSlot *s;
        int r = 0;

        (void) pthread_mutex_lock(&t->lock);
        while (r >= 0 && (s = oldest_released(t)) && s->released_usec < limit) {
                r = strv_extend(&devices, session_device(s->session));
                if (r >= 0)
                        remove_slot(t, s);
        }
        (void) pthread_mutex_unlock(&t->lock);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(devices);
        return 0;
}

void session_table_close(SessionTable *t) {
        (void) pthread_mutex_lock(&t->lock);
        t->closed = true;
        for (SessionSlot *s = t->slots; s; s = s->next)
                if (s->busy)
                        (void) shutdown(s->fd, SHUT_RDWR);
        (void) pthread_cond_broadcast(&t->changed);
        (void) pthread_mutex_unlock(&t->lock);
}
