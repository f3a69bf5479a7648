/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the frontend knows of one gateway, and what it should do next. Pure: no clock, no I/O.
 *
 * The machine is level-triggered: every event (a report of the device, the end of a command, a new tip of
 * main, an administrator's order, a timer) only changes the facts in Device; device_decide() then compares
 * them with what is wanted. So an event that was lost, came twice or came late delays and never misleads. */
#pragma once

#include "common/base/macro.h"

/* An operation that was accepted and not answered for this long is asked about. */
#define OPERATION_TIMEOUT_SEC 600
/* A gateway that pushed reports the revision itself; if it did not within this time it is treated like the
 * others. */
#define PUSH_REPORT_TIMEOUT_SEC 120
/* A gateway synchronizes by itself when it becomes Subscribed; only then is it told to. */
#define SUBSCRIBED_GRACE_SEC 5
#define BACKOFF_MIN_SEC 5
#define BACKOFF_MAX_SEC 3600

/* The values of X_ISPStorage.Status, in the order of the schema. */
typedef enum DeviceStatus {
        STATUS_UNKNOWN, /* never reported */
        STATUS_DISABLED,
        STATUS_INITIALIZING,
        STATUS_READY,
        STATUS_SUBSCRIBED,
        STATUS_SUSPENDED,
        STATUS_REJECTED,
        STATUS_ERROR,
        _STATUS_MAX,
        _STATUS_INVALID = -EINVAL,
} DeviceStatus;

/* The states of the subscription of a device. Derived, never stored. */
typedef enum DeviceState {
        STATE_UNKNOWN, /* seen, no administrator allowed it */
        STATE_ALLOWED, /* allowed; not yet provisioned, or not yet Ready */
        STATE_READY,   /* Ready with a key */
        STATE_SUBSCRIBED,
        STATE_SUSPENDED,
        STATE_REJECTED,
        _STATE_MAX,
} DeviceState;

typedef enum ProvisionState {
        PROVISION_NONE,    /* starts with a look at what the device has */
        PROVISION_RUNNING, /* rows are being added and parameters set */
        PROVISION_DONE,
} ProvisionState;

typedef struct Device {
        char *id;           /* docs/mqtt.md */
        char *subscription; /* NULL: not allowed */
        char *gateway_name; /* NULL: the device's default */
        char *root;         /* "InternetGatewayDevice." or "Device."; NULL until it was seen */

        /* as reported */
        DeviceStatus status;
        char *public_key;
        char *sync_status;
        char *last_error;
        char *commit;
        uint64_t revision; /* n of Revision; 0: none */
        uint32_t last_opseq;
        int64_t reported_at; /* the newest report that is in the above */
        int64_t seen_at;

        /* own */
        uint32_t opseq;            /* the highest ever ordered */
        uint32_t operation;        /* opseq of the pull that is not answered yet; 0: none */
        uint64_t operation_wanted; /* what it is to reach */
        int64_t operation_deadline;
        unsigned failures; /* in a row; for the back-off */
        int64_t not_before;
        uint64_t expected; /* the revision that it should report by itself until then, without a pull */
        int64_t expected_until;
        ProvisionState provision;
        char *instances;    /* JSON object: rows that provisioning has added, and values that it has read */
        bool refresh;       /* the above may be old: ask before acting */
        bool key_refused;   /* the reported key cannot be used (not a key, or another device's) */
        unsigned n_pending; /* commands of this machine that are not finished */
} Device;

/* What is wanted of the device's subscription. */
typedef struct Target {
        bool suspended;
        uint64_t revision; /* n of main's tip */
        const char *tip;   /* the commit: another one after retention; NULL or "": not known */
} Target;

typedef enum ActionType {
        ACTION_NONE,
        ACTION_GET,       /* Status, PublicKey, LastOpSeq, Revision, SyncStatus */
        ACTION_PROVISION, /* the next step of the profile */
        ACTION_SUBSCRIBE, /* authorize the key, then set Status = Subscribed */
        ACTION_SUSPEND,   /* set Status = Suspended */
        ACTION_REJECT,    /* set Status = Rejected */
        ACTION_PULL,      /* SyncOp "pull <opseq>" */
} ActionType;

typedef struct Action {
        ActionType type;
        uint32_t opseq;     /* ACTION_PULL */
        int64_t next_check; /* decide again then at the latest; INT64_MAX: no need */
} Action;

Device *device_free(Device *d);
DEFINE_TRIVIAL_CLEANUP_FUNC(Device *, device_free);

/* Names as in the schema; "" for STATUS_UNKNOWN. From string: _STATUS_INVALID for what the schema does not
 * have. */
const char *device_status_to_string(DeviceStatus s);
DeviceStatus device_status_from_string(const char *s);
const char *device_state_to_string(DeviceState s);

/* What administrators are shown (ispstorage-admin(8), "Devices"). */
DeviceState device_state(const Device *d);

/* Reads "<n>.<commit>"; "" is 0 and "". *ret_commit points into s. 0 or -EINVAL. */
int revision_parse(const char *s, uint64_t *ret_n, const char **ret_commit);

/* What to do now. target may be NULL if the device has no subscription. Nothing while commands are pending:
 * one step at a time for each device. */
Action device_decide(const Device *d, const Target *target, int64_t now);

/* The next opseq: above all that were ordered and all that the device answered. 0 if there is none left. */
uint32_t device_next_opseq(const Device *d);

typedef enum OperationOutcome {
        OPERATION_NONE, /* none was running, or it still runs */
        OPERATION_SUCCEEDED,
        OPERATION_FAILED,
} OperationOutcome;

/* To be called after the reported facts changed: ends the running operation if it was answered. target may be NULL.
 * random (any number) spreads the back-off. */
OperationOutcome device_check_operation(Device *d, const Target *target, int64_t now, uint32_t random);

/* A running operation that the device will not answer any more (it restarted, refused the command, or forgot
 * it). */
void device_fail_operation(Device *d, int64_t now, uint32_t random);

/* The operation was ordered; opseq is from device_decide(). */
void device_start_operation(Device *d, uint32_t opseq, uint64_t wanted, int64_t now);

/* A step failed: wait before the next one. */
void device_back_off(Device *d, int64_t now, uint32_t random);

/* The device will have revision n by itself: it pushed it, or synchronizes because it became Subscribed. */
void device_expect(Device *d, uint64_t n, int64_t until);

/* The device restarted. It synchronizes by itself then, so an operation that it had accepted ends. True if
 * there was one. */
bool device_restarted(Device *d, int64_t now);

/* After a refresh: has an operation that was not answered in time been forgotten? If it still runs, the
 * deadline moves. */
bool device_lost_operation(Device *d, int64_t now);
