/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run tells of entries that wait, or do not travel: the word of LastError, and the text for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

static FolderResult run_at(WorldGateway *g, const char *path) {
        char *const paths[] = { (char *) path, NULL };
        FolderRequest request = { .gateway_name = g->name, .full = !path, .paths = path ? paths : NULL };
        FolderResult result;

        assert_int_equal(folder_run(g->folder, &request, &result), 0);
        assert_int_equal(folder_finish_run(g->folder), 0);
        world_check_told(g, &result);
        return result;
}

static void assert_told(const FolderResult *result, SyncWord word, const char *text) {
        assert_int_equal(result->outcome.word, word);
        assert_string_equal(result->text, text);
}

/* Both gateways have the file or directory, and the second deletes it on main. */
static World *world_with_deletion(const char *path, bool directory) {
        World *w = world_new(2, 1);

        if (directory)
                assert_int_equal(mkdirat(w->gateways[0].root_fd, path, 0755), 0);
        else
                world_write(w, w->gateways, path, 100);
        world_write(w, w->gateways, "other", 100);
        world_settle(w);
        assert_int_equal(unlinkat(w->gateways[1].root_fd, path, directory ? AT_REMOVEDIR : 0), 0);
        world_run(w, w->gateways + 1);
        assert_true(world_push(w, w->gateways + 1));
        world_fetch(w, w->gateways);
        return w;
}

static void a_file_in_use_that_main_deletes_is_pending(void **state) {
        World *w = world_with_deletion("letter.odt", false);
        WorldGateway *g = w->gateways;
        int fd = openat(g->root_fd, "letter.odt", O_WRONLY | O_CLOEXEC);
        FolderResult result;

        assert_true(fd >= 0);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_NONE, "in use: letter.odt");
        assert_int_equal(result.unplaced, 1);
        assert_int_equal(result.pending, 0);
        assert_true(result.outcome.unplaced && result.outcome.again && !result.outcome.replan);
        close(fd);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_NONE, "");
        assert_int_equal(result.unplaced, 0);
        assert_int_equal(faccessat(g->root_fd, "letter.odt", F_OK, 0), -1);
        world_free(w);
}

static void assert_barred(const FolderResult *result, SyncWord no_pull, SyncWord no_push) {
        assert_int_equal(result->outcome.no_pull, no_pull);
        assert_int_equal(result->outcome.no_push, no_push);
}

static void a_pipe_and_a_file_in_use_bar_nothing(void **state) {
        World *w = world_with_deletion("letter.odt", false);
        WorldGateway *g = w->gateways;
        int fd = openat(g->root_fd, "letter.odt", O_WRONLY | O_CLOEXEC);
        FolderResult result;

        assert_true(fd >= 0);
        assert_int_equal(mkfifoat(g->root_fd, "pipe", 0644), 0);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_BAD_ENTRY, "not synchronized, as it is a pipe, socket or device: pipe");
        assert_int_equal(result.unplaced, 1);
        assert_barred(&result, SYNC_WORD_NONE, SYNC_WORD_NONE);
        close(fd);
        world_free(w);
}

static void a_pipe_in_the_place_of_what_main_has_bars_that(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        FolderResult result;

        assert_int_equal(mkdirat(g[1].root_fd, "d", 0755), 0);
        world_write(w, g + 1, "d/a", 100);
        world_write(w, g + 1, "other", 100);
        world_run(w, g + 1);
        assert_true(world_push(w, g + 1));
        assert_int_equal(mkfifoat(g->root_fd, "d", 0644), 0);
        world_fetch(w, g);
        result = run_at(g, NULL);
        assert_true(result.outcome.missing);
        world_content(w, g, SIZE_MAX);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_BAD_ENTRY, "not synchronized, as it is a pipe, socket or device: d");
        assert_int_equal(result.unplaced, 2);
        assert_barred(&result, SYNC_WORD_BAD_ENTRY, SYNC_WORD_NONE);
        assert_int_equal(faccessat(g->root_fd, "other", F_OK, 0), 0);
        assert_int_equal(unlinkat(g->root_fd, "d", 0), 0);
        world_settle(w);
        world_check_equal(w);
        world_free(w);
}

