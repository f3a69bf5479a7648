/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/acs.h"
#include "operator/acs/connection-request.h"
#include "operator/acs/message.h"
#include "operator/acs/server.h"
#include "operator/common/mqtt-client.h"

#define USEC_PER_SEC 1000000ULL
#define ACCURACY_USEC 100000ULL

struct Acs {
        const AcsConfig *config;
        sd_event *event;
        ConnectionContext context;
        Store *store;
        Server *server;
        MqttClient *mqtt;
        ConnectionRequester *requester;
        sd_event_source *notice_source, *deadline_source, *repeat_source, *prune_source, *forget_source;
        int64_t published; /* number of the last message in the outbox that the broker was given */
        int64_t n_unacknowledged; /* of those, how many the frontend may have not acknowledged */
        /* Filled by the threads, emptied by the loop. */
        pthread_mutex_t lock;
        int notice_fd;
        char **begun, **broken;
};

static int64_t now_sec(void) {
        return (int64_t) time(NULL);
}

static bool session_is_needed(const char *device, void *userdata) {
        Acs *a = userdata;
        StoredCommand *c = NULL;
        int r;

        if (session_table_wake(a->context.sessions, device))
                return false;
        r = store_command_next(a->store, device, &c);
        (void) stored_command_free(c);
        return r > 0;
}

/* A command is in the queue: a session that runs takes it, or one is asked for. */
static void serve_device(Acs *a, const char *device) {
        if (!session_table_wake(a->context.sessions, device))
                (void) connection_requester_ask(a->requester, device);
}

static int publish(const char *device, TopicKind kind, const char *payload, void *userdata) {
        Acs *a = userdata;
        _cleanup_free_ char *topic = NULL;
        int r;

        r = topic_new(device, kind, &topic);
        if (r < 0)
                return r;
        r = mqtt_client_publish(a->mqtt, topic, payload, strlen(payload));
        /* not now; when the broker is there again or has caught up */
        if (r == -ENOTCONN || r == -EAGAIN)
                return 0;
        if (r < 0)
                return r;
        a->n_unacknowledged++;
        return 1;
}

/* Gives the broker what it was not given yet. */
static void flush_outbox(Acs *a) {
        int r;

        if (!mqtt_client_is_connected(a->mqtt) || a->n_unacknowledged >= OUTBOX_WINDOW)
                return;
        r = store_outbox_foreach(
                        a->store, a->published, OUTBOX_WINDOW - a->n_unacknowledged, publish, a, &a->published);
        if (r < 0)
                (void) log_error_errno(r, "Failed to publish what the outbox holds: %m");
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata);

static void arm_deadline(Acs *a, int64_t deadline) {
        a->deadline_source = sd_event_source_disable_unref(a->deadline_source);
        if (deadline != INT64_MAX)
                (void) sd_event_add_time(
                                a->event,
                                &a->deadline_source,
                                CLOCK_REALTIME,
                                (uint64_t) deadline * USEC_PER_SEC,
                                ACCURACY_USEC,
                                on_deadline,
                                a);
}

static int expire_command(Acs *a, const char *device, const char *id) {
        _cleanup_message_ Message m = {};
        int r;

        r = message_result(
                        &m, &(Result) { .device = device, .command = id, .status = RESULT_EXPIRED }, now_sec());
        return r < 0 ? r : store_command_finish(a->store, device, id, now_sec(), &m);
}

/* Ends what has expired, and sets the timer for the next. */
static void expire_commands(Acs *a) {
        int64_t next;
        int r;

        for (;;) {
                _cleanup_free_ char *device = NULL, *id = NULL;

                r = store_command_expired(a->store, now_sec(), &device, &id, &next);
                if (r <= 0)
                        break;
                r = expire_command(a, device, id);
                /* answered in this moment */
                if (r < 0 && r != -ENOENT)
                        break;
        }
        if (r == 0)
                arm_deadline(a, next);
        else {
                (void) log_error_errno(r, "Failed to look for expired commands: %m");
                arm_deadline(a, now_sec() + OUTBOX_REPEAT_SEC);
        }
        flush_outbox(a);
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        expire_commands(userdata);
        return 0;
}

