/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every data-model object as an object on the bus, for people with busctl and for programs on the gateway.
 * The vtables are made from the schema; values are read and set by their data-model names. */
#include <ctype.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/bus/bus-error.h"
#include "common/bus/dm-bus-internal.h"
#include "common/datamodel/dm-value.h"

/* --- Paths --- */

/* Containers have no objects of their own, so that paths begin with what the provider serves. */
static size_t mount_length(const DmSchema *schema, const char *path) {
        size_t longest = 0;

        for (size_t i = 0; i < schema->n_objects; i++) {
                const DmObject *o = &schema->objects[i];

                if (o->flags & DM_CONTAINER && startswith(path, o->path))
                        longest = MAX(longest, strlen(o->path));
        }
        return longest;
}

char *dm_bus_path(const DmBus *b, const char *path) {
        const char *rest = path + mount_length(dm_model_schema(b->model), path);
        char *bus_path = strfmt("%s%s%s", b->root, *rest ? "/" : "", rest);
        size_t n;

        if (!bus_path)
                return NULL;
        n = strlen(bus_path);
        for (size_t i = strlen(b->root); i < n; i++)
                if (bus_path[i] == '.')
                        bus_path[i] = '/';
        if (bus_path[n - 1] == '/')
                bus_path[n - 1] = '\0';
        return bus_path;
}

/* The data-model path of the bus path, if it has the form of the object's. */
static bool data_model_path(const DmBusObject *o, const char *bus_path, char ret[static DM_PATH_MAX + 1]) {
        const DmSchema *schema = dm_model_schema(o->bus->model);
        const char *pattern = o->object->path, *rest = startswith(bus_path, o->bus->root);
        size_t n = mount_length(schema, pattern);

        if (!rest || (*rest && *rest != '/') || strlen(rest) + n > DM_PATH_MAX - 1)
                return false;
        memcpy(ret, pattern, n);
        ret[n] = '\0';
        if (o->object->flags & DM_CONTAINER)
                return !*rest;
        if (!*rest)
                return false;
        for (rest++, pattern += n; *pattern; rest += *rest == '/') {
                size_t length = strcspn(rest, "/"), expected = strcspn(pattern, ".");

                if (startswith(pattern, "{i}.")) {
                        if (strspn(rest, "0123456789") != length || length == 0)
                                return false;
                } else if (length != expected || memcmp(rest, pattern, length) != 0)
                        return false;
                memcpy(ret + n, rest, length);
                n += length;
                ret[n++] = '.';
                rest += length;
                pattern += expected + 1;
        }
        ret[n] = '\0';
        return !*rest;
}

static int find_object(
                sd_bus *bus,
                const char *path,
                const char *interface,
                void *userdata,
                void **ret,
                sd_bus_error *error) {
        DmBusObject *o = userdata;
        char name[DM_PATH_MAX + 1];

        if (!data_model_path(o, path, name) || !dm_exists(o->bus->model, "%s", name))
                return 0;
        *ret = o;
        return 1;
}

/* Neither a parameter nor a table. */
static bool is_object(const DmSchema *schema, const char *name) {
        uint32_t instances[DM_DEPTH_MAX];

        for (size_t i = 0; i < schema->n_objects; i++)
                if (dm_path_matches(name, schema->objects[i].path, instances))
                        return true;
        return false;
}

/* All objects; the root is exported by itself. */
static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        _cleanup_(dm_names_done) DmNames names = {};
        _cleanup_strv_free_ char **paths = NULL;
        DmBus *b = userdata;
        size_t n = 0;
        int r;

        r = dm_get_names(b->model, "", false, &names);
        if (r != DM_OK)
                return r < 0 ? r : -EINVAL;
        paths = calloc(names.n + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < names.n; i++) {
                if (!is_object(dm_model_schema(b->model), names.items[i].name))
                        continue;
                paths[n] = dm_bus_path(b, names.items[i].name);
                if (!paths[n++])
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(paths);
        return 1;
}

/* --- Properties --- */

