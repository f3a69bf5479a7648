/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of what administrators ordered: who, when, what, and how it ended. In the frontend's database; the
 * frontend writes it, and the command where it works without the frontend. */
#pragma once

#include <jansson.h>

#include "operator/common/sqlite.h"

/* Entries that are shown at once. */
#define AUDIT_SHOWN_MAX 1000U

/* Notes that who is about to order this; durable before anything happens. body may be NULL; its passwords
 * are not kept. 0 or an error of SQLite. */
int audit_begin(sqlite3 *db,
                int64_t now,
                const char *who,
                const char *method,
                const char *path,
                const json_t *body,
                int64_t *ret_id);
/* Notes the status with which it was answered. */
int audit_end(sqlite3 *db, int64_t id, unsigned status);

/* [{ "time", "who", "method", "path", "detail", "status" }], the newest first, those before the id if that
 * is above 0. *ret is the caller's. */
int audit_describe(sqlite3 *db, int64_t before, json_t **ret);
