/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

#include "common/base/parse.h"
#include "operator/acs/nonce.h"

#define SECRET_SIZE 32U
/* A raw nonce: time, random, keyed hash of both. */
#define TIME_SIZE 4U
#define RANDOM_SIZE 6U
#define MAC_SIZE 6U
#define RAW_SIZE (TIME_SIZE + RANDOM_SIZE + MAC_SIZE)
#define BUCKETS (NONCES_MAX * 2)
#define NONE UINT32_MAX

typedef struct NonceEntry {
        uint8_t raw[RAW_SIZE];
        uint32_t counter;
        uint32_t next; /* in the bucket */
} NonceEntry;

struct NonceTable {
        pthread_mutex_t lock;
        uint8_t secret[SECRET_SIZE];
        uint32_t lifetime;
        /* A ring: the oldest entry makes room, and what is as old as it and not in the table counts as
         * stale. */
        uint32_t position;
        uint32_t forgotten_until;
        NonceEntry entries[NONCES_MAX];
        uint32_t buckets[BUCKETS];
};

NonceTable *nonce_table_free(NonceTable *t) {
        if (!t)
                return NULL;
        (void) pthread_mutex_destroy(&t->lock);
        OPENSSL_cleanse(t->secret, sizeof(t->secret));
        free(t);
        return NULL;
}

int nonce_table_new(NonceTable **ret, uint32_t lifetime) {
        _cleanup_(nonce_table_freep) NonceTable *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        (void) pthread_mutex_init(&t->lock, NULL);
        t->lifetime = lifetime;
        if (RAND_bytes(t->secret, sizeof(t->secret)) != 1)
                return -EIO;
        memset(t->buckets, 0xff, sizeof(t->buckets));
        *ret = TAKE_PTR(t);
        return 0;
}

static uint32_t raw_time(const uint8_t *raw) {
        return (uint32_t) raw[0] << 24 | (uint32_t) raw[1] << 16 | (uint32_t) raw[2] << 8 | raw[3];
}

/* The hash that ends a nonce; its first bytes serve as index of the table as well. */
static bool raw_mac(const NonceTable *t, const uint8_t *raw, uint8_t mac[static MAC_SIZE]) {
        uint8_t md[EVP_MAX_MD_SIZE];
        unsigned size;

        if (!HMAC(EVP_sha256(), t->secret, SECRET_SIZE, raw, TIME_SIZE + RANDOM_SIZE, md, &size))
                return false;
        memcpy(mac, md, MAC_SIZE);
        return true;
}

int nonce_new(NonceTable *t, uint64_t now, char ret[static NONCE_SIZE]) {
        uint8_t raw[RAW_SIZE] = { (uint8_t) (now >> 24), (uint8_t) (now >> 16), (uint8_t) (now >> 8), (uint8_t) now };

        if (RAND_bytes(raw + TIME_SIZE, RANDOM_SIZE) != 1 || !raw_mac(t, raw, raw + TIME_SIZE + RANDOM_SIZE))
                return -EIO;
        (void) format_hex(raw, sizeof(raw), ret);
        return 0;
}

static uint32_t *raw_bucket(NonceTable *t, const uint8_t *raw) {
        return &t->buckets[raw_time(raw + TIME_SIZE + RANDOM_SIZE) % BUCKETS];
}

static NonceEntry *find_entry(NonceTable *t, const uint8_t *raw) {
        for (uint32_t i = *raw_bucket(t, raw); i != NONE; i = t->entries[i].next)
                if (memcmp(t->entries[i].raw, raw, RAW_SIZE) == 0)
                        return &t->entries[i];
        return NULL;
}

static void evict(NonceTable *t, uint32_t victim) {
        NonceEntry *e = &t->entries[victim];
        uint32_t *link = raw_bucket(t, e->raw);

        if (e->counter == 0)
                return; /* never used */
        while (*link != victim)
                link = &t->entries[*link].next;
        *link = e->next;
        t->forgotten_until = MAX(t->forgotten_until, raw_time(e->raw));
}

static bool use_locked(NonceTable *t, const uint8_t *raw, uint32_t counter) {
        NonceEntry *e = find_entry(t, raw);
        uint32_t i = t->position, *bucket;

        if (e) {
                if (counter <= e->counter)
                        return false;
                e->counter = counter;
                return true;
        }
        if (t->forgotten_until > 0 && raw_time(raw) <= t->forgotten_until)
                return false;
        evict(t, i);
        t->position = (i + 1) % NONCES_MAX;
        bucket = raw_bucket(t, raw);
        memcpy(t->entries[i].raw, raw, RAW_SIZE);
        t->entries[i].counter = counter;
        t->entries[i].next = *bucket;
        *bucket = i;
        return true;
}

bool nonce_use(NonceTable *t, uint64_t now, const char *nonce, const char *nc) {
        uint8_t raw[RAW_SIZE], mac[MAC_SIZE], counter[4];
        uint32_t n;
        bool accepted;

        if (parse_hex(nonce, raw, sizeof(raw)) < 0 || parse_hex(nc, counter, sizeof(counter)) < 0)
                return false;
        n = raw_time(counter);
        if (n == 0 || !raw_mac(t, raw, mac) || CRYPTO_memcmp(mac, raw + TIME_SIZE + RANDOM_SIZE, MAC_SIZE) != 0)
                return false;
        if ((uint32_t) now - raw_time(raw) > t->lifetime)
                return false;
        (void) pthread_mutex_lock(&t->lock);
        accepted = use_locked(t, raw, n);
        (void) pthread_mutex_unlock(&t->lock);
        return accepted;
}
