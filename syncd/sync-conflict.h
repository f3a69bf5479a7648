/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name that the local file gets when two gateways changed the same path (the paper's rule: original
 * name and time stamp). */
#pragma once

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* Counters above this mean that something else is wrong; the collision is then left for the next run. */
#define SYNC_CONFLICT_COUNTER_MAX 1000U
/* A gateway's name is cut to this many bytes, so that a recognizable part of the stem is left. */
#define SYNC_GATEWAY_NAME_MAX 64U

/* Makes "<directory>/<stem>.<YYYYMMDDTHHMMSSZ>.<gateway>[.<counter>]<.ext>" from path; the extension
 * stays last, so that the file still opens, and ".tar.gz" and its like count as one. time is in seconds
 * since 1970 UTC. Bytes of gateway_name other than letters, digits, '-' and '_' become '-'; an empty name
 * is "gateway". counter is 0 for the first try. The stem is cut at a character's boundary so that the
 * name has at most SYNC_NAME_MAX bytes. *ret is the caller's. 0, -ENAMETOOLONG (the path exceeds
 * SYNC_PATH_MAX), -ENOMEM. */
int sync_conflict_path(const char *path, int64_t time, const char *gateway_name, unsigned counter, char **ret);

/* One collision, as it is registered and reported. */
typedef struct SyncConflict {
        char *path;
        char *renamed_to;
        int64_t time;   /* seconds since 1970 UTC */
} SyncConflict;

typedef struct SyncConflictList {
        SyncConflict *items;
        size_t n;
} SyncConflictList;

/* Appends copies. 0 or -ENOMEM. */
int sync_conflict_list_add(SyncConflictList *l, const char *path, const char *renamed_to, int64_t time);
void sync_conflict_list_clear(SyncConflictList *l);
