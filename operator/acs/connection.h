/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One connection of a CPE, from accept to close, in a worker thread: authentication, sessions, lingering
 * for commands. */
#pragma once

#include <openssl/ssl.h>

#include "operator/acs/authenticate.h"
#include "operator/acs/nonce.h"
#include "operator/acs/session-table.h"

/* Challenges on one connection: a wrong password does not get better. */
#define CHALLENGES_MAX 3U

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
        SessionSettings settings;
        uint64_t linger_usec;
        void (*notify)(ConnectionNotice notice, const char *device, void *userdata); /* called from the threads */
        void *userdata;
} ConnectionContext;

/* Serves the connection and closes fd. soap is initialized, and is ready for the next connection
 * afterwards. */
void connection_serve(const ConnectionContext *context, Store *store, struct soap *soap, int fd, bool tls);

/* Says 503 to the first request and closes fd. */
void connection_refuse(const ConnectionContext *context, struct soap *soap, int fd, bool tls);
