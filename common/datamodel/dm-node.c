/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "common/datamodel/dm-internal.h"
#include "common/datamodel/dm-value.h"

static int node_set_alias(const DmSchema *schema, DmNode *node) {
        const DmObject *o = node->object;
        char **slot;

        if (o->alias_parameter == DM_NO_INDEX)
                return 0;
        /* TR-106 3.6.1: what the device itself makes starts with "cpe-". */
        slot = dm_node_slot(node, &schema->parameters[o->alias_parameter]);
        *slot = strfmt("cpe-%u", node->instance);
        return *slot ? 0 : -ENOMEM;
}

static int node_add_children(const DmSchema *schema, DmNode *node) {
        for (size_t i = 0; i < node->object->n_children; i++) {
                const DmObject *o = &schema->objects[node->object->children[i]];
                DmTable *table = &node->tables[i];

                if (!(o->flags & DM_TABLE)) {
                        node->singles[i] = dm_node_new(schema, o, node, 0);
                        if (!node->singles[i])
                                return -ENOMEM;
                        node->singles[i]->attached = true;
                        continue;
                }
                while (table->n < o->factory_entries) {
                        _cleanup_(dm_node_freep) DmNode *row =
                                        dm_node_new(schema, o, node, table->last_instance + 1);

                        if (!row || dm_table_insert(table, row) < 0)
                                return -ENOMEM;
                        table->last_instance = row->instance;
                        TAKE_PTR(row);
                }
        }
        return 0;
}

DmNode *dm_node_new(const DmSchema *schema, const DmObject *object, DmNode *parent, uint32_t instance) {
        _cleanup_(dm_node_freep) DmNode *node = NULL;

        node = calloc(1, sizeof(*node));
        if (!node)
                return NULL;
        node->object = object;
        node->parent = parent;
        node->instance = instance;
        node->values = calloc(object->n_parameters + 1U, sizeof(*node->values));
        node->singles = calloc(object->n_children + 1U, sizeof(*node->singles));
        node->tables = calloc(object->n_children + 1U, sizeof(*node->tables));
        if (!node->values || !node->singles || !node->tables)
                return NULL;
        if (node_set_alias(schema, node) < 0 || node_add_children(schema, node) < 0)
                return NULL;
        return TAKE_PTR(node);
}

DmNode *dm_node_free(DmNode *node) {
        if (!node)
                return NULL;
        for (size_t i = 0; node->values && i < node->object->n_parameters; i++)
                free(node->values[i]);
        for (size_t i = 0; i < node->object->n_children; i++) {
                if (node->singles)
                        dm_node_free(node->singles[i]);
                for (size_t k = 0; node->tables && k < node->tables[i].n; k++)
                        dm_node_free(node->tables[i].rows[k]);
                if (node->tables)
                        free(node->tables[i].rows);
        }
        free(node->values);
        free(node->singles);
        free(node->tables);
        return mfree(node);
}

static char *append_path(const DmNode *node, char *p, char *end) {
        if (!node->parent)
                return p;
        p = append_path(node->parent, p, end);
        p += snprintf(p, (size_t) (end - p), "%s.", node->object->name);
        if (node->instance > 0)
                p += snprintf(p, (size_t) (end - p), "%u.", node->instance);
        assert(p < end);
        return p;
}

char *dm_node_path(const DmNode *node, char buf[static DM_PATH_MAX + 1]) {
        buf[0] = '\0';
        append_path(node, buf, buf + DM_PATH_MAX + 1);
        return buf;
}

void dm_node_instances(const DmNode *node, uint32_t instances[static DM_DEPTH_MAX]) {
        uint32_t reversed[DM_DEPTH_MAX];
        size_t n = 0;

        for (; node && n < DM_DEPTH_MAX; node = node->parent)
                if (node->instance > 0)
                        reversed[n++] = node->instance;
        for (size_t i = 0; i < DM_DEPTH_MAX; i++)
                instances[i] = i < n ? reversed[n - 1 - i] : 0;
}

bool dm_node_is_attached(const DmNode *node) {
        for (; node->parent; node = node->parent)
                if (!node->attached)
                        return false;
        return true;
}

static size_t child_index(const DmNode *parent, const DmObject *object) {
        size_t i = 0;

        while (parent->object->children[i] != object->id)
                i++;
        return i;
}

DmTable *dm_node_table(const DmNode *row) {
        return &row->parent->tables[child_index(row->parent, row->object)];
}

char **dm_node_slot(const DmNode *node, const DmParameter *p) {
        assert(p->object == node->object->id);
        return &node->values[p->id - node->object->first_parameter];
}

