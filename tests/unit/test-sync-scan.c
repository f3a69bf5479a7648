/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans of a real folder: what is seen, what is not read again, and what is never taken for a deletion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "common/base/str.h"
#include "tests/unit/sync-folder.h"

static void a_folder_is_read_in_the_trees_order(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        const SyncEntry *e;
        SyncOid oid;

        folder_mkdir(f->root_fd, "a");
        folder_mkdir(f->root_fd, "a/empty");
        folder_write(f->root_fd, "a/x", "1");
        folder_write(f->root_fd, "a.b", "2");
        folder_write(f->root_fd, "a b", "3");
        folder_write(f->root_fd, "\xff\nodd", "4");
        assert_int_equal(symlinkat("../../etc/passwd", f->root_fd, "link"), 0);
        assert_int_equal(fchmodat(f->root_fd, "a.b", 0755, 0), 0);

        t = folder_scan(f, NULL);
        folder_assert_listing(t, "a a/empty a/x a b a.b link \xff\nodd");
        e = sync_tree_find(t, "a.b");
        oid = folder_oid("2");
        assert_true(e->executable && e->kind == SYNC_FILE && e->size == 1 && sync_oid_equal(&e->oid, &oid));
        e = sync_tree_find(t, "link");
        oid = folder_oid("../../etc/passwd");
        assert_true(e->kind == SYNC_SYMLINK && sync_oid_equal(&e->oid, &oid));
}

static void own_and_lock_files_are_not_seen(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;

        folder_write(f->root_fd, ".ispstorage-probe", "");
        folder_write(f->root_fd, "~$letter.docx", "");
        folder_write(f->root_fd, ".~lock.letter.odt#", "");
        folder_write(f->root_fd, ".nfs000000000012345600000001", "");
        folder_write(f->root_fd, ".nfs", "kept");
        folder_write(f->root_fd, "letter.tmp", "kept");
        t = folder_scan(f, NULL);
        folder_assert_listing(t, ".nfs letter.tmp");
}

static void unchanged_files_are_not_read_again(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_write(f->root_fd, "old", "1");
        folder_age(f->root_fd, "old");
        first = folder_scan(f, NULL);
        assert_int_equal(sync_tree_at(first, 0)->certainty, SYNC_SETTLED);
        assert_int_equal(sync_scan_full(&scan, first, &second, &report), SYNC_SCAN_OK);
        assert_int_equal(report.n_hashed, 0);
}

static void the_same_size_and_mtime_do_not_hide_a_change(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL;
        SyncOid oid = folder_oid("2");

        folder_write(f->root_fd, "x", "1");
        folder_age(f->root_fd, "x");
        first = folder_scan(f, NULL);
        folder_write(f->root_fd, "x", "2");
        folder_age(f->root_fd, "x");
        second = folder_scan(f, first);
        assert_true(sync_oid_equal(&sync_tree_at(second, 0)->oid, &oid));
}

static void a_file_just_written_is_racy_and_read_again(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_write(f->root_fd, "x", "1");
        first = folder_scan(f, NULL);
        assert_int_equal(sync_tree_at(first, 0)->certainty, SYNC_RACY);
        assert_int_equal(sync_scan_full(&scan, first, &second, &report), SYNC_SCAN_OK);
        assert_int_equal(report.n_hashed, 1);
}

static void a_file_from_the_future_is_read_once(void **state) {
        const struct timespec times[2] = { { .tv_sec = INT32_MAX }, { .tv_sec = INT32_MAX } };
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;

        folder_write(f->root_fd, "x", "1");
        assert_int_equal(utimensat(f->root_fd, "x", times, 0), 0);
        /* Until this one is old, the other is. */
        folder_write(f->root_fd, "y", "1");
        folder_age(f->root_fd, "y");
        t = folder_scan(f, NULL);
        assert_int_equal(sync_tree_find(t, "x")->certainty, SYNC_SETTLED);
}

