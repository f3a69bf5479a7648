/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The repository of all that was published on this host. */
#pragma once

#include "common/base/macro.h"
#include "operator/storage/hook-rules.h"

typedef struct PublishedFile {
        char id[OBJECT_ID_MAX + 1]; /* of the blob, or of the tree of groups */
        bool chunked;
} PublishedFile;

/* Brings a file of the spool into the repository <repositories>/PUBLISHED_REPOSITORY, which is made if it is
 * not there, unless it was brought already. 0, -ENOENT, or another negative errno. */
int published_import(const char *repositories, const char *file, PublishedFile *ret);

/* Lets the repository borrow the objects. 0 or a negative errno. */
int published_borrow(const char *directory);
