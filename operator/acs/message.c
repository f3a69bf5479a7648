/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <openssl/rand.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/acs/message.h"
#include "operator/common/mqtt-client.h"

static const char *const status_names[_RESULT_STATUS_MAX] = {
        [RESULT_OK] = "ok",
        [RESULT_FAULT] = "fault",
        [RESULT_EXPIRED] = "expired",
        [RESULT_REJECTED] = "rejected",
        [RESULT_UNKNOWN] = "unknown",
};

/* gSOAP hands out what the device wrote; JSON must be UTF-8. */
static json_t *text(const char *s) {
        _cleanup_free_ char *copy = NULL;

        s = strempty(s);
        if (utf8_is_valid(s))
                return json_string_nocheck(s);
        copy = strdup(s);
        if (!copy)
                return NULL;
        for (char *p = copy; *p; p++)
                if ((unsigned char) *p >= 0x80)
                        *p = '?';
        return json_string_nocheck(copy);
}

static int set(json_t *object, const char *key, json_t *value) {
        return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static int set_text(json_t *object, const char *key, const char *value) {
        return set(object, key, text(value));
}

static int new_id(char id[static MESSAGE_ID_SIZE]) {
        uint8_t random[(MESSAGE_ID_SIZE - 1) / 2];

        if (RAND_bytes(random, sizeof(random)) != 1)
                return -EIO;
        (void) format_hex(random, sizeof(random), id);
        return 0;
}

static int add_header(json_t *root, const char *id, int64_t now) {
        char time[DATETIME_SIZE];
        int r;

        r = set_text(root, "id", id);
        return r < 0 ? r : set_text(root, "time", format_datetime(now, time));
}

static int finish(Message *ret, const char *device, TopicKind kind, const char *id, const json_t *root) {
        _cleanup_free_ char *payload = json_dumps(root, JSON_COMPACT);

        if (!payload)
                return -ENOMEM;
        if (strlen(payload) > MQTT_PAYLOAD_MAX)
                return -EMSGSIZE;
        *ret = (Message) { .device = device, .kind = kind, .payload = TAKE_PTR(payload) };
        memcpy(ret->id, id, MESSAGE_ID_SIZE);
        return 0;
}

static int add_values(json_t *root, const char *key, const NameValue *values, size_t n) {
        json_t *object = json_object();
        int r;

        r = set(root, key, object);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (utf8_is_valid(values[i].name))
                        r = set_text(object, values[i].name, values[i].value);
        return r;
}

static int add_names(json_t *root, const ParameterName *names, size_t n) {
        json_t *object = json_object();
        int r;

        r = set(root, "names", object);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (utf8_is_valid(names[i].name))
                        r = set(object, names[i].name, json_boolean(names[i].writable));
        return r;
}

static int add_device(json_t *root, const InformReport *report) {
        json_t *device = json_object();
        int r;

        r = set(root, "device", device);
        if (r >= 0)
                r = set_text(device, "manufacturer", report->manufacturer);
        if (r >= 0)
                r = set_text(device, "oui", report->oui);
        if (r >= 0)
                r = set_text(device, "product_class", report->product_class);
        if (r >= 0)
                r = set_text(device, "serial_number", report->serial_number);
        return r;
}

static int add_events(json_t *root, const InformReport *report) {
        json_t *events = json_array();
        int r;

        r = set(root, "events", events);
        for (size_t i = 0; r >= 0 && i < report->n_events; i++) {
                json_t *event = json_object();

                if (json_array_append_new(events, event) < 0)
                        return -ENOMEM;
                r = set_text(event, "code", report->events[i].name);
                if (r >= 0)
                        r = set_text(event, "command_key", report->events[i].value);
        }
        return r;
}

int message_inform(Message *ret, const InformReport *report, int64_t now) {
        json_auto_t *root = json_object();
        char id[MESSAGE_ID_SIZE];
        int r;

        if (!root)
                return -ENOMEM;
        if (report->id)
                memcpy(id, report->id, MESSAGE_ID_SIZE);
        r = report->id ? 0 : new_id(id);
        if (r >= 0)
                r = add_header(root, id, now);
        if (r >= 0)
                r = set_text(root, "root", report->root);
        if (r >= 0)
                r = add_device(root, report);
        if (r >= 0)
                r = add_events(root, report);
        if (r >= 0)
                r = add_values(root, "parameters", report->parameters, report->n_parameters);
        return r < 0 ? r : finish(ret, report->device, TOPIC_INFORM, id, root);
}

static int add_fault(json_t *root, const Result *result) {
        json_t *fault = json_object(), *parameters;
        int r;

        r = set(root, "fault", fault);
        if (r >= 0)
                r = set(fault, "code", json_integer(result->fault_code));
        if (r >= 0)
                r = set_text(fault, "string", result->fault_string);
        if (r < 0 || result->n_parameter_faults == 0)
                return r;
        parameters = json_array();
        r = set(fault, "parameters", parameters);
        for (size_t i = 0; r >= 0 && i < result->n_parameter_faults; i++) {
                const ParameterFault *f = &result->parameter_faults[i];
                json_t *item = json_object();

                if (json_array_append_new(parameters, item) < 0)
                        return -ENOMEM;
                r = set_text(item, "name", f->name);
                if (r >= 0)
                        r = set(item, "code", json_integer(f->code));
                if (r >= 0)
                        r = set_text(item, "string", f->string);
        }
        return r;
}

int message_result(Message *ret, const Result *result, int64_t now) {
        json_auto_t *root = json_object();
        char id[MESSAGE_ID_SIZE];
        int r;

        if (!root)
                return -ENOMEM;
        r = new_id(id);
        if (r >= 0)
                r = add_header(root, id, now);
        if (r >= 0)
                r = set_text(root, "command", result->command);
        if (r >= 0)
                r = set_text(root, "status", status_names[result->status]);
        if (r >= 0 && result->has_cwmp_status)
                r = set(root, "cwmp_status", json_integer(result->cwmp_status));
        if (r >= 0 && result->values)
                r = add_values(root, "values", result->values, result->n_values);
        if (r >= 0 && result->names)
                r = add_names(root, result->names, result->n_names);
        if (r >= 0 && result->instance > 0)
                r = set(root, "instance", json_integer(result->instance));
        if (r >= 0 && result->status == RESULT_FAULT)
                r = add_fault(root, result);
        if (r >= 0 && result->error)
                r = set_text(root, "error", result->error);
        return r < 0 ? r : finish(ret, result->device, TOPIC_RESULT, id, root);
}

int message_selection(
                const NameValue *parameters, size_t n, const char *root, char *const *names, char **ret) {
        json_auto_t *object = json_object();
        char *selection = NULL;

        if (!object)
                return -ENOMEM;
        for (size_t i = 0; i < n && names; i++) {
                const char *name = startswith(parameters[i].name, root);

                if (name && strv_contains(names, name) &&
                    json_object_set_new(object, name, text(parameters[i].value)) < 0)
                        return -ENOMEM;
        }
        if (json_object_size(object) > 0) {
                selection = json_dumps(object, JSON_COMPACT);
                if (!selection)
                        return -ENOMEM;
        }
        *ret = selection;
        return 0;
}
