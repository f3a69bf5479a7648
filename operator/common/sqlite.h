/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SQLite in the house's manner: negative errno, cleanup attributes, migrations, transactions.
 *
 * A connection belongs to one thread. Errors of SQLite become -EBUSY (the lock was not had within
 * SQLITE_BUSY_TIMEOUT_MSEC), -EEXIST (a constraint forbids it), -ENOSPC (disk full), -EIO, -EROFS,
 * -ENOMEM, -EBADMSG (not a database, or damaged), -EINVAL (the SQL is wrong); every function here may
 * return them. */
#pragma once

#include <sqlite3.h>

#include "common/base/macro.h"

/* A writer holds the lock for one small transaction; who waits longer than this has met a fault. */
#define SQLITE_BUSY_TIMEOUT_MSEC 10000

/* Closes it; NULL is allowed. No statement of it may be in use. */
void sqlite_close(sqlite3 *db);

static inline void sqlite_closep(sqlite3 **db) {
        sqlite_close(*db);
}

/* The statement was used: it waits for its next use, so that its SQL is compiled once. NULL is allowed. */
void sqlite_release(sqlite3_stmt *s);

static inline void sqlite_finalizep(sqlite3_stmt **s) {
        sqlite_release(*s);
}

/* Rolls back, unless sqlite_commit() was reached. */
static inline void sqlite_rollbackp(sqlite3 **db) {
        if (*db && !sqlite3_get_autocommit(*db))
                (void) sqlite3_exec(*db, "ROLLBACK", NULL, NULL, NULL);
}

#define _cleanup_sqlite_close_ _cleanup_(sqlite_closep)
#define _cleanup_sqlite_finalize_ _cleanup_(sqlite_finalizep)
/* "_cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;", for sqlite_begin(). */
#define _cleanup_sqlite_rollback_ _cleanup_(sqlite_rollbackp) _unused_

/* Opens or creates the database: write-ahead log, foreign keys enforced, every commit synced to disk.
 * migrations is a NULL-terminated list of SQL scripts; the n-th brings the schema from version n to n + 1
 * (PRAGMA user_version), each in a transaction of its own, so that several processes may open it at once.
 * NULL: the schema is left alone. The caller closes *ret. 0, -ENOTSUP if the schema is newer than this
 * program, or the errors above. */
int sqlite_open(const char *path, const char *const *migrations, sqlite3 **ret);

/* Prepares a statement and binds its parameters in order: one character of types per argument,
 *   s  const char *, text; NULL is SQL's NULL. Not copied: it must live until the statement is released
 *   i  int64_t
 *   b  const void *, size_t: a blob; not copied
 * The caller releases *ret (_cleanup_sqlite_finalize_). The connection keeps statements that are not in use,
 * one or two for each text, so sql should be constant. */
int sqlite_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, ...);

/* 1 if there is a row, 0 if the statement is done. */
int sqlite_step(sqlite3_stmt *s);

/* Prepares, binds as above, and runs a statement that returns no rows. Returns the number of rows
 * changed. */
int sqlite_run(sqlite3 *db, const char *sql, const char *types, ...);

/* Prepares, binds, and reads the integer in the first column of the first row. 0, or -ENOENT if there is
 * no row or the value is NULL. */
int sqlite_get_int(sqlite3 *db, int64_t *ret, const char *sql, const char *types, ...);

/* The same for text; *ret is the caller's. */
int sqlite_get_text(sqlite3 *db, char **ret, const char *sql, const char *types, ...);

/* A copy of a text column, NULL for SQL's NULL. 0 or -ENOMEM. */
int sqlite_column_dup(sqlite3_stmt *s, int column, char **ret);

/* A column as text that lives until the next step; NULL for SQL's NULL. */
static inline const char *sqlite_column_str(sqlite3_stmt *s, int column) {
        return (const char *) sqlite3_column_text(s, column);
}

/* Between transactions: whether the next ones need not be on disk when they are committed. They are when a later one
 * that is not lazy is, of this or of another connection: never is one there without all before it. */
void sqlite_set_lazy(sqlite3 *db, bool lazy);

/* Starts a transaction that may write (BEGIN IMMEDIATE: the lock is taken now, not half way). *ret_transaction becomes
 * db, for _cleanup_sqlite_rollback_. 0 or an error. */
int sqlite_begin(sqlite3 *db, sqlite3 **ret_transaction);

/* Ends it; when this returns 0 the changes are on disk. */
int sqlite_commit(sqlite3 *db);
