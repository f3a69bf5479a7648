/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What resumes a TLS session, on its way from one session worker to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/ticket-keeper.h"
#include "agent/session-worker/tls-ticket.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/str.h"

#define DAY (24L * 60L * 60L)

typedef struct Server {
        EVP_PKEY *key;
        X509 *certificate;
        SSL_CTX *context;
} Server;

static TlsTicket received;
static unsigned char received_key[TLS_TICKET_KEY_SIZE];

static void server_init(Server *s, int version, long lifetime, const char *comment) {
        s->key = EVP_EC_gen("P-256");
        s->certificate = X509_new();
        assert_non_null(X509_gmtime_adj(X509_getm_notBefore(s->certificate), -2 * DAY));
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(s->certificate), lifetime));
        assert_int_equal(X509_set_pubkey(s->certificate, s->key), 1);
        if (comment) {
                X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, comment);
                assert_int_equal(X509_add_ext(s->certificate, e, -1), 1);
                X509_EXTENSION_free(e);
        }
        assert_true(X509_sign(s->certificate, s->key, EVP_sha256()) > 0);

        s->context = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_set_max_proto_version(s->context, version), 1);
        assert_int_equal(SSL_CTX_use_certificate(s->context, s->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(s->context, s->key), 1);
}

static void server_done(Server *s) {
        SSL_CTX_free(s->context);
        X509_free(s->certificate);
        EVP_PKEY_free(s->key);
}

static int result;

static int on_session(SSL *ssl, SSL_SESSION *session) {
        TlsTicket t = {};

        result = tls_ticket_pack(session, received_key, &t);
        if (result >= 0) {
                tls_ticket_done(&received);
                received = t;
        }
        return 0;
}

/* A handshake and one byte from the server, as its tickets come before that. True if it resumed. */
static bool handshake(const Server *s, SSL_SESSION *session) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *client, *server;
        BIO *a, *b;
        char byte;

        (void) SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_session);
        client = SSL_new(context);
        server = SSL_new(s->context);
        assert_int_equal(BIO_new_bio_pair(&a, 65536, &b, 65536), 1);
        SSL_set_bio(client, a, a);
        SSL_set_bio(server, b, b);
        SSL_set_connect_state(client);
        SSL_set_accept_state(server);
        if (session)
                assert_int_equal(SSL_set_session(client, session), 1);
        for (int i = 0; i < 4; i++) {
                (void) SSL_do_handshake(client);
                (void) SSL_do_handshake(server);
        }
        assert_int_equal(SSL_write(server, "x", 1), 1);
        assert_int_equal(SSL_read(client, &byte, 1), 1);

        bool resumed = SSL_session_reused(client);
        (void) SSL_shutdown(client);
        SSL_free(client);
        SSL_free(server);
        SSL_CTX_free(context);
        return resumed;
}

static void forget(void) {
        tls_ticket_done(&received);
        result = 0;
}

static void resumes(int version) {
        Server s;

        server_init(&s, version, DAY, NULL);
        memset(received_key, 7, sizeof(received_key));
        assert_false(handshake(&s, NULL));
        assert_true(received.size > TLS_TICKET_KEY_SIZE && received.size <= TLS_TICKET_MAX);

        SSL_SESSION *session = tls_ticket_unpack(&received, received_key);
        assert_non_null(session);
        assert_true(handshake(&s, session));
        SSL_SESSION_free(session);
        server_done(&s);
        forget();
}

static void a_session_resumes_from_its_ticket(void **state) {
        resumes(TLS1_2_VERSION);
        resumes(TLS1_3_VERSION);
}

