/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder's state as a sorted list of entries: what the scan saw, what a commit holds, or a set of
 * changes to either. */
#pragma once

#include "common/base/macro.h"

/* Linux limits a name to 255 bytes; an extended path is ours to bound: PATH_MAX is what Samba and every
 * client can reach. */
#define SYNC_NAME_MAX 255U
#define SYNC_PATH_MAX 4095U
/* Recursion and the descriptors held during a scan stay bounded; no client creates deeper trees by
 * itself. */
#define SYNC_DEPTH_MAX 128U
/* A tree of more entries does not fit a gateway with 512 MB of memory (about 110 bytes an entry, three
 * trees, where they are looked at). */
#define SYNC_ENTRIES_MAX 1000000U
/* The longest symlink target that Linux can create. */
#define SYNC_TARGET_MAX 4095U

#define SYNC_OID_SIZE 20U

#define SYNC_SIZE_UNKNOWN UINT64_MAX

/* A name in git: of the blob of a symlink's target or of a file's content, or of the tree of chunks that a large
 * file is stored as (docs/repository-format.md). */
typedef struct SyncOid {
        uint8_t bytes[SYNC_OID_SIZE];
} SyncOid;

typedef enum SyncKind {
        SYNC_ABSENT, /* only in a set of changes: the entry and everything beneath it is removed */
        SYNC_FILE,
        SYNC_SYMLINK,
        SYNC_DIRECTORY,
        SYNC_SPECIAL, /* only in the local tree: something that is not synchronized (a socket, a device) */
        _SYNC_KIND_MAX,
} SyncKind;

/* How well the scan knows a local entry. Entries of commits are always settled. */
typedef enum SyncCertainty {
        SYNC_SETTLED,
        SYNC_RACY,    /* known, but so young that equal time stamps prove nothing yet (as in git's index) */
        SYNC_BUSY,    /* is changing: the oid is not its content, it cannot be committed yet */
        SYNC_UNKNOWN, /* not readable (EIO, EACCES, ...), or not read yet: neither a change nor a deletion may be
                         concluded */
} SyncCertainty;

typedef struct SyncEntry {
        const char *path;  /* relative to the folder, see sync_path_is_valid() */
        uint64_t size;     /* bytes; 0 for directories; SYNC_SIZE_UNKNOWN in a commit that does not record it */
        int64_t mtime_ns;  /* since 1970 UTC; 0 in a commit that does not record it */
        int64_t ctime_ns;  /* local tree only, else 0 */
        uint64_t inode;    /* local tree only, else 0 */
        SyncOid oid;       /* zero for directories */
        uint16_t mode;     /* permission bits, at most 0777; 0: not known */
        unsigned char kind : 4;      /* SyncKind */
        unsigned char certainty : 3; /* SyncCertainty */
        bool executable : 1;         /* files only */
        bool fuzzy : 1;              /* the file changed while it was read: it may never have held just this */
} SyncEntry;
static_assert(sizeof(SyncEntry) <= 64, "a gateway holds 100,000 of them and more");

/* Ordered so that every directory is followed by all that is beneath it ('/' sorts before every other
 * byte). The tree owns entries and paths. They do not move once it is sorted, as long as it lives and nothing of it is
 * packed: sync_tree_rest(), sync_tree_leave(). */
typedef struct SyncTree SyncTree;

/* An empty tree. 0 or -ENOMEM. */
int sync_tree_new(SyncTree **ret);
/* The same of one that will be large and be walked through now and then: what is added is packed, sync_tree_rest(), as
 * soon as the next entries come. */
