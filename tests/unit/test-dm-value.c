/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values: what each type allows, and its canonical form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "common/datamodel/agent-schema.h"
#include "common/datamodel/dm-value.h"
#include "common/datamodel/dm.h"
#include "common/datamodel/storage-schema.h"
#include "common/datamodel/sync-schema.h"
#include "fixture-schema.h"

#define PARAMETER(id) (&fixture_schema.parameters[id])

static const uint32_t in_first_service[DM_DEPTH_MAX] = { 1 };

static void assert_canonical(int id, const char *value, const char *expected) {
        _cleanup_free_ char *canonical = NULL;
        const char *reason = NULL;
        int r = dm_value_canonicalize(PARAMETER(id), in_first_service, value, &canonical, &reason);

        if (!expected) {
                assert_int_equal(r, -EINVAL);
                assert_non_null(reason);
                assert_null(canonical);
                return;
        }
        assert_int_equal(r, 0);
        assert_string_equal(canonical, expected);
}

static void test_boolean(void **state) {
        assert_canonical(FIXTURE_ENABLE, "1", "true");
        assert_canonical(FIXTURE_ENABLE, " true\n", "true");
        assert_canonical(FIXTURE_ENABLE, "0", "false");
        assert_canonical(FIXTURE_ENABLE, "yes", NULL);
        assert_canonical(FIXTURE_ENABLE, "TRUE", NULL);
        assert_canonical(FIXTURE_ENABLE, "", NULL);
}

static void test_numbers(void **state) {
        assert_canonical(FIXTURE_UNSIGNED, " 007 ", "7");
        assert_canonical(FIXTURE_UNSIGNED, "+7", "7");
        assert_canonical(FIXTURE_UNSIGNED, "4294967295", "4294967295");
        assert_canonical(FIXTURE_UNSIGNED, "4294967296", NULL);
        assert_canonical(FIXTURE_UNSIGNED, "-1", NULL);
        assert_canonical(FIXTURE_UNSIGNED, "+", NULL);
        assert_canonical(FIXTURE_UNSIGNED, "++7", NULL);
        assert_canonical(FIXTURE_UNSIGNED, "0x7", NULL);
        assert_canonical(FIXTURE_UNSIGNED, "7 7", NULL);
        assert_canonical(FIXTURE_INT, "-5", "-5");
        assert_canonical(FIXTURE_INT, "-6", NULL);
        assert_canonical(FIXTURE_INT, "6", NULL);
        assert_canonical(FIXTURE_LONG, "-9223372036854775808", "-9223372036854775808");
        assert_canonical(FIXTURE_LONG, "9223372036854775808", NULL);
        assert_canonical(FIXTURE_UNSIGNED_LONG, "18446744073709551615", "18446744073709551615");
        assert_canonical(FIXTURE_UNSIGNED_LONG, "18446744073709551616", NULL);
}

