/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/daemon: worker processes on the event loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/cleanup.h"
#include "common/daemon/daemon-run.h"
#include "common/daemon/worker.h"

/* Longer than any worker of these tests needs when nothing is wrong. */
#define LONG_USEC (30U * 1000000U)

static void remember_and_leave(Worker *w, const siginfo_t *si, bool timed_out, void *userdata) {
        sd_event *event = NULL;
        siginfo_t *seen = userdata;

        *seen = *si;
        assert_true(sd_event_default(&event) >= 0);
        assert_int_equal(sd_event_exit(event, timed_out ? 2 : 1), 0);
        sd_event_unref(event);
}

/* Runs the command to its end. Returns 2 if its time was up, else 1. */
static int run(char *const argv[], uint64_t timeout_usec, int *ret_socket, siginfo_t *ret) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;

        assert_int_equal(daemon_event_new(&event), 0);
        assert_int_equal(worker_spawn(&w, ret_socket, event, argv, timeout_usec, remember_and_leave, ret), 0);
        assert_true(worker_pid(w) > 0);
        return sd_event_loop(event);
}

static void an_exit_status_is_reported(void **state) {
        char *const good[] = { (char *) "/bin/true", NULL }, *const bad[] = { (char *) "/bin/false", NULL };
        char *const absent[] = { (char *) "/nonexistent/program", NULL };
        siginfo_t si;

        assert_int_equal(run(good, LONG_USEC, NULL, &si), 1);
        assert_true(worker_succeeded(&si));
        assert_int_equal(run(bad, LONG_USEC, NULL, &si), 1);
        assert_false(worker_succeeded(&si));
        assert_int_equal(run(absent, LONG_USEC, NULL, &si), 1);
        assert_int_equal(si.si_status, 127);
}

static void a_worker_that_takes_too_long_is_killed(void **state) {
        char *const argv[] = { (char *) "/bin/sleep", (char *) "1000", NULL };
        siginfo_t si;

        assert_int_equal(run(argv, 20000, NULL, &si), 2);
        assert_int_equal(si.si_code, CLD_KILLED);
        assert_int_equal(si.si_status, SIGKILL);
}

static void a_worker_has_its_socket_and_no_other_descriptor(void **state) {
        char *const argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) "ls /proc/self/fd >&3", NULL };
        _cleanup_close_ int leak = open("/dev/null", O_RDONLY), fd = -EBADF;
        char buf[64];
        siginfo_t si;
        ssize_t n;

        assert_true(leak >= 0);
        assert_int_equal(run(argv, LONG_USEC, &fd, &si), 1);
        n = recv(fd, buf, sizeof(buf) - 1, 0);
        assert_true(n > 0);
        buf[n] = 0;
        /* 4 is the directory that ls itself reads. */
        assert_string_equal(buf, "0\n1\n2\n3\n4\n");
}

static void a_freed_worker_is_dead(void **state) {
        char *const argv[] = { (char *) "/bin/sleep", (char *) "1000", NULL };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Worker *w;
        pid_t pid;
        siginfo_t si;

        assert_int_equal(daemon_event_new(&event), 0);
        assert_int_equal(worker_spawn(&w, NULL, event, argv, UINT64_MAX, remember_and_leave, &si), 0);
        pid = worker_pid(w);
        assert_null(worker_free(w));
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_exit_status_is_reported),
                cmocka_unit_test(a_worker_that_takes_too_long_is_killed),
                cmocka_unit_test(a_worker_has_its_socket_and_no_other_descriptor),
                cmocka_unit_test(a_freed_worker_is_dead),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
