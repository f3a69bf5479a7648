/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of apply. The input is a list of records, each with its length in one byte before it; the target gives
 * them their frames. */
#include <stdlib.h>

#include "common/base/cleanup.h"
#include "syncd/sync-journal.h"
#include "syncd/sync-stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

static void write_framed(const Scratch *s, const uint8_t *data, size_t size) {
        _cleanup_free_ _unused_ uint8_t *whole = NULL;
        SyncWriter w = {};

        for (size_t at = 0; at < size;) {
                size_t length = MIN((size_t) data[at], size - at - 1);
                uint32_t crc = sync_crc32(data + at + 1, length);

                sync_write_number(&w, length);
                sync_write_bytes(&w, data + at + 1, length);
                for (unsigned i = 0; i < 4; i++, crc >>= 8)
                        sync_write_bytes(&w, &(uint8_t) { crc & 0xFF }, 1);
                at += 1 + length;
        }
        whole = w.data;
        scratch_write(s, "journal", "ISPSJNL2", w.data, w.size, 0);
}

/* What was read once is read again: the damaged end was cut off. Returns the number of intents. */
static size_t check(const Scratch *s) {
        _cleanup_sync_journal_free_ SyncJournal *j = NULL;
        uint64_t last = 0;

        if (sync_journal_open(&j, s->fd) < 0)
                abort();
        for (size_t i = 0; i < j->n_intents; i++) {
                const SyncIntent *intent = j->intents + i;

                if ((i > 0 && intent->number <= last) || intent->number >= j->next_number ||
                    !sync_path_is_valid(intent->path) ||
                    (intent->renamed_to && !sync_path_is_valid(intent->renamed_to)) ||
                    (intent->moved_from && (intent->renamed_to || !sync_path_is_valid(intent->moved_from))) ||
                    intent->local.kind >= _SYNC_KIND_MAX || intent->wanted.kind >= _SYNC_KIND_MAX ||
                    intent->displaced.kind >= _SYNC_KIND_MAX)
                        abort();
                last = intent->number;
        }
        return j->n_intents;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Scratch s;

        scratch_open(&s);
        scratch_write(&s, "journal", "", data, size, 0);
        if (check(&s) != check(&s))
                abort();
        write_framed(&s, data, size);
        if (check(&s) != check(&s))
                abort();
        scratch_close(&s);
        return 0;
}
