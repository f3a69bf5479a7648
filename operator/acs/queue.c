/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/command.h"
#include "operator/acs/message.h"
#include "operator/acs/queue.h"

#define USEC_PER_SEC 1000000ULL
#define ACCURACY_USEC 100000ULL

struct Queue {
        sd_event *event;
        Store *store;
        MqttClient *mqtt;
        QueueHandlers handlers;
        void *userdata;
        sd_event_source *deadline_source, *repeat_source, *prune_source, *forget_source;
        int64_t published; /* number of the last message in the outbox that the broker was given */
        int64_t n_unacknowledged; /* of those, how many the frontend may have not acknowledged */
};

static int64_t now_sec(void) {
        return (int64_t) time(NULL);
}

static int publish(const char *device, TopicKind kind, const char *payload, void *userdata) {
        Queue *q = userdata;
        _cleanup_free_ char *topic = NULL;
        int r;

        r = topic_new(device, kind, &topic);
        if (r < 0)
                return r;
        r = mqtt_client_publish(q->mqtt, topic, payload, strlen(payload));
        /* not now; when the broker is there again or has caught up */
        if (r == -ENOTCONN || r == -EAGAIN)
                return 0;
        if (r < 0)
                return r;
        q->n_unacknowledged++;
        return 1;
}

void queue_flush(Queue *q) {
        int r;

        if (!mqtt_client_is_connected(q->mqtt) || q->n_unacknowledged >= OUTBOX_WINDOW)
                return;
        r = store_outbox_foreach(
                        q->store, q->published, OUTBOX_WINDOW - q->n_unacknowledged, publish, q, &q->published);
        if (r < 0)
                (void) log_error_errno(r, "Failed to publish what the outbox holds: %m");
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata);

static void arm_deadline(Queue *q, int64_t deadline) {
        q->deadline_source = sd_event_source_disable_unref(q->deadline_source);
        if (deadline != INT64_MAX)
                (void) sd_event_add_time(
                                q->event,
                                &q->deadline_source,
                                CLOCK_REALTIME,
                                (uint64_t) deadline * USEC_PER_SEC,
                                ACCURACY_USEC,
                                on_deadline,
                                q);
}

static int expire_command(Queue *q, const char *device, const char *id) {
        _cleanup_message_ Message m = {};
        int r;

        r = message_result(
                        &m, &(Result) { .device = device, .command = id, .status = RESULT_EXPIRED }, now_sec());
        if (r >= 0)
                r = store_command_finish(q->store, device, id, now_sec(), &m);
        if (r >= 0 && q->handlers.dropped)
                q->handlers.dropped(device, id, q->userdata);
        return r;
}

/* Ends what has expired, and sets the timer for the next. */
static void expire_commands(Queue *q) {
        int64_t next;
        int r;

        for (;;) {
                _cleanup_free_ char *device = NULL, *id = NULL;

                r = store_command_expired(q->store, now_sec(), &device, &id, &next);
                if (r <= 0)
                        break;
                r = expire_command(q, device, id);
                /* answered in this moment */
                if (r < 0 && r != -ENOENT)
                        break;
        }
        if (r == 0)
                arm_deadline(q, next);
        else {
                (void) log_error_errno(r, "Failed to look for expired commands: %m");
                arm_deadline(q, now_sec() + OUTBOX_REPEAT_SEC);
        }
        queue_flush(q);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        expire_commands(userdata);
        return 0;
}

static int reject(Queue *q, const char *device, const char *id, const char *error) {
        _cleanup_message_ Message m = {};
        int r;

        r = message_result(
                        &m,
                        &(Result) { .device = device, .command = id, .status = RESULT_REJECTED, .error = error },
                        now_sec());
        if (r >= 0)
                r = store_outbox_add(q->store, now_sec(), &m);
        if (r >= 0)
                queue_flush(q);
        return r;
}

static int know_device(Queue *q, const char *device) {
        return q->handlers.any_device ? store_device_add(q->store, device) : 0;
}

static int add_command(Queue *q, const char *device, const Command *c, const char *payload) {
        int64_t now = now_sec(), deadline = c->expires > 0 ? now + c->expires : 0;
        int r;

        r = know_device(q, device);
        return r < 0 ? r : store_command_add(q->store, device, c->id, payload, now, deadline);
}

static int cancel_command(Queue *q, const char *device, const char *id) {
        _cleanup_message_ Message m = {};
        int r;

        r = message_result(
                        &m, &(Result) { .device = device, .command = id, .status = RESULT_EXPIRED }, now_sec());
        if (r >= 0)
                r = know_device(q, device);
        return r < 0 ? r : store_command_cancel(q->store, device, id, now_sec(), &m);
}

static int on_cancel(Queue *q, const char *device, const char *id) {
        int r = cancel_command(q, device, id);

        if (r == -ENOENT)
                return reject(q, device, id, "the device is unknown");
        if (r < 0)
                return r;
        if (q->handlers.dropped)
                q->handlers.dropped(device, id, q->userdata);
        queue_flush(q);
        return 0;
}

