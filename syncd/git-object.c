/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <git2.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "syncd/git-object.h"

/* Modes have up to six octal digits. */
#define MODE_DIGITS_MAX 6U

void git_tree_reader_init(GitTreeReader *reader, const void *data, size_t size) {
        *reader = (GitTreeReader){ .data = data, .size = size };
}

int git_tree_next(GitTreeReader *reader, GitTreeEntry *ret) {
        const uint8_t *p = reader->data, *end = p + reader->size, *nul;
        GitTreeEntry e = {};

        if (reader->size == 0)
                return 0;
        for (; p < end && *p >= '0' && *p <= '7'; p++) {
                if (p - reader->data >= (ptrdiff_t) MODE_DIGITS_MAX)
                        return -EBADMSG;
                e.mode = e.mode * 8 + (unsigned) (*p - '0');
        }
        if (p == reader->data || p == end || *p != ' ')
                return -EBADMSG;
        p++;
        nul = memchr(p, 0, (size_t) (end - p));
        if (!nul || nul == p || end - nul < 1 + GIT_OID_RAWSZ || memchr(p, '/', (size_t) (nul - p)))
                return -EBADMSG;
        e.name = (const char *) p;
        e.name_size = (size_t) (nul - p);
        memcpy(e.id.id, nul + 1, GIT_OID_RAWSZ);
        reader->data = nul + 1 + GIT_OID_RAWSZ;
        reader->size = (size_t) (end - reader->data);
        *ret = e;
        return 1;
}

int git_tree_entry_compare(const GitTreeEntry *a, const GitTreeEntry *b) {
        size_t n = MIN(a->name_size, b->name_size);
        int c = memcmp(a->name, b->name, n);
        unsigned char ca, cb;

        if (c != 0)
                return c;
        ca = a->name_size > n ? (unsigned char) a->name[n] : git_tree_entry_is_directory(a) ? '/' : 0;
        cb = b->name_size > n ? (unsigned char) b->name[n] : git_tree_entry_is_directory(b) ? '/' : 0;
        return (int) ca - (int) cb;
}

bool git_commit_read_original(const char *data, size_t size, git_oid *ret) {
        static const char begin[] = "\n" GIT_COMMIT_ORIGINAL;
        const size_t n = sizeof(begin) - 1, all = n + GIT_OID_HEXSZ + 1;
        const char *trailer;
        git_oid id;

        if (size < all)
                return false;
        /* The last line, and not among the headers. */
        trailer = data + (size - all);
        if (memcmp(trailer, begin, n) != 0 || data[size - 1] != '\n' || !memmem(data, size - all + 1, "\n\n", 2) ||
            git_oid_fromstrn(&id, trailer + n, GIT_OID_HEXSZ) < 0)
                return false;
        *ret = id;
        return true;
}

int git_object_name(git_object_t type, const void *data, size_t size, git_oid *ret) {
        const git_error *e;

        if (git_odb_hash(ret, data, size, type) >= 0)
                return 0;
        e = git_error_last();
        return e && e->klass == GIT_ERROR_NOMEMORY ? -ENOMEM : -EKEYREJECTED;
}

int git_blob_name_fast(const void *data, size_t size, git_oid *ret) {
        EVP_MD_CTX *hash = EVP_MD_CTX_new();
        uint8_t digest[EVP_MAX_MD_SIZE];
        char header[32];
        bool done;
        int n;

        /* With the NUL. */
        n = snprintf(header, sizeof(header), "blob %zu", size) + 1;
        done = hash && EVP_DigestInit_ex(hash, EVP_sha1(), NULL) == 1 &&
               EVP_DigestUpdate(hash, header, (size_t) n) == 1 && EVP_DigestUpdate(hash, data, size) == 1 &&
               EVP_DigestFinal_ex(hash, digest, NULL) == 1;
        EVP_MD_CTX_free(hash);
        if (!done)
                return -ENOMEM;
        memcpy(ret->id, digest, GIT_OID_RAWSZ);
        return 0;
}

int git_blob_has_name(const void *data, size_t size, const git_oid *id) {
        git_oid name;
        int r = git_blob_name_fast(data, size, &name);

        return r < 0 ? r : git_oid_equal(&name, id);
}
