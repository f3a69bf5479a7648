/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Versions and what is brought back of them, on gateways that have neither the old trees nor the old content. */
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
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "syncd/folder-history.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)
#define ROUNDS_MAX 100U

/* Restores as syncd does, and fetches what is asked for. What came of it, in all; -errno as folder_restore() does. */
typedef struct WorldRestored {
        uint64_t bytes_total;
        size_t n_restored, n_failed, n_conflicts, n_parts;
        int failed_error;
} WorldRestored;
static int restore(
                World *w,
                WorldGateway *g,
                const git_oid *commit,
                const char *path,
                const char *to,
                void (*before_content)(World *w, WorldGateway *g),
                WorldRestored *ret) {

        FolderRestore q = { .commit = *commit, .path = path, .to = to, .gateway_name = g->name };
        _cleanup_free_ char *after = NULL;

        *ret = (WorldRestored) {};
        for (unsigned round = 0;; round++) {
                FolderRestoreResult result = {};
                bool again;
                int r;

                assert_true(round < ROUNDS_MAX);
                q.after = after;
                r = folder_restore(g->folder, &q, &result);
                ret->bytes_total = MAX(ret->bytes_total, result.bytes_total);
                ret->n_restored += result.n_restored;
                ret->n_conflicts += result.conflicts.n;
                if (result.n_failed > 0 && ret->n_failed == 0)
                        ret->failed_error = result.failed_error;
                ret->n_failed += result.n_failed;
                again = r >= 0 && (result.wants.n > 0 || result.bytes_missing > 0 || result.after);
                if (again && result.wants.n > 0)
                        world_objects(w, g, &result.wants);
                else if (again && result.bytes_missing > 0) {
                        world_list_content(w, g, WANTED_RESTORE, SIZE_MAX);
                        if (before_content)
                                before_content(w, g);
                } else {
                        ret->n_parts++;
                        free(after);
                        after = TAKE_PTR(result.after);
                }
                folder_restore_result_clear(&result);
                if (!again)
                        return r;
        }
}

static git_oid tip(World *w) {
        git_oid id;

        assert_int_equal(git_store_get_reference(w->server, GIT_STORE_REMOTE, &id), 0);
        return id;
}

/* Two gateways; the second one comes when all is done, and has no more of history than it must. */
static World *shallow_world(void) {
        World *w = world_new(2, 1);

        w->shallow = true;
        return w;
}

static void settle_first(World *w) {
        w->n_gateways = 1;
        world_settle(w);
        w->n_gateways = 2;
}

