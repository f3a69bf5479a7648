/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cookies of a session: what an ACS sets and what it gets back (RFC 6265). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/session-worker/cookie-jar.h"
#include "common/base/str.h"

static void take(CookieJar *j, const char *target, const char *set_cookie) {
        assert_int_equal(cookie_jar_take(j, "acs", target, set_cookie), 0);
}

static void assert_sent(const CookieJar *j, const char *host, const char *target, bool tls, const char *expected) {
        _cleanup_free_ char *header = NULL;

        assert_int_equal(cookie_jar_header(j, host, target, tls, &header), 0);
        assert_string_equal(strempty(header), expected);
}

static void a_cookie_comes_back_as_it_was(void **state) {
        static const char *const pairs[] = {
                "session=abc", "a=b=c==", "x=\"quoted value\"", "y=a%20b+c/d|e~!", "z={\"id\":1}", "empty=", "ä=ö",
        };

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                CookieJar j = {};
                _cleanup_free_ char *text = strfmt(" %s ; HttpOnly; SameSite=Lax;Domain=example.org", pairs[i]);
                take(&j, "/cwmp", text);
                assert_sent(&j, "acs", "/cwmp", false, pairs[i]);
                cookie_jar_done(&j);
        }
}

static void several_are_in_one_header_and_the_latest_counts(void **state) {
        CookieJar j = {};

        take(&j, "/cwmp", "a=1");
        take(&j, "/cwmp", "b=2");
        take(&j, "/cwmp", "ab=3");
        take(&j, "/cwmp", "a=4");
        assert_sent(&j, "acs", "/cwmp", false, "b=2; ab=3; a=4");
        take(&j, "/cwmp", "b=; Max-Age=0");
        take(&j, "/cwmp", "ab=5; max-age = 60");
        assert_sent(&j, "acs", "/cwmp", false, "a=4; ab=5");
        cookie_jar_done(&j);
}

static void each_goes_only_where_it_belongs(void **state) {
        CookieJar j = {};

        take(&j, "/cwmp/in?a=/b/", "default=1");
        take(&j, "/cwmp/in", "root=2; Path=/");
        take(&j, "/cwmp/in", "below=3; path=/cwmp/in");
        take(&j, "/cwmp/in", "elsewhere=4; Path=/other");
        take(&j, "/cwmp/in", "no-path=5; Path=other");
        take(&j, "/cwmp/in", "tls=6; Path=/; Secure");
        assert_sent(&j, "acs", "/cwmp/in?x", false, "default=1; root=2; below=3; no-path=5");
        assert_sent(&j, "ACS", "/cwmp", true, "default=1; root=2; no-path=5; tls=6");
        assert_sent(&j, "acs", "/cwmpx", false, "root=2");
        assert_sent(&j, "acs", "/other/", false, "root=2; elsewhere=4");
        assert_sent(&j, "another", "/cwmp/in", true, "");
        cookie_jar_done(&j);
}

static void what_is_no_cookie_or_too_much_is_passed_over(void **state) {
        static const char *const wrong[] = { "", ";", "=", "=a", "a", "a;b=c", "a=\x01", "  ; a=b" };
        CookieJar j = {};
        _cleanup_free_ char *fits = calloc(1, COOKIE_SIZE_MAX + 1), *large = calloc(1, COOKIE_SIZE_MAX + 2);

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                take(&j, "/", wrong[i]);
        assert_int_equal(j.n, 0);

        memset(fits, 'a', COOKIE_SIZE_MAX);
        memset(large, 'a', COOKIE_SIZE_MAX + 1);
        fits[1] = large[1] = '=';
        take(&j, "/", fits);
        take(&j, "/", large);
        assert_sent(&j, "acs", "/", false, fits);

        for (unsigned i = 0; i < 2 * COOKIES_MAX; i++) {
                _cleanup_free_ char *pair = strfmt("c%u=%u", i, i);
                take(&j, "/", pair);
        }
        assert_int_equal(j.n, COOKIES_MAX);
        cookie_jar_done(&j);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cookie_comes_back_as_it_was),
                cmocka_unit_test(several_are_in_one_header_and_the_latest_counts),
                cmocka_unit_test(each_goes_only_where_it_belongs),
                cmocka_unit_test(what_is_no_cookie_or_too_much_is_passed_over),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
