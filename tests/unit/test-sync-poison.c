/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "syncd/sync-poison.h"

#define ANY "0000000000000000000000000000000000000000"
#define ONE "0100000000000000000000000000000000000000"
#define TWO "0200000000000000000000000000000000000000"

static void assert_paths(const SyncPoison *p, const char *expected) {
        _cleanup_free_ char *joined = strdup("");

        STRV_FOREACH(entry, p->entries) {
                char *next = strfmt("%s%s ", joined, *entry + strlen(ANY) + 1);

                free(joined);
                joined = next;
        }
        assert_string_equal(joined, expected);
}

static void a_path_is_left_out_once(void **state) {
        SyncPoison p = {};

        assert_int_equal(sync_poison_add(&p, ANY, "a"), 0);
        assert_int_equal(sync_poison_add(&p, ANY, "a/b"), 0);
        assert_int_equal(sync_poison_add(&p, ANY, "a"), -EEXIST);
        assert_int_equal(sync_poison_add(&p, ANY, ""), -EINVAL);
        assert_paths(&p, "a a/b ");
        sync_poison_clear(&p);
        assert_null(p.entries);
}

static void what_changes_is_tried_again(void **state) {
        static const struct {
                const char *changed, *left;
                bool forgotten;
        } table[] = {
                { "x", "a/b a/c/d ab ", false },
                { "a/b", "a/c/d ab ", true },
                { "a", "ab ", true },
                { "a/c/d/e", "a/b ab ", true },
                { "a/c/", "a/b a/c/d ab ", false },
                { "", "", true },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                SyncPoison p = {};

                assert_int_equal(sync_poison_add(&p, ANY, "a/b"), 0);
                assert_int_equal(sync_poison_add(&p, ANY, "a/c/d"), 0);
                assert_int_equal(sync_poison_add(&p, ANY, "ab"), 0);
                assert_int_equal(sync_poison_changed(&p, table[i].changed), table[i].forgotten);
                assert_paths(&p, table[i].left);
                assert_false(sync_poison_changed(&p, "zzz"));
                sync_poison_clear(&p);
        }
}

static void there_is_an_end_to_single_paths(void **state) {
        SyncPoison p = {};
        char path[16], long_path[4096] = "";

        for (unsigned i = 0; i < SYNC_POISON_MAX; i++) {
                (void) snprintf(path, sizeof(path), "%u", i);
                assert_int_equal(sync_poison_add(&p, ANY, path), 0);
        }
        assert_int_equal(sync_poison_add(&p, ANY, "more"), -E2BIG);
        assert_true(sync_poison_changed(&p, "5"));
        assert_int_equal(sync_poison_add(&p, ANY, "more"), 0);
        sync_poison_clear(&p);
        memset(long_path, 'a', sizeof(long_path) - 1);
        for (unsigned i = 0; i < SYNC_POISON_BYTES_MAX / (sizeof(long_path) + 40); i++) {
                long_path[0] = (char) ('a' + i);
                assert_int_equal(sync_poison_add(&p, ANY, long_path), 0);
        }
        long_path[0] = 'x';
        assert_int_equal(sync_poison_add(&p, ANY, long_path), -E2BIG);
        sync_poison_clear(&p);
}

static void an_empty_list_is_no_matter(void **state) {
        SyncPoison p = {};

        assert_false(sync_poison_changed(&p, ""));
        sync_poison_clear(&p);
}

static void each_version_is_left_out_by_itself(void **state) {
        const SyncEntry one = { .path = "a", .kind = SYNC_FILE, .oid = { .bytes = { 1 } } },
                        two = { .path = "a", .kind = SYNC_FILE, .oid = { .bytes = { 2 } } },
                        below = { .path = "a/b", .kind = SYNC_FILE, .oid = { .bytes = { 1 } } };
        SyncPoison p = {};
        SyncRefusal r;

        assert_int_equal(sync_poison_add(&p, ONE, "a"), 0);
        assert_int_equal(sync_poison_add(&p, ONE, "a"), -EEXIST);
        assert_int_equal(sync_poison_add(&p, TWO, "a"), 0);
        assert_int_equal(sync_poison_add(&p, "", "a"), -EINVAL);
        assert_int_equal(sync_poison_add(&p, "x", "a"), -EINVAL);
        assert_int_equal(sync_refusal_parse(p.entries[0], &r), 0);
        assert_true(sync_refusal_holds(&r, &one));
        assert_false(sync_refusal_holds(&r, &two));
        assert_false(sync_refusal_holds(&r, &below));
        assert_int_equal(sync_refusal_parse(ANY " a", &r), 0);
        assert_true(sync_refusal_holds(&r, &two));
        assert_true(sync_refusal_holds(&r, &below));
        /* The path is what changes. */
        assert_true(sync_poison_changed(&p, "a"));
        assert_paths(&p, "");
        sync_poison_clear(&p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_is_left_out_once),
                cmocka_unit_test(each_version_is_left_out_by_itself),
                cmocka_unit_test(what_changes_is_tried_again),
                cmocka_unit_test(there_is_an_end_to_single_paths),
                cmocka_unit_test(an_empty_list_is_no_matter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
