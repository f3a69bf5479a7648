/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "syncd/transfer-pace.h"
#include "syncd/worker-message.h"

/* Longer waits are cut: the worker is told of nothing else in between. */
#define WAIT_MAX_USEC UINT64_C(60000000)
/* So long without a transfer, and the path may be another. */
#define IDLE_USEC UINT64_C(10000000)

static uint64_t least_limit(uint64_t a, uint64_t b) {
        return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

static void set_rates(TransferPace *p) {
        bool yields = p->background && p->probe;

        rate_limit_set(&p->up, least_limit(p->up_limit, yields ? p->up_rate.rate : 0));
        rate_limit_set(&p->down, least_limit(p->down_limit, yields ? p->down_rate.rate : 0));
}

static void open_probe(TransferPace *p) {
        int r;

        if (!p->background || p->probe || p->blind)
                return;
        r = connection_probe_new(&p->probe, p->port);
        if (r < 0) {
                p->blind = true;
                log_debug("Background transfers cannot measure the path: %s", strerror(-r));
        }
}

/* A field that is not there leaves *ret as it is. */
static int get_number(char *const *message, const char *key, uint64_t *ret) {
        const char *value = worker_message_get(message, key);

        return value && parse_uint64(value, ret) < 0 ? -EBADMSG : 0;
}

static int apply(TransferPace *p, char *const *message) {
        uint64_t up = p->up_limit, down = p->down_limit, background = p->background, stop = p->stop;

        if (get_number(message, "upload", &up) < 0 || get_number(message, "download", &down) < 0 ||
            get_number(message, "background", &background) < 0 || get_number(message, "stop", &stop) < 0)
                return -EBADMSG;
        p->up_limit = up;
        p->down_limit = down;
        p->background = background != 0;
        p->stop = stop != 0;
        open_probe(p);
        set_rates(p);
        return 0;
}

static void take_commands(TransferPace *p) {
        while (!p->deaf) {
                _cleanup_strv_free_ char **message = NULL, **taken = NULL;
                int r;

                r = worker_message_peek(p->fd, &message);
                if (r == -EAGAIN)
                        return;
                /* The next command waits for the end of the transfer. */
                if (r < 0 || worker_message_get(message, "command")) {
                        p->deaf = true;
                        p->stop |= r < 0;
                        return;
                }
                if (worker_message_receive(p->fd, &taken) < 0)
                        return;
                if (apply(p, taken) < 0)
                        log_debug("Limits that are no numbers were ignored.");
        }
}

static void measure(TransferPace *p, uint64_t usec) {
        ConnectionState state;
        bool news, same;

        if (connection_probe_read(p->probe, &state) < 0) {
                p->has_last = false;
                return;
        }
        same = p->has_last && state.bytes_acked >= p->last.bytes_acked &&
                state.bytes_received >= p->last.bytes_received && state.retransmits >= p->last.retransmits &&
                state.out_of_order >= p->last.out_of_order;
        news = (uint64_t) state.silent_msec * 1000 < usec;
        if (same) {
                background_rate_update(&p->up_rate, &(BackgroundSample) {
                        .usec = usec,
                        .bytes = state.bytes_acked - p->last.bytes_acked,
                        .rtt_usec = news ? state.rtt_usec : 0,
                        .rtt_min_usec = state.rtt_min_usec,
                        .losses = state.retransmits - p->last.retransmits,
                });
                background_rate_update(&p->down_rate, &(BackgroundSample) {
                        .usec = usec,
                        .bytes = state.bytes_received - p->last.bytes_received,
                        .rtt_usec = news ? state.receive_rtt_usec : 0,
                        .rtt_min_usec = state.rtt_min_usec,
                        .losses = state.out_of_order - p->last.out_of_order,
                });
        }
        p->last = state;
        p->has_last = true;
        set_rates(p);
}

bool transfer_pace_is_yielding(const TransferPace *p) {
        return p->background && p->probe && (p->up_rate.yielding || p->down_rate.yielding);
}

void transfer_pace_poll(TransferPace *p) {
        uint64_t now;

        if (!p->running)
                return;
        take_commands(p);
        now = rate_clock_monotonic.now(NULL);
        if (p->background && p->probe && now >= p->sampled + BACKGROUND_INTERVAL_USEC) {
                measure(p, now - p->sampled);
                p->sampled = now;
        }
}

void transfer_pace_wait(TransferPace *p, uint64_t usec) {
        struct pollfd pollfd = { .fd = p->running && !p->deaf ? p->fd : -1, .events = POLLIN };
        uint64_t longest = p->background && p->probe ? BACKGROUND_INTERVAL_USEC : WAIT_MAX_USEC;

        usec = MIN(usec, longest);
        (void) ppoll(&pollfd,
                     1,
                     &(struct timespec) { .tv_sec = (time_t) (usec / 1000000),
                                          .tv_nsec = (long) (usec % 1000000 * 1000) },
                     NULL);
        transfer_pace_poll(p);
}

static void wait_for(uint64_t usec, void *userdata) {
        transfer_pace_wait(userdata, usec);
}

void transfer_pace_init(TransferPace *p, int fd, uint16_t port) {
        const RateClock clock = { .now = rate_clock_monotonic.now, .wait = wait_for, .userdata = p };

        *p = (TransferPace) { .fd = fd, .port = port };
        rate_limit_init(&p->up, &clock);
        rate_limit_init(&p->down, &clock);
        background_rate_init(&p->up_rate);
        background_rate_init(&p->down_rate);
}

void transfer_pace_clear(TransferPace *p) {
        p->probe = connection_probe_free(p->probe);
}

int transfer_pace_begin(TransferPace *p, char *const *command) {
        uint64_t now = rate_clock_monotonic.now(NULL);

        p->stop = p->deaf = p->has_last = false;
        p->running = true;
        if (now - p->sampled > IDLE_USEC) {
                background_rate_restart(&p->up_rate);
                background_rate_restart(&p->down_rate);
        }
        p->sampled = now;
        return apply(p, command);
}

void transfer_pace_end(TransferPace *p) {
        p->running = false;
}
