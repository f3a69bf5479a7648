/* SPDX-License-Identifier: GPL-2.0-or-later */
/* power-cut FILE-SYSTEM OPTIONS IMAGE MOUNT-POINT ROUNDS SEED: a gateway whose power fails, again and again, at any
 * system call of the engine or between two. Its folder and its state are on the file system in the image, of which
 * only what was synced is left then: what else there was is in memory only. The world's other gateways and main are
 * in TMPDIR and go on.
 *
 * ext4 and XFS are told to forget (the shutdown that xfstests uses); of btrfs the image is copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "tests/unit/fault.h"
#include "tests/unit/folder-world.h"

/* EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN: linux/ext4.h and linux/xfs_fs.h are no public headers. */
#define SHUTDOWN _IOR('X', 125, uint32_t)
#define SHUTDOWN_WITHOUT_LOG 2U
#define CUT 99
#define CALLS 400U
#define LARGE ((1U << 20) + 1000U)

static const char *arg_file_system, *arg_options, *arg_image, *arg_mount_point;
static uint64_t arg_rounds, arg_seed;

typedef enum Mode {
        RECEIVES,      /* only others write */
        USERS_SYNC,    /* users' programs sync what they write */
        USERS_DO_NOT,  /* some do not */
        _MODE_MAX,
} Mode;

static void shell(const char *format, ...) _printf_(1, 2);
static void shell(const char *format, ...) {
        _cleanup_free_ char *command = NULL;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&command, format, ap) > 0);
        va_end(ap);
        if (system(command) != 0)
                fail_msg("%s", command);
}

static void mount_image(void) {
        shell("mount -t %s -o %s,loop %s %s", arg_file_system, arg_options, arg_image, arg_mount_point);
}

/* From here on nothing more reaches the disk. */
static void cut(void) {
        uint32_t flags = SHUTDOWN_WITHOUT_LOG;

        if (streq(arg_file_system, "btrfs"))
                shell("cp --sparse=always %s %s.cut", arg_image, arg_image);
        else {
                _cleanup_close_ int fd = open(arg_mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                assert_true(fd >= 0 && ioctl(fd, SHUTDOWN, &flags) >= 0);
        }
}

static void cut_and_end(void *userdata) {
        cut();
        _exit(CUT);
}

static void come_back(World *w) {
        world_close(w, w->gateways);
        shell("umount %s", arg_mount_point);
        if (streq(arg_file_system, "btrfs"))
                shell("mv %s.cut %s", arg_image, arg_image);
        mount_image();
}

/* --- users --- */

static void sync_path(const WorldGateway *g, const char *path) {
        _cleanup_close_ int fd = openat(g->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd >= 0)
                assert_int_equal(fsync(fd), 0);
        assert_int_equal(fsync(g->root_fd), 0);
}

static const char *const paths[] = { "a", "b", "c", "d", "d/a", "d/b", "e" };

/* What the first gateway's user wrote last at each of the paths, and nobody synced: tags. */
typedef struct Unsynced {
        int tags[ELEMENTSOF(paths)];
} Unsynced;

static void forget_unsynced(Unsynced *u) {
        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                u->tags[i] = -1;
}

static void act(World *w, WorldGateway *g, bool syncs, Unsynced *unsynced) {
        unsigned i = world_random(w, ELEMENTSOF(paths)), k = world_random(w, ELEMENTSOF(paths));

        switch (world_random(w, 9)) {
        case 0:
                (void) unlinkat(g->root_fd, paths[i], 0);
                break;
        case 1:
                (void) mkdirat(g->root_fd, paths[i], 0755);
                break;
        case 2:
                if (renameat(g->root_fd, paths[i], g->root_fd, paths[k]) >= 0)
                        unsynced->tags[k] = unsynced->tags[i];
                i = k;
                break;
        case 3:
                (void) fchmodat(g->root_fd, paths[i], world_random(w, 2) ? 0755 : 0644, 0);
                break;
        default:
                unsynced->tags[i] = (int) w->n_contents;
                world_write(w, g, paths[i], world_random(w, 4) ? 20 + world_random(w, 9000) : LARGE);
        }
        if (syncs) {
                sync_path(g, paths[i]);
                unsynced->tags[i] = -1;
        }
}

/* --- the gateway --- */

static void engine(bool inside) {
        if (inside)
                fault_enter();
        else
                fault_leave();
}

static void work(World *w, WorldGateway *g) {
        for (unsigned i = 0; i < 2; i++) {
                world_fetch(w, g);
                world_run(w, g);
                if (g->missing)
                        world_content(w, g, 1 + world_random(w, 4));
                if (!git_oid_is_zero(&g->push))
                        (void) world_push(w, g);
        }
}

/* In a process of its own. True if the power failed within. */
static bool work_until_cut(World *w, WorldGateway *g) {
        unsigned number = world_random(w, CALLS);
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                w->engine = engine;
                fault_arm_callback(number, cut_and_end, NULL);
                work(w, g);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CUT || WEXITSTATUS(status) == 0));
        return WEXITSTATUS(status) == CUT;
}

