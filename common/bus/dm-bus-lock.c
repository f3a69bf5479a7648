/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The write lock of a prepared request lasts as long as its owner is on the bus, and not longer than the
 * time-out. */
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/bus/dm-bus-internal.h"

static void give_up(DmBus *b, const char *why) {
        uint64_t token = b->token;

        log_warning("Prepared request %" PRIu64 " %s: given up.", token, why);
        dm_bus_unlock(b);
        (void) dm_abort(b->model, token);
}

static int on_owner_gone(sd_bus_track *track, void *userdata) {
        DmBus *b = userdata;

        if (b->token > 0)
                give_up(b, "lost its owner");
        return 0;
}

static int on_expired(sd_event_source *s, uint64_t usec, void *userdata) {
        give_up(userdata, "was neither committed nor aborted in time");
        return 0;
}

int dm_bus_lock(DmBus *b, uint64_t token, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);
        int r;

        r = sd_event_add_time_relative(
                        sd_bus_get_event(b->bus),
                        &b->expiry,
                        CLOCK_MONOTONIC,
                        b->timeout_usec,
                        0,
                        on_expired,
                        b);
        if (r >= 0)
                r = free_and_strdup(&b->owner, sender);
        if (r >= 0 && sender) {
                r = sd_bus_track_new(b->bus, &b->track, on_owner_gone, b);
                if (r >= 0)
                        r = sd_bus_track_add_sender(b->track, m);
        }
        if (r < 0) {
                dm_bus_unlock(b);
                return r;
        }
        b->token = token;
        return 0;
}

bool dm_bus_owns(const DmBus *b, uint64_t token, sd_bus_message *m) {
        return token > 0 && token == b->token && streq_ptr(b->owner, sd_bus_message_get_sender(m));
}

void dm_bus_unlock(DmBus *b) {
        b->token = 0;
        b->owner = mfree(b->owner);
        b->track = sd_bus_track_unref(b->track);
        b->expiry = sd_event_source_disable_unref(b->expiry);
}
