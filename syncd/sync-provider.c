/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of the parameters that the ACS writes, and what follows from each. */
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/sync-manager.h"

/* The row of the change, and the parameter's name. Rows of Conflict are none of an ACS's. */
static bool is_parameter(const DmChange *c, const char *name) {
        return c->kind == DM_CHANGE_VALUE && streq(c->parameter->name, name);
}

/* Two instances would take each other's work for a user's. */
static int validate_folder(DmModel *m, const DmChange *c, DmFaults *faults) {
        DM_FOREACH_INSTANCE(i, m, SYNC_TABLE) {
                _cleanup_free_ char *folder = NULL;
                int r;

                if (i == c->instances[0])
                        continue;
                r = dm_get_string(m, &folder, SYNC_TABLE "%u.Folder", i);
                if (r < 0)
                        return r;
                if (streq(folder, c->value)) {
                        (void) dm_faults_add(
                                        faults, c->path, DM_FAULT_INVALID_VALUE, "Another instance has this folder.");
                        return 0;
                }
        }
        return 0;
}

static void validate_schedule(const DmChange *c, DmFaults *faults) {
        char error[BANDWIDTH_ERROR_SIZE];
        BandwidthSchedule schedule;

        if (bandwidth_schedule_parse(c->value, &schedule, error) < 0)
                (void) dm_faults_add(faults, c->path, DM_FAULT_INVALID_VALUE, "%s", error);
}

static int validate_value(DmModel *m, DmOrigin origin, const DmChange *c, DmFaults *faults) {
        _cleanup_free_ char *held = NULL, *known_hosts = NULL;
        RepositoryUrl url;
        SyncOp op;
        int r;

        if (is_parameter(c, "Folder") && c->value[0])
                return validate_folder(m, c, faults);
        if (is_parameter(c, "Schedule"))
                validate_schedule(c, faults);
        if (is_parameter(c, "SyncOp") && sync_op_parse(c->value, &op) < 0)
                (void) dm_faults_add(
                                faults, c->path, DM_FAULT_INVALID_VALUE, "Not an operation and an opseq.");
        else if (is_parameter(c, "Status") && !streq(c->value, "Subscribed") &&
                 !streq(c->value, "Suspended") && !streq(c->value, "Rejected"))
                (void) dm_faults_add(
                                faults,
                                c->path,
                                DM_FAULT_INVALID_VALUE,
                                "Only Subscribed, Suspended, Rejected.");
        else if (is_parameter(c, "RepositoryURL") && c->value[0] && repository_url_parse(c->value, &url) < 0)
                (void) dm_faults_add(
                                faults,
                                c->path,
                                DM_FAULT_INVALID_VALUE,
                                "Not of the form ssh://user@host:port/name.");
        else if (is_parameter(c, "RepositoryHostKeys")) {
                r = repository_host_keys_to_known_hosts(c->value, "x", &known_hosts);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        (void) dm_faults_add(
                                        faults,
                                        c->path,
                                        DM_FAULT_INVALID_VALUE,
                                        "Not a list of public keys.");
        } else if (is_parameter(c, "Confirm") && c->value[0]) {
                r = dm_get_string(m, &held, SYNC_TABLE "%u.Guard.Held", c->instances[0]);
                if (r < 0)
                        return r;
                if (!streq(held, c->value))
                        (void) dm_faults_add(faults, c->path, DM_FAULT_INVALID_VALUE, "Not what is held.");
        }
        return 0;
}

static int validate(
                DmModel *m,
                DmOrigin origin,
                const DmChange *changes,
                size_t n,
                DmFaults *faults,
                void *userdata) {
        for (size_t i = 0; i < n; i++) {
                int r = validate_value(m, origin, &changes[i], faults);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Rows and ordinary parameters first, so that an order in the same transaction finds them in effect. */
static void configure(Manager *m, const DmChange *c) {
        ManagerEntry *e = manager_find(m, c->instances[0]);
        bool row = c->kind != DM_CHANGE_VALUE && streq(c->object->name, SYNC_OBJECT_NAME);
        int r;

        if (row && c->kind == DM_CHANGE_DELETED)
                manager_remove(m, c->instances[0]);
        else if (row && !e) {
                r = manager_add(m, c->instances[0]);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to start instance %u: %m", c->instances[0]);
        } else if (e && c->kind == DM_CHANGE_VALUE)
                repository_configure(e->repository);
}

static bool is_order(const DmChange *c) {
        return is_parameter(c, "SyncOp") || is_parameter(c, "Status") || is_parameter(c, "RotateKey") ||
                is_parameter(c, "Confirm");
}

static void order(Manager *m, const DmChange *c) {
        ManagerEntry *e = manager_find(m, c->instances[0]);
        SyncOp op;

        if (!e)
                return;
        if (is_parameter(c, "SyncOp") && sync_op_parse(c->value, &op) >= 0)
                repository_order(e->repository, op);
        else if (is_parameter(c, "Status"))
                repository_status_written(e->repository, sync_status_from_string(c->value));
        else if (is_parameter(c, "RotateKey") && streq(c->value, "true"))
                repository_rotate_key(e->repository);
        else if (is_parameter(c, "Confirm") && c->value[0])
                repository_confirm(e->repository, c->value);
}

static int committed(DmModel *model, DmOrigin origin, const DmChange *changes, size_t n, void *userdata) {
        Manager *m = userdata;

        for (size_t i = 0; i < n; i++)
                if (!is_order(&changes[i]))
                        configure(m, &changes[i]);
        /* Status before SyncOp, in whatever order they were written. */
        for (size_t i = 0; i < n; i++)
                if (is_order(&changes[i]) && !is_parameter(&changes[i], "SyncOp"))
                        order(m, &changes[i]);
        for (size_t i = 0; i < n; i++)
                if (is_parameter(&changes[i], "SyncOp"))
                        order(m, &changes[i]);
        return 0;
}

static int get(DmModel *model,
               const DmParameter *parameter,
               const uint32_t instances[],
               char **ret,
               void *userdata) {
        ManagerEntry *e = manager_find(userdata, instances[0]);
        char *value;

        if (!e || !e->repository)
                return -ENOENT;
        if (streq(parameter->name, "BytesSent"))
                value = strfmt("%llu", (unsigned long long) e->repository->sent);
        else if (streq(parameter->name, "BytesReceived"))
                value = strfmt("%llu", (unsigned long long) e->repository->received);
        else if (streq(parameter->name, "StateReason"))
                value = repository_state_reason(e->repository);
        else
                return -ENOENT;
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

const DmProvider sync_provider = {
        .validate = validate,
        .committed = committed,
        .get = get,
};
