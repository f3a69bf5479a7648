/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which versions a policy keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/str.h"
#include "operator/common/retention-policy.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
/* Thursday, 2026-11-26 at noon. */
#define NOW INT64_C(1795694400)
#define VERSIONS_MAX 4096U

static RetentionPolicy policy(const char *text) {
        RetentionPolicy p;

        assert_int_equal(retention_policy_parse(text, &p), 0);
        return p;
}

static void what_a_policy_is(void **state) {
        static const char *const wrong[] = {
                "", "none", "days=", "days=0",
                "days=36501", "days=1,", "days=1 ", "days=-1",
                "daily=3", "days=1,weekly=2", "days=1,daily=", "days=1,daily=36501",
                "All", "days=1,daily=2,daily=3", "days=1,,daily=2", "days=4294967297",
                "days=1;daily=2",
        };
        RetentionPolicy p = { .days = 99 };

        assert_int_equal(policy("all").days, 0);
        assert_int_equal(policy("days=1").days, 1);
        assert_int_equal(policy("days=1").daily, 0);
        assert_int_equal(policy("days=30,daily=36500").days, 30);
        assert_int_equal(policy("days=30,daily=36500").daily, 36500);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(retention_policy_parse(wrong[i], &p), -EINVAL);
        assert_int_equal(p.days, 99);
}

/* Of versions at these hours before now, the oldest first, those that stay: "x", the others: ".". */
static void assert_kept(const char *text, const int64_t *hours, const char *expected) {
        RetentionVersion versions[64];
        RetentionPolicy p = policy(text);
        size_t n = strlen(expected);
        char kept[65] = "";

        for (size_t i = 0; i < n; i++)
                versions[i] = (RetentionVersion){ .time = NOW - hours[i] * HOUR };
        retention_select(&p, NOW, versions, n);
        for (size_t i = 0; i < n; i++)
                kept[i] = versions[i].kept ? 'x' : '.';
        assert_string_equal(kept, expected);
}

static void the_last_of_each_period_stays(void **state) {
        /* Two a day, of this week and the one before: noon and an hour later. Monday is 72 hours ago. */
        static const int64_t days[] = {
                /* Thursday to Sunday */
                168, 167, 144, 143, 120, 119, 96, 95,
                /* Monday to Wednesday */
                72, 71, 48, 47, 24, 23,
                /* today */
                1, 0,
        };

        assert_kept("all", days, "xxxxxxxxxxxxxxxx");
        assert_kept("days=7", days, "xxxxxxxxxxxxxxxx");
        assert_kept("days=1,daily=100", days, ".x.x.x.x.x.xxxxx");
        assert_kept("days=1", days, ".......x...xxxxx");
        /* The border between days and weeks is in the middle of a week, and each part has a last one. */
        assert_kept("days=1,daily=3", days, ".....x.x.x.xxxxx");
}

static void nothing_and_one(void **state) {
        static const int64_t old[] = { 100000 };

        assert_kept("days=1", old, "");
        assert_kept("days=1", old, "x");
}

static void wrong_clocks_let_live_longer(void **state) {
        /* Made today by a gateway that believes in 1970, after one of today. */
        static const int64_t past[] = { 2400, 2399, 2, 490000, 489999, 489998, 1 };
        /* Made by one that is years ahead, three months ago and today. */
        static const int64_t future[] = { 2402, 2401, -90000, -90000, 2400, -80000, -70000, 1, -80000, 0 };

        assert_kept("days=1", past, ".xxxxxx");
        assert_kept("days=1", future, "....xxxxxx");
}

/* What stayed once is what stays later: nothing that a later application keeps was dropped by an earlier one. */
static void an_earlier_application_does_no_harm(void **state) {
        RetentionVersion *early = calloc(VERSIONS_MAX, sizeof(*early)), *late = calloc(VERSIONS_MAX, sizeof(*late));

        for (unsigned seed = 1; seed <= 20; seed++) {
                RetentionPolicy p = { .days = 1 + seed % 9, .daily = seed % 40 };
                int64_t time = NOW - 300 * DAY, then;

                srand(seed);
                for (size_t i = 0; i < VERSIONS_MAX; i++) {
                        time += rand() % (int) (300 * DAY / VERSIONS_MAX * 2);
                        early[i].time = late[i].time = MIN(time, NOW);
                }
                then = NOW + rand() % (int) (60 * DAY);
                retention_select(&p, NOW, early, VERSIONS_MAX);
                retention_select(&p, then, late, VERSIONS_MAX);
                for (size_t i = 0; i < VERSIONS_MAX; i++)
                        assert_true(early[i].kept || !late[i].kept);
        }
        free(early);
        free(late);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_a_policy_is),
                cmocka_unit_test(the_last_of_each_period_stays),
                cmocka_unit_test(nothing_and_one),
                cmocka_unit_test(wrong_clocks_let_live_longer),
                cmocka_unit_test(an_earlier_application_does_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
