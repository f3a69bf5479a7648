/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the chunks of a large file end (docs/repository-format.md, "Large files"): boundaries follow the content,
 * so that an insertion changes the chunks around it only. W. Xia et al., "FastCDC: a fast and efficient
 * content-defined chunking approach for data deduplication", USENIX ATC 2016. */
#pragma once

#include "common/base/macro.h"

/* A file of more bytes is stored in chunks, any other as one blob. */
#define FORMAT_PLAIN_MAX (UINT64_C(1) << 20)

/* In bytes. Only the last chunk of a file may be shorter than CHUNK_MIN. */
#define CHUNK_MIN (32U << 10)
#define CHUNK_AVERAGE (128U << 10)
#define CHUNK_MAX (512U << 10)

/* A group of chunks ends after a chunk whose object id's last byte has these bits clear, or when it has GROUP_MAX
 * chunks. */
#define GROUP_MASK 63U
#define GROUP_MAX 512U

/* Zeroed before the first byte of a file. */
typedef struct Chunker {
        uint64_t hash;
        size_t size; /* bytes of the current chunk so far */
} Chunker;

/* Takes the next bytes of a file, up to the end of the current chunk. Returns how many of them belong to it: all
 * of them, or fewer if *ret_end is true, then the chunk ends there and the next call begins another. size is above
 * 0. The result does not depend on how the file is cut into calls. */
size_t chunker_next(Chunker *c, const uint8_t *data, size_t size, bool *ret_end);
