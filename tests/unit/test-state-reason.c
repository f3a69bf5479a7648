/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people read as the reason of a state. */
#include <string.h>

#include "common/base/str.h"
#include "sync-transcript.h"
#include "syncd/state-reason.h"

static void assert_reason(const StateReason *s, const char *expected) {
        char buf[STATE_REASON_SIZE];

        assert_string_equal(state_reason_format(s, buf), expected);
}

static void what_is_to_be_done_first(void **state) {
        SyncFsm m = fresh();
        SyncFacts facts = { .folder = SYNC_WORD_NO_FOLDER, .repository = SYNC_WORD_NOT_SUBSCRIBED };
        StateReason s = { .fsm = &m };

        assert_reason(&s, "disabled");
        facts.enabled = true;
        sync_fsm_facts(&m, &facts);
        assert_reason(&s, "no folder is configured");
        facts.folder = SYNC_WORD_FOLDER_OFFLINE;
        facts.opening = true;
        sync_fsm_facts(&m, &facts);
        assert_reason(&s, "opening the folder");
        facts.opening = false;
        sync_fsm_facts(&m, &facts);
        s.text = "the disk is away";
        assert_reason(&s, "FolderOffline: the disk is away");
        facts.folder = SYNC_WORD_NONE;
        sync_fsm_facts(&m, &facts);
        assert_reason(&s, "making the key");
        facts.key_ready = true;
        sync_fsm_facts(&m, &facts);
        assert_reason(&s, "no repository is configured");
        facts.repository = SYNC_WORD_NONE;
        sync_fsm_facts(&m, &facts);
        assert_reason(&s, "waiting for the operator's consent");
        sync_fsm_status_written(&m, SYNC_STATUS_SUSPENDED);
        assert_reason(&s, "suspended by the operator");
        sync_fsm_status_written(&m, SYNC_STATUS_REJECTED);
        assert_reason(&s, "rejected by the operator");
}

static void idle(void **state) {
        SyncFsm m = subscribed();

        assert_reason(&(StateReason) { .fsm = &m }, "idle");
        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PREFETCH, 1 });
        assert_next(&m, SYNC_ACTION_PREFETCH);
        assert_reason(&(StateReason) { .fsm = &m, .bytes_done = 5000 }, "fetching what others are sending 5000 B");
}

static SyncFsm pushing(void) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        assert_reason(&(StateReason) { .fsm = &m }, "looking at the folder");
        tree_done(&m, 5, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        return m;
}

static void a_push_says_how_far_how_fast_and_why_not_faster(void **state) {
        SyncFsm m = pushing();
        StateReason s = { .fsm = &m };

        assert_reason(&s, "uploading");
        s.bytes_total = 340000000;
        s.bytes_done = 12345678;
        assert_reason(&s, "uploading 12 of 340 MB");
        s.bytes_per_second = 64000;
        assert_reason(&s, "uploading 12 of 340 MB, 512 kbit/s");
        s.limit_kbit = 512;
        assert_reason(&s, "uploading 12 of 340 MB, 512 kbit/s (limit: 512 kbit/s)");
        s.limit_until = "18:00";
        assert_reason(&s, "uploading 12 of 340 MB, 512 kbit/s (schedule: 512 kbit/s until 18:00)");
        s.yielding = true;
        assert_reason(&s, "uploading 12 of 340 MB, 512 kbit/s (background: yielding to other traffic)");
}

static void sizes_and_rates_have_fitting_units(void **state) {
        static const struct {
                uint64_t done, total, rate;
                const char *expected;
        } table[] = {
                { 12, 0, 0, "uploading 12 B" },
                { 0, 9999, 1250, "uploading 0 of 9999 B, 10 kbit/s" },
                { 10000, 0, 1249999, "uploading 10 kB, 9999 kbit/s" },
                { 1, 2000000000000, 1250000, "uploading 0 of 2000 GB, 10 Mbit/s" },
                /* More than was expected: the overhead of the pack. */
                { 21000, 20000, 0, "uploading 21 of 21 kB" },
                { UINT64_MAX, UINT64_MAX, 0, "uploading 18446744 of 18446744 TB" },
        };
        SyncFsm m = pushing();

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                assert_reason(
                                &(StateReason) {
                                        .fsm = &m,
                                        .bytes_done = table[i].done,
                                        .bytes_total = table[i].total,
                                        .bytes_per_second = table[i].rate,
                                },
                                table[i].expected);
}

