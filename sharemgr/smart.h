/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What smartctl(8) says of a disk. */
#pragma once

#include "common/base/macro.h"

/* smartctl's output is some kilobytes. */
#define SMART_TEXT_MAX (256U * 1024U)

typedef struct SmartData {
        bool capable;
        bool failing;
        uint32_t reallocated_sectors, power_on_hours, spin_retries, power_cycles, temperature,
                        reallocation_events, pending_sectors, uncorrectable_sectors, read_errors,
                        soft_read_errors, write_errors;
        uint32_t spares_remaining; /* percent */
} SmartData;

/* Reads what "smartctl --json --info --health --attributes" printed, of an ATA or NVMe disk; what it does
 * not say is 0. 0; -ENODATA if the disk was not asked, as it sleeps or could not be opened; -EBADMSG. */
int smart_from_json(const char *text, SmartData *ret);
