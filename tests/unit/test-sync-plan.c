/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The planner does what docs/sync-decisions.md says, cell by cell. The page's path is the first argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "tests/unit/sync-model.h"

#define PAGE_MAX (256U * 1024U)
#define CELLS_MAX 16U

static const SyncPlanContext context = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY },
                             as_is = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .as_is = true };

/* Splits "| a | b |" into its cells, in place. */
static size_t split_row(char *line, char *cells[static CELLS_MAX]) {
        size_t n = 0;

        for (char *cell = strtok(line + 1, "|"); cell; cell = strtok(NULL, "|")) {
                while (*cell == ' ')
                        cell++;
                for (char *end = cell + strlen(cell); end > cell && end[-1] == ' ';)
                        *--end = '\0';
                assert_true(n < CELLS_MAX);
                cells[n++] = cell;
        }
        return n;
}

static char *state_text(const char *state) {
        return streq(state, "-") ? strdup("") : strfmt("p=%s", state);
}

/* The states afterwards that a cell of the matrix names. */
static void expected(const char *cell, const char *local, const char *remote, char **ret_folder, char **ret_main) {
        _cleanup_free_ char *l = state_text(local), *r = state_text(remote);

        if (streq(cell, ".") || streq(cell, "wait")) {
                *ret_folder = TAKE_PTR(l);
                *ret_main = TAKE_PTR(r);
        } else if (streq(cell, "here") || streq(cell, "main")) {
                *ret_folder = strdup(streq(cell, "here") ? r : l);
                *ret_main = strdup(*ret_folder);
        } else if (streq(cell, "both")) {
                *ret_folder = strfmt("p!=%s %s", local, r);
                *ret_main = strdup(streq(local, "busy") ? r : *ret_folder);
        } else {
                assert_true(cell[0] == '=');
                *ret_folder = state_text(cell + 1);
                *ret_main = strdup(*ret_folder);
        }
}

static void check(const char *base, const char *local, const char *remote, const char *folder, const char *on_main,
                  bool idle) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree(base), *l = model_tree(local), *r = model_tree(remote),
                                          *f = model_tree(folder), *m = model_tree(on_main), *after = NULL,
                                          *committed = NULL;
        _cleanup_free_ char *f_text = model_text(f), *m_text = model_text(m), *after_text = NULL,
                            *committed_text = NULL;
        _cleanup_sync_plan_free_ SyncPlan *p = NULL;

        p = model_plan(b, l, r, &context);
        after = model_apply(l, p, NULL, NULL);
        assert_int_equal(sync_tree_patch(r, p->commits, &committed), 0);
        after_text = model_text(after);
        committed_text = model_text(committed);
        if (!streq(after_text, f_text) || !streq(committed_text, m_text))
                fail_msg("base '%s' local '%s' main '%s': folder '%s' (not '%s'), main '%s' (not '%s')", base, local,
                         remote, after_text, f_text, committed_text, m_text);
        if (idle) {
                assert_int_equal(p->n_operations, 0);
                assert_int_equal(sync_tree_size(p->commits), 0);
        }
}

/* After the table's operations, a plan on the new base gives the same commit and nothing to do. */
static void check_second_plan(const char *base, const char *local, const char *remote, const char *on_main) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree(base), *l = model_tree(local), *r = model_tree(remote),
                                          *m = model_tree(on_main), *after = NULL, *held = NULL, *new_base = NULL,
                                          *committed = NULL, *difference = NULL;
        _cleanup_sync_plan_free_ SyncPlan *first = NULL, *second = NULL;

        first = model_plan(b, l, r, &context);
        after = model_apply(l, first, NULL, NULL);
        held = model_advance_base(b, after, r, NULL);
        assert_int_equal(sync_tree_patch(r, held, &new_base), 0);
        second = model_plan(new_base, after, r, &as_is);
        assert_int_equal(second->n_operations, 0);
        assert_int_equal(sync_tree_patch(r, second->commits, &committed), 0);
        assert_int_equal(sync_tree_diff(committed, m, &difference), 0);
        assert_int_equal(sync_tree_size(difference), 0);
}

