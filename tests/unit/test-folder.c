/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine with several gateways and a main, step by step: what users do, in any order with what the gateways do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "syncd/sync-open.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)

static void assert_equal_folders(World *w) {
        _cleanup_free_ char *first = world_text(w->gateways);

        for (unsigned i = 1; i < w->n_gateways; i++) {
                _cleanup_free_ char *other = world_text(w->gateways + i);

                assert_string_equal(other, first);
        }
}

static void assert_text(const WorldGateway *g, const char *expected) {
        _cleanup_free_ char *text = world_text(g);

        assert_string_equal(text, expected);
}

static void a_file_reaches_the_others(void **state) {
        World *w = world_new(3, 1);

        world_write(w, w->gateways, "a", 100);
        world_settle(w);
        assert_text(w->gateways + 2, "a 1 0 0 \n");
        assert_equal_folders(w);
        world_check_ledger(w);
        world_free(w);
}

static void a_large_file_travels_once(void **state) {
        World *w = world_new(2, 1);
        struct stat st;

        world_write(w, w->gateways, "large", 9 * MIB);
        world_settle(w);
        assert_equal_folders(w);
        assert_int_equal(w->bytes_pushed, 9 * MIB);
        assert_int_equal(w->bytes_fetched, 9 * MIB);

        /* Renamed, and copied, it does not travel at all. */
        assert_int_equal(renameat(w->gateways[0].root_fd, "large", w->gateways[0].root_fd, "moved"), 0);
        world_settle(w);
        assert_equal_folders(w);
        assert_text(w->gateways + 1, "moved 1 0 0 \n");
        assert_int_equal(w->bytes_pushed, 9 * MIB);
        assert_int_equal(w->bytes_fetched, 9 * MIB);
        assert_int_equal(fstatat(w->gateways[1].root_fd, "moved", &st, 0), 0);
        assert_int_equal(st.st_size, 9 * MIB);
        world_free(w);
}

static uint64_t inode_of(const WorldGateway *g, const char *path) {
        struct stat st;

        assert_int_equal(fstatat(g->root_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_ino;
}

/* Neither copied nor read: the index vouches for it under its new name, and so do its chunks. */
static void a_renamed_directory_is_renamed_by_the_others(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *one = w->gateways, *two = w->gateways + 1;
        uint64_t large, small, fetched;
        const SyncEntry *known;
        SyncEntry now = {};
        struct stat st;
        int fd;

        assert_int_equal(mkdirat(one->root_fd, "d", 0755), 0);
        world_write(w, one, "d/large", 9 * MIB);
        world_write(w, one, "d/small", 100);
        world_settle(w);
        world_let_settle(two, "d/small");
        world_run(w, two);
        large = inode_of(two, "d/large");
        small = inode_of(two, "d/small");
        fetched = w->bytes_fetched;
        assert_int_equal(renameat(one->root_fd, "d", one->root_fd, "e"), 0);
        world_settle(w);
        assert_text(two, "e 3 0 0 \ne/large 1 0 0 \ne/small 1 0 1 \n");
        assert_int_equal(w->n_moved, 2);
        assert_int_equal(inode_of(two, "e/large"), large);
        assert_int_equal(inode_of(two, "e/small"), small);
        assert_int_equal(w->bytes_fetched, fetched);
        assert_int_equal(w->n_conflicts, 0);

        known = sync_tree_find(two->folder->index, "e/large");
        assert_int_equal(fstatat(two->root_fd, "e/large", &st, 0), 0);
        sync_entry_set_stat(&now, &st);
        assert_int_equal(known->certainty, SYNC_SETTLED);
        assert_true(sync_entry_same_identity(&now, known));

        fd = openat(one->root_fd, "e/large", O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "changed", 7, 4 * MIB), 7);
        close(fd);
        world_settle(w);
        assert_equal_folders(w);
        assert_true(w->bytes_fetched - fetched < MIB);
        world_free(w);
}

static void a_change_in_a_large_file_travels_alone(void **state) {
        World *w = world_new(2, 1);
        int fd;

        world_write(w, w->gateways, "large", 9 * MIB);
        world_settle(w);
        fd = openat(w->gateways[0].root_fd, "large", O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "changed", 7, 5 * MIB), 7);
        close(fd);
        w->bytes_pushed = w->bytes_fetched = 0;
        world_settle(w);
        assert_equal_folders(w);
        assert_true(w->bytes_pushed <= 2 * 512 * 1024);
        assert_int_equal(w->bytes_fetched, w->bytes_pushed);
        world_free(w);
}

