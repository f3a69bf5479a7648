/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A transaction is a list of steps, each of which can be undone: setting exchanges the value in the node
 * with the one in the step, adding and deleting link a row in or out. Requests from outside use the same
 * steps. */
#include <inttypes.h>
#include <stdarg.h>

#include "common/base/array.h"
#include "common/base/parse.h"
#include "common/datamodel/dm-internal.h"
#include "common/datamodel/dm-value.h"

int dm_update_new(DmUpdate **ret, DmModel *m) {
        DmUpdate *u;

        if (m->update)
                return -EBUSY;
        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->model = m;
        u->origin = DM_ORIGIN_PROVIDER;
        m->update = u;
        *ret = u;
        return 0;
}

static void step_exchange(DmStep *step) {
        char **slot = dm_node_slot(step->node, step->parameter), *value = *slot;

        *slot = step->value;
        step->value = value;
}

static void step_undo(DmStep *step) {
        DmTable *table;

        switch (step->kind) {
        case DM_CHANGE_VALUE:
                step_exchange(step);
                break;
        case DM_CHANGE_ADDED:
                table = dm_node_table(step->node);
                dm_table_remove(table, step->node);
                table->last_instance = step->last_instance;
                break;
        case DM_CHANGE_DELETED:
                /* The table has kept the space. */
                (void) dm_table_insert(dm_node_table(step->node), step->node);
                break;
        }
}

static void untouch_tables(DmUpdate *u) {
        for (size_t i = 0; i < u->n; i++)
                if (u->steps[i].node->instance > 0)
                        dm_node_table(u->steps[i].node)->touched = false;
}

static void update_undo(DmUpdate *u) {
        untouch_tables(u);
        for (size_t i = u->n; i > 0; i--)
                step_undo(&u->steps[i - 1]);
        for (size_t i = 0; i < u->n; i++) {
                free(u->steps[i].value);
                if (u->steps[i].kind == DM_CHANGE_ADDED)
                        dm_node_free(u->steps[i].node);
        }
        u->n = 0;
}

static void update_settle(DmUpdate *u) {
        untouch_tables(u);
        for (size_t i = 0; i < u->n; i++) {
                free(u->steps[i].value);
                if (u->steps[i].kind == DM_CHANGE_DELETED)
                        dm_node_free(u->steps[i].node);
        }
        u->n = 0;
}

DmUpdate *dm_update_free(DmUpdate *u) {
        if (!u)
                return NULL;
        update_undo(u);
        if (u->model->update == u)
                u->model->update = NULL;
        free(u->steps);
        return mfree(u);
}

static DmStep *add_step(DmUpdate *u, DmChangeKind kind, DmNode *node) {
        if (ARRAY_GROW(u->steps, u->n) < 0)
                return NULL;
        u->steps[u->n] = (DmStep){ .kind = kind, .node = node };
        return &u->steps[u->n++];
}

static void touch_table(DmTable *table) {
        if (!table->touched)
                table->old_n = table->n;
        table->touched = true;
}

int dm_update_set_node(DmUpdate *u, DmNode *node, const DmParameter *p, char *canonical) {
        bool always = u->origin != DM_ORIGIN_PROVIDER &&
                      (p->flags & DM_TRIGGER || (p->flags & DM_HIDDEN && !(p->flags & DM_STORED)));
        DmStep *step;

        if (!always && streq(canonical, dm_node_value(node, p))) {
                free(canonical);
                return 0;
        }
        step = add_step(u, DM_CHANGE_VALUE, node);
        if (!step) {
                free(canonical);
                return -ENOMEM;
        }
        if (node->instance > 0)
                touch_table(dm_node_table(node));
        step->parameter = p;
        step->value = canonical;
        step_exchange(step);
        return 0;
}

int dm_update_add_row(DmUpdate *u, DmNode *parent, size_t child, DmNode **ret) {
        const DmObject *o = dm_child_object(u->model, parent, child);
        _cleanup_(dm_node_freep) DmNode *row = NULL;
        DmTable *table = &parent->tables[child];
        DmStep *step;
        int r;

        if (table->n >= o->max_entries || table->last_instance == DM_INSTANCE_MAX)
                return -ENOSPC;
        row = dm_node_new(u->model->schema, o, parent, table->last_instance + 1);
        if (!row)
                return -ENOMEM;
        step = add_step(u, DM_CHANGE_ADDED, row);
        if (!step)
                return -ENOMEM;
        touch_table(table);
        step->last_instance = table->last_instance;
        r = dm_table_insert(table, row);
        if (r < 0) {
                u->n--;
                return r;
        }
        table->last_instance = row->instance;
        *ret = TAKE_PTR(row);
        return 0;
}

int dm_update_delete_row(DmUpdate *u, DmNode *row) {
        DmTable *table = dm_node_table(row);

        if (!add_step(u, DM_CHANGE_DELETED, row))
                return -ENOMEM;
        touch_table(table);
        dm_table_remove(table, row);
        return dm_drop_references(u, row);
}

/* --- The provider's steps --- */

/* The first error sticks. */
static int note(DmUpdate *u, int r) {
        if (r < 0 && u->error >= 0)
                u->error = r;
        return r;
}

