/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/base/log.h"
#include "operator/acs/acs.h"

static int fail(const char *path) {
        return log_error_errno(-EINVAL, "Failed to load %s: %s", path, ERR_reason_error_string(ERR_get_error()));
}

/* A device may show one, which then must be good. */
static int ask_for_certificates(SSL_CTX *c, const char *authority) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(authority);

        if (!names || SSL_CTX_load_verify_file(c, authority) != 1) {
                sk_X509_NAME_pop_free(names, X509_NAME_free);
                return fail(authority);
        }
        SSL_CTX_set_client_CA_list(c, names);
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
        return 0;
}

int acs_load_tls(const AcsConfig *config, SSL_CTX **ret) {
        static const unsigned char id[] = "ispstorage-acs";
        SSL_CTX *c = SSL_CTX_new(TLS_server_method());
        int r = 0;

        if (!c)
                return log_oom();
        (void) SSL_CTX_set_mode(
                        c,
                        SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        (void) SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
        /* lets a CPE resume its TLS session, which saves a good part of the bytes of the handshake */
        (void) SSL_CTX_set_session_id_context(c, id, sizeof(id) - 1);
        /* a CPE has one connection at a time, and each handshake brings another ticket */
        (void) SSL_CTX_set_num_tickets(c, 1);
        if (SSL_CTX_use_certificate_chain_file(c, config->certificate) != 1)
                r = fail(config->certificate);
        else if (SSL_CTX_use_PrivateKey_file(c, config->key, SSL_FILETYPE_PEM) != 1 ||
                 SSL_CTX_check_private_key(c) != 1)
                r = fail(config->key);
        else if (config->client_ca_file)
                r = ask_for_certificates(c, config->client_ca_file);
        if (r < 0) {
                SSL_CTX_free(c);
                return r;
        }
        *ret = c;
        return 0;
}
