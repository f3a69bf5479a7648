/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "syncd/sync-apply.h"
#include "syncd/sync-journal.h"

#define N 3000U
#define SETTLED 2500U

typedef char Path[sizeof("directory/4294967295")];

static int make_directory(void) {
        char path[] = "/tmp/test-sync-journal.XXXXXX";
        int fd;

        assert_non_null(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static const char *path_of(unsigned i, Path ret) {
        (void) snprintf(ret, sizeof(Path), "directory/%u", i);
        return ret;
}

static SyncJournal *open_journal(int fd) {
        SyncJournal *j;

        assert_int_equal(sync_journal_open(&j, fd), 0);
        return j;
}

/* A deletion, a move or a collision that is done; of the latter two the other path is path's, too. */
static void add_done(SyncJournal *j, unsigned i) {
        Path path;
        const SyncEntry local = { .kind = SYNC_FILE, .inode = i + 1, .size = i };
        const SyncOperation o = {
                .kind = i % 3 == 0 ? SYNC_DELETE : SYNC_REPLACE,
                .path = path_of(i, path),
                .local = &local,
                .wanted = i % 3 == 0 ? NULL : &local,
                .renamed_to = i % 3 == 1 ? path : NULL,
        };
        size_t number;

        assert_int_equal(sync_journal_intend(j, &o, i % 3 == 2 ? path : NULL, true, j->next_number, i, &number), 0);
        assert_int_equal(sync_journal_finish(j, number, true, &local, i), 0);
}

static off_t size_of(int fd) {
        struct stat st;

        assert_int_equal(fstatat(fd, SYNC_JOURNAL_NAME, &st, 0), 0);
        return st.st_size;
}

static void remove_all(SyncJournal *j, int fd) {
        char link[32], path[256];
        ssize_t n;

        assert_int_equal(sync_journal_remove(j), 0);
        sync_journal_free(j);
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        assert_true(n > 0);
        path[n] = '\0';
        assert_int_equal(rmdir(path), 0);
}

static void check_intent(const SyncIntent *i, unsigned k) {
        Path path;

        path_of(k, path);
        assert_int_equal(i->number, k + 1);
        assert_string_equal(i->path, path);
        assert_int_equal(i->kind, k % 3 == 0 ? SYNC_DELETE : SYNC_REPLACE);
        assert_true(i->finished && i->succeeded && i->kept);
        assert_int_equal(i->displaced.inode, k + 1);
        assert_int_equal(i->displaced_ns, k);
        assert_int_equal(i->renamed_to != NULL, k % 3 == 1);
        assert_int_equal(i->moved_from != NULL, k % 3 == 2);
}

/* Before, the file would have been read whole in each run as long as anything waits. */
static void what_is_settled_is_forgotten(void **state) {
        _cleanup_close_ int fd = make_directory();
        SyncJournal *j = open_journal(fd);
        off_t size;

        for (unsigned i = 0; i < N; i++)
                add_done(j, i);
        assert_int_equal(sync_journal_record(j), 0);
        size = size_of(fd);
        for (unsigned i = 0; i < SETTLED; i++)
                j->intents[i].displaced.kind = SYNC_ABSENT;
        assert_int_equal(sync_journal_compact(j), 0);
        assert_true(size_of(fd) < size / 4);
        assert_int_equal(j->n_intents, N - SETTLED);

        /* It goes on behind them. */
        add_done(j, N);
        sync_journal_free(j);
        j = open_journal(fd);
        assert_false(j->interrupted);
        assert_int_equal(j->n_intents, N - SETTLED + 1);
        assert_int_equal(j->next_number, N + 2);
        for (size_t i = 0; i < j->n_intents; i++) {
                check_intent(j->intents + i, SETTLED + i);
                assert_int_equal(j->intents[i].recorded, i < N - SETTLED);
        }
        remove_all(j, fd);
}

static void what_was_not_recorded_stays(void **state) {
        _cleanup_close_ int fd = make_directory();
        SyncJournal *j = open_journal(fd);

        for (unsigned i = 0; i < N; i++) {
                add_done(j, i);
                j->intents[i].displaced.kind = SYNC_ABSENT;
        }
        assert_int_equal(sync_journal_compact(j), 0);
        assert_int_equal(j->n_intents, N);
        remove_all(j, fd);
}

/* It is read piece by piece, up to where it was cut. */
static void a_torn_record_ends_it(void **state) {
        _cleanup_close_ int fd = make_directory();
        SyncJournal *j = open_journal(fd);
        _cleanup_close_ int file = -EBADF;

        for (unsigned i = 0; i < N; i++)
                add_done(j, i);
        sync_journal_free(j);
        file = openat(fd, SYNC_JOURNAL_NAME, O_WRONLY | O_CLOEXEC);
        assert_true(size_of(fd) > 100 << 10);
        assert_int_equal(ftruncate(file, size_of(fd) - 1), 0);
        j = open_journal(fd);
        assert_true(j->interrupted);
        assert_int_equal(j->n_intents, N);
        for (size_t i = 0; i < N - 1; i++)
                check_intent(j->intents + i, i);
        assert_false(j->intents[N - 1].finished);
        remove_all(j, fd);
}

/* A crash before the new file had its name. */
static void a_new_journal_that_was_not_ended_is_none(void **state) {
        _cleanup_close_ int fd = make_directory(), staging = -EBADF;
        SyncJournal *j;

        assert_int_equal(sync_staging_open(fd, "folder", &staging), 0);
        j = open_journal(staging);
        add_done(j, 0);
        sync_journal_free(j);
        assert_int_equal(linkat(staging, SYNC_JOURNAL_NAME, staging, SYNC_JOURNAL_NEW_NAME, 0), 0);
        j = open_journal(staging);
        assert_int_equal(j->n_intents, 1);
        sync_journal_free(j);
        assert_int_equal(sync_staging_remove(fd, "folder", staging), 0);
        remove_all(open_journal(fd), fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_settled_is_forgotten),
                cmocka_unit_test(what_was_not_recorded_stays),
                cmocka_unit_test(a_torn_record_ends_it),
                cmocka_unit_test(a_new_journal_that_was_not_ended_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
