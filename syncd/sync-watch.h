/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which paths to look at: inotify over a whole folder, on one descriptor, without threads or an event
 * loop of its own.
 *
 * Events only mark paths as dirty; the truth is a scan made afterwards (sync_scan_dirty()). */
#pragma once

#include "common/base/macro.h"

/* Directories listed and watched in one call of sync_watch_dispatch(), so that the event loop stays live. */
#define SYNC_WATCH_STEP 256U
/* Above this the folder is watched in part and the rest is found by scans. 1.3 KB of kernel memory each. */
#define SYNC_WATCH_MAX 65536U

typedef enum SyncWatchHint {
        /* Complete as far as one can know: closed after writing, moved in, removed, a directory, a mode. */
        SYNC_WATCH_CLOSED,
        /* Being written: a SYNC_WATCH_CLOSED follows at any time, or (mmap, link) never. */
        SYNC_WATCH_OPEN,
        /* Events were lost: path is "" and everything is dirty. */
        SYNC_WATCH_OVERFLOW,
} SyncWatchHint;

typedef struct SyncWatch SyncWatch;

/* Called for each path that may have changed, it and all beneath it, at most a few times in a row for the
 * same path. path is relative to the folder and valid during the call. */
typedef void (*SyncWatchHandler)(const char *path, SyncWatchHint hint, void *userdata);

/* Begins to watch the folder; the tree below is watched by the following calls of sync_watch_dispatch().
 * root_fd is duplicated. 0, -ENOTDIR, -EMFILE (user's limit of inotify instances), -ENOSPC (limit of
 * watches), -ENOMEM. */
int sync_watch_new(SyncWatch **ret, int root_fd, SyncWatchHandler handler, void *userdata);
SyncWatch *sync_watch_free(SyncWatch *w);
DEFINE_TRIVIAL_CLEANUP_FUNC(SyncWatch *, sync_watch_free);
#define _cleanup_sync_watch_free_ _cleanup_(sync_watch_freep)

/* To poll for reading (EPOLLIN). Belongs to the watch. */
int sync_watch_fd(const SyncWatch *w) _pure_;

/* Reads what is there without blocking, calls the handler, and watches up to SYNC_WATCH_STEP new
 * directories. 1 if directories remain: call again when idle, whether or not the descriptor is readable;
 * 0 if not; -ENODEV if the folder was removed or unmounted (halt); -ENOMEM. */
int sync_watch_dispatch(SyncWatch *w);

/* True once every directory is watched or known not to be: a full scan that begins now misses nothing. */
bool sync_watch_is_complete(const SyncWatch *w) _pure_;
/* Directories that are not watched (limit reached, not readable). Not 0: degraded, scan now and then. */
size_t sync_watch_unwatched(const SyncWatch *w) _pure_;
size_t sync_watch_count(const SyncWatch *w) _pure_;
