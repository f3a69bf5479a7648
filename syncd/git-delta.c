/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/git-delta.h"
#include "syncd/git-object.h"

/* An instruction copies from the base if it has this bit, else its value is the number of bytes that follow.
 */
#define DELTA_COPY 0x80U
#define DELTA_INSERT_MAX 127U
/* A copy of size zero stands for 64 KiB. */
#define DELTA_COPY_ZERO 0x10000U
/* An offset has four bytes. */
#define DELTA_OFFSET_MAX UINT32_MAX
/* A copy costs up to seven bytes, so fewer bytes of content are not worth one. */
#define DELTA_COPY_WORTH 8U

static int read_size(const uint8_t *delta, size_t size, size_t *at, uint64_t *ret) {
        uint64_t n = 0;

        for (unsigned shift = 0;; shift += 7) {
                if (*at == size || shift > 56)
                        return -EBADMSG;
                n |= (uint64_t) (delta[*at] & 0x7f) << shift;
                if (!(delta[(*at)++] & 0x80))
                        break;
        }
        *ret = n;
        return 0;
}

int git_delta_read_sizes(
                const uint8_t *delta,
                size_t size,
                uint64_t *ret_base_size,
                uint64_t *ret_result_size,
                size_t *ret_header) {
        size_t at = 0;
        int r;

        r = read_size(delta, size, &at, ret_base_size);
        if (r < 0)
                return r;
        r = read_size(delta, size, &at, ret_result_size);
        if (r < 0)
                return r;
        *ret_header = at;
        return 0;
}

/* The operands of a copy, whose presence the bits of the instruction tell. */
static int read_copy(
                const uint8_t *delta,
                size_t size,
                size_t *at,
                uint8_t instruction,
                uint64_t *ret_offset,
                size_t *ret_n) {
        uint64_t offset = 0;
        size_t n = 0;

        for (unsigned i = 0; i < 7; i++) {
                if (!(instruction & (1U << i)))
                        continue;
                if (*at == size)
                        return -EBADMSG;
                if (i < 4)
                        offset |= (uint64_t) delta[(*at)++] << (8 * i);
                else
                        n |= (size_t) delta[(*at)++] << (8 * (i - 4));
        }
        *ret_offset = offset;
        *ret_n = n > 0 ? n : DELTA_COPY_ZERO;
        return 0;
}

int git_delta_apply(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *delta,
                size_t size,
                uint8_t *result,
                size_t result_size) {
        uint64_t told_base, told_result;
        size_t at, done = 0;
        int r;

        r = git_delta_read_sizes(delta, size, &told_base, &told_result, &at);
        if (r < 0)
                return r;
        if (told_base != base_size || told_result != result_size)
                return -EBADMSG;
        while (at < size) {
                uint8_t instruction = delta[at++];
                uint64_t offset = 0;
                size_t n = instruction;
                const uint8_t *from;

                if (instruction & DELTA_COPY) {
                        r = read_copy(delta, size, &at, instruction, &offset, &n);
                        if (r < 0)
                                return r;
                        if (offset > base_size || n > base_size - offset)
                                return -EBADMSG;
                        from = base + offset;
                } else {
                        if (n == 0 || n > size - at)
                                return -EBADMSG;
                        from = delta + at;
                        at += n;
                }
                if (n > result_size - done)
                        return -EBADMSG;
                memcpy(result + done, from, n);
                done += n;
        }
        return done == result_size ? 0 : -EBADMSG;
}

typedef struct DeltaWriter {
        uint8_t *data;
        size_t size;
        size_t max;
        const uint8_t *pending; /* bytes of the target that no instruction has yet */
        size_t n_pending;
} DeltaWriter;

static int put(DeltaWriter *w, const void *data, size_t n) {
        if (n >= w->max - w->size)
                return -E2BIG;
        memcpy(w->data + w->size, data, n);
        w->size += n;
        return 0;
}

static int put_size(DeltaWriter *w, uint64_t n) {
        uint8_t bytes[10];
        size_t k = 0;

        for (; n >= 0x80; n >>= 7)
                bytes[k++] = (uint8_t) (n | 0x80);
        bytes[k++] = (uint8_t) n;
        return put(w, bytes, k);
}

static int flush_pending(DeltaWriter *w) {
        while (w->n_pending > 0) {
                uint8_t n = (uint8_t) MIN(w->n_pending, (size_t) DELTA_INSERT_MAX);
                int r;

                if ((r = put(w, &n, 1)) < 0 || (r = put(w, w->pending, n)) < 0)
                        return r;
                w->pending += n;
                w->n_pending -= n;
        }
        return 0;
}

/* The next n bytes of the target, which begin at data, are these. */
static void insert(DeltaWriter *w, const uint8_t *data, size_t n) {
        if (w->n_pending == 0)
                w->pending = data;
        w->n_pending += n;
}

