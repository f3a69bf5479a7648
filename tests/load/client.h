/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions of many simulated gateways with one ACS, without a thread or a process for each: the agent's own rules of a
 * session and its own XML over sockets of an event loop, plain HTTP. */
#pragma once

#include <systemd/sd-event.h>

#include "agent/core/session.h"
#include "tests/load/gateway.h"

struct soap;

/* What all clients share. */
typedef struct ClientContext {
        sd_event *event;
        struct soap *soap;
        uint16_t acs_port; /* on 127.0.0.1 */
        const char *password;
        uint32_t retry_minimum; /* ManagementServer.CWMPRetryMinimumWaitInterval, seconds */
        unsigned n_open;        /* sessions under way */
        unsigned n_open_peak;
        uint64_t n_sessions, n_refused, n_broken; /* succeeded; ended by 503; in another way */
} ClientContext;

typedef struct Client {
        ClientContext *context;
        Gateway gateway;
        sd_event_source *timer, *io;
        Session *session;
        char *challenge; /* of the last WWW-Authenticate */
        uint32_t nonce_count;
        char cookie[128];
        unsigned retries; /* sessions that failed in a row */
        bool challenged;  /* in this request */
        bool reports;     /* the Inform was answered */
        int fd;
        char *out;
        size_t out_size, out_sent;
        char *in;
        size_t in_size;
} Client;

void client_init(Client *c, ClientContext *context);
void client_done(Client *c);

/* Opens a session after the time, unless one is under way or due earlier: after it the gateway's news are looked at
 * anyway. 0 or a negative errno. */
int client_schedule(Client *c, uint64_t usec);

/* The gateway's power fails: a session that is under way breaks. It starts again after the time. 0 or a negative
 * errno. */
int client_restart(Client *c, uint64_t usec);

/* Nothing under way, nothing to tell. */
bool client_is_idle(const Client *c);
