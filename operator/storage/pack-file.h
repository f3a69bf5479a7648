/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where objects lie in the packs of a repository (gitformat-pack(5)), to be copied as they are. */
#pragma once

#include "common/base/macro.h"

#define PACK_ID_SIZE 20U
/* The header of a pack, and the SHA-1 at its end. */
#define PACK_HEADER_SIZE 12U
#define PACK_TRAILER_SIZE 20U
/* With more of them the repository wants maintenance, and git does what is asked. */
#define PACK_FILES_MAX 4096U

typedef struct PackFile {
        int directory_fd; /* the list's */
        char *name;       /* of the pack */
        int fd;           /* of the pack, once something was found in it, or -EBADF */
        uint64_t size;    /* then */
        const uint8_t *index;
        size_t index_size;
        uint32_t n; /* objects */
} PackFile;

/* {} is a list without packs. */
typedef struct PackFiles {
        int *directories;
        size_t n_directories;
        PackFile *packs;
        size_t n;
} PackFiles;

/* An object: the bytes of the pack from begin to end. */
typedef struct PackPlace {
        const PackFile *pack;
        uint64_t begin, end;
} PackPlace;

/* Adds the packs below a directory of objects ("objects" of a repository), and below those that it borrows from
 * (gitrepository-layout(5), objects/info/alternates; theirs are not looked at). What is added goes with
 * pack_files_done(). 0, -EOPNOTSUPP for what is not as expected (another version of the index, too many packs), or
 * another negative errno. */
int pack_files_add(PackFiles *f, const char *objects);
void pack_files_done(PackFiles *f);

/* Finds an object. ret->end is not known yet. 0, -ENOENT if no pack has it, or another negative errno. */
int pack_files_find(PackFiles *f, const uint8_t id[static PACK_ID_SIZE], PackPlace *ret);

/* Sorts the places, drops those that are there twice, and finds out where each ends. *n is how many remain. 0,
 * -EOPNOTSUPP if one is not a blob that is whole, or another negative errno. */
int pack_places_complete(PackPlace *places, size_t *n);