static void check_matrix_row(const char *base, char **columns, char **cells, size_t n) {
        _cleanup_free_ char *b = state_text(base), *l = state_text(cells[0]);

        for (size_t i = 1; i < n; i++) {
                _cleanup_free_ char *r = state_text(columns[i]), *folder = NULL, *on_main = NULL;

                expected(cells[i], cells[0], columns[i], &folder, &on_main);
                check(b, l, r, folder, on_main, streq(cells[i], ".") || streq(cells[i], "wait"));
                check_second_plan(b, l, r, on_main);
        }
}

static void every_cell_of_the_matrices_holds(void **state) {
        _cleanup_free_ char *page = strdup(*state);
        char *columns[CELLS_MAX] = {}, *cells[CELLS_MAX], *rest;
        const char *base = NULL;
        size_t n_columns = 0, n_cells = 0;

        for (char *line = strtok_r(page, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                const char *title = startswith(line, "### base: ");

                if (title) {
                        base = streq(title, "absent") ? "-" : title;
                        n_columns = 0;
                } else if (startswith(line, "## ")) {
                        base = NULL;
                } else if (base && line[0] == '|' && n_columns == 0) {
                        n_columns = split_row(line, columns);
                } else if (base && line[0] == '|' && !startswith(line, "|---")) {
                        assert_int_equal(split_row(line, cells), n_columns);
                        check_matrix_row(base, columns, cells, n_columns);
                        n_cells += n_columns - 1;
                }
        }
        assert_int_equal(n_cells, 7 * 8 + 2 * 9 * 9 + 8 * 8 + 7 * 7);
}

static void every_row_about_directories_holds(void **state) {
        _cleanup_free_ char *page = strdup(*state);
        char *cells[CELLS_MAX], *rest, *start = strstr(page, "## Directories and what is in them");
        size_t n_rows = 0;

        assert_non_null(start);
        for (char *line = strtok_r(start, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                if (startswith(line, "## ") && n_rows > 0)
                        break;
                if (!startswith(line, "| ") || startswith(line, "| base"))
                        continue;
                assert_int_equal(split_row(line, cells), 5);
                check(cells[0], cells[1], cells[2], cells[3], cells[4], false);
                check_second_plan(cells[0], cells[1], cells[2], cells[4]);
                n_rows++;
        }
        assert_true(n_rows >= 30);
}

static void operations_come_in_an_order_that_works(void **state) {
        /* model_apply() checks each step; here the deletion serves the creation, and so must come after it. */
        _cleanup_sync_tree_free_ SyncTree *b = model_tree("a=f1"), *r = model_tree("b=d b/c=f1");
        _cleanup_sync_plan_free_ SyncPlan *p = NULL;

        p = model_plan(b, b, r, &context);
        assert_int_equal(p->n_operations, 3);
        assert_int_equal(p->operations[2].kind, SYNC_DELETE);
        assert_string_equal(p->operations[0].path, "b");
}

static void renames_are_not_counted_as_deletions(void **state) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree("a=f1 b=f2 c=f3"), *l = model_tree("c=f3 n=f1"),
                                          *r = model_tree("a=f1 b=f2 m=f3");
        _cleanup_sync_plan_free_ SyncPlan *p = NULL;

        p = model_plan(b, l, r, &context);
        assert_int_equal(p->statistics.base_files, 3);
        assert_int_equal(p->statistics.deleted_on_main, 1);
        assert_int_equal(p->statistics.deleted_here, 0);
        assert_int_equal(p->statistics.bytes_wanted, 1);
}

static void a_taken_conflict_name_gets_a_counter(void **state) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree(""), *l = model_tree("p=f1 p!=f3"), *r = model_tree("p=f2");
        _cleanup_sync_plan_free_ SyncPlan *p = NULL;

        p = model_plan(b, l, r, &context);
        assert_int_equal(p->n_operations, 1);
        assert_non_null(endswith(p->operations[0].renamed_to, ".gw1.1"));
}

