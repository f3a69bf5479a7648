/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection between connection.c, which moves its bytes, and request.c, which answers. */
#pragma once

#include "operator/acs/connection.h"
#include "operator/acs/http-input.h"
#include "operator/acs/http.h"

#define RETRY_AFTER "Retry-After: 30\r\n"

struct Connection {
        const ConnectionContext *context;
        Transport transport;
        HttpInput input;
        char *device; /* authenticated on this connection */
        char cookie[SESSION_COOKIE_SIZE]; /* of the session that goes on with the next request; "" if there is none */
        unsigned n_challenges;
        bool refused;    /* there are too many: it is told so */
        bool trusted;    /* the peer is known */
        bool head_is_read, is_large;
        bool ending, lingers, finished; /* what was said is the last; the peer may have more to say; we have not */
        size_t n_discarded;
        uint64_t began_usec, active_usec; /* the message; the last byte. Of CLOCK_MONOTONIC */
        /* while a request is served */
        Store *store;
        struct soap *soap;
        Http http;
        SessionSlot *slot;
        struct Namespace namespaces[8];
};

/* Serves the request in the first size bytes that were read, with store and soap. True if the connection goes on. */
bool connection_answer(Connection *c, size_t size);

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t connection_now(void);
