/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "syncd/content.h"

typedef struct Fixture {
        char path[32];
        int fd;
        ContentArea area;
} Fixture;

static const SyncOid file_a = { .bytes = { 0xaa, 1 } }, file_b = { .bytes = { 0xbb, 2 } };

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/var/tmp/test-content-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(content_area_open(&f->area, f->fd, 0), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        char command[64];

        content_area_close(&f->area);
        close(f->fd);
        snprintf(command, sizeof(command), "rm -rf %s", f->path);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static int make_part(Fixture *f, const SyncOid *oid, const char *text) {
        bool new;
        int fd;

        assert_int_equal(content_part_open(&f->area, oid, strlen(text), &new, &fd), 0);
        assert_true(new);
        assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
        return fd;
}

static void part_becomes_content(void **state) {
        Fixture *f = *state;
        char buf[16] = "";
        struct stat st;
        bool new;
        int fd;

        close(make_part(f, &file_a, "hello"));
        assert_false(content_has(&f->area, &file_a));
        assert_int_equal(content_part_open(&f->area, &file_a, 5, &new, &fd), 0);
        assert_false(new);
        close(fd);
        assert_int_equal(content_part_complete(&f->area, &file_a), 0);
        assert_true(content_has(&f->area, &file_a));
        assert_int_equal(content_open(&f->area, &file_a, &fd), 0);
        assert_int_equal(read(fd, buf, sizeof(buf)), 5);
        assert_string_equal(buf, "hello");
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        close(fd);
        assert_int_equal(content_open(&f->area, &file_b, &fd), -ENOENT);
}

static void space_is_reserved_and_a_floor_left(void **state) {
        Fixture *f = *state;
        struct stat st;
        bool new;
        int fd;

        assert_int_equal(content_part_open(&f->area, &file_a, 1 << 20, &new, &fd), 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 1 << 20);
        assert_true(st.st_blocks * 512 >= 1 << 20);
        close(fd);
        f->area.disk_floor = UINT64_MAX / 2;
        assert_int_equal(content_part_open(&f->area, &file_b, 1, &new, &fd), -ENOSPC);
        /* What is begun is gone on with. */
        assert_int_equal(content_part_open(&f->area, &file_a, 1 << 20, &new, &fd), 0);
        close(fd);
}

static void what_was_never_written_in_a_part_is_known(void **state) {
        Fixture *f = *state;
        bool new;
        int fd;

        assert_int_equal(content_part_open(&f->area, &file_a, 1 << 20, &new, &fd), 0);
        assert_false(content_part_is_written(fd, 0, 1 << 20));
        assert_int_equal(pwrite(fd, "12345", 5, 1 << 19), 5);
        assert_true(content_part_is_written(fd, 1 << 19, 5));
        assert_false(content_part_is_written(fd, 0, 1 << 18));
        assert_false(content_part_is_written(fd, 1 << 19, 1 << 19));
        assert_false(content_part_is_written(fd, 1 << 20, 1));
        close(fd);
}

static void what_is_in_the_folder_is_swept(void **state) {
        Fixture *f = *state;

        close(make_part(f, &file_a, "a"));
        close(make_part(f, &file_b, "b"));
        assert_int_equal(content_part_complete(&f->area, &file_a), 0);
        assert_int_equal(content_part_complete(&f->area, &file_b), 0);
        assert_int_equal(content_link(&f->area, &file_a, f->fd, "placed"), 0);
        assert_int_equal(content_link(&f->area, &file_a, f->fd, "placed"), -EEXIST);
        content_sweep(&f->area, 3600, NULL, NULL);
        assert_false(content_has(&f->area, &file_a));
        assert_true(content_has(&f->area, &file_b));
        content_sweep(&f->area, 0, NULL, NULL);
        assert_false(content_has(&f->area, &file_b));
}

static bool any(const SyncOid *oid, void *userdata) {
        return true;
}

static void seen_trees_are_listed_until_they_are_swept(void **state) {
        const SyncOid trees[] = { { .bytes = { 1 } }, { .bytes = { 2 } }, { .bytes = { 3 } } };
        Fixture *f = *state;
        SyncOid seen[4];

        close(make_part(f, &file_a, "a"));
        content_mark_malformed(&f->area, &file_b);
        assert_int_equal(content_list_seen(&f->area, seen, ELEMENTSOF(seen)), 0);
        for (size_t i = 0; i < ELEMENTSOF(trees); i++) {
                content_mark_seen(&f->area, trees + i);
                content_mark_seen(&f->area, trees + i);
                assert_false(content_has(&f->area, trees + i));
        }
        assert_int_equal(content_list_seen(&f->area, seen, ELEMENTSOF(seen)), ELEMENTSOF(trees));
        for (size_t i = 0; i < ELEMENTSOF(trees); i++)
                assert_true(sync_oid_equal(trees + i, seen) || sync_oid_equal(trees + i, seen + 1) ||
                            sync_oid_equal(trees + i, seen + 2));
        assert_int_equal(content_list_seen(&f->area, seen, 2), 2);
        content_sweep(&f->area, 3600, NULL, NULL);
        assert_int_equal(content_list_seen(&f->area, seen, ELEMENTSOF(seen)), ELEMENTSOF(trees));
        content_sweep(&f->area, 0, any, NULL);
        assert_int_equal(content_list_seen(&f->area, seen, ELEMENTSOF(seen)), 0);
}

static void seen_trees_are_forgotten(void **state) {
        const SyncOid tree = { .bytes = { 1 } };
        Fixture *f = *state;
        SyncOid seen;
        bool new;
        int fd;

        close(make_part(f, &file_a, "a"));
        content_mark_malformed(&f->area, &file_b);
        content_mark_seen(&f->area, &tree);
        content_forget_seen(&f->area);
        assert_int_equal(content_list_seen(&f->area, &seen, 1), 0);
        assert_true(content_is_malformed(&f->area, &file_b));
        assert_int_equal(content_part_open(&f->area, &file_a, 1, &new, &fd), 0);
        assert_false(new);
        close(fd);
}

static bool is_a(const SyncOid *oid, void *userdata) {
        return sync_oid_equal(oid, &file_a);
}

static void what_waits_is_not_swept(void **state) {
        Fixture *f = *state;

        close(make_part(f, &file_a, "a"));
        close(make_part(f, &file_b, "b"));
        assert_int_equal(content_part_complete(&f->area, &file_b), 0);
        content_sweep(&f->area, 0, is_a, NULL);
        assert_false(content_has(&f->area, &file_b));
        assert_int_equal(content_part_complete(&f->area, &file_a), 0);
        content_release(&f->area, &file_a);
        assert_true(content_has(&f->area, &file_a));
        assert_int_equal(content_link(&f->area, &file_a, f->fd, "placed"), 0);
        content_release(&f->area, &file_a);
        assert_false(content_has(&f->area, &file_a));
        /* A mark is of a file that is wanted. */
        content_mark_malformed(&f->area, &file_a);
        content_sweep(&f->area, 0, is_a, NULL);
        assert_false(content_is_malformed(&f->area, &file_a));
}

static void snapshots(void **state) {
        _cleanup_close_ int source = -EBADF;
        Fixture *f = *state;
        ContentSnapshot s;
        char buf[16] = "";
        int fd;

        source = openat(f->fd, "source", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(source, "one", 3), 3);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(content_snapshot_begin(&f->area, source, 3, &s), 0);
                if (!s.cloned)
                        assert_int_equal(write(s.fd, "one", 3), 3);
                /* A second one of the same content is as good as the first. */
                assert_int_equal(content_snapshot_finish(&f->area, &s, &file_a), 0);
        }
        assert_int_equal(pwrite(source, "two", 3, 0), 3);
        assert_int_equal(content_pending_open(&f->area, &file_a, &fd), 0);
        assert_int_equal(read(fd, buf, sizeof(buf)), 3);
        assert_string_equal(buf, "one");
        close(fd);

        assert_int_equal(content_snapshot_begin(&f->area, source, 3, &s), 0);
        assert_int_equal(content_snapshot_finish(&f->area, &s, &file_b), 0);
        content_sweep_pending(&f->area, is_a, NULL);
        assert_true(content_pending_has(&f->area, &file_a));
        assert_false(content_pending_has(&f->area, &file_b));
}

