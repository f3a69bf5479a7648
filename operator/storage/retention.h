/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lets old versions of the current repository (GIT_DIR) expire, as docs/repository-format.md, "Retention", says: main's
 * history is written anew with as many commits, and those that a policy does not keep show what the last kept one
 * before them does. Blocks. */
#pragma once

#include "operator/common/retention-policy.h"

/* Here the old history stays reachable for a while, as "<time>-<tip>" with the time when it was replaced (seconds since
 * 1970): what gateways fetch just now, or were about to, is there. */
#define RETENTION_REFS "refs/retention/"
#define RETENTION_KEEP_SEC (14 * 86400)

typedef struct Retention {
        RetentionPolicy policy;
        int64_t now;  /* seconds since 1970 */
        bool dry_run; /* only tell what would expire */
        bool at_once; /* the old history need not stay, nor those that were replaced before */
} Retention;

typedef struct RetentionResult {
        size_t n_versions;
        size_t n_expired; /* of which something is not reachable any more */
        int64_t oldest, newest; /* times of these; 0: there are none */
        uint64_t bytes;   /* about what they take on disk, beyond what the others need */
} RetentionResult;

/* A push that comes between makes it begin anew. 0; -EAGAIN if main kept moving; -EBADMSG if main cannot be read as
 * linear history; -EIO if git failed; or another negative errno. */
int retention_apply(const char *directory, const Retention *retention, RetentionResult *ret);

/* Removes the replaced histories that have waited long enough, and what an interrupted run has left; *n is increased by
 * the number of references. 0 or a negative errno. */
int retention_expire(int64_t now, unsigned *n);
