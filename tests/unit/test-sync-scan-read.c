/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a scan reads, and how sure it is of it then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "tests/unit/sync-folder.h"

static int hash_slowly(int fd, bool store, SyncOid *ret, void *userdata) {
        const struct timespec time = { .tv_nsec = 2 * SYNC_RACY_NS };

        (void) nanosleep(&time, NULL);
        return folder_hasher.file(fd, store, ret, NULL);
}

/* What is written while it is read may get the stamp that it had before. */
static void a_file_is_racy_however_long_it_was_read(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_write(f->root_fd, "x", "1");
        scan.hasher.file = hash_slowly;
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_at(t, 0)->certainty, SYNC_RACY);
}

static int hash_nothing(int fd, bool store, SyncOid *ret, void *userdata) {
        *ret = (SyncOid) {};
        return SYNC_HASHED;
}

static void a_large_file_is_read_once(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        _cleanup_close_ int fd = -EBADF;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_write(f->root_fd, "x", "1");
        fd = openat(f->root_fd, "x", O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, SYNC_LARGE_BYTES + 1), 0);
        fd = safe_close(fd);
        scan.hasher.file = hash_nothing;
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_at(t, 0)->certainty, SYNC_SETTLED);
}

static bool yes(void *userdata) {
        return true;
}

static void who_waits_is_let_through(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL, *urgent = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        SyncEntry mine = { .path = "mine" };

        folder_write(f->root_fd, "old", "1");
        folder_age(f->root_fd, "old");
        first = folder_scan(f, NULL);
        folder_write(f->root_fd, "mine", "2");
        folder_write(f->root_fd, "other", "3");
        assert_int_equal(sync_tree_new(&urgent), 0);
        assert_int_equal(sync_tree_add(urgent, &mine), 0);
        assert_int_equal(sync_tree_sort(urgent), 0);
        scan.interrupted = yes;
        scan.urgent = urgent;
        assert_int_equal(sync_scan_full(&scan, first, &second, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_size(second), 3);
        assert_int_equal(sync_tree_find(second, "mine")->certainty, SYNC_RACY);
        assert_int_equal(sync_tree_find(second, "old")->certainty, SYNC_SETTLED);
        assert_int_equal(sync_tree_find(second, "other")->certainty, SYNC_UNKNOWN);
        assert_int_equal(report.n_put_off, 1);
}

static void a_file_being_written_is_busy_until_quiet(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *quiet = NULL, *taken = NULL;
        _cleanup_close_ int fd = -EBADF;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_write(f->root_fd, "x", "1");
        fd = openat(f->root_fd, "x", O_WRONLY | O_CLOEXEC);
        t = folder_scan(f, NULL);
        assert_int_equal(sync_tree_at(t, 0)->certainty, SYNC_BUSY);

        scan.take_open_files = true;
        assert_int_equal(sync_scan_full(&scan, t, &taken, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_at(taken, 0)->certainty, SYNC_RACY);

        folder_age(f->root_fd, "x");
        quiet = folder_scan(f, t);
        assert_int_equal(sync_tree_at(quiet, 0)->certainty, SYNC_RACY);
}

static void a_shared_mapping_counts_as_a_writer(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        void *p;
        int fd;

        folder_write(f->root_fd, "x", "1");
        fd = openat(f->root_fd, "x", O_RDWR | O_CLOEXEC);
        p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(p, MAP_FAILED);
        safe_close(fd);
        folder_age(f->root_fd, "x");
        t = folder_scan(f, NULL);
        assert_int_equal(sync_tree_at(t, 0)->certainty, SYNC_RACY);
        munmap(p, 1);
}

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                folder_test(a_file_is_racy_however_long_it_was_read),
                folder_test(a_large_file_is_read_once),
                folder_test(who_waits_is_let_through),
                folder_test(a_file_being_written_is_busy_until_quiet),
                folder_test(a_shared_mapping_counts_as_a_writer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
