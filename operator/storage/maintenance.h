/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a repository needs from time to time, in the current repository (GIT_DIR). Nothing that a version of
 * main needs ever goes: git removes only objects that no ref reaches, and not before they are two weeks old.
 */
#pragma once

#include "common/base/macro.h"

/* Files that a receive-pack of that age left behind when it was killed: no push takes so long. */
#define TEMPORARY_KEEP_SEC 86400
/* A lock of a ref is held for milliseconds. */
#define REF_LOCK_KEEP_SEC 600
/* Objects that no ref reaches are looked for this often, or when refs were removed. */
#define CRUFT_INTERVAL_SEC (30 * 86400)

typedef struct MaintenanceResult {
        unsigned n_staging_expired; /* refs */
        unsigned n_histories_expired; /* that retention has replaced; refs */
        unsigned n_temporary;       /* files and directories */
        bool cruft;                 /* unreachable objects were collected */
} MaintenanceResult;

/* Removes staging refs that expired (operator/storage/staging.h) and temporary files, joins packs
 * geometrically, and renews bitmaps and commit graph. now: seconds since 1970. 0 or a negative errno. */
int repository_maintain(const char *directory, int64_t now, MaintenanceResult *ret);

/* The next maintenance collects what no ref reaches, whenever the last one did. */
void maintenance_collect_soon(const char *directory);

/* Removes a lock of main that a killed push left. */
void remove_stale_main_lock(const char *directory, int64_t now);

/* Checks every object, and that main is complete. 0, -EBADMSG with git's first lines in *ret_findings (the
 * caller's), or another negative errno. */
int repository_check(char **ret_findings);
