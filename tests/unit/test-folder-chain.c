/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commits that main does not have yet: what they are, in what order, and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)

static void small_files_do_not_wait_for_large_ones(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        SyncEntry e;
        git_oid main;

        world_write(w, g, "large", 20 * MIB);
        world_run(w, g);
        world_write(w, g, "small", 100);
        world_run(w, g);
        assert_true(world_push(w, g));
        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &main), 0);
        assert_int_equal(git_store_find_entry(w->server, &main, "small", &e), 0);
        assert_int_equal(git_store_find_entry(w->server, &main, "large", &e), -ENOENT);
        assert_true(world_push(w, g));
        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &main), 0);
        assert_int_equal(git_store_find_entry(w->server, &main, "large", &e), 0);
        assert_true(git_oid_is_zero(&g->push));
        world_free(w);
}

static void every_version_is_kept_while_main_is_away(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;

        for (unsigned i = 0; i < 5; i++) {
                world_write(w, g, "a", 100 + i);
                world_write(w, g, "large", 2 * MIB + i);
                world_run(w, g);
        }
        /* Others were faster. */
        world_write(w, w->gateways + 1, "b", 100);
        world_run(w, w->gateways + 1);
        assert_true(world_push(w, w->gateways + 1));
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        assert_false(w->gateways[0].conflict);
        world_free(w);
}

