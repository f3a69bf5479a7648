/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/genieacs/device-document.h"

#define URL_PARAMETER "ManagementServer.ConnectionRequestURL"
#define MSEC_PER_SEC 1000LL

int genieacs_device_id(const char *device, char **ret) {
        const char *empty = strstr(device, "--");
        char *id = empty ? strfmt("%.*s%s", (int) (empty - device), device, empty + 1) : strdup(device);

        if (!id)
                return -ENOMEM;
        *ret = id;
        return 0;
}

const json_t *document_find(const json_t *document, const char *name) {
        char key[PARAMETER_NAME_LENGTH_MAX + 1];

        while (document && *name) {
                size_t n = strcspn(name, ".");

                if (n == 0 || n >= sizeof(key) || !document_is_child(name))
                        return NULL;
                memcpy(key, name, n);
                key[n] = 0;
                document = json_object_get(document, key);
                name += n;
                if (*name)
                        name++;
        }
        return json_is_object(document) ? document : NULL;
}

bool document_is_object(const json_t *node) {
        const char *key;
        json_t *value;

        if (json_object_get(node, "_value"))
                return false;
        if (json_is_true(json_object_get(node, "_object")))
                return true;
        json_object_foreach((json_t *) node, key, value)
                if (document_is_child(key))
                        return true;
        return false;
}

bool document_may_be_written(const json_t *node) {
        return !json_is_false(json_object_get(node, "_writable"));
}

static bool has_type(const json_t *node, const char *type) {
        return streq(strempty(json_string_value(json_object_get(node, "_type"))), type);
}

/* JavaScript's form has milliseconds, which CWMP's need not have. */
static char *datetime_text(const char *value) {
        char buf[DATETIME_SIZE];
        int64_t seconds;

        return strdup(parse_datetime(value, &seconds) < 0 ? value : format_datetime(seconds, buf));
}

int document_value(const json_t *node, char **ret) {
        const json_t *value = json_object_get(node, "_value");
        const char *string = json_string_value(value);
        char *text;

        if (json_is_boolean(value))
                text = strdup(json_is_true(value) ? "true" : "false");
        else if (json_is_integer(value))
                text = strfmt("%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_real(value))
                text = strfmt("%.17g", json_real_value(value));
        else if (string)
                text = has_type(node, "xsd:dateTime") ? datetime_text(string) : strdup(string);
        else
                return -ENOENT;
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

bool document_value_is(const json_t *node, const CommandValue *wanted) {
        const json_t *value = json_object_get(node, "_value");
        const char *string = json_string_value(value);
        int64_t a, b;
        bool flag;

        if (json_is_boolean(value))
                return parse_boolean(wanted->value, &flag) >= 0 && flag == json_is_true(value);
        if (json_is_integer(value))
                return parse_int64(wanted->value, &a) >= 0 && a == json_integer_value(value);
        if (!string)
                return false;
        if (has_type(node, "xsd:dateTime") && parse_datetime(string, &a) >= 0)
                return parse_datetime(wanted->value, &b) >= 0 && a == b;
        return streq(string, wanted->value);
}

int64_t document_time(const json_t *node, const char *key) {
        const char *text = json_string_value(json_object_get(node, key)), *point;
        int64_t seconds;
        uint32_t msec = 0;

        if (!text || parse_datetime(text, &seconds) < 0 || seconds == INT64_MIN)
                return INT64_MIN;
        point = strchr(text, '.');
        if (point) {
                char digits[4] = "000";

                for (size_t i = 0; i < 3 && point[i + 1] >= '0' && point[i + 1] <= '9'; i++)
                        digits[i] = point[i + 1];
                (void) parse_uint32(digits, &msec);
        }
        return seconds * MSEC_PER_SEC + msec;
}

bool document_is_reachable(const json_t *document) {
        const json_t *node = document_find(document, "InternetGatewayDevice." URL_PARAMETER);
        const char *url, *host;

        /* GenieACS looks no further either. */
        if (!node)
                node = document_find(document, "Device." URL_PARAMETER);
        url = json_string_value(json_object_get(node, "_value"));
        host = url ? startswith(url, "http://") : NULL;
        return host && host[strcspn(host, "/:")] && *host != '/' && *host != ':' && !strpbrk(url, " \t\r\n");
}

/* The first parts of a name, without a dot at the end. */
static char *cut(const char *name, size_t depth) {
        const char *end = name;

        for (;;) {
                end += strcspn(end, ".");
                if (--depth == 0 || !*end || !end[1])
                        break;
                end++;
        }
        return strndup(name, (size_t) (end - name));
}

static bool is_below(const char *name, const char *object) {
        const char *rest = startswith(name, object);

        return rest && (*rest == '.' || !*rest);
}

/* Joins what the names are at this depth, each once, and none that another one holds. */
static int join(char *const *names, size_t depth, char **ret) {
        _cleanup_strv_free_ char **parts = NULL, **joined = NULL;
        const char *last = NULL;
        char *text;
        int r;

        STRV_FOREACH(name, names) {
                r = strv_consume(&parts, cut(*name, depth));
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(part, strv_sort(parts)) {
                if (last && is_below(*part, last))
                        continue;
                last = *part;
                r = strv_extend(&joined, *part);
                if (r < 0)
                        return r;
        }
        text = strv_join(joined, ",");
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

static size_t count_parts(char *const *names) {
        size_t most = 1;

        STRV_FOREACH(name, names) {
                size_t n = 1;

                for (const char *s = *name; *s; s++)
                        n += *s == '.';
                most = MAX(most, n);
        }
        return most;
}

int document_projection(char *const *names, char **ret) {
        static const char own[] =
                        "_lastInform,InternetGatewayDevice." URL_PARAMETER ",Device." URL_PARAMETER;
        _cleanup_free_ char *text = NULL;
        int r;

        for (size_t depth = count_parts(names); depth > 0; depth--) {
                text = mfree(text);
                r = join(names, depth, &text);
                if (r < 0)
                        return r;
                if (strlen(text) <= PROJECTION_LENGTH_MAX)
                        break;
        }
        /* Whole roots hold the address. */
        if (streq(text, "InternetGatewayDevice") || streq(text, "Device"))
                *ret = strfmt("_lastInform,%s", text);
        else
                *ret = strfmt("%s%s%s", own, text[0] ? "," : "", text);
        return *ret ? 0 : -ENOMEM;
}
