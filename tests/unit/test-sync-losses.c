/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bugs by which other engines lost what users wrote, and the rule that each of them taught. Where the rule is tested:
 *
 *   1  an unscanned change is no base       test-sync-apply: a_file_changed_since_the_scan_is_left_alone
 *   2  one routine for every pair of kinds  here, and test-sync-plan: every_cell_of_the_matrices_holds
 *   3  nothing is unlinked that main lacks  here, and test-sync-apply: content_that_is_kept_nowhere_is_not_removed
 *   4  absence is a state like others       test-sync-plan: every_cell_of_the_matrices_holds
 *   5  durable before it is told            integration/test-power-cut
 *   6  a full disk is no change             test-folder-faults, test-sync-faults: a_full_disk_loses_nothing
 *   7  a missing disk is no deletion        here, test-sync-scan: a_missing_or_other_disk_halts, and
 *                                           test-sync-scan-faults: a_disk_that_goes_during_the_scan_halts
 *   8  an error is no deletion              test-sync-scan-faults: an_error_of_the_disk_is_no_deletion;
 *                                           test-folder-faults: an_error_of_the_disk_loses_nothing; test-sync-scan:
 *                                           an_unreadable_file_stays_as_unknown_not_deleted
 *   9  many deletions are held              here, and test-sync-plan: the_guard_looks_at_count_and_share
 *   10 an old state deletes nothing         here, and test-folder: a_store_that_is_lost_is_made_anew
 *   11 an open file is not replaced         test-sync-apply: an_open_file_is_a_collision_and_its_writer_goes_on
 *   12 a copy and its cause are one commit  here
 *   13 names are bytes                      here
 *   14 events only hasten                   test-sync-watch: an_overflow_makes_everything_dirty_and_mends_the_watches
 *   15 no merge touches the folder          here, and test-folder: every_version_is_kept_while_main_is_away */
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

#include "common/base/str.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

static WorldGateway *first(World *w) {
        return w->gateways;
}

static WorldGateway *second(World *w) {
        return w->gateways + 1;
}

static void check(World *w) {
        world_check_equal(w);
        world_check_ledger(w);
        world_check_origin(w);
}

static size_t count_entries(const World *w, const char *prefix) {
        size_t n = 0;

        SYNC_TREE_FOREACH(e, w->gateways[0].folder->index)
                n += startswith(e->path, prefix) != NULL;
        return n;
}

/* --- 2: syncthing #5566 --- */

typedef struct Intruder {
        World *world;
        bool done;
} Intruder;

static void intrude(void *userdata) {
        Intruder *i = userdata;

        if (!i->done)
                world_write(i->world, second(i->world), "x", 50);
        i->done = true;
}

static void what_comes_spares_what_was_not_scanned_of_whatever_kind(void **state) {
        for (unsigned kind = SYNC_FILE; kind <= SYNC_DIRECTORY; kind++) {
                World *w = world_new(2, 1);
                Intruder intruder = { .world = w };

                if (kind == SYNC_FILE)
                        world_write(w, first(w), "x", 40);
                else if (kind == SYNC_SYMLINK)
                        assert_int_equal(symlinkat("y", first(w)->root_fd, "x"), 0);
                else
                        assert_int_equal(mkdirat(first(w)->root_fd, "x", 0755), 0);
                world_run(w, first(w));
                assert_true(world_push(w, first(w)));
                world_fetch(w, second(w));
                /* Between the scan and the swap. */
                second(w)->folder->step = intrude;
                second(w)->folder->step_userdata = &intruder;
                world_run(w, second(w));
                if (second(w)->missing) {
                        world_content(w, second(w), SIZE_MAX);
                        world_run(w, second(w));
                }
                assert_true(intruder.done);
                world_settle(w);
                check(w);
                assert_int_equal(count_entries(w, "x"), 2);
                world_free(w);
        }
}

/* --- 3: syncthing, moveForConflict() --- */

