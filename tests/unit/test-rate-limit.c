/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token bucket, on a clock that only waiting moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "syncd/rate-limit.h"

#define SECOND UINT64_C(1000000)

typedef struct FakeTime {
        RateLimit limit;
        uint64_t now;
        uint64_t wait_max;  /* a wait ends after this, if it is not 0 */
        uint64_t change_at; /* a new rate comes while somebody waits */
        uint64_t new_rate;
} FakeTime;

static uint64_t fake_now(void *userdata) {
        return ((FakeTime *) userdata)->now;
}

static void fake_wait(uint64_t usec, void *userdata) {
        FakeTime *t = userdata;

        assert_true(usec > 0);
        if (t->change_at > t->now && t->change_at <= t->now + usec) {
                t->now = t->change_at;
                rate_limit_set(&t->limit, t->new_rate);
                return;
        }
        t->now += t->wait_max > 0 ? MIN(usec, t->wait_max) : usec;
}

static void start(FakeTime *t, uint64_t rate) {
        *t = (FakeTime) { .now = 12345 };
        rate_limit_init(&t->limit, &(RateClock) { fake_now, fake_wait, t });
        rate_limit_set(&t->limit, rate);
}

/* Passes so many bytes in pieces; returns how long it took. */
static uint64_t pass(FakeTime *t, size_t total, size_t piece) {
        uint64_t begin = t->now;

        for (; total > 0; total -= MIN(total, piece))
                rate_limit_take(&t->limit, MIN(total, piece));
        return t->now - begin;
}

static void without_a_limit_nothing_waits(void **state) {
        FakeTime t;

        start(&t, 0);
        assert_int_equal(pass(&t, (size_t) 1 << 40, (size_t) 1 << 20), 0);
        assert_true(rate_limit_quantum(&t.limit) == SIZE_MAX);
}

static void the_average_is_the_rate(void **state) {
        static const size_t rates[] = { 1, 1000, 64000, 12500000, 125000000 };
        static const size_t pieces[] = { 1, 512, 1448, 65520 };

        for (size_t i = 0; i < ELEMENTSOF(rates); i++)
                for (size_t k = 0; k < ELEMENTSOF(pieces); k++) {
                        size_t total = MAX(rates[i], 20 * pieces[k]);
                        uint64_t ideal, usec;
                        FakeTime t;

                        start(&t, rates[i]);
                        /* The last piece goes when the ones before are paid for. */
                        usec = pass(&t, total + pieces[k], pieces[k]);
                        ideal = total * SECOND / rates[i];
                        assert_in_range(
                                        usec,
                                        ideal - RATE_LIMIT_BURST_USEC,
                                        ideal + total / pieces[k] + 2 + pieces[k] * SECOND / rates[i]);
                }
}

static void a_pause_earns_a_short_burst_only(void **state) {
        FakeTime t;

        start(&t, 1000000);
        t.now += 3600 * SECOND;
        assert_int_equal(pass(&t, 100000, 1000), 0);
        assert_in_range(pass(&t, 1000000, 1000), 990000, 1010000);
}

static void waits_that_end_early_lose_nothing(void **state) {
        FakeTime t;

        start(&t, 3);
        t.wait_max = 1;
        rate_limit_take(&t.limit, 3); /* one second of debt, but for a tenth that was earned before */
        assert_in_range(pass(&t, 1, 1), SECOND * 9 / 10, SECOND + 1);
}

static void a_new_rate_holds_for_one_that_waits(void **state) {
        FakeTime t;

        start(&t, 100);
        rate_limit_take(&t.limit, 10000); /* 100 s of debt */
        t.change_at = t.now + 10 * SECOND;
        t.new_rate = 9000; /* the 9000 bytes that are left take one second now */
        assert_in_range(pass(&t, 1, 1), 11 * SECOND - 1000, 11 * SECOND + 1000);
}

static void no_limit_any_more_ends_the_wait(void **state) {
        FakeTime t;

        start(&t, 100);
        rate_limit_take(&t.limit, 1000000);
        t.change_at = t.now + SECOND;
        assert_int_equal(pass(&t, 1000, 1), SECOND);
        /* The debt is forgiven for good. */
        rate_limit_set(&t.limit, 100);
        assert_int_equal(pass(&t, 1, 1), 0);
}

static void a_quantum_is_a_fraction_of_a_second(void **state) {
        FakeTime t;

        start(&t, 64000);
        assert_int_equal(rate_limit_quantum(&t.limit), 3200);
        start(&t, 1);
        assert_int_equal(rate_limit_quantum(&t.limit), 512);
        start(&t, UINT64_MAX);
        assert_true(rate_limit_quantum(&t.limit) == SIZE_MAX);
}

static void the_real_clock_waits(void **state) {
        uint64_t begin = rate_clock_monotonic.now(NULL);
        RateLimit l;

        rate_limit_init(&l, &rate_clock_monotonic);
        rate_limit_set(&l, 100000);
        rate_limit_take(&l, 2000);
        rate_limit_take(&l, 1);
        assert_true(rate_clock_monotonic.now(NULL) - begin >= 20000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_limit_nothing_waits),
                cmocka_unit_test(the_average_is_the_rate),
                cmocka_unit_test(a_pause_earns_a_short_burst_only),
                cmocka_unit_test(waits_that_end_early_lose_nothing),
                cmocka_unit_test(a_new_rate_holds_for_one_that_waits),
                cmocka_unit_test(no_limit_any_more_ends_the_wait),
                cmocka_unit_test(a_quantum_is_a_fraction_of_a_second),
                cmocka_unit_test(the_real_clock_waits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