static void a_list_comes_back_as_it_was(void **state) {
        Fixture *f = *state;
        Wanted w = {}, back = {};

        assert_int_equal(wanted_load(f->fd, WANTED_MAIN, &back), -ENOENT);
        assert_int_equal(wanted_add_file(&w, &file_a, UINT64_C(5) << 40), 0);
        assert_int_equal(wanted_add_item(&w, &file_b, UINT64_C(1) << 40, 123456), 0);
        assert_int_equal(wanted_add_item(&w, &file_b, 0, 1), 0);
        w.files[0].complete = false;
        assert_int_equal(wanted_add_file(&w, &file_b, SYNC_SIZE_UNKNOWN), 0);
        assert_int_equal(wanted_add_file(&w, &file_b, 0), 0);
        assert_int_equal(wanted_add_item(&w, &file_b, 0, 0), 0);
        assert_int_equal(wanted_save(f->fd, WANTED_MAIN, &w), 0);
        assert_int_equal(wanted_load(f->fd, WANTED_MAIN, &back), 0);
        assert_int_equal(back.n_files, 3);
        assert_int_equal(back.n_items, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_true(sync_oid_equal(&back.files[i].file, &w.files[i].file));
                assert_int_equal(back.files[i].size, w.files[i].size);
                assert_int_equal(back.files[i].complete, w.files[i].complete);
                assert_int_equal(back.files[i].n_items, w.files[i].n_items);
                assert_true(sync_oid_equal(&back.items[i].blob, &w.items[i].blob));
                assert_int_equal(back.items[i].offset, w.items[i].offset);
                assert_int_equal(back.items[i].length, w.items[i].length);
                assert_int_equal(back.items[i].file, w.items[i].file);
        }
        wanted_done(&w);
        wanted_done(&back);
}

