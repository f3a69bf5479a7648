/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions about main's history as far as the local store has it: versions of a path, commits, times. */
#pragma once

#include "syncd/folder.h"

/* Fewer digits do not name a commit. */
#define FOLDER_COMMIT_DIGITS_MIN 7U

typedef struct FolderVersion {
        git_oid commit;
        int64_t time;    /* of the commit, seconds since 1970 UTC */
        SyncEntry entry; /* without a path; size may be SYNC_SIZE_UNKNOWN. Not set in a list of commits */
        char *author;
        char *message;   /* its first line; only in a list of commits */
} FolderVersion;

typedef struct FolderHistory {
        FolderVersion *items; /* newest first */
        size_t n;
        bool more;            /* there are older ones, or there may be */
        bool trees_missing;   /* the list ends where trees are pruned: fetch the history, and ask again */
        ObjectWants wants;    /* metadata that is pruned: with it sizes and times are known */
} FolderHistory;

/* Frees the content, and leaves it zeroed. */
void folder_history_clear(FolderHistory *h);

/* The versions of a path ("": the folder) on main, older than the commit before ("" or NULL: all), at most limit.
 * ret is zeroed, and to be cleared in any case. 0; -EINVAL: no path of a folder, or no name of a commit; -ESRCH: main
 * has no such commit; another negative errno. */
int folder_list_versions(Folder *f, const char *path, const char *before, size_t limit, FolderHistory *ret);

/* The same of commits, which are never pruned. */
int folder_list_commits(Folder *f, const char *before, size_t limit, FolderHistory *ret);

/* The commit of main that begins with these digits, the newest if there are several. 0, -EINVAL, -ESRCH or another
 * negative errno. */
int folder_find_commit(Folder *f, const char *text, git_oid *ret);

/* What main was at that time: its newest commit that is not younger. 0, -ESRCH (it had none yet) or another negative
 * errno. */
int folder_commit_at(Folder *f, int64_t time, git_oid *ret, int64_t *ret_time);
