/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "operator/common/topic.h"
#include "operator/frontend/administration-internal.h"
#include "operator/frontend/profile.h"

#define COMMAND_NAMES_MAX 1000U

int administration_complain(char **ret_error, int error, char *sentence) {
        *ret_error = sentence;
        return sentence ? error : -ENOMEM;
}

int administration_check_text(const char *what, const char *text, char **ret_error) {
        if (isempty(text) || strlen(text) > ACCOUNT_TEXT_MAX || !utf8_is_valid(text))
                return administration_complain(
                                ret_error,
                                -EINVAL,
                                strfmt("%s must be 1 to %u bytes of UTF-8.", what, ACCOUNT_TEXT_MAX));
        for (const char *p = text; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return administration_complain(
                                        ret_error,
                                        -EINVAL,
                                        strfmt("%s must not have control characters.", what));
        return 0;
}

static int dump_member(const json_t *order, const char *key, char **ret) {
        const json_t *value = json_object_get(order, key);

        if (!json_is_object(value))
                return 0;
        *ret = json_dumps(value, JSON_COMPACT);
        return *ret ? 0 : -ENOMEM;
}

static int read_subscription(const json_t *order, Subscription *s, char **ret_error) {
        const char *name = json_string_value(json_object_get(order, "name"));
        const char *username = json_string_value(json_object_get(order, "username"));
        _cleanup_json_ json_t *profile = NULL;
        _cleanup_free_ char *why = NULL;
        int r;

        if (!name || !subscription_name_is_valid(name))
                return administration_complain(
                                ret_error,
                                -EINVAL,
                                strfmt("A name of a subscription has 1 to %u of a-z 0-9 . _ - and begins "
                                       "with a letter or digit.",
                                       SUBSCRIPTION_NAME_MAX));
        s->name = strdup(name);
        s->username = strdup(username ?: name);
        s->password = strdup(strempty(json_string_value(json_object_get(order, "password"))));
        s->created = manager_now();
        s->quota_mib = json_is_integer(json_object_get(order, "quota_mib"))
                                       ? json_integer_value(json_object_get(order, "quota_mib"))
                                       : -1;
        if (!s->name || !s->username || !s->password)
                return -ENOMEM;
        if (s->quota_mib < -1 || s->quota_mib > QUOTA_MIB_MAX)
                return administration_complain(ret_error, -EINVAL, strdup(QUOTA_RULE));
        r = administration_take_retention(json_object_get(order, "retention"), &s->retention, ret_error);
        if (r >= 0)
                r = administration_check_text("The user name", s->username, ret_error);
        if (r >= 0)
                r = administration_check_text("The password", s->password, ret_error);
        if (r >= 0)
                r = dump_member(order, "profile", &s->profile);
        if (r >= 0)
                r = dump_member(order, "variables", &s->variables);
        if (r < 0 || !s->profile)
                return r;
        r = profile_parse(s->profile, &profile, &why);
        return r == -EINVAL ? administration_complain(
                                              ret_error, r, strfmt("The profile cannot be used: %s", why))
                            : r;
}

int administration_create(Manager *m, const json_t *order, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        r = read_subscription(order, s, ret_error);
        if (r >= 0)
                r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = store_subscription_insert(m->db, s);
        if (r == -EEXIST)
                return administration_complain(ret_error, r, strfmt("The subscription %s exists.", s->name));
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        log_info("%s: subscription created.", s->name);
        return manager_check_repository(m, s->name);
}

int administration_load(Manager *m, const char *name, Subscription **ret, char **ret_error) {
        int r = store_subscription_load(m->db, name, ret);

        if (r == -ENOENT || (r >= 0 && (*ret)->removing))
                return administration_complain(
                                ret_error, -ENOENT, strfmt("There is no subscription %s.", name));
        return r;
}

int administration_suspend(Manager *m, const char *subscription, bool suspended, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = administration_load(m, subscription, &s, ret_error);
        if (r < 0)
                return r;
        s->suspended = suspended;
        r = store_subscription_save(m->db, s);
        if (r >= 0)
                r = manager_note_keys(m, s->name);
        if (r >= 0)
                r = manager_step_subscription(m, s->name);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        log_info("%s: subscription %s.", subscription, suspended ? "suspended" : "resumed");
        manager_settle(m);
        return 0;
}

/* A device of that id, made up if it was never seen. */
static int load_device(Manager *m, const char *id, bool create, Device **ret, char **ret_error) {
        _cleanup_(device_freep) Device *d = NULL;
        int r;

        if (!device_id_is_valid(id))
                return administration_complain(
                                ret_error, -EINVAL, strfmt("%s is not OUI-ProductClass-SerialNumber.", id));
        r = store_device_load(m->db, id, &d);
        if (r == -ENOENT && !create)
                return administration_complain(ret_error, r, strfmt("There is no device %s.", id));
        if (r == -ENOENT) {
                d = calloc(1, sizeof(*d));
                if (!d || !(d->id = strdup(id)))
                        return -ENOMEM;
                r = 0;
        }
        if (r >= 0)
                *ret = TAKE_PTR(d);
        return r;
}

int administration_allow(
                Manager *m,
                const char *device,
                const char *subscription,
                const char *gateway_name,
                char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        _cleanup_(device_freep) Device *d = NULL;
        int r;

        r = gateway_name ? administration_check_text("The gateway's name", gateway_name, ret_error) : 0;
        if (r >= 0)
                r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = administration_load(m, subscription, &s, ret_error);
        if (r >= 0)
                r = load_device(m, device, true, &d, ret_error);
        if (r < 0)
                return r;
        if (d->subscription && !streq(d->subscription, subscription))
                return administration_complain(
                                ret_error,
                                -EEXIST,
                                strfmt("%s is in the subscription %s, remove it there first.",
                                       device,
                                       d->subscription));
        if (free_and_strdup(&d->subscription, subscription) < 0 ||
            (gateway_name && free_and_strdup(&d->gateway_name, gateway_name) < 0))
                return -ENOMEM;
        d->provision = PROVISION_NONE;
        d->key_refused = false;
        d->not_before = 0;
        r = manager_step(m, d);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        log_info("%s: allowed for %s.", device, subscription);
        manager_settle(m);
        return 0;
}

/* The rows that were added to the device are used again if it comes into another subscription. */
static int forget_settings(Device *d) {
        _cleanup_json_ json_t *learned = d->instances ? json_loads(d->instances, 0, NULL) : NULL;
        char *text;

        d->provision = PROVISION_NONE;
        if (!learned)
                return 0;
        profile_forget_values(learned);
        text = json_dumps(learned, JSON_COMPACT);
        if (!text)
                return -ENOMEM;
        free(d->instances);
        d->instances = text;
        return 0;
}

int administration_disallow(Manager *m, const char *device, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(device_freep) Device *d = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = load_device(m, device, false, &d, ret_error);
        if (r >= 0)
                r = store_key_revoke(m->db, device);
        if (r >= 0)
                r = store_operation_finish(m->db, device, UINT32_MAX, "cancelled", manager_now());
        if (r >= 0)
                r = store_command_cancel(m->db, device, false);
        if (r >= 0 && d->subscription)
                r = manager_note_keys(m, d->subscription);
        if (r < 0)
                return r;
        d->subscription = mfree(d->subscription);
        d->n_pending = 0;
        d->operation = 0;
        d->not_before = 0;
        /* Another repository counts from the beginning. */
        d->revision = 0;
        d->expected = 0;
        r = forget_settings(d);
        if (r < 0)
                return r;
        r = d->root ? manager_step(m, d) : store_device_delete(m->db, device);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        log_notice("%s: removed, its keys are revoked.", device);
        manager_settle(m);
        return 0;
}

/* The name as CWMP wants it. */
static char *full_name(const Device *d, const char *name) {
        if (startswith(name, "InternetGatewayDevice.") || startswith(name, "Device."))
                return strdup(name);
        return strfmt("%s%s", d->root, name);
}

static int complete_command(const Device *d, const json_t *order, json_t **ret) {
        const json_t *set = json_object_get(order, "set"), *get = json_object_get(order, "get");
        _cleanup_json_ json_t *command = json_object(), *values = json_object(), *names = json_array();
        static const char *const rows[] = { "add", "delete", "names" };
        const json_t *attributes = json_object_get(order, "attributes"),
                     *next_level = json_object_get(order, "next_level");
        _cleanup_json_ json_t *notifications = json_object();
        const char *key;
        json_t *value;
        size_t i;
        int r = 0;

        json_object_foreach((json_t *) set, key, value) {
                _cleanup_free_ char *name = full_name(d, key);

                r |= name ? json_object_set(values, name, value) : -1;
        }
        json_object_foreach((json_t *) attributes, key, value) {
                _cleanup_free_ char *name = full_name(d, key);

                r |= name ? json_object_set(notifications, name, value) : -1;
        }
        json_array_foreach((json_t *) get, i, value) {
                _cleanup_free_ char *name =
                                json_is_string(value) ? full_name(d, json_string_value(value)) : NULL;

                r |= name ? json_array_append_new(names, json_string(name)) : -1;
        }
        if (json_object_size(values) > 0)
                r |= json_object_set(command, "set", values);
        if (json_object_size(notifications) > 0)
                r |= json_object_set(command, "attributes", notifications);
        if (json_array_size(names) > 0)
                r |= json_object_set(command, "get", names);
        for (i = 0; i < ELEMENTSOF(rows); i++) {
                const char *object = json_string_value(json_object_get(order, rows[i]));
                _cleanup_free_ char *name = object ? full_name(d, object) : NULL;

                if (object)
                        r |= name ? json_object_set_new(command, rows[i], json_string(name)) : -1;
        }
        if (r < 0)
                return -ENOMEM;
        if (json_object_size(command) != 1 || json_array_size(names) > COMMAND_NAMES_MAX ||
            json_object_size(values) > COMMAND_NAMES_MAX ||
            json_object_size(notifications) > COMMAND_NAMES_MAX)
                return -EINVAL;
        if (json_is_boolean(next_level) && json_object_set(command, "next_level", (json_t *) next_level) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(command);
        return 0;
}

int administration_command(
                Manager *m, const char *device, const json_t *order, char **ret_id, char **ret_error) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        _cleanup_(device_freep) Device *d = NULL;
        _cleanup_json_ json_t *command = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = load_device(m, device, false, &d, ret_error);
        if (r < 0)
                return r;
        if (!d->root)
                return administration_complain(
                                ret_error, -ENOENT, strfmt("The device %s was never seen.", device));
        r = complete_command(d, order, &command);
        if (r == -EINVAL)
                return administration_complain(
                                ret_error,
                                r,
                                strdup("A command is one of get, set, add, delete, names, attributes."));
        if (r >= 0)
                r = store_command_insert(m->db, d->id, COMMAND_ADMIN, "", command, manager_now(), &id);
        if (r >= 0)
                r = sqlite_commit(m->db);
        if (r < 0)
                return r;
        *ret_id = TAKE_PTR(id);
        manager_settle(m);
        return 0;
}
