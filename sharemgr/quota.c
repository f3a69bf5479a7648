/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sharemgr/quota.h"

/* What a client may write until it is seen. Small folders must not be full from the beginning. */
#define MARGIN_MAX_MB 16U
#define MARGIN_SHARE 64U

static uint32_t margin(const QuotaLimits *q) {
        return MIN(MARGIN_MAX_MB, q->capacity / MARGIN_SHARE + 1);
}

bool quota_threshold_reached(const QuotaLimits *q, uint32_t used) {
        return q->threshold > 0 && (uint64_t) used + q->threshold >= q->capacity;
}

bool quota_is_full(const QuotaLimits *q, uint32_t used, bool was_full) {
        return (uint64_t) used + margin(q) * (was_full ? 2 : 1) >= q->capacity;
}

bool quota_may_have_crossed(const QuotaLimits *q, uint32_t used, bool was_full, int64_t change) {
        /* Of both signs, as one folder may have grown while another one shrank. */
        int64_t slack = change < 0 ? -change : change;
        uint32_t low = (uint32_t) MAX((int64_t) used - slack - 1, (int64_t) 0);
        uint32_t high = (uint32_t) MIN((int64_t) used + slack + 1, (int64_t) UINT32_MAX);

        return change != 0 && (quota_threshold_reached(q, low) != quota_threshold_reached(q, high) ||
                               quota_is_full(q, low, was_full) != quota_is_full(q, high, was_full));
}
