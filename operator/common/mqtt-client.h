/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MQTT 3.1.1 on the event loop: QoS 1, one persistent session, reconnects by itself, never blocks.
 *
 * A received message is acknowledged to the broker only after the handler returned 0, so what the handler
 * has committed by then is safe: if the process dies before, the broker delivers again. A published
 * message that the broker did not acknowledge is sent again after a reconnect, as long as this process
 * lives. */
#pragma once

#include <systemd/sd-event.h>

#include "common/base/macro.h"

/* A larger payload is refused in both directions (docs/mqtt.md). */
#define MQTT_PAYLOAD_MAX (256U * 1024U)
/* Messages published and not yet acknowledged by the broker; they are kept in memory. */
#define MQTT_UNACKNOWLEDGED_MAX 1000U

typedef struct MqttClient MqttClient;

typedef struct MqttSettings {
        const char *client_id; /* names the persistent session: one for each service */
        const char *host;
        uint16_t port;
        const char *username, *password; /* NULL for none */
        const char *ca_file;             /* PEM, the authority of the broker's certificate; NULL: no TLS */
        const char *certificate, *key;   /* PEM, the client's own; NULL for none */
} MqttSettings;

typedef struct MqttHandlers {
        /* The session is up and subscribed. Called after each (re)connect. May be NULL. */
        void (*connected)(MqttClient *c, void *userdata);
        /* One message; payload is not NUL-terminated. 0 acknowledges it. A negative errno does not: the
         * connection is closed, and after the reconnect the broker delivers again. For what will never be
         * understood return 0. */
        int (*message)(MqttClient *c, const char *topic, const char *payload, size_t size, void *userdata);
        /* The broker has acknowledged everything that was published. May be NULL. */
        void (*drained)(MqttClient *c, void *userdata);
} MqttHandlers;

/* Makes a client that subscribes to filters (NULL-terminated list; copied, as are settings and handlers)
 * and starts to connect. A broker that does not answer is no error: it is tried again after 0.25 s,
 * doubling to 30 s, with jitter. Logs connects and disconnects. *ret is the caller's. 0, -EINVAL for
 * settings that libmosquitto refuses, -ENOENT if a TLS file is not readable, -ENOMEM, or another negative
 * errno. */
int mqtt_client_new(
                MqttClient **ret,
                sd_event *event,
                const MqttSettings *settings,
                const char *const *filters,
                const MqttHandlers *handlers,
                void *userdata);

/* Disconnects and frees. NULL is allowed; returns NULL. Not from a handler. */
MqttClient *mqtt_client_free(MqttClient *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(MqttClient *, mqtt_client_free);

/* True between connected() and the loss of the connection. */
bool mqtt_client_is_connected(const MqttClient *c);

/* Publishes with QoS 1, not retained. Allowed in handlers. 0, -ENOTCONN, -EMSGSIZE, -EAGAIN if
 * MQTT_UNACKNOWLEDGED_MAX is reached (wait for drained()), -EINVAL for a bad topic, -ENOMEM. */
int mqtt_client_publish(MqttClient *c, const char *topic, const char *payload, size_t size);
