/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <jansson.h>
#include <stdio.h>

#include "common/base/str.h"
#include "operator/acs/command.h"

static const char *const kind_names[_COMMAND_KIND_MAX] = {
        [COMMAND_SET] = "set",
        [COMMAND_GET] = "get",
        [COMMAND_ADD] = "add",
        [COMMAND_DELETE] = "delete",
        [COMMAND_NAMES] = "names",
        [COMMAND_ATTRIBUTES] = "attributes",
};

/* The types that are named in the message; TR-106 section 3.2 has them all. */
static const struct {
        const char *name, *xsi;
} types[] = {
        { "string", "xsd:string" },
        { "boolean", "xsd:boolean" },
        { "int", "xsd:int" },
        { "unsignedInt", "xsd:unsignedInt" },
        { "long", "xsd:long" },
        { "unsignedLong", "xsd:unsignedLong" },
        { "dateTime", "xsd:dateTime" },
        { "base64", "SOAP-ENC:base64" },
        { "hexBinary", "xsd:hexBinary" },
};

Command *command_free(Command *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_values; i++) {
                free(c->values[i].name);
                free(c->values[i].value);
        }
        free(c->values);
        (void) strv_free(c->names);
        free(c->object);
        free(c->id);
        free(c);
        return NULL;
}

/* A path of identifiers and instance numbers, "A.B.1.C" or, partial, "A.B.1.". */
static bool name_is_valid(const char *s, bool partial) {
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        size_t n = strlen(s);

        if (n == 0 || n > PARAMETER_NAME_LENGTH_MAX || (s[n - 1] == '.') != partial)
                return false;
        while (*s) {
                n = strspn(s, plain);
                if (n == 0)
                        return false;
                s += n;
                if (*s && *s++ != '.')
                        return false;
        }
        return true;
}

static bool instance_is_valid(const char *s) {
        const char *p = s + strlen(s);

        if (!name_is_valid(s, true))
                return false;
        for (p--; p > s && p[-1] >= '0' && p[-1] <= '9'; p--)
                ;
        return p > s && p[-1] == '.' && *p != '.';
}

/* XML 1.0 has no way to write the other control characters, nor U+FFFE and U+FFFF. */
static bool text_is_valid(const char *s) {
        if (strlen(s) > PARAMETER_VALUE_LENGTH_MAX)
                return false;
        for (; *s; s++)
                if (((unsigned char) *s < ' ' && !strchr("\t\n\r", *s)) || startswith(s, "\xef\xbf\xbe") ||
                    startswith(s, "\xef\xbf\xbf"))
                        return false;
        return true;
}

static int refuse(const char **ret_error, const char *why) {
        *ret_error = why;
        return -EINVAL;
}

static const char *type_by_name(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(types[i].name, name))
                        return types[i].xsi;
        return NULL;
}

