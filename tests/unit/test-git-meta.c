/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metadata of files and directories in a commit (docs/repository-format.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/git-tree-internal.h"
#include "tests/unit/git-fixture.h"

#define EMPTY_BLOB "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

/* --- extended attributes --- */

static int give_xattrs(const char *path, char **ret, void *userdata) {
        if (streq(path, "fail"))
                return -EIO;
        *ret = streq(path, "none") ? NULL : strdup(userdata);
        return 0;
}

static void extended_attributes_travel(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = fixture_new_tree(), *fail = fixture_new_tree();
        _cleanup_free_ char *large = malloc(5000), *given = NULL, *back = NULL;
        git_oid tree, id;

        fixture_add(f, t, "d", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "d/%file", SYNC_FILE, false, "x");
        fixture_add(f, t, "none", SYNC_FILE, false, "x");
        assert_int_equal(sync_tree_sort(t), 0);
        memset(large, 'a', 4000);
        large[4000] = 0;
        given = strfmt("user.DOSATTRIB=00ff user.ispstorage.oid=00 security.x=00 user.odd=0 user.upper=AA "
                       "user.=00 user.big=%s%s "
                       "user.empty=",
                       large,
                       large);
        assert_int_equal(git_store_write_changes(f->store, &(git_oid) {}, t, give_xattrs, given, &tree), 0);
        fixture_commit_tree(f, NULL, &tree, 1, &id);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "d/%file", &back), 0);
        assert_string_equal(back, "user.DOSATTRIB=00ff user.empty=");
        free(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "d", &back), 0);
        assert_string_equal(back, "user.DOSATTRIB=00ff user.empty=");
        free(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "none", &back), 0);
        assert_null(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "other", &back), 0);
        assert_null(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "none/file", &back), -ENOENT);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "other/file", &back), -ENOENT);
        fixture_add(f, fail, "fail", SYNC_FILE, false, "x");
        assert_int_equal(git_store_write_changes(f->store, &id, fail, give_xattrs, given, &tree), -EIO);
}

static int give_path(const char *path, char **ret, void *userdata) {
        char hex[2 * SYNC_PATH_MAX + 1];

        *ret = strfmt("user.%s=%s", (const char *) userdata, format_hex(path, strlen(path), hex));
        return 0;
}

static void assert_xattr(GitFixture *f, const git_oid *commit, const char *path, const char *name) {
        _cleanup_free_ char *back = NULL, *given = NULL;

        assert_int_equal(git_store_read_xattrs(f->store, commit, path, &back), 0);
        (void) give_path(path, &given, (char *) name);
        assert_string_equal(back, given);
}

/* More than are kept, of more than one directory and commit. */
static void each_file_has_its_own_attributes(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = fixture_new_tree();
        const unsigned n = 10000;
        git_oid tree, ids[2];
        char path[32];

        fixture_add(f, t, "d", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "e", SYNC_DIRECTORY, false, NULL);
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(path, sizeof(path), "d/%05u", i);
                fixture_add(f, t, path, SYNC_FILE, false, "x");
        }
        fixture_add(f, t, "e/00000", SYNC_FILE, false, "x");
        fixture_add(f, t, "00000", SYNC_FILE, false, "x");
        assert_int_equal(sync_tree_sort(t), 0);
        for (unsigned i = 0; i < 2; i++) {
                char name[] = { 'a' + (char) i, 0 };

                assert_int_equal(git_store_write_changes(f->store, &(git_oid) {}, t, give_path, name, &tree), 0);
                fixture_commit_tree(f, NULL, &tree, i, ids + i);
        }
        for (unsigned i = 0; i < n; i++) {
                (void) snprintf(path, sizeof(path), "d/%05u", i);
                assert_xattr(f, ids, path, "a");
        }
        for (unsigned i = 0; i < 4; i++) {
                const char *name = i % 2 == 0 ? "a" : "b";

                assert_xattr(f, ids + i % 2, "d/00000", name);
                assert_xattr(f, ids + i % 2, "e/00000", name);
                assert_xattr(f, ids + i % 2, "00000", name);
                if (i == 1)
                        git_store_forget_metadata(f->store);
        }
}

