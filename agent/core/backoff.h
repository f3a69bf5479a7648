/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a failed session is tried again (TR-069 section 3.2.1.1). */
#pragma once

#include "common/base/macro.h"

/* TR-069 table 3: from the tenth retry on the interval grows no more. */
#define BACKOFF_RETRIES_MAX 10U

/* The wait before retry number retry_count (1 is the first), in microseconds: random, any 64 bits, picks evenly in
 * [m * k^(n-1), m * k^n]. m is ManagementServer.CWMPRetryMinimumWaitInterval (minimum_sec, seconds), k is
 * CWMPRetryIntervalMultiplier (thousandths). Values out of the parameters' ranges are taken as the nearest allowed. */
uint64_t backoff_interval_usec(unsigned retry_count, uint32_t minimum_sec, uint32_t multiplier, uint64_t random);
