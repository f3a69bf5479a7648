/* SPDX-License-Identifier: GPL-2.0-or-later */
/* syncd's state machine, as transcripts: an event, and what must follow. */
#include "sync-transcript.h"

#include "syncd/push-size.h"

static void it_becomes_ready_and_waits_for_the_acs(void **state) {
        SyncFsm m = fresh();
        SyncFacts facts = { .enabled = true, .folder = SYNC_WORD_FOLDER_OFFLINE };

        assert_int_equal(m.status, SYNC_STATUS_DISABLED);
        sync_fsm_facts(&m, &facts);
        assert_int_equal(m.status, SYNC_STATUS_INITIALIZING);
        facts.folder = SYNC_WORD_NONE;
        sync_fsm_facts(&m, &facts);
        assert_int_equal(m.status, SYNC_STATUS_INITIALIZING);
        facts.key_ready = true;
        sync_fsm_facts(&m, &facts);
        assert_int_equal(m.status, SYNC_STATUS_READY);
        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_FETCH);
        facts.enabled = false;
        sync_fsm_facts(&m, &facts);
        assert_int_equal(m.status, SYNC_STATUS_DISABLED);
}

static void a_folder_that_is_being_opened_is_no_error(void **state) {
        SyncFsm m = fresh();
        SyncFacts facts = {
                .enabled = true, .key_ready = true, .folder = SYNC_WORD_FOLDER_OFFLINE, .opening = true
        };

        sync_fsm_facts(&m, &facts);
        assert_int_equal(m.status, SYNC_STATUS_INITIALIZING);
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        facts.opening = false;
        sync_fsm_facts(&m, &facts);
        assert_int_equal(m.last_error, SYNC_WORD_FOLDER_OFFLINE);
}

static void a_former_subscriber_synchronizes_in_ready(void **state) {
        SyncFsm m;

        sync_fsm_init(&m, SYNC_STATUS_SUBSCRIBED, true, &(SyncRevision) { .n = 3 }, 9);
        sync_fsm_facts(&m, &good_facts);
        assert_int_equal(m.status, SYNC_STATUS_READY);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void a_suspended_gateway_stays_so_over_a_restart(void **state) {
        SyncFsm m;

        sync_fsm_init(&m, SYNC_STATUS_SUSPENDED, false, &(SyncRevision) {}, 0);
        sync_fsm_facts(&m, &good_facts);
        assert_int_equal(m.status, SYNC_STATUS_SUSPENDED);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 1 });
        assert_reports(&m, "pull 1 error:NotSubscribed");
        assert_int_equal(m.last_opseq, 1);
}

static void a_local_change_is_pushed_on_the_known_tip(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        SyncAction a = sync_fsm_next(&m, 0);
        assert_int_equal(a.kind, SYNC_ACTION_TREE);
        assert_false(a.full);
        tree_done(&m, 5, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");
        assert_int_equal(m.revision.n, 6);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void a_pull_is_answered_when_it_is_applied(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_reports(&m, "");
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 7 ok");
        assert_int_equal(m.last_opseq, 7);
        assert_int_equal(m.revision.n, 6);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void a_later_pull_stands_for_those_that_wait(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 9 });
        sync_fsm_fetched(&m, TRANSFER_OK);
        /* 8 and 9 came when this fetch was under way: it may have missed what they are about. */
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 7, false);
        assert_reports(&m, "pull 9 ok");
        assert_int_equal(m.last_opseq, 9);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void an_answered_order_is_not_done_again(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 7 ok");
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 6 });
        assert_next(&m, SYNC_ACTION_NONE);
        assert_reports(&m, "");
}

