/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/bandwidth-schedule.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *s = strndup((const char *) data, size);
        char error[BANDWIDTH_ERROR_SIZE] = "";
        BandwidthSchedule schedule;
        int r;

        if (!s)
                abort();
        r = bandwidth_schedule_parse(s, &schedule, error);
        if (r < 0) {
                if (!*error)
                        abort();
                return 0;
        }
        /* Entry by entry through a week: the limits hold until the time that is given. */
        for (time_t now = 1795000000, until; now < 1795000000 + 8 * 86400; now = until) {
                BandwidthLimits limits;
                bool scheduled;

                bandwidth_schedule_evaluate(&schedule, &(BandwidthLimits) {}, now, &limits, &until, &scheduled);
                if (until == 0)
                        break;
                if (until <= now)
                        abort();
        }
        return 0;
}
