/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transcripts of large pushes, which are announced, make room for what else there is to do, and get their own turn. */
#include "sync-transcript.h"

#include "syncd/push-size.h"

#define LARGE (100 * SYNC_RATE_ASSUMED)

static void tree_leaves(SyncFsm *m, uint64_t bytes_to_push, bool missing) {
        sync_fsm_tree_done(m, &(SyncTreeResult) {
                .base.n = m->revision.n, .candidate = true, .bytes_to_push = bytes_to_push, .missing = missing });
}

static void begin_push(SyncFsm *m) {
        assert_next(m, SYNC_ACTION_PUSH);
        assert_next(m, SYNC_ACTION_WAIT);
        assert_next(m, SYNC_ACTION_NONE);
        assert_int_equal(sync_fsm_state(m), SYNC_STATE_PUSHING);
}

static void change(SyncFsm *m, uint64_t bytes_to_push) {
        sync_fsm_dirty(m, false);
        assert_next(m, SYNC_ACTION_TREE);
        tree_leaves(m, bytes_to_push, false);
        begin_push(m);
}

static void a_long_push_is_announced_once(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_rate(&m, PUSH_WHOLE_MAX);
        change(&m, SYNC_ANNOUNCE_SEC * PUSH_WHOLE_MAX);
        assert_reports(&m, "");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");

        change(&m, SYNC_ANNOUNCE_SEC * (PUSH_WHOLE_MAX + 1));
        assert_reports(&m, "push - started");
        sync_fsm_pushed(&m, TRANSFER_NON_FAST_FORWARD, NULL);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_leaves(&m, SYNC_ANNOUNCE_SEC * (PUSH_WHOLE_MAX + 1), false);
        begin_push(&m);
        assert_reports(&m, "");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 8 });
        assert_reports(&m, "push - ok");

        change(&m, 10 * PUSH_WHOLE_MAX);
        assert_reports(&m, "push - started");
}

static void a_push_in_one_step_is_not_announced_however_long_it_takes(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_rate(&m, 1000);
        change(&m, PUSH_WHOLE_MAX);
        assert_reports(&m, "");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");

        change(&m, PUSH_WHOLE_MAX + 1);
        assert_reports(&m, "push - started");
}

/* A gateway that pushes so much for a slice already. */
static SyncFsm pushing(void) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_leaves(&m, LARGE, false);
        begin_push(&m);
        assert_reports(&m, "push - started");
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_NONE);
        return m;
}

static void stop_push(SyncFsm *m) {
        assert_next(m, SYNC_ACTION_STOP_TRANSFER);
        assert_next(m, SYNC_ACTION_NONE);
        sync_fsm_pushed(m, TRANSFER_STOPPED, NULL);
}

static void a_small_change_overtakes_a_large_push(void **state) {
        SyncFsm m = pushing();

        sync_fsm_dirty(&m, false);
        stop_push(&m);
        assert_reports(&m, "");
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_leaves(&m, 100, false);
        begin_push(&m);
        sync_fsm_pushed_part(&m, &(SyncRevision) { .n = 6 }, LARGE);
        assert_reports(&m, "push - ok");
        /* Main moved, which ended the others' prefetches. */
        begin_push(&m);
        assert_reports(&m, "push - started");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 7 });
        assert_reports(&m, "push - ok");
        assert_next(&m, SYNC_ACTION_NONE);
}

static void a_change_in_the_first_seconds_waits_for_the_slice(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_leaves(&m, LARGE, false);
        begin_push(&m);
        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_timer(&m);
        stop_push(&m);
        assert_next(&m, SYNC_ACTION_TREE);
}

static void a_pull_is_answered_while_a_large_push_waits(void **state) {
        SyncFsm m = pushing();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        stop_push(&m);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_leaves(&m, LARGE, false);
        assert_reports(&m, "pull 7 ok");
        begin_push(&m);
        assert_reports(&m, "");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");
}

