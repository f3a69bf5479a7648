/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/parse.h"
#include "operator/common/topic.h"
#include "operator/frontend/manager.h"
#include "operator/frontend/profile.h"

/* CWMP: "Invalid parameter name": the row that provisioning had added is gone. */
#define FAULT_INVALID_NAME 9005

static int end_operation(Manager *m, Device *d) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        uint32_t operation = d->operation;
        OperationOutcome outcome;
        Target target = {};
        int r;

        if (operation != 0 && d->last_opseq >= operation && d->subscription) {
                r = store_subscription_load(m->db, d->subscription, &s);
                if (r < 0)
                        return r;
                target = (Target){ .revision = s->revision, .tip = s->tip };
        }
        outcome = device_check_operation(d, s ? &target : NULL, manager_now(), manager_random());
        r = store_prefetch_finish(
                        m->db,
                        d->id,
                        d->last_opseq,
                        strstr(strempty(d->sync_status), " error:") ? "failed" : "succeeded",
                        manager_now());
        if (r < 0)
                return r;
        if (outcome == OPERATION_NONE)
                return 0;
        log_debug("%s: operation %u %s.",
                  d->id,
                  operation,
                  outcome == OPERATION_SUCCEEDED ? "succeeded" : "failed");
        return store_operation_finish(
                        m->db,
                        d->id,
                        operation,
                        outcome == OPERATION_SUCCEEDED ? "succeeded" : "failed",
                        manager_now());
}

static int lose_operation(Manager *m, Device *d, const char *state) {
        uint32_t operation = d->operation;

        device_fail_operation(d, manager_now(), manager_random());
        return store_operation_finish(m->db, d->id, operation, state, manager_now());
}

/* The device's configuration may be gone, so it is looked at and provisioned again. */
static void reset_provisioning(Device *d) {
        d->provision = PROVISION_NONE;
        d->instances = mfree(d->instances);
}

static int load_or_new(Manager *m, const char *id, Device **ret) {
        _cleanup_(device_freep) Device *d = NULL;
        int r;

        r = store_device_load(m->db, id, ret);
        if (r != -ENOENT)
                return r;
        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->id = strdup(id);
        if (!d->id)
                return -ENOMEM;
        log_info("%s: is new.", id);
        *ret = TAKE_PTR(d);
        return 0;
}

static int process_inform(Manager *m, const char *device, const json_t *message) {
        _cleanup_(device_freep) Device *d = NULL;
        ReportFlags flags;
        int r;

        r = load_or_new(m, device, &d);
        if (r < 0)
                return r;
        r = report_inform(d, message, manager_now(), &flags);
        if (r == -EBADMSG) {
                log_warning("%s: an Inform is not understood, ignored.", device);
                return 0;
        }
        if (r < 0)
                return r;
        if (flags & REPORT_OLD)
                d->refresh = true;
        if ((flags & REPORT_BOOTSTRAP) && d->provision == PROVISION_DONE)
                reset_provisioning(d);
        r = end_operation(m, d);
        if (r >= 0 && (flags & REPORT_KEY_CHANGED))
                r = manager_key_changed(m, d);
        if (r >= 0 && (flags & REPORT_RESTARTED)) {
                uint32_t operation = d->operation;

                if (device_restarted(d, manager_now()))
                        r = store_operation_finish(m->db, d->id, operation, "interrupted", manager_now());
        }
        if (r >= 0)
                r = manager_step(m, d);
        if (r >= 0 && (flags & REPORT_PUSH_STARTED))
                r = manager_push_started(m, d);
        return r;
}

static int save_learned(Device *d, const json_t *learned) {
        char *text = json_dumps(learned, JSON_COMPACT);

        if (!text)
                return -ENOMEM;
        free(d->instances);
        d->instances = text;
        return 0;
}

/* Is the device where this subscription wants it already? Then its configuration is its users' matter. */
static bool is_provisioned(const Manager *m, const Device *d, const json_t *values) {
        _cleanup_free_ char *wanted = manager_repository_url(m, d->subscription);
        const char *url = report_get(d, values, "RepositoryURL");

        return wanted && url && streq(url, wanted) && d->status > STATUS_DISABLED;
}

