/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of a connection, plain or TLS, without ever waiting for the peer. */
#pragma once

#include <openssl/ssl.h>

#include "common/base/macro.h"

typedef struct Transport {
        int fd;
        SSL *ssl; /* NULL: plain */
        bool handshake_done;
        bool ticket_waits; /* written, and goes out with what is sent next */
        bool wants_write; /* the last step waits for room to write, and not for something to read */
        /* what the peer has not taken yet */
        char *out;
        size_t out_size, out_sent;
} Transport;

/* Takes the socket over, which does not block; tls is NULL for a plain connection. 0 or -ENOMEM; fd is the caller's
 * then. */
int transport_init(Transport *t, int fd, SSL_CTX *tls);

/* Closes it, without a word. */
void transport_done(Transport *t);

/* Goes on with the handshake of TLS. 0 when it is done, -EAGAIN, -ECONNRESET if it failed. */
int transport_handshake(Transport *t);

/* What has arrived, at most size bytes. Returns their number, above 0, -EAGAIN, or -ECONNRESET at the end. */
ssize_t transport_read(Transport *t, char *buf, size_t size);

/* Sends, or keeps what the peer does not take now. 0, -ENOMEM, -ECONNRESET. */
int transport_send(Transport *t, const char *data, size_t size);

/* Goes on with what was kept. 0 when all is sent, -EAGAIN, -ECONNRESET. */
int transport_flush(Transport *t);

/* From now on the kernel waits for more: the last response and the end of the connection share a segment. */
void transport_hold_back(Transport *t);

/* Nothing more is sent; the peer may still send. */
void transport_finish(Transport *t);