/* Of what nobody synced and the engine had not seen, anything may be left; also if the engine had given it a
 * conflict name just before. */
static bool may_be_torn(const World *w, const Unsynced *unsynced, const char *path) {
        size_t length = strcspn(path, ".");

        for (size_t i = 0; i < ELEMENTSOF(paths); i++)
                if (strlen(paths[i]) == length && strncmp(paths[i], path, length) == 0)
                        return unsynced->tags[i] >= 0 && !w->contents[unsynced->tags[i]].seen;
        /* In a directory that was renamed. */
        return strchr(path, '/');
}

static void check_files(World *w, WorldGateway *g, const Unsynced *unsynced) {
        _cleanup_sync_tree_free_ SyncTree *unknown = world_take_unknown(w, g);

        SYNC_TREE_FOREACH(e, unknown)
                if (!may_be_torn(w, unsynced, e->path))
                        fail_msg("%s holds %llu bytes that nobody wrote", e->path, (unsigned long long) e->size);
}

static void round_of(World *w, Mode mode) {
        WorldGateway *g = w->gateways;
        Unsynced unsynced, others;
        git_oid before, after;

        forget_unsynced(&unsynced);
        forget_unsynced(&others);
        for (unsigned i = 1 + world_random(w, 6); i > 0; i--) {
                act(w, w->gateways + 1, false, &others);
                if (mode != RECEIVES)
                        act(w, g, mode == USERS_SYNC || world_random(w, 2), &unsynced);
                if (world_random(w, 3) == 0)
                        work(w, w->gateways + 1);
                if (world_random(w, 2))
                        world_run(w, g);
                if (world_random(w, 4) == 0)
                        work(w, g);
        }
        /* Within the engine's work, or after it, or before. */
        if (world_random(w, 4) == 0 || !work_until_cut(w, g))
                cut();
        come_back(w);
        world_open(w, g);
        check_files(w, g, &unsynced);

        /* The other one first: what it has is on main. */
        work(w, w->gateways + 1);
        work(w, w->gateways + 1);
        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &before), 0);
        world_settle(w);
        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &after), 0);
        if (mode == RECEIVES && (g->conflict || !git_oid_equal(&before, &after)))
                fail_msg("what was applied came back as a user's change");
        world_check_equal(w);
        world_check_ledger(w);
        world_check_origin(w);
}

static World *open_world(uint64_t seed) {
        World *w;

        mount_image();
        w = world_new_at(2, seed, arg_mount_point);
        world_write(w, w->gateways + 1, "a", 10);
        world_settle(w);
        return w;
}

static void close_world(World *w) {
        world_close(w, w->gateways);
        world_free(w);
        shell("rm -rf %s/gw1*; umount %s", arg_mount_point, arg_mount_point);
}

static void play(Mode mode) {
        World *w = open_world(arg_seed + mode);

        for (uint64_t i = 0; i < arg_rounds; i++)
                round_of(w, mode);
        close_world(w);
}

static void what_was_applied_stays_applied(void **state) {
        play(RECEIVES);
}

static void what_users_synced_is_never_lost(void **state) {
        play(USERS_SYNC);
}

static void what_was_seen_is_never_lost(void **state) {
        play(USERS_DO_NOT);
}

/* --- what a file system without one journal for everything may leave out --- */

/* Of what btrfs has not committed it logs more than it is asked for. */
static void begin_transaction(const WorldGateway *g) {
        assert_int_equal(syncfs(g->root_fd), 0);
}

