/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "common/base/str.h"
#include "syncd/repository.h"
#include "syncd/state-reason.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define BYTES_PER_KBIT UINT64_C(125)

static uint64_t now_monotonic(Repository *r) {
        uint64_t now = 0;

        (void) sd_event_now(r->environment->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* What the next push can be expected to achieve. */
static void tell_rate(Repository *r) {
        const RepositoryBandwidth *b = &r->bandwidth;
        uint64_t rate = b->achieved > 0 ? b->achieved : SYNC_RATE_ASSUMED;

        if (b->limits.up > 0)
                rate = MIN(rate, b->limits.up * BYTES_PER_KBIT);
        sync_fsm_rate(&r->fsm, rate);
}

static int evaluate(Repository *r);

static int on_schedule(sd_event_source *s, uint64_t usec, void *userdata) {
        Repository *r = userdata;
        int k = evaluate(r);

        if (k < 0)
                (void) log_error_errno(k, "Instance %u: failed to wait for the schedule: %m", r->instance);
        return 0;
}

static int evaluate(Repository *r) {
        RepositoryBandwidth *b = &r->bandwidth;
        BandwidthLimits before = b->limits;
        time_t now = time(NULL);
        uint64_t usec;

        /* The zone may have been changed. */
        tzset();
        bandwidth_schedule_evaluate(&b->schedule, &b->parameters, now, &b->limits, &b->until, &b->scheduled);
        tell_rate(r);
        if (before.up != b->limits.up || before.down != b->limits.down)
                repository_limits_changed(r);
        b->timer = sd_event_source_disable_unref(b->timer);
        if (b->until == 0)
                return 0;
        usec = MIN((uint64_t) (b->until - now) * USEC_PER_SEC, BANDWIDTH_LOOK_USEC);
        return sd_event_add_time_relative(
                        r->environment->event, &b->timer, CLOCK_MONOTONIC, usec, 0, on_schedule, r);
}

int repository_bandwidth_configure(Repository *r) {
        RepositoryBandwidth *b = &r->bandwidth;
        _cleanup_free_ char *schedule = NULL;
        char error[BANDWIDTH_ERROR_SIZE];
        DmModel *model = r->environment->model;
        bool background;
        int k;

        if ((k = dm_get_uint32(model, &b->parameters.up, SYNC_TABLE "%u.Bandwidth.UploadLimit", r->instance)) < 0 ||
            (k = dm_get_uint32(model, &b->parameters.down, SYNC_TABLE "%u.Bandwidth.DownloadLimit", r->instance)) < 0 ||
            (k = dm_get_bool(model, &background, SYNC_TABLE "%u.Bandwidth.Background", r->instance)) < 0 ||
            (k = dm_get_string(model, &schedule, SYNC_TABLE "%u.Bandwidth.Schedule", r->instance)) < 0)
                return k;
        /* What was stored by another version may be none: better no schedule than none of the rest. */
        if (bandwidth_schedule_parse(schedule, &b->schedule, error) < 0) {
                log_warning("Instance %u: Bandwidth.Schedule: %s", r->instance, error);
                b->schedule.n = 0;
        }
        if (b->background != background) {
                b->background = background;
                repository_limits_changed(r);
        }
        return evaluate(r);
}

void repository_bandwidth_clear(Repository *r) {
        r->bandwidth.timer = sd_event_source_disable_unref(r->bandwidth.timer);
}

int repository_bandwidth_add_limits(Repository *r, char ***message) {
        const RepositoryBandwidth *b = &r->bandwidth;
        unsigned long long up = b->limits.up * BYTES_PER_KBIT, down = b->limits.down * BYTES_PER_KBIT;
        int k;

        if ((k = worker_message_addf(message, "upload", "%llu", up)) < 0 ||
            (k = worker_message_addf(message, "download", "%llu", down)) < 0)
                return k;
        return worker_message_addf(message, "background", "%d", b->background);
}

void repository_bandwidth_begin(Repository *r, uint64_t total) {
        RepositoryBandwidth *b = &r->bandwidth;

        b->begun = b->progressed = now_monotonic(r);
        b->total = total;
        b->done = b->bytes_per_second = 0;
        b->yielding = false;
}

void repository_bandwidth_progress(Repository *r, uint64_t done, uint64_t total, bool yielding) {
        RepositoryBandwidth *b = &r->bandwidth;
        uint64_t now = now_monotonic(r);

        if (done >= b->done && now > b->progressed) {
                uint64_t rate = (done - b->done) * USEC_PER_SEC / (now - b->progressed);

                /* Several reports in a second: a few of them together. */
                b->bytes_per_second = b->bytes_per_second > 0 ? (3 * b->bytes_per_second + rate) / 4 : rate;
        }
        b->yielding = yielding;
        b->total = total > 0 ? total : b->total;
        b->done = done;
        b->progressed = now;
}

void repository_bandwidth_end(Repository *r, uint64_t bytes) {
        RepositoryBandwidth *b = &r->bandwidth;
        uint64_t usec = now_monotonic(r) - b->begun;

        if (b->begun > 0 && usec > 0 && bytes >= BANDWIDTH_MEASURED_MIN) {
                uint64_t rate = (uint64_t) ((unsigned __int128) bytes * USEC_PER_SEC / usec);

                b->achieved = b->achieved > 0 ? (b->achieved + rate) / 2 : rate;
                tell_rate(r);
        }
        b->begun = b->total = b->done = b->bytes_per_second = 0;
        b->yielding = false;
}

static bool goes_up(const Repository *r) {
        return r->fsm.phase == SYNC_PHASE_PUSH;
}

static uint64_t time_left(Repository *r) {
        uint64_t at, now = now_monotonic(r);

        if (!r->timer || sd_event_source_get_time(r->timer, &at) < 0)
                return 0;
        return at > now ? at - now : 0;
}

char *repository_state_reason(Repository *r) {
        RepositoryBandwidth *b = &r->bandwidth;
        StateReason reason = {
                .fsm = &r->fsm,
                .text = r->fsm.facts.folder != SYNC_WORD_NONE ? r->folder_text : r->text,
                .wait_usec = time_left(r),
                .bytes_done = b->done,
                .bytes_total = b->total,
                .bytes_per_second = b->bytes_per_second,
                .limit_kbit = goes_up(r) ? b->limits.up : b->limits.down,
                .yielding = b->yielding,
        };
        char buf[STATE_REASON_SIZE], until[sizeof("18:00")];
        struct tm tm;

        if (b->scheduled && localtime_r(&b->until, &tm) && strftime(until, sizeof(until), "%H:%M", &tm) > 0)
                reason.limit_until = until;
        return repository_make_utf8(state_reason_format(&reason, buf));
}
