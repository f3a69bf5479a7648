/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/macro.h"
#include "syncd/look-pace.h"
#include "syncd/push-size.h"

void look_pace_begin(LookPace *p, uint64_t now) {
        *p = (LookPace) { .last = now, .bytes = PUSH_BATCH_FIRST, .next = PUSH_BATCH_FIRST };
}

void look_pace_found(LookPace *p, uint64_t now, uint64_t bytes) {
        /* What is there at the first look tells of no rate. What is of no use here, because it comes with the
         * commits or has come before, is worth few looks. */
        if (!p->watched || bytes < PUSH_BATCH_FIRST)
                bytes = PUSH_BATCH_FIRST;
        p->gap = p->watched ? now - p->last : 0;
        p->bytes = bytes;
        p->next = MIN(bytes * PUSH_BATCH_GROWTH, MAX(bytes, PUSH_BATCH_SIZE));
        p->last = now;
        p->watched = true;
}

void look_pace_missed(LookPace *p) {
        p->watched = true;
}

uint64_t look_pace_interval(const LookPace *p, uint64_t now, uint64_t bytes_said) {
        /* Microseconds that a byte takes: as of late, or longer if what comes next should have come by then. */
        double of_late = (double) p->gap / (double) p->bytes,
               by_now = (double) (now - p->last) / (double) p->next, slowness = MAX(of_late, by_now);
        uint64_t usec = (uint64_t) (slowness * (double) (bytes_said + LOOK_COST) * LOOK_PART);

        return MAX(usec, LOOK_INTERVAL_MIN_USEC);
}

uint64_t look_pace_patience(const LookPace *p, uint64_t least) {
        return MIN(MAX(p->gap * LOOK_PATIENCE, least), LOOK_PATIENCE_MAX_USEC);
}
