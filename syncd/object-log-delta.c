/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An object as what differs from another one: runs of bytes that are copied from it, and bytes of its own
 * between them. Versions of a directory differ in a few entries here and there. */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/object-log-internal.h"

/* The index has one position of the base for each so many bytes. */
#define BLOCK_SIZE 16U
/* A shorter run costs as much as the bytes. */
#define RUN_MIN 24U

typedef struct BlockIndex {
        uint32_t *positions; /* plus 1; 0 is none */
        unsigned bits;
} BlockIndex;

static size_t slot_of(const BlockIndex *x, const uint8_t *block) {
        uint64_t a, b;

        memcpy(&a, block, sizeof(a));
        memcpy(&b, block + sizeof(a), sizeof(b));
        return ((a ^ (b << 29 | b >> 35)) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - x->bits);
}

static int index_base(BlockIndex *x, const RecordBase *base) {
        for (x->bits = 8; (size_t) 1 << x->bits < base->size / BLOCK_SIZE;)
                x->bits++;
        x->positions = calloc((size_t) 1 << x->bits, sizeof(*x->positions));
        if (!x->positions)
                return -ENOMEM;
        for (size_t at = 0; at + BLOCK_SIZE <= base->size; at += BLOCK_SIZE)
                x->positions[slot_of(x, base->data + at)] = (uint32_t) at + 1;
        return 0;
}

static size_t run_length(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
        size_t limit = MIN(a_size, b_size), n = 0;
        uint64_t x, y;

        for (; n + sizeof(x) <= limit; n += sizeof(x)) {
                memcpy(&x, a + n, sizeof(x));
                memcpy(&y, b + n, sizeof(y));
                if (x != y)
                        break;
        }
        while (n < limit && a[n] == b[n])
                n++;
        return n;
}

/* One step: literal bytes, then a run of the base. */
static void write_step(SyncWriter *ops, size_t literal, size_t from, size_t length, size_t *base_at) {
        sync_write_number(ops, literal);
        sync_write_signed(ops, (int64_t) from - (int64_t) *base_at);
        sync_write_number(ops, length);
        *base_at = from + length;
}

/* Finds a run at the position. Returns its length, or 0. */
static size_t find_run(
                const BlockIndex *x,
                const RecordBase *base,
                const uint8_t *data,
                size_t size,
                size_t *ret_from) {
        size_t from, length;

        if (size < RUN_MIN)
                return 0;
        from = x->positions[slot_of(x, data)];
        if (from == 0)
                return 0;
        from--;
        length = run_length(data, size, base->data + from, base->size - from);
        *ret_from = from;
        return length >= RUN_MIN ? length : 0;
}

int delta_encode(
                const RecordBase *base,
                const uint8_t *data,
                size_t size,
                SyncWriter *ops,
                SyncWriter *literals) {

        size_t base_at = 0, start = 0, from = 0, length;
        _cleanup_free_ uint32_t *positions = NULL;
        BlockIndex x = {};
        int r;

        r = index_base(&x, base);
        if (r < 0)
                return r;
        positions = x.positions;
        length = run_length(data, size, base->data, base->size);
        write_step(ops, 0, 0, length, &base_at);
        start = length;
        for (size_t at = start; at < size;) {
                length = find_run(&x, base, data + at, size - at, &from);
                if (length == 0) {
                        at++;
                        continue;
                }
                for (; at > start && from > 0 && data[at - 1] == base->data[from - 1]; length++) {
                        at--;
                        from--;
                }
                sync_write_bytes(literals, data + start, at - start);
                write_step(ops, at - start, from, length, &base_at);
                start = at += length;
                /* It is not worth going on. */
                if (literals->size + ops->size > size / 2)
                        break;
        }
        sync_write_bytes(literals, data + start, size - start);
        return ops->failed || literals->failed ? -ENOMEM : 0;
}

int delta_decode(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *ops,
                size_t ops_size,
                const uint8_t *literals,
                size_t literals_size,
                uint8_t *to,
                size_t size) {

        SyncReader reader = { .data = ops, .size = ops_size };
        uint64_t base_at = 0;

        while (reader.at < reader.size) {
                uint64_t literal = sync_read_number(&reader), length;

                /* Wraps around like the number that was written. */
                base_at += (uint64_t) sync_read_signed(&reader);
                length = sync_read_number(&reader);
                if (reader.failed || literal > literals_size || literal > size || length > size - literal ||
                    base_at > base_size || length > base_size - base_at)
                        return -EBADMSG;
                to = mempcpy(to, literals, literal);
                to = mempcpy(to, base + base_at, length);
                literals += literal;
                literals_size -= literal;
                size -= literal + length;
                base_at += length;
        }
        if (literals_size != size)
                return -EBADMSG;
        memcpy(to, literals, size);
        return 0;
}
