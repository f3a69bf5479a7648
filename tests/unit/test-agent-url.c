/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The URLs of an ACS, and where it redirects to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/session-worker/acs-url.h"
#include "common/base/str.h"

static void only_http_and_https_are_usable(void **state) {
        static const char *const wrong[] = {
                "", "acs", "ftp://a/", "HTTP//a", "http:/a", "http://a b/", "http://a/\r\nX: y", "http://\"a\"/",
                "http://a\\b",
        };
        _cleanup_free_ char *large = strfmt("http://%*s/", (int) ACS_URL_MAX, "");

        memset(large + strlen("http://"), 'a', ACS_URL_MAX);
        assert_true(acs_url_is_usable("http://a"));
        assert_true(acs_url_is_usable("https://[::1]:7547/cwmp?a=b"));
        assert_true(acs_url_is_https("https://a"));
        assert_false(acs_url_is_https("http://a"));
        assert_false(acs_url_is_usable(NULL));
        assert_false(acs_url_is_usable(large));
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_false(acs_url_is_usable(wrong[i]));
}

static void a_redirect_may_be_relative(void **state) {
        static const struct {
                const char *url, *location, *expected;
        } rows[] = {
                { "http://a:1/b/c", "https://d/e", "https://d/e" },
                { "http://a:1/b/c", "/e?f", "http://a:1/e?f" },
                { "http://a:1/b/c", "e?f=http://g", "http://a:1/b/e?f=http://g" },
                { "http://a:1/b/c?d=/e", "f", "http://a:1/b/f" },
                { "http://a:1/b/c?d", "?e", "http://a:1/b/c?e" },
                { "https://a:1/b", "//d:2/e", "https://d:2/e" },
                { "http://a", "e", "http://a/e" },
                { "http://a", "/e", "http://a/e" },
                { "http://a?b", "/e", "http://a/e" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *url = acs_url_resolve(rows[i].url, rows[i].location);
                assert_string_equal(url, rows[i].expected);
        }
}

static void the_own_address_is_that_of_the_route(void **state) {
        static const struct {
                const char *url, *address;
        } rows[] = {
                { "http://127.0.0.1", "127.0.0.1" },
                { "https://127.0.0.1:7547/x", "127.0.0.1" },
                { "http://127.0.0.1?x", "127.0.0.1" },
        };
        static const char *const wrong[] = {
                "http://", "http://:80/", "http://127.0.0.1:/", "http://127.0.0.1:999999/",
        };
        char *address = NULL;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(acs_url_local_address(rows[i].url, &address), 0);
                assert_string_equal(address, rows[i].address);
                address = mfree(address);
        }
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(acs_url_local_address(wrong[i], &address), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_http_and_https_are_usable),
                cmocka_unit_test(a_redirect_may_be_relative),
                cmocka_unit_test(the_own_address_is_that_of_the_route),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
