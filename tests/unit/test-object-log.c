/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of objects and references: what stays of it, and what another process sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/str.h"
#include "tests/unit/object-log-fixture.h"

static void what_is_synced_stays(void **state) {
        LogFixture *f = *state;

        log_add_text(f->log, 1, "one");
        log_add_text(f->log, 2, "");
        log_set(f->log, "refs/a", 1);
        log_assert_text(f->log, 1, "one");
        assert_int_equal(log_get(f->log, "refs/a"), 1);
        assert_int_equal(object_log_sync(f->log), 0);
        log_add_text(f->log, 3, "not synced");
        log_set(f->log, "refs/a", 3);
        assert_int_equal(log_get(f->log, "refs/a"), 3);
        log_reopen(f);
        log_assert_text(f->log, 1, "one");
        log_assert_text(f->log, 2, "");
        assert_int_equal(log_has(f->log, 3), -ENOENT);
        assert_int_equal(log_get(f->log, "refs/a"), 1);
        assert_int_equal(log_get(f->log, "refs/b"), -1);
        assert_int_equal(object_log_set_reference(f->log, "refs/a", &(SyncOid) {}), 0);
        assert_int_equal(log_get(f->log, "refs/a"), -1);
        assert_int_equal(object_log_sync(f->log), 0);
        log_reopen(f);
        assert_int_equal(log_get(f->log, "refs/a"), -1);
}

/* The process is killed: the kernel has all of it. */
static void what_is_published_outlives_the_process(void **state) {
        LogFixture *f = *state;
        ObjectLog *other = log_open(f);

        log_set(f->log, "refs/a", 1);
        log_set(f->log, "refs/gone", 1);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_false(object_log_adopt(f->log));
        log_add_text(f->log, 2, "published");
        log_set(f->log, "refs/a", 2);
        assert_int_equal(object_log_set_reference(f->log, "refs/gone", &(SyncOid) {}), 0);
        assert_int_equal(object_log_publish(f->log), 0);
        assert_int_equal(log_get(other, "refs/a"), 2);
        log_assert_text(other, 2, "published");
        assert_int_equal(f->log->pending_references.n, 2);
        /* What another process makes durable is its own. */
        log_set(other, "refs/b", 3);
        assert_int_equal(object_log_sync(other), 0);
        object_log_free(other);
        log_reopen(f);
        assert_int_equal(log_get(f->log, "refs/a"), 2);
        assert_int_equal(log_get(f->log, "refs/gone"), -1);
        assert_int_equal(log_get(f->log, "refs/b"), 3);
        assert_true(object_log_adopt(f->log));
        assert_int_equal(f->log->pending_references.n, 2);
        assert_int_equal(object_log_sync(f->log), 0);
        log_reopen(f);
        assert_false(object_log_adopt(f->log));
        assert_int_equal(log_get(f->log, "refs/a"), 2);
        assert_int_equal(log_get(f->log, "refs/gone"), -1);
}

/* The machine was started again: what the references vouch for may be gone. */
static void what_was_published_in_another_run_of_the_machine_is_not_there(void **state) {
        static const uint8_t boot_id[BOOT_ID_SIZE] = { 1 };
        LogFixture *f = *state;
        LogReferences changes = {};
        _cleanup_free_ char *data = NULL;
        SyncWriter w = {};
        SyncOid two = log_oid(2);
        size_t size;

        log_set(f->log, "refs/a", 1);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_int_equal(log_references_reserve(&changes, 1), 0);
        changes.items[changes.n++] = (LogReference) { strdup("refs/a"), two };
        data = log_read_file(f, &size);
        sync_write_bytes(&w, data, size);
        assert_int_equal(log_references_write(&w, &changes, boot_id), 0);
        log_write_file(f, (char *) w.data, w.size);
        log_references_done(&changes);
        free(w.data);
        log_reopen(f);
        assert_int_equal(log_get(f->log, "refs/a"), 1);
        assert_false(object_log_adopt(f->log));
        /* And the log goes on behind it. */
        log_set(f->log, "refs/a", 3);
        assert_int_equal(object_log_sync(f->log), 0);
        log_reopen(f);
        assert_int_equal(log_get(f->log, "refs/a"), 3);
}

