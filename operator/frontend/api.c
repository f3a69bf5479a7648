/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "operator/frontend/api-export.h"
#include "operator/frontend/api-handlers.h"
#include "operator/frontend/api-server.h"
#include "operator/frontend/api.h"
#include "operator/common/audit.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/token.h"

#define BEARER "Bearer "

typedef struct Request Request;

/* The UNIX socket, or the network. */
typedef struct Listener {
        Api *api;
        ApiServer *server;
        bool network;
} Listener;

/* One request that is being received, or that waits for a command. */
struct Request {
        Request *next; /* in Api.waiting */
        Listener *listener;
        struct MHD_Connection *connection;
        char *who; /* NULL: not known, so nothing is served but health */
        bool read_only;
        char *body;
        size_t size;
        bool too_large;
        char *awaited; /* suspended until this command or task is finished */
        sd_event_source *timeout_source;
        bool waited;
        Export *export; /* NULL: none */
        int64_t record; /* of the export, in the audit log */
};

struct Api {
        Manager *manager;
        Listener local, network;
        Request *waiting;
};

static void resume(Request *q) {
        for (Request **p = &q->listener->api->waiting; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        break;
                }
        q->timeout_source = sd_event_source_disable_unref(q->timeout_source);
        q->awaited = mfree(q->awaited);
        q->waited = true;
        MHD_resume_connection(q->connection);
        api_server_wake(q->listener->server);
}

static int on_wait_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        resume(userdata);
        return 0;
}

static void on_command_finished(const char *id, void *userdata) {
        Api *a = userdata;

        for (Request *q = a->waiting, *next; q; q = next) {
                next = q->next;
                if (streq(q->awaited, id))
                        resume(q);
        }
}

