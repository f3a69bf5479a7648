/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that have another name on main are moved: what others do meanwhile, and crashes, lose nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "common/base/cleanup.h"
#include "common/base/str.h"
#include "tests/unit/sync-run.h"

#define folder_test(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

#define STEPS_MAX 100U
#define CRASHED 99

static uint64_t inode_of(const Folder *f, const char *path) {
        struct stat st;

        assert_int_equal(fstatat(f->root_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_ino;
}

/* --- what is done meanwhile --- */

typedef enum EventKind {
        EVENT_WRITE,          /* to the file, whatever its name is */
        EVENT_REPLACE,        /* another file gets the old name, as editors save */
        EVENT_REPLACE_TWICE,  /* and one more, in the next step */
        EVENT_TAKE_NEW_NAME,
        EVENT_DELETE,
        EVENT_RENAME,
        EVENT_DIRECTORY,      /* the old directory is renamed */
        _EVENT_KIND_MAX,
} EventKind;

typedef struct Event {
        const Folder *folder;
        EventKind kind;
        unsigned step;
        bool reached, written;
        const char *saved; /* content that is another file's */
} Event;

static void save_over(const Folder *f, const char *path, const char *content) {
        folder_write(f->volume_fd, "saved", content);
        (void) renameat(f->volume_fd, "saved", f->root_fd, path);
}

static void write_to(Event *e) {
        const char *path = folder_has(e->folder->root_fd, "d/a") ? "d/a" : "b";
        /* It would wait for the one that moves it: for us. */
        int fd = openat(e->folder->root_fd, path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);

        e->written = fd >= 0 && write(fd, "+", 1) == 1;
        safe_close(fd);
}

static void on_step(unsigned number, void *userdata) {
        Event *e = userdata;

        if (number == e->step + 1 && e->kind == EVENT_REPLACE_TWICE && !folder_has(e->folder->root_fd, "d/a"))
                save_over(e->folder, "d/a", "content 9");
        if (number != e->step)
                return;
        e->reached = true;
        switch (e->kind) {
        case EVENT_WRITE:
                write_to(e);
                break;
        case EVENT_REPLACE:
        case EVENT_REPLACE_TWICE:
                save_over(e->folder, "d/a", "content 7");
                e->saved = "content 7";
                break;
        case EVENT_TAKE_NEW_NAME:
                if (folder_has(e->folder->root_fd, "b"))
                        break;
                folder_write(e->folder->root_fd, "b", "content 8");
                e->saved = "content 8";
                break;
        case EVENT_DELETE:
                (void) unlinkat(e->folder->root_fd, "d/a", 0);
                break;
        case EVENT_RENAME:
                (void) renameat(e->folder->root_fd, "d/a", e->folder->root_fd, "c");
                break;
        case EVENT_DIRECTORY:
                (void) renameat(e->folder->root_fd, "d", e->folder->root_fd, "e");
                break;
        case _EVENT_KIND_MAX:
                break;
        }
}

static bool has_content(const SyncTree *t, const char *content) {
        SyncOid oid = folder_oid(content);

        SYNC_TREE_FOREACH(e, t)
                if (sync_oid_equal(&e->oid, &oid))
                        return true;
        return false;
}

/* What others wrote is there, and main's file, too. */
static void check_event(const Folder *f, const Event *e, const SyncTree *before, const SyncApplyReport *first) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("d=d d/a=f1 d/k=f2"), *r = run_tree("b=f1 d=d d/k=f2"),
                                          *l = NULL, *held = NULL, *base = NULL, *end = NULL, *index = NULL;
        SyncApplyReport report = {};
        SyncApply a = run_apply(f);

        /* What apply says of the file keeps the scan from reading it. */
        assert_int_equal(sync_tree_patch(before, first->placed, &index), 0);
        l = folder_scan(f, index);
        assert_int_equal(has_content(l, "content 1+"), e->written);
        assert_true(!e->saved || has_content(l, e->saved));
        held = model_advance_base(b, l, r, first->placed);
        assert_int_equal(sync_tree_patch(r, held, &base), 0);
        assert_int_equal(run_sync(f, &a, base, r, &report), 0);
        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
        end = folder_scan(f, NULL);
        assert_int_equal(has_content(end, "content 1+"), e->written);
        assert_true(has_content(end, "content 1") || e->written || e->kind == EVENT_DELETE);
        for (const char *c = "content 7\0content 8\0content 9\0"; *c; c += strlen(c) + 1)
                assert_int_equal(has_content(end, c), has_content(l, c));
        if (!e->reached || (e->kind == EVENT_WRITE && !e->written))
                run_assert_folder(f, "b=f1 d=d d/k=f2");
        else if (e->kind == EVENT_REPLACE)
                run_assert_folder(f, "b=f1 d=d d/a=f7 d/k=f2");
        sync_apply_report_clear(&report);
}

static void what_others_do_at_any_step_is_not_lost(void **state) {
        for (EventKind kind = 0; kind < _EVENT_KIND_MAX; kind++) {
                Event e = { .kind = kind, .reached = true };

                for (; e.reached; e.step++) {
                        _cleanup_sync_tree_free_ SyncTree *b = run_tree("d=d d/a=f1 d/k=f2"),
                                                          *r = run_tree("b=f1 d=d d/k=f2"), *before = NULL;
                        SyncApplyReport report = {};
                        Folder *folder;
                        SyncApply a;

                        assert_true(e.step < STEPS_MAX);
                        assert_int_equal(folder_setup((void **) &folder), 0);
                        run_populate(folder, "d=d d/a=f1 d/k=f2");
                        before = folder_scan(folder, NULL);
                        a = run_apply(folder);
                        e.folder = folder;
                        e.reached = e.written = false;
                        e.saved = NULL;
                        a.step = on_step;
                        a.userdata = &e;
                        assert_int_equal(run_sync(folder, &a, b, r, &report), 0);
                        a.step = NULL;
                        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
                        assert_true(report.n_moved == 1 || e.reached);
                        check_event(folder, &e, before, &report);
                        sync_apply_report_clear(&report);
                        assert_int_equal(folder_teardown((void **) &folder), 0);
                }
                /* The steps of the move itself are among them. */
                assert_true(e.step > 7);
        }
}

static int try_to_write(const SyncEntry *wanted, int fd, void *userdata) {
        const Folder *f = userdata;

        assert_int_equal(openat(f->root_fd, "b", O_WRONLY | O_CLOEXEC | O_NONBLOCK), -1);
        assert_int_equal(errno, EWOULDBLOCK);
        return 0;
}

/* Setting the time would hide it. */
static void nobody_writes_before_the_file_has_its_time(void **state) {
        const Folder *f = *state;
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1"), *r = run_tree("b=f1");
        SyncApply a = run_apply(f);
        SyncApplyReport report = {};

        run_populate(f, "a=f1");
        a.restore_metadata = try_to_write;
        a.userdata = *state;
        assert_int_equal(run_sync(f, &a, b, r, &report), 0);
        assert_int_equal(report.n_moved, 1);
        folder_append(f->root_fd, "b", "+");
        sync_apply_report_clear(&report);
}

/* --- crashes --- */

static void crash_at(unsigned number, void *userdata) {
        if (number == *(const unsigned *) userdata)
                _exit(CRASHED);
}

/* In a process of its own; true if the step was reached. */
static bool crash(const Folder *f, unsigned at, bool in_recovery) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                SyncApplyReport report = {};
                SyncApply a = run_apply(f);
                int r;

                a.step = crash_at;
                a.userdata = &at;
                if (in_recovery)
                        r = sync_apply_recover(&a, &report);
                else {
                        SyncTree *b = run_tree("a=f1 c=f2"), *remote = run_tree("b=f1 d=d d/c=f2");

                        r = run_sync(f, &a, b, remote, &report);
                }
                _exit(r < 0 ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == 0));
        return WEXITSTATUS(status) == CRASHED;
}

