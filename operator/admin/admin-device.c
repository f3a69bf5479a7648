/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/admin/admin.h"
#include "operator/admin/output.h"

static const char *const device_columns[] = {
        "device", "state", "subscription", "gateway_name", "status", "revision", "operation", "seen", NULL,
};
static const char *const operation_columns[] = { "device", "opseq",   "kind",     "wanted",
                                                 "state",  "created", "finished", NULL };

/* "/v1/devices/<device><suffix>" */
static char *device_path(const char *device, const char *suffix) {
        _cleanup_free_ char *escaped = client_escape(device);

        return escaped ? strfmt("/v1/devices/%s%s", escaped, suffix) : NULL;
}

/* "<type>:<value>" or text, as docs/mqtt.md has values. Without a type, digits are an unsignedInt, true and
 * false a boolean, and all else a string. NULL if it is not a value of its type. */
static json_t *parse_value(const char *text) {
        static const char *const types[] = {
                "int", "dateTime", "base64", "long", "unsignedLong", "hexBinary"
        };
        const char *value;
        uint32_t number;
        bool b;

        if ((value = startswith(text, "string:")))
                return json_string(value);
        if ((value = startswith(text, "boolean:")))
                return parse_boolean(value, &b) < 0 ? NULL : json_boolean(b);
        if ((value = startswith(text, "unsignedInt:")))
                return parse_uint32(value, &number) < 0 ? NULL : json_integer(number);
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                value = startswith(text, types[i]);
                if (value && value[0] == ':')
                        return json_pack("{s:s, s:s}", "type", types[i], "value", value + 1);
        }
        if (streq(text, "true") || streq(text, "false"))
                return json_boolean(text[0] == 't');
        return parse_uint32(text, &number) >= 0 ? json_integer(number) : json_string(text);
}

/* The command in the form of docs/mqtt.md. NULL if the arguments are not one. */
static json_t *parse_command(const char *verb, int argc, char *argv[]) {
        _cleanup_json_ json_t *operand = NULL;

        if (streq(verb, "add") || streq(verb, "delete") || streq(verb, "names"))
                return argc == 1 ? json_pack("{s:s}", verb, argv[0]) : NULL;
        operand = streq(verb, "get") ? json_array() : json_object();
        for (int i = 0; i < argc; i++) {
                char *equals = strchr(argv[i], '=');

                if (streq(verb, "get")) {
                        if (json_array_append_new(operand, json_string(argv[i])) < 0)
                                return NULL;
                        continue;
                }
                if (!equals)
                        return NULL;
                *equals = 0;
                if (json_object_set_new(operand, argv[i], parse_value(equals + 1)) < 0)
                        return NULL;
        }
        return argc > 0 ? json_pack("{s:O}", verb, operand) : NULL;
}

/* Why the device, or the ACS, did not do it: a sentence, and one for each parameter that was at fault. */
static void print_refusal(const char *status, const json_t *result) {
        const json_t *fault = json_object_get(result, "fault"),
                     *parameters = json_object_get(fault, "parameters");
        size_t i;
        json_t *p;

        if (!fault) {
                log_error("%s: %s", status, strempty(json_string_value(json_object_get(result, "error"))));
                return;
        }
        log_error("%s: %lli %s",
                  status,
                  (long long) json_integer_value(json_object_get(fault, "code")),
                  strempty(json_string_value(json_object_get(fault, "string"))));
        json_array_foreach(parameters, i, p)
                        log_error("  %s: %lli %s",
                                  strempty(json_string_value(json_object_get(p, "name"))),
                                  (long long) json_integer_value(json_object_get(p, "code")),
                                  strempty(json_string_value(json_object_get(p, "string"))));
}

static int show_result(const Options *o, const json_t *answer) {
        const json_t *result = json_object_get(answer, "result");
        const char *status = strempty(json_string_value(json_object_get(result, "status")));
        const json_t *values = json_object_get(result, "values") ?: json_object_get(result, "names");

        if (o->json)
                (void) show(o, result, NULL);
        else if (values)
                print_object(values);
        else if (json_object_get(result, "instance"))
                printf("%lld\n", (long long) json_integer_value(json_object_get(result, "instance")));
        if (streq(status, "ok"))
                return EXIT_SUCCESS;
        print_refusal(status, result);
        return EXIT_REFUSED;
}

