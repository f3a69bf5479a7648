/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway at work on its folder, of which each system call fails, or is the last, in turn: when the fault has
 * gone, all gateways come to hold what they would have held without it, and no version is lost. The first argument
 * tells how many calls are left out between two that are tried, beginning with another one each time: 0 tries all.
 * Three more try one case: test-folder-faults 0 'catch up' io 341. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "tests/unit/fault-tests.h"
#include "tests/unit/folder-world.h"

#define CALLS_MAX 100000U
#define CRASHED 99
#define LARGE ((1U << 20) + 1000U)
/* Large enough for commits of their own. */
#define VERY_LARGE ((4U << 20) + 1000U)

static uint64_t arg_left_out = 150;

/* --- what the gateway is at --- */

static WorldGateway *victim(World *w) {
        return w->gateways;
}

static WorldGateway *other(World *w) {
        return w->gateways + 1;
}

static void make_common(World *w) {
        WorldGateway *g = other(w);

        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        assert_int_equal(mkdirat(g->root_fd, "e", 0755), 0);
        world_write(w, g, "a", 10);
        world_write(w, g, "b", 20);
        world_write(w, g, "c", 30);
        world_write(w, g, "d/a", 40);
        world_write(w, g, "e/a", 50);
        world_write(w, g, "large", LARGE);
        assert_int_equal(symlinkat("a", g->root_fd, "l"), 0);
        world_settle(w);
}

/* One of everything. */
static void change(World *w, WorldGateway *g) {
        world_write(w, g, "a", 11);
        assert_int_equal(unlinkat(g->root_fd, "b", 0), 0);
        assert_int_equal(renameat(g->root_fd, "c", g->root_fd, "d/c"), 0);
        assert_int_equal(unlinkat(g->root_fd, "e/a", 0), 0);
        assert_int_equal(unlinkat(g->root_fd, "e", AT_REMOVEDIR), 0);
        world_write(w, g, "e", 51);
        world_write(w, g, "new", 61);
        assert_int_equal(mkdirat(g->root_fd, "f", 0755), 0);
        world_write(w, g, "f/x", 62);
        assert_int_equal(fchmodat(g->root_fd, "d/a", 0755, 0), 0);
        assert_int_equal(unlinkat(g->root_fd, "l", 0), 0);
        assert_int_equal(symlinkat("new", g->root_fd, "l"), 0);
        world_write(w, g, "large", LARGE + 1);
}

static void receive(World *w) {
        make_common(w);
        change(w, other(w));
        world_run(w, other(w));
        while (!git_oid_is_zero(&other(w)->push))
                assert_true(world_push(w, other(w)));
}

static void send(World *w) {
        make_common(w);
        change(w, victim(w));
        world_write(w, victim(w), "very-large", VERY_LARGE);
}

static void collide(World *w) {
        receive(w);
        world_write(w, victim(w), "a", 12);
        world_write(w, victim(w), "b", 22);
        world_write(w, victim(w), "e/a", 52);
        world_write(w, victim(w), "f", 63);
}

/* Versions that main does not have yet, while others have moved it. */
static void catch_up(World *w) {
        make_common(w);
        for (unsigned i = 0; i < 3; i++) {
                world_write(w, victim(w), "a", 100 + i);
                world_write(w, victim(w), "large", LARGE + 100 + i);
                world_run(w, victim(w));
        }
        world_write(w, other(w), "b", 200);
        world_run(w, other(w));
        assert_true(world_push(w, other(w)));
}

/* A version that collides with main's, whose content is not here yet, and was written anew. */
static void overwrite(World *w) {
        make_common(w);
        world_write(w, other(w), "a", 300);
        world_write(w, other(w), "large", LARGE + 300);
        world_run(w, other(w));
        while (!git_oid_is_zero(&other(w)->push))
                assert_true(world_push(w, other(w)));
        world_write(w, victim(w), "a", 301);
        world_write(w, victim(w), "large", LARGE + 301);
        world_fetch(w, victim(w));
        world_run(w, victim(w));
        assert_true(victim(w)->missing);
        world_write(w, victim(w), "a", 302);
        world_write(w, victim(w), "large", LARGE + 302);
}