/* The answer to a step of provisioning. -EBADMSG if the ACS's answer lacks something. */
static int learn(Manager *m, Device *d, const Command *c, const json_t *message) {
        _cleanup_json_ json_t *profile = NULL, *variables = NULL, *learned = NULL;
        _cleanup_(subscription_freep) Subscription *s = NULL;
        const json_t *values = json_object_get(message, "values");
        json_int_t instance = json_integer_value(json_object_get(message, "instance"));
        int r;

        if (!d->subscription)
                return 0;
        if (c->purpose == COMMAND_PROVISION_GET && is_provisioned(m, d, values)) {
                d->provision = PROVISION_DONE;
                return 0;
        }
        learned = d->instances ? json_loads(d->instances, 0, NULL) : json_object();
        if (!learned)
                return -ENOMEM;
        if (c->purpose == COMMAND_PROVISION_ADD)
                r = instance > 0 && instance <= UINT32_MAX
                                    ? profile_learn_instance(learned, c->argument, (uint32_t) instance)
                                    : -EBADMSG;
        else if (c->purpose == COMMAND_PROVISION_SET)
                r = profile_learn_set(learned);
        else {
                r = store_subscription_load(m->db, d->subscription, &s);
                if (r >= 0)
                        r = manager_profile(m, d, s, &profile, &variables);
                if (r >= 0)
                        r = profile_learn_values(profile, variables, values, learned);
        }
        if (r < 0)
                return r;
        if (c->purpose == COMMAND_PROVISION_SET)
                log_info("%s: is provisioned for %s.", d->id, d->subscription);
        d->failures = 0;
        return save_learned(d, learned);
}

/* A gateway that became Subscribed synchronizes by itself. */
static int expect_first_sync(Manager *m, Device *d) {
        _cleanup_(subscription_freep) Subscription *s = NULL;
        int r;

        if (!d->subscription)
                return 0;
        r = store_subscription_load(m->db, d->subscription, &s);
        if (r < 0)
                return r;
        device_expect(d, s->revision, manager_now() + SUBSCRIBED_GRACE_SEC);
        return 0;
}

static int command_succeeded(Manager *m, Device *d, const Command *c, const json_t *message) {
        const json_t *values = json_object_get(message, "values");
        const char *text = json_string_value(json_object_get(message, "time"));
        ReportFlags flags = REPORT_NONE;
        int64_t time;
        int r;

        d->seen_at = manager_now();
        if (values) {
                /* It answers a question of ours, so it is new whatever its clock says. */
                r = report_values(d, values, &flags);
                if (r < 0)
                        return r;
                if (text && parse_datetime(text, &time) >= 0)
                        d->reported_at = time;
                d->refresh = false;
                if (flags & REPORT_KEY_CHANGED)
                        r = manager_key_changed(m, d);
                if (r < 0)
                        return r;
        }
        switch (c->purpose) {
        case COMMAND_PROVISION_GET:
        case COMMAND_PROVISION_ADD:
        case COMMAND_PROVISION_SET:
                return learn(m, d, c, message);
        case COMMAND_STATUS:
                d->status = device_status_from_string(c->argument);
                d->failures = 0;
                return d->status == STATUS_SUBSCRIBED ? expect_first_sync(m, d) : 0;
        case COMMAND_REFRESH:
                r = end_operation(m, d);
                if (r >= 0 && device_lost_operation(d, manager_now()))
                        r = lose_operation(m, d, "lost");
                return r;
        default:
                return 0;
        }
}

static int command_failed(Manager *m, Device *d, const Command *c, const json_t *message) {
        const json_t *fault = json_object_get(message, "fault"), *first;
        json_int_t code = json_integer_value(json_object_get(fault, "code"));

        first = json_array_get(json_object_get(fault, "parameters"), 0);
        log_warning("%s: %s command: %s %lli %s %s %s",
                    d->id,
                    command_purpose_to_string(c->purpose),
                    strempty(json_string_value(json_object_get(message, "status"))),
                    (long long) code,
                    strempty(json_string_value(json_object_get(fault, "string"))),
                    strempty(json_string_value(json_object_get(first, "name"))),
                    strempty(json_string_value(json_object_get(message, "error"))));
        if (c->purpose == COMMAND_PREFETCH)
                return 0;
        if (c->purpose == COMMAND_PULL && d->operation != 0)
                return lose_operation(m, d, "refused");
        if (c->purpose == COMMAND_PROVISION_SET &&
            (code == FAULT_INVALID_NAME ||
             json_integer_value(json_object_get(first, "code")) == FAULT_INVALID_NAME))
                reset_provisioning(d);
        device_back_off(d, manager_now(), manager_random());
        return 0;
}