/* JSON's types stand for the three common ones of CWMP; an object names another. */
static int parse_value(const json_t *v, CommandValue *ret, const char **ret_error) {
        const char *text = json_string_value(v);
        char number[32];

        if (json_is_boolean(v)) {
                ret->type = "xsd:boolean";
                text = json_is_true(v) ? "1" : "0";
        } else if (json_is_integer(v)) {
                if (json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
                        return refuse(ret_error, "a number is no unsignedInt");
                ret->type = "xsd:unsignedInt";
                (void) snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
                text = number;
        } else if (json_is_object(v)) {
                const char *name = json_string_value(json_object_get(v, "type"));

                ret->type = name ? type_by_name(name) : NULL;
                text = json_string_value(json_object_get(v, "value"));
        } else
                ret->type = "xsd:string";
        if (!ret->type || !text || !text_is_valid(text))
                return refuse(ret_error, "a value is not usable");
        ret->value = strdup(text);
        return ret->value ? 0 : -ENOMEM;
}

static int parse_set(const json_t *body, Command *c, const char **ret_error) {
        const char *name;
        json_t *value;
        int r;

        if (json_object_size(body) == 0 || json_object_size(body) > COMMAND_PARAMETERS_MAX)
                return refuse(ret_error, "\"set\" is no object of 1 to 256 parameters");
        c->values = calloc(json_object_size(body), sizeof(CommandValue));
        if (!c->values)
                return -ENOMEM;
        json_object_foreach((json_t *) body, name, value) {
                CommandValue *v = &c->values[c->n_values++];

                if (!name_is_valid(name, false))
                        return refuse(ret_error, "a parameter's name is not valid");
                v->name = strdup(name);
                if (!v->name)
                        return -ENOMEM;
                r = parse_value(value, v, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_get(const json_t *body, Command *c, const char **ret_error) {
        size_t i;
        json_t *item;
        int r;

        if (json_array_size(body) == 0 || json_array_size(body) > COMMAND_PARAMETERS_MAX)
                return refuse(ret_error, "\"get\" is no list of 1 to 256 names");
        json_array_foreach(body, i, item) {
                const char *name = json_string_value(item);

                if (!name || !name_is_valid(name, endswith(name, ".") != NULL))
                        return refuse(ret_error, "a parameter's name is not valid");
                r = strv_extend(&c->names, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_object(const json_t *body, Command *c, const char **ret_error) {
        const char *name = json_string_value(body);

        if (!name || !name_is_valid(name, true) || (c->kind == COMMAND_DELETE && !instance_is_valid(name)))
                return refuse(ret_error, "the object's name is not valid");
        c->object = strdup(name);
        return c->object ? 0 : -ENOMEM;
}

/* A parameter, or an object whose parameters are meant. "" is not understood by every device. */
static int parse_names(const json_t *root, const json_t *body, Command *c, const char **ret_error) {
        const json_t *next_level = json_object_get(root, "next_level");
        const char *name = json_string_value(body);

        if (!name || !name_is_valid(name, endswith(name, ".") != NULL))
                return refuse(ret_error, "the path is not valid");
        if (next_level && !json_is_boolean(next_level))
                return refuse(ret_error, "\"next_level\" is no boolean");
        c->next_level = !json_is_false(next_level);
        /* TR-069, A.3.2.3: a whole name has no next level. */
        if (!endswith(name, "."))
                c->next_level = false;
        c->object = strdup(name);
        return c->object ? 0 : -ENOMEM;
}

static int parse_attributes(const json_t *body, Command *c, const char **ret_error) {
        const char *name;
        json_t *value;

        if (json_object_size(body) == 0 || json_object_size(body) > COMMAND_PARAMETERS_MAX)
                return refuse(ret_error, "\"attributes\" is no object of 1 to 256 parameters");
        c->values = calloc(json_object_size(body), sizeof(CommandValue));
        if (!c->values)
                return -ENOMEM;
        json_object_foreach((json_t *) body, name, value) {
                CommandValue *v = &c->values[c->n_values++];
                json_int_t notification = json_integer_value(value);

                if (!name_is_valid(name, endswith(name, ".") != NULL))
                        return refuse(ret_error, "a parameter's name is not valid");
                /* 0 off, 1 passive, 2 active (TR-069, A.3.2.4) */
                if (!json_is_integer(value) || notification < 0 || notification > 2)
                        return refuse(ret_error, "a notification is 0, 1 or 2");
                v->name = strdup(name);
                v->value = strfmt("%u", (unsigned) notification);
                if (!v->name || !v->value)
                        return -ENOMEM;
        }
        return 0;
}

static int parse_body(const json_t *root, Command *c, const char **ret_error) {
        const json_t *body = NULL;
        const json_t *expires = json_object_get(root, "expires"), *more = json_object_get(root, "more");

        for (CommandKind k = 0; k < _COMMAND_KIND_MAX; k++) {
                const json_t *found = json_object_get(root, kind_names[k]);

                if (found && body)
                        return refuse(ret_error, "more than one of set, get, add, delete, names, attributes");
                if (found) {
                        body = found;
                        c->kind = k;
                }
        }
        if (!body)
                return refuse(ret_error, "none of set, get, add, delete, names, attributes");
        if (expires) {
                json_int_t seconds = json_integer_value(expires);

                if (seconds <= 0 || seconds > UINT32_MAX)
                        return refuse(ret_error, "\"expires\" is no number of seconds");
                c->expires = (uint32_t) seconds;
        }
        if (more && !json_is_boolean(more))
                return refuse(ret_error, "\"more\" is no boolean");
        c->more = json_is_true(more);
        switch (c->kind) {
        case COMMAND_SET:
                return parse_set(body, c, ret_error);
        case COMMAND_GET:
                return parse_get(body, c, ret_error);
        case COMMAND_ADD:
        case COMMAND_DELETE:
                return parse_object(body, c, ret_error);
        case COMMAND_NAMES:
                return parse_names(root, body, c, ret_error);
        case COMMAND_ATTRIBUTES:
                return parse_attributes(body, c, ret_error);
        case _COMMAND_KIND_MAX:
                break;
        }
        return -EINVAL;
}

static bool id_is_valid(const char *id) {
        size_t n = strlen(id);

        if (n == 0 || n > COMMAND_ID_LENGTH_MAX)
                return false;
        for (; *id; id++)
                if (*id <= ' ' || *id == 0x7f)
                        return false;
        return true;
}

int command_parse(const char *payload, size_t size, Command **ret, char **ret_id, const char **ret_error) {
        json_auto_t *root = json_loadb(payload, size, JSON_REJECT_DUPLICATES, NULL);
        _cleanup_(command_freep) Command *c = NULL;
        const char *id = json_string_value(json_object_get(root, "id"));
        int r;

        *ret_id = NULL;
        *ret_error = "no JSON object with an id";
        if (!id || !id_is_valid(id))
                return -EINVAL;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->id = strdup(id);
        if (!c->id)
                return -ENOMEM;
        r = parse_body(root, c, ret_error);
        if (r < 0) {
                *ret_id = TAKE_PTR(c->id);
                return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

int cancel_parse(const char *payload, size_t size, char **ret_id) {
        json_auto_t *root = json_loadb(payload, size, JSON_REJECT_DUPLICATES, NULL);
        const char *id = json_string_value(json_object_get(root, "id"));
        char *copy;

        if (!id || !id_is_valid(id) || !json_is_true(json_object_get(root, "cancel")))
                return -EINVAL;
        copy = strdup(id);
        if (!copy)
                return -ENOMEM;
        *ret_id = copy;
        return 0;
}

int ack_parse(const char *payload, size_t size, char ***ret) {
        json_auto_t *root = json_loadb(payload, size, JSON_REJECT_DUPLICATES, NULL);
        _cleanup_strv_free_ char **ids = NULL;
        const json_t *list = json_object_get(root, "ids");
        size_t i;
        json_t *item;
        int r;

        if (!json_is_array(list))
                return -EINVAL;
        json_array_foreach(list, i, item) {
                if (!json_is_string(item))
                        return -EINVAL;
                r = strv_extend(&ids, json_string_value(item));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(ids);
        return 0;
}