static void what_could_not_be_applied_is_held_at_its_old_base(void **state) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree("a=f1 b=f1"), *now = model_tree("a=f1 b=f2"),
                                          *target = model_tree("a=f2 b=f2 c=d c/d=f1"), *held = NULL, *base = NULL;
        _cleanup_free_ char *text = NULL;

        held = model_advance_base(b, now, target, NULL);
        assert_int_equal(sync_tree_patch(target, held, &base), 0);
        text = model_text(base);
        assert_string_equal(text, "a=f1 b=f2");
}

/* Main has something else where the folder's directory cannot be read: of what is in it nothing is known. */
static void what_is_beneath_the_unreadable_stays_in_base(void **state) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree("e=d e/a=f1"), *now = model_tree("e=?"),
                                          *target = model_tree("e=f2"), *held = NULL, *base = NULL;
        _cleanup_free_ char *text = NULL;

        held = model_advance_base(b, now, target, NULL);
        assert_int_equal(sync_tree_patch(target, held, &base), 0);
        text = model_text(base);
        assert_string_equal(text, "e=d e/a=f1");
}

static void what_was_placed_is_base_even_if_changed_since(void **state) {
        _cleanup_sync_tree_free_ SyncTree *b = model_tree("a=f1"), *now = model_tree("a=f3"),
                                          *target = model_tree("a=f2"), *placed = model_tree("a=f2"), *held = NULL;

        held = model_advance_base(b, now, target, placed);
        assert_int_equal(sync_tree_size(held), 0);
}

static void the_guard_looks_at_count_and_share(void **state) {
        assert_true(sync_guard_exceeded(11, 1000000, 10, 0));
        assert_false(sync_guard_exceeded(10, 1000000, 10, 0));
        assert_true(sync_guard_exceeded(51, 100, 0, 50));
        assert_false(sync_guard_exceeded(50, 100, 0, 50));
        assert_false(sync_guard_exceeded(SYNC_GUARD_MIN - 1, SYNC_GUARD_MIN - 1, 0, 50));
        assert_true(sync_guard_exceeded(SYNC_GUARD_MIN, SYNC_GUARD_MIN, 0, 50));
        assert_false(sync_guard_exceeded(1000000, 1000000, 0, 0));
}

static size_t count_creations(const SyncPlan *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_operations; i++)
                n += p->operations[i].kind == SYNC_CREATE && p->operations[i].wanted->kind != SYNC_DIRECTORY;
        return n;
}

/* With a limit of one creation, plan after plan comes to the same; on the way no content is deleted that a creation
 * still wants, and none of it is taken for a loss. */
static void what_is_put_off_follows_in_later_plans(void **state) {
        const SyncPlanContext limited = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .window = 1 };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("o=d o/a=f1 o/b=f2"),
                                          *local = model_tree("o=d o/a=f1 o/b=f2"),
                                          *remote = model_tree("p=d p/a=f1 p/b=f2 p/c=f3 p/d=f4");
        _cleanup_free_ char *text = NULL, *wanted = model_text(remote);
        size_t put_off;

        for (put_off = 3;; put_off--) {
                _cleanup_sync_tree_free_ SyncTree *before = local, *old = base, *held = NULL;
                _cleanup_sync_plan_free_ SyncPlan *p = model_plan(old, before, remote, &limited);
                _cleanup_free_ char *now = NULL;

                assert_int_equal(p->statistics.put_off, put_off);
                assert_int_equal(count_creations(p), 1);
                assert_int_equal(p->statistics.deleted_here, 0);
                local = model_apply(before, p, NULL, NULL);
                now = model_text(local);
                assert_true(strstr(now, "f1") && strstr(now, "f2"));
                held = model_advance_base(old, local, remote, NULL);
                assert_int_equal(sync_tree_patch(remote, held, &base), 0);
                if (put_off == 0)
                        break;
        }
        text = model_text(local);
        assert_string_equal(text, wanted);
}

