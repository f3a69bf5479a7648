/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/acs/digest.h"

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

static bool md5_hex(const char *text, char ret[static DIGEST_HA1_SIZE]) {
        uint8_t md[EVP_MAX_MD_SIZE];
        unsigned size;

        if (EVP_Digest(text, strlen(text), md, &size, EVP_md5(), NULL) != 1 || size != 16)
                return false;
        (void) format_hex(md, size, ret);
        return true;
}

int digest_ha1(const char *username, const char *realm, const char *password, char ret[static DIGEST_HA1_SIZE]) {
        _cleanup_free_ char *text = strfmt("%s:%s:%s", username, realm, password);

        if (!text)
                return -ENOMEM;
        return md5_hex(text, ret) ? 0 : -EIO;
}

/* Reads a token or a quoted string into buf and steps over it. */
static int take_value(const char **s, char buf[static DIGEST_FIELD_SIZE]) {
        bool quoted = **s == '"';
        size_t n = 0;

        *s += quoted;
        while (**s && (quoted ? **s != '"' : !strchr(", \t", **s))) {
                if (quoted && **s == '\\' && (*s)[1])
                        (*s)++;
                if (n == DIGEST_FIELD_SIZE - 1)
                        return -EINVAL;
                buf[n++] = *(*s)++;
        }
        if (quoted && *(*s)++ != '"')
                return -EINVAL;
        buf[n] = 0;
        return 0;
}

int digest_parse(const char *value, DigestAuthorization *ret) {
        DigestAuthorization a = {};
        const struct {
                const char *name;
                char *buf;
        } fields[] = {
                { "username", a.username }, { "realm", a.realm },   { "nonce", a.nonce },
                { "uri", a.uri },           { "cnonce", a.cnonce }, { "response", a.response },
                { "qop", a.qop },           { "nc", a.nc },         { "algorithm", a.algorithm },
        };
        char ignored[DIGEST_FIELD_SIZE];
        const char *s = value;

        if (strncasecmp(s, "Digest ", 7) != 0)
                return -EINVAL;
        s += 7;
        for (;;) {
                char *buf = ignored;
                size_t n;

                s += strspn(s, ", \t");
                if (!*s)
                        break;
                n = strcspn(s, "=, \t\"");
                if (n == 0 || s[n] != '=')
                        return -EINVAL;
                for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                        if (strlen(fields[i].name) == n && strncasecmp(s, fields[i].name, n) == 0)
                                buf = fields[i].buf;
                s += n + 1;
                if (take_value(&s, buf) < 0)
                        return -EINVAL;
        }
        if (!streq(a.qop, "auth") || (a.algorithm[0] && strcasecmp(a.algorithm, "MD5") != 0))
                return -EINVAL;
        if (!a.username[0] || !a.nonce[0] || !a.uri[0] || !a.response[0] || !a.cnonce[0] || strlen(a.nc) != 8)
                return -EINVAL;
        *ret = a;
        return 0;
}

bool digest_is_valid(const DigestAuthorization *a, const char *method, const char *ha1) {
        _cleanup_free_ char *a2 = strfmt("%s:%s", method, a->uri), *text = NULL;
        char ha2[DIGEST_HA1_SIZE], expected[DIGEST_HA1_SIZE];

        if (!a2 || !md5_hex(a2, ha2))
                return false;
        text = strfmt("%s:%s:%s:%s:%s:%s", ha1, a->nonce, a->nc, a->cnonce, a->qop, ha2);
        if (!text || !md5_hex(text, expected))
                return false;
        /* the field is longer than what is compared, with the NUL */
        return CRYPTO_memcmp(a->response, expected, DIGEST_HA1_SIZE) == 0;
}

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