static void conflict_copies_are_never_removed_however_many(void **state) {
        World *w = world_new(2, 1);

        for (unsigned i = 0; i < 15; i++) {
                world_write(w, first(w), "a", 10 + i);
                world_write(w, second(w), "a", 40 + i);
                world_settle(w);
        }
        check(w);
        /* The last one at its place, and beside it all that were put aside. */
        assert_int_equal(count_entries(w, "a"), 16);

        /* A collision of a copy is one like others. */
        SYNC_TREE_FOREACH(e, first(w)->folder->index)
                if (startswith(e->path, "a.")) {
                        _cleanup_free_ char *path = strdup(e->path);

                        world_write(w, first(w), path, 70);
                        world_write(w, second(w), path, 80);
                        break;
                }
        world_settle(w);
        check(w);
        assert_int_equal(count_entries(w, "a"), 17);
        world_free(w);
}

/* --- 7: owncloud #4293 --- */

static void a_disk_that_is_not_mounted_is_no_deletion(void **state) {
        FolderRequest request = { .gateway_name = "gw1", .full = true };
        _cleanup_free_ char *command = NULL;
        World *w = world_new(2, 1);
        git_oid tip, after;
        FolderResult result;

        for (unsigned i = 0; i < 5; i++) {
                char name[] = { (char) ('a' + i), 0 };

                world_write(w, first(w), name, 10);
        }
        world_settle(w);
        tip = world_main(w->server);

        command = strfmt("mkdir %s/aside && mv %s/.ispstorage %s/* %s/aside", w->directory, first(w)->volume,
                         first(w)->path, w->directory);
        assert_int_equal(system(command), 0);
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_true(result.outcome.halted);
        assert_false(result.outcome.candidate);
        folder_result_clear(&result);
        after = world_main(w->server);
        assert_true(git_oid_equal(&tip, &after));
        world_free(w);
}

/* --- 9: nextcloud #1433 --- */

#define LETTERS "abcdefgh"

/* A file for each of the letters, on both gateways. */
static World *world_of_letters(void) {
        World *w = world_new(2, 1);

        for (const char *p = LETTERS; *p; p++)
                world_write(w, first(w), (char[]) { *p, 0 }, 10);
        world_settle(w);
        return w;
}

static void delete_letters(World *w, const char *letters) {
        for (const char *p = letters; *p; p++)
                assert_int_equal(unlinkat(first(w)->root_fd, (char[]) { *p, 0 }, 0), 0);
}

static void many_deletions_wait_for_a_word(void **state) {
        FolderRequest request = { .gateway_name = "gw1", .full = true, .max_delete_count = 3 };
        World *w = world_of_letters();
        FolderResult result;
        char id[FOLDER_HELD_SIZE];

        delete_letters(w, "abcde");
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        assert_false(result.outcome.candidate);
        strcpy(id, result.held);
        folder_result_clear(&result);

        /* The word is for just these. */
        delete_letters(w, "f");
        request.confirmed = id;
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        strcpy(id, result.held);
        folder_result_clear(&result);

        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_true(result.outcome.candidate);
        assert_string_equal(result.held, "");
        assert_string_equal(result.confirmed, id);
        folder_result_clear(&result);

        /* It is good for as often as they have to be committed until main has them: others may be faster. */
        world_write(w, second(w), "others'", 10);
        world_run(w, second(w));
        assert_true(world_push(w, second(w)));
        for (unsigned i = 0; i < 2; i++) {
                world_fetch(w, first(w));
                assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
                assert_true(result.outcome.missing || result.outcome.candidate);
                assert_false(result.outcome.halted);
                assert_string_equal(result.confirmed, id);
                folder_result_clear(&result);
                world_content(w, first(w), SIZE_MAX);
        }
        world_settle(w);
        check(w);
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_string_equal(result.confirmed, "");
        folder_result_clear(&result);
        world_free(w);
}

static void delete_files(const WorldGateway *g, char from, char to) {
        for (char c = from; c <= to; c++) {
                char name[] = { c, 0 };

                assert_int_equal(unlinkat(g->root_fd, name, 0), 0);
        }
}

