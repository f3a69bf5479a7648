/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters Bandwidth.* of an instance: which limits hold now, what the transfer that runs achieves under
 * them, and StateReason, which tells of both. */
#pragma once

#include <systemd/sd-event.h>

#include "syncd/bandwidth-schedule.h"

/* The clock may be set: the limits are looked at again after this at the latest. */
#define BANDWIDTH_LOOK_USEC (UINT64_C(900) * 1000000)
/* Smaller transfers tell of the round trips, not of the rate. */
#define BANDWIDTH_MEASURED_MIN UINT64_C(262144)

typedef struct Repository Repository;

typedef struct RepositoryBandwidth {
        /* parameters */
        BandwidthSchedule schedule;
        BandwidthLimits parameters;
        bool background;

        /* now */
        BandwidthLimits limits;
        bool scheduled;
        time_t until;
        sd_event_source *timer;

        /* the transfer that runs */
        uint64_t begun;            /* monotonic, 0: none */
        uint64_t total;            /* bytes that are to be moved, 0: not known */
        uint64_t done;
        uint64_t progressed;       /* when done was right */
        uint64_t bytes_per_second; /* of late */
        bool yielding;

        uint64_t achieved;         /* bytes per second of the last large transfers, 0: none yet */
} RepositoryBandwidth;

/* Reads the parameters again. 0 or a negative errno. */
int repository_bandwidth_configure(Repository *r);
void repository_bandwidth_clear(Repository *r);

/* Appends the fields upload, download and background to a message for the transfer worker (transfer-pace.h).
 * When they change, repository_limits_changed() is called. 0 or -ENOMEM. */
int repository_bandwidth_add_limits(Repository *r, char ***message);

/* A transfer begins, makes progress, has ended. total is 0 if it is not known; bytes are those of the transfer's
 * direction. */
void repository_bandwidth_begin(Repository *r, uint64_t total);
void repository_bandwidth_progress(Repository *r, uint64_t done, uint64_t total, bool yielding);
void repository_bandwidth_end(Repository *r, uint64_t bytes);

/* The value of StateReason; the caller's. NULL: no memory. */
char *repository_state_reason(Repository *r);
