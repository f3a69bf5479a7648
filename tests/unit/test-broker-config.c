/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/str.h"
#include "operator/common/broker-config.h"

typedef struct Fixture {
        char directory[sizeof("/tmp/test-broker-config-XXXXXX")];
        BrokerConfig config;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->directory, "/tmp/test-broker-config-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
        f->config = (BrokerConfig) BROKER_CONFIG_INIT;
        *state = f;
        return 0;
}

static int teardown(void **state) {
        static const char *const names[] = { "broker-password", "file" };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = strfmt("%s/%s", f->directory, names[i]);

                (void) unlink(path);
        }
        assert_int_equal(rmdir(f->directory), 0);
        broker_config_done(&f->config);
        free(f);
        return 0;
}

/* *ret is the caller's. */
static char *make_file(Fixture *f, const char *name, const char *text) {
        char *path = strfmt("%s/%s", f->directory, name);

        assert_non_null(path);
        assert_int_equal(write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600), 0);
        return path;
}

static void nothing_is_a_broker_on_this_host(void **state) {
        Fixture *f = *state;
        MqttSettings s;

        assert_int_equal(broker_config_finish(&f->config, "me"), 0);
        s = broker_config_settings(&f->config, "id");
        assert_string_equal(s.client_id, "id");
        assert_string_equal(s.host, "127.0.0.1");
        assert_int_equal(s.port, 1883);
        assert_null(s.username);
        assert_null(s.password);
        assert_null(s.ca_file);
}

static void the_password_is_the_first_line_of_its_file(void **state) {
        Fixture *f = *state;
        MqttSettings s;

        f->config.password_file = make_file(f, "file", "secret\r\nmore\n");
        assert_int_equal(broker_config_finish(&f->config, "me"), 0);
        s = broker_config_settings(&f->config, "id");
        assert_string_equal(s.username, "me");
        assert_string_equal(s.password, "secret");
}

static void the_credential_is_taken_if_no_file_is_named(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *credential = make_file(f, "broker-password", "handed over\n");

        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", f->directory, 1), 0);
        f->config.password_file = strdup("");
        assert_int_equal(broker_config_finish(&f->config, "me"), 0);
        assert_string_equal(f->config.password, "handed over");
        broker_config_done(&f->config);
        f->config.password_file = make_file(f, "file", "named");
        assert_int_equal(broker_config_finish(&f->config, "me"), 0);
        assert_string_equal(f->config.password, "named");
}

static void what_cannot_be_read_is_an_error(void **state) {
        Fixture *f = *state;

        assert_int_equal(setenv("CREDENTIALS_DIRECTORY", f->directory, 1), 0);
        assert_int_equal(broker_config_finish(&f->config, "me"), -ENOENT);
        assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
        broker_config_done(&f->config);
        f->config.ca_file = strfmt("%s/none", f->directory);
        assert_int_equal(broker_config_finish(&f->config, "me"), -ENOENT);
}

static void a_port_is_one(void **state) {
        static const uint32_t bad[] = { 0, 65536, UINT32_MAX };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                f->config.port = bad[i];
                assert_int_equal(broker_config_finish(&f->config, "me"), -EINVAL);
        }
        f->config.port = 65535;
        assert_int_equal(broker_config_finish(&f->config, "me"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(nothing_is_a_broker_on_this_host),
                TEST(the_password_is_the_first_line_of_its_file),
                TEST(the_credential_is_taken_if_no_file_is_named),
                TEST(what_cannot_be_read_is_an_error),
                TEST(a_port_is_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
