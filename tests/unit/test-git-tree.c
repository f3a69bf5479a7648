/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folder as git trees (docs/repository-format.md), checked with the real git. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "common/format/chunker.h"
#include "syncd/git-tree-internal.h"
#include "tests/unit/git-fixture.h"

static const char *long_name(char c) {
        static char name[SYNC_NAME_MAX + 1];

        memset(name, c, SYNC_NAME_MAX);
        return name;
}

static SyncTree *all_kinds(GitFixture *f) {
        static const char *const names[] = {
                "GIT~1",
                "%",
                "%%",
                "%%+x",
                "%%meta",
                "%%format-1",
                "%%25",
                "new\nline \xff",
                ".gitignore",
                "\\",
                "caf\xc3\xa9",
                "cafe\xcc\x81",
                "Twin",
                "twin",
                ".g\xe2\x80\x8cit",
                " ",
                "a\\..\\b",
                "con",
                "00",
                "-",
                "\x01",
        };
        SyncTree *t = fixture_new_tree();

        fixture_add(f, t, "a", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "a/b", SYNC_FILE, false, "in a directory");
        fixture_add(f, t, "a.b", SYNC_FILE, false, "sorts between a and a/");
        fixture_add(f, t, "a0", SYNC_FILE, false, "sorts behind a/");
        fixture_add(f, t, "empty directory", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "empty file", SYNC_FILE, false, "");
        fixture_add(f, t, "run", SYNC_FILE, true, "#!/bin/sh\n");
        fixture_add(f, t, "link", SYNC_SYMLINK, false, "../somewhere");
        fixture_add(f, t, "work", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "work/.git", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "work/.git/HEAD", SYNC_FILE, false, "ref: refs/heads/main\n");
        fixture_add(f,
                    t,
                    "work/.gitmodules",
                    SYNC_FILE,
                    false,
                    "[submodule \"x\"]\n\turl = --upload-pack=evil\n");
        fixture_add(f, t, "work/.gitattributes", SYNC_SYMLINK, false, "x");
        fixture_add(f, t, "w\\.git", SYNC_FILE, false, "backslash");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                fixture_add(f, t, names[i], SYNC_FILE, false, names[i]);
        fixture_add(f, t, long_name('n'), SYNC_FILE, false, "n");
        fixture_add(f, t, long_name('%'), SYNC_FILE, false, "%");
        fixture_add(f, t, long_name('\\'), SYNC_DIRECTORY, false, NULL);
        (void) fixture_add_chunked(f, t, "large", false, 9, 1);
        (void) fixture_add_chunked(f, t, "a/large and executable", true, 1500, 2);
        (void) fixture_add_chunked(f, t, "%+large", true, 9, 3);
        (void) fixture_add_chunked(f, t, long_name('L'), false, 9, 3);
        assert_int_equal(sync_tree_sort(t), 0);
        return t;
}

static void a_tree_comes_back_as_it_was(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = all_kinds(f), *back = NULL;
        git_oid id;

        fixture_commit_changes(f, NULL, t, 1, "gw1", &id);
        assert_int_equal(git_store_sync(f->store), 0);
        fixture_reopen(f);
        back = fixture_read_tree(f, &id);
        assert_same_tree(t, back);
        SYNC_TREE_FOREACH (e, t) {
                SyncEntry found;

                assert_int_equal(git_store_find_entry(f->store, &id, e->path, &found), 0);
                assert_true(sync_entry_equal(e, &found));
                assert_int_equal(e->size, found.size);
                assert_int_equal(e->mtime_ns, found.mtime_ns);
        }
}

/* A file whose chunks the store has. */
static void add_complete_large_file(GitFixture *f, SyncTree *t) {
        _cleanup_(git_chunk_writer_freep) GitChunkWriter *w = NULL;
        SyncEntry large = { .path = "zz large", .kind = SYNC_FILE, .size = 3 * CHUNK_MAX };

        assert_int_equal(git_chunk_writer_new(&w, f->store), 0);
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_free_ char *content = calloc(1, CHUNK_MAX);
                SyncOid chunk;

                content[i] = 1;
                assert_int_equal(git_store_hash_bytes(content, CHUNK_MAX, true, &chunk, f->store), 0);
                assert_int_equal(git_chunk_writer_add(w, &chunk, CHUNK_MAX), 0);
        }
        assert_int_equal(git_chunk_writer_finish(w, &large.oid), 0);
        assert_int_equal(sync_tree_add(t, &large), 0);
}

