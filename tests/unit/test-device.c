/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules by which the frontend decides a device's next step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/frontend/device.h"

#define NOW INT64_C(1000000)

/* A subscribed device that is where it should be; each test changes what it is about. */
static Device content(void) {
        return (Device){
                .id = (char *) "000000-ISPStorage-GW0001",
                .subscription = (char *) "home",
                .root = (char *) "Device.",
                .status = STATUS_SUBSCRIBED,
                .public_key = (char *) "ssh-ed25519 AAAA",
                .revision = 7,
                .provision = PROVISION_DONE,
        };
}

static const Target at_7 = { .revision = 7 }, at_8 = { .revision = 8 },
                    suspended = { .suspended = true, .revision = 8 };

static void assert_action(const Device *d, const Target *t, ActionType type) {
        assert_int_equal(device_decide(d, t, NOW).type, type);
}

static void test_states(void **state) {
        Device d = content();

        assert_int_equal(device_state(&d), STATE_SUBSCRIBED);
        d.status = STATUS_READY;
        assert_int_equal(device_state(&d), STATE_READY);
        d.public_key = NULL;
        assert_int_equal(device_state(&d), STATE_ALLOWED);
        d.status = STATUS_SUSPENDED;
        assert_int_equal(device_state(&d), STATE_SUSPENDED);
        d.provision = PROVISION_RUNNING;
        assert_int_equal(device_state(&d), STATE_ALLOWED);
        d.subscription = NULL;
        assert_int_equal(device_state(&d), STATE_UNKNOWN);
        d.status = STATUS_REJECTED;
        assert_int_equal(device_state(&d), STATE_REJECTED);
}

static void test_content_device_is_left_alone(void **state) {
        Device d = content();
        Action a = device_decide(&d, &at_7, NOW);

        assert_int_equal(a.type, ACTION_NONE);
        assert_int_equal(a.next_check, INT64_MAX);
}

static void test_unknown_device(void **state) {
        Device d = content();

        d.subscription = NULL;
        assert_action(&d, NULL, ACTION_REJECT);
        d.status = STATUS_READY;
        assert_action(&d, NULL, ACTION_REJECT);
        d.status = STATUS_REJECTED;
        assert_action(&d, NULL, ACTION_NONE);
        d.status = STATUS_DISABLED;
        assert_action(&d, NULL, ACTION_NONE);
}

static void test_path_to_subscribed(void **state) {
        Device d = content();

        d.root = NULL;
        assert_action(&d, &at_7, ACTION_NONE);
        d.root = (char *) "Device.";
        d.provision = PROVISION_NONE;
        d.status = STATUS_DISABLED;
        assert_action(&d, &at_7, ACTION_PROVISION);
        d.provision = PROVISION_DONE;
        assert_action(&d, &at_7, ACTION_NONE);
        d.status = STATUS_READY;
        d.public_key = NULL;
        assert_action(&d, &at_7, ACTION_NONE);
        d.public_key = (char *) "ssh-ed25519 AAAA";
        assert_action(&d, &at_7, ACTION_SUBSCRIBE);
        d.status = STATUS_REJECTED; /* allowed after it was rejected */
        assert_action(&d, &at_7, ACTION_SUBSCRIBE);
        d.key_refused = true;
        assert_action(&d, &at_7, ACTION_NONE);
        d.status = STATUS_READY;
        assert_action(&d, &at_7, ACTION_REJECT);
}

static void test_suspension(void **state) {
        Device d = content();

        assert_action(&d, &suspended, ACTION_SUSPEND);
        d.status = STATUS_SUSPENDED;
        assert_action(&d, &suspended, ACTION_NONE);
        assert_action(&d, &at_8, ACTION_SUBSCRIBE);
        d.provision = PROVISION_NONE;
        assert_action(&d, &suspended, ACTION_NONE);
}

static void test_one_step_at_a_time(void **state) {
        Device d = content();

        d.n_pending = 1;
        assert_action(&d, &at_8, ACTION_NONE);
        assert_action(&d, NULL, ACTION_NONE);
}

static void test_doubt_is_cleared_before_acting(void **state) {
        Device d = content();

        d.refresh = true;
        assert_action(&d, &at_8, ACTION_GET);
}