static void the_order_for_a_push_is_answered_at_its_end(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_leaves(&m, LARGE, false);
        m.n_reports = 0;
        for (unsigned i = 0; i < 2 * SYNC_ROUNDS_MAX; i++) {
                begin_push(&m);
                sync_fsm_timer(&m);
                sync_fsm_dirty(&m, false);
                stop_push(&m);
                assert_next(&m, SYNC_ACTION_TREE);
                tree_leaves(&m, LARGE, false);
        }
        assert_reports(&m, "push - started");
        begin_push(&m);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push 7 ok");
}

static void a_large_push_and_content_take_turns(void **state) {
        SyncFsm m = pushing();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        stop_push(&m);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        for (unsigned i = 0; i < 50; i++) {
                tree_leaves(&m, LARGE, true);
                assert_next(&m, SYNC_ACTION_CONTENT);
                assert_next(&m, SYNC_ACTION_WAIT);
                sync_fsm_timer(&m);
                assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
                sync_fsm_content_done(&m, TRANSFER_OK);
                assert_next(&m, SYNC_ACTION_TREE);
                tree_leaves(&m, LARGE, true);
                begin_push(&m);
                sync_fsm_timer(&m);
                sync_fsm_dirty(&m, false);
                stop_push(&m);
                assert_next(&m, SYNC_ACTION_TREE);
        }
        /* What is small does not wait for content. */
        tree_leaves(&m, 100, true);
        assert_next(&m, SYNC_ACTION_PUSH);
}

static void changes_without_end_do_not_starve_a_push(void **state) {
        SyncFsm m = pushing();
        unsigned trees = 0;

        sync_fsm_dirty(&m, false);
        stop_push(&m);
        for (;;) {
                SyncActionKind kind;

                sync_fsm_dirty(&m, false);
                kind = sync_fsm_next(&m, 0).kind;
                if (kind == SYNC_ACTION_PUSH)
                        break;
                assert_int_equal(kind, SYNC_ACTION_TREE);
                assert_true(++trees <= SYNC_PASSED_OVER_MAX + 1);
                sync_fsm_dirty(&m, false);
                tree_leaves(&m, LARGE, false);
        }
}

static void a_push_that_fails_instead_of_stopping_has_failed(void **state) {
        SyncFsm m = pushing();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        sync_fsm_pushed(&m, TRANSFER_QUOTA_EXCEEDED, NULL);
        assert_reports(&m, "pull 7 error:QuotaExceeded");
        assert_next(&m, SYNC_ACTION_WAIT);
}

static void a_push_that_lands_instead_of_stopping_has_landed(void **state) {
        SyncFsm m = pushing();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");
        assert_next(&m, SYNC_ACTION_TREE);
}

static void a_suspension_stops_also_what_stops_already(void **state) {
        SyncFsm m = pushing();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        assert_true(sync_fsm_is_allowed(&m));
        sync_fsm_status_written(&m, SYNC_STATUS_SUSPENDED);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_pushed(&m, TRANSFER_UNREACHABLE, NULL);
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void the_rest_is_read_once_what_is_there_was_pushed(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_RESCAN, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .candidate = true, .rest = true, .again = true });
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 6, .rest = true });
        assert_next(&m, SYNC_ACTION_TREE);
        assert_reports(&m, "");
        tree_done(&m, 6, false);
        assert_reports(&m, "rescan 7 ok");
        assert_next(&m, SYNC_ACTION_NONE);
}

static void orders_are_answered_when_what_they_are_for_was_read(void **state) {
        SyncFsm m = subscribed();

        /* What is in the folder is not all on main yet. */
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .candidate = true, .rest = true });
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 6, .candidate = true });
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 7 });
        assert_reports(&m, "push 7 ok");

        /* Nor is main in the folder, where that has what nobody has read yet. */
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(
                        &m,
                        &(SyncTreeResult) { .base.n = 8,
                                            .word = SYNC_WORD_BAD_ENTRY,
                                            .no_pull = SYNC_WORD_BAD_ENTRY,
                                            .rest = true,
                                            .unplaced = true });
        assert_reports(&m, "");
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 8, .conflict = true });
        assert_reports(&m, "pull 8 conflict");
        assert_next(&m, SYNC_ACTION_NONE);
}

