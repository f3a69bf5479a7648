/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/datamodel/dm-fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *dm_fault_to_string(DmFault fault) {
        switch (fault) {
        case DM_OK:
                return "";
        case DM_FAULT_REQUEST_DENIED:
                return "Request denied";
        case DM_FAULT_INTERNAL_ERROR:
                return "Internal error";
        case DM_FAULT_INVALID_ARGUMENTS:
                return "Invalid arguments";
        case DM_FAULT_RESOURCES_EXCEEDED:
                return "Resources exceeded";
        case DM_FAULT_INVALID_NAME:
                return "Invalid parameter name";
        case DM_FAULT_INVALID_TYPE:
                return "Invalid parameter type";
        case DM_FAULT_INVALID_VALUE:
                return "Invalid parameter value";
        case DM_FAULT_NON_WRITABLE:
                return "Attempt to set a non-writable parameter";
        }
        return "Internal error";
}

static int faults_grow(DmFaults *faults, const char *name, DmFault fault, char *text) {
        DmFaultEntry *entries;
        char *copy;

        if (!text)
                return -ENOMEM;
        entries = reallocarray(faults->entries, faults->n + 1, sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        faults->entries = entries;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        entries[faults->n++] = (DmFaultEntry){ copy, fault, text };
        return 0;
}

DmFault dm_faults_add(DmFaults *faults, const char *name, DmFault fault, const char *format, ...) {
        char *text = NULL;
        va_list ap;

        if (format) {
                va_start(ap, format);
                if (vasprintf(&text, format, ap) < 0)
                        text = NULL;
                va_end(ap);
        } else
                text = strdup(dm_fault_to_string(fault));

        if (faults_grow(faults, name, fault, text) < 0) {
                free(text);
                faults->oom = true;
        }
        return fault;
}

void dm_faults_done(DmFaults *faults) {
        for (size_t i = 0; i < faults->n; i++) {
                free(faults->entries[i].name);
                free(faults->entries[i].text);
        }
        free(faults->entries);
        *faults = (DmFaults){};
}
