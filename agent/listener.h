/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A GET-only HTTP server for few and small requests, on the event loop with fixed buffers: connection
 * requests and the Device Type documents. */
#pragma once

#include <systemd/sd-event.h>

#include "agent/core/http-get.h"

/* Open connections; the next one waits in the kernel's queue. */
#define LISTENER_CONNECTIONS_MAX 16U
/* A connection lives no longer than this, whatever it does. */
#define LISTENER_TIMEOUT_USEC (5ULL * 1000000U)
/* The documents are some hundred KiB at most. */
#define LISTENER_RESPONSE_MAX (2U * 1024U * 1024U)

typedef struct Listener Listener;

/* Answers a request: *ret_response is the whole response, of *ret_size bytes, and given over. 1 to wait for
 * another request on the connection, 0 to close it after the response, or a negative errno to just close it. */
typedef int (*ListenerRequestHandler)(const HttpGet *get, char **ret_response, size_t *ret_size, void *userdata);

/* address is numeric or NULL for all (of both families); interface may be NULL. *ret is the caller's. 0 or
 * a negative errno. */
int listener_new(Listener **ret, sd_event *event, const char *address, const char *interface, uint16_t port,
                 ListenerRequestHandler request, void *userdata);
Listener *listener_free(Listener *l);
DEFINE_TRIVIAL_CLEANUP_FUNC(Listener *, listener_free);
