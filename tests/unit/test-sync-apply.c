/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Applying plans to a real folder: what is done, and what others do meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include "common/base/str.h"
#include "tests/unit/sync-run.h"

static const SyncApplyFailure *failure_at(const SyncApplyReport *r, const char *path) {
        for (size_t i = 0; i < r->n_failures; i++)
                if (streq(r->failures[i].path, path))
                        return r->failures + i;
        return NULL;
}

/* Only the marker is left, so nothing waits and no journal is open. */
static void assert_settled(const Folder *f) {
        assert_int_equal(folder_count(f->staging_fd, "."), 1);
}

static void settle(const SyncApply *a, SyncApplyReport *report) {
        assert_int_equal(sync_apply_settle(a, 0, report), 0);
}

static void go(const Folder *f, const char *base, const char *local, const char *remote, const char *expected,
               size_t n_conflicts) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree(base), *r = run_tree(remote);
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, local);
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(report.n_failures, 0);
        settle(&a, &report);
        assert_int_equal(report.n_failures, 0);
        assert_int_equal(report.conflicts.n, n_conflicts);
        run_assert_folder(f, expected);
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void an_empty_folder_is_filled(void **state) {
        go(*state, "", "", "a=d a/b=d a/b/c=f1 d=f2x e=l3", "a=d a/b=d a/b/c=f1 d=f2x e=l3", 0);
}

static void every_kind_is_replaced_by_every_other(void **state) {
        static const char before[] = "a=f1 b=f1 c=f1 d=l1 e=l1 f=d g=d h=d h/i=f2 j=f1 k=l1",
                          after[] = "a=f2x b=l2 c=d c/x=f3 d=f2 e=d f=f1 g=l1 h=f3 j=f1x k=l2";

        go(*state, before, before, after, after, 0);
}

static void deletions_go_from_the_leaves_up(void **state) {
        go(*state, "a=d a/b=d a/b/c=f1 a/d=l1 e=f2", "a=d a/b=d a/b/c=f1 a/d=l1 e=f2", "e=f2", "e=f2", 0);
}

static void collisions_keep_both(void **state) {
        go(*state, "a=f1 b=d b/c=f1 d=l1", "a=f6 b=d b/c=f6 d=l6", "a=f2 b=f2 d=l2",
           "a=f2 a!=f6 b=f2 b!=d b!/c=f6 d=l2 d!=l6", 3);
}

static void more_operations_than_a_batch_holds(void **state) {
        const Folder *f = *state;
        _cleanup_free_ char *text = strdup("");

        for (unsigned i = 0; i < 3 * SYNC_BATCH_FILES; i++) {
                char *longer = strfmt("%s%s%03u=f%u", text, i ? " " : "", i, i % 9 + 1);

                free(text);
                text = longer;
        }
        go(f, "", "", text, text, 0);
}

