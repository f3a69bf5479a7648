/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The controller of background transfers, on a model of an access link that other traffic shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "background-recording.h"

#define SECOND UINT64_C(1000000)
#define TICK_USEC UINT64_C(5000)
#define PACKET 1448.0

/* A queue in front of a link; one background transfer by the controller, one other by additive increase and
 * multiplicative decrease, as TCP does. */
typedef struct Link {
        double capacity; /* bytes per second */
        double buffer;   /* bytes */
        double rtt;      /* seconds, of the empty path */
        double queue, background_queue;
        double srtt, rtt_min;
        double window;     /* of the other one; 0: it is silent */
        double steady;     /* bytes per second of one that does not adapt */
        double hold;       /* seconds until the other one halves again */
        double background_bytes, other_bytes;
        uint32_t losses;
} Link;

static void tick(Link *l, double background_rate) {
        double dt = (double) TICK_USEC / SECOND, rtt = l->rtt + l->queue / l->capacity;
        double background = background_rate * dt, other = l->window / rtt * dt + l->steady * dt;
        double served = MIN(l->queue + background + other, l->capacity * dt), share;

        l->queue += background + other;
        l->background_queue += background;
        share = l->queue > 0 ? l->background_queue / l->queue : 0;
        l->queue -= served;
        l->background_queue -= served * share;
        l->background_bytes += served * share;
        l->other_bytes += served * (1 - share);
        l->hold -= dt;
        if (l->window > 0)
                l->window += PACKET * dt / rtt;
        if (l->queue > l->buffer) {
                l->background_queue *= l->buffer / l->queue;
                l->queue = l->buffer;
                l->losses++;
                if (l->hold <= 0) {
                        l->window /= 2;
                        l->hold = rtt;
                }
        }
        l->srtt += (rtt - l->srtt) * MIN(1.0, dt / l->rtt / 2);
        l->rtt_min = MIN(l->rtt_min, rtt);
}

static Link link_of(double mbit, double buffer_msec, double rtt_msec) {
        double rtt = rtt_msec / 1000, capacity = mbit * 125000;

        return (Link) { .capacity = capacity,
                        .buffer = capacity * buffer_msec / 1000,
                        .rtt = rtt,
                        .srtt = rtt,
                        .rtt_min = rtt };
}

/* Runs both; returns the background's share of what the link can carry, in percent. *ret_other likewise. */
static double run(Link *l, BackgroundRate *b, uint64_t usec, double *ret_other) {
        double moved = l->background_bytes;
        uint64_t since = 0;
        double total = l->capacity * (double) usec / SECOND;

        l->other_bytes = 0;
        l->background_bytes = 0;
        moved = 0;
        for (uint64_t t = 0; t < usec; t += TICK_USEC) {
                tick(l, (double) b->rate);
                since += TICK_USEC;
                if (since < BACKGROUND_INTERVAL_USEC)
                        continue;
                background_rate_update(b, &(BackgroundSample) {
                        .usec = since,
                        .bytes = (uint64_t) (l->background_bytes - moved),
                        .rtt_usec = (uint32_t) (l->srtt * SECOND),
                        .rtt_min_usec = (uint32_t) (l->rtt_min * SECOND),
                        .losses = l->losses,
                });
                moved = l->background_bytes;
                l->losses = 0;
                since = 0;
        }
        if (ret_other)
                *ret_other = l->other_bytes * 100 / total;
        return l->background_bytes * 100 / total;
}

static const struct {
        const char *name;
        double mbit, buffer_msec, rtt_msec;
} links[] = {
        { "lan", 100, 50, 1 },
        { "gpon", 30, 100, 10 },
        { "adsl up", 1, 400, 30 },
        { "adsl down", 16, 200, 30 },
        { "far", 50, 100, 150 },
        { "short queue", 28, 21, 5 },
        { "shorter queue", 93, 6.5, 5 },
};

static void alone_it_uses_the_link(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                Link l = link_of(links[i].mbit, links[i].buffer_msec, links[i].rtt_msec);
                BackgroundRate b;
                double share;

                background_rate_init(&b);
                (void) run(&l, &b, 20 * SECOND, NULL);
                share = run(&l, &b, 120 * SECOND, NULL);
                print_message("%s: %.1f %%, delay %.1f ms\n", links[i].name, share, l.queue / l.capacity * 1000);
                assert_true(share > 70);
                assert_false(b.yielding);
        }
}

static void it_adds_little_delay(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                Link l = link_of(links[i].mbit, links[i].buffer_msec, links[i].rtt_msec);
                double sum = 0;
                BackgroundRate b;

                background_rate_init(&b);
                (void) run(&l, &b, 20 * SECOND, NULL);
                for (unsigned k = 0; k < 1000; k++) {
                        (void) run(&l, &b, BACKGROUND_INTERVAL_USEC, NULL);
                        sum += l.queue / l.capacity * SECOND;
                }
                assert_true(sum / 1000 < 2 * BACKGROUND_TARGET_USEC);
        }
}

static void a_greedy_other_gets_the_link_and_leaves_it_again(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                Link l = link_of(links[i].mbit, links[i].buffer_msec, links[i].rtt_msec);
                double share, other;
                BackgroundRate b;

                background_rate_init(&b);
                (void) run(&l, &b, 20 * SECOND, NULL);
                l.window = l.capacity * l.rtt + 10 * PACKET;
                (void) run(&l, &b, 30 * SECOND, NULL);
                assert_true(b.yielding);
                share = run(&l, &b, 60 * SECOND, &other);
                print_message("%s: background %.1f %%, other %.1f %%\n", links[i].name, share, other);
                assert_true(share < 15);
                assert_true(other > 75);
                l.window = 0;
                (void) run(&l, &b, 20 * SECOND, NULL);
                assert_false(b.yielding);
                assert_true(run(&l, &b, 60 * SECOND, NULL) > 70);
        }
}

