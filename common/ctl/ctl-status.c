/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "ispstoragectl status", "sync" and "conflicts". */
#include <stdio.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/ctl/ctl-common.h"
#include "common/ctl/ctl-time.h"

/* The text shows local time. */
static void print_value(const char *name, const char *value) {
        char buf[CTL_TIME_SIZE];
        int64_t t;

        printf("%24s: ", name);
        if (endswith(name, "Time") && parse_datetime(value, &t) >= 0)
                fputs(t == INT64_MIN ? "never" : ctl_format_time(t, buf), stdout);
        else
                ctl_print_safely(value);
        putchar('\n');
}

/* Limits that are none are not shown. */
static bool is_worth_showing(const char *name, const char *value) {
        if (isempty(value))
                return false;
        if (startswith(name, "Bandwidth."))
                return !streq(value, "0") && !streq(value, "false");
        return !startswith(name, "Guard.Max") || !streq(value, "0");
}

static void explain_held(CtlContext *c, const char *id) {
        if (isempty(id))
                return;
        printf("\nMany deletions wait. If they are meant, confirm them at the operator, or here with\n"
               "  busctl set-property " CTL_SYNC_NAME " %s/Guard \\\n"
               "    " CTL_SYNC_NAME "." CTL_SYNC_OBJECT ".Guard Confirm s ",
               c->object);
        ctl_print_safely(id);
        putchar('\n');
}

int ctl_status(CtlContext *c, char *arguments[]) {
        static const char *const shown[] = {
                "Status",         "State",
                "StateReason",    "LastError",
                "Folder",         "RepositoryURL",
                "Revision",       "SyncStatus",
                "PendingChanges", "LastSyncTime",
                "ConflictCount",  "Guard.Held",
                "BytesSent",      "BytesReceived",
                "GatewayName",    "Bandwidth.UploadLimit",
                "Bandwidth.DownloadLimit", "Bandwidth.Schedule",
                "Bandwidth.Background",    "Guard.MaxDeletePercent",
                "Guard.MaxDeleteCount",
        };
        _cleanup_free_ char *path = strfmt("Services." CTL_SYNC_OBJECT ".%u.", c->instance);
        json_auto_t *values = NULL;
        int r;

        if (!path)
                return log_oom();
        r = ctl_get_values(c->bus, CTL_SYNC_NAME, CTL_SYNC_PATH, path, &values);
        if (r < 0)
                return r;
        if (c->json)
                return ctl_print_json(values);
        for (size_t i = 0; i < ELEMENTSOF(shown); i++) {
                const char *value = json_string_value(json_object_get(values, shown[i]));

                if (is_worth_showing(shown[i], value))
                        print_value(shown[i], value);
        }
        explain_held(c, json_string_value(json_object_get(values, "Guard.Held")));
        return 0;
}

int ctl_sync(CtlContext *c, char *arguments[]) {
        return ctl_call(c, "Sync", NULL, "");
}

/* Rows come in their order, and Path is the first parameter of each. */
static json_t *conflict_rows(json_t *values) {
        json_t *rows = json_array(), *value;
        const char *key;

        json_object_foreach(values, key, value) {
                const char *column = strchr(key, '.');
                size_t n;

                if (!column)
                        continue;
                if (streq(column + 1, "Path"))
                        (void) json_array_append_new(rows, json_object());
                n = json_array_size(rows);
                if (n > 0)
                        (void) json_object_set(json_array_get(rows, n - 1), column + 1, value);
        }
        return rows;
}

static const char *text_of(json_t *row, const char *column) {
        return strempty(json_string_value(json_object_get(row, column)));
}

int ctl_conflicts(CtlContext *c, char *arguments[]) {
        _cleanup_free_ char *path = strfmt("Services." CTL_SYNC_OBJECT ".%u.Conflict.", c->instance);
        json_auto_t *values = NULL, *rows = NULL;
        json_t *row;
        size_t n;
        int r;

        if (!path)
                return log_oom();
        r = ctl_get_values(c->bus, CTL_SYNC_NAME, CTL_SYNC_PATH, path, &values);
        if (r < 0)
                return r;
        rows = conflict_rows(values);
        if (c->json)
                return ctl_print_json(rows);
        json_array_foreach(rows, n, row) {
                char buf[CTL_TIME_SIZE];
                int64_t t;

                printf("%s  ",
                       parse_datetime(text_of(row, "Time"), &t) >= 0 ? ctl_format_time(t, buf) : text_of(row, "Time"));
                ctl_print_safely(text_of(row, "Path"));
                fputs(" -> ", stdout);
                ctl_print_safely(text_of(row, "RenamedTo"));
                putchar('\n');
        }
        return 0;
}
