/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP digest authentication (RFC 2617, RFC 7616) as CWMP uses it: MD5, qop "auth". No I/O. */
#pragma once

#include "common/base/macro.h"

/* A header value longer than this is refused. */
#define DIGEST_HEADER_MAX 2048U
/* Parameters in one header; RFC 7616 knows eleven. */
#define DIGEST_PARAMETERS_MAX 16U

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

/* Server: true if the client that sent these fields knows the password. Compares realm and username as well, demands
 * qop=auth, and takes constant time over the response. Nonce, nc and uri are the caller's to check. */
bool digest_verify(const DigestFields *authorization, const char *realm, const char *username, const char *password,
                   const char *method);
