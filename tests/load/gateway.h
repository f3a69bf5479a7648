/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A simulated gateway as an ACS sees it: its parameters, what it has to tell, and a synchronizer for which a file
 * stands in for main: it "pulls" by reading the tip. No network. */
#pragma once

#include "agent/core/connection-request.h"
#include "agent/core/cwmp-message.h"

#define GATEWAY_USERNAME_MAX 64U

typedef enum GatewayEvent {
        GATEWAY_BOOTSTRAP = 1 << 0,
        GATEWAY_BOOT = 1 << 1,
        GATEWAY_PERIODIC = 1 << 2,
        GATEWAY_CHANGED = 1 << 3, /* a parameter with active notification */
        GATEWAY_ASKED = 1 << 4,   /* by a connection request */
} GatewayEvent;

typedef struct Gateway {
        char username[GATEWAY_USERNAME_MAX]; /* of the digest authentication: OUI-ProductClass-SerialNumber */
        const char *tips;                    /* directory of files <subscription>, "<n>.<commit>" */
        ParameterList values;
        ConnectionRequests *requests;
        unsigned events;      /* GatewayEvent: to be told */
        unsigned told;        /* of those, what the Inform under way has */
        uint32_t inform_id, n_rows;
        uint32_t ordered, answered; /* opseq */
        bool pulls;           /* by itself, since it became Subscribed */
        /* for the sum */
        unsigned n_pulls, n_repeated; /* orders carried out; orders that came after they were answered */
} Gateway;

/* number, from 0, makes the identity. tips stays the caller's. url is its ConnectionRequestURL, path that of the URL. 0
 * or -ENOMEM; gateway_done() in both cases. */
int gateway_init(Gateway *g, unsigned number, const char *tips, const char *url, const char *path);
void gateway_done(Gateway *g);

/* It restarts: what it was told to do and has not done is forgotten, parameters stay. 0 or -ENOMEM. */
int gateway_boot(Gateway *g);

/* Its push was accepted: it has the tip. 0 or a negative errno. */
int gateway_push(Gateway *g);

/* The Inform about all that is to be told; NULL if memory ran out. */
CwmpMessage *gateway_inform(Gateway *g, uint32_t retry_count);

/* The InformResponse came: what happens from here on is told in another session. */
void gateway_informed(Gateway *g);

/* The session is over. One that failed is repeated, with the same events, so that the ACS can ask what it did not
 * come to ask (TR-069 section 3.2.1.1); only a connection request is not. */
void gateway_session_ended(Gateway *g, bool succeeded);

/* Carries out a request of the ACS. NULL if memory ran out. */
CwmpMessage *gateway_perform(Gateway *g, const CwmpMessage *request);

/* After a session: does what it was ordered to do. 0 or a negative errno. */
int gateway_work(Gateway *g);

/* A parameter of X_<OUI>_ISPStorage.1; "" if it is not set. */
const char *gateway_get(const Gateway *g, const char *parameter);
