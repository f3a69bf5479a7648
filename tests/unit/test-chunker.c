/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/format/chunker.h"

#define SIZE ((size_t) 24 << 20)
#define ENDS_MAX (SIZE / CHUNK_MIN + 2)

/* The same bytes in each run: a linear congruential generator. */
static void fill(uint8_t *data, size_t size, uint64_t seed) {
        for (size_t i = 0; i < size; i++) {
                seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                data[i] = (uint8_t) (seed >> 56);
        }
}

/* Cuts the data, given in pieces of at most step bytes. Returns the number of ends, the last of them the data's. */
static size_t cut(const uint8_t *data, size_t size, size_t step, size_t ends[static ENDS_MAX]) {
        Chunker c = {};
        size_t n = 0;

        for (size_t at = 0; at < size;) {
                bool end;

                at += chunker_next(&c, data + at, MIN(step, size - at), &end);
                if (end || at == size)
                        ends[n++] = at;
        }
        return n;
}

static void sizes(void **state) {
        _cleanup_free_ uint8_t *data = malloc(SIZE);
        size_t ends[ENDS_MAX], n, begin = 0;

        fill(data, SIZE, 1);
        n = cut(data, SIZE, SIZE, ends);
        for (size_t i = 0; i < n; begin = ends[i++]) {
                assert_true(ends[i] - begin <= CHUNK_MAX);
                if (i + 1 < n)
                        assert_true(ends[i] - begin >= CHUNK_MIN);
        }
        assert_in_range(SIZE / n, CHUNK_AVERAGE * 3 / 4, CHUNK_AVERAGE * 3 / 2);
}

static void pieces_do_not_matter(void **state) {
        static const size_t steps[] = { 1, 63, 4096, 32 * 1024 - 1, 1000003 };
        _cleanup_free_ uint8_t *data = malloc(SIZE);
        size_t whole[ENDS_MAX], ends[ENDS_MAX], n;

        fill(data, SIZE, 2);
        n = cut(data, SIZE, SIZE, whole);
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                assert_int_equal(cut(data, SIZE, steps[i], ends), n);
                assert_memory_equal(ends, whole, n * sizeof(*ends));
        }
}

static void insertion_is_local(void **state) {
        _cleanup_free_ uint8_t *data = malloc(SIZE + 4096);
        size_t before[ENDS_MAX], after[ENDS_MAX], n, m, same = 0;

        fill(data + 4096, SIZE, 3);
        n = cut(data + 4096, SIZE, SIZE, before);
        fill(data, 4096, 4);
        m = cut(data, SIZE + 4096, SIZE, after);
        while (same < n && same < m && before[n - 1 - same] + 4096 == after[m - 1 - same])
                same++;
        assert_true(n - same <= 4);
}

static void zeros_are_cut_at_the_maximum(void **state) {
        _cleanup_free_ uint8_t *data = calloc(1, 4 * (size_t) CHUNK_MAX);
        size_t ends[ENDS_MAX];

        assert_int_equal(cut(data, 3 * (size_t) CHUNK_MAX + 1, SIZE, ends), 4);
        assert_int_equal(ends[0], CHUNK_MAX);
        assert_int_equal(ends[3], 3 * CHUNK_MAX + 1);
}

/* The boundaries are part of the format: this is what every version must find. */
static void boundaries_are_those_of_the_format(void **state) {
        _cleanup_free_ uint8_t *data = malloc(SIZE);
        size_t ends[ENDS_MAX];

        fill(data, SIZE, 5);
        (void) cut(data, SIZE, SIZE, ends);
        assert_int_equal(ends[0], 183038);
        assert_int_equal(ends[1], 322196);
        assert_int_equal(ends[2], 362663);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes),
                cmocka_unit_test(pieces_do_not_matter),
                cmocka_unit_test(insertion_is_local),
                cmocka_unit_test(zeros_are_cut_at_the_maximum),
                cmocka_unit_test(boundaries_are_those_of_the_format),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
