/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The course of a session (TR-069 section 3.7), the events it delivers, and when it is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/core/backoff.h"
#include "agent/core/inform-queue.h"
#include "agent/core/session.h"
#include "common/base/str.h"

static Session *start(void) {
        CwmpMessage *inform = cwmp_message_new(CWMP_INFORM);
        Session *s;

        inform->id = strdup("7");
        assert_int_equal(session_new(&s, inform), 0);
        assert_int_equal(session_message(s)->type, CWMP_INFORM);
        return s;
}

static SessionAction receive(Session *s, CwmpMessageType type, const char *id) {
        const CwmpMessage m = { .type = type, .id = (char *) (uintptr_t) id };
        return session_receive(s, &m);
}

static SessionAction receive_fault(Session *s, uint32_t code) {
        const CwmpMessage m = { .type = CWMP_FAULT, .fault_code = code };
        return session_receive(s, &m);
}

static void without_orders_it_is_inform_empty_end(void **state) {
        _cleanup_(session_freep) Session *s = start();

        assert_false(session_is_informed(s));
        assert_int_equal(receive(s, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_true(session_is_informed(s));
        assert_int_equal(session_message(s)->type, CWMP_EMPTY);
        assert_int_equal(receive(s, CWMP_EMPTY, NULL), SESSION_DONE);
}

static void each_order_is_performed_and_answered(void **state) {
        _cleanup_(session_freep) Session *s = start();

        assert_int_equal(receive(s, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(receive(s, CWMP_GET_PARAMETER_VALUES, "a"), SESSION_PERFORM);
                assert_int_equal(
                                session_respond(s, cwmp_message_new(CWMP_GET_PARAMETER_VALUES_RESPONSE)),
                                SESSION_SEND);
                assert_int_equal(session_message(s)->type, CWMP_GET_PARAMETER_VALUES_RESPONSE);
        }
        assert_int_equal(receive(s, CWMP_UNKNOWN_METHOD, "b"), SESSION_PERFORM);
        assert_int_equal(session_respond(s, cwmp_message_new_fault(9000)), SESSION_SEND);
        assert_int_equal(receive(s, CWMP_EMPTY, NULL), SESSION_DONE);
}

static void fault_8005_repeats_the_inform_some_times(void **state) {
        _cleanup_(session_freep) Session *s = start();

        for (unsigned i = 0; i < SESSION_RETRIES_MAX; i++) {
                assert_int_equal(receive_fault(s, 8005), SESSION_SEND);
                assert_int_equal(session_message(s)->type, CWMP_INFORM);
        }
        assert_int_equal(receive_fault(s, 8005), SESSION_FAILED);
        assert_false(session_is_informed(s));
}

/* A session with n TransferCompletes to tell, their IDs "c0", "c1", ... */
static Session *start_with_requests(size_t n) {
        Session *s = start();

        for (size_t i = 0; i < n; i++) {
                CwmpMessage *m = cwmp_message_new(CWMP_TRANSFER_COMPLETE);
                m->id = strfmt("c%zu", i);
                assert_int_equal(session_add_request(s, m), 0);
        }
        return s;
}

static void own_requests_go_before_the_empty_one(void **state) {
        _cleanup_(session_freep) Session *s = start_with_requests(2);

        assert_int_equal(receive(s, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_string_equal(session_message(s)->id, "c0");
        assert_null(session_answered(s));
        assert_int_equal(receive(s, CWMP_TRANSFER_COMPLETE_RESPONSE, "c0"), SESSION_SEND);
        assert_string_equal(session_answered(s)->id, "c0");
        assert_string_equal(session_message(s)->id, "c1");
        assert_int_equal(receive(s, CWMP_TRANSFER_COMPLETE_RESPONSE, "c1"), SESSION_SEND);
        assert_int_equal(session_message(s)->type, CWMP_EMPTY);
        assert_int_equal(receive(s, CWMP_EMPTY, NULL), SESSION_DONE);
        assert_null(session_answered(s));
}

static SessionAction receive_held(Session *s, CwmpMessageType type, const char *id) {
        const CwmpMessage m = { .type = type, .id = (char *) (uintptr_t) id, .hold_requests = true };
        return session_receive(s, &m);
}

static void hold_requests_makes_own_requests_wait(void **state) {
        _cleanup_(session_freep) Session *s = start_with_requests(1);

        assert_int_equal(receive_held(s, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_int_equal(session_message(s)->type, CWMP_EMPTY);
        assert_int_equal(receive_held(s, CWMP_GET_RPC_METHODS, "a"), SESSION_PERFORM);
        assert_int_equal(session_respond(s, cwmp_message_new(CWMP_GET_RPC_METHODS_RESPONSE)), SESSION_SEND);
        assert_int_equal(receive(s, CWMP_EMPTY, NULL), SESSION_SEND);
        assert_string_equal(session_message(s)->id, "c0");
        assert_int_equal(receive(s, CWMP_TRANSFER_COMPLETE_RESPONSE, "c0"), SESSION_SEND);
        assert_int_equal(session_message(s)->type, CWMP_EMPTY);
        assert_int_equal(receive(s, CWMP_EMPTY, NULL), SESSION_DONE);
}

static void faults_to_own_requests(void **state) {
        _cleanup_(session_freep) Session *retry = start_with_requests(1), *denied = start_with_requests(1);
        _cleanup_(session_freep) Session *unknown = start_with_requests(1), *wrong = start_with_requests(1);
        const CwmpMessage f8000 = { .type = CWMP_FAULT, .fault_code = 8000, .id = (char *) (uintptr_t) "c0" };

        assert_int_equal(receive(retry, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        for (unsigned i = 0; i < SESSION_RETRIES_MAX; i++) {
                assert_int_equal(receive_fault(retry, 8005), SESSION_SEND);
                assert_string_equal(session_message(retry)->id, "c0");
        }
        assert_int_equal(receive_fault(retry, 8005), SESSION_FAILED);

        assert_int_equal(receive(denied, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_int_equal(receive_fault(denied, 8001), SESSION_FAILED);
        assert_null(session_answered(denied));

        /* An ACS that does not know the method will not know it the next time. */
        assert_int_equal(receive(unknown, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_int_equal(session_receive(unknown, &f8000), SESSION_SEND);
        assert_non_null(session_answered(unknown));

        assert_int_equal(receive(wrong, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_int_equal(receive(wrong, CWMP_TRANSFER_COMPLETE_RESPONSE, "c1"), SESSION_FAILED);
}

static void the_acs_chooses_among_the_versions(void **state) {
        const struct {
                const char *version;
                SessionAction action;
        } rows[] = {
                { "1.0", SESSION_SEND },
                { "1.4", SESSION_SEND },
                { "2.0", SESSION_FAILED },
                { "", SESSION_FAILED },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(session_freep) Session *s = start();
                const CwmpMessage m = {
                        .type = CWMP_INFORM_RESPONSE,
                        .id = (char *) (uintptr_t) "7",
                        .use_version = (char *) (uintptr_t) rows[i].version,
                };
                assert_int_equal(session_receive(s, &m), rows[i].action);
        }
}

static void what_is_no_session_fails(void **state) {
        const struct {
                CwmpMessageType type;
                const char *id;
        } wrong[] = {
                { CWMP_EMPTY, NULL },
                { CWMP_INFORM_RESPONSE, "8" },
                { CWMP_INFORM_RESPONSE, NULL },
                { CWMP_GET_PARAMETER_VALUES, "7" },
                { CWMP_FAULT, "7" },
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_(session_freep) Session *s = start();
                assert_int_equal(receive(s, wrong[i].type, wrong[i].id), SESSION_FAILED);
                assert_true(session_error(s)[0]);
        }

        _cleanup_(session_freep) Session *s = start();
        assert_int_equal(receive(s, CWMP_INFORM_RESPONSE, "7"), SESSION_SEND);
        assert_int_equal(receive(s, CWMP_INFORM_RESPONSE, "7"), SESSION_FAILED);
}

static void assert_events(InformQueue *q, const char *expected) {
        _cleanup_parameter_list_ ParameterList events = {};
        _cleanup_free_ char *text = strdup("");

        assert_int_equal(inform_queue_collect(q, &events), 0);
        for (size_t i = 0; i < events.n; i++) {
                char *longer = strfmt("%s%s[%s];", text, events.items[i].name, events.items[i].value);
                free(text);
                text = longer;
        }
        assert_string_equal(text, expected);
}

static void events_are_in_order_and_once(void **state) {
        _cleanup_(inform_queue_freep) InformQueue *q = NULL;

        assert_int_equal(inform_queue_new(&q, NULL), 0);
        assert_int_equal(inform_queue_add(q, INFORM_M_REBOOT, "b"), 1);
        assert_int_equal(inform_queue_add(q, INFORM_BOOT, NULL), 1);
        assert_int_equal(inform_queue_add(q, INFORM_BOOT, NULL), 0);
        assert_int_equal(inform_queue_add(q, INFORM_M_REBOOT, "c"), 1);
        assert_int_equal(inform_queue_add(q, INFORM_BOOTSTRAP, NULL), 1);
        assert_events(q, "0 BOOTSTRAP[];1 BOOT[];M Reboot[b];M Reboot[c];");
}

static void a_failed_session_keeps_all_but_the_connection_request(void **state) {
        _cleanup_(inform_queue_freep) InformQueue *q = NULL;

        assert_int_equal(inform_queue_new(&q, NULL), 0);
        assert_int_equal(inform_queue_add(q, INFORM_PERIODIC, NULL), 1);
        assert_int_equal(inform_queue_add(q, INFORM_CONNECTION_REQUEST, NULL), 1);
        assert_events(q, "2 PERIODIC[];6 CONNECTION REQUEST[];");
        inform_queue_session_failed(q);
        assert_events(q, "2 PERIODIC[];");
}

static void what_comes_while_the_inform_is_under_way_has_one_of_its_own(void **state) {
        _cleanup_(inform_queue_freep) InformQueue *q = NULL;

        assert_int_equal(inform_queue_new(&q, NULL), 0);
        assert_int_equal(inform_queue_add(q, INFORM_VALUE_CHANGE, NULL), 1);
        assert_events(q, "4 VALUE CHANGE[];");
        assert_int_equal(inform_queue_add(q, INFORM_VALUE_CHANGE, NULL), 1);
        assert_int_equal(inform_queue_acknowledge(q), 0);
        assert_events(q, "4 VALUE CHANGE[];");
        assert_int_equal(inform_queue_acknowledge(q), 0);
        assert_true(inform_queue_is_empty(q));
}

static void bootstrap_outlives_a_power_cut_until_it_is_delivered(void **state) {
        char path[] = "/tmp/test-agent-session.XXXXXX";
        InformQueue *q = NULL;

        assert_non_null(mkdtemp(path));
        _cleanup_free_ char *file = strfmt("%s/events", path);
        assert_int_equal(inform_queue_new(&q, file), 0);
        assert_int_equal(inform_queue_add(q, INFORM_BOOTSTRAP, NULL), 1);
        assert_int_equal(inform_queue_add(q, INFORM_PERIODIC, NULL), 1);
        q = inform_queue_free(q);

        assert_int_equal(inform_queue_new(&q, file), 0);
        assert_events(q, "0 BOOTSTRAP[];");
        assert_int_equal(inform_queue_acknowledge(q), 0);
        q = inform_queue_free(q);

        assert_int_equal(inform_queue_new(&q, file), 0);
        assert_true(inform_queue_is_empty(q));
        q = inform_queue_free(q);
        assert_int_equal(unlink(file), 0);
        assert_int_equal(rmdir(path), 0);
}

/* The table of TR-069 section 3.2.1.1, in seconds. */
static void retries_wait_as_the_table_says(void **state) {
        static const uint64_t low[] = { 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 2560, 2560 };

        for (unsigned i = 0; i < ELEMENTSOF(low); i++) {
                assert_int_equal(backoff_interval_usec(i + 1, 5, 2000, 0), low[i] * 1000000);
                assert_int_equal(backoff_interval_usec(i + 1, 5, 2000, low[i] * 1000000), 2 * low[i] * 1000000);
                assert_true(backoff_interval_usec(i + 1, 5, 2000, 12345678901234567ULL) <= 2 * low[i] * 1000000);
        }
        assert_int_equal(backoff_interval_usec(3, 7, 1000, 99), 7 * 1000000);
        assert_true(backoff_interval_usec(10, 65535, 65535, UINT64_MAX) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_orders_it_is_inform_empty_end),
                cmocka_unit_test(each_order_is_performed_and_answered),
                cmocka_unit_test(fault_8005_repeats_the_inform_some_times),
                cmocka_unit_test(own_requests_go_before_the_empty_one),
                cmocka_unit_test(hold_requests_makes_own_requests_wait),
                cmocka_unit_test(faults_to_own_requests),
                cmocka_unit_test(the_acs_chooses_among_the_versions),
                cmocka_unit_test(what_is_no_session_fails),
                cmocka_unit_test(events_are_in_order_and_once),
                cmocka_unit_test(a_failed_session_keeps_all_but_the_connection_request),
                cmocka_unit_test(what_comes_while_the_inform_is_under_way_has_one_of_its_own),
                cmocka_unit_test(bootstrap_outlives_a_power_cut_until_it_is_delivered),
                cmocka_unit_test(retries_wait_as_the_table_says),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
