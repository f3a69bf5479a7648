/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a prefetch looks, on a model of a push over one line and a fetch over another; only the model's clock moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/macro.h"
#include "syncd/look-pace.h"
#include "syncd/push-size.h"

#define SECOND UINT64_C(1000000)
#define KB UINT64_C(1000)
#define LEAST_PATIENCE (30 * SECOND)
/* What is said in a look, and how long it takes. */
#define SAID 350U
#define LOOK_USEC UINT64_C(60000)

typedef struct Model {
        uint64_t up, down; /* bytes per second; up 0: nothing comes */
        uint64_t size;     /* of the push */
        uint64_t missed;   /* of it, before the prefetch begins */
        bool useless;      /* nothing of it is fetched */

        uint64_t now;
        unsigned looks;
        unsigned batches; /* found */
        uint64_t worst;   /* how late one of them was found */
} Model;

/* The bytes of all batches that are on the server at a time, and when the last one of them was complete. */
static uint64_t staged(const Model *m, uint64_t now, unsigned *ret_batches, uint64_t *ret_complete) {
        uint64_t sum = 0, batch = PUSH_BATCH_FIRST;

        *ret_batches = 0;
        for (; m->up > 0 && sum + batch <= m->size; batch = MIN(batch * PUSH_BATCH_GROWTH, PUSH_BATCH_SIZE)) {
                uint64_t complete = (sum + batch) * SECOND / m->up;

                if (complete > now)
                        break;
                sum += batch;
                (*ret_batches)++;
                *ret_complete = complete;
        }
        return sum;
}

static uint64_t push_end(const Model *m) {
        return m->up > 0 ? m->size * SECOND / m->up : UINT64_MAX;
}

/* Prefetches until the push is over, or patience is. */
static void prefetch(Model *m) {
        uint64_t have = 0, quiet, complete = 0;
        LookPace pace;

        quiet = m->now = m->missed > 0 ? m->missed * SECOND / m->up : 0;
        look_pace_begin(&pace, m->now);
        while (m->now < push_end(m)) {
                uint64_t looked, found, end;
                unsigned batches;

                m->now += LOOK_USEC;
                m->looks++;
                looked = m->now;
                found = staged(m, looked, &batches, &complete) - have;
                if (found > 0) {
                        if (m->batches > 0 || m->missed == 0)
                                m->worst = MAX(m->worst, looked - complete);
                        m->batches = batches;
                        have += found;
                        m->now += m->useless ? 0 : found * SECOND / m->down;
                        quiet = m->now;
                        look_pace_found(&pace, looked, m->useless ? 2 * KB : found);
                } else
                        look_pace_missed(&pace);
                end = quiet + look_pace_patience(&pace, LEAST_PATIENCE);
                if (looked >= end)
                        return;
                m->now = MAX(m->now, MIN(looked + look_pace_interval(&pace, looked, SAID), end));
        }
}

static const struct {
        uint64_t up, down;
} lines[] = {
        { 12500 * KB, 12500 * KB }, { 1162 * KB, 11625 * KB }, { 349 * KB, 3488 * KB },
        { 104 * KB, 1670 * KB },    { 53 * KB, 835 * KB },
};

static void looks_cost_little_on_any_line(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                for (uint64_t size = 10 * KB * KB; size <= 10000 * KB * KB; size *= 10)
                        for (unsigned late = 0; late <= 1; late++) {
                                Model m = {
                                        .up = lines[i].up, .down = lines[i].down, .size = size,
                                        .missed = late ? 6 << 20 : 0,
                                };

                                prefetch(&m);
                                assert_true(m.batches > 0);
                                /* Two receivers of a push, and three times its size in all: a quarter of a per cent. */
                                assert_true(m.looks * (uint64_t) (LOOK_COST + SAID) * 2 <= size * 3 / 400);
                        }
}

static void all_batches_are_waited_for_however_slow_the_line(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                Model m = { .up = lines[i].up, .down = lines[i].down, .size = 100 * KB * KB };
                uint64_t complete;
                unsigned batches;

                prefetch(&m);
                assert_true(m.now >= push_end(&m));
                (void) staged(&m, push_end(&m), &batches, &complete);
                assert_int_equal(m.batches, batches);
        }
}

static void on_a_fast_line_no_batch_waits_long(void **state) {
        Model m = { .up = 12500 * KB, .down = 125000 * KB, .size = 1000 * KB * KB };

        prefetch(&m);
        assert_true(m.batches > 50);
        assert_true(m.worst <= 350000);
}

static void where_nothing_comes_looks_are_few(void **state) {
        Model m = {};

        prefetch(&m);
        assert_int_equal(m.batches, 0);
        assert_in_range(m.now, LEAST_PATIENCE, LEAST_PATIENCE + 2 * LOOK_USEC);
        assert_true(m.looks <= 12);
}

static void what_is_of_no_use_is_looked_for_seldom(void **state) {
        Model m = { .up = 1162 * KB, .size = 4000 * KB * KB, .useless = true };

        prefetch(&m);
        assert_true(m.batches > 200);
        assert_true(m.looks <= m.batches / 2 + 10);
}

/* A push that hangs, or whose line is gone. */
static void batches_that_do_not_come_are_waited_for_a_while(void **state) {
        LookPace pace;
        uint64_t now = 100 * SECOND;
        unsigned looks = 0;

        look_pace_begin(&pace, 0);
        look_pace_missed(&pace);
        look_pace_found(&pace, now, 4 << 20);
        assert_int_equal(look_pace_patience(&pace, LEAST_PATIENCE), LOOK_PATIENCE * 100 * SECOND);
        for (; now < (LOOK_PATIENCE + 1) * 100 * SECOND; looks++)
                now += look_pace_interval(&pace, now, SAID);
        assert_in_range(looks, 10, 50);
        look_pace_found(&pace, now, 4 << 20);
        look_pace_found(&pace, now + 1, 4 << 20);
        assert_int_equal(look_pace_patience(&pace, LEAST_PATIENCE), LEAST_PATIENCE);
        assert_int_equal(look_pace_interval(&pace, now + 1, SAID), LOOK_INTERVAL_MIN_USEC);
        look_pace_found(&pace, now + LOOK_PATIENCE_MAX_USEC, 4 << 20);
        assert_int_equal(look_pace_patience(&pace, LEAST_PATIENCE), LOOK_PATIENCE_MAX_USEC);
}

/* With a thousand batches staged each look is told their names. */
static void dear_looks_are_rarer(void **state) {
        LookPace pace;

        look_pace_begin(&pace, 0);
        look_pace_missed(&pace);
        look_pace_found(&pace, 2 * SECOND, PUSH_BATCH_SIZE);
        assert_int_equal(look_pace_interval(&pace, 2 * SECOND, SAID), LOOK_INTERVAL_MIN_USEC);
        assert_true(look_pace_interval(&pace, 2 * SECOND, 120 * KB) > 5 * SECOND);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(looks_cost_little_on_any_line),
                cmocka_unit_test(all_batches_are_waited_for_however_slow_the_line),
                cmocka_unit_test(on_a_fast_line_no_batch_waits_long),
                cmocka_unit_test(where_nothing_comes_looks_are_few),
                cmocka_unit_test(what_is_of_no_use_is_looked_for_seldom),
                cmocka_unit_test(batches_that_do_not_come_are_waited_for_a_while),
                cmocka_unit_test(dear_looks_are_rarer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
