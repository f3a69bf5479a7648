/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <endian.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "syncd/object-log-internal.h"

/* Level 1: on trees, all others gain a hundredth and take twice the time. */
#define DEFLATE_LEVEL 1
/* What stands before the id of an entry: a mode, a name, a NUL. Anything longer than this is no tree of
 * ours. */
#define OIDS_MIN_TREE_SIZE 64U

static uint32_t get_u32(const uint8_t *data) {
        uint32_t n;

        memcpy(&n, data, sizeof(n));
        return le32toh(n);
}

static void put_u32(uint8_t *data, uint32_t n) {
        n = htole32(n);
        memcpy(data, &n, sizeof(n));
}

static uint32_t checksum(const uint8_t *header, const uint8_t *payload, size_t size) {
        uLong crc = crc32(0, header + 4, RECORD_HEADER_SIZE - 4);

        return (uint32_t) (size > 0 ? crc32(crc, payload, (uInt) size) : crc);
}

int record_parse(const uint8_t data[static RECORD_HEADER_SIZE], Record *ret) {
        Record r = {
                .crc = get_u32(data),
                .payload_size = get_u32(data + 4),
                .content_size = get_u32(data + 8),
                .type = data[12],
                .encoding = data[13],
                .version = data[14],
        };

        memcpy(r.oid.bytes, data + 16, SYNC_OID_SIZE);
        /* An encoding never takes more than the content, and what is stored stands for itself. */
        if (r.content_size > OBJECT_LOG_OBJECT_MAX || r.payload_size > r.content_size + DELTA_HEADER_SIZE ||
            r.encoding >= _ENCODING_MAX || data[15] != 0 || record_is_delta(&r) != (r.version > 0) ||
            (r.encoding == ENCODING_STORED && r.payload_size != r.content_size) ||
            (record_is_delta(&r) && r.payload_size < DELTA_HEADER_SIZE))
                return -EBADMSG;
        if (record_is_object(&r) ? r.type < OBJECT_COMMIT || r.type > OBJECT_BLOB : r.encoding != ENCODING_STORED)
                return -EBADMSG;
        *ret = r;
        return 0;
}

bool record_is_intact(
                const Record *r, const uint8_t data[static RECORD_HEADER_SIZE], const uint8_t *payload) {
        return r->crc == checksum(data, payload, r->payload_size);
}

int record_append(SyncWriter *to, const Record *r, const void *payload) {
        uint8_t header[RECORD_HEADER_SIZE] = {};
        size_t before = to->size;

        put_u32(header + 4, r->payload_size);
        put_u32(header + 8, r->content_size);
        header[12] = r->type;
        header[13] = r->encoding;
        header[14] = r->version;
        memcpy(header + 16, r->oid.bytes, SYNC_OID_SIZE);
        put_u32(header, checksum(header, payload, r->payload_size));
        sync_write_bytes(to, header, sizeof(header));
        sync_write_bytes(to, payload, r->payload_size);
        if (to->failed) {
                to->size = before;
                to->failed = false;
                return -ENOMEM;
        }
        return 0;
}

void record_codec_done(RecordCodec *c) {
        if (c->deflate_ready)
                (void) deflateEnd(&c->deflate);
        if (c->inflate_ready)
                (void) inflateEnd(&c->inflate);
        *c = (RecordCodec) {};
}

