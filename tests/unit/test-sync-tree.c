/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trees, paths, conflict names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/sync-open.h"
#include "syncd/sync-scan.h"
#include "tests/unit/sync-model.h"

static void paths_of_a_folder_are_told_from_others(void **state) {
        char name[SYNC_NAME_MAX + 2], deep[4 * SYNC_DEPTH_MAX];

        assert_true(sync_path_is_valid("a"));
        assert_true(sync_path_is_valid("a/.../..b/\xff\n"));
        assert_false(sync_path_is_valid(""));
        assert_false(sync_path_is_valid("/a"));
        assert_false(sync_path_is_valid("a/"));
        assert_false(sync_path_is_valid("a//b"));
        assert_false(sync_path_is_valid("a/../b"));
        assert_false(sync_path_is_valid("."));

        memset(name, 'n', sizeof(name));
        name[SYNC_NAME_MAX] = '\0';
        assert_true(sync_path_is_valid(name));
        name[SYNC_NAME_MAX] = 'n';
        name[SYNC_NAME_MAX + 1] = '\0';
        assert_false(sync_path_is_valid(name));

        for (size_t i = 0; i < SYNC_DEPTH_MAX; i++)
                memcpy(deep + 2 * i, "d/", 2);
        deep[2 * SYNC_DEPTH_MAX - 1] = '\0';
        assert_true(sync_path_is_valid(deep));
        memcpy(deep + 2 * SYNC_DEPTH_MAX - 1, "/d", 3);
        assert_false(sync_path_is_valid(deep));
}

static void a_directory_is_followed_by_all_beneath_it(void **state) {
        _cleanup_sync_tree_free_ SyncTree *t = model_tree("a.b=f1 a=d a!=f3 ab=f1 a/z=f1 a/b=d a/b/c=f1");
        _cleanup_free_ char *text = model_text(t);

        assert_string_equal(text, "a=d a/b=d a/b/c=f1 a/z=f1 a.20261101T000000Z.gw1=f3 a.b=f1 ab=f1");
        assert_string_equal(sync_tree_find(t, "a/z")->path, "a/z");
        assert_null(sync_tree_find(t, "a/"));
        assert_true(sync_path_is_below("a/b", "a"));
        assert_false(sync_path_is_below("a.b", "a"));
        assert_false(sync_path_is_below("a", "a"));
        assert_true(sync_path_is_below("a", ""));
}

static void a_path_can_be_there_only_once(void **state) {
        _cleanup_sync_tree_free_ SyncTree *t = NULL;
        SyncEntry e;

        assert_int_equal(sync_tree_new(&t), 0);
        model_entry(&e, "a", "f1");
        assert_int_equal(sync_tree_add(t, &e), 0);
        model_entry(&e, "a", "f2");
        assert_int_equal(sync_tree_add(t, &e), 0);
        assert_int_equal(sync_tree_sort(t), -EEXIST);
        assert_int_equal(sync_tree_sort_last(t), 0);
        assert_int_equal(sync_tree_size(t), 1);
        assert_int_equal(sync_tree_at(t, 0)->oid.bytes[0], '2');
        model_entry(&e, "../a", "f1");
        assert_int_equal(sync_tree_add(t, &e), -EINVAL);
}

static void assert_patched(const char *tree, const char *changes, const char *expected) {
        _cleanup_sync_tree_free_ SyncTree *t = model_tree(tree), *c = model_tree(changes), *result = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(sync_tree_patch(t, c, &result), 0);
        t = sync_tree_free(t);
        c = sync_tree_free(c);
        text = model_text(result);
        assert_string_equal(text, expected);
}

static void patches_replace_and_remove(void **state) {
        assert_patched("", "", "");
        assert_patched("a=f1", "", "a=f1");
        assert_patched("", "a=f1", "a=f1");
        assert_patched("a=f1 b=f1 c=f1", "b=f2", "a=f1 b=f2 c=f1");
        assert_patched("a=d a/b=f1 a/c=f1 a.b=f1", "a=-", "a.b=f1");
        assert_patched("a=d a/b=f1 a/c=f1 a.b=f1", "a=f1", "a=f1 a.b=f1");
        assert_patched("a=d a/b=f1 a/c=f1", "a=d", "a=d a/b=f1 a/c=f1");
        assert_patched("a=d a/b=f1 a/c=f1", "a/b=- a/d=f2", "a=d a/c=f1 a/d=f2");
        assert_patched("b=f1", "a=- c=-", "b=f1");
}

static void a_replacement_leaves_what_is_beneath(void **state) {
        _cleanup_sync_tree_free_ SyncTree *t = model_tree("a=d a/b=f1 c=f1 d=f1"), *c = model_tree("a=f2 c=-"),
                                          *result = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(sync_tree_replace(t, c, &result), 0);
        text = model_text(result);
        assert_string_equal(text, "a=f2 a/b=f1 d=f1");
}

