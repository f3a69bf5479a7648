/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/datamodel/dm-value.h"

#include <ctype.h>
#include <inttypes.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/datamodel/dm.h"

/* TR-106 3.2: white space as XML Schema collapses it. */
#define BLANKS " \t\r\n"

typedef struct Context {
        const DmParameter *p;
        const uint32_t *instances;
        const char *reason;
} Context;

static int refuse(Context *c, const char *reason) {
        c->reason = reason;
        return -EINVAL;
}

const char *dm_type_to_string(DmType type) {
        static const char *const names[_DM_TYPE_MAX] = {
                [DM_STRING] = "string",
                [DM_BOOLEAN] = "boolean",
                [DM_UNSIGNED_INT] = "unsignedInt",
                [DM_INT] = "int",
                [DM_UNSIGNED_LONG] = "unsignedLong",
                [DM_LONG] = "long",
                [DM_DATE_TIME] = "dateTime",
                [DM_BASE64] = "base64",
                [DM_HEX_BINARY] = "hexBinary",
                [DM_PATH_REF] = "pathRef",
        };

        return names[type];
}

bool dm_type_matches(const DmParameter *p, const char *type) {
        const char *colon = strchr(type, ':');

        if (colon)
                type = colon + 1;
        if (isempty(type) || streq(type, dm_type_to_string(p->type)))
                return true;
        /* A list is a string on the wire, and so is a reference; SOAP's name for base64 has a suffix. */
        if (p->flags & DM_LIST || p->type == DM_PATH_REF)
                return streq(type, "string");
        return p->type == DM_BASE64 && streq(type, "base64Binary");
}

bool dm_parse_instance(const char *s, const char **end, uint32_t *ret) {
        uint64_t n = 0;
        const char *p = s;

        for (; *p >= '0' && *p <= '9'; p++) {
                n = n * 10 + (uint64_t) (*p - '0');
                if (n > DM_INSTANCE_MAX)
                        return false;
        }
        if (p == s || s[0] == '0')
                return false;
        *end = p;
        *ret = (uint32_t) n;
        return true;
}

bool dm_path_matches(const char *path, const char *pattern, uint32_t instances[static DM_DEPTH_MAX]) {
        size_t n = 0;

        while (*pattern) {
                const char *rest = startswith(pattern, "{i}");

                if (rest) {
                        if (n >= DM_DEPTH_MAX || !dm_parse_instance(path, &path, &instances[n]))
                                return false;
                        n++;
                        pattern = rest;
                } else if (*path++ != *pattern++)
                        return false;
        }
        return !*path;
}

static size_t utf8_length(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char) *s & 0xC0) != 0x80;
        return n;
}

/* XML 1.0 section 2.2: a document cannot carry other control characters, so that a session could not read
 * them back. */
static bool has_control_characters(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < 0x20 && !strchr("\t\r\n", *s))
                        return true;
        return false;
}

static int check_length(Context *c, const char *s) {
        size_t n = utf8_length(s);

        if (n < c->p->min_length)
                return refuse(c, "too short");
        return n > c->p->max_length ? refuse(c, "too long") : 0;
}

static int check_enumeration(Context *c, const char *s) {
        size_t n = strlen(s);

        if (!c->p->enumeration)
                return 0;
        if (c->p->flags & DM_FIRST_WORD) {
                if (n == 0)
                        return 0;
                n = strcspn(s, " ");
        }
        for (const char *const *e = c->p->enumeration; *e; e++)
                if (strlen(*e) == n && memcmp(*e, s, n) == 0)
                        return 0;
        return refuse(c, "not one of the allowed values");
}

static int canonical_boolean(Context *c, const char *s, char **ret) {
        bool b;

        if (streq(s, "1") || streq(s, "true"))
                b = true;
        else if (streq(s, "0") || streq(s, "false"))
                b = false;
        else
                return refuse(c, "not a boolean");
        *ret = strdup(b ? "true" : "false");
        return *ret ? 0 : -ENOMEM;
}

static int canonical_number(Context *c, const char *s, char **ret) {
        bool is_signed = c->p->type == DM_INT || c->p->type == DM_LONG;
        uint64_t u = 0;
        int64_t i = 0;
        int r;

        if (s[0] == '+' && isdigit((unsigned char) s[1]))
                s++;
        r = is_signed ? parse_int64(s, &i) : parse_uint64(s, &u);
        if (r == -EINVAL)
                return refuse(c, "not a number");
        if (r < 0)
                return refuse(c, "out of range");
        if (is_signed ? i < c->p->minimum || i > (int64_t) c->p->maximum
                      : u < (uint64_t) c->p->minimum || u > c->p->maximum)
                return refuse(c, "out of range");
        *ret = is_signed ? strfmt("%" PRIi64, i) : strfmt("%" PRIu64, u);
        return *ret ? 0 : -ENOMEM;
}

static int canonical_datetime(Context *c, const char *s, char **ret) {
        char buf[DATETIME_SIZE];
        int64_t t;

        if (parse_datetime(s, &t) < 0)
                return refuse(c, "not a dateTime");
        *ret = strdup(format_datetime(t, buf));
        return *ret ? 0 : -ENOMEM;
}

