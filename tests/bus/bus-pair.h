/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two ends of a connection in one event loop: tests of bus objects that need no bus. */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "common/base/macro.h"

typedef struct BusPair {
        sd_event *event;
        sd_bus *server, *client;
} BusPair;

void bus_pair_init(BusPair *p);
void bus_pair_done(BusPair *p);

/* Sends the call, which it takes, and runs the loop until the answer is there. The answer is the caller's;
 * NULL if it was an error, which is in *error then (may be NULL). */
sd_bus_message *bus_pair_call(BusPair *p, sd_bus_message *call, sd_bus_error *error);

/* A call of a method on a fixed object, to be filled with arguments. */
sd_bus_message *bus_pair_new_call(BusPair *p, const char *path, const char *interface, const char *member);
