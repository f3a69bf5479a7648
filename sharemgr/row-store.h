/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the share manager knows about rows of the data model besides their parameters: a durable map of path
 * name to text.
 *
 * One file, a line per row: the path name, a blank, the value. The value has no line break. */
#pragma once

#include "common/base/macro.h"

/* 256 accounts, 32 volumes and 10000 folders of at most 512 bytes. */
#define ROW_STORE_FILE_MAX (8U * 1024U * 1024U)

typedef struct RowStore RowStore;

/* Reads the file, which may be missing. dir_fd must stay open and name valid as long as the store. 0;
 * -EBADMSG if the content is damaged; or a negative errno of the disk. */
int row_store_open(RowStore **ret, int dir_fd, const char *name);

/* NULL is allowed; returns NULL. Wipes the values from memory. */
RowStore *row_store_free(RowStore *s);
DEFINE_TRIVIAL_CLEANUP_FUNC(RowStore *, row_store_free);

/* The value, owned by the store and valid until the next change; NULL if there is none. */
const char *row_store_get(const RowStore *s, const char *path) _pure_;

/* Sets (NULL removes) and makes it durable; nothing is written if it was so. After an error the store is as
 * before. 0, -EINVAL for a path or value that the file cannot hold, -ENOMEM, or a negative errno of the
 * disk. */
int row_store_set(RowStore *s, const char *path, const char *value);

/* From now on row_store_set() changes memory alone, until row_store_flush() makes all of it durable in one
 * write: for many changes at once. flush: 0, -ENOMEM or a negative errno of the disk, then the next flush
 * tries again. */
void row_store_defer(RowStore *s);
int row_store_flush(RowStore *s);

/* Removes the rows of which exists() says that they are gone, in one write. 0 or as row_store_set(). */
int row_store_prune(RowStore *s, bool (*exists)(const char *path, void *userdata), void *userdata);
