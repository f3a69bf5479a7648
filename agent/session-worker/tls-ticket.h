/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TLS session as it waits with the agent for the next session worker (RFC 8446 section 2.2, RFC 5077): OpenSSL's
 * encoding of it behind a key of all that its server was verified with. A handshake that resumes shows no certificate
 * and verifies none, so that it must not happen once one of that is another. */
#pragma once

#include <openssl/ssl.h>

#include "agent/core/channel.h"

#define TLS_TICKET_KEY_SIZE 32U
/* The authorities of the ACS, or the own certificate with its key: all authorities of the web are 220 KB. */
#define TLS_TRUST_FILE_MAX (1024U * 1024U)

/* SHA-256 of the ACS's URL, the contents of the two files (client_certificate may be NULL), and whether dates were
 * checked. 0, -EFBIG if a file is larger than TLS_TRUST_FILE_MAX, -ENOMEM, or an errno of reading. */
int tls_ticket_key(const char *url, const char *trusted_certificates, const char *client_certificate,
                   bool clock_is_right, unsigned char ret[static TLS_TICKET_KEY_SIZE]);

/* *ret is the caller's. 0, -EINVAL if nothing can resume the session, -EFBIG if it takes more than TLS_TICKET_MAX
 * bytes, or -ENOMEM. */
int tls_ticket_pack(SSL_SESSION *session, const unsigned char key[static TLS_TICKET_KEY_SIZE], TlsTicket *ret);

/* The session, which is the caller's; NULL if there is none, it has another key, it cannot be read, or the certificate
 * of its server has expired. */
SSL_SESSION *tls_ticket_unpack(const TlsTicket *ticket, const unsigned char key[static TLS_TICKET_KEY_SIZE]);
