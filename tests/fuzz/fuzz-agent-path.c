/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as an ACS may write them, against a schema with tables. */
#include <stdlib.h>

#include "common/base/str.h"
#include "common/datamodel/dm.h"
#include "storage-schema.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(dm_model_freep) DmModel *m = NULL;
        _cleanup_free_ char *path = strndup((const char *) data, size);
        DmNames names = {}, children = {};
        DmValues values = {};
        DmFaults faults = {};
        uint32_t instance;
        int status;

        if (!path || dm_model_new(&m, &storage_schema, NULL, NULL) < 0)
                abort();
        bool known = dm_get_names(m, path, false, &names) == DM_OK;
        (void) dm_get_names(m, path, true, &children);
        (void) dm_get_values(m, path, &values);
        /* What is found lies where it was looked for. */
        for (size_t i = 0; i < names.n; i++)
                if (!startswith(names.items[i].name, path))
                        abort();
        if (!known && values.n > 0)
                abort();
        (void) dm_add_object(m, DM_ORIGIN_ACS, path, &instance, &status, &faults);
        (void) dm_delete_object(m, DM_ORIGIN_ACS, path, &status, &faults);

        dm_names_done(&names);
        dm_names_done(&children);
        dm_values_done(&values);
        dm_faults_done(&faults);
        return 0;
}
