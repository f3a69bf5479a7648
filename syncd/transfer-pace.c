/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "syncd/transfer-pace.h"
#include "syncd/worker-message.h"

/* kbit/s are 125 bytes per second each. */
#define BYTES_PER_KBIT 125U

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

/* Returns 1 if the field is there. */
static int get_number(char *const *message, const char *key, uint32_t *ret) {
        const char *value = worker_message_get(message, key);

        if (!value)
                return 0;
        return parse_uint32(value, ret) < 0 ? -EBADMSG : 1;
}

static int apply(TransferPace *p, char *const *message) {
        uint32_t up, down, background;
        int has_up, has_down, has_background;

        if ((has_up = get_number(message, "up-limit", &up)) < 0 ||
            (has_down = get_number(message, "down-limit", &down)) < 0 ||
            (has_background = get_number(message, "background", &background)) < 0)
                return -EBADMSG;
        if (has_up)
                p->up_limit = (uint64_t) up * BYTES_PER_KBIT;
        if (has_down)
                p->down_limit = (uint64_t) down * BYTES_PER_KBIT;
        if (has_background)
                p->background = background != 0;
        open_probe(p);
        set_rates(p);
        return 0;
}

static void take_commands(TransferPace *p) {
        while (!p->deaf) {
                _cleanup_strv_free_ char **message = NULL, **taken = NULL;
                const char *command;
                int r;

                r = worker_message_peek(p->fd, &message);
                if (r == -EAGAIN)
                        return;
                /* What else there is waits for the end of the transfer. */
                command = r < 0 ? "" : strempty(worker_message_get(message, "command"));
                if (!streq(command, "limits") && !streq(command, "stop")) {
                        p->deaf = true;
                        p->stop |= r < 0;
                        return;
                }
                if (worker_message_receive(p->fd, &taken) < 0)
                        return;
                if (streq(command, "stop"))
                        p->stop = true;
                else if (apply(p, taken) < 0)
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
                state.bytes_received >= p->last.bytes_received && state.retransmits >= p->last.retransmits;
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
                });
        }
        p->last = state;
        p->has_last = true;
        set_rates(p);
}

static void report_progress(TransferPace *p) {
        _cleanup_strv_free_ char **message = NULL;
        bool yielding = p->background && p->probe && (p->up_rate.yielding || p->down_rate.yielding);

        if (worker_message_add(&message, "event", "progress") < 0 ||
            worker_message_addf(&message, "sent", "%llu", (unsigned long long) (p->up.taken - p->sent_before)) < 0 ||
            worker_message_addf(
                            &message,
                            "received",
                            "%llu",
                            (unsigned long long) (p->down.taken - p->received_before)) < 0 ||
            worker_message_addf(&message, "yielding", "%d", yielding) < 0)
                return;
        (void) worker_message_send(p->fd, message);
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
        if (now >= p->progressed + TRANSFER_PROGRESS_USEC) {
                report_progress(p);
                p->progressed = now;
        }
}

/* Until there is something to do: a command, a sample, or the end of what the limit waits for. */
static void wait_for(uint64_t usec, void *userdata) {
        TransferPace *p = userdata;
        struct pollfd pollfd = { .fd = p->running && !p->deaf ? p->fd : -1, .events = POLLIN };
        uint64_t longest = p->background && p->probe ? BACKGROUND_INTERVAL_USEC : TRANSFER_PROGRESS_USEC;

        usec = MIN(usec, longest);
        (void) ppoll(&pollfd,
                     1,
                     &(struct timespec) { .tv_sec = (time_t) (usec / 1000000),
                                          .tv_nsec = (long) (usec % 1000000 * 1000) },
                     NULL);
        transfer_pace_poll(p);
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
        p->stop = p->deaf = p->has_last = false;
        p->running = true;
        p->sampled = p->progressed = rate_clock_monotonic.now(NULL);
        p->sent_before = p->up.taken;
        p->received_before = p->down.taken;
        return apply(p, command);
}

void transfer_pace_end(TransferPace *p) {
        p->running = false;
}
