/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transcripts of what is fetched and pushed in several rounds, and of prefetches beside them. */
#include "sync-transcript.h"

static void tree_misses(SyncFsm *m, uint64_t bytes, bool candidate) {
        sync_fsm_tree_done(m, &(SyncTreeResult) {
                .base.n = 5, .missing = true, .bytes_missing = bytes, .candidate = candidate });
}

/* A pull whose tree run has just found so much missing. */
static SyncFsm pulling(uint32_t opseq, uint64_t bytes) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, opseq });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_misses(&m, bytes, false);
        return m;
}

static void begin_content(SyncFsm *m) {
        assert_next(m, SYNC_ACTION_CONTENT);
        assert_next(m, SYNC_ACTION_WAIT);
        assert_next(m, SYNC_ACTION_NONE);
        assert_int_equal(sync_fsm_state(m), SYNC_STATE_PULLING);
}

static void content_comes(SyncFsm *m) {
        begin_content(m);
        sync_fsm_content_done(m, TRANSFER_OK);
        assert_next(m, SYNC_ACTION_TREE);
}

static void a_pull_is_answered_when_nothing_is_missing(void **state) {
        SyncFsm m = pulling(7, 3000);

        for (unsigned i = 0; i < 100; i++) {
                content_comes(&m);
                tree_misses(&m, 2000 - i, false);
                assert_reports(&m, "");
        }
        content_comes(&m);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 7 ok");
        assert_next(&m, SYNC_ACTION_NONE);
}

static void what_is_put_in_place_is_progress_while_the_list_fills_up_again(void **state) {
        SyncFsm m = pulling(7, 3000);

        for (unsigned i = 0; i < 2 * SYNC_ROUNDS_MAX; i++) {
                content_comes(&m);
                sync_fsm_tree_done(&m, &(SyncTreeResult) { .missing = true, .placed = true, .bytes_missing = 3000 });
        }
}

