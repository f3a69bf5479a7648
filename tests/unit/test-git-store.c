/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local store, checked with the real git. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/git-store.h"

typedef struct Fixture {
        char *directory;
        char *repository;
        GitStore *store;
} Fixture;

/* Runs git on the repository; returns its standard output. The command is a constant of this test. */
static char *git(Fixture *f, const char *arguments) {
        _cleanup_free_ char *command = strfmt("git -C '%s' %s 2>&1", f->repository, arguments);
        char buf[8192];
        FILE *p = popen(command, "r");
        size_t n;

        assert_non_null(p);
        n = fread(buf, 1, sizeof(buf) - 1, p);
        buf[n] = 0;
        if (pclose(p) != 0)
                fail_msg("git %s: %s", arguments, buf);
        return strdup(buf);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->directory = strdup("/tmp/test-git-store.XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        f->repository = strfmt("%s/repository.git", f->directory);
        assert_int_equal(git_store_open(&f->store, f->repository), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *command = strfmt("rm -rf '%s'", f->directory);

        git_store_free(f->store);
        assert_int_equal(system(command), 0);
        free(f->directory);
        free(f->repository);
        free(f);
        return 0;
}

static int memory_file(const char *content, size_t size) {
        int fd = memfd_create("content", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(loop_write(fd, content, size), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void add(Fixture *f,
                SyncTree *t,
                const char *path,
                SyncKind kind,
                bool executable,
                const char *content) {
        SyncEntry e = { .path = path, .kind = kind, .executable = executable };

        if (content) {
                assert_int_equal(git_store_hash_bytes(content, strlen(content), true, &e.oid, f->store), 0);
                e.size = strlen(content);
        }
        assert_int_equal(sync_tree_add(t, &e), 0);
}

static void commit(
                Fixture *f,
                const SyncTree *t,
                const git_oid *parent,
                int64_t time,
                const char *author,
                git_oid *ret) {
        GitStoreCommit c = { .author = author, .time = time, .message = "test" };

        if (parent)
                c.parent = *parent;
        assert_int_equal(git_store_write_tree(f->store, t, &c.tree), 0);
        assert_int_equal(git_store_write_commit(f->store, &c, ret), 0);
}

static SyncTree *all_kinds(Fixture *f) {
        SyncTree *t;

        assert_int_equal(sync_tree_new(&t), 0);
        add(f, t, "a", SYNC_DIRECTORY, false, NULL);
        add(f, t, "a/b", SYNC_FILE, false, "in a directory");
        add(f, t, "a.b", SYNC_FILE, false, "sorts between a and a/");
        add(f, t, "a0", SYNC_FILE, false, "sorts behind a/");
        add(f, t, "empty directory", SYNC_DIRECTORY, false, NULL);
        add(f, t, "empty file", SYNC_FILE, false, "");
        add(f, t, "run", SYNC_FILE, true, "#!/bin/sh\n");
        add(f, t, "link", SYNC_SYMLINK, false, "../somewhere");
        add(f, t, "work", SYNC_DIRECTORY, false, NULL);
        add(f, t, "work/.git", SYNC_DIRECTORY, false, NULL);
        add(f, t, "work/.git/HEAD", SYNC_FILE, false, "ref: refs/heads/main\n");
        add(f, t, "work/.gitmodules", SYNC_FILE, false, "[submodule \"x\"]\n\turl = --upload-pack=evil\n");
        add(f, t, "work/.gitattributes", SYNC_SYMLINK, false, "x");
        add(f, t, "w\\.git", SYNC_FILE, false, "backslash");
        add(f, t, "GIT~1", SYNC_FILE, false, "short");
        add(f, t, "%", SYNC_FILE, false, "mark");
        add(f, t, "new\nline \xff", SYNC_FILE, false, "bytes");
        assert_int_equal(sync_tree_sort(t), 0);
        return t;
}

static void a_tree_comes_back_as_it_was(void **state) {
        Fixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = all_kinds(f), *back = NULL;
        git_oid id;

        commit(f, t, NULL, 1, "gw1", &id);
        assert_int_equal(git_store_read_tree(f->store, &id, &back), 0);
        assert_int_equal(sync_tree_size(back), sync_tree_size(t));
        for (size_t i = 0; i < sync_tree_size(t); i++) {
                assert_string_equal(sync_tree_at(t, i)->path, sync_tree_at(back, i)->path);
                assert_true(sync_entry_equal(sync_tree_at(t, i), sync_tree_at(back, i)));
                assert_int_equal(sync_tree_at(t, i)->size, sync_tree_at(back, i)->size);
        }
}

static void git_accepts_what_is_written(void **state) {
        Fixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = all_kinds(f), *empty = NULL;
        _cleanup_free_ char *fsck = NULL, *listing = NULL, *author = NULL, *pushed = NULL;
        git_oid first, second;

        assert_int_equal(sync_tree_new(&empty), 0);
        assert_int_equal(sync_tree_sort(empty), 0);
        commit(f, empty, NULL, 1, "", &first);
        commit(f, t, &first, 2, "The <b>\nGateway. ", &second);
        assert_int_equal(git_store_set_reference(f->store, "refs/heads/main", &second), 0);
        fsck = git(f, "fsck --strict --no-progress");
        assert_string_equal(fsck, "");
        author = git(f, "log --format=%an main");
        assert_string_equal(author, "The -b--Gateway\ngateway\n");
        listing = git(f, "cat-file -p main:work");
        assert_non_null(strstr(listing, "\t%.git\n"));
        /* As a server would: unpacked under fsck. */
        pushed = git(f, "-c init.defaultBranch=main init -q --bare ../server.git");
        free(pushed);
        pushed = git(f, "-C ../server.git config receive.fsckObjects true");
        free(pushed);
        pushed = git(f, "push -q ../server.git main");
        assert_string_equal(pushed, "");
}

static void large_files_stream(void **state) {
        Fixture *f = *state;
        size_t size = 3000000;
        _cleanup_free_ char *content = malloc(size), *back = malloc(size), *name = NULL;
        _cleanup_close_ int fd = -EBADF, out = -EBADF;
        char hex[41];
        SyncOid oid, named;

        for (size_t i = 0; i < size; i++)
                content[i] = (char) (i * 2654435761U >> 13);
        fd = memory_file(content, size);
        assert_int_equal(git_store_hash_file(fd, false, &named, f->store), 0);
        assert_false(git_store_has(f->store, &named));
        assert_int_equal(git_store_hash_file(fd, true, &oid, f->store), 0);
        assert_true(sync_oid_equal(&oid, &named));
        assert_true(git_store_has(f->store, &oid));
        out = memory_file("", 0);
        assert_int_equal(git_store_read_blob(f->store, &oid, out), 0);
        assert_int_equal(lseek(out, 0, SEEK_SET), 0);
        assert_int_equal(loop_read(out, back, size), size);
        assert_memory_equal(content, back, size);
        (void) git_oid_tostr(hex, sizeof(hex), (const git_oid *) oid.bytes);
        name = strfmt("cat-file -t %s", hex);
        back = (free(back), git(f, name));
        assert_string_equal(back, "blob\n");
}

static void foreign_trees_are_refused(void **state) {
        static const char *const trees[] = {
                "printf '160000 commit 1111111111111111111111111111111111111111\\tsub\\n' | git mktree "
                "--missing",
                "printf '100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\\t%%meta\\n' | git mktree "
                "--missing",
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(trees); i++) {
                _cleanup_free_ char *command =
                                strfmt("--version >/dev/null; cd '%s'; git -c user.name=a -c user.email=b "
                                       "commit-tree -m x $(%s)",
                                       f->repository,
                                       trees[i]);
                _cleanup_free_ char *out = git(f, command);
                SyncTree *t = NULL;
                SyncOid empty;
                git_oid id;

                assert_int_equal(git_store_hash_bytes("", 0, true, &empty, f->store), 0);
                assert_int_equal(git_oid_fromstrn(&id, out, 40), 0);
                assert_int_equal(git_store_read_tree(f->store, &id, &t), -EBADMSG);
                assert_null(t);
        }
}

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
        Fixture *f = *state;
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
                add(f, t, "other", SYNC_FILE, false, other);
                add(f, t, "d", SYNC_DIRECTORY, false, NULL);
                if (contents[i])
                        add(f, t, "d/.gitignore", SYNC_FILE, false, contents[i]);
                assert_int_equal(sync_tree_sort(t), 0);
                commit(f, t, i > 0 ? &ids[i - 1] : NULL, (int64_t) i, "gw", &ids[i]);
        }
        assert_int_equal(git_store_foreach_version(f->store, &ids[4], "d/.gitignore", collect, text), 0);
        assert_string_equal(text, "4:gw:1 3:gw:0 2:gw:1 0:gw:1 ");
        text[0] = 0;
        assert_int_equal(git_store_foreach_version(f->store, &ids[4], "", collect, text), 0);
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

static void a_left_lock_does_not_stop(void **state) {
        Fixture *f = *state;
        _cleanup_sync_tree_free_ SyncTree *t = all_kinds(f);
        _cleanup_free_ char *lock = strfmt("%s/refs/ispstorage/base.lock", f->repository);
        git_oid id, back;
        int fd;

        commit(f, t, NULL, 1, "gw", &id);
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), -ENOENT);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_BASE, &id), 0);
        fd = open(lock, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_BASE, &id), 0);
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), 0);
        assert_true(git_oid_equal(&id, &back));
        assert_int_equal(git_store_set_reference(f->store, GIT_STORE_BASE, &(git_oid) {}), 0);
        assert_int_equal(git_store_get_reference(f->store, GIT_STORE_BASE, &back), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_tree_comes_back_as_it_was, setup, teardown),
                cmocka_unit_test_setup_teardown(git_accepts_what_is_written, setup, teardown),
                cmocka_unit_test_setup_teardown(large_files_stream, setup, teardown),
                cmocka_unit_test_setup_teardown(foreign_trees_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(versions_of_a_path, setup, teardown),
                cmocka_unit_test_setup_teardown(a_left_lock_does_not_stop, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