static void what_is_too_much_for_memory_is_written_early(void **state) {
        LogFixture *f = *state;
        ObjectLog *other = log_open(f);
        size_t size = OBJECT_LOG_PENDING_MAX / 4;
        uint8_t *noise = malloc(size);

        for (size_t i = 0; i + SYNC_OID_SIZE <= size; i += SYNC_OID_SIZE) {
                SyncOid x = log_oid((unsigned) i);

                memcpy(noise + i, x.bytes, SYNC_OID_SIZE);
        }
        log_set(f->log, "refs/a", 1);
        for (unsigned i = 0; i < 12; i++) {
                SyncOid oid = log_oid(i);

                assert_int_equal(object_log_add(f->log, &oid, OBJECT_BLOB, noise, size, NULL), 0);
        }
        assert_true(f->log->pending.size <= OBJECT_LOG_PENDING_MAX + size);
        assert_int_equal(log_get(f->log, "refs/a"), 1);
        /* But no reference, whenever it was set. */
        assert_int_equal(log_get(other, "refs/a"), -1);
        assert_int_equal(log_has(f->log, 0), 0);
        assert_int_equal(log_has(f->log, 11), 0);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_int_equal(log_get(other, "refs/a"), 1);
        log_reopen(f);
        assert_int_equal(log_get(f->log, "refs/a"), 1);
        for (unsigned i = 0; i < 12; i++)
                assert_int_equal(log_has(f->log, i), 0);
        object_log_free(other);
        free(noise);
}

static void references_are_limited(void **state) {
        LogFixture *f = *state;
        SyncOid oid = log_oid(1);

        for (unsigned i = 0; i < 2 * OBJECT_LOG_REFERENCES_MAX; i++) {
                _cleanup_free_ char *name = strfmt("refs/%u", i);

                assert_int_equal(
                                object_log_set_reference(f->log, name, &oid),
                                i < OBJECT_LOG_REFERENCES_MAX ? 0 : -E2BIG);
                if (i % 10 == 0)
                        assert_int_equal(object_log_sync(f->log), 0);
        }
        assert_int_equal(object_log_set_reference(f->log, "", &oid), -EINVAL);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_int_equal(object_log_compact_begin(f->log), 1);
        assert_int_equal(object_log_compact_finish(f->log), 0);
        log_reopen(f);
        assert_int_equal(log_get(f->log, "refs/0"), 1);
        assert_int_equal(log_get(f->log, "refs/63"), 1);
}

static void processes_see_what_others_synced(void **state) {
        LogFixture *f = *state;
        ObjectLog *other = log_open(f);

        for (unsigned i = 0; i < 20; i++) {
                ObjectLog *from = i % 2 ? f->log : other, *to = i % 2 ? other : f->log;
                off_t before;

                log_add_text(from, i, "text");
                log_set(from, "refs/a", i);
                assert_int_equal(log_has(to, i), -ENOENT);
                assert_int_equal(log_get(to, "refs/a"), (int) i - 1);
                assert_int_equal(object_log_sync(from), 0);
                log_assert_text(to, i, "text");
                assert_int_equal(log_get(to, "refs/a"), i);
                /* Nothing is stored twice. */
                before = log_file_size(f->file);
                log_add_text(to, i, "text");
                assert_int_equal(object_log_sync(to), 0);
                assert_int_equal(log_file_size(f->file), before);
        }
        object_log_free(other);
}