static void times_and_modes_are_mains(void **state) {
        const Folder *f = *state;
        struct stat st;

        go(f, "", "", "a=f1 b=f2x c=d", "a=f1 b=f2x c=d", 0);
        assert_int_equal(fstatat(f->root_fd, "a", &st, 0), 0);
        assert_int_equal(st.st_mtim.tv_sec, 1100000000);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(fstatat(f->root_fd, "b", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(fstatat(f->root_fd, "c", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
}

static void what_was_placed_needs_no_second_reading(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("x=f1"), *r = run_tree("x=f2 y=f3"), *before = NULL,
                                          *index = NULL, *after = NULL;
        const SyncScan scan = { .root_fd = f->root_fd, .staging_fd = -1, .hasher = folder_hasher };
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};
        SyncScanReport scanned = {};

        run_populate(f, "x=f1");
        before = folder_scan(f, NULL);
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(sync_tree_patch(before, report.placed, &index), 0);
        assert_int_equal(sync_scan_full(&scan, index, &after, &scanned), SYNC_SCAN_OK);
        assert_int_equal(scanned.n_hashed, 0);
        assert_int_equal(sync_tree_size(after), 2);
        sync_apply_report_clear(&report);
}

static void a_file_changed_since_the_scan_is_left_alone(void **state) {
        const Folder *f = *state;
        const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY };
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1 b=f1 c=f1"), *r = run_tree("a=f2 d=f2 c=f1x"), *l = NULL;
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1 b=f1 c=f1");
        l = folder_scan(f, NULL);
        plan = model_plan(b, l, r, &context);
        folder_write(f->root_fd, "a", "content 7");
        folder_write(f->root_fd, "b", "content 8");
        folder_write(f->root_fd, "c", "content 9");
        folder_write(f->root_fd, "d", "content 6");
        assert_int_equal(sync_apply(&a, plan, &report), 0);
        assert_int_equal(report.n_failures, 4);
        for (size_t i = 0; i < report.n_failures; i++)
                assert_int_equal(report.failures[i].result, SYNC_APPLY_STALE);
        settle(&a, &report);
        run_assert_folder(f, "a=f7 b=f8 c=f9 d=f6");
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void an_open_file_is_a_collision_and_its_writer_goes_on(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree("a=f2");
        _cleanup_free_ char *content = NULL;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};
        int fd;

        run_populate(f, "a=f1");
        fd = openat(f->root_fd, "a", O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(report.conflicts.n, 1);
        assert_int_equal(write(fd, "+", 1), 1);
        safe_close(fd);
        settle(&a, &report);
        content = folder_read(f->root_fd, report.conflicts.items[0].renamed_to);
        assert_string_equal(content, "content 1+");
        assert_string_equal(report.conflicts.items[0].path, "a");
        assert_int_equal(report.conflicts.items[0].time, MODEL_NOW);
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void a_locked_file_is_a_collision(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree("a=f2");
        struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 1 };
        _cleanup_close_ int fd = -EBADF;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1");
        fd = openat(f->root_fd, "a", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(report.conflicts.n, 1);
        run_assert_folder(f, "a=f2 a!=f1");
        sync_apply_report_clear(&report);
}

static void a_reader_does_not_disturb(void **state) {
        const Folder *f = *state;
        _cleanup_close_ int fd = -EBADF;

        folder_write(f->root_fd, "other", "");
        fd = openat(f->root_fd, "other", O_RDONLY | O_CLOEXEC);
        assert_int_equal(unlinkat(f->root_fd, "other", 0), 0);
        go(f, "a=f1", "a=f1", "a=f2", "a=f2", 0);
}

static void an_open_file_is_not_deleted(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("d=d d/a=f1"), *r = run_tree("");
        _cleanup_close_ int fd = -EBADF;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "d=d d/a=f1");
        fd = openat(f->root_fd, "d/a", O_WRONLY | O_CLOEXEC);
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(failure_at(&report, "d/a")->result, SYNC_APPLY_BUSY);
        assert_int_equal(failure_at(&report, "d")->result, SYNC_APPLY_NOT_EMPTY);
        run_assert_folder(f, "d=d d/a=f1");
        sync_apply_report_clear(&report);
}

/* Opens the file in the step before the swap, as a client does that is faster than the probe. */
typedef struct Late {
        const Folder *folder;
        const char *path;
        unsigned step;
        int fd;
} Late;

static void open_late(unsigned number, void *userdata) {
        Late *late = userdata;

        if (number == late->step)
                late->fd = openat(late->folder->root_fd, late->path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static void a_write_that_races_the_swap_is_never_lost(void **state) {
        for (unsigned step = 0; step < 12; step++)
                for (unsigned variant = 0; variant < 4; variant++) {
                        /* Whether it is written to before what was displaced is to go, or as long as it may be. */
                        bool deletes = variant & 1, early = variant & 2;
                        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree(deletes ? "" : "a=f2");
                        Late late = { .step = step, .fd = -EBADF, .path = "a" };
                        _cleanup_sync_tree_free_ SyncTree *t = NULL;
                        SyncApplyReport report = {};
                        SyncOid edited = folder_oid("content 1+"), on_new = folder_oid("content 2+");
                        bool found = false;
                        SyncApply a;
                        void *folder;

                        assert_int_equal(folder_setup(&folder), 0);
                        late.folder = folder;
                        a = run_apply(folder);
                        a.step = open_late;
                        a.userdata = &late;
                        run_populate(folder, "a=f1");
                        assert_int_equal(run_sync(folder, &a, b, r, &report), 0);
                        assert_true(late.fd < 0 || !early || write(late.fd, "+", 1) == 1);
                        a.step = NULL;
                        settle(&a, &report);
                        assert_true(late.fd < 0 || early || write(late.fd, "+", 1) == 1);
                        safe_close(late.fd);

                        t = folder_scan(folder, NULL);
                        SYNC_TREE_FOREACH(e, t)
                                found |= sync_oid_equal(&e->oid, &edited) || sync_oid_equal(&e->oid, &on_new);
                        assert_true(found || late.fd < 0);
                        sync_apply_report_clear(&report);
                        assert_int_equal(folder_teardown(&folder), 0);
                }
}

static void a_deletion_that_meets_a_change_is_undone(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree("");
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1");
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_false(folder_has(f->root_fd, "a"));
        folder_write(f->staging_fd, "s2", "content 7");
        settle(&a, &report);
        assert_int_equal(failure_at(&report, "a")->result, SYNC_APPLY_STALE);
        run_assert_folder(f, "a=f7");
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void content_that_is_kept_nowhere_is_not_removed(void **state) {
        /* Contents above 5 are on neither main nor in the store, whatever base says. */
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f7 b=f8"), *r = run_tree("a=f2");
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f7 b=f8");
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        settle(&a, &report);
        assert_int_equal(report.conflicts.n, 1);
        assert_int_equal(failure_at(&report, "b")->result, SYNC_APPLY_STALE);
        run_assert_folder(f, "a=f2 a!=f7 b=f8");
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void what_is_displaced_waits_for_its_grace(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree("a=f2");
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1");
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(sync_apply_settle(&a, INT64_C(3600) * 1000000000, &report), 0);
        assert_int_equal(report.n_unsettled, 1);
        assert_true(folder_has(f->staging_fd, "journal"));
        settle(&a, &report);
        assert_int_equal(report.n_unsettled, 0);
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void something_new_keeps_its_directory(void **state) {
        const Folder *f = *state;
        const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY };
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("p=d q=d q/x=f1"), *r = run_tree("q=f2"), *l = NULL;
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "p=d q=d q/x=f1");
        l = folder_scan(f, NULL);
        plan = model_plan(b, l, r, &context);
        folder_write(f->root_fd, "p/new", "content 6");
        folder_write(f->root_fd, "q/new", "content 7");
        assert_int_equal(sync_apply(&a, plan, &report), 0);
        assert_int_equal(report.n_failures, 1);
        assert_int_equal(failure_at(&report, "p")->result, SYNC_APPLY_NOT_EMPTY);
        assert_int_equal(report.conflicts.n, 1);
        settle(&a, &report);
        run_assert_folder(f, "p=d p/new=f6 q=f2 q!=d q!/new=f7");
        sync_apply_report_clear(&report);
}

static int refuse_three(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        const SyncApply *a = userdata;
        SyncOid three = folder_oid("content 3"), four = folder_oid("content 4");

        if (sync_oid_equal(oid, &three))
                return -ENOENT;
        if (sync_oid_equal(oid, &four))
                return write(fd, "wrong", 5) == 5 ? 0 : -EIO;
        return a->write_content(oid, size, fd, NULL);
}

static void missing_or_wrong_content_stops_only_its_own_path(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("c=f1"), *r = run_tree("a=f3 b=f2 c=f4 d=f5");
        SyncApply plain = run_apply(f), a = plain;
        SyncApplyReport report = {};

        run_populate(f, "c=f1");
        a.write_content = refuse_three;
        a.userdata = &plain;
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(report.n_failures, 2);
        assert_int_equal(failure_at(&report, "a")->result, SYNC_APPLY_NO_CONTENT);
        assert_int_equal(failure_at(&report, "c")->result, SYNC_APPLY_NO_CONTENT);
        settle(&a, &report);
        run_assert_folder(f, "b=f2 c=f1 d=f5");
        assert_settled(f);
        sync_apply_report_clear(&report);
}

static void the_disk_floor_holds_back_content_but_not_deletions(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1 b=f1"), *r = run_tree("a=f2");
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1 b=f1");
        a.disk_floor = UINT64_MAX / 2;
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(failure_at(&report, "a")->result, SYNC_APPLY_NO_SPACE);
        settle(&a, &report);
        run_assert_folder(f, "a=f1");
        sync_apply_report_clear(&report);
}

static void a_directory_swapped_for_a_link_is_not_followed(void **state) {
        const Folder *f = *state;
        const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY };
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("d=d d/a=f1 d/b=f1"), *r = run_tree("d=d d/a=f2 d/c=f3"),
                                          *l = NULL;
        _cleanup_sync_plan_free_ SyncPlan *plan = NULL;
        _cleanup_free_ char *content = NULL;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "d=d d/a=f1 d/b=f1");
        l = folder_scan(f, NULL);
        plan = model_plan(b, l, r, &context);
        assert_int_equal(renameat(f->root_fd, "d", f->volume_fd, "outside"), 0);
        assert_int_equal(symlinkat("../outside", f->root_fd, "d"), 0);
        assert_int_equal(sync_apply(&a, plan, &report), 0);
        assert_int_equal(report.n_failures, 3);
        assert_int_equal(folder_count(f->volume_fd, "outside"), 2);
        content = folder_read(f->volume_fd, "outside/a");
        assert_string_equal(content, "content 1");
        sync_apply_report_clear(&report);
}

static int write_target(const SyncOid *oid, uint64_t size, int fd, void *userdata) {
        return write(fd, userdata, strlen(userdata)) == (ssize_t) strlen(userdata) ? 0 : -EIO;
}

static void a_link_is_made_as_it_is(void **state) {
        static const struct {
                const char *path, *target;
        } links[] = {
                { "a", "/etc/passwd" }, { "a", "../x" }, { "d/a", "../../x" }, { "a", "./d//x" }, { "a", "a" },
        };
        const Folder *f = *state;

        folder_mkdir(f->root_fd, "d");
        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                _cleanup_sync_tree_free_ SyncTree *b = run_tree("d=d"), *r = run_tree("d=d");
                SyncEntry e = { .path = links[i].path, .kind = SYNC_SYMLINK, .oid = folder_oid(links[i].target) };
                SyncApply a = run_apply(f);
                SyncApplyReport report = {};
                char target[PATH_MAX] = {};

                a.write_content = write_target;
                a.userdata = (void *) links[i].target;
                assert_int_equal(sync_tree_add(r, &e), 0);
                assert_int_equal(sync_tree_sort(r), 0);
                assert_int_equal(run_sync(f, &a, b, r, &report), 0);
                assert_int_equal(report.n_failures, 0);
                assert_true(readlinkat(f->root_fd, links[i].path, target, sizeof(target) - 1) > 0);
                assert_string_equal(target, links[i].target);
                assert_int_equal(unlinkat(f->root_fd, links[i].path, 0), 0);
                settle(&a, &report);
                sync_apply_report_clear(&report);
        }
}

static void files_of_unknown_origin_are_kept_aside(void **state) {
        const Folder *f = *state;
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        folder_write(f->staging_fd, "s7", "content 7");
        folder_write(f->staging_fd, "s8", "content 1");
        folder_mkdir(f->staging_fd, "s9");
        assert_int_equal(sync_apply_recover(&a, &report), 0);
        assert_true(folder_has(f->staging_fd, "kept-0"));
        assert_int_equal(folder_count(f->staging_fd, "."), 2);
        sync_apply_report_clear(&report);
}

static void the_staging_directory_is_ours_alone(void **state) {
        const Folder *f = *state;
        struct stat st;
        int fd = -EBADF;

        assert_int_equal(fstat(f->staging_fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(sync_staging_probe(f->staging_fd, f->root_fd), 0);
        assert_int_equal(folder_count(f->root_fd, "."), 0);
        assert_int_equal(sync_staging_open(f->volume_fd, "../1", &fd), -EINVAL);
        assert_int_equal(symlinkat("/tmp", f->volume_fd, ".ispstorage/2"), 0);
        assert_int_equal(sync_staging_open(f->volume_fd, "2", &fd), -ENOTDIR);
        assert_int_equal(fd, -EBADF);
        assert_int_equal(sync_marker_check(f->staging_fd, FOLDER_UUID), 0);
        assert_int_equal(sync_marker_check(f->staging_fd, "other"), -ESTALE);
}

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                folder_test(an_empty_folder_is_filled),
                folder_test(every_kind_is_replaced_by_every_other),
                folder_test(deletions_go_from_the_leaves_up),
                folder_test(collisions_keep_both),
                folder_test(more_operations_than_a_batch_holds),
                folder_test(times_and_modes_are_mains),
                folder_test(what_was_placed_needs_no_second_reading),
                folder_test(a_file_changed_since_the_scan_is_left_alone),
                folder_test(an_open_file_is_a_collision_and_its_writer_goes_on),
                folder_test(a_locked_file_is_a_collision),
                folder_test(a_reader_does_not_disturb),
                folder_test(an_open_file_is_not_deleted),
                cmocka_unit_test(a_write_that_races_the_swap_is_never_lost),
                folder_test(a_deletion_that_meets_a_change_is_undone),
                folder_test(content_that_is_kept_nowhere_is_not_removed),
                folder_test(what_is_displaced_waits_for_its_grace),
                folder_test(something_new_keeps_its_directory),
                folder_test(missing_or_wrong_content_stops_only_its_own_path),
                folder_test(the_disk_floor_holds_back_content_but_not_deletions),
                folder_test(a_directory_swapped_for_a_link_is_not_followed),
                folder_test(a_link_is_made_as_it_is),
                folder_test(files_of_unknown_origin_are_kept_aside),
                folder_test(the_staging_directory_is_ours_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
