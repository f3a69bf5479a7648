/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pack, whose checksum is made right here. The first byte says in what pieces it arrives. */
#include <git2.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "syncd/git-object.h"
#include "syncd/pack-reader.h"
#include "tests/fuzz/fuzz.h"

#define BLOB_MAX 4096U
#define OTHER_MAX 65536U
#define TOTAL_MAX (1U << 20)

typedef struct Input {
        const uint8_t *data;
        size_t size;
        size_t step;
        uint64_t total;
        int fd;
} Input;

static int take_input(const uint8_t **ret_data, size_t *ret_size, void *userdata) {
        Input *in = userdata;
        size_t n = MIN(in->step, in->size);

        if (n == 0)
                return 0;
        *ret_data = in->data;
        *ret_size = n;
        in->data += n;
        in->size -= n;
        return 1;
}

static int take_object(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata) {
        Input *in = userdata;
        git_oid expected;

        in->total += size;
        if (size > (type == GIT_OBJECT_BLOB ? BLOB_MAX : OTHER_MAX) || in->total > TOTAL_MAX ||
            git_object_name(type, data, size, &expected) < 0 || !git_oid_equal(id, &expected))
                abort();
        return 0;
}

/* Any base that ends with an even byte is there. */
static int find_base(
                const git_oid *id,
                git_object_t *ret_type,
                void **ret_data,
                size_t *ret_size,
                void *userdata) {
        if (id->id[GIT_OID_RAWSZ - 1] & 1)
                return -ENOENT;
        *ret_type = GIT_OBJECT_TREE;
        *ret_size = id->id[0];
        *ret_data = calloc(1, *ret_size + 1);
        return *ret_data ? 0 : -ENOMEM;
}

static int large_begin(uint64_t size, int *ret_fd, void *userdata) {
        Input *in = userdata;

        if (size <= BLOB_MAX || ftruncate(in->fd, 0) < 0 || lseek(in->fd, 0, SEEK_SET) < 0)
                abort();
        *ret_fd = size & 1 ? in->fd : -1;
        return 0;
}

static int large_end(const git_oid *id, uint64_t size, void *userdata) {
        Input *in = userdata;

        if (lseek(in->fd, 0, SEEK_END) != (off_t) size)
                abort();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = memfd_create("large", MFD_CLOEXEC);
        _cleanup_free_ uint8_t *pack = malloc(size + EVP_MAX_MD_SIZE);
        Input in = { .data = pack, .fd = fd };
        PackSource source = { .read = take_input, .userdata = &in };
        PackConsumer consumer = {
                .object = take_object,
                .find = find_base,
                .large_begin = large_begin,
                .large_end = large_end,
                .userdata = &in,
                .blob_max = BLOB_MAX,
                .other_max = OTHER_MAX,
                .total_max = TOTAL_MAX,
        };
        PackSummary summary;
        unsigned n;

        if (size == 0)
                return 0;
        if (!pack || fd < 0 || git_libgit2_init() < 0)
                abort();
        in.step = 1U + data[0];
        memcpy(pack, data + 1, size - 1);
        if (EVP_Digest(pack, size - 1, pack + size - 1, &n, EVP_sha1(), NULL) != 1)
                abort();
        in.size = size - 1 + n;
        (void) pack_read(&source, &consumer, &summary);
        return 0;
}
