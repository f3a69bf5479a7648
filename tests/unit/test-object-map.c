/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "syncd/object-map.h"

/* Ids that differ only at their end begin their search in the same slot. */
static git_oid id_of(uint32_t i, bool same_begin) {
        git_oid id = { .id = { 7 } };

        memcpy(id.id + (same_begin ? 16 : 1), &i, sizeof(i));
        return id;
}

static void what_is_added_is_found(void **state) {
        for (unsigned same = 0; same < 2; same++) {
                const uint32_t n = same ? 500 : 100000;
                ObjectMap m = {};
                uint32_t value;
                git_oid id = id_of(0, same);

                assert_false(object_map_find(&m, &id, NULL));
                for (uint32_t i = 0; i < n; i++) {
                        id = id_of(i, same);
                        assert_int_equal(object_map_add(&m, &id, i), 1);
                        assert_int_equal(object_map_add(&m, &id, i + 1), 0);
                }
                assert_int_equal(m.n, n);
                /* They are doubled, when three quarters are taken. */
                assert_true(m.n_slots * 3 <= 8 * (size_t) n);
                for (uint32_t i = 0; i < n; i++) {
                        id = id_of(i, same);
                        assert_true(object_map_find(&m, &id, &value));
                        assert_int_equal(value, i);
                }
                id = id_of(n, same);
                assert_false(object_map_find(&m, &id, NULL));
                id = id_of(5, same);
                assert_int_equal(object_map_set(&m, &id, 77), 0);
                assert_true(object_map_find(&m, &id, &value));
                assert_int_equal(value, 77);
                object_map_done(&m);
        }
}

static void there_is_an_end_to_it(void **state) {
        git_oid last = id_of(OBJECT_MAP_MAX, false);
        ObjectMap m = {};

        for (uint32_t i = 0; i < OBJECT_MAP_MAX; i++) {
                git_oid id = id_of(i, false);

                if (object_map_add(&m, &id, i) != 1)
                        fail();
        }
        assert_int_equal(object_map_add(&m, &last, 0), -E2BIG);
        assert_false(object_map_find(&m, &last, NULL));
        last = id_of(0, false);
        assert_int_equal(object_map_add(&m, &last, 0), 0);
        object_map_done(&m);
}

/* As a hostile tree may name it. */
static void the_zero_id_is_no_member(void **state) {
        git_oid zero = {};
        ObjectMap m = {};

        assert_int_equal(object_map_add(&m, &zero, 1), -EBADMSG);
        assert_false(object_map_find(&m, &zero, NULL));
        object_map_done(&m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_added_is_found),
                cmocka_unit_test(there_is_an_end_to_it),
                cmocka_unit_test(the_zero_id_is_no_member),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
