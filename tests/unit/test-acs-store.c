/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/acs/message.h"
#include "operator/acs/store.h"

#define DEVICE "000000-ISPStorage-GW0001"
#define OTHER "000000-ISPStorage-GW0002"
#define NOW 1000000

typedef struct Fixture {
        char dir[32], path[64];
        Store *store;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->dir, "/tmp/test-acs-XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        (void) snprintf(f->path, sizeof(f->path), "%s/db", f->dir);
        *state = f;
        if (store_open(&f->store, f->path) < 0)
                return -1;
        return store_device_set_ha1(f->store, DEVICE, "hash") < 0 || store_device_set_ha1(f->store, OTHER, "hash") < 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        static const char *const suffixes[] = { "", "-wal", "-shm" };

        (void) store_free(f->store);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_ char *path = strfmt("%s%s", f->path, suffixes[i]);

                (void) unlink(path);
        }
        (void) rmdir(f->dir);
        free(f);
        return 0;
}

/* The process dies and starts again: what is not on disk is gone. */
static void reopen(Fixture *f) {
        f->store = store_free(f->store);
        assert_int_equal(store_open(&f->store, f->path), 0);
}

static int add(Fixture *f, const char *device, const char *id) {
        return store_command_add(f->store, device, id, "{}", NOW, 0);
}

static void finish(Fixture *f, const char *device, const char *id) {
        _cleanup_message_ Message m = {};

        assert_int_equal(
                        message_result(&m, &(Result) { .device = device, .command = id, .status = RESULT_OK }, NOW), 0);
        assert_int_equal(store_command_finish(f->store, device, id, NOW, &m), 0);
}

static void assert_next(Fixture *f, const char *device, const char *id) {
        _cleanup_(stored_command_freep) StoredCommand *c = NULL;

        assert_int_equal(store_command_next(f->store, device, &c), id ? 1 : 0);
        if (id)
                assert_string_equal(c->id, id);
}

static int collect(const char *device, TopicKind kind, const char *payload, void *userdata) {
        char ***l = userdata;

        assert_int_equal(strv_extend(l, payload), 0);
        return 1;
}

static size_t outbox_size(Fixture *f) {
        _cleanup_strv_free_ char **l = NULL;
        int64_t last;

        assert_int_equal(store_outbox_foreach(f->store, 0, 1000, collect, &l, &last), 0);
        return strv_length(l);
}

static void commands_leave_in_the_order_of_arrival(void **state) {
        Fixture *f = *state;

        assert_int_equal(add(f, DEVICE, "b"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, OTHER, "c"), COMMAND_STATE_NEW);
        assert_next(f, DEVICE, "b");
        reopen(f);
        assert_next(f, DEVICE, "b");
        finish(f, DEVICE, "b");
        assert_next(f, DEVICE, "a");
        finish(f, DEVICE, "a");
        assert_next(f, DEVICE, NULL);
        assert_next(f, OTHER, "c");
}

static void a_known_command_is_not_queued_again(void **state) {
        Fixture *f = *state;
        _cleanup_message_ Message m = {};

        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_QUEUED);
        /* ids are the device's own */
        assert_int_equal(add(f, OTHER, "a"), COMMAND_STATE_NEW);
        finish(f, DEVICE, "a");
        reopen(f);
        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_FINISHED);
        assert_next(f, DEVICE, NULL);
        assert_int_equal(outbox_size(f), 1);
        assert_int_equal(message_result(&m, &(Result) { .device = DEVICE, .command = "a" }, NOW), 0);
        assert_int_equal(store_command_finish(f->store, DEVICE, "a", NOW, &m), -ENOENT);
        assert_int_equal(outbox_size(f), 1);
}

static void the_result_of_a_known_command_is_published_again(void **state) {
        Fixture *f = *state;
        _cleanup_message_ Message m = {};
        _cleanup_strv_free_ char **ids = NULL, **l = NULL;
        int64_t last;

        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(message_result(&m, &(Result) { .device = DEVICE, .command = "a" }, NOW), 0);
        assert_int_equal(store_command_finish(f->store, DEVICE, "a", NOW, &m), 0);
        assert_int_equal(strv_extend(&ids, m.id), 0);
        assert_int_equal(store_outbox_acknowledge(f->store, DEVICE, ids), 0);
        assert_int_equal(store_outbox_forget(f->store), 1);
        assert_int_equal(outbox_size(f), 0);
        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_FINISHED);
        assert_int_equal(store_outbox_foreach(f->store, 0, 10, collect, &l, &last), 0);
        assert_int_equal(strv_length(l), 1);
        assert_string_equal(l[0], m.payload);
}

static void an_unknown_device_has_no_queue(void **state) {
        Fixture *f = *state;
        char *ha1 = NULL;
        DeviceAccess access;

        assert_int_equal(add(f, "a-b-c", "a"), -ENOENT);
        assert_int_equal(store_device_get_ha1(f->store, "a-b-c", &ha1), -ENOENT);
        assert_int_equal(store_device_get_access(f->store, "a-b-c", &access), -ENOENT);
        assert_int_equal(store_device_set_access(f->store, "a-b-c", "u", "p"), -ENOENT);
}