static void a_pull(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_ordered(&m, (SyncOp) { SYNC_OP_PULL, 1 });
        assert_next(&m, SYNC_ACTION_FETCH);
        assert_reason(&(StateReason) { .fsm = &m }, "asking the server for changes");
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .missing = true });
        assert_next(&m, SYNC_ACTION_CONTENT);
        assert_reason(&(StateReason) { .fsm = &m, .bytes_total = 50000 }, "downloading 0 of 50 kB");
}

static void pauses(void **state) {
        SyncFsm m = pushing();
        StateReason s = { .fsm = &m, .wait_usec = 41000001 };

        sync_fsm_pushed(&m, TRANSFER_UNREACHABLE, NULL);
        s.text = "Connection timed out";
        assert_reason(&s, "waiting 42 s: Unreachable: Connection timed out");
        s.text = NULL;
        assert_reason(&s, "waiting 42 s: Unreachable");

        m = pushing();
        for (unsigned i = 0; i <= SYNC_CHANGES_MAX; i++) {
                sync_fsm_pushed(&m, TRANSFER_CHANGED, NULL);
                if (i == SYNC_CHANGES_MAX)
                        break;
                assert_next(&m, SYNC_ACTION_TREE);
                tree_done(&m, 5, true);
                assert_next(&m, SYNC_ACTION_PUSH);
        }
        assert_reason(&s, "waiting 42 s: files change while they are sent");

        m = pushing();
        sync_fsm_pushed(&m, TRANSFER_NON_FAST_FORWARD, NULL);
        assert_next(&m, SYNC_ACTION_FETCH);
        sync_fsm_fetched(&m, TRANSFER_OK);
        assert_next(&m, SYNC_ACTION_TREE);
        tree_done(&m, 6, true);
        assert_next(&m, SYNC_ACTION_PUSH);
        sync_fsm_pushed(&m, TRANSFER_NON_FAST_FORWARD, NULL);
        assert_reason(&s, "waiting 42 s: other gateways were faster");
}

static void files_in_use(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .base.n = 5, .again = true });
        assert_next(&m, SYNC_ACTION_WAIT);
        assert_reason(&(StateReason) { .fsm = &m, .wait_usec = 1500000, .text = "in use: letter.odt" },
                      "waiting 2 s: in use: letter.odt");
        /* What is only looked at once more, to be sure, is no reason. */
        assert_reason(&(StateReason) { .fsm = &m, .wait_usec = 1000000 }, "idle");
}

static void halts(void **state) {
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .word = SYNC_WORD_MASS_DELETE, .halted = true });
        assert_reason(&(StateReason) { .fsm = &m, .text = "120 of 400 files would be deleted on main" },
                      "held: 120 of 400 files would be deleted on main; write Guard.Held to Guard.Confirm");
        assert_reason(&(StateReason) { .fsm = &m }, "held: MassDelete; write Guard.Held to Guard.Confirm");

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .word = SYNC_WORD_DISK_FULL, .halted = true });
        assert_reason(&(StateReason) { .fsm = &m, .text = "less than 32 MiB are free" },
                      "DiskFull: less than 32 MiB are free");
}

static void a_long_text_is_cut_between_characters(void **state) {
        char text[400] = "", buf[STATE_REASON_SIZE];
        SyncFsm m = subscribed();

        sync_fsm_dirty(&m, false);
        assert_next(&m, SYNC_ACTION_TREE);
        sync_fsm_tree_done(&m, &(SyncTreeResult) { .word = SYNC_WORD_BAD_ENTRY });
        for (unsigned i = 0; i < 150; i++)
                strcat(text, "\xc3\xa4");
        (void) state_reason_format(&(StateReason) { .fsm = &m, .text = text }, buf);
        assert_true(utf8_is_valid(buf));
        assert_in_range(strlen(buf), STATE_REASON_SIZE - 3, STATE_REASON_SIZE - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_to_be_done_first),
                cmocka_unit_test(idle),
                cmocka_unit_test(a_push_says_how_far_how_fast_and_why_not_faster),
                cmocka_unit_test(sizes_and_rates_have_fitting_units),
                cmocka_unit_test(a_pull),
                cmocka_unit_test(pauses),
                cmocka_unit_test(files_in_use),
                cmocka_unit_test(halts),
                cmocka_unit_test(a_long_text_is_cut_between_characters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
