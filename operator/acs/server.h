/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listening sockets on the event loop, and the threads that serve what they accept. */
#pragma once

#include <systemd/sd-event.h>

#include "operator/acs/connection.h"

/* Each thread has a gSOAP context (164 KB) and a database connection. */
#define WORKERS_MAX 1024U

typedef struct Server Server;

/* context is borrowed and must live as long. Threads start when they are needed, at most n_workers.
 * Connections beyond twice that many are refused with 503. *ret is the caller's. 0 or -ENOMEM, -EIO. */
int server_new(Server **ret, sd_event *event, const ConnectionContext *context, unsigned n_workers);

/* Stops listening, ends all connections, waits for the threads. NULL is allowed; returns NULL. */
Server *server_free(Server *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Server *, server_free);

/* Listens on an address ("" for all addresses, IPv6 and IPv4) and port. 0, -EINVAL if it is not an
 * address, or the errors of socket(2), bind(2), listen(2). */
int server_listen(Server *s, const char *address, uint16_t port, bool tls);