static void a_long_chain_of_patches_does_not_hoard(void **state) {
        SyncTree *t = model_tree("a=f1 b=f1");

        for (unsigned i = 0; i < 5000; i++) {
                _cleanup_sync_tree_free_ SyncTree *c = model_tree(i % 2 ? "b=f2" : "b=f3");
                SyncTree *next = NULL;

                assert_int_equal(sync_tree_patch(t, c, &next), 0);
                sync_tree_free(t);
                t = next;
        }
        assert_int_equal(sync_tree_size(t), 2);
        assert_string_equal(sync_tree_at(t, 1)->path, "b");
        sync_tree_free(t);
}

static void a_difference_is_a_patch(void **state) {
        _cleanup_sync_tree_free_ SyncTree *a = model_tree("a=d a/b=f1 c=f1 d=f1 e=l1"),
                                          *b = model_tree("a=f1 c=f1x d=f1 f=d f/g=f2"), *changes = NULL,
                                          *result = NULL, *rest = NULL;

        assert_int_equal(sync_tree_diff(a, b, &changes), 0);
        assert_int_equal(sync_tree_patch(a, changes, &result), 0);
        assert_int_equal(sync_tree_diff(result, b, &rest), 0);
        assert_int_equal(sync_tree_size(rest), 0);
}

/* --- many entries, against an array --- */

#define SLOTS 3000U

/* What is at each path: 0 nothing, 1 an entry that is not settled, else one with that content. */
typedef struct Slots {
        uint8_t version[SLOTS];
        unsigned random;
        int dir_fd;
} Slots;

static unsigned random_below(Slots *s, unsigned n) {
        s->random = s->random * 1103515245 + 12345;
        return (s->random >> 8) % n;
}

static void slot_entry(SyncEntry *e, unsigned slot, unsigned version, char buf[static 32]) {
        (void) snprintf(buf, 32, "directory/%02u/%04u", slot / 100, slot);
        *e = (SyncEntry) { .path = buf, .kind = version > 0 ? SYNC_FILE : SYNC_ABSENT, .inode = slot };
        e->certainty = version == 1 ? SYNC_RACY : SYNC_SETTLED;
        e->oid.bytes[0] = (uint8_t) version;
}

/* Some changes, close to each other or not. */
static SyncTree *change_slots(Slots *s) {
        unsigned n = 1 + random_below(s, random_below(s, 8) == 0 ? 900 : 5), step = 1 + random_below(s, 30),
                 kinds = 1 + random_below(s, 6);
        SyncTree *changes;

        assert_int_equal(sync_tree_new(&changes), 0);
        for (unsigned slot = random_below(s, SLOTS); n > 0 && slot < SLOTS; slot += step, n--) {
                SyncEntry e;
                char buf[32];

                s->version[slot] = (uint8_t) random_below(s, kinds);
                slot_entry(&e, slot, s->version[slot], buf);
                assert_int_equal(sync_tree_add(changes, &e), 0);
        }
        return changes;
}

/* Whether the tree is what those of the slots make that have at least this version. */
static void assert_slots(const Slots *s, const SyncTree *t, unsigned least) {
        const SyncEntry *unsettled;
        size_t n = 0, i = 0;

        unsettled = sync_tree_next_unsettled(t, &i);
        for (unsigned slot = 0; slot < SLOTS; slot++) {
                SyncEntry e;
                char buf[32];

                slot_entry(&e, slot, s->version[slot], buf);
                assert_true(!!sync_tree_find(t, buf) == (s->version[slot] >= least));
                if (s->version[slot] < least) {
                        assert_int_equal(sync_tree_lower_bound(t, buf), n);
                        continue;
                }
                assert_string_equal(sync_tree_at(t, n)->path, buf);
                assert_true(sync_entry_same_identity(sync_tree_at(t, n), &e));
                assert_int_equal(sync_tree_at(t, n)->oid.bytes[0], s->version[slot]);
                if (s->version[slot] == 1) {
                        assert_ptr_equal(unsettled, sync_tree_at(t, n));
                        assert_int_equal(i, n + 1);
                        unsettled = sync_tree_next_unsettled(t, &i);
                }
                n++;
        }
        assert_int_equal(sync_tree_size(t), n);
        assert_null(unsettled);
}

static int has_content(const SyncEntry *e, void *userdata) {
        return e->oid.bytes[0] > 1;
}

static SyncTree *save_and_load(const Slots *s, SyncTree *t) {
        SyncTree *back;

        assert_int_equal(sync_index_save(s->dir_fd, "tree", t), 0);
        assert_int_equal(sync_index_load(s->dir_fd, "tree", &back), 0);
        sync_tree_free(t);
        return back;
}

/* A copy of two parts. */
static SyncTree *copy_parts(Slots *s, const SyncTree *t) {
        size_t n = sync_tree_size(t), middle = random_below(s, (unsigned) n + 1);
        SyncTree *copy;

        assert_int_equal(sync_tree_new(&copy), 0);
        assert_int_equal(sync_tree_add_range(copy, t, 0, middle), 0);
        assert_int_equal(sync_tree_add_range(copy, t, middle, n), 0);
        return copy;
}