static const DmParameter *find_parameter(const DmBusObject *o, const char *name) {
        const DmSchema *schema = dm_model_schema(o->bus->model);

        for (size_t i = 0; i < o->object->n_parameters; i++) {
                const DmParameter *p = &schema->parameters[o->object->first_parameter + i];

                if (streq(p->name, name))
                        return p;
        }
        return NULL;
}

static const char *signature(const DmParameter *p) {
        if (p->flags & DM_LIST)
                return "s";
        switch (p->type) {
        case DM_BOOLEAN:
                return "b";
        case DM_UNSIGNED_INT:
                return "u";
        case DM_INT:
                return "i";
        case DM_UNSIGNED_LONG:
                return "t";
        case DM_LONG:
                return "x";
        case DM_STRING:
        case DM_DATE_TIME:
        case DM_BASE64:
        case DM_HEX_BINARY:
        case DM_PATH_REF:
        case _DM_TYPE_MAX:
                break;
        }
        return "s";
}

static int append_native(sd_bus_message *reply, const DmParameter *p, const char *value) {
        char type = signature(p)[0];
        uint64_t t = 0;
        int64_t x = 0;

        switch (type) {
        case 'b':
                return sd_bus_message_append(reply, "b", (int) streq(value, "true"));
        case 'u':
        case 't':
                (void) parse_uint64(value, &t);
                return type == 'u' ? sd_bus_message_append(reply, "u", (uint32_t) t)
                                   : sd_bus_message_append(reply, "t", t);
        case 'i':
        case 'x':
                (void) parse_int64(value, &x);
                return type == 'i' ? sd_bus_message_append(reply, "i", (int32_t) x)
                                   : sd_bus_message_append(reply, "x", x);
        default:
                return sd_bus_message_append(reply, "s", value);
        }
}

static int read_native(sd_bus_message *m, const DmParameter *p, char **ret) {
        union {
                int b;
                uint32_t u;
                int32_t i;
                uint64_t t;
                int64_t x;
                const char *s;
        } v;
        const char *type = signature(p);
        int r;

        r = sd_bus_message_read_basic(m, type[0], &v);
        if (r < 0)
                return r;
        switch (type[0]) {
        case 'b':
                *ret = strdup(v.b ? "true" : "false");
                break;
        case 'u':
                *ret = strfmt("%" PRIu32, v.u);
                break;
        case 'i':
                *ret = strfmt("%" PRIi32, v.i);
                break;
        case 't':
                *ret = strfmt("%" PRIu64, v.t);
                break;
        case 'x':
                *ret = strfmt("%" PRIi64, v.x);
                break;
        default:
                *ret = strdup(v.s);
        }
        return *ret ? 0 : -ENOMEM;
}

static int property_get(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *reply,
                void *userdata,
                sd_bus_error *error) {
        _cleanup_(dm_values_done) DmValues values = {};
        char name[DM_PATH_MAX + 1], full[DM_PATH_MAX * 2];
        DmBusObject *o = userdata;
        int r;

        if (!data_model_path(o, path, name))
                return -ENOENT;
        (void) snprintf(full, sizeof(full), "%s%s", name, property);
        r = dm_get_values(o->bus->model, full, &values);
        if (r < 0)
                return r;
        if (r != DM_OK)
                return bus_error_set_fault(error, (DmFault) r, full);
        return append_native(reply, find_parameter(o, property), values.items[0].value);
}

static int property_set(
                sd_bus *bus,
                const char *path,
                const char *interface,
                const char *property,
                sd_bus_message *value,
                void *userdata,
                sd_bus_error *error) {
        _cleanup_dm_faults_ DmFaults faults = {};
        char name[DM_PATH_MAX + 1], full[DM_PATH_MAX * 2];
        _cleanup_free_ char *text = NULL;
        DmBusObject *o = userdata;
        uint64_t token;
        int r, status;

        if (!data_model_path(o, path, name))
                return -ENOENT;
        (void) snprintf(full, sizeof(full), "%s%s", name, property);
        r = read_native(value, find_parameter(o, property), &text);
        if (r < 0)
                return r;
        r = dm_prepare(o->bus->model, DM_ORIGIN_LOCAL, &(DmSetting){ full, "", text }, 1, &token, &faults);
        if (r > 0)
                return bus_error_set_fault(error, faults.entries[0].fault, faults.entries[0].text);
        if (r >= 0)
                r = dm_commit(o->bus->model, token, &status);
        return r < 0 ? bus_error_set_errno(error, r) : 0;
}

