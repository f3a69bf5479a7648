/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/object-log-internal.h"

/* A slot is 0, or an offset plus 1 above the first bytes of the id, which also say where to begin to look.
 */
#define KEY_BITS 24U
#define KEY_MASK ((UINT64_C(1) << KEY_BITS) - 1)
#define SLOTS_MIN 64U
#define SLOTS_MAX (UINT64_C(1) << KEY_BITS)

static uint64_t key_of(const SyncOid *oid) {
        return (uint64_t) oid->bytes[0] << 16 | (uint64_t) oid->bytes[1] << 8 | oid->bytes[2];
}

void log_index_done(LogIndex *x) {
        free(x->slots);
        *x = (LogIndex) {};
}

static void put(LogIndex *x, uint64_t value) {
        size_t i = value & KEY_MASK & (x->n_slots - 1);

        while (x->slots[i])
                i = (i + 1) & (x->n_slots - 1);
        x->slots[i] = value;
        x->n++;
}

int log_index_reserve(LogIndex *x, size_t n) {
        LogIndex larger = { .n_slots = MAX(x->n_slots, (size_t) SLOTS_MIN) };

        while (larger.n_slots / 4 * 3 < x->n + n) {
                if (larger.n_slots >= SLOTS_MAX)
                        return -E2BIG;
                larger.n_slots *= 2;
        }
        if (larger.n_slots == x->n_slots)
                return 0;
        larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
        if (!larger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < x->n_slots; i++)
                if (x->slots[i])
                        put(&larger, x->slots[i]);
        free(x->slots);
        *x = larger;
        return 0;
}

void log_index_insert(LogIndex *x, const SyncOid *oid, uint64_t offset) {
        put(x, (offset + 1) << KEY_BITS | key_of(oid));
}

bool log_index_next(
                const LogIndex *x,
                const SyncOid *oid,
                size_t *cursor,
                size_t *ret_slot,
                uint64_t *ret_offset) {
        uint64_t key = key_of(oid);

        for (; *cursor < x->n_slots; (*cursor)++) {
                size_t i = (key + *cursor) & (x->n_slots - 1);

                if (!x->slots[i])
                        return false;
                if ((x->slots[i] & KEY_MASK) != key)
                        continue;
                (*cursor)++;
                *ret_slot = i;
                *ret_offset = (x->slots[i] >> KEY_BITS) - 1;
                return true;
        }
        return false;
}
