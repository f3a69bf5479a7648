/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scans that give way: to those who wait for the end of a run, to a restart, and to what never stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <git2.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/str.h"
#include "syncd/folder-history.h"
#include "syncd/folder-internal.h"
#include "tests/unit/folder-world.h"

#define MIB ((size_t) 1 << 20)
#define RUNS_MAX 200U

typedef struct Run {
        bool rest, again, candidate;
        git_oid push;
} Run;

static bool always(void *userdata) {
        return true;
}

/* A run that looks at the path, or (NULL) at everything. */
static Run run(World *w, WorldGateway *g, const char *path) {
        char *const paths[] = { (char *) path, NULL };
        FolderRequest request = { .gateway_name = g->name, .full = !path, .paths = path ? (char **) paths : NULL };
        FolderResult result;
        Run done;

        assert_int_equal(folder_run(g->folder, &request, &result), 0);
        assert_int_equal(result.outcome.word, SYNC_WORD_NONE);
        done = (Run) {
                .rest = result.outcome.rest,
                .again = result.outcome.again,
                .candidate = result.outcome.candidate,
                .push = result.push,
        };
        folder_result_clear(&result);
        assert_int_equal(folder_finish_run(g->folder), 0);
        return done;
}

static void let_wait(WorldGateway *g, bool (*waits)(void *userdata), void *userdata) {
        g->folder->read_min_msec = 0;
        folder_set_waits(g->folder, waits, userdata);
}

/* Runs until everything was read; returns how many it took. */
static unsigned run_to_the_end(World *w, WorldGateway *g) {
        unsigned n = 1;

        while (run(w, g, "none").rest)
                assert_true(n++ < RUNS_MAX);
        return n;
}

static bool is_committed(WorldGateway *g, const git_oid *commit, const char *path) {
        SyncEntry e;

        return !git_oid_is_zero(commit) && git_store_find_entry(folder_store(g->folder), commit, path, &e) == 0;
}

static void a_small_file_does_not_wait_for_a_large_one(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        Run first;

        run(w, g, NULL);
        let_wait(g, always, NULL);
        world_write(w, g, "large", 9 * MIB);
        first = run(w, g, "large");
        assert_true(first.rest);
        assert_false(first.candidate);
        world_write(w, g, "small", 100);
        first = run(w, g, "small");
        assert_true(first.rest);
        assert_true(is_committed(g, &first.push, "small"));
        assert_false(is_committed(g, &first.push, "large"));
        assert_true(run_to_the_end(w, g) >= 9 * MIB / (512 * 1024) - 2);
        folder_set_waits(g->folder, NULL, NULL);
        world_see(w, g);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

static void what_is_read_in_parts_is_what_is_read_at_once(void **state) {
        _cleanup_close_ int fd = -EBADF;
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        ContentHash *h = &g->folder->hash;
        SyncOid whole, parts;
        unsigned n = 1;

        world_write(w, g, "large", 5 * MIB);
        fd = openat(g->root_fd, "large", O_RDONLY | O_CLOEXEC);
        assert_int_equal(content_hash_file(fd, false, &whole, h), SYNC_HASHED);
        content_hash_begin(h, always, NULL, false);
        while (content_hash_in_parts(fd, true, &parts, h) == -EINPROGRESS)
                assert_true(n++ < RUNS_MAX);
        content_hash_end(h);
        assert_true(n > 5);
        assert_true(sync_oid_equal(&whole, &parts));
        world_free(w);
}

static void what_is_not_read_in_the_run_of_a_change_is_read_behind_it(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        Run r;

        run(w, g, NULL);
        g->folder->read_min_msec = 0;
        assert_int_equal(mkdirat(g->root_fd, "new", 0755), 0);
        world_write(w, g, "a", 9 * MIB);
        for (unsigned i = 0; i < 20; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "new/%02u", i);
                world_write(w, g, name, 100);
        }
        /* Nobody waits for the large one, and all of what the directory has is named by it. */
        r = run(w, g, "new");
        assert_false(r.rest);
        assert_true(is_committed(g, &r.push, "new/19"));
        assert_true(run(w, g, "a").rest);
        assert_true(run(w, g, "none").rest);
        /* No change: to its end. */
        world_run(w, g);
        assert_false(g->rest);
        world_see(w, g);
        world_settle(w);
        world_check_ledger(w);
        world_free(w);
}

