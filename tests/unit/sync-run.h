/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs of synchronization on a real folder against a remote tree given in words, with contents named by
 * their state: "f2" is a file holding "content 2", "l1" a link to "target1". */
#pragma once

#include "tests/unit/sync-folder.h"
#include "tests/unit/sync-model.h"

/* The tree of "a=f1 b=d ..." with the oids and sizes that the folder's files with these contents have. */
SyncTree *run_tree(const char *text);
/* Makes it so in the folder, which must be empty, with old time stamps. */
void run_populate(const Folder *f, const char *text);
/* What is in the folder, in the same words; unknown content is "f?". */
char *run_text(const Folder *f);

/* Fails the test unless that is in the folder; names of collisions as in model_tree(). */
void run_assert_folder(const Folder *f, const char *expected);

/* For sync_apply(): content 1 to 9 can be written, 1 to 5 is kept elsewhere; files may be moved. */
SyncApply run_apply(const Folder *f);

/* Scans, plans and applies from base to remote; the report is the caller's to clear. */
int run_sync(const Folder *f, const SyncApply *apply, const SyncTree *base, const SyncTree *remote,
             SyncApplyReport *report);
