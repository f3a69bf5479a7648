/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast a transfer may go that gives way to all other traffic: a controller of a rate, by the delay that
 * the path adds when its queues fill. After LEDBAT (RFC 6817) and LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus-01):
 * the delay is that of the round trip, above the target the rate shrinks by a factor, and now and then the
 * transfer pauses for a moment, so that its own queue is not taken for the length of the path. Other than
 * those it controls a rate, since the congestion window is the kernel's. Pure: no clock, no I/O. */
#pragma once

#include "common/base/macro.h"

/* The delay that the transfer itself may add. RFC 6817 allows 100 ms at most, but where a queue is shorter
 * than the target the transfer would fight for its share as any other does, and the queues of fast links
 * are of some ten milliseconds. Where two packets need longer than the target, that is it, up to the maximum. */
#define BACKGROUND_TARGET_USEC 10000U
#define BACKGROUND_TARGET_MAX_USEC 25000U
/* A sample is due this often; in between there are several round trips, or nearly one. */
#define BACKGROUND_INTERVAL_USEC UINT64_C(100000)
/* Never less, in bytes per second: a transfer that stands still would be taken for a broken one. */
#define BACKGROUND_RATE_MIN UINT64_C(4096)
#define BACKGROUND_RATE_START UINT64_C(64000)
#define BACKGROUND_RATE_MAX UINT64_C(1250000000)
/* RFC 6817 section 3.4.2: the base delay is the least of the last ten minutes. */
#define BACKGROUND_HISTORY 10U
#define BACKGROUND_HISTORY_USEC UINT64_C(60000000)
/* The pause for a look at the path without this transfer's queue. */
#define BACKGROUND_PAUSE_EVERY_USEC UINT64_C(30000000)
#define BACKGROUND_PAUSE_USEC UINT64_C(300000)

/* What the connection showed since the last sample. */
typedef struct BackgroundSample {
        uint64_t usec;    /* how long that was */
        uint64_t bytes;   /* that the transfer moved */
        uint32_t rtt_usec; /* the round trip of late, smoothed; 0: none was measured */
        uint32_t rtt_min_usec; /* the least that the connection has seen; 0: not known */
        uint32_t losses;  /* packets that were sent again, or came out of order since one before was lost */
} BackgroundSample;

/* All fields are for reading only. */
typedef struct BackgroundRate {
        uint64_t rate;            /* bytes per second */
        uint64_t delivered;       /* the highest rate of late that the path did carry */
        uint32_t delay_usec;      /* what the queues of the path added in the last sample */
        bool yielding;            /* the queue is that of others */
        uint64_t peak;            /* the highest rate of the last minute or so */
        uint64_t quiet_usec;      /* without a queue of others */
        bool starting;            /* doubles until the path is full for the first time */
        uint64_t hold_usec;       /* until the effect of the last change shows */
        uint64_t careful_usec;    /* since a loss: the queue may be too short for a delay to show it */
        uint64_t since_pause_usec;
        uint64_t pause_usec;      /* left of the pause, 0: none */
        uint64_t rate_after_pause;
        uint32_t base[BACKGROUND_HISTORY]; /* the least round trips of the last minutes, 0: none */
        size_t minute;
        uint64_t minute_usec;
} BackgroundRate;

/* A path of which nothing is known. */
void background_rate_init(BackgroundRate *b);

/* After a time without a transfer: what the path can carry now is found out anew, or a whole socket buffer would
 * go out at the rate of then. The length of the path is kept. */
void background_rate_restart(BackgroundRate *b);

/* Takes a sample and sets rate. */
void background_rate_update(BackgroundRate *b, const BackgroundSample *sample);

/* The length of the path as far as it is known, 0: not yet. */
uint32_t background_rate_base_usec(const BackgroundRate *b);