static void what_cannot_be_read_bars_what_is_about_it(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        FolderResult result;

        world_obey_permissions();
        world_write(w, g, "secret", 100);
        world_settle(w);
        /* What can never travel, before it in the order of the scan, does not hide it. */
        assert_int_equal(mkfifoat(g->root_fd, "pipe", 0644), 0);
        assert_int_equal(fchmodat(g->root_fd, "secret", 0, 0), 0);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_BAD_ENTRY, "no permission to read: secret");
        assert_barred(&result, SYNC_WORD_NONE, SYNC_WORD_BAD_ENTRY);
        assert_true(result.outcome.again);

        assert_int_equal(unlinkat(g[1].root_fd, "secret", 0), 0);
        world_run(w, g + 1);
        assert_true(world_push(w, g + 1));
        world_fetch(w, g);
        result = run_at(g, NULL);
        assert_int_equal(result.unplaced, 1);
        assert_barred(&result, SYNC_WORD_BAD_ENTRY, SYNC_WORD_BAD_ENTRY);
        assert_int_equal(faccessat(g->root_fd, "secret", F_OK, AT_EACCESS), 0);

        assert_int_equal(fchmodat(g->root_fd, "secret", 0644, 0), 0);
        result = run_at(g, NULL);
        assert_barred(&result, SYNC_WORD_NONE, SYNC_WORD_NONE);
        assert_int_equal(result.unplaced, 0);
        world_free(w);
}

static void what_is_left_in_a_directory_is_told_of(void **state) {
        World *w = world_with_deletion("photos", true);
        WorldGateway *g = w->gateways;
        FolderResult result;

        /* An editor's lock file, which never travels. */
        world_write(w, g, "photos/~$letter.docx", 10);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_NONE, "deleted elsewhere, but something is left in it: photos");
        assert_int_equal(result.unplaced, 1);
        assert_int_equal(unlinkat(g->root_fd, "photos/~$letter.docx", 0), 0);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_NONE, "");
        assert_int_equal(result.unplaced, 0);
        world_free(w);
}

typedef struct Meddler {
        World *world;
        WorldGateway *gateway;
        unsigned steps;
} Meddler;

/* A user writes to the file between the scan and the swap. */
static void meddle(void *userdata) {
        Meddler *m = userdata;

        if (m->steps++ == 0)
                world_write(m->world, m->gateway, "a", 50);
}

static void what_changed_meanwhile_is_to_be_planned_anew(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        Meddler meddler = { .world = w, .gateway = g };
        FolderResult result;

        world_write(w, g, "a", 100);
        world_settle(w);
        world_write(w, g + 1, "a", 200);
        world_run(w, g + 1);
        assert_true(world_push(w, g + 1));
        world_fetch(w, g);
        result = run_at(g, NULL);
        assert_true(result.outcome.missing);
        world_content(w, g, SIZE_MAX);

        g->folder->step = meddle;
        g->folder->step_userdata = &meddler;
        result = run_at(g, "a");
        assert_true(meddler.steps > 0);
        assert_true(result.outcome.replan);
        assert_int_equal(result.unplaced, 1);
        g->folder->step = NULL;
        result = run_at(g, "a");
        assert_true(result.outcome.conflict && !result.outcome.replan);
        assert_int_equal(result.unplaced, 0);
        folder_result_clear(&result);
        world_settle(w);
        world_check_equal(w);
        world_free(w);
}

static void make_socket(const WorldGateway *g, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.64s", g->root_fd, name);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
}

