/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A value as an ACS may write it, for every parameter of the schemas: what is taken has one form, which is taken
 * too. */
#include <stdlib.h>

#include "agent-schema.h"
#include "common/base/str.h"
#include "common/datamodel/dm-value.h"
#include "storage-schema.h"
#include "sync-schema.h"
#include "tests/fuzz/fuzz.h"

static void check(const DmSchema *schema, const char *value) {
        for (uint16_t i = 0; i < schema->n_parameters; i++) {
                _cleanup_free_ char *once = NULL, *twice = NULL;
                const char *reason = NULL;

                if (dm_value_canonicalize(schema->parameters + i, NULL, value, &once, &reason) < 0) {
                        if (once || !reason)
                                abort();
                        continue;
                }
                if (dm_value_canonicalize(schema->parameters + i, NULL, once, &twice, NULL) < 0 || !streq(once, twice))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *value = strndup((const char *) data, size);

        if (!value)
                abort();
        check(&agent_schema, value);
        check(&storage_schema, value);
        check(&sync_schema, value);
        return 0;
}
