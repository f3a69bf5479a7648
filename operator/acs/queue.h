/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend's side of an ACS (docs/mqtt.md): takes commands from the broker into the store, and gives the
 * broker what the outbox holds until the frontend has acknowledged it. ispstorage-acs and
 * ispstorage-genieacs-bridge differ in how a command reaches its device, not in this. */
#pragma once

#include <systemd/sd-event.h>

#include "operator/acs/store.h"
#include "operator/common/mqtt-client.h"

/* Messages without an acknowledgement are published again after this time (docs/mqtt.md). */
#define OUTBOX_REPEAT_SEC 30
/* The oldest messages without an acknowledgement that are with the broker; the others wait for them. */
#define OUTBOX_WINDOW 500
/* So long acknowledgements are collected, to be noted together. */
#define OUTBOX_FORGET_USEC 50000ULL
/* How often old finished commands are looked for. */
#define PRUNE_INTERVAL_SEC 3600

/* Of the persistent session, for whoever is the ACS. */
#define ACS_CLIENT_ID "ispstorage-acs"

typedef struct Queue Queue;

typedef struct QueueHandlers {
        /* The device has a command that waits, a new one or one that the frontend has asked for again; at the start
         * also whatever else store_devices_with_commands() finds. */
        void (*serve)(const char *device, void *userdata);
        /* The time of a command that waited is over, or the frontend has cancelled it. May be NULL. */
        void (*dropped)(const char *device, const char *id, void *userdata);
        /* Commands for a device without a row in the store are taken all the same, and make one. */
        bool any_device;
} QueueHandlers;

/* Connects to the broker, ends what has expired meanwhile, and has the other commands that wait served: the handlers
 * are called from within, before *ret is set. store is the event loop's own, and borrowed;
 * settings and handlers are copied. Logs what fails. *ret is the caller's. 0 or a negative errno. */
int queue_new(
                Queue **ret,
                sd_event *event,
                Store *store,
                const MqttSettings *settings,
                const QueueHandlers *handlers,
                void *userdata);
Queue *queue_free(Queue *q);
DEFINE_TRIVIAL_CLEANUP_FUNC(Queue *, queue_free);

/* Something was put into the outbox: gives the broker what it was not given yet. */
void queue_flush(Queue *q);
