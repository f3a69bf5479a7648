/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many files that come, go or are renamed at once: a run does some of them, and what is left is the next one's. */
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
#include <time.h>
#include <unistd.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

typedef char Name[sizeof("d/f99")];

static const char *name_of(unsigned i, Name ret) {
        (void) snprintf(ret, sizeof(Name), "d/f%02u", i % 100);
        return ret;
}

/* Both gateways have so many files; the first one does so many in a run. */
static World *world_of(unsigned n, size_t window) {
        World *w = world_new(2, 1);
        Name name;

        assert_int_equal(mkdirat(w->gateways[0].root_fd, "d", 0755), 0);
        for (unsigned i = 0; i < n; i++)
                world_write(w, w->gateways, name_of(i, name), 100);
        world_settle(w);
        w->window = window;
        w->gateways[0].folder->window = window;
        return w;
}

/* The second gateway deletes these on main. */
static void delete_elsewhere(World *w, unsigned from, unsigned to) {
        Name name;

        for (unsigned i = from; i < to; i++)
                assert_int_equal(unlinkat(w->gateways[1].root_fd, name_of(i, name), 0), 0);
        world_run(w, w->gateways + 1);
        assert_true(world_push(w, w->gateways + 1));
        world_fetch(w, w->gateways);
}

/* The second gateway has so many files, which the first one is told of; that does so many in a run. */
static World *world_that_comes(unsigned n, size_t window) {
        World *w = world_new(2, 1);
        Name name;

        assert_int_equal(mkdirat(w->gateways[1].root_fd, "d", 0755), 0);
        for (unsigned i = 0; i < n; i++)
                world_write(w, w->gateways + 1, name_of(i, name), 100);
        w->window = w->gateways[0].folder->window = window;
        delete_elsewhere(w, 0, 0);
        return w;
}

