/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File transfers: which orders are refused, when they run, what survives, what is told (TR-069 A.3.2.8, A.4.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/core/cwmp-message.h"
#include "agent/core/transfer-order.h"
#include "agent/core/transfer-queue.h"
#include "common/base/str.h"

#define NOW 1000000

static Transfer order(TransferKind kind, const char *key) {
        return (Transfer) {
                .kind = kind,
                .command_key = strdup(key),
                .file_type = strdup(kind == TRANSFER_UPLOAD ? "2 Vendor Log File" : "1 Firmware Upgrade Image"),
                .url = strdup("http://files.test/a"),
                .password = strdup("secret"),
        };
}

static void add_window(Transfer *t, uint32_t start, uint32_t end, int32_t max_retries) {
        t->windows[t->n_windows++] = (TransferWindow) {
                .start = start,
                .end = end,
                .mode = strdup("1 At Any Time"),
                .max_retries = max_retries,
        };
}

static void wrong_orders_are_refused(void **state) {
        const struct {
                TransferKind kind;
                const char *file_type, *url;
                uint32_t fault;
        } rows[] = {
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "http://a/b", 0 },
                { TRANSFER_DOWNLOAD, "3 Vendor Configuration File", "https://a:8443/b?c=d", 0 },
                { TRANSFER_DOWNLOAD, "X 00AA01 Theme", "http://[2001:db8::1]/b", 0 },
                { TRANSFER_DOWNLOAD, "2 Web Content", "http://a/b", 9003 },
                { TRANSFER_DOWNLOAD, "", "http://a/b", 9003 },
                { TRANSFER_DOWNLOAD, "X a\nFile=/etc/passwd", "http://a/b", 9003 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "ftp://a/b", 9013 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "file:///etc/passwd", 9013 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "http://user:word@a/b", 9003 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "http:///b", 9003 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "http://a/ b", 9003 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "http://a/b\r\nX: y", 9003 },
                { TRANSFER_DOWNLOAD, "1 Firmware Upgrade Image", "", 9003 },
                { TRANSFER_UPLOAD, "2 Vendor Log File", "http://a/b", 0 },
                { TRANSFER_UPLOAD, "1 Vendor Configuration File", "http://a/b", 0 },
                { TRANSFER_UPLOAD, "1 Firmware Upgrade Image", "http://a/b", 9003 },
                { TRANSFER_SCHEDULED_DOWNLOAD, "1 Firmware Upgrade Image", "http://a/b", 9003 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Transfer t = {
                        .kind = rows[i].kind,
                        .file_type = (char *) (uintptr_t) rows[i].file_type,
                        .url = (char *) (uintptr_t) rows[i].url,
                };
                assert_int_equal(transfer_check(&t), rows[i].fault);
        }
}

static void wrong_windows_are_refused(void **state) {
        const struct {
                uint32_t start[2], end[2];
                size_t n;
                const char *mode;
                uint32_t fault;
        } rows[] = {
                { { 0 }, { 60 }, 1, "1 At Any Time", 0 },
                { { 0, 60 }, { 60, 90 }, 2, "2 Immediately", 0 },
                { { 0, 50 }, { 60, 90 }, 2, "2 Immediately", 9003 },
                { { 60 }, { 60 }, 1, "1 At Any Time", 9003 },
                { { 0 }, { 60 }, 1, "4 Confirmation Needed", 9003 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_transfer_ Transfer t = order(TRANSFER_SCHEDULED_DOWNLOAD, "k");
                for (size_t k = 0; k < rows[i].n; k++) {
                        add_window(&t, rows[i].start[k], rows[i].end[k], -1);
                        free(t.windows[k].mode);
                        t.windows[k].mode = strdup(rows[i].mode);
                }
                assert_int_equal(transfer_check(&t), rows[i].fault);
        }
}

static void add(TransferQueue *q, TransferKind kind, const char *key, uint32_t delay) {
        _cleanup_transfer_ Transfer t = order(kind, key);

        t.delay_sec = delay;
        assert_int_equal(transfer_queue_add(q, &t, NOW), 0);
}

static void one_runs_at_a_time_when_it_is_due(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;

        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        assert_int_equal(transfer_queue_due(q), INT64_MAX);
        add(q, TRANSFER_DOWNLOAD, "late", 100);
        add(q, TRANSFER_UPLOAD, "soon", 0);
        assert_int_equal(transfer_queue_due(q), NOW);

        const Transfer *t = transfer_queue_next(q, NOW);
        assert_string_equal(t->command_key, "soon");
        uint32_t number = t->number;
        assert_int_equal(transfer_queue_begin(q, number, NOW), 0);
        assert_null(transfer_queue_next(q, NOW + 100));
        assert_int_equal(transfer_queue_end(q, number, 0, NULL, NOW + 50), 0);
        assert_null(transfer_queue_next(q, NOW + 99));
        assert_int_equal(transfer_queue_due(q), NOW + 100);
        assert_string_equal(transfer_queue_next(q, NOW + 100)->command_key, "late");
}

static void what_is_done_is_told_until_it_is_answered(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;
        _cleanup_parameter_list_ ParameterList events = {}, again = {};

        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        add(q, TRANSFER_DOWNLOAD, "a", 0);
        add(q, TRANSFER_DOWNLOAD, "b", 0);
        assert_false(transfer_queue_has_news(q));
        for (unsigned i = 0; i < 2; i++) {
                uint32_t number = transfer_queue_next(q, NOW)->number;
                assert_int_equal(transfer_queue_begin(q, number, NOW), 0);
                assert_int_equal(transfer_queue_end(q, number, i == 0 ? 0 : 9016, NULL, NOW + 1), 0);
        }

        assert_true(transfer_queue_has_news(q));
        assert_int_equal(transfer_queue_collect(q, &events), 0);
        assert_int_equal(events.n, 3);
        assert_string_equal(events.items[0].name, "7 TRANSFER COMPLETE");
        assert_string_equal(events.items[1].name, "M Download");
        assert_string_equal(events.items[1].value, "a");
        assert_string_equal(events.items[2].value, "b");
        assert_false(transfer_queue_has_news(q));

        /* The session ended before the second TransferComplete was answered. */
        const TransferList *l = transfer_queue_list(q);
        assert_int_equal(l->items[1].fault_code, 9016);
        assert_string_equal(l->items[1].fault_string, "Unable to access file");
        assert_int_equal(l->items[1].complete_time, INT64_MIN);
        assert_null(l->items[1].password);
        assert_int_equal(transfer_queue_remove(q, l->items[0].number), 0);
        transfer_queue_session_ended(q);
        assert_true(transfer_queue_has_news(q));
        assert_int_equal(transfer_queue_collect(q, &again), 0);
        assert_int_equal(again.n, 2);
        assert_string_equal(again.items[1].value, "b");
}

static void the_queue_outlives_power_cuts_but_not_for_ever(void **state) {
        char path[] = "/tmp/test-agent-transfer.XXXXXX";
        TransferQueue *q = NULL;

        assert_non_null(mkdtemp(path));
        _cleanup_free_ char *file = strfmt("%s/queue", path);
        assert_int_equal(transfer_queue_new(&q, file), 0);
        add(q, TRANSFER_DOWNLOAD, "k", 0);

        for (unsigned i = 0; i < TRANSFER_TRIES_MAX; i++) {
                const Transfer *t = transfer_queue_next(q, NOW);
                assert_string_equal(t->password, "secret");
                assert_int_equal(transfer_queue_begin(q, t->number, NOW), 0);
                q = transfer_queue_free(q);
                assert_int_equal(transfer_queue_new(&q, file), 0);
        }
        assert_null(transfer_queue_next(q, NOW));
        assert_true(transfer_queue_has_news(q));
        assert_int_equal(transfer_queue_list(q)->items[0].fault_code, 9010);

        q = transfer_queue_free(q);
        assert_int_equal(transfer_queue_new(&q, file), 0);
        assert_true(transfer_queue_has_news(q));
        assert_int_equal(transfer_queue_remove(q, 1), 0);
        add(q, TRANSFER_DOWNLOAD, "k", 0);
        assert_int_equal(transfer_queue_list(q)->items[0].number, 2);
        transfer_queue_free(q);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(path), 0);
}

static void a_damaged_queue_is_put_aside(void **state) {
        char path[] = "/tmp/test-agent-transfer.XXXXXX";
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;

        assert_non_null(mkdtemp(path));
        _cleanup_free_ char *file = strfmt("%s/queue", path), *aside = strfmt("%s.corrupt", file);
        FILE *f = fopen(file, "w");
        assert_non_null(f);
        fputs("garbage that is not a queue", f);
        assert_int_equal(fclose(f), 0);
        assert_int_equal(transfer_queue_new(&q, file), -EBADMSG);
        assert_non_null(q);
        assert_int_equal(transfer_queue_list(q)->n, 0);
        assert_int_equal(unlink(aside), 0);
        assert_int_equal(rmdir(path), 0);
}

static void the_queue_is_full_at_its_limit(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;
        _cleanup_transfer_ Transfer t = order(TRANSFER_DOWNLOAD, "k");

        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        for (unsigned i = 0; i < TRANSFERS_MAX; i++)
                assert_int_equal(transfer_queue_add(q, &t, NOW), 0);
        assert_int_equal(transfer_queue_add(q, &t, NOW), -ENOSPC);
}

static void windows_bound_a_scheduled_download(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;
        _cleanup_transfer_ Transfer t = order(TRANSFER_SCHEDULED_DOWNLOAD, "k");

        add_window(&t, 100, 400, 1);
        add_window(&t, 1000, 1100, 0);
        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        assert_int_equal(transfer_queue_add(q, &t, NOW), 0);

        assert_null(transfer_queue_next(q, NOW + 99));
        /* One retry in the first window, after a pause; none in the second. */
        for (unsigned i = 0; i < 2; i++) {
                int64_t now = NOW + 100 + i * TRANSFER_RETRY_SEC;
                assert_non_null(transfer_queue_next(q, now));
                assert_int_equal(transfer_queue_begin(q, 1, now), 0);
                assert_int_equal(transfer_queue_end(q, 1, 9015, NULL, now), 0);
        }
        assert_null(transfer_queue_next(q, NOW + 399));
        assert_non_null(transfer_queue_next(q, NOW + 1000));
        assert_int_equal(transfer_queue_begin(q, 1, NOW + 1000), 0);
        assert_int_equal(transfer_queue_end(q, 1, 9015, NULL, NOW + 1001), 0);
        assert_true(transfer_queue_has_news(q));
        assert_int_equal(transfer_queue_list(q)->items[0].fault_code, 9015);
}

static void windows_that_were_missed_are_told(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;
        _cleanup_transfer_ Transfer t = order(TRANSFER_SCHEDULED_DOWNLOAD, "k");

        add_window(&t, 0, 60, -1);
        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        assert_int_equal(transfer_queue_add(q, &t, NOW), 0);
        assert_null(transfer_queue_next(q, NOW + 60));
        assert_int_equal(transfer_queue_list(q)->items[0].fault_code, 9020);
}

static void what_others_say_is_made_fit_for_xml(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;

        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        add(q, TRANSFER_DOWNLOAD, "a", 0);
        assert_int_equal(transfer_queue_end(q, 1, 9010, "a\x01" "b\xff\xc3\xa4", NOW), 0);
        assert_string_equal(transfer_queue_list(q)->items[0].fault_string, "a?b???");
        add(q, TRANSFER_DOWNLOAD, "b", 0);
        assert_int_equal(transfer_queue_end(q, 2, 9010, "\xc3\xa4", NOW), 0);
        assert_string_equal(transfer_queue_list(q)->items[1].fault_string, "\xc3\xa4");
}

static void all_with_the_key_are_cancelled(void **state) {
        _cleanup_(transfer_queue_freep) TransferQueue *q = NULL;
        const Transfer *running = NULL;

        assert_int_equal(transfer_queue_new(&q, NULL), 0);
        add(q, TRANSFER_DOWNLOAD, "a", 0);
        add(q, TRANSFER_DOWNLOAD, "b", 0);
        add(q, TRANSFER_DOWNLOAD, "a", 10);
        assert_int_equal(transfer_queue_begin(q, 1, NOW), 0);
        assert_int_equal(transfer_queue_cancel(q, "a", &running), 0);
        assert_int_equal(running->number, 1);
        assert_int_equal(transfer_queue_list(q)->n, 2);
        assert_int_equal(transfer_queue_cancel(q, "unknown", &running), 0);
        assert_null(running);
}

static void an_order_arrives_as_it_was_sent(void **state) {
        _cleanup_transfer_order_ TransferOrder got = {};
        _cleanup_transfer_result_ TransferResult result = {};
        const TransferOrder sent = {
                .upload = true,
                .url = (char *) (uintptr_t) "http://a/",
                .path = (char *) (uintptr_t) "/p",
                .max_size = UINT64_MAX,
        };
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        assert_int_equal(transfer_order_receive(fds[1], &got), -EAGAIN);
        assert_int_equal(transfer_order_send(fds[0], &sent), 0);
        assert_int_equal(transfer_order_receive(fds[1], &got), 1);
        assert_true(got.upload);
        assert_string_equal(got.url, "http://a/");
        assert_null(got.username);
        assert_true(got.max_size == UINT64_MAX);

        assert_int_equal(send(fds[1], "xy", 2, 0), 2);
        assert_int_equal(transfer_result_receive(fds[0], &result), -EBADMSG);
        (void) close(fds[1]);
        assert_int_equal(transfer_result_receive(fds[0], &result), 0);
        (void) close(fds[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(wrong_orders_are_refused),
                cmocka_unit_test(wrong_windows_are_refused),
                cmocka_unit_test(one_runs_at_a_time_when_it_is_due),
                cmocka_unit_test(what_is_done_is_told_until_it_is_answered),
                cmocka_unit_test(the_queue_outlives_power_cuts_but_not_for_ever),
                cmocka_unit_test(a_damaged_queue_is_put_aside),
                cmocka_unit_test(the_queue_is_full_at_its_limit),
                cmocka_unit_test(windows_bound_a_scheduled_download),
                cmocka_unit_test(windows_that_were_missed_are_told),
                cmocka_unit_test(what_others_say_is_made_fit_for_xml),
                cmocka_unit_test(all_with_the_key_are_cancelled),
                cmocka_unit_test(an_order_arrives_as_it_was_sent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