static int process_result(Manager *m, const char *device, const json_t *message) {
        const char *id = json_string_value(json_object_get(message, "command"));
        const char *status = strempty(json_string_value(json_object_get(message, "status")));
        _cleanup_(command_freep) Command *c = NULL;
        _cleanup_(device_freep) Device *d = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        if (!id)
                return 0;
        r = store_command_load(m->db, id, &c);
        if (r == -ENOENT || (r >= 0 && (c->finished || !streq(c->device, device))))
                return 0; /* known already */
        if (r < 0)
                return r;
        text = json_dumps(message, JSON_COMPACT);
        if (!text)
                return -ENOMEM;
        r = store_command_finish(m->db, c, text, manager_now());
        if (r < 0)
                return r;
        if (c->purpose == COMMAND_ADMIN)
                return strv_extend(&m->finished, id);
        if (c->purpose == COMMAND_CANCEL)
                return 0;
        /* Loaded after the command was finished, so that it is not counted as pending. */
        r = store_device_load(m->db, device, &d);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = streq(status, "ok") ? command_succeeded(m, d, c, message) : command_failed(m, d, c, message);
        if (r == -EBADMSG || r == -EINVAL || r == -ENOENT) {
                (void) log_warning_errno(r, "%s: the answer to a command cannot be used: %m", device);
                device_back_off(d, manager_now(), manager_random());
                r = 0;
        }
        return r < 0 ? r : manager_step(m, d);
}

static void acknowledge(Manager *m, const char *device, const char *id) {
        _cleanup_json_ json_t *ack = json_pack("{s:[s]}", "ids", id);
        _cleanup_free_ char *topic = NULL, *payload = NULL;

        if (!m->mqtt)
                return;
        payload = ack ? json_dumps(ack, JSON_COMPACT) : NULL;
        if (payload && topic_new(device, TOPIC_ACK, &topic) >= 0)
                (void) mqtt_client_publish(m->mqtt, topic, payload, strlen(payload));
}

/* Takes one message into the database. */
static int store_message(
                Manager *m, const char *device, TopicKind kind, const char *id, const json_t *message) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        int r;

        m->finished = strv_free(m->finished);
        r = sqlite_begin(m->db, &transaction);
        if (r >= 0)
                r = store_inbox_insert(m->db, id, manager_now());
        if (r > 0)
                r = kind == TOPIC_INFORM ? process_inform(m, device, message)
                                         : process_result(m, device, message);
        return r < 0 ? r : sqlite_commit(m->db);
}

int manager_handle_message(
                MqttClient *c, const char *topic, const char *payload, size_t size, void *userdata) {
        _cleanup_json_ json_t *message = NULL;
        _cleanup_free_ char *device = NULL;
        Manager *m = userdata;
        TopicKind kind;
        const char *id;
        int r;

        r = topic_parse(topic, &device, &kind);
        if (r == -ENOMEM)
                return r;
        if (r >= 0)
                message = json_loadb(payload, size, JSON_REJECT_DUPLICATES, NULL);
        id = json_string_value(json_object_get(message, "id"));
        if (r < 0 || (kind != TOPIC_INFORM && kind != TOPIC_RESULT) || !id || !message_id_is_valid(id)) {
                log_warning("A message on %s is not understood, ignored.", topic);
                return 0;
        }
        r = store_message(m, device, kind, id, message);
        if (r < 0)
                return r;
        if (kind == TOPIC_INFORM)
                m->counters.informs++;
        else
                m->counters.results++;
        acknowledge(m, device, id);
        manager_settle(m);
        return 0;
}
