/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local store: what it keeps, and main's history in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/git-store-internal.h"
#include "tests/unit/git-fixture.h"

static void objects_have_the_names_that_git_gives_them(void **state) {
        GitFixture *f = *state;
        _cleanup_free_ void *data = NULL;
        git_object_t type;
        git_oid id, wanted;
        SyncOid named;
        size_t size;

        assert_int_equal(git_oid_fromstr(&wanted, "ce013625030ba8dba906f756967f9e9ca394464a"), 0);
        assert_int_equal(git_hash_bytes(GIT_OBJECT_BLOB, "hello\n", 6, &named), 0);
        assert_memory_equal(named.bytes, wanted.id, sizeof(wanted.id));
        assert_false(git_store_has(f->store, &wanted));
        assert_int_equal(git_store_read(f->store, &wanted, &type, &data, &size), -ENOENT);
        assert_int_equal(git_store_write(f->store, GIT_OBJECT_BLOB, "hello\n", 6, &id), 0);
        assert_true(git_oid_equal(&id, &wanted));
        assert_true(git_store_has(f->store, &wanted));
        assert_int_equal(git_store_read(f->store, &wanted, &type, &data, &size), 0);
        assert_int_equal(type, GIT_OBJECT_BLOB);
        assert_int_equal(size, 6);
        assert_string_equal(data, "hello\n");
        assert_int_equal(
                        git_store_write(f->store, GIT_OBJECT_BLOB, "", GIT_STORE_OBJECT_MAX + 1, &id),
                        -E2BIG);
}

static void references_and_objects_are_durable_together(void **state) {
        GitFixture *f = *state;
        _cleanup_(git_store_freep) GitStore *other = NULL;
        git_oid id, back;

        assert_int_equal(git_store_open(&other, f->objects), 0);
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), -ENOENT);
        assert_int_equal(git_store_write(f->store, GIT_OBJECT_BLOB, "x", 1, &id), 0);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_BASE, &id), 0);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_TARGET, &id), 0);
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), 0);
        assert_false(git_store_has(other, &id));
        assert_int_equal(git_store_get_reference(other, GIT_STORE_BASE, &back), -ENOENT);
        assert_int_equal(git_store_sync(f->store), 0);
        assert_true(git_store_has(other, &id));
        assert_int_equal(git_store_get_reference(other, GIT_STORE_BASE, &back), 0);
        assert_true(git_oid_equal(&id, &back));
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_TARGET, &(git_oid) {}), 0);
        assert_int_equal(git_store_sync(f->store), 0);
        assert_int_equal(git_store_get_reference(other, GIT_STORE_TARGET, &back), -ENOENT);
        git_store_free(f->store);
        f->store = NULL;
        assert_int_equal(git_store_open(&f->store, f->objects), 0);
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), 0);
}

/* --- history --- */

static int collect(const GitStoreVersion *v, void *userdata) {
        char *text = userdata;

        (void) sprintf(text + strlen(text),
                       "%lld:%s:%d ",
                       (long long) v->time,
                       v->author,
                       v->entry.kind != SYNC_ABSENT);
        return 0;
}

