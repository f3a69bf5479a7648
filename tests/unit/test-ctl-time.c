/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "common/ctl/ctl-time.h"

#define NOW INT64_C(1795000000)

static int64_t parse(const char *s) {
        int64_t t = -1;

        assert_int_equal(ctl_parse_time(s, NOW, &t), 0);
        return t;
}

static void local_time(void **state) {
        char buf[CTL_TIME_SIZE];

        /* An hour and more east of Greenwich in winter, two in summer. */
        assert_int_equal(parse("2026-11-24 18:00"), 1795539600);
        assert_int_equal(parse("2026-11-24 18:00:01"), 1795539601);
        assert_int_equal(parse("2026-11-24T18:00"), 1795539600);
        assert_int_equal(parse("2026-11-24"), 1795474800);
        assert_int_equal(parse("2026-07-01 12:00"), 1782900000);
        assert_string_equal(ctl_format_time(1795539600, buf), "2026-11-24 18:00:00");
}

static void iso_8601(void **state) {
        assert_int_equal(parse("2026-11-24T17:00:00Z"), 1795539600);
        assert_int_equal(parse("2026-11-24T18:00:00+01:00"), 1795539600);
        assert_int_equal(parse("2026-11-24T12:00:00.5-05:00"), 1795539600);
}

static void before_now(void **state) {
        assert_int_equal(parse("-90s"), NOW - 90);
        assert_int_equal(parse("-30m"), NOW - 1800);
        assert_int_equal(parse("-2h"), NOW - 7200);
        assert_int_equal(parse("-3d"), NOW - 3 * 86400);
        assert_int_equal(parse("-1w"), NOW - 7 * 86400);
}

static void what_is_no_time(void **state) {
        static const char *const texts[] = {
                "",     "-",      "-h",        "-2",          "-2x",   "--2h", "-2hh", "-99999999999h", "yesterday",
                "2026", "18:00",  "2026-11-31", "2026-11-24 25:00", "2026-11-24 18:00 ", "2026-11-24T17:00:00Zx",
                "0001-01-01T00:00:00Z",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int64_t t;

                assert_int_equal(ctl_parse_time(texts[i], NOW, &t), -EINVAL);
        }
}

static int set_zone(void **state) {
        return setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(local_time),
                cmocka_unit_test(iso_8601),
                cmocka_unit_test(before_now),
                cmocka_unit_test(what_is_no_time),
        };

        return cmocka_run_group_tests(tests, set_zone, NULL);
}
