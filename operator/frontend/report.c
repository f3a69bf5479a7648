/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/frontend/report.h"

bool message_id_is_valid(const char *id) {
        size_t n = strlen(id);

        if (n == 0 || n > 128)
                return false;
        for (size_t i = 0; i < n; i++)
                if (id[i] <= ' ' || id[i] > '~')
                        return false;
        return true;
}

const char *report_get(const Device *d, const json_t *values, const char *parameter) {
        _cleanup_free_ char *name = strfmt("%s" SYNC_OBJECT "%s", d->root, parameter);
        const char *text = name ? json_string_value(json_object_get(values, name)) : NULL;

        return text && strlen(text) <= REPORT_TEXT_MAX ? text : NULL;
}

json_t *report_names(const Device *d) {
        static const char *const parameters[] = {
                "Status", "PublicKey", "LastOpSeq", "Revision", "SyncStatus"
        };
        json_t *names = json_array();

        for (size_t i = 0; names && i < ELEMENTSOF(parameters); i++) {
                _cleanup_free_ char *name = strfmt("%s" SYNC_OBJECT "%s", d->root, parameters[i]);

                if (!name || json_array_append_new(names, json_string(name)) < 0) {
                        json_decref(names);
                        return NULL;
                }
        }
        return names;
}

static int take_text(const Device *d, const json_t *values, const char *parameter, char **field) {
        const char *text = report_get(d, values, parameter);

        return text ? free_and_strdup(field, text) : 0;
}

static int take_revision(Device *d, const json_t *values) {
        const char *text = report_get(d, values, "Revision"), *commit;
        uint64_t n;
        int r;

        if (!text || revision_parse(text, &n, &commit) < 0)
                return 0;
        r = free_and_strdup(&d->commit, commit);
        if (r < 0)
                return r;
        d->revision = n;
        return 0;
}

/* Status, and what its change means. */
static ReportFlags take_status(Device *d, const json_t *values) {
        const char *text = report_get(d, values, "Status");
        DeviceStatus status = text ? device_status_from_string(text) : _STATUS_INVALID;
        bool restarted;

        if (status <= STATUS_UNKNOWN)
                return REPORT_NONE;
        restarted = d->status == STATUS_SUBSCRIBED && status != STATUS_SUBSCRIBED;
        d->status = status;
        return restarted ? REPORT_RESTARTED : REPORT_NONE;
}

int report_values(Device *d, const json_t *values, ReportFlags *ret_flags) {
        ReportFlags flags = REPORT_NONE;
        const char *text;
        int r;

        r = take_text(d, values, "PublicKey", &d->public_key);
        if (r < 0)
                return r;
        if (r > 0) {
                d->key_refused = false;
                flags |= REPORT_KEY_CHANGED;
        }
        r = take_text(d, values, "LastError", &d->last_error);
        if (r >= 0)
                r = take_text(d, values, "SyncStatus", &d->sync_status);
        if (r < 0)
                return r;
        /* Also if it is what was reported last: the end of the push before may have been skipped. */
        text = report_get(d, values, "SyncStatus");
        if (text && startswith(text, "push - started"))
                flags |= REPORT_PUSH_STARTED;
        r = take_revision(d, values);
        if (r < 0)
                return r;
        text = report_get(d, values, "LastOpSeq");
        if (text)
                (void) parse_uint32(text, &d->last_opseq);
        flags |= take_status(d, values);
        *ret_flags = flags;
        return 0;
}

static ReportFlags read_events(const json_t *inform) {
        ReportFlags flags = REPORT_NONE;
        json_t *event;
        size_t i;

        json_array_foreach(json_object_get(inform, "events"), i, event) {
                const char *code = strempty(json_string_value(json_object_get(event, "code")));

                if (startswith(code, "0 "))
                        flags |= REPORT_BOOTSTRAP | REPORT_RESTARTED;
                else if (startswith(code, "1 "))
                        flags |= REPORT_RESTARTED;
        }
        return flags;
}

int report_inform(Device *d, const json_t *inform, int64_t now, ReportFlags *ret_flags) {
        const char *root = json_string_value(json_object_get(inform, "root"));
        const char *text = json_string_value(json_object_get(inform, "time"));
        const json_t *parameters = json_object_get(inform, "parameters");
        ReportFlags flags = REPORT_NONE;
        int64_t time;
        int r;

        if (!root || !text || !json_is_object(parameters) || parse_datetime(text, &time) < 0)
                return -EBADMSG;
        if (!streq(root, "InternetGatewayDevice.") && !streq(root, "Device."))
                return -EBADMSG;
        r = free_and_strdup(&d->root, root);
        if (r < 0)
                return r;
        d->seen_at = now;
        if (time < d->reported_at) {
                *ret_flags = REPORT_OLD;
                return 0;
        }
        r = report_values(d, parameters, &flags);
        if (r < 0)
                return r;
        d->reported_at = time;
        *ret_flags = flags | read_events(inform);
        return 0;
}
