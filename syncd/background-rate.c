/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/background-rate.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define PACKET_SIZE 1448U
/* The first growth ends, and careful growth begins, at this share of the target (LEDBAT++ section 4.3). */
#define CAREFUL_PERCENT 50U
/* Growth in a sample while the path is empty, shrinking at most. */
#define GROWTH_PERCENT 8U
#define SHRINK_PERCENT_MAX 50U
/* The rate is no more than this above what the path carries, so that shrinking takes effect at once. */
#define HEADROOM_PERCENT 115U
/* So long without a queue, and who made it is gone. */
#define QUIET_USEC UINT64_C(2000000)
/* So long growth is careful behind a loss. */
#define CAREFUL_USEC UINT64_C(4000000)

void background_rate_init(BackgroundRate *b) {
        *b = (BackgroundRate) { .rate = BACKGROUND_RATE_START, .starting = true };
}

void background_rate_restart(BackgroundRate *b) {
        b->rate = BACKGROUND_RATE_START;
        b->starting = true;
        b->yielding = false;
        b->delivered = b->peak = b->hold_usec = b->careful_usec = b->since_pause_usec = b->pause_usec = 0;
}

uint32_t background_rate_base_usec(const BackgroundRate *b) {
        uint32_t base = 0;

        for (size_t i = 0; i < BACKGROUND_HISTORY; i++)
                if (b->base[i] > 0 && (base == 0 || b->base[i] < base))
                        base = b->base[i];
        return base;
}

static void remember(uint32_t *least, uint32_t usec) {
        if (usec > 0 && (*least == 0 || usec < *least))
                *least = usec;
}

static void remember_base(BackgroundRate *b, const BackgroundSample *sample) {
        b->minute_usec += sample->usec;
        if (b->minute_usec >= BACKGROUND_HISTORY_USEC) {
                b->minute_usec = 0;
                b->minute = (b->minute + 1) % BACKGROUND_HISTORY;
                b->base[b->minute] = 0;
        }
        remember(&b->base[b->minute], sample->rtt_usec);
        remember(&b->base[b->minute], sample->rtt_min_usec);
}

static uint64_t percent(uint64_t n, uint64_t percent) {
        return n * percent / 100;
}

static uint64_t target_usec(const BackgroundRate *b) {
        uint64_t two_packets = 2 * PACKET_SIZE * USEC_PER_SEC / MAX(b->delivered, 1U);

        return MAX(BACKGROUND_TARGET_USEC, MIN(two_packets, BACKGROUND_TARGET_MAX_USEC));
}

/* A queue above the target, or a loss: in proportion to the excess, by half at most (LEDBAT++ section 4.2).
 * Then the effect is awaited for a round trip. */
static void shrink(BackgroundRate *b, const BackgroundSample *sample) {
        uint64_t target = target_usec(b), excess = b->delay_usec > target ? b->delay_usec - target : 0,
                 by = excess * SHRINK_PERCENT_MAX / target;

        if (sample->losses > 0) {
                by = SHRINK_PERCENT_MAX;
                b->careful_usec = CAREFUL_USEC;
        }
        b->starting = false;
        b->hold_usec = MIN(sample->rtt_usec, USEC_PER_SEC);
        b->rate = percent(b->rate, 100 - MIN(by, SHRINK_PERCENT_MAX));
}

/* By less the closer the target is; only if what is allowed is used, or it would grow without meaning. */
static void grow(BackgroundRate *b, const BackgroundSample *sample) {
        uint64_t target = target_usec(b), room = 100 - b->delay_usec * 100 / target;
        bool careful = b->careful_usec > 0 || b->delay_usec * 100 > target * CAREFUL_PERCENT;

        b->starting = b->starting && !careful;
        if (b->delivered < b->rate / 2)
                return;
        if (b->starting)
                b->rate *= 2;
        else if (careful)
                /* A packet more for each round trip. */
                b->rate += PACKET_SIZE * USEC_PER_SEC / MAX(sample->rtt_usec, 1000U) * room / 100;
        else
                b->rate += percent(b->rate, GROWTH_PERCENT * room / 100) + PACKET_SIZE;
}

/* Returns whether it pauses. */
static bool look_without_own_queue(BackgroundRate *b, const BackgroundSample *sample) {
        if (b->pause_usec > 0) {
                b->pause_usec -= MIN(b->pause_usec, sample->usec);
                if (b->pause_usec == 0)
                        b->rate = b->rate_after_pause;
                return b->pause_usec > 0;
        }
        b->since_pause_usec += sample->usec;
        if (b->since_pause_usec < BACKGROUND_PAUSE_EVERY_USEC || b->starting)
                return false;
        b->since_pause_usec = 0;
        b->pause_usec = BACKGROUND_PAUSE_USEC;
        b->rate_after_pause = b->rate;
        b->rate = BACKGROUND_RATE_MIN;
        return true;
}

/* A queue while the transfer has less than half of what the path carried for it of late is one of others. */
static void look_for_others(BackgroundRate *b, const BackgroundSample *sample, uint64_t moved) {
        b->peak = MAX(moved, b->peak - b->peak / 1000);
        if (b->delivered >= b->peak / 2)
                b->yielding = false;
        else if (b->delay_usec > target_usec(b) || sample->losses > 0) {
                b->yielding = true;
                b->quiet_usec = 0;
        } else {
                b->quiet_usec += sample->usec;
                b->yielding = b->yielding && b->quiet_usec < QUIET_USEC;
        }
}

void background_rate_update(BackgroundRate *b, const BackgroundSample *sample) {
        uint64_t moved;

        if (sample->usec == 0)
                return;
        moved = sample->bytes * USEC_PER_SEC / sample->usec;
        remember_base(b, sample);
        if (look_without_own_queue(b, sample) || sample->rtt_usec == 0)
                return;
        b->delay_usec = sample->rtt_usec - background_rate_base_usec(b);
        /* The highest of late: one sample may miss what still is in a buffer. */
        b->delivered = MAX(moved, percent(b->delivered, 90));
        look_for_others(b, sample, moved);
        b->careful_usec -= MIN(b->careful_usec, sample->usec);
        if (b->hold_usec > 0)
                b->hold_usec -= MIN(b->hold_usec, sample->usec);
        else if (sample->losses > 0 || b->delay_usec > target_usec(b))
                shrink(b, sample);
        else
                grow(b, sample);
        if (!b->starting)
                b->rate = MIN(b->rate, MAX(percent(b->delivered, HEADROOM_PERCENT), BACKGROUND_RATE_START));
        b->rate = MAX(BACKGROUND_RATE_MIN, MIN(b->rate, BACKGROUND_RATE_MAX));
}