/* Creations that are put off still want their directory. */
static void what_is_put_off_counts_for_its_directory(void **state) {
        const SyncPlanContext limited = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .window = 1 };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("a=f1 p=d p/x=f1"), *local = model_tree("a=f1 p=f2"),
                                          *remote = model_tree("a=f1 b=f3 p=d p/m=f4 p/n=f5 p/x=f1"), *after = NULL;
        _cleanup_sync_plan_free_ SyncPlan *p = model_plan(base, local, remote, &limited);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(p->statistics.put_off, 1);
        assert_int_equal(p->statistics.collisions, 1);
        after = model_apply(local, p, NULL, NULL);
        text = model_text(after);
        assert_true(strstr(text, "p=d") && strstr(text, "=f2"));
}

static bool deletes(const SyncPlan *p, const char *path) {
        for (size_t i = 0; i < p->n_operations; i++)
                if (p->operations[i].kind == SYNC_DELETE && strcmp(p->operations[i].path, path) == 0)
                        return true;
        return false;
}

/* One deletion after the other comes to the same; each plan tells of all. No directory goes before what is in it. */
static void deletions_follow_in_later_plans(void **state) {
        const SyncPlanContext limited = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .window = 1 };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("a=f1 d=d d/x=f2 d/y=d d/y/z=f3 k=f4"),
                                          *local = model_tree("a=f1 d=d d/x=f2 d/y=d d/y/z=f3 k=f4"),
                                          *remote = model_tree("k=f4");
        static const char *const order[] = { "d/y/z", "d/y", "d/x", "d", "a" };
        _cleanup_free_ char *text = NULL, *wanted = model_text(remote);

        for (size_t i = 0; i < ELEMENTSOF(order); i++) {
                _cleanup_sync_tree_free_ SyncTree *before = local, *old = base, *held = NULL;
                _cleanup_sync_plan_free_ SyncPlan *p = model_plan(old, before, remote, &limited);

                assert_int_equal(p->n_operations, 1);
                assert_true(deletes(p, order[i]));
                assert_int_equal(p->statistics.deletions_put_off > 0, i + 1 < ELEMENTSOF(order));
                assert_int_equal(p->statistics.deleted_here, 3 - (i > 0) - (i > 2));
                local = model_apply(before, p, NULL, NULL);
                held = model_advance_base(old, local, remote, NULL);
                assert_int_equal(sync_tree_patch(remote, held, &base), 0);
        }
        text = model_text(local);
        assert_string_equal(text, wanted);
}

/* What the others are behind may be what cannot be deleted. */
static void a_window_can_begin_behind_what_stays(void **state) {
        const SyncPlanContext behind = {
                .now = MODEL_NOW,
                .gateway_name = MODEL_GATEWAY,
                .window = 1,
                .deleted_to = "d/y",
        };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("d=d d/x=f2 d/y=f3"),
                                          *local = model_tree("d=d d/x=f2 d/y=f3"), *remote = model_tree("");
        _cleanup_sync_plan_free_ SyncPlan *p = model_plan(base, local, remote, &behind);

        assert_int_equal(p->n_operations, 1);
        assert_true(deletes(p, "d/x"));
        assert_string_equal(p->last_deleted, "d/x");
        assert_null(p->last_created);
        /* The directory; the file that it is behind of is none of these. */
        assert_int_equal(p->statistics.behind, 0);
}

