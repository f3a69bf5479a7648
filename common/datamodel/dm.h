/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data-model engine: one provider's part of the tree, its values, rows, rules, persistence and
 * transactions.
 *
 * All paths are relative to the root object: "Services.StorageService.1.FTPServer.Enable". Where a function
 * takes a printf-style path, the result must fit in DM_PATH_MAX. One thread uses a model. Nothing here
 * waits, except for the disk while a transaction is made durable.
 *
 * Three parties change a model. The ACS and local administrators send a request, which is checked against
 * the schema and the provider's validate() and, once durable, handed to committed(). The provider itself
 * changes what it reports with a DmUpdate. Each of them is one transaction: all of it happens, or nothing. */
#pragma once

#include "common/datamodel/dm-fault.h"
#include "common/datamodel/dm-schema.h"

typedef struct DmModel DmModel;
typedef struct DmUpdate DmUpdate;

typedef enum DmOrigin {
        DM_ORIGIN_ACS,      /* through the agent; the ACS is not notified of it */
        DM_ORIGIN_LOCAL,    /* an administrator on the bus */
        DM_ORIGIN_PROVIDER, /* a DmUpdate */
} DmOrigin;

typedef enum DmChangeKind {
        DM_CHANGE_VALUE,
        DM_CHANGE_ADDED,
        DM_CHANGE_DELETED,
} DmChangeKind;

/* One change of a transaction. Rows added come before their values; a deletion of a row lists those below
 * after it. The NumberOfEntries parameters that changed are in the list as well. */
typedef struct DmChange {
        DmChangeKind kind;
        const char *path;                 /* "....Enable", or of a row, "....Folder.3." */
        const DmObject *object;           /* of the row, or the one that has the parameter */
        const DmParameter *parameter;     /* NULL for rows; switch over parameter->id */
        uint32_t instances[DM_DEPTH_MAX]; /* instance numbers in the path, from the left */
        const char *value;                /* canonical form, also of a hidden parameter; NULL for rows */
        const char *old_value;            /* NULL for rows, and "" for what is hidden and not stored */
} DmChange;

/* What a provider adds to the schema. Any of these may be NULL. */
typedef struct DmProvider {
        /* Rules across parameters. The model shows the state as it would be after the changes (the old
         * values are in changes); the function must not change it. Objections go to faults:
         * SetParameterValues reports each under the name of its parameter, AddObject and DeleteObject report
         * the first. Not called for DmUpdates. 0 or a negative errno. */
        int (*validate)(DmModel *m,
                        DmOrigin origin,
                        const DmChange *changes,
                        size_t n,
                        DmFaults *faults,
                        void *userdata);

        /* The changes are durable; put them into effect. May make DmUpdates. Called for what others ordered,
         * not for DmUpdates. Returns 0 if they are in effect, 1 if that follows later (Status of the CWMP
         * response). */
        int (*committed)(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata);

        /* The present value of a dynamic parameter, in a new string. On failure the default is shown. 0 or a
         * negative errno. */
        int (*get)(DmModel *m,
                   const DmParameter *parameter,
                   const uint32_t instances[],
                   char **ret,
                   void *userdata);
} DmProvider;

/* Told of every transaction after it is in the model, whatever its origin, before committed(). For the bus
 * layer. */
typedef void (*DmListener)(DmModel *m, DmOrigin origin, const DmChange *changes, size_t n, void *userdata);

/* Makes a model in its factory state, in memory only. schema and provider must outlive it. 0 or -ENOMEM. */
int dm_model_new(DmModel **ret, const DmSchema *schema, const DmProvider *provider, void *userdata);

/* Ends without saving (everything durable is on disk already). NULL is allowed; returns NULL. */
DmModel *dm_model_free(DmModel *m);
DEFINE_TRIVIAL_CLEANUP_FUNC(DmModel *, dm_model_free);

typedef enum DmLoadResult {
        DM_LOADED,
        DM_LOADED_FACTORY, /* there was no file */
        DM_LOADED_CORRUPT, /* damaged: moved to "<file>.corrupt", the model is in its factory state */
        DM_LOADED_PARTLY,  /* lines that do not fit the schema (of another version) were left out */
} DmLoadResult;

