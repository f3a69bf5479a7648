/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/frontend/profile.h"

/* Marks in "learned"; a variable's name cannot contain a blank. */
#define MARK_GET "get done"
#define MARK_SET "set done"

static bool name_is_valid(const char *s) {
        return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(s);
}

static int bad(char **ret_error, const char *what, const char *key) {
        *ret_error = strfmt("%s: %s", key, what);
        return *ret_error ? -EINVAL : -ENOMEM;
}

static int check_section(json_t *profile, const char *section, bool typed, char **ret_error) {
        json_t *object = json_object_get(profile, section), *value;
        const char *key;

        if (object && !json_is_object(object))
                return bad(ret_error, "is not an object", section);
        json_object_foreach(object, key, value) {
                if (!typed && !name_is_valid(key))
                        return bad(ret_error, "is not a name (a-z, 0-9, _)", key);
                if (json_is_string(value))
                        continue;
                if (typed && json_is_object(value) && json_is_string(json_object_get(value, "type")) &&
                    json_is_string(json_object_get(value, "value")))
                        continue;
                if (typed &&
                    (json_is_boolean(value) || (json_is_integer(value) && json_integer_value(value) >= 0)))
                        continue;
                return bad(ret_error, "has a value of the wrong type", key);
        }
        return 0;
}

static int check_adds(json_t *profile, char **ret_error) {
        json_t *adds = json_object_get(profile, "add"), *add;
        size_t i;

        if (adds && (!json_is_array(adds) || json_array_size(adds) > PROFILE_ADDS_MAX))
                return bad(ret_error, "is not an array of a reasonable size", "add");
        json_array_foreach(adds, i, add) {
                const char *name = json_string_value(json_object_get(add, "name"));
                const char *object = json_string_value(json_object_get(add, "object"));

                if (!name || !name_is_valid(name))
                        return bad(ret_error, "an entry has no name (a-z, 0-9, _)", "add");
                if (!object || !endswith(object, "."))
                        return bad(ret_error,
                                   "\"object\" is not an object's name, which ends in a dot",
                                   name);
        }
        return 0;
}

int profile_parse(const char *text, json_t **ret, char **ret_error) {
        _cleanup_json_ json_t *profile = NULL;
        json_error_t error;
        int r;

        profile = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!profile) {
                *ret_error = strfmt("line %i: %s", error.line, error.text);
                return *ret_error ? -EINVAL : -ENOMEM;
        }
        if (!json_is_object(profile))
                return bad(ret_error, "is not an object", "profile");
        r = check_section(profile, "variables", false, ret_error);
        if (r >= 0)
                r = check_section(profile, "get", false, ret_error);
        if (r >= 0)
                r = check_adds(profile, ret_error);
        if (r >= 0)
                r = check_section(profile, "set", true, ret_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(profile);
        return 0;
}

int profile_load(const char *path, json_t **ret, char **ret_error) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = read_file(AT_FDCWD, path, PROFILE_FILE_MAX, &text, NULL);
        if (r < 0)
                return r;
        return profile_parse(text, ret, ret_error);
}

/* Appends n bytes to the expansion under construction. */
static int append(char *buf, size_t *length, const char *s, size_t n) {
        if (n >= PROFILE_TEXT_MAX - *length)
                return -E2BIG;
        memcpy(buf + *length, s, n);
        *length += n;
        buf[*length] = 0;
        return 0;
}

int profile_expand(const char *text, const json_t *variables, char **ret) {
        _cleanup_free_ char *buf = malloc(PROFILE_TEXT_MAX);
        size_t length = 0;
        int r = 0;

        if (!buf)
                return -ENOMEM;
        buf[0] = 0;
        while (*text && r >= 0) {
                size_t n = strcspn(text, "{}");
                const char *value;
                char name[64];

                r = append(buf, &length, text, n);
                text += n;
                if (r < 0 || !*text)
                        break;
                n = strcspn(text, "}");
                if (*text == '}' || text[n] != '}' || n >= sizeof(name))
                        return -EINVAL;
                memcpy(name, text + 1, n - 1);
                name[n - 1] = 0;
                value = json_string_value(json_object_get(variables, name));
                if (!value)
                        return -ENOKEY;
                r = append(buf, &length, value, strlen(value));
                text += n + 1;
        }
        if (r < 0)
                return r;
        *ret = strdup(buf);
        return *ret ? 0 : -ENOMEM;
}

