/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index file; the input is what is between its magic and its checksum. */
#include <stdlib.h>

#include "common/base/str.h"
#include "syncd/sync-scan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

static void check_round_trip(const Scratch *s, const SyncTree *t) {
        _cleanup_sync_tree_free_ SyncTree *again = NULL;

        SYNC_TREE_FOREACH(e, t)
                if (!sync_path_is_valid(e->path) || e->kind >= _SYNC_KIND_MAX)
                        abort();
        if (sync_index_save(s->fd, "again", t) < 0 || sync_index_load(s->fd, "again", &again) < 0 ||
            sync_tree_size(again) != sync_tree_size(t))
                abort();
        for (size_t i = 0; i < sync_tree_size(t); i++) {
                const SyncEntry *a = sync_tree_at(t, i), *b = sync_tree_at(again, i);

                if (!streq(a->path, b->path) || !sync_entry_same_identity(a, b) || a->mode != b->mode ||
                    a->certainty != b->certainty || a->executable != b->executable || !sync_oid_equal(&a->oid, &b->oid))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Scratch s;

        scratch_open(&s);
        for (int framed = 0; framed < 2; framed++) {
                _cleanup_sync_tree_free_ SyncTree *t = NULL;

                scratch_write(&s, "index", framed ? "ISPSIDX3" : "", data, size, framed);
                if (sync_index_load(s.fd, "index", &t) >= 0)
                        check_round_trip(&s, t);
        }
        scratch_close(&s);
        return 0;
}
