/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server refused a push for the sake of, or what cannot be read to be sent: versions of files, or whatever is
 * at a path. The tree worker leaves them out, so that the rest goes on. Each gets another try when the path changes,
 * when somebody orders a scan, and after a restart. */
#pragma once

#include "syncd/sync-tree.h"

/* Each costs a push that is refused; more than this is no matter of single paths. Versions that a disk with errors does
 * not give back, or that are part of a collision attack, may well be a hundred. */
#define SYNC_POISON_MAX 256U
/* They go into one message to the tree worker, beside the paths that changed. */
#define SYNC_POISON_BYTES_MAX ((size_t) 40000)

/* All zero is an empty list. */
typedef struct SyncPoison {
        char **entries; /* "<version> <path>", as SyncRefusal has them; NULL if there are none */
} SyncPoison;

/* What an entry says. */
typedef struct SyncRefusal {
        SyncOid version;  /* the file's oid; zero: whatever is at the path, or below it */
        const char *path; /* relative to the folder */
} SyncRefusal;

/* Remembers one; version is hexadecimal. 0; -EEXIST if it is known already, so that leaving it out was no help; -E2BIG
 * if there are too many: then the push counts as refused as a whole; -EINVAL for an empty path, or what is no version;
 * -ENOMEM. */
int sync_poison_add(SyncPoison *p, const char *version, const char *path);

/* Reads an entry, which *ret points into. 0 or -EINVAL. */
int sync_refusal_parse(const char *entry, SyncRefusal *ret);
/* Whether it is refused to have the file, directory or symlink there. */
bool sync_refusal_holds(const SyncRefusal *r, const SyncEntry *e);

/* The path, or something below it, may have changed: forgets it, what is below it, and what it is below.
 * "" is the whole folder. Returns whether anything was forgotten. */
bool sync_poison_changed(SyncPoison *p, const char *path);

/* Frees the content, and leaves it empty. */
void sync_poison_clear(SyncPoison *p);
