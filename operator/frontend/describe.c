/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/parse.h"
#include "operator/frontend/administration.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/store-task.h"

/* Times as in CWMP; never is null. */
static json_t *json_time(int64_t t) {
        char buf[DATETIME_SIZE];

        return t > 0 ? json_string(format_datetime(t, buf)) : json_null();
}

static json_t *json_text(const char *s) {
        return s ? json_string(s) : json_null();
}

int describe_subscription(Manager *m, const char *name, json_t **ret) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        _cleanup_strv_free_ char **ids = NULL;
        _cleanup_free_ char *url = NULL;
        json_t *devices, *j;
        int r;

        r = store_subscription_load(m->db, name, &s);
        if (r >= 0)
                r = store_device_ids(m->db, name, &ids);
        if (r < 0)
                return r;
        url = manager_repository_url(m, name);
        devices = json_array();
        STRV_FOREACH(id, ids)
                if (json_array_append_new(devices, json_string(*id)) < 0)
                        break;
        j = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:s, s:I, s:s, s:o, s:o}",
                      "name",
                      s->name,
                      "state",
                      s->removing    ? "removing"
                      : s->suspended ? "suspended"
                                     : "active",
                      "username",
                      s->username,
                      "repository",
                      strempty(url),
                      "repository_ready",
                      s->repository_ready,
                      "revision",
                      (json_int_t) s->revision,
                      "tip",
                      strempty(s->tip),
                      "quota_mib",
                      (json_int_t) manager_quota(m, s),
                      "retention",
                      s->retention ?: m->config->retention,
                      "created",
                      json_time(s->created),
                      "devices",
                      devices);
        if (!j)
                return -ENOMEM;
        *ret = j;
        return 0;
}

int describe_device(Manager *m, const char *id, json_t **ret) {
        _cleanup_(device_freep) Device *d = NULL;
        json_t *j;
        int r;

        r = store_device_load(m->db, id, &d);
        if (r < 0)
                return r;
        j = json_pack("{s:s, s:s, s:o, s:o, s:s, s:b, s:I, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:i, "
                      "s:i}",
                      "device",
                      d->id,
                      "state",
                      device_state_to_string(device_state(d)),
                      "subscription",
                      json_text(d->subscription),
                      "gateway_name",
                      json_text(d->gateway_name),
                      "status",
                      device_status_to_string(d->status),
                      "provisioned",
                      d->provision == PROVISION_DONE,
                      "revision",
                      (json_int_t) d->revision,
                      "commit",
                      json_text(d->commit),
                      "last_opseq",
                      (json_int_t) d->last_opseq,
                      "opseq",
                      (json_int_t) d->opseq,
                      "operation",
                      (json_int_t) d->operation,
                      "sync_status",
                      json_text(d->sync_status),
                      "last_error",
                      json_text(d->last_error),
                      "public_key",
                      json_text(d->public_key),
                      "seen",
                      json_time(d->seen_at),
                      "failures",
                      (int) d->failures,
                      "pending_commands",
                      (int) d->n_pending);
        if (!j)
                return -ENOMEM;
        *ret = j;
        return 0;
}

/* An array of the descriptions of all names. */
static int describe_all(
                Manager *m,
                char **names,
                int (*describe)(Manager *, const char *, json_t **),
                json_t **ret) {
        _cleanup_json_ json_t *all = json_array();

        STRV_FOREACH(name, names) {
                json_t *one;
                int r = describe(m, *name, &one);

                if (r < 0)
                        return r;
                if (json_array_append_new(all, one) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(all);
        return 0;
}

int describe_subscriptions(Manager *m, json_t **ret) {
        _cleanup_strv_free_ char **names = NULL;
        int r = store_subscription_names(m->db, false, &names);

        return r < 0 ? r : describe_all(m, names, describe_subscription, ret);
}

int describe_devices(Manager *m, json_t **ret) {
        _cleanup_strv_free_ char **ids = NULL;
        int r = store_device_ids(m->db, NULL, &ids);

        return r < 0 ? r : describe_all(m, ids, describe_device, ret);
}

int describe_operations(Manager *m, const char *device, json_t **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        _cleanup_json_ json_t *all = json_array();
        int r;

        r = sqlite_prepare(
                        m->db,
                        &q,
                        "SELECT device, opseq, kind, wanted, state, created, finished FROM operations"
                        " WHERE ?1 IS NULL OR device = ?1 ORDER BY created DESC, opseq DESC LIMIT ?2",
                        "si",
                        device,
                        (int64_t) OPERATIONS_MAX);
        if (r < 0)
                return r;
        while ((r = sqlite_step(q)) > 0) {
                json_t *j =
                                json_pack("{s:s, s:I, s:s, s:I, s:s, s:o, s:o}",
                                          "device",
                                          sqlite_column_str(q, 0),
                                          "opseq",
                                          (json_int_t) sqlite3_column_int64(q, 1),
                                          "kind",
                                          sqlite_column_str(q, 2),
                                          "wanted",
                                          (json_int_t) sqlite3_column_int64(q, 3),
                                          "state",
                                          sqlite_column_str(q, 4),
                                          "created",
                                          json_time(sqlite3_column_int64(q, 5)),
                                          "finished",
                                          json_time(sqlite3_column_int64(q, 6)));

                if (!j || json_array_append_new(all, j) < 0)
                        return -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(all);
        return 0;
}

static int task_to_json(const Task *t, json_t **ret) {
        json_t *j = json_pack(
                        "{s:I, s:s, s:s, s:s, s:o, s:o, s:o}",
                        "id",
                        (json_int_t) t->id,
                        "subscription",
                        t->subscription,
                        "kind",
                        t->kind,
                        "state",
                        t->state,
                        "result",
                        (t->result ? json_loads(t->result, 0, NULL) : NULL) ?: json_null(),
                        "created",
                        json_time(t->created),
                        "finished",
                        json_time(t->finished));

        if (!j)
                return -ENOMEM;
        *ret = j;
        return 0;
}

int describe_task(Manager *m, int64_t id, json_t **ret) {
        _cleanup_(task_freep) Task *t = NULL;
        int r = store_task_load(m->db, id, &t);

        return r < 0 ? r : task_to_json(t, ret);
}

int describe_tasks(Manager *m, const char *subscription, json_t **ret) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *q = NULL;
        _cleanup_json_ json_t *all = json_array();
        int r;

        r = sqlite_prepare(
                        m->db,
                        &q,
                        "SELECT id FROM tasks WHERE ?1 IS NULL OR subscription = ?1 ORDER BY id DESC LIMIT ?2",
                        "si",
                        subscription,
                        (int64_t) OPERATIONS_MAX);
        while (r >= 0 && (r = sqlite_step(q)) > 0) {
                json_t *one;

                r = describe_task(m, sqlite3_column_int64(q, 0), &one);
                if (r >= 0 && json_array_append_new(all, one) < 0)
                        r = -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(all);
        return 0;
}

int describe_command(Manager *m, const char *id, json_t **ret) {
        _cleanup_(command_freep) Command *c = NULL;
        json_t *result, *j;
        int r;

        r = store_command_load(m->db, id, &c);
        if (r < 0)
                return r;
        if (c->purpose != COMMAND_ADMIN)
                return -ENOENT;
        result = c->result ? json_loads(c->result, 0, NULL) : NULL;
        j = json_pack("{s:s, s:s, s:b, s:o*}",
                      "id",
                      c->id,
                      "device",
                      c->device,
                      "finished",
                      c->finished,
                      "result",
                      result);
        if (!j)
                return -ENOMEM;
        *ret = j;
        return 0;
}