static int on_command(Queue *q, const char *device, const char *payload, size_t size) {
        _cleanup_(command_freep) Command *c = NULL;
        _cleanup_free_ char *id = NULL, *cancelled = NULL, *copy = NULL;
        const char *error;
        int r;

        r = command_parse(payload, size, &c, &id, &error);
        if (r == -EINVAL) {
                r = cancel_parse(payload, size, &cancelled);
                if (r != -EINVAL)
                        return r < 0 ? r : on_cancel(q, device, cancelled);
                log_warning("A command for %s is refused: %s.", device, error);
                return id ? reject(q, device, id, error) : 0;
        }
        if (r < 0)
                return r;
        copy = strndup(payload, size);
        if (!copy)
                return -ENOMEM;
        r = add_command(q, device, c, copy);
        if (r == -ENOENT)
                return reject(q, device, c->id, "the device is unknown");
        if (r < 0)
                return r;
        switch ((CommandState) r) {
        case COMMAND_STATE_NEW:
                if (c->expires > 0)
                        expire_commands(q);
                q->handlers.serve(device, q->userdata);
                break;
        case COMMAND_STATE_QUEUED:
                q->handlers.serve(device, q->userdata);
                break;
        case COMMAND_STATE_FINISHED:
                queue_flush(q);
                break;
        }
        return 0;
}

static int on_forget(sd_event_source *s, uint64_t usec, void *userdata) {
        Queue *q = userdata;
        int r;

        q->forget_source = sd_event_source_disable_unref(q->forget_source);
        r = store_outbox_forget(q->store);
        if (r < 0)
                (void) log_error_errno(r, "Failed to forget what the frontend has: %m");
        else
                q->n_unacknowledged = MAX(q->n_unacknowledged - r, (int64_t) 0);
        queue_flush(q);
        return 0;
}

static int on_ack(Queue *q, const char *device, const char *payload, size_t size) {
        _cleanup_strv_free_ char **ids = NULL;
        int r;

        r = ack_parse(payload, size, &ids);
        if (r == -EINVAL) {
                log_warning("An acknowledgement for %s is not understood.", device);
                return 0;
        }
        if (r < 0)
                return r;
        r = store_outbox_acknowledge(q->store, device, ids);
        if (r < 0 || q->forget_source)
                return r;
        return sd_event_add_time_relative(
                        q->event, &q->forget_source, CLOCK_MONOTONIC, OUTBOX_FORGET_USEC, 0, on_forget, q);
}

static int on_mqtt_message(MqttClient *c, const char *topic, const char *payload, size_t size, void *userdata) {
        Queue *q = userdata;
        _cleanup_free_ char *device = NULL;
        TopicKind kind;
        int r;

        r = topic_parse(topic, &device, &kind);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                log_warning("The topic %s names no device.", topic);
                return 0;
        }
        if (kind == TOPIC_COMMAND)
                return on_command(q, device, payload, size);
        if (kind == TOPIC_ACK)
                return on_ack(q, device, payload, size);
        return 0;
}

/* What the broker acknowledged before may be lost all the same. */
static void on_mqtt_connected(MqttClient *c, void *userdata) {
        Queue *q = userdata;

        q->published = q->n_unacknowledged = 0;
        queue_flush(q);
}

static void on_mqtt_drained(MqttClient *c, void *userdata) {
        queue_flush(userdata);
}

static int on_repeat(sd_event_source *s, uint64_t usec, void *userdata) {
        Queue *q = userdata;

        if (store_outbox_has_before(q->store, now_sec() - OUTBOX_REPEAT_SEC) > 0)
                q->published = q->n_unacknowledged = 0;
        queue_flush(q);
        (void) sd_event_source_set_time_relative(s, OUTBOX_REPEAT_SEC * USEC_PER_SEC);
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

static int on_prune(sd_event_source *s, uint64_t usec, void *userdata) {
        Queue *q = userdata;
        int r;

        r = store_prune(q->store, now_sec());
        if (r < 0)
                (void) log_error_errno(r, "Failed to forget old commands: %m");
        (void) sd_event_source_set_time_relative(s, PRUNE_INTERVAL_SEC * USEC_PER_SEC);
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

/* What was in the queue when the service stopped. */
static int resume(Queue *q) {
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        expire_commands(q);
        r = store_devices_with_commands(q->store, &devices);
        if (r < 0)
                return log_error_errno(r, "Failed to read the command queue: %m");
        STRV_FOREACH(device, devices)
                q->handlers.serve(*device, q->userdata);
        return 0;
}

static int add_sources(Queue *q) {
        int r;

        r = sd_event_add_time_relative(
                        q->event,
                        &q->repeat_source,
                        CLOCK_MONOTONIC,
                        OUTBOX_REPEAT_SEC * USEC_PER_SEC,
                        ACCURACY_USEC,
                        on_repeat,
                        q);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                q->event, &q->prune_source, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_prune, q);
        return r;
}

int queue_new(
                Queue **ret,
                sd_event *event,
                Store *store,
                const MqttSettings *settings,
                const QueueHandlers *handlers,
                void *userdata) {
        const char *const filters[] = { topic_filter(TOPIC_COMMAND), topic_filter(TOPIC_ACK), NULL };
        _cleanup_(queue_freep) Queue *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return log_oom();
        q->event = sd_event_ref(event);
        q->store = store;
        q->handlers = *handlers;
        q->userdata = userdata;
        r = add_sources(q);
        if (r < 0)
                return log_error_errno(r, "Failed to start: %m");
        r = mqtt_client_new(
                        &q->mqtt,
                        event,
                        settings,
                        filters,
                        &(MqttHandlers) {
                                        .connected = on_mqtt_connected,
                                        .message = on_mqtt_message,
                                        .drained = on_mqtt_drained,
                        },
                        q);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the connection to the MQTT broker: %m");
        r = resume(q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

Queue *queue_free(Queue *q) {
        if (!q)
                return NULL;
        (void) mqtt_client_free(q->mqtt);
        (void) sd_event_source_disable_unref(q->deadline_source);
        (void) sd_event_source_disable_unref(q->repeat_source);
        (void) sd_event_source_disable_unref(q->prune_source);
        (void) sd_event_source_disable_unref(q->forget_source);
        (void) sd_event_unref(q->event);
        free(q);
        return NULL;
}
