/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What strangers can reach: digest authentication, the GET parser, the rules of connection requests; and garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "agent/core/connection-request.h"
#include "common/base/str.h"
#include "common/http/digest.h"

/* The example of RFC 2617 section 3.5. */
static void digest_is_that_of_rfc_2617(void **state) {
        _cleanup_digest_fields_ DigestFields challenge = {};

        assert_int_equal(digest_parse("Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
                                      "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
                                      "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"", &challenge), 0);
        assert_true(digest_challenge_is_usable(&challenge));
        _cleanup_free_ char *a = digest_authorize(&challenge, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", 1,
                                                  "0a4f113b");
        assert_non_null(strstr(a, "response=\"6629fae49393a05397450978507c4ef1\""));
        assert_non_null(strstr(a, "nc=00000001"));

        _cleanup_digest_fields_ DigestFields answer = {};
        assert_int_equal(digest_parse(a, &answer), 0);
        assert_true(digest_authorization_is_usable(&answer));
        char ha1[DIGEST_HASH_SIZE];
        assert_int_equal(digest_ha1("Mufasa", "testrealm@host.com", "Circle Of Life", ha1), 0);
        assert_true(digest_verify(&answer, "GET", ha1));
}

/* What was computed by hand, with md5sum. */
static void other_forms_of_challenges_are_answered(void **state) {
        static const struct {
                const char *challenge, *answer;
        } rows[] = {
                { "Digest realm=\"r\",nonce=\"n\",qop=\"auth\",algorithm=MD5-sess",
                  "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"/x\","
                  "response=\"653c80a9aef131a45f9ce70b3bdd5f5e\",qop=auth,nc=00000002,"
                  "cnonce=\"c\",algorithm=MD5-sess" },
                { "Digest realm=\"r\",nonce=\"n\"", /* as RFC 2069 has it */
                  "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"/x\","
                  "response=\"c155f87b326ac884071d34256c20a29e\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_digest_fields_ DigestFields c = {};
                assert_int_equal(digest_parse(rows[i].challenge, &c), 0);
                assert_true(digest_challenge_is_usable(&c));
                _cleanup_free_ char *a = digest_authorize(&c, "u", "p", "POST", "/x", 2, "c");
                assert_string_equal(a, rows[i].answer);
        }

        _cleanup_digest_fields_ DigestFields newer = {}, integrity = {};
        assert_int_equal(digest_parse("Digest realm=\"r\",nonce=\"n\",qop=\"auth\",algorithm=SHA-256", &newer), 0);
        assert_false(digest_challenge_is_usable(&newer));
        assert_int_equal(digest_parse("Digest realm=\"r\",nonce=\"n\",qop=\"auth-int\"", &integrity), 0);
        assert_false(digest_challenge_is_usable(&integrity));
}

static void malformed_digest_headers_are_refused(void **state) {
        static const char *const wrong[] = {
                "", "Digest", "Basic abc", "Digest realm", "Digest realm=", "Digest realm=\"open", "Digest =x",
                "Digest realm=\"a\\", "Digest realm=a, realm=b",
        };
        DigestFields f;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(digest_parse(wrong[i], &f), -EINVAL);
}

static HttpGetResult parse(const char *text, HttpGet *ret, char buffer[static HTTP_GET_REQUEST_MAX + 1]) {
        size_t n = strlen(text);
        memcpy(buffer, text, n);
        return http_get_parse(buffer, n, ret);
}

static void only_a_whole_get_is_understood(void **state) {
        char b[HTTP_GET_REQUEST_MAX + 1];
        HttpGet get;

        assert_int_equal(
                        parse("GET /a?b HTTP/1.1\r\nHost: x\r\nauthorization:  y z\r\n\r\n", &get, b),
                        HTTP_GET_COMPLETE);
        assert_string_equal(get.path, "/a");
        assert_string_equal(get.authorization, "y z");
        assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &get, b), HTTP_GET_COMPLETE);
        assert_null(get.authorization);
        assert_int_equal(parse("GE", &get, b), HTTP_GET_INCOMPLETE);
        assert_int_equal(parse("GET / HTTP/1.1\r\nHost", &get, b), HTTP_GET_INCOMPLETE);
        assert_int_equal(parse("POST / HTTP/1.1\r\n", &get, b), HTTP_GET_BAD_METHOD);
        assert_int_equal(parse("GET a HTTP/1.1\r\n\r\n", &get, b), HTTP_GET_BAD_REQUEST);
        assert_int_equal(parse("GET /\r\n\r\n", &get, b), HTTP_GET_BAD_REQUEST);
        assert_int_equal(parse("GET / HTTP/1.1\r\nno colon\r\n\r\n", &get, b), HTTP_GET_BAD_REQUEST);
        assert_int_equal(parse("GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", &get, b),
                         HTTP_GET_BAD_REQUEST);
        assert_int_equal(parse("GET /\x01 HTTP/1.1\r\n\r\n", &get, b), HTTP_GET_BAD_REQUEST);
}

static void a_full_buffer_is_never_incomplete(void **state) {
        char b[HTTP_GET_REQUEST_MAX + 1];
        HttpGet get;

        memset(b, 'a', sizeof(b));
        memcpy(b, "GET /", 5);
        assert_int_equal(http_get_parse(b, HTTP_GET_REQUEST_MAX, &get), HTTP_GET_BAD_REQUEST);
}

/* A request that answers the challenge in response with these credentials and count; realm may be NULL for that of the
 * challenge. */
static bool ask_as(ConnectionRequests *c, const char *challenge, const char *realm, const char *username,
                   const char *password, unsigned nc, uint64_t now, char *response) {
        _cleanup_digest_fields_ DigestFields f = {};
        char header[DIGEST_HEADER_MAX];
        const char *start = strstr(challenge, "Digest ");

        (void) snprintf(header, sizeof(header), "%.*s", (int) strcspn(start, "\r"), start);
        assert_int_equal(digest_parse(header, &f), 0);
        if (realm)
                f.realm = realm;
        _cleanup_free_ char *authorization = digest_authorize(&f, username, password, "GET", "/path", nc, "c");
        const HttpGet get = { .path = (char *) "/path", .authorization = authorization };
        return connection_requests_decide(c, &get, now, "n2", response);
}

static bool ask(ConnectionRequests *c, const char *challenge, unsigned nc, uint64_t now, char *response) {
        return ask_as(c, challenge, NULL, "acs", "please", nc, now, response);
}

static void only_the_acs_opens_sessions_and_not_too_many(void **state) {
        _cleanup_(connection_requests_freep) ConnectionRequests *c = NULL;
        char challenge[CONNECTION_REQUEST_RESPONSE_MAX], response[CONNECTION_REQUEST_RESPONSE_MAX];
        const HttpGet stranger = { .path = (char *) "/path" }, elsewhere = { .path = (char *) "/other" };
        uint64_t now = 1000;

        assert_int_equal(connection_requests_new(&c, "/path"), 0);
        assert_false(connection_requests_decide(c, &elsewhere, now, "n", response));
        assert_non_null(startswith(response, "HTTP/1.1 404"));
        assert_false(connection_requests_decide(c, &stranger, now, "n1", challenge));
        assert_non_null(startswith(challenge, "HTTP/1.1 401"));

        /* Without credentials nobody gets in. */
        assert_false(ask(c, challenge, 1, now, response));
        assert_int_equal(connection_requests_set_credentials(c, "acs", "please"), 0);
        assert_false(ask_as(c, challenge, NULL, "acs", "pleas", 1, now, response));
        assert_false(ask_as(c, challenge, NULL, "ACS", "please", 1, now, response));
        assert_false(ask_as(c, challenge, "elsewhere", "acs", "please", 1, now, response));
        assert_true(ask(c, challenge, 1, now, response));
        assert_non_null(startswith(response, "HTTP/1.1 200"));
        /* The same again is a replay. */
        assert_false(ask(c, challenge, 1, now, response));
        assert_non_null(startswith(response, "HTTP/1.1 401"));

        for (unsigned i = 1; i < CONNECTION_REQUESTS_MAX; i++)
                assert_true(ask(c, challenge, 1 + i, now, response));
        assert_false(ask(c, challenge, 1 + CONNECTION_REQUESTS_MAX, now, response));
        assert_non_null(startswith(response, "HTTP/1.1 503"));

        /* A nonce ages. */
        now += CONNECTION_REQUEST_NONCE_LIFETIME_USEC;
        assert_false(ask(c, challenge, 2 + CONNECTION_REQUESTS_MAX, now, response));
        assert_false(connection_requests_decide(c, &stranger, now, "n3", challenge));
        assert_true(ask(c, challenge, 1, now, response));
}

/* Mutations of a good request: every result is one of the enumeration, and the sanitizers see the rest. */
static void garbage_is_survived(void **state) {
        static const char good[] =
                        "GET /path?x HTTP/1.1\r\nHost: a\r\nAuthorization: Digest realm=\"r\", nonce=\"n\", "
                        "nc=00000001, "
                        "uri=\"/path\", username=\"acs\", response=\"0\", cnonce=\"c\", qop=auth\r\n\r\n";
        _cleanup_(connection_requests_freep) ConnectionRequests *c = NULL;
        char buffer[sizeof(good) + 1], response[CONNECTION_REQUEST_RESPONSE_MAX];
        uint32_t random = 1;

        assert_int_equal(connection_requests_new(&c, "/path"), 0);
        assert_int_equal(connection_requests_set_credentials(c, "acs", "please"), 0);
        for (unsigned i = 0; i < 200000; i++) {
                size_t size = sizeof(good) - 1;
                HttpGet get;

                memcpy(buffer, good, sizeof(good));
                for (unsigned k = 0; k < 1 + i % 4; k++) {
                        random = random * 1664525 + 1013904223;
                        buffer[(random >> 8) % size] = (char) (random >> 24);
                }
                if (i % 3 == 0)
                        size = (random >> 4) % size;
                HttpGetResult r = http_get_parse(buffer, size, &get);
                assert_in_range(r, HTTP_GET_COMPLETE, HTTP_GET_BAD_METHOD);
                if (r == HTTP_GET_COMPLETE)
                        assert_false(connection_requests_decide(c, &get, i, "nonce", response));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(digest_is_that_of_rfc_2617),
                cmocka_unit_test(other_forms_of_challenges_are_answered),
                cmocka_unit_test(malformed_digest_headers_are_refused),
                cmocka_unit_test(only_a_whole_get_is_understood),
                cmocka_unit_test(a_full_buffer_is_never_incomplete),
                cmocka_unit_test(only_the_acs_opens_sessions_and_not_too_many),
                cmocka_unit_test(garbage_is_survived),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
