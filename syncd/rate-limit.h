/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A token bucket for one direction of a transfer. Its user takes what it is about to send, or has just
 * received; taking blocks until the bytes are within the rate. */
#pragma once

#include "common/base/macro.h"

/* What may pass at once after a pause: so many microseconds' worth. A longer one would make a queue in the
 * access link, which is what a limit is to prevent. */
#define RATE_LIMIT_BURST_USEC UINT64_C(100000)
/* Rates above this count as none: 1 Tbit/s in bytes per second. Keeps all products within 64 bits. */
#define RATE_LIMIT_MAX UINT64_C(125000000000)

/* The time that a limit goes by. */
typedef struct RateClock {
        /* A monotonic clock, in microseconds. */
        uint64_t (*now)(void *userdata);
        /* Waits so long, or less: a worker listens for new limits meanwhile, and may call
         * rate_limit_set(). */
        void (*wait)(uint64_t usec, void *userdata);
        void *userdata;
} RateClock;

/* CLOCK_MONOTONIC and nanosleep(2). */
extern const RateClock rate_clock_monotonic;

/* All fields are for reading only. */
typedef struct RateLimit {
        RateClock clock;
        uint64_t rate;  /* bytes per second; 0: no limit */
        int64_t tokens; /* millionths of bytes that may pass now; below 0: the debt of what has passed */
        uint64_t time;  /* when tokens was right */
} RateLimit;

/* Without a limit. clock is copied. */
void rate_limit_init(RateLimit *l, const RateClock *clock);

/* rate in bytes per second, 0 for none. What is owed from before is paid at the new rate; nothing is owed
 * once there was no limit. Takes effect at once, also on a take that waits (see RateClock.wait). */
void rate_limit_set(RateLimit *l, uint64_t rate);

/* Blocks until bytes may pass. Any number may; afterwards the next ones wait longer. So that a slow limit
 * is a steady flow, take no more than rate_limit_quantum() at a time. */
void rate_limit_take(RateLimit *l, size_t bytes);

/* The largest piece, 512 bytes or more, that keeps the flow steady; SIZE_MAX without a limit. */
size_t rate_limit_quantum(const RateLimit *l);
