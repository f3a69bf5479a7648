/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.ispstorage.DataModel1: dbus-interfaces/org.ispstorage.DataModel1.xml says what each member means. */
#include "common/base/array.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "common/bus/dm-bus-internal.h"

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)

static int property_prefixes(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *error) {
        DmBus *b = userdata;

        return sd_bus_message_append_strv(reply, (char **) dm_model_schema(b->model)->prefixes);
}

/* --- Reading --- */

static int append_names(sd_bus_message *reply, const DmNames *names) {
        int r = sd_bus_message_open_container(reply, 'a', "(sb)");

        for (size_t i = 0; r >= 0 && i < names->n; i++)
                r = sd_bus_message_append(
                                reply, "(sb)", names->items[i].name, (int) names->items[i].writable);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_get_names(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_(dm_names_done) DmNames names = {};
        DmBus *b = userdata;
        const char *path;
        int next_level, r;

        r = sd_bus_message_read(m, "sb", &path, &next_level);
        if (r < 0)
                return r;
        r = dm_get_names(b->model, path, next_level, &names);
        if (r < 0)
                return bus_error_set_errno(error, r);
        if (r != DM_OK)
                return bus_error_set_fault(error, (DmFault) r, path);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_names(reply, &names);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_values(sd_bus_message *reply, const DmValues *values) {
        int r = sd_bus_message_open_container(reply, 'a', "(sss)");

        for (size_t i = 0; r >= 0 && i < values->n; i++) {
                const DmValue *v = &values->items[i];

                r = sd_bus_message_append(reply, "(sss)", v->name, v->type, v->value);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_get_values(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_strv_free_ char **paths = NULL;
        _cleanup_(dm_values_done) DmValues values = {};
        DmBus *b = userdata;
        int r;

        r = sd_bus_message_read_strv(m, &paths);
        if (r < 0)
                return r;
        STRV_FOREACH (path, paths) {
                r = dm_get_values(b->model, *path, &values);
                if (r < 0)
                        return bus_error_set_errno(error, r);
                if (r != DM_OK)
                        return bus_error_set_fault(error, (DmFault) r, *path);
        }
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = append_values(reply, &values);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_get_notify_rules(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        DmBus *b = userdata;
        const DmSchema *schema = dm_model_schema(b->model);
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && i < schema->n_parameters; i++) {
                const DmParameter *p = &schema->parameters[i];
                _cleanup_free_ char *name = NULL;

                if (p->notify == DM_NOTIFY_NORMAL)
                        continue;
                name = strfmt("%s%s", schema->objects[p->object].path, p->name);
                if (!name)
                        return -ENOMEM;
                r = sd_bus_message_append(reply, "(ss)", name, dm_notify_rule_to_string(p->notify));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* --- Changing --- */

typedef struct Settings {
        DmSetting *items;
        size_t n;
} Settings;

static void settings_done(Settings *settings) {
        free(settings->items);
}

/* The strings are the message's. One more than the limit is enough for the engine to refuse. */
static int read_settings(sd_bus_message *m, Settings *settings) {
        DmSetting s;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sss)", &s.name, &s.type, &s.value)) > 0) {
                if (ARRAY_GROW(settings->items, settings->n) < 0)
                        return -ENOMEM;
                settings->items[settings->n++] = s;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int reply_prepare(sd_bus_message *m, uint64_t token, const DmFaults *faults) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "t", token);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sus)");
        for (size_t i = 0; r >= 0 && i < faults->n; i++) {
                const DmFaultEntry *f = &faults->entries[i];

                r = sd_bus_message_append(reply, "(sus)", f->name, (uint32_t) f->fault, f->text);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_prepare(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_dm_faults_ DmFaults faults = {};
        _cleanup_(settings_done) Settings settings = {};
        DmBus *b = userdata;
        uint64_t token = 0;
        int r;

        r = read_settings(m, &settings);
        if (r < 0)
                return r;
        r = dm_prepare(b->model, DM_ORIGIN_ACS, settings.items, settings.n, &token, &faults);
        if (r < 0)
                return bus_error_set_errno(error, r);
        if (r == DM_OK) {
                r = dm_bus_lock(b, token, m);
                if (r < 0) {
                        (void) dm_abort(b->model, token);
                        return r;
                }
        }
        return reply_prepare(m, token, &faults);
}

static int method_commit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        DmBus *b = userdata;
        uint64_t token;
        int status, r;

        r = sd_bus_message_read(m, "t", &token);
        if (r < 0)
                return r;
        if (!dm_bus_owns(b, token, m))
                return bus_error_set_errno(error, -ENOLCK);
        dm_bus_unlock(b);
        r = dm_commit(b->model, token, &status);
        if (r < 0) {
                log_error_errno(r, "Failed to store the data model: %m");
                return bus_error_set_errno(error, r);
        }
        return sd_bus_reply_method_return(m, "i", status);
}

static int method_abort(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        DmBus *b = userdata;
        uint64_t token;
        int r;

        r = sd_bus_message_read(m, "t", &token);
        if (r < 0)
                return r;
        if (!dm_bus_owns(b, token, m))
                return bus_error_set_errno(error, -ENOLCK);
        dm_bus_unlock(b);
        r = dm_abort(b->model, token);
        if (r < 0)
                return bus_error_set_errno(error, r);
        return sd_bus_reply_method_return(m, NULL);
}

/* The answer to AddObject and DeleteObject when it is not a success: sets the error. */
static int refuse(int r, const DmFaults *faults, sd_bus_error *error) {
        if (r > 0)
                return bus_error_set_fault(
                                error, (DmFault) r, faults->n > 0 ? faults->entries[0].text : NULL);
        if (r != -EBUSY)
                log_error_errno(r, "Failed to store the data model: %m");
        return bus_error_set_errno(error, r);
}

static int method_add_object(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_dm_faults_ DmFaults faults = {};
        DmBus *b = userdata;
        const char *path;
        uint32_t instance;
        int status, r;

        r = sd_bus_message_read(m, "s", &path);
        if (r < 0)
                return r;
        r = dm_add_object(b->model, DM_ORIGIN_ACS, path, &instance, &status, &faults);
        if (r != DM_OK)
                return refuse(r, &faults, error);
        return sd_bus_reply_method_return(m, "ui", instance, status);
}

static int method_delete_object(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_dm_faults_ DmFaults faults = {};
        DmBus *b = userdata;
        const char *path;
        int status, r;

        r = sd_bus_message_read(m, "s", &path);
        if (r < 0)
                return r;
        r = dm_delete_object(b->model, DM_ORIGIN_ACS, path, &status, &faults);
        if (r != DM_OK)
                return refuse(r, &faults, error);
        return sd_bus_reply_method_return(m, "i", status);
}

/* The bus policy decides who may call. */
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable dm_bus_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Prefixes", "as", property_prefixes, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS(
                        "GetNames",
                        SD_BUS_ARGS("s", path, "b", next_level),
                        SD_BUS_RESULT("a(sb)", names),
                        method_get_names,
                        OPEN),
        SD_BUS_METHOD_WITH_ARGS(
                        "GetValues",
                        SD_BUS_ARGS("as", paths),
                        SD_BUS_RESULT("a(sss)", values),
                        method_get_values,
                        OPEN),
        SD_BUS_METHOD_WITH_ARGS(
                        "Prepare",
                        SD_BUS_ARGS("a(sss)", settings),
                        SD_BUS_RESULT("t", token, "a(sus)", faults),
                        method_prepare,
                        OPEN),
        SD_BUS_METHOD_WITH_ARGS(
                        "Commit", SD_BUS_ARGS("t", token), SD_BUS_RESULT("i", status), method_commit, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Abort", SD_BUS_ARGS("t", token), SD_BUS_NO_RESULT, method_abort, OPEN),
        SD_BUS_METHOD_WITH_ARGS(
                        "AddObject",
                        SD_BUS_ARGS("s", path),
                        SD_BUS_RESULT("u", instance, "i", status),
                        method_add_object,
                        OPEN),
        SD_BUS_METHOD_WITH_ARGS(
                        "DeleteObject",
                        SD_BUS_ARGS("s", path),
                        SD_BUS_RESULT("i", status),
                        method_delete_object,
                        OPEN),
        SD_BUS_METHOD_WITH_ARGS(
                        "GetNotifyRules",
                        SD_BUS_NO_ARGS,
                        SD_BUS_RESULT("a(ss)", rules),
                        method_get_notify_rules,
                        OPEN),
        SD_BUS_SIGNAL_WITH_ARGS("ValuesChanged", SD_BUS_ARGS("a(sss)", values), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ObjectsChanged", SD_BUS_ARGS("as", added, "as", removed), 0),
        SD_BUS_VTABLE_END,
};
