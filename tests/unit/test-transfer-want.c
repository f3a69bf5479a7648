/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of what is missing, and what a prefetch has brought since it was made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "syncd/git-object.h"
#include "syncd/transfer-part.h"
#include "syncd/transfer.h"

#define CHUNK 65536U

static const SyncOid large = { .bytes = { 1 } };

typedef struct Fixture {
        char directory[sizeof("/tmp/test-transfer-want.XXXXXX")];
        Transfer transfer;
        uint8_t chunks[3][CHUNK];
        SyncOid oids[3];
        Wanted wanted; /* first all of the chunks */
} Fixture;

static int setup(void **state) {
        _cleanup_close_ int fd = -EBADF;
        Fixture *f = calloc(1, sizeof(*f));

        (void) git_libgit2_init();
        strcpy(f->directory, "/tmp/test-transfer-want.XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(content_area_open(&f->transfer.area, fd, 0), 0);
        assert_int_equal(wanted_add_file(&f->wanted, &large, sizeof(f->chunks)), 0);
        for (uint32_t i = 0; i < ELEMENTSOF(f->chunks); i++) {
                /* Zeros, too. */
                memset(f->chunks[i], (int) i, CHUNK);
                assert_int_equal(git_hash_bytes(GIT_OBJECT_BLOB, f->chunks[i], CHUNK, f->oids + i), 0);
                assert_int_equal(wanted_add_item(&f->wanted, f->oids + i, (uint64_t) i * CHUNK, CHUNK), 0);
        }
        *state = f;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        wanted_done(&f->wanted);
        content_area_close(&f->transfer.area);
        assert_int_equal(nftw(f->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
        free(f);
        (void) git_libgit2_shutdown();
        return 0;
}

static void write_part(Fixture *f, const SyncOid *file, uint64_t size, const void *data, size_t n, uint64_t offset) {
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(transfer_part_open(&f->transfer.area, file, size, &fd), 0);
        assert_int_equal(transfer_part_write(&f->transfer.area, file, fd, data, n, offset), 0);
}

static void bring(Fixture *f, uint32_t i) {
        write_part(f, &large, sizeof(f->chunks), f->chunks[i], CHUNK, (uint64_t) i * CHUNK);
}

static void find_rest(Fixture *f) {
        assert_int_equal(transfer_want_rest(&f->transfer, &f->wanted), 0);
}

static void what_is_not_there_is_wanted(void **state) {
        Fixture *f = *state;

        find_rest(f);
        assert_int_equal(f->wanted.n_files, 1);
        assert_int_equal(f->wanted.n_items, 3);
        assert_true(f->wanted.files[0].complete);
}

static void chunks_that_came_meanwhile_are_not_wanted(void **state) {
        Fixture *f = *state;

        bring(f, 0);
        bring(f, 2);
        f->wanted.files[0].complete = false;
        find_rest(f);
        assert_int_equal(f->wanted.n_files, 1);
        assert_int_equal(f->wanted.n_items, 1);
        assert_int_equal(f->wanted.items[0].offset, CHUNK);
        assert_true(sync_oid_equal(&f->wanted.items[0].blob, f->oids + 1));
        assert_int_equal(f->wanted.files[0].n_items, 1);
        assert_int_equal(f->wanted.files[0].size, sizeof(f->chunks));
        assert_false(f->wanted.files[0].complete);
}

static void a_chunk_that_came_in_part_is_wanted(void **state) {
        Fixture *f = *state;

        write_part(f, &large, sizeof(f->chunks), f->chunks[1], CHUNK / 2, CHUNK);
        write_part(f, &large, sizeof(f->chunks), f->chunks[1], 1, 2 * CHUNK - 1);
        bring(f, 0);
        bring(f, 2);
        find_rest(f);
        assert_int_equal(f->wanted.n_items, 1);
        assert_int_equal(f->wanted.items[0].offset, CHUNK);
}

/* Then it is known that it is complete. */
static void a_file_of_which_all_chunks_came_stays_in_the_list(void **state) {
        Fixture *f = *state;

        for (uint32_t i = 0; i < 3; i++)
                bring(f, i);
        find_rest(f);
        assert_int_equal(f->wanted.n_files, 1);
        assert_int_equal(f->wanted.n_items, 0);
        assert_true(f->wanted.files[0].complete);
}

static void a_file_that_was_completed_is_not_wanted(void **state) {
        Fixture *f = *state;

        bring(f, 0);
        assert_int_equal(content_part_complete(&f->transfer.area, &large), 0);
        find_rest(f);
        assert_int_equal(f->wanted.n_files, 0);
        assert_int_equal(f->wanted.n_items, 0);
}

static void files_behind_those_that_came_stay_as_they_are(void **state) {
        static const SyncOid other = { .bytes = { 2 } };
        Fixture *f = *state;

        assert_int_equal(wanted_add_file(&f->wanted, &other, sizeof(f->chunks)), 0);
        for (uint32_t i = 0; i < ELEMENTSOF(f->chunks); i++)
                assert_int_equal(wanted_add_item(&f->wanted, f->oids + i, (uint64_t) i * CHUNK, CHUNK), 0);
        write_part(f, &other, sizeof(f->chunks), f->chunks[0], CHUNK, 0);
        bring(f, 0);
        assert_int_equal(content_part_complete(&f->transfer.area, &large), 0);
        find_rest(f);
        assert_int_equal(f->wanted.n_files, 1);
        assert_true(sync_oid_equal(&f->wanted.files[0].file, &other));
        assert_int_equal(f->wanted.files[0].n_items, 2);
        assert_int_equal(f->wanted.n_items, 2);
        for (uint32_t i = 0; i < 2; i++) {
                assert_true(sync_oid_equal(&f->wanted.items[i].blob, f->oids + i + 1));
                assert_int_equal(f->wanted.items[i].offset, (i + 1) * CHUNK);
                assert_int_equal(f->wanted.items[i].length, CHUNK);
                assert_int_equal(f->wanted.items[i].file, 0);
        }
}

static void a_plain_file_is_wanted_as_a_whole(void **state) {
        Fixture *f = *state;

        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(wanted_add_file(&f->wanted, f->oids + i, CHUNK), 0);
                assert_int_equal(wanted_add_item(&f->wanted, f->oids + i, 0, CHUNK), 0);
        }
        write_part(f, f->oids, SYNC_SIZE_UNKNOWN, f->chunks[0], CHUNK, 0);
        assert_int_equal(content_part_complete(&f->transfer.area, f->oids), 0);
        find_rest(f);
        assert_int_equal(f->wanted.n_files, 2);
        assert_int_equal(f->wanted.n_items, 4);
        assert_true(sync_oid_equal(&f->wanted.files[1].file, f->oids + 1));
        assert_int_equal(f->wanted.items[3].file, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_not_there_is_wanted, setup, teardown),
                cmocka_unit_test_setup_teardown(chunks_that_came_meanwhile_are_not_wanted, setup, teardown),
                cmocka_unit_test_setup_teardown(a_chunk_that_came_in_part_is_wanted, setup, teardown),
                cmocka_unit_test_setup_teardown(a_file_of_which_all_chunks_came_stays_in_the_list, setup, teardown),
                cmocka_unit_test_setup_teardown(a_file_that_was_completed_is_not_wanted, setup, teardown),
                cmocka_unit_test_setup_teardown(files_behind_those_that_came_stay_as_they_are, setup, teardown),
                cmocka_unit_test_setup_teardown(a_plain_file_is_wanted_as_a_whole, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
