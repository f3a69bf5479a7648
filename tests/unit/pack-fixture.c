/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/pack-writer.h"
#include "tests/unit/pack-fixture.h"

void append(Bytes *b, const void *data, size_t size) {
        b->data = realloc(b->data, b->size + size + 1);
        assert_non_null(b->data);
        if (size > 0)
                memcpy(b->data + b->size, data, size);
        b->size += size;
}

void bytes_done(Bytes *b) {
        free(b->data);
        *b = (Bytes){};
}

void append_random(Bytes *b, size_t size, unsigned seed) {
        uint32_t x = seed * 2654435761U + 1;

        for (size_t i = 0; i < size; i++) {
                uint8_t byte;

                x ^= x << 13;
                x ^= x >> 17;
                x ^= x << 5;
                byte = (uint8_t) (x >> 24);
                append(b, &byte, 1);
        }
}

void append_lines(Bytes *b, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                char line[64];

                append(b, line, (size_t) snprintf(line, sizeof(line), "line %u of some text\n", i));
        }
}

int bytes_sink(const void *data, size_t size, void *userdata) {
        append(userdata, data, size);
        return 0;
}

static int bytes_source(const uint8_t **ret_data, size_t *ret_size, void *userdata) {
        Bytes *b = userdata;

        if (b->read == b->size)
                return 0;
        *ret_data = b->data + b->read;
        *ret_size = MIN(b->step > 0 ? b->step : b->size, b->size - b->read);
        b->read += *ret_size;
        return 1;
}

static int take_object(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata) {
        Reading *r = userdata;

        assert_true(r->n < OBJECTS_MAX);
        r->objects[r->n] = (Object){ .id = *id, .type = type };
        append(&r->objects[r->n++].bytes, data, size);
        return 0;
}

const Object *find_object(const Reading *r, const git_oid *id) {
        for (size_t i = 0; r && i < r->n; i++)
                if (git_oid_equal(&r->objects[i].id, id))
                        return r->objects + i;
        return NULL;
}

static int find_base(
                const git_oid *id,
                git_object_t *ret_type,
                void **ret_data,
                size_t *ret_size,
                void *userdata) {
        Reading *r = userdata;
        const Object *o = find_object(r->elsewhere, id);

        if (!o)
                return -ENOENT;
        *ret_type = o->type;
        *ret_size = o->bytes.size;
        *ret_data = malloc(o->bytes.size + 1);
        memcpy(*ret_data, o->bytes.data, o->bytes.size);
        return 0;
}

static int large_begin(uint64_t size, int *ret_fd, void *userdata) {
        Reading *r = userdata;

        *ret_fd = r->large_fd;
        return 0;
}

static int large_end(const git_oid *id, uint64_t size, void *userdata) {
        Reading *r = userdata;

        r->large = *id;
        return 0;
}

int read_pack(Reading *r, Bytes *pack, size_t step) {
        PackSource source = { .read = bytes_source, .userdata = pack };
        PackConsumer consumer = {
                .object = take_object,
                .find = find_base,
                .large_begin = large_begin,
                .large_end = large_end,
                .userdata = r,
                .blob_max = 1 << 20,
                .other_max = 4 << 20,
                .total_max = 64 << 20,
        };

        pack->read = 0;
        pack->step = step;
        return pack_read(&source, &consumer, &r->summary);
}

void reading_done(Reading *r) {
        for (size_t i = 0; i < r->n; i++)
                bytes_done(&r->objects[i].bytes);
        free(r);
}

Reading *reading_new(void) {
        Reading *r = calloc(1, sizeof(*r));

        assert_non_null(r);
        r->large_fd = -1;
        return r;
}

void write_pack(Bytes *pack, const Bytes *objects, size_t n) {
        PackWriter *w;

        assert_int_equal(pack_writer_new(&w, (uint32_t) n, bytes_sink, pack), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(pack_writer_add(w, GIT_OBJECT_BLOB, objects[i].data, objects[i].size), 0);
        assert_int_equal(pack_writer_finish(w), 0);
        pack_writer_free(w);
}

void make_blobs(Bytes blobs[static 6]) {
        memset(blobs, 0, 6 * sizeof(*blobs));
        append(blobs, "", 0);
        append(blobs + 1, "x", 1);
        append_lines(blobs + 2, 20000);
        append_random(blobs + 3, 500000, 3);
        append_lines(blobs + 4, 10);
        append_random(blobs + 5, 17000, 4);
}

