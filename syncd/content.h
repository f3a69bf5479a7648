/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File content on its way, in the staging directory of a folder: what is fetched from main before it is put in
 * place, and what is committed here before main has it.
 *
 *      content/<file>.part    being fetched: of its final size, the chunks that are there at their offsets
 *      content/<file>         all there, and each byte was verified when it was written
 *      content/<file>.bad     a mark: main names chunks for it that do not have the lengths it says
 *      content/<tree>.seen    a mark: what this tree of a staging ref (staging-ref.h) names was asked for
 *      pending/<file>         a snapshot of what was committed
 *
 * <file> is the hexadecimal oid of the file (SyncEntry.oid): of a blob, or of the tree of chunks of a large file.
 * The tree worker and the transfer worker both work here; both have the user id that owns the directory. No
 * function follows a link. */
#pragma once

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* Up to so many files, a sync of each is cheaper than one of the whole file system with all that users write. */
#define CONTENT_SINGLE_SYNCS_MAX 8U

typedef struct ContentArea {
        int content_fd;
        int pending_fd;
        uint64_t disk_floor; /* bytes that must stay free on the file system */
        int unsynced[CONTENT_SINGLE_SYNCS_MAX]; /* files that were read or written since content_sync() */
        unsigned n_unsynced;
        bool many_unsynced;  /* and more */
} ContentArea;

/* Opens, and makes, both directories. staging_fd is from sync_staging_open(). 0 or a negative errno. */
int content_area_open(ContentArea *ret, int staging_fd, uint64_t disk_floor);
void content_area_close(ContentArea *a);
/* Closes them, and removes those that are empty. */
void content_area_remove(ContentArea *a, int staging_fd);

/* The file, open in any way, is to be durable after the next content_sync(), like all snapshots. -EBADF stands for
 * what cannot be told one by one: removals and renames. */
void content_note_unsynced(ContentArea *a, int fd);
/* Before it is recorded that something is committed here: what a power cut leaves must not be less than what was
 * recorded. 0 or a negative errno. */
int content_sync(ContentArea *a);

/* Bytes that can be written before less than the floor is free. */
uint64_t content_space(const ContentArea *a);
/* True if size more bytes leave at least the floor free. */
bool content_has_space(const ContentArea *a, uint64_t size);

/* Opens the part of a file of size bytes for reading and writing; makes and preallocates it if it is not there
 * (*ret_new). size may be SYNC_SIZE_UNKNOWN: then nothing is preallocated, and the file grows as it is written. 0,
 * -ENOSPC if less than the floor would stay free, or another negative errno. */
int content_part_open(ContentArea *a, const SyncOid *file, uint64_t size, bool *ret_new, int *ret_fd);
/* False if nothing was ever written at the offset, or at the end of the length bytes from there, in the part that is
 * open as fd: then there is no need to read it. */
bool content_part_is_written(int fd, uint64_t offset, uint64_t length);
/* True if fd is open on what has the name of the part still. */
bool content_part_is(ContentArea *a, const SyncOid *file, int fd);
/* Begins to write out what was written to a part, so that little is left to be waited for when it is synced, before it
 * is put in place. Only a hint. size 0: to the end. */
void content_begin_writeback(int fd, uint64_t offset, uint64_t size);

/* The part is complete: it gets its final name, when those who write to it (transfer-part.h) have ended. A power cut
 * may leave less under that name, which shows when it is put in place, and costs its being fetched again: what is
 * larger than this is synced first. 0 (also if it has that name already) or a negative errno. */
#define CONTENT_DURABLE_MIN (UINT64_C(1) << 30)
int content_part_complete(ContentArea *a, const SyncOid *file);

/* Marks the file as one whose chunks, as the trees that its oid names have them, cannot be put together; the mark goes
 * with content_sweep(), so that it is tried again some day. Removes its part. */
void content_mark_malformed(ContentArea *a, const SyncOid *file);
bool content_is_malformed(ContentArea *a, const SyncOid *file);
void content_part_remove(ContentArea *a, const SyncOid *file);

/* Marks the tree of a staging ref as one whose content is here, or on its way, so that it need not come with the
 * commits. Only a hint, which goes with content_sweep() at the latest. */
void content_mark_seen(ContentArea *a, const SyncOid *tree);
/* Lists such trees, max at most. Returns their number; 0 also if the area cannot be read. */
size_t content_list_seen(ContentArea *a, SyncOid *ret, size_t max);
/* The commits have come: the marks go. */
void content_forget_seen(ContentArea *a);

