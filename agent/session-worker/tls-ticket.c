/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/tls-ticket.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/base/file.h"
#include "common/base/str.h"

static int hash(EVP_MD_CTX *c, const void *data, size_t size) {
        return EVP_DigestUpdate(c, &size, sizeof(size)) == 1 && EVP_DigestUpdate(c, data, size) == 1 ? 0 : -ENOMEM;
}

static int hash_file(EVP_MD_CTX *c, const char *path) {
        _cleanup_free_ char *data = NULL;
        size_t size;

        int r = read_file(AT_FDCWD, path, TLS_TRUST_FILE_MAX, &data, &size);
        if (r < 0)
                return r;
        r = hash(c, data, size);
        explicit_bzero(data, size);
        return r;
}

int tls_ticket_key(const char *url, const char *trusted_certificates, const char *client_certificate,
                   bool clock_is_right, unsigned char ret[static TLS_TICKET_KEY_SIZE]) {
        const unsigned char clock = clock_is_right;
        EVP_MD_CTX *c = EVP_MD_CTX_new();

        int r = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
        if (r >= 0)
                r = hash(c, url, strlen(url));
        if (r >= 0)
                r = hash(c, &clock, sizeof(clock));
        if (r >= 0)
                r = hash_file(c, trusted_certificates);
        if (r >= 0 && client_certificate)
                r = hash_file(c, client_certificate);
        if (r >= 0 && EVP_DigestFinal_ex(c, ret, NULL) != 1)
                r = -ENOMEM;
        EVP_MD_CTX_free(c);
        return r;
}

int tls_ticket_pack(SSL_SESSION *session, const unsigned char key[static TLS_TICKET_KEY_SIZE], TlsTicket *ret) {
        int size = SSL_SESSION_is_resumable(session) ? i2d_SSL_SESSION(session, NULL) : 0;

        if (size <= 0)
                return -EINVAL;
        if ((size_t) size > TLS_TICKET_MAX - TLS_TICKET_KEY_SIZE)
                return -EFBIG;

        TlsTicket t = { .size = TLS_TICKET_KEY_SIZE + (size_t) size };
        t.data = malloc(t.size);
        if (!t.data)
                return -ENOMEM;
        memcpy(t.data, key, TLS_TICKET_KEY_SIZE);
        unsigned char *p = (unsigned char *) t.data + TLS_TICKET_KEY_SIZE;
        (void) i2d_SSL_SESSION(session, &p);
        *ret = t;
        return 0;
}

/* Fails safe: a session without a certificate has none that is good. */
static bool certificate_is_current(const SSL_SESSION *session) {
        X509 *peer = SSL_SESSION_get0_peer((SSL_SESSION *) (uintptr_t) session);

        return peer && X509_cmp_current_time(X509_get0_notAfter(peer)) > 0;
}

SSL_SESSION *tls_ticket_unpack(const TlsTicket *ticket, const unsigned char key[static TLS_TICKET_KEY_SIZE]) {
        if (ticket->size <= TLS_TICKET_KEY_SIZE || memcmp(ticket->data, key, TLS_TICKET_KEY_SIZE) != 0)
                return NULL;

        const unsigned char *p = (const unsigned char *) ticket->data + TLS_TICKET_KEY_SIZE;
        const unsigned char *end = (const unsigned char *) ticket->data + ticket->size;
        SSL_SESSION *session = d2i_SSL_SESSION(NULL, &p, (long) (end - p));

        if (!session) {
                ERR_clear_error();
                return NULL;
        }
        if (p == end && SSL_SESSION_is_resumable(session) && certificate_is_current(session))
                return session;
        SSL_SESSION_free(session);
        return NULL;
}