static int hash_and_disturb(int fd, bool store, SyncOid *ret, void *userdata) {
        const Folder *f = userdata;

        folder_append(f->root_fd, "x", "more");
        return folder_hasher.file(fd, store, ret, NULL);
}

static int fail_to_hash(int fd, bool store, SyncOid *ret, void *userdata) {
        return *(int *) userdata;
}

static void a_file_that_changes_while_read_is_never_taken_as_read(void **state) {
        Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *shorter = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        int error = -EAGAIN;

        folder_write(f->root_fd, "x", "1");
        scan.hasher = (SyncHasher) { .file = hash_and_disturb, .userdata = f };
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_at(t, 0)->certainty, SYNC_BUSY);
        assert_int_equal(report.n_hashed, SYNC_READ_TRIES);
        scan.hasher = (SyncHasher) { .file = fail_to_hash, .userdata = &error };
        assert_int_equal(sync_scan_full(&scan, t, &shorter, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_at(shorter, 0)->certainty, SYNC_BUSY);
        assert_null(report.problem_path);
        assert_string_equal(report.busy_path, "x");
        sync_scan_report_clear(&report);
}

static void an_unreadable_file_stays_as_unknown_not_deleted(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        int error = -EIO;

        folder_mkdir(f->root_fd, "d");
        folder_write(f->root_fd, "d/x", "1");
        first = folder_scan(f, NULL);
        scan.hasher = (SyncHasher) { .file = fail_to_hash, .userdata = &error };
        folder_write(f->root_fd, "d/x", "22");
        assert_int_equal(sync_scan_full(&scan, first, &second, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_find(second, "d/x")->certainty, SYNC_UNKNOWN);
        assert_int_equal(sync_tree_find(second, "d/x")->size, 1);
        assert_string_equal(report.problem_path, "d/x");
        assert_int_equal(report.problem_error, -EIO);
        sync_scan_report_clear(&report);
}

static void a_full_store_ends_the_scan(void **state) {
        const Folder *f = *state;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        SyncTree *t = NULL;
        int error = -ENOSPC;

        folder_write(f->root_fd, "x", "1");
        scan.hasher = (SyncHasher) { .file = fail_to_hash, .userdata = &error };
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), -ENOSPC);
        assert_null(t);
        sync_scan_report_clear(&report);
}

static void special_files_are_reported_and_left_alone(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;

        assert_int_equal(mkfifoat(f->root_fd, "fifo", 0644), 0);
        t = folder_scan(f, NULL);
        assert_int_equal(sync_tree_find(t, "fifo")->kind, SYNC_SPECIAL);
}

static void a_dirty_path_is_scanned_with_all_beneath_it(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL;
        const char *const paths[] = { "d/new", "gone", "d/x", "~$ignored", NULL };
        _cleanup_(sync_scan_report_clear) SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_mkdir(f->root_fd, "d");
        folder_write(f->root_fd, "d/x", "1");
        folder_write(f->root_fd, "gone", "1");
        folder_write(f->root_fd, "other", "1");
        first = folder_scan(f, NULL);
        folder_write(f->root_fd, "d/x", "2");
        folder_write(f->root_fd, "other", "unseen");
        folder_mkdir(f->root_fd, "d/new");
        folder_write(f->root_fd, "d/new/y", "3");
        assert_int_equal(unlinkat(f->root_fd, "gone", 0), 0);
        second = folder_scan_dirty(&scan, first, paths, &report);
        folder_assert_listing(second, "d d/new d/new/y d/x other");
        assert_int_equal(sync_tree_find(second, "other")->size, 1);
        assert_int_equal(report.n_hashed, 2);
}

