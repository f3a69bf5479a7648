/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chunk trees, metadata and directories on main that are none: somebody wrote them who keeps no rules. */
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
#include "syncd/git-store-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)
#define TREE_MAX 16384U

typedef struct TreeText {
        char data[TREE_MAX];
        size_t size;
} TreeText;

static void add(TreeText *t, unsigned mode, const char *name, const git_oid *id) {
        assert_true(t->size + strlen(name) + 32 < sizeof(t->data));
        t->size += (size_t) sprintf(t->data + t->size, "%o %s", mode, name) + 1;
        memcpy(t->data + t->size, id->id, GIT_OID_RAWSZ);
        t->size += GIT_OID_RAWSZ;
}

static git_oid write_tree(World *w, const TreeText *t) {
        git_oid id;

        assert_int_equal(git_store_write(w->server, GIT_OBJECT_TREE, t->data, t->size, &id), 0);
        return id;
}

static git_oid tree_of_one(World *w, unsigned mode, const char *name, const git_oid *id) {
        TreeText t = {};

        add(&t, mode, name, id);
        return write_tree(w, &t);
}

static git_oid read_root(World *w, char **ret, GitTreeReader *ret_reader) {
        git_oid main = world_main(w->server), root;

        assert_int_equal(git_store_commit_tree(w->server, &main, &root), 0);
        assert_int_equal(git_store_open_tree(w->server, &root, ret, ret_reader), 0);
        return main;
}

static git_oid entry_on_main(World *w, const char *name) {
        _cleanup_free_ char *data = NULL;
        GitTreeReader reader;
        GitTreeEntry e;

        (void) read_root(w, &data, &reader);
        while (git_tree_next(&reader, &e) > 0)
                if (streq(e.name, name))
                        return e.id;
        fail_msg("%s is not on main", name);
        return (git_oid) {};
}

/* Somebody commits another tree under the stored name, which is there or becomes the first one. */
static void set_on_main(World *w, const char *name, const git_oid *id) {
        GitStoreCommit c = { .author = "somebody", .time = 1700000000, .message = "anything" };
        _cleanup_free_ char *data = NULL;
        TreeText root = {};
        GitTreeReader reader;
        bool found = false;
        GitTreeEntry e;
        git_oid commit;

        c.parent = read_root(w, &data, &reader);
        while (git_tree_next(&reader, &e) > 0) {
                if (!found && strcmp(e.name, name) > 0)
                        add(&root, GIT_MODE_DIRECTORY, name, id);
                found |= strcmp(e.name, name) >= 0;
                add(&root, e.mode, e.name, streq(e.name, name) ? id : &e.id);
        }
        c.tree = write_tree(w, &root);
        assert_int_equal(git_store_write_commit(w->server, &c, &commit), 0);
        assert_int_equal(git_store_set_reference(w->server, GIT_STORE_REMOTE, &commit), 0);
        assert_int_equal(git_store_sync(w->server), 0);
}

/* All that can be wrong is found in test-git-chunk; here is one of each place. */
enum { NO_GROUP, BAD_GROUP, BAD_SUM, ENDLESS, DEEP, N_CASES };

static git_oid malformed_tree(World *w, unsigned number) {
        git_oid blob = { .id = { 1 } }, id;

        switch (number) {
        case NO_GROUP:
                return tree_of_one(w, GIT_MODE_FILE, "no-chunk", &blob);
        case BAD_GROUP:
                id = tree_of_one(w, GIT_MODE_FILE, "00000001-40000", &blob);
                return tree_of_one(w, GIT_MODE_DIRECTORY, "00000000-200000", &id);
        case BAD_SUM:
                id = tree_of_one(w, GIT_MODE_FILE, "00000000-40000", &blob);
                return tree_of_one(w, GIT_MODE_DIRECTORY, "00000000-200000", &id);
        case ENDLESS: {
                TreeText top = {};

                id = tree_of_one(w, GIT_MODE_FILE, "00000000-40000", &blob);
                for (unsigned i = 0; i < 100; i++) {
                        char name[32];

                        (void) sprintf(name, "%08x-10000000", i);
                        add(&top, GIT_MODE_DIRECTORY, name, &id);
                }
                return write_tree(w, &top);
        }
        case DEEP:
        default:
                id = tree_of_one(w, GIT_MODE_FILE, "a", &blob);
                for (unsigned i = 0; i < 2 * SYNC_DEPTH_MAX; i++)
                        id = tree_of_one(w, GIT_MODE_DIRECTORY, "a", &id);
                return id;
        }
}

