/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/frontend/device.h"

static const char *const status_names[_STATUS_MAX] = {
        [STATUS_UNKNOWN] = "",
        [STATUS_DISABLED] = "Disabled",
        [STATUS_INITIALIZING] = "Initializing",
        [STATUS_READY] = "Ready",
        [STATUS_SUBSCRIBED] = "Subscribed",
        [STATUS_SUSPENDED] = "Suspended",
        [STATUS_REJECTED] = "Rejected",
        [STATUS_ERROR] = "Error",
};

static const char *const state_names[_STATE_MAX] = {
        [STATE_UNKNOWN] = "unknown",       [STATE_ALLOWED] = "allowed",     [STATE_READY] = "ready",
        [STATE_SUBSCRIBED] = "subscribed", [STATE_SUSPENDED] = "suspended", [STATE_REJECTED] = "rejected",
};

Device *device_free(Device *d) {
        if (!d)
                return NULL;
        free(d->id);
        free(d->subscription);
        free(d->gateway_name);
        free(d->root);
        free(d->public_key);
        free(d->sync_status);
        free(d->last_error);
        free(d->commit);
        free(d->instances);
        return mfree(d);
}

const char *device_status_to_string(DeviceStatus s) {
        return s >= 0 && s < _STATUS_MAX ? status_names[s] : "";
}

DeviceStatus device_status_from_string(const char *s) {
        for (DeviceStatus i = 0; i < _STATUS_MAX; i++)
                if (streq(status_names[i], s))
                        return i;
        return _STATUS_INVALID;
}

const char *device_state_to_string(DeviceState s) {
        assert(s >= 0 && s < _STATE_MAX);
        return state_names[s];
}

DeviceState device_state(const Device *d) {
        if (!d->subscription)
                return d->status == STATUS_REJECTED ? STATE_REJECTED : STATE_UNKNOWN;
        if (d->provision != PROVISION_DONE)
                return STATE_ALLOWED;
        switch (d->status) {
        case STATUS_READY:
                return isempty(d->public_key) ? STATE_ALLOWED : STATE_READY;
        case STATUS_SUBSCRIBED:
                return STATE_SUBSCRIBED;
        case STATUS_SUSPENDED:
                return STATE_SUSPENDED;
        case STATUS_REJECTED:
                return STATE_REJECTED;
        default:
                return STATE_ALLOWED;
        }
}

int revision_parse(const char *s, uint64_t *ret_n, const char **ret_commit) {
        char digits[sizeof("18446744073709551615")];
        const char *dot = strchr(s, '.');
        uint64_t n;
        size_t k;

        if (isempty(s)) {
                *ret_n = 0;
                *ret_commit = "";
                return 0;
        }
        if (!dot || (size_t) (dot - s) >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, s, (size_t) (dot - s));
        digits[dot - s] = 0;
        if (parse_uint64(digits, &n) < 0 || n > INT64_MAX)
                return -EINVAL;
        k = strspn(dot + 1, "0123456789abcdef");
        if (dot[1 + k] != 0 || (k != 40 && k != 64))
                return -EINVAL;
        *ret_n = n;
        *ret_commit = dot + 1;
        return 0;
}

uint32_t device_next_opseq(const Device *d) {
        uint32_t highest = MAX(d->opseq, d->last_opseq);

        return highest == UINT32_MAX ? 0 : highest + 1;
}

static Action act(ActionType type) {
        return (Action){ .type = type, .next_check = INT64_MAX };
}

static Action wait_until(int64_t t) {
        return (Action){ .type = ACTION_NONE, .next_check = t };
}

/* A status in which the gateway talks to the storage host, or will. */
static bool status_is_active(DeviceStatus s) {
        return s == STATUS_READY || s == STATUS_SUBSCRIBED;
}

/* At main's number, but before retention wrote main anew. */
static bool has_former_tip(const Device *d, const Target *target) {
        return d->revision == target->revision && !isempty(target->tip) && !streq(strempty(d->commit), target->tip);
}