/* --- Interfaces --- */

bool dm_bus_emits(const DmParameter *p) {
        return !(p->flags & (DM_DYNAMIC | DM_HIDDEN | DM_CONSTANT));
}

static sd_bus_vtable make_property(const DmParameter *p) {
        uint64_t flags = SD_BUS_VTABLE_UNPRIVILEGED;

        if (p->flags & DM_CONSTANT)
                flags |= SD_BUS_VTABLE_PROPERTY_CONST;
        else if (dm_bus_emits(p))
                flags |= SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
        if (p->flags & DM_WRITABLE)
                return (sd_bus_vtable) SD_BUS_WRITABLE_PROPERTY(
                                p->name, signature(p), property_get, property_set, 0, flags);
        return (sd_bus_vtable) SD_BUS_PROPERTY(
                        p->name, signature(p), property_get, 0, flags & ~SD_BUS_VTABLE_UNPRIVILEGED);
}

static int add_object(DmBus *b, DmBusObject *o) {
        static const sd_bus_vtable start = SD_BUS_VTABLE_START(0), end = SD_BUS_VTABLE_END;
        const DmSchema *schema = dm_model_schema(b->model);
        _cleanup_free_ char *prefix = NULL;
        size_t n = o->object->n_parameters;

        if (o->object->flags & DM_CONTAINER && n == 0)
                return 0;
        o->interface = strfmt("%s.%s", b->service, o->object->bus_interface);
        o->vtable = calloc(n + 2, sizeof(*o->vtable));
        if (!o->interface || !o->vtable)
                return -ENOMEM;
        o->vtable[0] = start;
        for (size_t i = 0; i < n; i++)
                o->vtable[i + 1] = make_property(&schema->parameters[o->object->first_parameter + i]);
        o->vtable[n + 1] = end;
        if (o->object->flags & DM_CONTAINER)
                return sd_bus_add_object_vtable(b->bus, &o->slot, b->root, o->interface, o->vtable, o);
        /* Not from the root on: sd-bus has either fixed or found interfaces on one path, and the root's are
         * fixed. */
        prefix = strfmt("%s/%.*s",
                        b->root,
                        (int) strcspn(o->object->bus_interface, "."),
                        o->object->bus_interface);
        if (!prefix)
                return -ENOMEM;
        return sd_bus_add_fallback_vtable(b->bus, &o->slot, prefix, o->interface, o->vtable, find_object, o);
}

int dm_bus_add_objects(DmBus *b) {
        const DmSchema *schema = dm_model_schema(b->model);
        int r;

        b->objects = calloc(schema->n_objects, sizeof(*b->objects));
        if (!b->objects)
                return -ENOMEM;
        for (size_t i = 0; i < schema->n_objects; i++) {
                b->objects[i] = (DmBusObject){ .bus = b, .object = &schema->objects[i] };
                r = add_object(b, &b->objects[i]);
                if (r < 0)
                        return r;
        }
        r = sd_bus_add_object_manager(b->bus, &b->manager, b->root);
        return r < 0 ? r : sd_bus_add_node_enumerator(b->bus, &b->enumerator, b->root, enumerate, b);
}

void dm_bus_remove_objects(DmBus *b) {
        for (size_t i = 0; b->objects && i < dm_model_schema(b->model)->n_objects; i++) {
                sd_bus_slot_unref(b->objects[i].slot);
                free(b->objects[i].vtable);
                free(b->objects[i].interface);
        }
        b->objects = mfree(b->objects);
        b->manager = sd_bus_slot_unref(b->manager);
        b->enumerator = sd_bus_slot_unref(b->enumerator);
}
