/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All connections: one thread waits for them and for new ones, and hands those that have moved to a pool of threads.
 * None of these waits for a peer, so that slow ones keep nobody from being served. */
#pragma once

#include "operator/acs/connection.h"

/* Each thread has a gSOAP context (164 KB) and a database connection. */
#define WORKERS_MAX 1024U
/* A device is silent for most of a session, while it works or the network does. A connection may keep
 * HTTP_UNAUTHENTICATED_MAX bytes. */
#define CONNECTIONS_PER_WORKER 16U
#define CONNECTIONS_MAX 4096U

typedef struct Server Server;

/* context is borrowed and must live as long. Threads start when they are needed, at most n_workers. Connections beyond
 * CONNECTIONS_PER_WORKER for each, CONNECTIONS_MAX, or what RLIMIT_NOFILE allows, are refused with 503. *ret is the
 * caller's. 0, -ENOMEM, or the errors of epoll_create(2), eventfd(2) and pthread_create(3). */
int server_new(Server **ret, const ConnectionContext *context, unsigned n_workers);

/* Stops listening, ends all connections, waits for the threads. NULL is allowed; returns NULL. */
Server *server_free(Server *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Server *, server_free);

/* Listens on an address ("" for all addresses, IPv6 and IPv4) and port. 0, -EINVAL if it is not an
 * address, or the errors of socket(2), bind(2), listen(2). */
int server_listen(Server *s, const char *address, uint16_t port, bool tls);
