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

static const char *const paths[] = { "a", "b", "d", "d/a", "d/b", "d/e", "d/e/c", "A" };

/* What somebody has open for writing. */
typedef struct Open {
        int fds[8];
        unsigned n;
} Open;

static void close_one(Open *open) {
        if (open->n > 0)
                close(open->fds[--open->n]);
}

/* What is no ordinary file, or is not left in peace. */
static void act_oddly(World *w, WorldGateway *g, Open *open) {
        const char *path = paths[world_random(w, ELEMENTSOF(paths))],
                   *other = paths[world_random(w, ELEMENTSOF(paths))];

        switch (world_random(w, 6)) {
        case 0:
                (void) linkat(g->root_fd, path, g->root_fd, other, 0);
                break;
        case 1:
                (void) mkfifoat(g->root_fd, path, 0644);
                break;
        case 2:
                (void) fchmodat(g->root_fd, path, world_random(w, 3) ? 0644 : 0, 0);
                break;
        case 3:
        case 4:
                if (open->n == ELEMENTSOF(open->fds))
                        close_one(open);
                open->fds[open->n] = openat(g->root_fd, path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
                if (open->fds[open->n] < 0)
                        break;
                open->n++;
                world_write(w, g, path, 20);
                break;
        default:
                close_one(open);
        }
}

/* All is ordinary again. */
static void tidy(World *w, Open *open) {
        while (open->n > 0)
                close_one(open);
        for (unsigned i = 0; i < w->n_gateways; i++) {
                WorldGateway *g = w->gateways + i;
                _cleanup_free_ char *command = strfmt(
                                "chmod -R u+rwX %s && find %s -type p -delete", g->path, g->path);

                assert_int_equal(system(command), 0);
                folder_set_waits(g->folder, NULL, NULL);
                g->folder->read_min_msec = FOLDER_READ_MIN_MSEC;
        }
}

static void act(World *w, WorldGateway *g) {
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
        Countdown countdown = { .left = world_random(w, 30) };
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
                        some[i] = (char *) paths[world_random(w, ELEMENTSOF(paths))];
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

static void anything(uint64_t seed, bool retention, Met *met) {
        World *w = world_new(2 + seed % 2, seed);
        unsigned n_actions = 0;
        Open open = {};

        w->odd = met;
        for (unsigned i = 0; i < 120; i++) {
                WorldGateway *g = w->gateways + world_random(w, w->n_gateways);

                if (met && world_random(w, 4) == 0) {
                        act_oddly(w, g, &open);
                        n_actions++;
                } else if (world_random(w, 2)) {
                        act(w, g);
                        n_actions++;
                } else
                        step(w, g, retention, met);
                if (i % 60 == 59) {
                        tidy(w, &open);
                        world_settle(w);
                        world_check_equal(w);
                        world_check_bounds(w, n_actions);
                }
        }
        world_check_ledger(w);
        world_free(w);
}

static void many_times(bool retention, Met *met) {
        const char *given = getenv("SEED"), *many = getenv("SEEDS");
        unsigned n = given ? 1 : many ? (unsigned) atoi(many) : 12;

        for (unsigned i = 0; i < n; i++) {
                uint64_t seed = given ? strtoull(given, NULL, 10) : i + 1;

                print_message("SEED=%llu\n", (unsigned long long) seed);
                anything(seed, retention || (met && seed % 4 == 3), met);
        }
}

static void anything_in_any_order(void **state) {
        many_times(false, NULL);
}

static void anything_while_versions_expire(void **state) {
        many_times(true, NULL);
}

/* Hard links, pipes, files in use, or without permissions, or too large to be read at once. */
static void anything_with_odd_entries(void **state) {
        Met met = {};

        world_obey_permissions();
        many_times(false, &met);
        print_message("undecided: %u to be read, %u that cannot be, %u in use\n", met.unread, met.barred, met.busy);
        assert_true(getenv("SEED") || (met.unread > 0 && met.barred > 0 && met.busy > 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(anything_in_any_order),
                cmocka_unit_test(anything_while_versions_expire),
                cmocka_unit_test(anything_with_odd_entries),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