static void git_accepts_what_is_written(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *all = all_kinds(f), *t = fixture_new_tree(),
                                          *empty = fixture_new_tree();
        _cleanup_free_ char *command = NULL, *fsck = NULL, *author = NULL, *listing = NULL, *pushed = NULL;
        char hex[GIT_OID_HEXSZ + 1];
        git_oid first, second;

        /* Others would have chunks that nobody has. */
        SYNC_TREE_FOREACH (e, all)
                if (e->kind != SYNC_FILE || e->size <= FORMAT_PLAIN_MAX)
                        assert_int_equal(sync_tree_add(t, e), 0);
        add_complete_large_file(f, t);
        for (unsigned i = 0; i < 400; i++) {
                char name[16];

                (void) sprintf(name, "many %u", i);
                fixture_add(f, t, name, SYNC_FILE, false, "");
        }
        assert_int_equal(sync_tree_sort(t), 0);
        fixture_commit_changes(f, NULL, empty, 1, "", &first);
        fixture_commit_changes(f, &first, t, 2, "The <b>\nGateway. ", &second);
        fixture_export(f, &second);
        command = strfmt("update-ref refs/heads/main %s", git_oid_tostr(hex, sizeof(hex), &second));
        free(fixture_run(f, command));

        fsck = fixture_run(f, "fsck --strict --no-progress");
        assert_string_equal(fsck, "");
        author = fixture_run(f, "log --format=%an main");
        assert_string_equal(author, "The -b--Gateway\ngateway\n");
        listing = fixture_run(f, "cat-file -p main:work");
        assert_non_null(strstr(listing, "\t%.git\n"));
        /* As a server does, that checks what it receives. */
        free(fixture_run(f, "-c init.defaultBranch=main init -q --bare ../server.git"));
        free(fixture_run(f, "-C ../server.git config receive.fsckObjects true"));
        pushed = fixture_run(f, "push -q ../server.git main");
        assert_string_equal(pushed, "");
}

/* A commit of a tree that git mktree makes of the lines. */
static void foreign_commit(GitFixture *f, const char *lines, git_oid *ret) {
        _cleanup_free_ char *command =
                        strfmt("--version >/dev/null; git -c user.name=a -c user.email=b commit-tree -m x "
                               "$(printf '%s' | git mktree --missing)",
                               lines);
        _cleanup_free_ char *out = fixture_run(f, command);

        fixture_import(f, out, ret);
}

#define EMPTY_BLOB "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
#define EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
#define OTHER_BLOB "1111111111111111111111111111111111111111"

static void foreign_trees_are_refused(void **state) {
        static const char *const trees[] = {
                "160000 commit " OTHER_BLOB "\\tsub\\n",
                "100644 blob " EMPTY_BLOB "\\t%%%%format-2\\n",
                "100644 blob " OTHER_BLOB "\\t%%%%format-1\\n",
                "100755 blob " EMPTY_BLOB "\\t%%%%format-1\\n",
                "040000 tree " EMPTY_TREE "\\t%%%%format-1\\n",
                "100755 blob " EMPTY_BLOB "\\t%%%%meta\\n",
                "100644 blob " EMPTY_BLOB "\\t%%%%+chunked\\n",
                "040000 tree " EMPTY_TREE "\\t%%%%+chunked\\n",
                "040000 tree " EMPTY_TREE "\\t%%%%y\\n",
                "040000 tree " EMPTY_TREE "\\t%%%%+\\n",
                "040000 tree " EMPTY_TREE "\\t%%%%\\n",
                "100644 blob " EMPTY_BLOB "\\t%%a\\n",
                "100644 blob " EMPTY_BLOB "\\t%%%%26\\n",
                "100644 blob " EMPTY_BLOB "\\tgit~1\\n",
                "100644 blob " EMPTY_BLOB "\\ta\\\\b\\n",
                "100644 blob " EMPTY_BLOB "\\ta\\n040000 tree " EMPTY_TREE "\\t%%%%xa\\n",
                "040000 tree 4ad74e7ce9a2b3dbf5bd5d8d5a2ccbca92dc23a3\\td\\n",
        };
        GitFixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(trees); i++) {
                _cleanup_sync_tree_free_ SyncTree *change = fixture_new_tree();
                SyncTree *t = NULL, *u = NULL;
                git_oid id, tree;

                foreign_commit(f, trees[i], &id);
                if (i + 1 == ELEMENTSOF(trees)) {
                        assert_int_equal(git_store_read_tree(f->store, &id, &t), -ENOENT);
                        continue;
                }
                assert_int_equal(git_store_read_tree(f->store, &id, &t), -EBADMSG);
                assert_int_equal(git_store_diff(f->store, &(git_oid){}, &id, &t, &u), -EBADMSG);
                fixture_add(f, change, "new", SYNC_FILE, false, "x");
                if (!strstr(trees[i], "%%%%+chunked\\n") && !strstr(trees[i], "%%%%26") &&
                    !strstr(trees[i], "%%a\\n") && !strstr(trees[i], "%%%%xa"))
                        assert_int_equal(
                                        git_store_write_changes(f->store, &id, change, NULL, NULL, &tree),
                                        -EBADMSG);
        }
}