int sync_tree_new_compact(SyncTree **ret);
SyncTree *sync_tree_free(SyncTree *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(SyncTree *, sync_tree_free);
#define _cleanup_sync_tree_free_ _cleanup_(sync_tree_freep)

/* Copies the entry and its path into the tree, in any order; cheapest in the tree's own. 0, -EINVAL (the
 * path is not one of a folder, see sync_path_is_valid()), -E2BIG (SYNC_ENTRIES_MAX), -ENOMEM. */
int sync_tree_add(SyncTree *t, const SyncEntry *entry);

/* The same, but the path is only pointed to: it outlives this tree and those that share its memory. */
int sync_tree_add_borrowed(SyncTree *t, const SyncEntry *entry);

/* Adds the entries of another tree from the first on, up to but without end; memory is shared as by sync_tree_patch().
 * 0, -E2BIG, -ENOMEM. */
int sync_tree_add_range(SyncTree *t, const SyncTree *from, size_t first, size_t end);

/* The entry that was added last is taken away again; the i-th one, that was added, becomes this one, but for its path.
 * Not after a sort. */
void sync_tree_drop_last(SyncTree *t);
void sync_tree_set(SyncTree *t, size_t i, const SyncEntry *entry);

/* Puts the entries in order; required after sync_tree_add() and before anything below. 0, -EEXIST (a path
 * appears twice), -ENOMEM; then the tree is as before. */
int sync_tree_sort(SyncTree *t);
/* The same, but of entries with the same path the one added last stays: for sets of changes. 0 or
 * -ENOMEM. */
int sync_tree_sort_last(SyncTree *t);

/* What of the tree is as in the file that it was read from (sync_index_load()) takes no memory any more, and the rest
 * about half (an entry that is absent a sixth), until it is asked for. No pointers to its entries are kept, nor to
 * those of trees that were patched to or from it. A process that has no memory for what it asks for then ends. */
void sync_tree_rest(SyncTree *t);
/* The same, but of what is in the file alone: the rest takes no time when it is asked for again. */
void sync_tree_leave_to_file(SyncTree *t);
/* The same of a part of the tree, that ends before the i-th entry: for those who walk through it, before each entry
 * that they look at. */
void sync_tree_leave(const SyncTree *t, size_t i);

/* The number of entries. */
size_t sync_tree_size(const SyncTree *t) _pure_;
/* The i-th entry; i < sync_tree_size(). Belongs to the tree. */
const SyncEntry *sync_tree_at(const SyncTree *t, size_t i);
#define SYNC_TREE_FOREACH(e, t)                                                                              \
        for (size_t _i_##e = 0, _n_##e = sync_tree_size(t); _i_##e < _n_##e; _i_##e = _n_##e)                \
                for (const SyncEntry *e; _i_##e < _n_##e && (e = sync_tree_at(t, _i_##e)); _i_##e++)
/* From the i-th entry on, the next one that is not settled, or NULL; *i is then behind it. Cheaper than a look at all
 * of them. */
const SyncEntry *sync_tree_next_unsettled(const SyncTree *t, size_t *i);

/* The entry at the path, or NULL. O(log n). */
const SyncEntry *sync_tree_find(const SyncTree *t, const char *path);
/* The same of a local tree, as far as it is known: beneath what could not be read (SYNC_UNKNOWN) that is found, as
 * nothing may be concluded from what is not there. O(depth log n). */
const SyncEntry *sync_tree_find_local(const SyncTree *t, const char *path);
/* The index of the first entry that does not sort before the path: where path's subtree begins. */
size_t sync_tree_lower_bound(const SyncTree *t, const char *path);

/* Walks several trees in their order at once: each path that is in any of them, with its entry or NULL
 * for each. */
#define SYNC_WALK_MAX 5U
typedef struct SyncWalk {
        const SyncTree *trees[SYNC_WALK_MAX]; /* NULL counts as an empty tree */
        size_t next[SYNC_WALK_MAX];
        bool leaves[SYNC_WALK_MAX]; /* sync_tree_leave(): pointers to its entries, and path, hold until the next call */
        size_t left[SYNC_WALK_MAX], kept[SYNC_WALK_MAX]; /* the walk's own */
} SyncWalk;
/* The next path, or NULL at the end. */
const char *sync_walk_next(SyncWalk *w, const SyncEntry *entries[static SYNC_WALK_MAX]);
/* The entry of the i-th tree that the walk has just given stays where it is all the same. */
void sync_walk_keep(SyncWalk *w, size_t i);

/* A new tree: the tree with the changes made. A change replaces the entry at its path; one that is not a
 * directory (SYNC_ABSENT included) removes what was beneath. Result entries are never SYNC_ABSENT. The
 * inputs are untouched and may be freed before the result, which shares their memory, so that a small change
 * to a large tree is cheap. changes may be NULL. 0, -E2BIG or -ENOMEM. */
int sync_tree_patch(const SyncTree *tree, const SyncTree *changes, SyncTree **ret);

/* The same, but each change is one of the entry at its path alone, whatever is beneath. */
int sync_tree_replace(const SyncTree *tree, const SyncTree *changes, SyncTree **ret);

/* A new tree of the entries that keep() returns a positive number for, in their order; it shares memory as a patched
 * one does. 0, -E2BIG, -ENOMEM, or a negative number that keep() returned. */
int sync_tree_filter(
                const SyncTree *tree,
                int (*keep)(const SyncEntry *entry, void *userdata),
                void *userdata,
                SyncTree **ret);

/* The set of changes which makes from one tree the other, compared as sync_entry_equal() does. 0 or
 * -ENOMEM. */
int sync_tree_diff(const SyncTree *from, const SyncTree *to, SyncTree **ret);

/* A string of a folder: components of 1 to SYNC_NAME_MAX bytes other than "." and "..", at most
 * SYNC_DEPTH_MAX of them, at most SYNC_PATH_MAX bytes in all. Any other byte is allowed, as in git and on
 * Linux file systems. */
bool sync_path_is_valid(const char *path) _pure_;
/* The tree's order. */
int sync_path_compare(const char *a, const char *b) _pure_;
/* True if path lies beneath directory (not if equal). "" is the folder itself. */
bool sync_path_is_below(const char *path, const char *directory) _pure_;
/* The last component; points into path. */
const char *sync_path_name(const char *path) _pure_;

/* Names that are never synchronized, in either direction: this service's own (".ispstorage..."), the lock
 * files of office programs ("~$...", ".~lock.*#") and what an NFS server leaves of open files (".nfs" and
 * 24 digits). */
bool sync_name_is_ignored(const char *name) _pure_;
/* True if a component of the path is such a name. */
bool sync_path_is_ignored(const char *path) _pure_;

/* True if all bytes are equal. */
bool sync_oid_equal(const SyncOid *a, const SyncOid *b) _pure_;

/* True if both are the same to a user: kind, content, executable bit; NULL is an absent entry. Times do
 * not count (a folder restored from a backup is not a changed one), and an entry that is busy, unknown or
 * special equals nothing. */
bool sync_entry_equal(const SyncEntry *a, const SyncEntry *b) _pure_;
/* True for a local file that is SYNC_UNKNOWN only because a scan had no time to read it. */
bool sync_entry_is_unread(const SyncEntry *e) _pure_;
/* True if both describe the same unmodified inode: kind, inode, size, mtime and ctime. */
bool sync_entry_same_identity(const SyncEntry *a, const SyncEntry *b) _pure_;

typedef enum SyncHashed {
        SYNC_HASHED,          /* who compares what stat(2) says before and after knows whether it changed meanwhile */
        SYNC_HASHED_SNAPSHOT, /* the same, but what was named is the file at one moment */
        SYNC_HASHED_MOVING,   /* it changed meanwhile */
} SyncHashed;

/* How content gets its name; given to scan and apply, so that the git store stays elsewhere. */
typedef struct SyncHasher {
        /* Names the content of the file, open for reading at offset 0. With store set it also puts the
         * content into the local store if it is not there yet. A SyncHashed; -EAGAIN if it became shorter meanwhile;
         * -EINPROGRESS if there is more to be read than there is time for now, and the same is to be asked again; or
         * another negative errno. */
        int (*file)(int fd, bool store, SyncOid *ret, void *userdata);
        /* What the next file is believed to hold, and was put into the store before: if it does, nothing is put there.
         * NULL: nothing is known. May be NULL itself. */
        void (*expect)(const SyncOid *oid, void *userdata);
        /* The same as file for bytes in memory: a symlink's target. */
        int (*bytes)(const void *data, size_t size, bool store, SyncOid *ret, void *userdata);
        void *userdata;
} SyncHasher;
