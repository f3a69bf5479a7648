/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the scan's two halves: the walk, and the reading of one file. Not for others. */
#pragma once

#include "syncd/sync-open.h"
#include "syncd/sync-scan.h"

/* Entries between two calls of progress(). */
#define PROGRESS_STEP 256U

typedef struct Scanner {
        const SyncScan *scan;
        const SyncTree *index;
        SyncScanReport *report;
        SyncTree *tree;               /* the result, or a set of changes to the index */
        char path[SYNC_PATH_MAX + 1]; /* of the current entry */
} Scanner;

int sync_scanner_new(Scanner **ret, const SyncScan *scan, const SyncTree *index, SyncScanReport *report,
                     SyncTree **ret_tree);

/* Scans the entry at s->path, called name in the directory, and what is beneath it. 0 or an error that
 * ends the scan. */
int sync_scan_entry(Scanner *s, int parent_fd, const char *name);

/* Finds oid and certainty of a file or symlink, of which e holds what stat said; from the index if
 * nothing moved. 0, -ENOENT (gone meanwhile), or another negative errno. */
int sync_scan_content(Scanner *s, int parent_fd, const char *name, SyncEntry *e);
