/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metadata of a directory's entries: reading. */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/str.h"
#include "common/format/git-name.h"
#include "syncd/git-tree-internal.h"

#define XATTR_PREFIX "user."
#define XATTR_PREFIX_OWN "user.ispstorage."
/* The field behind the size that SyncEntry.fuzzy is recorded as, with the space before it. */
#define FUZZY_FIELD " fuzzy"
/* XATTR_NAME_MAX of Linux. */
#define XATTR_NAME_LENGTH_MAX 255U

/* --- a record --- */

/* Decimal digits without a needless zero. The text ends with a NUL. */
static bool parse_decimal(const char **p, uint64_t max, uint64_t *ret) {
        uint64_t n = 0;

        if (**p < '0' || **p > '9' || ((*p)[0] == '0' && (*p)[1] >= '0' && (*p)[1] <= '9'))
                return false;
        for (; **p >= '0' && **p <= '9'; (*p)++) {
                unsigned digit = (unsigned) (**p - '0');

                if (n > (max - digit) / 10)
                        return false;
                n = n * 10 + digit;
        }
        *ret = n;
        return true;
}

static bool parse_time(const char **p, int64_t *ret) {
        bool negative = **p == '-';
        uint64_t n;

        *p += negative;
        if (!parse_decimal(p, negative ? (uint64_t) INT64_MAX + 1 : INT64_MAX, &n))
                return false;
        *ret = negative ? (int64_t) (0 - n) : (int64_t) n;
        return true;
}

static bool parse_mode(const char **p, uint16_t *ret) {
        unsigned mode = 0;

        if (**p < '0' || **p > '7')
                return false;
        for (; **p >= '0' && **p <= '7' && mode <= 0777; (*p)++)
                mode = mode << 3 | (unsigned) (**p - '0');
        *ret = (uint16_t) mode;
        return mode <= 0777;
}

/* at is where the record begins, and is moved behind it. */
static bool parse_record(const char **at, const char *end, MetaRecord *ret) {
        const char *nul = memchr(*at, '\0', (size_t) (end - *at)), *newline, *p;
        MetaRecord r = { .stored = *at };

        newline = nul ? memchr(nul, '\n', (size_t) (end - nul)) : NULL;
        if (!newline || nul == *at || (size_t) (newline + 1 - *at) > META_RECORD_MAX ||
            (size_t) (nul - *at) > GIT_NAME_STORED_MAX ||
            memchr(nul + 1, '\0', (size_t) (newline - nul - 1)))
                return false;
        p = nul + 1;
        if (!parse_time(&p, &r.mtime_ns) || *p++ != ' ' || !parse_mode(&p, &r.mode) || *p++ != ' ' ||
            !parse_decimal(&p, UINT64_MAX - 1, &r.size) || (*p != ' ' && *p != '\n'))
                return false;
        r.fuzzy = (size_t) (newline - p) >= strlen(FUZZY_FIELD) && startswith(p, FUZZY_FIELD) &&
                  (p[strlen(FUZZY_FIELD)] == ' ' || p[strlen(FUZZY_FIELD)] == '\n');
        r.extra = p;
        r.extra_length = (size_t) (newline - p);
        r.length = (size_t) (newline + 1 - *at);
        *at = newline + 1;
        *ret = r;
        return true;
}

int meta_blob_parse(char *data, size_t size, MetaBlob *ret) {
        MetaBlob b = { .data = data, .size = size };

        for (const char *p = data; p < data + size;) {
                if (ARRAY_GROW(b.records, b.n) < 0) {
                        meta_blob_done(&b);
                        return -ENOMEM;
                }
                if (!parse_record(&p, data + size, b.records + b.n) ||
                    (b.n > 0 && strcmp(b.records[b.n - 1].stored, b.records[b.n].stored) >= 0)) {
                        meta_blob_done(&b);
                        return -EBADMSG;
                }
                b.n++;
        }
        *ret = b;
        return 0;
}

void meta_blob_done(MetaBlob *b) {
        free(b->data);
        free(b->records);
        *b = (MetaBlob) {};
}

/* --- extended attributes --- */

/* "name=value": where the value begins, or NULL if it is no attribute that may be recorded. */
static const char *xattr_value(const char *field, size_t length) {
        const char *equals = memchr(field, '=', length);
        size_t name_length = equals ? (size_t) (equals - field) : 0, value_length;

        if (name_length <= strlen(XATTR_PREFIX) || name_length > XATTR_NAME_LENGTH_MAX ||
            memcmp(field, XATTR_PREFIX, strlen(XATTR_PREFIX)) != 0 ||
            (name_length >= strlen(XATTR_PREFIX_OWN) &&
             memcmp(field, XATTR_PREFIX_OWN, strlen(XATTR_PREFIX_OWN)) == 0))
                return NULL;
        for (const char *p = field; p < equals; p++)
                if ((unsigned char) *p <= ' ' || *p == 0x7f)
                        return NULL;
        value_length = length - name_length - 1;
        for (const char *p = equals + 1; p < field + length; p++)
                if (!strchr("0123456789abcdef", *p))
                        return NULL;
        return value_length % 2 == 0 ? equals + 1 : NULL;
}

/* Appends the attributes among the fields, each with a space before it, as long as w stays within limit
 * bytes. */
static void write_xattrs(SyncWriter *w, const char *fields, size_t size, size_t limit) {
        for (size_t at = 0; at < size;) {
                const char *space = memchr(fields + at, ' ', size - at);
                size_t length = space ? (size_t) (space - fields) - at : size - at;

                if (length > 0 && w->size + 1 + length <= limit && xattr_value(fields + at, length)) {
                        sync_write_bytes(w, " ", 1);
                        sync_write_bytes(w, fields + at, length);
                }
                at += length + 1;
        }
}