/* A subscribed device: is its folder at main's tip? */
static Action decide_revision(const Device *d, const Target *target, int64_t now) {
        Action pull = act(ACTION_PULL);

        if (d->operation != 0)
                return now < d->operation_deadline ? wait_until(d->operation_deadline) : act(ACTION_GET);
        if (d->revision >= target->revision && !has_former_tip(d, target))
                return act(ACTION_NONE);
        if (d->expected >= target->revision && now < d->expected_until)
                return wait_until(d->expected_until);
        pull.opseq = device_next_opseq(d);
        return pull.opseq != 0 ? pull : act(ACTION_NONE);
}

Action device_decide(const Device *d, const Target *target, int64_t now) {
        if (d->n_pending > 0 || !d->root)
                return act(ACTION_NONE);
        if (now < d->not_before)
                return wait_until(d->not_before);
        if (!d->subscription || !target)
                return act(status_is_active(d->status) ? ACTION_REJECT : ACTION_NONE);
        if (d->provision != PROVISION_DONE)
                return act(target->suspended ? ACTION_NONE : ACTION_PROVISION);
        if (d->refresh)
                return act(ACTION_GET);
        if (target->suspended)
                return act(status_is_active(d->status) ? ACTION_SUSPEND : ACTION_NONE);
        switch (d->status) {
        case STATUS_READY:
        case STATUS_SUSPENDED:
        case STATUS_REJECTED:
                if (isempty(d->public_key))
                        return act(ACTION_NONE);
                if (d->key_refused)
                        return act(d->status == STATUS_READY ? ACTION_REJECT : ACTION_NONE);
                return act(ACTION_SUBSCRIBE);
        case STATUS_SUBSCRIBED:
                return decide_revision(d, target, now);
        default:
                return act(ACTION_NONE);
        }
}

void device_back_off(Device *d, int64_t now, uint32_t random) {
        int64_t delay = BACKOFF_MIN_SEC;

        for (unsigned i = 0; i < d->failures && delay < BACKOFF_MAX_SEC; i++)
                delay *= 2;
        delay = MIN(delay, (int64_t) BACKOFF_MAX_SEC);
        /* From half to one and a half of it, so that a fleet that failed together does not come back
         * together. */
        d->not_before = now + delay / 2 + (int64_t) (random % (uint32_t) (delay + 1));
        d->failures++;
}

OperationOutcome device_check_operation(Device *d, const Target *target, int64_t now, uint32_t random) {
        if (d->expected > 0 && d->revision >= d->expected)
                d->expected = 0;
        if (d->operation == 0 || d->last_opseq < d->operation)
                return OPERATION_NONE;
        d->operation = 0;
        if (d->revision >= d->operation_wanted && !(target && has_former_tip(d, target))) {
                d->failures = 0;
                d->not_before = 0;
                return OPERATION_SUCCEEDED;
        }
        device_back_off(d, now, random);
        return OPERATION_FAILED;
}

void device_fail_operation(Device *d, int64_t now, uint32_t random) {
        d->operation = 0;
        device_back_off(d, now, random);
}

void device_start_operation(Device *d, uint32_t opseq, uint64_t wanted, int64_t now) {
        assert(opseq > d->opseq);

        d->opseq = opseq;
        d->operation = opseq;
        d->operation_wanted = wanted;
        d->operation_deadline = now + OPERATION_TIMEOUT_SEC;
}

void device_expect(Device *d, uint64_t n, int64_t until) {
        if (d->revision >= n)
                return;
        d->expected = n;
        d->expected_until = until;
}

bool device_restarted(Device *d, int64_t now) {
        if (d->operation == 0 || d->n_pending > 0)
                return false;
        device_expect(d, d->operation_wanted, now + SUBSCRIBED_GRACE_SEC);
        d->operation = 0;
        return true;
}

bool device_lost_operation(Device *d, int64_t now) {
        char running[sizeof("pull 4294967295 started ")];

        if (d->operation == 0 || now < d->operation_deadline)
                return false;
        (void) snprintf(running, sizeof(running), "pull %u started ", d->operation);
        if (!startswith(strempty(d->sync_status), running))
                return true;
        d->operation_deadline = now + OPERATION_TIMEOUT_SEC;
        return false;
}
