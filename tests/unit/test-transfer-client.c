/* SPDX-License-Identifier: GPL-2.0-or-later */
/* syncd's end of the transfer worker, with the real one, whose server is away. Argument: the worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "syncd/worker-client.h"

/* A port where nobody listens (RFC 1078's, long unused). */
#define URL "ssh://nobody@127.0.0.1:1/name"
#define PUBLIC_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtleWtleWtleWtleWtleWtleWtleWtleWtleWtleWtl\n"

static char *arg_worker;

typedef struct Fixture {
        char directory[sizeof("/tmp/test-transfer-client.XXXXXX")];
        sd_event *event;
        TransferClient *client;
        unsigned answers;
        TransferResult result;
        bool again; /* the handler sends another command */
} Fixture;

static int setup(void **state) {
        _cleanup_free_ char *key = NULL, *staging = NULL;
        Fixture *f = calloc(1, sizeof(*f));
        sigset_t mask;

        strcpy(f->directory, "/tmp/test-transfer-client.XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        key = strfmt("%s/key.pub", f->directory);
        staging = strfmt("%s/staging", f->directory);
        assert_int_equal(write_file_atomic(AT_FDCWD, key, PUBLIC_KEY, strlen(PUBLIC_KEY), 0600), 0);
        assert_int_equal(mkdir(staging, 0700), 0);
        assert_int_equal(sigemptyset(&mask), 0);
        assert_int_equal(sigaddset(&mask, SIGCHLD), 0);
        assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
        assert_int_equal(sd_event_new(&f->event), 0);
        *state = f;
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        Fixture *f = *state;

        transfer_client_free(f->client);
        sd_event_unref(f->event);
        assert_int_equal(nftw(f->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
        free(f);
        return 0;
}

static void make_client(Fixture *f, const char *url) {
        _cleanup_free_ char *staging = strfmt("%s/staging", f->directory);
        char *argv[] = { arg_worker, f->directory, (char *) "", staging, (char *) url, (char *) "", NULL };

        assert_int_equal(transfer_client_new(&f->client, f->event, argv), 0);
}

static void on_answer(TransferClient *c, const TransferAnswer *answer, void *userdata) {
        Fixture *f = userdata;
        char *message[] = { (char *) "command=fetch", NULL };

        f->answers++;
        f->result = answer->result;
        assert_non_null(answer->text);
        assert_non_null(answer->commit);
        if (f->again) {
                f->again = false;
                assert_int_equal(transfer_client_send(c, message, NULL, on_answer, f), 0);
        }
}

static void send_command(Fixture *f, const char *command) {
        char *message[] = { (char *) command, NULL };

        assert_int_equal(transfer_client_send(f->client, message, NULL, on_answer, f), 0);
        assert_int_equal(transfer_client_send(f->client, message, NULL, on_answer, f), -EBUSY);
}

static void await(Fixture *f, unsigned answers) {
        while (f->answers < answers)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
}

static void each_command_has_one_answer(void **state) {
        char *limits[] = { (char *) "upload=1000", NULL };
        Fixture *f = *state;

        make_client(f, URL);
        assert_int_equal(transfer_client_tell(f->client, limits), -ENOTCONN);
        send_command(f, "command=fetch");
        assert_int_equal(transfer_client_tell(f->client, limits), 0);
        await(f, 1);
        assert_int_equal(f->result, TRANSFER_UNREACHABLE);
        /* What comes too late does no harm. */
        assert_int_equal(transfer_client_tell(f->client, limits), 0);
        f->again = true;
        send_command(f, "command=content");
        await(f, 3);
        assert_int_equal(f->result, TRANSFER_UNREACHABLE);
        send_command(f, "command=dance");
        await(f, 4);
        assert_int_equal(f->result, TRANSFER_LOCAL_ERROR);
}

static void a_worker_that_fails_is_an_answer(void **state) {
        Fixture *f = *state;

        make_client(f, "no URL");
        send_command(f, "command=fetch");
        await(f, 1);
        assert_int_equal(f->result, TRANSFER_LOCAL_ERROR);
        send_command(f, "command=fetch");
        await(f, 2);
        assert_int_equal(f->result, TRANSFER_LOCAL_ERROR);
}

static void what_is_freed_gives_no_answer(void **state) {
        Fixture *f = *state;

        make_client(f, URL);
        send_command(f, "command=prefetch");
        f->client = transfer_client_free(f->client);
        while (sd_event_run(f->event, 0) > 0)
                ;
        assert_int_equal(f->answers, 0);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_command_has_one_answer, setup, teardown),
                cmocka_unit_test_setup_teardown(a_worker_that_fails_is_an_answer, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_freed_gives_no_answer, setup, teardown),
        };

        if (argc != 2)
                return 2;
        arg_worker = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
