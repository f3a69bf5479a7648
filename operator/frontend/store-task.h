/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on a repository that takes its time: maintenance, checks, publications, retention. It survives a restart: what
 * was not finished is done again, and each kind of work may be. Errors as in operator/frontend/store.h. */
#pragma once

#include "common/base/str.h"
#include "operator/common/sqlite.h"

/* The kinds are verbs of ispstorage-repository. */
typedef struct Task {
        int64_t id;
        char *subscription;
        char *kind;
        char *arguments; /* JSON array of strings, for the program */
        char *state;     /* "waiting", "running", "done", "failed" */
        char *result;    /* JSON text, or NULL */
        int64_t created, finished;
} Task;

Task *task_free(Task *t);
DEFINE_TRIVIAL_CLEANUP_FUNC(Task *, task_free);

/* Tasks and their results are kept for this long. */
#define TASK_KEEP_SEC (30 * 86400)

/* Each function returns 0 unless it says otherwise, or a negative errno (sqlite.h). Times are seconds since 1970,
 * UTC. */

/* arguments: a JSON array of strings. ret_id may be NULL. */
int store_task_insert(
                sqlite3 *db,
                const char *subscription,
                const char *kind,
                const char *arguments,
                int64_t now,
                int64_t *ret_id);
/* *ret is the caller's. Also -ENOENT. */
int store_task_load(sqlite3 *db, int64_t id, Task **ret);
/* Copying to the mirror takes as long as the mirror likes, and nothing else may wait for it: it is a class
 * of its own. */
bool task_is_mirror(const Task *t);
/* The oldest of its class that waits, for a subscription of which none of that class is running. 1 with
 * *ret, 0 if there is none. */
int store_task_next(sqlite3 *db, bool mirror, Task **ret);
/* state: "running", "done", "failed". A maintenance that is done counts for its subscription. */
int store_task_set(sqlite3 *db, const Task *t, const char *state, const char *result, int64_t now);
/* After a start nothing is running. */
int store_task_restart(sqlite3 *db);
/* Orders maintenance for at most max subscriptions whose last one is older than interval, or since which
 * main has moved by n or more. */
int store_task_insert_maintenance(sqlite3 *db, int64_t now, int64_t interval, uint64_t n, unsigned max);
/* Orders a copy to the mirror for the subscription (NULL: for all) if main has moved since the last one. One
 * that failed is tried again after some minutes. */
int store_task_insert_mirror(sqlite3 *db, const char *subscription, int64_t now);
/* Deletes those that ended more than TASK_KEEP_SEC ago. */
int store_task_expire(sqlite3 *db, int64_t now);
