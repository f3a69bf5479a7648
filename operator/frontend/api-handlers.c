/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "operator/frontend/administration.h"
#include "operator/frontend/api-handlers.h"
#include "operator/common/audit.h"
#include "operator/frontend/metrics.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/token.h"

/* name is the element of the path behind the collection, "" for none. 0 with *ret (or without, for 204), or
 * a negative errno with *ret_error for -EINVAL, -ENOENT, -EEXIST. */
typedef int (*Handler)(
                Manager *m, const char *name, const ApiRequest *request, json_t **ret, char **ret_error);

static const char *body_text(const ApiRequest *request, const char *key) {
        return json_string_value(json_object_get(request->body, key));
}

static int list_subscriptions(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return describe_subscriptions(m, ret);
}

static int create_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = administration_create(m, q->body, ret_error);

        return r < 0 ? r : describe_subscription(m, body_text(q, "name"), ret);
}

static int show_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = describe_subscription(m, name, ret);

        if (r == -ENOENT)
                *ret_error = strfmt("There is no subscription %s.", name);
        return r;
}

static int remove_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return administration_remove(m, name, q->erase && streq(q->erase, "true"), ret_error);
}

static int suspend_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = administration_suspend(m, name, true, ret_error);

        return r < 0 ? r : describe_subscription(m, name, ret);
}

static int resume_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = administration_suspend(m, name, false, ret_error);

        return r < 0 ? r : describe_subscription(m, name, ret);
}

static int list_devices(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return describe_devices(m, ret);
}

static int show_device(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = describe_device(m, name, ret);

        if (r == -ENOENT)
                *ret_error = strfmt("No device %s was allowed, and none has sent an Inform.", name);
        return r;
}

static int allow_device(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        const char *subscription = body_text(q, "subscription");
        int r;

        if (!subscription) {
                *ret_error = strdup("\"subscription\" is missing.");
                return *ret_error ? -EINVAL : -ENOMEM;
        }
        r = administration_allow(m, name, subscription, body_text(q, "gateway_name"), ret_error);
        return r < 0 ? r : describe_device(m, name, ret);
}

static int remove_device(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return administration_disallow(m, name, ret_error);
}

static int send_command(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        _cleanup_free_ char *id = NULL;
        int r = administration_command(m, name, q->body, &id, ret_error);

        return r < 0 ? r : describe_command(m, id, ret);
}

static int show_command(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return describe_command(m, name, ret);
}

static int list_operations(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return describe_operations(m, q->device, ret);
}

static int change_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = administration_change(m, name, q->body, ret_error);

        return r < 0 ? r : describe_subscription(m, name, ret);
}

static int order_task(Manager *m, const char *name, const char *kind, json_t **ret, char **ret_error) {
        int64_t id;
        int r = administration_task(m, name, kind, &id, ret_error);

        return r < 0 ? r : describe_task(m, id, ret);
}

static int maintain_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return order_task(m, name, "maintain", ret, ret_error);
}

static int check_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return order_task(m, name, "check", ret, ret_error);
}

static int retain_subscription(
                Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int64_t id;
        int r = administration_retain(m, name, q->body, &id, ret_error);

        return r < 0 ? r : describe_task(m, id, ret);
}

static int publish_files(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return administration_publish(m, q->body, ret, ret_error);
}

static int show_spool(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        _cleanup_free_ char *spool = publish_spool(m);

        *ret = spool ? json_pack("{s:s}", "spool", spool) : NULL;
        return *ret ? 0 : -ENOMEM;
}

static int list_tasks(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return describe_tasks(m, q->subscription, ret);
}

static int show_task(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int64_t id;

        return parse_int64(name, &id) < 0 ? -ENOENT : describe_task(m, id, ret);
}

static int list_audit(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int64_t before = 0;

        if (q->before && parse_int64(q->before, &before) < 0)
                return -EINVAL;
        return audit_describe(m->db, before, ret);
}

static int list_tokens(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        return token_describe(m->db, ret);
}

static int create_token(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        bool read_only = json_boolean_value(json_object_get(q->body, "read_only"));
        char token[TOKEN_SIZE];
        int r;

        if (strlen(name) > TOKEN_NAME_MAX || !utf8_is_valid(name)) {
                *ret_error = strdup("A token's name has at most 64 bytes of UTF-8.");
                return *ret_error ? -EINVAL : -ENOMEM;
        }
        r = token_create(m->db, name, read_only, manager_now(), token);
        if (r == -EEXIST)
                *ret_error = strfmt("There is a token %s.", name);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:s, s:b}", "name", name, "token", token, "read_only", read_only);
        return *ret ? 0 : -ENOMEM;
}

static int remove_token(Manager *m, const char *name, const ApiRequest *q, json_t **ret, char **ret_error) {
        int r = token_remove(m->db, name);

        if (r == -ENOENT)
                *ret_error = strfmt("There is no token %s.", name);
        return r;
}