static void a_tree_of_version_0_is_read(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *change = fixture_new_tree();
        git_oid id, tree;
        SyncEntry e;

        foreign_commit(f,
                       "100644 blob " OTHER_BLOB "\\ta\\n100664 blob " OTHER_BLOB "\\tb\\n"
                       "120000 blob " OTHER_BLOB "\\tl\\n",
                       &id);
        t = fixture_read_tree(f, &id);
        assert_int_equal(sync_tree_size(t), 3);
        assert_int_equal(sync_tree_at(t, 0)->size, SYNC_SIZE_UNKNOWN);
        assert_int_equal(sync_tree_at(t, 0)->mode, 0);
        assert_int_equal(sync_tree_at(t, 1)->kind, SYNC_FILE);
        assert_int_equal(sync_tree_at(t, 2)->kind, SYNC_SYMLINK);
        /* A change makes it version 1, and leaves the others unrecorded. */
        fixture_add(f, change, "new", SYNC_FILE, false, "x");
        assert_int_equal(git_store_write_changes(f->store, &id, change, NULL, NULL, &tree), 0);
        fixture_commit_tree(f, &id, &tree, 1, &id);
        assert_int_equal(git_store_find_entry(f->store, &id, "new", &e), 0);
        assert_int_equal(e.size, 1);
        assert_int_equal(git_store_find_entry(f->store, &id, "a", &e), 0);
        assert_int_equal(e.size, SYNC_SIZE_UNKNOWN);
}

/* --- parts of a tree --- */

static int count(const SyncEntry *e, void *userdata) {
        unsigned *n = userdata;

        return ++*n == 3 ? 42 : 0;
}

static void a_part_of_a_tree_is_read(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = all_kinds(f), *work = NULL, *file = NULL, *none = NULL;
        unsigned n = 0;
        git_oid id;

        fixture_commit_changes(f, NULL, t, 1, "gw1", &id);
        assert_int_equal(git_store_read_subtree(f->store, &id, "work", &work), 0);
        assert_int_equal(sync_tree_size(work), 5);
        assert_string_equal(sync_tree_at(work, 0)->path, "work");
        assert_string_equal(sync_tree_at(work, 2)->path, "work/.git/HEAD");
        assert_int_equal(git_store_read_subtree(f->store, &id, "work/.git/HEAD", &file), 0);
        assert_int_equal(sync_tree_size(file), 1);
        assert_int_equal(git_store_read_subtree(f->store, &id, "work/other", &none), 0);
        assert_int_equal(sync_tree_size(none), 0);
        assert_int_equal(git_store_foreach_entry(f->store, &id, "", count, &n), 42);
        assert_int_equal(n, 3);
}

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
        assert_int_equal(git_store_write_changes(f->store, &(git_oid){}, t, give_xattrs, given, &tree), 0);
        fixture_commit_tree(f, NULL, &tree, 1, &id);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "d/%file", &back), 0);
        assert_string_equal(back, "user.DOSATTRIB=00ff user.empty=");
        free(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "d", &back), 0);
        assert_string_equal(back, "user.DOSATTRIB=00ff user.empty=");
        free(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "none", &back), 0);
        assert_null(back);
        assert_int_equal(git_store_read_xattrs(f->store, &id, "other", &back), -ENOENT);
        fixture_add(f, fail, "fail", SYNC_FILE, false, "x");
        assert_int_equal(git_store_write_changes(f->store, &id, fail, give_xattrs, given, &tree), -EIO);
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
        assert_int_equal(git_store_write_changes(f->store, &(git_oid){}, t, give_dosattrib, NULL, &id), 0);
        assert_string_equal(
                        git_oid_tostr(hex, sizeof(hex), &id), "05b2f55ffcd68a268bc7d3df1062adc81d018058");
}