static void without_the_server_orders_fail_and_the_gateway_tries_on(void **state) {
        SyncFsm m = subscribed();
        uint64_t last = 0;

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_UNREACHABLE);
        assert_reports(&m, "pull 7 error:Unreachable");
        for (unsigned i = 0; i < 12; i++) {
                SyncAction a = sync_fsm_next(&m, UINT32_MAX);

                assert_int_equal(a.kind, SYNC_ACTION_WAIT);
                assert_true(a.usec > last || a.usec == SYNC_BACKOFF_MAX_USEC);
                last = a.usec;
                assert_int_equal(sync_fsm_state(&m), SYNC_STATE_OFFLINE);
                /* What is changed meanwhile becomes a version, each time. */
                for (unsigned j = 0; j < 2; j++) {
                        sync_fsm_dirty(&m, false);
                        assert_next(&m, SYNC_ACTION_TREE);
                        tree_done(&m, 5, true);
                        assert_next(&m, SYNC_ACTION_NONE);
                        assert_int_equal(sync_fsm_state(&m), SYNC_STATE_OFFLINE);
                }
                sync_fsm_timer(&m);
                assert_next(&m, SYNC_ACTION_FETCH);
                sync_fsm_fetched(&m, TRANSFER_UNREACHABLE);
        }
        assert_int_equal(last, SYNC_BACKOFF_MAX_USEC);
        assert_reports(&m, "");

        assert_next(&m, SYNC_ACTION_WAIT);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 8, true);
        assert_reports(&m, "pull - ok");
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 9 });
        assert_reports(&m, "push - ok");
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        assert_int_equal(sync_fsm_state(&m), SYNC_STATE_IDLE);
}

static void what_comes_during_a_run_without_the_server_is_done_behind_it(void **state) {
        for (unsigned i = 0; i < 2; i++) {
                SyncFsm m = subscribed();

                sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
                assert_next(&m, SYNC_ACTION_FETCH);
                sync_fsm_fetched(&m, TRANSFER_UNREACHABLE);
                assert_reports(&m, "pull 7 error:Unreachable");
                assert_next(&m, SYNC_ACTION_WAIT);
                sync_fsm_dirty(&m, false);
                assert_next(&m, SYNC_ACTION_TREE);
                if (i == 0)
                        sync_fsm_timer(&m);
                else
                        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
                tree_done(&m, 5, true);
                assert_reports(&m, "");
                assert_next(&m, SYNC_ACTION_FETCH);
                sync_fsm_fetched(&m, TRANSFER_OK);
                assert_next(&m, SYNC_ACTION_TREE);
                tree_done(&m, 6, true);
                assert_reports(&m, i == 0 ? "pull - ok" : "pull 8 ok");
        }
}

static void before_main_was_seen_nothing_is_committed(void **state) {
        SyncFsm m = subscribed();

        m.revision.n = 0;
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_UNREACHABLE);
        assert_reports(&m, "pull 7 error:Unreachable");
        assert_next(&m, SYNC_ACTION_WAIT);
        sync_fsm_dirty(&m, true);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void an_order_ends_the_patience(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_UNREACHABLE);
        assert_next(&m, SYNC_ACTION_WAIT);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void a_held_deletion_fails_the_order(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(
                        &m, &(SyncTreeResult){ .word = SYNC_WORD_MASS_DELETE, .halted = true, .base.n = 5 });
        assert_reports(&m, "pull 7 error:MassDelete");
        assert_int_equal(sync_fsm_state(&m), SYNC_STATE_HELD);
        assert_int_equal(m.revision.n, 5);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void what_a_halted_run_did_not_look_at_is_looked_at(void **state) {
        SyncFsm m = subscribed();
        SyncAction a;

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(
                        &m,
                        &(SyncTreeResult){
                                        .word = SYNC_WORD_DISK_FULL, .halted = true, .again = true, .base.n = 5 });
        assert_next(&m, SYNC_ACTION_WAIT);
        sync_fsm_timer(&m);
        a = sync_fsm_next(&m, 0);
        assert_int_equal(a.kind, SYNC_ACTION_TREE);
        assert_true(a.full);
}

static void push_and_rescan_are_answered_at_the_end(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_RESCAN, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_true(sync_fsm_next(&m, 0).full);
        tree_done(&m, 5, true);
        assert_reports(&m, "");
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok, rescan 7 ok");

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 8 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 7 });
        assert_reports(&m, "push 8 ok");
}

