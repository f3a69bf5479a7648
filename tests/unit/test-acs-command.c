/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/acs/command.h"

static int parse(const char *json, Command **ret) {
        _cleanup_free_ char *id = NULL;
        const char *error;

        return command_parse(json, strlen(json), ret, &id, &error);
}

static void each_kind_is_understood(void **state) {
        _cleanup_(command_freep) Command *set = NULL, *get = NULL, *add = NULL, *delete = NULL;

        assert_int_equal(parse("{\"id\": \"1\", \"set\": {\"A.B\": \"x\"}, \"more\": true, \"x\": []}", &set), 0);
        assert_int_equal(set->kind, COMMAND_SET);
        assert_true(set->more);
        assert_int_equal(parse("{\"id\": \"2\", \"get\": [\"A.B\", \"A.1.\"], \"expires\": 60}", &get), 0);
        assert_int_equal(get->kind, COMMAND_GET);
        assert_int_equal(get->expires, 60);
        assert_int_equal(strv_length(get->names), 2);
        assert_int_equal(parse("{\"id\": \"3\", \"add\": \"A.B.\"}", &add), 0);
        assert_string_equal(add->object, "A.B.");
        assert_int_equal(parse("{\"id\": \"4\", \"delete\": \"A.B.12.\"}", &delete), 0);
        assert_string_equal(delete->object, "A.B.12.");
}

static void names_and_attributes_are_understood(void **state) {
        _cleanup_(command_freep) Command *next = NULL, *all = NULL, *one = NULL, *attributes = NULL;

        assert_int_equal(parse("{\"id\": \"1\", \"names\": \"A.B.\"}", &next), 0);
        assert_int_equal(next->kind, COMMAND_NAMES);
        assert_string_equal(next->object, "A.B.");
        assert_true(next->next_level);
        assert_int_equal(parse("{\"id\": \"2\", \"names\": \"A.B.\", \"next_level\": false}", &all), 0);
        assert_false(all->next_level);
        assert_int_equal(parse("{\"id\": \"3\", \"names\": \"A.B\"}", &one), 0);
        assert_false(one->next_level);
        assert_int_equal(parse("{\"id\": \"4\", \"attributes\": {\"A.B\": 2, \"A.C.\": 0}}", &attributes), 0);
        assert_int_equal(attributes->kind, COMMAND_ATTRIBUTES);
        assert_int_equal(attributes->n_values, 2);
        assert_string_equal(attributes->values[0].value, "2");
}

