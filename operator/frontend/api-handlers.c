/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "operator/frontend/administration.h"
#include "operator/frontend/api-handlers.h"
#include "operator/frontend/profile.h"

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
        return administration_remove(m, name, ret_error);
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
        { "POST", "subscriptions", true, "suspend", suspend_subscription },
        { "POST", "subscriptions", true, "resume", resume_subscription },
        { "GET", "devices", false, "", list_devices },
        { "GET", "devices", true, "", show_device },
        { "PUT", "devices", true, "", allow_device },
        { "DELETE", "devices", true, "", remove_device },
        { "POST", "devices", true, "commands", send_command },
        { "GET", "commands", true, "", show_command },
        { "GET", "operations", false, "", list_operations },
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

void api_handle(Manager *m, const ApiRequest *request, ApiResponse *ret) {
        _cleanup_strv_free_ char **words = split_path(request->path);
        _cleanup_free_ char *error = NULL;
        size_t n = strv_length(words);
        bool found = false;
        int r;

        *ret = (ApiResponse){};
        for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
                if (n == 0 || !streq(routes[i].collection, words[0]) || routes[i].named != (n > 1) ||
                    !streq(routes[i].verb, n > 2 ? words[2] : ""))
                        continue;
                found = true;
                if (!streq(routes[i].method, request->method))
                        continue;
                r = routes[i].handler(m, n > 1 ? words[1] : "", request, &ret->body, &error);
                respond(r, error, ret);
                if (routes[i].handler == show_command && ret->status == 200 &&
                    !json_boolean_value(json_object_get(ret->body, "finished")))
                        ret->command = strdup(words[1]);
                return;
        }
        if (found)
                fail(ret, 405, "This resource does not have that method.");
        else
                fail(ret, 404, "There is no such resource.");
}