char *meta_record_new(const char *stored, const SyncEntry *e, const char *xattrs, size_t *ret_length) {
        bool directory = e->kind == SYNC_DIRECTORY;
        SyncWriter w = {};
        char numbers[80];
        int n;

        n = snprintf(numbers,
                     sizeof(numbers),
                     "%lld %o %llu%s",
                     directory ? 0LL : (long long) e->mtime_ns,
                     (unsigned) e->mode & 0777,
                     directory ? 0ULL : (unsigned long long) e->size,
                     e->fuzzy ? FUZZY_FIELD : "");
        sync_write_bytes(&w, stored, strlen(stored) + 1);
        sync_write_bytes(&w, numbers, (size_t) n);
        if (xattrs)
                write_xattrs(&w, xattrs, strlen(xattrs), META_RECORD_MAX - 1);
        sync_write_bytes(&w, "\n", 1);
        if (w.failed)
                w.data = mfree(w.data);
        *ret_length = w.size;
        return (char *) w.data;
}

int meta_record_xattrs(const MetaRecord *record, char **ret) {
        SyncWriter w = {};

        write_xattrs(&w, record->extra, record->extra_length, SIZE_MAX);
        if (w.size > 0)
                sync_write_bytes(&w, "", 1);
        if (w.failed) {
                free(w.data);
                return -ENOMEM;
        }
        /* Without the first space. */
        if (w.data)
                memmove(w.data, w.data + 1, w.size - 1);
        *ret = (char *) w.data;
        return 0;
}

/* --- of a directory --- */

size_t meta_bucket_of(const char *stored) {
        uint8_t digest[SHA_DIGEST_LENGTH];

        (void) SHA1((const unsigned char *) stored, strlen(stored), digest);
        return digest[0];
}

void meta_done(Meta *m) {
        for (size_t i = 0; i < m->n_buckets; i++)
                meta_blob_done(&m->buckets[i].blob);
        free(m->buckets);
        *m = (Meta) {};
}

/* The names of buckets: two lower-case hexadecimal digits. */
static int parse_bucket_name(const RawEntry *e) {
        int n = 0;

        if (e->mode != GIT_FILEMODE_BLOB || e->length != 2)
                return -EBADMSG;
        for (size_t i = 0; i < 2; i++) {
                char c = e->name[i];

                if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
                        return -EBADMSG;
                n = n << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
        }
        return n;
}

static int open_buckets(GitStore *store, Meta *m) {
        _cleanup_free_ char *data = NULL;
        RawTree tree = {};
        RawEntry e;
        int r;

        r = git_store_read_typed(store, &m->id, GIT_OBJECT_TREE, &data, &tree.size);
        if (r < 0)
                return r;
        tree.data = data;
        while ((r = raw_tree_next(&tree, &e)) > 0) {
                r = parse_bucket_name(&e);
                if (r < 0)
                        break;
                m->buckets[r].id = *e.id;
        }
        if (r != -EBADMSG)
                return r;
        memset(m->buckets, 0, m->n_buckets * sizeof(*m->buckets));
        m->malformed = true;
        return 0;
}

int meta_open(GitStore *store, const TreeItem *item, Meta *ret) {
        Meta m = { .exists = true, .bucketed = git_mode_is_tree(item->raw.mode), .id = *item->raw.id };
        int r = 0;

        m.n_buckets = m.bucketed ? META_BUCKETS : 1;
        m.buckets = calloc(m.n_buckets, sizeof(*m.buckets));
        if (!m.buckets)
                return -ENOMEM;
        if (m.bucketed)
                r = open_buckets(store, &m);
        else
                m.buckets[0].id = m.id;
        if (r < 0) {
                meta_done(&m);
                return r;
        }
        *ret = m;
        return 0;
}

int meta_load_bucket(GitStore *store, Meta *m, size_t bucket) {
        MetaBucket *b = m->buckets + bucket;
        size_t size;
        char *data;
        int r;

        if (b->loaded || git_oid_is_zero(&b->id))
                return 0;
        r = git_store_read_typed(store, &b->id, GIT_OBJECT_BLOB, &data, &size);
        if (r < 0)
                return r;
        r = meta_blob_parse(data, size, &b->blob);
        if (r < 0 && r != -EBADMSG)
                return r;
        m->malformed |= r == -EBADMSG;
        b->loaded = true;
        return 0;
}

void meta_keep_few(Meta *m) {
        size_t size = 0;

        for (size_t i = 0; i < m->n_buckets; i++)
                size += m->buckets[i].blob.size + m->buckets[i].blob.n * sizeof(MetaRecord);
        for (size_t i = 0; i < m->n_buckets && size > META_KEPT_MAX; i++) {
                meta_blob_done(&m->buckets[i].blob);
                m->buckets[i].loaded = false;
        }
}

static int compare_stored(const void *key, const void *record) {
        return strcmp(key, ((const MetaRecord *) record)->stored);
}

int meta_find(GitStore *store, Meta *m, const char *stored, const MetaRecord **ret) {
        size_t bucket;
        int r;

        *ret = NULL;
        if (!m->exists)
                return 0;
        bucket = m->bucketed ? meta_bucket_of(stored) : 0;
        r = meta_load_bucket(store, m, bucket);
        if (r < 0)
                return r;
        if (m->buckets[bucket].blob.n > 0)
                *ret = bsearch(stored,
                               m->buckets[bucket].blob.records,
                               m->buckets[bucket].blob.n,
                               sizeof(MetaRecord),
                               compare_stored);
        return 0;
}
