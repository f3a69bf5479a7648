/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <microhttpd.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "operator/frontend/api-handlers.h"
#include "operator/frontend/api.h"
#include "operator/frontend/profile.h"

#define CONNECTION_TIMEOUT_SEC 30U

typedef struct Request Request;

/* One request that is being received, or that waits for a command. */
struct Request {
        Request *next; /* in Api.waiting */
        Api *api;
        struct MHD_Connection *connection;
        char *body;
        size_t size;
        bool too_large;
        char *command; /* suspended until this one is finished */
        sd_event_source *timeout_source;
        bool waited;
};

struct Api {
        Manager *manager;
        struct MHD_Daemon *daemon;
        sd_event_source *io_source, *timer_source;
        Request *waiting;
};

static void resume(Request *q) {
        for (Request **p = &q->api->waiting; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        q->timeout_source = sd_event_source_disable_unref(q->timeout_source);
        q->command = mfree(q->command);
        q->waited = true;
        MHD_resume_connection(q->connection);
        /* It goes on in the next MHD_run(). */
        (void) sd_event_source_set_time_relative(q->api->timer_source, 0);
        (void) sd_event_source_set_enabled(q->api->timer_source, SD_EVENT_ONESHOT);
}

static int on_wait_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        resume(userdata);
        return 0;
}

static void on_command_finished(const char *id, void *userdata) {
        Api *a = userdata;

        for (Request *q = a->waiting, *next; q; q = next) {
                next = q->next;
                if (streq(q->command, id))
                        resume(q);
        }
}

/* Suspends the request until the command is finished or its time is up. False if it cannot. */
static bool wait_for(Request *q, const char *command, const char *wait) {
        Api *a = q->api;
        uint32_t seconds;

        if (!wait || parse_uint32(wait, &seconds) < 0 || seconds == 0)
                return false;
        seconds = MIN(seconds, API_WAIT_MAX_SEC);
        if (free_and_strdup(&q->command, command) < 0)
                return false;
        if (sd_event_add_time_relative(
                            a->manager->event,
                            &q->timeout_source,
                            CLOCK_MONOTONIC,
                            seconds * 1000000ULL,
                            0,
                            on_wait_timeout,
                            q) < 0)
                return false;
        q->next = a->waiting;
        a->waiting = q;
        MHD_suspend_connection(q->connection);
        return true;
}

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status, json_t *body) {
        char *text = body ? json_dumps(body, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
        struct MHD_Response *response;
        enum MHD_Result r;

        json_decref(body);
        response = MHD_create_response_from_buffer(
                        text ? strlen(text) : 0,
                        text ?: (void *) "",
                        text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
        if (!response) {
                free(text);
                return MHD_NO;
        }
        (void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
        r = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result receive(Request *q, const char *data, size_t *size) {
        char *grown;

        if (q->size + *size > API_BODY_MAX)
                q->too_large = true;
        if (!q->too_large) {
                grown = realloc(q->body, q->size + *size);
                if (!grown)
                        return MHD_NO;
                memcpy(grown + q->size, data, *size);
                q->body = grown;
                q->size += *size;
        }
        *size = 0;
        return MHD_YES;
}

static enum MHD_Result answer(Request *q, const char *path, const char *method) {
        _cleanup_json_ json_t *body = NULL;
        _cleanup_free_ char *command = NULL;
        ApiResponse response;
        ApiRequest request = {
                .method = method,
                .path = path,
                .device = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "device"),
                .wait = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "wait"),
        };

        if (q->too_large)
                return send_response(
                                q->connection,
                                413,
                                json_pack("{s:s}", "error", "The request is too large."));
        if (q->size > 0) {
                body = json_loadb(q->body, q->size, JSON_REJECT_DUPLICATES, NULL);
                if (!json_is_object(body))
                        return send_response(
                                        q->connection,
                                        400,
                                        json_pack("{s:s}", "error", "The body is not a JSON object."));
        }
        request.body = body;
        api_handle(q->api->manager, &request, &response);
        command = response.command;
        if (command && !q->waited && wait_for(q, command, request.wait)) {
                json_decref(response.body);
                return MHD_YES;
        }
        return send_response(q->connection, response.status, response.body);
}

static enum MHD_Result on_request(
                void *userdata,
                struct MHD_Connection *connection,
                const char *path,
                const char *method,
                const char *version,
                const char *data,
                size_t *size,
                void **state) {
        Request *q = *state;

        if (!q) {
                q = calloc(1, sizeof(*q));
                if (!q)
                        return MHD_NO;
                q->api = userdata;
                q->connection = connection;
                *state = q;
                return MHD_YES;
        }
        return *size > 0 ? receive(q, data, size) : answer(q, path, method);
}

static void on_completed(
                void *userdata,
                struct MHD_Connection *connection,
                void **state,
                enum MHD_RequestTerminationCode code) {
        Request *q = *state;

        if (!q)
                return;
        (void) sd_event_source_disable_unref(q->timeout_source);
        free(q->command);
        free(q->body);
        free(q);
        *state = NULL;
}

/* libmicrohttpd may have more to do without a new event: it says when. */
static void run(Api *a) {
        MHD_UNSIGNED_LONG_LONG milliseconds;

        (void) MHD_run(a->daemon);
        if (MHD_get_timeout(a->daemon, &milliseconds) != MHD_YES) {
                (void) sd_event_source_set_enabled(a->timer_source, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time_relative(a->timer_source, milliseconds * 1000);
        (void) sd_event_source_set_enabled(a->timer_source, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        run(userdata);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        run(userdata);
        return 0;
}

int api_new(Api **ret, Manager *manager, int listen_fd) {
        _cleanup_(api_freep) Api *a = calloc(1, sizeof(*a));
        const union MHD_DaemonInfo *info;
        int r;

        if (!a) {
                (void) safe_close(listen_fd);
                return log_oom();
        }
        a->manager = manager;
        a->daemon = MHD_start_daemon(
                        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME,
                        0,
                        NULL,
                        NULL,
                        on_request,
                        a,
                        MHD_OPTION_LISTEN_SOCKET,
                        listen_fd,
                        MHD_OPTION_CONNECTION_LIMIT,
                        API_CONNECTIONS_MAX,
                        MHD_OPTION_CONNECTION_TIMEOUT,
                        CONNECTION_TIMEOUT_SEC,
                        MHD_OPTION_NOTIFY_COMPLETED,
                        on_completed,
                        a,
                        MHD_OPTION_END);
        if (!a->daemon) {
                (void) safe_close(listen_fd);
                return log_error_errno(-EIO, "Failed to start the HTTP server.");
        }
        info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!info)
                return log_error_errno(-EIO, "The HTTP server has no epoll descriptor.");
        r = sd_event_add_io(manager->event, &a->io_source, info->epoll_fd, EPOLLIN, on_io, a);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                manager->event, &a->timer_source, CLOCK_MONOTONIC, 0, 0, on_timer, a);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the HTTP server: %m");
        manager->command_finished = on_command_finished;
        manager->command_finished_userdata = a;
        *ret = TAKE_PTR(a);
        return 0;
}

Api *api_free(Api *a) {
        if (!a)
                return NULL;
        a->manager->command_finished = NULL;
        while (a->waiting)
                resume(a->waiting);
        (void) sd_event_source_disable_unref(a->io_source);
        (void) sd_event_source_disable_unref(a->timer_source);
        if (a->daemon)
                MHD_stop_daemon(a->daemon);
        return mfree(a);
}
