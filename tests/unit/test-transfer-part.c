/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
        assert_int_equal(content_part_complete(&f->area, &file), 0);
        expect_content(f, "abcdef");
        assert_int_equal(content_part_complete(&f->area, &file), 0);
}

/* The file may be the user's by then. */
static void what_another_completed_is_not_written_to(void **state) {
        _cleanup_close_ int mine = -EBADF, theirs = -EBADF, again = -EBADF;
        Fixture *f = *state;

        assert_int_equal(transfer_part_open(&f->area, &file, 3, &mine), 0);
        assert_int_equal(transfer_part_open(&f->area, &file, 3, &theirs), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, theirs, "abc", 3, 0), 0);
        assert_int_equal(content_part_complete(&f->area, &file), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, mine, "xyz", 3, 0), 1);
        expect_content(f, "abc");
        /* Nor when there is another part of that name. */
        assert_int_equal(transfer_part_open(&f->area, &file, 3, &again), 0);
        assert_int_equal(transfer_part_write(&f->area, &file, mine, "xyz", 3, 0), 1);
        expect_content(f, "abc");
}

/* Whether somebody waits for a lock on the file (proc_locks(5)). */
static bool is_waited_for(const struct stat *st) {
        _cleanup_fclose_ FILE *locks = fopen("/proc/locks", "re");
        char line[256], inode[32];

        (void) snprintf(inode, sizeof(inode), ":%llu ", (unsigned long long) st->st_ino);
        while (locks && fgets(line, sizeof(line), locks))
                if (strstr(line, "-> FLOCK") && strstr(line, inode))
                        return true;
        return false;
}

/* Another process: begins to write, and goes on when somebody wants the part to be complete. */
static int write_slowly(Fixture *f, int ready_fd) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (transfer_part_open(&f->area, &file, 3, &fd) < 0 || flock(fd, LOCK_SH) < 0 || fstat(fd, &st) < 0 ||
            write(ready_fd, "", 1) != 1)
                return EXIT_FAILURE;
        while (!is_waited_for(&st))
                if (content_has(&f->area, &file) != 0)
                        return EXIT_FAILURE;
        return pwrite(fd, "abc", 3, 0) == 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void a_part_is_complete_after_those_who_write_to_it(void **state) {
        Fixture *f = *state;
        int pipe_fds[2], status;
        pid_t pid;
        char c;

        assert_int_equal(pipe(pipe_fds), 0);
        pid = fork();
        if (pid == 0)
                _exit(write_slowly(f, pipe_fds[1]));
        assert_true(pid > 0);
        assert_int_equal(read(pipe_fds[0], &c, 1), 1);
        assert_int_equal(content_part_complete(&f->area, &file), 0);
        expect_content(f, "abc");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_part_is_written_and_completed, setup, teardown),
                cmocka_unit_test_setup_teardown(what_another_completed_is_not_written_to, setup, teardown),
                cmocka_unit_test_setup_teardown(a_part_is_complete_after_those_who_write_to_it, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
