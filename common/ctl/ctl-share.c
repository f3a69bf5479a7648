/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/ctl/ctl-common.h"

#define SHARE_NAME "org.ispstorage.Share1"
#define SHARE_PATH "/org/ispstorage/Share1"
#define SHARE_MANAGER "org.ispstorage.Share1.Manager"
#define STORAGE_SERVICE "Services.StorageService.1."

/* Samba's programs are waited for. */
#define CALL_TIMEOUT_USEC (UINT64_C(60) * 1000000)

/* The unit that wipes has less. */
#define WIPE_TIMEOUT_USEC (UINT64_C(360) * 1000000)

/* The columns of a table that one sees at a time, and the widest one. */
#define COLUMNS_MAX 8U
#define COLUMN_WIDTH_MAX 60U

typedef struct Context {
        sd_bus *bus;
        json_t *values; /* all parameters below StorageService.1., by name */
} Context;

static const char *value(const Context *c, const char *format, ...) _printf_(2, 3);

static const char *value(const Context *c, const char *format, ...) {
        char name[512];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(name, sizeof(name), format, ap);
        va_end(ap);
        return strempty(json_string_value(json_object_get(c->values, name)));
}

static int get_values(sd_bus *bus, json_t **ret) {
        return ctl_get_values(bus, SHARE_NAME, SHARE_PATH, STORAGE_SERVICE, ret);
}

/* --- Tables: arrays of objects of strings --- */

/* In characters of UTF-8, which have one byte each that is no continuation. */
static size_t text_width(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char) *s & 0xc0) != 0x80;
        return n;
}

static void print_cell(const char *s, size_t width) {
        ctl_print_safely(s);
        for (size_t n = text_width(s); n < width; n++)
                putchar(' ');
}

static void print_table(json_t *rows, const char *const *columns) {
        size_t widths[COLUMNS_MAX] = {}, i, n;
        json_t *row;

        for (n = 0; columns[n]; n++)
                widths[n] = text_width(columns[n]);
        json_array_foreach(rows, i, row)
                for (size_t k = 0; k < n; k++) {
                        size_t width = text_width(json_string_value(json_object_get(row, columns[k])));

                        widths[k] = MAX(widths[k], MIN(COLUMN_WIDTH_MAX, width));
                }
        for (size_t k = 0; k < n; k++)
                print_cell(columns[k], k + 1 < n ? widths[k] + 2 : 0);
        putchar('\n');
        json_array_foreach(rows, i, row) {
                for (size_t k = 0; k < n; k++)
                        print_cell(json_string_value(json_object_get(row, columns[k])),
                                   k + 1 < n ? widths[k] + 2 : 0);
                putchar('\n');
        }
}

static int show(json_t *rows, bool json, const char *const *columns) {
        if (json)
                return ctl_print_json(rows);
        print_table(rows, columns);
        return 0;
}

/* Calls the handler with each instance number of a table. */
static int foreach_row(
                const Context *c,
                const char *table,
                int (*handler)(const Context *c, const char *row, json_t *rows),
                json_t *rows) {
        const char *name;
        json_t *v;
        int r = 0;

        /* Each row of the tables shown here has an Enable or a Status, and no row below it has that name
         * alone. */
        json_object_foreach(c->values, name, v) {
                const char *rest = startswith(name, table), *dot = rest ? strchr(rest, '.') : NULL;
                _cleanup_free_ char *row = dot ? strndup(name, (size_t) (dot - name)) : NULL;

                if (row && streq(dot + 1, streq(table, "PhysicalMedium.") ? "Status" : "Enable") && r >= 0)
                        r = handler(c, row, rows);
        }
        return r;
}

/* --- What is shown --- */

static const char *yes_no(const char *v) {
        return streq(v, "true") ? "yes" : "no";
}

static char *size_text(const char *used, const char *capacity) {
        return strfmt("%s of %s MB", *used ? used : "?", capacity);
}

static int add_volume(const Context *c, const char *row, json_t *rows) {
        _cleanup_free_ char *size = size_text(value(c, "%s.UsedSpace", row), value(c, "%s.Capacity", row));

        return json_array_append_new(
                        rows,
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                                  "ROW",
                                  row,
                                  "NAME",
                                  value(c, "%s.Name", row),
                                  "STATUS",
                                  value(c, "%s.Status", row),
                                  "ENABLED",
                                  yes_no(value(c, "%s.Enable", row)),
                                  "FILESYSTEM",
                                  value(c, "%s.FileSystem", row),
                                  "USED",
                                  strempty(size),
                                  "THRESHOLD",
                                  streq(value(c, "%s.ThresholdReached", row), "true") ? "reached" : "-"));
}

