/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes a tar archive: ustar, with the extended headers of POSIX.1-2001 (pax) where ustar's fields do not
 * suffice. */
#pragma once

#include "common/base/macro.h"

typedef enum TarType {
        TAR_FILE = '0',
        TAR_SYMLINK = '2',
        TAR_DIRECTORY = '5',
} TarType;

typedef struct TarEntry {
        TarType type;
        const char *path;   /* relative, without "." and ".." */
        const char *target; /* TAR_SYMLINK */
        unsigned mode;
        uint64_t size; /* TAR_FILE; exactly so much content follows */
        int64_t mtime_ns;
} TarEntry;

typedef struct TarWriter {
        int (*write)(const void *data, size_t size, void *userdata); /* 0 or a negative errno */
        void *userdata;
        uint64_t left; /* of the content of the current file */
        unsigned padding;
} TarWriter;

/* Begins an entry. 0, -ENOMEM, or what write() returned. */
int tar_begin(TarWriter *t, const TarEntry *e);
/* Content of the file that was begun. -EMSGSIZE if it is more than was announced. */
int tar_content(TarWriter *t, const void *data, size_t size);
/* Ends the content. -EMSGSIZE if it is less than was announced. */
int tar_end(TarWriter *t);
/* Ends the archive. */
int tar_finish(TarWriter *t);
