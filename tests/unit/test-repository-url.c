/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "syncd/repository-url.h"

static void assert_url(const char *s, const char *user, const char *host, uint16_t port, const char *name) {
        RepositoryUrl url;

        assert_int_equal(repository_url_parse(s, &url), 0);
        assert_string_equal(url.user, user);
        assert_string_equal(url.host, host);
        assert_int_equal(url.port, port);
        assert_string_equal(url.name, name);
}

static void test_urls(void **state) {
        assert_url("ssh://git@storage.example.net/sub-1", "git", "storage.example.net", 22, "sub-1");
        assert_url("ssh://git@10.1.2.3:2222/a.git", "git", "10.1.2.3", 2222, "a.git");
        assert_url("ssh://u_1@[2001:db8::1]:65535/x", "u_1", "2001:db8::1", 65535, "x");
        assert_url("ssh://u@[::1]/x", "u", "::1", 22, "x");
}

static void test_other_urls_are_refused(void **state) {
        static const char *const urls[] = {
                "",
                "ssh://",
                "git@host:name",
                "https://git@host/x",
                "ssh://host/x",
                "ssh://git@host",
                "ssh://git@host/",
                "ssh://git@/x",
                "ssh://@host/x",
                "ssh://git:pw@host/x",
                "ssh://git@host:/x",
                "ssh://git@host:0/x",
                "ssh://git@host:65536/x",
                "ssh://git@host:22a/x",
                "ssh://git@host/a/b",
                "ssh://git@host/../x",
                "ssh://git@host/x y",
                "ssh://git@host/x'",
                "ssh://-oProxyCommand@host/x",
                "ssh://git@-oProxyCommand/x",
                "ssh://git@host/-x",
                "ssh://git@host/.x",
                "ssh://git@ho$(id)st/x",
                "ssh://git@host/x?y",
                "ssh://git@[::1/x",
                "ssh://git@[::1]x/x",
                "ssh://git@[fe80::1%eth0]/x",
                "ssh://a/b@host/x",
                "ssh://git@host/x\n",
        };
        RepositoryUrl url = { .port = 7 };

        for (size_t i = 0; i < ELEMENTSOF(urls); i++)
                assert_int_equal(repository_url_parse(urls[i], &url), -EINVAL);
        assert_int_equal(url.port, 7);
}

static void test_host_keys(void **state) {
        _cleanup_free_ char *one = NULL, *two = NULL, *none = NULL;

        assert_int_equal(
                        repository_host_keys_to_known_hosts(
                                        "ssh-ed25519 AAAAC3Nz root@operator", "server", &one),
                        0);
        assert_string_equal(one, "server ssh-ed25519 AAAAC3Nz\n");
        assert_int_equal(
                        repository_host_keys_to_known_hosts("ssh-ed25519 AA==\n\nssh-rsa BB,", "s", &two),
                        0);
        assert_string_equal(two, "s ssh-ed25519 AA==\ns ssh-rsa BB\n");
        assert_int_equal(repository_host_keys_to_known_hosts("", "s", &none), 0);
        assert_string_equal(none, "");
}

static void test_other_host_keys_are_refused(void **state) {
        static const char *const keys[] = { "ssh-ed25519",
                                            "host ssh-ed25519 AAAA",
                                            "ssh-dss AAAA",
                                            "ssh-ed25519 A;B",
                                            "@cert-authority ssh-ed25519 AAAA",
                                            "*" };
        char *s = NULL;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                assert_int_equal(repository_host_keys_to_known_hosts(keys[i], "s", &s), -EINVAL);
        assert_null(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_urls),
                cmocka_unit_test(test_other_urls_are_refused),
                cmocka_unit_test(test_host_keys),
                cmocka_unit_test(test_other_host_keys_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