static void a_dirty_path_in_an_unknown_or_removed_directory_is_found(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;
        const char *const deep[] = { "n/e/w", NULL }, *const removed[] = { "n/e/w", "n/e/v/u", NULL },
                          *const rest[] = { "d/x", NULL };
        _cleanup_(sync_scan_report_clear) SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_mkdir(f->root_fd, "d");
        folder_write(f->root_fd, "d/x", "1");
        folder_write(f->root_fd, "d/y", "1");
        first = folder_scan(f, NULL);
        folder_mkdir(f->root_fd, "n");
        folder_mkdir(f->root_fd, "n/e");
        folder_write(f->root_fd, "n/e/w", "1");
        second = folder_scan_dirty(&scan, first, deep, &report);
        folder_assert_listing(second, "d d/x d/y n n/e n/e/w");

        assert_int_equal(unlinkat(f->root_fd, "n/e/w", 0), 0);
        assert_int_equal(unlinkat(f->root_fd, "n/e", AT_REMOVEDIR), 0);
        third = folder_scan_dirty(&scan, second, removed, &report);
        folder_assert_listing(third, "d d/x d/y n");

        assert_int_equal(unlinkat(f->root_fd, "d/x", 0), 0);
        fourth = folder_scan_dirty(&scan, third, rest, &report);
        folder_assert_listing(fourth, "d d/y n");
}

static void a_directory_that_became_a_file_and_back_is_seen(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *second = NULL;
        const char *const paths[] = { "d/x", NULL };
        _cleanup_(sync_scan_report_clear) SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_mkdir(f->root_fd, "d");
        folder_write(f->root_fd, "d/x", "1");
        first = folder_scan(f, NULL);
        assert_int_equal(unlinkat(f->root_fd, "d/x", 0), 0);
        assert_int_equal(unlinkat(f->root_fd, "d", AT_REMOVEDIR), 0);
        folder_write(f->root_fd, "d", "file");
        second = folder_scan_dirty(&scan, first, paths, &report);
        folder_assert_listing(second, "d");
        assert_int_equal(sync_tree_at(second, 0)->kind, SYNC_FILE);
}

static void a_missing_or_other_disk_halts(void **state) {
        const Folder *f = *state;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        SyncTree *t = NULL;

        folder_write(f->root_fd, "x", "1");
        scan.file_system_uuid = "another";
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_ROOT_MISSING);

        scan = folder_scan_of(f);
        assert_int_equal(unlinkat(f->staging_fd, "marker", 0), 0);
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_ROOT_MISSING);
        assert_null(t);
}

static void an_emptied_folder_halts_until_confirmed(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *first = NULL, *accepted = NULL;
        const char *const names[] = { "1", "2", "3", "4" };
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        SyncTree *t = NULL;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                folder_write(f->root_fd, names[i], "1");
        first = folder_scan(f, NULL);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(unlinkat(f->root_fd, names[i], 0), 0);
        assert_int_equal(sync_scan_full(&scan, first, &t, &report), SYNC_SCAN_ROOT_EMPTIED);
        assert_null(t);
        scan.accept_empty = true;
        assert_int_equal(sync_scan_full(&scan, first, &accepted, &report), SYNC_SCAN_OK);
        assert_int_equal(sync_tree_size(accepted), 0);
}

static int cancel(const SyncTree *so_far, void *userdata) {
        assert_true(sync_tree_size(so_far) > 0);
        return 1;
}

static void a_scan_can_be_cancelled(void **state) {
        const Folder *f = *state;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        SyncTree *t = NULL;

        for (unsigned i = 0; i < 300; i++) {
                _cleanup_free_ char *name = strfmt("%u", i);

                folder_write(f->root_fd, name, "");
        }
        scan.progress = cancel;
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), -ECANCELED);
}