/* A user goes on with the file where it is; that is a change of it, and no collision with what was main's. */
static void check_after_crash(const Folder *f, bool edited) {
        _cleanup_sync_tree_free_ SyncTree *b = run_tree("a=f1 c=f2"), *r = run_tree("b=f1 d=d d/c=f2"), *l = NULL,
                                          *held = NULL, *base = NULL;
        bool moved = folder_has(f->root_fd, "b");
        SyncApplyReport recovered = {}, report = {};
        SyncApply a = run_apply(f);

        if (edited)
                folder_write(f->root_fd, moved ? "b" : "a", "content 7");
        assert_int_equal(sync_apply_recover(&a, &recovered), 0);
        assert_int_equal(recovered.n_failures, 0);
        assert_int_equal(recovered.n_kept, 0);
        if (moved) {
                assert_non_null(sync_tree_find(recovered.placed, "b"));
                assert_int_equal(sync_tree_find(recovered.placed, "a")->kind, SYNC_ABSENT);
        }
        l = folder_scan(f, NULL);
        held = model_advance_base(b, l, r, recovered.placed);
        assert_int_equal(sync_tree_patch(r, held, &base), 0);
        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
        assert_int_equal(run_sync(f, &a, base, r, &report), 0);
        assert_int_equal(report.n_failures, 0);
        assert_int_equal(report.conflicts.n, 0);
        assert_int_equal(sync_apply_settle(&a, 0, &report), 0);
        assert_int_equal(folder_count(f->staging_fd, "."), 1);
        if (!edited)
                run_assert_folder(f, "b=f1 d=d d/c=f2");
        else
                run_assert_folder(f, moved ? "b=f7 d=d d/c=f2" : "a=f7 b=f1 d=d d/c=f2");
        sync_apply_report_clear(&recovered);
        sync_apply_report_clear(&report);
}

