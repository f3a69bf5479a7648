/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are still to be read, together with what else happens in the folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)
#define RUNS_MAX 200U

static bool always(void *userdata) {
        return true;
}

/* Of a large file each run reads one chunk. */
static void let_wait(WorldGateway *g) {
        g->folder->read_min_msec = 0;
        folder_set_waits(g->folder, always, NULL);
}

/* A run that looks at the path, or (NULL) at everything; more deletions than that are held, 0: none is. */
static SyncTreeResult run(WorldGateway *g, const char *path, uint32_t max_delete_count) {
        char *const paths[] = { (char *) path, NULL };
        FolderRequest request = {
                .gateway_name = g->name,
                .full = !path,
                .paths = path ? (char **) paths : NULL,
                .max_delete_count = max_delete_count,
        };
        SyncTreeResult outcome;
        FolderResult result;

        assert_int_equal(folder_run(g->folder, &request, &result), 0);
        outcome = result.outcome;
        g->push = outcome.candidate ? result.push : (git_oid) {};
        folder_result_clear(&result);
        assert_int_equal(folder_finish_run(g->folder), 0);
        return outcome;
}

static void many_files_that_move_are_no_deletions(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        SyncTreeResult r;
        unsigned n = 0;

        assert_int_equal(mkdirat(g->root_fd, "videos", 0755), 0);
        for (unsigned i = 0; i < 4; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "videos/%u", i);
                world_write(w, g, name, 2 * MIB + i);
        }
        world_settle(w);
        let_wait(g);
        assert_int_equal(renameat(g->root_fd, "videos", g->root_fd, "films"), 0);
        do {
                r = run(g, NULL, 2);
                assert_int_equal(r.word, SYNC_WORD_NONE);
                assert_true(n++ < RUNS_MAX);
        } while (r.rest);
        assert_true(n > 4);
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_equal(w);
        world_free(w);
}

static void deletions_that_are_no_moves_are_held_though_something_is_to_be_read(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        SyncTreeResult r;

        for (unsigned i = 0; i < 4; i++)
                world_write(w, g, (char[]) { (char) ('a' + i), 0 }, 100);
        /* Of another size: it may have to be read once more, too. */
        world_write(w, g, "stays", 200);
        world_settle(w);
        let_wait(g);
        world_write(w, g, "large", 9 * MIB);
        for (unsigned i = 0; i < 4; i++)
                assert_int_equal(unlinkat(g->root_fd, (char[]) { (char) ('a' + i), 0 }, 0), 0);
        r = run(g, NULL, 2);
        assert_true(r.rest && r.halted);
        assert_int_equal(r.word, SYNC_WORD_MASS_DELETE);
        world_free(w);
}

/* What was in the directory may have moved to what is to be read, but cannot stay where it was. */
static void a_directory_becomes_a_file_while_something_is_to_be_read(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        SyncTreeResult r;
        unsigned n = 0;

        assert_int_equal(mkdirat(g->root_fd, "a", 0755), 0);
        assert_int_equal(mkdirat(g->root_fd, "a/d", 0755), 0);
        world_write(w, g, "a/b", 100);
        world_write(w, g, "a/d/c", 100);
        world_settle(w);
        let_wait(g);
        world_write(w, g, "large", 9 * MIB);
        assert_true(run(g, "large", 0).rest);
        assert_int_equal(renameat(g->root_fd, "a", g->root_fd, "moved"), 0);
        world_write(w, g, "a", 100);
        r = run(g, "a", 0);
        assert_true(r.rest && r.candidate);
        while (run(g, "none", 0).rest) {
                assert_true(n++ < RUNS_MAX);
                if (!git_oid_is_zero(&g->push))
                        assert_true(world_push(w, g));
        }
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

static void what_changes_faster_than_it_is_read_gets_a_version_and_holds_up_no_other(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        unsigned n = 0;
        SyncEntry e;

        world_write(w, g, "first", 100);
        world_settle(w);
        /* One part of it in each run, and ten minutes of that. */
        g->folder->slice_msec = -1;
        g->folder->busy_sec = -1;
        world_write(w, g, "b", 3 * MIB);
        do {
                world_write(w, g, "a", 5 * MIB);
                (void) run(g, NULL, 0);
                assert_true(n++ < RUNS_MAX);
                if (!git_oid_is_zero(&g->push))
                        assert_true(world_push(w, g));
        } while (git_store_find_entry(w->server, &(git_oid[]) { world_main(w->server) }[0], "a", &e) < 0 ||
                 git_store_find_entry(w->server, &(git_oid[]) { world_main(w->server) }[0], "b", &e) < 0);
        world_free(w);
}

static void what_others_come_before_is_not_begun_anew(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        unsigned n = 0;

        (void) run(g, NULL, 0);
        let_wait(g);
        world_write(w, g, "large", 5 * MIB);
        assert_true(run(g, "large", 0).rest);
        do {
                world_write(w, g, "a", 100);
                world_write(w, g, "b", 100);
                /* There is no time for the large one. */
                assert_true(run(g, "b", 0).rest);
                assert_non_null(g->folder->hash.reading);
                world_let_settle(g, "b");
                assert_true(n++ < RUNS_MAX);
        } while (run(g, "b", 0).rest && run(g, "none", 0).rest);
        world_free(w);
}

static bool candidate_has(WorldGateway *g, const char *path) {
        git_oid tip;
        SyncEntry e;

        assert_int_equal(git_store_get_reference(folder_store(g->folder), GIT_STORE_CANDIDATE, &tip), 0);
        return git_store_find_entry(folder_store(g->folder), &tip, path, &e) == 0;
}

static void what_is_to_be_pushed_is_not_taken_back_while_it_is_read_again(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;

        world_write(w, g, "gone", 100);
        world_settle(w);
        world_write(w, g, "large", 5 * MIB);
        assert_int_equal(unlinkat(g->root_fd, "gone", 0), 0);
        assert_true(run(g, NULL, 0).candidate);
        assert_true(candidate_has(g, "large"));
        assert_false(candidate_has(g, "gone"));
        let_wait(g);
        world_write(w, g, "large", 5 * MIB);
        /* Of the size of what is gone, and not read in the first run, as the large one comes before it. */
        world_write(w, g, "later", 100);
        while (run(g, NULL, 0).rest) {
                assert_true(candidate_has(g, "large"));
                assert_false(candidate_has(g, "gone"));
        }
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_ledger(w);
        world_free(w);
}

static void nor_while_somebody_writes_to_it(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        int fd;

        world_write(w, g, "a", 100);
        assert_true(run(g, NULL, 0).candidate);
        fd = openat(g->root_fd, "a", O_RDWR | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "x", 1, 50), 1);
        assert_true(run(g, NULL, 0).again);
        assert_int_equal(sync_tree_find(g->folder->index, "a")->certainty, SYNC_BUSY);
        assert_true(candidate_has(g, "a"));
        close(fd);
        world_free(w);
}

