/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Large files that a user gives another name: committed at once, and read behind that. */
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

#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)
#define RUNS_MAX 200U
#define HOUR_MSEC INT64_C(3600000)

static char *const both_names[] = { (char *) "large", (char *) "renamed", NULL };
static char *const no_names[] = { NULL };

static bool always(void *userdata) {
        return true;
}

static const SyncEntry *find(const WorldGateway *g, const char *path) {
        return sync_tree_find(g->folder->index, path);
}

/* Two gateways that have a large file, which nothing more is to be said of. They take their time to read. */
static World *begin(void) {
        World *w = world_new(2, 1);

        for (unsigned i = 0; i < w->n_gateways; i++)
                w->gateways[i].folder->read_min_msec = w->gateways[i].folder->slice_msec = HOUR_MSEC;
        world_write(w, w->gateways, "large", 5 * MIB);
        world_let_settle(w->gateways, "large");
        world_settle(w);
        assert_int_equal(find(w->gateways, "large")->certainty, SYNC_SETTLED);
        return w;
}

static void rename_it(WorldGateway *g) {
        assert_int_equal(renameat(g->root_fd, "large", g->root_fd, "renamed"), 0);
}

/* Others write without moving the time. */
static void change_secretly(World *w, WorldGateway *g) {
        struct timespec times[2];
        struct stat st;

        assert_int_equal(fstatat(g->root_fd, "large", &st, 0), 0);
        world_write(w, g, "large", (size_t) st.st_size);
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        assert_int_equal(utimensat(g->root_fd, "large", times, 0), 0);
}

static void run(World *w, WorldGateway *g, char *const *paths) {
        g->paths = paths;
        world_run(w, g);
}

/* Runs until everything was read; returns how many it took. */
static unsigned run_to_the_end(World *w, WorldGateway *g) {
        unsigned n = 0;

        while (g->rest) {
                assert_true(n++ < RUNS_MAX);
                run(w, g, no_names);
        }
        return n;
}

static bool has_snapshot(WorldGateway *g, const SyncOid *oid) {
        return content_pending_has(&g->folder->content, oid) != 0;
}

static void check_end(World *w) {
        for (unsigned i = 0; i < w->n_gateways; i++)
                w->gateways[i].paths = NULL;
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        assert_int_equal(find(w->gateways, "renamed")->certainty, SYNC_SETTLED);
        world_free(w);
}

static void a_renamed_file_is_committed_before_it_is_read(void **state) {
        World *w = begin();
        WorldGateway *g = w->gateways;
        SyncOid oid = find(g, "large")->oid;
        uint64_t pushed = w->bytes_pushed;

        rename_it(g);
        run(w, g, both_names);
        assert_null(find(g, "large"));
        assert_true(sync_oid_equal(&find(g, "renamed")->oid, &oid));
        assert_int_equal(find(g, "renamed")->certainty, SYNC_RACY);
        assert_false(has_snapshot(g, &oid));
        assert_true(world_push(w, g));
        assert_int_equal(w->bytes_pushed, pushed);

        /* Then it is read, and nothing is left to be done. */
        assert_true(g->rest);
        assert_int_equal(run_to_the_end(w, g), 1);
        assert_int_equal(find(g, "renamed")->certainty, SYNC_SETTLED);
        assert_false(has_snapshot(g, &oid));
        assert_true(git_oid_is_zero(&g->push));
        check_end(w);
}

static void it_is_read_in_parts_without_a_snapshot(void **state) {
        World *w = begin();
        WorldGateway *g = w->gateways;
        SyncOid oid = find(g, "large")->oid;

        g->folder->read_min_msec = 0;
        folder_set_waits(g->folder, always, NULL);
        rename_it(g);
        run(w, g, both_names);
        assert_true(world_push(w, g));
        assert_true(run_to_the_end(w, g) > 5);
        assert_true(sync_oid_equal(&find(g, "renamed")->oid, &oid));
        assert_false(has_snapshot(g, &oid));
        assert_true(git_oid_is_zero(&g->push));
        check_end(w);
}

static void what_was_changed_secretly_before_is_found(void **state) {
        for (unsigned in_parts = 0; in_parts < 2; in_parts++) {
                World *w = begin();
                WorldGateway *g = w->gateways;
                SyncOid oid = find(g, "large")->oid;

                if (in_parts) {
                        g->folder->read_min_msec = 0;
                        folder_set_waits(g->folder, always, NULL);
                }
                change_secretly(w, g);
                rename_it(g);
                run(w, g, both_names);
                assert_true(sync_oid_equal(&find(g, "renamed")->oid, &oid));
                assert_true(world_push(w, g));
                (void) run_to_the_end(w, g);
                assert_false(sync_oid_equal(&find(g, "renamed")->oid, &oid));
                assert_true(has_snapshot(g, &find(g, "renamed")->oid));
                assert_false(git_oid_is_zero(&g->push));
                folder_set_waits(g->folder, NULL, NULL);
                check_end(w);
        }
}

/* Main's version comes before it was read: what main never had stays. */
static void what_was_changed_secretly_before_is_not_overwritten(void **state) {
        World *w = begin();
        WorldGateway *g = w->gateways, *other = w->gateways + 1;

        change_secretly(w, g);
        rename_it(g);
        run(w, g, both_names);
        assert_true(world_push(w, g));
        world_fetch(w, other);
        run(w, other, no_names);
        world_write(w, other, "renamed", 5 * MIB);
        run(w, other, both_names);
        assert_true(world_push(w, other));

        g->folder->read_min_msec = 0;
        folder_set_waits(g->folder, always, NULL);
        world_fetch(w, g);
        run(w, g, no_names);
        assert_int_equal(find(g, "renamed")->certainty, SYNC_UNKNOWN);
        folder_set_waits(g->folder, NULL, NULL);
        assert_int_equal(w->n_conflicts, 0);
        g->paths = NULL;
        other->paths = NULL;
        world_settle(w);
        assert_int_equal(w->n_conflicts, 1);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

static void what_has_another_time_or_name_is_read_at_once(void **state) {
        World *w = begin();
        WorldGateway *g = w->gateways;
        SyncOid oid = find(g, "large")->oid;

        world_write(w, g, "large", 5 * MIB);
        rename_it(g);
        world_let_settle(g, "renamed");
        run(w, g, both_names);
        assert_false(sync_oid_equal(&find(g, "renamed")->oid, &oid));
        assert_int_equal(find(g, "renamed")->certainty, SYNC_SETTLED);
        assert_false(g->rest);

        /* Whoever has the other name may write to it. */
        assert_int_equal(renameat(g->root_fd, "renamed", g->root_fd, "large"), 0);
        assert_int_equal(linkat(g->root_fd, "large", g->root_fd, "linked", 0), 0);
        world_let_settle(g, "large");
        run(w, g, both_names);
        assert_int_equal(find(g, "large")->certainty, SYNC_SETTLED);
        assert_false(g->rest);
        assert_int_equal(renameat(g->root_fd, "large", g->root_fd, "renamed"), 0);
        assert_int_equal(unlinkat(g->root_fd, "linked", 0), 0);
        check_end(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_renamed_file_is_committed_before_it_is_read),
                cmocka_unit_test(it_is_read_in_parts_without_a_snapshot),
                cmocka_unit_test(what_was_changed_secretly_before_is_found),
                cmocka_unit_test(what_was_changed_secretly_before_is_not_overwritten),
                cmocka_unit_test(what_has_another_time_or_name_is_read_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
