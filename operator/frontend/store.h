/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frontend's database. All functions return 0 or an error of operator/common/sqlite.h if nothing else is
 * said; those that change something are called inside store_begin() and store_commit(), and only what is
 * committed may be acted on. */
#pragma once

#include <jansson.h>

#include "common/base/str.h"
#include "operator/common/sqlite.h"
#include "operator/frontend/device.h"

#define SUBSCRIPTION_NAME_MAX 64U
/* TR-140: Username and Password have at most 64 characters. */
#define ACCOUNT_TEXT_MAX 64U
/* A key of ssh-ed25519 is 80 bytes of text; RSA keys are not taken. */
#define PUBLIC_KEY_MAX 1024U
/* Messages are known again for this long; a broker that repeats an older one only causes a look at the
 * device. */
#define INBOX_KEEP_SEC (7 * 86400)

typedef struct Subscription {
        char *name;
        char *username, *password;
        char *profile;   /* JSON text; NULL: the default profile */
        char *variables; /* JSON text; NULL: none */
        bool suspended;
        bool repository_ready; /* the repository exists */
        bool removing;         /* only its repository is left to remove */
        uint64_t revision;     /* n of main's tip */
        char *tip;             /* the commit; "" while main is empty */
        int64_t quota_mib; /* 0: no limit; -1: that of the configuration */
        char *retention;   /* its policy (operator/common/retention-policy.h); NULL: that of the configuration */
        int64_t created;
} Subscription;

Subscription *subscription_free(Subscription *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Subscription *, subscription_free);

typedef enum CommandPurpose {
        COMMAND_REFRESH,
        COMMAND_PROVISION_GET,
        COMMAND_PROVISION_ADD, /* argument: name of the row */
        COMMAND_PROVISION_SET,
        COMMAND_STATUS,   /* argument: the Status that is written */
        COMMAND_PULL,     /* argument: opseq */
        COMMAND_PREFETCH, /* argument: opseq */
        COMMAND_ADMIN,    /* by an administrator; its result is kept for him */
        COMMAND_CANCEL,   /* what it was is not wanted any more; the ACS is to forget it */
        _COMMAND_PURPOSE_MAX,
} CommandPurpose;

/* For the log and the database. */
const char *command_purpose_to_string(CommandPurpose p);

typedef struct Command {
        char *id;
        char *device;
        CommandPurpose purpose;
        char *argument;
        char *payload; /* as published */
        char *result;  /* JSON text, for COMMAND_ADMIN */
        bool finished;
} Command;

Command *command_free(Command *c);
DEFINE_TRIVIAL_CLEANUP_FUNC(Command *, command_free);

/* Opens the database, makes or migrates it (sqlite_open()). *ret is the caller's.  Each function below returns 0
 * unless it says otherwise, or a negative errno: those of sqlite.h, and what stands behind it. What they give out is
 * the caller's. Times are seconds since 1970, UTC. */
int store_open(const char *path, sqlite3 **ret);

/* a-z 0-9 . _ -, beginning with a letter or digit, not ending in ".git" or ".": a name of a directory and of
 * a URL. */
bool subscription_name_is_valid(const char *name);

/* Also -EEXIST. */
int store_subscription_insert(sqlite3 *db, const Subscription *s);
/* Also -ENOENT. */
int store_subscription_load(sqlite3 *db, const char *name, Subscription **ret);
/* A tip that is another at a number that is not higher, as retention makes it, is to be mirrored once more. */
int store_subscription_save(sqlite3 *db, const Subscription *s);
/* Also -EEXIST while it has devices. */
int store_subscription_delete(sqlite3 *db, const char *name);
/* unfinished: only those whose repository is still to be made or removed. */
int store_subscription_names(sqlite3 *db, bool unfinished, char ***ret);

/* Also -ENOENT. */
int store_device_load(sqlite3 *db, const char *id, Device **ret);
/* Inserts or replaces; the key rows stay. next_check: INT64_MAX for none. */
int store_device_save(sqlite3 *db, const Device *d, int64_t next_check);
/* With keys and operations; what the ACS was told to do with it is cancelled. 0 or -ENOENT. */
int store_device_delete(sqlite3 *db, const char *id);
/* Identifiers of the devices of a subscription; NULL: of all. */
int store_device_ids(sqlite3 *db, const char *subscription, char ***ret);
/* Devices whose next_check has come, at most max. */
int store_device_due(sqlite3 *db, int64_t now, unsigned max, char ***ret);
/* The earliest next_check, INT64_MAX if there is none. */
int store_device_next_check(sqlite3 *db, int64_t *ret);
/* Devices that are not known to be where they should be (for the look around after a reconnect). */
int store_device_unequal(sqlite3 *db, char ***ret);

/* Makes the key the device's newest and keeps the one before it (it is in use until the new one was accepted). key is
 * "<type> <base64>[ comment]". 1 if it is new, 0 if it was there, -EINVAL if it is not an ed25519 key, -EEXIST if it
 * belongs to another device. */
int store_key_authorize(sqlite3 *db, const char *device, const char *key, int64_t now);
/* All keys of the device. */
int store_key_revoke(sqlite3 *db, const char *device);
/* Ids of the keys that open the subscription's repository now. */
int store_key_ids(sqlite3 *db, const char *subscription, char ***ret);
/* Whose key it is. Also -ENOENT. */
int store_key_device(sqlite3 *db, int64_t key, char **ret_device);

/* The order of this opseq to synchronize: kind is "pull" or "prefetch", wanted the n of the revision. */
int store_operation_insert(
                sqlite3 *db,
                const char *device,
                uint32_t opseq,
                const char *kind,
                uint64_t wanted,
                int64_t now);
/* 1 if the device was ordered an operation of this kind at or after since and has not answered it, else 0. */
int store_operation_is_outstanding(sqlite3 *db, const char *device, const char *kind, int64_t since);
/* Ends the prefetch that opseq answers with this state; those before it were superseded. */
int store_prefetch_finish(sqlite3 *db, const char *device, uint32_t opseq, const char *state, int64_t now);
/* Ends the operations of the device up to opseq. */
int store_operation_finish(sqlite3 *db, const char *device, uint32_t opseq, const char *state, int64_t now);

/* Stores a command; its id is made here and becomes a member of the payload. *ret_id, which may be NULL, is
 * the caller's. */
int store_command_insert(
                sqlite3 *db,
                const char *device,
                CommandPurpose purpose,
                const char *argument,
                const json_t *command,
                int64_t now,
                char **ret_id);
/* Also -ENOENT. */
int store_command_load(sqlite3 *db, const char *id, Command **ret);
/* The oldest command that is to be published. 1 with *ret, 0 if there is none. */
int store_command_next(sqlite3 *db, Command **ret);
/* Lets commands be published again that are not finished and were published before then: the ACS knows them
 * by their id. */
int store_command_republish(sqlite3 *db, int64_t before);
/* The broker has it. */
int store_command_published(sqlite3 *db, const char *id, int64_t now);
/* Finishes: an administrator's keeps its result, others are forgotten. */
int store_command_finish(sqlite3 *db, const Command *c, const char *result, int64_t now);
/* Forgets the commands of the machine, or all, that were not published yet, and lets the ACS forget the others. */
int store_command_cancel(sqlite3 *db, const char *device, bool all);

/* 1 if the message is new and now noted, 0 if it was seen before. */
int store_inbox_insert(sqlite3 *db, const char *id, int64_t now);
/* Deletes notes and administrators' results that are older than their time. */
int store_expire(sqlite3 *db, int64_t now);
