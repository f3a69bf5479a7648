/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans of which each system call fails in turn, or whose disk goes away: what is there is never taken for deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/fault.h"
#include "tests/unit/sync-run.h"

#define CALLS_MAX 1000U

static char *const everything[] = { (char *) "d/b", (char *) "d/e", (char *) "a", (char *) "l", NULL };

/* Then all of it has to be read again. */
static void touch_all(const Folder *f, const SyncTree *index) {
        SYNC_TREE_FOREACH(e, index)
                assert_int_equal(utimensat(f->root_fd, e->path, NULL, AT_SYMLINK_NOFOLLOW), 0);
}

/* Returns true if there was such a call. */
static bool fail_at(FaultKind kind, unsigned number, bool lasting, bool full) {
        _cleanup_sync_tree_free_ SyncTree *index = NULL, *t = NULL;
        SyncScanReport report = {};
        SyncScan scan;
        void *folder;
        bool fired;
        int r;

        assert_int_equal(folder_setup(&folder), 0);
        run_populate(folder, "a=f1 d=d d/b=f2 d/e=d d/e/c=f3 l=l1");
        index = folder_scan(folder, NULL);
        scan = folder_scan_of(folder);
        touch_all(folder, index);
        fault_arm(kind, number, lasting);
        fault_enter();
        r = full ? sync_scan_full(&scan, index, &t, &report) : sync_scan_dirty(&scan, index, everything, &t, &report);
        fault_leave();
        fired = fault_disarm();
        if (r == SYNC_SCAN_OK)
                SYNC_TREE_FOREACH(e, index)
                        if (!sync_tree_find(t, e->path))
                                fail_msg("%s at %u: %s is taken for deleted", fault_kind_to_string(kind), number,
                                         e->path);
        sync_scan_report_clear(&report);
        assert_int_equal(folder_teardown(&folder), 0);
        return fired;
}

static void fail_each(FaultKind kind) {
        for (unsigned i = 0; i < 4; i++) {
                unsigned number = 0;

                while (fail_at(kind, number, i & 1, i & 2)) {
                        assert_true(number < CALLS_MAX);
                        number++;
                }
                assert_true(number > 5);
        }
}

static void an_error_of_the_disk_is_no_deletion(void **state) {
        fail_each(FAULT_IO);
}

static void a_lack_of_descriptors_is_no_deletion(void **state) {
        fail_each(FAULT_DESCRIPTORS);
}

static int hash_and_lose_the_disk(int fd, bool store, SyncOid *ret, void *userdata) {
        const Folder *f = userdata;

        (void) unlinkat(f->staging_fd, "marker", 0);
        return folder_hasher.file(fd, store, ret, NULL);
}

/* What was read before and after is of two disks. */
static void a_disk_that_goes_during_the_scan_halts(void **state) {
        Folder *f = *state;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        SyncTree *t = NULL;

        run_populate(f, "a=f1 b=f2");
        scan.hasher.file = hash_and_lose_the_disk;
        scan.hasher.userdata = f;
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_ROOT_MISSING);
        assert_null(t);
}

/* Reading tells of a disk with an error: a page that is mapped would kill. */
static void an_index_that_cannot_be_read_is_an_error(void **state) {
        _cleanup_sync_tree_free_ SyncTree *index = NULL;
        const Folder *f = *state;
        unsigned n_failed = 0;

        run_populate(*state, "a=f1 d=d d/b=f2 l=l1");
        index = folder_scan(f, NULL);
        assert_int_equal(sync_index_save(f->staging_fd, "index", index), 0);
        for (bool fired = true; fired;) {
                _cleanup_sync_tree_free_ SyncTree *back = NULL;
                int r;

                assert_true(n_failed < CALLS_MAX);
                fault_arm(FAULT_IO, n_failed, false);
                fault_enter();
                r = sync_index_load(f->staging_fd, "index", &back);
                fault_leave();
                fired = fault_disarm();
                assert_int_equal(r, fired ? -EIO : 0);
                n_failed += fired;
        }
        /* It is opened, and its content and sum are read. */
        assert_true(n_failed >= 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                                an_index_that_cannot_be_read_is_an_error, folder_setup, folder_teardown),
                cmocka_unit_test(an_error_of_the_disk_is_no_deletion),
                cmocka_unit_test(a_lack_of_descriptors_is_no_deletion),
                cmocka_unit_test_setup_teardown(a_disk_that_goes_during_the_scan_halts, folder_setup, folder_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
