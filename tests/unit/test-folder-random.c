/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with several gateways and a main: anything that users, gateways and the operator do, in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-users.h"

/* --- gateways --- */

typedef struct Countdown {
        unsigned left;
} Countdown;

static void count_down(void *userdata) {
        Countdown *c = userdata;

        if (c->left-- == 0)
                _exit(0);
}

/* A run that is killed at one of its steps. */
static void crash(World *w, WorldGateway *g) {
        FolderRequest request = { .gateway_name = g->name, .full = true };
        Countdown countdown = { .left = world_random(w, 60) };
        FolderResult result = {};
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                g->folder->step = count_down;
                g->folder->step_userdata = &countdown;
                if (folder_run(g->folder, &request, &result) >= 0)
                        (void) folder_finish_run(g->folder);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        world_restart(w, g);
}

/* A user brings back what the gateway knows of main's history. */
static void restore(World *w, WorldGateway *g) {
        git_oid commit = world_main(folder_store(g->folder));
        FolderRestore q = { .path = "", .to = "", .gateway_name = g->name };
        bool again = true;

        for (unsigned back = world_random(w, 8); back > 0 && !git_oid_is_zero(&commit); back--)
                assert_int_equal(git_store_commit_parent(folder_store(g->folder), &commit, &commit), 0);
        if (git_oid_is_zero(&commit))
                return;
        q.commit = commit;
        for (unsigned i = 0; again && i < 100; i++) {
                FolderRestoreResult result = {};

                again = folder_restore(g->folder, &q, &result) >= 0 && result.bytes_missing > 0;
                if (again)
                        world_list_content(w, g, WANTED_RESTORE, SIZE_MAX);
                folder_restore_result_clear(&result);
        }
}

/* Entries that runs have left undecided. */
typedef struct Met {
        unsigned unread, barred, busy;
} Met;

static bool always(void *userdata) {
        return true;
}

/* Somebody waits for the end of the run, which reads a chunk of a large file; or it does not look at everything: the
 * rest will be told of later. */
static void run_in_part(World *w, WorldGateway *g, Met *met) {
        char *some[4] = {};
        bool waits = world_random(w, 2);

        if (world_random(w, 2)) {
                for (unsigned i = 0; i < ELEMENTSOF(some) - 1; i++)
                        some[i] = (char *) user_paths[world_random(w, USER_PATHS)];
                g->paths = some;
        }
        g->folder->read_min_msec = waits ? 0 : FOLDER_READ_MIN_MSEC;
        folder_set_waits(g->folder, waits ? always : NULL, NULL);
        world_run(w, g);
        SYNC_TREE_FOREACH(e, g->folder->index) {
                met->unread += sync_entry_is_unread(e);
                met->barred += e->certainty == SYNC_UNKNOWN && !sync_entry_is_unread(e);
                met->busy += e->certainty == SYNC_BUSY;
        }
}

/* met: as with odd entries; or NULL. */
static void step(World *w, WorldGateway *g, bool retention, Met *met) {
        if (retention && world_random(w, 8) == 0)
                world_thin(w, world_random(w, 4), 3);
        else if (retention && world_random(w, 8) == 0)
                restore(w, g);
        switch (world_random(w, 12)) {
        case 0:
        case 1:
                world_fetch(w, g);
                break;
        case 2:
        case 3:
                if (g->missing)
                        world_content(w, g, 1 + world_random(w, 3));
                break;
        case 4:
        case 5:
                if (!git_oid_is_zero(&g->push))
                        (void) world_push(w, g);
                break;
        case 6:
                crash(w, g);
                break;
        case 7:
                world_restart(w, g);
                break;
        default:
                if (met)
                        run_in_part(w, g, met);
                else
                        world_run(w, g);
        }
}

typedef struct Meanwhile {
        World *world;
        WorldGateway *gateway;
} Meanwhile;

static void meanwhile(void *userdata) {
        Meanwhile *m = userdata;

        user_act_meanwhile(m->world, m->gateway);
}