static void a_slice_ends_though_nobody_waits(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        Run first;

        g->folder->slice_msec = -1;
        world_write(w, g, "large", 5 * MIB);
        world_write(w, g, "small", 100);
        first = run(w, g, NULL);
        assert_true(first.rest);
        assert_true(is_committed(g, &first.push, "small"));
        assert_true(run_to_the_end(w, g) > 5);
        world_see(w, g);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

static void a_file_that_changes_between_its_parts_is_read_anew(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;

        run(w, g, NULL);
        let_wait(g, always, NULL);
        world_write(w, g, "large", 5 * MIB);
        for (unsigned i = 0; i < 5; i++)
                assert_true(run(w, g, "large").rest);
        /* Its beginning was read. */
        world_write(w, g, "large", 5 * MIB);
        assert_true(run_to_the_end(w, g) > 5);
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_origin(w);
        world_check_equal(w);
        world_free(w);
}

static void a_file_that_goes_between_its_parts_holds_up_no_other(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;

        run(w, g, NULL);
        let_wait(g, always, NULL);
        world_write(w, g, "a", 5 * MIB);
        assert_true(run(w, g, "a").rest);
        world_write(w, g, "b", 5 * MIB);
        assert_true(run(w, g, "b").rest);
        assert_int_equal(unlinkat(g->root_fd, "a", 0), 0);
        assert_true(run(w, g, "a").rest);
        (void) run_to_the_end(w, g);
        assert_null(g->folder->hash.reading);
        folder_set_waits(g->folder, NULL, NULL);
        world_see(w, g);
        world_settle(w);
        world_check_equal(w);
        world_check_ledger(w);
        world_free(w);
}

static void a_move_is_one_commit_though_reading_takes_long(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;

        world_write(w, g, "large", 9 * MIB);
        world_settle(w);
        let_wait(g, always, NULL);
        assert_int_equal(renameat(g->root_fd, "large", g->root_fd, "moved"), 0);
        while (run(w, g, NULL).rest)
                assert_int_equal(git_store_get_reference(folder_store(g->folder), GIT_STORE_CANDIDATE, &(git_oid) {}),
                                 -ENOENT);
        folder_set_waits(g->folder, NULL, NULL);
        world_settle(w);
        world_check_equal(w);
        assert_int_equal(w->bytes_pushed, 9 * MIB);
        assert_int_equal(w->bytes_fetched, 9 * MIB);
        world_free(w);
}

static void a_deletion_that_is_no_move_does_not_wait(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        Run r;

        world_write(w, g, "small", 100);
        world_settle(w);
        let_wait(g, always, NULL);
        world_write(w, g, "large", 9 * MIB);
        assert_true(run(w, g, "large").rest);
        assert_int_equal(unlinkat(g->root_fd, "small", 0), 0);
        r = run(w, g, "small");
        assert_true(r.rest && r.candidate);
        assert_false(is_committed(g, &r.push, "small"));
        world_free(w);
}

static void what_is_not_read_yet_is_no_collision(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways;
        _cleanup_free_ char *empty = strfmt("%s.empty", g->state);

        world_write(w, g, "a", 2 * MIB);
        world_write(w, g, "b", 3 * MIB);
        world_write(w, g, "c", 100);
        world_settle(w);
        /* All state is lost, and the other has changed something meanwhile. */
        g->may_lose_state = true;
        world_close(w, g);
        assert_int_equal(mkdir(empty, 0700), 0);
        assert_int_equal(renameat2(AT_FDCWD, empty, AT_FDCWD, g->state, RENAME_EXCHANGE), 0);
        world_write(w, w->gateways + 1, "d", 100);
        world_run(w, w->gateways + 1);
        assert_true(world_push(w, w->gateways + 1));
        world_open(w, g);
        let_wait(g, always, NULL);
        world_settle(w);
        assert_false(g->conflict);
        world_check_equal(w);
        /* By the other, and then the new one. */
        assert_int_equal(w->bytes_fetched, 5 * MIB + 200);
        world_free(w);
}

/* --- a restart --- */

#define FILES 1500U
#define READ_BEFORE_THE_END 1000U

static bool end_the_process(void *userdata) {
        unsigned *n = userdata;

        if (++*n == READ_BEFORE_THE_END)
                (void) raise(SIGKILL);
        return false;
}

static void a_scan_that_was_killed_goes_on_where_it_was(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        SyncScanReport report = {};
        unsigned n = 0;
        int status;
        pid_t pid;

        for (unsigned i = 0; i < FILES; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "%04u", i);
                world_write(w, g, name, 10);
                if (i == FILES - 1)
                        world_let_settle(g, name);
        }
        world_close(w, g);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                world_open(w, g);
                g->folder->checkpoint_sec = 0;
                let_wait(g, end_the_process, &n);
                run(w, g, NULL);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        world_open(w, g);
        assert_int_equal(folder_scan(g->folder, &(FolderScan) { .full = true, .in_parts = true }, &report),
                         SYNC_SCAN_OK);
        assert_int_equal(report.n_entries, FILES);
        assert_in_range(report.n_hashed, FILES - READ_BEFORE_THE_END, FILES - READ_BEFORE_THE_END / 2);
        world_settle(w);
        world_check_ledger(w);
        world_free(w);
}

