/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes of passwords, the files made from them, and the store that keeps them. */
#include <crypt.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "common/base/str.h"
#include "sharemgr/certificate.h"
#include "sharemgr/credentials.h"
#include "sharemgr/row-store.h"

static void test_hashes(void **state) {
        _cleanup_free_ char *credentials = NULL, *again = NULL;
        const char *hash, *nt;

        assert_int_equal(credentials_from_password("secret", &credentials), 0);
        assert_int_equal(credentials_from_password("secret", &again), 0);
        assert_string_not_equal(credentials, again); /* a salt each */
        assert_int_equal(credentials_split(credentials, &hash, &nt), 0);
        assert_non_null(startswith(hash, "$y$"));
        assert_string_equal(crypt("secret", hash), hash);
        assert_string_not_equal(crypt("Secret", hash), hash);
        assert_string_equal(nt, "878d8014606cda29677a44efa1353fc7");
}

/* [MS-NLMP] hashes UTF-16: two, three and four bytes of UTF-8. The values are those of iconv and openssl. */
static void test_hash_of_unicode(void **state) {
        _cleanup_free_ char *credentials = NULL;
        const char *hash, *nt;

        assert_int_equal(credentials_from_password("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", &credentials), 0);
        assert_int_equal(credentials_split(credentials, &hash, &nt), 0);
        assert_string_equal(nt, "4cd26bea0e9c02c16bcbc65c7a89bd1a");
}

static void test_damaged_credentials_are_refused(void **state) {
        static const char *const bad[] = { "",
                                           "x",
                                           "x y",
                                           " 878d8014606cda29677a44efa1353fc7",
                                           "a:b 878d8014606cda29677a44efa1353fc7",
                                           "a 878d8014606cda29677a44efa1353fc" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *copy = strdup(bad[i]);
                const char *hash, *nt;

                assert_int_equal(credentials_split(copy, &hash, &nt), -EBADMSG);
        }
}

static void test_files(void **state) {
        static const Account accounts[] = { { "alice", 1, "$y$a", "00112233445566778899aabbccddeeff" },
                                            { "bob", 7, "$y$b", "ffeeddccbbaa99887766554433221100" } };
        _cleanup_free_ char *smb = NULL, *http = NULL, *record = NULL, *privileged = NULL;
        json_t *json;

        assert_int_equal(render_smbpasswd(accounts, 2, &smb), 0);
        assert_string_equal(
                        smb,
                        "alice:200001:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:00112233445566778899aabbccddeeff:[U     "
                        "     ]:LCT-00000001:\n"
                        "bob:200007:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:ffeeddccbbaa99887766554433221100:[U       "
                        "   ]:LCT-00000001:\n");
        assert_int_equal(render_htpasswd(accounts, 2, &http), 0);
        assert_string_equal(http, "alice:$y$a\nbob:$y$b\n");

        assert_int_equal(render_user_record(accounts, 990, 991, &record), 0);
        assert_null(strstr(record, "$y$a"));
        json = json_loads(record, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "userName")), "alice");
        assert_int_equal(json_integer_value(json_object_get(json, "uid")), 990);
        assert_int_equal(json_integer_value(json_object_get(json, "gid")), 991);
        json_decref(json);

        assert_int_equal(render_user_record_privileged(accounts, &privileged), 0);
        assert_non_null(strstr(privileged, "$y$a"));
}

static bool is_second(const char *path, void *userdata) {
        return streq(path, "Services.StorageService.1.UserAccount.2");
}

static void test_store(void **state) {
        char directory[] = "/tmp/test-credentials-XXXXXX";
        _cleanup_(row_store_freep) RowStore *s = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        assert_non_null(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(row_store_open(&s, fd, "credentials"), 0);
        assert_int_equal(row_store_set(s, "Services.StorageService.1.UserAccount.1", "a b"), 0);
        assert_int_equal(row_store_set(s, "Services.StorageService.1.UserAccount.2", "c d"), 0);
        assert_int_equal(row_store_set(s, "Services.StorageService.1.UserAccount.1", "e f"), 0);
        assert_int_equal(row_store_set(s, "x y", "z"), -EINVAL);
        assert_int_equal(row_store_set(s, "x", "a\nb c"), -EINVAL);
        assert_int_equal(fstatat(fd, "credentials", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        s = row_store_free(s);
        assert_int_equal(row_store_open(&s, fd, "credentials"), 0);
        assert_string_equal(row_store_get(s, "Services.StorageService.1.UserAccount.1"), "e f");
        assert_string_equal(row_store_get(s, "Services.StorageService.1.UserAccount.2"), "c d");
        assert_int_equal(row_store_prune(s, is_second, NULL), 0);
        assert_null(row_store_get(s, "Services.StorageService.1.UserAccount.1"));

        /* Many changes in one write. */
        row_store_defer(s);
        assert_int_equal(row_store_set(s, "x", "1"), 0);
        assert_int_equal(row_store_set(s, "y", "2"), 0);
        assert_int_equal(row_store_set(s, "x", NULL), 0);
        assert_null(row_store_get(s, "x"));
        assert_int_equal(row_store_flush(s), 0);

        s = row_store_free(s);
        assert_int_equal(row_store_open(&s, fd, "credentials"), 0);
        assert_null(row_store_get(s, "Services.StorageService.1.UserAccount.1"));
        assert_string_equal(row_store_get(s, "y"), "2");
        assert_null(row_store_get(s, "x"));
        assert_int_equal(unlinkat(fd, "credentials", 0), 0);
        assert_int_equal(rmdir(directory), 0);
}

static void test_certificate(void **state) {
        _cleanup_free_ char *pem = NULL, *other = NULL, *mixed = NULL;

        assert_int_equal(certificate_make("nas", &pem), 0);
        assert_true(certificate_is_usable(pem));
        assert_int_equal(certificate_make("nas", &other), 0);
        assert_string_not_equal(pem, other);
        /* The key of one and the certificate of another. */
        *strstr(pem, "-----BEGIN CERT") = 0;
        assert_false(certificate_is_usable(pem));
        mixed = strfmt("%s%s", pem, strstr(other, "-----BEGIN CERT"));
        assert_non_null(mixed);
        assert_false(certificate_is_usable(mixed));
        assert_int_equal(certificate_make("a b", &mixed), -EINVAL);
        assert_false(certificate_is_usable(""));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_certificate),
                cmocka_unit_test(test_hashes),
                cmocka_unit_test(test_hash_of_unicode),
                cmocka_unit_test(test_damaged_credentials_are_refused),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_store),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
