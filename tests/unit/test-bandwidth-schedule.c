/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "syncd/bandwidth-schedule.h"

static const BandwidthLimits otherwise = { .up = 9, .down = 8 };

static BandwidthSchedule parsed(const char *s) {
        char error[BANDWIDTH_ERROR_SIZE] = "";
        BandwidthSchedule schedule;

        if (bandwidth_schedule_parse(s, &schedule, error) < 0)
                fail_msg("%s: %s", s, error);
        return schedule;
}

static time_t at(const char *text) {
        struct tm tm = { .tm_isdst = -1 };

        assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
        return mktime(&tm);
}

/* 2026-11-23 is a Monday. expected is "up down until", or "up down -" if it never changes. */
static void assert_limits(const char *s, const char *now, const char *expected) {
        BandwidthSchedule schedule = parsed(s);
        BandwidthLimits limits;
        char actual[64], until_text[32] = "-";
        time_t until;
        bool scheduled;
        struct tm tm;

        bandwidth_schedule_evaluate(&schedule, &otherwise, at(now), &limits, &until, &scheduled);
        if (until > 0)
                (void) strftime(until_text, sizeof(until_text), "%F %H:%M", localtime_r(&until, &tm));
        (void) snprintf(actual, sizeof(actual), "%u %u %s", limits.up, limits.down, until_text);
        assert_string_equal(actual, expected);
        if (limits.up != otherwise.up || limits.down != otherwise.down)
                assert_true(scheduled);
}

static void working_hours(void **state) {
        static const char s[] = "Mon-Fri 08:00-18:00 up=512 down=0";

        assert_limits(s, "2026-11-23 07:59", "9 8 2026-11-23 08:00");
        assert_limits(s, "2026-11-23 08:00", "512 0 2026-11-23 18:00");
        assert_limits(s, "2026-11-23 17:59", "512 0 2026-11-23 18:00");
        assert_limits(s, "2026-11-23 18:00", "9 8 2026-11-24 08:00");
        assert_limits(s, "2026-11-27 18:00", "9 8 2026-11-30 08:00");
        assert_limits(s, "2026-11-28 12:00", "9 8 2026-11-30 08:00");
}

static void without_entries_nothing_changes(void **state) {
        assert_limits("", "2026-11-23 12:00", "9 8 -");
        assert_limits("  ", "2026-11-23 12:00", "9 8 -");
}

static void over_midnight_it_is_the_day_of_the_beginning(void **state) {
        static const char s[] = "Fri 22:00-06:00 up=1";

        assert_limits(s, "2026-11-27 23:00", "1 8 2026-11-28 06:00");
        assert_limits(s, "2026-11-28 05:59", "1 8 2026-11-28 06:00");
        assert_limits(s, "2026-11-28 06:00", "9 8 2026-12-04 22:00");
        assert_limits(s, "2026-11-27 05:00", "9 8 2026-11-27 22:00");
        /* Saturday night is over on Sunday, which is before Monday. */
        assert_limits("Sat 12:00-11:00 up=1", "2026-11-29 10:59", "1 8 2026-11-29 11:00");
}

static void lists_and_ranges_of_days(void **state) {
        assert_limits("Sat+Sun 00:00-24:00 up=1", "2026-11-29 23:59", "1 8 2026-11-30 00:00");
        assert_limits("Sat+Sun 00:00-24:00 up=1", "2026-11-30 00:00", "9 8 2026-12-05 00:00");
        assert_limits("Fri-Mon+Wed 10:00-11:00 up=1", "2026-11-23 10:30", "1 8 2026-11-23 11:00");
        assert_limits("Fri-Mon+Wed 10:00-11:00 up=1", "2026-11-24 10:30", "9 8 2026-11-25 10:00");
        assert_limits("10:00-11:00 down=1", "2026-11-24 10:30", "9 1 2026-11-24 11:00");
}

static void the_last_entry_counts_as_a_whole(void **state) {
        static const char s[] = "00:00-24:00 up=1 down=2, Mon 12:00-13:00 down=3 ,Mon 12:30-12:40 up=0 down=0";

        assert_limits(s, "2026-11-23 11:00", "1 2 2026-11-23 12:00");
        assert_limits(s, "2026-11-23 12:00", "9 3 2026-11-23 12:30");
        assert_limits(s, "2026-11-23 12:35", "0 0 2026-11-23 12:40");
        assert_limits(s, "2026-11-24 12:35", "1 2 2026-11-25 00:00");
}

