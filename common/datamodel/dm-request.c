/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests from outside: SetParameterValues in two halves, AddObject, DeleteObject (TR-069 A.3.2). */
#include "common/datamodel/dm-internal.h"
#include "common/datamodel/dm-value.h"

static void release(DmModel *m) {
        m->prepared.names = strv_free(m->prepared.names);
        m->prepared.values = strv_free(m->prepared.values);
        m->prepared.token = 0;
}

bool dm_is_locked(const DmModel *m) {
        return m->prepared.token > 0;
}

static int begin(DmModel *m, DmOrigin origin, DmUpdate **ret) {
        int r;

        if (dm_is_locked(m))
                return -EBUSY;
        r = dm_update_new(ret, m);
        if (r >= 0)
                (*ret)->origin = origin;
        return r;
}

/* --- SetParameterValues --- */

/* One setting: DM_OK, the fault, which is in faults then, or a negative errno. */
static int apply_setting(DmUpdate *u, DmPrepared *prepared, const DmSetting *s, DmFaults *faults) {
        uint32_t instances[DM_DEPTH_MAX];
        const char *reason = NULL;
        char *canonical;
        DmRef ref;
        int r;

        if (strlen(s->name) > DM_PATH_MAX || dm_resolve(u->model, s->name, &ref) < 0 ||
            ref.kind != DM_REF_PARAMETER)
                return (int) dm_faults_add(faults, s->name, DM_FAULT_INVALID_NAME, NULL);
        if (!(ref.parameter->flags & DM_WRITABLE))
                return (int) dm_faults_add(faults, s->name, DM_FAULT_NON_WRITABLE, NULL);
        if (!dm_type_matches(ref.parameter, s->type))
                return (int) dm_faults_add(
                                faults,
                                s->name,
                                DM_FAULT_INVALID_TYPE,
                                "the type is %s",
                                ref.parameter->type == DM_PATH_REF ? "string"
                                                                   : dm_type_to_string(ref.parameter->type));

        dm_node_instances(ref.node, instances);
        r = dm_value_canonicalize(ref.parameter, instances, s->value, &canonical, &reason);
        if (r == -EINVAL)
                return (int) dm_faults_add(faults, s->name, DM_FAULT_INVALID_VALUE, "%s", reason);
        if (r < 0)
                return r;
        if (strv_extend(&prepared->names, s->name) < 0 || strv_extend(&prepared->values, canonical) < 0) {
                free(canonical);
                return -ENOMEM;
        }
        return dm_update_set_node(u, ref.node, ref.parameter, canonical);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const DmSetting *) a)->name, ((const DmSetting *) b)->name);
}

/* TR-069 A.3.2.1: a parameter may be in a request once. */
static int check_duplicates(const DmSetting *settings, size_t n, DmFaults *faults) {
        _cleanup_free_ DmSetting *sorted = NULL;

        sorted = calloc(n + 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        if (n > 0)
                memcpy(sorted, settings, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), compare_names);
        for (size_t i = 1; i < n; i++)
                if (streq(sorted[i - 1].name, sorted[i].name))
                        dm_faults_add(faults, sorted[i].name, DM_FAULT_INVALID_ARGUMENTS, "named twice");
        return 0;
}

static int try_settings(
                DmUpdate *u, DmPrepared *prepared, const DmSetting *settings, size_t n, DmFaults *faults) {
        int r;

        for (size_t i = 0; i < n; i++) {
                r = apply_setting(u, prepared, &settings[i], faults);
                if (r < 0)
                        return r;
        }
        r = check_duplicates(settings, n, faults);
        if (r < 0 || faults->n > 0)
                return r;
        return dm_check_update(u, faults);
}

static void prepared_done(DmPrepared *prepared) {
        strv_free(prepared->names);
        strv_free(prepared->values);
}