/* What was put off run after run is written down, too. */
static void a_series_of_runs_that_was_killed_goes_on_where_it_was(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        SyncScanReport report = {};

        world_write(w, g, "a", 5 * MIB);
        world_write(w, g, "b", 5 * MIB);
        world_let_settle(g, "b");
        g->folder->checkpoint_sec = 0;
        let_wait(g, always, NULL);
        do
                assert_true(run(w, g, "none").rest);
        while (sync_tree_find(g->folder->index, "a")->certainty != SYNC_SETTLED);
        world_restart(w, g);
        assert_int_equal(folder_scan(g->folder, &(FolderScan) { .full = true }, &report), SYNC_SCAN_OK);
        assert_int_equal(report.n_hashed, 1);
        world_settle(w);
        world_check_ledger(w);
        world_free(w);
}

/* --- what never stands still --- */

static bool can_clone(const WorldGateway *g, const char *path) {
        _cleanup_close_ int from = openat(g->root_fd, path, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int to = openat(g->root_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return ioctl(to, FICLONE, from) >= 0;
}

static bool write_to_it(void *userdata) {
        static const char byte = 'x';

        assert_int_equal(pwrite(*(int *) userdata, &byte, 1, 3 * MIB), 1);
        return false;
}

static bool newest_is_fuzzy(WorldGateway *g, const char *path) {
        FolderHistory history = {};
        bool fuzzy;

        assert_int_equal(folder_list_versions(g->folder, path, NULL, 10, &history), 0);
        assert_true(history.n > 0);
        fuzzy = history.items[0].entry.fuzzy;
        folder_history_clear(&history);
        return fuzzy;
}

static void push(World *w, WorldGateway *g, const Run *r) {
        assert_true(r->candidate);
        g->push = r->push;
        assert_true(world_push(w, g));
}

static void a_version_of_what_never_rests_says_so(void **state) {
        World *w = world_new(2, 1);
        WorldGateway *g = w->gateways, *other = w->gateways + 1;
        bool fuzzy;
        Run r;
        int fd;

        world_write(w, g, "disk", 5 * MIB);
        world_settle(w);
        assert_false(newest_is_fuzzy(g, "disk"));
        fuzzy = !can_clone(g, "disk");
        g->folder->busy_sec = -1;
        fd = openat(g->root_fd, "disk", O_RDWR | O_CLOEXEC);
        let_wait(g, write_to_it, &fd);
        (void) write_to_it(&fd);
        assert_false(run(w, g, NULL).candidate);
        r = run(w, g, NULL);
        push(w, g, &r);
        assert_int_equal(newest_is_fuzzy(g, "disk"), fuzzy);
        world_fetch(w, other);
        assert_int_equal(newest_is_fuzzy(other, "disk"), fuzzy);
        /* The next one is a good one again. */
        folder_set_waits(g->folder, NULL, NULL);
        assert_int_equal(pwrite(fd, "end", 3, 1000), 3);
        close(fd);
        world_let_settle(g, "disk");
        r = run(w, g, NULL);
        push(w, g, &r);
        assert_false(newest_is_fuzzy(g, "disk"));
        world_free(w);
}

static void what_never_rests_is_read_to_its_end_in_parts(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        unsigned n = 0;
        int fd;
        Run r;

        world_write(w, g, "disk", 5 * MIB);
        world_settle(w);
        g->folder->busy_sec = -1;
        fd = openat(g->root_fd, "disk", O_RDWR | O_CLOEXEC);
        (void) write_to_it(&fd);
        assert_false(run(w, g, NULL).candidate);
        let_wait(g, always, NULL);
        do {
                assert_true(n++ < RUNS_MAX);
                (void) write_to_it(&fd);
                r = run(w, g, NULL);
        } while (r.rest);
        assert_true(n > 5);
        push(w, g, &r);
        assert_int_equal(newest_is_fuzzy(g, "disk"), !can_clone(g, "disk"));
        close(fd);
        world_free(w);
}

/* --- in the background --- */

typedef struct Priority {
        int nice, io;
} Priority;

static int io_priority(void) {
        return (int) syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
}

static bool look_at_priority(void *userdata) {
        *(Priority *) userdata = (Priority) { .nice = getpriority(PRIO_PROCESS, 0), .io = io_priority() };
        return false;
}

static void a_scan_that_nobody_waits_for_is_in_the_background(void **state) {
        World *w = world_new(1, 1);
        WorldGateway *g = w->gateways;
        const Priority before = { .nice = getpriority(PRIO_PROCESS, 0), .io = io_priority() };
        const struct rlimit limit = { (rlim_t) (20 - before.nice), (rlim_t) (20 - before.nice) };
        /* Who may not come back does not go. */
        bool may = before.nice < 10 && setrlimit(RLIMIT_NICE, &limit) >= 0;
        Priority seen = {};

        world_write(w, g, "a", 5 * MIB);
        let_wait(g, look_at_priority, &seen);
        run(w, g, NULL);
        assert_int_equal(seen.io, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
        assert_int_equal(seen.nice, may ? 10 : before.nice);
        assert_int_equal(getpriority(PRIO_PROCESS, 0), before.nice);
        assert_int_equal(io_priority(), before.io);

        /* A user's change is not. */
        world_write(w, g, "a", 5 * MIB);
        run(w, g, "a");
        assert_int_equal(seen.io, before.io);
        assert_int_equal(seen.nice, before.nice);
        world_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_small_file_does_not_wait_for_a_large_one),
                cmocka_unit_test(what_is_read_in_parts_is_what_is_read_at_once),
                cmocka_unit_test(what_is_not_read_in_the_run_of_a_change_is_read_behind_it),
                cmocka_unit_test(a_slice_ends_though_nobody_waits),
                cmocka_unit_test(a_file_that_changes_between_its_parts_is_read_anew),
                cmocka_unit_test(a_file_that_goes_between_its_parts_holds_up_no_other),
                cmocka_unit_test(a_move_is_one_commit_though_reading_takes_long),
                cmocka_unit_test(a_deletion_that_is_no_move_does_not_wait),
                cmocka_unit_test(what_is_not_read_yet_is_no_collision),
                cmocka_unit_test(a_scan_that_was_killed_goes_on_where_it_was),
                cmocka_unit_test(a_series_of_runs_that_was_killed_goes_on_where_it_was),
                cmocka_unit_test(a_version_of_what_never_rests_says_so),
                cmocka_unit_test(what_never_rests_is_read_to_its_end_in_parts),
                cmocka_unit_test(a_scan_that_nobody_waits_for_is_in_the_background),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
