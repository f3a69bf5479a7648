/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes to the tree of a commit, and differences between two, against what whole trees give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/git-tree-internal.h"
#include "tests/unit/git-fixture.h"

#define MODEL_STEPS 120U

static unsigned next_random(unsigned *seed, unsigned n) {
        *seed = *seed * 1664525U + 1013904223U;
        return (*seed >> 8) % n;
}

/* A set of changes to the tree: files, links, directories and removals; now and then so many that a
 * directory's metadata take another form. */
static SyncTree *random_changes(GitFixture *f, const SyncTree *t, unsigned *seed) {
        static const char *const directories[] = { "", "d/", "d/e/", "%q/" };
        unsigned n = next_random(seed, 8) == 0 ? 400 : 1 + next_random(seed, 6);
        SyncTree *changes = fixture_new_tree();

        for (unsigned i = 0; i < n; i++) {
                const char *directory = directories[next_random(seed, ELEMENTSOF(directories))];
                _cleanup_free_ char *path =
                                strfmt("%s%sf%u",
                                       directory,
                                       next_random(seed, 4) ? "" : "%",
                                       next_random(seed, 500));
                _cleanup_free_ char *content = strfmt("%u", next_random(seed, 100));

                switch (next_random(seed, n > 100 ? 3 : 12)) {
                case 0:
                        fixture_add(f, changes, path, SYNC_ABSENT, false, NULL);
                        break;
                case 3:
                        fixture_add(f, changes, path, SYNC_SYMLINK, false, content);
                        break;
                case 4:
                        (void) fixture_add_chunked(
                                        f, changes, path, next_random(seed, 2), 12, next_random(seed, 100));
                        break;
                case 5:
                        fixture_add(f, changes, path, SYNC_DIRECTORY, false, NULL);
                        break;
                case 6:
                        path[strlen(directory) > 0 ? strlen(directory) - 1 : 1] = 0;
                        if (next_random(seed, 8) == 0)
                                fixture_add(f, changes, path, SYNC_ABSENT, false, NULL);
                        break;
                default:
                        fixture_add(f, changes, path, SYNC_FILE, next_random(seed, 4) == 0, content);
                }
        }
        /* Parents, where they are not there and something is put beneath. */
        for (size_t i = 1; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *path = strndup(directories[i], strlen(directories[i]) - 1);
                const SyncEntry *e = sync_tree_find(t, path);

                if (!e || e->kind != SYNC_DIRECTORY)
                        fixture_add(f, changes, path, SYNC_DIRECTORY, false, NULL);
        }
        assert_int_equal(sync_tree_sort_last(changes), 0);
        return changes;
}

/* An absent parent and something beneath it make no tree. */
static bool is_possible(const SyncTree *t) {
        SYNC_TREE_FOREACH (e, t) {
                const char *slash = strrchr(e->path, '/');
                _cleanup_free_ char *parent = slash ? strndup(e->path, (size_t) (slash - e->path)) : NULL;
                const SyncEntry *p = parent ? sync_tree_find(t, parent) : NULL;

                if (parent && (!p || p->kind != SYNC_DIRECTORY))
                        return false;
        }
        return true;
}

/* What git_store_diff() says must be on one side. */
static SyncTree *expected_side(const SyncTree *mine, const SyncTree *other) {
        SyncTree *t = fixture_new_tree();

        SYNC_TREE_FOREACH (e, mine) {
                const SyncEntry *o = sync_tree_find(other, e->path);
                bool differs = !o || !sync_entry_equal(e, o);

                if (e->kind == SYNC_DIRECTORY && !differs) {
                        SYNC_TREE_FOREACH (x, mine)
                                if (sync_path_is_below(x->path, e->path)) {
                                        const SyncEntry *y = sync_tree_find(other, x->path);

                                        differs = differs || !y || !sync_entry_equal(x, y);
                                }
                        SYNC_TREE_FOREACH (x, other)
                                differs = differs || (sync_path_is_below(x->path, e->path) &&
                                                      !sync_tree_find(mine, x->path));
                }
                if (differs)
                        assert_int_equal(sync_tree_add(t, e), 0);
        }
        assert_int_equal(sync_tree_sort(t), 0);
        return t;
}

static void changes_and_differences_agree_with_whole_trees(void **state) {
        GitFixture *f = *state;
        SyncTree *t = fixture_new_tree();
        unsigned seed = 1;
        git_oid commit = {};

        for (unsigned i = 0; i < MODEL_STEPS; i++) {
                _cleanup_sync_tree_free_ SyncTree *changes = random_changes(f, t, &seed), *back = NULL,
                                                  *from = NULL, *to = NULL, *expected_from = NULL,
                                                  *expected_to = NULL;
                SyncTree *next = NULL;
                git_oid whole, tree, id;

                assert_int_equal(sync_tree_patch(t, changes, &next), 0);
                if (!is_possible(next)) {
                        assert_int_equal(
                                        git_store_write_changes(
                                                        f->store, &commit, changes, NULL, NULL, &tree),
                                        -EINVAL);
                        sync_tree_free(next);
                        continue;
                }
                assert_int_equal(git_store_write_changes(f->store, &commit, changes, NULL, NULL, &tree), 0);
                assert_int_equal(
                                git_store_write_changes(f->store, &(git_oid) {}, next, NULL, NULL, &whole),
                                0);
                assert_true(git_oid_equal(&tree, &whole));
                fixture_commit_tree(f, i > 0 ? &commit : NULL, &tree, i, &id);
                back = fixture_read_tree(f, &id);
                assert_same_tree(back, next);

                assert_int_equal(git_store_diff(f->store, &commit, &id, &from, &to), 0);
                expected_from = expected_side(t, next);
                expected_to = expected_side(next, t);
                assert_same_tree(from, expected_from);
                assert_same_tree(to, expected_to);
                sync_tree_free(t);
                t = next;
                commit = id;
                if (i % 10 == 0) {
                        assert_int_equal(git_store_sync(f->store), 0);
                        fixture_reopen(f);
                }
        }
        assert_true(sync_tree_size(t) > 600);
        sync_tree_free(t);
}

static void impossible_changes_are_refused(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = fixture_new_tree();
        SyncEntry entries[] = {
                { .path = "x", .kind = SYNC_FILE, .oid = { { 1 } } }, /* possible */
                { .path = "x", .kind = SYNC_FILE, .oid = { { 1 } }, .certainty = SYNC_BUSY },
                { .path = "x", .kind = SYNC_SPECIAL, .oid = { { 1 } } },
                { .path = "x", .kind = SYNC_FILE, .size = 1 },
                { .path = "x", .kind = SYNC_FILE, .oid = { { 1 } }, .size = SYNC_SIZE_UNKNOWN },
                { .path = "file/x", .kind = SYNC_FILE, .oid = { { 1 } } },
                { .path = "nowhere/x", .kind = SYNC_FILE, .oid = { { 1 } } },
        };
        git_oid id, tree;

        fixture_add(f, t, "file", SYNC_FILE, false, "x");
        fixture_commit_changes(f, NULL, t, 1, "gw", &id);
        for (size_t i = 0; i < ELEMENTSOF(entries); i++) {
                _cleanup_sync_tree_free_ SyncTree *change = fixture_new_tree();

                assert_int_equal(sync_tree_add(change, &entries[i]), 0);
                assert_int_equal(
                                git_store_write_changes(f->store, &id, change, NULL, NULL, &tree),
                                i == 0 ? 0 : -EINVAL);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(changes_and_differences_agree_with_whole_trees),
                TEST(impossible_changes_are_refused),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
