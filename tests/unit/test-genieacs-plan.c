/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/genieacs/device-document.h"
#include "operator/genieacs/inform.h"
#include "operator/genieacs/plan.h"

#define OLD "2026-01-31T23:59:59.000Z"
#define NEW "2026-02-01T00:10:00.000Z"
/* A device whose table A has rows with one parameter each. time is that of its last session, or of the one that read
 * the parameter. */
#define PARAMETER(value, time) "{\"_value\":" value ",\"_writable\":true,\"_timestamp\":\"" time "\"}"
#define DOCUMENT(time, rows)                                                                                \
        "{\"_lastInform\":\"" time "\",\"A\":{\"_object\":true,\"_writable\":true," rows "}}"
#define ROW(number, value, time) "\"" number "\":{\"_object\":true,\"B\":" PARAMETER(value, time) "}"

static Command *command(const char *json) {
        _cleanup_free_ char *id = NULL;
        const char *error;
        Command *c = NULL;

        assert_int_equal(command_parse(json, strlen(json), &c, &id, &error), 0);
        return c;
}

static OutcomeKind judge_values(
                const char *order, Stage stage, const char *before, const char *after, Outcome *ret) {
        _cleanup_(command_freep) Command *c = command(order);
        json_auto_t *old = json_loads(before, 0, NULL), *new = json_loads(after, 0, NULL);
        Before b = {};

        assert_non_null(old);
        assert_non_null(new);
        assert_int_equal(before_take(&b, c, old), 0);
        assert_int_equal(plan_judge(c, stage, &b, new, ret), 0);
        before_done(&b);
        return ret->kind;
}

static OutcomeKind judge(const char *order, Stage stage, const char *before, const char *after) {
        _cleanup_outcome_ Outcome o = {};

        return judge_values(order, stage, before, after, &o);
}

static void assert_tasks(const char *order, Stage stage, const char *expected) {
        _cleanup_(command_freep) Command *c = command(order);
        json_auto_t *tasks = NULL, *wanted = json_loads(expected, 0, NULL);

        assert_non_null(wanted);
        assert_int_equal(plan_tasks(c, stage, &tasks), 0);
        assert_true(json_equal(tasks, wanted));
}

static void commands_become_documented_tasks(void **state) {
        _cleanup_(command_freep) Command *c = command("{\"id\":\"1\",\"attributes\":{\"A.B\":2}}");
        json_t *tasks = NULL;

        assert_tasks("{\"id\":\"1\",\"set\":{\"A.B\":\"x\",\"A.C\":true,\"A.D\":7,"
                     "\"A.E\":{\"type\":\"unsignedLong\",\"value\":\"18446744073709551615\"}}}",
                     STAGE_EXECUTE,
                     "[{\"name\":\"getParameterValues\",\"parameterNames\":[\"A.B\",\"A.C\",\"A.D\",\"A.E\"]"
                     "},"
                     "{\"name\":\"setParameterValues\",\"parameterValues\":[[\"A.B\",\"x\",\"xsd:string\"],"
                     "[\"A.C\",true,\"xsd:boolean\"],[\"A.D\",7,\"xsd:unsignedInt\"],"
                     "[\"A.E\",\"18446744073709551615\",\"xsd:unsignedLong\"]]}]");
        assert_tasks("{\"id\":\"1\",\"get\":[\"A.B\",\"A.1.\"]}",
                     STAGE_EXECUTE,
                     "[{\"name\":\"refreshObject\",\"objectName\":\"A.1\"},"
                     "{\"name\":\"getParameterValues\",\"parameterNames\":[\"A.B\"]}]");
        assert_tasks("{\"id\":\"1\",\"add\":\"A.B.\"}",
                     STAGE_DISCOVER,
                     "[{\"name\":\"refreshObject\",\"objectName\":\"A.B\"}]");
        assert_tasks("{\"id\":\"1\",\"add\":\"A.B.\"}",
                     STAGE_EXECUTE,
                     "[{\"name\":\"addObject\",\"objectName\":\"A.B\"}]");
        assert_tasks("{\"id\":\"1\",\"delete\":\"A.B.12.\"}",
                     STAGE_DISCOVER,
                     "[{\"name\":\"refreshObject\",\"objectName\":\"A.B\"}]");
        assert_tasks("{\"id\":\"1\",\"delete\":\"A.B.12.\"}",
                     STAGE_EXECUTE,
                     "[{\"name\":\"deleteObject\",\"objectName\":\"A.B.12\"}]");
        assert_tasks("{\"id\":\"1\",\"names\":\"A.\"}",
                     STAGE_EXECUTE,
                     "[{\"name\":\"refreshObject\",\"objectName\":\"A\"}]");
        assert_int_equal(plan_tasks(c, STAGE_EXECUTE, &tasks), -EOPNOTSUPP);
}

