/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "common/base/str.h"
#include "operator/acs/transport.h"

int transport_init(Transport *t, int fd, SSL_CTX *tls) {
        *t = (Transport) { .fd = fd, .handshake_done = !tls };
        if (!tls)
                return 0;
        t->ssl = SSL_new(tls);
        if (!t->ssl || SSL_set_fd(t->ssl, fd) != 1) {
                SSL_free(t->ssl);
                return -ENOMEM;
        }
        SSL_set_accept_state(t->ssl);
        return 0;
}

void transport_done(Transport *t) {
        SSL_free(t->ssl);
        (void) safe_close(t->fd);
        free(t->out);
}

/* What a call of OpenSSL that did not succeed means. */
static int tls_error(Transport *t, int r) {
        switch (SSL_get_error(t->ssl, r)) {
        case SSL_ERROR_WANT_READ:
                return -EAGAIN;
        case SSL_ERROR_WANT_WRITE:
                t->wants_write = true;
                return -EAGAIN;
        default:
                /* Closed, broken, or not TLS: nothing more may be done with it, a last word neither. */
                SSL_set_quiet_shutdown(t->ssl, 1);
                return -ECONNRESET;
        }
}

static void cork(Transport *t, int on) {
        (void) setsockopt(t->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void release_ticket(Transport *t) {
        if (t->ticket_waits)
                cork(t, false);
        t->ticket_waits = false;
}

/* In TLS 1.3 the last of it is the server's ticket, and the answer to the client's first request comes next: both share
 * a segment. */
int transport_handshake(Transport *t) {
        int r;

        t->wants_write = false;
        if (t->handshake_done)
                return 0;
        cork(t, true);
        ERR_clear_error();
        r = SSL_do_handshake(t->ssl);
        t->ticket_waits = r == 1 && SSL_version(t->ssl) == TLS1_3_VERSION;
        if (!t->ticket_waits)
                cork(t, false);
        if (r != 1)
                return tls_error(t, r);
        t->handshake_done = true;
        return 0;
}

ssize_t transport_read(Transport *t, char *buf, size_t size) {
        size_t n = 0;

        t->wants_write = false;
        if (t->ssl) {
                ERR_clear_error();
                int r = SSL_read_ex(t->ssl, buf, size, &n);
                return r == 1 ? (ssize_t) n : tls_error(t, r);
        }
        ssize_t r = recv(t->fd, buf, size, 0);
        return r > 0 ? r : r < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -ECONNRESET;
}

/* How much the peer takes now. */
static ssize_t write_some(Transport *t, const char *data, size_t size) {
        size_t n = 0;

        t->wants_write = false;
        if (t->ssl) {
                ERR_clear_error();
                int r = SSL_write_ex(t->ssl, data, size, &n);
                return r == 1 ? (ssize_t) n : tls_error(t, r);
        }
        ssize_t r = send(t->fd, data, size, MSG_NOSIGNAL);
        if (r >= 0)
                return r;
        t->wants_write = errno == EAGAIN || errno == EINTR;
        return t->wants_write ? -EAGAIN : -ECONNRESET;
}

int transport_flush(Transport *t) {
        t->wants_write = false;
        while (t->out) {
                ssize_t n = write_some(t, t->out + t->out_sent, t->out_size - t->out_sent);
                if (n < 0)
                        return (int) n;
                t->out_sent += (size_t) n;
                if (t->out_sent == t->out_size) {
                        t->out = mfree(t->out);
                        release_ticket(t);
                }
        }
        return 0;
}

static int keep(Transport *t, const char *data, size_t size) {
        size_t left = t->out ? t->out_size - t->out_sent : 0;
        char *out = malloc(left + size);

        if (!out)
                return -ENOMEM;
        if (left > 0)
                memcpy(out, t->out + t->out_sent, left);
        memcpy(out + left, data, size);
        free(t->out);
        t->out = out;
        t->out_size = left + size;
        t->out_sent = 0;
        return 0;
}

int transport_send(Transport *t, const char *data, size_t size) {
        int r = transport_flush(t);

        while (r == 0 && size > 0) {
                ssize_t n = write_some(t, data, size);
                if (n < 0)
                        r = (int) n;
                else {
                        data += n;
                        size -= (size_t) n;
                }
        }
        if (r == 0)
                release_ticket(t);
        return r == -EAGAIN ? keep(t, data, size) : r;
}

void transport_hold_back(Transport *t) {
        cork(t, true);
        t->ticket_waits = false;
}

void transport_finish(Transport *t) {
        if (t->ssl && t->handshake_done) {
                ERR_clear_error();
                (void) SSL_shutdown(t->ssl);
        }
        (void) shutdown(t->fd, SHUT_WR);
}