static unsigned tag_of(WorldGateway *g, const char *path) {
        int fd = openat(g->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char buf[32] = "";
        unsigned tag = 0;

        assert_true(fd >= 0);
        assert_true(read(fd, buf, sizeof(buf) - 1) > 0);
        assert_int_equal(sscanf(buf, "tag %u\n", &tag), 1);
        close(fd);
        return tag;
}

static bool exists(WorldGateway *g, const char *path) {
        return faccessat(g->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void content_that_is_nowhere_here_is_fetched(void **state) {
        const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1234567890, .tv_nsec = 5 } };
        World *w = shallow_world();
        WorldGateway *one = w->gateways, *two = one + 1;
        WorldRestored done;
        char value[8];
        git_oid old, main;
        struct stat st;
        int fd;

        world_write(w, one, "small", 100);
        world_write(w, one, "large", 3 * MIB);
        assert_int_equal(fchmodat(one->root_fd, "small", 0640, 0), 0);
        assert_int_equal(utimensat(one->root_fd, "small", times, 0), 0);
        fd = openat(one->root_fd, "small", O_RDONLY | O_CLOEXEC);
        (void) fsetxattr(fd, "user.color", "red", 3, 0);
        bool has_xattrs = fgetxattr(fd, "user.color", value, sizeof(value)) == 3;
        close(fd);
        settle_first(w);
        old = tip(w);
        assert_int_equal(unlinkat(one->root_fd, "small", 0), 0);
        world_write(w, one, "small", 50);
        world_write(w, one, "large", 3 * MIB);
        world_settle(w);
        main = tip(w);
        w->bytes_fetched = 0;
        assert_int_equal(restore(w, two, &old, "small", "small", NULL, &done), 0);
        assert_int_equal(done.n_restored, 1);
        assert_int_equal(done.bytes_total, 100);
        assert_int_equal(w->bytes_fetched, 100);
        assert_int_equal(done.n_conflicts, 0);
        assert_int_equal(tag_of(two, "small"), 0);
        assert_int_equal(fstatat(two->root_fd, "small", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(st.st_mtim.tv_sec, 1234567890);
        assert_int_equal(st.st_mtim.tv_nsec, 5);
        fd = openat(two->root_fd, "small", O_RDONLY | O_CLOEXEC);
        if (has_xattrs)
                assert_int_equal(fgetxattr(fd, "user.color", value, sizeof(value)), 3);
        close(fd);

        /* A second time there is nothing to do; to another name it comes beside. */
        assert_int_equal(restore(w, two, &old, "small", "small", NULL, &done), 0);
        assert_int_equal(done.n_restored, 0);
        assert_int_equal(restore(w, two, &old, "large", "old/large", NULL, &done), 0);
        assert_int_equal(done.n_restored, 2);
        assert_int_equal(tag_of(two, "old/large"), 1);
        assert_int_equal(restore(w, two, &old, "large", "old/large", NULL, &done), -EEXIST);
        world_settle(w);
        assert_int_equal(tag_of(one, "small"), 0);
        assert_int_equal(tag_of(one, "old/large"), 1);
        /* Nothing was rewound. */
        assert_int_equal(git_store_check_descent(w->server, &main, &(git_oid[]) { tip(w) }[0]), 0);
        world_check_ledger(w);
        world_free(w);
}

static void a_directory_comes_back_as_it_was(void **state) {
        World *w = shallow_world();
        WorldGateway *one = w->gateways, *two = one + 1;
        WorldRestored done;
        git_oid old;

        assert_int_equal(mkdirat(one->root_fd, "d", 0755), 0);
        assert_int_equal(mkdirat(one->root_fd, "d/e", 0755), 0);
        world_write(w, one, "d/changed", 100);
        world_write(w, one, "d/deleted", 100);
        world_write(w, one, "d/e/same", 100);
        world_write(w, one, "outside", 100);
        assert_int_equal(symlinkat("e/same", one->root_fd, "d/link"), 0);
        settle_first(w);
        old = tip(w);
        world_write(w, one, "d/changed", 90);
        world_write(w, one, "d/newer", 100);
        world_write(w, one, "outside", 90);
        assert_int_equal(unlinkat(one->root_fd, "d/deleted", 0), 0);
        assert_int_equal(unlinkat(one->root_fd, "d/link", 0), 0);
        world_settle(w);
        assert_int_equal(restore(w, two, &old, "d", "d", NULL, &done), 0);
        assert_int_equal(done.n_restored, 3);
        assert_int_equal(done.n_failed + done.n_conflicts, 0);
        assert_int_equal(tag_of(two, "d/changed"), 0);
        assert_int_equal(tag_of(two, "d/deleted"), 1);
        assert_true(exists(two, "d/newer"));
        assert_true(exists(two, "d/link"));
        assert_int_equal(tag_of(two, "outside"), 6);

        /* All of the folder into a directory. */
        assert_int_equal(restore(w, two, &old, "", "backup", NULL, &done), 0);
        assert_int_equal(done.n_failed, 0);
        assert_int_equal(tag_of(two, "backup/d/changed"), 0);
        assert_int_equal(tag_of(two, "backup/outside"), 3);
        assert_false(exists(two, "backup/d/newer"));
        world_settle(w);
        assert_int_equal(tag_of(one, "backup/d/e/same"), 2);
        world_check_ledger(w);
        world_free(w);
}

/* Both have the second version of a file; only the first one has the content of the older one, too. */
static World *world_with_two_versions(git_oid *ret_old) {
        World *w = shallow_world();

        world_write(w, w->gateways, "a", 100);
        settle_first(w);
        *ret_old = tip(w);
        world_write(w, w->gateways, "a", 90);
        world_settle(w);
        return w;
}

static void change_it(World *w, WorldGateway *g) {
        world_write(w, g, "a", 70);
}

static void a_file_that_changes_meanwhile_is_not_lost(void **state) {
        git_oid old;
        World *w = world_with_two_versions(&old);
        WorldGateway *one = w->gateways, *two = one + 1;
        WorldRestored done;

        /* Changed while the content is on its way: it is in no commit, and goes aside. */
        assert_int_equal(restore(w, two, &old, "a", "a", change_it, &done), 0);
        assert_int_equal(done.n_conflicts, 1);
        assert_int_equal(done.n_failed, 0);
        world_settle(w);
        world_check_ledger(w);
        {
                _cleanup_free_ char *text = world_text(one), *other = world_text(two);

                assert_string_equal(text, other);
                /* The version that nobody had seen before is still there. */
                assert_non_null(strstr(text, "1 0 2 "));
        }
        world_free(w);
}

static void what_main_has_not_got_goes_aside(void **state) {
        git_oid old;
        World *w = world_with_two_versions(&old);
        WorldGateway *two = w->gateways + 1;
        WorldRestored done;

        world_write(w, two, "a", 80);
        world_run(w, two);
        assert_int_equal(restore(w, two, &old, "a", "a", NULL, &done), 0);
        assert_int_equal(tag_of(two, "a"), 0);
        assert_int_equal(done.n_conflicts, 1);
        world_settle(w);
        world_check_ledger(w);
        world_free(w);
}

static void many_files_come_in_parts(void **state) {
        World *w = shallow_world();
        WorldGateway *one = w->gateways, *two = one + 1;
        WorldRestored done;
        char name[32];
        git_oid old;

        world_write(w, one, "other", 20);
        assert_int_equal(mkdirat(one->root_fd, "d", 0755), 0);
        for (unsigned i = 0; i < 1500; i++) {
                (void) sprintf(name, "d/%u", i);
                world_write(w, one, name, 20);
        }
        settle_first(w);
        old = tip(w);
        for (unsigned i = 0; i < 1500; i++) {
                (void) sprintf(name, "d/%u", i);
                assert_int_equal(unlinkat(one->root_fd, name, 0), 0);
        }
        assert_int_equal(unlinkat(one->root_fd, "d", AT_REMOVEDIR), 0);
        world_settle(w);
        assert_false(exists(two, "d"));
        assert_int_equal(restore(w, two, &old, "d", "d", NULL, &done), 0);
        assert_int_equal(done.n_restored, 1501);
        assert_int_equal(done.n_parts, 2);
        assert_int_equal(done.bytes_total, 1500 * 20);
        assert_int_equal(tag_of(two, "d/1499"), 1500);
        world_free(w);
}

static void what_cannot_be_is_refused(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        WorldRestored done;
        git_oid old;

        world_write(w, g, "a", 100);
        world_write(w, g, "d", 100);
        world_settle(w);
        old = tip(w);
        assert_int_equal(unlinkat(g->root_fd, "d", 0), 0);
        assert_int_equal(mkdirat(g->root_fd, "d", 0755), 0);
        world_settle(w);
        assert_int_equal(restore(w, g, &old, "b", "b", NULL, &done), -ESRCH);
        assert_int_equal(restore(w, g, &old, "../a", "../a", NULL, &done), -EINVAL);
        assert_int_equal(restore(w, g, &old, "a", "../a", NULL, &done), -EINVAL);
        assert_int_equal(restore(w, g, &old, "a", "a/b", NULL, &done), -ENOTDIR);
        assert_int_equal(restore(w, g, &old, "a", "d", NULL, &done), -EEXIST);
        assert_int_equal(restore(w, g, &old, "d", "d", NULL, &done), 0);
        assert_int_equal(done.n_failed, 1);
        assert_int_equal(done.failed_error, -EISDIR);
        world_free(w);
}

static void versions_are_listed_as_far_as_they_are_known(void **state) {
        World *w = shallow_world();
        WorldGateway *one = w->gateways, *two = one + 1;
        FolderHistory h = {};
        git_oid commits[4], found;
        char hex[GIT_OID_HEXSZ + 1];
        int64_t time;

        for (unsigned i = 0; i < 3; i++) {
                world_write(w, one, "a", 100 + i);
                settle_first(w);
                commits[i] = tip(w);
        }
        assert_int_equal(unlinkat(one->root_fd, "a", 0), 0);
        world_settle(w);
        commits[3] = tip(w);
        assert_int_equal(folder_list_versions(two->folder, "a", NULL, 10, &h), 0);
        assert_true(h.trees_missing);
        assert_true(h.more);
        folder_history_clear(&h);

        assert_int_equal(folder_list_versions(one->folder, "a", NULL, 10, &h), 0);
        assert_false(h.more);
        assert_int_equal(h.n, 4);
        assert_int_equal(h.wants.n, 0);
        assert_int_equal(h.items[0].entry.kind, SYNC_ABSENT);
        for (unsigned i = 1; i < 4; i++) {
                assert_int_equal(h.items[i].entry.size, 103 - i);
                assert_int_equal(git_oid_cmp(&h.items[i].commit, commits + 3 - i), 0);
        }
        folder_history_clear(&h);

        /* In pieces. */
        (void) git_oid_tostr(hex, sizeof(hex), commits + 2);
        assert_int_equal(folder_list_versions(one->folder, "a", hex, 1, &h), 0);
        assert_int_equal(h.n, 1);
        assert_true(h.more);
        assert_int_equal(git_oid_cmp(&h.items[0].commit, commits + 1), 0);
        folder_history_clear(&h);

        /* Commits are there without their trees. */
        assert_int_equal(folder_list_commits(two->folder, hex, 10, &h), 0);
        assert_int_equal(h.n, 2);
        assert_false(h.more);
        assert_string_equal(h.items[0].message, "1 change");
        folder_history_clear(&h);
        hex[10] = 0;
        assert_int_equal(folder_find_commit(two->folder, hex, &found), 0);
        assert_int_equal(git_oid_cmp(&found, commits + 2), 0);
        assert_int_equal(folder_find_commit(two->folder, "0000000", &found), -ESRCH);
        assert_int_equal(folder_find_commit(two->folder, "000", &found), -EINVAL);
        assert_int_equal(folder_commit_at(two->folder, INT64_MAX, &found, &time), 0);
        assert_int_equal(git_oid_cmp(&found, commits + 3), 0);
        assert_int_equal(folder_commit_at(two->folder, 0, &found, &time), -ESRCH);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(content_that_is_nowhere_here_is_fetched),
                cmocka_unit_test(a_directory_comes_back_as_it_was),
                cmocka_unit_test(a_file_that_changes_meanwhile_is_not_lost),
                cmocka_unit_test(what_main_has_not_got_goes_aside),
                cmocka_unit_test(many_files_come_in_parts),
                cmocka_unit_test(what_cannot_be_is_refused),
                cmocka_unit_test(versions_are_listed_as_far_as_they_are_known),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
