/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket on which the extension of GenieACS reports Informs: one line per connection, answered with "ok"
 * when it is on disk, else with why not. Who may connect is the socket's permissions' matter. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"

/* At a time; the others wait in the backlog of the socket. */
#define LISTENER_CONNECTIONS_MAX 64U
/* As large as the message may be that it becomes (docs/mqtt.md). */
#define LISTENER_LINE_MAX (256U * 1024U)
/* A line comes in one piece: GenieACS waits for 3 seconds. */
#define LISTENER_TIMEOUT_USEC 5000000ULL

typedef struct Listener Listener;

/* One line, without its end. 0 if it was stored, or a negative errno. */
typedef int (*ListenerHandler)(const char *line, size_t size, void *userdata);

/* fd is a listening stream socket, and is taken over. *ret is the caller's. 0 or a negative errno. */
int listener_new(Listener **ret, sd_event *event, int fd, ListenerHandler handler, void *userdata);
Listener *listener_free(Listener *l);
DEFINE_TRIVIAL_CLEANUP_FUNC(Listener *, listener_free);