static void it_takes_what_a_steady_other_leaves(void **state) {
        Link l = link_of(30, 100, 10);
        BackgroundRate b;
        double share;

        background_rate_init(&b);
        l.steady = l.capacity * 0.6;
        (void) run(&l, &b, 20 * SECOND, NULL);
        share = run(&l, &b, 120 * SECOND, NULL);
        assert_in_range((uint64_t) share, 28, 41);
}

static void its_own_queue_does_not_become_the_base(void **state) {
        Link l = link_of(30, 200, 10);
        BackgroundRate b;

        background_rate_init(&b);
        (void) run(&l, &b, 40 * 60 * SECOND, NULL);
        assert_true(background_rate_base_usec(&b) < 12000);
}

/* A longer path (another route) is accepted when the history has forgotten the shorter one. */
static void a_path_that_became_longer_is_accepted(void **state) {
        Link l = link_of(30, 200, 10);
        BackgroundRate b;

        background_rate_init(&b);
        (void) run(&l, &b, 60 * SECOND, NULL);
        l.rtt = 0.080;
        l.rtt_min = 1;
        (void) run(&l, &b, 60 * SECOND, NULL);
        assert_true(b.yielding);
        (void) run(&l, &b, (BACKGROUND_HISTORY + 1) * BACKGROUND_HISTORY_USEC, NULL);
        assert_true(run(&l, &b, 60 * SECOND, NULL) > 70);
}

/* The path was fast, and is slow when the next transfer comes. */
static void after_a_rest_it_begins_anew(void **state) {
        Link fast = link_of(1000, 5, 1), slow = link_of(1, 400, 30);
        BackgroundRate b;

        background_rate_init(&b);
        (void) run(&fast, &b, 60 * SECOND, NULL);
        assert_true((double) b.rate > fast.capacity / 2);
        background_rate_restart(&b);
        assert_int_equal(b.rate, BACKGROUND_RATE_START);
        assert_in_range(background_rate_base_usec(&b), 500, 1500);
        (void) run(&slow, &b, 2 * SECOND, NULL);
        assert_true(slow.queue / slow.capacity < 0.3);
}

/* Replays samples; returns the highest rate on the way, *ret_lowest the lowest. */
static uint64_t replay(BackgroundRate *b, size_t from, size_t to, uint64_t *ret_lowest) {
        uint64_t highest = 0;

        *ret_lowest = UINT64_MAX;
        for (size_t i = from; i < to; i++) {
                background_rate_update(b, &recorded[i]);
                highest = MAX(highest, b->rate);
                *ret_lowest = MIN(*ret_lowest, b->rate);
        }
        return highest;
}

static void on_a_recorded_line_it_gives_way_and_comes_back(void **state) {
        uint64_t lowest;
        BackgroundRate b;

        background_rate_init(&b);
        /* Alone. What was recorded is another controller's queue, of up to 54 ms: only the model above tells what
         * share this one takes. */
        assert_true(replay(&b, 0, 78, &lowest) > 500000);
        assert_false(b.yielding);
        /* The other one begins, and within two seconds it has the link. */
        (void) replay(&b, 78, 100, &lowest);
        assert_true(b.yielding);
        assert_true(replay(&b, 100, 140, &lowest) < 20000);
        assert_int_equal(lowest, BACKGROUND_RATE_MIN);
        /* It is gone. */
        (void) replay(&b, 140, ELEMENTSOF(recorded), &lowest);
        assert_false(b.yielding);
        assert_true(b.rate > 500000);
}

static void without_measurements_the_rate_stays(void **state) {
        BackgroundRate b;

        background_rate_init(&b);
        for (unsigned i = 0; i < 100; i++)
                background_rate_update(&b, &(BackgroundSample) { .usec = BACKGROUND_INTERVAL_USEC });
        assert_int_equal(b.rate, BACKGROUND_RATE_START);
        background_rate_update(&b, &(BackgroundSample) {});
        assert_int_equal(b.rate, BACKGROUND_RATE_START);
}

static void it_stays_within_its_bounds(void **state) {
        BackgroundRate b;

        background_rate_init(&b);
        for (unsigned i = 0; i < 1000; i++)
                background_rate_update(&b, &(BackgroundSample) {
                        .usec = BACKGROUND_INTERVAL_USEC, .bytes = UINT32_MAX, .rtt_usec = 1 });
        assert_int_equal(b.rate, BACKGROUND_RATE_MAX);
        for (unsigned i = 0; i < 1000; i++)
                background_rate_update(&b, &(BackgroundSample) {
                        .usec = BACKGROUND_INTERVAL_USEC, .bytes = 1, .rtt_usec = UINT32_MAX, .losses = 9 });
        assert_true(b.yielding);
        assert_int_equal(b.rate, BACKGROUND_RATE_MIN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(alone_it_uses_the_link),
                cmocka_unit_test(it_adds_little_delay),
                cmocka_unit_test(a_greedy_other_gets_the_link_and_leaves_it_again),
                cmocka_unit_test(it_takes_what_a_steady_other_leaves),
                cmocka_unit_test(its_own_queue_does_not_become_the_base),
                cmocka_unit_test(a_path_that_became_longer_is_accepted),
                cmocka_unit_test(after_a_rest_it_begins_anew),
                cmocka_unit_test(on_a_recorded_line_it_gives_way_and_comes_back),
                cmocka_unit_test(without_measurements_the_rate_stays),
                cmocka_unit_test(it_stays_within_its_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
