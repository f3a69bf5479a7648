/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of changes that listeners and providers see, made from the steps of a transaction. */
#include "common/datamodel/dm-internal.h"

void dm_changes_done(DmChanges *changes) {
        for (size_t i = 0; i < changes->n; i++) {
                free((char *) changes->items[i].path);
                free((char *) changes->items[i].value);
                free((char *) changes->items[i].old_value);
        }
        free(changes->items);
        *changes = (DmChanges) {};
}

static int append(DmChanges *changes, DmChangeKind kind, const DmNode *node, const DmParameter *p, const char *value, const char *old) {
        DmChange *c = &changes->items[changes->n];
        char path[DM_PATH_MAX + 1];

        *c = (DmChange) { .kind = kind, .object = node->object, .parameter = p };
        changes->n++;
        dm_node_instances(node, c->instances);
        c->path = strfmt("%s%s", dm_node_path(node, path), p ? p->name : "");
        if (p) {
                c->value = strdup(value);
                c->old_value = strdup(old);
        }
        return c->path && (!p || (c->value && c->old_value)) ? 0 : -ENOMEM;
}

static int append_count(const DmUpdate *u, DmChanges *changes, const DmNode *row) {
        DmTable *table = dm_node_table(row);
        const DmNode *parent = row->parent;
        char value[24], old[24];

        if (!table->touched || table->n == table->old_n || !dm_node_is_attached(parent))
                return 0;
        (void) snprintf(value, sizeof(value), "%zu", table->n);
        (void) snprintf(old, sizeof(old), "%zu", table->old_n);
        table->touched = false; /* once per table */
        for (size_t i = 0; i < parent->object->n_parameters; i++) {
                const DmParameter *p = &u->model->schema->parameters[parent->object->first_parameter + i];

                if (p->flags & DM_NUM_ENTRIES && p->table == row->object->id)
                        return append(changes, DM_CHANGE_VALUE, parent, p, value, old);
        }
        return 0;
}

static int append_step(const DmUpdate *u, DmChanges *changes, const DmStep *step) {
        const DmParameter *p = step->parameter;
        int r;

        if (step->kind == DM_CHANGE_VALUE)
                return append(changes, step->kind, step->node, p, dm_node_value(step->node, p), step->value ?: p->default_value);
        r = append(changes, step->kind, step->node, NULL, NULL, NULL);
        return r < 0 ? r : append_count(u, changes, step->node);
}

int dm_changes_build(const DmUpdate *u, DmChanges *ret) {
        DmChanges changes = {};
        int r = 0;

        for (size_t i = 0; i < u->n; i++)
                if (u->steps[i].kind != DM_CHANGE_VALUE)
                        dm_node_table(u->steps[i].node)->touched = true;
        /* Each step of a row may bring its table's count along. */
        changes.items = calloc(u->n * 2 + 1, sizeof(*changes.items));
        if (!changes.items)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < u->n; i++)
                r = append_step(u, &changes, &u->steps[i]);
        if (r < 0)
                dm_changes_done(&changes);
        else
                *ret = changes;
        return r;
}
