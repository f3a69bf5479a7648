/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No name gets through that a path, a shell or a configuration file could read as more than a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "sharemgr/share-names.h"

static void test_user_names(void **state) {
        static const char *const good[] = {
                "alice", "_x", "a.b-c_d", "a0", "abcdefghijklmnopqrstuvwxyz012345"
        };
        static const char *const bad[] = {
                "",     "0a",       "-a",
                ".a",   "Alice",    "a b",
                "a/b",  "../a",     "a:b",
                "a\nb", "a|b",      "a$(x)",
                "a`x`", "a'",       "a\"",
                "a\\",  "a;b",      "a,b",
                "a%U",  "a@b",      "a+b",
                "a=b",  "a#",       "a*",
                "a\tb", "\xc3\xa4", "abcdefghijklmnopqrstuvwxyz0123456",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(user_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(user_name_is_valid(bad[i]));
}

static void test_folder_names(void **state) {
        static const char *const good[] = {
                "photos",
                "/photos",
                "/home/ftp",
                "/home/ftp/",
                "My pictures",
                "\xc3\xbc"
                "ber",
                ".hidden",
                "a..b",
                "it's",
                "a&b",
        };
        static const char *const bad[] = {
                "",
                "/",
                "//",
                "/a//b",
                "..",
                "/..",
                "a/..",
                "a/../b",
                ".",
                "a/.",
                ".ispstorage",
                "/.ispstorage/",
                "/.ISPstorage/x",
                "a/.ispstorage",
                "lost+found",
                "a\nb",
                "a\\",
                "a:b",
                "a\"b",
                "a%h",
                "[global]",
                "a]\npath = /",
                "a ",
                " a",
                "a.",
                "a*",
                "a?",
                "<a>",
                "a|b",
                "\x7f",
                "\xff",
                "a\rb",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(folder_name_is_valid(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(folder_name_is_valid(bad[i]));
}

static void test_share_and_directory(void **state) {
        _cleanup_free_ char *a = folder_share_name("/home/ftp/"), *b = folder_share_name("photos");
        _cleanup_free_ char *directory = folder_directory("disk", "/home/ftp/");

        assert_string_equal(a, "ftp");
        assert_string_equal(b, "photos");
        assert_string_equal(directory, "/srv/ispstorage/disk/home/ftp");
        assert_true(share_name_is_reserved("Global"));
        assert_false(share_name_is_reserved("photos"));
}

static void test_volume_names(void **state) {
        static const char *const bad[] = { "",    ".",    "..",  "-a",       "a/b",
                                           "a b", "a\nb", "a%i", "\xc3\xa4", ".ispstorage" };

        assert_true(volume_name_is_valid("home"));
        assert_true(volume_name_is_valid("Disk_1.a-b"));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(volume_name_is_valid(bad[i]));
}

static void test_other_names(void **state) {
        assert_true(password_is_valid("correct horse \xe2\x82\xac :%$\\"));
        assert_false(password_is_valid("a\nb"));
        assert_false(password_is_valid("\xff"));
        assert_true(host_name_is_valid(""));
        assert_true(host_name_is_valid("nas-1"));
        assert_false(host_name_is_valid("nas\n[x]"));
        assert_false(host_name_is_valid("a.b"));
        assert_true(domain_name_is_valid("example.org"));
        assert_false(domain_name_is_valid("example..org"));
        assert_false(domain_name_is_valid("x\ny"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_user_names),   cmocka_unit_test(test_folder_names),
                cmocka_unit_test(test_volume_names), cmocka_unit_test(test_share_and_directory),
                cmocka_unit_test(test_other_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
