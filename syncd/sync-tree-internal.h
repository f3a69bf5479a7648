/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a tree is held in memory. Between its pieces; not for others.
 *
 * The entries are in segments, in their order, and trees share them: a small change to a large tree makes a few
 * new ones. A segment that was read from a file is there until it is asked for; it can be left to it again, and one
 * that is in no file be packed as it would be there: sync_tree_rest(). */
#pragma once

#include "syncd/sync-tree.h"

#define SYNC_SEGMENT_MAX 128U

typedef struct SyncPaths SyncPaths;

/* A file of segments. */
typedef struct SyncMapping {
        unsigned n_refs; /* of segments */
        void *data;
        size_t size;
        size_t n_read; /* bytes that were read since it was left to the file */
} SyncMapping;

typedef struct SyncSegment {
        unsigned n_refs; /* of trees */
        unsigned n, allocated;
        SyncEntry *entries; /* NULL: they are packed */
        SyncPaths *paths;   /* NULL if these are behind the entries */

        SyncMapping *mapping;  /* NULL: in no file */
        const uint8_t *packed; /* in the file, or the segment's own; NULL: only the entries are there */
        size_t packed_size, paths_size;
        char *first_path; /* NULL: never packed yet */
        bool complete;    /* nothing is appended any more: it is in a file, or was packed */
        bool settled;     /* all entries, as long as it is packed */
} SyncSegment;

typedef struct SyncPlace {
        SyncSegment *segment;
        size_t begin; /* index of its first entry */
} SyncPlace;

struct SyncTree {
        SyncPlace *places;
        size_t n_places, allocated;
        size_t n; /* entries */
        bool sorted;
        bool compact; /* what is complete is packed */
};

/* --- sync-segment.c, sync-index.c --- */

SyncSegment *sync_segment_unref(SyncSegment *s);
SyncMapping *sync_mapping_unref(SyncMapping *m);
/* Appends an entry; there is room, and the segment is of one tree only and not complete. borrow: with the path where it
 * is. 0 or -ENOMEM. */
int sync_segment_add(SyncSegment *s, const SyncEntry *entry, bool borrow);
/* Made of what is packed, if they are not there. */
SyncEntry *sync_segment_entries(SyncSegment *s);
const char *sync_segment_first_path(const SyncSegment *s) _pure_;
/* Leaves it to its file, or packs it. Without memory for that it stays as it is. */
void sync_segment_rest(SyncSegment *s);
/* Of the two forms of the segment, if it has that; but not what is in a file. */
void sync_segment_free_entries(SyncSegment *s);
void sync_segment_free_packed(SyncSegment *s);
/* Packs the entries, which stay. Without memory for that nothing is packed. */
void sync_segment_pack(SyncSegment *s);
/* Makes entries of what is packed; if that is in a file, it was checked when that was opened. 0 or -ENOMEM. */
int sync_segment_unpack(SyncSegment *s);

/* --- sync-tree.c --- */

/* Appends it; it is the tree's, also after a failure. 0, -E2BIG or -ENOMEM. */
int sync_tree_append_segment(SyncTree *t, SyncSegment *s);
/* Appends an entry that belongs behind the last one and has a valid path. The same errors. */
int sync_tree_append(SyncTree *t, const SyncEntry *entry, bool borrow);
/* The place that has the i-th entry. */
size_t sync_tree_place_of(const SyncTree *t, size_t i) _pure_;
