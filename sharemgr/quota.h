/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How full a folder is against its quota (TR-140 Folder.Quota), as arithmetic.
 *
 * What a folder holds is found by walking it, which costs. In between, the use of its volume, which costs
 * nothing to know, tells whether the folder can have crossed a limit at all. */
#pragma once

#include "common/base/macro.h"

typedef struct QuotaLimits {
        uint32_t capacity;  /* MB, not 0 */
        uint32_t threshold; /* MB; 0: none */
} QuotaLimits;

/* "UsedSpace + ThresholdLimit >= Capacity" (TR-140). */
bool quota_threshold_reached(const QuotaLimits *q, uint32_t used) _pure_;

/* True if nothing may be added any more: near the limit, as what is being written is seen some seconds
 * later. A folder that was full is so until there is room again. */
bool quota_is_full(const QuotaLimits *q, uint32_t used, bool was_full) _pure_;

/* True if the answer of one of the above may be another one now: change is by how many MB the use of the
 * volume has changed since used was measured. */
bool quota_may_have_crossed(const QuotaLimits *q, uint32_t used, bool was_full, int64_t change) _pure_;
