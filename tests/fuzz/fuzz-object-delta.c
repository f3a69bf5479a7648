/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/object-log-internal.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t none[1];

/* What is encoded comes back. */
static void check_round_trip(const uint8_t *base, size_t base_size, const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *ops_data = NULL, *literals_data = NULL, *to = malloc(size + 1);
        RecordBase b = { .data = base, .size = base_size };
        SyncWriter ops = {}, literals = {};

        if (!to || delta_encode(&b, data, size, &ops, &literals) < 0)
                abort();
        ops_data = ops.data;
        literals_data = literals.data;
        if (delta_decode(base,
                         base_size,
                         ops.data,
                         ops.size,
                         literals.data ?: none,
                         literals.size,
                         to,
                         size) < 0 ||
            memcmp(to, data, size) != 0)
                abort();
}

/* The input is two sizes in two bytes each, then three parts: the base, the data or the steps, the literals.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t base_size, steps_size, to_size;
        _cleanup_free_ uint8_t *to = NULL;
        const uint8_t *base;

        if (size < 4)
                return 0;
        base_size = MIN((size_t) data[0] << 8 | data[1], size - 4);
        steps_size = MIN((size_t) data[2] << 8 | data[3], size - 4 - base_size);
        base = base_size > 0 ? data + 4 : none;
        check_round_trip(base, base_size, data + 4 + base_size, size - 4 - base_size);

        to_size = base_size + size;
        to = malloc(to_size + 1);
        if (!to)
                abort();
        (void) delta_decode(
                        base,
                        base_size,
                        data + 4 + base_size,
                        steps_size,
                        data + 4 + base_size + steps_size,
                        size - 4 - base_size - steps_size,
                        to,
                        to_size);
        return 0;
}