static void a_fetch_that_is_cut_goes_on(void **state) {
        World *w = world_new(2, 1);

        world_write(w, w->gateways, "large", 9 * MIB);
        world_run(w, w->gateways);
        assert_true(world_push(w, w->gateways));
        world_fetch(w, w->gateways + 1);
        world_run(w, w->gateways + 1);
        assert_true(w->gateways[1].missing);
        world_content(w, w->gateways + 1, 20);
        world_restart(w, w->gateways + 1);
        world_settle(w);
        assert_equal_folders(w);
        assert_int_equal(w->bytes_fetched, 9 * MIB);
        world_free(w);
}

static void a_change_that_a_restore_came_across_stays_one(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways, *other = w->gateways + 1;
        char *const paths[] = { (char *) "b", NULL };
        FolderRequest request = { .gateway_name = g->name, .paths = (char **) paths };
        FolderRestore restore = { .path = "a", .to = "a", .gateway_name = g->name };
        FolderRestoreResult restored = {};
        FolderResult result;

        world_write(w, g, "a", 100);
        world_settle(w);
        restore.commit = world_main(w->server);
        world_write(w, other, "a", 100);
        world_settle(w);
        world_write(w, other, "a", 100);
        world_run(w, other);
        assert_true(world_push(w, other));
        /* A restore finds what a user has just written, and ends there: its content is nowhere here. */
        world_write(w, g, "a", 100);
        world_let_settle(g, "a");
        assert_int_equal(folder_restore(g->folder, &restore, &restored), 0);
        assert_true(restored.bytes_missing > 0);
        world_see(w, g);
        folder_restore_result_clear(&restored);
        /* Runs that look elsewhere, with main's version at hand. */
        world_fetch(w, g);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(folder_run(g->folder, &request, &result), 0);
                if (result.outcome.missing)
                        world_content(w, g, SIZE_MAX);
                folder_result_clear(&result);
        }
        world_settle(w);
        assert_equal_folders(w);
        world_check_ledger(w);
        world_free(w);
}

static void a_store_that_is_lost_is_made_anew(void **state) {
        _cleanup_free_ char *command = NULL, *before = NULL;
        World *w = world_new(2, 1);

        world_write(w, w->gateways, "a", 100);
        world_write(w, w->gateways, "large", 3 * MIB);
        assert_int_equal(mkdirat(w->gateways[0].root_fd, "d", 0755), 0);
        world_write(w, w->gateways, "d/b", 200);
        world_settle(w);
        before = world_text(w->gateways);
        w->bytes_pushed = w->bytes_fetched = 0;
        command = strfmt("rm -rf %s/*", w->gateways[0].state);
        w->gateways[0].folder = folder_free(w->gateways[0].folder);
        w->gateways[0].may_lose_state = true;
        w->gateways[0].words = 0;
        assert_int_equal(system(command), 0);
        world_restart(w, w->gateways);
        /* The server may be out of reach just then. */
        world_run(w, w->gateways);
        world_settle(w);
        assert_text(w->gateways, before);
        /* It is told, and done: a restart does not tell it again. */
        assert_true(w->gateways[0].words & UINT64_C(1) << SYNC_WORD_STATE_LOST);
        w->gateways[0].may_lose_state = false;
        world_restart(w, w->gateways);
        world_settle(w);
        assert_equal_folders(w);
        assert_int_equal(w->bytes_pushed + w->bytes_fetched, 0);
        assert_false(w->gateways[0].conflict);
        world_free(w);
}