static void versions_of_a_tree_take_little(void **state) {
        LogFixture *f = *state;
        uint8_t *tree = malloc(100 * LOG_TREE_ENTRIES);
        SyncOid previous;
        off_t first = 0;

        for (unsigned v = 0; v < 300; v++) {
                SyncOid oid = log_oid(v);
                size_t size = log_make_tree(v, tree);

                assert_int_equal(
                                object_log_add(f->log,
                                               &oid,
                                               OBJECT_TREE,
                                               tree,
                                               size,
                                               v > 0 ? &previous : NULL),
                                0);
                previous = oid;
                assert_int_equal(object_log_sync(f->log), 0);
                if (v == 0)
                        first = log_file_size(f->file);
        }
        assert_true(first < (off_t) (LOG_TREE_ENTRIES * 24));
        assert_true(log_file_size(f->file) < first + 300 * 200);
        log_reopen(f);
        for (unsigned v = 0; v < 300; v++) {
                SyncOid oid = log_oid(v);
                size_t size, wanted = log_make_tree(v, tree);
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
        LogFixture *f = *state;
        size_t size = 3 << 20;
        uint8_t *noise = malloc(size);
        SyncOid oid = log_oid(1);
        ObjectType type;
        size_t n;
        void *data;

        for (size_t i = 0; i < size; i += SYNC_OID_SIZE) {
                SyncOid x = log_oid((unsigned) i);

                memcpy(noise + i, x.bytes, MIN(size - i, (size_t) SYNC_OID_SIZE));
        }
        assert_int_equal(object_log_add(f->log, &oid, OBJECT_BLOB, noise, size, NULL), 0);
        oid = log_oid(2);
        /* A tree only by its type. */
        assert_int_equal(object_log_add(f->log, &oid, OBJECT_TREE, noise, size, NULL), 0);
        assert_int_equal(object_log_sync(f->log), 0);
        assert_true((size_t) log_file_size(f->file) < 2 * size + 200);
        log_reopen(f);
        assert_int_equal(object_log_read(f->log, &oid, &type, &data, &n), 0);
        assert_int_equal(n, size);
        assert_memory_equal(data, noise, size);
        assert_int_equal(
                        object_log_add(f->log, &oid, OBJECT_BLOB, noise, OBJECT_LOG_OBJECT_MAX + 1, NULL),
                        -E2BIG);
        free(data);
        free(noise);
}
static void compaction_keeps_what_is_marked(void **state) {
        LogFixture *f = *state;
        ObjectLog *other = log_open(f);
        uint8_t *tree = malloc(100 * LOG_TREE_ENTRIES);
        SyncOid previous = log_oid(10), last = log_oid(11);
        size_t size = log_make_tree(0, tree), n;
        ObjectType type;
        void *data;

        log_two_syncs(f);
        assert_int_equal(object_log_add(f->log, &previous, OBJECT_TREE, tree, size, NULL), 0);
        size = log_make_tree(1, tree);
        assert_int_equal(object_log_add(f->log, &last, OBJECT_TREE, tree, size, &previous), 0);
        assert_int_equal(object_log_add(f->log, &(SyncOid) { { 1 } }, OBJECT_BLOB, tree, size, NULL), 0);
        log_set(f->log, "refs/c", 1);
        assert_int_equal(object_log_sync(f->log), 0);
        log_add_text(f->log, 20, "of a fetch that is not over");
        assert_int_equal(object_log_sync(f->log), 0);
        log_assert_text(other, 1, "before");

        assert_int_equal(object_log_compact_begin(f->log), 1);
        log_mark(f->log, 1, 1);
        log_mark(f->log, 1, 0);
        log_mark(f->log, 11, 1);
        log_mark(f->log, 50, -ENOENT);
        assert_true(object_log_marked_size(f->log) > 0);
        assert_int_equal(object_log_compact_finish(f->log), 0);
        assert_int_equal(object_log_size(f->log), log_file_size(f->file));
        assert_int_equal(object_log_compacted_size(f->log), log_file_size(f->file));

        for (unsigned i = 0; i < 3; i++) {
                ObjectLog *l = i == 0 ? f->log : i == 1 ? other : (log_reopen(f), f->log);

                assert_int_equal(log_get(l, "refs/a"), 2);
                assert_int_equal(log_get(l, "refs/b"), 3);
                log_assert_text(l, 20, "of a fetch that is not over");
                log_assert_text(l, 1, "before");
                /* Who had the old file may see the objects until it needs the new one. */
                if (l != other) {
                        assert_int_equal(log_has(l, 2), -ENOENT);
                        assert_int_equal(log_has(l, 10), -ENOENT);
                }
                assert_int_equal(object_log_read(l, &last, &type, &data, &n), 0);
                assert_int_equal(n, size);
                assert_memory_equal(data, tree, size);
                free(data);
        }
        /* What the other adds now goes into the new file. */
        log_add_text(other, 30, "new");
        log_set(other, "refs/a", 30);
        assert_int_equal(object_log_sync(other), 0);
        log_assert_text(f->log, 30, "new");
        assert_int_equal(log_get(f->log, "refs/a"), 30);
        object_log_free(other);
        free(tree);
}

#define WRITER_OBJECTS 150U

/* The first writer also compacts. */
static void write_many(LogFixture *f, unsigned first, bool compact) {
        _cleanup_free_ char *name = strfmt("refs/%u", first);
        ObjectLog *l = log_open(f);

        for (unsigned i = first; i < first + WRITER_OBJECTS; i++) {
                log_add_text(l, i, "of one of several writers");
                log_set(l, name, i % 100);
                if (object_log_sync(l) < 0)
                        _exit(1);
                if (compact && i % 10 == 9 && object_log_compact_begin(l) > 0) {
                        for (unsigned k = 0; k < 3 * WRITER_OBJECTS; k++) {
                                SyncOid oid = log_oid(k);

                                (void) object_log_mark(l, &oid);
                        }
                        if (object_log_compact_finish(l) < 0)
                                _exit(1);
                }
        }
        object_log_free(l);
        _exit(0);
}

static void processes_write_at_the_same_time(void **state) {
        LogFixture *f = *state;

        for (unsigned i = 0; i < 3; i++) {
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0)
                        write_many(f, i * WRITER_OBJECTS, i == 0);
        }
        for (unsigned i = 0; i < 3; i++) {
                int status;

                assert_true(wait(&status) > 0);
                assert_int_equal(status, 0);
        }
        for (unsigned i = 0; i < 3 * WRITER_OBJECTS; i++)
                log_assert_text(f->log, i, "of one of several writers");
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_free_ char *name = strfmt("refs/%u", i * WRITER_OBJECTS);

                assert_int_equal(log_get(f->log, name), ((i + 1) * WRITER_OBJECTS - 1) % 100);
        }
}