/* A run during which a user goes on. */
static void disturbed_run(World *w, WorldGateway *g) {
        FolderRequest request = { .gateway_name = g->name, .full = true };
        Meanwhile m = { .world = w, .gateway = g };
        size_t n_moved = g->folder->n_moved;
        FolderResult result = {};

        g->folder->step = meanwhile;
        g->folder->step_userdata = &m;
        assert_true(folder_run(g->folder, &request, &result) >= 0);
        g->folder->step = NULL;
        w->n_moved += g->folder->n_moved - n_moved;
        w->n_conflicts += result.conflicts.n;
        g->push = (git_oid) {};
        g->missing = result.outcome.missing;
        folder_result_clear(&result);
        assert_int_equal(folder_finish_run(g->folder), 0);
        world_see(w, g);
}

typedef enum Mode {
        MODE_ANYTHING,
        MODE_RETENTION, /* versions expire meanwhile */
        MODE_RENAMES,   /* there is a tree, and most of what users do is to rename something */
        MODE_ODD,       /* entries that cannot be read or never travel; in every fourth world versions expire, too */
} Mode;

static void act(World *w, WorldGateway *g, Mode mode, UserOpen *open) {
        if (mode == MODE_RENAMES)
                user_rearrange(w, g);
        else if (mode == MODE_ODD && world_random(w, 3) == 0)
                user_act_oddly(w, g, open);
        else
                user_act(w, g);
}

static void narrow_window(World *w, size_t max) {
        w->window = max;
        for (unsigned i = 0; i < w->n_gateways; i++)
                w->gateways[i].folder->window = max;
}

/* Returns how many files the gateways moved. */
static size_t anything(uint64_t seed, Mode mode, Met *met) {
        bool retention = mode == MODE_RETENTION || (mode == MODE_ODD && seed % 4 == 3);
        World *w = world_new(2 + seed % 2, seed);
        unsigned n_actions = 0;
        UserOpen open = {};
        size_t n_moved;

        w->odd = mode == MODE_ODD;
        if (seed % 3 == 0)
                narrow_window(w, 1 + seed % 4);
        if (mode == MODE_RENAMES)
                user_plant(w);
        for (unsigned i = 0; i < 120; i++) {
                WorldGateway *g = w->gateways + world_random(w, w->n_gateways);

                if (world_random(w, 2)) {
                        act(w, g, mode, &open);
                        n_actions++;
                } else if (mode == MODE_RENAMES && world_random(w, 8) == 0) {
                        disturbed_run(w, g);
                        /* Any of its steps may have been one. */
                        n_actions += 30;
                } else
                        step(w, g, retention, mode == MODE_ODD ? met : NULL);
                if (i % 60 == 59) {
                        user_make_ordinary(w, &open);
                        world_settle(w);
                        world_check_equal(w);
                        world_check_bounds(w, n_actions);
                }
        }
        world_check_ledger(w);
        n_moved = w->n_moved;
        world_free(w);
        return n_moved;
}

static void many_times(Mode mode) {
        const char *given = getenv("SEED"), *many = getenv("SEEDS");
        unsigned n = given ? 1 : many ? (unsigned) atoi(many) : 12;
        size_t n_moved = 0;
        Met met = {};

        for (unsigned i = 0; i < n; i++) {
                uint64_t seed = given ? strtoull(given, NULL, 10) : i + 1;

                print_message("SEED=%llu\n", (unsigned long long) seed);
                n_moved += anything(seed, mode, &met);
        }
        print_message("%zu files were moved; undecided: %u to be read, %u that cannot be, %u in use\n",
                      n_moved, met.unread, met.barred, met.busy);
        assert_true(mode != MODE_RENAMES || given || n_moved > n);
        assert_true(mode != MODE_ODD || given || (met.unread > 0 && met.barred > 0 && met.busy > 0));
}

static void anything_in_any_order(void **state) {
        many_times(MODE_ANYTHING);
}

static void anything_while_versions_expire(void **state) {
        many_times(MODE_RETENTION);
}

static void anything_that_is_renamed(void **state) {
        many_times(MODE_RENAMES);
}

/* Hard links, pipes, files in use, or without permissions, or too large to be read at once. */
static void anything_with_odd_entries(void **state) {
        world_obey_permissions();
        many_times(MODE_ODD);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(anything_in_any_order),
                cmocka_unit_test(anything_while_versions_expire),
                cmocka_unit_test(anything_that_is_renamed),
                cmocka_unit_test(anything_with_odd_entries),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
