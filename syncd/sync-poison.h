/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The paths for whose sake the server refused a push: the tree worker leaves them out, so that the rest goes
 * on. Each gets another try when it changes, when somebody orders a scan, and after a restart. */
#pragma once

#include "common/base/macro.h"

/* More than this is no matter of single paths. */
#define SYNC_POISON_MAX 64U
/* They go into one message to the tree worker, beside the paths that changed. */
#define SYNC_POISON_BYTES_MAX ((size_t) 16384)

/* All zero is an empty list. */
typedef struct SyncPoison {
        char **paths; /* NULL if there are none */
} SyncPoison;

/* Remembers a path, relative to the folder. 0; -EEXIST if it is known already, so that leaving it out was no
 * help; -E2BIG if there are too many: then the push counts as refused as a whole; -EINVAL for an empty path;
 * -ENOMEM. */
int sync_poison_add(SyncPoison *p, const char *path);

/* The path, or something below it, may have changed: forgets it, what is below it, and what it is below.
 * "" is the whole folder. Returns whether anything was forgotten. */
bool sync_poison_changed(SyncPoison *p, const char *path);

void sync_poison_clear(SyncPoison *p);
