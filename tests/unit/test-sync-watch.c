/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watch of a real folder: each change is told, whatever moves, and the truth is what a scan then finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>

#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"
#include "syncd/sync-watch.h"
#include "tests/unit/sync-folder.h"

typedef struct Seen {
        char **dirty; /* "c path", "o path", "overflow" */
} Seen;

static void handler(const char *path, SyncWatchHint hint, void *userdata) {
        Seen *seen = userdata;

        char *text = hint == SYNC_WATCH_OVERFLOW ? strdup("overflow")
                                                 : strfmt("%c %s", hint == SYNC_WATCH_CLOSED ? 'c' : 'o', path);

        assert_int_equal(strv_consume(&seen->dirty, text), 0);
}

/* Events are queued by the time that the system call which causes them returns. */
static void pump(SyncWatch *w) {
        int r;

        do
                r = sync_watch_dispatch(w);
        while (r > 0);
        assert_int_equal(r, 0);
}

static SyncWatch *watch(const Folder *f, Seen *seen) {
        SyncWatch *w = NULL;

        assert_int_equal(sync_watch_new(&w, f->root_fd, handler, seen), 0);
        assert_false(sync_watch_is_complete(w));
        pump(w);
        assert_true(sync_watch_is_complete(w));
        return w;
}

static bool told(SyncWatch *w, Seen *seen, const char *what) {
        bool found;

        pump(w);
        found = strv_contains(seen->dirty, what);
        if (!found)
                STRV_FOREACH(s, seen->dirty)
                        print_message("seen: %s\n", *s);
        seen->dirty = strv_free(seen->dirty);
        return found;
}