static void commands_expire(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *device = NULL, *id = NULL;
        int64_t next = 0;

        assert_int_equal(store_command_expired(f->store, NOW, &device, &id, &next), 0);
        assert_true(next == INT64_MAX);
        assert_int_equal(store_command_add(f->store, DEVICE, "late", "{}", NOW, NOW + 20), COMMAND_STATE_NEW);
        assert_int_equal(store_command_add(f->store, OTHER, "soon", "{}", NOW, NOW + 10), COMMAND_STATE_NEW);
        assert_int_equal(store_command_expired(f->store, NOW + 9, &device, &id, &next), 0);
        assert_int_equal(next, NOW + 10);
        assert_int_equal(store_command_expired(f->store, NOW + 10, &device, &id, &next), 1);
        assert_string_equal(device, OTHER);
        assert_string_equal(id, "soon");
        finish(f, OTHER, "soon");
        id = mfree(id);
        device = mfree(device);
        assert_int_equal(store_command_expired(f->store, NOW + 10, &device, &id, &next), 0);
        assert_int_equal(next, NOW + 20);
}

static void a_command_that_was_sent_is_known_as_such(void **state) {
        Fixture *f = *state;
        _cleanup_(stored_command_freep) StoredCommand *c = NULL;

        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(store_command_mark_sent(f->store, DEVICE, "a"), 0);
        reopen(f);
        assert_int_equal(store_command_next(f->store, DEVICE, &c), 1);
        assert_true(c->was_sent);
}

static void devices_with_commands_are_found_after_a_restart(void **state) {
        Fixture *f = *state;
        _cleanup_strv_free_ char **devices = NULL;

        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, DEVICE, "b"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, OTHER, "c"), COMMAND_STATE_NEW);
        finish(f, OTHER, "c");
        reopen(f);
        assert_int_equal(store_devices_with_commands(f->store, &devices), 0);
        assert_int_equal(strv_length(devices), 1);
        assert_string_equal(devices[0], DEVICE);
}

static void so_are_devices_that_may_still_execute_what_has_expired(void **state) {
        Fixture *f = *state;
        _cleanup_message_ Message first = {}, second = {};
        _cleanup_strv_free_ char **devices = NULL;
        Result result = { .device = DEVICE, .command = "a", .status = RESULT_EXPIRED };

        assert_int_equal(message_result(&first, &result, NOW), 0);
        result.device = OTHER;
        assert_int_equal(message_result(&second, &result, NOW), 0);
        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, OTHER, "a"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, OTHER, "b"), COMMAND_STATE_NEW);
        assert_int_equal(store_command_mark_sent(f->store, DEVICE, "a"), 0);
        assert_int_equal(store_command_finish(f->store, DEVICE, "a", NOW, &first), 0);
        /* This one was never sent, and the other one was answered. */
        assert_int_equal(store_command_cancel(f->store, OTHER, "a", NOW, &second), 0);
        assert_int_equal(store_command_mark_sent(f->store, OTHER, "b"), 0);
        finish(f, OTHER, "b");
        reopen(f);
        assert_int_equal(store_devices_with_commands(f->store, &devices), 0);
        assert_int_equal(strv_length(devices), 1);
        assert_string_equal(devices[0], DEVICE);
}

static void messages_wait_for_their_acknowledgement(void **state) {
        Fixture *f = *state;
        _cleanup_strv_free_ char **ids = NULL, **l = NULL;
        int64_t last;

        for (int i = 0; i < 5; i++) {
                _cleanup_message_ Message m = {};
                const InformReport report = { .device = DEVICE, .root = "Device." };

                assert_int_equal(message_inform(&m, &report, NOW + i), 0);
                assert_int_equal(store_outbox_add(f->store, NOW + i, &m), 0);
                assert_int_equal(store_outbox_add(f->store, NOW + i, &m), 0);
                assert_int_equal(strv_extend(&ids, m.id), 0);
        }
        reopen(f);
        assert_int_equal(store_outbox_foreach(f->store, 0, 3, collect, &l, &last), 0);
        assert_int_equal(strv_length(l), 3);
        assert_int_equal(store_outbox_foreach(f->store, last, 3, collect, &l, &last), 0);
        assert_int_equal(strv_length(l), 5);
        assert_int_equal(store_outbox_foreach(f->store, last, 3, collect, &l, &last), 0);
        assert_int_equal(strv_length(l), 5);
        assert_int_equal(store_outbox_acknowledge(f->store, OTHER, ids), 0);
        assert_int_equal(store_outbox_forget(f->store), 0);
        assert_int_equal(store_outbox_has_before(f->store, NOW), 0);
        assert_int_equal(store_outbox_has_before(f->store, NOW + 1), 1);
        assert_int_equal(store_outbox_acknowledge(f->store, DEVICE, ids), 0);
        assert_int_equal(store_outbox_forget(f->store), 5);
        assert_int_equal(store_outbox_acknowledge(f->store, DEVICE, ids), 0);
        assert_int_equal(store_outbox_forget(f->store), 0);
        assert_int_equal(outbox_size(f), 0);
        assert_int_equal(store_outbox_has_before(f->store, NOW + 1), 0);
}

