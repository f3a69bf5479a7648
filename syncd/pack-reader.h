/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes a pack apart while it arrives (gitformat-pack(5)): stored and deflated entries, deltas against
 * objects before them in the pack (OFS_DELTA, REF_DELTA) or elsewhere (thin packs). Memory is bounded
 * whatever arrives. Every object is named by the hash of what it is, so that nothing can pass under
 * another's name. */
#pragma once

#include <git2/oid.h>
#include <git2/types.h>

#include "common/base/macro.h"

/* A delta that refers to an earlier entry by its place is understood among so many entries; git sends such
 * deltas only to those who ask for them. */
#define PACK_OFFSETS_MAX 16384U
/* Objects that a later delta may refer to are kept for as long as they fit into this. */
#define PACK_BASES_MAX ((size_t) 4 << 20)

typedef struct PackSource {
        /* The next bytes; *ret_data stays valid until the next call. 1; 0 at the end; a negative errno. */
        int (*read)(const uint8_t **ret_data, size_t *ret_size, void *userdata);
        void *userdata;
} PackSource;

typedef struct PackConsumer {
        /* Takes an object; data is the reader's. A negative errno ends the reading. */
        int (*object)(git_object_t type, const git_oid *id, const void *data, size_t size, void *userdata);
        /* Finds the base of a delta that is not in the pack, or not kept any more. *ret_data is the
         * reader's. 0, -ENOENT, or another negative errno, which ends the reading. NULL: there are none. */
        int (*find)(const git_oid *id,
                    git_object_t *ret_type,
                    void **ret_data,
                    size_t *ret_size,
                    void *userdata);
        /* A blob above blob_max follows. *ret_fd, which stays the consumer's, is an empty regular file for
         * it, open for reading and writing, or -1 to pass over the blob. large_end() tells its name. NULL:
         * such blobs are passed over. */
        int (*large_begin)(uint64_t size, int *ret_fd, void *userdata);
        int (*large_end)(const git_oid *id, uint64_t size, void *userdata);
        void *userdata;

        size_t blob_max;    /* bytes of a blob that is handed over whole */
        size_t other_max;   /* the same for commits and trees */
        uint64_t total_max; /* bytes that all objects, and the deltas that some come as, may have together */
} PackConsumer;

typedef struct PackSummary {
        uint32_t objects; /* handed over */
        uint32_t lost;    /* deltas without their base, and blobs that were passed over: to be asked for
                             otherwise */
} PackSummary;

/* Reads a whole pack, to the end of the source. ret is also filled after an error. 0; -EBADMSG for what is
 * no pack, is cut or damaged, or promises other sizes than it keeps; -E2BIG above a limit of the consumer;
 * -ENOMEM; or the error of a callback. What was handed over before an error is good by itself. */
int pack_read(const PackSource *source, const PackConsumer *consumer, PackSummary *ret);
