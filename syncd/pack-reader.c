/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/git-delta.h"
#include "syncd/git-object.h"
#include "syncd/pack-bases.h"
#include "syncd/pack-reader.h"

#define PACK_VERSION 2U
#define PACK_HEADER_SIZE 12U
#define PACK_TRAILER_SIZE 20U
/* An entry's type and size, or the place of its base, have at most so many bytes. */
#define VARINT_MAX 10U
/* Deflated data is longer than what it holds by five bytes in 16 KiB at most (zlib's deflateBound()); more
 * has no end. */
#define DEFLATED_MAX(size) ((size) + ((size) >> 10) + 1024)
#define COPY_BUFFER ((size_t) 64 << 10)

typedef struct PackReader {
        const PackSource *source;
        const PackConsumer *consumer;
        PackSummary summary;
        const uint8_t *in;
        size_t in_size;
        uint64_t offset; /* in the pack, of the next byte */
        EVP_MD_CTX *hash;
        z_stream zlib;
        bool zlib_ready;
        uint64_t total;
        PackBases bases;
} PackReader;

/* What an entry says of itself. */
typedef struct PackEntry {
        uint64_t offset;
        unsigned type;
        uint64_t size;
        git_oid base;
        bool base_known;
} PackEntry;

/* The objects of libgit2 and the pack have the same numbers (gitformat-pack(5), "object types"). */
static bool type_is_delta(unsigned type) {
        return type == GIT_OBJECT_OFS_DELTA || type == GIT_OBJECT_REF_DELTA;
}

/* Has at least one byte afterwards. The end is not expected here. */
static int fill(PackReader *r) {
        while (r->in_size == 0) {
                int k = r->source->read(&r->in, &r->in_size, r->source->userdata);

                if (k < 0)
                        return k;
                if (k == 0)
                        return -EBADMSG;
        }
        return 0;
}

static int consume(PackReader *r, size_t n) {
        if (EVP_DigestUpdate(r->hash, r->in, n) != 1)
                return -EIO;
        r->in += n;
        r->in_size -= n;
        r->offset += n;
        return 0;
}

static int take_bytes(PackReader *r, void *buf, size_t size) {
        for (uint8_t *p = buf; size > 0;) {
                size_t n;
                int k = fill(r);

                if (k < 0)
                        return k;
                n = MIN(size, r->in_size);
                memcpy(p, r->in, n);
                p += n;
                size -= n;
                k = consume(r, n);
                if (k < 0)
                        return k;
        }
        return 0;
}