static void nothing_goes_that_another_relies_on(void **state) {
        LogFixture *f = *state;
        ObjectLog *other = log_open(f);
        SyncOid oid = log_oid(2);

        log_two_syncs(f);
        assert_true(object_log_has(other, &oid));
        assert_int_equal(object_log_compact_begin(f->log), 0);
        log_set(other, "refs/c", 2);
        assert_int_equal(object_log_sync(other), 0);
        assert_int_equal(object_log_compact_begin(f->log), 1);
        object_log_compact_abort(f->log);
        /* Nor what no reference names yet, synced or not. */
        log_add_text(other, 40, "text");
        assert_int_equal(object_log_compact_begin(f->log), 0);
        assert_int_equal(object_log_sync(other), 0);
        assert_int_equal(object_log_compact_begin(f->log), 0);
        log_set(other, "refs/d", 40);
        assert_int_equal(object_log_sync(other), 0);
        assert_int_equal(object_log_compact_begin(f->log), 1);
        object_log_compact_abort(f->log);
        object_log_free(other);
        assert_int_equal(object_log_compact_begin(f->log), 1);
        assert_int_equal(object_log_compact_finish(f->log), 0);
        assert_int_equal(log_has(f->log, 2), -ENOENT);
        assert_int_equal(log_get(f->log, "refs/c"), 2);
}
static void a_store_that_is_removed_is_empty(void **state) {
        LogFixture *f = *state;

        log_two_syncs(f);
        assert_int_equal(unlink(f->file), 0);
        assert_int_equal(rmdir(f->directory), 0);
        log_assert_text(f->log, 1, "before");
        log_add_text(f->log, 4, "x");
        assert_int_equal(object_log_sync(f->log), -ESTALE);
        log_reopen(f);
        assert_int_equal(log_has(f->log, 1), -ENOENT);
        assert_int_equal(log_get(f->log, "refs/a"), -1);
}

static void the_index_is_small(void **state) {
        LogFixture *f = *state;

        for (unsigned i = 0; i < 50000; i++)
                log_add_text(f->log, i, "x");
        assert_int_equal(object_log_sync(f->log), 0);
        assert_true(f->log->index.n == 50000);
        assert_true(f->log->index.n_slots * sizeof(*f->log->index.slots) <= f->log->index.n * 28);
        assert_true(f->log->pending.allocated <= 2 * OBJECT_LOG_PENDING_MAX);
        log_reopen(f);
        for (unsigned i = 0; i < 50000; i += 997)
                log_assert_text(f->log, i, "x");
        assert_int_equal(log_has(f->log, 50001), -ENOENT);
}
int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)
                TEST(what_is_synced_stays),
                TEST(what_is_published_outlives_the_process),
                TEST(what_was_published_in_another_run_of_the_machine_is_not_there),
                TEST(what_is_too_much_for_memory_is_written_early),
                TEST(references_are_limited),
                TEST(processes_see_what_others_synced),
                TEST(versions_of_a_tree_take_little),
                TEST(what_does_not_compress_is_stored),
                TEST(compaction_keeps_what_is_marked),
                TEST(processes_write_at_the_same_time),
                TEST(nothing_goes_that_another_relies_on),
                TEST(a_store_that_is_removed_is_empty),
                TEST(the_index_is_small),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