/* A large pull is many runs. */
static void a_change_is_pushed_between_the_parts_of_a_pull(void **state) {
        const SyncTreeResult part = { .base.n = 6, .rest = true, .unplaced = true, .placed = true };
        SyncTreeResult changed = part;
        SyncFsm m = subscribed();

        changed.candidate = true;
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_dirty(&m, false);
        sync_fsm_tree_done(&m, &part);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &changed);
        assert_reports(&m, "");
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 7 });
        assert_reports(&m, "push - ok");

        /* Neither does a push that is ordered wait for the rest; but its answer says that the pull is done, too. */
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 8 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        changed.base.n = 7;
        sync_fsm_tree_done(&m, &changed);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 8 });
        assert_reports(&m, "push - ok");
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 8, false);
        assert_reports(&m, "pull - ok, push 8 ok");
        assert_next(&m, SYNC_ACTION_NONE);
}

static void a_long_push_and_what_is_to_be_read_take_turns(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .candidate = true, .rest = true });
        assert_next(&m, SYNC_ACTION_PUSH);
        assert_int_equal(sync_fsm_next(&m, 0).usec, SYNC_SLICE_USEC);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        sync_fsm_pushed(&m, TRANSFER_STOPPED, NULL);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .candidate = true, .rest = true });
        assert_next(&m, SYNC_ACTION_PUSH);
}

static void a_lost_race_is_planned_again(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 5, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_NON_FAST_FORWARD, NULL);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 6, .candidate = true, .conflict = true });
        assert_reports(&m, "pull - conflict");
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_NON_FAST_FORWARD, NULL);
        assert_next(&m, SYNC_ACTION_WAIT);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void races_without_end_lead_to_a_pause(void **state) {
        SyncFsm m = subscribed();
        unsigned pushes = 0;

        sync_fsm_dirty(&m, false);
        while (m.last_error == SYNC_WORD_NONE) {
                switch (sync_fsm_next(&m, 0).kind) {
                case SYNC_ACTION_FETCH:
                        sync_fsm_fetched(&m, TRANSFER_OK);
                        break;
                case SYNC_ACTION_TREE:
                        tree_done(&m, 6 + pushes, true);
                        break;
                case SYNC_ACTION_PUSH:
                        pushes++;
                        sync_fsm_pushed(&m, TRANSFER_NON_FAST_FORWARD, NULL);
                        break;
                case SYNC_ACTION_WAIT:
                        sync_fsm_timer(&m);
                        break;
                default:
                        fail_msg("stuck");
                }
                m.n_reports = 0;
        }
        assert_int_equal(pushes, SYNC_ROUNDS_MAX + 1);
        assert_next(&m, SYNC_ACTION_WAIT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_long_push_is_announced_once),
                cmocka_unit_test(a_push_in_one_step_is_not_announced_however_long_it_takes),
                cmocka_unit_test(a_small_change_overtakes_a_large_push),
                cmocka_unit_test(a_change_in_the_first_seconds_waits_for_the_slice),
                cmocka_unit_test(a_pull_is_answered_while_a_large_push_waits),
                cmocka_unit_test(the_order_for_a_push_is_answered_at_its_end),
                cmocka_unit_test(a_large_push_and_content_take_turns),
                cmocka_unit_test(changes_without_end_do_not_starve_a_push),
                cmocka_unit_test(a_push_that_fails_instead_of_stopping_has_failed),
                cmocka_unit_test(a_push_that_lands_instead_of_stopping_has_landed),
                cmocka_unit_test(a_suspension_stops_also_what_stops_already),
                cmocka_unit_test(the_rest_is_read_once_what_is_there_was_pushed),
                cmocka_unit_test(a_change_is_pushed_between_the_parts_of_a_pull),
                cmocka_unit_test(orders_are_answered_when_what_they_are_for_was_read),
                cmocka_unit_test(a_long_push_and_what_is_to_be_read_take_turns),
                cmocka_unit_test(a_lost_race_is_planned_again),
                cmocka_unit_test(races_without_end_lead_to_a_pause),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
