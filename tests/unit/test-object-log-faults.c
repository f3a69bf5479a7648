/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of objects and references after crashes, damage and full disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/str.h"
#include "tests/unit/object-log-fixture.h"

static void a_torn_tail_is_cut(void **state) {
        LogFixture *f = *state;
        size_t first = log_two_syncs(f), size;
        _cleanup_free_ char *data = log_read_file(f, &size);

        for (size_t n = first; n <= size; n++) {
                log_write_file(f, data, n);
                log_assert_consistent(f, n == size);
        }
        /* The file system may have made the file longer before its data. */
        for (size_t n = first; n < size; n++) {
                _cleanup_free_ char *zeroed = calloc(1, size);

                memcpy(zeroed, data, n);
                log_write_file(f, zeroed, size);
                log_assert_consistent(f, false);
        }
}

static void a_damaged_tail_is_cut(void **state) {
        LogFixture *f = *state;
        size_t first = log_two_syncs(f), size;
        _cleanup_free_ char *data = log_read_file(f, &size);

        for (size_t n = first; n < size; n++) {
                data[n] ^= 0x10;
                log_write_file(f, data, size);
                log_assert_consistent(f, false);
                data[n] ^= 0x10;
        }
}

static void a_log_that_is_none_is_refused(void **state) {
        LogFixture *f = *state;
        static const char zero[64] = "", newer[64] = "ISPSLOG2";
        ObjectLog *l = NULL;

        log_write_file(f, newer, sizeof(newer));
        assert_int_equal(object_log_open(&l, f->directory), -EBADMSG);
        assert_null(l);
        /* It was being made when the power went. */
        log_write_file(f, zero, sizeof(zero));
        log_reopen(f);
        log_write_file(f, newer, 7);
        log_reopen(f);
        log_add_text(f->log, 1, "x");
        assert_int_equal(object_log_sync(f->log), 0);
}

static void a_full_disk_is_reported_and_recovered_from(void **state) {
        LogFixture *f = *state;
        struct rlimit before, limit;
        ObjectLog *other = log_open(f);

        log_two_syncs(f);
        log_add_text(f->log, 4, "one more");
        log_set(f->log, "refs/a", 4);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        (void) signal(SIGXFSZ, SIG_IGN);
        limit = before;
        /* Room for a part of a record. */
        limit.rlim_cur = (rlim_t) log_file_size(f->file) + 20;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(object_log_sync(f->log), -EFBIG);
        assert_int_equal(log_file_size(f->file), limit.rlim_cur - 20);
        assert_int_equal(log_get(other, "refs/a"), 2);
        assert_int_equal(log_get(f->log, "refs/a"), 4);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_int_equal(log_get(other, "refs/a"), 4);
        log_assert_text(other, 4, "one more");
        object_log_free(other);
}
static void a_full_disk_stops_no_compaction_halfway(void **state) {
        LogFixture *f = *state;
        struct rlimit before, limit;
        _cleanup_free_ char *new = strfmt("%s.new", f->file);

        log_two_syncs(f);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        (void) signal(SIGXFSZ, SIG_IGN);
        limit = before;
        limit.rlim_cur = 100;
        assert_int_equal(object_log_compact_begin(f->log), 1);
        log_mark(f->log, 2, 1);
        log_mark(f->log, 1, 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(object_log_compact_finish(f->log), -EFBIG);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(access(new, F_OK), -1);
        log_assert_consistent(f, true);
}
int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
                TEST(a_torn_tail_is_cut),
                TEST(a_damaged_tail_is_cut),
                TEST(a_log_that_is_none_is_refused),
                TEST(a_full_disk_is_reported_and_recovered_from),
                TEST(a_full_disk_stops_no_compaction_halfway),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
