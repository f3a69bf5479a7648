/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages of docs/mqtt.md as seen by the frontend. What a device says is checked here; nothing of it is
 * trusted. */
#pragma once

#include <jansson.h>

#include "operator/frontend/device.h"

/* Longest values that are kept of a report; a longer one is as good as none. */
#define REPORT_TEXT_MAX 1024U

typedef enum ReportFlags {
        REPORT_NONE = 0,
        REPORT_RESTARTED = 1 << 0, /* the device lost what it was doing (1 BOOT, or Ready again) */
        REPORT_BOOTSTRAP = 1 << 1, /* 0 BOOTSTRAP: it may have lost its configuration */
        REPORT_PUSH_STARTED = 1 << 2,
        REPORT_OLD = 1 << 3, /* older than what is known: nothing was taken over */
        REPORT_KEY_CHANGED = 1 << 4,
} ReportFlags;

/* "Services.X_<OUI>_ISPStorage.1.", relative to the root. */
#define SYNC_OBJECT "Services.X_" MANUFACTURER_OUI "_ISPStorage.1."

/* True if an id of an inform or result can be stored: 1 to 128 printable characters. */
bool message_id_is_valid(const char *id);

/* Takes an Inform into d. *ret_flags says what else happened. 0, -EBADMSG if it is not an Inform (d is then
 * as it was), -ENOMEM. */
int report_inform(Device *d, const json_t *inform, int64_t now, ReportFlags *ret_flags);

/* Takes values (an object of name: text, complete names) into d, without regard to their age. Returns flags
 * or -ENOMEM. */
int report_values(Device *d, const json_t *values, ReportFlags *ret_flags);

/* A new array of the complete names of what a refresh asks for. NULL if memory ran out. */
json_t *report_names(const Device *d);

/* The value of one parameter of the sync object, or NULL. */
const char *report_get(const Device *d, const json_t *values, const char *parameter);