static void a_long_pull_says_that_it_is_on_its_way(void **state) {
        SyncFsm m = pulling(7, 4 * SYNC_RATE_ASSUMED);

        begin_content(&m);
        assert_reports(&m, "pull 7 started");
        assert_int_equal(m.last_opseq, 0);
        sync_fsm_content_done(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_misses(&m, 2 * SYNC_RATE_ASSUMED, false);
        begin_content(&m);
        assert_reports(&m, "");
}

static void a_push_between_content_and_its_being_put_in_place_answers_no_pull(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        for (unsigned i = 0; i <= SYNC_PASSED_OVER_MAX; i++) {
                assert_next(&m, SYNC_ACTION_TREE);
                sync_fsm_dirty(&m, false);
                tree_misses(&m, 1000, true);
        }
        begin_content(&m);
        /* The commit has waited for long enough, too. */
        sync_fsm_content_done(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_reports(&m, "push - ok");
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 7 ok");
}

static void content_that_fails_fails_the_pull(void **state) {
        SyncFsm m = pulling(7, 1000);

        begin_content(&m);
        sync_fsm_content_done(&m, TRANSFER_UNREACHABLE);
        assert_reports(&m, "pull 7 error:Unreachable");
        assert_next(&m, SYNC_ACTION_WAIT);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void a_change_during_content_waits_for_a_slice(void **state) {
        SyncFsm m = pulling(7, 9000);

        begin_content(&m);
        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_content_done(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_misses(&m, 8000, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 7 });
        /* The pull is not done with that. */
        assert_reports(&m, "push - ok");
        begin_content(&m);
        /* Once the slice is over, a change stops it at once. */
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
}

static void orders_do_not_prolong_the_slice(void **state) {
        SyncFsm m = pulling(7, 9000);

        begin_content(&m);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_timer(&m);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
}

static void changes_without_end_do_not_starve_content(void **state) {
        SyncFsm m = pulling(7, 9000);
        unsigned trees = 0;

        for (;;) {
                SyncActionKind kind;

                sync_fsm_dirty(&m, false);
                kind = sync_fsm_next(&m, 0).kind;
                if (kind == SYNC_ACTION_CONTENT)
                        break;
                assert_int_equal(kind, SYNC_ACTION_TREE);
                assert_true(++trees <= SYNC_PASSED_OVER_MAX);
                tree_misses(&m, 9000, true);
        }
        assert_int_equal(trees, SYNC_PASSED_OVER_MAX);
}

static void content_that_brings_nothing_is_not_asked_for_in_a_loop(void **state) {
        SyncFsm m = pulling(7, 9000);
        unsigned contents = 0, pauses = 0;

        while (m.last_error == SYNC_WORD_NONE)
                switch (sync_fsm_next(&m, 0).kind) {
                case SYNC_ACTION_CONTENT:
                        contents++;
                        sync_fsm_content_done(&m, TRANSFER_OK);
                        break;
                case SYNC_ACTION_TREE:
                        tree_misses(&m, 9000, false);
                        break;
                case SYNC_ACTION_WAIT:
                        pauses++;
                        sync_fsm_timer(&m);
                        break;
                default:
                        fail_msg("stuck");
                }
        assert_int_equal(contents, SYNC_ROUNDS_MAX + 1);
        assert_int_equal(pauses, SYNC_ROUNDS_MAX - 1);
        assert_reports(&m, "pull 7 error:TransferFailed");
}

static void a_suspension_stops_the_transfer(void **state) {
        SyncFsm m = pulling(7, 9000);

        begin_content(&m);
        sync_fsm_status_written(&m, SYNC_STATUS_SUSPENDED);
        assert_reports(&m, "pull 7 error:NotSubscribed");
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_content_done(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        assert_next(&m, SYNC_ACTION_FETCH);
        /* A fetch that was cut short counts for nothing, whatever it says. */
        sync_fsm_status_written(&m, SYNC_STATUS_SUSPENDED);
        assert_next(&m, SYNC_ACTION_STOP_TRANSFER);
        sync_fsm_status_written(&m, SYNC_STATUS_SUBSCRIBED);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_FETCH);
}

static void begin_push(SyncFsm *m, uint64_t bytes) {
        assert_next(m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(m, &(SyncTreeResult) {
                .base.n = m->revision.n, .candidate = true, .bytes_to_push = bytes });
        assert_next(m, SYNC_ACTION_PUSH);
}

static void a_file_that_changes_while_it_is_pushed_is_committed_anew(void **state) {
        SyncFsm m = subscribed();
        uint64_t last = 0;

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        for (unsigned i = 0; i < SYNC_ROUNDS_MAX; i++) {
                begin_push(&m, 1);
                sync_fsm_pushed(&m, TRANSFER_CHANGED, NULL);
                if (i < SYNC_CHANGES_MAX)
                        continue;
                SyncAction a = sync_fsm_next(&m, UINT32_MAX);
                assert_int_equal(a.kind, SYNC_ACTION_WAIT);
                assert_true(a.usec > last || a.usec == SYNC_CHANGED_MAX_USEC);
                last = a.usec;
                sync_fsm_timer(&m);
        }
        m.n_reports = 0;
        begin_push(&m, 1);
        sync_fsm_pushed(&m, TRANSFER_CHANGED, NULL);
        assert_reports(&m, "push 7 error:TransferFailed");
}

static void a_poisoned_path_is_left_out(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        begin_push(&m, 1);
        m.n_reports = 0;
        sync_fsm_poisoned(&m);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) {
                .base.n = 5, .candidate = true, .word = SYNC_WORD_BAD_ENTRY, .no_push = SYNC_WORD_BAD_ENTRY });
        assert_reports(&m, "push 7 error:BadEntry");
        assert_int_equal(sync_fsm_state(&m), SYNC_STATE_DEGRADED);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_int_equal(m.last_error, SYNC_WORD_BAD_ENTRY);
}

static void a_server_that_refuses_each_path_refuses(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        for (unsigned i = 0; i <= SYNC_POISONED_MAX; i++) {
                begin_push(&m, 1);
                sync_fsm_poisoned(&m);
        }
        assert_int_equal(m.last_error, SYNC_WORD_TRANSFER_FAILED);
        assert_next(&m, SYNC_ACTION_WAIT);
}

static void a_prefetch_runs_beside_the_cycle(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_dirty(&m, false);
        begin_push(&m, 1);
        sync_fsm_prefetched(&m, TRANSFER_OK);
        assert_reports(&m, "prefetch 7 ok");
        sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 });
        assert_next(&m, SYNC_ACTION_NONE);
}

static void a_prefetch_that_fails_fails_alone(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_prefetched(&m, TRANSFER_UNREACHABLE);
        assert_reports(&m, "prefetch 7 error:Unreachable");
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
        assert_next(&m, SYNC_ACTION_NONE);
}

static void a_pull_ends_a_prefetch_and_answers_it(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        assert_next(&m, SYNC_ACTION_STOP_PREFETCH);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_prefetched(&m, TRANSFER_LOCAL_ERROR);
        assert_reports(&m, "");
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 8 ok");
        assert_next(&m, SYNC_ACTION_NONE);
}

static void each_prefetch_is_ended_by_the_next_pull(void **state) {
        SyncFsm m = subscribed();

        for (uint32_t opseq = 1; opseq < 10; opseq += 2) {
                sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, opseq });
                assert_next(&m, SYNC_ACTION_PREFETCH);
                sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, opseq + 1 });
                assert_next(&m, SYNC_ACTION_STOP_PREFETCH);
                assert_next(&m, SYNC_ACTION_FETCH);
                sync_fsm_fetched(&m, TRANSFER_OK);
                assert_next(&m, SYNC_ACTION_TREE);
                tree_done(&m, 5, false);
                sync_fsm_prefetched(&m, TRANSFER_OK);
        }
        assert_int_equal(m.last_opseq, 10);
}

static void a_prefetch_waits_for_the_pull_before_it(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 8 });
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 7 ok");
        assert_next(&m, SYNC_ACTION_PREFETCH);
}

