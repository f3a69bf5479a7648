/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a prefetch looks again for what is staged. Each look is a session of its own on the server, so looks follow the
 * rate at which batches come: over a slow line they are few, and over a fast one little time is lost. Times are of any
 * monotonic clock, in microseconds; nothing here waits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Looks are no closer together than this. */
#define LOOK_INTERVAL_MIN_USEC UINT64_C(200000)
/* They may cost about this part of the bytes that come, a five-hundredth. */
#define LOOK_PART 512U
/* What a look costs on the line beyond the bytes of its conversation: a channel of ssh's connection, headers,
 * acknowledgements; as measured. */
#define LOOK_COST 1700U
/* The next batch is waited for so many times as long as the last one was: it may be PUSH_BATCH_GROWTH times as large,
 * and come at half the rate. */
#define LOOK_PATIENCE 8U
/* But no longer than this, however long the last one was away: an order ends a prefetch, and orders can be lost. */
#define LOOK_PATIENCE_MAX_USEC (UINT64_C(3600) * 1000000)

typedef struct LookPace {
        uint64_t last;  /* when something was found last, or the beginning */
        uint64_t gap;   /* so long after the time before that; 0: not known */
        uint64_t bytes; /* that were found then */
        uint64_t next;  /* that come next, at most */
        bool watched;   /* what is found has come since the look before */
} LookPace;

/* The first look is about to begin. */
void look_pace_begin(LookPace *p, uint64_t now);

/* A look at the time now has found something, so many bytes of which were not here; or nothing. */
void look_pace_found(LookPace *p, uint64_t now, uint64_t bytes);
void look_pace_missed(LookPace *p);

/* How long after a look at the time now, in which so many bytes were said, the next one is due. */
uint64_t look_pace_interval(const LookPace *p, uint64_t now, uint64_t bytes_said);

/* How long nothing is to be found until the prefetch ends; least or more, and LOOK_PATIENCE_MAX_USEC or
 * less. */
uint64_t look_pace_patience(const LookPace *p, uint64_t least);
