/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who connects to the ACS: where a request ends does not depend on how it came in pieces, and nothing is waited for
 * that is longer than allowed. */
#include <stdlib.h>

#include "common/base/str.h"
#include "operator/acs/http-input.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT 4096U
#define INPUT_MAX (2 * LIMIT + HTTP_HEAD_MAX)

static void add(HttpInput *i, const uint8_t *data, size_t size) {
        if (http_input_reserve(i, size) < 0)
                abort();
        memcpy(i->data + i->size, data, size);
        i->size += size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        HttpInput whole = {}, pieces = {};
        size_t n = 0, at = 0;
        int r = 0;

        if (size == 0 || size > INPUT_MAX)
                return 0;
        while (r == 0 && at < size) {
                size_t step = MIN(size - at, 1U + data[at] % 7U);

                add(&pieces, data + at, step);
                at += step;
                r = http_input_frame(&pieces, LIMIT, &n);
                if (r < 0 || (r > 0 && n > pieces.size) || (r == 0 && pieces.size > LIMIT + HTTP_HEAD_MAX))
                        abort();
        }
        /* What was enough is so as well if it comes at once. */
        add(&whole, data, at);
        size_t m = 0;
        int q = http_input_frame(&whole, LIMIT, &m);
        if (q != r || (r > 0 && !pieces.malformed && m != n))
                abort();
        if (pieces.head_size > 0)
                free(http_input_header(&pieces, "Cookie"));
        if (r > 0)
                http_input_consume(&pieces, n);
        http_input_done(&pieces);
        http_input_done(&whole);
        return 0;
}
