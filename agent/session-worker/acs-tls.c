/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/session-worker/acs-tls.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "common/base/str.h"

#define TLS_CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* A device without a battery starts with a clock that is behind: a certificate that seems not to be valid yet says
 * nothing then (TR-069 3.3: dates are checked when the device has absolute time). One that has expired has. */
static int verify_with_a_late_clock(int ok, X509_STORE_CTX *store) {
        if (ok || X509_STORE_CTX_get_error(store) != X509_V_ERR_CERT_NOT_YET_VALID)
                return ok;
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
}

/* What does not fit is not kept: the next handshake is one in full. */
static void keep_session(AcsConnection *c, SSL *ssl, SSL_SESSION *session) {
        TlsTicket ticket = {};

        if (!c->ticket_host || !streq(c->soap.host, c->ticket_host) || c->soap.port != c->ticket_port ||
            SSL_get_verify_result(ssl) != X509_V_OK || tls_ticket_pack(session, c->ticket_key, &ticket) < 0)
                return;
        tls_ticket_done(&c->ticket);
        c->ticket = ticket;
}

/* OpenSSL calls this for each ticket of TLS 1.3, and after a handshake in full of TLS 1.2. Keeps no reference. */
static int on_new_session(SSL *ssl, SSL_SESSION *session) {
        keep_session(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)), ssl, session);
        return 0;
}

/* What the ACS says in the handshake is acknowledged by what is said to that. In TLS 1.3 the last word of the handshake
 * is the client's, and shares its segment with the first request. */
static void on_state(const SSL *ssl, int where, int unused) {
        int on = 1, off = 0;

        if (where == SSL_CB_HANDSHAKE_START)
                (void) setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
        if (where == SSL_CB_CONNECT_LOOP && SSL_get_state(ssl) == TLS_ST_CR_FINISHED &&
            SSL_version(ssl) == TLS1_3_VERSION)
                (void) setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

int acs_tls_setup(AcsConnection *c) {
        struct soap *soap = &c->soap;

        if (!c->clock_is_right)
                soap->fsslverify = verify_with_a_late_clock;
        if (soap_ssl_client_context(soap,
                                    SOAP_SSL_REQUIRE_SERVER_AUTHENTICATION | SOAP_SSL_NO_DEFAULT_CA_PATH |
                                            SOAP_TLSv1_2 | SOAP_TLSv1_3,
                                    c->client_certificate, NULL, c->trusted_certificates, NULL, NULL))
                return acs_connection_fail(c, "Cannot set up TLS with the trusted certificates");

        /* An ACS that leaves the choice to the device gets the one whose hash is the shortest: a handshake that resumes
         * has one in both Finished, the binder, and the ticket. */
        if (SSL_CTX_set_ciphersuites(soap->ctx, TLS_CIPHERSUITES) != 1)
                return acs_connection_fail(c, "Cannot set up the cipher suites of TLS");
        /* gSOAP turns the tickets of TLS 1.2 off, and fills the first message up for servers of before that. */
        (void) SSL_CTX_clear_options(soap->ctx, SSL_OP_NO_TICKET | SSL_OP_TLSEXT_PADDING);
        (void) SSL_CTX_set_session_cache_mode(soap->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_set_app_data(soap->ctx, c);
        SSL_CTX_sess_set_new_cb(soap->ctx, on_new_session);
        SSL_CTX_set_info_callback(soap->ctx, on_state);
        return 0;
}

void acs_tls_resume(AcsConnection *c, const TlsTicket *ticket) {
        struct soap *soap = &c->soap;

        if (tls_ticket_key(c->url, c->trusted_certificates, c->client_certificate, c->clock_is_right, c->ticket_key) <
            0)
                return;
        /* gSOAP compares the names in the form that it gives them itself. */
        soap_set_endpoint(soap, c->url);
        c->ticket_host = strdup(soap->host);
        c->ticket_port = soap->port;
        soap->session = tls_ticket_unpack(ticket, c->ticket_key);
        memcpy(soap->session_host, soap->host, sizeof(soap->session_host));
        soap->session_port = soap->port;
}

SOAP_SOCKET acs_tls_open(AcsConnection *c, const char *endpoint, const char *host, int port) {
        struct soap *soap = &c->soap;
        bool resumes = soap->session;

        SOAP_SOCKET fd = c->default_open(soap, endpoint, host, port);
        /* gSOAP takes the session away once it is connected: what failed then is the handshake. */
        if (!soap_valid_socket(fd) && resumes && !soap->session) {
                SSL_free(soap->ssl);
                soap->ssl = NULL;
                soap->error = SOAP_OK;
                fd = c->default_open(soap, endpoint, host, port);
        }

        /* In TLS 1.2 the same session may resume again; in 1.3 a ticket is for once (RFC 8446 appendix C.4). */
        if (soap_valid_socket(fd) && soap->ssl && SSL_session_reused(soap->ssl) &&
            SSL_version(soap->ssl) == TLS1_2_VERSION)
                keep_session(c, soap->ssl, SSL_get_session(soap->ssl));
        return fd;
}

void acs_tls_read_farewell(AcsConnection *c) {
        struct soap *soap = &c->soap;
        char nothing;

        if (!soap->ssl || !soap_valid_socket(soap->socket) || fcntl(soap->socket, F_SETFL, O_NONBLOCK) < 0)
                return;
        (void) SSL_read(soap->ssl, &nothing, sizeof(nothing));
        ERR_clear_error();
}