static void test_pull(void **state) {
        Device d = content();
        Action a;

        d.opseq = 4;
        a = device_decide(&d, &at_8, NOW);
        assert_int_equal(a.type, ACTION_PULL);
        assert_int_equal(a.opseq, 5);

        device_start_operation(&d, a.opseq, 8, NOW);
        a = device_decide(&d, &at_8, NOW);
        assert_int_equal(a.type, ACTION_NONE);
        assert_int_equal(a.next_check, NOW + OPERATION_TIMEOUT_SEC);

        /* an answer to something else */
        d.last_opseq = 4;
        assert_int_equal(device_check_operation(&d, NULL, NOW, 0), OPERATION_NONE);
        d.last_opseq = 5;
        d.revision = 8;
        assert_int_equal(device_check_operation(&d, NULL, NOW, 0), OPERATION_SUCCEEDED);
        assert_action(&d, &at_8, ACTION_NONE);
        /* the same report once more */
        assert_int_equal(device_check_operation(&d, NULL, NOW, 0), OPERATION_NONE);
}

static void test_opseq_is_above_all_that_was_answered(void **state) {
        Device d = content();

        d.opseq = 4;
        d.last_opseq = 100; /* from a life before this database */
        assert_int_equal(device_next_opseq(&d), 101);
        d.last_opseq = UINT32_MAX;
        assert_int_equal(device_next_opseq(&d), 0);
        assert_action(&d, &at_8, ACTION_NONE);
}

static void test_operation_that_did_not_reach_its_goal(void **state) {
        Device d = content();
        Action a;

        device_start_operation(&d, 1, 8, NOW);
        d.last_opseq = 1;
        assert_int_equal(device_check_operation(&d, NULL, NOW, 0), OPERATION_FAILED);
        a = device_decide(&d, &at_8, NOW);
        assert_int_equal(a.type, ACTION_NONE);
        assert_true(a.next_check > NOW && a.next_check <= NOW + 2 * BACKOFF_MIN_SEC);
        a = device_decide(&d, &at_8, a.next_check);
        assert_int_equal(a.type, ACTION_PULL);
        assert_int_equal(a.opseq, 2);
}

static void test_main_advances_during_an_operation(void **state) {
        Device d = content();
        Target at_9 = { .revision = 9 };

        device_start_operation(&d, 1, 8, NOW);
        assert_action(&d, &at_9, ACTION_NONE);
        d.last_opseq = 1;
        d.revision = 8;
        assert_int_equal(device_check_operation(&d, NULL, NOW, 0), OPERATION_SUCCEEDED);
        assert_action(&d, &at_9, ACTION_PULL); /* without a pause */
}

static void test_another_tip_of_the_same_number(void **state) {
        Target former = { .revision = 7, .tip = "1111111111111111111111111111111111111111" },
               rewritten = { .revision = 7, .tip = "2222222222222222222222222222222222222222" };
        Device d = content();
        Action a;

        d.commit = (char *) former.tip;
        assert_action(&d, &former, ACTION_NONE);
        a = device_decide(&d, &rewritten, NOW);
        assert_int_equal(a.type, ACTION_PULL);
        device_start_operation(&d, a.opseq, 7, NOW);

        /* It did not take the new main: not again at once. */
        d.last_opseq = a.opseq;
        assert_int_equal(device_check_operation(&d, &rewritten, NOW, 0), OPERATION_FAILED);
        a = device_decide(&d, &rewritten, NOW);
        assert_int_equal(a.type, ACTION_NONE);
        a = device_decide(&d, &rewritten, a.next_check);
        assert_int_equal(a.type, ACTION_PULL);
        device_start_operation(&d, a.opseq, 7, NOW);
        d.last_opseq = a.opseq;
        d.commit = (char *) rewritten.tip;
        assert_int_equal(device_check_operation(&d, &rewritten, NOW, 0), OPERATION_SUCCEEDED);
        assert_action(&d, &rewritten, ACTION_NONE);
}

static void test_backoff_grows_and_ends(void **state) {
        Device d = content();
        int64_t before = 0;

        for (unsigned i = 0; i < 40; i++) {
                int64_t delay;

                device_back_off(&d, NOW, 0);
                delay = d.not_before - NOW;
                assert_true(delay >= before && delay <= BACKOFF_MAX_SEC);
                before = delay;
        }
        device_back_off(&d, NOW, UINT32_MAX);
        assert_true(d.not_before - NOW <= 2 * BACKOFF_MAX_SEC);
        d.operation = 3;
        d.operation_wanted = 7;
        d.last_opseq = 3;
        assert_int_equal(device_check_operation(&d, NULL, NOW, 0), OPERATION_SUCCEEDED);
        assert_int_equal(d.failures, 0);
}

