/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libmicrohttpd on the event loop: one listener. */
#pragma once

#include <microhttpd.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

#define API_CONNECTIONS_MAX 100U

typedef struct ApiServer ApiServer;

typedef struct ApiServerSettings {
        int listen_fd;                 /* a listening stream socket, taken over */
        const char *certificate, *key; /* PEM, borrowed while the server lives; NULL: no TLS */
        MHD_AccessHandlerCallback handler;
        MHD_RequestCompletedCallback completed;
        void *userdata; /* of both */
} ApiServerSettings;

/* 0 or a negative errno; logs. */
int api_server_new(ApiServer **ret, sd_event *event, const ApiServerSettings *settings);
/* Ends all connections. NULL is allowed; returns NULL. */
ApiServer *api_server_free(ApiServer *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(ApiServer *, api_server_free);

/* A suspended connection was resumed: it goes on soon. */
void api_server_wake(ApiServer *s);

/* Listens on an address in numbers and a port. The descriptor is the caller's. A negative errno: -EINVAL if
 * it is not an address, those of bind(2). */
int api_listen(const char *address, uint16_t port);
/* True if the address is of this host alone. */
bool address_is_loopback(const char *address);