static void large_trees_change_like_small_ones(void **state) {
        char directory[] = "/tmp/test-sync-tree-XXXXXX";
        Slots s = { .random = 7 };
        SyncTree *t;

        assert_non_null(mkdtemp(directory));
        s.dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(sync_tree_new(&t), 0);
        for (unsigned i = 0; i < 300; i++) {
                _cleanup_sync_tree_free_ SyncTree *changes = change_slots(&s), *filtered = NULL, *copy = NULL;
                SyncTree *next;

                assert_int_equal(sync_tree_patch(t, changes, &next), 0);
                sync_tree_free(t);
                t = next;
                if (random_below(&s, 4) == 0)
                        t = save_and_load(&s, t);
                assert_slots(&s, t, 1);
                assert_int_equal(sync_tree_filter(t, has_content, NULL, &filtered), 0);
                assert_slots(&s, filtered, 2);
                copy = copy_parts(&s, t);
                assert_slots(&s, copy, 1);
                sync_tree_rest(t);
        }
        assert_slots(&s, t, 1);
        sync_tree_free(t);
        assert_int_equal(unlinkat(s.dir_fd, "tree", 0), 0);
        close(s.dir_fd);
        assert_int_equal(rmdir(directory), 0);
}

static void assert_conflict(const char *path, const char *gateway, unsigned counter, const char *expected) {
        _cleanup_free_ char *s = NULL;

        assert_int_equal(sync_conflict_path(path, 0, gateway, counter, &s), 0);
        assert_string_equal(s, expected);
}

static void conflict_names_keep_the_extension_last(void **state) {
        assert_conflict("report.docx", "gw1", 0, "report.19700101T000000Z.gw1.docx");
        assert_conflict("a/b.c/report", "gw1", 0, "a/b.c/report.19700101T000000Z.gw1");
        assert_conflict("x.tar.gz", "gw1", 2, "x.19700101T000000Z.gw1.2.tar.gz");
        assert_conflict("x.min.js", "gw1", 0, "x.min.19700101T000000Z.gw1.js");
        assert_conflict(".bashrc", "gw1", 0, ".bashrc.19700101T000000Z.gw1");
        assert_conflict(".config.json", "gw1", 0, ".config.19700101T000000Z.gw1.json");
        assert_conflict("Mr. Smith's letter", "gw1", 0, "Mr. Smith's letter.19700101T000000Z.gw1");
        assert_conflict("dot.", "gw1", 0, "dot..19700101T000000Z.gw1");
        assert_conflict("a.txt", "B\xc3\xbc" "ro/../2 \n", 0, "a.19700101T000000Z.B--ro----2--.txt");
        assert_conflict("a.txt", "", 0, "a.19700101T000000Z.gateway.txt");
}

static void long_names_are_cut_between_characters(void **state) {
        char name[SYNC_NAME_MAX + 1];
        _cleanup_free_ char *s = NULL;

        for (size_t i = 0; i + 6 < SYNC_NAME_MAX; i += 2)
                memcpy(name + i, "\xc3\xa9", 2);
        memcpy(name + SYNC_NAME_MAX - 5, ".text", 6);
        assert_int_equal(strlen(name), SYNC_NAME_MAX);
        assert_int_equal(sync_conflict_path(name, 0, "gw1", 1000, &s), 0);
        assert_true(strlen(s) <= SYNC_NAME_MAX && strlen(s) >= SYNC_NAME_MAX - 1);
        assert_true(utf8_is_valid(s));
        assert_true(sync_path_is_valid(s));
        assert_non_null(endswith(s, ".19700101T000000Z.gw1.1000.text"));
}

static void years_without_a_number_are_the_nearest_one(void **state) {
        static const struct {
                int64_t sec, ns;
        } cases[] = {
                { 0, 999999999 },
                { -1, -1 },
                { INT64_C(9223372035), INT64_C(9223372035999999999) },
                { INT64_C(9223372036), INT64_MAX },
                { INT64_C(13569465600), INT64_MAX },
                { INT64_C(-13569465600), INT64_MIN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct stat st = { .st_mode = S_IFREG, .st_mtim = { cases[i].sec, 999999999 } };
                SyncEntry e = {};

                sync_entry_set_stat(&e, &st);
                assert_int_equal(e.mtime_ns, cases[i].ns);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_of_a_folder_are_told_from_others),
                cmocka_unit_test(a_directory_is_followed_by_all_beneath_it),
                cmocka_unit_test(a_path_can_be_there_only_once),
                cmocka_unit_test(patches_replace_and_remove),
                cmocka_unit_test(a_replacement_leaves_what_is_beneath),
                cmocka_unit_test(a_long_chain_of_patches_does_not_hoard),
                cmocka_unit_test(a_difference_is_a_patch),
                cmocka_unit_test(large_trees_change_like_small_ones),
                cmocka_unit_test(conflict_names_keep_the_extension_last),
                cmocka_unit_test(long_names_are_cut_between_characters),
                cmocka_unit_test(years_without_a_number_are_the_nearest_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
