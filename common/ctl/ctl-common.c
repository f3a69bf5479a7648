/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/ctl/ctl-common.h"

#define DATA_MODEL "org.ispstorage.DataModel1"
/* A part of the history may have to be fetched. */
#define CALL_TIMEOUT_USEC (UINT64_C(600) * 1000000)

/* Texts of ours have no full stop, those of sd-bus do. */
int ctl_complain(const sd_bus_error *error, int r) {
        const char *text = error->message ?: strerror(-r);

        log_error("%s%s", text, endswith(text, ".") ? "" : ".");
        return r;
}

int ctl_print_json(json_t *j) {
        if (json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0)
                return log_error_errno(-EIO, "Failed to print: %m");
        putchar('\n');
        return 0;
}

void ctl_print_safely(const char *s) {
        for (; *s; s++)
                putchar((unsigned char) *s < ' ' || *s == 0x7f ? '?' : *s);
}

json_t *ctl_json_string(const char *s) {
        _cleanup_free_ char *copy = NULL;

        if (utf8_is_valid(s))
                return json_string(s);
        copy = strdup(s);
        if (!copy)
                return NULL;
        for (char *p = copy; *p; p++)
                if ((unsigned char) *p >= 0x80)
                        *p = '?';
        return json_string(copy);
}

int ctl_call(CtlContext *c, const char *method, sd_bus_message **ret, const char *types, ...) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, CTL_SYNC_NAME, c->object, CTL_SYNC_REPOSITORY, method);
        if (r < 0)
                return log_error_errno(r, "Failed to make a call: %m");
        va_start(ap, types);
        r = isempty(types) ? 0 : sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r < 0)
                return log_error_errno(r, "Failed to make a call: %m");
        r = sd_bus_call(c->bus, m, CALL_TIMEOUT_USEC, &error, ret);
        return r < 0 ? ctl_complain(&error, r) : 0;
}

int ctl_get_values(sd_bus *bus, const char *service, const char *object, const char *path, json_t **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        json_auto_t *values = json_object();
        const char *name, *type, *value;
        int r;

        r = sd_bus_call_method(bus, service, object, DATA_MODEL, "GetValues", &error, &reply, "as", 1, path);
        if (r < 0 && sd_bus_error_has_name(&error, "org.ispstorage.Error.InvalidName"))
                return log_error_errno(r, "There is no %s", path);
        if (r < 0)
                return ctl_complain(&error, r);
        r = sd_bus_message_enter_container(reply, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &name, &type, &value)) > 0)
                (void) json_object_set_new(values, startswith(name, path) ?: name, json_string(value));
        if (r < 0)
                return log_error_errno(r, "Failed to read the answer: %m");
        *ret = TAKE_PTR(values);
        return 0;
}

static int beneath_directory(CtlContext *c, const char *argument, const char **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *directory = NULL;
        const char *rest;
        int r;

        r = sd_bus_get_property_string(
                        c->bus, CTL_SYNC_NAME, c->object, CTL_SYNC_REPOSITORY, "Directory", &error, &directory);
        if (r < 0)
                return ctl_complain(&error, r);
        rest = *directory ? startswith(argument, directory) : NULL;
        if (!rest || (*rest != '/' && *rest != 0))
                return log_error_errno(
                                -EINVAL, "%s is not in the synchronized folder %s.", argument, directory);
        *ret = rest;
        return 0;
}

int ctl_relative_path(CtlContext *c, const char *argument, char **ret) {
        size_t n;
        int r;

        if (*argument == '/') {
                r = beneath_directory(c, argument, &argument);
                if (r < 0)
                        return r;
        } else if (streq(argument, "."))
                argument = "";
        argument = startswith(argument, "./") ?: argument;
        argument += strspn(argument, "/");
        n = strlen(argument);
        while (n > 0 && argument[n - 1] == '/')
                n--;
        *ret = strndup(argument, n);
        return *ret ? 0 : log_oom();
}
