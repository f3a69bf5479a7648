/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any version of a folder, or of a part of it, as a tar archive of plain files: large files assembled, names
 * as their users gave them. */
#pragma once

#include "operator/storage/tar-writer.h"

/* version: "" for main's tip, "<n>" for the n-th revision, an object id of 40 digits that is in main's
 * history, or a time as "2026-01-31T23:59:59Z" (main as it was then). *ret_commit is the caller's. 0,
 * -ENOENT if main has no such version, -EINVAL if it is none of these. */
int export_resolve(const char *version, char **ret_commit);

/* Writes what path ("" for all; relative to the folder, "/" between components) was in the commit; a file or
 * a directory by its own name. 0, -ENOENT if there is no such path, -EBADMSG if the tree is of a format that
 * this program does not know, or another negative errno. */
int export_tar(const char *commit, const char *path, TarWriter *t);
