/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "common/base/str.h"
#include "syncd/sync-poison.h"

static void assert_paths(const SyncPoison *p, const char *expected) {
        _cleanup_free_ char *joined = strdup("");

        STRV_FOREACH(path, p->paths) {
                char *next = strfmt("%s%s ", joined, *path);

                free(joined);
                joined = next;
        }
        assert_string_equal(joined, expected);
}

static void a_path_is_left_out_once(void **state) {
        SyncPoison p = {};

        assert_int_equal(sync_poison_add(&p, "a"), 0);
        assert_int_equal(sync_poison_add(&p, "a/b"), 0);
        assert_int_equal(sync_poison_add(&p, "a"), -EEXIST);
        assert_int_equal(sync_poison_add(&p, ""), -EINVAL);
        assert_paths(&p, "a a/b ");
        sync_poison_clear(&p);
        assert_null(p.paths);
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

                assert_int_equal(sync_poison_add(&p, "a/b"), 0);
                assert_int_equal(sync_poison_add(&p, "a/c/d"), 0);
                assert_int_equal(sync_poison_add(&p, "ab"), 0);
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
                assert_int_equal(sync_poison_add(&p, path), 0);
        }
        assert_int_equal(sync_poison_add(&p, "more"), -E2BIG);
        assert_true(sync_poison_changed(&p, "5"));
        assert_int_equal(sync_poison_add(&p, "more"), 0);
        sync_poison_clear(&p);
        memset(long_path, 'a', sizeof(long_path) - 1);
        for (unsigned i = 0; i < 4; i++) {
                long_path[0] = (char) ('a' + i);
                assert_int_equal(sync_poison_add(&p, long_path), 0);
        }
        long_path[0] = 'x';
        assert_int_equal(sync_poison_add(&p, long_path), -E2BIG);
        sync_poison_clear(&p);
}

static void an_empty_list_is_no_matter(void **state) {
        SyncPoison p = {};

        assert_false(sync_poison_changed(&p, ""));
        sync_poison_clear(&p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_is_left_out_once),
                cmocka_unit_test(what_changes_is_tried_again),
                cmocka_unit_test(there_is_an_end_to_single_paths),
                cmocka_unit_test(an_empty_list_is_no_matter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
