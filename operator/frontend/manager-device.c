/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/log.h"
#include "operator/common/topic.h"
#include "operator/frontend/manager.h"
#include "operator/frontend/profile.h"

char *manager_repository_url(const Manager *m, const char *subscription) {
        const FrontendConfig *c = m->config;

        return strfmt("ssh://%s@%s:%u/%s", c->ssh_user, c->ssh_host, c->ssh_port, subscription);
}

/* The variables that every profile may use (docs/operator.md lists them). */
static int builtin_variables(const Manager *m, const Device *d, const Subscription *s, json_t **ret) {
        _cleanup_free_ char *url = manager_repository_url(m, s->name), *serial = NULL;
        json_t *v;
        int r;

        r = device_id_decode(d->id, NULL, NULL, &serial);
        if (r < 0)
                return r;
        if (!url)
                return -ENOMEM;
        v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
                      "root",
                      strempty(d->root),
                      "oui",
                      MANUFACTURER_OUI,
                      "device",
                      d->id,
                      "subscription",
                      s->name,
                      "username",
                      s->username,
                      "password",
                      s->password,
                      "gateway_name",
                      d->gateway_name ?: serial,
                      "repository_url",
                      url,
                      "repository_host_keys",
                      m->config->host_keys);
        if (!v)
                return -ENOMEM;
        *ret = v;
        return 0;
}

int manager_profile(
                const Manager *m,
                const Device *d,
                const Subscription *s,
                json_t **ret_profile,
                json_t **ret_variables) {
        _cleanup_json_ json_t *profile = NULL, *builtin = NULL, *overrides = NULL, *learned = NULL;
        _cleanup_free_ char *error = NULL;
        int r;

        r = s->profile ? profile_parse(s->profile, &profile, &error)
                       : profile_load(m->config->profile, &profile, &error);
        if (r < 0)
                return log_error_errno(
                                r,
                                "%s: the profile %s cannot be used: %s",
                                s->name,
                                s->profile ? "of the subscription" : m->config->profile,
                                error ?: strerror(-r));
        r = builtin_variables(m, d, s, &builtin);
        if (r < 0)
                return log_error_errno(r, "%s: failed to make variables: %m", d->id);
        overrides = s->variables ? json_loads(s->variables, 0, NULL) : NULL;
        learned = d->instances ? json_loads(d->instances, 0, NULL) : NULL;
        r = profile_variables(profile, builtin, overrides, learned, ret_variables);
        if (r < 0)
                return log_error_errno(r, "%s: a variable of the profile cannot be expanded: %m", s->name);
        *ret_profile = TAKE_PTR(profile);
        return 0;
}

static int order(
                Manager *m, Device *d, CommandPurpose purpose, const char *argument, const json_t *command) {
        int r;

        if (!command)
                return -ENOMEM;
        r = store_command_insert(m->db, d->id, purpose, argument, command, manager_now(), NULL);
        if (r >= 0 && purpose < COMMAND_PREFETCH)
                d->n_pending++;
        return r;
}

static int order_set(
                Manager *m,
                Device *d,
                CommandPurpose purpose,
                const char *argument,
                const char *name,
                const char *value) {
        _cleanup_free_ char *full = strfmt("%s" SYNC_OBJECT "%s", d->root, name);
        _cleanup_json_ json_t *command = full ? json_pack("{s:{s:s}}", "set", full, value) : NULL;

        return order(m, d, purpose, argument, command);
}

static int order_refresh(Manager *m, Device *d) {
        _cleanup_json_ json_t *command = json_pack("{s:o?}", "get", report_names(d));

        return order(m, d, COMMAND_REFRESH, "", command);
}

/* SyncOp of the given kind with the next opseq; the operation is listed. */
static int order_operation(
                Manager *m,
                Device *d,
                CommandPurpose purpose,
                const char *kind,
                uint32_t opseq,
                uint64_t wanted) {
        char number[sizeof("4294967295")], operation[32];
        int r;

        (void) snprintf(number, sizeof(number), "%u", opseq);
        (void) snprintf(operation, sizeof(operation), "%s %u", kind, opseq);
        r = store_operation_insert(m->db, d->id, opseq, kind, wanted, manager_now());
        return r < 0 ? r : order_set(m, d, purpose, number, "SyncOp", operation);
}

/* The first look also asks for what tells whether the device is provisioned already. */
static int extend_get(const Device *d, json_t *command) {
        json_t *get = json_object_get(command, "get");
        _cleanup_json_ json_t *names = report_names(d);
        _cleanup_free_ char *url = strfmt("%s" SYNC_OBJECT "RepositoryURL", d->root);

        if (!names || !url || json_array_extend(get, names) < 0 ||
            json_array_append_new(get, json_string(url)) < 0)
                return -ENOMEM;
        return 0;
}

