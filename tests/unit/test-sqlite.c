/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/common/sqlite.h"

static const char *const migrations_1[] = {
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;"
        "CREATE TABLE child (parent INTEGER NOT NULL REFERENCES parent(id)) STRICT;",
        NULL,
};
static const char *const migrations_2[] = {
        "SELECT this_must_not_run_again;",
        "ALTER TABLE parent ADD COLUMN note TEXT;",
        NULL,
};
static const char *const migrations_broken[] = {
        "CREATE TABLE first (x); CREATE TABLE first (x);",
        NULL,
};

typedef struct Fixture {
        char dir[32];
        char path[64];
} Fixture;

static int setup(void **state) {
        static Fixture f;

        strcpy(f.dir, "/tmp/test-sqlite-XXXXXX");
        if (!mkdtemp(f.dir))
                return -1;
        (void) snprintf(f.path, sizeof(f.path), "%s/db", f.dir);
        *state = &f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        char path[80];

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                (void) snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
                (void) unlink(path);
        }
        return rmdir(f->dir);
}

static void migrations_are_applied_once_and_in_order(void **state) {
        Fixture *f = *state;
        int64_t version;

        for (int i = 0; i < 2; i++) {
                _cleanup_sqlite_close_ sqlite3 *db = NULL;

                assert_int_equal(sqlite_open(f->path, migrations_1, &db), 0);
                assert_int_equal(sqlite_get_int(db, &version, "PRAGMA user_version", ""), 0);
                assert_int_equal(version, 1);
        }
        for (int i = 0; i < 2; i++) {
                _cleanup_sqlite_close_ sqlite3 *db = NULL;

                assert_int_equal(sqlite_open(f->path, migrations_2, &db), 0);
                assert_int_equal(sqlite_run(db, "INSERT INTO parent (note) VALUES ('x')", ""), 1);
        }
}

static void an_older_program_refuses_a_newer_schema(void **state) {
        Fixture *f = *state;
        _cleanup_sqlite_close_ sqlite3 *db = NULL, *old = NULL;

        assert_int_equal(sqlite_open(f->path, migrations_1, &db), 0);
        db = (sqlite_closep(&db), NULL);
        assert_int_equal(sqlite_open(f->path, migrations_2, &db), 0);
        assert_int_equal(sqlite_open(f->path, migrations_1, &old), -ENOTSUP);
        assert_null(old);
}

static void a_failed_migration_leaves_nothing(void **state) {
        Fixture *f = *state;
        _cleanup_sqlite_close_ sqlite3 *db = NULL;
        int64_t n;

        assert_int_equal(sqlite_open(f->path, migrations_broken, &db), -EINVAL);
        assert_int_equal(sqlite_open(f->path, NULL, &db), 0);
        assert_int_equal(sqlite_get_int(db, &n, "SELECT count(*) FROM sqlite_master", ""), 0);
        assert_int_equal(n, 0);
}

static void values_come_back_as_bound(void **state) {
        Fixture *f = *state;
        _cleanup_sqlite_close_ sqlite3 *db = NULL;
        _cleanup_sqlite_finalize_ sqlite3_stmt *s = NULL;
        _cleanup_free_ char *text = NULL;
        int64_t i;

        assert_int_equal(sqlite_open(f->path, NULL, &db), 0);
        assert_int_equal(sqlite_prepare(db, &s, "SELECT ?, ?, ?, ?", "sisb", "a'b", INT64_MIN, NULL, "\0x", 2UL), 0);
        assert_int_equal(sqlite_step(s), 1);
        assert_string_equal(sqlite_column_str(s, 0), "a'b");
        assert_true(sqlite3_column_int64(s, 1) == INT64_MIN);
        assert_null(sqlite_column_str(s, 2));
        assert_int_equal(sqlite3_column_bytes(s, 3), 2);
        assert_int_equal(sqlite_step(s), 0);

        assert_int_equal(sqlite_get_text(db, &text, "SELECT ?", "s", "x"), 0);
        assert_string_equal(text, "x");
        assert_int_equal(sqlite_get_int(db, &i, "SELECT NULL", ""), -ENOENT);
        assert_int_equal(sqlite_get_int(db, &i, "SELECT 1 WHERE 0", ""), -ENOENT);
        assert_int_equal(sqlite_run(db, "SELECT nonsense", ""), -EINVAL);
}

static void constraints_hold(void **state) {
        Fixture *f = *state;
        _cleanup_sqlite_close_ sqlite3 *db = NULL;

        assert_int_equal(sqlite_open(f->path, migrations_1, &db), 0);
        assert_int_equal(sqlite_run(db, "INSERT INTO parent (name) VALUES (?)", "s", "a"), 1);
        assert_int_equal(sqlite_run(db, "INSERT INTO parent (name) VALUES (?)", "s", "a"), -EEXIST);
        assert_int_equal(sqlite_run(db, "INSERT OR IGNORE INTO parent (name) VALUES (?)", "s", "a"), 0);
        assert_int_equal(sqlite_run(db, "INSERT INTO child VALUES (?)", "i", (int64_t) 77), -EEXIST);
}

static void insert_and_fail(sqlite3 *db) {
        _cleanup_sqlite_rollback_ sqlite3 *transaction = NULL;

        assert_int_equal(sqlite_begin(db, &transaction), 0);
        assert_int_equal(sqlite_run(db, "INSERT INTO parent (name) VALUES ('lost')", ""), 1);
}

static void a_transaction_that_is_left_early_is_rolled_back(void **state) {
        Fixture *f = *state;
        _cleanup_sqlite_close_ sqlite3 *db = NULL, *other = NULL;
        sqlite3 *transaction;
        int64_t n;

        assert_int_equal(sqlite_open(f->path, migrations_1, &db), 0);
        assert_int_equal(sqlite_open(f->path, migrations_1, &other), 0);
        insert_and_fail(db);
        assert_int_equal(sqlite_begin(db, &transaction), 0);
        assert_int_equal(sqlite_run(db, "INSERT INTO parent (name) VALUES ('kept')", ""), 1);
        assert_int_equal(sqlite_commit(db), 0);
        assert_int_equal(sqlite_get_int(other, &n, "SELECT count(*) FROM parent WHERE name = 'kept'", ""), 0);
        assert_int_equal(n, 1);
        assert_int_equal(sqlite_get_int(other, &n, "SELECT count(*) FROM parent", ""), 0);
        assert_int_equal(n, 1);
}

static void a_file_that_is_no_database_is_refused(void **state) {
        Fixture *f = *state;
        _cleanup_fclose_ FILE *file = fopen(f->path, "we");
        sqlite3 *db = NULL;

        assert_non_null(file);
        for (int i = 0; i < 100; i++)
                (void) fputs("this is not a database ", file);
        (void) fflush(file);
        assert_int_equal(sqlite_open(f->path, migrations_1, &db), -EBADMSG);
        assert_null(db);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(migrations_are_applied_once_and_in_order, setup, teardown),
                cmocka_unit_test_setup_teardown(an_older_program_refuses_a_newer_schema, setup, teardown),
                cmocka_unit_test_setup_teardown(a_failed_migration_leaves_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(values_come_back_as_bound, setup, teardown),
                cmocka_unit_test_setup_teardown(constraints_hold, setup, teardown),
                cmocka_unit_test_setup_teardown(a_transaction_that_is_left_early_is_rolled_back, setup, teardown),
                cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