typedef struct Scenario {
        const char *name;
        void (*prepare)(World *w);
} Scenario;

static const Scenario scenarios[] = {
        { "receive", receive },
        { "send", send },
        { "collide", collide },
        { "catch up", catch_up },
        { "overwrite", overwrite },
};

/* From its start until nothing is left to be done, or until an error ends it. */
static void work(World *w, WorldGateway *g) {
        world_restart(w, g);
        for (unsigned i = 0; i < 3 && g->error == 0; i++) {
                world_fetch(w, g);
                world_run(w, g);
                for (unsigned k = 0; k < 3 && g->error == 0 && g->missing; k++) {
                        world_content(w, g, SIZE_MAX);
                        world_run(w, g);
                }
                while (g->error == 0 && !git_oid_is_zero(&g->push) && world_push(w, g))
                        ;
        }
}

/* --- what must be true afterwards --- */

/* All of a folder, with the stamps of conflict names left out. */
static char *text_of(const WorldGateway *g) {
        char *text = world_text(g);

        for (char *p = text; *p; p++)
                if (strspn(p, "0123456789") == 8 && p[8] == 'T' && strspn(p + 9, "0123456789") == 6)
                        memset(p, '#', 15);
        return text;
}

static void check(World *w, const char *expected, const char *what) {
        git_oid tip, again;

        w->tolerant = false;
        world_restart(w, victim(w));
        world_settle(w);
        for (unsigned i = 0; i < w->n_gateways; i++) {
                _cleanup_free_ char *text = text_of(w->gateways + i);

                if (!streq(text, expected))
                        fail_msg("%s: %s holds\n%sinstead of\n%s", what, w->gateways[i].name, text, expected);
        }
        if (world_count_lost(w) > 0)
                fail_msg("%s: %u versions are lost", what, world_count_lost(w));
        world_check_origin(w);

        /* Nothing is left to be done. */
        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &tip), 0);
        world_restart(w, victim(w));
        world_settle(w);
        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &again), 0);
        assert_true(git_oid_equal(&tip, &again));
}

/* What an undisturbed world comes to. */
static char *expect(const Scenario *s) {
        World *w = world_new(2, 1);
        char *text;

        s->prepare(w);
        world_settle(w);
        text = text_of(victim(w));
        world_free(w);
        return text;
}

static unsigned random_below(unsigned n) {
        unsigned number;

        assert_int_equal(getrandom(&number, sizeof(number), 0), sizeof(number));
        return number % n;
}

/* --- errors --- */

static void engine(bool inside) {
        if (inside)
                fault_enter();
        else
                fault_leave();
}

static const SyncWord words[_FAULT_KIND_MAX][3] = {
        [FAULT_NO_SPACE] = { SYNC_WORD_DISK_FULL },
        [FAULT_QUOTA] = { SYNC_WORD_DISK_FULL },
        [FAULT_IO] = { SYNC_WORD_FOLDER_OFFLINE, SYNC_WORD_BAD_ENTRY, SYNC_WORD_REPOSITORY_CORRUPT },
        [FAULT_DESCRIPTORS] = { SYNC_WORD_FOLDER_OFFLINE, SYNC_WORD_BAD_ENTRY, SYNC_WORD_INTERNAL_ERROR },
};

/* What the household would read. */
static bool is_honest(const WorldGateway *g, FaultKind kind) {
        uint64_t told = g->words | UINT64_C(1) << (g->error < 0 ? sync_word_from_error(g->error) : SYNC_WORD_NONE);

        for (size_t i = 0; i < ELEMENTSOF(words[kind]); i++)
                told &= ~(UINT64_C(1) << words[kind][i]);
        return (told & ~(UINT64_C(1) << SYNC_WORD_NONE)) == 0;
}

/* Returns true if there was such a call. */
static bool fail_at(const Scenario *s, const char *expected, FaultKind kind, unsigned number, bool lasting) {
        _cleanup_free_ char *what = strfmt("%s, %s%s at %u", s->name, lasting ? "lasting " : "",
                                           fault_kind_to_string(kind), number);
        World *w = world_new(2, 1);
        bool fired;

        s->prepare(w);
        w->engine = engine;
        w->tolerant = true;
        victim(w)->words = 0;
        fault_arm(kind, number, lasting);
        work(w, victim(w));
        fired = fault_disarm();
        if (!is_honest(victim(w), kind))
                fail_msg("%s: told %llx, error %d", what, (unsigned long long) victim(w)->words, victim(w)->error);
        w->engine = NULL;
        check(w, expected, what);
        world_free(w);
        return fired;
}