static int canonical_binary(Context *c, const char *s, char **ret) {
        size_t n = strlen(s), octets, padding = 0;

        if (c->p->type == DM_HEX_BINARY) {
                if (n % 2 != 0 || strspn(s, "0123456789abcdefABCDEF") != n)
                        return refuse(c, "not hexadecimal");
                octets = n / 2;
        } else {
                while (padding < 2 && padding < n && s[n - 1 - padding] == '=')
                        padding++;
                for (size_t i = 0; i < n - padding; i++)
                        if (!isalnum((unsigned char) s[i]) && s[i] != '+' && s[i] != '/')
                                return refuse(c, "not base64");
                if (n % 4 != 0)
                        return refuse(c, "not base64");
                octets = n / 4 * 3 - padding;
        }
        /* TR-106 A.2.3.3: the size of binary types counts octets. */
        if (octets < c->p->min_length || octets > c->p->max_length)
                return refuse(c, "wrong length");
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

/* Senders write references with the root object that the device has; the model knows only what is below. */
static const char *skip_root_object(const char *path) {
        return startswith(path, "InternetGatewayDevice.") ?: startswith(path, "Device.") ?: path;
}

static int canonical_reference(Context *c, const char *s, char **ret) {
        _cleanup_free_ char *path = NULL;
        uint32_t instances[DM_DEPTH_MAX];
        char *dot;

        s = skip_root_object(s);
        path = strdup(s);
        if (!path)
                return -ENOMEM;
        dot = (char *) endswith(path, ".");
        if (dot)
                *dot = '\0';
        if (path[0]) {
                const char *const *t = c->p->targets;

                while (*t && !dm_path_matches(path, *t, instances))
                        t++;
                if (!*t)
                        return refuse(c, "not the path of a row that may be referred to");
                for (unsigned i = 0; c->instances && i < c->p->same_instances; i++)
                        if (instances[i] != c->instances[i])
                                return refuse(c, "refers to another service object");
        }
        *ret = TAKE_PTR(path);
        return 0;
}

static int canonical_string(Context *c, const char *s, char **ret) {
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

/* One value, or one item of a list. s has no blanks around it unless they belong to the string. */
static int canonical_item(Context *c, const char *s, char **ret) {
        switch (c->p->type) {
        case DM_BOOLEAN:
                return canonical_boolean(c, s, ret);
        case DM_UNSIGNED_INT:
        case DM_INT:
        case DM_UNSIGNED_LONG:
        case DM_LONG:
                return canonical_number(c, s, ret);
        case DM_DATE_TIME:
                return canonical_datetime(c, s, ret);
        case DM_BASE64:
        case DM_HEX_BINARY:
                return canonical_binary(c, s, ret);
        case DM_PATH_REF:
                return canonical_reference(c, s, ret);
        case DM_STRING:
        case _DM_TYPE_MAX:
                break;
        }
        return check_enumeration(c, s) ?: canonical_string(c, s, ret);
}

static char *strip(char *s) {
        size_t n;

        s += strspn(s, BLANKS);
        for (n = strlen(s); n > 0 && strchr(BLANKS, s[n - 1]); n--)
                ;
        s[n] = '\0';
        return s;
}

static int canonical_list(Context *c, char *value, char **ret) {
        _cleanup_strv_free_ char **items = NULL;
        char *rest = value;
        int r;

        if (!*strip(value)) {
                *ret = strdup("");
                return *ret ? 0 : -ENOMEM;
        }
        while (rest) {
                char *item = strsep(&rest, ","), *canonical;

                r = canonical_item(c, strip(item), &canonical);
                if (r < 0)
                        return r;
                if (strv_consume(&items, canonical) < 0)
                        return -ENOMEM;
        }
        *ret = strv_join(items, ",");
        return *ret ? 0 : -ENOMEM;
}

int dm_value_canonicalize(
                const DmParameter *p,
                const uint32_t *instances,
                const char *value,
                char **ret,
                const char **ret_reason) {
        Context c = { .p = p, .instances = instances };
        _cleanup_free_ char *copy = NULL, *canonical = NULL;
        bool sized = p->type == DM_STRING || p->type == DM_PATH_REF || p->flags & DM_LIST;
        int r;

        if (strnlen(value, DM_VALUE_MAX * 4 + 1) > DM_VALUE_MAX * 4)
                r = refuse(&c, "too long");
        else if (!utf8_is_valid(value))
                r = refuse(&c, "not UTF-8");
        else if (has_control_characters(value))
                r = refuse(&c, "has control characters");
        else {
                copy = strdup(value);
                if (!copy)
                        return -ENOMEM;
                if (p->flags & DM_LIST)
                        r = canonical_list(&c, copy, &canonical);
                else
                        r = canonical_item(&c, p->type == DM_STRING ? copy : strip(copy), &canonical);
        }
        if (r >= 0 && sized)
                r = check_length(&c, canonical);
        if (r < 0) {
                if (ret_reason)
                        *ret_reason = c.reason;
                return r;
        }
        *ret = TAKE_PTR(canonical);
        return 0;
}