static unsigned count_files(const WorldGateway *g) {
        unsigned n = 0;
        Name name;

        for (unsigned i = 0; i < 100; i++)
                n += faccessat(g->root_fd, name_of(i, name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        return n;
}

static FolderResult run(World *w, FolderRequest request) {
        WorldGateway *g = w->gateways;
        FolderResult result;

        request.gateway_name = g->name;
        request.full = true;
        assert_int_equal(folder_run(g->folder, &request, &result), 0);
        assert_int_equal(folder_finish_run(g->folder), 0);
        world_check_told(g, &result);
        return result;
}

static void check(World *w) {
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_check_origin(w);
        world_free(w);
}

static void a_run_deletes_as_many_as_its_window_has(void **state) {
        World *w = world_of(7, 2);

        delete_elsewhere(w, 1, 6);
        for (unsigned left = 3; left > 0; left -= MIN(left, 2U)) {
                FolderResult result = run(w, (FolderRequest) {});

                assert_int_equal(count_files(w->gateways), 2 + left);
                assert_int_equal(result.unplaced, left);
                assert_true(result.outcome.rest && result.outcome.unplaced);
                assert_string_equal(result.text, "");
                folder_result_clear(&result);
        }
        assert_false(run(w, (FolderRequest) {}).outcome.rest);
        assert_int_equal(count_files(w->gateways), 2);
        check(w);
}

/* The last of n files are being written to. */
static void open_last(World *w, unsigned n, int *ret, unsigned n_ret) {
        Name name;

        for (unsigned i = 0; i < n_ret; i++) {
                ret[i] = openat(w->gateways[0].root_fd, name_of(n - 1 - i, name), O_WRONLY | O_CLOEXEC);
                assert_true(ret[i] >= 0);
        }
}

static void what_cannot_be_deleted_gives_way_to_the_others(void **state) {
        World *w = world_of(6, 2);
        int fds[2];

        open_last(w, 6, fds, ELEMENTSOF(fds));
        delete_elsewhere(w, 0, 6);
        for (unsigned i = 0; i < 10 && run(w, (FolderRequest) {}).outcome.rest; i++)
                ;
        assert_int_equal(count_files(w->gateways), ELEMENTSOF(fds));
        for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        check(w);
}

/* Runs as long as there is something to be tried at once; returns how many. */
static unsigned run_all(World *w, FolderRequest request) {
        unsigned n = 0;

        for (bool rest = true; rest; n++) {
                FolderResult result = run(w, request);

                rest = result.outcome.rest;
                folder_result_clear(&result);
        }
        return n;
}

/* Those that can be deleted do not wait for one run each. */
static void a_window_moves_on_from_what_cannot_be_deleted(void **state) {
        World *w = world_of(46, 6);
        int fds[5];

        open_last(w, 46, fds, ELEMENTSOF(fds));
        delete_elsewhere(w, 0, 46);
        /* Two rounds: in the second one nothing is done. */
        assert_in_range(run_all(w, (FolderRequest) {}), 8, 10);
        assert_int_equal(count_files(w->gateways), ELEMENTSOF(fds));
        for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        check(w);
}

/* One of the first gateway's directories, and whether anything can be written to it. */
static void make_writable(World *w, unsigned i, bool writable) {
        char path[8];

        (void) snprintf(path, sizeof(path), "s%u", i);
        assert_int_equal(fchmodat(w->gateways[0].root_fd, path, writable ? 0755 : 0555, 0), 0);
}

/* Of a large file that comes from main nothing can be made here. */
static void spoil(World *w, const char *path) {
        Folder *f = w->gateways[0].folder;
        SyncEntry e;

        assert_int_equal(git_store_find_entry(f->store, &f->main_commit, path, &e), 0);
        content_remove(&f->content, &e.oid);
        content_mark_malformed(&f->content, &e.oid);
}

/* More than several windows have; and what can be placed is the last of all. */
static void a_window_moves_on_from_what_cannot_be_created(void **state) {
        static const char *const last[] = { "z/0", "z/1", "z/2" };
        World *w = world_new(2, 1);
        WorldGateway *from = w->gateways + 1;
        FolderResult result;
        char path[8];

        for (unsigned i = 0; i < 10; i++) {
                (void) snprintf(path, sizeof(path), "s%u", i);
                assert_int_equal(mkdirat(from->root_fd, path, 0755), 0);
        }
        assert_int_equal(mkdirat(from->root_fd, "z", 0755), 0);
        world_settle(w);
        for (unsigned i = 0; i < 10; i++) {
                make_writable(w, i, false);
                (void) snprintf(path, sizeof(path), "s%u/0", i);
                world_write(w, from, path, 100);
        }
        for (unsigned i = 0; i < ELEMENTSOF(last); i++)
                world_write(w, from, last[i], i == 0 ? 3 << 20 : 100);
        delete_elsewhere(w, 0, 0);
        result = run(w, (FolderRequest) {});
        folder_result_clear(&result);
        world_content(w, w->gateways, SIZE_MAX);
        spoil(w, last[0]);

        w->window = w->gateways[0].folder->window = 2;
        assert_in_range(run_all(w, (FolderRequest) {}), 7, 14);
        for (unsigned i = 0; i < ELEMENTSOF(last); i++)
                assert_int_equal(faccessat(w->gateways[0].root_fd, last[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0, i > 0);
        content_sweep(&w->gateways[0].folder->content, 0, NULL, NULL);
        for (unsigned i = 0; i < 10; i++)
                make_writable(w, i, true);
        check(w);
}

/* A limit that the window is below does not let the others pass. */
static void the_guard_sees_what_is_put_off(void **state) {
        FolderRequest request = { .max_delete_count = 3 };
        World *w = world_of(16, 2);
        char id[FOLDER_HELD_SIZE];
        FolderResult result;

        delete_elsewhere(w, 0, 5);
        result = run(w, request);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        assert_string_equal(result.text, "5 of 16 files would be deleted in the folder");
        assert_int_equal(count_files(w->gateways), 16);

        /* The word is for all of them, in however many runs. */
        strcpy(id, result.held);
        request.confirmed = id;
        result = run(w, request);
        assert_true(!result.outcome.halted && result.outcome.rest);
        assert_string_equal(result.confirmed, id);
        assert_int_equal(count_files(w->gateways), 14);

        /* What comes besides counts by itself. */
        request.confirmed = NULL;
        delete_elsewhere(w, 10, 14);
        result = run(w, request);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        assert_string_equal(result.text, "4 of 11 files would be deleted in the folder");
        assert_int_equal(result.unplaced, 3);
        assert_int_equal(count_files(w->gateways), 14);

        strcpy(id, result.held);
        request.confirmed = id;
        for (unsigned i = 0; i < 10 && run(w, request).outcome.rest; i++)
                request.confirmed = NULL;
        assert_int_equal(count_files(w->gateways), 7);
        check(w);
}

/* A gateway that was begun anew does not know what it had let pass. */
static void the_share_is_that_of_what_is_still_there(void **state) {
        FolderRequest request = { .max_delete_percent = 50 };
        World *w = world_of(40, 2);
        FolderResult result;

        delete_elsewhere(w, 0, 20);
        result = run(w, request);
        assert_false(result.outcome.halted);
        world_restart(w, w->gateways);
        result = run(w, request);
        assert_false(result.outcome.halted);
        assert_int_equal(count_files(w->gateways), 36);
        request.max_delete_percent = 30;
        result = run(w, request);
        assert_false(result.outcome.halted);
        world_restart(w, w->gateways);
        result = run(w, request);
        assert_string_equal(result.text, "14 of 34 files would be deleted in the folder");
        check(w);
}

/* Of a rename and of what is deleted besides each run does both halves of what it does. */
static void what_is_renamed_is_renamed_in_any_window(void **state) {
        World *w = world_of(12, 2);
        size_t n_moved = w->gateways[0].folder->n_moved;
        Name name;

        world_let_settle(w->gateways, name_of(0, name));
        for (unsigned i = 8; i < 12; i++)
                assert_int_equal(unlinkat(w->gateways[1].root_fd, name_of(i, name), 0), 0);
        assert_int_equal(renameat(w->gateways[1].root_fd, "d", w->gateways[1].root_fd, "e"), 0);
        delete_elsewhere(w, 0, 0);
        for (unsigned i = 0; i < 20 && run(w, (FolderRequest) {}).outcome.rest; i++)
                ;
        assert_int_equal(count_files(w->gateways), 0);
        assert_int_equal(w->gateways[0].folder->n_moved - n_moved, 8);
        check(w);
}

/* The same content in n files; elsewhere they are in another directory then. */
static World *world_of_same(unsigned n, size_t window) {
        World *w = world_of(0, window);
        const WorldGateway *g = w->gateways + 1;
        unsigned tag = w->n_contents;
        Name name;

        for (unsigned i = 0; i < n; i++) {
                w->n_contents = tag;
                world_write(w, w->gateways, name_of(i, name), 100);
        }
        world_let_settle(w->gateways, name_of(0, name));
        world_settle(w);
        assert_int_equal(renameat(g->root_fd, "d", g->root_fd, "e"), 0);
        delete_elsewhere(w, 0, 0);
        return w;
}

/* Many files of the same content wait for the last one that is created with it, and go one after the other then. */
static void the_guard_knows_a_rename_of_files_that_are_the_same(void **state) {
        World *w = world_of_same(16, 2);

        (void) run_all(w, (FolderRequest) { .max_delete_percent = 10 });
        assert_int_equal(count_files(w->gateways), 0);
        check(w);
}

/* Until what it was created for is gone as well. */
static void the_guard_sees_that_what_was_renamed_is_deleted(void **state) {
        FolderRequest request = { .max_delete_percent = 10 };
        World *w = world_of_same(16, 2);
        FolderResult result;
        Name name;

        for (unsigned i = 0; i < 9; i++)
                assert_string_equal(run(w, request).text, "");
        assert_int_equal(count_files(w->gateways), 10);
        for (unsigned i = 0; i < 16; i++) {
                (void) name_of(i, name);
                *name = 'e';
                assert_int_equal(unlinkat(w->gateways[1].root_fd, name, 0), 0);
        }
        delete_elsewhere(w, 0, 0);
        result = run(w, request);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        assert_string_equal(result.text, "26 of 26 files would be deleted in the folder");
        assert_int_equal(count_files(w->gateways), 10);
        world_free(w);
}

static void what_is_still_to_come_is_told_while_content_is_missing(void **state) {
        World *w = world_that_comes(5, 2);
        FolderResult result;

        result = run(w, (FolderRequest) {});
        assert_true(result.outcome.missing);
        /* The next run is the one behind the content. */
        assert_false(result.outcome.rest);
        world_content(w, w->gateways, 1);
        result = run(w, (FolderRequest) {});
        assert_true(result.outcome.missing);
        assert_false(result.outcome.rest);
        assert_true(result.outcome.placed);
        assert_int_equal(count_files(w->gateways), 1);
        assert_int_equal(result.unplaced, 4);
        result = run(w, (FolderRequest) {});
        assert_true(result.outcome.missing);
        assert_int_equal(result.unplaced, 4);
        check(w);
}

/* What a user changes meanwhile does not wait for all windows, nor for content. */
static void what_changes_here_is_pushed_between_the_windows(void **state) {
        World *w = world_that_comes(9, 2);
        WorldGateway *g = w->gateways;
        SyncEntry e;
        git_oid main;

        for (unsigned i = 0; i < 2; i++) {
                const char *mine = i == 0 ? "mine" : "mine too";

                world_write(w, g, mine, 100);
                world_run(w, g);
                assert_true(i == 0 ? g->missing : g->rest);
                assert_int_equal(count_files(g), 2 * i);
                assert_true(world_push(w, g));
                main = world_main(w->server);
                assert_int_equal(git_store_find_entry(w->server, &main, mine, &e), 0);
                world_content(w, g, SIZE_MAX);
        }
        check(w);
}

static const SyncOid unwanted = { .bytes = "nobody's" };

/* What the gateway has of a file in the content area is as old as that; or only whether there is something. */
static bool age(const WorldGateway *g, const SyncOid *oid, const char *suffix, const struct timespec times[2]) {
        char name[2 * SYNC_OID_SIZE + sizeof(".part")];
        int fd = g->folder->content.content_fd;

        (void) strcat(format_hex(oid->bytes, SYNC_OID_SIZE, name), suffix);
        return (times ? utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) : faccessat(fd, name, F_OK, 0)) >= 0;
}

static unsigned count_content(const World *w) {
        unsigned n = 0;

        for (unsigned i = 0; i < w->n_contents; i++)
                n += content_has(&w->gateways[0].folder->content, &w->contents[i].oid) > 0;
        return n;
}

/* The first gateway has all content of five files that came, since long ago, and places two in a run. Besides it has
 * something that nobody wants. */
static World *world_that_waits(void) {
        struct timespec old[2] = { { .tv_nsec = UTIME_OMIT },
                                   { .tv_sec = time(NULL) - 2 * (time_t) FOLDER_CONTENT_AGE_SEC } };
        World *w = world_that_comes(5, 0);
        WorldGateway *g = w->gateways;
        FolderResult result;
        bool new;
        int fd;

        result = run(w, (FolderRequest) {});
        assert_true(result.outcome.missing);
        folder_result_clear(&result);
        world_content(w, g, SIZE_MAX);
        assert_int_equal(content_part_open(&g->folder->content, &unwanted, 1, &new, &fd), 0);
        close(fd);
        for (unsigned i = 0; i < w->n_contents; i++)
                (void) age(g, &w->contents[i].oid, "", old);
        assert_true(age(g, &unwanted, ".part", old));
        world_restart(w, g);
        w->window = g->folder->window = 2;
        return w;
}

static bool has_unwanted(const WorldGateway *g) {
        return age(g, &unwanted, ".part", NULL);
}

static void content_that_waits_is_kept(void **state) {
        World *w = world_that_waits();

        assert_true(has_unwanted(w->gateways));
        for (unsigned placed = 2; placed <= 4; placed += 2) {
                FolderResult result = run(w, (FolderRequest) {});

                assert_false(result.outcome.missing);
                assert_int_equal(count_files(w->gateways), placed);
                folder_result_clear(&result);
                assert_false(has_unwanted(w->gateways));
        }
        /* Once a day. */
        w->gateways[0].folder->swept -= FOLDER_CONTENT_AGE_SEC;
        (void) run_all(w, (FolderRequest) {});
        assert_int_equal(count_files(w->gateways), 5);
        check(w);
}

/* Unless the disk is full: but not what its turn has come for. */
static void content_that_waits_gives_way_when_there_is_no_space(void **state) {
        World *w = world_that_waits();
        WorldGateway *g = w->gateways;
        Folder *f = g->folder;
        uint64_t floor = f->content.disk_floor;
        git_oid main = world_main(w->server);
        FolderResult result;
        SyncEntry e;

        assert_int_equal(git_store_find_entry(w->server, &main, "d/f00", &e), 0);
        content_remove(&f->content, &e.oid);
        assert_int_equal(count_content(w), 4);
        f->content.disk_floor = UINT64_MAX / 2;
        result = run(w, (FolderRequest) {});
        assert_int_equal(result.outcome.word, SYNC_WORD_DISK_FULL);
        folder_result_clear(&result);
        assert_int_equal(count_files(g), 1);
        assert_int_equal(count_content(w), 0);
        f->content.disk_floor = floor;
        check(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_run_deletes_as_many_as_its_window_has),
                cmocka_unit_test(what_cannot_be_deleted_gives_way_to_the_others),
                cmocka_unit_test(a_window_moves_on_from_what_cannot_be_deleted),
                cmocka_unit_test(a_window_moves_on_from_what_cannot_be_created),
                cmocka_unit_test(the_guard_sees_what_is_put_off),
                cmocka_unit_test(the_share_is_that_of_what_is_still_there),
                cmocka_unit_test(what_is_renamed_is_renamed_in_any_window),
                cmocka_unit_test(the_guard_knows_a_rename_of_files_that_are_the_same),
                cmocka_unit_test(the_guard_sees_that_what_was_renamed_is_deleted),
                cmocka_unit_test(what_is_still_to_come_is_told_while_content_is_missing),
                cmocka_unit_test(what_changes_here_is_pushed_between_the_windows),
                cmocka_unit_test(content_that_waits_is_kept),
                cmocka_unit_test(content_that_waits_gives_way_when_there_is_no_space),
        };

        world_obey_permissions();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