static void values_get_the_types_of_cwmp(void **state) {
        static const struct {
                const char *json, *type, *value;
        } cases[] = {
                { "\"\"", "xsd:string", "" },
                { "\"<&>\\u00e4\\n\"", "xsd:string", "<&>\xc3\xa4\n" },
                { "true", "xsd:boolean", "1" },
                { "false", "xsd:boolean", "0" },
                { "0", "xsd:unsignedInt", "0" },
                { "4294967295", "xsd:unsignedInt", "4294967295" },
                { "{\"type\": \"int\", \"value\": \"-1\"}", "xsd:int", "-1" },
                { "{\"type\": \"long\", \"value\": \"-1\"}", "xsd:long", "-1" },
                { "{\"type\": \"unsignedLong\", \"value\": \"1\"}", "xsd:unsignedLong", "1" },
                { "{\"type\": \"dateTime\", \"value\": \"x\"}", "xsd:dateTime", "x" },
                { "{\"type\": \"base64\", \"value\": \"AA==\"}", "SOAP-ENC:base64", "AA==" },
                { "{\"type\": \"hexBinary\", \"value\": \"AA\"}", "xsd:hexBinary", "AA" },
                { "{\"type\": \"unsignedInt\", \"value\": \"7\"}", "xsd:unsignedInt", "7" },
                { "{\"type\": \"boolean\", \"value\": \"1\"}", "xsd:boolean", "1" },
                { "{\"type\": \"string\", \"value\": \"s\"}", "xsd:string", "s" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *json = strfmt("{\"id\": \"1\", \"set\": {\"A.B\": %s}}", cases[i].json);
                _cleanup_(command_freep) Command *c = NULL;

                assert_int_equal(parse(json, &c), 0);
                assert_int_equal(c->n_values, 1);
                assert_string_equal(c->values[0].name, "A.B");
                assert_string_equal(c->values[0].type, cases[i].type);
                assert_string_equal(c->values[0].value, cases[i].value);
        }
}

static void hostile_input_is_refused(void **state) {
        static const char *const bad[] = {
                "{}",
                "[]",
                "{\"id\": \"1\"}",
                "{\"id\": \"1\", \"set\": {}}",
                "{\"id\": \"1\", \"set\": []}",
                "{\"id\": \"1\", \"set\": null}",
                "{\"id\": \"1\", \"set\": {\"A.B\": null}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": -1}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": 4294967296}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": 1.5}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": []}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": {}}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": {\"type\": \"evil\", \"value\": \"1\"}}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": {\"type\": \"int\"}}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": {\"type\": 1, \"value\": \"1\"}}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": {\"type\": \"int\", \"value\": 1}}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": \"\\u0001\"}}",
                "{\"id\": \"1\", \"set\": {\"A.B\": \"\\uffff\"}}",
                "{\"id\": \"1\", \"set\": {\"A.\": \"x\"}}",
                "{\"id\": \"1\", \"set\": {\"\": \"x\"}}",
                "{\"id\": \"1\", \"set\": {\"A..B\": \"x\"}}",
                "{\"id\": \"1\", \"set\": {\".A\": \"x\"}}",
                "{\"id\": \"1\", \"set\": {\"A B\": \"x\"}}",
                "{\"id\": \"1\", \"set\": {\"A<B\": \"x\"}}",
                "{\"id\": \"1\", \"set\": {\"A\": 1, \"A\": 2}}",
                "{\"id\": \"1\", \"get\": []}",
                "{\"id\": \"1\", \"get\": [\"\"]}",
                "{\"id\": \"1\", \"get\": [1]}",
                "{\"id\": \"1\", \"get\": \"A.B\"}",
                "{\"id\": \"1\", \"add\": \"A.B\"}",
                "{\"id\": \"1\", \"add\": 1}",
                "{\"id\": \"1\", \"delete\": \"A.B.\"}",
                "{\"id\": \"1\", \"delete\": \"1.\"}",
                "{\"id\": \"1\", \"delete\": \"A.B1.\"}",
                "{\"id\": \"1\", \"delete\": \"A.B.1\"}",
                "{\"id\": \"1\", \"get\": [\"A\"], \"add\": \"A.\"}",
                "{\"id\": \"1\", \"names\": \"\"}",
                "{\"id\": \"1\", \"names\": [\"A.\"]}",
                "{\"id\": \"1\", \"names\": \"A.\", \"next_level\": 1}",
                "{\"id\": \"1\", \"attributes\": {}}",
                "{\"id\": \"1\", \"attributes\": {\"A.B\": 3}}",
                "{\"id\": \"1\", \"attributes\": {\"A.B\": true}}",
                "{\"id\": \"1\", \"attributes\": {\"A B\": 1}}",
                "{\"id\": \"1\", \"get\": [\"A\"], \"expires\": 0}",
                "{\"id\": \"1\", \"get\": [\"A\"], \"expires\": -1}",
                "{\"id\": \"1\", \"get\": [\"A\"], \"expires\": \"1\"}",
                "{\"id\": \"1\", \"get\": [\"A\"], \"more\": 1}",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(command_freep) Command *c = NULL;

                assert_int_equal(parse(bad[i], &c), -EINVAL);
                assert_null(c);
        }
}

static void what_can_be_answered_has_its_id(void **state) {
        static const struct {
                const char *json, *id;
        } cases[] = {
                { "{\"id\": \"abc\", \"set\": {}}", "abc" },
                { "{\"set\": {\"A\": 1}}", NULL },
                { "{\"id\": 5, \"set\": {\"A\": 1}}", NULL },
                { "{\"id\": \"\", \"set\": {\"A\": 1}}", NULL },
                { "{\"id\": \"a b\", \"set\": {\"A\": 1}}", NULL },
                { "{\"id\": \"\\u00e4\", \"set\": {\"A\": 1}}", NULL },
                { "{\"id\": \"x\\u0000y\", \"set\": {\"A\": 1}}", NULL },
                { "{\"id\": \"12345678901234567890123456789012345678901234567890123456789012345\"}", NULL },
                { "not json", NULL },
                { "\xff\xfe", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *id = NULL;
                const char *error = NULL;
                Command *c = NULL;

                assert_int_equal(command_parse(cases[i].json, strlen(cases[i].json), &c, &id, &error), -EINVAL);
                assert_true(streq_ptr(id, cases[i].id));
                assert_non_null(error);
        }
}

static void limits_hold(void **state) {
        _cleanup_free_ char *value = calloc(1, PARAMETER_VALUE_LENGTH_MAX + 2), *json = NULL, *deep = NULL;
        _cleanup_(command_freep) Command *c = NULL;

        memset(value, 'x', PARAMETER_VALUE_LENGTH_MAX);
        json = strfmt("{\"id\": \"1\", \"set\": {\"A.B\": \"%s\"}}", value);
        assert_int_equal(parse(json, &c), 0);
        c = command_free(c);
        value[PARAMETER_VALUE_LENGTH_MAX] = 'x';
        json = (free(json), strfmt("{\"id\": \"1\", \"set\": {\"A.B\": \"%s\"}}", value));
        assert_int_equal(parse(json, &c), -EINVAL);
        value[PARAMETER_NAME_LENGTH_MAX + 1] = 0;
        json = (free(json), strfmt("{\"id\": \"1\", \"set\": {\"%s\": 1}}", value));
        assert_int_equal(parse(json, &c), -EINVAL);
        deep = malloc(100001);
        memset(deep, '[', 100000);
        deep[100000] = 0;
        assert_int_equal(parse(deep, &c), -EINVAL);
}

static void cut_at_any_byte_it_is_refused(void **state) {
        static const char json[] = "{\"id\": \"1\", \"set\": {\"A.B\": {\"type\": \"int\", \"value\": \"\\u00e4\"}}}";

        for (size_t n = 0; n < sizeof(json) - 1; n++) {
                _cleanup_free_ char *id = NULL;
                const char *error;
                Command *c = NULL;

                assert_int_equal(command_parse(json, n, &c, &id, &error), -EINVAL);
        }
}

static void acknowledgements_are_lists_of_text(void **state) {
        static const char *const bad[] = { "", "{}", "[]", "{\"ids\": 1}", "{\"ids\": [1]}", "{\"ids\": {}}" };
        _cleanup_strv_free_ char **ids = NULL;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(ack_parse(bad[i], strlen(bad[i]), &ids), -EINVAL);
        assert_int_equal(ack_parse("{\"ids\": [\"a\", \"b\"]}", 19, &ids), 0);
        assert_int_equal(strv_length(ids), 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_is_understood),
                cmocka_unit_test(names_and_attributes_are_understood),
                cmocka_unit_test(values_get_the_types_of_cwmp),
                cmocka_unit_test(hostile_input_is_refused),
                cmocka_unit_test(what_can_be_answered_has_its_id),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(cut_at_any_byte_it_is_refused),
                cmocka_unit_test(acknowledgements_are_lists_of_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