static int resolve_format(DmUpdate *u, DmRefKind kind, DmRef *ret, const char *format, va_list ap)
                __attribute__((format(printf, 4, 0)));

static int resolve_format(DmUpdate *u, DmRefKind kind, DmRef *ret, const char *format, va_list ap) {
        char path[DM_PATH_MAX + 1];
        int r;

        assert(!u->committed);
        r = dm_path_vformat(path, format, ap);
        if (r < 0)
                return r;
        if (dm_resolve(u->model, path, ret) < 0 || ret->kind != kind)
                return -ENOENT;
        return 0;
}

static int update_vset(DmUpdate *u, const char *value, const char *format, va_list ap)
                __attribute__((format(printf, 3, 0)));

static int update_vset(DmUpdate *u, const char *value, const char *format, va_list ap) {
        char *canonical;
        DmRef ref;
        int r;

        r = resolve_format(u, DM_REF_PARAMETER, &ref, format, ap);
        if (r >= 0 && ref.parameter->flags & (DM_NUM_ENTRIES | DM_DYNAMIC))
                r = -EINVAL;
        if (r >= 0)
                r = dm_value_canonicalize(ref.parameter, NULL, value, &canonical, NULL);
        if (r >= 0)
                r = dm_update_set_node(u, ref.node, ref.parameter, canonical);
        return note(u, r);
}

int dm_update_set(DmUpdate *u, const char *value, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = update_vset(u, value, format, ap);
        va_end(ap);
        return r;
}

int dm_update_set_bool(DmUpdate *u, bool value, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = update_vset(u, value ? "true" : "false", format, ap);
        va_end(ap);
        return r;
}

int dm_update_set_uint64(DmUpdate *u, uint64_t value, const char *format, ...) {
        char buf[24];
        va_list ap;
        int r;

        (void) snprintf(buf, sizeof(buf), "%" PRIu64, value);
        va_start(ap, format);
        r = update_vset(u, buf, format, ap);
        va_end(ap);
        return r;
}

int dm_update_set_time(DmUpdate *u, int64_t seconds, const char *format, ...) {
        char buf[DATETIME_SIZE];
        va_list ap;
        int r;

        va_start(ap, format);
        r = update_vset(u, format_datetime(seconds, buf), format, ap);
        va_end(ap);
        return r;
}

int dm_update_add(DmUpdate *u, uint32_t *ret, const char *format, ...) {
        DmNode *row;
        DmRef ref;
        va_list ap;
        int r;

        va_start(ap, format);
        r = resolve_format(u, DM_REF_TABLE, &ref, format, ap);
        va_end(ap);
        if (r >= 0)
                r = dm_update_add_row(u, ref.node, ref.child, &row);
        if (r >= 0 && ret)
                *ret = row->instance;
        return note(u, r);
}

int dm_update_delete(DmUpdate *u, const char *format, ...) {
        DmRef ref;
        va_list ap;
        int r;

        va_start(ap, format);
        r = resolve_format(u, DM_REF_OBJECT, &ref, format, ap);
        va_end(ap);
        if (r >= 0)
                r = ref.node->instance > 0 ? dm_update_delete_row(u, ref.node) : -ENOENT;
        return note(u, r);
}

/* --- The end of a transaction --- */

static bool needs_saving(const DmUpdate *u) {
        for (size_t i = 0; i < u->n; i++)
                if (u->steps[i].kind != DM_CHANGE_VALUE || dm_store_keeps(u->steps[i].parameter))
                        return true;
        return false;
}

/* What the model does not keep has been handed over with the changes. */
static void forget_hidden(DmUpdate *u) {
        for (size_t i = 0; i < u->n; i++) {
                DmStep *step = &u->steps[i];

                if (step->kind == DM_CHANGE_VALUE && step->parameter->flags & DM_HIDDEN &&
                    !(step->parameter->flags & DM_STORED)) {
                        char **slot = dm_node_slot(step->node, step->parameter);

                        *slot = mfree(*slot);
                }
        }
}

static void clear_changes(DmChanges *changes) {
        dm_changes_done(changes);
}

int dm_update_finish(DmUpdate *u, int *ret_status) {
        _cleanup_(clear_changes) DmChanges changes = {};
        DmModel *m = u->model;
        int r = u->error, status = 0;

        if (r >= 0)
                r = dm_changes_build(u, &changes);
        if (r >= 0 && needs_saving(u))
                r = dm_store_save(m);
        if (r < 0) {
                update_undo(u);
                return r;
        }
        forget_hidden(u);
        update_settle(u);
        u->committed = true;
        /* From here on listener and provider may start their own, and delete what this one has touched. */
        m->update = NULL;
        if (changes.n > 0) {
                if (m->listener)
                        m->listener(m, u->origin, changes.items, changes.n, m->listener_userdata);
                if (u->origin != DM_ORIGIN_PROVIDER && m->provider && m->provider->committed)
                        status = m->provider->committed(m, u->origin, changes.items, changes.n, m->userdata);
        }
        if (ret_status)
                *ret_status = status > 0;
        return 0;
}

int dm_update_commit(DmUpdate *u) {
        return dm_update_finish(u, NULL);
}