/* Opens complete content for reading. 0, -ENOENT or another negative errno. */
int content_open(ContentArea *a, const SyncOid *file, int *ret_fd);
/* 1, 0 or a negative errno. */
int content_has(ContentArea *a, const SyncOid *file);
/* Gives complete content a second name, in another directory of the same file system. From then on its first name
 * counts as left over, and content_sweep() removes it. 0, -ENOENT, -EEXIST, ... */
int content_link(ContentArea *a, const SyncOid *file, int dir_fd, const char *name);
/* Removes it if it has a second name. */
void content_release(ContentArea *a, const SyncOid *file);
void content_remove(ContentArea *a, const SyncOid *file);

/* Opens the snapshot of a file that is not on main yet, for reading. 0, -ENOENT or another negative errno. */
int content_pending_open(ContentArea *a, const SyncOid *file, int *ret_fd);
/* 1, 0 or a negative errno. */
int content_pending_has(ContentArea *a, const SyncOid *file);
void content_pending_remove(ContentArea *a, const SyncOid *file);
/* What content_open(), or else content_pending_open(), gives is not what the name says: it was torn by a power cut,
 * or it is a file in the folder by now, and a user wrote to it. Removes the name. */
void content_drop_damaged(ContentArea *a, const SyncOid *file);

/* A snapshot that is being made; without a name until it is finished. */
typedef struct ContentSnapshot {
        int fd;      /* open for reading and writing */
        bool cloned; /* it has the content already, and shares its blocks; else the caller writes it */
} ContentSnapshot;

/* A snapshot that is a copy leaves so much free beyond the floor, or a tenth of a smaller volume. */
#define CONTENT_COPIES_FLOOR_MAX (UINT64_C(16) << 30)

/* Begins a snapshot of the file. 0, -ENOSPC if a copy would leave too little free, or another negative errno. */
int content_snapshot_begin(ContentArea *a, int source_fd, uint64_t size, ContentSnapshot *ret);
/* Names it, and closes it in any case. Durable after content_sync(). 0 (also if there was one) or a negative
 * errno. */
int content_snapshot_finish(ContentArea *a, ContentSnapshot *s, const SyncOid *file);
void content_snapshot_abandon(ContentSnapshot *s);

typedef bool (*ContentKeep)(const SyncOid *file, void *userdata);
/* Removes what was last written more than age_sec seconds ago, unless it is to be kept (keep may be NULL; marks are
 * not), what is in the folder by another name already, and what has no proper name. Looks at all that is there. */
void content_sweep(ContentArea *a, unsigned age_sec, ContentKeep keep, void *userdata);
/* The same of the snapshots, whatever their age. */
void content_sweep_pending(ContentArea *a, ContentKeep keep, void *userdata);

/* --- what is to be fetched next: written by the tree worker, read by the transfer worker --- */

/* More is fetched in another round: the transfer worker keeps all items in memory. */
#define WANTED_ITEMS_MAX 65536U
#define WANTED_FILES_MAX 4096U

/* The lists: what main has and the folder has not; what is to be restored. */
#define WANTED_MAIN "wanted"
#define WANTED_RESTORE "wanted-restore"

typedef struct WantedItem {
        SyncOid blob;
        uint32_t file;   /* index of its WantedFile */
        uint32_t length; /* bytes; 0 if not known (a plain file of unknown size) */
        uint64_t offset; /* in the file */
} WantedItem;

typedef struct WantedFile {
        SyncOid file;
        uint64_t size;    /* bytes or SYNC_SIZE_UNKNOWN */
        uint64_t n_items; /* what is still missing; with 0 left it can be completed */
        bool complete;    /* when these items are there the file is complete, else more follow in another round */
} WantedFile;

typedef struct Wanted {
        WantedFile *files;
        size_t n_files;
        WantedItem *items; /* in the order of files and offsets: what is to be fetched first comes first */
        size_t n_items;
        bool proven; /* not saved: the items of each file are those that the trees which its oid names have */
} Wanted;

void wanted_done(Wanted *w);
/* 0, -E2BIG (above a limit: nothing was added), -ENOMEM. */
int wanted_add_file(Wanted *w, const SyncOid *file, uint64_t size);
/* An item of the file added last. */
int wanted_add_item(Wanted *w, const SyncOid *blob, uint64_t offset, uint32_t length);
/* Atomically, in the file of that name. 0 or a negative errno. */
int wanted_save(int state_fd, const char *name, const Wanted *w);
/* 0, -ENOENT, -EBADMSG (damaged: as if there were none), -ENOMEM. */
int wanted_load(int state_fd, const char *name, Wanted *ret);
