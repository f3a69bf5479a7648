/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Generated histories of several gateways. The first argument is how many, the second a seed; a history that breaks an
 * invariant is shortened to the steps that do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/parse.h"
#include "tests/unit/sync-history.h"

/* Steps of all histories together. */
static uint64_t arg_steps = 100000, arg_seed = 20261123;

/* splitmix64 */
static uint64_t next_random(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

/* In a process of its own, as what fails may also be an assertion. */
static bool breaks(HistoryMode mode, const uint64_t *steps, size_t n) {
        int status;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) freopen("/dev/null", "w", stdout);
                (void) freopen("/dev/null", "w", stderr);
                _exit(history_play(mode, steps, n) ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static size_t shrink(HistoryMode mode, uint64_t *steps, size_t n) {
        for (size_t i = 0; i < n;) {
                uint64_t shorter[HISTORY_STEPS_MAX];

                memcpy(shorter, steps, i * sizeof(*steps));
                memcpy(shorter + i, steps + i + 1, (n - i - 1) * sizeof(*steps));
                if (breaks(mode, shorter, n - 1)) {
                        memcpy(steps, shorter, --n * sizeof(*steps));
                        i = 0;
                } else
                        i++;
        }
        return n;
}

static void play_all(HistoryMode mode) {
        uint64_t state = arg_seed + mode;

        for (uint64_t played = 0; played < arg_steps;) {
                uint64_t steps[HISTORY_STEPS_MAX];
                size_t n = 1 + next_random(&state) % HISTORY_STEPS_MAX;
                const char *broken;

                for (size_t i = 0; i < n; i++)
                        steps[i] = next_random(&state);
                broken = history_play(mode, steps, n);
                if (broken) {
                        n = shrink(mode, steps, n);
                        for (size_t i = 0; i < n; i++)
                                print_message("step UINT64_C(0x%016" PRIx64 "),\n", steps[i]);
                        fail_msg("%s; mode %d, seed %" PRIu64, broken, mode, arg_seed);
                }
                played += n;
        }
}

static void gateways_converge_and_lose_nothing(void **state) {
        play_all(HISTORY_FREE);
}

static void one_writer_never_collides(void **state) {
        play_all(HISTORY_ONE_WRITER);
}

static void writers_who_take_turns_never_collide(void **state) {
        play_all(HISTORY_HAND_OVER);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gateways_converge_and_lose_nothing),
                cmocka_unit_test(one_writer_never_collides),
                cmocka_unit_test(writers_who_take_turns_never_collide),
        };

        if ((argc > 1 && parse_uint64(argv[1], &arg_steps) < 0) || (argc > 2 && parse_uint64(argv[2], &arg_seed) < 0))
                return 2;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
