/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of files as names of git tree entries, and back (docs/repository-format.md, "Names"). */
#pragma once

#include "common/base/macro.h"

/* The longest name of a file that Linux knows (NAME_MAX); with every byte escaped it is three times as
 * long, plus the mark. */
#define GIT_NAME_FILE_MAX 255U
#define GIT_NAME_STORED_MAX (3U * GIT_NAME_FILE_MAX + 1U)

/* The byte that every name begins with that is not stored as it is. What begins with it and is not the
 * canonical escape of a name is reserved for marks of later formats. */
#define GIT_NAME_MARK '%'

/* True if git, or the fsck of a receiving git, could refuse the name, or if it begins with GIT_NAME_MARK:
 * what a case-folding or Unicode-ignoring file system takes for ".git..." or "git~...", and what holds a
 * backslash. name is one component of a path. */
bool git_name_needs_escape(const char *name) _pure_;

/* Makes the name of the tree entry. *ret is the caller's. 0, -EINVAL if name is no file's name ("", ".",
 * "..", one with a slash, one longer than GIT_NAME_FILE_MAX), -ENOMEM. */
int git_name_escape(const char *name, char **ret);

/* The way back. *ret is the caller's. 0; -EBADMSG if git_name_escape() does not make such a name, so that
 * the entry must come from a newer format or from another program; -ENOMEM. */
int git_name_unescape(const char *stored, char **ret);