static void versions_of_a_path(void **state) {
        GitFixture *f = *state;
        static const char *const contents[] = { "one", "one", "two", NULL, "three" };
        git_oid ids[ELEMENTSOF(contents)], counted = {};
        char text[256] = "";
        SyncEntry e;
        uint64_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(contents); i++) {
                _cleanup_sync_tree_free_ SyncTree *t = NULL;
                char other[16];

                assert_int_equal(sync_tree_new(&t), 0);
                (void) sprintf(other, "%zu", i);
                fixture_add(f, t, "other", SYNC_FILE, false, other);
                fixture_add(f, t, "d", SYNC_DIRECTORY, false, NULL);
                fixture_add(f, t, "d/.gitignore", contents[i] ? SYNC_FILE : SYNC_ABSENT, false, contents[i]);
                assert_int_equal(sync_tree_sort(t), 0);
                fixture_commit_changes(f, i > 0 ? &ids[i - 1] : NULL, t, (int64_t) i, "gw", &ids[i]);
        }
        assert_int_equal(
                        git_store_foreach_version(f->store, &ids[4], "d/.gitignore", collect, text, NULL),
                        0);
        assert_string_equal(text, "4:gw:1 3:gw:0 2:gw:1 0:gw:1 ");
        text[0] = 0;
        assert_int_equal(git_store_foreach_version(f->store, &ids[4], "", collect, text, NULL), 0);
        assert_string_equal(text, "4:gw:1 3:gw:1 2:gw:1 1:gw:1 0:gw:1 ");
        assert_int_equal(git_store_find_entry(f->store, &ids[1], "d/.gitignore", &e), 0);
        assert_int_equal(e.size, 3);
        assert_int_equal(git_store_find_entry(f->store, &ids[3], "d/.gitignore", &e), -ENOENT);
        assert_int_equal(git_store_history_length(f->store, &ids[2], &counted, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(git_store_history_length(f->store, &ids[4], &counted, &n), 0);
        assert_int_equal(n, 5);
        assert_int_equal(git_store_history_length(f->store, &ids[0], &counted, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(git_store_check_descent(f->store, &ids[1], &ids[4]), 0);
        assert_int_equal(git_store_check_descent(f->store, &ids[4], &ids[1]), -EXDEV);
}

static void a_merge_is_no_history(void **state) {
        GitFixture *f = *state;
        static const char text[] = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
                                   "parent 1111111111111111111111111111111111111111\n"
                                   "parent 2222222222222222222222222222222222222222\n"
                                   "author a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nx\n";
        static const char broken[] = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee490\n";
        git_oid id, counted = {};
        uint64_t n = 0;

        assert_int_equal(git_store_write(f->store, GIT_OBJECT_COMMIT, text, strlen(text), &id), 0);
        assert_int_equal(git_store_check_descent(f->store, &(git_oid) {}, &id), -EXDEV);
        assert_int_equal(git_store_history_length(f->store, &id, &counted, &n), -EXDEV);
        assert_int_equal(git_store_write(f->store, GIT_OBJECT_COMMIT, broken, strlen(broken), &id), 0);
        assert_int_equal(git_store_check_descent(f->store, &(git_oid) {}, &id), -EBADMSG);
        counted.id[0] = 1;
        assert_int_equal(git_store_check_descent(f->store, &(git_oid) {}, &counted), -ENOENT);
}

/* --- pruning --- */

#define PRUNE_COMMITS 60U

/* Each commit replaces the content of 2,000 files, so that its trees are like no others. */
static void make_long_history(GitFixture *f, git_oid *commits) {
        for (unsigned i = 0; i < PRUNE_COMMITS; i++) {
                _cleanup_sync_tree_free_ SyncTree *t = NULL;

                assert_int_equal(sync_tree_new(&t), 0);
                for (unsigned k = 0; k < 2000; k++) {
                        SyncEntry e = { .kind = SYNC_FILE, .size = 1, .mode = 0644 };
                        char path[32], content[32];

                        (void) sprintf(path, "file %04u", k);
                        e.path = path;
                        assert_int_equal(
                                        git_hash_bytes(GIT_OBJECT_BLOB,
                                                       content,
                                                       (size_t) sprintf(content, "%u %u", i, k),
                                                       &e.oid),
                                        0);
                        assert_int_equal(sync_tree_add(t, &e), 0);
                }
                fixture_commit_changes(f, i > 0 ? &commits[i - 1] : NULL, t, i, "gw", &commits[i]);
        }
}

static off_t log_size(GitFixture *f) {
        _cleanup_free_ char *path = strfmt("%s/log", f->objects);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static int count_versions(const GitStoreVersion *v, void *userdata) {
        ++*(unsigned *) userdata;
        return 0;
}

static void what_is_needed_survives_pruning(void **state) {
        GitFixture *f = *state;
        git_oid commits[PRUNE_COMMITS], counted = {}, missing = {};
        const unsigned tip = PRUNE_COMMITS - 1, base = 5;
        SyncTree *t = NULL;
        unsigned versions = 0;
        uint64_t n = 0;
        off_t before;

        make_long_history(f, commits);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_REMOTE, &commits[tip]), 0);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_BASE, &commits[base]), 0);
        assert_int_equal(git_store_sync(f->store), 0);
        before = log_size(f);
        assert_int_equal(git_store_prune(f->store), 0);
        assert_true(log_size(f) < before);
        /* The trees of two commits, as much again or the minimum, and the list of commits. */
        assert_true(log_size(f) < GIT_STORE_HISTORY_MIN + 4 * 70000 + (int) PRUNE_COMMITS * 300);

        for (unsigned round = 0; round < 2; round++) {
                assert_int_equal(git_store_read_tree(f->store, &commits[tip], &t), 0);
                assert_int_equal(sync_tree_size(t), 2000);
                t = sync_tree_free(t);
                assert_int_equal(git_store_read_tree(f->store, &commits[base], &t), 0);
                t = sync_tree_free(t);
                /* The newest of the others. */
                assert_int_equal(git_store_read_tree(f->store, &commits[tip - 1], &t), 0);
                t = sync_tree_free(t);
                assert_int_equal(git_store_read_tree(f->store, &commits[base + 1], &t), -ENOENT);
                assert_int_equal(git_store_history_length(f->store, &commits[tip], &counted, &n), 0);
                assert_int_equal(n, PRUNE_COMMITS);
                counted = (git_oid) {};
                git_store_free(f->store);
                assert_int_equal(git_store_open(&f->store, f->objects), 0);
        }
        assert_int_equal(
                        git_store_foreach_version(
                                        f->store,
                                        &commits[tip],
                                        "file 0001",
                                        count_versions,
                                        &versions,
                                        &missing),
                        -ENOENT);
        assert_in_range(versions, 2, PRUNE_COMMITS - base);
        assert_true(git_oid_equal(&missing, &commits[tip - versions - 1]));
        /* There is nothing to gain now. */
        before = log_size(f);
        assert_int_equal(git_store_prune(f->store), 0);
        assert_int_equal(log_size(f), before);
}

