/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of objects and references after crashes, damage and full disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

/* Adds and syncs without end; says the number of each object that is synced. */
static void write_until_killed(LogFixture *f, int fd) {
        ObjectLog *l = log_open(f);

        for (unsigned i = 0;; i++) {
                log_add_text(l, i, "an object that is added while the writer is being killed");
                log_set(l, "refs/last", i % 100);
                if (object_log_sync(l) < 0 || write(fd, &i, sizeof(i)) != sizeof(i))
                        _exit(1);
        }
}

static void a_killed_writer_loses_nothing_that_is_synced(void **state) {
        LogFixture *f = *state;

        for (unsigned round = 0; round < 20; round++) {
                unsigned n = 0, last = 0;
                int fds[2], status;
                pid_t pid;

                assert_int_equal(pipe(fds), 0);
                pid = fork();
                assert_true(pid >= 0);
                if (pid == 0)
                        write_until_killed(f, fds[1]);
                (void) close(fds[1]);
                for (; n <= round * 7; n++)
                        assert_int_equal(read(fds[0], &last, sizeof(last)), sizeof(last));
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                while (read(fds[0], &last, sizeof(last)) == sizeof(last))
                        n++;
                (void) close(fds[0]);
                log_reopen(f);
                for (unsigned i = 0; i <= last; i++)
                        assert_int_equal(log_has(f->log, i), 0);
                assert_true(log_get(f->log, "refs/last") == (int) (last % 100) ||
                            log_get(f->log, "refs/last") == (int) ((last + 1) % 100));
        }
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
                TEST(a_killed_writer_loses_nothing_that_is_synced),
                TEST(a_full_disk_is_reported_and_recovered_from),
                TEST(a_full_disk_stops_no_compaction_halfway),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
