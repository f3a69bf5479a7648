/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outcome of a data-model request as CWMP names it (TR-069 A.5.1). */
#pragma once

#include "common/base/macro.h"

typedef enum DmFault {
        DM_OK = 0,
        DM_FAULT_REQUEST_DENIED = 9001,
        DM_FAULT_INTERNAL_ERROR = 9002,
        DM_FAULT_INVALID_ARGUMENTS = 9003,
        DM_FAULT_RESOURCES_EXCEEDED = 9004,
        DM_FAULT_INVALID_NAME = 9005,
        DM_FAULT_INVALID_TYPE = 9006,
        DM_FAULT_INVALID_VALUE = 9007,
        DM_FAULT_NON_WRITABLE = 9008,
} DmFault;

/* The standard's text of a fault, "" for DM_OK. */
const char *dm_fault_to_string(DmFault fault);

typedef struct DmFaultEntry {
        char *name; /* the parameter or object as the request named it */
        DmFault fault;
        char *text; /* for people */
} DmFaultEntry;

/* Initialize with {}. A list that ran out of memory keeps its oom mark, so that callers check once. */
typedef struct DmFaults {
        DmFaultEntry *entries;
        size_t n;
        bool oom;
} DmFaults;

/* Appends. Returns fault, so that callers can write "return dm_faults_add(...)". format may be NULL: the
 * standard's text. */
DmFault dm_faults_add(DmFaults *faults, const char *name, DmFault fault, const char *format, ...)
                _printf_(4, 5);

/* Frees the entries; the list is empty then and may be used again. */
void dm_faults_done(DmFaults *faults);

#define _cleanup_dm_faults_ _cleanup_(dm_faults_done)
