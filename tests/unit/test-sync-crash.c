/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process is killed before every single step of apply, settle and recovery: afterwards no byte is lost, nothing is
 * there that nobody wrote, and a further run ends where one without the crash would have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "common/base/cleanup.h"
#include "tests/unit/sync-aftermath.h"

#define STEPS_MAX 1000U
#define CRASHED 99

typedef struct Crash {
        unsigned at;
} Crash;

static void crash_at(unsigned number, void *userdata) {
        const Crash *c = userdata;

        if (number == c->at)
                _exit(CRASHED);
}

/* One run as the daemon does it, up to where the base would be recorded, in a process of its own. */
static void child(const Folder *f, unsigned apply_crash, unsigned settle_crash) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree(aftermath_base), *r = run_tree(aftermath_remote);
        Crash crash = { .at = apply_crash };
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        a.step = crash_at;
        a.userdata = &crash;
        if (run_sync(f, &a, b, r, &report) < 0)
                _exit(1);
        crash.at = settle_crash;
        if (sync_apply_settle(&a, 0, &report) < 0)
                _exit(2);
        _exit(0);
}

/* True if the step was reached. */
static bool run_child(const Folder *f, unsigned apply_crash, unsigned settle_crash) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                child(f, apply_crash, settle_crash);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != CRASHED)
                assert_int_equal(WEXITSTATUS(status), 0);
        return WEXITSTATUS(status) == CRASHED;
}

/* True if the crash happened within recovery. */
static bool crash_recovery(const Folder *f, unsigned at) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                Crash crash = { .at = at };
                SyncApply a = run_apply(f);
                SyncApplyReport report = {};

                a.step = crash_at;
                a.userdata = &crash;
                _exit(sync_apply_recover(&a, &report) < 0 ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == 0));
        return WEXITSTATUS(status) == CRASHED;
}

static void a_crash_before_any_step_of_apply_loses_nothing(void **state) {
        unsigned step = 0;

        for (bool crashed = true; crashed; step++) {
                void *folder;

                assert_true(step < STEPS_MAX);
                assert_int_equal(folder_setup(&folder), 0);
                run_populate(folder, aftermath_local);
                crashed = run_child(folder, step, UINT32_MAX);
                aftermath_check(folder, !crashed);
                assert_int_equal(folder_teardown(&folder), 0);
        }
        /* Every operation has several. */
        assert_true(step > 30);
}

static void a_crash_before_any_step_of_settling_loses_nothing(void **state) {
        for (unsigned step = 0, crashed = true; crashed; step++) {
                void *folder;

                assert_true(step < STEPS_MAX);
                assert_int_equal(folder_setup(&folder), 0);
                run_populate(folder, aftermath_local);
                crashed = run_child(folder, UINT32_MAX, step);
                aftermath_check(folder, true);
                assert_int_equal(folder_teardown(&folder), 0);
        }
}

static void a_crash_within_recovery_loses_nothing(void **state) {
        for (unsigned first = 5; first < 40; first += 7)
                for (unsigned second = 0, crashed = true; crashed; second++) {
                        void *folder;

                        assert_true(second < STEPS_MAX);
                        assert_int_equal(folder_setup(&folder), 0);
                        run_populate(folder, aftermath_local);
                        assert_true(run_child(folder, first, UINT32_MAX));
                        crashed = crash_recovery(folder, second);
                        aftermath_check(folder, false);
                        assert_int_equal(folder_teardown(&folder), 0);
                }
}

static void a_torn_journal_is_read_up_to_the_tear(void **state) {
        /* The journal is cut at every length; what it does not tell of is kept aside, not removed. */
        for (unsigned cut = 1;; cut += 13) {
                SyncApplyReport report = {};
                struct stat st;
                SyncApply a;
                Folder *f;

                assert_int_equal(folder_setup((void **) &f), 0);
                run_populate(f, "a=f1 b=f2");
                a = run_apply(f);
                {
                        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1 b=f2"), *r = run_tree("a=f2");

                        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
                }
                assert_int_equal(fstatat(f->staging_fd, "journal", &st, 0), 0);
                if (cut < st.st_size) {
                        _cleanup_close_ int fd = openat(f->staging_fd, "journal", O_WRONLY | O_CLOEXEC);

                        assert_int_equal(ftruncate(fd, st.st_size - cut), 0);
                        folder_write(f->staging_fd, "s99", "content 9");
                        assert_int_equal(sync_apply_recover(&a, &report), 0);
                        assert_true(folder_has(f->staging_fd, "kept-0"));
                        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
                        assert_int_equal(folder_count(f->staging_fd, "."), 2);
                }
                sync_apply_report_clear(&report);
                assert_int_equal(folder_teardown((void **) &f), 0);
                if (cut >= st.st_size)
                        break;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_crash_before_any_step_of_apply_loses_nothing),
                cmocka_unit_test(a_crash_before_any_step_of_settling_loses_nothing),
                cmocka_unit_test(a_crash_within_recovery_loses_nothing),
                cmocka_unit_test(a_torn_journal_is_read_up_to_the_tear),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
