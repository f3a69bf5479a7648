/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans of links, of both kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>

#include "common/base/str.h"
#include "tests/unit/sync-folder.h"

static void a_write_is_seen_at_each_name_of_the_file(void **state) {
        static const char *const names[] = { "d/first", "d/second", "z" };
        const Folder *f = *state;
        const SyncScan scan = folder_scan_of(f);
        _cleanup_sync_tree_free_ SyncTree *before = NULL;
        SyncOid one = folder_oid("1");

        folder_mkdir(f->root_fd, "d");
        folder_write(f->root_fd, "d/first", "1");
        folder_write(f->root_fd, "e", "1");
        for (size_t i = 1; i < ELEMENTSOF(names); i++)
                assert_int_equal(linkat(f->root_fd, names[0], f->root_fd, names[i], 0), 0);
        before = folder_scan(f, NULL);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *content = strfmt("new %zu", i);
                SyncOid written = folder_oid(content);
                const char *const paths[] = { names[i], NULL };
                _cleanup_sync_tree_free_ SyncTree *t = NULL;
                SyncScanReport report = {};
                int fd = openat(f->root_fd, names[i], O_WRONLY | O_TRUNC | O_CLOEXEC);

                assert_int_equal(write(fd, content, strlen(content)), strlen(content));
                close(fd);
                t = folder_scan_dirty(&scan, before, paths, &report);
                folder_assert_listing(t, "d d/first d/second e z");
                for (size_t k = 0; k < ELEMENTSOF(names); k++)
                        assert_true(sync_oid_equal(&sync_tree_find(t, names[k])->oid, &written));
                assert_true(sync_oid_equal(&sync_tree_find(t, "e")->oid, &one));
                assert_int_equal(report.n_hashed, ELEMENTSOF(names));
                sync_scan_report_clear(&report);
        }
}

static void links_are_never_followed(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *again = NULL;
        const char *const paths[] = { "escape/secret", NULL };
        _cleanup_(sync_scan_report_clear) SyncScanReport report = {};
        SyncScan scan = folder_scan_of(f);

        folder_mkdir(f->volume_fd, "outside");
        folder_write(f->volume_fd, "outside/secret", "x");
        assert_int_equal(symlinkat("../outside", f->root_fd, "escape"), 0);
        t = folder_scan(f, NULL);
        folder_assert_listing(t, "escape");
        again = folder_scan_dirty(&scan, t, paths, &report);
        folder_assert_listing(again, "escape");
}

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                folder_test(a_write_is_seen_at_each_name_of_the_file),
                folder_test(links_are_never_followed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
