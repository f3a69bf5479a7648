/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <sys/random.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/admin/admin.h"

#define PASSWORD_LINE_MAX 256U
/* 16 of 57 characters: 93 bits. Without those that are misread when written down. */
#define PASSWORD_LENGTH 16U

static const char *const columns[] = { "name", "state", "username", "revision", "devices", "created", NULL };

static int make_password(char ret[static PASSWORD_LENGTH + 1]) {
        static const char alphabet[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        size_t n = 0;

        while (n < PASSWORD_LENGTH) {
                uint8_t byte;

                if (getrandom(&byte, 1, 0) != 1)
                        return -EIO;
                /* The rest of the range would favour the first letters. */
                if (byte < 256 / (sizeof(alphabet) - 1) * (sizeof(alphabet) - 1))
                        ret[n++] = alphabet[byte % (sizeof(alphabet) - 1)];
        }
        ret[n] = 0;
        return 0;
}

static int read_password(char ret[static PASSWORD_LINE_MAX]) {
        if (!fgets(ret, PASSWORD_LINE_MAX, stdin))
                return -ENODATA;
        ret[strcspn(ret, "\n")] = 0;
        return 0;
}

/* *ret is the caller's; NULL if no quota was given. 0 or -EINVAL. */
static int read_quota(const Options *o, json_t **ret) {
        int64_t mib;

        if (!o->quota)
                return 0;
        if (streq(o->quota, "default"))
                mib = -1;
        else if (parse_int64(o->quota, &mib) < 0 || mib < 0)
                return -EINVAL;
        *ret = json_integer(mib);
        return 0;
}

/* Sends the change as PATCH. */
static int change(const char *name, const Options *o) {
        _cleanup_json_ json_t *body = NULL, *quota = NULL, *answer = NULL;
        _cleanup_free_ char *escaped = client_escape(name), *path = NULL;
        char password[PASSWORD_LINE_MAX];
        int r;

        if (read_quota(o, &quota) < 0)
                return usage("--quota is a number of MiB, 0 for no limit, or \"default\"");
        if (o->password_stdin && read_password(password) < 0)
                return usage("there is no password");
        path = escaped ? strfmt("/v1/subscriptions/%s", escaped) : NULL;
        body =
                        json_pack("{s:O*, s:s*, s:s*, s:s*}",
                                  "quota_mib",
                                  quota,
                                  "retention",
                                  o->retention,
                                  "username",
                                  o->user,
                                  "password",
                                  o->password_stdin ? password : NULL);
        if (!path || !body)
                return EXIT_REFUSED;
        r = request(o, "PATCH", path, body, &answer);
        return r == EXIT_SUCCESS ? show(o, answer, columns) : r;
}

static int create(const char *name, const Options *o) {
        _cleanup_json_ json_t *body = NULL, *profile = NULL, *quota = NULL, *answer = NULL;
        char password[PASSWORD_LINE_MAX];
        json_error_t error;
        int r;

        if ((o->password_stdin ? read_password(password) : make_password(password)) < 0)
                return usage("there is no password");
        if (read_quota(o, &quota) < 0)
                return usage("--quota is a number of MiB, 0 for no limit, or \"default\"");
        if (o->profile) {
                profile = json_load_file(o->profile, JSON_REJECT_DUPLICATES, &error);
                if (!profile) {
                        log_error("%s:%i: %s", o->profile, error.line, error.text);
                        return EXIT_USAGE;
                }
        }
        body =
                        json_pack("{s:s, s:s, s:s*, s:O*, s:O*, s:s*}",
                                  "name",
                                  name,
                                  "password",
                                  password,
                                  "username",
                                  o->user,
                                  "profile",
                                  profile,
                                  "quota_mib",
                                  quota,
                                  "retention",
                                  o->retention);
        if (!body)
                return usage("the name or the password is not UTF-8");
        r = request(o, "POST", "/v1/subscriptions", body, &answer);
        if (r != EXIT_SUCCESS)
                return r;
        if (!o->password_stdin && json_object_set_new(answer, "password", json_string(password)) < 0)
                return EXIT_REFUSED;
        return show(o, answer, columns);
}

/* Orders it; the task is the caller's. */
static int order_retention(const char *name, const Options *o, json_t **ret) {
        _cleanup_free_ char *escaped = client_escape(name), *path = NULL;
        _cleanup_json_ json_t *body = NULL;

        path = escaped ? strfmt("/v1/subscriptions/%s/retain", escaped) : NULL;
        body = json_pack("{s:b, s:b, s:s*}", "dry_run", o->dry_run, "now", o->now, "policy", o->retention);
        return path && body ? request(o, "POST", path, body, ret) : EXIT_REFUSED;
}

/* One subscription that refuses does not keep the others. */
static int retain_all(const Options *o) {
        _cleanup_json_ json_t *all = NULL, *tasks = json_array(), *ids = json_array();
        json_t *subscription;
        size_t i;
        int r, worst;

        worst = request(o, "GET", "/v1/subscriptions", NULL, &all);
        json_array_foreach(all, i, subscription) {
                const char *name = strempty(json_string_value(json_object_get(subscription, "name")));
                json_t *task = NULL;

                r = order_retention(name, o, &task);
                worst = MAX(worst, r);
                if (task && (json_array_append(ids, json_object_get(task, "id")) < 0 ||
                             json_array_append_new(tasks, task) < 0))
                        return EXIT_REFUSED;
        }
        r = o->wait ? follow_tasks(o, ids) : show(o, tasks, task_columns);
        return MAX(worst, r);
}

static int retain(const char *name, const Options *o) {
        _cleanup_json_ json_t *task = NULL;
        int r = order_retention(name, o, &task);

        return r == EXIT_SUCCESS ? follow_task(o, task) : r;
}

int verb_subscription(int argc, char *argv[], const Options *o) {
        static const struct {
                const char *verb, *method, *suffix;
                bool task;
        } verbs[] = {
                { "show", "GET", "", false },
                { "suspend", "POST", "/suspend", false },
                { "resume", "POST", "/resume", false },
                { "check", "POST", "/check", true },
                { "maintain", "POST", "/maintain", true },
                { "remove", "DELETE", "", false },
        };
        _cleanup_json_ json_t *answer = NULL;
        _cleanup_free_ char *name = NULL, *path = NULL;
        int r;

        if (streq(argv[0], "list") && argc == 1) {
                r = request(o, "GET", "/v1/subscriptions", NULL, &answer);
                return r == EXIT_SUCCESS ? show(o, answer, columns) : r;
        }
        if (streq(argv[0], "retain") && o->all)
                return argc == 1 ? retain_all(o) : usage("subscription retain: a NAME, or --all");
        if (argc != 2)
                return usage("subscription: a verb and a NAME are needed");
        if (streq(argv[0], "create"))
                return create(argv[1], o);
        if (streq(argv[0], "set"))
                return change(argv[1], o);
        if (streq(argv[0], "retain"))
                return retain(argv[1], o);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (!streq(argv[0], verbs[i].verb))
                        continue;
                name = client_escape(argv[1]);
                path = name ? strfmt("/v1/subscriptions/%s%s%s",
                                     name,
                                     verbs[i].suffix,
                                     o->erase && streq(argv[0], "remove") ? "?erase=true" : "")
                            : NULL;
                if (!path)
                        return EXIT_REFUSED;
                r = request(o, verbs[i].method, path, NULL, &answer);
                if (r == EXIT_SUCCESS && verbs[i].task)
                        return follow_task(o, answer);
                return r == EXIT_SUCCESS && answer ? show(o, answer, columns) : r;
        }
        return usage("subscription: unknown verb");
}