static void both_halves_of_a_rename_are_in_one_plan(void **state) {
        const SyncPlanContext limited = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .window = 1 };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("a=f1 b=f2 c=f3 d=f4"),
                                          *local = model_tree("a=f1 b=f2 c=f3 d=f4"), *remote = model_tree("x=f1 y=f2");
        _cleanup_sync_plan_free_ SyncPlan *p = model_plan(base, local, remote, &limited);

        assert_int_equal(p->statistics.put_off, 1);
        assert_int_equal(p->statistics.deletions_put_off, 1);
        assert_int_equal(p->statistics.deleted_here, 2);
        assert_true(deletes(p, "a") && deletes(p, "d"));
        /* What waits for a creation that is put off, and what is outside of the window. */
        assert_false(deletes(p, "b") || deletes(p, "c"));
}

/* What is in the place of a directory comes with all that main deletes in it. */
static void a_directory_is_replaced_in_one_plan(void **state) {
        const SyncPlanContext limited = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .window = 1 };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("d=d d/x=f1 d/y=f2 d/z=f3"),
                                          *local = model_tree("d=d d/x=f1 d/y=f2 d/z=f3"), *remote = model_tree("d=f4"),
                                          *after = NULL;
        _cleanup_sync_plan_free_ SyncPlan *p = model_plan(base, local, remote, &limited);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(p->statistics.deletions_put_off, 0);
        after = model_apply(local, p, NULL, NULL);
        text = model_text(after);
        assert_string_equal(text, "d=f4");
}

/* In the commit, and only there: it counts with all that is in it, and the guard is told of each file. */
static void a_directory_that_goes_stands_for_what_is_in_it(void **state) {
        const SyncPlanContext whole = { .now = MODEL_NOW, .gateway_name = MODEL_GATEWAY, .whole_directories = true };
        _cleanup_sync_tree_free_ SyncTree *base = model_tree("d=d d/x=f1 d/y=d d/y/z=f2 e=d e/a=f1 e/b=f4"),
                                          *local = model_tree("e=d e/n=f3"), *after = NULL;
        _cleanup_sync_plan_free_ SyncPlan *p = model_plan(base, local, base, &whole);
        _cleanup_free_ char *text = NULL, *wanted = model_text(local);

        assert_int_equal(sync_tree_size(p->commits), 4);
        assert_int_equal(p->statistics.to_commit, 7);
        assert_int_equal(p->statistics.deleted_on_main, 4);
        assert_int_equal(sync_tree_patch(base, p->commits, &after), 0);
        text = model_text(after);
        assert_string_equal(text, wanted);
}

int main(int argc, char **argv) {
        _cleanup_free_ char *page = NULL;

        if (argc != 2 || read_file(AT_FDCWD, argv[1], PAGE_MAX, &page, NULL) < 0)
                return 2;

        const struct CMUnitTest tests[] = {
                cmocka_unit_test_prestate(every_cell_of_the_matrices_holds, page),
                cmocka_unit_test_prestate(every_row_about_directories_holds, page),
                cmocka_unit_test(operations_come_in_an_order_that_works),
                cmocka_unit_test(renames_are_not_counted_as_deletions),
                cmocka_unit_test(a_taken_conflict_name_gets_a_counter),
                cmocka_unit_test(what_could_not_be_applied_is_held_at_its_old_base),
                cmocka_unit_test(what_is_beneath_the_unreadable_stays_in_base),
                cmocka_unit_test(what_was_placed_is_base_even_if_changed_since),
                cmocka_unit_test(what_is_put_off_follows_in_later_plans),
                cmocka_unit_test(what_is_put_off_counts_for_its_directory),
                cmocka_unit_test(deletions_follow_in_later_plans),
                cmocka_unit_test(a_window_can_begin_behind_what_stays),
                cmocka_unit_test(both_halves_of_a_rename_are_in_one_plan),
                cmocka_unit_test(a_directory_is_replaced_in_one_plan),
                cmocka_unit_test(a_directory_that_goes_stands_for_what_is_in_it),
                cmocka_unit_test(the_guard_looks_at_count_and_share),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
