/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connection requests (TR-069 section 3.2.2): who may make the gateway open a session, and how often. No I/O. */
#pragma once

#include "agent/core/http-get.h"

/* Accepted requests per window: two operations a second, while people work on several gateways at once;
 * beyond that 503. They are authenticated, so this bounds the load by an ACS that has gone wrong. */
#define CONNECTION_REQUESTS_MAX 120U
#define CONNECTION_REQUEST_WINDOW_USEC (60ULL * 1000000U)
/* Challenges that can be open at once; an older one is replaced and its client asks again. */
#define CONNECTION_REQUEST_NONCES_MAX 16U
#define CONNECTION_REQUEST_NONCE_LIFETIME_USEC (60ULL * 1000000U)
#define CONNECTION_REQUEST_REALM "ISPStorage"
#define CONNECTION_REQUEST_RESPONSE_MAX 512U

typedef struct ConnectionRequests ConnectionRequests;

/* path is that of ConnectionRequestURL, "/<random>". 0 or -ENOMEM. */
int connection_requests_new(ConnectionRequests **ret, const char *path);
ConnectionRequests *connection_requests_free(ConnectionRequests *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(ConnectionRequests *, connection_requests_free);

/* ManagementServer.ConnectionRequestUsername and -Password. 0 or -ENOMEM. */
int connection_requests_set_credentials(ConnectionRequests *c, const char *username, const char *password);

/* Decides on a parsed request and writes the whole HTTP response. nonce is fresh random text (hexadecimal)
 * that is used if a challenge has to be made; now is monotonic. Returns true if a session shall start
 * after the response has been sent. */
bool connection_requests_decide(ConnectionRequests *c, const HttpGet *get, uint64_t now_usec, const char *nonce,
                                char response[static CONNECTION_REQUEST_RESPONSE_MAX]);
