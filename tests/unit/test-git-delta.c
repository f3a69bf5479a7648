/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-delta.h"
#include "tests/unit/pack-fixture.h"

typedef int (*DeltaMaker)(const uint8_t *, size_t, const uint8_t *, size_t, size_t, uint8_t **, size_t *);

static size_t check_delta(DeltaMaker make, const Bytes *base, const Bytes *target) {
        _cleanup_free_ uint8_t *delta = NULL, *result = malloc(target->size + 1);
        uint64_t base_size, result_size;
        size_t size, header;

        assert_int_equal(
                        make(base->data,
                             base->size,
                             target->data,
                             target->size,
                             target->size + target->size / 64 + 1024,
                             &delta,
                             &size),
                        0);
        assert_int_equal(git_delta_read_sizes(delta, size, &base_size, &result_size, &header), 0);
        assert_int_equal(base_size, base->size);
        assert_int_equal(result_size, target->size);
        assert_int_equal(git_delta_apply(base->data, base->size, delta, size, result, target->size), 0);
        assert_memory_equal(result, target->data, target->size);
        return size;
}

static void append_entry(Bytes *tree, const char *name, unsigned number) {
        char head[64];
        Bytes id = {};

        append(tree, head, (size_t) snprintf(head, sizeof(head), "100644 %s", name) + 1);
        append_random(&id, GIT_OID_RAWSZ, number);
        append(tree, id.data, id.size);
        bytes_done(&id);
}

static void make_tree(Bytes *tree, unsigned n, unsigned changed_from, unsigned changed_step) {
        append_entry(tree, "%%meta", changed_step);
        for (unsigned i = 0; i < n; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "file%05u", i);
                append_entry(tree,
                             name,
                             changed_step && i >= changed_from && i % changed_step == 0 ? i + 100000 : i);
        }
}

static void deltas_give_back_what_they_were_made_of(void **state) {
        Bytes empty = {}, text = {}, changed = {}, noise = {};

        append(&empty, "", 0);
        append_lines(&text, 5000);
        append(&changed, text.data, 1000);
        append_random(&changed, 500, 1);
        append(&changed, text.data + 1200, text.size - 1200);
        append_random(&noise, 300000, 2);
        const Bytes *const all[] = { &empty, &text, &changed, &noise };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                for (size_t k = 0; k < ELEMENTSOF(all); k++) {
                        (void) check_delta(git_delta_of_bytes, all[i], all[k]);
                        (void) check_delta(git_delta_of_trees, all[i], all[k]);
                }
        assert_true(check_delta(git_delta_of_bytes, &text, &changed) < 560);
        bytes_done(&empty);
        bytes_done(&text);
        bytes_done(&changed);
        bytes_done(&noise);
}

static void tree_deltas_cost_what_changed(void **state) {
        Bytes base = {}, one = {}, many = {};
        uint8_t *delta;
        size_t size;

        make_tree(&base, 20000, 0, 0);
        make_tree(&one, 20000, 15000, 15000);
        make_tree(&many, 20000, 0, 200);
        assert_true(check_delta(git_delta_of_trees, &base, &one) < 256);
        assert_true(check_delta(git_delta_of_trees, &base, &many) < 100 * 60);
        /* What is not smaller than allowed is not made. */
        assert_int_equal(
                        git_delta_of_trees(base.data, base.size, many.data, many.size, 100, &delta, &size),
                        -E2BIG);
        bytes_done(&base);
        bytes_done(&one);
        bytes_done(&many);
}

static void bad_deltas_are_refused(void **state) {
        static const struct {
                const char *delta;
                size_t size;
        } bad[] = {
#define DELTA(s) { s, sizeof(s) - 1 }
                DELTA(""),
                DELTA("\4"),
                DELTA("\4\4"),          /* makes too little */
                DELTA("\4\4\x90"),      /* an operand is missing */
                DELTA("\4\4\x91\1\4"),  /* copies beyond the base */
                DELTA("\4\4\x90\5"),    /* likewise */
                DELTA("\4\4\x80"),      /* 64 KiB */
                DELTA("\4\4\0"),        /* reserved */
                DELTA("\4\4\4abc"),     /* bytes are missing */
                DELTA("\4\4\x90\4\1a"), /* makes too much */
                DELTA("\5\4\x90\4"),    /* of another base */
                DELTA("\4\5\x90\4"),    /* of another result */
                DELTA("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\4\x90\4"),
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                uint8_t result[4];

                assert_int_equal(
                                git_delta_apply((const uint8_t *) "base",
                                                4,
                                                (const uint8_t *) bad[i].delta,
                                                bad[i].size,
                                                result,
                                                4),
                                -EBADMSG);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(deltas_give_back_what_they_were_made_of),
                cmocka_unit_test(tree_deltas_cost_what_changed),
                cmocka_unit_test(bad_deltas_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
