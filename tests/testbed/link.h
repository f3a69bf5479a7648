/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One direction of an access link: a bounded queue in front of a line of a given rate, delay and loss.
 *
 * A model in virtual time, without system calls: frames are offered with the time at which they come, and are due when
 * their last bit leaves the far end. Times are nanoseconds of one monotonic clock. */
#pragma once

#include <sys/queue.h>

#include "common/base/macro.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

/* An Ethernet frame without preamble and checksum: 1500 bytes, the header, and room for two VLAN tags. */
#define FRAME_SIZE_MAX 1522U

/* Stops a mistyped queue from taking all memory: 100 ms at 1 Gbit/s. */
#define LINK_QUEUE_MAX 10000U

/* TCP ports whose frames are counted apart. */
#define LINK_PORTS_MAX 8U

typedef struct Frame {
        TAILQ_ENTRY(Frame) entries;
        uint64_t sent; /* the line has taken its last bit */
        uint64_t due;  /* the far end has it */
        bool lost;
        uint8_t port; /* 0, or 1 + the index of the TCP port that it is counted for */
        size_t size;
        uint8_t data[FRAME_SIZE_MAX];
} Frame;

typedef struct LinkSettings {
        uint64_t rate;  /* bit/s of frames as counted here; 0: not limited */
        uint64_t delay; /* ns */
        uint32_t loss;  /* lost frames per million */
        uint32_t queue; /* frames that wait for the line before it drops new ones */
} LinkSettings;

typedef struct LinkCounters {
        uint64_t frames, bytes; /* put on the line, lost ones included */
        uint64_t dropped;       /* frames for which the queue had no place, or which came while the line was down */
        uint64_t lost;          /* frames lost on the line */
} LinkCounters;

typedef struct Link {
        LinkSettings settings;
        LinkCounters counters;
        LinkCounters ports[LINK_PORTS_MAX]; /* of these frames, those of one TCP port each */
        bool down;
        TAILQ_HEAD(, Frame) frames; /* in the order in which they are sent, and due */
        Frame *first_waiting;       /* the first that the line had not taken when the last one was offered */
        uint32_t n_waiting;
        uint64_t busy_until;
        uint64_t last_due;
        uint64_t random;
} Link;

/* Makes an unlimited link without delay and loss. The same seed loses the same frames. */
void link_init(Link *l, uint64_t seed);

/* Drops whatever is on its way. */
void link_flush(Link *l);

/* Takes the frame over: it queues, or is dropped. */
void link_offer(Link *l, Frame *f, uint64_t now);

/* The next frame that the far end has by now, which is then the caller's, or NULL. Lost frames do not show. */
Frame *link_take(Link *l, uint64_t now);

/* When link_take() will have to be called next; UINT64_MAX if nothing is on its way. */
uint64_t link_next(const Link *l);