static void an_order_is_answered_with_the_last_of_several_commits(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_rate(&m, 1000);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 5, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed_part(&m, &(SyncRevision) { .n = 6 }, 2 * PUSH_WHOLE_MAX);
        assert_reports(&m, "push - ok");
        assert_int_equal(m.last_opseq, 0);
        assert_int_equal(m.revision.n, 6);
        /* The next one is large. */
        assert_next(&m, SYNC_ACTION_PUSH);
        assert_reports(&m, "push - started");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 7 });
        assert_reports(&m, "push 7 ok");
}

static void a_busy_file_is_looked_at_again(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .again = true });
        assert_int_equal(sync_fsm_next(&m, 0).usec, SYNC_AGAIN_MIN_USEC);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .again = true });
        assert_int_equal(sync_fsm_next(&m, 0).usec, 2 * SYNC_AGAIN_MIN_USEC);
}

static void a_folder_that_goes_away_stops_everything(void **state) {
        SyncFsm m = subscribed();
        SyncFacts facts = good_facts;

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        facts.folder = SYNC_WORD_FOLDER_OFFLINE;
        sync_fsm_facts(&m, &facts);
        assert_reports(&m, "pull 7 error:FolderOffline");
        assert_int_equal(m.status, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_facts(&m, &good_facts);
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void what_ends_after_a_suspension_has_no_effect(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_status_written(&m, SYNC_STATUS_SUSPENDED);
        assert_reports(&m, "pull 7 error:NotSubscribed");
        sync_fsm_fetched(&m, TRANSFER_AUTHENTICATION_FAILED);
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void subscribed_once_more_is_a_beginning(void **state) {
        SyncFsm m = fresh();

        m.subscribed_before = true;
        sync_fsm_facts(&m, &good_facts);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_AUTHENTICATION_FAILED);
        assert_next(&m, SYNC_ACTION_WAIT);
        /* The key was authorized in the meantime. */
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, false);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void a_worker_that_died_is_soon_replaced(void **state) {
        SyncFsm m = subscribed();
        SyncAction action;

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_LOCAL_ERROR);
        action = sync_fsm_next(&m, UINT32_MAX);
        assert_int_equal(action.kind, SYNC_ACTION_WAIT);
        assert_true(action.usec <= SYNC_BACKOFF_MIN_USEC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(subscribed_once_more_is_a_beginning),
                cmocka_unit_test(a_worker_that_died_is_soon_replaced),
                cmocka_unit_test(it_becomes_ready_and_waits_for_the_acs),
                cmocka_unit_test(a_folder_that_is_being_opened_is_no_error),
                cmocka_unit_test(a_former_subscriber_synchronizes_in_ready),
                cmocka_unit_test(a_suspended_gateway_stays_so_over_a_restart),
                cmocka_unit_test(a_local_change_is_pushed_on_the_known_tip),
                cmocka_unit_test(a_pull_is_answered_when_it_is_applied),
                cmocka_unit_test(a_later_pull_stands_for_those_that_wait),
                cmocka_unit_test(an_answered_order_is_not_done_again),
                cmocka_unit_test(without_the_server_orders_fail_and_the_gateway_tries_on),
                cmocka_unit_test(what_comes_during_a_run_without_the_server_is_done_behind_it),
                cmocka_unit_test(before_main_was_seen_nothing_is_committed),
                cmocka_unit_test(an_order_ends_the_patience),
                cmocka_unit_test(a_held_deletion_fails_the_order),
                cmocka_unit_test(what_a_halted_run_did_not_look_at_is_looked_at),
                cmocka_unit_test(push_and_rescan_are_answered_at_the_end),
                cmocka_unit_test(an_order_is_answered_with_the_last_of_several_commits),
                cmocka_unit_test(a_busy_file_is_looked_at_again),
                cmocka_unit_test(a_folder_that_goes_away_stops_everything),
                cmocka_unit_test(what_ends_after_a_suspension_has_no_effect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
