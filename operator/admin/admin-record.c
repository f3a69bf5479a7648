/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit log's entries of what is done on the host itself, with or without a frontend. */
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/admin/admin-record.h"

#define BUSY_TIMEOUT_MSEC 10000

/* Runs a statement whose parameters are bound. */
static int execute(sqlite3 *db, sqlite3_stmt *statement, int64_t *ret_id) {
        int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;

        (void) sqlite3_finalize(statement);
        if (rc == SQLITE_DONE && ret_id)
                *ret_id = sqlite3_last_insert_rowid(db);
        return rc == SQLITE_DONE ? 0 : -EIO;
}

static sqlite3 *open_database(const char *path) {
        sqlite3 *db = NULL;

        if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
                (void) sqlite3_close(db);
                return NULL;
        }
        (void) sqlite3_busy_timeout(db, BUSY_TIMEOUT_MSEC);
        return db;
}

static void complain(int r, const char *database) {
        if (r < 0)
                (void) log_error_errno(r, "%s: the audit log cannot be written: %m", database);
}

void record_begin(const char *database, const char *what, const char *directory, int64_t *ret_id) {
        _cleanup_free_ char *who = strfmt("uid %u", (unsigned) getuid());
        sqlite3 *db = open_database(database);
        sqlite3_stmt *statement = NULL;
        int r;

        if (!who)
                r = -ENOMEM;
        else if (!db || sqlite3_prepare_v2(db,
                                           "INSERT INTO audit (time, who, method, path) VALUES (?, ?, ?, ?)",
                                           -1,
                                           &statement,
                                           NULL) != SQLITE_OK)
                r = -EIO;
        else {
                (void) sqlite3_bind_int64(statement, 1, (int64_t) time(NULL));
                (void) sqlite3_bind_text(statement, 2, who, -1, SQLITE_STATIC);
                (void) sqlite3_bind_text(statement, 3, what, -1, SQLITE_STATIC);
                (void) sqlite3_bind_text(statement, 4, directory, -1, SQLITE_STATIC);
                r = execute(db, statement, ret_id);
        }
        (void) sqlite3_close(db);
        complain(r, database);
}

void record_end(const char *database, int64_t id, bool done) {
        sqlite3 *db = open_database(database);
        sqlite3_stmt *statement = NULL;
        int r = -EIO;

        if (db && sqlite3_prepare_v2(
                                  db, "UPDATE audit SET status = ? WHERE id = ?", -1, &statement, NULL) == SQLITE_OK) {
                (void) sqlite3_bind_int64(statement, 1, done ? 200 : 500);
                (void) sqlite3_bind_int64(statement, 2, id);
                r = execute(db, statement, NULL);
        }
        (void) sqlite3_close(db);
        complain(r, database);
}
