/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

#include "common/base/cleanup.h"
#include "syncd/pack-writer.h"

#define OUT_SIZE ((size_t) 16 << 10)
/* Objects up to this are not sampled, and worth the best compression. */
#define SMALL_MAX ((size_t) 16 << 10)
/* So many pieces of so many bytes of a larger object are tried. */
#define SAMPLE_PIECES 3U
#define SAMPLE_SIZE ((size_t) 4 << 10)
/* Above this part of the sample, in percent, deflating is not worth its time. */
#define SAMPLE_WORTH_PERCENT 96U
#define LEVEL_STORE 0
#define LEVEL_FAST 1
#define LEVEL_SMALL 6

struct PackWriter {
        PackSink sink;
        void *userdata;
        uint32_t left;
        EVP_MD_CTX *hash;
        z_stream zlib;
        bool zlib_ready;
        size_t n_out;
        uint8_t out[OUT_SIZE];
        uint8_t sample[2 * SAMPLE_SIZE];
};

static int flush_out(PackWriter *w) {
        size_t n = w->n_out;

        w->n_out = 0;
        if (n == 0)
                return 0;
        if (EVP_DigestUpdate(w->hash, w->out, n) != 1)
                return -EIO;
        return w->sink(w->out, n, w->userdata);
}

static int put(PackWriter *w, const void *data, size_t size) {
        for (const uint8_t *p = data; size > 0;) {
                size_t n = MIN(size, sizeof(w->out) - w->n_out);
                int r;

                memcpy(w->out + w->n_out, p, n);
                w->n_out += n;
                p += n;
                size -= n;
                if (w->n_out == sizeof(w->out) && (r = flush_out(w)) < 0)
                        return r;
        }
        return 0;
}

int pack_writer_new(PackWriter **ret, uint32_t n_objects, PackSink sink, void *userdata) {
        uint8_t header[12] = { 'P', 'A', 'C', 'K', 0, 0, 0, 2 };
        _cleanup_(pack_writer_freep) PackWriter *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->sink = sink;
        w->userdata = userdata;
        w->left = n_objects;
        w->hash = EVP_MD_CTX_new();
        if (!w->hash || EVP_DigestInit_ex(w->hash, EVP_sha1(), NULL) != 1 ||
            deflateInit(&w->zlib, LEVEL_SMALL) != Z_OK)
                return -ENOMEM;
        w->zlib_ready = true;
        for (unsigned i = 0; i < 4; i++)
                header[8 + i] = (uint8_t) (n_objects >> (24 - 8 * i));
        r = put(w, header, sizeof(header));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

PackWriter *pack_writer_free(PackWriter *w) {
        if (!w)
                return NULL;
        if (w->zlib_ready)
                (void) deflateEnd(&w->zlib);
        EVP_MD_CTX_free(w->hash);
        free(w);
        return NULL;
}

static int set_level(PackWriter *w, int level) {
        return deflateReset(&w->zlib) == Z_OK && deflateParams(&w->zlib, level, Z_DEFAULT_STRATEGY) == Z_OK
                               ? 0
                               : -EIO;
}

/* Whether a sample of data gets smaller. */
static int shrinks(PackWriter *w, const uint8_t *data, size_t size) {
        size_t in = 0, out = 0;

        for (size_t i = 0; i < SAMPLE_PIECES; i++) {
                int r = set_level(w, LEVEL_FAST);

                if (r < 0)
                        return r;
                w->zlib.next_in =
                                (Bytef *) (uintptr_t) (data + (size - SAMPLE_SIZE) / (SAMPLE_PIECES - 1) * i);
                w->zlib.avail_in = SAMPLE_SIZE;
                w->zlib.next_out = w->sample;
                w->zlib.avail_out = sizeof(w->sample);
                if (deflate(&w->zlib, Z_FINISH) != Z_STREAM_END)
                        return -EIO;
                in += SAMPLE_SIZE;
                out += sizeof(w->sample) - w->zlib.avail_out;
        }
        return out * 100 <= in * SAMPLE_WORTH_PERCENT;
}

static int choose_level(PackWriter *w, const void *data, size_t size) {
        int r;

        if (size <= SMALL_MAX)
                return LEVEL_SMALL;
        r = shrinks(w, data, size);
        return r < 0 ? r : r > 0 ? LEVEL_FAST : LEVEL_STORE;
}

static int put_deflated(PackWriter *w, const void *data, size_t size) {
        int z = Z_OK, r;

        r = choose_level(w, data, size);
        if (r >= 0)
                r = set_level(w, r);
        if (r < 0)
                return r;
        w->zlib.next_in = (Bytef *) (uintptr_t) data;
        while (z != Z_STREAM_END) {
                /* No object here is that large; a larger one would take several rounds. */
                if (w->zlib.avail_in == 0) {
                        w->zlib.avail_in = (uInt) MIN(size, (size_t) 1 << 30);
                        size -= w->zlib.avail_in;
                }
                w->zlib.next_out = w->out + w->n_out;
                w->zlib.avail_out = (uInt) (sizeof(w->out) - w->n_out);
                z = deflate(&w->zlib, size == 0 ? Z_FINISH : Z_NO_FLUSH);
                if (z != Z_OK && z != Z_STREAM_END)
                        return -EIO;
                w->n_out = sizeof(w->out) - w->zlib.avail_out;
                if (w->n_out == sizeof(w->out) && (r = flush_out(w)) < 0)
                        return r;
        }
        return 0;
}

static int put_entry_header(PackWriter *w, unsigned type, uint64_t size) {
        uint8_t bytes[10];
        size_t n = 0;

        assert(w->left > 0);
        w->left--;
        bytes[0] = (uint8_t) (type << 4 | (size & 0xf));
        for (size >>= 4; size > 0; size >>= 7) {
                bytes[n++] |= 0x80;
                bytes[n] = size & 0x7f;
        }
        return put(w, bytes, n + 1);
}

int pack_writer_add(PackWriter *w, git_object_t type, const void *data, size_t size) {
        int r = put_entry_header(w, (unsigned) type, size);

        return r < 0 ? r : put_deflated(w, data, size);
}

int pack_writer_add_delta(PackWriter *w, const git_oid *base, const void *delta, size_t size) {
        int r;

        if ((r = put_entry_header(w, GIT_OBJECT_REF_DELTA, size)) < 0 ||
            (r = put(w, base->id, sizeof(base->id))) < 0)
                return r;
        return put_deflated(w, delta, size);
}

int pack_writer_finish(PackWriter *w) {
        uint8_t trailer[EVP_MAX_MD_SIZE];
        unsigned size;
        int r;

        assert(w->left == 0);
        r = flush_out(w);
        if (r < 0)
                return r;
        if (EVP_DigestFinal_ex(w->hash, trailer, &size) != 1)
                return -EIO;
        return w->sink(trailer, size, w->userdata);
}