static int add_medium(const Context *c, const char *row, json_t *rows) {
        return json_array_append_new(
                        rows,
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                                  "ROW",
                                  row,
                                  "NAME",
                                  value(c, "%s.Name", row),
                                  "STATUS",
                                  value(c, "%s.Status", row),
                                  "HEALTH",
                                  value(c, "%s.Health", row),
                                  "MB",
                                  value(c, "%s.Capacity", row),
                                  "MODEL",
                                  value(c, "%s.Model", row),
                                  "SERIAL",
                                  value(c, "%s.SerialNumber", row)));
}

static int add_user(const Context *c, const char *row, json_t *rows) {
        return json_array_append_new(
                        rows,
                        json_pack("{s:s, s:s, s:s, s:s, s:s}",
                                  "ROW",
                                  row,
                                  "NAME",
                                  value(c, "%s.Username", row),
                                  "ENABLED",
                                  yes_no(value(c, "%s.Enable", row)),
                                  "FTP",
                                  yes_no(value(c, "%s.AllowFTPAccess", row)),
                                  "HTTP",
                                  yes_no(value(c, "%s.AllowHTTPAccess", row))));
}

/* Whether the folder is there, as the share manager tells the synchronizer. */
static char *resolve(const Context *c, const char *row) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = strfmt(STORAGE_SERVICE "%s", row);
        const char *directory, *uuid, *status;

        if (!path ||
            sd_bus_call_method(
                            c->bus,
                            SHARE_NAME,
                            SHARE_PATH,
                            SHARE_MANAGER,
                            "ResolveFolder",
                            NULL,
                            &reply,
                            "s",
                            path) < 0 ||
            sd_bus_message_read(reply, "sss", &directory, &uuid, &status) < 0)
                return strdup("?");
        return strdup(*directory ? directory : status);
}

static int add_share(const Context *c, const char *row, json_t *rows) {
        _cleanup_free_ char *where = resolve(c, row);
        bool quota = streq(value(c, "%s.Quota.Enable", row), "true");
        _cleanup_free_ char *size = quota ? size_text(value(c, "%s.Quota.UsedSpace", row),
                                                      value(c, "%s.Quota.Capacity", row))
                                          : strdup("-");

        return json_array_append_new(
                        rows,
                        json_pack("{s:s, s:s, s:s, s:s, s:s}",
                                  "ROW",
                                  row,
                                  "NAME",
                                  value(c, "%s.Name", row),
                                  "ENABLED",
                                  yes_no(value(c, "%s.Enable", row)),
                                  "QUOTA",
                                  strempty(size),
                                  "WHERE",
                                  strempty(where)));
}

static int add_shares_of(const Context *c, const char *volume, json_t *rows) {
        _cleanup_free_ char *table = strfmt("%s.Folder.", volume);

        return table ? foreach_row(c, table, add_share, rows) : -ENOMEM;
}

static int add_sessions(sd_bus *bus, json_t *rows) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL, *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *id, *protocol, *user, *address;
        int r;

        r = sd_bus_message_new_method_call(
                        bus, &call, SHARE_NAME, SHARE_PATH, SHARE_MANAGER, "ListSessions");
        if (r >= 0)
                r = sd_bus_call(bus, call, CALL_TIMEOUT_USEC, &error, &reply);
        if (r < 0)
                return ctl_complain(&error, r);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssasas)");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "ssssasas")) > 0) {
                _cleanup_strv_free_ char **shares = NULL, **files = NULL;
                _cleanup_free_ char *share_text = NULL, *file_text = NULL;

                if ((r = sd_bus_message_read(reply, "ssss", &id, &protocol, &user, &address)) < 0 ||
                    (r = sd_bus_message_read_strv(reply, &shares)) < 0 ||
                    (r = sd_bus_message_read_strv(reply, &files)) < 0 ||
                    (r = sd_bus_message_exit_container(reply)) < 0)
                        break;
                share_text = strv_join(shares, ", ");
                file_text = strv_join(files, ", ");
                (void) json_array_append_new(
                                rows,
                                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}",
                                          "SESSION",
                                          id,
                                          "PROTOCOL",
                                          protocol,
                                          "USER",
                                          *user ? user : "-",
                                          "CLIENT",
                                          address,
                                          "SHARES",
                                          strempty(share_text),
                                          "FILES",
                                          strempty(file_text)));
        }
        return r < 0 ? log_error_errno(r, "Failed to read the answer: %m") : 0;
}

static int end_session(sd_bus *bus, const char *id) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(
                        bus, SHARE_NAME, SHARE_PATH, SHARE_MANAGER, "EndSession", &error, NULL, "s", id);
        return r < 0 ? ctl_complain(&error, r) : 0;
}