static bool told(WorldGateway *g, SyncWord word) {
        bool result = g->words & UINT64_C(1) << word;

        g->words = 0;
        return result;
}

/* A cycle that goes through, whatever main has. */
static void cycle(World *w, WorldGateway *g) {
        world_fetch(w, g);
        do {
                world_run(w, g);
                assert_int_equal(g->error, 0);
                if (g->missing)
                        world_content(w, g, SIZE_MAX);
        } while (g->missing);
        while (!git_oid_is_zero(&g->push))
                assert_true(world_push(w, g));
}

static void assert_has(WorldGateway *g, const char *path, bool there) {
        assert_int_equal(faccessat(g->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW), there ? 0 : -1);
}

/* With a version of the file that is good, and without one. */
static void one_case(unsigned number, bool replaces) {
        World *w = world_new(2, 1);
        WorldGateway *one = w->gateways, *two = one + 1;
        const char *stored = replaces ? "%%+large" : "%%+fresh", *path = stored + strlen("%%+");
        _cleanup_free_ char *before = NULL, *after = NULL;
        git_oid bad, good;

        world_write(w, one, "large", 2 * MIB);
        world_write(w, one, "other", 3 * MIB);
        world_write(w, one, "small", 100);
        world_settle(w);
        before = world_text(two);
        w->tolerant = true;

        bad = malformed_tree(w, number);
        set_on_main(w, stored, &bad);
        world_write(w, one, "one's", 100);
        cycle(w, one);
        assert_true(told(one, SYNC_WORD_BAD_ENTRY));
        world_write(w, two, "two's", 100);
        cycle(w, two);
        assert_true(told(two, SYNC_WORD_BAD_ENTRY));
        /* The rest goes on, in both directions. */
        assert_has(two, "one's", true);
        cycle(w, one);
        assert_has(one, "two's", true);
        /* Nothing happens because of it, here or on main. */
        assert_has(one, path, replaces);
        assert_int_equal(unlinkat(two->root_fd, "one's", 0), 0);
        assert_int_equal(unlinkat(two->root_fd, "two's", 0), 0);
        cycle(w, two);
        after = world_text(two);
        assert_string_equal(before, after);
        good = entry_on_main(w, stored);
        assert_true(git_oid_equal(&good, &bad));
        world_restart(w, one);
        cycle(w, one);
        assert_true(told(one, SYNC_WORD_BAD_ENTRY));

        /* Somebody mends it. */
        good = entry_on_main(w, "%%+other");
        set_on_main(w, stored, &good);
        one->words = two->words = 0;
        cycle(w, one);
        cycle(w, two);
        assert_int_equal(one->words, 1);
        assert_int_equal(two->words, 1);
        w->tolerant = false;
        world_settle(w);
        world_check_equal(w);
        assert_has(one, path, true);
        assert_false(one->conflict || two->conflict);
        world_check_ledger(w);
        world_free(w);
}

static void a_malformed_file_is_left_out(void **state) {
        for (unsigned i = 0; i < N_CASES; i++) {
                one_case(i, true);
                one_case(i, false);
        }
}

