/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a transaction from outside must fulfil beyond the type of each value. */
#include "common/datamodel/dm-internal.h"

/* --- Unique keys --- */

typedef struct Entry {
        char *text; /* the values of the key, each ended by a byte that no value has */
        DmNode *row;
} Entry;

typedef struct Entries {
        Entry *items;
        size_t n;
} Entries;

static void entries_done(Entries *entries) {
        for (size_t i = 0; i < entries->n; i++)
                free(entries->items[i].text);
        free(entries->items);
}

static int compare_entries(const void *a, const void *b) {
        return strcmp(((const Entry *) a)->text, ((const Entry *) b)->text);
}

static bool key_counts(const DmModel *m, const DmNode *row, const DmUniqueKey *key) {
        uint16_t enable = row->object->enable_parameter;

        if (!key->functional || enable == DM_NO_INDEX)
                return true;
        return streq(dm_node_value(row, &m->schema->parameters[enable]), "true");
}

static int make_entry(const DmModel *m, DmNode *row, const DmUniqueKey *key, Entry *ret) {
        _cleanup_free_ char *text = strdup("");

        for (size_t i = 0; i < key->n_parameters; i++) {
                char *longer =
                                strfmt("%s%s\001",
                                       strempty(text),
                                       dm_node_value(row, &m->schema->parameters[key->parameters[i]]));

                if (!longer)
                        return -ENOMEM;
                free(text);
                text = longer;
        }
        if (!text)
                return -ENOMEM;
        *ret = (Entry){ TAKE_PTR(text), row };
        return 0;
}

static bool in_key(const DmUniqueKey *key, const DmObject *object, const DmParameter *p) {
        for (size_t i = 0; i < key->n_parameters; i++)
                if (key->parameters[i] == p->id)
                        return true;
        return key->functional && object->enable_parameter == p->id;
}

/* Blames the settings that made row collide with the other. */
static void add_collision(
                DmUpdate *u, const DmUniqueKey *key, const Entry *a, const Entry *b, DmFaults *faults) {
        for (size_t i = 0; i < u->n; i++) {
                const DmStep *step = &u->steps[i];
                char object[DM_PATH_MAX + 1], path[DM_PATH_MAX * 2];

                if (step->kind != DM_CHANGE_VALUE || (step->node != a->row && step->node != b->row) ||
                    !in_key(key, step->node->object, step->parameter))
                        continue;
                (void) snprintf(path,
                                sizeof(path),
                                "%s%s",
                                dm_node_path(step->node, object),
                                step->parameter->name);
                dm_faults_add(faults, path, DM_FAULT_INVALID_VALUE, "another row has the same unique key");
        }
}

static int check_key(DmUpdate *u, const DmTable *table, const DmUniqueKey *key, DmFaults *faults) {
        _cleanup_(entries_done) Entries entries = {};
        int r;

        entries.items = calloc(table->n + 1, sizeof(*entries.items));
        if (!entries.items)
                return -ENOMEM;
        for (size_t i = 0; i < table->n; i++) {
                if (!key_counts(u->model, table->rows[i], key))
                        continue;
                r = make_entry(u->model, table->rows[i], key, &entries.items[entries.n]);
                if (r < 0)
                        return r;
                entries.n++;
        }
        qsort(entries.items, entries.n, sizeof(*entries.items), compare_entries);
        for (size_t i = 1; i < entries.n; i++)
                if (streq(entries.items[i - 1].text, entries.items[i].text))
                        add_collision(u, key, &entries.items[i - 1], &entries.items[i], faults);
        return 0;
}

static int check_keys(DmUpdate *u, DmFaults *faults) {
        int r;

        for (size_t i = 0; i < u->n; i++) {
                const DmNode *row = u->steps[i].node;
                DmTable *table;

                if (row->instance == 0 || !dm_node_is_attached(row))
                        continue;
                table = dm_node_table(row);
                if (!table->touched)
                        continue;
                table->touched = false; /* each table once; the changes are built with marks of their own */
                for (size_t k = 0; k < row->object->n_unique_keys; k++) {
                        r = check_key(u, table, &row->object->unique_keys[k], faults);
                        if (r < 0)
                                return r;
                }
        }
        for (size_t i = 0; i < u->n; i++)
                if (u->steps[i].node->instance > 0)
                        dm_node_table(u->steps[i].node)->touched = true;
        return 0;
}

