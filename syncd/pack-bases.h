/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What later deltas of a pack may refer to: the names of its entries by their place, and the latest objects
 * by their name, in bounded memory. For the pack reader. */
#pragma once

#include <git2/types.h>

#include "syncd/object-map.h"

typedef struct PackBase {
        git_object_t type;
        void *data;
        size_t size;
} PackBase;

/* Objects are kept until a generation is full; then the one before it goes. */
typedef struct PackGeneration {
        ObjectMap names; /* indexes of objects */
        PackBase *objects;
        size_t n;
        size_t bytes;
} PackGeneration;

typedef struct PackPlace {
        uint64_t offset;
        git_oid id; /* zero if its name is not known */
} PackPlace;

/* Zeroed when empty. */
typedef struct PackBases {
        PackGeneration generations[2]; /* the present one first */
        PackPlace *places;             /* ascending */
        size_t n_places;
} PackBases;

void pack_bases_done(PackBases *b);
/* An entry begins at the offset, above all before it. 0 or -ENOMEM. */
int pack_bases_begin(PackBases *b, uint64_t offset);
/* The entry that began last, at the offset, has this name. 0. */
int pack_bases_name(PackBases *b, uint64_t offset, const git_oid *id);
/* Keeps an object; data is taken over. 0 or -ENOMEM. */
int pack_bases_keep(PackBases *b, const git_oid *id, git_object_t type, void *data, size_t size);
/* The name of the entry at the offset. 0; -EBADMSG if no entry begins there; -ENOENT if its name is not
 * known. */
int pack_bases_at(const PackBases *b, uint64_t offset, git_oid *ret);
/* *ret stays the bases'. 0 or -ENOENT. */
int pack_bases_find(
                const PackBases *b,
                const git_oid *id,
                git_object_t *ret_type,
                const void **ret,
                size_t *ret_size);