static int reject(Acs *a, const char *device, const char *id, const char *error) {
        _cleanup_message_ Message m = {};
        int r;

        r = message_result(
                        &m,
                        &(Result) { .device = device, .command = id, .status = RESULT_REJECTED, .error = error },
                        now_sec());
        if (r >= 0)
                r = store_outbox_add(a->store, now_sec(), &m);
        if (r >= 0)
                flush_outbox(a);
        return r;
}

static int on_cancel(Acs *a, const char *device, const char *id) {
        _cleanup_message_ Message m = {};
        int r;

        r = message_result(
                        &m, &(Result) { .device = device, .command = id, .status = RESULT_EXPIRED }, now_sec());
        if (r >= 0)
                r = store_command_cancel(a->store, device, id, now_sec(), &m);
        if (r == -ENOENT)
                return reject(a, device, id, "the device is unknown");
        if (r >= 0)
                flush_outbox(a);
        return r;
}

static int on_command(Acs *a, const char *device, const char *payload, size_t size) {
        _cleanup_(command_freep) Command *c = NULL;
        _cleanup_free_ char *id = NULL, *cancelled = NULL, *copy = NULL;
        const char *error;
        int64_t now = now_sec();
        int r;

        r = command_parse(payload, size, &c, &id, &error);
        if (r == -EINVAL && cancel_parse(payload, size, &cancelled) >= 0)
                return on_cancel(a, device, cancelled);
        if (r == -EINVAL) {
                log_warning("A command for %s is refused: %s.", device, error);
                return id ? reject(a, device, id, error) : 0;
        }
        if (r < 0)
                return r;
        copy = strndup(payload, size);
        if (!copy)
                return -ENOMEM;
        r = store_command_add(a->store, device, c->id, copy, now, c->expires > 0 ? now + c->expires : 0);
        if (r == -ENOENT)
                return reject(a, device, c->id, "the device is unknown");
        if (r < 0)
                return r;
        switch ((CommandState) r) {
        case COMMAND_STATE_NEW:
                if (c->expires > 0)
                        expire_commands(a);
                serve_device(a, device);
                break;
        case COMMAND_STATE_QUEUED:
                serve_device(a, device);
                break;
        case COMMAND_STATE_FINISHED:
                flush_outbox(a);
                break;
        }
        return 0;
}

static int on_forget(sd_event_source *s, uint64_t usec, void *userdata) {
        Acs *a = userdata;
        int r;

        a->forget_source = sd_event_source_disable_unref(a->forget_source);
        r = store_outbox_forget(a->store);
        if (r < 0)
                (void) log_error_errno(r, "Failed to forget what the frontend has: %m");
        else
                a->n_unacknowledged = MAX(a->n_unacknowledged - r, (int64_t) 0);
        flush_outbox(a);
        return 0;
}

static int on_ack(Acs *a, const char *device, const char *payload, size_t size) {
        _cleanup_strv_free_ char **ids = NULL;
        int r;

        r = ack_parse(payload, size, &ids);
        if (r == -EINVAL) {
                log_warning("An acknowledgement for %s is not understood.", device);
                return 0;
        }
        if (r < 0)
                return r;
        r = store_outbox_acknowledge(a->store, device, ids);
        if (r < 0 || a->forget_source)
                return r;
        return sd_event_add_time_relative(
                        a->event, &a->forget_source, CLOCK_MONOTONIC, OUTBOX_FORGET_USEC, 0, on_forget, a);
}

static int on_mqtt_message(MqttClient *c, const char *topic, const char *payload, size_t size, void *userdata) {
        Acs *a = userdata;
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
                return on_command(a, device, payload, size);
        if (kind == TOPIC_ACK)
                return on_ack(a, device, payload, size);
        return 0;
}