static void test_pusher_gets_no_pull_for_its_own(void **state) {
        Device d = content();
        Target at_9 = { .revision = 9 };
        Action a;

        device_expect(&d, 8, NOW + PUSH_REPORT_TIMEOUT_SEC);
        a = device_decide(&d, &at_8, NOW);
        assert_int_equal(a.type, ACTION_NONE);
        assert_int_equal(a.next_check, NOW + PUSH_REPORT_TIMEOUT_SEC);
        assert_action(&d, &at_9, ACTION_PULL); /* another one pushed after it */
        assert_int_equal(device_decide(&d, &at_8, NOW + PUSH_REPORT_TIMEOUT_SEC).type, ACTION_PULL);
        d.revision = 8;
        (void) device_check_operation(&d, NULL, NOW, 0);
        assert_int_equal(d.expected, 0);
}

static void test_restart_ends_what_was_accepted(void **state) {
        Device d = content();

        device_start_operation(&d, 1, 8, NOW);
        d.n_pending = 1; /* still on its way: it will be executed */
        assert_false(device_restarted(&d, NOW));
        d.n_pending = 0;
        assert_true(device_restarted(&d, NOW));
        assert_action(&d, &at_8, ACTION_NONE);
        assert_int_equal(device_decide(&d, &at_8, NOW + SUBSCRIBED_GRACE_SEC).type, ACTION_PULL);
}

static void test_overdue_operation(void **state) {
        Device d = content();
        int64_t late = NOW + OPERATION_TIMEOUT_SEC;

        device_start_operation(&d, 1, 8, NOW);
        assert_int_equal(device_decide(&d, &at_8, late).type, ACTION_GET);
        d.sync_status = (char *) "pull 1 started -";
        assert_false(device_lost_operation(&d, late));
        assert_int_equal(device_decide(&d, &at_8, late).type, ACTION_NONE);
        late += OPERATION_TIMEOUT_SEC;
        d.sync_status = (char *) "push - ok 7.0";
        assert_true(device_lost_operation(&d, late));
}

static void test_revision(void **state) {
        const char *commit;
        uint64_t n;

        assert_int_equal(revision_parse("12.0123456789abcdef0123456789abcdef01234567", &n, &commit), 0);
        assert_int_equal(n, 12);
        assert_string_equal(commit, "0123456789abcdef0123456789abcdef01234567");
        assert_int_equal(revision_parse("", &n, &commit), 0);
        assert_int_equal(n, 0);
        assert_int_equal(revision_parse("12", &n, &commit), -EINVAL);
        assert_int_equal(revision_parse("12.abc", &n, &commit), -EINVAL);
        assert_int_equal(
                        revision_parse("-1.0123456789abcdef0123456789abcdef01234567", &n, &commit), -EINVAL);
        assert_int_equal(
                        revision_parse("99999999999999999999.0123456789abcdef0123456789abcdef01234567",
                                       &n,
                                       &commit),
                        -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_content_device_is_left_alone),
                cmocka_unit_test(test_unknown_device),
                cmocka_unit_test(test_path_to_subscribed),
                cmocka_unit_test(test_suspension),
                cmocka_unit_test(test_one_step_at_a_time),
                cmocka_unit_test(test_doubt_is_cleared_before_acting),
                cmocka_unit_test(test_pull),
                cmocka_unit_test(test_opseq_is_above_all_that_was_answered),
                cmocka_unit_test(test_operation_that_did_not_reach_its_goal),
                cmocka_unit_test(test_main_advances_during_an_operation),
                cmocka_unit_test(test_another_tip_of_the_same_number),
                cmocka_unit_test(test_backoff_grows_and_ends),
                cmocka_unit_test(test_pusher_gets_no_pull_for_its_own),
                cmocka_unit_test(test_restart_ends_what_was_accepted),
                cmocka_unit_test(test_overdue_operation),
                cmocka_unit_test(test_revision),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
