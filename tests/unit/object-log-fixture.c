/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "tests/unit/object-log-fixture.h"

ObjectLog *log_open(LogFixture *f) {
        ObjectLog *l = NULL;

        assert_int_equal(object_log_open(&l, f->directory), 0);
        return l;
}

void log_reopen(LogFixture *f) {
        object_log_free(f->log);
        f->log = log_open(f);
}

int log_setup(void **state) {
        LogFixture *f = calloc(1, sizeof(*f));
        char template[] = "/tmp/test-object-log.XXXXXX";

        assert_non_null(mkdtemp(template));
        f->directory = strfmt("%s/objects", template);
        f->file = strfmt("%s/log", f->directory);
        f->log = log_open(f);
        *state = f;
        return 0;
}

int log_teardown(void **state) {
        LogFixture *f = *state;
        _cleanup_free_ char *command = strfmt(
                        "rm -rf '%.*s'", (int) (strrchr(f->directory, '/') - f->directory), f->directory);

        object_log_free(f->log);
        assert_int_equal(system(command), 0);
        free(f->directory);
        free(f->file);
        free(f);
        return 0;
}

SyncOid log_oid(unsigned n) {
        SyncOid oid;
        uint32_t x = n * 2654435761U + 1;

        for (size_t i = 0; i < sizeof(oid.bytes); i++) {
                x = x * 1664525U + 1013904223U;
                oid.bytes[i] = x >> 24;
        }
        return oid;
}

size_t log_make_tree(unsigned version, uint8_t *to) {
        uint8_t *p = to;

        for (unsigned i = 0; i < LOG_TREE_ENTRIES; i++) {
                unsigned changes = version / LOG_TREE_ENTRIES + (version % LOG_TREE_ENTRIES > i);
                SyncOid oid = log_oid(1000 + i * 1000 + changes);

                p += sprintf((char *) p, "100644 name of file %05u", i) + 1;
                p = mempcpy(p, oid.bytes, sizeof(oid.bytes));
        }
        return (size_t) (p - to);
}

void log_add_text(ObjectLog *l, unsigned n, const char *text) {
        SyncOid oid = log_oid(n);

        assert_int_equal(object_log_add(l, &oid, OBJECT_BLOB, text, strlen(text), NULL), 0);
}

void log_assert_text(ObjectLog *l, unsigned n, const char *text) {
        SyncOid oid = log_oid(n);
        _cleanup_free_ void *data = NULL;
        ObjectType type;
        size_t size;

        assert_int_equal(object_log_read(l, &oid, &type, &data, &size), 0);
        assert_int_equal(type, OBJECT_BLOB);
        assert_int_equal(size, strlen(text));
        assert_string_equal(data, text);
}

int log_has(ObjectLog *l, unsigned n) {
        SyncOid oid = log_oid(n);
        ObjectType type;
        size_t size;

        return object_log_stat(l, &oid, &type, &size);
}

void log_set(ObjectLog *l, const char *name, unsigned n) {
        SyncOid oid = log_oid(n);

        assert_int_equal(object_log_set_reference(l, name, &oid), 0);
}

int log_get(ObjectLog *l, const char *name) {
        SyncOid oid, other;

        if (object_log_get_reference(l, name, &oid) < 0)
                return -1;
        for (unsigned n = 0; n < 100; n++) {
                other = log_oid(n);
                if (sync_oid_equal(&oid, &other))
                        return (int) n;
        }
        return -1;
}

off_t log_file_size(const char *file) {
        struct stat st;

        assert_int_equal(stat(file, &st), 0);
        return st.st_size;
}
char *log_read_file(LogFixture *f, size_t *ret_size) {
        char *data;

        assert_int_equal(read_file(AT_FDCWD, f->file, 1 << 20, &data, ret_size), 0);
        return data;
}

void log_write_file(LogFixture *f, const char *data, size_t size) {
        _cleanup_close_ int fd = open(f->file, O_WRONLY | O_TRUNC | O_CREAT, 0600);

        assert_true(fd >= 0);
        assert_int_equal(loop_write(fd, data, size), 0);
}

size_t log_two_syncs(LogFixture *f) {
        size_t first;

        log_add_text(f->log, 1, "before");
        log_set(f->log, "refs/a", 1);
        log_set(f->log, "refs/b", 1);
        assert_int_equal(object_log_sync(f->log), 0);
        first = (size_t) log_file_size(f->file);
        log_add_text(f->log, 2, "behind");
        log_add_text(f->log, 3, "the last");
        log_set(f->log, "refs/a", 2);
        log_set(f->log, "refs/b", 3);
        assert_int_equal(object_log_sync(f->log), 0);
        return first;
}

void log_assert_consistent(LogFixture *f, bool whole) {
        log_reopen(f);
        log_assert_text(f->log, 1, "before");
        assert_int_equal(log_get(f->log, "refs/a"), whole ? 2 : 1);
        assert_int_equal(log_get(f->log, "refs/b"), whole ? 3 : 1);
        if (whole || log_has(f->log, 2) >= 0)
                log_assert_text(f->log, 2, "behind");
        log_add_text(f->log, 4, "afterwards");
        log_set(f->log, "refs/a", 4);
        assert_int_equal(object_log_sync(f->log), 0);
        log_reopen(f);
        log_assert_text(f->log, 1, "before");
        log_assert_text(f->log, 4, "afterwards");
        assert_int_equal(log_get(f->log, "refs/a"), 4);
}
void log_mark(ObjectLog *l, unsigned n, int expected) {
        SyncOid oid = log_oid(n);

        assert_int_equal(object_log_mark(l, &oid), expected);
}
