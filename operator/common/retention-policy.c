/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/parse.h"
#include "common/base/str.h"
#include "operator/common/retention-policy.h"

#define DAY_SEC 86400
#define WEEK_DAYS 7
/* The first of January 1970 was a Thursday. */
#define DAYS_BEFORE_1970 3

/* "<key>=<number>" with what begins behind it. */
static const char *take_number(const char *text, const char *key, uint32_t min, uint32_t *ret) {
        const char *value = startswith(text, key);
        _cleanup_free_ char *digits = NULL;
        uint32_t n;

        digits = value ? strndup(value, strcspn(value, ",")) : NULL;
        if (!digits || parse_uint32(digits, &n) < 0 || n < min || n > RETENTION_DAYS_MAX)
                return NULL;
        *ret = n;
        return value + strlen(digits);
}

int retention_policy_parse(const char *text, RetentionPolicy *ret) {
        RetentionPolicy p = {};
        const char *rest;

        if (!streq(text, "all")) {
                rest = take_number(text, "days=", 1, &p.days);
                if (rest && *rest)
                        rest = take_number(rest, ",daily=", 0, &p.daily);
                if (!rest || *rest)
                        return -EINVAL;
        }
        *ret = p;
        return 0;
}

/* Versions of the same period have the same number; those of the first days have none. */
typedef struct Period {
        bool young, weekly;
        int64_t number;
} Period;

/* Only whole days: so what is the last one of a part of a week now was the last one of its day before, and is there. */
static Period period_of(const RetentionPolicy *policy, int64_t now, int64_t time) {
        int64_t day = time / DAY_SEC, age = now / DAY_SEC - day;

        if (age <= policy->days)
                return (Period){ .young = true };
        if (age <= (int64_t) policy->days + policy->daily)
                return (Period){ .number = day };
        return (Period){ .weekly = true, .number = (day + DAYS_BEFORE_1970) / WEEK_DAYS };
}

static bool period_equal(const Period *a, const Period *b) {
        return a->young == b->young && a->weekly == b->weekly && a->number == b->number;
}

void retention_select(const RetentionPolicy *policy, int64_t now, RetentionVersion *versions, size_t n) {
        int64_t latest = 0, next = now;
        Period newer = {}, p;

        /* For now kept says that the time is one to go by. */
        for (size_t i = 0; i < n; i++) {
                versions[i].kept = versions[i].time <= now;
                if (versions[i].kept)
                        latest = versions[i].time = MAX(versions[i].time, latest);
        }
        for (size_t i = n; i-- > 0; newer = p) {
                if (!versions[i].kept)
                        versions[i].time = next;
                next = versions[i].time;
                p = period_of(policy, now, next);
                versions[i].kept = policy->days == 0 || p.young || i + 1 == n || !period_equal(&p, &newer);
        }
}
