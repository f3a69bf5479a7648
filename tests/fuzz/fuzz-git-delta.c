/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two strings: the first applied to the second as a delta; and deltas between the two made and applied. The
 * first two bytes tell how long the first is. */
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-delta.h"
#include "tests/fuzz/fuzz.h"

#define RESULT_MAX 65536U

static void apply(const uint8_t *base, size_t base_size, const uint8_t *delta, size_t size) {
        _cleanup_free_ uint8_t *result = NULL;
        uint64_t told_base, told_result;
        size_t header;

        if (git_delta_read_sizes(delta, size, &told_base, &told_result, &header) < 0 ||
            told_result > RESULT_MAX)
                return;
        /* Exactly as large, so that the sanitizer sees a byte too many. */
        result = malloc(told_result);
        if (told_result > 0 && !result)
                abort();
        (void) git_delta_apply(base, base_size, delta, size, result, told_result);
}

static void make(
                int (*maker)(const uint8_t *, size_t, const uint8_t *, size_t, size_t, uint8_t **, size_t *),
                const uint8_t *base,
                size_t base_size,
                const uint8_t *target,
                size_t target_size) {

        _cleanup_free_ uint8_t *delta = NULL, *result = malloc(target_size + 1);
        size_t size;

        if (!result)
                abort();
        if (maker(base, base_size, target, target_size, target_size + target_size / 64 + 64, &delta, &size) <
                            0 ||
            git_delta_apply(base, base_size, delta, size, result, target_size) < 0 ||
            memcmp(result, target, target_size) != 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t n;

        if (size < 2)
                return 0;
        n = (size_t) data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = MIN(n, size);
        apply(data + n, size - n, data, n);
        make(git_delta_of_bytes, data, n, data + n, size - n);
        make(git_delta_of_trees, data, n, data + n, size - n);
        return 0;
}