static void a_damaged_list_is_none(void **state) {
        _cleanup_free_ char *data = NULL;
        Fixture *f = *state;
        Wanted w = {};
        size_t size;

        assert_int_equal(wanted_add_file(&w, &file_a, 7), 0);
        assert_int_equal(wanted_add_item(&w, &file_b, 0, 7), 0);
        assert_int_equal(wanted_save(f->fd, WANTED_MAIN, &w), 0);
        wanted_done(&w);
        assert_int_equal(read_file(f->fd, "wanted", 1 << 20, &data, &size), 0);
        for (size_t i = 0; i < size; i++) {
                data[i] ^= 1;
                assert_int_equal(write_file_atomic(f->fd, "wanted", data, size, 0600), 0);
                assert_int_equal(wanted_load(f->fd, WANTED_MAIN, &w), -EBADMSG);
                data[i] ^= 1;
                assert_int_equal(write_file_atomic(f->fd, "wanted", data, i, 0600), 0);
                assert_int_equal(wanted_load(f->fd, WANTED_MAIN, &w), -EBADMSG);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(part_becomes_content, setup, teardown),
                cmocka_unit_test_setup_teardown(space_is_reserved_and_a_floor_left, setup, teardown),
                cmocka_unit_test_setup_teardown(what_was_never_written_in_a_part_is_known, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_in_the_folder_is_swept, setup, teardown),
                cmocka_unit_test_setup_teardown(seen_trees_are_listed_until_they_are_swept, setup, teardown),
                cmocka_unit_test_setup_teardown(seen_trees_are_forgotten, setup, teardown),
                cmocka_unit_test_setup_teardown(what_waits_is_not_swept, setup, teardown),
                cmocka_unit_test_setup_teardown(snapshots, setup, teardown),
                cmocka_unit_test_setup_teardown(a_list_comes_back_as_it_was, setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_list_is_none, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
