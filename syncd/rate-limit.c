/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "syncd/rate-limit.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define QUANTUM_MIN ((size_t) 512)

static uint64_t monotonic_now(void *userdata) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

static void monotonic_wait(uint64_t usec, void *userdata) {
        struct timespec t = {
                .tv_sec = (time_t) (usec / USEC_PER_SEC),
                .tv_nsec = (long) (usec % USEC_PER_SEC * 1000),
        };

        (void) nanosleep(&t, NULL);
}

const RateClock rate_clock_monotonic = { .now = monotonic_now, .wait = monotonic_wait };

static void refill(RateLimit *l) {
        int64_t burst = (int64_t) (l->rate * RATE_LIMIT_BURST_USEC);
        uint64_t now = l->clock.now(l->clock.userdata), usec = now - l->time;

        l->time = now;
        if (usec >= (uint64_t) (burst - l->tokens) / l->rate)
                l->tokens = burst;
        else
                l->tokens += (int64_t) (l->rate * usec);
}

void rate_limit_init(RateLimit *l, const RateClock *clock) {
        *l = (RateLimit) { .clock = *clock };
}

void rate_limit_set(RateLimit *l, uint64_t rate) {
        if (rate > RATE_LIMIT_MAX)
                rate = 0;
        if (rate == l->rate)
                return;
        if (l->rate > 0 && rate > 0)
                refill(l);
        else
                l->tokens = 0;
        l->time = l->clock.now(l->clock.userdata);
        l->rate = rate;
}

void rate_limit_take(RateLimit *l, size_t bytes) {
        while (l->rate > 0 && bytes > 0) {
                refill(l);
                if (l->tokens >= 0) {
                        l->tokens -= (int64_t) (MIN(bytes, (size_t) INT32_MAX) * USEC_PER_SEC);
                        return;
                }
                l->clock.wait((uint64_t) -l->tokens / l->rate + 1, l->clock.userdata);
        }
}

size_t rate_limit_quantum(const RateLimit *l) {
        return l->rate == 0 ? SIZE_MAX : MAX(QUANTUM_MIN, l->rate * (RATE_LIMIT_BURST_USEC / 2) / USEC_PER_SEC);
}
