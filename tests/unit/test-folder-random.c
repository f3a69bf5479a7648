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
#include "tests/unit/folder-world.h"

#define MIB (1U << 20)

static void act(World *w, WorldGateway *g) {
        static const char *const paths[] = { "a", "b", "d", "d/a", "d/b", "d/e", "d/e/c", "A" };
        const char *path = paths[world_random(w, ELEMENTSOF(paths))],
                   *other = paths[world_random(w, ELEMENTSOF(paths))];

        switch (world_random(w, 10)) {
        case 0:
        case 1:
        case 2:
                world_write(w, g, path, world_random(w, 8) == 0 ? MIB + world_random(w, MIB) : 20);
                break;
        case 3:
                (void) unlinkat(g->root_fd, path, 0);
                break;
        case 4:
                (void) mkdirat(g->root_fd, path, 0755);
                break;
        case 5:
                (void) unlinkat(g->root_fd, path, AT_REMOVEDIR);
                break;
        case 6:
        case 7:
                (void) renameat(g->root_fd, path, g->root_fd, other);
                break;
        case 8:
                (void) symlinkat(other, g->root_fd, path);
                break;
        default:
                (void) fchmodat(g->root_fd, path, world_random(w, 2) ? 0755 : 0644, 0);
        }
}

/* --- users who put their files in order --- */

static const SyncEntry *any_entry(World *w, const WorldGateway *g) {
        const SyncTree *index = g->folder->index;
        unsigned n = index ? (unsigned) sync_tree_size(index) : 0;

        return n > 0 ? sync_tree_at(index, world_random(w, n)) : NULL;
}

static char *any_target(World *w, const WorldGateway *g) {
        static const char *const names[] = { "a", "A", "b", "b.txt", "c", "photo.JPG", "photo.jpg", "x" };
        const SyncEntry *e = world_random(w, 3) ? any_entry(w, g) : NULL;
        const char *name = names[world_random(w, ELEMENTSOF(names))];

        return e && e->kind == SYNC_DIRECTORY ? strfmt("%s/%s", e->path, name) : strdup(name);
}

static void rename_any(World *w, WorldGateway *g) {
        static const unsigned flags[] = { 0, 0, RENAME_NOREPLACE, RENAME_NOREPLACE, RENAME_NOREPLACE, RENAME_EXCHANGE };
        const SyncEntry *e = any_entry(w, g);
        _cleanup_free_ char *to = any_target(w, g);

        if (e)
                (void) renameat2(g->root_fd, e->path, g->root_fd, to, flags[world_random(w, ELEMENTSOF(flags))]);
}

static void unlink_any(World *w, WorldGateway *g) {
        const SyncEntry *e = any_entry(w, g);

        if (e && unlinkat(g->root_fd, e->path, 0) < 0)
                (void) unlinkat(g->root_fd, e->path, AT_REMOVEDIR);
}

static void tidy(World *w, WorldGateway *g) {
        _cleanup_free_ char *to = any_target(w, g);
        const SyncEntry *e = any_entry(w, g);

        switch (world_random(w, 16)) {
        case 0:
        case 1:
                world_write(w, g, to, world_random(w, 8) == 0 ? MIB + world_random(w, MIB) : 20);
                break;
        case 2:
                if (e && e->kind == SYNC_FILE)
                        world_write(w, g, e->path, 30);
                break;
        case 3:
        case 4:
                (void) mkdirat(g->root_fd, to, 0755);
                break;
        case 5:
                unlink_any(w, g);
                break;
        case 6:
                if (e && e->kind == SYNC_FILE)
                        (void) fchmodat(g->root_fd, e->path, e->executable ? 0644 : 0755, 0);
                break;
        case 7:
                if (e && e->kind == SYNC_FILE && world_random(w, 2))
                        (void) linkat(g->root_fd, e->path, g->root_fd, to, 0);
                break;
        default:
                rename_any(w, g);
        }
}

typedef struct Meanwhile {
        World *world;
        WorldGateway *gateway;
} Meanwhile;

/* None of it opens a file that is there: it would wait for who moves it, which is us. */
static void meanwhile(void *userdata) {
        Meanwhile *m = userdata;
        _cleanup_free_ char *to = NULL;

        switch (world_random(m->world, 24)) {
        case 0:
        case 1:
                rename_any(m->world, m->gateway);
                break;
        case 2:
                to = any_target(m->world, m->gateway);
                (void) unlinkat(m->gateway->root_fd, "saved", 0);
                world_write(m->world, m->gateway, "saved", 25);
                (void) renameat(m->gateway->root_fd, "saved", m->gateway->root_fd, to);
                break;
        case 3:
                unlink_any(m->world, m->gateway);
                break;
        default:
                break;
        }
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

/* A tree that all gateways have and are sure of. */
static void plant(World *w) {
        static const char *const directories[] = { "d", "d/e", "x" };
        static const char *const files[] = {
                "a", "b", "c", "d/a", "d/b", "d/c", "d/e/a", "d/e/b", "d/e/b.txt", "x/a", "x/photo.JPG", "x/n",
        };
        WorldGateway *g = w->gateways;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++)
                assert_int_equal(mkdirat(g->root_fd, directories[i], 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                world_write(w, g, files[i], i == 4 ? MIB + MIB / 2 : 20 + i);
        world_settle(w);
        world_let_settle(g + w->n_gateways - 1, "x/n");
        world_settle(w);
}

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

static void step(World *w, WorldGateway *g, bool retention) {
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
                world_run(w, g);
        }
}

typedef enum Mode {
        MODE_ANYTHING,
        MODE_RETENTION, /* versions expire meanwhile */
        MODE_RENAMES,   /* there is a tree, and most of what users do is to rename something */
} Mode;

/* Returns how many files the gateways moved. */
static size_t anything(uint64_t seed, Mode mode) {
        World *w = world_new(2 + seed % 2, seed);
        unsigned n_actions = 0;
        size_t n_moved;

        if (mode == MODE_RENAMES)
                plant(w);
        for (unsigned i = 0; i < 120; i++) {
                WorldGateway *g = w->gateways + world_random(w, w->n_gateways);

                if (world_random(w, 2)) {
                        if (mode == MODE_RENAMES)
                                tidy(w, g);
                        else
                                act(w, g);
                        n_actions++;
                } else if (mode == MODE_RENAMES && world_random(w, 8) == 0) {
                        disturbed_run(w, g);
                        /* Any of its steps may have been one. */
                        n_actions += 30;
                } else
                        step(w, g, mode == MODE_RETENTION);
                if (i % 60 == 59) {
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

        for (unsigned i = 0; i < n; i++) {
                uint64_t seed = given ? strtoull(given, NULL, 10) : i + 1;

                print_message("SEED=%llu\n", (unsigned long long) seed);
                n_moved += anything(seed, mode);
        }
        print_message("%zu files were moved\n", n_moved);
        assert_true(mode != MODE_RENAMES || given || n_moved > n);
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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(anything_in_any_order),
                cmocka_unit_test(anything_while_versions_expire),
                cmocka_unit_test(anything_that_is_renamed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