static void too_deep_a_tree_is_told_of_and_not_followed(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);
        int fd = dup(f->root_fd);

        for (unsigned i = 0; i < SYNC_DEPTH_MAX + 2; i++) {
                int parent = fd;

                folder_mkdir(parent, "d");
                fd = openat(parent, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                safe_close(parent);
        }
        safe_close(fd);
        assert_int_equal(sync_scan_full(&scan, NULL, &t, &report), SYNC_SCAN_OK);
        assert_int_equal(strlen(report.problem_path), 2 * SYNC_DEPTH_MAX - 1);
        assert_int_equal(sync_tree_at(t, sync_tree_size(t) - 1)->certainty, SYNC_RACY);
        sync_scan_report_clear(&report);
}

static void the_index_comes_back_as_it_was_saved(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *back = NULL;
        _cleanup_free_ char *a = NULL, *b = NULL;

        folder_mkdir(f->root_fd, "dir");
        folder_write(f->root_fd, "dir/file", "1");
        folder_write(f->root_fd, "dir/file2", "1");
        folder_write(f->root_fd, "z\xff", "1");
        assert_int_equal(mkfifoat(f->root_fd, "fifo", 0644), 0);
        t = folder_scan(f, NULL);
        assert_int_equal(sync_index_load(f->staging_fd, "index", &back), -ENOENT);
        assert_int_equal(sync_index_save(f->staging_fd, "index", t), 0);
        assert_int_equal(sync_index_load(f->staging_fd, "index", &back), 0);
        a = folder_listing(t);
        b = folder_listing(back);
        assert_string_equal(a, b);
        for (size_t i = 0; i < sync_tree_size(t); i++) {
                const SyncEntry *x = sync_tree_at(t, i), *y = sync_tree_at(back, i);

                assert_true(sync_entry_same_identity(x, y) && sync_oid_equal(&x->oid, &y->oid));
                assert_true(x->certainty == y->certainty && x->executable == y->executable);
        }
}

static void a_damaged_index_is_refused(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *back = NULL;
        struct stat st;

        folder_write(f->root_fd, "file", "1");
        t = folder_scan(f, NULL);
        assert_int_equal(sync_index_save(f->staging_fd, "index", t), 0);
        assert_int_equal(fstatat(f->staging_fd, "index", &st, 0), 0);
        for (off_t i = 0; i < st.st_size; i++) {
                _cleanup_close_ int fd = openat(f->staging_fd, "index", O_RDWR | O_CLOEXEC);
                uint8_t byte;

                assert_int_equal(pread(fd, &byte, 1, i), 1);
                byte ^= 0x20;
                assert_int_equal(pwrite(fd, &byte, 1, i), 1);
                assert_int_equal(sync_index_load(f->staging_fd, "index", &back), -EBADMSG);
                byte ^= 0x20;
                assert_int_equal(pwrite(fd, &byte, 1, i), 1);
        }
        assert_int_equal(sync_index_load(f->staging_fd, "index", &back), 0);
}

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                folder_test(a_folder_is_read_in_the_trees_order),
                folder_test(own_and_lock_files_are_not_seen),
                folder_test(unchanged_files_are_not_read_again),
                folder_test(the_same_size_and_mtime_do_not_hide_a_change),
                folder_test(a_file_just_written_is_racy_and_read_again),
                folder_test(a_file_from_the_future_is_read_once),
                folder_test(a_file_that_changes_while_read_is_never_taken_as_read),
                folder_test(an_unreadable_file_stays_as_unknown_not_deleted),
                folder_test(a_full_store_ends_the_scan),
                folder_test(special_files_are_reported_and_left_alone),
                folder_test(a_dirty_path_is_scanned_with_all_beneath_it),
                folder_test(a_dirty_path_in_an_unknown_or_removed_directory_is_found),
                folder_test(a_directory_that_became_a_file_and_back_is_seen),
                folder_test(a_missing_or_other_disk_halts),
                folder_test(an_emptied_folder_halts_until_confirmed),
                folder_test(a_scan_can_be_cancelled),
                folder_test(too_deep_a_tree_is_told_of_and_not_followed),
                folder_test(the_index_comes_back_as_it_was_saved),
                folder_test(a_damaged_index_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
