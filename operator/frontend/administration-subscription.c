/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "operator/common/retention-policy.h"
#include "operator/frontend/administration-internal.h"
#include "operator/frontend/profile.h"
#include "operator/frontend/store-task.h"

static int take_text(
                const json_t *order, const char *key, const char *what, char **field, char **ret_error) {
        const json_t *value = json_object_get(order, key);
        int r;

        if (!value)
                return 0;
        r = administration_check_text(what, json_string_value(value), ret_error);
        return r < 0 ? r : free_and_strdup(field, json_string_value(value));
}

int administration_take_retention(const json_t *value, char **field, char **ret_error) {
        const char *text = json_string_value(value);
        RetentionPolicy policy;

        if (!value)
                return 0;
        if (streq_ptr(text, "default")) {
                *field = mfree(*field);
                return 0;
        }
        if (!text || retention_policy_parse(text, &policy) < 0)
                return administration_complain(ret_error, -EINVAL, strdup(RETENTION_RULE));
        return free_and_strdup(field, text);
}

static int change(Subscription *s, const json_t *order, char **ret_error) {
        const json_t *quota = json_object_get(order, "quota_mib");
        int r;

        r = take_text(order, "username", "The user name", &s->username, ret_error);
        if (r >= 0)
                r = take_text(order, "password", "The password", &s->password, ret_error);
        if (r >= 0)
                r = administration_take_retention(json_object_get(order, "retention"), &s->retention, ret_error);
        if (r < 0 || !quota)
                return r;
        if (!json_is_integer(quota) || json_integer_value(quota) < -1 ||
            json_integer_value(quota) > QUOTA_MIB_MAX)
                return administration_complain(ret_error, -EINVAL, strdup(QUOTA_RULE));
        s->quota_mib = json_integer_value(quota);
        /* The repository is set to it. */
        s->repository_ready = false;
        return 0;
}

int administration_change(Manager *m, const char *subscription, const json_t *order, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        if (json_object_size(order) == 0)
                return administration_complain(ret_error, -EINVAL, strdup("There is nothing to change."));
        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = administration_load(m, subscription, &s, ret_error);
        if (r >= 0)
                r = change(s, order, ret_error);
        if (r >= 0)
                r = store_subscription_save(m->db, s);
        if (r >= 0)
                r = sqlite_commit(m->db);
        return r < 0 ? r : manager_check_repository(m, subscription);
}

/* Everything that is known of the devices goes; one that still reports is unknown, and rejected. */
static int erase_devices(Manager *m, char *const *devices) {
        STRV_FOREACH (id, devices) {
                int r = store_device_delete(m->db, *id);

                if (r < 0)
                        return r;
        }
        return 0;
}

int administration_remove(Manager *m, const char *subscription, bool erase, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = administration_load(m, subscription, &s, ret_error);
        if (r >= 0)
                r = store_device_ids(m->db, subscription, &devices);
        if (r < 0)
                return r;
        if (devices && !erase)
                return administration_complain(
                                ret_error,
                                -EEXIST,
                                strfmt("The subscription %s has devices, remove them first: %s ...",
                                       subscription,
                                       devices[0]));
        s->removing = true;
        r = erase_devices(m, devices);
        if (r >= 0)
                r = store_subscription_save(m->db, s);
        if (r >= 0)
                r = manager_note_keys(m, s->name);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        log_notice("%s: subscription removed%s.", subscription, erase ? " with its devices" : "");
        manager_settle(m);
        return manager_check_repository(m, subscription);
}

int administration_task(
                Manager *m, const char *subscription, const char *kind, int64_t *ret_id, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = administration_load(m, subscription, &s, ret_error);
        if (r >= 0)
                r = store_task_insert(m->db, subscription, kind, "[]", manager_now(), ret_id);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        manager_start_tasks(m);
        return 0;
}

/* The words for the program: the policy, and how. *ret is the caller's. */
static int read_retention(
                Manager *m, const Subscription *s, const json_t *order, char **ret, bool *ret_now, char **ret_error) {

        _cleanup_free_ char *policy = s->retention ? strdup(s->retention) : NULL;
        _cleanup_json_ json_t *words = NULL;
        int r, dry_run = 0, now = 0;
        json_t *try = NULL;

        if (s->retention && !policy)
                return -ENOMEM;
        /* What is misspelt must not be taken for an order to let versions expire. */
        if (order &&
            json_unpack((json_t *) order, "{s?b, s?b, s?o !}", "dry_run", &dry_run, "now", &now, "policy", &try) < 0)
                return administration_complain(
                                ret_error,
                                -EINVAL,
                                strdup("An order is \"dry_run\" and \"now\", true or false, and \"policy\", a text."));
        if (try && !dry_run)
                return administration_complain(
                                ret_error,
                                -EINVAL,
                                strdup("A policy is tried with a dry run; to apply it, set it first."));
        if (dry_run && now)
                return administration_complain(ret_error, -EINVAL, strdup("A dry run changes nothing, now or later."));
        r = administration_take_retention(try, &policy, ret_error);
        if (r < 0)
                return r;
        *ret_now = now;
        words = json_pack("[s, s]", policy ?: m->config->retention, dry_run ? "dry-run" : now ? "now" : "");
        *ret = words ? json_dumps(words, JSON_COMPACT) : NULL;
        return *ret ? 0 : -ENOMEM;
}

int administration_retain(
                Manager *m, const char *subscription, const json_t *order, int64_t *ret_id, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        _cleanup_free_ char *words = NULL;
        bool now = false;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = administration_load(m, subscription, &s, ret_error);
        if (r >= 0)
                r = read_retention(m, s, order, &words, &now, ret_error);
        if (r >= 0)
                r = store_task_insert(m->db, subscription, "retain", words, manager_now(), ret_id);
        if (r >= 0 && now)
                r = store_task_insert(m->db, subscription, "maintain", "[]", manager_now(), NULL);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        manager_start_tasks(m);
        return 0;
}
