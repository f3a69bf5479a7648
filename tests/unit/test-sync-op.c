/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "syncd/sync-op.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void test_operations(void **state) {
        SyncOp op;

        assert_int_equal(sync_op_parse("pull 1", &op), 0);
        assert_int_equal(op.kind, SYNC_OP_PULL);
        assert_int_equal(op.opseq, 1);
        assert_int_equal(sync_op_parse("prefetch 4294967295", &op), 0);
        assert_int_equal(op.kind, SYNC_OP_PREFETCH);
        assert_int_equal(op.opseq, UINT32_MAX);
        assert_int_equal(sync_op_parse("push 2", &op), 0);
        assert_int_equal(op.kind, SYNC_OP_PUSH);
        assert_int_equal(sync_op_parse("rescan 3", &op), 0);
        assert_int_equal(op.kind, SYNC_OP_RESCAN);
}

static void test_other_operations_are_refused(void **state) {
        static const char *const ops[] = { "",        "pull",     "pull ",   "pull 0",
                                           "pull 01", "pull -1",  "pull +1", "pull 1 ",
                                           " pull 1", "pull  1",  "Pull 1",  "pull 4294967296",
                                           "merge 1", "pull 1\n", "pull1" };
        SyncOp op = { .opseq = 7 };

        for (size_t i = 0; i < ELEMENTSOF(ops); i++)
                assert_int_equal(sync_op_parse(ops[i], &op), -EINVAL);
        assert_int_equal(op.opseq, 7);
}

static void test_status(void **state) {
        SyncRevision revision = { .n = 12, .commit = COMMIT };
        char buf[SYNC_STATUS_SIZE];

        assert_string_equal(
                        sync_status_format(
                                        (SyncOp){ SYNC_OP_PULL, 7 }, SYNC_OUTCOME_OK, NULL, &revision, buf),
                        "pull 7 ok 12." COMMIT);
        assert_string_equal(
                        sync_status_format(
                                        (SyncOp){ SYNC_OP_PUSH, 0 }, SYNC_OUTCOME_STARTED, NULL, NULL, buf),
                        "push - started -");
        assert_string_equal(
                        sync_status_format(
                                        (SyncOp){ SYNC_OP_PULL, 8 },
                                        SYNC_OUTCOME_ERROR,
                                        "Unreachable",
                                        NULL,
                                        buf),
                        "pull 8 error:Unreachable -");
}

static void test_revisions(void **state) {
        SyncRevision revision;
        char buf[SYNC_REVISION_SIZE];

        assert_int_equal(sync_revision_parse("18446744073709551615." COMMIT, &revision), 0);
        assert_string_equal(sync_revision_format(&revision, buf), "18446744073709551615." COMMIT);
        assert_int_equal(sync_revision_parse("", &revision), 0);
        assert_int_equal(revision.n, 0);
        assert_string_equal(sync_revision_format(&revision, buf), "");
        assert_int_equal(sync_revision_parse("0." COMMIT, &revision), -EINVAL);
        assert_int_equal(sync_revision_parse("1." COMMIT "0", &revision), -EINVAL);
        assert_int_equal(sync_revision_parse(COMMIT, &revision), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_operations),
                cmocka_unit_test(test_other_operations_are_refused),
                cmocka_unit_test(test_status),
                cmocka_unit_test(test_revisions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