static const struct {
        const char *method;
        const char *collection;
        bool named;
        const char *verb; /* behind the name */
        Handler handler;
} routes[] = {
        { "GET", "subscriptions", false, "", list_subscriptions },
        { "POST", "subscriptions", false, "", create_subscription },
        { "GET", "subscriptions", true, "", show_subscription },
        { "DELETE", "subscriptions", true, "", remove_subscription },
        { "PATCH", "subscriptions", true, "", change_subscription },
        { "POST", "subscriptions", true, "maintain", maintain_subscription },
        { "POST", "subscriptions", true, "check", check_subscription },
        { "POST", "subscriptions", true, "retain", retain_subscription },
        { "POST", "subscriptions", true, "suspend", suspend_subscription },
        { "POST", "subscriptions", true, "resume", resume_subscription },
        { "GET", "devices", false, "", list_devices },
        { "GET", "devices", true, "", show_device },
        { "PUT", "devices", true, "", allow_device },
        { "DELETE", "devices", true, "", remove_device },
        { "POST", "devices", true, "commands", send_command },
        { "GET", "commands", true, "", show_command },
        { "GET", "operations", false, "", list_operations },
        { "GET", "publications", false, "", show_spool },
        { "POST", "publications", false, "", publish_files },
        { "GET", "tasks", false, "", list_tasks },
        { "GET", "tasks", true, "", show_task },
        { "GET", "audit", false, "", list_audit },
        { "GET", "tokens", false, "", list_tokens },
        { "PUT", "tokens", true, "", create_token },
        { "DELETE", "tokens", true, "", remove_token },
};

static void fail(ApiResponse *ret, unsigned status, const char *sentence) {
        ret->status = status;
        ret->body = json_pack("{s:s}", "error", sentence);
}

static void respond(int r, const char *error, ApiResponse *ret) {
        if (r >= 0) {
                ret->status = ret->body ? 200 : 204;
                return;
        }
        ret->body = NULL;
        switch (r) {
        case -EINVAL:
                fail(ret, 400, error ?: "The request is not understood.");
                break;
        case -ENOENT:
                fail(ret, 404, error ?: "There is no such thing.");
                break;
        case -EEXIST:
                fail(ret, 409, error ?: "It exists already.");
                break;
        default:
                (void) log_error_errno(r, "A request of an administrator failed: %m");
                fail(ret, 500, "The storage frontend has a problem; its log says more.");
        }
}

/* Splits "/v1/<collection>[/<name>[/<verb>]]". NULL if it is not of this form; else the caller's. */
static char **split_path(const char *path) {
        _cleanup_strv_free_ char **words = NULL;
        const char *rest = startswith(path, "/v1/");
        int n = rest ? strv_split(rest, "/", &words) : 0;

        return n >= 1 && n <= 3 ? TAKE_PTR(words) : NULL;
}

/* What may be waited for, if it has not ended. */
static char *awaited(Handler handler, const char *name, const json_t *body) {
        const char *state = strempty(json_string_value(json_object_get(body, "state")));

        if (handler == show_command && !json_boolean_value(json_object_get(body, "finished")))
                return strdup(name);
        if (handler == show_task && !streq(state, "done") && !streq(state, "failed"))
                return strfmt("task-%s", name);
        return NULL;
}

/* The route, or -1; *ret_found tells whether the resource exists, with another method. */
static int find_route(char *const words[], const char *method, bool *ret_found) {
        size_t n = strv_length(words);

        *ret_found = false;
        for (size_t i = 0; n > 0 && i < ELEMENTSOF(routes); i++) {
                if (!streq(routes[i].collection, words[0]) || routes[i].named != (n > 1) ||
                    !streq(routes[i].verb, n > 2 ? words[2] : ""))
                        continue;
                *ret_found = true;
                if (streq(routes[i].method, method))
                        return (int) i;
        }
        return -1;
}

/* With a record of it before and after, unless it only asks. */
static void run_handler(Manager *m, Handler handler, const char *name, const ApiRequest *q, ApiResponse *ret) {
        bool orders = !streq(q->method, "GET");
        _cleanup_free_ char *error = NULL;
        int64_t record = 0;
        int r = 0;

        if (orders)
                r = audit_begin(m->db, manager_now(), q->who, q->method, q->path, q->body, &record);
        if (r >= 0)
                r = handler(m, name, q, &ret->body, &error);
        respond(r, error, ret);
        if (orders && record > 0 && audit_end(m->db, record, ret->status) < 0)
                log_error("The audit log does not have the end of %s %s.", q->method, q->path);
}

void api_handle(Manager *m, const ApiRequest *request, ApiResponse *ret) {
        _cleanup_strv_free_ char **words = split_path(request->path);
        bool found;
        int route = find_route(words, request->method, &found);

        *ret = (ApiResponse){};
        if (streq(request->path, "/metrics") && streq(request->method, "GET")) {
                ret->status = metrics_describe(m, &ret->text) < 0 ? 500 : 200;
                return;
        }
        if (streq(request->path, "/health") && streq(request->method, "GET")) {
                ret->status = frontend_is_healthy(m) ? 200 : 503;
                ret->body = json_pack("{s:b}", "healthy", ret->status == 200);
                return;
        }
        if (route < 0 && found)
                fail(ret, 405, "This resource does not have that method.");
        else if (route < 0)
                fail(ret, 404, "There is no such resource.");
        else if (request->read_only && !streq(request->method, "GET"))
                fail(ret, 403, "This token may only read.");
        else {
                const char *name = strv_length(words) > 1 ? words[1] : "";

                run_handler(m, routes[route].handler, name, request, ret);
                if (ret->status == 200)
                        ret->awaited = awaited(routes[route].handler, name, ret->body);
        }
}
