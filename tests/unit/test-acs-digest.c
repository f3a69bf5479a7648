/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/str.h"
#include "common/http/digest.h"
#include "operator/acs/nonce.h"

/* The example of RFC 2617 section 3.5. */
#define EXAMPLE                                                                                              \
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", " \
        "uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", "                              \
        "response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""

static bool example_is_valid(const DigestFields *a, const char *method, const char *password) {
        char ha1[DIGEST_HASH_SIZE];

        assert_int_equal(digest_ha1("Mufasa", "testrealm@host.com", password, ha1), 0);
        return digest_verify(a, method, ha1);
}

static void the_example_of_the_standard_is_valid(void **state) {
        _cleanup_digest_fields_ DigestFields a = {};
        char ha1[DIGEST_HASH_SIZE];

        assert_int_equal(digest_ha1("Mufasa", "testrealm@host.com", "Circle Of Life", ha1), 0);
        assert_string_equal(ha1, "939e7578ed9e3c518a452acee763bce9");
        assert_int_equal(digest_parse(EXAMPLE, &a), 0);
        assert_true(digest_authorization_is_usable(&a));
        assert_true(example_is_valid(&a, "GET", "Circle Of Life"));
        assert_false(example_is_valid(&a, "POST", "Circle Of Life"));
        assert_false(example_is_valid(&a, "GET", "Circle of Life"));
}

static void every_field_counts(void **state) {
        _cleanup_digest_fields_ DigestFields good = {};

        assert_int_equal(digest_parse(EXAMPLE, &good), 0);
        DigestFields wrong[] = { good, good, good, good, good, good, good, good, good };
        wrong[0].nonce = "ecd98b7102dd2f0e8b11d0f600bfb0c093";
        wrong[1].nc = "00000002";
        wrong[2].cnonce = "1a4f113b";
        wrong[3].uri = "/dir/index.htm";
        wrong[4].qop = "AUTH";
        wrong[5].response = "6629fae49393a05397450978507c4ef0";
        wrong[6].response = "6629fae49393a05397450978507c4ef10";
        wrong[7].response = "6629fae49393a05397450978507c4e";
        wrong[8].response = "";
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_false(example_is_valid(&wrong[i], "GET", "Circle Of Life"));
}

static bool is_usable(const char *header) {
        _cleanup_digest_fields_ DigestFields a = {};

        return digest_parse(header, &a) >= 0 && digest_authorization_is_usable(&a);
}

