/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/bus/dm-bus.h"

#include "common/base/log.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "common/bus/dm-bus-internal.h"

/* --- Signals of DataModel1 --- */

static int append_changed_values(sd_bus_message *m, const DmChange *changes, size_t n) {
        int r = sd_bus_message_open_container(m, 'a', "(sss)");

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const DmParameter *p = changes[i].parameter;

                if (p)
                        r = sd_bus_message_append(
                                        m,
                                        "(sss)",
                                        changes[i].path,
                                        dm_type_to_string(p->type),
                                        p->flags & DM_HIDDEN ? "" : changes[i].value);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_rows(sd_bus_message *m, DmChangeKind kind, const DmChange *changes, size_t n) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (changes[i].kind == kind)
                        r = sd_bus_message_append(m, "s", changes[i].path);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int emit_values_changed(DmBus *b, const DmChange *changes, size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(b->bus, &m, b->root, DM_BUS_INTERFACE, "ValuesChanged");
        if (r >= 0)
                r = append_changed_values(m, changes, n);
        return r < 0 ? r : sd_bus_send(b->bus, m, NULL);
}

static int emit_objects_changed(DmBus *b, const DmChange *changes, size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(b->bus, &m, b->root, DM_BUS_INTERFACE, "ObjectsChanged");
        if (r >= 0)
                r = append_rows(m, DM_CHANGE_ADDED, changes, n);
        if (r >= 0)
                r = append_rows(m, DM_CHANGE_DELETED, changes, n);
        return r < 0 ? r : sd_bus_send(b->bus, m, NULL);
}

/* --- Signals of the objects --- */

/* A row, and the objects that always stand below it. */
static int emit_row(DmBus *b, const DmChange *c, const DmObject *o, const char *name) {
        const DmSchema *schema = dm_model_schema(b->model);
        _cleanup_free_ char *path = dm_bus_path(b, name);
        int r;

        if (!path)
                return -ENOMEM;
        if (c->kind == DM_CHANGE_ADDED)
                r = sd_bus_emit_object_added(b->bus, path);
        else
                r = sd_bus_emit_interfaces_removed(b->bus, path, b->objects[o->id].interface, NULL);
        for (size_t i = 0; r >= 0 && i < o->n_children; i++) {
                const DmObject *child = &schema->objects[o->children[i]];
                _cleanup_free_ char *child_name = strfmt("%s%s.", name, child->name);

                if (!child_name)
                        return -ENOMEM;
                if (!(child->flags & DM_TABLE))
                        r = emit_row(b, c, child, child_name);
        }
        return r;
}

/* Changes of one object that follow each other travel together. Returns how many those are. */
static size_t emit_properties(DmBus *b, const DmChange *changes, size_t n) {
        size_t length = strlen(changes[0].path) - strlen(changes[0].parameter->name),
               max = changes[0].object->n_parameters;
        _cleanup_free_ char *name = strndup(changes[0].path, length), *path = NULL;
        _cleanup_free_ char **names = calloc(max + 1, sizeof(*names));
        size_t used, k = 0;

        for (used = 0; used < MIN(n, max); used++) {
                const DmChange *c = &changes[used];

                if (!c->parameter || c->parameter->object != changes[0].parameter->object ||
                    memcmp(c->instances, changes[0].instances, sizeof(c->instances)) != 0)
                        break;
                if (names && dm_bus_emits(c->parameter))
                        names[k++] = (char *) c->parameter->name;
        }
        path = name ? dm_bus_path(b, name) : NULL;
        /* A row may have gone again in the same transaction. */
        if (path && k > 0 && dm_exists(b->model, "%s", name))
                (void) sd_bus_emit_properties_changed_strv(
                                b->bus, path, b->objects[changes[0].object->id].interface, names);
        return used;
}

static void emit_objects(DmBus *b, const DmChange *changes, size_t n) {
        for (size_t i = 0; i < n;)
                if (changes[i].parameter)
                        i += emit_properties(b, changes + i, n - i);
                else {
                        (void) emit_row(b, &changes[i], changes[i].object, changes[i].path);
                        i++;
                }
}

/* A signal that cannot be sent is lost without harm: who listens reads everything when it sees the service
 * again. */
static void on_changes(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        DmBus *b = userdata;
        bool values = false, rows = false;
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                values = values || changes[i].parameter;
                rows = rows || !changes[i].parameter;
        }
        if (origin != DM_ORIGIN_ACS && rows)
                r = emit_objects_changed(b, changes, n);
        if (r >= 0 && origin != DM_ORIGIN_ACS && values)
                r = emit_values_changed(b, changes, n);
        if (r < 0)
                log_warning_errno(r, "Failed to announce changes of the data model: %m");
        emit_objects(b, changes, n);
}

/* --- Life --- */

static char *root_path(const char *service) {
        char *path = strfmt("/%s", service);

        for (char *p = path; p && *p; p++)
                if (*p == '.')
                        *p = '/';
        return path;
}

int dm_bus_new(DmBus **ret, sd_bus *bus, DmModel *m, const char *service) {
        _cleanup_(dm_bus_freep) DmBus *b = NULL;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->bus = sd_bus_ref(bus);
        b->model = m;
        b->timeout_usec = DM_BUS_LOCK_USEC;
        b->service = strdup(service);
        b->root = root_path(service);
        if (!b->service || !b->root)
                return -ENOMEM;
        r = bus_error_register();
        if (r >= 0)
                r = sd_bus_add_object_vtable(
                                bus, &b->interface, b->root, DM_BUS_INTERFACE, dm_bus_vtable, b);
        if (r >= 0)
                r = dm_bus_add_objects(b);
        if (r < 0)
                return r;
        dm_model_set_listener(m, on_changes, b);
        *ret = TAKE_PTR(b);
        return 0;
}

DmBus *dm_bus_free(DmBus *b) {
        if (!b)
                return NULL;
        dm_model_set_listener(b->model, NULL, NULL);
        if (b->token > 0)
                (void) dm_abort(b->model, b->token);
        dm_bus_unlock(b);
        sd_bus_slot_unref(b->interface);
        dm_bus_remove_objects(b);
        free(b->service);
        free(b->root);
        sd_bus_unref(b->bus);
        return mfree(b);
}

void dm_bus_set_lock_timeout(DmBus *b, uint64_t usec) {
        b->timeout_usec = usec;
}
