/* SPDX-License-Identifier: GPL-2.0-or-later */
/* common/base: strings, parsing, durable files, configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/config.h"
#include "common/base/file.h"
#include "common/base/parse.h"
#include "common/base/str.h"

static int make_directory(void **state) {
        char *directory = strdup("/tmp/test-base.XXXXXX");

        *state = mkdtemp(directory);
        return *state ? 0 : -1;
}

static int remove_directory(void **state) {
        _cleanup_free_ char *directory = *state;
        _cleanup_closedir_ DIR *d = opendir(directory);
        struct dirent *e;

        while (d && (e = readdir(d)))
                if (e->d_name[0] != '.')
                        (void) unlinkat(dirfd(d), e->d_name, e->d_type == DT_DIR ? AT_REMOVEDIR : 0);
        return rmdir(directory);
}

static void numbers_must_be_whole_and_fit(void **state) {
        uint32_t u = 7;
        uint64_t v;
        int64_t w;

        assert_int_equal(parse_uint32("4294967295", &u), 0);
        assert_int_equal(u, UINT32_MAX);
        assert_int_equal(parse_uint32("4294967296", &u), -ERANGE);
        assert_int_equal(u, UINT32_MAX);
        assert_int_equal(parse_uint64("18446744073709551615", &v), 0);
        assert_int_equal(parse_uint64("18446744073709551616", &v), -ERANGE);
        assert_int_equal(parse_int64("-9223372036854775808", &w), 0);
        assert_true(w == INT64_MIN);
        assert_int_equal(parse_int64("9223372036854775808", &w), -ERANGE);

        static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1a", "--1", "-" };
        for (size_t k = 0; k < ELEMENTSOF(bad); k++)
                assert_int_equal(parse_uint32(bad[k], &u), -EINVAL);
}

static void datetimes_are_utc(void **state) {
        static const struct {
                const char *text;
                int64_t seconds;
        } good[] = {
                { "1970-01-01T00:00:00Z", 0 },
                { "2026-02-28T23:59:59Z", 1772323199 },
                { "2024-02-29T00:00:00", 1709164800 },
                { "1970-01-01T01:00:00+01:00", 0 },
                { "1969-12-31T23:30:00.125-00:30", 0 },
                { "0001-01-01T00:00:00Z", INT64_MIN },
                { "9999-12-31T23:59:59Z", 253402300799 },
        };
        static const char *const bad[] = {
                "", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z",
                "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+15:00", "2026-1-1T0:0:0Z",
                "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        };
        char buf[DATETIME_SIZE];
        int64_t v;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(parse_datetime(good[i].text, &v), 0);
                assert_true(v == good[i].seconds);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_datetime(bad[i], &v), -EINVAL);
        assert_string_equal(format_datetime(1772323199, buf), "2026-02-28T23:59:59Z");
        assert_string_equal(format_datetime(INT64_MIN, buf), "0001-01-01T00:00:00Z");
        assert_string_equal(format_datetime(-30641760000, buf), "0999-01-01T00:00:00Z");
        assert_string_equal(format_datetime(INT64_MAX, buf), "0001-01-01T00:00:00Z");
}

static void hexadecimal_has_an_exact_length(void **state) {
        uint8_t b[3];
        char text[7];

        assert_int_equal(parse_hex("00fFa5", b, 3), 0);
        assert_string_equal(format_hex(b, 3, text), "00ffa5");
        assert_int_equal(parse_hex("00fFa", b, 3), -EINVAL);
        assert_int_equal(parse_hex("00fFa5a", b, 3), -EINVAL);
        assert_int_equal(parse_hex("00fFg5", b, 3), -EINVAL);
}

static void utf8_follows_rfc_3629(void **state) {
        assert_true(utf8_is_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
        assert_false(utf8_is_valid("\xc0\xaf"));         /* overlong */
        assert_false(utf8_is_valid("\xe0\x80\xaf"));     /* overlong */
        assert_false(utf8_is_valid("\xed\xa0\x80"));     /* surrogate */
        assert_false(utf8_is_valid("\xf4\x90\x80\x80")); /* above U+10FFFF */
        assert_false(utf8_is_valid("\xe2\x82"));         /* cut */
}

static void words_are_whole(void **state) {
        static const char words[] = "quota all quota-user now";

        assert_true(has_word(words, "quota") && has_word(words, "all") && has_word(words, "quota-user") &&
                    has_word(words, "now") && has_word("x", "x"));
        assert_false(has_word(words, "user") || has_word(words, "no") || has_word(words, "al") ||
                     has_word(words, "ll") || has_word(words, "") || has_word("", "x") || has_word(words, "quota-"));
}

