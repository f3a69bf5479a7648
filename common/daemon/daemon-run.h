/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame of every daemon: event loop, signals, watchdog and readiness (sd_notify(3)). */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"

/* Makes the thread's default event loop. SIGTERM and SIGINT end it with exit code 0; SIGCHLD is blocked, as
 * sd_event_add_child(3) and worker_spawn() need it; SIGPIPE is ignored; the watchdog is served if the service
 * manager asks for it. The caller owns *ret. 0 or a negative errno. */
int daemon_event_new(sd_event **ret);

/* Says READY=1, runs the loop until it ends, says STOPPING=1. 0 after SIGTERM or SIGINT; a negative errno, among them
 * -ENOTCONN for any other exit code, which is what sd_bus_set_exit_on_disconnect(3) ends a loop with: the service
 * manager then starts the daemon again. */
int daemon_loop(sd_event *event);
