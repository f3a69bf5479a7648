/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/testbed/link.h"

void link_init(Link *l, uint64_t seed) {
        *l = (Link) {
                .settings.queue = LINK_QUEUE_MAX,
                .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1,
        };
        TAILQ_INIT(&l->frames);
}

void link_flush(Link *l) {
        Frame *f;

        while ((f = TAILQ_FIRST(&l->frames))) {
                TAILQ_REMOVE(&l->frames, f, entries);
                free(f);
        }
        l->first_waiting = NULL;
        l->n_waiting = 0;
        l->busy_until = 0;
}

/* xorshift64*: good enough for independent losses. */
static uint32_t next_random(Link *l) {
        l->random ^= l->random >> 12;
        l->random ^= l->random << 25;
        l->random ^= l->random >> 27;
        return (uint32_t) ((l->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static bool is_lost(Link *l) {
        return l->settings.loss > 0 && ((uint64_t) next_random(l) * 1000000) >> 32 < l->settings.loss;
}

static void forget_sent(Link *l, uint64_t now) {
        while (l->first_waiting && l->first_waiting->sent <= now) {
                l->first_waiting = TAILQ_NEXT(l->first_waiting, entries);
                l->n_waiting--;
        }
}

static void count(LinkCounters *c, const Frame *f) {
        c->frames++;
        c->bytes += f->size;
        c->lost += f->lost;
}

void link_offer(Link *l, Frame *f, uint64_t now) {
        const LinkSettings *s = &l->settings;

        forget_sent(l, now);

        if (l->down || (s->rate > 0 && l->n_waiting >= s->queue)) {
                l->counters.dropped++;
                free(f);
                return;
        }

        f->sent = MAX(now, l->busy_until) + (s->rate > 0 ? f->size * 8 * NSEC_PER_SEC / s->rate : 0);
        l->busy_until = f->sent;
        /* A line whose delay was just shortened still does not reorder. */
        f->due = MAX(f->sent + s->delay, l->last_due);
        l->last_due = f->due;
        f->lost = is_lost(l);

        count(&l->counters, f);
        if (f->port > 0)
                count(l->ports + f->port - 1, f);

        TAILQ_INSERT_TAIL(&l->frames, f, entries);
        if (f->sent > now) {
                l->n_waiting++;
                if (!l->first_waiting)
                        l->first_waiting = f;
        }
}

Frame *link_take(Link *l, uint64_t now) {
        Frame *f;

        while ((f = TAILQ_FIRST(&l->frames)) && f->due <= now) {
                forget_sent(l, now);
                TAILQ_REMOVE(&l->frames, f, entries);
                if (!f->lost)
                        return f;
                free(f);
        }

        return NULL;
}

uint64_t link_next(const Link *l) {
        const Frame *f = TAILQ_FIRST(&l->frames);

        return f ? f->due : UINT64_MAX;
}