static void a_change_beside_a_malformed_version_goes_to_main_when_it_is_mended(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *one = w->gateways;
        git_oid bad, good;

        world_write(w, one, "large", 2 * MIB);
        world_write(w, one, "other", 3 * MIB);
        world_settle(w);
        w->tolerant = true;
        bad = malformed_tree(w, NO_GROUP);
        set_on_main(w, "%%+large", &bad);
        world_write(w, one, "large", 2 * MIB + 1);
        cycle(w, one);
        /* And one more that would take its place. */
        world_write(w, one, "large", 2 * MIB + 2);
        cycle(w, one);
        good = entry_on_main(w, "%%+other");
        set_on_main(w, "%%+large", &good);
        w->tolerant = false;
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

/* Of the directory d, which has a file a, main gets one more: b, as it is in the folder itself. */
static git_oid directory_with(World *w, const char *mark, unsigned mode, const git_oid *id) {
        git_oid a, b = entry_on_main(w, "b"), d = entry_on_main(w, "d");
        _cleanup_free_ char *data = NULL;
        GitTreeReader reader;
        GitTreeEntry e;
        TreeText t = {};

        assert_int_equal(git_store_open_tree(w->server, &d, &data, &reader), 0);
        while (git_tree_next(&reader, &e) > 0)
                if (streq(e.name, "a"))
                        a = e.id;
        add(&t, mode, mark, id);
        add(&t, GIT_MODE_FILE, "a", &a);
        add(&t, GIT_MODE_FILE, "b", &b);
        return write_tree(w, &t);
}

static World *world_with_directory(void) {
        World *w = world_new(2, 1);

        assert_int_equal(mkdirat(w->gateways[0].root_fd, "d", 0755), 0);
        world_write(w, w->gateways, "d/a", 100);
        world_write(w, w->gateways, "b", 100);
        world_settle(w);
        w->tolerant = true;
        return w;
}

static void malformed_metadata_cost_nothing_but_themselves(void **state) {
        static const char text[] = "no record";

        for (unsigned bucketed = 0; bucketed < 2; bucketed++) {
                World *w = world_with_directory();
                WorldGateway *one = w->gateways, *two = one + 1;
                git_oid bad, d;

                assert_int_equal(git_store_write(w->server, GIT_OBJECT_BLOB, text, strlen(text), &bad), 0);
                if (bucketed)
                        bad = tree_of_one(w, GIT_MODE_FILE, "no-bucket", &bad);
                d = directory_with(w, "%%meta", bucketed ? GIT_MODE_DIRECTORY : GIT_MODE_FILE, &bad);
                set_on_main(w, "d", &d);
                for (unsigned i = 0; i < 2; i++) {
                        w->gateways[i].words = 0;
                        cycle(w, w->gateways + i);
                        assert_true(told(w->gateways + i, SYNC_WORD_BAD_ENTRY));
                        assert_has(w->gateways + i, "d/a", true);
                        assert_has(w->gateways + i, "d/b", true);
                }
                /* What is written next there mends it. */
                world_write(w, one, "d/c", 100);
                cycle(w, one);
                cycle(w, two);
                one->words = two->words = 0;
                w->tolerant = false;
                world_restart(w, one);
                world_restart(w, two);
                world_settle(w);
                world_check_equal(w);
                assert_has(two, "d/c", true);
                assert_false(one->conflict || two->conflict);
                assert_int_equal(one->words | two->words, 1);
                world_check_ledger(w);
                world_free(w);
        }
}

static void a_directory_that_cannot_be_read_is_not_taken_for_empty(void **state) {
        git_oid blob = { .id = { 1 } };
        World *w = world_with_directory();
        WorldGateway *one = w->gateways, *two = one + 1;
        FolderRequest request = { .gateway_name = one->name, .full = true };
        git_oid good = entry_on_main(w, "d"), later = directory_with(w, "%%later", GIT_MODE_FILE, &blob);
        _cleanup_free_ char *before = world_text(one), *after = NULL;
        FolderResult result;

        set_on_main(w, "d", &later);
        world_fetch(w, one);
        assert_int_equal(folder_run(one->folder, &request, &result), 0);
        assert_true(result.outcome.halted);
        assert_int_equal(result.outcome.word, SYNC_WORD_REPOSITORY_CORRUPT);
        assert_string_equal(result.text, "main cannot be read in d: malformed, or of a newer format");
        folder_result_clear(&result);
        after = world_text(one);
        assert_string_equal(after, before);

        set_on_main(w, "d", &good);
        world_write(w, one, "d/c", 100);
        w->tolerant = false;
        world_settle(w);
        world_check_equal(w);
        assert_has(two, "d/c", true);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(malformed_metadata_cost_nothing_but_themselves),
                cmocka_unit_test(a_directory_that_cannot_be_read_is_not_taken_for_empty),
                cmocka_unit_test(a_malformed_file_is_left_out),
                cmocka_unit_test(a_change_beside_a_malformed_version_goes_to_main_when_it_is_mended),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