static void summer_time_moves_the_hours(void **state) {
        /* Clocks go from 02:00 to 03:00 on 2027-03-28, and from 03:00 to 02:00 on 2026-10-25. */
        assert_limits("02:30-04:00 up=1", "2027-03-28 03:45", "1 8 2027-03-28 04:00");
        assert_limits("22:00-06:00 up=1", "2026-10-25 01:00", "1 8 2026-10-25 06:00");
        assert_int_equal(at("2026-10-25 06:00") - at("2026-10-25 01:00"), 6 * 3600);
}

static void assert_error(const char *s, const char *expected) {
        BandwidthSchedule schedule = { .n = 77 };
        char error[BANDWIDTH_ERROR_SIZE] = "";

        assert_int_equal(bandwidth_schedule_parse(s, &schedule, error), -EINVAL);
        assert_string_equal(error, expected);
        assert_int_equal(schedule.n, 77);
}

#define NO_LIMIT "not a limit like up=512 or down=0, in kbit/s, each once."

static void what_is_wrong_is_said(void **state) {
        assert_error("Mon-Fry 08:00-18:00 up=1", "Entry 1, \"Mon-Fry\": not days like Mon-Fri or Sat+Sun.");
        assert_error("mon 08:00-18:00 up=1", "Entry 1, \"mon\": not days like Mon-Fri or Sat+Sun.");
        assert_error("Mon+ 08:00-18:00 up=1", "Entry 1, \"Mon+\": not days like Mon-Fri or Sat+Sun.");
        assert_error("Mon", "Entry 1, \"Mon\": a time like 08:00-18:00 is missing.");
        assert_error("08:00-18:00 up=1,", "Entry 2, \"\": it is empty.");
        assert_error(",", "Entry 1, \"\": it is empty.");
        assert_error("8:00-18:00 up=1", "Entry 1, \"8:00-18:00\": not a time like 08:00-18:00.");
        assert_error("08:00-24:01 up=1", "Entry 1, \"08:00-24:01\": not a time like 08:00-18:00.");
        assert_error("24:00-08:00 up=1", "Entry 1, \"24:00-08:00\": not a time like 08:00-18:00.");
        assert_error("08:00-08:00 up=1", "Entry 1, \"08:00-08:00\": not a time like 08:00-18:00.");
        assert_error("08:60-18:00 up=1", "Entry 1, \"08:60-18:00\": not a time like 08:00-18:00.");
        assert_error("08:00-18:00",
                     "Entry 1, \"08:00-18:00\": a limit like up=512 or down=0, in kbit/s, is missing.");
        assert_error("08:00-18:00 up=1 up=1", "Entry 1, \"up=1\": " NO_LIMIT);
        assert_error("08:00-18:00 up=", "Entry 1, \"up=\": " NO_LIMIT);
        assert_error("08:00-18:00 up=-1", "Entry 1, \"up=-1\": " NO_LIMIT);
        assert_error("08:00-18:00 up=4294967296", "Entry 1, \"up=4294967296\": " NO_LIMIT);
        assert_error("08:00-18:00 left=1", "Entry 1, \"left=1\": " NO_LIMIT);
}

static void there_is_an_end_to_entries(void **state) {
        char s[BANDWIDTH_ENTRIES_MAX * 20 + 32] = "", error[BANDWIDTH_ERROR_SIZE];
        BandwidthSchedule schedule;

        for (unsigned i = 0; i < BANDWIDTH_ENTRIES_MAX; i++)
                strcat(s, i > 0 ? ",00:00-01:00 up=1" : "00:00-01:00 up=1");
        assert_int_equal(parsed(s).n, BANDWIDTH_ENTRIES_MAX);
        strcat(s, ",00:00-01:00 up=1");
        assert_int_equal(bandwidth_schedule_parse(s, &schedule, error), -E2BIG);
        assert_string_equal(error, "More than 64 entries.");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(working_hours),
                cmocka_unit_test(without_entries_nothing_changes),
                cmocka_unit_test(over_midnight_it_is_the_day_of_the_beginning),
                cmocka_unit_test(lists_and_ranges_of_days),
                cmocka_unit_test(the_last_entry_counts_as_a_whole),
                cmocka_unit_test(summer_time_moves_the_hours),
                cmocka_unit_test(what_is_wrong_is_said),
                cmocka_unit_test(there_is_an_end_to_entries),
        };

        /* Central Europe, without a file of time zones. */
        if (setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) < 0)
                return EXIT_FAILURE;
        tzset();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