static void a_written_file_is_open_then_closed(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = watch(f, &seen);
        struct pollfd p = { .fd = sync_watch_fd(w), .events = POLLIN };
        int fd;

        assert_int_equal(poll(&p, 1, 0), 0);
        fd = openat(f->root_fd, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        assert_int_equal(poll(&p, 1, 0), 1);
        assert_true(told(w, &seen, "o x"));
        assert_int_equal(write(fd, "1", 1), 1);
        assert_true(told(w, &seen, "o x"));
        safe_close(fd);
        assert_true(told(w, &seen, "c x"));
}

static void what_needs_no_close_is_complete_at_once(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_write(f->root_fd, "x", "1");
        w = watch(f, &seen);
        assert_int_equal(symlinkat("x", f->root_fd, "link"), 0);
        assert_true(told(w, &seen, "c link"));
        assert_int_equal(linkat(f->root_fd, "x", f->root_fd, "hard", 0), 0);
        assert_true(told(w, &seen, "c hard"));
        assert_int_equal(fchmodat(f->root_fd, "x", 0755, 0), 0);
        assert_true(told(w, &seen, "c x"));
        assert_int_equal(renameat(f->root_fd, "x", f->root_fd, "y"), 0);
        assert_true(told(w, &seen, "c y"));
        assert_int_equal(unlinkat(f->root_fd, "y", 0), 0);
        assert_true(told(w, &seen, "c y"));
        assert_int_equal(mkdirat(f->root_fd, "d", 0755), 0);
        assert_true(told(w, &seen, "c d"));
        assert_int_equal(unlinkat(f->root_fd, "d", AT_REMOVEDIR), 0);
        assert_true(told(w, &seen, "c d"));
        assert_int_equal(sync_watch_count(w), 1);
}

static void ignored_names_are_silent(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = watch(f, &seen);

        folder_write(f->root_fd, "~$x.docx", "");
        pump(w);
        assert_null(seen.dirty);
}

static void existing_and_new_trees_are_watched(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_mkdir(f->root_fd, "a");
        folder_mkdir(f->root_fd, "a/b");
        w = watch(f, &seen);
        assert_null(seen.dirty);
        assert_int_equal(sync_watch_count(w), 3);
        folder_write(f->root_fd, "a/b/x", "1");
        assert_true(told(w, &seen, "c a/b/x"));

        /* All of it is made before the first event is read. */
        folder_mkdir(f->root_fd, "n");
        folder_mkdir(f->root_fd, "n/e");
        folder_mkdir(f->root_fd, "n/e/w");
        folder_write(f->root_fd, "n/e/w/x", "1");
        assert_true(told(w, &seen, "c n/e/w"));
        assert_int_equal(sync_watch_count(w), 6);
        folder_write(f->root_fd, "n/e/w/x", "2");
        assert_true(told(w, &seen, "c n/e/w/x"));
}

static void moved_trees_are_told_under_their_new_names(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_mkdir(f->root_fd, "a");
        folder_mkdir(f->root_fd, "a/b");
        folder_mkdir(f->root_fd, "c");
        w = watch(f, &seen);
        assert_int_equal(renameat(f->root_fd, "a", f->root_fd, "c/z"), 0);
        assert_true(told(w, &seen, "c c/z"));
        folder_write(f->root_fd, "c/z/b/x", "1");
        assert_true(told(w, &seen, "c c/z/b/x"));
        assert_int_equal(sync_watch_count(w), 4);

        /* Out of the folder: silent from then on. Back in: told again. */
        assert_int_equal(renameat(f->root_fd, "c", f->volume_fd, "outside"), 0);
        assert_true(told(w, &seen, "c c"));
        folder_write(f->volume_fd, "outside/z/b/x", "2");
        pump(w);
        assert_null(seen.dirty);
        assert_int_equal(sync_watch_count(w), 1);
        assert_int_equal(renameat(f->volume_fd, "outside", f->root_fd, "back"), 0);
        assert_true(told(w, &seen, "c back"));
        folder_write(f->root_fd, "back/z/b/x", "3");
        assert_true(told(w, &seen, "c back/z/b/x"));
}

static void directories_exchanged_at_once_keep_their_names_apart(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_mkdir(f->root_fd, "a");
        folder_mkdir(f->root_fd, "a/one");
        folder_mkdir(f->root_fd, "b");
        w = watch(f, &seen);
        assert_int_equal(renameat2(f->root_fd, "a", f->root_fd, "b", RENAME_EXCHANGE), 0);
        assert_true(told(w, &seen, "c b"));
        folder_write(f->root_fd, "b/one/x", "1");
        assert_true(told(w, &seen, "c b/one/x"));
        folder_write(f->root_fd, "a/y", "1");
        assert_true(told(w, &seen, "c a/y"));
        assert_int_equal(sync_watch_count(w), 4);
}

static void a_directory_moved_into_its_own_successor_is_followed(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_mkdir(f->root_fd, "a");
        w = watch(f, &seen);
        assert_int_equal(renameat(f->root_fd, "a", f->root_fd, "t"), 0);
        folder_mkdir(f->root_fd, "a");
        assert_int_equal(renameat(f->root_fd, "t", f->root_fd, "a/c"), 0);
        assert_true(told(w, &seen, "c a"));
        folder_write(f->root_fd, "a/c/x", "1");
        assert_true(told(w, &seen, "c a/c/x"));
        assert_int_equal(sync_watch_count(w), 3);
}

static void a_link_to_elsewhere_is_not_watched(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_mkdir(f->volume_fd, "outside");
        assert_int_equal(symlinkat("../outside", f->root_fd, "link"), 0);
        w = watch(f, &seen);
        folder_write(f->volume_fd, "outside/x", "1");
        pump(w);
        assert_null(seen.dirty);
        assert_int_equal(sync_watch_count(w), 1);
}

static void an_overflow_makes_everything_dirty_and_mends_the_watches(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;
        _cleanup_free_ char *text = NULL;
        uint32_t limit;

        assert_true(read_file(AT_FDCWD, "/proc/sys/fs/inotify/max_queued_events", 64, &text, NULL) >= 0);
        text[strcspn(text, "\n")] = '\0';
        assert_int_equal(parse_uint32(text, &limit), 0);
        if (limit > 100000)
                skip();

        folder_mkdir(f->root_fd, "flood");
        folder_mkdir(f->root_fd, "old");
        folder_mkdir(f->root_fd, "old/deep");
        w = watch(f, &seen);
        for (uint32_t i = 0; i <= limit / 2; i++) {
                folder_write(f->root_fd, i % 2 ? "flood/x" : "flood/y", "");
                assert_int_equal(unlinkat(f->root_fd, i % 2 ? "flood/x" : "flood/y", 0), 0);
        }
        /* None of these is told: the queue is full. */
        assert_int_equal(renameat(f->root_fd, "old/deep", f->root_fd, "moved"), 0);
        assert_int_equal(unlinkat(f->root_fd, "old", AT_REMOVEDIR), 0);
        folder_mkdir(f->root_fd, "new");
        assert_true(told(w, &seen, "overflow"));
        assert_int_equal(sync_watch_count(w), 4);
        folder_write(f->root_fd, "moved/x", "1");
        assert_true(told(w, &seen, "c moved/x"));
        folder_write(f->root_fd, "new/x", "1");
        assert_true(told(w, &seen, "c new/x"));
}

static void a_directory_that_cannot_be_read_counts_as_unwatched(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;
        bool root = geteuid() == 0;

        folder_mkdir(f->root_fd, "closed");
        assert_int_equal(fchmodat(f->root_fd, "closed", 0, 0), 0);
        if (root) {
                assert_int_equal(fchmod(f->volume_fd, 0755), 0);
                assert_int_equal(seteuid(65534), 0);
        }
        w = watch(f, &seen);
        if (root)
                assert_int_equal(seteuid(0), 0);
        assert_int_equal(sync_watch_unwatched(w), 1);
        assert_int_equal(sync_watch_count(w), 1);
        assert_int_equal(fchmodat(f->root_fd, "closed", 0755, 0), 0);
        assert_true(told(w, &seen, "c closed"));
        assert_int_equal(sync_watch_unwatched(w), 0);
        assert_int_equal(sync_watch_count(w), 2);
}

static void a_removed_folder_is_a_halt(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = watch(f, &seen);

        assert_int_equal(unlinkat(f->volume_fd, "folder", AT_REMOVEDIR), 0);
        assert_int_equal(sync_watch_dispatch(w), -ENODEV);
}

static void a_renamed_folder_is_a_halt(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = watch(f, &seen);

        assert_int_equal(renameat(f->volume_fd, "folder", f->volume_fd, "another"), 0);
        assert_int_equal(sync_watch_dispatch(w), -ENODEV);
        assert_int_equal(sync_watch_dispatch(w), -ENODEV);
}

static void many_directories_are_watched_in_steps(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;
        unsigned calls = 1;

        for (unsigned i = 0; i < 2 * SYNC_WATCH_STEP; i++) {
                _cleanup_free_ char *name = strfmt("%u", i);

                folder_mkdir(f->root_fd, name);
        }
        assert_int_equal(sync_watch_new(&w, f->root_fd, handler, &seen), 0);
        while (sync_watch_dispatch(w) > 0)
                calls++;
        assert_true(calls >= 3);
        assert_int_equal(sync_watch_count(w), 2 * SYNC_WATCH_STEP + 1);
        assert_null(seen.dirty);
}

static void directories_on_the_move_survive_a_growing_table(void **state) {
        const Folder *f = *state;
        Seen seen = {};
        _cleanup_sync_watch_free_ SyncWatch *w = NULL;

        folder_mkdir(f->root_fd, "out");
        folder_mkdir(f->root_fd, "out/a");
        w = watch(f, &seen);
        assert_int_equal(renameat(f->root_fd, "out", f->volume_fd, "outside"), 0);
        for (unsigned i = 0; i < 2000; i++) {
                _cleanup_free_ char *name = strfmt("%u", i);

                folder_mkdir(f->root_fd, name);
        }
        assert_true(told(w, &seen, "c 1999"));
        assert_int_equal(sync_watch_count(w), 2001);
        folder_write(f->volume_fd, "outside/a/x", "1");
        pump(w);
        assert_null(seen.dirty);
        folder_write(f->root_fd, "7/x", "1");
        assert_true(told(w, &seen, "c 7/x"));
}

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                folder_test(a_written_file_is_open_then_closed),
                folder_test(what_needs_no_close_is_complete_at_once),
                folder_test(ignored_names_are_silent),
                folder_test(existing_and_new_trees_are_watched),
                folder_test(moved_trees_are_told_under_their_new_names),
                folder_test(directories_exchanged_at_once_keep_their_names_apart),
                folder_test(a_directory_moved_into_its_own_successor_is_followed),
                folder_test(a_link_to_elsewhere_is_not_watched),
                folder_test(an_overflow_makes_everything_dirty_and_mends_the_watches),
                folder_test(a_directory_that_cannot_be_read_counts_as_unwatched),
                folder_test(a_removed_folder_is_a_halt),
                folder_test(a_renamed_folder_is_a_halt),
                folder_test(many_directories_are_watched_in_steps),
                folder_test(directories_on_the_move_survive_a_growing_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
