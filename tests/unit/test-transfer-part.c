/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "syncd/transfer-part.h"

static const SyncOid file = { .bytes = { 1, 2, 3 } };

typedef struct Fixture {
        char directory[sizeof("/tmp/test-transfer-part.XXXXXX")];
        ContentArea area;
} Fixture;

static int setup(void **state) {
        _cleanup_close_ int fd = -EBADF;
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->directory, "/tmp/test-transfer-part.XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(content_area_open(&f->area, fd, 0), 0);
        *state = f;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        content_area_close(&f->area);
        assert_int_equal(nftw(f->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
        free(f);
        return 0;
}

static void expect_content(Fixture *f, const char *expected) {
        _cleanup_close_ int fd = -EBADF;
        char buf[16] = {};

        assert_int_equal(content_open(&f->area, &file, &fd), 0);
        assert_int_equal(read(fd, buf, sizeof(buf) - 1), strlen(expected));
        assert_string_equal(buf, expected);
}

static void a_part_is_written_and_completed(void **state) {
        _cleanup_close_ int fd = -EBADF;
        Fixture *f = *state;

        assert_int_equal(transfer_part_open(&f->area, &file, 6, &fd), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, fd, "def", 3, 3), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, fd, "abc", 3, 0), 0);
        assert_false(content_has(&f->area, &file));
        assert_int_equal(transfer_part_complete(&f->area, &file, fd), 0);
        expect_content(f, "abcdef");
        assert_int_equal(transfer_part_complete(&f->area, &file, -EBADF), 0);
}

/* The file may be the user's by then. */
static void what_another_completed_is_not_written_to(void **state) {
        _cleanup_close_ int mine = -EBADF, theirs = -EBADF, again = -EBADF;
        Fixture *f = *state;

        assert_int_equal(transfer_part_open(&f->area, &file, 3, &mine), 0);
        assert_int_equal(transfer_part_open(&f->area, &file, 3, &theirs), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, theirs, "abc", 3, 0), 0);
        assert_int_equal(transfer_part_complete(&f->area, &file, theirs), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, mine, "xyz", 3, 0), 1);
        expect_content(f, "abc");
        /* Nor when there is another part of that name. */
        assert_int_equal(transfer_part_open(&f->area, &file, 3, &again), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, mine, "xyz", 3, 0), 1);
        expect_content(f, "abc");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_part_is_written_and_completed, setup, teardown),
                cmocka_unit_test_setup_teardown(what_another_completed_is_not_written_to, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
