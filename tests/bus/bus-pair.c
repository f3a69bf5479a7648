/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bus/bus-pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/socket.h>

/* Far more than any answer takes, so that a test that waits in vain ends. */
#define WAIT_USEC (20U * 1000000U)

static sd_bus *make_end(BusPair *p, int fd, bool server) {
        sd_id128_t id = SD_ID128_MAKE(01, 02, 03, 04, 05, 06, 07, 08, 09, 0a, 0b, 0c, 0d, 0e, 0f, 10);
        sd_bus *bus;

        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, fd, fd) >= 0);
        if (server)
                assert_true(sd_bus_set_server(bus, true, id) >= 0);
        assert_true(sd_bus_set_anonymous(bus, true) >= 0);
        assert_true(sd_bus_set_trusted(bus, true) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        assert_true(sd_bus_attach_event(bus, p->event, SD_EVENT_PRIORITY_NORMAL) >= 0);
        return bus;
}

void bus_pair_init(BusPair *p) {
        int fds[2];

        assert_true(sd_event_new(&p->event) >= 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        p->server = make_end(p, fds[0], true);
        p->client = make_end(p, fds[1], false);
}

void bus_pair_done(BusPair *p) {
        p->client = sd_bus_close_unref(p->client);
        p->server = sd_bus_close_unref(p->server);
        p->event = sd_event_unref(p->event);
}

static void wait_for(BusPair *p, const bool *flag) {
        while (!*flag)
                assert_true(sd_event_run(p->event, WAIT_USEC) > 0);
}

typedef struct Answer {
        sd_bus_message *message;
        bool there;
} Answer;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Answer *a = userdata;

        a->message = sd_bus_message_ref(m);
        a->there = true;
        return 1;
}

sd_bus_message *bus_pair_call(BusPair *p, sd_bus_message *call, sd_bus_error *error) {
        sd_bus_slot *slot = NULL;
        Answer a = {};

        assert_true(sd_bus_call_async(p->client, &slot, call, on_answer, &a, 0) >= 0);
        wait_for(p, &a.there);
        sd_bus_slot_unref(slot);
        sd_bus_message_unref(call);
        if (!sd_bus_message_is_method_error(a.message, NULL))
                return a.message;
        if (error)
                (void) sd_bus_error_copy(error, sd_bus_message_get_error(a.message));
        sd_bus_message_unref(a.message);
        return NULL;
}

sd_bus_message *bus_pair_new_call(BusPair *p, const char *path, const char *interface, const char *member) {
        sd_bus_message *m;

        assert_true(sd_bus_message_new_method_call(p->client, &m, NULL, path, interface, member) >= 0);
        return m;
}
