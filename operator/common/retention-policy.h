/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which versions a retention policy keeps. Pure. */
#pragma once

#include "common/base/macro.h"

/* A policy is text: "all", or "days=<n>" or "days=<n>,daily=<m>". All versions of today and of the n days before are
 * kept; of the m days before these, the last version of each day; before that, the last one of each week. Days and
 * weeks are UTC's, weeks begin on Monday. */
#define RETENTION_DAYS_MAX 36500U
#define RETENTION_RULE \
        "A retention policy is \"all\", \"days=<n>\" or \"days=<n>,daily=<m>\", with n from 1 and m from 0 to 36500."

typedef struct RetentionPolicy {
        uint32_t days; /* 0: all versions are kept */
        uint32_t daily;
} RetentionPolicy;

/* 0 or -EINVAL. */
int retention_policy_parse(const char *text, RetentionPolicy *ret);

typedef struct RetentionVersion {
        int64_t time; /* that its commit bears, seconds since 1970 */
        bool kept;
} RetentionVersion;

/* Sets kept of each version; they are in the order of history. Clocks of gateways are not trusted: a version is taken
 * for as young as any before it, one that bears a time to come for as young as the one behind it. So a wrong clock
 * lets versions live longer, never shorter. The last one is always kept. */
void retention_select(const RetentionPolicy *policy, int64_t now, RetentionVersion *versions, size_t n);