static void an_inform_updates_the_registry(void **state) {
        Fixture *f = *state;
        _cleanup_message_ Message m = {};
        _cleanup_device_access_ DeviceAccess a = {};
        DeviceRecord d = { .id = DEVICE, .root = "Device.", .connection_request_url = "http://x/", .last_inform = NOW };
        bool provisioned;

        assert_int_equal(message_inform(&m, &(InformReport) { .device = DEVICE, .root = "Device." }, NOW), 0);
        assert_int_equal(store_device_inform(f->store, &d, &m, &provisioned), 0);
        assert_int_equal(store_device_set_access(f->store, DEVICE, "user", "password"), 0);
        assert_int_equal(store_device_set_provisioned(f->store, DEVICE), 0);
        /* what this Inform does not say stays */
        d.connection_request_url = NULL;
        assert_false(provisioned);
        assert_int_equal(store_device_inform(f->store, &d, &m, &provisioned), 0);
        assert_true(provisioned);
        reopen(f);
        assert_int_equal(store_device_get_access(f->store, DEVICE, &a), 0);
        assert_string_equal(a.url, "http://x/");
        assert_string_equal(a.password, "password");
        assert_true(a.provisioned);
        device_access_done(&a);
        d.bootstrapped = true;
        assert_int_equal(store_device_inform(f->store, &d, &m, &provisioned), 0);
        assert_false(provisioned);
        assert_int_equal(store_device_get_access(f->store, DEVICE, &a), 0);
        assert_false(a.provisioned);
        assert_string_equal(a.password, "password");
        d.id = "a-b-c";
        assert_int_equal(store_device_inform(f->store, &d, &m, &provisioned), -ENOENT);
}

static void finished_commands_are_forgotten_at_last(void **state) {
        Fixture *f = *state;

        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_int_equal(add(f, DEVICE, "b"), COMMAND_STATE_NEW);
        finish(f, DEVICE, "a");
        assert_int_equal(store_prune(f->store, NOW + COMMAND_MEMORY_SEC), 0);
        assert_int_equal(store_prune(f->store, NOW + COMMAND_MEMORY_SEC + 1), 1);
        assert_int_equal(add(f, DEVICE, "a"), COMMAND_STATE_NEW);
        assert_next(f, DEVICE, "b");
}

static void a_device_without_a_password_has_a_queue(void **state) {
        Fixture *f = *state;
        char *ha1 = NULL;

        assert_int_equal(store_device_add(f->store, "000000-A-new"), 0);
        assert_int_equal(store_device_add(f->store, "000000-A-new"), 0);
        assert_int_equal(add(f, "000000-A-new", "a"), COMMAND_STATE_NEW);
        assert_int_equal(store_device_get_ha1(f->store, "000000-A-new", &ha1), 0);
        assert_string_equal(ha1, "");
        free(ha1);
        /* one that has a password keeps it */
        assert_int_equal(store_device_add(f->store, DEVICE), 0);
        assert_int_equal(store_device_get_ha1(f->store, DEVICE, &ha1), 0);
        free(ha1);
}

static void results_are_json_whatever_the_device_says(void **state) {
        _cleanup_message_ Message m = {};
        const NameValue values[] = { { "A.B", "\"\\\n\xff" }, { "\xfe", "x" }, { "C", NULL } };

        assert_int_equal(
                        message_result(
                                        &m,
                                        &(Result) { .device = DEVICE,
                                                    .command = "1",
                                                    .status = RESULT_OK,
                                                    .values = values,
                                                    .n_values = ELEMENTSOF(values) },
                                        NOW),
                        0);
        assert_non_null(strstr(m.payload, "\"values\":{\"A.B\":\"\\\"\\\\\\n?\",\"C\":\"\"}"));
        assert_true(utf8_is_valid(m.payload));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(commands_leave_in_the_order_of_arrival),
                TEST(a_known_command_is_not_queued_again),
                TEST(the_result_of_a_known_command_is_published_again),
                TEST(an_unknown_device_has_no_queue),
                TEST(a_device_without_a_password_has_a_queue),
                TEST(commands_expire),
                TEST(a_command_that_was_sent_is_known_as_such),
                TEST(devices_with_commands_are_found_after_a_restart),
                TEST(so_are_devices_that_may_still_execute_what_has_expired),
                TEST(messages_wait_for_their_acknowledgement),
                TEST(an_inform_updates_the_registry),
                TEST(finished_commands_are_forgotten_at_last),
                cmocka_unit_test(results_are_json_whatever_the_device_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
