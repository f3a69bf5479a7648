/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection of a CPE, from accept to close: authentication, sessions, lingering for commands. A worker thread
 * serves it as long as there is something to do, and never waits for the peer. */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "operator/acs/authenticate.h"
#include "operator/acs/nonce.h"
#include "operator/acs/session-table.h"

/* Challenges on one connection: a wrong password does not get better. */
#define CHALLENGES_MAX 3U

/* Requests above HTTP_UNAUTHENTICATED_MAX that are read at a time: each may grow to CWMP_ENVELOPE_MAX. */
#define LARGE_MAX 16U

/* What the threads tell the event loop. */
typedef enum ConnectionNotice {
        CONNECTION_MESSAGE_STORED, /* there is a new message in the outbox; device is NULL */
        CONNECTION_SESSION_BEGUN,
        CONNECTION_SESSION_BROKEN, /* it ended, and the device's queue may hold commands */
} ConnectionNotice;

/* What all connections share; constant while threads run, or thread-safe. */
typedef struct ConnectionContext {
        AuthenticationContext authentication;
        const char *database;
        SSL_CTX *tls;
        SessionTable *sessions;
        atomic_uint *n_large; /* requests that count for LARGE_MAX */
        SessionSettings settings;
        uint64_t linger_usec;
        void (*notify)(ConnectionNotice notice, const char *device, void *userdata); /* called from the threads */
        void *userdata;
} ConnectionContext;

typedef struct Connection Connection;

/* What a connection that was served waits for. */
typedef enum ConnectionNext {
        CONNECTION_READS,  /* the peer says something */
        CONNECTION_WRITES, /* the peer takes something */
        CONNECTION_ENDS,   /* nothing: it is to be freed */
} ConnectionNext;

/* Takes the socket over, which does not block. refused: its first request is answered with 503. *ret is the caller's. 0
 * or -ENOMEM; fd is the caller's then. */
int connection_new(Connection **ret, const ConnectionContext *context, int fd, bool tls, bool refused);

/* Closes it. NULL is allowed; returns NULL. */
Connection *connection_free(Connection *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Connection *, connection_free);

/* Its socket, to be waited for. */
int connection_fd(const Connection *c);

/* When (microseconds of CLOCK_MONOTONIC) what it waits for must have happened; then its socket is to be shut down, and
 * it is served once more. */
uint64_t connection_deadline(const Connection *c);

/* Reads what is there, and serves what is whole of it; with 503 if store is NULL. soap is initialized, and ready for
 * another connection afterwards. */
ConnectionNext connection_serve(Connection *c, Store *store, struct soap *soap);
