/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP digest authentication (RFC 2617, RFC 7616) as CWMP uses it: MD5, qop "auth". No I/O. */
#pragma once

#include "common/base/macro.h"

/* A header value longer than this is refused. */
#define DIGEST_HEADER_MAX 2048U
/* Parameters in one header; RFC 7616 knows eleven. */
#define DIGEST_PARAMETERS_MAX 16U
/* Longest value that a server accepts from a client: the user name may be a device's identifier of 256 bytes. */
#define DIGEST_VALUE_MAX 287U
/* MD5 in hexadecimal, and NUL. */
#define DIGEST_HASH_SIZE 33U

/* What both headers, WWW-Authenticate and Authorization, may say; NULL for what is absent. The strings
 * point into text. */
typedef struct DigestFields {
        char *text;
        const char *realm, *nonce, *opaque, *qop, *algorithm, *username, *uri, *response, *cnonce, *nc, *stale;
} DigestFields;

/* Parses "Digest name=value, name="value", ...". 0, -EINVAL for another scheme or a malformed header,
 * -E2BIG, -ENOMEM. The caller calls digest_fields_done() after success. */
int digest_parse(const char *header, DigestFields *ret);
void digest_fields_done(DigestFields *f);
#define _cleanup_digest_fields_ _cleanup_(digest_fields_done)

/* Client: true if the challenge is one that this code can answer (MD5 or MD5-sess or none named, qop with
 * "auth" or none). */
bool digest_challenge_is_usable(const DigestFields *challenge);

/* Client: the value of an Authorization header that answers the challenge, in a new string. nc counts the uses of the
 * nonce, from 1. NULL if memory ran out or the system forbids MD5. */
char *digest_authorize(const DigestFields *challenge, const char *username, const char *password, const char *method,
                       const char *uri, uint32_t nc, const char *cnonce);

/* HA1, the hash that a server may store instead of the password; it is good for this realm only. 0, or
 * -EOPNOTSUPP if the system forbids MD5. */
int digest_ha1(const char *username, const char *realm, const char *password, char ret[static DIGEST_HASH_SIZE]);

/* Server: true if the client's fields are all there for MD5 with qop "auth", which TR-069 section 3.4.4
 * demands, and none is empty or too long. */
bool digest_authorization_is_usable(const DigestFields *authorization);

/* Server: true if the fields, which must be usable, were made with the password behind ha1. Takes constant
 * time over the response. Realm and username, which select the HA1, nonce, nc and uri are the caller's to
 * check. */
bool digest_verify(const DigestFields *authorization, const char *method, const char *ha1);
