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
#include "syncd/sync-tree-internal.h"
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
                sync_tree_rest(copy);
                if (random_below(&s, 2) == 0)
                        sync_tree_rest(t);
                assert_slots(&s, copy, 1);
        }
        assert_slots(&s, t, 1);
        sync_tree_free(t);
        assert_int_equal(unlinkat(s.dir_fd, "tree", 0), 0);
        close(s.dir_fd);
        assert_int_equal(rmdir(directory), 0);
}

/* --- what is packed --- */

#define MANY 20000U
/* Those of an entry as a gateway's index has it, and of one that only says that nothing is there. */
#define FILE_BYTES 52U
#define ABSENT_BYTES 16U

static void numbered_entry(SyncEntry *e, SyncKind kind, unsigned i, char buf[static 48]) {
        (void) snprintf(buf, 48, "photos/2026/%03u/picture %05u.jpeg", i / 100, i);
        *e = (SyncEntry) { .path = buf, .kind = kind & 0xF };
        if (kind == SYNC_ABSENT)
                return;
        e->size = 300000 + i;
        e->mtime_ns = INT64_C(1790000000123456789) + i * INT64_C(1000003);
        e->ctime_ns = e->mtime_ns + 40321;
        e->inode = 5000000 + i;
        e->mode = 0644;
        for (unsigned k = 0; k < SYNC_OID_SIZE; k++)
                e->oid.bytes[k] = (uint8_t) (i * 2654435761U >> k);
}

static SyncTree *numbered_tree(SyncKind kind) {
        SyncTree *t;

        assert_int_equal(sync_tree_new_compact(&t), 0);
        for (unsigned i = 0; i < MANY; i++) {
                SyncEntry e;
                char buf[48];

                numbered_entry(&e, kind, i, buf);
                assert_int_equal(sync_tree_add(t, &e), 0);
        }
        assert_int_equal(sync_tree_sort(t), 0);
        return t;
}

static void assert_numbered(const SyncEntry *e, SyncKind kind, unsigned i) {
        SyncEntry expected;
        char buf[48];

        numbered_entry(&expected, kind, i, buf);
        assert_string_equal(e->path, buf);
        assert_true(sync_entry_same_identity(e, &expected));
        assert_true(sync_oid_equal(&e->oid, &expected.oid));
        assert_int_equal(e->mode, expected.mode);
}

/* How many segments are there as entries; *ret_bytes is what the others take. */
static size_t count_unpacked(const SyncTree *t, size_t *ret_bytes) {
        size_t n = 0;

        *ret_bytes = 0;
        for (size_t i = 0; i < t->n_places; i++) {
                const SyncSegment *s = t->places[i].segment;

                n += !!s->entries;
                *ret_bytes += s->entries ? 0 : sizeof(*s) + s->packed_size + strlen(s->first_path);
        }
        return n;
}

static void what_is_packed_takes_little_and_says_all(void **state) {
        static const struct {
                SyncKind kind;
                size_t bytes;
        } cases[] = { { SYNC_FILE, FILE_BYTES }, { SYNC_ABSENT, ABSENT_BYTES } };

        for (size_t c = 0; c < ELEMENTSOF(cases); c++) {
                _cleanup_sync_tree_free_ SyncTree *t = numbered_tree(cases[c].kind);
                size_t bytes;

                /* The one to which it would be added. */
                assert_int_equal(count_unpacked(t, &bytes), 1);
                for (unsigned round = 0; round < 2; round++) {
                        sync_tree_rest(t);
                        assert_int_equal(count_unpacked(t, &bytes), 0);
                        assert_true(bytes <= MANY * cases[c].bytes);
                        assert_int_equal(sync_tree_size(t), MANY);
                        for (unsigned i = 0; i < MANY; i++)
                                assert_numbered(sync_tree_at(t, i), cases[c].kind, i);
                }
        }
}

/* What shares memory with it is as before, and so is what it shares it with. */
static void a_packed_tree_can_be_changed(void **state) {
        _cleanup_sync_tree_free_ SyncTree *t = numbered_tree(SYNC_FILE), *changes = NULL, *patched = NULL;
        SyncEntry e, absent = { .kind = SYNC_ABSENT };
        char buf[48];

        sync_tree_rest(t);
        assert_int_equal(sync_tree_new(&changes), 0);
        numbered_entry(&e, SYNC_FILE, MANY / 2, buf);
        absent.path = buf;
        assert_int_equal(sync_tree_add(changes, &absent), 0);
        assert_int_equal(sync_tree_patch(t, changes, &patched), 0);
        sync_tree_rest(patched);
        numbered_entry(&e, SYNC_FILE, MANY, buf);
        assert_int_equal(sync_tree_add(patched, &e), 0);
        assert_int_equal(sync_tree_size(patched), MANY);
        sync_tree_rest(patched);
        for (unsigned i = 0; i < MANY; i++) {
                assert_numbered(sync_tree_at(t, i), SYNC_FILE, i);
                assert_numbered(sync_tree_at(patched, i), SYNC_FILE, i + (i >= MANY / 2));
        }
        sync_tree_drop_last(patched);
        assert_numbered(sync_tree_at(patched, MANY - 2), SYNC_FILE, MANY - 1);
        assert_int_equal(sync_tree_size(patched), MANY - 1);
}

/* One that was asked to keep what it gave, too. */
static void a_walk_leaves_what_is_behind_it(void **state) {
        _cleanup_sync_tree_free_ SyncTree *files = numbered_tree(SYNC_FILE), *absent = numbered_tree(SYNC_ABSENT);
        SyncWalk walk = { .trees = { files, absent, absent }, .leaves = { true, true, true } };
        const SyncEntry *entries[SYNC_WALK_MAX], *kept[3] = {};
        const unsigned keep[] = { 0, MANY / 3, MANY - 1 };
        size_t n_kept = 0, bytes;
        const char *path;
        unsigned i = 0;

        sync_tree_rest(files);
        sync_tree_rest(absent);
        for (; (path = sync_walk_next(&walk, entries)); i++) {
                assert_numbered(entries[0], SYNC_FILE, i);
                assert_numbered(entries[1], SYNC_ABSENT, i);
                assert_string_equal(entries[2]->path, path);
                if (n_kept < ELEMENTSOF(keep) && i == keep[n_kept]) {
                        sync_walk_keep(&walk, 0);
                        kept[n_kept++] = entries[0];
                }
                assert_true(count_unpacked(files, &bytes) <= n_kept + 1);
                assert_true(count_unpacked(absent, &bytes) <= 1);
        }
        assert_int_equal(i, MANY);
        assert_int_equal(count_unpacked(files, &bytes), n_kept);
        assert_int_equal(count_unpacked(absent, &bytes), 0);
        for (i = 0; i < n_kept; i++)
                assert_numbered(kept[i], SYNC_FILE, keep[i]);
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
                cmocka_unit_test(what_is_packed_takes_little_and_says_all),
                cmocka_unit_test(a_packed_tree_can_be_changed),
                cmocka_unit_test(a_walk_leaves_what_is_behind_it),
                cmocka_unit_test(conflict_names_keep_the_extension_last),
                cmocka_unit_test(long_names_are_cut_between_characters),
                cmocka_unit_test(years_without_a_number_are_the_nearest_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
