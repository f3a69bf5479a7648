/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ACS must not forget: devices and their credentials, the command queue of each device, and the
 * outbox of messages that the frontend has not acknowledged. One object per thread; all of them on the
 * same database. Each function is one transaction, on disk when it returns unless it says otherwise.
 * Besides what is named, all may return the errors of operator/common/sqlite.h. Times are seconds of the
 * real-time clock. */
#pragma once

#include "common/base/macro.h"
#include "operator/common/topic.h"

/* A finished command is remembered this long, to recognize it if it is delivered again. */
#define COMMAND_MEMORY_SEC (7 * 24 * 3600)
/* Length of a message's id: 16 random bytes in hexadecimal. */
#define MESSAGE_ID_SIZE 33U

typedef struct Store Store;

/* *ret is the caller's. The database is created if it does not exist. */
int store_open(Store **ret, const char *path);
Store *store_free(Store *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Store *, store_free);

/* A message for the frontend. */
typedef struct Message {
        char id[MESSAGE_ID_SIZE];
        const char *device;
        TopicKind kind;
        char *payload; /* owned */
} Message;

static inline void message_done(Message *m) {
        free(m->payload);
        m->payload = NULL;
}
#define _cleanup_message_ _cleanup_(message_done)

/* What the registry keeps of an Inform. */
typedef struct DeviceRecord {
        const char *id, *root, *manufacturer, *software_version, *connection_request_url;
        const char *parameters; /* of interest: a JSON object of texts, whose members join what was noted; or NULL */
        int64_t last_inform;
        bool bootstrapped; /* this Inform: the device forgot what was set in it */
} DeviceRecord;

/* What is needed to wake a device; the strings are the caller's. */
typedef struct DeviceAccess {
        char *url, *username, *password, *root;
        bool provisioned; /* the device confirmed username and password */
} DeviceAccess;

void device_access_done(DeviceAccess *a);
#define _cleanup_device_access_ _cleanup_(device_access_done)

/* Creates the device's row, without a password, if there is none. */
int store_device_add(Store *s, const char *device);

/* Creates the device's row if there is none. */
int store_device_set_ha1(Store *s, const char *device, const char *ha1);

/* *ret is the caller's, "" for a device without a password. -ENOENT if the device is unknown. */
int store_device_get_ha1(Store *s, const char *device, char **ret);

/* Records an Inform: the registry and the message about it. *ret_provisioned is as in DeviceAccess. -ENOENT if the
 * device is unknown. */
int store_device_inform(Store *s, const DeviceRecord *d, const Message *m, bool *ret_provisioned);

/* -ENOENT if the device is unknown. */
int store_device_get_access(Store *s, const char *device, DeviceAccess *ret);

/* Stores the credentials for connection requests before they are given to the device, and that it has
 * them. */
int store_device_set_access(Store *s, const char *device, const char *username, const char *password);
int store_device_set_provisioned(Store *s, const char *device);

/* Calls the function for each device, in the order of names; all strings may be NULL but the id. Stops at
 * a negative return value and passes it on. */
typedef int (*DeviceHandler)(const DeviceRecord *d, int64_t n_commands, void *userdata);
int store_device_foreach(Store *s, DeviceHandler handler, void *userdata);

typedef enum CommandState {
        COMMAND_STATE_NEW,      /* was not known: it is queued */
        COMMAND_STATE_QUEUED,   /* was known: nothing changed */
        COMMAND_STATE_FINISHED, /* was known: its result is in the outbox again */
} CommandState;

typedef struct StoredCommand {
        char *id, *payload;
        bool was_sent; /* store_command_mark_sent() was called, and no answer came */
} StoredCommand;

StoredCommand *stored_command_free(StoredCommand *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(StoredCommand *, stored_command_free);

/* Queues a command behind those of the same device. deadline is 0 for none. Returns a CommandState, or
 * -ENOENT if the device is unknown. */
int store_command_add(
                Store *s, const char *device, const char *id, const char *payload, int64_t now, int64_t deadline);

/* The oldest unfinished command. Returns 1 with *ret the caller's, 0 if there is none. */
int store_command_next(Store *s, const char *device, StoredCommand **ret);

/* To be called before a command goes to the device whose effect is not the same when it is executed
 * twice. */
int store_command_mark_sent(Store *s, const char *device, const char *id);

/* The command is answered: it leaves the queue, its result enters the outbox. -ENOENT if it was not in
 * the queue. */
int store_command_finish(Store *s, const char *device, const char *id, int64_t now, const Message *result);

/* The command is not executed any more, also if it arrives only now: the result enters the outbox; if it was answered
 * before, that answer does, again. -ENOENT if the device is unknown. */
int store_command_cancel(Store *s, const char *device, const char *id, int64_t now, const Message *result);

/* The next deadline that has passed at now: returns 1 with device and command id (both the caller's), 0
 * if there is none; then *ret_next is the earliest deadline to come, INT64_MAX if there is none. */
int store_command_expired(Store *s, int64_t now, char **ret_device, char **ret_id, int64_t *ret_next);

/* The devices with unfinished commands, and those of which one has expired or was cancelled after it was marked as
 * sent: where it was sent to it may still be. *ret is the caller's, NULL if there are none. */
int store_devices_with_commands(Store *s, char ***ret);

/* Forgets commands finished before COMMAND_MEMORY_SEC. */
int store_prune(Store *s, int64_t now);

/* Puts a message into the outbox. */
int store_outbox_add(Store *s, int64_t now, const Message *m);

/* At most max messages behind the sequence number after, oldest first. The handler returns 1 to go on, 0 to
 * stop (its message counts as not seen), or an error. *ret_last is the number of the last one seen. */
typedef int (*OutboxHandler)(const char *device, TopicKind kind, const char *payload, void *userdata);
int store_outbox_foreach(
                Store *s, int64_t after, int64_t max, OutboxHandler handler, void *userdata, int64_t *ret_last);

/* Notes that these messages may go, all at once with the next store_outbox_forget(). 0 or -ENOMEM. */
int store_outbox_acknowledge(Store *s, const char *device, char *const *ids);

/* Removes what was acknowledged; unknown ids, and those of another device, are ignored. Not on disk before the next
 * transaction is: a message that comes back is sent again, and the frontend knows it. Returns how many went. */
int store_outbox_forget(Store *s);

/* 1 if a message is older than the time, else 0. */
int store_outbox_has_before(Store *s, int64_t time);
