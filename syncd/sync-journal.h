/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of apply: which files in the staging directory may be displaced content of a user, and
 * whose. */
#pragma once

/* The file in the staging directory. */
#define SYNC_JOURNAL_NAME "journal"
/* A crash may leave one that was to take its place; it is of no use. */
#define SYNC_JOURNAL_NEW_NAME SYNC_JOURNAL_NAME ".new"

#include "common/base/macro.h"
#include "syncd/sync-plan.h"

/* Two records an operation of 100 to 4500 bytes, for SYNC_ENTRIES_MAX operations with paths of usual
 * length. */
#define SYNC_JOURNAL_MAX (512U << 20)
/* The name of an operation's file in the staging directory. */
#define SYNC_STAGED_NAME_SIZE sizeof("s18446744073709551615")

typedef struct SyncIntent {
        uint64_t number; /* counts up; names the file in the staging directory */
        SyncOperationKind kind;
        char *path;
        char *renamed_to;   /* or NULL */
        char *moved_from;   /* the file comes from there, by its name alone, and nothing is in the staging directory; or
                             * NULL. Two operations in one */
        bool kept;          /* local's content is on main: the displaced file may go if it is what local says */
        SyncEntry local;    /* what is to be displaced, SYNC_ABSENT if nothing; without a path */
        SyncEntry wanted;   /* what is to come, SYNC_ABSENT if nothing; inode is the new one's; without a path */
        bool finished;      /* attempted, with the outcome below */
        bool succeeded;
        SyncEntry displaced; /* identity right after the swap; SYNC_ABSENT if nothing waits in the staging directory */
        int64_t displaced_ns; /* when, since 1970 UTC */
        bool recorded;      /* the base with its outcome was recorded */
} SyncIntent;

typedef struct SyncJournal {
        int staging_fd, fd;
        off_t size;       /* of what was written whole */
        SyncIntent *intents;
        size_t n_intents, n_allocated;
        uint64_t next_number;
        bool interrupted; /* there are unfinished intents, or the end was torn off */
} SyncJournal;

/* Reads the journal of the staging directory; without one it is empty, and made by the first write. What
 * follows a damaged record is dropped: it was not durable when it was cut. 0, -EFBIG (SYNC_JOURNAL_MAX),
 * -ENOMEM or another negative errno. */
int sync_journal_open(SyncJournal **ret, int staging_fd);
SyncJournal *sync_journal_free(SyncJournal *j);
DEFINE_TRIVIAL_CLEANUP_FUNC(SyncJournal *, sync_journal_free);
#define _cleanup_sync_journal_free_ _cleanup_(sync_journal_freep)

/* Appends what is about to be done. Durable after sync_journal_sync(). Copies the strings. *ret is its
 * index. moved_from may be NULL. 0 or a negative errno. */
int sync_journal_intend(
                SyncJournal *j,
                const SyncOperation *o,
                const char *moved_from,
                bool kept,
                uint64_t number,
                uint64_t new_inode,
                size_t *ret);
int sync_journal_sync(SyncJournal *j);
/* Appends the outcome. displaced may be NULL. Need not be durable. 0, or a negative errno: then it is as before. */
int sync_journal_finish(SyncJournal *j, size_t i, bool succeeded, const SyncEntry *displaced, int64_t displaced_ns);
/* Notes, durably, that the base with all outcomes so far was recorded. 0 or a negative errno. */
int sync_journal_record(SyncJournal *j);
/* Once the base was recorded: if many intents have nothing left in the staging directory (displaced is SYNC_ABSENT),
 * they are forgotten, durably, so that file and memory do not grow while others wait. On a full disk it stays as it is.
 * 0 or a negative errno. */
int sync_journal_compact(SyncJournal *j);
/* Removes the file and forgets all intents. Not durable: should it come back after a power cut, it tells of what is
 * done, and the directory is synced before there is another one. 0 or a negative errno. */
int sync_journal_remove(SyncJournal *j);

/* "s<number>"; returns buf. */
char *sync_staged_name(uint64_t number, char buf[static SYNC_STAGED_NAME_SIZE]);
