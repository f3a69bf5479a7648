/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nonces of the ACS's digest authentication (RFC 7616 section 5.4). No clock and no I/O here. */
#pragma once

#include "common/base/macro.h"

/* Nonces whose counters are remembered: more than devices that report within a nonce's life. Older ones
 * are stale. */
#define NONCES_MAX 65536U
/* Hexadecimal and NUL. */
#define NONCE_SIZE 33U

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