/* It waited for main's version, was overwritten, and then the store was lost, which had named its chunks. */
static void a_large_version_that_waited_outlives_the_store(void **state) {
        _cleanup_free_ char *command = NULL;
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways, *other = g + 1;

        world_write(w, other, "large", 2 * MIB);
        world_run(w, other);
        while (!git_oid_is_zero(&other->push))
                assert_true(world_push(w, other));
        world_write(w, g, "large", 3 * MIB);
        world_fetch(w, g);
        world_run(w, g);
        assert_true(g->missing);
        world_write(w, g, "large", 4 * MIB);
        command = strfmt("cd %s && rm -rf objects index held-* wanted", g->state);
        g->folder = folder_free(g->folder);
        g->may_lose_state = true;
        assert_int_equal(system(command), 0);
        world_restart(w, g);
        world_settle(w);
        assert_equal_folders(w);
        assert_int_equal(world_count_lost(w), 0);
        world_check_ledger(w);
        world_free(w);
}

static void a_damaged_snapshot_does_not_hold_up_its_file(void **state) {
        _cleanup_free_ char *command = NULL;
        World *w = world_new(2, 1);

        world_write(w, w->gateways, "a", 100);
        world_write(w, w->gateways, "large", 2 * MIB);
        world_run(w, w->gateways);
        /* As a power cut may leave it. */
        command = strfmt("for f in %s/.ispstorage/folder/pending/*; do : > $f; done", w->gateways[0].volume);
        assert_int_equal(system(command), 0);
        world_settle(w);
        assert_equal_folders(w);
        assert_text(w->gateways + 1, "a 1 0 0 \nlarge 1 0 1 \n");
        world_check_ledger(w);
        world_free(w);
}

static void content_that_a_user_wrote_to_is_fetched_again(void **state) {
        World *w = world_new(2, 1);
        char text[20] = "";
        int fd;

        world_write(w, w->gateways, "a", 20);
        world_settle(w);
        fd = openat(w->gateways[0].root_fd, "a", O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, text, sizeof(text)), sizeof(text));
        close(fd);
        /* In place, in the very file that was fetched. */
        world_write(w, w->gateways + 1, "a", 20);
        fd = openat(w->gateways[0].root_fd, "b", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
        close(fd);
        world_settle(w);
        assert_equal_folders(w);
        assert_text(w->gateways, "a 1 0 1 \nb 1 0 0 \n");
        world_free(w);
}

/* The only file of the directory "content" or "pending". */
static int open_content(const WorldGateway *g, const char *where, int flags) {
        _cleanup_free_ char *path = strfmt("%s/.ispstorage/folder/%s", g->volume, where);
        DIR *d = opendir(path);
        struct dirent *e;
        int fd;

        assert_non_null(d);
        while ((e = readdir(d)) && e->d_name[0] == '.')
                ;
        assert_non_null(e);
        fd = openat(dirfd(d), e->d_name, flags | O_CLOEXEC);
        assert_true(fd >= 0);
        closedir(d);
        return fd;
}

static void nobody_can_write_to_what_is_put_in_place(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways + 1;
        int fd;

        world_write(w, w->gateways, "a", 100);
        world_run(w, w->gateways);
        assert_true(world_push(w, w->gateways));
        world_fetch(w, g);
        world_run(w, g);
        world_content(w, g, SIZE_MAX);
        fd = open_content(g, "content", O_WRONLY);
        world_run(w, g);
        assert_text(g, "");
        assert_true(g->again);
        close(fd);
        world_settle(w);
        assert_equal_folders(w);
        assert_text(g, "a 1 0 0 \n");
        world_free(w);
}

