/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "syncd/hot-paths.h"

#define SEC UINT64_C(1000000)

static void what_people_save_is_looked_at_at_once(void **state) {
        HotPaths h = {};

        for (unsigned i = 0; i < 1000; i++)
                assert_false(hot_paths_changed(&h, "letter", 1 + i * (HOT_QUIET_USEC + 1)));
        assert_int_equal(hot_paths_next(&h), UINT64_MAX);
        hot_paths_clear(&h);
}

/* Closes once a second for an hour; returns how often it was looked at, and the longest time that it was not. */
static unsigned save_every_second(uint64_t *ret_longest) {
        uint64_t last = SEC;
        HotPaths h = {};
        unsigned n = 0;

        *ret_longest = 0;
        for (uint64_t now = SEC; now < 3600 * SEC; now += SEC / 10) {
                bool look = now % SEC == 0 && !hot_paths_changed(&h, "state", now);

                look |= hot_paths_take(&h, now) != NULL;
                n += look;
                if (!look)
                        continue;
                *ret_longest = MAX(*ret_longest, now - last);
                last = now;
        }
        hot_paths_clear(&h);
        return n;
}

static void what_is_saved_without_end_is_neither_each_time_nor_never(void **state) {
        uint64_t longest;
        unsigned n = save_every_second(&longest);

        assert_in_range(n, 3600 / 32, 3600 / 20);
        assert_in_range(longest, HOT_WAIT_MAX_USEC, HOT_WAIT_MAX_USEC + 2 * SEC);
}

static void one_that_waits_holds_up_no_other(void **state) {
        HotPaths h = {};
        uint64_t now = SEC;

        while (!hot_paths_changed(&h, "hot", now))
                now += SEC;
        assert_true(hot_paths_waits(&h, "hot"));
        assert_false(hot_paths_waits(&h, "other"));
        assert_false(hot_paths_changed(&h, "other", now));
        assert_true(hot_paths_changed(&h, "hot", now));
        assert_null(hot_paths_take(&h, hot_paths_next(&h) - 1));
        assert_string_equal(hot_paths_take(&h, hot_paths_next(&h)), "hot");
        assert_int_equal(hot_paths_next(&h), UINT64_MAX);
        hot_paths_clear(&h);
}

static void what_waits_is_not_forgotten_for_others(void **state) {
        HotPaths h = {};
        uint64_t now = SEC;
        char name[16];

        while (!hot_paths_changed(&h, "hot", now))
                now += SEC;
        for (unsigned i = 0; i < 10 * HOT_PATHS_MAX; i++) {
                (void) snprintf(name, sizeof(name), "%u", i);
                assert_false(hot_paths_changed(&h, name, ++now));
        }
        assert_true(hot_paths_waits(&h, "hot"));
        hot_paths_clear(&h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_people_save_is_looked_at_at_once),
                cmocka_unit_test(what_is_saved_without_end_is_neither_each_time_nor_never),
                cmocka_unit_test(one_that_waits_holds_up_no_other),
                cmocka_unit_test(what_waits_is_not_forgotten_for_others),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