static int give_dosattrib(const char *path, char **ret, void *userdata) {
        *ret = streq(path, "docs/.git") ? strdup("user.DOSATTRIB=00ff") : NULL;
        return 0;
}

/* The example of docs/repository-format.md. */
static void a_tree_has_the_id_of_the_format(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = fixture_new_tree();
        SyncEntry docs = { .path = "docs", .kind = SYNC_DIRECTORY, .mode = 0755 },
                  file = { .path = "docs/.git", .kind = SYNC_FILE, .size = 6, .mode = 0644 },
                  large = { .path = "large",
                            .kind = SYNC_FILE,
                            .size = 4000000,
                            .mode = 0755,
                            .executable = true };
        char hex[GIT_OID_HEXSZ + 1];
        git_oid id;

        file.mtime_ns = INT64_C(1700000000123456789);
        large.mtime_ns = -1000000000;
        assert_int_equal(git_hash_bytes(GIT_OBJECT_BLOB, "hello\n", 6, &file.oid), 0);
        assert_int_equal(git_oid_fromstr(&id, "8270b6b2d6df59ad5503f881f9eef997f7c7f0b7"), 0);
        git_store_oid_to_sync(&large.oid, &id);
        assert_int_equal(sync_tree_add(t, &docs), 0);
        assert_int_equal(sync_tree_add(t, &file), 0);
        assert_int_equal(sync_tree_add(t, &large), 0);
        assert_int_equal(git_store_write_changes(f->store, &(git_oid) {}, t, give_dosattrib, NULL, &id), 0);
        assert_string_equal(
                        git_oid_tostr(hex, sizeof(hex), &id), "05b2f55ffcd68a268bc7d3df1062adc81d018058");
}

static void malformed_metadata_counts_as_none(void **state) {
        static const char *const texts[] = {
                "a\\0001 644 1\\n",                   /* good */
                "a\\000-1 0 0 future user.x=00 y\\n", /* good */
                "a\\0001 644\\n",
                "a\\0001 644 1",
                "a\\00001 644 1\\n",
                "a\\0001 1000 1\\n",
                "a\\0009223372036854775808 644 1\\n",
                "a\\0001 644 18446744073709551616\\n",
                "b\\0001 644 1\\na\\0001 644 1\\n",
                "a\\0001 644 1\\na\\0001 644 1\\n",
                "\\0001 644 1\\n",
                "a 1 644 1\\n",
        };
        GitFixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *command = strfmt(
                                "--version > /dev/null; printf '%s' | git hash-object -w --stdin", texts[i]);
                _cleanup_free_ char *blob = fixture_run(f, command), *lines = NULL, *malformed = NULL;
                SyncTree *t = NULL;
                git_oid id;

                lines = strfmt("100644 blob %.40s\\t%%%%%%%%meta\\n100644 blob " EMPTY_BLOB "\\ta\\n", blob);
                fixture_foreign_commit(f, lines, &id);
                assert_int_equal(git_store_read_tree(f->store, &id, &t), 0);
                assert_int_equal(sync_tree_size(t), 1);
                assert_int_equal(sync_tree_at(t, 0)->mtime_ns, i == 0 ? 1 : i == 1 ? -1 : 0);
                assert_int_equal(sync_tree_at(t, 0)->mode, i == 0 ? 0644 : 0);
                sync_tree_free(t);
                malformed = git_store_take_malformed(f->store);
                if (i < 2)
                        assert_null(malformed);
                else
                        assert_string_equal(malformed, "");
                assert_null(git_store_take_malformed(f->store));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(extended_attributes_travel),
                TEST(each_file_has_its_own_attributes),
                TEST(a_tree_has_the_id_of_the_format),
                TEST(malformed_metadata_counts_as_none),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
