/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of changes that listeners and providers see, made from the steps of a transaction. */
#include "common/base/array.h"
#include "common/datamodel/dm-internal.h"

typedef struct Builder {
        const DmUpdate *update;
        DmChanges changes;
} Builder;

void dm_changes_done(DmChanges *changes) {
        for (size_t i = 0; i < changes->n; i++) {
                free((char *) changes->items[i].path);
                free((char *) changes->items[i].value);
                free((char *) changes->items[i].old_value);
        }
        free(changes->items);
        *changes = (DmChanges){};
}

static int append(
                Builder *b,
                DmChangeKind kind,
                const DmNode *node,
                const DmParameter *p,
                const char *value,
                const char *old) {
        char path[DM_PATH_MAX + 1];
        DmChange *c;

        if (ARRAY_GROW(b->changes.items, b->changes.n) < 0)
                return -ENOMEM;
        c = &b->changes.items[b->changes.n++];
        *c = (DmChange){ .kind = kind, .object = node->object, .parameter = p };
        dm_node_instances(node, c->instances);
        c->path = strfmt("%s%s", dm_node_path(node, path), p ? p->name : "");
        if (p) {
                c->value = strdup(value);
                c->old_value = strdup(old);
        }
        return c->path && (!p || (c->value && c->old_value)) ? 0 : -ENOMEM;
}

static int append_count(Builder *b, const DmNode *row) {
        DmTable *table = dm_node_table(row);
        const DmNode *parent = row->parent;
        char value[24], old[24];

        if (!table->touched || table->n == table->old_n || !dm_node_is_attached(parent))
                return 0;
        (void) snprintf(value, sizeof(value), "%zu", table->n);
        (void) snprintf(old, sizeof(old), "%zu", table->old_n);
        table->touched = false; /* once per table */
        for (size_t i = 0; i < parent->object->n_parameters; i++) {
                const DmParameter *p =
                                &b->update->model->schema->parameters[parent->object->first_parameter + i];

                if (p->flags & DM_NUM_ENTRIES && p->table == row->object->id)
                        return append(b, DM_CHANGE_VALUE, parent, p, value, old);
        }
        return 0;
}

static int append_deleted(Builder *b, const DmNode *node) {
        int r = 0;

        if (node->instance > 0)
                r = append(b, DM_CHANGE_DELETED, node, NULL, NULL, NULL);
        for (size_t i = 0; r >= 0 && i < node->object->n_children; i++) {
                if (node->singles[i])
                        r = append_deleted(b, node->singles[i]);
                for (size_t k = 0; r >= 0 && k < node->tables[i].n; k++)
                        r = append_deleted(b, node->tables[i].rows[k]);
        }
        return r;
}

static int append_step(Builder *b, const DmStep *step) {
        const DmParameter *p = step->parameter;
        int r;

        if (step->kind == DM_CHANGE_VALUE)
                return append(b,
                              step->kind,
                              step->node,
                              p,
                              dm_node_value(step->node, p),
                              step->value ?: p->default_value);
        if (step->kind == DM_CHANGE_ADDED)
                r = append(b, step->kind, step->node, NULL, NULL, NULL);
        else
                r = append_deleted(b, step->node);
        return r < 0 ? r : append_count(b, step->node);
}

int dm_changes_build(const DmUpdate *u, DmChanges *ret) {
        Builder b = { .update = u };
        int r = 0;

        for (size_t i = 0; i < u->n; i++)
                if (u->steps[i].kind != DM_CHANGE_VALUE)
                        dm_node_table(u->steps[i].node)->touched = true;
        for (size_t i = 0; r >= 0 && i < u->n; i++)
                r = append_step(&b, &u->steps[i]);
        if (r < 0)
                dm_changes_done(&b.changes);
        else
                *ret = b.changes;
        return r;
}
