/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-users.h"

#define MIB (1U << 20)

const char *const user_paths[USER_PATHS] = { "a", "b", "d", "d/a", "d/b", "d/e", "d/e/c", "A" };

static const char *any_path(World *w) {
        return user_paths[world_random(w, USER_PATHS)];
}

static void close_one(UserOpen *open) {
        if (open->n > 0)
                close(open->fds[--open->n]);
}

void user_act_oddly(World *w, WorldGateway *g, UserOpen *open) {
        const char *path = any_path(w), *other = any_path(w);

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

void user_make_ordinary(World *w, UserOpen *open) {
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

void user_act(World *w, WorldGateway *g) {
        const char *path = any_path(w), *other = any_path(w);

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

void user_rearrange(World *w, WorldGateway *g) {
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

void user_act_meanwhile(World *w, WorldGateway *g) {
        _cleanup_free_ char *to = NULL;

        /* None of it opens a file that is there: it would wait for who moves it, which is us. */
        switch (world_random(w, 24)) {
        case 0:
        case 1:
                rename_any(w, g);
                break;
        case 2:
                to = any_target(w, g);
                (void) unlinkat(g->root_fd, "saved", 0);
                world_write(w, g, "saved", 25);
                (void) renameat(g->root_fd, "saved", g->root_fd, to);
                break;
        case 3:
                unlink_any(w, g);
                break;
        default:
                break;
        }
}

void user_plant(World *w) {
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
