/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The second half of plan.h: what became of the tasks. */
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/genieacs/device-document.h"
#include "operator/genieacs/plan.h"

/* TR-069, table "Fault Codes" */
#define FAULT_INTERNAL 9002
#define FAULT_INVALID_ARGUMENTS 9003
#define FAULT_INVALID_NAME 9005
#define FAULT_NOT_WRITABLE 9008
/* GenieACS does not read again what is younger than this. */
#define REFRESH_GRACE_MSEC 1000

void outcome_done(Outcome *o) {
        json_decref(o->values);
        json_decref(o->names);
        json_decref(o->faults);
        free(o->text);
        *o = (Outcome) {};
}

static int set_fault(Outcome *o, uint32_t code, const char *text) {
        o->kind = OUTCOME_FAULT;
        o->fault_code = code;
        return free_and_strdup(&o->text, text) < 0 ? -ENOMEM : 0;
}

static int add_parameter_fault(Outcome *o, const char *name, uint32_t code, const char *text) {
        if (!o->faults)
                o->faults = json_array();
        if (json_array_append_new(
                            o->faults,
                            json_pack("{s:s, s:I, s:s}",
                                      "name",
                                      name,
                                      "code",
                                      (json_int_t) code,
                                      "string",
                                      text)) < 0)
                return -ENOMEM;
        return 0;
}

/* As a device refuses a SetParameterValues: one fault for all, with what is wrong with each. */
static int set_refused(Outcome *o, const char *name, uint32_t code, const char *text) {
        int r;

        r = set_fault(o, FAULT_INVALID_ARGUMENTS, "Invalid arguments");
        return r < 0 ? r : add_parameter_fault(o, name, code, text);
}

static int judge_set(const Command *c, Stage stage, const json_t *document, Outcome *o) {
        int r = 0;

        o->kind = stage == STAGE_DISCOVER ? OUTCOME_DISCOVERED : OUTCOME_OK;
        for (size_t i = 0; r >= 0 && i < c->n_values; i++) {
                const CommandValue *v = &c->values[i];
                const json_t *node = document_find(document, v->name);

                if (!json_object_get(node, "_value"))
                        r = set_refused(o, v->name, FAULT_INVALID_NAME, "Invalid parameter name");
                else if (!document_may_be_written(node))
                        r = set_refused(o,
                                        v->name,
                                        FAULT_NOT_WRITABLE,
                                        "Attempt to set a non-writable parameter");
                else if (o->kind == OUTCOME_OK && !document_value_is(node, v))
                        o->kind = OUTCOME_STALE;
        }
        return r;
}

/* Was it read, or set, in a session after the one that was known before? */
static bool is_fresh(const json_t *node, const Before *before, const json_t *document) {
        int64_t read = document_time(node, "_timestamp");

        return read > before->last_inform ||
               read >= document_time(document, "_lastInform") - REFRESH_GRACE_MSEC;
}