static void fail_each(FaultKind kind, bool lasting) {
        for (size_t i = 0; i < ELEMENTSOF(scenarios); i++) {
                _cleanup_free_ char *expected = expect(scenarios + i);
                unsigned number = random_below(1 + (unsigned) arg_left_out);

                while (fail_at(scenarios + i, expected, kind, number, lasting)) {
                        assert_true(number < CALLS_MAX);
                        number += 1 + (unsigned) arg_left_out;
                }
                print_message("%s: %u calls\n", scenarios[i].name, number);
        }
}

static void what_could_not_be_made_durable_is_by_the_next_call(void **state) {
        FolderRequest request = { .gateway_name = "gw1", .full = true };
        World *w = world_new(2, 1);
        FolderResult result;
        git_oid candidate;

        make_common(w);
        world_write(w, victim(w), "a", 11);
        assert_int_equal(folder_run(victim(w)->folder, &request, &result), 0);
        assert_true(result.outcome.candidate);
        folder_result_clear(&result);

        fault_arm(FAULT_IO, 0, true);
        fault_enter();
        assert_int_equal(folder_finish_run(victim(w)->folder), -EIO);
        fault_leave();
        assert_true(fault_disarm());
        assert_int_equal(folder_finish_run(victim(w)->folder), 0);

        world_restart(w, victim(w));
        assert_int_equal(
                        git_store_get_reference(folder_store(victim(w)->folder), GIT_STORE_CANDIDATE, &candidate), 0);
        world_free(w);
}

/* --- crashes --- */

static void end(void *userdata) {
        _exit(CRASHED);
}

static bool crash_at(const Scenario *s, const char *expected, unsigned number) {
        _cleanup_free_ char *what = strfmt("%s, a crash at %u", s->name, number);
        World *w = world_new(2, 1);
        int status;
        pid_t pid;

        s->prepare(w);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                w->engine = engine;
                fault_arm_callback(number, end, NULL);
                work(w, victim(w));
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || (WEXITSTATUS(status) != CRASHED && WEXITSTATUS(status) != 0))
                fail_msg("%s: ended with %x", what, status);
        check(w, expected, what);
        world_free(w);
        return WEXITSTATUS(status) == CRASHED;
}

static void a_crash_loses_nothing(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(scenarios); i++) {
                _cleanup_free_ char *expected = expect(scenarios + i);
                unsigned number = random_below(1 + (unsigned) arg_left_out / 10);

                while (crash_at(scenarios + i, expected, number)) {
                        assert_true(number < CALLS_MAX);
                        number += 1 + (unsigned) arg_left_out / 10;
                }
                print_message("%s: %u calls\n", scenarios[i].name, number);
        }
}

static void one_case(const char *scenario, const char *kind, unsigned number) {
        for (size_t i = 0; i < ELEMENTSOF(scenarios); i++)
                for (FaultKind k = 0; k < _FAULT_KIND_MAX; k++) {
                        _cleanup_free_ char *expected = NULL;

                        if (!streq(scenarios[i].name, scenario) || !streq(fault_kind_to_string(k), kind))
                                continue;
                        expected = expect(scenarios + i);
                        if (k == FAULT_CALLBACK)
                                (void) crash_at(scenarios + i, expected, number);
                        else
                                (void) fail_at(scenarios + i, expected, k, number, false);
                }
}

int main(int argc, char **argv) {
        uint64_t number;

        const struct CMUnitTest tests[] = {
                FAULT_TESTS,
                cmocka_unit_test(what_could_not_be_made_durable_is_by_the_next_call),
                cmocka_unit_test(a_crash_loses_nothing),
        };

        if (argc > 1 && parse_uint64(argv[1], &arg_left_out) < 0)
                return 2;
        if (argc > 4 && parse_uint64(argv[4], &number) >= 0) {
                one_case(argv[2], argv[3], (unsigned) number);
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
