/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <time.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "common/ctl/ctl-time.h"

/* More is before everything. */
#define AGO_MAX UINT32_C(1000000)

static int parse_ago(const char *s, int64_t now, int64_t *ret) {
        static const struct {
                char unit;
                int64_t seconds;
        } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
        size_t length = strlen(s);
        _cleanup_free_ char *number = NULL;
        uint32_t n;

        if (length < 2)
                return -EINVAL;
        number = strndup(s, length - 1);
        if (!number || parse_uint32(number, &n) < 0 || n > AGO_MAX)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (s[length - 1] == units[i].unit) {
                        *ret = now - n * units[i].seconds;
                        return 0;
                }
        return -EINVAL;
}

static int parse_local(const char *s, int64_t *ret) {
        static const char *const formats[] = {
                "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
        };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                struct tm tm = { .tm_isdst = -1 }, made;
                const char *end = strptime(s, formats[i], &tm);
                time_t t;

                if (!end || *end)
                        continue;
                made = tm;
                t = mktime(&made);
                /* A day that does not exist comes back as another one; so may an hour that the clocks skip. */
                if (made.tm_mday != tm.tm_mday || made.tm_mon != tm.tm_mon)
                        return -EINVAL;
                *ret = t;
                return 0;
        }
        return -EINVAL;
}

static bool has_zone(const char *s) {
        const char *time = strchr(s, 'T');

        return time && strpbrk(time, "Z+-");
}

int ctl_parse_time(const char *s, int64_t now, int64_t *ret) {
        int64_t t;
        int r;

        if (*s == '-')
                return parse_ago(s + 1, now, ret);
        if (!has_zone(s))
                return parse_local(s, ret);
        r = parse_datetime(s, &t);
        if (r < 0 || t == INT64_MIN)
                return -EINVAL;
        *ret = t;
        return 0;
}

char *ctl_format_time(int64_t time, char buf[static CTL_TIME_SIZE]) {
        time_t t = (time_t) time;
        struct tm tm;

        if (!localtime_r(&t, &tm) || strftime(buf, CTL_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                strcpy(buf, "?");
        return buf;
}
