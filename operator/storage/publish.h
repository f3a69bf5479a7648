/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Publication: the operator puts files into a container (paper, IV.C). A file is stored once on this host,
 * in the repository of all that was published, from which the containers borrow it (git's alternates). */
#pragma once

#include "common/base/macro.h"
#include "operator/common/repository-program.h"

/* Longest path in the folder. */
#define PUBLISH_PATH_MAX 4095U

typedef struct PublishFile {
        const char *file; /* its name in the spool */
        const char *path; /* in the folder */
} PublishFile;

/* Commits the files into the repository that is <repositories>/<subscription>.git, on top of main, in place
 * of what was there under their names. What is there already is left alone: then there is no commit. *ret_n
 * is how many files are new or changed. 0, -EINVAL for a path that no file can have, -EISDIR if a directory
 * has that name, -ENOTDIR if a directory of the path is a file, -EPROTO if a large file is for a folder of
 * version 0, -EAGAIN if main kept moving, -ENOENT if a file is not in the spool, or another negative errno.
 * *ret_path is the path that was at fault, or NULL. */
int publish(const char *directory,
            const PublishFile *files,
            size_t n_files,
            unsigned *ret_n,
            const char **ret_path);