/* What the broker acknowledged before may be lost all the same. */
static void on_mqtt_connected(MqttClient *c, void *userdata) {
        Acs *a = userdata;

        a->published = a->n_unacknowledged = 0;
        flush_outbox(a);
}

static void on_mqtt_drained(MqttClient *c, void *userdata) {
        flush_outbox(userdata);
}

static int on_repeat(sd_event_source *s, uint64_t usec, void *userdata) {
        Acs *a = userdata;
        _cleanup_strv_free_ char **devices = NULL;

        if (store_outbox_has_before(a->store, now_sec() - OUTBOX_REPEAT_SEC) > 0)
                a->published = a->n_unacknowledged = 0;
        flush_outbox(a);
        /* devices that went away in the middle of a session and did not come back */
        if (session_table_collect(a->context.sessions, &devices) >= 0)
                STRV_FOREACH(device, devices)
                        if (session_is_needed(*device, a))
                                serve_device(a, *device);
        (void) sd_event_source_set_time_relative(s, OUTBOX_REPEAT_SEC * USEC_PER_SEC);
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

static int on_prune(sd_event_source *s, uint64_t usec, void *userdata) {
        Acs *a = userdata;
        int r;

        r = store_prune(a->store, now_sec());
        if (r < 0)
                (void) log_error_errno(r, "Failed to forget old commands: %m");
        (void) sd_event_source_set_time_relative(s, PRUNE_INTERVAL_SEC * USEC_PER_SEC);
        (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
        return 0;
}

/* Runs in the worker threads. */
static void notify(ConnectionNotice notice, const char *device, void *userdata) {
        Acs *a = userdata;

        (void) pthread_mutex_lock(&a->lock);
        /* out of memory: the timers will see to it */
        if (notice == CONNECTION_SESSION_BEGUN)
                (void) strv_extend(&a->begun, device);
        else if (notice == CONNECTION_SESSION_BROKEN)
                (void) strv_extend(&a->broken, device);
        (void) pthread_mutex_unlock(&a->lock);
        /* What a session begins with is stored, or breaks it: the loop is woken then. */
        if (notice != CONNECTION_SESSION_BEGUN)
                (void) eventfd_write(a->notice_fd, 1);
}

static int on_notice(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Acs *a = userdata;
        _cleanup_strv_free_ char **begun = NULL, **broken = NULL;
        eventfd_t value;

        (void) eventfd_read(fd, &value);
        (void) pthread_mutex_lock(&a->lock);
        begun = TAKE_PTR(a->begun);
        broken = TAKE_PTR(a->broken);
        (void) pthread_mutex_unlock(&a->lock);
        STRV_FOREACH(device, begun)
                connection_requester_stop(a->requester, *device);
        STRV_FOREACH(device, broken)
                if (session_is_needed(*device, a))
                        serve_device(a, *device);
        flush_outbox(a);
        return 0;
}

/* Commands that were in the queue when the service stopped. */
static int resume_commands(Acs *a) {
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = store_devices_with_commands(a->store, &devices);
        if (r < 0)
                return r;
        STRV_FOREACH(device, devices)
                serve_device(a, *device);
        return 0;
}

static int add_sources(Acs *a) {
        int r;

        r = sd_event_add_io(a->event, &a->notice_source, a->notice_fd, EPOLLIN, on_notice, a);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                a->event,
                                &a->repeat_source,
                                CLOCK_MONOTONIC,
                                OUTBOX_REPEAT_SEC * USEC_PER_SEC,
                                ACCURACY_USEC,
                                on_repeat,
                                a);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                a->event, &a->prune_source, CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_prune, a);
        return r;
}