static void a_crash_leaves_it_at_one_of_its_names(void **state) {
        bool crashed = true;
        unsigned step;

        for (step = 0; crashed; step++)
                for (unsigned edited = 0; edited < 2; edited++) {
                        uint64_t inode;
                        Folder *f;

                        assert_true(step < STEPS_MAX);
                        assert_int_equal(folder_setup((void **) &f), 0);
                        run_populate(f, "a=f1 c=f2");
                        inode = inode_of(f, "a");
                        crashed = crash(f, step, false);
                        assert_int_not_equal(folder_has(f->root_fd, "a"), folder_has(f->root_fd, "b"));
                        check_after_crash(f, edited);
                        if (!edited)
                                assert_int_equal(inode_of(f, "b"), inode);
                        assert_int_equal(folder_teardown((void **) &f), 0);
                }
        assert_true(step > 10);
}

static void a_crash_within_recovery_forgets_no_move(void **state) {
        for (unsigned first = 0; first < 14; first++)
                for (unsigned second = 0, crashed = true; crashed; second++) {
                        Folder *f;

                        assert_true(second < STEPS_MAX);
                        assert_int_equal(folder_setup((void **) &f), 0);
                        run_populate(f, "a=f1 c=f2");
                        assert_true(crash(f, first, false));
                        crashed = crash(f, second, true);
                        check_after_crash(f, false);
                        assert_int_equal(folder_teardown((void **) &f), 0);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_others_do_at_any_step_is_not_lost),
                folder_test(nobody_writes_before_the_file_has_its_time),
                cmocka_unit_test(a_crash_leaves_it_at_one_of_its_names),
                cmocka_unit_test(a_crash_within_recovery_forgets_no_move),
        };

        /* Told to who holds a file when another one wants to write to it. */
        assert_ptr_not_equal(signal(SIGIO, SIG_IGN), SIG_ERR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