static void deletions_on_one_side_are_no_word_for_the_other(void **state) {
        FolderRequest request = { .gateway_name = "gw1", .full = true, .max_delete_count = 3 };
        World *w = world_new(2, 1);
        FolderResult result;
        char id[FOLDER_HELD_SIZE];

        for (char c = 'a'; c <= 'p'; c++) {
                char name[] = { c, 0 };

                world_write(w, first(w), name, 10);
        }
        world_settle(w);
        delete_files(first(w), 'a', 'e');
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        strcpy(id, result.held);
        folder_result_clear(&result);

        delete_files(second(w), 'm', 'p');
        world_run(w, second(w));
        assert_true(world_push(w, second(w)));
        world_fetch(w, first(w));
        request.confirmed = id;
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_int_equal(result.outcome.word, SYNC_WORD_MASS_DELETE);
        assert_string_equal(result.text, "9 of 16 files would be deleted in the folder and on main");
        assert_int_equal(count_entries(w, ""), 11);
        strcpy(id, result.held);
        folder_result_clear(&result);

        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_false(result.outcome.halted);
        assert_string_equal(result.confirmed, id);
        folder_result_clear(&result);
        world_settle(w);
        assert_int_equal(count_entries(w, ""), 7);
        world_free(w);
}

static void a_folder_that_was_emptied_is_asked_about_once(void **state) {
        FolderRequest request = { .gateway_name = "gw1", .full = true, .max_delete_count = 3 };
        World *w = world_of_letters();
        FolderResult result;
        char id[FOLDER_HELD_SIZE];

        delete_letters(w, LETTERS);
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_int_equal(result.outcome.word, SYNC_WORD_FOLDER_EMPTIED);
        strcpy(id, result.held);
        folder_result_clear(&result);
        request.confirmed = id;
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_true(result.outcome.candidate);
        strcpy(id, result.confirmed);
        folder_result_clear(&result);
        /* Others are faster. */
        world_write(w, second(w), "others'", 10);
        world_run(w, second(w));
        assert_true(world_push(w, second(w)));
        world_fetch(w, first(w));
        assert_int_equal(folder_run(first(w)->folder, &request, &result), 0);
        assert_false(result.outcome.halted);
        folder_result_clear(&result);
        world_settle(w);
        check(w);
        assert_int_equal(count_entries(w, ""), 1);
        world_free(w);
}

/* --- 10: nextcloud #2913, seafile #1830 --- */

static void a_state_from_a_backup_deletes_nothing(void **state) {
        _cleanup_free_ char *save = NULL, *restore = NULL, *before = NULL, *after = NULL;
        World *w = world_new(2, 1);

        world_write(w, first(w), "a", 10);
        world_write(w, first(w), "b", 20);
        world_settle(w);
        assert_int_equal(folder_save_index(first(w)->folder), 0);
        save = strfmt("cp -a %s %s/backup", first(w)->state, w->directory);
        assert_int_equal(system(save), 0);

        world_write(w, first(w), "a", 30);
        world_write(w, first(w), "new", 40);
        world_write(w, second(w), "newer", 50);
        assert_int_equal(unlinkat(first(w)->root_fd, "b", 0), 0);
        world_settle(w);
        before = world_text(second(w));

        world_close(w, first(w));
        restore = strfmt("rm -rf %s && mv %s/backup %s", first(w)->state, w->directory, first(w)->state);
        assert_int_equal(system(restore), 0);
        world_open(w, first(w));
        world_settle(w);
        check(w);
        after = world_text(second(w));
        assert_string_equal(after, before);
        world_free(w);
}

/* A folder from a backup is the user's work: its older contents are new versions, and what it lacks was deleted by
 * nobody who held the newer state. */
static void a_folder_from_a_backup_loses_no_version(void **state) {
        _cleanup_free_ char *save = NULL, *restore = NULL;
        World *w = world_new(2, 1);

        world_write(w, first(w), "a", 10);
        world_write(w, first(w), "b", 20);
        world_settle(w);
        save = strfmt("cp -a %s %s/backup", first(w)->path, w->directory);
        assert_int_equal(system(save), 0);
        world_write(w, first(w), "a", 30);
        world_write(w, second(w), "new", 40);
        world_settle(w);

        restore = strfmt("cp -a %s/backup/. %s/", w->directory, first(w)->path);
        assert_int_equal(system(restore), 0);
        world_restart(w, first(w));
        world_settle(w);
        check(w);
        assert_int_equal(count_entries(w, "new"), 1);
        world_free(w);
}