static void a_set_is_done_when_the_values_are_there(void **state) {
        static const char order[] = "{\"id\":\"1\",\"set\":{\"A.1.B\":\"new\"}}";
        static const char before[] = DOCUMENT(OLD, ROW("1", "\"old\"", OLD));

        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("1", "\"new\"", NEW))),
                        OUTCOME_OK);
        /* done, says GenieACS, and is not */
        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("1", "\"old\"", NEW))),
                        OUTCOME_STALE);
        /* there was no session since */
        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(OLD, ROW("1", "\"new\"", OLD))),
                        OUTCOME_STALE);
        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("2", "\"new\"", NEW))),
                        OUTCOME_FAULT);
        assert_int_equal(
                        judge(order, STAGE_DISCOVER, before, DOCUMENT(NEW, ROW("2", "\"new\"", NEW))),
                        OUTCOME_FAULT);
        assert_int_equal(
                        judge(order, STAGE_DISCOVER, before, DOCUMENT(NEW, ROW("1", "\"old\"", NEW))),
                        OUTCOME_DISCOVERED);
}

static void values_are_compared_as_their_types_want(void **state) {
        static const struct {
                const char *node, *wanted;
                bool same;
        } cases[] = {
                { "{\"_value\":true}", "true", true },
                { "{\"_value\":true}", "\"1\"", true },
                { "{\"_value\":false}", "true", false },
                { "{\"_value\":5}", "5", true },
                { "{\"_value\":5}", "\"05x\"", false },
                { "{\"_value\":\"5\"}", "5", true },
                { "{\"_value\":\"\"}", "\"\"", true },
                { "{\"_value\":null}", "\"\"", false },
                { "{}", "\"\"", false },
                { "{\"_value\":\"2026-01-31T23:59:59.000Z\",\"_type\":\"xsd:dateTime\"}",
                  "{\"type\":\"dateTime\",\"value\":\"2026-01-31T23:59:59Z\"}",
                  true },
                { "{\"_value\":\"2026-01-31T23:59:59.000Z\",\"_type\":\"xsd:string\"}",
                  "\"2026-01-31T23:59:59Z\"",
                  false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *order = strfmt("{\"id\":\"1\",\"set\":{\"A.B\":%s}}", cases[i].wanted);
                json_auto_t *node = json_loads(cases[i].node, 0, NULL);
                _cleanup_(command_freep) Command *c = command(order);

                assert_int_equal(document_value_is(node, &c->values[0]), cases[i].same);
        }
}

static void a_get_wants_fresh_values(void **state) {
        static const char order[] = "{\"id\":\"1\",\"get\":[\"A.1.B\",\"A.\"]}",
                          before[] = DOCUMENT(OLD, ROW("1", "1", OLD));
        _cleanup_outcome_ Outcome o = {};

        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("1", "1", OLD))),
                        OUTCOME_STALE);
        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("3", "1", NEW))),
                        OUTCOME_FAULT);
        assert_int_equal(
                        judge_values(order,
                                     STAGE_EXECUTE,
                                     before,
                                     DOCUMENT(NEW, ROW("1", "true", NEW) "," ROW("2", "\"x\"", OLD)),
                                     &o),
                        OUTCOME_OK);
        assert_int_equal(json_object_size(o.values), 2);
        assert_string_equal(json_string_value(json_object_get(o.values, "A.1.B")), "true");
        assert_string_equal(json_string_value(json_object_get(o.values, "A.2.B")), "x");
}

static void the_instance_that_is_new_was_added(void **state) {
        static const char order[] = "{\"id\":\"1\",\"add\":\"A.\"}",
                          before[] = DOCUMENT(OLD, ROW("1", "1", OLD));
        _cleanup_outcome_ Outcome o = {};

        assert_int_equal(
                        judge_values(order,
                                     STAGE_EXECUTE,
                                     before,
                                     DOCUMENT(NEW, ROW("1", "1", OLD) "," ROW("4", "1", NEW)),
                                     &o),
                        OUTCOME_OK);
        assert_int_equal(o.instance, 4);
        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("1", "1", OLD))),
                        OUTCOME_STALE);
        assert_int_equal(
                        judge(order,
                              STAGE_EXECUTE,
                              before,
                              DOCUMENT(NEW, ROW("2", "1", NEW) "," ROW("4", "1", NEW))),
                        OUTCOME_UNKNOWN);
        assert_int_equal(
                        judge(order, STAGE_DISCOVER, before, "{\"_lastInform\":\"" NEW "\"}"),
                        OUTCOME_FAULT);
}

