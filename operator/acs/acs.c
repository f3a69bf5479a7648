/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/acs/acs.h"
#include "operator/acs/connection-request.h"
#include "operator/acs/queue.h"
#include "operator/acs/server.h"

#define USEC_PER_SEC 1000000ULL
#define ACCURACY_USEC 100000ULL

struct Acs {
        const AcsConfig *config;
        sd_event *event;
        ConnectionContext context;
        atomic_uint n_large;
        Store *store;
        Server *server;
        Queue *queue;
        ConnectionRequester *requester;
        sd_event_source *notice_source, *collect_source;
        /* Filled by the threads, emptied by the loop. */
        pthread_mutex_t lock;
        int notice_fd;
        char **begun, **broken;
};

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
static void serve_device(const char *device, void *userdata) {
        Acs *a = userdata;

        if (!session_table_wake(a->context.sessions, device))
                (void) connection_requester_ask(a->requester, device);
}

/* Devices that went away in the middle of a session and did not come back. */
static int on_collect(sd_event_source *s, uint64_t usec, void *userdata) {
        Acs *a = userdata;
        _cleanup_strv_free_ char **devices = NULL;

        if (session_table_collect(a->context.sessions, &devices) >= 0)
                STRV_FOREACH(device, devices)
                        if (session_is_needed(*device, a))
                                serve_device(*device, a);
        (void) sd_event_source_set_time_relative(s, COLLECT_INTERVAL_SEC * USEC_PER_SEC);
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
                        serve_device(*device, a);
        queue_flush(a->queue);
        return 0;
}

static int add_sources(Acs *a) {
        int r;

        r = sd_event_add_io(a->event, &a->notice_source, a->notice_fd, EPOLLIN, on_notice, a);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                a->event,
                                &a->collect_source,
                                CLOCK_MONOTONIC,
                                COLLECT_INTERVAL_SEC * USEC_PER_SEC,
                                ACCURACY_USEC,
                                on_collect,
                                a);
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
        r = server_new(&a->server, &a->context, c->workers);
        if (r >= 0 && c->port > 0)
                r = server_listen(a->server, c->listen, (uint16_t) c->port, true);
        if (r >= 0 && c->http_port > 0)
                r = server_listen(a->server, c->listen, (uint16_t) c->http_port, false);
        return r < 0 ? log_error_errno(r, "Failed to listen: %m") : 0;
}

static int start_queue(Acs *a) {
        const MqttSettings settings = broker_config_settings(&a->config->broker, ACS_CLIENT_ID);

        return queue_new(
                        &a->queue,
                        a->event,
                        a->store,
                        &settings,
                        &(QueueHandlers) { .serve = serve_device },
                        a);
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
                .n_large = &a->n_large,
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
                r = start_queue(a);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

Acs *acs_free(Acs *a) {
        if (!a)
                return NULL;
        (void) server_free(a->server);
        (void) queue_free(a->queue);
        (void) connection_requester_free(a->requester);
        (void) sd_event_source_disable_unref(a->notice_source);
        (void) sd_event_source_disable_unref(a->collect_source);
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