static void lists_split_and_join(void **state) {
        _cleanup_strv_free_ char **l = NULL;
        _cleanup_free_ char *joined = NULL, *empty = NULL;

        assert_int_equal(strv_split("  pull  7 ", " ", &l), 2);
        assert_true(strv_contains(l, "pull"));
        assert_false(strv_contains(l, ""));
        joined = strv_join(l, ",");
        assert_string_equal(joined, "pull,7");
        empty = strv_join(NULL, ",");
        assert_string_equal(empty, "");
}

static void a_replaced_file_is_whole_and_has_its_mode(void **state) {
        _cleanup_close_ int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *content = NULL;
        struct stat st;

        assert_int_equal(write_file_atomic(fd, "f", "old", 3, 0644), 0);
        assert_int_equal(write_file_atomic(fd, "f", "newer", 5, 0600), 0);
        assert_int_equal(read_file(fd, "f", 5, &content, NULL), 0);
        assert_string_equal(content, "newer");
        assert_int_equal(fstatat(fd, "f", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(faccessat(fd, "f.new", F_OK, 0), -1);
}

static void a_failed_replacement_leaves_the_old_file(void **state) {
        _cleanup_close_ int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *content = NULL;

        assert_int_equal(write_file_atomic(fd, "f", "old", 3, 0644), 0);
        assert_int_equal(mkdirat(fd, "f.new", 0700), 0); /* the temporary name is taken */
        assert_true(write_file_atomic(fd, "f", "new", 3, 0644) < 0);
        assert_int_equal(read_file(fd, "f", 100, &content, NULL), 0);
        assert_string_equal(content, "old");
}

static void reading_a_file_has_limits(void **state) {
        _cleanup_close_ int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *content = NULL;
        size_t size;

        assert_int_equal(write_file_atomic(fd, "f", "a\0b", 3, 0644), 0);
        assert_int_equal(read_file(fd, "f", 2, &content, &size), -EFBIG);
        assert_int_equal(read_file(fd, "f", 3, &content, NULL), -EBADMSG);
        assert_int_equal(read_file(fd, "absent", 3, &content, NULL), -ENOENT);
        assert_int_equal(mkfifoat(fd, "pipe", 0600), 0);
        assert_int_equal(read_file(fd, "pipe", 3, &content, NULL), -EINVAL); /* and does not hang */
        assert_null(content);
        assert_int_equal(read_file(fd, "f", 3, &content, &size), 0);
        assert_int_equal(size, 3);
        free(content);
}

static void dropins_override_and_bad_lines_are_skipped(void **state) {
        static const char main_file[] =
                        "# comment\n[ACS]\nURL = https://acs.example/ \nRetries=3\nUnknown=1\nRetries=many\n";
        _cleanup_free_ char *path = strfmt("%s/agent.conf", (char *) *state), *url = NULL;
        _cleanup_free_ char *dropins = strfmt("%s.d", path), *dropin = strfmt("%s/10-vendor.conf", dropins);
        uint32_t retries = 0;
        const ConfigItem items[] = {
                { "ACS", "URL", config_parse_string, &url },
                { "ACS", "Retries", config_parse_uint32, &retries },
                {},
        };

        assert_int_equal(config_read(path, items), 0); /* absent is empty */
        assert_int_equal(write_file_atomic(AT_FDCWD, path, main_file, strlen(main_file), 0644), 0);
        assert_int_equal(mkdir(dropins, 0755), 0);
        assert_int_equal(write_file_atomic(AT_FDCWD, dropin, "[ACS]\nRetries=5\n", 16, 0644), 0);

        assert_int_equal(config_read(path, items), 2);
        assert_string_equal(url, "https://acs.example/");
        assert_int_equal(retries, 5);
        assert_int_equal(unlink(dropin), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_must_be_whole_and_fit),
                cmocka_unit_test(datetimes_are_utc),
                cmocka_unit_test(hexadecimal_has_an_exact_length),
                cmocka_unit_test(utf8_follows_rfc_3629),
                cmocka_unit_test(words_are_whole),
                cmocka_unit_test(lists_split_and_join),
                cmocka_unit_test_setup_teardown(
                                a_replaced_file_is_whole_and_has_its_mode, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(
                                a_failed_replacement_leaves_the_old_file, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(reading_a_file_has_limits, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(
                                dropins_override_and_bad_lines_are_skipped, make_directory, remove_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
