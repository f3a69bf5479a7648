/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the scan's two halves: the walk, and the reading of one file. Not for others. */
#pragma once

#include "syncd/sync-open.h"
#include "syncd/sync-scan.h"

/* Entries between two calls of progress(). */
#define PROGRESS_STEP 256U

/* The other names of so many files are looked at when one name of each has changed, and so many names in all; more
 * wait for the next full scan, so that a copy of a tree by links does not have all of the tree read at once. */
#define LINKED_MAX 64U
#define LINKED_NAMES_MAX 1024U

/* A large file of the index at one of the paths that a scan begins at, or beneath. */
typedef struct ScanOrigin {
        uint64_t inode;
        const SyncEntry *entry;
} ScanOrigin;

typedef struct Scanner {
        const SyncScan *scan;
        const SyncTree *index;
        SyncScanReport *report;
        SyncTree *tree;               /* a set of changes to the index */
        bool all;                     /* everything is scanned: what is as in the index is left out */
        size_t next;                  /* if so: what the index has from here on was not come across yet */
        char removed[SYNC_PATH_MAX + 1]; /* what was the last to be there no more, with all beneath; or "" */
        char path[SYNC_PATH_MAX + 1]; /* of the current entry */
        uint64_t linked[LINKED_MAX];  /* files with several names that were read, as they had changed: their inodes */
        size_t n_linked;
        ScanOrigin *origins;          /* sorted; what may have another name by now */
        size_t n_origins;
} Scanner;

/* Begins a scan; the arguments are those of sync_scan() and outlive it. *ret and *ret_tree are the caller's. 0 or
 * -ENOMEM. */
int sync_scanner_new(Scanner **ret, const SyncScan *scan, const SyncTree *index, SyncScanReport *report,
                     SyncTree **ret_tree);

Scanner *sync_scanner_free(Scanner *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(Scanner *, sync_scanner_free);
#define _cleanup_sync_scanner_free_ _cleanup_(sync_scanner_freep)

/* Of the index, what is at the starts and beneath them is where a file may have been until now. 0 or -ENOMEM. */
int sync_scan_list_origins(Scanner *s, const SyncTree *starts);

/* Scans the entry at s->path, called name in the directory, and what is beneath it. 0 or an error that
 * ends the scan. */
int sync_scan_entry(Scanner *s, int parent_fd, const char *name);

/* Finds oid and certainty of a file or symlink, of which e holds what stat said; from the index if
 * nothing moved. 0, -ENOENT (gone meanwhile), or another negative errno. */
int sync_scan_content(Scanner *s, int parent_fd, const char *name, SyncEntry *e);