static void pruning_waits_for_another_process(void **state) {
        GitFixture *f = *state;
        _cleanup_(git_store_freep) GitStore *other = NULL;
        git_oid commits[PRUNE_COMMITS];
        off_t before;

        make_long_history(f, commits);
        assert_int_equal(
                        git_store_set_reference(f->store, GIT_STORE_REMOTE, &commits[PRUNE_COMMITS - 1]), 0);
        assert_int_equal(git_store_sync(f->store), 0);
        before = log_size(f);
        assert_int_equal(git_store_open(&other, f->objects), 0);
        assert_true(git_store_has(other, &commits[0]));
        assert_int_equal(git_store_prune(f->store), 0);
        assert_int_equal(log_size(f), before);
        assert_int_equal(git_store_sync(other), 0);
        assert_int_equal(git_store_prune(f->store), 0);
        assert_true(log_size(f) < before);
}

static void a_store_that_is_removed_is_empty(void **state) {
        GitFixture *f = *state;
        _cleanup_free_ char *command = strfmt("rm -rf '%s'", f->objects);
        git_oid id, back;

        assert_int_equal(git_store_write(f->store, GIT_OBJECT_BLOB, "x", 1, &id), 0);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_BASE, &id), 0);
        assert_int_equal(git_store_sync(f->store), 0);
        assert_int_equal(system(command), 0);
        git_store_free(f->store);
        assert_int_equal(git_store_open(&f->store, f->objects), 0);
        assert_false(git_store_has(f->store, &id));
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(objects_have_the_names_that_git_gives_them),
                TEST(references_and_objects_are_durable_together),
                TEST(versions_of_a_path),
                TEST(a_merge_is_no_history),
                TEST(what_is_needed_survives_pruning),
                TEST(pruning_waits_for_another_process),
                TEST(a_store_that_is_removed_is_empty),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
