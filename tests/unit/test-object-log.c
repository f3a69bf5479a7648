/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of objects and references: what survives of it, and what another process sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/object-log-internal.h"

#define TREE_ENTRIES 300U

typedef struct Fixture {
        char *directory;
        char *file;
        ObjectLog *log;
} Fixture;

static ObjectLog *open_log(Fixture *f) {
        ObjectLog *l = NULL;

        assert_int_equal(object_log_open(&l, f->directory), 0);
        return l;
}

static void reopen(Fixture *f) {
        object_log_free(f->log);
        f->log = open_log(f);
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        char template[] = "/tmp/test-object-log.XXXXXX";

        assert_non_null(mkdtemp(template));
        f->directory = strfmt("%s/objects", template);
        f->file = strfmt("%s/log", f->directory);
        f->log = open_log(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *command = strfmt("rm -rf '%.*s'", (int) (strrchr(f->directory, '/') - f->directory), f->directory);

        object_log_free(f->log);
        assert_int_equal(system(command), 0);
        free(f->directory);
        free(f->file);
        free(f);
        return 0;
}

/* Any 20 bytes name an object: the log does not hash. */
static SyncOid oid_of(unsigned n) {
        SyncOid oid;
        uint32_t x = n * 2654435761U + 1;

        for (size_t i = 0; i < sizeof(oid.bytes); i++) {
                x = x * 1664525U + 1013904223U;
                oid.bytes[i] = x >> 24;
        }
        return oid;
}

/* A tree of TREE_ENTRIES files, of which one changed with each version. */
static size_t make_tree(unsigned version, uint8_t *to) {
        uint8_t *p = to;

        for (unsigned i = 0; i < TREE_ENTRIES; i++) {
                unsigned changes = version / TREE_ENTRIES + (version % TREE_ENTRIES > i);
                SyncOid oid = oid_of(1000 + i * 1000 + changes);

                p += sprintf((char *) p, "100644 name of file %05u", i) + 1;
                p = mempcpy(p, oid.bytes, sizeof(oid.bytes));
        }
        return (size_t) (p - to);
}

static void add_text(ObjectLog *l, unsigned n, const char *text) {
        SyncOid oid = oid_of(n);

        assert_int_equal(object_log_add(l, &oid, OBJECT_BLOB, text, strlen(text), NULL), 0);
}

static void assert_text(ObjectLog *l, unsigned n, const char *text) {
        SyncOid oid = oid_of(n);
        _cleanup_free_ void *data = NULL;
        ObjectType type;
        size_t size;

        assert_int_equal(object_log_read(l, &oid, &type, &data, &size), 0);
        assert_int_equal(type, OBJECT_BLOB);
        assert_int_equal(size, strlen(text));
        assert_string_equal(data, text);
}

static int has(ObjectLog *l, unsigned n) {
        SyncOid oid = oid_of(n);
        ObjectType type;
        size_t size;

        return object_log_stat(l, &oid, &type, &size);
}

static void set(ObjectLog *l, const char *name, unsigned n) {
        SyncOid oid = oid_of(n);

        assert_int_equal(object_log_set_reference(l, name, &oid), 0);
}

/* The number of the object that the reference names, or -1. */
static int get(ObjectLog *l, const char *name) {
        SyncOid oid, other;

        if (object_log_get_reference(l, name, &oid) < 0)
                return -1;
        for (unsigned n = 0; n < 100; n++) {
                other = oid_of(n);
                if (sync_oid_equal(&oid, &other))
                        return (int) n;
        }
        return -1;
}

static off_t size_of(const char *file) {
        struct stat st;

        assert_int_equal(stat(file, &st), 0);
        return st.st_size;
}

static void what_is_synced_stays(void **state) {
        Fixture *f = *state;

        add_text(f->log, 1, "one");
        add_text(f->log, 2, "");
        set(f->log, "refs/a", 1);
        assert_text(f->log, 1, "one");
        assert_int_equal(get(f->log, "refs/a"), 1);
        assert_int_equal(object_log_sync(f->log), 0);
        add_text(f->log, 3, "not synced");
        set(f->log, "refs/a", 3);
        assert_int_equal(get(f->log, "refs/a"), 3);
        reopen(f);
        assert_text(f->log, 1, "one");
        assert_text(f->log, 2, "");
        assert_int_equal(has(f->log, 3), -ENOENT);
        assert_int_equal(get(f->log, "refs/a"), 1);
        assert_int_equal(get(f->log, "refs/b"), -1);
        assert_int_equal(object_log_set_reference(f->log, "refs/a", &(SyncOid) {}), 0);
        assert_int_equal(get(f->log, "refs/a"), -1);
        assert_int_equal(object_log_sync(f->log), 0);
        reopen(f);
        assert_int_equal(get(f->log, "refs/a"), -1);
}

static void processes_see_what_others_synced(void **state) {
        Fixture *f = *state;
        ObjectLog *other = open_log(f);

        for (unsigned i = 0; i < 20; i++) {
                ObjectLog *from = i % 2 ? f->log : other, *to = i % 2 ? other : f->log;
                off_t before;

                add_text(from, i, "text");
                set(from, "refs/a", i);
                assert_int_equal(has(to, i), -ENOENT);
                assert_int_equal(get(to, "refs/a"), (int) i - 1);
                assert_int_equal(object_log_sync(from), 0);
                assert_text(to, i, "text");
                assert_int_equal(get(to, "refs/a"), i);
                /* Nothing is stored twice. */
                before = size_of(f->file);
                add_text(to, i, "text");
                assert_int_equal(object_log_sync(to), 0);
                assert_int_equal(size_of(f->file), before);
        }
        object_log_free(other);
}

static void versions_of_a_tree_take_little(void **state) {
        Fixture *f = *state;
        uint8_t *tree = malloc(100 * TREE_ENTRIES);
        SyncOid previous;
        off_t first = 0;

        for (unsigned v = 0; v < 100; v++) {
                SyncOid oid = oid_of(v);
                size_t size = make_tree(v, tree);

                assert_int_equal(object_log_add(f->log, &oid, OBJECT_TREE, tree, size, v > 0 ? &previous : NULL), 0);
                previous = oid;
                assert_int_equal(object_log_sync(f->log), 0);
                if (v == 0)
                        first = size_of(f->file);
        }
        assert_true(first < (off_t) (TREE_ENTRIES * 24));
        /* One in 17 is whole. */
        assert_true(size_of(f->file) < first * 7 + 100 * 120);
        reopen(f);
        for (unsigned v = 0; v < 100; v++) {
                SyncOid oid = oid_of(v);
                size_t size, wanted = make_tree(v, tree);
                ObjectType type;
                void *data;

                assert_int_equal(object_log_read(f->log, &oid, &type, &data, &size), 0);
                assert_int_equal(type, OBJECT_TREE);
                assert_int_equal(size, wanted);
                assert_memory_equal(data, tree, size);
                free(data);
        }
        free(tree);
}

static void what_does_not_compress_is_stored(void **state) {
        Fixture *f = *state;
        size_t size = 3 << 20;
        uint8_t *noise = malloc(size);
        SyncOid oid = oid_of(1);
        ObjectType type;
        size_t n;
        void *data;

        for (size_t i = 0; i < size; i += SYNC_OID_SIZE) {
                SyncOid x = oid_of((unsigned) i);

                memcpy(noise + i, x.bytes, MIN(size - i, (size_t) SYNC_OID_SIZE));
        }
        assert_int_equal(object_log_add(f->log, &oid, OBJECT_BLOB, noise, size, NULL), 0);
        oid = oid_of(2);
        /* A tree only by its type. */
        assert_int_equal(object_log_add(f->log, &oid, OBJECT_TREE, noise, size, NULL), 0);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_true((size_t) size_of(f->file) < 2 * size + 200);
        reopen(f);
        assert_int_equal(object_log_read(f->log, &oid, &type, &data, &n), 0);
        assert_int_equal(n, size);
        assert_memory_equal(data, noise, size);
        assert_int_equal(object_log_add(f->log, &oid, OBJECT_BLOB, noise, OBJECT_LOG_OBJECT_MAX + 1, NULL), -E2BIG);
        free(data);
        free(noise);
}

static char *read_log(Fixture *f, size_t *ret_size) {
        char *data;

        assert_int_equal(read_file(AT_FDCWD, f->file, 1 << 20, &data, ret_size), 0);
        return data;
}

static void write_log(Fixture *f, const char *data, size_t size) {
        _cleanup_close_ int fd = open(f->file, O_WRONLY | O_TRUNC | O_CREAT, 0600);

        assert_true(fd >= 0);
        assert_int_equal(loop_write(fd, data, size), 0);
}

/* One sync, then a second one of two objects and two references. Returns the size after the first. */
static size_t two_syncs(Fixture *f) {
        size_t first;

        add_text(f->log, 1, "before");
        set(f->log, "refs/a", 1);
        set(f->log, "refs/b", 1);
        assert_int_equal(object_log_sync(f->log), 0);
        first = (size_t) size_of(f->file);
        add_text(f->log, 2, "behind");
        add_text(f->log, 3, "the last");
        set(f->log, "refs/a", 2);
        set(f->log, "refs/b", 3);
        assert_int_equal(object_log_sync(f->log), 0);
        return first;
}

/* Either all of the second sync or none of its references; and the log takes more. */
static void assert_consistent(Fixture *f, bool whole) {
        reopen(f);
        assert_text(f->log, 1, "before");
        assert_int_equal(get(f->log, "refs/a"), whole ? 2 : 1);
        assert_int_equal(get(f->log, "refs/b"), whole ? 3 : 1);
        if (whole || has(f->log, 2) >= 0)
                assert_text(f->log, 2, "behind");
        add_text(f->log, 4, "afterwards");
        set(f->log, "refs/a", 4);
        assert_int_equal(object_log_sync(f->log), 0);
        reopen(f);
        assert_text(f->log, 1, "before");
        assert_text(f->log, 4, "afterwards");
        assert_int_equal(get(f->log, "refs/a"), 4);
}

static void a_torn_tail_is_cut(void **state) {
        Fixture *f = *state;
        size_t first = two_syncs(f), size;
        _cleanup_free_ char *data = read_log(f, &size);

        for (size_t n = first; n <= size; n++) {
                write_log(f, data, n);
                assert_consistent(f, n == size);
        }
        /* The file system may have made the file longer before its data. */
        for (size_t n = first; n < size; n++) {
                _cleanup_free_ char *zeroed = calloc(1, size);

                memcpy(zeroed, data, n);
                write_log(f, zeroed, size);
                assert_consistent(f, false);
        }
}

static void a_damaged_tail_is_cut(void **state) {
        Fixture *f = *state;
        size_t first = two_syncs(f), size;
        _cleanup_free_ char *data = read_log(f, &size);

        for (size_t n = first; n < size; n++) {
                data[n] ^= 0x10;
                write_log(f, data, size);
                assert_consistent(f, false);
                data[n] ^= 0x10;
        }
}

static void a_log_that_is_none_is_refused(void **state) {
        Fixture *f = *state;
        static const char zero[64] = "", newer[64] = "ISPSLOG2";
        ObjectLog *l = NULL;

        write_log(f, newer, sizeof(newer));
        assert_int_equal(object_log_open(&l, f->directory), -EBADMSG);
        assert_null(l);
        /* It was being made when the power went. */
        write_log(f, zero, sizeof(zero));
        reopen(f);
        write_log(f, newer, 7);
        reopen(f);
        add_text(f->log, 1, "x");
        assert_int_equal(object_log_sync(f->log), 0);
}

static void a_full_disk_is_reported_and_recovered_from(void **state) {
        Fixture *f = *state;
        struct rlimit before, limit;
        ObjectLog *other = open_log(f);

        two_syncs(f);
        add_text(f->log, 4, "one more");
        set(f->log, "refs/a", 4);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        (void) signal(SIGXFSZ, SIG_IGN);
        limit = before;
        /* Room for a part of a record. */
        limit.rlim_cur = (rlim_t) size_of(f->file) + 20;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(object_log_sync(f->log), -EFBIG);
        assert_int_equal(size_of(f->file), limit.rlim_cur - 20);
        assert_int_equal(get(other, "refs/a"), 2);
        assert_int_equal(get(f->log, "refs/a"), 4);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_int_equal(get(other, "refs/a"), 4);
        assert_text(other, 4, "one more");
        object_log_free(other);
}

static void mark(ObjectLog *l, unsigned n, int expected) {
        SyncOid oid = oid_of(n);

        assert_int_equal(object_log_mark(l, &oid), expected);
}

static void compaction_keeps_what_is_marked(void **state) {
        Fixture *f = *state;
        ObjectLog *other = open_log(f);
        uint8_t *tree = malloc(100 * TREE_ENTRIES);
        SyncOid previous = oid_of(10), last = oid_of(11);
        size_t size = make_tree(0, tree), n;
        ObjectType type;
        void *data;

        two_syncs(f);
        assert_int_equal(object_log_add(f->log, &previous, OBJECT_TREE, tree, size, NULL), 0);
        size = make_tree(1, tree);
        assert_int_equal(object_log_add(f->log, &last, OBJECT_TREE, tree, size, &previous), 0);
        assert_int_equal(object_log_add(f->log, &(SyncOid) { { 1 } }, OBJECT_BLOB, tree, size, NULL), 0);
        set(f->log, "refs/c", 1);
        assert_int_equal(object_log_sync(f->log), 0);
        add_text(f->log, 20, "of a fetch that is not over");
        assert_int_equal(object_log_sync(f->log), 0);
        assert_text(other, 1, "before");

        assert_int_equal(object_log_compact_begin(f->log), 1);
        mark(f->log, 1, 1);
        mark(f->log, 1, 0);
        mark(f->log, 11, 1);
        mark(f->log, 50, -ENOENT);
        assert_true(object_log_marked_size(f->log) > 0);
        assert_int_equal(object_log_compact_finish(f->log), 0);
        assert_int_equal(object_log_size(f->log), size_of(f->file));
        assert_int_equal(object_log_compacted_size(f->log), size_of(f->file));

        for (unsigned i = 0; i < 3; i++) {
                ObjectLog *l = i == 0 ? f->log : i == 1 ? other : (reopen(f), f->log);

                assert_int_equal(get(l, "refs/a"), 2);
                assert_int_equal(get(l, "refs/b"), 3);
                assert_text(l, 20, "of a fetch that is not over");
                assert_text(l, 1, "before");
                /* Who had the old file may see the objects until it needs the new one. */
                if (l != other) {
                        assert_int_equal(has(l, 2), -ENOENT);
                        assert_int_equal(has(l, 10), -ENOENT);
                }
                assert_int_equal(object_log_read(l, &last, &type, &data, &n), 0);
                assert_int_equal(n, size);
                assert_memory_equal(data, tree, size);
                free(data);
        }
        /* What the other adds now goes into the new file. */
        add_text(other, 30, "new");
        set(other, "refs/a", 30);
        assert_int_equal(object_log_sync(other), 0);
        assert_text(f->log, 30, "new");
        assert_int_equal(get(f->log, "refs/a"), 30);
        object_log_free(other);
        free(tree);
}

static void nothing_goes_that_another_relies_on(void **state) {
        Fixture *f = *state;
        ObjectLog *other = open_log(f);
        SyncOid oid = oid_of(2);

        two_syncs(f);
        assert_true(object_log_has(other, &oid));
        assert_int_equal(object_log_compact_begin(f->log), 0);
        set(other, "refs/c", 2);
        assert_int_equal(object_log_sync(other), 0);
        assert_int_equal(object_log_compact_begin(f->log), 1);
        object_log_compact_abort(f->log);
        add_text(other, 40, "text");
        assert_int_equal(object_log_compact_begin(f->log), 0);
        object_log_free(other);
        assert_int_equal(object_log_compact_begin(f->log), 1);
        assert_int_equal(object_log_compact_finish(f->log), 0);
        assert_int_equal(has(f->log, 2), -ENOENT);
        assert_int_equal(get(f->log, "refs/c"), 2);
}

static void a_full_disk_stops_no_compaction_halfway(void **state) {
        Fixture *f = *state;
        struct rlimit before, limit;
        _cleanup_free_ char *new = strfmt("%s.new", f->file);

        two_syncs(f);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        (void) signal(SIGXFSZ, SIG_IGN);
        limit = before;
        limit.rlim_cur = 100;
        assert_int_equal(object_log_compact_begin(f->log), 1);
        mark(f->log, 2, 1);
        mark(f->log, 1, 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(object_log_compact_finish(f->log), -EFBIG);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(access(new, F_OK), -1);
        assert_consistent(f, true);
}

static void a_store_that_is_removed_is_empty(void **state) {
        Fixture *f = *state;

        two_syncs(f);
        assert_int_equal(unlink(f->file), 0);
        assert_int_equal(rmdir(f->directory), 0);
        assert_text(f->log, 1, "before");
        add_text(f->log, 4, "x");
        assert_int_equal(object_log_sync(f->log), -ESTALE);
        reopen(f);
        assert_int_equal(has(f->log, 1), -ENOENT);
        assert_int_equal(get(f->log, "refs/a"), -1);
}

static void the_index_is_small(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 50000; i++)
                add_text(f->log, i, "x");
        assert_int_equal(object_log_sync(f->log), 0);
        assert_true(f->log->index.n == 50000);
        assert_true(f->log->index.n_slots * sizeof(*f->log->index.slots) <= f->log->index.n * 28);
        assert_true(f->log->pending.allocated <= 2 * OBJECT_LOG_PENDING_MAX);
        reopen(f);
        for (unsigned i = 0; i < 50000; i += 997)
                assert_text(f->log, i, "x");
        assert_int_equal(has(f->log, 50001), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_synced_stays, setup, teardown),
                cmocka_unit_test_setup_teardown(processes_see_what_others_synced, setup, teardown),
                cmocka_unit_test_setup_teardown(versions_of_a_tree_take_little, setup, teardown),
                cmocka_unit_test_setup_teardown(what_does_not_compress_is_stored, setup, teardown),
                cmocka_unit_test_setup_teardown(a_torn_tail_is_cut, setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_tail_is_cut, setup, teardown),
                cmocka_unit_test_setup_teardown(a_log_that_is_none_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_full_disk_is_reported_and_recovered_from, setup, teardown),
                cmocka_unit_test_setup_teardown(compaction_keeps_what_is_marked, setup, teardown),
                cmocka_unit_test_setup_teardown(nothing_goes_that_another_relies_on, setup, teardown),
                cmocka_unit_test_setup_teardown(a_full_disk_stops_no_compaction_halfway, setup, teardown),
                cmocka_unit_test_setup_teardown(a_store_that_is_removed_is_empty, setup, teardown),
                cmocka_unit_test_setup_teardown(the_index_is_small, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
