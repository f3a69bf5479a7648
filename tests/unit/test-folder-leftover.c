/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies in the staging directory and nobody needs any more goes, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)

static char *staging_path(const WorldGateway *g, const char *name) {
        return strfmt("%s/.ispstorage/folder%s%s", g->volume, *name ? "/" : "", name);
}

static bool is_staged(const WorldGateway *g, const char *name) {
        _cleanup_free_ char *path = staging_path(g, name);

        return access(path, F_OK) == 0;
}

/* Puts a file into the staging directory: with what a file of the folder has, or (NULL) with what nobody has. */
static void stage(const WorldGateway *g, const char *name, const char *like) {
        _cleanup_free_ char *path = staging_path(g, name), *data = NULL;
        size_t size = 3;
        FILE *f;

        if (like)
                assert_int_equal(read_file(g->root_fd, like, 16 * MIB, &data, &size), 0);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(data ?: "abc", size, 1, f), 1);
        assert_int_equal(fclose(f), 0);
}

static void make_staged_directory(const WorldGateway *g, const char *name) {
        _cleanup_free_ char *path = staging_path(g, name);

        assert_int_equal(mkdir(path, 0700), 0);
}

static void what_was_kept_aside_goes_when_main_has_it(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *link = staging_path(g, "kept-4");

        world_write(w, g, "a", 100);
        world_write(w, g, "large", 2 * MIB);
        world_settle(w);
        stage(g, "kept-0", "a");
        stage(g, "kept-1", NULL);
        make_staged_directory(g, "kept-2");
        stage(g, "kept-2/a", "a");
        stage(g, "kept-2/users'", NULL);
        make_staged_directory(g, "kept-3");
        make_staged_directory(g, "kept-3/sub");
        stage(g, "kept-3/sub/large", "large");
        assert_int_equal(symlink("a", link), 0);
        /* Only the folder has this one yet. */
        world_write(w, g, "b", 100);
        stage(g, "kept-5", "b");
        world_restart(w, g);
        world_run(w, g);
        assert_true(is_staged(g, "kept-0") && is_staged(g, "kept-5"));
        assert_true(world_push(w, g));
        world_settle(w);
        assert_false(is_staged(g, "kept-0") || is_staged(g, "kept-3") || is_staged(g, "kept-2/a") ||
                     is_staged(g, "kept-5"));
        assert_true(is_staged(g, "kept-1") && is_staged(g, "kept-2/users'"));
        assert_int_equal(faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW), 0);
        world_free(w);
}

static void what_somebody_writes_to_stays(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *path = staging_path(g, "kept-0");
        int fd;

        world_write(w, g, "a", 100);
        world_settle(w);
        stage(g, "kept-0", "a");
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        world_restart(w, g);
        world_settle(w);
        assert_true(is_staged(g, "kept-0"));
        close(fd);
        world_restart(w, g);
        world_settle(w);
        assert_false(is_staged(g, "kept-0"));
        world_free(w);
}

static void what_was_replaced_goes_when_main_has_it(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        SyncApplyReport report = {};
        SyncApply a;

        world_write(w, g, "a", 100);
        world_settle(w);
        world_write(w, w->gateways + 1, "a", 100);
        world_settle(w);
        /* The time that those have who have it open still is over. */
        folder_apply_init(g->folder, g->name, &a);
        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
        assert_int_equal(report.n_unsettled, 0);
        assert_int_equal(report.conflicts.n, 0);
        sync_apply_report_clear(&report);
        world_settle(w);
        assert_false(g->conflict);
        world_free(w);
}

static void what_no_journal_tells_of_is_kept_aside(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *link = staging_path(g, "s8");

        world_write(w, g, "a", 100);
        world_settle(w);
        stage(g, "s7", NULL);
        assert_int_equal(symlink("nobody has this", link), 0);
        world_restart(w, g);
        assert_false(is_staged(g, "s7"));
        assert_true(is_staged(g, "kept-0"));
        world_settle(w);
        assert_true(is_staged(g, "kept-0"));
        free(TAKE_PTR(link));
        link = staging_path(g, "kept-1");
        assert_int_equal(faccessat(AT_FDCWD, link, F_OK, AT_SYMLINK_NOFOLLOW), 0);
        world_free(w);
}

static void leave(World *w, WorldGateway *g) {
        assert_int_equal(folder_save_index(g->folder), 0);
        world_close(w, g);
        assert_int_equal(folder_leave(g->state, g->path), 0);
}

static void an_instance_that_is_gone_leaves_nothing(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *root = strfmt("%s/.ispstorage", g->volume);

        world_write(w, g, "a", 100);
        world_write(w, w->gateways + 1, "large", 3 * MIB);
        world_settle(w);
        /* A part that never gets complete. */
        world_write(w, w->gateways + 1, "more", 5 * MIB);
        world_run(w, w->gateways + 1);
        assert_true(world_push(w, w->gateways + 1));
        world_fetch(w, g);
        world_run(w, g);
        world_content(w, g, 3);
        world_run(w, g);
        leave(w, g);
        assert_int_equal(access(root, F_OK), -1);
        /* And does not miss it. */
        world_open(w, g);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

static void versions_that_are_nowhere_else_stay(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *staging = staging_path(g, "");
        SyncOid old, new;
        ContentArea area;
        int fd;

        world_write(w, g, "a", 100);
        world_run(w, g);
        old = sync_tree_find(g->folder->index, "a")->oid;
        world_write(w, g, "a", 101);
        world_let_settle(g, "a");
        world_run(w, g);
        new = sync_tree_find(g->folder->index, "a")->oid;
        stage(g, "kept-0", NULL);
        leave(w, g);
        assert_true(is_staged(g, "kept-0"));
        assert_false(is_staged(g, "content"));
        fd = open(staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(content_area_open(&area, fd, 0), 0);
        assert_int_equal(content_pending_has(&area, &old), 1);
        assert_int_equal(content_pending_has(&area, &new), 0);
        content_area_close(&area);
        close(fd);
        world_open(w, g);
        world_free(w);
}

static void what_another_instance_has_is_left_alone(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *marker = staging_path(g, "marker");

        world_write(w, g, "a", 100);
        world_run(w, g);
        assert_int_equal(folder_save_index(g->folder), 0);
        assert_int_equal(folder_leave(g->state, g->path), -EWOULDBLOCK);
        assert_true(is_staged(g, "content") && is_staged(g, "marker"));
        world_settle(w);
        /* Nor that of another disk. */
        world_close(w, g);
        assert_int_equal(unlink(marker), 0);
        assert_int_equal(folder_leave(g->state, g->path), 0);
        assert_true(is_staged(g, "content"));
        world_open(w, g);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_kept_aside_goes_when_main_has_it),
                cmocka_unit_test(what_somebody_writes_to_stays),
                cmocka_unit_test(what_was_replaced_goes_when_main_has_it),
                cmocka_unit_test(what_no_journal_tells_of_is_kept_aside),
                cmocka_unit_test(an_instance_that_is_gone_leaves_nothing),
                cmocka_unit_test(versions_that_are_nowhere_else_stay),
                cmocka_unit_test(what_another_instance_has_is_left_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
