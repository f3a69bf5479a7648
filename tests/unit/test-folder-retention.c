/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gateways whose main was rewritten on the storage host, because old versions expired. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/folder-history.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

/* No version is kept but the newest. */
#define EVERYTHING UINT32_MAX

static void synchronize(World *w, WorldGateway *g) {
        world_fetch(w, g);
        world_run(w, g);
        for (; g->missing; world_run(w, g))
                world_content(w, g, SIZE_MAX);
        while (!git_oid_is_zero(&g->push))
                assert_true(world_push(w, g));
}

static void write_and_push(World *w, WorldGateway *g, const char *path) {
        world_write(w, g, path, 100);
        synchronize(w, g);
}

static void expire_everything(World *w) {
        /* A chance of one in so many: these tests make few versions, and their numbers are not drawn. */
        world_thin(w, 1, EVERYTHING);
}

static bool has(const WorldGateway *g, const char *path) {
        return faccessat(g->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static uint64_t count_main(GitStore *store) {
        git_oid tip = world_main(store), counted = {};
        uint64_t n = 0;

        assert_int_equal(git_store_history_length(store, &tip, &counted, &n), 0);
        return n;
}

/* a, b and a again; the second gateway has the first of these versions. */
static World *make_world(void) {
        World *w = world_new(2, 1);

        write_and_push(w, w->gateways, "a");
        synchronize(w, w->gateways + 1);
        write_and_push(w, w->gateways, "b");
        write_and_push(w, w->gateways, "a");
        return w;
}

static void a_gateway_that_was_away_goes_on(void **state) {
        World *w = make_world();
        WorldGateway *g = w->gateways + 1;

        expire_everything(w);
        world_settle(w);
        world_check_equal(w);
        assert_true(has(g, "b"));
        assert_false(g->conflict);
        assert_int_equal(count_main(w->server), 3);
        git_oid tip = world_main(w->server);
        assert_true(git_oid_equal(&g->folder->base_commit, &tip));
        world_free(w);
}

static void what_was_deleted_meanwhile_does_not_come_back(void **state) {
        World *w = make_world();
        WorldGateway *g = w->gateways, *away = w->gateways + 1;

        assert_int_equal(unlinkat(g->root_fd, "a", 0), 0);
        synchronize(w, g);
        expire_everything(w);
        world_restart(w, away);
        world_settle(w);
        world_check_equal(w);
        assert_false(has(away, "a"));
        world_free(w);
}

static void what_was_deleted_here_meanwhile_goes_there(void **state) {
        World *w = make_world();
        WorldGateway *g = w->gateways, *away = w->gateways + 1;

        write_and_push(w, g, "c");
        synchronize(w, away);
        write_and_push(w, g, "d");
        assert_int_equal(unlinkat(away->root_fd, "c", 0), 0);
        expire_everything(w);
        world_settle(w);
        world_check_equal(w);
        assert_false(has(g, "c"));
        assert_true(has(g, "d"));
        world_free(w);
}

static void versions_that_wait_are_pushed(void **state) {
        World *w = make_world();
        WorldGateway *away = w->gateways + 1;

        for (unsigned i = 0; i < 3; i++) {
                world_write(w, away, "mine", 100);
                world_run(w, away);
        }
        expire_everything(w);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        assert_false(away->conflict);
        assert_true(count_main(w->server) > 3);
        world_free(w);
}

static void a_change_on_both_sides_is_a_collision_still(void **state) {
        World *w = make_world();
        WorldGateway *away = w->gateways + 1;

        world_write(w, away, "a", 100);
        expire_everything(w);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        assert_true(away->conflict);
        world_free(w);
}

static void a_push_of_which_nobody_heard_is_not_made_again(void **state) {
        World *w = make_world();
        WorldGateway *g = w->gateways;

        /* Two versions, then another one on top, which goes alone. */
        for (unsigned i = 0; i < 2; i++) {
                world_write(w, g, "a", 100);
                world_run(w, g);
        }
        assert_true(world_push_unheard(w, g));
        expire_everything(w);
        world_write(w, g, "c", 100);
        world_restart(w, g);
        world_settle(w);
        world_check_equal(w);
        assert_false(g->conflict);
        assert_int_equal(count_main(w->server), 6);
        world_free(w);
}

static void it_may_happen_again_and_again(void **state) {
        World *w = make_world();

        for (unsigned i = 0; i < 3; i++) {
                expire_everything(w);
                write_and_push(w, w->gateways, "a");
        }
        expire_everything(w);
        world_settle(w);
        world_check_equal(w);
        assert_false(w->gateways[1].conflict);
        assert_int_equal(count_main(w->server), 6);
        world_free(w);
}

static void versions_that_expired_are_not_listed(void **state) {
        World *w = make_world();
        WorldGateway *g = w->gateways;
        FolderHistory h = {};

        expire_everything(w);
        world_settle(w);
        assert_int_equal(folder_list_versions(g->folder, "a", NULL, 10, &h), 0);
        assert_int_equal(h.n, 1);
        git_oid tip = world_main(w->server);
        assert_true(git_oid_equal(&h.items[0].commit, &tip));
        folder_history_clear(&h);
        world_free(w);
}

static void the_store_forgets_the_old_history(void **state) {
        World *w = make_world();
        WorldGateway *g = w->gateways + 1;
        git_oid old = g->folder->base_commit;

        expire_everything(w);
        synchronize(w, g);
        /* Until it is pruned; much is to be pruned then. */
        for (unsigned i = 0; git_store_has(folder_store(g->folder), &old); i++) {
                _cleanup_free_ char *garbage = calloc(1, 1 << 16);
                git_oid id;

                assert_true(i < 1000);
                assert_int_equal(git_store_sync(folder_store(g->folder)), 0);
                for (size_t j = 0; j < 1 << 16; j++)
                        garbage[j] = (char) world_random(w, 256);
                assert_int_equal(
                                git_store_write(folder_store(g->folder), GIT_OBJECT_BLOB, garbage, 1 << 16, &id), 0);
                write_and_push(w, g, "c");
                assert_int_equal(git_store_prune(folder_store(g->folder)), 0);
        }
        world_restart(w, g);
        world_settle(w);
        world_check_equal(w);
        world_free(w);
}

/* --- what is no retention --- */

static void a_main_that_went_back_is_none(void **state) {
        World *w = make_world();
        GitStore *store = folder_store(w->gateways[0].folder);
        git_oid tip = world_main(store), before, first;

        assert_int_equal(git_store_commit_parent(store, &tip, &before), 0);
        assert_int_equal(git_store_commit_parent(store, &before, &first), 0);
        assert_int_equal(git_store_check_succession(store, &tip, &before), -EXDEV);
        assert_int_equal(git_store_check_succession(store, &first, &tip), 0);

        /* A rewritten main that ends earlier, one of another length, and one that begins otherwise. */
        expire_everything(w);
        git_oid rewritten = world_main(w->server), shorter;
        world_fetch(w, w->gateways);
        assert_int_equal(git_store_check_succession(store, &tip, &rewritten), 0);
        assert_int_equal(git_store_check_succession(store, &rewritten, &tip), 0);
        assert_int_equal(git_store_commit_parent(store, &rewritten, &shorter), 0);
        assert_int_equal(git_store_check_succession(store, &tip, &shorter), -EXDEV);
        assert_int_equal(git_store_check_succession(store, &before, &shorter), 0);
        world_free(w);
}

static git_oid claim(GitStore *store, const git_oid *like, const git_oid *parent, const git_oid *original) {
        char message[64] = "1 change", hex[GIT_OID_HEXSZ + 1];
        GitStoreCommit c = { .parent = *parent, .author = "gw1", .message = message };
        git_oid ret;

        if (original)
                (void) snprintf(message, sizeof(message), "x\n\nOriginal: %s",
                                git_oid_tostr(hex, sizeof(hex), original));
        assert_int_equal(git_store_commit_tree(store, like, &c.tree), 0);
        assert_int_equal(git_store_write_commit(store, &c, &ret), 0);
        return ret;
}

static void another_repository_is_none(void **state) {
        World *w = make_world();
        GitStore *store = folder_store(w->gateways[0].folder);
        git_oid tip = world_main(store), before, first, none = {}, a, b, c;

        assert_int_equal(git_store_commit_parent(store, &tip, &before), 0);
        assert_int_equal(git_store_commit_parent(store, &before, &first), 0);
        /* The same number, and nothing else. */
        a = claim(store, &tip, &none, NULL);
        b = claim(store, &tip, &a, NULL);
        c = claim(store, &tip, &b, NULL);
        assert_int_equal(git_store_check_succession(store, &tip, &c), -EXDEV);
        /* The same version in a history that began with another commit. */
        c = claim(store, &tip, &b, &tip);
        assert_int_equal(git_store_check_succession(store, &tip, &c), -EXDEV);
        /* At another number. */
        a = claim(store, &tip, &none, &first);
        b = claim(store, &tip, &a, &tip);
        assert_int_equal(git_store_check_succession(store, &tip, &b), -EXDEV);
        c = claim(store, &tip, &b, &tip);
        assert_int_equal(git_store_check_succession(store, &tip, &c), 0);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_gateway_that_was_away_goes_on),
                cmocka_unit_test(what_was_deleted_meanwhile_does_not_come_back),
                cmocka_unit_test(what_was_deleted_here_meanwhile_goes_there),
                cmocka_unit_test(versions_that_wait_are_pushed),
                cmocka_unit_test(a_change_on_both_sides_is_a_collision_still),
                cmocka_unit_test(a_push_of_which_nobody_heard_is_not_made_again),
                cmocka_unit_test(it_may_happen_again_and_again),
                cmocka_unit_test(versions_that_expired_are_not_listed),
                cmocka_unit_test(the_store_forgets_the_old_history),
                cmocka_unit_test(a_main_that_went_back_is_none),
                cmocka_unit_test(another_repository_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