static void what_is_no_file_does_not_keep_worse_from_being_told(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        SyncRefusal refused = { .path = "file" };
        FolderRequest request = { .gateway_name = g->name, .full = true, .refused = &refused, .n_refused = 1 };
        FolderResult result;

        assert_int_equal(mkfifoat(g->root_fd, "special", 0644), 0);
        world_write(w, g, "file", 100);
        assert_int_equal(folder_run(g->folder, &request, &result), 0);
        assert_told(&result, SYNC_WORD_BAD_ENTRY, "cannot be pushed: file");
        assert_barred(&result, SYNC_WORD_NONE, SYNC_WORD_BAD_ENTRY);
        folder_result_clear(&result);
        world_free(w);
}

static void what_is_no_file_does_not_travel_and_is_told_of(void **state) {
        static const char text[] = "not synchronized, as it is a pipe, socket or device: special";

        for (unsigned kind = 0; kind < 3; kind++) {
                World *w = world_new(2, 1);
                WorldGateway *g = w->gateways;
                FolderResult result;

                if (kind == 0)
                        assert_int_equal(mkfifoat(g->root_fd, "special", 0644), 0);
                else if (kind == 1)
                        make_socket(g, "special");
                else if (mknodat(g->root_fd, "special", S_IFCHR | 0644, makedev(1, 3)) < 0) {
                        print_message("no right to make a device\n");
                        world_free(w);
                        continue;
                }
                world_write(w, g, "file", 100);
                world_let_settle(g, "file");
                result = run_at(g, NULL);
                assert_told(&result, SYNC_WORD_BAD_ENTRY, text);
                assert_barred(&result, SYNC_WORD_NONE, SYNC_WORD_NONE);
                assert_int_equal(result.pending, 1);
                assert_true(result.outcome.candidate);
                /* Looking again makes nothing else of it. */
                assert_false(result.outcome.again);
                g->push = result.push;
                assert_true(world_push(w, g));
                /* Whatever the run looks at, it is told as long as it is there. */
                result = run_at(g, "file");
                assert_told(&result, SYNC_WORD_BAD_ENTRY, text);
                assert_int_equal(result.pending + result.unplaced, 0);
                assert_int_equal(unlinkat(g->root_fd, "special", 0), 0);
                result = run_at(g, "special");
                assert_told(&result, SYNC_WORD_NONE, "");
                world_fetch(w, g + 1);
                result = run_at(g + 1, NULL);
                assert_true(result.outcome.missing);
                world_content(w, g + 1, SIZE_MAX);
                result = run_at(g + 1, NULL);
                assert_int_equal(faccessat(g[1].root_fd, "special", F_OK, AT_SYMLINK_NOFOLLOW), -1);
                assert_int_equal(faccessat(g[1].root_fd, "file", F_OK, 0), 0);
                world_free(w);
        }
}

static void temporary_files_are_passed_over_in_silence(void **state) {
        static const char *const names[] = { "~$letter.docx", ".~lock.letter.odt#", ".nfs0123456789abcdef01234567" };
        World *w = world_new(1, 1);
        FolderResult result;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                world_write(w, w->gateways, names[i], 10);
        result = run_at(w->gateways, NULL);
        assert_told(&result, SYNC_WORD_NONE, "");
        assert_int_equal(result.pending, 0);
        assert_false(result.outcome.candidate || result.outcome.again);
        world_free(w);
}

static void what_is_too_deep_is_told_of_with_its_directory(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        char path[2 * SYNC_DEPTH_MAX + 4] = "", expected[FOLDER_TEXT_MAX + 1];
        FolderResult result;

        for (unsigned i = 0; i <= SYNC_DEPTH_MAX; i++) {
                strcat(path, i ? "/d" : "d");
                assert_int_equal(mkdirat(g->root_fd, path, 0755), 0);
        }
        result = run_at(g, NULL);
        *strrchr(path, '/') = 0;
        (void) snprintf(expected, sizeof(expected), "too deep, or too long a path, in: %.150s", path);
        assert_told(&result, SYNC_WORD_BAD_ENTRY, expected);
        assert_barred(&result, SYNC_WORD_NONE, SYNC_WORD_NONE);
        world_free(w);
}