/* *ret_size is 0 if it does not become smaller. */
static int deflate_bytes(RecordCodec *c, const uint8_t *data, size_t size, uint8_t *to, size_t *ret_size) {
        z_stream *z = &c->deflate;

        *ret_size = 0;
        if (size == 0)
                return 0;
        if (!c->deflate_ready) {
                if (deflateInit2(z, DEFLATE_LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
                        return -ENOMEM;
                c->deflate_ready = true;
        } else
                (void) deflateReset(z);
        z->next_in = (Bytef *) data;
        z->avail_in = (uInt) size;
        z->next_out = to;
        z->avail_out = (uInt) size - 1;
        if (deflate(z, Z_FINISH) == Z_STREAM_END)
                *ret_size = z->total_out;
        return 0;
}

static int inflate_bytes(RecordCodec *c, const uint8_t *data, size_t size, uint8_t *to, size_t to_size) {
        z_stream *z = &c->inflate;

        if (!c->inflate_ready) {
                if (inflateInit2(z, -MAX_WBITS) != Z_OK)
                        return -ENOMEM;
                c->inflate_ready = true;
        } else
                (void) inflateReset(z);
        z->next_in = (Bytef *) data;
        z->avail_in = (uInt) size;
        z->next_out = to;
        z->avail_out = (uInt) to_size;
        return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_out == 0 && z->avail_in == 0 ? 0 : -EBADMSG;
}

/* Puts the text of a tree to text and the ids behind each other to oids. False if it is none. */
static bool split_tree(
                const uint8_t *data,
                size_t size,
                uint8_t *text,
                size_t *ret_text,
                uint8_t *oids,
                size_t *ret_oids) {
        size_t n_text = 0, n_oids = 0;

        for (size_t i = 0; i < size;) {
                const uint8_t *end = memchr(data + i, '\0', size - i);
                size_t length = end ? (size_t) (end + 1 - (data + i)) : 0;

                if (!end || size - i - length < SYNC_OID_SIZE)
                        return false;
                memcpy(text + n_text, data + i, length);
                memcpy(oids + n_oids, end + 1, SYNC_OID_SIZE);
                n_text += length;
                n_oids += SYNC_OID_SIZE;
                i += length + SYNC_OID_SIZE;
        }
        *ret_text = n_text;
        *ret_oids = n_oids;
        return true;
}

/* Fills the payload, of at least the size of the data. Sets encoding and payload_size. */
static int encode_tree(RecordCodec *c, const uint8_t *data, size_t size, uint8_t *payload, Record *r) {
        _cleanup_free_ uint8_t *text = malloc(size), *oids = malloc(size);
        size_t n_text, n_oids, deflated;
        int k;

        if (!text || !oids)
                return -ENOMEM;
        if (!split_tree(data, size, text, &n_text, oids, &n_oids))
                return 0;
        k = deflate_bytes(c, text, n_text, payload + 8, &deflated);
        if (k < 0 || deflated == 0 || deflated + 8 >= n_text)
                return k;
        put_u32(payload, (uint32_t) n_text);
        put_u32(payload + 4, (uint32_t) deflated);
        memcpy(payload + 8 + deflated, oids, n_oids);
        r->encoding = ENCODING_TREE;
        r->payload_size = (uint32_t) (8 + deflated + n_oids);
        return 0;
}

static int decode_tree(RecordCodec *c, const Record *r, const uint8_t *payload, uint8_t *to) {
        size_t n_text = r->payload_size >= 8 ? get_u32(payload) : 0,
               deflated = n_text ? get_u32(payload + 4) : 0;
        _cleanup_free_ uint8_t *text = NULL;
        const uint8_t *oids, *end;
        size_t at = 0;
        int k;

        if (n_text == 0 || n_text > r->content_size || deflated > r->payload_size - 8 ||
            n_text + (r->payload_size - 8 - deflated) != r->content_size)
                return -EBADMSG;
        text = malloc(n_text);
        if (!text)
                return -ENOMEM;
        k = inflate_bytes(c, payload + 8, deflated, text, n_text);
        if (k < 0)
                return k;
        oids = payload + 8 + deflated;
        for (; n_text - at > 0; oids += SYNC_OID_SIZE) {
                size_t length;

                end = memchr(text + at, '\0', n_text - at);
                if (!end || (size_t) (payload + r->payload_size - oids) < SYNC_OID_SIZE)
                        return -EBADMSG;
                length = (size_t) (end + 1 - (text + at));
                to = mempcpy(to, text + at, length);
                to = mempcpy(to, oids, SYNC_OID_SIZE);
                at += length;
        }
        return oids == payload + r->payload_size ? 0 : -EBADMSG;
}

static int encode_delta(
                RecordCodec *c,
                const uint8_t *data,
                size_t size,
                const RecordBase *base,
                uint8_t *payload,
                Record *r) {

        _cleanup_free_ uint8_t *ops_data = NULL, *literals_data = NULL;
        SyncWriter ops = {}, literals = {};
        size_t deflated, at = DELTA_HEADER_SIZE;
        int k;

        k = delta_encode(base, data, size, &ops, &literals);
        ops_data = ops.data;
        literals_data = literals.data;
        /* Otherwise it can be a great deal worse than the whole. */
        if (k < 0 || ops.size + literals.size + DELTA_HEADER_SIZE > size / 2)
                return k;
        memcpy(payload, base->oid.bytes, SYNC_OID_SIZE);
        put_u32(payload + SYNC_OID_SIZE, (uint32_t) literals.size);
        put_u32(payload + SYNC_OID_SIZE + 4, (uint32_t) ops.size);
        memcpy(payload + at, ops.data, ops.size);
        at += ops.size;
        k = deflate_bytes(c, literals.data, literals.size, payload + at, &deflated);
        if (k < 0)
                return k;
        if (deflated == 0 && literals.size > 0)
                memcpy(payload + at, literals.data, literals.size);
        r->encoding = deflated > 0 ? ENCODING_DELTA_DEFLATED : ENCODING_DELTA;
        r->payload_size = (uint32_t) (at + (deflated ?: literals.size));
        r->version = (uint8_t) base->version;
        return 0;
}

void record_delta_base(const uint8_t *payload, SyncOid *ret) {
        memcpy(ret->bytes, payload, SYNC_OID_SIZE);
}

static int decode_delta(
                RecordCodec *c,
                const Record *r,
                const uint8_t *payload,
                const uint8_t *base,
                size_t base_size,
                uint8_t *to) {

        size_t n_literals = get_u32(payload + SYNC_OID_SIZE), n_ops = get_u32(payload + SYNC_OID_SIZE + 4);
        const uint8_t *ops = payload + DELTA_HEADER_SIZE, *literals;
        size_t size = r->payload_size - DELTA_HEADER_SIZE;
        _cleanup_free_ uint8_t *inflated = NULL;
        int k;

        if (n_ops > size || n_literals > r->content_size)
                return -EBADMSG;
        literals = ops + n_ops;
        size -= n_ops;
        if (r->encoding == ENCODING_DELTA_DEFLATED) {
                inflated = malloc(n_literals + 1);
                if (!inflated)
                        return -ENOMEM;
                k = inflate_bytes(c, literals, size, inflated, n_literals);
                if (k < 0)
                        return k;
                literals = inflated;
        } else if (size != n_literals)
                return -EBADMSG;
        return delta_decode(base, base_size, ops, n_ops, literals, n_literals, to, r->content_size);
}

int record_append_object(
                RecordCodec *c,
                SyncWriter *to,
                const SyncOid *oid,
                ObjectType type,
                const uint8_t *data,
                size_t size,
                const RecordBase *base) {

        Record r = { .type = (uint8_t) type,
                     .content_size = (uint32_t) size,
                     .payload_size = (uint32_t) size,
                     .oid = *oid };
        _cleanup_free_ uint8_t *payload = malloc(size + DELTA_HEADER_SIZE);
        size_t deflated;
        int k = 0;

        if (!payload)
                return -ENOMEM;
        if (base)
                k = encode_delta(c, data, size, base, payload, &r);
        if (k >= 0 && r.encoding == ENCODING_STORED && type == OBJECT_TREE && size >= OIDS_MIN_TREE_SIZE)
                k = encode_tree(c, data, size, payload, &r);
        if (k < 0)
                return k;
        if (r.encoding == ENCODING_STORED) {
                k = deflate_bytes(c, data, size, payload, &deflated);
                if (k < 0)
                        return k;
                if (deflated > 0) {
                        r.encoding = ENCODING_DEFLATED;
                        r.payload_size = (uint32_t) deflated;
                }
        }
        return record_append(to, &r, r.encoding == ENCODING_STORED ? data : payload);
}

int record_decode(
                RecordCodec *c,
                const Record *r,
                const uint8_t *payload,
                const uint8_t *base,
                size_t base_size,
                uint8_t **ret) {

        _cleanup_free_ uint8_t *data = malloc((size_t) r->content_size + 1);
        int k = 0;

        if (!data)
                return -ENOMEM;
        data[r->content_size] = 0;
        switch ((RecordEncoding) r->encoding) {
        case ENCODING_STORED:
                memcpy(data, payload, r->content_size);
                break;
        case ENCODING_DEFLATED:
                k = inflate_bytes(c, payload, r->payload_size, data, r->content_size);
                break;
        case ENCODING_TREE:
                k = decode_tree(c, r, payload, data);
                break;
        case ENCODING_DELTA:
        case ENCODING_DELTA_DEFLATED:
                k = decode_delta(c, r, payload, base, base_size, data);
                break;
        case _ENCODING_MAX:
        default:
                k = -EBADMSG;
        }
        if (k < 0)
                return k;
        *ret = TAKE_PTR(data);
        return 0;
}