int profile_variables(
                const json_t *profile,
                const json_t *builtin,
                const json_t *overrides,
                const json_t *learned,
                json_t **ret) {
        _cleanup_json_ json_t *all = json_deep_copy(builtin);
        const json_t *own = json_object_get(profile, "variables");
        const char *key;
        json_t *value;
        int r;

        if (!all)
                return -ENOMEM;
        json_object_foreach((json_t *) own, key, value) {
                _cleanup_free_ char *expanded = NULL;
                json_t *override = json_object_get(overrides, key);

                r = profile_expand(
                                json_string_value(json_is_string(override) ? override : value),
                                all,
                                &expanded);
                if (r < 0)
                        return r;
                if (json_object_set_new(all, key, json_string(expanded)) < 0)
                        return -ENOMEM;
        }
        if (learned && json_object_update(all, (json_t *) learned) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(all);
        return 0;
}

/* Parameter names in a profile are relative to the root object. */
static int expand_name(const char *name, const json_t *variables, char **ret) {
        _cleanup_free_ char *relative = NULL;
        int r;

        r = profile_expand(name, variables, &relative);
        if (r < 0)
                return r;
        *ret = strfmt("%s%s", strempty(json_string_value(json_object_get(variables, "root"))), relative);
        return *ret ? 0 : -ENOMEM;
}

static int add_command(json_t *commands, const char *argument, const char *kind, json_t *operand) {
        json_t *c;

        if (!operand)
                return -ENOMEM;
        c = json_pack("{s:s, s:{s:o}}", "argument", argument, "command", kind, operand);
        return c && json_array_append_new(commands, c) >= 0 ? 0 : -ENOMEM;
}

static int next_get(const json_t *get, const json_t *variables, json_t *commands) {
        _cleanup_json_ json_t *names = json_array();
        const char *key;
        json_t *value;
        int r;

        json_object_foreach((json_t *) get, key, value) {
                _cleanup_free_ char *name = NULL;

                r = expand_name(json_string_value(value), variables, &name);
                if (r < 0)
                        return r;
                if (json_array_append_new(names, json_string(name)) < 0)
                        return -ENOMEM;
        }
        return add_command(commands, "", "get", TAKE_PTR(names));
}

/* All rows that can be added now. */
static int next_adds(const json_t *adds, const json_t *variables, const json_t *learned, json_t *commands) {
        bool missing = false;
        json_t *add;
        size_t i;
        int r;

        json_array_foreach((json_t *) adds, i, add) {
                const char *name = json_string_value(json_object_get(add, "name"));
                _cleanup_free_ char *object = NULL;

                if (json_object_get(learned, name))
                        continue;
                missing = true;
                r = expand_name(json_string_value(json_object_get(add, "object")), variables, &object);
                if (r == -ENOKEY)
                        continue; /* needs a row that is not there yet */
                if (r < 0)
                        return r;
                r = add_command(commands, name, "add", json_string(object));
                if (r < 0)
                        return r;
        }
        /* Nothing can be added although something is missing: a placeholder that no step defines. */
        return missing && json_array_size(commands) == 0 ? -ENOKEY : 0;
}

static int expand_value(const json_t *value, const json_t *variables, json_t **ret) {
        const char *text =
                        json_string_value(json_is_object(value) ? json_object_get(value, "value") : value);
        const char *type = json_string_value(json_object_get(value, "type"));
        _cleanup_free_ char *expanded = NULL;
        uint32_t number;
        int r;

        if (!text) {
                *ret = json_copy((json_t *) value);
                return *ret ? 0 : -ENOMEM;
        }
        r = profile_expand(text, variables, &expanded);
        if (r < 0)
                return r;
        if (!type)
                *ret = json_string(expanded);
        else if (streq(type, "unsignedInt")) {
                r = parse_uint32(expanded, &number);
                if (r < 0)
                        return r;
                *ret = json_integer(number);
        } else
                *ret = json_pack("{s:s, s:s}", "type", type, "value", expanded);
        return *ret ? 0 : -ENOMEM;
}

static int next_set(const json_t *set, const json_t *variables, json_t *commands) {
        _cleanup_json_ json_t *values = json_object();
        const char *key;
        json_t *value;
        int r;

        json_object_foreach((json_t *) set, key, value) {
                _cleanup_free_ char *name = NULL;
                json_t *expanded;

                r = expand_name(key, variables, &name);
                if (r < 0)
                        return r;
                r = expand_value(value, variables, &expanded);
                if (r < 0)
                        return r;
                if (json_object_set_new(values, name, expanded) < 0)
                        return -ENOMEM;
        }
        return add_command(commands, "", "set", TAKE_PTR(values));
}

int profile_next(
                const json_t *profile,
                const json_t *variables,
                const json_t *learned,
                json_t **ret_commands) {
        _cleanup_json_ json_t *commands = json_array();
        const json_t *get = json_object_get(profile, "get"), *set = json_object_get(profile, "set");
        ProfileStep step;
        int r;

        if (!commands)
                return -ENOMEM;
        if (json_object_size(get) > 0 && !json_object_get(learned, MARK_GET)) {
                step = PROFILE_GET;
                r = next_get(get, variables, commands);
        } else {
                step = PROFILE_ADD;
                r = next_adds(json_object_get(profile, "add"), variables, learned, commands);
        }
        if (r >= 0 && json_array_size(commands) == 0 && json_object_size(set) > 0 &&
            !json_object_get(learned, MARK_SET)) {
                step = PROFILE_SET;
                r = next_set(set, variables, commands);
        }
        if (r < 0)
                return r;
        if (json_array_size(commands) == 0)
                step = PROFILE_COMPLETE;
        *ret_commands = TAKE_PTR(commands);
        return step;
}

int profile_learn_values(
                const json_t *profile, const json_t *variables, const json_t *values, json_t *learned) {
        const char *key;
        json_t *value;
        int r;

        json_object_foreach(json_object_get(profile, "get"), key, value) {
                _cleanup_free_ char *name = NULL;
                json_t *got;

                r = expand_name(json_string_value(value), variables, &name);
                if (r < 0)
                        return r;
                got = json_object_get(values, name);
                if (!json_is_string(got))
                        return -EBADMSG;
                if (json_object_set(learned, key, got) < 0)
                        return -ENOMEM;
        }
        return json_object_set_new(learned, MARK_GET, json_true()) < 0 ? -ENOMEM : 0;
}

int profile_learn_instance(json_t *learned, const char *name, uint32_t instance) {
        char number[sizeof("4294967295")];

        (void) snprintf(number, sizeof(number), "%u", instance);
        return json_object_set_new(learned, name, json_string(number)) < 0 ? -ENOMEM : 0;
}

int profile_learn_set(json_t *learned) {
        return json_object_set_new(learned, MARK_SET, json_true()) < 0 ? -ENOMEM : 0;
}

void profile_forget_values(json_t *learned) {
        (void) json_object_del(learned, MARK_GET);
        (void) json_object_del(learned, MARK_SET);
}