static void test_time(void **state) {
        assert_canonical(FIXTURE_TIME, "2026-01-31T23:59:59Z", "2026-01-31T23:59:59Z");
        assert_canonical(FIXTURE_TIME, "2026-02-01T00:59:59+01:00", "2026-01-31T23:59:59Z");
        assert_canonical(FIXTURE_TIME, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
        assert_canonical(FIXTURE_TIME, "yesterday", NULL);
}

static void test_binary(void **state) {
        assert_canonical(FIXTURE_BASE64, "AAECAw==", "AAECAw==");
        assert_canonical(FIXTURE_BASE64, "AAECAwQ=", NULL);
        assert_canonical(FIXTURE_BASE64, "AAE", NULL);
        assert_canonical(FIXTURE_BASE64, "A=E=", NULL);
        assert_canonical(FIXTURE_HEX, "fF00", "fF00");
        assert_canonical(FIXTURE_HEX, "fF0", NULL);
        assert_canonical(FIXTURE_HEX, "fF0000", NULL);
}

static void test_strings(void **state) {
        assert_canonical(FIXTURE_TEXT, " a ", " a ");
        assert_canonical(
                        FIXTURE_TEXT,
                        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
                        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4");
        assert_canonical(FIXTURE_TEXT, "123456789", NULL);
        assert_canonical(FIXTURE_TEXT, "\xff", NULL);
        assert_canonical(FIXTURE_TEXT, "\x01", NULL);
        assert_canonical(FIXTURE_COLOR, "dark green", "dark green");
        assert_canonical(FIXTURE_COLOR, "dark", NULL);
        assert_canonical(FIXTURE_COLOR, "", NULL);
        assert_canonical(FIXTURE_ORDER, "go 17", "go 17");
        assert_canonical(FIXTURE_ORDER, "", "");
        assert_canonical(FIXTURE_ORDER, "gone 17", NULL);
        assert_canonical(FIXTURE_ORDER, " go", NULL);
}

static void test_lists(void **state) {
        assert_canonical(FIXTURE_COLORS, " red ,green", "red,green");
        assert_canonical(FIXTURE_COLORS, "  ", "");
        assert_canonical(FIXTURE_COLORS, "red,,green", NULL);
        assert_canonical(FIXTURE_COLORS, "blue", NULL);
        assert_canonical(FIXTURE_COLORS, "red,red,red,red,red", NULL);
}

static void test_references(void **state) {
        assert_canonical(FIXTURE_USER_FRIEND, "Services.Fixture.1.User.2", "Services.Fixture.1.User.2");
        assert_canonical(
                        FIXTURE_USER_FRIEND,
                        "InternetGatewayDevice.Services.Fixture.1.User.2.",
                        "Services.Fixture.1.User.2");
        assert_canonical(
                        FIXTURE_USER_FRIEND,
                        "Device.Services.Fixture.1.User.2",
                        "Services.Fixture.1.User.2");
        assert_canonical(FIXTURE_USER_FRIEND, "", "");
        assert_canonical(FIXTURE_USER_FRIEND, "Services.Fixture.2.User.2", NULL);
        assert_canonical(FIXTURE_USER_FRIEND, "Services.Fixture.1.User.02", NULL);
        assert_canonical(FIXTURE_USER_FRIEND, "Services.Fixture.1.User.2.Name", NULL);
        assert_canonical(FIXTURE_USER_FRIEND, "Services.Fixture.1.User.", NULL);
        assert_canonical(FIXTURE_USER_FRIEND, "Services.Fixture.1.Group.1", NULL);
        assert_canonical(
                        FIXTURE_USER_GROUPS,
                        "Services.Fixture.1.Group.1, Device.Services.Fixture.1.Group.2",
                        "Services.Fixture.1.Group.1,Services.Fixture.1.Group.2");
}

static void test_types(void **state) {
        assert_true(dm_type_matches(PARAMETER(FIXTURE_ENABLE), "xsd:boolean"));
        assert_true(dm_type_matches(PARAMETER(FIXTURE_ENABLE), ""));
        assert_false(dm_type_matches(PARAMETER(FIXTURE_ENABLE), "xsd:string"));
        assert_false(dm_type_matches(PARAMETER(FIXTURE_UNSIGNED), "int"));
        assert_true(dm_type_matches(PARAMETER(FIXTURE_USER_GROUPS), "string"));
        assert_true(dm_type_matches(PARAMETER(FIXTURE_USER_FRIEND), "xs:string"));
}

static void test_instance_numbers(void **state) {
        const char *end;
        uint32_t n;

        assert_true(dm_parse_instance("4294967295.", &end, &n));
        assert_int_equal(n, UINT32_MAX);
        assert_string_equal(end, ".");
        assert_false(dm_parse_instance("4294967296.", &end, &n));
        assert_false(dm_parse_instance("0.", &end, &n));
        assert_false(dm_parse_instance("01.", &end, &n));
        assert_false(dm_parse_instance("-1.", &end, &n));
        assert_false(dm_parse_instance("{i}.", &end, &n));
}

/* A default is what a factory reset gives: it must be a value that could be set, but for "not set yet". */
static void test_defaults(void **state) {
        static const DmSchema *const schemas[] = {
                &agent_schema, &storage_schema, &sync_schema, &fixture_schema
        };

        for (size_t k = 0; k < ELEMENTSOF(schemas); k++)
                for (size_t i = 0; i < schemas[k]->n_parameters; i++) {
                        const DmParameter *p = &schemas[k]->parameters[i];
                        _cleanup_free_ char *canonical = NULL;

                        if (p->type == DM_STRING && !p->default_value[0])
                                continue;
                        assert_int_equal(
                                        dm_value_canonicalize(p, NULL, p->default_value, &canonical, NULL),
                                        0);
                        assert_string_equal(canonical, p->default_value);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_boolean),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_time),
                cmocka_unit_test(test_binary),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_references),
                cmocka_unit_test(test_types),
                cmocka_unit_test(test_instance_numbers),
                cmocka_unit_test(test_defaults),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
