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
                git_oid id;

                content[i] = 1;
                assert_int_equal(git_store_write(f->store, GIT_OBJECT_BLOB, content, CHUNK_MAX, &id), 0);
                git_store_oid_to_sync(&chunk, &id);
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

                fixture_foreign_commit(f, trees[i], &id);
                if (i + 1 == ELEMENTSOF(trees)) {
                        assert_int_equal(git_store_read_tree(f->store, &id, &t), -ENOENT);
                        continue;
                }
                assert_int_equal(git_store_read_tree(f->store, &id, &t), -EBADMSG);
                assert_int_equal(git_store_diff(f->store, &(git_oid) {}, &id, &t, &u), -EBADMSG);
                fixture_add(f, change, "new", SYNC_FILE, false, "x");
                if (!strstr(trees[i], "%%%%+chunked\\n") && !strstr(trees[i], "%%%%26") &&
                    !strstr(trees[i], "%%a\\n") && !strstr(trees[i], "%%%%xa"))
                        assert_int_equal(
                                        git_store_write_changes(f->store, &id, change, NULL, NULL, &tree),
                                        -EBADMSG);
        }
}

static void a_malformed_chunk_tree_is_the_file_s_alone(void **state) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        GitFixture *f = *state;
        git_oid id;

        fixture_foreign_commit(
                        f,
                        "040000 tree " EMPTY_TREE "\\t%%%%+chunked\\n100644 blob " EMPTY_BLOB "\\ta\\n",
                        &id);
        t = fixture_read_tree(f, &id);
        assert_int_equal(sync_tree_size(t), 2);
        assert_int_equal(sync_tree_find(t, "chunked")->kind, SYNC_FILE);
        assert_true(sync_tree_find(t, "chunked")->size > FORMAT_PLAIN_MAX);
}

static void a_tree_of_version_0_is_read(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = NULL, *change = fixture_new_tree();
        git_oid id, tree;
        SyncEntry e;

        fixture_foreign_commit(f,
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

typedef struct Part {
        char *paths[8];
        unsigned n;
        unsigned limit; /* 0: none */
} Part;

static int see_path(const SyncEntry *e, void *userdata) {
        Part *part = userdata;

        assert_in_range(part->n, 0, ELEMENTSOF(part->paths) - 1);
        part->paths[part->n++] = strdup(e->path);
        return part->n == part->limit ? 42 : 0;
}

static void part_done(Part *part) {
        for (unsigned i = 0; i < part->n; i++)
                free(part->paths[i]);
        *part = (Part){};
}

static void a_part_of_a_tree_is_read(void **state) {
        GitFixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = all_kinds(f);
        Part part = {};
        git_oid id;

        fixture_commit_changes(f, NULL, t, 1, "gw1", &id);
        assert_int_equal(git_store_foreach_entry(f->store, &id, "work", see_path, &part), 0);
        assert_int_equal(part.n, 5);
        assert_string_equal(part.paths[0], "work");
        assert_string_equal(part.paths[2], "work/.git/HEAD");
        part_done(&part);
        assert_int_equal(git_store_foreach_entry(f->store, &id, "work/.git/HEAD", see_path, &part), 0);
        assert_int_equal(part.n, 1);
        part_done(&part);
        assert_int_equal(git_store_foreach_entry(f->store, &id, "work/other", see_path, &part), 0);
        assert_int_equal(part.n, 0);
        part.limit = 3;
        assert_int_equal(git_store_foreach_entry(f->store, &id, "", see_path, &part), 42);
        assert_int_equal(part.n, 3);
        part_done(&part);
}

static int see_entry(const SyncEntry *e, void *userdata) {
        return 0;
}

/* A small repository that says it has a thousand million files. */
static void a_tree_of_too_many_entries_is_refused(void **state) {
        GitFixture *f = *state;
        git_oid id = {}, commit;
        SyncTree *t = NULL;

        for (unsigned level = 0; level < 3; level++) {
                SyncWriter w = {};

                for (unsigned i = 0; i < 1000; i++) {
                        char name[16];
                        RawEntry e = { .mode = level > 0 ? GIT_FILEMODE_TREE : GIT_FILEMODE_BLOB,
                                       .name = name,
                                       .id = &id };

                        e.length = (size_t) sprintf(name, "%03u", i);
                        raw_entry_write(&w, &e);
                }
                assert_int_equal(git_store_write(f->store, GIT_OBJECT_TREE, w.data, w.size, &id), 0);
                free(w.data);
        }
        fixture_commit_tree(f, NULL, &id, 1, &commit);
        assert_int_equal(git_store_read_tree(f->store, &commit, &t), -E2BIG);
        assert_int_equal(git_store_foreach_entry(f->store, &commit, "", see_entry, NULL), -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
                TEST(a_tree_comes_back_as_it_was),
                TEST(git_accepts_what_is_written),
                TEST(foreign_trees_are_refused),
                TEST(a_malformed_chunk_tree_is_the_file_s_alone),
                TEST(a_tree_of_version_0_is_read),
                TEST(a_part_of_a_tree_is_read),
                TEST(a_tree_of_too_many_entries_is_refused),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
