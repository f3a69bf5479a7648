/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transcripts of orders that are done in part: what is answered, and when. */
#include "sync-transcript.h"

/* A run of the tree worker on what is fetched, of which not all could be put in place. */
static void tree_done_but(SyncFsm *m, const SyncTreeResult *result) {
        assert_next(m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(m, result);
}

static void what_changed_meanwhile_is_planned_anew_before_the_answer(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        tree_done_but(&m, &(SyncTreeResult) { .base.n = 6, .again = true, .replan = true, .unplaced = true });
        assert_reports(&m, "");
        tree_done_but(&m, &(SyncTreeResult) { .base.n = 6, .conflict = true });
        assert_reports(&m, "pull 7 conflict");

        /* Who changes it all the time does not keep the answer. */
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        for (unsigned i = 0; i <= SYNC_REPLANS_MAX; i++) {
                assert_reports(&m, "");
                tree_done_but(&m, &(SyncTreeResult) { .base.n = 7, .again = true, .replan = true, .unplaced = true });
        }
        assert_reports(&m, "pull 8 ok");
        assert_next(&m, SYNC_ACTION_WAIT);
}

static void an_order_fails_for_what_it_is_about_only(void **state) {
        static const SyncWord none = SYNC_WORD_NONE, bad = SYNC_WORD_BAD_ENTRY, full = SYNC_WORD_DISK_FULL;
        const struct {
                SyncOpKind kind;
                bool unplaced;
                SyncWord no_pull, no_push;
                const char *report;
        } orders[] = {
                /* A pipe lies in the folder; and a file is in use. */
                { SYNC_OP_PULL, false, none, none, "pull 7 ok" },
                { SYNC_OP_PUSH, false, none, none, "push 7 ok" },
                { SYNC_OP_RESCAN, false, none, none, "rescan 7 ok" },
                { SYNC_OP_PULL, true, none, none, "pull 7 ok" },
                { SYNC_OP_PUSH, true, none, none, "push 7 ok" },
                { SYNC_OP_RESCAN, true, none, none, "rescan 7 ok" },
                /* There is no room for what main has. */
                { SYNC_OP_PULL, true, full, none, "pull 7 error:DiskFull" },
                { SYNC_OP_PUSH, true, full, none, "push 7 ok" },
                { SYNC_OP_RESCAN, true, full, none, "rescan 7 error:DiskFull" },
                /* A file cannot be read. */
                { SYNC_OP_PULL, false, none, bad, "pull 7 ok" },
                { SYNC_OP_PULL, true, none, bad, "pull 7 ok" },
                { SYNC_OP_PUSH, false, none, bad, "push 7 error:BadEntry" },
                { SYNC_OP_RESCAN, false, none, bad, "rescan 7 error:BadEntry" },
                { SYNC_OP_RESCAN, true, full, bad, "rescan 7 error:DiskFull" },
        };

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                SyncFsm m = subscribed();

                sync_fsm_ordered(&m, (SyncOp) { orders[i].kind, 7 });
                assert_next(&m, SYNC_ACTION_FETCH);
                sync_fsm_fetched(&m, TRANSFER_OK);
                tree_done_but(&m, &(SyncTreeResult) {
                        .base.n = 5,
                        .word = SYNC_WORD_BAD_ENTRY,
                        .unplaced = orders[i].unplaced,
                        .no_pull = orders[i].no_pull,
                        .no_push = orders[i].no_push });
                assert_reports(&m, orders[i].report);
                assert_int_equal(m.last_error, SYNC_WORD_BAD_ENTRY);
        }
}

static void an_order_does_not_fail_with_the_one_before_it(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 8 });
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        tree_done_but(&m, &(SyncTreeResult) {
                .base.n = 5, .word = SYNC_WORD_BAD_ENTRY, .no_push = SYNC_WORD_BAD_ENTRY });
        assert_reports(&m, "pull 8 ok");

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PUSH, 9 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 10 });
        sync_fsm_tree_done(&m, &(SyncTreeResult) {
                .base.n = 5, .word = SYNC_WORD_BAD_ENTRY, .no_push = SYNC_WORD_BAD_ENTRY });
        assert_reports(&m, "push 9 error:BadEntry");
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        tree_done_but(&m, &(SyncTreeResult) {
                .base.n = 5, .word = SYNC_WORD_BAD_ENTRY, .no_push = SYNC_WORD_BAD_ENTRY });
        assert_reports(&m, "pull 10 ok");
}

static void a_lost_state_is_told_and_holds_up_nothing(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 7 });
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        tree_done_but(&m, &(SyncTreeResult) { .word = SYNC_WORD_STATE_LOST, .replan = true });
        assert_int_equal(m.last_error, SYNC_WORD_STATE_LOST);
        tree_done_but(&m, &(SyncTreeResult) { .base.n = 6, .word = SYNC_WORD_STATE_LOST, .missing = true });
        assert_next(&m, SYNC_ACTION_CONTENT);
        assert_int_equal(m.last_error, SYNC_WORD_STATE_LOST);
        assert_int_equal(sync_fsm_state(&m), SYNC_STATE_PULLING);
        sync_fsm_content_done(&m, TRANSFER_OK);
        m.n_reports = 0;
        tree_done_but(&m, &(SyncTreeResult) { .base.n = 6 });
        assert_reports(&m, "pull 7 ok");
        assert_int_equal(m.last_error, SYNC_WORD_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_changed_meanwhile_is_planned_anew_before_the_answer),
                cmocka_unit_test(an_order_fails_for_what_it_is_about_only),
                cmocka_unit_test(an_order_does_not_fail_with_the_one_before_it),
                cmocka_unit_test(a_lost_state_is_told_and_holds_up_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