static void only_with_its_key_and_whole(void **state) {
        unsigned char other[TLS_TICKET_KEY_SIZE] = { 1 };
        Server s;

        server_init(&s, TLS1_3_VERSION, DAY, NULL);
        assert_false(handshake(&s, NULL));
        assert_null(tls_ticket_unpack(&received, other));
        assert_null(tls_ticket_unpack(&(TlsTicket) {}, received_key));

        for (size_t n = 1; n < received.size; n++)
                assert_null(tls_ticket_unpack(&(TlsTicket) { received.data, n }, received_key));
        TlsTicket longer = { malloc(received.size + 1), received.size + 1 };
        memcpy(longer.data, received.data, received.size);
        ((char *) longer.data)[received.size] = 0;
        assert_null(tls_ticket_unpack(&longer, received_key));
        tls_ticket_done(&longer);
        server_done(&s);
        forget();
}

/* Whatever a damaged ticket still says, it leads to a session: resumed or not. */
static void a_damaged_ticket_harms_nothing(void **state) {
        Server s;

        server_init(&s, TLS1_3_VERSION, DAY, NULL);
        assert_false(handshake(&s, NULL));
        TlsTicket damaged = { malloc(received.size), received.size };
        for (size_t i = TLS_TICKET_KEY_SIZE; i < damaged.size; i++) {
                memcpy(damaged.data, received.data, damaged.size);
                ((unsigned char *) damaged.data)[i] ^= 0x81;
                SSL_SESSION_free(tls_ticket_unpack(&damaged, received_key));
        }
        tls_ticket_done(&damaged);
        server_done(&s);
        forget();
}

static void not_after_the_certificate_has_expired(void **state) {
        Server s;

        server_init(&s, TLS1_3_VERSION, -DAY, NULL);
        assert_false(handshake(&s, NULL));
        assert_true(received.size > 0);
        assert_null(tls_ticket_unpack(&received, received_key));
        server_done(&s);
        forget();
}

static void what_is_too_large_is_not_kept(void **state) {
        _cleanup_free_ char *comment = malloc(TLS_TICKET_MAX + 1);
        Server s;

        memset(comment, 'x', TLS_TICKET_MAX);
        comment[TLS_TICKET_MAX] = 0;
        server_init(&s, TLS1_3_VERSION, DAY, comment);
        assert_false(handshake(&s, NULL));
        assert_int_equal(result, -EFBIG);
        assert_null(received.data);
        server_done(&s);
        forget();
}

static void nothing_resumes_a_session_without_a_ticket(void **state) {
        SSL_SESSION *session = SSL_SESSION_new();
        TlsTicket t = {};

        assert_int_equal(tls_ticket_pack(session, received_key, &t), -EINVAL);
        assert_null(t.data);
        SSL_SESSION_free(session);
}

static void the_key_is_all_that_was_verified_with(void **state) {
        static const struct {
                const char *url, *trusted, *client;
                bool clock;
        } all[] = {
                { "https://acs/", "ca", NULL, true },    { "https://acs/2", "ca", NULL, true },
                { "https://acs/", "other", NULL, true }, { "https://acs/", "ca", NULL, false },
                { "https://acs/", "ca", "ca", true },    { "https://acs/", "ca", "other", true },
        };
        unsigned char keys[ELEMENTSOF(all)][TLS_TICKET_KEY_SIZE], again[TLS_TICKET_KEY_SIZE];
        char directory[] = "/tmp/test-agent-tls-ticket.XXXXXX";

        assert_non_null(mkdtemp(directory));
        assert_int_equal(chdir(directory), 0);
        assert_int_equal(write_file_atomic(AT_FDCWD, "ca", "1", 1, 0600), 0);
        assert_int_equal(write_file_atomic(AT_FDCWD, "other", "2", 1, 0600), 0);
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                assert_int_equal(tls_ticket_key(all[i].url, all[i].trusted, all[i].client, all[i].clock, keys[i]), 0);
                for (size_t j = 0; j < i; j++)
                        assert_memory_not_equal(keys[i], keys[j], TLS_TICKET_KEY_SIZE);
        }
        assert_int_equal(tls_ticket_key("https://acs/", "ca", NULL, true, again), 0);
        assert_memory_equal(again, keys[0], TLS_TICKET_KEY_SIZE);
        /* The same file with another authority in it. */
        assert_int_equal(write_file_atomic(AT_FDCWD, "ca", "3", 1, 0600), 0);
        assert_int_equal(tls_ticket_key("https://acs/", "ca", NULL, true, again), 0);
        assert_memory_not_equal(again, keys[0], TLS_TICKET_KEY_SIZE);
        assert_int_equal(tls_ticket_key("https://acs/", "absent", NULL, true, again), -ENOENT);
        assert_int_equal(truncate("ca", TLS_TRUST_FILE_MAX + 1), 0);
        assert_int_equal(tls_ticket_key("https://acs/", "ca", NULL, true, again), -EFBIG);

        assert_int_equal(unlink("ca") | unlink("other") | chdir("/") | rmdir(directory), 0);
}