static int start_server(Acs *a) {
        const AcsConfig *c = a->config;
        int r;

        r = nonce_table_new(&a->context.authentication.nonces, c->nonce_lifetime);
        if (r >= 0)
                r = session_table_new(&a->context.sessions);
        if (r < 0)
                return log_error_errno(r, "Failed to start: %m");
        if (c->port > 0) {
                r = acs_load_tls(c, &a->context.tls);
                if (r < 0)
                        return r;
        }
        r = server_new(&a->server, a->event, &a->context, c->workers);
        if (r >= 0 && c->port > 0)
                r = server_listen(a->server, c->listen, (uint16_t) c->port, true);
        if (r >= 0 && c->http_port > 0)
                r = server_listen(a->server, c->listen, (uint16_t) c->http_port, false);
        return r < 0 ? log_error_errno(r, "Failed to listen: %m") : 0;
}

static int start_mqtt(Acs *a) {
        const AcsConfig *c = a->config;
        const char *const filters[] = { topic_filter(TOPIC_COMMAND), topic_filter(TOPIC_ACK), NULL };
        int r;

        r = mqtt_client_new(
                        &a->mqtt,
                        a->event,
                        &(MqttSettings) {
                                        .client_id = "ispstorage-acs",
                                        .host = c->broker_host,
                                        .port = (uint16_t) c->broker_port,
                                        .username = c->broker_password ? c->broker_user : NULL,
                                        .password = c->broker_password,
                                        .ca_file = c->broker_ca_file,
                        },
                        filters,
                        &(MqttHandlers) {
                                        .connected = on_mqtt_connected,
                                        .message = on_mqtt_message,
                                        .drained = on_mqtt_drained,
                        },
                        a);
        return r < 0 ? log_error_errno(r, "Failed to set up the connection to the MQTT broker: %m") : 0;
}

int acs_new(Acs **ret, sd_event *event, const AcsConfig *config) {
        _cleanup_(acs_freep) Acs *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return log_oom();
        a->config = config;
        a->event = sd_event_ref(event);
        (void) pthread_mutex_init(&a->lock, NULL);
        a->context = (ConnectionContext) {
                .authentication = { .realm = config->realm, .basic = config->basic_authentication },
                .database = config->database,
                .linger_usec = config->command_linger * 1000ULL,
                .settings = {
                        .periodic_inform_interval = config->periodic_inform_interval,
                        .compression = config->http_compression,
                        .parameters = config->parameters,
                },
                .notify = notify,
                .userdata = a,
        };
        a->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (a->notice_fd < 0)
                return log_error_errno(-errno, "Failed to start: %m");
        r = store_open(&a->store, config->database);
        if (r < 0)
                return log_error_errno(r, "Failed to open %s: %m", config->database);
        r = connection_requester_new(&a->requester, event, a->store, session_is_needed, a);
        if (r >= 0)
                r = add_sources(a);
        if (r < 0)
                return log_error_errno(r, "Failed to start: %m");
        r = start_server(a);
        if (r >= 0)
                r = start_mqtt(a);
        if (r < 0)
                return r;
        expire_commands(a);
        r = resume_commands(a);
        if (r < 0)
                return log_error_errno(r, "Failed to read the command queue: %m");
        *ret = TAKE_PTR(a);
        return 0;
}

Acs *acs_free(Acs *a) {
        if (!a)
                return NULL;
        (void) server_free(a->server);
        (void) mqtt_client_free(a->mqtt);
        (void) connection_requester_free(a->requester);
        (void) sd_event_source_disable_unref(a->notice_source);
        (void) sd_event_source_disable_unref(a->deadline_source);
        (void) sd_event_source_disable_unref(a->repeat_source);
        (void) sd_event_source_disable_unref(a->prune_source);
        (void) sd_event_source_disable_unref(a->forget_source);
        (void) session_table_free(a->context.sessions);
        (void) nonce_table_free(a->context.authentication.nonces);
        SSL_CTX_free(a->context.tls);
        (void) store_free(a->store);
        (void) safe_close(a->notice_fd);
        (void) strv_free(a->begun);
        (void) strv_free(a->broken);
        (void) pthread_mutex_destroy(&a->lock);
        (void) sd_event_unref(a->event);
        free(a);
        return NULL;
}
