/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCP options about the ACS (TR-069 section 3.1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/core/dhcp-options.h"
#include "common/base/str.h"

static void both_options_are_read(void **state) {
        DhcpOptions v4 = {}, v6 = {};

        /* 1: "http://a", 2: "p", 3: "7", 4: "3000", 9: unknown */
        assert_int_equal(dhcp_option_43("01:08:68:74:74:70:3a:2f:2f:61:02:01:70:03:01:37:09:01:00:04:04:33:30:"
                "30:30", &v4), 0);
        assert_string_equal(v4.url, "http://a");
        assert_string_equal(v4.provisioning_code, "p");
        assert_int_equal(v4.retry_minimum, 7);
        assert_int_equal(v4.retry_multiplier, 3000);
        assert_int_equal(dhcp_option_17("00000DE90001000A68747470733a2f2f6200", &v6), 0);
        assert_string_equal(v6.url, "https://b");
        assert_string_equal(v6.provisioning_code, "");
}

static void what_does_not_fit_is_skipped(void **state) {
        DhcpOptions o = {};

        assert_int_equal(dhcp_option_43("", &o), 0);
        assert_int_equal(dhcp_option_43("0104667470 3a", &o), -EINVAL);
        assert_int_equal(dhcp_option_43("01056674703a2f", &o), 0); /* "ftp:/" */
        assert_int_equal(dhcp_option_43("0109687474703a2f2f6120", &o), 0); /* a blank at its end */
        assert_int_equal(dhcp_option_43("0303393939", &o), 0);
        assert_int_equal(o.retry_minimum, 999);
        assert_int_equal(dhcp_option_43("0305393939393904013004013a", &o), 0); /* "99999", "0", ":" */
        assert_int_equal(o.retry_minimum, 999);
        assert_int_equal(o.retry_multiplier, 0);
        assert_int_equal(dhcp_option_17("000000090001000968747470733a2f2f62", &o), 0); /* of Cisco */
        assert_string_equal(o.url, "");
}

static void what_is_malformed_is_refused(void **state) {
        static const char *const texts[] = { "0", "xy", "01", "0109687474", "::", "01:0" };
        DhcpOptions o = {};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(dhcp_option_43(texts[i], &o), -EINVAL);
        assert_int_equal(dhcp_option_17("0000", &o), -EINVAL);
        assert_int_equal(dhcp_option_17("00000de9000100", &o), -EINVAL);

        char *large = malloc(DHCP_OPTION_TEXT_MAX + 3);
        assert_non_null(large);
        memset(large, '0', DHCP_OPTION_TEXT_MAX + 2);
        large[DHCP_OPTION_TEXT_MAX + 2] = 0;
        assert_int_equal(dhcp_option_43(large, &o), -EINVAL);
        free(large);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_options_are_read),
                cmocka_unit_test(what_does_not_fit_is_skipped),
                cmocka_unit_test(what_is_malformed_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
