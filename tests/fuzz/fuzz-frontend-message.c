/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages as the queue delivers them to the frontend, which has one subscribed gateway: the first line is the topic.
 * Whatever they say, they are taken or ignored, and once more they change nothing. */
#include <signal.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/frontend-fixture.h"

/* All that a message could have added to. */
static int64_t count_rows(Fixture *f) {
        int64_t n;

        assert_int_equal(
                        sqlite_get_int(f->manager.db,
                                       &n,
                                       "SELECT (SELECT count(*) FROM commands) + (SELECT count(*) FROM operations) +"
                                       " (SELECT count(*) FROM devices) + (SELECT count(*) FROM keys)",
                                       ""),
                        0);
        return n;
}

static void deliver(Fixture *f, const char *topic, const char *payload, size_t size) {
        assert_int_equal(manager_handle_message(NULL, topic, payload, size, &f->manager), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *payload = memchr(data, '\n', size);
        _cleanup_free_ char *topic = NULL;
        void *state = NULL;
        sigset_t mask;
        int64_t n;

        if (!payload)
                return 0;
        topic = strndup((const char *) data, (size_t) (payload - (const char *) data));
        if (!topic)
                abort();
        payload++;
        size -= (size_t) (payload - (const char *) data);
        /* as daemon_event_new() does */
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        log_set_max_level(LOG_ERR);
        assert_int_equal(set_up(&state), 0);
        subscribe(state, GW1, KEY1);
        deliver(state, topic, payload, size);
        n = count_rows(state);
        deliver(state, topic, payload, size);
        assert_int_equal(count_rows(state), n);
        assert_int_equal(tear_down(&state), 0);
        return 0;
}