/* --- 12: owncloud #413 --- */

static void a_conflict_copy_is_in_the_commit_of_its_collision(void **state) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        World *w = world_new(2, 1);
        git_oid tip;
        size_t n = 0;

        world_write(w, first(w), "a", 10);
        world_write(w, second(w), "a", 20);
        world_run(w, first(w));
        assert_true(world_push(w, first(w)));
        world_fetch(w, second(w));
        world_run(w, second(w));
        while (second(w)->missing) {
                world_content(w, second(w), SIZE_MAX);
                world_run(w, second(w));
        }
        /* One push is enough. */
        assert_true(world_push(w, second(w)));
        tip = world_main(w->server);
        assert_int_equal(git_store_read_tree(w->server, &tip, &t), 0);
        SYNC_TREE_FOREACH(e, t)
                n += e->kind == SYNC_FILE;
        assert_int_equal(n, 2);
        world_settle(w);
        check(w);
        world_free(w);
}

/* --- 13: syncthing #1787, nextcloud #10087 --- */

static void names_that_look_alike_stay_apart(void **state) {
        static const char *const names[] = {
                "readme", "README", "ReadMe", "\xc3\xa9", "e\xcc\x81", "a b", "a\nb", "\xff\xfe", ".git", "d.",
        };
        World *w = world_new(2, 1);

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                world_write(w, first(w), names[i], 10 + i);
        world_settle(w);
        check(w);
        assert_int_equal(sync_tree_size(second(w)->folder->index), ELEMENTSOF(names));
        assert_false(first(w)->conflict || second(w)->conflict);

        /* Only the case changes, and only the composition. */
        assert_int_equal(unlinkat(first(w)->root_fd, "README", 0), 0);
        assert_int_equal(renameat(first(w)->root_fd, "readme", first(w)->root_fd, "README"), 0);
        assert_int_equal(unlinkat(second(w)->root_fd, "e\xcc\x81", 0), 0);
        assert_int_equal(renameat(second(w)->root_fd, "\xc3\xa9", second(w)->root_fd, "e\xcc\x81"), 0);
        world_settle(w);
        check(w);
        assert_int_equal(sync_tree_size(second(w)->folder->index), ELEMENTSOF(names) - 2);
        world_free(w);
}

/* --- 15: SparkleShare #1299 --- */

static void new_work_outlives_a_main_that_moved(void **state) {
        World *w = world_new(2, 1);

        world_write(w, first(w), "a", 10);
        world_settle(w);
        for (unsigned i = 0; i < 4; i++) {
                world_write(w, second(w), "a", 20 + i);
                world_run(w, second(w));
                assert_int_equal(unlinkat(second(w)->root_fd, "a", 0), 0);
                world_run(w, second(w));
                world_write(w, first(w), "a", 30 + i);
                world_run(w, first(w));
                while (!git_oid_is_zero(&first(w)->push))
                        assert_true(world_push(w, first(w)));
                world_write(w, second(w), "a", 40 + i);
                world_settle(w);
                check(w);
        }
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_comes_spares_what_was_not_scanned_of_whatever_kind),
                cmocka_unit_test(conflict_copies_are_never_removed_however_many),
                cmocka_unit_test(a_disk_that_is_not_mounted_is_no_deletion),
                cmocka_unit_test(many_deletions_wait_for_a_word),
                cmocka_unit_test(deletions_on_one_side_are_no_word_for_the_other),
                cmocka_unit_test(a_folder_that_was_emptied_is_asked_about_once),
                cmocka_unit_test(a_state_from_a_backup_deletes_nothing),
                cmocka_unit_test(a_folder_from_a_backup_loses_no_version),
                cmocka_unit_test(a_conflict_copy_is_in_the_commit_of_its_collision),
                cmocka_unit_test(names_that_look_alike_stay_apart),
                cmocka_unit_test(new_work_outlives_a_main_that_moved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