/* --- Strong references --- */

static bool row_exists(const DmModel *m, const char *path) {
        char buf[DM_PATH_MAX + 2];
        DmRef ref;

        if (strlen(path) > DM_PATH_MAX)
                return false;
        (void) snprintf(buf, sizeof(buf), "%s.", path);
        return dm_resolve(m, buf, &ref) >= 0 && ref.kind == DM_REF_OBJECT && ref.node->instance > 0;
}

static int check_references(DmUpdate *u, DmFaults *faults) {
        for (size_t i = 0; i < u->n; i++) {
                const DmStep *step = &u->steps[i];
                _cleanup_strv_free_ char **targets = NULL;
                char object[DM_PATH_MAX + 1], path[DM_PATH_MAX * 2];

                if (step->kind != DM_CHANGE_VALUE || !(step->parameter->flags & DM_STRONG))
                        continue;
                if (strv_split(dm_node_value(step->node, step->parameter), ",", &targets) < 0)
                        return -ENOMEM;
                STRV_FOREACH (target, targets) {
                        if (row_exists(u->model, *target))
                                continue;
                        (void) snprintf(path,
                                        sizeof(path),
                                        "%s%s",
                                        dm_node_path(step->node, object),
                                        step->parameter->name);
                        dm_faults_add(faults,
                                      path,
                                      DM_FAULT_INVALID_VALUE,
                                      "there is no such row: %s",
                                      *target);
                }
        }
        return 0;
}

typedef struct Drop {
        DmUpdate *update;
        const DmParameter *parameter;
        const char *path; /* of the row that goes, with a dot at the end */
} Drop;

static bool refers(const Drop *d, const char *target) {
        size_t n = strlen(d->path) - 1;

        return strncmp(target, d->path, n) == 0 && (!target[n] || target[n] == '.');
}

static int drop_in_node(DmNode *node, void *userdata) {
        _cleanup_strv_free_ char **targets = NULL, **kept = NULL;
        Drop *d = userdata;
        char *joined;

        if (strv_split(dm_node_value(node, d->parameter), ",", &targets) < 0)
                return -ENOMEM;
        STRV_FOREACH (target, targets)
                if (!refers(d, *target) && strv_extend(&kept, *target) < 0)
                        return -ENOMEM;
        if (strv_length(kept) == strv_length(targets))
                return 0;
        joined = strv_join(kept, ",");
        return joined ? dm_update_set_node(d->update, node, d->parameter, joined) : -ENOMEM;
}

/* Whether the parameter is for references to rows of this kind, or of a kind below it. */
static bool may_refer(const DmParameter *p, const DmObject *object) {
        size_t n = strlen(object->path) - 1;

        if (!(p->flags & DM_STRONG))
                return false;
        for (const char *const *t = p->targets; *t; t++)
                if (strncmp(*t, object->path, n) == 0)
                        return true;
        return false;
}

int dm_drop_references(DmUpdate *u, const DmNode *row) {
        const DmSchema *schema = u->model->schema;
        char path[DM_PATH_MAX + 1];
        Drop d = { .update = u, .path = dm_node_path(row, path) };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < schema->n_parameters; i++) {
                d.parameter = &schema->parameters[i];
                if (may_refer(d.parameter, row->object))
                        r = dm_walk(u->model,
                                    u->model->root,
                                    &schema->objects[d.parameter->object],
                                    drop_in_node,
                                    &d);
        }
        return r;
}

/* --- All of it --- */

static int check_provider(DmUpdate *u, DmFaults *faults) {
        const DmProvider *provider = u->model->provider;
        DmChanges changes = {};
        int r;

        if (!provider || !provider->validate)
                return 0;
        r = dm_changes_build(u, &changes);
        if (r < 0)
                return r;
        r = provider->validate(u->model, u->origin, changes.items, changes.n, faults, u->model->userdata);
        dm_changes_done(&changes);
        return r < 0 ? r : 0;
}

int dm_check_update(DmUpdate *u, DmFaults *faults) {
        int r;

        r = check_keys(u, faults);
        if (r >= 0)
                r = check_references(u, faults);
        /* A provider need not look at what is wrong already. */
        if (r >= 0 && faults->n == 0)
                r = check_provider(u, faults);
        return r >= 0 && faults->oom ? -ENOMEM : r;
}
