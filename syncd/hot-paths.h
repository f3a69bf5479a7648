/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are written and closed again and again. A change is looked at when the file is closed, at once; but a file
 * that is saved every second, for days, shall not get a version each time. Pure: no clock. */
#pragma once

#include "common/base/macro.h"

/* So many are watched for it; of more, the one that was closed the longest ago is forgotten. */
#define HOT_PATHS_MAX 64U
/* A series ends when the file was left alone for so long: people pause longer between two savings. */
#define HOT_QUIET_USEC UINT64_C(5000000)
/* So many of a series are looked at at once; then one for a part of the time that it has lasted, up to a limit. */
#define HOT_FREE_MAX 16U
#define HOT_SHARE 4U
#define HOT_WAIT_MAX_USEC UINT64_C(30000000)

typedef struct HotPath {
        char *path;
        uint64_t begun, last; /* of the series */
        uint64_t due;         /* when it is to be looked at; 0: nothing is to be seen there */
        unsigned n;
} HotPath;

typedef struct HotPaths {
        HotPath items[HOT_PATHS_MAX];
        size_t n;
} HotPaths;

/* Forgets all, what waits included. */
void hot_paths_clear(HotPaths *h);

/* What is at the path was closed, moved there or removed. False if it is to be looked at now, true if later: it will
 * come from hot_paths_take(). */
bool hot_paths_changed(HotPaths *h, const char *path, uint64_t now_usec);
/* True if the path waits. */
bool hot_paths_waits(const HotPaths *h, const char *path) _pure_;
/* When the next one is due; UINT64_MAX: none waits. */
uint64_t hot_paths_next(const HotPaths *h) _pure_;
/* One that is due now, or NULL; valid until the next call of hot_paths_changed(). */
const char *hot_paths_take(HotPaths *h, uint64_t now_usec);
