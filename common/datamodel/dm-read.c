/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>

#include "common/base/array.h"
#include "common/base/parse.h"
#include "common/datamodel/dm-internal.h"

const char *dm_notify_rule_to_string(DmNotifyRule rule) {
        static const char *const names[_DM_NOTIFY_RULE_MAX] = {
                [DM_NOTIFY_NORMAL] = "normal",
                [DM_NOTIFY_FORCE_ENABLED] = "forceEnabled",
                [DM_NOTIFY_FORCE_DEFAULT_ENABLED] = "forceDefaultEnabled",
                [DM_NOTIFY_CAN_DENY] = "canDeny",
        };

        return names[rule];
}

static size_t count_rows(const DmNode *node, const DmParameter *p) {
        size_t i = 0;

        while (node->object->children[i] != p->table)
                i++;
        return node->tables[i].n;
}

int dm_read(DmModel *m, const DmNode *node, const DmParameter *p, char **ret) {
        uint32_t instances[DM_DEPTH_MAX];
        char *value = NULL;

        if (p->flags & DM_NUM_ENTRIES)
                value = strfmt("%zu", count_rows(node, p));
        else if (p->flags & DM_DYNAMIC && m->provider && m->provider->get) {
                dm_node_instances(node, instances);
                if (m->provider->get(m, p, instances, &value, m->userdata) < 0)
                        value = strdup(p->default_value);
        } else
                value = strdup(dm_node_value(node, p));
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

/* --- Names and values for the outside --- */

typedef struct Visitor {
        DmModel *m;
        bool next_level;
        DmNames *names;   /* either this */
        DmValues *values; /* or this */
} Visitor;

void dm_names_done(DmNames *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->items[i].name);
        free(names->items);
        *names = (DmNames){};
}

void dm_values_done(DmValues *values) {
        for (size_t i = 0; i < values->n; i++) {
                free(values->items[i].name);
                free(values->items[i].value);
        }
        free(values->items);
        *values = (DmValues){};
}

static int add_name(Visitor *v, const char *name, bool writable) {
        char *copy;

        if (ARRAY_GROW(v->names->items, v->names->n) < 0)
                return -ENOMEM;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        v->names->items[v->names->n++] = (DmName){ copy, writable };
        return 0;
}

static int add_value(Visitor *v, const char *name, const DmNode *node, const DmParameter *p) {
        _cleanup_free_ char *copy = NULL;
        char *value;
        int r;

        if (ARRAY_GROW(v->values->items, v->values->n) < 0)
                return -ENOMEM;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        if (p->flags & DM_HIDDEN) {
                value = strdup("");
                r = value ? 0 : -ENOMEM;
        } else
                r = dm_read(v->m, node, p, &value);
        if (r < 0)
                return r;
        v->values->items[v->values->n++] = (DmValue){ TAKE_PTR(copy), dm_type_to_string(p->type), value };
        return 0;
}

static int visit_parameter(Visitor *v, const DmNode *node, const DmParameter *p) {
        char object[DM_PATH_MAX + 1], path[DM_PATH_MAX * 2];

        (void) snprintf(path, sizeof(path), "%s%s", dm_node_path(node, object), p->name);
        return v->names ? add_name(v, path, p->flags & DM_WRITABLE) : add_value(v, path, node, p);
}

static int visit_object_name(Visitor *v, const DmNode *node) {
        char path[DM_PATH_MAX + 1];

        if (!v->names || node->object->flags & DM_CONTAINER)
                return 0;
        return add_name(v,
                        dm_node_path(node, path),
                        node->instance > 0 && node->object->flags & DM_CREATABLE);
}

static int visit_table_name(Visitor *v, const DmNode *parent, const DmObject *table) {
        char object[DM_PATH_MAX + 1], path[DM_PATH_MAX * 2];

        if (!v->names)
                return 0;
        (void) snprintf(path, sizeof(path), "%s%s.", dm_node_path(parent, object), table->name);
        return add_name(v, path, table->flags & DM_CREATABLE);
}

static int visit_object(Visitor *v, const DmNode *node);

static int visit_rows(Visitor *v, const DmTable *table) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < table->n; i++) {
                r = visit_object_name(v, table->rows[i]);
                if (r >= 0 && !v->next_level)
                        r = visit_object(v, table->rows[i]);
        }
        return r;
}

/* What is below the object, not the object itself. */
static int visit_object(Visitor *v, const DmNode *node) {
        const DmObject *o = node->object;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < o->n_parameters; i++)
                r = visit_parameter(v, node, &v->m->schema->parameters[o->first_parameter + i]);
        for (size_t i = 0; r >= 0 && i < o->n_children; i++) {
                if (node->singles[i]) {
                        r = visit_object_name(v, node->singles[i]);
                        if (r >= 0 && !v->next_level)
                                r = visit_object(v, node->singles[i]);
                } else {
                        r = visit_table_name(v, node, dm_child_object(v->m, node, i));
                        if (r >= 0 && !v->next_level)
                                r = visit_rows(v, &node->tables[i]);
                }
        }
        return r;
}

