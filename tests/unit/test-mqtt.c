/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MQTT client against a real mosquitto on a private port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "common/base/str.h"
#include "operator/common/mqtt-client.h"

#define BROKER "/usr/sbin/mosquitto"
/* No test waits longer; a healthy one needs milliseconds. */
#define PATIENCE_USEC (20 * 1000000ULL)

static const char *const filters[] = { "test/+", NULL };

typedef struct Fixture {
        sd_event *event;
        uint16_t port;
        pid_t broker;
        MqttSettings settings;
        unsigned n_connected, n_drained, n_received, n_fail;
        char last[64];
} Fixture;

static uint16_t free_port(void) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(a);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &a, size), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &a, &size), 0);
        return ntohs(a.sin_port);
}

static void start_broker(Fixture *f) {
        char port[8];
        char *argv[] = { (char *) BROKER, (char *) "-p", port, NULL };
        char *env[] = { NULL };
        posix_spawn_file_actions_t actions;

        (void) snprintf(port, sizeof(port), "%u", (unsigned) f->port);
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0), 0);
        assert_int_equal(posix_spawn(&f->broker, BROKER, &actions, NULL, argv, env), 0);
        (void) posix_spawn_file_actions_destroy(&actions);
}

static void stop_broker(Fixture *f) {
        if (f->broker <= 0)
                return;
        (void) kill(f->broker, SIGKILL);
        (void) waitpid(f->broker, NULL, 0);
        f->broker = 0;
}

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        assert_int_equal(sd_event_new(&f->event), 0);
        f->port = free_port();
        f->settings = (MqttSettings) { .client_id = "test", .host = "127.0.0.1", .port = f->port };
        log_set_max_level(LOG_ERR);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        stop_broker(f);
        (void) sd_event_unref(f->event);
        free(f);
        return 0;
}

static void on_connected(MqttClient *c, void *userdata) {
        ((Fixture *) userdata)->n_connected++;
}

static void on_drained(MqttClient *c, void *userdata) {
        ((Fixture *) userdata)->n_drained++;
}

static int on_message(MqttClient *c, const char *topic, const char *payload, size_t size, void *userdata) {
        Fixture *f = userdata;

        if (f->n_fail > 0) {
                f->n_fail--;
                return -ENOSPC;
        }
        f->n_received++;
        assert_true(size < sizeof(f->last));
        memcpy(f->last, payload, size);
        f->last[size] = 0;
        return 0;
}

static const MqttHandlers handlers = { .connected = on_connected, .message = on_message, .drained = on_drained };

/* Runs the loop until *counter reaches n. */
static void await(Fixture *f, const unsigned *counter, unsigned n) {
        while (*counter < n)
                assert_true(sd_event_run(f->event, PATIENCE_USEC) > 0);
}

static void connect_client(Fixture *f, MqttClient **ret) {
        assert_int_equal(mqtt_client_new(ret, f->event, &f->settings, filters, &handlers, f), 0);
        await(f, &f->n_connected, f->n_connected + 1);
}

static void messages_arrive_and_are_acknowledged(void **state) {
        Fixture *f = *state;
        _cleanup_(mqtt_client_freep) MqttClient *c = NULL;

        start_broker(f);
        connect_client(f, &c);
        assert_true(mqtt_client_is_connected(c));
        assert_int_equal(mqtt_client_publish(c, "test/a", "hello", 5), 0);
        await(f, &f->n_received, 1);
        await(f, &f->n_drained, 1);
        assert_string_equal(f->last, "hello");
}

static void a_message_that_could_not_be_stored_is_delivered_again(void **state) {
        Fixture *f = *state;
        _cleanup_(mqtt_client_freep) MqttClient *c = NULL;

        start_broker(f);
        connect_client(f, &c);
        f->n_fail = 1;
        assert_int_equal(mqtt_client_publish(c, "test/a", "precious", 8), 0);
        await(f, &f->n_received, 1);
        assert_string_equal(f->last, "precious");
        assert_int_equal(f->n_connected, 2);
}

static void what_arrives_while_the_client_is_away_is_kept(void **state) {
        Fixture *f = *state;
        MqttClient *c = NULL;
        Fixture sender = { .event = f->event };
        _cleanup_(mqtt_client_freep) MqttClient *s = NULL;
        MqttSettings settings = f->settings;
        static const char *const none[] = { NULL };

        start_broker(f);
        connect_client(f, &c);
        c = mqtt_client_free(c);
        settings.client_id = "sender";
        assert_int_equal(mqtt_client_new(&s, f->event, &settings, none, &handlers, &sender), 0);
        await(f, &sender.n_connected, 1);
        assert_int_equal(mqtt_client_publish(s, "test/b", "later", 5), 0);
        await(f, &sender.n_drained, 1);
        connect_client(f, &c);
        await(f, &f->n_received, 1);
        assert_string_equal(f->last, "later");
        c = mqtt_client_free(c);
}

static void a_broker_that_comes_back_is_found_again(void **state) {
        Fixture *f = *state;
        _cleanup_(mqtt_client_freep) MqttClient *c = NULL;

        /* not there at first */
        assert_int_equal(mqtt_client_new(&c, f->event, &f->settings, filters, &handlers, f), 0);
        assert_int_equal(mqtt_client_publish(c, "test/a", "x", 1), -ENOTCONN);
        start_broker(f);
        await(f, &f->n_connected, 1);
        stop_broker(f);
        while (mqtt_client_is_connected(c))
                assert_true(sd_event_run(f->event, PATIENCE_USEC) > 0);
        start_broker(f);
        await(f, &f->n_connected, 2);
        assert_int_equal(mqtt_client_publish(c, "test/a", "back", 4), 0);
        await(f, &f->n_received, 1);
}

static void limits_hold(void **state) {
        Fixture *f = *state;
        _cleanup_(mqtt_client_freep) MqttClient *c = NULL;
        _cleanup_free_ char *large = calloc(1, MQTT_PAYLOAD_MAX + 1);

        start_broker(f);
        connect_client(f, &c);
        assert_int_equal(mqtt_client_publish(c, "test/a", large, MQTT_PAYLOAD_MAX + 1), -EMSGSIZE);
        assert_int_equal(mqtt_client_publish(c, "test/#", "", 0), -EINVAL);
        for (unsigned i = 0; i < MQTT_UNACKNOWLEDGED_MAX; i++)
                assert_int_equal(mqtt_client_publish(c, "test/a", "x", 1), 0);
        assert_int_equal(mqtt_client_publish(c, "test/a", "x", 1), -EAGAIN);
        await(f, &f->n_received, MQTT_UNACKNOWLEDGED_MAX);
        await(f, &f->n_drained, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(messages_arrive_and_are_acknowledged, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_message_that_could_not_be_stored_is_delivered_again, setup, teardown),
                cmocka_unit_test_setup_teardown(what_arrives_while_the_client_is_away_is_kept, setup, teardown),
                cmocka_unit_test_setup_teardown(a_broker_that_comes_back_is_found_again, setup, teardown),
                cmocka_unit_test_setup_teardown(limits_hold, setup, teardown),
        };

        if (access(BROKER, X_OK) < 0) {
                (void) fprintf(stderr, "%s is not installed, skipped.\n", BROKER);
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