/* The row of the medium with this name, which is unique; NULL if there is none. */
static char *find_medium(const Context *c, const char *name) {
        const char *parameter;
        json_t *v;

        json_object_foreach(c->values, parameter, v) {
                const char *dot = startswith(parameter, "PhysicalMedium.") ? strrchr(parameter, '.') : NULL;

                if (dot && streq(dot, ".Name") && streq(json_string_value(v), name))
                        return strndup(parameter, (size_t) (dot - parameter));
        }
        return NULL;
}

/* True if who sits there types the name. */
static bool confirm(const Context *c, const char *row, const char *name) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        printf("%s: %s %s, serial number %s, %s MB.\nAll that is on it will be lost. Type its name to wipe it: ",
               name,
               value(c, "%s.Vendor", row),
               value(c, "%s.Model", row),
               *value(c, "%s.SerialNumber", row) ? value(c, "%s.SerialNumber", row) : "unknown",
               value(c, "%s.Capacity", row));
        (void) fflush(stdout);
        if (getline(&line, &size, stdin) < 0)
                return false;
        line[strcspn(line, "\n")] = 0;
        return streq(line, name);
}

static int wipe(const Context *c, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *row = find_medium(c, name), *path = row ? strfmt(STORAGE_SERVICE "%s", row) : NULL;
        int r;

        if (!path)
                return log_error_errno(-ENODEV, "There is no medium with the name %s.", name);
        if (!confirm(c, row, name))
                return log_error_errno(-ECANCELED, "That is not its name; nothing was changed.");
        r = sd_bus_message_new_method_call(c->bus, &call, SHARE_NAME, SHARE_PATH, SHARE_MANAGER, "WipeMedium");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", path, name);
        if (r >= 0)
                r = sd_bus_call(c->bus, call, WIPE_TIMEOUT_USEC, &error, NULL);
        return r < 0 ? ctl_complain(&error, r) : 0;
}

static int wipe_medium(sd_bus *bus, const char *name) {
        Context c = { .bus = bus };
        int r;

        r = get_values(bus, &c.values);
        if (r >= 0)
                r = wipe(&c, name);
        json_decref(c.values);
        return r;
}

static const char *const share_columns[] = { "NAME", "ENABLED", "QUOTA", "WHERE", NULL };
static const char *const user_columns[] = { "NAME", "ENABLED", "FTP", "HTTP", NULL };
static const char *const volume_columns[] = { "NAME", "STATUS",    "ENABLED", "FILESYSTEM",
                                              "USED", "THRESHOLD", NULL };
static const char *const medium_columns[] = { "NAME", "STATUS", "HEALTH", "MB", "MODEL", "SERIAL", NULL };
static const char *const session_columns[] = { "SESSION", "PROTOCOL", "USER", "CLIENT",
                                               "SHARES",  "FILES",    NULL };

int ctl_share(CtlContext *context, char *arguments[]) {
        static const struct {
                const char *name, *table;
                int (*handler)(const Context *c, const char *row, json_t *rows);
                const char *const *columns;
        } views[] = {
                { "shares", "LogicalVolume.", add_shares_of, share_columns },
                { "users", "UserAccount.", add_user, user_columns },
                { "volumes", "LogicalVolume.", add_volume, volume_columns },
                { "media", "PhysicalMedium.", add_medium, medium_columns },
        };
        const char *what = arguments[0] ?: "shares";
        json_auto_t *rows = json_array();
        sd_bus *bus = context->bus;
        Context c = { .bus = bus };
        bool orders = streq(what, "end-session") || streq(what, "wipe");
        int r;

        if (orders && context->json)
                return log_error_errno(-EINVAL, "share %s does not take --json; see --help.", what);
        if (streq(what, "end-session") && arguments[1] && !arguments[2])
                return end_session(bus, arguments[1]);
        if (streq(what, "wipe") && arguments[1] && !arguments[2])
                return wipe_medium(bus, arguments[1]);
        if (arguments[0] && arguments[1])
                return log_error_errno(-EINVAL, "Too many arguments; see --help.");
        if (streq(what, "sessions")) {
                r = add_sessions(bus, rows);
                return r < 0 ? r : show(rows, context->json, session_columns);
        }
        for (size_t i = 0; i < ELEMENTSOF(views); i++) {
                if (!streq(what, views[i].name))
                        continue;
                r = get_values(bus, &c.values);
                if (r >= 0)
                        r = foreach_row(&c, views[i].table, views[i].handler, rows);
                json_decref(c.values);
                return r < 0 ? r : show(rows, context->json, views[i].columns);
        }
        return log_error_errno(-EINVAL, "Not something that is shared: %s; see --help.", what);
}