/* The index knows it as it is in the end: else the next scan would read all of it again. */
static void what_was_put_in_place_is_not_read_again(void **state) {
        static const char *const paths[] = { "a", "large" };
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways + 1;

        world_write(w, w->gateways, "a", 100);
        world_write(w, w->gateways, "large", 3 * MIB);
        world_run(w, w->gateways);
        assert_true(world_push(w, w->gateways));
        world_fetch(w, g);
        world_run(w, g);
        world_content(w, g, SIZE_MAX);
        world_run(w, g);
        for (unsigned i = 0; i < ELEMENTSOF(paths); i++) {
                const SyncEntry *known = sync_tree_find(g->folder->index, paths[i]);
                SyncEntry now = {};
                struct stat st;

                assert_non_null(known);
                assert_int_equal(fstatat(g->root_fd, paths[i], &st, AT_SYMLINK_NOFOLLOW), 0);
                assert_int_equal(st.st_nlink, 1);
                sync_entry_set_stat(&now, &st);
                assert_true(sync_entry_same_identity(known, &now));
        }
        world_free(w);
}

static void holes_take_no_space_in_a_snapshot(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        struct stat st;
        int fd;

        fd = openat(g->root_fd, "holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(ftruncate(fd, 20 * MIB), 0);
        assert_int_equal(pwrite(fd, "x", 1, 10 * MIB), 1);
        close(fd);
        world_run(w, g);
        fd = open_content(g, "pending", O_RDONLY);
        assert_int_equal(fstat(fd, &st), 0);
        close(fd);
        assert_int_equal(st.st_size, 20 * MIB);
        assert_true((size_t) st.st_blocks * 512 < 4 * MIB);
        world_settle(w);
        assert_equal_folders(w);
        assert_int_equal(fstatat(w->gateways[1].root_fd, "holes", &st, 0), 0);
        assert_int_equal(st.st_size, 20 * MIB);
        world_free(w);
}

static void metadata_travels(void **state) {
        const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1234567890, .tv_nsec = 123456789 } };
        World *w = world_new(2, 1);
        struct stat st;

        world_write(w, w->gateways, "a", 100);
        assert_int_equal(fchmodat(w->gateways[0].root_fd, "a", 0640, 0), 0);
        assert_int_equal(utimensat(w->gateways[0].root_fd, "a", times, 0), 0);
        world_settle(w);
        assert_int_equal(fstatat(w->gateways[1].root_fd, "a", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(st.st_mtim.tv_sec, 1234567890);
        assert_int_equal(st.st_mtim.tv_nsec, 123456789);
        world_free(w);
}

static void a_file_that_is_never_closed_gets_versions(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        struct timespec now;
        int fd;

        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
        world_write(w, g, "a", 100);
        fd = openat(g->root_fd, "a", O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        world_run(w, g);
        assert_true(git_oid_is_zero(&g->push));
        assert_true(g->again);
        /* As if it had been so since the machine was started. */
        assert_true(g->folder->busy_since > 0);
        g->folder->busy_since = 1;
        world_run(w, g);
        assert_int_equal(!git_oid_is_zero(&g->push), now.tv_sec > FOLDER_BUSY_SEC);
        close(fd);
        world_settle(w);
        assert_equal_folders(w);
        assert_text(w->gateways + 1, "a 1 0 0 \n");
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_reaches_the_others),
                cmocka_unit_test(a_large_file_travels_once),
                cmocka_unit_test(a_renamed_directory_is_renamed_by_the_others),
                cmocka_unit_test(a_change_in_a_large_file_travels_alone),
                cmocka_unit_test(a_fetch_that_is_cut_goes_on),
                cmocka_unit_test(a_change_that_a_restore_came_across_stays_one),
                cmocka_unit_test(a_store_that_is_lost_is_made_anew),
                cmocka_unit_test(a_large_version_that_waited_outlives_the_store),
                cmocka_unit_test(a_damaged_snapshot_does_not_hold_up_its_file),
                cmocka_unit_test(content_that_a_user_wrote_to_is_fetched_again),
                cmocka_unit_test(nobody_can_write_to_what_is_put_in_place),
                cmocka_unit_test(what_was_put_in_place_is_not_read_again),
                cmocka_unit_test(holes_take_no_space_in_a_snapshot),
                cmocka_unit_test(metadata_travels),
                cmocka_unit_test(a_file_that_is_never_closed_gets_versions),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
