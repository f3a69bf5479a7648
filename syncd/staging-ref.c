/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/staging-ref.h"

/* OpenSSH's longest public keys, RSA with 16384 bits, have half of that. */
#define KEY_BLOB_MAX 4096U

int staging_gateway_name(const char *public_key, char ret[static STAGING_GATEWAY_DIGITS + 1]) {
        uint8_t blob[KEY_BLOB_MAX], hash[EVP_MAX_MD_SIZE];
        const char *begin = strchr(public_key, ' ');
        size_t n, padding = 0;
        int size;

        if (!begin)
                return -EINVAL;
        begin++;
        n = strcspn(begin, " \n");
        if (n == 0 || n % 4 != 0 || n / 4 * 3 > sizeof(blob))
                return -EINVAL;
        while (padding < 2 && begin[n - 1 - padding] == '=')
                padding++;
        size = EVP_DecodeBlock(blob, (const unsigned char *) begin, (int) n);
        if (size < (int) padding)
                return -EINVAL;
        if (EVP_Digest(blob, (size_t) size - padding, hash, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        for (size_t i = 0; i < STAGING_GATEWAY_DIGITS / 2; i++)
                (void) snprintf(ret + 2 * i, 3, "%02x", hash[i]);
        return 0;
}

void staging_reference_name(const char *gateway, const git_oid *tree, char ret[static STAGING_NAME_MAX]) {
        char hex[GIT_OID_HEXSZ + 1];

        (void) snprintf(ret,
                        STAGING_NAME_MAX,
                        STAGING_PREFIX "%s/%s",
                        gateway,
                        git_oid_tostr(hex, sizeof(hex), tree));
}

static void entry_name(const StagingEntry *e, char ret[static STAGING_ENTRY_MAX]) {
        char hex[GIT_OID_HEXSZ + 1];
        git_oid id;

        memcpy(id.id, e->file.bytes, sizeof(id.id));
        (void) snprintf(ret,
                        STAGING_ENTRY_MAX,
                        "%s.%llu.%llu",
                        git_oid_tostr(hex, sizeof(hex), &id),
                        (unsigned long long) e->size,
                        (unsigned long long) e->offset);
}

static int compare_entries(const void *a, const void *b) {
        char name_a[STAGING_ENTRY_MAX], name_b[STAGING_ENTRY_MAX];
        const StagingEntry *x = a, *y = b;

        entry_name(x, name_a);
        entry_name(y, name_b);
        return git_tree_entry_compare(
                        &(GitTreeEntry){ .name = name_a,
                                         .name_size = strlen(name_a),
                                         .mode = x->group ? GIT_MODE_DIRECTORY : 0 },
                        &(GitTreeEntry){ .name = name_b,
                                         .name_size = strlen(name_b),
                                         .mode = y->group ? GIT_MODE_DIRECTORY : 0 });
}

int staging_tree_write(StagingEntry *entries, size_t n, uint8_t **ret, size_t *ret_size) {
        uint8_t *data = malloc(n * (sizeof("100644 ") + STAGING_ENTRY_MAX + GIT_OID_RAWSZ) + 1);
        size_t size = 0;

        if (!data)
                return -ENOMEM;
        qsort(entries, n, sizeof(*entries), compare_entries);
        for (size_t i = 0; i < n; i++) {
                char name[STAGING_ENTRY_MAX];

                entry_name(entries + i, name);
                size += (size_t) sprintf(
                                        (char *) data + size,
                                        "%s %s",
                                        entries[i].group ? "40000" : "100644",
                                        name) +
                        1;
                memcpy(data + size, entries[i].id.id, GIT_OID_RAWSZ);
                size += GIT_OID_RAWSZ;
        }
        *ret = data;
        *ret_size = size;
        return 0;
}

int staging_entry_parse(const GitTreeEntry *e, StagingEntry *ret) {
        StagingEntry s = { .group = git_tree_entry_is_directory(e), .id = e->id };
        char name[STAGING_ENTRY_MAX], *size, *offset;
        git_oid file;

        if (e->name_size >= sizeof(name) || e->name_size < GIT_OID_HEXSZ + 4 ||
            (!s.group && e->mode != GIT_MODE_FILE))
                return -EBADMSG;
        memcpy(name, e->name, e->name_size);
        name[e->name_size] = 0;
        size = name + GIT_OID_HEXSZ;
        if (*size != '.' || git_oid_fromstrn(&file, name, GIT_OID_HEXSZ) < 0)
                return -EBADMSG;
        size++;
        offset = strchr(size, '.');
        if (!offset)
                return -EBADMSG;
        *offset++ = 0;
        if (parse_uint64(size, &s.size) < 0 || parse_uint64(offset, &s.offset) < 0)
                return -EBADMSG;
        memcpy(s.file.bytes, file.id, sizeof(s.file.bytes));
        if (!s.group && (s.offset != 0 || !git_oid_equal(&file, &s.id)))
                return -EBADMSG;
        if (s.group && s.offset >= s.size)
                return -EBADMSG;
        *ret = s;
        return 0;
}