int dm_prepare(DmModel *m,
               DmOrigin origin,
               const DmSetting *settings,
               size_t n,
               uint64_t *ret_token,
               DmFaults *faults) {
        _cleanup_(prepared_done) DmPrepared prepared = { .origin = origin };
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        int r;

        if (n > DM_SETTINGS_MAX) {
                dm_faults_add(faults,
                              "",
                              DM_FAULT_RESOURCES_EXCEEDED,
                              "more than %u parameters",
                              DM_SETTINGS_MAX);
                return DM_FAULT_INVALID_ARGUMENTS;
        }
        r = begin(m, origin, &u);
        if (r >= 0)
                r = try_settings(u, &prepared, settings, n, faults);
        if (r < 0)
                return r;
        if (faults->oom)
                return -ENOMEM;
        if (faults->n > 0)
                return DM_FAULT_INVALID_ARGUMENTS;

        /* All of it is undone by the cleanup, and done again by dm_commit(). */
        m->prepared = prepared;
        m->prepared.token = ++m->last_token;
        prepared = (DmPrepared){};
        *ret_token = m->prepared.token;
        return DM_OK;
}

static int apply_prepared(DmUpdate *u, const DmPrepared *prepared) {
        for (size_t i = 0; prepared->names && prepared->names[i]; i++) {
                char *value;
                DmRef ref;
                int r;

                if (dm_resolve(u->model, prepared->names[i], &ref) < 0)
                        continue;
                value = strdup(prepared->values[i]);
                if (!value)
                        return -ENOMEM;
                r = dm_update_set_node(u, ref.node, ref.parameter, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

int dm_commit(DmModel *m, uint64_t token, int *ret_status) {
        _cleanup_(prepared_done) DmPrepared prepared = {};
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        int r;

        if (token == 0 || token != m->prepared.token)
                return -ENOLCK;
        prepared = m->prepared;
        m->prepared = (DmPrepared){};
        r = begin(m, prepared.origin, &u);
        if (r < 0)
                return r;
        r = apply_prepared(u, &prepared);
        if (r < 0)
                return r;
        return dm_update_finish(u, ret_status);
}

int dm_abort(DmModel *m, uint64_t token) {
        if (token == 0 || token != m->prepared.token)
                return -ENOLCK;
        release(m);
        return 0;
}

/* --- AddObject, DeleteObject --- */

/* The provider's view of a step that the engine allows, and its end. */
static int check_and_finish(DmUpdate *u, int *ret_status, DmFaults *faults) {
        int r;

        r = dm_check_update(u, faults);
        if (r < 0)
                return r;
        if (faults->n > 0)
                return (int) faults->entries[0].fault;
        return dm_update_finish(u, ret_status);
}

int dm_add_object(
                DmModel *m,
                DmOrigin origin,
                const char *path,
                uint32_t *ret_instance,
                int *ret_status,
                DmFaults *faults) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        uint32_t instance;
        DmNode *row;
        DmRef ref;
        int r;

        if (strlen(path) > DM_PATH_MAX || dm_resolve(m, path, &ref) < 0 || ref.kind != DM_REF_TABLE)
                return (int) dm_faults_add(faults, path, DM_FAULT_INVALID_NAME, "there is no such table");
        if (!(dm_child_object(m, ref.node, ref.child)->flags & DM_CREATABLE))
                return (int) dm_faults_add(
                                faults,
                                path,
                                DM_FAULT_REQUEST_DENIED,
                                "rows of this table come from the device");
        r = begin(m, origin, &u);
        if (r >= 0)
                r = dm_update_add_row(u, ref.node, ref.child, &row);
        if (r == -ENOSPC)
                return (int) dm_faults_add(faults, path, DM_FAULT_RESOURCES_EXCEEDED, "the table is full");
        if (r < 0)
                return r;
        instance = row->instance;
        r = check_and_finish(u, ret_status, faults);
        if (r == DM_OK)
                *ret_instance = instance;
        return r;
}

int dm_delete_object(DmModel *m, DmOrigin origin, const char *path, int *ret_status, DmFaults *faults) {
        _cleanup_(dm_update_freep) DmUpdate *u = NULL;
        DmRef ref;
        int r;

        if (strlen(path) > DM_PATH_MAX || dm_resolve(m, path, &ref) < 0 || ref.kind != DM_REF_OBJECT ||
            ref.node->instance == 0)
                return (int) dm_faults_add(faults, path, DM_FAULT_INVALID_NAME, "there is no such row");
        if (!(ref.node->object->flags & DM_CREATABLE))
                return (int) dm_faults_add(
                                faults,
                                path,
                                DM_FAULT_REQUEST_DENIED,
                                "rows of this table belong to the device");
        r = begin(m, origin, &u);
        if (r >= 0)
                r = dm_update_delete_row(u, ref.node);
        if (r < 0)
                return r;
        return check_and_finish(u, ret_status, faults);
}
