/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connection requests (TR-069 section 3.2.2): HTTP GET with digest authentication to the device, on the
 * event loop. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"
#include "operator/acs/store.h"

/* From connect to answer. */
#define CONNECTION_REQUEST_TIMEOUT_MSEC 10000L
/* A CPE begins its session within this time (TR-069 section 3.2.2.1); else it is asked again. */
#define CONNECTION_REQUEST_PATIENCE_USEC 30000000ULL
/* Waits between attempts that failed, doubled each time. */
#define CONNECTION_REQUEST_RETRY_MIN_USEC 1000000ULL
#define CONNECTION_REQUEST_RETRY_MAX_USEC 300000000ULL
/* The same after 503: the device is there and well, and takes the next request soon. */
#define CONNECTION_REQUEST_BUSY_MAX_USEC 8000000ULL
/* Requests under way at once; the others wait for their turn. */
#define CONNECTION_REQUESTS_MAX 256U

typedef struct ConnectionRequester ConnectionRequester;

/* True if the device is still to be asked: it has commands and no session. */
typedef bool (*ConnectionRequestNeeded)(const char *device, void *userdata);

/* store is the event loop's own. *ret is the caller's. 0, -ENOMEM, or -EIO if libcurl does not start. */
int connection_requester_new(
                ConnectionRequester **ret,
                sd_event *event,
                Store *store,
                ConnectionRequestNeeded needed,
                void *userdata);
ConnectionRequester *connection_requester_free(ConnectionRequester *q);
DEFINE_TRIVIAL_CLEANUP_FUNC(ConnectionRequester *, connection_requester_free);

/* Asks the device for a session, now if it was not asked before, and again until it is no more needed. A
 * device without a known URL or password is left alone: it will report by itself. 0 or -ENOMEM. */
int connection_requester_ask(ConnectionRequester *q, const char *device);

/* The device has begun a session: it is not asked any more, unless it is over by now and another one is needed. */
void connection_requester_stop(ConnectionRequester *q, const char *device);
