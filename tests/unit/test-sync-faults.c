/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each system call of a run of apply fails, or is the last: afterwards no byte is lost, and a further run ends where
 * one without the fault would have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/fault-tests.h"
#include "tests/unit/sync-aftermath.h"

#define CALLS_MAX 5000U
#define CRASHED 99

/* One run as the daemon does it. Returns 1 if the base would have been recorded after it, else 0 or what ended it. */
static int run(const Folder *f, const SyncApply *apply, bool settle, SyncApplyReport *report) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree(aftermath_base), *r = run_tree(aftermath_remote),
                                          *local = folder_scan(f, NULL);
        const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY };
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        int k;

        plan = model_plan(b, local, r, &context);
        fault_enter();
        k = sync_apply(apply, plan, report);
        if (k >= 0 && settle)
                k = sync_apply_settle(apply, 0, report);
        fault_leave();
        return k;
}

static bool is_honest(const SyncApplyReport *report, FaultKind kind) {
        for (size_t i = 0; i < report->n_failures; i++)
                switch (report->failures[i].result) {
                case SYNC_APPLY_NO_SPACE:
                        if (kind != FAULT_NO_SPACE && kind != FAULT_QUOTA)
                                return false;
                        break;
                case SYNC_APPLY_FAILED:
                        if (kind != FAULT_IO && kind != FAULT_DESCRIPTORS)
                                return false;
                        break;
                case SYNC_APPLY_STALE: /* put back, or what depends on one that failed */
                case SYNC_APPLY_NOT_EMPTY:
                        break;
                default:
                        return false;
                }
        return true;
}

/* Returns true if there was such a call. */
static bool fail_at(FaultKind kind, unsigned number, bool lasting) {
        SyncApplyReport report = {};
        SyncApply a;
        void *state;
        bool fired;
        int r;

        assert_int_equal(folder_setup(&state), 0);
        run_populate(state, aftermath_local);
        a = run_apply(state);
        fault_arm(kind, number, lasting);
        r = run(state, &a, false, &report);
        fired = fault_disarm();
        if (r < 0 && r != -EIO && r != -ENOSPC && r != -EDQUOT && r != -EMFILE)
                fail_msg("%s at %u: %d", fault_kind_to_string(kind), number, r);
        if (!is_honest(&report, kind))
                fail_msg("%s at %u: %s told as %d (%d)", fault_kind_to_string(kind), number, report.failures[0].path,
                         (int) report.failures[0].result, report.failures[0].error);
        sync_apply_report_clear(&report);
        aftermath_check(state, false);
        assert_int_equal(folder_teardown(&state), 0);
        return fired;
}

static void fail_each(FaultKind kind, bool lasting) {
        unsigned number = 0;

        while (fail_at(kind, number, lasting)) {
                assert_true(number < CALLS_MAX);
                number++;
        }
        print_message("%u calls\n", number);
        assert_true(number > 10);
}

static void end(void *userdata) {
        _exit(CRASHED);
}

/* In a process of its own; returns true if there was such a call. */
static bool crash_at(const Folder *f, unsigned number, bool in_recovery) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                SyncApplyReport report = {};
                SyncApply a = run_apply(f);
                int r;

                fault_arm_callback(number, end, NULL);
                if (in_recovery) {
                        fault_enter();
                        r = sync_apply_recover(&a, &report);
                        fault_leave();
                } else
                        r = run(f, &a, true, &report);
                _exit(r < 0 ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != CRASHED)
                assert_int_equal(WEXITSTATUS(status), 0);
        return WEXITSTATUS(status) == CRASHED;
}

static void a_crash_at_any_call_loses_nothing(void **state) {
        bool crashed = true;
        unsigned number;

        for (number = 0; crashed; number++) {
                void *folder;

                assert_true(number < CALLS_MAX);
                assert_int_equal(folder_setup(&folder), 0);
                run_populate(folder, aftermath_local);
                crashed = crash_at(folder, number, false);
                aftermath_check(folder, !crashed);
                assert_int_equal(folder_teardown(&folder), 0);
        }
        print_message("%u calls\n", number);
        assert_true(number > 100);
}

static void a_crash_at_any_call_of_recovery_loses_nothing(void **state) {
        for (unsigned first = 30; first < 100; first += 13)
                for (unsigned second = 0, crashed = true; crashed; second++) {
                        void *folder;

                        assert_true(second < CALLS_MAX);
                        assert_int_equal(folder_setup(&folder), 0);
                        run_populate(folder, aftermath_local);
                        assert_true(crash_at(folder, first, false));
                        crashed = crash_at(folder, second, true);
                        aftermath_check(folder, false);
                        assert_int_equal(folder_teardown(&folder), 0);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FAULT_TESTS,
                cmocka_unit_test(a_crash_at_any_call_loses_nothing),
                cmocka_unit_test(a_crash_at_any_call_of_recovery_loses_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
