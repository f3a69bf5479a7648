/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is held is not here, but base's commit has it: without the list of it, it would be taken for deleted. */
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

#include "syncd/folder-internal.h"
#include "syncd/instance.h"
#include "tests/unit/folder-world.h"

#define FILES 9U

typedef char HeldName[sizeof(INSTANCE_HELD_PREFIX) + GIT_OID_HEXSZ];

static unsigned count_files(const WorldGateway *g) {
        unsigned n = 0;

        for (unsigned i = 0; i < FILES; i++) {
                char name[sizeof("f9")];

                (void) snprintf(name, sizeof(name), "f%u", i % 10);
                n += faccessat(g->root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        }
        return n;
}

/* A world whose first gateway has put two of the second one's files in place, and holds the others. */
static World *world_that_holds(HeldName ret) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        char hex[GIT_OID_HEXSZ + 1];

        for (unsigned i = 0; i < FILES; i++) {
                char name[sizeof("f9")];

                (void) snprintf(name, sizeof(name), "f%u", i % 10);
                world_write(w, w->gateways + 1, name, 100);
        }
        world_run(w, w->gateways + 1);
        assert_true(world_push(w, w->gateways + 1));
        w->window = g->folder->window = 2;
        world_fetch(w, g);
        world_run(w, g);
        world_content(w, g, SIZE_MAX);
        world_run(w, g);
        assert_int_equal(count_files(g), 2);
        (void) strcat(strcpy(ret, INSTANCE_HELD_PREFIX), git_oid_tostr(hex, sizeof(hex), &g->folder->base_commit));
        return w;
}

/* The folder becomes the union of both sides. */
static void check_kept(World *w) {
        w->gateways[0].may_lose_state = true;
        world_restart(w, w->gateways);
        world_settle(w);
        assert_int_equal(count_files(w->gateways), FILES);
        world_check_equal(w);
        world_check_ledger(w);
        world_check_origin(w);
        world_free(w);
}

static void is_not_deleted_if_its_list_is_damaged(void **state) {
        HeldName name;
        World *w = world_that_holds(name);
        int fd = openat(w->gateways[0].folder->state_fd, name, O_WRONLY | O_TRUNC | O_CLOEXEC);

        assert_true(fd >= 0);
        close(fd);
        check_kept(w);
}

static void is_not_deleted_if_its_list_is_missing(void **state) {
        HeldName name;
        World *w = world_that_holds(name);

        assert_int_equal(unlinkat(w->gateways[0].folder->state_fd, name, 0), 0);
        check_kept(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(is_not_deleted_if_its_list_is_damaged),
                cmocka_unit_test(is_not_deleted_if_its_list_is_missing),
        };

        world_obey_permissions();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
