/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Provisioning profiles: what is accepted, how placeholders expand, and the order of the steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "operator/frontend/profile.h"

static json_t *parse(const char *text) {
        _cleanup_free_ char *error = NULL;
        json_t *profile = NULL;

        if (profile_parse(text, &profile, &error) < 0)
                print_error("%s\n", error);
        assert_non_null(profile);
        return profile;
}

static void test_what_is_no_profile(void **state) {
        static const char *const texts[] = {
                "",
                "[]",
                "{\"variables\": []}",
                "{\"variables\": {\"a\": 1}}",
                "{\"variables\": {\"A b\": \"1\"}}",
                "{\"get\": {\"a\": true}}",
                "{\"add\": {}}",
                "{\"add\": [{\"object\": \"A.\"}]}",
                "{\"add\": [{\"name\": \"a\", \"object\": \"A\"}]}",
                "{\"add\": [{\"name\": \"get done\", \"object\": \"A.\"}]}",
                "{\"set\": {\"A\": -1}}",
                "{\"set\": {\"A\": null}}",
                "{\"set\": {\"A\": {\"type\": \"int\"}}}",
                "{\"set\": {\"A\": \"1\", \"A\": \"2\"}}",
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *error = NULL;
                json_t *profile = NULL;

                assert_int_equal(profile_parse(texts[i], &profile, &error), -EINVAL);
                assert_non_null(error);
                assert_null(profile);
        }
}

static void test_expansion(void **state) {
        _cleanup_json_ json_t *variables = json_pack("{s:s, s:s}", "a", "1", "b", "{a}");
        _cleanup_free_ char *text = NULL, *large = malloc(PROFILE_TEXT_MAX + 1);
        char *none = NULL;

        assert_int_equal(profile_expand("x{a}.{b}{a}", variables, &text), 0);
        /* What was put in is not looked at again: a password may have braces. */
        assert_string_equal(text, "x1.{a}1");
        assert_int_equal(profile_expand("{c}", variables, &none), -ENOKEY);
        assert_int_equal(profile_expand("{", variables, &none), -EINVAL);
        assert_int_equal(profile_expand("}", variables, &none), -EINVAL);
        assert_int_equal(profile_expand("{}", variables, &none), -ENOKEY);
        assert_non_null(large);
        memset(large, 'x', PROFILE_TEXT_MAX);
        large[PROFILE_TEXT_MAX] = 0;
        assert_int_equal(profile_expand(large, variables, &none), -E2BIG);
}

static void test_variables(void **state) {
        _cleanup_json_ json_t *profile = parse("{\"variables\": {\"x\": \"{root}X\", \"y\": \"{x}.Y\"}}");
        _cleanup_json_ json_t *builtin = json_pack("{s:s}", "root", "Device.");
        _cleanup_json_ json_t *overrides = json_pack("{s:s}", "x", "other");
        _cleanup_json_ json_t *plain = NULL, *overridden = NULL;

        assert_int_equal(profile_variables(profile, builtin, NULL, NULL, &plain), 0);
        assert_string_equal(json_string_value(json_object_get(plain, "y")), "Device.X.Y");
        assert_int_equal(profile_variables(profile, builtin, overrides, NULL, &overridden), 0);
        assert_string_equal(json_string_value(json_object_get(overridden, "y")), "other.Y");
}

static void test_row_that_nothing_defines(void **state) {
        _cleanup_json_ json_t *profile = parse("{\"add\": [{\"name\": \"a\", \"object\": \"A.{b}.\"}]}");
        _cleanup_json_ json_t *variables = json_object(), *learned = json_object();
        json_t *commands = NULL;

        assert_int_equal(profile_next(profile, variables, learned, &commands), -ENOKEY);
}

static void test_missing_value(void **state) {
        _cleanup_json_ json_t *profile = parse("{\"get\": {\"a\": \"A\"}}");
        _cleanup_json_ json_t *variables = json_pack("{s:s}", "root", "Device."), *learned = json_object();
        _cleanup_json_ json_t *values = json_pack("{s:s}", "Device.B", "1");

        assert_int_equal(profile_learn_values(profile, variables, values, learned), -EBADMSG);
}

/* The profile that is installed needs nothing but the builtin variables, and its steps are what
 * docs/operator.md says. */
static void test_default_profile(void **state) {
        static const char *const names[] = {
                "oui",      "device",   "subscription",   "gateway_name",
                "username", "password", "repository_url", "repository_host_keys"
        };
        static const ProfileStep steps[] = {
                PROFILE_GET, PROFILE_ADD, PROFILE_ADD, PROFILE_ADD, PROFILE_SET
        };
        _cleanup_json_ json_t *profile = NULL, *builtin = json_pack("{s:s}", "root", "Device."),
                              *learned = json_object();
        _cleanup_free_ char *error = NULL;

        assert_int_equal(profile_load(*state, &profile, &error), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(json_object_set_new(builtin, names[i], json_string("value")), 0);
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                _cleanup_json_ json_t *variables = NULL, *commands = NULL;
                json_t *command;
                size_t n;

                assert_int_equal(profile_variables(profile, builtin, NULL, learned, &variables), 0);
                assert_int_equal(profile_next(profile, variables, learned, &commands), steps[i]);
                /* account and volume at once, then one after the other */
                assert_int_equal(json_array_size(commands), i == 1 ? 2 : 1);
                if (steps[i] == PROFILE_GET) {
                        _cleanup_json_ json_t *values = json_pack(
                                        "{s:s}",
                                        "Device.Services.StorageService.1.PhysicalMedium.1.Capacity",
                                        "1000");

                        assert_int_equal(profile_learn_values(profile, variables, values, learned), 0);
                } else if (steps[i] == PROFILE_SET)
                        assert_int_equal(profile_learn_set(learned), 0);
                else
                        json_array_foreach(commands, n, command) assert_int_equal(
                                        profile_learn_instance(
                                                        learned,
                                                        json_string_value(json_object_get(
                                                                        command, "argument")),
                                                        7),
                                        0);
        }
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_no_profile),
                cmocka_unit_test(test_expansion),
                cmocka_unit_test(test_variables),
                cmocka_unit_test(test_row_that_nothing_defines),
                cmocka_unit_test(test_missing_value),
                cmocka_unit_test_prestate(test_default_profile, (char *) PROFILE),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