const char *dm_node_value(const DmNode *node, const DmParameter *p) {
        return *dm_node_slot(node, p) ?: p->default_value;
}

/* Index of the first row with at least this number. */
size_t dm_table_position(const DmTable *table, uint32_t instance) {
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (table->rows[middle]->instance < instance)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

DmNode *dm_table_find(const DmTable *table, uint32_t instance) {
        size_t i = dm_table_position(table, instance);

        return i < table->n && table->rows[i]->instance == instance ? table->rows[i] : NULL;
}

int dm_table_insert(DmTable *table, DmNode *row) {
        size_t i = dm_table_position(table, row->instance);

        if (table->n == table->allocated) {
                size_t allocated = MAX(table->allocated * 2, (size_t) 8);
                DmNode **rows = reallocarray(table->rows, allocated, sizeof(*rows));

                if (!rows)
                        return -ENOMEM;
                table->rows = rows;
                table->allocated = allocated;
        }
        memmove(table->rows + i + 1, table->rows + i, (table->n - i) * sizeof(*table->rows));
        table->rows[i] = row;
        table->n++;
        row->attached = true;
        return 0;
}

/* Leaves the space, so that putting the row back cannot fail. */
void dm_table_remove(DmTable *table, DmNode *row) {
        size_t i = dm_table_position(table, row->instance);

        assert(i < table->n && table->rows[i] == row);
        memmove(table->rows + i, table->rows + i + 1, (table->n - i - 1) * sizeof(*table->rows));
        table->n--;
        row->attached = false;
}

int dm_path_vformat(char buf[static DM_PATH_MAX + 1], const char *format, va_list ap) {
        int n = vsnprintf(buf, DM_PATH_MAX + 1, format, ap);

        return n < 0 || n > (int) DM_PATH_MAX ? -ENAMETOOLONG : 0;
}

const DmObject *dm_child_object(const DmModel *m, const DmNode *node, size_t child) {
        return &m->schema->objects[node->object->children[child]];
}

/* The child whose name are the first n characters, or object->n_children. */
static size_t find_child(const DmModel *m, const DmNode *node, const char *name, size_t n) {
        size_t i;

        for (i = 0; i < node->object->n_children; i++) {
                const char *child = dm_child_object(m, node, i)->name;

                if (strncmp(child, name, n) == 0 && !child[n])
                        break;
        }
        return i;
}

static int resolve_parameter(const DmModel *m, DmNode *node, const char *name, DmRef *ret) {
        const DmObject *o = node->object;

        for (size_t i = 0; i < o->n_parameters; i++) {
                const DmParameter *p = &m->schema->parameters[o->first_parameter + i];

                if (streq(p->name, name)) {
                        *ret = (DmRef){ DM_REF_PARAMETER, node, 0, p };
                        return 0;
                }
        }
        return -ENOENT;
}

int dm_resolve(const DmModel *m, const char *path, DmRef *ret) {
        DmNode *node = m->root;

        while (*path) {
                const char *dot = strchr(path, '.');
                uint32_t instance;
                size_t child;

                if (!dot)
                        return resolve_parameter(m, node, path, ret);
                child = find_child(m, node, path, (size_t) (dot - path));
                if (child == node->object->n_children)
                        return -ENOENT;
                path = dot + 1;
                if (node->singles[child]) {
                        node = node->singles[child];
                        continue;
                }
                if (!*path) {
                        *ret = (DmRef){ DM_REF_TABLE, node, child, NULL };
                        return 0;
                }
                if (!dm_parse_instance(path, &path, &instance) || *path++ != '.')
                        return -ENOENT;
                node = dm_table_find(&node->tables[child], instance);
                if (!node)
                        return -ENOENT;
        }
        *ret = (DmRef){ DM_REF_OBJECT, node, 0, NULL };
        return 0;
}

int dm_walk(const DmModel *m,
            DmNode *node,
            const DmObject *object,
            int (*f)(DmNode *node, void *userdata),
            void *userdata) {
        int r = 0;

        if (node->object == object)
                return f(node, userdata);
        /* Only the branch that leads to the object: its path begins with the child's. */
        for (size_t i = 0; r >= 0 && i < node->object->n_children; i++) {
                if (!startswith(object->path, dm_child_object(m, node, i)->path))
                        continue;
                if (node->singles[i])
                        r = dm_walk(m, node->singles[i], object, f, userdata);
                for (size_t k = 0; r >= 0 && k < node->tables[i].n; k++)
                        r = dm_walk(m, node->tables[i].rows[k], object, f, userdata);
        }
        return r;
}