static void what_is_still_to_be_read_is_not_in_use(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        FolderRequest request = { .gateway_name = g->name, .full = true };
        FolderResult result;

        world_write(w, g, "large", 2 * MIB);
        world_settle(w);
        assert_int_equal(unlinkat(g[1].root_fd, "large", 0), 0);
        (void) run(g + 1, NULL, 0);
        assert_true(world_push(w, g + 1));
        world_write(w, g, "large", 2 * MIB);
        world_let_settle(g, "large");
        let_wait(g);
        world_fetch(w, g);
        assert_int_equal(folder_run(g->folder, &request, &result), 0);
        assert_true(result.outcome.rest && result.outcome.unplaced);
        assert_int_equal(result.outcome.no_pull, SYNC_WORD_NONE);
        assert_string_equal(result.text, "still to be read: large");
        folder_result_clear(&result);
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

/* Conflict names in the commits that are to be pushed. */
static size_t count_copies(WorldGateway *g) {
        GitStore *store = folder_store(g->folder);
        size_t n = 0;
        git_oid at;

        assert_int_equal(git_store_get_reference(store, GIT_STORE_CANDIDATE, &at), 0);
        while (!git_oid_is_zero(&at)) {
                _cleanup_sync_tree_free_ SyncTree *t = NULL;

                assert_int_equal(git_store_read_tree(store, &at, &t), 0);
                SYNC_TREE_FOREACH(e, t)
                        n += strstr(e->path, g->name) != NULL;
                assert_int_equal(git_store_commit_parent(store, &at, &at), 0);
        }
        return n;
}

/* A run that has something to commit; true if more is to be read. */
static bool run_with_change(World *w, WorldGateway *g) {
        SyncTreeResult r;

        world_write(w, g, "small", 100);
        r = run(g, "small", 0);
        assert_true(r.candidate);
        return r.rest;
}

/* Somebody has it open for writing, so that each run reads it again. */
static void a_collision_that_waits_is_not_overwritten_by_being_read_again(void **state) {
        const struct timespec long_ago[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1000000000 } };
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        unsigned n = 0;
        int fd;

        world_write(w, g, "other", 100);
        world_settle(w);
        world_write(w, g + 1, "large", 2 * MIB);
        (void) run(g + 1, NULL, 0);
        assert_true(world_push(w, g + 1));
        world_write(w, g, "large", 2 * MIB);
        fd = openat(g->root_fd, "large", O_RDWR | O_CLOEXEC);
        assert_int_equal(futimens(fd, long_ago), 0);
        world_fetch(w, g);
        world_write(w, g, "small", 100);
        assert_true(run(g, NULL, 0).missing);
        world_see(w, g);
        assert_int_equal(sync_tree_find(g->folder->index, "large")->certainty, SYNC_RACY);
        assert_int_equal(sync_tree_size(g->folder->waiting), 1);
        let_wait(g);
        while (run_with_change(w, g)) {
                assert_int_equal(sync_tree_find(g->folder->index, "large")->certainty, SYNC_UNKNOWN);
                assert_int_equal(count_copies(g), 0);
                assert_true(n++ < RUNS_MAX);
        }
        assert_true(n > 1);
        assert_int_equal(count_copies(g), 0);
        /* If it turns out to be another one, the first one is not lost. */
        world_write(w, g, "large", 2 * MIB);
        assert_int_equal(futimens(fd, long_ago), 0);
        assert_true(run_with_change(w, g));
        /* Its snapshot outlasts the push of all else. */
        assert_true(world_push(w, g));
        while (run_with_change(w, g))
                assert_true(n++ < RUNS_MAX);
        assert_int_equal(count_copies(g), 1);
        close(fd);
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(many_files_that_move_are_no_deletions),
                cmocka_unit_test(deletions_that_are_no_moves_are_held_though_something_is_to_be_read),
                cmocka_unit_test(a_directory_becomes_a_file_while_something_is_to_be_read),
                cmocka_unit_test(what_is_to_be_pushed_is_not_taken_back_while_it_is_read_again),
                cmocka_unit_test(nor_while_somebody_writes_to_it),
                cmocka_unit_test(what_is_still_to_be_read_is_not_in_use),
                cmocka_unit_test(a_collision_that_waits_is_not_overwritten_by_being_read_again),
                cmocka_unit_test(what_others_come_before_is_not_begun_anew),
                cmocka_unit_test(what_changes_faster_than_it_is_read_gets_a_version_and_holds_up_no_other),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