/* Reads the state and keeps it in that file from now on: mode 0600, replaced atomically and fsynced by each
 * transaction that changes what persists. dir must outlive the model; it is not created. Call once, directly
 * after dm_model_new(). A DmLoadResult, or a negative errno if the file cannot be read (then the daemon
 * should not start: writing would destroy it). */
int dm_model_load(DmModel *m, const char *dir, const char *file);

/* What the model was made from. */
const DmSchema *dm_model_schema(const DmModel *m);
/* One for a model, NULL for none. */
void dm_model_set_listener(DmModel *m, DmListener listener, void *userdata);

/* --- Reading, for the provider --- */

/* The current value, canonical; hidden ones as stored. For a dynamic parameter get() is asked. *ret is the
 * caller's. 0, -ENOENT if there is no such parameter, -ENAMETOOLONG, -ENOMEM. */
int dm_get_string(DmModel *m, char **ret, const char *path_format, ...) _printf_(3, 4);

/* The same for a parameter of that type, unsignedLong included. Also -EINVAL if it has another type or is a list;
 * -ERANGE for a larger number. */
int dm_get_bool(DmModel *m, bool *ret, const char *path_format, ...) _printf_(3, 4);
int dm_get_uint32(DmModel *m, uint32_t *ret, const char *path_format, ...) _printf_(3, 4);

/* True if the object, row or parameter exists; a trailing dot does not matter. */
bool dm_exists(DmModel *m, const char *path_format, ...) _printf_(2, 3);

/* The smallest instance number of the table greater than after; 0 if there is none. Safe when rows come and
 * go meanwhile. The path is the table's, with a dot at its end: "Services.StorageService.1.LogicalVolume.". */
uint32_t dm_next_instance(DmModel *m, uint32_t after, const char *table_format, ...) _printf_(3, 4);

#define DM_FOREACH_INSTANCE(i, m, ...)                                                                      \
        for (uint32_t i = dm_next_instance(m, 0, __VA_ARGS__); i > 0;                                       \
             i = dm_next_instance(m, i, __VA_ARGS__))

/* The number of rows; 0 if there is no such table. */
uint32_t dm_count_instances(DmModel *m, const char *table_format, ...) _printf_(2, 3);

/* --- The provider's own changes --- */

/* Begins a transaction. The model shows each step at once; dm_update_free() without dm_update_commit()
 * undoes all of them. Do not return to the event loop in between. Only one at a time: -EBUSY. 0 or -ENOMEM. */
int dm_update_new(DmUpdate **ret, DmModel *m);

/* Undoes what was not committed. NULL is allowed; returns NULL. */
DmUpdate *dm_update_free(DmUpdate *u);
DEFINE_TRIVIAL_CLEANUP_FUNC(DmUpdate *, dm_update_free);

/* Sets a parameter, whether writable from outside or not. An equal value is no change. Types, ranges and
 * enumerations are checked, existence of references is not. The first error is also what dm_update_commit()
 * will return, so that callers need to look there only. 0, -ENOENT, -EINVAL for a value that the schema does
 * not allow, -ENAMETOOLONG, -ENOMEM. */
int dm_update_set(DmUpdate *u, const char *value, const char *path_format, ...) _printf_(3, 4);
int dm_update_set_bool(DmUpdate *u, bool value, const char *path_format, ...) _printf_(3, 4);
int dm_update_set_uint64(DmUpdate *u, uint64_t value, const char *path_format, ...) _printf_(3, 4);
/* UTC seconds; INT64_MIN is the Unknown Time. */
int dm_update_set_time(DmUpdate *u, int64_t seconds, const char *path_format, ...) _printf_(3, 4);

/* Adds a row with its defaults and returns its number in *ret, if that is not NULL. Numbers are never used
 * again, also not after a restart. As dm_update_set(); also -ENOSPC if the table is full. */
int dm_update_add(DmUpdate *u, uint32_t *ret, const char *table_format, ...) _printf_(3, 4);

