/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testbed/link.h"

#define MSEC UINT64_C(1000000)

static void offer(Link *l, size_t size, uint64_t now) {
        Frame *f = calloc(1, sizeof(Frame));

        assert_non_null(f);
        f->size = size;
        link_offer(l, f, now);
}

/* Takes what is due; returns how many frames there were. */
static size_t take(Link *l, uint64_t now) {
        size_t n = 0;
        Frame *f;

        while ((f = link_take(l, now))) {
                free(f);
                n++;
        }

        return n;
}

static void test_unlimited_link_passes_at_once(void **state) {
        Link l;

        link_init(&l, 1);
        offer(&l, 1500, 7);
        assert_int_equal(link_next(&l), 7);
        assert_int_equal(take(&l, 7), 1);
        assert_true(link_next(&l) == UINT64_MAX);
}

static void test_frame_is_due_after_its_time_on_the_line_and_the_delay(void **state) {
        Link l;

        link_init(&l, 1);
        l.settings = (LinkSettings) { .rate = 1000000, .delay = 5 * MSEC, .queue = 50 };
        offer(&l, 1250, 0); /* 10 ms on the line */
        offer(&l, 1250, 0); /* waits for the first */

        assert_int_equal(link_next(&l), 15 * MSEC);
        assert_int_equal(take(&l, 15 * MSEC - 1), 0);
        assert_int_equal(take(&l, 15 * MSEC), 1);
        assert_int_equal(take(&l, 25 * MSEC - 1), 0);
        assert_int_equal(take(&l, 25 * MSEC), 1);
}

static void test_frames_of_a_port_are_also_counted_apart(void **state) {
        Link l;
        Frame *f = calloc(1, sizeof(Frame));

        assert_non_null(f);
        link_init(&l, 1);
        f->size = 100;
        f->port = 2;
        link_offer(&l, f, 0);
        offer(&l, 1500, 0);
        assert_int_equal(l.counters.bytes, 1600);
        assert_int_equal(l.ports[1].frames, 1);
        assert_int_equal(l.ports[1].bytes, 100);
        assert_int_equal(l.ports[0].frames, 0);
        assert_int_equal(take(&l, 0), 2);
}

static void test_delay_does_not_take_rate(void **state) {
        Link l;

        link_init(&l, 1);
        l.settings = (LinkSettings) { .rate = 1000000, .delay = 1000 * MSEC, .queue = 1 };
        /* The queue has one place; each frame is on its way when the next one comes. */
        for (uint64_t i = 0; i < 10; i++)
                offer(&l, 125, i * MSEC);
        assert_int_equal(l.counters.dropped, 0);
        assert_int_equal(take(&l, 1010 * MSEC), 10);
}

static void test_full_queue_drops_the_new_frame(void **state) {
        Link l;

        link_init(&l, 1);
        l.settings = (LinkSettings) { .rate = 1000000, .queue = 3 };
        for (int i = 0; i < 5; i++)
                offer(&l, 125, 0);
        assert_int_equal(l.counters.frames, 3);
        assert_int_equal(l.counters.bytes, 375);
        assert_int_equal(l.counters.dropped, 2);

        /* One has left: there is a place again. */
        offer(&l, 125, MSEC);
        assert_int_equal(l.counters.frames, 4);
        assert_int_equal(take(&l, 10 * MSEC), 4);
}

static void test_losses_are_counted_as_sent_and_do_not_arrive(void **state) {
        const size_t n = 20000;
        size_t arrived = 0;
        Link l;

        link_init(&l, 1);
        l.settings = (LinkSettings) { .loss = 50000, .queue = 50 };
        for (uint64_t i = 0; i < n; i++) {
                offer(&l, 100, i);
                arrived += take(&l, i);
        }
        assert_int_equal(l.counters.frames, n);
        assert_int_equal(arrived + l.counters.lost, n);
        assert_in_range(l.counters.lost, n / 100 * 4, n / 100 * 6);
}

static void test_shorter_delay_does_not_reorder(void **state) {
        Frame *f;
        Link l;

        link_init(&l, 1);
        l.settings = (LinkSettings) { .delay = 10 * MSEC, .queue = 50 };
        offer(&l, 100, 0);
        l.settings.delay = 0;
        offer(&l, 200, MSEC);

        assert_int_equal(take(&l, 9 * MSEC), 0);
        f = link_take(&l, 10 * MSEC);
        assert_non_null(f);
        assert_int_equal(f->size, 100);
        free(f);
        assert_int_equal(take(&l, 10 * MSEC), 1);
}

static void test_cut_line_loses_what_is_on_its_way(void **state) {
        Link l;

        link_init(&l, 1);
        l.settings = (LinkSettings) { .rate = 1000000, .delay = 10 * MSEC, .queue = 50 };
        offer(&l, 100, 0);
        l.down = true;
        link_flush(&l);
        offer(&l, 100, MSEC);
        assert_int_equal(take(&l, 1000 * MSEC), 0);

        l.down = false;
        offer(&l, 125, 1000 * MSEC);
        assert_int_equal(link_next(&l), 1011 * MSEC);
        assert_int_equal(take(&l, 1011 * MSEC), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unlimited_link_passes_at_once),
                cmocka_unit_test(test_frame_is_due_after_its_time_on_the_line_and_the_delay),
                cmocka_unit_test(test_frames_of_a_port_are_also_counted_apart),
                cmocka_unit_test(test_delay_does_not_take_rate),
                cmocka_unit_test(test_full_queue_drops_the_new_frame),
                cmocka_unit_test(test_losses_are_counted_as_sent_and_do_not_arrive),
                cmocka_unit_test(test_shorter_delay_does_not_reorder),
                cmocka_unit_test(test_cut_line_loses_what_is_on_its_way),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
