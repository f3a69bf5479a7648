/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening what is beneath a directory and nothing else, whatever a user makes of the names meanwhile. */
#pragma once

#include <sys/stat.h>

#include "common/base/macro.h"
#include "syncd/sync-tree.h"

/* Opens path (relative; "" is the directory itself) without following any symlink, leaving the directory
 * or crossing a mount; close-on-exec, and without waiting for a FIFO or another's lease. Returns the file
 * descriptor, -ELOOP (a symlink), -EXDEV (it would leave), -EWOULDBLOCK (a lease is being broken), or
 * another negative errno of openat2(2). */
int sync_open_beneath(int dir_fd, const char *path, int flags);

/* Opens the directory that holds path. *ret_name, within path, is the last component. The same errors. */
int sync_open_parent(int root_fd, const char *path, const char **ret_name);

/* Fills kind, size, times, inode and executable bit from what stat said; the path, oid and certainty
 * stay. */
void sync_entry_set_stat(SyncEntry *e, const struct stat *st);

/* Leases tell whether somebody has the file open (docs of fcntl(2), F_SETLEASE). */
typedef enum SyncUse {
        SYNC_USE_NONE,   /* nobody writes, and nobody holds a lock on a part of it */
        SYNC_USE_LOCKED, /* a lock on a part of it (Samba maps its clients' locks to these) */
        SYNC_USE_WRITER, /* open, or mapped, for writing */
} SyncUse;

/* Looks, and leaves no lease behind. fd is of a regular file, open for reading only. A file system
 * without leases counts as no writer. */
SyncUse sync_file_use(int fd);
/* The same, but with SYNC_USE_NONE who wants to write to it waits, or has EWOULDBLOCK, until sync_file_release() or fd
 * is closed: for the moment of a rename. A file system without leases keeps nobody out. */
SyncUse sync_file_hold(int fd);
void sync_file_release(int fd);