/* Gone in one commit with all that was in it, it does not come back by the next one, nor as something else. */
static void a_directory_that_went_stays_away(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        git_oid first;

        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        assert_int_equal(mkdirat(g->root_fd, "d/e", 0755), 0);
        world_write(w, g, "d/a", 100);
        world_write(w, g, "d/e/b", 100);
        world_write(w, g, "c", 100);
        world_settle(w);

        world_write(w, g, "d/a", 101);
        world_run(w, g);
        assert_int_equal(unlinkat(g->root_fd, "d/a", 0), 0);
        assert_int_equal(unlinkat(g->root_fd, "d/e/b", 0), 0);
        assert_int_equal(unlinkat(g->root_fd, "d/e", AT_REMOVEDIR), 0);
        assert_int_equal(unlinkat(g->root_fd, "d", AT_REMOVEDIR), 0);
        world_run(w, g);
        first = g->push;
        world_run(w, g);
        assert_true(git_oid_equal(&first, &g->push));
        world_write(w, g, "d", 100);
        world_run(w, g);
        assert_int_equal(unlinkat(g->root_fd, "d", 0), 0);
        world_write(w, g, "c", 101);
        world_run(w, g);
        assert_false(git_oid_equal(&first, &g->push));
        world_settle(w);
        assert_int_equal(faccessat(w->gateways[1].root_fd, "d", F_OK, 0), -1);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

/* It takes nothing with it that it did not have here. */
static void what_comes_into_a_directory_that_went_stays(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways, *other = w->gateways + 1;

        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        assert_int_equal(mkdirat(g->root_fd, "d/e", 0755), 0);
        world_write(w, g, "d/a", 100);
        world_write(w, g, "d/e/b", 100);
        world_write(w, g, "d/e/c", 100);
        world_settle(w);

        assert_int_equal(renameat(g->root_fd, "d", g->root_fd, "f"), 0);
        world_run(w, g);
        /* Here again, before main has heard of anything ... */
        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        world_write(w, g, "d/mine", 100);
        world_run(w, g);
        /* ... and there, where it never went. */
        world_write(w, other, "d/e/new", 100);
        world_write(w, other, "d/e/b", 101);
        world_run(w, other);
        assert_true(world_push(w, other));
        assert_false(world_push(w, g));
        world_settle(w);
        for (unsigned i = 0; i < 2; i++) {
                int fd = w->gateways[i].root_fd;

                assert_int_equal(faccessat(fd, "d/mine", F_OK, 0), 0);
                assert_int_equal(faccessat(fd, "d/e/new", F_OK, 0), 0);
                assert_int_equal(faccessat(fd, "d/e/b", F_OK, 0), 0);
                assert_int_equal(faccessat(fd, "f/e/b", F_OK, 0), 0);
                assert_int_equal(faccessat(fd, "d/a", F_OK, 0), -1);
                assert_int_equal(faccessat(fd, "d/e/c", F_OK, 0), -1);
        }
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

/* A large file that is renamed with its directory is nothing new: it has no commit of its own. */
static void a_directory_is_renamed_in_one_commit(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        git_oid main, parent;

        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        world_write(w, g, "d/large", 5 * MIB);
        world_write(w, g, "d/small", 100);
        world_let_settle(g, "d/large");
        world_settle(w);
        main = world_main(w->server);
        assert_int_equal(renameat(g->root_fd, "d", g->root_fd, "e"), 0);
        world_run(w, g);
        assert_int_equal(git_store_commit_parent(folder_store(g->folder), &g->push, &parent), 0);
        assert_true(git_oid_equal(&parent, &main));
        assert_true(world_push(w, g));
        assert_true(git_oid_is_zero(&g->push));
        world_free(w);
}

static void a_push_of_which_nobody_heard_is_not_made_again(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        SyncRevision revision;

        /* Two versions of the one, and something larger that is not pushed with them. */
        world_write(w, g, "a", 100);
        world_run(w, g);
        world_write(w, g, "a", 101);
        world_write(w, g, "large", 9 * MIB);
        world_run(w, g);
        assert_true(world_push_unheard(w, g));
        world_restart(w, g);
        /* Others go on from there. */
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        git_oid main = world_main(w->server);
        assert_int_equal(folder_revision(g->folder, &main, &revision), 0);
        assert_int_equal(revision.n, 3);
        world_free(w);
}

/* Killed behind the push, before its commit was durable; and what it pushed was replaced by something else of the
 * user's before the folder was looked at again. */
static void a_kill_behind_a_push_makes_no_collision(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;

        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        world_write(w, g, "d/a", 100);
        world_write(w, g, "b", 100);
        world_settle(w);
        world_write(w, g, "d/a", 101);
        world_write(w, g, "b", 101);
        assert_true(world_run_unfinished(w, g));
        world_see(w, g);
        assert_true(world_push_unheard(w, g));
        assert_int_equal(unlinkat(g->root_fd, "d/a", 0), 0);
        assert_int_equal(unlinkat(g->root_fd, "d", AT_REMOVEDIR), 0);
        world_write(w, g, "d", 100);
        world_write(w, g, "b", 102);
        world_restart(w, g);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        assert_int_equal(w->n_conflicts, 0);
        world_free(w);
}

static bool has_path(World *w, WorldGateway *g, const git_oid *commit, const char *path) {
        SyncEntry e;
        int r = git_store_find_entry(folder_store(g->folder), commit, path, &e);

        assert_true(r == 0 || r == -ENOENT);
        return r == 0;
}

static void what_main_refuses_is_in_no_commit_that_is_pushed(void **state) {
        const SyncRefusal refused = { .path = "bad" };
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        git_oid none = {};
        git_oid at;

        /* In the first commit, and overwritten since; what is good has an older version, too. */
        world_write(w, g, "bad", 100);
        world_write(w, g, "good", 100);
        world_run(w, g);
        world_write(w, g, "bad", 101);
        world_write(w, g, "good", 101);
        world_run(w, g);
        g->refused = &refused;
        g->n_refused = 1;
        w->tolerant = true;
        world_run(w, g);
        assert_true(g->words & UINT64_C(1) << SYNC_WORD_BAD_ENTRY);
        w->tolerant = false;
        for (at = g->push; !git_oid_equal(&at, &none);) {
                assert_false(has_path(w, g, &at, "bad"));
                assert_int_equal(git_store_commit_parent(folder_store(g->folder), &at, &at), 0);
        }
        assert_true(has_path(w, g, &g->push, "good"));
        assert_true(world_push(w, g));
        assert_int_equal(world_count_lost(w), 2);
        /* Once it may, it goes to main. */
        g->n_refused = 0;
        world_settle(w);
        at = world_main(w->server);
        assert_true(has_path(w, g, &at, "bad"));
        world_free(w);
}

/* As many as can be left out at all, each the only version that is refused at its path. */
static void many_that_main_refuses_hold_up_nothing_else(void **state) {
        char paths[SYNC_POISON_MAX][sizeof("bad999")];
        SyncRefusal refused[SYNC_POISON_MAX];
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        git_oid at;

        for (unsigned i = 0; i < ELEMENTSOF(refused); i++) {
                (void) snprintf(paths[i], sizeof(paths[i]), "bad%u", i % 1000);
                world_write(w, g, paths[i], 10);
        }
        world_write(w, g, "good", 10);
        world_run(w, g);
        for (unsigned i = 0; i < ELEMENTSOF(refused); i++)
                refused[i] = (SyncRefusal) { sync_tree_find(g->folder->index, paths[i])->oid, paths[i] };
        g->refused = refused;
        g->n_refused = ELEMENTSOF(refused);
        w->tolerant = true;
        for (unsigned i = 0; i < 2; i++) {
                world_run(w, g);
                assert_true(world_push(w, g));
                at = world_main(w->server);
                assert_true(has_path(w, g, &at, i == 0 ? "good" : "another"));
                for (unsigned k = 0; k < ELEMENTSOF(refused); k++)
                        assert_false(has_path(w, g, &at, paths[k]));
                world_write(w, g, "another", 10);
        }
        world_free(w);
}

static bool has_snapshot(WorldGateway *g, const char *path) {
        Folder *f = g->folder;

        return content_pending_has(&f->content, &sync_tree_find(f->index, path)->oid) > 0;
}

static void a_snapshot_goes_when_no_commit_needs_it(void **state) {
        static const char *const names[] = { "a", "b", "c", "d", "e" };
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;

        for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                world_write(w, g, names[i], 9 * MIB + i);
        world_run(w, g);
        for (unsigned landed = 0; landed < ELEMENTSOF(names); landed++) {
                for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                        assert_int_equal(has_snapshot(g, names[i]), i >= landed);
                /* The worker may be another one. */
                if (landed == 2) {
                        world_restart(w, g);
                        world_run(w, g);
                }
                assert_true(world_push(w, g));
        }
        assert_true(git_oid_is_zero(&g->push));
        assert_false(has_snapshot(g, "e"));
        /* What was added behind is a chain of its own. */
        world_write(w, g, "a", 9 * MIB + 7);
        world_write(w, g, "b", 9 * MIB + 8);
        world_run(w, g);
        assert_true(world_push(w, g));
        world_write(w, g, "c", 9 * MIB + 9);
        world_run(w, g);
        assert_false(has_snapshot(g, "a"));
        assert_true(has_snapshot(g, "b") && has_snapshot(g, "c"));
        world_settle(w);
        assert_false(has_snapshot(g, "b") || has_snapshot(g, "c"));
        world_check_ledger(w);
        world_free(w);
}

/* The version that the commit has at the path. */
static SyncOid version_at(WorldGateway *g, const git_oid *commit, const char *path) {
        SyncEntry e;

        assert_int_equal(git_store_find_entry(folder_store(g->folder), commit, path, &e), 0);
        return e.oid;
}

static void a_refused_old_version_is_left_out_alone(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        SyncRefusal refused = { .path = "bad" };
        SyncOid newest, at_tip;
        git_oid at;

        world_write(w, g, "bad", 100);
        world_write(w, g, "good", 100);
        world_run(w, g);
        refused.version = version_at(g, &g->push, "bad");
        world_write(w, g, "bad", 101);
        world_run(w, g);
        world_write(w, g, "bad", 102);
        world_run(w, g);
        newest = version_at(g, &g->push, "bad");
        g->refused = &refused;
        g->n_refused = 1;
        g->words = 0;
        world_run(w, g);
        assert_true(g->words & UINT64_C(1) << SYNC_WORD_BAD_ENTRY);
        at_tip = version_at(g, &g->push, "bad");
        assert_true(sync_oid_equal(&at_tip, &newest));
        /* All others are in the history, in their order. */
        for (at = g->push; !git_oid_is_zero(&at);) {
                if (has_path(w, g, &at, "bad")) {
                        SyncOid version = version_at(g, &at, "bad");

                        assert_false(sync_oid_equal(&version, &refused.version));
                }
                assert_int_equal(git_store_commit_parent(folder_store(g->folder), &at, &at), 0);
        }
        assert_true(world_push(w, g));
        assert_int_equal(world_count_lost(w), 1);
        g->n_refused = 0;
        world_settle(w);
        world_check_equal(w);
        assert_int_equal(world_count_lost(w), 1);
        world_free(w);
}

static void set_attribute(const WorldGateway *g, const char *name, size_t size) {
        _cleanup_free_ char *path = strfmt("%s/a", g->path), *value = calloc(1, size);

        assert_int_equal(setxattr(path, name, value, size, 0), 0);
}

static ssize_t attribute_size(const WorldGateway *g, const char *name) {
        _cleanup_free_ char *path = strfmt("%s/a", g->path);

        return getxattr(path, name, NULL, 0);
}

static void attributes_travel_up_to_a_size(void **state) {
        World *w = world_new(2, 1);

        world_write(w, w->gateways, "a", 100);
        set_attribute(w->gateways, "user.large", FOLDER_XATTR_MAX + 1);
        set_attribute(w->gateways, "user.largest", FOLDER_XATTR_MAX);
        set_attribute(w->gateways, "user.small", 10);
        world_settle(w);
        assert_int_equal(attribute_size(w->gateways + 1, "user.small"), 10);
        assert_int_equal(attribute_size(w->gateways + 1, "user.largest"), FOLDER_XATTR_MAX);
        assert_int_equal(attribute_size(w->gateways + 1, "user.large"), -1);
        assert_int_equal(attribute_size(w->gateways, "user.large"), FOLDER_XATTR_MAX + 1);
        world_free(w);
}

/* System calls of this process that read. */
static unsigned long count_reads(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/io", "re");
        unsigned long n;

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*s %*u %*s %*u syscr: %lu", &n), 1);
        return n;
}

static void a_long_chain_makes_no_run_longer(void **state) {
        enum { FEW = 20, MANY = 300 };
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        char *const paths[] = { (char *) "a", NULL };
        FolderRequest request = { .gateway_name = g->name, .paths = paths };
        unsigned long reads = 0, few = 0;
        FolderResult result;

        world_write(w, g, "b", 100);
        world_settle(w);
        for (unsigned i = 1; i <= MANY; i++) {
                world_write(w, g, "a", 100 + i);
                reads = count_reads();
                assert_int_equal(folder_run(g->folder, &request, &result), 0);
                reads = count_reads() - reads;
                if (i == FEW)
                        few = reads;
                if (i == FEW || i == MANY)
                        world_check_told(g, &result);
                g->push = result.push;
                folder_result_clear(&result);
                assert_int_equal(folder_finish_run(g->folder), 0);
                world_see(w, g);
        }
        assert_int_equal(g->folder->chain.n, MANY);
        assert_true(reads < 2 * few);
        /* One that did not make it reads all of it, once. */
        world_restart(w, g);
        world_settle(w);
        world_check_ledger(w);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(attributes_travel_up_to_a_size),
                cmocka_unit_test(small_files_do_not_wait_for_large_ones),
                cmocka_unit_test(every_version_is_kept_while_main_is_away),
                cmocka_unit_test(a_directory_that_went_stays_away),
                cmocka_unit_test(what_comes_into_a_directory_that_went_stays),
                cmocka_unit_test(a_directory_is_renamed_in_one_commit),
                cmocka_unit_test(a_push_of_which_nobody_heard_is_not_made_again),
                cmocka_unit_test(a_kill_behind_a_push_makes_no_collision),
                cmocka_unit_test(what_main_refuses_is_in_no_commit_that_is_pushed),
                cmocka_unit_test(many_that_main_refuses_hold_up_nothing_else),
                cmocka_unit_test(a_refused_old_version_is_left_out_alone),
                cmocka_unit_test(a_snapshot_goes_when_no_commit_needs_it),
                cmocka_unit_test(a_long_chain_makes_no_run_longer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
