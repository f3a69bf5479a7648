/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/core/backoff.h"

#define USEC_PER_SEC 1000000ULL
/* Ranges of the two parameters. */
#define PARAMETER_MAX 65535U
#define MULTIPLIER_MIN 1000U
/* 65535 s * 65.535^10 would be longer than any gateway lives; a year is as good. */
#define INTERVAL_MAX_USEC (365ULL * 24U * 3600U * USEC_PER_SEC)

uint64_t backoff_interval_usec(unsigned retry_count, uint32_t minimum_sec, uint32_t multiplier, uint64_t random) {
        uint64_t low = MIN(MAX(minimum_sec, 1U), PARAMETER_MAX) * USEC_PER_SEC;
        uint64_t k = MIN(MAX(multiplier, MULTIPLIER_MIN), PARAMETER_MAX);

        for (unsigned i = 1; i < MIN(retry_count, BACKOFF_RETRIES_MAX) && low < INTERVAL_MAX_USEC; i++)
                low = low * k / 1000U;
        low = MIN(low, INTERVAL_MAX_USEC);

        uint64_t width = low * k / 1000U - low;
        return low + (width > 0 ? random % (width + 1) : 0);
}
