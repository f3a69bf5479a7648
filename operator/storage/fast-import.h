/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes objects and commits through git fast-import (its manual page has the format). Blocks. */
#pragma once

#include <stdio.h>

#include "common/base/macro.h"

typedef struct FastImport {
        FILE *to;
        pid_t pid;
} FastImport;

/* Starts it on the repository. 0 or a negative errno. */
int fast_import_start(const char *directory, FastImport *ret);
/* A blob. */
void fast_import_blob(FastImport *f, const void *data, size_t size);
/* Begins a commit on the ref, with from (NULL: none) as parent; entries follow. */
void fast_import_commit(
                FastImport *f,
                const char *ref,
                const char *from,
                const char *author,
                int64_t time,
                const char *message);
/* The same with its author and committer as they stand in another commit, "NAME <ADDRESS> TIME ZONE", and size bytes of
 * message. Without from it follows the one before on the ref, if there is one. */
void fast_import_copy_commit(
                FastImport *f,
                const char *ref,
                const char *from,
                const char *author,
                const char *committer,
                const char *message,
                size_t size);
/* The whole tree of the commit is this one. */
void fast_import_set_root(FastImport *f, const char *tree);
/* The commit has an empty tree until something is set. */
void fast_import_clear_root(FastImport *f);
/* Sets an entry of the tree to an object that is there. mode: octal digits. */
void fast_import_set(FastImport *f, const char *mode, const char *id, const char *path);
/* Sets it to a file with this content. */
void fast_import_set_content(FastImport *f, const char *path, const void *data, size_t size);
/* Removes an entry; one that is not there is no error. */
void fast_import_remove(FastImport *f, const char *path);
/* Ends it; only now refs have moved, or, after an error, nothing has. 0, -EIO. */
int fast_import_finish(FastImport *f);