/* Deletes a row, "Services.StorageService.1.LogicalVolume.2.", and all below. */
int dm_update_delete(DmUpdate *u, const char *row_format, ...) _printf_(2, 3);

/* Makes the changes durable and tells the listener in one call. Nothing changed: nothing happens. Frees
 * nothing. 0, the first error of the steps, or a negative errno of the disk; then the update is undone. */
int dm_update_commit(DmUpdate *u);

/* --- Requests from outside (org.ispstorage.DataModel1; TR-069 A.3.2) --- */

typedef struct DmName {
        char *name;
        bool writable; /* parameter: may be set; table: AddObject allowed; row: DeleteObject allowed (TR-069
                          table 17) */
} DmName;

typedef struct DmNames {
        DmName *items;
        size_t n;
} DmNames;

void dm_names_done(DmNames *names);

/* GetParameterNames. path: "" or a partial path or a full one. DM_OK, DM_FAULT_INVALID_NAME,
 * DM_FAULT_INVALID_ARGUMENTS for next_level with a parameter; or a negative errno. Appends to names. */
int dm_get_names(DmModel *m, const char *path, bool next_level, DmNames *names);

typedef struct DmValue {
        char *name;
        const char *type; /* local name of the XSD type: "string", "boolean", "unsignedInt", ...; "pathRef"
                           * for references, which are strings on the wire and whose non-empty items the
                           * agent prefixes with the root object */
        char *value;
} DmValue;

typedef struct DmValues {
        DmValue *items;
        size_t n;
} DmValues;

void dm_values_done(DmValues *values);

/* GetParameterValues for one path, full or partial; hidden ones read "". DM_OK, DM_FAULT_INVALID_NAME; or a
 * negative errno. Appends to values. */
int dm_get_values(DmModel *m, const char *path, DmValues *values);

typedef struct DmSetting {
        const char *name;
        const char *type; /* "string", "xsd:string", ...; "" if the sender has none */
        const char *value;
} DmSetting;

/* SetParameterValues, first half: checks all settings against the state they would give. With no fault,
 * takes the model's write lock and stores a token, never 0, in *ret_token. Values that equal the present
 * ones are no changes, except for triggers. Reference values may begin with the name of a root object
 * ("Device.", "InternetGatewayDevice."), which is removed. DM_OK; DM_FAULT_INVALID_ARGUMENTS with details in
 * faults; -EBUSY if another holds the lock; or a negative errno. */
int dm_prepare(DmModel *m,
               DmOrigin origin,
               const DmSetting *settings,
               size_t n,
               uint64_t *ret_token,
               DmFaults *faults);

/* Second half: makes the settings durable, calls committed() and releases the lock. Settings of a row that
 * the provider deleted meanwhile are left out. *ret_status is the CWMP status, 0 or 1. 0; -ENOLCK for an
 * unknown or expired token; -EIO and others of the disk, then nothing happened, and the lock is released. */
int dm_commit(DmModel *m, uint64_t token, int *ret_status);

/* Releases the lock. 0 or -ENOLCK. */
int dm_abort(DmModel *m, uint64_t token);

/* True while a prepared request waits for commit or abort. */
bool dm_is_locked(const DmModel *m);

/* AddObject and DeleteObject (TR-069 A.3.2.6, 7): path of a table, path of a row; both end with a dot.
 * faults gets the reason. DM_OK, a DmFault; -EBUSY if a prepared request holds the lock; or a negative
 * errno. */
int dm_add_object(
                DmModel *m,
                DmOrigin origin,
                const char *path,
                uint32_t *ret_instance,
                int *ret_status,
                DmFaults *faults);
int dm_delete_object(DmModel *m, DmOrigin origin, const char *path, int *ret_status, DmFaults *faults);

/* "normal", "forceEnabled", "forceDefaultEnabled", "canDeny". */
const char *dm_notify_rule_to_string(DmNotifyRule rule);

/* The local name of the XSD type, or "pathRef". */
const char *dm_type_to_string(DmType type);