static uint32_t get_be32(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static int read_header(PackReader *r, uint32_t *ret_count) {
        uint8_t header[PACK_HEADER_SIZE];
        int k = take_bytes(r, header, sizeof(header));

        if (k < 0)
                return k;
        if (memcmp(header, "PACK", 4) != 0 || get_be32(header + 4) != PACK_VERSION)
                return -EBADMSG;
        *ret_count = get_be32(header + 8);
        return 0;
}

/* The base's distance: each further byte also counts one more. */
static int read_distance(PackReader *r, uint64_t *ret) {
        uint64_t n = 0;

        for (unsigned i = 0; i < VARINT_MAX; i++) {
                uint8_t byte;
                int k = take_bytes(r, &byte, 1);

                if (k < 0)
                        return k;
                if (n >> 56)
                        return -EBADMSG;
                n = (i > 0 ? (n + 1) << 7 : 0) | (byte & 0x7f);
                if (!(byte & 0x80)) {
                        *ret = n;
                        return 0;
                }
        }
        return -EBADMSG;
}

static int read_base(PackReader *r, PackEntry *e) {
        uint64_t distance;
        int k;

        if (e->type == GIT_OBJECT_REF_DELTA) {
                e->base_known = true;
                return take_bytes(r, e->base.id, sizeof(e->base.id));
        }
        k = read_distance(r, &distance);
        if (k < 0)
                return k;
        if (distance == 0 || distance > e->offset)
                return -EBADMSG;
        k = pack_bases_at(&r->bases, e->offset - distance, &e->base);
        if (k == -EBADMSG)
                return k;
        e->base_known = k >= 0;
        return 0;
}

static int read_entry_header(PackReader *r, PackEntry *ret) {
        PackEntry e = { .offset = r->offset };
        uint8_t byte;
        int k;

        k = take_bytes(r, &byte, 1);
        if (k < 0)
                return k;
        e.type = byte >> 4 & 7;
        e.size = byte & 0xf;
        for (unsigned shift = 4; byte & 0x80; shift += 7) {
                if (shift > 53)
                        return -EBADMSG;
                k = take_bytes(r, &byte, 1);
                if (k < 0)
                        return k;
                e.size |= (uint64_t) (byte & 0x7f) << shift;
        }
        if (e.type == 0 || e.type == 5)
                return -EBADMSG;
        if (type_is_delta(e.type)) {
                k = read_base(r, &e);
                if (k < 0)
                        return k;
        }
        *ret = e;
        return 0;
}

/* Inflates the next entry, of exactly size bytes, in pieces of at most buf_size: sink is called for each
 * full buffer and for the rest. Without sink all is to fit. */
static int inflate_entry(
                PackReader *r,
                uint64_t size,
                uint8_t *buf,
                size_t buf_size,
                int (*sink)(const uint8_t *, size_t, void *),
                void *userdata) {
        uint64_t done = 0, taken = 0;
        size_t held = 0;
        int z = Z_OK, k;

        if (inflateReset(&r->zlib) != Z_OK)
                return -EIO;
        while (z != Z_STREAM_END) {
                uint8_t beyond;
                size_t room = (size_t) MIN(size - done, (uint64_t) (buf_size - held)), consumed;

                k = fill(r);
                if (k < 0)
                        return k;
                r->zlib.next_in = (Bytef *) (uintptr_t) r->in;
                r->zlib.avail_in = (uInt) MIN(r->in_size, (size_t) UINT32_MAX / 2);
                consumed = r->zlib.avail_in;
                /* With all there, a byte more would still come out: then the size was a lie. */
                r->zlib.next_out = room > 0 ? buf + held : &beyond;
                r->zlib.avail_out = room > 0 ? (uInt) MIN(room, (size_t) UINT32_MAX / 2) : 1;
                room = r->zlib.avail_out;
                z = inflate(&r->zlib, Z_NO_FLUSH);
                consumed -= r->zlib.avail_in;
                taken += consumed;
                k = consume(r, consumed);
                if (k < 0)
                        return k;
                room -= r->zlib.avail_out;
                if ((z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR) ||
                    (z == Z_BUF_ERROR && r->in_size > 0) || room > size - done || taken > DEFLATED_MAX(size))
                        return -EBADMSG;
                done += room;
                held += room;
                if (sink && held > 0 && (held == buf_size || z == Z_STREAM_END)) {
                        k = sink(buf, held, userdata);
                        if (k < 0)
                                return k;
                        held = 0;
                }
        }
        return done == size ? 0 : -EBADMSG;
}

static int write_sink(const uint8_t *data, size_t size, void *userdata) {
        int *fd = userdata;

        return *fd >= 0 ? loop_write(*fd, data, size) : 0;
}

/* A blob that goes to a file. libgit2 hashes a file in bounded memory, but only a whole one. */
static int read_large(PackReader *r, const PackEntry *e) {
        _cleanup_free_ uint8_t *buf = malloc(COPY_BUFFER);
        char path[sizeof("/proc/self/fd/") + 11];
        git_oid id;
        int fd = -1, k = 0;

        if (!buf)
                return -ENOMEM;
        if (r->consumer->large_begin)
                k = r->consumer->large_begin(e->size, &fd, r->consumer->userdata);
        if (k < 0)
                return k;
        k = inflate_entry(r, e->size, buf, COPY_BUFFER, write_sink, &fd);
        if (k < 0)
                return k;
        if (fd < 0) {
                r->summary.lost++;
                return 0;
        }
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (git_odb_hashfile(&id, path, GIT_OBJECT_BLOB) < 0)
                return -EIO;
        r->summary.objects++;
        return r->consumer->large_end(&id, e->size, r->consumer->userdata);
}

static size_t limit_of(const PackReader *r, git_object_t type) {
        return type == GIT_OBJECT_BLOB ? r->consumer->blob_max : r->consumer->other_max;
}

static int add_to_total(PackReader *r, uint64_t size) {
        if (size > r->consumer->total_max - r->total)
                return -E2BIG;
        r->total += size;
        return 0;
}

/* data is taken over. */
static int deliver(PackReader *r, const PackEntry *e, git_object_t type, uint8_t *data, size_t size) {
        git_oid id;
        int k;

        k = git_object_name(type, data, size, &id);
        /* No server that checks anything has it. */
        if (k == -EKEYREJECTED)
                k = -EBADMSG;
        if (k >= 0)
                k = pack_bases_name(&r->bases, e->offset, &id);
        if (k >= 0)
                k = r->consumer->object(type, &id, data, size, r->consumer->userdata);
        if (k < 0) {
                free(data);
                return k;
        }
        r->summary.objects++;
        return pack_bases_keep(&r->bases, &id, type, data, size);
}

static int apply_delta(
                PackReader *r,
                const PackEntry *e,
                git_object_t type,
                const void *base,
                size_t base_size,
                const uint8_t *delta) {
        _cleanup_free_ uint8_t *result = NULL;
        uint64_t told_base, size;
        size_t header;
        int k;

        k = git_delta_read_sizes(delta, (size_t) e->size, &told_base, &size, &header);
        if (k < 0)
                return k;
        if (size > limit_of(r, type)) {
                /* Only blobs may be larger, and are asked for again, to come whole. */
                if (type != GIT_OBJECT_BLOB)
                        return -E2BIG;
                r->summary.lost++;
                return 0;
        }
        k = add_to_total(r, size);
        if (k < 0)
                return k;
        result = malloc(size > 0 ? size : 1);
        if (!result)
                return -ENOMEM;
        k = git_delta_apply(base, base_size, delta, (size_t) e->size, result, size);
        if (k < 0)
                return k;
        return deliver(r, e, type, TAKE_PTR(result), size);
}

/* *ret_owned is what must be freed. */
static int find_base(
                PackReader *r,
                const PackEntry *e,
                git_object_t *ret_type,
                const void **ret,
                size_t *ret_size,
                void **ret_owned) {
        void *data;
        int k;

        *ret_owned = NULL;
        if (!e->base_known)
                return -ENOENT;
        if (pack_bases_find(&r->bases, &e->base, ret_type, ret, ret_size) >= 0)
                return 0;
        if (!r->consumer->find)
                return -ENOENT;
        k = r->consumer->find(&e->base, ret_type, &data, ret_size, r->consumer->userdata);
        if (k >= 0)
                *ret = *ret_owned = data;
        return k;
}

static int read_whole(PackReader *r, uint64_t size, uint8_t **ret) {
        _cleanup_free_ uint8_t *data = malloc(size > 0 ? size : 1);
        int k;

        if (!data)
                return -ENOMEM;
        k = inflate_entry(r, size, data, size, NULL, NULL);
        if (k >= 0)
                *ret = TAKE_PTR(data);
        return k;
}

static int read_delta(PackReader *r, const PackEntry *e) {
        _cleanup_free_ uint8_t *delta = NULL;
        _cleanup_free_ void *owned = NULL;
        const void *base;
        git_object_t type;
        size_t base_size;
        int k;

        if (e->size > MAX(r->consumer->other_max, r->consumer->blob_max))
                return -E2BIG;
        k = add_to_total(r, e->size);
        if (k >= 0)
                k = read_whole(r, e->size, &delta);
        if (k < 0)
                return k;
        k = find_base(r, e, &type, &base, &base_size, &owned);
        if (k == -ENOENT) {
                r->summary.lost++;
                return 0;
        }
        return k < 0 ? k : apply_delta(r, e, type, base, base_size, delta);
}

static int read_entry(PackReader *r) {
        uint8_t *data;
        PackEntry e;
        int k;

        k = read_entry_header(r, &e);
        if (k < 0)
                return k;
        k = pack_bases_begin(&r->bases, e.offset);
        if (k < 0)
                return k;
        if (type_is_delta(e.type))
                return read_delta(r, &e);
        k = add_to_total(r, e.size);
        if (k < 0)
                return k;
        if (e.size > limit_of(r, (git_object_t) e.type))
                return e.type == GIT_OBJECT_BLOB ? read_large(r, &e) : -E2BIG;
        k = read_whole(r, e.size, &data);
        return k < 0 ? k : deliver(r, &e, (git_object_t) e.type, data, (size_t) e.size);
}

static int check_trailer(PackReader *r) {
        uint8_t expected[EVP_MAX_MD_SIZE], trailer[PACK_TRAILER_SIZE];
        unsigned size;
        int k;

        if (EVP_DigestFinal_ex(r->hash, expected, &size) != 1 ||
            EVP_DigestInit_ex(r->hash, EVP_sha1(), NULL) != 1)
                return -EIO;
        assert(size == sizeof(trailer));
        k = take_bytes(r, trailer, sizeof(trailer));
        if (k < 0)
                return k;
        if (memcmp(trailer, expected, sizeof(trailer)) != 0)
                return -EBADMSG;
        while (r->in_size == 0) {
                k = r->source->read(&r->in, &r->in_size, r->source->userdata);
                if (k <= 0)
                        return k;
        }
        return -EBADMSG;
}

static int read_pack(PackReader *r) {
        uint32_t count;
        int k;

        r->hash = EVP_MD_CTX_new();
        if (!r->hash || EVP_DigestInit_ex(r->hash, EVP_sha1(), NULL) != 1 || inflateInit(&r->zlib) != Z_OK)
                return -ENOMEM;
        r->zlib_ready = true;
        k = read_header(r, &count);
        for (; k >= 0 && count > 0; count--)
                k = read_entry(r);
        return k < 0 ? k : check_trailer(r);
}

int pack_read(const PackSource *source, const PackConsumer *consumer, PackSummary *ret) {
        PackReader r = { .source = source, .consumer = consumer };
        int k = read_pack(&r);

        if (r.zlib_ready)
                (void) inflateEnd(&r.zlib);
        EVP_MD_CTX_free(r.hash);
        pack_bases_done(&r.bases);
        *ret = r.summary;
        return k;
}