static int visit(Visitor *v, const char *path) {
        DmRef ref;
        int r = 0;

        if (strlen(path) > DM_PATH_MAX || dm_resolve(v->m, path, &ref) < 0)
                return DM_FAULT_INVALID_NAME;
        switch (ref.kind) {
        case DM_REF_PARAMETER:
                return v->next_level ? (int) DM_FAULT_INVALID_ARGUMENTS
                                     : visit_parameter(v, ref.node, ref.parameter);
        case DM_REF_TABLE:
                if (!v->next_level)
                        r = visit_table_name(v, ref.node, dm_child_object(v->m, ref.node, ref.child));
                return r < 0 ? r : visit_rows(v, &ref.node->tables[ref.child]);
        case DM_REF_OBJECT:
                break;
        }
        if (!v->next_level)
                r = visit_object_name(v, ref.node);
        return r < 0 ? r : visit_object(v, ref.node);
}

int dm_get_names(DmModel *m, const char *path, bool next_level, DmNames *names) {
        return visit(&(Visitor){ .m = m, .next_level = next_level, .names = names }, path);
}

int dm_get_values(DmModel *m, const char *path, DmValues *values) {
        return visit(&(Visitor){ .m = m, .values = values }, path);
}

/* --- Getters of the provider --- */

static int get_any(DmModel *m, const char *format, va_list ap, const DmParameter **ret_parameter, char **ret)
                __attribute__((format(printf, 2, 0)));

static int get_any(
                DmModel *m, const char *format, va_list ap, const DmParameter **ret_parameter, char **ret) {
        char path[DM_PATH_MAX + 1];
        DmRef ref;
        int r;

        r = dm_path_vformat(path, format, ap);
        if (r < 0)
                return r;
        if (dm_resolve(m, path, &ref) < 0 || ref.kind != DM_REF_PARAMETER)
                return -ENOENT;
        *ret_parameter = ref.parameter;
        return dm_read(m, ref.node, ref.parameter, ret);
}

int dm_get_string(DmModel *m, char **ret, const char *format, ...) {
        const DmParameter *p;
        va_list ap;
        int r;

        va_start(ap, format);
        r = get_any(m, format, ap, &p, ret);
        va_end(ap);
        return r;
}

int dm_get_bool(DmModel *m, bool *ret, const char *format, ...) {
        _cleanup_free_ char *value = NULL;
        const DmParameter *p;
        va_list ap;
        int r;

        va_start(ap, format);
        r = get_any(m, format, ap, &p, &value);
        va_end(ap);
        if (r < 0)
                return r;
        if (p->type != DM_BOOLEAN)
                return -EINVAL;
        *ret = streq(value, "true");
        return 0;
}

int dm_get_uint32(DmModel *m, uint32_t *ret, const char *format, ...) {
        _cleanup_free_ char *value = NULL;
        const DmParameter *p;
        va_list ap;
        int r;

        va_start(ap, format);
        r = get_any(m, format, ap, &p, &value);
        va_end(ap);
        if (r < 0)
                return r;
        if (p->type != DM_UNSIGNED_INT && p->type != DM_UNSIGNED_LONG)
                return -EINVAL;
        return parse_uint32(value, ret);
}

bool dm_exists(DmModel *m, const char *format, ...) {
        char path[DM_PATH_MAX + 2];
        DmRef ref;
        va_list ap;
        int r;

        va_start(ap, format);
        r = dm_path_vformat(path, format, ap);
        va_end(ap);
        if (r < 0)
                return false;
        if (dm_resolve(m, path, &ref) >= 0)
                return true;
        return !endswith(path, ".") && dm_resolve(m, strcat(path, "."), &ref) >= 0;
}

static const DmTable *get_table(DmModel *m, const char *format, va_list ap)
                __attribute__((format(printf, 2, 0)));

static const DmTable *get_table(DmModel *m, const char *format, va_list ap) {
        char path[DM_PATH_MAX + 1];
        DmRef ref;

        if (dm_path_vformat(path, format, ap) < 0 || dm_resolve(m, path, &ref) < 0 ||
            ref.kind != DM_REF_TABLE)
                return NULL;
        return &ref.node->tables[ref.child];
}

uint32_t dm_next_instance(DmModel *m, uint32_t after, const char *format, ...) {
        const DmTable *table;
        va_list ap;
        size_t i;

        va_start(ap, format);
        table = get_table(m, format, ap);
        va_end(ap);
        if (!table || after == DM_INSTANCE_MAX)
                return 0;
        i = dm_table_position(table, after + 1);
        return i < table->n ? table->rows[i]->instance : 0;
}

uint32_t dm_count_instances(DmModel *m, const char *format, ...) {
        const DmTable *table;
        va_list ap;

        va_start(ap, format);
        table = get_table(m, format, ap);
        va_end(ap);
        return table ? (uint32_t) table->n : 0;
}