static int send_command(const char *verb, int argc, char *argv[], const Options *o) {
        _cleanup_json_ json_t *command = parse_command(verb, argc - 1, argv + 1), *ordered = NULL,
                              *answer = NULL;
        _cleanup_free_ char *path = device_path(argv[0], "/commands"), *wait = NULL;
        int r;

        if (!command)
                return usage("device: not the arguments of this verb");
        if (!path)
                return EXIT_REFUSED;
        r = request(o, "POST", path, command, &ordered);
        if (r != EXIT_SUCCESS || !o->wait)
                return r == EXIT_SUCCESS ? show(o, ordered, NULL) : r;
        wait = strfmt("/v1/commands/%s?wait=%u",
                      strempty(json_string_value(json_object_get(ordered, "id"))),
                      o->wait_sec);
        if (!wait)
                return EXIT_REFUSED;
        r = request(o, "GET", wait, NULL, &answer);
        if (r != EXIT_SUCCESS)
                return r;
        if (json_is_true(json_object_get(answer, "finished")))
                return show_result(o, answer);
        log_error("No result within %u seconds; the device gets the command when it next answers.",
                  o->wait_sec);
        return EXIT_TIMEOUT;
}

static int allow(const char *device, const Options *o) {
        _cleanup_json_ json_t *body = NULL, *answer = NULL;
        _cleanup_free_ char *path = device_path(device, "");
        int r;

        if (!o->subscription)
                return usage("device allow: --subscription is needed");
        body = json_pack("{s:s, s:s*}", "subscription", o->subscription, "gateway_name", o->name);
        if (!body || !path)
                return usage("a name is not UTF-8");
        r = request(o, "PUT", path, body, &answer);
        return r == EXIT_SUCCESS ? show(o, answer, device_columns) : r;
}

int verb_device(int argc, char *argv[], const Options *o) {
        _cleanup_json_ json_t *answer = NULL;
        _cleanup_free_ char *path = NULL;
        const char *verb = argv[0];
        int r;

        if (streq(verb, "list") && argc == 1) {
                r = request(o, "GET", "/v1/devices", NULL, &answer);
                return r == EXIT_SUCCESS ? show(o, answer, device_columns) : r;
        }
        if (argc < 2)
                return usage("device: a verb and a DEVICE are needed");
        if (streq(verb, "get") || streq(verb, "set") || streq(verb, "add") || streq(verb, "delete") ||
            streq(verb, "names") || streq(verb, "attributes"))
                return send_command(verb, argc - 1, argv + 1, o);
        if (argc != 2)
                return usage("device: too many arguments");
        if (streq(verb, "allow"))
                return allow(argv[1], o);
        path = device_path(argv[1], "");
        if (!path)
                return EXIT_REFUSED;
        if (streq(verb, "show"))
                r = request(o, "GET", path, NULL, &answer);
        else if (streq(verb, "remove"))
                r = request(o, "DELETE", path, NULL, &answer);
        else
                return usage("device: unknown verb");
        return r == EXIT_SUCCESS && answer ? show(o, answer, device_columns) : r;
}

int verb_operation(int argc, char *argv[], const Options *o) {
        _cleanup_json_ json_t *answer = NULL;
        _cleanup_free_ char *device = NULL, *path = NULL;
        int r;

        if (argc != 1 || !streq(argv[0], "list"))
                return usage("operation: the verb is list");
        device = o->device ? client_escape(o->device) : NULL;
        path = o->device ? strfmt("/v1/operations?device=%s", strempty(device)) : strdup("/v1/operations");
        if (!path)
                return EXIT_REFUSED;
        r = request(o, "GET", path, NULL, &answer);
        return r == EXIT_SUCCESS ? show(o, answer, operation_columns) : r;
}