/* Nothing was written where the power failed, so nothing may come from there. */
static void check_nothing_comes_back(World *w) {
        git_oid before = world_main(w->server), after;

        cut();
        come_back(w);
        world_open(w, w->gateways);
        world_settle(w);
        after = world_main(w->server);
        assert_false(w->gateways->conflict);
        assert_true(git_oid_equal(&before, &after));
        world_check_equal(w);
        world_check_ledger(w);
}

static void what_was_held_is_base_when_it_came(void **state) {
        World *w = open_world(arg_seed);
        WorldGateway *g = w->gateways;

        /* The directory comes at once, and base with it; the files when their content is there. What the one displaces
         * waits, so the journal says that base was recorded. */
        assert_int_equal(mkdirat(w->gateways[1].root_fd, "d", 0755), 0);
        world_write(w, w->gateways + 1, "a", 20);
        world_write(w, w->gateways + 1, "e", LARGE);
        work(w, w->gateways + 1);
        world_fetch(w, g);
        world_run(w, g);
        assert_true(g->missing);
        assert_int_equal(faccessat(g->root_fd, "d", F_OK, 0), 0);
        begin_transaction(g);
        world_content(w, g, SIZE_MAX);
        world_run(w, g);
        assert_int_equal(faccessat(g->root_fd, "e", F_OK, 0), 0);

        /* Somebody changes it meanwhile: what was put in place here must not be taken for a user's. */
        world_write(w, w->gateways + 1, "e", 20);
        work(w, w->gateways + 1);
        check_nothing_comes_back(w);
        close_world(w);
}

static void a_mode_stays(void **state) {
        World *w = open_world(arg_seed);
        WorldGateway *g = w->gateways;
        struct stat st;

        /* With nothing doubtful about the file nobody else syncs it. */
        world_let_settle(g, "a");
        world_run(w, g);
        begin_transaction(g);
        assert_int_equal(fchmodat(w->gateways[1].root_fd, "a", 0755, 0), 0);
        work(w, w->gateways + 1);
        world_fetch(w, g);
        world_run(w, g);
        assert_int_equal(fstatat(g->root_fd, "a", &st, 0), 0);
        assert_true(st.st_mode & S_IXUSR);
        check_nothing_comes_back(w);
        close_world(w);
}

/* The file has one name afterwards, the new one, and all of its content. */
static void a_file_that_was_moved_stays_there(void **state) {
        static const unsigned numbers[] = { 1, 6 };
        World *w = open_world(arg_seed);
        WorldGateway *g = w->gateways, *other = w->gateways + 1;

        assert_int_equal(mkdirat(other->root_fd, "from", 0755), 0);
        assert_int_equal(mkdirat(other->root_fd, "to", 0755), 0);
        /* With few of them each is synced, and its two directories. */
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                char from[32], to[32];

                for (unsigned k = 0; k < numbers[i]; k++) {
                        (void) snprintf(from, sizeof(from), "from/%zu.%u", i, k);
                        world_write(w, other, from, 9000);
                }
                world_settle(w);
                world_let_settle(g, from);
                world_run(w, g);
                begin_transaction(g);
                for (unsigned k = 0; k < numbers[i]; k++) {
                        (void) snprintf(from, sizeof(from), "from/%zu.%u", i, k);
                        (void) snprintf(to, sizeof(to), "to/%zu.%u", i, k);
                        assert_int_equal(renameat(other->root_fd, from, other->root_fd, to), 0);
                }
                w->n_moved = 0;
                work(w, other);
                world_fetch(w, g);
                world_run(w, g);
                assert_int_equal(w->n_moved, numbers[i]);
                check_nothing_comes_back(w);
                world_check_origin(w);
        }
        close_world(w);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_applied_stays_applied),
                cmocka_unit_test(what_users_synced_is_never_lost),
                cmocka_unit_test(what_was_seen_is_never_lost),
                cmocka_unit_test(what_was_held_is_base_when_it_came),
                cmocka_unit_test(a_mode_stays),
                cmocka_unit_test(a_file_that_was_moved_stays_there),
        };

        if (argc != 7 || parse_uint64(argv[5], &arg_rounds) < 0 || parse_uint64(argv[6], &arg_seed) < 0)
                return 2;
        arg_file_system = argv[1];
        arg_options = argv[2];
        arg_image = argv[3];
        arg_mount_point = argv[4];
        print_message("seed %s\n", argv[6]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
