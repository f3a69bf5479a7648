/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The constant tables that dmgen.py derives from a schema (common/datamodel/<provider>.xml). Nobody writes
 * them by hand. */
#pragma once

#include "common/base/macro.h"

/* Limits of what comes from outside. */
#define DM_PATH_MAX 256U            /* TR-069 A.3.2.1: ParameterName is string(256) */
#define DM_DEPTH_MAX 8U             /* instance numbers in one path; the standard models use at most 5 */
#define DM_VALUE_MAX 32768U         /* DeviceInfo.DeviceLog, the longest of TR-098, TR-140 and TR-181 */
#define DM_INSTANCE_MAX 4294967295U /* TR-106 3.1: instance numbers are unsignedInt and start at 1 */
#define DM_SETTINGS_MAX 4096U       /* one Prepare: a SetParameterValues, bounded so that memory is */

typedef enum DmType {
        DM_STRING,
        DM_BOOLEAN,
        DM_UNSIGNED_INT,
        DM_INT,
        DM_UNSIGNED_LONG,
        DM_LONG,
        DM_DATE_TIME,
        DM_BASE64,
        DM_HEX_BINARY,
        DM_PATH_REF, /* a string that names a row or a parameter; or a list of such */
        _DM_TYPE_MAX,
} DmType;

typedef enum DmParameterFlags {
        DM_WRITABLE = 1 << 0,    /* the ACS may set it */
        DM_HIDDEN = 1 << 1,      /* reads as "" from outside (TR-106 A.2.3.2) */
        DM_STORED = 1 << 2,      /* a hidden value that the model keeps, in the clear; others it forgets */
        DM_VOLATILE = 1 << 3,    /* kept in memory only, the default again after a start */
        DM_TRIGGER = 1 << 4,     /* every write reaches the provider, equal to the last or not */
        DM_DYNAMIC = 1 << 5,     /* read from the provider's get() each time; no change signals */
        DM_CONSTANT = 1 << 6,    /* does not change while the provider runs */
        DM_NUM_ENTRIES = 1 << 7, /* computed: the number of rows of a table */
        DM_LIST = 1 << 8,        /* comma-separated (TR-106 3.2.3) */
        DM_STRONG = 1 << 9,      /* a reference whose target must exist, and whose deletion clears it */
        DM_FORCED_INFORM = 1 << 10, /* carried in every Inform */
        /* The enumeration is of the first word. What follows it after a blank is free; "" is allowed. */
        DM_FIRST_WORD = 1 << 11,
} DmParameterFlags;

/* TR-106 A.2.3.2 activeNotify, TR-069 table 1 of A.3.2.4. */
typedef enum DmNotifyRule {
        DM_NOTIFY_NORMAL,
        DM_NOTIFY_FORCE_ENABLED,         /* always active, the ACS cannot change it */
        DM_NOTIFY_FORCE_DEFAULT_ENABLED, /* active until the ACS changes it */
        DM_NOTIFY_CAN_DENY, /* a request for active notification may be refused with fault 9009 */
        _DM_NOTIFY_RULE_MAX,
} DmNotifyRule;

typedef struct DmParameter {
        const char *name; /* last element of the path */
        uint16_t id;      /* index in DmSchema.parameters; the generated enum <PREFIX>_<OBJECT>_<NAME> */
        uint16_t object;  /* index in DmSchema.objects */
        DmType type;
        uint32_t flags; /* DmParameterFlags */
        DmNotifyRule notify;
        uint32_t min_length; /* strings: in characters; a list: of the whole list */
        uint32_t max_length;
        int64_t minimum; /* numbers */
        uint64_t maximum;
        const char *const *enumeration; /* NULL-terminated, or NULL if any value goes */
        const char *const *targets;     /* DM_PATH_REF: NULL-terminated patterns of row names with {i} */
        uint16_t same_instances;   /* DM_PATH_REF: so many first instance numbers must equal the own ones */
        uint16_t table;            /* DM_NUM_ENTRIES: index in DmSchema.objects */
        const char *default_value; /* of a new row, or of the factory; never NULL */
} DmParameter;

/* A unique key of a table: indices into DmSchema.parameters. */
typedef struct DmUniqueKey {
        const uint16_t *parameters;
        uint16_t n_parameters;
        bool functional; /* a functional key counts among enabled rows only (TR-106 A.2.10.1) */
} DmUniqueKey;

typedef enum DmObjectFlags {
        DM_TABLE = 1 << 0,     /* has rows, name ends with "{i}." */
        DM_CREATABLE = 1 << 1, /* the ACS may AddObject and DeleteObject */
        DM_CONTAINER = 1 << 2, /* somebody else's; stands here for what is below it */
} DmObjectFlags;

#define DM_NO_INDEX UINT16_MAX

typedef struct DmObject {
        const char *path; /* with {i}, ends with a dot: "Services.StorageService.{i}." */
        const char *name; /* own element without {i}: "StorageService" */
        uint16_t id;      /* index in DmSchema.objects; the generated enum <PREFIX>_OBJECT_<NAME> */
        uint16_t parent;  /* index in DmSchema.objects; DM_NO_INDEX for the root, which is the first */
        uint32_t flags;   /* DmObjectFlags */
        uint16_t first_parameter, n_parameters; /* a stretch of DmSchema.parameters */
        const uint16_t *children;               /* indices in DmSchema.objects */
        uint16_t n_children;
        uint16_t enable_parameter; /* index in DmSchema.parameters or DM_NO_INDEX */
        uint16_t alias_parameter;  /* the same */
        uint32_t max_entries;      /* rows per table */
        uint32_t factory_entries;  /* rows that exist from the beginning */
        const DmUniqueKey *unique_keys;
        uint16_t n_unique_keys;
        const char *bus_interface; /* last part of the D-Bus interface name: "StorageService.FTPServer" */
} DmObject;

typedef struct DmSchema {
        const char *name; /* "storage" */
        const DmObject *objects;
        uint16_t n_objects;
        const DmParameter *parameters;
        uint16_t n_parameters;
        /* NULL-terminated: "Services.StorageService.", "Services.StorageServiceNumberOfEntries" */
        const char *const *prefixes;
} DmSchema;
