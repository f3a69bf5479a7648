/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Times as people write and read them. */
#pragma once

#include "common/base/macro.h"

/* "2026-11-24 18:00", with seconds, or a day alone (its beginning), or with 'T' in between, in local time; ISO 8601
 * with "Z" or an offset; "-90s", "-30m", "-2h", "-3d", "-1w" before now. now and *ret are seconds since 1970 UTC. 0 or
 * -EINVAL. */
int ctl_parse_time(const char *s, int64_t now, int64_t *ret);

/* The length of what ctl_format_time() writes, with the NUL. */
#define CTL_TIME_SIZE 32U

/* Local time, "2026-11-24 18:00:00". Returns buf. */
char *ctl_format_time(int64_t time, char buf[static CTL_TIME_SIZE]);
