/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content of files in the store. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/git-store-internal.h"

#define READ_SIZE (128U * 1024U)

static void md_ctx_freep(EVP_MD_CTX **c) {
        EVP_MD_CTX_free(*c);
}

/* Starts the digest of a blob: "blob <size>" and a NUL stand before the content. */
static int digest_new(EVP_MD_CTX **ret, uint64_t size) {
        _cleanup_(md_ctx_freep) EVP_MD_CTX *c = EVP_MD_CTX_new();
        char header[32];
        int n;

        if (!c)
                return -ENOMEM;
        n = snprintf(header, sizeof(header), "blob %llu", (unsigned long long) size);
        if (EVP_DigestInit_ex(c, EVP_sha1(), NULL) != 1 || EVP_DigestUpdate(c, header, (size_t) n + 1) != 1)
                return -EIO;
        *ret = TAKE_PTR(c);
        return 0;
}

static int digest_file(int fd, uint64_t size, SyncOid *ret) {
        _cleanup_(md_ctx_freep) EVP_MD_CTX *c = NULL;
        _cleanup_free_ uint8_t *buf = malloc(READ_SIZE);
        int r;

        if (!buf)
                return -ENOMEM;
        r = digest_new(&c, size);
        if (r < 0)
                return r;
        for (uint64_t done = 0; done < size;) {
                ssize_t n = pread(fd, buf, MIN((uint64_t) READ_SIZE, size - done), (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EAGAIN;
                if (EVP_DigestUpdate(c, buf, (size_t) n) != 1)
                        return -EIO;
                done += (uint64_t) n;
        }
        return EVP_DigestFinal_ex(c, ret->bytes, NULL) == 1 ? 0 : -EIO;
}

static int store_file(GitStore *store, int fd, uint64_t size, SyncOid *ret) {
        _cleanup_free_ uint8_t *data = NULL;
        git_oid id;
        int r;

        if (size > GIT_STORE_OBJECT_MAX)
                return -EFBIG;
        data = malloc(size + 1);
        if (!data)
                return -ENOMEM;
        for (uint64_t done = 0; done < size;) {
                ssize_t n = pread(fd, data + done, size - done, (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EAGAIN;
                done += (uint64_t) n;
        }
        r = git_store_write(store, GIT_OBJECT_BLOB, data, size, &id);
        if (r < 0)
                return r;
        git_store_oid_to_sync(ret, &id);
        return 0;
}

int git_store_hash_file(int fd, bool store, SyncOid *ret, void *userdata) {
        GitStore *s = userdata;
        struct stat st;
        SyncOid oid;
        git_oid id;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = digest_file(fd, (uint64_t) st.st_size, &oid);
        if (r < 0)
                return r;
        git_store_oid_from_sync(&id, &oid);
        /* If it changed since, what is stored is again one reading, with its own name. */
        if (store && !git_store_has(s, &id)) {
                r = store_file(s, fd, (uint64_t) st.st_size, &oid);
                if (r < 0)
                        return r;
        }
        *ret = oid;
        return 0;
}

int git_store_hash_bytes(const void *data, size_t size, bool store, SyncOid *ret, void *userdata) {
        git_oid id;
        int r;

        if (!store)
                return git_hash_bytes(GIT_OBJECT_BLOB, data, size, ret);
        r = git_store_write(userdata, GIT_OBJECT_BLOB, data, size, &id);
        if (r < 0)
                return r;
        git_store_oid_to_sync(ret, &id);
        return 0;
}

int git_store_read_blob(GitStore *store, const SyncOid *oid, int fd) {
        _cleanup_free_ char *data = NULL;
        git_oid id;
        size_t size;
        int r;

        git_store_oid_from_sync(&id, oid);
        r = git_store_read_typed(store, &id, GIT_OBJECT_BLOB, &data, &size);
        return r < 0 ? r : loop_write(fd, data, size);
}
