/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "common/base/parse.h"

#define UNKNOWN_TIME "0001-01-01T00:00:00Z"

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

int parse_uint64(const char *s, uint64_t *ret) {
        uint64_t v = 0;

        if (!is_digit(*s))
                return -EINVAL;
        for (; *s; s++) {
                if (!is_digit(*s))
                        return -EINVAL;
                if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (unsigned) (*s - '0'), &v))
                        return -ERANGE;
        }
        *ret = v;
        return 0;
}

int parse_uint32(const char *s, uint32_t *ret) {
        uint64_t v;
        int r;

        r = parse_uint64(s, &v);
        if (r < 0)
                return r;
        if (v > UINT32_MAX)
                return -ERANGE;
        *ret = (uint32_t) v;
        return 0;
}

int parse_int64(const char *s, int64_t *ret) {
        bool negative = *s == '-';
        uint64_t v;
        int r;

        r = parse_uint64(s + negative, &v);
        if (r < 0)
                return r;
        if (v > (uint64_t) INT64_MAX + negative)
                return -ERANGE;
        *ret = negative ? (int64_t) -v : (int64_t) v;
        return 0;
}

int parse_boolean(const char *s, bool *ret) {
        static const char *const yes[] = { "1", "true", "yes", "on" }, *const no[] = { "0", "false", "no", "off" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++)
                if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
                        *ret = strcmp(s, yes[i]) == 0;
                        return 0;
                }
        return -EINVAL;
}

/* Reads exactly n digits into *ret and steps over them. */
static bool take_digits(const char **s, int n, int *ret) {
        int v = 0;

        for (int i = 0; i < n; i++, (*s)++) {
                if (!is_digit(**s))
                        return false;
                v = v * 10 + (**s - '0');
        }
        *ret = v;
        return true;
}

static bool take_char(const char **s, char c) {
        if (**s != c)
                return false;
        (*s)++;
        return true;
}

/* What may follow the seconds: a fraction, then nothing, "Z" or an offset. */
static bool take_zone(const char **s, int *ret_offset) {
        int sign, h, m;

        *ret_offset = 0;
        if (take_char(s, '.')) {
                if (!is_digit(**s))
                        return false;
                while (is_digit(**s))
                        (*s)++;
        }
        if (**s == 0 || take_char(s, 'Z'))
                return true;
        if (**s != '+' && **s != '-')
                return false;
        sign = *(*s)++ == '-' ? -1 : 1;
        if (!take_digits(s, 2, &h) || !take_char(s, ':') || !take_digits(s, 2, &m) || h > 14 || m > 59)
                return false;
        *ret_offset = sign * (h * 3600 + m * 60);
        return true;
}

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
#define FIRST_SECOND (-62135596800LL)
#define LAST_SECOND 253402300799LL

int parse_datetime(const char *s, int64_t *ret) {
        struct tm tm = {}, check;
        int offset;
        time_t t;

        if (strcmp(s, UNKNOWN_TIME) == 0) {
                *ret = INT64_MIN;
                return 0;
        }
        if (!take_digits(&s, 4, &tm.tm_year) || !take_char(&s, '-') || !take_digits(&s, 2, &tm.tm_mon) ||
            !take_char(&s, '-') || !take_digits(&s, 2, &tm.tm_mday) || !take_char(&s, 'T') ||
            !take_digits(&s, 2, &tm.tm_hour) || !take_char(&s, ':') || !take_digits(&s, 2, &tm.tm_min) ||
            !take_char(&s, ':') || !take_digits(&s, 2, &tm.tm_sec) || !take_zone(&s, &offset) || *s)
                return -EINVAL;

        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        check = tm;
        t = timegm(&check);
        /* timegm() carries over what is out of range, so a date that does not exist comes back changed. */
        if (check.tm_year != tm.tm_year || check.tm_mon != tm.tm_mon || check.tm_mday != tm.tm_mday ||
            check.tm_hour != tm.tm_hour || check.tm_min != tm.tm_min || check.tm_sec != tm.tm_sec)
                return -EINVAL;
        /* XML Schema has no year 0, and four digits end with 9999. */
        if ((int64_t) t - offset < FIRST_SECOND || (int64_t) t - offset > LAST_SECOND)
                return -EINVAL;
        *ret = (int64_t) t - offset;
        return 0;
}

char *format_datetime(int64_t seconds, char buf[static DATETIME_SIZE]) {
        time_t t = (time_t) seconds;
        struct tm tm;

        if (seconds < FIRST_SECOND || seconds > LAST_SECOND || !gmtime_r(&t, &tm))
                strcpy(buf, UNKNOWN_TIME);
        else
                /* Not strftime(3), which gives the years before 1000 less than four digits. */
                (void) snprintf(buf, DATETIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", (tm.tm_year + 1900) % 10000,
                                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        return buf;
}

static int hex_digit(char c) {
        if (is_digit(c))
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

int parse_hex(const char *s, void *ret, size_t size) {
        if (strlen(s) != 2 * size || strspn(s, "0123456789abcdefABCDEF") != 2 * size)
                return -EINVAL;
        for (size_t i = 0; i < size; i++)
                ((uint8_t *) ret)[i] = (uint8_t) (hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
        return 0;
}

char *format_hex(const void *data, size_t size, char *buf) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *p = data;

        for (size_t i = 0; i < size; i++) {
                buf[2 * i] = digits[p[i] >> 4];
                buf[2 * i + 1] = digits[p[i] & 15];
        }
        buf[2 * size] = 0;
        return buf;
}
