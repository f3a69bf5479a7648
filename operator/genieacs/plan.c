/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/genieacs/device-document.h"
#include "operator/genieacs/plan.h"

void before_done(Before *b) {
        json_decref(b->instances);
        *b = (Before) {};
}

static bool is_instance(const char *key) {
        uint32_t n;

        return parse_uint32(key, &n) >= 0 && n > 0;
}

static json_t *instances_of(const json_t *table) {
        json_t *set = json_object(), *value;
        const char *key;

        json_object_foreach((json_t *) table, key, value)
                if (is_instance(key) && json_object_set_new(set, key, json_true()) < 0) {
                        json_decref(set);
                        return NULL;
                }
        return set;
}

int before_take(Before *ret, const Command *c, const json_t *document) {
        Before b = { .last_inform = document_time(document, "_lastInform") };

        if (c->kind == COMMAND_ADD) {
                b.instances = instances_of(document_find(document, c->object));
                if (!b.instances)
                        return -ENOMEM;
        }
        before_done(ret);
        *ret = b;
        return 0;
}

int plan_names(const Command *c, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        int r = 0;

        if (c->object)
                r = strv_extend(&names, c->object);
        STRV_FOREACH(name, c->names)
                if (r >= 0)
                        r = strv_extend(&names, *name);
        for (size_t i = 0; r >= 0 && c->kind == COMMAND_SET && i < c->n_values; i++)
                r = strv_extend(&names, c->values[i].name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

Stage plan_stage(const Command *c, const json_t *document) {
        switch (c->kind) {
        case COMMAND_SET:
                for (size_t i = 0; i < c->n_values; i++)
                        if (!json_object_get(document_find(document, c->values[i].name), "_value"))
                                return STAGE_DISCOVER;
                return STAGE_EXECUTE;
        case COMMAND_ADD:
                return STAGE_DISCOVER;
        case COMMAND_DELETE:
                return document_find(document, c->object) ? STAGE_EXECUTE : STAGE_DISCOVER;
        default:
                return STAGE_EXECUTE;
        }
}

/* Takes over task; NULL counts as -ENOMEM. */
static int add_task(json_t *tasks, json_t *task) {
        return json_array_append_new(tasks, task) < 0 ? -ENOMEM : 0;
}

/* Without the dot at the end, and n levels above. */
static int add_object_task(json_t *tasks, const char *task, const char *object, unsigned levels) {
        size_t n = strlen(object);

        if (n > 0 && object[n - 1] == '.')
                n--;
        for (; levels > 0; levels--)
                while (n > 0 && object[--n] != '.')
                        ;
        return add_task(tasks, json_pack("{s:s, s:s%}", "name", task, "objectName", object, n));
}

static int add_get_task(json_t *tasks, char *const *names) {
        json_auto_t *list = json_array();

        STRV_FOREACH(name, names)
                if (!endswith(*name, ".") && json_array_append_new(list, json_string(*name)) < 0)
                        return -ENOMEM;
        if (!list)
                return -ENOMEM;
        if (json_array_size(list) == 0)
                return 0;
        return add_task(tasks,
                        json_pack("{s:s, s:O}", "name", "getParameterValues", "parameterNames", list));
}

/* A number beyond 2^53 is none in JavaScript. */
static json_t *task_value(const CommandValue *v) {
        int64_t number;
        bool flag;

        if (streq(v->type, "xsd:boolean") && parse_boolean(v->value, &flag) >= 0)
                return json_boolean(flag);
        if ((streq(v->type, "xsd:int") || streq(v->type, "xsd:unsignedInt")) &&
            parse_int64(v->value, &number) >= 0 && number >= INT32_MIN && number <= UINT32_MAX)
                return json_integer(number);
        return json_string(v->value);
}

static int add_set_task(json_t *tasks, const Command *c) {
        json_auto_t *list = json_array();

        for (size_t i = 0; list && i < c->n_values; i++) {
                const CommandValue *v = &c->values[i];
                const char *type = streq(v->type, "SOAP-ENC:base64") ? "xsd:base64" : v->type;

                if (json_array_append_new(list, json_pack("[s, o, s]", v->name, task_value(v), type)) < 0)
                        return -ENOMEM;
        }
        if (!list)
                return -ENOMEM;
        return add_task(tasks,
                        json_pack("{s:s, s:O}", "name", "setParameterValues", "parameterValues", list));
}

static int add_refresh_tasks(json_t *tasks, const Command *c) {
        int r = 0;

        STRV_FOREACH(name, c->names)
                if (r >= 0 && endswith(*name, "."))
                        r = add_object_task(tasks, "refreshObject", *name, 0);
        return r < 0 ? r : add_get_task(tasks, c->names);
}

int plan_tasks(const Command *c, Stage stage, json_t **ret) {
        json_auto_t *tasks = json_array();
        _cleanup_strv_free_ char **names = NULL;
        bool discover = stage == STAGE_DISCOVER;
        int r;

        if (!tasks)
                return -ENOMEM;
        r = plan_names(c, &names);
        if (r < 0)
                return r;
        switch (c->kind) {
        case COMMAND_SET:
                /* GenieACS sends nothing where it believes that the value is there: so it looks first. */
                r = add_get_task(tasks, names);
                if (r >= 0 && !discover)
                        r = add_set_task(tasks, c);
                break;
        case COMMAND_GET:
                r = add_refresh_tasks(tasks, c);
                break;
        case COMMAND_ADD:
                r = add_object_task(tasks, discover ? "refreshObject" : "addObject", c->object, 0);
                break;
        case COMMAND_DELETE:
                r = add_object_task(tasks, discover ? "refreshObject" : "deleteObject", c->object, discover);
                break;
        case COMMAND_NAMES:
                r = add_object_task(tasks, "refreshObject", c->object, 0);
                break;
        default:
                return -EOPNOTSUPP;
        }
        if (r < 0)
                return r;
        *ret = json_incref(tasks);
        return 0;
}