static int put_copy(DeltaWriter *w, size_t offset, size_t n) {
        uint8_t bytes[8] = { DELTA_COPY };
        size_t k = 1;

        for (unsigned i = 0; i < 4; i++)
                if (offset >> (8 * i) & 0xff) {
                        bytes[0] |= (uint8_t) (1U << i);
                        bytes[k++] = (uint8_t) (offset >> (8 * i));
                }
        for (unsigned i = 0; n != DELTA_COPY_ZERO && i < 3; i++)
                if (n >> (8 * i) & 0xff) {
                        bytes[0] |= (uint8_t) (1U << (4 + i));
                        bytes[k++] = (uint8_t) (n >> (8 * i));
                }
        return put(w, bytes, k);
}

/* The next n bytes of the target are also those of the base at the offset. */
static int copy(DeltaWriter *w, const uint8_t *target, size_t offset, size_t n) {
        if (n < DELTA_COPY_WORTH) {
                insert(w, target, n);
                return 0;
        }
        int r = flush_pending(w);

        while (r >= 0 && n > 0) {
                /* git readers of old know copies of 64 KiB only (gitformat-pack(5) names three bytes). */
                size_t k = MIN(n, (size_t) DELTA_COPY_ZERO);

                r = put_copy(w, offset, k);
                offset += k;
                n -= k;
        }
        return r;
}

static int begin(DeltaWriter *w, size_t base_size, size_t target_size, size_t max) {
        int r;

        if (base_size > DELTA_OFFSET_MAX)
                return -E2BIG;
        *w = (DeltaWriter){ .data = malloc(max > 0 ? max : 1), .max = max };
        if (!w->data)
                return -ENOMEM;
        if (max == 0 || (r = put_size(w, base_size)) < 0 || (r = put_size(w, target_size)) < 0)
                return -E2BIG;
        return 0;
}

static int end(DeltaWriter *w, int r, uint8_t **ret, size_t *ret_size) {
        if (r >= 0)
                r = flush_pending(w);
        if (r < 0) {
                free(w->data);
                return r;
        }
        *ret = w->data;
        *ret_size = w->size;
        return 0;
}

int git_delta_of_bytes(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *target,
                size_t target_size,
                size_t max,
                uint8_t **ret,
                size_t *ret_size) {
        size_t common = MIN(base_size, target_size), head = 0, tail = 0;
        DeltaWriter w;
        int r;

        while (head < common && base[head] == target[head])
                head++;
        while (tail < common - head && base[base_size - 1 - tail] == target[target_size - 1 - tail])
                tail++;
        r = begin(&w, base_size, target_size, max);
        if (r >= 0)
                r = copy(&w, target, 0, head);
        if (r >= 0) {
                insert(&w, target + head, target_size - head - tail);
                r = copy(&w, target + target_size - tail, base_size - tail, tail);
        }
        return end(&w, r, ret, ret_size);
}

/* The size of the entry at the beginning of data, all of data if it is none. */
static size_t entry_size(const uint8_t *data, size_t size, GitTreeEntry *ret) {
        GitTreeReader reader;

        git_tree_reader_init(&reader, data, size);
        return git_tree_next(&reader, ret) > 0 ? size - reader.size : size;
}

static int run_of_trees(
                DeltaWriter *w,
                const uint8_t *base,
                size_t base_size,
                const uint8_t *target,
                size_t target_size) {
        const uint8_t *b = base, *b_end = base + base_size, *t = target, *t_end = target + target_size,
                      *run = NULL;
        size_t run_size = 0;
        int r = 0;

        while (t < t_end && r >= 0) {
                GitTreeEntry te = {}, be = {};
                size_t tn = entry_size(t, (size_t) (t_end - t), &te), bn = 0;

                while (b < b_end) {
                        bn = entry_size(b, (size_t) (b_end - b), &be);
                        if (!te.name || !be.name || git_tree_entry_compare(&be, &te) >= 0)
                                break;
                        b += bn;
                }
                if (b < b_end && bn == tn && memcmp(b, t, tn) == 0) {
                        if (run && run + run_size != b) {
                                r = copy(w, t - run_size, (size_t) (run - base), run_size);
                                run = NULL;
                        }
                        if (!run) {
                                run = b;
                                run_size = 0;
                        }
                        run_size += tn;
                        b += bn;
                } else {
                        if (run)
                                r = copy(w, t - run_size, (size_t) (run - base), run_size);
                        run = NULL;
                        insert(w, t, tn);
                }
                t += tn;
        }
        if (run && r >= 0)
                r = copy(w, t - run_size, (size_t) (run - base), run_size);
        return r;
}

int git_delta_of_trees(
                const uint8_t *base,
                size_t base_size,
                const uint8_t *target,
                size_t target_size,
                size_t max,
                uint8_t **ret,
                size_t *ret_size) {
        DeltaWriter w;
        int r;

        r = begin(&w, base_size, target_size, max);
        if (r >= 0)
                r = run_of_trees(&w, base, base_size, target, target_size);
        return end(&w, r, ret, ret_size);
}