static void an_answer_to_a_prefetch_does_not_overtake(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 8 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_prefetched(&m, TRANSFER_OK);
        assert_reports(&m, "");
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 5, false);
        assert_reports(&m, "push 7 ok, prefetch 8 ok");
}

static void main_that_moves_ends_a_prefetch(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_RESCAN });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_misses(&m, 1000, false);
        assert_reports(&m, "prefetch 7 ok");
        assert_next(&m, SYNC_ACTION_STOP_PREFETCH);
}

/* A pull in the place of a prefetch, which has not ended yet. */
static SyncFsm prefetching_what_is_missing(void) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        assert_next(&m, SYNC_ACTION_STOP_PREFETCH);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_misses(&m, 1000, false);
        return m;
}

static void content_waits_for_what_a_prefetch_has_asked_for(void **state) {
        SyncFsm m = prefetching_what_is_missing();

        assert_next(&m, SYNC_ACTION_NONE);
        assert_int_equal(sync_fsm_state(&m), SYNC_STATE_PULLING);
        sync_fsm_prefetched(&m, TRANSFER_OK);
        begin_content(&m);
}

static void content_does_not_need_a_prefetch_that_succeeds(void **state) {
        SyncFsm m = prefetching_what_is_missing();

        sync_fsm_prefetched(&m, TRANSFER_UNREACHABLE);
        content_comes(&m);
        tree_done(&m, 6, false);
        assert_reports(&m, "pull 8 ok");
}

/* However many runs there are, content does not begin before; and no push makes room for it. */
static void changes_travel_while_content_waits_for_a_prefetch(void **state) {
        SyncFsm m = prefetching_what_is_missing();

        for (unsigned i = 0; i < 2 * SYNC_PASSED_OVER_MAX; i++) {
                sync_fsm_dirty(&m, false);
                assert_next(&m, SYNC_ACTION_TREE);
                tree_misses(&m, 1000, true);
                assert_next(&m, SYNC_ACTION_PUSH);
                assert_next(&m, SYNC_ACTION_WAIT);
                sync_fsm_timer(&m);
                assert_next(&m, SYNC_ACTION_NONE);
                sync_fsm_pushed(&m, TRANSFER_OK, &(SyncRevision) { .n = 6 + i });
                assert_next(&m, SYNC_ACTION_NONE);
        }
        sync_fsm_prefetched(&m, TRANSFER_OK);
        begin_content(&m);
}

static void a_later_prefetch_begins_when_the_first_has_ended(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 8 });
        assert_next(&m, SYNC_ACTION_NONE);
        sync_fsm_prefetched(&m, TRANSFER_OK);
        assert_reports(&m, "");
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_prefetched(&m, TRANSFER_OK);
        assert_reports(&m, "prefetch 8 ok");
}

static void a_suspension_ends_a_prefetch(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 7 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        sync_fsm_status_written(&m, SYNC_STATUS_SUSPENDED);
        assert_reports(&m, "prefetch 7 error:NotSubscribed");
        assert_next(&m, SYNC_ACTION_STOP_PREFETCH);
        assert_next(&m, SYNC_ACTION_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_pull_is_answered_when_nothing_is_missing),
                cmocka_unit_test(what_is_put_in_place_is_progress_while_the_list_fills_up_again),
                cmocka_unit_test(a_long_pull_says_that_it_is_on_its_way),
                cmocka_unit_test(a_push_between_content_and_its_being_put_in_place_answers_no_pull),
                cmocka_unit_test(content_that_fails_fails_the_pull),
                cmocka_unit_test(a_change_during_content_waits_for_a_slice),
                cmocka_unit_test(orders_do_not_prolong_the_slice),
                cmocka_unit_test(changes_without_end_do_not_starve_content),
                cmocka_unit_test(content_that_brings_nothing_is_not_asked_for_in_a_loop),
                cmocka_unit_test(a_suspension_stops_the_transfer),
                cmocka_unit_test(a_file_that_changes_while_it_is_pushed_is_committed_anew),
                cmocka_unit_test(a_poisoned_path_is_left_out),
                cmocka_unit_test(a_server_that_refuses_each_path_refuses),
                cmocka_unit_test(a_prefetch_runs_beside_the_cycle),
                cmocka_unit_test(a_prefetch_that_fails_fails_alone),
                cmocka_unit_test(a_pull_ends_a_prefetch_and_answers_it),
                cmocka_unit_test(each_prefetch_is_ended_by_the_next_pull),
                cmocka_unit_test(a_prefetch_waits_for_the_pull_before_it),
                cmocka_unit_test(an_answer_to_a_prefetch_does_not_overtake),
                cmocka_unit_test(main_that_moves_ends_a_prefetch),
                cmocka_unit_test(content_waits_for_what_a_prefetch_has_asked_for),
                cmocka_unit_test(content_does_not_need_a_prefetch_that_succeeds),
                cmocka_unit_test(changes_travel_while_content_waits_for_a_prefetch),
                cmocka_unit_test(a_later_prefetch_begins_when_the_first_has_ended),
                cmocka_unit_test(a_suspension_ends_a_prefetch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
