/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What syncd says while a transfer runs. Messages are sent before the transfer waits: nothing depends on
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "syncd/transfer-pace.h"
#include "syncd/worker-message.h"

typedef struct Fixture {
        TransferPace pace;
        int syncd;
        int worker;
} Fixture;

static void start(Fixture *f, char *const *command) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
        f->syncd = fds[0];
        f->worker = fds[1];
        transfer_pace_init(&f->pace, f->worker, 1);
        assert_int_equal(transfer_pace_begin(&f->pace, command), 0);
}

static void stop(Fixture *f) {
        transfer_pace_clear(&f->pace);
        close(f->syncd);
        close(f->worker);
}

static void say(const Fixture *f, char *const *message) {
        assert_int_equal(worker_message_send(f->syncd, message), 0);
}

#define MESSAGE(...) ((char *const *) (const char *const[]) { __VA_ARGS__, NULL })

static void the_command_sets_limits(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=push", "upload=64000", "download=0"));
        assert_int_equal(f.pace.up.rate, 64000);
        assert_int_equal(f.pace.down.rate, 0);
        /* A later command without limits leaves them. */
        assert_int_equal(transfer_pace_begin(&f.pace, MESSAGE("command=fetch")), 0);
        assert_int_equal(f.pace.up.rate, 64000);
        stop(&f);
}

static void new_limits_hold_for_one_that_waits(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=push", "upload=1"));
        rate_limit_take(&f.pace.up, 125000000); /* days of debt */
        say(&f, MESSAGE("upload=0"));
        rate_limit_take(&f.pace.up, 1);
        assert_int_equal(f.pace.up.rate, 0);
        stop(&f);
}

static void a_stop_is_seen_between_packets(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=content"));
        transfer_pace_poll(&f.pace);
        assert_false(f.pace.stop);
        say(&f, MESSAGE("stop=1"));
        transfer_pace_poll(&f.pace);
        assert_true(f.pace.stop);
        /* It was for that transfer. */
        assert_int_equal(transfer_pace_begin(&f.pace, MESSAGE("command=fetch")), 0);
        assert_false(f.pace.stop);
        stop(&f);
}

static void a_wait_ends_with_what_is_said(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=prefetch"));
        say(&f, MESSAGE("stop=1"));
        transfer_pace_wait(&f.pace, UINT64_MAX);
        assert_true(f.pace.stop);
        stop(&f);
}

static void the_next_command_is_not_taken_away(void **state) {
        _cleanup_strv_free_ char **message = NULL;
        Fixture f;

        start(&f, MESSAGE("command=fetch"));
        say(&f, MESSAGE("download=1000"));
        say(&f, MESSAGE("command=push"));
        transfer_pace_poll(&f.pace);
        assert_int_equal(f.pace.down.rate, 1000);
        transfer_pace_end(&f.pace);
        assert_int_equal(worker_message_receive(f.worker, &message), 0);
        assert_string_equal(worker_message_get(message, "command"), "push");
        stop(&f);
}

static void broken_limits_change_nothing(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=fetch", "upload=1000"));
        say(&f, MESSAGE("upload=2000", "download=-1"));
        transfer_pace_poll(&f.pace);
        assert_int_equal(f.pace.up.rate, 1000);
        assert_int_equal(transfer_pace_begin(&f.pace, MESSAGE("command=push", "background=yes")), -EBADMSG);
        stop(&f);
}

static void syncd_may_go_away(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=push", "upload=1000"));
        close(f.syncd);
        rate_limit_take(&f.pace.up, 100);
        rate_limit_take(&f.pace.up, 1);
        assert_true(f.pace.stop);
        f.syncd = dup(f.worker);
        stop(&f);
}

static void background_is_bounded_by_the_limits(void **state) {
        Fixture f;

        start(&f, MESSAGE("command=push", "background=1", "upload=1000"));
        if (f.pace.blind) {
                stop(&f);
                print_message("SKIP: this kernel has no sock_diag\n");
                skip();
        }
        assert_int_equal(f.pace.up.rate, 1000);
        assert_int_equal(f.pace.down.rate, BACKGROUND_RATE_START);
        say(&f, MESSAGE("background=0", "upload=0"));
        transfer_pace_poll(&f.pace);
        assert_int_equal(f.pace.up.rate, 0);
        assert_int_equal(f.pace.down.rate, 0);
        stop(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_command_sets_limits),
                cmocka_unit_test(new_limits_hold_for_one_that_waits),
                cmocka_unit_test(a_stop_is_seen_between_packets),
                cmocka_unit_test(a_wait_ends_with_what_is_said),
                cmocka_unit_test(the_next_command_is_not_taken_away),
                cmocka_unit_test(broken_limits_change_nothing),
                cmocka_unit_test(syncd_may_go_away),
                cmocka_unit_test(background_is_bounded_by_the_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