static void malformed_metadata_is_refused(void **state) {
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
                _cleanup_free_ char *blob = fixture_run(f, command), *lines = NULL;
                SyncTree *t = NULL;
                git_oid id;

                lines = strfmt("100644 blob %.40s\\t%%%%%%%%meta\\n100644 blob " EMPTY_BLOB "\\ta\\n", blob);
                foreign_commit(f, lines, &id);
                assert_int_equal(git_store_read_tree(f->store, &id, &t), i < 2 ? 0 : -EBADMSG);
                if (i == 1)
                        assert_int_equal(sync_tree_at(t, 0)->mtime_ns, -1);
                sync_tree_free(t);
        }
}

/* --- what a fetch without blobs leaves out --- */

typedef struct Missing {
        GitStore *from, *to;
        unsigned n;
} Missing;

static int fetch_meta(const git_oid *id, void *userdata) {
        Missing *m = userdata;
        _cleanup_free_ void *data = NULL;
        git_object_t type;
        size_t size;

        assert_int_equal(git_store_read(m->from, id, &type, &data, &size), 0);
        assert_int_equal(type, GIT_OBJECT_BLOB);
        assert_int_equal(git_store_write_named(m->to, type, data, size, id), 0);
        m->n++;
        return 0;
}

/* All but blobs. */
static void copy_trees(GitStore *from, GitStore *to, const git_oid *id) {
        _cleanup_free_ void *data = NULL;
        git_object_t type;
        size_t size;
        git_oid tree;

        if (git_store_read(from, id, &type, &data, &size) < 0 || type == GIT_OBJECT_BLOB)
                return;
        assert_int_equal(git_store_write_named(to, type, data, size, id), 0);
        if (type == GIT_OBJECT_COMMIT) {
                assert_int_equal(git_store_commit_tree(from, id, &tree), 0);
                copy_trees(from, to, &tree);
        } else {
                RawTree raw = { .data = data, .size = size };
                RawEntry e;

                while (raw_tree_next(&raw, &e) > 0)
                        copy_trees(from, to, e.id);
        }
}

static void missing_metadata_is_found(void **state) {
        GitFixture *f = *state;
        _cleanup_(git_store_freep) GitStore *other = NULL;
        _cleanup_free_ char *directory = strfmt("%s/other", f->directory);
        _cleanup_sync_tree_free_ SyncTree *t = fixture_new_tree(), *change = fixture_new_tree(),
                                          *back = NULL, *now = NULL;
        Missing m = { .from = f->store };
        git_oid first, second;
        SyncTree *none = NULL;

        assert_int_equal(git_store_open(&other, directory), 0);
        m.to = other;
        fixture_add(f, t, "a", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "a/x", SYNC_FILE, false, "x");
        fixture_add(f, t, "b", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "c", SYNC_DIRECTORY, false, NULL);
        fixture_add(f, t, "c/y", SYNC_FILE, false, "x");
        for (unsigned i = 0; i < 600; i++) {
                char name[16];

                (void) sprintf(name, "b/%u", i);
                fixture_add(f, t, name, SYNC_FILE, false, "x");
        }
        assert_int_equal(sync_tree_sort(t), 0);
        fixture_commit_changes(f, NULL, t, 1, "gw", &first);
        fixture_add(f, change, "b/17", SYNC_FILE, false, "other");
        fixture_add(f, change, "c/y", SYNC_FILE, false, "other");
        assert_int_equal(sync_tree_sort(change), 0);
        fixture_commit_changes(f, &first, change, 2, "gw", &second);

        copy_trees(f->store, other, &first);
        assert_int_equal(git_store_read_tree(other, &first, &none), -ENOENT);
        assert_int_equal(git_store_foreach_missing_meta(other, &(git_oid){}, &first, fetch_meta, &m), 0);
        /* The root's, a's, c's, and b's buckets. */
        assert_in_range(m.n, 3 + 200, 3 + 256);
        assert_int_equal(git_store_read_tree(other, &first, &back), 0);
        assert_same_tree(back, t);

        m.n = 0;
        copy_trees(f->store, other, &second);
        assert_int_equal(git_store_foreach_missing_meta(other, &first, &second, fetch_meta, &m), 0);
        assert_int_equal(m.n, 2);
        assert_int_equal(git_store_read_tree(other, &second, &now), 0);
        assert_int_equal(git_store_foreach_missing_meta(other, &first, &second, fetch_meta, &m), 0);
        assert_int_equal(m.n, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(a_tree_comes_back_as_it_was),     TEST(git_accepts_what_is_written),
                TEST(foreign_trees_are_refused),       TEST(a_tree_of_version_0_is_read),
                TEST(a_part_of_a_tree_is_read),        TEST(extended_attributes_travel),
                TEST(a_tree_has_the_id_of_the_format), TEST(malformed_metadata_is_refused),
                TEST(missing_metadata_is_found),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
