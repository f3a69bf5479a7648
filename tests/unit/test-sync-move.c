/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that have another name on main: which of them are moved, and which are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "tests/unit/sync-run.h"

static uint64_t inode_of(const Folder *f, const char *path) {
        struct stat st;

        assert_int_equal(fstatat(f->root_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_ino;
}

/* One run and all that follows. */
static void run(const Folder *f, const SyncApply *a, const char *base, const char *remote, SyncApplyReport *report) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree(base), *r = run_tree(remote);

        *report = (SyncApplyReport) {};
        assert_int_equal(run_sync(f, a, b, r, report), 0);
        assert_int_equal(sync_apply_settle(a, 0, report), 0);
        assert_int_equal(report->n_unsettled, 0);
        assert_int_equal(folder_count(f->staging_fd, "."), 1);
}

/* --- what is moved --- */

static int no_content(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        return -ENOENT;
}

static void a_renamed_file_is_moved_and_nothing_of_it_read(void **state) {
        _cleanup_sync_tree_free_ SyncTree *index = NULL, *scanned = NULL, *after = NULL;
        const Folder *f = *state;
        SyncScan scan = folder_scan_of(f);
        SyncApply a = run_apply(f);
        SyncScanReport looked = {};
        SyncApplyReport report;
        struct stat st;
        uint64_t inode;

        run_populate(f, "a=f1x d=d");
        index = folder_scan(f, NULL);
        inode = inode_of(f, "a");
        /* A full disk is none in its way. */
        a.write_content = no_content;
        a.disk_floor = UINT64_MAX / 2;
        run(f, &a, "a=f1x d=d", "d=d d/b=f1x", &report);
        assert_int_equal(report.n_failures, 0);
        assert_int_equal(report.n_moved, 1);
        assert_int_equal(report.n_done, 2);
        assert_int_equal(report.bytes_written, 0);
        run_assert_folder(f, "d=d d/b=f1x");
        assert_int_equal(inode_of(f, "d/b"), inode);
        assert_int_equal(fstatat(f->root_fd, "d/b", &st, 0), 0);
        assert_int_equal(st.st_mtim.tv_sec, 1100000000);
        assert_int_equal(st.st_mode & 07777, 0755);

        assert_int_equal(sync_tree_patch(index, report.placed, &after), 0);
        assert_int_equal(sync_scan_full(&scan, after, &scanned, &looked), SYNC_SCAN_OK);
        assert_int_equal(looked.n_hashed, 0);
        folder_assert_listing(after, "d d/b");
        sync_scan_report_clear(&looked);
        sync_apply_report_clear(&report);
}

/* More files than a batch holds; what one directory loses the other has. */
static void a_renamed_directory_is_moved_file_by_file(void **state) {
        _cleanup_free_ char *before = strdup("x=d x/y=d"), *after = strdup("z=d z/y=d");
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report;
        uint64_t inode;

        for (unsigned i = 0; i < SYNC_BATCH_FILES + 20; i++) {
                char *b = strfmt("%s x/y/%03u=f%u", before, i, i % 5 + 1),
                     *n = strfmt("%s z/y/%03u=f%u", after, i, i % 5 + 1);

                free(before);
                free(after);
                before = b;
                after = n;
        }
        run_populate(f, before);
        inode = inode_of(f, "x/y/017");
        a.write_content = no_content;
        run(f, &a, before, after, &report);
        assert_int_equal(report.n_failures, 0);
        assert_int_equal(report.n_moved, SYNC_BATCH_FILES + 20);
        assert_int_equal(inode_of(f, "z/y/017"), inode);
        run_assert_folder(f, after);
        sync_apply_report_clear(&report);
}

static void of_equal_files_each_keeps_its_name(void **state) {
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report;
        uint64_t p, q;

        run_populate(f, "d=d d/p=f1 d/q=f1 d/r=f1");
        p = inode_of(f, "d/p");
        q = inode_of(f, "d/q");
        run(f, &a, "d=d d/p=f1 d/q=f1 d/r=f1", "e=d e/q=f1 n=f1 x=d x/p=f1", &report);
        assert_int_equal(report.n_moved, 3);
        assert_int_equal(inode_of(f, "x/p"), p);
        assert_int_equal(inode_of(f, "e/q"), q);
        sync_apply_report_clear(&report);
}

typedef struct Outcome {
        const char *before, *after;
        size_t n_moved;
} Outcome;

static void what_is_no_mere_rename_is_made_as_ever(void **state) {
        static const Outcome outcomes[] = {
                { "photo.JPG=f1", "photo.jpg=f1", 1 },
                { "a=f1 b=f2", "a=f2 b=f1", 0 },
                { "a=f1 b=f2", "b=f1 c=f2", 0 },
                { "a=f1", "b=f2", 0 },
                { "a=f1", "b=f1x", 0 },
                { "a=l1", "b=l1", 0 },
                { "a=f1", "a=f1 b=f1", 0 },
                { "a=f1", "b=f1 c=f1", 1 },
                { "a=f1 b=f1", "c=f1", 1 },
                /* What comes after it needs the content, too. */
                { "a=f1 z=f2", "b=f1 z=f1", 0 },
                { "a=f1 z=f2", "b=f1 z=d z/c=f1", 1 },
                /* The file is in the way of what is to come. */
                { "p=f1", "p=d p/a=f1", 0 },
                { "p=d p/a=f1", "p=f2 q=f1", 0 },
                { "p=d p/a=f1", "o=f1 p=f2", 1 },
                { "p=d p/a=f1 q=d", "p=d q=d q/a=f1", 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(outcomes); i++) {
                SyncApplyReport report;
                SyncApply a;
                Folder *f;

                assert_int_equal(folder_setup((void **) &f), 0);
                run_populate(f, outcomes[i].before);
                a = run_apply(f);
                run(f, &a, outcomes[i].before, outcomes[i].after, &report);
                assert_int_equal(report.n_failures, 0);
                assert_int_equal(report.conflicts.n, 0);
                if (report.n_moved != outcomes[i].n_moved)
                        fail_msg("%s: %zu moved", outcomes[i].after, report.n_moved);
                run_assert_folder(f, outcomes[i].after);
                sync_apply_report_clear(&report);
                assert_int_equal(folder_teardown((void **) &f), 0);
        }
}

/* The first content is to be had from "a" alone. */
static int copy_of_a(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        const SyncApply *a = userdata;
        SyncOid one = folder_oid("content 1");

        return sync_oid_equal(oid, &one) && !folder_has(a->root_fd, "a") ? -ENOENT
                                                                          : a->write_content(oid, size, fd, NULL);
}

static void copies_are_made_before_the_file_moves(void **state) {
        _cleanup_free_ char *after = strdup("b=f1 z=f1");
        const Folder *f = *state;
        SyncApply plain = run_apply(f), a = plain;
        SyncApplyReport report;

        for (unsigned i = 0; i < 2 * SYNC_BATCH_FILES; i++) {
                char *longer = strfmt("%s m%03u=f2", after, i);

                free(after);
                after = longer;
        }
        run_populate(f, "a=f1");
        a.write_content = copy_of_a;
        a.userdata = &plain;
        run(f, &a, "a=f1", after, &report);
        assert_int_equal(report.n_failures, 0);
        assert_int_equal(report.n_moved, 1);
        run_assert_folder(f, after);
        sync_apply_report_clear(&report);
}

static void another_name_of_the_file_stays_what_it_is(void **state) {
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report;

        run_populate(f, "a=f1");
        assert_int_equal(linkat(f->root_fd, "a", f->volume_fd, "link", 0), 0);
        folder_age(f->root_fd, "a");
        run(f, &a, "a=f1", "b=f1", &report);
        assert_int_equal(report.n_moved, 0);
        run_assert_folder(f, "b=f1");
        folder_append(f->volume_fd, "link", "+");
        run_assert_folder(f, "b=f1");
        sync_apply_report_clear(&report);
}

static void without_permission_nothing_moves(void **state) {
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report;

        run_populate(f, "a=f1");
        a.may_move = false;
        run(f, &a, "a=f1", "b=f1", &report);
        assert_int_equal(report.n_moved, 0);
        run_assert_folder(f, "b=f1");
        sync_apply_report_clear(&report);
}

/* --- who has it open --- */

static void who_reads_it_reads_on(void **state) {
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report;
        char buf[16] = {};
        int fd;

        run_populate(f, "a=f1");
        fd = openat(f->root_fd, "a", O_RDONLY | O_CLOEXEC);
        run(f, &a, "a=f1", "b=f1", &report);
        assert_int_equal(report.n_moved, 1);
        assert_int_equal(read(fd, buf, sizeof(buf)), 9);
        safe_close(fd);
        sync_apply_report_clear(&report);
}

static void who_writes_to_it_keeps_it(void **state) {
        const Folder *f = *state;
        struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
        SyncApply a = run_apply(f);
        SyncApplyReport report;
        int writer, locker;

        run_populate(f, "a=f1 b=f2");
        writer = openat(f->root_fd, "a", O_WRONLY | O_APPEND | O_CLOEXEC);
        locker = openat(f->root_fd, "b", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fcntl(locker, F_OFD_SETLK, &lock), 0);
        run(f, &a, "a=f1 b=f2", "c=f1 d=f2", &report);
        assert_int_equal(report.n_moved, 0);
        assert_int_equal(report.n_failures, 2);
        for (size_t i = 0; i < report.n_failures; i++)
                assert_int_equal(report.failures[i].result, SYNC_APPLY_BUSY);
        run_assert_folder(f, "a=f1 b=f2 c=f1 d=f2");
        safe_close(writer);
        safe_close(locker);
        sync_apply_report_clear(&report);
}

static void a_file_that_the_scan_is_not_sure_of_is_read(void **state) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree("b=f1"), *l = NULL, *doubtful = NULL;
        const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY };
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1");
        l = folder_scan(f, NULL);
        assert_int_equal(sync_tree_new(&doubtful), 0);
        SYNC_TREE_FOREACH(e, l) {
                SyncEntry racy = *e;

                racy.certainty = SYNC_RACY;
                assert_int_equal(sync_tree_add(doubtful, &racy), 0);
        }
        plan = model_plan(b, doubtful, r, &context);
        assert_int_equal(sync_apply(&a, plan, &report), 0);
        assert_int_equal(report.n_moved, 0);
        run_assert_folder(f, "b=f1");
        sync_apply_report_clear(&report);
}

