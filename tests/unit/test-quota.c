/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a folder has reached its threshold, is full, and has to be measured again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "sharemgr/quota.h"

static void test_threshold(void **state) {
        static const QuotaLimits q = { .capacity = 100, .threshold = 10 }, none = { .capacity = 100 },
                                 large = { .capacity = UINT32_MAX, .threshold = UINT32_MAX };

        assert_false(quota_threshold_reached(&q, 89));
        assert_true(quota_threshold_reached(&q, 90));
        assert_true(quota_threshold_reached(&q, 1000));
        assert_false(quota_threshold_reached(&none, 1000));
        assert_true(quota_threshold_reached(&large, 0));
}

static void test_full(void **state) {
        static const QuotaLimits q = { .capacity = 1000 }, tiny = { .capacity = 2 };

        assert_false(quota_is_full(&q, 983, false));
        assert_true(quota_is_full(&q, 984, false));
        /* There has to be twice the margin before it takes something again. */
        assert_true(quota_is_full(&q, 968, true));
        assert_false(quota_is_full(&q, 967, true));
        assert_false(quota_is_full(&tiny, 0, false));
        assert_true(quota_is_full(&tiny, 1, false));
}

static void test_when_to_measure(void **state) {
        static const QuotaLimits q = { .capacity = 1000, .threshold = 100 };

        assert_false(quota_may_have_crossed(&q, 500, false, 0));
        assert_false(quota_may_have_crossed(&q, 500, false, 300));
        assert_true(quota_may_have_crossed(&q, 500, false, 400));
        assert_true(quota_may_have_crossed(&q, 899, false, 1));
        assert_true(quota_may_have_crossed(&q, 910, false, -20));
        assert_false(quota_may_have_crossed(&q, 940, false, -20));
        assert_true(quota_may_have_crossed(&q, 990, true, -40));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_threshold),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_when_to_measure),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
