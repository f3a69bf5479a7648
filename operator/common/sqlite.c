/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/str.h"
#include "operator/common/sqlite.h"

/* One for all: what the callers can tell apart is in the header. */
static int sqlite_errno(int rc) {
        switch (rc & 0xff) {
        case SQLITE_OK:
        case SQLITE_DONE:
        case SQLITE_ROW:
                return 0;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EBADMSG;
        case SQLITE_ERROR:
        case SQLITE_MISUSE:
        case SQLITE_RANGE:
                return -EINVAL;
        default:
                return -EIO;
        }
}

static int run_script(sqlite3 *db, const char *sql) {
        return sqlite_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* Applies one migration unless another process did so meanwhile. Returns 1 if the schema is at the last
 * version. */
static int migrate_step(sqlite3 *db, const char *const *migrations, int64_t n_migrations) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;
        char pragma[64];
        int64_t version;
        int r;

        r = sqlite_begin(db, &transaction);
        if (r >= 0)
                r = sqlite_get_int(db, &version, "PRAGMA user_version", "");
        if (r < 0)
                return r;
        if (version > n_migrations)
                return -ENOTSUP;
        if (version == n_migrations)
                return 1;
        r = run_script(db, migrations[version]);
        if (r < 0)
                return r;
        (void) snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %lld", (long long) version + 1);
        r = run_script(db, pragma);
        if (r < 0)
                return r;
        return sqlite_commit(db);
}

static int migrate(sqlite3 *db, const char *const *migrations) {
        int64_t n_migrations = 0, version;
        int r;

        while (migrations[n_migrations])
                n_migrations++;
        /* A read is enough in the usual case, and does not wait for a writer. */
        r = sqlite_get_int(db, &version, "PRAGMA user_version", "");
        if (r < 0 || version == n_migrations)
                return r;
        do
                r = migrate_step(db, migrations, n_migrations);
        while (r == 0);
        return r < 0 ? r : 0;
}