static int send_step(Manager *m, Device *d, ProfileStep step, json_t *commands) {
        static const CommandPurpose purposes[] = {
                [PROFILE_GET] = COMMAND_PROVISION_GET,
                [PROFILE_ADD] = COMMAND_PROVISION_ADD,
                [PROFILE_SET] = COMMAND_PROVISION_SET,
        };
        json_t *c;
        size_t i;
        int r;

        json_array_foreach(commands, i, c) {
                json_t *command = json_object_get(c, "command");

                r = step == PROFILE_GET ? extend_get(d, command) : 0;
                /* The next step follows at once: the device's session should wait for it. */
                if (r >= 0 && step != PROFILE_SET && json_object_set_new(command, "more", json_true()) < 0)
                        r = -ENOMEM;
                if (r >= 0)
                        r = order(m,
                                  d,
                                  purposes[step],
                                  json_string_value(json_object_get(c, "argument")),
                                  command);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int provision(Manager *m, Device *d, const Subscription *s) {
        _cleanup_json_ json_t *profile = NULL, *variables = NULL, *learned = NULL, *commands = NULL;
        int r;

        r = manager_profile(m, d, s, &profile, &variables);
        if (r >= 0) {
                learned = d->instances ? json_loads(d->instances, 0, NULL) : json_object();
                r = profile_next(profile, variables, learned, &commands);
                if (r < 0)
                        (void) log_error_errno(
                                        r, "%s: the profile of %s cannot be applied: %m", d->id, s->name);
        }
        if (r < 0) {
                device_back_off(d, manager_now(), manager_random());
                return 0;
        }
        if (r == PROFILE_COMPLETE) {
                d->provision = PROVISION_DONE;
                return 0;
        }
        d->provision = PROVISION_RUNNING;
        return send_step(m, d, (ProfileStep) r, commands);
}

/* The paper's Figure 4: the key is authorized, then the device is told. */
static int subscribe(Manager *m, Device *d, const Subscription *s) {
        int r;

        r = store_key_authorize(m->db, d->id, d->public_key, manager_now());
        if (r == -EINVAL || r == -EEXIST) {
                (void) log_warning_errno(r, "%s: its public key is refused: %m", d->id);
                d->key_refused = true;
                return 0;
        }
        if (r < 0)
                return r;
        if (r > 0)
                log_info("%s: key authorized for %s.", d->id, s->name);
        r = manager_note_keys(m, s->name);
        return r < 0 ? r : order_set(m, d, COMMAND_STATUS, "Subscribed", "Status", "Subscribed");
}

int manager_key_changed(Manager *m, Device *d) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        /* In any other status it is authorized on the way to this one. */
        if (!d->subscription || d->status != STATUS_SUBSCRIBED || isempty(d->public_key))
                return 0;
        r = store_subscription_load(m->db, d->subscription, &s);
        return r < 0 || s->suspended ? r : subscribe(m, d, s);
}

static int carry_out(Manager *m, Device *d, const Subscription *s, const Action *a) {
        switch (a->type) {
        case ACTION_GET:
                return order_refresh(m, d);
        case ACTION_PROVISION:
                return provision(m, d, s);
        case ACTION_SUBSCRIBE:
                return subscribe(m, d, s);
        case ACTION_SUSPEND:
                return order_set(m, d, COMMAND_STATUS, "Suspended", "Status", "Suspended");
        case ACTION_REJECT:
                log_notice("%s: is rejected.", d->id);
                return order_set(m, d, COMMAND_STATUS, "Rejected", "Status", "Rejected");
        case ACTION_PULL:
                device_start_operation(d, a->opseq, s->revision, manager_now());
                return order_operation(m, d, COMMAND_PULL, "pull", a->opseq, s->revision);
        default:
                return 0;
        }
}

int manager_step(Manager *m, Device *d) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        Action a = { .next_check = INT64_MAX };
        int r;

        if (d->subscription) {
                r = store_subscription_load(m->db, d->subscription, &s);
                if (r < 0)
                        return r;
        }
        /* Each action makes a command pending, changes what decides, or backs off; so this ends. */
        do {
                Target target = {
                        .suspended = s && s->suspended,
                        .revision = s ? s->revision : 0,
                        .tip = s ? s->tip : NULL,
                };

                a = device_decide(d, s ? &target : NULL, manager_now());
                r = carry_out(m, d, s, &a);
                if (r < 0)
                        return r;
        } while (a.type != ACTION_NONE);
        /* It has more than main is known to have: our knowledge of main is old. */
        if (s && s->repository_ready && d->revision > s->revision) {
                r = manager_check_repository(m, s->name);
                if (r < 0)
                        return r;
        }
        return store_device_save(m->db, d, a.next_check);
}

int manager_step_subscription(Manager *m, const char *subscription) {
        _cleanup_strv_free_ char **ids = NULL;
        int r;

        r = store_device_ids(m->db, subscription, &ids);
        if (r < 0)
                return r;
        STRV_FOREACH(id, ids) {
                _cleanup_(device_freep) Device *d = NULL;

                r = store_device_load(m->db, *id, &d);
                if (r >= 0)
                        r = manager_step(m, d);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Only who is idle: a pull that waits or runs comes first, and one prefetch takes all that is staged. */
static int may_prefetch(Manager *m, const Device *d) {
        int r;

        if (device_state(d) != STATE_SUBSCRIBED || d->operation != 0 || d->n_pending > 0)
                return 0;
        r = store_operation_is_outstanding(m->db, d->id, "prefetch", manager_now() - OPERATION_TIMEOUT_SEC);
        return r < 0 ? r : r == 0;
}

/* The others may fetch what is staged while the push still runs. */
int manager_push_started(Manager *m, const Device *pusher) {
        _cleanup_strv_free_ char **ids = NULL;
        int r;

        if (!pusher->subscription)
                return 0;
        r = store_device_ids(m->db, pusher->subscription, &ids);
        STRV_FOREACH(id, ids) {
                _cleanup_(device_freep) Device *d = NULL;
                uint32_t opseq;

                if (r < 0)
                        return r;
                if (streq(*id, pusher->id))
                        continue;
                r = store_device_load(m->db, *id, &d);
                if (r >= 0)
                        r = may_prefetch(m, d);
                opseq = r > 0 ? device_next_opseq(d) : 0;
                if (opseq == 0)
                        continue;
                d->opseq = opseq;
                r = order_operation(m, d, COMMAND_PREFETCH, "prefetch", opseq, d->revision);
                if (r >= 0)
                        r = manager_step(m, d);
        }
        return r;
}