/* --- what the file system does not do --- */

int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);

/* The next rename of "a" fails with that. */
static int refusal;

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
        if (refusal != 0 && streq(from, "a") && streq(to, "b")) {
                errno = refusal;
                return -1;
        }
        return __real_renameat2(from_fd, from, to_fd, to, flags);
}

static void a_move_that_is_refused_is_a_copy_in_the_next_run(void **state) {
        const Folder *f = *state;
        SyncApply plain = run_apply(f), a = plain;
        SyncApplyReport report;

        run_populate(f, "a=f1");
        a.write_content = copy_of_a;
        a.userdata = &plain;
        refusal = EXDEV;
        run(f, &a, "a=f1", "b=f1", &report);
        assert_true(report.moves_refused);
        assert_int_equal(report.n_moved, 0);
        assert_int_equal(report.n_failures, 2);
        run_assert_folder(f, "a=f1");
        sync_apply_report_clear(&report);
        a.may_move = false;
        run(f, &a, "a=f1", "b=f1", &report);
        refusal = 0;
        assert_int_equal(report.n_failures, 0);
        run_assert_folder(f, "b=f1");
        sync_apply_report_clear(&report);
}

static void without_space_for_a_name_the_file_stays(void **state) {
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report;

        run_populate(f, "a=f1");
        refusal = ENOSPC;
        run(f, &a, "a=f1", "b=f1", &report);
        refusal = 0;
        assert_false(report.moves_refused);
        assert_int_equal(report.failures[0].result, SYNC_APPLY_NO_SPACE);
        run_assert_folder(f, "a=f1");
        sync_apply_report_clear(&report);
        run(f, &a, "a=f1", "b=f1", &report);
        assert_int_equal(report.n_moved, 1);
        sync_apply_report_clear(&report);
}

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                folder_test(a_renamed_file_is_moved_and_nothing_of_it_read),
                folder_test(a_renamed_directory_is_moved_file_by_file),
                folder_test(of_equal_files_each_keeps_its_name),
                cmocka_unit_test(what_is_no_mere_rename_is_made_as_ever),
                folder_test(copies_are_made_before_the_file_moves),
                folder_test(another_name_of_the_file_stays_what_it_is),
                folder_test(without_permission_nothing_moves),
                folder_test(who_reads_it_reads_on),
                folder_test(who_writes_to_it_keeps_it),
                folder_test(a_file_that_the_scan_is_not_sure_of_is_read),
                folder_test(a_move_that_is_refused_is_a_copy_in_the_next_run),
                folder_test(without_space_for_a_name_the_file_stays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