int sqlite_open(const char *path, const char *const *migrations, sqlite3 **ret) {
        _cleanup_sqlite_close_ sqlite3 *db = NULL;
        int r;

        r = sqlite_errno(sqlite3_open_v2(
                        path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
        if (r < 0)
                return r;
        (void) sqlite3_extended_result_codes(db, 1);
        (void) sqlite3_busy_timeout(db, SQLITE_BUSY_TIMEOUT_MSEC);
        r = run_script(db,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
        if (r < 0)
                return r;
        if (migrations) {
                r = migrate(db, migrations);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(db);
        return 0;
}

static int bind_all(sqlite3_stmt *s, const char *types, va_list ap) {
        int rc = SQLITE_OK;

        for (int i = 1; *types && rc == SQLITE_OK; types++, i++)
                switch (*types) {
                case 's':
                        rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
                        break;
                case 'i':
                        rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
                        break;
                case 'b': {
                        const void *data = va_arg(ap, const void *);

                        rc = sqlite3_bind_blob64(s, i, data, va_arg(ap, size_t), SQLITE_STATIC);
                        break;
                }
                default:
                        assert(!"unknown type of an SQL parameter");
                }
        return sqlite_errno(rc);
}

void sqlite_release(sqlite3_stmt *s) {
        if (!s)
                return;
        (void) sqlite3_reset(s);
        (void) sqlite3_clear_bindings(s);
        /* One that never ran could be taken for one in use: find_idle(). */
        if (sqlite3_stmt_status(s, SQLITE_STMTSTATUS_RUN, 0) == 0)
                (void) sqlite3_finalize(s);
}

void sqlite_close(sqlite3 *db) {
        sqlite3_stmt *s;

        if (!db)
                return;
        while ((s = sqlite3_next_stmt(db, NULL)))
                (void) sqlite3_finalize(s);
        (void) sqlite3_close(db);
}

/* A statement of this text that is not in use: it is not in the middle of its rows, and has run since it was
 * last handed out. (One that ran to its end and was not released yet may be handed out, too: nothing is to
 * be had of it any more, and who has it now is done with it before.) */
static sqlite3_stmt *find_idle(sqlite3 *db, const char *sql) {
        for (sqlite3_stmt *s = sqlite3_next_stmt(db, NULL); s; s = sqlite3_next_stmt(db, s))
                if (!sqlite3_stmt_busy(s) && sqlite3_stmt_status(s, SQLITE_STMTSTATUS_RUN, 0) > 0 &&
                    streq(sqlite3_sql(s), sql)) {
                        (void) sqlite3_reset(s);
                        (void) sqlite3_stmt_status(s, SQLITE_STMTSTATUS_RUN, 1);
                        return s;
                }
        return NULL;
}

static int prepare_va(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, va_list ap) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *s = NULL;
        int r;

        s = find_idle(db, sql);
        if (!s) {
                r = sqlite_errno(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL));
                if (r < 0)
                        return r;
        }
        assert(sqlite3_bind_parameter_count(s) == (int) strlen(types));
        r = bind_all(s, types, ap);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int sqlite_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = prepare_va(db, ret, sql, types, ap);
        va_end(ap);
        return r;
}

int sqlite_step(sqlite3_stmt *s) {
        int rc = sqlite3_step(s);

        return rc == SQLITE_ROW ? 1 : sqlite_errno(rc);
}

int sqlite_run(sqlite3 *db, const char *sql, const char *types, ...) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *s = NULL;
        int before = sqlite3_total_changes(db), r;
        va_list ap;

        va_start(ap, types);
        r = prepare_va(db, &s, sql, types, ap);
        va_end(ap);
        if (r < 0)
                return r;
        r = sqlite_step(s);
        if (r < 0)
                return r;
        return sqlite3_total_changes(db) - before;
}

/* The first row; -ENOENT if there is none, or its first column is NULL. */
static int get_row(sqlite3 *db, sqlite3_stmt **ret, const char *sql, const char *types, va_list ap) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *s = NULL;
        int r;

        r = prepare_va(db, &s, sql, types, ap);
        if (r >= 0)
                r = sqlite_step(s);
        if (r < 0)
                return r;
        if (r == 0 || sqlite3_column_type(s, 0) == SQLITE_NULL)
                return -ENOENT;
        *ret = TAKE_PTR(s);
        return 0;
}

int sqlite_get_int(sqlite3 *db, int64_t *ret, const char *sql, const char *types, ...) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *s = NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = get_row(db, &s, sql, types, ap);
        va_end(ap);
        if (r >= 0)
                *ret = sqlite3_column_int64(s, 0);
        return r;
}

int sqlite_get_text(sqlite3 *db, char **ret, const char *sql, const char *types, ...) {
        _cleanup_sqlite_finalize_ sqlite3_stmt *s = NULL;
        va_list ap;
        int r;

        va_start(ap, types);
        r = get_row(db, &s, sql, types, ap);
        va_end(ap);
        return r < 0 ? r : sqlite_column_dup(s, 0, ret);
}

int sqlite_column_dup(sqlite3_stmt *s, int column, char **ret) {
        const char *text = sqlite_column_str(s, column);
        char *copy = NULL;

        if (text) {
                copy = strdup(text);
                if (!copy)
                        return -ENOMEM;
        } else if (sqlite3_column_type(s, column) != SQLITE_NULL)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

void sqlite_set_lazy(sqlite3 *db, bool lazy) {
        /* Takes effect when it is compiled, so it must not be a statement that is kept. */
        (void) sqlite3_exec(db, lazy ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", NULL, NULL, NULL);
}

int sqlite_begin(sqlite3 *db, sqlite3 **ret_transaction) {
        int r = sqlite_run(db, "BEGIN IMMEDIATE", "");

        if (r < 0)
                return r;
        *ret_transaction = db;
        return 0;
}

int sqlite_commit(sqlite3 *db) {
        int r = sqlite_run(db, "COMMIT", "");

        return r < 0 ? r : 0;
}