static void what_is_no_answer_to_our_challenge_is_refused(void **state) {
        static const char *const bad[] = {
                "",
                "Basic dXNlcjpwYXNz",
                "Digest",
                "Digest ",
                "Digest username",
                "Digest username=",
                "Digest username=\"open",
                "Digest username=\"a\", nonce=\"b\", uri=\"/\", response=\"c\"",
                "Digest username=\"a\",realm=\"r\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\","
                "nc=00000001,qop=auth-int",
                "Digest username=\"a\",realm=\"r\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\","
                "nc=1,qop=auth",
                "Digest username=\"\",realm=\"r\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\","
                "nc=00000001,qop=auth",
                "Digest username=\"a\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\","
                "nc=00000001,qop=auth",
                "Digest username=\"a\",realm=\"r\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\","
                "nc=00000001,qop=auth,"
                "algorithm=SHA-256",
                "Digest username=\"a\",realm=\"r\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\","
                "nc=00000001,qop=auth,"
                "username=\"b\"",
                "Digest =,=",
                "Digest \"\"=\"\"",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(is_usable(bad[i]));
        assert_true(is_usable("digest username=\"a\" , realm=r,nonce=n,uri=\"/\",response=r,cnonce=c,NC=00000001,"
                              "qop=\"auth\",algorithm=md5"));
}

static void what_is_too_long_is_refused(void **state) {
        static const char rest[] =
                        "\",realm=\"r\",nonce=\"b\",uri=\"/\",response=\"c\",cnonce=\"d\",nc=00000001,qop=auth";
        char header[DIGEST_HEADER_MAX + 2], username[DIGEST_VALUE_MAX + 2] = "";

        memset(username, 'x', DIGEST_VALUE_MAX);
        (void) snprintf(header, sizeof(header), "Digest username=\"%s%s", username, rest);
        assert_true(is_usable(header));
        (void) snprintf(header, sizeof(header), "Digest username=\"%sx%s", username, rest);
        assert_false(is_usable(header));

        DigestFields a;
        memset(header, ' ', sizeof(header) - 1);
        memcpy(header, "Digest ", strlen("Digest "));
        header[sizeof(header) - 1] = 0;
        assert_int_equal(digest_parse(header, &a), -E2BIG);
}

static void quotes_may_be_escaped(void **state) {
        _cleanup_digest_fields_ DigestFields a = {};

        assert_int_equal(digest_parse("Digest username=\"a\\\"b\\\\c\"", &a), 0);
        assert_string_equal(a.username, "a\"b\\c");
}

static int setup(void **state) {
        NonceTable *t;

        if (nonce_table_new(&t, 100) < 0)
                return -1;
        *state = t;
        return 0;
}

static int teardown(void **state) {
        *state = nonce_table_free(*state);
        return 0;
}

static void a_counter_that_does_not_rise_is_a_replay(void **state) {
        NonceTable *t = *state;
        char nonce[NONCE_SIZE], other[NONCE_SIZE];

        assert_int_equal(nonce_new(t, 1000, nonce), 0);
        assert_int_equal(nonce_new(t, 1000, other), 0);
        assert_string_not_equal(nonce, other);
        assert_true(nonce_use(t, 1000, nonce, "00000001"));
        assert_false(nonce_use(t, 1000, nonce, "00000001"));
        assert_true(nonce_use(t, 1000, nonce, "0000000a"));
        assert_false(nonce_use(t, 1000, nonce, "00000009"));
        assert_true(nonce_use(t, 1000, other, "00000001"));
        assert_true(nonce_use(t, 1000, nonce, "ffffffff"));
        assert_false(nonce_use(t, 1000, nonce, "ffffffff"));
}

static void a_nonce_lives_as_long_as_it_should(void **state) {
        NonceTable *t = *state;
        char nonce[NONCE_SIZE];

        assert_int_equal(nonce_new(t, 1000, nonce), 0);
        assert_true(nonce_use(t, 1100, nonce, "00000001"));
        assert_false(nonce_use(t, 1101, nonce, "00000002"));
}

static void foreign_nonces_are_refused(void **state) {
        NonceTable *t = *state;
        _cleanup_(nonce_table_freep) NonceTable *other = NULL;
        char nonce[NONCE_SIZE];

        assert_int_equal(nonce_table_new(&other, 100), 0);
        assert_int_equal(nonce_new(other, 1000, nonce), 0);
        assert_false(nonce_use(t, 1000, nonce, "00000001"));
        assert_true(nonce_use(other, 1000, nonce, "00000001"));
        assert_false(nonce_use(t, 1000, "", "00000001"));
        assert_false(nonce_use(t, 1000, "zz", "00000001"));
        assert_int_equal(nonce_new(t, 1000, nonce), 0);
        assert_false(nonce_use(t, 1000, nonce, "00000000"));
        assert_false(nonce_use(t, 1000, nonce, "0000000g"));
        nonce[0] = nonce[0] == '0' ? '1' : '0';
        assert_false(nonce_use(t, 1000, nonce, "00000001"));
}

static void a_forgotten_nonce_is_not_good_again(void **state) {
        NonceTable *t = *state;
        char first[NONCE_SIZE], nonce[NONCE_SIZE];

        assert_int_equal(nonce_new(t, 1000, first), 0);
        assert_true(nonce_use(t, 1000, first, "00000001"));
        for (unsigned i = 0; i < NONCES_MAX; i++) {
                assert_int_equal(nonce_new(t, 1001, nonce), 0);
                assert_true(nonce_use(t, 1001, nonce, "00000001"));
        }
        assert_false(nonce_use(t, 1001, first, "00000001"));
        assert_false(nonce_use(t, 1001, first, "00000002"));
        assert_true(nonce_use(t, 1001, nonce, "00000002"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_example_of_the_standard_is_valid),
                cmocka_unit_test(every_field_counts),
                cmocka_unit_test(what_is_no_answer_to_our_challenge_is_refused),
                cmocka_unit_test(what_is_too_long_is_refused),
                cmocka_unit_test(quotes_may_be_escaped),
                cmocka_unit_test_setup_teardown(a_counter_that_does_not_rise_is_a_replay, setup, teardown),
                cmocka_unit_test_setup_teardown(a_nonce_lives_as_long_as_it_should, setup, teardown),
                cmocka_unit_test_setup_teardown(foreign_nonces_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_forgotten_nonce_is_not_good_again, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
