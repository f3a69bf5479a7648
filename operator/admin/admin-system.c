/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks, the audit log, tokens. */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/admin/admin.h"

const char *const task_columns[] = { "id",      "subscription", "kind", "state",
                                            "created", "finished",     NULL };
static const char *const audit_columns[] = { "time", "who", "method", "path", "status", "detail", NULL };
static const char *const token_columns[] = { "name", "read_only", "created", NULL };

/* Gets a list and shows it. */
static int list(const Options *o, const char *path, const char *const columns[]) {
        _cleanup_json_ json_t *answer = NULL;
        int r = request(o, "GET", path, NULL, &answer);

        return r == EXIT_SUCCESS ? show(o, answer, columns) : r;
}

/* Waits for the end of the task, which is the caller's. An exit code. */
static int await_task(const Options *o, const json_t *id, json_t **ret) {
        _cleanup_json_ json_t *task = NULL;
        _cleanup_free_ char *path =
                        strfmt("/v1/tasks/%lld?wait=%u", (long long) json_integer_value(id), o->wait_sec);
        const char *state;
        int r;

        r = path ? request(o, "GET", path, NULL, &task) : EXIT_REFUSED;
        if (r != EXIT_SUCCESS)
                return r;
        state = strempty(json_string_value(json_object_get(task, "state")));
        r = streq(state, "done") ? EXIT_SUCCESS : streq(state, "failed") ? EXIT_REFUSED : EXIT_TIMEOUT;
        if (r == EXIT_TIMEOUT)
                log_error("Not done within %u seconds; it goes on, see \"task list\".", o->wait_sec);
        *ret = TAKE_PTR(task);
        return r;
}

int follow_task(const Options *o, const json_t *ordered) {
        _cleanup_json_ json_t *task = NULL;
        int r;

        if (!o->wait)
                return show(o, ordered, NULL);
        r = await_task(o, json_object_get(ordered, "id"), &task);
        if (task)
                (void) show(o, task, NULL);
        return r;
}

int follow_tasks(const Options *o, const json_t *ids) {
        _cleanup_json_ json_t *all = json_array();
        json_t *id;
        size_t i;
        int worst = EXIT_SUCCESS;

        json_array_foreach((json_t *) ids, i, id) {
                json_t *task = NULL;
                int r = await_task(o, id, &task);

                worst = r > worst ? r : worst;
                if (task)
                        (void) json_array_append_new(all, task);
        }
        (void) show(o, all, task_columns);
        return worst;
}

int verb_task(int argc, char *argv[], const Options *o) {
        _cleanup_free_ char *subscription = NULL, *path = NULL;

        if (argc == 2 && streq(argv[0], "show")) {
                path = strfmt("/v1/tasks/%s", argv[1]);
                return path ? list(o, path, NULL) : EXIT_REFUSED;
        }
        if (argc != 1 || !streq(argv[0], "list"))
                return usage("task: the verbs are list, show ID");
        subscription = client_escape(strempty(o->subscription));
        path = strfmt("/v1/tasks%s%s", o->subscription ? "?subscription=" : "", strempty(subscription));
        return path ? list(o, path, task_columns) : EXIT_REFUSED;
}

int verb_audit(int argc, char *argv[], const Options *o) {
        _cleanup_free_ char *path = strfmt("/v1/audit?before=%s", o->before ?: "0");

        if (argc != 1 || !streq(argv[0], "list"))
                return usage("audit: the verb is list");
        return path ? list(o, path, audit_columns) : EXIT_REFUSED;
}

int verb_token(int argc, char *argv[], const Options *o) {
        _cleanup_json_ json_t *body = NULL, *answer = NULL;
        _cleanup_free_ char *name = NULL, *path = NULL;
        int r;

        if (argc == 1 && streq(argv[0], "list"))
                return list(o, "/v1/tokens", token_columns);
        if (argc != 2)
                return usage("token: the verbs are list, create NAME, remove NAME");
        name = client_escape(argv[1]);
        path = name ? strfmt("/v1/tokens/%s", name) : NULL;
        body = json_pack("{s:b}", "read_only", o->read_only);
        if (!path || !body)
                return EXIT_REFUSED;
        if (streq(argv[0], "create"))
                r = request(o, "PUT", path, body, &answer);
        else if (streq(argv[0], "remove"))
                r = request(o, "DELETE", path, NULL, &answer);
        else
                return usage("token: unknown verb");
        return r == EXIT_SUCCESS && answer ? show(o, answer, token_columns) : r;
}
