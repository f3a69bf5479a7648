/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP digest authentication, the server's side: RFC 7616 with MD5 and qop=auth, which is what TR-069
 * section 3.4.4 demands of every CPE. No clock and no I/O here. */
#pragma once

#include "common/base/macro.h"

/* "username:realm:password", hashed: hexadecimal and NUL. */
#define DIGEST_HA1_SIZE 33U
/* Longest of each field of an Authorization header; a username is a device's identifier. */
#define DIGEST_FIELD_SIZE 288U
/* Nonces whose counters are remembered: more than devices that report within a nonce's life. Older ones
 * are stale. */
#define NONCES_MAX 65536U
/* Hexadecimal and NUL. */
#define NONCE_SIZE 33U

typedef struct DigestAuthorization {
        char username[DIGEST_FIELD_SIZE], realm[DIGEST_FIELD_SIZE], nonce[DIGEST_FIELD_SIZE], uri[DIGEST_FIELD_SIZE],
                        response[DIGEST_FIELD_SIZE], cnonce[DIGEST_FIELD_SIZE], nc[DIGEST_FIELD_SIZE],
                        qop[DIGEST_FIELD_SIZE], algorithm[DIGEST_FIELD_SIZE];
} DigestAuthorization;

/* Reads the value of an Authorization header. 0, or -EINVAL if it is not a digest of the kind above or
 * something in it is too long. */
int digest_parse(const char *value, DigestAuthorization *ret);

/* The hash that is stored instead of the password. 0 or -EIO if OpenSSL refuses MD5. */
int digest_ha1(const char *username, const char *realm, const char *password, char ret[static DIGEST_HA1_SIZE]);

/* True if the response was made with the password behind ha1. Takes the same time for every wrong answer. */
bool digest_is_valid(const DigestAuthorization *a, const char *method, const char *ha1);

/* Nonces carry their time and a keyed hash, so handing them out to anybody costs no memory; only one that
 * was used with a valid password is remembered, with its counter. A nonce is good for several connections
 * until its life ends, so that a CPE can authenticate without a challenge; a counter that does not rise
 * is a replay. Thread-safe. */
typedef struct NonceTable NonceTable;

/* lifetime in seconds. *ret is the caller's. 0, -ENOMEM or -EIO. */
int nonce_table_new(NonceTable **ret, uint32_t lifetime);
NonceTable *nonce_table_free(NonceTable *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(NonceTable *, nonce_table_free);

/* A new nonce; now is any clock's seconds that only rises. 0 or -EIO. */
int nonce_new(NonceTable *t, uint64_t now, char ret[static NONCE_SIZE]);

/* Marks the nonce as used with this counter. Call it only for a valid response. True if it may be
 * accepted; false if the nonce is not ours, too old, or was used with this counter or a higher one: then
 * a new challenge says stale=true. */
bool nonce_use(NonceTable *t, uint64_t now, const char *nonce, const char *nc);