static void a_delete_is_done_when_the_row_is_gone(void **state) {
        static const char order[] = "{\"id\":\"1\",\"delete\":\"A.1.\"}",
                          before[] = DOCUMENT(OLD, ROW("1", "1", OLD));

        assert_int_equal(judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("2", "1", OLD))), OUTCOME_OK);
        assert_int_equal(
                        judge(order, STAGE_EXECUTE, before, DOCUMENT(NEW, ROW("1", "1", OLD))),
                        OUTCOME_STALE);
        assert_int_equal(
                        judge(order, STAGE_DISCOVER, before, DOCUMENT(NEW, ROW("2", "1", OLD))),
                        OUTCOME_FAULT);
}

static void only_devices_with_an_address_are_asked(void **state) {
        static const struct {
                const char *url;
                bool reachable;
        } cases[] = {
                { "\"http://10.0.0.1:7547/x\"", true },
                { "\"http://gw.example.net/\"", true },
                { "\"http://[2001:db8::1]:7547/\"", true },
                { "\"https://10.0.0.1/\"", false },
                { "\"http:///x\"", false },
                { "\"http://:80/\"", false },
                { "\"http://10.0.0.1/a b\"", false },
                { "\"\"", false },
                { "null", false },
                { "5", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text =
                                strfmt("{\"Device\":{\"ManagementServer\":{\"ConnectionRequestURL\":{\"_"
                                       "value\":%s}}}}",
                                       cases[i].url);
                json_auto_t *document = json_loads(text, 0, NULL);

                assert_int_equal(document_is_reachable(document), cases[i].reachable);
        }
        assert_false(document_is_reachable(NULL));
}

static void faults_of_the_device_are_told_from_those_of_the_session(void **state) {
        static const char refused[] = "{\"code\":\"cwmp.9003\",\"message\":\"Invalid "
                                      "arguments\",\"detail\":{\"faultCode\":\"9003\","
                                      "\"faultString\":\"Invalid "
                                      "arguments\",\"setParameterValuesFault\":[{\"parameterName\":\"A.B\","
                                      "\"faultCode\":\"9007\",\"faultString\":\"Invalid value\"}]}}";
        json_auto_t *a = json_loads(refused, 0, NULL),
                    *b = json_loads("{\"code\":\"session_terminated\"}", 0, NULL);
        _cleanup_(command_freep) Command *c = command("{\"id\":\"1\",\"get\":[\"A.B\"]}");
        _cleanup_outcome_ Outcome o = {};
        _cleanup_message_ Message m = {};

        assert_int_equal(plan_read_fault(b, &o), 0);
        assert_int_equal(plan_read_fault(NULL, &o), 0);
        assert_int_equal(plan_read_fault(a, &o), 1);
        assert_int_equal(o.fault_code, 9003);
        assert_int_equal(outcome_message(&o, c, "000000-A-B", 0, &m), 0);
        assert_non_null(
                        strstr(m.payload,
                               "\"fault\":{\"code\":9003,\"string\":\"Invalid arguments\",\"parameters\":"
                               "[{\"name\":\"A.B\",\"code\":9007,\"string\":\"Invalid value\"}]}"));
}

static void projections_hold_no_name_twice(void **state) {
        char *names[] = { (char *) "A.B.C", (char *) "A.B.", (char *) "A.B.C.D", (char *) "A.BC", NULL };
        char *many[1001] = {};
        _cleanup_free_ char *projection = NULL, *shorter = NULL;

        assert_int_equal(document_projection(names, &projection), 0);
        assert_non_null(endswith(projection, ",A.B,A.BC"));
        for (size_t i = 0; i < ELEMENTSOF(many) - 1; i++)
                many[i] = strfmt("A.B%zu.Parameter%zu", i % 3, i);
        assert_int_equal(document_projection(many, &shorter), 0);
        assert_non_null(endswith(shorter, ",A.B0,A.B1,A.B2"));
        for (size_t i = 0; many[i]; i++)
                free(many[i]);
}

static void a_device_without_product_class_has_two_parts(void **state) {
        _cleanup_free_ char *a = NULL, *b = NULL;

        assert_int_equal(genieacs_device_id("000000-P%20x-S%2D1", &a), 0);
        assert_string_equal(a, "000000-P%20x-S%2D1");
        assert_int_equal(genieacs_device_id("000000--S", &b), 0);
        assert_string_equal(b, "000000-S");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(commands_become_documented_tasks),
                cmocka_unit_test(a_set_is_done_when_the_values_are_there),
                cmocka_unit_test(values_are_compared_as_their_types_want),
                cmocka_unit_test(a_get_wants_fresh_values),
                cmocka_unit_test(the_instance_that_is_new_was_added),
                cmocka_unit_test(a_delete_is_done_when_the_row_is_gone),
                cmocka_unit_test(only_devices_with_an_address_are_asked),
                cmocka_unit_test(faults_of_the_device_are_told_from_those_of_the_session),
                cmocka_unit_test(projections_hold_no_name_twice),
                cmocka_unit_test(a_device_without_product_class_has_two_parts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
