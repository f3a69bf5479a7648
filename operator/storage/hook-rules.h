/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be pushed: names of refs, the shape of the history, the quota. */
#pragma once

#include "common/base/macro.h"

#define REF_MAIN "refs/heads/main"
/* Refs in one push, those that are deleted included. */
#define REF_UPDATES_MAX 4096U
/* SHA-256's ids in hexadecimal; SHA-1's are shorter. */
#define OBJECT_ID_MAX 64U

typedef struct RefUpdate {
        char old_id[OBJECT_ID_MAX + 1];
        char new_id[OBJECT_ID_MAX + 1];
        const char *ref; /* points into the line */
} RefUpdate;

/* "<old> <new> <ref>", as githooks(5) has it. line lives as long as ret->ref. 0 or -EINVAL. */
int ref_update_parse(const char *line, RefUpdate *ret);

/* True for an id of zeros: the ref does not exist before, or after. */
bool object_id_is_null(const char *id);

/* Checks names and kind of an update: main may not be deleted, refs in the gateway's own staging namespace
 * (operator/storage/staging.h; NULL: it has none) may do anything, others do not exist. NULL if allowed, else a
 * word and a sentence for the gateway. Constant. */
const char *ref_update_refusal(const RefUpdate *u, const char *name_space);

/* Checks, by git in the current repository, that the update of main goes forward from the old tip and that
 * the new commits have one parent each. *ret_refusal as above; *ret_commits is how many are new, if that is NULL.
 * 0 or a negative errno. */
int history_refusal(const RefUpdate *u, const char **ret_refusal, uint64_t *ret_commits);

/* Bytes that the directory and what is below it take on disk. 0 or a negative errno. */
int directory_usage(const char *path, uint64_t *ret);
