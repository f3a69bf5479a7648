/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/base/str.h"
#include "common/format/git-name.h"

static void assert_stored(const char *name, const char *stored) {
        _cleanup_free_ char *s = NULL, *back = NULL;

        assert_int_equal(git_name_escape(name, &s), 0);
        assert_string_equal(s, stored);
        assert_int_equal(git_name_unescape(s, &back), 0);
        assert_string_equal(back, name);
}

static void test_ordinary_names_stay(void **state) {
        static const char *const names[] = { "a",        "photo.jpg", "git",
                                             "a%b",      ".gi",       ".hidden",
                                             "x.git",    "...",       "a:b",
                                             "CON",      "new\nline", "\xff\xfe",
                                             "\xe2\x80", "gitk~1",    "\xc3\xa9t\xc3\xa9" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_stored(names[i], names[i]);
}

static void test_refused_names_are_escaped(void **state) {
        assert_stored(".git", "%.git");
        assert_stored(".GIT", "%.GIT");
        assert_stored(".gitmodules", "%.gitmodules");
        assert_stored(".git::$INDEX_ALLOCATION", "%.git::$INDEX_ALLOCATION");
        assert_stored(".g\xe2\x80\x8cit", "%.g\xe2\x80\x8cit");
        assert_stored("\xef\xbb\xbf.git", "%\xef\xbb\xbf.git");
        assert_stored("GIT~1", "%GIT~1");
        assert_stored("a\\.git", "%a%5C.git");
        assert_stored("%", "%%25");
        assert_stored("%.git", "%%25.git");
        assert_stored("100%\\", "%100%25%5C");
}

static void test_what_is_no_name_is_refused(void **state) {
        char *s = NULL, long_name[GIT_NAME_FILE_MAX + 2];

        memset(long_name, 'a', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = 0;
        assert_int_equal(git_name_escape(long_name, &s), -EINVAL);
        assert_int_equal(git_name_escape("", &s), -EINVAL);
        assert_int_equal(git_name_escape(".", &s), -EINVAL);
        assert_int_equal(git_name_escape("..", &s), -EINVAL);
        assert_int_equal(git_name_escape("a/b", &s), -EINVAL);
        assert_null(s);
}

static void test_only_canonical_escapes_are_read(void **state) {
        static const char *const foreign[] = { "%",        "%a",       "%%",    "%.git%", "%.git%5",
                                               "%.git%5c", "%.git%41", "%a%5c", ".git",   "git~1",
                                               "a\\b",     "%.",       "%..",   "%%2",    "%ispstorage",
                                               ".",        "" };

        for (size_t i = 0; i < ELEMENTSOF(foreign); i++) {
                char *s = NULL;

                assert_int_equal(git_name_unescape(foreign[i], &s), -EBADMSG);
                assert_null(s);
        }
}

/* Random names over the bytes that matter: always back to the same name, and never one that git refuses. */
static void test_round_trip(void **state) {
        static const char *const parts[] = {
                ".",    "g", "I",  "t",    "~", "1", "%", "\\", "5C", "25", "\xe2\x80\x8d",
                "\xe2", " ", "\n", "\xff", "a", ":"
        };
        unsigned seed = 1;

        for (unsigned round = 0; round < 200000; round++) {
                _cleanup_free_ char *s = NULL, *back = NULL;
                char name[64] = "";
                unsigned n = 1 + (unsigned) rand_r(&seed) % 12;

                for (unsigned i = 0; i < n; i++)
                        strcat(name, parts[(unsigned) rand_r(&seed) % ELEMENTSOF(parts)]);
                if (streq(name, ".") || streq(name, ".."))
                        continue;
                assert_int_equal(git_name_escape(name, &s), 0);
                assert_true(!strchr(s, '\\'));
                assert_true(streq(s, name) || *s == GIT_NAME_MARK);
                assert_int_equal(git_name_unescape(s, &back), 0);
                assert_string_equal(back, name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ordinary_names_stay),
                cmocka_unit_test(test_refused_names_are_escaped),
                cmocka_unit_test(test_what_is_no_name_is_refused),
                cmocka_unit_test(test_only_canonical_escapes_are_read),
                cmocka_unit_test(test_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