static void lost_state_is_told_until_it_is_made_anew(void **state) {
        _cleanup_free_ char *command = NULL;
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        FolderResult result;

        world_write(w, g + 1, "a", 100);
        world_settle(w);
        world_write(w, g + 1, "b", 100);
        world_run(w, g + 1);
        assert_true(world_push(w, g + 1));
        world_close(w, g);
        command = strfmt("rm -rf %s/*", g->state);
        assert_int_equal(system(command), 0);
        world_open(w, g);
        world_fetch(w, g);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_STATE_LOST, "it is made anew from the folder and main, and nothing is deleted");
        assert_true(result.outcome.replan && !result.outcome.halted);
        result = run_at(g, NULL);
        assert_true(result.outcome.missing);
        assert_int_equal(result.outcome.word, SYNC_WORD_STATE_LOST);
        world_content(w, g, SIZE_MAX);
        result = run_at(g, NULL);
        assert_told(&result, SYNC_WORD_NONE, "");
        assert_false(result.outcome.missing || result.outcome.conflict);
        world_settle(w);
        world_check_equal(w);
        world_free(w);
}

/* Events tell of one name. */
static void a_write_through_one_name_travels_at_once_with_all(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        FolderResult result;

        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        world_write(w, g, "d/one", 100);
        assert_int_equal(linkat(g->root_fd, "d/one", g->root_fd, "two", 0), 0);
        world_settle(w);
        world_write(w, g, "two", 200);
        world_let_settle(g, "two");
        result = run_at(g, "two");
        assert_told(&result, SYNC_WORD_NONE, "");
        assert_int_equal(result.pending, 2);
        g->push = result.push;
        assert_true(world_push(w, g));
        folder_result_clear(&result);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

/* The event of the directory comes later than that of what is in it. */
static void a_new_directory_travels_with_what_is_told_of_it(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        FolderResult result;

        world_write(w, g, "other", 100);
        world_settle(w);
        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        world_write(w, g, "d/a", 100);
        world_write(w, g, "d/b", 100);
        world_let_settle(g, "d/b");
        result = run_at(g, "d/b");
        assert_told(&result, SYNC_WORD_NONE, "");
        assert_int_equal(result.pending, 3);
        g->push = result.push;
        assert_true(world_push(w, g));
        folder_result_clear(&result);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

/* No base yet is not a lost one. */
static void a_new_instance_has_lost_nothing(void **state) {
        World *w = world_new(1, 1);
        FolderResult result;

        world_write(w, w->gateways, "a", 100);
        world_restart(w, w->gateways);
        result = run_at(w->gateways, NULL);
        assert_told(&result, SYNC_WORD_NONE, "");
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_in_use_that_main_deletes_is_pending),
                cmocka_unit_test(a_pipe_and_a_file_in_use_bar_nothing),
                cmocka_unit_test(a_pipe_in_the_place_of_what_main_has_bars_that),
                cmocka_unit_test(what_cannot_be_read_bars_what_is_about_it),
                cmocka_unit_test(what_is_left_in_a_directory_is_told_of),
                cmocka_unit_test(what_changed_meanwhile_is_to_be_planned_anew),
                cmocka_unit_test(what_is_no_file_does_not_keep_worse_from_being_told),
                cmocka_unit_test(what_is_no_file_does_not_travel_and_is_told_of),
                cmocka_unit_test(temporary_files_are_passed_over_in_silence),
                cmocka_unit_test(what_is_too_deep_is_told_of_with_its_directory),
                cmocka_unit_test(a_write_through_one_name_travels_at_once_with_all),
                cmocka_unit_test(a_new_directory_travels_with_what_is_told_of_it),
                cmocka_unit_test(lost_state_is_told_until_it_is_made_anew),
                cmocka_unit_test(a_new_instance_has_lost_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
