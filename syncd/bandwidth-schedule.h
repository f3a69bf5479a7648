/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameter Bandwidth.Schedule: other limits at times.
 *
 *      schedule = [ entry *( "," entry ) ]
 *      entry    = [ days ] begin "-" end limit [ limit ]      separated by blanks
 *      days     = range *( "+" range )                        none: every day
 *      range    = day [ "-" day ]                             Fri-Mon passes over Sunday
 *      day      = "Mon" / "Tue" / "Wed" / "Thu" / "Fri" / "Sat" / "Sun"
 *      begin    = HH:MM                                       00:00 to 23:59
 *      end      = HH:MM                                       up to 24:00; not after begin: on the next day
 *      limit    = "up=" kbit/s / "down=" kbit/s               0: none; each once
 *
 * Times are the gateway's local time. A time over midnight belongs to the day on which it begins. Of the
 * entries that hold at a time the last one counts, as a whole; the direction that it does not name, and both
 * where none holds, have UploadLimit and DownloadLimit. */
#pragma once

#include <time.h>

#include "common/base/macro.h"

/* The parameter has 1024 characters, an entry 16 or more with its comma. */
#define BANDWIDTH_ENTRIES_MAX 64U
#define BANDWIDTH_ERROR_SIZE 160U

/* In kbit/s; 0: none. */
typedef struct BandwidthLimits {
        uint32_t up;
        uint32_t down;
} BandwidthLimits;

typedef struct BandwidthEntry {
        uint8_t days;   /* bit 0: Sunday, as tm_wday */
        uint16_t begin; /* minutes of the day */
        uint16_t end;   /* above 24 hours: on the next day */
        bool has_up;
        bool has_down;
        BandwidthLimits limits;
} BandwidthEntry;

typedef struct BandwidthSchedule {
        BandwidthEntry entries[BANDWIDTH_ENTRIES_MAX];
        size_t n;
} BandwidthSchedule;

/* "" gives a schedule without entries. 0; -EINVAL, then error says in words which entry is wrong and why;
 * -E2BIG for too many entries, said as well. *ret is untouched on failure. */
int bandwidth_schedule_parse(const char *s, BandwidthSchedule *ret, char error[static BANDWIDTH_ERROR_SIZE]);

/* The limits at a time. *ret_until becomes the next time at which an entry begins or ends, 0 if there is no
 * entry. *ret_scheduled, whether an entry holds. Uses the time zone of the process (localtime_r(3)). */
void bandwidth_schedule_evaluate(
                const BandwidthSchedule *schedule,
                const BandwidthLimits *otherwise,
                time_t now,
                BandwidthLimits *ret,
                time_t *ret_until,
                bool *ret_scheduled);