/* Suspends the request until that is finished or its time is up. False if it cannot. */
static bool wait_for(Request *q, const char *awaited, const char *wait) {
        Api *a = q->listener->api;
        uint32_t seconds;

        if (!wait || parse_uint32(wait, &seconds) < 0 || seconds == 0)
                return false;
        seconds = MIN(seconds, API_WAIT_MAX_SEC);
        if (free_and_strdup(&q->awaited, awaited) < 0)
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

/* Takes the text over. */
static enum MHD_Result send_text(
                struct MHD_Connection *connection, unsigned status, const char *type, char *text) {
        struct MHD_Response *response;
        enum MHD_Result r;

        response = MHD_create_response_from_buffer(
                        text ? strlen(text) : 0,
                        text ?: (void *) "",
                        text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
        if (!response) {
                free(text);
                return MHD_NO;
        }
        (void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        if (status == MHD_HTTP_UNAUTHORIZED)
                (void) MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        r = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result send_json(struct MHD_Connection *connection, unsigned status, json_t *body) {
        char *text = body ? json_dumps(body, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

        json_decref(body);
        return send_text(connection, status, "application/json", text);
}

static enum MHD_Result send_error(struct MHD_Connection *connection, unsigned status, const char *sentence) {
        return send_json(connection, status, json_pack("{s:s}", "error", sentence));
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

static const char *argument(const Request *q, const char *name) {
        return MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result refuse_export(Request *q, int r) {
        unsigned status = r == -ENOENT ? 404 : r == -EAGAIN ? 503 : 500;

        if (status == 500)
                (void) log_error_errno(r, "An export failed: %m");
        if (q->record > 0)
                (void) audit_end(q->listener->api->manager->db, q->record, status);
        q->record = 0;
        return send_error(
                        q->connection,
                        status,
                        status == 404   ? "There is no such subscription, version or path."
                        : status == 503 ? "Too many exports are under way."
                                        : "The storage frontend has a problem; its log says more.");
}

/* "/v1/subscriptions/<name>/archive": the name, which is the caller's; NULL if it is another path. */
static char *archive_of(const char *path) {
        const char *rest = startswith(path, "/v1/subscriptions/"), *slash = rest ? strchr(rest, '/') : NULL;

        return slash && streq(slash, "/archive") ? strndup(rest, (size_t) (slash - rest)) : NULL;
}

/* An archive is not JSON, and does not fit into memory. */
static enum MHD_Result answer_export(Request *q, const char *subscription, const char *path) {
        Manager *m = q->listener->api->manager;
        const ExportRequest request = {
                .subscription = subscription,
                .version = argument(q, "version"),
                .path = argument(q, "path"),
        };
        enum MHD_Result result = MHD_YES;
        int r;

        if (q->export) {
                r = export_respond(q->export, &result);
                return r < 0 ? refuse_export(q, r) : result;
        }
        r = audit_begin(m->db, manager_now(), q->who, "GET", path, NULL, &q->record);
        if (r >= 0)
                r = export_start(&q->export, m, q->listener->server, q->connection, &request);
        return r < 0 ? refuse_export(q, r) : MHD_YES;
}

static enum MHD_Result answer(Request *q, const char *path, const char *method) {
        _cleanup_json_ json_t *body = NULL;
        _cleanup_free_ char *awaited = NULL, *subscription = NULL;
        ApiResponse response;
        ApiRequest request = {
                .method = method,
                .path = path,
                .who = q->who,
                .read_only = q->read_only,
                .device = argument(q, "device"),
                .subscription = argument(q, "subscription"),
                .before = argument(q, "before"),
                .erase = argument(q, "erase"),
        };

        if (!q->who && !streq(path, "/health"))
                return send_error(q->connection, MHD_HTTP_UNAUTHORIZED, "A valid token is needed.");
        subscription = streq(method, "GET") ? archive_of(path) : NULL;
        if (subscription)
                return answer_export(q, subscription, path);
        if (q->too_large)
                return send_error(q->connection, 413, "The request is too large.");
        if (q->size > 0) {
                body = json_loadb(q->body, q->size, JSON_REJECT_DUPLICATES, NULL);
                if (!json_is_object(body))
                        return send_error(q->connection, 400, "The body is not a JSON object.");
        }
        request.body = body;
        api_handle(q->listener->api->manager, &request, &response);
        if (response.text)
                return send_text(q->connection, response.status, "text/plain; version=0.0.4", response.text);
        awaited = response.awaited;
        if (awaited && !q->waited && wait_for(q, awaited, argument(q, "wait"))) {
                json_decref(response.body);
                return MHD_YES;
        }
        return send_json(q->connection, response.status, response.body);
}

/* The account at the other end of the UNIX socket. */
static char *local_user(struct MHD_Connection *connection) {
        const union MHD_ConnectionInfo *info =
                        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct ucred peer = {};
        socklen_t size = sizeof(peer);

        if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return NULL;
        return strfmt("uid %u", (unsigned) peer.uid);
}

static void identify(Request *q) {
        const char *header, *token;
        int r;

        if (!q->listener->network) {
                q->who = local_user(q->connection);
                return;
        }
        header = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
        token = header ? startswith(header, BEARER) : NULL;
        if (!token)
                return;
        r = token_check(q->listener->api->manager->db, token, &q->who, &q->read_only);
        if (r < 0 && r != -ENOENT)
                (void) log_error_errno(r, "Failed to look up a token: %m");
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
                q->listener = userdata;
                q->connection = connection;
                identify(q);
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
        if (q->export && code == MHD_REQUEST_TERMINATED_COMPLETED_OK && q->record > 0)
                (void) audit_end(q->listener->api->manager->db, q->record, 200);
        (void) export_free(q->export);
        (void) sd_event_source_disable_unref(q->timeout_source);
        free(q->awaited);
        free(q->who);
        free(q->body);
        free(q);
        *state = NULL;
}

static int serve(Api *a, Listener *l, int fd, const char *certificate, const char *key) {
        const ApiServerSettings settings = {
                .listen_fd = fd,
                .certificate = certificate,
                .key = key,
                .handler = on_request,
                .completed = on_completed,
                .userdata = l,
        };

        l->api = a;
        return api_server_new(&l->server, a->manager->event, &settings);
}

static int serve_network(Api *a) {
        const FrontendConfig *c = a->manager->config;
        int fd;

        if (c->api_port == 0)
                return 0;
        if (!c->api_certificate && !address_is_loopback(c->api_address))
                return log_error_errno(
                                -EINVAL,
                                "The HTTP API needs a certificate to be served on %s.",
                                c->api_address);
        fd = api_listen(c->api_address, (uint16_t) c->api_port);
        if (fd < 0)
                return log_error_errno(
                                fd, "Failed to listen on %s port %u: %m", c->api_address, c->api_port);
        a->network.network = true;
        return serve(a, &a->network, fd, c->api_certificate, c->api_key);
}

int api_new(Api **ret, Manager *manager, int listen_fd) {
        _cleanup_(api_freep) Api *a = calloc(1, sizeof(*a));
        int r = 0;

        if (!a) {
                (void) safe_close(listen_fd);
                return log_oom();
        }
        a->manager = manager;
        if (listen_fd >= 0)
                r = serve(a, &a->local, listen_fd, NULL, NULL);
        if (r >= 0)
                r = serve_network(a);
        if (r < 0)
                return r;
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
        (void) api_server_free(a->local.server);
        (void) api_server_free(a->network.server);
        return mfree(a);
}