static int add_value(const json_t *node, const char *name, Outcome *o) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = document_value(node, &text);
        if (r == -ENOENT)
                return 0; /* named by the device, not read yet */
        return r < 0 || json_object_set_new(o->values, name, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* Calls the function for all nodes below, and for the node itself if it is a parameter; the names of objects
 * end with a dot. Levels are bounded by the length of a name. */
typedef int (*NodeHandler)(const json_t *node, const char *name, Outcome *o);

static int walk(const json_t *node, const char *name, bool next_level, NodeHandler handler, Outcome *o) {
        const char *key;
        json_t *child;
        int r = 0;

        json_object_foreach((json_t *) node, key, child) {
                _cleanup_free_ char *path = NULL;
                bool object;

                if (!document_is_child(key) || !json_is_object(child))
                        continue;
                object = document_is_object(child);
                path = strfmt("%s%s%s", name, key, object ? "." : "");
                if (!path)
                        return -ENOMEM;
                if (strlen(path) > PARAMETER_NAME_LENGTH_MAX)
                        continue;
                r = handler(child, path, o);
                if (r >= 0 && object && !next_level)
                        r = walk(child, path, false, handler, o);
                if (r < 0)
                        return r;
        }
        return r;
}

static int judge_get(const Command *c, const Before *before, const json_t *document, Outcome *o) {
        int r = 0;

        o->kind = OUTCOME_OK;
        o->values = json_object();
        if (!o->values)
                return -ENOMEM;
        STRV_FOREACH(name, c->names) {
                const json_t *node = document_find(document, *name);
                bool partial = endswith(*name, ".");

                if (!node || document_is_object(node) != partial)
                        return set_fault(o, FAULT_INVALID_NAME, "Invalid parameter name");
                if (partial)
                        r = walk(node, *name, false, add_value, o);
                else if (!is_fresh(node, before, document))
                        o->kind = OUTCOME_STALE;
                else
                        r = add_value(node, *name, o);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int judge_add(
                const Command *c, Stage stage, const Before *before, const json_t *document, Outcome *o) {
        const json_t *table = document_find(document, c->object);
        const char *key;
        json_t *value;
        uint32_t number;
        size_t n_new = 0;

        if (!table || !document_is_object(table) || !document_may_be_written(table))
                return set_fault(o, FAULT_INVALID_NAME, "Invalid parameter name");
        if (stage == STAGE_DISCOVER) {
                o->kind = OUTCOME_DISCOVERED;
                return 0;
        }
        json_object_foreach((json_t *) table, key, value)
                if (parse_uint32(key, &number) >= 0 && number > 0 && !json_object_get(before->instances, key)) {
                        o->instance = number;
                        n_new++;
                }
        if (n_new == 1) {
                o->kind = OUTCOME_OK;
                return 0;
        }
        o->instance = 0;
        if (n_new == 0) {
                o->kind = OUTCOME_STALE;
                return 0;
        }
        o->kind = OUTCOME_UNKNOWN;
        return free_and_strdup(&o->text, "several instances are new") < 0 ? -ENOMEM : 0;
}

static int judge_delete(const Command *c, Stage stage, const json_t *document, Outcome *o) {
        const json_t *node = document_find(document, c->object);

        if (stage == STAGE_EXECUTE) {
                o->kind = node ? OUTCOME_STALE : OUTCOME_OK;
                return 0;
        }
        o->kind = OUTCOME_DISCOVERED;
        return node ? 0 : set_fault(o, FAULT_INVALID_NAME, "Invalid parameter name");
}

static int add_name(const json_t *node, const char *name, Outcome *o) {
        bool writable = json_is_true(json_object_get(node, "_writable"));

        return json_object_set_new(o->names, name, json_boolean(writable)) < 0 ? -ENOMEM : 0;
}

/* TR-069, A.3.2.3: the object itself is named unless the next level alone is asked for. */
static int judge_names(const Command *c, const json_t *document, Outcome *o) {
        const json_t *node = document_find(document, c->object);
        int r = 0;

        if (!node || document_is_object(node) != !!endswith(c->object, "."))
                return set_fault(o, FAULT_INVALID_NAME, "Invalid parameter name");
        o->kind = OUTCOME_OK;
        o->names = json_object();
        if (!o->names)
                return -ENOMEM;
        if (!c->next_level)
                r = add_name(node, c->object, o);
        if (r >= 0 && endswith(c->object, "."))
                r = walk(node, c->object, c->next_level, add_name, o);
        return r;
}

static int judge(const Command *c, Stage stage, const Before *before, const json_t *document, Outcome *o) {
        /* A session takes its tasks away before all that it learned is written. */
        if (document_time(document, "_lastInform") <= before->last_inform) {
                o->kind = OUTCOME_STALE;
                return 0;
        }
        switch (c->kind) {
        case COMMAND_SET:
                return judge_set(c, stage, document, o);
        case COMMAND_GET:
                return judge_get(c, before, document, o);
        case COMMAND_ADD:
                return judge_add(c, stage, before, document, o);
        case COMMAND_DELETE:
                return judge_delete(c, stage, document, o);
        case COMMAND_NAMES:
                return judge_names(c, document, o);
        default:
                return 0;
        }
}

int plan_judge(const Command *c, Stage stage, const Before *before, const json_t *document, Outcome *ret) {
        _cleanup_outcome_ Outcome o = {};
        int r;

        r = judge(c, stage, before, document, &o);
        if (r < 0)
                return r;
        *ret = o;
        o = (Outcome) {};
        return 0;
}

/* Codes are texts in GenieACS. */
static uint32_t fault_code(const json_t *fault, uint32_t otherwise) {
        const char *text = json_string_value(json_object_get(fault, "faultCode"));
        uint32_t code;

        return text && parse_uint32(text, &code) >= 0 ? code : otherwise;
}

static int read_parameter_faults(const json_t *detail, Outcome *o) {
        const json_t *list = json_object_get(detail, "setParameterValuesFault");
        const json_t *fault;
        size_t i;
        int r = 0;

        json_array_foreach(list, i, fault) {
                const char *name = json_string_value(json_object_get(fault, "parameterName"));

                if (r >= 0 && name && i < COMMAND_PARAMETERS_MAX)
                        r = add_parameter_fault(
                                        o,
                                        name,
                                        fault_code(fault, FAULT_INTERNAL),
                                        strempty(json_string_value(json_object_get(fault, "faultString"))));
        }
        return r;
}

int plan_read_fault(const json_t *fault, Outcome *ret) {
        _cleanup_outcome_ Outcome o = {};
        const char *code = strempty(json_string_value(json_object_get(fault, "code"))), *number;
        const char *text = strempty(json_string_value(json_object_get(fault, "message")));
        const json_t *detail = json_object_get(fault, "detail");
        uint32_t value = FAULT_INTERNAL;
        int r;

        number = startswith(code, "cwmp.");
        if (!number)
                return 0;
        (void) parse_uint32(number, &value);
        r = set_fault(&o,
                      value,
                      strempty(json_string_value(json_object_get(detail, "faultString")) ?: text));
        if (r >= 0)
                r = read_parameter_faults(detail, &o);
        if (r < 0)
                return r;
        *ret = o;
        o = (Outcome) {};
        return 1;
}

static const char *member(const json_t *object, const char *key) {
        return strempty(json_string_value(json_object_get(object, key)));
}

/* The arrays that message_result() wants, all borrowed from the JSON. */
static int fill_arrays(const Outcome *o, NameValue *values, ParameterName *names, ParameterFault *faults) {
        const char *key;
        json_t *value;
        size_t i = 0;

        if (!values || !names || !faults)
                return -ENOMEM;
        json_object_foreach(o->values, key, value)
                values[i++] = (NameValue) { .name = key, .value = json_string_value(value) };
        i = 0;
        json_object_foreach(o->names, key, value)
                names[i++] = (ParameterName) { .name = key, .writable = json_is_true(value) };
        json_array_foreach(o->faults, i, value)
                faults[i] = (ParameterFault) {
                        .name = member(value, "name"),
                        .string = member(value, "string"),
                        .code = (uint32_t) json_integer_value(json_object_get(value, "code")),
                };
        return 0;
}

int outcome_message(const Outcome *o, const Command *c, const char *device, int64_t now, Message *ret) {
        static const ResultStatus statuses[] = {
                [OUTCOME_OK] = RESULT_OK,
                [OUTCOME_FAULT] = RESULT_FAULT,
                [OUTCOME_REJECTED] = RESULT_REJECTED,
                [OUTCOME_UNKNOWN] = RESULT_UNKNOWN,
        };
        _cleanup_free_ NameValue *values = calloc(json_object_size(o->values) + 1, sizeof(*values));
        _cleanup_free_ ParameterName *names = calloc(json_object_size(o->names) + 1, sizeof(*names));
        _cleanup_free_ ParameterFault *faults = calloc(json_array_size(o->faults) + 1, sizeof(*faults));
        bool ok = o->kind == OUTCOME_OK,
             has_text = o->kind == OUTCOME_REJECTED || o->kind == OUTCOME_UNKNOWN;
        bool has_status = c->kind == COMMAND_SET || c->kind == COMMAND_ADD || c->kind == COMMAND_DELETE;
        Result result = {
                .device = device,
                .command = c->id,
                .status = statuses[o->kind],
                .has_cwmp_status = ok && has_status,
                .values = ok && o->values ? values : NULL,
                .n_values = json_object_size(o->values),
                .names = ok && o->names ? names : NULL,
                .n_names = json_object_size(o->names),
                .instance = ok ? o->instance : 0,
                .fault_code = o->fault_code,
                .fault_string = o->text,
                .parameter_faults = faults,
                .n_parameter_faults = json_array_size(o->faults),
                .error = has_text ? o->text : NULL,
        };
        int r;

        r = fill_arrays(o, values, names, faults);
        return r < 0 ? r : message_result(ret, &result, now);
}
