/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packs in memory, and what is read of them. */
#pragma once

#include <git2/oid.h>
#include <git2/types.h>

#include "syncd/pack-reader.h"

#define OBJECTS_MAX 4096U

typedef struct Bytes {
        uint8_t *data;
        size_t size;
        size_t allocated;
        size_t read; /* by the source */
        size_t step; /* bytes that the source gives at a time */
} Bytes;

void append(Bytes *b, const void *data, size_t size);
void append_random(Bytes *b, size_t size, unsigned seed);
void append_lines(Bytes *b, unsigned n);
void bytes_done(Bytes *b);
/* A PackSink; userdata is a Bytes. */
int bytes_sink(const void *data, size_t size, void *userdata);

typedef struct Object {
        git_oid id;
        git_object_t type;
        Bytes bytes;
} Object;

typedef struct Reading {
        Object objects[OBJECTS_MAX];
        size_t n;
        const struct Reading *elsewhere; /* where thin packs find their bases */
        int large_fd;
        git_oid large;
        PackSummary summary;
} Reading;

Reading *reading_new(void);
void reading_done(Reading *r);
const Object *find_object(const Reading *r, const git_oid *id);
/* Reads a pack that comes in pieces of step bytes, 0 for all at once. */
int read_pack(Reading *r, Bytes *pack, size_t step);

/* Blobs of several kinds: empty, text, noise, small and large. */
void make_blobs(Bytes blobs[static 6]);
void write_pack(Bytes *pack, const Bytes *objects, size_t n);
