/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a tree is held in memory. Between its pieces; not for others.
 *
 * The entries are in segments, in their order, and trees share them: a small change to a large tree makes a few
 * new ones. A segment of a tree that was read from a file is there until it is asked for, and can be left to it
 * again: sync_tree_rest(). */
#pragma once

#include "syncd/sync-tree.h"

#define SYNC_SEGMENT_MAX 128U

typedef struct SyncPaths SyncPaths;

/* A file of segments. */
typedef struct SyncMapping {
        unsigned n_refs; /* of segments */
        void *data;
        size_t size;
} SyncMapping;

typedef struct SyncSegment {
        unsigned n_refs; /* of trees */
        unsigned n, allocated;
        SyncEntry *entries; /* NULL: only in the file */
        SyncPaths *paths;   /* NULL if these are behind the entries */

        SyncMapping *mapping; /* NULL: in no file */
        const uint8_t *packed;
        size_t packed_size, paths_size;
        char *first_path;
        bool settled; /* all of them */
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
};

/* --- sync-segment.c, sync-index.c --- */

SyncSegment *sync_segment_unref(SyncSegment *s);
SyncMapping *sync_mapping_unref(SyncMapping *m);
/* Appends an entry; there is room, and the segment is of one tree only and in no file. borrow: with the path where it
 * is. 0 or -ENOMEM. */
int sync_segment_add(SyncSegment *s, const SyncEntry *entry, bool borrow);
/* Made of what is in the file, if they are not there. */
SyncEntry *sync_segment_entries(SyncSegment *s);
const char *sync_segment_first_path(const SyncSegment *s) _pure_;
/* Leaves it to its file, if it is in one. */
void sync_segment_rest(SyncSegment *s);
/* Makes entries of what is in the file, and was checked when that was opened. 0 or -ENOMEM. */
int sync_segment_unpack(SyncSegment *s);

/* --- sync-tree.c --- */

/* Appends it; it is the tree's, also after a failure. 0, -E2BIG or -ENOMEM. */
int sync_tree_append_segment(SyncTree *t, SyncSegment *s);
/* Appends an entry that belongs behind the last one and has a valid path. The same errors. */
int sync_tree_append(SyncTree *t, const SyncEntry *entry, bool borrow);
/* The place that has the i-th entry. */
size_t sync_tree_place_of(const SyncTree *t, size_t i) _pure_;