/* Each session brings a ticket for the next one, and none of them makes the last handshake in full younger. */
static void a_handshake_in_full_is_a_day_old_at_most(void **state) {
        const uint64_t begin = 1000, hour = TICKET_RESUMED_MAX_USEC / 24;
        TicketKeeper k = {};

        for (unsigned i = 0; i < 60; i++) {
                TlsTicket used = ticket_keeper_take(&k, begin + i * hour), next = { strdup("ticket"), 6 };

                assert_int_equal(used.data != NULL, i % 24 != 0);
                tls_ticket_done(&used);
                /* It is for once. */
                assert_null(k.ticket.data);
                ticket_keeper_put(&k, &next);
                assert_null(next.data);
        }
        tls_ticket_done(&k.ticket);
}

static void the_day_ends_with_its_last_moment(void **state) {
        static const struct {
                uint64_t now;
                bool resumes;
        } table[] = {
                { 5, true },
                { 5 + TICKET_RESUMED_MAX_USEC - 1, true },
                { 5 + TICKET_RESUMED_MAX_USEC, false },
                /* A clock that does not tell, or went back. */
                { 0, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                TicketKeeper k = { .ticket = { strdup("ticket"), 6 }, .verified_usec = 5 };
                TlsTicket none = {}, used;

                /* A session that brings none leaves what is there. */
                ticket_keeper_put(&k, &none);
                used = ticket_keeper_take(&k, table[i].now);
                assert_int_equal(used.data != NULL, table[i].resumes);
                assert_int_equal(k.verified_usec, table[i].resumes ? 5 : table[i].now);
                tls_ticket_done(&used);
        }
}

static int pass_on(size_t size, Frame *ret) {
        int fds[2];
        Frame f = { .type = FRAME_OPEN, .ticket = { malloc(size + 1), size } };

        memset(f.ticket.data, 0, size + 1);
        if (size > 1)
                ((char *) f.ticket.data)[size - 1] = 'x';
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(channel_send(fds[0], &f), 0);
        int r = channel_receive(fds[1], ret);
        if (r > 0)
                assert_true(ret->ticket.size == size &&
                            (size == 0 || memcmp(ret->ticket.data, f.ticket.data, size) == 0));
        close(fds[0]);
        close(fds[1]);
        frame_done(&f);
        return r;
}

static void it_goes_through_the_channel(void **state) {
        static const size_t sizes[] = { 0, 1, 1000, TLS_TICKET_MAX };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_frame_ Frame f = {};
                assert_int_equal(pass_on(sizes[i], &f), 1);
        }
        Frame f = {};
        assert_int_equal(pass_on(TLS_TICKET_MAX + 1, &f), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_session_resumes_from_its_ticket),
                cmocka_unit_test(only_with_its_key_and_whole),
                cmocka_unit_test(a_damaged_ticket_harms_nothing),
                cmocka_unit_test(not_after_the_certificate_has_expired),
                cmocka_unit_test(what_is_too_large_is_not_kept),
                cmocka_unit_test(nothing_resumes_a_session_without_a_ticket),
                cmocka_unit_test(the_key_is_all_that_was_verified_with),
                cmocka_unit_test(a_handshake_in_full_is_a_day_old_at_most),
                cmocka_unit_test(the_day_ends_with_its_last_moment),
                cmocka_unit_test(it_goes_through_the_channel),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
